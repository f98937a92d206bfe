"""Tensor against PyTorch where that is installed: values and derivatives of two orders.

Both compute float64 in orders of their own: 1e-9 of the larger operand is some thousand roundings.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pymicrograd
from pymicrograd import autograd, functional
from pymicrograd.tensors.dtypes import DTYPES

torch = pytest.importorskip("torch", reason="the oracle: pip install torch")
layers = torch.nn.functional

TOLERANCE = 1e-9
RNG = np.random.default_rng(0)

Function = Callable[..., Any]
CASES: dict[str, tuple[Function, Function, tuple[np.ndarray, ...]]] = {}


def case(name: str, ours: Function, theirs: Function, *inputs: np.ndarray) -> None:
    """List a function of both libraries, and what to call it with."""
    assert name not in CASES, name
    CASES[name] = ours, theirs, inputs


def both(name: str, function: Function, *inputs: np.ndarray) -> None:
    """List an expression that both libraries understand."""
    case(name, function, function, *inputs)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def positive(*shape: int) -> np.ndarray:
    return np.abs(RNG.standard_normal(shape)) + 0.5


def inner(*shape: int) -> np.ndarray:
    return RNG.uniform(-0.9, 0.9, shape)


def above_one(*shape: int) -> np.ndarray:
    return positive(*shape) + 1.0


def indices(of: Any, values: Any) -> Any:
    """Return integers as a tensor of the library that another tensor is of."""
    library = torch if isinstance(of, torch.Tensor) else pymicrograd
    return library.tensor(values)


# ---- elements ------------------------------------------------------------------------------------

DRAWN_FROM = {
    "sqrt": positive,
    "rsqrt": positive,
    "reciprocal": positive,
    "log": positive,
    "log2": positive,
    "log1p": positive,
    "tan": inner,
    "asin": inner,
    "acos": inner,
    "atanh": inner,
    "acosh": above_one,
}
ELEMENTS = (
    "neg", "abs", "sign", "square", "sqrt", "rsqrt", "reciprocal", "exp", "exp2",
    "expm1", "log", "log2", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
    "cosh", "tanh", "asinh", "acosh", "atanh", "sigmoid", "relu", "erf", "floor", "ceil",
    "round", "trunc",
)  # fmt: skip
for name in ELEMENTS:
    drawn = DRAWN_FROM.get(name, normal)(3, 4)
    both(name, lambda x, name=name: getattr(x, name)(), drawn)
LAYERS = ("softplus", "gelu", "silu")
for name in LAYERS:
    case(name, lambda x, name=name: getattr(x, name)(), getattr(layers, name), normal(3, 4))
case(
    "gelu tanh",
    lambda x: functional.gelu(x, approximate="tanh"),
    lambda x: layers.gelu(x, approximate="tanh"),
    normal(3, 4),
)

PAIRS = (
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((3, 1), (1, 4)),
    ((2, 1, 3), (4, 1)),
    ((), (3,)),
    ((3,), ()),
)
for name in ("add", "sub", "mul", "div", "pow", "maximum", "minimum"):
    for left, right in PAIRS:
        drawn_from = positive if name == "pow" else normal
        both(
            f"{name} {left} {right}",
            lambda x, y, name=name: getattr(x, name)(y),
            drawn_from(*left),
            drawn_from(*right),
        )
both("remainder", lambda x, y: x.remainder(y), normal(3, 4), positive(4))
both("floor_divide", lambda x, y: x.detach() // y.detach(), normal(3, 4), positive(4))
for exponent in (2, 3, 0.5, -1, -0.5, 1, 0, 2.7, 4):
    both(f"pow {exponent}", lambda x, exponent=exponent: x**exponent, positive(3, 4))
both("number ** x", lambda x: 2.5**x, normal(3, 4))
both("number - x / number", lambda x: 1.5 - x / 3, normal(3, 4))
both("clamp", lambda x: x.clamp(-0.5, 0.5), normal(5, 5))

# ---- reductions ----------------------------------------------------------------------------------

for dims in (None, 0, 1, 2, (0, 2), (1, 2), (0, 1), (-1,)):
    for keep in (False, True) if dims is not None else (False,):
        how = {} if dims is None else {"dim": dims, "keepdim": keep}
        for name in ("sum", "mean", "amax", "amin", "var", "std", "logsumexp", "prod"):
            if (dims is None and name == "logsumexp") or (
                isinstance(dims, tuple) and name == "prod"
            ):
                continue  # PyTorch has none of these
            drawn = normal(3, 2, 3) if name == "prod" else normal(3, 4, 5)
            both(
                f"{name} {dims} {keep}",
                lambda x, name=name, how=how: getattr(x, name)(**how),
                drawn,
            )
for correction in (0, 2):
    for name in ("var", "std"):
        how = {"dim": 1, "correction": correction}
        both(
            f"{name} correction {correction}",
            lambda x, name=name, how=how: getattr(x, name)(**how),
            normal(3, 4),
        )
zeros = normal(3, 4)
zeros[0, 1] = zeros[1, 1] = zeros[1, 2] = 0.0
both("prod of zeros", lambda x: x.prod(1), zeros)
for dim in (0, 1, 2):
    for name in ("cumsum", "softmax", "log_softmax"):
        both(f"{name} {dim}", lambda x, name=name, dim=dim: getattr(x, name)(dim), normal(3, 4, 5))
both("max over an axis", lambda x: x.max(1).values, normal(3, 4))
both("max", lambda x: x.max(), normal(3, 4))
both("ties of maximum", lambda x: x.maximum(x.detach()), normal(3, 4))
both("ties of amax", lambda x: (x * 0.0).amax(1), normal(3, 4))

# ---- products and layers -------------------------------------------------------------------------

for left, right in (
    ((3, 4), (4, 5)),
    ((4,), (4, 5)),
    ((3, 4), (4,)),
    ((4,), (4,)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 2)),
    ((4,), (2, 4, 5)),
    ((2, 3, 4), (4,)),
):
    both(f"matmul {left} {right}", lambda x, y: x @ y, normal(*left), normal(*right))
both("outer", lambda x, y: x.outer(y), normal(3), normal(4))
for shape in ((3, 4), (2, 3, 4), (4,)):
    case(
        f"linear {shape}", functional.linear, layers.linear, normal(*shape), normal(5, 4), normal(5)
    )
case("linear without bias", functional.linear, layers.linear, normal(4), normal(5, 4))
case(
    "layer_norm",
    lambda x, w, b: functional.layer_norm(x, (4,), w, b),
    lambda x, w, b: layers.layer_norm(x, (4,), w, b),
    normal(3, 4),
    normal(4),
    normal(4),
)
case(
    "layer_norm of two axes",
    lambda x: functional.layer_norm(x, (3, 4)),
    lambda x: layers.layer_norm(x, (3, 4)),
    normal(2, 3, 4),
)
case(
    "rms_norm",
    lambda x, w: functional.rms_norm(x, (4,), w, eps=1e-5),
    lambda x, w: layers.rms_norm(x, (4,), w, eps=1e-5),
    normal(3, 4),
    normal(4),
)
for reduction in ("mean", "sum", "none"):
    for smoothing in (0.0, 0.1):
        how = {"reduction": reduction, "label_smoothing": smoothing}
        classes = [0, 2, 1, -100]
        case(
            f"cross_entropy {reduction} {smoothing}",
            lambda x, c=classes, how=how: functional.cross_entropy(x, indices(x, c), **how),
            lambda x, c=classes, how=how: layers.cross_entropy(x, indices(x, c), **how),
            normal(4, 3),
        )
for reduction in ("mean", "sum", "none"):
    for smoothing in (0.0, 0.3):
        how = {"reduction": reduction, "label_smoothing": smoothing}
        weights, classes = [0.5, 0.0, 2.0], [[0, 2], [1, 1], [-100, 2]]
        case(
            f"cross_entropy weight {reduction} {smoothing}",
            lambda x, w=weights, c=classes, how=how: functional.cross_entropy(
                x, indices(x, c), indices(x, w).to(x.dtype), **how
            ),
            lambda x, w=weights, c=classes, how=how: layers.cross_entropy(
                x, indices(x, c), indices(x, w).to(x.dtype), **how
            ),
            normal(3, 3, 2),
        )
        case(
            f"cross_entropy of probabilities {reduction} {smoothing}",
            lambda x, p, w=weights, how=how: functional.cross_entropy(
                x, p, indices(x, w).to(x.dtype), **how
            ),
            lambda x, p, w=weights, how=how: layers.cross_entropy(
                x, p, indices(x, w).to(x.dtype), **how
            ),
            normal(4, 3),
            normal(4, 3),
        )
    case(
        f"nll_loss {reduction}",
        lambda x, how=reduction: functional.nll_loss(x, indices(x, [0, 1, -100]), reduction=how),
        lambda x, how=reduction: layers.nll_loss(x, indices(x, [0, 1, -100]), reduction=how),
        normal(3, 3),
    )
case(
    "cross_entropy of probabilities of one row",
    functional.cross_entropy,
    layers.cross_entropy,
    normal(3),
    normal(3),
)
for mode in ("reflect", "replicate", "circular"):
    for sizes in ((1, 2), (2, 0, 1, 3), (-1, 2), (3, -2), (0, 0, 2, -1)):
        both_of = lambda x, pad, mode=mode, sizes=sizes: pad(x, sizes, mode)  # noqa: E731
        case(
            f"pad {mode} {sizes}",
            lambda x, of=both_of: of(x, functional.pad),
            lambda x, of=both_of: of(x, layers.pad),
            normal(2, 4, 5),
        )
for options in ({}, {"padding": 1}, {"stride": 1, "dilation": 2}, {"ceil_mode": True}):
    case(
        f"max_pool1d {options}",
        lambda x, options=options: functional.max_pool1d(x, 2, **options),
        lambda x, options=options: layers.max_pool1d(x, 2, **options),
        normal(2, 3, 7),
    )
for offset in (0, 1, -2):
    both(f"diagonal {offset}", lambda x, k=offset: x.diagonal(k, 1, 2), normal(2, 3, 4))
    both(f"diag {offset}", lambda x, k=offset: x.diag(k), normal(3, 4))
    both(f"diag_embed {offset}", lambda x, k=offset: x.diag_embed(k), normal(2, 3))
both("trace", lambda x: x.trace(), normal(4, 3))
case(
    "cross_entropy of images",
    lambda x: functional.cross_entropy(x, indices(x, [[0, 2], [1, 1]])),
    lambda x: layers.cross_entropy(x, indices(x, [[0, 2], [1, 1]])),
    normal(2, 3, 2),
)

for how in (
    {},
    {"stride": 2},
    {"padding": 1},
    {"stride": 2, "padding": 1, "dilation": 2},
    {"padding": "same"},
):
    case(
        f"conv2d {how}",
        lambda x, w, b, how=how: functional.conv2d(x, w, b, **how),
        lambda x, w, b, how=how: layers.conv2d(x, w, b, **how),
        normal(2, 4, 7, 6),
        normal(6, 4, 3, 3),
        normal(6),
    )
case(
    "conv2d groups",
    lambda x, w: functional.conv2d(x, w, groups=2),
    lambda x, w: layers.conv2d(x, w, groups=2),
    normal(2, 4, 5, 6),
    normal(6, 2, 3, 2),
)
for how in (
    {},
    {"stride": 2},
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"groups": 2, "dilation": 2},
):
    case(
        f"conv_transpose2d {how}",
        lambda x, w, how=how: functional.conv_transpose2d(x, w, **how),
        lambda x, w, how=how: layers.conv_transpose2d(x, w, **how),
        normal(2, 4, 4, 3),
        normal(4, 3, 3, 2),
    )
for name, size, how in (
    ("max_pool2d", 2, {}),
    ("max_pool2d", 3, {"stride": 2, "padding": 1}),
    ("max_pool2d", 3, {"stride": 2, "ceil_mode": True}),
    ("avg_pool2d", 2, {}),
    ("avg_pool2d", 3, {"stride": 2, "padding": 1}),
    ("avg_pool2d", 3, {"stride": 2, "padding": 1, "ceil_mode": True}),
    ("avg_pool2d", 3, {"padding": 1, "count_include_pad": False}),
):
    case(
        f"{name} {size} {how}",
        lambda x, name=name, size=size, how=how: getattr(functional, name)(x, size, **how),
        lambda x, name=name, size=size, how=how: getattr(layers, name)(x, size, **how),
        normal(2, 3, 7, 6),
    )

# ---- movement ------------------------------------------------------------------------------------

both("permute", lambda x: x.permute(2, 0, 1) * 2, normal(2, 3, 4))
both("T", lambda x: x.T.reshape(-1), normal(2, 3))
both("expand", lambda x: x.expand(4, 3, 5).exp(), normal(3, 1))
both("flip", lambda x: x.flip(0, 1).exp(), normal(3, 4))
both("roll", lambda x: x.roll((1, -2), (0, 1)).exp(), normal(3, 4))
both("slices", lambda x: x[1:, ::2] ** 2, normal(4, 5))
both("an int", lambda x: x[1] ** 2, normal(4, 5))
both("None and ...", lambda x: x[..., None, 1] ** 2, normal(4, 5))
both("indices", lambda x: x[indices(x, [0, 2, 2, 1])] ** 2, normal(4, 5))
both("indices behind", lambda x: x[:, indices(x, [0, 2, 2, 1])] ** 2, normal(4, 5))
both("indices apart", lambda x: x[indices(x, [0, 1]), :, indices(x, [1, 0])] ** 2, normal(2, 3, 4))
both("a mask", lambda x: x[x > 0] ** 2, normal(4, 5))
both("gather", lambda x: x.gather(1, indices(x, [[0, 1, 1], [2, 0, 2]])) ** 2, normal(3, 4))
both(
    "scatter_add",
    lambda x, y: x.scatter_add(1, indices(x, [[0, 1, 1], [2, 0, 2]]), y) ** 2,
    normal(2, 3),
    normal(2, 3),
)
both("index_select", lambda x: x.index_select(1, indices(x, [2, 0, 2])) ** 2, normal(3, 4))
case(
    "cat",
    lambda x, y: pymicrograd.cat([x, y, x], 1).exp(),
    lambda x, y: torch.cat([x, y, x], 1).exp(),
    normal(2, 3),
    normal(2, 4),
)
case(
    "stack",
    lambda x, y: pymicrograd.stack([x, y], 1).exp(),
    lambda x, y: torch.stack([x, y], 1).exp(),
    normal(2, 3),
    normal(2, 3),
)
case(
    "where",
    lambda x, y: pymicrograd.where(x > 0, x * x, y * y),
    lambda x, y: torch.where(x > 0, x * x, y * y),
    normal(3, 4),
    normal(4),
)
case(
    "pad",
    lambda x: functional.pad(x, (1, 2, 0, 1), value=3.0) ** 2,
    lambda x: layers.pad(x, (1, 2, 0, 1), value=3.0) ** 2,
    normal(2, 3),
)
both("repeat", lambda x: x.repeat(2, 1, 3) ** 2, normal(2, 3))
both("masked_fill", lambda x: x.masked_fill(x > 0, -1.0) ** 2, normal(3, 4))


# ---- tests ---------------------------------------------------------------------------------------


def assert_close(mine: Any, its: Any, what: str) -> None:
    """Compare a tensor with PyTorch's; no gradient is one of zeros."""
    if mine is None and its is None:
        return
    its = its.detach().numpy(force=True) if its is not None else np.zeros(mine.shape)
    mine = mine.detach().numpy() if mine is not None else np.zeros(its.shape)
    assert mine.shape == its.shape, what
    np.testing.assert_allclose(mine, its, rtol=TOLERANCE, atol=TOLERANCE, err_msg=what)


