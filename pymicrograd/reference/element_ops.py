"""The ops on the elements of arrays: one row each, with its value and its gradients.

A formula is written once, in Python's operators and the names of other rows. It is evaluated on
Elements, numbers whose every operation is rounded to their type, and gradients on Tensors, too,
where it records nodes that can be differentiated again. `a`, `b` are the operands, `y` is the
value, `g` the gradient of y; a Python number among them is rounded to their type.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .array import BOUNDS, Array, Number, broadcast_shapes, convert, is_float, promote, wide
from .vmath import FLOAT32, FLOAT64, gelu_slope, power, power_f32

__all__ = ["ROWS", "Element", "Row", "apply", "choose", "computed_in", "of"]

FUNCTIONS = {"float32": FLOAT32, "float64": FLOAT64}
POWERS = {"float32": power_f32, "float64": power}


# ---- numbers ---------------------------------------------------------------------------------


def divide(x: float, y: float) -> float:
    """Return x / y as IEEE arithmetic has it."""
    if y != 0.0 or x != x:
        return x / y if y != 0.0 else x
    return math.nan if x == 0.0 else math.copysign(math.inf, x) * math.copysign(1.0, y)


def float_remainder(x: float, y: float) -> float:
    """Return what is left of x after whole multiples of y, exact but for the last step."""
    if x != x or y != y or math.isinf(x) or y == 0.0:
        return math.nan
    rest = math.fmod(x, y)
    if rest == 0.0:
        return math.copysign(0.0, y)
    return rest + y if (rest < 0.0) != (y < 0.0) else rest


def int_power(x: int, k: int) -> int:
    """Return x ** k modulo 2**64; of a negative k the inverse, 0 unless x is 1 or -1."""
    if k >= 0:
        return pow(x, k, 2**64)
    return 0 if x not in (1, -1) else x if k % 2 else 1


class Element:
    """A number of a type: the result of every operation is converted to that type.

    The names of all rows are methods, too.
    """

    __slots__ = ("dtype", "value")

    def __init__(self, dtype: str, value: Number) -> None:
        self.dtype = dtype
        self.value = convert(value, dtype)

    def of(self, x: Any) -> Any:
        """Return the number of an Element, or a Python number converted to this type."""
        return x.value if isinstance(x, Element) else convert(x, self.dtype)

    def like(self, value: Number) -> Element:
        """Return a number as one of this type."""
        return Element(self.dtype, value)

    def __add__(self, other: Any) -> Element:
        return self.like(self.value + self.of(other))

    def __radd__(self, other: Any) -> Element:
        return self.like(self.of(other) + self.value)

    def __sub__(self, other: Any) -> Element:
        return self.like(self.value - self.of(other))

    def __rsub__(self, other: Any) -> Element:
        return self.like(self.of(other) - self.value)

    def __mul__(self, other: Any) -> Element:
        return self.like(self.value * self.of(other))

    def __rmul__(self, other: Any) -> Element:
        return self.like(self.of(other) * self.value)

    def __truediv__(self, other: Any) -> Element:
        return self.like(divide(self.value, self.of(other)))

    def __rtruediv__(self, other: Any) -> Element:
        return self.like(divide(self.of(other), self.value))

    def __pow__(self, other: Any) -> Element:
        if is_float(self.dtype):
            return self.like(POWERS[self.dtype](self.value, self.of(other)))
        return self.like(int_power(int(self.value), self.of(other)))

    def __floordiv__(self, other: Any) -> Element:
        if is_float(self.dtype):
            return floor_quotient(self, self.of(other))
        return self.like(self.value // self.of(other) if self.of(other) else 0)

    def __mod__(self, other: Any) -> Element:
        if is_float(self.dtype):
            return self.like(float_remainder(self.value, self.of(other)))
        return self.like(self.value % self.of(other) if self.of(other) else 0)

    def __neg__(self) -> Element:
        return self.like(-self.value)

    def __eq__(self, other: Any) -> bool:
        return bool(self.value == self.of(other))

    def __ne__(self, other: Any) -> bool:
        return bool(self.value != self.of(other))

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < self.of(other))

    def __le__(self, other: Any) -> bool:
        return bool(self.value <= self.of(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > self.of(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= self.of(other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Element({self.dtype!r}, {self.value!r})"


def of(x: Any) -> Any:
    """Return the number of an Element, or a number as it is."""
    return x.value if isinstance(x, Element) else x


def floor_quotient(a: Element, b: float) -> Element:
    """Return a / b rounded down, from what a % b leaves, so that both fit together."""
    if b == 0.0:
        return a / b
    rest = a.like(math.nan if math.isinf(a.value) else math.fmod(a.value, b))
    quotient = (a - rest) / b
    if rest != 0.0 and (rest < 0.0) != (b < 0.0):
        quotient = quotient - 1.0
    if quotient == 0.0:
        return a.like(math.copysign(0.0, of(a / b)))
    down = whole(math.floor)(quotient)
    return down + 1.0 if quotient - down > 0.5 else down


# ---- generic operations of formulas ----------------------------------------------------------


def function(name: str) -> Callable[[Element], Element]:
    """Return the function of vmath.py, of numbers of either type."""
    return lambda a: a.like(FUNCTIONS[a.dtype][name](a.value))


def square_root(a: Element) -> Element:
    """Return the square root; NaN below 0."""
    return a.like(math.nan if a.value < 0.0 else math.sqrt(a.value))


def whole(rounding: Callable[[float], int]) -> Callable[[Element], Element]:
    """Return a rounding to whole numbers that keeps -0.0, infinity and NaN."""

    def rounded(a: Element) -> Element:
        if not math.isfinite(a.value):
            return a
        return a.like(math.copysign(float(rounding(a.value)), a.value))

    return rounded


def choose(test: Any, then: Any, otherwise: Any) -> Any:
    """Return one of two numbers by a bool, or of each two elements by a Tensor of bools."""
    if isinstance(test, bool):
        return then if test else otherwise
    return test.where(then, otherwise)


def larger(a: Any, b: Any) -> Any:
    """Return the larger, a of equal ones; NaN if one is NaN."""
    return a if a > b else b if b > a else a if a == b else a + b


def smaller(a: Any, b: Any) -> Any:
    """Return the smaller, a of equal ones; NaN if one is NaN."""
    return a if a < b else b if b < a else a if a == b else a + b


def power_of_number(a: Element, k: float) -> Any:
    """Return a ** k; for some k in plain operations."""
    if k == 2.0:
        return a * a
    if k == 1.0:
        return a
    if k == 0.0:
        return a.like(1.0)
    if k == -1.0:
        return 1.0 / a
    if k == 0.5:
        return square_root(a)
    if k == -0.5:
        return 1.0 / square_root(a)
    if k == 3.0:
        return (a * a) * a
    return a**k


def shift_of(b: Element) -> int:
    """Return by how many bits to shift: by all there are, where b is above that or below 0."""
    return b.value if 0 <= b.value < 64 else 64  # type: ignore[return-value]


SQRT_2 = 1.4142135623730951
SQRT_2_OVER_PI = 0.7978845608028654
TWO_OVER_SQRT_PI = 1.1283791670955126
ONE_OVER_SQRT_2PI = 0.3989422804014327
LOG_2 = 0.6931471805599453


def near(a: Any) -> Any:
    """Return a within bounds, beyond which gradients that say so do not change."""
    return a.clamp_min(-1000.0).clamp_max(1000.0)


def gelu_slope_gradient(a: Any, y: Any, g: Any) -> Any:
    """Return the gradient of gelu's slope: 2 - a * a times the normal distribution's density."""
    density = (-0.5 * (near(a) * near(a))).exp() * ONE_OVER_SQRT_2PI
    return ((2.0 - near(a) * near(a)) * density) * g


def gelu_inner(a: Any) -> Any:
    """Return the hyperbolic tangent in the tanh form of gelu."""
    return (SQRT_2_OVER_PI * (near(a) + 0.044715 * ((near(a) * near(a)) * near(a)))).tanh()


def gelu_tanh_gradient(a: Any, y: Any, g: Any) -> Any:
    """Return the gradient of gelu's tanh form; 0.134145 is 3 * 0.044715."""
    falling = 1.0 - gelu_inner(a) * gelu_inner(a)
    slope = SQRT_2_OVER_PI * (1.0 + 0.134145 * (near(a) * near(a)))
    return (0.5 * (1.0 + gelu_inner(a)) + ((0.5 * near(a)) * falling) * slope) * g


