/* rng.c: xorshift64* and what is drawn from it, in plain IEEE arithmetic and no C library
 * function that may differ between machines: a seed means the same numbers for ever. */
#include "base/base.h"
#include "base/mode.h"

int mg_rng_seed(mg_rng *rng, uint64_t seed)
{
    MG_RETURN_IF(seed == 0, MG_ERR_ARG);
    rng->state = seed;
    rng->spare = 0.0;
    rng->has_spare = 0;
    return MG_OK;
}

uint32_t mg_rng_u32(mg_rng *rng)
{
    rng->state ^= rng->state >> 12;
    rng->state ^= rng->state << 25;
    rng->state ^= rng->state >> 27;
    return (uint32_t)(rng->state * 0x2545F4914F6CDD1Du >> 32);
}

double mg_rng_random(mg_rng *rng)
{
    return (double)(mg_rng_u32(rng) >> 8) / 16777216.0;
}

MG_NOINLINE double rng_uniform(mg_rng *rng, double a, double b)
{
    return a + (b - a) * mg_rng_random(rng);
}

double mg_rng_uniform(mg_rng *rng, double a, double b)
{
    const uint64_t mode = mode_enter();
    double number = rng_uniform(rng, a, b);
    mode_leave(mode);
    return number;
}

/* Return log(x) of a normal x > 0 to about an ulp: x = m 2^e with m in [sqrt 1/2, sqrt
 * 2), log m = 2 atanh f = 2 f (1 + f^2/3 + f^4/5 + ... + f^22/23), f = (m - 1) / (m + 1).
 * ln 2 is split in two so that e times the first part is exact. */
static double portable_log(double x)
{
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.7071067811865476) {
        m *= 2.0;
        exponent -= 1;
    }
    double f = (m - 1.0) / (m + 1.0);
    double z = f * f;
    double p = 1.0 / 23.0;
    for (int denominator = 21; denominator >= 3; denominator -= 2)
        p = p * z + 1.0 / (double)denominator;
    double series = 2.0 * f + 2.0 * f * (z * p);
    double e = (double)exponent;
    return e * 0.693147180369123816490 + (e * 1.90821492927058770002e-10 + series);
}

MG_NOINLINE double rng_normal(mg_rng *rng, double mean, double deviation)
{
    if (rng->has_spare) {
        rng->has_spare = 0;
        return mean + deviation * rng->spare;
    }
    double u, v, s;
    do {
        u = 2.0 * mg_rng_random(rng) - 1.0;
        v = 2.0 * mg_rng_random(rng) - 1.0;
        s = u * u + v * v;
    } while (s >= 1.0 || s == 0.0);
    double factor = sqrt(-2.0 * portable_log(s) / s);
    rng->spare = v * factor;
    rng->has_spare = 1;
    return mean + deviation * (u * factor);
}

double mg_rng_normal(mg_rng *rng, double mean, double deviation)
{
    const uint64_t mode = mode_enter();
    double number = rng_normal(rng, mean, deviation);
    mode_leave(mode);
    return number;
}

int mg_rng_permutation(mg_rng *rng, int64_t n, int64_t *out)
{
    MG_RETURN_IF(n < 0 || n > (int64_t)1 << 32, MG_ERR_ARG);
    const mg_rng before = *rng;
    for (int64_t i = 0; i < n; i++) out[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        if (!work_steps(i, 1 << 16)) break;
        int64_t j = (int64_t)((uint64_t)mg_rng_u32(rng) % (uint64_t)(i + 1));
        int64_t swapped = out[i];
        out[i] = out[j];
        out[j] = swapped;
    }
    int status = work_status(MG_OK);
    if (status < 0) *rng = before;
    return status;
}
