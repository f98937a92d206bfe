"""No result depends on the instruction set, on threads, on strides, or on the rows around a row.

The C core against itself; and large products and sums against the written order in NumPy, whose
elementwise operations are IEEE arithmetic.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import platform
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from products import product, span_products
from tensor_cases import (
    BINARY,
    DOMAINS,
    ENGINES,
    OPS,
    STRIDED,
    UNARY,
    Case,
    Operand,
    distinct,
    good,
    leaves,
    outcome,
    seed_operand,
)

import pymicrograd
import pymicrograd as mg
from pymicrograd import Tensor, functional, isa, set_isa, set_num_threads
from pymicrograd.reference.element_ops import ROWS as ELEMENTS
from pymicrograd.tensors.sorting import array_of

C = ENGINES[0]


def instruction_sets() -> list[str]:
    """Return the names of the kernels that this machine has."""
    names = []
    for name in ("baseline", "avx2", "avx512", "neon"):
        try:
            set_isa(name)
        except ValueError:
            continue
        names.append(name)
    set_isa(None)
    return names


SETS = instruction_sets()
BEST = isa()
# How everything below is computed: first of all on one thread, with the plainest kernels.
WAYS = [(name, 1) for name in SETS] + [(BEST, 2), (BEST, 3)]


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    """Choose kernels and threads anew after each test."""
    yield
    set_isa(None)
    set_num_threads(0)


def each_way() -> Iterator[str]:
    """Choose kernels and threads in all ways, and say which they are."""
    for name, threads in WAYS:
        set_isa(name)
        set_num_threads(threads)
        yield f"{name} on {threads} threads"


def bits(x: Any) -> bytes:
    """Return type, shape and elements of a tensor, one NaN like another."""
    array = np.array(array_of(x), order="C")  # of bfloat16 as float32, which holds it
    if array.dtype.kind == "f":
        array[np.isnan(array)] = math.nan
    return f"{array.dtype} {array.shape} ".encode() + array.tobytes()


def assert_same_each_way(compute: Callable[[], list[Any]]) -> None:
    """Compute tensors in all ways."""
    expected: list[bytes] = []
    for way in each_way():
        found = [b"" if x is None else bits(x) for x in compute()]
        expected = expected or found
        for i, (mine, its) in enumerate(zip(found, expected, strict=True)):
            assert mine == its, f"tensor {i}: {way} gives other bits than {WAYS[0]}"


def test_there_are_kernels_to_compare() -> None:
    assert SETS[0] == "baseline" and BEST in SETS
    for name in SETS:
        set_isa(name)
        assert isa() == name


# ---- instruction sets and threads ----------------------------------------------------------------


@pytest.mark.parametrize("op", OPS)
def test_every_instruction_set_gives_the_bits_of_the_baseline(op: str) -> None:
    set_isa(SETS[0])
    cases = good(op)
    expected = [outcome(C, case) for case in cases]
    for name in SETS[1:]:
        set_isa(name)
        for case, its in zip(cases, expected, strict=True):
            assert outcome(C, case) == its, (name, case)


def draw(
    shape: tuple[int, ...],
    dtype: str = "float32",
    low: float = -4.0,
    high: float = 4.0,
    requires_grad: bool = True,
) -> Tensor:
    """Return full-mantissa numbers, always the same."""
    rng = np.random.default_rng(len(shape) * 1000 + sum(shape))
    if dtype == "bool":
        return pymicrograd.tensor(rng.random(shape) < 0.5)
    if "float" not in dtype:
        low = max(low, 1.0)
        return pymicrograd.tensor(rng.integers(int(low), 100, shape).astype(dtype))
    numbers = rng.uniform(low, high, shape)
    is_numpys = dtype != "bfloat16"
    made = pymicrograd.tensor(numbers.astype(dtype) if is_numpys else numbers, dtype=dtype)
    made.requires_grad = requires_grad
    return made


def derivatives(op: str, operands: list[Any], **how: Any) -> list[Any]:
    """Return the value of an op and its gradients, by backward and recorded."""
    y = C.apply(op, operands, how)
    if not y.requires_grad:
        return [y]
    inputs = distinct(operands)
    for x in inputs:
        x.grad = None
    seed = draw(tuple(y.shape), y.dtype.name, 0.3, 1.7, requires_grad=False)
    y.backward(seed)
    found = C.grad([y], inputs, [seed], create_graph=True)
    return [y, *(x.grad for x in inputs), *found]


# More elements than one thread gets: functions are shared out from 65,536 elements on, what costs
# no more than a sum from 524,288 on.
FEW, MANY = 150_001, 600_011


@pytest.mark.parametrize("op", [op for op in (*UNARY, *BINARY) if op != "pow"])
def test_large_elementwise_ops(op: str) -> None:
    low, high = DOMAINS.get(op, (-4.0, 4.0))
    n = FEW if ELEMENTS[op].types == "floats" and op != "div" else MANY
    width = 977
    for dtype in ("float32", "float64") if n == FEW else ("float32", "int64"):
        operands = [draw((n,), dtype, low, high)]
        turned = [draw((width, n // width), dtype, low, high).detach().T]
        if op in BINARY:
            operands.append(draw((n,), dtype, low, high))
            turned.append(draw((width,), dtype, low, high))
        assert_same_each_way(lambda operands=operands: derivatives(op, operands))
        assert_same_each_way(lambda turned=turned: derivatives(op, turned))


def test_large_powers() -> None:
    x, y = draw((FEW,), low=0.2), draw((FEW,))
    assert_same_each_way(lambda: derivatives("pow", [x, y]))
    for k in (2.0, 0.5, 2.7, -1.0):
        assert_same_each_way(lambda k=k: derivatives("pow_number", [x], k=k))


REDUCED = [((MANY,), (0,)), ((700, 1001), (1,)), ((700, 1001), (0,)), ((3, 500, 401), (1,)),
           ((40, 30, 509), (0, 2)), ((2, 3, 100_003), (0,))]  # fmt: skip


@pytest.mark.parametrize(
    "op", ["sum", "mean", "prod", "amax", "amin", "any", "all", "var", "std", "logsumexp"]
)
def test_large_reductions(op: str) -> None:
    how = {"correction": 1.0} if op in ("var", "std") else {}
    for i, (shape, axes) in enumerate(REDUCED):
        dtype = ("float32", "float64", "float32", "float16")[i % 4]
        x = draw(shape, dtype, 0.9, 1.1 if op == "prod" else 4.0)
        if op == "prod" and i > 1:
            x = x.detach()  # the gradient of few factors makes a square of each row
        assert_same_each_way(lambda x=x, axes=axes: derivatives(op, [x], axes=axes, **how))
        if op not in ("mean", "var", "std"):
            whole = draw(shape, "int64")
            assert_same_each_way(lambda whole=whole, axes=axes: derivatives(op, [whole], axes=axes))


@pytest.mark.parametrize("op", ["argmax", "argmin", "cumsum", "softmax", "log_softmax"])
def test_large_ops_along_an_axis(op: str) -> None:
    for dtype, shape, axis in (("float32", (700, 1001), 1), ("float64", (1300, 501), 0),
                               ("float16", (11, 300, 101), 1), ("int64", (700, 1001), 1),
                               ("float32", (MANY,), 0)):  # fmt: skip
        x = draw(shape, dtype)
        assert_same_each_way(lambda x=x, axis=axis: derivatives(op, [x], axis=axis))


LONG = 530_003  # elements of a row: its blocks are shared out in each pass


def test_long_rows() -> None:
    """Rows whose blocks are shared out, also where squares leave the range."""
    x = draw((1, LONG), "float32")
    small = (x.detach() * 1e-30).requires_grad_()
    weight = draw((LONG,), "float32")
    along = {"axes": (1,), "correction": 1.0}
    for op, operands, how in (
        ("softmax", [x], {"axis": 1}),
        ("log_softmax", [x], {"axis": 1}),
        ("argmax", [x], {"axis": 1}),
        ("logsumexp", [x], {"axes": (1,)}),
        ("var", [x], along),
        ("std", [small], along),
        ("layer_norm", [x, weight, weight], {"axes": 1}),
        ("rms_norm", [small, weight], {"axes": 1}),
        ("cross_entropy", [x, pymicrograd.tensor([LONG - 1])], {"reduction": 2, "smoothing": 0.1}),
    ):
        assert_same_each_way(lambda op=op, o=operands, how=how: derivatives(op, o, **how))


def test_long_rows_are_sums_of_their_blocks() -> None:
    """The rule of sums, of what other ops compute."""
    set_num_threads(2)
    x = draw((LONG,), "float32").detach()
    e = (x - x.amax()).exp()
    assert bits(x.softmax(0)) == bits(e / e.sum())
    assert bits(x.logsumexp(0)) == bits(x.amax() + e.sum().log())
    shifted = x - x.mean()
    assert bits(x.var(correction=0)) == bits((shifted * shifted).sum() / LONG)
    x[LONG - 7] = 9.0
    assert x.argmax().item() == LONG - 7
    x[70_000] = x[200_000] = math.nan
    assert x.argmax().item() == x.argmin().item() == 70_000


@pytest.mark.parametrize("op", ["any", "all"])
def test_large_truths(op: str) -> None:
    """Eight bools are looked at in the time of an addition."""
    odd = pymicrograd.arange(2600) % 1001 == 5  # true in rows 5, 1006 and 2007
    truths = odd.reshape(2600, 1).expand(2600, 1777).contiguous()
    if op == "all":
        truths = truths.logical_not()
    assert_same_each_way(lambda: derivatives(op, [truths], axes=(1,)))
    assert (truths.any(1) if op == "any" else truths.all(1).logical_not()).sum().item() == 3


@pytest.mark.parametrize("op", ["layer_norm", "rms_norm"])
def test_large_norms(op: str) -> None:
    for dtype, shape, axes in (("float32", (1100, 601), 1), ("float64", (601, 11, 101), 2)):
        weights = [draw(shape[-axes:], dtype) for _ in range(2 if op == "layer_norm" else 1)]
        operands = [draw(shape, dtype), *weights]
        assert_same_each_way(lambda o=operands, a=axes: derivatives(op, o, axes=a))


def test_large_cross_entropy() -> None:
    logits, targets = draw((1200, 501)), draw((1200,), "int64")
    for reduction, smoothing in ((0, 0.0), (1, 0.1), (2, 0.0)):
        how = {"reduction": reduction, "smoothing": smoothing, "ignored": 7}
        assert_same_each_way(lambda how=how: derivatives("cross_entropy", [logits, targets], **how))


PRODUCTS = [((201, 211), (211, 191)), ((7, 301), (301, 2003)), ((2003, 301), (301, 5)),
            ((3, 150, 160), (160, 170)), ((1, 3000), (3000, 1500)), ((1500, 3000), (3000,)),
            ((97, 5), (5, 9001))]  # fmt: skip


WIDE, NARROW = ("float32", "float64"), ("float16", "bfloat16", "int32", "int8")
LARGE = [(*pair, WIDE) for pair in PRODUCTS]
LARGE += [(*PRODUCTS[0], NARROW)]  # others are cast first, whatever the shape
LARGE += [pytest.param(*pair, NARROW, marks=pytest.mark.all) for pair in PRODUCTS[1:]]


@pytest.mark.parametrize(("left", "right", "dtypes"), LARGE, ids=str)
def test_large_products(
    left: tuple[int, ...], right: tuple[int, ...], dtypes: tuple[str, ...]
) -> None:
    for dtype in dtypes:
        operands = [draw(left, dtype), draw(right, dtype)]
        assert_same_each_way(lambda operands=operands: derivatives("matmul", operands))
    if len(left) == len(right) == 2 and dtypes == WIDE:
        rows, columns = left[0], right[1]
        x, weight = draw(left), draw((columns, right[0]))
        bias = draw((columns,))
        assert_same_each_way(lambda: derivatives("linear", [x, weight, bias]))
        turned = [draw((left[1], rows)).detach().T, draw((columns, right[0])).detach().T]
        assert_same_each_way(lambda: derivatives("matmul", turned))


def test_large_movement() -> None:
    x = draw((811, 3, 307))
    index = pymicrograd.tensor(np.random.default_rng(3).integers(-811, 811, (1500,)))
    truth = draw((811, 3, 307), "bool")
    y = draw((1500, 3, 307))
    calls: list[tuple[str, list[Any], dict[str, Any]]] = [
        ("clone", [x], {}), ("contiguous", [x.detach().permute(2, 0, 1)], {}),
        ("cast", [x], {"dtype": "float16"}), ("cast", [x], {"dtype": "int32"}),
        ("cast", [x], {"dtype": "bfloat16"}), ("cast", [x], {"dtype": "int8"}),
        ("pad", [x], {"before": (1, 2, 3), "after": (0, 1, 0), "value": 0.1}),
        ("cat", [x, y], {"axis": 0}), ("take", [x, index], {}), ("add_at", [x, index, y], {}),
        ("put_at", [x, index, y], {}), ("where", [truth, x, draw((307,))], {}),
        ("nonzero", [truth], {}), ("expand", [draw((811, 1, 307))], {"shape": (811, 3, 307)}),
        ("window", [x], {"size": (2, 5), "stride": (1, 3), "dilation": (1, 2)}),
        ("gather", [x, index.reshape(1500, 1, 1).expand(1500, 3, 307)], {"axis": 0}),
        ("scatter_add", [x, index.reshape(1500, 1, 1).expand(1500, 3, 307), y], {"axis": 0}),
        ("slice", [x], {"start": (810, 0, 1), "step": (-1, 1, 2), "count": (811, 3, 150)}),
        ("reshape", [x.detach().permute(1, 0, 2)], {"shape": (2433, 307)}),
    ]  # fmt: skip
    for op, operands, how in calls:
        assert_same_each_way(lambda o=operands, op=op, how=how: derivatives(op, o, **how))


def network(x: Any, parameters: list[Any]) -> Any:
    """Return the loss of a small network with one of each kind of layer."""
    kernel, bias, weight, gain, shift, last = parameters
    x = functional.conv2d(x, kernel, bias, padding=1).relu()
    x = functional.max_pool2d(x, 2)
    x = functional.layer_norm(x.flatten(1), weight.shape[1:], gain, shift)
    x = functional.linear(x, weight).gelu()
    targets = pymicrograd.arange(x.shape[0]) % last.shape[0]
    return functional.cross_entropy(functional.linear(x, last), targets)


def test_a_training_of_a_network() -> None:
    start = [draw(shape, low=-0.2, high=0.2) for shape in (
        (16, 3, 3, 3), (16,), (300, 16 * 8 * 8), (16 * 8 * 8,), (16 * 8 * 8,),
        (10, 300))]  # fmt: skip
    x = draw((64, 3, 16, 16))

    def train() -> list[Any]:
        parameters = [p.detach().clone().requires_grad_() for p in start]
        losses = []
        for _ in range(3):
            loss = network(x, parameters)
            losses.append(loss)
            for p in parameters:
                p.grad = None
            loss.backward()
            with pymicrograd.no_grad():
                for p in parameters:
                    p -= 0.1 * p.grad
        return losses + parameters

    assert_same_each_way(train)


# ---- strides -------------------------------------------------------------------------------------


def other_layouts(case: Case) -> Iterator[Case]:
    """Yield a case with its operands elsewhere in memory."""
    for layout in STRIDED:
        if layout == "repeated":
            continue
        moved = {id(x): replace(x, layout=layout) for x in case.operands
                 if isinstance(x, Operand) and x.shape}  # fmt: skip
        if moved:
            yield replace(case, operands=tuple(moved.get(id(x), x) for x in case.operands))


@pytest.mark.parametrize("op", OPS)
def test_strides_change_nothing(op: str) -> None:
    for case in good(op)[::3]:
        plain = tuple(replace(x, layout="rows") if isinstance(x, Operand) else x
                      for x in case.operands)  # fmt: skip
        case = replace(case, operands=plain)
        expected = outcome(C, case)
        for other in other_layouts(case):
            assert outcome(C, other) == expected, other


@pytest.mark.parametrize("op", ["sum", "softmax", "cumsum", "amax", "var", "logsumexp"])
def test_strides_change_no_large_rows(op: str) -> None:
    x = draw((3, 129, 65)).detach()
    reduced = op in ("sum", "amax", "var", "logsumexp")
    for axes in itertools.permutations(range(3)):
        moved = x.permute(axes)
        for d in range(3):
            how: dict[str, Any] = {"axes": (d,)} if reduced else {"axis": d}
            if op == "var":
                how["correction"] = 1.0
            assert bits(C.apply(op, [moved], how)) == bits(C.apply(op, [moved.contiguous()], how))
            cut = moved[:, ::2, 1:]
            assert bits(C.apply(op, [cut], how)) == bits(C.apply(op, [cut.clone()], how))


# ---- batches -------------------------------------------------------------------------------------


def sizes(rng: random.Random, most: int) -> int:
    """Return a size: often a small one, often one next to a multiple of 8."""
    kind = rng.randrange(3)
    if kind == 0:
        return rng.randint(1, 8)
    if kind == 1:
        return max(1, 8 * rng.randint(1, most // 8) + rng.randint(-1, 1))
    return rng.randint(1, most)


@pytest.mark.parametrize("name", SETS)
def test_a_row_of_a_product_is_the_product_of_the_row(name: str) -> None:
    set_isa(name)
    rng = random.Random(5)
    for number in range(200):
        m, k, n = (sizes(rng, 70) for _ in range(3))
        dtype = ("float32", "float64", "float16", "float32")[number % 4]
        a, b = draw((m, k), dtype).detach(), draw((k, n), dtype).detach()
        if number % 3 == 1:
            a = draw((k, m), dtype).detach().T
        if number % 5 == 1:
            b = draw((n, k), dtype).detach().T
        c, biased = a @ b, functional.linear(a, b.T, draw((n,), dtype).detach())
        i, j = rng.randrange(m), rng.randrange(n)
        first, end = sorted((i, rng.randint(0, m)))
        assert bits(c[i]) == bits(a[i] @ b), (m, k, n, dtype)
        assert bits(c[:, j]) == bits(a @ b[:, j]), (m, k, n, dtype)
        assert bits(c[i, j]) == bits(a[i] @ b[:, j]), (m, k, n, dtype)
        assert bits(c[first:end]) == bits(a[first:end] @ b), (m, k, n, dtype)
        assert bits(biased[i]) == bits(functional.linear(a[i], b.T, draw((n,), dtype).detach()))
        pair = pymicrograd.stack([a, a.flip(0)])
        assert bits((pair @ b)[0]) == bits(c), (m, k, n, dtype)


ROWS: dict[str, Callable[[Any], Any]] = {
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "logsumexp": lambda x: x.logsumexp(-1),
    "layer_norm": lambda x: functional.layer_norm(x, x.shape[-1:]),
    "rms_norm": lambda x: functional.rms_norm(x, x.shape[-1:]),
    "linear": lambda x: functional.linear(x, draw((13, x.shape[-1])), draw((13,))),
    "sum": lambda x: x.sum(-1),
    "mean": lambda x: x.mean(-1),
    "prod": lambda x: (x * 0.1 + 1.0).prod(-1),
    "var": lambda x: x.var(-1),
    "amax": lambda x: x.amax(-1),
    "cumsum": lambda x: x.cumsum(-1),
    "gelu": lambda x: x.gelu(),
    "tanh": lambda x: x.tanh(),
    "pow": lambda x: (x * x + 0.1) ** 2.7,
    "cross_entropy": lambda x: functional.cross_entropy(
        x, pymicrograd.zeros(x.shape[0], dtype="int64"), reduction="none"
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_does_not_depend_on_its_batch(name: str) -> None:
    rng = random.Random(name)
    for number in range(25):
        m, n = sizes(rng, 60), sizes(rng, 140)
        x = draw((m, n), "float64" if number % 4 == 0 else "float32")
        if name in ("var",) and n == 1:
            continue

        def row_wise(x: Any) -> tuple[Any, Any]:
            """Return the rows of the value and of the gradient."""
            leaf = x.detach().requires_grad_()
            y = ROWS[name](leaf)
            y.backward(pymicrograd.full_like(y, 0.7))
            return y, leaf.grad

        y, dx = row_wise(x)
        i = rng.randrange(m)
        first, end = sorted((i, rng.randint(0, m)))
        for part in ((i, i + 1), (first, max(end, first + 1))):
            its, d_its = row_wise(x[part[0] : part[1]])
            assert bits(y[part[0] : part[1]]) == bits(its), (m, n, part)
            assert bits(dx[part[0] : part[1]]) == bits(d_its), (m, n, part)


def test_an_image_does_not_depend_on_its_batch() -> None:
    rng = random.Random(7)
    for _ in range(25):
        n, c, h, w = rng.randint(1, 5), rng.choice((2, 4)), rng.randint(4, 12), rng.randint(4, 12)
        how = {"stride": rng.randint(1, 2), "dilation": rng.randint(1, 2), "groups": 2}
        x, kernel = draw((n, c, h, w)), draw((6, c // 2, 2, 3), low=-1.0)
        turned = draw((c, 3, 2, 2), low=-1.0)

        def image_wise(
            x: Any, kernel: Any = kernel, how: Any = how, turned: Any = turned
        ) -> list[Any]:
            leaf = x.detach().requires_grad_()
            y = functional.conv2d(leaf, kernel, draw((6,)), padding=1, **how)
            z = functional.conv_transpose2d(leaf, turned, **how)
            p = functional.avg_pool2d(leaf, 2) + functional.max_pool2d(leaf, 2)
            total = (y * y).sum() + (z * z).sum() + (p * p).sum()
            total.backward()
            return [y, z, p, leaf.grad]

        whole = image_wise(x)
        i = rng.randrange(n)
        for mine, its in zip(whole, image_wise(x[i : i + 1]), strict=True):
            assert bits(mine[i : i + 1]) == bits(its), (n, c, h, w, how)


@pytest.mark.parametrize("op", [*UNARY, *(op for op in BINARY if op != "pow")])
def test_an_element_does_not_depend_on_its_place(op: str) -> None:
    low, high = DOMAINS.get(op, (-4.0, 4.0))
    operands = [draw((301 + k,), "float32", low, high).detach() for k in range(1 + (op in BINARY))]
    shown = [x[:300] for x in operands]
    whole = C.apply(op, shown, {})
    for first, end in ((0, 1), (7, 8), (1, 9), (3, 20), (290, 300), (5, 134)):
        part = C.apply(op, [x[first:end] for x in shown], {})
        assert bits(whole[first:end]) == bits(part), (first, end)


# ---- the written order ---------------------------------------------------------------------------


def sum_in_lanes(x: np.ndarray, start: float, join: Callable[[Any, Any], Any]) -> np.ndarray:
    """Return the sums of rows: element i goes to lane i % 32, and lanes are joined by halves."""
    lanes = np.full((x.shape[0], 32), start, x.dtype)
    for first in range(0, x.shape[1], 32):
        part = x[:, first : first + 32]
        lanes[:, : part.shape[1]] = join(lanes[:, : part.shape[1]], part)
    for step in (16, 8, 4, 2, 1):
        lanes = join(lanes[:, :step], lanes[:, step : 2 * step])
    return lanes[:, 0]


def sum_in_blocks(x: np.ndarray, start: float, join: Callable[[Any, Any], Any]) -> np.ndarray:
    """Return the sums of rows: blocks of 4096 elements in lanes, then their results likewise."""
    while x.shape[1] > 4096:
        blocks = [x[:, i : i + 4096] for i in range(0, x.shape[1], 4096)]
        x = np.stack([sum_in_lanes(block, start, join) for block in blocks], 1)
    return sum_in_lanes(x, start, join)


def test_products_are_fused_and_go_in_blocks_of_k() -> None:
    for shape in ((1, 1, 1), (3, 700, 5), (65, 33, 130), (200, 300, 210), (1, 400, 900),
                  (900, 260, 1), (1, 2500, 1), (3, 1100, 1), (2, 4096, 40), (70, 0, 3),
                  (25, 513, 49), (6, 1, 48), (13, 17, 16), (300, 900, 31)):  # fmt: skip
        m, k, n = shape
        for dtype in ("float32", "float64"):
            a, b = draw((m, k), dtype).detach(), draw((k, n), dtype).detach()
            expected = product(a.numpy(), b.numpy())
            for way in each_way():
                assert (a @ b).numpy().tobytes() == expected.tobytes(), (way, shape, dtype)
        half = draw((m, k), "float16", -1.0).detach(), draw((k, n), "float16", -1.0).detach()
        wide = product(*(x.numpy().astype(np.float32) for x in half))
        assert (half[0] @ half[1]).numpy().tobytes() == wide.astype(np.float16).tobytes(), shape


def test_products_of_many_steps_are_sums_of_spans() -> None:
    """Of more than 4096 steps every 4096 are a product, and these are the elements of a sum."""
    for m, k, n in ((1, 4097, 1), (3, 9000, 5), (5, 4100, 17), (1, 33 * 4096 + 77, 1)):
        for dtype in ("float32", "float64"):
            a, b = draw((m, k), dtype).detach(), draw((k, n), dtype).detach()
            spans = span_products(a.numpy(), b.numpy())
            rows = spans.reshape(len(spans), m * n).T
            expected = sum_in_blocks(rows, 0.0, np.add).reshape(m, n)
            bias = draw((n,), dtype).detach()
            for way in each_way():
                assert (a @ b).numpy().tobytes() == expected.tobytes(), (way, m, k, n)
                assert (a[0] @ b).numpy().tobytes() == expected[0].tobytes(), (way, m, k, n)
                linear = functional.linear(a, b.T, bias)
                assert linear.numpy().tobytes() == (expected + bias.numpy()).tobytes(), way


def test_dot_products_are_exact_to_the_logarithm_of_their_length() -> None:
    for n in (10**3, 10**4, 10**5, 10**6):
        a, b = draw((n,), low=0.0, high=1.0).detach(), draw((n,), low=0.0, high=1.0).detach()
        terms = a.numpy().astype(np.float64) * b.numpy().astype(np.float64)
        exact = math.fsum(terms)
        assert abs((a @ b).item() - exact) <= 4 * 2.0**-24 * exact, n


def test_a_product_of_one_step_has_the_sign_of_a_fused_sum_with_0() -> None:
    zero, tiny = pymicrograd.tensor([[-0.0]]), pymicrograd.tensor([[1e-30]])
    one = pymicrograd.tensor([[1.0]])
    for way in each_way():
        assert math.copysign(1.0, (zero @ one).item()) == 1.0, way
        assert math.copysign(1.0, (tiny @ -tiny).item()) == -1.0, way


def test_sums_are_joined_from_blocks_of_32_lanes() -> None:
    for shape in ((1, 1), (2, 31), (2, 32), (2, 33), (3, 1000), (1, MANY), (700, 1001), (9, 64),
                  (3, 4095), (5, 4096), (1, 4097), (130, 8193), (2, 135168)):  # fmt: skip
        for dtype in ("float32", "float64"):
            x = draw(shape, dtype, 0.5, 1.6).detach()
            sums = sum_in_blocks(x.numpy(), 0.0, np.add)
            products = sum_in_blocks(x.numpy(), 1.0, np.multiply)
            columns = x.T.contiguous()
            for way in each_way():
                for rows in (x.sum(1), columns.sum(0), x.reshape(-1, 1, shape[1]).sum((1, 2))):
                    assert rows.numpy().tobytes() == sums.tobytes(), (way, shape, dtype)
                for rows in (x.prod(1), columns.prod(0)):
                    assert rows.numpy().tobytes() == products.tobytes(), (way, shape, dtype)


def test_blocks_of_blocks() -> None:
    """4096 blocks and one more element: three levels; the last has two elements."""
    x = np.arange(4096 * 4096 + 1, dtype=np.float32) % 1000003 + np.float32(0.3)
    (expected,) = sum_in_blocks(x[None], 0.0, np.add)
    for way in each_way():
        assert pymicrograd.tensor(x).sum().item() == expected, way
    pair = pymicrograd.tensor(np.stack([x, x[::-1]], 1))
    assert pair.sum(0)[0].item() == expected


def test_sums_of_many_elements_are_exact_to_the_logarithm_of_their_number() -> None:
    tenths = pymicrograd.full((10**7,), 0.1)
    assert abs(tenths.mean().item() - 0.1) < 1e-7
    for n in (10**3, 10**5, 10**7):
        x = draw((n,), "float32", 0.0, 1.0).detach()
        exact = math.fsum(x.numpy().astype(np.float64))
        assert abs(x.sum().item() - exact) <= 2 * 2.0**-24 * 2 * exact, n
        assert x.logsumexp(0).item() == pytest.approx(x.double().logsumexp(0).item(), rel=2e-7)
        assert x.var().item() == pytest.approx(x.double().var().item(), rel=5e-7)


def test_gradients_of_products_are_the_products_of_the_others() -> None:
    """With any number of zeros; no division makes an error, or a NaN, of its own."""
    for n in (2, 31, 32, 33, 100):
        for zeros in (0, 1, 2):
            x = draw((n,), low=0.9, high=1.1).detach().numpy().copy()
            x[:zeros] = 0.0
            leaf = pymicrograd.tensor(x, requires_grad=True)
            leaf.prod().backward()
            rows = np.where(np.eye(n, dtype=bool), 1.0, x.astype(np.float64))
            assert np.allclose(leaf.grad.numpy(), rows.prod(1), rtol=1e-6, atol=0)


# ---- a mode that another library has set; flushing to zero is tested in C (test_mode.c) ----------

# What fesetround() takes for down, up and to zero.
DIRECTIONS = {
    "x86_64": (0x400, 0x800, 0xC00),
    "AMD64": (0x400, 0x800, 0xC00),
    "aarch64": (0x800000, 0x400000, 0xC00000),
}


def compute_things() -> list[Any]:
    """Return tensors that were made, computed, differentiated and stepped, and Values' numbers."""
    generator = pymicrograd.RNG(7)
    x = pymicrograd.randn(300, 400, generator=generator).requires_grad_()
    numbers = pymicrograd.tensor([0.1, 1e-45, 1 / 3, 16777217]).exp()
    loss = (x @ x.T).softmax(1).std() + (x / 3).tanh().sum()
    loss = loss + functional.layer_norm(x, (400,)).var()
    loss.backward()
    optimizer = pymicrograd.optim.AdamW([x], lr=0.1)
    optimizer.step()
    v = pymicrograd.Value(0.1)
    w = (v * 1e-310 + v / 3).tanh().exp()
    w.backward()
    return [x, x.grad, numbers, loss, *map(pymicrograd.tensor, (x.tolist()[0], [w.data, v.grad]))]


