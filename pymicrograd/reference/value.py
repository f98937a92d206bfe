"""Value in pure Python: a float that remembers what it was computed from.

Every operation is one row of the table below: its value, and its gradient as one expression. The
expression is evaluated twice: on floats by `Value.backward`, and on Values by
`grad(create_graph=True)`, where it records nodes that can be differentiated again. Plain `+` and
`*` mean the same in both; micrograd's own `a - b` is `a + b * -1` and its `a / b` is `a * b**-1`,
so the gradients write the true operations as SUB, DIV and NEG.

Numbers are Python floats and functions are `math`'s, or those of floats.py; nothing is simplified,
because `b**-1` is not `1/b` and `y**2` is not `y*y` in the last digit. A node refers to its
operands only, never to its users, so that a graph has no reference cycle and is freed as soon as
its root is dropped.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from .. import scalars
from ..arithmetic import inverse, is_ieee
from ..errors import GradientError
from ..recording import enable_grad, is_grad_enabled, no_grad
from ..scalars import (
    NO_FORMULA,
    Operands,
    Scalar,
    as_arguments,
    as_float,
    as_operands,
    is_number,
    negative,
)
from .floats import functions

__all__ = ["OPS", "Op", "Scalar", "Value", "as_float", "grad", "no_grad"]

# Type checkers are told that it is a Value, as with operators that have no array.
elementwise: Callable[[str, Any, Any], Value] = scalars.elementwise


# ---- numbers ---------------------------------------------------------------------------------


# ---- the op table ----------------------------------------------------------------------------

OPS: dict[str, Op] = {}
NAMES: dict[Callable[..., Any], str] = {}  # of rows, by gradient


class Op:
    """One row of the op table; called on floats it computes, on Values it records a node.

    Args:
        name: the row's name in OPS.
        symbol: what `_op` says.
        value: the result y of the operands a, or a and b, which are floats.
        gradient: `(a, y, g)` to da, or `(a, b, y, g)` to `(da, db)`, where g is the gradient of
            y; everything is floats, or everything is Values.
    """

    __slots__ = ("arity", "gradient", "name", "symbol", "value")

    def __init__(
        self,
        name: str,
        symbol: str,
        value: Callable[..., float],
        gradient: Callable[..., Any],
    ) -> None:
        self.name = name
        self.symbol = symbol
        self.value = value
        self.gradient = gradient
        self.arity = gradient.__code__.co_argcount - 2
        OPS[name] = self
        NAMES[gradient] = name

    def __call__(self, *operands: Any) -> Any:
        """Compute the result of floats; record a node if one of the operands is a Value."""
        for x in operands:
            if isinstance(x, Value):
                return self.node(*operands)
        return self.value(*operands)

    def node(self, *operands: Any) -> Value:
        """Record the node of Values, or of numbers, which become leaves."""
        nodes = tuple(map(as_operand, operands))
        data = self.value(*[x._data for x in nodes])
        return record(data, nodes, self.symbol, self.gradient)

    def __repr__(self) -> str:
        return f"Op({self.name!r})"


def plain(x: Any) -> float:
    """Return the data of a Value, and a float as it is."""
    return x._data if isinstance(x, Value) else x


def going_on(otherwise: Callable[..., float]) -> Callable[[Callable[..., Any]], Any]:
    """Let a function of floats give what IEEE 754 has where it raises, if that is wanted."""

    def decorate(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        def call(*operands: Any) -> Any:
            try:
                return function(*operands)
            except (ArithmeticError, ValueError):
                if not is_ieee():
                    raise
                return otherwise(*operands)

        return call

    return decorate


def power_beyond(a: float, k: float) -> float:
    """Return a ** k where that is infinite, or no number."""
    if a < 0.0 and not k.is_integer():
        return math.nan
    return math.copysign(math.inf, a if k % 2.0 == 1.0 else 1.0)


def log_beyond(a: float) -> float:
    """Return the logarithm of what is not above 0."""
    return -math.inf if a == 0.0 else math.nan


exp = going_on(lambda a: math.inf)(lambda a: functions().exp(a))
expm1 = going_on(lambda a: math.inf)(lambda a: functions().expm1(a))
log = going_on(log_beyond)(lambda a: functions().log(a))
log1p = going_on(lambda a: log_beyond(1.0 + a))(lambda a: functions().log1p(a))
sin = going_on(lambda a: math.nan)(lambda a: functions().sin(a))
cos = going_on(lambda a: math.nan)(lambda a: functions().cos(a))
divide = going_on(lambda a, b: a * math.copysign(math.inf, b))(operator.truediv)


@going_on(power_beyond)
def power(a: Any, k: float) -> Any:
    """Return a ** k for a constant k; a negative number to a broken power is refused."""
    if isinstance(a, Value):
        return a**k if k else 1.0  # differentiating a**0 would ask for a**-1
    if a < 0.0 and math.isfinite(a) and math.isfinite(k) and not k.is_integer():
        raise ValueError(f"math domain error: {a!r} ** {k!r} is a complex number")
    return functions().power(a, k)


def power_gradients(a: Any, b: Any, y: Any, g: Any) -> tuple[Any, Any]:
    """Return the gradients of a ** b.

    That of the exponent is 0 where the base is 0 and b > 0, and NaN where the base is below 0.
    """
    da = (b * POW(a, SUB(b, 1.0))) * g
    if plain(a) == 0.0 and b > 0.0:
        return da, 0.0
    return da, (y * (math.nan if a < 0.0 else LOG(a))) * g


def share(x: Any, other: Any) -> float:
    """Return how much of the gradient of a maximum goes to x; a tie is split in halves."""
    return 0.0 if x < other else 0.5 if plain(x) == plain(other) else 1.0


def sigmoid(a: float) -> float:
    """Return 1 / (1 + exp(-a)) without overflow."""
    if a >= 0.0:
        return 1.0 / (1.0 + functions().exp(-a))
    e = functions().exp(a)
    return e / (1.0 + e)


SQRT_2 = 1.4142135623730951
SQRT_2_OVER_PI = 0.7978845608028654
TWO_OVER_SQRT_PI = 1.1283791670955126
ONE_OVER_SQRT_2PI = 0.3989422804014327


def gelu_gradient(a: Any, y: Any, g: Any) -> Any:
    """Return the gradient of gelu: a's normal distribution function plus a times its density."""
    density = EXP(-0.5 * (a * a)) * ONE_OVER_SQRT_2PI
    return (0.5 * (1.0 + ERF(DIV(a, SQRT_2))) + a * density) * g


