"""Compiled functions of Tensors: every run gives the bits, the state and the errors of eager's."""

from __future__ import annotations

import builtins
import copy
import functools
import gc
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from tensor_cases import ENGINES, OPS, Case, Operand, distinct, good, seed_for

import pymicrograd as mg
from pymicrograd import nn, optim
from pymicrograd._core import programs as recorded
from pymicrograd.errors import GradientError, OutOfMemoryError, RecordingError, TensorIndexError
from pymicrograd.nn import functional as F
from pymicrograd.optim import lr_scheduler
from pymicrograd.programs import Compiled

C = ENGINES[0]


def bits(x: Any) -> Any:
    """Return all that there is to know of a result."""
    if isinstance(x, mg.Tensor):
        return C.digits(x.detach())
    if isinstance(x, (tuple, list)):
        return [bits(item) for item in x]
    return x


def program_count(step: Any) -> int:
    return sum(len(found) for found in step.variants.values() if not isinstance(found, str))


# ---- ops -----------------------------------------------------------------------------------------


def turned(x: Any) -> Any:
    """Return an operand of the same numbers in another order."""
    if not isinstance(x, Operand):
        return x
    return Operand(x.dtype, x.shape, x.values[::-1], x.layout, x.gradient)


def leaves_of(case: Case, turn: bool) -> list[Any]:
    made = {
        id(x): C.leaf(turned(x) if turn else x) for x in case.operands if isinstance(x, Operand)
    }
    return [made.get(id(x), x) for x in case.operands]


def derivatives_of(case: Case) -> Callable[..., Any]:
    """Return a function of the operands: the value, and gradients of two orders."""

    def step(*operands: Any) -> Any:
        inputs = distinct(operands)
        y = C.apply(case.op, operands, case.how)
        if not y.requires_grad:
            return y
        seed = seed_for(C, y, 1, requires=True)
        y.backward(seed)
        found = C.grad([y], inputs, [seed], create_graph=True)
        roots = [g for g in found if g is not None and g.requires_grad]
        second: Any = ()
        if roots:
            weights = [seed_for(C, g, 2 + i) for i, g in enumerate(roots)]
            second = C.grad(roots, [*inputs, seed], weights, False)
        return y, list(found), list(second), [x.grad for x in inputs]

    return step


def result(step: Callable[..., Any], operands: list[Any]) -> Any:
    try:
        return bits(step(*operands)), [bits(x.grad) for x in distinct(operands)]
    except (ArithmeticError, LookupError, ValueError) as error:
        return type(error)


def check_op(case: Case) -> None:
    step = derivatives_of(case)
    program = mg.compile(step)
    for turn in (False, True, False):
        expected = result(step, leaves_of(case, turn))
        assert result(program, leaves_of(case, turn)) == expected, case
    assert program_count(program) <= 1, case


UNRECORDED = {"nonzero"}


@pytest.mark.parametrize("op", [op for op in OPS if op not in UNRECORDED])
def test_an_op_and_its_derivatives(op: str) -> None:
    for case in random.Random(op).sample(good(op), 3):
        check_op(case)


@pytest.mark.all
@pytest.mark.parametrize("op", [op for op in OPS if op not in UNRECORDED])
def test_all_cases_of_an_op(op: str) -> None:
    for case in good(op):
        check_op(case)


# ---- random programs -----------------------------------------------------------------------------

# Lines over a list t of matrices (3, 3), of which t[0] is the argument, t[1] and t[2] parameters,
# t[3] and t[4] plain state; i and j are numbers of them, those of n may be written to.
NEW = (
    "t[i] + t[j]",
    "t[i] * t[j]",
    "t[i] - 0.3",
    "2.0 / (t[i] * t[i] + 1.0)",
    "t[i] @ t[j]",
    "t[i].T @ t[j]",
    "t[i].tanh()",
    "t[i].relu()",
    "t[i].softmax(1)",
    "t[i].log_softmax(0)",
    "t[i].sum(0) + t[j]",
    "t[i].mean(1, keepdim=True) * t[j]",
    "t[i].amax() - t[j]",
    "mg.where(t[i] > t[j], t[i], t[j])",
    "mg.cat([t[i][1:], t[j][:1]])",
    "t[i].reshape(9)[3:6] * t[j]",
    "t[i][[2, 0, 1]]",
    "t[i].flip(1)",
    "t[i].detach()",
    "t[i].clone()",
    "t[i].cumsum(0)",
    "t[i].std(0, keepdim=True) + t[j]",
    "t[i].clamp(-0.5, 0.5)",
    "t[i].abs().sqrt()",
    "mg.rand(3, 3) * t[i]",
    "F.dropout(t[i], 0.4)",
    "mg.ones(3, 3).tril() * t[i]",
    "t[i].var() * t[j]",
    "F.layer_norm(t[i], (3,)) + t[j]",
    "t[i].logsumexp(1) * t[j]",
    "mg.zeros(3, 3).index_add(0, mg.tensor([0, 2]), t[i][:2])",
    "F.cross_entropy(t[i], mg.tensor([0, 2, 1])) * t[j]",
    "F.cross_entropy(t[i] + 1.0, mg.tensor([-100, 2, 1]), label_smoothing=0.1) + t[j]",
    "F.cross_entropy(t[i] @ t[j], mg.tensor([1, 1, 0]), reduction='none') + t[i]",
    "mg.arange(9).reshape(3, 3) * mg.ones(3, 3)",
)
WRITES = (
    "t[n].add_(t[i].detach())",
    "t[n].mul_(0.5)",
    "t[n][1] = t[i].detach()[0]",
    "t[n].copy_(t[i].detach())",
    "t[n].clamp_(-2.0, 2.0)",
    "t[n][:, 0] += 1.0",
    "t[n].T.sub_(t[i].detach())",
    "t[n].zero_()",
    "t[n].normal_()",
)
DROP, STEP = "optimizer.zero_grad()", "optimizer.step()"
ENDS = (
    "loss.backward()",
    "p.grad = None; q.grad = None; loss.backward()",
    f"{DROP}; loss.backward(); {STEP}",
    f"optimizer.zero_grad(set_to_none=False); loss.backward(); {STEP}",
    "p.grad, q.grad = mg.autograd.grad(loss, [p, q], allow_unused=True)",
    f"loss.backward(); {STEP}; {DROP}",
    "g, = mg.autograd.grad(loss, [p], create_graph=True); ((g * g).sum() + loss).backward()",
    f"loss.backward(); nn.utils.clip_grad_norm_([p, q], 0.5); {STEP}; {DROP}",
    "",
)


