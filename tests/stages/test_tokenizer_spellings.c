// tokenizer.json of version 2.0, and vocab.json with merges.txt: what is said of wrong ones, and
// that no mutation, cut or failing allocation does harm.
#include "tests/tokens/wrong_files.h"

static const char version_2[] =
    "{\"version\": \"2.0\", \"truncation\": null, \"padding\": null,\n"
    " \"added_tokens\": [{\"id\": 5, \"content\": \"<e>\", \"single_word\": false, \"lstrip\": "
    "false, \"rstrip\": false, \"normalized\": false, \"special\": true}],\n"
    " \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {\"type\": "
    "\"MetaspaceNormalizer\", \"replacement\": \"_\", \"prepend\": \"always\", "
    "\"drop_whitespace\": false}]},\n"
    " \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \"_\"}, \"behavior\": "
    "\"MergedWithNext\", \"invert\": false},\n"
    " \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"seq\": \"A\"}, "
    "{\"ids\": [5, 5]}], \"pair\": [{\"seq\": \"A\"}, {\"seq\": \"B\", \"type_id\": 1}]},\n"
    " \"decoder\": {\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": "
    "\"always\"},\n"
    " \"model\": {\"type\": \"BPE\", \"unk_token\": null, \"continuing_subword_prefix\": null, "
    "\"end_of_word_suffix\": null, \"fuse_unk\": false, \"byte_fallback\": false, "
    "\"ignore_merges\": false, \"byte_level\": false, \"vocab\": {\"_\": 0, \"a\": 1, \"b\": 2, "
    "\"_a\": 3, \"ab\": 4}, \"merges\": [[\"_\", \"a\"], [\"a\", \"b\"]]}}";
static const char vocab[] = "{\"a\": 0, \"b\": 1, \"ab\": 2, \"\\u0120\": 3, \"\\u0120a\": 4}";
static const char merges[] = "#version: 0.2\na b\n\xc4\xa0 a\n";

static const char sample[] = "ab  a<e>b\t\xc3\xa9";

static void check_ids(const char *path, const int32_t *want, size_t count)
{
    ft_error err = FT_ERROR_INIT;
    ft_ids ids = {0};

    check_ok(load_and_code(path, sample, &ids, &err), &err);
    check_int_eq(ids.count, count);
    for (size_t i = 0; i < count && i < ids.count; i++)
        check_int_eq(ft_ids_data(&ids)[i], want[i]);
    ft_ids_finish(&ids);
}

static void check_said(const char *path, const char *place, const char *message)
{
    ft_error err = FT_ERROR_INIT;

    check_fails(load_and_code(path, sample, NULL, &err), &err, FT_ERROR_DATA);
    check_contains(err.message, place);
    check_contains(err.message, message);
    check_int_eq(err.number, 605);
}

// ---- version 2.0 ----

static void check_refused(const char *old, const char *new, const char *place, const char *message)
{
    char text[4096];

    size_t size = replaced(version_2, old, new, text, sizeof(text));
    check_said(write_file("tokenizer.json", text, size), place, message);
}

TEST(version_2_is_read)
{
    // "_ab" and "_", "_a" of the spaces; what the vocabulary has not is forgotten.
    static const int32_t want[] = {3, 2, 0, 3, 5, 0, 2, 5, 5};

    check_ids(write_file("tokenizer.json", version_2, strlen(version_2)), want, FT_COUNT_OF(want));
}

