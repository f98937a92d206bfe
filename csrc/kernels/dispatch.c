/* dispatch.c: which set of kernels is used: the best that this machine has, until a call
 * asks for another. It does not read the environment. */
#include "kernels/kernels.h"

#if defined(MG_HAS_X86_SETS)
#include <cpuid.h>

/* Return the state that the operating system saves, 0 where it does not say. */
static uint64_t saved_state(void)
{
    unsigned a, b, c, d, low, high;
    const unsigned osxsave = 1u << 27;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & osxsave)) return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Tell whether the machine has features (bits of EBX of leaf 7) and FMA, and saves their
 * state. */
static bool has_features(unsigned features, uint64_t state)
{
    unsigned a, b, c, d;
    const unsigned fma = 1u << 12;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & fma)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & features) == features &&
           (saved_state() & state) == state;
}

static bool has_avx2(void)
{
    unsigned a, b, c, d;
    const unsigned fma = 1u << 12;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & fma) &&
           has_features(1u << 5, 0x6); /* XMM, YMM */
}

static bool has_avx512(void)
{
    const unsigned f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    return has_avx2() && has_features(f | dq | bw | vl, 0xE6); /* and masks, ZMM */
}
#endif

static bool always(void)
{
    return true;
}

/* The sets from the best to the one that every machine has. */
static const struct {
    const kernel_set *set;
    bool (*available)(void);
} sets[] = {
#if defined(MG_HAS_X86_SETS)
    {&kernels_avx512, has_avx512},
    {&kernels_avx2, has_avx2},
#endif
    {&kernels_baseline, always},
};

static _Atomic(const kernel_set *) chosen; /* NULL before the first use */

/* Return the set with a name, NULL for the best; NULL if there is none. */
static const kernel_set *set_find(const char *name)
{
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if ((!name || !strcmp(name, sets[i].set->name)) && sets[i].available())
            return sets[i].set;
    return NULL;
}

const kernel_set *kernels(void)
{
    const kernel_set *set = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (MG_UNLIKELY(!set)) { /* threads that meet here find the same */
        set = set_find(NULL);
        atomic_store_explicit(&chosen, set, memory_order_relaxed);
    }
    return set;
}

int mg_set_isa(const char *name)
{
    const kernel_set *set = set_find(name);
    MG_RETURN_IF(!set, MG_ERR_ARG);
    atomic_store_explicit(&chosen, set, memory_order_relaxed);
    return MG_OK;
}

const char *mg_isa(void)
{
    return kernels()->name;
}
