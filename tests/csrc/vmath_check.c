/* vmath_check.c: every float32 result of base/vmath.h against correctly rounded ones,
 * and of kernels/vmath_quick.h and vmath_wide.h against vmath.h's; any result as bits.
 *
 * The exhaustive runs, all 2^32 inputs of every function on two threads, about a minute a
 * function:
 *
 *   cc -std=c11 -O3 -ffp-contract=off -fno-trapping-math -fno-math-errno -Icsrc \
 *      -DVM_QUAD tests/csrc/vmath_check.c -o vmath_check -lquadmath -lm -lpthread &&
 *   nice ./vmath_check f32 all 1 && nice ./vmath_check quick all 1
 *
 *   vmath_check f32 NAME STRIDE  checks every STRIDE-th float from 0 on; prints inputs
 *                                whose result is not correctly rounded, and their number;
 *                                those that SPEC.md publishes are counted apart
 *   vmath_check quick NAME STRIDE  the same floats in quick forms: wrong are those that
 *                                differ from vmath.h and are not in doubt; pow of one y
 *                                for each x
 *   vmath_check f64 NAME COUNT   prints the largest error, in units in the last place, of
 *                                COUNT random doubles (needs VM_QUAD)
 *   vmath_check bits             reads lines "NAME f64|f32 X [Y]", numbers as hexadecimal
 *                                bits, and prints the results' bits; NAME may be pow
 *
 * The right float lies between two bounds, 2^-40 around the C library's double; where they
 * round differently, 2^-50 around its long double, then 2^-100 around libquadmath's result
 * (without VM_QUAD: "undecided"). gelu multiplies rounding errors by x^2, hence the room.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vmath_quick.h"

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#define VM_WIDE 1
#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma")
#endif
#include "kernels/vmath_wide.h"

static void exp_wide(int n, const float *x, float *y, bool *in_doubt)
{
    for (int i = 0; i < n; i += 16) {
        wide_doubt doubt = {_mm512_setzero_si512(), _mm512_setzero_si512()};
        float some[16] = {0};
        int count = n - i < 16 ? n - i : 16;
        memcpy(some, x + i, (size_t)count * sizeof *x);
        _mm512_storeu_ps(some, wide_exp(_mm512_loadu_ps(some), &doubt));
        memcpy(y + i, some, (size_t)count * sizeof *y);
        for (int j = 0; j < count; j++)
            in_doubt[i + j] = wide_places_in_doubt(doubt) >> j & 1;
    }
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#if defined(VM_QUAD)
typedef __float128 quad;
#define QUAD(name) quad name##q(quad);
QUAD(exp) QUAD(exp2) QUAD(expm1) QUAD(log) QUAD(log2) QUAD(log1p) QUAD(sin) QUAD(cos)
QUAD(tan) QUAD(asin) QUAD(acos) QUAD(atan) QUAD(sinh) QUAD(cosh) QUAD(tanh) QUAD(asinh)
QUAD(acosh) QUAD(atanh) QUAD(erf) QUAD(erfc)
#else
typedef long double quad;
#endif

/* sqrt(1/2) and 2 sqrt(2 / pi) in three doubles. */
#define ROOT_HALF(type) \
    ((type)0.7071067811865476 - (type)4.833646656726457e-17 + \
     (type)2.0693376543497068e-33)
#define TWICE_ROOT(type) \
    ((type)1.5957691216057308 - (type)9.96930880911092e-17 - \
     (type)1.3699701790918484e-33)

