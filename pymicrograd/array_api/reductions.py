"""Sums, extremes, statistics, and sums on the way; axes are one, several, or all."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ..tensors.joining import cat

__all__ = [
    "all", "any", "argmax", "argmin", "count_nonzero", "cumulative_prod", "cumulative_sum",
    "diff", "max", "mean", "min", "nonzero", "prod", "std", "sum", "var",
]  # fmt: skip


def axes_of(x: Any, axis: Any) -> Any:
    """Return axes as ops take them: those of all where there is none named."""
    return tuple(range(x.ndim)) if axis is None else axis


def all(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Return whether all elements are true."""
    return x.bool().all(axis=axes_of(x, axis), keepdims=keepdims)


def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Return whether an element is true."""
    return x.bool().any(axis=axes_of(x, axis), keepdims=keepdims)


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return where the first largest element is."""
    return x.argmax(axis=axis, keepdims=keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return where the first smallest element is."""
    return x.argmin(axis=axis, keepdims=keepdims)


def max(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the largest element; NaN, if there is one."""
    return x.amax(axes_of(x, axis), keepdims)


def min(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the smallest element; NaN, if there is one."""
    return x.amin(axes_of(x, axis), keepdims)


def mean(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the mean."""
    return x.mean(axes_of(x, axis), keepdims) if x.ndim else x * 1


def std(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Return the root of `var`."""
    return x.std(axes_of(x, axis), correction=correction, keepdim=keepdims)


def var(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Return the squared distances to the mean, added and divided by n - correction."""
    return x.var(axes_of(x, axis), correction=correction, keepdim=keepdims)


def sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Return the sum; of integers and bools in int64."""
    if dtype is None:
        return x.sum(axes_of(x, axis), keepdims)
    return x.to(dtype).sum(axes_of(x, axis), keepdims).to(dtype)


def prod(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Return the product; of integers and bools in int64."""
    found = x if dtype is None else x.to(dtype)
    axes = axes_of(x, axis)
    places = [axes] if isinstance(axes, int) else sorted(a % x.ndim for a in axes)
    for place in reversed(places):
        found = found.prod(place, keepdims)
    return found if dtype is None else found.to(dtype)


def count_nonzero(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Return how many elements are not 0."""
    return (x != 0).sum(axes_of(x, axis), keepdims)


def nonzero(x: Any, /) -> tuple[Any, ...]:
    """Return for each axis the places of what is not 0."""
    if not x.ndim:
        raise ArgumentError("nonzero: an array without axes has no places")
    return tuple(x.nonzero(as_tuple=True))


def cumulative(x: Any, name: str, axis: int | None, dtype: Any, first: Any) -> Any:
    """Return what has been added or multiplied so far, behind what stands first, if anything."""
    if axis is None:
        if x.ndim != 1:
            raise ArgumentError(f"cumulative: an axis of {x.ndim} has to be named")
        axis = 0
    found = getattr(x if dtype is None else x.to(dtype), name)(axis)
    found = found if dtype is None else found.to(dtype)
    if first is None:
        return found
    shape = list(x.shape)
    shape[axis] = 1
    return cat([found.new_full(tuple(shape), first), found], axis)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """Return the sums so far along an axis; with include_initial from 0 on."""
    return cumulative(x, "cumsum", axis, dtype, 0 if include_initial else None)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """Return the products so far along an axis; with include_initial from 1 on."""
    return cumulative(x, "cumprod", axis, dtype, 1 if include_initial else None)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """Return differences of neighbours along an axis, n times over."""
    return x.diff(n, axis, prepend, append)
