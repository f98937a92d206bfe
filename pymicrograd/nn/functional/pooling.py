"""Pooling: the windows of an input, along 1, 2 or 3 axes, reduced to one element each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..._core import require
from ...errors import ArgumentError, ShapeError, TensorIndexError
from ...tensors.creation import arange, zeros
from ...tensors.interchange import tensor
from ...tensors.ops import OPS, apply, cast
from .arguments import tensor_of
from .spatial import (
    STEPS,
    WITHIN,
    Around,
    Sizes,
    as_given,
    batched,
    not_negative,
    per_axis,
    positive,
    span,
    surround,
    widened,
    windows,
)

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip


def backwards(x: Tensor) -> Tensor:
    """Return the view (N, C, n) with the last axis, which is not empty, from its end."""
    shape = x.shape
    return apply(OPS["slice"], (x,), (0, 0, shape[2] - 1, 1, 1, -1, *shape))


def over(windows: Any, s: int) -> Tensor:
    """Return windows (N, C, steps..., size...) as (N, C, size..., steps...), a view.

    So the reduction of a window goes along the steps, which lie side by side.
    """
    return apply(OPS["permute"], (windows,), (0, 1, *WITHIN[s], *STEPS[s]))


class Pool:
    """Where the windows of a pooling lie.

    Attributes:
        call: the function, for errors; sizes: those of the input's axes.
        kernel, stride, dilation, padding: for each axis.
        around: what is padded before and after, with what ceil_mode adds at the end.
    """

    def __init__(
        self, call: str, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
    ) -> None:
        s = x.ndim - 2
        self.call, self.sizes = call, x.shape[2:]
        self.kernel = positive(kernel, s, call, "kernel_size")
        self.stride = stride_of(call, stride, self.kernel)
        self.dilation = positive(dilation, s, call, "dilation")
        self.padding = not_negative(padding, s, call, "padding")
        self.around: Around = ()
        if not ceil and not any(self.padding):
            return
        spans = map(span, self.kernel, self.dilation)
        if any(2 * p > reach for p, reach in zip(self.padding, spans, strict=True)):
            raise ArgumentError(f"{call}: padding {padding} is more than half of the kernel")
        self.around = [(p, p + self.missing(i, ceil)) for i, p in enumerate(self.padding)]

    def missing(self, i: int, ceil: bool) -> int:
        """Return what the last window of ceil_mode, which starts inside, lacks."""
        size, padding, stride = self.sizes[i], self.padding[i], self.stride[i]
        rest = size + 2 * padding - span(self.kernel[i], self.dilation[i])
        start = -(-rest // stride) * stride
        return start - rest if ceil and 0 <= start < size + padding else 0

    def windows(self, x: Any, value: float) -> Tensor:
        """Return the windows (N, C, steps..., size...) of an input padded with a value."""
        padded = surround(x, self.around, value)
        return windows(self.call, padded, self.kernel, self.stride, self.dilation)

    def largest(self, x: Any) -> Tensor:
        """Return the first largest element of each window of an input, which gather reads.

        Windows that overlap are read from the last to the first: so the gradients of an element
        are added in the order of its place in the window, as `fold` adds.
        """
        self.windows(x, -math.inf)  # refuses windows that do not fit
        x = surround(x, self.around, -math.inf)
        how = (len(self.kernel), *self.kernel, *self.stride, *self.dilation)
        at = apply(OPS["argmax_window"], (x,), how)
        shape, planes = at.shape, x.shape[:2]
        flat = apply(OPS["reshape"], (x,), (*planes, math.prod(x.shape[2:])))
        at = apply(OPS["reshape"], (at,), (*planes, math.prod(shape[2:])))
        spans = zip(self.kernel, self.stride, self.dilation, strict=True)
        overlap = any(step < span(k, d) for k, step, d in spans)
        found = apply(OPS["gather"], (flat, backwards(at) if overlap else at), (2,))
        if overlap:
            found = apply(OPS["contiguous"], (backwards(found),))
        return apply(OPS["reshape"], (found,), shape)

    def places(self, chosen: Any) -> Tensor:
        """Return where in the input the chosen elements (N, C, steps..., 1) lie, in one number.

        Of a window of nothing above -infinity that is the first of its elements in the input.
        """
        count, s = math.prod(self.sizes), len(self.sizes)
        plane = arange(count).reshape(1, 1, *self.sizes)
        numbers = self.windows(plane, float(count)).flatten(2 + s)
        first = numbers.amin(-1, keepdim=True)
        numbers, first = (y.expand(*chosen.shape[:-1], -1) for y in (numbers, first))
        found = numbers.gather(-1, chosen)
        return found.where(found < count, first).squeeze(-1)

    def divisor(self, x: Any, include_pad: bool) -> Any:
        """Return how many elements of windows lie in the input, or in its padding too."""
        if not self.around:
            return math.prod(self.kernel)
        found: Any = 1
        for i, (size, p) in enumerate(zip(self.sizes, self.padding, strict=True)):
            low, high = (-p, size + p) if include_pad else (0, size)
            end = size + sum(self.around[i]) - p - self.kernel[i] + 1
            starts = range(-p, end, self.stride[i])
            counts = [min(n + self.kernel[i], high) - max(n, low) for n in starts]
            behind = (1,) * (len(self.sizes) - 1 - i)
            found = tensor(counts, dtype=x.dtype).reshape(-1, *behind) * found
        return found


def stride_of(call: str, stride: Any, kernel: Sizes) -> Sizes:
    """Return a stride, which by default is the kernel's size."""
    absent = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    return kernel if absent else positive(stride, len(kernel), call, "stride")


