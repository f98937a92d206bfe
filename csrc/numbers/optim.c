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

typedef struct sgd {
    double lr, momentum, dampening, weight_decay;
    bool first_step, nesterov;
} sgd;

static void sgd_compute(const mg_arena *arena, int64_t count, const mg_node *parameters,
                        const double *velocity, const sgd *step, updates to)
{
    for (int64_t i = 0; i < count; i++) {
        const node *p = node_at(arena, index_of(parameters[i]));
        double d = p->gradient;
        if (step->weight_decay != 0.0) d = d + step->weight_decay * p->data;
        if (step->momentum != 0.0) {
            double moved = step->first_step ? d
                                            : step->momentum * velocity[i] +
                                                  (1.0 - step->dampening) * d;
            d = step->nesterov ? d + step->momentum * moved : moved;
            to.first[i] = moved;
        }
        to.data[i] = p->data - step->lr * d;
    }
}

typedef struct adam {
    int64_t step;
    double lr, beta1, beta2, epsilon, weight_decay;
    bool decoupled, ieee;
} adam;

static int adam_compute(const mg_arena *arena, int64_t count, const mg_node *parameters,
                        const double *m, const double *v, const adam *set, updates to)
{
    int status = MG_OK;
    double unbias1 = 1.0 - float_pow(set->beta1, (double)set->step, &status);
    double unbias2 = 1.0 - float_pow(set->beta2, (double)set->step, &status);
    for (int64_t i = 0; i < count && (status == MG_OK || set->ieee); i++) {
        const node *p = node_at(arena, index_of(parameters[i]));
        double g = p->gradient;
        if (!set->decoupled && set->weight_decay != 0.0)
            g = g + set->weight_decay * p->data;
        to.first[i] = set->beta1 * m[i] + (1.0 - set->beta1) * g;
        to.second[i] =
            set->beta2 * v[i] + (1.0 - set->beta2) * float_pow(g, 2.0, &status);
        double m_hat = float_div(to.first[i], unbias1, &status);
        double v_hat = float_div(to.second[i], unbias2, &status);
        double root = float_pow(v_hat, 0.5, &status);
        double change = float_div(m_hat, root + set->epsilon, &status);
        if (set->decoupled) change = change + set->weight_decay * p->data;
        to.data[i] = p->data - set->lr * change;
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
