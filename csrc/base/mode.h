/* mode.h: the floating-point mode of the thread that calls.
 *
 * A library may leave a process in a mode of its own: libraries built with -ffast-math
 * flush subnormal numbers to zero, interval arithmetic rounds downwards, a debugger traps
 * divisions. Whatever holds outside, arrays are computed in the mode of SPEC.md, and
 * numbers in that which CPython takes for granted, the same: calls that compute are
 * entered and left through here, for 2 ns where the mode is right already, some 20 where
 * it has to be set and restored.
 *
 * Between the two calls only functions that are not inlined do arithmetic: a compiler may
 * move an operation on registers across them. */
#ifndef MG_MODE_H
#define MG_MODE_H

#include "base/core.h"

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__SSE2_MATH__))

/* MXCSR: six sticky flags; no denormals-are-zeros, all traps masked, to the nearest, no
 * flush to zero. */
enum { MODE_FLAGS = 0x3F, MODE_DEFAULT = 0x1F80 };

MG_INLINE uint64_t mode_read(void)
{
    return __builtin_ia32_stmxcsr();
}

MG_INLINE void mode_write(uint64_t mode)
{
    __builtin_ia32_ldmxcsr((unsigned)mode);
}

#elif defined(__GNUC__) && defined(__aarch64__)

enum { MODE_FLAGS = 0, MODE_DEFAULT = 0 }; /* FPCR; the flags are in a register apart */

MG_INLINE uint64_t mode_read(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}

MG_INLINE void mode_write(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}

#else /* what standard C knows of: where there is no other mode, it is never set */

#include <fenv.h>

enum { MODE_FLAGS = 0, MODE_DEFAULT = FE_TONEAREST };

MG_INLINE uint64_t mode_read(void)
{
    return (uint64_t)fegetround();
}

MG_INLINE void mode_write(uint64_t mode)
{
    fesetround((int)mode);
}

#endif

#if defined(__GNUC__)
#define MODE_BARRIER() __asm__ volatile("" : : : "memory")
#else
#define MODE_BARRIER() ((void)0)
#endif

MG_INLINE bool mode_is_default(uint64_t mode)
{
    return (mode & ~(uint64_t)MODE_FLAGS) == MODE_DEFAULT;
}

/* Set the mode that arrays are computed in; returns what held before. */
MG_INLINE uint64_t mode_enter(void)
{
    uint64_t mode = mode_read();
    if (MG_UNLIKELY(!mode_is_default(mode))) mode_write(MODE_DEFAULT);
    MODE_BARRIER();
    return mode;
}

MG_INLINE void mode_leave(uint64_t mode)
{
    MODE_BARRIER();
    if (MG_UNLIKELY(!mode_is_default(mode))) mode_write(mode);
}

#endif
