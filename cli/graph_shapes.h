// The picture of a plan, in four languages. Hidden nodes (a source's decoding half) are part of
// their owner.
#pragma once

#include "engine/plan.h"

typedef struct ft_graph_edge {
    size_t from, to;     // Indices of boxes.
    const char *port;    // NULL: the main output.
    const char *fields;  // "id: int, text: string"
} ft_graph_edge;

typedef struct ft_graph_box {
    const ft_plan_node *node;  // What is shown.
    const ft_plan_node *last;  // What gives the output: the node, or its hidden half.
    const char *title;         // "vectors (write)"
    const char *detail;        // "out/vectors.npy", or ""
    const char *fields;        // What comes in, of all edges.
    size_t layer;              // 0: sources.
} ft_graph_box;

typedef struct ft_graph_picture {
    const char *name;
    size_t box_count, edge_count;
    ft_graph_box *boxes;   // In the plan's order.
    ft_graph_edge *edges;  // By the box they lead to.
} ft_graph_picture;

// In the arena. False without memory.
bool ft_graph_picture_make(const ft_plan *plan, ft_arena *arena, ft_graph_picture *out);

void ft_graph_put_text(const ft_graph_picture *picture, ft_text *out);
void ft_graph_put_dot(const ft_graph_picture *picture, ft_text *out);
void ft_graph_put_mermaid(const ft_graph_picture *picture, ft_text *out);
void ft_graph_put_svg(const ft_graph_picture *picture, ft_arena *arena, ft_text *out);
