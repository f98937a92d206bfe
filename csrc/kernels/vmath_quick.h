/* vmath_quick.h: functions of float32 by shorter formulas than vmath.h's, with the same
 * results.
 *
 * quick_f(x, &doubt) computes f(x) in double but for a known error, rounds that to
 * float32, and says where another number as near would be rounded to another float: one
 * element in 2^14 at most, for which a kernel asks vmath.h. Everywhere else all that lies
 * within the error has the same float, vm_f_f32(x) too. So nothing here decides a bit,
 * and a port can leave it out. tests/csrc/vmath_check.c compares both for all 2^32
 * floats.
 *
 * Sums of products are fused where the set can: that is as near, and no result depends on
 * it.
 *
 * Coefficients are weighted least-squares fits of our own.
 */
#ifndef MG_VMATH_QUICK_H
#define MG_VMATH_QUICK_H

#include "base/vmath.h"


/* x * y + z, fused where the set has the instruction: results do not depend on it. */
MG_INLINE double quick_fma(double x, double y, double z)
{
#if defined(MG_HAS_FMA) || defined(__FMA__) || defined(__aarch64__)
    return __builtin_fma(x, y, z);
#else
    return x * y + z;
#endif
}

/* What the highest bits say: whether a result is in doubt, or the function is not known
 * there. Of two widths, so that loops mark vectors of doubles and of floats as they are:
 * the highest bit of a - b is that of a < b. */
typedef struct vm_doubt {
    uint64_t wide;
    uint32_t narrow;
} vm_doubt;

MG_INLINE int is_in_doubt(vm_doubt doubt)
{
    return doubt.wide >> 63 || doubt.narrow >> 31;
}

/* Return y, whose error is below 2^-bits of it, rounded to float32; in doubt where it is
 * that near to the middle of two floats, or its float is subnormal, or could be, and thus
 * has other middles. */
MG_INLINE float quick_round(double y, int bits, vm_doubt *doubt)
{
    const uint64_t middle = (uint64_t)1 << 28, below_float = 2 * middle - 1;
    const uint64_t error = (uint64_t)1 << (53 - bits); /* units of the last place */
    uint64_t from_middle = bits_of(y) + (middle + error);
    doubt->wide |= (from_middle & (below_float & ~(2 * error - 1))) - 1;
    float rounded = (float)y;
    uint32_t size = bits_of_float(rounded) & 0x7FFFFFFF;
    doubt->narrow |= (size - 0x00800001) & ~(size - 1);
    return rounded;
}

/* Return x, but no more than `most` and no less than -most; NaN is in doubt. With
 * integers: comparisons of x with constants would make compilers branch. */
MG_INLINE float quick_clamp(float x, float most, vm_doubt *doubt)
{
    uint32_t bits = bits_of_float(x), limit = bits_of_float(most);
    uint32_t size = bits & 0x7FFFFFFF, least = size < limit ? size : limit;
    doubt->narrow |= 0x7F800000 - size;
    return float_of_bits(least | (bits & 0x80000000));
}

/* ---- exp --------------------------------------------------------------------------- */

/* Beyond these e^x is no float32; e^(-x) and x e^x neither. */
#define VM_QUICK_MOST 110.0f

/* Return 2^n e^r, n = rounded - ROUNDER, |r| < 0.347. */
MG_INLINE double quick_exp_of(double rounded, double r)
{
    double p = 2.47277022675684e-05;
    p = quick_fma(p, r, 0.0001991547174128139);
    p = quick_fma(p, r, 0.0013889178097695487);
    p = quick_fma(p, r, 0.008333266956434684);
    p = quick_fma(p, r, 0.04166666421932684);
    p = quick_fma(p, r, 0.16666666885764794);
    p = quick_fma(p, r, 0.5000000000619766);
    p = quick_fma(p, r, 0.9999999999805872);
    p = quick_fma(p, r, 0.999999999999761);
    return of_bits(bits_of(p) + (bits_of(rounded) << 52));
}

/* Return e^x, |x| < 700. */
MG_INLINE double quick_exp_double(double x)
{
    double rounded = quick_fma(x, VM_LOG2_E, VM_ROUNDER), n = rounded - VM_ROUNDER;
    return quick_exp_of(rounded, quick_fma(-n, VM_LN2, x));
}

