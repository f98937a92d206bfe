"""Convolution, pooling, padding and resizing along 1 to 3 axes: loops in NumPy are the oracles."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pymicrograd as mg
from pymicrograd import nn
from pymicrograd.autograd import gradcheck, gradgradcheck
from pymicrograd.errors import ArgumentError, DTypeError, ShapeError, TensorIndexError
from pymicrograd.nn import functional as F

AXES = (1, 2, 3)
SIZES = (5, 4, 3)
axes = st.sampled_from(AXES)


def normal(*shape: int, seed: int = 1, dtype: Any = mg.float64) -> Any:
    return mg.randn(*shape, dtype=dtype, generator=mg.RNG(seed))


def bits(x: Any) -> Any:
    """Return what makes two Tensors the same to the last bit."""
    return x.dtype, tuple(x.shape), x.detach().contiguous().numpy().tobytes()


def of(name: str, s: int) -> Any:
    """Return the function of so many axes."""
    return getattr(F, f"{name}{s}d")


def module(name: str, s: int) -> Any:
    """Return the module of so many axes."""
    return getattr(nn, f"{name}{s}d")


# ---- convolutions --------------------------------------------------------------------------------


def loops(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """Convolve arrays (N, C, d...) and (O, C / groups, k...)."""
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    steps = [(n - r) // step + 1 for n, r, step in zip(x.shape[2:], reach, stride, strict=True)]
    y = np.zeros((len(x), len(w), *steps))
    channels, outputs = w.shape[1], len(w) // groups
    for o, *at in np.ndindex(*y.shape[1:]):
        first = o // outputs * channels
        places = tuple(
            slice(i * step, i * step + r, d)
            for i, step, r, d in zip(at, stride, reach, dilation, strict=True)
        )
        seen = x[(slice(None), slice(first, first + channels), *places)]
        y[(slice(None), o, *at)] = (seen * w[o]).reshape(len(x), -1).sum(1)
    return y


numbers = st.integers(1, 2)
shifts = st.integers(0, 2)


@settings(max_examples=40)
@given(axes, st.data())
def test_convolutions_are_sums_over_windows(s: int, data: Any) -> None:
    draw = data.draw
    stride, dilation = (draw(st.tuples(*[numbers] * s)) for _ in range(2))
    padding, groups = draw(st.tuples(*[shifts] * s)), draw(numbers)
    kernel = draw(st.tuples(*[numbers] * s))
    x, w = normal(2, 4, *SIZES[:s]), normal(6, 4 // groups, *kernel, seed=2)
    found = of("conv", s)(x, w, None, stride, padding, dilation, groups)
    expected = loops(x.numpy(), w.numpy(), stride, padding, dilation, groups)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)
    alone = of("conv", s)(x[1], w, None, stride, padding, dilation, groups)
    assert bits(alone) == bits(found[1])


@pytest.mark.parametrize(
    ("x", "w", "how"),
    [
        ((3, 4, 9, 8), (6, 2, 3, 2), {"stride": (2, 1), "dilation": (1, 2), "groups": 2}),
        ((2, 130, 14, 13), (3, 130, 3, 3), {"padding": 1}),  # windows in several blocks
        ((2, 60, 700), (5, 60, 20), {"stride": 1}),
        ((1, 40, 5, 7, 9), (2, 40, 3, 3, 3), {"padding": 1}),
        ((1, 1, 4500), (2, 1, 3), {}),  # sums of several spans
    ],
)
@pytest.mark.parametrize("dtype", [mg.float32, mg.float64, mg.float16])
def test_gradients_of_convolutions_are_those_of_ops_one_by_one(
    x: Any, w: Any, how: Any, dtype: Any
) -> None:
    leaves = [normal(*shape, dtype=dtype).requires_grad_() for shape in (x, w)]
    y = of("conv", len(x) - 2)(*leaves, None, **how)
    seed = normal(*y.shape, seed=3, dtype=dtype)
    recorded = mg.grad(y, leaves, seed, create_graph=True)
    try:
        for count in (1, 2):
            mg.set_num_threads(count)
            found = mg.grad(y, leaves, seed, retain_graph=True)
            assert [*map(bits, found)] == [*map(bits, recorded)]
    finally:
        mg.set_num_threads(0)


@settings(max_examples=40)
@given(axes, st.data())
def test_transposed_convolutions_are_gradients_of_convolutions(s: int, data: Any) -> None:
    draw = data.draw
    stride, dilation = (draw(st.tuples(*[numbers] * s)) for _ in range(2))
    padding = draw(st.tuples(*[st.integers(0, 1)] * s))
    groups = draw(numbers)
    x, w = normal(2, 4, *(7,) * s).requires_grad_(), normal(6, 4 // groups, *(3,) * s, seed=2)
    y = of("conv", s)(x, w, None, stride, padding, dilation, groups)
    seed = normal(*y.shape, seed=3)
    (expected,) = mg.grad(y, x, seed)
    left = [
        (7 + 2 * p - 2 * d - 1) % step for p, d, step in zip(padding, dilation, stride, strict=True)
    ]
    found = of("conv_transpose", s)(seed, w, None, stride, padding, left, groups, dilation)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)


def test_axes_of_size_1_change_no_bit() -> None:
    x, w = normal(2, 4, 9, dtype=mg.float32), normal(6, 2, 3, seed=2, dtype=mg.float32)
    row = F.conv1d(x, w, None, 2, 1, 2, 2)
    image = F.conv2d(x[:, :, None], w[:, :, None], None, (1, 2), (0, 1), 2, 2)
    assert bits(row) == bits(image[:, :, 0])
    volume = F.conv3d(x[:, :, None, None], w[:, :, None, None], None, (1, 1, 2), (0, 0, 1), 2, 2)
    assert bits(row) == bits(volume[:, :, 0, 0])
    pooled = F.max_pool1d(x, 3, 2, 1), F.avg_pool1d(x, 3, 2, 1)
    images = F.max_pool2d(x[:, :, None], (1, 3), (1, 2), (0, 1))
    assert bits(pooled[0]) == bits(images[:, :, 0])
    means = F.avg_pool2d(x[:, :, None], (1, 3), (1, 2), (0, 1))
    assert bits(pooled[1]) == bits(means[:, :, 0])


@pytest.mark.parametrize("s", AXES)
@pytest.mark.parametrize("kernel", [2, 3])
def test_padding_by_name(s: int, kernel: int) -> None:
    x, w = normal(1, 2, *(6,) * s), normal(3, 2, *(kernel,) * s, seed=2)
    same = of("conv", s)(x, w, padding="same", dilation=2)
    assert same.shape == (1, 3, *(6,) * s)
    around = ((kernel - 1), (kernel - 1)) * s  # dilation 2: half of 2 * (kernel - 1)
    assert bits(same) == bits(of("conv", s)(F.pad(x, around), w, dilation=2))
    valid = of("conv", s)(x, w, padding="valid")
    assert bits(valid) == bits(of("conv", s)(x, w))


@pytest.mark.parametrize("s", AXES)
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [1, "same"])
def test_padding_modes_of_modules(s: int, mode: str, padding: Any) -> None:
    layer = module("Conv", s)(2, 3, 4, padding=padding, padding_mode=mode, dtype=mg.float64)
    x = normal(1, 2, *(6,) * s)
    around = (1, 1) * s if padding == 1 else (1, 2) * s
    expected = of("conv", s)(F.pad(x, around, mode), layer.weight, layer.bias)
    assert bits(layer(x)) == bits(expected)
    assert bits(layer(x[0])) == bits(expected[0])


@pytest.mark.parametrize("s", AXES)
def test_convolution_layers(s: int) -> None:
    layer = module("Conv", s)(4, 6, 3, groups=2, bias=True)
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert layer.weight.shape == (6, 2, *(3,) * s) and layer.bias.shape == (6,)
    bound = 1 / math.sqrt(2 * 3**s)
    assert 0.8 * bound < float(layer.weight.abs().amax()) <= bound
    assert 0.0 < float(layer.bias.abs().amax()) <= bound
    back = module("ConvTranspose", s)(4, 6, 3, groups=2, bias=False)
    assert list(back.state_dict()) == ["weight"] and back.weight.shape == (4, 3, *(3,) * s)
    bound = 1 / math.sqrt(3 * 3**s)
    assert 0.8 * bound < float(back.weight.abs().amax()) <= bound


def test_a_transposed_convolution_of_a_size_that_is_asked_for() -> None:
    layer = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)
    x = normal(1, 1, 4, 5, dtype=mg.float32)
    assert layer(x).shape == (1, 1, 7, 9)
    for size in ((8, 10), (1, 1, 8, 9)):
        assert layer(x, output_size=size).shape[2:] == size[-2:]
    assert layer(x[0], output_size=(8, 10)).shape == (1, 8, 10)
    with pytest.raises(ValueError, match="output_size 9 is not from 7 to 8"):
        layer(x, output_size=(9, 10))
    with pytest.raises(ValueError, match="has 2 or 4 sizes"):
        layer(x, output_size=(9,))


@pytest.mark.parametrize("s", AXES)
@pytest.mark.parametrize("name", ["Conv", "ConvTranspose"])
def test_lazy_layers_take_the_channels_of_their_first_input(name: str, s: int) -> None:
    layer = module(f"Lazy{name}", s)(4, 2, groups=2)
    plain = module(name, s)
    assert isinstance(layer, plain) and layer.in_channels == 0
    weight, seen = layer.weight, layer.parameters()
    with pytest.raises(ValueError, match="an input is"):
        layer(normal(6))
    with pytest.raises(ValueError, match="2 groups do not divide in_channels 5"):
        layer(normal(1, 5, *(4,) * s))
    y = layer(normal(6, *(4,) * s, dtype=mg.float32))  # without N
    assert y.shape[0] == 4 and type(layer) is plain and layer.in_channels == 6
    assert layer.weight is weight is seen[0]
    assert layer.weight.shape == ((4, 3) if name == "Conv" else (6, 2)) + (2,) * s
    assert float(layer.weight.abs().amax()) > 0.0


# ---- pooling -------------------------------------------------------------------------------------


def windows_of(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> Any:
    """Return the first place of each window, and the one behind its last, in a padded axis."""
    rest = size + 2 * padding - kernel
    count = (rest + (stride - 1 if ceil else 0)) // stride + 1
    if (count - 1) * stride >= size + padding:  # it would begin in what is padded at the end
        count -= 1
    return [(i * stride - padding, i * stride - padding + kernel) for i in range(count)]


@settings(max_examples=40)
@given(axes, st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans(), st.data())
def test_pools_reduce_windows(
    s: int, kernel: int, stride: int, ceil: bool, include: bool, data: Any
) -> None:
    padding = data.draw(st.integers(0, kernel // 2))
    x = normal(2, *SIZES[:s], seed=data.draw(st.integers(1, 99)))
    array = x.numpy()
    lists = [windows_of(n, kernel, stride, padding, ceil) for n in SIZES[:s]]
    shape = tuple(map(len, lists))
    largest, where, means = (np.zeros((2, *shape)) for _ in range(3))
    for c, *at in np.ndindex(2, *shape):
        ends = [rows[i] for rows, i in zip(lists, at, strict=True)]
        places = list(
            itertools.product(
                *[range(max(a, 0), min(b, n)) for (a, b), n in zip(ends, SIZES, strict=False)]
            )
        )
        elements = [array[(c, *place)] for place in places]
        best = places[int(np.argmax(elements))]
        inside = [min(b, n + padding) - a for (a, b), n in zip(ends, SIZES, strict=False)]
        largest[(c, *at)] = max(elements)
        where[(c, *at)] = np.ravel_multi_index(best, SIZES[:s])
        means[(c, *at)] = sum(elements) / (math.prod(inside) if include else len(elements))
    y, indices = of("max_pool", s)(x, kernel, stride, padding, 1, ceil, True)
    assert np.array_equal(y.numpy(), largest) and np.array_equal(indices.numpy(), where)
    assert bits(of("max_pool", s)(x, kernel, stride, padding, ceil_mode=ceil)) == bits(y)
    mean = of("avg_pool", s)(x, kernel, stride, padding, ceil, include)
    np.testing.assert_allclose(mean.numpy(), means, rtol=1e-12, atol=1e-12)


@settings(max_examples=40)
@given(axes, st.integers(1, 7), st.integers(1, 7))
def test_adaptive_pools_cover_the_input_with_windows(s: int, before: int, after: int) -> None:
    x = normal(2, 2, before, *SIZES[1:s])
    y, where = of("adaptive_max_pool", s)(x, (after, *SIZES[1:s]), True)
    mean = of("adaptive_avg_pool", s)(x, (after, *(None,) * (s - 1)))
    for i in range(after):
        first, end = math.floor(i * before / after), math.ceil((i + 1) * before / after)
        assert bits(y[:, :, i]) == bits(x[:, :, first:end].amax(2))
        expected = x[:, :, first:end].mean(2)
        np.testing.assert_allclose(mean[:, :, i].numpy(), expected.numpy(), rtol=1e-12, atol=1e-15)
    assert bits(x.flatten(2).gather(2, where.flatten(2))) == bits(y.flatten(2))


def test_adaptive_means_of_infinite_elements_stay_in_their_windows() -> None:
    x = mg.tensor([[[1.0, 2.0, 3.0, 4.0, math.inf]]])
    assert F.adaptive_avg_pool1d(x, 3).tolist() == [[[1.5, 3.0, math.inf]]]


@pytest.mark.parametrize("s", AXES)
def test_norms_of_windows(s: int) -> None:
    x = normal(1, 2, *SIZES[:s]).abs()
    found = of("lp_pool", s)(x, 2, 2)
    assert found.allclose((of("avg_pool", s)(x * x, 2) * 2**s).sqrt())
    assert bits(of("lp_pool", s)(-x, math.inf, 2)) == bits(of("max_pool", s)(x, 2))
    zero = mg.zeros(1, 1, *(2,) * s, requires_grad=True)
    of("lp_pool", s)(zero, 2, 2).sum().backward()
    assert not zero.grad.any()  # and not NaN


@pytest.mark.parametrize("s", AXES)
def test_unpooling_puts_elements_back(s: int) -> None:
    x = normal(2, 3, *(7,) * s)
    y, where = of("max_pool", s)(x, 2, return_indices=True)
    least = of("max_unpool", s)(y, where * 0, 2)
    assert least.shape == (2, 3, *(6,) * s)
    full = of("max_unpool", s)(y, where, 2, output_size=x.shape)
    assert full.shape == x.shape and bits(full[1]) == bits(
        of("max_unpool", s)(y[1], where[1], 2, output_size=(7,) * s)
    )
    kept = full != 0.0
    assert bits(full) == bits(x.where(kept, 0.0)) and int(kept.sum()) == y.numel()
    layer = module("MaxUnpool", s)(2)
    assert bits(layer(y, where, x.shape)) == bits(full)


def test_of_equal_indices_the_last_is_kept_and_has_the_gradient() -> None:
    # PyTorch's gradient goes to all of them, and is twice what differences of values say
    x = mg.tensor([[[1.0, 2.0, 3.0]]], requires_grad=True)
    y = F.max_unpool1d(x, mg.tensor([[[1, 1, 0]]]), 1)
    assert y.tolist() == [[[3.0, 2.0, 0.0]]]
    y.backward(mg.tensor([[[10.0, 20.0, 30.0]]]))
    assert x.grad.tolist() == [[[0.0, 20.0, 10.0]]]


@pytest.mark.parametrize("s", [2, 3])
def test_fractional_pools_follow_their_samples(s: int) -> None:
    x, samples = normal(2, 3, *(9,) * s), mg.rand(2, 3, s, dtype=mg.float64)
    pool = of("fractional_max_pool", s)
    y, where = pool(x, 2, 5, return_indices=True, _random_samples=samples)
    assert bits(x.flatten(2).gather(2, where.flatten(2))) == bits(y.flatten(2))
    layer = module("FractionalMaxPool", s)(2, output_ratio=5 / 9, _random_samples=samples)
    assert bits(layer(x)) == bits(y) and bits(layer(x[0])) == bits(y[0])
    mg.manual_seed(3)
    first = pool(x, 2, 5)
    mg.manual_seed(3)
    assert bits(pool(x, 2, 5)) == bits(first) != bits(pool(x, 2, 5))


# ---- windows and pixels in other places ----------------------------------------------------------


@given(numbers, numbers, shifts, numbers)
def test_fold_adds_what_unfold_took_apart(
    kernel: int, dilation: int, padding: int, stride: int
) -> None:
    x = normal(2, 3, 5, 4).requires_grad_()
    columns = F.unfold(x, kernel, dilation, padding, stride)
    assert bits(F.unfold(x[0], kernel, dilation, padding, stride)) == bits(columns[0])
    seed = normal(*columns.shape, seed=2)
    (expected,) = mg.grad(columns, x, seed)
    found = F.fold(seed, (5, 4), kernel, dilation, padding, stride)
    assert bits(found) == bits(expected)
    assert bits(F.fold(seed[1], (5, 4), kernel, dilation, padding, stride)) == bits(found[1])


def test_convolution_is_a_product_with_unfolded_windows() -> None:
    x, w = normal(2, 3, 6, 5), normal(4, 3, 3, 2, seed=2)
    columns = nn.Unfold((3, 2), padding=1, stride=2)(x)
    found = (w.flatten(1) @ columns).reshape(2, 4, 3, 3)
    assert bits(found) == bits(F.conv2d(x, w, None, 2, 1))


def test_shuffles() -> None:
    x = mg.arange(16).reshape(1, 4, 2, 2)
    assert F.pixel_shuffle(x, 2).tolist() == [
        [[[0, 4, 1, 5], [8, 12, 9, 13], [2, 6, 3, 7], [10, 14, 11, 15]]]
    ]
    assert bits(F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2)) == bits(x)
    assert bits(nn.PixelShuffle(2)(x[0])) == bits(F.pixel_shuffle(x, 2)[0])
    order = F.channel_shuffle(mg.arange(6).reshape(1, 6, 1), 2).flatten()
    assert order.tolist() == [0, 3, 1, 4, 2, 5]


# ---- resolution ----------------------------------------------------------------------------------


def test_resized_rows() -> None:
    x = mg.tensor([[[0.0, 4.0, 8.0]]])

    def rows(*args: Any, **options: Any) -> Any:
        return F.interpolate(x, *args, **options)[0, 0].tolist()

    assert rows(6) == rows(scale_factor=2) == [0, 0, 4, 4, 8, 8]
    assert rows(2) == [0, 4] and rows(2, mode="nearest-exact") == [0, 8]
    assert rows(6, mode="linear") == [0, 1, 3, 5, 7, 8]
    assert rows(5, mode="linear", align_corners=True) == [0, 2, 4, 6, 8]
    assert rows(1, mode="area") == [4] and rows(2, mode="area") == [2, 6]
    assert rows(scale_factor=1.7, mode="linear", recompute_scale_factor=True) == rows(
        5, mode="linear"
    )


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_planes_stay_planes_at_another_resolution(mode: str) -> None:
    rows, columns = mg.arange(8.0).reshape(-1, 1), mg.arange(6.0)
    x = (3 * rows + columns).double().reshape(1, 1, 8, 6)
    y = F.interpolate(x, (15, 11), mode=mode, align_corners=True)
    rows, columns = mg.arange(15.0).reshape(-1, 1) / 2, mg.arange(11.0) / 2
    inside = (slice(2, -2), slice(2, -2))
    expected = (3 * rows + columns).double()
    np.testing.assert_allclose(y[0, 0].numpy()[inside], expected.numpy()[inside], rtol=1e-12)


def test_antialiasing_weighs_all_that_is_covered() -> None:
    x = normal(1, 2, 8, 6)
    for mode in ("bilinear", "bicubic"):
        assert bits(F.interpolate(x, (8, 6), mode=mode, antialias=True)) == bits(x)
        flat = F.interpolate(mg.ones(1, 1, 8, 6), (3, 1), mode=mode, antialias=True)
        assert flat.allclose(mg.ones(1, 1, 3, 1))
    # PyTorch 2.13 gives the first row three times where one column is left
    narrow = F.interpolate(x, (3, 1), mode="bilinear", antialias=True)
    wide = F.interpolate(x.mT.contiguous(), (1, 3), mode="bilinear", antialias=True)
    assert narrow.allclose(wide.mT) and float((narrow[:, :, 0] - narrow[:, :, 1]).abs().amin()) > 0


def test_what_has_no_weight_may_be_infinite() -> None:
    x = mg.tensor([[[1.0, math.inf, 3.0]]])
    found = F.interpolate(x, 5, mode="linear", align_corners=True)
    assert found[0, 0].tolist() == [1.0, math.inf, math.inf, math.inf, 3.0]


def test_types_at_another_resolution() -> None:
    x = mg.tensor([[[[0, 100], [200, 255]]]], dtype=mg.uint8)
    found = F.interpolate(x, (2, 3), mode="bilinear", align_corners=True)
    assert found.dtype is mg.uint8 and found.flatten().tolist() == [0, 50, 100, 200, 228, 255]
    assert F.interpolate(x, 4, mode="bicubic").dtype is mg.uint8
    assert F.interpolate(x.long(), 4).dtype is mg.int64
    with pytest.raises(DTypeError, match="floats and uint8, not int64"):
        F.interpolate(x.long(), 4, mode="bilinear")
    large = mg.full((1, 1, 40, 40), 100.0, dtype=mg.float16)  # 65504 is the largest of all
    assert F.adaptive_avg_pool2d(large, 1).item() == F.avg_pool2d(large, 40).item() == 100.0


def test_upsampling_layers() -> None:
    x = normal(1, 2, 3, 4)
    assert bits(nn.UpsamplingNearest2d(scale_factor=2)(x)) == bits(F.upsample_nearest(x, (6, 8)))
    found = nn.UpsamplingBilinear2d((5, 7))(x)
    assert bits(found) == bits(F.interpolate(x, (5, 7), mode="bilinear", align_corners=True))
    assert bits(found) == bits(F.upsample_bilinear(x, (5, 7)))
    assert bits(nn.Upsample(6)(x)) == bits(F.upsample(x, 6))


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("s", [2, 3])
def test_samples_at_the_elements_are_the_elements(s: int, aligned: bool) -> None:
    x = normal(2, 3, *SIZES[:s])
    still = mg.eye(s, s + 1, dtype=mg.float64).expand(2, s, s + 1)
    grid = F.affine_grid(still, x.shape, aligned)
    assert grid.shape == (2, *SIZES[:s], s)
    for mode in ("bilinear", "nearest", *["bicubic"] * (s == 2)):
        assert F.grid_sample(x, grid, mode, align_corners=aligned).allclose(x)
    turned = F.grid_sample(x, -grid, "nearest", align_corners=aligned)
    assert bits(turned) == bits(x.flip(tuple(range(2, 2 + s))))


def test_samples_beyond_the_edges() -> None:
    x = mg.arange(1.0, 5.0).reshape(1, 1, 1, 4)
    places = mg.tensor([-1.0, -1.5, -2.0, 1.25, math.nan])
    grid = mg.stack([places, places * 0.0], -1).reshape(1, 1, 5, 2)

    def row(mode: str, padding_mode: str) -> Any:
        return F.grid_sample(x, grid, mode, padding_mode, False)[0, 0, 0].tolist()[:4]

    assert row("bilinear", "zeros") == [0.5, 0.0, 0.0, 0.0]
    assert row("bilinear", "border") == [1.0, 1.0, 1.0, 4.0]
    assert row("bilinear", "reflection") == [1.0, 1.5, 2.5, 4.0]
    assert F.grid_sample(x, grid, "nearest")[0, 0, 0, 4].item() == 0.0  # NaN is nowhere


# ---- padding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("s", AXES)
def test_padding_layers(s: int) -> None:
    x = normal(2, 3, *SIZES[:s])
    sides = (1, 0, 2, 1, 1, 2)[: 2 * s]
    for name, mode in (("Reflection", "reflect"), ("Replication", "replicate"),
                       ("Circular", "circular")):  # fmt: skip
        layer = module(name + "Pad", s)(sides)
        assert bits(layer(x)) == bits(F.pad(x, sides, mode))
        assert bits(layer(x[0])) == bits(F.pad(x, sides, mode)[0])
        with pytest.raises(ValueError, match="an input is"):
            layer(normal(*(2,) * (s + 3)))
    assert bits(module("ConstantPad", s)(1, 2.5)(x)) == bits(F.pad(x, (1, 1) * s, value=2.5))
    assert bits(module("ZeroPad", s)(sides)(x)) == bits(F.pad(x, sides))


# ---- derivatives ---------------------------------------------------------------------------------

CASES: dict[str, tuple[Any, tuple[tuple[int, ...], ...]]] = {
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, 2, 1, 2, 2), ((2, 4, 6), (2, 2, 2), (2,))),
    "conv3d": (lambda x, w: F.conv3d(x, w, padding="same"), ((1, 1, 2, 3, 2), (1, 1, 2, 2, 1))),
    "conv_transpose1d": (
        lambda x, w, b: F.conv_transpose1d(x, w, b, 2, 1, 1, 2), ((2, 4, 3), (4, 1, 3), (2,)),
    ),
    "conv_transpose3d": (
        lambda x, w: F.conv_transpose3d(x, w, None, 2), ((1, 1, 2, 1, 2), (1, 2, 1, 2, 2)),
    ),
    "max_pool3d": (lambda x: F.max_pool3d(x, 2, 1, 1), ((1, 1, 2, 3, 2),)),
    "avg_pool1d": (lambda x: F.avg_pool1d(x, 3, 2, 1, True, False), ((2, 2, 6),)),
    "lp_pool2d": (lambda x: F.lp_pool2d(x.abs() + 0.1, 3, 2), ((1, 2, 4, 3),)),
    "max_unpool1d": (
        lambda x: F.max_unpool1d(x, mg.tensor([[[0, 3, 3]]]), 2), ((1, 1, 3),),
    ),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (3, 2)), ((1, 2, 4, 4),)),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, (3, 2)), ((1, 2, 4, 4),)),
    "fold": (lambda x: F.fold(x, (3, 4), 2, padding=1, stride=2), ((1, 4, 6),)),
    "unfold": (lambda x: F.unfold(x, 2, padding=1, stride=2), ((1, 2, 3, 4),)),
    "nearest": (lambda x: F.interpolate(x, 5), ((1, 2, 3),)),
    "linear": (lambda x: F.interpolate(x, 5, mode="linear"), ((1, 2, 3),)),
    "bicubic": (lambda x: F.interpolate(x, (5, 2), mode="bicubic"), ((1, 1, 3, 4),)),
    "trilinear": (lambda x: F.interpolate(x, 3, mode="trilinear"), ((1, 1, 2, 2, 2),)),
    "antialias": (
        lambda x: F.interpolate(x, (2, 3), mode="bilinear", antialias=True), ((1, 1, 4, 5),),
    ),
    "circular": (lambda x: nn.CircularPad2d(1)(x), ((1, 1, 2, 3),)),
    "grid_sample": (
        lambda x, g: F.grid_sample(x, g.tanh(), padding_mode="reflection"),
        ((1, 2, 3, 4), (1, 2, 2, 2)),
    ),
    "affine_grid": (lambda x: F.affine_grid(x, (2, 1, 2, 3)), ((2, 2, 3),)),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), ((4, 1, 2),)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_two_orders(name: str) -> None:
    function, shapes = CASES[name]
    inputs = tuple(normal(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes, 1))
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


def test_batches_of_nothing() -> None:
    x, w = mg.zeros(0, 2, 6, 6), mg.zeros(3, 2, 3, 3, requires_grad=True)
    y = F.conv2d(x, w)
    assert y.shape == (0, 3, 4, 4)
    y.sum().backward()
    assert not w.grad.any()
    assert F.conv_transpose2d(y, w).shape == (0, 2, 6, 6)
    assert F.max_pool2d(x, 2).shape == F.adaptive_avg_pool2d(x, 3).shape == (0, 2, 3, 3)
    assert F.fractional_max_pool2d(x, 2, 3).shape == (0, 2, 3, 3)
    assert F.interpolate(x, 3).shape == (0, 2, 3, 3)


# ---- descriptions and refusals -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (lambda: nn.Conv1d(2, 4, 3), "Conv1d(2, 4, kernel_size=(3,), stride=(1,))"),
        (
            lambda: nn.Conv2d(2, 4, (3, 1), 2, "valid", 2, 2, False, "circular"),
            "Conv2d(2, 4, kernel_size=(3, 1), stride=(2, 2), padding=valid, dilation=(2, 2), "
            "groups=2, bias=False, padding_mode=circular)",
        ),
        (
            lambda: nn.ConvTranspose1d(2, 4, 3, 2, 1, 1),
            "ConvTranspose1d(2, 4, kernel_size=(3,), stride=(2,), padding=(1,), "
            "output_padding=(1,))",
        ),
        (lambda: nn.LazyConv1d(4, 3), "LazyConv1d(0, 4, kernel_size=(3,), stride=(1,))"),
        (
            lambda: nn.MaxPool2d(3, return_indices=True),
            "MaxPool2d(kernel_size=3, stride=3, padding=0, dilation=1, ceil_mode=False)",
        ),
        (
            lambda: nn.MaxUnpool2d(3, 2),
            "MaxUnpool2d(kernel_size=(3, 3), stride=(2, 2), padding=(0, 0))",
        ),
        (lambda: nn.AvgPool1d(2), "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"),
        (lambda: nn.AvgPool2d(2), "AvgPool2d(kernel_size=2, stride=2, padding=0)"),
        (
            lambda: nn.LPPool2d(2, 3),
            "LPPool2d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)",
        ),
        (lambda: nn.AdaptiveMaxPool2d((3, None)), "AdaptiveMaxPool2d(output_size=(3, None))"),
        (lambda: nn.FractionalMaxPool2d(2, 3), "FractionalMaxPool2d()"),
        (
            lambda: nn.Fold((4, 5), 2),
            "Fold(output_size=(4, 5), kernel_size=2, dilation=1, padding=0, stride=1)",
        ),
        (lambda: nn.Upsample(scale_factor=2), "Upsample(scale_factor=2.0, mode='nearest')"),
        (lambda: nn.UpsamplingBilinear2d(4), "UpsamplingBilinear2d(size=4, mode='bilinear')"),
        (lambda: nn.PixelUnshuffle(2), "PixelUnshuffle(downscale_factor=2)"),
        (lambda: nn.ChannelShuffle(2), "ChannelShuffle(groups=2)"),
        (lambda: nn.ConstantPad1d(2, 3.5), "ConstantPad1d(padding=(2, 2), value=3.5)"),
        (lambda: nn.ZeroPad2d((1, 0, 2, 1)), "ZeroPad2d((1, 0, 2, 1))"),
        (lambda: nn.ReflectionPad1d(1), "ReflectionPad1d((1, 1))"),
    ],
)
def test_descriptions_are_pytorchs(layer: Any, text: str) -> None:
    assert repr(layer()) == text


row, image, volume = mg.ones(1, 2, 5), mg.ones(1, 2, 5, 5), mg.ones(1, 2, 5, 5, 5)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.conv1d(image, mg.ones(1, 2, 1)), ShapeError, r"\(N, C, L\) or \(C, L\)"),
        (lambda: F.conv1d(row, image), ShapeError, "a weight has 3 axes"),
        (lambda: F.conv1d(row, mg.ones(3, 1, 1)), ShapeError, "2 channels != 1"),
        (lambda: F.conv1d(row, mg.ones(3, 2, 6)), ShapeError, "a window of 6 does not fit into 5"),
        (lambda: F.conv1d(row, mg.ones(3, 2, 1), groups=3), ShapeError, "3 groups do not divide"),
        (lambda: F.conv1d(row, mg.ones(3, 2, 1), mg.ones(2)), ShapeError, "bias has shape"),
        (lambda: F.conv1d(row, mg.ones(3, 2, 1).double()), DTypeError, "weight is of float64"),
        (lambda: F.conv3d(volume, mg.ones(3, 2, 1, 1, 1), stride=(1, 2)), ValueError, "no three"),
        (lambda: F.conv1d(row, mg.ones(3, 2, 1), stride=(1, 2)), ValueError, "is no number"),
        (lambda: F.conv1d(row, mg.ones(3, 2, 1), dilation=0), ValueError, "not above 0"),
        (lambda: F.conv_transpose1d(row, mg.ones(2, 1, 1), padding=3), ShapeError, "nothing of 5"),
        (lambda: F.max_pool3d(volume, 2, padding=2), ArgumentError, "more than half"),
        (lambda: F.max_pool1d(mg.ones(1, 0, 5), 2), ShapeError, "a channel or more"),
        (lambda: F.avg_pool2d(image, 2, divisor_override=0), ArgumentError, "is not 0"),
        (
            lambda: F.max_unpool1d(row, mg.zeros(1, 2, 4).long(), 2), ShapeError, "indices of",
        ),
        (
            lambda: F.max_unpool1d(row, mg.full((1, 2, 5), 10), 2), TensorIndexError, "10 elements",
        ),
        (
            lambda: F.max_unpool1d(row, row.long(), 2, output_size=(13,)), ValueError, "between 8",
        ),
        (lambda: F.adaptive_avg_pool1d(row, -1), ArgumentError, "cannot become"),
        (lambda: F.adaptive_max_pool2d(image, (1, 2, 3)), ValueError, "no two of them"),
        (lambda: F.fractional_max_pool2d(image, 2), ArgumentError, "output_ratio is needed"),
        (lambda: F.fractional_max_pool2d(image, 2, 5), ShapeError, "too many for 5"),
        (lambda: F.unfold(row[0], 2), ShapeError, "unfold: an input is"),
        (lambda: F.fold(mg.ones(1, 4, 5), (3, 3), 2), ShapeError, "not of 2 x 2 windows"),
        (lambda: F.fold(mg.ones(1, 3, 4), (3, 3), 2), ShapeError, "of 2 x 2 elements"),
        (lambda: F.pixel_shuffle(image, 2), ShapeError, r"2 \* 2 does not divide 2 channels"),
        (lambda: F.pixel_unshuffle(image, 2), ShapeError, "does not divide 5 rows"),
        (lambda: F.channel_shuffle(image, 3), ShapeError, "3 groups do not divide 2"),
        (lambda: F.pixel_shuffle(image, 0), ArgumentError, "not above 0"),
        (lambda: F.interpolate(row), ValueError, "one of size and scale_factor"),
        (lambda: F.interpolate(row, 2, 2), ValueError, "one of size and scale_factor"),
        (lambda: F.interpolate(row, (2, 2)), ValueError, "spatial sizes"),
        (lambda: F.interpolate(image, 2, mode="linear"), NotImplementedError, "for 1 axes"),
        (lambda: F.interpolate(row, 2, mode="cubic"), NotImplementedError, "none of 'nearest'"),
        (lambda: F.interpolate(row, 2, align_corners=True), ValueError, "align_corners"),
        (lambda: F.interpolate(row, 2, antialias=True), ValueError, "antialias"),
        (lambda: F.interpolate(row, 0), ShapeError, "cannot become"),
        (
            lambda: F.interpolate(row, 2, recompute_scale_factor=True), ValueError, "recompute",
        ),
        (lambda: F.grid_sample(image, mg.ones(1, 2, 2, 3)), ShapeError, "places of 3 numbers"),
        (lambda: F.grid_sample(image, mg.ones(2, 2, 2, 2)), ShapeError, "do not fit"),
        (lambda: F.grid_sample(image, mg.ones(1, 2, 2, 2), "linear"), ValueError, "none of 'bil"),
        (
            lambda: F.grid_sample(volume, mg.ones(1, 2, 2, 2, 3), "bicubic"), ValueError, "images",
        ),
        (lambda: F.affine_grid(mg.ones(1, 2, 3), (2, 1, 2, 2)), ShapeError, "does not fit"),
        (lambda: nn.Conv2d(3, 4, 2, groups=2), ValueError, "2 groups do not divide"),
        (lambda: nn.Conv2d(3, 4, 2, padding_mode="same"), ValueError, "none of 'zeros'"),
        (lambda: nn.Conv2d(3, 4, 2, 2, "same"), ValueError, "Conv2d: padding 'same'"),
        (
            lambda: nn.ConvTranspose2d(3, 4, 2, padding_mode="reflect"), ValueError, "is 'zeros'",
        ),
        (lambda: nn.FractionalMaxPool2d(2), ValueError, "one of output_size"),
        (lambda: nn.FractionalMaxPool2d(2, output_ratio=2), ValueError, "between 0 and 1"),
        (lambda: nn.MaxPool2d(), TypeError, "MaxPool2d: missing"),
        (lambda: nn.ReflectionPad2d((1, 2, 3)), ValueError, "is no number"),
    ],
)  # fmt: skip
def test_what_does_not_fit(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
