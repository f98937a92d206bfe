"""Programs of arrays by the reference: files give the bits, the state and the refusals of C.

`reference/array_program.py` reads what C has saved. Random programs, models and optimizers are
those of the tests of programs; damage is to the words of a file whose checksum is right.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest
import test_programs as of_tensors
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from tensor_cases import ENGINES, FLOATS, OPS, distinct, good, seed_for
from test_optim_rules import CASES, PLAIN
from test_program_files import saved, sealed

import pymicrograd as mg
from pymicrograd import optim
from pymicrograd.errors import MicrogradError
from pymicrograd.nn import functional as F
from pymicrograd.programs import StoredTensorProgram
from pymicrograd.reference import Tensor
from pymicrograd.reference.array_program import ArrayProgram
from pymicrograd.reference.updates import TAKES

C, REFERENCE = ENGINES
VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "array_programs"


def state(engine: Any, arrays: Any) -> list[Any]:
    """Return what arrays hold, and their gradients."""
    return [(engine.digits(x), x.grad is not None and engine.digits(x.grad)) for x in arrays]


def outcome(engine: Any, program: Any, *inputs: Any) -> Any:
    """Run a program; return its outputs and its arrays, or that it raised."""
    arrays = program.arrays if engine is REFERENCE else program.parameters.values()
    try:
        outputs = program(*inputs) if inputs else program.run()
    except (ArithmeticError, LookupError, RuntimeError, ValueError):
        return "raised", state(engine, arrays)
    return [engine.digits(x) for x in outputs], state(engine, arrays)


def expect_the_same(content: bytes, rows: Any = ((), ())) -> None:
    """Run a file's program on inputs, on both engines."""
    stored, program = StoredTensorProgram(content), ArrayProgram(content)
    assert list(stored.parameters) == [
        name if name and name not in program.names[:i] else f"{name}.{i}" if name else str(i)
        for i, name in enumerate(program.names)
    ]
    for row in rows:
        own = [Tensor(x.tolist(), x.dtype.name) for x in row]
        assert outcome(C, stored, *row) == outcome(REFERENCE, program, *own)


# ---- random programs -----------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(FLOATS))
def test_random_programs(tmp_path_factory: pytest.TempPathFactory, seed: int, dtype: str) -> None:
    """With views, writes in place, random numbers, gradients that are kept."""
    drawn = of_tensors.data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_tensors, "data", lambda *of: drawn(*of).to(getattr(mg, dtype)))
        model = of_tensors.Random(of_tensors.random_program(random.Random(seed)))
        rows = [of_tensors.data((3, 3), 10 + k) for k in range(4)]
    compiled = mg.compile(model.step)
    names = {"p": model.p, "q": model.q, "a": model.state[0]}
    try:
        compiled(rows[0]), compiled(rows[1])
        content = saved(compiled, tmp_path_factory.getbasetemp(), rows[1], names=names)
    except (MicrogradError, RuntimeError, ValueError):
        return
    expect_the_same(content, [(x,) for x in rows[1:]])


@pytest.mark.all
@settings(max_examples=400)
@given(st.integers(0, 2**32 - 1), st.sampled_from(FLOATS))
def test_more_random_programs(
    tmp_path_factory: pytest.TempPathFactory, seed: int, dtype: str
) -> None:
    test_random_programs.hypothesis.inner_test(tmp_path_factory, seed, dtype)


# ---- ops -----------------------------------------------------------------------------------------


def expect_op(case: Any, folder: Path) -> None:
    """Have a case computed and differentiated by a program from a file."""

    def step(*operands: Any) -> Any:
        y = C.apply(case.op, operands, case.how)
        if y.requires_grad:
            y.backward(seed_for(C, y, 1))
        return y.detach()

    compiled, operands = mg.compile(step), of_tensors.leaves_of(case, False)
    compiled(*operands)
    for x in distinct(operands):
        x.grad = None
    expect_the_same(saved(compiled, folder, *operands), [()])


RECORDED = [op for op in OPS if op not in of_tensors.UNRECORDED]


