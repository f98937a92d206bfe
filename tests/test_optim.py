"""Optimizers, on both engines: formulas bit for bit, steps that fail, state that is copied."""

from __future__ import annotations

import copy
import math
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from programs import bits, load

import pymicrograd

ENGINES = load("c"), load("reference")
Step = Callable[[list[float], list[float]], list[float]]


def sgd(
    lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool
) -> Callable[[], Step]:
    """Return a maker of PyTorch's SGD on lists of numbers."""

    def make() -> Step:
        buffers: list[float] = []

        def step(data: list[float], gradients: list[float]) -> list[float]:
            first, moved = not buffers, []
            for i, (p, g) in enumerate(zip(data, gradients, strict=True)):
                if weight_decay != 0.0:
                    g = g + weight_decay * p
                if momentum != 0.0:
                    if first:
                        buffers.append(g)
                    else:
                        buffers[i] = momentum * buffers[i] + (1.0 - dampening) * g
                    g = g + momentum * buffers[i] if nesterov else buffers[i]
                moved.append(p - lr * g)
            return moved

        return step

    return make


def adam(
    lr: float, betas: tuple[float, float], eps: float, weight_decay: float, decoupled: bool
) -> Callable[[], Step]:
    """Return a maker of LLM101n's AdamW, or Adam with L2, on lists of numbers."""

    def make() -> Step:
        beta1, beta2 = betas
        state: dict[int, tuple[float, float]] = {}
        count = 0

        def step(data: list[float], gradients: list[float]) -> list[float]:
            nonlocal count
            count += 1
            moved = []
            for i, (p, g) in enumerate(zip(data, gradients, strict=True)):
                if weight_decay != 0.0 and not decoupled:
                    g = g + weight_decay * p
                m, v = state.get(i, (0.0, 0.0))
                m = beta1 * m + (1 - beta1) * g
                v = beta2 * v + (1 - beta2) * (g**2)
                state[i] = m, v
                m_hat = m / (1 - beta1**count)
                v_hat = v / (1 - beta2**count)
                if decoupled:
                    p = p - lr * (m_hat / (v_hat**0.5 + eps) + weight_decay * p)
                else:
                    p = p - lr * (m_hat / (v_hat**0.5 + eps))
                moved.append(p)
            return moved

        return step

    return make


CASES: dict[str, tuple[Callable[[Any, list[Any]], Any], Callable[[], Step]]] = {
    "SGD": (lambda e, p: e.SGD(p), sgd(0.1, 0.0, 0.0, 0.0, False)),
    "SGD decay": (
        lambda e, p: e.SGD(p, lr=0.01, weight_decay=0.3),
        sgd(0.01, 0.0, 0.0, 0.3, False),
    ),
    "SGD momentum": (
        lambda e, p: e.SGD(p, 0.05, momentum=0.9, dampening=0.1, weight_decay=0.01),
        sgd(0.05, 0.9, 0.1, 0.01, False),
    ),
    "SGD nesterov": (
        lambda e, p: e.SGD(p, lr=1, momentum=0.7, nesterov=True),
        sgd(1.0, 0.7, 0.0, 0.0, True),
    ),
    "SGD negative dampening": (
        lambda e, p: e.SGD(p, momentum=1.5, dampening=-1),
        sgd(0.1, 1.5, -1.0, 0.0, False),
    ),
    "Adam": (lambda e, p: e.Adam(p), adam(0.1, (0.9, 0.95), 1e-8, 0.0, False)),
    "Adam decay": (
        lambda e, p: e.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.2),
        adam(0.01, (0.8, 0.99), 1e-3, 0.2, False),
    ),
    "AdamW": (lambda e, p: e.AdamW(p), adam(0.1, (0.9, 0.95), 1e-8, 0.0, True)),
    "AdamW decay": (
        lambda e, p: e.AdamW(p, lr=0.1, betas=(0.9, 0.95), weight_decay=1e-4),
        adam(0.1, (0.9, 0.95), 1e-8, 1e-4, True),
    ),
    "AdamW no memory": (
        lambda e, p: e.AdamW(p, betas=(0, 0.0), eps=1.0),
        adam(0.1, (0.0, 0.0), 1.0, 0.0, True),
    ),
}
HOSTILE = [0.0, -0.0, 5e-324, 1e-200, -1e150, math.inf, math.nan, 1.0, -3.3000000000000003]


