"""Order: sorting, the largest and smallest, quantiles, distinct elements, places in a sorted row.

NaN is larger than every number. Of equal elements the first stays first, whatever the direction.
Only the order is found by NumPy, which compares and rounds nothing; values are gathered by the
package's ops, so that gradients flow to where they came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ArgumentError, DTypeError, EmptyError, ShapeError
from .arguments import as_int, axis_of, one_of
from .attributes import Attributes
from .conversion import as_tensor, from_array, new
from .dtypes import bfloat16, float32, int32, int64
from .explain import call_as, refuse_out
from .interchange import to_numpy
from .ops import TensorBase, cast
from .ordering import first_in_order, order
from .reductions import ValuesIndices

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["bucketize", "isin", "searchsorted"]

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


class Extremes(NamedTuple):
    """What `aminmax` returns."""

    min: Any
    max: Any


def array_of(x: Any) -> Any:
    """Return the elements as an ndarray, which shares the memory; bfloat16 as float32."""
    x = x.detach()
    return to_numpy(cast(x, float32) if x.dtype is bfloat16 else x)


def of_array(array: Any) -> Tensor:
    """Return a leaf of an ndarray's elements."""
    import numpy

    return from_array(numpy.ascontiguousarray(array).reshape(array.shape), share=True)


def picked(x: Any, indices: Any, axis: int, keep: Any, what: str) -> ValuesIndices:
    """Return the elements with these indices, an ndarray with size 1 along an axis."""
    chosen = of_array(indices)
    values = call_as(what, x.gather, axis, chosen)
    if not keep:
        values, chosen = values.squeeze(axis), chosen.squeeze(axis)
    return ValuesIndices(values, chosen)


def alone(x: Any) -> ValuesIndices:
    """Return the only element of a tensor without axes, and its place."""
    return ValuesIndices(x.clone(), TensorBase._new(int64.number, (), None))


def check_elements(x: Any, axis: int, what: str) -> None:
    """Refuse an axis without elements."""
    if not x.shape[axis]:
        raise EmptyError(f"{what}: shape {x.shape} has no elements along axis {axis} to compare")