def gelu_inner(a: Any) -> Any:
    """Return the hyperbolic tangent in the tanh form of gelu."""
    return TANH(SQRT_2_OVER_PI * (a + 0.044715 * ((a * a) * a)))


def gelu_tanh_gradient(a: Any, y: Any, g: Any) -> Any:
    """Return the gradient of gelu's tanh form; 0.134145 is 3 * 0.044715."""
    falling = SUB(1.0, gelu_inner(a) * gelu_inner(a))
    slope = SQRT_2_OVER_PI * (1.0 + 0.134145 * (a * a))
    return (0.5 * (1.0 + gelu_inner(a)) + ((0.5 * a) * falling) * slope) * g


def silu_gradient(a: Any, y: Any, g: Any) -> Any:
    """Return the gradient of a * sigmoid(a)."""
    return (SIGMOID(a) * (1.0 + a * SUB(1.0, SIGMOID(a)))) * g


ADD = Op("add", "+", lambda a, b: a + b, lambda a, b, y, g: (g, g))
MUL = Op("mul", "*", lambda a, b: a * b, lambda a, b, y, g: (b * g, a * g))
# The exponent k of pow_number is a number, not an operand; the symbol is f"**{k}".
POW_NUMBER = Op("pow_number", "**", power, lambda a, k, y, g: (k * power(a, k - 1.0)) * g)
POW = Op("pow", "**", power, power_gradients)
RELU = Op(
    "relu",
    "ReLU",
    lambda a: 0.0 if a < 0.0 else a,
    lambda a, y, g: (1.0 if y > 0.0 else 0.0) * g,
)
TANH = Op(
    "tanh",
    "tanh",
    lambda a: functions().tanh(a),
    lambda a, y, g: SUB(1.0, power(y, 2.0)) * g,
)
EXP = Op("exp", "exp", exp, lambda a, y, g: y * g)
LOG = Op("log", "log", log, lambda a, y, g: DIV(1.0, a) * g)
SIN = Op("sin", "sin", sin, lambda a, y, g: COS(a) * g)
COS: Op = Op("cos", "cos", cos, lambda a, y, g: NEG(SIN(a)) * g)
EXPM1 = Op("expm1", "expm1", expm1, lambda a, y, g: EXP(a) * g)
LOG1P = Op("log1p", "log1p", log1p, lambda a, y, g: DIV(1.0, 1.0 + a) * g)
SIGMOID = Op("sigmoid", "sigmoid", sigmoid, lambda a, y, g: (y * SUB(1.0, y)) * g)
SOFTPLUS = Op(
    "softplus",
    "softplus",
    lambda a: functions().log1p(functions().exp(-abs(a))) + (a if a > 0.0 else 0.0),
    lambda a, y, g: SIGMOID(a) * g,
)
GELU = Op(
    "gelu",
    "gelu",
    lambda a: (0.5 * a) * (1.0 + functions().erf(a / SQRT_2)),
    gelu_gradient,
)
GELU_TANH = Op(
    "gelu_tanh",
    "gelu_tanh",
    lambda a: (0.5 * a) * (1.0 + gelu_inner(a)),
    gelu_tanh_gradient,
)
SILU = Op("silu", "silu", lambda a: a * sigmoid(a), silu_gradient)
ERF = Op(
    "erf",
    "erf",
    lambda a: functions().erf(a),
    lambda a, y, g: (TWO_OVER_SQRT_PI * EXP(NEG(a * a))) * g,
)
ABS = Op(
    "abs",
    "abs",
    abs,
    lambda a, y, g: (1.0 if a > 0.0 else -1.0 if a < 0.0 else 0.0) * g,
)
MAXIMUM = Op(
    "maximum",
    "maximum",
    lambda a, b: a if a > b else b if b > a else a if a == b else a + b,
    lambda a, b, y, g: (share(a, b) * g, share(b, a) * g),
)
MINIMUM = Op(
    "minimum",
    "minimum",
    lambda a, b: a if a < b else b if b < a else a if a == b else a + b,
    lambda a, b, y, g: (share(b, a) * g, share(a, b) * g),
)
# micrograd's programs have none of these; gradients of gradients do.
SUB: Op = Op("sub", "-", lambda a, b: a - b, lambda a, b, y, g: (g, NEG(g)))
DIV: Op = Op("div", "/", divide, lambda a, b, y, g: (DIV(g, b), NEG(DIV(g * y, b))))
NEG: Op = Op("neg", "neg", lambda a: -a, lambda a, y, g: NEG(g))


