"""Tensors from Python's numbers, lists and NumPy's arrays, and back.

Plain lists of numbers are read in C. Everything else goes through NumPy, which is imported then
and not before; what a tensor cannot hold is refused by name: masked, structured and object arrays,
complex numbers, text. Memory is shared where `from_numpy` and `as_tensor` say so and its layout
allows it.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from .. import _core
from ..errors import DTypeError, GradientError, ShapeError
from ..scalars import is_number
from .arguments import shorten
from .devices import check_device
from .dtypes import DTYPES, HALVES, as_dtype, bfloat16, bool_, dtype, float32, float64, int64
from .ops import OPS, TensorBase, apply, cast

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["as_tensor", "new"]

MAX_RANK = _core.MAX_RANK


# What NumPy's types without an equal become: the smallest that holds all of their values.
WIDER = {"uint16": "int32", "uint32": "int64"}


# ---- numbers and lists -----------------------------------------------------------------------


def new(data: Any, kind: dtype | None) -> Tensor:
    """Make a leaf with a copy of data."""
    if kind in HALVES:
        return cast(new(data, float64), kind)
    plainly = TensorBase._nested(data, -1 if kind is None else kind.number)
    if plainly is not NotImplemented:
        return plainly  # type: ignore[no-any-return]
    if isinstance(data, TensorBase):
        refuse_gradient(data, "tensor()", "clone().detach()")
        return copy_of(data, kind)
    if is_array(data):
        made = from_object(data, share=False)
        return made if kind is None else cast(made, kind)
    return new_from_sequence(data, kind)


def copy_of(x: Any, kind: dtype | None) -> Tensor:
    """Return a leaf with a copy of a Tensor's elements."""
    x = apply(OPS["detach"], (x,))
    if kind is None or kind is x.dtype:
        return apply(OPS["clone"], (x,))
    return cast(x, kind)


def refuse_gradient(x: Any, what: str, instead: str) -> None:
    """Let nobody drop a gradient without saying so."""
    if x.requires_grad:
        raise GradientError(
            f"{what} would drop the gradient of a Tensor that requires grad; "
            f"use tensor.{instead} to say so"
        )


class Leaves:
    """What `plain` has found among the items of nested sequences."""

    def __init__(self) -> None:
        self.types: list[Any] = []  # types of NumPy's numbers, Tensors and arrays
        self.python: set[type] = set()


def new_from_sequence(data: Any, kind: dtype | None) -> Tensor:
    """Make a leaf of sequences of anything that is a number in the end."""
    arrays = rows_of_arrays(data)
    if arrays is not None:
        stacked = from_array(arrays, share=False)
        return stacked if kind is None else cast(stacked, kind)
    leaves = Leaves()
    items = plain(data, leaves, 0)
    if kind is None:
        kind = common_dtype(leaves)
    if kind in HALVES:
        return cast(new(items, float64), kind)
    made: Tensor = TensorBase._nested(items, kind.number)
    if made is NotImplemented:
        made = TensorBase._nested(narrowed(items, kind), kind.number)
    if made is NotImplemented:
        explain(items, kind)
    return made


def rows_of_arrays(data: Any) -> Any:
    """Return arrays of one shape as one array; None if data is no sequence of them."""
    if not isinstance(data, (list, tuple)) or not data:
        return None
    if not all(is_array(x) and not isinstance(x, TensorBase) for x in data):
        return None
    if any(map(is_brain, data)):
        return None
    import numpy

    arrays = [checked(array_of(x)) for x in data]
    if arrays[0].ndim == 0 or len({x.shape for x in arrays}) > 1:
        return None
    return numpy.stack(arrays)


def narrowed(items: Any, kind: dtype) -> Any:
    """Return nested lists with ints of more than 64 bits as the floats or bools they become."""
    if isinstance(items, list):
        return [narrowed(item, kind) for item in items]
    if kind.kind == 1 or not isinstance(items, int):
        return items
    return float(items) if kind.kind == 2 else bool(items)


def plain(data: Any, leaves: Leaves, depth: int) -> Any:
    """Return data as nested lists of plain numbers.

    Raises:
        DTypeError: something is no number and no sequence.
        ShapeError: more than 16 sequences lie in each other.
    """
    if is_brain(data):
        data = from_object(data, share=True)
    if isinstance(data, TensorBase):
        refuse_gradient(data, "tensor()", "detach(), or stack() in place of tensor(),")
        leaves.types.append(data.dtype.name)
        return data.tolist()
    if is_array(data):
        array = checked(array_of(data))
        leaves.types.append(array.dtype)
        return array.tolist()
    if is_number(data):
        return plain_number(data, leaves)
    if not is_sequence(data):
        raise DTypeError(f"{type(data).__name__} {shorten(data)} is no number of a tensor")
    if depth == MAX_RANK:
        raise ShapeError(f"a tensor has at most {MAX_RANK} axes, and lists lie deeper here")
    return [plain(item, leaves, depth + 1) for item in data]


