"""Convolutions and their transposes, along 1, 2 or 3 axes.

A convolution is a product: windows of the padded input become columns, those of one image at a
time, each element the sum over channel and place in the kernel, in row-major order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...errors import ArgumentError, DTypeError, ShapeError
from ...tensors.dtypes import COMPUTED
from ...tensors.ops import OPS, apply
from .arguments import tensor_of
from .spatial import (
    STEPS,
    WITHIN,
    Around,
    Sizes,
    as_given,
    batched,
    check_windows,
    not_negative,
    positive,
    span,
    sum_windows,
    surround,
)

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip


CONVOLVE = OPS["convolve"]


def paddings(call: str, padding: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Around:
    """Return how much is padded before and after each axis."""
    if padding == "valid":
        return ()
    if padding == "same":
        if max(stride) > 1:
            raise ArgumentError(f"{call}: padding 'same' is for stride 1")
        totals = [span(k, d) - 1 for k, d in zip(kernel, dilation, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(padding, str):
        raise ArgumentError(f"{call}: padding {padding!r} is not 'same', 'valid' or numbers")
    sizes = not_negative(padding, len(kernel), call, "padding")
    return [(n, n) for n in sizes] if any(sizes) else ()


def check(call: str, x: Any, weight: Any, bias: Any, groups: int, transposed: bool) -> None:
    """Refuse weights that do not go with the channels of x, or with its type."""
    if tensor_of(call, weight, "weight").ndim != x.ndim:
        raise ShapeError(f"{call}: a weight has {x.ndim} axes, not shape {weight.shape}")
    if groups < 1 or x.shape[1] % groups or weight.shape[0] % groups:
        raise ShapeError(
            f"{call}: {groups} groups do not divide {x.shape[1]} channels of the input and "
            f"{weight.shape[0]} of the weight"
        )
    expected = weight.shape[0] if transposed else weight.shape[1] * groups
    if x.shape[1] != expected:
        raise ShapeError(
            f"{call}: an input of shape {x.shape} and a weight of shape {weight.shape} do not "
            f"fit: {x.shape[1]} channels != {expected}"
        )
    for other, what in ((weight, "weight"), (bias, "bias")):
        if other is not None and tensor_of(call, other, what).dtype is not x.dtype:
            raise DTypeError(
                f"{call}: the {what} is of {other.dtype.name}, the input of {x.dtype.name}"
            )
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None and bias.shape != (outputs,):
        raise ShapeError(f"{call}: a bias has shape {bias.shape}, not ({outputs},)")


def finish(result: Any, bias: Any, input: Any, s: int) -> Tensor:
    """Add a bias to each channel; take the batch of one away again."""
    if bias is not None:
        result = result + bias.reshape(-1, *(1,) * s)
    return as_given(result, input, s)


def convolve(
    call: str,
    s: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    """Return the products of kernels with all windows along s axes."""
    stride = positive(stride, s, call, "stride")
    dilation = positive(dilation, s, call, "dilation")
    x = batched(call, input, s)
    check(call, x, weight, bias, groups, False)
    outputs, channels, *kernel = weight.shape
    x = surround(x, paddings(call, padding, kernel, stride, dilation))
    check_windows(call, x, kernel, dilation)
    kernels = weight.reshape(groups, outputs // groups, channels * math.prod(kernel))
    operands: tuple[Any, ...] = (kernels, x)
    if bias is not None and x.dtype in COMPUTED:
        operands, bias = (kernels, x, bias), None
    made = apply(CONVOLVE, operands, (s, *kernel, *stride, *dilation))
    return finish(made, bias, input, s)


def conv1d(
    input: Tensor,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Return the products of kernels (O, C / groups, kernel) with all windows of rows.

    Args:
        input: (N, C, L) or (C, L); the others as for `conv2d`.

    Returns:
        (N, O, windows); windows = (L + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1.

    Raises:
        ShapeError, ValueError: as `conv2d`.
    """
    return convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Return the products of kernels with all windows of images.

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
    return convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Return the products of kernels (O, C / groups, k, k, k) with all windows of volumes.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W); the others as for `conv2d`.

    Raises:
        ShapeError, ValueError: as `conv2d`.
    """
    return convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def spread(
    call: str,
    s: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    """Return sums of kernels times the elements of the input, each where its window lay."""
    stride = positive(stride, s, call, "stride")
    dilation = positive(dilation, s, call, "dilation")
    cut = not_negative(padding, s, call, "padding")
    extra = not_negative(output_padding, s, call, "output_padding")
    for n, step, d in zip(extra, stride, dilation, strict=True):
        if n >= max(step, d):
            raise ArgumentError(
                f"{call}: output_padding {n} is not below stride {step} or dilation {d}"
            )
    x = batched(call, input, s)
    check(call, x, weight, bias, groups, True)
    result = add_kernels(x, weight, stride, dilation, extra, groups)
    for axis, c in enumerate(cut, 2):
        size = result.shape[axis]
        if size - 2 * c < 1:
            raise ShapeError(f"{call}: padding {c} leaves nothing of {size}")
        result = result.narrow(axis, c, size - 2 * c) if c else result
    return finish(result, bias, input, s)


def add_kernels(
    x: Any, weight: Any, stride: Sizes, dilation: Sizes, extra: Sizes, groups: int
) -> Tensor:
    """Return the sums of kernels, with some zeros behind them."""
    count, channels, *sizes = x.shape
    outputs, *kernel = weight.shape[1:]
    s = len(sizes)
    kernels = weight.reshape(groups, channels // groups, outputs * math.prod(kernel)).mT
    made = kernels @ x.reshape(count, groups, channels // groups, math.prod(sizes))
    made = made.reshape(count, groups * outputs, *kernel, *sizes).permute(
        0, 1, *WITHIN[s], *STEPS[s]
    )
    reach = tuple(
        (n - 1) * step + span(k, d) + more
        for n, step, k, d, more in zip(sizes, stride, kernel, dilation, extra, strict=True)
    )
    return sum_windows(made, reach, stride, dilation)


def conv_transpose1d(
    input: Tensor,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Return what conv1d's gradient is by its input: kernels added up where windows lay.

    Args:
        input: (N, C, L) or (C, L); weight: (C, O / groups, kernel); the others as for
            `conv_transpose2d`.

    Raises:
        ShapeError, ValueError: as `conv_transpose2d`.
    """
    name = "conv_transpose1d"
    return spread(name, 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


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
        ValueError: a stride, dilation, padding or output_padding is out of range.
    """
    name = "conv_transpose2d"
    return spread(name, 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Return what conv3d's gradient is by its input: kernels added up where windows lay.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W); weight: (C, O / groups, k, k, k); the others as
            for `conv_transpose2d`.

    Raises:
        ShapeError, ValueError: as `conv_transpose2d`.
    """
    name = "conv_transpose3d"
    return spread(name, 3, input, weight, bias, stride, padding, output_padding, groups, dilation)
