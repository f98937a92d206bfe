"""Pooling to a size: windows between places that the sizes before and after tell, or chance.

Window i of n elements pooled to m reaches from floor(i * n / m) to ceil((i + 1) * n / m); windows
of less than the largest's elements name their last one several times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import ArgumentError, DTypeError, ShapeError
from ...tensors.creation import arange, rand
from ...tensors.dtypes import int64
from ...tensors.interchange import tensor
from ...tensors.joining import cat
from ...tensors.ops import OPS, apply, cast
from .arguments import tensor_of
from .spatial import Sizes, as_given, batched, per_axis, positive, widened

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "fractional_max_pool2d", "fractional_max_pool3d",
]  # fmt: skip


def asked_sizes(call: str, x: Any, output_size: Any) -> Sizes:
    """Return the sizes to pool to; None leaves an axis as it is."""
    sizes = x.shape[2:]
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,)
    if len(given) == 1:
        given = (*given,) * len(sizes)
    if len(given) == len(sizes):
        given = tuple(n if m is None else m for n, m in zip(sizes, given, strict=True))
    found = per_axis(given, len(sizes), call, "output_size")
    if min(found) < 0 or 0 in sizes:
        raise ArgumentError(f"{call}: sizes {sizes} cannot become {found}")
    return found


def bounds(size: int, count: int) -> list[tuple[int, int]]:
    """Return where each of so many windows begins and ends."""
    return [(i * size // count, -((i + 1) * size // -count)) for i in range(count)]


def sum_to(x: Any, axis: int, count: int) -> tuple[Any, Any]:
    """Return the sums of windows along an axis, and of how many elements each is the sum."""
    size = x.shape[axis]
    if count and size % count == 0:
        return x.unflatten(axis, (count, size // count)).sum(axis + 1), size // count
    places = bounds(size, count)
    longest = max((end - start for start, end in places), default=1)
    at = [min(start + j, end - 1) for start, end in places for j in range(longest)]
    inside = [float(start + j < end) for start, end in places for j in range(longest)]
    behind = (1,) * (x.ndim - 1 - axis)
    seen = x.index_select(axis, tensor(at, dtype=int64)).unflatten(axis, (count, longest))
    counts = tensor([end - start for start, end in places], dtype=x.dtype).reshape(-1, *behind)
    mask = tensor(inside).reshape(count, longest, *behind) > 0.0
    return seen.where(mask, 0.0).sum(axis + 1), counts


def adaptive_avg(call: str, s: int, input: Any, output_size: Any) -> Tensor:
    """Return the means of windows, which are summed along one axis after the other."""
    x = batched(call, input, s)
    sums, divisor = widened(x), 1
    for axis, count in enumerate(asked_sizes(call, x, output_size), 2):
        sums, counts = sum_to(sums, axis, count)
        divisor = counts * divisor
    means = sums / divisor
    return as_given(cast(means, x.dtype) if sums.dtype is not x.dtype else means, input, s)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of output_size windows of rows (N, C, L) or (C, L)."""
    return adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of windows that are as equal as can be, and cover the images.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: how many rows and columns of windows, or a number for both; None: as many as
            the input has.

    Raises:
        ShapeError: the input has other axes; ValueError: they are empty, or a size is below 0.
    """
    return adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of windows of volumes (N, C, D, H, W); as `adaptive_avg_pool2d`."""
    return adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


# ---- the largest -----------------------------------------------------------------------------


def numbers_of(places: list[Any], sizes: Sizes) -> Any:
    """Return where the elements of windows lie, each in one number, (..., windows..., elements).

    Args:
        places: for each axis indices (..., windows, elements); sizes: of the axes.
    """
    s = len(sizes)
    found: Any = 0
    for i, (at, size) in enumerate(zip(places, sizes, strict=True)):
        shape = [1] * (2 * s)
        shape[i], shape[s + i] = at.shape[-2:]
        found = found * size + at.reshape(*at.shape[:-2], *shape)
    return found.flatten(found.ndim - s)


def largest(seen: Any, numbers: Any) -> tuple[Any, Any]:
    """Return the first largest of the elements along the last axis, and its number."""
    chosen = apply(OPS["argmax"], (seen,), (seen.ndim - 1, 1))
    where = numbers.expand(seen.shape).gather(-1, chosen)
    return seen.gather(-1, chosen).squeeze(-1), where.squeeze(-1)


