"""The types that the elements of a Tensor may have.

float32 is the default. float16 and bfloat16 are stored only: an op computes in float32 and rounds
once, at its end; so are int8 and int16, whose ops keep the last bits of int32's. Where two types
meet, the result has the one that stands later in bool, int8 or uint8, int16, int32, int64, float16
or bfloat16, float32, float64, and of two that stand side by side the next; as in PyTorch. Python's
numbers count only by their kind.
"""

from __future__ import annotations

import sys
from typing import Any

from ..errors import DTypeError

__all__ = [
    "COMPUTED",
    "DTYPES",
    "HALVES",
    "as_dtype",
    "bfloat16",
    "bool_",
    "dtype",
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
]


class dtype:
    """A type of elements.

    Attributes:
        name: what NumPy calls it, too.
        number: what the C core calls it.
        itemsize: bytes of an element.
        kind: 0 for bool, 1 for integers, 2 for floats.
        is_floating_point: whether such a tensor can require a gradient.
        typestr: the name in NumPy's `__array_interface__`; NumPy has no bfloat16, and reads its
            bits as integers.
    """

    __slots__ = ("itemsize", "kind", "name", "number", "typestr")

    def __init__(self, name: str, number: int, kind: int, code: str) -> None:
        self.name = name
        self.number = number
        self.kind = kind
        self.itemsize = int(code[1:])
        order = "|" if self.itemsize == 1 else "<" if sys.byteorder == "little" else ">"
        self.typestr = order + code

    @property
    def is_floating_point(self) -> bool:
        return self.kind == 2

    def __repr__(self) -> str:
        return f"pymicrograd.{self.name}"

    def __reduce__(self) -> str:
        return "bool_" if self.name == "bool" else self.name


float32 = dtype("float32", 0, 2, "f4")
float64 = dtype("float64", 1, 2, "f8")
float16 = dtype("float16", 2, 2, "f2")
bfloat16 = dtype("bfloat16", 3, 2, "u2")
int64 = dtype("int64", 4, 1, "i8")
int32 = dtype("int32", 5, 1, "i4")
int16 = dtype("int16", 6, 1, "i2")
int8 = dtype("int8", 7, 1, "i1")
uint8 = dtype("uint8", 8, 1, "u1")
bool_ = dtype("bool", 9, 0, "b1")

# By the core's numbers, enum mg_dtype of micrograd.h.
DTYPES: tuple[dtype, ...] = (
    float32, float64, float16, bfloat16, int64, int32, int16, int8, uint8, bool_,
)  # fmt: skip
HALVES = (float16, bfloat16)  # what is computed in float32
COMPUTED = (float32, float64)  # what is computed in as it is

BY_NAME: dict[Any, dtype] = {kind.name: kind for kind in DTYPES}
BY_NAME |= {float: float64, int: int64, bool: bool_}
BY_NAME |= {"float": float32, "double": float64, "half": float16}
BY_NAME |= {"long": int64, "int": int32, "short": int16}
# What `Tensor.type` says: PyTorch's names of its classes.
TYPES: dict[dtype, str] = {
    float16: "torch.HalfTensor",
    bfloat16: "torch.BFloat16Tensor",
    float32: "torch.FloatTensor",
    float64: "torch.DoubleTensor",
    int32: "torch.IntTensor",
    int64: "torch.LongTensor",
    int16: "torch.ShortTensor",
    int8: "torch.CharTensor",
    uint8: "torch.ByteTensor",
    bool_: "torch.BoolTensor",
}
BY_NAME |= {name: kind for kind, name in TYPES.items()}


def as_dtype(kind: Any) -> dtype:
    """Return the dtype that a dtype, a name, a Python type or a dtype of NumPy's stands for.

    Raises:
        DTypeError: it stands for none, or for one that tensors do not have.

    Example:
        >>> as_dtype(float), as_dtype("int64")
        (pymicrograd.float64, pymicrograd.int64)
    """
    if isinstance(kind, dtype):
        return kind
    try:
        if kind in BY_NAME:
            return BY_NAME[kind]
    except TypeError:  # not hashable
        pass
    numpy = sys.modules.get("numpy")
    if numpy and (
        isinstance(kind, numpy.dtype)
        or (isinstance(kind, type) and issubclass(kind, numpy.generic))
    ):
        name = numpy.dtype(kind).name
        if name in BY_NAME:
            return BY_NAME[name]
    raise DTypeError(f"{kind!r} is no dtype of tensors: they have {', '.join(map(str, names()))}")


def names() -> list[str]:
    """Return the names of all types."""
    return [kind.name for kind in DTYPES]
