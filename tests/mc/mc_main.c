// ftmc TARGET.so [--only NAME] [--long] [--replay STEPS] [--trace] [--preemptions N] [--seconds N]
// [--naive] [--list]: loads the target, checks each of its configurations, ends with "N passed, N
// failed". --naive tries every order of steps, without reduction: for ftmc's own tests.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/mc/mc_state.h"

image mc_image;
static const char *target_path;

double mc_seconds(void)
{
    struct timespec now;

    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void mc_let_clock_jump(int64_t ns)
{
    mc->clock_jump_ns = ns;
}

void mc_let_clock_run(int64_t ns)
{
    mc->clock_run_ns = ns;
}

// No time that others can see pass: what one thread is told must not depend on when others asked.
int64_t ft_clock_ns(void);
int64_t ft_clock_ns(void)
{
    if (mc->clock_run_ns)
        return mc->clock_run_ns * ++mc->threads[mc->self].clock_calls;
    return 1 + (mc->clock_jump_ns && mc_choose(2) ? mc->clock_jump_ns : 0);
}

static void fault(int number)
{
    (void)number;
    mc_fail("a fault: an address that is none");
}

// Of several segments the one with variables: writable, less what the loader protects again.
static int find_image(struct dl_phdr_info *info, size_t size, void *host)
{
    char *relro_end = NULL;

    (void)size;
    if (strcmp(info->dlpi_name, host) != 0)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO)
            relro_end =
                (char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        char *start = (char *)info->dlpi_addr + header->p_vaddr, *end = start + header->p_memsz;
        if (header->p_type == PT_TLS) {
            mc_image.tls = info->dlpi_tls_data;
            mc_image.tls_size = header->p_memsz;
        }
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_W))
            continue;
        if (relro_end > start && relro_end <= end)
            start = (char *)(((uintptr_t)relro_end + 4095) & ~(uintptr_t)4095);
        mc_image.data = start;
        mc_image.data_size = start < end ? (size_t)(end - start) : 0;
    }
    return 1;
}

static const mc_target *load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    const mc_target *targets = library ? dlsym(library, "mc_targets") : NULL;
    void (*touch)(void) = NULL;

    if (!targets) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    *(void **)&touch = dlsym(library, "mc_touch");
    touch();
    dl_iterate_phdr(find_image, (void *)(uintptr_t)path);
    if (!mc_image.data || !mc_image.tls) {
        fprintf(stderr, "%s: its variables cannot be found\n", path);
        exit(2);
    }
    mc_image.data_copy = malloc(mc_image.data_size + 1);
    memcpy(mc_image.data_copy, mc_image.data, mc_image.data_size);
    mc_image.tls_copy = malloc(mc_image.tls_size + 1);
    memcpy(mc_image.tls_copy, mc_image.tls, mc_image.tls_size);
    return targets;
}

static void parse(int argc, char **argv, options *out)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--long") == 0)
            out->is_long = true;
        else if (strcmp(argv[i], "--trace") == 0)
            out->trace = true;
        else if (strcmp(argv[i], "--naive") == 0)
            out->naive = true;
        else if (strcmp(argv[i], "--list") == 0)
            out->list = true;
        else if (strcmp(argv[i], "--only") == 0)
            out->only = value, i++;
        else if (strcmp(argv[i], "--replay") == 0)
            out->replay = value, i++;
        else if (strcmp(argv[i], "--preemptions") == 0)
            out->preemptions = atoi(value), i++;
        else if (strcmp(argv[i], "--seconds") == 0)
            out->seconds = atof(value), i++;
        else if (argv[i][0] != '-' && !target_path)
            target_path = argv[i];
        else {
            fprintf(stderr, "ftmc: what is `%s`?\n", argv[i]);
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    static mc_state state;
    int passed = 0, failed = 0;
    struct sigaction on_fault = {.sa_handler = fault, .sa_flags = SA_NODEFER};

    mc = &state;
    state.options.preemptions = -1;
    parse(argc, argv, &state.options);
    if (!target_path)
        return 2;
    const mc_target *targets = load(target_path);
    sigaction(SIGSEGV, &on_fault, NULL);
    sigaction(SIGBUS, &on_fault, NULL);
    for (const mc_target *t = targets; t->name; t++) {
        if (state.options.only ? strcmp(t->name, state.options.only) != 0
                               : t->is_huge || (t->is_long && !state.options.is_long))
            continue;
        if (state.options.list) {
            printf("%-28s %s\n", t->name, t->what);
            continue;
        }
        *(mc_run_target(t) ? &passed : &failed) += 1;
    }
    if (!state.options.list)
        printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed + failed == 0;
}
