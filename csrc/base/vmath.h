/* vmath.h: exp, log, tanh, sin ... in plain IEEE double arithmetic, the same bits on
 * every machine, compiler and instruction set.
 *
 * No function of the C library, no fused multiply-add, no table and, sin, cos and tan of
 * |x| > 2^20 aside, no branch: a loop over any of these vectorises as it stands. Sums
 * that decide the last bit are kept as pairs of doubles, head + tail: measured errors are
 * below 0.9 units in the last place. A float32 function is the double one rounded to
 * float32, or the pair, by way of pair_to_odd(); SPEC.md says what that is worth.
 * Needs round-to-nearest, subnormals, and a compiler not told to break IEEE arithmetic.
 *
 * Sources: Dekker 1971 (doi:10.1007/BF01397083) for pairs; Cody and Waite 1980 and Payne
 * and Hanek 1983 for the reductions; the sums of log after Sun's fdlibm. Coefficients are
 * weighted least-squares fits of our own, at 600 bits, rounded one after the other.
 */
#ifndef MG_VMATH_H
#define MG_VMATH_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || \
    defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__) || \
    defined(__ASSOCIATIVE_MATH__)
#error "these functions are exact to the bit: build without -ffast-math and its parts"
#endif
#if FLT_EVAL_METHOD != 0
#error "doubles must be computed as doubles: not with x87 arithmetic"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#ifndef MG_INLINE
#if defined(__GNUC__)
#define MG_INLINE static inline __attribute__((always_inline))
#else
#define MG_INLINE static inline
#endif
#endif

/* ---- bits and pairs ---------------------------------------------------------------- */

/* x + ROUNDER is x rounded to an integer, which then lies in the low bits: |x| < 2^51. */
#define VM_ROUNDER 6755399441055744.0 /* 1.5 * 2^52 */
#define VM_LN2_HEAD 0.6931471803691238 /* 32 bits: times an int of 21 bits it is exact */
#define VM_LN2_TAIL 1.9082149292705877e-10
#define VM_LN2 0.6931471805599453
#define VM_LN2_26_HEAD 0.6931471675634384 /* 26 bits */
#define VM_LN2_26_TAIL 1.2996506893889889e-08
#define VM_LOG2_E 1.4426950408889634
#define VM_LOG2_E_26_HEAD 1.4426950216293335
#define VM_LOG2_E_26_TAIL 1.9259629911266175e-08
#define VM_TWO_THIRDS 0.6666666666666666
#define VM_TWO_THIRDS_HEAD 0.6666666567325592 /* 26 bits */
#define VM_TWO_THIRDS_TAIL 9.934107462565104e-09

/* The unevaluated sum head + tail. */
typedef struct vm_pair {
    double head, tail;
} vm_pair;

MG_INLINE uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

MG_INLINE double of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

MG_INLINE uint32_t bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

MG_INLINE float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Return x cut to 26 bits: the product of two such numbers is exact. */
MG_INLINE double cut(double x)
{
    return of_bits(bits_of(x) & 0xFFFFFFFFF8000000u);
}

/* Return x with its sign changed if y is negative. */
MG_INLINE double flip_sign(double x, double y)
{
    return of_bits(bits_of(x) ^ (bits_of(y) & 0x8000000000000000u));
}

/* Return a if the lowest bit is set, else b, with masks, which SSE2 has. */
MG_INLINE double choose_by(uint64_t bit, double a, double b)
{
    uint64_t mask = 0 - (bit & 1);
    return of_bits((bits_of(a) & mask) | (bits_of(b) & ~mask));
}

/* Return a + b exactly, for |a| >= |b| or a = 0. */
MG_INLINE vm_pair pair_sum(double a, double b)
{
    vm_pair y = {a + b, 0.0};
    y.tail = (a - y.head) + b;
    return y;
}

/* Return a + b exactly (Knuth). */
MG_INLINE vm_pair pair_sum_any(double a, double b)
{
    vm_pair y = {a + b, 0.0};
    double of_b = y.head - a;
    y.tail = (a - (y.head - of_b)) + (b - of_b);
    return y;
}

/* Return head + tail, where head is this sum rounded, rounded to a double whose last bit
 * is odd, unless it is exact: what rounding to a float afterwards cannot tell from the sum
 * itself. */
MG_INLINE double to_odd(vm_pair y)
{
    uint64_t bits = bits_of(y.head), even = (bits & 1) - 1;
    double up = of_bits(1), down = of_bits(~(uint64_t)0);
    double outward = flip_sign(y.tail, y.head);
    double step = outward > 0.0 ? up : outward < 0.0 ? down : 0.0; /* 1, -1, 0 as bits */
    return of_bits(bits + (bits_of(step) & even));
}

/* The same of any head and a smaller tail. */
MG_INLINE double pair_to_odd(vm_pair x)
{
    return to_odd(pair_sum(x.head, x.tail));
}

/* Return a * b, all but exactly. */
MG_INLINE vm_pair pair_product(double a, double b)
{
    double ah = cut(a), al = a - ah, bh = cut(b), bl = b - bh;
    vm_pair y = {a * b, 0.0};
    y.tail = ((ah * bh - y.head) + (ah * bl + al * bh)) + al * bl;
    return y;
}

/* Return a / b to about 2^-76: a head of 26 bits, and what is left of a. */
MG_INLINE vm_pair pair_quotient(vm_pair a, vm_pair b)
{
    double inverse = 1.0 / b.head, bh = cut(b.head), bl = b.head - bh;
    vm_pair y = {cut(a.head * inverse), 0.0};
    double rest = ((a.head - y.head * bh) - y.head * bl) + (a.tail - y.head * b.tail);
    y.tail = rest * inverse;
    return y;
}

/* Return the integer n of rounded = n + ROUNDER as 2^n, for -1023 < n < 1024. */
MG_INLINE double power_of_two(double rounded)
{
    return of_bits((bits_of(rounded) + 1023) << 52);
}

/* Return y 2^n of rounded = n + ROUNDER, rounded once, also where it is subnormal; for
 * |n| <= 2044. */
MG_INLINE double scale_by(double y, double rounded)
{
    double half = (rounded - VM_ROUNDER) * 0.5 + VM_ROUNDER;
    double rest = of_bits((bits_of(rounded) - bits_of(half) + 1023) << 52);
    return y * power_of_two(half) * rest;
}

/* ---- exp --------------------------------------------------------------------------- */

/* e^x = 2^n (1 + r + rest), n = rounded - ROUNDER, |r| < 0.347. */
typedef struct vm_exp_parts {
    double rounded, r, rest;
} vm_exp_parts;

/* (e^r - 1 - r - r^2 / 2) / r^3 for |r| <= log(2) / 2. */
MG_INLINE double exp_series(double r)
{
    double p = 2.0921730456963873e-09;
    p = p * r + 2.511269479755773e-08;
    p = p * r + 2.7557251920723784e-07;
    p = p * r + 2.755723277575239e-06;
    p = p * r + 2.480158734911909e-05;
    p = p * r + 0.00019841269898735205;
    p = p * r + 0.0013888888888873305;
    p = p * r + 0.008333333333315936;
    p = p * r + 0.041666666666666685;
    p = p * r + 0.16666666666666685;
    return p;
}
/* Return the parts of 2^n e^(a + b), |a| < 0.347, b far smaller. */
MG_INLINE vm_exp_parts exp_parts_of(double rounded, double a, double b)
{
    vm_pair r = pair_sum(a, b);
    double z = r.head * r.head, cubic = r.head * z * exp_series(r.head);
    double of_tail = r.tail + r.head * r.tail;
    return (vm_exp_parts){rounded, r.head, 0.5 * z + (cubic + of_tail)};
}

