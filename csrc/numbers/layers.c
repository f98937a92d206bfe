/* layers.c: bulk builders: the loops that micrograd's users write in Python, in one call.
 *
 * They record the same nodes in the same order, so the digits are the same; they only
 * save the crossings. No new op is defined here. A loop's nodes that no result depends on
 * are left out. */
#include "numbers/numbers.h"

/* One operand of a layer: a node, or 0 and a number that becomes a leaf at each use. */
typedef struct layer_inputs {
    const uint32_t *nodes;
    const double *numbers;
} layer_inputs;

/* act = b; act = act + w[i] * x[i] ...; activation(act). parameters: w[0] .. w[nin - 1],
 * b. */
static uint32_t build_neuron(builder *build, int64_t nin, int activation,
                             const mg_node *parameters, layer_inputs x)
{
    uint32_t act = index_of(parameters[nin]);
    for (int64_t i = 0; i < nin; i++) {
        uint32_t w = index_of(parameters[i]);
        uint32_t product = x.nodes[i] ? build_op(build, MG_MUL, w, x.nodes[i])
                                      : build_op_number(build, MG_MUL, w, x.numbers[i]);
        act = build_op(build, MG_ADD, act, product);
    }
    return activation < 0 ? act : build_op(build, activation, act, 0);
}

/* A perceptron's shape, and scratch memory for the values that pass between its
 * layers. */
typedef struct perceptron {
    int64_t layers;
    const int64_t *sizes;
    int activation, last_activation;
    const mg_node *parameters;
    int64_t width;     /* the largest size */
    uint32_t *scratch; /* 2 * width */
} perceptron;

/* Record one example; the outputs' indices end in the returned half of scratch. */
static const uint32_t *build_example(builder *build, const perceptron *mlp,
                                     layer_inputs x)
{
    const mg_node *parameters = mlp->parameters;
    for (int64_t layer = 0; layer < mlp->layers; layer++) {
        int64_t nin = mlp->sizes[layer], nout = mlp->sizes[layer + 1];
        bool last = layer == mlp->layers - 1;
        uint32_t *out = mlp->scratch + (layer % 2 ? 0 : mlp->width);
        for (int64_t k = 0; k < nout && build->status == MG_OK; k++) {
            out[k] = build_neuron(
                build, nin, last ? mlp->last_activation : mlp->activation, parameters, x);
            parameters += nin + 1;
        }
        x.nodes = out;
    }
    return x.nodes;
}

static bool is_activation(int op)
{
    if (op == -1) return true;
    return op >= 0 && op < MG_SCALAR_OP_COUNT && op_arity(op) == 1 &&
           !(op_traits[op] & MG_TAKES_NUMBER);
}

/* Check a perceptron's arguments; sets its width. */
static int perceptron_check(mg_arena *arena, perceptron *mlp)
{
    MG_RETURN_IF(mlp->layers < 1 || mlp->sizes[0] < 1, MG_ERR_ARG);
    MG_RETURN_IF(!is_activation(mlp->activation), MG_ERR_ARG);
    MG_RETURN_IF(!is_activation(mlp->last_activation), MG_ERR_ARG);
    const mg_node *parameters = mlp->parameters;
    mlp->width = mlp->sizes[0];
    for (int64_t layer = 0; layer < mlp->layers; layer++) {
        int64_t nin = mlp->sizes[layer], nout = mlp->sizes[layer + 1];
        MG_RETURN_IF(nout < 1 || nin >= MAX_NODES || nout >= MAX_NODES, MG_ERR_ARG);
        MG_TRY(nodes_find(arena, (nin + 1) * nout, parameters));
        parameters += (nin + 1) * nout;
        if (nout > mlp->width) mlp->width = nout;
    }
    return MG_OK;
}

/* Check handles of which some may be 0. */
static int inputs_check(mg_arena *arena, int64_t count, const mg_node *inputs,
                        const double *numbers)
{
    uint32_t index;
    MG_RETURN_IF(count && !inputs && !numbers, MG_ERR_ARG);
    for (int64_t i = 0; inputs && i < count; i++) {
        if (inputs[i])
            MG_TRY(node_find(arena, inputs[i], &index));
        else
            MG_RETURN_IF(!numbers, MG_ERR_ARG);
    }
    return MG_OK;
}

/* Give references to results found by their indices. */
static void results_give(builder *build, int64_t count, const uint32_t *results,
                         mg_node *out)
{
    for (int64_t i = 0; i < count && build->status == MG_OK; i++)
        out[i] = handle_retain(build->arena, results[i]);
}

