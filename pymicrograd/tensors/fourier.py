"""fft: what of PyTorch's has real results for real inputs; there are no complex tensors.

Transforms are NumPy's, and outside of the promise that every machine computes the same bits. A
half-spectrum that is real stands for a sequence that is even: y[k] = sum of c[j] x[j] cos(2 pi j
k / n) / n, c = 1 at j = 0 and n / 2, else 2; along several axes the others go through a whole
transform. Gradients are transforms of the same kind.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, ShapeError
from .arguments import as_int, as_ints, as_tuple, axis_of
from .conversion import as_tensor
from .creation import finish, floating
from .derived import floats
from .dtypes import HALVES
from .explain import refuse_out
from .function import Function
from .leaves import constant, ramp
from .ops import cast
from .padding import pad
from .sorting import array_of, of_array

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "fftfreq", "fftshift", "hfft", "hfft2", "hfftn", "ifftshift", "irfft", "irfft2", "irfftn",
    "rfftfreq",
]  # fmt: skip


def weights(count: int, size: int, axis: int, like: Any) -> Any:
    """Return c along an axis, of another tensor's type."""
    c = constant((count,), 2, like.dtype, "fft")
    c[0] = 1
    if size % 2 == 0:
        c[size // 2] = 1
    return c.reshape([-1 if k == axis else 1 for k in range(like.ndim)])


class FromHalf(Function):
    """The sequence of a half-spectrum, which is real: irfftn."""

    @staticmethod
    def forward(ctx: Any, x: Any, sizes: tuple[int, ...], axes: tuple[int, ...]) -> Any:
        import numpy

        ctx.sizes, ctx.axes = sizes, axes
        found = numpy.fft.irfftn(array_of(x), sizes, axes)
        return of_array(found.astype(x.dtype.name))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        half = ToHalf.apply(g, ctx.sizes, ctx.axes)
        last = ctx.axes[-1]
        c = weights(half.shape[last], ctx.sizes[-1], last, half)
        return half * (c / math.prod(ctx.sizes)), None, None


class ToHalf(Function):
    """The real part of the half-spectrum of a sequence."""

    @staticmethod
    def forward(ctx: Any, x: Any, sizes: tuple[int, ...], axes: tuple[int, ...]) -> Any:
        import numpy

        ctx.sizes, ctx.axes = sizes, axes
        found = numpy.fft.rfftn(array_of(x), sizes, axes).real
        return of_array(found.astype(x.dtype.name))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        last = ctx.axes[-1]
        c = weights(g.shape[last], ctx.sizes[-1], last, g)
        return FromHalf.apply(g / c, ctx.sizes, ctx.axes) * math.prod(ctx.sizes), None, None


def resized(x: Any, axis: int, size: int) -> Any:
    """Return x with so many items along an axis: cut off, or zeros behind."""
    if x.shape[axis] >= size:
        return x.narrow(axis, 0, size)
    room = [0, 0] * (x.ndim - axis)
    room[-1] = size - x.shape[axis]
    return pad(x, room, "constant", 0)


def scale_of(norm: Any, count: int, backward: bool, what: str) -> float:
    """Return what the result of an inverse transform is multiplied with."""
    if norm not in (None, "backward", "ortho", "forward"):
        raise ArgumentError(f"{what}: norm is 'backward', 'ortho' or 'forward', not {norm!r}")
    if norm == "ortho":
        return math.sqrt(count)
    divided = (norm or "backward") == ("backward" if backward else "forward")
    return 1.0 if divided else float(count)


def transform(what: str, x: Any, s: Any, dim: Any, norm: Any, backward: bool) -> Any:
    """Return the inverse transform of a half-spectrum over axes."""
    x = floats(as_tensor(x))
    kind = x.dtype
    if dim is None:
        rank = x.ndim if s is None else len(as_ints((s,), what))
        dims = tuple(range(x.ndim - rank, x.ndim))
    else:
        dims = tuple(axis_of(k, x.ndim, what) for k in as_tuple(dim))
    if not x.ndim or not dims or len(set(dims)) < len(dims):
        raise ShapeError(f"{what}: axes {dim} of shape {x.shape} are not different ones")
    given = [-1] * len(dims) if s is None else as_ints((s,), what)
    if len(given) != len(dims):
        raise ShapeError(f"{what}: {len(given)} sizes for {len(dims)} axes")
    sizes = [x.shape[axis] if n == -1 else n for axis, n in zip(dims, given, strict=True)]
    if given[-1] == -1:
        sizes[-1] = 2 * (x.shape[dims[-1]] - 1)
    if any(n < 1 for n in sizes):
        raise ArgumentError(f"{what}: there is 1 item at least, not {sizes}")
    x = x.float() if kind in HALVES else x
    for axis, n in zip(dims, sizes, strict=True):
        x = resized(x, axis, n // 2 + 1 if axis == dims[-1] else n)
    found = FromHalf.apply(x, tuple(sizes), dims)
    scale = scale_of(norm, math.prod(sizes), backward, what)
    return cast(found if scale == 1.0 else found * scale, kind)


@refuse_out
def irfft(input: Any, n: Any = None, dim: int = -1, norm: Any = None) -> Tensor:
    """Return the real sequence of n items, by default 2 (m - 1), of a real half-spectrum of m.

    Args:
        norm: "backward" divides by n, "ortho" by its root, "forward" not at all.

    Raises:
        TensorIndexError: the axis is out of range.
        ValueError: n is below 1, or norm another.
    """
    return transform("fft.irfft", input, None if n is None else (n,), dim, norm, True)


@refuse_out
def irfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None) -> Tensor:
    """Return `irfftn` over two axes."""
    return transform("fft.irfft2", input, s, dim, norm, True)


@refuse_out
def irfftn(input: Any, s: Any = None, dim: Any = None, norm: Any = None) -> Tensor:
    """Return the real array of a real half-spectrum over axes; as `irfft`."""
    return transform("fft.irfftn", input, s, dim, norm, True)


@refuse_out
def hfft(input: Any, n: Any = None, dim: int = -1, norm: Any = None) -> Tensor:
    """Return the real spectrum of n items of a half-sequence; `irfft` without dividing.

    Args:
        norm: "backward" divides not at all, "ortho" by the root of n, "forward" by n.

    Raises:
        TensorIndexError: the axis is out of range.
        ValueError: n is below 1, or norm another.
    """
    return transform("fft.hfft", input, None if n is None else (n,), dim, norm, False)


@refuse_out
def hfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None) -> Tensor:
    """Return `hfftn` over two axes."""
    return transform("fft.hfft2", input, s, dim, norm, False)


