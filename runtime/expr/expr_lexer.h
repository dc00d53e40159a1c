// Words of an expression's text, one at a time.
#pragma once

#include "runtime/error.h"
#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef enum ft_word_kind {
    FT_WORD_END,
    FT_WORD_NAME,
    FT_WORD_INT,
    FT_WORD_FLOAT,
    FT_WORD_STRING,
    FT_WORD_SIGN,  // Operators, parentheses, comma; and the words and or not.
} ft_word_kind;

typedef struct ft_word {
    ft_word_kind kind;
    ft_slice text;  // As written; a string without quotes and escapes.
    size_t offset, length;
    int64_t int_value;
    double float_value;
} ft_word;

typedef struct ft_lexer {
    ft_slice text;
    size_t at;
    ft_arena *arena;
} ft_lexer;

// The next word. Refuses what belongs to other languages, and says what is written here instead.
bool ft_lexer_next(ft_lexer *lexer, ft_word *out, ft_error *err) FT_MUST_CHECK;
// Fills `err` with E0401 at a place of the text. Returns false.
bool ft_expr_syntax_error(ft_error *err, size_t offset, size_t length, const char *format, ...)
    FT_PRINTF(4, 5);