TEST(version_2_refuses_what_it_spells_otherwise)
{
    const char *old = "is not possible in version 2.0";

    check_refused("\"2.0\"", "\"3.0\"", "`version`", "does not read");
    check_refused("\"type\": \"BPE\", ", "", "`model`", "without a `type`");
    check_refused("[\"a\", \"b\"]", "\"a b\"", "`model.merges`", old);
    check_refused("\"byte_level\": false, ", "", "`model.byte_level`", "missing");
    check_refused("\"byte_level\": false", "\"byte_level\": true", "`model.vocab`",
                  "no token for the byte 0x00");
    check_refused("\"byte_level\"", "\"files\": \"vocab.json\", \"byte_level\"", "`model.files`",
                  "not possible");
    check_refused("\"Split\", \"pattern\"", "\"Metaspace\", \"pattern\"", "`pre_tokenizer`", old);
    check_refused("\"Split\", \"pattern\"", "\"ByteLevel\", \"pattern\"", "`pre_tokenizer`", old);
    check_refused("\"TemplateProcessing\"", "\"BertProcessing\"", "`post_processor`", old);
    check_refused("\"TemplateProcessing\"", "\"Sequence\"", "`post_processor`", old);
    check_refused("\"prepend_scheme\"", "\"add_prefix_space\": true, \"prepend_scheme\"",
                  "`decoder`", old);
    check_refused(", \"prepend_scheme\": \"always\"", "", "`decoder`", "`prepend_scheme`");
    check_refused("{\"type\": \"NFC\"}",
                  "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": "
                  "true, \"lowercase\": true}",
                  "`normalizer.normalizers[0]`", "`strip_accents`");
    check_refused("\"prepend\": \"always\"", "\"prepend\": \"often\"",
                  "`normalizer.normalizers[1]`", "`prepend`");
    check_refused("\"replacement\": \"_\", \"prepend\"", "\"replacement\": \"__\", \"prepend\"",
                  "`normalizer.normalizers[1]`", "not one character");
    check_refused("{\"ids\": [5, 5]}", "{\"SpecialToken\": {\"id\": \"<e>\"}}",
                  "`post_processor.single[1]`", "neither `ids` nor `seq`");
    check_refused("{\"seq\": \"B\"", "{\"seq\": \"A\"", "`post_processor`", "A and B once each");
    check_refused(", \"pair\": [{\"seq\": \"A\"}, {\"seq\": \"B\", \"type_id\": 1}]", "",
                  "`post_processor`", "`pair`");
    check_refused("[{\"seq\": \"A\"}, {\"seq\": \"B\", \"type_id\": 1}]",
                  "[{\"seq\": \"B\"}, {\"seq\": \"A\"}]", "`post_processor`", "in front of A");
    // The older version does not know the newer's.
    check_refused("\"2.0\"", "\"1.0\"", "`normalizer.normalizers[1]`", "`MetaspaceNormalizer`");
    remove_file("tokenizer.json");
}

// ---- vocab.json and merges.txt ----

static const char *write_merges(const char *vocab_text, const char *merges_text)
{
    write_file("merges.txt", merges_text, strlen(merges_text));
    return write_file("vocab.json", vocab_text, strlen(vocab_text));
}

static void check_vocab(const char *text, const char *place, const char *message)
{
    check_said(write_merges(text, merges), place, message);
}

static void check_merges(const char *text, const char *place, const char *message)
{
    char at_merges[128];

    check_said(write_merges(vocab, text), place, message);
    // By the other file's name it is the same.
    snprintf(at_merges, sizeof(at_merges), "%s/merges.txt", folder);
    check_said(at_merges, "merges.txt", message);
}

TEST(merges_are_read)
{
    static const int32_t want[] = {2, 3, 4, 1};

    check_ids(write_merges(vocab, merges), want, FT_COUNT_OF(want));
    check_ids(folder, want, FT_COUNT_OF(want));
    // Lines may end as on Windows, and the version need not be there.
    check_ids(write_merges(vocab, "a b\r\n\xc4\xa0 a\r\n"), want, FT_COUNT_OF(want));
    check_ids(write_merges(vocab, "a b\n\xc4\xa0 a"), want, FT_COUNT_OF(want));
}

TEST(merges_faults_name_the_line)
{
    check_merges("#version: 0.2\na b\nab\n", "line 3", "not two tokens with one space between");
    check_merges("a b\n\nb a\n", "line 2", "not two tokens");
    check_merges("a b c\n", "line 1", "not two tokens");
    check_merges("a  b\n", "line 1", "not two tokens");
    check_merges("a b\na x\n", "line 2", "`x` is not in the vocabulary");
    check_merges("a b\nb b\n", "line 2", "`bb` is not in the vocabulary");
    check_merges("a b\n\xff b\n", "merges.txt", "not valid UTF-8 at byte 4");
}

TEST(merges_vocabulary_faults_name_the_byte)
{
    check_vocab("[]", "vocab.json", "not an object");
    check_vocab("{\"a\": 0, \"b\": 0}", "byte 10", "the id of `b` is that of another token too");
    check_vocab("{\"a\": -1}", "byte 2", "the id of `a` is out of the range");
    check_vocab("{\"a\": 16777216}", "byte 2", "out of the range");
    check_vocab("{\"a\": 1.5}", "byte 2", "not a whole number");
    check_vocab("{\"a\": \"0\"}", "byte 2", "not a whole number");
    check_vocab("{\"a\": 0", "vocab.json", "byte 7");
    check_vocab("", "vocab.json", "byte 0");
}

static void check_beside(const char *name, const char *text, const char *message)
{
    write_merges(vocab, merges);
    write_file(name, text, strlen(text));
    check_said(folder, folder, message);
    remove_file(name);
}

