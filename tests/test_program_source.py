"""Programs as C: what gcc and clang make of it has the bits of the program."""

from __future__ import annotations

import contextlib
import math
import random
import re
import shutil
import struct
import subprocess
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import test_programs
from tensor_cases import (
    DTYPES,
    ELEMENTS,
    ENGINES,
    OPS,
    PAIRED_OF,
    WHOLE,
    Case,
    divisor,
    flatten,
    good,
    leaves,
)
from test_programs_of_values import HOSTILE, OPTIMIZERS, Graph, classifier, in_order_of_walk

import pymicrograd
import pymicrograd as mg
import pymicrograd.nn as tnn
import pymicrograd.nn.functional as tF
from pymicrograd import Value, _core, at, compile, cross_entropy, optim

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fno-builtin-pow"]
ERRORS = {
    ZeroDivisionError: "division by zero",
    ValueError: "no real result",
    OverflowError: "a number is too large",
}


def bits(x: float | str) -> Any:
    """Return what tells numbers apart; every NaN is the same; text is text."""
    if isinstance(x, str):
        return x
    return None if math.isnan(x) else struct.pack("d", x)


def number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def printed(folder: Path, texts: Sequence[str], flags: Sequence[str], steps: int) -> list[Any]:
    """Compile programs, called program_0 and so on, in one go; return what each prints."""
    files, calls = [], ""
    for i, text in enumerate(texts):
        file = folder / f"program_{i}.c"
        file.write_text(f"#define MAIN main_{i}\nint main_{i}(int, char **);\n{text}")
        files.append(str(file))
        calls += f'int main_{i}(int, char **); puts("--"); main_{i}(argc, argv);\n'
    driver = folder / "driver.c"
    driver.write_text(f"#include <stdio.h>\nint main(int argc, char **argv) {{\n{calls}}}\n")
    program = str(folder / "program")
    subprocess.run([*flags, *files, str(driver), "-lm", "-o", program], check=True)
    run = subprocess.run([program, str(steps), "all"], check=True, capture_output=True, text=True)
    parts = run.stdout.split("--\n")[1:]
    return [[bits(number(x)) for line in part.splitlines() for x in lines_of(line)]
            for part in parts]  # fmt: skip


def lines_of(line: str) -> list[str]:
    return [line] if line in ERRORS.values() else line.split()


def expected_of(program: Any, steps: int) -> list[Any]:
    """Return what a program does, as `printed` has it."""
    error = []
    try:
        program.run(steps)
    except tuple(ERRORS) as raised:
        error = [ERRORS[type(raised)]]
    nodes = [x for node in program._script.layout().nodes for x in node[2:4]]
    return [bits(x) for x in [*program.losses, *error, *nodes]]


def graph_program(seed: int, size: int) -> Any:
    """Return a program of a random graph, on other data than it was made on; half of the seeds
    take hostile ones.
    """
    graph, rng = Graph(seed, 4, size), random.Random(seed)
    leaves = [Value(rng.gauss(0, 1)) for _ in range(4)]
    loss = in_order_of_walk(graph, leaves)
    program = compile(loss)
    for leaf in leaves:
        leaf.data = rng.choice(HOSTILE) if seed % 2 and rng.random() < 0.4 else rng.gauss(0, 1)
    program.kept = leaves, loss  # which it reads and writes
    return program


def compared(folder: Path, programs: Sequence[Any], flags: Sequence[Sequence[str]]) -> int:
    """Compare programs with what compilers make of them; return how many raise."""
    texts = [program.to_c(name=f"program_{i}") for i, program in enumerate(programs)]
    assert all(len(line) <= 100 for text in texts for line in text.splitlines())
    expected = [expected_of(program, 3) for program in programs]
    for each in flags:
        assert printed(folder, texts, each, 3) == expected, each
    return sum(any(isinstance(x, str) for x in one) for one in expected)


