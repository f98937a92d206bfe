"""Layers as functions of Tensors: loops over windows in NumPy, and torch, are the oracles."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import pymicrograd as mg
from pymicrograd.errors import ArgumentError, DTypeError, ShapeError, TensorIndexError
from pymicrograd.nn.functional.pooling import Pool
from pymicrograd.reference.fma import fma_f32

F = mg.functional


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def loops_conv2d(x: Any, w: Any, stride: int, padding: int, dilation: int, groups: int) -> Any:
    """Convolve in float32, each sum over channel, row, column in steps of one rounding."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    span = [dilation * (k - 1) + 1 for k in w.shape[2:]]
    rows, columns = ((n - s) // stride + 1 for n, s in zip(x.shape[2:], span, strict=True))
    y = np.zeros((len(x), len(w), rows, columns), np.float32)
    inputs, outputs = w.shape[1], len(w) // groups
    for n, o, i, j in np.ndindex(y.shape):
        total = 0.0
        for c, k, m in np.ndindex(w.shape[1:]):
            channel = o // outputs * inputs + c
            a = x[n, channel, i * stride + k * dilation, j * stride + m * dilation]
            total = fma_f32(float(w[o, c, k, m]), float(a), total)
        y[n, o, i, j] = total
    return y


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv2d_bit_for_bit(stride: int, padding: int, dilation: int, groups: int) -> None:
    x, w = numbers(2, 4, 6, 5), numbers(6, 4 // groups, 3, 2, seed=1)
    expected = loops_conv2d(x, w, stride, padding, dilation, groups)
    found = F.conv2d(mg.tensor(x), mg.tensor(w), None, stride, padding, dilation, groups)
    assert np.array_equal(found.numpy(), expected)
    alone = F.conv2d(mg.tensor(x[1]), mg.tensor(w), None, stride, padding, dilation, groups)
    assert np.array_equal(alone.numpy(), expected[1])


def compare(torchs: Any, ours: Any, *arrays: Any) -> None:
    """Compare values and gradients of a function of float32 arrays with torch's."""
    torch = pytest.importorskip("torch")
    a = [torch.tensor(x, requires_grad=True) for x in arrays]
    b = [mg.tensor(x, requires_grad=True) for x in arrays]
    y, z = torchs(torch.nn.functional, *a), ours(*b)
    assert tuple(y.shape) == z.shape
    assert np.allclose(z.numpy(force=True), y.detach().numpy(), rtol=2e-5, atol=2e-5)
    g = numbers(*y.shape, seed=9)
    y.backward(torch.tensor(g))
    z.backward(mg.tensor(g))
    for p, q in zip(a, b, strict=True):
        assert q.grad is not None
        assert np.allclose(q.grad.numpy(), p.grad.numpy(), rtol=2e-5, atol=2e-4)


CONV = [
    options
    for options in itertools.product(
        (1, 2, (2, 1)), (0, 1, "same", "valid", (1, 2)), (1, 2, (1, 2)), (1, 2)
    )
    if options[1] != "same" or options[0] == 1
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("options", CONV, ids=str)
def test_conv2d_as_torch(options: Any) -> None:
    groups = options[-1]
    compare(
        lambda f, x, w, b: f.conv2d(x, w, b, *options),
        lambda x, w, b: F.conv2d(x, w, b, *options),
        numbers(2, 4, 9, 8), numbers(6, 4 // groups, 3, 2, seed=1), numbers(6, seed=2),
    )  # fmt: skip


TRANSPOSED = [
    options
    for options in itertools.product((1, 2, (3, 2)), (0, 1), (0, 1, (0, 1)), (1, 2), (1, 2))
    if options[2] == 0 or options[0] != 1 or options[4] != 1
]


@pytest.mark.parametrize("options", TRANSPOSED, ids=str)
def test_conv_transpose2d_as_torch(options: Any) -> None:
    stride, padding, extra, groups, dilation = options
    compare(
        lambda f, x, w, b: f.conv_transpose2d(x, w, b, stride, padding, extra, groups, dilation),
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride, padding, extra, groups, dilation),
        numbers(2, 4, 5, 4), numbers(4, 3, 3, 2, seed=1), numbers(3 * groups, seed=2),
    )  # fmt: skip


POOLS = list(itertools.product((2, 3, (3, 2)), (None, 1, 2, 3), (0, 1), (False, True)))


@pytest.mark.parametrize("options", POOLS, ids=str)
def test_pooling_as_torch(options: Any) -> None:
    kernel, stride, padding, ceil = options
    x = numbers(2, 3, 8, 7).round(1)  # with ties
    compare(
        lambda f, x: f.max_pool2d(x, kernel, stride, padding, 1, ceil),
        lambda x: F.max_pool2d(x, kernel, stride, padding, 1, ceil),
        x,
    )
    for counted in (True, False):
        compare(
            lambda f, x, c=counted: f.avg_pool2d(x, kernel, stride, padding, ceil, c),
            lambda x, c=counted: F.avg_pool2d(x, kernel, stride, padding, ceil, c),
            x,
        )
    recorded = mg.tensor(x, requires_grad=True)
    assert np.array_equal(
        F.max_pool2d(recorded, kernel, stride, padding, 1, ceil).numpy(force=True),
        F.max_pool2d(mg.tensor(x), kernel, stride, padding, 1, ceil).numpy(),
    )


def test_pooling_of_one_image() -> None:
    x = mg.arange(16).float().reshape(1, 4, 4)
    assert F.max_pool2d(x, 2).tolist() == [[[5.0, 7.0], [13.0, 15.0]]]
    assert F.avg_pool2d(x, 2).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    assert F.avg_pool2d(x, 2, divisor_override=1).tolist() == [[[10.0, 18.0], [42.0, 50.0]]]
    whole = mg.tensor([[[-7, 3], [2, -4]]])
    assert F.avg_pool2d(whole, 2, ()).tolist() == [[[-1]]]  # cut towards 0, as PyTorch does
    assert F.avg_pool2d(whole, 2, 1, 1).tolist() == [[[-1, -1, 0], [-1, -1, 0], [0, 0, -1]]]
    with pytest.raises(ArgumentError, match="divisor_override is not 0"):
        F.avg_pool2d(x, 2, divisor_override=0)
    assert F.max_pool2d(x, 2, 1, dilation=2).shape == (1, 2, 2)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
@pytest.mark.parametrize("ignored", [-100, 2])
def test_cross_entropy_whatever_way_it_takes(
    reduction: str, smoothing: float, ignored: int
) -> None:
    """Classes of int64 go straight to C, those of int32 by way of Python."""
    losses, gradients = [], []
    for kind in (mg.int64, mg.int32):
        x = mg.tensor(numbers(7, 4), requires_grad=True)
        classes = mg.tensor([0, 2, 3, 1, 2, 0, 3], dtype=kind)
        options: Any = {"ignore_index": ignored, "label_smoothing": smoothing}
        loss = F.cross_entropy(x, classes, reduction=reduction, **options)
        loss.backward()
        losses.append(loss.item())
        gradients.append(x.grad.tolist())
        with mg.no_grad():
            loss = F.cross_entropy(x, classes, reduction=reduction, **options)
        assert not loss.requires_grad
        assert loss.item() == losses[0]
    assert losses[0] == losses[1]
    assert gradients[0] == gradients[1]


def test_cross_entropy_refuses_alike_whatever_way_it_takes() -> None:
    x, refused = mg.tensor(numbers(2, 3)), []
    for kind in (mg.int64, mg.int32):
        with pytest.raises(TensorIndexError) as caught:
            F.cross_entropy(x, mg.tensor([0, 3], dtype=kind))
        refused.append(str(caught.value))
    assert refused[0] == refused[1]


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("ignored", [-100, 2])
def test_cross_entropy_as_torch(reduction: str, smoothing: float, ignored: int) -> None:
    torch = pytest.importorskip("torch")
    for shape in ((5,), (3, 5), (3, 5, 4), (2, 5, 3, 2)):
        classes = np.random.default_rng(4).integers(0, 5, shape[:1] * (len(shape) > 1) + shape[2:])
        options = {
            "reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignored,
        }  # fmt: skip
        compare(
            lambda f, x, t=classes, o=options: f.cross_entropy(x, torch.tensor(t), **o),
            lambda x, t=classes, o=options: F.cross_entropy(x, mg.tensor(t).int(), **o),
            numbers(*shape),
        )


ROWS: dict[str, tuple[Any, Any, Any]] = {
    "linear": (lambda f, x, w, b: f.linear(x, w, b), F.linear, ((3, 4, 5), (6, 5), (6,))),
    "linear without bias": (lambda f, x, w: f.linear(x, w), F.linear, ((5,), (6, 5))),
    "layer_norm": (
        lambda f, x, w, b: f.layer_norm(x, (4, 5), w, b),
        lambda x, w, b: F.layer_norm(x, (4, 5), w, b),
        ((3, 4, 5), (4, 5), (4, 5)),
    ),
    "layer_norm without weights": (
        lambda f, x: f.layer_norm(x, (5,)), lambda x: F.layer_norm(x, 5), ((3, 4, 5),),
    ),
    "layer_norm without bias": (
        lambda f, x, w: f.layer_norm(x, (5,), w),
        lambda x, w: F.layer_norm(x, 5, w),
        ((3, 5), (5,)),
    ),
    "rms_norm": (
        lambda f, x, w: f.rms_norm(x, (5,), w), lambda x, w: F.rms_norm(x, 5, w), ((3, 5), (5,)),
    ),
    "rms_norm with eps": (
        lambda f, x: f.rms_norm(x, (5,), eps=0.1), lambda x: F.rms_norm(x, 5, eps=0.1), ((3, 5),),
    ),
    "softmax": (lambda f, x: f.softmax(x, 0), lambda x: F.softmax(x, 0), ((3, 5),)),
    "log_softmax": (lambda f, x: f.log_softmax(x, 1), lambda x: F.log_softmax(x, 1), ((3, 5, 2),)),
    "relu": (lambda f, x: f.relu(x), F.relu, ((9,),)),
    "gelu": (lambda f, x: f.gelu(x), F.gelu, ((9,),)),
    "gelu tanh": (
        lambda f, x: f.gelu(x, approximate="tanh"), lambda x: F.gelu(x, "tanh"), ((9,),),
    ),
    "silu": (lambda f, x: f.silu(x), F.silu, ((9,),)),
    "sigmoid": (lambda f, x: f.sigmoid(x), F.sigmoid, ((9,),)),
    "tanh": (lambda f, x: f.tanh(x), F.tanh, ((9,),)),
    "softplus": (lambda f, x: f.softplus(x, 2.0), lambda x: F.softplus(x, 2.0), ((9,),)),
    "pad": (lambda f, x: f.pad(x, (1, 2, -1, 0)), lambda x: F.pad(x, (1, 2, -1, 0)), ((3, 4),)),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_rows_as_torch(name: str) -> None:
    torchs, ours, shapes = ROWS[name]
    compare(torchs, ours, *(numbers(*shape, seed=i) for i, shape in enumerate(shapes)))


def test_mse_loss() -> None:
    x, y = mg.tensor([[1.0, 2.5]], requires_grad=True), mg.tensor([[0.5, 4.0]])
    assert F.mse_loss(x, y, reduction="none").tolist() == [[0.25, 2.25]]
    assert F.mse_loss(x, y, "sum").item() == 2.5
    loss = F.mse_loss(x, target=y)
    loss.backward()
    assert (loss.item(), x.grad.tolist()) == (1.25, [[0.5, -1.5]])


def test_a_function_of_both_kinds_looks_at_its_first_argument() -> None:
    assert mg.functional is mg.nn.functional and mg.cross_entropy is F.cross_entropy
    a, b = mg.Value(1.0), mg.Value(2.0)
    row = mg.tensor([1.0, 2.0], dtype="float64")
    numbers = [v.data for v in F.softmax([a, b])]
    assert F.softmax(row, 0).tolist() == pytest.approx(numbers)  # in another arithmetic
    loss = F.cross_entropy([a, b], 1).data
    assert F.cross_entropy(row, mg.tensor(1)).item() == pytest.approx(loss)
    same = F.cross_entropy(logits=[[a, b]], targets=[1], shifted=True, reduction="sum")
    assert same.data == F.cross_entropy(input=[a, b], target=1).data
    assert F.softmax(logits=[a, b])[1].data == F.softmax([a, b])[1].data
    assert F.mse_loss(prediction=[a, b], target=[2.0, 4.0], reduction="sum").data == 5.0
    assert [v.data for v in F.mse_loss([a, b], [2.0, 4.0], "none")] == [1.0, 4.0]
    assert F.relu(a).data == 1.0 and F.tanh(a).data == a.tanh().data and F.softplus(a, 2.0) > 1.0
    for call, text in (
        (lambda: F.cross_entropy([a, b], 1, label_smoothing=0.1), "an option of Tensors"),
        (lambda: F.cross_entropy([a, b], 1, ignore_index=0), "an option of Tensors"),
        (lambda: F.cross_entropy([a, b], logits=[a, b], target=1), "are the same argument"),
        (lambda: F.cross_entropy(target=1), "the argument 'input' is missing"),
        (lambda: F.softmax([a, b], 0), "with dim or dtype input is a Tensor, not list"),
    ):
        with pytest.raises(TypeError, match=text):
            call()
    with pytest.raises(AttributeError, match="no attribute 'sotfmax'"):
        F.sotfmax  # noqa: B018
    assert set(F.__all__) <= set(dir(F)) and all(getattr(F, name) for name in F.__all__)


def test_what_does_not_fit() -> None:
    x, w = mg.ones(1, 4, 5, 5), mg.ones(6, 4, 3, 3)
    wrong: list[tuple[Any, type[Exception], str]] = [
        (lambda: F.conv2d(x[0, 0], w), ShapeError, r"\(N, C, H, W\) or \(C, H, W\)"),
        (lambda: F.conv2d(x, w[0]), ShapeError, "4 axes"),
        (lambda: F.conv2d(x, w[:, :3]), ShapeError, "4 channels != 3"),
        (lambda: F.conv2d(x, w, groups=3), ShapeError, "3 groups"),
        (lambda: F.conv2d(x, w, mg.ones(5)), ShapeError, r"bias has shape \(5,\), not \(6,\)"),
        (lambda: F.conv2d(x, mg.ones(6, 4, 6, 1)), ShapeError, "a window of 6 does not fit into 5"),
        (lambda: F.conv2d(x, w, stride=0), ValueError, "conv2d: stride 0 is not above 0"),
        (lambda: F.conv2d(x, w, stride=1.5), TypeError, "conv2d: stride: ints are needed"),
        (lambda: F.conv2d(x, w.numpy()), TypeError, "conv2d: weight is a Tensor, not ndarray"),
        (lambda: F.conv2d(x, w, [1.0] * 6), TypeError, "conv2d: bias is a Tensor, not list"),
        (lambda: F.avg_pool2d([1.0], 2), TypeError, "avg_pool2d: input is a Tensor, not list"),
        (lambda: F.max_pool2d(x, 1.5), TypeError, "max_pool2d: kernel_size: ints are needed"),
        (lambda: F.relu([1.0]), TypeError, "relu: input is a Tensor, not list"),
        (lambda: F.softmax(x.numpy(), 0), TypeError, "dim or dtype input is a Tensor, not ndarray"),
        (lambda: F.linear(x, [[1.0] * 5]), TypeError, "linear: weight is a Tensor, not list"),
        (lambda: F.layer_norm([1.0], 1), TypeError, "layer_norm: input is a Tensor, not list"),
        (lambda: F.layer_norm(x, 5, [1.0] * 5), TypeError, "layer_norm: a weight or bias is"),
        (lambda: F.rms_norm(x, 5.0), TypeError, "rms_norm: normalized_shape: ints are needed"),
        (lambda: F.pad(mg.ones(3), (-2, -2)), ShapeError, "pad: .* more than axis 0 has, 3"),
        (lambda: F.cross_entropy(mg.ones(1, 3), [0], shifted=False), TypeError, "of Values"),
        (lambda: F.cross_entropy(mg.ones(1, 3)), TypeError, "argument 'target' is missing"),
        (lambda: F.mse_loss(mg.ones(2), mg.ones(3)), ShapeError, "shapes .* differ"),
        (lambda: F.mse_loss(mg.ones(2), [1.0, 1.0]), TypeError, "mse_loss: target is a Tensor"),
        (lambda: F.cross_entropy(x.long(), [0]), DTypeError, "input, the logits, is of floats"),
        (lambda: F.cross_entropy(mg.ones(3, 3), [-100, 0, 7]), TensorIndexError, "7 of row 2 is"),
        (lambda: F.conv2d(x, w, padding=-1), ValueError, "below 0"),
        (lambda: F.conv2d(x, w, padding="some"), ValueError, "'some'"),
        (lambda: F.conv2d(x, w, stride=2, padding="same"), ValueError, "stride 1"),
        (lambda: F.conv2d(x, w, stride=(1, 2, 3)), ValueError, "no two of them"),
        (lambda: F.conv_transpose2d(x, w), ShapeError, "4 channels != 6"),
        (lambda: F.conv_transpose2d(x, mg.ones(4, 1, 2, 2), output_padding=1), ValueError, "below"),
        (lambda: F.conv_transpose2d(x, mg.ones(4, 1, 2, 2), padding=3), ShapeError, "nothing"),
        (lambda: F.max_pool2d(x, 2, padding=2), ValueError, "half of the kernel"),
        (lambda: F.max_pool2d(x, 6), ShapeError, "a window of 6"),
        (lambda: F.linear(x, w), ShapeError, r"\(out, in\)"),
        (lambda: F.linear(x, mg.ones(3, 4)), ShapeError, "do not fit"),
        (lambda: F.layer_norm(x, 4), ShapeError, "does not end in"),
        (lambda: F.layer_norm(x, 5, mg.ones(4)), ShapeError, "a weight or bias"),
        (lambda: F.cross_entropy(mg.ones(2, 3), mg.tensor([0, 3])), TensorIndexError, "0 to 2"),
        (lambda: F.cross_entropy(mg.ones(2, 3), mg.tensor([0, -1])), TensorIndexError, "0 to 2"),
        (lambda: F.cross_entropy(mg.ones(2, 3), mg.tensor([0])), ShapeError, "do not fit"),
        (lambda: F.cross_entropy(mg.ones(2, 3), mg.ones(2)), DTypeError, "integers, not float32"),
        (lambda: F.cross_entropy(mg.ones(1, 3), [0], reduction="max"), ValueError, "max"),
        (lambda: F.cross_entropy(mg.ones(1, 3), [0], label_smoothing=2), ValueError, "from 0 to 1"),
    ]
    for call, error, text in wrong:
        with pytest.raises(error, match=text):
            call()


@pytest.mark.parametrize("options", [{}, {"divisor_override": 90000}, {"ceil_mode": True}])
@pytest.mark.parametrize("dtype", [mg.float16, mg.bfloat16], ids=str)
def test_avg_pool2d_counts_beyond_a_types_range(dtype: Any, options: dict[str, Any]) -> None:
    x = mg.ones(1, 300, 300, dtype=dtype, requires_grad=True)
    mean = F.avg_pool2d(x, 300, **options)
    assert (mean.dtype, mean.item()) == (dtype, 1.0)
    many = F.avg_pool2d(x * 60000.0, 2)
    assert many[0, 0, 0].item() == (x[0, 0, 0] * 60000.0).item()
    many.sum().backward()
    assert x.grad.dtype is dtype


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_ceil_mode_takes_a_window_larger_than_the_image(pool: Any) -> None:
    x = mg.arange(4.0).reshape(1, 1, 2, 2)
    whole = 3.0 if pool is F.max_pool2d else 1.5
    assert pool(x, 3, stride=2, ceil_mode=True).tolist() == [[[[whole]]]]
    with pytest.raises(ShapeError, match="does not fit"):
        pool(x, 3, stride=2)
    with pytest.raises(ShapeError, match="does not fit"):
        pool(x, 4, stride=2, ceil_mode=True)


SHAPED = ["celu", "elu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
          "logsigmoid", "mish", "relu6", "selu", "softshrink", "softsign",
          "tanhshrink"]  # fmt: skip


@pytest.mark.parametrize("name", SHAPED)
def test_derivatives_of_activations(name: str) -> None:
    x = mg.tensor([-7.1, -2.3, -0.3, 0.2, 0.7, 2.6, 6.4], dtype="float64", requires_grad=True)
    function = getattr(F, name)
    assert mg.autograd.gradcheck(function, (x,))
    assert mg.autograd.gradgradcheck(function, (x,))
    far = mg.tensor([-1e4, 1e4, 0.0], requires_grad=True)
    function(far).sum().backward()
    assert far.grad.isfinite().all()
    assert function(mg.tensor(float("nan"))).isnan()
    for wrong in ([1.0], mg.Value(1.0)):
        with pytest.raises(TypeError, match=f"{name}: input is a Tensor"):
            function(wrong)


def test_activations_by_hand() -> None:
    x = mg.tensor([-2.0, 0.5, 8.0])
    assert F.leaky_relu(x, 0.25).tolist() == [-0.5, 0.5, 8.0]
    assert F.relu6(x).tolist() == [0.0, 0.5, 6.0]
    assert F.threshold(x, 1.0, -1.0).tolist() == [-1.0, -1.0, 8.0]
    assert F.softshrink(x, 1.0).tolist() == [-1.0, 0.0, 7.0]
    assert F.softmin(x, 0).tolist() == (-x).softmax(0).tolist()
    assert F.hardtanh(mg.tensor([-3, 0, 3])).tolist() == [-1, 0, 1]
    assert F.leaky_relu(x, 0.25, inplace=True) is x and x.tolist() == [-0.5, 0.5, 8.0]
    with pytest.raises(ArgumentError, match="min_val 1 is above max_val 0"):
        F.hardtanh(x, 1, 0)


def test_one_hot() -> None:
    assert F.one_hot(mg.tensor([[0], [2]])).tolist() == [[[1, 0, 0]], [[0, 0, 1]]]
    assert F.one_hot(mg.tensor(1, dtype=mg.uint8), 2).tolist() == [0, 1]
    assert F.one_hot(mg.zeros(0, dtype=mg.int64), 2).shape == (0, 2)
    for classes, count in (([0, 2], 2), ([-1, 0], -1), ([], -1)):
        with pytest.raises(ArgumentError, match="one_hot"):
            F.one_hot(mg.tensor(classes, dtype=mg.int64), count)
    with pytest.raises(DTypeError, match="classes are integers, not float32"):
        F.one_hot(mg.ones(2))


def test_what_is_near_and_what_is_the_same() -> None:
    inf, nan = float("inf"), float("nan")
    x, y = mg.tensor([1.0, inf, nan, 1.0, -inf]), mg.tensor([1.0 + 1e-6, inf, nan, 2.0, inf])
    assert x.isclose(y).tolist() == [True, True, False, False, False]
    assert x.isclose(y, equal_nan=True).tolist() == [True, True, True, False, False]
    assert mg.allclose(x[:2], y[:2]) is True and x.allclose(y) is False
    assert mg.tensor([1, 2]).isclose(mg.tensor([1, 3]), atol=1).tolist() == [True, True]
    assert mg.tensor([True, False]).isclose(mg.tensor([True, True])).tolist() == [True, False]
    assert x[:2].equal(x[:2]) is True and x.equal(x) is False and x.equal(x[:2]) is False
    assert mg.count_nonzero(mg.tensor([[0, 2], [nan, 1]]), 0).tolist() == [1, 2]
    with pytest.raises(ArgumentError, match="isclose: tolerances are 0 or more"):
        x.isclose(y, rtol=-1.0)


NUMPYS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@pytest.mark.parametrize("mode", NUMPYS)
@pytest.mark.parametrize("dtype", ["float16", "float64", "int64", "uint8", "int8", "int16", "bool"])
def test_pad_with_own_items_as_numpy(mode: str, dtype: str) -> None:
    x = (numbers(2, 4, 3) * 50).astype(dtype)
    around = ((0, 0), (3, 1), (2, 2))
    found = mg.tensor(x).pad((2, 2, 3, 1), mode)
    assert str(found.dtype) == f"pymicrograd.{dtype}"
    assert np.array_equal(found.numpy(), np.pad(x, around, NUMPYS[mode]))
    assert mg.tensor(x).pad((), mode).data_ptr() != mg.tensor(x).data_ptr()


@pytest.mark.parametrize(
    ("pad", "mode", "error"),
    [
        ((4, 0), "reflect", "fewer than the 4 items"),
        ((0, 5), "circular", "once, over 4 items"),
        ((-3, -2), "replicate", "cuts off more than axis 1 has, 4"),
        ((1, 1), "wrap", "is none of 'constant', 'reflect'"),
    ],
)
def test_pad_refuses(pad: Any, mode: str, error: str) -> None:
    with pytest.raises((ShapeError, ArgumentError), match=error):
        mg.ones(2, 4).pad(pad, mode)


def test_pad_with_own_items_takes_no_value() -> None:
    assert mg.ones(2, 4).pad((1, 1), "reflect", 0).shape == (2, 6)
    with pytest.raises(ArgumentError, match="mode 'constant'"):
        mg.ones(2, 4).pad((1, 1), "reflect", 2)
    with pytest.raises(ShapeError, match="needs an item to repeat"):
        mg.ones(2, 0).pad((1, 1), "replicate")


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("dilation", [1, 2])
def test_indices_of_pooling_say_where_the_largest_lie(
    ceil_mode: bool, padding: int, dilation: int
) -> None:
    x = mg.tensor(numbers(2, 3, 7, 6))
    options: Any = {"padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    largest, where = F.max_pool2d(x, 2, 2, **options, return_indices=True)
    assert largest.tolist() == F.max_pool2d(x, 2, 2, **options).tolist()
    assert where.dtype is mg.int64
    assert x.flatten(2).gather(2, where.flatten(2)).tolist() == largest.flatten(2).tolist()
    rows, at = F.max_pool1d(x[0], 3, return_indices=True)
    assert x[0].gather(2, at).tolist() == rows.tolist()


def test_indices_of_pooling_lie_in_the_image_where_nothing_is_larger_than_the_padding() -> None:
    x = mg.full((1, 3, 3), float("-inf"))
    _, where = F.max_pool2d(x, 2, padding=1, return_indices=True)
    assert where.tolist() == [[[0, 1], [3, 4]]]
    with pytest.raises(ShapeError, match=r"max_pool1d: an input is \(N, C, L\)"):
        F.max_pool1d(mg.ones(3), 2)


def test_weights_and_probabilities_that_do_not_fit() -> None:
    x = mg.ones(2, 3)
    with pytest.raises(TensorIndexError, match="target 3 is no class, from 0 to 2"):
        F.cross_entropy(x, mg.tensor([0, 3]), mg.ones(3))
    with pytest.raises(TensorIndexError, match="target -1"):
        F.nll_loss(x, mg.tensor([0, -1]))
    with pytest.raises(ShapeError, match=r"a weight of shape \(2,\) is not \(3,\)"):
        F.cross_entropy(x, mg.tensor([0, 1]), mg.ones(2))
    with pytest.raises(ShapeError, match="probabilities of shape"):
        F.cross_entropy(x, mg.ones(3, 2))
    with pytest.raises(ArgumentError, match="ignore_index is for classes"):
        F.cross_entropy(x, mg.ones(2, 3), ignore_index=1)
    with pytest.raises(TypeError, match="'weight' is an option of Tensors"):
        F.cross_entropy([mg.Value(1.0)], 0, mg.ones(1))


def test_an_ignored_row_counts_for_nothing_whatever_it_holds() -> None:
    x = mg.tensor([[0.0, 1.0], [float("-inf"), float("inf")]], requires_grad=True)
    loss = F.nll_loss(x, mg.tensor([1, -100]), mg.tensor([1.0, 3.0]))
    loss.backward()
    assert loss.item() == -1.0
    assert x.grad.tolist() == [[0.0, -1.0], [0.0, 0.0]]


def test_pad_of_integers_loses_no_digits() -> None:
    x = mg.tensor([1])
    assert x.pad((1, 0), value=-(2**63)).tolist() == [-(2**63), 1]
    assert x.pad((1, 0), value=2**63 - 1).tolist() == [2**63 - 1, 1]
    assert x.pad((1, 0), value=np.int64(2**53)).tolist() == [2**53, 1]
    for value in (2**53 + 1, -(2**62) - 1, np.int64(2**53 + 1), 10**400):
        with pytest.raises(OverflowError):
            x.pad((1, 0), value=value)
    assert mg.tensor([1.0]).pad((1, 0), value=2**53 + 1).tolist() == [2.0**53, 1.0]


@pytest.mark.parametrize("size, stride, padding, dilation", [
    (2, 2, 0, 1), (3, 2, 1, 1), (2, 1, 0, 1), ((2, 3), (1, 2), 0, 2), (1, 1, 0, 1), (3, 3, 0, 1),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_pooling_takes_the_first_largest_and_adds_gradients_in_the_order_of_places(
    size: Any, stride: Any, padding: int, dilation: int, dtype: str
) -> None:
    numbers = [0.0, -0.0, 1.0, math.nan, -1.0, math.inf, -math.inf, 2.0]
    generator = mg.RNG(4)
    data = [numbers[int(generator.random() * 8)] for _ in range(2 * 2 * 7 * 8)]
    x, y = (mg.tensor(data, dtype=dtype).reshape(2, 2, 7, 8).requires_grad_() for _ in range(2))
    pooled = F.max_pool2d(x, size, stride, padding, dilation)
    pool = Pool("max_pool2d", y, size, stride, padding, dilation, False)
    seen = pool.windows(y, -math.inf).flatten(4)
    expected = seen.gather(4, seen.argmax(4, keepdim=True)).squeeze(4)
    g = mg.randn(*expected.shape, dtype=dtype, generator=generator)
    pooled.backward(g)
    expected.backward(g)
    assert pooled.is_contiguous()
    assert str(pooled.tolist()) == str(expected.tolist())
    assert str(x.grad.tolist()) == str(y.grad.tolist())


def test_folding_a_batch_is_folding_each_image() -> None:
    x, w = mg.rand(5, 3, 70, 70), mg.rand(3, 2, 3, 3)
    whole = F.conv_transpose2d(x, w, stride=2)
    assert all((whole[i] == F.conv_transpose2d(x[i], w, stride=2)).all() for i in range(5))
