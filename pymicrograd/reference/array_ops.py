"""The ops on whole arrays: movement, copies, indices, sums, products, and what is made of them.

Every op is a function of Arrays and of plain ints, tuples and floats, listed in ARRAYS by its
name. Numbers are computed as Elements, so that each operation is rounded to the type, float16 in
float32 and rounded once when it is stored. Where numbers are added up, the order is the code's:
in 32 lanes over axes that are reduced, in blocks from left to right in products.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .array import (
    BOUNDS,
    DTYPES,
    Array,
    broadcast_shapes,
    common_of,
    count_of,
    indices,
    is_float,
    position,
    promote,
    wide,
)
from .element_ops import Element, larger, of, smaller
from .fma import fma_f32, fma_f64

__all__ = ["ARRAYS", "LANES"]

Index = tuple[int, ...]
Shape = tuple[int, ...]
Axes = tuple[int, ...]
Elements = list[Element]

ARRAYS: dict[str, Callable[..., Array]] = {}
FMAS = {"float32": fma_f32, "float64": fma_f64}
LANES = 32
BLOCK = 4096  # numbers that are joined in lanes at a time
STEPS = 128  # products that are added up from 0


def op(function: Callable[..., Array]) -> Callable[..., Array]:
    """List a function in ARRAYS, without the underscore that tells it from Python's own."""
    ARRAYS[function.__name__.rstrip("_")] = function
    return function


def elements(a: Array, dtype: str | None = None) -> Elements:
    """Return the numbers of an array as Elements, by default of the type they are computed in."""
    return [Element(dtype or wide(a.dtype), x) for x in a.values]


def store(dtype: str, shape: Iterable[int], numbers: Iterable[Any]) -> Array:
    """Make an array of Elements or numbers."""
    return Array(dtype, shape, [of(x) for x in numbers])


def needs_float(name: str, a: Array) -> None:
    """Refuse an array that is not of floats."""
    if not is_float(a.dtype):
        raise TypeError(f"{name} is of floats, not of {a.dtype}")


def float_of(a: Array) -> str:
    """Return the type of the functions of an array: float32 of integers and bools."""
    return a.dtype if is_float(a.dtype) else "float32"


def check_axes(name: str, a: Array, axes: Iterable[int]) -> None:
    """Refuse numbers that are not axes, and axes named twice."""
    axes = tuple(axes)
    if len(set(axes)) < len(axes) or any(not 0 <= d < len(a.shape) for d in axes):
        raise ValueError(f"{name}: {axes} are not axes of shape {a.shape}")


# ---- movement: the element at each index is an element of a ----------------------------------


@op
def reshape(a: Array, shape: Sequence[int]) -> Array:
    """Return the numbers in the same order in another shape."""
    if count_of(shape) != len(a.values) or min(shape, default=0) < 0:
        raise ValueError(f"reshape: shape {a.shape} does not fit {tuple(shape)}")
    return Array(a.dtype, shape, a.values)


@op
def permute(a: Array, axes: Sequence[int]) -> Array:
    """Return an array whose axis d is axis axes[d] of a."""
    check_axes("permute", a, axes)
    if len(axes) != len(a.shape):
        raise ValueError(f"permute: {tuple(axes)} are not all axes of shape {a.shape}")
    shape = [a.shape[d] for d in axes]
    return Array.build(a.dtype, shape, lambda i: a[tuple(i[axes.index(d)] for d in range(len(i)))])


@op
def expand(a: Array, shape: Sequence[int]) -> Array:
    """Repeat a along new first axes and along axes of size 1."""
    return a.expand(tuple(shape))


def stepped(index: Index, start: Sequence[int], step: Sequence[int]) -> Index:
    """Return where in an array an element of its slice lies."""
    return tuple(s + t * i for s, t, i in zip(start, step, index, strict=True))


def check_slice(
    name: str, shape: Sequence[int], start: Sequence[int], step: Sequence[int], count: Sequence[int]
) -> None:
    """Refuse a slice that leaves the array."""
    for n, *slice_of_axis in zip(shape, start, step, count, strict=True):
        first, stride, size = slice_of_axis
        if size < 0 or stride == 0:
            raise ValueError(f"{name}: step {stride}, count {size}")
        if size > 0 and not (0 <= first < n and 0 <= first + (size - 1) * stride < n):
            raise IndexError(f"{name}: {size} from {first} in steps of {stride} of {n} elements")


@op
def slice_(a: Array, start: Sequence[int], step: Sequence[int], count: Sequence[int]) -> Array:
    """Return along each axis the elements start, start + step ..., count of them."""
    check_slice("slice", a.shape, start, step, count)
    return Array.build(a.dtype, count, lambda i: a[stepped(i, start, step)])


