"""Value's surface, on both engines: what goes in, what it says, what it refuses."""

from __future__ import annotations

import copy
import decimal
import fractions
import gc
import math
import operator
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import HOSTILE, bits, load

from pymicrograd import tensor

INF, NAN = math.inf, math.nan


def describe(value: Any, names: dict[int, str]) -> Any:
    """Return a graph as nested tuples `(_op, operands ...)`, leaves as their name or number."""
    if id(value) in names:
        return names[id(value)]
    if not value._prev:
        return value.data
    return (value._op, *(describe(x, names) for x in value._prev))


# ---- construction --------------------------------------------------------------------------------


class ForeignTensor:
    """A tensor of one element of another library, with a graph of its own."""

    def __init__(self, number: float, shape: tuple[int, ...], requires_grad: bool = False) -> None:
        self.number, self.shape, self.requires_grad = number, shape, requires_grad
        self.ndim = len(shape)

    def item(self) -> float:
        return self.number

    def __float__(self) -> float:
        return self.number

    def backward(self) -> None:
        raise AssertionError("nobody asked")


@pytest.mark.parametrize(
    "number",
    [2, 2.0, True, False, -0.0, NAN, INF, 2**53, 2**1000, -(2**60), np.float64(0.1),
     np.float32(0.1), np.int64(-3), np.uint8(255), np.bool_(True), np.array(1.5), np.float16(0.5),
     fractions.Fraction(1, 4), decimal.Decimal("0.1"), np.array([-1.5]), np.array([[3]]),
     tensor(0.5), tensor([[2]]), ForeignTensor(0.25, ()), ForeignTensor(0.25, (1, 1))],
)  # fmt: skip
def test_data_is_the_float_of_a_number(engine: Any, number: Any) -> None:
    value = engine.Value(number)
    expected = float(number.item() if hasattr(number, "item") else number)
    assert type(value.data) is type(value.grad) is float
    assert bits(value.data, value.grad) == bits(expected, 0.0)
    value.data = value.grad = 0.5
    value.data = number
    value.grad = number
    assert bits(value.data, value.grad) == bits(expected, expected)
    assert type(value.data) is type(value.grad) is float


@pytest.mark.parametrize(
    ("number", "error", "word"),
    [("1.0", TypeError, "str"), (b"1", TypeError, "bytes"), (1j, TypeError, "complex"),
     (None, TypeError, "NoneType"), ([1.0], TypeError, "list"), ((), TypeError, "tuple"),
     (np.array([1.0, 2.0]), TypeError, "ndarray"), (np.zeros((0,)), TypeError, "ndarray"),
     (np.complex128(1j), TypeError, "complex"), (np.str_("1"), TypeError, "str"),
     (np.array([1j]), TypeError, "complex"), (np.array([None]), TypeError, "NoneType"),
     (ForeignTensor(1.0, (), True), TypeError, "ForeignTensor"),
     (tensor([1.0], requires_grad=True), TypeError, "Tensor"),
     (object(), TypeError, "object"), (float, TypeError, "type"),
     (2**53 + 1, ValueError, "9007199254740993"), (-(2**53) - 1, ValueError, "-9007199254740993"),
     (np.int64(2**53 + 1), ValueError, "9007199254740993"), (10**400, OverflowError, "large")],
)  # fmt: skip
def test_what_is_no_number_is_refused(engine: Any, number: Any, error: Any, word: str) -> None:
    value = engine.Value(1.5)
    value.grad = 2.5
    for attempt in (
        lambda: engine.Value(number),
        lambda: setattr(value, "data", number),
        lambda: setattr(value, "grad", number),
        lambda: value.backward(number) if number is not None else engine.Value(number),
    ):
        with pytest.raises(error, match=word) as caught:
            attempt()
        assert type(caught.value) is error
    assert (value.data, value.grad) == (1.5, 2.5)


def test_a_value_is_no_number(engine: Any) -> None:
    with pytest.raises(TypeError, match="Value"):
        engine.Value(engine.Value(1.0))


