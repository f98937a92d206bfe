"""Arrays and Tensors of the reference: types, rounding, orders of additions, gradients.

NumPy's float32 arithmetic is IEEE's, so what has a written order is compared with it bit for bit.
Functions of vmath.py have their own tests; here they are only combined.
"""

from __future__ import annotations

import inspect
import itertools
import math
import random
import re
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from products import exact_fma, hostile_triples, product, span_products

from pymicrograd.reference import Tensor, no_grad, vmath
from pymicrograd.reference.array import DTYPES, Array, array, broadcast_shapes, convert, promote
from pymicrograd.reference.array_ops import ARRAYS
from pymicrograd.reference.element_ops import ROWS, Element
from pymicrograd.reference.element_ops import apply as apply_elements
from pymicrograd.reference.fma import by_integers, fma_f32, fma_f64
from pymicrograd.reference.gradients import RULES
from pymicrograd.reference.tensor import apply, grad

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
OPS_DEF = Path(__file__).parent.parent / "csrc" / "ops.def"
FLOATS = ["float32", "float64", "float16", "bfloat16"]
CODES = {"float32": "<f", "float64": "<d", "float16": "<e", "bfloat16": "<f"}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, math.inf, -math.inf, math.nan, 5e-324, 1e-45,
           -1e-40, 6e-8, 65504.0, 65520.0, 3.4028234663852886e38, 1e300, 0.1, -7.5]  # fmt: skip
numbers = st.one_of(st.floats(), st.floats(width=32), st.sampled_from(SPECIAL))


def bits(numbers: list[Any], dtype: str) -> list[Any]:
    """Return what tells numbers of a type apart: all NaNs are one."""
    if dtype not in CODES:
        return [(type(x), x) for x in numbers]
    return ["NaN" if x != x else struct.pack(CODES[dtype], x) for x in numbers]


def state(x: Any) -> tuple[Any, ...]:
    """Return type, shape and bits of a Tensor, an Array or a NumPy array."""
    if isinstance(x, (np.ndarray, np.generic)):
        return str(x.dtype), x.shape, bits(x.ravel().tolist(), str(x.dtype))
    x = x.array if isinstance(x, Tensor) else x
    return x.dtype, x.shape, bits(x.values, x.dtype)


def draw(rng: random.Random, shape: tuple[int, ...], dtype: str = "float64") -> Array:
    """Return an array of full mantissas, about as many above 0 as below."""
    return Array.build(dtype, shape, lambda i: rng.gauss(0.0, 1.0))


def to_numpy(a: Any) -> Any:
    """Return an Array or a Tensor as NumPy's."""
    a = a.array if isinstance(a, Tensor) else a
    return np.array(a.values, dtype=a.dtype).reshape(a.shape)


def of_numpy(a: Any) -> Array:
    """Return NumPy's array, or number, as an Array."""
    a = np.asarray(a)
    return Array(str(a.dtype), a.shape, a.ravel().tolist())


# ---- the op table --------------------------------------------------------------------------------


def rows_of_the_table() -> dict[str, tuple[str, list[str]]]:
    """Return the kind and the arguments of each row of ops.def."""
    text = re.sub(r"/\*.*?\*/", "", OPS_DEF.read_text(), flags=re.S)
    pattern = r"^(MG_OP|MG_MAP|MG_ARRAY)\([A-Z0-9_]+, (\w+), (\"[^\"]*\"), ([^;]*?)\) *$"
    found = re.findall(pattern, text, flags=re.M | re.S)
    return {name: (kind, [symbol, *rest.split(",")]) for kind, name, symbol, rest in found}


def names_in(takes: str) -> list[str]:
    """Return the names in a column like `TAKES(a, b) INTEGERS(axis)`."""
    return re.findall(r"\b[a-z]\w*", takes)


def test_the_ops_are_those_of_the_op_table() -> None:
    table = rows_of_the_table()
    of_elements = [name for name, (kind, _) in table.items() if kind != "MG_ARRAY"]
    assert of_elements == ["leaf", *ROWS]
    whole = {name for name, (kind, _) in table.items() if kind == "MG_ARRAY"}
    assert whole == {*ARRAYS, "detach", "function", "output"}
    for name, row in ROWS.items():
        symbol, arity, types = (x.strip() for x in table[name][1][:3])
        assert (row.symbol, row.types.upper()) == (symbol.strip('"'), types)
        operands = len(inspect.signature(row.value).parameters) - (name == "pow_number")
        assert operands == int(arity)
        assert len(row.gradients) in (0, operands)
        assert (row.gradients == ()) == (
            types in ("COMPARES", "TRUTHS", "INTEGRAL", "INTEGRAL_AND_BOOLS")
        )
    for name, function in ARRAYS.items():
        _, gradient, _, *takes = (x.strip() for x in table[name][1])
        assert (name in RULES) == (gradient == "RULE"), name
        assert list(inspect.signature(function).parameters) == names_in(", ".join(takes)), name


def test_every_op_is_a_method() -> None:
    for name in (*ROWS, *ARRAYS, "detach"):
        assert inspect.getdoc(getattr(Tensor, name)), name


# ---- numbers of a type ---------------------------------------------------------------------------


@given(numbers)
def test_floats_are_rounded_to_the_nearest(x: float) -> None:
    for dtype in FLOATS[:3]:
        assert bits([convert(x, dtype)], dtype) == bits([np.dtype(dtype).type(x).item()], dtype)


@given(st.one_of(numbers, st.integers(-(2**63), 2**63 - 1)))
def test_bfloat16_is_the_nearest_half_of_a_float32(x: float) -> None:
    y = convert(x, "bfloat16")
    if x != x:
        assert y != y
        return
    code = int.from_bytes(struct.pack("<f", y), "little")
    around = [(code >> 16 & 0x7FFF) + step for step in (-1, 0, 1)]
    near = [2.0**128 if n == 0x7F80 else struct.unpack("<f", struct.pack("<I", n << 16))[0]
            for n in around if 0 <= n <= 0x7F80]  # fmt: skip
    far = [abs(Fraction(min(abs(x), 2**130)) - Fraction(n)) for n in near]
    own = far[near.index(min(abs(y), 2.0**128))]
    assert code % 2**16 == 0 and math.copysign(1.0, y) == math.copysign(1.0, x)
    assert own == min(far) and (far.count(own) == 1 or code >> 16 & 1 == 0)


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_wrap_and_are_rounded_once(n: int) -> None:
    for dtype in ("uint8", "int8", "int16", "int32", "int64", "float32", "float64"):
        assert convert(n, dtype) == np.int64(n).astype(dtype).item()
    near = max(-65520, min(65520, n))
    assert convert(near, "float16") == np.float64(near).astype("float16").item()


def test_rounding_an_integer_twice_would_be_wrong() -> None:
    n = 2**60 + 2**36 + 1  # float64 would take it to the middle between two float32
    assert convert(n, "float32") == 2.0**60 + 2.0**37 != vmath.to_float32(float(n))
    assert convert(-n, "float32") == -(2.0**60 + 2.0**37)


@pytest.mark.parametrize(
    ("x", "of_uint8", "of_int32", "of_int64"),
    [(2.9, 2, 2, 2), (-2.9, 0, -2, -2), (255.9, 255, 255, 255), (256.0, 255, 256, 256),
     (-0.5, 0, 0, 0), (1e10, 255, 2**31 - 1, 10**10), (-1e10, 0, -(2**31), -(10**10)),
     (math.inf, 255, 2**31 - 1, 2**63 - 1), (-math.inf, 0, -(2**31), -(2**63)),
     (2.0**63, 255, 2**31 - 1, 2**63 - 1), (math.nan, 0, 0, 0)],
)  # fmt: skip
def test_floats_are_cut_and_held_within_integers(
    x: float, of_uint8: int, of_int32: int, of_int64: int
) -> None:
    assert convert(x, "uint8") == of_uint8
    assert convert(x, "int16") == max(-(2**15), min(2**15 - 1, of_int32))
    assert convert(x, "int32") == of_int32
    assert convert(x, "int64") == of_int64