/* The functions that the C library lacks, of one type: F(exp) is its exp. */
#define OWN(type, suffix) \
    static type sigmoid##suffix(type x) \
    { \
        type small = F(exp)(x < 0 ? x : -x); \
        return (x < 0 ? small : 1) / (1 + small); \
    } \
    static type softplus##suffix(type x) \
    { \
        return F(log1p)(F(exp)(x < 0 ? x : -x)) + (x < 0 ? 0 : x); \
    } \
    /* x / 2 (1 + c x), c > 0, of so small an x that only the side of x / 2 matters */ \
    static type tiny_half##suffix(type x) \
    { \
        return x / 2 * (x < 0 ? 1 - (type)0x1p-80 : 1 + (type)0x1p-80); \
    } \
    static type silu##suffix(type x) \
    { \
        if (x < (type)0x1p-60 && -x < (type)0x1p-60) return tiny_half##suffix(x); \
        return x < -20000 ? -(type)0 : x * sigmoid##suffix(x); \
    } \
    static type gelu##suffix(type x) \
    { \
        if (x < (type)0x1p-60 && -x < (type)0x1p-60) return tiny_half##suffix(x); \
        return x < -200 ? -(type)0 : x / 2 * F(erfc)(-x * ROOT_HALF(type)); \
    } \
    static type gelu_tanh##suffix(type x) \
    { \
        if (x < (type)0x1p-60 && -x < (type)0x1p-60) return tiny_half##suffix(x); \
        type slope = TWICE_ROOT(type) * (1 + (type)44715 / 1000000 * x * x); \
        return x < -200 ? -(type)0 : x > 200 ? x : x * sigmoid##suffix(x * slope); \
    }
#define F(name) name
OWN(double, )
#undef F
#define F(name) name##l
OWN(long double, l)
#undef F
#if defined(VM_QUAD)
#define F(name) name##q
OWN(quad, q)
#undef F
#endif

/* Unary functions, then whether all float32 results must be correctly rounded. */
#define UNARY(DO) \
    DO(exp) DO(log) DO(tanh) DO(sigmoid) DO(sin) DO(cos) DO(exp2) DO(expm1) DO(log2) \
    DO(log1p) DO(tan) DO(asin) DO(acos) DO(atan) DO(sinh) DO(cosh) DO(asinh) DO(acosh) \
    DO(atanh) DO(erf) DO(softplus) DO(silu) DO(gelu) DO(gelu_tanh)

typedef struct function {
    const char *name;
    double (*f64)(double);
    void (*f32)(int n, const float *x, float *y);
    double (*rough)(double);
    long double (*fine)(long double);
    quad (*finest)(quad);
} function;

#define DEFINE(name) \
    static double name##_f64(double x) { return vm_##name(x); } \
    DEFINE_F32(name)
#define DEFINE_F32(name) \
    static void name##_f32(int n, const float *x, float *y) \
    { \
        for (int i = 0; i < n; i++) y[i] = vm_##name##_f32(x[i]); \
    }
UNARY(DEFINE)

#if defined(VM_QUAD)
#define ROW(name) {#name, name##_f64, name##_f32, name, name##l, name##q},
#else
#define ROW(name) {#name, name##_f64, name##_f32, name, name##l, NULL},
#endif
static const function functions[] = {UNARY(ROW)};
DEFINE_F32(gelu_slope) /* which is not always rounded correctly */
enum { FUNCTIONS = sizeof functions / sizeof *functions, BLOCK = 4096, SHOWN = 200 };

/* The functions that have a quick form, of blocks; the most elements that may be in doubt
 * of ordinary x, 1/4 <= x < 1, one in so many; of those in vectors. */
#define QUICK(DO) \
    DO(exp) DO(exp2) DO(expm1) DO(sigmoid) DO(silu) DO(gelu_tanh) DO(tanh) DO(erf) \
    DO(gelu) DO(gelu_slope) DO(log) DO(log2) DO(log1p) DO(softplus) DO(sin) DO(cos) \
    DO(tan) DO(atan) DO(sinh) DO(cosh)
#define BRIEF(DO) DO(gelu) DO(gelu_slope)
enum { DOUBTS = 10000, WIDE_DOUBTS = 3000 };

typedef struct quick_form {
    const char *name;
    void (*quick)(int n, const float *x, float *y, bool *in_doubt);
    void (*exact)(int n, const float *x, float *y);
} quick_form;

#define DEFINE_QUICK(name) \
    static void name##_quick(int n, const float *x, float *y, bool *in_doubt) \
    { \
        for (int i = 0; i < n; i++) { \
            vm_doubt doubt = {0, 0}; \
            y[i] = quick_##name(x[i], &doubt); \
            in_doubt[i] = is_in_doubt(doubt); \
        } \
    }
QUICK(DEFINE_QUICK)

