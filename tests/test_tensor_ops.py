"""Every op on arrays: the C core against the reference, bit for bit, and what both refuse."""

from __future__ import annotations

import math
import operator
from typing import Any

import pytest
from tensor_cases import (
    ENGINES,
    INTERNAL,
    OPS,
    Case,
    CEngine,
    Engine,
    Operand,
    bad_cases,
    good,
    known,
    leaves,
    outcome,
    seed_for,
    seed_operand,
)

import pymicrograd
from pymicrograd import Function, autograd
from pymicrograd.errors import DTypeError

C, REFERENCE = ENGINES


# ---- the table -----------------------------------------------------------------------------------

# Internal ops: x[...] with one index, beside a method of PyTorch's of flat indices; and the sums
# of windows, beside a function of columns; those that teenygrad has methods of;
# and a part of a function of the same name.
NAMESAKES = {"assign", "cast", "fold", "group_norm", "slice", "take"}
# Their gradients are the caller's: tried below.
OF_THE_CALLER = {"function", "output"}


def test_the_library_the_reference_and_the_cases_have_the_same_ops() -> None:
    assert set(C.ops) - {"leaf"} - OF_THE_CALLER == set(REFERENCE.ops) == set(OPS)


def test_an_op_is_public_unless_the_table_calls_it_internal() -> None:
    for op in set(OPS) - NAMESAKES:
        places = (pymicrograd.Tensor, pymicrograd, pymicrograd.functional)
        assert any(hasattr(place, op) for place in places) == (op not in INTERNAL), op


@pytest.mark.parametrize("op", OPS)
def test_the_cases_are_worth_their_name(op: str) -> None:
    cases = good(op)
    assert len(cases) >= 30 and len(bad_cases(op)) >= 4
    shown = [x for case in cases for x in case.operands if isinstance(x, Operand)]
    assert {0, 1} <= {len(x.values) for x in shown}
    assert len({x.layout for x in shown}) > 4
    numbers = [n for x in shown for n in x.values if isinstance(n, float)]
    if numbers:
        assert any(n != n for n in numbers) and math.inf in numbers
        assert any(n == 0.0 and math.copysign(1.0, n) < 0.0 for n in numbers)


# ---- good cases ----------------------------------------------------------------------------------


@pytest.mark.parametrize("op", OPS)
def test_values_and_derivatives_of_an_op(op: str, request: pytest.FixtureRequest) -> None:
    """In the tier quick of the first cases, which are of special numbers, and each third."""
    step = 3 if request.config.getoption("tier") in ("brief", "quick") else 1
    for case in [*good(op)[:8], *good(op)[8::step]]:
        mine, its = outcome(C, case), outcome(REFERENCE, case)
        for what in {**its, **mine}:
            assert mine.get(what) == its.get(what), (what, case)
        assert mine.get("first") == mine.get("recorded"), case


@pytest.mark.parametrize("op", [op for op in OPS if any(case.smooth for case in good(op))])
def test_derivatives_are_those_of_differences(op: str) -> None:
    for case in good(op):
        if case.smooth:
            operands = leaves(C, case)

            def compute(*tensors: Any, case: Case = case) -> Any:
                return C.apply(case.op, tensors, case.how)

            assert autograd.gradcheck(compute, operands), case
            assert autograd.gradgradcheck(compute, operands), case


# ---- ops of the caller ---------------------------------------------------------------------------


class Exp(Function):
    """exp, with the gradient of the table."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return y * g


class SinAndCube(Function):
    """Two outputs of two inputs."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        ctx.save_for_backward(x, y)
        return x.sin(), y * y * y

    @staticmethod
    def backward(ctx: Any, of_sin: Any, of_cube: Any) -> Any:
        x, y = ctx.saved_tensors
        return x.cos() * of_sin, 3.0 * (y * y) * of_cube


class Caller(CEngine):
    """Records exp by a Function."""

    def apply(self, op: str, operands: Any, how: Any) -> Any:
        return Exp.apply(*operands)


def test_a_function_is_an_op_like_any_other() -> None:
    cases = [case for case in good("exp") if case.operands[0].dtype in ("float32", "float64")]
    for case in cases:
        assert outcome(Caller(), case) == outcome(REFERENCE, case), case
    assert len(cases) >= 20