class SortingMethods(Attributes):
    """Methods about the order of elements."""

    __slots__ = ()

    def sort(
        self: Any,
        dim: Any = None,
        descending: Any = False,
        stable: Any = None,
        *,
        axis: Any = None,
    ) -> ValuesIndices:
        """Return the elements in order along an axis, the last by default, and their indices.

        Args:
            descending: whether the largest comes first.
            stable: nothing; of equal elements the first always stays first.

        Raises:
            TensorIndexError: the axis is out of range.
        """
        if isinstance(dim, bool):  # PyTorch's sort(stable, dim, descending)
            raise TypeError("sort: dim is an int; write stable= by its name")
        dim = one_of(dim, axis)
        place = axis_of(-1 if dim is None else dim, self.ndim, "sort")
        if not self.ndim:
            return alone(self)
        indices = of_array(order(array_of(self), place, descending))
        return ValuesIndices(self.gather(place, indices), indices)

    def argsort(
        self: Any, dim: Any = None, descending: Any = False, stable: Any = None, *, axis: Any = None
    ) -> Tensor:
        """Return the indices that bring an axis, the last by default, into order; as `sort`.

        Raises:
            TensorIndexError: the axis is out of range.
        """
        found = call_as("argsort", self.detach().sort, dim, descending, axis=axis)
        indices: Tensor = found.indices
        return indices

    def msort(self: Any) -> Tensor:
        """Return the elements in order along axis 0."""
        return self.sort(0).values if self.ndim else self.clone()

    def topk(
        self: Any,
        k: Any,
        dim: Any = None,
        largest: Any = True,
        sorted: Any = True,
        *,
        axis: Any = None,
    ) -> ValuesIndices:
        """Return the k largest elements along an axis, the last by default, and their indices.

        Args:
            largest: False for the k smallest.
            sorted: nothing; they always come in order, the largest or smallest first.

        Raises:
            TensorIndexError: the axis is out of range, or has fewer than k elements.
        """  # fmt: skip
        dim = one_of(dim, axis)
        place = axis_of(-1 if dim is None else dim, self.ndim, "topk")
        k = as_int(k, "topk: k")
        size = self.shape[place] if self.ndim else 1
        if not 0 <= k <= size:
            raise ArgumentError(f"topk: k is from 0 to {size}, the size of the axis, not {k}")
        if not self.ndim:
            found = alone(self)
            return found if k else ValuesIndices(*(x.reshape(1)[:0] for x in found))
        indices = first_in_order(array_of(self), k, place, largest)
        return picked(self, indices, place, True, "topk")

    def kthvalue(
        self: Any,
        k: Any,
        dim: Any = -1,
        keepdim: Any = False,
        *,
        axis: Any = None,
        keepdims: Any = False,
    ) -> ValuesIndices:
        """Return the k-th smallest element along an axis, counted from 1, and its index.

        Raises:
            TensorIndexError: the axis is out of range.
            ValueError: k is below 1, or above the size of the axis.
        """  # fmt: skip
        place = axis_of(dim if axis is None else axis, self.ndim, "kthvalue")
        k = as_int(k, "kthvalue: k")
        size = self.shape[place] if self.ndim else 1
        if not size:
            check_elements(self, place, "kthvalue")
        if not 1 <= k <= size:
            raise ArgumentError(f"kthvalue: k is from 1 to {size}, the size of the axis, not {k}")
        if not self.ndim:
            return alone(self)
        indices = first_in_order(array_of(self), k, place).take([k - 1], axis=place)
        return picked(self, indices, place, keepdim or keepdims, "kthvalue")

    def median(
        self: Any, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Any:
        """Return the median, of two in the middle the lower; NaN where there is one.

        With dim (values, indices) along that axis. Without it equal elements share the gradient.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: there are no elements along dim.
        """
        return self._middle("median", one_of(dim, axis), keepdim or keepdims)

    def nanmedian(
        self: Any, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Any:
        """Return `median` of the elements that are not NaN; NaN where there are none.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: there are no elements along dim.
        """
        return self._middle("nanmedian", one_of(dim, axis), keepdim or keepdims)

    def _middle(self: Any, name: str, dim: Any, keep: Any) -> Any:
        """Return a median, over all elements or along an axis."""
        import numpy

        if dim is None:
            return self._middle_of_all(name)
        place = axis_of(dim, self.ndim, name)
        if not self.ndim:
            return alone(self)
        check_elements(self, place, name)
        array = array_of(self)
        sorted_ = order(array, place)
        missing = (array != array).sum(place, keepdims=True)
        known = array.shape[place] - missing
        middle = (numpy.maximum(known, 1) - 1) // 2
        if name == "median":
            middle = numpy.where(missing > 0, known, middle)  # the first NaN
        indices = numpy.take_along_axis(sorted_, middle, place)
        return picked(self, indices, place, keep, name)

    def _middle_of_all(self: Any, name: str) -> Any:
        x = self.reshape(-1)
        if not x.numel():
            if not x.is_floating_point():
                raise EmptyError(f"{name}: there are no elements of {x.dtype.name} to compare")
            return x.sum() * float("nan")
        value = x.detach()._middle(name, 0, False).values
        same = x.detach().eq(value) if bool(value == value) else x.detach().isnan()
        return x.masked_select(same).amax()  # which share the gradient

    def mode(
        self: Any, dim: Any = -1, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> ValuesIndices:
        """Return the most frequent element along an axis, of several the smallest, and its index.

        The index is that of its last occurrence.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: there are no elements along dim.
        """
        import numpy

        place = axis_of(dim if axis is None else axis, self.ndim, "mode")
        if not self.ndim:
            return alone(self)
        check_elements(self, place, "mode")
        indices = numpy.moveaxis(order(array_of(self), place), place, -1)
        rows = numpy.take_along_axis(numpy.moveaxis(array_of(self), place, -1), indices, -1)
        count = rows.shape[-1]
        positions = numpy.arange(count)
        new_run = numpy.ones(rows.shape, bool)
        new_run[..., 1:] = rows[..., 1:] != rows[..., :-1]
        starts = numpy.maximum.accumulate(numpy.where(new_run, positions, 0), axis=-1)
        last = (positions - starts).argmax(-1)[..., None]
        found = numpy.moveaxis(numpy.take_along_axis(indices, last, -1), -1, place)
        return picked(self, found, place, keepdim or keepdims, "mode")

    def quantile(
        self: Any,
        q: Any,
        dim: Any = None,
        keepdim: Any = False,
        *,
        interpolation: str = "linear",
        axis: Any = None,
        keepdims: Any = False,
    ) -> Tensor:
        """Return the q-quantiles, 0 <= q <= 1, of all elements or along an axis.

        Of n sorted elements it stands at place q (n - 1). NaN where there is one. The shape is
        that of q, a number or a vector, and then the axes that stay.

        Args:
            interpolation: "linear" between the two neighbours; "lower", "higher", "nearest" for
                one of them; "midpoint".

        Raises:
            TensorIndexError: the axis is out of range.
            DTypeError: the elements are not of float32 or float64.
            ValueError: q is outside [0, 1], or the interpolation another.
        """  # fmt: skip
        dim = one_of(dim, axis)
        return self._quantile("quantile", q, dim, keepdim or keepdims, interpolation)

    def nanquantile(
        self: Any,
        q: Any,
        dim: Any = None,
        keepdim: Any = False,
        *,
        interpolation: str = "linear",
        axis: Any = None,
        keepdims: Any = False,
    ) -> Tensor:
        """Return `quantile` of the elements that are not NaN; NaN where there are none.

        Raises:
            TensorIndexError, DTypeError, ValueError: as for `quantile`.
        """  # fmt: skip
        dim = one_of(dim, axis)
        return self._quantile("nanquantile", q, dim, keepdim or keepdims, interpolation)

    def _quantile(self: Any, name: str, q: Any, dim: Any, keep: Any, way: str) -> Any:
        if self.dtype.name not in ("float32", "float64"):
            raise DTypeError(f"{name}: is for float32 and float64, not {self.dtype.name}")
        if way not in INTERPOLATIONS:
            raise ArgumentError(f"{name}: interpolation is one of {INTERPOLATIONS}, not {way!r}")
        q = as_tensor(q) if isinstance(q, TensorBase) else as_tensor(q, dtype=self.dtype)
        if q.ndim > 1 or q.dtype is not self.dtype:
            raise ArgumentError(
                f"{name}: q is a number or a vector of {self.dtype.name}, not {q.dtype.name} of "
                f"shape {q.shape}"
            )
        if not bool((q.ge(0).logical_and(q.le(1))).all()):
            raise ArgumentError(f"{name}: q is from 0 to 1")
        place = axis_of(dim, self.ndim, name) if dim is not None else 0
        x = self.reshape(-1) if dim is None or not self.ndim else self.movedim(place, -1)
        check_elements(x, x.ndim - 1, name)
        found = between(x.sort(-1).values, x, q.reshape(-1), name, way).movedim(-1, 0)
        if keep and self.ndim:
            kept = (1,) * self.ndim if dim is None else None
            found = found.reshape(len(found), *kept) if kept else found.unsqueeze(place + 1)
        return found if q.ndim else found.squeeze(0)

    def unique(
        self: Any,
        sorted: Any = True,
        return_inverse: Any = False,
        return_counts: Any = False,
        dim: Any = None,
    ) -> Any:
        """Return the distinct elements in order, or with dim the distinct items along an axis.

        Every NaN is distinct. The result is a leaf.

        Args:
            sorted: nothing; they always come in order.
            return_inverse: return also, in the shape of the elements, which one each is.
            return_counts: return also how often each occurs.

        Raises:
            TensorIndexError: the axis is out of range.
        """  # fmt: skip
        import numpy

        axis = None if dim is None else axis_of(dim, self.ndim, "unique")
        array = array_of(self)
        if axis is not None and not array.ndim:
            array, axis = array.reshape(1), 0
        if axis is not None and not array.size and array.shape[axis]:
            raise ShapeError(f"unique: items of shape {self.shape} along axis {axis} are empty")
        values, inverse, counts = numpy.unique(
            array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
        )
        shape = array.shape if axis is None else (-1,)
        parts = of_array(values), inverse.reshape(shape), counts
        return told(self.dtype, *parts, return_inverse, return_counts)

    def unique_consecutive(
        self: Any, return_inverse: Any = False, return_counts: Any = False, dim: Any = None
    ) -> Any:
        """Return the elements without those equal to the one before; with dim, items of an axis.

        Args:
            return_inverse: return also, in the shape of the elements, which one each is.
            return_counts: return also how often each stands there in a row.

        Raises:
            TensorIndexError: the axis is out of range.
        """
        import numpy

        axis = 0 if dim is None else axis_of(dim, self.ndim, "unique_consecutive")
        array = array_of(self)
        shape = array.shape if dim is None else (-1,)
        items = array.reshape(-1) if dim is None or not array.ndim else array
        rows = numpy.moveaxis(items, axis, 0)
        rows = rows.reshape(len(rows), int(numpy.prod(rows.shape[1:])))
        first = numpy.ones(len(rows), bool)
        first[1:] = (rows[1:] != rows[:-1]).any(1)
        starts = numpy.flatnonzero(first)
        counts = numpy.diff(numpy.append(starts, len(rows)))
        inverse = numpy.cumsum(first) - 1
        parts = of_array(items.take(starts, axis=axis)), inverse.reshape(shape), counts
        return told(self.dtype, *parts, return_inverse, return_counts)

    def cummax(self: Any, dim: Any = None, *, axis: Any = None) -> ValuesIndices:
        """Return the largest element so far along an axis, and its index, of equal ones the last.

        Raises:
            TensorIndexError: the axis is out of range.
        """
        return self._so_far("cummax", one_of(dim, axis))

    def cummin(self: Any, dim: Any = None, *, axis: Any = None) -> ValuesIndices:
        """Return the smallest element so far along an axis, and its index, of equal ones the last.

        Raises:
            TensorIndexError: the axis is out of range.
        """
        return self._so_far("cummin", one_of(dim, axis))

    def _so_far(self: Any, name: str, dim: Any) -> ValuesIndices:
        import numpy

        place = axis_of(dim, self.ndim, name)
        if not self.ndim:
            return alone(self)
        array = numpy.moveaxis(array_of(self), place, -1)
        best = numpy.maximum if name == "cummax" else numpy.minimum
        running = best.accumulate(array, axis=-1) if array.size else array
        hit = (array == running) | (array != array)
        positions = numpy.where(hit, numpy.arange(array.shape[-1]), 0)
        indices = numpy.maximum.accumulate(positions, axis=-1) if array.size else positions
        return picked(self, numpy.moveaxis(indices, -1, place), place, True, name)

    def aminmax(self: Any, *, dim: Any = None, keepdim: Any = False, axis: Any = None) -> Extremes:
        """Return the smallest and the largest element, over all or along an axis.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: there are no elements to compare.
        """
        dim = one_of(dim, axis)
        return Extremes(
            call_as("aminmax", self.amin, dim, keepdim), call_as("aminmax", self.amax, dim, keepdim)
        )

    def argwhere(self: Any) -> Tensor:
        """Return the indices of the elements that are not 0, as `nonzero`: shape (count, ndim)."""
        found: Tensor = self.nonzero()
        return found


def told(
    kind: Any, values: Any, inverse: Any, counts: Any, want_inverse: Any, want_counts: Any
) -> Any:
    """Return the values as a type, and of two ndarrays those that are wanted."""
    found = [cast(values, kind)]
    found += [of_array(inverse.astype("int64"))] if want_inverse else []
    found += [of_array(counts.astype("int64"))] if want_counts else []
    return tuple(found) if len(found) > 1 else found[0]


def between(rows: Any, x: Any, q: Any, name: str, way: str) -> Any:
    """Return elements of sorted rows (..., n) at places q (n - 1): (..., quantiles)."""
    missing = cast(x.detach().isnan().sum(-1, keepdim=True), x.dtype)
    last = rows.shape[-1] - 1
    if name == "nanquantile":
        place = q * (last - missing).clamp_min(0)
    else:
        ends = missing * 0 + last
        place = ends.where(missing.ne(0), q * ends)
    place = place.expand(*rows.shape[:-1], q.numel())
    if way == "nearest":
        place = place.round()
    low, high = place.floor(), place.ceil()
    if way == "lower":
        high = place = low
    elif way == "higher":
        low = place = high
    below, above = rows.gather(-1, low.long()), rows.gather(-1, high.long())
    if way in ("lower", "higher", "nearest"):
        return below
    weight = place * 0 + 0.5 if way == "midpoint" else place - low
    return below.lerp(above, weight)


# ---- places in sorted rows -------------------------------------------------------------------


@refuse_out
def searchsorted(
    sorted_sequence: Any, input: Any = None, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Any = None, self: Any = None,
) -> Tensor:  # fmt: skip
    """Return where elements belong in sorted rows: how many of the row are smaller.

    Args:
        sorted_sequence: a vector (n,) for all, or rows (..., n) for the rows (..., m) of input.
        right: count those that are equal, too; side="right" is the same.
        out_int32: return int32 instead of int64; self: PyTorch's other name of input.
        sorter: what sorts the rows: sorted_sequence is then not sorted itself.

    Raises:
        ShapeError: the leading axes differ.
        ValueError: side is neither "left" nor "right", or not what right says.
    """
    import numpy

    input = self if input is None else input
    if input is None:
        raise TypeError("searchsorted: input is missing, the elements to look for")
    rows = as_tensor(sorted_sequence)
    values = as_tensor(input)
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ArgumentError(f"searchsorted: side {side!r} with right={right}: 'left' or 'right'")
    array, wanted = array_of(rows), array_of(values)
    if sorter is not None:
        array = numpy.take_along_axis(array, array_of(as_tensor(sorter)), -1)
    where: Any = "right" if right or side == "right" else "left"
    if array.ndim == 1:
        found = numpy.asarray(numpy.searchsorted(array, wanted, where))
    elif array.shape[:-1] != wanted.shape[:-1] or not array.ndim:
        raise ShapeError(f"searchsorted: rows {rows.shape} and values {values.shape} do not fit")
    else:
        found = numpy.empty(wanted.shape, "int64")
        for place in numpy.ndindex(array.shape[:-1]):
            found[place] = numpy.searchsorted(array[place], wanted[place], where)
    return cast(of_array(found.astype("int64")), int32 if out_int32 else int64)


@refuse_out
def bucketize(
    input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Return in which of the intervals between sorted boundaries (n,) each element lies: 0 to n.

    Interval i is boundaries[i - 1] < x <= boundaries[i], or with right [i - 1] <= x < [i].

    Raises:
        ShapeError: the boundaries are no vector.
    """
    edges = as_tensor(boundaries)
    if edges.ndim != 1:
        raise ShapeError(f"bucketize: boundaries are a vector, not of shape {edges.shape}")
    return call_as("bucketize", searchsorted, edges, input, out_int32=out_int32, right=right)


@refuse_out
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Return for each element whether it is among the test elements, as bools of its shape.

    Args:
        assume_unique: nothing; a hint of PyTorch's.
        invert: return whether it is not among them.
    """
    import numpy

    x, tests = (as_tensor(item) for item in (elements, test_elements))
    found = numpy.isin(array_of(x), array_of(tests), invert=invert)
    return new(bool(found), None) if not x.ndim else of_array(found)
