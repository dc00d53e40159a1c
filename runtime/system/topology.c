// The machine as this process may use it, from /proc and /sys alone, so that a test can hand it a
// folder of files.
//
// A quota may stand at any level of the process's cgroup path, in a v2 hierarchy, in v1's, or in
// both side by side: all levels that are visible are read, from the process's own up to the mount,
// and the smallest wins.
#include "runtime/system/topology.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/slice.h"

enum { LINE_BYTES = 4096, PATH_BYTES = 4096 };

typedef struct {
    const char *root;
    ft_topology *out;
} reader;

static bool make_path(char out[PATH_BYTES], const char *root, const char *folder, const char *rest,
                      const char *name)
{
    int size = snprintf(out, PATH_BYTES, "%s%s%s%s", root, folder, rest, name);
    return size > 0 && size < PATH_BYTES;
}

// First line of a small file, without its end. False when there is none.
static bool read_line(const char *path, char out[LINE_BYTES])
{
    FILE *file = fopen(path, "re");
    bool ok = file && fgets(out, LINE_BYTES, file);

    if (file)
        fclose(file);
    if (ok)
        out[strcspn(out, "\n")] = 0;
    return ok;
}

// The text behind `key:` in a file of such lines.
static bool find_value(const char *path, const char *key, char out[LINE_BYTES])
{
    FILE *file = fopen(path, "re");
    size_t size = strlen(key);
    bool found = false;

    if (!file)
        return false;
    while (!found && fgets(out, LINE_BYTES, file)) {
        if (strncmp(out, key, size) != 0)
            continue;
        ft_slice rest = ft_slice_trim(ft_slice_of(out + size));
        if (rest.size == 0 || rest.data[0] != ':')
            continue;
        ft_slice value = ft_slice_trim((ft_slice){rest.data + 1, rest.size - 1});
        memmove(out, value.data, value.size);
        out[value.size] = 0;
        found = true;
    }
    fclose(file);
    return found;
}

// "0-3,7,9-10": how many numbers that names. 0 when it is not such a list.
static int count_list(ft_slice list)
{
    ft_slice part;
    int64_t total = 0;

    while (ft_slice_cut(&list, ',', &part)) {
        ft_slice from, to = part;
        int64_t first, last;
        ft_slice_cut(&to, '-', &from);
        if (!to.data)
            to = from;
        if (!ft_parse_int(from, &first) || !ft_parse_int(to, &last) || first < 0 || last < first ||
            last > 65535)
            return 0;
        total += last - first + 1;
    }
    return total > 65536 ? 0 : (int)total;
}

static void lower_quota(ft_topology *out, int64_t quota_us, int64_t period_us)
{
    if (quota_us <= 0 || period_us <= 0)
        return;
    double cpus = (double)quota_us / (double)period_us;
    if (out->quota == 0 || cpus < out->quota)
        out->quota = cpus;
}

static void lower_memory(ft_topology *out, int64_t bytes)
{
    if (bytes > 0 && bytes < out->memory_limit_bytes)
        out->memory_limit_bytes = bytes;
}

static bool read_number(const reader *r, const char *folder, const char *rest, const char *name,
                        int64_t *out)
{
    char path[PATH_BYTES], line[LINE_BYTES];

    return make_path(path, r->root, folder, rest, name) && read_line(path, line) &&
           ft_parse_int(ft_slice_trim(ft_slice_of(line)), out);
}

// One level of v2: "max 100000" or "150000 100000", and a number of bytes or "max".
static void read_level_v2(const reader *r, const char *folder, const char *rest)
{
    char path[PATH_BYTES], line[LINE_BYTES];
    int64_t quota, period, bytes;

    if (make_path(path, r->root, folder, rest, "/cpu.max") && read_line(path, line)) {
        ft_slice text = ft_slice_trim(ft_slice_of(line)), first;
        if (ft_slice_cut(&text, ' ', &first) && ft_parse_int(first, &quota) &&
            ft_parse_int(text, &period))
            lower_quota(r->out, quota, period);
    }
    if (read_number(r, folder, rest, "/memory.max", &bytes))
        lower_memory(r->out, bytes);
}

static void read_level_v1(const reader *r, const char *folder, const char *rest)
{
    int64_t quota, period, bytes;

    if (read_number(r, folder, rest, "/cpu.cfs_quota_us", &quota) &&
        read_number(r, folder, rest, "/cpu.cfs_period_us", &period))
        lower_quota(r->out, quota, period);
    if (read_number(r, folder, rest, "/memory.limit_in_bytes", &bytes))
        lower_memory(r->out, bytes);
}

// The process's path in the hierarchy: v2 is the line "0::/path"; v1 one that names the controller.
static bool find_own_path(const reader *r, const char *controller, char out[LINE_BYTES])
{
    char path[PATH_BYTES], line[LINE_BYTES];
    bool found = false;

    if (!make_path(path, r->root, "/proc/self/cgroup", "", ""))
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    while (!found && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = 0;
        ft_slice rest = ft_slice_of(line), number, names, name;
        if (!ft_slice_cut(&rest, ':', &number) || !ft_slice_cut(&rest, ':', &names) || !rest.data)
            continue;
        if (!controller)
            found = ft_slice_is(number, "0") && names.size == 0;
        while (controller && !found && ft_slice_cut(&names, ',', &name))
            found = ft_slice_is(name, controller);
        if (found)
            snprintf(out, LINE_BYTES, "%s", rest.data);
    }
    fclose(file);
    return found;
}

