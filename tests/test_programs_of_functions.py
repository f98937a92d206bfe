"""Functions and `grad` in files of programs: as eagerly, from the file, and by the reference.

A Function is told by the calls of its backward, which are made where a backward stops at it. So the
order in which gradients are added up is that of eager code, also beside a residual connection.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_programs as of_tensors
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_cases import ENGINES
from test_array_programs import damaged, expect_the_same, outcome, refusal
from test_program_files import saved

import pymicrograd as mg
from pymicrograd import nn, optim
from pymicrograd.autograd import Function
from pymicrograd.errors import RecordingError
from pymicrograd.nn import functional as F
from pymicrograd.programs import StoredTensorProgram
from pymicrograd.reference.array_program import ArrayProgram

data = of_tensors.data


class Pair(Function):
    """A product and a sum, of which the product is saved."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        product = a * b
        ctx.save_for_backward(a, b, product)
        return product, a + b

    @staticmethod
    def backward(ctx: Any, to_product: Any, to_sum: Any) -> Any:
        a, b, product = ctx.saved_tensors
        slope = to_product * (product * 0.0 + 1.0)
        return (
            slope * b + to_sum if ctx.needs_input_grad[0] else None,
            slope * a + to_sum if ctx.needs_input_grad[1] else None,
        )


class Again(Function):
    """What is computed again for a backward of its own, as a checkpoint is."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return Again.inside(x)

    @staticmethod
    def inside(x: Any) -> Any:
        return Pair.apply(x.sin(), x)[0]

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        with mg.enable_grad():
            x = ctx.saved_tensors[0].detach().requires_grad_()
            y = Again.inside(x)
        y.backward(g)
        return x.grad


class Reversal(Function):
    """Itself, with a gradient of the other sign; its second result has none."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(False)
        return x.view_as(x), x.argmax(1), x * 2.0

    @staticmethod
    def backward(ctx: Any, g: Any, _: Any, other: Any) -> Any:
        found = [part for part in (None if g is None else g.neg(), other) if part is not None]
        return sum(found[1:], found[0])


# ---- steps of training ---------------------------------------------------------------------------


class Residual(nn.Module):
    """What stands beside each norm is added to it, twice."""

    def __init__(self, *norms: Any) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norms = nn.ModuleList(norms)
        self.last = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for norm in self.norms:
            x = (norm(x) + x).relu() + x
        return self.last(x.mean((2, 3)))


def volumes() -> Any:
    layers = [nn.Conv3d(1, 2, 2), nn.BatchNorm3d(2, affine=False), nn.Flatten(), nn.Linear(16, 3)]
    return nn.Sequential(*layers)


def rows() -> Any:
    layers = [nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.GELU(), nn.Flatten(), nn.Linear(9, 3)]
    return nn.Sequential(*layers)


NORMS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "batch": (lambda: Residual(nn.BatchNorm2d(4), nn.BatchNorm2d(4, momentum=0.3)), (3, 2, 3, 3)),
    "groups": (lambda: Residual(nn.GroupNorm(2, 4), nn.BatchNorm2d(4)), (2, 2, 3, 3)),
    "instances": (lambda: Residual(nn.InstanceNorm2d(4, affine=True)), (2, 2, 3, 3)),
    "float16": (lambda: Residual(nn.BatchNorm2d(4)).half(), (2, 2, 3, 3)),
    "rows": (rows, (4, 2, 4)),
    "volumes": (volumes, (3, 1, 3, 3, 3)),
}


def of_model(name: str) -> Any:
    make, shape = NORMS[name]
    mg.manual_seed(5)
    model = make()
    optimizer = optim.AdamW(model.parameters(), lr=0.05)
    dtype = next(model.parameters()).dtype
    x, y = mg.randn(*shape).to(dtype), mg.randint(0, 3, shape[:1])

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return model, step, (x, y)


def digits(tensors: Any) -> list[Any]:
    return [of_tensors.bits(x) for x in tensors]


@pytest.mark.parametrize("name", NORMS)
def test_norms_train_from_a_file(name: str, tmp_path: Path) -> None:
    twin, twin_step, batch = of_model(name)
    expected = [twin_step(*batch).item() for _ in range(6)]
    model, step, batch = of_model(name)
    compiled = mg.compile(step)
    assert [compiled(*batch).item() for _ in range(2)] == expected[:2]
    content = saved(compiled, tmp_path, *batch, names=model)
    stored = StoredTensorProgram(content)
    assert saved(stored, tmp_path) == content
    assert [stored(*batch)[0].item() for _ in range(2)] == expected[2:4]
    assert StoredTensorProgram(saved(stored, tmp_path)).run(2)[0].item() == expected[5]
    stored.run(2)
    for key, x in twin.state_dict().items():
        assert "num_" in key or of_tensors.bits(stored.parameters[key]) == of_tensors.bits(x)
    expect_the_same(content)