MG_INLINE float quick_exp(float x, vm_doubt *doubt)
{
    double bounded = (double)quick_clamp(x, VM_QUICK_MOST, doubt);
    return quick_round(quick_exp_double(bounded), 40, doubt);
}

MG_INLINE float quick_exp2(float x, vm_doubt *doubt)
{
    double bounded = (double)quick_clamp(x, 160.0f, doubt);
    double rounded = bounded + VM_ROUNDER, n = rounded - VM_ROUNDER;
    return quick_round(quick_exp_of(rounded, (bounded - n) * VM_LN2), 40, doubt);
}

/* Return e^x - 1 = 2^n (e^r - 1) + (2^n - 1), |x| < 700. */
MG_INLINE double quick_expm1_double(double x)
{
    double rounded = quick_fma(x, VM_LOG2_E, VM_ROUNDER), n = rounded - VM_ROUNDER;
    double r = quick_fma(-n, VM_LN2, x), power = power_of_two(rounded);
    double p = 2.755984439464048e-06;
    p = quick_fma(p, r, 2.4876119172247673e-05);
    p = quick_fma(p, r, 0.000198413656320458);
    p = quick_fma(p, r, 0.0013888821814456674);
    p = quick_fma(p, r, 0.008333333235944613);
    p = quick_fma(p, r, 0.041666666889887044);
    p = quick_fma(p, r, 0.16666666666930938);
    p = quick_fma(p, r, 0.49999999999799893);
    p = quick_fma(p, r, 0.9999999999999895);
    return quick_fma(power, r * p, power - 1.0);
}

MG_INLINE float quick_expm1(float x, vm_doubt *doubt)
{
    double y = quick_expm1_double((double)quick_clamp(x, VM_QUICK_MOST, doubt));
    return quick_round(copysign(y, (double)x), 43, doubt);
}

/* With t = e^|x| - 1: sinh |x| = (t + t / (1 + t)) / 2. */
MG_INLINE float quick_sinh(float x, vm_doubt *doubt)
{
    double size = fabs((double)quick_clamp(x, VM_QUICK_MOST, doubt));
    double t = quick_expm1_double(size), y = 0.5 * (t + t / (1.0 + t));
    return quick_round(copysign(y, (double)x), 42, doubt);
}

MG_INLINE float quick_cosh(float x, vm_doubt *doubt)
{
    double power = quick_exp_double((double)quick_clamp(x, VM_QUICK_MOST, doubt));
    return quick_round(0.5 * (power + 1.0 / power), 40, doubt);
}

/* ---- sigmoid, silu, gelu_tanh, tanh ------------------------------------------------ */

MG_INLINE float quick_sigmoid(float x, vm_doubt *doubt)
{
    float bounded = quick_clamp(x, VM_QUICK_MOST, doubt);
    return quick_round(1.0 / (1.0 + quick_exp_double(-(double)bounded)), 40, doubt);
}

MG_INLINE float quick_silu(float x, vm_doubt *doubt)
{
    float bounded = quick_clamp(x, VM_QUICK_MOST, doubt);
    double above = (double)(x > 0.0f ? x : bounded);
    return quick_round(above / (1.0 + quick_exp_double(-(double)bounded)), 40, doubt);
}

/* x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)). */
MG_INLINE float quick_gelu_tanh(float x, vm_doubt *doubt)
{
    float bounded = quick_clamp(x, 11.0f, doubt);
    double above = (double)(x > 0.0f ? x : bounded), t = (double)bounded;
    double slope = quick_fma(VM_GELU_3, t * t, VM_GELU_1);
    return quick_round(above / (1.0 + quick_exp_double(-(t * slope))), 40, doubt);
}

/* x P(x^2) / Q(x^2); from 9.05 on it rounds to 1. */
MG_INLINE float quick_tanh(float x, vm_doubt *doubt)
{
    double bounded = (double)quick_clamp(x, 9.05f, doubt), z = bounded * bounded;
    double p = 1.5387230774152598e-10, q = 1.6578058636771756e-12;
    p = quick_fma(p, z, 1.8705636962123153e-07);
    p = quick_fma(p, z, 5.2135835929819886e-05);
    p = quick_fma(p, z, 0.004768900458637295);
    p = quick_fma(p, z, 0.1434882037839966);
    p = quick_fma(p, z, 0.9999999999986875);
    q = quick_fma(q, z, 6.767134654176307e-09);
    q = quick_fma(q, z, 3.628634433391881e-06);
    q = quick_fma(q, z, 0.0005695446715710127);
    q = quick_fma(q, z, 0.030376079523284135);
    q = quick_fma(q, z, 0.4768215371021609);
    q = quick_fma(q, z, 1.0);
    return quick_round(bounded * p / q, 39, doubt);
}

