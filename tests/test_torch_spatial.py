"""Functions with axes in space against PyTorch where that is installed: values and gradients.

Both compute float64 in orders of their own: 1e-9 of the largest element is some thousand roundings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pymicrograd
from pymicrograd.nn import functional as F

torch = pytest.importorskip("torch", reason="the oracle: pip install torch")

axes = st.sampled_from([1, 2, 3])
small = st.integers(1, 3)
SIZES = (7, 5, 6, 4)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def compare(name: str, arrays: tuple[np.ndarray, ...], *args: Any, **options: Any) -> None:
    """Compare what both libraries' functions make of arrays, and its gradients by these."""
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    ours = [pymicrograd.tensor(x, requires_grad=True) for x in arrays]
    a = getattr(torch.nn.functional, name)(*theirs, *args, **options)
    b = getattr(F, name)(*ours, *args, **options)
    if isinstance(a, tuple):
        assert np.array_equal(b[1].numpy(), a[1].numpy())
        a, b = a[0], b[0]
    assert b.shape == tuple(a.shape)
    same(b, a)
    seed = normal(*b.shape, seed=9)
    gradients = torch.autograd.grad(a, theirs, torch.tensor(seed))
    for mine, its in zip(
        pymicrograd.grad(b, ours, pymicrograd.tensor(seed)), gradients, strict=True
    ):
        same(mine, its)


def same(mine: Any, its: Any) -> None:
    """Compare elements, up to roundings."""
    expected = its.detach().numpy()
    bound = 1e-9 * np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(mine.detach().numpy(), expected, rtol=0, atol=bound)


def many(draw: Any, s: int, numbers: Any) -> Any:
    """Draw a number for all axes, or one for each."""
    return draw(st.one_of(numbers, st.tuples(*[numbers] * s)))


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@settings(max_examples=40)
@given(axes, st.data())
def test_convolutions(s: int, data: Any) -> None:
    groups, kernel = data.draw(small), data.draw(st.tuples(*[small] * s))
    stride, dilation = many(data.draw, s, small), many(data.draw, s, st.integers(1, 2))
    padding: Any = many(data.draw, s, st.integers(0, 2))
    if stride in (1, (1,) * s):
        padding = data.draw(st.sampled_from([padding, "same", "valid"]))
    x, w, b = normal(2, 2 * groups, *SIZES[:s]), normal(3 * groups, 2, *kernel), normal(3 * groups)
    compare(f"conv{s}d", (x, w, b), stride, padding, dilation, groups)


@settings(max_examples=40)
@given(axes, st.data())
def test_transposed_convolutions(s: int, data: Any) -> None:
    groups, kernel = data.draw(small), data.draw(st.tuples(*[small] * s))
    stride, dilation, padding = data.draw(small), data.draw(st.integers(1, 2)), 0
    if min(kernel) > 1:
        padding = data.draw(st.integers(0, 1))
    extra = data.draw(st.integers(0, max(stride, dilation) - 1))
    x, w, b = normal(2, 2 * groups, *SIZES[:s]), normal(2 * groups, 3, *kernel), normal(3 * groups)
    compare(f"conv_transpose{s}d", (x, w, b), stride, padding, extra, groups, dilation)


