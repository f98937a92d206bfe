"""What all optimizers share, and rules of Tensors: bits of the reference, torch, saving, errors.

What SGD and Adam have besides is in test_optim.py, of Values, and in test_tensor_optim.py.
"""

from __future__ import annotations

import copy
import gc
import math
import pickle
import random
import struct
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymicrograd
from pymicrograd import Tensor, Value, optim, reference, tensor
from pymicrograd.errors import DTypeError, ReadOnlyError, ViewError
from pymicrograd.reference import updates

Options = dict[str, Any]

# Every optimizer with options that between them use all of its formula.
CASES: dict[str, tuple[str, Options]] = {
    "SGD": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1}),
    "SGD maximize": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    "Adam": ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    "Adam amsgrad": ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    "AdamW amsgrad": ("AdamW", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
    "Adadelta": ("Adadelta", {"rho": 0.95, "weight_decay": 0.1}),
    "Adagrad": (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.1},
    ),
    "RMSprop": ("RMSprop", {"alpha": 0.9, "weight_decay": 0.1}),
    "RMSprop centered": ("RMSprop", {"centered": True, "momentum": 0.9, "maximize": True}),
    "NAdam": ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "momentum_decay": 6e-3}),
    "NAdam decoupled": (
        "NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "RAdam": ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.9)}),
    "RAdam decoupled": (
        "RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "Adamax": ("Adamax", {"lr": 0.01, "weight_decay": 0.1}),
    "Rprop": ("Rprop", {"etas": (0.4, 1.3), "step_sizes": (1e-3, 0.1)}),
    "ASGD": ("ASGD", {"lr": 0.1, "lambd": 0.1, "t0": 3, "weight_decay": 0.1}),
    "LAMB": ("LAMB", {"lr": 0.01, "weight_decay": 0.1}),
    "Lion": ("Lion", {"lr": 0.01, "weight_decay": 0.1}),
}  # fmt: skip
# What they leave out of formulas.
PLAIN: dict[str, tuple[str, Options]] = {
    "SGD plain": ("SGD", {"lr": 0.1}),
    "AdamW no memory": ("AdamW", {"betas": (0.0, 0.0), "eps": 1.0}),
    "RMSprop momentum": ("RMSprop", {"momentum": 0.9}),
    "LAMB plain": ("LAMB", {"lr": 0.01, "maximize": True}),
}
# Of operations of Tensors.
COMPOSED: dict[str, tuple[str, Options]] = {
    "Adafactor": ("Adafactor", {"lr": 0.05, "weight_decay": 0.1}),
    "Adafactor clipped": (
        "Adafactor",
        {"lr": 1.0, "beta2_decay": -0.5, "eps": (1e-6, 0.1), "d": 2.0, "maximize": True},
    ),
    "Muon": ("Muon", {"lr": 0.02}),
    "Muon plain": (
        "Muon",
        {"lr": 0.02, "nesterov": False, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3},
    ),
}
OF_TORCH = [case for case, (name, _) in CASES.items() if name not in ("LAMB", "Lion")]
OF_TENSORS = [case for case in CASES if case.split()[0] not in ("SGD", "Adam", "AdamW")]


# ---- the formulas ----------------------------------------------------------------------------


HOSTILE = [0.0, -0.0, 5e-324, 1e-45, 1e-200, -1e30, 1e150, math.inf, math.nan, 1.0, -3.3]


def bits(x: Any) -> Any:
    """Return what tells floats apart to the last bit; all NaNs are one."""
    if isinstance(x, list):
        return [bits(item) for item in x]
    return "nan" if x != x else struct.pack("<d", x)


def numbers_of(optimizer: Any) -> dict[str, Any]:
    """Return the options of the first group by the names of the row."""
    group = optimizer.param_groups[0]
    values = [group[key] if i < 0 else group[key][i] for key, i in optimizer._plan[1]]
    return dict(zip(optimizer._update.numbers, values, strict=True))


def gradients_like(p: Any, rng: random.Random, is_hostile: bool) -> list[float]:
    """Return numbers for a gradient; the last ones may be those that arithmetic fears."""
    numbers = [rng.uniform(-1.0, 1.0) for _ in range(p.numel())]
    return numbers[: -len(HOSTILE)] + HOSTILE[::-1] if is_hostile else numbers


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("case", [*CASES, *PLAIN])
def test_a_step_is_that_of_the_reference(case: str, dtype: str) -> None:
    """Bit for bit, with what is remembered, at any numbers and of a parameter of any layout."""
    name, options = {**CASES, **PLAIN}[case]
    rng = random.Random(1)
    plain = tensor([rng.uniform(-2.0, 2.0) for _ in range(8)] + HOSTILE, dtype)
    turned = tensor([[rng.uniform(-2.0, 2.0) for _ in range(2)] for _ in range(2)], dtype).T
    params = [plain.requires_grad_(), turned.detach().requires_grad_()]
    optimizer = getattr(optim, name)(params, **options)
    theirs = [reference.Tensor(p.tolist(), dtype) for p in params]
    memories: list[dict[str, Any]] = [{}, {}]
    row, numbers = optimizer._update.name, numbers_of(optimizer)
    for step in range(7):
        for i, p in enumerate(params):
            g = tensor(gradients_like(p, rng, step == 3 and i == 0), dtype)
            p.grad = g.reshape(p.shape)
            other = reference.Tensor(p.grad.tolist(), dtype)
            theirs[i] = updates.step(row, numbers, theirs[i], other, memories[i])
        optimizer.step()
        assert [bits(p.tolist()) for p in params] == [bits(x.tolist()) for x in theirs]
    for p, memory in zip(params, memories, strict=True):
        for key, x in optimizer.state[p].items():
            its = memory[key].tolist() if hasattr(memory[key], "tolist") else float(memory[key])
            assert bits(x.tolist()) == bits(its), key


def test_the_rules_are_those_of_the_table() -> None:
    """Each has a class, a reference that remembers the same, and a row in SPEC.md."""
    rules = {
        rule._update.name: rule
        for rule in vars(optim).values()
        if isinstance(rule, type) and hasattr(rule, "_update")
    }
    spec = (Path(__file__).parent.parent / "csrc" / "SPEC.md").read_text()
    assert list(updates.UPDATES) == [name for name in updates.UPDATES if f"\n| {name} | " in spec]
    assert rules.keys() == updates.UPDATES.keys() == updates.TAKES.keys()
    for name, rule in rules.items():
        takes, row = updates.TAKES[name], rule._update
        found = (row.numbers, row.scalars, row.arrays, row.conditions)
        assert tuple(map(list, found[:3])) == (takes.numbers, takes.scalars, takes.arrays), name
        assert row.conditions == takes.sometimes, name
    for case, (name, options) in CASES.items():
        optimizer = getattr(optim, name)([tensor([1.0], requires_grad=True)], **options)
        memory: dict[str, Any] = {}
        updates.step(
            optimizer._update.name, numbers_of(optimizer), *[reference.Tensor([0.5])] * 2, memory
        )
        kept = {*optimizer._update.scalars, "step"}
        for array in optimizer._update.arrays:
            condition = optimizer._update.conditions.get(array)
            if condition is None or numbers_of(optimizer)[condition]:
                kept.add(array)
        assert memory.keys() == kept, case


def test_a_gradient_that_shares_its_parameters_memory() -> None:
    """It is read as it was before the step, wherever it lies."""
    for shift in (0, 1, 5):
        base = tensor([0.5 + 0.1 * i for i in range(70)])
        p = base[:64].detach().requires_grad_()
        p.grad = base[shift : shift + 64].detach()
        expected = (p - 0.5 * p.grad).tolist()
        optim.SGD([p], lr=0.5).step()
        assert p.tolist() == expected


def test_threads_and_instruction_sets_change_nothing() -> None:
    x = tensor(np.random.default_rng(5).standard_normal(300_001).astype("float32"))
    for case, (name, options) in CASES.items():
        results = []
        for threads, isa in ((1, None), (3, "baseline")):
            pymicrograd.set_num_threads(threads)
            pymicrograd.set_isa(isa)
            try:
                p = x.clone().requires_grad_()
                optimizer = getattr(optim, name)([p], **options)
                for _ in range(2):
                    p.grad = p.detach() * 0.3
                    optimizer.step()
            finally:
                pymicrograd.set_num_threads(0)
                pymicrograd.set_isa(None)
            results.append(p.detach().numpy().tobytes())
        assert results[0] == results[1], case


def test_parameters_whose_elements_share_memory_are_refused() -> None:
    p = tensor([1.0]).expand(3).detach().requires_grad_()
    p.grad = tensor([1.0, 2.0, 3.0])
    for make in (optim.SGD, optim.RMSprop):
        with pytest.raises(ViewError, match=f"{make.__name__} step"):
            make([p]).step()
    assert p.tolist() == [1.0, 1.0, 1.0]


def test_a_step_that_is_refused_moves_no_group() -> None:
    array = np.ones(3, "float32")
    array.flags.writeable = False
    p, q = tensor([1.0], requires_grad=True), pymicrograd.from_numpy(array)
    for make in (optim.SGD, optim.Adam, optim.Rprop, optim.Adafactor):
        optimizer: Any = make([{"params": [p]}, {"params": [q]}])
        p.grad, q.grad = tensor([1.0]), tensor([1.0, 1.0, 1.0])
        with pytest.raises(ReadOnlyError):
            optimizer.step()
        assert p.item() == 1.0 and not optimizer.state[p]


def test_state_follows_the_type_of_its_parameter() -> None:
    model = pymicrograd.nn.Linear(2, 1)
    optimizer = optim.NAdam(model.parameters())
    for dtype in ("float32", "float64", "float16"):
        model.to(dtype)
        for p in model.parameters():
            p.grad = p.detach() + 0.5
        optimizer.step()
        for p in model.parameters():
            kept = "float64" if dtype == "float64" else "float32"
            assert optimizer.state[p]["exp_avg"].dtype.name == kept
    assert optimizer.state[model.weight]["step"].item() == 3


def test_a_step_of_lamb_is_as_long_as_its_parameter() -> None:
    p, q = tensor([3.0, 4.0], "float64", True), tensor([0.0], "float64", True)
    optimizer = optim.LAMB([p, q], lr=0.01, eps=0.0)
    p.grad, q.grad = tensor([0.5, -7.0], "float64"), tensor([2.0], "float64")
    optimizer.step()  # m / sqrt(v) is the sign, |p| / |sign| is 5 / sqrt(2)
    assert (p - tensor([3.0, 4.0], "float64")).tolist() == pytest.approx(
        [-0.05 / math.sqrt(2), 0.05 / math.sqrt(2)], rel=1e-12
    )
    assert q.item() == pytest.approx(-0.01, rel=1e-12)


def test_asgd_keeps_a_mean() -> None:
    p = tensor([1.0], "float64", True)
    optimizer = optim.ASGD([p], lr=0.5, t0=1, lambd=0.0)
    seen = []
    for _ in range(5):
        p.grad = p.detach()
        optimizer.step()
        seen.append(p.item())
    assert seen == [0.5, 0.25, 0.125, 0.0625, 0.03125]
    mean = seen[0]
    for x, share in zip(seen[1:], (1, 1, 1 / 2, 1 / 3), strict=True):
        mean += float(np.float32(share)) * (x - mean)
    assert optimizer.state[p]["ax"].item() == mean


# ---- torch ---------------------------------------------------------------------------------------


def start(dtype: str = "float64", case: str = "") -> list[Any]:
    rng = np.random.default_rng(3)
    made = [rng.standard_normal(shape).astype(dtype) for shape in ((3, 5), (5,), ())]
    return [np.atleast_2d(x) for x in made] if case.startswith("Muon") else made


def loss_of(params: Any) -> Any:
    w, b, c = params
    return ((w * b + c) ** 2 + w.sin() * c).sum()


def train(params: Any, optimizer: Any, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(params).backward()
        optimizer.step()


def pair(case: str, dtype: str = "float64", grouped: bool = False) -> tuple[Any, Any, Any, Any]:
    """Return our parameters and optimizer, and torch's."""
    torch = pytest.importorskip("torch")
    name, options = {**CASES, **COMPOSED}[case]
    ours = [tensor(x, requires_grad=True) for x in start(dtype, case)]
    theirs = [torch.tensor(x, requires_grad=True) for x in start(dtype, case)]

    def given(params: Any) -> Any:
        if not grouped:
            return params
        return [{"params": params[:1]}, {"params": params[1:], "lr": 0.02}]

    mine = getattr(optim, name)(given(ours), **options)
    its = getattr(torch.optim, name)(given(theirs), **options)
    return ours, mine, theirs, its


def expect_close(ours: Any, theirs: Any, dtype: str = "float64") -> None:
    # steps of a few roundings each, of numbers near 1; some of PyTorch's state is of float32
    epsilon = 1e-8 if dtype == "float64" else 1e-4
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), epsilon, epsilon)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", [*OF_TORCH, "Adafactor", "Adafactor clipped"])
def test_torch_agrees(case: str, dtype: str) -> None:
    ours, mine, theirs, its = pair(case, dtype, grouped=True)
    train(ours, mine, 15)
    train(theirs, its, 15)
    expect_close(ours, theirs, dtype)