def descent(x: Any, w: Any) -> Any:
    """A step along a gradient that no leaf has, written to in place."""
    (g,) = mg.autograd.grad(((w * x).sin() * w).sum(), w)
    g.clamp_(-0.5, 0.5).mul_(0.1)
    with mg.no_grad():
        w -= g
    return g


def of_several(x: Any, w: Any) -> Any:
    """Outputs with gradients of their own, inputs in the middle, one twice, one that is unused."""
    y, unused = w * x, w.exp()
    z = y.sin()
    found = mg.autograd.grad([z, y.sum()], [y, w, unused, y], [x, None], allow_unused=True)
    assert found[2] is None
    return found[0] * 2.0, found[1], found[3]


def shared(x: Any, w: Any) -> Any:
    """What an addition and a sum pass on is one array; each input has its own."""
    a, b = w * 2.0, w * 3.0
    to_a, to_b, to_w = mg.autograd.grad((a + b).sum(), [a, b, w])
    to_a.reshape(-1).mul_(5.0)
    to_w += 1.0
    return to_a, to_b, to_w


def in_a_function(x: Any, w: Any) -> Any:
    product, total = Pair.apply(w, x)
    (g,) = mg.autograd.grad((product + w).sum(), w, materialize_grads=True)
    w.grad = None
    (total * g + product + w).sum().backward()
    return g, w.grad


def twice(x: Any, w: Any) -> Any:
    """A gradient of a gradient through Functions."""
    product, total = Pair.apply(w * x, w)
    (g,) = mg.autograd.grad((product * total).sum(), w, create_graph=True)
    w.grad = None
    (g * g).sum().backward()
    return g, w.grad


def within(x: Any, w: Any) -> Any:
    w.grad = None
    (Again.apply(w) * x + w).sum().backward()
    return w.grad


def against(x: Any, w: Any) -> Any:
    w.grad = None
    found, _, other = Reversal.apply(w * x)
    found.sum().backward()
    (found + other * w).sum().backward()
    return w.grad


def of_a_norm(x: Any, w: Any) -> Any:
    w.grad = None
    ((w * x).norm() + w.norm(1, 0).sum() + mg.linalg.vector_norm(w, 3)).backward()
    return w.grad


def expanded(x: Any, w: Any) -> Any:
    """What arrives is one number seen many times, then one that lies across."""
    w.grad = None
    product, total = Pair.apply(w, x)
    (product.sum() + (total.T.contiguous() * x.T).sum()).backward()
    return w.grad


STEPS = (
    descent, of_several, shared, in_a_function, twice, within, against, of_a_norm, expanded,
)  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_gradients_from_a_file(step: Any, tmp_path: Path) -> None:
    given = [data((2, 3), k) for k in range(4)]
    w, twin = (data((2, 3), 9).requires_grad_() for _ in range(2))
    expected = [step(x, twin) for x in given]
    compiled = mg.compile(lambda x: step(x, w))
    compiled(given[0]), compiled(given[1])
    content = saved(compiled, tmp_path, given[0], names={"w": w})
    stored = StoredTensorProgram(content)
    assert saved(stored, tmp_path) == content
    for x, results in zip(given[2:], expected[2:], strict=True):
        made = results if isinstance(results, tuple) else (results,)
        assert digits(stored(x)) == digits(made)
    assert of_tensors.bits(stored.parameters["w"]) == of_tensors.bits(twin)
    expect_the_same(content, [(x,) for x in given])