def random_program(rng: random.Random) -> list[str]:
    lines = []
    for count in range(rng.randint(2, 14)):
        pick = {name: str(rng.randrange(5 + count)) for name in "ij"} | {
            "n": str(rng.choice((3, 4)))
        }
        line = (
            rng.choice(WRITES) + "; t.append(t[n] + 1.0)"
            if rng.random() < 0.3
            else f"t.append({rng.choice(NEW)})"
        )
        for name, number in pick.items():
            line = line.replace(f"[{name}]", f"[{number}]")
        lines.append(line)
    ends = rng.choices(ENDS, k=rng.randint(1, 2))
    lines.append(f"t[5:] = t[5::{rng.choice((1, 1, 2, 3))}]")  # the rest nobody reads
    return [*lines, "loss = sum(x.sum() for x in t[5:]) + p.sum() * q.sum()", *ends]


class Random:
    """A random program with its parameters and state."""

    def __init__(
        self, lines: list[str], shape: tuple[int, ...] = (3, 3), kind: Any = mg.float32
    ) -> None:
        self.shape, self.kind = shape, kind
        self.p, self.q = (data(shape, k, kind).requires_grad_() for k in (1, 2))
        self.state = [data(shape, k, kind) for k in (3, 4)]
        self.optimizer = optim.AdamW([self.p, self.q], lr=0.05)
        self.code = [builtins.compile(line, "<random>", "exec") for line in lines]

    def step(self, x: Any) -> Any:
        t = [x, self.p, self.q, *self.state]
        names = {
            "mg": mg,
            "F": F,
            "nn": nn,
            "t": t,
            "p": self.p,
            "q": self.q,
            "optimizer": self.optimizer,
        }
        for code in self.code:
            exec(code, names)
        return [y.detach() for y in t[5:]], names["loss"].detach()

    def known(self) -> Any:
        return [bits(y) for y in (self.p, self.q, self.p.grad, self.q.grad, *self.state)]


def several(step: Any, x: Any) -> Any:
    """Return the result of the last of some steps, of which a program makes one loop."""
    if isinstance(step, Compiled):
        return step.run(8, x)
    return [step(x) for _ in range(8)][-1]


def outcomes(model: Random, step: Any) -> Any:
    """Return the results and states of some steps, up to the first that raises."""
    mg.manual_seed(5)
    found = []
    for k in range(5):
        make = several if k == 3 else lambda step, x: step(x)
        try:
            x = data(model.shape, 20 + k, model.kind)
            found.append((bits(make(step, x)), model.known()))
        except (mg.errors.MicrogradError, RuntimeError) as error:
            return [*found, type(error), model.known()]
    return found


def check_random(seed: int) -> None:
    lines = random_program(random.Random(seed))
    one, other = Random(lines), Random(lines)
    assert outcomes(other, mg.compile(other.step)) == outcomes(one, one.step), (seed, lines)


@pytest.mark.parametrize("block", range(6))
def test_random_programs(block: int) -> None:
    for seed in range(20):
        check_random(1000 * block + seed)


@pytest.mark.all
@pytest.mark.parametrize("block", range(10))
def test_more_random_programs(block: int) -> None:
    for seed in range(300):
        check_random(1000 * block + 20 + seed)


# Lines over vectors (m, k), most of them of elements, which programs make block by block.
ELEMENTWISE = (
    "t[i] + t[j]",
    "t[i] - t[j]",
    "t[i] * t[j]",
    "t[i] * t[i]",
    "t[i] / (t[j] * t[j] + 1.0)",
    "t[i] * 1.5",
    "0.25 - t[i]",
    "t[i] ** 2",
    "t[i].tanh()",
    "t[i].relu()",
    "t[i].sigmoid()",
    "t[i].exp().clamp(max=3.0)",
    "F.gelu(t[i])",
    "t[i].maximum(t[j])",
    "t[i].abs().sqrt()",
    "t[i].detach() * t[j]",
    "t[i].reshape(-1).tanh().reshape(t[i].shape)",
    "t[i] * (t[j] > 0.0)",
    "(t[i] > t[j]).logical_or(t[i] < 0.5).logical_not() * t[i]",
    "((t[i] * 10.0).to(mg.int64) * 3 + 1).to(t[0].dtype)",
    "((t[i] * 10.0).to(mg.int64) // 3 % 5).to(t[0].dtype) + t[j]",
    "t[i] // 0.75",
    "(t[i].to(mg.float16).tanh() * 0.5).to(t[0].dtype)",
    "t[i] * t[j][1, 2]",
    "t[i] * t[j].mean()",
    "(t[i] * 2.0)[0, 3] - t[j].tanh()",
    "t[i][0, 3].expand(t[0].shape) * t[j].tanh()",
    "t[i] + t[j][:1]",
    "t[i] + t[j].sum(1, keepdim=True)",
    "t[i].flip(1)",
    "mg.where(t[i] > t[j], t[i], 0.5)",
    "mg.where(t[i] > 0.0, t[i] * 2.0, 0.0)",
    "mg.where(t[i] > t[j], t[j].mean(), t[i]) + t[i]",
    "mg.where((t[i] > 0.0)[:1], t[i], t[j])",
    "mg.where(t[j][0, 1] > 0.0, t[i] * 0.5, t[j]).tanh()",
    "mg.where(t[i] > 0.5, t[i].to(mg.int16), t[j].to(mg.int8)).to(t[0].dtype)",
    "mg.where(t[i] > t[j], t[i] < 0.0, t[j] < 0.0) * t[i]",
    "t[i].masked_fill(t[j] > 0.5, -1.0) + t[j]",
    "F.leaky_relu(t[i] * t[j])",
    "t[i].to(mg.float64).sigmoid().to(mg.float32).to(t[0].dtype) * t[j]",
    "(t[i] * 9.0).to(mg.int8).to(mg.uint8).to(mg.int32).to(t[0].dtype) - t[j]",
    "(t[i] > 0.0).to(mg.bfloat16).to(mg.int64).to(t[0].dtype) * t[j]",
    "(t[i].bool().clone() == (t[j] > 0.0).clone()).to(t[0].dtype) * t[i]",
    "t[i].clone() * t[j].detach().clone()",
    "t[i][0, 3].expand(t[0].shape).contiguous() * t[j]",
    "(t[i] * 3.0).detach().fill_(0.5) + t[j]",
    "mg.zeros_like(t[i]).copy_(t[j].detach()) * t[i]",
    "mg.zeros_like(t[i]).copy_(t[j].detach()[:1]) * t[i]",
    "mg.rand(*t[0].shape) * t[i]",
    "(t[i] + 1.0).mul_(t[j].detach())",
    "(t[i] * 2.0).detach().tanh_()",
    "t[i].cumsum(1).mul_(t[j].detach()) * 0.5",
    "mg.zeros(*t[0].shape).add_(t[i].detach()).sub_(t[j].detach())",
    "mg.ones(*t[0].shape, dtype=t[0].dtype) * t[i]",
)


