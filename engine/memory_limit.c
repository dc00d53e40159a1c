// The default of `run.memory`.
#include "engine/memory_limit.h"

#include "runtime/system/topology.h"

int64_t ft_memory_limit_of(const ft_run_options *options)
{
    if (options->memory_bytes > 0)
        return options->memory_bytes;
    ft_topology topology;
    ft_topology_read("", &topology);
    int64_t bytes = topology.memory_bytes / 4;
    if (bytes > topology.memory_limit_bytes)
        bytes = topology.memory_limit_bytes;
    return bytes < FT_MEMORY_MIN_BYTES ? FT_MEMORY_MIN_BYTES : bytes;
}
