/* indexing.c: x[key]: the one place where a key is read against a shape.
 *
 * A key of plain ints, slices, None and `...` is a SLICE and a RESHAPE, done here:
 * through Python functions that costs ten times the ops. Python makes other parts plain,
 * or Tensors of int64 or bool, and _select() reads those too.
 *
 * The object of x[key] remembers x and the key, its origin, because a recorded change of
 * it is to go on to x: whether anybody else holds the object cannot be known, as CPython
 * 3.14 no longer counts the references of local variables. */
#include "binding.h"

enum { MOST_PARTS = 64, MOST_ORIGINS = 8 };

/* What a part of a key makes of the result's axes, beside the number of a sliced axis. */
enum { NEW_AXIS = -3, ARRAY = -2, INTEGER = -1 };

/* An array in a key: which part, and the axes that it indexes together. */
typedef struct array_part {
    PyObject *array;
    int first, axes;
} array_part;

/* A key, read against a shape. */
typedef struct selection {
    const mg_array_info *info;
    int axis;                          /* the next one */
    int64_t integers[3 * MG_MAX_RANK]; /* of SLICE: starts, steps, counts */
    int place_count;
    int64_t places[MOST_PARTS + MG_MAX_RANK];
    int rank; /* of the result, where there are no arrays */
    int64_t shape[MOST_PARTS + MG_MAX_RANK];
    int array_count;
    array_part arrays[MG_MAX_RANK + MOST_PARTS];
    int sliced;
} selection;

/* ---- the parts of a key ------------------------------------------------------------ */

static int fail_index(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PyObject *text = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    if (text) PyErr_SetObject(tensor_callbacks.index_error, text);
    Py_XDECREF(text);
    return -1;
}

/* Take items from the next axis, which are the place'th of the result or INTEGER. */
static void take_axis(selection *s, int64_t start, int64_t step, int64_t count, int place)
{
    int rank = s->info->rank, axis = s->axis++;
    s->integers[axis] = start;
    s->integers[rank + axis] = step;
    s->integers[2 * rank + axis] = count;
    if (step != 1 || count != s->info->shape[axis]) s->sliced = 1;
    if (place != ARRAY) s->places[s->place_count++] = place;
    if (place >= 0) s->shape[s->rank++] = count;
}

static void take_all(selection *s)
{
    take_axis(s, 0, 1, s->info->shape[s->axis], s->axis);
}

static int take_integer(selection *s, PyObject *item)
{
    int overflow;
    int64_t size = s->info->shape[s->axis];
    int64_t index = PyLong_AsLongLongAndOverflow(item, &overflow);
    if (overflow || index < -size || index >= size)
        return fail_index("index %S is out of range for axis %d of size %lld", item,
                          s->axis, (long long)size);
    take_axis(s, index < 0 ? index + size : index, 1, 1, INTEGER);
    return 1;
}

static int take_slice(selection *s, PyObject *item)
{
    Py_ssize_t start, stop, step, size = (Py_ssize_t)s->info->shape[s->axis];
    if (PySlice_Unpack(item, &start, &stop, &step) < 0) return -1;
    Py_ssize_t count = PySlice_AdjustIndices(size, &start, &stop, step);
    take_axis(s, count ? start : 0, count ? step : 1, count, s->axis);
    return 1;
}

/* Return how many axes an array indexes: a mask its own number; -1 with an exception. */
static int axes_of_array(PyObject *item)
{
    mg_array_info info;
    if (tensor_describe(item, &info) < 0) return -1;
    return info.dtype == MG_BOOL ? info.rank : 1;
}

static int fail_mask(const mg_array_info *mask, const selection *s)
{
    PyObject *has = tuple_of(mask->shape, mask->rank), *axes = PyTuple_New(mask->rank);
    PyObject *wants = tuple_of(s->info->shape + s->axis, mask->rank);
    for (int i = 0; axes && i < mask->rank; i++)
        PyTuple_SetItem(axes, i, PyLong_FromLong(s->axis + i));
    if (has && axes && wants)
        fail_index("a mask of shape %S stands at axes %S of shape %S", has, axes, wants);
    Py_XDECREF(has);
    Py_XDECREF(axes);
    Py_XDECREF(wants);
    return -1;
}

