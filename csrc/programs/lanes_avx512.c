/* lanes_avx512.c: the loops of programs of numbers for the set of kernels_avx512.c. */
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma")
#endif
#define MG_LANE_SET lanes_avx512
#define MG_LANE_SET_NAME "avx512"
#define MG_LANES 8
#define MG_HAS_FMA 1
#include "programs/lanes.inc.c"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int lanes_avx512_not_here; /* ISO C wants a declaration */
#endif
