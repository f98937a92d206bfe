"""Write the known answers of vectors/ by the reference: `python tools/vectors.py [FOLDER]`.

vectors/README.md says what stands in the files. Inputs are made here, the ops' on arrays are those
of tests/tensor_cases.py, cut to what is short; tests/test_vectors.py reads the files and asks the
engines again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymicrograd
from pymicrograd import data, nn, optim, reference
from pymicrograd.nn import functional
from pymicrograd.reference import value as values
from pymicrograd.reference import vmath
from pymicrograd.reference.array import Array, is_float
from pymicrograd.reference.array_program import ArrayProgram
from pymicrograd.tensors.dtypes import as_dtype

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import tensor_cases as cases  # noqa: E402

# ---- numbers as text -------------------------------------------------------------------------

CODES = {"float64": ("<d", 8), "float32": ("<f", 4), "float16": ("<e", 2), "bfloat16": ("<f", 4)}


def digits(x: Any, dtype: str = "float64") -> str:
    """Return the hex digits of a float's bits, the same for all NaNs; integers in decimal."""
    if dtype not in CODES:
        return str(int(x))
    code, size = CODES[dtype]
    bits = struct.pack(code, math.nan if x != x else x)[::-1].hex()
    return bits[:4] if dtype == "bfloat16" else bits[: 2 * size]


def number(text: str, dtype: str = "float64") -> Any:
    """Return the number that `digits` has written."""
    if dtype not in CODES:
        return bool(int(text)) if dtype == "bool" else int(text)
    code, size = CODES[dtype]
    return struct.unpack(code, bytes.fromhex(text.ljust(2 * size, "0"))[::-1])[0]


def line(*numbers: float) -> str:
    return " ".join(map(digits, numbers))


# ---- ops.json --------------------------------------------------------------------------------

KINDS = {"MG_OP": "scalar", "MG_MAP": "element", "MG_ARRAY": "array"}


