// The failure convention: codes, hints, places, and that a message is always one clean line.
#include <errno.h>
#include <string.h>

#include "tests/check.h"

TEST(fail_fills_and_returns_false)
{
    ft_error err = FT_ERROR_INIT;

    check_fails(ft_fail(&err, FT_ERROR_DATA, "bad %d", 7), &err, FT_ERROR_DATA);
    check_text_eq(err.message, "bad 7");
    check_text_eq(err.hint, "");
    ft_hint(&err, "Do %s.", "this");
    ft_hint(&err, "Do that.");
    check_text_eq(err.hint, "Do this.");
    ft_error_while(&err, "reading %s", "x");
    check_text_eq(err.message, "reading x: bad 7");
    check_int_eq(err.code, FT_ERROR_DATA);
    check_true(!ft_error_at(&err, "key", 3, 2));
    check_text_eq(err.option, "key");
    ft_fail(&err, FT_ERROR_IO, "again");
    check_true(err.option == NULL && err.offset == 0 && err.hint[0] == 0);
}

TEST(fail_errno_ends_with_the_reason)
{
    ft_error err = FT_ERROR_INIT;

    check_fails(ft_fail_errno(&err, ENOENT, "cannot open `%s`", "a\nb"), &err, FT_ERROR_IO);
    check_text_eq(err.message, "cannot open `a b`: No such file or directory");
    check_int_eq(err.saved_errno, ENOENT);
    check_fails(ft_fail_nomem(&err, 12), &err, FT_ERROR_NOMEM);
    check_text_eq(err.message, "out of memory: wanted 12 bytes");
}

TEST(messages_are_valid_utf8)
{
    ft_error err = FT_ERROR_INIT;

    ft_fail(&err, FT_ERROR_DATA, "key `%s`",
            "lla\xff"
            "a\xc3\xa9\xe2\x82");
    check_text_eq(err.message, "key `lla?a\xc3\xa9?"
                               "?`");
}

TEST(long_messages_end_on_a_code_point)
{
    ft_error err = FT_ERROR_INIT;
    char text[1000];

    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', sizeof(text));
        for (size_t i = shift; i + 4 < sizeof(text); i += 4)
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        text[sizeof(text) - 1] = 0;
        ft_fail(&err, FT_ERROR_DATA, "%s", text);
        ft_slice message = ft_slice_of(err.message);
        check_true(message.size >= FT_ERROR_MESSAGE_BYTES - 5);
        check_int_eq(ft_utf8_valid_prefix(message), message.size);
        ft_error_while(&err, "a very long story: %s", text);
        message = ft_slice_of(err.message);
        check_int_eq(ft_utf8_valid_prefix(message), message.size);
    }
}

TEST(codes_have_names)
{
    check_text_eq(ft_error_code_name(FT_ERROR_NOMEM), "nomem");
    check_text_eq(ft_error_code_name(FT_ERROR_CANCELLED), "cancelled");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
