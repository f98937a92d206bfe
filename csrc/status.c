/* status.c: what the status codes mean, in words, and what this library was built
 * from. */
#include "core.h"

#ifndef MG_FLAGS
#define MG_FLAGS "unknown"
#endif
#ifndef MG_SOURCE
#define MG_SOURCE "unknown"
#endif
#ifndef MG_VERSION
#define MG_VERSION "unknown"
#endif
#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

const char *mg_status_text(int status)
{
    switch (status) {
    case MG_OK: return "no error";
    case MG_MORE: return "more work is left";
    case MG_ERR_NOMEM: return "out of memory, or over the byte limit";
    case MG_ERR_LIMIT: return "more than 2**30 nodes";
    case MG_ERR_STALE: return "the handle names no living node of this arena";
    case MG_ERR_ARG: return "an argument is outside its range";
    case MG_ERR_BUSY: return "a backward that is under way uses it";
    case MG_ERR_DOMAIN: return "math domain error";
    case MG_ERR_OVERFLOW: return "math range error";
    case MG_ERR_ZERODIV: return "division by zero";
    default: return "unknown status";
    }
}

const char *mg_build_info(void)
{
    return "version: " MG_VERSION "\n"
           "compiler: " COMPILER "\n"
           "flags: " MG_FLAGS "\n"
           "source: " MG_SOURCE;
}
