"""Names of PyTorch's programs: GPUs, mixed precision, old names; what is refused, and why."""

from __future__ import annotations

from typing import Any

import pytest

import pymicrograd as torch
from pymicrograd import nn
from pymicrograd.nn import functional as F


def test_a_training_step_written_for_gpus_runs_on_the_cpu() -> None:
    """The lines of a training script that only a GPU needs change nothing."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x, y = torch.randn(8, 4).pin_memory().to(device), torch.LongTensor([0, 1, 2, 0, 1, 2, 0, 1])
    losses = []
    for plain in (True, False):
        torch.manual_seed(1)
        model = nn.Linear(4, 3).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        scaler = torch.cuda.amp.GradScaler(enabled=not plain)
        for _ in range(3):
            with torch.amp.autocast(device_type=device, dtype=torch.float16, enabled=not plain):
                loss = F.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        assert (scaler.get_scale(), scaler.state_dict()) == (1.0, {})
    assert losses[0] == losses[1] < 1.5


def test_old_constructors_take_data_or_sizes() -> None:
    assert torch.LongTensor([1, 2]).dtype is torch.int64 and torch.FloatTensor().shape == (0,)
    assert torch.ShortTensor(2).dtype is torch.int16 and torch.CharTensor([1]).dtype is torch.int8
    assert torch.DoubleTensor(2, 3).shape == (2, 3) and torch.BoolTensor([0, 2]).tolist() == [0, 1]
    small = torch.CharTensor([1]), torch.ShortTensor(2), torch.BFloat16Tensor([0.5])
    assert [x.dtype for x in small] == [torch.int8, torch.int16, torch.bfloat16]
    x = torch.autograd.Variable(torch.FloatTensor([3.0]), requires_grad=True)
    (x * x).backward()
    assert x.grad.tolist() == [6.0]


def test_activations_in_place() -> None:
    names = [name for name in dir(F) if name.endswith("_") and name[0] != "_"]
    assert len(names) == 8
    x = torch.tensor([-2.0, -0.25, 0.5, 2.0])
    for name in names:
        args = (0.4, 7.0) if name == "threshold_" else ()
        y = x.clone()
        z = getattr(F, name)(y, *args)
        assert z is y and y.tolist() == getattr(F, name[:-1])(x, *args).tolist() != x.tolist()
    assert F.quick_gelu(x).tolist() == (x * (1.702 * x).sigmoid()).tolist()


def test_derivatives_of_functions_as_pytorch_calls_them() -> None:
    of = torch.autograd.functional
    a = torch.tensor([1.0, 2.0, 3.0])
    assert of.jacobian(lambda x: x * x, a).tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 6]]
    assert of.hessian(lambda x: (x * x).sum(), a, strict=True)[0].tolist() == [2, 0, 0]
    y, found = of.vjp(lambda x: x * x, a, torch.ones(3))
    assert (y.tolist(), found.tolist()) == ([1, 4, 9], [2, 4, 6]) and not found.requires_grad
    y, found = of.jvp(lambda x, z: x * z, (a, a), (torch.ones(3), torch.zeros(3)))
    assert found.tolist() == [1, 2, 3]
    for name in ("hvp", "vhp"):
        y, found = getattr(of, name)(lambda x: (x**3).sum(), a, torch.ones(3))
        assert found.tolist() == [6, 12, 18]
    assert of.vjp(lambda x: x.sum(), a)[1].tolist() == [1, 1, 1]
    assert of.jacobian(lambda x: torch.ones(2), a).tolist() == [[0, 0, 0]] * 2
    linear, twice = lambda x: (2 * x).sum(), (a, a)
    assert of.jacobian(linear, a, strict=True).tolist() == [2, 2, 2]
    refused: list[tuple[Any, str]] = [
        (lambda: of.vjp(torch.exp, a, create_graph=True), "are not recorded"),
        (lambda: of.vjp(torch.exp, a), r"v may be missing where func returns one number, not \(3,"),
        (lambda: of.jvp(torch.exp, a), "v may be missing where the input is one number"),
        (lambda: of.hvp(linear, a), "v may be missing"),
        (lambda: of.jacobian(torch.exp, a, strategy="sideways"), "strategy 'sideways' is none"),
        (lambda: of.jacobian(lambda x: torch.ones(2), a, strict=True), "an output .* on input 0"),
        (lambda: of.jvp(lambda x, z: x * 1, twice, twice, strict=True), "an output .* on input 1"),
        (lambda: of.hessian(linear, a, strict=True), "a gradient does not depend on input 0"),
        (lambda: of.hvp(linear, a, a, strict=True), "a gradient does not depend on input 0"),
    ]
    for call, text in refused:
        with pytest.raises(RuntimeError, match=text):
            call()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: torch.complex, AttributeError, "there are no complex numbers"),
        (lambda: torch.view_as_complex, AttributeError, "there are no complex numbers"),
        (lambda: torch.tensor([1j]), TypeError, "complex"),
        (lambda: torch.fft.rfft, AttributeError, "its results are complex"),
        (lambda: torch.onnx, AttributeError, "saving"),
        (lambda: torch.distributions, AttributeError, r"normal\(\)"),
        (lambda: F.ctc_loss, AttributeError, "left out"),
        (lambda: nn.Linear(1, 1).cuda(), ValueError, "no GPU"),
        (lambda: torch.cuda.set_device(0), ValueError, "no GPU"),
    ],
)
def test_what_there_is_not_says_why(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
