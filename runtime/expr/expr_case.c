// Simple case mapping by binary search in runs of code points; ASCII without a search.
#include "runtime/expr/expr_case_tables.h"
#include "runtime/expr/expr_routine.h"

static uint32_t map(const case_run *runs, size_t count, uint32_t point)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (point > runs[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == count || point < runs[low].first || (point - runs[low].first) % runs[low].step)
        return point;
    return (uint32_t)((int32_t)point + runs[low].distance);
}

uint32_t ft_case_lower(uint32_t point)
{
    if (point < 128)
        return point >= 'A' && point <= 'Z' ? point + 32 : point;
    return map(lower_runs, FT_COUNT_OF(lower_runs), point);
}

uint32_t ft_case_upper(uint32_t point)
{
    if (point < 128)
        return point >= 'a' && point <= 'z' ? point - 32 : point;
    return map(upper_runs, FT_COUNT_OF(upper_runs), point);
}
