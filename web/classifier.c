/* classifier.c: the first tab: an MLP that learns to tell points of the plane apart.
 *
 * A step is the one of `pymicrograd demo`, call for call: csrc/demo.c; while the points
 * stay where they are a program of Values makes it. What is shown beside it, a surface or
 * a graph, changes no number of the training. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"

enum {
    COMPILED = 10,    /* steps on the same points, after which a program makes them, */
    MAX_COMPILED = 50000, /* of so many parameters times points: it takes 0.1 s */
    ROWS = 64,        /* points of the surface that one run of its program computes */
    MAX_GRID = 128,   /* points in a row or a column of the surface */
    MAX_LINES = 32768, /* pieces of lines */
    MAX_NODES = 8192,
    TABLE = 4 * MAX_NODES, /* of handles */
    TEXT = 8192
};

enum { ADAMW, ADAM, SGD, MOMENTUM };
enum { CONSTANT, PARAMETER, INPUT, OPERATION };

typedef struct graph {
    int32_t count;
    int32_t op[MAX_NODES], kind[MAX_NODES], operands[2 * MAX_NODES]; /* -1: none */
    double data[MAX_NODES], gradient[MAX_NODES], exponent[MAX_NODES];
    mg_node nodes[MAX_NODES];
    int32_t table[TABLE]; /* 1 + place of a node, by its handle */
} graph;

typedef struct classifier {
    points points;
    mg_arena *arena;
    int layers, activation, optimizer; /* layers: the last one, too */
    int64_t sizes[MAX_HIDDEN + 2];
    double lr, weight_decay, loss;
    int32_t step, count; /* of parameters */
    mg_node parameters[MAX_PARAMETERS];
    double data[MAX_PARAMETERS], gradients[MAX_PARAMETERS];
    double m[MAX_PARAMETERS], v[MAX_PARAMETERS]; /* what the optimizer remembers */
    double moves[MAX_PARAMETERS];                /* what the last step added to data */
    mg_script *surface_program, *step_program;
    points learnt;           /* those of the last step */
    int alike;               /* so many steps have had the same */
    mg_number_update update; /* what that program makes */
    int64_t steps;
    unsigned char begun;
    int neurons; /* hidden ones */
    int grid;    /* points in a row of the surface */
    double box[4];       /* x and y of its first point, of its last one */
    double *surface;     /* (grid, grid, classes): probabilities */
    double *activations; /* (grid, grid, neurons): what goes into them */
    double *lines;       /* (.., 5): neuron, x and y of both ends */
    graph *graph;
    char text[TEXT];
} classifier;

/* ---- the network ------------------------------------------------------------------- */

/* Return x ** exponent, as numbers have it. */
static double power(mg_arena *arena, double x, double exponent)
{
    double result = 0.0;
    mg_node base = mg_leaf(arena, x);
    mg_node y = mg_record_number(arena, MG_POW_NUMBER, base, exponent);
    mg_data(arena, 1, &y, &result);
    mg_release_all(arena, 2, (mg_node[]){base, y});
    return result;
}

/* Draw the weights of a layer, uniform in (-1, 1) / sqrt(nin); biases are 0. */
static void layer_make(classifier *c, int64_t nin, int64_t nout, mg_rng *rng)
{
    double scale = power(c->arena, (double)nin, -0.5);
    for (int64_t neuron = 0; neuron < nout; neuron++) {
        for (int64_t i = 0; i < nin; i++)
            c->parameters[c->count++] =
                mg_leaf(c->arena, mg_rng_uniform(rng, -1.0, 1.0) * scale);
        c->parameters[c->count++] = mg_leaf(c->arena, 0.0);
    }
}

/* Record the outputs of a layer, for `rows` rows of inputs, numbers where these are NULL.
 * before, if it is not NULL, gets what goes into the activation. */
static int layer_apply(const classifier *c, int layer, const mg_node *parameters,
                       int64_t rows, const mg_node *inputs, mg_node *before,
                       mg_node *after)
{
    int64_t nin = c->sizes[layer], nout = c->sizes[layer + 1];
    int status =
        mg_dense(c->arena, nin, nout, -1, parameters, rows, inputs, NULL, before);
    for (int64_t i = 0; status == MG_OK && i < rows * nout; i++) {
        after[i] = mg_record(c->arena, c->activation, before[i], 0);
        if (after[i] < 0) status = (int)after[i];
    }
    return status;
}