/* ---- erf, gelu --------------------------------------------------------------------- */

/* x P(x^2) / Q(x^2); from 4 on it rounds to 1. */
MG_INLINE float quick_erf(float x, vm_doubt *doubt)
{
    double bounded = (double)quick_clamp(x, 4.0f, doubt), z = bounded * bounded;
    double p = -1.6129865687811038e-11, q = 1.4514208403737618e-07;
    p = quick_fma(p, z, 8.532214375556646e-09);
    p = quick_fma(p, z, 1.1489473022494978e-06);
    p = quick_fma(p, z, 2.382951029724575e-05);
    p = quick_fma(p, z, 0.0005514987740283096);
    p = quick_fma(p, z, 0.004870211538528766);
    p = quick_fma(p, z, 0.05835906029772976);
    p = quick_fma(p, z, 0.19431717609682295);
    p = quick_fma(p, z, 1.1283791670959784);
    q = quick_fma(q, z, 5.588420268582183e-06);
    q = quick_fma(q, z, 0.00012119284121258618);
    q = quick_fma(q, z, 0.0017555717489327184);
    q = quick_fma(q, z, 0.017649232509152363);
    q = quick_fma(q, z, 0.12023351928895998);
    q = quick_fma(q, z, 0.5055424468933437);
    q = quick_fma(q, z, 1.0);
    return quick_round(bounded * p / q, 41, doubt);
}

/* The normal distribution's tail Phi(-z) of 0 <= z <= 15 is v K(u) e^(-z^2 / 2), with
 * v = 1 / (z + 5), u = 1 - 10 v. Return v K(u). */
MG_INLINE double quick_tail(double z)
{
    double v = 1.0 / (z + 5.0), u = quick_fma(-10.0, v, 1.0), k = 6.6055769829717235e-06;
    k = quick_fma(k, u, 1.547139329265498e-05);
    k = quick_fma(k, u, -5.236209557668818e-05);
    k = quick_fma(k, u, -5.962751801398554e-05);
    k = quick_fma(k, u, 0.0005458534247501256);
    k = quick_fma(k, u, -0.0007976304251049274);
    k = quick_fma(k, u, -0.002993547890200163);
    k = quick_fma(k, u, 0.020795016411947646);
    k = quick_fma(k, u, -0.06911862296910724);
    k = quick_fma(k, u, 0.1650203703486185);
    k = quick_fma(k, u, -0.31353315735063364);
    k = quick_fma(k, u, 0.49530561585194627);
    k = quick_fma(k, u, -0.6653825028807326);
    k = quick_fma(k, u, 0.769193049750554);
    return v * k;
}

/* x Phi(x). */
MG_INLINE float quick_gelu(float x, vm_doubt *doubt)
{
    float bounded = quick_clamp(x, 15.0f, doubt);
    double above = (double)(x > 0.0f ? x : bounded), z = fabs((double)bounded);
    double tail = quick_exp_double(-0.5 * (z * z)) * quick_tail(z);
    return quick_round(above * (x < 0.0f ? tail : 1.0 - tail), 39, doubt);
}

/* Most elements lie within 3.5, where one series in x^2 serves: brief forms, which are in
 * doubt elsewhere. t goes from -1 to 1. */
#define VM_BRIEF_MOST 3.5f
#define VM_BRIEF_SCALE 0.16326530612244897 /* 2 / 3.5^2 */

/* (Phi(x) - 1/2) / x. */
MG_INLINE double gelu_series(double t)
{
    double w = t * t, p = 5.843248799332134e-11, q = -8.771657787330506e-12;
    p = quick_fma(p, w, 1.943539880564615e-09);
    q = quick_fma(q, w, -3.26901188599876e-10);
    p = quick_fma(p, w, 5.852669551441019e-08);
    q = quick_fma(q, w, -1.1020218679864919e-08);
    p = quick_fma(p, w, 1.3641968812136448e-06);
    q = quick_fma(q, w, -2.9200485105423974e-07);
    p = quick_fma(p, w, 2.3992216578961023e-05);
    q = quick_fma(q, w, -5.940383085645029e-06);
    p = quick_fma(p, w, 0.00030527249356101903);
    q = quick_fma(q, w, -8.938351499188997e-05);
    p = quick_fma(p, w, 0.00266683653797256);
    q = quick_fma(q, w, -0.0009492067563140493);
    p = quick_fma(p, w, 0.015062175128468849);
    q = quick_fma(q, w, -0.006717213363443999);
    p = quick_fma(p, w, 0.05346899793765289);
    q = quick_fma(q, w, -0.02997425356200475);
    p = quick_fma(p, w, 0.1993377798639279);
    q = quick_fma(q, w, -0.0903395005571385);
    return quick_fma(q, t, p);
}

