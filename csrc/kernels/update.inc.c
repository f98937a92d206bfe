/* update.inc.c: updates of parameters, one loop for each rule and type; included by
 * kernels.inc.c. Every operation is rounded to the type, in the order written. Without
 * weight decay its product is left out, not 0: 0 * inf would be NaN. */

#define UPDATES(T, suffix) \
    static void sgd_##suffix(int64_t n, void *parameter, const void *gradient, \
                             void *momentum_buffer, const sgd_rule *rule) \
    { \
        T *p = parameter, *m = momentum_buffer; \
        const T *g = gradient, lr = (T)rule->lr, decay = (T)rule->weight_decay; \
        const T momentum = (T)rule->momentum, fresh = (T)rule->fresh; \
        const T ahead = (T)rule->look_ahead; \
        const bool decays = rule->weight_decay != 0.0; \
        for (int64_t i = 0; i < n && !m; i++) \
            p[i] = p[i] - lr * (decays ? g[i] + decay * p[i] : g[i]); \
        for (int64_t i = 0; i < n && m; i++) { \
            T d = decays ? g[i] + decay * p[i] : g[i]; \
            T b = momentum * m[i] + fresh * d; \
            m[i] = b; \
            p[i] = p[i] - lr * (rule->nesterov ? d + ahead * b : b); \
        } \
    } \
\
    static void adam_##suffix(int64_t n, void *parameter, const void *gradient, \
                              void *first_moment, void *second_moment, \
                              const adam_rule *rule) \
    { \
        T *p = parameter, *m = first_moment, *v = second_moment; \
        const T *g = gradient, b1 = (T)rule->beta1, b2 = (T)rule->beta2; \
        const T c1 = (T)(1.0 - rule->beta1), c2 = (T)(1.0 - rule->beta2); \
        const T step = (T)rule->step_size, root = (T)rule->root_correction; \
        const T epsilon = (T)rule->epsilon, decay = (T)rule->decay; \
        const T keep = (T)rule->keep; \
        const bool decays = rule->decay != 0.0; \
        for (int64_t i = 0; i < n; i++) { \
            T d = decays ? g[i] + decay * p[i] : g[i]; \
            m[i] = b1 * m[i] + c1 * d; \
            v[i] = b2 * v[i] + c2 * (d * d); \
            p[i] = keep * p[i] - step * (m[i] / (SQRT_OF(T, v[i]) / root + epsilon)); \
        } \
    }

#define SQRT_OF(T, x) \
    (sizeof(T) == sizeof(float) ? (T)sqrtf((float)(x)) : (T)sqrt((double)(x)))

UPDATES(float, f32)
UPDATES(double, f64)

#undef UPDATES
#undef SQRT_OF
