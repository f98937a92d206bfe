/* story.c: what a program did in words that a file can have: ops by the caller's calls,
 * and backward as one, not the calls that it is made of, which are the core's affair.
 *
 * A loader makes the same calls again while it records, so that all are checked as every
 * call is, and the program that comes of it is the one that this core would make. What a
 * file cannot tell, such as hooks, is refused when the program is saved, not before. */
#include "programs/programs.h"

/* ---- memory ------------------------------------------------------------------------ */

void *room_take(mg_arena *arena, tape_room *room, size_t size)
{
    const size_t few = 1 << 14, many = 1 << 16, most = room->blocks ? many : few;
    size = size ? (size + 7) & ~(size_t)7 : 8;
    if (size <= room->left_size) {
        void *made = room->left;
        room->left += size;
        room->left_size -= size;
        return made;
    }
    const bool is_alone = size > most / 4;
    const size_t all = sizeof(room_block) + (is_alone ? size : most);
    room_block *block = arena_allocate(arena, NULL, 0, all);
    if (!block) return NULL;
    memset(block, 0, all);
    block->size = all;
    block->next = room->blocks;
    room->blocks = block;
    if (is_alone) return block->data;
    room->left = (char *)block->data + size;
    room->left_size = most - size;
    return block->data;
}

void room_free(mg_arena *arena, tape_room *room)
{
    for (room_block *block = room->blocks, *next; block; block = next) {
        next = block->next;
        arena_allocate(arena, block, block->size, 0);
    }
    *room = (tape_room){0};
}

void *tape_take_room(tape *t, size_t size)
{
    void *made = room_take(t->arena, &t->room, size);
    if (!made && t->status == MG_OK) t->status = MG_ERR_NOMEM;
    return made;
}

/* ---- lists ------------------------------------------------------------------------- */

bool tape_list_add(tape *t, tape_list *list, void *item)
{
    mg_arena *arena = t->arena;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 16;
        void **grown = arena_allocate(arena, list->items, list->capacity * sizeof item,
                                      capacity * sizeof item);
        if (!grown) {
            if (t->status == MG_OK) t->status = MG_ERR_NOMEM;
            return false;
        }
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return true;
}

void tape_list_free(mg_arena *arena, tape_list *list)
{
    arena_allocate(arena, list->items, list->capacity * sizeof(void *), 0);
    *list = (tape_list){0};
}

void story_refuse(tape *t, const char *why)
{
    if (!t->story.refused) t->story.refused = why;
}

static void no_memory(tape *t)
{
    if (t->status == MG_OK) t->status = MG_ERR_NOMEM;
}

static void tell(tape *t, uint64_t x)
{
    story *s = &t->story;
    if (s->word_count == s->word_capacity) {
        const size_t capacity = s->word_capacity * 2 + 64;
        uint32_t *grown =
            arena_allocate(t->arena, s->words, s->word_capacity * sizeof *grown,
                           capacity * sizeof *grown);
        if (!grown) {
            no_memory(t);
            return;
        }
        s->words = grown;
        s->word_capacity = capacity;
    }
    s->words[s->word_count++] = (uint32_t)x;
}

static void tell_pair(tape *t, uint64_t x)
{
    tell(t, x & 0xFFFFFFFFu);
    tell(t, x >> 32);
}

static void tell_number(tape *t, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    tell_pair(t, bits);
}

/* ---- values ------------------------------------------------------------------------ */

static story_place *place_of(const story *s, const array *a)
{
    const uint64_t h = (uint64_t)(uintptr_t)a * 0x9E3779B97F4A7C15u;
    size_t mask = s->place_size - 1, i = (size_t)(h >> 32) & mask;
    while (s->places[i].at && s->places[i].at != a) i = (i + 1) & mask;
    return &s->places[i];
}

