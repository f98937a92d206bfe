"""Sums, means, extremes and what else is taken over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .arguments import axes_of, axis_of, one_of
from .attributes import Attributes
from .dtypes import as_dtype, int64
from .explain import call_as, refuse_out
from .ops import OPS, TensorBase, apply, cast

if TYPE_CHECKING:
    from .tensor import Tensor


class ValuesIndices(NamedTuple):
    """What `max(dim)` and `min(dim)` return."""

    values: Any
    indices: Any


def reduce(
    name: str, x: TensorBase, dims: Any, keep: Any, numbers: tuple[float, ...] = ()
) -> Tensor:
    """Apply a reduction over axes."""
    mask = sum([1 << axis for axis in axes_of(dims, x.ndim, name)])
    return apply(OPS[name], (x,), (mask, int(bool(keep))), numbers)


def reduction(name: str) -> Callable[..., Tensor]:
    """Return the method of a reduction."""

    def method(
        self: Any, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Tensor:
        return reduce(name, self, one_of(dim, axis), keepdim or keepdims)

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"  # what Python's errors say
    return method


def cast_reduction(name: str) -> Callable[..., Tensor]:
    """Return the method of a reduction of what may be cast before."""
    reduced = reduction(name)

    def method(self: Any, *args: Any, dtype: Any = None, **named: Any) -> Tensor:
        if dtype is None:
            return reduced(self, *args, **named)
        kind = as_dtype(dtype)
        return cast(reduced(cast(self, kind), *args, **named), kind)  # of int32 it is int64

    method.__name__ = name
    return refuse_out(method)  # NumPy's functions give out=None


class ReductionMethods(Attributes):
    """Reductions; those with an underscore are what C calls with arguments it does not read."""

    __slots__ = ()

    _sum, _mean, _prod = cast_reduction("sum"), cast_reduction("mean"), cast_reduction("prod")

    _amax, _amin = reduction("amax"), reduction("amin")

    _any, _all = refuse_out(reduction("any")), refuse_out(reduction("all"))

    def max(
        self,
        dim: Any = None,
        keepdim: Any = False,
        *,
        other: Any = None,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Any:
        """Return the largest element, of shape (); with dim, (values, indices) along that axis.

        Of equal ones the first has the index and, with dim, the whole gradient; without dim they
        share it. With a tensor in place of dim: `maximum`.

        Args:
            keepdim: whether the axis stays, with size 1.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: there are no elements to compare.
        """
        if other is not None:
            return self.maximum(other)
        return self._extreme("max", one_of(dim, axis), keepdim or keepdims)

    def min(
        self,
        dim: Any = None,
        keepdim: Any = False,
        *,
        other: Any = None,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Any:
        """Return the smallest element, of shape (); with dim, (values, indices) along that axis.

        Of equal ones the first has the index and, with dim, the whole gradient; without dim they
        share it. With a tensor in place of dim: `minimum`.

        Args:
            keepdim: whether the axis stays, with size 1.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: there are no elements to compare.
        """
        if other is not None:
            return self.minimum(other)
        return self._extreme("min", one_of(dim, axis), keepdim or keepdims)

    def _extreme(self, name: str, dim: Any, keep: Any) -> Any:
        if dim is None:
            return call_as(name, reduce, "a" + name, self, None, keep)
        if isinstance(dim, TensorBase):
            return call_as(name, getattr(self, name + "imum"), dim)
        axis = axis_of(dim, self.ndim, name)
        if not self.ndim:
            return ValuesIndices(self.clone(), TensorBase._new(int64.number, (), None))
        indices = call_as(name, apply, OPS["arg" + name], (self,), (axis, 1))
        values = apply(OPS["gather"], (self, indices), (axis,))
        if not keep:
            shape = indices.shape
            rest = (*shape[:axis], *shape[axis + 1 :])
            values, indices = values.reshape(rest), indices.reshape(rest)
        return ValuesIndices(values, indices)

    def argmax(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Tensor:
        """Return the index of the largest element along an axis, of equal ones the first; int64.

        Args:
            dim: the axis; None for all elements, numbered in row-major order.
            keepdim: whether the axis stays, with size 1.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: there are no elements to compare.
        """
        return self._argument("argmax", one_of(dim, axis), keepdim or keepdims)

    def argmin(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Tensor:
        """Return the index of the smallest element along an axis, of equal ones the first; int64.

        Args:
            dim: the axis; None for all elements, numbered in row-major order.
            keepdim: whether the axis stays, with size 1.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: there are no elements to compare.
        """
        return self._argument("argmin", one_of(dim, axis), keepdim or keepdims)

    def _argument(self, name: str, dim: Any, keep: Any) -> Tensor:
        if dim is None or not self.ndim:
            found = apply(OPS[name], (self.reshape(-1),), (0, 0))
            return found.reshape((1,) * self.ndim) if keep else found
        return apply(OPS[name], (self,), (axis_of(dim, self.ndim, name), int(bool(keep))))

    def var(
        self,
        dim: Any = None,
        unbiased: Any = None,
        keepdim: Any = False,
        *,
        correction: float | None = 1,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Tensor:
        """Return sum((x - mean)^2) / (count - correction) over axes.

        Args:
            dim: one axis or several; None for all.
            unbiased: True for correction 1, False for 0.
            keepdim: whether the axes stay, with size 1.

        Raises:
            DTypeError: the elements are no floats.
            TensorIndexError: an axis is out of range.
        """
        return self._spread("var", one_of(dim, axis), unbiased, keepdim or keepdims, correction)

    def std(
        self,
        dim: Any = None,
        unbiased: Any = None,
        keepdim: Any = False,
        *,
        correction: float | None = 1,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Tensor:
        """Return the square root of `var`, which tells of the arguments.

        Raises:
            DTypeError: the elements are no floats.
            TensorIndexError: an axis is out of range.
        """
        return self._spread("std", one_of(dim, axis), unbiased, keepdim or keepdims, correction)

    def _spread(self, name: str, dim: Any, unbiased: Any, keep: Any, correction: Any) -> Tensor:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        correction = 1 if correction is None else correction
        if unbiased is not None:
            correction = 1 if unbiased else 0
        return reduce(name, self, dim, keep, (float(correction),))

    def _logsumexp(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Tensor:
        return reduce("logsumexp", self, one_of(dim, axis), keepdim or keepdims)

    def cumsum(self, dim: Any = None, *, dtype: Any = None, axis: Any = None) -> Tensor:
        """Return y[i] = x[0] + ... + x[i] along an axis; the shape stays.

        Integers and bools are summed as int64; dtype casts before.

        Raises:
            TensorIndexError: the axis is out of range.
            TypeError: no axis is given.
        """
        if dtype is None:
            return self._along("cumsum", one_of(dim, axis))
        kind = as_dtype(dtype)
        return cast(cast(self, kind)._along("cumsum", one_of(dim, axis)), kind)

    def cumsum_(self, dim: Any = None, *, dtype: Any = None, axis: Any = None) -> Tensor:
        """Write `cumsum` over the elements; return the tensor, whose dtype stays.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
            TensorIndexError, TypeError: as for `cumsum`.
        """
        made = call_as("cumsum_", self.cumsum, dim, dtype=dtype, axis=axis)
        changed: Tensor = call_as("cumsum_", self.copy_, made)
        return changed

    def softmax(self, dim: Any = None, dtype: Any = None, *, axis: Any = None) -> Tensor:
        """Return exp(x) / sum(exp(x)) along an axis; the shape stays.

        Computed of x - max(x), without overflow. Integers and bools are computed as float32.

        Raises:
            TensorIndexError: the axis is out of range.
            TypeError: no axis is given.
        """
        x = self if dtype is None else cast(self, as_dtype(dtype))
        return x._along("softmax", one_of(dim, axis))

    def log_softmax(self, dim: Any = None, dtype: Any = None, *, axis: Any = None) -> Tensor:
        """Return x - logsumexp(x) along an axis, the logarithm of `softmax`; the shape stays.

        Integers and bools are computed as float32.

        Raises:
            TensorIndexError: the axis is out of range.
            TypeError: no axis is given.
        """
        x = self if dtype is None else cast(self, as_dtype(dtype))
        return x._along("log_softmax", one_of(dim, axis))

    def _along(self, name: str, dim: Any) -> Tensor:
        """Apply an op that keeps the shape, along one axis."""
        if dim is None:
            raise TypeError(f"{name}() needs an axis: dim")
        axis = axis_of(dim, self.ndim, name)
        if not self.ndim:
            return apply(OPS[name], (self.reshape(1),), (0,)).reshape(())
        return apply(OPS[name], (self,), (axis,))
