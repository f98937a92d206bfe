"""What is computed in one pass over the elements has the bits of ops one by one."""

from __future__ import annotations

from typing import Any

import pytest

import pymicrograd as mg
from pymicrograd.nn import functional as F
from pymicrograd.nn.functional import normalizing as N

FLOATS = (mg.float32, mg.float64)


def leaf(*shape: int, seed: int, dtype: Any) -> Any:
    """Return normal numbers, some of them 0 of either sign, that require a gradient."""
    x = mg.randn(*shape, dtype=dtype, generator=mg.RNG(seed))
    x = x.where(mg.rand(*shape, generator=mg.RNG(seed)) > 0.1, x * 0.0)
    return x.detach().requires_grad_()


def bits(*tensors: Any) -> Any:
    return [x.detach().contiguous().numpy().tobytes() for x in tensors]


def orders(function: Any, leaves: Any, needs: Any = None) -> Any:
    """Return the bits of a result, of its gradients, computed, recorded, and of theirs."""
    needs = leaves if needs is None else needs
    y = function(*leaves)
    seed = leaf(*y.shape, seed=9, dtype=y.dtype)
    first = mg.grad(y, needs, seed, retain_graph=True)
    recorded = mg.grad(y, needs, seed, create_graph=True)
    sums = [(x * leaf(*x.shape, seed=5, dtype=x.dtype).detach()).sum() for x in recorded]
    second = mg.grad(sum(sums[1:], sums[0]), [*needs, seed], allow_unused=True)
    assert bits(*first) == bits(*recorded)
    return bits(y, *first, *(x for x in second if x is not None))


SHAPES = ((4, 6, 3, 5), (2, 4, 700), (3, 8, 2), (1, 2, 40, 130), (70, 2, 9))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_norms_of_groups_of_channels(shape: Any, dtype: Any) -> None:
    leaves = [leaf(*s, seed=i + 1, dtype=dtype) for i, s in enumerate((shape, *[shape[1:2]] * 2))]
    for groups in {1, 2, shape[1]}:
        whole = orders(lambda x, w, b, n=groups: F.group_norm(x, n, w, b), leaves)
        composed = lambda x, w, b, n=groups: N.composed_groups(x, n, w, b, 1e-5)  # noqa: E731
        assert whole == orders(composed, leaves)
    x, w, b = leaves
    alone = orders(lambda x: F.group_norm(x, 2, w.detach(), b.detach()), [x])
    assert alone == orders(lambda x: N.composed_groups(x, 2, w.detach(), b.detach(), 1e-5), [x])
    scaled = orders(lambda w, b: F.group_norm(x.detach(), 2, w, b), [w, b])
    assert scaled == orders(lambda w, b: N.composed_groups(x.detach(), 2, w, b, 1e-5), [w, b])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_norms_of_batches(shape: Any, dtype: Any) -> None:
    leaves = [leaf(*s, seed=i + 1, dtype=dtype) for i, s in enumerate((shape, *[shape[1:2]] * 2))]
    x, w, b = leaves
    for weight, bias in ((w, b), (w, None), (None, None)):
        given = [p for p in (x, weight, bias) if p is not None]
        batch = lambda *_, w=weight, b=bias: F.batch_norm(x, None, None, w, b, True)  # noqa: E731
        y = orders(batch, given)[0]
        centred, mean, variance = N.centre(N.rows_of(x), x)
        scale = (variance + 1e-5).rsqrt()
        scale = N.spread(scale if weight is None else scale * weight, x)
        assert [y] == bits(N.scaled(centred * scale, x, None, bias))
        plain = [None if p is None else p.detach() for p in (weight, bias)]
        known = F.batch_norm(x, mean.detach(), variance.detach(), weight, bias)
        assert bits(known) == bits(
            F.batch_norm(x.detach(), mean.detach(), variance.detach(), *plain)
        )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("rows", "n"), [(1, 5), (3, 40), (33, 16), (70, 600), (4200, 3), (2, 1500), (9000, 2)]
)
def test_layer_norm_passes_on_to_all_at_once(rows: int, n: int, dtype: Any) -> None:
    leaves = [leaf(*s, seed=i + 1, dtype=dtype) for i, s in enumerate(((rows, n), (n,), (n,)))]
    y = F.layer_norm(leaves[0], n, *leaves[1:])
    seed = leaf(rows, n, seed=9, dtype=dtype)
    expected = mg.grad(y, leaves, seed, create_graph=True)
    mg.set_num_threads(1)
    try:
        assert bits(*mg.grad(y, leaves, seed, retain_graph=True)) == bits(*expected)
        for some in (leaves[:1], leaves[1:], leaves[::2], leaves[:2]):
            found = mg.grad(y, some, seed, retain_graph=True)
            alike = [expected[i] for i, x in enumerate(leaves) if any(x is z for z in some)]
            assert bits(*found) == bits(*alike)
        z = F.layer_norm(y, n, *leaves[1:]) + F.layer_norm(y * 2.0, n, *leaves[1:])
        summed = mg.grad(z, leaves, seed, create_graph=True)
        assert bits(*mg.grad(z, leaves, seed)) == bits(*summed)
    finally:
        mg.set_num_threads(0)


@pytest.mark.parametrize("dtype", (*FLOATS, mg.float16))
@pytest.mark.parametrize(("x", "t"), [((40, 7), (40, 7)), ((3, 4), (4,)), ((4,), (3, 4)), ((), ())])
@pytest.mark.filterwarnings("ignore")
def test_squares_of_differences(x: Any, t: Any, dtype: Any) -> None:
    x, t = leaf(*x, seed=1, dtype=dtype), leaf(*t, seed=2, dtype=dtype)
    for leaves in ([x, t], [x, t.detach()], [x.detach(), t]):
        needs = [p for p in leaves if p.requires_grad]
        whole = orders(F.mse_loss, leaves, needs)
        assert whole == orders(lambda x, t: ((x - t) * (x - t)).mean(), leaves, needs)


@pytest.mark.parametrize("dtype", (*FLOATS, mg.float16))
def test_a_square_passes_the_same_on_to_both(dtype: Any) -> None:
    x = leaf(7, 5, seed=1, dtype=dtype)
    for square in (
        lambda x: x * x,
        lambda x: x * x * x + x * x,
        lambda x: (x + x) * (x + x) * x,
        lambda x: (x * x) * (x * x) - x,
    ):
        orders(square, [x])
