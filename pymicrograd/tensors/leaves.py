"""New leaves: of zeros, of one number, of ranges, of random numbers; and triangles of ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import _core
from ..errors import MicrogradError, OutOfMemoryError, ShapeError
from ..random import default_generator
from .arguments import as_int
from .conversion import new
from .dtypes import dtype, float32, float64
from .ops import OPS, TensorBase, apply, cast

if TYPE_CHECKING:
    from .tensor import Tensor

UNIFORM, NORMAL, INTEGERS, PERMUTATION = range(4)


def blank(shape: tuple[int, ...], kind: dtype, what: str) -> Tensor:
    """Return a leaf of zeros."""
    try:
        return TensorBase._new(kind.number, shape, None)
    except MemoryError as error:
        raise no_memory(error, shape, kind, what) from None


def no_memory(error: MemoryError, shape: tuple[int, ...], kind: dtype, what: str) -> MemoryError:
    """Return the error of a call that has no memory for a shape."""
    size = math.prod(shape) * kind.itemsize
    made = type(error) if isinstance(error, MicrogradError) else OutOfMemoryError
    return made(
        f"{what}: out of memory, or over the byte limit: shape {shape} of {kind.name} takes "
        f"{size} bytes"
    )


def ramp(count: int, start: Any, step: Any, what: str) -> Tensor:
    """Return a leaf of start + i * step, of int64 or float64."""
    try:
        return TensorBase._ramp(count, start, step)
    except MemoryError as error:
        raise no_memory(error, (count,), float64, what) from None


def constant(shape: tuple[int, ...], value: Any, kind: dtype, what: str) -> Tensor:
    """Return a leaf of a shape with every element the same."""
    made = blank(shape, kind, what)
    made._write(new(value, kind))
    return made


def draw(
    which: int,
    shape: tuple[int, ...],
    kind: dtype,
    a: float,
    b: float,
    generator: Any,
    low: int = 0,
    high: int = 0,
) -> Tensor:
    """Draw the elements of a new leaf from a generator, by default the package's."""
    if generator is None:
        generator = default_generator()
    address = _core.address_of_rng(generator)
    _core.note_generator(generator)
    drawn = float64 if kind is float64 else float32
    try:
        made = TensorBase._random(address, which, drawn.number, shape, a, b, low, high)
    except MemoryError as error:
        raise no_memory(error, shape, drawn, "random numbers") from None
    return cast(made, kind)


def below_diagonal(x: Any, diagonal: int, what: str) -> Tensor:
    """Return where column - row <= diagonal in x's last two axes, as bools."""
    if x.ndim < 2:
        raise ShapeError(f"{what}: two axes are needed at least, not shape {x.shape}")
    rows = ramp(x.shape[-2], 0, 1, what).reshape(-1, 1)
    return ramp(x.shape[-1], 0, 1, what) - rows <= diagonal


def tril(input: Any, diagonal: int = 0) -> Tensor:
    """Return input with zeros above a diagonal of its last two axes."""
    below = below_diagonal(input, as_int(diagonal, "tril: the diagonal"), "tril")
    return apply(OPS["where"], (below, input, blank((), input.dtype, "tril")))


def triu(input: Any, diagonal: int = 0) -> Tensor:
    """Return input with zeros below a diagonal of its last two axes."""
    below = below_diagonal(input, as_int(diagonal, "triu: the diagonal") - 1, "triu")
    return apply(OPS["where"], (below, blank((), input.dtype, "triu"), input))
