/* status.c: what the status codes mean, in words, and what this library was built
 * from. */
#include "base/base.h"

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
    case MG_ERR_LIMIT: return "more than 2**30 nodes, or an array above 2**62 bytes";
    case MG_ERR_STALE: return "the handle names no living node of this arena";
    case MG_ERR_ARG: return "an argument is outside its range";
    case MG_ERR_BUSY: return "a backward that is under way uses it";
    case MG_ERR_DOMAIN: return "math domain error";
    case MG_ERR_OVERFLOW: return "math range error";
    case MG_ERR_ZERODIV: return "division by zero";
    case MG_HOOK: return "a watched node is reached";
    case MG_CALL: return "a function of the caller's is reached";
    case MG_ERR_SHAPE: return "the shapes do not fit";
    case MG_ERR_DTYPE: return "not for this dtype";
    case MG_ERR_INDEX: return "an index is out of range";
    case MG_ERR_RECORDED: return "a program cannot do it again";
    case MG_ERR_FILE: return "no intact program file";
    case MG_ERR_INTERRUPTED: return "given up before it was done";
    case MG_ERR_RULE: return "a caller's own rule cannot be differentiated again";
    case MG_ERR_READONLY: return "the memory is read-only";
    case MG_ERR_VIEW: return "other views share the memory";
    case MG_ERR_GRADIENT: return "nothing here requires a gradient";
    case MG_ERR_CHANGED:
        return "a value that a gradient needs was changed in place since it was used";
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