def silu_gradient(a: Any, y: Any, g: Any) -> Any:
    """Return the gradient of silu."""
    return (near(a).sigmoid() * (1.0 + near(a) * (1.0 - near(a).sigmoid()))) * g


def power_gradient(a: Any, b: Any, y: Any, g: Any) -> Any:
    """Return the gradient of a ** b by a; 0 where b is 0, whatever a."""
    return choose(b == 0.0, 0.0, (b * a ** (b - 1.0)) * g)


def exponent_gradient(a: Any, b: Any, y: Any, g: Any) -> Any:
    """Return the gradient of a ** b by b; 0 where a is 0 and b >= 0."""
    return choose((a == 0.0) & (b >= 0.0), 0.0, (y * a.log()) * g)


# ---- the table -------------------------------------------------------------------------------

ROWS: dict[str, Row] = {}
FLOATS, NUMBERS, COMPARES, TRUTHS = "floats", "numbers", "compares", "truths"
NUMBERS_ONLY, NUMBERS_AND_BOOLS = "numbers_only", "numbers_and_bools"
INTEGRAL, INTEGRAL_AND_BOOLS = "integral", "integral_and_bools"


class Row:
    """An op on elements.

    Args:
        name: the name in ROWS.
        symbol: for pictures.
        types: what is computed: FLOATS of floats; NUMBERS of floats and integers, which bools
            become; NUMBERS_ONLY of these without bools; NUMBERS_AND_BOOLS of bools as such, whose
            sum is or, product and; INTEGRAL of integers, INTEGRAL_AND_BOOLS of bools too;
            COMPARES of all, the value is a bool; TRUTHS of bools.
        value: the value of the operands.
        gradients: for each operand `(a, y, g)` or `(a, b, y, g)` to its gradient; none of
            comparisons.
    """

    __slots__ = ("gradients", "name", "symbol", "types", "value")

    def __init__(
        self,
        name: str,
        symbol: str,
        types: str,
        value: Callable[..., Any],
        *gradients: Callable[..., Any],
    ) -> None:
        self.name = name
        self.symbol = symbol
        self.types = types
        self.value = value
        self.gradients = gradients
        ROWS[name] = self
        setattr(Element, name, lambda *operands: operands[0].like(of(value(*operands))))

    def __repr__(self) -> str:
        return f"Row({self.name!r})"