def test_ops(tmp_path: Path) -> None:
    for op in RECORDED[::4]:
        expect_op(random.Random(op).choice(good(op)), tmp_path)


@pytest.mark.all
@pytest.mark.parametrize("op", RECORDED)
def test_every_op(op: str, tmp_path: Path) -> None:
    for case in random.Random(op).sample(good(op), min(4, len(good(op)))):
        expect_op(case, tmp_path)


def test_checks_of_elements(tmp_path: Path) -> None:
    x = mg.zeros(2, 3)
    for loss, fine, bad in (
        (lambda t: F.nll_loss(x, t), mg.tensor([0, 2]), mg.tensor([0, -1])),
        (lambda p: F.binary_cross_entropy(p, p), mg.tensor([0.25, 1.0]), mg.tensor([0.5, 1.5])),
    ):
        compiled = mg.compile(loss)
        compiled(fine), compiled(fine)
        content = saved(compiled, tmp_path, fine)
        expect_the_same(content, [(fine,), (bad,), (fine,)])
        with pytest.raises((IndexError, ValueError)):
            ArrayProgram(content)(Tensor(bad.tolist(), bad.dtype.name))


# ---- models and optimizers -----------------------------------------------------------------------

QUICK = ("batch_norm", "causal", "half", "words")


@pytest.mark.parametrize(
    "name",
    [x if x in QUICK else pytest.param(x, marks=pytest.mark.all) for x in of_tensors.MODELS],
)
def test_models(name: str, tmp_path: Path) -> None:
    make, shape = of_tensors.MODELS[name]
    mg.manual_seed(3)
    training = of_tensors.Training(make())
    x = mg.randn(*shape).to(next(iter(training.model.parameters())).dtype)
    compiled = mg.compile(training.step)
    compiled(x), compiled(x)
    expect_the_same(saved(compiled, tmp_path, x))


@pytest.mark.parametrize("case", [*CASES, *PLAIN])
def test_optimizers_from_their_first_step_on(case: str, tmp_path: Path) -> None:
    """Also with numbers in what the first step does not read."""
    name, how = {**CASES, **PLAIN}[case]
    ps = [of_tensors.data((2, 2), 1).requires_grad_(), of_tensors.data((3,), 2).requires_grad_()]
    optimizer = getattr(optim, name)(ps, **how)

    def step(x: Any) -> Any:
        loss = ((ps[0] * x).sum() + (ps[1] * ps[1]).sum()).sin()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    compiled, x = mg.compile(step), of_tensors.data((2, 2), 3)
    compiled(x), compiled(x)
    content = saved(compiled, tmp_path)
    expect_the_same(content)
    rule = optimizer._update.name
    at = content.index(rule.encode().ljust(24, b"\0") + struct.pack("<Q", 1)) + 32
    at += 8 + 8 * len(TAKES[rule].numbers)
    assert content[at : at + 16] == struct.pack("<2Q", 2, 2)
    expect_the_same(sealed(content[:at] + bytes(16) + content[at + 16 :]))


def test_gradients_of_gradients_and_gradients_that_are_set(tmp_path: Path) -> None:
    """Recorded backwards are told as the ops that they are; a gradient may be any value."""
    model = mg.nn.Sequential(mg.nn.Linear(3, 4), mg.nn.Tanh(), mg.nn.Linear(4, 1))
    first, *_ = parameters = list(model.parameters())
    optimizer = optim.Adam(parameters, lr=0.05)

    def step(x: Any) -> Any:
        x = x.detach().requires_grad_()
        y = model(x)
        (slope,) = mg.autograd.grad(y.sum(), [x], create_graph=True)
        penalty = ((slope * slope).sum(1).sqrt() - 1.0).square().mean()
        optimizer.zero_grad()
        (y.mean() + penalty).backward(create_graph=True)
        first.grad = first.grad.detach().T.contiguous().T * 0.5
        norm = sum((p.grad * p.grad).sum() for p in parameters)
        norm.backward()
        optimizer.step()
        return penalty, norm, first.grad

    compiled, x = mg.compile(step), of_tensors.data((2, 3), 4)
    expected = [compiled(x) for _ in range(3)]
    content = saved(compiled, tmp_path, x)
    assert [y.tolist() for y in StoredTensorProgram(content).run()] != [
        y.tolist() for y in expected[0]
    ]
    expect_the_same(content)


