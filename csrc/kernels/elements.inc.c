/* elements.inc.c: for each row of ops.def the loop over elements of T, and for floats the
 * loops of its gradients. KIND is FLOAT, INTEGER or TRUTH. Column `frames` says which
 * loops a row gets:
 *   FLAT     one expression serves all elements
 *   CHUNKS   values with a quick form, which says where it is in doubt, and an exact one,
 *            for chunks with such elements
 *   BRIEF    the same, and a brief form for chunks of usual elements
 *   WIDE     the same as CHUNKS, and a form in vectors where a set has it
 *   CALLS    gradients that call functions, for chunks of arguments
 *   POWER    a constant exponent: a loop for each of the usual ones
 * A function is expanded in the loop of its own value alone: others call that, since each
 * expansion takes the compiler a good part of a second. A formula whose frame is too
 * plain does not compile, for want of the name `exact` or `asks`. No loop has a scalar
 * end: see map_rest(). */

#ifndef FRAME
/* The frames of the value; of gradient_a, with the functions it calls; of gradient_b. */
#define FRAMES_FLAT FLAT, FLAT, ~, ~, FLAT, ~
#define FRAMES_QUICK CHUNKS, FLAT, ~, ~, FLAT, ~
#define FRAMES_WIDE WIDE, FLAT, ~, ~, FLAT, ~
#define FRAMES_QUICK_A(f) CHUNKS, CALLS, f, ~, FLAT, ~
#define FRAMES_BRIEF_A(f) BRIEF, CALLS, f, ~, FLAT, ~
#define FRAMES_QUICK_B(f) CHUNKS, FLAT, ~, ~, CALLS, f
#define FRAMES_QUICK_AB(f, h) CHUNKS, CALLS, f, ~, CALLS, h
#define FRAMES_POWER POWER, POWER, ~, ~, FLAT, ~
#define FRAME(of_value, of_a, f, h, of_b, call_b) of_value

/* What the types of a row ask for: of floats, of integers, of bools. */
#define KINDS_NOWHERE NOTHING, NOTHING, NOTHING
#define KINDS_FLOATS VALUE, NOTHING, NOTHING
#define KINDS_NUMBERS VALUE, VALUE, NOTHING
#define KINDS_NUMBERS_ONLY KINDS_NUMBERS
#define KINDS_NUMBERS_AND_BOOLS VALUE, VALUE, VALUE
#define KINDS_INTEGRAL NOTHING, VALUE, NOTHING
#define KINDS_INTEGRAL_AND_BOOLS NOTHING, VALUE, VALUE
#define KINDS_COMPARES COMPARE, COMPARE, COMPARE
#define KINDS_TRUTHS NOTHING, NOTHING, VALUE
#define PICK(macro, ...) macro(__VA_ARGS__)
#define OF_FLOAT(floats, integers, bools) floats
#define OF_INTEGER(floats, integers, bools) integers
#define OF_TRUTH(floats, integers, bools) bools

enum { CHUNK = 128 }; /* elements that share one choice between quick and exact */

#define MAP(name) PASTE(map_##name, TYPE)
#define GRADIENT(name) PASTE(gradient_##name, TYPE)
#define MAP_HEAD(name) \
    static void MAP(name)(int64_t n, const void *of_a, const void *of_b, void *out, \
                          double number, unsigned repeats)
#define GRADIENT_HEAD(name) \
    static void GRADIENT(name)(int64_t n, const void *of_a, const void *of_b, \
                               const void *of_y, const void *of_g, void *out, \
                               double number)

/* Where all operands repeat so does the result. */
#define MAP_REPEATED(name, arity, result) \
    if ((repeats & ((1u << (arity)) - 1)) == (1u << (arity)) - 1) { \
        if (n > 0) MAP(name)(1, of_a, of_b, out, number, 0); \
        fill_with_first(n, sizeof(result), out); \
        return; \
    }
#define MAP_REST(name, block, result, first, second) \
    if (whole < n) \
        map_rest(MAP(name), n, n - whole, block, sizeof(T), sizeof(result), first, \
                 second, out, number, repeats);

/* An operand that the formula does not use may be NULL; to read g for it costs
 * nothing. */