static bool places_grow_twice(tape *t)
{
    story *s = &t->story;
    const size_t old_size = s->place_size, size = old_size ? 2 * old_size : 64;
    story_place *old = s->places;
    story_place *made = arena_allocate(t->arena, NULL, 0, size * sizeof *made);
    if (!made) {
        no_memory(t);
        return false;
    }
    memset(made, 0, size * sizeof *made);
    s->places = made;
    s->place_size = size;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].at) *place_of(s, old[i].at) = old[i];
    if (old) arena_allocate(t->arena, old, old_size * sizeof *old, 0);
    return true;
}

/* Let an array be a value from now on. */
static void value_set(tape *t, const array *a, uint32_t value, story_array *constant)
{
    story *s = &t->story;
    if (2 * s->place_count >= s->place_size && !places_grow_twice(t)) return;
    story_place *place = place_of(s, a);
    if (!place->at) s->place_count++;
    const storage *home = a->buffer->home;
    *place = (story_place){.at = a, .home = home, .data = a->data, .count = a->count};
    place->given = home ? home->given : 0;
    place->dtype = a->dtype;
    place->value = value;
    place->constant = constant;
    place->is_fresh = constant != NULL;
}

/* Return what an array is, NULL for one that stands where another one did. */
static story_place *known_place(const story *s, const array *a)
{
    story_place *place = s->place_size ? place_of(s, a) : NULL;
    const storage *home = a->buffer->home;
    if (!place || !place->at || place->home != home) return NULL;
    if (home && place->given != home->given) return NULL;
    const bool same = place->data == a->data && place->count == a->count;
    return same && place->dtype == a->dtype ? place : NULL;
}

static void constant_fill(const array *a, story_array *copy)
{
    array to = *a;
    to.data = copy->data;
    array_set_shape(&to, a->rank, a->shape, NULL);
    map_copy(a, &to);
}

/* Take the elements of a constant before it is used for the first time. */
void story_settle(tape *t, const array *a)
{
    story_place *place = known_place(&t->story, a);
    if (!place || !place->is_fresh) return;
    constant_fill(a, place->constant);
    place->is_fresh = false;
}

/* Return the value that what was found is. */
static uint32_t found_value(tape *t, storage *m)
{
    tape_list *arrays = &t->story.arrays;
    for (size_t i = 0; i < arrays->count; i++)
        if (arrays->items[i] == m) return FOUND_VALUE + (uint32_t)i;
    if (m->shared) story_refuse(t, "two arrays from outside share memory");
    tape_list_add(t, arrays, m);
    return FOUND_VALUE + (uint32_t)arrays->count - 1;
}

/* Return the value that an array in some storage is; the gradient of a leaf, but for one
 * that may be 0, is told of. */
static uint32_t value_known(tape *t, const array *a, storage *m, uint32_t except)
{
    for (size_t i = 0; i < t->leaves.count; i++) {
        storage *leaf = ((tape_leaf *)t->leaves.items[i])->of;
        const uint32_t gradient = node_at(t->arena, leaf->node)->gradient_node;
        if (!gradient || array_at(t->arena, gradient) != a) continue;
        if (leaf->node == except) continue;
        const uint32_t of = found_value(t, leaf);
        tell(t, STORY_GRADIENT);
        tell(t, of);
        return t->story.values++;
    }
    story_settle(t, a);
    const story_place *place = known_place(&t->story, a);
    if (place) return place->value; /* also a view of what was found */
    if (m && m->role != OWNED && m->array == a) return found_value(t, m);
    story_refuse(t, "it uses an array that no call of its own has made");
    return NO_ARRAY;
}

uint32_t story_value(tape *t, const array *a, storage *m)
{
    return value_known(t, a, m, 0);
}

/* The same of what has just become the gradient of a leaf. */
uint32_t story_gradient(tape *t, const array *a, storage *m, uint32_t leaf)
{
    return value_known(t, a, m, leaf);
}

/* ---- events ------------------------------------------------------------------------ */