def training_programs() -> list[Any]:
    """Return a program for each optimizer, one of them large enough for loops."""
    found = []
    for i, make in enumerate(OPTIMIZERS.values()):
        model, optimizer, loss_of = classifier(make, *((9, 11) if i == 3 else (3, 2)))
        loss = loss_of()
        program = compile(loss, optimizer)
        program.kept = model, loss
        found.append(program)
    return found


def test_values_in_c_have_the_bits_of_the_program(tmp_path: Path) -> None:
    programs = [graph_program(seed, (60, 8, 30)[seed]) for seed in range(3)]
    flags = [[COMPILERS[0], "-O1", *FLAGS], [COMPILERS[-1], "-O0", *FLAGS]]
    assert compared(tmp_path, [*programs, *training_programs()[3:4]], flags) > 0


def test_a_recorded_function_in_c_has_its_inputs(tmp_path: Path) -> None:
    w = Value(0.5)
    sgd = optim.SGD([w], lr=0.1)

    @compile(values=True)
    def step(x: Any, y: Any) -> Any:
        loss = (Value(x) * w - y) ** 2
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss

    with pytest.raises(ValueError, match="there is no program of such a call"):
        step.to_c()
    step(1.0, 2.0)
    text = step.to_c(name="program_0")
    losses = [bits(step(1.0, 2.0).data) for _ in range(3)]
    assert printed(tmp_path, [text], [COMPILERS[0], "-O1", *FLAGS], 3) == [
        [*losses, bits(w.data), bits(w.grad)]
    ]


def test_a_function_that_chooses_in_c(tmp_path: Path) -> None:
    table = [[Value(0.1 * i - 0.7), Value(0.3 + 0.2 * i)] for i in range(6)]
    leaves = [v for column in zip(*table, strict=True) for v in column]  # as they are chosen
    sgd = optim.SGD(leaves, lr=0.1)

    @compile(values=True)
    def step(token: int, label: int) -> Any:
        x, y = at(table, token)
        loss = cross_entropy([x * a + y * b for a, b in table], label)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss

    for token, label in ((0, 1), (2, 3), (5, 4)):
        step(token, label)
    text = step.to_c(name="program_0")
    losses = [bits(step(5, 4).data) for _ in range(3)]
    assert printed(tmp_path, [text], [COMPILERS[0], "-O1", *FLAGS], 3) == [
        [*losses, *(bits(x) for v in leaves for x in (v.data, v.grad))]
    ]


@pytest.mark.parametrize("name", ["", "1x", "a b", "int", "float_pow", "main", "ü", "x;", None])
def test_names_that_c_cannot_have_are_refused(name: Any) -> None:
    w = Value(1.0)
    program = compile((w * 3.0) ** 2, optim.SGD([w]))
    with pytest.raises(ValueError, match="name="):
        program.to_c(name=name)


def test_a_file_is_what_is_returned(tmp_path: Path) -> None:
    w = Value(1.0)
    program = compile((w * 3.0) ** 2, optim.SGD([w]))
    text = program.to_c(tmp_path / "two.c", name="two")
    assert (tmp_path / "two.c").read_text() == text
    assert "int two(struct two *p)" in text


# ---- Tensors ---------------------------------------------------------------------------------