#define DEFINE_BRIEF(name) \
    static void name##_brief(int n, const float *x, float *y, bool *in_doubt) \
    { \
        for (int i = 0; i < n; i++) { \
            vm_doubt doubt = {0, 0}; \
            y[i] = brief_##name(x[i], &doubt); \
            in_doubt[i] = is_in_doubt(doubt); \
        } \
    }
BRIEF(DEFINE_BRIEF)

static bool is_ordinary(float x)
{
    return x >= 0.25f && x < 1.0f;
}

/* Return an exponent for x: x to it is anything from 2^-160 to 2^160, or to 2^120 of an
 * ordinary x, or it is an integer or a half of one. */
static float exponent_for(float x)
{
    uint32_t bits = bits_of_float(x) * 0x9E3779B1u;
    double unit = (double)bits * 0x1p-31 - 1.0, size = fabs(log2((double)x));
    if (bits & 1) return (float)((int)(bits >> 1) % 16) * 0.5f;
    double reach = is_ordinary(x) ? 120.0 : 160.0;
    return (float)(unit * (size > 0.0 && size < 1000.0 ? reach / size : 1.0));
}

static void pow_quick(int n, const float *x, float *y, bool *in_doubt)
{
    for (int i = 0; i < n; i++) {
        vm_doubt doubt = {0, 0};
        y[i] = quick_pow(x[i], exponent_for(x[i]), &doubt);
        in_doubt[i] = is_in_doubt(doubt);
    }
}

static void pow_f32(int n, const float *x, float *y)
{
    for (int i = 0; i < n; i++) y[i] = vm_pow_f32(x[i], exponent_for(x[i]));
}

#define QUICK_ROW(name) {#name, name##_quick, name##_f32},
#define BRIEF_ROW(name) {"brief_" #name, name##_brief, name##_f32},
static const quick_form quick_forms[] = {QUICK(QUICK_ROW){"pow", pow_quick, pow_f32},
                                          BRIEF(BRIEF_ROW)
#if defined(VM_WIDE)
                                          {"wide_exp", exp_wide, exp_f32},
#endif
};
enum { QUICK_FORMS = sizeof quick_forms / sizeof *quick_forms };

/* Return whether this machine can run a form; say so if not. */
static bool is_here(const quick_form *form)
{
#if defined(VM_WIDE)
    bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (wide || strncmp(form->name, "wide", 4)) return true;
    printf("%s: this machine has no AVX-512\n", form->name);
    return false;
#else
    return form != NULL;
#endif
}

/* What SPEC.md publishes as not correctly rounded: one unit off. */
static const struct {
    const char *name;
    float x;
} published[] = {
    {"exp2", 0x1.853a6ep-9f},   {"exp2", -0x1.e7526ep-6f}, {"acos", 0x1.110b46p-26f},
    {"acos", 0x1.04c444p-12f},  {"atan", 0x1.1ad646p-4f},  {"atan", -0x1.1ad646p-4f},
    {"sinh", 0x1.250bfep-11f},  {"sinh", -0x1.250bfep-11f}, {"softplus", 0x1.d483ap-12f},
};

static bool is_published(const char *name, float x)
{
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        if (published[i].x == x && !strcmp(published[i].name, name)) return true;
    return false;
}

static bool same(float a, float b)
{
    return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0;
}

/* Return whether y is f(x) correctly rounded: 1 yes, 0 no, -1 unknown. *right gets the
 * right value. */
static int judge(const function *f, float x, float *right)
{
    double rough = f->rough((double)x);
    *right = (float)(rough * (1 - 0x1p-40));
    if (same(*right, (float)(rough * (1 + 0x1p-40)))) return 1;
    long double fine = f->fine((long double)x);
    *right = (float)(fine * (1 - 0x1p-50L));
    if (same(*right, (float)(fine * (1 + 0x1p-50L)))) return 1;
#if defined(VM_QUAD)
    quad finest = f->finest((quad)x);
    *right = (float)finest;
    float low = (float)(finest * (1 - (quad)0x1p-100));
    return same(low, (float)(finest * (1 + (quad)0x1p-100))) ? 1 : -1;
#else
    return -1;
#endif
}

