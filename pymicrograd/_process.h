/* _process.h: what one Value does, on the one arena of a Python process.
 *
 * A call through cffi costs 57 ns with one argument, 117 with two and 128 with three (CPython
 * 3.11), a hundred times the work it does. So the calls made for every Value leave out the arena,
 * and where they can the op. Handles are those of the arena; results as in micrograd.h. */

/* Return the arena, made at the first call; NULL when there is no memory. */
mg_arena *process_arena(void);
int64_t value_leaf(double data);
int64_t value_add(int64_t a, int64_t b);
int64_t value_mul(int64_t a, int64_t b);
int64_t value_sub(int64_t a, int64_t b);
int64_t value_div(int64_t a, int64_t b);
int64_t value_add_number(int64_t a, double b);
int64_t value_mul_number(int64_t a, double b);
int64_t value_pow_number(int64_t a, double exponent);
int64_t value_relu(int64_t a);
int64_t value_tanh(int64_t a);
int64_t value_exp(int64_t a);
int64_t value_log(int64_t a);
/* Record any other op. */
int64_t value_op(int op, int64_t a, int64_t b);
void value_release(int64_t a);
/* Read data or gradient of a living node. */
double value_data(int64_t a);
double value_grad(int64_t a);
/* Write them; returns a status. */
int value_set_data(int64_t a, double data);
int value_set_grad(int64_t a, double gradient);