/* Return the parts of e^(x.head + x.tail), for |x| <= 800. */
MG_INLINE vm_exp_parts exp_reduce(vm_pair x)
{
    double rounded = x.head * VM_LOG2_E + VM_ROUNDER, n = rounded - VM_ROUNDER;
    return exp_parts_of(rounded, x.head - n * VM_LN2_HEAD, x.tail - n * VM_LN2_TAIL);
}

/* Return x, but no less than -bound and no more than bound. */
MG_INLINE double clamp_to(double x, double bound)
{
    return x > bound ? bound : x < -bound ? -bound : x;
}

/* Return 1 + r + rest, which is e^x 2^-n, as a pair. */
MG_INLINE vm_pair exp_mantissa(vm_exp_parts e)
{
    vm_pair y = pair_sum(1.0, e.r);
    return pair_sum(y.head, y.tail + e.rest);
}

/* Return e^x - 1 of n <= 0, that is of x <= 0, as a pair. */
MG_INLINE vm_pair exp_less_one(vm_exp_parts e)
{
    double power = power_of_two(e.rounded);
    vm_pair p = pair_sum(e.r, e.rest), q = pair_sum(-1.0, power);
    vm_pair y = pair_sum(q.head, power * p.head);
    y.tail = y.tail + (q.tail + power * p.tail);
    return y;
}

MG_INLINE double vm_exp(double x)
{
    vm_exp_parts e = exp_reduce((vm_pair){clamp_to(x, 800.0), 0.0});
    vm_pair y = exp_mantissa(e);
    return scale_by(y.head, e.rounded);
}

/* The range of a double is wide enough to scale at once. */
MG_INLINE float vm_exp_f32(float x)
{
    vm_exp_parts e = exp_reduce((vm_pair){clamp_to((double)x, 110.0), 0.0});
    vm_pair y = exp_mantissa(e);
    return (float)(y.head * power_of_two(e.rounded));
}

/* 2^x = 2^n e^((x - n) log 2); the product as a pair. */
MG_INLINE double vm_exp2(double x)
{
    x = clamp_to(x, 1100.0);
    double rounded = x + VM_ROUNDER, r = x - (rounded - VM_ROUNDER), high = cut(r);
    double tail = high * VM_LN2_26_TAIL + (r - high) * VM_LN2;
    vm_pair y = exp_mantissa(exp_parts_of(rounded, high * VM_LN2_26_HEAD, tail));
    return scale_by(y.head, rounded);
}

/* e^x - 1 = 2^n ((1 - 2^-n) + r + rest). */
MG_INLINE double vm_expm1(double x)
{
    double bounded = x > 800.0 ? 800.0 : x < -60.0 ? -60.0 : x;
    vm_exp_parts e = exp_reduce((vm_pair){bounded, 0.0});
    double power = of_bits((1023 - bits_of(e.rounded)) << 52);
    power = bounded > 100.0 ? 0.0 : power;
    vm_pair p = pair_sum(e.r, e.rest), q = pair_sum(1.0, -power);
    vm_pair y = pair_sum(q.head, p.head);
    double result = scale_by(y.head + (y.tail + (q.tail + p.tail)), e.rounded);
    return x == 0.0 ? x : result;
}

/* ---- sinh, cosh -------------------------------------------------------------------- */

/* (sinh x - x) / x^3, z = x^2 <= 1. */
MG_INLINE double sinh_series(double z)
{
    double p = 4.420998513320708e-15;
    p = p * z + 7.581135625977607e-13;
    p = p * z + 1.6060161067945112e-10;
    p = p * z + 2.5052098436572166e-08;
    p = p * z + 2.7557319273633615e-06;
    p = p * z + 0.0001984126984113355;
    p = p * z + 0.008333333333333519;
    p = p * z + 0.16666666666666666;
    return p;
}
/* With e^|x| = 2^n m: sinh |x| = 2^(n-1) (m - 2^-2n / m), cosh x the same with +. */
MG_INLINE double half_exp(double positive, double sign)
{
    vm_exp_parts e = exp_reduce((vm_pair){clamp_to(positive, 800.0), 0.0});
    vm_pair m = exp_mantissa(e);
    double power = of_bits((1023 - 2 * bits_of(e.rounded)) << 52);
    double inverse = positive > 30.0 ? 0.0 : power / m.head;
    return scale_by(m.head + (m.tail + sign * inverse), e.rounded - 1.0);
}

MG_INLINE double vm_sinh(double x)
{
    double positive = fabs(x), z = x * x, large = half_exp(positive, -1.0);
    double small = positive + positive * z * sinh_series(z);
    return flip_sign(positive < 1.0 ? small : large, x);
}

MG_INLINE double vm_cosh(double x)
{
    return half_exp(fabs(x), 1.0);
}

/* ---- tanh, sigmoid ----------------------------------------------------------------- */

/* tanh |x| = -t / (2 + t), t = e^(-2 |x|) - 1. */
MG_INLINE double vm_tanh(double x)
{
    double positive = fabs(x);
    positive = positive > 22.0 ? 22.0 : positive; /* where it rounds to 1 */
    vm_pair t = exp_less_one(exp_reduce((vm_pair){-2.0 * positive, 0.0}));
    vm_pair below = pair_sum(2.0, t.head);
    below.tail = below.tail + t.tail;
    vm_pair y = pair_quotient((vm_pair){-t.head, -t.tail}, below);
    return flip_sign(y.head + y.tail, x);
}

MG_INLINE float vm_tanh_f32(float x)
{
    return (float)vm_tanh((double)x);
}

/* 1 / (1 + E) for x >= 0 and E / (1 + E) for x < 0, E = e^-|x| = power * m. */
MG_INLINE double vm_sigmoid(double x)
{
    double negative = -fabs(x);
    negative = negative < -800.0 ? -800.0 : negative;
    vm_exp_parts e = exp_reduce((vm_pair){negative, 0.0});
    vm_pair m = exp_mantissa(e);
    double power = negative < -100.0 ? 0.0 : power_of_two(e.rounded);
    vm_pair below = pair_sum(1.0, power * m.head);
    below.tail = below.tail + power * m.tail;
    vm_pair above = {x < 0.0 ? m.head : 1.0, x < 0.0 ? m.tail : 0.0};
    vm_pair y = pair_quotient(above, below);
    return scale_by(y.head + y.tail, x < 0.0 ? e.rounded : VM_ROUNDER);
}

MG_INLINE float vm_sigmoid_f32(float x)
{
    double negative = -fabs((double)x);
    negative = negative < -110.0 ? -110.0 : negative;
    vm_exp_parts e = exp_reduce((vm_pair){negative, 0.0});
    vm_pair m = exp_mantissa(e);
    double power = power_of_two(e.rounded);
    m.head *= power;
    m.tail *= power;
    vm_pair below = pair_sum(1.0, m.head);
    below.tail = below.tail + m.tail;
    vm_pair above = {x < 0.0f ? m.head : 1.0, x < 0.0f ? m.tail : 0.0};
    return (float)pair_to_odd(pair_quotient(above, below));
}

