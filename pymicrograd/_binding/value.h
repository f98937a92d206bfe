/* value.h: what the binding adds to micrograd.h for the one arena of a Python
 * process. */

/* Layers of neurons as networks.c records them: the first arguments of mg_mlp(). */
typedef struct mlp_plan {
    int64_t layers;
    const int64_t *sizes; /* (layers + 1) */
    int activation, last_activation;
    const mg_node *parameters; /* all borrowed from Python's Plan */
} mlp_plan;

/* Return the arena, made at the first call; NULL when there is no memory. */
mg_arena *process_arena(void);
/* Make the type ValueBase of value.c, an attribute of the module pymicrograd._micrograd.
 * Returns 0, or -1 with Python's exception printed. */
int value_install(void);