#define GRADIENT_OPEN \
    const T *gs = of_g, *as = of_a ? of_a : gs, *bs = of_b ? of_b : gs; \
    const T *ys = of_y ? of_y : gs; \
    T *outs = out; \
    const int64_t whole = WHOLE_BLOCKS(n, OF(BLOCK));
#define GRADIENT_LOAD(i) \
    const T a = as[i]; \
    const T b = bs[i]; \
    const T y = ys[i]; \
    const T g = gs[i]; \
    (void)a; \
    (void)b; \
    (void)y; \
    (void)g
#define GRADIENT_REST(name) \
    if (whole < n) \
        gradient_rest(GRADIENT(name), n, n - whole, OF(BLOCK), sizeof(T), \
                      (const void *const[4]){of_a, of_b, of_y, of_g}, out, number);

/* ---- FLAT -------------------------------------------------------------------------- */

#define LOOP(count, load, out, formula) \
    EACH for (int64_t i = 0; i < count; i++) \
    { \
        load; \
        out = (formula); \
    }

#define MAP_FLAT_1(name, block, result, formula) \
    MAP_HEAD(name) \
    { \
        const T *as = of_a; \
        result *ys = out; \
        const int64_t whole = WHOLE_BLOCKS(n, block); \
        MAP_REPEATED(name, 1, result) \
        LOOP(whole, const T a = READ(as[i]), ys[i], (result)(formula)) \
        MAP_REST(name, block, result, of_a, NULL) \
    }

#define MAP_FLAT_2(name, block, result, formula) \
    MAP_HEAD(name) \
    { \
        const T *as = of_a, *bs = of_b; \
        result *ys = out; \
        const int64_t whole = WHOLE_BLOCKS(n, block); \
        MAP_REPEATED(name, 2, result) \
        if (repeats & 1) { \
            const T a = READ(*as); \
            LOOP(whole, const T b = READ(bs[i]), ys[i], (result)(formula)) \
            MAP_REST(name, block, result, &a, of_b) \
        } else if (repeats & 2) { \
            const T b = READ(*bs); \
            LOOP(whole, const T a = READ(as[i]), ys[i], (result)(formula)) \
            MAP_REST(name, block, result, of_a, &b) \
        } else { \
            LOOP(whole, const T a = READ(as[i]); const T b = READ(bs[i]), ys[i], \
                 (result)(formula)) \
            MAP_REST(name, block, result, of_a, of_b) \
        } \
    }
#define MAP_FLAT(name, arity, formula) \
    MAP_FLAT_##arity(name, OF(BLOCK), T, formula)

#define GRADIENT_FLAT(name, formula, f, h) \
    GRADIENT_HEAD(name) \
    { \
        GRADIENT_OPEN \
        LOOP(whole, GRADIENT_LOAD(i), outs[i], formula) \
        GRADIENT_REST(name) \
    }

/* ---- CHUNKS ------------------------------------------------------------------------ */

#define MAP_LOAD \
    const T a = as[i]; \
    const T b = bs[i]; \
    (void)a; \
    (void)b
/* One loop over a chunk, which tells where its form is in doubt. */
#define CHUNK_LOOP(out, is_brief, is_exact, formula) \
    { \
        const bool brief = is_brief, exact = is_exact; \
        doubt = (vm_doubt){0, 0}; \
        LOOP(count, MAP_LOAD, out[i], formula) \
        (void)brief; \
        (void)exact; \
    }
/* Operands that repeat are spread out over a chunk. */
#define MAP_CHUNKS(name, arity, formula) MAP_FORMS(name, arity, formula, false, true)
#define MAP_BRIEF(name, arity, formula) MAP_FORMS(name, arity, formula, true, true)
#define MAP_WIDE(name, arity, formula) \
    MAP_FORMS(name, arity, formula, false, WIDE_DOUBTS(name, count, as, quick))