def random_elements(rng: random.Random) -> list[str]:
    lines = []
    for count in range(rng.randint(3, 16)):
        pick = {name: str(max(rng.randrange(5 + count), rng.randrange(5 + count))) for name in "ij"}
        line = f"t.append({rng.choice(ELEMENTWISE)})"
        if rng.random() < 0.1:
            line = rng.choice(("t[n].add_(t[i].detach())", "t[n].mul_(0.5)", "t[n].copy_(t[0])"))
            line = line.replace("[n]", rng.choice(("[3]", "[4]"))) + "; t.append(t[3] + 1.0)"
        for name, number in pick.items():
            line = line.replace(f"[{name}]", f"[{number}]")
        lines.append(line)
    lines.append(f"t[5:] = t[5::{rng.choice((1, 2, 3, 5))}]")
    return [*lines, "loss = sum(x.mean() for x in t[5:]) + (p * q).sum()", rng.choice(ENDS)]


def check_elements(seed: int) -> None:
    rng = random.Random(seed)
    lines = random_elements(rng)
    shape = rng.choice(((3, 171), (2, 512), (3, 683), (3, 1025), (5, 1001), (3, 4099)))
    kind = rng.choice((mg.float32, mg.float64))
    one, other = Random(lines, shape, kind), Random(lines, shape, kind)
    program = mg.compile(other.step)
    assert outcomes(other, program) == outcomes(one, one.step), (seed, shape, kind, lines)


@pytest.fixture
def kept_choices() -> Iterator[None]:
    """Let instruction sets and threads be what they were."""
    threads, isa = mg.get_num_threads(), mg.isa()
    yield
    mg.set_num_threads(threads)
    mg.set_isa(isa)


@pytest.mark.parametrize("block", range(4))
def test_random_programs_of_elements(block: int, kept_choices: None) -> None:
    for place, name in enumerate(("baseline", "avx2", "avx512", "neon")):
        with suppress(ValueError):  # this machine has no such set
            mg.set_isa(name)
        mg.set_num_threads(1 + place % 3)
        for seed in range(12):
            check_elements(1000 * block + 100 * place + seed)


@pytest.mark.all
@pytest.mark.parametrize("block", range(10))
def test_more_random_programs_of_elements(block: int) -> None:
    for seed in range(400, 700):
        check_elements(1000 * block + seed)


@pytest.mark.parametrize("kind", [mg.float32, mg.float64, mg.float16])
@pytest.mark.parametrize(("threads", "count"), [(1, 511), (1, 512), (2, 4097), (3, 150_001)])
def test_elements_are_made_block_by_block(
    threads: int, count: int, kind: Any, kept_choices: None
) -> None:
    x, a, b, c = (data((count,), k, kind) for k in range(4))
    one, other = (data((count,), 9, kind).requires_grad_() for _ in range(2))

    def step(w: Any, x: Any) -> Any:
        w.grad = None
        y = (x * w + a).tanh() * b - c
        (y * y[5]).sum().backward()
        return y, w.grad

    mg.set_num_threads(threads)
    program = mg.compile(lambda x: step(other, x))
    for k in range(3):
        assert bits(program(x * (k + 1.0))) == bits(step(one, x * (k + 1.0)))
    assert ("in blocks" in program.explain()) == (count >= 512 and kind != mg.float16)


def test_blocks_of_what_is_made_once() -> None:
    scale, w, x, total = (data((3001,), k) for k in range(4))

    def step() -> Any:
        w.mul_(0.5)
        sums = scale.cumsum(0)
        sums.add_(x)
        constant = sums.tanh() * 2.0
        result = w * constant + w
        total.add_(result)
        return result

    def both(made: Callable[[], Any]) -> Any:
        w.copy_(x)
        total.zero_()
        return bits(made()), bits(w), bits(total)

    program = mg.compile(step)
    program()
    assert "it is always the same; in blocks with the next ones" in program.explain()
    eager = both(lambda: [step() for _ in range(20)][-1])
    assert both(lambda: program.run(20)) == eager


def test_a_division_by_zero_is_in_no_block() -> None:
    state = data((600,), 1)

    def step(a: Any, b: Any) -> Any:
        state.add_(1.0)
        c = (a * 3 + 1) // b
        state.mul_(2.0)
        return c * 2 - a

    program = mg.compile(step)
    a, b, start = mg.arange(600), mg.arange(600) + 1, state.clone()
    assert bits(program(a, b)) == bits(step(a, b))
    states = []
    for function in (step, program):
        state.copy_(start)
        with pytest.raises(ZeroDivisionError):
            function(a, b - 300)
        states.append(bits(state))
    assert states[0] == states[1]