/* A slice's __index__ may have made another array of one in the key. */
static int fail_changed(void)
{
    return fail_index("an array of indices has changed while it was read");
}

static int take_array(selection *s, PyObject *item)
{
    mg_array_info info;
    if (tensor_describe(item, &info) < 0) return -1;
    int axes = info.dtype == MG_BOOL ? info.rank : 1;
    if (axes > s->info->rank - s->axis) return fail_changed();
    for (int i = 0; info.dtype == MG_BOOL && i < axes; i++)
        if (info.shape[i] != s->info->shape[s->axis + i]) return fail_mask(&info, s);
    s->arrays[s->array_count++] = (array_part){item, s->axis, axes};
    s->places[s->place_count++] = ARRAY;
    for (int i = 0; i < axes; i++)
        take_axis(s, 0, 1, s->info->shape[s->axis], ARRAY);
    return 1;
}

/* Take in one part; -1 with an exception. */
static int take_part(selection *s, PyObject *item, int missing)
{
    int is_integer = PyLong_CheckExact(item);
    if (is_integer || PySlice_Check(item)) {
        if (s->axis >= s->info->rank) return fail_changed();
        return is_integer ? take_integer(s, item) : take_slice(s, item);
    }
    if (item == Py_None) {
        s->places[s->place_count++] = NEW_AXIS;
        s->shape[s->rank++] = 1;
        return 1;
    }
    if (item != Py_Ellipsis) return take_array(s, item);
    while (missing-- > 0 && s->axis < s->info->rank) take_all(s);
    return 1;
}

/* ---- a key ------------------------------------------------------------------------- */

/* The parts of a key: those of a tuple, or itself. */
static PyObject *part_of(PyObject *key, Py_ssize_t i)
{
    return PyTuple_CheckExact(key) ? PyTuple_GetItem(key, i) : key;
}

/* Count the axes that the parts stand for, `...` apart. 0 where one is for Python to
 * make plain, or with `arrays` none of what it makes; -1 with an exception. */
static int count_axes(PyObject *key, Py_ssize_t count, int arrays, int *used)
{
    int dots = 0;
    *used = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = part_of(key, i);
        if (PyLong_CheckExact(item) || PySlice_Check(item)) {
            ++*used;
        } else if (item == Py_Ellipsis) {
            dots++;
        } else if (item != Py_None) {
            int axes = arrays && is_tensor(item) ? axes_of_array(item) : -1;
            if (axes < 0) return PyErr_Occurred() ? -1 : 0;
            *used += axes;
        }
    }
    return dots > 1 ? fail_index("an index has one '...' at most") : 1;
}

/* Read a whole key; 0 where it is not plain, -1 with an exception. */
static int read_key(selection *s, const mg_array_info *info, PyObject *key, int arrays)
{
    Py_ssize_t count = PyTuple_CheckExact(key) ? PyTuple_Size(key) : 1;
    int used, rank = info->rank;
    s->info = info;
    s->axis = s->place_count = s->rank = s->array_count = s->sliced = 0;
    if (count > MOST_PARTS)
        return fail_index("an index has at most %d parts, not %zd", MOST_PARTS, count);
    int plain = count_axes(key, count, arrays, &used);
    if (plain <= 0) return plain;
    if (used > rank)
        return fail_index("too many indices: %d for a tensor of %d %s", used, rank,
                          rank == 1 ? "axis" : "axes");
    for (Py_ssize_t i = 0; i < count; i++)
        if (take_part(s, part_of(key, i), rank - used) < 0) return -1;
    while (s->axis < rank) take_all(s);
    return 1;
}

/* ---- x[key] ------------------------------------------------------------------------ */

static PyObject *apply_selection(PyObject *self, const selection *s)
{
    const mg_array_info *info = s->info;
    int reshaped = s->place_count != info->rank || s->rank != info->rank;
    if (!reshaped)
        return tensor_apply_integers(MG_SLICE, self, info, 3 * info->rank, s->integers);
    if (!s->sliced)
        return tensor_apply_integers(MG_RESHAPE, self, info, s->rank, s->shape);
    PyObject *part =
        tensor_apply_integers(MG_SLICE, self, info, 3 * info->rank, s->integers);
    if (!part) return NULL;
    PyObject *result = tensor_apply_integers(MG_RESHAPE, part, info, s->rank, s->shape);
    Py_DECREF(part);
    return result;
}

