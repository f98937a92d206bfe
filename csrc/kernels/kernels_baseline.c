/* kernels_baseline.c: the kernels for what the compiler takes to be in every machine. */
#include "kernels/kernels.h"
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#if defined(MG_HAS_X86_SETS)
#pragma GCC optimize("O1") /* x86 made since 2013 uses another set: this one builds soon */
#endif
#endif
#define MG_KERNEL_SET kernels_baseline
#define MG_KERNEL_SET_NAME "baseline"
#define MG_VECTOR_BYTES 16
#include "kernels/kernels.inc.c"
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