void story_call(tape *t, const call *c, uint32_t made, const uint32_t *values)
{
    const bool requires = node_at(t->arena, made)->bits & REQUIRES;
    tell(t, (uint32_t)c->op);
    tell(t, (uint32_t)c->operand_count);
    tell(t, (uint32_t)c->integer_count);
    tell(t, (uint32_t)c->number_count);
    tell(t, c->weak);
    tell(t, (c->record ? STORY_RECORDS : 0) | (c->takes_memory ? STORY_OVER : 0) |
                (requires ? STORY_REQUIRES : 0));
    for (int i = 0; i < c->operand_count; i++) tell(t, values[i]);
    for (int i = 0; i < c->integer_count; i++) tell_pair(t, (uint64_t)c->integers[i]);
    for (int i = 0; i < c->number_count; i++) tell_number(t, c->numbers[i]);
    const uint32_t value = t->story.values++;
    if (!c->takes_memory || requires) value_set(t, array_at(t->arena, made), value, NULL);
}

void story_constant(tape *t, const array *a)
{
    const size_t bytes = (size_t)a->count * dtype_sizes[a->dtype];
    story_array *copy = tape_take_room(t, sizeof(story_array) + bytes);
    if (!copy || !tape_list_add(t, &t->story.constants, copy)) return;
    *copy = (story_array){.dtype = a->dtype, .rank = a->rank};
    copy->bytes = bytes;
    for (int d = 0; d < a->rank; d++) copy->shape[d] = a->shape[d];
    constant_fill(a, copy);
    tell(t, STORY_CONSTANT);
    tell(t, t->story.constants.count - 1);
    value_set(t, a, t->story.values++, copy);
}

void story_in_place(tape *t, const deed *a, const uint32_t *values)
{
    tell(t, STORY_IN_PLACE);
    tell(t, (uint64_t)a->integers[0]);
    tell(t, (uint64_t)a->integers[1]);
    tell(t, values[0]);
    tell(t, a->arrays[1] ? values[1] : NO_ARRAY);
}

void story_random(tape *t, const deed *a, uint32_t value)
{
    tape_list *all = &t->story.generators;
    void *rng = (void *)(uintptr_t)a->integers[0];
    size_t which = 0;
    const story_place *place = known_place(&t->story, a->arrays[0]);
    story_array *drawn = place ? place->constant : NULL;
    if (drawn) memset(drawn->data, 0, drawn->bytes); /* no matter what it held */
    while (which < all->count && all->items[which] != rng) which++;
    if (which == all->count) tape_list_add(t, all, rng);
    tell(t, STORY_RANDOM);
    tell(t, value);
    tell(t, which);
    tell(t, (uint64_t)a->integers[1]);
    tell_number(t, a->numbers[0]);
    tell_number(t, a->numbers[1]);
    tell_pair(t, (uint64_t)a->integers[2]);
    tell_pair(t, (uint64_t)a->integers[3]);
}

void story_require(tape *t, const deed *a, uint32_t value)
{
    tell(t, STORY_REQUIRE);
    tell(t, value);
    tell(t, a->integers[0] == MG_ERR_INDEX);
}

/* Tell that the gradient of a leaf, which was made while recording, is looked at. A sweep
 * may have added to the array of another value, which nobody had any more. */
void story_look(tape *t, uint32_t leaf, const array *gradient)
{
    const story *s = &t->story;
    const story_place *place = known_place(s, gradient);
    const bool is_last = place && place->value == s->values - 1 &&
                         s->words[s->word_count - 2] == STORY_GRADIENT;
    if (is_last && s->words[s->word_count - 1] == leaf) return;
    tell(t, STORY_GRADIENT);
    tell(t, leaf);
    value_set(t, gradient, t->story.values++, NULL);
}

void story_requires(tape *t, uint32_t leaf, bool on)
{
    tell(t, STORY_REQUIRES_GRAD);
    tell(t, leaf);
    tell(t, on);
}