/* ---- log --------------------------------------------------------------------------- */

/* x = 2^exponent (1 + f), with 1 + f in [sqrt(1/2), sqrt(2)). */
typedef struct vm_log_parts {
    double exponent, f;
} vm_log_parts;

/* (log((1 + s) / (1 - s)) - 2 s) / s^3, z = s^2 <= 0.02945. */
MG_INLINE double log_series(double z)
{
    double p = 0.13233844032059033;
    p = p * z + 0.1325226148066171;
    p = p * z + 0.15386983319262623;
    p = p * z + 0.18181778493170692;
    p = p * z + 0.2222222260513692;
    p = p * z + 0.2857142856942329;
    p = p * z + 0.4000000000000489;
    p = p * z + 0.6666666666666666;
    return p;
}
/* Split a finite x > 0 that is not subnormal. Exponents are moved by 1 + f = 1 at the bits
 * of sqrt(1/2), cut; a number of [0, 2^52) gets to be a double as the low bits of 2^52. */
MG_INLINE vm_log_parts log_split(double x)
{
    const uint64_t root = 0x3FE6A09E00000000u, one = 0x3FF0000000000000u;
    uint64_t bits = bits_of(x) + (one - root);
    double exponent = of_bits(0x4330000000000000u | bits >> 52) - (0x1p52 + 1023.0);
    double m = of_bits((bits & 0x000FFFFFFFFFFFFFu) + root);
    return (vm_log_parts){exponent, m - 1.0};
}

/* Split a finite x > 0. */
MG_INLINE vm_log_parts log_reduce(double x)
{
    vm_log_parts m = log_split(x < DBL_MIN ? x * 0x1p54 : x);
    m.exponent = m.exponent - (x < DBL_MIN ? 54.0 : 0.0);
    return m;
}

/* Return log(2^exponent (1 + f + tail)), |tail| far below |f|, or f = 0: with s = f / (2
 * + f), log(1 + f) = f - (h - s (h + s^2 series)), h = f^2 / 2. */
MG_INLINE vm_pair log_sum(double exponent, double f, double tail)
{
    double s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
    double less = half - s * (half + z * log_series(z));
    vm_pair y = pair_sum(exponent * VM_LN2_HEAD, f);
    y.tail = y.tail + ((exponent * VM_LN2_TAIL + tail) - less);
    return y;
}

/* Return y, the logarithm of x, or what it is at 0, below, at infinity and at NaN. */
MG_INLINE double log_special(double x, double y)
{
    y = x > 0.0 ? y : x == 0.0 ? -(double)INFINITY : (double)NAN;
    return x < (double)INFINITY ? y : x;
}

MG_INLINE double vm_log(double x)
{
    vm_log_parts m = log_reduce(x);
    vm_pair y = log_sum(m.exponent, m.f, 0.0);
    return log_special(x, y.head + y.tail);
}

MG_INLINE float vm_log_f32(float x)
{
    vm_log_parts m = log_reduce((double)x);
    return (float)log_special((double)x, pair_to_odd(log_sum(m.exponent, m.f, 0.0)));
}

/* ---- log1p, asinh, acosh, atanh, softplus ------------------------------------------ */

/* log(u.head + u.tail) = log(u.head) + u.tail / u.head; near 1 from f = u - 1 instead. */
MG_INLINE vm_pair log_of_pair(vm_pair u, vm_pair less_one)
{
    vm_log_parts m = log_reduce(u.head);
    double f = m.exponent == 0.0 ? less_one.head : m.f;
    double tail = m.exponent == 0.0 ? less_one.tail : u.tail;
    return log_sum(m.exponent, f, tail / u.head);
}

MG_INLINE double vm_log1p(double x)
{
    vm_pair u = pair_sum_any(1.0, x);
    vm_pair y = log_of_pair(u, (vm_pair){x, 0.0});
    double result = log_special(u.head, y.head + y.tail);
    return x == 0.0 ? x : result;
}

MG_INLINE float vm_log1p_f32(float x)
{
    vm_pair u = pair_sum_any(1.0, (double)x);
    vm_pair y = log_of_pair(u, (vm_pair){(double)x, 0.0});
    double result = log_special(u.head, pair_to_odd(y));
    return x == 0.0f ? x : (float)result;
}

/* Return sqrt(x.head + x.tail) of x >= 0. */
MG_INLINE vm_pair pair_sqrt(vm_pair x)
{
    double root = sqrt(x.head), high = cut(root);
    return pair_sum(high, ((x.head - high * high) + x.tail) / (root + high + DBL_MIN));
}

/* x^2 + sign of |x| < 2^30. */
MG_INLINE vm_pair square_and_one(double x, double sign)
{
    vm_pair z = pair_product(x, x), y = pair_sum_any(z.head, sign);
    return (vm_pair){y.head, y.tail + z.tail};
}

/* (asinh x - x) / x^3, z = x^2 <= 1/4. */
MG_INLINE double asinh_series(double z)
{
    double p = 0.001017673740867085;
    p = p * z - 0.0031335015694584807;
    p = p * z + 0.005296121767084712;
    p = p * z - 0.006949934439348639;
    p = p * z + 0.008307421458282845;
    p = p * z - 0.00974770263716955;
    p = p * z + 0.01155008663678764;
    p = p * z - 0.01396468949391333;
    p = p * z + 0.01735275445668138;
    p = p * z - 0.02237215864180499;
    p = p * z + 0.030381944430981512;
    p = p * z - 0.044642857142608836;
    p = p * z + 0.07499999999999755;
    p = p * z - 0.16666666666666666;
    return p;
}
/* asinh x = log(x + sqrt(x^2 + 1)), from 2^30 on log(x) + log(2), of x >= 0. */
MG_INLINE vm_pair asinh_sum(double positive)
{
    double z = positive * positive;
    double huge = positive > 0x1p30 ? 1.0 : 0.0;
    vm_pair root = pair_sqrt(square_and_one(clamp_to(positive, 0x1p30), 1.0));
    vm_pair u = pair_sum(root.head, positive);
    u.head = huge > 0.0 ? positive : u.head;
    u.tail = huge > 0.0 ? 0.0 : u.tail + root.tail;
    vm_log_parts m = log_reduce(u.head);
    vm_pair y = log_sum(m.exponent + huge, m.f, u.tail / u.head);
    double small = positive * z * asinh_series(z);
    return (vm_pair){positive < 0.5 ? positive : y.head, positive < 0.5 ? small : y.tail};
}

MG_INLINE double vm_asinh(double x)
{
    vm_pair y = asinh_sum(fabs(x));
    return fabs(x) < (double)INFINITY ? flip_sign(y.head + y.tail, x) : x;
}

MG_INLINE float vm_asinh_f32(float x)
{
    double result = flip_sign(pair_to_odd(asinh_sum(fabs((double)x))), (double)x);
    return fabsf(x) < INFINITY ? (float)result : x;
}