def rows_of_the_table() -> Iterator[tuple[str, str, list[str]]]:
    """Yield the kind of each row of ops.def, its text, and its columns but for formulas."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "csrc/ops.def").read_text(), flags=re.S)
    for kind, row in re.findall(r"^(MG_OP|MG_MAP|MG_ARRAY)\(([A-Z].*?)\) *$", text, re.M | re.S):
        if ", ..." not in row:
            yield kind, row, [column.strip() for column in row.split(",", 6)]


def signature(kind: str, row: str, columns: list[str]) -> dict[str, Any]:
    """Return what a row says of what an op takes."""
    name, symbol = columns[1], columns[2].strip('"')
    if kind != "MG_ARRAY":
        arity, types, traits = int(columns[3]), columns[4], columns[5]
        has_gradient = not row.replace("\n", " ").rstrip().endswith("NONE, NONE")
        return {
            "name": name, "symbol": symbol, "kind": KINDS[kind], "operands": ["a", "b"][:arity],
            "integers": [], "numbers": ["k"] if "MG_TAKES_NUMBER" in traits else [],
            "types": types, "differentiable": has_gradient or types == "NOWHERE",
        }  # fmt: skip
    taken = re.findall(r"\b([A-Z_]+)\(([^)]*)\)", row)
    takes = {word: [x.strip() for x in names.split(",")] for word, names in taken}
    integers = [
        {"name": x, "count": count}
        for word, count in (("INTEGERS", "one"), ("PER_AXIS", "one an axis of operand 0"),
                            ("SHAPE", "one an axis of the result"), ("WINDOWS", "s"))
        for x in takes.get(word, [])
    ]  # fmt: skip
    if "WINDOWS" in takes:
        integers.insert(0, {"name": "s", "count": "one"})
    return {
        "name": name, "symbol": symbol, "kind": "array",
        "operands": takes.get("TAKES", []), "optional": takes.get("OPTIONAL", []),
        "many": takes.get("MANY", []), "integers": integers, "numbers": takes.get("NUMBER", []),
        "types": "", "differentiable": columns[3] != "NONE",
    }  # fmt: skip


def table() -> list[dict[str, Any]]:
    """Return the signatures of all ops, in the order of ops.def."""
    return [signature(*row) for row in rows_of_the_table()]


def write_table(folder: Path) -> None:
    rows = ",\n".join(json.dumps(row) for row in table())
    (folder / "ops.json").write_text(f"[\n{rows}\n]\n")


# ---- functions of vmath.h --------------------------------------------------------------------

FUNCTIONS = {"float64": {**vmath.FLOAT64, "gelu_slope": vmath.gelu_slope},
             "float32": vmath.FLOAT32}  # fmt: skip
HOSTILE = (0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 2.225073858507201e-308,
           -2.2250738585072014e-308, 1e-310, 1.7976931348623157e308, -1.7976931348623157e308,
           1e300, -1e22, 1e22, 1e-300, 2.0, -3.0)  # fmt: skip
# Where formulas change; the last ones of the first line are where sin and cos of float32 do.
BORDERS = (0.5, 0.71875, 0.75, 1.0, 2.0**20, 2.0**30, 6.0, 12.0, 22.0, 30.0, 40.0, 60.0, 100.0,
           800.0, 1000.0, 1022.0, 1024.0, 1100.0, 2.0**-900, 2.0**60, 0.41421356237309503,
           2.414213562373095, 0.7071067811865476, 1.4142135623730951, 0.34657359027997264,
           709.782712893384, 745.1332191019411, 708.3964185322641, 710.4758600739439, math.pi,
           math.pi / 2, math.pi / 4, math.ldexp(6381956970095103.0, 797), 9830.3984375,
           1.100467763087514e19, 1.7269983397793917e20, 88.72283, 103.97208)  # fmt: skip
POWER_BASES = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 2.0, -2.5, 5e-324, 1e308,
               1.0 + 2.0**-52, -3.0)  # fmt: skip
POWER_EXPONENTS = (0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 2.0, 3.0, 0.5, -0.5, -2.0,
                   2.0**53, 1e300, -7.0)  # fmt: skip


def full(rng: random.Random, low: int = -40, high: int = 40) -> float:
    """Return a number with a full mantissa."""
    return math.ldexp(rng.uniform(0.5, 1.0), rng.randint(low, high)) * rng.choice((1.0, -1.0))


def inputs(name: str) -> list[float]:
    """Return numbers for a function: hostile ones, around borders, and random ones."""
    rng = random.Random(name)
    near = [x for border in BORDERS for x in (
        math.nextafter(border, 0.0), border * rng.choice((1.0, -1.0)),
        math.nextafter(border, math.inf) * rng.choice((1.0, -1.0)))]  # fmt: skip
    drawn = [rng.uniform(-span, span) for span in (1.0, 1.0, 1.0, 2.0, 5.0, 20.0, 700.0)
             for _ in range(5)]  # fmt: skip
    return [*HOSTILE, *near, *drawn, *(full(rng, -60, 60) for _ in range(15))]


def power_inputs() -> list[tuple[float, float]]:
    rng = random.Random("pow")
    pairs = [(x, y) for x in POWER_BASES for y in POWER_EXPONENTS]
    for _ in range(50):
        x = math.exp(rng.uniform(-700.0, 700.0))
        near = 1.0 + math.ldexp(rng.uniform(-1.0, 1.0), -rng.randint(1, 40))
        pairs += [(x, rng.uniform(-745.0, 745.0) / math.log(x)), (near, full(rng, 0, 48)),
                  (rng.uniform(-10.0, 10.0), float(rng.randint(-20, 20)))]  # fmt: skip
    return pairs


def write_functions(folder: Path) -> None:
    for dtype, known in FUNCTIONS.items():
        narrow = vmath.to_float32 if dtype == "float32" else float
        (folder / dtype).mkdir(parents=True, exist_ok=True)
        for name, function in known.items():
            numbers = [narrow(x) for x in inputs(name)[:: 1 if dtype == "float64" else 2]]
            write_lines(folder / dtype / f"{name}.txt", (
                f"{digits(x, dtype)} {digits(function(x), dtype)}" for x in numbers))  # fmt: skip
    write_lines(folder / "float64" / "pow.txt",
                (line(x, y, vmath.power(x, y)) for x, y in power_inputs()))  # fmt: skip
    pairs = [(vmath.to_float32(x), vmath.to_float32(y)) for x, y in power_inputs()[::3]]
    write_lines(folder / "float32" / "pow.txt", (
        " ".join(digits(n, "float32") for n in (x, y, vmath.power_f32(x, y)))
        for x, y in pairs))  # fmt: skip


def write_lines(path: Path, lines: Iterator[str] | Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


# ---- ops of numbers --------------------------------------------------------------------------

ERRORS = {ZeroDivisionError: "division", OverflowError: "overflow", ValueError: "domain"}
NUMBERS = (*HOSTILE, 0.5, -0.5, 1.0, -1.0, -2.0, 709.782712893384, -709.9, 800.0, -746.0, 40.0,
           -40.0, 6.25, -1.5, 1e-9, -1e-9)  # fmt: skip
OPERANDS = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 2.5, -3.0, 5e-324, 1e200)
EXPONENTS = (0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 2.7, -3.0, 400.0, math.inf, -math.inf,
             math.nan)  # fmt: skip
SEEDS = (1.0, 0.0, -0.0, math.inf, math.nan, -1e300, 0.7000000000000001)


def number_inputs(name: str) -> list[tuple[float, ...]]:
    """Return operands, or operand and exponent, of an op of numbers, and a gradient."""
    rng = random.Random(name)
    op = values.OPS[name]
    seeds = [*SEEDS, *(full(rng, -3, 3) for _ in range(9))]
    if op.arity == 1:
        rows: list[tuple[float, ...]] = [(x,) for x in NUMBERS]
        rows += [(rng.uniform(-s, s),) for s in (1.0, 5.0, 30.0) for _ in range(7)]
    else:
        others = EXPONENTS if name == "pow_number" else OPERANDS
        rows = [(x, y) for x in OPERANDS for y in others]
        rows += [(full(rng, -9, 9), full(rng, -4, 4)) for _ in range(12)]
        rows += [(abs(full(rng, -9, 9)), full(rng, -4, 4)) for _ in range(8)]
    return [(*row, rng.choice(seeds)) for row in rows]


def attempt(compute: Callable[[], Any]) -> tuple[Any, str]:
    """Return a result, and what error it raises where errors are raised."""
    error = ""
    try:
        compute()
    except (ArithmeticError, ValueError) as raised:
        error = next(word for kind, word in ERRORS.items() if isinstance(raised, kind))
    with pymicrograd.ieee():
        return compute(), error


def answer_number(name: str, operands: Sequence[float], g: float) -> str:
    """Return y and gradients of the reference, and where it raises an error."""
    op = values.OPS[name]
    y, error = attempt(lambda: op.value(*operands))
    known = (*operands, y, g)
    found, wrong = attempt(lambda: op.gradient(*known))
    # What a backward adds to gradients that are 0.
    parts = [0.0 + x for x in (found if isinstance(found, tuple) else (found,))]
    after = f" value {error}" if error else f" gradient {wrong}" if wrong else ""
    return f"{line(*operands, g, y, *parts)}{after}"


def write_scalars(folder: Path) -> None:
    for name in values.OPS:
        rows = number_inputs(name)
        lines = [answer_number(name, row[:-1], row[-1]) for row in rows]
        write_lines(folder / f"{name}.txt", lines)


# ---- graphs of numbers -----------------------------------------------------------------------


def draw_graph(rng: random.Random) -> list[tuple[str, tuple[Any, ...]]]:
    """Return steps: a leaf's number; an op and its operands by position, an exponent as float."""
    steps: list[tuple[str, tuple[Any, ...]]] = [
        ("leaf", (rng.uniform(-2.0, 2.0),)) for _ in range(rng.randint(1, 4))
    ]
    unused = set(range(len(steps)))
    smooth = [name for name in values.OPS if name not in ("log", "log1p", "pow", "div")]
    for _ in range(rng.randint(3, 10)):
        name, n = rng.choice(smooth), len(steps)
        if name == "pow_number":
            at: tuple[int, ...] = (rng.randrange(n),)
            steps.append((name, (*at, rng.choice((2.0, 3.0, 1.0)))))
        else:
            at = tuple(rng.randrange(n) for _ in range(values.OPS[name].arity))
            steps.append((name, at))
        unused = (unused - {*at}) | {n}
    while len(unused) > 1:
        at = tuple(sorted(unused)[:2])
        steps.append((rng.choice(("add", "mul")), at))
        unused = (unused - {*at}) | {len(steps) - 1}
    return steps