# ---- recording -------------------------------------------------------------------------------


def record(
    data: float,
    operands: tuple[Value, ...],
    symbol: str,
    gradient: Callable[..., Any] | None,
) -> Value:
    """Make the node of a result, or a leaf where nothing is recorded."""
    if not is_grad_enabled():
        operands, symbol, gradient = (), "", None
    node: Value = new(Value)
    node._data = data
    node._grad = 0.0
    node._inputs = Operands(operands)
    node._op = symbol
    node._rule = gradient
    node._factors = None
    return node


def as_operand(x: Any) -> Value:
    """Return a Value as it is, and a number as a new leaf."""
    return x if isinstance(x, Value) else record(as_float(x), (), "", None)


def postorder(root: Value) -> tuple[list[Value], list[Value]]:
    """List what a Value depends on, depth first, operands in their order and before their users.

    Returns:
        The nodes that have a step to do: those with operands, and leaves with a rule of the
        user's; and the leaves. Root is the last of the first, or the only leaf.
    """
    interior: list[Value] = []
    leaves: list[Value] = []
    seen: set[Value] = set()
    path: list[Any] = [root]
    while path:
        node = path.pop()
        if node is None:  # all operands of the node below have been listed
            interior.append(path.pop())
        elif node not in seen:
            seen.add(node)
            if node._inputs:
                path += (node, None)
                path += node._inputs[::-1]
            else:
                leaves.append(node)
                if has_rule(node):
                    interior.append(node)
    return interior, leaves