@settings(max_examples=40)
@given(axes, small, st.booleans(), st.booleans(), st.data())
def test_pools(s: int, kernel: int, ceil: bool, flag: bool, data: Any) -> None:
    stride = data.draw(st.one_of(st.none(), small))
    padding, dilation = data.draw(st.integers(0, kernel // 2)), data.draw(st.integers(1, 2))
    x = normal(2, 2, *SIZES[:s])
    options = {"dilation": dilation, "ceil_mode": ceil, "return_indices": flag}
    compare(f"max_pool{s}d", (x,), kernel, stride, padding, **options)
    compare(f"avg_pool{s}d", (x,), kernel, stride, padding, ceil, flag)
    norm = data.draw(st.sampled_from([1, 2, 2.5, float("inf")]))
    compare(f"lp_pool{s}d", (abs(x) + 0.1,), norm, kernel, stride, ceil_mode=ceil)


@settings(max_examples=40)
@given(axes, st.booleans(), st.data())
def test_adaptive_pools(s: int, flag: bool, data: Any) -> None:
    sizes = data.draw(st.tuples(*[st.integers(1, 9)] * s))
    compare(f"adaptive_avg_pool{s}d", (normal(2, *SIZES[:s]),), sizes)
    compare(f"adaptive_max_pool{s}d", (normal(2, *SIZES[:s]),), sizes, return_indices=flag)


@settings(max_examples=40)
@given(st.sampled_from([2, 3]), small, st.data())
def test_fractional_pools(s: int, kernel: int, data: Any) -> None:
    sizes = data.draw(st.tuples(*[st.integers(1, 2)] * s))
    samples = np.random.default_rng(data.draw(st.integers(0, 99))).random((2, 3, s))
    x = normal(2, 3, *SIZES[:s])
    name = f"fractional_max_pool{s}d"
    a = getattr(torch.nn.functional, name)(
        torch.tensor(x), kernel, sizes, None, True, torch.tensor(samples)
    )
    given_samples = pymicrograd.tensor(samples)
    b = getattr(F, name)(pymicrograd.tensor(x), kernel, sizes, None, True, given_samples)
    assert all(np.array_equal(y.numpy(), z.numpy()) for y, z in zip(b, a, strict=True))


@settings(max_examples=40)
@given(small, st.integers(1, 2), st.integers(0, 2), small)
def test_unfold_and_fold(kernel: int, dilation: int, padding: int, stride: int) -> None:
    x = normal(2, 3, *SIZES[:2])
    compare("unfold", (x,), kernel, dilation, padding, stride)
    columns = F.unfold(pymicrograd.tensor(x), kernel, dilation, padding, stride)
    compare("fold", (columns.numpy(),), SIZES[:2], kernel, dilation, padding, stride)


LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


@settings(max_examples=40)
@given(axes, st.booleans(), st.data())
def test_interpolate(s: int, flag: bool, data: Any) -> None:
    modes = ["nearest", "nearest-exact", "area", LINEAR[s], *["bicubic"] * (s == 2)]
    mode = data.draw(st.sampled_from(modes))
    options: dict[str, Any] = {"mode": mode}
    if mode in (LINEAR[s], "bicubic"):
        options["align_corners"] = flag
    if data.draw(st.booleans()):
        options["size"] = data.draw(st.tuples(*[st.integers(1, 15)] * s))
    else:
        options["scale_factor"] = many(data.draw, s, st.sampled_from([0.25, 0.4, 1.0, 1.3, 2.0]))
        options["recompute_scale_factor"] = data.draw(st.sampled_from([None, True]))
    compare("interpolate", (normal(1, 2, *SIZES[:s]),), **options)


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(2, 9), st.sampled_from(["bilinear", "bicubic"]))
def test_antialiased(rows: int, columns: int, mode: str) -> None:
    # one column: PyTorch 2.13 gives all rows the elements of the first
    compare("interpolate", (normal(1, 2, 7, 5),), (rows, columns), mode=mode, antialias=True)


@settings(max_examples=40)
@given(
    st.sampled_from([2, 3]),
    st.sampled_from(["bilinear", "nearest", "bicubic"]),
    st.sampled_from(["zeros", "border", "reflection"]),
    st.booleans(),
)
def test_grids(s: int, mode: str, padding_mode: str, aligned: bool) -> None:
    theta = normal(2, s, s + 1)
    size = (2, 1, *SIZES[:s])
    compare("affine_grid", (theta,), size, aligned)
    if s == 3 and mode == "bicubic":
        return
    grid = F.affine_grid(pymicrograd.tensor(theta), size, aligned).numpy()
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": aligned}
    x = normal(2, 3, *SIZES[1 : s + 1])
    if mode != "nearest":
        compare("grid_sample", (x, grid), **options)
        return
    a = torch.nn.functional.grid_sample(torch.tensor(x), torch.tensor(grid), **options)
    b = F.grid_sample(pymicrograd.tensor(x), pymicrograd.tensor(grid), **options)
    assert np.array_equal(b.numpy(), a.numpy())


def test_shuffles() -> None:
    compare("pixel_shuffle", (normal(2, 8, 3, 2),), 2)
    compare("pixel_unshuffle", (normal(2, 2, 4, 6),), 2)
    x = normal(2, 6, 3)
    found = F.channel_shuffle(pymicrograd.tensor(x), 3)
    expected = torch.nn.functional.channel_shuffle(torch.tensor(x), 3)
    assert np.array_equal(found.numpy(), expected.numpy())
