"""Array in pure Python: a type, a shape, and a flat list of numbers in row-major order.

The types are PyTorch's. Numbers are Python's: a float that is always a number of its type, an int
within the bounds of its type, a bool. `convert` is the only place where numbers are rounded,
wrapped and cut: everything else computes in Python's floats and ints and converts each result.
One IEEE operation on float32 numbers, computed in float64 and rounded to float32, is the float32
operation: 53 bits are more than twice 24.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .vmath import to_float32

__all__ = [
    "DTYPES",
    "Array",
    "Number",
    "array",
    "broadcast_shapes",
    "common_of",
    "convert",
    "indices",
    "is_float",
    "promote",
    "wide",
]

Number = bool | int | float
Index = tuple[int, ...]
Shape = tuple[int, ...]

# From the least to the greatest: two types together give the greater, but those of a pair that
# hold not each other's numbers give the next.
DTYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
)  # fmt: skip
PAIRS = ({"uint8", "int8"}, {"float16", "bfloat16"})
BOUNDS = {
    "uint8": (0, 2**8 - 1),
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}

MOST_ELEMENTS = 2**24


# ---- types -----------------------------------------------------------------------------------


def is_float(dtype: str) -> bool:
    """Tell whether a type is one of floats."""
    return dtype.endswith(("float16", "float32", "float64"))


def wide(dtype: str) -> str:
    """Return the type that an op on numbers of a type is computed in: floats' is float32 at least.

    Integers are integers of any size here; each result is cut to its type.
    """
    return "float32" if dtype.endswith("float16") else dtype


def kind(dtype: str) -> int:
    """Return 0 for bool, 1 for integers, 2 for floats."""
    return 2 if is_float(dtype) else 1 if dtype in BOUNDS else 0


def dtype_of(number: Number) -> str:
    """Return the type of an array that is made from a Python number."""
    return "bool" if isinstance(number, bool) else "int64" if isinstance(number, int) else "float32"


def common_of(dtypes: Iterable[str]) -> str:
    """Return the common type of types; bool of none."""
    common = "bool"
    for dtype in dtypes:
        greater = max(common, dtype, key=DTYPES.index)
        is_pair = {common, dtype} in PAIRS
        common = DTYPES[DTYPES.index(greater) + 1] if is_pair else greater
    return common


def promote(operands: Iterable[Array | Number]) -> str:
    """Return the common type of arrays and Python numbers.

    Arrays with axes come first, then arrays without, then Python numbers: operands of a later
    group count by their kind alone, and only if that is above the kind of all before.
    """
    groups: list[list[str]] = [[], [], []]
    for x in operands:
        if isinstance(x, Array):
            groups[0 if x.shape else 1].append(x.dtype)
        else:
            groups[2].append(dtype_of(x))
    common = "bool"
    for group in groups:
        greatest = common_of(group)
        if kind(greatest) > kind(common):
            common = greatest
    return common


def to_float16(x: float) -> float:
    """Return the nearest float16, ties to even; infinity beyond them."""
    try:
        y: float = struct.unpack("<e", struct.pack("<e", x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)
    return y


def to_bfloat16(x: float) -> float:
    """Return the nearest bfloat16, ties to even; infinity beyond them."""
    if x == 0.0 or x - x != 0.0:
        return x
    last = max(math.frexp(x)[1], -125) - 8  # the power of two that its last bit is worth
    if last > 120:
        return math.copysign(math.inf, x)
    y = math.ldexp(round(math.ldexp(x, -last)), last)
    return math.copysign(y if abs(y) < 2.0**128 else math.inf, x)


def to_odd(n: int) -> float:
    """Return an integer cut to 53 bits, the last of them 1 if something was cut off.

    Rounded to a narrower type this gives what the integer itself does.
    """
    shift = max(0, n.bit_length() - 53)
    return math.ldexp(float(n >> shift | (n % (1 << shift) != 0)), shift)


def convert(x: Number, dtype: str) -> Number:
    """Return a number as one of a type.

    Floats are rounded to nearest, ties to even. An integer type cuts the fraction of a float off
    and takes the nearest number it has, 0 for NaN; of an integer it keeps the last bits, in two's
    complement. A bool is x != 0.
    """
    if dtype == "bool":
        return x != 0
    if dtype == "float64":
        return float(x)
    if dtype in BOUNDS:
        low, high = BOUNDS[dtype]
        if not isinstance(x, float):
            return (x - low) % (high - low + 1) + low
        return 0 if x != x else low if x < low else high if x > high else int(x)
    y = x if isinstance(x, float) else to_odd(x)
    return ROUNDED[dtype](y)


ROUNDED = {"float32": to_float32, "float16": to_float16, "bfloat16": to_bfloat16}


# ---- shapes ----------------------------------------------------------------------------------


def indices(shape: Sequence[int]) -> Iterator[Index]:
    """Yield the index of each element, in row-major order.

    Raises:
        MemoryError: there are more than lists of Python are for.
    """
    if count_of(shape) > MOST_ELEMENTS or max(shape, default=0) > MOST_ELEMENTS:
        raise MemoryError(f"shape {tuple(shape)} is too large for pure Python")
    return itertools.product(*map(range, shape))


def count_of(shape: Sequence[int]) -> int:
    """Return the number of elements."""
    count = 1
    for n in shape:
        count *= n
    return count


def position(index: Sequence[int], shape: Sequence[int]) -> int:
    """Return where in row-major order an element lies."""
    result = 0
    for i, n in zip(index, shape, strict=True):
        result = result * n + i
    return result


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Return the shape that arrays are repeated to, to be of one shape.

    Raises:
        ValueError: there are sizes on an axis, counted from the last, that differ and are not 1.
    """
    rank = max(map(len, shapes))
    result = [1] * rank
    for shape in shapes:
        for d, n in enumerate(shape, rank - len(shape)):
            if n != 1 and result[d] not in (1, n):
                raise ValueError(f"shapes {' and '.join(map(str, shapes))} cannot be broadcast")
            result[d] = n if n != 1 else result[d]
    return tuple(result)