/* ---- training ---------------------------------------------------------------------- */

/* Copy the points of a part, to numbers and targets; returns how many there are. */
static int64_t part_copy(const points *p, int part, double *numbers, int64_t *targets)
{
    int64_t rows = 0;
    for (int i = 0; i < p->count; i++) {
        if (p->parts[i] != part) continue;
        memcpy(numbers + 2 * rows, p->xy + 2 * i, 2 * sizeof *numbers);
        targets[rows++] = p->labels[i];
    }
    return rows;
}

/* Record the logits of a part's points, and return how many points these are. */
static int64_t logits_of(classifier *c, int part, int64_t *targets, mg_node *logits)
{
    double numbers[2 * MAX_POINTS];
    int64_t rows = part_copy(&c->points, part, numbers, targets);
    if (rows == 0) return 0;
    int status = mg_mlp(c->arena, c->layers, c->sizes, c->activation, -1, c->parameters,
                        rows, NULL, numbers, logits);
    return status < 0 ? status : rows;
}

/* Record the mean loss of a part; returns how many points there are, or a status. */
static int loss_record(classifier *c, int part, mg_node *loss)
{
    int64_t targets[MAX_POINTS];
    mg_node logits[MAX_POINTS * MAX_CLASSES];
    int64_t rows = logits_of(c, part, targets, logits), classes = c->points.classes;
    if (rows <= 0) return (int)rows;
    int status = mg_cross_entropy(c->arena, rows, classes, logits, targets, 1,
                                  MG_REDUCE_MEAN, loss);
    mg_release_all(c->arena, rows * classes, logits);
    return status < 0 ? status : (int)rows;
}

/* Compute the mean loss of a part, NaN of no points; with backward, gradients are left in
 * the parameters. */
static int loss_of(classifier *c, int part, int backward, double *result)
{
    mg_node loss = 0;
    int status = loss_record(c, part, &loss);
    *result = NAN;
    if (status <= 0) return status;
    mg_data(c->arena, 1, &loss, result);
    status = backward ? mg_backward(c->arena, loss, 1.0, 0) : MG_OK;
    mg_release(c->arena, loss);
    return status;
}

static int parameters_move(classifier *c)
{
    if (c->optimizer == SGD || c->optimizer == MOMENTUM)
        return mg_sgd_step(c->arena, c->count, c->parameters, c->m, c->step == 0, c->lr,
                           c->optimizer == MOMENTUM ? 0.9 : 0.0, 0.0, c->weight_decay, 0);
    return mg_adam_step(c->arena, c->count, c->parameters, c->m, c->v, c->step + 1, c->lr,
                        0.9, 0.95, 1e-8, c->weight_decay,
                        c->optimizer == ADAMW ? MG_DECOUPLED : 0);
}

/* Tell the program of a step what the optimizer is. */
static void update_set(classifier *c)
{
    int is_adam = c->optimizer == ADAMW || c->optimizer == ADAM;
    double momentum = c->optimizer == MOMENTUM ? 0.9 : 0.0;
    c->steps = c->step;
    c->begun = c->step > 0;
    c->update = (mg_number_update){
        .is_adam = is_adam,
        .decoupled = c->optimizer == ADAMW,
        .count = c->count,
        .parameters = c->parameters,
        .first = is_adam || momentum != 0.0 ? c->m : NULL,
        .second = is_adam ? c->v : NULL,
        .steps = &c->steps,
        .begun = &c->begun,
        .lr = c->lr,
        .weight_decay = c->weight_decay,
        .beta1 = is_adam ? 0.9 : momentum,
        .beta2 = is_adam ? 0.95 : 0.0,
        .epsilon = 1e-8};
}

/* Make the program of a step on the points that there are. */
static int step_compile(classifier *c)
{
    mg_number_update *const updates[] = {&c->update};
    mg_node loss = 0;
    int status = loss_record(c, TRAIN, &loss);
    if (status < 0) return status;
    update_set(c);
    status = mg_script_compile(c->arena, loss, 1, updates, 0, &c->step_program);
    mg_release(c->arena, loss);
    return status;
}

/* Go on call by call. */
static void step_forget(classifier *c)
{
    mg_script_free(c->step_program);
    c->step_program = NULL;
    c->alike = 0;
}

