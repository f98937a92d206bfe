/* floats.inc.c: the arithmetic of T, float or double, that formulas ask for beyond
 * vmath.h. Everything vectorises. */

MG_INLINE T OF(add)(T x, T y)
{
    return x + y;
}

MG_INLINE T OF(sub)(T x, T y)
{
    return x - y;
}

MG_INLINE T OF(mul)(T x, T y)
{
    return x * y;
}

MG_INLINE T OF(neg)(T x)
{
    return -x;
}

MG_INLINE T OF(magnitude)(T x)
{
    return C(fabs)(x);
}

/* -0 and NaN stay. */
MG_INLINE T OF(relu)(T x)
{
    return x < 0 ? 0 : x;
}

MG_INLINE T OF(sign)(T x)
{
    return x > 0 ? (T)1 : x < 0 ? (T)-1 : (T)0;
}

MG_INLINE bool OF(is_nan)(T x)
{
    return x != x;
}

MG_INLINE T OF(choice)(bool first, T x, T y)
{
    return first ? x : y;
}

/* m is not NaN. */
MG_INLINE T OF(masked)(T m, T x)
{
    T product = m * x;
    return m == 0 ? 0 : product;
}

/* Write down x; the result stands for one that is not known yet. */
MG_INLINE T OF(written)(T *place, T x)
{
    *place = x;
    return 0;
}

/* NaN wins; of equals, which may be 0 and -0, x. The form is that of x86's maximum. */
MG_INLINE T OF(larger)(T x, T y)
{
    T number = x < y ? y : x;
    return y != y ? y : number;
}

MG_INLINE T OF(smaller)(T x, T y)
{
    T number = y < x ? y : x;
    return y != y ? y : number;
}

/* Return 2^-k, 2^k <= x < 2^(k+1); k is at least -MOST_EXPONENT and at most that. */
MG_INLINE T OF(inverse_power)(T x)
{
    int64_t k = (int64_t)(bits_of((double)x) >> 52) - 1023;
    k = k < -MOST_EXPONENT ? -MOST_EXPONENT : k > MOST_EXPONENT ? MOST_EXPONENT : k;
    return (T)of_bits((uint64_t)(1023 - k) << 52);
}

/* ---- to integers ------------------------------------------------------------------- */

/* Adding 1 / EPSILON rounds to one, ties to even; from there on all are. */
MG_INLINE T OF(round_size)(T size)
{
    return size < 1 / EPSILON ? (size + 1 / EPSILON) - 1 / EPSILON : size;
}

MG_INLINE T OF(round)(T x)
{
    return C(copysign)(OF(round_size)(C(fabs)(x)), x);
}

MG_INLINE T OF(floor)(T x)
{
    T y = OF(round)(x);
    return y > x ? y - 1 : y;
}

MG_INLINE T OF(ceil)(T x)
{
    T y = OF(round)(x);
    return C(copysign)(y < x ? y + 1 : y, x);
}

MG_INLINE T OF(trunc)(T x)
{
    T size = C(fabs)(x), y = OF(round_size)(size);
    return C(copysign)(y > size ? y - 1 : y, x);
}

/* ---- // and % ---------------------------------------------------------------------- */

/* Python's floor division of floats, from `rest`, the exact rest of x / y with x's
 * sign. */
MG_INLINE T OF(quotient_of)(T x, T y, T rest)
{
    bool turn = (rest != 0) & ((y < 0) != (rest < 0));
    T quotient = (x - rest) / y, ratio = x / y;
    quotient = turn ? quotient - 1 : quotient;
    T whole = OF(floor)(quotient);
    whole = quotient - whole > (T)0.5 ? whole + 1 : whole;
    whole = quotient == 0 ? C(copysign)(0, ratio) : whole;
    return y == 0 ? ratio : whole;
}

/* Its remainder, of which 0 has the sign of y. */
MG_INLINE T OF(remainder_of)(T y, T rest)
{
    bool turn = (rest != 0) & ((y < 0) != (rest < 0));
    T remainder = turn ? rest + y : rest;
    return rest == 0 ? C(copysign)(0, y) : remainder;
}

MG_INLINE double OF(rest)(T of_x, T of_y, bool exact, vm_doubt *doubt)
{
    double x = (double)of_x, y = (double)of_y;
    if (exact) return exact_rest(x, y);
    doubt->wide |= (uint64_t)quotient_is_far(x, y) << 63;
    return near_rest(x, y);
}

MG_INLINE T OF(floor_divide)(T x, T y, bool exact, vm_doubt *doubt)
{
    return OF(quotient_of)(x, y, (T)OF(rest)(x, y, exact, doubt));
}

MG_INLINE T OF(remainder)(T x, T y, bool exact, vm_doubt *doubt)
{
    return OF(remainder_of)(y, (T)OF(rest)(x, y, exact, doubt));
}

/* ---- powers ------------------------------------------------------------------------ */

/* x^k of a constant k, for the usual exponents in one or two operations. */
#ifndef USUAL_EXPONENTS
#define USUAL_EXPONENTS(CASE, ...) \
    CASE(2.0, x *x, __VA_ARGS__) \
    CASE(1.0, x, __VA_ARGS__) \
    CASE(0.0, (T)1, __VA_ARGS__) \
    CASE(-1.0, 1 / x, __VA_ARGS__) \
    CASE(0.5, C(sqrt)(x), __VA_ARGS__) \
    CASE(-0.5, 1 / C(sqrt)(x), __VA_ARGS__) \
    CASE(3.0, x *x *x, __VA_ARGS__)
#define USUAL_VALUE(c, value, ...) \
    if (k == (c)) return (value);
#endif

MG_INLINE T OF(power)(T x, double k)
{
    USUAL_EXPONENTS(USUAL_VALUE, ~)
    return VM(pow)(x, (T)k);
}
