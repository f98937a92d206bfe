/* _value.h: what the binding adds to micrograd.h for the one arena of a Python process. */

/* Return the arena, made at the first call; NULL when there is no memory. */
mg_arena *process_arena(void);
/* Make the type ValueBase of _value.c, an attribute of the module pymicrograd._micrograd.
 * Returns 0, or -1 with Python's exception printed. */
int value_install(void);