/* Make a step by a program, which takes a quarter of the time, but some 20 steps' to be
 * made: while a point is dragged each step has other points. */
static int step_run(classifier *c)
{
    int64_t done;
    int status = c->step_program ? MG_OK : step_compile(c);
    if (status < 0) return status;
    update_set(c);
    status = mg_script_run(c->step_program, 1, 0, 0, &done, &c->loss);
    mg_gradients(c->arena, c->count, c->parameters, c->gradients);
    return status;
}

/* Make a step call by call. */
static int step_make(classifier *c)
{
    int status = loss_of(c, TRAIN, 1, &c->loss);
    if (status < 0) return status;
    mg_gradients(c->arena, c->count, c->parameters, c->gradients);
    return parameters_move(c);
}

/* Count the points of a part. */
static int part_size(const points *p, int part)
{
    int size = 0;
    for (int i = 0; i < p->count; i++) size += p->parts[i] == part;
    return size;
}

/* Tell whether a program is to make a step: the points are those of the steps before, and
 * it is not too large. */
static int is_compiled(classifier *c, int count)
{
    if (memcmp(&c->learnt, &c->points, sizeof c->points) != 0) {
        c->learnt = c->points;
        step_forget(c);
    }
    return c->alike++ >= COMPILED && (int64_t)count * c->count <= MAX_COMPILED;
}

/* Make a step on all training points; returns how many there are, of none nothing
 * changes, or a status. */
EXPORT int classifier_step(classifier *c)
{
    int count = part_size(&c->points, TRAIN);
    if (count == 0) return 0;
    int status = is_compiled(c, count) ? step_run(c) : step_make(c);
    mg_zero_gradients(c->arena, c->count, c->parameters);
    memcpy(c->moves, c->data, sizeof c->moves);
    mg_data(c->arena, c->count, c->parameters, c->data);
    for (int i = 0; i < c->count; i++) c->moves[i] = c->data[i] - c->moves[i];
    if (status == MG_OK) c->step++;
    return status < 0 ? status : count;
}

/* Return the mean loss of a part, NaN where there is none. */
EXPORT double classifier_loss(classifier *c, int part)
{
    double loss;
    return loss_of(c, part, 0, &loss) < 0 ? NAN : loss;
}

/* Count the points of a part whose largest logit is that of their class. */
EXPORT int classifier_correct(classifier *c, int part)
{
    int64_t targets[MAX_POINTS];
    mg_node logits[MAX_POINTS * MAX_CLASSES];
    double numbers[MAX_POINTS * MAX_CLASSES];
    int64_t rows = logits_of(c, part, targets, logits), classes = c->points.classes;
    int correct = 0;
    if (rows <= 0) return 0;
    mg_data(c->arena, rows * classes, logits, numbers);
    mg_release_all(c->arena, rows * classes, logits);
    for (int64_t row = 0; row < rows; row++) {
        const double *scores = numbers + row * classes;
        int best = 0;
        for (int k = 1; k < classes; k++)
            if (scores[k] > scores[best]) best = k;
        correct += best == targets[row];
    }
    return correct;
}

/* ---- the surface ------------------------------------------------------------------- */

/* Record ROWS points from inputs to probabilities: outputs (ROWS, classes), and of each
 * layer what goes into its neurons, (ROWS, size). handles get all that is to be released;
 * *used is how many these are. */
static int surface_record(classifier *c, const mg_node *inputs, mg_node *outputs,
                          mg_node *handles, int64_t *used)
{
    const mg_node *parameters = c->parameters, *x = inputs;
    int status = MG_OK;
    for (int layer = 0; status == MG_OK && layer + 1 < c->layers; layer++) {
        int64_t count = ROWS * c->sizes[layer + 1];
        mg_node *before = handles + *used, *after = before + count;
        status = layer_apply(c, layer, parameters, ROWS, x, before, after);
        *used += 2 * count;
        parameters += c->sizes[layer + 1] * (c->sizes[layer] + 1);
        x = after;
    }
    if (status < 0) return status;
    int64_t classes = c->points.classes;
    mg_node *logits = handles + *used;
    status = mg_dense(c->arena, c->sizes[c->layers - 1], classes, -1, parameters, ROWS, x,
                      NULL, logits);
    *used += ROWS * classes;
    for (int64_t row = 0; status == MG_OK && row < ROWS; row++)
        status = mg_softmax(c->arena, classes, logits + row * classes,
                            outputs + row * classes);
    return status;
}

