// The graph as text for a terminal, as DOT and as Mermaid.
#include "cli/graph_shapes.h"

#include <string.h>

// ---- text: a chain reads from top to bottom; where a stage reads from elsewhere, it says so ----

static bool follows(const ft_graph_picture *picture, size_t box)
{
    size_t edges = 0;
    bool from_above = false;

    for (size_t i = 0; i < picture->edge_count; i++) {
        if (picture->edges[i].to != box)
            continue;
        edges++;
        from_above = picture->edges[i].from + 1 == box && !picture->edges[i].port;
    }
    return edges == 1 && from_above;
}

static bool same_label(const ft_graph_edge *a, const ft_graph_edge *b)
{
    return a->to == b->to && strcmp(a->fields, b->fields) == 0;
}

// Edges of the same fields share a line: "from a, b.errors: id: int".
static void put_edges_to(const ft_graph_picture *picture, size_t box, ft_text *out)
{
    bool chained = follows(picture, box);

    for (size_t i = 0; i < picture->edge_count; i++) {
        const ft_graph_edge *edge = &picture->edges[i];
        if (edge->to != box)
            continue;
        bool goes_on = i > 0 && same_label(edge - 1, edge);
        bool comes_more = i + 1 < picture->edge_count && same_label(edge, edge + 1);
        if (!chained)
            ft_text_format(out, "%s%s%s%s", goes_on ? ", " : "  ╷ from ",
                           picture->boxes[edge->from].node->name, edge->port ? "." : "",
                           edge->port ? edge->port : "");
        if (chained)
            ft_text_format(out, "  │ %s\n", edge->fields);
        else if (!comes_more)
            ft_text_format(out, ": %s\n", edge->fields);
    }
    if (chained || picture->boxes[box].layer > 0)
        ft_text_append_string(out, "  ▼\n");
}

void ft_graph_put_text(const ft_graph_picture *picture, ft_text *out)
{
    for (size_t i = 0; i < picture->box_count; i++) {
        const ft_graph_box *box = &picture->boxes[i];
        if (i > 0 && !follows(picture, i))
            ft_text_append_char(out, '\n');
        put_edges_to(picture, i, out);
        ft_text_format(out, "%s%s%s\n", box->title, *box->detail ? "  " : "", box->detail);
    }
}

// ---- dot ----

static void put_dot_text(const char *text, ft_text *out)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            ft_text_append_char(out, '\\');
        ft_text_append_char(out, *text);
    }
}

// "a: int, b: string" with a line end behind every comma.
static void put_fields(const char *fields, const char *line_end,
                       void (*put)(const char *, ft_text *), ft_text *out)
{
    for (; *fields; fields++) {
        char one[2] = {*fields, 0};
        put(one, out);
        if (fields[0] == ',' && fields[1] == ' ') {
            ft_text_append_string(out, line_end);
            fields++;
        }
    }
}

void ft_graph_put_dot(const ft_graph_picture *picture, ft_text *out)
{
    ft_text_append_string(out, "digraph \"");
    put_dot_text(picture->name, out);
    ft_text_append_string(out, "\" {\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
                               "  edge [fontname=\"monospace\", fontsize=10];\n");
    for (size_t i = 0; i < picture->box_count; i++) {
        ft_text_format(out, "  n%zu [label=\"", i);
        put_dot_text(picture->boxes[i].title, out);
        if (*picture->boxes[i].detail) {
            ft_text_append_string(out, "\\n");
            put_dot_text(picture->boxes[i].detail, out);
        }
        ft_text_append_string(out, "\"];\n");
    }
    for (size_t i = 0; i < picture->edge_count; i++) {
        const ft_graph_edge *edge = &picture->edges[i];
        ft_text_format(out, "  n%zu -> n%zu [label=\"", edge->from, edge->to);
        if (edge->port)
            ft_text_format(out, "%s\\n", edge->port);
        put_fields(edge->fields, "\\n", put_dot_text, out);
        ft_text_append_string(out, "\"];\n");
    }
    ft_text_append_string(out, "}\n");
}

// ---- mermaid ----

// Mermaid takes HTML's entities, and no double quotes inside of quotes.
static void put_mermaid_text(const char *text, ft_text *out)
{
    for (; *text; text++) {
        if (*text == '"')
            ft_text_append_string(out, "#quot;");
        else if (*text == '<')
            ft_text_append_string(out, "#lt;");
        else if (*text == '>')
            ft_text_append_string(out, "#gt;");
        else if (*text == '#')
            ft_text_append_string(out, "#35;");
        else
            ft_text_append_char(out, *text);
    }
}

void ft_graph_put_mermaid(const ft_graph_picture *picture, ft_text *out)
{
    ft_text_append_string(out, "flowchart TD\n");
    for (size_t i = 0; i < picture->box_count; i++) {
        ft_text_format(out, "  n%zu[\"", i);
        put_mermaid_text(picture->boxes[i].title, out);
        if (*picture->boxes[i].detail) {
            ft_text_append_string(out, "<br>");
            put_mermaid_text(picture->boxes[i].detail, out);
        }
        ft_text_append_string(out, "\"]\n");
    }
    for (size_t i = 0; i < picture->edge_count; i++) {
        const ft_graph_edge *edge = &picture->edges[i];
        ft_text_format(out, "  n%zu -->|\"", edge->from);
        if (edge->port)
            ft_text_format(out, "%s<br>", edge->port);
        put_fields(edge->fields, "<br>", put_mermaid_text, out);
        ft_text_format(out, "\"| n%zu\n", edge->to);
    }
}
