// The list that cli/ hands to dsl/, made from list.h.
#include "stages/builtin.h"

#define FT_STAGE(name) extern const ft_stage_def ft_stage_##name;
#include "stages/list.h"
#undef FT_STAGE

const ft_stage_def *const ft_builtin_stages[] = {
#define FT_STAGE(name) &ft_stage_##name,
#include "stages/list.h"
#undef FT_STAGE
    NULL,
};
