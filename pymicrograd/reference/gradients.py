"""The gradients of ops on whole arrays: what a node passes on to an operand.

A rule composes ops on Tensors, so that gradients can be differentiated again. It is called with
the node y, its gradient g, the number of the operand, and what the op was called with, by name.
It returns a Tensor of the operand's shape and type, or None where nothing is passed on.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from .array import Array, count_of, wide
from .array_ops import norm_power, rows_of
from .element_ops import ROWS, Element, of

__all__ = ["RULES", "element_rule"]

Axes = tuple[int, ...]

RULES: dict[str, Callable[..., Any]] = {}


def rule(function: Callable[..., Any]) -> Callable[..., Any]:
    """List a function in RULES, without the underscore that tells it from Python's own."""
    RULES[function.__name__.rstrip("_")] = function
    return function


# ---- giving a gradient the form of an operand ------------------------------------------------


def cast_to(x: Any, dtype: str) -> Any:
    """Cast a Tensor, unless it has the type."""
    return x if x.dtype == dtype else x.cast(dtype)


def expand_to(x: Any, shape: Axes) -> Any:
    """Expand a Tensor, unless it has the shape."""
    return x if x.shape == shape else x.expand(shape)


def sum_to(x: Any, shape: Axes) -> Any:
    """Sum over the axes along which a shape was broadcast."""
    if x.shape == shape:
        return x
    added = len(x.shape) - len(shape)
    axes = [d for d, n in enumerate(x.shape) if d < added or (shape[d - added] == 1 and n != 1)]
    total = x.sum(tuple(axes), added == 0)
    return total.reshape(shape) if added else total


def fit(gradient: Any, y: Any, operand: Any) -> Any:
    """Give a gradient, which has y's shape or is one number, the shape and type of an operand."""
    few = count_of(gradient.shape) == 1 and count_of(operand.shape) != 1
    if len(gradient.shape) < len(operand.shape) or few:
        gradient = expand_to(gradient, y.shape)
    return cast_to(sum_to(gradient, operand.shape), operand.dtype)


def constant(like: Any, value: float) -> Any:
    """Return a number of a Tensor's type, without axes."""
    return like.leaf(Array(like.dtype, (), [value]))


def zeros(like: Any) -> Any:
    """Return zeros of a Tensor's shape and type."""
    return like.leaf(Array.build(like.dtype, like.shape, lambda i: 0))


# ---- elements --------------------------------------------------------------------------------


@functools.cache
def reads(formula: Callable[..., Any], count: int) -> tuple[bool, ...]:
    """Tell of each of so many arguments whether a formula reads it: without it, it fails."""
    found, one = [], Element("float64", 1.0)
    for which in range(count):
        try:
            formula(*[None if i == which else one for i in range(count)])
        except (AttributeError, TypeError):
            found.append(True)
        else:
            found.append(False)
    return tuple(found)


def element_rule(
    y: Any, g: Any, which: int, name: str, operands: Sequence[Any], k: float | None
) -> Any:
    """Evaluate the formula of a row of the table on Tensors, float16 in float32."""
    dtype = wide(y.dtype)
    formula = ROWS[name].gradients[which]
    given = [*operands, *([] if k is None else [k]), y]
    used = reads(formula, len(given) + 1)
    known = [
        cast_to(x, dtype) if reads_x and x is not k else x
        for x, reads_x in zip(given, used, strict=False)
    ]
    wide_g = cast_to(g, dtype)
    gradient = formula(*known, wide_g)
    if gradient is wide_g:
        return fit(g, y, operands[which])
    if isinstance(gradient, float):
        gradient = constant(y, gradient)
    return fit(cast_to(gradient, y.dtype), y, operands[which])


# ---- movement and copies ---------------------------------------------------------------------


@rule
def reshape(y: Any, g: Any, which: int, a: Any, shape: Axes) -> Any:
    return g.reshape(a.shape)


