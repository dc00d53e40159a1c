// Topology from folders of fake files: affinity, quotas of v1 and v2 at every level, memory limits.
#define _XOPEN_SOURCE 700  // For nftw.
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/system/topology.h"
#include "tests/check.h"

static char root[64];

static void put(const char *path, const char *text)
{
    char full[512];

    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    check_true(file != NULL);
    fputs(text, file);
    fclose(file);
}

static void start(const char *cpus)
{
    char text[128];

    snprintf(root, sizeof(root), "/tmp/ftpipe-topology-XXXXXX");
    check_true(mkdtemp(root) != NULL);
    snprintf(text, sizeof(text), "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\n", cpus);
    put("/proc/self/status", text);
    put("/proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 5 kB\n");
    put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: A Very Fast CPU @ 3 GHz\n");
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *place)
{
    (void)found;
    (void)kind;
    (void)place;
    return remove(path);
}

static ft_topology finish(void)
{
    ft_topology found;

    ft_topology_read(root, &found);
    check_int_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    return found;
}

static void v2(const char *own_path)
{
    char text[256];

    put("/proc/self/mountinfo",
        "22 27 0:21 / /proc rw - proc proc rw\n"
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    snprintf(text, sizeof(text), "0::%s\n", own_path);
    put("/proc/self/cgroup", text);
}

static void v1(const char *own_path, const char *mounted_root)
{
    char text[512];

    snprintf(text, sizeof(text),
             "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
             "32 31 0:29 %s /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
             "33 31 0:30 %s /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
             mounted_root, mounted_root);
    put("/proc/self/mountinfo", text);
    snprintf(text, sizeof(text), "5:memory:%s\n4:cpu,cpuacct:%s\n1:name=systemd:/\n", own_path,
             own_path);
    put("/proc/self/cgroup", text);
}

TEST(no_cgroups)
{
    start("0-3,8");
    ft_topology found = finish();
    check_int_eq(found.workers, 5);
    check_float_near(found.quota, 0, 0);
    check_int_eq(found.memory_bytes, INT64_C(16000000) * 1024);
    check_int_eq(found.memory_limit_bytes, found.memory_bytes);
    check_text_eq(found.cpu_model, "A Very Fast CPU @ 3 GHz");
}

TEST(nothing_readable)
{
    snprintf(root, sizeof(root), "/tmp/ftpipe-topology-XXXXXX");
    check_true(mkdtemp(root) != NULL);
    ft_topology found = finish();
    check_true(found.workers >= 1);
    check_int_eq(found.memory_limit_bytes, 0);
}

TEST(affinity_list_that_is_none)
{
    start("x-y");
    check_true(finish().workers >= 1);
}

TEST(v2_fractional_rounds_up)
{
    start("0-7");
    v2("/app");
    put("/sys/fs/cgroup/app/cpu.max", "250000 100000\n");
    ft_topology found = finish();
    check_int_eq(found.workers, 3);
    check_float_near(found.quota, 2.5, 1e-9);
}

TEST(v2_below_one_cpu_is_one_worker)
{
    start("0-7");
    v2("/app");
    put("/sys/fs/cgroup/app/cpu.max", "30000 100000\n");
    check_int_eq(finish().workers, 1);
}

TEST(v2_max_is_none)
{
    start("0-7");
    v2("/app");
    put("/sys/fs/cgroup/app/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/app/memory.max", "max\n");
    ft_topology found = finish();
    check_int_eq(found.workers, 8);
    check_int_eq(found.memory_limit_bytes, found.memory_bytes);
}

TEST(v2_the_lowest_of_all_levels)
{
    start("0-15");
    v2("/a/b/c");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "400000 100000\n");
    put("/sys/fs/cgroup/a/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/a/b/c/memory.max", "2147483648\n");
    ft_topology found = finish();
    check_int_eq(found.workers, 4);
    check_int_eq(found.memory_limit_bytes, 1073741824);
}

TEST(v2_in_a_container_the_root_has_the_files)
{
    start("0-7");
    v2("/");
    put("/sys/fs/cgroup/cpu.max", "150000 100000\n");
    put("/sys/fs/cgroup/memory.max", "268435456\n");
    ft_topology found = finish();
    check_int_eq(found.workers, 2);
    check_int_eq(found.memory_limit_bytes, 268435456);
}

TEST(v2_path_outside_of_the_mount)
{
    start("0-7");
    v2("/../other");
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    check_int_eq(finish().workers, 1);
}

TEST(affinity_below_quota)
{
    start("2");
    v2("/app");
    put("/sys/fs/cgroup/app/cpu.max", "800000 100000\n");
    check_int_eq(finish().workers, 1);
}

TEST(v1_quota_and_memory)
{
    start("0-7");
    v1("/app", "/");
    put("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "50000\n");
    put("/sys/fs/cgroup/memory/app/memory.limit_in_bytes", "536870912\n");
    ft_topology found = finish();
    check_int_eq(found.workers, 3);
    check_int_eq(found.memory_limit_bytes, 536870912);
}

TEST(v1_none_and_parent)
{
    start("0-7");
    v1("/a/b", "/");
    put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "199999\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    ft_topology found = finish();
    check_int_eq(found.workers, 2);
    check_int_eq(found.memory_limit_bytes, found.memory_bytes);
}

TEST(v1_in_a_container_without_a_namespace)
{
    start("0-7");
    v1("/docker/abc", "/docker/abc");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    check_int_eq(finish().workers, 2);
}

TEST(broken_files_are_no_limit)
{
    start("0-3");
    v2("/app");
    put("/sys/fs/cgroup/app/cpu.max", "12x 0\n");
    put("/sys/fs/cgroup/app/memory.max", "");
    ft_topology found = finish();
    check_int_eq(found.workers, 4);
    check_int_eq(found.memory_limit_bytes, found.memory_bytes);
}

TEST(zero_period_is_no_limit)
{
    start("0-3");
    v2("/app");
    put("/sys/fs/cgroup/app/cpu.max", "100000 0\n");
    check_int_eq(finish().workers, 4);
}

TEST(both_hierarchies_side_by_side)
{
    start("0-7");
    v1("/app", "/");
    char path[128];
    snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
    FILE *file = fopen(path, "a");
    fputs("40 31 0:40 / /sys/fs/cgroup/unified\\040here rw - cgroup2 cgroup2 rw\n", file);
    fclose(file);
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    file = fopen(path, "a");
    fputs("0::/slice\n", file);
    fclose(file);
    put("/sys/fs/cgroup/unified here/slice/cpu.max", "300000 100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "400000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "100000\n");
    check_int_eq(finish().workers, 3);
}

TEST(this_machine)
{
    ft_topology found;

    ft_topology_read("", &found);
    check_true(found.workers >= 1 && found.workers <= found.cpus_allowed);
    check_true(found.memory_bytes > 0 && found.memory_limit_bytes <= found.memory_bytes);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