@pytest.mark.parametrize("case", ["Muon", "Muon plain"])
def test_muon_is_that_of_torch_within_the_digits_of_bfloat16(case: str) -> None:
    """In which PyTorch computes, and here it is float32."""
    ours, mine, theirs, its = pair(case, "float32", grouped=True)
    train(ours, mine, 2)
    train(theirs, its, 2)
    for a, b, x in zip(ours, theirs, start("float32", case), strict=True):
        a, b = a.detach().numpy() - x, b.detach().numpy() - x
        assert np.abs(a - b).max() < 0.05 * np.abs(a).max()


def test_an_orthogonalized_matrix_is_that_of_the_reference() -> None:
    from pymicrograd.optim.composed import orthogonalized

    made = np.random.default_rng(1).standard_normal((5, 3)).astype("float32").tolist()
    for rows in (made, np.array(made).T.tolist()):
        args = (3.4445, -4.7750, 2.0315), 5, 1e-7
        found = orthogonalized(tensor(rows), *args)
        assert bits(found.tolist()) == bits(orthogonalized(reference.Tensor(rows), *args).tolist())
        sizes = np.linalg.svd(found.numpy(), compute_uv=False)
        assert ((sizes > 0.6) & (sizes < 1.3)).all()


@pytest.mark.parametrize("name", sorted(name for name in optim.__all__ if name[0].isupper()))
def test_arguments_are_those_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    if hasattr(torch.optim, name) and name != "Optimizer":
        its = getattr(torch.optim, name)([torch.ones(1, 1)])
        mine = getattr(optim, name)([tensor([[1.0]])])
        assert {k: v for k, v in mine.defaults.items() if k in its.defaults} == its.defaults