@rule
def permute(y: Any, g: Any, which: int, a: Any, axes: Axes) -> Any:
    return g.permute(tuple(axes.index(d) for d in range(len(axes))))


@rule
def expand(y: Any, g: Any, which: int, a: Any, shape: Axes) -> Any:
    return fit(g, y, a)


@rule
def slice_(y: Any, g: Any, which: int, a: Any, start: Axes, step: Axes, count: Axes) -> Any:
    return g.spread(a.shape, start, step)


@rule
def spread(y: Any, g: Any, which: int, a: Any, shape: Axes, start: Axes, step: Axes) -> Any:
    return g.slice(start, step, a.shape)


@rule
def window(y: Any, g: Any, which: int, a: Any, size: Axes, stride: Axes, dilation: Axes) -> Any:
    return g.fold(a.shape[len(a.shape) - len(size) :], stride, dilation)


@rule
def fold(y: Any, g: Any, which: int, a: Any, n: Axes, stride: Axes, dilation: Axes) -> Any:
    windows = g.window(a.shape[len(a.shape) - len(n) :], stride, dilation)
    return windows.slice((0,) * len(a.shape), (1,) * len(a.shape), a.shape)


@rule
def contiguous(y: Any, g: Any, which: int, a: Any) -> Any:
    return g


@rule
def clone(y: Any, g: Any, which: int, a: Any) -> Any:
    return g


@rule
def cast(y: Any, g: Any, which: int, a: Any, dtype: str) -> Any:
    return fit(g, y, a)


@rule
def pad(y: Any, g: Any, which: int, a: Any, before: Axes, after: Axes, value: float) -> Any:
    return g.slice(before, (1,) * len(a.shape), a.shape)


@rule
def cat(y: Any, g: Any, which: int, arrays: Sequence[Any], axis: int) -> Any:
    a = arrays[which]
    start = [0] * len(a.shape)
    for before in arrays[:which]:
        start[axis] += before.shape[axis]
    return fit(g.slice(tuple(start), (1,) * len(start), a.shape), y, a)


@rule
def assign(y: Any, g: Any, which: int, a: Any, b: Any, start: Axes, step: Axes, count: Axes) -> Any:
    if which == 1:
        return fit(g.slice(start, step, count), y, b)
    return g.assign(constant(g, 0.0), start, step, count)


# ---- indices ---------------------------------------------------------------------------------


@rule
def take(y: Any, g: Any, which: int, a: Any, index: Any) -> Any:
    return zeros(a).add_at(index, g)


@rule
def add_at(y: Any, g: Any, which: int, a: Any, index: Any, b: Any) -> Any:
    return g if which == 0 else fit(g.take(index), y, b)


@rule
def put_at(y: Any, g: Any, which: int, a: Any, index: Any, b: Any) -> Any:
    """Pass the gradient of a row on to the last of several that were put there."""
    if which == 0:
        return g.put_at(index, zeros(b))
    numbers = index.leaf(Array("int64", index.shape, range(count_of(index.shape))))
    none = index.leaf(Array("int64", a.shape[:1], [0] * a.shape[0]))
    wins = none.put_at(index, numbers).take(index) == numbers
    wins = wins.reshape(index.shape + (1,) * (len(a.shape) - 1))
    return fit(wins.where(g.take(index), constant(g, 0.0)), y, b)


@rule
def gather(y: Any, g: Any, which: int, a: Any, index: Any, axis: int) -> Any:
    return zeros(a).scatter_add(index, g, axis)


@rule
def scatter_add(y: Any, g: Any, which: int, a: Any, index: Any, b: Any, axis: int) -> Any:
    if which == 0:
        return g
    gathered = g.gather(index, axis)
    if b.shape != index.shape:
        rank = len(b.shape)
        gathered = gathered.spread(b.shape, (0,) * rank, (1,) * rank)
    return fit(gathered, y, b)


