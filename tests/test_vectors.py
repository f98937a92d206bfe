"""vectors/: the answers that ports are checked with are those of the reference and of C.

The reference wrote them (tools/vectors.py); here every file is read back and both engines are asked
again, C with every set of kernels. All of it is of the tier all; quick, it is a part of each file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tensor_cases import ENGINES

import pymicrograd
from pymicrograd import _core, reference, set_isa, set_math
from pymicrograd._core.library import ffi, lib
from pymicrograd.reference import vmath

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "vectors"
sys.path.insert(0, str(ROOT / "tools"))
import vectors as tool  # noqa: E402

HINT = "after a change of ops.def, run: python tools/vectors.py"
SETS = [name for name in _core.machine.KERNELS if lib.mg_set_isa(name.encode()) >= 0]
set_isa(None)
TABLE = tool.table()
C, REFERENCE = ENGINES


@pytest.fixture(autouse=True)
def portable() -> Iterator[None]:
    """Compute in portable math, and as the process did before afterwards."""
    before = pymicrograd.arithmetic.get_math()
    set_math("portable")
    yield
    set_math(before)
    set_isa(None)


@pytest.fixture(params=[pytest.param(False, id="part"),
                        pytest.param(True, id="whole", marks=pytest.mark.all)])  # fmt: skip
def whole(request: pytest.FixtureRequest) -> bool:
    """Tell whether files are read to their end."""
    return bool(request.param)


def lines_of(path: str, step: int = 1) -> list[str]:
    return (VECTORS / path).read_text().splitlines()[::step]


def names_in(folder: str) -> set[str]:
    return {path.stem for path in (VECTORS / folder).iterdir()}


def expect(what: str, given: Any, expected: str, found: str) -> None:
    """Compare an answer as it stands in a file with an engine's."""
    assert found == expected, f"{what} of {given}: expected {expected}, got {found}"


# ---- what there is ---------------------------------------------------------------------------


def test_the_table_of_ops_is_the_one_in_c() -> None:
    assert json.loads((VECTORS / "ops.json").read_text()) == TABLE, HINT
    for i, op in enumerate(TABLE):
        name, symbol = (ffi.string(f(i)).decode() for f in (lib.mg_op_name, lib.mg_op_symbol))
        assert (op["name"], op["symbol"]) == (name, symbol)
        assert op["kind"] == ("scalar" if i < lib.mg_scalar_op_count() else
                              "element" if i < lib.mg_element_op_count() else "array")  # fmt: skip
        if op["kind"] != "array":
            assert len(op["operands"]) == lib.mg_op_arity(i)
        named = [*op["operands"], *op.get("optional", ()), *op.get("many", ()), *op["numbers"],
                 *(x["name"] for x in op["integers"])]  # fmt: skip
        takes = ffi.string(lib.mg_op_takes(i)).decode()
        assert {*named} - {"s"} == {*re.findall(r"\b[a-z]\w*", takes)}, name
    assert len(TABLE) == lib.mg_op_count()


def test_every_op_and_function_has_a_file() -> None:
    assert names_in("arrays") == {op["name"] for op in tool.array_ops()}, HINT
    assert names_in("scalars") == {
        op["name"] for op in TABLE if op["kind"] == "scalar" and op["name"] != "leaf"
    }, HINT
    assert names_in("functions/float64") == {*vmath.FLOAT64, "gelu_slope", "pow"}, HINT
    assert names_in("functions/float32") == {*vmath.FLOAT32, "pow"}, HINT


def test_they_stay_small() -> None:
    sizes = [path.stat().st_size for path in VECTORS.rglob("*") if path.is_file()]
    assert sum(sizes) < 1_600_000


# ---- constants of SPEC.md --------------------------------------------------------------------

SPEC = (ROOT / "csrc/SPEC.md").read_text()
VMATH_H = (ROOT / "csrc/base/vmath.h").read_text()
NUMBER = r"-?\d+\.\d+(?:e[-+]\d+)?"


