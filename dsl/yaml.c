// Composes libyaml's events into nodes. The depth of the recursion is the depth of the nesting, at
// most 64.
#include "dsl/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MARK_MAX = 200 };  // Nobody looks at more carets; and one line may hold many lists.

// Walks the text beside libyaml, whose marks count code points; ours need bytes, lines and columns.
// Events come nearly in order, so the walk is linear all in all.
typedef struct cursor {
    size_t index;   // In code points, as libyaml counts.
    size_t offset;  // In bytes.
    uint32_t line, column;
} cursor;

typedef struct anchor {
    const char *name;
    const ft_yaml_node *node;  // NULL while it is being composed.
} anchor;

typedef struct composer {
    yaml_parser_t parser;
    const ft_source *source;
    ft_arena *arena;
    ft_diagnostics *diagnostics;
    cursor at;
    size_t weight;
    anchor anchors[FT_YAML_ANCHORS_MAX];
    size_t anchor_count;
    bool used_aliases;
    int indent;  // Of the innermost block list or map, from 0; -1: none.
} composer;

typedef struct node_list {
    const ft_yaml_node **items;
    size_t count, capacity;
} node_list;

static bool compose(composer *c, yaml_event_t *event, int depth, const ft_yaml_node **out);

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

static void cursor_step_back(cursor *at, ft_slice text)
{
    do
        at->offset--;
    while (at->offset > 0 && is_continuation(text.data[at->offset]));
    at->index--;
    if (text.data[at->offset] != '\n') {
        at->column--;
        return;
    }
    at->line--;
    at->column = 1;
    size_t start = at->offset;
    while (start > 0 && text.data[start - 1] != '\n') {
        start--;
        at->column += !is_continuation(text.data[start]);
    }
}

static void cursor_move(cursor *at, ft_slice text, size_t index)
{
    while (at->index > index && at->offset > 0)
        cursor_step_back(at, text);
    while (at->index < index && at->offset < text.size) {
        bool ends_line = text.data[at->offset] == '\n';

        do
            at->offset++;
        while (at->offset < text.size && is_continuation(text.data[at->offset]));
        at->index++;
        at->line += ends_line;
        at->column = ends_line ? 1 : at->column + 1;
    }
}

static ft_mark mark_between(composer *c, yaml_mark_t start, yaml_mark_t end, size_t *out_end)
{
    ft_slice text = c->source->text;

    cursor_move(&c->at, text, start.index);
    cursor stop = c->at;
    cursor_move(&stop, text, end.index);
    size_t last = c->at.offset;
    uint32_t length = 0;
    while (last < stop.offset && text.data[last] != '\n' && text.data[last] != '\r') {
        length += !is_continuation(text.data[last]);
        last++;
    }
    *out_end = stop.offset;
    return (ft_mark){c->at.line, c->at.column, length ? length : 1, c->at.offset};
}

static bool refuse(composer *c, const ft_diagnostic *fault)
{
    ft_diagnostic copy = *fault;

    copy.source = c->source;
    ft_diagnostics_add(c->diagnostics, &copy);
    return false;
}

static bool refuse_nomem(composer *c)
{
    ft_diagnostics_add_nomem(c->diagnostics);
    return false;
}

static bool next_event(composer *c, yaml_event_t *out)
{
    if (yaml_parser_parse(&c->parser, out))
        return true;
    ft_yaml_explain_problem(&c->parser, c->source, c->diagnostics);
    return false;
}

static bool charge(composer *c, size_t weight, ft_mark mark)
{
    if (!FT_ADD_OVERFLOWS(c->weight, weight, &c->weight) && c->weight <= FT_YAML_NODES_MAX)
        return true;
    return refuse(
        c,
        &(ft_diagnostic){
            .number = 9,
            .mark = mark,
            .message = c->used_aliases
                           ? "with its aliases written out, this file has more than 100000 values"
                           : "this file has more than 100000 values",
            .label = c->used_aliases ? "the limit is passed here" : NULL,
            .help = "write fewer, or make the pipeline smaller",
        });
}

// A block list or map has no end to point at: its first line stands for it.
static uint32_t rest_of_line(ft_slice text, size_t at)
{
    uint32_t length = 0, used = 0;

    for (; at < text.size && length < MARK_MAX && text.data[at] != '\n' && text.data[at] != '\r';
         at++) {
        length += !is_continuation(text.data[at]);
        if (text.data[at] != ' ')
            used = length;
    }
    return used ? used : 1;
}

