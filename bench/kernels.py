"""Kernels: products, elementwise ops and reductions of arrays, nothing recorded.

A case is a line of Python on arrays that are there before, in a loop of `timeit`; what it makes is
dropped in each turn. Results are compared first, in a sample of elements. NumPy makes the numbers
and so is needed; what a library has no line for is left out. How fast memory is says a plain copy
to memory that is there already, NumPy's `copyto`, which takes turns with the ops.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import math
import re
import timeit
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from . import engines
from .engines import C_ENGINE, JAX, NUMPY, TORCH, Missing
from .report import Report, figure, geometric_mean, pair, ratio
from .runner import Contest, Contestant, Effort, Measured, Times, contest
from .worker import Job, clock

COPY = "copy"
LIBRARIES = (C_ENGINE, NUMPY, TORCH, JAX)
OTHERS = LIBRARIES[1:]
TOLERANCES = {"float32": 2e-4, "float64": 1e-10}  # relative
SAMPLE = 256  # elements that are compared
TURNS_SECONDS = 1e-3  # of a step, at least
MEMORY_BOUND = 100_000  # elements, from which on the bandwidth is told

# ---- products ------------------------------------------------------------------------------------

SQUARES = (64, 128, 256, 512, 1024, 2048)
QUICK_SQUARES = (64, 256, 512)
GRID = (8, 32, 128, 512), (8, 32, 128, 512), (1, 8, 64, 512)  # m, n, k
QUICK_GRID = (8, 128), (8, 128), (8, 64)
# What networks multiply beside these: layers of 2-8-3, of 784-512-512-10, of a small GPT; tails.
SHAPES = (
    (80, 8, 2), (80, 3, 8), (128, 512, 784), (128, 10, 512), (512, 784, 128), (512, 10, 128),
    (256, 27, 48), (256, 192, 48), (256, 48, 192), (100, 33, 17), (31, 63, 127), (9, 500, 3),
)  # fmt: skip
# One side below 8, but none a vector.
NARROW = tuple(itertools.product((2, 3, 7), (8, 64, 512), (8, 64, 512)))
NARROW += tuple((n, m, k) for m, n, k in NARROW)
VECTORS = ("row", "column", "dot", "outer")  # (k) @ (k, n), (m, k) @ (k), (k) @ (k), (m) x (n)
TRANSPOSED = ("a @ b.T", "a.T @ b")

# ---- ops -----------------------------------------------------------------------------------------

SIZES = {1_000: (10, 100), 100_000: (100, 1_000), 10_000_000: (1_000, 10_000)}


class Op(NamedTuple):
    """An op, as each library writes it; "" is the first's line, "-" is none.

    The lines are about a and b, p above 0, test of bools, all of one shape; and row, column.

    Attributes:
        moved: arrays that are read or written, where nothing but that takes time; a smaller one
            does not count.
    """

    ours: str
    numpy: str = ""
    torch: str = ""
    jax: str = ""
    moved: float = 0.0

    def line(self, library: str) -> str:
        """Return a library's line."""
        lines = dict(zip(LIBRARIES, self, strict=False))
        return str(lines[library]) or self.ours