/* Let a view remember what it is a part of, and so that what of. Chains end somewhere, so
 * that `x = x[1:]`, again and again, does not keep all that x has been. */
static PyObject *remember(PyObject *view, PyObject *base, mg_node node,
                          PyObject *key)
{
    const origin *before = ((tensor *)base)->origin;
    int depth = before ? before->depth + 1 : 1;
    if (!view || depth > MOST_ORIGINS) return view;
    int recording = is_recording();
    origin *made = recording > 0 ? PyMem_Malloc(sizeof(origin)) : NULL;
    if (made) {
        *made = (origin){Py_NewRef(base), Py_NewRef(key), node, depth};
        ((tensor *)view)->origin = made;
    } else if (recording) {
        if (recording > 0) PyErr_NoMemory();
        Py_CLEAR(view);
    }
    return view;
}

void forget_origin(origin *made)
{
    if (!made) return;
    Py_DECREF(made->base);
    Py_DECREF(made->key);
    PyMem_Free(made);
}

PyObject *tensor_subscript(PyObject *self, PyObject *key)
{
    mg_array_info info;
    selection s;
    if (tensor_describe(self, &info) < 0) return NULL;
    int plain = read_key(&s, &info, key, 0);
    if (plain < 0) return NULL;
    if (!plain) return PyObject_CallMethod(self, "_get", "(O)", key);
    mg_node node = tensor_handle(self); /* another thread may give it another one */
    return remember(apply_selection(self, &s), self, node, key);
}

/* _origin(): (x, key) of what this is x[key] of, while x has the same node; or None. */
PyObject *tensor_origin(PyObject *self, PyObject *Py_UNUSED(none))
{
    const origin *from = ((tensor *)self)->origin;
    if (!from || tensor_handle(from->base) != from->node) Py_RETURN_NONE;
    return PyTuple_Pack(2, from->base, from->key);
}

static PyObject *tuple_of_places(const selection *s)
{
    PyObject *places = PyTuple_New(s->place_count);
    for (int i = 0; places && i < s->place_count; i++) {
        PyObject *place = s->places[i] == NEW_AXIS ? Py_NewRef(Py_None)
                                                   : PyLong_FromLongLong(s->places[i]);
        if (place) PyTuple_SetItem(places, i, place);
        else Py_CLEAR(places);
    }
    return places;
}

static PyObject *tuple_of_arrays(const selection *s)
{
    PyObject *arrays = PyTuple_New(s->array_count);
    for (int i = 0; arrays && i < s->array_count; i++) {
        const array_part *part = &s->arrays[i];
        PyObject *row = Py_BuildValue("(Oii)", part->array, part->first, part->axes);
        if (row) PyTuple_SetItem(arrays, i, row);
        else Py_CLEAR(arrays);
    }
    return arrays;
}

/* _select(key): a key of plain parts and Tensors as (starts, steps, counts, places,
 * arrays). places: from left to right the axis of a slice, None for a new axis, -1 for an
 * integer, -2 for an array. arrays: (array, its first axis, their number). */
PyObject *tensor_select(PyObject *self, PyObject *key)
{
    mg_array_info info;
    selection s;
    if (tensor_describe(self, &info) < 0) return NULL;
    int plain = read_key(&s, &info, key, 1);
    if (plain == 0) PyErr_SetString(PyExc_TypeError, "a key has ints, slices, tensors");
    if (plain <= 0) return NULL;
    int rank = info.rank;
    PyObject *parts[] = {tuple_of(s.integers, rank), tuple_of(s.integers + rank, rank),
                         tuple_of(s.integers + 2 * rank, rank), tuple_of_places(&s),
                         tuple_of_arrays(&s)};
    return Py_BuildValue("(NNNNN)", parts[0], parts[1], parts[2], parts[3], parts[4]);
}