/* acosh x = log(x + sqrt(x^2 - 1)). */
MG_INLINE vm_pair acosh_sum(double x)
{
    double huge = x > 0x1p30 ? 1.0 : 0.0;
    vm_pair root = pair_sqrt(square_and_one(clamp_to(x, 0x1p30), -1.0));
    vm_pair u = pair_sum(x, root.head), f = pair_sum(root.head, x - 1.0);
    u.head = huge > 0.0 ? x : u.head;
    u.tail = huge > 0.0 ? 0.0 : u.tail + root.tail;
    vm_log_parts m = log_reduce(u.head);
    double near = m.exponent == 0.0 ? 1.0 : 0.0;
    double tail = near > 0.0 ? f.tail + root.tail : u.tail;
    return log_sum(m.exponent + huge, near > 0.0 ? f.head : m.f, tail / u.head);
}

MG_INLINE double vm_acosh(double x)
{
    vm_pair y = acosh_sum(x);
    return log_special(x >= 1.0 ? x : (double)NAN, y.head + y.tail);
}

MG_INLINE float vm_acosh_f32(float x)
{
    double result = pair_to_odd(acosh_sum((double)x));
    return (float)log_special(x >= 1.0f ? (double)x : (double)NAN, result);
}

/* atanh x = (e log 2) / 2 + atanh s, s = (a - b) / (a + b), a = 1 + x, b = 2^e (1 - x);
 * for e = 0, s = x. */
MG_INLINE double vm_atanh(double x)
{
    double positive = fabs(x), bounded = positive < 1.0 ? positive : 0.5;
    vm_pair a = pair_sum(1.0, bounded), b = pair_sum(1.0, -bounded);
    double exponent = log_reduce(a.head / b.head).exponent;
    double power = power_of_two(exponent + VM_ROUNDER);
    vm_pair above = {a.head - power * b.head, a.tail - power * b.tail};
    vm_pair below = pair_sum_any(a.head, power * b.head);
    below.tail = below.tail + (a.tail + power * b.tail);
    above.head = exponent == 0.0 ? 2.0 * bounded : above.head;
    above.tail = exponent == 0.0 ? 0.0 : above.tail;
    below.head = exponent == 0.0 ? 2.0 : below.head;
    below.tail = exponent == 0.0 ? 0.0 : below.tail;
    vm_pair s = pair_quotient(above, below);
    s = pair_sum(s.head, s.tail);
    double z = s.head * s.head;
    vm_pair y = pair_sum(0.5 * exponent * VM_LN2_HEAD, s.head);
    double tail = 0.5 * exponent * VM_LN2_TAIL + s.tail;
    double result = y.head + (y.tail + (tail + 0.5 * s.head * z * log_series(z)));
    result = positive < 1.0 ? result : positive == 1.0 ? (double)INFINITY : (double)NAN;
    return flip_sign(result, x);
}

/* log(1 + e^x) = max(x, 0) + log1p(E), E = e^-|x|; e^x below -60, x above 60. */
MG_INLINE double vm_softplus(double x)
{
    double negative = -fabs(x);
    vm_exp_parts e = exp_reduce((vm_pair){clamp_to(negative, 800.0), 0.0});
    vm_pair m = exp_mantissa(e);
    double power = negative < -100.0 ? 0.0 : power_of_two(e.rounded);
    vm_pair small = {power * m.head, power * m.tail}, u = pair_sum(1.0, small.head);
    u.tail = u.tail + small.tail;
    vm_pair y = log_of_pair(u, small);
    y = pair_sum(y.head, y.tail);
    vm_pair sum = pair_sum_any(x > 0.0 ? x : 0.0, y.head);
    double result = sum.head + (sum.tail + y.tail);
    return x > 60.0 ? x : x < -60.0 ? scale_by(m.head, e.rounded) : result;
}

/* ---- erf, gelu --------------------------------------------------------------------- */

#define VM_ERF_1 1.1283791670955126 /* 2 / sqrt(pi) */
#define VM_ERF_1_26_HEAD 1.1283791661262512
#define VM_ERF_1_26_TAIL 9.692613531930338e-10
#define VM_SQRT_2 1.4142135623730951
#define VM_SQRT_2_TAIL (-9.667293313452913e-17)
#define VM_K_0 0.769193049750063
#define VM_K_0_TAIL (-1.4111732346705386e-17)
#define VM_K_1 (-0.6653825028900568)
#define VM_K_2 0.495305615969976
#define VM_PHI_0 0.3989422804014327 /* 1 / sqrt(2 pi) */
#define VM_PHI_0_26_HEAD 0.3989422768354416
#define VM_PHI_0_26_TAIL 3.5659910885844774e-09

/* (K(u) - K_0 - K_1 u - K_2 u^2) / u^3, K of gauss_tail(), -0.755 <= u <= 0.781. */
MG_INLINE double tail_series(double u)
{
    double p = -1.2627949160663984e-09;
    p = p * u + 9.715352547163562e-10;
    p = p * u + 1.1113993333982987e-08;
    p = p * u - 6.780469592264461e-09;
    p = p * u - 7.056906159988971e-08;
    p = p * u + 3.8743867507577155e-08;
    p = p * u + 4.3661976150756224e-07;
    p = p * u - 3.338494355090718e-07;
    p = p * u - 2.7708773890793272e-06;
    p = p * u + 3.9795679196049604e-06;
    p = p * u + 1.668168843146123e-05;
    p = p * u - 4.976240591889907e-05;
    p = p * u - 5.9375817218943666e-05;
    p = p * u + 0.0005448989860470108;
    p = p * u - 0.0007978693880419833;
    p = p * u - 0.002993376761340314;
    p = p * u + 0.02079506679916661;
    p = p * u - 0.0691186387068996;
    p = p * u + 0.16502036617041074;
    p = p * u - 0.3135331566712871;
    return p;
}
/* (Phi x - 1/2 - x / sqrt(2 pi)) / x^3, z = x^2 <= 1. */
MG_INLINE double phi_series(double z)
{
    double p = 4.071079300014915e-12;
    p = p * z - 1.1062670490122953e-10;
    p = p * z + 2.2703777676180685e-09;
    p = p * z - 4.12240642669442e-08;
    p = p * z + 6.659679566447255e-07;
    p = p * z - 9.444655779180687e-06;
    p = p * z + 0.00011543468751287783;
    p = p * z - 0.0011873282154675135;
    p = p * z + 0.009973557010034995;
    p = p * z - 0.06649038006690543;
    return p;
}
/* (erf x - 2 x / sqrt(pi)) / x^3, z = x^2 <= 9/16. */
MG_INLINE double erf_series(double z)
{
    double p = -9.747140708754054e-10;
    p = p * z + 1.44920098795558e-08;
    p = p * z - 1.6344068290560517e-07;
    p = p * z + 1.6461237641664102e-06;
    p = p * z - 1.4925631492385068e-05;
    p = p * z + 0.00012055332889800746;
    p = p * z - 0.0008548327029006006;
    p = p * z + 0.00522397762558737;
    p = p * z - 0.026866170645146844;
    p = p * z + 0.11283791670955202;
    p = p * z - 0.37612638903183754;
    return p;
}
/* 2^n m, of which n = rounded - ROUNDER; to be rounded once, to a double or a float. */
typedef struct vm_scaled {
    vm_pair m;
    double rounded;
} vm_scaled;

/* Return the normal distribution's tail Phi(-z) of 0.7 <= z <= 40: v e^-half K(u), with
 * half = z^2 / 2, v = 1 / (z + 5), u = 1 - 10 v. K = (z + 5) e^half Phi(-z) goes from
 * 1.77 to 0.44; the first three terms of its series are pairs. */