TEST(merges_files_beside)
{
    const char *config = "tokenizer_config.json", *map = "special_tokens_map.json";
    // New special tokens get their ids in the order of transformers: sep_token before cls_token.
    static const int32_t want[] = {6, 2, 3, 4, 5, 1, 5};

    check_beside(config, "{\"tokenizer_class\": \"CLIPTokenizer\"}", "`CLIPTokenizer`");
    check_beside("config.json", "{\"model_type\": \"whisper\"}", "`whisper`");
    check_beside(config, "{\"tokenizer_class\": \"RobertaTokenizer\"}", "`</s>`");
    check_beside(config, "{\"add_prefix_space\": 1}", "not true or false");
    check_beside(map, "{\"eos_token\": [1]}", "special_tokens_map.json beside it: a token that");
    check_beside("added_tokens.json", "{\"x\": 0}",
                 "the id 0 of the added token `x` is that of "
                 "`a` too");
    check_beside("added_tokens.json", "{\"x\": 9, \"y\": 9}", "is that of `y` too");
    check_beside("added_tokens.json", "{\"x\": -1}", "the id of `x` is none of 0..");
    check_beside(config, "{\"added_tokens_decoder\": {\"five\": {\"content\": \"x\"}}}",
                 "the id of `five` is none of 0..");
    check_beside(config, "{\"added_tokens_decoder\": {\"5\": {\"content\": 1}}}", "a token that");
    check_beside(config, "{", "tokenizer_config.json");
    write_merges(vocab, merges);
    const char *roberta = "{\"tokenizer_class\": \"RobertaTokenizer\", \"cls_token\": \"<c>\", "
                          "\"sep_token\": \"<e>\"}";
    write_file(config, roberta, strlen(roberta));
    check_ids(folder, want, FT_COUNT_OF(want));
    remove_file(config);
    remove_file("merges.txt");
    char path[128];
    snprintf(path, sizeof(path), "%s/vocab.json", folder);
    check_said(path, "vocab.json", "there is no `");
}

// ---- hostile ones ----

TEST(mutations_do_no_harm)
{
    static const char config[] =
        "{\"tokenizer_class\": \"RobertaTokenizerFast\", \"cls_token\": \"<c>\", \"sep_token\": "
        "{\"content\": \"<e>\", \"lstrip\": true}, \"added_tokens_decoder\": {\"9\": {\"content\": "
        "\"<e>\"}}, \"additional_special_tokens\": [\"x\", \"y\"]}";

    check_mutations(NULL, "tokenizer.json", version_2, sample, 4000);
    remove_file("tokenizer.json");
    write_merges(vocab, merges);
    check_mutations(folder, "tokenizer_config.json", config, sample, 2000);
    remove_file("tokenizer_config.json");
    check_mutations(folder, "merges.txt", merges, sample, 2000);
    write_merges(vocab, merges);
    check_mutations(folder, "vocab.json", vocab, sample, 2000);
    write_merges(vocab, merges);
    write_file("tokenizer_config.json", config, strlen(config));
    check_failing_allocations(folder, sample);
    remove_file("tokenizer_config.json");
    write_file("tokenizer.json", version_2, strlen(version_2));
    check_failing_allocations(folder, sample);
}

// Each is looked for among all others: with a look at every one of them this would not end. They
// stand in the file from the last id to the first, and are numbered from the first on.
TEST(many_added_tokens)
{
    enum { COUNT = 100000, ROOM = 160 };
    static const char head[] = "{\"version\": \"2.0\", \"model\": {\"type\": \"WordLevel\", "
                               "\"unk_token\": \"u\", \"vocab\": {\"u\": 0}}, \"added_tokens\": [";
    static const char flags[] = "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                                "\"normalized\":false,\"special\":false}";
    static const int32_t want[] = {5, 0};
    const size_t room = sizeof(head) + (size_t)COUNT * ROOM;
    char *text = ft_alloc(room), name[16];

    check_true(text != NULL);
    size_t size = (size_t)snprintf(text, room, "%s", head);
    for (int i = COUNT; i > 0; i--) {
        snprintf(name, sizeof(name), "<%d", i / 2);
        size += (size_t)snprintf(text + size, room - size, "{\"id\":%d,\"content\":\"%s\",%s%s", i,
                                 i == 7 ? "ab" : name, flags, i > 1 ? "," : "]}");
    }
    check_ids(write_file("tokenizer.json", text, size), want, FT_COUNT_OF(want));
    ft_free(text);
    remove_file("tokenizer.json");
}

int main(int argc, char **argv)
{
    static const char *const names[] = {
        "tokenizer.json",        "vocab.json",        "merges.txt", "special_tokens_map.json",
        "tokenizer_config.json", "added_tokens.json", "config.json"};
    int status = check_main(argc, argv);

    for (size_t i = 0; i < FT_COUNT_OF(names) && folder[0]; i++)
        remove_file(names[i]);
    if (folder[0])
        rmdir(folder);
    return status;
}