ELEMENTWISE = (
    Op("-a", moved=2),
    Op("abs(a)", moved=2),
    Op("a + b", moved=3),
    Op("a - b", moved=3),
    Op("a * b", moved=3),
    Op("a / b", moved=3),
    Op("a + row", moved=2),
    Op("a * column", moved=2),
    Op("a * 2.5", moved=2),
    Op("a.square()", "np.square(a)", "", "jnp.square(a)", moved=2),
    Op("a.relu()", "np.maximum(a, 0)", "", "jax.nn.relu(a)", moved=2),
    Op("a.maximum(b)", "np.maximum(a, b)", "", "jnp.maximum(a, b)", moved=3),
    Op("a.clamp(0.0, 1.0)", "np.clip(a, 0.0, 1.0)", "", "jnp.clip(a, 0.0, 1.0)", moved=2),
    Op("p.sqrt()", "np.sqrt(p)", "", "jnp.sqrt(p)", moved=2),
    Op("a < b", moved=2.25),
    Op("where(test, a, b)", "np.where(test, a, b)", "torch.where(test, a, b)",
       "jnp.where(test, a, b)", moved=3.25),
    Op("a.clone()", "a.copy()", "", "a.copy()", moved=2),
    Op("a.T.contiguous()", "np.ascontiguousarray(a.T)", "", "jnp.copy(a.T)"),
    Op("a.exp()", "np.exp(a)", "", "jnp.exp(a)"),
    Op("p.log()", "np.log(p)", "", "jnp.log(p)"),
    Op("a.tanh()", "np.tanh(a)", "", "jnp.tanh(a)"),
    Op("a.sigmoid()", "1 / (1 + np.exp(-a))", "", "jax.nn.sigmoid(a)"),
    Op("a.sin()", "np.sin(a)", "", "jnp.sin(a)"),
    Op("a.cos()", "np.cos(a)", "", "jnp.cos(a)"),
    Op("a.expm1()", "np.expm1(a)", "", "jnp.expm1(a)"),
    Op("p.log1p()", "np.log1p(p)", "", "jnp.log1p(p)"),
    Op("p ** 1.7"),
    Op("p ** a"),
    Op("a.erf()", "-", "", "jax.scipy.special.erf(a)"),
    Op("functional.gelu(a)", "-", "", "jax.nn.gelu(a, approximate=False)"),
    Op("functional.silu(a)", "a / (1 + np.exp(-a))", "", "jax.nn.silu(a)"),
    Op("functional.softplus(a)", "np.logaddexp(a, 0)", "", "jax.nn.softplus(a)"),
)  # fmt: skip
REDUCTIONS = (
    Op("a.sum()", moved=1),
    Op("a.sum(0)", moved=1),
    Op("a.sum(1)", moved=1),
    Op("a.mean(1)", moved=1),
    Op("a.amax()", "a.max()", "", "a.max()", moved=1),
    Op("a.amax(0)", "a.max(0)", "", "a.max(0)", moved=1),
    Op("a.amax(1)", "a.max(1)", "", "a.max(1)", moved=1),
    Op("a.argmax(1)", moved=1),
    Op("a.var(1)", "a.var(1, ddof=1)", "", "a.var(1, ddof=1)"),
    Op("a.cumsum(1)"),
    Op("a.logsumexp(1)", "-", "", "jax.scipy.special.logsumexp(a, 1)"),
    Op("functional.softmax(a, 1)", "-", "", "jax.nn.softmax(a, 1)"),
    Op("functional.log_softmax(a, 1)", "-", "", "jax.nn.log_softmax(a, 1)"),
    Op("functional.layer_norm(a, row.shape, row, row)", "-", "", "-"),
)
OPS = {op.ours: op for op in (*ELEMENTWISE, *REDUCTIONS)}


# ---- what a contestant does ----------------------------------------------------------------------


def numbers_of(numpy: Any, name: str, asked: dict[str, Any]) -> Any:
    """Return the array of a name; few sums of its numbers are near 0, where digits cancel."""
    rng = numpy.random.default_rng(sum(map(ord, name)))
    shape = asked["shapes"][name]
    if name == "test":
        return rng.random(shape) < 0.5
    shapes = {"row": shape[1:], "column": (*shape[:1], 1)}
    start = 0.5 if name == "p" or "line" in asked else -1.0  # ops see negative numbers, too
    return (start + rng.random(shapes.get(name, shape)) * 3.0).astype(asked["dtype"])