/* (Phi(x) - 1/2) / x + phi(x), phi the density. */
MG_INLINE double gelu_slope_series(double t)
{
    double w = t * t, p = 4.6184676726798316e-11, q = -3.0529643322976133e-10;
    p = quick_fma(p, w, 1.6782387928507946e-09);
    q = quick_fma(q, w, -9.870281935982274e-09);
    p = quick_fma(p, w, 5.536272330976438e-08);
    q = quick_fma(q, w, -2.9006500088613344e-07);
    p = quick_fma(p, w, 1.4247823359343918e-06);
    q = quick_fma(q, w, -6.537789349643781e-06);
    p = quick_fma(p, w, 2.7877246509382467e-05);
    q = quick_fma(q, w, -0.00010982822396991546);
    p = quick_fma(p, w, 0.00039714024243698686);
    q = quick_fma(q, w, -0.0013078260583116595);
    p = quick_fma(p, w, 0.003886001634923225);
    q = quick_fma(q, w, -0.010302948184691347);
    p = quick_fma(p, w, 0.024046816940746743);
    q = quick_fma(q, w, -0.04860452190789887);
    p = quick_fma(p, w, 0.08344961765038632);
    q = quick_fma(q, w, -0.11929662746816996);
    p = quick_fma(p, w, 0.14096846625388634);
    q = quick_fma(q, w, -0.1474820104779442);
    p = quick_fma(p, w, 0.21799655861357878);
    return quick_fma(q, t, p);
}

/* Nor is it known of subnormal numbers, half of which lies between two floats. */
MG_INLINE void brief_known(float x, vm_doubt *doubt)
{
    uint32_t size = bits_of_float(x) & 0x7FFFFFFF;
    doubt->narrow |= bits_of_float(VM_BRIEF_MOST) - size;
    doubt->narrow |= (size - 0x00800000) & ~(size - 1);
}

MG_INLINE float brief_gelu(float of_x, vm_doubt *doubt)
{
    double x = (double)of_x, t = quick_fma(x * x, VM_BRIEF_SCALE, -1.0);
    brief_known(of_x, doubt);
    return quick_round(x * quick_fma(x, gelu_series(t), 0.5), 39, doubt);
}

/* Phi(x) + x phi(x) within 3.5. It is 0 near -0.75, where its error is not small beside
 * it. */
MG_INLINE double gelu_slope_near(double x, vm_doubt *doubt)
{
    double t = quick_fma(x * x, VM_BRIEF_SCALE, -1.0);
    double y = quick_fma(x, gelu_slope_series(t), 0.5);
    doubt->wide |= (bits_of(y) & 0x7FFFFFFFFFFFFFFFu) - bits_of(0x1p-13);
    return y;
}

MG_INLINE float brief_gelu_slope(float x, vm_doubt *doubt)
{
    brief_known(x, doubt);
    return quick_round(gelu_slope_near((double)x, doubt), 38, doubt);
}

MG_INLINE float quick_gelu_slope(float of_x, vm_doubt *doubt)
{
    vm_doubt of_near = {0, 0};
    double x = (double)quick_clamp(of_x, 15.0f, doubt), z = fabs(x);
    double near = gelu_slope_near(x, &of_near), power = quick_exp_double(-0.5 * (z * z));
    double tail = power * quick_tail(z), rise = z * (VM_PHI_0 * power);
    double far = x < 0.0 ? tail - rise : 1.0 - (tail - rise);
    uint64_t is_near = bits_of(z) - bits_of((double)VM_BRIEF_MOST);
    doubt->wide |= of_near.wide & is_near;
    return quick_round(is_near >> 63 ? near : far, 38, doubt);
}

/* ---- log, log2, log1p, softplus, pow ----------------------------------------------- */