def polynomials(source: str, pattern: str) -> set[tuple[float, ...]]:
    """Return the coefficients, the first power first, of the series of a source in C or Python."""
    found = set()
    for block in re.findall(pattern, source, re.MULTILINE):
        signed = re.findall(rf"([-+]?) ?({NUMBER})(?=[;\s])", re.sub(r"\bp = p \* \w ", "", block))
        found.add(tuple(float(sign + x) for sign, x in signed)[::-1])
    return found


def test_the_constants_of_the_specification_are_those_in_use() -> None:
    named = re.findall(rf"^ {{4}}([A-Z][A-Z0-9_]*) = ({NUMBER})", SPEC, re.MULTILINE)
    assert len(named) > 30
    for name, text in named:
        assert getattr(vmath, name) == float(text), name
        defined = re.search(rf"#define VM_{name} \(?({NUMBER})", VMATH_H)
        assert defined and float(defined[1]) == float(text), name


def test_the_bits_of_two_over_pi_are_those_in_use() -> None:
    stated = "".join(re.findall(r"^ {8}([0-9A-F]{48,64})$", SPEC, re.MULTILINE))
    assert int(stated, 16) == vmath.TWO_OVER_PI_BITS
    words = re.search(r"two_over_pi\[20\] = \{(.*?)\}", VMATH_H, re.DOTALL)
    assert words and "".join(re.findall(r"0x([0-9A-F]{16})", words[1])).lstrip("0") == stated


def test_the_series_of_the_specification_are_those_in_use() -> None:
    chapter = SPEC.split("### Series")[1].split("###")[0]
    blocks = re.findall(r"^ {4}[A-Z]+\(\w\):.*\n((?: {5}\S.*\n)+)", chapter, re.MULTILINE)
    stated = {tuple(map(float, block.split())) for block in blocks}
    assert len(stated) == 12
    python = (ROOT / "pymicrograd/reference/vmath.py").read_text()
    assert stated <= polynomials(python, r"^    p = -?\d.*\n(?:    p = p \* .*\n)+")
    assert stated <= polynomials(VMATH_H, r"^    (?:double )?p = -?\d.*\n(?:    p = p \* .*\n)+")


# ---- functions -------------------------------------------------------------------------------


def c_function(name: str, dtype: str, columns: Sequence[Sequence[float]]) -> list[float]:
    """Return a function of numbers, computed by C in arrays."""
    arrays = tuple(pymicrograd.tensor(list(x), dtype=dtype) for x in columns)
    found: list[float] = _core.TensorBase._apply(_core.OPS[name], arrays).tolist()
    return found


