"""Names of PyTorch's programs: GPUs, mixed precision, old names; what is refused, and why."""

from __future__ import annotations

import importlib
import inspect
import operator
import warnings
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


def test_former_names_of_initializations() -> None:
    x = torch.zeros(2, 3)
    with pytest.warns(UserWarning, match="write init.xavier_uniform_"):
        assert nn.init.xavier_uniform(x, gain=2.0) is x and x.abs().sum() > 0


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


def test_former_arguments_of_losses_mean_reductions() -> None:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([1.5, 4.0])
    meant = {(None, None): "mean", (True, None): "mean", (False, None): "sum", (None, True): "mean",
             (False, True): "sum", (True, False): "none", (False, False): "none"}  # fmt: skip
    for (average, reduce), reduction in meant.items():
        former = {"size_average": average, "reduce": reduce}
        expected = F.mse_loss(x, y, reduction=reduction).tolist()
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            assert F.mse_loss(x, y, **former).tolist() == expected
            assert nn.MSELoss(**former)(x, y).tolist() == expected
        texts = [str(w.message) for w in found]
        assert len(texts) == (0 if average is reduce is None else 2)
        assert all(f"write reduction={reduction!r}" in text for text in texts)
    assert F.mse_loss(x, y, "sum").tolist() == 4.25  # PyTorch reads any text as True
    logits, classes = torch.ones(2, 3), torch.tensor([0, 1])
    for call in (F.cross_entropy, F.nll_loss):
        with pytest.warns(UserWarning, match="write reduction='sum'"):
            assert call(logits, classes, None, False).shape == ()


def test_an_axis_that_is_missing_is_pytorchs_choice() -> None:
    for call, module in ((F.softmax, nn.Softmax()), (F.log_softmax, nn.LogSoftmax()),
                         (F.softmin, nn.Softmin())):  # fmt: skip
        for shape, axis in (((), 0), ((3,), 0), ((2, 3), 1), ((2, 3, 4), 0), ((1, 2, 3, 4), 1)):
            x = torch.randn(shape)
            for given in (call, module):
                with pytest.warns(UserWarning, match=f"dim is missing.* taken to be {axis}"):
                    assert given(x).tolist() == call(x, axis).tolist()  # type: ignore[operator]


def test_hints_of_memory_change_nothing() -> None:
    x = torch.zeros(2, 3, pin_memory=True, layout=torch.strided)
    hints: dict[str, Any] = {"memory_format": torch.preserve_format, "pin_memory": False}
    for made in (torch.ones_like(x, **hints), torch.empty(2, 3, **hints), x.new_ones(2, 3, **hints),
                 torch.full((2, 3), 1.0, **hints), torch.randn(2, 3, **hints)):  # fmt: skip
        assert made.shape == (2, 3) and made.layout is torch.strided
    x.copy_(torch.ones(2, 3), non_blocking=True)
    assert x.sum() == 6 and x.is_cpu and not (x.is_sparse or x.is_quantized or x.is_shared())
    assert x.to(memory_format=torch.channels_last) is x and x.get_device() == -1
    assert x[None, None].is_contiguous() and not torch.is_conj(x)
    assert not torch.ones(1, 2, 3, 4).is_contiguous(memory_format=torch.channels_last)
    assert repr(torch.channels_last) == "torch.channels_last"
    with pytest.raises(TypeError, match="unexpected keyword argument 'pinned'"):
        torch.zeros(2, pinned=True)
    with pytest.raises(TypeError, match="results are new tensors"):
        torch.zeros(2, out=x)


def test_functions_of_the_top_level_take_what_those_of_pytorch_do() -> None:
    x = torch.randn(2, 3, 4)
    mean, var, weight = torch.zeros(3), torch.ones(3), torch.randn(3)
    given = x, weight, weight, mean, var, False, 0.1, 1e-5, False
    expected = F.batch_norm(x, mean, var, weight, weight)
    assert torch.batch_norm(*given).tolist() == expected.tolist()
    assert torch.instance_norm(*given).tolist() == expected.tolist()
    assert torch.embedding(weight[:, None], torch.tensor([2, 0])).tolist() == [
        [weight[2].item()],
        [weight[0].item()],
    ]
    for drop in (torch.dropout, torch.alpha_dropout, torch.feature_alpha_dropout):
        assert drop(x, 0.5, False).tolist() == x.tolist() != drop(x, 0.5, True).tolist()
    y = torch.ones(100)
    assert torch.dropout_(y, 0.5, True) is y and set(y.tolist()) == {0.0, 2.0}
    memory = bytearray(b"\1\2\3\4")
    z = torch.frombuffer(memory, dtype=torch.uint8, count=2, offset=1)
    memory[1] = 9
    assert z.tolist() == [9, 3]
    assert torch.arange(3.0).apply_(lambda v: v * 2).tolist() == [0, 2, 4]
    assert torch.arange(3.0).map_(torch.tensor([10.0]), operator.add).tolist() == [10, 11, 12]
    torch.set_default_tensor_type("torch.FloatTensor")
    torch.set_default_tensor_type(torch.FloatTensor)
    with pytest.raises(ValueError, match="the default is float32, not float64"):
        torch.set_default_tensor_type(torch.DoubleTensor)
    with torch.random.fork_rng(), torch.autograd.set_detect_anomaly(True):
        drawn = torch.rand(3).tolist()
    assert torch.rand(3).tolist() == drawn


