"""The rows that the ops on arrays are tried on, and the two engines behind one interface.

`good(op)` and `bad(op)` make the cases of a row of ops.def from its name, the same ones every
time. An operand is a type, a shape and numbers of that type, and how it lies in C's memory; the
reference knows no memory. `Case.how` has the reference's names, `FLAT` makes of them the integers
and numbers that the C op takes.
"""

from __future__ import annotations

import itertools
import math
import operator
import random
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pymicrograd
from pymicrograd import _core, autograd
from pymicrograd.reference import tensor as reference
from pymicrograd.reference.array import BOUNDS, Array, convert, count_of, indices, is_float
from pymicrograd.reference.array_ops import ARRAYS
from pymicrograd.reference.element_ops import NUMBERS_AND_BOOLS, NUMBERS_ONLY
from pymicrograd.reference.element_ops import ROWS as ELEMENTS
from pymicrograd.tensors.dtypes import as_dtype

Shape = tuple[int, ...]
How = dict[str, Any]

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("int64", "int32", "uint8", "int8", "int16")
DTYPES = (*FLOATS, *INTEGERS, "bool")

# ---- operands and cases --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Operand:
    """An array; the same object twice among operands is one tensor.

    Attributes:
        layout: how it lies in C's memory, a name in LAYOUTS.
        gradient: whether it requires a gradient, if it is of floats.
    """

    dtype: str
    shape: Shape
    values: tuple[Any, ...]
    layout: str = "rows"
    gradient: bool = True

    def __repr__(self) -> str:
        return f"Operand({self.dtype}, {self.shape}, {self.layout}, {list(self.values)})"


@dataclass(frozen=True, eq=False)
class Case:
    """A call of an op.

    Attributes:
        operands: Operands, and Python numbers.
        how: the other arguments.
        smooth: derivatives can be told from differences of values.
        raises: of a bad case, the builtin class that either engine's exception derives from.
        backward: a bad case fails in `backward`, with a gradient of the shape `seed`, or none.
    """

    op: str
    operands: tuple[Any, ...]
    how: How = field(default_factory=dict)
    smooth: bool = False
    raises: type[Exception] | None = None
    backward: bool = False
    seed: Shape | None = None

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(map(repr, self.operands))}, {self.how})"


# ---- the engines ---------------------------------------------------------------------------------


def axes_mask(operands: Sequence[Any], how: How) -> int:
    """Return a bit for each axis; None is all."""
    axes = how.get("axes")
    return sum(1 << d for d in (range(operands[0].ndim) if axes is None else axes))


def reduction(operands: Sequence[Any], how: How) -> tuple[Any, ...]:
    numbers = (float(how["correction"]),) if "correction" in how else ()
    return (axes_mask(operands, how), int(how.get("keep", False))), numbers


def one_axis(operands: Sequence[Any], how: How) -> tuple[Any, ...]:
    return ((how["axis"],),)


def choice(operands: Sequence[Any], how: How) -> tuple[Any, ...]:
    axis = how.get("axis")
    return ((-1 if axis is None else axis, int(how.get("keep", False))),)


def listed(*names: str) -> Callable[..., tuple[Any, ...]]:
    """Return what joins arguments to one list of integers."""
    return lambda operands, how: (tuple(itertools.chain(*(how[name] for name in names))),)


def windows(first: str) -> Callable[..., tuple[Any, ...]]:
    join = listed(first, "stride", "dilation")
    return lambda operands, how: ((len(how[first]), *join(operands, how)[0]),)


# What a C op takes beside its operands: integers, then numbers.
FLAT: dict[str, Callable[..., tuple[Any, ...]]] = {
    "pow_number": lambda operands, how: ((), (float(how["k"]),)),
    "reshape": listed("shape"),
    "permute": listed("axes"),
    "expand": listed("shape"),
    "slice": listed("start", "step", "count"),
    "window": windows("size"),
    "cast": lambda operands, how: ((as_dtype(how["dtype"]).number,),),
    "pad": lambda operands, how: (
        (*how["before"], *how["after"]), (float(how.get("value", 0.0)),)
    ),
    "spread": listed("shape", "start", "step"),
    "fold": windows("n"),
    "convolve": windows("size"),
    "cat": one_axis,
    "assign": listed("start", "step", "count"),
    "gather": one_axis,
    "scatter_add": one_axis,
    **dict.fromkeys(("sum", "mean", "prod", "amax", "amin", "any", "all"), reduction),
    **dict.fromkeys(("var", "std", "logsumexp"), reduction),
    **dict.fromkeys(("cumsum", "softmax", "log_softmax"), one_axis),
    "argmax_window": windows("size"),
    "argmax": choice,
    "argmin": choice,
    "cross_entropy": lambda operands, how: (
        (how.get("reduction", 2), how.get("ignored", -100)), (how.get("smoothing", 0.0),)
    ),
    "layer_norm": lambda operands, how: ((how.get("axes", 1),), (how.get("epsilon", 1e-5),)),
    "rms_norm": lambda operands, how: ((how.get("axes", 1),), (how.get("epsilon", 1e-5),)),
    **dict.fromkeys(
        ("group_norm", "group_back", "group_sums"),
        lambda operands, how: ((how.get("groups", 1),), (how.get("epsilon", 1e-5),)),
    ),
}  # fmt: skip

# Ops that a number as first operand is given to by Python's operators.
FROM_THE_RIGHT: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "pow": operator.pow, "floor_divide": operator.floordiv, "remainder": operator.mod,
}  # fmt: skip
# Ops that have no method of this name.
INTERNAL = {name for name, op in _core.OPS.items() if op in _core.INTERNAL}


def spread_out(x: Operand, where: Callable[[Any], Any], shape: Shape) -> list[Any]:
    """Return numbers of a larger shape: x's where an index of it leads to, else others."""
    other = 7 if x.dtype in BOUNDS else x.dtype == "bool" or math.nan
    array = Array(x.dtype, x.shape, x.values)
    found = [where(i) for i in indices(shape)]
    return [other if i is None else array[i] for i in found]


def turned(make: Any, x: Operand) -> Any:
    """Lie in memory with the axes in reversed order."""
    shape = x.shape[::-1]
    made = make(spread_out(x, lambda i: i[::-1], shape), x.dtype).reshape(shape)
    return made.permute(*range(len(shape))[::-1])