def reference_function(name: str, dtype: str, columns: Sequence[Sequence[float]]) -> list[float]:
    if name == "pow":
        call: Any = vmath.power if dtype == "float64" else vmath.power_f32
    else:
        call = tool.FUNCTIONS[dtype][name]
    return [call(*x) for x in zip(*columns, strict=True)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_functions(dtype: str, whole: bool) -> None:
    for name in sorted(names_in(f"functions/{dtype}")):
        lines = lines_of(f"functions/{dtype}/{name}.txt", 1 if whole else 5)
        rows = [line.split() for line in lines]
        columns = [[tool.number(x, dtype) for x in column] for column in zip(*rows, strict=True)]
        for way in ("reference", *SETS):
            if way != "reference":
                set_isa(way)
            compute = reference_function if way == "reference" else c_function
            answers = compute(name, dtype, columns[:-1])
            for row, y in zip(rows, answers, strict=True):
                expect(f"{name} by {way}", row[:-1], row[-1], tool.digits(y, dtype))


# ---- ops of numbers, and graphs of them ------------------------------------------------------

ERRORS = {lib.MG_ERR_ZERODIV: "division", lib.MG_ERR_OVERFLOW: "overflow",
          lib.MG_ERR_DOMAIN: "domain"}  # fmt: skip


class Numbers:
    """An arena of C's for numbers, for ops that Value has no method for, too."""

    def __init__(self, ieee: bool) -> None:
        self.arena = ffi.gc(lib.mg_arena_new(ffi.NULL, ffi.NULL), lib.mg_arena_free)
        lib.mg_set_ieee(self.arena, ieee)

    def record(self, name: str, *operands: Any) -> int:
        op = _core.OPS[name]
        if name == "leaf":
            node = lib.mg_leaf(self.arena, *operands)
        elif name == "pow_number":
            node = lib.mg_record_number(self.arena, op, *operands)
        else:
            node = lib.mg_record(self.arena, op, *operands, *[0] * (2 - len(operands)))
        return int(node)

    def read(self, what: Any, nodes: Sequence[int]) -> list[float]:
        out = ffi.new("double[]", len(nodes))
        assert what(self.arena, len(nodes), nodes, out) >= 0
        return list(out)

    def derivatives(self, root: int, leaves: Sequence[int]) -> list[float]:
        """Return the gradients, by the leaves, of the sum of the root's gradients by them."""
        out = ffi.new("mg_node[]", len(leaves))
        assert lib.mg_grad(self.arena, root, len(leaves), leaves, out) >= 0
        total, *others = out
        for node in others:
            total = self.record("add", total, node)
        assert lib.mg_derive(self.arena, total, 0) >= 0
        found = ffi.new("double[]", len(leaves))
        assert lib.mg_derivatives(self.arena, len(leaves), leaves, found) >= 0
        return list(found)


def c_answer(name: str, operands: Sequence[float], g: float, ieee: bool) -> str:
    """Return y, the gradients, and what C says of errors, which with ieee is nothing."""
    numbers = Numbers(ieee)
    count = 1 if name == "pow_number" else len(operands)
    leaves = [numbers.record("leaf", x) for x in operands[:count]]
    y = numbers.record(name, *leaves, *operands[count:])
    if y < 0:
        return f"value {ERRORS[y]}"
    status = lib.mg_backward(numbers.arena, y, g, 0)
    if status < 0:
        return f"gradient {ERRORS[status]}"
    return tool.line(*numbers.read(lib.mg_data, [y]), *numbers.read(lib.mg_gradients, leaves))


def test_scalars(whole: bool) -> None:
    for name in sorted(names_in("scalars")):
        op = next(op for op in TABLE if op["name"] == name)
        count = len(op["operands"]) + len(op["numbers"])
        for line in lines_of(f"scalars/{name}.txt", 1 if whole else 7):
            words = line.split()
            given, rest = words[: count + 1], words[count + 1 :]
            *operands, g = map(tool.number, given)
            answer = tool.answer_number(name, operands, g)
            expect(
                f"{name} by the reference", given, " ".join(rest), answer.split(" ", count + 1)[-1]
            )
            error = " ".join(word for word in rest if len(word) != 16)
            plain = " ".join(word for word in rest if len(word) == 16)
            expect(f"{name} by C, ieee", given, plain, c_answer(name, operands, g, True))
            expect(f"{name} by C", given, error or plain, c_answer(name, operands, g, False))


def graphs() -> list[list[str]]:
    blocks = (VECTORS / "graphs.txt").read_text().split("graph\n")[1:]
    return [block.splitlines() for block in blocks]


def c_graph(lines: Sequence[str]) -> list[str]:
    """Return the lines of a graph, of which the steps' operands are taken, by C."""
    numbers, nodes, found = Numbers(False), [], []
    steps = [line.split() for line in lines if line.split()[0] in _core.OPS]
    for name, *words in steps:
        known = words if name == "leaf" else words[:-1]
        operands = [nodes[int(x)] if len(x) < 16 else tool.number(x) for x in known]
        nodes.append(numbers.record(name, *operands))
        data = [] if name == "leaf" else numbers.read(lib.mg_data, nodes[-1:])
        found.append(" ".join([name, *known, *map(tool.digits, data)]))
    for _ in range(2):
        assert lib.mg_backward(numbers.arena, nodes[-1], 1.0, 0) >= 0
        found.append(f"grads {tool.line(*numbers.read(lib.mg_gradients, nodes))}")
    leaves = [node for node, step in zip(nodes, steps, strict=True) if step[0] == "leaf"]
    return [*found, f"second {tool.line(*numbers.derivatives(nodes[-1], leaves))}"]


def steps_of(lines: Sequence[str]) -> list[tuple[str, tuple[Any, ...]]]:
    steps = []
    for name, *words in (line.split() for line in lines if line.split()[0] in _core.OPS):
        known = words if name == "leaf" else words[:-1]
        steps.append((name, tuple(int(x) if len(x) < 16 else tool.number(x) for x in known)))
    return steps


def test_graphs(whole: bool) -> None:
    for lines in graphs()[:: 1 if whole else 4]:
        answers = {"C": c_graph(lines), "reference": tool.answer_graph(steps_of(lines))[1:]}
        for engine, found in answers.items():
            for expected, line in zip(lines, found, strict=True):
                expect(f"a graph by {engine}", lines, expected, line)


# ---- ops on arrays ---------------------------------------------------------------------------


def expect_case(engine: Any, way: str, op: dict[str, Any], text: str) -> None:
    entry = json.loads(text)
    case = tool.case_of(op, entry)
    order = 2 if "second" in entry or "weights" in entry else 1
    found = tool.answer_array(engine, case, entry if "seed" in entry else None, order)
    given = {key: entry[key] for key in ("operands", "integers", "number") if key in entry}
    for key, value in found.items():
        expect(f"{key} of {op['name']} by {way}", given, entry[key], value)


def test_arrays(whole: bool) -> None:
    for i, op in enumerate(tool.array_ops()):
        for text in lines_of(f"arrays/{op['name']}.jsonl", 1 if whole else 5):
            if whole or i % 3 == 0:
                expect_case(REFERENCE, "the reference", op, text)
            for way in SETS:
                set_isa(way)
                expect_case(C, way, op, text)


# ---- the generator, training runs ------------------------------------------------------------


@pytest.mark.parametrize("engine", ["C", "reference"])
def test_the_generator(engine: str, whole: bool) -> None:
    make = pymicrograd.RNG if engine == "C" else reference.RNG
    for name in sorted(names_in("generator")):
        seed = int(name, 16)
        far = whole and (engine == "C" or seed == 42)  # the millionth number takes a while
        *rows, last, shuffled = (line.split() for line in lines_of(f"generator/{name}.txt"))
        for column, kind in enumerate(("u32", "random", "normal")):
            count = len(rows) if not far else tool.FAR
            found = list(tool.draws(make(seed), kind, count))
            texts = [f"{x:08x}" if kind == "u32" else tool.digits(x)
                     for x in (*found[: len(rows)], found[-1])]  # fmt: skip
            for i, row in enumerate(rows):
                expect(f"{kind} number {i}", f"seed {seed}", row[column], texts[i])
            if far:
                expect(f"{kind} number {tool.FAR}", f"seed {seed}", last[column], texts[-1])
        items = list(range(100))
        make(seed).shuffle(items)
        expect("shuffle", f"seed {seed}", shuffled[1:], [str(i) for i in items])


@pytest.mark.parametrize("engine", ["C", pytest.param("reference", marks=pytest.mark.all)])
def test_training_runs(engine: str) -> None:
    package = pymicrograd if engine == "C" else reference
    for name, run in tool.RUNS.items():
        lines = lines_of(f"runs/{name}.txt")
        state = next(line for line in lines if line.startswith("state ")).split()[1]
        points = [([tool.number(x), tool.number(y)], int(label)) for word, x, y, label in
                  (line.split() for line in lines if line.startswith("point "))]  # fmt: skip
        expected = lines[next(i for i, x in enumerate(lines) if x.startswith("initial ")) :]
        found = tool.train(package, run, points, package.RNG(int(state, 16)))
        for theirs, own in zip(expected, found, strict=True):
            expect(f"run {name}", engine, theirs, own)


def test_the_lines_of_the_demo() -> None:
    from pymicrograd.cli.demo import Settings, Training

    found = list(Training("c", Settings(math="portable")).run())
    assert len(found) == 110
    for theirs, own in zip(lines_of("runs/demo_lines.txt"), found, strict=True):
        expect("the demo", "C", theirs, own)


@pytest.mark.parametrize("name", tool.PROGRAMS)
def test_programs(name: str, tmp_path: Path) -> None:
    make, calls = tool.PROGRAMS[name]
    content = (VECTORS / "programs" / f"{name}.mgp").read_bytes()
    expected = lines_of(f"programs/{name}.txt")
    assert tool.program_lines(content, calls) == expected
    for isa in SETS:
        set_isa(isa)
        found = [line for part in c_answers(content, calls) for line in part]
        for theirs, own in zip(expected, found, strict=True):
            expect(f"program {name}", isa, theirs, own)
    program, names = make()
    program.save(tmp_path / "again.mgp", names=names)
    assert (tmp_path / "again.mgp").read_bytes() == content, HINT


def c_answers(content: bytes, calls: Sequence[Any]) -> Iterator[Iterator[str]]:
    """Yield what C answers about a program, as the reference is asked."""
    stored = pymicrograd.programs.StoredProgram(content)
    values = list(stored.parameters.values())
    for call in calls:
        view = Answering(stored, values)
        yield tool.program_answers(view, call)


@pytest.mark.parametrize("name", tool.ARRAY_PROGRAMS)
def test_array_programs(name: str, tmp_path: Path) -> None:
    content = (VECTORS / "array_programs" / f"{name}.mgp").read_bytes()
    expected = [json.loads(line) for line in lines_of(f"array_programs/{name}.jsonl")]
    calls = [tuple(map(tool.operand_of, entry["inputs"])) for entry in expected]
    found = {"the reference": tool.array_program_answers(content, calls)}
    for isa in SETS:
        set_isa(isa)
        stored = pymicrograd.programs.StoredTensorProgram(content)
        arrays = list(stored.parameters.values())
        found[isa] = [tool.array_answer(C, stored, arrays, given) for given in calls]
    for way, answers in found.items():
        for i, (theirs, own) in enumerate(zip(expected, answers, strict=True)):
            assert theirs.keys() == own.keys()
            for key, value in theirs.items():
                expect(f"{key} of program {name} by {way}", f"call {i}", value, own[key])
    tool.saved(name, tmp_path / "again.mgp")
    assert (tmp_path / "again.mgp").read_bytes() == content, HINT


class Answering:
    """A stored program with the attributes of the reference's."""

    def __init__(self, stored: Any, values: Sequence[Any]) -> None:
        self.stored, self.values = stored, values
        self.inputs: Sequence[float] = ()
        self.outputs: Sequence[float] = ()

    def run(self) -> list[float]:
        if self.inputs:
            self.outputs = self.stored(*self.inputs)
            return []
        return list(self.stored.run())

    @property
    def data(self) -> list[float]:
        return [x.data for x in self.values]

    @property
    def gradients(self) -> list[float]:
        return [x.grad for x in self.values]


# ---- ports -----------------------------------------------------------------------------------


def node() -> str:
    """Return Node, of a version that has a test runner."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("no node here")
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"node here is {version.strip()}, whose test runner is too old")
    return found


def expect_success(*command: str, port: str, target: Path) -> None:
    """Run a port's own tests, which build into a folder that is not the tree's."""
    done = subprocess.run(
        command,
        cwd=ROOT / "ports" / port,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


QUICK = ["test/value.test.js", "test/array_program.test.js"]


@pytest.mark.parametrize("tests", [*QUICK, pytest.param("test/", marks=pytest.mark.all)])
def test_the_javascript_port(tests: str, tmp_path: Path) -> None:
    expect_success(node(), "--test", tests, port="javascript", target=tmp_path)


@pytest.mark.all
def test_the_rust_port(tmp_path: Path) -> None:
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("no cargo here")
    expect_success(cargo, "test", "--offline", port="rust", target=tmp_path)


# The goal of an engine of Values is 1,500 lines of code. Rust misses it with 1,675, of which a
# fifth hold brackets alone. What programs of arrays need is counted apart.
MOST_LINES = {
    ("javascript", "src", "demo.js"): 1500,
    ("javascript", "src/arrays"): 2800,
    ("rust", "src"): 1680,
    ("rust", "src/arrays"): 4300,
}


@pytest.mark.parametrize("places", MOST_LINES, ids="/".join)
def test_a_port_stays_short(places: tuple[str, ...]) -> None:
    port, *paths = places
    found = [ROOT / "ports" / port / path for path in paths]
    files = [x for path in found for x in ([path] if path.is_file() else path.iterdir())]
    lines = [line.strip() for x in files if x.is_file() for line in x.read_text().splitlines()]
    code = [line for line in lines if line and not line.startswith(("//", "/*", "*"))]
    assert 0 < len(code) < MOST_LINES[places]
