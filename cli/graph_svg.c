// The graph as SVG: boxes in layers from top to bottom, each layer centred, an edge's fields beside
// its line.
//
//        +------+
//        | read |
//        +------+
//           | text: string
//        +----------+
//        | tokenize |
//        +----------+
//
// Widths come from a table of one width per character (monospace), since there is no font to ask.
// An edge that skips a layer runs down the right side. Edges of named ports and of `errors` are red
// and dashed.
#include "cli/graph_shapes.h"

enum {
    CHARACTER = 7,  // Of the 12 px monospace text.
    PAD = 14,
    BOX_HEIGHT = 46,
    LINE = 15,  // Of an edge's fields.
    GAP_X = 48,
    LANE = 7,    // Between the edges that run down the right side,
    LANES = 6,   // of which the seventh lies on the first again.
    CURVE = 24,  // The height in which an edge swings to where it goes.
    GAP_Y_MIN = 44,
    FIELDS_SHOWN = 8,
    MARGIN = 20,
};

typedef struct {
    int x, y, width;
} placed;

typedef struct {
    const ft_graph_picture *picture;
    placed *boxes;
    int *layer_y, *layer_gap;  // [layers]: top, and the room above it for labels.
    size_t layers;
    int width, height, lanes_x;
} layout;

static size_t code_points(const char *text)
{
    return ft_utf8_count(ft_slice_of(text));
}

static size_t field_count(const char *fields)
{
    size_t count = *fields ? 1 : 0;

    for (; *fields; fields++)
        count += fields[0] == ',' && fields[1] == ' ';
    return count;
}

// What is written beside the arrows into a box: the fields that come in, once for all of them. Of
// errors alone, what the port adds.
static const char *label_of(const ft_graph_picture *picture, size_t box)
{
    const char *label = "";

    for (size_t i = 0; i < picture->edge_count; i++) {
        const ft_graph_edge *edge = &picture->edges[i];
        if (edge->to != box)
            continue;
        if (!edge->port)
            return picture->boxes[box].fields;
        label = edge->fields;
    }
    return label;
}

static int label_lines(const char *label)
{
    size_t fields = field_count(label);

    return (int)(fields > FIELDS_SHOWN ? FIELDS_SHOWN + 1 : fields);
}

// Cuts "a: int, b: f32[1,512]" behind a field; the commas of a type have no space behind them.
static bool next_field(ft_slice *rest, ft_slice *out)
{
    size_t size = 0;

    if (rest->size == 0)
        return false;
    while (size < rest->size &&
           !ft_slice_starts_with((ft_slice){rest->data + size, rest->size - size}, FT_SLICE(", ")))
        size++;
    *out = (ft_slice){rest->data, size};
    size_t skipped = size < rest->size ? size + 2 : size;
    *rest = (ft_slice){rest->data + skipped, rest->size - skipped};
    return true;
}

static int label_width(const char *label)
{
    ft_slice rest = ft_slice_of(label), part;
    size_t widest = 0;

    while (next_field(&rest, &part))
        if (ft_utf8_count(part) > widest)
            widest = ft_utf8_count(part);
    return (int)widest * CHARACTER;
}

static int box_width(const ft_graph_box *box)
{
    size_t widest = code_points(box->title);

    if (code_points(box->detail) > widest)
        widest = code_points(box->detail);
    return (int)(widest < 8 ? 8 : widest) * CHARACTER + 2 * PAD;
}

// How far a box reaches to the right when the label beside its arrows is counted.
static int reach(const layout *l, size_t box)
{
    int with_label = l->boxes[box].width * 4 / 5 + label_width(label_of(l->picture, box));

    return with_label > l->boxes[box].width ? with_label : l->boxes[box].width;
}

