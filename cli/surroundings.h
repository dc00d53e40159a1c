// The environment's variables: read here and nowhere else.
//
//   FTPIPE_STORE      the model store; else XDG_CACHE_HOME/ftpipe/models, else
//                     HOME/.cache/ftpipe/models
//   XDG_CACHE_HOME    also tokenizers/ (compiled ones), weights/ (laid out ones) and verdicts/ (of
//                     plug-ins), in ftpipe/
//   FTPIPE_ISA        generic, avx2 or avx512: caps what the kernels use
//   FTPIPE_PEERS      programs that `bench` compares with; else HOME/.cache/ftpipe-peers
//   FT_FAIL_ALLOC     n or n,sticky: the nth allocation fails (and all after it), for tests
//   OPENBLAS_CORETYPE OpenBLAS's own; `doctor` says when it is set
//   and whatever a pipeline names in ${NAME:-default}
#pragma once

#include "runtime/memory/arena.h"

const char *ft_surroundings_variable(const char *name);
// $XDG_CACHE_HOME/ftpipe/NAME, else ~/.cache/ftpipe/NAME; NULL when nothing says where.
const char *ft_surroundings_cache(ft_arena *arena, const char *name);
// The folder of compiled tokenizers, which need not exist; NULL when nothing says where, or when
// HOME is not there, which is not made.
const char *ft_surroundings_tokenizers(ft_arena *arena);
// The same of weights that were laid out.
const char *ft_surroundings_weights(ft_arena *arena);
// The model store's folder, which need not exist; NULL when nothing says where.
const char *ft_surroundings_store(ft_arena *arena);
// The folder of the programs that `bench` compares with; NULL when nothing says where.
const char *ft_surroundings_peers(ft_arena *arena);
// Makes FTPIPE_ISA and FT_FAIL_ALLOC take effect.
bool ft_surroundings_apply(ft_error *err) FT_MUST_CHECK;