def state_of(optimizer: Any) -> list[Any]:
    """Return what an optimizer remembers."""
    state: list[Any] = []
    for name in ("buffer", "m", "v"):
        numbers = getattr(optimizer, name, None)
        state.append(None if numbers is None else bits(*numbers))
    return [*state, getattr(optimizer, "t", None)]


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_its_formula(engine: Any, case: str) -> None:
    make, make_formula = CASES[case]
    rng = random.Random(1)
    data = [rng.uniform(-2.0, 2.0) * 1.1 for _ in range(7)] + HOSTILE
    params = [engine.Value(x) for x in data]
    optimizer, formula = make(engine, params), make_formula()
    for step in range(6):
        gradients = [rng.uniform(-1.0, 1.0) * 1.1 for _ in data]
        if step == 3:
            gradients[7:] = HOSTILE[::-1]
        for p, g in zip(params, gradients, strict=True):
            p.grad = g
        optimizer.step()
        data = formula(data, gradients)
        assert bits(*(p.data for p in params)) == bits(*data)
        assert bits(*(p.grad for p in params)) == bits(*gradients)
    optimizer.zero_grad()
    assert bits(*(p.grad for p in params)) == bits(*[0.0] * len(params))


@pytest.mark.parametrize("case", CASES)
def test_engines_agree_while_hyperparameters_change(case: str) -> None:
    histories = []
    for engine in ENGINES:
        rng, history = random.Random(2), []
        params = [engine.Value(rng.uniform(-2.0, 2.0)) for _ in range(5)]
        optimizer = CASES[case][0](engine, params)
        for step in range(8):
            for p in params:
                p.grad = rng.uniform(-1.0, 1.0) * 1.1
            optimizer.lr = np.float64(0.3 / (step + 1))
            optimizer.weight_decay = step % 3
            if hasattr(optimizer, "momentum"):
                optimizer.momentum = (0.5, 0.0, 1, 0.25)[step % 4]
                optimizer.dampening = 0.5 * (step % 2)
            else:
                optimizer.betas, optimizer.eps = (0.5, 0.1 * step), 10.0**-step
            optimizer.step()
            history += [bits(*(p.data for p in params)), state_of(optimizer)]
        histories.append(history)
    assert histories[0] == histories[1]


def test_defaults(engine: Any) -> None:
    x = engine.Value(1.0)
    adamw, sgd = engine.AdamW([x]), engine.SGD([x])
    assert (adamw.lr, adamw.betas, adamw.eps, adamw.weight_decay) == (0.1, (0.9, 0.95), 1e-8, 0.0)
    assert (sgd.lr, sgd.momentum, sgd.dampening, sgd.weight_decay) == (0.1, 0.0, 0.0, 0.0)
    assert (sgd.nesterov, adamw.t, adamw.m, adamw.v, sgd.buffer) == (False, 0, [0.0], [0.0], None)
    assert adamw.params == (x,) and adamw.params[0] is x
    assert repr(sgd) == "SGD(1 parameters, lr=0.1)"
    assert type(engine.Adam(iter([x])).params) is tuple
    assert engine.optim.SGD is engine.SGD and engine.optim.AdamW is engine.AdamW


