/* updates.c: optimizers' steps with their counts, which cffi calls.
 *
 * A signal's exception is raised between two calls of Python's: a count that Python keeps
 * would disagree with what a step has done in 97 of 100 interrupts of a loop of steps. */
#include "binding.h"

int counted_sgd(mg_arena *a, int64_t count, const mg_node *parameters, double *buffer,
                unsigned char *begun, double lr, double momentum, double dampening,
                double weight_decay, int nesterov)
{
    int status = mg_sgd_step(a, count, parameters, buffer, !*begun, lr, momentum,
                             dampening, weight_decay, nesterov);
    if (status >= 0) *begun = momentum != 0.0;
    return status;
}

int counted_adam(mg_arena *a, int64_t count, const mg_node *parameters, double *m,
                 double *v, int64_t *t, double lr, double beta1, double beta2,
                 double epsilon, double weight_decay, int flags)
{
    int status = mg_adam_step(a, count, parameters, m, v, *t + 1, lr, beta1, beta2,
                              epsilon, weight_decay, flags);
    if (status >= 0) ++*t;
    return status;
}

int counted_array_sgd(mg_arena *a, int64_t groups, const int64_t *ends,
                      const int64_t *which, const mg_node *parameters,
                      const mg_node *buffers, unsigned char *begun, int64_t *steps,
                      double lr, double momentum, double dampening,
                      double weight_decay, int nesterov)
{
    for (int64_t g = 0, i = 0; g < groups; g++) {
        int is_new = buffers && i < ends[g] && !begun[which ? which[i] : i];
        int status = mg_array_sgd(a, ends[g] - i, parameters + i,
                                  buffers ? buffers + i : NULL, is_new, lr, momentum,
                                  dampening, weight_decay, nesterov);
        if (status < 0) return status;
        for (; i < ends[g]; i++) {
            int64_t number = which ? which[i] : i;
            steps[number]++;
            if (buffers) begun[number] = 1;
        }
    }
    return MG_OK;
}

int counted_array_adam(mg_arena *a, int64_t groups, const int64_t *ends,
                       const int64_t *which, const mg_node *parameters, const mg_node *m,
                       const mg_node *v, int64_t *steps, double lr, double beta1,
                       double beta2, double epsilon, double weight_decay, int decoupled)
{
    for (int64_t g = 0, i = 0; g < groups; g++) {
        int64_t step = i < ends[g] ? steps[which ? which[i] : i] + 1 : 1;
        int status = mg_array_adam(a, ends[g] - i, parameters + i, m + i, v + i, step, lr,
                                   beta1, beta2, epsilon, weight_decay, decoupled);
        if (status < 0) return status;
        for (; i < ends[g]; i++) steps[which ? which[i] : i]++;
    }
    return MG_OK;
}