/* List what a program of the surface gives: probabilities, then the layers' inputs. */
static int64_t surface_outputs(const classifier *c, const mg_node *probabilities,
                               const mg_node *handles, mg_node *to)
{
    int64_t count = ROWS * c->points.classes;
    memcpy(to, probabilities, (size_t)count * sizeof *to);
    for (int layer = 0; layer + 1 < c->layers; layer++) {
        int64_t neurons = ROWS * c->sizes[layer + 1];
        memcpy(to + count, handles, (size_t)neurons * sizeof *to);
        count += neurons;
        handles += 2 * neurons;
    }
    return count;
}

/* Make the program that computes ROWS points of the surface from their coordinates. */
static int surface_compile(classifier *c)
{
    enum { MOST = ROWS * (2 * MAX_NEURONS + 2 * MAX_CLASSES) };
    static mg_node inputs[2 * ROWS], probabilities[ROWS * MAX_CLASSES], handles[MOST];
    static mg_node outputs[MOST];
    int64_t used = 0;
    int ieee = mg_set_ieee(c->arena, 1); /* one that diverged can be looked at, too */
    for (int i = 0; i < 2 * ROWS; i++) inputs[i] = mg_leaf(c->arena, 0.5);
    int status = mg_script_open(c->arena, 2 * ROWS, inputs);
    if (status == MG_OK) {
        status = surface_record(c, inputs, probabilities, handles, &used);
        int64_t count = surface_outputs(c, probabilities, handles, outputs);
        if (status == MG_OK)
            status = mg_script_close(c->arena, count, outputs, 0, &c->surface_program);
        else
            mg_script_cancel(c->arena);
    }
    mg_release_all(c->arena, used, handles);
    mg_release_all(c->arena, ROWS * c->points.classes, probabilities);
    mg_release_all(c->arena, 2 * ROWS, inputs);
    mg_set_ieee(c->arena, ieee);
    return status;
}

/* Write the coordinates of points [first, first + ROWS) of the grid, the last of which
 * stand for those that there are not. */
static void grid_points(const classifier *c, int first, double *to)
{
    int last = c->grid * c->grid - 1;
    double dx = (c->box[2] - c->box[0]) / (c->grid - 1);
    double dy = (c->box[3] - c->box[1]) / (c->grid - 1);
    for (int i = 0; i < ROWS; i++) {
        int at = first + i < last ? first + i : last;
        to[2 * i] = c->box[0] + at % c->grid * dx;
        to[2 * i + 1] = c->box[1] + at / c->grid * dy;
    }
}

/* Copy what a run has computed to points [first, first + rows) of the surface. */
static void surface_take(classifier *c, int first, int rows, const double *from)
{
    int classes = c->points.classes;
    memcpy(c->surface + first * classes, from, (size_t)(rows * classes) * sizeof *from);
    from += ROWS * classes;
    int64_t neuron = 0;
    for (int layer = 0; layer + 1 < c->layers; layer++) {
        int64_t size = c->sizes[layer + 1];
        for (int row = 0; row < rows; row++)
            memcpy(c->activations + (first + row) * c->neurons + neuron,
                   from + row * size, (size_t)size * sizeof *from);
        from += ROWS * size;
        neuron += size;
    }
}

/* Compute the surface at grid x grid points of a box, from (x0, y0) to (x1, y1). */
EXPORT int classifier_surface(classifier *c, double x0, double y0, double x1, double y1,
                              int grid)
{
    static double coordinates[2 * ROWS], found[ROWS * (MAX_CLASSES + MAX_NEURONS)];
    int64_t done;
    int status = c->surface_program ? MG_OK : surface_compile(c);
    c->grid = grid < 2 ? 2 : grid < MAX_GRID ? grid : MAX_GRID;
    memcpy(c->box, (double[]){x0, y0, x1, y1}, sizeof c->box);
    int count = c->grid * c->grid;
    for (int first = 0; status == MG_OK && first < count; first += ROWS) {
        grid_points(c, first, coordinates);
        status = mg_script_put(c->surface_program, coordinates);
        if (status < 0) break;
        status = mg_script_run(c->surface_program, 1, 0, MG_IEEE, &done, NULL);
        if (status < 0) break;
        status = mg_script_get(c->surface_program, found);
        surface_take(c, first, count - first < ROWS ? count - first : ROWS, found);
    }
    return status;
}