/* `is_open` is whether the results are still to be found. */
#define MAP_FORMS(name, arity, formula, has_brief, is_open) \
    MAP_HEAD(name) \
    { \
        const T *first = of_a, *second = (arity) > 1 ? of_b : of_a; \
        T firsts[CHUNK], seconds[CHUNK]; \
        const int64_t whole = WHOLE_BLOCKS(n, OF(BLOCK)); \
        MAP_REPEATED(name, arity, T) \
        for (int i = 0; i < CHUNK && repeats; i++) \
            firsts[i] = *first, seconds[i] = *second; \
        for (int64_t start = 0; start < whole; start += CHUNK) { \
            const int64_t count = whole - start < CHUNK ? whole - start : CHUNK; \
            const T *as = repeats & 1 ? firsts : first + start; \
            const T *bs = repeats & 2 ? seconds : second + start; \
            T *ys = (T *)out + start, kept[CHUNK]; \
            T *quick = ys == as || ys == bs ? kept : ys; /* operands are needed again */ \
            vm_doubt doubt = {0, 0}; \
            if (is_open) CHUNK_LOOP(quick, has_brief, false, formula) \
            if (has_brief && is_in_doubt(doubt)) \
                CHUNK_LOOP(quick, false, false, formula) \
            if (is_in_doubt(doubt)) { \
                CHUNK_LOOP(ys, false, true, formula) \
            } else if (quick == kept) { \
                memcpy(ys, kept, (size_t)count * sizeof(T)); \
            } \
        } \
        MAP_REST(name, OF(BLOCK), T, repeats & 1 ? firsts : of_a, \
                 repeats & 2 ? seconds : (arity) > 1 ? of_b : NULL) \
    }