/* Take back the references that were given before the builder failed. */
static void results_take(builder *build, int64_t count, mg_node *out)
{
    for (int64_t i = 0; i < count; i++) {
        handle_undo(build->arena, out[i]);
        out[i] = 0;
    }
}

static int mlp_rows(mg_arena *arena, const perceptron *mlp, int64_t rows,
                    const mg_node *inputs, const double *numbers, mg_node *outputs)
{
    builder build;
    int64_t nin = mlp->sizes[0], nout = mlp->sizes[mlp->layers], row = 0;
    builder_open(&build, arena);
    for (; row < rows; row++) {
        for (int64_t i = 0; i < nin; i++)
            mlp->scratch[i] = inputs ? index_of(inputs[row * nin + i]) : 0;
        layer_inputs x = {mlp->scratch, numbers ? numbers + row * nin : NULL};
        const uint32_t *results = build_example(&build, mlp, x);
        if (build.status < 0) break;
        results_give(&build, nout, results, outputs + row * nout);
    }
    if (build.status < 0) results_take(&build, row * nout, outputs);
    return builder_close(&build);
}

static int mlp_checked(mg_arena *arena, perceptron *mlp, int64_t rows,
                       const mg_node *inputs, const double *numbers, mg_node *outputs)
{
    MG_TRY(perceptron_check(arena, mlp));
    MG_RETURN_IF(rows < 0 || rows > MAX_NODES / mlp->width, MG_ERR_ARG);
    MG_TRY(inputs_check(arena, rows * mlp->sizes[0], inputs, numbers));
    size_t size = 2 * (size_t)mlp->width * sizeof(uint32_t);
    mlp->scratch = arena_allocate(arena, NULL, 0, size);
    MG_RETURN_IF(!mlp->scratch, MG_ERR_NOMEM);
    int status = mlp_rows(arena, mlp, rows, inputs, numbers, outputs);
    arena_allocate(arena, mlp->scratch, size, 0);
    return status;
}

