"""The two engines, random programs for them, and what it means that both ran one alike.

A program is a list of lines of Python over the names v0, v1 ... and those of an engine, so that
a failing one prints as what to type to see it fail. Where a line raises, the names it should have
bound become `Value(1.0)` and the program goes on.
"""

from __future__ import annotations

import builtins
import importlib
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import strategies as st

ENGINES = {"c": "pymicrograd", "reference": "pymicrograd.reference"}
NAMES = (
    "MLP", "RNG", "SGD", "Adam", "AdamW", "Layer", "Module", "Neuron", "Value", "cross_entropy",
    "grad", "manual_seed", "nn", "no_grad", "optim",
)  # fmt: skip


def load(name: str) -> Any:
    """Return the names of an engine that programs use, the module of its functions as `F`."""
    package = importlib.import_module(ENGINES[name])
    functional = "nn.functional" if name == "c" else "functional"
    functions = importlib.import_module(f"{ENGINES[name]}.{functional}")
    return SimpleNamespace(name=name, F=functions, **{n: getattr(package, n) for n in NAMES})


# ---- the op table --------------------------------------------------------------------------------

# Every op of the library, and expressions that record it: {a} and {b} are Values, {x} is a number,
# {k} an exponent. The last three ops are recorded only by gradients.
OPS = {
    "add": ["{a} + {b}", "{a} + {x}", "{x} + {a}"],
    "mul": ["{a} * {b}", "{a} * {x}", "{x} * {a}"],
    "pow_number": ["{a} ** {k}", "{a} ** {k}", "{a}.sqrt()"],
    "pow": ["{a} ** {b}", "{x} ** {a}"],
    "relu": ["{a}.relu()"],
    "tanh": ["{a}.tanh()"],
    "exp": ["{a}.exp()"],
    "log": ["{a}.log()"],
    "sin": ["{a}.sin()"],
    "cos": ["{a}.cos()"],
    "expm1": ["{a}.expm1()"],
    "log1p": ["{a}.log1p()"],
    "sigmoid": ["{a}.sigmoid()"],
    "softplus": ["{a}.softplus()"],
    "gelu": ["{a}.gelu()"],
    "gelu_tanh": ["{a}.gelu('tanh')"],
    "silu": ["{a}.silu()"],
    "erf": ["{a}.erf()"],
    "abs": ["abs({a})"],
    "maximum": ["{a}.maximum({b})", "{a}.maximum({x})"],
    "minimum": ["{a}.minimum({b})", "{a}.minimum({x})"],
    "sub": ["grad({a}.tanh(), {a}, create_graph=True)[0]"],
    "div": ["grad({a}.log(), {a}, create_graph=True)[0]"],
    "neg": ["grad({a}.cos(), {a}, create_graph=True)[0]"],
}
RECORDED = [template for name, rows in OPS.items() if "grad" not in rows[0] for template in rows]
# Expressions of several nodes, of none, and calls that a bulk builder records.
COMPOSITES = [
    "{a} - {b}", "{a} - {x}", "{x} - {a}", "{a} / {b}", "{a} / {x}", "{x} / {a}", "-{a}", "+{a}",
    "{a} * {a}", "{a} - {a}", "{a} / {a}", "{a} + {a}", "{a} ** {a}", "{a}.maximum({a})",
    "Value({x})", "{a}.detach()", "quietly(lambda: {a} * {b} - {x})", "sum([{a}, {b}, {a}])",
    "F.sum([{a}, {x}, {b}])", "F.mean([{a}, {b}, {a}])", "F.dot([{a}, {x}], [{b}, {a}])",
    "F.cross_entropy([{a}, {b}, {x}], 1)", "F.cross_entropy([{a}, {b}], 0, shifted=False)",
    "F.cross_entropy([[{a}, {x}], [{b}, {a}]], [0, 1])",
    "F.margin_loss([{a}, {b}], [1, -1])", "F.mse_loss([{a}, {b}], [{x}, {a}])",
    "F.softmax([{a}, {b}, {x}])[1]", "F.rmsnorm([{a}, {b}])[0]",
    "quietly(lambda: F.softmax([{a}, {b}])[0])",
]  # fmt: skip
# Lines that bind no name.
STATEMENTS = [
    "{a}.backward()", "{a}.backward({x})", "put({a}, 'data', {x})", "put({a}, 'grad', {x})",
    "{a}.zero_grad()", "mark({a})", "quietly(lambda: mark({a}))",
]  # fmt: skip
# Lines that bind two names to gradients.
GRADIENTS = [
    "grad({a}, [{b}, {c}], create_graph=True)",
    "grad({a}, [{b}, {c}])",
    "grad({a} * {b}, [{b}, {b}], create_graph=True)",
    "grad({a}.tanh(), [{b}, {a}], create_graph=True)",
    "grad({a}.cos().log(), [{b}, {a}], create_graph=True)",
]

# ---- numbers -------------------------------------------------------------------------------------