class Block(tnn.Module):
    """A block of a small GPT."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = tnn.LayerNorm(8), tnn.RMSNorm(8)
        self.qkv, self.out = tnn.Linear(8, 24, bias=False), tnn.Linear(8, 8)
        self.wide, self.narrow = tnn.Linear(8, 16), tnn.Linear(16, 8)

    def forward(self, x: Any) -> Any:
        n, t = x.shape[:2]
        parts = self.qkv(self.first(x)).split(8, dim=-1)
        q, k, v = (part.reshape(n, t, 2, 4).transpose(1, 2) for part in parts)
        hidden = mg.tril(mg.ones(t, t)) == 0
        scores = (q @ k.transpose(-1, -2) * 0.5).masked_fill(hidden, float("-inf"))
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, 8))
        return x + tF.dropout(self.narrow(tF.gelu(self.wide(self.second(x)))), 0.2)


class Gpt(tnn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = tnn.Embedding(7, 8), tnn.Embedding(5, 8)
        self.block, self.head = Block(), tnn.Linear(8, 7)

    def forward(self, x: Any) -> Any:
        return self.head(self.block(self.tokens(x) + self.places(mg.arange(x.shape[1]))))


def perceptron() -> Any:
    return tnn.Sequential(tnn.Linear(4, 5), tnn.Tanh(), tnn.Linear(5, 3))


def convolutional() -> Any:
    return tnn.Sequential(
        tnn.Conv2d(2, 3, 3, padding=1), tnn.BatchNorm2d(3), tnn.ReLU(), tnn.MaxPool2d(2),
        tnn.Conv2d(3, 4, 2, stride=2), tnn.GroupNorm(2, 4), tnn.GELU(), tnn.AvgPool2d(2),
        tnn.Flatten(),
        tnn.Linear(4, 3),
    )  # fmt: skip


def inputs_of(model: Any) -> tuple[Any, Any]:
    if isinstance(model, Gpt):
        return mg.randint(0, 7, (2, 5)), mg.randint(0, 7, (2, 5))
    shape = (6, 4) if isinstance(model[0], tnn.Linear) else (3, 2, 8, 8)
    return mg.randn(*shape), mg.randint(0, 3, (shape[0],))


TENSOR_OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda ps: optim.Adam(ps, lr=0.05, amsgrad=True),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.05),
    "rmsprop": lambda ps: optim.RMSprop(ps, lr=0.01, momentum=0.5, centered=True),
    "nadam": lambda ps: optim.NAdam(ps, lr=0.01),
    "lamb": lambda ps: optim.LAMB(ps, lr=0.01, weight_decay=0.1),
}


def tensor_program(make: Any, optimizer: str, smoothing: float = 0.0, dtype: Any = None) -> Any:
    """Return a compiled training step that has run twice, and its arguments."""
    mg.manual_seed(3)
    model = make().to(dtype or mg.float32)
    steps = TENSOR_OPTIMIZERS[optimizer](model.parameters())

    @mg.compile
    def step(x: Any, y: Any) -> Any:
        rows = model(x)
        rows = rows.reshape(-1, rows.shape[-1])
        loss = tF.cross_entropy(rows, y.reshape(-1), label_smoothing=smoothing)
        steps.zero_grad()
        loss.backward()
        steps.step()
        return loss

    x, y = inputs_of(model)
    if x.is_floating_point():
        x = x.to(dtype or mg.float32)
    step(x, y), step(x, y)
    return step, x, y


def checked_program() -> Any:
    """Return a function that checks elements, with a masked attention, and its arguments."""

    def loss(x: Any, t: Any) -> Any:
        seen = tF.scaled_dot_product_attention(x, x, x, attn_mask=t[:, :3] > 0.5)
        return tF.binary_cross_entropy(seen.sigmoid(), t) + (t > 0).all(0).float().mean()

    step = mg.compile(loss)
    x, y = mg.randn(3, 4), mg.rand(3, 4)
    step(x, y), step(x, y)
    return step, x, y


def compared_tensors(folder: Path, programs: Sequence[Any], flags: Sequence[str]) -> None:
    texts, expected = [], []
    for i, (step, x, y) in enumerate(programs):  # which draw from one generator
        texts.append(step.to_c(name=f"program_{i}"))
        expected.append([bits(step(x, y).item()) for _ in range(3)])
    found = [one[:3] for one in printed(folder, texts, flags, 3)]
    assert found == expected


def test_tensors_in_c_have_the_bits_of_the_program(tmp_path: Path) -> None:
    programs = [
        tensor_program(convolutional, "sgd", 0.1, mg.float64), tensor_program(Gpt, "adamw"),
        tensor_program(perceptron, "lamb", dtype=mg.float16),
    ]  # fmt: skip
    programs.append(checked_program())
    assert "return MG_ERR_ARG;" in programs[-1][0].to_c()
    compared_tensors(tmp_path, programs, [COMPILERS[-1], "-O0", *FLAGS])


def test_casts_and_random_integers_in_c(tmp_path: Path) -> None:
    """Beyond the ends of types and of NaN, of every width; in place, too."""
    kinds = (mg.int64, mg.int32, mg.int16, mg.int8, mg.uint8, mg.bool)
    noise = [math.nan, math.inf, -math.inf, -0.0, 0.5, -1.9, 127.9, 255.5, -129.5, 32768.5, 2e9,
             2147483647.5, -2147483649.5, 9.3e18, -9.3e18, 70000.0]  # fmt: skip

    def program(dtype: Any) -> Any:
        mg.manual_seed(7)
        flags = mg.zeros(16, dtype=mg.bool)

        @mg.compile
        def step(x: Any, _: Any) -> Any:
            flags.copy_(x)
            order, far = mg.randperm(16), mg.randint(-5, 2**40, (16,))
            total = (order * mg.randint(-3, 9, (16,)) + far).sum(dtype=mg.float64)
            for i, kind in enumerate(kinds):
                whole = (x * 1.0).to(kind)[order].to(mg.float64)
                total = total + (whole * mg.arange(1.0, 17.0) * (0.7 + i)).sum()
            return total + flags.to(mg.float64).sum()

        x = mg.tensor(noise, dtype=dtype)
        step(x, 0), step(x, 0)
        return step, x, 0

    programs = [program(kind) for kind in (mg.float32, mg.float64, mg.float16, mg.bfloat16)]
    compared_tensors(tmp_path, programs, [COMPILERS[0], "-O2", *FLAGS])


@pytest.mark.all
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("option", ["-O0", "-O2 -mavx2 -mfma"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_networks_in_c(tmp_path: Path, compiler: str, option: str, dtype: str) -> None:
    kind = getattr(mg, dtype)
    programs = [tensor_program(perceptron, name, dtype=kind) for name in TENSOR_OPTIMIZERS]
    programs += [
        tensor_program(convolutional, "lamb", 0.1, kind),
        tensor_program(Gpt, "rmsprop", dtype=kind),
    ]
    compared_tensors(tmp_path, programs, [compiler, *option.split(), *FLAGS])


@pytest.mark.all
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_random_programs_in_c(
    tmp_path: Path, compiler: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, drawn = [], test_programs.data
    monkeypatch.setattr(test_programs, "data", lambda *of: drawn(*of).to(getattr(mg, dtype)))
    for seed in range(60):
        model = test_programs.Random(test_programs.random_program(random.Random(seed)))
        x = test_programs.data((3, 3), 20)
        mg.manual_seed(5)

        @mg.compile
        def step(x: Any, _: Any, of: Any = model.step) -> Any:
            outputs, loss = of(x)
            return sum((y.sum() for y in outputs), loss)

        with contextlib.suppress(NotImplementedError, mg.errors.MicrogradError):
            step(x, 0), step(x, 0)
            step.to_c()
            programs.append((step, x, 0))
    assert len(programs) > 20
    compared_tensors(tmp_path, programs, [compiler, "-O1", *FLAGS])


def test_what_has_no_plain_form_is_named() -> None:
    w = mg.ones(3, requires_grad=True)

    @mg.compile
    def adds_up(x: Any) -> Any:
        (w * x).sum().backward()
        return w.grad

    with pytest.raises(ValueError, match="no program of such a call"):
        adds_up.to_c()
    adds_up(mg.ones(3)), adds_up(mg.ones(3))
    with pytest.raises(NotImplementedError, match=r"zero_grad\(\) first"):
        adds_up.to_c()


@pytest.mark.parametrize("compiler", COMPILERS)
def test_integers_in_c(tmp_path: Path, compiler: str) -> None:
    """Products and sums wrap around, as theirs do."""

    def several(a: Any, b: Any) -> list[Any]:
        products = (a @ b, b[:, 0] @ a.T, a @ b[:, 1], a[None] @ b.expand(2, 5, 4), a[0] @ b[:, 0])
        sums = (
            a + 3,
            a - a[0],
            a * a,
            -a,
            a.sum(),
            a.sum(0),
            a.cumsum(1),
            a & 12,
            a | 1,
            a ^ b.T[:3],
        )
        return [*products, *sums]

    def program(kind: Any) -> Any:
        mg.manual_seed(5)
        a, b = (mg.randint(-(2**62), 2**62, size).to(kind) for size in ((3, 5), (5, 4)))

        @mg.compile
        def step(x: Any, _: Any) -> Any:
            found = [y.reshape(-1).to(mg.float64) for y in several(a, b)]
            return sum((y * mg.arange(1.0, 1.0 + len(y))).sum() for y in found) + x

        x = mg.ones((), dtype=mg.float64)
        step(x, 0), step(x, 0)
        return step, x, 0

    programs = [program(kind) for kind in (mg.int64, mg.int32, mg.int16, mg.int8, mg.uint8)]
    compared_tensors(tmp_path, programs, [compiler, "-O1", *FLAGS])


# ---- every op, every type --------------------------------------------------------------------

C = ENGINES[0]
RECORDED = [op for op in OPS if op not in test_programs.UNRECORDED]
SHOWN = {  # how elements are printed; float16 and bfloat16 are bits
    "float16": '"%.17g\\n", (double)f32_of_half({})', "float32": '"%.17g\\n", (double){}',
    "bfloat16": '"%.17g\\n", (double)f32_of_brain({})', "float64": '"%.17g\\n", {}',
}  # fmt: skip


def tensors_in(found: Any) -> list[Any]:
    """Return the Tensors of nested results."""
    if isinstance(found, (list, tuple)):
        return [x for part in found for x in tensors_in(part)]
    return [] if found is None else [found]


def program_of(calls: Sequence[Any]) -> Any:
    """Return a compiled function that makes calls, and returns all their Tensors."""
    step = mg.compile(lambda: [y.detach() for call in calls for y in tensors_in(call())])
    step()
    return step


def cases_program(cases: Sequence[Case]) -> Any:
    """Return a compiled function of cases, with gradients of two orders."""
    return program_of(
        [lambda case=case: test_programs.derivatives_of(case)(*leaves(C, case)) for case in cases]
    )


def compared_outputs(folder: Path, step: Any, flags: Sequence[Sequence[str]]) -> None:
    """Compare all elements of a compiled function's results with what its text prints."""
    text, results, loops = step.to_c(name="program"), step(), ""
    assert all(len(line) <= 100 for line in text.splitlines())
    for k, y in enumerate(results):
        shown = SHOWN.get(y.dtype.name, '"%lld\\n", (long long){}')
        shown = shown.format(f"program_output_{k}[i]")
        loops += f"    for (int i = 0; i < {y.numel()}; i++) printf({shown});\n"
    body = f"{{\n    if (program()) return 1;\n{loops}    return 0;\n}}\n"
    file, run = folder / "program.c", str(folder / "program")
    file.write_text(f"{text}\n#include <stdio.h>\nint main(void)\n{body}")
    numbers = [x for y in results if y.numel() for x in flatten(y.tolist())]
    for each in flags:
        subprocess.run([*each, str(file), "-lm", "-o", run], check=True)
        made = subprocess.run([run], check=True, capture_output=True, text=True).stdout.split()
        assert len(made) == len(numbers)
        for x, found in zip(numbers, made, strict=True):
            assert bits(x) == bits(float(found)) if isinstance(x, float) else x == int(found)