# What programs import, with "torch" in place of the package's name.
IMPORTS = """
import torch.backends.cudnn as cudnn
import torch.nn.functional as F
import torch.utils.data as data
from torch.amp import GradScaler, autocast
from torch.autograd import Function, Variable
from torch.autograd.function import Function
from torch.cuda.amp import GradScaler, autocast
from torch.distributions import Categorical, Normal
from torch.distributions.multinomial import Multinomial
from torch.func import functional_call, grad, jacfwd, jacrev, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import Parameter
from torch.nn.utils import clip_grad_norm_, spectral_norm, weight_norm
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import pad_sequence
from torch.optim.lr_scheduler import StepLR
from torch.optim.swa_utils import AveragedModel
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint, checkpoint_sequential
from torch.utils.data.dataloader import DataLoader
from torch.utils.data.dataset import Dataset, TensorDataset
from torch.utils.data.sampler import SubsetRandomSampler
from torch.utils.tensorboard import SummaryWriter
"""


def test_paths_of_imports_are_those_of_pytorch() -> None:
    names: dict[str, Any] = {}
    exec(IMPORTS.replace("torch.", "pymicrograd."), names)
    names["cudnn"].benchmark = True
    assert torch.backends.cudnn.benchmark and torch.version.cuda is None
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with names["sdpa_kernel"](names["SDPBackend"].MATH):
        y = names["checkpoint"](torch.exp, x, use_reentrant=False)
    assert y.tolist() == x.exp().tolist() and y.requires_grad
    assert names["checkpoint_sequential"]([torch.exp, torch.log], 2, x).shape == (2,)
    assert torch.cuda.max_memory_allocated() == torch.cuda.memory_reserved() == 0
    torch.set_num_interop_threads(torch.get_num_interop_threads())


def test_assert_close() -> None:
    close = torch.testing.assert_close
    x = torch.tensor([1.0, 2.0])
    close({"a": [x, 1]}, {"a": [x + 1e-6, 1]})
    close(x, x.double(), check_dtype=False)
    close(x, torch.tensor([1.0, 2.1]), rtol=0.1, atol=0.0)
    nan = torch.tensor([torch.nan])
    close(nan, nan, equal_nan=True)
    wrong: list[tuple[Any, Any, str]] = [
        (x, torch.tensor([1.0, 2.5]), "1 of 2 elements differ, by 0.5 at most, where 1e-05"),
        (nan, nan, "1 of 1 elements differ, by inf"), (x, x[:1], r"shapes \(2,\) and \(1,\)"),
        (x, x.double(), "types float32 and float64"), ([x, x], [x], "lengths 2 and 1"),
        ({"a": x}, {"b": x}, "the keys"),
        ([1, {"k": 2}], [1, {"k": 3}], r"at \[1\]: at \['k'\]: 1"),
    ]  # fmt: skip
    for actual, expected, text in wrong:
        with pytest.raises(AssertionError, match=text):
            close(actual, expected)
    with pytest.raises(AssertionError, match="mine"):
        close(1, 2, msg=lambda text: f"mine: {text}")
    with pytest.raises(ValueError, match="given together"):
        close(x, x, rtol=0.1)


def test_gradient_penalty_and_batched_gradients() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x**3
    (first,) = torch.autograd.grad(
        outputs=y, inputs=x, grad_outputs=torch.ones(2), create_graph=True, retain_graph=True,
        only_inputs=True,
    )  # fmt: skip
    ((first.norm(2) - 1) ** 2).backward()
    assert x.grad is not None and x.grad.isfinite().all()
    (rows,) = torch.autograd.grad(y, x, torch.eye(2), is_grads_batched=True)
    assert rows.tolist() == [[3, 0], [0, 12]]