def build(steps: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
    """Return the nodes of a graph, on the reference."""
    nodes: list[Any] = []
    for name, known in steps:
        if name == "leaf":
            nodes.append(values.Value(*known))
        elif name == "pow_number":
            nodes.append(nodes[known[0]] ** known[1])
        else:
            nodes.append(values.OPS[name].node(*(nodes[i] for i in known)))
    return nodes


def answer_graph(steps: Sequence[tuple[str, tuple[Any, ...]]]) -> list[str]:
    """Return a graph and what two backwards from its last node leave, as lines."""
    nodes = build(steps)
    lines = ["graph"]
    for (name, known), node in zip(steps, nodes, strict=True):
        shown = (digits(x) if isinstance(x, float) else str(x) for x in known)
        lines.append(" ".join([name, *shown, *([] if name == "leaf" else [digits(node.data)])]))
    for _ in range(2):
        nodes[-1].backward()
        lines.append(f"grads {line(*(node.grad for node in nodes))}")
    leaves = [node for node in nodes if node.is_leaf]
    first = values.grad(nodes[-1], leaves, create_graph=True)
    second = values.grad(sum_of(first), leaves)
    return [*lines, f"second {line(*(x.data for x in second))}"]


def sum_of(numbers: Sequence[Any]) -> Any:
    """Return ((a + b) + c) + .. of Values."""
    total, *others = numbers
    for x in others:
        total = total + x
    return total


def write_graphs(path: Path) -> None:
    rng, lines = random.Random(13), []
    while len(lines) < 600:
        steps = draw_graph(rng)
        try:
            lines += answer_graph(steps)
        except (ArithmeticError, ValueError):
            continue  # too large; errors are of the other files
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


# ---- ops on arrays ---------------------------------------------------------------------------

Entry = dict[str, Any]
BYTES = 5000  # of the cases of an op of elements an operand, else of all, about
LONGEST = 12  # elements of a row that is left as it is


def shown(dtype: str, shape: Sequence[int], numbers: Sequence[Any]) -> Entry:
    text = " ".join(digits(x, dtype) for x in numbers)
    return {"dtype": dtype, "shape": list(shape), "elements": text}


def entry_of(engine: Any, x: Any) -> Entry | None:
    """Return an engine's tensor as it stands in a file."""
    if x is None:
        return None
    dtype, shape, numbers, *_ = engine.digits(x)
    if is_float(dtype):
        numbers = struct.unpack(f"<{len(numbers) // 8}d", numbers)
    return shown(dtype, shape, numbers)


def operand_entries(case: Any) -> list[Entry]:
    found: list[Entry] = []
    for i, x in enumerate(case.operands):
        before = next((k for k in range(i) if case.operands[k] is x), None)
        if not isinstance(x, cases.Operand):
            kind = type(x).__name__
            text = digits(x, "float64" if kind == "float" else kind)
            found.append({"number": kind, "elements": text})
        elif before is not None:
            found.append({"same": before})
        else:
            entry = shown(x.dtype, x.shape, x.values)
            found.append({**entry, "gradient": x.gradient and is_float(x.dtype)})
    return found


def operands_of(entries: Sequence[Entry]) -> tuple[Any, ...]:
    """Return operands as tensor_cases.py has them."""
    found: list[Any] = []
    for entry in entries:
        if "same" in entry:
            found.append(found[entry["same"]])
        elif "number" in entry:
            kind = entry["number"]
            found.append(number(entry["elements"], "float64" if kind == "float" else kind))
        else:
            found.append(operand_of(entry))
    return tuple(found)


def operand_of(entry: Entry) -> Any:
    dtype = entry["dtype"]
    numbers = tuple(number(text, dtype) for text in entry["elements"].split())
    flows = entry.get("gradient", False)
    return cases.Operand(dtype, tuple(entry["shape"]), numbers, gradient=flows)


def how_of(op: Entry, operands: Sequence[Any], integers: list[int], given: Sequence[float]) -> Any:
    """Return an op's integers and numbers by their names."""
    how: dict[str, Any] = dict(zip(op["numbers"], given, strict=True))
    rest = list(integers)
    for named in op["integers"]:
        name, count = named["name"], named["count"]
        n = {"one": 1, "one an axis of the result": len(rest), "s": how.get("s")}.get(count)
        n = len(operands[0].shape) if n is None else n
        how[name], rest = (tuple(rest[:n]) if count != "one" else rest[0]), rest[n:]
    how.pop("s", None)
    if "keep" in how and "axes" in how:
        how["axes"] = tuple(d for d in range(16) if how["axes"] >> d & 1)
    if how.get("axis") == -1:
        how["axis"] = None
    if "dtype" in how:
        how["dtype"] = next(x for x in cases.DTYPES if as_dtype(x).number == how["dtype"])
    return how


def case_of(op: Entry, entry: Entry) -> Any:
    """Return the case of a line of a file."""
    operands = operands_of(entry["operands"])
    given = [number(entry["number"])] if "number" in entry else []
    how = how_of(op, operands, entry["integers"], given)
    return cases.Case(op["name"], operands, how)


def answer_array(engine: Any, case: Any, seeds: Entry | None, order: int = 2) -> Entry:
    """Return what an engine computes: the result, and gradients of up to two orders.

    Args:
        seeds: a file's entry, whose seed and weights are taken; without, they are drawn.
    """
    tensors = cases.leaves(engine, case)
    sources = cases.distinct(tensors)
    y = engine.apply(case.op, tensors, case.how)
    found: Entry = {"result": entry_of(engine, y)}
    if not y.requires_grad or not order:
        return found
    seed = (engine.leaf(replace(operand_of(seeds["seed"]), gradient=True))
            if seeds else cases.seed_for(engine, y, 1, requires=True))  # fmt: skip
    gradients = engine.grad([y], sources, [seed], create_graph=order > 1)
    found["seed"] = entry_of(engine, seed)
    found["gradients"] = [entry_of(engine, g) for g in gradients]
    if order < 2:
        return found
    roots = [g for g in gradients if g is not None and g.requires_grad]
    if roots:
        weights = ([engine.leaf(operand_of(w)) for w in seeds["weights"] if w] if seeds else
                   [cases.seed_for(engine, g, 2 + i) for i, g in enumerate(roots)])  # fmt: skip
        left = iter(weights)
        found["weights"] = [entry_of(engine, next(left)) if any(g is r for r in roots) else None
                            for g in gradients]  # fmt: skip
        second = engine.grad(roots, [*sources, seed], weights, False)
        found["second"] = [entry_of(engine, g) for g in second]
    return found


def kind_of(x: Any) -> str:
    """Return what is hostile in a number, if anything is."""
    if not isinstance(x, float) or (x and 1e-37 < abs(x) < 1e37):
        return ""
    return "NaN" if x != x else repr(x) if x == 0.0 or math.isinf(x) else "tiny or huge"


def shortened(case: Any) -> Any:
    """Return a case of long rows of elements with some of them: hostile ones and a few more."""
    rows = [x for x in case.operands if isinstance(x, cases.Operand) and len(x.shape) == 1]
    n = max((x.shape[0] for x in rows), default=0)
    if case.op not in cases.ELEMENTS or n <= LONGEST or len({x.shape for x in rows}) > 1:
        return case
    firsts = {(k, kind_of(number)): i for k, x in enumerate(rows)
              for i, number in reversed([*enumerate(x.values)])}  # fmt: skip
    drawn = random.Random(f"{case.op} {rows[0].dtype}").sample(range(n), 4)
    at = sorted({*firsts.values(), *drawn})
    made = {id(x): replace(x, shape=(len(at),), values=tuple(x.values[i] for i in at))
            for x in rows}  # fmt: skip
    return replace(case, operands=tuple(made.get(id(x), x) for x in case.operands))


def hostile_first(op: str, found: list[Any]) -> list[Any]:
    """Return cases with NaN and infinity, one a type, as far as there are; then the others."""
    first = []
    for dtype in ("float64", "float32", "bfloat16", "float16"):
        of_type = [case for case in found if any(cases.is_long(x) and x.dtype == dtype
                   for x in case.operands)]  # fmt: skip
        ready = (
            case
            for case in of_type
            if any(kind_of(n) == "NaN" for x in case.operands if cases.is_long(x) for n in x.values)
        )
        made = (cases.hostile(case, cases.Maker(op)) for case in of_type)
        first += [*itertools.islice(itertools.chain(ready, made), 1)]
    others = [case for case in found if not any(case is x for x in first)]
    random.Random(op).shuffle(others)
    return first + others


def is_short(case: Any) -> bool:
    arrays = [x for x in case.operands if isinstance(x, cases.Operand)]
    return all(x.layout == "rows" for x in arrays) and sum(len(x.values) for x in arrays) <= 40


def array_lines(op: Entry) -> list[str]:
    """Return the cases of an op, as lines."""
    name, engine = op["name"], cases.ENGINES[1]
    found = [case for case in map(shortened, cases.good(name)) if is_short(case)]
    lines: list[str] = []
    limit = BYTES * (len(op["operands"]) if name in cases.ELEMENTS else 1)
    for case in hostile_first(name, found):
        order = 2 if name in cases.ELEMENTS and len(lines) < 3 else 1
        integers, numbers = flat(case)
        entry = {
            "operands": operand_entries(case), "integers": list(integers),
            **({"number": digits(numbers[0])} if numbers else {}),
            **answer_array(engine, case, None, order),
        }  # fmt: skip
        text = json.dumps(entry)
        if len(lines) < 3 or sum(map(len, lines)) + len(text) < limit:
            lines.append(text)
    return lines


def flat(case: Any) -> tuple[Sequence[int], Sequence[float]]:
    if case.op not in cases.FLAT:
        return (), ()
    tensors = cases.leaves(cases.ENGINES[0], case)  # which know their number of axes
    integers, *numbers = cases.FLAT[case.op](tensors, case.how)
    return integers, numbers[0] if numbers else ()


def array_ops() -> list[Entry]:
    return [op for op in table() if op["name"] in cases.OPS]


def write_arrays(folder: Path) -> None:
    for op in array_ops():
        write_lines(folder / f"{op['name']}.jsonl", array_lines(op))


# ---- the generator ---------------------------------------------------------------------------

RANDOM_SEEDS = (1, 42, 1337, 0x9E3779B97F4A7C15, 2**64 - 1)
FAR = 1_000_000


def draws(rng: Any, kind: str, count: int) -> Iterator[Any]:
    """Yield numbers of a generator of either engine."""
    draw = {"u32": rng.random_u32, "random": rng.random, "normal": rng.normal}[kind]
    return (draw() for _ in range(count))


def write_generator(folder: Path) -> None:
    for seed in RANDOM_SEEDS:
        columns = []
        for kind in ("u32", "random", "normal"):
            found = list(draws(reference.RNG(seed), kind, FAR))
            columns.append([f"{x:08x}" if kind == "u32" else digits(x)
                            for x in (*found[:1000], found[-1])])  # fmt: skip
        items = list(range(100))
        reference.RNG(seed).shuffle(items)
        lines = [" ".join(row) for row in zip(*columns, strict=True)]
        lines.append("shuffle " + " ".join(map(str, items)))
        write_lines(folder / f"{seed:016x}.txt", lines)


# ---- training runs ---------------------------------------------------------------------------

# Trained on 80, 99, 91 and 91 points: in portable math 99 ** -1 and 91 ** -1 are not 1 / 99 and
# 1 / 91, which tells means apart.
RUNS: dict[str, dict[str, Any]] = {
    "demo": {"points": "quadrants 100", "sizes": (2, 16, 3), "activation": "tanh",
             "loss": "cross_entropy", "optimizer": "AdamW", "steps": 100,
             "numbers": {"lr": 0.1, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8,
                         "weight_decay": 1e-4}},
    "moons": {"points": "moons 124", "sizes": (2, 6, 6, 1), "activation": "relu",
              "loss": "margin_loss", "optimizer": "SGD", "steps": 40,
              "numbers": {"lr": 0.05, "momentum": 0.9, "dampening": 0.0, "weight_decay": 1e-4,
                          "nesterov": 0.0}},
    "adam": {"points": "moons 114", "sizes": (2, 6, 1), "activation": "gelu",
             "loss": "mse_loss", "optimizer": "Adam", "steps": 40,
             "numbers": {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8,
                         "weight_decay": 1e-3}},
    "classes": {"points": "quadrants 114", "sizes": (2, 5, 3), "activation": "silu",
                "loss": "cross_entropy", "optimizer": "SGD", "steps": 20,
                "numbers": {"lr": 0.1, "momentum": 0.8, "dampening": 0.0, "weight_decay": 0.0,
                            "nesterov": 1.0}},
}  # fmt: skip


def points_of(run: dict[str, Any], rng: Any) -> list[tuple[list[float], int]]:
    """Draw the points of a run that it is trained on: 80 % of all."""
    name, count = run["points"].split()
    train, _, _ = {"quadrants": data.gen_data, "moons": data.gen_data_moons}[name](rng, int(count))
    return [([*point], label) for point, label in train]


def loss_of(engine: Any, run: dict[str, Any], model: Any, points: Sequence[Any]) -> Any:
    outputs = model([point for point, _ in points])
    labels = [label for _, label in points]
    if run["loss"] == "cross_entropy":
        return engine.cross_entropy(outputs, labels)
    signs = [1.0 if label else -1.0 for label in labels]
    return getattr(engine.functional, run["loss"])(outputs, signs)


def optimizer_of(engine: Any, run: dict[str, Any], parameters: Sequence[Any]) -> Any:
    numbers = dict(run["numbers"])
    if "beta1" in numbers:
        numbers["betas"] = numbers.pop("beta1"), numbers.pop("beta2")
    return getattr(engine, run["optimizer"])(parameters, **numbers)


def hash_of(numbers: Sequence[float]) -> str:
    return hashlib.sha256(struct.pack(f"<{len(numbers)}d", *numbers)).hexdigest()


def train(engine: Any, run: dict[str, Any], points: Sequence[Any], rng: Any) -> list[str]:
    """Train on an engine; return what stands in the file behind the points."""
    model = engine.MLP(run["sizes"][0], run["sizes"][1:], rng=rng, activation=run["activation"])
    parameters = list(model.parameters())
    optimizer = optimizer_of(engine, run, parameters)
    initial = [p.data for p in parameters]
    losses = []
    for _ in range(run["steps"]):
        loss = loss_of(engine, run, model, points)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.data)
    final = [p.data for p in parameters]
    lines = [f"initial {line(*initial)}"]
    lines += [f"loss {i} {digits(x)}" for i, x in enumerate(losses)
              if i % 10 == 0 or i == len(losses) - 1]  # fmt: skip
    lines.append(f"final {line(*final)}")
    named = (("initial", initial), ("losses", losses), ("final", final))
    return lines + [f"sha256 {name} {hash_of(numbers)}" for name, numbers in named]


