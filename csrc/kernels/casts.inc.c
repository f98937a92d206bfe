/* casts.inc.c: y[i] = a[i] as another type, for the pairs of types that casts.c does not
 * reach by way of a third. */

/* ---- float16: a sign, 5 bits of exponent, 10 bits ---------------------------------- */

/* Exact. */
MG_INLINE float f32_of_half(uint16_t half)
{
    uint32_t size = half & 0x7FFFu, sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t bits = (size << 13) + (112u << 23); /* exponents start 112 lower */
    bits = size >= 0x7C00 ? bits + (112u << 23) : bits;
    uint32_t tiny = bits_of_float((float)(int32_t)size * 0x1p-24f);
    return float_of_bits((size < 0x0400 ? tiny : bits) | sign);
}

/* To nearest, ties to even. A subnormal number is rounded by the sum with 1/2, whose last
 * bit is worth 2^-24. */
MG_INLINE uint16_t half_of_f32(float x)
{
    uint32_t size = bits_of_float(x) & 0x7FFFFFFFu, sign = bits_of_float(x) >> 16 & 0x8000u;
    uint32_t half = (size + 0xFFF + (size >> 13 & 1) - (112u << 23)) >> 13;
    uint32_t tiny = bits_of_float(fabsf(x) + 0.5f) - bits_of_float(0.5f);
    half = size < 113u << 23 ? tiny : half;
    half = size >= 143u << 23 ? 0x7C00 : half; /* from 2^16 on; above 65520 it is, too */
    half = size > 0x7F800000u ? 0x7E00 : half;
    return (uint16_t)(half | sign);
}

/* Rounded once: the same with the bits of a double. */
MG_INLINE uint16_t half_of_f64(double x)
{
    const uint64_t one = (uint64_t)1 << 52; /* a step of the exponent */
    uint64_t size = bits_of(x) & 0x7FFFFFFFFFFFFFFFu, sign = bits_of(x) >> 48 & 0x8000u;
    uint64_t ties = ((uint64_t)1 << 41) - 1 + (size >> 42 & 1);
    uint64_t half = (size + ties - 1008 * one) >> 42;
    uint64_t tiny = bits_of(fabs(x) + 0x1p28) - bits_of(0x1p28);
    half = size < 1009 * one ? tiny : half;
    half = size >= 1039 * one ? 0x7C00 : half;
    half = size > 2047 * one ? 0x7E00 : half;
    return (uint16_t)(half | sign);
}

/* ---- bfloat16: the sign, 8 bits of exponent and 7 bits that a float32 starts with ---- */

/* Exact. */
MG_INLINE float f32_of_brain(uint16_t brain)
{
    return float_of_bits((uint32_t)brain << 16);
}

/* To nearest, ties to even; subnormal numbers are no others. */
MG_INLINE uint16_t brain_of_f32(float x)
{
    uint32_t bits = bits_of_float(x), size = bits & 0x7FFFFFFFu;
    uint32_t brain = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (uint16_t)(size > 0x7F800000u ? (bits >> 16 & 0x8000u) | 0x7FC0 : brain);
}

/* Rounded once. The last bit of subnormal ones is worth 2^-133. */
MG_INLINE uint16_t brain_of_f64(double x)
{
    const uint64_t one = (uint64_t)1 << 52; /* a step of the exponent */
    uint64_t size = bits_of(x) & 0x7FFFFFFFFFFFFFFFu, sign = bits_of(x) >> 48 & 0x8000u;
    uint64_t ties = ((uint64_t)1 << 44) - 1 + (size >> 45 & 1);
    uint64_t brain = (size + ties - 896 * one) >> 45;
    uint64_t tiny = bits_of(fabs(x) + 0x1p-81) - bits_of(0x1p-81);
    brain = size < 897 * one ? tiny : brain;
    brain = size >= 1151 * one ? 0x7F80 : brain;
    brain = size > 2047 * one ? 0x7FC0 : brain;
    return (uint16_t)(brain | sign);
}

/* Rounded once: of more than 53 bits the last 11 become one bit, whether any is set. */
MG_INLINE uint16_t brain_of_i64(int64_t x)
{
    const int64_t most = (int64_t)1 << 53, rest = 2047;
    int64_t odd = (x & ~rest) | (x & rest ? rest + 1 : 0);
    return brain_of_f64((double)(x < most && x > -most ? x : odd));
}

/* ---- conversions ------------------------------------------------------------------- */

/* The fraction is cut off; beyond the ends of the type its ends; NaN is 0. `end` is one
 * above the largest. */
#define SATURATE(x, type, least, largest, end) \
    ((x) >= (least) && (x) < (end) ? (type)(x) : (x) >= (end) ? (largest) : \
     (x) < (least) ? (type)(least) : (type)0)

/* TO_type_kind(x): x of a type of floats or integers; those of two bytes are a float by
 * then. */