def as_torch(x: Any) -> Any:
    torch = pytest.importorskip("torch")
    if isinstance(x, dict):
        return {key: as_torch(item) for key, item in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(as_torch(item) for item in x)
    return torch.tensor(x.numpy()) if isinstance(x, Tensor) else x


def as_arrays(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: as_arrays(item) for key, item in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(as_arrays(item) for item in x)
    return x.numpy().copy() if hasattr(x, "numpy") else x


@pytest.mark.parametrize("case", OF_TORCH)
def test_state_of_torch_loads_and_ours_loads_there(case: str) -> None:
    ours, mine, theirs, its = pair(case)
    train(theirs, its, 6)
    for p, q in zip(ours, theirs, strict=True):
        p.data.copy_(tensor(q.detach().numpy()))
    saved = its.state_dict()
    mine.load_state_dict(saved)
    assert repr(mine.state_dict()["state"][0]) != repr({})
    mine.load_state_dict(as_arrays(saved))
    assert mine.state_dict()["state"].keys() == saved["state"].keys()
    for number, state in saved["state"].items():
        assert mine.state_dict()["state"][number].keys() == state.keys()
    train(ours, mine, 4)
    train(theirs, its, 4)
    expect_close(ours, theirs)
    its.load_state_dict(as_torch(mine.state_dict()))
    train(ours, mine, 4)
    train(theirs, its, 4)
    expect_close(ours, theirs)


# ---- saving and copies ---------------------------------------------------------------------------


def made(case: str, dtype: str = "float32") -> tuple[Any, Any]:
    name, options = {**CASES, **COMPOSED}[case]
    params = [tensor(x, requires_grad=True) for x in start(dtype, case)]
    groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.03}]
    return params, getattr(optim, name)(groups, **options)