def run_lines(run: dict[str, Any]) -> list[str]:
    """Return a run on the reference, as lines."""
    rng = reference.RNG(42)
    points = points_of(run, rng)
    numbers = " ".join(f"{name} {digits(x)}" for name, x in run["numbers"].items())
    lines = [f"sizes {' '.join(map(str, run['sizes']))}",
             *(f"{key} {run[key]}" for key in ("activation", "loss", "optimizer", "steps")),
             f"numbers {numbers}", f"state {rng.state:016x}"]  # fmt: skip
    lines += [f"point {line(*point)} {label}" for point, label in points]
    return lines + train(reference, run, points, rng)


def demo_lines() -> list[str]:
    """Return what `pymicrograd demo --math portable` prints of its steps."""
    from pymicrograd.cli.demo import Settings, Training

    return list(Training("reference", Settings(math="portable")).run())


def write_runs(folder: Path) -> None:
    for name, run in RUNS.items():
        write_lines(folder / f"{name}.txt", run_lines(run))
    write_lines(folder / "demo_lines.txt", demo_lines())


# ---- programs --------------------------------------------------------------------------------


def classifier(optimizer: str, **numbers: Any) -> Any:
    """Return a program that trains an MLP, and the model."""
    run = {"optimizer": optimizer, "numbers": numbers}
    rng = pymicrograd.RNG(7)
    model = pymicrograd.MLP(2, [4, 3], rng=rng)
    loss = pymicrograd.cross_entropy(
        model([[rng.uniform(-2.0, 2.0), rng.uniform(-2.0, 2.0)] for _ in range(6)]), [0, 1, 2] * 2
    )
    return pymicrograd.compile(loss, optimizer_of(pymicrograd, run, model.parameters())), model


