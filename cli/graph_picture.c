// From a plan to boxes and edges.
#include <string.h>

#include "cli/graph_shapes.h"

enum { TEXT_BYTES_MAX = 48 };

// What an errors port adds to the fields of the items that failed; those differ from stage to
// stage.
static const char errors_fields[] = "error: string, stage: string, place: string, code: string";
static const char errors_port[] = "errors";

// The box that shows plan node `index`: hidden nodes stand behind their owner.
static size_t box_of(const ft_plan *plan, size_t index)
{
    size_t box = 0;

    for (size_t i = 0; i < index; i++)
        box += !plan->nodes[i + 1]->is_hidden;
    return box;
}

// One line, not too long. A model's full path says less than its name; a script shows its first
// line.
static const char *print_text(const char *text, bool is_model, ft_arena *arena)
{
    const char *slash = is_model && text[0] == '/' ? strrchr(text, '/') : NULL;
    ft_slice shown = ft_slice_trim(ft_slice_of(slash ? slash + 1 : text)), line = {NULL, 0};

    ft_slice_cut(&shown, '\n', &line);
    if (line.size <= TEXT_BYTES_MAX)
        return line.size ? ft_arena_text(arena, line) : "";
    line.size = TEXT_BYTES_MAX - 3;
    while (line.size > 0 && ((unsigned char)line.data[line.size] & 0xc0) == 0x80)
        line.size--;
    return ft_arena_format(arena, "%.*s...", (int)line.size, line.data);
}

static const char *print_list(const char *at, ft_arena *arena)
{
    const char *text = "";
    ft_strings list;

    memcpy(&list, at, sizeof(list));
    for (size_t i = 0; i < list.count && text && i < 8; i++)
        text = ft_arena_format(arena, "%s%s%s", text, i ? ", " : "", list.items[i]);
    return text;
}

// The main option as text: what stands behind the stage's key.
static const char *print_main(const ft_plan_node *node, ft_arena *arena)
{
    const ft_option *option = ft_option_find_main(node->def->options);
    const char *text = NULL;
    int64_t number;

    if (!option)
        return "";
    const char *at = (const char *)node->config + option->offset;
    switch (option->type) {
    case FT_OPTION_STRING:
    case FT_OPTION_PATH:
    case FT_OPTION_MODEL:
    case FT_OPTION_FIELD:
    case FT_OPTION_EXPR:
        memcpy(&text, at, sizeof(text));
        break;
    case FT_OPTION_INT:
    case FT_OPTION_COUNT:
        memcpy(&number, at, sizeof(number));
        return ft_arena_format(arena, "%lld", (long long)number);
    case FT_OPTION_STRINGS:
    case FT_OPTION_FIELDS:
        return print_list(at, arena);
    case FT_OPTION_CHOICE:
    case FT_OPTION_BOOL:
    case FT_OPTION_SIZE:
    case FT_OPTION_DURATION:
    case FT_OPTION_FLOAT:
    case FT_OPTION_MAP:
        break;
    }
    return text ? print_text(text, option->type == FT_OPTION_MODEL, arena) : "";
}

static const char *port_name(const ft_plan_node *node, uint32_t port)
{
    if (port == FT_PORT_MAIN)
        return NULL;
    return port == FT_PORT_ERRORS ? errors_port : node->def->ports[port - 1];
}

// A source and its hidden half have one errors port between them, as it is shown.
static bool has_edge(const ft_graph_picture *picture, const ft_graph_edge *edge)
{
    for (size_t i = 0; i < picture->edge_count; i++) {
        const ft_graph_edge *other = &picture->edges[i];
        if (other->from == edge->from && other->to == edge->to && other->port == edge->port)
            return true;
    }
    return false;
}

static bool add_edges(const ft_plan *plan, const ft_plan_node *node, size_t to, ft_arena *arena,
                      ft_graph_picture *out)
{
    for (size_t i = 0; i < node->input_count; i++) {
        const ft_plan_node *from = plan->nodes[node->inputs[i].node];
        ft_graph_edge edge = {.from = box_of(plan, node->inputs[i].node), .to = to};
        edge.port = port_name(from, node->inputs[i].port);
        if (has_edge(out, &edge))
            continue;
        bool is_errors = node->inputs[i].port == FT_PORT_ERRORS;
        edge.fields = is_errors ? errors_fields : ft_schema_print(&from->output, arena);
        if (!edge.fields)
            return false;
        out->edges[out->edge_count++] = edge;
        if (out->boxes[to].layer < out->boxes[edge.from].layer + 1)
            out->boxes[to].layer = out->boxes[edge.from].layer + 1;
    }
    return true;
}

bool ft_graph_picture_make(const ft_plan *plan, ft_arena *arena, ft_graph_picture *out)
{
    size_t edge_count = 0;

    *out = (ft_graph_picture){.name = plan->name ? plan->name : ""};
    for (size_t i = 0; i < plan->node_count; i++)
        edge_count += plan->nodes[i]->input_count;
    out->boxes = ft_arena_zero(arena, plan->node_count, sizeof(*out->boxes));
    out->edges = ft_arena_zero(arena, edge_count, sizeof(*out->edges));
    if (!out->boxes || !out->edges)
        return false;
    for (size_t i = 0; i < plan->node_count; i++) {
        const ft_plan_node *node = plan->nodes[i];
        if (node->is_hidden)
            continue;
        ft_graph_box *box = &out->boxes[out->box_count++];
        box->node = node;
        bool has_own_name = strcmp(node->name, node->def->name) != 0;
        box->title = has_own_name ? ft_arena_format(arena, "%s (%s)", node->name, node->def->name)
                                  : node->name;
        box->detail = print_main(node, arena);
        if (box->detail && (node->isolate || node->on_runaway == FT_ON_RUNAWAY_PROCESS))
            box->detail =
                ft_arena_format(arena, "%s%sin a process", box->detail, *box->detail ? ", " : "");
        box->fields = ft_schema_print(&node->input, arena);
        if (!box->title || !box->detail || !box->fields ||
            !add_edges(plan, node, out->box_count - 1, arena, out))
            return false;
    }
    return true;
}
