/* update.inc.c: updates of parameters, a loop over the elements for each rule of
 * updates.def. Every operation is rounded to T, in the order written; numbers are rounded
 * to it once. A kernel gets n elements of a parameter p and of its gradient g, the arrays
 * of the row in its order, and the row's numbers. */

/* How a rule sees gradients. Without weight decay its product is left out, not 0: 0 * inf
 * would be NaN. */
typedef struct OF(pull) {
    bool decays;
    T decay, sign;
} OF(pull);

MG_INLINE OF(pull) OF(pull_of)(double maximize, double decay)
{
    return (OF(pull)){decay != 0.0, (T)decay, maximize != 0.0 ? (T)-1 : (T)1};
}

MG_INLINE T OF(pulled)(OF(pull) pull, T g, T p)
{
    T d = pull.sign * g;
    return pull.decays ? d + pull.decay * p : d;
}

/* What a running mean keeps of its past, and takes of a new number. */
typedef struct OF(mean) {
    T keep, rest;
} OF(mean);

MG_INLINE OF(mean) OF(mean_of)(double beta)
{
    return (OF(mean)){(T)beta, (T)(1.0 - beta)};
}

MG_INLINE T OF(mean_with)(OF(mean) mean, T past, T x)
{
    return mean.keep * past + mean.rest * x;
}

static void OF(sgd)(int64_t n, void *parameter, const void *gradient, void *const *arrays,
                    const void *values)
{
    const sgd_update *u = values;
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, u->weight_decay);
    T *moved = arrays[0];
    const T lr = (T)u->lr, keep = (T)u->keep, fresh = (T)u->fresh;
    const T ahead = (T)u->momentum;
    if (u->momentum == 0.0) {
        EACH for (int64_t i = 0; i < n; i++)
            p[i] = p[i] - lr * OF(pulled)(pull, g[i], p[i]);
    } else if (u->nesterov != 0.0) {
        EACH for (int64_t i = 0; i < n; i++) {
            T d = OF(pulled)(pull, g[i], p[i]), b = keep * moved[i] + fresh * d;
            moved[i] = b;
            p[i] = p[i] - lr * (d + ahead * b);
        }
    } else {
        EACH for (int64_t i = 0; i < n; i++) {
            T b = keep * moved[i] + fresh * OF(pulled)(pull, g[i], p[i]);
            moved[i] = b;
            p[i] = p[i] - lr * b;
        }
    }
}

/* Tell whether roots of squares are divided by c, of which this is the inverse, by
 * multiplications (divide_row() says how): no remainder underflows, as the root of the
 * least number is not small. eps hides what becomes of -0. */
MG_INLINE bool OF(inverts)(T c, T eps)
{
    return MG_FMA_IS_FAST && c >= (T)0x1p-12 && c <= 1 && eps > 0;
}

MG_INLINE T OF(root_quotient)(T x, T c, T inverse)
{
    const T first = x * inverse;
    T q = OF(fma)(OF(fma)(-first, c, x), inverse, first);
    q = OF(fma)(OF(fma)(-q, c, x), inverse, q);
    return x < (T)INFINITY ? q : first;
}

MG_INLINE void OF(adam_loop)(int64_t n, void *parameter, const void *gradient,
                             void *const *arrays, const adam_update *u, bool amsgrad,
                             bool inverts)
{
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, u->decay);
    const OF(mean) first = OF(mean_of)(u->beta1), second = OF(mean_of)(u->beta2);
    T *m = arrays[0], *v = arrays[1], *largest = arrays[2];
    const T step = (T)u->step_size, root = (T)u->root_correction, eps = (T)u->eps;
    const T keep = (T)u->keep, inverse = 1 / root;
    EACH for (int64_t i = 0; i < n; i++) {
        T d = OF(pulled)(pull, g[i], p[i]);
        m[i] = OF(mean_with)(first, m[i], d);
        v[i] = OF(mean_with)(second, v[i], d * d);
        if (amsgrad) largest[i] = LARGER(largest[i], v[i]);
        const T size = SQRT(amsgrad ? largest[i] : v[i]);
        const T width = inverts ? OF(root_quotient)(size, root, inverse) : size / root;
        p[i] = keep * p[i] - step * (m[i] / (width + eps));
    }
}

static void OF(adam)(int64_t n, void *parameter, const void *gradient,
                     void *const *arrays, const void *values)
{
    const adam_update *u = values;
    const bool inverts = OF(inverts)((T)u->root_correction, (T)u->eps);
    if (u->amsgrad != 0.0)
        OF(adam_loop)(n, parameter, gradient, arrays, u, true, false);
    else if (inverts)
        OF(adam_loop)(n, parameter, gradient, arrays, u, false, true);
    else
        OF(adam_loop)(n, parameter, gradient, arrays, u, false, false);
}

