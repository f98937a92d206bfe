"""Value on the C core: micrograd's scalar, a thin object around a node's handle.

An object keeps the objects of its operands in two slots, so that `_prev` gives the very objects
that the user made. A node that has no object yet (a number, or what a bulk builder recorded) gets
one when somebody walks to it. Measured on CPython 3.11: 80 bytes an object, and 36 a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from threading import RLock, get_ident
from typing import Any
from weakref import WeakValueDictionary

from . import _core
from ._micrograd import lib
from .reference.value import Scalar, as_float, elementwise, is_number, no_grad, silent

__all__ = ["Value", "grad", "no_grad"]

new = object.__new__
release = lib.value_release
POW_NUMBER = _core.OPS["pow_number"]


# ---- objects of nodes ------------------------------------------------------------------------

# The objects that can be met on more than one way: those below a bulk builder, by handle.
registry: WeakValueDictionary[int, Value] = WeakValueDictionary()
registry_lock = RLock()


class Sources:
    """The Values that a bulk builder was given; what it recorded keeps them alive."""

    __slots__ = ("registered", "values")

    def __init__(self, *values: Iterable[Any]) -> None:
        self.values = values
        self.registered = False

    def __iter__(self) -> Iterator[Value]:
        """Iterate over the Values, past the numbers among them."""
        return (x for x in chain.from_iterable(self.values) if isinstance(x, Value))

    def register(self) -> None:
        """Make the Values known to the registry."""
        if not self.registered:
            registry.update((value._handle, value) for value in self)
            self.registered = True


def wrap(handle: int, a: Any = None, b: Any = None) -> Value:
    """Return the object of a new node, taking over its reference.

    a and b are the operands' objects; or a is the Sources of a node that a bulk builder recorded;
    b is also what the user called the exponent of a power, or a leaf.
    """
    value: Value = new(Value)
    value._handle = handle
    value._a = a
    value._b = b
    if silent:
        hush(value)
    return value


def hush(value: Value) -> None:
    """Make a result a leaf if this thread is inside no_grad."""
    if get_ident() in silent:
        _core.detach(value._handle)
        value._a = value._b = None


def wrap_bulk(handles: Iterable[int], *values: Iterable[Any]) -> list[Value]:
    """Return the objects of nodes that a bulk builder recorded from values."""
    sources = Sources(*values)
    return [wrap(handle, sources) for handle in handles]


def object_of(handle: int, sources: Sources) -> Value:
    """Return the one object of a node below a bulk builder, taking over a reference to it."""
    value = registry.get(handle)
    if value is None:
        value = new(Value)
        value._handle = handle
        value._a = sources
        value._b = None
        registry[handle] = value
    else:
        release(handle)
    return value


def operands_of(value: Value) -> tuple[Value, ...]:
    """Return the objects of a node's operands, and keep them in its slots."""
    arity = _core.ARITIES[_core.op_of(value._handle)]
    slots = value._a, value._b
    if isinstance(slots[0], Sources):
        sources = slots[0]
    else:
        sources = Sources(slots)
    with registry_lock:
        sources.register()
        found = []
        for which in range(arity):
            handle = _core.operand(value._handle, which)
            slot = slots[which]
            if isinstance(slot, Value) and slot._handle == handle:
                release(handle)
                found.append(slot)
            else:
                found.append(object_of(handle, sources))
        if arity:
            value._a = found[0]
        if arity == 2:
            value._b = found[1]
    return tuple(found)


# ---- the hot path ----------------------------------------------------------------------------


def binary(
    name: str,
    record: Callable[[int, int], int],
    record_number: Callable[[int, float], int],
    ufunc: str,
) -> Any:
    """Return the method of an operator whose left operand is a Value."""

    def operator(self: Value, other: Any) -> Any:
        if other.__class__ is Value:
            handle = record(self._handle, other._handle)
        elif other.__class__ is float:
            handle = record_number(self._handle, other)
        elif isinstance(other, Value):
            handle = record(self._handle, other._handle)
        elif is_number(other):
            handle = record_number(self._handle, as_float(other))
        else:
            return elementwise(ufunc, self, other)
        if handle < 0:
            fail(handle, ufunc, self, other)
        value = new(Value)
        value._handle = handle
        value._a = self
        value._b = other
        if silent:
            hush(value)
        return value

    operator.__name__ = operator.__qualname__ = name
    return operator


def unary(name: str, record: Callable[[int], int], documentation: str) -> Any:
    """Return the method of a function of one Value."""

    def function(self: Value) -> Value:
        handle = record(self._handle)
        if handle < 0:
            fail(handle, name, self)
        value: Value = new(Value)
        value._handle = handle
        value._a = self
        value._b = None
        if silent:
            hush(value)
        return value

    function.__name__ = function.__qualname__ = name
    function.__doc__ = documentation
    return function


