/* fma.h: x * y + z rounded once, IEEE's fusedMultiplyAdd: one instruction where the
 * compiler may use it (MG_FMA_IS_FAST), else the same bits from other operations, not
 * from the C library, whose speed and care differ.
 *
 * Of floats the product is exact as a double, the sum is rounded to odd, and so the
 * second rounding, to float, gives what one alone would. Doubles are computed in pairs
 * that way (Boldo and Melquiond, IEEE Trans. Computers 60, 2011), and with integers where
 * a pair would overflow or underflow. */
#ifndef MG_FMA_H
#define MG_FMA_H

#include <stdbool.h>

#include "base/vmath.h"

#if defined(MG_HAS_FMA) || defined(__FMA__) || defined(__aarch64__) || \
    (defined(__FP_FAST_FMA) && defined(__FP_FAST_FMAF)) || \
    (defined(__riscv_flen) && __riscv_flen >= 64) || defined(__s390x__)
#define MG_FMA_IS_FAST 1
#else
#define MG_FMA_IS_FAST 0
#endif

MG_INLINE float fma_f32_by_parts(float x, float y, float z)
{
    return (float)to_odd(pair_sum_any((double)x * (double)y, (double)z));
}

/* ---- doubles by integers ----------------------------------------------------------- */

/* A number of 128 bits, times 2^exponent. */
typedef struct fma_wide {
    uint64_t high, low;
    int exponent;
} fma_wide;

/* Return |x| with its 53 bits in `low`, of which the highest is set unless x is 0. */
MG_INLINE fma_wide fma_split(double x)
{
    const uint64_t one = (uint64_t)1 << 52, bits = bits_of(fabs(x));
    const int exponent = (int)(bits >> 52);
    fma_wide y = {0, exponent ? (bits & (one - 1)) | one : bits, -1074};
    if (exponent) y.exponent = exponent - 1075;
    for (; y.low && y.low < one; y.exponent--) y.low <<= 1;
    return y;
}

/* Return x * y for numbers of 53 bits. */
MG_INLINE fma_wide fma_multiply(fma_wide x, fma_wide y)
{
    const uint64_t half = 0xFFFFFFFFu;
    uint64_t xl = x.low & half, xh = x.low >> 32, yl = y.low & half, yh = y.low >> 32;
    uint64_t low = xl * yl, first = xh * yl + (low >> 32);
    uint64_t second = xl * yh + (first & half);
    fma_wide product = {xh * yh + (first >> 32) + (second >> 32),
                        second << 32 | (low & half), x.exponent + y.exponent};
    return product;
}

/* Shift up by less than 64. */
MG_INLINE fma_wide fma_shift_up(fma_wide x, int count)
{
    fma_wide y = {x.high << count | x.low >> (64 - count), x.low << count,
                  x.exponent - count};
    return count ? y : x;
}

/* Shift down; the last bit is set if any is lost. */
MG_INLINE fma_wide fma_shift_down(fma_wide x, int count)
{
    fma_wide y = {0, 0, x.exponent + count};
    uint64_t lost = x.high | x.low;
    if (count == 0) return x;
    if (count < 64) {
        y.high = x.high >> count;
        y.low = x.high << (64 - count) | x.low >> count;
        lost = x.low << (64 - count);
    } else if (count < 128) {
        y.low = x.high >> (count - 64);
        lost = x.low | (count > 64 ? x.high << (128 - count) : 0);
    }
    y.low |= lost != 0;
    return y;
}

/* Return x, which is not 0, rounded to a double, with the sign of `sign`. */
MG_INLINE double fma_round(fma_wide x, double sign)
{
    while (!(x.high >> 62)) x = fma_shift_up(x, x.high >> 46 ? 1 : 16);
    int last = x.exponent + (x.high >> 63 ? 127 - 52 : 126 - 52); /* of the bits kept */
    if (last < -1074) last = -1074;
    x = fma_shift_down(x, last - x.exponent - 2); /* half a unit and the rest, too */
    uint64_t kept = x.low >> 2, rest = x.low & 3;
    kept += rest > 2 || (rest == 2 && (kept & 1));
    uint64_t bits = kept + ((uint64_t)(last + 1074) << 52);
    if (last > 971) bits = (uint64_t)0x7FF << 52;
    return flip_sign(of_bits(bits), sign);
}

/* Return x * y + z for finite x and y other than 0, and finite z. Both summands are laid
 * into 126 bits; where the lower one loses bits, it is so far below the other that these
 * stay far behind the result's. */
MG_INLINE double fma_by_integers(double x, double y, double z)
{
    const double sign = flip_sign(flip_sign(1.0, x), y);
    fma_wide p = fma_shift_up(fma_multiply(fma_split(x), fma_split(y)), 20);
    fma_wide q = fma_split(z);
    if (z == 0.0) return fma_round(p, sign);
    q.high = q.low << 9; /* by 73 */
    q.low = 0;
    q.exponent -= 73;
    if (p.exponent < q.exponent)
        p = fma_shift_down(p, q.exponent - p.exponent);
    else
        q = fma_shift_down(q, p.exponent - q.exponent);
    if ((sign < 0.0) == (z < 0.0)) {
        fma_wide sum = {p.high + q.high, p.low + q.low, p.exponent};
        sum.high += sum.low < p.low;
        return fma_round(sum, sign);
    }
    bool less = p.high < q.high || (p.high == q.high && p.low < q.low);
    fma_wide a = less ? q : p, b = less ? p : q;
    fma_wide rest = {a.high - b.high - (a.low < b.low), a.low - b.low, a.exponent};
    return rest.high | rest.low ? fma_round(rest, less ? z : sign) : 0.0;
}

/* ---- doubles by pairs -------------------------------------------------------------- */

/* Products from FMA_LEAST to FMA_MOST, of and with numbers up to this, go in pairs. */
#define FMA_LEAST 0x1p-900
#define FMA_MOST 0x1p1000

/* Return x rounded to 26 bits: half of it, and the rest has 26 bits, too. */
MG_INLINE double fma_half(double x)
{
    return of_bits((bits_of(x) + ((uint64_t)1 << 26)) & ~(((uint64_t)1 << 27) - 1));
}

MG_INLINE double fma_by_pairs(double x, double y, double z)
{
    double xh = fma_half(x), xl = x - xh, yh = fma_half(y), yl = y - yh;
    vm_pair u = {x * y, 0.0};
    u.tail = ((xh * yh - u.head) + xh * yl + xl * yh) + xl * yl;
    vm_pair t = pair_sum_any(z, u.tail), v = pair_sum_any(u.head, t.head);
    return v.head + to_odd(pair_sum_any(t.tail, v.tail));
}

MG_INLINE double fma_f64_by_parts(double x, double y, double z)
{
    const double size = fabs(x * y), infinity = (double)INFINITY;
    if (size >= FMA_LEAST && size <= FMA_MOST && fabs(x) <= FMA_MOST &&
        fabs(y) <= FMA_MOST && fabs(z) <= FMA_MOST)
        return fma_by_pairs(x, y, z);
    if (x == 0.0 || y == 0.0 || !(fabs(x) < infinity && fabs(y) < infinity))
        return x * y + z;
    return fabs(z) < infinity ? fma_by_integers(x, y, z) : z;
}

/* ---- the operation ----------------------------------------------------------------- */

#if MG_FMA_IS_FAST
#define fma_f32 __builtin_fmaf
#define fma_f64 __builtin_fma
#else
#define fma_f32 fma_f32_by_parts
#define fma_f64 fma_f64_by_parts
#endif
#endif