# ---- arrays ----------------------------------------------------------------------------------


class Array:
    """Numbers of one type in row-major order.

    Args:
        dtype: a name in DTYPES.
        shape: the size of each axis.
        values: as many numbers; they are converted to the type.
    """

    __slots__ = ("dtype", "shape", "values")

    def __init__(self, dtype: str, shape: Iterable[int], values: Iterable[Number]) -> None:
        self.dtype = dtype
        self.shape = tuple(shape)
        self.values = [convert(x, dtype) for x in values]
        if len(self.values) != count_of(self.shape):
            raise ValueError(f"{len(self.values)} numbers do not fill the shape {self.shape}")

    @classmethod
    def build(cls, dtype: str, shape: Iterable[int], element: Callable[[Index], Any]) -> Array:
        """Make the array whose element at each index is element(index)."""
        shape = tuple(shape)
        return cls(dtype, shape, [element(i) for i in indices(shape)])

    def copy(self) -> Array:
        """Return an array of the same numbers."""
        return Array(self.dtype, self.shape, self.values)

    def cast(self, dtype: str) -> Array:
        """Return the numbers as numbers of another type."""
        return Array(dtype, self.shape, self.values)

    def expand(self, shape: Shape) -> Array:
        """Repeat the numbers along new axes before the others, and along axes of size 1.

        Raises:
            ValueError: another size differs from the shape's.
        """
        added = len(shape) - len(self.shape)
        if added < 0 or any(n not in (1, shape[d]) for d, n in enumerate(self.shape, added)):
            raise ValueError(f"expand: shape {self.shape} does not fit {tuple(shape)}")

        def element(i: Index) -> Any:
            return self[
                tuple(0 if n == 1 else k for k, n in zip(i[added:], self.shape, strict=True))
            ]

        return Array.build(self.dtype, shape, element)

    def __getitem__(self, index: Index) -> Any:
        """Return the number at an index, a tuple of an int for each axis."""
        return self.values[position(index, self.shape)]

    def __setitem__(self, index: Index, number: Number) -> None:
        """Change the number at an index."""
        self.values[position(index, self.shape)] = convert(number, self.dtype)

    def row(self, index: Index) -> list[Any]:
        """Return the numbers along the last axis, at an index of the others."""
        n = self.shape[-1]
        first = position(index, self.shape[:-1]) * n
        return self.values[first : first + n]

    def tolist(self) -> Any:
        """Return nested lists, or the number of an array without axes."""

        def nested(d: int, first: int) -> Any:
            if d == len(self.shape):
                return self.values[first]
            size = count_of(self.shape[d + 1 :])
            return [nested(d + 1, first + i * size) for i in range(self.shape[d])]

        return nested(0, 0)

    def __repr__(self) -> str:
        return f"Array({self.tolist()}, {self.dtype})"


def array(data: Any, dtype: str | None = None) -> Array:
    """Make an array of a number, or of lists of lists ... of numbers.

    Args:
        data: what Array.tolist() returns.
        dtype: by default float32 if there is a float, int64 if there is an int, else bool; and
            float32 if there is nothing.

    Raises:
        ValueError: lists of one depth differ in length.
        TypeError: there is something else than numbers and lists.
        OverflowError: an int is beyond the bounds of an integer type.

    Example:
        >>> array([[1, 2.5], [3, 4]])
        Array([[1.0, 2.5], [3.0, 4.0]], float32)
    """
    shape: list[int] = []
    level = [data]
    while level and isinstance(level[0], (list, tuple)):
        shape.append(len(level[0]))
        if any(not isinstance(x, (list, tuple)) or len(x) != shape[-1] for x in level):
            raise ValueError(f"lists differ in length or depth at axis {len(shape) - 1}")
        level = [x for row in level for x in row]
    for x in level:
        if isinstance(x, (list, tuple)):
            raise ValueError(f"lists differ in length or depth at axis {len(shape)}")
        if not isinstance(x, (bool, int, float)):
            raise TypeError(f"an array is made of numbers, not {type(x).__name__}")
    if dtype is None:
        dtype = max(map(dtype_of, level), key=DTYPES.index, default="float32")
    if dtype not in DTYPES:
        raise TypeError(f"dtype {dtype!r} is none of {', '.join(DTYPES)}")
    for x in level:
        if dtype in BOUNDS and isinstance(x, int) and convert(x, dtype) != x:
            raise OverflowError(f"{x} is beyond the bounds of {dtype}")
    return Array(dtype, shape, level)