def leaves(library: Any, arrays: tuple[np.ndarray, ...]) -> list[Any]:
    return [library.tensor(x, requires_grad=True) for x in arrays]


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name: str) -> None:
    ours, theirs, inputs = CASES[name]
    rng = np.random.default_rng(1)
    mine, its = leaves(pymicrograd, inputs), leaves(torch, inputs)
    y, z = ours(*mine), theirs(*its)
    assert_close(y, z, "value")
    if not z.requires_grad:
        return
    seed = rng.standard_normal(tuple(z.shape))
    dy = autograd.grad(y, mine, pymicrograd.tensor(seed), create_graph=True, allow_unused=True)
    dz = torch.autograd.grad(z, its, torch.tensor(seed), create_graph=True, allow_unused=True)
    for i, (a, b) in enumerate(zip(dy, dz, strict=True)):
        assert_close(a, b, f"gradient {i}")
    pairs = [(a, b) for a, b in zip(dy, dz, strict=True) if b is not None and b.requires_grad]
    weights = [rng.standard_normal(tuple(b.shape)) for _, b in pairs]
    recorded = [
        (a, w)
        for (a, _), w in zip(pairs, weights, strict=True)
        if a is not None and a.requires_grad
    ]
    ddy, ddz = [None] * len(mine), [None] * len(its)
    if recorded:
        roots, seeds = zip(*recorded, strict=True)
        ddy = autograd.grad(roots, mine, tuple(map(pymicrograd.tensor, seeds)), allow_unused=True)
    if pairs:
        ddz = torch.autograd.grad(
            [b for _, b in pairs], its, [*map(torch.tensor, weights)], allow_unused=True
        )
    for i, (a, b) in enumerate(zip(ddy, ddz, strict=True)):
        assert_close(a, b, f"second gradient {i}")