static void place_rows(layout *l)
{
    const ft_graph_picture *picture = l->picture;
    int y = MARGIN;

    for (size_t i = 0; i < picture->box_count; i++) {
        int needed = label_lines(label_of(picture, i)) * LINE + CURVE + 14;
        if (needed > l->layer_gap[picture->boxes[i].layer])
            l->layer_gap[picture->boxes[i].layer] = needed;
    }
    for (size_t layer = 0; layer < l->layers; layer++) {
        if (layer > 0)
            y += l->layer_gap[layer] < GAP_Y_MIN ? GAP_Y_MIN : l->layer_gap[layer];
        l->layer_y[layer] = y;
        y += BOX_HEIGHT;
    }
    l->height = y + MARGIN;
}

static bool is_long(const ft_graph_picture *picture, const ft_graph_edge *edge)
{
    return picture->boxes[edge->to].layer > picture->boxes[edge->from].layer + 1;
}

static bool has_long_edge(const ft_graph_picture *picture)
{
    for (size_t i = 0; i < picture->edge_count; i++)
        if (is_long(picture, &picture->edges[i]))
            return true;
    return false;
}

// Of the boxes alone: the last label hangs over.
static int layer_width(const layout *l, size_t layer)
{
    int width = 0, overhang = 0;

    for (size_t i = 0; i < l->picture->box_count; i++) {
        if (l->picture->boxes[i].layer != layer)
            continue;
        width += (width > 0 ? overhang + GAP_X : 0) + l->boxes[i].width;
        overhang = reach(l, i) - l->boxes[i].width;
    }
    return width;
}

static void place_columns(layout *l)
{
    int widest = 0, right = 0;

    for (size_t layer = 0; layer < l->layers; layer++)
        if (layer_width(l, layer) > widest)
            widest = layer_width(l, layer);
    for (size_t layer = 0; layer < l->layers; layer++) {
        int x = MARGIN + (widest - layer_width(l, layer)) / 2;
        for (size_t i = 0; i < l->picture->box_count; i++) {
            if (l->picture->boxes[i].layer != layer)
                continue;
            l->boxes[i].x = x;
            l->boxes[i].y = l->layer_y[layer];
            if (x + reach(l, i) > right)
                right = x + reach(l, i);
            x += reach(l, i) + GAP_X;
        }
    }
    // Edges that skip a layer run down the right side.
    l->lanes_x = right + 12;
    l->width = l->lanes_x + (has_long_edge(l->picture) ? LANES * LANE : 0) + MARGIN;
}

static void put_escaped(ft_text *out, ft_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '<')
            ft_text_append_string(out, "&lt;");
        else if (c == '>')
            ft_text_append_string(out, "&gt;");
        else if (c == '&')
            ft_text_append_string(out, "&amp;");
        else if (c == '"')
            ft_text_append_string(out, "&quot;");
        else
            ft_text_append_char(out, c);
    }
}

