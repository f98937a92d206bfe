"""New tensors: constants, ranges, random numbers.

Random numbers come from a generator of `pymicrograd.random`, one call of its methods for each
element in row-major order, so that a loop over scalars draws the same.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from . import _core
from .dtypes import as_dtype, dtype, float32, float64, int64
from .errors import DTypeError, MicrogradError, OutOfMemoryError, ShapeError
from .interchange import cast, check_device, new, shorten

if TYPE_CHECKING:
    from ._tensor import Tensor

__all__ = [
    "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like",
    "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "tril", "triu", "zeros",
    "zeros_like",
]  # fmt: skip

TensorBase = _core.TensorBase
UNIFORM, NORMAL, INTEGERS = range(3)


def as_ints(items: tuple[Any, ...], what: str) -> list[int]:
    """Return ints given as one sequence or as several."""
    try:
        row = items if len(items) != 1 or hasattr(items[0], "__index__") else tuple(items[0])
        return [operator.index(item) for item in row]
    except TypeError:
        given = ", ".join(map(shorten, items))
        raise TypeError(f"{what}: ints are needed, or one sequence of them, not {given}") from None


def as_shape(sizes: tuple[Any, ...], what: str) -> tuple[int, ...]:
    """Return a shape given as one sequence or as several ints."""
    shape = tuple(as_ints(sizes, what))
    if any(size < 0 for size in shape):
        raise ShapeError(f"{what}: shape {shape} has a negative size")
    if len(shape) > 8:
        raise ShapeError(f"{what}: a tensor has at most 8 axes, not {len(shape)}")
    return shape


def finish(made: Tensor, requires_grad: bool, device: Any = None) -> Tensor:
    """Return a new leaf, with the arguments that all constructors take."""
    check_device(device)
    if requires_grad:
        made.requires_grad = True
    return made


def blank(shape: tuple[int, ...], kind: dtype, what: str) -> Tensor:
    """Return a leaf of zeros."""
    try:
        return TensorBase._new(kind.number, shape, 0)
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


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Return a Tensor of zeros, by default of float32."""
    kind = float32 if dtype is None else as_dtype(dtype)
    made = blank(as_shape(size, "zeros"), kind, "zeros")
    return finish(made, requires_grad, device)


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Return a Tensor whose elements mean nothing; they are zeros."""
    return zeros(*size, dtype=dtype, requires_grad=requires_grad, device=device)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Return a Tensor of ones, by default of float32."""
    kind = float32 if dtype is None else as_dtype(dtype)
    return finish(constant(as_shape(size, "ones"), 1, kind, "ones"), requires_grad, device)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return a Tensor with every element the same; its type is the number's, as in `tensor`."""
    kind = new(fill_value, None).dtype if dtype is None else as_dtype(dtype)
    made = constant(as_shape((size,), "full"), fill_value, kind, "full")
    return finish(made, requires_grad, device)


