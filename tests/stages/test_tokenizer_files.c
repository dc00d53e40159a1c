// Tokenizer files that are wrong: what is said of each, and that no mutation, cut or failing
// allocation does harm.
#include <sys/stat.h>

#include "tests/tokens/wrong_files.h"

static const char good[] =
    "{\"version\": \"1.0\", \"truncation\": {\"max_length\": 3}, \"padding\": null,\n"
    " \"added_tokens\": [{\"id\": 1, \"content\": \"[CLS]\", \"single_word\": false, \"lstrip\": "
    "false, \"rstrip\": false,"
    " \"normalized\": false, \"special\": true}, {\"id\": 9, \"content\": \"B\\u00e9\", "
    "\"single_word\": true, \"lstrip\": true,"
    " \"rstrip\": true, \"normalized\": true, \"special\": false}],\n"
    " \"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, "
    "\"handle_chinese_chars\": true,"
    " \"strip_accents\": null, \"lowercase\": true},\n"
    " \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},\n"
    " \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": "
    "{\"id\": \"[CLS]\", \"type_id\": 0}},"
    " {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": [],"
    " \"special_tokens\": {\"[CLS]\": {\"id\": \"[CLS]\", \"ids\": [1], \"tokens\": "
    "[\"[CLS]\"]}}},\n"
    " \"decoder\": null,\n"
    " \"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
    "\"continuing_subword_prefix\": \"##\","
    " \"max_input_chars_per_word\": 100, \"vocab\": {\"[UNK]\": 0, \"[CLS]\": 1, \"a\": 2, \"b\": "
    "3, \"##a\": 4, \"ab\": 5,"
    " \"\\u00e9\": 6, \"##b\": 7}}}";

static const char sample[] = "Ab b\xc3\xa9  abab [CLS] \xe4\xb8\xad x";

static bool loads(const char *path, ft_error *err)
{
    return load_and_code(path, sample, NULL, err);
}

static void check_refused(const char *old, const char *new, const char *place, const char *message)
{
    static char text[8192];
    ft_error err = FT_ERROR_INIT;

    size_t size = replaced(good, old, new, text, sizeof(text));
    const char *path = write_file("tokenizer.json", text, size);
    check_fails(loads(path, &err), &err, FT_ERROR_DATA);
    check_contains(err.message, "tokenizer.json");
    check_contains(err.message, place);
    check_contains(err.message, message);
    check_int_eq(err.number, 605);
}

TEST(tokenizer_json_is_read)
{
    static const int32_t want[] = {1, 5, 8, 5, 4, 7, 1, 0, 0, 1};
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;
    ft_error err = FT_ERROR_INIT;
    ft_ids ids = {0};
    bool was_cut;

    // The folder, not the file; the token that is not in the vocabulary gets the next id, 8, not
    // the 9 of the file.
    write_file("tokenizer.json", good, strlen(good));
    check_ok(ft_tokenizer_load(folder, arena, &tokenizer, &err), &err);
    check_int_eq(ft_tokenizer_get_info(tokenizer)->max_length, 0);
    ft_token_coder *coder =
        ft_token_coder_create(tokenizer, (ft_token_settings){.add_special = true}, NULL, &err);
    check_ok(coder != NULL, &err);
    check_ok(ft_token_coder_add(coder, FT_SLICE("Ab b\xc3\xa9  abab [CLS] \xe4\xb8\xad x"), &ids,
                                &was_cut, &err),
             &err);
    check_ok(ft_token_coder_add(coder, FT_SLICE(""), &ids, &was_cut, &err), &err);
    check_int_eq(ids.count, FT_COUNT_OF(want));
    for (size_t i = 0; i < ids.count; i++)
        check_int_eq(ft_ids_data(&ids)[i], want[i]);
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    ft_arena_destroy(arena);
}

