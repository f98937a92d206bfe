"""Rows of a table by their numbers, and sums of such."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..._core import no_grad, noted, require
from ...errors import ArgumentError, DTypeError, ShapeError
from ...tensors.conversion import as_tensor
from ...tensors.creation import arange, ones_like, zeros
from ...tensors.dtypes import HALVES, float32, int64
from ...tensors.functions import where
from ...tensors.joining import cat
from ...tensors.norms import vector_norm
from ...tensors.ops import cast
from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["embedding", "embedding_bag"]


@no_grad()
def renormalize(weight: Any, places: Any, max_norm: float, norm_type: float) -> None:
    """Scale the rows that are used, where their norm is above max_norm, in place.

    A row that is used several times is written as often, and the same.
    """
    used = places.flatten().long()
    rows = weight.detach()[used]
    size = vector_norm(rows, norm_type, 1, True)
    scale = where(size > max_norm, max_norm / (size + 1e-7), 1.0)
    weight.detach()[used] = rows * scale


def checked(call: str, places: Any, weight: Any) -> Any:
    """Return numbers of rows, which are integers, beside a table of two axes."""
    if tensor_of(call, weight, "weight").ndim != 2:
        raise ShapeError(f"{call}: a weight is (rows, features), not {weight.shape}")
    if tensor_of(call, places).dtype.kind != 1:
        raise DTypeError(f"{call}: numbers of rows are integers, not {places.dtype.name}")
    return places


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return the rows of a table by their numbers.

    Args:
        input: numbers of rows, integers of any shape; weight: (rows, features).
        padding_idx: a row that gets no gradient.
        max_norm: rows that are used and whose norm_type-norm is above it are scaled, in place.
        scale_grad_by_freq: divide a row's gradient by how often it is used.
        sparse: nothing; gradients are dense.

    Returns:
        (*input.shape, features).

    Raises:
        TensorIndexError: there is no such row.
        DTypeError: the numbers are no integers.
        ShapeError: weight has other than two axes.
    """
    call = "embedding"
    places = checked(call, input, weight)
    if padding_idx is not None:
        count = weight.shape[0]
        if not -count <= padding_idx < count:
            raise ArgumentError(f"{call}: padding_idx {padding_idx} must be within {count} rows")
        padding_idx %= count
    if max_norm is not None:
        renormalize(weight, places, max_norm, norm_type)
    rows = weight[places]
    if padding_idx is None and not scale_grad_by_freq:
        return rows
    scale: Any = 1.0
    if scale_grad_by_freq:
        counts = as_tensor([0.0] * weight.shape[0], dtype=weight.dtype)
        flat = places.flatten().long()
        counts = counts.scatter_add(0, flat, (flat * 0 + 1).to(weight.dtype))
        scale = (1.0 / counts[places]).unsqueeze(-1)
    passing: Any = rows * scale + (rows * (1 - scale)).detach() if scale_grad_by_freq else rows
    if padding_idx is None:
        return passing  # type: ignore[no-any-return]
    return where((places == padding_idx).unsqueeze(-1), rows.detach(), passing)  # type: ignore[no-any-return]


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Return sums, means or maxima of the rows of a table, bag by bag.

    Args:
        input: numbers of rows: (bags, items), or (items) with offsets.
        weight: (rows, features); offsets: where each bag begins.
        mode: "sum", "mean" or "max"; of an empty bag 0.
        per_sample_weights: a factor for each item, of input's shape; for "sum".
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: a row that does not count.
        max_norm, norm_type, scale_grad_by_freq, sparse: as for `embedding`.

    Returns:
        (bags, features).

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: mode is unknown, or does not go with per_sample_weights.
    """
    call = "embedding_bag"
    places = checked(call, input, weight)
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(f"{call}: mode has to be one of sum, mean or max, not {mode!r}")
    if per_sample_weights is not None and mode != "sum":
        raise ArgumentError(f"{call}: per_sample_weights go with mode 'sum', not {mode!r}")
    bags, count = bags_of(places, offsets, include_last_offset)
    rows = embedding(places.flatten(), weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    counts = ones_like(bags)
    if padding_idx is not None:
        counts = cast(places.flatten() != padding_idx % weight.shape[0], int64)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.flatten().unsqueeze(1)
    wide = cast(rows, float32) if rows.dtype in HALVES else rows
    blank = zeros(count, rows.shape[1], dtype=wide.dtype)
    if mode == "max":
        found = largest_of(wide, bags, counts, blank, places.shape)
    else:
        found = blank.index_add(0, bags * counts, wide)
    if mode == "mean":
        sizes = sizes_of(bags, counts, count).clamp_min(1)
        found = found / cast(sizes, wide.dtype).unsqueeze(1)
    last = count - 1 if include_last_offset and places.ndim == 1 else count
    return cast(found[1:last], rows.dtype)


def sizes_of(bags: Any, counts: Any, count: int) -> Any:
    """Return how many items of each bag count."""
    return zeros(count, dtype=int64).index_add(0, bags, counts)


def largest_of(rows: Any, bags: Any, counts: Any, blank: Any, shape: tuple[int, ...]) -> Any:
    """Return the largest elements of the rows of each bag, 0 where none counts."""
    if not rows.numel():
        return blank + rows.sum(0)
    rows = where(counts.gt(0).unsqueeze(1), rows, -math.inf)
    if len(shape) == 2:
        found = cat([blank[:1], rows.reshape(*shape, -1).amax(1)])
    else:
        sizes = sizes_of(bags, ones_like(bags), blank.shape[0])
        longest = len(rows) if noted() else int(sizes.amax())
        ends = (sizes.cumsum(0) - 1).clamp_min(0)
        found = running_largest(rows, bags, longest)[ends]
    return where(sizes_of(bags, counts, blank.shape[0]).gt(0).unsqueeze(1), found, 0.0)


def running_largest(rows: Any, bags: Any, longest: int) -> Any:
    """Return the largest elements of each row and those before it of its bag, of longest at most.

    More passes than the bags need change nothing.
    """
    step = 1
    while step < longest:
        both = (bags[step:] == bags[:-step]).unsqueeze(1)
        later = where(both, rows[step:].maximum(rows[:-step]), rows[step:])
        rows, step = cat([rows[:step], later]), 2 * step
    return rows


def bags_of(places: Any, offsets: Any, include_last: bool) -> tuple[Any, int]:
    """Return the bag of each item, from 1 on, and the number behind the last one.

    The items behind a last offset that is an end are in that last bag; no bag is number 0.
    """
    if places.ndim == 2:
        if offsets is not None:
            raise ArgumentError("embedding_bag: each row of 2 axes is a bag: leave offsets out")
        rows, size = places.shape
        return arange(1, rows + 1).unsqueeze(1).expand(rows, size).reshape(-1), rows + 1
    if places.ndim != 1 or offsets is None:
        raise ShapeError(f"embedding_bag: an input of shape {places.shape} goes with offsets")
    begins, size = as_tensor(offsets).long(), places.shape[0]
    text = "embedding_bag: offsets[0] has to be 0, not {}"
    require(begins[:1].eq(0), ArgumentError, text, begins[:1])
    text = "embedding_bag: offsets do not rise, or end beyond the input"
    require(begins[1:].ge(begins[:-1]), ArgumentError, text)
    require(begins[-1:].le(size), ArgumentError, text)
    marks = zeros(size + 1, dtype=int64).index_add(0, begins, ones_like(begins))
    return marks.cumsum(0)[:size], begins.shape[0] + 1
