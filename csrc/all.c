/* all.c: the core as one file: all sources, in reading order. To build it into a program:
 *
 *     cc -O3 $(sed 's/#.*$//' csrc/flags.txt) -Icsrc -c csrc/all.c
 *
 * A set of kernels is made by compiling the same functions for another target, so there is
 * one set in a file: here the baseline's. With -DMG_X86_SETS those of AVX2 and AVX-512 are
 * used too: compile kernels_avx2.c and kernels_avx512.c of kernels/, and lanes_avx2.c and
 * lanes_avx512.c of programs/ beside it. */
#if defined(__linux__)
#define _GNU_SOURCE /* of threads.c, before the first header */
#endif
#if !defined(MG_X86_SETS) && !defined(MG_BASELINE_ONLY)
#define MG_BASELINE_ONLY
#endif

#include "base/status.c"
#include "base/ops.c"
#include "base/dtype.c"
#include "base/mode.c"
#include "base/work.c"
#include "base/rng.c"
#include "base/threads.c"
#include "store/memory.c"
#include "store/buffer.c"
#include "store/node.c"
#include "numbers/float.c"
#include "numbers/record.c"
#include "numbers/steps.c"
#include "numbers/given.c"
#include "numbers/backward.c"
#include "numbers/emit.c"
#include "numbers/layers.c"
#include "numbers/optim.c"
#include "kernels/kernels_baseline.c"
#include "kernels/dispatch.c"
#include "kernels/casts.c"
#include "kernels/selftest.c"
#include "arrays/array.c"
#include "arrays/fill.c"
#include "arrays/types.c"
#include "arrays/map.c"
#include "arrays/call.c"
#include "arrays/elements.c"
#include "arrays/move.c"
#include "arrays/index.c"
#include "arrays/reduce.c"
#include "arrays/pool.c"
#include "arrays/rows.c"
#include "arrays/channels.c"
#include "arrays/product.c"
#include "arrays/convolve.c"
#include "arrays/apply.c"
#include "arrays/rule.c"
#include "arrays/vjp_elements.c"
#include "arrays/vjp_move.c"
#include "arrays/vjp_reduce.c"
#include "arrays/vjp_product.c"
#include "arrays/vjp_rows.c"
#include "arrays/vjp.c"
#include "arrays/sweep.c"
#include "arrays/factors.c"
#include "arrays/update.c"
#include "programs/story.c"
#include "programs/tape.c"
#include "programs/program.c"
#include "programs/trace.c"
#include "programs/roll.c"
#include "programs/lanes_baseline.c"
#include "programs/script.c"
#include "programs/choose.c"
#include "programs/log.c"
#include "programs/show.c"
#include "programs/entries.c"
#include "programs/file.c"
#include "programs/script_save.c"
#include "programs/script_load.c"
#include "programs/tape_save.c"
#include "programs/tape_load.c"
#include "lifetime.c"
