// How the readers of a model's configuration look at its JSON files.
#pragma once

#include "runtime/data/json.h"
#include "stages/nn/encoder_config.h"

typedef struct ft_reading {
    const char *path;  // Of the file, for messages.
    ft_arena *arena;
    const ft_json_node *root;
    ft_error *err;
} ft_reading;

bool ft_reading_open(ft_reading *r, const char *folder, const char *name) FT_MUST_CHECK;
// Whether the file is there; `*r` is ready for it then. False with the error filled when it cannot
// be read.
bool ft_reading_open_if_there(ft_reading *r, const char *folder, const char *name,
                              bool *out_there) FT_MUST_CHECK;
// The three set `*out` where the key is there and not null.
bool ft_reading_get_size(const ft_reading *r, const char *name, int64_t max,
                         size_t *out) FT_MUST_CHECK;  // From 1 on.
bool ft_reading_get_number(const ft_reading *r, const ft_json_node *object, const char *name,
                           double most, double *out) FT_MUST_CHECK;  // Above 0.
bool ft_reading_get_bool(const ft_reading *r, const char *name, bool *out) FT_MUST_CHECK;
const ft_json_node *ft_reading_find(const ft_json_node *object,
                                    const char *name);  // NULL: missing, or null.
bool ft_node_is_text(const ft_json_node *node, const char *text);
bool ft_reading_fail(const ft_reading *r, const char *name, const ft_json_node *node);

// The model's part of config.json, of GGUF's keys.
bool ft_encoder_config_of_json(const ft_reading *r, ft_encoder_config *out) FT_MUST_CHECK;
bool ft_encoder_config_of_gguf(const char *path, ft_arena *arena, ft_encoder_config *out,
                               ft_error *err) FT_MUST_CHECK;
// What follows from the sizes; fails where they do not fit each other. `path` for messages.
bool ft_encoder_config_settle(const char *path, ft_encoder_config *config,
                              ft_error *err) FT_MUST_CHECK;