def plain_number(x: Any, leaves: Leaves) -> Any:
    """Return a number as bool, int or float."""
    if hasattr(x, "dtype") and hasattr(x, "item"):
        leaves.types.append(x.dtype)
        x = x.item()
    for kind in (bool, int, float):
        if isinstance(x, kind):
            leaves.python.add(kind)
            return kind(x)
    leaves.python.add(int if hasattr(type(x), "__index__") else float)
    return operator.index(x) if hasattr(type(x), "__index__") else float(x)


def is_sequence(x: Any) -> bool:
    """Tell whether a tensor may have x's items for rows."""
    if isinstance(x, (str, bytes, bytearray, dict, set, frozenset)):
        return False
    return isinstance(x, Sequence) or (hasattr(x, "__len__") and hasattr(x, "__getitem__"))


def common_dtype(leaves: Leaves) -> dtype:
    """Return the type for all of the numbers found."""
    if not leaves.types:
        if float in leaves.python or not leaves.python:
            return float32
        return int64 if int in leaves.python else bool_
    if bfloat16.name in map(str, leaves.types):  # which NumPy has not
        return functools.reduce(promoted_names, map(str, leaves.types), bfloat16)
    import numpy

    samples = [kind(1) for kind in leaves.python]
    return known_dtype(numpy.result_type(*leaves.types, *samples))


def promoted_names(so_far: dtype, name: str) -> dtype:
    """Return the common type of one and of one that NumPy may name."""
    from .promotion import promoted

    return promoted(so_far, as_dtype(WIDER.get(name, name)))


def explain(items: Any, kind: dtype) -> NoReturn:
    """Raise for nested lists of plain numbers that are no array of the type."""
    check_rows(items, shape_of(items), 0, ())
    for number in flat(items):
        check_number(number, kind)
    raise ValueError(f"these numbers make no tensor of {kind.name}")


def shape_of(items: Any) -> list[int]:
    """Return the lengths along the first items."""
    shape = []
    while isinstance(items, list):
        shape.append(len(items))
        if not items:
            break
        items = items[0]
    return shape


def check_rows(items: Any, shape: list[int], axis: int, place: tuple[int, ...]) -> None:
    """Refuse rows that differ in length, or numbers beside rows."""
    where = "item " + "".join(f"[{i}]" for i in place) if place else "the data"
    if axis == len(shape):
        if isinstance(items, list):
            raise ShapeError(f"{where} is a list of {len(items)} where others are numbers")
        return
    if not isinstance(items, list):
        raise ShapeError(f"{where} is a number where others are lists of {shape[axis]}")
    if len(items) != shape[axis]:
        where = where.replace("item", "row")
        raise ShapeError(f"{where} has {len(items)} items where others have {shape[axis]}")
    for i, item in enumerate(items):
        check_rows(item, shape, axis + 1, (*place, i))


def flat(items: Any) -> Any:
    """Iterate over the numbers of nested lists."""
    if isinstance(items, list):
        for item in items:
            yield from flat(item)
    else:
        yield items


def check_number(number: Any, kind: dtype) -> None:
    """Refuse a number that the type does not hold."""
    if kind.kind == 2:
        float(number)  # raises OverflowError for an int beyond the largest float
        return
    if isinstance(number, float) and number - number != 0.0:
        raise ValueError(f"{kind.name} has no {number}")
    bits = 8 * kind.itemsize
    low, high = (0, 2**bits) if kind.name == "uint8" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    if not low <= int(number) < high:
        raise ValueError(f"{shorten(number)} is outside {kind.name}, {low} to {high - 1}")


# ---- NumPy's arrays --------------------------------------------------------------------------


def is_array(x: Any) -> bool:
    """Tell whether NumPy can see x's elements as an array, which costs it no Python calls."""
    if isinstance(x, (bytes, str)):
        return False
    kind = type(x)
    if isinstance(x, memoryview) or kind.__module__ == "array" or isinstance(x, bytearray):
        return True
    return not isinstance(x, type) and (
        hasattr(kind, "__array_interface__")
        or hasattr(kind, "__array__")
        or hasattr(kind, "__dlpack__")
    )