def has_rule(node: Value) -> bool:
    """Tell whether the user has given a node, or its class, a rule of his own."""
    return "_backward" in node.__dict__ or type(node)._backward is not Value._backward


class Value(Scalar):
    """A float and its gradient, in the graph of what it was computed from.

    Args:
        data: a real number.
        _children: the operands of an op of your own: Values, any number of them.
        _op: text, what `_op` says; or, as in microgpt, numbers, the derivative by each operand.
            Without these the node passes nothing on, until `_backward` is set.
        label: a name for pictures.

    Attributes:
        data: the number; setting it converts as the constructor does.
        grad: the derivative that `backward` has added up here, at first 0.0.
        label: a name for pictures. Any other attribute may be set, too.
        _backward: a function that does this node's step of a backward: it reads `grad` and adds
            to that of the operands. Another one may be set, and is called at the node's place in
            the order.

    Raises:
        TypeError: data is not a real number, or an operand is not a Value.
        ValueError, OverflowError: data is an int that no float holds; there are not as many
            derivatives as operands.

    Example:
        >>> a, b = Value(2.0), Value(-3.0)
        >>> c = a * b + a**3
        >>> c.backward()
        >>> c, a, b
        (Value(data=2.0, grad=1.0), Value(data=2.0, grad=9.0), Value(data=-3.0, grad=2.0))
    """

    __slots__ = ("__dict__", "__weakref__", "_data", "_factors", "_grad", "_inputs", "_op", "_rule")
    _data: float
    _grad: float
    _inputs: Operands
    _op: Any
    _rule: Callable[..., Any] | None
    _factors: tuple[float, ...] | None  # of a node of the user's with local gradients

    def __init__(self, *args: Any, **names: Any) -> None:
        data, operands, factors, attributes = as_arguments(*args, **names)
        for x in operands:
            if not isinstance(x, Value):
                raise TypeError(f"an operand of a Value is a Value, not {type(x)!r}")
        if factors is not None and len(factors) != len(operands):
            raise ValueError(
                f"there is a local gradient for each operand: {len(factors)} of {len(operands)}"
            )
        recorded = is_grad_enabled()
        self._data = data
        self._grad = 0.0
        self._inputs = Operands(operands if recorded else ())
        self._op = attributes.get("_op", "")
        self._rule = None
        self._factors = factors if recorded else None
        if "label" in attributes:
            self.label = attributes["label"]

    @property
    def data(self) -> float:
        """The number."""
        return self._data

    @data.setter
    def data(self, number: Any) -> None:
        self._data = as_float(number)

    @property
    def grad(self) -> float:
        """The gradient."""
        return self._grad

    @grad.setter
    def grad(self, number: Any) -> None:
        self._grad = as_float(number)

    @property
    def _prev(self) -> Operands:
        return self._inputs

    @_prev.setter
    def _prev(self, operands: Any) -> None:
        found = as_operands(self, operands, self._rule is not None and not has_rule(self), False)
        for x in found:
            if not isinstance(x, Value):
                raise TypeError(f"an operand of a Value is a Value, not {type(x)!r}")
        if self._factors is not None and len(self._factors) != len(found):
            if not has_rule(self):
                raise ValueError(
                    "there is a local gradient for each operand:"
                    f" {len(self._factors)} of {len(found)}"
                )
            self._factors = None
        self._rule = None
        self._inputs = Operands(found if is_grad_enabled() else ())

    @property
    def _local_grads(self) -> tuple[float, ...]:
        """What the node passes on to each operand of a gradient of 1."""
        if self._rule is None:
            return self._factors or ()
        parts = self._rule(*[x._data for x in self._inputs], self._data, 1.0)
        if len(self._inputs) == 1:
            parts = (parts,)
        return tuple(0.0 + part for part in parts)

    @property
    def _backward(self) -> Callable[[], Any]:
        """The node's step in a backward; another function may take its place."""
        rule: Callable[[], Any] | None = self.__dict__.get("_backward")
        return partial(step, self) if rule is None else rule

    @_backward.setter
    def _backward(self, rule: Callable[[], Any]) -> None:
        if not callable(rule):
            raise TypeError("_backward is a function without arguments")
        self.__dict__["_backward"] = rule

    @_backward.deleter
    def _backward(self) -> None:
        self.__dict__.pop("_backward", None)

    # ---- arithmetic, in the nodes that micrograd makes

    def __add__(self, other: Any) -> Value:
        if not isinstance(other, Value):
            if not is_number(other):
                return elementwise("add", self, other)
            other = as_operand(other)
        return record(self._data + other._data, (self, other), "+", add_gradient)

    def __mul__(self, other: Any) -> Value:
        if not isinstance(other, Value):
            if not is_number(other):
                return elementwise("multiply", self, other)
            other = as_operand(other)
        return record(self._data * other._data, (self, other), "*", mul_gradient)

    def __pow__(self, other: Any) -> Value:
        if isinstance(other, Value):
            return POW.node(self, other)
        if not is_number(other):
            return elementwise("power", self, other)
        k = as_float(other)
        return record(power(self._data, k), (self,), f"**{other}", PowerRule(k, other))

    def __sub__(self, other: Any) -> Value:
        if isinstance(other, Value):
            return self + (-other)
        if not is_number(other):
            return elementwise("subtract", self, other)
        return self + negative(other)

    def __truediv__(self, other: Any) -> Value:
        if isinstance(other, Value):
            return self * other**-1
        if not is_number(other):
            return elementwise("divide", self, other)
        return self * inverse(as_float(other), functions().power)

    def __radd__(self, other: Any) -> Value:
        return self + other if is_number(other) else elementwise("add", other, self)

    def __rmul__(self, other: Any) -> Value:
        return self * other if is_number(other) else elementwise("multiply", other, self)

    def __rsub__(self, other: Any) -> Value:
        return (-self) + other if is_number(other) else elementwise("subtract", other, self)

    def __rtruediv__(self, other: Any) -> Value:
        return self**-1 * other if is_number(other) else elementwise("divide", other, self)

    def __rpow__(self, other: Any) -> Value:
        return POW.node(other, self) if is_number(other) else elementwise("power", other, self)

    def __neg__(self) -> Value:
        return self * -1.0

    def __abs__(self) -> Value:
        return ABS.node(self)

    # ---- functions, each of them one node

    def relu(self) -> Value:
        """Return max(x, 0)."""
        return RELU.node(self)

    def tanh(self) -> Value:
        """Return the hyperbolic tangent."""
        return TANH.node(self)

    def exp(self) -> Value:
        """Return e ** x."""
        return EXP.node(self)

    def log(self) -> Value:
        """Return the natural logarithm."""
        return LOG.node(self)

    def sin(self) -> Value:
        """Return the sine of x radians."""
        return SIN.node(self)

    def cos(self) -> Value:
        """Return the cosine of x radians."""
        return COS.node(self)

    def expm1(self) -> Value:
        """Return exp(x) - 1, exact for small x."""
        return EXPM1.node(self)

    def log1p(self) -> Value:
        """Return log(1 + x), exact for small x."""
        return LOG1P.node(self)

    def sigmoid(self) -> Value:
        """Return 1 / (1 + exp(-x))."""
        return SIGMOID.node(self)

    def softplus(self) -> Value:
        """Return log(1 + exp(x))."""
        return SOFTPLUS.node(self)

    def silu(self) -> Value:
        """Return x * sigmoid(x)."""
        return SILU.node(self)

    def erf(self) -> Value:
        """Return the error function."""
        return ERF.node(self)

    def _gelu(self) -> Value:
        return GELU.node(self)

    def _gelu_tanh(self) -> Value:
        return GELU_TANH.node(self)

    def maximum(self, other: Any) -> Value:
        """Return the larger of x and other; the gradient of a tie is split in halves."""
        return MAXIMUM.node(self, other)

    def minimum(self, other: Any) -> Value:
        """Return the smaller of x and other; the gradient of a tie is split in halves."""
        return MINIMUM.node(self, other)

    # ---- derivatives

    def backward(self, grad: Any = None) -> None:
        """Add the derivative of this Value to the gradient of every leaf it depends on.

        Gradients of interior nodes are cleared first; data is read as it is now. A formula that
        raises leaves the gradients of leaves as they were, those of interior nodes 0.0.

        Args:
            grad: the gradient of this Value itself, by default 1.0.

        Raises:
            ZeroDivisionError, ValueError, OverflowError: as Python does, such as for the
                gradient of x**0.5 at 0.
        """
        seed = 1.0 if grad is None else as_float(grad)
        interior, leaves = postorder(self)
        gradients_before = [leaf._grad for leaf in leaves]
        try:
            for node in interior:
                if node._inputs:
                    node._grad = 0.0
            self._grad = seed
            flow(interior)
        except BaseException:
            for node in interior:
                node._grad = 0.0
            for leaf, gradient in zip(leaves, gradients_before, strict=True):
                leaf._grad = gradient
            raise

    def zero_grad(self) -> None:
        """Set the gradient of this Value to 0.0."""
        self._grad = 0.0

    def detach(self) -> Value:
        """Return a new leaf with the same data."""
        return Value(self._data)

    # ---- copies

    def _operands(self) -> tuple[Value, ...]:
        return self._inputs

    def _attributes(self) -> dict[str, Any]:
        named = {} if self._op == symbol_of(self) else {"_op": self._op}
        return {**self.__dict__, **named}

    def _store(self, name: str, attribute: Any) -> None:
        if name == "_op":
            self._op = attribute
        else:
            self.__dict__[name] = attribute

    def _form(self) -> tuple[str, float, float, tuple[Value, ...], Any]:
        rule: Any = self._rule
        extra: Any = None
        if isinstance(rule, PowerRule):
            op, extra = POW_NUMBER.name, (rule.exponent, rule.written)
        elif rule is not None:
            op = NAMES[rule]
        elif self._inputs:
            op, extra = GIVEN, self._factors or ()
        else:
            op = LEAF
        return op, self._data, self._grad, tuple(self._inputs), extra

    def _fill(self, op: Any, data: Any, gradient: Any, operands: Any, extra: Any) -> None:
        if hasattr(self, "_data"):
            raise ValueError("a Value that is made is not restored")
        if not isinstance(operands, tuple) or not all(isinstance(x, Value) for x in operands):
            raise TypeError("operands are a tuple of Values")
        if not all(hasattr(x, "_data") for x in operands):
            raise ValueError("an operand is a Value that is not made yet")
        self._rule, self._factors = rule_of(op, operands, extra)
        self._data, self._grad = as_float(data), as_float(gradient)
        self._inputs = Operands(operands)
        self._op = symbol_of(self)