MG_INLINE vm_scaled gauss_tail(vm_pair z, vm_pair half)
{
    vm_pair below = pair_sum_any(z.head, 5.0);
    below.tail = below.tail + z.tail;
    vm_pair v = pair_quotient((vm_pair){1.0, 0.0}, below);
    vm_pair u = pair_sum_any(1.0, -10.0 * v.head);
    u = pair_sum(u.head, u.tail - 10.0 * v.tail);
    vm_pair bend = pair_sum(VM_K_2, u.head * tail_series(u.head));
    vm_pair rise = pair_product(u.head, bend.head), slope = pair_sum(VM_K_1, rise.head);
    slope.tail = slope.tail + (rise.tail + (u.head * bend.tail + u.tail * bend.head));
    vm_pair k = pair_product(u.head, slope.head), k_sum = pair_sum(VM_K_0, k.head);
    double k_tail = k.tail + (u.head * slope.tail + u.tail * slope.head);
    k_sum.tail = k_sum.tail + (k_tail + VM_K_0_TAIL);
    vm_exp_parts e = exp_reduce((vm_pair){-half.head, -half.tail});
    vm_pair power = exp_mantissa(e), y = pair_product(power.head, k_sum.head);
    y.tail = y.tail + (power.head * k_sum.tail + power.tail * k_sum.head);
    y = pair_sum(y.head, y.tail);
    v = pair_sum(v.head, v.tail);
    vm_pair m = pair_product(y.head, v.head);
    m.tail = m.tail + (y.head * v.tail + y.tail * v.head);
    return (vm_scaled){m, e.rounded};
}

/* erf |x| = 1 - 2 Phi(-sqrt(2) |x|), and a series below
 * 0.71875. */
MG_INLINE double vm_erf(double x)
{
    double positive = fabs(x), z = x * x, unit = positive < 0x1p-900 ? 0x1p100 : 1.0;
    double large = positive * unit, high = cut(large); /* tails must not be subnormal */
    double tail = high * VM_ERF_1_26_TAIL + (large - high) * VM_ERF_1;
    tail = tail + large * z * erf_series(z);
    double small = (high * VM_ERF_1_26_HEAD + tail) * (1.0 / unit);
    double bounded = positive > 6.0 ? 6.0 : positive; /* where it rounds to 1 */
    vm_pair root = pair_product(VM_SQRT_2, bounded);
    root.tail = root.tail + VM_SQRT_2_TAIL * bounded;
    vm_scaled t = gauss_tail(root, pair_product(bounded, bounded));
    double power = -2.0 * power_of_two(t.rounded);
    vm_pair y = pair_sum(1.0, power * t.m.head);
    double far = y.head + (y.tail + power * t.m.tail);
    return flip_sign(positive < 0.71875 ? small : far, x);
}

/* Phi(x), |x| < 3/4. */
MG_INLINE vm_pair gauss_near(double x)
{
    double high = cut(x), z = x * x;
    vm_pair near = pair_sum(0.5, high * VM_PHI_0_26_HEAD);
    near.tail = near.tail + (high * VM_PHI_0_26_TAIL + (x - high) * VM_PHI_0 +
                             x * z * phi_series(z));
    return near;
}

/* |x| Phi(x), |x| <= 40: Phi is a series for |x| < 3/4, then 1 - the tail or the tail. */
MG_INLINE vm_scaled gelu_size(double x)
{
    double positive = fabs(x), bounded = positive > 40.0 ? 40.0 : positive;
    vm_pair near = gauss_near(x);
    vm_pair half = pair_product(0.5 * bounded, bounded);
    vm_scaled t = gauss_tail((vm_pair){bounded, 0.0}, half);
    double power = bounded > 12.0 ? 0.0 : -power_of_two(t.rounded);
    vm_pair far = pair_sum(1.0, power * t.m.head);
    far.tail = far.tail + power * t.m.tail;
    far.head = x < 0.0 ? t.m.head : far.head;
    far.tail = x < 0.0 ? t.m.tail : far.tail;
    int small = positive < 0.75;
    vm_pair y = pair_product(bounded, small ? near.head : far.head);
    y.tail = y.tail + bounded * (small ? near.tail : far.tail);
    return (vm_scaled){y, x < 0.0 && !small ? t.rounded : VM_ROUNDER};
}

MG_INLINE double vm_gelu(double x)
{
    vm_scaled y = gelu_size(x);
    return x > 40.0 ? x : flip_sign(scale_by(y.m.head + y.m.tail, y.rounded), x);
}

MG_INLINE float vm_gelu_f32(float x)
{
    vm_scaled y = gelu_size((double)x);
    double size = scale_by(pair_to_odd(y.m), y.rounded);
    return x > 40.0f ? x : (float)flip_sign(size, (double)x);
}

/* The slope of gelu, Phi(x) + x phi(x), phi the density. */
MG_INLINE double vm_gelu_slope(double x)
{
    double positive = fabs(x), bounded = positive > 40.0 ? 40.0 : positive;
    vm_pair near = gauss_near(x), half = pair_product(0.5 * bounded, bounded);
    vm_scaled t = gauss_tail((vm_pair){bounded, 0.0}, half);
    double power = exp_mantissa(exp_reduce((vm_pair){-half.head, -half.tail})).head;
    double rise = bounded * (VM_PHI_0 * power), unit = power_of_two(t.rounded);
    double small = near.head + (near.tail + x * (VM_PHI_0 * (unit * power)));
    double above = 1.0 + (bounded > 12.0 ? 0.0 : unit) * ((rise - t.m.head) - t.m.tail);
    double below = scale_by((t.m.head - rise) + t.m.tail, t.rounded);
    double far = x < 0.0 ? below : above;
    return positive < 0.75 ? small : far;
}

MG_INLINE float vm_gelu_slope_f32(float x)
{
    return (float)vm_gelu_slope((double)x);
}

/* ---- silu, gelu_tanh --------------------------------------------------------------- */

/* Return |x| sigmoid(t): |x| / (1 + E), or |x| E / (1 + E) for t < 0, with E = e^-|t| =
 * power * m. */
MG_INLINE vm_scaled times_sigmoid(double x, vm_pair t)
{
    int negative = t.head < 0.0;
    double positive = fabs(x) > 1000.0 ? 1000.0 : fabs(x);
    vm_pair bounded = {fabs(t.head), negative ? t.tail : -t.tail};
    bounded.tail = bounded.head > 800.0 ? 0.0 : bounded.tail;
    bounded.head = bounded.head > 800.0 ? -800.0 : -bounded.head;
    vm_exp_parts e = exp_reduce(bounded);
    vm_pair m = exp_mantissa(e);
    double power = bounded.head < -100.0 ? 0.0 : power_of_two(e.rounded);
    vm_pair below = pair_sum(1.0, power * m.head), above = pair_product(positive, m.head);
    below.tail = below.tail + power * m.tail;
    above.head = negative ? above.head : positive;
    above.tail = negative ? above.tail + positive * m.tail : 0.0;
    vm_pair y = pair_quotient(above, below);
    return (vm_scaled){y, negative ? e.rounded : VM_ROUNDER};
}

MG_INLINE double vm_silu(double x)
{
    vm_scaled y = times_sigmoid(x, (vm_pair){x, 0.0});
    return x > 800.0 ? x : flip_sign(scale_by(y.m.head + y.m.tail, y.rounded), x);
}

