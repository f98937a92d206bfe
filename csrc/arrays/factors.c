/* factors.c: what of an update has no element in it: the factors of updates.def, computed
 * as doubles from the numbers of a rule and those it remembers of a parameter, which are
 * replaced here. The kernels round each to their type once. `step` counts from 1. */
#include "arrays/arrays.h"
#include "base/vmath.h"

/* Tell how weight decay is done: of the gradient, or of the parameter, which is then
 * multiplied by *keep. */
static void split_decay(double lr, double weight_decay, bool decoupled, double *decay,
                        double *keep)
{
    *decay = decoupled ? 0.0 : weight_decay;
    *keep = decoupled ? 1.0 - lr * weight_decay : 1.0;
}

static double bias_correction(double beta, double step)
{
    return 1.0 - vm_pow(beta, step);
}

/* The first step of a buffer is not dampened, whenever it is. */
static void sgd_factors(sgd_update *u, double step)
{
    (void)step;
    const bool begun = u->begun != 0.0;
    u->keep = begun ? u->momentum : 0.0;
    u->fresh = begun ? 1.0 - u->dampening : 1.0;
    if (u->momentum != 0.0) u->begun = 1.0;
}

static void adam_factors(adam_update *u, double step)
{
    u->step_size = u->lr / bias_correction(u->beta1, step);
    u->root_correction = sqrt(bias_correction(u->beta2, step));
    split_decay(u->lr, u->weight_decay, u->decoupled_weight_decay != 0.0, &u->decay,
                &u->keep);
}

static double nadam_momentum(const nadam_update *u, double step)
{
    return u->beta1 * (1.0 - 0.5 * vm_pow(0.96, step * u->momentum_decay));
}

static void nadam_factors(nadam_update *u, double step)
{
    const double mu = nadam_momentum(u, step), next = nadam_momentum(u, step + 1.0);
    const double product = (step == 1.0 ? 1.0 : u->mu_product) * mu;
    u->correction = bias_correction(u->beta2, step);
    u->of_gradient = u->lr * (1.0 - mu) / (1.0 - product);
    u->of_mean = u->lr * next / (1.0 - product * next);
    u->mu_product = product;
    split_decay(u->lr, u->weight_decay, u->decoupled_weight_decay != 0.0, &u->decay,
                &u->keep);
}

static void radam_factors(radam_update *u, double step)
{
    const double kept = vm_pow(u->beta2, step), most = 2.0 / (1.0 - u->beta2) - 1.0;
    const double length = most - 2.0 * step * kept / (1.0 - kept);
    const double share = (length - 4.0) * (length - 2.0) * most;
    u->correction = bias_correction(u->beta1, step);
    u->rectified = length > 5.0;
    u->rate = sqrt(share / ((most - 4.0) * (most - 2.0) * length)) * sqrt(1.0 - kept);
    split_decay(u->lr, u->weight_decay, u->decoupled_weight_decay != 0.0, &u->decay,
                &u->keep);
}

static void adamax_factors(adamax_update *u, double step)
{
    u->step_size = u->lr / bias_correction(u->beta1, step);
}

static void adagrad_factors(adagrad_update *u, double step)
{
    u->rate = u->lr / (1.0 + (step - 1.0) * u->lr_decay);
    u->first = step == 1.0;
}

static void adadelta_factors(adadelta_update *u, double step)
{
    (void)u, (void)step;
}

static void rmsprop_factors(rmsprop_update *u, double step)
{
    (void)u, (void)step;
}

static void rprop_factors(rprop_update *u, double step)
{
    u->first = step == 1.0;
}

/* PyTorch keeps eta and mu, those of the next step, in float32. */
static void asgd_factors(asgd_update *u, double step)
{
    const double late = step - u->t0;
    u->step_size = step == 1.0 ? (double)(float)u->lr : u->eta;
    u->share = step == 1.0 ? 1.0 : u->mu;
    u->keep = 1.0 - u->lambd * u->step_size;
    u->eta = (float)(u->lr / vm_pow(1.0 + u->lambd * u->lr * step, u->alpha));
    u->mu = (float)(1.0 / (late > 1.0 ? late : 1.0));
}

static void lamb_factors(lamb_update *u, double step)
{
    u->correction = bias_correction(u->beta1, step);
    u->square_correction = bias_correction(u->beta2, step);
}

static void lion_factors(lion_update *u, double step)
{
    (void)step;
    u->keep = 1.0 - u->lr * u->weight_decay;
}

void update_factors(int update, double *values, double step)
{
    switch (update) {
#define MG_UPDATE(NAME, name, takes) \
    case MG_UPDATE_##NAME: name##_factors((name##_update *)values, step); break;
#include "updates.def"
    }
}