/* Write where a line crosses the edge from point a to point b of the grid, if it does. */
static int edge_cross(const classifier *c, int neuron, int a, int b, double *at)
{
    double ya = c->activations[a * c->neurons + neuron];
    double yb = c->activations[b * c->neurons + neuron];
    if ((ya < 0.0) == (yb < 0.0) || isnan(ya) || isnan(yb)) return 0;
    double share = ya / (ya - yb);
    double dx = (c->box[2] - c->box[0]) / (c->grid - 1);
    double dy = (c->box[3] - c->box[1]) / (c->grid - 1);
    int column = a % c->grid, row = a / c->grid;
    at[0] = c->box[0] + (column + (b % c->grid - column) * share) * dx;
    at[1] = c->box[1] + (row + (b / c->grid - row) * share) * dy;
    return 1;
}

/* Append the pieces of a neuron's line in a cell of the grid. */
static int cell_lines(classifier *c, int neuron, int corner, int count)
{
    double ends[8];
    int below = corner + c->grid, found = 0;
    found += edge_cross(c, neuron, corner, corner + 1, ends);
    found += edge_cross(c, neuron, corner, below, ends + 2 * found);
    found += edge_cross(c, neuron, corner + 1, below + 1, ends + 2 * found);
    found += edge_cross(c, neuron, below, below + 1, ends + 2 * found);
    for (int i = 0; i + 1 < found && count < MAX_LINES; i += 2) {
        double *line = c->lines + 5 * count++;
        line[0] = neuron;
        memcpy(line + 1, ends + 2 * i, 4 * sizeof *line);
    }
    return count;
}

/* Find where what goes into each hidden neuron is 0, on the surface computed last;
 * returns the number of pieces. */
EXPORT int classifier_find_lines(classifier *c)
{
    int count = 0;
    for (int neuron = 0; neuron < c->neurons; neuron++)
        for (int row = 0; row + 1 < c->grid; row++)
            for (int column = 0; column + 1 < c->grid; column++)
                count = cell_lines(c, neuron, row * c->grid + column, count);
    return count;
}

/* ---- the graph of one example ------------------------------------------------------ */

/* Return the place of a node in the list, adding it if it is new; -1: the list is
 * full. */
static int graph_place(classifier *c, mg_node node, int *is_new)
{
    graph *g = c->graph;
    uint32_t at = (uint32_t)node * 2654435761u % TABLE;
    while (g->table[at] && g->nodes[g->table[at] - 1] != node) at = (at + 1) % TABLE;
    *is_new = !g->table[at];
    if (!*is_new) return g->table[at] - 1;
    if (g->count == MAX_NODES) return -1;
    int place = g->count++;
    g->nodes[place] = node;
    g->kind[place] = CONSTANT;
    g->operands[2 * place] = g->operands[2 * place + 1] = -1;
    g->exponent[place] = 0.0;
    g->table[at] = place + 1;
    return place;
}

/* List a node's operands, with new references. */
static int graph_expand(classifier *c, int place)
{
    graph *g = c->graph;
    mg_node node = g->nodes[place];
    g->op[place] = mg_node_op(c->arena, node);
    int64_t operands = mg_node_operands(c->arena, node);
    if (operands > 0 && g->kind[place] == CONSTANT) g->kind[place] = OPERATION;
    if (g->op[place] == MG_POW_NUMBER)
        mg_node_exponent(c->arena, node, &g->exponent[place]);
    for (int64_t i = 0; i < operands && i < 2; i++) {
        int is_new;
        mg_node operand = mg_node_operand(c->arena, node, i);
        int at = graph_place(c, operand, &is_new);
        if (!is_new || at < 0) mg_release(c->arena, operand);
        if (at < 0) return MG_ERR_LIMIT;
        g->operands[2 * place + i] = at;
    }
    return MG_OK;
}