def test_ops_in_c(tmp_path: Path) -> None:
    """Of every op a case, with its gradients."""
    step = cases_program([random.Random(op).choice(good(op)) for op in RECORDED])
    compared_outputs(tmp_path, step, [[COMPILERS[-1], "-O0", *FLAGS]])


@pytest.mark.all
@pytest.mark.parametrize("op", RECORDED)
def test_more_cases_in_c(op: str, tmp_path: Path) -> None:
    flags = [[COMPILERS[0], "-O2", *FLAGS], [COMPILERS[-1], "-O0", *FLAGS]]
    cases = random.Random(op).sample(good(op), min(60, len(good(op))))
    compared_outputs(tmp_path, cases_program(cases), flags)


def typed_calls(rng: random.Random) -> list[Any]:
    """Return calls of ops of elements, on every type beside another one, some of them in place."""
    found = []

    def numbers(dtype: str) -> list[Any]:
        return [rng.choice(WHOLE.get(dtype) or PAIRED_OF[dtype]) for _ in range(4)]

    for op in ELEMENTS:
        methods = [name for name in (op, f"{op}_") if hasattr(mg.Tensor, name)]
        for dtype, method in ((dtype, name) for dtype in DTYPES for name in methods):
            of_a, other = numbers(dtype), rng.choice(DTYPES)
            of_b = [divisor(op, x) for x in numbers(other)]
            kind = rng.choice(("array", "array", "single", "number"))

            def call(method: str = method, of_a: Any = of_a, dtype: str = dtype, of_b: Any = of_b,
                     other: str = other, kind: str = kind, op: str = op) -> Any:  # fmt: skip
                a = mg.tensor(of_a, dtype=dtype).clone()
                b = mg.tensor(of_b if kind == "array" else of_b[0], dtype=other)
                b = of_b[0] if kind == "number" else b
                two = _core.ARITIES[_core.OPS[op]] == 2
                y = getattr(a, method)(*([b] if two or op == "pow_number" else []))
                return [y, a]

            with contextlib.suppress(
                mg.errors.MicrogradError, ArithmeticError, TypeError, ValueError
            ):
                call()
                found.append(call)
    return found


