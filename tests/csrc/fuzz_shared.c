/* fuzz_shared.c: arrays in the caller's memory, of any strides, which the caller writes
 * to in between and gets back once; objects kept with arrays; whatever else ops do to them.
 * The memory is a block of its own: what is read or written beside it is found. */
#include "updates.h"
#include "fuzz.h"

enum { MEMORY = 512 };

static uint8_t *memory;

static void begin(void)
{
    free(memory);
    memory = calloc(1, MEMORY);
    if (!memory) abort();
}

static int object_lend(void)
{
    int which = below(OBJECTS);
    lent[which]++;
    return which;
}

/* Share a part of the memory, from its lowest to its highest element. */
static void share(void)
{
    int dtype = below(MG_DTYPE_COUNT), rank = below(4);
    int64_t shape[4], strides[4], lowest = 0, highest = 0, count = 1;
    for (int d = 0; d < rank; d++) {
        shape[d] = below(5), strides[d] = below(9) - 4;
        count *= shape[d];
        int64_t reach = shape[d] > 1 ? strides[d] * (shape[d] - 1) : 0;
        *(reach < 0 ? &lowest : &highest) += reach;
    }
    int64_t size = mg_dtype_size(dtype), room = MEMORY / size - (highest - lowest + 1);
    if (count && room < 0) return;
    int64_t first = room > 0 ? below((int)room + 1) : 0;
    uint8_t *data = memory + (count ? (first - lowest) * size : 0);
    int object = object_lend();
    mg_node made = mg_array_share(arena, dtype, rank, shape, strides,
                                  data + (size > 1 && below(32) == 0), below(4) == 0,
                                  &objects[object]);
    if (made < 0) lent[object]--;
    keep(made);
}

/* Without strides an array lies from its first element on: all of it is to be there. */
static void share_whole(void)
{
    int dtype = below(MG_DTYPE_COUNT), object = object_lend();
    int64_t shape[] = {below(6), below(6)};
    mg_node made = mg_array_share(arena, dtype, 2, shape, NULL, memory, below(4) == 0,
                                  &objects[object]);
    if (made < 0) lent[object]--;
    keep(made);
}

/* Keep an object with an array; the one before is given back. */
static void attach(void)
{
    int object = below(4) ? object_lend() : -1;
    int status = mg_attach(arena, handle(), object < 0 ? NULL : &objects[object]);
    if (known(status) < 0 && object >= 0) lent[object]--;
}

static void update(void)
{
    mg_node p = handle(), m = handle(), v = handle();
    if (below(2))
        known(array_sgd(arena, 1, &p, below(2) ? &m : NULL, below(2), 0.1, number(), 0.0,
                        number(), below(2)));
    else
        known(array_adam(arena, 1, &p, &m, &v, below(4), 0.1, 0.9, 0.99, 1e-8, number(),
                         below(2)));
}

static void backward(void)
{
    mg_node root = handle(), seed = 0;
    mg_sweep *sweep;
    seed = mg_apply(arena, MG_DETACH, 1, &root, 0, NULL, 0, NULL, 0, 0);
    if (known(seed) < 0) return;
    int status = mg_sweep_open(arena, 1, &root, &seed, 0, NULL, MG_ACCUMULATE, &sweep);
    EXPECT(mg_release(arena, seed) == MG_OK);
    if (known(status) < 0) return;
    known(mg_sweep_run(sweep, 0));
    mg_sweep_close(sweep);
}

static void step(void)
{
    switch (below(16)) {
    case 0: share(); break;
    case 1: share_whole(); break;
    case 2: memory[(below(2) * 256 + below(256)) % MEMORY] = (uint8_t)below(256); break;
    case 3: attach(); break;
    case 4: objects_take(); break;
    case 5: known(mg_apply_in_place(arena, below(MG_MAP_OP_COUNT), handle(),
                                    below(4) ? handle() : 0, 0)); break;
    case 6: keep(applied(below(MG_OP_COUNT), 1)); break;
    case 7: drop(below(SLOTS)); break;
    case 8: known(mg_require_gradient(arena, handle(), below(4) > 0)); break;
    case 9: known(mg_set_gradient(arena, handle(), below(4) ? handle() : 0)); break;
    case 10: update(); break;
    case 11: backward(); break;
    case 12: known(mg_memory_handles(arena, handle())); break;
    default: keep(applied(1 + below(MG_OP_COUNT - 1), 0)); break;
    }
}

static void end(void)
{
}