def test_promotion_is_that_of_torch() -> None:
    kinds = [kind.name for kind in DTYPES]
    numbers = (True, 3, 2.5)
    for left in kinds:
        for shape in ((2,), ()):
            x, u = (
                library.ones(
                    shape,
                    dtype=getattr(
                        library,
                        left if left != "bool" else "bool_" if library is pymicrograd else "bool",
                    ),
                )
                for library in (pymicrograd, torch)
            )
            for number in numbers:
                assert (x * number).dtype.name == str((u * number).dtype)[6:], (left, shape, number)
                assert (x / number).dtype.name == str((u / number).dtype)[6:], (left, shape, number)
            for right in kinds:
                for other in ((2,), ()):
                    y = pymicrograd.ones(other, dtype=right)
                    v = torch.ones(other, dtype=getattr(torch, right))
                    assert (x * y).dtype.name == str((u * v).dtype)[6:], (left, shape, right, other)
                    found = pymicrograd.result_type(x, y)
                    assert found.name == str(torch.result_type(u, v))[6:]
                    assert (x == y).dtype.name == "bool"
                assert pymicrograd.promote_types(left, right).name == str(
                    torch.promote_types(u.dtype, v.dtype)
                ).removeprefix("torch.")


NARROW = ("int8", "int16", "uint8")
INTEGER_OPS: dict[str, Function] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv,
    "%": operator.mod, "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "<<": operator.lshift, ">>": operator.rshift, "==": operator.eq, "<": operator.lt,
    ">=": operator.ge, "maximum": lambda x, y: x.maximum(y), "minimum": lambda x, y: x.minimum(y),
    "/": operator.truediv, "copy_": lambda x, y: x.clone().copy_(y),
}  # fmt: skip