def array_of(x: Any) -> Any:
    """Return NumPy's view, or copy, of an array of whatever kind.

    Raises:
        DTypeError: it is a masked array, whose mask would get lost.
    """
    import numpy

    if isinstance(x, numpy.ma.MaskedArray):
        raise DTypeError("a masked array is no tensor: fill its gaps with filled(value)")
    kind = type(x)
    if hasattr(kind, "__dlpack__") and not hasattr(kind, "__array__"):
        return numpy.from_dlpack(x)
    return numpy.asarray(x)


def is_brain(x: Any) -> bool:
    """Tell whether x is somebody else's tensor of bfloat16, by the name of its type."""
    if isinstance(x, TensorBase) or not hasattr(type(x), "__dlpack__"):
        return False
    return str(getattr(x, "dtype", "")).rpartition(".")[2] == bfloat16.name


def from_object(x: Any, share: bool) -> Tensor:
    """Make a Tensor of an array of whatever kind: of its memory where that can be shared."""
    if not is_brain(x):
        return from_array(array_of(x), share)
    from .bits import imported

    made = imported(x)
    return made if share else copy_of(made, None)


def known_dtype(kind: Any) -> dtype:
    """Return the dtype of tensors that holds all values of a NumPy dtype."""
    name = WIDER.get(kind.name, kind.name)
    if name == "uint64":
        raise DTypeError("uint64 has numbers that no tensor holds: convert it first, to int64")
    for found in DTYPES:
        if found.name == name:
            return found
    what = {"O": "objects", "V": "structures", "c": "complex numbers", "M": "dates", "m": "times"}
    items = what.get(kind.kind, "text" if kind.kind in "SU" else "elements")
    raise DTypeError(f"an array of {items} ({kind}) is no tensor; convert it first")


def checked(array: Any) -> Any:
    """Return an array as it is, once its type is known to fit."""
    known_dtype(array.dtype)
    if array.ndim > MAX_RANK:
        raise ShapeError(f"a tensor has at most {MAX_RANK} axes, not {array.ndim}")
    return array


def from_array(array: Any, share: bool) -> Tensor:
    """Make a Tensor of an ndarray's elements: of its memory where that can be shared."""
    kind = known_dtype(checked(array).dtype)
    if not why_not_shared(array):
        made = shared(array, kind)
        return made if share else copy_of(made, None)
    import numpy

    if kind.kind == 0:
        array = array.view(numpy.uint8) != 0  # a true byte of somebody else's may be 2
    array = numpy.array(array, dtype=kind.name, order="C", copy=True)
    address = array.__array_interface__["data"][0]
    memory = _core.memory(address) if array.size else None
    return TensorBase._new(kind.number, array.shape, memory)


def why_not_shared(array: Any) -> str:
    """Say what about an array's memory a tensor cannot use; nothing if it can."""
    if array.dtype.name in WIDER:
        return f"tensors have no {array.dtype.name}"
    if not array.dtype.isnative:
        return f"its bytes are in the order of other machines ({array.dtype.str})"
    if not array.flags.aligned:
        return "its elements are not aligned"
    if any(stride % array.itemsize for stride in array.strides):
        return "its strides are no multiples of its elements"
    if array.dtype.kind == "b" and array.size and array.view("u1").max() > 1:
        return "its truths are other bytes than 0 and 1"
    return ""


def shared(array: Any, kind: dtype) -> Tensor:
    """Make a Tensor that uses an array's memory, and keeps the array alive."""
    if array.size == 0:
        return TensorBase._new(kind.number, array.shape, None)
    address, read_only = array.__array_interface__["data"]
    strides = tuple(stride // array.itemsize for stride in array.strides)
    memory = _core.memory(address)
    return TensorBase._share(array, memory, kind.number, array.shape, strides, read_only)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a Tensor as it is; share an array's memory if possible; else as `tensor`."""
    check_device(device)
    kind = None if dtype is None else as_dtype(dtype)
    if isinstance(data, TensorBase):
        known: Any = data
        return known if kind is None else cast(known, kind)
    if not is_array(data):
        return new(data, kind)
    made = from_object(data, share=True)
    return made if kind is None else cast(made, kind)


# ---- to others -------------------------------------------------------------------------------


def is_numpy_scalar(x: Any) -> bool:
    """Tell whether x is a number of one of NumPy's types."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, numpy.generic)