// Undoes "\040" and the like, which mountinfo writes for spaces.
static void unescape(char *text)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        bool octal = in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' &&
                     in[2] <= '7' && in[3] >= '0' && in[3] <= '7';
        if (octal) {
            *out++ = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
            in += 3;
        } else {
            *out++ = *in;
        }
    }
    *out = 0;
}

// Reads all levels between the process's own cgroup and the place that is mounted at `mount`.
static void read_hierarchy(const reader *r, const char *controller, const char *mount,
                           const char *mounted_root)
{
    char rest[LINE_BYTES];
    size_t root_size = strcmp(mounted_root, "/") == 0 ? 0 : strlen(mounted_root);

    if (!find_own_path(r, controller, rest))
        return;
    // The mount may show only a part of the hierarchy (a container's); outside of it only the mount
    // itself is visible.
    bool inside =
        strncmp(rest, mounted_root, root_size) == 0 && (rest[root_size] == '/' || !rest[root_size]);
    if (inside)
        memmove(rest, rest + root_size, strlen(rest + root_size) + 1);
    else
        rest[0] = 0;
    while (true) {
        size_t size = strlen(rest);
        while (size > 0 && rest[size - 1] == '/')
            rest[--size] = 0;
        if (controller)
            read_level_v1(r, mount, rest);
        else
            read_level_v2(r, mount, rest);
        char *slash = strrchr(rest, '/');
        if (!slash)
            return;
        *slash = 0;
    }
}

static bool has_word(ft_slice list, const char *word)
{
    ft_slice part;

    while (ft_slice_cut(&list, ',', &part))
        if (ft_slice_is(part, word))
            return true;
    return false;
}

// Words of a line, split at single spaces; those that are not there are empty.
static void split(ft_slice line, ft_slice *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!ft_slice_cut(&line, ' ', &out[i]))
            out[i] = FT_SLICE("");
}

// One line: "36 35 98:0 /root /mount rw,... optional... - type source super,options".
static void read_mount(const reader *r, const char *line)
{
    enum { ROOT = 3, MOUNT, FRONT_COUNT };
    enum { TYPE, SOURCE, OPTIONS, BEHIND_COUNT };
    char root[LINE_BYTES], mount[LINE_BYTES];
    ft_slice front[FRONT_COUNT], behind[BEHIND_COUNT];
    const char *separator = strstr(line, " - ");

    if (!separator)
        return;
    split((ft_slice){line, (size_t)(separator - line)}, front, FRONT_COUNT);
    split(ft_slice_of(separator + 3), behind, BEHIND_COUNT);
    snprintf(root, sizeof(root), "%.*s", (int)front[ROOT].size, front[ROOT].data);
    snprintf(mount, sizeof(mount), "%.*s", (int)front[MOUNT].size, front[MOUNT].data);
    unescape(root);
    unescape(mount);
    if (ft_slice_is(behind[TYPE], "cgroup2"))
        read_hierarchy(r, NULL, mount, root);
    if (!ft_slice_is(behind[TYPE], "cgroup"))
        return;
    if (has_word(behind[OPTIONS], "cpu"))
        read_hierarchy(r, "cpu", mount, root);
    if (has_word(behind[OPTIONS], "memory"))
        read_hierarchy(r, "memory", mount, root);
}

static void read_cgroups(const reader *r)
{
    char path[PATH_BYTES], line[LINE_BYTES];

    if (!make_path(path, r->root, "/proc/self/mountinfo", "", ""))
        return;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = 0;
        read_mount(r, line);
    }
    fclose(file);
}

static int64_t physical_bytes(const char *meminfo)
{
    char line[LINE_BYTES];
    ft_slice number, rest;
    int64_t kib;

    if (!find_value(meminfo, "MemTotal", line))
        return 0;
    rest = ft_slice_of(line);
    if (!ft_slice_cut(&rest, ' ', &number) || !ft_parse_int(number, &kib) || kib > INT64_MAX / 1024)
        return 0;
    return kib * 1024;
}

void ft_topology_read(const char *root, ft_topology *out)
{
    char path[PATH_BYTES], line[LINE_BYTES];
    reader r = {root, out};

    memset(out, 0, sizeof(*out));
    if (make_path(path, root, "/proc/self/status", "", "") &&
        find_value(path, "Cpus_allowed_list", line))
        out->cpus_allowed = count_list(ft_slice_of(line));
    if (out->cpus_allowed < 1) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        out->cpus_allowed = online > 0 ? (int)online : 1;
    }
    if (make_path(path, root, "/proc/meminfo", "", ""))
        out->memory_bytes = physical_bytes(path);
    if (make_path(path, root, "/proc/cpuinfo", "", "") && find_value(path, "model name", line))
        snprintf(out->cpu_model, sizeof(out->cpu_model), "%.*s", (int)sizeof(out->cpu_model) - 1,
                 line);
    out->memory_limit_bytes = out->memory_bytes > 0 ? out->memory_bytes : INT64_MAX;
    read_cgroups(&r);
    if (out->memory_limit_bytes == INT64_MAX)
        out->memory_limit_bytes = 0;
    out->workers = out->cpus_allowed;
    if (out->quota > 0 && out->quota < (double)out->workers) {
        int whole = (int)out->quota;
        out->workers = (double)whole < out->quota ? whole + 1 : whole;
    }
    if (out->workers < 1)
        out->workers = 1;
}