@given(st.data(), st.sampled_from(sorted(INTEGER_OPS)), st.sampled_from(NARROW))
def test_narrow_integers_wrap_as_in_torch(data: Any, name: str, kind: str) -> None:
    """Beside arrays of any integers, what has no axes, and numbers that the type does not hold."""
    info = torch.iinfo(getattr(torch, kind))
    values = data.draw(st.lists(st.integers(info.min, info.max), min_size=2, max_size=2))
    other = data.draw(st.sampled_from((*NARROW, "int32", "int64")))
    wide = torch.iinfo(getattr(torch, other))
    number = data.draw(st.integers(-500, 500) | st.sampled_from((0, 1, -1, 256, -128, 65536)))
    number = max(wide.min, min(wide.max, number))
    form = data.draw(st.sampled_from(("array", "scalar", "number", "in place")))
    x, u = pymicrograd.tensor(values, dtype=kind), torch.tensor(values, dtype=getattr(torch, kind))
    # Ours compares 300 as it is, and torch has no maximum of a number.
    assume(form != "number" or name not in ("==", "<", ">=", "maximum", "minimum", "copy_"))
    sides = []
    for library, a in ((pymicrograd, x), (torch, u)):
        item = number if form == "scalar" else [number, number // 3 + 1]
        b = number if form == "number" else library.tensor(item, dtype=getattr(library, other))
        try:
            if form == "in place" and name in ("+", "-", "*"):
                y = {"+": a.add_, "-": a.sub_, "*": a.mul_}[name](b)
            else:
                y = INTEGER_OPS[name](a, b)
        except (RuntimeError, ZeroDivisionError, AttributeError, TypeError):
            sides.append(None)
        else:
            sides.append((str(y.dtype).rpartition(".")[2], str(y.tolist())))
    assert sides[0] == sides[1]


BRAIN_OPS: dict[str, Function] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "==": operator.eq, "<": operator.lt, "maximum": lambda x, y: x.maximum(y),
    "where": lambda x, y: x.where(x > y, y), "abs": lambda x, y: abs(x),
    "float": lambda x, y: x.float(), "half": lambda x, y: x.half(), "bool": lambda x, y: x.bool(),
    "short": lambda x, y: x.clamp(-1000, 1000).short(), "sqrt": lambda x, y: (x * x).sqrt(),
    "scaled": lambda x, y: x * 0.3, "trunc": lambda x, y: x.trunc(), "amax": lambda x, y: x.amax(),
}  # fmt: skip