void story_set(tape *t, uint32_t leaf, uint32_t gradient)
{
    tell(t, STORY_SET_GRADIENT);
    tell(t, leaf);
    tell(t, gradient);
}

/* ---- sweeps ------------------------------------------------------------------------
 *
 * A backward is told when it is opened. What its caller does where it stops at a function is
 * told behind it, up to a resume, calls among it and perhaps other backwards: so a file needs
 * no more of a function than that it is one. */

/* Tell of a backward, or of a grad, which has inputs, given its roots, seeds and inputs. */
void story_sweep(tape *t, const mg_sweep *s, int64_t count, int64_t input_count,
                 const uint32_t *values)
{
    story *of = &t->story;
    if (of->sweep_count == STORY_SWEEPS) {
        story_refuse(t, "more than 16 backwards within each other");
        return;
    }
    of->sweeps[of->sweep_count++] = s;
    tell(t, input_count ? STORY_GRAD : STORY_BACKWARD);
    tell(t, (uint64_t)count);
    if (input_count) tell(t, (uint64_t)input_count);
    for (int64_t i = 0; i < 2 * count + input_count; i++) tell(t, values[i]);
}

/* Tell whether a sweep is the innermost one that was told: another one is in nobody's
 * words. */
bool story_stopped(tape *t, const mg_sweep *s)
{
    const story *of = &t->story;
    if (of->refused) return false;
    const bool is_innermost = of->sweep_count && of->sweeps[of->sweep_count - 1] == s;
    if (!is_innermost) story_refuse(t, "backwards that go on in turn");
    return is_innermost;
}

void story_arrived(tape *t, uint32_t output, const array *gradient)
{
    tell(t, STORY_ARRIVED);
    tell(t, output);
    story_kept(t, gradient);
}

void story_contribute(tape *t, int which, uint32_t gradient)
{
    tell(t, STORY_CONTRIBUTE);
    tell(t, (uint64_t)which);
    tell(t, gradient);
}

void story_resume(tape *t)
{
    tell(t, STORY_RESUME);
}

/* Let the gradient that a sweep has kept be a value. */
void story_kept(tape *t, const array *gradient)
{
    value_set(t, gradient, t->story.values++, NULL);
}

/* Note that the innermost sweep is at its end. */
void story_sweep_end(tape *t, const mg_sweep *s)
{
    if (story_stopped(t, s)) t->story.sweep_count--;
}

/* An update of the counts of an earlier one is that one, made again. */
void story_update(tape *t, tape_entry *e)
{
    tape_list *all = &t->story.updates;
    const tape_update *of = &e->update;
    size_t which = 0;
    for (; which < all->count; which++) {
        const tape_update *other = &((tape_entry *)all->items[which])->update;
        if (of->group_count && other->group_count &&
            of->groups[0].steps == other->groups[0].steps)
            break;
    }
    if (which == all->count) tape_list_add(t, all, e);
    tell(t, STORY_UPDATE);
    tell(t, which);
}

/* Forget what is only needed while recording. */
void story_end(tape *t)
{
    story *s = &t->story;
    if (s->places)
        arena_allocate(t->arena, s->places, s->place_size * sizeof *s->places, 0);
    s->places = NULL;
    s->place_size = s->place_count = 0;
}

void story_free(tape *t)
{
    story *s = &t->story;
    mg_arena *arena = t->arena;
    story_end(t);
    if (s->words) arena_allocate(arena, s->words, s->word_capacity * sizeof *s->words, 0);
    if (s->outputs)
        arena_allocate(arena, s->outputs,
                       (size_t)t->output_count * sizeof *s->outputs, 0);
    tape_list_free(arena, &s->arrays);
    tape_list_free(arena, &s->constants);
    tape_list_free(arena, &s->generators);
    tape_list_free(arena, &s->updates);
}