#define TO_f32_FLOAT(x) ((float)(x))
#define TO_f32_INTEGER(x) ((float)(x))
#define TO_f64_FLOAT(x) ((double)(x))
#define TO_f64_INTEGER(x) ((double)(x))
#define TO_f16_FLOAT(x) (sizeof(x) == 4 ? half_of_f32((float)(x)) : half_of_f64(x))
#define TO_f16_INTEGER(x) half_of_f64((double)(x)) /* beyond 2^53 it is infinity */
#define TO_bf16_FLOAT(x) (sizeof(x) == 4 ? brain_of_f32((float)(x)) : brain_of_f64(x))
#define TO_bf16_INTEGER(x) brain_of_i64(x)
#define TO_i64_FLOAT(x) SATURATE(x, int64_t, -0x1p63f, INT64_MAX, 0x1p63f)
#define TO_i64_INTEGER(x) ((int64_t)(x))
#define TO_i32_FLOAT(x) SATURATE(x, int32_t, -0x1p31f, INT32_MAX, 0x1p31f)
#define TO_i32_INTEGER(x) ((int32_t)(uint32_t)(x))
#define TO_i16_FLOAT(x) ((int16_t)SATURATE(x, int32_t, -0x1p15f, INT16_MAX, 0x1p15f))
#define TO_i16_INTEGER(x) ((int16_t)(uint16_t)(x))
#define TO_i8_FLOAT(x) ((int8_t)SATURATE(x, int32_t, -128.0f, INT8_MAX, 128.0f))
#define TO_u8_FLOAT(x) ((uint8_t)SATURATE(x, int32_t, 0.0f, 255, 256.0f))
#define TO_u8_INTEGER(x) ((uint8_t)(x))
#define TO_b8_FLOAT(x) ((uint8_t)((x) != 0))
#define TO_b8_INTEGER(x) ((uint8_t)((x) != 0))

#define CAST(from, from_type, number, load, kind, to, to_type) \
    static void cast_##from##_##to(int64_t n, const void *of_a, void *out) \
    { \
        const from_type *a = of_a; \
        to_type *y = out; \
        EACH for (int64_t i = 0; i < n; i++) \
        { \
            const number x = load(a[i]); \
            y[i] = TO_##to##_##kind(x); \
        } \
    }
/* To the types that have kernels. */
#define CASTS(from, from_type, number, load, kind) \
    CAST(from, from_type, number, load, kind, f32, float) \
    CAST(from, from_type, number, load, kind, f64, double) \
    CAST(from, from_type, number, load, kind, i64, int64_t) \
    CAST(from, from_type, number, load, kind, i32, int32_t) \
    CAST(from, from_type, number, load, kind, u8, uint8_t) \
    CAST(from, from_type, number, load, kind, b8, uint8_t)
/* To those that are stored only. */
#define CASTS_STORED(from, type) \
    CAST(from, type, type, , FLOAT, f16, uint16_t) \
    CAST(from, type, type, , FLOAT, bf16, uint16_t) \
    CAST(from, type, type, , FLOAT, i16, int16_t) \
    CAST(from, type, type, , FLOAT, i8, int8_t)

CASTS(f32, float, float, , FLOAT)
CASTS_STORED(f32, float)
CASTS(f64, double, double, , FLOAT)
CASTS_STORED(f64, double)
CASTS(i64, int64_t, int64_t, , INTEGER)
CAST(i64, int64_t, int64_t, , INTEGER, f16, uint16_t)
CAST(i64, int64_t, int64_t, , INTEGER, bf16, uint16_t)
CASTS(i32, int32_t, int32_t, , INTEGER)
CAST(i32, int32_t, int32_t, , INTEGER, i16, int16_t)
CASTS(u8, uint8_t, uint8_t, , INTEGER)
CASTS(b8, uint8_t, uint8_t, 0 !=, INTEGER)
CAST(f16, uint16_t, float, f32_of_half, FLOAT, f32, float)
CAST(bf16, uint16_t, float, f32_of_brain, FLOAT, f32, float)
CAST(i16, int16_t, int16_t, , INTEGER, i32, int32_t)
CAST(i8, int8_t, int8_t, , INTEGER, i32, int32_t)

#define CASTS_FROM(from) \
    [MG_FLOAT32] = cast_##from##_f32, [MG_FLOAT64] = cast_##from##_f64, \
    [MG_INT64] = cast_##from##_i64, [MG_INT32] = cast_##from##_i32, \
    [MG_UINT8] = cast_##from##_u8, [MG_BOOL] = cast_##from##_b8
#define CASTS_FROM_FLOAT(from) \
    CASTS_FROM(from), [MG_FLOAT16] = cast_##from##_f16, \
                      [MG_BFLOAT16] = cast_##from##_bf16, \
                      [MG_INT16] = cast_##from##_i16, [MG_INT8] = cast_##from##_i8

/* From, to. Integers keep their last bits, whether these are read as uint8 or int8. */
#define CASTS_TABLE \
    {[MG_FLOAT32] = {CASTS_FROM_FLOAT(f32)}, \
     [MG_FLOAT64] = {CASTS_FROM_FLOAT(f64)}, \
     [MG_FLOAT16] = {[MG_FLOAT32] = cast_f16_f32}, \
     [MG_BFLOAT16] = {[MG_FLOAT32] = cast_bf16_f32}, \
     [MG_INT64] = {CASTS_FROM(i64), [MG_FLOAT16] = cast_i64_f16, \
                   [MG_BFLOAT16] = cast_i64_bf16, [MG_INT8] = cast_i64_u8}, \
     [MG_INT32] = {CASTS_FROM(i32), [MG_INT16] = cast_i32_i16, [MG_INT8] = cast_i32_u8}, \
     [MG_INT16] = {[MG_INT32] = cast_i16_i32}, \
     [MG_INT8] = {[MG_INT32] = cast_i8_i32}, \
     [MG_UINT8] = {CASTS_FROM(u8)}, \
     [MG_BOOL] = {CASTS_FROM(b8)}}