/* Write down the functions' arguments, call them, and use what they return. */
#define CALL_ROOM(name) T x_##name[CHUNK], y_##name[CHUNK];
#define CALL_MAKE(name) MAP(name)(count, x_##name, y_##name, y_##name, 0.0, 0);
#define CALL_1(name, x) (asks ? OF(written)(&x_##name[i], x) : y_##name[i])
#define CALL_2(name, x, y) \
    (asks ? OF(written)(&x_##name[i], x) + OF(written)(&y_##name[i], y) : y_##name[i])
#define GRADIENT_CHUNKS(name, formula, room, calls) \
    GRADIENT_HEAD(name) \
    { \
        GRADIENT_OPEN \
        room for (int64_t start = 0; start < whole; start += CHUNK) \
        { \
            const int64_t count = whole - start < CHUNK ? whole - start : CHUNK; \
            { \
                const bool asks = true; \
                EACH for (int64_t i = 0; i < count; i++) \
                { \
                    GRADIENT_LOAD(start + i); \
                    (void)(formula); \
                } \
            } \
            calls const bool asks = false; \
            LOOP(count, GRADIENT_LOAD(start + i), outs[start + i], formula) \
        } \
        GRADIENT_REST(name) \
    }
#define GRADIENT_CALLS(name, formula, f, h) \
    GRADIENT_CHUNKS(name, formula, CALL_ROOM(f), CALL_MAKE(f))

/* ---- POWER ------------------------------------------------------------------------- */

/* POWK asks for `general` and for `usual` or `powers`: an exponent that is one number in
 * front of the loop would have compilers make many loops, none of which vectorises. */
#define POWER_CASE(c, value, load, out, formula) \
    if (k == (c)) { \
        const double usual = (c); \
        const bool general = false; \
        LOOP(whole, load(i), out[i], formula) \
    } else
#define POWER_LOOPS(load, out, formula) \
    const T exponent = (T)k; \
    T powers[CHUNK]; \
    USUAL_EXPONENTS(POWER_CASE, load, out, formula) \
    for (int64_t start = 0; start < whole; start += CHUNK) { \
        const double usual = 0.0; \
        const bool general = true; \
        const int64_t count = whole - start < CHUNK ? whole - start : CHUNK; \
        MAP(pow)(count, as + start, &exponent, powers, 0.0, 2); \
        LOOP(count, load(start + i), out[start + i], formula) \
        (void)usual; \
    }
#define POWER_LOAD(i) const T a = as[i]
#define POWER_VALUE(name, formula) \
    MAP_HEAD(name) \
    { \
        const T *as = of_a; \
        T *ys = out; \
        const double k = number; \
        const int64_t whole = WHOLE_BLOCKS(n, OF(BLOCK)); \
        MAP_REPEATED(name, 1, T) \
        POWER_LOOPS(POWER_LOAD, ys, formula) \
        MAP_REST(name, OF(BLOCK), T, of_a, NULL) \
    }
#define POWER_GRADIENT(name, formula) \
    GRADIENT_HEAD(name) \
    { \
        const double k = number - 1.0; \
        GRADIENT_OPEN \
        POWER_LOOPS(GRADIENT_LOAD, outs, formula) \
        GRADIENT_REST(name) \
    }
#define POWER_ROW_POWER(name, value, gradient_a) \
    POWER_VALUE(name, value) \
    POWER_GRADIENT(name##_a, gradient_a)
#define POWER_ROW_FLAT(name, value, gradient_a)
#define POWER_ROW_CHUNKS(name, value, gradient_a)
#define POWER_ROW_BRIEF(name, value, gradient_a)
#define POWER_ROW_WIDE(name, value, gradient_a)
#define MAP_POWER(name, arity, formula)
#define GRADIENT_POWER(name, formula, f, h)

/* ---- rows -------------------------------------------------------------------------- */

#define VALUE(name, arity, frames, value) \
    PASTE(MAP, PICK(FRAME, FRAMES_##frames))(name, arity, value)
#define COMPARE(name, arity, frames, value) MAP_FLAT_2(name, CACHE_LINE, uint8_t, value)
#define NOTHING(name, arity, frames, value)
/* What a row of these types generates for elements of a KIND. */
#define ROW(kind, types) PICK(PASTE(OF, kind), KINDS_##types)

/* The gradients of a row whose types have a VALUE of floats. */
#define GRADIENTS_VALUE(name, arity, gradient_a, gradient_b, frames) \
    PICK(GRADIENTS_##arity, name, gradient_a, gradient_b, FRAMES_##frames)
#define GRADIENTS_COMPARE(name, arity, gradient_a, gradient_b, frames)
#define GRADIENTS_NOTHING(name, arity, gradient_a, gradient_b, frames)
#define GRADIENTS_1(name, gradient_a, gradient_b, of_value, of_a, f, h, of_b, call_b) \
    GRADIENT_##of_a(name##_a, gradient_a, f, h)
#define GRADIENTS_2(name, gradient_a, gradient_b, of_value, of_a, f, h, of_b, call_b) \
    GRADIENT_##of_a(name##_a, gradient_a, f, h) \
    GRADIENT_##of_b(name##_b, gradient_b, call_b, ~)
#endif

enum { OF(BLOCK) = CACHE_LINE / sizeof(T) };

/* Values: a function is expanded, in its quick or its exact form. */
#define POWK(x, k) OF(power)((x), (k))
#define FUNCTION(name, x) (exact ? VM(name)(x) : QUICK(name, x))
#define BRIEF_FUNCTION(name, x) (brief ? BRIEF(name, x) : FUNCTION(name, x))
#define FUNCTION_2(name, x, y) (exact ? VM(name)(x, y) : QUICK(name, x, y))
#define ANGLE(name, x) (exact ? VM(name)(x) : QUICK_ANGLE(name, x))
#define DIVISION(name, x, y) PASTE(DIVISION, KIND)(name, x, y)
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
                   gradient_b) \
    ROW(KIND, types)(name, arity, frames, value)
#include "ops.def"
#undef FUNCTION
#undef BRIEF_FUNCTION
#undef FUNCTION_2
#undef ANGLE
#undef DIVISION

/* Gradients: it is called. */
#if IS_FLOAT
#define FUNCTION CALL_1
#define BRIEF_FUNCTION CALL_1
#define FUNCTION_2 CALL_2
#define ANGLE CALL_1
#define DIVISION CALL_2
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
                   gradient_b) \
    PASTE(GRADIENTS, ROW(FLOAT, types))(name, arity, gradient_a, gradient_b, frames)
#include "ops.def"
#undef FUNCTION
#undef BRIEF_FUNCTION
#undef FUNCTION_2
#undef ANGLE
#undef DIVISION
#undef POWK

#define POWK(x, k) (general ? powers[i] : OF(power)((x), usual))
#define MG_OP(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
              gradient_b) \
    PASTE(POWER_ROW, PICK(FRAME, FRAMES_##frames))(name, value, gradient_a)
#include "ops.def"
#endif
#undef POWK
