/* float.c: Python's float arithmetic: float.__pow__, true division and the functions of
 * the math module, with the conditions under which CPython raises instead of returning;
 * what is returned then is IEEE 754's infinity or NaN, for those who go on.
 *
 * The values are the C library's, as in CPython, so they are the same digits that Python
 * prints on the same machine, not the same on all machines; or, if the process has chosen
 * so, vmath.h's, which are. Source of the rules: the Python language reference and the C
 * standard's Annex F, observed on CPython 3.10 to 3.13. pow stays a call: x**2 is not x*x
 * in one of 1400 results (glibc 2.36). */
#include "numbers/numbers.h"
#include "base/vmath.h"

atomic_int math_in_use = MG_MATH_LIBRARY;

int mg_set_math(int which)
{
    MG_RETURN_IF(which != MG_MATH_LIBRARY && which != MG_MATH_PORTABLE, MG_ERR_ARG);
    atomic_store_explicit(&math_in_use, which, memory_order_relaxed);
    return MG_OK;
}

int mg_math(void)
{
    return atomic_load_explicit(&math_in_use, memory_order_relaxed);
}

/* f(x) of the functions in use. */
#define MATH(f, ...) \
    (MG_UNLIKELY(is_math_portable()) ? vm_##f(__VA_ARGS__) : f(__VA_ARGS__))

/* Note what Python would raise; the first error stays. */
static void note(int *status, int error)
{
    if (*status == MG_OK) *status = error;
}

static bool is_odd(double y)
{
    return fmod(fabs(y), 2.0) == 1.0;
}

/* x ** y where one of them is infinite and neither is NaN. */
static double pow_of_infinity(double x, double y)
{
    if (isinf(y)) {
        if (fabs(x) == 1.0) return 1.0;
        return (y > 0.0) == (fabs(x) > 1.0) ? fabs(y) : 0.0;
    }
    if (y > 0.0) return is_odd(y) ? x : fabs(x);
    return is_odd(y) ? copysign(0.0, x) : 0.0;
}

/* 0 ** y for finite y != 0. */
static double pow_of_zero(double x, double y, int *status)
{
    if (y < 0.0) {
        note(status, MG_ERR_ZERODIV);
        return is_odd(y) ? copysign(INFINITY, x) : INFINITY;
    }
    return is_odd(y) ? x : 0.0;
}

double float_pow(double x, double y, int *status)
{
    if (y == 0.0 || x == 1.0) return 1.0;
    if (isnan(x) || isnan(y)) return x + y;
    if (isinf(x) || isinf(y)) return pow_of_infinity(x, y);
    if (x == 0.0) return pow_of_zero(x, y, status);
    if (x < 0.0 && y != floor(y)) {
        note(status, MG_ERR_DOMAIN);
        return NAN;
    }
    double result = MATH(pow, fabs(x), y);
    if (isinf(result)) note(status, MG_ERR_OVERFLOW);
    return x < 0.0 && is_odd(y) ? -result : result;
}

double float_exp(double x, int *status)
{
    double y = MATH(exp, x);
    if (isinf(y) && !isinf(x)) note(status, MG_ERR_OVERFLOW);
    return y;
}

double float_expm1(double x, int *status)
{
    double y = MATH(expm1, x);
    if (isinf(y) && !isinf(x)) note(status, MG_ERR_OVERFLOW);
    return y;
}

double float_log(double x, int *status)
{
    if (x <= 0.0) note(status, MG_ERR_DOMAIN);
    return MATH(log, x);
}

double float_log1p(double x, int *status)
{
    if (x <= -1.0) note(status, MG_ERR_DOMAIN);
    return x == 0.0 ? x : MATH(log1p, x);
}

double float_sin(double x, int *status)
{
    if (isinf(x)) note(status, MG_ERR_DOMAIN);
    return MATH(sin, x);
}

double float_cos(double x, int *status)
{
    if (isinf(x)) note(status, MG_ERR_DOMAIN);
    return MATH(cos, x);
}

double float_tanh(double x)
{
    return MATH(tanh, x);
}

double float_erf(double x)
{
    return MATH(erf, x);
}

double float_sigmoid(double x)
{
    if (x >= 0.0) return 1.0 / (1.0 + MATH(exp, -x));
    double e = MATH(exp, x);
    return e / (1.0 + e);
}