/* Return log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)). */
MG_INLINE double quick_log_near(double f)
{
    double s = f / (2.0 + f), z = s * s, p = 0.19609667437051942;
    p = quick_fma(p, z, 0.22174139001310425);
    p = quick_fma(p, z, 0.28572168879820803);
    p = quick_fma(p, z, 0.3999999486438144);
    p = quick_fma(p, z, 0.666666666796755);
    p = quick_fma(p, z, 1.9999999999999467);
    return s * p;
}

/* The logarithms are not known of 0, negative numbers, infinity and NaN. */
MG_INLINE void quick_log_known(float x, vm_doubt *doubt)
{
    uint32_t bits = bits_of_float(x);
    doubt->narrow |= bits | (bits - 1) | (0x7F7FFFFF - bits);
}

MG_INLINE float quick_log(float x, vm_doubt *doubt)
{
    vm_log_parts m = log_split((double)x);
    quick_log_known(x, doubt);
    return quick_round(quick_fma(m.exponent, VM_LN2, quick_log_near(m.f)), 45, doubt);
}

MG_INLINE float quick_log2(float x, vm_doubt *doubt)
{
    vm_log_parts m = log_split((double)x);
    quick_log_known(x, doubt);
    return quick_round(quick_fma(quick_log_near(m.f), VM_LOG2_E, m.exponent), 45, doubt);
}

MG_INLINE float quick_log1p(float x, vm_doubt *doubt)
{
    double u = 1.0 + (double)x;
    vm_log_parts m = log_split(u);
    double near = quick_log_near(m.exponent == 0.0 ? (double)x : m.f);
    quick_log_known(x + 1.0f, doubt);
    double y = quick_fma(m.exponent, VM_LN2, near);
    return quick_round(copysign(y, (double)x), 45, doubt);
}

/* max(x, 0) + log(1 + E), E = e^-|x|, the logarithm as 2 atanh(E / (2 + E)). */
MG_INLINE float quick_softplus(float x, vm_doubt *doubt)
{
    float bounded = quick_clamp(x, VM_QUICK_MOST, doubt);
    double small = quick_exp_double(-fabs((double)bounded));
    double s = small / (2.0 + small), z = s * s;
    double p = 0.20084350998846603;
    p = quick_fma(p, z, 0.14064461608171067);
    p = quick_fma(p, z, 0.1831100570409407);
    p = quick_fma(p, z, 0.22215327304483176);
    p = quick_fma(p, z, 0.2857162686115343);
    p = quick_fma(p, z, 0.39999997211777);
    p = quick_fma(p, z, 0.666666666815636);
    p = quick_fma(p, z, 1.9999999999998697);
    return quick_round(quick_fma(s, p, (double)(x > 0.0f ? x : 0.0f)), 40, doubt);
}

/* e^(y log x) of x > 0 where that is a float32 and not subnormal; the logarithm is as
 * good as a double can hold. */
MG_INLINE float quick_pow(float x, float y, vm_doubt *doubt)
{
    vm_log_parts m = log_split((double)x);
    double s = m.f / (2.0 + m.f), z = s * s, p = 0.1481115702462001;
    p = quick_fma(p, z, 0.15312384094757697);
    p = quick_fma(p, z, 0.18183637308632877);
    p = quick_fma(p, z, 0.22222196947822273);
    p = quick_fma(p, z, 0.2857142876172184);
    p = quick_fma(p, z, 0.3999999999929724);
    p = quick_fma(p, z, 0.6666666666666765);
    p = quick_fma(p, z, 2.0);
    quick_log_known(x, doubt);
    double product = (double)y * quick_fma(m.exponent, VM_LN2, s * p);
    doubt->wide |= bits_of(87.0) - (bits_of(product) & 0x7FFFFFFFFFFFFFFFu);
    return quick_round(quick_exp_double(product), 40, doubt);
}

/* ---- sin, cos, tan ----------------------------------------------------------------- */

#define VM_ONE_OVER_PI 0.3183098861837907
#define VM_PI_1 3.1415926535846666 /* 36 bits */
#define VM_PI_2 5.126688303189038e-12
#define VM_QUARTER_1 1.5707963267923333 /* the same of pi / 2 */
#define VM_QUARTER_2 2.563344151594519e-12
#define VM_QUICK_NEAR 131072.0f /* up to here n VM_PI_1 is exact */

