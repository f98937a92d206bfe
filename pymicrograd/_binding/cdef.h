/* cdef.h: what the binding adds to micrograd.h for cffi. */

/* Layers of neurons as networks.c records them: the first arguments of mg_mlp(). */
typedef struct mlp_plan {
    int64_t layers;
    const int64_t *sizes; /* (layers + 1) */
    int activation, last_activation;
    const mg_node *parameters; /* all borrowed from Python's Plan */
    int lists;                 /* what one neuron gives is a list, too */
} mlp_plan;

/* Return the process's one arena, made at the first call; NULL without memory. */
mg_arena *process_arena(void);

/* Optimizers' steps on numbers, counted in the call that makes them: no Ctrl-C falls in
 * between. */
int counted_sgd(mg_arena *arena, int64_t count, const mg_node *parameters, double *buffer,
                unsigned char *begun, double lr, double momentum, double dampening,
                double weight_decay, int nesterov);
int counted_adam(mg_arena *arena, int64_t count, const mg_node *parameters, double *m,
                 double *v, int64_t *t, double lr, double beta1, double beta2,
                 double epsilon, double weight_decay, int flags);