def test_outputs_of_a_function() -> None:
    for dtype in ("float32", "float64"):
        shown = [seed_operand(dtype, (3, 2), salt, True) for salt in (5, 6)]

        def derivatives(engine: Engine, compute: Any, shown: Any = shown) -> list[Any]:
            x, y = (engine.leaf(operand) for operand in shown)
            seeds = [seed_for(engine, x, 7), seed_for(engine, x, 8)]
            outputs = compute(x, y)
            found = engine.grad(outputs, [x, y], seeds, create_graph=True)
            second = engine.grad(found, [x, y], seeds, create_graph=False)
            only = engine.grad(outputs[1:], [y], seeds[1:], create_graph=False)
            return known(engine, [*outputs, *found, *second, *only])

        def plainly(x: Any, y: Any) -> list[Any]:
            return [x.sin(), y * y * y]

        mine = derivatives(C, lambda x, y: list(SinAndCube.apply(x, y)))
        plain = derivatives(C, plainly)
        assert derivatives(REFERENCE, plainly) == plain
        assert mine[:3] == plain[:3]  # the formula of a cube's gradient is another
        x = [pymicrograd.tensor([0.5, 2.0], dtype="float64", requires_grad=True) for _ in "xy"]
        assert autograd.gradcheck(SinAndCube.apply, x)
        assert autograd.gradgradcheck(SinAndCube.apply, x)


# ---- bad cases -----------------------------------------------------------------------------------


def attempt(engine: Engine, case: Case) -> None:
    """Do what a bad case says."""
    y = engine.apply(case.op, leaves(engine, case), case.how)
    if case.backward:
        seed = None
        if case.seed is not None:
            seed = engine.leaf(seed_operand("float32", case.seed, 3, False))
        y.backward(seed)


@pytest.mark.parametrize("op", OPS)
def test_an_op_refuses_bad_operands(op: str) -> None:
    for case in bad_cases(op):
        assert case.raises is not None
        for engine in ENGINES:
            try:
                attempt(engine, case)
            except case.raises:
                continue
            except Exception as error:
                raise AssertionError((engine.name, case)) from error
            raise AssertionError((engine.name, case, "did not raise"))


# ---- bits ----------------------------------------------------------------------------------------

BINARY_BITS = {"&": operator.and_, "|": operator.or_, "^": operator.xor}
IN_PLACE_BITS = {"&": operator.iand, "|": operator.ior, "^": operator.ixor}
PAIRS_OF_TYPES = [("int64", "int32", "int64"), ("uint8", "int32", "int32"),
                  ("bool", "uint8", "uint8"), ("bool", "bool", "bool"),
                  ("uint8", "uint8", "uint8")]  # fmt: skip


@pytest.mark.parametrize("sign", BINARY_BITS)
@pytest.mark.parametrize(("left", "right", "result"), PAIRS_OF_TYPES)
def test_bits_have_the_common_type(sign: str, left: str, right: str, result: str) -> None:
    numbers = [0, 1, 1, 0], [1, 1, 0, 0]
    x, y = (pymicrograd.tensor(n, dtype=t) for n, t in zip(numbers, (left, right), strict=True))
    expected = [int(BINARY_BITS[sign](a, b)) for a, b in zip(*numbers, strict=True)]
    for made in (BINARY_BITS[sign](x, y), BINARY_BITS[sign](y, x)):
        assert (made.dtype.name, made.tolist()) == (result, expected)
    if left == result:
        before = x.data_ptr()
        assert IN_PLACE_BITS[sign](x, y).data_ptr() == before
        assert x.tolist() == expected


def test_bits_beside_numbers() -> None:
    x = pymicrograd.tensor([5, -3, 0], dtype="int32")
    assert (x & 6).tolist() == (6 & x).tolist() == [4, 4, 0]
    assert (x | True).tolist() == [5, -3, 1]
    assert (~x).tolist() == (x ^ -1).tolist() == [-6, 2, -1]
    assert (x << 1).tolist() == [10, -6, 0]
    assert (x >> 1).tolist() == [2, -2, 0]
    assert (1 << pymicrograd.tensor([0, 3, 64, -1])).tolist() == [1, 8, 0, 0]
    assert (x << 31).tolist() == [-(2**31), -(2**31), 0]
    assert (pymicrograd.tensor([True]) & 6).dtype is pymicrograd.int64
    x <<= 2
    x |= 1
    assert x.tolist() == [21, -11, 1]
    assert pymicrograd.bitwise_left_shift(x, 1).tolist() == [42, -22, 2]


def test_bits_that_are_refused_change_nothing() -> None:
    x = pymicrograd.tensor([1, 2], dtype="uint8")
    truths = pymicrograd.tensor([True, False])
    with pytest.raises(DTypeError, match="bitwise_and_: the result, with uint8, cannot be"):
        truths &= x
    with pytest.raises(
        DTypeError, match="bitwise_or: is for integers and bool, not uint8 and float"
    ):
        x | 0.5
    with pytest.raises(DTypeError, match="bitwise_left_shift: is for integers, not bool and bool"):
        truths << truths
    assert (x.tolist(), truths.tolist()) == ([1, 2], [True, False])


def test_the_type_of_bools_stays_where_there_is_nothing_to_count() -> None:
    truths = pymicrograd.tensor([True, False])
    for made in (truths.sign(), truths.clamp_min(truths), truths.clamp_max(truths)):
        assert (made.dtype, made.tolist()) == (pymicrograd.bool_, [True, False])
    assert truths.clamp_min(0).dtype is pymicrograd.int64