@given(st.lists(st.floats(width=32), min_size=6, max_size=6), st.sampled_from(sorted(BRAIN_OPS)))
def test_bfloat16_has_the_bits_of_torch(numbers: list[float], name: str) -> None:
    sides = []
    for library in (pymicrograd, torch):
        x, y = library.tensor(numbers, dtype=library.float32).bfloat16().reshape(2, 3)
        found = BRAIN_OPS[name](x, y)
        sides.append((str(found.dtype).rpartition(".")[2], found.float().tolist()))
    assert sides[0][0] == sides[1][0]
    np.testing.assert_array_equal(sides[0][1], sides[1][1])


HOSTILE = np.array(
    [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        2.5,
        -2.5,
        3.5,
        np.inf,
        -np.inf,
        np.nan,
        5e-324,
        1e308,
        -1e308,
        1e-300,
        700.0,
        -700.0,
        1e10,
    ]
)
# Where this engine has the limit and PyTorch NaN (SPEC.md, Special values).
LIMITS = ("silu", "gelu", "gelu tanh")


@pytest.mark.parametrize("name", [*ELEMENTS, *LAYERS, "gelu tanh"])
def test_special_values(name: str) -> None:
    ours, theirs, _ = CASES[name]
    numbers = HOSTILE[HOSTILE != -np.inf] if name in LIMITS else HOSTILE
    found = ours(pymicrograd.tensor(numbers)).numpy()
    expected = theirs(torch.tensor(numbers)).numpy()
    # PyTorch's log1p makes subnormal numbers 0
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-323 if name == "log1p" else 0.0)
    signs = np.signbit(found) == np.signbit(expected)
    assert np.all(signs | np.isnan(expected)), name


