"""Modules of Tensors: what they compute, what they hold, how they are put together."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pymicrograd as mg
from pymicrograd import nn
from pymicrograd.autograd import gradcheck
from pymicrograd.nn import functional, init, utils
from pymicrograd.nn.utils import rnn
from pymicrograd.nn.utils.stateless import functional_call


def bits(x: Any) -> Any:
    """Return what makes two Tensors the same to the last bit."""
    return x.dtype, tuple(x.shape), x.detach().numpy().tobytes()


def normal(*shape: int, seed: int = 1, dtype: Any = mg.float64) -> Any:
    return mg.randn(*shape, dtype=dtype, generator=mg.RNG(seed))


# ---- convolutions


# Images, kernels, stride, groups; so large that windows go in blocks, and k above 4096.
@pytest.mark.parametrize(
    ("images", "kernels", "stride", "groups"),
    [((2, 16, 60, 60), (32, 16, 3, 3), 1, 1), ((1, 64, 56, 56), (8, 32, 3, 3), 1, 2),
     ((2, 500, 6, 6), (4, 500, 3, 3), 1, 1), ((5, 1, 28, 28), (20, 1, 5, 5), 2, 1)],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
def test_a_convolution_is_a_product_with_columns(
    images: Any, kernels: Any, stride: int, groups: int, dtype: Any
) -> None:
    found = []
    for threads in (1, 2):
        for by_columns in (False, True):
            x = normal(*images, dtype=dtype).requires_grad_()
            w = normal(*kernels, seed=2, dtype=dtype).requires_grad_()
            mg.set_num_threads(threads)
            if by_columns:
                columns = functional.unfold(x, kernels[2:], padding=1, stride=stride)
                columns = columns.reshape(images[0], groups, -1, columns.shape[-1])
                y = w.reshape(groups, kernels[0] // groups, -1) @ columns
            else:
                y = functional.conv2d(x, w, stride=stride, padding=1, groups=groups)
            y.square().sum().backward()
            found.append([bits(made.flatten()) for made in (y, x.grad, w.grad)])
    mg.set_num_threads(0)
    assert found[1:] == found[:1] * 3


# ---- derivatives

# Layers in float64, and the shape of what they are called with.
LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "Linear": (lambda: nn.Linear(3, 2), (4, 3)),
    "LayerNorm": (lambda: nn.LayerNorm((2, 3)), (4, 2, 3)),
    "RMSNorm": (lambda: nn.RMSNorm(3), (4, 3)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (5, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), (3, 2, 2, 2)),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(2, affine=True), (2, 2, 4)),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3), (2, 4, 3)),
    "PReLU": (lambda: nn.PReLU(3), (4, 3)),
    "RNN": (lambda: nn.RNN(3, 2, 2, bidirectional=True), (3, 2, 3)),
    "LSTM": (lambda: nn.LSTM(3, 3, proj_size=2), (3, 2, 3)),
    "GRU": (lambda: nn.GRU(3, 2), (3, 2, 3)),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(4, 2, 5, 0.0), (3, 2, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_layers(name: str) -> None:
    make, shape = LAYERS[name]
    layer = make().double()
    x = normal(*shape).requires_grad_()
    names = [name for name, _ in layer.named_parameters()]
    parameters = layer.parameters()

    def call(x: Any, *others: Any) -> Any:
        found = functional_call(layer, dict(zip(names, others, strict=True)), x)
        return found[0] if isinstance(found, tuple) else found

    assert gradcheck(call, (x, *parameters))
    assert list(map(id, layer.parameters())) == list(map(id, parameters))


# ---- what single layers do


def test_linear() -> None:
    layer = nn.Linear(3, 2).double()
    x = normal(4, 3)
    assert bits(layer(x)) == bits(functional.linear(x, layer.weight, layer.bias))
    assert repr(layer) == "Linear(in_features=3, out_features=2, bias=True)"
    assert nn.Linear(3, 2, bias=False).bias is None
    many = nn.Linear(100, 50)
    largest = float(many.weight.abs().amax())
    assert 0.095 < largest <= 0.1 and float(many.bias.abs().amax()) <= 0.1
    with pytest.raises(ValueError, match="do not fit"):
        layer(normal(4, 2))


def test_lazy_layers_take_the_size_of_their_first_input() -> None:
    layer: Any = nn.LazyLinear(2, dtype=mg.float64)
    parameter = layer.weight
    optimizer_sees = layer.parameters()
    assert repr(parameter) == "<UninitializedParameter>"
    assert layer(normal(4, 3)).shape == (4, 2)
    assert type(layer) is nn.Linear and layer.weight is parameter is optimizer_sees[0]
    assert layer.weight.shape == (2, 3) and type(parameter) is nn.Parameter
    for axes, kind in enumerate((nn.LazyInstanceNorm1d, nn.LazyInstanceNorm2d), 1):
        for shape in ((5, 4, *[3] * axes), (4, *[3] * axes)):  # with a batch and without
            lazy: Any = kind(track_running_stats=False)
            x, whole = mg.randn(shape), getattr(nn, kind.__name__[4:])(4, affine=True)
            assert lazy(x).tolist() == whole(x).tolist() and type(lazy) is type(whole)
            assert repr(lazy) == repr(whole) and lazy.weight.shape == (4,)
    norm: Any = nn.LazyBatchNorm1d()
    norm(normal(4, 3, dtype=mg.float32))
    assert type(norm) is nn.BatchNorm1d and norm.running_var.shape == (3,)


EMPTY = {
    "group_norm": lambda x: functional.group_norm(x, 2),
    "instance_norm": functional.instance_norm,
    "local_response_norm": lambda x: functional.local_response_norm(x, 2),
    "batch_norm": lambda x: functional.batch_norm(x, None, None, training=True),
    "max_unpool2d": lambda x: functional.max_unpool2d(x, x.long(), 1),
    "grid_sample": lambda x: functional.grid_sample(x, mg.zeros(0, 3, 5, 2)),
    "GRU": lambda x: mg.nn.GRU(5, 4, bidirectional=True, batch_first=True)(x[:, 0])[0],
}


@pytest.mark.parametrize("call", EMPTY.values(), ids=EMPTY)
def test_a_batch_of_none_has_a_result_of_none(call: Any) -> None:
    x = mg.zeros(0, 4, 3, 5, requires_grad=True)
    y = call(x)
    assert y.shape[0] == 0 and y.shape[1] in (3, 4)
    y.sum().backward()
    assert x.grad.shape == x.shape


def test_batch_norm_follows_the_batches() -> None:
    norm = nn.BatchNorm1d(2, momentum=0.5).double()
    x = normal(8, 2) * 3 + 1
    y = norm(x)
    assert float(y.mean(0).abs().amax()) < 1e-12
    assert norm.running_mean.allclose(x.mean(0) * 0.5)
    assert norm.running_var.allclose(x.var(0) * 0.5 + 0.5)
    assert int(norm.num_batches_tracked) == 1
    norm.eval()
    expected = (x - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
    assert norm(x).allclose(expected) and int(norm.num_batches_tracked) == 1
    assert list(norm.state_dict()) == [
        "weight", "bias", "running_mean", "running_var", "num_batches_tracked",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="expected 2D or 3D input"):
        norm(normal(1, 2, 2, 2))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm.train()(normal(1, 2))


@pytest.mark.parametrize("kind", [mg.float16, mg.bfloat16, mg.float32, mg.float64])
def test_parameters_of_a_batch_norm_promote(kind: Any) -> None:
    """As + and * do, whichever of weight and bias there are."""
    x = normal(4, 3, 2).to(kind).requires_grad_()
    weight, bias = (mg.ones(3, dtype=mg.float64, requires_grad=True) for _ in range(2))
    for given_ones in ((weight, bias), (weight, None), (None, bias)):
        y = functional.batch_norm(x, None, None, *given_ones, training=True)
        y.sum().backward()
        assert y.dtype is mg.float64 and x.grad.dtype is kind


@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_dropout_keeps_the_mean_and_its_seed(seed: int, p: float) -> None:
    x = mg.ones(2000)
    layer = nn.Dropout(p)
    mg.manual_seed(seed)
    first = layer(x)
    mg.manual_seed(seed)
    assert bits(layer(x)) == bits(first)
    kept = float((first != 0).sum()) / 2000
    assert abs(kept - (1 - p)) < 0.08
    scale = float(mg.tensor(1 / (1 - p))) if p < 1 else 0.0
    assert set(first.tolist()) <= {0.0, scale}
    assert layer.eval()(x) is x
    with pytest.raises(ValueError, match="between 0 and 1, but got 2"):
        nn.Dropout(2)


def test_dropout_of_channels_drops_them_whole() -> None:
    y = nn.Dropout2d(0.5)(mg.ones(4, 8, 3, 3)).reshape(32, 9)
    assert all(len(set(row)) == 1 for row in y.tolist())


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bags(mode: str) -> None:
    bag = nn.EmbeddingBag(6, 3, mode=mode).double()
    rows = bag.weight.detach()
    found = bag(mg.tensor([0, 5, 2, 2]), mg.tensor([0, 2, 2]))
    reduce = {"sum": lambda t: t.sum(0), "mean": lambda t: t.mean(0), "max": lambda t: t.amax(0)}
    assert bits(found[0]) == bits(reduce[mode](rows[[0, 5]]))
    assert found[1].tolist() == [0.0] * 3
    assert bits(found[2]) == bits(reduce[mode](rows[[2, 2]]))


def test_embedding() -> None:
    table = nn.Embedding(5, 3, padding_idx=1)
    assert table.weight[1].tolist() == [0.0] * 3
    table(mg.tensor([[1, 2], [2, 4]])).sum().backward()
    assert table.weight.grad.sum(1).tolist() == [0.0, 0.0, 6.0, 0.0, 3.0]
    small = nn.Embedding(5, 3, max_norm=1.0)
    init.ones_(small.weight)
    assert abs(float((small(mg.tensor([2])) ** 2).sum()) - 1.0) < 1e-5
    assert small.weight[3].tolist() == [1.0] * 3  # which was not used
    with pytest.raises(IndexError):
        table(mg.tensor([5]))
    with pytest.raises(TypeError, match="numbers of rows are integers, not float32"):
        table(mg.tensor([1.0]))


# ---- recurrent layers


@pytest.mark.parametrize(
    ("layer", "cell"), [(nn.RNN, nn.RNNCell), (nn.GRU, nn.GRUCell), (nn.LSTM, nn.LSTMCell)]
)
def test_a_layer_is_its_cell_step_by_step(layer: Any, cell: Any) -> None:
    whole, one = layer(3, 4).double(), cell(3, 4).double()
    state = whole.state_dict()
    one.load_state_dict({name.removesuffix("_l0"): entry for name, entry in state.items()})
    x = normal(5, 2, 3)
    outputs, last = whole(x)
    state = None
    for t in range(5):
        state = one(x[t], state)
        assert bits(outputs[t]) == bits(state[0] if isinstance(state, tuple) else state)
    for a, b in zip(last, state, strict=True) if isinstance(last, tuple) else [(last[0], state)]:
        assert bits(a.reshape(2, 4)) == bits(b)


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    kind=st.sampled_from([nn.RNN, nn.GRU, nn.LSTM]),
    layers=st.integers(1, 2),
    both=st.booleans(),
)
def test_packed_sequences_are_each_alone(lengths: Any, kind: Any, layers: int, both: bool) -> None:
    net = kind(3, 2, layers, bidirectional=both).double()
    sequences = [normal(n, 3, seed=n + i) for i, n in enumerate(lengths)]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    found, last = net(packed)
    items = rnn.unpack_sequence(found)
    for i, x in enumerate(sequences):
        alone, alone_last = net(x)
        assert bits(items[i]) == bits(alone)
        for a, b in zip(last, alone_last, strict=True) if kind is nn.LSTM else [(last, alone_last)]:
            assert bits(a[:, i].contiguous()) == bits(b)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.booleans())
def test_sequences_are_padded_and_packed_and_back(lengths: Any, batch_first: bool) -> None:
    sequences = [normal(n, 2, seed=i + 1) for i, n in enumerate(lengths)]
    padded = rnn.pad_sequence(sequences, batch_first, -1.0)
    assert padded.shape[1 if batch_first else 0] == max(lengths)
    for x, y in zip(sequences, rnn.unpad_sequence(padded, lengths, batch_first), strict=True):
        assert bits(x) == bits(y.contiguous())
    packed = rnn.pack_padded_sequence(padded, lengths, batch_first, enforce_sorted=False)
    again, counts = rnn.pad_packed_sequence(packed, batch_first, -1.0)
    assert bits(again) == bits(padded) and counts.tolist() == lengths


def test_what_recurrent_layers_refuse() -> None:
    with pytest.raises(TypeError, match="input_size should be of type int, got: float"):
        nn.LSTM(3.0, 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_layers must be greater than zero"):
        nn.GRU(3, 5, 0)
    with pytest.raises(ValueError, match="Unknown nonlinearity"):
        nn.RNN(3, 5, nonlinearity="sin")
    with pytest.raises(RuntimeError, match="does not match weight dtype"):
        nn.GRU(3, 5)(normal(2, 2, 3))
    with pytest.raises(RuntimeError, match="Expected 3, got 4"):
        nn.GRU(3, 5)(normal(2, 2, 4, dtype=mg.float32))


# ---- attention


@given(st.booleans(), st.booleans(), st.sampled_from([None, 0.5]))
def test_scaled_dot_product_attention(causal: bool, hides: bool, scale: float | None) -> None:
    q, k, v = normal(2, 3, 4), normal(2, 5, 4, seed=2), normal(2, 5, 6, seed=3)
    scores = q @ k.mT * (0.5 if scale is None else scale)
    mask: Any = None
    if causal:
        scores = mg.where(mg.ones(3, 5, dtype=mg.bool_).tril(), scores, -math.inf)
    elif hides:
        mask = mg.tensor([True, False, True, True, False])
        scores = mg.where(mask, scores, -math.inf)
    found = functional.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale)
    assert found.allclose(scores.softmax(-1) @ v)


def test_a_query_that_sees_nothing_gets_zeros() -> None:
    q = normal(2, 4).requires_grad_()
    mask = mg.tensor([[True, True], [False, False]])
    found = functional.scaled_dot_product_attention(q, q, q, mask)
    assert found[1].tolist() == [0.0] * 4
    found.sum().backward()
    assert bool(q.grad.isfinite().all())


def test_masks_of_multihead_attention() -> None:
    layer = nn.MultiheadAttention(4, 2, batch_first=True).double()
    x = normal(1, 3, 4)
    hidden = mg.tensor([[False, False, True]])
    short, _ = layer(x[:, :2], x[:, :2], x[:, :2])
    masked, weights = layer(x, x, x, key_padding_mask=hidden)
    assert masked[:, :2].allclose(short) and weights[0, :, 2].tolist() == [0.0] * 3
    assert list(layer.state_dict()) == [
        "in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias",
    ]  # fmt: skip


# ---- modules that hold modules


def test_sequential() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    assert [name for name, _ in net.named_parameters()] == [
        "0.weight", "0.bias", "2.weight", "2.bias",
    ]  # fmt: skip
    x = normal(4, 2, dtype=mg.float32)
    assert bits(net(x)) == bits(net[2](net[1](net[0](x))))
    assert len(net[:2]) == 2 and net[-1] is net[2] and list(net[1:]) == [net[1], net[2]]
    net.append(nn.ReLU()).insert(0, nn.Identity())
    assert [type(m).__name__ for m in net] == ["Identity", "Linear", "Tanh", "Linear", "ReLU"]
    del net[0]
    assert repr(net[1:]) == "Sequential(\n  (1): Tanh()\n  (2): Linear(in_features=3, " + (
        "out_features=1, bias=True)\n  (3): ReLU()\n)"
    )
    named = nn.Sequential({"first": nn.Identity(), "second": nn.Tanh()})
    assert [name for name, _ in named.named_children()] == ["first", "second"]
    with pytest.raises(TypeError, match="Sequential holds modules, and function is none"):
        nn.Sequential(lambda x: x)
    with pytest.raises(IndexError, match="index 9 is out of range of 4 items"):
        net[9]


def test_lists_and_dicts_of_modules_and_parameters() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.layers = nn.ModuleList([nn.Linear(2, 2)])
            self.layers += [nn.Linear(2, 1, bias=False)]
            self.heads = nn.ModuleDict({"a": nn.Linear(1, 1)})
            self.heads["b"] = nn.Identity()
            self.free = nn.ParameterList([mg.ones(2), mg.zeros(1)])
            self.table = nn.ParameterDict({"w": mg.ones(1)})

    net = Net()
    names = [name for name, _ in net.named_parameters()]
    assert names == [
        "layers.0.weight", "layers.0.bias", "layers.1.weight", "heads.a.weight", "heads.a.bias",
        "free.0", "free.1", "table.w",
    ]  # fmt: skip
    assert "b" in net.heads and list(net.heads) == ["a", "b"] and len(net.layers) == 2
    assert all(isinstance(p, nn.Parameter) for p in net.parameters())
    assert net.get_submodule("layers.1") is net.layers[1]
    assert net.get_parameter("table.w") is net.table["w"]
    with pytest.raises(AttributeError, match="has no attribute `c`"):
        net.get_submodule("heads.c")
    with pytest.raises(TypeError, match="ModuleList holds modules, and int is none"):
        net.layers.append(1)


def test_parameters_come_before_modules_as_in_pytorch() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(1, 1)
            self.scale = nn.Parameter(mg.ones(1))
            self.frozen = nn.Parameter(mg.ones(1), requires_grad=False)
            self.seen = nn.Buffer(mg.zeros(1))

    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "scale", "frozen", "inner.weight", "inner.bias",
    ]  # fmt: skip
    assert [name for name, _ in net.named_buffers()] == ["seen"]
    first = net.parameters()
    assert next(first) is net.scale and next(first) is net.frozen and len(first) == 4
    assert len(list(first)) == 4


def test_copies_of_parameters_are_parameters() -> None:
    layer = nn.Linear(2, 1)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(other.weight) is nn.Parameter and other.weight.requires_grad
        assert bits(other.weight) == bits(layer.weight) and other.weight is not layer.weight


def test_types_change_in_place() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    weight = net[0].weight
    net(normal(3, 2, dtype=mg.float32)).sum().backward()
    assert net.to(mg.float64) is net and net.to("cpu") is net
    assert net[0].weight is weight and weight.dtype is weight.grad.dtype is mg.float64
    assert net[1].running_mean.dtype is mg.float64
    assert net[1].num_batches_tracked.dtype is mg.int64
    assert net.float()[2].bias.dtype is mg.float32
    assert net.half()[2].bias.dtype is mg.float16
    assert net.bfloat16()[2].bias.dtype is mg.bfloat16


IMAGE, ROWS = (2, 4, 6, 6), (2, 5, 8)
OF_BFLOAT16: dict[str, tuple[Any, tuple[int, ...]]] = {
    "Linear": (lambda: nn.Linear(8, 3), ROWS),
    "Conv2d": (lambda: nn.Conv2d(4, 3, 3, padding=1, stride=2), IMAGE),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 3, 3), IMAGE),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4), IMAGE),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), IMAGE),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4), IMAGE),
    "LayerNorm": (lambda: nn.LayerNorm(8), ROWS),
    "RMSNorm": (lambda: nn.RMSNorm(8), ROWS),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(2), IMAGE),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGE),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "LSTM": (lambda: nn.LSTM(8, 4), ROWS),
    "GRU": (lambda: nn.GRU(8, 4), ROWS),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2), ROWS),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), ROWS),
    "GELU": (lambda: nn.GELU(), ROWS),
    "Softmax": (lambda: nn.Softmax(-1), ROWS),
    "PReLU": (lambda: nn.PReLU(), ROWS),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_attention_rounds_once(dtype: str) -> None:
    q, k, v = (3 * mg.randn(2, 5, 8, dtype=dtype) for _ in range(3))
    attend = nn.functional.scaled_dot_product_attention
    found, wide = attend(q, k, v), attend(q.float(), k.float(), v.float())
    assert found.tolist() == wide.to(dtype).tolist()


@pytest.mark.parametrize("name", OF_BFLOAT16)
def test_layers_of_bfloat16(name: str) -> None:
    """Near those of float32: 8 bits are left of each result."""
    make, shape = OF_BFLOAT16[name]
    mg.manual_seed(3)
    layer, x = make(), mg.randn(*shape).bfloat16()
    inputs = 3 if name == "MultiheadAttention" else 1
    found = []
    for kind in (mg.bfloat16, mg.float32):
        layer.to(kind)
        leaf = x.to(kind).clone().requires_grad_()
        y = layer(*[leaf] * inputs)
        y = y[0] if isinstance(y, tuple) else y
        weight = mg.arange(y.numel()).remainder(7).reshape(*y.shape).to(kind)
        (y * weight).sum().backward()
        assert y.dtype is leaf.grad.dtype is kind
        assert all(p.grad.dtype is kind for p in layer.parameters())
        found.append((y.detach().float(), leaf.grad.float()))
    for narrow, wide in zip(*found, strict=True):
        assert (narrow - wide).abs().max() < 0.1 * wide.abs().max() + 0.02


# ---- hooks


def test_hooks_see_and_replace() -> None:
    layer = nn.Linear(2, 2, bias=False)
    seen: list[Any] = []
    pre = layer.register_forward_pre_hook(lambda m, args: seen.append(args) or (args[0] * 2,))
    after = layer.register_forward_hook(lambda m, args, out: out + 1)
    x = normal(3, 2, dtype=mg.float32)
    assert layer(x).allclose(functional.linear(x * 2, layer.weight) + 1)
    pre.remove()
    with after:
        pass
    assert bits(layer(x)) == bits(functional.linear(x, layer.weight)) and len(seen) == 1


def test_backward_hooks_see_both_gradients() -> None:
    layer = nn.Linear(2, 3)
    x = normal(4, 2, dtype=mg.float32).requires_grad_()
    seen: list[Any] = []
    layer.register_full_backward_hook(lambda m, inner, outer: seen.append((inner, outer)))
    double = layer.register_full_backward_pre_hook(lambda m, outer: (outer[0] * 2,))
    layer(x).sum().backward()
    assert seen[0][1][0].tolist() == [[2.0] * 3] * 4
    assert bits(seen[0][0][0]) == bits(x.grad)
    double.remove()
    layer.register_full_backward_hook(lambda m, inner, outer: (inner[0] * 0,))
    x.grad = None
    layer(x).sum().backward()
    assert x.grad.tolist() == [[0.0] * 2] * 4


def test_hooks_of_networks_of_values() -> None:
    net = nn.MLP(2, [3, 1])
    expected, seen = net([1.0, 2.0]).data, []
    net.layers[0].register_forward_hook(lambda m, args, out: seen.append(len(out)))
    net.register_forward_hook(lambda m, args, out: out * 2)
    assert net([1.0, 2.0]).data == expected * 2 and seen == [3]


# ---- both kinds


def test_activations_and_losses_of_values() -> None:
    x = [mg.Value(-1.0), mg.Value(2.0)]
    assert [v.data for v in nn.ReLU()(x)] == [0.0, 2.0]
    assert nn.Tanh()(x[1]).data == math.tanh(2.0)
    assert abs(sum(v.data for v in nn.Softmax()(x)) - 1.0) < 1e-15
    assert nn.CrossEntropyLoss()(x, 1).data == nn.cross_entropy(x, 1).data
    assert nn.MSELoss()(x, [0.0, 0.0]).data == 2.5
    net = nn.Sequential(nn.Layer(2, 3), nn.ReLU(), nn.Layer(3, 1))
    assert len(net.parameters()) == 13 and isinstance(net([0.5, -0.5]), mg.Value)


# ---- utils and init


def test_gradients_are_clipped() -> None:
    layer = nn.Linear(2, 2)
    for p in layer.parameters():
        p.grad = mg.full_like(p, 3.0)
    total = utils.clip_grad_norm_(layer.parameters(), 1.0)
    assert abs(float(total) - 3 * math.sqrt(6)) < 1e-5
    assert abs(float(utils.get_total_norm([p.grad for p in layer.parameters()])) - 1) < 1e-5
    utils.clip_grad_value_(layer.parameters(), 0.1)
    assert float(layer.weight.grad.amax()) == float(mg.tensor(0.1))
    layer.weight.grad.fill_(math.inf)
    with pytest.raises(RuntimeError, match="nothing was clipped"):
        utils.clip_grad_norm_(layer.parameters(), 1.0, error_if_nonfinite=True)


def test_parameters_as_a_vector() -> None:
    layer = nn.Linear(2, 3)
    vector = utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (9,)
    utils.vector_to_parameters(vector * 2, layer.parameters())
    assert bits(layer.bias) == bits((vector * 2)[6:])
    with pytest.raises(ValueError, match=r"shape \(8,\) is not \(9,\)"):
        utils.vector_to_parameters(vector[:8], layer.parameters())


@pytest.mark.parametrize(
    ("name", "largest"),
    [("xavier_uniform_", math.sqrt(6 / 300)), ("kaiming_uniform_", math.sqrt(6 / 200))],
)
def test_initial_values_keep_their_bounds(name: str, largest: float) -> None:
    w = getattr(init, name)(mg.empty(100, 200))
    assert 0.99 * largest < float(w.abs().amax()) <= largest


def test_initial_values() -> None:
    w = init.orthogonal_(mg.empty(3, 5, dtype=mg.float64))
    assert (w @ w.mT).allclose(mg.eye(3, dtype=mg.float64), atol=1e-12)
    assert float(init.trunc_normal_(mg.empty(1000), a=-0.5, b=0.5).abs().amax()) <= 0.5
    assert init.eye_(mg.empty(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    x = normal(1, 2, 4)
    assert init.calculate_gain("tanh") == 5 / 3 and x.shape == (1, 2, 4)
    assert (init.sparse_(mg.empty(10, 4), 0.3) == 0).sum(0).tolist() == [3] * 4
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_normal_(mg.empty(3))


def test_adaptive_softmax_is_a_softmax_of_groups() -> None:
    mg.manual_seed(3)
    layer = nn.AdaptiveLogSoftmaxWithLoss(6, 11, [3, 5], div_value=2.0, head_bias=True)
    layer = layer.double()
    x = mg.randn(20, 6, dtype=mg.float64, requires_grad=True)
    target = mg.cat([mg.arange(11), mg.randint(0, 11, (9,))])
    whole = layer.log_prob(x)
    assert whole.exp().sum(1).allclose(mg.ones(20, dtype=mg.float64))
    output, loss = layer(x, target)
    wanted = whole.gather(1, target.unsqueeze(1)).squeeze(1)
    assert output.allclose(wanted) and loss.item() == pytest.approx(-wanted.mean().item())
    parts = [x, *layer.parameters()]
    for found, other in zip(mg.autograd.grad(loss, parts), mg.autograd.grad(-wanted.mean(), parts),
                            strict=True):  # fmt: skip
        assert found.allclose(other)
    assert layer.predict(x).tolist() == whole.argmax(1).tolist()
    assert layer(x[0], target[0]).output.item() == pytest.approx(wanted[0].item())
    for wrong, text in (
        ((x, target + 1), "target 11 is not from 0 to 10"),
        ((x, target[:3]), "does not go with"),
        ((x[:, :5], target), "in_features=6"),
        ((x, x[:, 0]), "targets are classes"),
    ):
        with pytest.raises(RuntimeError, match=text):
            layer(*wrong)
    with pytest.raises(ValueError, match="cutoffs are rising integers"):
        nn.AdaptiveLogSoftmaxWithLoss(6, 11, [3, 11])
