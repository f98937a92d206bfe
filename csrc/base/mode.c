/* mode.c: the floating-point mode, for callers that convert numbers themselves. */
#include "base/mode.h"

uint64_t mg_mode_enter(void)
{
    return mode_enter();
}

void mg_mode_leave(uint64_t mode)
{
    mode_leave(mode);
}