# ---- the largest -----------------------------------------------------------------------------


def max_pool(
    call: str,
    s: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    """Return the largest element of each window and, if asked, where it lies."""
    x = batched(call, input, s)
    if not x.shape[1]:
        raise ShapeError(f"{call}: an input has a channel or more, not shape {input.shape}")
    pool = Pool(call, x, kernel_size, stride, padding, dilation, ceil_mode)
    if return_indices:
        seen = pool.windows(x, -math.inf).flatten(2 + s)
        chosen = apply(OPS["argmax"], (seen,), (2 + s, 1))
        found = as_given(seen.gather(-1, chosen).squeeze(-1), input, s)
        return found, as_given(pool.places(chosen), input, s)
    if x.requires_grad:
        return as_given(pool.largest(x), input, s)
    seen = over(pool.windows(x, -math.inf), s)
    return as_given(seen.amax(STEPS[s]), input, s)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of rows (N, C, L) or (C, L).

    The others as for `max_pool2d`.
    """
    options = kernel_size, stride, padding, dilation, ceil_mode, return_indices
    return max_pool("max_pool1d", 1, input, *options)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window; the first of equals has the gradient.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: of a window; stride: by default, or (), the same; dilation: as in `conv2d`.
        padding: how much around counts as -infinity, at most half of the kernel.
        ceil_mode: let a last window reach over the edge.
        return_indices: return also where each was found, row * W + column, as int64.

    Returns:
        (N, C, rows, columns), rows = (H + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1;
        without N where the input has none. With return_indices a pair of these.

    Raises:
        ShapeError: the input has other axes, or a window does not fit.
        ValueError: a size is not above 0, or padding more than half of the kernel.
    """
    options = kernel_size, stride, padding, dilation, ceil_mode, return_indices
    return max_pool("max_pool2d", 2, input, *options)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of volumes (N, C, D, H, W) or (C, D, H, W).

    The others as for `max_pool2d`.
    """
    options = kernel_size, stride, padding, dilation, ceil_mode, return_indices
    return max_pool("max_pool3d", 3, input, *options)


# ---- elements back where they were the largest -----------------------------------------------


def unpooled_sizes(
    call: str, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, asked: Any
) -> Sizes:
    """Return the sizes of what was pooled: by default the least there can be."""
    s = len(kernel)
    least = tuple(
        (n - 1) * step + k - 2 * p
        for n, step, k, p in zip(x.shape[-s:], stride, kernel, padding, strict=True)
    )
    if asked is None:
        return least
    sizes = tuple(asked)[2:] if len(asked) == s + 2 else tuple(asked)
    if len(sizes) != s:
        raise ArgumentError(f"{call}: output_size has {s} or {s + 2} sizes, not {tuple(asked)}")
    for n, base, step in zip(sizes, least, stride, strict=True):
        if abs(n - base) >= step:
            raise ArgumentError(
                f"{call}: output_size {n} is not between {base - step} and {base + step}"
            )
    return sizes


def unpool(
    call: str,
    s: int,
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Tensor:
    """Return zeros, but for the elements of the input, where their indices say."""
    kernel = positive(kernel_size, s, call, "kernel_size")
    stride = stride_of(call, stride, kernel)
    x = batched(call, input, s)
    places = tensor_of(call, indices, "indices")
    if places.shape != input.shape:
        raise ShapeError(
            f"{call}: indices of shape {places.shape} for an input of shape {input.shape}"
        )
    sizes = unpooled_sizes(
        call, x, kernel, stride, per_axis(padding, s, call, "padding"), output_size
    )
    planes, count = math.prod(x.shape[:2]), math.prod(sizes)
    text = f"{call}: an index is not among the {count} elements of {sizes}"
    require(places.ge(0).logical_and(places.lt(count)), TensorIndexError, text)
    index = places.reshape(planes, math.prod(x.shape[2:])) + arange(planes).unsqueeze(1) * count
    blank = zeros(planes * count, dtype=x.dtype)
    found = apply(OPS["put_at"], (blank, index.flatten(), x.flatten()))
    return as_given(found.reshape(*x.shape[:2], *sizes), input, s)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Return rows (N, C, L) whose largest elements are given; arguments as for `max_unpool2d`."""
    return unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Return images of zeros, but for the largest element of each window.

    Args:
        input, indices: what `max_pool2d` returned; of equal indices the last stays.
        kernel_size, stride, padding: what it was called with.
        output_size: the sizes of its input; by default the least that they can have been.

    Returns:
        (N, C, H, W) or (C, H, W), H = (rows - 1) * stride - 2 * padding + kernel by default.

    Raises:
        ShapeError: shapes differ; IndexError: an index lies outside.
        ValueError: output_size is not within a stride of the default.
    """
    return unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Return volumes whose largest elements are given; arguments as for `max_unpool2d`."""
    return unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


# ---- means -----------------------------------------------------------------------------------


def avg_pool(
    call: str,
    s: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Tensor:
    """Return the mean of each window."""
    x = batched(call, input, s)
    pool = Pool(call, x, kernel_size, stride, padding, 1, ceil_mode)
    wide = widened(x)
    sums = over(pool.windows(wide, 0.0), s).sum(STEPS[s])
    if divisor_override == 0:
        raise ArgumentError(f"{call}: divisor_override is not 0")
    divisor = divisor_override or pool.divisor(wide, count_include_pad)
    means = (
        sums / divisor if x.dtype.is_floating_point else sums.div(divisor, rounding_mode="trunc")
    )
    return as_given(cast(means, x.dtype), input, s)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window of rows (N, C, L) or (C, L); the others as `avg_pool2d`."""
    options = kernel_size, stride, padding, ceil_mode, count_include_pad, None
    return avg_pool("avg_pool1d", 1, input, *options)


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window; of integers it is cut towards 0.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: of a window; stride: by default, or (), the same.
        padding: zeros around, at most half of the kernel.
        ceil_mode: let a last window reach over the edge; what lies beyond does not count.
        count_include_pad: divide by all elements, the padded ones too.
        divisor_override: divide by this instead.

    Returns:
        (N, C, rows, columns), rows = (H + 2 * padding - kernel) // stride + 1; without N where the
        input has none.

    Raises:
        ShapeError: the input has other axes, or a window does not fit.
        ValueError: a size is not above 0, or padding more than half of the kernel.
    """
    options = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    return avg_pool("avg_pool2d", 2, input, *options)


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window of volumes (N, C, D, H, W); the others as `avg_pool2d`."""
    options = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    return avg_pool("avg_pool3d", 3, input, *options)


# ---- norms -----------------------------------------------------------------------------------


def lp_pool(
    call: str, s: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil: bool
) -> Tensor:
    """Return (sum of x**p)**(1 / p) of each window, by its mean times the kernel's size."""
    x = tensor_of(call, input)
    if math.isinf(norm_type):
        sign = math.copysign(1.0, norm_type)
        largest = max_pool(call, s, x.abs() * sign, kernel_size, stride, 0, 1, ceil, False)
        return largest * sign  # type: ignore[no-any-return]
    means = avg_pool(call, s, x**norm_type, kernel_size, stride, 0, ceil, True, None)
    count = math.prod(positive(kernel_size, s, call, "kernel_size"))
    sums = means * count
    return sums.where(sums != 0.0, 0.0) ** (1.0 / norm_type)  # where they are 0: no gradient


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Return the norm of each window of rows (N, C, L) or (C, L); the others as `lp_pool2d`."""
    return lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Return (sum of x**p)**(1 / p) of each window; where the sum is 0 the gradient is too.

    Args:
        input: (N, C, H, W) or (C, H, W).
        norm_type: p; infinity for the largest absolute value.
        kernel_size: of a window; stride: by default the same.
        ceil_mode: let a last window reach over the edge: the mean of its elements that are there
            counts for those that are not.
    """
    return lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Return the norm of each window of volumes (N, C, D, H, W); the others as `lp_pool2d`."""
    return lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)
