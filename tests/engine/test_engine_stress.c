// Random graphs against a model: for each seed a graph of sources, transforms, merges, error ports
// and sinks is run on a random number of threads, and every sink must have got exactly what a
// simple simulation says, in that order (as a multiset with `order: any`); each source item must be
// counted as what the simulation says became of it.
//
//   test_engine_stress [name] ; FTPIPE_SEED=n runs one seed, FTPIPE_SEEDS=n so many.
#include "tests/engine/toy_stages.h"

enum { SEEDS = 250, NODES_MAX = 24, SOURCES_MAX = 2, IDS_PER_SOURCE = 100000 };

// What the simulation says that one packet holds.
typedef struct {
    int stream;
    uint64_t sequence;
    toy_record ids;
} model_packet;

typedef struct {
    model_packet *packets;
    size_t count, capacity;
} model_port;

typedef struct {
    bool is_source, is_sink, fails;
    model_port main, errors;
    toy_scatter_config *scatter;
    toy_record_config *sink;
    toy_record got;
} model_node;

typedef struct {
    toy t;
    ft_random random;
    model_node nodes[NODES_MAX];
    int count, source_count;
    bool is_tight;  // So little memory that turns wait for each other and batches are cut.
    int64_t items[SOURCES_MAX];
    uint8_t failed[SOURCES_MAX * IDS_PER_SOURCE], written[SOURCES_MAX * IDS_PER_SOURCE];
} model;

static int dice(model *m, int from, int to)
{
    return (int)ft_random_between(&m->random, from, to);
}

static toy_record *packet_of(model_port *port, int stream, uint64_t sequence)
{
    for (size_t i = port->count; i-- > 0;)
        if (port->packets[i].stream == stream && port->packets[i].sequence == sequence)
            return &port->packets[i].ids;
    if (port->count == port->capacity) {
        port->capacity = port->capacity ? 2 * port->capacity : 64;
        port->packets = realloc(port->packets, port->capacity * sizeof(*port->packets));
    }
    port->packets[port->count] = (model_packet){.stream = stream, .sequence = sequence};
    return &port->packets[port->count++].ids;
}

static void add_id(toy_record *record, int64_t id)
{
    ft_error err = FT_ERROR_INIT;

    check_true(toy_record_add(record, id, &err));
}

// ---- making a graph ----

static void make_source(model *m)
{
    toy_count_config *config;
    model_node *node = &m->nodes[m->count];
    ft_random sizes;
    int stream = m->source_count++;

    toy_add(&m->t, dice(m, 0, 3) ? &toy_count : &toy_count_blocking, -1, &config);
    *config = (toy_count_config){.items = dice(m, 0, 400),
                                 .first_id = stream * IDS_PER_SOURCE,
                                 .batch_most = dice(m, 1, 20),
                                 .seed = ft_random_next(&m->random)};
    m->items[stream] = config->items;
    node->is_source = true;
    m->count++;
    ft_random_init(&sizes, config->seed, 7);
    int64_t made = 0, one = m->t.settings.stress & FT_STRESS_ONE_ITEM ? 1 : 0;
    for (uint64_t sequence = 0;; sequence++) {
        size_t count = toy_batch_size(&sizes, config, made, one);
        if (!count)
            break;
        toy_record *ids = packet_of(&node->main, stream, sequence);
        for (size_t i = 0; i < count; i++)
            add_id(ids, config->first_id + made++);
    }
}

static int random_giver(model *m)
{
    int at;

    do
        at = dice(m, 0, m->count - 1);
    while (m->nodes[at].is_sink);
    return at;
}

static void add_inputs(model *m, int index, bool may_merge)
{
    int count = may_merge && dice(m, 0, 2) == 0 ? dice(m, 2, 3) : 1;
    int from[3], have = 0;

    for (int i = 0; i < count; i++) {
        int giver = random_giver(m);
        bool again = false;
        for (int j = 0; j < have; j++)
            again = again || from[j] == giver;
        if (!again)
            from[have++] = giver;
    }
    for (int i = 0; i < have; i++)
        toy_link(&m->t, index, from[i], FT_PORT_MAIN);
}