def test_a_bool_is_what_is_not_zero() -> None:
    assert [convert(x, "bool") for x in (0, 0.0, -0.0, 2, -1, 0.1, math.nan, 256)] == [
        False, False, False, True, True, True, True, True,
    ]  # fmt: skip
    assert convert(True, "float32") == 1.0 and type(convert(True, "int64")) is int


def test_arrays_are_made_of_nested_lists() -> None:
    assert state(array([[1, 2.5], [3, 4]]))[:2] == ("float32", (2, 2))
    assert state(array([True, 2]))[:2] == ("int64", (2,))
    assert state(array(True))[:2] == ("bool", ())
    assert state(array([[], []]))[:2] == ("float32", (2, 0))
    assert array([0.1]).values == [vmath.to_float32(0.1)]
    for nested in ([[[1], [2]], [[3], [4]]], 7, [], [[], []], [[True, False]]):
        assert array(nested, None if nested else "int64").tolist() == nested


@pytest.mark.parametrize(
    ("data", "dtype", "error"),
    [([[1], [2, 3]], None, ValueError), ([1, [2]], None, ValueError), ([[1], 2], None, ValueError),
     (["1"], None, TypeError), (None, None, TypeError), ([1j], None, TypeError),
     ([256], "uint8", OverflowError), ([-1], "uint8", OverflowError),
     ([2**63], "int64", OverflowError), ([1.0], "float8", TypeError)],
)  # fmt: skip
def test_what_no_array_is_made_of(data: Any, dtype: str | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        array(data, dtype)


# ---- common types --------------------------------------------------------------------------------

VECTOR, SCALAR = (2,), ()
PROMOTIONS = [
    (("bool", VECTOR), ("uint8", VECTOR), "uint8"),
    (("uint8", VECTOR), ("int32", VECTOR), "int32"),
    (("int64", VECTOR), ("float16", VECTOR), "float16"),
    (("float16", VECTOR), ("float32", VECTOR), "float32"),
    (("float32", VECTOR), ("float64", VECTOR), "float64"),
    (("float32", VECTOR), ("float64", SCALAR), "float32"),
    (("int32", VECTOR), ("int64", SCALAR), "int32"),
    (("int32", VECTOR), ("float64", SCALAR), "float64"),
    (("bool", VECTOR), ("uint8", SCALAR), "uint8"),
    (("float16", SCALAR), ("float32", SCALAR), "float32"),
    (("float16", VECTOR), 2.5, "float16"),
    (("float64", VECTOR), 2.5, "float64"),
    (("int8", VECTOR), ("uint8", VECTOR), "int16"),
    (("float16", VECTOR), ("bfloat16", VECTOR), "float32"),
    (("bfloat16", VECTOR), ("float16", SCALAR), "bfloat16"),
    (("int16", VECTOR), ("int8", VECTOR), "int16"),
    (("int32", VECTOR), 2.5, "float32"),
    (("int32", VECTOR), 2**40, "int32"),
    (("bool", VECTOR), 2, "int64"),
    (("bool", VECTOR), True, "bool"),
    (("uint8", SCALAR), True, "uint8"),
    (("int64", SCALAR), 0.5, "float32"),
]  # fmt: skip


def operand(x: Any) -> Any:
    """Return an Array of zeros for a type and a shape; a number as it is."""
    return Array.build(x[0], x[1], lambda i: 0) if isinstance(x, tuple) else x


@pytest.mark.parametrize(("a", "b", "expected"), PROMOTIONS)
def test_common_types(a: Any, b: Any, expected: str) -> None:
    assert promote([operand(a), operand(b)]) == promote([operand(b), operand(a)]) == expected


def test_torch_has_the_same_common_types() -> None:
    torch = pytest.importorskip("torch")
    sides = [(dtype, shape) for dtype in DTYPES for shape in (VECTOR, SCALAR)]
    for a, b in itertools.product(sides, [*sides, True, 2, 2.5]):
        theirs = [
            torch.zeros(x[1], dtype=getattr(torch, x[0])) if isinstance(x, tuple) else x
            for x in (a, b)
        ]
        expected = str(torch.result_type(*theirs)).removeprefix("torch.")
        assert promote([operand(a), operand(b)]) == expected, (a, b)


def test_types_of_results() -> None:
    ints, truths = Tensor([3, -4], "int32"), Tensor([True, False])
    floats = Tensor([0.5, 2.0], "float16")
    results = {
        "int32": [ints + ints, ints * 2, abs(ints), ints // 2, ints % 2, ints + truths, ints**2,
                  truths & ints, ~ints, ints << 1, 1 >> ints],
        "float32": [ints / ints, ints / 2, ints.exp(), truths.exp(), ints + 0.5, ints**0.5],
        "float16": [floats + 1.5, floats * ints, floats.exp(), floats.softmax(0), floats**2],
        "int64": [abs(truths), truths.sum(), ints.sum(), ints.cumsum(0), truths**truths,
                  truths + 1, ints.argmax()],
        "bool": [ints < 2, truths + truths, truths * truths, truths.maximum(truths), ints.any(),
                 truths & truths, ~truths, floats == floats, ints != 0.5],
    }  # fmt: skip
    for dtype, made in results.items():
        assert [x.dtype for x in made] == [dtype] * len(made)
    assert (truths + Tensor([True, True])).tolist() == [True, True]
    assert (truths * Tensor([True, True])).tolist() == [True, False]


def test_an_int_is_compared_as_an_int() -> None:
    small = Tensor([200, 44], "uint8")
    assert (small < 300).tolist() == [True, True]  # 300 as uint8 is 44
    assert (small == 300).tolist() == [False, False]
    assert (small + 300).tolist() == [244, 88]
    assert (Tensor([2**24 + 1]) == 2.0**24).tolist() == [True]  # as float32


# ---- elements ------------------------------------------------------------------------------------

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(a=numbers, b=numbers)
def test_each_operation_is_rounded(a: float, b: float, dtype: str) -> None:
    x, y = np.array(a, dtype), np.array(b, dtype)
    for name, operation in OPERATIONS.items():
        mine = apply_elements(name, of_numpy(x), of_numpy(y))
        assert state(mine) == state(np.asarray(operation(x, y), dtype)), name
    assert state(apply_elements("sqrt", of_numpy(x))) == state(np.sqrt(x))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
@given(data=st.data())
def test_integers_compute_modulo_their_size(dtype: str, data: st.DataObject) -> None:
    info = np.iinfo(dtype)
    a, b = (data.draw(st.integers(int(info.min), int(info.max))) for _ in range(2))
    x, y = array(a, dtype), array(b, dtype)
    for name in ("add", "sub", "mul"):
        assert apply_elements(name, x, y).tolist() == convert(OPERATIONS[name](a, b), dtype)
    assert apply_elements("neg", x).tolist() == convert(-a, dtype)
    assert apply_elements("abs", x).tolist() == convert(abs(a), dtype)
    if b != 0:
        assert apply_elements("floor_divide", x, y).tolist() == convert(a // b, dtype)
        assert apply_elements("remainder", x, y).tolist() == convert(a % b, dtype)
    k = abs(b) % 70
    assert apply_elements("pow", x, array(k, dtype)).tolist() == convert(a**k, dtype)


def test_negative_powers_and_divisions_of_integers() -> None:
    inverse = apply_elements("pow", array([1, -1, -1, 2, -3, 0]), array([-5, -4, -3, -1, -2, -1]))
    assert inverse.tolist() == [1, 1, -1, 0, 0, 0]
    assert (Element("int64", 7) // 0).value == (Element("int64", 7) % 0).value == 0
    for name in ("floor_divide", "remainder"):
        with pytest.raises(ZeroDivisionError):
            apply_elements(name, array([1, 2]), array([1, 0]))
    with pytest.raises(ValueError):
        Tensor([2]) ** -1


@given(a=numbers, b=numbers)
def test_floor_division_is_pythons(a: float, b: float) -> None:
    quotient = apply_elements("floor_divide", array(a, "float64"), array(b, "float64"))
    rest = apply_elements("remainder", array(a, "float64"), array(b, "float64"))
    if b != 0.0:
        assert state(quotient) == state(array(a // b, "float64"))
        assert state(rest) == state(array(a % b, "float64"))
    else:
        assert state(quotient) == state(apply_elements("div", array(a, "float64"), b))
        assert math.isnan(rest.tolist())


@pytest.mark.parametrize("name", ["floor", "ceil", "round", "trunc"])
@given(numbers)
def test_roundings_to_whole_numbers_keep_the_sign(name: str, x: float) -> None:
    function = {"round": np.rint}.get(name) or getattr(np, name)
    for dtype in ("float32", "float64"):
        a = np.array(x, dtype)
        assert state(apply_elements(name, of_numpy(a))) == state(function(a))


NAN = math.nan
CHOICES = [
    ("maximum", [1.0, 2.0, NAN, 1.0, -0.0], [2.0, 1.0, 1.0, NAN, 0.0], [2.0, 2.0, NAN, NAN, -0.0]),
    ("minimum", [1.0, 2.0, NAN, 1.0, 0.0], [2.0, 1.0, 1.0, NAN, -0.0], [1.0, 1.0, NAN, NAN, 0.0]),
    ("share", [1.0, 2.0, 1.0, NAN], [2.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.5, 1.0]),
    ("at_least", [1.0, 2.0, 1.0, NAN], [2.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0]),
    ("below", [1.0, 2.0, 1.0, NAN], [2.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]),
    ("mask", [0.0, -0.0, 0.5, -1.0], [NAN, -1.0, 3.0, 2.0], [0.0, 0.0, 1.5, -2.0]),
    ("eq", [0.0, NAN, 1.0], [-0.0, NAN, 2.0], [True, False, False]),
    ("ne", [0.0, NAN, 1.0], [-0.0, NAN, 2.0], [False, True, True]),
    ("logical_xor", [0.0, NAN, 1.0], [2.0, NAN, 0.0], [True, False, True]),
    ("bitwise_left_shift", [1, -3, 5, 5], [62, 1, 64, -1], [2**62, -6, 0, 0]),
    ("bitwise_right_shift", [5, -5, -5, -5], [1, 1, 64, -1], [2, -3, -1, -1]),
    ("bitwise_not", [0, -1, 5], None, [-1, 0, -6]),
    ("relu", [-1.0, -0.0, 2.0, NAN], None, [0.0, -0.0, 2.0, NAN]),
    ("sign", [-2.0, -0.0, 3.0, NAN], None, [-1.0, 0.0, 1.0, 0.0]),
    ("step", [-2.0, 0.0, 3.0, NAN], None, [0.0, 0.0, 1.0, 1.0]),
    ("rsqrt", [0.0, -1.0, 4.0], None, [math.inf, NAN, 0.5]),
    ("reciprocal", [0.0, -0.0, 4.0], None, [math.inf, -math.inf, 0.25]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "a", "b", "expected"), CHOICES, ids=lambda x: str(x)[:12])
def test_choices_between_numbers(name: str, a: Any, b: Any, expected: Any) -> None:
    operands = [array(a)] if b is None else [array(a), array(b)]
    assert state(apply_elements(name, *operands)) == state(array(expected))


@pytest.mark.parametrize("dtype", FLOATS)
def test_constant_exponents(dtype: str) -> None:
    rng = random.Random(3)
    a = Array.build(dtype, (200,), lambda i: rng.uniform(0.01, 30.0))
    one = array(1.0, dtype)
    plain = {
        2.0: apply_elements("mul", a, a), 1.0: a, -1.0: apply_elements("div", one, a),
        0.5: apply_elements("sqrt", a), -0.5: apply_elements("rsqrt", a),
        0.0: Array.build(dtype, (200,), lambda i: 1.0),
    }  # fmt: skip
    for k, expected in plain.items():
        assert state(apply_elements("pow_number", a, k=k)) == state(expected)
    general = [vmath.power(x, 2.5) if dtype == "float64" else vmath.power_f32(x, 2.5)
               for x in a.values]  # fmt: skip
    assert state(apply_elements("pow_number", a, k=2.5)) == state(Array(dtype, (200,), general))
    wide = a.cast("float32") if dtype.endswith("float16") else a
    cube = apply_elements("mul", apply_elements("mul", wide, wide), wide).cast(dtype)
    assert state(apply_elements("pow_number", a, k=3.0)) == state(cube)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", [name for name in ROWS if "bitwise" not in name])
def test_two_bytes_are_float32_rounded_once(name: str, half: str) -> None:
    rng = random.Random(4)
    arity = len(inspect.signature(ROWS[name].value).parameters) - (name == "pow_number")
    k = {"k": 3.0} if name == "pow_number" else {}
    halves = [draw(rng, (30,), half) for _ in range(arity)]
    singles = apply_elements(name, *[x.cast("float32") for x in halves], **k)
    dtype = half if singles.dtype == "float32" else singles.dtype
    assert state(apply_elements(name, *halves, **k)) == state(singles.cast(dtype))


def test_broadcasting() -> None:
    assert broadcast_shapes((2, 1, 3), (4, 1), ()) == (2, 4, 3)
    assert broadcast_shapes((0,), (1,)) == (0,)
    for shapes in (((2,), (3,)), ((2, 3), (2,)), ((0,), (2,))):
        with pytest.raises(ValueError, match=re.escape(str(shapes[0]))):
            broadcast_shapes(*shapes)
    rng = random.Random(5)
    for a, b in (((2, 3), (3,)), ((2, 1), (1, 3)), ((), (4,)), ((0, 3), (1, 1))):
        x, y = draw(rng, a), draw(rng, b)
        assert state(apply_elements("add", x, y)) == state(to_numpy(x) + to_numpy(y))


# ---- written orders ------------------------------------------------------------------------------


def sum_in_lanes(a: Any) -> Any:
    """Return the sum of a vector in 32 lanes, by NumPy's additions of whole rows."""
    rows = np.zeros(((len(a) + 31) // 32 + 1, 32), a.dtype)
    rows[1:].ravel()[: len(a)] = a
    lanes = rows[0]
    for row in rows[1:]:
        lanes = lanes + row
    for s in (16, 8, 4, 2, 1):
        lanes = lanes[:s] + lanes[s : 2 * s]
    return lanes[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [0, 1, 2, 31, 32, 33, 64, 100, 1000])
def test_sums_go_in_lanes(n: int, dtype: str) -> None:
    a = np.random.default_rng(n).normal(size=n).astype(dtype)
    total = sum_in_lanes(a)
    assert state(Tensor(of_numpy(a)).sum()) == state(total)
    assert state(Tensor(of_numpy(a)).mean()) == state(total / np.dtype(dtype).type(n))


def test_sums_over_several_axes_go_in_row_major_order() -> None:
    a = np.random.default_rng(6).normal(size=(9, 5, 11)).astype("float32")
    for axes in itertools.chain(*(itertools.combinations(range(3), k) for k in range(4))):
        moved = np.moveaxis(a, axes, range(3 - len(axes), 3))
        rows = moved.reshape(*moved.shape[: 3 - len(axes)], -1)
        expected = np.apply_along_axis(sum_in_lanes, -1, rows)
        assert state(Tensor(of_numpy(a)).sum(axes)) == state(expected)
        kept = np.expand_dims(expected, axes)
        assert state(Tensor(of_numpy(a)).sum(axes, True)) == state(kept)


def test_a_sum_by_hand() -> None:
    """In float32 2**25 + 1 is 2**25: the 1 is lost in the lane of the large number only."""
    large = [0.0] * 64
    large[0], large[32], large[33] = 2.0**25, 1.0, 1.0
    assert Tensor(large).sum().item() == 2.0**25
    large[33], large[32], large[1] = 0.0, -(2.0**25), 1.0
    assert Tensor(large).sum().item() == 1.0
    assert bits([Tensor([-0.0]).sum().item()], "float64") == bits([0.0], "float64")


def test_products_are_fused_and_go_from_left_to_right() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(4, 50)).astype("float32"), rng.normal(size=(50, 3)).astype("float32")
    acc = product(a, b)
    x, w = Tensor(of_numpy(a)), Tensor(of_numpy(b))
    assert state(x @ w) == state(acc)
    bias = rng.normal(size=3).astype("float32")
    linear = apply("linear", x, w.permute((1, 0)), Tensor(of_numpy(bias)))
    assert state(linear) == state(acc + bias)
    assert state((x @ w)[2]) == state(x[2] @ w)
    assert state(x.cast("float16") @ w.cast("float16")) == state(
        (x.cast("float16").cast("float32") @ w.cast("float16").cast("float32")).cast("float16")
    )
    assert (Tensor([[2**62, 3]]) @ Tensor([[4], [5]])).tolist() == [[15]]
    assert (Tensor([[200, 100]], "uint8") @ Tensor([[2], [1]], "uint8")).tolist() == [[244]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [0, 127, 128, 129, 1000, 4096, 4097, 9000])
def test_long_products_go_in_blocks(k: int, dtype: str) -> None:
    rng = np.random.default_rng(k)
    a, b = rng.normal(size=(1, k)).astype(dtype), rng.normal(size=(k, 2)).astype(dtype)
    spans = span_products(a, b)
    expected = spans[0] if len(spans) == 1 else np.apply_along_axis(sum_in_lanes, 0, spans)
    assert state(Tensor(of_numpy(a)) @ Tensor(of_numpy(b))) == state(expected)


def test_fused_operations_are_rounded_once() -> None:
    for x, y, z in hostile_triples(3000):
        assert bits([fma_f64(x, y, z)], "float64") == bits([exact_fma(x, y, z)], "float64")
        if x and y and math.isfinite(exact_fma(x, y, z)):
            assert bits([by_integers(x, y, z)], "float64") == bits([exact_fma(x, y, z)], "float64")
    for x, y, z in hostile_triples(3000, single=True):
        expected = exact_fma(x, y, z, single=True)
        assert bits([fma_f32(x, y, z)], "float64") == bits([expected], "float64"), (x, y, z)
    for fma in (fma_f64, fma_f32):
        assert fma(1e30, 1e30, -math.inf) == fma(-math.inf, 2.0, 1.0) == -math.inf
        assert fma(1e200, 1e200, 0.0) == math.inf
        for x, y, z in ((0.0, math.inf, 1.0), (math.inf, 1.0, -math.inf), (1.0, 1.0, math.nan)):
            assert math.isnan(fma(x, y, z))


def test_sums_up_to_each_element_go_from_left_to_right() -> None:
    a = np.random.default_rng(8).normal(size=(3, 40, 2)).astype("float32")
    assert state(Tensor(of_numpy(a)).cumsum(1)) == state(np.add.accumulate(a, axis=1))
    assert state(Tensor([-0.0]).cumsum(0)) == state(array([-0.0]))


def test_additions_at_indices_go_in_order_of_position() -> None:
    zeros, index = Tensor([0.0]), Tensor([0, 0, -1])
    small_first, large_first = Tensor([1.0, 1.0, 2.0**24]), Tensor([2.0**24, 1.0, 1.0])
    for add in (lambda b: zeros.add_at(index, b), lambda b: zeros.scatter_add(index, b, 0)):
        assert add(small_first).tolist() == [2.0**24 + 2.0]
        assert add(large_first).tolist() == [2.0**24]
    assert zeros.put_at(index, large_first).tolist() == [1.0]
    # The windows' first elements come before their second ones: element 1 is 0 + w[1][0] + w[0][1].
    windows = Tensor([[1.0, -(2.0**25)], [2.0**25, 1.0]])
    assert windows.fold((3,), (1,), (1,)).tolist() == [1.0, 0.0, 1.0]


def shifted(x: Tensor, axis: int) -> Tensor:
    return x - x.amax((axis,), True)


def variance(x: Tensor, axis: int, correction: float) -> Any:
    centered = x - x.mean((axis,), True)
    return (centered * centered).sum((axis,), True) / (float(x.shape[axis]) - correction)


# Fused ops and what they are made of.
FUSED: list[tuple[str, dict[str, Any], Callable[..., Any]]] = [
    ("softmax", {"axis": 1},
     lambda x: shifted(x, 1).exp() / shifted(x, 1).exp().sum((1,), True)),
    ("softmax", {"axis": 0},
     lambda x: shifted(x, 0).exp() / shifted(x, 0).exp().sum((0,), True)),
    ("log_softmax", {"axis": 1},
     lambda x: shifted(x, 1) - shifted(x, 1).exp().sum((1,), True).log()),
    ("logsumexp", {"axes": (1,), "keep": True},
     lambda x: x.amax((1,), True) + shifted(x, 1).exp().sum((1,), True).log()),
    ("var", {"axes": (1,), "keep": True}, lambda x: variance(x, 1, 1.0)),
    ("var", {"axes": (0,), "keep": True, "correction": 0.0}, lambda x: variance(x, 0, 0.0)),
    ("std", {"axes": (1,), "keep": True}, lambda x: variance(x, 1, 1.0).sqrt()),
    ("layer_norm", {"epsilon": 0.125},
     lambda x: (x - x.mean((1,), True)) * (1.0 / (variance(x, 1, 0.0) + 0.125).sqrt())),
    ("rms_norm", {"epsilon": 0.125},
     lambda x: x * (1.0 / ((x * x).sum((1,), True) / float(x.shape[1]) + 0.125).sqrt())),
    ("cross_entropy", {"targets": Tensor([5, 0, 39]), "reduction": 0},
     lambda x: -x.log_softmax(1).gather(Tensor([[5], [0], [39]]), 1).reshape((3,))),
    ("cross_entropy", {"targets": Tensor([5, -7, 39]), "ignored": -7},
     lambda x: -(x.log_softmax(1).gather(Tensor([[5], [0], [39]]), 1)
                 * Tensor([[1.0], [0.0], [1.0]], x.dtype)).sum() / 2.0),
    ("cross_entropy", {"targets": Tensor([5, 0, 39]), "reduction": 1, "smoothing": 0.25},
     lambda x: (x.log_softmax(1).gather(Tensor([[5], [0], [39]]), 1) * -0.75
                + -x.log_softmax(1).sum((1,), True) / 40.0 * 0.25).sum()),
]  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("name", "how", "parts"), FUSED, ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(FUSED)]
)
def test_fused_ops_are_made_of_others(
    name: str, how: dict[str, Any], parts: Callable[[Tensor], Tensor], dtype: str
) -> None:
    x = Tensor(draw(random.Random(9), (3, 40), dtype))
    expected = parts(x.cast("float32") if dtype.endswith("float16") else x).cast(dtype)
    assert state(apply(name, x, **how)) == state(expected)


def test_norms_end_with_weight_and_bias() -> None:
    rng = random.Random(10)
    for dtype in FLOATS:
        x, weight, bias = (Tensor(draw(rng, s, dtype)) for s in ((3, 2, 20), (2, 20), (2, 20)))
        wide = [t.cast("float32") if dtype.endswith("float16") else t for t in (x, weight, bias)]
        plain = apply("layer_norm", wide[0], axes=2) * wide[1] + wide[2]
        assert state(apply("layer_norm", x, weight, bias, 2)) == state(plain.cast(dtype))
        plain = apply("rms_norm", wide[0], axes=2) * wide[1]
        assert state(apply("rms_norm", x, weight, 2)) == state(plain.cast(dtype))


INF = math.inf
LIMITS = [
    ("amax", [1.0, NAN, 2.0], NAN), ("amin", [1.0, NAN, 2.0], NAN), ("amax", [-INF, -INF], -INF),
    ("argmax", [1.0, 3.0, 3.0], 1), ("argmax", [1.0, NAN, INF, NAN], 1), ("argmin", [2.0, NAN], 1),
    ("argmin", [2.0, 1.0, 1.0], 1), ("argmax", [-INF, -INF], 0), ("argmax", [0.0, -0.0], 0),
    ("logsumexp", [INF, 1.0], INF), ("logsumexp", [-INF, -INF], -INF), ("logsumexp", [], -INF),
    ("logsumexp", [NAN, INF], NAN), ("sum", [], 0.0), ("prod", [], 1.0), ("mean", [], NAN),
    ("any", [], False), ("all", [], True), ("any", [0.0, NAN], True), ("all", [-0.0, 1.0], False),
    ("var", [3.0], NAN), ("std", [], NAN), ("prod", [INF, 0.0], NAN), ("sum", [INF, -INF], NAN),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "expected"), LIMITS)
def test_limits_of_reductions(name: str, data: list[float], expected: Any) -> None:
    result = apply(name, Tensor(data, "float32"))
    assert state(result) == state(array(expected))


def test_losses_that_do_not_count() -> None:
    logits = Tensor([[1.0, 2.0], [3.0, 1.0]], requires_grad=True)
    nothing = apply("cross_entropy", logits, Tensor([-100, -100]))
    assert math.isnan(nothing.item())
    loss = apply("cross_entropy", logits, Tensor([1, -100]), 0)
    assert loss.tolist()[1] == 0.0 and loss.tolist()[0] > 0.0
    loss.sum().backward()
    assert logits.grad is not None and [abs(g) for g in logits.grad.tolist()[1]] == [0.0, 0.0]
    certain = apply("cross_entropy", Tensor([[-INF, 0.0]]), Tensor([1]))
    assert certain.item() == 0.0  # no smoothing: nothing of the other class


# ---- movement and indices, against NumPy ---------------------------------------------------------


@st.composite
def integers_and_slices(draw: Any) -> tuple[Any, tuple[slice, ...]]:
    """Return an array of different integers, and slices of it."""
    shape = draw(st.lists(st.integers(0, 4), max_size=3).map(tuple))
    a = np.arange(math.prod(shape)).reshape(shape)
    step = st.integers(-3, 3).filter(bool)
    bound = st.none() | st.integers(-5, 5)
    return a, tuple(slice(draw(bound), draw(bound), draw(step)) for _ in shape)


@given(integers_and_slices())
def test_slices_are_numpys(case: tuple[Any, Any]) -> None:
    a, key = case
    assert state(Tensor(of_numpy(a))[key]) == state(a[key])
    found = [range(n)[s] for n, s in zip(a.shape, key, strict=True)]
    start, step = tuple(r.start for r in found), tuple(r.step for r in found)
    count = tuple(map(len, found))
    zeros = np.zeros_like(a)
    zeros[key] = a[key] + 1
    spread = Tensor(of_numpy(a[key] + 1)).spread(a.shape, start, step)
    assert state(spread) == state(zeros)
    b = a.copy()
    b[key] = -7
    assert state(Tensor(of_numpy(a)).assign(Tensor(-7), start, step, count)) == state(b)


def test_keys_of_ints_none_and_dots() -> None:
    a = np.arange(24).reshape(2, 3, 4)
    x = Tensor(of_numpy(a))
    for key in (1, -1, (1, 2), (..., 0), (slice(None), 1), (None, 1, ..., None), (1, 2, 3), ...):
        assert state(x[key]) == state(a[key]), key
    for key in (2, -3, (0, 3), (0, 0, 0, 0)):
        with pytest.raises(IndexError):
            x[key]


def test_movement_is_numpys() -> None:
    a = np.arange(120).reshape(2, 3, 4, 5)
    x = Tensor(of_numpy(a))
    for axes in itertools.permutations(range(4)):
        assert state(x.permute(axes)) == state(a.transpose(axes))
    assert state(x.reshape((4, 30))) == state(a.reshape(4, 30))
    assert state(x[:, :1].expand((7, 2, 3, 4, 5))) == state(
        np.broadcast_to(a[:, :1], (7, 2, 3, 4, 5))
    )
    padded = np.pad(a, ((1, 0), (0, 2), (0, 0), (3, 1)), constant_values=-1)
    assert state(x.pad((1, 0, 0, 3), (0, 2, 0, 1), -1)) == state(padded)
    assert state(apply("cat", x, x[:, :, :0], x[:, :, 1:2], axis=2)) == state(
        np.concatenate((a, a[:, :, 1:2]), 2)
    )
    windows = np.lib.stride_tricks.sliding_window_view(a, (3, 3), (2, 3))
    assert state(x.window((2, 3), (1, 2), (2, 1))) == state(windows[..., ::1, ::2, ::2, :])
    assert state(x.nonzero()) == state(np.argwhere(a))
    test = a % 3 == 0
    assert state(Tensor(of_numpy(test)).where(x, -x[0])) == state(np.where(test, a, -a[0]))


@given(st.data())
def test_indices_are_numpys(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 4))
    a = np.arange(6 * n).reshape(n, 3, 2)
    index = np.array(data.draw(st.lists(st.integers(-n, n - 1), max_size=5)), "int64")
    b = 100 + np.arange(len(index) * 6).reshape(-1, 3, 2)
    x, i, y = Tensor(of_numpy(a)), Tensor(of_numpy(index)), Tensor(of_numpy(b))
    assert state(x.take(i)) == state(a[index])
    added, put = a.copy(), a.copy()
    np.add.at(added, index, b)
    for at, row in zip(index, b, strict=True):
        put[at] = row
    assert state(x.add_at(i, y)) == state(added)
    assert state(x.put_at(i, y)) == state(put)
    places = np.array(data.draw(st.lists(st.integers(-3, 2), min_size=4, max_size=4)), "int64")
    places = places.reshape(1, 4, 1)
    wide = np.arange(6).reshape(1, 3, 2)
    gathered = Tensor(of_numpy(wide)).gather(Tensor(of_numpy(places)), 1)
    assert state(gathered) == state(np.take_along_axis(wide[:, :, :1], places, 1))
    summed = wide.copy()
    np.add.at(summed, (0, places.ravel(), 0), 100 + np.arange(4))
    scattered = Tensor(of_numpy(wide)).scatter_add(
        Tensor(of_numpy(places)), Tensor(of_numpy(100 + np.arange(4).reshape(1, 4, 1))), 1
    )
    assert state(scattered) == state(summed)


# ---- gradients -----------------------------------------------------------------------------------


def case(name: str, *shapes: Any, torch: str = "", id: str = "", **how: Any) -> Any:
    """Return a row: an op, shapes of operands or Arrays, its arguments, torch's expression."""
    row = SimpleNamespace(name=name, operands=shapes, how=how, torch=torch)
    return pytest.param(row, id=id or f"{name}-{'-'.join(map(str, how.values()))}"[:60])


INDEX = array([[0, 1], [-1, 0]])
PLACES = array([[0, 1, 1], [2, 0, 3]])
TARGETS = array([1, 0, -100, 2])
ELEMENTS = [
    case(name, *[(2, 3)] * arity, torch=f"torch.{name}({', '.join('ab'[:arity])})")
    for name, arity in [
        ("add", 2), ("mul", 2), ("sub", 2), ("div", 2), ("maximum", 2), ("minimum", 2),
        ("remainder", 2), ("tanh", 1), ("exp", 1), ("sin", 1), ("cos", 1), ("expm1", 1),
        ("sigmoid", 1), ("relu", 1), ("erf", 1), ("abs", 1), ("neg", 1), ("sign", 1),
        ("square", 1), ("exp2", 1), ("tan", 1), ("atan", 1), ("sinh", 1), ("cosh", 1),
        ("asinh", 1), ("floor", 1), ("ceil", 1), ("round", 1), ("trunc", 1), ("reciprocal", 1),
    ]
]  # fmt: skip
CASES = [
    *ELEMENTS,
    case("pow", array([0.3, 1.7, 2.5], "float64"), (3,), torch="a ** b"),
    case("log", array([0.3, 1.7, 2.5], "float64"), torch="a.log()"),
    case("log1p", array([-0.3, 1.7], "float64"), torch="a.log1p()"),
    case("log2", array([0.3, 1.7], "float64"), torch="a.log2()"),
    case("sqrt", array([0.3, 1.7], "float64"), torch="a.sqrt()"),
    case("rsqrt", array([0.3, 1.7], "float64"), torch="a.rsqrt()"),
    case("asin", array([0.3, -0.7], "float64"), torch="a.asin()"),
    case("acos", array([0.3, -0.7], "float64"), torch="a.acos()"),
    case("atanh", array([0.3, -0.7], "float64"), torch="a.atanh()"),
    case("acosh", array([1.3, 2.7], "float64"), torch="a.acosh()"),
    case("softplus", (4,), torch="F.softplus(a)"),
    case("silu", (4,), torch="F.silu(a)"),
    case("gelu", (4,), torch="F.gelu(a)"),
    case("gelu_slope", (4,),
         torch="(1 + (a / 2**0.5).erf()) / 2 + a * torch.exp(-a * a / 2) / (2 * torch.pi)**0.5"),
    case("gelu_tanh", (4,), torch="F.gelu(a, approximate='tanh')"),
    case("clamp_min", (2, 3), (3,), torch="torch.clamp(a, min=b)"),
    case("clamp_max", (2, 3), (3,), torch="torch.clamp(a, max=b)"),
    case("floor_divide", (3,), (3,), torch="torch.floor(a / b)"),
    case("pow_number", (3,), k=2.0, torch="a ** 2"),
    case("pow_number", (3,), k=3.0, torch="a ** 3"),
    case("pow_number", (3,), k=-1.0, torch="a ** -1"),
    case("pow_number", array([0.3, 1.7], "float64"), k=0.5, torch="a ** 0.5"),
    case("pow_number", array([0.3, 1.7], "float64"), k=-0.5, torch="a ** -0.5"),
    case("pow_number", array([0.3, 1.7], "float64"), k=2.5, torch="a ** 2.5"),
    case("mul", (2, 3), (3,), torch="a * b", id="mul-rows"),
    case("mul", (2, 1), (1, 3), torch="a * b", id="mul-outer"),
    case("div", (), (2, 2), torch="a / b", id="div-scalar"),
    case("maximum", (1,), (2, 2), torch="torch.maximum(a, b)", id="maximum-one"),
    case("reshape", (2, 3), shape=(3, 2), torch="a.reshape(3, 2)"),
    case("permute", (2, 3, 4), axes=(2, 0, 1), torch="a.permute(2, 0, 1)"),
    case("expand", (2, 1), shape=(3, 2, 4), torch="a.expand(3, 2, 4)"),
    case("slice", (4, 3), start=(3, 0), step=(-2, 1), count=(2, 2), torch="a.flip(0)[::2, :2]"),
    case("spread", (2, 2), shape=(4, 3), start=(3, 0), step=(-2, 1),
         torch="(a[0, 0] * 0).expand(4, 3)"
         ".index_put((tensor([[3], [1]]), tensor([0, 1])), a)"),
    case("window", (2, 7), size=(3,), stride=(2,), dilation=(1,), torch="a.unfold(1, 3, 2)"),
    case("fold", (2, 3, 3), n=(7,), stride=(2,), dilation=(1,), torch="F.fold("
         "a.permute(0, 2, 1), (1, 7), (1, 3), stride=(1, 2)).reshape(2, 7)"),
    case("contiguous", (2,), torch="a * 1"),
    case("clone", (2,), torch="a.clone()"),
    case("cast", (2, 3), dtype="float64", torch="a.double()"),
    case("pad", (2, 3), before=(1, 0), after=(0, 2), value=0.5,
         torch="F.pad(a, (0, 2, 1, 0), value=0.5)"),
    case("cat", (2, 3), (2, 0), (2, 1), axis=1, torch="torch.cat((a, b, c), 1)"),
    case("assign", (3, 4), (4,), start=(0, 0), step=(2, 1), count=(2, 4),
         torch="a.index_put((tensor([0, 2]),), b)"),
    case("take", (3, 2), INDEX, torch="a[b]"),
    case("add_at", (3, 2), INDEX, (2, 2, 2), torch="a.index_put((b,), c, accumulate=True)"),
    case("put_at", (3, 2), array([2, 0]), (2, 2), torch="a.index_put((b,), c)"),
    case("gather", (3, 4), PLACES, axis=1, torch="a.gather(1, b)"),
    case("scatter_add", (3, 4), PLACES, (2, 3), axis=1, torch="a.scatter_add(1, b, c)"),
    case("where", array([True, False, True]), (2, 1), (3,), torch="torch.where(a, b, c)"),
    case("sum", (2, 3, 4), axes=(0, 2), torch="a.sum((0, 2))"),
    case("mean", (2, 3, 4), axes=(0, 2), keep=True, torch="a.mean((0, 2), True)"),
    case("prod", (2, 4), axes=(1,), torch="a.prod(1)"),
    case("prod", array([[0.0, 1.5, -2.5], [0.0, 0.0, 3.5]], "float64"), axes=(1,),
         torch="a.prod(1)", id="prod-zeros"),
    case("amax", (2, 3, 4), axes=(0, 2), torch="a.amax((0, 2))"),
    case("amin", (2, 3), torch="a.amin()"),
    case("var", (3, 4), axes=(1,), torch="a.var(1)"),
    case("std", (3, 4), axes=(0,), correction=0.0, torch="a.std(0, correction=0)"),
    case("logsumexp", (3, 4), axes=(0, 1), torch="a.logsumexp((0, 1))"),
    case("cumsum", (3, 4), axis=0, torch="a.cumsum(0)"),
    *[case("matmul", a, b, torch="a @ b", id=f"matmul{a}{b}") for a, b in [
        ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 2, 3), (3, 2)),
        ((2, 1, 2, 3), (2, 3, 1)), ((3,), (2, 3, 2)), ((2, 2, 3), (3,)), ((2, 0), (0, 3))]],
    case("linear", (2, 2, 3), (4, 3), (4,), torch="F.linear(a, b, c)"),
    case("linear", (3,), (4, 3), torch="F.linear(a, b)"),
    case("convolve", (2, 3, 12), (2, 4, 5, 4), size=(2, 3), stride=(2, 1), dilation=(1, 1),
         torch="F.conv2d(b, a.reshape(6, 2, 2, 3), stride=(2, 1), groups=2)"),
    case("softmax", (3, 4), axis=0, torch="a.softmax(0)"),
    case("log_softmax", (3, 4), axis=1, torch="a.log_softmax(1)"),
    *[case("cross_entropy", (4, 3), TARGETS, reduction=k, smoothing=s, torch="F.cross_entropy("
           f"a, b, reduction='{name}', label_smoothing={s})")
      for k, name in enumerate(("none", "sum", "mean")) for s in (0.0, 0.25)],
    case("layer_norm", (2, 3, 4), (3, 4), (3, 4), axes=2, epsilon=0.1,
         torch="F.layer_norm(a, (3, 4), b, c, 0.1)"),
    case("layer_norm", (3, 4), epsilon=0.1, torch="F.layer_norm(a, (4,), eps=0.1)"),
    case("rms_norm", (2, 3, 4), (4,), epsilon=0.1, torch="F.rms_norm(a, (4,), b, 0.1)"),
    case("squared_difference", (2, 3), (3,), torch="(a - b) ** 2"),
    case("rms_norm", (3, 4), axes=2, epsilon=0.1, torch="F.rms_norm(a, (3, 4), eps=0.1)"),
]  # fmt: skip