def every_op() -> Any:
    """Return a program with the value and the gradients of each op."""
    a, b, c = (pymicrograd.Value(x) for x in (0.7, -1.3, 2.1))
    parts = [a + b, a * b, c**3, c**-1, a**0.5, c**1.7, c**a, (a * b).relu(), a.tanh(), b.exp(),
             c.log(), a.sin(), b.cos(), a.expm1(), c.log1p(), b.sigmoid(), b.softplus(), b.gelu(),
             a.gelu("tanh"), b.silu(), b.erf(), abs(b), a.maximum(c), b.minimum(a), a - c, a / c,
             -b]  # fmt: skip
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return pymicrograd.compile(total), {"a": a, "b": b, "c": c}


def with_inputs() -> Any:
    """Return a compiled function of three inputs, which has been called, and its Values."""
    w, v = pymicrograd.Value(0.5), pymicrograd.Value(-0.25)
    optimizer = pymicrograd.SGD([w, v], lr=0.1, momentum=0.9)

    @pymicrograd.compile(values=True)
    def step(x: Any, y: Any, z: Any) -> Any:
        shares = pymicrograd.nn.functional.softmax([x * w, y * v, z])
        loss = -(shares[0].log()) + (w - v) ** 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, shares[2]

    step(0.5, -1.5, 2.0)
    return step, {"w": w, "v": v}