static void make_scatter(model *m)
{
    static const ft_stage_def *const defs[] = {&toy_scatter, &toy_scatter, &toy_scatter_one,
                                               &toy_scatter_blocking};
    model_node *node = &m->nodes[m->count];
    int index = toy_add(&m->t, defs[dice(m, 0, 3)], -1, &node->scatter);
    ft_plan_node *plan = m->t.plan->nodes[index];

    *node->scatter = (toy_scatter_config){.seed = ft_random_next(&m->random),
                                          .drop = dice(m, 0, 300),
                                          .twice = dice(m, 0, 1) ? dice(m, 0, 200) : 0,
                                          .spin = dice(m, 0, 300)};
    bool is_serial = m->t.plan->nodes[index]->def == &toy_scatter_one;
    if (m->is_tight && dice(m, 0, 1))
        node->scatter->hold_bytes = dice(m, 0, (is_serial ? 64 : 3 * 1024) * 1024);
    node->fails = dice(m, 0, 2) == 0;
    if (node->fails)
        node->scatter->fail = dice(m, 1, 200);
    plan->workers = dice(m, 0, 2) ? 0 : dice(m, 1, 3);
    plan->batch_items = dice(m, 0, 2) ? 0 : dice(m, 1, 5);
    plan->on_error = FT_ON_ERROR_SKIP;
    add_inputs(m, index, true);
    m->count++;
}

static int make_sink(model *m)
{
    model_node *node = &m->nodes[m->count];
    int index =
        toy_add(&m->t, dice(m, 0, 3) ? &toy_recorder : &toy_recorder_blocking, -1, &node->sink);

    node->sink->record = &node->got;
    node->sink->seed = ft_random_next(&m->random);
    node->sink->fail = dice(m, 0, 4) ? 0 : 100;
    node->is_sink = true;
    m->t.plan->nodes[index]->on_error = FT_ON_ERROR_SKIP;
    m->count++;
    return index;
}

static bool is_read(const model *m, int index)
{
    for (size_t i = 0; i < m->t.plan->node_count; i++)
        for (size_t j = 0; j < m->t.plan->nodes[i]->input_count; j++)
            if (m->t.plan->nodes[i]->inputs[j].node == (uint32_t)index &&
                m->t.plan->nodes[i]->inputs[j].port == FT_PORT_MAIN)
                return true;
    return false;
}

static void make_graph(model *m)
{
    int sources = dice(m, 1, SOURCES_MAX), scatters = dice(m, 0, 7);

    for (int i = 0; i < sources; i++)
        make_source(m);
    for (int i = 0; i < scatters; i++)
        make_scatter(m);
    int makers = m->count;
    for (int i = 0; i < makers; i++)
        if (!is_read(m, i) || dice(m, 0, 5) == 0) {
            int sink = make_sink(m);
            toy_link(&m->t, sink, i, FT_PORT_MAIN);
            if (dice(m, 0, 4) == 0) {
                int other = random_giver(m);
                if (other != i)
                    toy_link(&m->t, sink, other, FT_PORT_MAIN);
            }
        }
    if (dice(m, 0, 1) == 0)
        return;
    int sink = -1;
    for (int i = 0; i < makers; i++)
        if (m->nodes[i].fails && dice(m, 0, 3)) {
            if (sink < 0 || dice(m, 0, 2) == 0)
                sink = make_sink(m);
            toy_link(&m->t, sink, i, FT_PORT_ERRORS);
            m->t.plan->nodes[i]->on_error = FT_ON_ERROR_DEFAULT;
        }
}

// ---- the simulation ----

static void simulate_id(model *m, model_node *node, int64_t id, toy_record *out, toy_record *errors)
{
    if (node->is_sink) {
        toy_scatter_config fate = {.seed = node->sink->seed, .fail = node->sink->fail};
        if (toy_fate_of(&fate, id) == TOY_FAIL) {
            m->failed[id] = 1;
        } else {
            m->written[id] = 1;
            add_id(out, id);
        }
        return;
    }
    switch (toy_fate_of(node->scatter, id)) {
    case TOY_DROP:
        break;
    case TOY_TWICE:
        add_id(out, id);
        add_id(out, id);
        break;
    case TOY_KEEP:
        add_id(out, id);
        break;
    case TOY_FAIL:
        m->failed[id] = 1;
        add_id(errors, id);
        break;
    }
}

static void simulate_node(model *m, int index)
{
    const ft_plan_node *plan = m->t.plan->nodes[index];
    model_node *node = &m->nodes[index];

    for (size_t i = 0; i < plan->input_count; i++) {
        model_node *from = &m->nodes[plan->inputs[i].node];
        model_port *port = plan->inputs[i].port == FT_PORT_ERRORS ? &from->errors : &from->main;
        for (size_t j = 0; j < port->count; j++) {
            const model_packet *packet = &port->packets[j];
            packet_of(&node->main, packet->stream, packet->sequence);
            packet_of(&node->errors, packet->stream, packet->sequence);
            for (size_t k = 0; k < packet->ids.count; k++)
                simulate_id(m, node, packet->ids.ids[k],
                            packet_of(&node->main, packet->stream, packet->sequence),
                            packet_of(&node->errors, packet->stream, packet->sequence));
        }
    }
}