static void put_text_at(ft_text *out, int x, int y, const char *class, ft_slice text)
{
    ft_text_format(out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
    put_escaped(out, text);
    ft_text_append_string(out, "</text>\n");
}

static void put_box(const layout *l, size_t index, ft_text *out)
{
    static const char *const classes[] = {
        [FT_STAGE_SOURCE] = "source", [FT_STAGE_TRANSFORM] = "transform", [FT_STAGE_SINK] = "sink"};
    const ft_graph_box *box = &l->picture->boxes[index];
    const placed *at = &l->boxes[index];
    int middle = at->x + at->width / 2;
    bool two_lines = *box->detail != 0;

    ft_text_format(out,
                   "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" class=\"%s\"/>\n",
                   at->x, at->y, at->width, BOX_HEIGHT, classes[box->node->def->kind]);
    put_text_at(out, middle, at->y + (two_lines ? 20 : 28), "title", ft_slice_of(box->title));
    if (two_lines)
        put_text_at(out, middle, at->y + 36, "detail", ft_slice_of(box->detail));
}

// Where the `nth` of `count` edges meets a box's upper or lower side.
static int side_x(const placed *box, int nth, int count)
{
    return box->x + box->width * (nth + 1) / (count + 1);
}

static void put_label(const char *label, int x, int bottom, ft_text *out)
{
    ft_slice rest = ft_slice_of(label), part;
    int y = bottom - label_lines(label) * LINE + 4;

    for (int shown = 0; shown <= FIELDS_SHOWN && next_field(&rest, &part); shown++) {
        put_text_at(out, x, y, "fields", shown == FIELDS_SHOWN ? FT_SLICE("...") : part);
        y += LINE;
    }
}

static void put_edge(const layout *l, size_t index, ft_text *out)
{
    const ft_graph_edge *edge = &l->picture->edges[index];
    int out_count = 0, out_nth = 0, in_count = 0, in_nth = 0;

    for (size_t i = 0; i < l->picture->edge_count; i++) {
        const ft_graph_edge *other = &l->picture->edges[i];
        if (other->from == edge->from) {
            out_nth += i < index;
            out_count++;
        }
        if (other->to == edge->to) {
            in_nth += i < index;
            in_count++;
        }
    }
    int x1 = side_x(&l->boxes[edge->from], out_nth, out_count),
        y1 = l->boxes[edge->from].y + BOX_HEIGHT;
    int x2 = side_x(&l->boxes[edge->to], in_nth, in_count), y2 = l->boxes[edge->to].y;
    const char *class = edge->port ? "edge port" : "edge";

    if (is_long(l->picture, edge)) {
        // Around the boxes in between.
        int lane = l->lanes_x + (int)(index % LANES) * LANE;
        ft_text_format(out, "<path d=\"M%d %dV%dH%dV%dH%dV%d\" class=\"%s\"/>\n", x1, y1,
                       y1 + 6 + (int)(index % LANES) * 3, lane, y2 - 12, x2, y2 - 2, class);
    } else {
        ft_text_format(out, "<path d=\"M%d %dC%d %d %d %d %d %dV%d\" class=\"%s\"/>\n", x1, y1, x1,
                       y1 + CURVE, x2, y1, x2, y1 + CURVE, y2 - 2, class);
    }
    if (in_nth == in_count - 1)
        put_label(label_of(l->picture, edge->to), x2 + 7, y2 - 14, out);
}

static const char style[] =
    "<style>text{font:12px ui-monospace,monospace;fill:#24292f}"
    ".title{font-weight:bold;text-anchor:middle}"
    ".detail{text-anchor:middle;fill:#57606a}.fields{fill:#57606a;font-size:11px}"
    "rect{stroke:#57606a;fill:#f6f8fa}.source{fill:#ddf4ff}.sink{fill:#dafbe1}"
    ".edge{fill:none;stroke:#57606a;marker-end:url(#tip)}"
    ".port{stroke:#cf222e;stroke-dasharray:4 3}</style>\n"
    "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" "
    "markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" "
    "fill=\"#57606a\"/></marker></defs>\n";

void ft_graph_put_svg(const ft_graph_picture *picture, ft_arena *arena, ft_text *out)
{
    layout l = {.picture = picture, .layers = 1};

    for (size_t i = 0; i < picture->box_count; i++)
        if (picture->boxes[i].layer >= l.layers)
            l.layers = picture->boxes[i].layer + 1;
    l.boxes = ft_arena_zero(arena, picture->box_count, sizeof(*l.boxes));
    l.layer_y = ft_arena_zero(arena, l.layers, sizeof(int));
    l.layer_gap = ft_arena_zero(arena, l.layers, sizeof(int));
    if (!l.boxes || !l.layer_y || !l.layer_gap) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < picture->box_count; i++)
        l.boxes[i].width = box_width(&picture->boxes[i]);
    place_rows(&l);
    place_columns(&l);
    ft_text_format(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\">\n<title>",
                   l.width, l.height, l.width, l.height);
    put_escaped(out, ft_slice_of(picture->name));
    ft_text_append_string(out, "</title>\n");
    ft_text_append_string(out, style);
    ft_text_append_string(
        out, "<rect width=\"100%\" height=\"100%\" style=\"fill:#fff;stroke:none\"/>\n");
    for (size_t i = 0; i < picture->edge_count; i++)
        put_edge(&l, i, out);
    for (size_t i = 0; i < picture->box_count; i++)
        put_box(&l, i, out);
    ft_text_append_string(out, "</svg>\n");
}