def test_elements_of_every_type_in_c(tmp_path: Path) -> None:
    calls = typed_calls(random.Random(1))
    assert len(calls) > 500
    compared_outputs(tmp_path, program_of(calls), [[COMPILERS[0], "-O0", *FLAGS]])


# What a function does with x and numbers: fine ones, and wrong ones.
CHECKS: dict[str, Any] = {
    "floor_divide": (lambda x, n: x // n, [1, -2], [1, 0]),
    "remainder": (lambda x, n: x % n, [1, -2], [0, 1]),
    "floor_divide_": (lambda x, n: x.clone().floor_divide_(n.to(mg.int8)), [1, 2], [1, 256]),
    "many": (lambda x, n: sum((x for _ in range(150)), x) // n, [1, -2], [0, 1]),
    "take": (lambda x, n: x[n], [0, -2], [0, 2]),
    "gather": (lambda x, n: x.gather(0, n), [0, 1], [0, -3]),
    "scatter_add": (lambda x, n: x.scatter_add(0, n, x), [0, 1], [2, 0]),
    "cross_entropy": (lambda x, n: tF.cross_entropy(x.float().expand(2, 2), n), [0, 1], [0, 2]),
}  # fmt: skip
SAID = {ZeroDivisionError: "an integer is divided by zero", IndexError: "an index is out of range"}


def test_what_fails_in_a_step_fails_in_c(tmp_path: Path) -> None:
    """And writes nothing of what comes behind it."""
    texts, expected = [], []
    for i, (act, fine, wrong) in enumerate(CHECKS.values()):
        x, numbers, written = mg.tensor([7, -8]), mg.tensor(fine), mg.zeros(2)

        def step(act: Any = act, x: Any = x, numbers: Any = numbers, written: Any = written) -> Any:
            y = act(x, numbers)
            written.add_(1.0)
            return y.sum()

        compiled = mg.compile(step)
        total = compiled()
        numbers.copy_(mg.tensor(wrong))
        with pytest.raises(tuple(SAID)) as raised:
            compiled()
        said = next(text for kind, text in SAID.items() if issubclass(raised.type, kind))
        arrays = {"x": x, "numbers": numbers, "written": written}
        assert written.tolist() == [1.0, 1.0] and total.numel() == 1
        text = compiled.to_c(name=f"program_{i}")
        order = [int(k) for k in re.findall(r"static \w+ p(\d+)\[2\]", text)]
        assert len(order) == len(arrays)
        texts.append(text)
        expected.append([said, {tuple(map(float, y.tolist())) for y in arrays.values()}])
    run = tmp_path / "program"
    for text, (said, held) in zip(texts, expected, strict=True):
        (tmp_path / "program.c").write_text(text)
        subprocess.run(
            [
                COMPILERS[0],
                *FLAGS,
                "-DMAIN=main",
                str(tmp_path / "program.c"),
                "-lm",
                "-o",
                str(run),
            ],
            check=True,
        )
        made = subprocess.run([str(run), "1", "all"], check=True, capture_output=True, text=True)
        first, *rest = made.stdout.splitlines()
        assert first == said
        assert {tuple(map(float, rest[k : k + 2])) for k in range(0, len(rest), 2)} == held


@pytest.mark.all
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("seed", range(2, 6))
def test_elements_of_more_types_in_c(seed: int, compiler: str, tmp_path: Path) -> None:
    flags = [[compiler, "-O2", *FLAGS]]
    compared_outputs(tmp_path, program_of(typed_calls(random.Random(seed))), flags)


# ---- explain, pictures -----------------------------------------------------------------------


def test_times_of_instructions_change_nothing() -> None:
    program = training_programs()[3]
    model, loss = program.kept
    before = [(p.data, p.grad) for p in model.parameters()], loss.data
    text = program.explain(times=True)
    assert before == ([(p.data, p.grad) for p in model.parameters()], loss.data)
    assert len(re.findall(r"^ +[\d.]+ us +\d+%  \w+: ", text, re.MULTILINE)) == text.count("\n")
    twin = training_programs()[3]
    assert program.run(3) == twin.run(3)


def test_runs_that_are_timed_are_runs() -> None:
    (step, x, y), (twin, *_) = (tensor_program(perceptron, "adam") for _ in range(2))
    text = step.explain(runs=2)
    assert re.search(r"[\d.]+ us +\d+%  gradient x 1", text)
    twin(x, y), twin(x, y)
    assert step(x, y).item() == twin(x, y).item()


def test_pictures_show_who_reads_what() -> None:
    w = Value(1.0)
    program = compile((w * 3.0 - 6.0) ** 2, optim.SGD([w], lr=0.05))
    assert mg.to_mermaid(program) == textwrap.dedent("""\
        flowchart LR
            n0["a leaf"]
            n1(["line<br/>5 operations"])
            n2(["update<br/>1 parameters"])
            n3["data and gradients"]
            n0 --> n1
            n0 --> n2
            n1 --> n2
            n1 --> n3
            n2 --> n3
        """)
    step, *_ = tensor_program(perceptron, "sgd")
    text = mg.to_dot(step)
    assert text.count("shape=ellipse") == 15 and "gradient of tanh\\n(6, 5)" in text
    assert text.count("argument") == 2 and text.count("from outside") == 4


# ---- many ------------------------------------------------------------------------------------


@pytest.mark.all
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("option", ["-O1", "-O3 -mavx2 -mfma"])
@pytest.mark.parametrize("math", ["library", "portable"])
def test_many_programs(tmp_path: Path, compiler: str, option: str, math: str) -> None:
    pymicrograd.set_math(math)
    try:
        first = COMPILERS.index(compiler) * 100 + len(option)
        programs = [
            graph_program(seed, (8, 30, 200)[seed % 3]) for seed in range(first, first + 18)
        ]
        programs += training_programs()
        assert compared(tmp_path, programs, [[compiler, *option.split(), *FLAGS]]) > 3
    finally:
        pymicrograd.set_math("library")
