// Part of the catalogue in explain.c: the text of the file, keys and values.
// clang-format off
#pragma once

    {1, "the file is not valid YAML",
     "YAML gave up at this place and no likelier cause is known. Look for a missing quote, "
     "bracket or `:` there or on the line above."
     WRONG
     "    stages:\n"
     "      - read: docs.jsonl\n"
     "        fields: {id: int\n"
     RIGHT
     "    stages:\n"
     "      - read: docs.jsonl\n"
     "        fields: {id: int}\n"},
    {2, "the file is UTF-16 or UTF-32",
     "Pipelines are UTF-8, with or without a byte order mark. Some editors save \"Unicode\" as "
     "UTF-16."
     WRONG
     "    (a file saved as UTF-16)\n"
     RIGHT
     "    iconv -f UTF-16 -t UTF-8 old.yaml > new.yaml\n"},
    {3, "the file holds bytes that are no text",
     "Invalid UTF-8, NUL bytes and control characters are refused at once, with their place: "
     "they come from a wrong encoding, a cut-off file or a binary file."
     WRONG
     "    name: caf<E9>\n"
     RIGHT
     "    name: café\n"},
    {4, "a tab is used for indentation",
     "YAML counts columns, and how wide a tab is depends on the editor; so it takes only "
     "spaces."
     WRONG
     "    stages:\n"
     "    \t- read: docs.jsonl\n"
     RIGHT
     "    stages:\n"
     "      - read: docs.jsonl\n"},
    {5, "a bracket in a value within { } or [ ]",
     "Within `{ }` and `[ ]`, YAML reads every bracket as its own. Text with one needs "
     "quotes; so does `${...}`. A value on a line of its own needs none."
     WRONG
     "    - {read: ${params.docs}}\n"
     RIGHT
     "    - {read: \"${params.docs}\"}\n"
     "    - read: ${params.docs}\n"},
    {6, "a second `: ` on one line",
     "In `key: a: b`, YAML would start a map within a line, which it does not allow. Text "
     "with a colon and a blank needs quotes."
     WRONG
     "    name: step one: read\n"
     RIGHT
     "    name: \"step one: read\"\n"},
    {7, "a key is given twice",
     "Most parsers take the last one silently; here it is an error, with both places. Keys "
     "that come by `<<` may be given again, and the own one counts."
     WRONG
     "    - read: a.jsonl\n"
     "      mode: lines\n"
     "      mode: bytes\n"
     RIGHT
     "    - read: a.jsonl\n"
     "      mode: bytes\n"},
    {8, "more than one document",
     "A line `---` in the middle of the file starts a second document. A pipeline file has "
     "one; write two files."
     WRONG
     "    stages: [...]\n"
     "    ---\n"
     "    stages: [...]\n"
     RIGHT
     "    stages: [...]\n"},
    {9, "the file is too large",
     "Bounds keep a hostile or mistaken file from taking all memory: 4 MiB of text, 64 "
     "levels, 1000 anchors and stages, and 100000 values where an alias counts as all that "
     "it stands for.\n"},
    {10, "a key is missing or is no word",
     "In front of a `:` stands a word. A list, a map or nothing cannot be a key."
     WRONG
     "    [a, b]: 1\n"
     "    : 2\n"
     RIGHT
     "    ab: 1\n"},
    {11, "a tag",
     "`!name` in front of a value is a tag in YAML, which other programs use for types of "
     "their own. Pipelines have none; `!!str` and its like are understood."
     WRONG
     "    docs: !env DOCS\n"
     RIGHT
     "    docs: ${DOCS}\n"},
    {12, "a comment where a value should be",
     "` #` starts a comment in YAML, so what stands behind it is gone. In expressions, the "
     "length is `len(x)`."
     WRONG
     "    when: #tokens > 512\n"
     RIGHT
     "    when: len(tokens) > 512\n"},
    {13, "a comma splits a value",
     "Within `{ }` and `[ ]`, a comma ends the value wherever it stands. A call with two "
     "arguments needs quotes there, or a line of its own."
     WRONG
     "    fields: {text: words(20, 400)}\n"
     RIGHT
     "    fields: {text: \"words(20, 400)\"}\n"},
    {14, "an alias without its anchor",
     "A value that starts with `*` is an alias: it repeats what is marked `&name` above. To "
     "mean the character, use quotes."
     WRONG
     "    input: *.errors\n"
     RIGHT
     "    input: errors\n"},
    {15, "`<<` without a map",
     "`<<` takes in the keys of another map. Its value is an alias of a map, or a list of "
     "them."
     WRONG
     "    - embed: ./m\n"
     "      <<: 3\n"
     RIGHT
     "    - embed: ./m\n"
     "      <<: *slow\n"},
    {16, "a quote is not closed",
     "What stands behind an opening quote is text, up to the closing one. In single quotes, "
     "an apostrophe is written twice."
     WRONG
     "    name: 'it's here'\n"
     RIGHT
     "    name: 'it''s here'\n"},
    {17, "a bracket is not closed, or a value is missing",
     "Within `{ }` and `[ ]`, values are parted by commas, and each opening bracket needs "
     "its closing one."
     WRONG
     "    fields: [id, text\n"
     RIGHT
     "    fields: [id, text]\n"},
    {18, "a value starts with a reserved character",
     "`@`, `%` and the backquote are reserved in YAML and cannot start a value. Put it in "
     "quotes."
     WRONG
     "    name: @daily\n"
     RIGHT
     "    name: \"@daily\"\n"},
    {19, "the indentation does not fit",
     "What belongs together starts in the same column. The options of a stage stand below "
     "its type, not below the `-`."
     WRONG
     "    - read: docs.jsonl\n"
     "         fields: {id: int}\n"
     RIGHT
     "    - read: docs.jsonl\n"
     "      fields: {id: int}\n"},
    {20, "a `:` or the blank behind it is missing",
     "Every line is `key: value`, with a blank behind the colon; `read:docs.jsonl` is one "
     "word."
     WRONG
     "    - read:docs.jsonl\n"
     RIGHT
     "    - read: docs.jsonl\n"},
    {21, "an escape that means nothing",
     "In double quotes, `\\` starts an escape such as `\\n`, `\\t` or `\\u00e9`. Single quotes "
     "take everything as it is."
     WRONG
     "    match: \"\\d+\"\n"
     RIGHT
     "    match: '\\d+'\n"},
    {22, "a list starts on the line of its key",
     "A `- ` list starts on a new line; on one line a list is written in `[ ]`. A lone `-`, "
     "for stdin or stdout, needs quotes."
     WRONG
     "    fields: - id\n"
     "    write: -\n"
     RIGHT
     "    fields: [id]\n"
     "    write: \"-\"\n"},
    {23, "text behind `|` or `>`",
     "A block of text starts on the next line, indented; behind its sign only `+`, `-` and a "
     "number may stand."
     WRONG
     "    lua: | item.x = 1\n"
     RIGHT
     "    lua: |\n"
     "      item.x = 1\n"},
    {24, "an unknown directive",
     "A line that starts with `%` is a directive. A pipeline needs none, and `%YAML 1.1` and "
     "`%YAML 1.2` are the only ones known."
     WRONG
     "    %pipeline\n"
     RIGHT
     "    # pipeline\n"},
    {25, "text behind a closing quote or bracket",
     "A value that starts with a quote ends with it. Put all of the value in quotes."
     WRONG
     "    name: \"a\" and b\n"
     RIGHT
     "    name: \"a and b\"\n"},
    {101, "there is no pipeline in the file",
     "A pipeline is a map with the key `stages`, a list with at least one stage. All else "
     "may be left out."
     WRONG
     "    - read: docs.jsonl\n"
     RIGHT
     "    stages:\n"
     "      - read: docs.jsonl\n"
     "      - print:\n"},
    {102, "the value is of another shape",
     "A list stands where a text is wanted, a text where a map is wanted, or nothing at all. "
     "The message says what the option takes; `ftpipe stages NAME` lists them."
     WRONG
     "    - tokenize: [a, b]\n"
     RIGHT
     "    - tokenize: a\n"},
    {103, "an entry of `stages` is no stage",
     "`stages` is a list, and each entry is a map: the key that is the stage's type, and its "
     "options beside it."
     WRONG
     "    stages:\n"
     "      read: docs.jsonl\n"
     "      drop:\n"
     RIGHT
     "    stages:\n"
     "      - read: docs.jsonl\n"
     "      - drop:\n"},
    {104, "the value does not fit the option",
     "A number out of bounds, a word that is none of the choices, a size without its unit. "
     "`ftpipe stages NAME` lists types, bounds and defaults."
     WRONG
     "    run: {memory: 2 gigs}\n"
     RIGHT
     "    run: {memory: 2GiB}\n"},
    {105, "there is no such stage",
     "No key of the entry is the name of a stage. `ftpipe stages` lists all there are."
     WRONG
     "    - reed: docs.jsonl\n"
     RIGHT
     "    - read: docs.jsonl\n"},
    {106, "there is no such key",
     "The stage has no option of that name, and it is none that all stages have. All options "
     "stand beside the stage's type, never nested deeper."
     WRONG
     "    - tokenize: ./m\n"
     "      max_lenght: 128\n"
     RIGHT
     "    - tokenize: ./m\n"
     "      max_length: 128\n"},
    {107, "a word of another tool",
     "The key means something in another tool; here it has another name. `ftpipe check "
     "--fix` writes it."
     WRONG
     "    - embed: ./m\n"
     "      batch_size: 64\n"
     RIGHT
     "    - embed: ./m\n"
     "      batch: 64\n"},
    {108, "not available in this version",
     "The language has this word, and this version of ftpipe does not do it yet. The message "
     "says what to do instead."
     WRONG
     "    on_error: {retry: 3}\n"
     RIGHT
     "    on_error: skip\n"},
    {109, "two stages in one entry",
     "Each entry of `stages` has one type. The second needs a `- ` of its own."
     WRONG
     "    - read: docs.jsonl\n"
     "      tokenize: ./m\n"
     RIGHT
     "    - read: docs.jsonl\n"
     "    - tokenize: ./m\n"},
    {110, "no name for a parameter",
     "A parameter's name has letters, digits, `_` and `-`, and starts with a letter."
     WRONG
     "    params: {my docs: a.jsonl}\n"
     RIGHT
     "    params: {my_docs: a.jsonl}\n"},
    {111, "`${...}` names nothing",
     "`${params.x}` is a parameter of the file, `${NAME}` a variable of the environment, "
     "`${NAME:-text}` the same with a default. `$${` is a plain `${`."
     WRONG
     "    read: ${docs}\n"
     RIGHT
     "    read: ${params.docs}\n"},
    {112, "a parameter without a value",
     "A parameter without a default must be given on the command line."
     WRONG
     "    params: {docs: }\n"
     RIGHT
     "    params: {docs: docs.jsonl}\n"
     "    ftpipe run FILE -p docs=other.jsonl\n"},
    {113, "`-p` does not fit the file",
     "`-p name=value` sets a parameter that the file lists under `params:`; its type is that "
     "of the default."
     WRONG
     "    ftpipe run FILE -p n=many      # with params: {n: 5}\n"
     RIGHT
     "    ftpipe run FILE -p n=7\n"},
    {114, "another version of the language",
     "`ftpipe: 1` is the version of the language that the file is written in. This program "
     "knows version 1."
     WRONG
     "    ftpipe: 2\n"
     RIGHT
     "    ftpipe: 1\n"},
    {115, "a key that cannot be a default",
     "`defaults:` gives `workers`, `batch`, `order` and `on_error` to all stages that do not "
     "say otherwise. Names, inputs and options belong to one stage."
     WRONG
     "    defaults: {name: x}\n"
     RIGHT
     "    defaults: {on_error: skip}\n"},
    {116, "a required option is missing",
     "The stage cannot work without it. `ftpipe stages NAME` says what it is."
     WRONG
     "    - map:\n"
     RIGHT
     "    - map: {n: len(text)}\n"},
    {117, "`yes` and `no` are text",
     "YAML 1.1 took `yes`, `no`, `on` and `off` for true and false, YAML 1.2 does not. Write "
     "true or false."
     WRONG
     "    normalize: yes\n"
     RIGHT
     "    normalize: true\n"},
    {118, "the stage cannot be planned",
     "The stage refused its options or what comes in, for the reason in the message.\n"},
    {119, "a process for a source or a sink",
     "`isolate: process` and `on_runaway: process` run a transform in a child process. Sources "
     "know their place in the input and sinks commit what is written: they stay with the engine."
     WRONG
     "    - write: out.jsonl\n"
     "      isolate: process\n"
     RIGHT
     "    - plugin: ./risky.so\n"
     "      isolate: process\n"
     "    - write: out.jsonl\n"},