/* The angle is not known from there on. */
MG_INLINE void quick_near(float x, vm_doubt *doubt)
{
    doubt->narrow |= bits_of_float(VM_QUICK_NEAR) - (bits_of_float(x) & 0x7FFFFFFF);
}

/* Return (-1)^n sin(x - n pi) of n = rounded - ROUNDER - half, |x - n pi| < 1.571. */
MG_INLINE double quick_sin_of(float of_x, double rounded, double half, vm_doubt *doubt)
{
    quick_near(of_x, doubt);
    double x = (double)of_x;
    double n = rounded - VM_ROUNDER - half, near = quick_fma(-n, VM_PI_1, x);
    double r = quick_fma(-n, VM_PI_2, near), z = r * r, p = 1.5401190237582987e-10;
    p = quick_fma(p, z, -2.502951725736389e-08);
    p = quick_fma(p, z, 2.755693177191613e-06);
    p = quick_fma(p, z, -0.0001984126640775563);
    p = quick_fma(p, z, 0.008333333318727492);
    p = quick_fma(p, z, -0.16666666666430988);
    p = quick_fma(p, z, 0.9999999999999367);
    return of_bits(bits_of(r * p) ^ bits_of(rounded) << 63);
}

MG_INLINE float quick_sin(float x, vm_doubt *doubt)
{
    double turns = (double)x * VM_ONE_OVER_PI;
    return quick_round(quick_sin_of(x, turns + VM_ROUNDER, 0.0, doubt), 43, doubt);
}

/* cos x = sin(x + pi / 2). */
MG_INLINE float quick_cos(float x, vm_doubt *doubt)
{
    double turns = quick_fma((double)x, VM_ONE_OVER_PI, 0.5);
    return quick_round(quick_sin_of(x, turns + VM_ROUNDER, 0.5, doubt), 43, doubt);
}

/* r P(r^2) / Q(r^2) of r = x - n pi / 2, |r| < 0.786; -Q / (r P) for odd n. */
MG_INLINE float quick_tan(float of_x, vm_doubt *doubt)
{
    quick_near(of_x, doubt);
    double x = (double)of_x, rounded = quick_fma(x, VM_TWO_OVER_PI, VM_ROUNDER);
    double n = rounded - VM_ROUNDER, near = quick_fma(-n, VM_QUARTER_1, x);
    double r = quick_fma(-n, VM_QUARTER_2, near), z = r * r;
    double p = 0.0020328497796764508, q = -9.747493647515756e-05;
    p = quick_fma(p, z, -0.12134448383691775);
    p = quick_fma(p, z, 0.999999999999976) * r;
    q = quick_fma(q, z, 0.02025878888364017);
    q = quick_fma(q, z, -0.45467781717286704);
    q = quick_fma(q, z, 1.0);
    uint64_t odd = bits_of(rounded);
    return quick_round(choose_by(odd, -q, p) / choose_by(odd, p, q), 43, doubt);
}

/* ---- atan -------------------------------------------------------------------------- */

/* t P(t^2) of t = |x|, or pi / 2 + that of t = -1 / |x|. */
MG_INLINE float quick_atan(float x, vm_doubt *doubt)
{
    double size = fabs((double)x), inverse = -1.0 / size;
    double t = size > 1.0 ? inverse : size, z = t * t;
    double p = 0.00017601903964725854;
    p = quick_fma(p, z, -0.0015057239504874416);
    p = quick_fma(p, z, 0.006058916833203827);
    p = quick_fma(p, z, -0.01545895441518342);
    p = quick_fma(p, z, 0.028684376791576125);
    p = quick_fma(p, z, -0.04255195192284104);
    p = quick_fma(p, z, 0.05471490082203813);
    p = quick_fma(p, z, -0.06541671355030436);
    p = quick_fma(p, z, 0.07664735863318588);
    p = quick_fma(p, z, -0.09086663745080634);
    p = quick_fma(p, z, 0.11110679000458779);
    p = quick_fma(p, z, -0.14285687549056134);
    p = quick_fma(p, z, 0.199999991274112);
    p = quick_fma(p, z, -0.33333333322028563);
    p = quick_fma(p, z, 0.9999999999997558);
    double y = quick_fma(t, p, size > 1.0 ? VM_HALF_PI : 0.0);
    return quick_round(copysign(y, (double)x), 41, doubt);
}

#endif