typedef struct share {
    const function *f; /* one of these */
    const quick_form *form;
    uint64_t first, step;
    uint64_t checked, wrong, undecided, published;
    uint64_t ordinary, in_doubt; /* quick forms, of ordinary x */
    pthread_t thread;
} share;

static void show(const share *s, const char *verdict, float x, float y, float right)
{
    static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;
    if (s->wrong + s->undecided > SHOWN) return;
    pthread_mutex_lock(&printing);
    printf("%s %s %08x: got %08x right %08x  x = %a\n", s->f ? s->f->name : s->form->name,
           verdict, bits_of_float(x), bits_of_float(y), bits_of_float(right), (double)x);
    pthread_mutex_unlock(&printing);
}

static void check_block(share *s, int n, const float *x)
{
    float y[BLOCK];
    s->f->f32(n, x, y);
    for (int i = 0; i < n; i++) {
        float right;
        int verdict = judge(s->f, x[i], &right);
        if (verdict < 0) s->undecided++;
        if (verdict > 0 && same(y[i], right)) continue;
        if (verdict > 0 && is_published(s->f->name, x[i])) {
            s->published++;
            continue;
        }
        if (verdict > 0) s->wrong++;
        show(s, verdict < 0 ? "undecided" : "wrong", x[i], y[i], right);
    }
}

static void check_quick_block(share *s, int n, const float *x)
{
    float y[BLOCK], right[BLOCK];
    bool in_doubt[BLOCK];
    s->form->quick(n, x, y, in_doubt);
    s->form->exact(n, x, right);
    for (int i = 0; i < n; i++) {
        bool ordinary = is_ordinary(x[i]);
        s->ordinary += ordinary;
        s->in_doubt += ordinary && in_doubt[i];
        if (in_doubt[i] || same(y[i], right[i])) continue;
        s->wrong++;
        show(s, "wrong", x[i], y[i], right[i]);
    }
}

static void *check_share(void *argument)
{
    share *s = argument;
    float x[BLOCK];
    for (uint64_t next = s->first; next < (uint64_t)1 << 32;) {
        int n = 0;
        for (; n < BLOCK && next < (uint64_t)1 << 32; next += s->step, n++)
            x[n] = float_of_bits((uint32_t)next);
        s->checked += (uint64_t)n;
        if (s->f) check_block(s, n, x);
        else check_quick_block(s, n, x);
    }
    return NULL;
}

/* Check a function or a quick form, on two threads; return whether it failed. */
static int check_floats(const function *f, const quick_form *form, uint64_t stride)
{
    share shares[2] = {{.f = f, .form = form, .first = 0, .step = 2 * stride},
                       {.f = f, .form = form, .first = stride, .step = 2 * stride}};
    share *sum = shares, *other = shares + 1;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&shares[i].thread, NULL, check_share, &shares[i])) exit(2);
    for (int i = 0; i < 2; i++) pthread_join(shares[i].thread, NULL);
    printf("%s: checked %llu wrong %llu undecided %llu published %llu",
           f ? f->name : form->name,
           (unsigned long long)(sum->checked + other->checked),
           (unsigned long long)(sum->wrong + other->wrong),
           (unsigned long long)(sum->undecided + other->undecided),
           (unsigned long long)(sum->published + other->published));
    uint64_t ordinary = sum->ordinary + other->ordinary;
    uint64_t in_doubt = sum->in_doubt + other->in_doubt;
    if (form)
        printf(" in doubt %llu of %llu", (unsigned long long)in_doubt,
               (unsigned long long)ordinary);
    printf("\n");
    fflush(stdout);
    uint64_t doubts = form && !strncmp(form->name, "wide", 4) ? WIDE_DOUBTS : DOUBTS;
    bool doubtful = form && ordinary > 10 * DOUBTS && in_doubt > ordinary / doubts;
    return sum->wrong || other->wrong || sum->undecided || other->undecided || doubtful;
}