# ---- what operators record -----------------------------------------------------------------------

SHAPES: list[tuple[str, Any]] = [
    ("a + b", ("+", "a", "b")), ("a + 2", ("+", "a", 2.0)), ("2 + a", ("+", "a", 2.0)),
    ("a * b", ("*", "a", "b")), ("a * 2", ("*", "a", 2.0)), ("2 * a", ("*", "a", 2.0)),
    ("-a", ("*", "a", -1.0)), ("a - b", ("+", "a", ("*", "b", -1.0))), ("a - 2", ("+", "a", -2.0)),
    ("2 - a", ("+", ("*", "a", -1.0), 2.0)), ("a / b", ("*", "a", ("**-1", "b"))),
    ("a / 4", ("*", "a", 0.25)), ("4 / a", ("*", ("**-1", "a"), 4.0)), ("a ** 3", ("**3", "a")),
    ("a ** 0.5", ("**0.5", "a")), ("a ** True", ("**True", "a")), ("a ** -2.0", ("**-2.0", "a")),
    ("a.sqrt()", ("**0.5", "a")), ("a ** b", ("**", "a", "b")), ("2 ** a", ("**", 2.0, "a")),
    ("a ** np.float64(2)", ("**2.0", "a")), ("a ** np.int64(2)", ("**2", "a")),
    ("a ** np.float32(0.1)", (f"**{np.float32(0.1)}", "a")), ("a + a", ("+", "a", "a")),
    ("a * a", ("*", "a", "a")), ("a.relu()", ("ReLU", "a")), ("abs(a)", ("abs", "a")), ("+a", "a"),
    ("a.gelu('tanh')", ("gelu_tanh", "a")), ("a.gelu()", ("gelu", "a")),
    ("a.maximum(b)", ("maximum", "a", "b")), ("a.minimum(2)", ("minimum", "a", 2.0)),
    ("sum([a, b])", ("+", ("+", "a", 0.0), "b")), ("np.float64(2) * a", ("*", "a", 2.0)),
    ("np.int64(2) - a", ("+", ("*", "a", -1.0), 2.0)), ("np.float32(2) + a", ("+", "a", 2.0)),
    ("np.float64(4) / a", ("*", ("**-1", "a"), 4.0)), ("np.float64(2) ** a", ("**", 2.0, "a")),
    ("a - np.float64(2)", ("+", "a", -2.0)), ("a / np.int64(4)", ("*", "a", 0.25)),
    ("True + a", ("+", "a", 1.0)), ("np.bool_(True) * a", ("*", "a", 1.0)),
    ("a * np.array(2.0)", ("*", "a", 2.0)), ("np.array(2.0) * a", ("*", "a", 2.0)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "shape"), SHAPES, ids=[code for code, _ in SHAPES])
def test_an_expression_records_micrograds_nodes(engine: Any, code: str, shape: Any) -> None:
    a, b = engine.Value(0.75), engine.Value(0.5)
    result = eval(code, {"a": a, "b": b, "np": np})
    assert type(result) is engine.Value
    assert describe(result, {id(a): "a", id(b): "b"}) == shape
    again = describe(result, {id(a): "a", id(b): "b"})
    assert again == shape


def test_an_augmented_assignment_binds_a_new_value(engine: Any) -> None:
    a = b = engine.Value(3.0)
    a += 1
    a *= 2.0
    a -= b
    a /= 2
    a **= 2
    assert (b.data, b._prev, a.data) == (3.0, (), 6.25)


def test_operands_are_the_very_objects(engine: Any) -> None:
    a, b = engine.Value(2.0), engine.Value(3.0)
    difference = a - b
    assert difference._prev[0] is a
    negative = difference._prev[1]
    assert negative._prev[0] is b and negative is difference._prev[1]
    negative.m = 5
    minus_one = negative._prev[1]
    minus_one.label = "-1"
    del negative, minus_one
    gc.collect()
    assert difference._prev[1].m == 5
    assert difference._prev[1]._prev[1].label == "-1"
    assert (a * a)._prev == (a, a)