def test_an_optimizer_that_makes_two_steps(tmp_path: Path) -> None:
    w = of_tensors.data((2, 2), 1).requires_grad_()
    optimizer = optim.Adam([w], lr=0.05)

    def step(x: Any) -> Any:
        for _ in range(2):
            optimizer.zero_grad()
            loss = ((w * x) ** 2).sum()
            loss.backward()
            optimizer.step()
        return loss

    compiled, x = mg.compile(step), of_tensors.data((2, 2), 2)
    compiled(x)
    expect_the_same(saved(compiled, tmp_path, x))


# ---- refusals ------------------------------------------------------------------------------------


def refusal(make: Any, content: bytes) -> str | None:
    """Return what a reader says of a file that it refuses."""
    try:
        make(content)
    except MemoryError:  # of either
        reject()
    except ValueError as error:
        return str(error)
    return None


FILES = {path.stem: path.read_bytes() for path in sorted(VECTORS.glob("*.mgp"))}
SMALL = ("half", "in_place", "mlp")
WORDS = (0, 1, 2, 3, 7, 2**31, 2**31 + 1, 2**32 - 1)


def damaged(draw: random.Random, content: bytes) -> bytes:
    """Return a file with another word, and the checksum that it should have."""
    at = draw.choice((draw.randrange(24, 64), *[draw.randrange(64, len(content) - 3)] * 2)) // 4 * 4
    (old,) = struct.unpack_from("<I", content, at)
    near = [(old + 1) % 2**32, (old - 1) % 2**32, old ^ 1 << draw.randrange(8)]
    new = draw.choice((*WORDS, *near))
    return sealed(content[:at] + struct.pack("<I", new) + content[at + 4 :])


@settings(max_examples=40)
@given(st.sampled_from(SMALL), st.integers(0, 2**32 - 1))
def test_both_refuse_the_same_files(name: str, seed: int) -> None:
    """What neither refuses is a program that gives the same bits."""
    content = damaged(random.Random(seed), FILES[name])
    refusals = refusal(StoredTensorProgram, content), refusal(ArrayProgram, content)
    assert (refusals[0] is None) == (refusals[1] is None), refusals
    if refusals[0] is None:
        stored, program = StoredTensorProgram(content), ArrayProgram(content)
        assert outcome(C, stored) == outcome(REFERENCE, program)


@pytest.mark.all
@settings(max_examples=1000)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 2**32 - 1))
def test_both_refuse_the_same_of_all_files(name: str, seed: int) -> None:
    test_both_refuse_the_same_files.hypothesis.inner_test(name, seed)


@pytest.mark.parametrize("name", ["linear", "adam", "backward"])
def test_behind_names_are_zeros(name: str) -> None:
    content = FILES["mlp"]
    behind = content.index(name.encode() + b"\0") + len(name) + 1
    for at in (behind, content.index(name.encode()) + 23):
        damage = sealed(content[:at] + b"x" + content[at + 1 :])
        for make in (StoredTensorProgram, ArrayProgram):
            assert refusal(make, damage), (make, at)


@pytest.mark.parametrize(
    ("dtype", "many", "code"),
    [("int64", 5000000007, "<q"), ("int32", 1000003, "<i"), ("bool_", 5000000007, "<q")],
)
def test_a_number_below_0_is_no_exponent_of_integers(
    dtype: str, many: int, code: str, tmp_path: Path
) -> None:
    compiled, x = mg.compile(lambda x: x**many), mg.tensor([1, 0, 1]).to(getattr(mg, dtype))
    compiled(x)
    content = saved(compiled, tmp_path, x)
    expect_the_same(content, [()])
    before, below_0 = struct.pack(code, many), struct.pack(code, -1)
    assert content.count(before) == 1
    for make in (StoredTensorProgram, ArrayProgram):
        assert refusal(make, sealed(content.replace(before, below_0)))