@pytest.mark.parametrize(
    ("make", "error"),
    [(lambda o, x: o.SGD([]), ValueError), (lambda o, x: o.Adam(()), ValueError),
     (lambda o, x: o.SGD([x, x]), ValueError), (lambda o, x: o.SGD([x, 1.0]), TypeError),
     (lambda o, x: o.SGD(x), TypeError), (lambda o, x: o.SGD(None), TypeError),
     (lambda o, x: o.SGD([x], lr=-0.1), ValueError),
     (lambda o, x: o.SGD([x], lr=math.nan), ValueError),
     (lambda o, x: o.AdamW([x], lr="0.1"), TypeError),
     (lambda o, x: o.AdamW([x], weight_decay=-1e-4), ValueError),
     (lambda o, x: o.AdamW([x], eps=-1e-8), ValueError),
     (lambda o, x: o.AdamW([x], betas=(0.9, 1.0)), ValueError),
     (lambda o, x: o.AdamW([x], betas=(-0.1, 0.9)), ValueError),
     (lambda o, x: o.AdamW([x], betas=(math.nan, 0.9)), ValueError),
     (lambda o, x: o.AdamW([x], betas=(0.9,)), ValueError),
     (lambda o, x: o.AdamW([x], betas=0.9), TypeError),
     (lambda o, x: o.SGD([x], momentum=-0.9), ValueError),
     (lambda o, x: o.SGD([x], nesterov=True), ValueError),
     (lambda o, x: o.SGD([x], momentum=0.9, dampening=0.1, nesterov=True), ValueError)],
)  # fmt: skip
def test_wrong_arguments_are_refused(engine: Any, make: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        make(engine.optim, engine.Value(1.0))
    assert type(caught.value) is error


def test_a_parameter_of_the_other_engine_is_refused() -> None:
    for engine, other in (ENGINES, ENGINES[::-1]):
        with pytest.raises(TypeError):
            engine.SGD([other.Value(1.0)])


@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
def test_a_step_that_raises_changes_nothing(engine: Any, kind: str) -> None:
    params = [engine.Value(1.0), engine.Value(2.0)]
    optimizer = getattr(engine, kind)(params)
    for p in params:
        p.grad = 0.5
    optimizer.step()
    before = [[p.data for p in params], state_of(optimizer)]
    params[1].grad = 1e200
    with pytest.raises(OverflowError):  # of its square
        optimizer.step()
    assert [[p.data for p in params], state_of(optimizer)] == before
    optimizer.betas = (0.5, 0.0)
    optimizer.eps = params[1].grad = 0.0
    with pytest.raises(ZeroDivisionError):  # 0 / (0 + eps)
        optimizer.step()
    optimizer.lr = "fast"
    with pytest.raises(TypeError):
        optimizer.step()
    optimizer.lr = 0.1
    assert [[p.data for p in params], state_of(optimizer)] == before
    optimizer.eps = 1e-8
    optimizer.step()
    assert optimizer.t == 2


def test_state_can_be_set(engine: Any) -> None:
    params = [engine.Value(1.0), engine.Value(2.0)]
    adam, sgd = engine.Adam(params), engine.SGD(params, momentum=0.9)
    adam.m, adam.v, adam.t = [0.5, 1.5], [0.25, 1.0], 3
    sgd.buffer = [1.0, -1.0]
    for p in params:
        p.grad = 0.0
    sgd.step()
    assert [p.data for p in params] == [1.0 - 0.1 * 0.9, 2.0 - 0.1 * -0.9]
    assert sgd.buffer == [0.9, -0.9]
    adam.step()
    assert (adam.m, adam.v, adam.t) == ([0.45, 1.35], [0.95 * 0.25, 0.95], 4)


@pytest.mark.parametrize("copying", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("case", CASES)
def test_a_copy_goes_on_as_the_original_would(engine: Any, case: str, copying: Any) -> None:
    params = [engine.Value(1.0), engine.Value(-2.0)]
    optimizer = CASES[case][0](engine, params)

    def go_on(params: list[Any], optimizer: Any) -> bytes:
        for step in range(3):
            optimizer.zero_grad()
            (params[0] * params[1] + params[0] ** 2 * (step + 1.1)).backward()
            optimizer.step()
        return bits(*(p.data for p in params))

    go_on(params, optimizer)
    copied_params, copied = copying((params, optimizer))
    assert all(a is b for a, b in zip(copied.params, copied_params, strict=True))
    assert state_of(copied) == state_of(optimizer)
    before = [p.data for p in params]
    result = go_on(copied_params, copied)
    assert [p.data for p in params] == before
    assert go_on(params, optimizer) == result


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_other_parameters_take_effect_or_are_refused(engine: Any, kind: str) -> None:
    """Never memory beyond what was reserved for the first ones."""
    first, others = engine.Value(1.0), [engine.Value(2.0) for _ in range(50)]
    optimizer = getattr(engine, kind)([first], **({"momentum": 0.9} if kind == "SGD" else {}))
    for p in (first, *others):
        p.grad = 1.0
    optimizer.step()
    try:
        optimizer.params = tuple(others)
        optimizer.step()
        optimizer.zero_grad()
    except (AttributeError, ValueError, IndexError):
        assert [p.grad for p in others] == [1.0] * 50
    else:
        assert [p.grad for p in others] == [0.0] * 50
    assert first.grad == 1.0 or optimizer.params == (first,)


def test_torch_agrees(engine: Any) -> None:
    """An oracle that shares no code; its AdamW scales p first, which rounds otherwise."""
    torch = pytest.importorskip("torch")
    table = [
        ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("Adam", {"lr": 0.1, "betas": (0.9, 0.95), "weight_decay": 0.01}),
        ("AdamW", {"lr": 0.1, "betas": (0.9, 0.95), "weight_decay": 0.01}),
    ]
    for kind, options in table:
        ours = [engine.Value(x) for x in (0.7, -1.3)]
        theirs = [torch.tensor(p.data, dtype=torch.float64, requires_grad=True) for p in ours]
        mine, its = (
            getattr(engine, kind)(ours, **options),
            getattr(torch.optim, kind)(theirs, **options),
        )
        for _ in range(20):
            for (a, b), optimizer in ((ours, mine), (theirs, its)):
                optimizer.zero_grad()
                ((a * b + 1.0) ** 2 + a * a).backward()
                optimizer.step()
        # 20 steps of a few roundings each
        assert [p.data for p in ours] == pytest.approx([p.item() for p in theirs], rel=1e-11)


def test_a_closure_computes_the_gradients(engine: Any) -> None:
    x = engine.Value(2.0)
    optimizer = engine.SGD([x], lr=0.25)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = x * x
        loss.backward()
        return loss

    assert optimizer.step(closure).data == 4.0
    assert x.data == 1.0


def test_results_of_operations_are_no_parameters(engine: Any) -> None:
    with pytest.raises(ValueError, match="a parameter is a leaf"):
        engine.SGD([engine.Value(1.0) * 2.0])


def test_parameters_are_of_one_kind() -> None:
    """One class for each rule takes Values or Tensors, and says what it does not take."""
    from pymicrograd.reference.tensor import Tensor as Other

    value, tensor = pymicrograd.Value(1.0), pymicrograd.Tensor([1.0], requires_grad=True)
    for make in (pymicrograd.SGD, pymicrograd.Adam, pymicrograd.AdamW):
        with pytest.raises(TypeError, match="all Values, as the first one here, and this is Ten"):
            make([value, tensor])
        with pytest.raises(TypeError, match="all Tensors, as the first one here, and this is Val"):
            make([tensor, value])
        with pytest.raises(TypeError, match=r"not pymicrograd\.reference\.tensor\.Tensor$"):
            make([Other([1.0])])
        for one in (value, tensor):
            with pytest.raises(TypeError, match="an iterable, such as a list, not one"):
                make(one)
            with pytest.raises(TypeError, match="are all"):
                make([one]).params = [tensor if one is value else value]


def test_defaults_follow_the_kind() -> None:
    value, tensor = pymicrograd.Value(1.0), pymicrograd.Tensor([1.0], requires_grad=True)
    found = []
    for p in (value, tensor):
        adam, adamw = pymicrograd.Adam([p]), pymicrograd.AdamW([p])
        found.append((pymicrograd.SGD([p]).lr, adam.lr, adam.betas, adam.weight_decay,
                      adamw.lr, adamw.betas, adamw.weight_decay))  # fmt: skip
    assert found == [
        (0.1, 0.1, (0.9, 0.95), 0.0, 0.1, (0.9, 0.95), 0.0),
        (1e-3, 1e-3, (0.9, 0.999), 0.0, 1e-3, (0.9, 0.999), 1e-2),
    ]


def test_state_of_the_other_kind_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="Adam of Values has no 'steps', only m, v, t"):
        pymicrograd.Adam([pymicrograd.Value(1.0)]).steps  # noqa: B018
    sgd = pymicrograd.SGD([pymicrograd.Tensor([1.0])])
    with pytest.raises(AttributeError, match="SGD of Tensors has no 'buffer', only buffers"):
        sgd.buffer  # noqa: B018
