// What the fuzzers of readers share (libFuzzer; tests/fuzz_readers.py runs them).
//
// An input is the bytes of a file, as they are. Behind a line FUZZ_BESIDE come those of the next
// file that the reader looks for beside it. Files are in memory: the functions of
// runtime/system/file.h are replaced at link time (--wrap), so that the readers run as they are.
//
// A new reader is one file here: fuzz_NAME.c with LLVMFuzzerTestOneInput, seeds in corpus/NAME, and
// if it has words of its own NAME.dict.
#pragma once

#include <stdint.h>

#include "runtime/error.h"
#include "runtime/slice.h"

#define FUZZ_BESIDE "\n--beside--\n"
#define FUZZ_FOLDER "fuzz/"

// A broken promise: prints it and aborts, which is how libFuzzer learns of it.
#define FUZZ_CHECK(condition) FT_ASSERT(condition)

// The whole way of a tokenizer's file: described, read, compiled, run on texts, one of them the end
// of the input; forth by the fast path and by the interpreter, which agree, and back. What fails
// says in which of the files and where. `names` are the files' names, in FUZZ_FOLDER, the
// tokenizer's first; NULL behind the last.
void fuzz_tokenizer(const char *const *names, ft_slice input);

// Files that there are until the next call; the input's parts may be fewer than the names.
void fuzz_set_files(const char *const *names, ft_slice input);

// The part before the first FUZZ_BESIDE; `rest` becomes what is behind it, data NULL: nothing.
ft_slice fuzz_cut(ft_slice *rest);
// As much of it as is valid UTF-8, to `bytes_max`, from its end.
ft_slice fuzz_text(ft_slice input, size_t bytes_max);

// `err` is set, is the file's fault, and names the file `path` and a place in it.
void fuzz_check_error(const ft_error *err, const char *path);

// The same of a model's files, of which one is named with what is wrong in it: a tensor, a key, a
// number of bytes.
void fuzz_check_model_error(const ft_error *err);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
