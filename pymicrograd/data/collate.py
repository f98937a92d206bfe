"""Batches of examples: numbers and Tensors are stacked, containers keep their form."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ShapeError
from ..tensors.conversion import as_tensor
from ..tensors.dtypes import float64
from ..tensors.interchange import tensor
from ..tensors.joining import stack
from ..tensors.ops import TensorBase

__all__ = ["default_collate", "default_convert"]


def is_array(x: Any) -> bool:
    """Tell whether x is an array or a number of NumPy's."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, (numpy.ndarray, numpy.generic))


def rebuilt(example: Any, parts: list[Any]) -> Any:
    """Return parts in a sequence of an example's type; a list where it makes none."""
    if hasattr(example, "_fields"):  # a namedtuple
        return type(example)(*parts)
    try:
        return type(example)(parts)
    except TypeError:
        return parts


def rebuilt_mapping(example: Any, parts: dict[Any, Any]) -> Any:
    """Return parts in a mapping of an example's type; a dict where it makes none."""
    try:
        return type(example)(parts)
    except TypeError:
        return parts


def default_convert(data: Any) -> Any:
    """Turn NumPy's arrays and numbers in nested containers into Tensors; leave all else alone."""
    if isinstance(data, TensorBase) or isinstance(data, (str, bytes)):
        return data
    if is_array(data):
        return as_tensor(data) if data.dtype.kind not in "SUOV" else data
    if isinstance(data, Mapping):
        return rebuilt_mapping(data, {key: default_convert(x) for key, x in data.items()})
    if type(data) is tuple:
        return [default_convert(x) for x in data]
    if isinstance(data, Sequence):
        return rebuilt(data, [default_convert(x) for x in data])
    return data


def default_collate(batch: Any) -> Any:
    """Make one batch of a list of examples.

    Tensors and arrays are stacked along a new first axis; floats become float64, ints int64 and
    bools bool; text stays a list; of mappings, tuples and lists the parts are collated, each for
    itself, and a tuple becomes a list, as in PyTorch.

    Raises:
        ShapeError: Tensors differ in shape, or sequences in length.
        TypeError: there is no batch of such examples.

    Example:
        >>> default_collate([(1, 0.5), (2, 1.5)])
        [tensor([1, 2]), tensor([0.5000, 1.5000], dtype=pymicrograd.float64)]
    """
    first = batch[0]
    for kinds, collate in COLLATES:
        if isinstance(first, kinds):
            return collate(batch)
    if is_array(first) and first.dtype.kind not in "SUOV":
        return stack([as_tensor(x) for x in batch])
    if isinstance(first, Mapping):
        parts = {key: default_collate([x[key] for x in batch]) for key in first}
        return rebuilt_mapping(first, parts)
    if isinstance(first, Sequence):
        return collate_sequences(batch)
    raise TypeError(
        "a batch is made of Tensors, arrays, numbers, text, mappings or sequences, not of "
        f"{type(first).__module__}.{type(first).__name__}; a collate_fn can make it"
    )


def collate_sequences(batch: Any) -> Any:
    """Make a batch of the parts of sequences of one length."""
    lengths = {len(x) for x in batch}
    if len(lengths) > 1:
        raise ShapeError(
            f"sequences of a batch are of one length, not of {sorted(lengths)}; a collate_fn can "
            "pad them"
        )
    parts = [default_collate(x) for x in zip(*batch, strict=True)]
    return parts if type(batch[0]) is tuple else rebuilt(batch[0], parts)


COLLATES: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (TensorBase, stack),
    (float, lambda batch: tensor(batch, dtype=float64)),
    (int, tensor),
    ((str, bytes), lambda batch: batch),
)