def numbers(params: Any) -> str:
    """Return the elements as text, in which a NaN is equal to another."""
    return repr([p.tolist() for p in params])


@pytest.mark.parametrize("case", [*CASES, *COMPOSED])
def test_a_resumed_run_has_the_same_bits(case: str) -> None:
    params, optimizer = made(case)
    train(params, optimizer, 100)
    saved = copy.deepcopy(optimizer.state_dict())
    weights = [p.detach().clone() for p in params]
    train(params, optimizer, 100)
    others, resumed = made(case)
    for p, x in zip(others, weights, strict=True):
        p.data.copy_(x)
    resumed.load_state_dict(saved)
    train(others, resumed, 100)
    assert numbers(others) == numbers(params)
    assert repr(resumed.state_dict()) == repr(optimizer.state_dict())


@pytest.mark.parametrize("copying", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("case", [*CASES, *COMPOSED])
def test_a_copy_goes_on_as_the_original_would(case: str, copying: Any) -> None:
    params, optimizer = made(case)
    train(params, optimizer, 3)
    others, copied = copying((params, optimizer))
    assert all(a is b for a, b in zip(copied.params, others, strict=True))
    before = numbers(params)
    train(others, copied, 3)
    assert numbers(params) == before
    train(params, optimizer, 3)
    assert numbers(params) == numbers(others)


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW])
def test_a_resumed_run_of_values(make: Any) -> None:
    def go_on(params: list[Value], optimizer: Any, steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            (params[0] * params[1] + params[0] ** 2 * 1.1).backward()
            optimizer.step()

    options = {"momentum": 0.9} if make is optim.SGD else {}

    def fresh(data: list[float]) -> tuple[Any, Any]:
        params = [Value(x) for x in data]
        groups = [{"params": params[:1], "lr": 0.01}, {"params": params[1:]}]
        return params, make(groups, **options)

    params, optimizer = fresh([1.0, -2.0])
    go_on(params, optimizer, 3)
    saved = copy.deepcopy(optimizer.state_dict())
    others, resumed = fresh([p.data for p in params])
    resumed.load_state_dict(saved)
    go_on(params, optimizer, 3)
    go_on(others, resumed, 3)
    assert [p.data for p in others] == [p.data for p in params]
    assert resumed.state_dict() == optimizer.state_dict()
    assert set(saved["state"]) == {0, 1} and saved["param_groups"][0]["params"] == [0]


def test_a_refused_state_changes_nothing() -> None:
    for case in CASES:
        params, optimizer = made(case)
        train(params, optimizer, 2)
        before = repr(optimizer.state_dict())
        for change in (one_group_fewer, one_parameter_fewer, other_shape, negative_rate):
            saved = copy.deepcopy(optimizer.state_dict())
            change(saved)
            with pytest.raises(ValueError, match=r"group|shape|at least 0"):
                optimizer.load_state_dict(saved)
        assert repr(optimizer.state_dict()) == before


def one_group_fewer(saved: Any) -> None:
    del saved["param_groups"][1]


def one_parameter_fewer(saved: Any) -> None:
    saved["param_groups"][0]["params"].pop()


def other_shape(saved: Any) -> None:
    state = saved["state"][0]
    name = next(name for name, x in state.items() if isinstance(x, Tensor) and x.ndim)
    state[name] = tensor([1.0, 2.0])


def negative_rate(saved: Any) -> None:
    saved["param_groups"][1]["lr"] = -1.0


# ---- parameters of all sorts ---------------------------------------------------------------------


@pytest.mark.parametrize("case", [*CASES, *COMPOSED])
def test_parameters_that_are_not_contiguous(case: str) -> None:
    name, options = {**CASES, **COMPOSED}[case]
    results = []
    for is_plain in (True, False):
        x = tensor(start("float32")[0])
        p = (x if is_plain else x.T.contiguous().T).detach()
        p.requires_grad = True
        assert p.is_contiguous() == is_plain
        optimizer = getattr(optim, name)([p], **options)
        for step in range(4):
            p.grad = (p * (step + 0.5)).detach()
            optimizer.step()
        results.append(p.reshape(-1).tolist())
    assert results[0] == results[1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_parameters_of_two_bytes(case: str, dtype: str) -> None:
    """They are computed in float32, and so is what is remembered: no small square is lost."""
    name, options = CASES[case]
    data = [0.5, -2.0, 3.0]
    half, single = tensor(data, dtype, True), tensor(data, "float32", True)
    a, b = (getattr(optim, name)([p], **options) for p in (half, single))
    for _ in range(3):
        half.grad = tensor([1e-4, -1e-3, 2.0], dtype)
        single.grad = half.grad.to("float32")
        single.data.copy_(half.detach())
        a.step()
        b.step()
        assert half.tolist() == single.to(dtype).tolist()
        assert all(math.isfinite(x) for x in half.tolist())
    assert half.dtype is getattr(pymicrograd, dtype)
    assert not any(x.dtype is half.dtype for x in a.state[half].values() if isinstance(x, Tensor))


def test_maximize_may_change_between_steps() -> None:
    results = []
    for turns in (False, True):
        p = tensor(start("float32")[0], requires_grad=True)
        optimizer = optim.Adam([p], lr=0.1)
        for step in range(6):
            optimizer.param_groups[0]["maximize"] = maximize = turns and step % 2 == 1
            g = (p.sin() * (step + 0.5)).detach()
            p.grad = -g if maximize else g
            optimizer.step()
        assert optimizer.steps == [6]
        results.append(p.tolist())
    assert results[0] == results[1]


@pytest.mark.parametrize("case", OF_TENSORS)
def test_a_parameter_without_a_gradient_stays(case: str) -> None:
    name, options = CASES[case]
    p, q = tensor([1.0], requires_grad=True), tensor([1.0], requires_grad=True)
    optimizer = getattr(optim, name)([p, q], **options)
    p.grad = tensor([1.0])
    optimizer.step()
    assert (q.item(), p.item() == 1.0, list(optimizer.state)) == (1.0, False, [p])


@pytest.mark.parametrize("case", [case for case in CASES if case != "Rprop"])
def test_a_step_that_raises_changes_nothing(case: str) -> None:
    name, options = CASES[case]
    params = [tensor([1.0], requires_grad=True) for _ in range(2)]
    optimizer = getattr(optim, name)(params, **options)
    for p in params:
        p.grad = tensor([1.0])
    optimizer.step()
    before = repr((params, optimizer.state_dict()["state"]))
    rate = optimizer.lr
    optimizer.lr = "fast"
    with pytest.raises(TypeError):
        optimizer.step()
    optimizer.lr = rate
    assert repr((params, optimizer.state_dict()["state"])) == before


# ---- groups --------------------------------------------------------------------------------------


def test_groups_have_options_of_their_own() -> None:
    p, q, r = (tensor([1.0], requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([{"params": p, "lr": 0.5}, {"params": (q,)}], lr=0.25)
    optimizer.add_param_group({"params": [r], "lr": 1, "name": "last"})
    for x in (p, q, r):
        x.grad = tensor([1.0])
    optimizer.step()
    assert [x.item() for x in (p, q, r)] == [0.5, 0.75, 0.0]
    assert optimizer.params == (p, q, r) and len(optimizer.param_groups) == 3
    assert optimizer.param_groups[2]["name"] == "last" and optimizer.lr == 0.5
    assert repr(optimizer) == "SGD(3 parameters in 3 groups, lr=0.5, 0.25, 1.0)"
    optimizer.lr = 0.125
    assert [group["lr"] for group in optimizer.param_groups] == [0.125] * 3
    with pytest.raises(AttributeError, match="of one group"):
        optimizer.buffers  # noqa: B018
    optimizer.zero_grad()
    assert p.grad is q.grad is r.grad is None


def test_groups_of_values() -> None:
    p, q = Value(1.0), Value(1.0)
    optimizer = optim.SGD([{"params": [p], "lr": 0.5}, {"params": [q]}])
    p.grad = q.grad = 1.0
    optimizer.step()
    assert (p.data, q.data) == (0.5, 0.9)
    optimizer.zero_grad()
    assert (p.grad, q.grad) == (0.0, 0.0)


@pytest.mark.parametrize("kind", ["Values", "Tensors"])
def test_a_group_may_be_empty(kind: str) -> None:
    p = Value(1.0) if kind == "Values" else tensor(1.0, requires_grad=True)
    optimizer = optim.AdamW([{"params": []}, {"params": [p]}], lr=0.5)
    (p * p).backward()
    optimizer.step()
    assert p.item() < 1.0 if kind == "Tensors" else p.data < 1.0


def test_named_parameters() -> None:
    model = pymicrograd.nn.Linear(2, 1)
    optimizer = optim.AdamW(model.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.params == tuple(model.parameters())
    saved = optimizer.state_dict()
    assert saved["param_groups"][0]["param_names"] == ["weight", "bias"]
    optimizer.load_state_dict(saved)


@pytest.mark.parametrize("change", ["append", "item", "list"])
def test_parameters_of_a_group_that_are_changed_are_noticed(change: str) -> None:
    p, q, r = (tensor([1.0], requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([p, q], lr=0.5, momentum=0.5)
    for x in (p, q, r):
        x.grad = tensor([1.0])
    optimizer.step()
    if change == "append":
        optimizer.param_groups[0]["params"].append(r)
    elif change == "item":
        optimizer.param_groups[0]["params"][1] = r
    else:
        optimizer.param_groups[0]["params"] = [r, p]
    optimizer.step()  # the buffer of p goes on, that of r begins
    assert (p.item(), r.item()) == (1.0 - 0.5 - 0.75, 0.5)
    assert q.item() == (-0.25 if change == "append" else 0.5)


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.RMSprop])
def test_wrong_groups_are_refused(make: Any) -> None:
    p, q = (tensor([1.0], requires_grad=True) for _ in range(2))
    wrong: list[tuple[Any, type[Exception], str]] = [
        ({p, q}, TypeError, "a set has none"),
        ([{"params": {p}}], TypeError, "a set has none"),
        ([{"lr": 1.0}], ValueError, "has 'params'"),
        ([{"params": [p]}, [q]], TypeError, "a group of parameters is a dict, not list"),
        ([{"params": [p]}, {"params": [q, p]}], ValueError, "in more than one group"),
        ([{"params": [p]}, {"params": [Value(1.0)]}], TypeError, "are all Tensors"),
        ([{"params": [p], "lr": -1}], ValueError, "lr is at least 0"),
        ([{"params": []}], ValueError, "at least one parameter"),
        ([("p", p), q], ValueError, "pairs"),
        ([{"params": [("p", p)]}, {"params": [q]}], ValueError, "all groups have names"),
        ([tensor([1, 2])], DTypeError, "a type of floats, not int64"),
    ]
    for params, error, text in wrong:
        with pytest.raises(error, match=text):
            make(params)
    optimizer = make([p])
    with pytest.raises(TypeError, match="is a dict, not list"):
        optimizer.add_param_group([q])
    with pytest.raises(ValueError, match="in more than one group"):
        optimizer.add_param_group({"params": [q, p]})
    assert optimizer.params == (p,)


# ---- options -------------------------------------------------------------------------------------


def test_options_that_change_no_result_are_taken_and_others_refused() -> None:
    p = tensor([1.0], requires_grad=True)
    for name in {name for name, _ in CASES.values()} - {"LAMB", "Lion"}:
        make = getattr(optim, name)
        assert make([p], foreach=True).defaults["foreach"] is True
        with pytest.raises(ValueError, match="a step is not recorded"):
            make([p], differentiable=True)
        if name not in ("SGD", "Adagrad"):
            with pytest.raises(ValueError, match="CUDA's graphs"):
                make([p], capturable=True)
    for make in (optim.SGD, optim.Adam, optim.AdamW, optim.Adagrad):
        make([p], fused=True)
        with pytest.raises(RuntimeError, match="exclude each other"):
            make([p], fused=True, foreach=True)
        with pytest.raises(RuntimeError, match="exclude each other"):
            make([p], fused=True, differentiable=True)


@pytest.mark.parametrize("case", [*CASES, *COMPOSED])
def test_a_rate_may_be_a_tensor(case: str) -> None:
    name, options = {**CASES, **COMPOSED}[case]
    results = []
    for kind in (float, lambda x: tensor(x, dtype="float64")):
        params = [tensor(x, requires_grad=True) for x in start("float32", case)]
        optimizer = getattr(optim, name)(params, **{**options, "lr": kind(0.01)})
        train(params, optimizer, 2)
        results.append(numbers(params))
    assert results[0] == results[1]
    with pytest.raises(ValueError, match="a Tensor lr has one element"):
        getattr(optim, name)([tensor([[1.0]])], lr=tensor([0.1, 0.2]))
    with pytest.raises(ValueError, match="lr is at least 0"):
        getattr(optim, name)([tensor([[1.0]])], lr=tensor(-0.1))


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [("Adadelta", {"rho": 1.1}, "rho is at least 0 and at most 1"),
     ("Adagrad", {"lr_decay": -0.5}, "lr_decay is at least 0"),
     ("Adagrad", {"initial_accumulator_value": -1}, "initial_accumulator_value is at least 0"),
     ("Adamax", {"betas": (0.0, 1.0)}, "beta2 is at least 0 and below 1"),
     ("NAdam", {"momentum_decay": -0.2}, "momentum_decay is at least 0"),
     ("RAdam", {"betas": (1.0, 0.0)}, "beta1 is at least 0 and below 1"),
     ("RMSprop", {"momentum": -1.0}, "momentum is at least 0"),
     ("Rprop", {"etas": (1.0, 0.5)}, "one factor between 0 and 1 and one above"),
     ("ASGD", {"weight_decay": -0.5}, "weight_decay is at least 0"),
     ("LAMB", {"eps": -1.0}, "eps is at least 0"), ("Lion", {"lr": math.nan}, "lr is at least 0"),
     ("Adafactor", {"beta2_decay": 0.1}, "beta2_decay is at most 0"),
     ("Adafactor", {"d": 0.5}, "d is at least 1"), ("Adafactor", {"eps": (-1.0, 0.0)}, "eps is"),
     ("Muon", {}, r"Muon is for matrices, not for a parameter of shape \(1,\)"),
     ("Muon", {"ns_steps": 100}, "ns_steps is an int from 0 to 99"),
     ("Muon", {"ns_coefficients": (1.0, 2.0)}, "ns_coefficients are three"),
     ("Muon", {"adjust_lr_fn": "mine"}, "adjust_lr_fn is None, 'original' or"),
     ("LBFGS", {"line_search_fn": "armijo"}, "None or 'strong_wolfe'")],
)  # fmt: skip
def test_wrong_options_are_refused(name: str, options: Options, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        getattr(optim, name)([tensor([1.0])], **options)


def test_there_is_no_adam_of_sparse_gradients() -> None:
    with pytest.raises(AttributeError, match="never sparse; Adam has the same arguments"):
        optim.SparseAdam  # noqa: B018


def test_rules_of_tensors_refuse_values() -> None:
    for name in ("RMSprop", "Lion", "LBFGS", "Adafactor", "Muon"):
        with pytest.raises(TypeError, match=f"{name} is for Tensors; for Values there are SGD"):
            getattr(optim, name)([Value(1.0)])
    for options in ({"maximize": True}, {"amsgrad": True}):
        with pytest.raises(ValueError, match="is for Tensors"):
            optim.Adam([Value(1.0)], **options)
    x = Value(1.0)
    optimizer = optim.SGD([x])
    x.grad = 1.0
    optimizer.param_groups[0]["maximize"] = True
    with pytest.raises(ValueError, match="maximize is for Tensors"):
        optimizer.step()
    assert x.data == 1.0


# ---- state, hooks, closures, rules of users ------------------------------------------------------


@pytest.mark.parametrize("make", [optim.Adam, optim.NAdam])
def test_state_by_parameter(make: Any) -> None:
    p, q = (tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    optimizer = make([p, q])
    assert (
        not optimizer.state and not optimizer.state[p] and len(optimizer.state_dict()["state"]) < 2
    )
    p.grad = tensor([1.0, 1.0])
    optimizer.step()
    state = optimizer.state[p]
    assert state["step"].item() == 1 and state["exp_avg"].shape == (2,) and p in optimizer.state
    state["exp_avg"] = state["exp_avg"] * 0.0
    state["step"] = tensor(7.0)
    optimizer.step()
    assert optimizer.state[p]["step"].item() == 8
    assert optimizer.state[p]["exp_avg"].tolist() == pytest.approx([0.1, 0.1], rel=1e-6)
    optimizer.state = defaultdict(dict)
    assert p not in optimizer.state
    optimizer.step()
    assert optimizer.state[p]["step"].item() == 1


def test_hooks() -> None:
    p = tensor([1.0], requires_grad=True)
    optimizer, seen = optim.SGD([p], lr=0.5), []
    p.grad = tensor([1.0])
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, named: seen.append((o, args, named))),
        optimizer.register_step_post_hook(lambda o, args, named: seen.append(p.item())),
    ]
    optimizer.step()
    assert seen == [(optimizer, (), {}), 0.5]
    optimizer.register_step_pre_hook(lambda o, args, named: ((lambda: "loss",), {}))
    assert optimizer.step() == "loss"
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 4
    optimizer.register_step_pre_hook(lambda o, args, named: 3)
    with pytest.raises(RuntimeError, match="returns None or"):
        optimizer.step()
    with pytest.raises(TypeError, match="a hook is a function"):
        optimizer.register_step_post_hook(3)
    pickle.loads(pickle.dumps(optimizer)).step()  # hooks stay behind


def test_hooks_of_saving() -> None:
    optimizer, seen = optim.Adam([tensor([1.0], requires_grad=True)]), []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("before"))
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    optimizer.register_state_dict_post_hook(lambda o, state: seen.append(len(state)), prepend=True)
    saved = optimizer.state_dict()
    assert seen == ["before", 2] and saved["more"] == 1
    optimizer.register_load_state_dict_pre_hook(lambda o, state: {**state, "param_groups": []})
    with pytest.raises(ValueError, match="of 0 groups"):
        optimizer.load_state_dict(saved)
    other = optim.Adam([tensor([1.0], requires_grad=True)])
    other.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    other.load_state_dict(saved)
    assert seen[-1] == "loaded"


@pytest.mark.parametrize("case", [*CASES, *COMPOSED])
def test_a_closure_computes_the_gradients(case: str) -> None:
    params, optimizer = made(case)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = loss_of(params)
        loss.backward()
        return loss

    before = loss_of(params).item()
    with pymicrograd.no_grad():
        assert optimizer.step(closure).item() == before
    assert loss_of(params).item() != before


def test_a_rule_of_ones_own() -> None:
    class Signs(optim.Optimizer):
        def __init__(self, params: Any, lr: float = 0.5) -> None:
            super().__init__(params, {"lr": lr})

        def step(self, closure: Any = None) -> None:
            with pymicrograd.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        state = self.state[p]
                        state["count"] = state.get("count", 0) + 1
                        p.sub_(group["lr"] * p.grad.sign())

    p = tensor([1.0, -1.0], requires_grad=True)
    optimizer = Signs([p])
    (p * p).sum().backward()
    optimizer.step()
    assert p.tolist() == [0.5, -0.5] and optimizer.state_dict()["state"] == {0: {"count": 1}}
    optimizer.zero_grad()
    assert p.grad is None
    with pytest.raises(NotImplementedError, match="Optimizer has no step"):
        optim.Optimizer([p], {}).step()


def test_an_optimizer_leaves_nothing_behind() -> None:
    gc.collect()
    before = pymicrograd.memory_usage()["nodes"]
    for case in CASES:
        params, optimizer = made(case)
        train(params, optimizer, 2)
    del params, optimizer
    gc.collect()
    assert pymicrograd.memory_usage()["nodes"] == before


# ---- LBFGS ---------------------------------------------------------------------------------------


def valley(x: Any) -> Any:
    """Rosenbrock's function."""
    return (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2


def closure_of(optimizer: Any, x: Any) -> Any:
    def closure() -> Any:
        optimizer.zero_grad()
        loss = valley(x)
        loss.backward()
        return loss

    return closure


def test_lbfgs_finds_the_end_of_a_valley() -> None:
    x = tensor([-1.2, 1.0], "float64", requires_grad=True)
    options: Options = {"tolerance_change": 1e-15, "line_search_fn": "strong_wolfe"}
    optimizer = optim.LBFGS([x], max_iter=60, **options)
    first = optimizer.step(closure_of(optimizer, x))
    assert first.item() == pytest.approx(24.2, rel=1e-9)
    assert optimizer.state[x]["func_evals"] < 75
    assert x.tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


@pytest.mark.parametrize(
    "options",
    [{}, {"lr": 0.5, "history_size": 2}, {"line_search_fn": "strong_wolfe"},
     {"line_search_fn": "strong_wolfe", "lr": 3.0, "max_iter": 7, "max_eval": 11}],
)  # fmt: skip
def test_lbfgs_of_torch_agrees(options: Options) -> None:
    torch = pytest.importorskip("torch")
    options = {"max_iter": 4, "lr": 0.001 if not options else 1.0, **options}
    begin = [-0.3, 0.4] if "line_search_fn" in options else [0.9, 0.8]
    ours = tensor(begin, "float64", requires_grad=True)
    theirs = torch.tensor(begin, dtype=torch.float64, requires_grad=True)
    mine, its = optim.LBFGS([ours], **options), torch.optim.LBFGS([theirs], **options)
    for _ in range(3):
        a = mine.step(closure_of(mine, ours)).item()
        assert a == pytest.approx(its.step(closure_of(its, theirs)).item(), rel=1e-6)
        assert ours.tolist() == pytest.approx(theirs.tolist(), rel=1e-6)
        counts = [o.state[p]["func_evals"] for o, p in ((mine, ours), (its, theirs))]
        assert counts[0] == counts[1]
    mine.load_state_dict(as_arrays(its.state_dict()))
    its.load_state_dict(as_torch(mine.state_dict()))
    mine.step(closure_of(mine, ours))
    its.step(closure_of(its, theirs))
    assert ours.tolist() == pytest.approx(theirs.tolist(), rel=1e-6)


def test_a_resumed_lbfgs_has_the_same_bits() -> None:
    def fresh() -> tuple[Any, Any]:
        x = tensor([-1.2, 1.0], requires_grad=True)
        return x, optim.LBFGS([x], max_iter=3, line_search_fn="strong_wolfe")

    x, optimizer = fresh()
    for _ in range(2):
        optimizer.step(closure_of(optimizer, x))
    y, resumed = fresh()
    y.data.copy_(x.detach())
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for _ in range(3):
        optimizer.step(closure_of(optimizer, x))
        resumed.step(closure_of(resumed, y))
    assert x.tolist() == y.tolist()


def test_lbfgs_has_one_group_and_needs_a_closure() -> None:
    p, q = (tensor([1.0], requires_grad=True) for _ in range(2))
    with pytest.raises(ValueError, match="LBFGS has one group"):
        optim.LBFGS([{"params": [p]}, {"params": [q]}])
    with pytest.raises(TypeError, match="needs a closure"):
        optim.LBFGS([p]).step()