def zero(*known: Any) -> float:
    """Return the gradient of steps."""
    return 0.0


Row("add", "+", NUMBERS_AND_BOOLS, lambda a, b: a + b, lambda a, b, y, g: g, lambda a, b, y, g: g)
Row(
    "mul",
    "*",
    NUMBERS_AND_BOOLS,
    lambda a, b: a * b,
    lambda a, b, y, g: b * g,
    lambda a, b, y, g: a * g,
)
Row(  # k is a number, no operand
    "pow_number",
    "**",
    FLOATS,
    power_of_number,
    lambda a, k, y, g: 0.0 if k == 0.0 else (k * a.pow_number(k - 1.0)) * g,
)
Row("pow", "**", NUMBERS, lambda a, b: a**b, power_gradient, exponent_gradient)
Row("relu", "ReLU", NUMBERS, lambda a: 0 if a < 0 else a, lambda a, y, g: y.step().mask(g))
Row("tanh", "tanh", FLOATS, function("tanh"), lambda a, y, g: (1.0 - y.pow_number(2.0)) * g)
Row("exp", "exp", FLOATS, function("exp"), lambda a, y, g: y * g)
Row("log", "log", FLOATS, function("log"), lambda a, y, g: (1.0 / a) * g)
Row("sin", "sin", FLOATS, function("sin"), lambda a, y, g: a.cos() * g)
Row("cos", "cos", FLOATS, function("cos"), lambda a, y, g: -a.sin() * g)
Row("expm1", "expm1", FLOATS, function("expm1"), lambda a, y, g: a.exp() * g)
Row("log1p", "log1p", FLOATS, function("log1p"), lambda a, y, g: (1.0 / (1.0 + a)) * g)
Row("sigmoid", "sigmoid", FLOATS, function("sigmoid"), lambda a, y, g: (y * (1.0 - y)) * g)
Row("softplus", "softplus", FLOATS, function("softplus"), lambda a, y, g: a.sigmoid() * g)
Row("gelu", "gelu", FLOATS, function("gelu"), lambda a, y, g: a.gelu_slope() * g)
Row("gelu_tanh", "gelu_tanh", FLOATS, function("gelu_tanh"), gelu_tanh_gradient)
Row("silu", "silu", FLOATS, function("silu"), silu_gradient)
Row(
    "erf",
    "erf",
    FLOATS,
    function("erf"),
    lambda a, y, g: (TWO_OVER_SQRT_PI * (-(a * a)).exp()) * g,
)
Row("abs", "abs", NUMBERS, lambda a: abs(a.value), lambda a, y, g: a.sign().mask(g))
Row(
    "maximum",
    "maximum",
    NUMBERS_AND_BOOLS,
    larger,
    lambda a, b, y, g: a.share(b).mask(g),
    lambda a, b, y, g: b.share(a).mask(g),
)
Row(
    "minimum",
    "minimum",
    NUMBERS_AND_BOOLS,
    smaller,
    lambda a, b, y, g: b.share(a).mask(g),
    lambda a, b, y, g: a.share(b).mask(g),
)
Row("sub", "-", NUMBERS_ONLY, lambda a, b: a - b, lambda a, b, y, g: g, lambda a, b, y, g: -g)
Row(
    "div",
    "/",
    FLOATS,
    lambda a, b: a / b,
    lambda a, b, y, g: g / b,
    lambda a, b, y, g: -((g * y) / b),
)
Row("neg", "neg", NUMBERS_ONLY, lambda a: -a, lambda a, y, g: -g)
Row("sign", "sign", NUMBERS_AND_BOOLS, lambda a: 1 if a > 0 else -1 if a < 0 else 0, zero)
Row("square", "square", NUMBERS, lambda a: a * a, lambda a, y, g: (2.0 * a) * g)
Row(
    "squared_difference",
    "(a - b)^2",
    FLOATS,
    lambda a, b: (a - b) * (a - b),
    lambda a, b, y, g: (a - b) * g + (a - b) * g,
    lambda a, b, y, g: -((a - b) * g + (a - b) * g),
)
Row("sqrt", "sqrt", FLOATS, square_root, lambda a, y, g: g / (2.0 * y))
Row(
    "rsqrt",
    "rsqrt",
    FLOATS,
    lambda a: 1.0 / square_root(a),
    lambda a, y, g: (-0.5 * ((y * y) * y)) * g,
)
Row("reciprocal", "reciprocal", FLOATS, lambda a: 1.0 / a, lambda a, y, g: -(y * y) * g)
Row("exp2", "exp2", FLOATS, function("exp2"), lambda a, y, g: (y * LOG_2) * g)
Row("log2", "log2", FLOATS, function("log2"), lambda a, y, g: g / (a * LOG_2))
Row("tan", "tan", FLOATS, function("tan"), lambda a, y, g: (1.0 + y * y) * g)
Row("asin", "asin", FLOATS, function("asin"), lambda a, y, g: g / (1.0 - a * a).sqrt())
Row("acos", "acos", FLOATS, function("acos"), lambda a, y, g: -(g / (1.0 - a * a).sqrt()))
Row("atan", "atan", FLOATS, function("atan"), lambda a, y, g: g / (1.0 + a * a))
Row("sinh", "sinh", FLOATS, function("sinh"), lambda a, y, g: a.cosh() * g)
Row("cosh", "cosh", FLOATS, function("cosh"), lambda a, y, g: a.sinh() * g)
Row("asinh", "asinh", FLOATS, function("asinh"), lambda a, y, g: g / (a * a + 1.0).sqrt())
Row("acosh", "acosh", FLOATS, function("acosh"), lambda a, y, g: g / (a * a - 1.0).sqrt())
Row("atanh", "atanh", FLOATS, function("atanh"), lambda a, y, g: g / (1.0 - a * a))
Row("floor", "floor", FLOATS, whole(math.floor), zero)
Row("ceil", "ceil", FLOATS, whole(math.ceil), zero)
Row("round", "round", FLOATS, whole(round), zero)  # ties to even
Row("trunc", "trunc", FLOATS, whole(math.trunc), zero)
# b is a bound: where a equals it, all of the gradient passes to a.
Row(
    "clamp_min",
    "clamp_min",
    NUMBERS_AND_BOOLS,
    larger,
    lambda a, b, y, g: a.at_least(b).mask(g),
    lambda a, b, y, g: a.below(b).mask(g),
)
Row(
    "clamp_max",
    "clamp_max",
    NUMBERS_AND_BOOLS,
    smaller,
    lambda a, b, y, g: b.at_least(a).mask(g),
    lambda a, b, y, g: b.below(a).mask(g),
)
Row("floor_divide", "//", NUMBERS, lambda a, b: a // b, zero, zero)
Row(
    "remainder",
    "%",
    NUMBERS,
    lambda a, b: a % b,
    lambda a, b, y, g: g,
    lambda a, b, y, g: -(a // b) * g,
)
# Of a double, rounded to the type once.
Row("gelu_slope", "gelu_slope", FLOATS, lambda a: gelu_slope(a.value), gelu_slope_gradient)
# What gradients ask of the data, and what they do with it.
Row("step", "step", FLOATS, lambda a: 0.0 if a <= 0.0 else 1.0, zero)
Row("share", "share", FLOATS, lambda a, b: 0.0 if a < b else 0.5 if a == b else 1.0, zero, zero)
Row("at_least", "at_least", FLOATS, lambda a, b: 1.0 if a >= b else 0.0, zero, zero)
Row("below", "below", FLOATS, lambda a, b: 1.0 if a < b else 0.0, zero, zero)
Row(
    "mask",
    "mask",
    FLOATS,
    lambda a, b: 0.0 if a == 0.0 else a * b,
    zero,
    lambda a, b, y, g: a.mask(g),
)
Row("eq", "==", COMPARES, lambda a, b: a == b)
Row("ne", "!=", COMPARES, lambda a, b: a != b)
Row("lt", "<", COMPARES, lambda a, b: a < b)
Row("le", "<=", COMPARES, lambda a, b: a <= b)
Row("gt", ">", COMPARES, lambda a, b: a > b)
Row("ge", ">=", COMPARES, lambda a, b: a >= b)
Row("logical_and", "and", TRUTHS, lambda a, b: a.value and b.value)
Row("logical_or", "or", TRUTHS, lambda a, b: a.value or b.value)
Row("logical_xor", "xor", TRUTHS, lambda a, b: a.value != b.value)
Row("logical_not", "not", TRUTHS, lambda a: not a.value)
Row("bitwise_and", "&", INTEGRAL_AND_BOOLS, lambda a, b: a.value & b.value)
Row("bitwise_or", "|", INTEGRAL_AND_BOOLS, lambda a, b: a.value | b.value)
Row("bitwise_xor", "^", INTEGRAL_AND_BOOLS, lambda a, b: a.value ^ b.value)
Row(
    "bitwise_not",
    "~",
    INTEGRAL_AND_BOOLS,
    lambda a: not a.value if a.dtype == "bool" else ~a.value,
)
Row("bitwise_left_shift", "<<", INTEGRAL, lambda a, b: a.value << shift_of(b))
Row("bitwise_right_shift", ">>", INTEGRAL, lambda a, b: a.value >> shift_of(b))


# ---- arrays ----------------------------------------------------------------------------------


def computed_in(row: Row, operands: tuple[Any, ...]) -> tuple[str, str]:
    """Return the type that a row is computed in for these operands, and that of its result.

    Raises:
        TypeError: the row has no meaning for these types.
    """
    common = promote(operands)
    if row.types == TRUTHS:
        return "bool", "bool"
    if row.types == COMPARES:
        numbers = [x for x in operands if not isinstance(x, Array)]
        return ("int64" if numbers and common in BOUNDS else wide(common)), "bool"
    if row.types in (INTEGRAL, INTEGRAL_AND_BOOLS):
        if is_float(common) or (common == "bool" and row.types == INTEGRAL):
            raise TypeError(f"{row.name} has no meaning for {common}")
        return common, common
    if row.types == FLOATS and not is_float(common):
        common = "float32"
    if common == "bool" and row.types != NUMBERS_AND_BOOLS:
        if row.types == NUMBERS_ONLY:
            raise TypeError(f"{row.name} has no meaning for bools; use logical_xor, logical_not")
        common = "int64"
    return wide(common), common


def check_divisor(name: str, result: str, arrays: list[Array]) -> None:
    """Refuse to divide integers by 0."""
    if name in ("floor_divide", "remainder") and not is_float(result) and 0 in arrays[1].values:
        raise ZeroDivisionError(f"{name}: an integer is divided by 0")


def apply(name: str, *operands: Any, k: float | None = None) -> Array:
    """Compute a row of the table on each element of arrays, which are broadcast.

    Args:
        name: of the row.
        operands: Arrays and, except for the only one, Python numbers.
        k: the exponent of pow_number.

    Raises:
        ValueError: the shapes cannot be broadcast.
        TypeError: the row has no meaning for bools.
        ZeroDivisionError: an integer is divided by 0.
    """
    row = ROWS[name]
    computed, result = computed_in(row, operands)
    arrays = [x if isinstance(x, Array) else Array(computed, (), [x]) for x in operands]
    arrays = [x.cast(computed) for x in arrays]
    check_divisor(name, result, arrays)
    shape = broadcast_shapes(*[x.shape for x in arrays])
    arrays = [x.expand(shape) for x in arrays]
    constants = [] if k is None else [float(k)]

    def element(i: tuple[int, ...]) -> Any:
        return of(row.value(*[Element(computed, x[i]) for x in arrays], *constants))

    return Array.build(result, shape, element)