NAN = math.nan
PAIRS = [(NAN, 1.0), (1.0, NAN), (NAN, NAN), (1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (-math.inf, 0.0)]


@pytest.mark.parametrize("name", ["relu", "abs", "sign"])
def test_gradients_at_nan(name: str) -> None:
    mine, its = leaves(pymicrograd, (HOSTILE,)), leaves(torch, (HOSTILE,))
    getattr(mine[0], name)().sum().backward()
    getattr(its[0], name)().sum().backward()
    np.testing.assert_array_equal(mine[0].grad.numpy(), its[0].grad.numpy())


@pytest.mark.parametrize("name", ["maximum", "minimum", "clamp_min", "clamp_max"])
def test_gradients_of_choices_at_nan(name: str) -> None:
    numbers = tuple(np.array(x) for x in zip(*PAIRS, strict=True))
    mine, its = leaves(pymicrograd, numbers), leaves(torch, numbers)
    getattr(mine[0], name)(mine[1]).sum().backward()
    getattr(its[0], name)(its[1]).sum().backward()
    for a, b in zip(mine, its, strict=True):
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


@pytest.mark.parametrize("name", ["max", "min"])
def test_nans_share_the_gradient_of_an_extremum(name: str) -> None:
    x = pymicrograd.tensor([NAN, 1.0, NAN], requires_grad=True)
    z = torch.tensor([NAN, 1.0, NAN], requires_grad=True)
    getattr(x, name)().backward()
    getattr(z, name)().backward()
    assert x.grad.tolist() == z.grad.tolist() == [0.5, 0.0, 0.5]


# ---- printing ------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.floats(width=32),
    st.sampled_from([0.0, -0.0, 1.0, -2.0, 0.5, 2000.0, 1e8, 1e-4, math.inf, math.nan]),
    st.integers(-3000, 3000).map(float),
)


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "bool"])
@given(data=st.data())
def test_printing(kind: str, data: Any) -> None:
    shape = [*data.draw(st.lists(st.integers(0, 9), max_size=4)), data.draw(st.integers(0, 40))]
    numbers = data.draw(st.lists(NUMBERS, min_size=1, max_size=12))
    array = np.resize(np.array(numbers), shape)
    if "float" not in kind:
        array = np.clip(np.nan_to_num(array), -1e9, 1e9)
    array = array.astype(kind)
    theirs = repr(torch.from_numpy(array)).replace("torch.", "pymicrograd.")
    ours = repr(pymicrograd.from_numpy(array))
    if "dtype=" in theirs:  # the longer name may need a line of its own
        ours, theirs = ("".join(text.split()) for text in (ours, theirs))
    assert ours == theirs


