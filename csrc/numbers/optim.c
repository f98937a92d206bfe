/* optim.c: one step of SGD, Adam or AdamW on leaves, in LLM101n's order of operations,
 * with ** as pow. Every update is computed before the first is stored, so a step that
 * would overflow or divide by zero changes nothing. State belongs to the caller. */
#include "numbers/numbers.h"

/* What a step computes before it stores it: three numbers a parameter. */
typedef struct updates {
    double *data, *first, *second;
} updates;

/* Cut scratch memory, NULL for no parameters, into the three. */
static updates updates_in(double *scratch, int64_t count)
{
    if (!scratch) return (updates){NULL, NULL, NULL};
    updates u = {scratch, scratch + count, scratch + 2 * count};
    return u;
}

static void sgd_compute(const mg_arena *arena, int64_t count, const mg_node *parameters,
                        const double *velocity, const sgd *step, updates to)
{
    for (int64_t i = 0; i < count; i++) {
        const node *p = node_at(arena, index_of(parameters[i]));
        double before = step->momentum != 0.0 ? velocity[i] : 0.0;
        number_move moved = sgd_move(step, p->data, p->gradient, before);
        to.first[i] = moved.first;
        to.data[i] = moved.data;
    }
}

static int adam_compute(const mg_arena *arena, int64_t count, const mg_node *parameters,
                        const double *m, const double *v, const adam *set, updates to)
{
    int status = MG_OK;
    double unbias[2];
    adam_unbias(set, unbias, &status);
    for (int64_t i = 0; i < count && (status == MG_OK || set->ieee); i++) {
        const node *p = node_at(arena, index_of(parameters[i]));
        number_move moved = adam_move(set, unbias, p->data, p->gradient, m[i], v[i],
                                      float_pow, float_div, &status);
        to.first[i] = moved.first;
        to.second[i] = moved.second;
        to.data[i] = moved.data;
    }
    return set->ieee ? MG_OK : status;
}

static void data_store(mg_arena *arena, int64_t count, const mg_node *parameters,
                       const double *data)
{
    for (int64_t i = 0; i < count; i++)
        node_at(arena, index_of(parameters[i]))->data = data[i];
}

/* Check the parameters of a step and take scratch memory for its updates. */
static int step_open(mg_arena *arena, int64_t count, const mg_node *parameters,
                     double **scratch)
{
    MG_RETURN_IF(count < 0 || count > MAX_NODES, MG_ERR_ARG);
    MG_TRY(nodes_find_idle(arena, count, parameters));
    if (arena->log) MG_TRY(arena->log->step(arena, count, parameters));
    *scratch = arena_allocate(arena, NULL, 0, 3 * (size_t)count * sizeof(double));
    MG_RETURN_IF(!*scratch && count, MG_ERR_NOMEM);
    return MG_OK;
}

static void step_close(mg_arena *arena, int64_t count, double *scratch)
{
    arena_allocate(arena, scratch, 3 * (size_t)count * sizeof(double), 0);
}

static int sgd_step(mg_arena *arena, int64_t count, const mg_node *parameters,
                    double *velocity, const sgd *step)
{
    double *scratch;
    MG_RETURN_IF(step->momentum != 0.0 && !velocity, MG_ERR_ARG);
    MG_TRY(step_open(arena, count, parameters, &scratch));
    updates to = updates_in(scratch, count);
    sgd_compute(arena, count, parameters, velocity, step, to);
    data_store(arena, count, parameters, to.data);
    for (int64_t i = 0; step->momentum != 0.0 && i < count; i++)
        velocity[i] = to.first[i];
    step_close(arena, count, scratch);
    return MG_OK;
}

int mg_sgd_step(mg_arena *arena, int64_t count, const mg_node *parameters,
                double *velocity, int first_step, double lr, double momentum,
                double dampening, double weight_decay, int nesterov)
{
    sgd step = {lr, momentum, dampening, weight_decay, first_step != 0, nesterov != 0};
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = sgd_step(arena, count, parameters, velocity, &step);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

static int adam_step(mg_arena *arena, int64_t count, const mg_node *parameters, double *m,
                     double *v, const adam *set)
{
    double *scratch;
    MG_RETURN_IF(set->step < 1 || (count > 0 && (!m || !v)), MG_ERR_ARG);
    MG_TRY(step_open(arena, count, parameters, &scratch));
    updates to = updates_in(scratch, count);
    int status = adam_compute(arena, count, parameters, m, v, set, to);
    if (status == MG_OK) {
        data_store(arena, count, parameters, to.data);
        for (int64_t i = 0; i < count; i++) m[i] = to.first[i], v[i] = to.second[i];
    }
    step_close(arena, count, scratch);
    return status;
}

int mg_adam_step(mg_arena *arena, int64_t count, const mg_node *parameters, double *m,
                 double *v, int64_t step, double lr, double beta1, double beta2,
                 double epsilon, double weight_decay, int flags)
{
    adam set = {step,    lr,           beta1, beta2,
                epsilon, weight_decay, (flags & MG_DECOUPLED) != 0,
                (flags & MG_IEEE) != 0};
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = adam_step(arena, count, parameters, m, v, &set);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}