# ---- passes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [mg.float32, mg.float64, mg.float16])
@pytest.mark.parametrize("classes", [1, 2, 3, 7, 16, 17, 40, 600, 5000])
def test_a_cross_entropy_and_its_gradient(kind: Any, classes: int) -> None:
    options: list[dict[str, Any]] = [
        {"ignore_index": 0}, {"label_smoothing": 0.1}, {"reduction": "sum"}, {"reduction": "none"}
    ]  # fmt: skip
    for number, how in enumerate(options):
        rows = min((1, 5, 70, 140)[number], 60_000 // classes)
        if classes == 1 and "ignore_index" in how:
            continue
        one, other = (data((rows, classes), 1, kind).requires_grad_() for _ in range(2))

        def step(w: Any, x: Any, y: Any, how: dict[str, Any] = how) -> Any:
            w.grad = None
            loss = F.cross_entropy(w * x, y, **how)
            loss.sum().backward()
            return loss, w.grad

        program = mg.compile(lambda x, y, w=other: step(w, x, y))
        y = mg.randint(0, classes, (rows,))
        y[0] = classes - 1
        for k in range(3):
            x = data((rows, classes), 5 + k, kind) * 30.0**k
            assert bits(program(x, y)) == bits(step(one, x, y)), (classes, how)
        pairs = kind != mg.float16 and 8 * rows * classes <= 1 << 19
        assert ("shares" in program.explain()) == pairs


def test_what_is_left_out_and_what_is_made_once() -> None:
    scale, weight = data((4, 3), 1), data((4, 3), 2).requires_grad_()
    optimizer = optim.SGD([weight], lr=0.1)

    def step(x: Any, y: Any) -> Any:
        constant = (scale * 2.0).exp()
        logits = x @ (weight * constant)
        (logits.argmax(1) == y).sum()
        optimizer.zero_grad()
        loss = F.cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        return loss

    program, x, y = mg.compile(step), data((6, 4), 3), mg.tensor([0, 1, 2, 0, 1, 2])
    start = weight.detach().clone()

    def both(made: Callable[[], Any]) -> Any:
        with mg.no_grad():
            weight.copy_(start)
        return made(), bits(weight)

    eager = both(lambda: [step(x, y).item() for _ in range(5)])
    program(x, y)
    assert both(lambda: [program.run(5, x, y).item()]) == (eager[0][-1:], eager[1])
    assert both(lambda: program.fit(x, y, epochs=5)) == eager
    text = program.explain()
    assert "argmax (left out: nobody reads it) x 1" in text
    assert "exp (once in several runs: it is always the same) x 1" in text
    assert "clone (once in several runs: inputs are the same) x 1" in text
    scale.zero_()  # a run begins with what there is then
    eager = both(lambda: [step(x, y).item() for _ in range(5)])
    assert both(lambda: [program.run(5, x, y).item()]) == (eager[0][-1:], eager[1])


@pytest.mark.parametrize(
    ("use", "wrong"),
    [
        (lambda x, i: x[i], 3),
        (lambda x, i: x.gather(0, i.unsqueeze(1)), 3),
        (lambda x, i: mg.zeros(3, 3).scatter_add(0, i.unsqueeze(1), x), 3),
        (lambda x, i: mg.zeros(3, 3).index_add(0, i, x), 3),
        (lambda x, i: mg.zeros(3, 3).index_put((i,), x), 3),
        (lambda x, i: F.cross_entropy(x, i), 3),
        (lambda x, i: x.to(mg.int64) // i.unsqueeze(1), 0),
    ],
)
def test_what_may_fail_is_not_left_out(use: Any, wrong: int) -> None:
    def step(x: Any, i: Any) -> Any:
        use(x, i)
        return x * 2.0

    program, x = mg.compile(step), data((3, 3), 1)
    program(x, mg.tensor([2, 1, 2]))
    for function in (step, program):
        with pytest.raises((TensorIndexError, ZeroDivisionError)):
            function(x, mg.tensor([2, wrong, 1]))
    assert program_count(program) == 1


def test_what_is_made_once_and_changed_is_read_before() -> None:
    scale, weight = data((4,), 1), data((4,), 2)

    def step() -> Any:
        constant = scale * 2.0
        weight.mul_(constant)
        constant.add_(1.0)
        return weight * constant

    program, start = mg.compile(step), weight.clone()
    program()
    weight.copy_(start)
    eager = [bits(step()) for _ in range(9)][-1], bits(weight)
    weight.copy_(start)
    assert (bits(program.run(9)), bits(weight)) == eager


def test_what_an_optimizer_writes_to_is_not_made_once() -> None:
    weight = data((4,), 2).requires_grad_()
    optimizer = optim.Adam([weight], lr=0.1)

    def step() -> Any:
        optimizer.zero_grad()
        (weight * weight).sum().backward()
        optimizer.step()
        return optimizer.state[weight]["exp_avg"].sum(), weight.detach() * 2.0

    weight.sum().backward()
    optimizer.step()
    program = mg.compile(step)
    program()
    program.run(6)
    found = bits(program.run(2))
    assert found == bits((optimizer.state[weight]["exp_avg"].sum(), weight.detach() * 2.0))


# ---- models --------------------------------------------------------------------------------------


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Any) -> Any:
        y, _ = self.attention(x, x, x, need_weights=False)
        return self.norm(x + y)


class Causal(nn.Module):
    """Attention to what stands before: no element of the mask is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.mixed = nn.Linear(8, 24)

    def forward(self, x: Any) -> Any:
        return F.scaled_dot_product_attention(*self.mixed(x).chunk(3, 2), is_causal=True)


class Recurrent(nn.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.cells = kind(4, 5, num_layers=2, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.cells(x)[0]


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 4, padding_idx=0)
        self.tied = nn.Linear(4, 11, bias=False)
        self.tied.weight = self.table.weight

    def forward(self, x: Any) -> Any:
        return self.tied(self.table((x.abs() * 4).long() % 11).cumsum(1))


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)), (6, 4)),
    "double": (lambda: nn.Sequential(nn.Linear(4, 8, dtype=mg.float64)), (6, 4)),
    "half": (lambda: nn.Sequential(nn.Linear(4, 8, dtype=mg.float16), nn.ReLU()), (6, 4)),
    "dropout": (lambda: nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.4), nn.AlphaDropout()), (6, 4)),
    "norms": (lambda: nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.RMSNorm(8)), (6, 4)),
    "batch_norm": (lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.GELU()), (6, 4)),
    "images": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 3, groups=2, bias=False), nn.AvgPool2d(2), nn.Flatten(),
        ),
        (3, 2, 8, 8),
    ),
    "upwards": (
        lambda: nn.Sequential(nn.ConvTranspose2d(2, 3, 2, stride=2), nn.GroupNorm(3, 3)),
        (2, 2, 4, 4),
    ),
    "attention": (Attention, (2, 5, 8)),
    "causal": (Causal, (2, 5, 8)),
    "lstm": (lambda: Recurrent(nn.LSTM), (2, 5, 4)),
    "gru": (lambda: Recurrent(nn.GRU), (2, 5, 4)),
    "words": (Words, (3, 5)),
    "softmax": (lambda: nn.Sequential(nn.Linear(4, 5), nn.LogSoftmax(1), nn.Softmax(0)), (6, 4)),
}  # fmt: skip


class Training:
    """A model and what is needed for steps: two that are made alike go on alike."""

    def __init__(self, model: Any, make_optimizer: Any = None, make_scheduler: Any = None) -> None:
        self.model = model
        make = make_optimizer or (lambda p: optim.AdamW(p, lr=0.01))
        self.optimizer = make(list(model.parameters()))
        self.scheduler = make_scheduler(self.optimizer) if make_scheduler else None

    def step(self, x: Any) -> Any:
        y = self.model(x)
        loss = (y * y).mean() + y.abs().amax()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        return loss

    def state(self) -> Any:
        """Return the bits of all that a step changes."""
        found = [bits(x) for x in self.model.state_dict().values()]
        found += [bits(p.grad) for p in self.model.parameters()]
        for state in self.optimizer.state_dict()["state"].values():
            found += [bits(x) for x in state.values()]
        return found, [group["lr"] for group in self.optimizer.param_groups]


def twins(make: Callable[[], Any], *more: Any) -> tuple[Training, Training]:
    mg.manual_seed(3)
    one = Training(make(), *more)
    mg.manual_seed(3)
    return one, Training(make(), *more)


def data(shape: tuple[int, ...], seed: int, dtype: Any = mg.float32) -> Any:
    return mg.randn(shape, generator=mg.Generator().manual_seed(seed + 1)).to(dtype)


def check_alike(one: Training, other: Training, shape: tuple[int, ...], steps: int = 4) -> None:
    """Compare a loop of eager steps with one of the program, each with the same random numbers."""
    kind = next(one.model.parameters()).dtype
    batches = [data(shape, i, kind) for i in range(steps)]
    mg.manual_seed(5)
    expected = [bits(one.step(x)) for x in batches]
    mg.manual_seed(5)
    program = mg.compile(other.step)
    assert [bits(program(x)) for x in batches] == expected
    assert other.state() == one.state()
    assert program_count(program) == 1


@pytest.mark.parametrize("name", MODELS)
def test_a_model_learns_alike(name: str) -> None:
    make, shape = MODELS[name]
    check_alike(*twins(make), shape)


OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{"lr": 0.1}, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}],
    "Adam": [{"amsgrad": True}, {"weight_decay": 0.1}],
    "RMSprop": [{"centered": True, "momentum": 0.5}],
}


RULES = sorted(
    n for n in optim.__all__ if isinstance(getattr(getattr(optim, n), "_update", None), tuple)
)


@pytest.mark.parametrize("rule", RULES)
def test_an_optimizer_steps_alike(rule: str) -> None:
    for options in OPTIONS.get(rule, [{}]):
        make = functools.partial(getattr(optim, rule), **options)
        check_alike(*twins(MODELS["mlp"][0], make), (6, 4), 6)


def test_groups_have_options_of_their_own() -> None:
    def make(p: Any) -> Any:
        return optim.SGD([{"params": p[:2], "lr": 0.3}, {"params": p[2:], "momentum": 0.9}], lr=0.1)

    check_alike(*twins(MODELS["mlp"][0], make), (6, 4))


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lr_scheduler.StepLR(o, 2),
        lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=20),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.ConstantLR(o), lr_scheduler.ExponentialLR(o, 0.9)], [2]
        ),
    ],
)
def test_a_scheduler_inside_goes_on(make: Any) -> None:
    check_alike(*twins(MODELS["mlp"][0], None, make), (6, 4), 6)


def test_options_that_change_outside_count() -> None:
    one, other = twins(MODELS["mlp"][0])
    program = mg.compile(other.step)
    for i in range(6):
        for training, step in ((one, one.step), (other, program)):
            training.optimizer.param_groups[0]["lr"] = 0.01 / (i + 1)
            if i == 4:
                training.optimizer.load_state_dict(copy.deepcopy(training.optimizer.state_dict()))
            step(data((6, 4), i))
        assert one.state() == other.state()


@pytest.mark.parametrize("size", [3, 1, 40])
@pytest.mark.parametrize("is_argument", [False, True])
def test_a_gradient_moves_no_other_parameter(size: int, is_argument: bool) -> None:
    def trained(compiled: bool) -> tuple[Any, Any]:
        w = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
        other = mg.full((size,), 5.0).requires_grad_()
        optimizer = optim.SGD([w], lr=0.1)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = (x * x).sum()
            loss.backward()
            optimizer.step()
            return loss

        f = mg.compile(step) if compiled else step
        for _ in range(3):
            f(w)
        if not is_argument:
            optimizer.param_groups[0]["params"][0] = other
        for _ in range(3):
            f(other if is_argument else w)
        return w.tolist(), other.tolist()

    assert trained(True) == trained(False)


def test_instruction_sets_and_threads_do_not_matter() -> None:
    threads, isa = mg.get_num_threads(), mg.isa()
    try:
        one, other = twins(lambda: nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 9)))
        program = mg.compile(other.step)
        for i, name in enumerate(("baseline", isa, "baseline", isa)):
            mg.set_isa(name)
            mg.set_num_threads(1 + i % 3)
            assert bits(program(data((300, 64), i))) == bits(one.step(data((300, 64), i)))
        assert one.state() == other.state()
    finally:
        mg.set_num_threads(threads)
        mg.set_isa(isa)


# ---- what is read and written --------------------------------------------------------------------


def test_results_and_gradients_are_new_ones() -> None:
    w = mg.tensor([1.0, 2.0], requires_grad=True)

    @mg.compile
    def step(x: Any) -> Any:
        w.grad = None
        y = w * x
        y.sum().backward()
        return y, {"twice": (y * 2,)}

    found = [step(mg.tensor([float(i), 1.0])) for i in range(3)]
    assert [x[0].tolist() for x in found] == [[0.0, 2.0], [1.0, 2.0], [2.0, 2.0]]
    assert found[1][1]["twice"][0].tolist() == [2.0, 4.0]
    before = w.grad
    step(mg.tensor([7.0, 7.0]))
    assert before.tolist() == [2.0, 1.0] and w.grad.tolist() == [7.0, 7.0]
    assert not found[1][0].requires_grad and program_count(step) == 1
    with pytest.raises(GradientError):
        found[1][0].sum().backward()


def test_gradients_add_up() -> None:
    def accumulate(w: Any) -> Any:
        return lambda x: (w * x).sum().backward()

    one, other = (mg.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    eager, program = accumulate(one), mg.compile(accumulate(other))
    for i in range(5):
        eager(mg.tensor([i + 0.1, 1.0]))
        program(mg.tensor([i + 0.1, 1.0]))
        assert bits(one.grad) == bits(other.grad)
        if i == 2:
            one.grad = other.grad = None
    assert program_count(program) == 2  # without a gradient at the beginning, and with one


def test_changes_in_place_reach_what_is_outside() -> None:
    total, history = mg.zeros(3), mg.zeros(4, 3)

    @mg.compile
    def step(x: Any, i: int) -> Any:
        total.add_(x)
        history[i] = total
        x.mul_(2.0)
        seen = mg.zeros(3)
        seen += x
        seen[1] = 5.0
        return seen

    for i in range(4):
        x = mg.tensor([1.0, 2.0, float(i)])
        assert step(x, i).tolist() == [2.0, 5.0, 2.0 * i]
        assert x.tolist() == [2.0, 4.0, 2.0 * i]
    x = mg.ones(3)
    assert [step(x, 0).tolist()[0] for _ in range(3)] == [2.0, 4.0, 8.0]
    assert total.tolist() == [11.0, 15.0, 13.0] and history[1].tolist() == [2.0, 4.0, 1.0]


def test_other_memory_takes_its_place() -> None:
    one, other = twins(MODELS["mlp"][0])
    program = mg.compile(other.step)
    for i in range(6):
        for training, step in ((one, one.step), (other, program)):
            p = training.model[0].weight
            if i == 2:
                p.data = p.data * 0.5
            if i == 3:
                training.model.load_state_dict(training.model.state_dict())
            if i == 4:  # another node
                p._become((p.detach() + 1.0).requires_grad_())
            step(data((6, 4), i))
        assert one.state() == other.state()
    assert program_count(program) == 1


def test_two_programs_share_parameters() -> None:
    one, other = twins(MODELS["mlp"][0])
    step, evaluate = mg.compile(other.step), mg.compile(lambda x: other.model(x).sum().detach())
    for i in range(4):
        x = data((6, 4), i)
        assert bits(step(x)) == bits(one.step(x))
        assert bits(evaluate(x)) == bits(one.model(x).sum())
    assert one.state() == other.state()


def test_signatures() -> None:
    seen = []
    scale = 2.0

    @mg.compile
    def f(x: Any, k: Any = 1, *, more: Any = ()) -> Any:
        seen.append(tuple(x.shape))
        return x * k * scale + sum(more)

    x = mg.ones(2, 3)
    for _ in range(2):
        assert f(x).sum().item() == 12.0
        assert f(x, 3, more=[x, x]).sum().item() == 48.0
        assert f(mg.ones(3, 2).T).sum().item() == 12.0
        assert f(x, 0.0).sum().item() == 0.0 == f(x, -0.0).sum().item()
        assert f(x.double()).dtype is mg.float64
        assert f(x, x).sum().item() == 12.0 == f(x, mg.ones(2, 3)).sum().item()
    assert len(seen) == 8
    scale = 3.0
    assert f(x).sum().item() == 18.0


def test_an_argument_may_be_what_is_found_outside() -> None:
    w, model = mg.ones(3), nn.Linear(3, 3)
    f = mg.compile(lambda x: (x * 2 + w) @ model.weight.detach())
    for x in (w, mg.zeros(3), w, mg.ones(3), w.clone(), w):
        assert bits(f(x)) == bits((x * 2 + w) @ model.weight.detach())
    g = mg.compile(lambda x: x @ model.weight.detach() + x.sum())
    for x in (model.weight, model.weight.detach().clone() * 2, model.weight):
        assert bits(g(x.detach())) == bits(x.detach() @ model.weight.detach() + x.sum())


def test_modes_make_other_programs() -> None:
    mg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    f = mg.compile(lambda x: model(x).detach())
    x = data((6, 4), 0)
    for _ in range(2):
        model.eval()
        assert bits(f(x)) == bits(model(x)) == bits(f(x))
        model.train()
        f(x)
    g = mg.compile(lambda x: (x * 2).requires_grad)
    w = mg.ones(2, requires_grad=True)
    assert g(w) is True
    with mg.no_grad():
        assert g(w) is False


def test_what_is_differentiated_outside_runs_eagerly() -> None:
    model = nn.Linear(4, 3)
    assert mg.compile(model) is model
    f = mg.compile(lambda x: model(x).sum())
    for _ in range(3):
        loss = f(data((6, 4), 0))
        loss.backward()
    assert model.weight.grad is not None and "eagerly" in f.explain()
    x = data((6, 4), 0).requires_grad_() * 2
    assert mg.compile(lambda x: x.sum())(x).requires_grad


def test_what_is_frozen_makes_another_program() -> None:
    one, other = twins(MODELS["mlp"][0])
    program = mg.compile(other.step)
    for i in range(6):
        for training, step in ((one, one.step), (other, program)):
            training.model[0].weight.requires_grad = i % 4 < 2
            step(data((6, 4), i))
        assert one.state() == other.state()


def test_hooks_and_functions_of_tensors() -> None:
    class Double(mg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3 * ctx.saved_tensors[0]

    w = mg.tensor([1.0, 2.0], requires_grad=True)
    w.register_hook(lambda g: g * 10)

    def step(x: Any) -> Any:
        w.grad = None
        y = Double.apply(w * x)
        y.sum().backward()
        return y

    program = mg.compile(step)
    for i in range(3):
        x = mg.tensor([float(i), 0.5])
        expected = bits(step(x)), bits(w.grad)
        assert (bits(program(x)), bits(w.grad)) == expected


def test_methods_have_programs_of_their_own() -> None:
    class Scaled:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        @mg.compile
        def times(self, x: Any) -> Any:
            """Multiply."""
            return x * self.factor

    two, three = Scaled(2.0), Scaled(3.0)
    for _ in range(2):
        assert two.times(mg.ones(1)).item() == 2.0 and three.times(mg.ones(1)).item() == 3.0
    assert isinstance(two.times, Compiled) and two.times is not three.times
    assert Scaled.times.__doc__ == "Multiply."


def test_a_program_inside_a_program() -> None:
    inner = mg.compile(lambda x: x * 2)
    outer = mg.compile(lambda x: inner(x) + inner(x + 1))
    assert [outer(mg.tensor(float(i))).item() for i in range(3)] == [2.0, 6.0, 10.0]


def test_arguments_of_pytorch() -> None:
    def f(x: Any) -> Any:
        return x + 1

    assert mg.compile(f, disable=True) is f and mg.compile(int) is int
    g = mg.compile(mode="max-autotune", backend="inductor", dynamic=True, options={})(f)
    assert g(mg.ones(1)).item() == 2.0 and g.__name__ == "f"
    with pytest.raises(TypeError):
        mg.compile(3)


# ---- refusals and errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * float(x[0]),
        lambda x: x[int(x[0]) :],
        lambda x: x * x.tolist()[0],
        lambda x: x + mg.tensor(x.numpy()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: print(x),
    ],
)
def test_what_depends_on_elements_is_refused(use: Any) -> None:
    with pytest.raises(RecordingError, match=r"test_programs\.py:\d+: "):
        mg.compile(use)(mg.ones(3))
    eager = mg.compile(use, fullgraph=False)
    with pytest.warns(UserWarning, match="eagerly"):
        expected = bits(eager(mg.ones(3)))
    assert bits(eager(mg.ones(3))) == expected == bits(use(mg.ones(3)))
    assert mg.ones(3).sum().item() == 3.0  # nothing is recorded any more


def test_a_scheduler_before_the_step_is_refused() -> None:
    training = Training(nn.Linear(2, 1), None, lambda o: lr_scheduler.StepLR(o, 2))

    def step(x: Any) -> None:
        training.model(x).sum().backward()
        training.scheduler.step()
        training.optimizer.step()

    with pytest.raises(RecordingError, match=r"after StepLR\.step|after LRScheduler\.step"):
        mg.compile(step)(mg.ones(3, 2))


def test_an_error_leaves_what_eager_leaves() -> None:
    def make() -> Any:
        mg.manual_seed(1)
        training = Training(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))

        def step(x: Any, y: Any) -> Any:
            training.optimizer.zero_grad()
            loss = F.cross_entropy(training.model(x), y)
            loss.backward()
            training.optimizer.step()
            return loss

        return training, step

    (one, eager), (other, step) = make(), make()
    program = mg.compile(step)
    bad, y = mg.tensor([0, 1, 2, 3, 0, 1]), mg.tensor([0, 1, 2, 0, 0, 1])
    for targets in (y, bad, y, bad, y):
        x = data((6, 4), 1)
        if targets is bad:
            for call in (eager, program):
                with pytest.raises(TensorIndexError):
                    call(x, targets)
        else:
            assert bits(eager(x, targets)) == bits(program(x, targets))
        assert one.state() == other.state()
    assert program_count(program) == 1


def test_division_by_zero_comes_when_it_comes() -> None:
    f = mg.compile(lambda x, y: x // y)
    x = mg.tensor([4, 6])
    assert f(x, mg.tensor([2, 3])).tolist() == [2, 2]
    with pytest.raises(ZeroDivisionError):
        f(x, mg.tensor([2, 0]))
    assert f(x, mg.tensor([1, 2])).tolist() == [4, 3]


@pytest.fixture
def memory() -> Iterator[None]:
    """Check that all memory is given back."""
    gc.collect()
    before = mg.memory_usage()
    yield
    gc.collect()
    after = mg.memory_usage()
    assert after["nodes"] == before["nodes"]


def test_allocations_that_fail(memory: None) -> None:
    x = data((6, 4), 0)
    for n in range(0, 400, 19):
        one, other = twins(MODELS["batch_norm"][0])
        program = mg.compile(other.step)
        mg._core.fail_allocation(n)
        try:
            program(x)
            done = True
        except (OutOfMemoryError, MemoryError):
            done = False
        finally:
            mg._core.fail_allocation(-1)
        if done:
            assert bits(program(x)) == [bits(one.step(x)), bits(one.step(x))][1]
            assert one.state() == other.state()
        else:
            program(x), program(x)


def test_memory_is_given_back(memory: None) -> None:
    def use() -> None:
        _, training = twins(MODELS["images"][0])
        program = mg.compile(training.step)
        for i in range(3):
            program(data((3, 2, 8, 8), i))

    use()
    gc.collect()


# ---- loops ---------------------------------------------------------------------------------------


def classifier() -> tuple[Training, Callable[..., Any]]:
    mg.manual_seed(1)
    training = Training(nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 3)))

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(training.model(x), y)
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()
        return loss

    return training, step


@pytest.mark.parametrize("shuffle", [False, True])
def test_fit_is_the_loop_written_out(shuffle: bool) -> None:
    x, y = data((23, 4), 0), mg.randint(0, 3, (23,))
    one, eager = classifier()
    expected = []
    for _ in range(4):
        order = mg.randperm(23) if shuffle else mg.arange(23)
        for first in range(0, 23, 5):
            rows = order[first : first + 5]
            expected.append(eager(x[rows], y[rows]).item())
            if len(expected) == 8:
                one.optimizer.lr = 0.5
    other, step = classifier()
    calls = []

    def callback(made: int, loss: float) -> None:
        calls.append((made, loss))
        if made == 8:
            other.optimizer.lr = 0.5

    losses = mg.compile(step).fit(
        x, y, epochs=4, batch_size=5, shuffle=shuffle, every=4, callback=callback
    )
    assert losses == expected and one.state() == other.state()
    assert calls == [(n, expected[n - 1]) for n in range(4, 21, 4)]


def test_fit_of_all_rows_and_bad_data() -> None:
    x, y = data((23, 4), 0), mg.randint(0, 3, (23,))
    one, eager = classifier()
    expected = [eager(x, y).item() for _ in range(30)]
    other, step = classifier()
    program = mg.compile(step)
    assert program.fit(x, y, epochs=30) == expected and one.state() == other.state()
    y[3] = 9
    with pytest.raises(TensorIndexError):
        program.fit(x, y, epochs=2, batch_size=6)
    with pytest.raises(ValueError, match="rows"):
        program.fit(x, y[:4])
    assert program.fit(x[:0], y[:0]) == []


def test_a_callback_may_make_steps_and_change_modes() -> None:
    x, y = data((24, 4), 0), mg.randint(0, 3, (24,))
    one, eager = classifier()
    expected = []
    for i in range(12):
        expected.append(eager(x[i % 4 * 6 :][:6], y[i % 4 * 6 :][:6]).item())
        if i % 3 == 2:
            one.model.train(i == 5)
            eager(x[:6], y[:6])
    other, step = classifier()
    program = mg.compile(step)

    def callback(made: int, _: float) -> None:
        other.model.train(made == 6)
        program(x[:6], y[:6])

    found = program.fit(x, y, epochs=3, batch_size=6, every=3, callback=callback)
    assert found == expected and one.state() == other.state()


def test_hooks_of_steps_are_refused() -> None:
    training, step = classifier()
    training.optimizer.register_step_post_hook(lambda *_: None)
    with pytest.raises(RecordingError, match="hooks"):
        mg.compile(step)(data((6, 4), 0), mg.zeros(6, dtype=mg.int64))


def test_run_is_a_loop() -> None:
    x, y = data((23, 4), 0), mg.randint(0, 3, (23,))
    one, eager = classifier()
    expected = [bits(eager(x, y)) for _ in range(50)]
    other, step = classifier()
    assert bits(mg.compile(step).run(50, x, y)) == expected[-1]
    assert one.state() == other.state()


def test_a_scheduler_inside_a_loop() -> None:
    def make() -> Training:
        mg.manual_seed(2)
        return Training(nn.Linear(4, 2), None, lambda o: lr_scheduler.ExponentialLR(o, 0.9))

    one, other = make(), make()
    for _ in range(10):
        one.step(data((6, 4), 0))
    mg.compile(other.step).run(10, data((6, 4), 0))
    assert one.state() == other.state()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers")
def test_a_loop_is_left_by_a_signal() -> None:
    training, step = classifier()
    program = mg.compile(step)
    x, y = data((200, 4), 0), mg.randint(0, 3, (200,))
    program(x, y)

    def leave(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            program.run(10**9, x, y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    steps = training.optimizer.steps
    assert len(set(steps)) == 1 and steps[0] > 1
    program(x, y)
    assert training.optimizer.steps[0] == steps[0] + 1


@pytest.mark.parametrize("where", ["ArrayProgram", "handles_of"])
def test_a_signal_at_the_end_of_recording_leaves_nothing(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises when the core has made the program, or when it is about to."""
    x = mg.ones(3)

    def leave(*_: Any) -> None:
        raise KeyboardInterrupt

    assert mg.compile(lambda x: x * 2.0)(x).tolist() == [2.0] * 3
    gc.collect()
    before = mg.memory_usage()["bytes"]
    with monkeypatch.context() as patch:
        patch.setattr(recorded, where, leave)
        with pytest.raises(KeyboardInterrupt):
            mg.compile(lambda x: x * 2.0)(x)
    gc.collect()
    assert mg.memory_usage()["bytes"] == before
    step = mg.compile(lambda x: x * 3.0)
    assert step(x).tolist() == [3.0] * 3 and "1 signature" in step.explain()
    assert "entries" in step.explain()  # it was recorded


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_programs_of_its_own() -> None:
    x, y = data((23, 4), 0), mg.randint(0, 3, (23,))
    one, eager = classifier()
    for _ in range(8):
        eager(x, y)
    other, step = classifier()
    program = mg.compile(step)
    for _ in range(4):
        program(x, y)
    child = os.fork()
    if not child:  # pragma: no cover
        program.run(4, x, y)
        os._exit(0 if other.state() == one.state() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    program.run(4, x, y)
    assert other.state() == one.state()


def test_threads_have_programs_at_once() -> None:
    expected = {}
    for i in range(3):
        one, eager = classifier()
        x, y = data((23, 4), i), mg.arange(23) % 3
        one.model.eval()
        expected[i] = [bits(eager(x, y)) for _ in range(20)][-1]
    found = {}

    def work(i: int) -> None:
        _, step = made[i]
        x, y = data((23, 4), i), mg.arange(23) % 3
        program = mg.compile(step)
        found[i] = [bits(program(x, y)) for _ in range(20)][-1]

    made = []
    for _ in range(3):
        made.append(classifier())
        made[-1][0].model.eval()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected
