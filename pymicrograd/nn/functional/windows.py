"""Convolutions and pooling of Tensors.

A convolution is a product: windows of the padded input become columns, each element the sum over
channel, kernel row, kernel column, in this order. Pooling reduces the same windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import ArgumentError, DTypeError, ShapeError
from ...tensors.arguments import as_ints
from ...tensors.creation import arange, ones
from ...tensors.dtypes import float16, float32
from ...tensors.ops import OPS, apply, cast
from .arguments import pair, positive, tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["avg_pool2d", "conv2d", "conv_transpose2d", "max_pool1d", "max_pool2d", "pad"]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Tensor:
    """Return the tensor with more items around it.

    Args:
        input: a Tensor.
        pad: how many items before and after the last axis, then the one before it, and so on;
            fewer than 0 cut off. Of shape (2, 3) pad (1, 0) gives (2, 4).
        mode: "constant" for a number; "reflect" for the items behind the edge, mirrored in it;
            "replicate" for the item at the edge; "circular" for those at the other end.
        value: the number of "constant", by default 0.

    Raises:
        ShapeError: pad does not go with the axes, cuts off more than there is, or reaches beyond
            the items that are mirrored or repeated.
        ValueError: mode is another, or has no value.
    """
    return tensor_of("pad", input).pad(pad, mode, value)


def in_a_row(beside: int, x: Any, what: str) -> tuple[int, int]:
    """Return the number of the one axis of rows, behind that of the axis of size 1 beside it."""
    items = as_ints((x,), what)
    if len(items) != 1:
        raise ArgumentError(f"{what}: {x!r} is no number; there is one axis")
    return beside, items[0]


def batched(input: Tensor, name: str) -> Tensor:
    """Return images (N, C, H, W); an image (C, H, W) as a batch of one."""
    if tensor_of(name, input).ndim not in (3, 4):
        raise ShapeError(f"{name}: an input is (N, C, H, W) or (C, H, W), not {input.shape}")
    return input if input.ndim == 4 else input.unsqueeze(0)


def check_windows(x: Tensor, size: Any, dilation: Any, name: str) -> None:
    """Refuse windows that do not fit into images."""
    for n, k, d in zip(x.shape[2:], size, dilation, strict=True):
        if n < d * (k - 1) + 1:
            raise ShapeError(
                f"{name}: a window of {d * (k - 1) + 1} does not fit into {n} (padded) elements"
            )


def windows(x: Tensor, size: Any, stride: Any, dilation: Any, name: str) -> Tensor:
    """Return the view (N, C, rows, columns, size...) of all windows of images."""
    check_windows(x, size, dilation, name)
    return apply(OPS["window"], (x,), (2, *size, *stride, *dilation))


def paddings(padding: Any, kernel: Any, stride: Any, dilation: Any) -> list[tuple[int, int]]:
    """Return how much is padded before and after each of two axes."""
    if padding == "valid":
        return [(0, 0), (0, 0)]
    if padding == "same":
        if max(stride) > 1:
            raise ArgumentError("conv2d: padding 'same' is for stride 1")
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(padding, str):
        raise ArgumentError(f"conv2d: padding {padding!r} is not 'same', 'valid' or numbers")
    sizes = pair(padding, "conv2d: padding")
    if min(sizes) < 0:
        raise ArgumentError(f"conv2d: padding {padding!r} is below 0")
    return [(n, n) for n in sizes]


def surround(x: Tensor, around: list[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Return images padded before and after their two axes."""
    (top, bottom), (left, right) = around
    return x.pad((left, right, top, bottom), value=value) if any((*around[0], *around[1])) else x


