/* updates.h: steps of SGD and Adam as calls of one line, each of one group of parameters
 * that have made as many steps. */
#ifndef UPDATES_H
#define UPDATES_H

#include "micrograd.h"

enum { MOST_UPDATED = 8 }; /* parameters */

/* Make a step of a rule with up to two arrays for each parameter, NULL: none. */
static inline int update_once(mg_arena *arena, int update, int64_t count,
                              const mg_node *parameters, const mg_node *first,
                              const mg_node *second, double scalar, int64_t step,
                              const double *numbers)
{
    mg_node arrays[3 * MOST_UPDATED] = {0};
    double scalars[MOST_UPDATED];
    int64_t steps[MOST_UPDATED];
    for (int64_t i = 0; i < count; i++) {
        if (first) arrays[i] = first[i];
        if (second) arrays[count + i] = second[i];
        scalars[i] = scalar;
        steps[i] = step - 1;
    }
    const mg_update_group group = {.count = count, .parameters = parameters,
                                   .arrays = arrays, .scalars = scalars, .steps = steps,
                                   .numbers = numbers};
    return mg_array_update(arena, update, 1, &group);
}

static inline int array_sgd(mg_arena *arena, int64_t count, const mg_node *parameters,
                            const mg_node *buffers, int new_buffers, double lr,
                            double momentum, double dampening, double weight_decay,
                            int nesterov)
{
    const double numbers[] = {lr, momentum, dampening, weight_decay, nesterov, 0.0};
    return update_once(arena, MG_UPDATE_SGD, count, parameters, buffers, NULL,
                       !new_buffers, 1, numbers);
}

static inline int array_adam(mg_arena *arena, int64_t count, const mg_node *parameters,
                             const mg_node *m, const mg_node *v, int64_t step, double lr,
                             double beta1, double beta2, double epsilon,
                             double weight_decay, int decoupled)
{
    const double numbers[] = {lr,           beta1, beta2, epsilon,
                              weight_decay, 0.0,   0.0,   decoupled};
    return update_once(arena, MG_UPDATE_ADAM, count, parameters, m, v, 0.0, step,
                       numbers);
}

#endif
