/* test_selftest.c: mg_selftest() tells what is wrong in the thread, and nothing else:
 * with subnormal numbers flushed (FTZ), taken for 0 (DAZ), or both, and in each other
 * direction of rounding, for every set of kernels. It prints what is wrong with the
 * build: one line a set. Not on x86 it prints that flushing was left out. */
#include <fenv.h>

#include "expect.h"

#if defined(__SSE2__)
#include <immintrin.h>
#define HAS_MXCSR 1
#else
#define HAS_MXCSR 0
#endif

static void test_rounding(void)
{
    static const int directions[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (int i = 0; i < 3; i++) {
        EXPECT(fesetround(directions[i]) == 0);
        EXPECT(mg_selftest() == MG_ROUNDS_OTHERWISE);
        fesetround(FE_TONEAREST);
    }
}

static void test_flushing(void)
{
#if HAS_MXCSR
    const unsigned flush = 0x8000, are_zeros = 0x40, usual = _mm_getcsr();
    const unsigned states[] = {flush, are_zeros, flush | are_zeros};
    for (int i = 0; i < 3; i++) {
        _mm_setcsr(usual | states[i]);
        int problems = mg_selftest();
        _mm_setcsr(usual);
        EXPECT(problems == MG_FLUSHES);
    }
    _mm_setcsr(usual | flush | are_zeros);
    fesetround(FE_UPWARD);
    int problems = mg_selftest();
    _mm_setcsr(usual);
    fesetround(FE_TONEAREST);
    EXPECT(problems == (MG_FLUSHES | MG_ROUNDS_OTHERWISE));
#endif
}

int main(void)
{
    static const char *const names[] = {"baseline", "avx2", "avx512"};
    for (int i = 0; i < 3; i++) {
        if (mg_set_isa(names[i]) != MG_OK) continue;
        int problems = mg_selftest();
        printf("%s: %d\n", mg_isa(), problems);
        test_rounding();
        test_flushing();
        EXPECT(mg_selftest() == problems);
    }
    if (!HAS_MXCSR) printf("not x86: nothing is flushed\n");
    return finish();
}