GIVEN, LEAF = "given", "leaf"  # what nodes without a row of the table are called in pickles


class PowerRule:
    """The gradient of a ** k.

    Args:
        exponent: k.
        written: k as the user wrote it.
    """

    __slots__ = ("exponent", "written")

    def __init__(self, exponent: float, written: Any) -> None:
        self.exponent = exponent
        self.written = written

    def __call__(self, a: Any, y: Any, g: Any) -> Any:
        return POW_NUMBER.gradient(a, self.exponent, y, g)


def symbol_of(node: Value) -> str:
    """Return what `_op` of a node says that no user has named."""
    rule = node._rule
    if isinstance(rule, PowerRule):
        return f"**{rule.written}"
    return "" if rule is None else OPS[NAMES[rule]].symbol


def rule_of(op: Any, operands: tuple[Value, ...], extra: Any) -> tuple[Any, Any]:
    """Return the rule and the factors of a node of an op by name.

    Raises:
        ValueError: numbers have no such op, or not with so many operands.
    """
    count = len(operands)
    if op == LEAF and count == 0:
        return None, None
    if op == GIVEN and count > 0 and isinstance(extra, tuple) and len(extra) in (0, count):
        return None, tuple(map(as_float, extra)) or None
    if op == POW_NUMBER.name and count == 1 and isinstance(extra, tuple) and len(extra) == 2:
        return PowerRule(as_float(extra[0]), extra[1]), None
    if op not in OPS or op == POW_NUMBER.name or count != OPS[op].arity:
        raise ValueError(f"there is no node of {op!r} with {count} operands")
    return OPS[op].gradient, None