def check_convolution(name: str, x: Any, weight: Any, bias: Any, groups: int, axis: int) -> None:
    """Refuse weights that do not go with the channels; those of the input are axis `axis`."""
    if tensor_of(name, weight, "weight").ndim != 4:
        raise ShapeError(f"{name}: a weight has 4 axes, not shape {weight.shape}")
    if groups < 1 or x.shape[1] % groups or weight.shape[0] % groups:
        raise ShapeError(
            f"{name}: {groups} groups do not divide {x.shape[1]} channels of the input and "
            f"{weight.shape[0]} of the weight"
        )
    expected = weight.shape[1] * groups if axis else weight.shape[0]
    if x.shape[1] != expected:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} and a weight of shape {weight.shape} do not "
            f"fit: {x.shape[1]} channels != {expected}"
        )
    outputs = weight.shape[0] if axis else weight.shape[1] * groups
    for other, what in ((weight, "weight"), (bias, "bias")):
        if other is not None and tensor_of(name, other, what).dtype is not x.dtype:
            raise DTypeError(
                f"{name}: the {what} is of {other.dtype.name}, the input of {x.dtype.name}"
            )
    if bias is not None and bias.shape != (outputs,):
        raise ShapeError(f"{name}: a bias has shape {bias.shape}, not ({outputs},)")


def finish(result: Tensor, bias: Any, input: Any) -> Tensor:
    """Add a bias to each channel; take the batch of one away again."""
    if bias is not None:
        result = result + bias.reshape(-1, 1, 1)
    return result if input.ndim == 4 else result.squeeze(0)