static ft_yaml_node *add_node(composer *c, ft_yaml_kind kind, const yaml_event_t *event)
{
    ft_yaml_node *node = ft_arena_zero(c->arena, 1, sizeof(*node));

    if (!node) {
        refuse_nomem(c);
        return NULL;
    }
    node->kind = kind;
    node->weight = 1;
    node->mark = mark_between(c, event->start_mark, event->end_mark, &node->end_offset);
    if (kind != FT_YAML_SCALAR)
        node->mark.length = rest_of_line(c->source->text, node->mark.offset);
    return charge(c, 1, node->mark) ? node : NULL;
}

static bool list_push(composer *c, node_list *list, const ft_yaml_node *node)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 8;
        const ft_yaml_node **items = ft_arena_zero(c->arena, capacity, sizeof(*items));

        if (!items)
            return refuse_nomem(c);
        if (list->count)
            memcpy(items, list->items, list->count * sizeof(*items));
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = node;
    return true;
}

// ---- tags and anchors ----

static bool tag_is(const yaml_char_t *tag, const char *short_name)
{
    static const char prefix[] = "tag:yaml.org,2002:";
    const char *text = (const char *)tag;

    return strncmp(text, prefix, sizeof(prefix) - 1) == 0 &&
           strcmp(text + sizeof(prefix) - 1, short_name) == 0;
}

// `!!str 5` is text; the other tags of the core schema say what is so anyway.
static bool check_tag(composer *c, const yaml_char_t *tag, ft_yaml_node *node)
{
    static const char *const known[] = {"int", "float", "bool", "null", "seq", "map"};

    if (!tag || strcmp((const char *)tag, "!") == 0)
        return true;
    if (tag_is(tag, "str") && node->kind == FT_YAML_SCALAR) {
        node->type = FT_YAML_STRING;
        return true;
    }
    for (size_t i = 0; i < FT_COUNT_OF(known); i++)
        if (tag_is(tag, known[i]))
            return true;
    return refuse(
        c, &(ft_diagnostic){
               .number = 11,
               .mark = node->mark,
               .message = ft_arena_format(
                   ft_diagnostics_arena(c->diagnostics),
                   "tags such as `%s` are not used in a pipeline",
                   ft_quote(ft_diagnostics_arena(c->diagnostics), ft_slice_of((const char *)tag))),
               .help = "write the value without the tag; put it in quotes if it starts with `!`",
           });
}

// Registers before composing, so that an alias to what it stands in can be told from an unknown
// one.
static bool open_anchor(composer *c, const yaml_char_t *name, ft_mark mark, size_t *out_index)
{
    *out_index = SIZE_MAX;
    if (!name)
        return true;
    if (c->anchor_count == FT_YAML_ANCHORS_MAX)
        return refuse(
            c, &(ft_diagnostic){.number = 9,
                                .mark = mark,
                                .message = "this file has more than 1000 anchors (`&name`)"});
    char *copy = ft_arena_text(c->arena, ft_slice_of((const char *)name));
    if (!copy)
        return refuse_nomem(c);
    *out_index = c->anchor_count;
    c->anchors[c->anchor_count++] = (anchor){copy, NULL};
    return true;
}

static bool compose_alias(composer *c, const yaml_event_t *event, const ft_yaml_node **out)
{
    const char *name = (const char *)event->data.alias.anchor;
    ft_arena *messages = ft_diagnostics_arena(c->diagnostics);
    size_t end, i = c->anchor_count;
    ft_mark mark = mark_between(c, event->start_mark, event->end_mark, &end);

    while (i > 0 && strcmp(c->anchors[i - 1].name, name) != 0)
        i--;
    c->used_aliases = true;
    if (i > 0 && c->anchors[i - 1].node) {
        *out = c->anchors[i - 1].node;
        return charge(c, (*out)->weight, mark);
    }
    const char *shown = ft_quote(messages, ft_slice_of(name));
    if (i > 0)
        return refuse(c,
                      &(ft_diagnostic){
                          .number = 14,
                          .mark = mark,
                          .message = ft_arena_format(
                              messages, "`*%s` stands inside `&%s` itself, which would never end",
                              shown, shown),
                      });
    return refuse(
        c, &(ft_diagnostic){
               .number = 14,
               .mark = mark,
               .message = ft_arena_format(messages, "nothing above is marked `&%s`", shown),
               .label = "a `*` in front makes it an alias in YAML",
               .help = ft_arena_format(
                   messages,
                   "mark what it repeats with `&%s`, or put it in quotes if it is text: \"*%s\"",
                   shown, shown),
           });
}

