/* kernels_baseline.c: the kernels for what the compiler takes to be in every machine. */
#define MG_KERNEL_SET kernels_baseline
#define MG_KERNEL_SET_NAME "baseline"
#define MG_VECTOR_BYTES 16
#include "kernels/kernels.inc.c"
