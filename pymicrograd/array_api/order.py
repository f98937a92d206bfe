"""Order: sorting, places in sorted rows, distinct elements."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..tensors import sorting

__all__ = [
    "argsort", "searchsorted", "sort", "unique_all", "unique_counts", "unique_inverse",
    "unique_values",
]  # fmt: skip


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Any
    inverse_indices: Any


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Return the elements in order along an axis; NaN is the largest."""
    return x.sort(axis, descending).values


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Return the indices that bring an axis into order, of equal elements the first first."""
    return x.argsort(axis, descending)


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """Return where x2's elements belong in the sorted vector x1."""
    return sorting.searchsorted(x1, x2, side=side, sorter=sorter)


def unique_all(x: Any, /) -> UniqueAll:
    """Return the distinct elements, where each is first, which each element is, how many."""
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    first = inverse.reshape(-1).argsort()[counts.cumsum(0) - counts]
    return UniqueAll(values, first, inverse, counts)


def unique_counts(x: Any, /) -> UniqueCounts:
    """Return the distinct elements, and how many there are of each."""
    return UniqueCounts(*x.unique(return_counts=True))


def unique_inverse(x: Any, /) -> UniqueInverse:
    """Return the distinct elements, and which of them each element is."""
    return UniqueInverse(*x.unique(return_inverse=True))


def unique_values(x: Any, /) -> Any:
    """Return the distinct elements."""
    return x.unique()
