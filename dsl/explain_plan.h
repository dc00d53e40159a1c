// Part of the catalogue in explain.c: links, fields, expressions, Lua, surroundings, lints.
// clang-format off
#pragma once

    {201, "two stages have one name",
     "Names are how `input:` finds a stage, so each may be used once. A stage without "
     "`name:` is called as its type: `write`, `write_2`."
     WRONG
     "    - name: out\n"
     "      write: a.jsonl\n"
     "    - name: out\n"
     "      write: b.jsonl\n"
     RIGHT
     "    - name: out_a\n"
     "      write: a.jsonl\n"
     "    - name: out_b\n"
     "      write: b.jsonl\n"},
    {202, "a stage has nothing to read from",
     "A stage reads from the nearest stage above that has an output. The first stage must be "
     "a source."
     WRONG
     "    stages:\n"
     "      - tokenize: ./m\n"
     RIGHT
     "    stages:\n"
     "      - read: docs.jsonl\n"
     "      - tokenize: ./m\n"},
    {203, "stages read from each other in a circle",
     "Items move one way, from sources to sinks. Let every stage read from stages above it.\n"},
    {204, "there is no such stage to read from",
     "`input:` names a stage above, by its `name:` or its type."
     WRONG
     "    - write: out.jsonl\n"
     "      input: raed\n"
     RIGHT
     "    - write: out.jsonl\n"
     "      input: read\n"},
    {205, "nobody reads what a stage gives",
     "An output that nobody reads would lose items silently. Add a sink; `drop:` throws "
     "items away on purpose."
     WRONG
     "    stages:\n"
     "      - read: docs.jsonl\n"
     "      - tokenize: ./m\n"
     RIGHT
     "    stages:\n"
     "      - read: docs.jsonl\n"
     "      - tokenize: ./m\n"
     "      - drop:\n"},
    {206, "no name for a stage",
     "A stage's name starts with a letter and has letters, digits, `_` and `-`, at most 64. "
     "`errors` is taken: it means all that failed."
     WRONG
     "    name: my stage\n"
     RIGHT
     "    name: my-stage\n"},
    {207, "a source with an input",
     "A source makes items and takes none. To merge, let the next stage read from both."
     WRONG
     "    - read: b.jsonl\n"
     "      input: a\n"
     RIGHT
     "    - name: b\n"
     "      read: b.jsonl\n"
     "    - tokenize: ./m\n"
     "      input: [a, b]\n"},
    {208, "reading from a sink",
     "A sink gives nothing. Read from the stage above it; both get every item."
     WRONG
     "    - write: a.jsonl\n"
     "    - write: b.jsonl\n"
     "      input: write\n"
     RIGHT
     "    - write: a.jsonl\n"
     "    - write: b.jsonl\n"},
    {209, "there is no such port",
     "Every stage has its main output, which needs no name, and `errors`. Some have more; "
     "`ftpipe stages NAME` lists them."
     WRONG
     "    input: read.failed\n"
     RIGHT
     "    input: read.errors\n"},
    {210, "reading from a stage below",
     "A stage reads from stages above it, so that the file can be read from top to bottom."
     WRONG
     "    - name: a\n"
     "      input: b\n"
     "      ...\n"
     "    - name: b\n"
     "      ...\n"
     RIGHT
     "    - name: b\n"
     "      ...\n"
     "    - name: a\n"
     "      input: b\n"
     "      ...\n"},
    {211, "no errors are left to read",
     "`input: errors` reads the errors of all stages above that nobody reads by name, and "
     "there are none."
     WRONG
     "    - write: bad.jsonl\n"
     "      input: errors\n"
     "    - read: docs.jsonl\n"
     RIGHT
     "    - read: docs.jsonl\n"
     "    - write: bad.jsonl\n"
     "      input: errors\n"},
    {212, "one output is read twice",
     "A stage in `input:` may be named once; twice would give every item twice."
     WRONG
     "    input: [a, a]\n"
     RIGHT
     "    input: [a]\n"},
    {213, "two stages read standard input",
     "What comes in on standard input can be read once: two readers would each get a part of it. "
     "Let both lines of stages read from one."
     WRONG
     "    - name: a\n"
     "      read: \"-\"\n"
     "    - name: b\n"
     "      read: \"-\"\n"
     RIGHT
     "    - name: a\n"
     "      read: \"-\"\n"
     "    - write: all.jsonl\n"
     "      input: a\n"
     "    - write: ids.jsonl\n"
     "      input: a\n"},
    {214, "two stages write one file",
     "Each sink writes a file of its own. To gather what several stages give in one file, let one "
     "sink read from them all."
     WRONG
     "    - write: out.jsonl\n"
     "      input: a\n"
     "    - write: out.jsonl\n"
     "      input: b\n"
     RIGHT
     "    - write: out.jsonl\n"
     "      input: [a, b]\n"},
    {311, "a field that no stage above makes",
     "The stage reads a field that does not come in. The message lists what does. `tokens` "
     "is made by `tokenize`, `embedding` by `embed`."
     WRONG
     "    - read: docs.jsonl\n"
     "    - embed: ./m\n"
     RIGHT
     "    - read: docs.jsonl\n"
     "    - tokenize: ./m\n"
     "    - embed: ./m\n"},
    {312, "a field of another type",
     "The field comes in, with a type that the stage cannot take."
     WRONG
     "    - read: docs.jsonl\n"
     "      fields: {id: int}\n"
     "    - tokenize: ./m\n"
     "      from: id\n"
     RIGHT
     "    - tokenize: ./m\n"
     "      from: text\n"},
    {313, "inputs that disagree",
     "Where several inputs are merged, a field has one type. Rename or convert it in one of "
     "them with `map`."
     WRONG
     "    input: [a, b]        # a.id is int, b.id is string\n"
     RIGHT
     "    - map: {id: string(id)}\n"
     "      input: a\n"},
    {314, "`when` with a stage that changes fields",
     "Items for which `when` is false pass unchanged, so the stage may only add fields."
     WRONG
     "    - tokenize: ./m\n"
     "      to: text\n"
     "      when: len(text) > 10\n"
     RIGHT
     "    - tokenize: ./m\n"
     "      when: len(text) > 10\n"},
    {315, "shared between processes",
     "`isolate: process` and `on_runaway: process` run each instance of a stage in a process of "
     "its own. Collections of `ctx.shared` are shared by the scripts of one process."
     WRONG
     "    - lua: ctx.shared.counter('n'):add(1)\n"
     "      isolate: process\n"
     RIGHT
     "    - lua: ctx.shared.counter('n'):add(1)\n"},
    {320, "a gather that cannot be",
     "`gather:` without a key makes one item of all items, with the fields that `fields:` "
     "lists."
     WRONG
     "    - gather: id\n"
     "      fields: {n: count()}\n"
     RIGHT
     "    - gather:\n"
     "      fields: {n: count()}\n"},
    {401, "an expression that cannot be read",
     "Expressions are written as in Lua: `and or not`, `== ~= < <= > >=`, `+ - * / // % ^`, "
     "`..`, functions and field names. `!=` is accepted; `&&`, `||` and `!` are not."
     WRONG
     "    filter: words > 5 && lang == \"en\"\n"
     RIGHT
     "    filter: words > 5 and lang == \"en\"\n"},
    {402, "a field that does not come in",
     "The expression names a field that the items do not have here. Text must be in quotes; "
     "in YAML, put the whole in the other kind."
     WRONG
     "    filter: lang == en\n"
     RIGHT
     "    filter: lang == \"en\"\n"},
    {403, "there is no such function",
     "`ftpipe explain functions` lists the functions of expressions."
     WRONG
     "    filter: length(text) > 5\n"
     RIGHT
     "    filter: len(text) > 5\n"},
    {404, "types that do not fit",
     "An operator or function is given a type that it does not take. `number(x)` and "
     "`string(x)` convert."
     WRONG
     "    filter: id > \"5\"\n"
     RIGHT
     "    filter: id > 5\n"},
    {405, "the wrong number of arguments",
     "The function takes fewer or more."
     WRONG
     "    map: {t: trim(text, 5)}\n"
     RIGHT
     "    map: {t: trim(text)}\n"},
    {406, "not a condition",
     "`filter:` and `when:` want true or false."
     WRONG
     "    filter: len(text)\n"
     RIGHT
     "    filter: len(text) > 0\n"},
    {407, "one value for all items, or one for each",
     "In `gather`, every field stands within a function over all items; elsewhere such "
     "functions cannot stand."
     WRONG
     "    - gather:\n"
     "      fields: {n: len(text)}\n"
     RIGHT
     "    - gather:\n"
     "      fields: {n: sum(len(text))}\n"},
    {408, "an expression that is too long",
     "Bounds on length and depth keep a hostile file from taking all stack. Split it over "
     "two stages.\n"},
    {409, "an item that the expression cannot take",
     "While items run: a null in an operator, a number that overflows, text that is no "
     "number. The item fails, and goes where `on_error` says. `default(x, value)` stands in "
     "for null."
     WRONG
     "    map: {n: number(text)}\n"
     RIGHT
     "    map: {n: \"number(default(text, '0'))\"}\n"},
    {501, "Lua that cannot be compiled",
     "The text of `lua:` is no valid Lua 5.4. Inline text is the body of `function(item)`; a "
     "file gives back a function or a table."
     WRONG
     "    - lua: item.x == 1\n"
     RIGHT
     "    - lua: item.x = 1\n"},
    {502, "a parameter of a script does not fit",
     "`params:` of a `lua` stage gives values for what the script lists in `M.params`: a "
     "name that it lists, of the type and within the bounds that it states."
     WRONG
     "    - lua: clean.lua\n"
     "      params: {min_len: many}\n"
     RIGHT
     "    - lua: clean.lua\n"
     "      params: {min_len: 20}\n"},
    {503, "a declaration of a script is wrong",
     "`M.params`, `M.input`, `M.output` and `M.parallel` of a script, and `limits:` of its "
     "stage, say what it needs and gives; they are read before anything runs."
     WRONG
     "    M.input = {text = \"words\"}\n"
     RIGHT
     "    M.input = {text = \"string\"}\n"},
    {504, "a script fails while it is loaded",
     "The file of a script is run once to get its functions. It could not be opened, or "
     "raised an error. It is looked for beside the pipeline, then in the working directory."
     WRONG
     "    return {}\n"
     RIGHT
     "    return {process = function(item) return item end}\n"},
    {601, "a variable of the environment is not set",
     "`${NAME}` takes the value from the environment. Give a default for when it is not set."
     WRONG
     "    read: ${DOCS}\n"
     RIGHT
     "    read: ${DOCS:-docs.jsonl}\n"},
    {602, "a file cannot be opened",
     "The file is missing, is a folder, or may not be read. Paths are relative to the folder "
     "in which ftpipe was started.\n"},
    {603, "a file is not what it should be",
     "The file was opened and does not hold what the stage expects.\n"},
    {604, "a model that is not there",
     "A model is a folder with its files, or the name of one in the model store, which "
     "`ftpipe pull` fills."
     WRONG
     "    - tokenize: all-MiniLM-L6\n"
     RIGHT
     "    ftpipe pull all-MiniLM-L6-v2\n"
     "    - tokenize: all-MiniLM-L6-v2\n"},
    {605, "a tokenizer that cannot be read",
     "The model's `tokenizer.json` or `vocab.txt` is damaged, or of a kind that this version "
     "does not know. The message says at which place.\n"},
    {607, "a bound is reached",
     "Something is larger than its bound. Raise the bound, or send less.\n"},
    {608, "out of memory",
     "There was not enough memory to compile the pipeline, or to say more about it.\n"},
    {701, "a plug-in cannot be loaded",
     "`plugin:` names a shared library, beside the pipeline or in the working directory. It is "
     "not there, is no library for this machine, or calls what the program does not export."
     WRONG
     "    - plugin: upper.c\n"
     RIGHT
     "    - plugin: ./upper.so\n"},
    {702, "a library that is no plug-in",
     "The library was loaded, but does not have the symbol `ftpipe_plugin`, which `FT_PLUGIN` "
     "of <ftpipe/stage.h> makes at the end of one of its files."
     WRONG
     "    const ft_stage_def upper = {...};\n"
     RIGHT
     "    static const ft_stage_def upper = {...};\n"
     "    FT_PLUGIN(&upper);\n"},
    {703, "a plug-in of another version",
     "A plug-in is made with the headers of one version of the program. The numbers `abi` and "
     "`layout` of both must be equal: build the plug-in anew.\n"},
    {704, "a plug-in with a wrong definition",
     "Before anything of a plug-in is called, its definitions are looked at: functions that are "
     "missing, options outside of the config, tables without an end, defaults out of range.\n"},
    {705, "a plug-in without that stage",
     "What stands behind the `#` names one of the library's stages. It may be left out only when "
     "there is one."
     WRONG
     "    - plugin: ./text.so\n"
     RIGHT
     "    - plugin: ./text.so#upper\n"},
    {901, "errors may happen, and nobody reads them",
     "`max_errors` allows some items to fail, but without a reader of `errors` or `on_error: "
     "skip` the first one stops the run."
     WRONG
     "    run: {max_errors: 1%}\n"
     RIGHT
     "    run: {max_errors: 1%}\n"
     "    stages:\n"
     "      ...\n"
     "      - write: rejected.jsonl\n"
     "        input: errors\n"},
    {902, "a plug-in that does not declare its concurrency",
     "Its stage runs in the lock domain of its library: at most one core works in all stages of "
     "the library that declare nothing. Other stages are not held up. The author declares `any` "
     "or `one` in the definition; `ftpipe doctor --plugin x.so` runs it from many threads, and "
     "when that passes this warning is not shown again for the same file."
     WRONG
     "    .name = \"upper\",\n"
     RIGHT
     "    .name = \"upper\",\n"
     "    .concurrency = FT_CONCURRENCY_ANY,\n"},
    {903, "a plug-in that failed its test with many threads",
     "`ftpipe doctor --plugin` found results that differ from those of one thread, a crash, a "
     "leak or a race. Without a new build it is shown at every use.\n"},
