// Texts that a model wants before its inputs, by name: `prompts` and `default_prompt_name` of
// config_sentence_transformers.json, as sentence-transformers has them.
#pragma once

#include "runtime/memory/arena.h"

// What stands before each text: `prompt` itself (which may be empty); else the one that the model
// calls `name`; else the one that the model names as its default. NULL: nothing. `model` is a
// folder, or a file in it. In the arena.
//
// Fails when both are given (USAGE at `prompt_name`), when the model has no prompt of that name
// (the same; tells those there are), and when the file is not what it should be (DATA at `model`).
// It is not read where `prompt` is given.
bool ft_prompt_find(const char *model, const char *prompt, const char *name, ft_arena *arena,
                    const char **out, ft_error *err) FT_MUST_CHECK;
