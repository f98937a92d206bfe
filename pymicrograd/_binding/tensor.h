/* tensor.h: what tensor.c adds to the binding, beside value.h. */

/* Make the type TensorBase of tensor.c, an attribute of the module
 * pymicrograd._micrograd. Returns 0, or -1 with Python's exception printed. */
int tensor_install(void);