def operands_of(row: Any, dtype: str = "float64") -> list[Tensor]:
    """Return the operands of a case; floats require gradients."""
    rng = random.Random(row.name)
    arrays = [x if isinstance(x, Array) else draw(rng, x) for x in row.operands]
    return [
        Tensor(a.cast(dtype) if a.dtype == "float64" else a, requires_grad=a.dtype == "float64")
        for a in arrays
    ]


def weights_like(y: Any, seed: int) -> Tensor:
    """Return numbers of y's shape and type."""
    return Tensor(draw(random.Random(seed), y.shape, y.dtype))


def differentiable(operands: list[Tensor]) -> list[Tensor]:
    return [x for x in operands if x.requires_grad]


def test_there_is_a_case_for_every_gradient() -> None:
    names = {row.values[0].name for row in CASES}
    rows = {name for name, row in ROWS.items() if row.gradients}
    assert names == (rows | set(RULES)) - {"step", "share", "at_least", "below", "mask"}


def along(operands: list[Tensor], directions: list[Tensor], h: float) -> list[Tensor]:
    """Return operands moved by h in a direction."""
    moved = []
    for x in operands:
        d = directions[len(differentiable(moved))] if x.requires_grad else None
        moved.append(x if d is None else Tensor((x.detach() + d * h).array, requires_grad=True))
    return moved