def test_no_result_depends_on_the_rounding_that_holds() -> None:
    library = ctypes.CDLL(None)
    if platform.machine() not in DIRECTIONS or not hasattr(library, "fesetround"):
        pytest.skip("the numbers that fesetround() takes here are not known")
    expected = [bits(x) for x in compute_things()]
    for direction in DIRECTIONS[platform.machine()]:
        for threads in (1, 2):
            set_num_threads(threads)
            library.fesetround(direction)
            try:
                found = compute_things()
                assert library.fegetround() == direction
            finally:
                library.fesetround(0)
            assert [bits(x) for x in found] == expected


def test_the_seeds_have_full_mantissas() -> None:
    """Numbers of few bits would hide what rounds once where it should round twice."""
    numbers = seed_operand("float64", (100,), 1, False).values
    assert sum(float(np.float32(x)) != x for x in numbers) > 90
    assert sum(int(np.float32(x).view(np.uint32)) & 0xFF != 0 for x in draw((100,)).tolist()) > 80


def test_cases_lie_in_memory_as_they_say() -> None:
    shape = (3, 4)
    for layout in STRIDED:
        values = tuple(range(4)) * 3 if layout == "repeated" else tuple(range(12))
        x = C.leaf(Operand("int64", shape, values, layout))
        assert not x.is_contiguous() and tuple(x.shape) == shape
        assert tuple(x.reshape(12).tolist()) == values
    assert leaves(C, Case("add", (Operand("int64", (2,), (1, 2)), 3)))[1] == 3