new = object.__new__
add_gradient = ADD.gradient
mul_gradient = MUL.gradient


def step(node: Value) -> None:
    """Add what a node passes on, by its own rule, to the gradients of its operands."""
    rule: Any = node._rule
    operands = node._inputs
    if node._factors is not None:
        for operand, factor in zip(operands, node._factors, strict=True):
            operand._grad += factor * node._grad
    elif rule is not None and len(operands) == 2:
        a, b = operands
        da, db = rule(a._data, b._data, node._data, node._grad)
        a._grad += da
        b._grad += db
    elif rule is not None:
        (a,) = operands
        a._grad += rule(a._data, node._data, node._grad)


def flow(interior: list[Value]) -> None:
    """Do the step of each node, from the last to the first: the user's, if there is one."""
    for node in reversed(interior):
        if has_rule(node):
            node._backward()
        else:
            step(node)


def grad(
    output: Value, inputs: Value | Iterable[Value], create_graph: bool = False
) -> tuple[Value, ...]:
    """Compute the derivatives of a Value; no gradient attribute is read or written.

    Args:
        output: the Value to differentiate.
        inputs: what to differentiate by: Values, leaves or not.
        create_graph: record the derivatives, to differentiate them in turn, even in no_grad.

    Returns:
        A derivative for each input, the same bits that `backward` gives; 0.0 for an input that
        output does not depend on. Without create_graph they are leaves.

    Raises:
        TypeError: output or an input is not a Value.
        GradientError: create_graph, and a node on the way is of the user's own.
        ZeroDivisionError, ValueError, OverflowError: as `backward`.

    Example:
        >>> x = Value(2.0)
        >>> (dx,) = grad(x**3, [x], create_graph=True)
        >>> (ddx,) = grad(dx, [x])
        >>> dx.data, ddx.data
        (12.0, 12.0)
    """
    inputs = (inputs,) if isinstance(inputs, Value) else tuple(inputs)
    for x in (output, *inputs):
        if not isinstance(x, Value):
            raise TypeError(f"grad is of Values by Values, not {type(x).__name__}")
    with enable_grad():
        if not create_graph:
            return tuple(map(as_operand, derivatives(output, inputs)))
        totals = totals_of(output)
        return tuple(as_operand(totals.get(x, 0.0)) for x in inputs)