static void OF(nadam)(int64_t n, void *parameter, const void *gradient,
                      void *const *arrays, const void *values)
{
    const nadam_update *u = values;
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, u->decay);
    const OF(mean) first = OF(mean_of)(u->beta1), second = OF(mean_of)(u->beta2);
    T *m = arrays[0], *v = arrays[1];
    const T correction = (T)u->correction, eps = (T)u->eps, keep = (T)u->keep;
    const T of_gradient = (T)u->of_gradient, of_mean = (T)u->of_mean;
    EACH for (int64_t i = 0; i < n; i++) {
        T d = OF(pulled)(pull, g[i], p[i]);
        m[i] = OF(mean_with)(first, m[i], d);
        v[i] = OF(mean_with)(second, v[i], d * d);
        T root = SQRT(v[i] / correction) + eps;
        p[i] = (keep * p[i] - of_gradient * (d / root)) - of_mean * (m[i] / root);
    }
}

MG_INLINE void OF(radam_loop)(int64_t n, void *parameter, const void *gradient,
                              void *const *arrays, const radam_update *u, bool rectified)
{
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, u->decay);
    const OF(mean) first = OF(mean_of)(u->beta1), second = OF(mean_of)(u->beta2);
    T *m = arrays[0], *v = arrays[1];
    const T lr = (T)u->lr, correction = (T)u->correction, rate = (T)u->rate;
    const T eps = (T)u->eps, keep = (T)u->keep;
    EACH for (int64_t i = 0; i < n; i++) {
        T d = OF(pulled)(pull, g[i], p[i]);
        m[i] = OF(mean_with)(first, m[i], d);
        v[i] = OF(mean_with)(second, v[i], d * d);
        T change = lr * (m[i] / correction);
        if (rectified) change = change * (rate / (SQRT(v[i]) + eps));
        p[i] = keep * p[i] - change;
    }
}

static void OF(radam)(int64_t n, void *parameter, const void *gradient,
                      void *const *arrays, const void *values)
{
    const radam_update *u = values;
    if (u->rectified != 0.0)
        OF(radam_loop)(n, parameter, gradient, arrays, u, true);
    else
        OF(radam_loop)(n, parameter, gradient, arrays, u, false);
}

static void OF(adamax)(int64_t n, void *parameter, const void *gradient,
                       void *const *arrays, const void *values)
{
    const adamax_update *u = values;
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, u->weight_decay);
    T *m = arrays[0], *largest = arrays[1];
    const OF(mean) first = OF(mean_of)(u->beta1);
    const T beta2 = (T)u->beta2, step = (T)u->step_size, eps = (T)u->eps;
    EACH for (int64_t i = 0; i < n; i++) {
        T d = OF(pulled)(pull, g[i], p[i]);
        m[i] = OF(mean_with)(first, m[i], d);
        largest[i] = LARGER(beta2 * largest[i], ABS(d) + eps);
        p[i] = p[i] - step * (m[i] / largest[i]);
    }
}

static void OF(adagrad)(int64_t n, void *parameter, const void *gradient,
                        void *const *arrays, const void *values)
{
    const adagrad_update *u = values;
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, u->weight_decay);
    T *sum = arrays[0];
    const T rate = (T)u->rate, eps = (T)u->eps;
    const T start = (T)u->initial_accumulator_value;
    const bool first = u->first != 0.0;
    EACH for (int64_t i = 0; i < n; i++) {
        T d = OF(pulled)(pull, g[i], p[i]), before = first ? start : sum[i];
        sum[i] = before + d * d;
        p[i] = p[i] - rate * (d / (SQRT(sum[i]) + eps));
    }
}

static void OF(adadelta)(int64_t n, void *parameter, const void *gradient,
                         void *const *arrays, const void *values)
{
    const adadelta_update *u = values;
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, u->weight_decay);
    T *squares = arrays[0], *changes = arrays[1];
    const OF(mean) mean = OF(mean_of)(u->rho);
    const T lr = (T)u->lr, eps = (T)u->eps;
    EACH for (int64_t i = 0; i < n; i++) {
        T d = OF(pulled)(pull, g[i], p[i]);
        squares[i] = OF(mean_with)(mean, squares[i], d * d);
        T change = SQRT(changes[i] + eps) / SQRT(squares[i] + eps) * d;
        changes[i] = OF(mean_with)(mean, changes[i], change * change);
        p[i] = p[i] - lr * change;
    }
}

