"""New tensors: constants, ranges, random numbers.

Random numbers come from a generator of `pymicrograd.random`, one call of its methods for each
element in row-major order, so that a loop over scalars draws the same.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, DTypeError, ShapeError
from .arguments import as_ints, as_shape
from .conversion import as_tensor, is_array, new, shared
from .devices import check_device
from .dtypes import as_dtype, dtype, float32, float64, int64
from .leaves import INTEGERS, NORMAL, PERMUTATION, UNIFORM, blank, constant, draw, ramp
from .ops import OPS, TensorBase, apply, cast

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "arange", "asarray", "empty", "empty_like", "empty_permuted", "empty_strided", "eye", "full",
    "full_like", "linspace", "logspace", "ones", "ones_like", "rand", "rand_like", "randint",
    "randn", "randn_like", "randperm", "scalar_tensor", "zeros", "zeros_like",
]  # fmt: skip


def shape_from(sizes: tuple[Any, ...], size: Any, what: str) -> tuple[int, ...]:
    """Read a shape that is given as sizes, as one sequence, or by name."""
    if size is None:
        return as_shape(sizes, what)
    if sizes:
        raise TypeError(f"{what}: size is given twice, as {sizes} and as size={size}")
    return as_shape((size,), what)


# What PyTorch says of memory, and what is as it is here.
HINTS = ("layout", "memory_format", "pin_memory", "non_blocking")


def check_hints(hints: dict[str, Any]) -> None:
    """Refuse what constructors do not take: `out`, and what PyTorch has not either."""
    for name, value in hints.items():
        if name == "out" and value is not None:
            raise TypeError("out= is not taken: results are new tensors, write out.copy_(...)")
        if name not in (*HINTS, "out"):
            raise TypeError(
                f"got an unexpected keyword argument {name!r}: a constructor's are dtype, device "
                "and requires_grad"
            )


def finish(
    made: Tensor, requires_grad: bool, device: Any = None, hints: dict[str, Any] | None = None
) -> Tensor:
    """Return a new leaf, with the arguments that all constructors take."""
    if hints:
        check_hints(hints)
    check_device(device)
    if requires_grad:
        made.requires_grad = requires_grad  # which refuses what is no bool
    return made


def zeros(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return a Tensor of zeros, by default of float32."""
    kind = float32 if dtype is None else as_dtype(dtype)
    made = blank(shape_from(sizes, size, "zeros"), kind, "zeros")
    return finish(made, requires_grad, device, hints)