@refuse_out
def hfftn(input: Any, s: Any = None, dim: Any = None, norm: Any = None) -> Tensor:
    """Return the real spectrum of a half-array over axes; as `hfft`."""
    return transform("fft.hfftn", input, s, dim, norm, False)


def shifted(what: str, x: Any, dim: Any, forward: bool) -> Any:
    """Return a tensor with the first item along axes moved to the middle, or back."""
    x = as_tensor(x)
    axes = range(x.ndim) if dim is None else [axis_of(k, x.ndim, what) for k in as_tuple(dim)]
    for axis in axes:
        half = x.shape[axis] // 2
        x = x.roll(half if forward else -half, axis)
    return x


def fftshift(input: Any, dim: Any = None) -> Tensor:
    """Return the frequencies along axes, by default all, with 0 in the middle."""
    return shifted("fft.fftshift", input, dim, True)


def ifftshift(input: Any, dim: Any = None) -> Tensor:
    """Return what `fftshift` was made of."""
    return shifted("fft.ifftshift", input, dim, False)


@refuse_out
def fftfreq(
    n: int, d: float = 1.0, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Return the frequencies of a transform of n items d apart: 0, 1, ... -2, -1 over n d."""
    n = as_int(n, "fft.fftfreq: n")
    if n < 1:
        raise ArgumentError(f"fft.fftfreq: n is 1 or more, not {n}")
    whole = ramp(n, 0, 1, "fft.fftfreq")
    whole = whole - n * whole.ge((n + 1) // 2).long()
    made = cast(whole.double() * (1 / (n * d)), floating(dtype, "fft.fftfreq"))
    return finish(made, requires_grad, device)


@refuse_out
def rfftfreq(
    n: int, d: float = 1.0, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Return the frequencies of a half-spectrum of n items d apart: 0, 1, ... over n d."""
    n = as_int(n, "fft.rfftfreq: n")
    if n < 1:
        raise ArgumentError(f"fft.rfftfreq: n is 1 or more, not {n}")
    made = ramp(n // 2 + 1, 0, 1, "fft.rfftfreq").double() * (1 / (n * d))
    return finish(cast(made, floating(dtype, "fft.rfftfreq")), requires_grad, device)