# Both zeros, infinities, NaN, the smallest and largest numbers, what pow and exp trip over, and
# full mantissas: the 24 bits of the generator would hide a contraction of a * b + c.
HOSTILE = [
    "0.0", "-0.0", "inf", "-inf", "nan", "5e-324", "-5e-324", "2.2250738585072014e-308", "1e308",
    "-1e308", "1.7976931348623157e+308", "1.0", "-1.0", "2.0", "-2.0", "0.5", "-0.5", "3", "-3",
    "0", "1", "True", "False", "-8.0", "710.0", "-746.0", "1000.0", "0.1", "0.30000000000000004",
    "1.0000000000000002", "0.9999999999999999", "-0.7853981633974483", "9007199254740993.0",
    "np.float64(0.1)", "np.float32(0.1)", "np.int64(-7)", "np.float64('-inf')", "9007199254740992",
]  # fmt: skip
EXPONENTS = [
    "2", "3", "-1", "0.5", "-0.5", "2.0", "1", "0", "1.5", "True", "-2", "np.float64(2)",
    "np.int64(3)", "0.3333333333333333", "400", "-3.0", "inf", "nan", "1e300",
]  # fmt: skip


def literals() -> st.SearchStrategy[str]:
    """Generate numbers as text: mostly tame ones with full mantissas."""
    tame = st.floats(-3.0, 3.0, allow_subnormal=False)
    return tame.filter(lambda x: abs(x) > 1e-3).map(lambda x: repr(x * 1.1))


def hostile_literals() -> st.SearchStrategy[str]:
    """Generate numbers as text, any float among them."""
    return st.one_of(st.sampled_from(HOSTILE), st.floats().map(repr), literals())


# ---- programs ------------------------------------------------------------------------------------


@lru_cache(maxsize=10_000)
def compiled(code: str) -> Any:
    """Return the code object of an expression."""
    return compile(code, "<program>", "eval")


@dataclass
class Line:
    """`names = code`, or code alone."""

    names: tuple[str, ...]
    code: str

    def __str__(self) -> str:
        return f"{', '.join(self.names)} = {self.code}" if self.names else self.code


class Program:
    """Lines, of which the first make leaves."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    def __repr__(self) -> str:
        return "\n" + "\n".join(map(str, self.lines)) + "\n"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def run(self, engine: Any) -> Run:
        """Run the program on an engine."""
        return Run(self, engine)


def put(value: Any, name: str, number: Any) -> None:
    """Set an attribute, as an expression."""
    setattr(value, name, number)


def mark(root: Any) -> None:
    """Set an attribute on all nodes below a Value, as pictures and optimizers do."""
    for node in graph([root]):
        node.marks = getattr(node, "marks", 0) + 1


class Run:
    """What a program did on an engine.

    Attributes:
        values: each name's Value.
        errors: each line's exception class, or None.
        gradients: what grad returned.
        snapshots: each name's data and gradient, in bits, after each line that binds no name.
    """

    def __init__(self, program: Program, engine: Any) -> None:
        quietly: Callable[[Any], Any] = lambda function: engine.no_grad(function)()  # noqa: E731
        names = {
            "np": np, "inf": float("inf"), "nan": float("nan"), "F": engine.F, "put": put,
            "Value": engine.Value, "grad": engine.grad, "mark": mark, "quietly": quietly,
        }  # fmt: skip
        self.values: dict[str, Any] = {}
        self.errors: list[type[Exception] | None] = []
        self.gradients: list[Any] = []
        self.snapshots: list[dict[str, bytes]] = []
        for line in program.lines:
            results: Any = None
            try:
                results = eval(compiled(line.code), names)
                self.errors.append(None)
            except Exception as error:
                self.errors.append(type(error))
                results = [engine.Value(1.0) for _ in line.names]
                results = results[0] if len(line.names) == 1 else results
            if len(line.names) == 1:
                results = [results]
            if "grad(" in line.code:
                self.gradients += results or []
            if line.names:
                self.values.update(zip(line.names, results, strict=True))
                names.update(zip(line.names, results, strict=True))
            else:
                self.snapshots.append({n: bits(x.data, x.grad) for n, x in self.values.items()})


class Composer:
    """Makes lines of bytes, eight to a line, so that a program is shrunk by dropping some."""

    def __init__(self, numbers: list[str], hostile: bool) -> None:
        self.numbers = numbers
        self.exponents = EXPONENTS if hostile else EXPONENTS[:9]
        self.names: list[str] = []
        self.lines: list[Line] = []

    def name(self, where: int) -> str:
        """Choose a Value: three times of four one of the last few."""
        count = len(self.names)
        return self.names[-1 - (where >> 2) % (count if where & 3 == 3 else min(count, 6))]

    def add(self, template: str, results: int, code: bytes = bytes(8)) -> None:
        """Add a line."""
        numbered = [f"v{len(self.names) + i}" for i in range(results)]
        places = {
            place: self.name(where)
            for place, where in zip("abc", code, strict=False)
            if f"{{{place}}}" in template
        }
        if "{x}" in template:
            places["x"] = f"({self.numbers[code[3] % len(self.numbers)]})"
        if "{k}" in template:
            places["k"] = f"({self.exponents[code[3] % len(self.exponents)]})"
        self.lines.append(Line(tuple(numbered), template.format(**places)))
        self.names += numbered

    def step(self, code: bytes, orders: bool) -> bool:
        """Add what the last bytes say; returns whether it records gradients."""
        kind, choice, operands = code[0], code[1] * 256 + code[2], code[3:]
        if kind == 0:
            pass  # so that a program shrinks to zeros, and these to nothing
        elif kind < 150:
            self.add(RECORDED[choice % len(RECORDED)], 1, operands)
        elif kind < 222:
            self.add(COMPOSITES[choice % len(COMPOSITES)], 1, operands)
        elif kind < 226:  # what was called so goes on only below what was made of it
            number = self.numbers[operands[3] % len(self.numbers)]
            self.lines.append(Line((self.name(operands[0]),), f"Value({number})"))
        elif kind < 236 or not orders:
            self.add(STATEMENTS[choice % len(STATEMENTS)], 0, operands)
        else:
            self.add(GRADIENTS[choice % len(GRADIENTS)], 2, operands)
            return True
        return False

    def finish(self) -> Program:
        """Add a few sums and their backward."""
        for first in range(3):
            some = self.names[first :: 1 + len(self.names) // 12]
            self.lines.append(Line(("total",), f"sum([{', '.join(some)}])"))
            self.lines.append(Line((), "total.backward()"))
        return Program(self.lines)


@st.composite
def programs(
    draw: st.DrawFn, max_steps: int = 300, hostile: bool = False, orders: int = 0
) -> Program:
    """Generate programs.

    Args:
        max_steps: most lines between the leaves and the last few.
        hostile: take any float, not only tame ones.
        orders: most calls of grad, each of which may multiply the graph.
    """
    steps = draw(st.integers(1, max_steps))
    numbers = draw(st.lists(hostile_literals() if hostile else literals(), min_size=3, max_size=16))
    composer = Composer(numbers, hostile)
    for number in numbers[:5]:
        composer.add(f"Value({number})", 1)
    for _ in range(steps):
        orders -= composer.step(draw(st.binary(min_size=8, max_size=8)), orders > 0)
    return composer.finish()


# ---- equality ------------------------------------------------------------------------------------


def bits(*numbers: float) -> bytes:
    """Return the bytes of floats; one NaN is like another."""
    return struct.pack(f"<{len(numbers)}d", *(x if x == x else float("nan") for x in numbers))


def is_builtin(error: type[Exception]) -> bool:
    """Tell whether an exception class is one of Python's own."""
    return getattr(builtins, error.__name__, None) is error