def empty(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return a Tensor whose elements mean nothing; they are zeros."""
    shape = shape_from(sizes, size, "empty")
    return zeros(shape, dtype=dtype, requires_grad=requires_grad, device=device, **hints)


def ones(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return a Tensor of ones, by default of float32."""
    kind = float32 if dtype is None else as_dtype(dtype)
    return finish(
        constant(shape_from(sizes, size, "ones"), 1, kind, "ones"), requires_grad, device, hints
    )


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return a Tensor with every element the same; its type is the number's, as in `tensor`."""
    kind = new(fill_value, None).dtype if dtype is None else as_dtype(dtype)
    made = constant(as_shape((size,), "full"), fill_value, kind, "full")
    return finish(made, requires_grad, device, hints)


def zeros_like(
    input: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return zeros of input's shape and, unless told otherwise, type."""
    kind = input.dtype if dtype is None else dtype
    return zeros(input.shape, dtype=kind, requires_grad=requires_grad, device=device, **hints)


def ones_like(
    input: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return ones of input's shape and, unless told otherwise, type."""
    kind = input.dtype if dtype is None else dtype
    return ones(input.shape, dtype=kind, requires_grad=requires_grad, device=device, **hints)


def empty_like(
    input: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return a Tensor of input's shape and type whose elements mean nothing."""
    return zeros_like(input, dtype=dtype, requires_grad=requires_grad, device=device, **hints)


def full_like(
    input: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return a Tensor of input's shape and, unless told otherwise, type with equal elements."""
    kind = input.dtype if dtype is None else dtype
    return full(
        input.shape, fill_value, dtype=kind, requires_grad=requires_grad, device=device, **hints
    )


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return an object as a Tensor: as it is, sharing memory where possible; or a copy.

    Args:
        copy: True for a copy in any case; False refuses one.

    Raises:
        ValueError: copy is False, and a copy is needed.
    """
    made = as_tensor(obj, dtype=dtype, device=device)
    shares = isinstance(obj, TensorBase) and made is obj
    if copy is False and not shares and not is_array(obj):
        raise ArgumentError("asarray: a copy is needed of what is no array; leave copy=False out")
    if copy:
        made = made.detach().clone()
    return finish(made, requires_grad)


def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return a number as a Tensor of shape (), by default of float32."""
    kind = float32 if dtype is None else as_dtype(dtype)
    return finish(constant((), s, kind, "scalar_tensor"), requires_grad, device, hints)


def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, requires_grad: bool = False,
    device: Any = None, **hints: Any,
) -> Tensor:  # fmt: skip
    """Return zeros whose axes lie in memory in the order given, the last one closest.

    Raises:
        ShapeError: the order does not name each axis once.
    """
    shape, order = (
        as_shape((size,), "empty_permuted"),
        as_ints((physical_layout,), "empty_permuted"),
    )
    if sorted(order) != list(range(len(shape))):
        raise ShapeError(f"empty_permuted: {order} does not name each of {len(shape)} axes once")
    made = zeros([shape[axis] for axis in order], dtype=dtype)
    back = sorted(range(len(order)), key=order.__getitem__)
    return finish(made.permute(back).detach(), requires_grad, device, hints)


def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return zeros whose neighbours along each axis lie so many elements apart.

    Raises:
        ShapeError: there are not as many strides as axes, or a negative one.
    """
    shape, strides = as_shape((size,), "empty_strided"), as_ints((stride,), "empty_strided")
    if len(shape) != len(strides):
        raise ShapeError(f"empty_strided: {len(strides)} strides for {len(shape)} axes")
    if any(step < 0 for step in strides):
        raise ShapeError(f"empty_strided: strides are 0 or more, not {tuple(strides)}")
    import numpy

    kind = float32 if dtype is None else as_dtype(dtype)
    last = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) if all(shape) else -1
    memory = numpy.zeros(last + 1, kind.typestr)
    steps = [step * kind.itemsize for step in strides]
    made = shared(numpy.lib.stride_tricks.as_strided(memory, shape, steps), kind)
    return finish(made, requires_grad, device, hints)


# ---- ranges and matrices ---------------------------------------------------------------------


def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return start, start + step, start + 2 * step ... below end; int64 if all are ints.

    Element i is start + i * step, in float64 unless all are ints, and is then rounded to dtype.
    """
    if end is None:
        start, end = None, start
    if end is None:
        raise TypeError("arange: the end is missing: arange(end) or arange(start, end, step)")
    start = 0 if start is None else start
    bounds = [x.item() if hasattr(x, "item") else x for x in (start, end, step)]
    if dtype is not None and as_dtype(dtype) is int64 and all(map(math.isfinite, bounds)):
        bounds = [int(x) for x in bounds]  # before anything is computed, as PyTorch does
    whole = all(isinstance(x, int) for x in bounds)
    start, end, step = bounds if whole else map(float, bounds)
    if step == 0 or not math.isfinite(end - start):
        raise ArgumentError(f"arange: no steps of {step} lead from {start} to {end}")
    if (end - start) * step < 0:
        raise ArgumentError(f"arange: steps of {step} lead away from {end}, starting at {start}")
    count = len(range(start, end, step)) if whole else max(0, math.ceil((end - start) / step))
    kind = (int64 if whole else float32) if dtype is None else as_dtype(dtype)
    return finish(cast(ramp(count, start, step, "arange"), kind), requires_grad, device, hints)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return steps numbers from start to end, both included, at equal distances.

    With d = (end - start) / (steps - 1) in float64, the first half is start + i * d, the second
    end - (steps - 1 - i) * d, rounded to dtype, by default float32.
    """
    start, end, steps = float(start), float(end), operator.index(steps)
    if dtype is not None and as_dtype(dtype).kind == 1:
        start, end = float(int(start)), float(int(end))  # as PyTorch does
    if steps < 0:
        raise ArgumentError(f"linspace: {steps} is no number of steps")
    distance = (end - start) / (steps - 1) if steps > 1 else 0.0
    half = (steps + 1) // 2
    kind = float32 if dtype is None else as_dtype(dtype)
    first = ramp(half, start, distance, "linspace")
    second = ramp(steps - half, end, -distance, "linspace").flip(0)
    made = apply(OPS["cat"], (first, second), (0,))
    return finish(cast(made, kind), requires_grad, device, hints)


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, dtype: Any = None,
    requires_grad: bool = False, device: Any = None, **hints: Any,
) -> Tensor:  # fmt: skip
    """Return base**x for x of `linspace`, computed in float64, by default of float32."""
    powers = linspace(float(start), float(end), steps, dtype=float64)
    if dtype is not None and as_dtype(dtype).kind == 1:
        powers = linspace(float(int(start)), float(int(end)), steps, dtype=float64)
    made = new(float(base), float64).pow(powers)
    kind = float32 if dtype is None else as_dtype(dtype)
    return finish(cast(made, kind), requires_grad, device, hints)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return ones on the diagonal of an (n, m) matrix of zeros; m is n by default."""
    rows, columns = as_shape((n, n if m is None else m), "eye")
    made = blank((rows, columns), float32 if dtype is None else as_dtype(dtype), "eye")
    count = min(rows, columns)
    if count:
        flat = made.reshape(rows * columns)
        kind = made.dtype
        flat[: (count - 1) * columns + count : columns + 1] = new(1, kind)
    return finish(made, requires_grad, device, hints)


# ---- random numbers --------------------------------------------------------------------------


def floating(kind: Any, what: str) -> dtype:
    """Return a type of floats, by default float32."""
    found = float32 if kind is None else as_dtype(kind)
    if not found.is_floating_point:
        raise DTypeError(f"{what} makes floats, not {found.name}")
    return found


Options = tuple[bool, Any, dict[str, Any]]  # requires_grad, device, hints, as for `finish`


def check_options(options: Options, kind: dtype) -> None:
    """Refuse options of a leaf of random numbers before one is drawn."""
    if any(options):
        finish(blank((0,), kind, "random numbers"), *options)


def drawn(
    which: int, shape: tuple[int, ...], kind: dtype, options: Options, generator: Any,
    a: float = 0.0, b: float = 0.0, low: int = 0, high: int = 0,
) -> Tensor:  # fmt: skip
    """Return random numbers as a new leaf of a type; other arguments are those of `draw`."""
    check_options(options, kind)
    source = kind if which in (UNIFORM, NORMAL) else int64
    made = draw(which, shape, source, a, b, generator, low, high)
    return finish(cast(made, kind), *options)


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return multiples of 2**-24 from [0, 1), `generator.random()` for each element."""
    kind, options = floating(dtype, "rand"), (requires_grad, device, hints)
    return drawn(UNIFORM, shape_from(sizes, size, "rand"), kind, options, generator, 0.0, 1.0)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return normal numbers, `generator.normal()` for each element."""
    kind, options = floating(dtype, "randn"), (requires_grad, device, hints)
    return drawn(NORMAL, shape_from(sizes, size, "randn"), kind, options, generator, 0.0, 1.0)


def randint(
    low: Any = None,
    high: Any = None,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return ints from low, by default 0, to high - 1.

    Each is low + u % (high - low) for `u = generator.random_u32()`, or for 64 bits, the high ones
    first, where high - low is above 2**32.

    Example:
        >>> randint(10, (3,)).shape, randint(-5, 5, (2, 2)).shape
        ((3,), (2, 2))
    """
    if size is None:
        low, high, size = None, low, high
    elif high is None:
        low, high = None, low
    low = 0 if low is None else low
    if size is None or high is None:
        raise TypeError("randint: size is missing: randint(low, high, size) or randint(high, size)")
    low, high = operator.index(low), operator.index(high)
    if low >= high:
        raise ArgumentError(f"randint: no int is at least low {low} and below high {high}")
    if not -(2**63) <= low < high < 2**63:
        raise ArgumentError(f"randint: there are no ints of 64 bits from {low} to below {high}")
    kind = int64 if dtype is None else as_dtype(dtype)
    shape = as_shape((size,), "randint")
    options = requires_grad, device, hints
    return drawn(INTEGERS, shape, kind, options, generator, low=low, high=high)


def randperm(
    n: int,
    *,
    generator: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return 0 .. n - 1 in random order, as `generator.shuffle` leaves `list(range(n))`."""
    kind, options = int64 if dtype is None else as_dtype(dtype), (requires_grad, device, hints)
    return drawn(PERMUTATION, as_shape((n,), "randperm"), kind, options, generator)


def rand_like(
    input: Any,
    *,
    generator: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return `rand` of input's shape and, unless told otherwise, type."""
    kind = input.dtype if dtype is None else dtype
    return rand(
        input.shape, generator=generator, dtype=kind, requires_grad=requires_grad, device=device,
        **hints,
    )  # fmt: skip


def randn_like(
    input: Any,
    *,
    generator: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """Return `randn` of input's shape and, unless told otherwise, type."""
    kind = input.dtype if dtype is None else dtype
    return randn(
        input.shape, generator=generator, dtype=kind, requires_grad=requires_grad, device=device,
        **hints,
    )  # fmt: skip