TEST(tokenizer_json_other_components)
{
    const char *family = "which this version does not read";

    check_refused("\"type\": \"WordPiece\"", "\"type\": \"Quantum\"", "`model.type`",
                  "uses `Quantum`");
    check_refused("\"type\": \"WordPiece\"", "\"type\": \"BPE\"", "`model.merges`", "missing");
    check_refused("\"type\": \"WordPiece\"", "\"type\": \"Unigram\"", "`model.vocab`",
                  "not a list");
    check_refused("\"BertNormalizer\"", "\"Sequence\"", "`normalizer`", "`normalizers`");
    check_refused("\"BertNormalizer\"", "\"BertTokenizer\"", "`normalizer`", family);
    check_refused("\"BertPreTokenizer\"", "\"ByteLevel\"", "`pre_tokenizer`", "`add_prefix_space`");
    check_refused("\"BertPreTokenizer\"", "\"Bert\"", "`pre_tokenizer`", "uses `Bert`");
    check_refused("\"TemplateProcessing\"", "\"RobertaProcessing\"", "`post_processor`", "`sep`");
    check_refused("\"TemplateProcessing\"", "\"Template\"", "`post_processor`", "uses `Template`");
    check_refused("\"decoder\": null", "\"decoder\": {\"type\": \"Ring\"}", "`decoder`",
                  "uses `Ring`");
    check_refused("\"version\": \"1.0\"", "\"version\": \"3.0\"", "`version`", "\"3.0\"");
}

// Each step doubles it.
static void check_grown(int step_count, const char *fault)
{
    ft_text steps;

    ft_text_init(&steps, 4096);
    ft_text_append_string(&steps, "\"Sequence\", \"normalizers\": [");
    for (int i = 0; i < step_count; i++)
        ft_text_format(&steps,
                       "%s{\"type\": \"Replace\", \"pattern\": {\"String\": \"B\"}, "
                       "\"content\": \"BB\"}",
                       i > 0 ? ", " : "");
    ft_text_append(&steps, (ft_slice){"]", sizeof("]")});
    check_refused("\"BertNormalizer\"", ft_text_get(&steps).data, "`added_tokens`", fault);
    ft_text_finish(&steps);
}

TEST(tokenizer_json_has_a_token_that_grows)
{
    check_grown(25, "becomes too large");  // The last would need 32 MiB.
    check_grown(13, "is of 8194 bytes; at most 4096 are taken");
}

TEST(tokenizer_json_lies)
{
    check_refused("\"ab\": 5", "\"ab\": -1", "`model.vocab`", "out of range");
    check_refused("\"ab\": 5", "\"ab\": 4294967296", "`model.vocab`", "out of range");
    check_refused("\"ab\": 5", "\"ab\": 99999999999999999999", "`model.vocab`",
                  "not a whole number");
    check_refused("\"ab\": 5", "\"ab\": 5.0", "`model.vocab`", "not a whole number");
    check_refused("\"ab\": 5", "\"ab\": \"5\"", "`model.vocab`", "not a whole number");
    check_refused("\"[UNK]\": 0", "\"[UNK\": 0", "`model.unk_token`",
                  "the unknown token `[UNK]` is not in the vocabulary");
    check_refused("\"unk_token\": \"[UNK]\"", "\"unk_token\": null", "`model.unk_token`",
                  "missing");
    check_refused("\"unk_token\"", "\"unk\"", "`model.unk_token`", "missing");
    check_refused("\"max_input_chars_per_word\": 100", "\"max_input_chars_per_word\": -1",
                  "`model.max_input_chars_per_word`", "at least 0");
    check_refused("\"vocab\": {", "\"vocab\": [], \"x\": {", "`model.vocab`", "not an object");
    check_refused("\"vocab\": {", "\"x\": {", "`model.vocab`", "missing");
    check_refused("\"model\": {", "\"x\": {", "`model`", "missing");
    check_refused("\"clean_text\": true", "\"clean_text\": 1", "`normalizer`", "`clean_text`");
    check_refused("\"strip_accents\": null", "\"strip_accents\": \"no\"", "`normalizer`",
                  "`strip_accents`");
    check_refused("\"content\": \"[CLS]\"", "\"content\": 7", "`added_tokens`", "`content`");
    check_refused("\"id\": 9", "\"id\": 99999999999", "`added_tokens`", "out of range");
    check_refused("B\\u00e9", "\\u0001", "`added_tokens`", "nothing is left");
    check_refused("\"ids\": [1]", "\"ids\": [-7]", "`post_processor`", "out of range");
    check_refused("\"ids\": [1]", "\"ids\": 1", "`post_processor`", "no `ids`");
    check_refused("\"id\": \"A\"", "\"id\": \"B\"", "`post_processor`", "the text A once");
    check_refused("\"lowercase\": true}", "\"lowercase\": true", "", "invalid JSON at byte");
}

