"""Norms and distances, with PyTorch's gradients: 0 where there is none, as at the origin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, DTypeError, ShapeError
from .arguments import axes_of, axis_of
from .arrangement import triu_indices
from .attributes import Attributes
from .conversion import as_tensor
from .derived import same_pair
from .dtypes import as_dtype
from .explain import call_as, refuse_out
from .function import Function
from .operators import in_place
from .ops import cast

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["cdist", "norm_over", "pdist", "vector_norm"]


def shares(x: Any, y: Any, p: float, axes: tuple[int, ...]) -> Any:
    """Return the derivative of a norm, y with its axes kept, by each element."""
    if p == 0:
        return x * 0
    if p == 1:
        return x.sign()
    if p == 2:
        return x / y.masked_fill(y.detach().eq(0), 1.0)
    if math.isinf(p):
        hit = cast(x.abs().eq(y).logical_or(x.isnan()), x.dtype)
        return x.sign() * hit / hit.sum(axes, keepdim=True)
    zero = y.detach().eq(0)
    flat = x.detach().eq(0)
    ratio = x.abs().masked_fill(flat, 1.0) / y.masked_fill(zero, 1.0)
    found = x.sign() * ratio.pow(p - 1)
    return found.masked_fill(flat.logical_or(zero), 0.0)


def norm_value(x: Any, p: float, axes: tuple[int, ...]) -> Any:
    """Return (sum |x|^p)^(1/p) over axes, which stay with size 1."""
    if not axes:
        return cast(x.ne(0), x.dtype) if p == 0 else x.abs()
    if p == 0:
        return cast(x.ne(0).sum(axes, keepdim=True), x.dtype)
    if math.isinf(p):
        return (x.abs().amax if p > 0 else x.abs().amin)(axes, keepdim=True)
    if p == 1:
        return x.abs().sum(axes, keepdim=True)
    if p == 2:
        return x.square().sum(axes, keepdim=True).sqrt()
    return x.abs().pow(p).sum(axes, keepdim=True).pow(1 / p)


class Norm(Function):
    """A norm over axes, which stay with size 1."""

    @staticmethod
    def forward(ctx: Any, x: Any, p: float, axes: tuple[int, ...]) -> Any:
        y = norm_value(x, p, axes)
        ctx.p, ctx.axes = p, axes
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, y = ctx.saved_tensors
        return g * shares(x, y, ctx.p, ctx.axes), None, None


def norm_over(x: Any, p: float, axes: tuple[int, ...], keep: Any) -> Any:
    """Return the p-norm over axes."""
    empty = any(not x.shape[axis] for axis in axes)
    if empty and (math.isinf(p) or p < 0):
        raise ArgumentError(f"norm: shape {x.shape} has no elements for the norm of order {p}")
    y = Norm.apply(x, p, axes)
    if keep:
        return y
    return y.reshape([size for axis, size in enumerate(x.shape) if axis not in axes])


@refuse_out
def vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: Any = False, *, dtype: Any = None
) -> Tensor:
    """Return (sum |x|^ord)^(1/ord) over axes, by default all; ord may be inf, -inf and 0.

    Raises:
        DTypeError: the elements are no floats.
        TensorIndexError: an axis is out of range.
    """
    x = as_tensor(x)
    x = x if dtype is None else cast(x, as_dtype(dtype))
    if not x.is_floating_point():
        raise DTypeError(f"linalg.vector_norm: is for floats, not {x.dtype.name}: use float()")
    if dim is None or dim == () or dim == []:
        flat = norm_over(x.reshape(-1), float(ord), (0,), False)
        return flat.reshape((1,) * x.ndim) if keepdim else flat
    axes = axes_of(dim, x.ndim, "linalg.vector_norm")
    return norm_over(x, float(ord), axes, keepdim)


class NormMethods(Attributes):
    """Norms as methods."""

    __slots__ = ()

    def norm(
        self: Any,
        p: Any = "fro",
        dim: Any = None,
        keepdim: Any = False,
        dtype: Any = None,
        *,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Tensor:
        """Return the p-norm over axes, by default all: (sum |x|^p)^(1/p), p "fro" or None for 2.

        Args:
            p: a number, inf, -inf; "fro"; or "nuc" for the sum of a matrix's singular values.

        Raises:
            DTypeError: the elements are no floats.
            TensorIndexError: an axis is out of range.
        """  # fmt: skip
        dim, keep = dim if axis is None else axis, keepdim or keepdims
        if p == "nuc":
            from .linear_algebra import nuclear_norm

            return nuclear_norm(self if dtype is None else cast(self, as_dtype(dtype)), dim, keep)
        if isinstance(p, str) and p != "fro":
            raise ArgumentError(f"norm: p is a number, 'fro' or 'nuc', not {p!r}")
        order = 2.0 if p is None or p == "fro" else float(p)
        return call_as("norm", vector_norm, self, order, dim, keep, dtype=dtype)

    def dist(self: Any, other: Any, p: Any = 2) -> Tensor:
        """Return the p-norm of self - other.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        return call_as("dist", lambda: vector_norm(self - other, p))

    def renorm(self: Any, p: Any, dim: int, maxnorm: Any) -> Tensor:
        """Return a copy whose items along an axis have p-norms of maxnorm at most.

        Raises:
            TensorIndexError: the axis is out of range.
            ValueError: p is not above 0, or maxnorm below 0.
        """
        if not p > 0 or not maxnorm >= 0:
            raise ArgumentError(f"renorm: p is above 0, maxnorm not below, not {p} and {maxnorm}")
        if self.ndim < 2:
            raise ShapeError(f"renorm: two axes are needed at least, not shape {self.shape}")
        axis = axis_of(dim, self.ndim, "renorm")
        axes = tuple(k for k in range(self.ndim) if k != axis)
        size = norm_over(self, float(p), axes, True)
        scale = (size + 1e-7).reciprocal() * maxnorm
        return self * scale.where(size.detach().gt(maxnorm), scale.detach() * 0 + 1)

    renorm_ = in_place("renorm")