RUNS = [mg.add, mg.sub, mg.mul, mg.div, mg.atan2, mg.lt, lambda a, b: mg.where(b > 0, a, b)]


@pytest.mark.parametrize("n", [127, 128, 257, 600])
def test_operands_that_lie_in_runs_have_the_bits_of_whole_ones(n: int) -> None:
    """A row, a column, a slice, with gradients: as where each operand is whole."""
    draw = mg.RNG(5)
    whole = mg.randn(3, 4, n + 3, generator=draw)
    x, g = whole[:, ::2, 1 : n + 1], whole[:, :2, :n]
    shapes: list[tuple[int, ...]] = [(3, 2, 1), (n,), (2, n), (3, 1, 1)]
    others = [mg.randn(*shape, generator=draw) for shape in shapes]
    for other in [*others, whole[:, 1::2, 2 : n + 2], others[0] > 0]:
        for op in RUNS:
            results: list[list[Any]] = []
            for copied in (False, True):
                a = (x.clone() if copied else x.detach()).requires_grad_()
                b = other.expand(x.shape).contiguous() if copied else other
                y = op(a, b)
                z = op(b, a) if other.is_floating_point() else y
                both = [y, z] if y.is_floating_point() else []
                grads = mg.grad(both, [a], [g, g]) if both else ()
                results.append([y, z, *grads])
            for one, same in zip(*results, strict=True):
                assert one.detach().numpy().tobytes() == same.detach().numpy().tobytes()