MG_INLINE float vm_silu_f32(float x)
{
    vm_scaled y = times_sigmoid((double)x, (vm_pair){(double)x, 0.0});
    double size = scale_by(pair_to_odd(y.m), y.rounded);
    return x > 800.0f ? x : (float)flip_sign(size, (double)x);
}

#define VM_GELU_1 1.5957691216057308 /* 2 sqrt(2 / pi) */
#define VM_GELU_1_TAIL (-9.96930880911092e-17)
#define VM_GELU_3 0.07135481627260025 /* 0.044715 of that */
#define VM_GELU_3_TAIL (-6.175149918155315e-19)

/* x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) = x sigmoid(twice that argument). */
MG_INLINE vm_scaled gelu_tanh_size(double x)
{
    double bounded = clamp_to(x, 30.0);
    vm_pair z = pair_product(bounded, bounded), cubic = pair_product(z.head, VM_GELU_3);
    cubic.tail = cubic.tail + (z.tail * VM_GELU_3 + z.head * VM_GELU_3_TAIL);
    vm_pair slope = pair_sum_any(VM_GELU_1, cubic.head);
    slope.tail = slope.tail + (cubic.tail + VM_GELU_1_TAIL);
    vm_pair t = pair_product(slope.head, bounded);
    t.tail = t.tail + slope.tail * bounded;
    return times_sigmoid(x, t);
}

MG_INLINE double vm_gelu_tanh(double x)
{
    vm_scaled y = gelu_tanh_size(x);
    return x > 800.0 ? x : flip_sign(scale_by(y.m.head + y.m.tail, y.rounded), x);
}

MG_INLINE float vm_gelu_tanh_f32(float x)
{
    vm_scaled y = gelu_tanh_size((double)x);
    double size = scale_by(pair_to_odd(y.m), y.rounded);
    return x > 800.0f ? x : (float)flip_sign(size, (double)x);
}

/* ---- log2, pow --------------------------------------------------------------------- */

/* ((log((1 + s) / (1 - s)) - 2 s) / s^3 - 2/3) / z, z = s^2 <= 0.02945. */
MG_INLINE double power_series(double z)
{
    double p = 0.13201435786623958;
    p = p * z + 0.1325622931617123;
    p = p * z + 0.15386784606660048;
    p = p * z + 0.18181783720347466;
    p = p * z + 0.22222222528126206;
    p = p * z + 0.2857142857004743;
    p = p * z + 0.40000000000002384;
    return p;
}
/* Return log(1 + f) to 2^-65: with s = f / (2 + f), 2 s + s z (2/3 + z series), z = s^2,
 * where every product but the series' is a pair. */
MG_INLINE vm_pair log_pair(double f)
{
    vm_pair s = pair_quotient((vm_pair){f, 0.0}, pair_sum(2.0, f));
    double near = s.head * s.head;
    vm_pair z = pair_sum(near, s.tail * (2.0 * s.head + s.tail));
    double zh = cut(z.head), zl = (z.head - zh) + z.tail;
    double third = zh * VM_TWO_THIRDS_HEAD; /* exact */
    double tail = zh * VM_TWO_THIRDS_TAIL + zl * VM_TWO_THIRDS;
    tail = tail + z.head * z.head * power_series(z.head);
    double sum = third + tail, high = cut(sum), low = (third - high) + tail;
    vm_pair y = pair_sum(2.0 * s.head, s.head * high);
    return pair_sum(y.head, y.tail + (2.0 * s.tail + (s.head * low + s.tail * sum)));
}

/* log2 x = exponent + log(1 + f) / log(2). */
MG_INLINE double vm_log2(double x)
{
    vm_log_parts m = log_reduce(x);
    vm_pair y = log_pair(m.f);
    double high = cut(y.head), low = (y.head - high) + y.tail;
    vm_pair sum = pair_sum(m.exponent, high * VM_LOG2_E_26_HEAD);
    double tail = high * VM_LOG2_E_26_TAIL + low * VM_LOG2_E;
    return log_special(x, sum.head + (sum.tail + tail));
}

/* Return 0 for an integer, what rounds it to one for another x. */
MG_INLINE double to_integer(double x)
{
    double positive = fabs(x), rest = ((positive + 0x1p52) - 0x1p52) - positive;
    return positive < 0x1p52 ? rest : 0.0;
}

/* Return |x|^y = e^(y log|x|), with 0 and infinity as limits. */
MG_INLINE double positive_power(double x, double y)
{
    vm_log_parts m = log_reduce(x);
    vm_pair f = log_pair(m.f), l = pair_sum(m.exponent * VM_LN2_HEAD, f.head);
    l = pair_sum(l.head, l.tail + (m.exponent * VM_LN2_TAIL + f.tail));
    vm_pair p = pair_product(l.head, y);
    p.tail = p.tail + l.tail * y;
    double log_x = log_special(x, l.head), product = log_x == 0.0 ? 0.0 : log_x * y;
    vm_pair bounded = {clamp_to(product, 800.0), 0.0};
    bounded.tail = fabs(product) < 800.0 ? p.tail : 0.0;
    bounded.tail = fabs(product) > 0x1p-100 ? bounded.tail : 0.0;
    vm_exp_parts e = exp_reduce(bounded);
    return scale_by(exp_mantissa(e).head, e.rounded);
}

/* x^y with the special cases of C99 F.9.4.4. */
MG_INLINE double vm_pow(double x, double y)
{
    double result = positive_power(fabs(x), y);
    double of_integer = to_integer(0.5 * y) == 0.0 ? result : flip_sign(result, x);
    double of_negative = x > -(double)INFINITY ? (double)NAN : result;
    result = to_integer(y) == 0.0 ? of_integer : x < 0.0 ? of_negative : result;
    result = y == y ? result : y;
    result = y == 0.0 ? 1.0 : result;
    return x == 1.0 ? 1.0 : result;
}

/* ---- sin, cos ---------------------------------------------------------------------- */

#define VM_TWO_OVER_PI 0.6366197723675814
/* pi / 2 in parts of 33, 33, 32 and 53 bits: the first three times n < 2^20 are exact. */
#define VM_HALF_PI_1 1.5707963267341256
#define VM_HALF_PI_2 6.077100506303966e-11
#define VM_HALF_PI_3 2.0222662487111665e-21
#define VM_HALF_PI_4 8.4784276603689e-32
/* Above, the scalar reduction: a kernel loops over the _near functions, and anew over the
 * others where vm_trig_is_far() says so of one of a block of inputs. */
#define VM_TRIG_NEAR 1048576.0

/* x = quadrant pi / 2 + a, |a| <= pi / 4; of quadrant the two low bits count. */
typedef struct vm_angle {
    uint64_t quadrant;
    vm_pair a;
} vm_angle;

/* (sin a - a) / a^3, z = a^2 <= (pi / 4)^2. */
MG_INLINE double sin_series(double z)
{
    double p = 1.589610345668541e-10;
    p = p * z - 2.5050745130519024e-08;
    p = p * z + 2.755731359989538e-06;
    p = p * z - 0.00019841269829504662;
    p = p * z + 0.00833333333332196;
    p = p * z - 0.1666666666666663;
    return p;
}
/* (cos a - 1 + z / 2) / z^2, z = a^2 <= (pi / 4)^2. */
MG_INLINE double cos_series(double z)
{
    double p = -1.1359034621562258e-11;
    p = p * z + 2.087571065372297e-09;
    p = p * z - 2.7557314252280614e-07;
    p = p * z + 2.4801587289103273e-05;
    p = p * z - 0.0013888888888873446;
    p = p * z + 0.041666666666666595;
    return p;
}
MG_INLINE int vm_trig_is_far(double x)
{
    return fabs(x) > VM_TRIG_NEAR;
}

