"""Which element stands where in sorted order: stable, NaN last, by NumPy's sort of integers.

An element becomes an integer that is ordered as it is; with its place in the lower bits no two are
equal, so that NumPy's quick sort, which is not stable, has one possible result: an eighth of
the time of a stable sort at 10^6 elements. Elements of 64 bits take two rounds of 32 bits.
"""

from __future__ import annotations

from typing import Any

__all__ = ["first_in_order", "order"]

SHORT = 2048  # elements of a row, below which NumPy's stable sort is quicker
HALF = 32  # bits of a place, and of a round
PLACES = 2**HALF - 1
LIMIT = 2 ** (HALF - 1)


def order(array: Any, axis: int, descending: Any = False) -> Any:
    """Return which element stands where in sorted order along an axis.

    Of equal elements the first stays first, whatever the direction; NaN is the largest.
    """
    import numpy

    if SHORT <= array.shape[axis] <= PLACES and array.dtype.kind in "fiub":
        keys = keys_of(numpy.moveaxis(array, axis, -1), descending)
        return numpy.moveaxis(order_of_keys(keys), -1, axis)
    if not descending:
        return numpy.argsort(array, axis=axis, kind="stable")
    back = numpy.flip(array, axis)  # of equal ones the last, counted from behind, comes first
    found = numpy.argsort(back, axis=axis, kind="stable")
    return array.shape[axis] - 1 - numpy.flip(found, axis)


def first_in_order(array: Any, k: int, axis: int, descending: Any = False) -> Any:
    """Return the first k of `order`."""
    import numpy

    size = array.shape[axis]
    if SHORT <= size <= PLACES and 0 < k < size // 2 and array.dtype.kind in "fiub":
        keys = keys_of(numpy.moveaxis(array, axis, -1), descending)
        if keys.dtype.itemsize < 8:
            packed = numpy.partition(with_places(keys), k - 1, axis=-1)[..., :k]
            packed.sort(axis=-1)
            return numpy.moveaxis(packed & PLACES, -1, axis)
    return order(array, axis, descending).take(range(k), axis=axis)


def keys_of(array: Any, descending: Any) -> Any:
    """Return integers that are ordered as the elements, or the other way round."""
    import numpy

    if array.dtype.kind == "f":
        kind = numpy.dtype(f"i{array.dtype.itemsize}")
        most = numpy.iinfo(kind).max
        bits = (array + array.dtype.type(0)).view(kind)  # -0 + 0 is 0, which it is equal to
        bits ^= (bits >> (8 * kind.itemsize - 1)) & most  # the larger the negative, the smaller
        bits[numpy.isnan(array)] = most
        return ~bits if descending else bits
    keys = array.astype("u1") if array.dtype.kind == "b" else array
    if keys.dtype == "i8" and keys.size and -LIMIT <= keys.min() and keys.max() < LIMIT:
        keys = keys.astype("i4")  # one round
    return ~keys if descending else keys


def with_places(keys: Any) -> Any:
    """Return keys of at most 32 bits above their places in the rows, as integers of 64 bits."""
    import numpy

    packed = keys.astype("i8")
    packed <<= HALF
    packed |= numpy.arange(keys.shape[-1])
    return packed


def order_of_keys(keys: Any) -> Any:
    """Return the order of rows of integers, of equal ones the first first."""
    import numpy

    if keys.dtype.itemsize < 8:
        packed = with_places(keys)
        packed.sort(axis=-1)
        packed &= PLACES
        return packed
    # The lower half, whose sign bit is turned to be ordered as unsigned; then the upper half.
    found = order_of_keys(((keys & PLACES) - LIMIT).astype("i4"))
    upper = numpy.take_along_axis((keys >> HALF).astype("i4"), found, -1)
    return numpy.take_along_axis(found, order_of_keys(upper), -1)