def until_an_error() -> Any:
    """Return a program whose second step takes the logarithm of what is below 0."""
    w = pymicrograd.Value(1.0)
    loss = (w - 0.5).log() * 3.0 + w * w
    return pymicrograd.compile(loss, pymicrograd.SGD([w], lr=0.1)), {"w": w}


PROGRAMS: dict[str, tuple[Callable[[], Any], Sequence[Any]]] = {
    "adamw": (lambda: classifier("AdamW", lr=0.05, weight_decay=0.01), (3, 4)),
    "adam": (lambda: classifier("Adam", lr=0.05, weight_decay=0.01), (4,)),
    "nesterov": (lambda: classifier("SGD", lr=0.1, momentum=0.8, nesterov=True), (4,)),
    "every_op": (every_op, (2,)),
    "with_inputs": (with_inputs, ((1.0, 0.25, -2.0), (-0.5, 3.0, 700.0), (0.0, -0.0, 1e-5))),
    "until_an_error": (until_an_error, (5,)),
}


def program_answers(program: Any, call: Any) -> Iterator[str]:
    """Run a program of the reference, or call it; yield what stands in the file of it."""
    if isinstance(call, tuple):
        program.inputs = list(call)
        yield f"inputs {line(*call)}"
    steps, losses, error = (1 if isinstance(call, tuple) else call), [], ""
    yield f"run {steps}"
    while steps and not error:
        try:
            losses += program.run()
        except (ArithmeticError, ValueError) as raised:
            error = next(word for kind, word in ERRORS.items() if isinstance(raised, kind))
        steps -= 1
    yield f"losses {line(*losses)}".rstrip()
    if not error:
        yield f"outputs {line(*program.outputs)}".rstrip()
    yield f"data {line(*program.data)}"
    yield f"gradients {line(*program.gradients)}"
    if error:
        yield f"error {error}"


def program_lines(content: bytes, calls: Sequence[Any]) -> list[str]:
    """Return the answers of the reference about a file."""
    from pymicrograd.reference.program import NumberProgram

    program = NumberProgram(content)
    return [line for call in calls for line in program_answers(program, call)]


