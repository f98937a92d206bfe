/* lanes_avx2.c: the loops of programs of numbers for the set of kernels_avx2.c. */
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define MG_LANE_SET lanes_avx2
#define MG_LANE_SET_NAME "avx2"
#define MG_LANES 4
#define MG_HAS_FMA 1
#include "programs/lanes.inc.c"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int lanes_avx2_not_here; /* ISO C wants a declaration */
#endif
