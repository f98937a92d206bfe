"""Sequences of different lengths: padded to one length, or packed without padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import ArgumentError, ShapeError
from ...tensors.conversion import as_tensor
from ...tensors.creation import full
from ...tensors.dtypes import int64
from ...tensors.interchange import tensor
from ...tensors.joining import cat, stack
from ...tensors.ops import TensorBase

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "PackedSequence", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class PackedSequence(NamedTuple):
    """Sequences without padding, the longest first, the rows of each step side by side.

    Attributes:
        data: (sum of lengths, ...): step by step, the rows of the sequences that are so long.
        batch_sizes: how many rows each step has.
        sorted_indices: which sequences these are, or None; unsorted_indices: where each is now.
    """

    data: Any
    batch_sizes: Any
    sorted_indices: Any = None
    unsorted_indices: Any = None


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Return sequences (L, ...) of different lengths as one Tensor (L, N, ...).

    Args:
        sequences: Tensors that differ in the first axis only.
        batch_first: return (N, L, ...).
        padding_value: what the shorter ones are filled with; padding_side: "right" or "left".

    Raises:
        ShapeError: the other axes differ, or there are no sequences.
        ValueError: padding_side is another word.
    """
    if padding_side not in ("right", "left"):
        raise ArgumentError(f"padding_side must be 'left' or 'right', not {padding_side!r}")
    items = list(sequences)
    if not items:
        raise ShapeError("pad_sequence: received an empty list of sequences")
    rest = items[0].shape[1:]
    if any(x.shape[1:] != rest for x in items):
        raise ShapeError(f"pad_sequence: shapes {[tuple(x.shape) for x in items]} do not fit")
    longest = max(x.shape[0] for x in items)
    padded = []
    for x in items:
        fill = full((longest - x.shape[0], *rest), padding_value, dtype=x.dtype)
        padded.append(cat([x, fill] if padding_side == "right" else [fill, x]))
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """Return the sequences (L, ...) that `pad_sequence` was given."""
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [x[i, :n] for i, n in enumerate(as_tensor(lengths).tolist())]


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Return padded sequences as a PackedSequence.

    Args:
        input: (L, N, ...), with batch_first (N, L, ...).
        lengths: of each sequence; enforce_sorted: refuse lengths that rise, rather than sort them.

    Raises:
        ShapeError: there are more or fewer lengths than sequences.
        ValueError: a length is 0 or beyond the input, or lengths rise.
    """
    sizes = lengths.tolist() if isinstance(lengths, TensorBase) else list(lengths)
    x = input.transpose(0, 1) if batch_first else input
    if len(sizes) != x.shape[1]:
        raise ShapeError(
            f"pack_padded_sequence: {len(sizes)} lengths for {x.shape[1]} sequences, shape "
            f"{input.shape}"
        )
    if any(not 0 < n <= x.shape[0] for n in sizes):
        raise ArgumentError(
            f"pack_padded_sequence: lengths are from 1 to {x.shape[0]}, not {sizes}"
        )
    order = unorder = None
    if enforce_sorted:
        if any(a < b for a, b in pairwise(sizes)):
            raise ArgumentError(
                "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True"
            )
    else:
        places = sorted(range(len(sizes)), key=lambda i: -sizes[i])
        order, unorder = tensor(places), tensor(inverse(places))
        x, sizes = x.index_select(1, order), [sizes[i] for i in places]
    steps = [sum(n > t for n in sizes) for t in range(sizes[0] if sizes else 0)]
    data = cat([x[t, :count] for t, count in enumerate(steps)])
    return PackedSequence(data, tensor(steps, dtype=int64), order, unorder)


def inverse(order: Sequence[int]) -> list[int]:
    """Return where each number of a permutation stands."""
    found = [0] * len(order)
    for place, i in enumerate(order):
        found[i] = place
    return found


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return a PackedSequence as a padded Tensor, and the lengths.

    Args:
        sequence: the packed one; batch_first: return (N, L, ...).
        padding_value: what the shorter ones are filled with.
        total_length: L, by default that of the longest.

    Raises:
        ValueError: total_length is shorter than that.
    """
    items = unpack_sequence(sequence)
    longest = len(sequence.batch_sizes)
    lengths = tensor([x.shape[0] for x in items], dtype=int64)
    found = pad_sequence(items, batch_first, padding_value)
    if total_length is not None:
        if total_length < longest:
            raise ArgumentError(
                f"pad_packed_sequence: total_length {total_length} is below {longest}"
            )
        axis = 1 if batch_first else 0
        shape = list(found.shape)
        shape[axis] = total_length - longest
        found = cat([found, full(shape, padding_value, dtype=found.dtype)], axis)
    return found, lengths


def pack_sequence(sequences: Iterable[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Return sequences (L, ...) of different lengths as a PackedSequence."""
    items = list(sequences)
    lengths = [x.shape[0] for x in items]
    return pack_padded_sequence(pad_sequence(items), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """Return the sequences (L, ...) of a PackedSequence, in their first order."""
    steps = packed_sequences.batch_sizes.tolist()
    rows = packed_sequences.data.split(steps)
    count = steps[0] if steps else 0
    found = [
        stack([step[i] for step, n in zip(rows, steps, strict=True) if i < n]) for i in range(count)
    ]
    order = packed_sequences.unsorted_indices
    return found if order is None else [found[i] for i in order.tolist()]