def random_step(draw: random.Random) -> Callable[[Any, list[Any]], Any]:
    """Return a step of a graph in which most is used several times."""
    plan = [(draw.randrange(7), draw.random(), draw.random()) for _ in range(draw.randrange(2, 9))]
    ends = [draw.random() for _ in range(draw.randrange(1, 4))]
    by_grad = draw.random() < 0.5

    def step(x: Any, leaves: list[Any]) -> Any:
        known = [*leaves, x]

        def at(share: float) -> Any:
            return known[int(share * len(known))]

        for kind, first, second in plan:
            a, b = at(first), at(second)
            if kind == 0:
                known += Pair.apply(a, b)
            elif kind == 1:
                known.append(Again.apply(a))
            elif kind == 2:
                known += Reversal.apply(a)[::2]
            elif kind == 3:
                known.append(F.batch_norm(a[:, :, None].expand(2, 3, 2), None, None, training=True)
                             .sum(2) + b)  # fmt: skip
            elif kind == 4 and (a * b).requires_grad:
                known.append(mg.autograd.grad((a * b).sum(), a * 1.0 if a is x else a,
                                              allow_unused=True, materialize_grads=True)[0]
                             if a.requires_grad else b)  # fmt: skip
            else:
                known.append((a + b).tanh() if kind == 5 else a * b)
        roots = [(at(end) + leaves[0] * 0.5).sum() for end in ends]
        if by_grad:
            found = mg.autograd.grad(roots, [known[-1] * 1.0, *leaves][1:], allow_unused=True)
            return [y for y in found if y is not None]
        for leaf in leaves:
            leaf.grad = None
        mg.autograd.backward(roots)
        return [leaf.grad for leaf in leaves if leaf.grad is not None]

    return step


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_random_graphs(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder, step = tmp_path_factory.mktemp("random"), random_step(random.Random(seed))
    leaves = [data((2, 3), 20 + k).requires_grad_() for k in range(2)]
    given = [data((2, 3), 30 + k) for k in range(3)]
    expected = [digits(step(x, leaves)) for x in given]
    compiled = mg.compile(lambda x: step(x, leaves))
    assert [digits(compiled(x)) for x in given] == expected
    content = saved(compiled, folder, given[0])
    stored = StoredTensorProgram(content)
    assert saved(stored, folder) == content
    assert [digits(stored(x)) for x in given] == expected
    expect_the_same(content, [(x,) for x in given])


# ---- refusals ------------------------------------------------------------------------------------


class Careless(Function):
    """It writes to what it gets."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2.0

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g.mul_(2.0)


class Failing(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2.0

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        raise ValueError("nothing comes back")


def given_up(x: Any, w: Any) -> Any:
    with pytest.raises(ValueError, match="nothing"):
        Failing.apply(w * x).sum().backward()
    return x * 2.0


def deep(x: Any, w: Any) -> Any:
    """Backwards within each other, one more than a file may have."""

    class Deeper(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, left: int) -> Any:
            ctx.left = left
            return x * 2.0

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            with mg.enable_grad():
                x = g.detach().requires_grad_()
                y = (Deeper.apply(x, ctx.left - 1) if ctx.left else x * 2.0).sum()
            return mg.autograd.grad(y, x)[0], None

    return mg.autograd.grad(Deeper.apply(w * x, deep.depth).sum(), w)[0]


REFUSED = {
    "writes to its gradient": lambda x, w: Careless.apply(w * x).sum().backward(),
    "that was given up": given_up,
    "some arrays only": lambda x, w: (w * x).sum().backward(inputs=[w]),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_file_tells(text: str, tmp_path: Path) -> None:
    w, x = data((2, 3), 1).requires_grad_(), data((2, 3), 2)
    compiled = mg.compile(lambda x: REFUSED[text](x, w))
    compiled(x)
    with pytest.raises(RecordingError, match=text):
        compiled.save(tmp_path / "program.mgp", x)


def test_backwards_within_each_other(tmp_path: Path) -> None:
    w, x = data((2, 3), 1).requires_grad_(), data((2, 3), 2)
    for depth, fits in ((14, True), (15, False)):
        deep.depth = depth  # type: ignore[attr-defined]
        compiled = mg.compile(lambda x: deep(x, w))
        expected = digits([compiled(x)])
        if fits:
            content = saved(compiled, tmp_path, x)
            assert digits(StoredTensorProgram(content)(x)) == expected
            expect_the_same(content, [(x,)])
        else:
            with pytest.raises(RecordingError, match="more than 16 backwards"):
                compiled.save(tmp_path / "program.mgp", x)


def small_files(folder: Path) -> list[bytes]:
    """Return files in which most words are of a sweep."""
    x, w, found = data((2, 3), 2), data((2, 3), 1).requires_grad_(), []
    for step in (of_several, in_a_function, within, against):
        compiled = mg.compile(lambda x, step=step: step(x, w))
        compiled(x), compiled(x)
        found.append(saved(compiled, folder, x))
    return found


def test_both_refuse_the_same(tmp_path: Path) -> None:
    """What neither refuses is a program that gives the same bits."""
    files, rng, kept = small_files(tmp_path), random.Random(3), 0
    for _ in range(240):
        content = damaged(rng, rng.choice(files))
        refusals = refusal(StoredTensorProgram, content), refusal(ArrayProgram, content)
        assert (refusals[0] is None) == (refusals[1] is None), refusals
        if refusals[0] is not None:
            continue
        kept += 1
        stored, program = StoredTensorProgram(content), ArrayProgram(content)
        assert outcome(ENGINES[0], stored) == outcome(ENGINES[1], program)
    assert 20 < kept < 220


def test_damage_leaves_nothing(tmp_path: Path) -> None:
    files, rng = small_files(tmp_path), random.Random(4)
    before = mg.memory_usage()["nodes"]
    for _ in range(300):
        refusal(StoredTensorProgram, damaged(rng, rng.choice(files)))
    assert mg.memory_usage()["nodes"] == before