int mg_mlp(mg_arena *arena, int64_t layers, const int64_t *sizes, int activation,
           int last_activation, const mg_node *parameters, int64_t rows,
           const mg_node *inputs, const double *numbers, mg_node *outputs)
{
    perceptron mlp = {layers, sizes, activation, last_activation, parameters, 0, NULL};
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = mlp_checked(arena, &mlp, rows, inputs, numbers, outputs);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

int mg_dense(mg_arena *arena, int64_t nin, int64_t nout, int activation,
             const mg_node *parameters, int64_t rows, const mg_node *inputs,
             const double *numbers, mg_node *outputs)
{
    int64_t sizes[2] = {nin, nout};
    return mg_mlp(arena, 1, sizes, activation, activation, parameters, rows, inputs,
                  numbers, outputs);
}

/* ---- sums -------------------------------------------------------------------------- */

/* total + x, where total 0 is the int that Python's sum() starts from: x + 0.0. */
static uint32_t build_sum_step(builder *build, uint32_t total, uint32_t x)
{
    return total ? build_op(build, MG_ADD, total, x)
                 : build_op_number(build, MG_ADD, x, 0.0);
}

static uint32_t build_sum(builder *build, int64_t count, const mg_node *x)
{
    uint32_t total = 0;
    for (int64_t i = 0; i < count && build->status == MG_OK; i++)
        total = build_sum_step(build, total, index_of(x[i]));
    return total;
}

/* a[0] * b[0] + 0.0 + a[1] * b[1] ... */
static uint32_t build_dot(builder *build, int64_t count, const mg_node *a,
                          const mg_node *b)
{
    uint32_t total = 0;
    for (int64_t i = 0; i < count && build->status == MG_OK; i++)
        total = build_sum_step(build, total,
                               build_op(build, MG_MUL, index_of(a[i]), index_of(b[i])));
    return total;
}

/* total / count as micrograd divides by an int: total * count**-1. */
static uint32_t build_quotient(builder *build, uint32_t total, int64_t count)
{
    if (build->status < 0) return 0;
    double inverse = float_pow((double)count, -1.0, &build->status);
    return build_op_number(build, MG_MUL, total, inverse);
}

static mg_node finish_one(builder *build, uint32_t result)
{
    mg_node handle = build->status == MG_OK ? handle_retain(build->arena, result) : 0;
    int status = builder_close(build);
    return status < 0 ? status : handle;
}

static mg_node sum(mg_arena *arena, int64_t count, const mg_node *x, bool mean)
{
    builder build;
    MG_RETURN_IF(count < 1, MG_ERR_ARG);
    MG_TRY(nodes_find(arena, count, x));
    builder_open(&build, arena);
    uint32_t total = build_sum(&build, count, x);
    return finish_one(&build, mean ? build_quotient(&build, total, count) : total);
}

mg_node mg_sum(mg_arena *arena, int64_t count, const mg_node *x)
{
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    mg_node made = sum(arena, count, x, false);
    mode_leave(mode);
    arena_unlock(arena);
    return made;
}

mg_node mg_mean(mg_arena *arena, int64_t count, const mg_node *x)
{
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    mg_node made = sum(arena, count, x, true);
    mode_leave(mode);
    arena_unlock(arena);
    return made;
}

static mg_node dot(mg_arena *arena, int64_t count, const mg_node *a, const mg_node *b)
{
    builder build;
    MG_RETURN_IF(count < 1, MG_ERR_ARG);
    MG_TRY(nodes_find(arena, count, a));
    MG_TRY(nodes_find(arena, count, b));
    builder_open(&build, arena);
    return finish_one(&build, build_dot(&build, count, a, b));
}

mg_node mg_dot(mg_arena *arena, int64_t count, const mg_node *a, const mg_node *b)
{
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    mg_node made = dot(arena, count, a, b);
    mode_leave(mode);
    arena_unlock(arena);
    return made;
}

/* ---- softmax, cross-entropy, rmsnorm ----------------------------------------------- */

/* Python's max() of the data: the first one stays unless a later one is greater. */
static double largest(const mg_arena *arena, int64_t count, const mg_node *x)
{
    double most = node_at(arena, index_of(x[0]))->data;
    for (int64_t i = 1; i < count; i++) {
        double data = node_at(arena, index_of(x[i]))->data;
        if (data > most) most = data;
    }
    return most;
}

/* Record a leaf of -max that is to be added to a logit. It is linked to the logit and to
 * the leaf before, so that a program can tell whose maximum to take when the logits have
 * changed; a leaf has no operands for anybody else. */
static uint32_t build_shift(builder *build, uint32_t logit, uint32_t before, double shift)
{
    uint32_t leaf = build_leaf(build, shift);
    if (!leaf) return 0;
    node *n = node_at(build->arena, leaf);
    n->bits |= SHIFT;
    n->operand[0] = logit;
    n->operand[1] = before;
    node_retain(build->arena, logit);
    if (before) node_retain(build->arena, before);
    return leaf;
}

/* exps[i] = exp(x[i] - max), or exp(x[i]) unshifted; returns their sum. */
static uint32_t build_exponentials(builder *build, int64_t count, const mg_node *x,
                                   bool shifted, uint32_t *exps)
{
    double most = shifted ? largest(build->arena, count, x) : 0.0;
    uint32_t shift = 0;
    for (int64_t i = 0; i < count && build->status == MG_OK; i++) {
        uint32_t logit = index_of(x[i]);
        if (shifted) {
            shift = build_shift(build, logit, shift, -most);
            logit = build_op(build, MG_ADD, logit, shift);
        }
        exps[i] = build_op(build, MG_EXP, logit, 0);
    }
    uint32_t total = 0;
    for (int64_t i = 0; i < count && build->status == MG_OK; i++)
        total = build_sum_step(build, total, exps[i]);
    return total;
}

/* a / b of nodes: a * b**-1. */
static uint32_t build_division(builder *build, uint32_t a, uint32_t b)
{
    return build_op(build, MG_MUL, a, build_op_number(build, MG_POW_NUMBER, b, -1.0));
}

static int softmax(mg_arena *arena, int64_t count, const mg_node *x, mg_node *outputs,
                   uint32_t *exps)
{
    builder build;
    builder_open(&build, arena);
    uint32_t total = build_exponentials(&build, count, x, true, exps);
    for (int64_t i = 0; i < count && build.status == MG_OK; i++)
        exps[i] = build_division(&build, exps[i], total);
    results_give(&build, count, exps, outputs);
    return builder_close(&build);
}

/* Allocate `count` indices of scratch memory for one call. */
static uint32_t *scratch_take(mg_arena *arena, int64_t count)
{
    return arena_allocate(arena, NULL, 0, (size_t)count * sizeof(uint32_t));
}

static void scratch_free(mg_arena *arena, uint32_t *scratch, int64_t count)
{
    arena_allocate(arena, scratch, (size_t)count * sizeof(uint32_t), 0);
}

static int softmax_checked(mg_arena *arena, int64_t count, const mg_node *x,
                           mg_node *outputs)
{
    MG_RETURN_IF(count < 1, MG_ERR_ARG);
    MG_TRY(nodes_find(arena, count, x));
    uint32_t *exps = scratch_take(arena, count);
    MG_RETURN_IF(!exps, MG_ERR_NOMEM);
    int status = softmax(arena, count, x, outputs, exps);
    scratch_free(arena, exps, count);
    return status;
}

int mg_softmax(mg_arena *arena, int64_t count, const mg_node *x, mg_node *outputs)
{
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = softmax_checked(arena, count, x, outputs);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

/* One row's loss: -(exp(logit - max) / sum).log(). */
static uint32_t build_row_loss(builder *build, int64_t classes, const mg_node *logits,
                               int64_t target, bool shifted, uint32_t *exps)
{
    uint32_t total = build_exponentials(build, classes, logits, shifted, exps);
    uint32_t probability = build_division(build, exps[target], total);
    uint32_t logarithm = build_op(build, MG_LOG, probability, 0);
    return build_op_number(build, MG_MUL, logarithm, -1.0);
}

static int cross_entropy(mg_arena *arena, int64_t rows, int64_t classes,
                         const mg_node *logits, const int64_t *targets, bool shifted,
                         int reduction, mg_node *outputs, uint32_t *exps)
{
    builder build;
    builder_open(&build, arena);
    uint32_t total = reduction == MG_REDUCE_NONE ? 0 : build_leaf(&build, 0.0);
    int64_t row = 0;
    for (; row < rows && build.status == MG_OK; row++) {
        uint32_t loss = build_row_loss(&build, classes, logits + row * classes,
                                       targets[row], shifted, exps);
        if (build.status < 0) break;
        if (reduction == MG_REDUCE_NONE)
            outputs[row] = handle_retain(arena, loss);
        else
            total = build_op(&build, MG_ADD, total, loss);
    }
    if (reduction == MG_REDUCE_MEAN)
        total = build_op_number(&build, MG_MUL, total, 1.0 / (double)rows);
    if (reduction != MG_REDUCE_NONE)
        results_give(&build, 1, &total, outputs);
    else if (build.status < 0)
        results_take(&build, row, outputs);
    return builder_close(&build);
}

static int cross_entropy_checked(mg_arena *arena, int64_t rows, int64_t classes,
                                 const mg_node *logits, const int64_t *targets,
                                 bool shifted, int reduction, mg_node *outputs)
{
    MG_RETURN_IF(rows < 0 || classes < 1 || rows > INT64_MAX / classes, MG_ERR_ARG);
    MG_RETURN_IF(reduction < MG_REDUCE_NONE || reduction > MG_REDUCE_MEAN, MG_ERR_ARG);
    MG_RETURN_IF(rows == 0 && reduction != MG_REDUCE_NONE, MG_ERR_ARG);
    MG_TRY(nodes_find(arena, rows * classes, logits));
    for (int64_t i = 0; i < rows; i++)
        MG_RETURN_IF(targets[i] < 0 || targets[i] >= classes, MG_ERR_ARG);
    uint32_t *exps = scratch_take(arena, classes);
    MG_RETURN_IF(!exps, MG_ERR_NOMEM);
    int status = cross_entropy(arena, rows, classes, logits, targets, shifted, reduction,
                               outputs, exps);
    scratch_free(arena, exps, classes);
    return status;
}

int mg_cross_entropy(mg_arena *arena, int64_t rows, int64_t classes,
                     const mg_node *logits, const int64_t *targets, int shifted,
                     int reduction, mg_node *outputs)
{
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = cross_entropy_checked(arena, rows, classes, logits, targets,
                                       shifted != 0, reduction, outputs);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

static int rmsnorm(mg_arena *arena, int64_t count, const mg_node *x, double epsilon,
                   mg_node *outputs)
{
    builder build;
    MG_RETURN_IF(count < 1, MG_ERR_ARG);
    MG_TRY(nodes_find(arena, count, x));
    builder_open(&build, arena);
    uint32_t mean = build_quotient(&build, build_dot(&build, count, x, x), count);
    uint32_t shifted = build_op_number(&build, MG_ADD, mean, epsilon);
    uint32_t scale = build_op_number(&build, MG_POW_NUMBER, shifted, -0.5);
    int64_t i = 0;
    for (; i < count; i++) {
        uint32_t scaled = build_op(&build, MG_MUL, index_of(x[i]), scale);
        if (build.status < 0) break;
        outputs[i] = handle_retain(arena, scaled);
    }
    if (build.status < 0) results_take(&build, i, outputs);
    return builder_close(&build);
}

int mg_rmsnorm(mg_arena *arena, int64_t count, const mg_node *x, double epsilon,
               mg_node *outputs)
{
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = rmsnorm(arena, count, x, epsilon, outputs);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}