#if defined(VM_QUAD)
/* Return a random double: of any bits, of moderate size, or uniform in some interval. */
static double draw(uint64_t *state)
{
    static const double reach[] = {1.0, 4.0, 40.0, 800.0};
    uint64_t s = *state;
    s ^= s >> 12;
    s ^= s << 25;
    s ^= s >> 27;
    *state = s;
    uint64_t bits = s * 0x2545F4914F6CDD1Du;
    double unit = (double)(bits >> 11) * 0x1p-53;
    switch (s >> 8 & 7) {
    case 0: return of_bits(bits);
    case 1: return of_bits((bits & 0x800FFFFFFFFFFFFFu) | (983 + (s >> 16) % 60) << 52);
    case 2: return 0.5 + 1.5 * unit;
    case 3: return 1.0 + (2.0 * unit - 1.0) * of_bits((1023 - (s >> 16) % 52) << 52);
    default: return (2.0 * unit - 1.0) * reach[s >> 8 & 3];
    }
}

/* Return |y - right| in units of the last place of a double near right; 0 for what is
 * beyond the doubles. */
static double error_of(double y, quad right)
{
    double near = (double)right;
    if (y != y || near != near) return (y != y) == (near != near) ? 0.0 : 1e9;
    if (fabs(near) > DBL_MAX || fabs(y) > DBL_MAX) return y == near ? 0.0 : 1e9;
    uint64_t exponent = bits_of(near) >> 52 & 0x7FF;
    double unit = exponent > 52 ? of_bits((exponent - 52) << 52)
                                : of_bits((uint64_t)1 << (exponent ? exponent - 1 : 0));
    quad error = ((quad)y - right) / (quad)unit;
    return (double)(error < 0 ? -error : error);
}

static void check_doubles(const function *f, uint64_t count)
{
    uint64_t state = 0x9E3779B97F4A7C15u;
    double worst = 0.0, at = 0.0;
    for (uint64_t i = 0; i < count; i++) {
        double x = draw(&state);
        if (x != x) continue;
        double error = error_of(f->f64(x), f->finest((quad)x));
        if (error <= worst) continue;
        worst = error;
        at = x;
    }
    printf("%s: largest error %.4f ulp at %a\n", f->name, worst, at);
}
#endif

/* Print the result of one line of input; false if there is no such function. */
static bool print_bits(const char *name, bool wide, uint64_t x, uint64_t y)
{
    const function *f = functions;
    while (f < functions + FUNCTIONS && strcmp(f->name, name)) f++;
    bool power = !strcmp(name, "pow");
    if (f == functions + FUNCTIONS && !power) return false;
    if (wide) {
        double result = power ? vm_pow(of_bits(x), of_bits(y)) : f->f64(of_bits(x));
        printf("%016llx\n", (unsigned long long)bits_of(result));
        return true;
    }
    float value = float_of_bits((uint32_t)x), result;
    if (power) result = vm_pow_f32(value, float_of_bits((uint32_t)y));
    else f->f32(1, &value, &result);
    printf("%08x\n", bits_of_float(result));
    return true;
}

static int answer_lines(void)
{
    char line[128], name[16], type[4];
    while (fgets(line, sizeof line, stdin)) {
        unsigned long long x = 0, y = 0;
        if (sscanf(line, "%15s %3s %llx %llx", name, type, &x, &y) < 3) return 2;
        if (!print_bits(name, !strcmp(type, "f64"), x, y)) return 2;
    }
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 2 && !strcmp(arguments[1], "bits")) return answer_lines();
    if (count != 4) return 2;
    int failed = 0;
    bool floats = !strcmp(arguments[1], "f32");
    uint64_t number = strtoull(arguments[3], NULL, 10);
    if (!strcmp(arguments[1], "quick")) {
        for (const quick_form *q = quick_forms; q < quick_forms + QUICK_FORMS; q++)
            if (!strcmp(arguments[2], "all") || !strcmp(arguments[2], q->name))
                failed |= is_here(q) && check_floats(NULL, q, number);
        return failed;
    }
    for (const function *f = functions; f < functions + FUNCTIONS; f++) {
        if (strcmp(arguments[2], "all") && strcmp(arguments[2], f->name)) continue;
        if (floats) failed |= check_floats(f, NULL, number);
#if defined(VM_QUAD)
        else check_doubles(f, number);
#endif
    }
    return failed;
}