/* Return the angle of 0 <= x <= TRIG_NEAR; NaN for infinity. Every difference is exact:
 * either its first term is the larger one, or the terms are so close that nothing is
 * lost. */
MG_INLINE vm_angle angle_near(double x)
{
    double rounded = x * VM_TWO_OVER_PI + VM_ROUNDER, n = rounded - VM_ROUNDER;
    vm_pair first = pair_sum(x - n * VM_HALF_PI_1, -(n * VM_HALF_PI_2));
    vm_pair second = pair_sum(first.head, -(n * VM_HALF_PI_3));
    double tail = second.tail + (first.tail - n * VM_HALF_PI_4);
    return (vm_angle){bits_of(rounded), pair_sum(second.head, tail)};
}

/* Return sin of |a| <= pi / 4 as a pair. */
MG_INLINE vm_pair sin_sum(vm_pair a)
{
    double z = a.head * a.head;
    double rest = a.head * z * sin_series(z) + (a.tail - 0.5 * z * a.tail);
    return (vm_pair){a.head, rest};
}

/* Return cos of |a| <= pi / 4 as a pair: 1 - a^2 / 2 of the first 26 bits exactly. */
MG_INLINE vm_pair cos_sum(vm_pair a)
{
    double z = a.head * a.head, high = cut(a.head), low = a.head - high;
    vm_pair y = pair_sum(1.0, -(0.5 * high * high));
    double less = 0.5 * (low * (a.head + high)) + a.head * a.tail;
    y.tail = y.tail + (z * z * cos_series(z) - less);
    return y;
}

/* Return the sine of an angle plus turn quarters of a circle. */
MG_INLINE double angle_sin(vm_angle x, uint64_t turn)
{
    uint64_t quadrant = x.quadrant + turn;
    vm_pair sine = sin_sum(x.a), cosine = cos_sum(x.a);
    double of_sine = sine.head + sine.tail, of_cosine = cosine.head + cosine.tail;
    double y = choose_by(quadrant, of_cosine, of_sine);
    return of_bits(bits_of(y) ^ (quadrant & 2) << 62);
}

/* Write the low 192 bits of m < 2^53 times the 192 bits of 2 / pi that start at bit
 * `first`, counted in the table, where 64 zeros precede it: product[0] is the highest. */
static inline void multiply_two_over_pi(uint64_t m, unsigned first, uint64_t product[3])
{
    static const uint64_t two_over_pi[20] = {
        0x0000000000000000, 0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041,
        0xFE5163ABDEBBC561, 0xB7246E3A424DD2E0, 0x06492EEA09D1921C, 0xFE1DEB1CB129A73E,
        0xE88235F52EBB4484, 0xE99C7026B45F7E41, 0x3991D639835339F4, 0x9C845F8BBDF9283B,
        0x1FF897FFDE05980F, 0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7, 0x4F463F669E5FEA2D,
        0x7527BAC7EBE5F17B, 0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB};
    uint64_t carry = 0;
    for (int i = 5; i >= 0; i--) { /* six digits of 32 bits, the lowest first */
        unsigned place = first + 32 * (unsigned)i, shift = place % 64;
        uint64_t word = two_over_pi[place / 64] << shift;
        if (shift > 32) word |= two_over_pi[place / 64 + 1] >> (64 - shift);
        uint64_t digit = word >> 32;
        uint64_t low = digit * (m & 0xFFFFFFFF) + (carry & 0xFFFFFFFF);
        uint64_t high = digit * (m >> 32) + (carry >> 32) + (low >> 32);
        product[i / 2] = i % 2 ? low & 0xFFFFFFFF : product[i / 2] | low << 32;
        carry = high;
    }
}

/* Return the angle of a finite x > TRIG_NEAR. With x = m 2^(e - 1075), the product's 192
 * bits are x 2 / pi modulo 4 in units of 2^-190: bits before weigh multiples of 4, bits
 * after move it by less than 2^-137, and no double comes nearer to a multiple of pi / 2
 * than 2^-62. */
static inline vm_angle angle_far(double x)
{
    uint64_t bits = bits_of(x), p[3];
    multiply_two_over_pi((bits & 0x000FFFFFFFFFFFFFu) | 0x0010000000000000u,
                         (unsigned)(bits >> 52) - 1013, p);
    uint64_t above = p[0] >> 61 & 1; /* round up from 1/2: then a is negative */
    vm_angle y = {(p[0] >> 62) + above, {0.0, 0.0}};
    for (int i = 0; i < 2; i++) { /* take the quadrant's bits off */
        p[0] = p[0] << 1 | p[1] >> 63;
        p[1] = p[1] << 1 | p[2] >> 63;
        p[2] = p[2] << 1;
    }
    if (above) {
        p[2] = ~p[2] + 1;
        p[1] = ~p[1] + (p[2] == 0);
        p[0] = ~p[0] + (p[2] == 0 && p[1] == 0);
    }
    uint64_t unit = 1023 - 53; /* the exponent of bit 11 of p[0] */
    for (; !(p[0] >> 63); unit--) {
        p[0] = p[0] << 1 | p[1] >> 63;
        p[1] = p[1] << 1 | p[2] >> 63;
        p[2] = p[2] << 1;
    }
    uint64_t next = (p[0] & 0x7FF) << 42 | p[1] >> 22;
    double head = (double)(p[0] >> 11) * of_bits(unit << 52);
    double tail = (double)next * of_bits((unit - 53) << 52);
    vm_pair a = pair_product(head, 1.5707963267948966);
    a.tail = a.tail + (head * 6.123233995736766e-17 + tail * 1.5707963267948966);
    a = pair_sum(a.head, a.tail);
    y.a = above ? (vm_pair){-a.head, -a.tail} : a;
    return y;
}

/* Return the angle of x >= 0; NaN for infinity. */
MG_INLINE vm_angle angle_any(double x)
{
    return vm_trig_is_far(x) && x < (double)INFINITY ? angle_far(x) : angle_near(x);
}

MG_INLINE double vm_sin_near(double x)
{
    return flip_sign(angle_sin(angle_near(fabs(x)), 0), x);
}

MG_INLINE double vm_cos_near(double x)
{
    return angle_sin(angle_near(fabs(x)), 1);
}

MG_INLINE double vm_sin(double x)
{
    return flip_sign(angle_sin(angle_any(fabs(x)), 0), x);
}

MG_INLINE double vm_cos(double x)
{
    return angle_sin(angle_any(fabs(x)), 1);
}

/* The only |x| whose sines and cosines are too near the middle of two floats for a double
 * to tell. */
MG_INLINE float sin_to_float(double y, float x)
{
    const float hard = 0x1.33333p+13f;
    return x == hard ? -0x1.63f4bap-2f : x == -hard ? 0x1.63f4bap-2f : (float)y;
}

MG_INLINE float vm_sin_f32(float x)
{
    return sin_to_float(vm_sin((double)x), x);
}