// ---- maps ----

// A pair that may become part of the map: its own ones have rank 0, those of the n-th merged map
// rank n.
typedef struct candidate {
    ft_yaml_pair pair;
    size_t rank, order;
    bool dropped;
} candidate;

static int compare_candidates(const void *left, const void *right)
{
    const candidate *a = *(candidate *const *)left, *b = *(candidate *const *)right;
    int by_key = ft_slice_compare(a->pair.key->text, b->pair.key->text);

    if (by_key != 0)
        return by_key;
    return a->order < b->order ? -1 : a->order > b->order;
}

static bool refuse_duplicate(composer *c, const ft_yaml_node *first, const ft_yaml_node *second)
{
    ft_arena *messages = ft_diagnostics_arena(c->diagnostics);

    return refuse(c, &(ft_diagnostic){
                         .number = 7,
                         .mark = second->mark,
                         .message = ft_arena_format(messages, "`%s` is given twice",
                                                    ft_quote(messages, second->text)),
                         .label = "again here",
                         .has_other = true,
                         .other = first->mark,
                         .other_label = "first here",
                         .help = "keep one of the two",
                     });
}

// Own pairs win over merged ones, earlier merged maps over later ones; two own ones are an error.
static bool drop_hidden_pairs(composer *c, candidate *all, size_t count)
{
    candidate **sorted = ft_arena_zero(c->arena, count + 1, sizeof(*sorted));

    if (!sorted)
        return refuse_nomem(c);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &all[i];
    qsort(sorted, count, sizeof(*sorted), compare_candidates);
    for (size_t i = 1; i < count; i++) {
        candidate *first = sorted[i - 1], *second = sorted[i];

        if (!ft_slice_equal(first->pair.key->text, second->pair.key->text))
            continue;
        if (second->rank == 0)
            return refuse_duplicate(c, first->pair.key, second->pair.key);
        second->dropped = true;
    }
    return true;
}

static bool is_merge(const ft_yaml_node *key)
{
    return key->style == FT_YAML_PLAIN && ft_slice_is(key->text, "<<");
}

static bool refuse_merge(composer *c, const ft_yaml_node *key)
{
    return refuse(c, &(ft_diagnostic){
                         .number = 15,
                         .mark = key->mark,
                         .message = "`<<` takes in the keys of a map, and its value is none",
                         .help = "write `<<: *name`, with `&name` in front of a map above",
                     });
}

// Counts what `<<` brings in, or refuses it.
static bool merged_count(composer *c, const ft_yaml_node *key, const ft_yaml_node *value,
                         size_t *out)
{
    *out = 0;
    if (value->kind == FT_YAML_MAP) {
        *out = value->count;
        return true;
    }
    if (value->kind != FT_YAML_LIST)
        return refuse_merge(c, key);
    for (size_t i = 0; i < value->count; i++) {
        if (value->items[i]->kind != FT_YAML_MAP)
            return refuse_merge(c, key);
        *out += value->items[i]->count;
    }
    return true;
}

static void take_merged(const ft_yaml_node *from, candidate *all, size_t *count, size_t rank)
{
    for (size_t i = 0; i < from->count; i++, (*count)++)
        all[*count] = (candidate){.pair = from->pairs[i], .rank = rank, .order = *count};
}

static size_t add_merged(const ft_yaml_node *value, candidate *all, size_t count, size_t *rank)
{
    if (value->kind == FT_YAML_MAP)
        take_merged(value, all, &count, ++*rank);
    else
        for (size_t i = 0; i < value->count; i++)
            take_merged(value->items[i], all, &count, ++*rank);
    return count;
}

static bool check_split_children(composer *c, const ft_yaml_node *node, const node_list *flat)
{
    bool is_map = node->kind == FT_YAML_MAP;

    for (size_t i = is_map; node->is_flow && i + 1 < flat->count; i += 1 + is_map)
        if (!ft_yaml_check_split(c->source, flat->items[i], flat->items[i + 1], c->diagnostics))
            return false;
    return true;
}