static int compare_packets(const void *a, const void *b)
{
    const model_packet *x = a, *y = b;

    if (x->stream != y->stream)
        return x->stream < y->stream ? -1 : 1;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void sort_ids(toy_record *record)
{
    if (record->count)
        qsort(record->ids, record->count, sizeof(*record->ids), compare_ids);
}

static void check_sink(model_node *node, bool any)
{
    toy_record want = {0};

    if (node->main.count)
        qsort(node->main.packets, node->main.count, sizeof(model_packet), compare_packets);
    for (size_t i = 0; i < node->main.count; i++)
        for (size_t j = 0; j < node->main.packets[i].ids.count; j++)
            add_id(&want, node->main.packets[i].ids.ids[j]);
    if (any) {
        sort_ids(&want);
        sort_ids(&node->got);
    }
    check_int_eq(node->got.count, want.count);
    for (size_t i = 0; i < want.count; i++)
        check_int_eq(node->got.ids[i], want.ids[i]);
    check_int_eq(node->got.commits, 1);
    check_int_eq(node->got.closes, 1);
    toy_record_finish(&want);
}

static void check_totals(const model *m)
{
    uint64_t failed = 0, written = 0, dropped = 0;

    for (int s = 0; s < m->source_count; s++)
        for (int64_t i = 0; i < m->items[s]; i++) {
            int64_t id = s * IDS_PER_SOURCE + i;
            if (m->failed[id])
                failed++;
            else if (m->written[id])
                written++;
            else
                dropped++;
        }
    check_int_eq(m->t.stats.items_failed, failed);
    check_int_eq(m->t.stats.items_written, written);
    check_int_eq(m->t.stats.items_dropped, dropped);
}

static void free_port(model_port *port)
{
    for (size_t i = 0; i < port->count; i++)
        toy_record_finish(&port->packets[i].ids);
    free(port->packets);
}

static void run_seed(uint64_t seed)
{
    static const int64_t thread_counts[] = {1, 2, 3, 8};
    model *m = calloc(1, sizeof(*m));

    check_true(m != NULL);
    ft_random_init(&m->random, seed, 0);
    int64_t live = ft_alloc_get_stats().live_blocks;
    toy_init(&m->t, thread_counts[dice(m, 0, 3)]);
    m->t.plan->run.order_any = dice(m, 0, 3) == 0;
    m->t.settings.stress = dice(m, 0, 2) ? 0 : (unsigned)dice(m, 0, 15);
    m->is_tight = dice(m, 0, 3) == 0;
    if (m->is_tight)
        m->t.plan->run.memory_bytes = 16 << 20;
    make_graph(m);
    check_ok(toy_run(&m->t), &m->t.err);
    for (size_t i = 0; i < m->t.plan->node_count; i++)
        if (!m->nodes[i].is_source)
            simulate_node(m, (int)i);
    for (int i = 0; i < m->count; i++)
        if (m->nodes[i].is_sink)
            check_sink(&m->nodes[i], m->t.plan->run.order_any);
    check_totals(m);
    toy_check_accounts(&m->t);
    toy_finish(&m->t);
    check_int_eq(ft_alloc_get_stats().live_blocks, live);
    for (int i = 0; i < m->count; i++) {
        free_port(&m->nodes[i].main);
        free_port(&m->nodes[i].errors);
        toy_record_finish(&m->nodes[i].got);
    }
    free(m);
}

static uint64_t current_seed;

TEST(random_graphs)
{
    const char *one = getenv("FTPIPE_SEED"), *many = getenv("FTPIPE_SEEDS");
    uint64_t from = one ? strtoull(one, NULL, 10) : 1;
    uint64_t count = one ? 1 : many ? strtoull(many, NULL, 10) : SEEDS;

    for (current_seed = from; current_seed < from + count; current_seed++)
        run_seed(current_seed);
}

int main(int argc, char **argv)
{
    int result = check_main(argc, argv);

    if (result)
        fprintf(stderr, "it was FTPIPE_SEED=%llu\n", (unsigned long long)current_seed);
    return result;
}