@rule
def where(y: Any, g: Any, which: int, test: Any, a: Any, b: Any) -> Any:
    zero = constant(g, 0.0)
    if which == 1:
        return fit(test.where(g, zero), y, a)
    return fit(test.where(zero, g), y, b)


# ---- reductions ------------------------------------------------------------------------------


def keep_axes(x: Any, a: Any, axes: Axes) -> Any:
    """Give a result of a reduction of a the reduced axes back, with size 1."""
    return x.reshape(tuple(1 if d in axes else n for d, n in enumerate(a.shape)))


def reduced_count(a: Any, axes: Axes) -> int:
    """Return how many elements each result is reduced from."""
    return count_of([a.shape[d] for d in axes])


@rule
def sum_(y: Any, g: Any, which: int, a: Any, axes: Axes, keep: bool) -> Any:
    return expand_to(keep_axes(g, a, axes), a.shape)


@rule
def mean(y: Any, g: Any, which: int, a: Any, axes: Axes, keep: bool) -> Any:
    share = cast_to(g, wide(y.dtype)) / float(reduced_count(a, axes))  # float16 cannot count
    return fit(expand_to(keep_axes(share, a, axes), a.shape), y, a)


@rule
def prod(y: Any, g: Any, which: int, a: Any, axes: Axes, keep: bool) -> Any:
    """Return g times the product of the other factors, exact also where factors are 0."""
    if count_of(a.shape) == 0:
        return zeros(a)
    order = tuple(d for d in range(len(a.shape)) if d not in axes) + tuple(sorted(axes))
    moved = a.permute(order)
    n = reduced_count(a, axes)
    others = products_of_others(moved.reshape((count_of(a.shape) // n, n)))
    back = tuple(order.index(d) for d in range(len(order)))
    return others.reshape(moved.shape).permute(back) * keep_axes(g, a, axes)


def products_of_others(x: Any) -> Any:
    """Return for each element of rows (.., n) the product of the others of its row.

    Of each half its others among the products of pairs, one of either half, times its partner.
    """
    rows, n = x.shape
    if n == 1:
        return constant(x, 1.0).expand(x.shape)
    half = (n + 1) // 2
    first = x.slice((0, 0), (1, 1), (rows, half))
    second = x.slice((0, half), (1, 1), (rows, n - half))
    if n % 2:
        second = second.pad((0, 0), (0, 1), 1.0)
    others = products_of_others(first * second)
    of_second = (others * first).slice((0, 0), (1, 1), (rows, n - half))
    return (others * second).apply("cat", of_second, axis=1)


def extremum(y: Any, g: Any, which: int, a: Any, axes: Axes, keep: bool) -> Any:
    """Let the places that hold the extremum share its gradient; NaN is one."""
    dtype = wide(a.dtype)  # float16 cannot count
    y_kept = keep_axes(y, a, axes)
    here = (a == y_kept) | ((a != a) & (y_kept != y_kept))
    count = here.cast(dtype).sum(axes, True)
    share = cast_to(keep_axes(g, a, axes), dtype) / count
    return fit(here.where(share, constant(share, 0.0)), y, a)


RULES["amax"] = RULES["amin"] = extremum


def variance_gradient(y: Any, g: Any, a: Any, axes: Axes, correction: float) -> Any:
    """Return 2 / (n - correction) * g * (a - mean), in the type that g has."""
    freedom = Element(g.dtype, reduced_count(a, axes)) - correction
    freedom = constant(g, max(0.0, freedom.value))
    scaled = (constant(g, 2.0) / freedom) * keep_axes(g, a, axes)
    wide_a = cast_to(a, g.dtype)
    return fit(scaled * (wide_a - wide_a.mean(axes, True)), y, a)


@rule
def var(y: Any, g: Any, which: int, a: Any, axes: Axes, keep: bool, correction: float) -> Any:
    return variance_gradient(y, cast_to(g, wide(a.dtype)), a, axes, correction)


@rule
def std(y: Any, g: Any, which: int, a: Any, axes: Axes, keep: bool, correction: float) -> Any:
    """Pass nothing on from a deviation of 0."""
    dtype = wide(a.dtype)
    wide_y = cast_to(y, dtype)
    of_var = cast_to(g, dtype) / (constant(wide_y, 2.0) * wide_y)
    of_var = (wide_y == 0.0).where(constant(wide_y, 0.0), of_var)
    return variance_gradient(y, of_var, a, axes, correction)


@rule
def logsumexp(y: Any, g: Any, which: int, a: Any, axes: Axes, keep: bool) -> Any:
    less = a - keep_axes(y, a, axes)
    return fit(keep_axes(g, a, axes) * less.exp(), y, a)


def flip(x: Any, axis: int) -> Any:
    """Turn the order along an axis round."""
    start = tuple(n - 1 if d == axis else 0 for d, n in enumerate(x.shape))
    return x.slice(start, tuple(-1 if d == axis else 1 for d in range(len(x.shape))), x.shape)


@rule
def cumsum(y: Any, g: Any, which: int, a: Any, axis: int) -> Any:
    return flip(flip(g, axis).cumsum(axis), axis)


# ---- products --------------------------------------------------------------------------------


def transpose(x: Any) -> Any:
    """Swap the last two axes."""
    rank = len(x.shape)
    return x.permute((*range(rank - 2), rank - 1, rank - 2))


@rule
def matmul(y: Any, g: Any, which: int, a: Any, b: Any) -> Any:
    """Return g @ b.T for a and a.T @ g for b, of vectors as matrices of one row or column."""
    vectors = len(a.shape) == 1, len(b.shape) == 1
    if vectors[0] or vectors[1]:
        batch = y.shape[: len(y.shape) - vectors.count(False)]
        m = 1 if vectors[0] else a.shape[-2]
        n = 1 if vectors[1] else b.shape[-1]
        g = g.reshape((*batch, m, n))
    if which == 0:
        made = g @ transpose(b.reshape((*b.shape, 1)) if vectors[1] else b)
    else:
        made = transpose(a.reshape((1, *a.shape)) if vectors[0] else a) @ g
    operand = (a, b)[which]
    if vectors[which]:
        k = operand.shape[0]
        made = sum_to(made, (1, k) if which == 0 else (k, 1)).reshape(operand.shape)
    return fit(made, y, operand)


def as_rows(x: Any) -> Any:
    """See (.., n) as a matrix."""
    return x if len(x.shape) == 2 else x.reshape((count_of(x.shape[:-1]), x.shape[-1]))


@rule
def convolve(
    y: Any,
    g: Any,
    which: int,
    kernels: Any,
    a: Any,
    bias: Any,
    size: Axes,
    stride: Axes,
    dilation: Axes,
) -> Any:
    """Return g @ columns.T for the kernels, and kernels.T @ g added up where windows lay."""
    if which == 2:
        return fit(g.sum((0, *range(2, len(y.shape))), False), y, bias)
    s, (groups, m, k) = len(size), kernels.shape
    n, steps = y.shape[0], y.shape[2:]
    order = (0, 1, *range(2 + s, 2 + 2 * s), *range(2, 2 + s))
    g = g.reshape((n, groups, m, count_of(steps)))
    if which == 0:
        seen = a.window(size, stride, dilation).permute(order)
        return fit(g @ transpose(seen.reshape((n, groups, k, count_of(steps)))), y, kernels)
    made = (transpose(kernels) @ g).reshape((n, a.shape[1], *size, *steps)).permute(order)
    return fit(made.fold(a.shape[2:], stride, dilation), y, a)


@rule
def linear(y: Any, g: Any, which: int, x: Any, weight: Any, bias: Any) -> Any:
    rows = as_rows(g)
    if which == 0:
        return fit((rows @ weight).reshape(x.shape), y, x)
    if which == 1:
        return fit(transpose(rows) @ as_rows(x), y, weight)
    return fit(rows.sum((0,), False), y, bias)


# ---- rows: softmax, norms --------------------------------------------------------------------


@rule
def softmax(y: Any, g: Any, which: int, a: Any, axis: int) -> Any:
    total = (g * y).sum((axis,), True)
    return fit(y * (g - total), y, a)


@rule
def log_softmax(y: Any, g: Any, which: int, a: Any, axis: int) -> Any:
    total = g.sum((axis,), True)
    return fit(g - y.exp() * total, y, a)


@rule
def cross_entropy(
    y: Any,
    g: Any,
    which: int,
    logits: Any,
    targets: Any,
    reduction: int,
    ignored: int,
    smoothing: float,
) -> Any:
    """Return (softmax(logits) - what it should be) * (weight of the row * g).

    It is 0 in rows that are ignored.
    """
    dtype = wide(logits.dtype)
    n, classes = logits.shape
    rows = targets.array.values
    s = Element(dtype, smoothing)
    even = s / classes
    target = even + (1.0 - s)

    def expected(i: Axes) -> Any:
        return of(target if rows[i[0]] == i[1] and rows[i[0]] != ignored else even)

    counted = len([t for t in rows if t != ignored])
    share = 1.0 if reduction != 2 else 1.0 / counted if counted else math.inf
    weights = Array(dtype, (n, 1), [0.0 if t == ignored else share for t in rows])
    g = cast_to(g, dtype)
    if reduction == 0:
        g = g.reshape((n, 1))
    x = cast_to(logits, dtype)
    counts = logits.leaf(Array("bool", (n, 1), [t != ignored for t in rows]))
    if counted < n:
        x = counts.where(x, constant(x, 0.0))
    less = x.softmax(1) - logits.leaf(Array.build(dtype, (n, classes), expected))
    gradient = less * (logits.leaf(weights) * g)
    if counted < n:
        gradient = counts.where(gradient, constant(gradient, 0.0))
    return fit(gradient, y, logits)


def norm(
    y: Any, g: Any, which: int, a: Any, weight: Any, bias: Any, axes: int, epsilon: float, m: bool
) -> Any:
    """Return scale * (h - mean h - normal * mean of h * normal), h = g * weight.

    The mean of h only with m, of the norm that subtracts the mean. Rows whose squares leave the
    range are multiplied by a power of two.
    """
    dtype = wide(a.dtype)
    last = tuple(range(len(a.shape) - axes, len(a.shape)))
    h = g = cast_to(g, dtype)
    x = cast_to(a, dtype)
    powers = [norm_power(row, dtype, epsilon, m) for row in rows_of(x.array, last)]
    scaled = any(power != 1.0 for power in powers)
    added = constant(x, epsilon)
    if scaled:
        by = a.leaf(Array(dtype, (*a.shape[: last[0]], *([1] * axes)), powers))
        x, added = x * by, added * by * by
    if m:
        x = x - x.mean(last, True)
    scale = ((x * x).mean(last, True) + added).rsqrt()
    normal = x * scale
    if which == 2:
        return fit(sum_to(g, bias.shape), y, bias)
    if which == 1:
        return fit(sum_to(g * normal, weight.shape), y, weight)
    if weight is not None:
        h = h * cast_to(weight, dtype)
    shared = (h * normal).mean(last, True)
    less = h - h.mean(last, True) if m else h
    return fit((scale * by if scaled else scale) * (less - normal * shared), y, a)


@rule
def layer_norm(
    y: Any, g: Any, which: int, a: Any, weight: Any, bias: Any, axes: int, epsilon: float
) -> Any:
    return norm(y, g, which, a, weight, bias, axes, epsilon, True)


@rule
def rms_norm(y: Any, g: Any, which: int, a: Any, weight: Any, axes: int, epsilon: float) -> Any:
    return norm(y, g, which, a, weight, None, axes, epsilon, False)
