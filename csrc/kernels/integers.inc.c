/* integers.inc.c: the arithmetic of T, an integer type, that formulas ask for: it wraps,
 * in the unsigned type WIDE, and never traps. */

MG_INLINE T OF(add)(T x, T y)
{
    return (T)((WIDE)x + (WIDE)y);
}

MG_INLINE T OF(sub)(T x, T y)
{
    return (T)((WIDE)x - (WIDE)y);
}

MG_INLINE T OF(mul)(T x, T y)
{
    return (T)((WIDE)x * (WIDE)y);
}

MG_INLINE T OF(neg)(T x)
{
    return (T)(0 - (WIDE)x);
}

MG_INLINE T OF(magnitude)(T x)
{
    return IS_NEGATIVE(x) ? OF(neg)(x) : x;
}

MG_INLINE T OF(relu)(T x)
{
    return IS_NEGATIVE(x) ? 0 : x;
}

MG_INLINE T OF(sign)(T x)
{
    return (T)((x > (T)0) - IS_NEGATIVE(x));
}

MG_INLINE T OF(invert)(T x)
{
    return (T)~x;
}

/* x 2^y, and x / 2^y rounded down, of any y: counted as unsigned, below 0 is far. */
MG_INLINE T OF(shift_left)(T x, T y)
{
    const WIDE bits = 8 * sizeof(T);
    return (T)((WIDE)y < bits ? (WIDE)x << ((WIDE)y & (bits - 1)) : 0);
}

MG_INLINE T OF(shift_right)(T x, T y)
{
    const WIDE bits = 8 * sizeof(T);
    WIDE sign = IS_NEGATIVE(x) ? ~(WIDE)0 : 0, rest = (WIDE)x ^ sign;
    rest = (WIDE)y < bits ? rest >> ((WIDE)y & (bits - 1)) : 0;
    return (T)(rest ^ sign);
}

MG_INLINE bool OF(is_nan)(T x)
{
    (void)x;
    return false;
}

MG_INLINE T OF(larger)(T x, T y)
{
    return x < y ? y : x;
}

MG_INLINE T OF(smaller)(T x, T y)
{
    return y < x ? y : x;
}

/* Floor division, the remainder with the sign of y: Python's; 0 for y = 0. */
MG_INLINE T OF(floor_divide)(T x, T y)
{
    if (y == 0) return 0;
    if (IS_MINUS_ONE(y)) return OF(neg)(x); /* x / -1 may trap */
    T quotient = (T)(x / y), rest = (T)(x % y);
    return (T)(quotient - (rest != 0 && IS_NEGATIVE(rest ^ y)));
}

MG_INLINE T OF(remainder)(T x, T y)
{
    if (y == 0 || IS_MINUS_ONE(y)) return 0;
    T rest = (T)(x % y);
    return (T)(rest != 0 && IS_NEGATIVE(rest ^ y) ? rest + y : rest);
}

/* By squaring; of a negative exponent x^-1 = x for 1 and -1, and 0 for the others. */
MG_INLINE T OF(pow)(T x, T y)
{
    if (IS_NEGATIVE(y)) return x == 1 ? 1 : IS_MINUS_ONE(x) ? (y & 1 ? x : 1) : 0;
    WIDE result = 1, base = (WIDE)x;
    for (WIDE bits = (WIDE)y; bits; bits >>= 1) {
        if (bits & 1) result *= base;
        base *= base;
    }
    return (T)result;
}