def graph(roots: Iterable[Any]) -> Iterator[Any]:
    """Yield the nodes below some Values, each once."""
    seen: set[int] = set()
    waiting = list(roots)
    kept = []
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            kept.append(node)  # or another node might get its id
            waiting.extend(node._prev)
            yield node


def assert_same_graphs(
    roots: Iterable[Any], others: Iterable[Any], closed: Iterable[Any] = ()
) -> None:
    """Walk two lists of graphs side by side: data, gradients, ops and sharing must be the same.

    What lies below the Values in closed, which belong to roots, is not looked at.
    """
    partner: dict[int, int] = {}
    partner_back: dict[int, int] = {}
    ends = {id(value) for value in closed}
    kept = []
    waiting = list(zip(roots, others, strict=True))
    while waiting:
        a, b = waiting.pop()
        assert partner.setdefault(id(a), id(b)) == id(b)
        assert partner_back.setdefault(id(b), id(a)) == id(a)
        if len(partner) == len(kept):
            continue
        kept.append((a, b))
        assert bits(a.data, a.grad) == bits(b.data, b.grad), (a._op, a, b)
        assert vars(a) == vars(b), (a._op, vars(a), vars(b))
        if id(a) not in ends:
            assert (a._op, len(a._prev)) == (b._op, len(b._prev)), (a, b)
            waiting.extend(zip(a._prev, b._prev, strict=True))


def assert_same_runs(program: Program, engines: tuple[Any, Any]) -> None:
    """Run a program on two engines and compare everything.

    Of recorded gradients the engines have the same numbers, but not all constants in the same
    places.
    """
    a, b = (program.run(engine) for engine in engines)
    for line, error, other in zip(program.lines, a.errors, b.errors, strict=True):
        assert error is other, f"{line}: {error} and {other}"
        assert error is None or is_builtin(error), f"{line}: {error}"
    silent = [line for line in program.lines if not line.names]
    for line, mine, its in zip(silent, a.snapshots, b.snapshots, strict=True):
        wrong = [name for name in mine if mine[name] != its[name]]
        assert not wrong, f"after {line}: {wrong}"
    assert_same_graphs(a.values.values(), b.values.values(), closed=a.gradients)