@refuse_out
def cdist(
    x1: Any, x2: Any, p: Any = 2.0, compute_mode: Any = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:
    """Return the p-norms of all differences: rows (..., m, k) and (..., n, k) give (..., m, n).

    Args:
        compute_mode: nothing; the differences themselves are computed.

    Raises:
        ShapeError: the rows differ in length, or the leading axes cannot be broadcast.
        ValueError: p is negative.
    """
    x, y = as_tensor(x1), as_tensor(x2)
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"cdist: rows of {x.shape} and {y.shape} do not fit")
    if not p >= 0:
        raise ArgumentError(f"cdist: p is 0 or more, not {p}")
    a, b = same_pair("cdist", x.unsqueeze(-2), y.unsqueeze(-3))
    if not x.shape[-1]:
        return cast(a.sum(-1), a.dtype) * 0
    return norm_over(a - b, float(p), (a.ndim - 1,), False)


@refuse_out
def pdist(input: Any, p: Any = 2.0) -> Tensor:
    """Return the p-norms of the differences of all rows i < j of (n, k): (n * (n - 1) / 2).

    Raises:
        ShapeError: there are other than two axes.
        ValueError: p is negative.
    """
    x = as_tensor(input)
    if x.ndim != 2:
        raise ShapeError(f"pdist: rows are (n, k), not {x.shape}")
    if not p >= 0:
        raise ArgumentError(f"pdist: p is 0 or more, not {p}")
    places = triu_indices(x.shape[0], x.shape[0], 1)
    apart = x[places[0]] - x[places[1]]
    if not x.shape[1]:
        return cast(apart.sum(-1), apart.dtype) * 0
    return norm_over(apart, float(p), (1,), False)