def library(engine: str) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """Return the names that a library's lines use, and what makes an array of NumPy's its own."""
    module = engines.load(engine)
    if engine == NUMPY:
        return {"np": module}, lambda x: x
    if engine == JAX:
        special = importlib.import_module("jax.scipy.special")
        names = {"jax": module, "jnp": module.numpy, "special": special}
        return names, module.numpy.asarray
    if engine == TORCH:
        names = {"torch": module, "functional": module.nn.functional}
        return names, lambda x: module.from_numpy(x.copy())
    return {"functional": module.functional, "where": module.where}, module.tensor


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant; the case says the type, the line and the arrays' shapes."""
    asked = json.loads(case)
    numpy = engines.load(NUMPY)
    names, own = library(engine)
    line = asked["line"] if "line" in asked else OPS[asked["op"]].line(engine)
    if form == COPY:
        line = "np.copyto(to, a)"
        names["to"] = numbers_of(numpy, "a", asked)
    if line == "-":
        raise Missing("")
    used = [name for name in asked["shapes"] if re.search(rf"\b{name}\b", line)]
    names |= {name: own(numbers_of(numpy, name, asked)) for name in used}
    if engine == JAX:
        function = names["jax"].jit(eval(f"lambda {', '.join(used)}: {line}", names))
        names |= {"function": function}
        line = f"function({', '.join(used)}).block_until_ready()"
    result = eval(line, names)
    turns = timeit.Timer(line, timer=clock, globals=names)
    count = max(1, math.ceil(TURNS_SECONDS / max(turns.timeit(1), 1e-7)))

    def step() -> tuple[float]:
        return (turns.timeit(count) / count,)

    def digits() -> list[float]:
        flat = numpy.asarray(result).ravel()
        places = numpy.linspace(0, flat.size - 1, min(flat.size, SAMPLE)).astype(int)
        return [float(x) for x in flat[places]]

    return Job(step, digits if form != COPY else None)


# ---- the contest ---------------------------------------------------------------------------------


class Case(NamedTuple):
    """A case and what is told of it.

    Attributes:
        name: of its row.
        shapes: of its arrays, by name.
        work: floating-point operations, or bytes moved.
        line: for all libraries; None: op has a line for each.
    """

    name: str
    dtype: str
    shapes: dict[str, Sequence[int]]
    work: float
    line: str | None = None
    op: str = ""

    def key(self) -> str:
        """Return the case as `make` reads it."""
        line = {"op": self.op} if self.line is None else {"line": self.line}
        return json.dumps({**line, "dtype": self.dtype, "shapes": self.shapes})


Results = list[tuple[Case, dict[Contestant, Measured]]]


def contestants(threads: int, *more: Contestant) -> list[Contestant]:
    """Return the libraries with a number of threads."""
    return [*(Contestant(name, "", threads) for name in LIBRARIES), *more]


