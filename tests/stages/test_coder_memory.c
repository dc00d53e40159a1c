// What one more worker costs: its caches, which are bounded, and nothing but them; all of it is
// charged to the account of the run.
#include <stdio.h>
#include <string.h>

#include "runtime/memory/account.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/buffer.h"
#include "runtime/random.h"
#include "stages/text/tokenizer.h"
#include "tests/check.h"

enum { CODER_BYTES = 32 << 20, UNCHARGED_BYTES = 256 << 10, TEXT_BYTES = 1 << 16, TEXTS = 120 };
#define RUN_BYTES (INT64_C(4) << 30)

// Words that were never seen before, of 1 to 40 letters, some of them not ASCII.
static size_t fill_text(char *text, ft_random *random)
{
    size_t size = 0;

    while (size + 256 < TEXT_BYTES) {
        for (uint64_t letters = 1 + ft_random_next(random) % 40; letters > 0; letters--) {
            uint64_t pick = ft_random_next(random);
            size += ft_utf8_put(pick % 8 ? (uint32_t)('a' + pick / 8 % 26)
                                         : (uint32_t)(0x430 + pick / 8 % 32),
                                text + size);
        }
        text[size++] = ' ';
    }
    return size;
}

// Whether ft_alloc_thread_bytes sees buffers; those of a pool it does not.
static bool sees_buffers(void)
{
    ft_error err = FT_ERROR_INIT;
    const int64_t before = ft_alloc_thread_bytes();
    ft_buffer *buffer = ft_buffer_create(NULL, 1 << 20, &err);

    check_ok(buffer != NULL, &err);
    bool seen = ft_alloc_thread_bytes() - before >= 1 << 20;
    ft_buffer_unref(buffer);
    return seen;
}

static void check_worker(const ft_tokenizer *tokenizer, const char *name)
{
    static char text[TEXT_BYTES + 64];
    ft_account account;
    ft_error err = FT_ERROR_INIT;
    ft_random random;
    bool was_cut;

    ft_account_init(&account, RUN_BYTES);
    ft_random_init(&random, 3, 0);
    ft_alloc_measure(true);
    const bool with_buffers = sees_buffers();
    const int64_t before = ft_alloc_thread_bytes();
    ft_token_coder *coder = ft_token_coder_create(
        tokenizer, (ft_token_settings){.truncation = FT_TRUNCATE_NONE}, &account, &err);
    check_ok(coder != NULL, &err);
    for (int i = 0; i < TEXTS; i++) {
        ft_ids ids = {0};
        ft_slice one = {text, fill_text(text, &random)};
        check_ok(ft_token_coder_add(coder, one, &ids, &was_cut, &err), &err);
        check_true(ids.count > 0);
        ft_ids_finish(&ids);
    }
    const int64_t charged = ft_account_used_bytes(&account);
    const int64_t others = ft_alloc_thread_bytes() - before - (with_buffers ? charged : 0);
    printf("  %-32s %6.2f MiB of buffers, at most %6.2f, and %6.2f of else\n", name,
           (double)charged / (1 << 20), (double)ft_account_peak_bytes(&account) / (1 << 20),
           (double)others / (1 << 20));
    check_true(charged > 0 && ft_account_peak_bytes(&account) <= CODER_BYTES);
    check_true(others <= UNCHARGED_BYTES);
    ft_token_coder_destroy(coder);
    check_int_eq(ft_account_used_bytes(&account), 0);
    ft_alloc_measure(false);
}

TEST(a_worker_adds_its_caches_only)
{
    static const char *const names[] = {"bert-base-uncased",
                                        "gpt2",
                                        "llama2",
                                        "llama2/tokenizer.model",
                                        "t5-small",
                                        "cl100k_base",
                                        "cl100k_base/cl100k_base.tiktoken"};
    const char *data = check_data_folder();

    if (!data)
        check_skip("no test data");
    for (size_t i = 0; i < FT_COUNT_OF(names); i++) {
        ft_arena *arena = ft_arena_create();
        const ft_tokenizer *tokenizer;
        ft_error err = FT_ERROR_INIT;
        const char *path = ft_arena_format(arena, "%s/tokenizers/%s", data, names[i]);
        check_true(path != NULL);
        check_ok(ft_tokenizer_load(path, arena, &tokenizer, &err), &err);
        check_worker(tokenizer, names[i]);
        ft_arena_destroy(arena);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