MG_INLINE float vm_cos_f32(float x)
{
    const float hard[2] = {0x1.3170fp+63f, 0x1.2b9622p+67f};
    float positive = fabsf(x), y = (float)vm_cos((double)x);
    y = positive == hard[0] ? 0x1.fe2976p-1f : y;
    return positive == hard[1] ? 0x1.f0285ep-1f : y;
}

/* sin / cos, or -cos / sin in the odd quadrants. */
MG_INLINE double angle_tan(vm_angle x)
{
    vm_pair sine = sin_sum(x.a), cosine = cos_sum(x.a);
    sine = pair_sum(sine.head, sine.tail);
    cosine = pair_sum(cosine.head, cosine.tail);
    vm_pair above = {choose_by(x.quadrant, -cosine.head, sine.head),
                     choose_by(x.quadrant, -cosine.tail, sine.tail)};
    vm_pair below = {choose_by(x.quadrant, sine.head, cosine.head),
                     choose_by(x.quadrant, sine.tail, cosine.tail)};
    vm_pair y = pair_quotient(above, below);
    return y.head + y.tail;
}

MG_INLINE double vm_tan_near(double x)
{
    return flip_sign(angle_tan(angle_near(fabs(x))), x);
}

MG_INLINE double vm_tan(double x)
{
    return flip_sign(angle_tan(angle_any(fabs(x))), x);
}

/* ---- asin, acos, atan -------------------------------------------------------------- */

#define VM_HALF_PI 1.5707963267948966
#define VM_HALF_PI_TAIL 6.123233995736766e-17

/* (asin t - t) / t^3, z = t^2 <= 1/4. */
MG_INLINE double asin_series(double z)
{
    double p = 0.03256583927490458;
    p = p * z - 0.020898809490814328;
    p = p * z + 0.021636856974466507;
    p = p * z + 0.0037352343200085705;
    p = p * z + 0.01077270078341017;
    p = p * z + 0.011400238094136402;
    p = p * z + 0.013980662389073067;
    p = p * z + 0.017351624732641444;
    p = p * z + 0.022372214318213676;
    p = p * z + 0.03038194272950777;
    p = p * z + 0.044642857174224136;
    p = p * z + 0.07499999999971095;
    p = p * z + 0.1666666666666676;
    return p;
}
/* (atan t - t) / t^3, z = t^2 <= (sqrt(2) - 1)^2. */
MG_INLINE double atan_series(double z)
{
    double p = 0.015126551834543669;
    p = p * z - 0.0334019034325203;
    p = p * z + 0.04500182523177715;
    p = p * z - 0.05217503660000628;
    p = p * z + 0.05876868325866567;
    p = p * z - 0.06666209393012931;
    p = p * z + 0.07692281439241962;
    p = p * z - 0.09090908077970258;
    p = p * z + 0.11111111086026483;
    p = p * z - 0.1428571428534646;
    p = p * z + 0.1999999999999725;
    p = p * z - 0.33333333333333326;
    return p;
}
/* What asin and acos share: |x| itself below 1/2; from there on s = sqrt((1 - |x|) / 2),
 * as acos |x| = 2 asin s. Returns asin of it as a pair. */
MG_INLINE vm_pair asin_sum(double positive)
{
    int small = positive < 0.5;
    double z = small ? positive * positive : 0.5 * (1.0 - positive);
    vm_pair root = pair_sqrt((vm_pair){z, 0.0});
    vm_pair s = {small ? positive : root.head, small ? 0.0 : root.tail};
    s.tail = s.tail + s.head * z * asin_series(z);
    return s;
}

MG_INLINE double vm_asin(double x)
{
    double positive = fabs(x);
    vm_pair s = asin_sum(positive), y = pair_sum(VM_HALF_PI, -2.0 * s.head);
    double large = y.head + (y.tail + (VM_HALF_PI_TAIL - 2.0 * s.tail));
    return flip_sign(positive < 0.5 ? s.head + s.tail : large, x);
}

/* pi / 2 - asin x; 2 asin s from 1/2 on; pi - 2 asin s below -1/2. */
MG_INLINE double vm_acos(double x)
{
    vm_pair s = asin_sum(fabs(x));
    double turns = fabs(x) < 0.5 ? 1.0 : x < 0.0 ? 2.0 : 0.0;
    double factor = fabs(x) < 0.5 ? (x < 0.0 ? 1.0 : -1.0) : x < 0.0 ? -2.0 : 2.0;
    vm_pair y = pair_sum(turns * VM_HALF_PI, factor * s.head);
    return y.head + (y.tail + (turns * VM_HALF_PI_TAIL + factor * s.tail));
}

/* With a = |x|: atan a, pi/4 + atan((a - 1) / (a + 1)) or pi/2 + atan(-1 / a), the last
 * two from tan(pi/8) and tan(3 pi/8) on. */
MG_INLINE double vm_atan(double x)
{
    double a = fabs(x);
    a = a > 0x1p60 ? 0x1p60 : a; /* where it rounds to pi / 2 */
    double eighths = a > 2.414213562373095 ? 2.0 : a > 0.41421356237309503 ? 1.0 : 0.0;
    vm_pair less = pair_sum(-1.0, a), more = pair_sum(1.0, a);
    vm_pair above = {eighths > 1.0 ? -1.0 : eighths > 0.0 ? less.head : a,
                     eighths == 1.0 ? less.tail : 0.0};
    vm_pair below = {eighths > 1.0 ? a : eighths > 0.0 ? more.head : 1.0,
                     eighths == 1.0 ? more.tail : 0.0};
    vm_pair t = pair_quotient(above, below);
    t = pair_sum(t.head, t.tail);
    double z = t.head * t.head;
    vm_pair y = pair_sum(eighths * 0.5 * VM_HALF_PI, t.head);
    double tail = eighths * 0.5 * VM_HALF_PI_TAIL + t.tail;
    return flip_sign(y.head + (y.tail + (tail + t.head * z * atan_series(z))), x);
}

/* ---- the float32 functions that are nothing but rounded ---------------------------- */

MG_INLINE float vm_exp2_f32(float x)
{
    return (float)vm_exp2((double)x);
}

MG_INLINE float vm_expm1_f32(float x)
{
    return (float)vm_expm1((double)x);
}

MG_INLINE float vm_log2_f32(float x)
{
    return (float)vm_log2((double)x);
}

MG_INLINE float vm_tan_f32(float x)
{
    return (float)vm_tan((double)x);
}

MG_INLINE float vm_asin_f32(float x)
{
    return (float)vm_asin((double)x);
}

MG_INLINE float vm_acos_f32(float x)
{
    return (float)vm_acos((double)x);
}

MG_INLINE float vm_atan_f32(float x)
{
    return (float)vm_atan((double)x);
}

MG_INLINE float vm_sinh_f32(float x)
{
    return (float)vm_sinh((double)x);
}

MG_INLINE float vm_cosh_f32(float x)
{
    return (float)vm_cosh((double)x);
}

MG_INLINE float vm_atanh_f32(float x)
{
    return (float)vm_atanh((double)x);
}

MG_INLINE float vm_softplus_f32(float x)
{
    return (float)vm_softplus((double)x);
}

MG_INLINE float vm_erf_f32(float x)
{
    return (float)vm_erf((double)x);
}

MG_INLINE float vm_pow_f32(float x, float y)
{
    return (float)vm_pow((double)x, (double)y);
}

#endif