# What has PyTorch's arguments in another form, and why.
OTHER = {
    "activation": "a function of PyTorch's, here its name",
    "betas lr weight_decay": "None, which of Values means micrograd's",
    "_stacklevel": "PyTorch's own", "memo": "PyTorch's own", "pickle_module": "there is no pickle",
    "static_k static_v": "PyTorch's own", "min_value max_value": "given up by PyTorch long ago",
    "modules values": "(), which is empty as well", "grad_variables": "given up by PyTorch",
    "stride": "None, which means as much", "generator": "None, which means the default one",
    "batch_sizes": "needed, as PyTorch's constructor fails without it",
    "out": "refused, results are new tensors",
    "input target": "needed, under one of two names", "decoupled_weight_decay": "None is False",
}  # fmt: skip
LEFT_OUT = {name for names in OTHER for name in names.split()}
AREAS = (
    "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "optim", "optim.lr_scheduler",
    "optim.swa_utils", "utils.data", "autograd", "nn.Module", "nn.Sequential", "nn.ModuleList",
    "nn.ModuleDict", "nn.ParameterDict", "nn.Embedding", "nn.EmbeddingBag", "optim.Optimizer",
    "optim.lr_scheduler.LRScheduler", "optim.swa_utils.AveragedModel",
)  # fmt: skip


def arguments_of(call: Any) -> list[inspect.Parameter] | None:
    """Return the arguments that a call names; None where it does not tell."""
    try:
        found = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return None
    kinds = [p.kind for p in found]
    tells = kinds != [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]
    return found if tells else None


def differences(theirs: list[inspect.Parameter], ours: list[inspect.Parameter]) -> list[str]:
    """Return what a call of PyTorch's gives that ours would not take, or not as the same."""
    found = []
    named = {p.name: p for p in ours}
    for place, wanted in enumerate(theirs):
        if wanted.name in LEFT_OUT or wanted.kind in (wanted.VAR_POSITIONAL, wanted.VAR_KEYWORD):
            continue
        mine = named.get(wanted.name)
        if mine is None and "further" in named:
            continue
        if mine is None:
            found.append(f"{wanted.name} is missing")
        elif wanted.kind is wanted.POSITIONAL_OR_KEYWORD and mine not in ours[place : place + 1]:
            before = {p.name for p in theirs[:place]} & LEFT_OUT
            found += [f"{wanted.name} has another place"] * (not before)
        elif wanted.default not in (wanted.empty, mine.default):
            found.append(f"{wanted.name}={wanted.default!r} is {mine.default!r}")
    return found


@pytest.mark.parametrize("area", AREAS)
def test_signatures_are_those_of_pytorch(area: str) -> None:
    theirs: Any = pytest.importorskip("torch", reason="the oracle: pip install torch")
    ours: Any = torch
    for part in area.split("."):
        names = vars(theirs)
        if inspect.ismodule(theirs) and f"{theirs.__name__}.{part}" not in names:
            importlib.import_module(f"torch.{area}") if area.islower() else None
        theirs, ours = getattr(theirs, part), getattr(ours, part)
    found, compared = {}, 0
    for name in dir(theirs) if inspect.ismodule(theirs) else vars(theirs):
        mine, call = getattr(ours, name, None), getattr(theirs, name)
        if name[0] == "_" or mine is None or not callable(call) or not callable(mine):
            continue
        wanted, has = arguments_of(call), arguments_of(mine)
        if wanted is None or has is None:
            continue
        compared += 1
        if differences(wanted, has):
            found[name] = differences(wanted, has)
    assert found == {}
    assert compared > 1


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: torch.complex, AttributeError, "there are no complex numbers"),
        (lambda: torch.view_as_complex, AttributeError, "there are no complex numbers"),
        (lambda: torch.tensor([1j]), TypeError, "complex"),
        (lambda: torch.fft.rfft, AttributeError, "its results are complex"),
        (lambda: torch.default_generator, AttributeError, "random.default_generator"),
        (lambda: torch.multiprocessing, AttributeError, "num_workers"),
        (lambda: torch.onnx, AttributeError, "saving"),
        (lambda: torch.kl_div, AttributeError, "functional.kl_div"),
        (lambda: torch.sparse_coo_tensor, AttributeError, "no sparse tensors"),
        (lambda: nn.CTCLoss, AttributeError, "left out"),
        (lambda: nn.DataParallel, AttributeError, "call the module itself"),
        (lambda: nn.init.sideways, AttributeError, "no attribute 'sideways'"),
        (lambda: F.ctc_loss, AttributeError, "left out"),
        (lambda: nn.Linear(1, 1).cuda(), ValueError, "no GPU"),
        (lambda: torch.cuda.set_device(0), ValueError, "no GPU"),
    ],
)
def test_what_there_is_not_says_why(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