// `flat` holds keys and values in turn.
static bool finish_map(composer *c, ft_yaml_node *node, const node_list *flat)
{
    size_t count = 0, capacity = 1, rank = 0, more;

    for (size_t i = 0; i < flat->count; i += 2) {
        if (!is_merge(flat->items[i]))
            more = 1;
        else if (!merged_count(c, flat->items[i], flat->items[i + 1], &more))
            return false;
        capacity += more;
    }
    candidate *all = ft_arena_zero(c->arena, capacity, sizeof(*all));
    node->pairs = ft_arena_zero(c->arena, capacity, sizeof(*node->pairs));
    if (!all || !node->pairs)
        return refuse_nomem(c);
    for (size_t i = 0; i < flat->count; i += 2)
        if (!is_merge(flat->items[i])) {
            all[count] = (candidate){.pair = {flat->items[i], flat->items[i + 1]}, .order = count};
            count++;
        }
    for (size_t i = 0; i < flat->count; i += 2)
        if (is_merge(flat->items[i]))
            count = add_merged(flat->items[i + 1], all, count, &rank);
    if (!drop_hidden_pairs(c, all, count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!all[i].dropped)
            node->pairs[node->count++] = all[i].pair;
    return true;
}

// ---- nodes ----

static ft_yaml_style style_of(yaml_scalar_style_t style)
{
    switch ((int)style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
        return FT_YAML_SINGLE_QUOTED;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
        return FT_YAML_DOUBLE_QUOTED;
    case YAML_LITERAL_SCALAR_STYLE:
        return FT_YAML_LITERAL;
    case YAML_FOLDED_SCALAR_STYLE:
        return FT_YAML_FOLDED;
    default:
        return FT_YAML_PLAIN;
    }
}

static bool compose_scalar(composer *c, const yaml_event_t *event, const ft_yaml_node **out)
{
    ft_yaml_node *node = add_node(c, FT_YAML_SCALAR, event);
    size_t index;

    if (!node)
        return false;
    ft_slice value = {(const char *)event->data.scalar.value, event->data.scalar.length};
    const char *copy = ft_arena_text(c->arena, value);
    if (!copy)
        return refuse_nomem(c);
    node->text = (ft_slice){copy, value.size};
    node->style = style_of(event->data.scalar.style);
    node->quoted = node->style == FT_YAML_SINGLE_QUOTED || node->style == FT_YAML_DOUBLE_QUOTED;
    node->type = node->style == FT_YAML_PLAIN ? ft_yaml_type_of(node->text) : FT_YAML_STRING;
    if (memchr(value.data, '\0', value.size))
        return refuse(c, &(ft_diagnostic){.number = 21,
                                          .mark = node->mark,
                                          .message = "this text holds a NUL character",
                                          .help = "remove the `\\0`"});
    if (!ft_yaml_check_scalar(c->source, node, c->indent, c->diagnostics))
        return false;
    if (!check_tag(c, event->data.scalar.tag, node) ||
        !open_anchor(c, event->data.scalar.anchor, node->mark, &index))
        return false;
    if (index != SIZE_MAX)
        c->anchors[index].node = node;
    *out = node;
    return true;
}

static bool check_key(composer *c, const ft_yaml_node *key)
{
    if (key->kind == FT_YAML_SCALAR && (key->text.size > 0 || key->style != FT_YAML_PLAIN))
        return true;
    return refuse(c, &(ft_diagnostic){
                         .number = 10,
                         .mark = key->mark,
                         .message = key->kind == FT_YAML_SCALAR
                                        ? "a key is missing in front of the `:`"
                                        : "a key must be a word",
                         .label = key->kind == FT_YAML_LIST  ? "this is a list"
                                  : key->kind == FT_YAML_MAP ? "this is a map"
                                                             : NULL,
                     });
}

static bool check_depth(composer *c, const ft_yaml_node *node, int depth)
{
    if (depth < FT_YAML_DEPTH_MAX)
        return true;
    return refuse(c, &(ft_diagnostic){
                         .number = 9,
                         .mark = node->mark,
                         .message = "lists and maps stand in each other more than 64 levels deep",
                         .label = "level 65",
                     });
}

// Children up to the event that ends the collection; a flow collection's mark is stretched to its
// bracket.
static bool compose_children(composer *c, ft_yaml_node *node, int depth, node_list *out)
{
    yaml_event_type_t end =
        node->kind == FT_YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    cursor start = c->at;

    for (;;) {
        yaml_event_t event;
        const ft_yaml_node *child = NULL;

        if (!next_event(c, &event))
            return false;
        if (event.type == end) {
            if (node->is_flow) {
                cursor last = c->at;
                cursor_move(&last, c->source->text, event.end_mark.index);
                node->end_offset = last.offset;
                node->mark = ft_mark_at(
                    (ft_slice){c->source->text.data + start.offset, last.offset - start.offset}, 0,
                    last.offset - start.offset);
                node->mark.line = start.line;
                node->mark.column = start.column;
                node->mark.offset = start.offset;
            }
            yaml_event_delete(&event);
            return true;
        }
        bool is_alias = event.type == YAML_ALIAS_EVENT;
        bool composed = compose(c, &event, depth + 1, &child);
        yaml_event_delete(&event);
        if (composed && node->is_flow && !is_alias &&
            !ft_yaml_check_flow_child(c->source, child, c->indent, c->diagnostics))
            return false;
        if (!composed || (node->kind == FT_YAML_MAP && out->count % 2 == 0 && !check_key(c, child)))
            return false;
        if (!list_push(c, out, child))
            return false;
    }
}

static bool compose_collection(composer *c, const yaml_event_t *event, int depth,
                               const ft_yaml_node **out)
{
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    ft_yaml_node *node = add_node(c, is_map ? FT_YAML_MAP : FT_YAML_LIST, event);
    size_t index, before = c->weight;
    int indent = c->indent;
    node_list children = {0};

    if (!node || !check_depth(c, node, depth))
        return false;
    node->is_flow = is_map ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                           : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    const yaml_char_t *name =
        is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    // Behind an anchor or tag, the node may start on a later line.
    if (!node->is_flow && !tag && !name)
        c->indent = (int)node->mark.column - 1;
    if (!check_tag(c, tag, node) || !open_anchor(c, name, node->mark, &index) ||
        !compose_children(c, node, depth, &children))
        return false;
    c->indent = indent;
    if (!check_split_children(c, node, &children))
        return false;
    if (!is_map) {
        node->items = children.items;
        node->count = children.count;
    } else if (!finish_map(c, node, &children)) {
        return false;
    }
    node->weight = 1 + c->weight - before;
    if (index != SIZE_MAX)
        c->anchors[index].node = node;
    *out = node;
    return true;
}

static bool compose(composer *c, yaml_event_t *event, int depth, const ft_yaml_node **out)
{
    switch ((int)event->type) {
    case YAML_ALIAS_EVENT:
        return compose_alias(c, event, out);
    case YAML_SCALAR_EVENT:
        return compose_scalar(c, event, out);
    default:
        return compose_collection(c, event, depth, out);
    }
}

// One document and nothing behind it.
static bool compose_document(composer *c, const ft_yaml_node **out)
{
    int documents = 0;

    for (;;) {
        yaml_event_t event;
        bool ok = true;

        if (!next_event(c, &event))
            return false;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
            size_t end;
            ft_mark mark = mark_between(c, event.start_mark, event.end_mark, &end);
            ok = refuse(c,
                        &(ft_diagnostic){
                            .number = 8,
                            .mark = mark,
                            .message = "a second document starts here, and a pipeline file has one",
                            .help = "put the second pipeline in a file of its own"});
        } else if (type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT ||
                   type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT) {
            ok = compose(c, &event, 0, out);
        }
        yaml_event_delete(&event);
        if (!ok)
            return false;
        if (type == YAML_STREAM_END_EVENT)
            return true;
    }
}

bool ft_yaml_parse(const ft_source *source, ft_arena *arena, ft_diagnostics *diagnostics,
                   const ft_yaml_node **out)
{
    size_t bom = ft_yaml_bom_bytes(source->text);

    *out = NULL;
    if (!ft_yaml_check_text(source, diagnostics))
        return false;
    composer *c = ft_arena_zero(arena, 1, sizeof(*c));
    if (!c || !yaml_parser_initialize(&c->parser)) {
        ft_diagnostics_add_nomem(diagnostics);
        return false;
    }
    c->source = source;
    c->arena = arena;
    c->diagnostics = diagnostics;
    c->at = (cursor){.offset = bom, .line = 1, .column = 1};
    c->indent = -1;
    yaml_parser_set_encoding(&c->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&c->parser, (const unsigned char *)source->text.data + bom,
                                 source->text.size - bom);
    bool ok = compose_document(c, out);
    yaml_parser_delete(&c->parser);
    // A lone empty scalar is what an empty document gives.
    if (ok && *out && (*out)->kind == FT_YAML_SCALAR && (*out)->type == FT_YAML_NULL &&
        (*out)->text.size == 0)
        *out = NULL;
    return ok;
}
