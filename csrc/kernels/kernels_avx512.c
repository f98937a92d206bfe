/* kernels_avx512.c: the kernels for x86 with the AVX-512 of Skylake servers and later.
 * GCC would use half of each vector, unless told. */
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma,prefer-vector-width=512")
#endif
#define MG_KERNEL_SET kernels_avx512
#define MG_KERNEL_SET_NAME "avx512"
#define MG_VECTOR_BYTES 64
#define MG_HAS_FMA 1
#include "kernels/kernels.inc.c"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int kernels_avx512_not_here; /* ISO C wants a declaration */
#endif