# ---- changes of parts ----------------------------------------------------------------------------

SLICES = st.tuples(st.integers(0, 1), st.integers(2, 4)).map(lambda ends: slice(*ends))
KEYS = st.one_of(st.integers(-2, 1), SLICES, st.just(slice(None)), st.just(None), st.just(...))
CHANGES = {
    "x[key] = w": lambda x, key, w: x.__setitem__(key, w),
    "x[key] += w": lambda x, key, w: x.__setitem__(key, x[key].__iadd__(w)),
    "part *= w": lambda x, key, w: x[key].mul_(w),
    "x[key] = x[key] - w": lambda x, key, w: x.__setitem__(key, x[key] - w),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("constant", [True, False])
@settings(max_examples=25)
@given(data=st.data())
def test_a_recorded_change_of_a_part(change: str, constant: bool, data: Any) -> None:
    """Along chains such as x[1:][0][..., None] += w the whole has its value and gradients."""
    keys = data.draw(st.lists(KEYS, min_size=1, max_size=4))
    array = np.arange(1.0, 25.0).reshape(2, 3, 4)
    found = []
    for library in (pymicrograd, torch):
        w = library.tensor(3.0, dtype=library.float64, requires_grad=True)
        base = library.tensor(array, requires_grad=not constant)
        whole = part = library.tensor(array) if constant else base * 1.0
        try:
            for key in keys[:-1]:
                part = part[key]
            CHANGES[change](part, keys[-1], w)
        except IndexError:
            found.append("IndexError")
            continue
        except RuntimeError:  # PyTorch's for some parts that are the whole
            if library is pymicrograd:
                raise
            found.append(None)
            continue
        part = None
        if not whole.requires_grad:  # nothing was selected
            found.append([whole.tolist()])
            continue
        weights = library.arange(24, dtype=library.float64).reshape(2, 3, 4)
        try:
            gradients = library.autograd.grad(
                (whole * weights).sum(), [w] if constant else [w, base], allow_unused=True
            )
        except RuntimeError:  # PyTorch's for what was multiplied and then written over
            found.append(None)
            continue
        found.append([whole.tolist()] + [g if g is None else g.tolist() for g in gradients])
    assert found[1] is None or found[0] == found[1]
