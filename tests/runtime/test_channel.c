// Frames between two processes: small and large, by pipe and by memory; who keeps what it saw; who
// is gone; sizes that are not true.
#define _POSIX_C_SOURCE 200809L
#include "runtime/system/channel.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"

enum { SMALL = 100, LARGE = 3 << 20, ROUNDS = 40 };

static void fill(char *data, size_t size, int round)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 31 + (size_t)round);
}

// The other end: answers each frame with its bytes, turned over; keeps every third one that lies in
// the memory, and looks at the end whether it is still as it was.
static void echo(const int *fds, size_t count)
{
    ft_channel channel;
    ft_frame frame;
    ft_error err = FT_ERROR_INIT;
    char *kept[ROUNDS] = {0};
    size_t sizes[ROUNDS] = {0};
    int round = 0;

    if (!ft_channel_open(&channel, fds, count, &err))
        _exit(2);
    while (ft_channel_next(&channel, &frame, NULL, &err) == FT_CHANNEL_OK) {
        size_t size = (size_t)frame.size_bytes;
        char *data = NULL, *own = malloc(size + 1);
        if (!own)
            _exit(3);
        if (frame.in_memory) {
            if (!ft_channel_look(&channel, &frame, &data, &err))
                _exit(4);
            memcpy(own, data, size);
            if (round % 3 == 0) {
                kept[round] = data;
                sizes[round] = size;
                if (!ft_channel_detach(&channel, size, &err))
                    _exit(5);
            }
        } else if (ft_channel_receive(&channel, &frame, own, NULL, &err) != FT_CHANNEL_OK) {
            _exit(6);
        }
        for (size_t i = 0; i < size; i++)
            own[i] = (char)~own[i];
        ft_frame answer = {.kind = frame.kind + 1, .number = frame.number};
        struct iovec part = {own, size};
        if (!ft_channel_fill(&channel, &answer, &part, 1, &err) ||
            ft_channel_send(&channel, &answer, &part, 1, NULL, &err) != FT_CHANNEL_OK)
            _exit(7);
        free(own);
        round++;
    }
    for (int i = 0; i < round; i++)
        for (size_t j = 0; kept[i] && j < sizes[i]; j++)
            if (kept[i][j] != (char)(j * 31 + (size_t)i))
                _exit(8);
    _exit(0);
}

static void play(bool shared)
{
    ft_channel channel;
    ft_error err = FT_ERROR_INIT;
    int far[FT_CHANNEL_FDS], status;
    size_t count;
    char *data = malloc(LARGE), *back = malloc(LARGE);

    check_true(data && back);
    check_ok(ft_channel_create(shared, &channel, far, &count, &err), &err);
    pid_t pid = fork();
    if (pid == 0) {
        close(channel.in);
        close(channel.out);
        echo(far, count);
    }
    close(far[0]);
    close(far[1]);
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = i % 2 ? LARGE - (size_t)i * 4096 : SMALL + (size_t)i;
        fill(data, size, i);
        struct iovec part = {data, size};
        ft_frame frame = {.kind = 7, .number = (uint64_t)i};
        check_ok(ft_channel_fill(&channel, &frame, &part, 1, &err), &err);
        check_int_eq(frame.in_memory, shared);
        check_int_eq(ft_channel_send(&channel, &frame, &part, 1, NULL, &err), FT_CHANNEL_OK);
        check_int_eq(ft_channel_next(&channel, &frame, NULL, &err), FT_CHANNEL_OK);
        check_int_eq(frame.kind, 8);
        check_int_eq(frame.number, i);
        check_int_eq(frame.size_bytes, size);
        check_int_eq(ft_channel_receive(&channel, &frame, back, NULL, &err), FT_CHANNEL_OK);
        for (size_t j = 0; j < size; j++)
            if (back[j] != (char)~data[j])
                check_int_eq(back[j], (char)~data[j]);
        ft_channel_trim(&channel.out_memory, 65536);
        ft_channel_trim(&channel.in_memory, 65536);
    }
    ft_channel_close(&channel);
    check_int_eq(waitpid(pid, &status, 0), pid);
    check_int_eq(status, 0);
    free(data);
    free(back);
}

TEST(by_pipe)
{
    play(false);
}

TEST(by_memory)
{
    play(true);
}

TEST(the_other_end_is_gone)
{
    ft_channel channel;
    ft_frame frame = {.kind = 1};
    ft_error err = FT_ERROR_INIT;
    int far[FT_CHANNEL_FDS];
    size_t count;

    check_ok(ft_channel_create(true, &channel, far, &count, &err), &err);
    close(far[0]);
    close(far[1]);
    check_int_eq(ft_channel_send(&channel, &frame, NULL, 0, NULL, &err), FT_CHANNEL_GONE);
    check_int_eq(ft_channel_next(&channel, &frame, NULL, &err), FT_CHANNEL_GONE);
    ft_channel_close(&channel);
}

// A frame that names more memory than there is, and bytes that are none.
TEST(sizes_that_are_not_true)
{
    ft_channel channel;
    ft_frame frame = {.magic = 0x66747066, .kind = 1, .in_memory = 1};
    ft_error err = FT_ERROR_INIT;
    int far[FT_CHANNEL_FDS];
    size_t count;
    char *data;

    check_ok(ft_channel_create(true, &channel, far, &count, &err), &err);
    static const uint64_t sizes[] = {1, 1 << 20, (uint64_t)1 << 39, UINT64_MAX, UINT64_MAX - 64};
    for (size_t i = 0; i < FT_COUNT_OF(sizes); i++) {
        frame.size_bytes = sizes[i];
        err = (ft_error)FT_ERROR_INIT;
        check_fails(ft_channel_look(&channel, &frame, &data, &err), &err, FT_ERROR_IO);
    }
    // The other side cannot take away what is mapped here.
    check_true(ftruncate(channel.in_memory.fd, 1 << 20) == 0);
    frame.size_bytes = 1 << 19;
    err = (ft_error)FT_ERROR_INIT;
    check_ok(ft_channel_look(&channel, &frame, &data, &err), &err);
    check_true(ftruncate(channel.in_memory.fd, 0) != 0);
    char none[sizeof(ft_frame)];
    memset(none, 'x', sizeof(none));
    check_int_eq(write(far[1], none, sizeof(none)), sizeof(none));
    check_int_eq(ft_channel_next(&channel, &frame, NULL, &err), FT_CHANNEL_FAILED);
    check_contains(err.message, "damaged");
    close(far[0]);
    close(far[1]);
    ft_channel_close(&channel);
}

int main(int argc, char **argv)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGPIPE, &ignore, NULL);
    return check_main(argc, argv);
}