def rare(name: str) -> Callable[[int], int]:
    """Return the recorder of an op of one operand that has no function of its own."""
    op, record = _core.OPS[name], lib.value_op
    return lambda handle: record(op, handle, 0)


def fail(status: int, name: str, *operands: Any) -> None:
    """Raise the exception of an op; operands are Values or numbers."""
    _core.fail(status, f"{name}({', '.join(repr(float(x)) for x in operands)})")


def as_operand(x: Any) -> Value:
    """Return a Value as it is, and a number as a new leaf."""
    return x if isinstance(x, Value) else Value(x)


def record_pair(name: str, a: Any, b: Any) -> Value:
    """Record an op of two operands, Values or numbers."""
    a, b = as_operand(a), as_operand(b)
    handle = lib.value_op(_core.OPS[name], a._handle, b._handle)
    if handle < 0:
        fail(handle, name, a, b)
    return wrap(handle, a, b)


class Value(Scalar):
    """A float and its gradient, in the graph of what it was computed from.

    Args:
        data: a real number.
        _children: nothing; operands are recorded by operations.
        _op: what the leaf's `_op` says.

    Attributes:
        data: the number; setting it converts as the constructor does.
        grad: the derivative that `backward` has added up here, at first 0.0.
        label: a name for pictures. Any other attribute may be set, too.

    Raises:
        TypeError: data is not a real number, or there are children.
        ValueError, OverflowError: data is an int that no float holds.

    Example:
        >>> a, b = Value(2.0), Value(-3.0)
        >>> c = a * b + a**3
        >>> c.backward()
        >>> c, a, b
        (Value(data=2.0, grad=1.0), Value(data=2.0, grad=9.0), Value(data=-3.0, grad=2.0))
    """

    __slots__ = ("__dict__", "__weakref__", "_a", "_b", "_handle")

    _handle: int
    _a: Any
    _b: Any

    def __init__(self, data: Any, _children: Any = (), _op: str = "") -> None:
        if _children:
            raise TypeError("operands cannot be given: operations record them, as in a + b")
        handle = lib.value_leaf(data if data.__class__ is float else as_float(data))
        if handle < 0:
            _core.fail(handle, "Value")
        self._handle = handle
        self._a = None
        self._b = _op or None

    def __del__(self, release: Callable[[int], None] = release) -> None:
        try:
            release(self._handle)
        except AttributeError:  # the constructor refused its argument
            pass

    @property
    def data(self, read: Callable[[int], float] = lib.value_data) -> float:
        """The number."""
        return read(self._handle)

    @data.setter
    def data(self, number: Any) -> None:
        _core.check(lib.value_set_data(self._handle, as_float(number)), "data")

    @property
    def grad(self, read: Callable[[int], float] = lib.value_grad) -> float:
        """The gradient."""
        return read(self._handle)

    @grad.setter
    def grad(self, number: Any) -> None:
        _core.check(lib.value_set_grad(self._handle, as_float(number)), "grad")

    @property
    def _prev(self) -> tuple[Value, ...]:
        return operands_of(self)

    @property
    def _op(self) -> str:
        op = _core.op_of(self._handle)
        if op == POW_NUMBER:
            return f"**{exponent_text(self)}"
        return _core.SYMBOLS[op] or self._b or ""

    # ---- arithmetic, in the nodes that micrograd makes

    __add__ = binary("__add__", lib.value_add, lib.value_add_number, "add")
    __mul__ = binary("__mul__", lib.value_mul, lib.value_mul_number, "multiply")
    __sub__ = binary(
        "__sub__",
        lib.value_sub,
        lambda a, number: lib.value_add_number(a, -number),
        "subtract",
    )
    __truediv__ = binary(
        "__truediv__",
        lib.value_div,
        lambda a, number: lib.value_mul_number(a, number**-1),
        "divide",
    )

    def __pow__(self, other: Any) -> Value:
        if isinstance(other, Value):
            return record_pair("pow", self, other)
        if not is_number(other):
            return elementwise("power", self, other)
        handle = lib.value_pow_number(self._handle, as_float(other))
        if handle < 0:
            fail(handle, "power", self, other)
        return wrap(handle, self, other)

    def __radd__(self, other: Any) -> Value:
        return self + other if is_number(other) else elementwise("add", other, self)

    def __rmul__(self, other: Any) -> Value:
        return self * other if is_number(other) else elementwise("multiply", other, self)

    def __rsub__(self, other: Any) -> Value:
        return (-self) + other if is_number(other) else elementwise("subtract", other, self)

    def __rtruediv__(self, other: Any) -> Value:
        return self**-1 * other if is_number(other) else elementwise("divide", other, self)

    def __rpow__(self, other: Any) -> Value:
        if is_number(other):
            return record_pair("pow", other, self)
        return elementwise("power", other, self)

    def __neg__(self) -> Value:
        return self * -1.0

    # ---- functions, each of them one node

    relu = unary("relu", lib.value_relu, "Return max(x, 0).")
    tanh = unary("tanh", lib.value_tanh, "Return the hyperbolic tangent.")
    exp = unary("exp", lib.value_exp, "Return e ** x.")
    log = unary("log", lib.value_log, "Return the natural logarithm.")
    sin = unary("sin", rare("sin"), "Return the sine of x radians.")
    cos = unary("cos", rare("cos"), "Return the cosine of x radians.")
    expm1 = unary("expm1", rare("expm1"), "Return exp(x) - 1, exact for small x.")
    log1p = unary("log1p", rare("log1p"), "Return log(1 + x), exact for small x.")
    sigmoid = unary("sigmoid", rare("sigmoid"), "Return 1 / (1 + exp(-x)).")
    softplus = unary("softplus", rare("softplus"), "Return log(1 + exp(x)).")
    silu = unary("silu", rare("silu"), "Return x * sigmoid(x).")
    erf = unary("erf", rare("erf"), "Return the error function.")
    __abs__ = unary("abs", rare("abs"), "Return x without its sign.")
    _gelu = unary("gelu", rare("gelu"), "Return x times the normal distribution of x.")
    _gelu_tanh = unary("gelu_tanh", rare("gelu_tanh"), "Return gelu's tanh form.")

    def maximum(self, other: Any) -> Value:
        """Return the larger of x and other; the gradient of a tie is split in halves."""
        return record_pair("maximum", self, other)

    def minimum(self, other: Any) -> Value:
        """Return the smaller of x and other; the gradient of a tie is split in halves."""
        return record_pair("minimum", self, other)

    # ---- derivatives

    def backward(self, grad: Any = None) -> None:
        """Add the derivative of this Value to the gradient of every leaf it depends on.

        Gradients of interior nodes are cleared first; data is read as it is now. A formula that
        raises, or Ctrl-C, leaves the gradients of leaves as they were, those of interior nodes
        0.0. While another thread's backward is under way, this one waits.

        Args:
            grad: the gradient of this Value itself, by default 1.0.

        Raises:
            ZeroDivisionError, ValueError, OverflowError: as Python does, such as for the
                gradient of x**0.5 at 0.
        """
        _core.backward(self._handle, 1.0 if grad is None else as_float(grad))

    def zero_grad(self) -> None:
        """Set the gradient of this Value to 0.0."""
        self.grad = 0.0

    def detach(self) -> Value:
        """Return a new leaf with the same data."""
        return Value(self.data)

    # ---- copies: of leaves

    def __getstate__(self) -> tuple[float, float, str, dict[str, Any]]:
        self._refuse_copy()
        return self.data, self.grad, self._op, self.__dict__

    def __setstate__(self, state: tuple[float, float, str, dict[str, Any]]) -> None:
        data, gradient, op, attributes = state
        Value.__init__(self, data, (), op)
        self.grad = gradient
        self.__dict__.update(attributes)


def exponent_text(value: Value) -> str:
    """Return a constant exponent as the user wrote it, or as the bulk builder's loop does."""
    if value._b is not None:
        return str(value._b)
    exponent = _core.exponent_of(value._handle)
    return str(int(exponent)) if exponent.is_integer() else repr(exponent)


# ---- derivatives as Values -------------------------------------------------------------------


def register_graph(root: Value) -> None:
    """Make the existing objects of everything that root depends on known to the registry."""
    waiting = [root]
    seen: set[int] = set()
    with registry_lock:
        while waiting:
            value = waiting.pop()
            if value._handle in seen:
                continue
            seen.add(value._handle)
            registry[value._handle] = value
            if isinstance(value._a, Sources):
                waiting.extend(value._a)
            else:
                waiting.extend(x for x in (value._a, value._b) if isinstance(x, Value))


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
    handles = _core.grad(output._handle, [x._handle for x in inputs])
    sources = Sources((output, *inputs))
    if create_graph:
        register_graph(output)
    with registry_lock:
        results = tuple(object_of(handle, sources) for handle in handles)
    if not create_graph:
        for result in results:
            _core.detach(result._handle)
            result._a = None
    return results
