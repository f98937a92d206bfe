/* kernels_avx2.c: the kernels for x86 with AVX2 and FMA, which came together. */
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define MG_KERNEL_SET kernels_avx2
#define MG_KERNEL_SET_NAME "avx2"
#define MG_VECTOR_BYTES 32
#define MG_HAS_FMA 1
#include "kernels/kernels.inc.c"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int kernels_avx2_not_here; /* ISO C wants a declaration */
#endif