@pytest.mark.parametrize("row", CASES)
def test_gradients_are_derivatives(row: Any) -> None:
    """First and second derivatives along a random direction, against differences."""
    operands = operands_of(row)
    directions = [weights_like(x, 1 + i) for i, x in enumerate(differentiable(operands))]

    def first(operands: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return a number made of the result, and its derivative along the directions."""
        y = apply(row.name, *operands, **row.how)
        total = (y * weights_like(y, 20)).sum()
        parts = grad(total, differentiable(operands), create_graph=True)
        slope = Tensor(0.0, "float64")
        for part, d in zip(parts, directions, strict=True):
            slope = slope + (part * d).sum()
        return total, slope

    _, slope = first(operands)
    h = 2.0**-20
    (after, slope_after), (before, slope_before) = (
        first(along(operands, directions, s)) for s in (h, -h)
    )
    # Differences are right to h**2 f''' / 6, about 1e-12, and 2**-52 / h * f, about 2e-10.
    assert slope.item() == pytest.approx(
        (after.item() - before.item()) / (2.0 * h), rel=1e-7, abs=1e-7
    )
    bend = 0.0
    if slope.requires_grad:
        parts = grad(slope, differentiable(operands), allow_unused=True)
        bend = sum(
            (p * d).sum().item() for p, d in zip(parts, directions, strict=True) if p is not None
        )
    assert bend == pytest.approx(
        (slope_after.item() - slope_before.item()) / (2.0 * h), rel=1e-7, abs=1e-7
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("row", CASES)
def test_gradients_are_the_same_bits_when_recorded(row: Any, dtype: str) -> None:
    operands = operands_of(row, dtype)
    inputs = differentiable(operands)
    y = apply(row.name, *operands, **row.how)
    g = weights_like(y, 3)
    plain = grad(y, inputs, g)
    recorded = grad(y, inputs, g, create_graph=True)
    y.backward(g)
    for x, a, b in zip(inputs, plain, recorded, strict=True):
        assert state(a) == state(b) == state(x.grad)
        assert state(a)[:2] == (x.dtype, x.shape)
        assert not a.requires_grad


@pytest.mark.parametrize("row", CASES)
def test_torch_agrees(row: Any) -> None:
    torch = pytest.importorskip("torch")
    operands = operands_of(row)
    names = {"torch": torch, "F": torch.nn.functional, "tensor": torch.tensor}
    theirs = [torch.from_numpy(to_numpy(x)) for x in operands]
    theirs = [t.requires_grad_(x.requires_grad) for t, x in zip(theirs, operands, strict=True)]
    z = eval(row.torch, names | dict(zip("abc", theirs, strict=False)))
    y = apply(row.name, *operands, **row.how)

    def agree(mine: Tensor | None, other: Any) -> None:
        """Both are right to a few units of the last place of numbers of size 1, of float64."""
        left = np.array(0.0) if mine is None else to_numpy(mine)
        right = np.array(0.0) if other is None else other.detach().numpy(force=True)
        if mine is None or other is None:
            assert np.all(left == 0.0) and np.all(right == 0.0)
            return
        assert left.shape == right.shape
        np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-11)

    agree(y, z)
    g = weights_like(y, 4)
    inputs = differentiable(operands)
    leaves = [t for t in theirs if t.requires_grad]
    mine = grad(y, inputs, g, create_graph=True)
    other = torch.autograd.grad(z, leaves, torch.from_numpy(to_numpy(g)), create_graph=True)
    for a, b in zip(mine, other, strict=True):
        agree(a, b)
    pairs = [
        (a, b) for a, b in zip(mine, other, strict=True) if a.requires_grad and b.requires_grad
    ]
    if not pairs:
        return
    second = [weights_like(a, 5) for a, _ in pairs]
    mine = grad([a for a, _ in pairs], inputs, second, allow_unused=True)
    seeds = [torch.from_numpy(to_numpy(w)) for w in second]
    other = torch.autograd.grad([b for _, b in pairs], leaves, seeds, allow_unused=True)
    for a, b in zip(mine, other, strict=True):
        agree(a, b)


KINKS = [
    ("maximum", [1.0], [1.0], 0.5, 0.5), ("minimum", [1.0], [1.0], 0.5, 0.5),
    ("maximum", [0.0], [-0.0], 0.5, 0.5), ("maximum", [2.0], [1.0], 1.0, 0.0),
    ("clamp_min", [1.0], [1.0], 1.0, 0.0), ("clamp_max", [1.0], [1.0], 1.0, 0.0),
    ("clamp_min", [0.5], [1.0], 0.0, 1.0), ("pow", [0.0], [2.0], 0.0, 0.0),
    ("pow", [0.0], [0.0], 0.0, 0.0), ("pow", [-2.0], [0.0], 0.0, NAN),
    ("relu", [0.0], None, 0.0, None), ("relu", [-0.0], None, 0.0, None),
    ("relu", [NAN], None, 1.0, None), ("abs", [0.0], None, 0.0, None),
    ("sqrt", [0.0], None, INF, None), ("sign", [2.0], None, 0.0, None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "a", "b", "da", "db"), KINKS, ids=lambda x: str(x))
def test_gradients_at_kinks(name: str, a: Any, b: Any, da: float, db: float | None) -> None:
    operands = [Tensor(x, requires_grad=True) for x in (a, b) if x is not None]
    found = grad(apply(name, *operands), operands)
    expected = [da] if db is None else [da, db]
    assert [bits(x.array.values, "float32") for x in found] == [
        bits([d], "float32") for d in expected
    ]


def test_ties_share_the_gradient_of_an_extremum() -> None:
    x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], "float64", requires_grad=True)
    x.amax((1,)).sum().backward()
    assert x.grad.tolist() == [[0.0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    flat = Tensor([2.0, 2.0], requires_grad=True)
    flat.std().backward()
    assert flat.grad.tolist() == [0.0, 0.0]
    many = Tensor([1.0 + i / 300 for i in range(300)], "float64", requires_grad=True)
    (slope,) = grad(many.apply("prod"), many)
    np.testing.assert_allclose(to_numpy(slope), to_numpy(many.apply("prod") / many), rtol=1e-13)


def test_the_last_row_that_is_put_gets_the_gradient() -> None:
    a, b = (
        Tensor([[1.0], [2.0], [3.0]], requires_grad=True),
        Tensor([[4.0]] * 3, requires_grad=True),
    )
    y = a.put_at(Tensor([1, -1, 1]), b)
    y.backward(Tensor([[5.0], [6.0], [7.0]]))
    assert a.grad.tolist() == [[5.0], [0.0], [0.0]]
    assert b.grad.tolist() == [[0.0], [7.0], [6.0]]


# ---- backward ------------------------------------------------------------------------------------


def test_contributions_are_added_in_the_order_in_which_they_arrive() -> None:
    """In float32 1 is lost beside 1e8, so 1e8 and -1e8 leave the 1 only if they come first."""

    def slope(build: Callable[[Tensor, Tensor, Tensor], Tensor]) -> float:
        x = Tensor(1.0, requires_grad=True)
        build(x * 1e8, x * -1e8, x * 1.0).backward()
        return x.grad.item()

    # The last operand of the last op is visited first.
    assert slope(lambda up, down, one: one + (up + down)) == 1.0
    assert slope(lambda up, down, one: (up + down) + one) == 0.0
    assert slope(lambda up, down, one: (up + one) + down) == 0.0


def test_roots_are_walked_in_order() -> None:
    x = Tensor(1.0, requires_grad=True)
    up, down, one = x * 1e8, x * -1e8, x * 1.0
    assert [g.item() for g in grad([one, up, down], x)] == [1.0]
    assert [g.item() for g in grad([up, down, one], x)] == [0.0]


def test_backward_adds_to_gradients() -> None:
    x = Tensor([1.5, -2.5], requires_grad=True)
    y = x * x
    z = y.sum() + x.sum()
    z.backward()
    assert x.grad.tolist() == [4.0, -4.0] and y.grad is None
    z.backward()
    assert x.grad.tolist() == [8.0, -8.0]
    z.backward(inputs=[y])
    assert x.grad.tolist() == [8.0, -8.0] and y.grad.tolist() == [1.0, 1.0]
    z.backward(Tensor(2.0), create_graph=True)
    assert x.grad.tolist() == [16.0, -16.0] and x.grad.requires_grad


def test_gradients_of_gradients() -> None:
    x = Tensor([1.5, -0.5], "float64", requires_grad=True)
    y = (x * x * x * x).sum()
    found = []
    for _ in range(4):
        (y,) = grad(y.sum(), x, create_graph=True)
        found.append(y.tolist())
    assert found == [[13.5, -0.5], [27.0, 3.0], [36.0, -12.0], [24.0, 24.0]]
    assert y.is_leaf


def test_grad_of_what_is_between() -> None:
    x = Tensor([3.0], requires_grad=True)
    y = x * x
    z = (y * y).sum()
    dy, dx = grad(z, [y, x])
    assert (dy.tolist(), dx.tolist()) == ([18.0], [108.0])
    assert x.grad is None
    other = Tensor(1.0, requires_grad=True)
    assert grad(z, [other, x], allow_unused=True)[0] is None
    with pytest.raises(RuntimeError):
        grad(z, [other])


def test_nothing_is_recorded_without_need() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    with no_grad():
        assert (x * x).is_leaf and not (x * x).requires_grad
        (slope,) = grad(y, x, create_graph=True)
    assert slope.requires_grad
    assert (x * x).requires_grad and not x.detach().requires_grad
    for leaf in (
        x > 1.0,
        x.argmax(),
        x.cast("int64"),
        x.nonzero(),
        Tensor([1.0]) + 1.0,
        x.detach(),
    ):
        assert leaf.is_leaf and not leaf.requires_grad


def test_types_of_gradients() -> None:
    half = Tensor([0.1, 0.2], "float16", requires_grad=True)
    double = Tensor([0.3, 0.4], "float64", requires_grad=True)
    y = half * double
    assert y.dtype == "float64"
    y.sum().backward()
    assert (half.grad.dtype, double.grad.dtype) == ("float16", "float64")
    assert state(half.grad) == state(double.detach().cast("float16"))


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Tensor([[1.0] * 4] * 3) @ Tensor([[1.0] * 2] * 5), ValueError,
     r"matmul: shapes \(3, 4\) and \(5, 2\) do not fit: 4 != 5"),
    (lambda: Tensor(1.0) @ Tensor([1.0]), ValueError, "matmul"),
    (lambda: Tensor([True]) @ Tensor([True]), TypeError, "bool"),
    (lambda: Tensor([1.0, 2.0]) + Tensor([1.0, 2.0, 3.0]), ValueError, r"\(2,\) and \(3,\)"),
    (lambda: Tensor([1.0]) + "1", TypeError, "str"),
    (lambda: Tensor([True]) - Tensor([True]), TypeError, "sub"),
    (lambda: -Tensor([True]), TypeError, "neg"),
    (lambda: Tensor([1, 2]).mean(), TypeError, "int64"),
    (lambda: Tensor([1, 2]).var(), TypeError, "int64"),
    (lambda: Tensor([1.0]).reshape((2,)), ValueError, r"\(1,\)"),
    (lambda: Tensor([[1.0]]).permute((0, 0)), ValueError, r"\(0, 0\)"),
    (lambda: Tensor([1.0, 2.0]).expand((3,)), ValueError, r"\(2,\)"),
    (lambda: Tensor([1.0]).slice((0,), (1,), (2,)), IndexError, "slice"),
    (lambda: Tensor([1.0]).slice((0,), (0,), (1,)), ValueError, "step 0"),
    (lambda: Tensor([1.0]).window((2,), (1,), (1,)), ValueError, r"\(1,\)"),
    (lambda: Tensor([1.0]).pad((-1,), (0,)), ValueError, "below 0"),
    (lambda: apply("cat", Tensor([[1.0]]), Tensor([[1.0, 2.0], [1.0, 2.0]]), axis=0), ValueError,
     r"\(1, 1\) and \(2, 2\)"),
    (lambda: Tensor([1.0]).take(Tensor([1])), IndexError, "index 1"),
    (lambda: Tensor([1.0]).take(Tensor([0.0])), TypeError, "float32"),
    (lambda: Tensor([1.0]).take(Tensor([True])), TypeError, "bool"),
    (lambda: Tensor([1.0]).add_at(Tensor([0]), Tensor([1.0, 2.0])), ValueError, r"\(2,\)"),
    (lambda: Tensor([[1.0]]).gather(Tensor([[0], [0]]), 1), ValueError, r"\(2, 1\)"),
    (lambda: Tensor([1.0]).where(1.0, 2.0), TypeError, "float32"),
    (lambda: Tensor([1.0]).sum((1,)), ValueError, r"\(1,\) are not axes"),
    (lambda: Tensor([[1.0]]).sum((0, 0)), ValueError, r"\(0, 0\)"),
    (lambda: Tensor([]).amax(), ValueError, r"amax: no elements .* of shape \(0,\)"),
    (lambda: Tensor([[], []]).argmin(1), ValueError, "argmin"),
    (lambda: Tensor([1.0]).softmax(1), ValueError, "softmax"),
    (lambda: apply("linear", Tensor([1.0]), Tensor([[1.0, 2.0]])), ValueError, "linear"),
    (lambda: apply("linear", Tensor([1.0]), Tensor([[1.0]]), Tensor([1.0, 2.0])), ValueError,
     "bias"),
    (lambda: apply("cross_entropy", Tensor([[1.0]]), Tensor([1])), IndexError, "target 1"),
    (lambda: apply("cross_entropy", Tensor([[1.0]]), Tensor([0, 0])), ValueError, r"\(2,\)"),
    (lambda: apply("cross_entropy", Tensor([[1.0]]), Tensor([0]), smoothing=2.0), ValueError,
     "2.0"),
    (lambda: apply("layer_norm", Tensor([1.0]), Tensor([1.0])), ValueError, "neither"),
    (lambda: apply("rms_norm", Tensor([1.0]), Tensor([1.0, 2.0])), ValueError, r"\(2,\)"),
    (lambda: Tensor([1, 2], requires_grad=True), TypeError, "int64"),
    (lambda: Tensor([1.0]).sum().backward(), RuntimeError, "requires"),
    (lambda: Tensor([1.0, 2.0], requires_grad=True).backward(), RuntimeError, r"\(2,\)"),
    (lambda: Tensor(1.0, requires_grad=True).backward(Tensor([1.0])), ValueError, r"\(1,\)"),
    (lambda: Tensor([1.0, 2.0]).item(), ValueError, r"\(2,\)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_what_does_not_fit(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_empty_arrays_may_be_reduced_to_empty_ones() -> None:
    assert Tensor(Array("float32", (0, 3), [])).amax((1,)).shape == (0,)
    assert Tensor(Array("float32", (0, 0), [])).argmax(0).shape == (0,)
    assert Tensor(Array("float32", (2, 0), [])).softmax(0).shape == (2, 0)
    product = Tensor(Array("float32", (2, 0), [])) @ Tensor(Array("float32", (0, 1), []))
    assert product.tolist() == [[0.0], [0.0]]