static void check_vocab(const char *text, const char *message)
{
    ft_error err = FT_ERROR_INIT;
    const char *path = write_file("vocab.txt", text, strlen(text));

    if (!message) {
        check_ok(loads(path, &err), &err);
        return;
    }
    check_fails(loads(path, &err), &err, FT_ERROR_DATA);
    check_contains(err.message, message);
    check_int_eq(err.number, 605);
}

TEST(tokenizer_vocab_files)
{
    ft_error err = FT_ERROR_INIT;

    check_vocab("[UNK]\n[CLS]\n[SEP]\na\n##b\n", NULL);
    check_vocab("[UNK]\r\n[CLS]\r\n[SEP]\r\na", NULL);
    check_vocab("[UNK]\n[CLS]\n[SEP]\na\na\n\n", NULL);
    check_vocab("[UNK]\n[CLS]\n", "no line says `[SEP]`");
    check_vocab("", "no line says `[UNK]`");
    check_vocab("[UNK]\n[CLS]\n[SEP]\n\xff\n", "not valid UTF-8 at byte 18");
    write_file("tokenizer_config.json", "{\"do_lower_case\": 1}", 20);
    check_vocab("[UNK]\n[CLS]\n[SEP]\n", "`do_lower_case`");
    write_file("tokenizer_config.json", "{\"unk_token\": {\"content\": \"?\"}}", 31);
    check_vocab("?\n[CLS]\n[SEP]\n", NULL);
    write_file("tokenizer_config.json", "{", 1);
    check_vocab("?\n[CLS]\n[SEP]\n", "tokenizer_config.json");
    write_file("tokenizer_config.json", "{}", 2);
    char missing[128];
    snprintf(missing, sizeof(missing), "%s/missing", folder);
    check_fails(loads(missing, &err), &err, FT_ERROR_IO);
}

TEST(tokenizer_places_without_one)
{
    ft_error folder_err = FT_ERROR_INIT, file_err = FT_ERROR_INIT, nested_err = FT_ERROR_INIT;
    char path[128];

    const char *file = write_file("model.bin", "\0\1\2", 3);
    check_fails(loads(file, &file_err), &file_err, FT_ERROR_DATA);
    check_contains(file_err.message, "not a tokenizer");
    snprintf(path, sizeof(path), "%s/empty", folder);
    mkdir(path, 0700);
    check_fails(loads(path, &folder_err), &folder_err, FT_ERROR_DATA);
    check_contains(folder_err.message, "no tokenizer in this folder");
    // A folder that is called as the file.
    snprintf(path, sizeof(path), "%s/empty/tokenizer.json", folder);
    mkdir(path, 0700);
    *strrchr(path, '/') = '\0';
    check_true(!loads(path, &nested_err));
}

TEST(tokenizer_json_mutated)
{
    check_mutations(NULL, "tokenizer.json", good, sample, 18000);
}

TEST(tokenizer_vocab_mutated)
{
    check_mutations(NULL, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n##a\n##b\nab\n", sample,
                    2000);
}

TEST(tokenizer_failing_allocations)
{
    check_failing_allocations(write_file("tokenizer.json", good, strlen(good)), sample);
    static const char vocab[] = "[UNK]\n[CLS]\n[SEP]\na\n";
    check_failing_allocations(write_file("vocab.txt", vocab, strlen(vocab)), sample);
}

int main(int argc, char **argv)
{
    int status = check_main(argc, argv);

    if (folder[0]) {
        static const char *const names[] = {"tokenizer.json",
                                            "vocab.txt",
                                            "tokenizer_config.json",
                                            "model.bin",
                                            "empty/tokenizer.json",
                                            "empty",
                                            ""};
        for (size_t i = 0; i < FT_COUNT_OF(names); i++)
            remove_file(names[i]);
    }
    return status;
}