/* List the nodes below a root, which keep a reference each. */
static int graph_list(classifier *c, mg_node root, const mg_node *inputs)
{
    graph *g = c->graph;
    int is_new, status = MG_OK;
    g->count = 0;
    memset(g->table, 0, sizeof g->table);
    mg_retain(c->arena, root);
    graph_place(c, root, &is_new);
    for (int i = 0; i < 2; i++) {
        mg_retain(c->arena, inputs[i]);
        g->kind[graph_place(c, inputs[i], &is_new)] = INPUT;
    }
    for (int i = 0; i < c->count && g->count < MAX_NODES; i++) {
        mg_retain(c->arena, c->parameters[i]);
        g->kind[graph_place(c, c->parameters[i], &is_new)] = PARAMETER;
    }
    for (int i = 0; status == MG_OK && i < g->count; i++) status = graph_expand(c, i);
    return status;
}

static int graph_fill(classifier *c, mg_node root, const mg_node *inputs)
{
    int status = mg_backward(c->arena, root, 1.0, 0);
    if (status < 0) return status;
    status = graph_list(c, root, inputs);
    graph *g = c->graph;
    mg_data(c->arena, g->count, g->nodes, g->data);
    mg_gradients(c->arena, g->count, g->nodes, g->gradient);
    mg_release_all(c->arena, g->count, g->nodes);
    mg_zero_gradients(c->arena, c->count, c->parameters);
    return status;
}

/* List the graph of the loss of one example, from the root on, with data and gradients.
 * Errors: MG_ERR_LIMIT where it has more than MAX_NODES nodes. */
EXPORT int classifier_graph(classifier *c, double x, double y, int label)
{
    mg_node inputs[2] = {mg_leaf(c->arena, x), mg_leaf(c->arena, y)};
    mg_node logits[MAX_CLASSES], loss = 0;
    int64_t target = label;
    int status = mg_mlp(c->arena, c->layers, c->sizes, c->activation, -1, c->parameters,
                        1, inputs, NULL, logits);
    if (status == MG_OK) {
        status = mg_cross_entropy(c->arena, 1, c->points.classes, logits, &target, 1,
                                  MG_REDUCE_NONE, &loss);
        if (status == MG_OK) status = graph_fill(c, loss, inputs);
        if (loss > 0) mg_release(c->arena, loss);
        mg_release_all(c->arena, c->points.classes, logits);
    }
    mg_release_all(c->arena, 2, inputs);
    return status;
}

/* ---- making and changing ----------------------------------------------------------- */

static void network_free(classifier *c)
{
    step_forget(c);
    mg_script_free(c->surface_program);
    c->surface_program = NULL;
    mg_arena_free(c->arena);
    c->arena = NULL;
}

EXPORT void classifier_free(classifier *c)
{
    if (!c) return;
    network_free(c);
    free(c->surface);
    free(c->activations);
    free(c->lines);
    free(c->graph);
    free(c);
}

/* Make a classifier, to be started; NULL: there is no memory. */
EXPORT classifier *classifier_new(void)
{
    const size_t cells = MAX_GRID * MAX_GRID;
    classifier *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->surface = malloc(cells * MAX_CLASSES * sizeof(double));
    c->activations = malloc(cells * MAX_NEURONS * sizeof(double));
    c->lines = malloc(MAX_LINES * 5 * sizeof(double));
    c->graph = malloc(sizeof *c->graph);
    if (c->surface && c->activations && c->lines && c->graph) return c;
    classifier_free(c);
    return NULL;
}

/* Set how parameters are moved; what the optimizer remembers, it forgets. */
EXPORT void classifier_optimize(classifier *c, int optimizer, double lr,
                                double weight_decay)
{
    step_forget(c);
    c->optimizer = optimizer;
    c->lr = lr;
    c->weight_decay = weight_decay;
    c->step = 0;
    memset(c->m, 0, sizeof c->m);
    memset(c->v, 0, sizeof c->v);
}

/* Change the learning rate and the weight decay, and nothing else. */
EXPORT void classifier_rates(classifier *c, double lr, double weight_decay)
{
    c->lr = lr;
    c->weight_decay = weight_decay;
}

/* Draw points, then weights; with `keep` the points that there were take the place of
 * those. hidden (layers) are the sizes of hidden layers; the activation is an op's
 * number. */
