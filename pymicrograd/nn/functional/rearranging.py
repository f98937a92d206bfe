"""Elements in other places: windows as columns and back, channels as pixels and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...errors import ArgumentError, ShapeError
from .arguments import tensor_of
from .spatial import (
    batched,
    not_negative,
    per_axis,
    positive,
    span,
    sum_windows,
    surround,
    windows,
)

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["channel_shuffle", "fold", "pixel_shuffle", "pixel_unshuffle", "unfold"]


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Return the windows of images as columns.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size, dilation, padding, stride: of the windows, as in `conv2d`.

    Returns:
        (N, C * kernel rows * kernel columns, windows), without N where the input has none.

    Raises:
        ShapeError: the input has other axes, or a window does not fit.
        ValueError: a size is out of range.
    """
    kernel = positive(kernel_size, 2, "unfold", "kernel_size")
    steps = positive(stride, 2, "unfold", "stride")
    gaps = positive(dilation, 2, "unfold", "dilation")
    around = [(n, n) for n in not_negative(padding, 2, "unfold", "padding")]
    x = batched("unfold", input, 2)
    seen = windows("unfold", surround(x, around), kernel, steps, gaps)
    columns = seen.permute(0, 1, 4, 5, 2, 3).flatten(4).flatten(1, 3)
    return columns if input.ndim == 4 else columns.squeeze(0)


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """Return images: columns, as `unfold` returns them, added up where their windows lie.

    Args:
        input: (N, C * kernel rows * kernel columns, windows), or the same without N.
        output_size: H and W.
        kernel_size, dilation, padding, stride: of the windows, as in `conv2d`.

    Returns:
        (N, C, H, W), or without N.

    Raises:
        ShapeError: the input has other axes, or other sizes than such windows make.
        ValueError: a size is out of range.
    """
    sizes = positive(output_size, 2, "fold", "output_size")
    kernel = positive(kernel_size, 2, "fold", "kernel_size")
    steps = positive(stride, 2, "fold", "stride")
    gaps = positive(dilation, 2, "fold", "dilation")
    around = not_negative(padding, 2, "fold", "padding")
    if tensor_of("fold", input).ndim not in (2, 3):
        raise ShapeError(f"fold: an input is (N, C * kernel, windows), not {input.shape}")
    x = input if input.ndim == 3 else input.unsqueeze(0)
    count, channels, places = x.shape
    padded = tuple(n + 2 * p for n, p in zip(sizes, around, strict=True))
    counts = [
        (n - span(k, d)) // step + 1
        for n, k, d, step in zip(padded, kernel, gaps, steps, strict=True)
    ]
    if channels % math.prod(kernel) or min(counts) < 1 or math.prod(counts) != places:
        raise ShapeError(
            f"fold: an input of shape {input.shape} is not of {counts[0]} x {counts[1]} windows "
            f"of {kernel[0]} x {kernel[1]} elements"
        )
    seen = x.reshape(count, channels // math.prod(kernel), *kernel, *counts)
    found = sum_windows(seen.permute(0, 1, 4, 5, 2, 3), padded, steps, gaps)
    for axis, (n, p) in enumerate(zip(sizes, around, strict=True), 2):
        found = found.narrow(axis, p, n) if p else found
    return found if input.ndim == 3 else found.squeeze(0)


def factor_of(call: str, x: Any, what: str) -> int:
    """Return a number of pixels or groups, which is above 0."""
    found = per_axis(x, 1, call, what)[0]
    if found < 1:
        raise ArgumentError(f"{call}: {what} {x!r} is not above 0")
    return found


def images_of(call: str, input: Any) -> Any:
    """Return an input (..., C, H, W), or refuse it."""
    x = tensor_of(call, input)
    if x.ndim < 3:
        raise ShapeError(f"{call}: an input is (..., C, H, W), not {x.shape}")
    return x


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Return images whose pixels r * r channels have become (arXiv:1609.05158).

    Args:
        input: (..., C * r * r, H, W); upscale_factor: r.

    Returns:
        (..., C, H * r, W * r).

    Raises:
        ShapeError: the input has other axes, or r * r does not divide its channels.
    """
    x, r = images_of("pixel_shuffle", input), factor_of("pixel_shuffle", upscale_factor, "factor")
    *lead, channels, rows, columns = x.shape
    if channels % (r * r):
        raise ShapeError(f"pixel_shuffle: {r} * {r} does not divide {channels} channels")
    x = x.reshape(*lead, channels // (r * r), r, r, rows, columns)
    n = len(lead)
    x = x.permute(*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return x.reshape(*lead, channels // (r * r), rows * r, columns * r)  # type: ignore[no-any-return]


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Return images whose channels r * r pixels have become, the inverse of `pixel_shuffle`.

    Args:
        input: (..., C, H * r, W * r); downscale_factor: r.

    Returns:
        (..., C * r * r, H, W).

    Raises:
        ShapeError: the input has other axes, or r does not divide rows or columns.
    """
    call = "pixel_unshuffle"
    x, r = images_of(call, input), factor_of(call, downscale_factor, "factor")
    *lead, channels, rows, columns = x.shape
    if rows % r or columns % r:
        raise ShapeError(f"{call}: {r} does not divide {rows} rows and {columns} columns")
    x = x.reshape(*lead, channels, rows // r, r, columns // r, r)
    n = len(lead)
    x = x.permute(*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return x.reshape(*lead, channels * r * r, rows // r, columns // r)  # type: ignore[no-any-return]


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Return an input whose channels are taken from each group in turn (arXiv:1707.01083).

    Args:
        input: (N, C, ...); groups: into how many the channels are cut.

    Raises:
        ShapeError: there are no channels, or groups do not divide them.
    """
    x, parts = tensor_of("channel_shuffle", input), factor_of("channel_shuffle", groups, "groups")
    if x.ndim < 3:
        raise ShapeError(f"channel_shuffle: an input is (N, C, ...), not {x.shape}")
    if x.shape[1] % parts:
        raise ShapeError(f"channel_shuffle: {parts} groups do not divide {x.shape[1]} channels")
    return x.unflatten(1, (parts, x.shape[1] // parts)).transpose(1, 2).flatten(1, 2)