def write_programs(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, (make, calls) in PROGRAMS.items():
        program, names = make()
        path = folder / f"{name}.mgp"
        program.save(path, names=names)
        write_lines(folder / f"{name}.txt", program_lines(path.read_bytes(), calls))


# ---- programs of arrays ----------------------------------------------------------------------

Inputs = tuple[Any, ...]


def of_numbers(rng: random.Random, dtype: str, *shape: int) -> Any:
    """Return an operand of drawn numbers with full mantissas."""
    numbers = [rng.uniform(-1.5, 1.5) for _ in range(math.prod(shape))]
    return cases.Operand(dtype, shape, Array(dtype, shape, numbers).values, gradient=False)


def of_integers(*numbers: int, dtype: str = "int64") -> Any:
    return cases.Operand(dtype, (len(numbers),), numbers, gradient=False)


def training(
    model: Any, optimizer: Any, loss_of: Callable[..., Any], clip: float = 0.0
) -> Callable[..., Any]:
    """Return a step that trains a model and gives back the loss."""

    def step(x: Any, y: Any) -> Any:
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        if clip:
            pymicrograd.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return loss

    return step


def mlp() -> Any:
    """An MLP, cross-entropy with a target that is ignored, AdamW, gradients that are clipped."""
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
    optimizer = optim.AdamW(model.parameters(), lr=0.05, amsgrad=True)
    return training(model, optimizer, functional.cross_entropy, 0.5), model


def images() -> Any:
    """A convolution, pooling, and SGD with Nesterov's momentum."""
    layers = (nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    model = nn.Sequential(*layers, nn.Linear(8, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    return training(model, optimizer, functional.cross_entropy), model


class Residual(pymicrograd.nn.Module):
    """Norms of images, whose Functions the file tells, beside residual connections."""

    def __init__(self) -> None:
        super().__init__()
        self.mixed = nn.Conv2d(1, 4, 3, padding=1)
        self.batch = nn.BatchNorm2d(4)
        self.groups = nn.GroupNorm(2, 4)
        self.last = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        x = self.mixed(x)
        x = (self.batch(x) + x).relu() + x
        return self.last((self.groups(x) + x).mean((2, 3)))


def norms() -> Any:
    model = Residual()
    optimizer = optim.AdamW(model.parameters(), lr=0.02)
    return training(model, optimizer, functional.cross_entropy), model


class Mixed(pymicrograd.autograd.Function):
    """a b and a + b, which may have no gradient; its backward makes one of its own."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        product = a * b
        ctx.save_for_backward(a, b, product)
        ctx.set_materialize_grads(False)
        return product, a + b

    @staticmethod
    def backward(ctx: Any, g: Any, to_sum: Any) -> Any:
        a, b, product = ctx.saved_tensors
        with pymicrograd.enable_grad():
            x = a.detach().requires_grad_()
            y = (x * b).sin() + x
        (inner,) = pymicrograd.autograd.grad(y, x, g)
        if to_sum is None:
            return inner, g * a * product
        return inner + to_sum, to_sum - g


def grads() -> Any:
    """`grad` and Functions: by leaves, by what is in the middle, twice by one, in place."""
    w = pymicrograd.tensor([[0.5, -1.0, 2.0], [0.25, 3.0, -0.75]], requires_grad=True)
    v = pymicrograd.tensor([1.5, -0.5, 1.0], requires_grad=True)

    def step(x: Any) -> Any:
        product, total = Mixed.apply(w * x, v.expand(2, 3))
        middle = product.tanh() + w
        of_w, of_middle, again, _ = pymicrograd.autograd.grad(
            [middle, (total * 0.5).sum()], [w, middle, w, x.detach().requires_grad_()], [x, None],
            allow_unused=True,
        )  # fmt: skip
        of_middle.mul_(2.0)
        w.grad = v.grad = None
        (Mixed.apply(w, v * x)[0] + w + of_w).sum().backward()
        with pymicrograd.no_grad():
            w.sub_(w.grad.mul_(0.1))
        return of_w, of_middle, again, v.grad

    return step, {"w": w, "v": v}


def dropout() -> Any:
    """Random numbers: dropout, noise, a permutation; float64, and RMSprop, centered."""
    model = nn.Sequential(nn.Linear(3, 4, dtype=pymicrograd.float64), nn.Dropout(0.4), nn.GELU())
    optimizer = optim.RMSprop(model.parameters(), lr=0.01, momentum=0.5, centered=True)

    def loss_of(y: Any, target: Any) -> Any:
        noise = pymicrograd.randn(2, 4, dtype=pymicrograd.float64)
        order, which = pymicrograd.randperm(4), pymicrograd.randint(0, 4, (2,))
        return ((y[:, order] + 0.1 * noise - target) ** 2).mean() + y[:, which].sum() * 0.1

    return training(model, optimizer, loss_of), model


class Block(pymicrograd.nn.Module):
    """Attention to what stands before, and a norm, around an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.norm = nn.LayerNorm(4)
        self.mixed = nn.Linear(4, 12, bias=False)

    def forward(self, tokens: Any) -> Any:
        x = self.table(tokens)
        q, k, v = self.mixed(self.norm(x)).reshape(-1, 3, 2, 2).permute(1, 2, 0, 3)
        x = x + functional.scaled_dot_product_attention(q, k, v, is_causal=True).permute(
            1, 0, 2
        ).reshape(-1, 4)
        return x @ self.table.weight.T


def attention() -> Any:
    """A block of a Transformer whose last layer is its embedding; NAdam; label smoothing."""
    model = Block()
    optimizer = optim.NAdam(model.parameters(), lr=0.02, weight_decay=0.01)

    def loss_of(y: Any, target: Any) -> Any:
        return functional.cross_entropy(y, target, label_smoothing=0.1)

    return training(model, optimizer, loss_of), model


def half() -> Any:
    """float16: parameters, a softmax, a mean; Adam, which remembers float32."""
    model = nn.Sequential(nn.Linear(3, 4, dtype=pymicrograd.float16), nn.SiLU(), nn.Softmax(1))
    optimizer = optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    return training(model, optimizer, functional.mse_loss), model


RULES = {
    "sgd": ("SGD", {"lr": 0.1, "maximize": True}), "adam": ("Adam", {"lr": 0.1}),
    "nadam": ("NAdam", {"lr": 0.1}), "radam": ("RAdam", {"lr": 0.1}),
    "adamax": ("Adamax", {"lr": 0.1, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5}),
    "adadelta": ("Adadelta", {"lr": 1.0}), "rmsprop": ("RMSprop", {"lr": 0.1}),
    "rprop": ("Rprop", {"lr": 0.1}), "asgd": ("ASGD", {"lr": 0.1, "t0": 2.0}),
    "lamb": ("LAMB", {"lr": 0.1, "weight_decay": 0.1}), "lion": ("Lion", {"lr": 0.1}),
}  # fmt: skip


def every_rule() -> Any:
    """A parameter for each rule of updates.def."""
    ps = {name: pymicrograd.tensor([0.5, -0.25, 2.0], requires_grad=True) for name in RULES}
    made = [getattr(optim, name)([ps[rule]], **how) for rule, (name, how) in RULES.items()]

    def step(x: Any) -> Any:
        loss = sum(((p - x) ** 2).sum().sin() for p in ps.values())
        for optimizer in made:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in made:
            optimizer.step()
        return loss

    return step, ps


def in_place() -> Any:
    """Views, writes to them, constants that are written to, a gradient that is added to."""
    w = pymicrograd.tensor([[0.5, -1.0, 2.0], [0.25, 3.0, -0.75]], requires_grad=True)
    count, state = pymicrograd.zeros(1, dtype=pymicrograd.int64), pymicrograd.zeros(2, 3)

    def step(x: Any) -> Any:
        count.add_(1)
        state[:, 1] += x.detach()[:, 0]
        state.T[2].mul_(0.5)
        table = pymicrograd.zeros(2, 3)
        table[0] = w[1].tanh()
        table[1, ::2] = x[0, :2]
        total = (table * w * state.exp()).sum() / count
        total.backward()
        w.grad.clamp_(-2.0, 2.0)
        return total, table, state[1], count

    return step, {"w": w, "state": state, "count": count}


def draw(name: str) -> random.Random:
    return random.Random(f"program {name}")


def calls_of(name: str, *makers: Callable[[random.Random], Any], count: int = 2) -> list[Inputs]:
    rng = draw(name)
    return [tuple(make(rng) for make in makers) for _ in range(count)]


def floats(*shape: int, dtype: str = "float32") -> Callable[[random.Random], Any]:
    return lambda rng: of_numbers(rng, dtype, *shape)


def classes(n: int, most: int, *others: int) -> Callable[[random.Random], Any]:
    return lambda rng: of_integers(*[rng.randrange(most) for _ in range(n)], *others)


ARRAY_PROGRAMS: dict[str, tuple[Callable[[], Any], list[Inputs]]] = {
    "mlp": (mlp, calls_of("mlp", floats(5, 2), classes(4, 3, -100))),
    "images": (images, calls_of("images", floats(2, 1, 4, 4), classes(2, 3))),
    "norms": (norms, calls_of("norms", floats(2, 1, 4, 4), classes(2, 3), count=3)),
    "grads": (grads, calls_of("grads", floats(2, 3), count=3)),
    "dropout": (dropout, calls_of("dropout", floats(2, 3, dtype="float64"),
                                  floats(2, 4, dtype="float64"))),
    "attention": (attention, [*calls_of("attention", classes(4, 5), classes(4, 5)),
                              (of_integers(0, 1, 2, 5), of_integers(0, 1, 2, 3))]),
    "half": (half, calls_of("half", floats(4, 3, dtype="float16"), floats(4, 4, dtype="float16"))),
    "every_rule": (every_rule, calls_of("every_rule", floats(3), count=4)),
    "in_place": (in_place, calls_of("in_place", floats(2, 3), count=3)),
}  # fmt: skip


def saved(name: str, path: Path) -> None:
    """Write a program with the state that two calls have left."""
    make, calls = ARRAY_PROGRAMS[name]
    pymicrograd.manual_seed(11)
    step, names = make()
    compiled = pymicrograd.compile(step)
    given = tuple(map(cases.ENGINES[0].leaf, calls[0]))
    for _ in range(2):  # in the first, nothing has a gradient
        compiled(*given)
    compiled.save(path, *given, names=names)


def array_answer(engine: Any, program: Any, arrays: Sequence[Any], given: Inputs) -> Entry:
    """Call a program of an engine; return what stands in the file of it."""
    inputs = [shown(x.dtype, x.shape, x.values) for x in given]
    try:
        outputs = program(*map(engine.leaf, given))
    except LookupError:
        return {"inputs": inputs, "error": "index", **state_of(engine, arrays)}
    found = [entry_of(engine, x) for x in outputs]
    return {"inputs": inputs, "outputs": found, **state_of(engine, arrays)}


def state_of(engine: Any, arrays: Sequence[Any]) -> Entry:
    """Return what the arrays of a program hold, and their gradients."""
    return {"arrays": [entry_of(engine, x) for x in arrays],
            "gradients": [entry_of(engine, x.grad) for x in arrays]}  # fmt: skip


def array_program_answers(content: bytes, calls: Sequence[Inputs]) -> list[Entry]:
    """Return the answers of the reference about a file."""
    program = ArrayProgram(content)
    return [array_answer(cases.ENGINES[1], program, program.arrays, given) for given in calls]


def write_array_programs(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, (_, calls) in ARRAY_PROGRAMS.items():
        path = folder / f"{name}.mgp"
        saved(name, path)
        answers = array_program_answers(path.read_bytes(), calls)
        write_lines(folder / f"{name}.jsonl", map(json.dumps, answers))


# ---- all -------------------------------------------------------------------------------------


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "vectors"
    pymicrograd.set_math("portable")
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder)
    write_functions(folder / "functions")
    write_scalars(folder / "scalars")
    write_graphs(folder / "graphs.txt")
    write_arrays(folder / "arrays")
    write_runs(folder / "runs")
    write_programs(folder / "programs")
    write_array_programs(folder / "array_programs")
    write_generator(folder / "generator")
    files = [path for path in folder.rglob("*") if path.is_file()]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files)} bytes in {folder}")


if __name__ == "__main__":
    main()