EXPORT int classifier_start(classifier *c, uint64_t seed, int data_set, int count,
                            int layers, const int32_t *hidden, int activation, int keep)
{
    mg_rng rng;
    const points kept = c->points;
    mg_set_math(MG_MATH_PORTABLE);
    if (layers < 0 || layers > MAX_HIDDEN) return MG_ERR_ARG;
    if (mg_rng_seed(&rng, seed) < 0) return MG_ERR_ARG;
    network_free(c);
    c->arena = mg_arena_new(NULL, NULL);
    if (!c->arena) return MG_ERR_NOMEM;
    points_make(&c->points, data_set, count, &rng);
    if (keep && kept.classes == c->points.classes) c->points = kept;
    c->layers = layers + 1;
    c->activation = activation;
    c->count = c->neurons = 0;
    c->sizes[0] = 2;
    for (int i = 0; i < layers; i++) c->neurons += hidden[i];
    for (int i = 0; i < c->layers; i++) {
        c->sizes[i + 1] = i < layers ? hidden[i] : c->points.classes;
        layer_make(c, c->sizes[i], c->sizes[i + 1], &rng);
    }
    mg_data(c->arena, c->count, c->parameters, c->data);
    memset(c->gradients, 0, sizeof c->gradients);
    memset(c->moves, 0, sizeof c->moves);
    c->loss = NAN;
    classifier_optimize(c, ADAMW, 0.1, 1e-4);
    return MG_OK;
}

/* Add a point to train on; returns its number, or MG_ERR_LIMIT. */
EXPORT int classifier_add(classifier *c, double x, double y, int label)
{
    points *p = &c->points;
    if (p->count == MAX_POINTS) return MG_ERR_LIMIT;
    p->xy[2 * p->count] = x;
    p->xy[2 * p->count + 1] = y;
    p->labels[p->count] = label;
    p->parts[p->count] = TRAIN;
    return p->count++;
}

EXPORT int classifier_remove(classifier *c, int i)
{
    points *p = &c->points;
    if (i < 0 || i >= p->count) return MG_ERR_ARG;
    size_t behind = (size_t)(--p->count - i);
    memmove(p->xy + 2 * i, p->xy + 2 * i + 2, 2 * behind * sizeof *p->xy);
    memmove(p->labels + i, p->labels + i + 1, behind * sizeof *p->labels);
    memmove(p->parts + i, p->parts + i + 1, behind * sizeof *p->parts);
    return MG_OK;
}

/* ---- the run that is compared with Python's ---------------------------------------- */

/* Write the lines that `pymicrograd demo --math portable` prints of its steps; returns
 * the length of the text, or a status. */
EXPORT int classifier_demo(classifier *c)
{
    char number[32];
    const int32_t hidden[] = {16};
    int length = 0;
    int status = classifier_start(c, 42, QUADRANTS, 100, 1, hidden, MG_TANH, 0);
    for (int step = 0; status >= 0 && step < 100; step++) {
        char *end = c->text + length;
        if (step % 10 == 0)
            length += snprintf(end, 64, "step %d, val loss %.6f\n", step,
                               classifier_loss(c, VALIDATE));
        status = classifier_step(c);
        text_of(c->loss, number);
        end = c->text + length;
        length += snprintf(end, 64, "step %d, train loss %s\n", step, number);
    }
    return status < 0 ? status : length;
}

/* ---- the engine's words ------------------------------------------------------------ */

/* Return the number of the op whose name stands in the text, or -1. */
EXPORT int classifier_op(const classifier *c)
{
    for (int op = 0; op < mg_scalar_op_count(); op++)
        if (!strcmp(mg_op_name(op), c->text)) return op;
    return -1;
}

EXPORT const char *op_symbol(int op)
{
    return mg_op_symbol(op);
}

EXPORT const char *status_text(int status)
{
    return mg_status_text(status);
}

/* ---- what JavaScript reads --------------------------------------------------------- */

/* Addresses of what is read and written in place, by the numbers that engine.js has. */
EXPORT void *classifier_part(classifier *c, int which)
{
    void *const parts[] = {
        c->points.xy, c->points.labels, c->points.parts, c->data,          c->gradients,
        c->m,         c->v,             c->surface,      c->lines,         c->graph->op,
        c->graph->kind, c->graph->operands, c->graph->data, c->graph->gradient,
        c->graph->exponent, c->text, c->moves};
    return parts[which];
}

enum fact { POINTS, CLASSES, PARAMETERS, STEP, NODES };

EXPORT int classifier_fact(const classifier *c, int which)
{
    const int facts[] = {c->points.count, c->points.classes, c->count, c->step,
                         c->graph->count};
    return facts[which];
}

EXPORT double classifier_last_loss(const classifier *c)
{
    return c->loss;
}