def stepped(make: Any, x: Operand) -> Any:
    """Lie in memory with a stranger behind each element."""
    shape = (*x.shape[:-1], 2 * x.shape[-1])
    numbers = spread_out(x, lambda i: None if i[-1] % 2 else (*i[:-1], i[-1] // 2), shape)
    return make(numbers, x.dtype).reshape(shape)[..., ::2]


def flipped(make: Any, x: Operand) -> Any:
    """Lie in memory from the last to the first."""
    made = make(x.values[::-1], x.dtype).reshape(x.shape)
    return made[(slice(None, None, -1),) * len(x.shape)]


def cut(make: Any, x: Operand) -> Any:
    """Lie in memory within an array that is larger on the first two axes and the last."""
    rank = len(x.shape)
    first = tuple(int(d < 2 or d == rank - 1) for d in range(rank))
    shape = tuple(n + 3 * k for n, k in zip(x.shape, first, strict=True))

    def inside(i: Shape) -> Shape | None:
        at = tuple(k - start for k, start in zip(i, first, strict=True))
        return at if all(0 <= k < n for k, n in zip(at, x.shape, strict=True)) else None

    made = make(spread_out(x, inside, shape), x.dtype).reshape(shape)
    return made[tuple(slice(k, k + n) for k, n in zip(first, x.shape, strict=True))]


def repeated(make: Any, x: Operand) -> Any:
    """Lie in memory once for all places on the first axis."""
    n = len(x.values) // x.shape[0]
    assert x.values == x.values[:n] * x.shape[0]
    return make(x.values[:n], x.dtype).reshape(x.shape[1:]).expand(x.shape)


LAYOUTS: dict[str, Callable[[Any, Operand], Any]] = {
    "rows": lambda make, x: make(x.values, x.dtype).reshape(x.shape),
    "turned": turned,
    "stepped": stepped,
    "flipped": flipped,
    "cut": cut,
    "repeated": repeated,
}
STRIDED = ("turned", "stepped", "flipped", "cut", "repeated")


def flatten(nested: Any) -> list[Any]:
    """Return the numbers of nested lists."""
    level = [nested]
    while level and isinstance(level[0], list):
        level = [x for row in level for x in row]
    return level


class CEngine:
    """The C core."""

    name = "c"
    Tensor = pymicrograd.Tensor
    ops = tuple(_core.OPS)
    no_grad = staticmethod(pymicrograd.no_grad)

    def leaf(self, x: Operand) -> Any:
        made = LAYOUTS[x.layout](lambda n, kind: pymicrograd.tensor(list(n), dtype=kind), x)
        if x.layout != "rows":
            made = made.detach()
        if x.gradient and is_float(x.dtype):
            made.requires_grad = True
        return made

    def apply(self, op: str, operands: Sequence[Any], how: How) -> Any:
        """Record an op by its name."""
        first, *others = operands
        if op in ELEMENTS and op not in INTERNAL:
            if not isinstance(first, pymicrograd.Tensor) and op in FROM_THE_RIGHT:
                return FROM_THE_RIGHT[op](*operands)
            if any(not isinstance(x, pymicrograd.Tensor) for x in others):
                return getattr(first, op)(*others)
        if op == "where" and any(isinstance(x, (bool, int, float)) for x in others):
            return pymicrograd.where(*operands)
        flat = FLAT[op](operands, how) if op in FLAT else ()
        return _core.TensorBase._apply(_core.OPS[op], tuple(operands), *flat)

    def grad(self, outputs: Any, inputs: Any, seeds: Any, create_graph: bool) -> Any:
        return autograd.grad(outputs, inputs, seeds, create_graph=create_graph, allow_unused=True)

    def digits(self, x: Any) -> Any:
        return digits(x.dtype.name, x.shape, flatten(x.tolist()))


class ReferenceEngine:
    """The same in pure Python."""

    name = "reference"
    Tensor = reference.Tensor
    ops = (*ELEMENTS, *ARRAYS, "detach")  # which is only a method: nothing is recorded
    no_grad = staticmethod(reference.no_grad)

    def leaf(self, x: Operand) -> Any:
        array = Array(x.dtype, x.shape, x.values)
        return reference.Tensor(array, requires_grad=x.gradient and is_float(x.dtype))

    def apply(self, op: str, operands: Sequence[Any], how: How) -> Any:
        """Record an op by its name."""
        if op == "detach" and isinstance(operands[0], reference.Tensor):
            return operands[0].detach()
        if op == "where" and isinstance(operands[0], reference.Tensor):
            return operands[0].where(*operands[1:])
        return reference.apply(op, *operands, **how)

    def grad(self, outputs: Any, inputs: Any, seeds: Any, create_graph: bool) -> Any:
        return reference.grad(outputs, inputs, seeds, create_graph=create_graph, allow_unused=True)

    def digits(self, x: Any) -> Any:
        return digits(x.dtype, x.shape, x.array.values)


Engine = CEngine | ReferenceEngine
ENGINES: tuple[CEngine, ReferenceEngine] = CEngine(), ReferenceEngine()


def digits(dtype: str, shape: Shape, numbers: Sequence[Any]) -> Any:
    """Return what two arrays have in common when they are the same, one NaN like another."""
    if is_float(dtype):
        plain = (x if x == x else math.nan for x in numbers)
        return dtype, shape, struct.pack(f"<{len(numbers)}d", *plain)
    return dtype, shape, tuple(numbers), tuple(map(type, numbers))


def leaves(engine: Engine, case: Case) -> list[Any]:
    """Return a tensor for each operand, the same one for the same operand; numbers as they are."""
    made = {id(x): engine.leaf(x) for x in case.operands if isinstance(x, Operand)}
    return [made.get(id(x), x) for x in case.operands]


def distinct(tensors: Iterable[Any]) -> list[Any]:
    """Return the tensors that require a gradient, each once."""
    return list({id(x): x for x in tensors if getattr(x, "requires_grad", False)}.values())


def seed_for(engine: Engine, x: Any, salt: int, requires: bool = False) -> Any:
    """Return full-mantissa numbers of the shape and type of a tensor."""
    dtype = x.dtype if isinstance(x.dtype, str) else x.dtype.name
    return engine.leaf(seed_operand(dtype, tuple(x.shape), salt, requires))


@cache
def seed_operand(dtype: str, shape: Shape, salt: int, requires: bool) -> Operand:
    rng = random.Random(salt)
    values = [convert(rng.uniform(0.3, 1.7) * rng.choice((1.0, -1.0)), dtype)
              for _ in range(count_of(shape))]  # fmt: skip
    return Operand(dtype, shape, tuple(values), gradient=requires)


def known(engine: Engine, tensors: Any) -> list[Any]:
    """Return the digits of tensors, None for none."""
    return [None if x is None else engine.digits(x) for x in tensors]


def outcome(engine: Engine, case: Case) -> dict[str, Any]:
    """Return the value of a case, and its derivatives of two orders."""
    operands = leaves(engine, case)
    inputs = distinct(operands)
    y = engine.apply(case.op, operands, case.how)
    result: dict[str, Any] = {"value": engine.digits(y), "records": y.requires_grad}
    if not y.requires_grad:
        return result
    seed = seed_for(engine, y, 1, requires=True)
    y.backward(seed)
    result["first"] = known(engine, [x.grad for x in inputs])
    found = engine.grad([y], inputs, [seed], create_graph=True)
    result["recorded"] = known(engine, found)
    roots = [g for g in found if g is not None and g.requires_grad]
    if roots:
        weights = [seed_for(engine, g, 2 + i) for i, g in enumerate(roots)]
        result["second"] = known(engine, engine.grad(roots, [*inputs, seed], weights, False))
    return result


# ---- numbers -------------------------------------------------------------------------------------

COMMON = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 2.0, -3.0, 4.0, math.inf, -math.inf,
          math.nan, 0.7000000000000001, -0.3333333333333333, 1.1, -1.9, 3.14159265358979,
          0.49999999999999994, 1e-3, -1e-5, 12.7, -33.3, 88.9, -104.0)  # fmt: skip
SPECIAL: dict[str, tuple[float, ...]] = {
    "float64": (*COMMON, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1e308,
                1e300, 1e-300, 709.8, -745.2, 4503599627370496.5, 9007199254740993.0, 1e22,
                1.0000000000000002, 0.9999999999999999, 0.7853981633974483),
    "float32": (*COMMON, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3e38, 1e30, 1e-30, 103.97,
                8388607.5, 16777217.0, 1e10, 1.0000001, 0.99999994, 0.7853982),
    "float16": (*COMMON, 6e-8, -6e-8, 6.1e-5, 65504.0, -65504.0, 11.09, -17.4, 1023.5, 2049.0,
                1.001, 0.9995, 0.7856),
    "bfloat16": (*COMMON, 9.2e-41, -9.2e-41, 1.1754944e-38, 3.3895314e38, -3e38, 1e30, 1e-30, 88.7,
                 -103.5, 127.5, 257.0, 1.0078125, 0.99609375, 0.78515625),
}  # fmt: skip
# Where all pairs would be too many.
PAIRED = (0.0, -0.0, 1.0, -1.0, 2.5, -0.7000000000000001, 0.3333333333333333, math.inf, -math.inf,
          math.nan, -3.0)  # fmt: skip
PAIRED_OF = {"float64": (*PAIRED, 5e-324, 1.7e308), "float32": (*PAIRED, 1e-45, 3.3e38),
             "float16": (*PAIRED, 6e-8, 65504.0),
             "bfloat16": (*PAIRED, 9.2e-41, 3.3e38)}  # fmt: skip
WHOLE = {
    "int64": (0, 1, -1, 2, -3, 7, 12345678901234, 2**63 - 1, -(2**63), 2**53 + 1, 255, -256),
    "int32": (0, 1, -1, 2, -3, 7, 123456789, 2**31 - 1, -(2**31), 16777217, 255, -256),
    "int16": (0, 1, -1, 2, -3, 7, 123, 2**15 - 1, -(2**15), 16385, 255, -256),
    "int8": (0, 1, -1, 2, -3, 7, 10, 100, 127, -128, 64, -90),
    "uint8": (0, 1, 2, 3, 7, 10, 100, 127, 128, 200, 254, 255),
    "bool": (False, True),
}

SHAPES: tuple[Shape, ...] = ((), (1,), (0,), (5,), (3, 0, 2), (2, 3), (1, 1), (7,), (2, 1, 3),
                             (1, 2, 1, 2, 1, 1, 2, 1), (4, 2), (3, 3))  # fmt: skip
PAIRS: tuple[tuple[Shape, Shape], ...] = (
    ((), ()), ((1,), (1,)), ((0,), (0,)), ((5,), (5,)), ((3, 4), (4,)), ((3, 1), (1, 4)),
    ((), (3,)), ((3,), ()), ((2, 1, 3), (4, 1)), ((0, 3), (1, 3)), ((1,), (5,)), ((2, 3), (2, 3)),
    ((2, 2), (1, 1, 1)), ((1, 1), (3,)), ((0,), ()), ((2, 3, 1, 2), (3, 2, 1)),
)  # fmt: skip


class Maker:
    """Makes operands of numbers that depend on the name of the op alone."""

    def __init__(self, op: str, low: float = -4.0, high: float = 4.0) -> None:
        self.rng = random.Random(op)
        self.low, self.high = low, high

    def number(self, dtype: str) -> Any:
        """Return a number with a full mantissa, or an integer."""
        if dtype == "bool":
            return self.rng.random() < 0.5
        if dtype in BOUNDS:
            return self.rng.randint(0 if dtype == "uint8" else -9, 9)
        return convert(self.rng.uniform(self.low, self.high), dtype)

    def __call__(
        self, dtype: str, shape: Shape, layout: str = "rows", gradient: bool = True
    ) -> Operand:
        """Return an operand of random numbers."""
        n = count_of(shape)
        values = [self.number(dtype) for _ in range(n)]
        if layout == "repeated":
            values = values[: n // shape[0]] * shape[0]
        return Operand(dtype, shape, tuple(values), layout, gradient)

    def scattered(self, dtype: str, n: int) -> Operand:
        """Return numbers of many magnitudes."""
        span = 12 if dtype == "float16" else 30
        values = (math.ldexp(self.rng.uniform(-2.0, 2.0), self.rng.randint(-span, span))
                  for _ in range(n))  # fmt: skip
        return given(dtype, (n,), values)

    def special(self, dtype: str, shape: Shape, share: float = 0.4) -> Operand:
        """Return random numbers, a part of them special ones."""
        values = [
            convert(self.rng.choice(SPECIAL[dtype] if is_float(dtype) else WHOLE[dtype]), dtype)
            if self.rng.random() < share else self.number(dtype)
            for _ in range(count_of(shape))
        ]  # fmt: skip
        return Operand(dtype, shape, tuple(values))

    def apart(self, shape: Shape, dtype: str = "float64", gap: float = 0.3) -> Operand:
        """Return numbers no two of which lie close together."""
        n = count_of(shape)
        values = [gap * (i - n / 2 + self.rng.uniform(0.2, 0.6)) for i in range(n)]
        self.rng.shuffle(values)
        return given(dtype, shape, values)

    def index(self, shape: Shape, n: int, dtype: str = "int64", layout: str = "rows") -> Operand:
        """Return indices of n elements, some of them negative."""
        low = 0 if dtype == "uint8" else -n
        values = tuple(self.rng.randrange(low, n) for _ in range(count_of(shape)))
        return Operand(dtype, shape, values, layout)


def given(dtype: str, shape: Shape, values: Iterable[Any], layout: str = "rows") -> Operand:
    """Return an operand of these numbers, rounded to the type."""
    return Operand(dtype, shape, tuple(convert(x, dtype) for x in values), layout)


# ---- ops on elements: good cases -----------------------------------------------------------------

# Where functions are defined and smooth; else -4 to 4.
DOMAINS = {
    "log": (1e-3, 5.0), "log2": (1e-3, 5.0), "sqrt": (1e-3, 9.0), "rsqrt": (1e-2, 9.0),
    "log1p": (-0.9, 5.0), "asin": (-0.95, 0.95), "acos": (-0.95, 0.95), "atanh": (-0.95, 0.95),
    "acosh": (1.05, 6.0), "reciprocal": (0.2, 4.0), "tan": (-1.3, 1.3), "pow": (0.2, 3.0),
    "pow_number": (0.2, 3.0), "div": (0.3, 4.0),
}  # fmt: skip
BITS = tuple(name for name in ELEMENTS if name.startswith("bitwise"))  # which no float has
UNARY = tuple(name for name, row in ELEMENTS.items() if name not in ("pow_number", *BITS)
              and row.value.__code__.co_argcount == 1)  # fmt: skip
BINARY = tuple(name for name in ELEMENTS if name not in (*UNARY, *BITS, "pow_number"))
OF_BOOLS = {name for name, row in ELEMENTS.items() if row.types == NUMBERS_AND_BOOLS}
# Of these a difference says nothing.
STEPS = {"floor", "ceil", "round", "trunc", "sign", "step", "share", "at_least", "below",
         "mask", "floor_divide"}  # fmt: skip

Cases = Iterator[Case]
GOOD: dict[str, Callable[[str, Maker], Cases]] = {}
BAD: dict[str, Callable[[str, Maker], Cases]] = {}


def good_of(*names: str) -> Callable[[Any], Any]:
    """List a function as the maker of good cases of ops."""
    return lambda function: GOOD.update(dict.fromkeys(names, function)) or function


def bad_of(*names: str) -> Callable[[Any], Any]:
    """List a function as the maker of bad cases of ops."""
    return lambda function: BAD.update(dict.fromkeys(names, function)) or function


def takes(op: str, dtype: str) -> bool:
    """Tell whether an op has a meaning for a type."""
    return dtype != "bool" or ELEMENTS[op].types != NUMBERS_ONLY


@good_of(*UNARY)
def unary_cases(op: str, make: Maker) -> Cases:
    for dtype in FLOATS:
        yield Case(op, (given(dtype, (len(SPECIAL[dtype]),), SPECIAL[dtype]),))
        yield Case(op, (make.scattered(dtype, 19),))
    for i, shape in enumerate(SHAPES):
        yield Case(op, (make(FLOATS[i % 4], shape),))
    for layout in STRIDED:
        yield Case(op, (make("float32", (3, 5), layout),))
        yield Case(op, (make("float64" if layout != "cut" else "float16", (2, 1, 3), layout),))
    for dtype in (*INTEGERS, "bool"):
        if takes(op, dtype):
            yield Case(op, (given(dtype, (len(WHOLE[dtype]),), WHOLE[dtype]),))
    yield Case(op, (make("int32", (3, 2), "turned"),))
    yield Case(op, (make("float32", (67,)),))
    yield Case(op, (make("float16", (2, 131), "stepped", gradient=False),))
    yield Case(op, (make("float64", (259,), "flipped", gradient=False),))
    smooth = op not in STEPS and op != "logical_not"
    yield Case(op, (make("float64", (3,)),), smooth=smooth)
    yield Case(op, (make("float64", (2, 2), "turned"),), smooth=smooth)


MIXED = (
    ("int64", "float32"), ("float16", "float32"), ("float32", "float64"), ("uint8", "int32"),
    ("bool", "int64"), ("bool", "float16"), ("int32", "int64"), ("float64", "int64"),
    ("float16", "int64"), ("uint8", "bool"), ("bool", "bool"),
)  # fmt: skip
BESIDE: tuple[Any, ...] = (2, -1, 0, 0.5, True, 1e300, 300, math.nan, -2.0, 3, False, 2**40 + 1)


def divides(op: str) -> bool:
    """Tell whether an op refuses the integer 0 as second operand."""
    return op in ("floor_divide", "remainder")


def divisor(op: str, x: Any) -> Any:
    """Return an operand without zeros where an op refuses them."""
    if not divides(op) or (isinstance(x, Operand) and is_float(x.dtype)):
        return x
    if not isinstance(x, Operand):
        return x or 1
    return Operand(x.dtype, x.shape, tuple(n or 1 for n in x.values), x.layout)


@good_of(*BINARY)
def binary_cases(op: str, make: Maker) -> Cases:
    for i, (left, right) in enumerate(PAIRS):
        yield Case(op, (make(FLOATS[i % 4], left), make(FLOATS[i % 4], right)))
    for dtype in FLOATS:
        pairs = list(itertools.product(PAIRED_OF[dtype], repeat=2))  # no sum hides a gradient
        yield Case(op, tuple(given(dtype, (len(pairs),), x) for x in zip(*pairs, strict=True)))
        yield Case(op, (make.scattered(dtype, 12), make.scattered(dtype, 12)))
        x = make(dtype, (2, 3))
        yield Case(op, (x, x))
    x = make("float32", (3, 2), "turned")
    yield Case(op, (x, x))
    for layout, other in zip(STRIDED, ("rows", *STRIDED), strict=False):
        yield Case(op, (make("float32", (3, 4), layout), make("float32", (3, 4), other)))
        yield Case(op, (make("float64", (4,), "stepped"), make("float64", (2, 4), layout)))
    for dtype in INTEGERS:
        n = len(WHOLE[dtype])
        column, row = (given(dtype, shape, WHOLE[dtype]) for shape in ((n, 1), (1, n)))
        yield Case(op, (column, divisor(op, row)))
    for left, right in MIXED:
        if takes(op, left) or takes(op, right):
            if (left, right) == ("bool", "bool") and not takes(op, "bool"):
                continue
            yield Case(op, (make(left, (2, 3)), divisor(op, make(right, (3,)))))
            yield Case(op, (make(right, ()), divisor(op, make(left, (2,)))))
    long = make("float32", (3, 1, 140), "cut", gradient=False), make("float64", (2, 140), "turned")
    yield Case(op, (long[0], make("float32", (2, 140), gradient=False)))
    yield Case(op, (long[0], Operand("float64", (2, 140), long[1].values, "turned", False)))
    yield from number_cases(op, make)
    if op not in STEPS and ELEMENTS[op].gradients:
        yield Case(op, (make.apart((3,)), make.apart((3,), gap=0.37)), smooth=op != "pow")
        yield Case(op, (make("float64", (2, 1)), make("float64", (3,))), smooth=op == "pow")


def number_cases(op: str, make: Maker) -> Cases:
    """Yield an op of arrays and Python numbers."""
    if op in INTERNAL:
        return
    for i, number in enumerate(BESIDE):
        for dtype in (FLOATS[i % 4], INTEGERS[i % 5]):
            if op == "pow" and not is_float(dtype) and isinstance(number, int) and number < 0:
                continue
            if op == "pow" and (is_float(dtype) or isinstance(number, float)):
                continue  # pow_number
            yield Case(op, (make(dtype, (3,)), divisor(op, number)))
        if op in FROM_THE_RIGHT:
            x = divisor(op, make(DTYPES[i % 10], (2, 2)))
            if x.dtype != "bool" or not isinstance(number, bool) or takes(op, "bool"):
                yield Case(op, (number, x))


EXPONENTS = (2.0, 3.0, 1.0, 0.0, -1.0, 0.5, -0.5, -2.0, 2.7, 0.3333333333333333, -3.0, 4.0,
             math.inf, -math.inf, math.nan, 1e300, 400.0, 7.0)  # fmt: skip


@good_of("pow_number")
def power_cases(op: str, make: Maker) -> Cases:
    for i, k in enumerate(EXPONENTS):
        dtype = FLOATS[i % 4]
        yield Case(op, (given(dtype, (len(PAIRED_OF[dtype]),), PAIRED_OF[dtype]),), {"k": k})
        yield Case(op, (make(FLOATS[(i + 1) % 4], (2, 3)),), {"k": k})
    for k in (*EXPONENTS[:7], 2.7):
        for dtype in FLOATS[:2]:
            yield Case(op, (make(dtype, (16,)),), {"k": k})
            yield Case(op, (make.scattered(dtype, 12),), {"k": k})
    for shape in SHAPES:
        yield Case(op, (make("float32", shape),), {"k": 2.0})
    for layout in STRIDED:
        yield Case(op, (make("float64", (3, 2), layout),), {"k": 3.0})
        yield Case(op, (make("float32", (3, 2), layout),), {"k": 1.5})
    for dtype in (*INTEGERS, "bool"):
        yield Case(op, (given(dtype, (len(WHOLE[dtype]),), WHOLE[dtype]),), {"k": 0.5})
    for k in (2.0, 0.5, -1.0, 2.7, 3.0, 1.0, 0.0):
        yield Case(op, (make("float64", (2,)),), {"k": k}, smooth=True)


@good_of(*BITS)
def bit_cases(op: str, make: Maker) -> Cases:
    dtypes = INTEGERS if "shift" in op else (*INTEGERS, "bool")
    several = op != "bitwise_not"
    for dtype in dtypes:
        n = len(WHOLE[dtype])
        column, row = (given(dtype, shape, WHOLE[dtype]) for shape in ((n, 1), (1, n)))
        yield Case(op, (column, row) if several else (column,))
        for layout in STRIDED:
            yield Case(op, tuple(make(dtype, (3, 4), layout) for _ in range(1 + several)))
        x = make(dtype, (2, 67))
        yield Case(op, (x, x) if several else (x,))
        for shape in ((0,), (1,), ()):
            yield Case(op, (make(dtype, shape), make(dtype, (1,)))[: 1 + several])
    for left, right in MIXED if several else ():
        if not (is_float(left) or is_float(right) or left == right == "bool"):
            yield Case(op, (make(left, (2, 3)), make(right, (3,))))
            yield Case(op, (make(right, ()), make(left, (2,))))
    for i, number in enumerate(BESIDE if several else ()):
        if not isinstance(number, float):
            yield Case(op, (make(INTEGERS[i % 5], (3,)), number))


# ---- ops on elements: bad cases ------------------------------------------------------------------


def bad(op: str, raises: type[Exception], *operands: Any, **how: Any) -> Case:
    """Return a call that fails."""
    return Case(op, operands, how, raises=raises)


def gradient_cases(case: Case, flows: bool) -> Cases:
    """Yield calls of backward that fail, of a case with a result of several elements."""
    still = tuple(Operand(x.dtype, x.shape, x.values, x.layout, False)
                  if isinstance(x, Operand) else x for x in case.operands)  # fmt: skip
    yield Case(case.op, still, case.how, raises=RuntimeError, backward=True, seed=(1,))
    if flows:
        for shape in ((), (11, 1, 1), (0,)):
            yield Case(case.op, case.operands, case.how, raises=ValueError, backward=True,
                       seed=shape)  # fmt: skip
        yield Case(case.op, case.operands, case.how, raises=RuntimeError, backward=True)


def element_misuse(op: str, make: Maker) -> Cases:
    """Yield operands that are no operands."""
    other = make("float32", (2,))
    for x in (None, object(), ...):
        yield bad(op, TypeError, *((x, other) if op in BINARY else (x,)))
    if op in BINARY:
        yield bad(op, TypeError, other, "text")


@bad_of(*BITS)
def bad_bits(op: str, make: Maker) -> Cases:
    several = op != "bitwise_not"
    for dtype in (*FLOATS, "bool") if "shift" in op else FLOATS:
        yield bad(op, TypeError, *(make(dtype, (2,)) for _ in range(1 + several)))
    if several:
        yield bad(op, TypeError, make("int64", (2,)), 0.5)
        yield bad(op, TypeError, make("int64", (2,)), None)


@bad_of(*UNARY)
def bad_unary(op: str, make: Maker) -> Cases:
    yield from element_misuse(op, make)
    if op not in INTERNAL and op != "gelu":  # which has an argument
        yield bad(op, TypeError, make("float32", (2,)), "text")
    if not takes(op, "bool"):
        yield bad(op, TypeError, make("bool", (2,)))


@bad_of(*BINARY)
def bad_binary(op: str, make: Maker) -> Cases:
    yield from element_misuse(op, make)
    for left, right in (((2,), (3,)), ((2, 3), (2,)), ((0,), (2,)), ((4, 1, 3), (2, 3, 1, 2))):
        yield bad(op, ValueError, make("float32", left), make("float32", right))
    if divides(op):
        for dtype in INTEGERS:
            yield bad(op, ZeroDivisionError, make(dtype, (2,)), given(dtype, (2,), (1, 0)))
        yield bad(op, ZeroDivisionError, make("int64", (2, 2), "turned"), 0)
        yield bad(op, ZeroDivisionError, 5, given("int32", (3,), (1, 2, 0)))
        yield bad(op, ZeroDivisionError, make("bool", (2,)), given("bool", (2,), (1, 0)))
    if not takes(op, "bool"):
        yield bad(op, TypeError, make("bool", (2,)), make("bool", (2,)))
        yield bad(op, TypeError, make("bool", (2,)), True)
    if op == "pow":
        yield bad(op, ValueError, make("int64", (2,)), -1)
        yield bad(op, ValueError, make("uint8", (2,)), -2)


@bad_of("pow_number")
def bad_power(op: str, make: Maker) -> Cases:
    for x in ("text", None, object(), [2.0]):
        yield bad(op, TypeError, x, k=2.0)


# ---- movement ------------------------------------------------------------------------------------


@good_of("reshape")
def reshape_cases(op: str, make: Maker) -> Cases:
    shapes: tuple[tuple[Shape, Shape], ...] = (
        ((6,), (2, 3)), ((2, 3), (3, 2)), ((2, 3), (6,)), ((), (1, 1)), ((1, 1), ()),
        ((0, 3), (2, 0)), ((0,), (0, 5)), ((4, 3), (2, 2, 3)), ((2, 3, 2), (6, 2)),
        ((1, 6), (6, 1)),
        ((2, 1, 3), (2, 3)), ((8,), (1, 2, 1, 2, 1, 2, 1, 1)), ((3, 3), (3, 3)), ((5,), (5, 1)),
    )  # fmt: skip
    for i, (shape, to) in enumerate(shapes):
        yield Case(op, (make.special(DTYPES[i % 10], shape),), {"shape": to})
        yield Case(op, (make(FLOATS[i % 4], shape),), {"shape": to}, smooth=i % 4 == 1)
    for layout in STRIDED:
        for shape, to in (((4, 3), (2, 6)), ((4, 3), (2, 2, 3)), ((2, 3, 2), (12,))):
            yield Case(op, (make("float32", shape, layout),), {"shape": to})


@bad_of("reshape")
def bad_reshape(op: str, make: Maker) -> Cases:
    for shape, to in (((6,), (4,)), ((2, 3), (7,)), ((0,), (1,)), ((6,), (-2, -3)), ((), (0,)),
                      ((6,), (2**62, 2**62)), ((2,), (1, 1, 1, 1, 1, 1, 1, 1, 2, 1))):  # fmt: skip
        if len(to) <= 8:
            yield bad(op, ValueError, make("float32", shape), shape=to)


@good_of("permute")
def permute_cases(op: str, make: Maker) -> Cases:
    shapes: tuple[Shape, ...] = ((), (3,), (2, 3), (2, 1, 3), (0, 2), (1, 1, 1), (2, 2, 2, 2))
    for i, shape in enumerate(shapes):
        for k, axes in enumerate(itertools.permutations(range(len(shape)))):
            if k % (1 if len(shape) < 4 else 5) == 0:
                yield Case(op, (make(FLOATS[(i + k) % 4], shape),), {"axes": axes},
                           smooth=(i + k) % 4 == 1)  # fmt: skip
    for i, layout in enumerate((*STRIDED, "rows", "rows")):
        yield Case(op, (make.special(DTYPES[i], (2, 3, 2)),), {"axes": (1, 2, 0)})
        yield Case(op, (make("float64", (2, 3, 2), layout),), {"axes": (2, 0, 1)})
    yield Case(op, (make("float32", (1, 2) * 4),), {"axes": (7, 0, 6, 1, 5, 2, 4, 3)})


@bad_of("permute")
def bad_permute(op: str, make: Maker) -> Cases:
    for axes in ((0,), (0, 0), (0, 2), (-1, 0), (0, 1, 2), ()):
        yield bad(op, ValueError, make("float32", (2, 3)), axes=axes)


@good_of("expand")
def expand_cases(op: str, make: Maker) -> Cases:
    shapes: tuple[tuple[Shape, Shape], ...] = (
        ((), (3,)), ((), ()), ((1,), (4,)), ((3,), (2, 3)), ((3, 1), (3, 4)), ((1, 3), (5, 3)),
        ((2, 1, 3), (4, 2, 2, 3)), ((0,), (2, 0)), ((1,), (0,)), ((1, 1), (2, 0)), ((3,), (3,)),
        ((1, 2), (2, 1, 3, 2)), ((1,), (1, 1, 1, 1, 2, 1, 1, 3)),
    )  # fmt: skip
    for i, (shape, to) in enumerate(shapes):
        yield Case(op, (make.special(DTYPES[i % 10], shape),), {"shape": to})
        yield Case(op, (make(FLOATS[i % 4], shape),), {"shape": to}, smooth=i % 4 == 1)
    for layout in STRIDED:
        yield Case(op, (make("float32", (2, 3), layout),), {"shape": (2, 2, 3)})
        yield Case(op, (make("float64", (2, 1), layout),), {"shape": (2, 3)})


@bad_of("expand")
def bad_expand(op: str, make: Maker) -> Cases:
    for shape, to in (((2,), (3,)), ((2, 3), (3,)), ((2, 1), (3, 1)), ((1,), ()), ((0,), (1,))):
        yield bad(op, ValueError, make("float32", shape), shape=to)


# Of an axis of n elements: start, step, count.
SLICES = {5: ((0, 1, 5), (1, 2, 2), (4, -1, 5), (3, -2, 2), (2, 1, 0), (4, 7, 1), (0, 3, 2)),
          3: ((0, 1, 3), (2, -1, 3), (1, 1, 1), (0, 2, 2), (0, -5, 0))}  # fmt: skip


def slice_of(*parts: tuple[int, int, int]) -> How:
    start, step, count = zip(*parts, strict=True) if parts else ((), (), ())
    return {"start": start, "step": step, "count": count}


@good_of("slice")
def slice_cases(op: str, make: Maker) -> Cases:
    yield Case(op, (make("float64", ()),), slice_of())
    for i, part in enumerate(SLICES[5]):
        yield Case(op, (make(FLOATS[i % 4], (5,)),), slice_of(part))
        yield Case(op, (make.special(DTYPES[i], (3, 5)),), slice_of(SLICES[3][i % 5], part))
        yield Case(op, (make("float64", (3, 5)),), slice_of(SLICES[3][(i + 1) % 5], part),
                   smooth=True)  # fmt: skip
    for layout in STRIDED:
        for parts in itertools.product(SLICES[3][:2], SLICES[5][1:4:2]):
            yield Case(op, (make("float32", (3, 5), layout),), slice_of(*parts))
    yield Case(op, (make("float32", (0, 5)),), slice_of((0, 1, 0), (1, 2, 2)))


@bad_of("slice")
def bad_slice(op: str, make: Maker) -> Cases:
    for part in ((0, 1, 6), (5, 1, 1), (-1, 1, 1), (0, -1, 2), (4, 2**62, 2), (1, -2, 2)):
        yield bad(op, IndexError, make("float32", (5,)), **slice_of(part))
    for part in ((0, 0, 1), (0, 1, -1)):
        yield bad(op, ValueError, make("float32", (5,)), **slice_of(part))


# Shape, size, stride, dilation.
WINDOWS: tuple[tuple[Shape, Shape, Shape, Shape], ...] = (
    ((6,), (2,), (1,), (1,)), ((6,), (3,), (2,), (1,)), ((7,), (2,), (3,), (2,)),
    ((5,), (5,), (1,), (1,)), ((2, 5), (2,), (1,), (2,)), ((4, 5), (2, 2), (1, 1), (1, 1)),
    ((4, 5), (3, 2), (2, 3), (1, 2)), ((2, 3, 4), (2, 3), (1, 1), (1, 1)), ((5,), (1,), (2,), (1,)),
    ((2, 4, 3, 3), (2, 2, 2), (2, 1, 1), (1, 1, 2)), ((0, 4), (2,), (1,), (1,)),
    ((4, 4), (1, 1), (1, 1), (3, 3)), ((1, 1), (1, 1), (1, 1), (1, 1)),
    ((3, 3), (2, 2), (5, 5), (1, 1)),
)  # fmt: skip


@good_of("window")
def window_cases(op: str, make: Maker) -> Cases:
    for i, (shape, size, stride, dilation) in enumerate(WINDOWS):
        how = {"size": size, "stride": stride, "dilation": dilation}
        yield Case(op, (make(FLOATS[i % 4], shape),), how)
        yield Case(op, (make.special(DTYPES[i % 10], shape),), how)
        if count_of(shape) < 10:
            yield Case(op, (make("float64", shape),), how, smooth=True)
    for layout in STRIDED:
        how = {"size": (2, 2), "stride": (1, 2), "dilation": (1, 1)}
        yield Case(op, (make("float32", (3, 4), layout),), how)


@good_of("argmax_window")
def argmax_window_cases(op: str, make: Maker) -> Cases:
    for i, (shape, size, stride, dilation) in enumerate(WINDOWS):
        how = {"size": size, "stride": stride, "dilation": dilation}
        yield Case(op, (make(DTYPES[i % 10], shape),), how)
        yield Case(op, (ties(make, DTYPES[-i % 10], shape),), how)
        yield Case(op, (make.special(FLOATS[i % 4], shape),), how)
    for layout in STRIDED:
        how = {"size": (2, 2), "stride": (1, 2), "dilation": (1, 1)}
        yield Case(op, (make("float32", (3, 4), layout),), how)


@bad_of("window", "argmax_window")
def bad_window(op: str, make: Maker) -> Cases:
    for size, stride, dilation in (((6,), (1,), (1,)), ((3,), (1,), (3,)), ((0,), (1,), (1,)),
                                   ((2,), (0,), (1,)), ((2,), (1,), (0,)), ((2,), (-1,), (1,)),
                                   ((2**31,), (1,), (2**40,))):  # fmt: skip
        yield bad(op, ValueError, make("float32", (5,)), size=size, stride=stride,
                  dilation=dilation)  # fmt: skip


@good_of("detach", "contiguous", "clone")
def copy_cases(op: str, make: Maker) -> Cases:
    for i, shape in enumerate(SHAPES):
        yield Case(op, (make(FLOATS[i % 4], shape),))
        yield Case(op, (make.special(DTYPES[i % 10], shape),))
    for layout in STRIDED:
        yield Case(op, (make("float64", (2, 2), layout),), smooth=op != "detach")
        yield Case(op, (make("int32", (3, 2), layout),))


@good_of("cast")
def cast_cases(op: str, make: Maker) -> Cases:
    for dtype, to in itertools.product(DTYPES, DTYPES):
        numbers: tuple[Any, ...] = SPECIAL[dtype] if is_float(dtype) else WHOLE[dtype]
        if is_float(dtype):
            numbers += (255.9, 256.0, -0.9, 300.7, 2147483647.0, -2147483649.0, 1e19)
        else:
            numbers += (33554433 % 251,) if dtype != "int64" else (2**24 + 1, 2**60 + 2**36 + 1)
        yield Case(op, (given(dtype, (len(numbers),), numbers),), {"dtype": to})
    for dtype in FLOATS:
        for layout in STRIDED:
            yield Case(op, (make(dtype, (3, 2), layout),), {"dtype": "float16"})
        yield Case(op, (make(dtype, (0, 2)),), {"dtype": "float32"})
        yield Case(op, (make(dtype, ()),), {"dtype": "float64"}, smooth=dtype == "float64")
    yield Case(op, (make("float64", (3,)),), {"dtype": "float64"}, smooth=True)


@bad_of("cast")
def bad_cast(op: str, make: Maker) -> Cases:
    for dtype in ("float8", "complex64", "uint16", "", "Float32"):
        yield bad(op, TypeError, make("float32", (2,)), dtype=dtype)


PADS: tuple[tuple[Shape, Shape, Shape], ...] = (
    ((), (), ()), ((3,), (1,), (2,)), ((3,), (0,), (0,)), ((0,), (2,), (1,)),
    ((2, 3), (1, 0), (0, 2)),
    ((2, 0), (1, 1), (1, 0)), ((1, 2, 1), (0, 1, 2), (1, 0, 0)), ((2, 2), (2, 2), (2, 2)),
    ((1,), (3,), (0,)),
)  # fmt: skip
FILLS = (0.0, -0.0, 1.5, math.inf, math.nan, 1e300, -2.7, 0.1, 300.0)


@good_of("pad")
def pad_cases(op: str, make: Maker) -> Cases:
    for i, (shape, before, after) in enumerate(PADS):
        how = {"before": before, "after": after, "value": FILLS[i]}
        yield Case(op, (make(FLOATS[i % 4], shape),), how)
        yield Case(op, (make.special(DTYPES[i % 10], shape),), how)
        yield Case(op, (make("float64", shape),), {**how, "value": 0.25}, smooth=True)
    for layout in STRIDED:
        how = {"before": (1, 0), "after": (0, 2), "value": -0.1}
        yield Case(op, (make("float32", (2, 3), layout),), how)


@bad_of("pad")
def bad_pad(op: str, make: Maker) -> Cases:
    for before, after in (((-1,), (0,)), ((0,), (-1,)), ((-5,), (9,)), ((1, 1), (0, 0))):
        yield bad(op, ValueError, make("float32", (3,)), before=before, after=after, value=0.0)


@good_of("spread")
def spread_cases(op: str, make: Maker) -> Cases:
    axes = (((3,), (5,), (0,), (2,)), ((3,), (5,), (4,), (-2,)), ((3,), (3,), (0,), (1,)),
            ((0,), (4,), (9,), (1,)), ((1,), (1,), (0,), (7,)), ((), (), (), ()),
            ((2, 3), (4, 3), (1, 2), (2, -1)), ((2, 0), (2, 3), (0, 0), (1, 1)),
            ((1, 2, 1), (2, 2, 3), (1, 0, 2), (1, 1, 4)),
            ((2, 2), (5, 5), (0, 4), (4, -3)))  # fmt: skip
    for i, (shape, to, start, step) in enumerate(axes):
        how = {"shape": to, "start": start, "step": step}
        yield Case(op, (make(FLOATS[i % 4], shape),), how)
        yield Case(op, (make.special(DTYPES[i % 10], shape),), how)
        yield Case(op, (make("float64", shape),), how, smooth=True)
    for layout in STRIDED:
        how = {"shape": (5, 3), "start": (4, 0), "step": (-3, 1)}
        yield Case(op, (make("float32", (2, 3), layout),), how)


@bad_of("spread")
def bad_spread(op: str, make: Maker) -> Cases:
    for to, start, step in (((2,), (0,), (1,)), ((5,), (0,), (3,)), ((5,), (5,), (-1,)),
                            ((5,), (-1,), (1,)), ((5,), (1,), (-1,))):  # fmt: skip
        yield bad(op, IndexError, make("float32", (3,)), shape=to, start=start, step=step)
    yield bad(op, ValueError, make("float32", (3,)), shape=(5,), start=(0,), step=(0,))


def folds() -> Iterator[tuple[Shape, How]]:
    """Yield the windows of WINDOWS, to be given back."""
    for shape, size, stride, dilation in WINDOWS:
        s = len(size)
        n = shape[len(shape) - s :]
        steps = tuple((a - (k - 1) * d - 1) // t + 1
                      for a, k, t, d in zip(n, size, stride, dilation, strict=True))  # fmt: skip
        shown = (*shape[: len(shape) - s], *steps, *size)
        yield shown, {"n": n, "stride": stride, "dilation": dilation}


@good_of("fold")
def fold_cases(op: str, make: Maker) -> Cases:
    for i, (shape, how) in enumerate(folds()):
        yield Case(op, (make(FLOATS[i % 4], shape),), how)
        yield Case(op, (make.special(DTYPES[i % 9], shape),), how)
        if count_of(shape) < 10:
            yield Case(op, (make("float64", shape),), how, smooth=True)
    for layout in STRIDED:
        for i in (1, 4):
            shape, how = list(folds())[i]
            yield Case(op, (make("float32", shape, layout),), how)


@bad_of("fold")
def bad_fold(op: str, make: Maker) -> Cases:
    for n, stride, dilation in (((3,), (1,), (1,)), ((4,), (2,), (1,)), ((4,), (1,), (9,)),
                                ((0,), (1,), (1,)), ((9,), (9,), (9,))):  # fmt: skip
        yield bad(op, IndexError, make("float32", (3, 2)), n=n, stride=stride, dilation=dilation)
    yield bad(op, IndexError, make("float32", (3, 3)), n=(9,), stride=(1,), dilation=(2**62,))


@good_of("cat")
def cat_cases(op: str, make: Maker) -> Cases:
    lists: tuple[tuple[int, tuple[Shape, ...]], ...] = (
        (0, ((2,), (3,))), (0, ((2,),)), (0, ((0,), (3,))), (1, ((2, 1), (2, 3))),
        (0, ((1, 3), (2, 3), (1, 3))), (1, ((2, 0), (2, 2))), (1, ((0, 1), (0, 2))),
        (2, ((1, 2, 1), (1, 2, 2), (1, 2, 1), (1, 2, 1))), (0, ((0,), (0,))), (1, ((3, 2), (3, 1))),
        (0, ((1,), (1,))),
    )  # fmt: skip
    for i, (axis, shapes) in enumerate(lists):
        dtype = FLOATS[i % 4]
        yield Case(op, tuple(make(dtype, shape) for shape in shapes), {"axis": axis})
        mixed = tuple(make.special(DTYPES[(i + k) % 10], s) for k, s in enumerate(shapes))
        yield Case(op, mixed, {"axis": axis})
        yield Case(op, tuple(make("float64", s) for s in shapes), {"axis": axis}, smooth=True)
    for layout in STRIDED:
        parts = make("float32", (2, 3), layout), make("float32", (2, 3))
        yield Case(op, parts, {"axis": 1})
        yield Case(op, (parts[0], parts[0]), {"axis": 0})


@bad_of("cat")
def bad_cat(op: str, make: Maker) -> Cases:
    for left, right, axis in (((2, 3), (2, 2), 0), ((2, 3), (2,), 0), ((2,), (2,), 1),
                              ((2,), (2,), -1), ((), (), 0), ((2, 3), (3, 3), 1)):  # fmt: skip
        yield bad(op, ValueError, make("float32", left), make("float32", right), axis=axis)


@good_of("assign")
def assign_cases(op: str, make: Maker) -> Cases:
    for i, part in enumerate(SLICES[5]):
        to = part[2]
        for k, shape in enumerate(((to,), (1,), ())):
            dtype = FLOATS[(i + k) % 4]
            yield Case(op, (make(dtype, (5,)), make(dtype, shape)), slice_of(part))
        both = SLICES[3][i % 5], part
        operands = make.special(DTYPES[i], (3, 5)), make.special(DTYPES[-i], (both[0][2], to))
        yield Case(op, operands, slice_of(*both))
        yield Case(op, (make("float64", (3, 5)), make("float64", (to,))), slice_of(*both),
                   smooth=to < 3)  # fmt: skip
    for layout in STRIDED:
        how = slice_of((2, -2, 2), (1, 2, 2))
        yield Case(op, (make("float32", (3, 5), layout), make("float32", (2, 2), layout)), how)
    yield Case(op, (make("float32", ()), make("float32", ())), slice_of())


@bad_of("assign")
def bad_assign(op: str, make: Maker) -> Cases:
    a = make("float32", (5,))
    for part, shape in (((0, 1, 3), (2,)), ((0, 1, 2), (2, 2)), ((0, 0, 2), (2,)),
                        ((0, 1, 1), (0,))):  # fmt: skip
        yield bad(op, ValueError, a, make("float32", shape), **slice_of(part))
    for part in ((0, 1, 6), (3, 2, 2), (0, -1, 2)):
        yield bad(op, IndexError, a, make("float32", ()), **slice_of(part))


# ---- indices -------------------------------------------------------------------------------------

INDEXED: tuple[tuple[Shape, Shape], ...] = (
    ((4,), (3,)), ((4,), ()), ((4,), (0,)), ((4,), (2, 2)), ((3, 2), (4,)), ((3, 2), (2, 1)),
    ((3, 0), (2,)), ((1,), (5,)), ((2, 1, 2), (3,)), ((5,), (1, 3, 1)), ((3, 2), ()),
)  # fmt: skip


@good_of("take", "add_at", "put_at")
def row_cases(op: str, make: Maker) -> Cases:
    def operands(dtype: str, shape: Shape, at: Shape, index: str = "int64", how: str = "rows",
                 other: str = "") -> tuple[Operand, ...]:  # fmt: skip
        laid = how if len(shape) > 1 or how not in ("turned", "repeated") else "stepped"
        a, i = make(dtype, shape, laid), make.index(at, shape[0], index)
        return (a, i) if op == "take" else (a, i, make(other or dtype, at + shape[1:]))

    for k, (shape, at) in enumerate(INDEXED):
        yield Case(op, operands(FLOATS[k % 4], shape, at))
        yield Case(op, operands(DTYPES[k % 10], shape, at, INTEGERS[k % 5]))
        if 0 < count_of(shape) * count_of(at) < 20:
            yield Case(op, operands("float64", shape, at), smooth=True)
    for layout in STRIDED:
        yield Case(op, operands("float32", (4, 3), (5,), "int32", layout))
        yield Case(op, operands("float64", (3, 2, 2), (2,), "uint8", layout))
    yield Case(op, operands("float32", (3,), (6,), other="float64"))
    yield Case(op, operands("float16", (3,), (6,), other="float32"))
    yield Case(op, operands("int32", (3,), (6,), other="float32"))
    yield Case(op, operands("float16", (1,), (9,)))
    a, b = make.special("float32", (4, 3)), make.special("float32", (5, 3))
    i = make.index((5,), 4, layout="stepped")
    yield Case(op, (a, i) if op == "take" else (a, i, b))


@bad_of("take", "add_at", "put_at")
def bad_rows(op: str, make: Maker) -> Cases:
    def call(raises: type[Exception], a: Operand, index: Operand, shape: Shape = (1, 2)) -> Case:
        return bad(op, raises, a, index, *(() if op == "take" else (make("float32", shape),)))

    a = make("float32", (3, 2))
    for i in (3, -4, 2**62, -(2**63)):
        yield call(IndexError, a, given("int64", (1,), (i,)))
    yield call(IndexError, make("float32", (0, 2)), given("int64", (1,), (0,)))
    yield call(TypeError, a, given("float32", (1,), (1.0,)))
    yield call(TypeError, a, given("bool", (1,), (True,)))
    yield call(ValueError, make("float32", ()), given("int64", (1,), (0,)))
    if op != "take":
        for shape in ((2,), (2, 2), (1, 1), (1, 2, 1)):
            yield call(ValueError, a, given("int64", (1,), (0,)), shape)


ALONG: tuple[tuple[Shape, Shape, int], ...] = (
    ((4,), (3,), 0), ((4,), (0,), 0), ((3, 2), (2, 2), 0), ((3, 2), (3, 4), 1), ((3, 2), (1, 1), 1),
    ((2, 3, 2), (2, 5, 1), 1), ((1,), (6,), 0), ((3, 0), (2, 0), 0), ((2, 2, 2), (1, 2, 3), 2),
    ((3, 3), (4, 2), 0),
)  # fmt: skip


@good_of("gather", "scatter_add")
def along_cases(op: str, make: Maker) -> Cases:
    def operands(dtype: str, shape: Shape, at: Shape, axis: int, index: str = "int64",
                 how: str = "rows", more: int = 0) -> tuple[Operand, ...]:  # fmt: skip
        a, i = make(dtype, shape, how), make.index(at, shape[axis], index)
        if op == "gather":
            return a, i
        return a, i, make(dtype, tuple(n + more for n in at), how if count_of(at) else "rows")

    for k, (shape, at, axis) in enumerate(ALONG):
        how = {"axis": axis}
        yield Case(op, operands(FLOATS[k % 4], shape, at, axis), how)
        yield Case(op, operands(DTYPES[k % 10], shape, at, axis, INTEGERS[k % 5], more=k % 2), how)
        if 0 < count_of(shape) * count_of(at) < 40:
            yield Case(op, operands("float64", shape, at, axis, more=1), how, smooth=True)
    for layout in STRIDED:
        for axis in (0, 1):
            yield Case(op, operands("float32", (3, 3), (2, 3), axis, "int32", layout),
                       {"axis": axis})  # fmt: skip
    for dtype in FLOATS:  # the same positions in all rows
        a, i = make(dtype, (3, 4)), make.index((3, 5), 4)
        i = Operand("int64", (3, 5), i.values[:5] * 3, "repeated")
        yield Case(op, (a, i) if op == "gather" else (a, i, make(dtype, (3, 5))), {"axis": 1})
    a, i = make.special("float64", (3, 2)), make.index((5, 2), 3, layout="turned")
    yield Case(op, (a, i) if op == "gather" else (a, i, make.special("float64", (5, 3))),
               {"axis": 0})  # fmt: skip


@bad_of("gather", "scatter_add")
def bad_along(op: str, make: Maker) -> Cases:
    def call(raises: type[Exception], index: Operand, axis: int, shape: Shape = (3, 2)) -> Case:
        b = () if op == "gather" else (make("float32", (2, 2)),)
        return bad(op, raises, make("float32", shape), index, *b, axis=axis)

    for i in (3, -4, 2**62):
        yield call(IndexError, given("int64", (1, 1), (i,)), 0)
    yield call(TypeError, given("float64", (1, 1), (0.0,)), 0)
    yield call(TypeError, given("bool", (1, 1), (False,)), 0)
    for at, axis in (((1,), 0), ((1, 3), 0), ((4, 1), 1), ((1, 1), 2), ((1, 1), -1)):
        yield call(ValueError, make.index(at, 1), axis)
    if op == "scatter_add":
        yield call(ValueError, make.index((3, 2), 1), 0)


@good_of("nonzero")
def nonzero_cases(op: str, make: Maker) -> Cases:
    for i, shape in enumerate(SHAPES):
        yield Case(op, (make.special(DTYPES[i % 10], shape),))
        yield Case(op, (make("bool", shape),))
        yield Case(op, (make("uint8", shape),))
    for layout in STRIDED:
        yield Case(op, (make("int64", (3, 3), layout),))
    for dtype in FLOATS:
        yield Case(op, (given(dtype, (len(SPECIAL[dtype]),), SPECIAL[dtype]),))


@bad_of("nonzero", "any", "all", "argmax", "argmin", "detach", "contiguous", "clone")
def bad_without_arguments(op: str, make: Maker) -> Cases:
    if op not in ("any", "all"):
        for x in ("text", None, object(), 1.0):
            yield bad(op, TypeError, x)
    if op in ("any", "all"):
        for axes in ((1,), (0, 3), (2**3,), (1, 2)):
            yield bad(op, ValueError, make("bool", (2,)), axes=axes)
    if op in ("argmax", "argmin"):
        for axis in (1, 5):
            yield bad(op, ValueError, make("float32", (2,)), axis=axis)
        for shape, at in (((0,), None), ((2, 0), 1), ((0, 3), 0), ((0, 3), None)):
            yield bad(op, ValueError, make("float32", shape), axis=at)


@good_of("where")
def where_cases(op: str, make: Maker) -> Cases:
    shapes: tuple[tuple[Shape, Shape, Shape], ...] = (
        ((3,), (3,), (3,)), ((), (3,), (3,)), ((3,), (), ()), ((2, 1), (3,), (1, 1)),
        ((0,), (1,), ()),
        ((2, 3), (2, 1), (3,)), ((), (), ()), ((1,), (1,), (1,)), ((2, 3), (2, 3), (2, 3)),
    )  # fmt: skip
    for i, (test, left, right) in enumerate(shapes):
        truths = make("bool", test)
        dtype = FLOATS[i % 4]
        yield Case(op, (truths, make(dtype, left), make(dtype, right)))
        others = make.special(DTYPES[i % 10], left), make.special(DTYPES[(i + 2) % 10], right)
        yield Case(op, (truths, *others))
        both = make("float64", left), make("float64", right)
        yield Case(op, (truths, *both), smooth=True)
    x = make.special("float32", (2, 3))
    yield Case(op, (make("bool", (2, 3)), x, x))
    for layout in STRIDED:
        operands = make("float32", (2, 3), layout), make("float32", (2, 3))
        yield Case(op, (make("bool", (2, 3), layout), *operands))
    for i, number in enumerate(BESIDE[:11]):
        yield Case(op, (make("bool", (3,)), make(DTYPES[i % 10], (3,)), number))
        yield Case(op, (make("bool", (3,)), number, make(DTYPES[-i % 10], (2, 3))))


@bad_of("where")
def bad_where(op: str, make: Maker) -> Cases:
    x = make("float32", (3,))
    for dtype in ("float32", "int64", "uint8"):
        yield bad(op, TypeError, make(dtype, (3,)), x, x)
    for test, left, right in (((2,), (3,), (3,)), ((3,), (2,), (3,)), ((3,), (3,), (2,)),
                              ((2, 3), (2, 2), (1,))):  # fmt: skip
        yield bad(op, ValueError, make("bool", test), make("float32", left), make("float32", right))


# ---- reductions ----------------------------------------------------------------------------------

REDUCED: tuple[tuple[Shape, tuple[int, ...] | None], ...] = (
    ((), None), ((1,), None), ((5,), (0,)), ((33,), (0,)), ((70,), None), ((2, 3), None),
    ((2, 3), (0,)), ((2, 3), (1,)), ((3, 1), (1,)), ((2, 3, 2), (0, 2)), ((2, 3, 2), (1,)),
    ((2, 3, 2), (0, 1)), ((1, 1, 1), (0, 1, 2)), ((2, 3), ()), ((2, 35), (1,)), ((40, 2), (0,)),
    ((2, 1, 2, 1, 2), (0, 2, 4)), ((1, 2, 1, 2, 1, 1, 2, 1), (1, 6)), ((3, 2), (1, 0)),
    ((3, 70), (0,)), ((2, 65), (1,)), ((2, 3, 33), (1,)), ((2, 34, 2), (0, 1)),
)  # fmt: skip
EMPTY: tuple[tuple[Shape, tuple[int, ...] | None], ...] = (
    ((0,), None), ((2, 0, 2), (1,)), ((2, 0), (0,)), ((0, 3), (1,)), ((0, 3), (0,)), ((3, 0), None),
)  # fmt: skip
OF_FLOATS = ("mean", "var", "std")
CHOICES = ("amax", "amin")


def more_arguments(op: str, i: int) -> How:
    return {"correction": (1.0, 0.0, 2.0, 0.5, 3.0)[i % 5]} if op in ("var", "std") else {}


def ties(make: Maker, dtype: str, shape: Shape) -> Operand:
    """Return an operand of few different numbers."""
    few = [make.number(dtype) for _ in range(2)] + [convert(0, dtype)]
    return given(dtype, shape, [make.rng.choice(few) for _ in range(count_of(shape))])


@good_of("sum", "mean", "prod", "amax", "amin", "any", "all", "var", "std", "logsumexp")
def reduction_cases(op: str, make: Maker) -> Cases:
    kinds = FLOATS if op in OF_FLOATS else DTYPES
    for i, (shape, axes) in enumerate(REDUCED):
        how = {"axes": axes, "keep": i % 2 == 1, **more_arguments(op, i)}
        if op == "prod" and count_of(shape) > 33:  # the gradient makes a square of a row
            yield Case(op, (make(FLOATS[i % 4], shape, gradient=False),), how)
            continue
        yield Case(op, (make(FLOATS[i % 4], shape),), how)
        yield Case(op, (make.special(kinds[i % len(kinds)], shape, 0.3),), how)
        yield Case(op, (ties(make, kinds[(i + 3) % len(kinds)], shape),), how)
        if count_of(shape) < 13 and op not in ("any", "all"):
            enough = op not in ("var", "std") or i % 5 < 2
            far = count_of(shape) > 1 if op in ("var", "std") else True
            yield Case(op, (make.apart(shape, gap=0.2),), {**how, "keep": i % 2 == 0},
                       smooth=enough and far and (axes is None or len(axes) > 0))  # fmt: skip
    if op == "prod":
        yield from products_of_many(make)
    for i, (shape, axes) in enumerate(EMPTY):
        reduced = count_of([n for d, n in enumerate(shape) if axes is None or d in axes])
        rest = count_of([n for d, n in enumerate(shape) if axes is not None and d not in axes])
        if op in CHOICES and reduced == 0 and rest > 0:
            continue
        how = {"axes": axes, "keep": i % 2 == 0, **more_arguments(op, i)}
        yield Case(op, (make(FLOATS[i % 4], shape),), how)
        yield Case(op, (make(kinds[-i % len(kinds)], shape),), how)
    for i, layout in enumerate(STRIDED):
        for k, axes in enumerate(((0,), (1,), (0, 2), (0, 1, 2))):
            how = {"axes": axes, "keep": k % 2 == 0, **more_arguments(op, k)}
            yield Case(op, (make(FLOATS[(i + k) % 4], (2, 3, 2), layout),), how)


def products_of_many(make: Maker) -> Cases:
    """Yield products of many factors, some of them 0."""
    numbers = [make.rng.uniform(0.9, 1.1) for _ in range(33)]
    for dtype, zeros in (("float32", 0), ("float64", 1), ("float32", 2)):
        values = [0.0 if i in (3, 20)[:zeros] else x for i, x in enumerate(numbers)]
        yield Case("prod", (given(dtype, (33,), values),), {"axes": (0,)})
    values = [0.0 if i == 40 else x for i, x in enumerate(numbers * 2)]
    yield Case("prod", (given("float64", (2, 33), values),), {"axes": (1,)})


@bad_of("sum", "prod", "amax", "amin", "logsumexp", "mean", "var", "std")
def bad_reduction(op: str, make: Maker) -> Cases:
    how = more_arguments(op, 0)
    for shape, axes in (((2,), (1,)), ((), (0,)), ((2, 3), (0, 2)), ((2,), (40,))):
        yield bad(op, ValueError, make("float32", shape), axes=axes, **how)
    if op in OF_FLOATS:
        for dtype in (*INTEGERS, "bool"):
            yield bad(op, TypeError, make(dtype, (2,)), axes=None, **how)
    if op in CHOICES:
        for shape, at in (((0,), None), ((2, 0), (1,)), ((0, 3), (0,)), ((0, 3), None)):
            yield bad(op, ValueError, make("float32", shape), axes=at)


@good_of("argmax", "argmin")
def choice_cases(op: str, make: Maker) -> Cases:
    for i, (shape, axes) in enumerate(REDUCED):
        for axis in {None, *(axes or ())} if shape else {None}:
            how = {"axis": axis, "keep": i % 2 == 1}
            yield Case(op, (make(DTYPES[i % 10], shape),), how)
            yield Case(op, (ties(make, DTYPES[-i % 10], shape),), how)
            yield Case(op, (make.special(FLOATS[i % 4], shape),), how)
    yield Case(op, (make("float32", (0, 3)),), {"axis": 1})
    for layout in STRIDED:
        for axis in (0, 1, None):
            yield Case(op, (make("float32", (3, 4), layout),), {"axis": axis})


@good_of("cumsum", "softmax", "log_softmax")
def axis_cases(op: str, make: Maker) -> Cases:
    shapes: tuple[Shape, ...] = ((1,), (5,), (33,), (2, 3), (3, 2, 2), (1, 1), (2, 1, 3), (2, 70))
    for i, shape in enumerate(shapes):
        for axis in range(len(shape)):
            k = i + axis
            yield Case(op, (make(FLOATS[k % 4], shape),), {"axis": axis})
            yield Case(op, (make.special(DTYPES[k % 10], shape, 0.25),), {"axis": axis})
            if count_of(shape) < 13:
                yield Case(op, (make("float64", shape),), {"axis": axis}, smooth=True)
    for shape, axis in (((0,), 0), ((2, 0), 1), ((2, 0), 0), ((0, 3), 1)):
        yield Case(op, (make("float32", shape),), {"axis": axis})
    for i, layout in enumerate(STRIDED):
        for axis in (0, 1):
            yield Case(op, (make(FLOATS[i % 4], (3, 4), layout),), {"axis": axis})
    for dtype in FLOATS:
        yield Case(op, (given(dtype, (2, 3), (800.0, -800.0, 799.5, -1e4, -1e4, -1e4)),),
                   {"axis": 1})  # fmt: skip


@bad_of("cumsum", "softmax", "log_softmax")
def bad_axis(op: str, make: Maker) -> Cases:
    for shape, axis in (((2,), 1), ((), 0), ((2, 3), 2), ((2,), -1), ((2,), 8)):
        yield bad(op, ValueError, make("float32", shape), axis=axis)


# ---- products ------------------------------------------------------------------------------------

PRODUCTS: tuple[tuple[Shape, Shape], ...] = (
    ((2, 3), (3, 2)), ((3,), (3, 2)), ((2, 3), (3,)), ((3,), (3,)), ((1,), (1,)), ((1, 1), (1, 1)),
    ((0, 2), (2, 3)), ((2, 0), (0, 3)), ((2, 3), (3, 0)), ((0,), (0,)), ((0,), (0, 2)),
    ((2, 2, 3), (3, 2)), ((2, 2, 3), (2, 3, 1)), ((2, 3), (2, 3, 2)), ((2, 1, 1, 3), (3, 3, 2)),
    ((3,), (2, 3, 2)), ((2, 2, 3), (3,)), ((1, 9), (9, 1)), ((5, 1), (1, 5)), ((0, 2, 3), (3, 1)),
)  # fmt: skip


@good_of("matmul")
def matmul_cases(op: str, make: Maker) -> Cases:
    for i, (left, right) in enumerate(PRODUCTS):
        dtype = FLOATS[i % 4]
        yield Case(op, (make(dtype, left), make(dtype, right)))
        yield Case(op, (make("float64", left), make("float64", right)),
                   smooth=count_of(left) + count_of(right) < 20)  # fmt: skip
        kinds = DTYPES[i % 9], DTYPES[(i + i // 9) % 9]
        yield Case(op, tuple(make.special(k, s, 0.2)
                             for k, s in zip(kinds, (left, right), strict=True)))  # fmt: skip
    for layout, other in zip(STRIDED, ("rows", *STRIDED), strict=False):
        yield Case(op, (make("float32", (3, 4), layout), make("float32", (4, 2), other)))
        yield Case(op, (make("float64", (2, 2, 3), layout), make("float64", (3, 5), other)))
    x = make("float32", (3, 3))
    yield Case(op, (x, x))
    yield Case(op, (make("bool", (2, 2)), make("uint8", (2, 2))))
    for left, right in (((7, 5), (5, 17)), ((13, 3), (3, 70)), ((1, 70), (70, 5)),
                        ((25, 9), (9, 33)),
                        ((2, 70), (70,)), ((70,), (70, 3)), ((130,), (130,))):  # fmt: skip
        yield Case(op, (make("float32", left), make("float32", right)))


@bad_of("matmul")
def bad_matmul(op: str, make: Maker) -> Cases:
    for left, right in (((2, 3), (2, 3)), ((3,), (2,)), ((), (3,)), ((3,), ()), ((), ()),
                        ((2, 3, 4), (3, 4, 2)), ((2, 3), (2,)), ((2, 0), (1, 2))):  # fmt: skip
        yield bad(op, ValueError, make("float32", left), make("float32", right))
    yield bad(op, TypeError, make("bool", (2, 2)), make("bool", (2, 2)))


# Shapes of kernels (groups, m, k) and of images, size, stride, dilation.
CONVOLVED: tuple[tuple[Shape, Shape, Shape, Shape, Shape], ...] = (
    ((1, 2, 6), (2, 2, 5), (3,), (1,), (1,)), ((2, 1, 2), (1, 2, 5), (2,), (2,), (2,)),
    ((1, 3, 4), (2, 1, 3, 4), (2, 2), (1, 1), (1, 1)),
    ((2, 2, 2), (1, 2, 4, 3), (2, 1), (1, 2), (2, 1)),
    ((1, 1, 1), (1, 1, 1, 1), (1, 1), (1, 1), (1, 1)),
    ((1, 2, 8), (1, 1, 2, 3, 2), (2, 2, 2), (1, 1, 1), (1, 1, 1)),
    ((1, 2, 2), (0, 1, 3), (2,), (1,), (1,)), ((1, 0, 2), (1, 1, 3), (2,), (1,), (1,)),
    ((1, 2, 0), (2, 0, 3), (2,), (1,), (1,)),
)  # fmt: skip


@good_of("convolve")
def convolve_cases(op: str, make: Maker) -> Cases:
    for i, (kernels, images, size, stride, dilation) in enumerate(CONVOLVED):
        how = {"size": size, "stride": stride, "dilation": dilation}
        yield Case(op, (make(FLOATS[i % 3], kernels), make(FLOATS[i % 3], images)), how)
        yield Case(op, (make("float64", kernels), make("float64", images)), how,
                   smooth=count_of(images) < 20)  # fmt: skip
        outputs = (kernels[0] * kernels[1],)
        yield Case(op, (make(FLOATS[i % 3], kernels), make(FLOATS[i % 3], images),
                        make(FLOATS[i % 3], outputs)), how)  # fmt: skip
        yield Case(op, tuple(make("float64", x) for x in (kernels, images, outputs)), how,
                   smooth=count_of(images) < 20)  # fmt: skip
        yield Case(op, (make.special(DTYPES[i % 6], kernels, 0.2),
                        make.special(DTYPES[(i + i // 6) % 6], images, 0.2)), how)  # fmt: skip
    how = {"size": (2, 2), "stride": (1, 1), "dilation": (1, 1)}
    for layout, other in zip(STRIDED, ("rows", *STRIDED), strict=False):
        yield Case(op, (make("float32", (1, 2, 8), layout), make("float32", (2, 2, 3, 4), other)),
                   how)  # fmt: skip


@bad_of("convolve")
def bad_convolve(op: str, make: Maker) -> Cases:
    for kernels, images, size in (((1, 2, 3), (1, 1, 5), (2,)), ((2, 2, 2), (1, 3, 5), (2,)),
                                  ((2, 2), (1, 1, 5), (2,)), ((1, 2, 2), (1, 5), (2,)),
                                  ((0, 2, 2), (1, 1, 5), (2,)), ((1, 2, 6), (1, 1, 5), (6,)),
                                  ((1, 2, 4), (1, 1, 5), (2, 2))):  # fmt: skip
        ones = (1,) * len(size)
        yield bad(op, ValueError, make("float32", kernels), make("float32", images), size=size,
                  stride=ones, dilation=ones)  # fmt: skip
    yield bad(op, TypeError, make("bool", (1, 1, 2)), make("bool", (1, 1, 3)), size=(2,),
              stride=(1,), dilation=(1,))  # fmt: skip
    for bias, raised in ((make("float32", (3,)), ValueError), (make("float32", (2, 1)), ValueError),
                         (make("float64", (2,)), TypeError)):  # fmt: skip
        yield bad(op, raised, make("float32", (1, 2, 2)), make("float32", (1, 1, 5)), bias,
                  size=(2,), stride=(1,), dilation=(1,))  # fmt: skip


@good_of("linear")
def linear_cases(op: str, make: Maker) -> Cases:
    shapes: tuple[tuple[Shape, Shape], ...] = (
        ((2, 3), (4, 3)), ((3,), (2, 3)), ((2, 2, 3), (2, 3)), ((1, 1), (1, 1)), ((0, 3), (2, 3)),
        ((2, 0), (3, 0)), ((2, 3), (0, 3)), ((1, 8), (5, 8)), ((2, 1, 2, 2), (3, 2)),
    )  # fmt: skip
    for i, (left, right) in enumerate(shapes):
        for bias in (True, False):

            def operands(
                dtype: str,
                other: str,
                last: str,
                left: Shape = left,
                right: Shape = right,
                bias: bool = bias,
            ) -> tuple[Operand, ...]:
                x, weight = make(dtype, left), make(other, right)
                return (x, weight, make(last, right[:1])) if bias else (x, weight)

            dtype = FLOATS[i % 4]
            yield Case(op, operands(dtype, dtype, dtype))
            yield Case(op, operands("float64", "float64", "float64"),
                       smooth=count_of(left) + count_of(right) < 20)  # fmt: skip
            yield Case(op, operands(DTYPES[i % 9], DTYPES[1], DTYPES[-i % 10]))
            yield Case(op, operands("int32", "int64", "uint8"))
    for layout in STRIDED:
        x, weight = make("float32", (3, 4), layout), make("float32", (2, 4), layout)
        yield Case(op, (x, weight, make("float32", (2,), "stepped")))
        yield Case(op, (make("float64", (2, 3, 4), layout), make("float64", (2, 4))))
    x = make("float32", (2, 2))
    yield Case(op, (x, x))
    yield Case(op, tuple(make.special("float32", s) for s in ((3, 4), (2, 4), (2,))))


@bad_of("linear")
def bad_linear(op: str, make: Maker) -> Cases:
    for x, weight, bias in (((2, 3), (4, 2), None), ((3,), (3,), None), ((), (2, 1), None),
                            ((2, 3), (4, 3), (3,)), ((2, 3), (4, 3), (4, 1)), ((2, 3), (4, 3), ()),
                            ((2, 3), (2, 4, 3), None)):  # fmt: skip
        operands = [make("float32", x), make("float32", weight)]
        yield bad(op, ValueError, *operands, *([] if bias is None else [make("float32", bias)]))
    ints = make("int64", (2, 3)), make("int64", (4, 3))
    yield bad(op, TypeError, *ints, make("float32", (4,)))
    yield bad(op, TypeError, make("bool", (2, 3)), make("bool", (4, 3)))


# ---- losses and norms ----------------------------------------------------------------------------


@good_of("cross_entropy")
def cross_entropy_cases(op: str, make: Maker) -> Cases:
    def targets(n: int, classes: int, ignored: int, dtype: str = "int64", layout: str = "rows",
                share: float = 0.3) -> Operand:  # fmt: skip
        few = [ignored if make.rng.random() < share else make.rng.randrange(classes)
               for _ in range(n)]  # fmt: skip
        return Operand(dtype, (n,), tuple(few), layout)

    sizes = ((3, 4), (1, 1), (1, 5), (4, 2), (35, 2), (0, 3), (2, 33))
    for i, (n, classes) in enumerate(sizes):
        for reduction in (0, 1, 2):
            k = i + reduction
            for smoothing in (0.0, 0.1, 1.0) if n < 5 else (0.3,):
                ignored = (-100, 1, 255)[k % 3]
                how = {"reduction": reduction, "ignored": ignored, "smoothing": smoothing}
                kind = "uint8" if ignored == 255 else ("int64", "int32")[k % 2]
                logits, few = make(FLOATS[k % 4], (n, classes)), targets(n, classes, ignored, kind)
                smooth = k % 4 == 1 and n * classes < 13 and {*few.values} - {ignored} != set()
                yield Case(op, (logits, few), how, smooth=smooth)
        how = {"reduction": i % 3, "smoothing": (0.0, 0.25)[i % 2]}
        yield Case(op, (make.special(FLOATS[i % 4], (n, classes)), targets(n, classes, -100)), how)
    for layout in STRIDED:
        logits = make("float32", (4, 3), layout)
        yield Case(op, (logits, targets(4, 3, -100, layout="stepped")), {"smoothing": 0.1})
    yield Case(op, (make("float64", (3, 2)), given("int64", (3,), (1, 1, 1))), {"ignored": 1})


@bad_of("cross_entropy")
def bad_cross_entropy(op: str, make: Maker) -> Cases:
    x, t = make("float32", (2, 3)), given("int64", (2,), (0, 2))
    for wrong in ((0, 3), (-1, 0), (0, -2)):
        yield bad(op, IndexError, x, given("int64", (2,), wrong))
    for logits, targets in (((2, 3), (3,)), ((2,), (2,)), ((2, 3, 1), (2,)), ((2, 3), (2, 1))):
        yield bad(
            op,
            ValueError,
            make("float32", logits),
            given("int64", targets, [0] * count_of(targets)),
        )
    yield bad(op, TypeError, x, given("float32", (2,), (0, 1)))
    yield bad(op, TypeError, x, given("bool", (2,), (0, 1)))
    yield bad(op, TypeError, make("int64", (2, 3)), t)
    for how in ({"reduction": 3}, {"reduction": -1}, {"smoothing": -0.1}, {"smoothing": 1.5},
                {"smoothing": math.nan}):  # fmt: skip
        yield bad(op, ValueError, x, t, **how)


@good_of("layer_norm", "rms_norm")
def norm_cases(op: str, make: Maker) -> Cases:
    def operands(dtype: str, shape: Shape, axes: int, weighted: bool, other: str = "",
                 layout: str = "rows") -> tuple[Operand, ...]:  # fmt: skip
        own = shape[len(shape) - axes :]
        weights = [make(other or dtype, own) for _ in range(1 + (op == "layer_norm"))]
        return (make(dtype, shape, layout), *(weights if weighted else ()))

    shapes: tuple[tuple[Shape, int], ...] = (
        ((3, 4), 1), ((5,), 1), ((2, 2, 3), 2), ((2, 33), 1), ((1,), 1), ((1, 1), 2), ((0, 3), 1),
        ((2, 0), 1), ((2, 1, 3), 1), ((2, 3), 2),
    )  # fmt: skip
    for i, (shape, axes) in enumerate(shapes):
        for weighted in (True, False):
            how = {"axes": axes, "epsilon": (1e-5, 0.1, 0.0)[i % 3]}
            yield Case(op, operands(FLOATS[i % 4], shape, axes, weighted), how)
            if count_of(shape) < 13:
                yield Case(op, operands("float64", shape, axes, weighted),
                           {"axes": axes, "epsilon": 0.1}, smooth=True)  # fmt: skip
        yield Case(op, operands(FLOATS[i % 4], shape, axes, True, FLOATS[(i + 1) % 4]), how)
        yield Case(op, (make.special(FLOATS[i % 4], shape, 0.2),), how)
    for layout in STRIDED:
        for weighted in (True, False):
            yield Case(op, operands("float32", (3, 4), 1, weighted, layout=layout), {"axes": 1})


@bad_of("layer_norm", "rms_norm")
def bad_norm(op: str, make: Maker) -> Cases:
    x = make("float32", (2, 3))
    for axes in (0, 3, -1, 9):
        yield bad(op, ValueError, x, axes=axes)
    for shape in ((2,), (3, 1), (), (2, 3)):
        weights = [make("float32", shape) for _ in range(1 + (op == "layer_norm"))]
        yield bad(op, ValueError, x, *weights, axes=1)
    for dtype in ("int64", "bool"):
        yield bad(op, TypeError, make(dtype, (2, 3)), axes=1)
    if op == "layer_norm":
        yield bad(op, ValueError, x, make("float32", (3,)), axes=1)


PLANES: dict[str, tuple[int, int]] = {  # operands like a, and of channels, at least
    "group_norm": (1, 2), "group_back": (2, 1), "group_sums": (2, 0),
    "plane_means": (1, 1), "plane_scale": (1, 2), "plane_back": (2, 4),
}  # fmt: skip
PLANE_SHAPES: tuple[Shape, ...] = (
    (2, 4, 3), (3, 4), (1, 2, 3, 3), (2, 2, 33), (1, 4, 1), (0, 2, 3), (2, 2, 0), (2, 0, 3),
    (1, 1, 1),
)  # fmt: skip


def planes(op: str, make: Maker, dtype: str, shape: Shape, layout: str = "rows") -> list[Any]:
    images, numbers = PLANES[op]
    return [*(make(dtype, shape, layout) for _ in range(images)),
            *(make(dtype, shape[1:2]) for _ in range(numbers))]  # fmt: skip


@good_of(*PLANES)
def plane_cases(op: str, make: Maker) -> Cases:
    for i, shape in enumerate(PLANE_SHAPES):
        groups = 2 - i % 2 if shape[1] % 2 == 0 else 1
        how: How = {"groups": groups, "epsilon": (1e-5, 0.1)[i % 2]} if "group" in op else {}
        for dtype in FLOATS[:2]:
            made = planes(op, make, dtype, shape)
            yield Case(op, (*made,), how)
            yield Case(op, (make.special(dtype, shape, 0.2), *made[1:]), how)
            if op == "plane_means":
                yield Case(op, (*made, make(dtype, shape)), how)
            if op == "plane_scale":
                yield Case(op, (*made, make(dtype, shape[1:2])), how)
    for layout in STRIDED:
        yield Case(op, (*planes(op, make, "float32", (3, 4), layout),))


@bad_of(*PLANES)
def bad_planes(op: str, make: Maker) -> Cases:
    good = planes(op, make, "float32", (2, 4, 3))
    for dtype in ("float16", "int64", "bool"):
        yield bad(op, TypeError, make(dtype, (2, 4, 3)), *good[1:])
    for i in range(1, len(good)):
        yield bad(op, TypeError, *good[:i], make("float64", good[i].shape), *good[i + 1 :])
        yield bad(op, ValueError, *good[:i], make("float32", (3,)), *good[i + 1 :])
    yield bad(op, ValueError, make("float32", (4,)), *good[1:])
    if op == "plane_means":
        yield bad(op, ValueError, *good, make("float32", (2, 4)))
        yield bad(op, TypeError, *good, make("float64", (2, 4, 3)))
    for groups in (0, 3, -1) if "group" in op else ():
        yield bad(op, ValueError, *good, groups=groups)


# ---- what the tests ask for ----------------------------------------------------------------------

OPS = tuple(GOOD)


def is_long(x: Any) -> bool:
    """Tell whether an operand is of several floats."""
    return isinstance(x, Operand) and is_float(x.dtype) and len(x.values) > 2


def hostile(case: Case, make: Maker) -> Case:
    """Return a case with 0, -0, infinity and NaN among the floats of an operand."""
    first = next(x for x in case.operands if is_long(x))
    values = list(first.values)
    places = make.rng.sample(range(len(values)), min(5, len(values)))
    for x, at in zip((math.nan, -0.0, math.inf, 0.0, -math.inf), places, strict=False):
        values[at] = x
    changed = Operand(first.dtype, first.shape, tuple(values), gradient=first.gradient)
    return Case(case.op, tuple(changed if x is first else x for x in case.operands), case.how)


@cache
def good(op: str) -> list[Case]:
    """Return the cases of an op that succeed."""
    make = Maker(op, *DOMAINS.get(op, (-4.0, 4.0)))
    cases = list(GOOD[op](op, make))
    return cases + [hostile(c, make) for c in cases if any(map(is_long, c.operands))][:6]


@cache
def bad_cases(op: str) -> list[Case]:
    """Return the cases of an op that fail."""
    reference = ENGINES[1]
    cases = list(BAD[op](op, Maker(op)))
    for case in good(op):
        y = reference.apply(op, leaves(reference, case), case.how)
        if len(y.array.values) > 1:
            return cases + list(gradient_cases(case, y.requires_grad))
    return cases