def adaptive_max(call: str, s: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    """Return the largest element of each window and, if asked, where it lies."""
    x = batched(call, input, s)
    places = []
    for size, count in zip(x.shape[2:], asked_sizes(call, x, output_size), strict=True):
        rows = bounds(size, count)
        longest = max((end - start for start, end in rows), default=1)
        at = [[min(start + j, end - 1) for j in range(longest)] for start, end in rows]
        places.append(tensor(at, dtype=int64).reshape(count, longest))
    numbers = numbers_of(places, x.shape[2:])
    seen = x.flatten(2).index_select(2, numbers.flatten()).unflatten(2, numbers.shape)
    found, where = (as_given(y, input, s) for y in largest(seen, numbers))
    return (found, where) if return_indices else found


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest of output_size windows of rows (N, C, L) or (C, L)."""
    return adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest element of windows that are as equal as can be, and cover the images.

    Args:
        input, output_size: as for `adaptive_avg_pool2d`.
        return_indices: return also where each was found, row * W + column, as int64.
    """
    return adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest of windows of volumes (N, C, D, H, W); as `adaptive_max_pool2d`."""
    return adaptive_max("adaptive_max_pool3d", 3, input, output_size, return_indices)


# ---- windows at random -----------------------------------------------------------------------


def fractional_starts(size: int, count: int, kernel: int, samples: Any) -> Any:
    """Return where windows begin, (rows, count), that numbers from 0 to 1 put nearly evenly.

    Args:
        samples: (rows, 1), float64.
    """
    last = (samples * 0).long() + (size - kernel)
    if count == 1:
        return last
    step = (size - kernel) / (count - 1)
    steps = (arange(count - 1).double() + samples) * step
    return cat([steps.long() - (samples * step).long(), last], 1)


def fractional_sizes(
    call: str, x: Any, kernel: Sizes, output_size: Any, output_ratio: Any
) -> Sizes:
    """Return the sizes to pool to: given, or as a part of those before."""
    sizes, s = x.shape[2:], len(kernel)
    if output_size is None and output_ratio is None:
        raise ArgumentError(f"{call}: output_size or output_ratio is needed")
    if output_size is None:
        ratios = tuple(output_ratio) if hasattr(output_ratio, "__iter__") else (output_ratio,) * s
        output_size = tuple(int(n * ratio) for n, ratio in zip(sizes, ratios, strict=True))
    counts = positive(output_size, s, call, "output_size")
    for n, m, k in zip(sizes, counts, kernel, strict=True):
        if m + k - 1 > n:
            raise ShapeError(f"{call}: {m} windows of {k} are too many for {n} elements")
    return counts


def fractional_max(
    call: str,
    s: int,
    input: Any,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Any,
) -> Any:
    """Return the largest elements of windows, whose places are drawn for each channel."""
    x = batched(call, input, s)
    kernel = positive(kernel_size, s, call, "kernel_size")
    counts = fractional_sizes(call, x, kernel, output_size, output_ratio)
    count, channels = x.shape[:2]
    if samples is None:
        samples = rand(count, channels, s, dtype=x.dtype)
    elif tensor_of(call, samples, "_random_samples").dtype is not x.dtype:
        raise DTypeError(f"{call}: _random_samples are of {samples.dtype.name}, not {x.dtype.name}")
    elif samples.shape[0] < count or samples.shape[1:] != (channels, s):
        raise ShapeError(
            f"{call}: _random_samples have shape ({count}, {channels}, {s}), not {samples.shape}"
        )
    chances = samples[:count].detach().flatten(0, 1).double()
    places = []
    for i, (size, windows, k) in enumerate(zip(x.shape[2:], counts, kernel, strict=True)):
        which = 1 - i if s == 2 else i  # PyTorch's order: columns, rows
        starts = fractional_starts(size, windows, k, chances[:, which : which + 1])
        places.append(starts.unsqueeze(2) + arange(k))
    numbers = numbers_of(places, x.shape[2:]).unflatten(0, (count, channels))
    seen = x.flatten(2).gather(2, numbers.flatten(2)).unflatten(2, numbers.shape[2:])
    found, where = (as_given(y, input, s) for y in largest(seen, numbers))
    return (found, where) if return_indices else found


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Return the largest elements of windows at random places (Graham 2014, arXiv:1412.6071).

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: of a window.
        output_size: how many windows along each axis; or output_ratio: this as a part of H and W.
        return_indices: return also where each was found, row * W + column, as int64.
        _random_samples: (N, C, 2), from 0 to 1: for columns and rows, how far windows are moved.
    """
    options = kernel_size, output_size, output_ratio, return_indices, _random_samples
    return fractional_max("fractional_max_pool2d", 2, input, *options)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Return the largest elements of windows of volumes; as `fractional_max_pool2d`."""
    options = kernel_size, output_size, output_ratio, return_indices, _random_samples
    return fractional_max("fractional_max_pool3d", 3, input, *options)