MG_INLINE void OF(rmsprop_loop)(int64_t n, void *parameter, const void *gradient,
                                void *const *arrays, const rmsprop_update *u,
                                bool centered, bool moves)
{
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, u->weight_decay);
    T *squares = arrays[0], *means = arrays[1], *moved = arrays[2];
    const OF(mean) mean = OF(mean_of)(u->alpha);
    const T lr = (T)u->lr, eps = (T)u->eps, momentum = (T)u->momentum;
    EACH for (int64_t i = 0; i < n; i++) {
        T d = OF(pulled)(pull, g[i], p[i]);
        T square = OF(mean_with)(mean, squares[i], d * d);
        squares[i] = square;
        if (centered) {
            means[i] = OF(mean_with)(mean, means[i], d);
            square = square - means[i] * means[i];
        }
        T change = d / (SQRT(square) + eps);
        if (moves) moved[i] = change = momentum * moved[i] + change;
        p[i] = p[i] - lr * change;
    }
}

static void OF(rmsprop)(int64_t n, void *parameter, const void *gradient,
                        void *const *arrays, const void *values)
{
    const rmsprop_update *u = values;
    const bool centered = u->centered != 0.0, moves = u->momentum != 0.0;
    if (centered && moves)
        OF(rmsprop_loop)(n, parameter, gradient, arrays, u, true, true);
    else if (centered)
        OF(rmsprop_loop)(n, parameter, gradient, arrays, u, true, false);
    else if (moves)
        OF(rmsprop_loop)(n, parameter, gradient, arrays, u, false, true);
    else
        OF(rmsprop_loop)(n, parameter, gradient, arrays, u, false, false);
}

static void OF(rprop)(int64_t n, void *parameter, const void *gradient,
                      void *const *arrays, const void *values)
{
    const rprop_update *u = values;
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, 0.0);
    T *last = arrays[0], *sizes = arrays[1];
    const T lr = (T)u->lr, shrink = (T)u->shrink, grow = (T)u->grow;
    const T least = (T)u->least, most = (T)u->most;
    const bool first = u->first != 0.0;
    EACH for (int64_t i = 0; i < n; i++) {
        T d = OF(pulled)(pull, g[i], p[i]), agreement = d * last[i];
        T factor = agreement > 0 ? grow : agreement < 0 ? shrink : (T)1;
        T size = factor * (first ? lr : sizes[i]);
        d = agreement < 0 ? (T)0 : d;
        last[i] = d;
        sizes[i] = SMALLER(LARGER(size, least), most);
        p[i] = p[i] - SIGN(d) * sizes[i];
    }
}

static void OF(asgd)(int64_t n, void *parameter, const void *gradient,
                     void *const *arrays, const void *values)
{
    const asgd_update *u = values;
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, u->weight_decay);
    T *average = arrays[0];
    const T step = (T)u->step_size, keep = (T)u->keep, share = (T)u->share;
    const bool all = u->share == 1.0;
    EACH for (int64_t i = 0; i < n; i++) {
        p[i] = keep * p[i] - step * OF(pulled)(pull, g[i], p[i]);
        average[i] = all ? p[i] : average[i] + share * (p[i] - average[i]);
    }
}

/* The change alone, before its length is known, goes to the array behind the row's. */
static void OF(lamb)(int64_t n, void *parameter, const void *gradient,
                     void *const *arrays, const void *values)
{
    const lamb_update *u = values;
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, 0.0);
    const OF(mean) first = OF(mean_of)(u->beta1), second = OF(mean_of)(u->beta2);
    T *m = arrays[0], *v = arrays[1], *change = arrays[2];
    const T correction = (T)u->correction, squares = (T)u->square_correction;
    const T eps = (T)u->eps, decay = (T)u->weight_decay;
    const bool decays = u->weight_decay != 0.0;
    EACH for (int64_t i = 0; i < n; i++) {
        T d = OF(pulled)(pull, g[i], p[i]);
        m[i] = OF(mean_with)(first, m[i], d);
        v[i] = OF(mean_with)(second, v[i], d * d);
        T ratio = m[i] / correction / (SQRT(v[i] / squares) + eps);
        change[i] = decays ? ratio + decay * p[i] : ratio;
    }
}

static void OF(lion)(int64_t n, void *parameter, const void *gradient,
                     void *const *arrays, const void *values)
{
    const lion_update *u = values;
    T *p = parameter;
    const T *g = gradient;
    const OF(pull) pull = OF(pull_of)(u->maximize, 0.0);
    const OF(mean) first = OF(mean_of)(u->beta1), second = OF(mean_of)(u->beta2);
    T *m = arrays[0];
    const T lr = (T)u->lr, keep = (T)u->keep;
    EACH for (int64_t i = 0; i < n; i++) {
        T d = OF(pulled)(pull, g[i], p[i]);
        T turn = OF(mean_with)(first, m[i], d);
        m[i] = OF(mean_with)(second, m[i], d);
        p[i] = keep * p[i] - lr * SIGN(turn);
    }
}