def test_any_attribute_can_be_set(engine: Any) -> None:
    value = engine.Value(1.0)
    assert value.label == ""
    with pytest.raises(AttributeError):
        _ = value.m
    value.m, value.v, value.label, value._vis_color = 0.5, [1], "w", "lightgreen"
    assert vars(value) == {"m": 0.5, "v": [1], "label": "w", "_vis_color": "lightgreen"}
    del value.label, value.m
    assert value.label == "" and not hasattr(value, "m")
    for name in ("data", "grad"):
        with pytest.raises(AttributeError):
            delattr(value, name)
    assert (value.data, value.grad) == (1.0, 0.0)


def test_a_leaf_is_what_no_operation_made(engine: Any) -> None:
    a = engine.Value(1.0)
    assert a.is_leaf is True and (a + 1).is_leaf is False and (a**2).is_leaf is False
    assert (a + 1)._prev[1].is_leaf is True and (a + 1).detach().is_leaf is True
    with engine.no_grad():
        assert (a + 1).is_leaf is True
    with pytest.raises(AttributeError):
        a.is_leaf = False


def test_a_subclass_keeps_its_methods_and_its_results_are_values(engine: Any) -> None:
    class Named(engine.Value):  # type: ignore[misc]
        def __init__(self, data: float, name: str) -> None:
            super().__init__(data)
            self.name = name

        def __radd__(self, other: Any) -> str:
            return "reflected"

    x = Named(2.0, "x")
    y = x * 3
    assert (y.data, type(y), y._prev[0] is x, x.name) == (6.0, engine.Value, True, "x")
    assert engine.Value(1.0) + x == "reflected"


@pytest.mark.parametrize(
    "other", ["1", None, [1.0], 1j, object(), {}], ids=lambda other: type(other).__name__
)
@pytest.mark.parametrize(
    "apply",
    [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.lt,
     operator.ge],
)  # fmt: skip
def test_other_operands_are_a_type_error(engine: Any, apply: Any, other: Any) -> None:
    value = engine.Value(1.0)
    for operands in ((value, other), (other, value)):
        with pytest.raises(TypeError):
            apply(*operands)


@pytest.mark.parametrize("name", ["mod", "floordiv", "matmul", "lshift", "and_", "or_", "xor"])
def test_operators_of_other_kinds_are_a_type_error(engine: Any, name: str) -> None:
    for other in (2, engine.Value(2.0)):
        with pytest.raises(TypeError):
            getattr(operator, name)(engine.Value(1.0), other)
    with pytest.raises(TypeError):
        pow(engine.Value(2.0), 2, 3)
    with pytest.raises(ValueError, match="approximate"):
        engine.Value(1.0).gelu("quick")


def test_values_of_two_engines_do_not_mix() -> None:
    ours, other = load("c").Value(1.0), load("reference").Value(2.0)
    for apply in (operator.add, operator.mul, operator.sub, operator.truediv, operator.pow):
        for operands in ((ours, other), (other, ours)):
            with pytest.raises(TypeError):
                apply(*operands)
    with pytest.raises(TypeError):
        ours.maximum(other)
    with pytest.raises(TypeError):
        load("c").grad(ours, [other])


@pytest.mark.filterwarnings("ignore:the graph ends here")
def test_a_value_without_init_is_an_error_and_no_crash(engine: Any) -> None:
    blank = engine.Value.__new__(engine.Value)
    for use in (repr, float, abs, lambda v: v.data, lambda v: v + 1, lambda v: v.backward()):
        with pytest.raises((AttributeError, RuntimeError)) as caught:
            use(blank)
        assert not isinstance(caught.value, RecursionError)


# ---- operations on hostile numbers are Python's --------------------------------------------------

PYTHON: dict[str, Callable[[float], float]] = {
    "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos, "tanh": math.tanh,
    "expm1": math.expm1, "log1p": math.log1p, "erf": math.erf, "sqrt": lambda x: x**0.5,
    "__abs__": abs, "__neg__": lambda x: x * -1.0, "relu": lambda x: 0.0 if x < 0 else x,
}  # fmt: skip
FLOATS = [float(eval(text, {"np": np, "inf": INF, "nan": NAN})) for text in HOSTILE]