def zeros_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of x's shape and, unless told otherwise, type."""
    return zeros(x.shape, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def ones_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones of x's shape and, unless told otherwise, type."""
    return ones(x.shape, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def empty_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a Tensor of x's shape and type whose elements mean nothing."""
    return zeros_like(x, dtype=dtype, requires_grad=requires_grad)


def full_like(x: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a Tensor of x's shape and, unless told otherwise, type with equal elements."""
    kind = x.dtype if dtype is None else dtype
    return full(x.shape, fill_value, dtype=kind, requires_grad=requires_grad)


# ---- ranges and matrices ---------------------------------------------------------------------


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return start, start + step, start + 2 * step ... below end; int64 if all are ints.

    Element i is start + i * step, in float64 unless all are ints, and is then rounded to dtype.
    """
    if end is None:
        start, end = 0, start
    bounds = [x.item() if hasattr(x, "item") else x for x in (start, end, step)]
    whole = all(isinstance(x, int) for x in bounds)
    start, end, step = bounds if whole else map(float, bounds)
    if step == 0 or not math.isfinite(end - start):
        raise ValueError(f"arange: no steps of {step} lead from {start} to {end}")
    count = len(range(start, end, step)) if whole else max(0, math.ceil((end - start) / step))
    kind = (int64 if whole else float32) if dtype is None else as_dtype(dtype)
    return finish(cast(ramp(count, start, step, "arange"), kind), requires_grad, device)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return steps numbers from start to end, both included, at equal distances.

    With d = (end - start) / (steps - 1) in float64, the first half is start + i * d, the second
    end - (steps - 1 - i) * d, rounded to dtype, by default float32.
    """
    start, end, steps = float(start), float(end), operator.index(steps)
    if steps < 0:
        raise ValueError(f"linspace: {steps} is no number of steps")
    distance = (end - start) / (steps - 1) if steps > 1 else 0.0
    half = (steps + 1) // 2
    kind = float32 if dtype is None else as_dtype(dtype)
    first = ramp(half, start, distance, "linspace")
    second = ramp(steps - half, end, -distance, "linspace").flip(0)
    made = TensorBase._apply(_core.OPS["cat"], (first, second), (0,))
    return finish(cast(made, kind), requires_grad, device)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones on the diagonal of an (n, m) matrix of zeros; m is n by default."""
    rows, columns = as_shape((n, n if m is None else m), "eye")
    made = blank((rows, columns), float32 if dtype is None else as_dtype(dtype), "eye")
    count = min(rows, columns)
    if count:
        flat = made.reshape(rows * columns)
        kind = made.dtype
        flat[: (count - 1) * columns + count : columns + 1] = new(1, kind)
    return finish(made, requires_grad)


def below_diagonal(x: Any, diagonal: int) -> Tensor:
    """Return where column - row <= diagonal in x's last two axes, as bools."""
    if x.ndim < 2:
        raise ShapeError(f"tril and triu are of matrices, not of shape {x.shape}")
    rows = arange(x.shape[-2]).reshape(-1, 1)
    return arange(x.shape[-1]) - rows <= operator.index(diagonal)


def tril(x: Any, diagonal: int = 0) -> Tensor:
    """Return x with zeros above a diagonal of its last two axes."""
    return TensorBase._apply(
        _core.OPS["where"], (below_diagonal(x, diagonal), x, zeros(dtype=x.dtype))
    )


def triu(x: Any, diagonal: int = 0) -> Tensor:
    """Return x with zeros below a diagonal of its last two axes."""
    below = below_diagonal(x, operator.index(diagonal) - 1)
    return TensorBase._apply(_core.OPS["where"], (below, zeros(dtype=x.dtype), x))


# ---- random numbers --------------------------------------------------------------------------


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
        from .random import default_generator

        generator = default_generator()
    address = _core.address_of_rng(generator)
    drawn = float64 if kind is float64 else float32
    try:
        made = TensorBase._random(address, which, drawn.number, shape, a, b, low, high)
    except MemoryError as error:
        raise no_memory(error, shape, drawn, "random numbers") from None
    return cast(made, kind)


def floating(kind: Any, what: str) -> dtype:
    """Return a type of floats, by default float32."""
    found = float32 if kind is None else as_dtype(kind)
    if not found.is_floating_point:
        raise DTypeError(f"{what} makes floats, not {found.name}")
    return found


def rand(
    *size: Any,
    generator: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return multiples of 2**-24 from [0, 1), `generator.random()` for each element."""
    made = draw(UNIFORM, as_shape(size, "rand"), floating(dtype, "rand"), 0.0, 1.0, generator)
    return finish(made, requires_grad, device)


def randn(
    *size: Any,
    generator: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Return normal numbers, `generator.normal()` for each element."""
    made = draw(NORMAL, as_shape(size, "randn"), floating(dtype, "randn"), 0.0, 1.0, generator)
    return finish(made, requires_grad, device)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Return ints from low, by default 0, to high - 1.

    Each is low + u % (high - low) for `u = generator.random_u32()`, or for 64 bits, the high ones
    first, where high - low is above 2**32.

    Example:
        >>> randint(10, (3,)).shape, randint(-5, 5, (2, 2)).shape
        ((3,), (2, 2))
    """
    if size is None:
        low, high, size = 0, low, high
    low, high = operator.index(low), operator.index(high)
    if not -(2**63) <= low < high < 2**63:
        raise ValueError(f"randint: there are no ints of 64 bits from {low} to below {high}")
    kind = int64 if dtype is None else as_dtype(dtype)
    shape = as_shape((size,), "randint")
    made = draw(INTEGERS, shape, int64, 0.0, 0.0, generator, low, high)
    return finish(cast(made, kind), False, device)


def randperm(n: int, *, generator: Any = None, dtype: Any = None) -> Tensor:
    """Return 0 .. n - 1 in random order, as `generator.shuffle` leaves `list(range(n))`."""
    if generator is None:
        from .random import default_generator

        generator = default_generator()
    items = list(range(operator.index(n)))
    generator.shuffle(items)
    return new(items, int64 if dtype is None else as_dtype(dtype))


def rand_like(x: Any, *, generator: Any = None, dtype: Any = None) -> Tensor:
    """Return `rand` of x's shape and, unless told otherwise, type."""
    return rand(x.shape, generator=generator, dtype=x.dtype if dtype is None else dtype)


def randn_like(x: Any, *, generator: Any = None, dtype: Any = None) -> Tensor:
    """Return `randn` of x's shape and, unless told otherwise, type."""
    return randn(x.shape, generator=generator, dtype=x.dtype if dtype is None else dtype)