@op
def window(a: Array, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """Return the windows that slide over the last axes.

    Args:
        a: (.., n x s) with s sizes, strides and dilations.
        size: of a window along each of the last s axes.
        stride: from one window to the next.
        dilation: from one element of a window to the next.

    Returns:
        (.., steps x s, size x s); window t begins at t * stride, its element k lies k * dilation
        after that.
    """
    s = len(size)
    lead = len(a.shape) - s
    steps = []
    for n, k, t, d in zip(a.shape[lead:], size, stride, dilation, strict=True):
        if min(k, t, d) < 1 or max(k, t, d) >= 2**31:
            raise ValueError("window: sizes, strides and dilations are from 1 to 2**31 - 1")
        if n < (k - 1) * d + 1:
            raise ValueError(f"window: {k} elements at distance {d} do not fit shape {a.shape}")
        steps.append((n - ((k - 1) * d + 1)) // t + 1)

    def source(i: Index) -> Index:
        inside = [i[lead + x] * stride[x] + i[lead + s + x] * dilation[x] for x in range(s)]
        return (*i[:lead], *inside)

    return Array.build(a.dtype, (*a.shape[:lead], *steps, *size), lambda i: a[source(i)])


# ---- copies ----------------------------------------------------------------------------------


@op
def contiguous(a: Array) -> Array:
    """Return the numbers as they are."""
    return a.copy()


@op
def clone(a: Array) -> Array:
    """Return a copy."""
    return a.copy()


@op
def cast(a: Array, dtype: str) -> Array:
    """Return the numbers as numbers of another type."""
    if dtype not in DTYPES:
        raise TypeError(f"dtype {dtype!r} is none of {', '.join(DTYPES)}")
    return a.cast(dtype)


@op
def pad(a: Array, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Array:
    """Return a with as many values before and after it along each axis."""
    if min((*before, *after), default=0) < 0:
        raise ValueError(f"pad: {tuple(before)} before and {tuple(after)} after are below 0")
    shape = [x + n + y for x, n, y in zip(before, a.shape, after, strict=True)]
    y = Array.build(a.dtype, shape, lambda i: value)
    for i in indices(a.shape):
        y[stepped(i, before, [1] * len(i))] = a[i]
    return y


def add_to(y: Array, index: Index, number: Any) -> None:
    """Add a number to the one at an index."""
    y[index] = of(Element(y.dtype, y[index]) + number)


@op
def spread(a: Array, shape: Sequence[int], start: Sequence[int], step: Sequence[int]) -> Array:
    """Return zeros of a shape, whose slice is a."""
    check_slice("spread", shape, start, step, a.shape)
    y = Array.build(a.dtype, shape, lambda i: 0)
    for i in indices(a.shape):
        y[stepped(i, start, step)] = a[i]
    return y


@op
def fold(a: Array, n: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """Return the sums of the windows where they overlap: what `window` takes, given back.

    Args:
        a: (.., steps x s, size x s), with s sizes n, strides and dilations.
        n: the last sizes of the result, (.., n x s). Its elements begin at 0; the first elements
            of all windows are added, then their second ones, in row-major order.
    """
    s = len(n)
    lead = len(a.shape) - 2 * s
    steps, size = a.shape[lead : lead + s], a.shape[lead + s :]
    y = Array.build(wide(a.dtype), (*a.shape[:lead], *n), lambda i: 0)
    for k in indices(size):
        first = [x * d for x, d in zip(k, dilation, strict=True)]
        check_slice("fold", n, first, stride, steps)
        for i in indices(a.shape[: lead + s]):
            add_to(y, i[:lead] + stepped(i[lead:], first, stride), a[i + k])
    return y.cast(a.dtype)


def with_place(index: Index, axis: int, i: int) -> Index:
    """Return an index with another place on an axis."""
    return (*index[:axis], i, *index[axis + 1 :])


@op
def cat(*arrays: Array, axis: int) -> Array:
    """Join arrays one behind the other along an axis."""
    first = arrays[0]
    check_axes("cat", first, [axis])
    for a in arrays:
        if len(a.shape) != len(first.shape) or any(
            n != m for d, (n, m) in enumerate(zip(a.shape, first.shape, strict=True)) if d != axis
        ):
            raise ValueError(f"cat: shapes {first.shape} and {a.shape} do not fit")
    dtype = common_of(a.dtype for a in arrays)
    shape = list(first.shape)
    shape[axis] = 0
    for a in arrays:
        shape[axis] += a.shape[axis]

    def element(i: Index) -> Any:
        k = i[axis]
        for a in arrays:
            if k < a.shape[axis]:
                break
            k -= a.shape[axis]
        return a[with_place(i, axis, k)]

    return Array.build(dtype, shape, element)


@op
def assign(
    a: Array, b: Array, start: Sequence[int], step: Sequence[int], count: Sequence[int]
) -> Array:
    """Return a with its slice replaced by b, which is broadcast."""
    check_slice("assign", a.shape, start, step, count)
    b = b.expand(tuple(count))
    y = a.copy()
    for i in indices(count):
        y[stepped(i, start, step)] = b[i]
    return y


# ---- indices ---------------------------------------------------------------------------------


def place(i: Any, n: int) -> int:
    """Return an index from -n to n - 1 as one from 0."""
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of range for {n} elements")
    return int(i + n if i < 0 else i)


def check_index(name: str, index: Array) -> None:
    """Refuse indices that are not integers."""
    if is_float(index.dtype) or index.dtype == "bool":
        raise TypeError(f"{name}: an index is of integers, not of {index.dtype}")


def rows_at(name: str, a: Array, index: Array) -> tuple[Shape, list[Index]]:
    """Return the shape of a[index], and which element of a each of its elements is.

    a is (n, ..), and index tells places on its first axis.
    """
    check_index(name, index)
    if not a.shape:
        raise ValueError(f"{name}: an array without axes has no rows")
    shape = index.shape + a.shape[1:]
    rank = len(index.shape)
    places = [place(x, a.shape[0]) for x in index.values]
    found = [(places[position(i[:rank], index.shape)], *i[rank:]) for i in indices(shape)]
    return shape, found


@op
def take(a: Array, index: Array) -> Array:
    """Return a[index], rows of a."""
    shape, places = rows_at("take", a, index)
    return Array(a.dtype, shape, [a[at] for at in places])


def check_rows(name: str, b: Array, shape: Shape) -> None:
    """Refuse rows that have not the shape of a[index]."""
    if b.shape != shape:
        raise ValueError(f"{name}: shape {b.shape} does not fit a[index], {shape}")


@op
def add_at(a: Array, index: Array, b: Array) -> Array:
    """Return a[index] += b: an index that stands there twice is added to twice."""
    shape, places = rows_at("add_at", a, index)
    check_rows("add_at", b, shape)
    y = a.cast(wide(a.dtype))
    for at, x in zip(places, b.values, strict=True):
        add_to(y, at, x)
    return y.cast(a.dtype)


@op
def put_at(a: Array, index: Array, b: Array) -> Array:
    """Return a[index] = b: of an index that stands there twice the last counts."""
    shape, places = rows_at("put_at", a, index)
    check_rows("put_at", b, shape)
    y = a.copy()
    for at, x in zip(places, b.values, strict=True):
        y[at] = x
    return y


def along(name: str, a: Array, index: Array, axis: int) -> list[Index]:
    """Return which element of a each element of index means, by its place on an axis."""
    check_index(name, index)
    check_axes(name, a, [axis])
    if len(a.shape) != len(index.shape) or any(
        m > n for d, (m, n) in enumerate(zip(index.shape, a.shape, strict=True)) if d != axis
    ):
        raise ValueError(f"{name}: indices {index.shape} do not fit shape {a.shape}")
    n = a.shape[axis]
    return [with_place(i, axis, place(index[i], n)) for i in indices(index.shape)]


@op
def gather(a: Array, index: Array, axis: int) -> Array:
    """Return along an axis the elements at the places that index tells."""
    return Array(a.dtype, index.shape, [a[at] for at in along("gather", a, index, axis)])


@op
def scatter_add(a: Array, index: Array, b: Array, axis: int) -> Array:
    """Return a with each element of b, as far as index goes, added where index tells."""
    places = along("scatter_add", a, index, axis)
    if len(b.shape) != len(index.shape) or any(
        n < m for n, m in zip(b.shape, index.shape, strict=True)
    ):
        raise ValueError(f"scatter_add: shape {b.shape} does not fit indices {index.shape}")
    y = a.cast(wide(a.dtype))
    for at, i in zip(places, indices(index.shape), strict=True):
        add_to(y, at, b[i])
    return y.cast(a.dtype)


@op
def nonzero(a: Array) -> Array:
    """Return the index of each element that is not 0, in row-major order."""
    found = [i for i in indices(a.shape) if a[i] != 0]
    return Array("int64", (len(found), len(a.shape)), [k for i in found for k in i])


@op
def where(test: Array, a: Any, b: Any) -> Array:
    """Return elements of a where a test holds, of b elsewhere; a or b may be Python numbers."""
    if test.dtype != "bool":
        raise TypeError(f"where: the test is of bools, not of {test.dtype}")
    dtype = promote([a, b])
    a, b = (x if isinstance(x, Array) else Array(dtype, (), [x]) for x in (a, b))
    shape = broadcast_shapes(test.shape, a.shape, b.shape)
    test, a, b = test.expand(shape), a.expand(shape), b.expand(shape)
    return Array.build(dtype, shape, lambda i: a[i] if test[i] else b[i])


# ---- reductions ------------------------------------------------------------------------------


def in_lanes(numbers: Elements, start: Element, join: Callable[[Any, Any], Any]) -> Any:
    """Join numbers in 32 lanes, number i in lane i % 32, then lanes l and l + 16, l + 8 ..."""
    lanes: list[Any] = [start] * LANES
    for i, x in enumerate(numbers):
        lanes[i % LANES] = join(lanes[i % LANES], x)
    for s in (16, 8, 4, 2, 1):
        for lane in range(s):
            lanes[lane] = join(lanes[lane], lanes[lane + s])
    return lanes[0]


def in_blocks(numbers: Elements, start: Element, join: Callable[[Any, Any], Any]) -> Any:
    """Join numbers block by block, each in lanes, then the results of several blocks likewise."""
    while len(numbers) > BLOCK:
        blocks = (numbers[i : i + BLOCK] for i in range(0, len(numbers), BLOCK))
        numbers = [in_lanes(block, start, join) for block in blocks]
    return in_lanes(numbers, start, join)


def lane_sum(numbers: Elements, dtype: str) -> Any:
    """Return the sum of numbers of a type."""
    return in_blocks(numbers, Element(dtype, 0), lambda x, y: x + y)


def lane_max(numbers: Elements, dtype: str) -> Any:
    """Return the largest of numbers of a type; NaN if there is one."""
    return in_blocks(numbers, Element(dtype, ends(dtype)[0]), larger)


def ends(dtype: str) -> tuple[Any, Any]:
    """Return what no number of a type is below, and what none is above."""
    return (-math.inf, math.inf) if is_float(dtype) else BOUNDS.get(dtype, (False, True))


def rows(a: Array, axes: Axes) -> list[list[int]]:
    """Return, for each index of the other axes, the positions of the elements along some axes."""
    others = [d for d in range(len(a.shape)) if d not in axes]
    result = []
    for outer in indices([a.shape[d] for d in others]):
        row = []
        for inner in indices([a.shape[d] for d in sorted(axes)]):
            index = dict(zip((*others, *sorted(axes)), outer + inner, strict=True))
            row.append(position([index[d] for d in range(len(a.shape))], a.shape))
        result.append(row)
    return result


def reduced_shape(a: Array, axes: Axes | None, keep: bool) -> list[int]:
    """Return the shape without some axes, None: all, or with size 1 in their place."""
    axes = tuple(range(len(a.shape))) if axes is None else axes
    return [1 if d in axes else n for d, n in enumerate(a.shape) if keep or d not in axes]


def reduced(
    name: str,
    a: Array,
    axes: Axes | None,
    keep: bool,
    dtype: str,
    function: Callable[[Elements], Any],
    computed: str | None = None,
) -> Array:
    """Return function(elements along axes) for each index of the other axes; None: all axes."""
    axes = tuple(range(len(a.shape))) if axes is None else tuple(axes)
    check_axes(name, a, axes)
    numbers = elements(a, computed)
    results = [function([numbers[p] for p in row]) for row in rows(a, axes)]
    return store(dtype, reduced_shape(a, axes, keep), results)


def sum_dtype(a: Array) -> str:
    """Return the type of a sum: int64 of integers and bools."""
    return a.dtype if is_float(a.dtype) else "int64"


@op
def sum_(a: Array, axes: Axes | None = None, keep: bool = False) -> Array:
    """Return the sum over axes, from 0."""
    dtype = sum_dtype(a)
    computed = wide(dtype)
    return reduced("sum", a, axes, keep, dtype, lambda x: lane_sum(x, computed), computed)


def mean_of(numbers: Elements, dtype: str) -> Any:
    """Return the sum of numbers divided by how many they are."""
    return lane_sum(numbers, dtype) / len(numbers)


@op
def mean(a: Array, axes: Axes | None = None, keep: bool = False) -> Array:
    """Return the sum over axes divided by the number of elements."""
    needs_float("mean", a)
    return reduced("mean", a, axes, keep, a.dtype, lambda x: mean_of(x, wide(a.dtype)))


@op
def prod(a: Array, axes: Axes | None = None, keep: bool = False) -> Array:
    """Return the product over axes, from 1."""
    dtype = sum_dtype(a)
    one = Element(wide(dtype), 1)

    def product(numbers: Elements) -> Any:
        return in_blocks(numbers, one, lambda x, y: x * y)

    return reduced("prod", a, axes, keep, dtype, product, one.dtype)


def check_choice(name: str, a: Array, axes: Axes | None) -> None:
    """Refuse to choose among no elements."""
    along = [n for d, n in enumerate(a.shape) if axes is None or d in axes]
    if count_of(along) == 0 and count_of(reduced_shape(a, axes, False)) > 0:
        raise ValueError(f"{name}: no elements along axes {axes} of shape {a.shape}")


@op
def amax(a: Array, axes: Axes | None = None, keep: bool = False) -> Array:
    """Return the largest element over axes; NaN if there is one."""
    check_choice("amax", a, axes)
    return reduced("amax", a, axes, keep, a.dtype, lambda x: lane_max(x, wide(a.dtype)))


@op
def amin(a: Array, axes: Axes | None = None, keep: bool = False) -> Array:
    """Return the smallest element over axes; NaN if there is one."""
    check_choice("amin", a, axes)
    last = Element(wide(a.dtype), ends(a.dtype)[1])
    return reduced("amin", a, axes, keep, a.dtype, lambda x: in_blocks(x, last, smaller))


def first_of(better: Callable[[Any, Any], bool]) -> Callable[[Elements], int]:
    """Return the function that finds the first of the best numbers; NaN is best."""

    def find(numbers: Elements) -> int:
        best = 0
        for i, x in enumerate(numbers):
            held = numbers[best]
            if better(x, held) or (x != x and held == held):
                best = i
        return best

    return find


@op
def argmax(a: Array, axis: int | None = None, keep: bool = False) -> Array:
    """Return where along an axis, or in the order of all elements, the first largest one is."""
    axes = None if axis is None else (axis,)
    check_choice("argmax", a, axes)
    return reduced("argmax", a, axes, keep, "int64", first_of(lambda x, y: x > y))


@op
def argmin(a: Array, axis: int | None = None, keep: bool = False) -> Array:
    """Return where along an axis, or in the order of all elements, the first smallest one is."""
    axes = None if axis is None else (axis,)
    check_choice("argmin", a, axes)
    return reduced("argmin", a, axes, keep, "int64", first_of(lambda x, y: x < y))


def truth_type(a: Array) -> str:
    """Return the type of whether elements are 0: bool, but of uint8 that, as in PyTorch."""
    return "uint8" if a.dtype == "uint8" else "bool"


@op
def argmax_window(
    a: Array, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Array:
    """Return where in each of its windows the first largest element lies.

    Args:
        a, size, stride, dilation: as for `window`.

    Returns:
        (.., steps x s): positions among the elements of a's last s axes, in row-major order.
    """
    shown = window(a, size, stride, dilation)
    lead = len(a.shape) - len(size)
    find = first_of(lambda x, y: x > y)

    def position(i: Index) -> int:
        inside = list(itertools.product(*map(range, size)))
        best = inside[find([shown[i + k] for k in inside])]
        found = 0
        for n, t, k, x, d in zip(a.shape[lead:], stride, best, i[lead:], dilation, strict=True):
            found = found * n + x * t + k * d
        return found

    return Array.build("int64", shown.shape[: len(a.shape)], position)


@op
def any_(a: Array, axes: Axes | None = None, keep: bool = False) -> Array:
    """Return whether an element over axes is not 0."""
    return reduced("any", a, axes, keep, truth_type(a), lambda x: any(y != 0 for y in x))


@op
def all_(a: Array, axes: Axes | None = None, keep: bool = False) -> Array:
    """Return whether no element over axes is 0."""
    return reduced("all", a, axes, keep, truth_type(a), lambda x: all(y != 0 for y in x))


def squares(numbers: Elements, dtype: str) -> Any:
    """Return the sum of squares of the distances from the mean."""
    m = mean_of(numbers, dtype)
    return lane_sum([(x - m) * (x - m) for x in numbers], dtype)


def variance(numbers: Elements, dtype: str, correction: float) -> Any:
    """Return the sum of squares divided by the number of elements - correction, or by 0."""
    freedom = Element(dtype, len(numbers)) - correction
    return squares(numbers, dtype) / (freedom if freedom > 0 else 0)


LEAST_SQUARES = {"float32": 2.0**-80, "float64": 2.0**-960}
MOST_EXPONENT = {"float32": 126, "float64": 1022}


def range_scale(numbers: Elements, total: Any, least: float = 0.0) -> float:
    """Return 1, or 2^-k, by which a row is multiplied lest its squares leave the range.

    Args:
        numbers: the row.
        total: the sum of its squares as it is.
        least: what stands for the largest element if that is smaller.
    """
    if LEAST_SQUARES[total.dtype] <= total.value < math.inf:
        return 1.0
    most = Element(total.dtype, least)
    for x in numbers:
        most = most.like(of(larger(most, most.like(abs(x.value)))))
    if not 0.0 < most.value < math.inf:
        return 1.0
    limit = MOST_EXPONENT[total.dtype]
    return 2.0 ** -max(-limit, min(limit, math.frexp(most.value)[1] - 1))


def deviation(numbers: Elements, dtype: str, correction: float, root: bool) -> Any:
    """Return the variance of a row or its root, of the row scaled if squares leave the range."""
    scale = range_scale(numbers, squares(numbers, dtype))
    scaled: Elements = [x * scale for x in numbers] if scale != 1.0 else numbers
    y = variance(scaled, dtype, correction)
    return y.sqrt() / scale if root else y / scale / scale


@op
def var(a: Array, axes: Axes | None = None, keep: bool = False, correction: float = 1.0) -> Array:
    """Return the sum of squares of a - mean, divided by the number of elements - correction."""
    needs_float("var", a)
    dtype = wide(a.dtype)
    return reduced("var", a, axes, keep, a.dtype, lambda x: deviation(x, dtype, correction, False))


@op
def std(a: Array, axes: Axes | None = None, keep: bool = False, correction: float = 1.0) -> Array:
    """Return the square root of the variance."""
    needs_float("std", a)
    dtype = wide(a.dtype)
    return reduced("std", a, axes, keep, a.dtype, lambda x: deviation(x, dtype, correction, True))


@op
def cumsum(a: Array, axis: int) -> Array:
    """Return the sums of the elements up to each along an axis, from left to right."""
    check_axes("cumsum", a, [axis])
    dtype = sum_dtype(a)

    def sums(numbers: Elements) -> Elements:
        for i in range(1, len(numbers)):
            numbers[i] = numbers[i - 1] + numbers[i]
        return numbers

    return rowwise(a, (axis,), sums, dtype)


# ---- products --------------------------------------------------------------------------------


def dot_of_integers(x: list[Any], y: list[Any], dtype: str) -> Any:
    """Return the sum of products, which wraps."""
    total = 0
    for xi, yi in zip(x, y, strict=True):
        total += int(xi) * int(yi)
    return Element(dtype, total)


def dot_of_steps(x: list[Any], y: list[Any], dtype: str) -> Any:
    """Return fma(x[2], y[2], fma(x[1], y[1], fma(x[0], y[0], 0))) and so on."""
    fma = FMAS[dtype]
    total = 0.0
    for xi, yi in zip(x, y, strict=True):
        total = fma(float(xi), float(yi), total)
    return Element(dtype, total)


def dot_of_block(x: list[Any], y: list[Any], dtype: str) -> Any:
    """Return the sums of STEPS products each, added from left to right."""
    total = dot_of_steps(x[:STEPS], y[:STEPS], dtype)
    for i in range(STEPS, len(x), STEPS):
        total = total + dot_of_steps(x[i : i + STEPS], y[i : i + STEPS], dtype)
    return total


def dot(x: list[Any], y: list[Any], dtype: str) -> Any:
    """Return the sum of products of two vectors, computed in a type.

    Every BLOCK products are added up for themselves, in steps that are rounded once; of several
    blocks the sums are added as those of any sum.
    """
    if not is_float(dtype):
        return dot_of_integers(x, y, dtype)
    x, y = ([Element(dtype, number).value for number in numbers] for numbers in (x, y))
    if len(x) <= BLOCK:
        return dot_of_block(x, y, dtype)
    parts = range(0, len(x), BLOCK)
    sums = [dot_of_block(x[i : i + BLOCK], y[i : i + BLOCK], dtype) for i in parts]
    return lane_sum(sums, dtype)


def product_dtypes(name: str, *arrays: Array) -> tuple[str, str]:
    """Return the type of a product, and the one it is computed in: int64 for all integers."""
    dtype = common_of(a.dtype for a in arrays)
    if dtype == "bool":
        raise TypeError(f"{name} has no meaning for bools")
    return dtype, wide(dtype) if is_float(dtype) else "int64"


@op
def matmul(a: Array, b: Array) -> Array:
    """Return the matrix product.

    Args:
        a: (.., m, k), or (k) for (1, k), an axis that the result has not.
        b: (.., k, n), or (k) for (k, 1), an axis that the result has not; leading axes of both
            are broadcast.

    Returns:
        (.., m, n), each element the dot product of a row of a and a column of b.
    """
    if not a.shape or not b.shape:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape}: a number is no matrix")
    left = a if len(a.shape) > 1 else reshape(a, (1, *a.shape))
    right = b if len(b.shape) > 1 else reshape(b, (*b.shape, 1))
    (m, k), (k_of_b, n) = left.shape[-2:], right.shape[-2:]
    if k != k_of_b:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit: {k} != {k_of_b}")
    dtype, computed = product_dtypes("matmul", a, b)
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = left.expand((*batch, m, k))
    columns = permute(
        right, (*range(len(right.shape) - 2), len(right.shape) - 1, len(right.shape) - 2)
    )
    columns = columns.expand((*batch, n, k))

    def element(index: Index) -> Any:
        at, i, j = index[:-2], index[-2], index[-1]
        return of(dot(left.row((*at, i)), columns.row((*at, j)), computed))

    product = Array.build(dtype, (*batch, m, n), element)
    own = ([m] if len(a.shape) > 1 else []) + ([n] if len(b.shape) > 1 else [])
    return reshape(product, (*batch, *own))


@op
def convolve(
    kernels: Array,
    a: Array,
    bias: Array | None = None,
    size: Sequence[int] = (),
    stride: Sequence[int] = (),
    dilation: Sequence[int] = (),
) -> Array:
    """Return the products of kernels with the windows of images, plus bias.

    Args:
        kernels: (groups, m, k).
        a: (n, channels, d..), with as many axes d as there are sizes.
        bias: (groups * m), or None.
        size, stride, dilation: as for `window`; k is channels / groups times the sizes.

    Returns:
        (n, groups * m, windows..): the matrix products of the kernels of a group with its
        windows as columns, in each the elements by channel and place in the window.
    """
    if len(kernels.shape) != 3 or len(a.shape) != 2 + len(size):
        raise ValueError(f"convolve: shapes {kernels.shape} and {a.shape} do not fit")
    groups, m, k = kernels.shape
    if groups < 1 or a.shape[1] % groups or a.shape[1] // max(groups, 1) * count_of(size) != k:
        raise ValueError(f"convolve: shapes {kernels.shape} and {a.shape} do not fit")
    if bias is not None and bias.shape != (groups * m,):
        raise ValueError(f"convolve: bias {bias.shape} does not fit {groups * m} channels")
    dtype, computed = product_dtypes("convolve", kernels, a)
    if bias is not None and common_of((dtype, bias.dtype)) != dtype:
        raise TypeError(f"convolve: a bias of {bias.dtype} is not added to {dtype}")
    s, seen = len(size), window(a, size, stride, dilation)
    steps = seen.shape[2 : 2 + s]
    seen = permute(seen, (0, 1, *range(2 + s, 2 + 2 * s), *range(2, 2 + s)))
    columns = reshape(seen, (a.shape[0], groups, k, count_of(steps)))
    shape = (a.shape[0], groups * m, *steps)
    if bias is None:
        return reshape(matmul(kernels, columns), shape)
    product = reshape(matmul(kernels.cast(computed), columns.cast(computed)), shape)

    def element(index: Index) -> Any:
        return of(Element(computed, product[index]) + bias[index[1:2]])

    return Array.build(dtype, shape, element)


@op
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return x @ weight.T + bias.

    Args:
        x: (.., in).
        weight: (out, in).
        bias: (out), or None.
    """
    if not x.shape or len(weight.shape) != 2 or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear: shapes {x.shape} and {weight.shape} do not fit")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias {bias.shape} does not fit weight {weight.shape}")
    dtype, computed = product_dtypes("linear", x, weight)
    if bias is not None and common_of((dtype, bias.dtype)) != dtype:
        raise TypeError(f"linear: a bias of {bias.dtype} is not added to {dtype}")

    def element(index: Index) -> Any:
        total = dot(x.row(index[:-1]), weight.row(index[-1:]), computed)
        return of(total if bias is None else total + bias[index[-1:]])

    return Array.build(dtype, (*x.shape[:-1], weight.shape[0]), element)


# ---- rows: softmax, norms --------------------------------------------------------------------


def rowwise(
    a: Array, axes: Axes, function: Callable[[Elements], Elements], dtype: str | None = None
) -> Array:
    """Return an array of the same shape whose elements along axes are function(a's)."""
    dtype = dtype or a.dtype
    numbers = elements(a, wide(dtype))
    for row in rows(a, axes):
        for p, y in zip(row, function([numbers[p] for p in row]), strict=True):
            numbers[p] = y
    return store(dtype, a.shape, numbers)


def rows_of(a: Array, axes: Axes) -> list[Elements]:
    """Return the elements along axes, a list for each index of the others."""
    numbers = elements(a, wide(a.dtype))
    return [[numbers[p] for p in row] for row in rows(a, axes)]


def shifted_exponentials(row: Elements, dtype: str) -> tuple[Any, Elements, Any]:
    """Return m, the largest number, exp(a - m), and their sum."""
    m = lane_max(row, dtype)
    exponentials: list[Any] = [(x - m).exp() for x in row]
    return m, exponentials, lane_sum(exponentials, dtype)


@op
def logsumexp(a: Array, axes: Axes | None = None, keep: bool = False) -> Array:
    """Return the logarithm of the sum of exp(a) over axes: m + log(sum of exp(a - m)).

    Where the largest number m is infinite, or there is none, it is m.
    """
    dtype = float_of(a)

    def result(row: Elements) -> Any:
        m, _, total = shifted_exponentials(row, wide(dtype))
        return m if math.isinf(m.value) else m + total.log()

    return reduced("logsumexp", a, axes, keep, dtype, result, wide(dtype))


@op
def softmax(a: Array, axis: int) -> Array:
    """Return exp(a - m) / (sum of these) along an axis, m the largest number there."""
    check_axes("softmax", a, [axis])
    dtype = float_of(a)

    def result(row: Elements) -> Elements:
        _, exponentials, total = shifted_exponentials(row, wide(dtype))
        return [e / total for e in exponentials]

    return rowwise(a, (axis,), result, dtype)


def log_probabilities(row: Elements, dtype: str) -> Elements:
    """Return (a - m) - log(sum of exp(a - m))."""
    m, _, total = shifted_exponentials(row, dtype)
    return [(x - m) - total.log() for x in row]


@op
def log_softmax(a: Array, axis: int) -> Array:
    """Return the logarithm of softmax: (a - m) - log(sum of exp(a - m))."""
    check_axes("log_softmax", a, [axis])
    dtype = float_of(a)
    return rowwise(a, (axis,), lambda row: log_probabilities(row, wide(dtype)), dtype)


@op
def cross_entropy(
    logits: Array,
    targets: Array,
    reduction: int = 2,
    ignored: int = -100,
    smoothing: float = 0.0,
) -> Array:
    """Return -log(softmax(logits)[target]) of each row.

    Args:
        logits: (n, classes).
        targets: (n), integers from 0 to classes - 1.
        reduction: 0 gives the loss of each row, 1 their sum, 2 their mean.
        ignored: rows with this target have the loss 0, and do not count for the mean.
        smoothing: s from 0 to 1; the loss is (1 - s) * loss + s * (mean of all classes' losses).
    """
    if reduction not in (0, 1, 2) or not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"cross_entropy: reduction {reduction}, smoothing {smoothing}")
    needs_float("cross_entropy", logits)
    check_index("cross_entropy", targets)
    if len(logits.shape) != 2 or targets.shape != logits.shape[:1]:
        raise ValueError(f"cross_entropy: targets {targets.shape} do not fit logits {logits.shape}")
    dtype = wide(logits.dtype)
    classes = logits.shape[1]
    numbers = elements(logits)
    s = Element(dtype, smoothing)
    losses: Elements = []
    count = 0
    for i, target in enumerate(targets.values):
        if target == ignored:
            losses.append(Element(dtype, 0))
            continue
        if not 0 <= target < classes:
            raise IndexError(f"target {target} is none of {classes} classes")
        y = log_probabilities(numbers[i * classes : (i + 1) * classes], dtype)
        loss: Any = -y[int(target)]
        if s != 0.0:
            loss = (1.0 - s) * loss + s * (-lane_sum(y, dtype) / classes)
        losses.append(loss)
        count += 1
    if reduction == 0:
        return store(logits.dtype, targets.shape, losses)
    total = lane_sum(losses, dtype)
    return store(logits.dtype, (), [total / count if reduction == 2 else total])


def last_axes(name: str, a: Array, axes: int, *weights: Array | None) -> Axes:
    """Return the last axes; refuse weights that have not their shape."""
    lead = len(a.shape) - axes
    if lead < 0 or axes < 1:
        raise ValueError(f"{name}: shape {a.shape} has not {axes} axes")
    for x in weights:
        if x is not None and x.shape != a.shape[lead:]:
            raise ValueError(f"{name}: weight {x.shape} does not fit shape {a.shape}")
    return tuple(range(lead, len(a.shape)))


def norm_square(row: Elements, dtype: str, epsilon: float, by: float, centered: bool) -> Any:
    """Return the mean of squares of a row, which was multiplied by a power of two, + epsilon."""
    total = squares(row, dtype) if centered else lane_sum([x * x for x in row], dtype)
    return total / len(row) + Element(dtype, epsilon) * by * by


def norm_power(row: Elements, dtype: str, epsilon: float, centered: bool) -> float:
    """Return 1, or the power of two by which a norm multiplies a row, lest its squares overflow."""
    least: Any = Element(dtype, epsilon)
    return range_scale(row, norm_square(row, dtype, epsilon, 1.0, centered), of(least.sqrt()))


@op
def layer_norm(
    a: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    axes: int = 1,
    epsilon: float = 1e-5,
) -> Array:
    """Return ((a - mean) * r) * weight + bias over the last axes, r = 1 / sqrt(variance + epsilon).

    Args:
        a: (.., n x axes).
        weight: (n x axes), or None, with bias.
        bias: (n x axes), or None, with weight.
        axes: how many of the last axes are normalized.
        epsilon: added to the variance, the mean of squares of a - mean.
    """
    needs_float("layer_norm", a)
    if (weight is None) != (bias is None):
        raise ValueError("layer_norm: weight and bias, or neither")
    dtype = wide(a.dtype)

    def result(row: Elements) -> Elements:
        by = norm_power(row, dtype, epsilon, True)
        row = [x * by for x in row]
        m = mean_of(row, dtype)
        r = 1.0 / norm_square(row, dtype, epsilon, by, True).sqrt()
        y = [(x - m) * r for x in row]
        if weight is not None and bias is not None:
            w, c = elements(weight, dtype), elements(bias, dtype)
            y = [x * wi + ci for x, wi, ci in zip(y, w, c, strict=True)]
        return y

    return rowwise(a, last_axes("layer_norm", a, axes, weight, bias), result)


@op
def rms_norm(a: Array, weight: Array | None = None, axes: int = 1, epsilon: float = 1e-5) -> Array:
    """Return (a * r) * weight over the last axes, r = 1 / sqrt(mean of squares + epsilon).

    Args:
        a: (.., n x axes).
        weight: (n x axes), or None.
        axes: how many of the last axes are normalized.
        epsilon: added to the mean of squares.
    """
    needs_float("rms_norm", a)
    dtype = wide(a.dtype)

    def result(row: Elements) -> Elements:
        by = norm_power(row, dtype, epsilon, False)
        row = [x * by for x in row]
        r = 1.0 / norm_square(row, dtype, epsilon, by, False).sqrt()
        y = [x * r for x in row]
        if weight is not None:
            y = [x * wi for x, wi in zip(y, elements(weight, dtype), strict=True)]
        return y

    return rowwise(a, last_axes("rms_norm", a, axes, weight), result)


# ---- channels of (n, channels, d..) ----------------------------------------------------------


def check_channels(name: str, a: Array, *numbers: Array | None) -> None:
    """Refuse what has no channels, or another number of them, or another type."""
    if a.dtype not in FMAS or any(x is not None and x.dtype != a.dtype for x in numbers):
        raise TypeError(f"{name} is of float32 or float64, all of one type")
    if len(a.shape) < 2 or any(x is not None and x.shape != a.shape[1:2] for x in numbers):
        raise ValueError(f"{name}: numbers do not fit the channels of shape {a.shape}")


def channel_of(a: Array) -> list[int]:
    """Return the channel of each element."""
    return [index[1] for index in indices(a.shape)]


def channelwise(a: Array, function: Callable[..., Any], *arrays: Array) -> Array:
    """Return an array like a, of function(a's element, numbers): of a's shape, or of channels."""
    spread = [
        elements(x) if x.shape == a.shape else [elements(x)[c] for c in channel_of(a)]
        for x in arrays
    ]
    return store(a.dtype, a.shape, map(function, elements(a), *spread))


def groups_of(name: str, a: Array, groups: int, *numbers: Array) -> Shape:
    """Return the shape (n, groups, row) of groups of channels as rows."""
    check_channels(name, a, *numbers)
    if groups < 1 or a.shape[1] % groups:
        raise ValueError(f"{name}: {groups} groups do not divide the channels of {a.shape}")
    return a.shape[0], groups, a.shape[1] // groups * count_of(a.shape[2:])


def check_like(name: str, a: Array, g: Array) -> None:
    """Refuse what is not like a."""
    if g.dtype != a.dtype:
        raise TypeError(f"{name}: g is of {g.dtype}, a of {a.dtype}")
    if g.shape != a.shape:
        raise ValueError(f"{name}: g has shape {g.shape}, a {a.shape}")


@op
def group_norm(
    a: Array, weight: Array, bias: Array, groups: int = 1, epsilon: float = 1e-5
) -> Array:
    """Return layer_norm of groups of channels, times a weight, plus a bias of each channel.

    Args:
        a: (n, channels, d..), float32 or float64.
        weight, bias: (channels).
        groups: into how many parts the channels of each n are cut.
        epsilon: as for `layer_norm`.
    """
    rows = groups_of("group_norm", a, groups, weight, bias)
    normal = reshape(layer_norm(reshape(a, rows), None, None, 1, epsilon), a.shape)
    return channelwise(normal, lambda x, w, b: x * w + b, weight, bias)


@op
def group_back(a: Array, g: Array, weight: Array, groups: int = 1, epsilon: float = 1e-5) -> Array:
    """Return what group_norm passes on to a, given its gradient g; arguments as there."""
    rows = groups_of("group_back", a, groups, weight)
    check_like("group_back", a, g)
    h = reshape(channelwise(g, lambda g, w: g * w, weight), rows)
    passed = [
        norm_passed(row, of_row, a.dtype, epsilon)
        for row, of_row in zip(rows_of(reshape(a, rows), (2,)), rows_of(h, (2,)), strict=True)
    ]
    return store(a.dtype, a.shape, itertools.chain(*passed))


def norm_passed(row: Elements, h: Elements, dtype: str, epsilon: float) -> Elements:
    """Return what a row of layer_norm passes on of h."""
    by = norm_power(row, dtype, epsilon, True)
    row = [x * by for x in row]
    m = mean_of(row, dtype)
    r = 1.0 / norm_square(row, dtype, epsilon, by, True).sqrt()
    normal = [(x - m) * r for x in row]
    mean_h = mean_of(h, dtype)
    mean_p = mean_of([hi * x for hi, x in zip(h, normal, strict=True)], dtype)
    slope = r * by
    return [slope * ((hi - mean_h) - x * mean_p) for hi, x in zip(h, normal, strict=True)]


@op
def group_sums(a: Array, g: Array, groups: int = 1, epsilon: float = 1e-5) -> Array:
    """Return sums over d.. of g * layer_norm, and of g: (2, n, channels); arguments as there."""
    rows = groups_of("group_sums", a, groups)
    check_like("group_sums", a, g)
    normal = reshape(layer_norm(reshape(a, rows), None, None, 1, epsilon), a.shape)
    planes = (*a.shape[:2], count_of(a.shape[2:]))
    products = channelwise(g, lambda g, x: g * x, normal)
    made = [sum_(reshape(x, planes), (2,)) for x in (products, g)]
    return Array(a.dtype, (2, *a.shape[:2]), [*made[0].values, *made[1].values])


@op
def plane_means(a: Array, c: Array, g: Array | None = None) -> Array:
    """Return the mean over n of the means over d.. of (a - c)**2, or of (a - c) * g: (channels).

    Args:
        a: (n, channels, d..), float32 or float64; c: (channels); g: like a, or None.
    """
    check_channels("plane_means", a, c)
    if g is None:
        made = channelwise(a, lambda x, c: (x - c) * (x - c), c)
    else:
        check_like("plane_means", a, g)
        made = channelwise(a, lambda x, c, g: g * (x - c), c, g)
    planes = reshape(made, (*a.shape[:2], count_of(a.shape[2:])))
    return mean(mean(planes, (2,)), (0,))


@op
def plane_scale(a: Array, c: Array, scale: Array, bias: Array | None = None) -> Array:
    """Return (a - c) * scale + bias; arguments as for `plane_means`, numbers (channels)."""
    check_channels("plane_scale", a, c, scale, bias)
    if bias is None:
        return channelwise(a, lambda x, c, s: (x - c) * s, c, scale)
    return channelwise(a, lambda x, c, s, b: (x - c) * s + b, c, scale, bias)


@op
def plane_back(a: Array, g: Array, c: Array, share: Array, less: Array, scale: Array) -> Array:
    """Return ((g - share) - (a - c) * less) * scale; arguments as for `plane_means`."""
    check_channels("plane_back", a, c, share, less, scale)
    check_like("plane_back", a, g)

    def back(x: Any, g: Any, c: Any, share: Any, less: Any, scale: Any) -> Any:
        return ((g - share) - (x - c) * less) * scale

    return channelwise(a, back, g, c, share, less, scale)
