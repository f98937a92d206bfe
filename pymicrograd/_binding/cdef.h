/* cdef.h: what the binding adds to micrograd.h for cffi. */

/* Layers of neurons as networks.c records them: the first arguments of mg_mlp(). */
typedef struct mlp_plan {
    int64_t layers;
    const int64_t *sizes; /* (layers + 1) */
    int activation, last_activation;
    const mg_node *parameters; /* all borrowed from Python's Plan */
} mlp_plan;

/* Return the process's one arena, made at the first call; NULL without memory. */
mg_arena *process_arena(void);