def measure(opened: Contest, cases: Iterable[Case], effort: Effort, copy: bool = False) -> Results:
    """Measure cases, large ones in fewer steps; the collector has nothing to do in any of them."""
    large = dataclasses.replace(effort, warmup=1, steps=max(4, effort.steps // 3), rounds=4)
    results: Results = []
    for case in cases:
        size = max(math.prod(shape) for shape in case.shapes.values())
        heavy = case.work > 1e9 or size > 1_000_000
        bound = copy and bool(OPS[case.op].moved) and size >= MEMORY_BOUND
        measured = opened.measure(
            case.key(),
            [c for c in opened.processes if bound or c.form != COPY],
            TOLERANCES[case.dtype],
            large if heavy else effort,
            (True,),
        )
        results.append((case, measured))
    return results


def times_of(results: dict[Contestant, Measured], contestant: Contestant) -> Times:
    """Return the times of a contestant."""
    return results[contestant][True][0]


def factor(slow: Times, quick: Times) -> Times:
    """Return how many times longer something takes, by minimum and by median."""
    return Times(slow.minimum / quick.minimum, slow.median / quick.median)


def table(report: Report, results: Results, present: Sequence[Contestant], work: str) -> None:
    """Print a row for each case: our time, what it does in a second, and the others' ratios.

    Args:
        present: the contestants; the first is ours.
        work: what work is counted in, thousands of millions of it.
    """
    ours, *others = (c for c in present if c.form != COPY)
    copies = [c for c in present if c.form == COPY and any(c in m for _, m in results)]
    rows = []
    for case, measured in results:
        times = times_of(measured, ours)
        rate = case.work / times.median / 1e9
        row = [f"`{case.name}`", pair(times, 1e-6), figure(rate) if case.work else "-"]
        for other in others:
            row.append(ratio(times_of(measured, other), times) if other in measured else "-")
        row += [share_of_copy(case, measured, times, copy) for copy in copies]
        rows.append(row)
    header = ["us, minimum / median", ours.name, work, *(f"{c.name}: x" for c in others)]
    report.table([*header, *["% of a copy's GB/s"] * len(copies)], rows)


def share_of_copy(
    case: Case, measured: dict[Contestant, Measured], times: Times, copy: Contestant
) -> str:
    """Return our bandwidth in percent of a plain copy's, by minimum and by median."""
    if copy not in measured:
        return "-"
    of_array = math.prod(case.shapes["a"]) * int(case.dtype[-2:]) // 8
    share = factor(times_of(measured, copy), times).scaled(case.work / (2 * of_array) * 100)
    return pair(share)


def mean_row(
    name: str, group: Sequence[dict[Contestant, Measured]], present: Sequence[Contestant]
) -> list[str]:
    """Return a row: for each of the others the geometric mean of the ratios, and the smallest."""
    ours, *others = (c for c in present if c.form != COPY)
    row = [name]
    for other in others:
        factors = [
            factor(times_of(measured, other), times_of(measured, ours))
            for measured in group
            if other in measured
        ]
        if not factors:
            row.append("-")
            continue
        means = Times(
            geometric_mean(x.minimum for x in factors), geometric_mean(x.median for x in factors)
        )
        worst = Times(min(x.minimum for x in factors), min(x.median for x in factors))
        row.append(f"{pair(means)} ({pair(worst)})" if len(factors) > 1 else pair(means))
    return row


def means_table(
    report: Report, groups: dict[str, list[dict[Contestant, Measured]]], present: list[Contestant]
) -> None:
    """Print the geometric means of groups of cases."""
    others = [c.name for c in present if c.form != COPY][1:]
    header = ["geometric mean (smallest) of ratios", *(f"{name}: x" for name in others)]
    report.table(header, (mean_row(name, group, present) for name, group in groups.items()))


# ---- products ------------------------------------------------------------------------------------


def product(m: int, n: int, k: int, dtype: str, line: str = "a @ b") -> Case:
    """Return the case of a product (m, k) x (k, n), or with one of the factors transposed."""
    shapes: dict[str, Sequence[int]] = {"a": (m, k), "b": (k, n)}
    if line == "a @ b.T":
        shapes["b"] = n, k
    elif line == "a.T @ b":
        shapes["a"] = k, m
    return Case(f"{line}  {m} x {k} x {n}", dtype, shapes, 2.0 * m * n * k, line)


def vector_product(form: str, n: int, k: int, dtype: str) -> Case:
    """Return the case of a product with a vector."""
    line, a, b = {
        "row": ("a @ b", (k,), (k, n)),
        "column": ("a @ b", (n, k), (k,)),
        "dot": ("a @ b", (k,), (k,)),
        "outer": ("a @ b", (n, 1), (1, k)),
    }[form]
    work = 2.0 * n * k if form != "dot" else 2.0 * k
    return Case(f"{form}  {a} @ {b}", dtype, {"a": a, "b": b}, work, line)


def product_groups(effort: Effort, dtype: str) -> dict[str, list[Case]]:
    """Return the products of a type, in groups."""
    quick = effort.largest < 10_000_000
    squares = QUICK_SQUARES if quick else SQUARES
    grid = itertools.product(*(QUICK_GRID if quick else GRID))
    narrow = NARROW[::9] if quick else NARROW
    shapes = [*grid, *(SHAPES[:4] if quick else SHAPES)]
    lengths = (64, 512) if quick else (8, 64, 512, 2048)
    both = [(n, k) for n in lengths for k in lengths if n * k <= 512 * 2048]
    cases = {
        "squares": [product(n, n, n, dtype) for n in squares],
        "m, n >= 8": [product(m, n, k, dtype) for m, n, k in shapes if min(m, n) >= 8],
        "transposed": [
            product(m, n, k, dtype, line)
            for m, n, k in SHAPES[: 3 if quick else None]
            for line in TRANSPOSED
        ],
        "m or n < 8": [product(m, n, k, dtype) for m, n, k in (*narrow, (80, 3, 8))],
    }
    for form in VECTORS:
        pairs = [(1, k) for k in lengths] if form == "dot" else both
        cases[f"vectors: {form}"] = [vector_product(form, n, k, dtype) for n, k in pairs]
    return cases


def run_products(report: Report, opened: Contest, dtype: str) -> None:
    """Print the products of a type."""
    groups = {}
    for name, cases in product_groups(opened.effort, dtype).items():
        results = measure(opened, cases, opened.effort)
        report.say(f"Products of {dtype}, {name}; one thread:")
        table(report, results, present_in(opened), "GFLOP/s")
        groups[name] = [measured for _, measured in results]
    regular = [*groups["squares"], *groups["m, n >= 8"], *groups["transposed"]]
    means = {**groups, "all with m, n >= 8": regular}
    report.say(f"Products of {dtype}, in groups:")
    means_table(report, means, present_in(opened))


def present_in(opened: Contest) -> list[Contestant]:
    """Return the contestants that are installed."""
    return [c for c in opened.processes if not opened.missing.get(c)]


# ---- ops -----------------------------------------------------------------------------------------


def op_case(op: Op, dtype: str, size: int) -> Case:
    """Return the case of an op on arrays of about so many elements."""
    names = ("a", "b", "p", "test", "row", "column")
    bytes_moved = op.moved * size * int(dtype[-2:]) / 8
    return Case(op.ours, dtype, dict.fromkeys(names, SIZES[size]), bytes_moved, None, op.ours)


def run_ops(report: Report, opened: Contest, dtype: str, sizes: Sequence[int]) -> None:
    """Print the ops of a type."""
    by_op: dict[str, list[dict[Contestant, Measured]]] = {}
    groups: dict[str, list[dict[Contestant, Measured]]] = {}
    for size in sizes:
        for name, ops in (("elementwise", ELEMENTWISE), ("reductions", REDUCTIONS)):
            cases = [op_case(op, dtype, size) for op in ops]
            results = measure(opened, cases, opened.effort, True)
            report.say(f"{name.capitalize()} on {size:,} elements of {dtype}; one thread:")
            table(report, results, present_in(opened), "GB/s")
            for case, measured in results:
                by_op.setdefault(f"`{case.name}`", []).append(measured)
                groups.setdefault(name, []).append(measured)
    report.say(f"The same of {dtype} by op, over all sizes:")
    means_table(report, {**by_op, **groups}, present_in(opened))


# ---- two threads ---------------------------------------------------------------------------------


def run_threads(report: Report, effort: Effort, dtype: str) -> None:
    """Print large cases with two threads, and with one in the same turns."""
    quick = effort.largest < 10_000_000
    sizes = QUICK_SQUARES[-1:] if quick else SQUARES[-3:]
    cases = [product(n, n, n, dtype) for n in sizes]
    cases += [product(128, 512, 784, dtype)]
    for op in ("a + b", "a.exp()", "a.tanh()", "a.sum()", "functional.softmax(a, 1)"):
        cases.append(op_case(OPS[op], dtype, max(s for s in SIZES if s <= effort.largest)))
    one = Contestant(C_ENGINE)
    with contest("kernels", [*contestants(2), one], effort) as opened:
        results = measure(opened, cases, effort)
        present = present_in(opened)
    rows = []
    for case, measured in results:
        times = times_of(measured, present[0])
        row = [f"`{case.name}`", pair(times, 1e-6)]
        for other in (c for c in present[1:] if c != one):
            row.append(ratio(times_of(measured, other), times) if other in measured else "-")
        rows.append([*row, ratio(times_of(measured, one), times)])
    report.say(f"Large ones of {dtype} with two threads, all by the wall's clock but the last:")
    others = [f"{c.name}: x" for c in present[1:] if c != one]
    header = ["us, minimum / median", present[0].name, *others, f"{one.name}, 1 thread: x"]
    report.table(header, rows)


def run(report: Report, effort: Effort) -> None:
    """Print the tables."""
    tolerances = ", ".join(f"{tolerance:g} for {name}" for name, tolerance in TOLERANCES.items())
    report.say(
        "Behind our time stands what it does in a second, and how many times longer the others"
        f" take (x), by minimum and by median. {SAMPLE} elements of every result agree, relative"
        f" to {tolerances}; ours with one and with two threads to the bit. The collector is as it"
        " is by default: it has nothing to do here."
    )
    sizes = [size for size in SIZES if size <= effort.largest]
    dtypes = list(TOLERANCES)
    with contest("kernels", contestants(1, Contestant(NUMPY, COPY)), effort) as opened:
        for dtype in dtypes:
            run_products(report, opened, dtype)
        for dtype in dtypes[:1] if effort.largest < 10_000_000 else dtypes:
            run_ops(report, opened, dtype, sizes)
        missing = opened.missing
    for dtype in dtypes:
        run_threads(report, effort, dtype)
    report.missing(filter(None, missing.values()))
