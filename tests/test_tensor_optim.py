"""SGD, Adam and AdamW for Tensors: torch to rounding, what is refused, copies."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import pymicrograd
from pymicrograd import SGD, Adam, AdamW, Tensor, tensor
from pymicrograd.errors import DTypeError, ReadOnlyError

DTYPES = ["float32", "float64"]

# An optimizer, the same of torch's.
CASES: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "SGD": (SGD, {}),
    "SGD decay": (SGD, {"lr": 0.01, "weight_decay": 0.3}),
    "SGD momentum": (SGD, {"lr": 0.05, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    "SGD nesterov": (SGD, {"lr": 1, "momentum": 0.7, "nesterov": True}),
    "Adam": (Adam, {}),
    "Adam decay": (Adam, {"lr": 0.01, "betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.2}),
    "AdamW": (AdamW, {}),
    "AdamW decay": (AdamW, {"lr": 0.1, "betas": (0.9, 0.95), "weight_decay": 1e-4}),
    "AdamW no memory": (AdamW, {"betas": (0.0, 0.0), "eps": 1.0}),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_torch_agrees(case: str, dtype: str) -> None:
    """An oracle that shares no code, and fuses products with sums."""
    torch = pytest.importorskip("torch")
    make, options = CASES[case]
    rng = np.random.default_rng(3)
    starts = [rng.standard_normal(shape).astype(dtype) for shape in ((3, 5), (5,), (), (0,))]
    ours = [tensor(x, requires_grad=True) for x in starts]
    theirs = [torch.tensor(x, requires_grad=True) for x in starts]
    mine, its = make(ours, **options), getattr(torch.optim, make.__name__)(theirs, **options)
    for _ in range(20):
        for parameters, optimizer in ((ours, mine), (theirs, its)):
            optimizer.zero_grad()
            w, b, c, empty = parameters
            ((w * b + c) ** 2 + w.sin() * c + empty.sum()).sum().backward()
            optimizer.step()
    # 20 steps of a few roundings each, of numbers near 1
    epsilon = 100 * np.finfo(dtype).eps
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), epsilon, epsilon)


def test_torch_agrees_where_parameters_have_no_gradient_at_first() -> None:
    """Each parameter counts its own steps, and has its own first one."""
    torch = pytest.importorskip("torch")
    for make, options in ((SGD, {"momentum": 0.9, "dampening": 0.5}), (AdamW, {})):
        ours = [tensor(x, dtype="float64", requires_grad=True) for x in (1.0, -2.0, 3.0)]
        theirs = [torch.tensor(p.item(), dtype=torch.float64, requires_grad=True) for p in ours]
        mine, its = make(ours, **options), getattr(torch.optim, make.__name__)(theirs, **options)
        for used in ((0,), (0, 2), (), (0, 1, 2), (1,), (0, 1, 2)):
            for parameters, optimizer in ((ours, mine), (theirs, its)):
                optimizer.zero_grad()
                for i in used:
                    (parameters[i] ** 2).backward()
                optimizer.step()
            assert [p.item() for p in ours] == pytest.approx([p.item() for p in theirs], rel=1e-13)
        assert mine.steps == [4, 3, 3]


def test_hyperparameters_may_change_between_steps() -> None:
    p, q = Tensor([1.0], "float64", True), Tensor([1.0], "float64", True)
    sgd_, adam_ = SGD([p], lr=0.5), AdamW([q], lr=0.5)
    p.grad = q.grad = tensor([1.0], "float64")
    sgd_.lr, adam_.lr = np.float64(0.25), 0
    sgd_.momentum = 0.5
    sgd_.step()
    adam_.step()
    assert (p.item(), q.item()) == (0.75, 1.0)
    sgd_.step()
    assert p.item() == 0.75 - 0.25 * 1.5
    adam_.lr = "fast"
    with pytest.raises(TypeError):
        adam_.step()
    assert adam_.steps == [1] and q.item() == 1.0


@pytest.mark.parametrize("make", [AdamW, Adam, SGD, lambda p: SGD(p, 0.1, 0.9, 0.5)])
def test_a_parameter_without_a_gradient_does_not_change_the_steps_of_others(make: Any) -> None:
    """Where all have gradients and made as many steps, C does the whole; here Python groups."""
    results = []
    for more in ([], [tensor([1.0], requires_grad=True)]):
        params = [tensor([0.5, -2.0], requires_grad=True), tensor(0.3, requires_grad=True)]
        optimizer = make(params + more)
        for _ in range(3):
            (params[0].sum() * params[1]).backward()
            optimizer.step()
        results.append([p.tolist() for p in params])
        assert optimizer.steps == [3, 3, 0][: len(params + more)]
    assert results[0] == results[1]


def test_zero_grad() -> None:
    p, q = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0], requires_grad=True)
    optimizer = SGD([p, q], lr=0.1)
    (p * p).sum().backward()
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept and kept.tolist() == [0.0, 0.0] and q.grad is None
    (p**3).sum().backward(create_graph=True)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0] and not p.grad.requires_grad
    optimizer.zero_grad()
    assert p.grad is None and q.grad is None
    optimizer.step()
    assert (p.tolist(), q.tolist(), optimizer.steps) == ([1.0, 2.0], [3.0], [0, 0])


def test_a_closure_computes_the_gradients() -> None:
    p = Tensor([2.0], requires_grad=True)
    optimizer = SGD([p], lr=0.25)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert p.tolist() == [1.0]


def test_a_gradient_may_be_a_view() -> None:
    p = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    p.grad = Tensor([[1.0, 2.0], [3.0, 4.0]]).T
    SGD([p], lr=1.0).step()
    assert p.tolist() == [[0.0, -1.0], [1.0, 0.0]]


def test_defaults_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    for make in (SGD, Adam, AdamW):
        mine = make([Tensor([1.0])])
        its = getattr(torch.optim, make.__name__)([torch.tensor([1.0])]).defaults
        assert mine.defaults == its
    assert repr(SGD([Tensor([1.0])])) == "SGD(1 parameters, lr=0.001)"


@pytest.mark.parametrize(
    ("make", "error"),
    [(lambda x: SGD([]), ValueError), (lambda x: Adam(()), ValueError),
     (lambda x: SGD([x, x]), ValueError), (lambda x: SGD([x, 1.0]), TypeError),
     (lambda x: SGD(x), TypeError), (lambda x: SGD(None), TypeError),
     (lambda x: SGD([x * 2]), ValueError),
     (lambda x: SGD([x.detach().to("int64")]), DTypeError),
     (lambda x: SGD([x], lr=-0.1), ValueError), (lambda x: SGD([x], lr=math.nan), ValueError),
     (lambda x: AdamW([x], lr="0.1"), TypeError),
     (lambda x: AdamW([x], weight_decay=-1e-4), ValueError),
     (lambda x: AdamW([x], eps=-1e-8), ValueError),
     (lambda x: AdamW([x], betas=(0.9, 1.0)), ValueError),
     (lambda x: AdamW([x], betas=(-0.1, 0.9)), ValueError),
     (lambda x: AdamW([x], betas=(0.9,)), ValueError),
     (lambda x: AdamW([x], betas=0.9), TypeError),
     (lambda x: SGD([x], momentum=-0.9), ValueError),
     (lambda x: SGD([x], nesterov=True), ValueError),
     (lambda x: SGD([x], momentum=0.9, dampening=0.1, nesterov=True), ValueError)],
)  # fmt: skip
def test_wrong_arguments_are_refused(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        make(Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True))
    assert type(caught.value) is error


def test_memory_of_others_that_may_not_be_written_to_is_refused() -> None:
    array = np.ones(3, "float32")
    array.flags.writeable = False
    p, q = Tensor([1.0], requires_grad=True), pymicrograd.from_numpy(array)
    optimizer = SGD([p, q], lr=1.0)
    p.grad, q.grad = Tensor([1.0]), Tensor([1.0, 1.0, 1.0])
    with pytest.raises(ReadOnlyError):
        optimizer.step()
    assert (p.item(), optimizer.steps) == (1.0, [0, 0])


def test_no_memory_for_buffers_changes_nothing() -> None:
    ones = np.ones(1_900_001, "float32")
    params = [tensor(ones, requires_grad=True) for _ in range(6)]
    for p in params:
        p.grad = p.detach()
    optimizer = SGD(params, lr=1.0, momentum=0.5)
    held, before = [], pymicrograd.memory_usage()["bytes"]
    while pymicrograd.memory_usage()["bytes"] <= before:  # freed blocks of the size may be waiting
        held.append(tensor(ones))
    pymicrograd.set_memory_limit(1)
    try:
        with pytest.raises(MemoryError):
            optimizer.step()
    finally:
        pymicrograd.set_memory_limit(None)
    assert (params[0][0].item(), optimizer.steps, optimizer.buffers) == (1.0, [0] * 6, None)
    optimizer.step()
    assert (params[5][0].item(), optimizer.steps) == (0.0, [1] * 6)


def test_a_changed_parameter_is_noticed_by_backward() -> None:
    p = Tensor([1.0], requires_grad=True)
    loss = (p * p).sum()
    loss.backward()
    SGD([p]).step()
    with pytest.raises(pymicrograd.errors.ChangedError):
        loss.backward()


@pytest.mark.parametrize("copying", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("case", CASES)
def test_a_copy_goes_on_as_the_original_would(case: str, copying: Any) -> None:
    make, options = CASES[case]
    params = [Tensor([1.0, 2.0], requires_grad=True), Tensor([-2.0], requires_grad=True)]
    optimizer = make(params, **options)

    def go_on(params: list[Any], optimizer: Any) -> list[Any]:
        for step in range(3):
            optimizer.zero_grad()
            (params[0] * params[1] + params[0] ** 2 * (step + 1.1)).sum().backward()
            optimizer.step()
        return [p.tolist() for p in params]

    go_on(params, optimizer)
    copied_params, copied = copying((params, optimizer))
    assert all(a is b for a, b in zip(copied.params, copied_params, strict=True))
    before = [p.tolist() for p in params]
    result = go_on(copied_params, copied)
    assert [p.tolist() for p in params] == before
    assert go_on(params, optimizer) == result


def test_the_optimizer_keeps_its_parameters_alive() -> None:
    optimizer = SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    optimizer.params[0].grad = Tensor([1.0])
    optimizer.step()
    assert optimizer.params[0].tolist() == [0.0]


def test_a_parameter_whose_node_changes_is_still_moved() -> None:
    for make in (lambda p: SGD(p, momentum=0.5), AdamW):
        p, q = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
        optimizer = make([p, q])
        for _ in range(2):
            (p * q).sum().backward()
            optimizer.step()
            before = p.item()
            p.detach_()
            p.requires_grad = True
            p.grad = Tensor([1.0])
            optimizer.step()
            assert p.item() < before


def test_state_may_be_replaced() -> None:
    p = Tensor([1.0], "float64", requires_grad=True)
    optimizer = SGD([p], lr=0.25, momentum=0.5)
    p.grad = tensor([1.0], "float64")
    optimizer.step()
    optimizer.buffers = (tensor([8.0], "float64"),)
    optimizer.step()
    assert p.item() == 0.75 - 0.25 * (0.5 * 8.0 + 1.0)


def test_state_that_does_not_fit_is_refused() -> None:
    """C would read beyond its memory."""
    p, q = (Tensor([1.0], requires_grad=True) for _ in range(2))
    for make, name in ((lambda x: SGD(x, momentum=0.5), "buffers"), (Adam, "m"), (AdamW, "v")):
        optimizer = make([p, q])
        p.grad = q.grad = Tensor([1.0])
        optimizer.step()
        setattr(optimizer, name, getattr(optimizer, name)[:1])
        with pytest.raises(ValueError, match="2 parameters, but state for 1"):
            optimizer.step()


def test_without_weight_decay_an_infinite_parameter_stays_infinite() -> None:
    for make in (SGD, lambda p: SGD(p, momentum=0.9), Adam, lambda p: AdamW(p, weight_decay=0)):
        p = Tensor([math.inf, 1.0], requires_grad=True)
        p.grad = Tensor([1.0, 1.0])
        make([p]).step()
        assert p[0].item() == math.inf and p[1].item() < 1.0


def test_the_first_step_of_a_buffer_is_not_dampened_whenever_it_is() -> None:
    p, q = (Tensor([1.0], "float64", requires_grad=True) for _ in range(2))
    optimizer = SGD([p, q], lr=0.25, dampening=0.5)
    p.grad = tensor([1.0], "float64")
    optimizer.step()
    optimizer.momentum = 0.5
    optimizer.step()
    assert (p.item(), optimizer.begun) == (0.5, [True, False])
    q.grad = p.grad
    optimizer.step()  # of one buffer the first, of the other the second
    assert (p.item(), q.item()) == (0.25, 0.75)
    optimizer.momentum = 0.0
    optimizer.step()
    optimizer.momentum = 0.5
    optimizer.step()  # the buffers are as they were: 1
    assert (p.item(), q.item()) == (-0.25, 0.25)