def derivatives(output: Value, inputs: tuple[Value, ...]) -> list[float]:
    """Return derivatives as numbers, and leave all gradients as they were."""
    interior, leaves = postorder(output)
    held = {node: node._grad for node in [*interior, *leaves]}
    try:
        for node in held:
            node._grad = 0.0
        output._grad = 1.0
        flow(interior)
        return [x._grad if x in held else 0.0 for x in inputs]
    finally:
        for node, gradient in held.items():
            node._grad = gradient


def is_negative_zero(x: Any) -> bool:
    """Tell whether the data of x, or x, is -0.0."""
    return plain(x) == 0.0 and math.copysign(1.0, plain(x)) < 0.0


def totals_of(output: Value) -> dict[Value, Any]:
    """Return the gradient of each node that output depends on, as a recorded Value."""
    interior, _ = postorder(output)
    if any(has_rule(node) or node._rule is None for node in interior):
        raise GradientError(NO_FORMULA)
    totals: dict[Value, Any] = {output: Value(1.0)}
    for node in reversed(interior):
        rule: Any = node._rule
        parts = rule(*node._inputs, node, totals[node])
        if len(node._inputs) == 1:
            parts = (parts,)
        for operand, part in zip(node._inputs, parts, strict=True):
            if operand in totals:
                totals[operand] = totals[operand] + part
            else:  # as if added to 0.0: only -0.0 is changed by that
                totals[operand] = part + 0.0 if is_negative_zero(part) else part
    return totals