def file_of(arrays: list[tuple[int, list[int], bytes]], ops: list[str], words: list[int]) -> bytes:
    """Return a file of arrays, of types, shapes and elements, whose output is value 0."""
    parts = [
        struct.pack(f"<4I{len(shape)}Q", dtype, len(shape), 0, 0, *shape)
        + elements
        + bytes(-len(elements) % 8)
        for dtype, shape, elements in arrays
    ]
    parts += [op.encode().ljust(32, b"\0") for op in ops]
    parts += [struct.pack(f"<{len(words)}I", *words), bytes(4), bytes(len(arrays))]
    counts = len(arrays), 0, 0, 0, len(ops), len(words), 0, 1, len(arrays), 0
    return sealed(b"MGP1" + struct.pack("<3IQ10I", 2, 0, 0, 0, *counts) + b"".join(parts))


@pytest.mark.parametrize("op", ["mul", "lt", "where"])
def test_a_weak_float64_is_rounded_once_to_what_is_computed_in(op: str) -> None:
    """Beside float16 to float32, of which 0.1 and 2049 are other numbers than of float16."""
    array, chooses = 2**31, op == "where"
    for number in (0.1, 2049.0, 2.0**-24 + 2.0**-60, 1e300, float("nan")):
        halves = struct.pack("<2e", 3.0, 2.0**-24)
        arrays = [(2, [2], halves), (1, [], struct.pack("<d", number)), (9, [2], b"\1\0")]
        operands = [array + 2, array, array + 1] if chooses else [array, array + 1]
        words = [0, len(operands), 0, 0, 4 if chooses else 2, 0, *operands]
        expect_the_same(file_of(arrays, [op], words), [()])
        (made,) = ArrayProgram(file_of(arrays, [op], words)).run()
        assert made.dtype == ("bool" if op == "lt" else "float16")


def test_a_backward_copies_totals_before_it_writes(tmp_path: Path) -> None:
    """Of leaves whose gradient is the seed."""
    p, q = (mg.tensor([float(i), 2.0], requires_grad=True) for i in range(2))

    def step(x: Any) -> Any:
        ((p + q) + q).backward(p.grad)
        return x + 1.0

    p.grad, q.grad = mg.tensor([1.0, 10.0]), mg.tensor([0.0, 5.0])
    compiled = mg.compile(step)
    compiled(mg.ones(1))
    assert (p.grad.tolist(), q.grad.tolist()) == ([2.0, 20.0], [2.0, 25.0])
    expect_the_same(saved(compiled, tmp_path, mg.ones(1)), [(mg.ones(1),)] * 2)


def test_in_place_numbers_are_exponents_as_arrays_are(tmp_path: Path) -> None:
    compiled = mg.compile(lambda x: x.pow_(-1) + x ** mg.tensor(-3))
    compiled(mg.tensor([-1, 1, 2]))
    expect_the_same(saved(compiled, tmp_path, mg.tensor([-1, 1, 2])), [()])


def test_what_is_wrong_is_told() -> None:
    content = FILES["mlp"]
    for damage, text in (
        (content[:40], "shorter than a header"),
        (content[:-1], "not a whole one"),
        (content[:70] + b"\1" + content[71:], "its checksum is another one"),
        (sealed(content[:12] + b"\2" + content[13:]), "flags that nobody knows"),
        (sealed(content.replace(b"cross_entropy", b"cross_entropx")), "named 'cross_entropx'"),
        (sealed(content.replace(b"adam\0", b"adan\0")), "no rule is named 'adan'"),
        (sealed(content + bytes(4)), "names of other arrays"),
    ):
        with pytest.raises(ValueError, match=f"a program file that is wrong: .*{text}"):
            ArrayProgram(damage)


def test_a_run_begins_with_the_gradients_of_the_file() -> None:
    program = ArrayProgram(FILES["in_place"])
    program.arrays[program.names.index("w")].grad = None
    with pytest.raises(RuntimeError, match="has a gradient, or none, other than when saved"):
        program.run()
    program = ArrayProgram(FILES["mlp"])
    with pytest.raises(ValueError, match="an input has another shape or type"):
        program(Tensor([1.0]), Tensor([1, 2]))
