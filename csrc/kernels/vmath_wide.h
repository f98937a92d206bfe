/* vmath_wide.h: functions of float32 in vectors of 16, as AVX-512 has them, with the same
 * results as vmath.h's.
 *
 * A number is a sum of two floats, head and tail, within 7/4 2^-37 of the result. Where
 * head + tail and head + tail + twice that round to one float, it is the result;
 * elsewhere an element is in doubt, one of some 3000, and a kernel asks vmath_quick.h,
 * which computes in doubles, half as many to a vector. tests/csrc/vmath_check.c compares
 * all 2^32 floats.
 *
 * The includer has set the target. */
#ifndef MG_VMATH_WIDE_H
#define MG_VMATH_WIDE_H

#include <immintrin.h>
#include <stdbool.h>

#include "base/vmath.h"

/* Elements are in doubt where a bit of `differing` is set, or the highest of `marked`. */
typedef struct wide_doubt {
    __m512i differing, marked;
} wide_doubt;

MG_INLINE __mmask16 wide_places_in_doubt(wide_doubt doubt)
{
    return _mm512_test_epi32_mask(doubt.differing, doubt.differing) |
           _mm512_movepi32_mask(doubt.marked);
}

/* Return (head + tail) 2^n, rounded, where tail is too small by up to `error` of head; in
 * doubt where it is subnormal. */
MG_INLINE __m512 wide_round(__m512 head, __m512 tail, float error, __m512 n,
                            wide_doubt *doubt)
{
    const __m512i zero = _mm512_set1_epi32(1), normal = _mm512_set1_epi32(0x00800001);
    __m512 low = head + tail;
    __m512 high = head + _mm512_fmadd_ps(head, _mm512_set1_ps(error), tail);
    __m512i bits = _mm512_castps_si512(low), others = _mm512_castps_si512(high);
    __m512 y = _mm512_scalef_ps(low, n);
    __m512i size = _mm512_castps_si512(y);
    doubt->differing |= bits ^ others;
    doubt->marked |= _mm512_andnot_si512(_mm512_sub_epi32(size, zero),
                                         _mm512_sub_epi32(size, normal));
    return y;
}

/* 2^(i / 32) is head e^tail; tails are less by 7/4 2^-37, the largest error. */
static const float wide_exp_heads[32] = {
    1.0f, 1.0218972f, 1.0442737f, 1.0671405f, 1.0905077f, 1.1143868f, 1.1387886f,
    1.1637249f, 1.1892071f, 1.2152474f, 1.2418578f, 1.269051f, 1.2968396f, 1.3252367f,
    1.3542556f, 1.38391f, 1.4142135f, 1.4451808f, 1.4768262f, 1.5091645f, 1.5422108f,
    1.5759809f, 1.6104903f, 1.6457555f, 1.6817929f, 1.7186193f, 1.7562522f, 1.7947091f,
    1.8340081f, 1.8741677f, 1.9152066f, 1.9571441f};
static const float wide_exp_tails[32] = {
    -1.2732926e-11f, -4.7097313e-08f, 4.627274e-08f, -5.561696e-08f, -1.200489e-08f,
    -4.87888e-08f, 4.7285088e-08f, -3.482716e-08f, 3.192145e-08f, -2.6899398e-08f,
    3.619784e-08f, 1.1056881e-09f, -3.1003456e-08f, -2.6395744e-08f, -7.487946e-09f,
    -4.246909e-08f, 1.7101538e-08f, 2.2989234e-08f, -3.0489566e-08f, -1.655127e-08f,
    5.2206013e-09f, -3.593338e-08f, 6.094859e-09f, -3.1153277e-08f, -1.4732339e-08f,
    -2.8230835e-08f, -5.271528e-09f, -6.3731203e-09f, -6.1409926e-09f, -2.4893142e-08f,
    5.1278763e-09f, -8.71e-09f};

#define WIDE_EXP_ERROR 2.5465852e-11f /* twice that */
#define WIDE_ROUNDER 12582912.0f      /* 1.5 * 2^23: rounds what is added to it */

/* e^x = 2^(n / 32) e^r, |r| < 0.011, of which head + tail is a power of two's 2^-k. x that
 * overflow or underflow are cut; NaN stays, as the second operand of both. */
MG_INLINE __m512 wide_exp(__m512 x, wide_doubt *doubt)
{
#define ALL(number) _mm512_set1_ps(number)
    x = _mm512_min_ps(ALL(89.0f), _mm512_max_ps(ALL(-110.0f), x));
    __m512 rounded = _mm512_fmadd_ps(x, ALL(46.16624f), ALL(WIDE_ROUNDER));
    __m512 n = rounded - ALL(WIDE_ROUNDER);
    __m512i place = _mm512_castps_si512(rounded); /* its last five bits count */
    __m512 head = _mm512_permutex2var_ps(_mm512_loadu_ps(wide_exp_heads), place,
                                         _mm512_loadu_ps(wide_exp_heads + 16));
    __m512 tail = _mm512_permutex2var_ps(_mm512_loadu_ps(wide_exp_tails), place,
                                         _mm512_loadu_ps(wide_exp_tails + 16));
    __m512 near = _mm512_fmadd_ps(n, ALL(-0.02166085f), x); /* exactly */
    tail = _mm512_fmadd_ps(n, ALL(5.9520444e-11f), tail);
    __m512 r = near + tail;
    __m512 p = _mm512_fmadd_ps(r, ALL(0.041666668f), ALL(0.16666667f));
    p = _mm512_fmadd_ps(r, p, ALL(0.5f));
    tail = _mm512_fmadd_ps(r * r, p, tail); /* e^r - 1 is near + tail */
    __m512 more = head * near, sum = head + more;
    __m512 of_more = _mm512_fmsub_ps(head, near, more);
    __m512 rest = _mm512_fmadd_ps(head, tail, of_more) + (more - (sum - head));
    return wide_round(sum, rest, WIDE_EXP_ERROR, n * ALL(0x1p-5f), doubt);
#undef ALL
}

/* Make a loop over n elements, a multiple of 16, which returns whether some are in doubt:
 * then no result counts. */
#define WIDE_LOOP(name) \
    static bool wide_##name##_loop(int64_t n, const float *a, float *y) \
    { \
        wide_doubt doubt = {_mm512_setzero_si512(), _mm512_setzero_si512()}; \
        for (int64_t i = 0; i < n; i += 16) \
            _mm512_storeu_ps(y + i, wide_##name(_mm512_loadu_ps(a + i), &doubt)); \
        return wide_places_in_doubt(doubt) != 0; \
    }

#endif