def conv2d(
    input: Tensor,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Return the products of a kernel with all windows of images.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (O, C / groups, kernel rows, kernel columns); bias: (O) or None.
        stride, dilation: a number, or one for each axis.
        padding: zeros around: a number, one for each axis, "valid" for none, or "same".
        groups: into how many parts the channels are cut, each with kernels of its own.

    Returns:
        (N, O, rows, columns), rows = (H + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1.

    Raises:
        ShapeError: weight or bias does not fit the channels, or a window not into the image.
        ValueError: a stride, dilation or padding is out of range, or padding an unknown name.
    """
    stride, dilation = positive(stride, "conv2d: stride"), positive(dilation, "conv2d: dilation")
    x = batched(input, "conv2d")
    check_convolution("conv2d", x, weight, bias, groups, 1)
    outputs, channels, *kernel = weight.shape
    x = surround(x, paddings(padding, kernel, stride, dilation))
    seen = windows(x, kernel, stride, dilation, "conv2d")
    count, _, rows, columns = seen.shape[:4]
    length = channels * kernel[0] * kernel[1]
    seen = seen.permute(0, 1, 4, 5, 2, 3).reshape(count, groups, length, rows * columns)
    kernels = weight.reshape(groups, outputs // groups, length)
    result = (kernels @ seen).reshape(count, outputs, rows, columns)
    return finish(result, bias, input)


def conv_transpose2d(
    input: Tensor,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Return what conv2d's gradient is by its input: kernels added up where windows lay.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (C, O / groups, kernel rows, kernel columns); bias: (O) or None.
        stride, dilation, groups: as in `conv2d`.
        padding: how much is cut off around the result; output_padding: rows and columns of
            zeros behind it, fewer than stride or dilation.

    Returns:
        (N, O, rows, columns), rows = (H - 1) * stride - 2 * padding + dilation * (kernel - 1) +
        output_padding + 1.

    Raises:
        ShapeError: weight or bias does not fit the channels, or padding leaves nothing.
        ValueError: a stride, dilation or output_padding is out of range.
    """
    name = "conv_transpose2d"
    stride, dilation = positive(stride, f"{name}: stride"), positive(dilation, f"{name}: dilation")
    cut, extra = pair(padding, f"{name}: padding"), pair(output_padding, f"{name}: output_padding")
    x = batched(input, name)
    check_convolution(name, x, weight, bias, groups, 0)
    for n, s, d in zip(extra, stride, dilation, strict=True):
        if not 0 <= n < max(s, d):
            raise ArgumentError(
                f"{name}: output_padding {n} is not below stride {s} or dilation {d}"
            )
    result = surround(add_kernels(x, weight, stride, dilation, groups), [(0, n) for n in extra])
    for axis, c in enumerate(cut, 2):
        size = result.shape[axis]
        if size - 2 * c < 1 or c < 0:
            raise ShapeError(f"{name}: padding {c} leaves nothing of {size}")
        result = result.narrow(axis, c, size - 2 * c)
    return finish(result, bias, input)


def add_kernels(x: Any, weight: Any, stride: Any, dilation: Any, groups: int) -> Tensor:
    """Return the sums of kernels times the elements of images, each where its window lay."""
    count, channels, *sizes = x.shape
    outputs, *kernel = weight.shape[1:]
    kernels = weight.reshape(groups, channels // groups, -1).mT
    spread = kernels @ x.reshape(count, groups, channels // groups, math.prod(sizes))
    spread = spread.reshape(count, groups * outputs, *kernel, *sizes).permute(0, 1, 4, 5, 2, 3)
    reach = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, d, k in zip(sizes, stride, dilation, kernel, strict=True)
    ]
    return apply(OPS["fold"], (spread,), (2, *reach, *stride, *dilation))


def backwards(x: Tensor) -> Tensor:
    """Return the view (N, C, n) with the last axis, which is not empty, from its end."""
    shape = x.shape
    return apply(OPS["slice"], (x,), (0, 0, shape[2] - 1, 1, 1, -1, *shape))


class Pool:
    """Where the windows of a pooling lie.

    Attributes:
        kernel, stride, dilation, padding: for each of two axes.
        around: what is padded before and after, with what ceil_mode adds at the end.
    """

    def __init__(
        self, name: str, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
    ) -> None:
        self.kernel = positive(kernel, f"{name}: kernel_size")
        by_default = stride is None or stride == ()
        self.stride = self.kernel if by_default else positive(stride, f"{name}: stride")
        self.dilation = positive(dilation, f"{name}: dilation")
        self.padding = pair(padding, f"{name}: padding")
        if any(not 0 <= p <= k // 2 for p, k in zip(self.padding, self.kernel, strict=True)):
            raise ArgumentError(f"{name}: padding {padding} is not from 0 to half of the kernel")
        self.around = [
            (p, p + self.missing(i, x.shape[2 + i], ceil)) for i, p in enumerate(self.padding)
        ]

    def missing(self, i: int, size: int, ceil: bool) -> int:
        """Return what the last window of ceil_mode, which starts inside, lacks."""
        span = self.dilation[i] * (self.kernel[i] - 1) + 1
        rest = size + 2 * self.padding[i] - span
        start = -(-rest // self.stride[i]) * self.stride[i]
        return start - rest if ceil and 0 <= start < size + self.padding[i] else 0

    def windows(self, x: Any, name: str, value: float) -> Tensor:
        """Return the windows of images padded with a value."""
        padded = surround(x, self.around, value)
        return windows(padded, self.kernel, self.stride, self.dilation, name)

    def places(self, x: Any, chosen: Any, name: str) -> Tensor:
        """Return where in the image the chosen elements (N, C, rows, columns, 1) lie.

        Of a window of nothing above -infinity that is the first of its elements in the image.
        """
        rows, columns = x.shape[2:]
        plane = arange(rows * columns).reshape(1, 1, rows, columns)
        numbers = self.windows(plane, name, float(rows * columns)).flatten(4)
        first = numbers.amin(4, keepdim=True)
        numbers, first = (y.expand(*chosen.shape[:4], -1) for y in (numbers, first))
        found = numbers.gather(4, chosen)
        return found.where(found < rows * columns, first).squeeze(4)

    def largest(self, x: Any, name: str) -> Tensor:
        """Return the first largest element of each window of images, which gather reads.

        Windows that overlap are read from the last to the first: so the gradients of an element
        are added in the order of its place in the window, as `fold` adds.
        """
        check_windows(x, self.kernel, self.dilation, name)
        how = (2, *self.kernel, *self.stride, *self.dilation)
        at = apply(OPS["argmax_window"], (x,), how)
        shape = at.shape
        count, channels, rows, columns = shape
        flat = apply(OPS["reshape"], (x,), (count, channels, x.shape[2] * x.shape[3]))
        at = apply(OPS["reshape"], (at,), (count, channels, rows * columns))
        spans = zip(self.kernel, self.stride, self.dilation, strict=True)
        overlap = any(s < d * (k - 1) + 1 for k, s, d in spans)
        found = apply(OPS["gather"], (flat, backwards(at) if overlap else at), (2,))
        if overlap:
            found = apply(OPS["contiguous"], (backwards(found),))
        return apply(OPS["reshape"], (found,), shape)

    def is_padded(self) -> bool:
        """Tell whether windows reach beyond the images."""
        return any(n for around in self.around for n in around)

    def counts(self, x: Any, include_pad: bool) -> Tensor:
        """Return how many elements of each window lie in the image, or in its padding too."""
        inside, around = ones(1, 1, *x.shape[2:], dtype=x.dtype), self.around
        if include_pad:
            inside = surround(inside, [(p, p) for p in self.padding], 1.0)
            around = [(0, after - p) for (_, after), p in zip(around, self.padding, strict=True)]
        padded = surround(inside, around)
        return windows(padded, self.kernel, self.stride, self.dilation, "avg_pool2d").sum((4, 5))


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of rows; as `max_pool2d` with one axis less.

    Args:
        input: (N, C, L) or (C, L).
        kernel_size, stride, padding, dilation, ceil_mode, return_indices: as in `max_pool2d`.

    Returns:
        (N, C, windows), windows = (L + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1.

    Raises:
        ShapeError: the input has other axes, or a window does not fit.
        ValueError: a size is not above 0, or padding more than half of the kernel.
    """
    name = "max_pool1d"
    x = tensor_of(name, input)
    if x.ndim not in (2, 3):
        raise ShapeError(f"{name}: an input is (N, C, L) or (C, L), not {x.shape}")
    images = x.unsqueeze(-2) if x.ndim == 3 else x.unsqueeze(-2).unsqueeze(0)
    pool = Pool(
        name,
        images,
        in_a_row(1, kernel_size, f"{name}: kernel_size"),
        None if stride is None or stride == () else in_a_row(1, stride, f"{name}: stride"),
        in_a_row(0, padding, f"{name}: padding"),
        in_a_row(1, dilation, f"{name}: dilation"),
        ceil_mode,
    )
    found = [y for y in largest(images, pool, name, return_indices) if y is not None]
    rows = [y.squeeze(-2) if x.ndim == 3 else y.squeeze(-2).squeeze(0) for y in found]
    return tuple(rows) if return_indices else rows[0]


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
        kernel_size: of a window; stride: by default the same; dilation: as in `conv2d`.
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
    x = batched(input, "max_pool2d")
    pool = Pool("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)
    found, where = largest(x, pool, "max_pool2d", return_indices)
    found = finish(found, None, input)
    return (found, finish(where, None, input)) if return_indices else found


def largest(x: Any, pool: Pool, name: str, asks: bool) -> tuple[Any, Any]:
    """Return the largest elements of windows and, if asked, where in the image they lie."""
    if asks:
        seen = pool.windows(x, name, -math.inf).flatten(4)
        chosen = apply(OPS["argmax"], (seen,), (4, 1))
        return seen.gather(4, chosen).squeeze(4), pool.places(x, chosen, name)
    x = surround(x, pool.around, -math.inf)
    if x.requires_grad:
        return pool.largest(x, name), None
    seen = windows(x, pool.kernel, pool.stride, pool.dilation, name)
    return apply(OPS["permute"], (seen,), (0, 1, 4, 5, 2, 3)).amax((2, 3)), None


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
    x = batched(input, "avg_pool2d")
    pool = Pool("avg_pool2d", x, kernel_size, stride, padding, 1, ceil_mode)
    wide = cast(x, float32) if x.dtype is float16 else x  # float16 ends at 65504
    seen = pool.windows(wide, "avg_pool2d", 0.0)
    sums = apply(OPS["permute"], (seen,), (0, 1, 4, 5, 2, 3)).sum((2, 3))
    divisor: Any = math.prod(pool.kernel)
    if divisor_override is not None:
        if divisor_override == 0:
            raise ArgumentError("avg_pool2d: divisor_override is not 0")
        divisor = divisor_override
    elif pool.is_padded():
        divisor = pool.counts(wide, count_include_pad)
    means = (
        sums / divisor if x.dtype.is_floating_point else sums.div(divisor, rounding_mode="trunc")
    )
    return finish(cast(means, x.dtype) if wide is not x else means, None, input)