def result_of(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the bits of a result or the class of an exception; a complex one is ValueError."""
    try:
        result = function(*arguments)
    except Exception as error:
        return type(error)
    if isinstance(result, complex):
        return ValueError
    return bits(float(getattr(result, "data", result)))


@pytest.mark.parametrize("name", PYTHON)
def test_a_function_is_pythons(engine: Any, name: str) -> None:
    for x in FLOATS:
        expected = result_of(PYTHON[name], x)
        assert result_of(lambda x=x: getattr(engine.Value(x), name)()) == expected, x


def test_arithmetic_is_pythons(engine: Any) -> None:
    table: dict[Any, Any] = {
        operator.add: operator.add,
        operator.mul: operator.mul,
        operator.pow: operator.pow,
        operator.sub: lambda x, y: x + y * -1.0,
        operator.truediv: lambda x, y: x * y**-1,
    }
    for apply, python in table.items():
        for x in FLOATS:
            for y in FLOATS:
                expected = result_of(python, x, y)
                a, b = engine.Value(x), engine.Value(y)
                assert result_of(apply, a, b) == expected, (apply, x, y)
                assert result_of(apply, a, y) == expected, (apply, x, y)
                if apply in (operator.add, operator.mul, operator.pow):
                    assert result_of(apply, x, b) == expected, (apply, x, y)


def test_an_error_names_the_operation_and_its_operands() -> None:
    names = {"value": load("c").Value}
    for code, words in {
        "value(0.0) ** -1": ("pow", "0.0", "-1.0"), "value(-8.0) ** 0.5": ("pow", "-8.0", "0.5"),
        "value(-1.5).log()": ("log", "-1.5"), "value(1000.0).exp()": ("exp", "1000.0"),
        "value(float('inf')).sin()": ("sin", "inf"), "value(1.0) / value(0.0)": ("1.0", "0.0"),
        "value(-1.0).log1p()": ("log1p", "-1.0"), "value(-2.0) ** value(0.5)": ("-2.0", "0.5"),
    }.items():  # fmt: skip
        with pytest.raises((ArithmeticError, ValueError)) as caught:
            eval(code, names)
        assert all(word in str(caught.value) for word in words), str(caught.value)


# Value, operands, and the result with its gradients; an exception class where one is raised.
EDGES: list[tuple[str, tuple[float, ...], Any, Any]] = [
    ("a.relu()", (0.0,), 0.0, 0.0), ("a.relu()", (-0.0,), -0.0, 0.0),
    ("a.relu()", (NAN,), NAN, 0.0), ("abs(a)", (0.0,), 0.0, 0.0), ("abs(a)", (-0.0,), 0.0, 0.0),
    ("abs(a)", (-INF,), INF, -1.0),
    ("a.maximum(b)", (2.0, 2.0), 2.0, (0.5, 0.5)), ("a.maximum(a)", (2.0,), 2.0, 1.0),
    ("a.maximum(b)", (NAN, 1.0), NAN, (1.0, 1.0)), ("a.minimum(b)", (1.0, NAN), NAN, (1.0, 1.0)),
    ("a.minimum(b)", (1.0, 2.0), 1.0, (1.0, 0.0)), ("a.maximum(b)", (0.0, -0.0), 0.0, (0.5, 0.5)),
    ("a.sqrt()", (0.0,), 0.0, ZeroDivisionError), ("a.sqrt()", (-1.0,), ValueError, None),
    ("a.log()", (0.0,), ValueError, None), ("a.log()", (-1.0,), ValueError, None),
    ("a.log()", (INF,), INF, 0.0), ("1 / a", (0.0,), ZeroDivisionError, None),
    ("a / 0", (1.0,), ZeroDivisionError, None), ("a ** 0", (0.0,), 1.0, ZeroDivisionError),
    ("a ** b", (0.0, 0.0), 1.0, ZeroDivisionError), ("a ** 2", (0.0,), 0.0, 0.0),
    ("a ** 1", (0.0,), 0.0, 1.0), ("a ** -1", (0.0,), ZeroDivisionError, None),
    ("a ** b", (0.0, 2.0), 0.0, (0.0, 0.0)), ("a ** b", (0.0, 1.0), 0.0, (1.0, 0.0)),
    ("a ** b", (-2.0, 3.0), -8.0, (12.0, NAN)), ("a ** 3", (-2.0,), -8.0, 12.0),
    ("a ** (1 / 3)", (-8.0,), ValueError, None), ("a ** 400", (10.0,), OverflowError, None),
    ("2 ** a", (3.0,), 8.0, 8.0 * math.log(2.0)), ("2 ** a", (1e4,), OverflowError, None),
    ("a ** b", (-2.0, INF), INF, (INF, NAN)), ("a ** 0.5", (-INF,), INF, 0.0),
    ("a ** 0", (NAN,), 1.0, NAN), ("a ** b", (1.0, NAN), 1.0, (NAN, 0.0)),
    ("a.tanh()", (1000.0,), 1.0, 0.0), ("a.tanh()", (-INF,), -1.0, 0.0),
    ("a.exp()", (710.0,), OverflowError, None), ("a.exp()", (-1000.0,), 0.0, 0.0),
    ("a.exp()", (INF,), INF, INF), ("a.expm1()", (-1000.0,), -1.0, 0.0),
    ("a.expm1()", (710.0,), OverflowError, None), ("a.expm1()", (-0.0,), -0.0, 1.0),
    ("a.log1p()", (-1.0,), ValueError, None), ("a.log1p()", (-0.0,), -0.0, 1.0),
    ("a.sin()", (INF,), ValueError, None), ("a.cos()", (-INF,), ValueError, None),
    ("a.sigmoid()", (-1000.0,), 0.0, 0.0), ("a.sigmoid()", (1000.0,), 1.0, 0.0),
    ("a.sigmoid()", (0.0,), 0.5, 0.25), ("a.softplus()", (1000.0,), 1000.0, 1.0),
    ("a.softplus()", (-1000.0,), 0.0, 0.0), ("a.softplus()", (0.0,), math.log1p(1.0), 0.5),
    ("a.gelu()", (0.0,), 0.0, 0.5), ("a.gelu()", (40.0,), 40.0, 1.0),
    ("a.gelu()", (-INF,), NAN, NAN),
    ("a.gelu('tanh')", (0.0,), 0.0, 0.5), ("a.silu()", (0.0,), 0.0, 0.5),
    ("a.silu()", (-INF,), NAN, NAN), ("a.erf()", (INF,), 1.0, 0.0),
    ("a * b", (INF, 0.0), NAN, (0.0, INF)), ("a - a", (INF,), NAN, 0.0),
    ("a / a", (3.0,), 1.0, 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("code", "numbers", "value", "gradients"), EDGES)
def test_an_edge(engine: Any, code: str, numbers: Any, value: Any, gradients: Any) -> None:
    leaves = [engine.Value(x) for x in numbers]
    names = dict(zip("ab", leaves, strict=False))
    if isinstance(value, type):
        with pytest.raises(value) as caught:
            eval(code, names)
        assert type(caught.value) is value
        return
    result = eval(code, names)
    assert bits(result.data) == bits(value)
    if isinstance(gradients, type):
        with pytest.raises(gradients) as caught:
            result.backward()
        assert type(caught.value) is gradients
        gradients = (0.0,) * len(leaves)
    else:
        result.backward()
    expected = gradients if isinstance(gradients, tuple) else (gradients,)
    assert bits(*(leaf.grad for leaf in leaves)) == bits(*expected)


# ---- what a Value says ---------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the graph ends here")
def test_texts_and_conversions(engine: Any) -> None:
    value = engine.Value(-2.5)
    value.grad = 1e-7
    assert repr(value) == str(value) == f"{value}" == "Value(data=-2.5, grad=1e-07)"
    assert f"{value:.2f} {value:+8.3e}" == "-2.50 -2.500e+00"
    assert f"%.3f {value!r}" % value == "-2.500 Value(data=-2.5, grad=1e-07)"
    assert (float(value), int(value), round(value), round(value, 1)) == (-2.5, -2, -2, -2.5)
    assert type(float(value)) is float and type(int(value)) is int
    assert (math.floor(value), math.sqrt(-value), math.isfinite(value)) == (-3, 2.5**0.5, True)
    assert repr(engine.Value(6)) == "Value(data=6.0, grad=0.0)"
    with pytest.raises(ValueError):
        int(engine.Value(NAN))
    with pytest.raises(OverflowError):
        int(engine.Value(INF))
    with pytest.raises(ValueError):
        f"{value:d}"
    with pytest.raises(TypeError):
        _ = [1, 2][value]


def test_a_tensor_without_axes_is_an_operand_unless_its_gradient_would_be_lost(
    engine: Any,
) -> None:
    value = engine.Value(3.0)
    for two in (tensor(2.0), ForeignTensor(2.0, ()), np.array(2.0)):
        results = (value + two, two + value, value * two, value - two, two / value, value**two)
        assert [x.data for x in results] == [5.0, 5.0, 6.0, 1.0, 2.0 * 3.0**-1, 9.0]
    for other in (tensor(2.0, requires_grad=True), ForeignTensor(2.0, (), True)):
        for operands in ((value, other), (other, value)):
            with pytest.raises(TypeError):
                operator.mul(*operands)


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "float": float, "int": int, "round": round, "math.exp": math.exp, "math.tanh": math.tanh,
    "array": lambda v: np.array([v], dtype=float), "atan2": lambda v: math.atan2(1.0, v),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERSIONS)
def test_where_a_value_becomes_a_number_there_is_a_warning(engine: Any, name: str) -> None:
    value = engine.Value(0.5)
    with pytest.warns(UserWarning, match=r"graph ends.*v\.exp\(\).*v\.data") as caught:
        CONVERSIONS[name](value)
    assert Path(caught[0].filename).name == Path(__file__).name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with engine.no_grad():
            CONVERSIONS[name](value)
        CONVERSIONS[name](value.data)
        assert f"{value} {value:.2f} {value.exp()} {value < 1.0} {value.maximum(0.0)}"


def test_the_warning_comes_once_a_place(engine: Any) -> None:
    value = engine.Value(0.5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            float(value)
        float(value)
    assert len(caught) == 2


def test_arrays_compare_with_a_value_element_by_element(engine: Any) -> None:
    values = [engine.Value(1.0), engine.Value(1.0)]
    array = np.array([values[0], values[1], values[0]])
    for equal in (array == values[0], values[0] == array):
        assert isinstance(equal, np.ndarray) and equal.dtype == bool
        assert equal.tolist() == [True, False, True]
    for unequal in (array != values[0], values[0] != array):
        assert unequal.tolist() == [False, True, False]
    assert values[1] in array and engine.Value(1.0) not in array
    assert np.where(array == values[1])[0].tolist() == [1]
    assert (np.array([1.0, 2.0]) == values[0]).tolist() == [False, False]
    assert (np.array([values, values]) == values[1]).tolist() == [[False, True]] * 2
    assert not (values[0] == [values[0]]) and values[0] != "1" and values[0] != None  # noqa: E711


def test_equality_and_hash_are_identity(engine: Any) -> None:
    a, b = engine.Value(1.0), engine.Value(1.0)
    assert a == a and a != b and not (a == b) and a != 1.0 and hash(a) == hash(a)
    assert len({a, b, a}) == 2 and a in {a} and b not in {a} and a in [b, a]
    assert {a: "a", b: "b"}[b] == "b" and [a, b].index(b) == 1
    assert (a == np.float64(1.0)) is False or not (a == np.float64(1.0))
    assert bool(engine.Value(0.0)) is True


def test_order_is_by_data(engine: Any) -> None:
    a, b, nan = engine.Value(1.0), engine.Value(2.0), engine.Value(NAN)
    assert a < b and a <= b and b > a and b >= a and a <= engine.Value(1.0) and not a < a
    assert a < 2 and 2 > a and a >= True and a < 10**400 and not a > 1.5 and 0.5 < a
    assert a < np.float64(2.0) and np.float64(2.0) > a and np.int64(3) >= b
    assert not (nan < a or nan > a or nan <= nan or a < NAN)
    values = [engine.Value(x) for x in (3.0, -1.0, 2.0)]
    assert sorted(values) == [values[1], values[2], values[0]]
    assert max(values) is values[0] and min(values) is values[1]
    assert all(type(x) is bool for x in (a < b, a < 2, np.float64(2.0) > a, a < np.float64(3)))
    assert [*(a < np.array([0.5, 1.5]))] == [False, True] == [*(np.array([0.5, 1.5]) > a)]


def test_notebooks_get_a_picture(engine: Any) -> None:
    bundle = (engine.Value(1.0) + 2)._repr_mimebundle_()
    assert bundle["text/plain"] == "Value(data=3.0, grad=0.0)"
    assert len(bundle) > 1 and all(isinstance(text, str) for text in bundle.values())
    assert "text/plain" in engine.Value(1.0)._repr_mimebundle_(include=None, exclude=None)


# ---- NumPy arrays --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the graph ends here")
def test_arrays_work_element_by_element(engine: Any) -> None:
    a, array = engine.Value(3.0), np.array([1.0, 2.0])
    table = {
        "a + array": [4, 5], "array + a": [4, 5], "a - array": [2, 1], "array - a": [-2, -1],
        "a * array": [3, 6], "array * a": [3, 6], "a / array": [3, 1.5], "array / a": [1/3, 2/3],
        "a ** array": [3, 9], "array ** a": [1, 8],
    }  # fmt: skip
    for code, expected in table.items():
        result = eval(code, {"a": a, "array": array})
        assert isinstance(result, np.ndarray) and result.dtype == object, code
        assert [type(x) for x in result] == [engine.Value] * 2, code
        assert [x.data for x in result] == expected, code
    (array * a).sum().backward()
    assert a.grad == 3.0
    values = np.array([engine.Value(x) for x in (1.0, -2.0)])
    assert values.dtype == object
    total = np.dot(values, np.array([2.0, 3.0])) + values.sum()
    total.backward()
    assert [x.grad for x in values] == [3.0, 4.0] and values.max() is values[0]
    assert [x.data for x in np.exp(values)] == [math.exp(1.0), math.exp(-2.0)]
    assert np.array([a, 2.0], dtype=float).tolist() == [3.0, 2.0]


# ---- copies of leaves; of graphs: test_copies.py -------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_leaves_are_pickled_with_all_they_have(engine: Any, protocol: int) -> None:
    leaf = engine.Value(-0.1, (), "input")
    leaf.grad, leaf.label, leaf.m = 0.25, "w", [1, leaf]
    (copied, again) = pickle.loads(pickle.dumps((leaf, leaf), protocol))
    assert type(copied) is engine.Value and copied is again is copied.m[1]
    assert (copied.data, copied.grad, copied._op, copied.label) == (-0.1, 0.25, "input", "w")
    copied.data = 7.0
    assert leaf.data == -0.1


def test_copies_are_independent_leaves(engine: Any) -> None:
    leaf = engine.Value(2.0)
    leaf.grad, leaf.tags = 0.5, ["a"]
    for copied in (copy.copy(leaf), copy.deepcopy(leaf), copy.deepcopy({"x": [leaf]})["x"][0]):
        assert (copied.data, copied.grad, copied.tags) == (2.0, 0.5, ["a"])
        (copied * 3).backward()
        assert (copied.grad, leaf.grad) == (3.5, 0.5)
    assert copy.copy(leaf).tags is leaf.tags is not copy.deepcopy(leaf).tags
    nan = copy.deepcopy(engine.Value(NAN))
    assert nan.data != nan.data
