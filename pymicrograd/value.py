"""Value on the C core: micrograd's scalar, a thin object around a node's handle.

An object keeps the objects of its operands in two slots, so that `_prev` gives the very objects
that the user made. A node that has no object yet (a number, or what a bulk builder recorded) gets
one when somebody walks to it. Measured on CPython 3.11: 80 bytes an object and 40 a node.
"""

from __future__ import annotations

import copyreg
import operator
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NoReturn
from weakref import KeyedRef, WeakValueDictionary

from . import _core
from .recording import no_grad, no_grad_depth
from .scalars import Scalar, as_float, elementwise, is_number, negative

__all__ = ["Value", "grad", "no_grad"]

LEAF, POW_NUMBER = _core.OPS["leaf"], _core.OPS["pow_number"]


# ---- objects of nodes ------------------------------------------------------------------------

# The object of each node below a bulk builder, as a weak reference by handle: two walks that reach
# one node must find one object. No lock: dict's setdefault is one step, for threads as for a
# signal's handler.
registry: dict[int, KeyedRef[int, Value]] = {}


def forget(reference: KeyedRef[int, Value]) -> None:
    """Take the entry of an object that is gone out of the registry."""
    if registry.get(reference.key) is reference:
        registry.pop(reference.key, None)


def canonical(candidate: Value) -> Value:
    """Return the one object of a node: an earlier one or, from now on, this candidate."""
    reference = KeyedRef(candidate, forget, candidate._handle)
    while True:
        found = registry.setdefault(candidate._handle, reference)
        value = found()
        if value is not None:
            return value
        forget(found)


class Sources:
    """The Values that a bulk builder was given: `_prev` below it returns these objects.

    What the builder recorded holds the tuple of tuples in which they came; this is built from it
    on the first walk.
    """

    __slots__ = ("__weakref__", "groups", "registered")

    def __init__(self, groups: tuple[Any, ...]) -> None:
        self.groups = groups
        self.registered = False

    def __iter__(self) -> Iterator[Value]:
        """Iterate over the Values, past the numbers among them."""
        return (x for x in chain.from_iterable(self.groups) if isinstance(x, Value))

    def register(self) -> None:
        """Enter the Values into the registry."""
        if not self.registered:
            for value in self:
                canonical(value)
            self.registered = True


sources_by_group: WeakValueDictionary[int, Sources] = WeakValueDictionary()


def sources_of(value: Value) -> Sources:
    """Return the Sources of a node, one for all that a bulk builder recorded."""
    a = value._a
    if isinstance(a, Sources):
        return a
    if type(a) is not tuple:
        return Sources(((a, value._b),))
    sources = sources_by_group.get(id(a))
    if sources is None:
        sources = sources_by_group[id(a)] = Sources(a)
    return sources


def operands_of(value: Value) -> tuple[Value, ...]:
    """Return the objects of a node's operands, and keep them in its slots."""
    found = []
    arity = _core.ARITIES[_core.op_of(value._handle)]
    for which, slot in enumerate((value._a, value._b)[:arity]):
        operand = _core.ValueBase._operand(value, which)
        if isinstance(slot, Value) and slot._handle == operand._handle:
            found.append(slot)
            continue
        sources = sources_of(value)
        sources.register()
        operand._a = sources
        found.append(canonical(operand))
    if arity:
        value._a = found[0]
    if arity == 2:
        value._b = found[1]
    return tuple(found)


# ---- what ValueBase leaves to Python ---------------------------------------------------------


def fallback_operator(name: str, left: Any, right: Any) -> Any:
    """Apply an operator to a Value and something that is neither a Value nor a plain number."""
    a, b = (left, right) if isinstance(left, Value) else (right, left)
    if name in ("maximum", "minimum"):
        return getattr(a, name)(as_float(b))
    if not is_number(b):
        return elementwise(UFUNCS[name], left, right)
    number = as_float(b)
    if name == "truediv" and a is left:
        return a * number**-1
    if name == "sub" and a is left:
        return a + negative(b)
    result = getattr(operator, name)(*((a, number) if a is left else (number, a)))
    if name == "pow" and a is left:
        result._b = b  # the exponent as the user wrote it
    return result


UFUNCS = {
    "add": "add",
    "mul": "multiply",
    "sub": "subtract",
    "truediv": "divide",
    "pow": "power",
}


def fallback_init(self: Value, data: Any, _children: Any = (), _op: str = "") -> None:
    """Initialize a Value from anything but one float."""
    if _children:
        raise TypeError("operands cannot be given: operations record them, as in a + b")
    _core.ValueBase.__init__(self, as_float(data))
    self._b = _op or None


fallback_init.__name__, fallback_init.__qualname__ = "__init__", "Value.__init__"


def fallback_set(self: Value, name: str, number: Any) -> None:
    """Set data or grad to anything but a float."""
    setattr(self, name, as_float(number))


def fail(status: int, name: str, *operands: Any) -> NoReturn:
    """Raise the exception of an op; operands are Values or numbers."""
    if status == _core.STALE:  # of a Value without a node, such as Value.__new__(Value)
        _core.fail(status, name)
    _core.fail(status, f"{name}({', '.join(repr(float(x)) for x in operands)})")


def as_operand(x: Any) -> Value:
    """Return a Value as it is, and a number as a new leaf."""
    return x if isinstance(x, Value) else Value(x)


class Value(_core.ValueBase, Scalar):
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

    __slots__ = ("__dict__", "__weakref__")

    @property
    def _prev(self) -> tuple[Value, ...]:
        return operands_of(self)

    @property
    def is_leaf(self) -> bool:
        """Whether this is no result of an operation."""
        return _core.op_of(self._handle) == LEAF

    @property
    def _op(self) -> str:
        op = _core.op_of(self._handle)
        if op == POW_NUMBER:
            return f"**{exponent_text(self)}"
        return _core.SYMBOLS[op] or self._b or ""

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

    def __reduce__(self) -> tuple[Any, ...]:
        return copyreg.__newobj__, (type(self),), self.__getstate__()  # type: ignore[attr-defined]

    def __getstate__(self) -> tuple[float, float, str, dict[str, Any]]:
        self._refuse_copy()
        return self.data, self.grad, self._op, self.__dict__

    def __setstate__(self, state: tuple[float, float, str, dict[str, Any]]) -> None:
        data, gradient, op, attributes = state
        fallback_init(self, data, (), op)
        self.grad = gradient
        self.__dict__.update(attributes)


_core.install(
    Value,
    no_grad_depth=no_grad_depth,
    fallback_operator=fallback_operator,
    fallback_init=fallback_init,
    fallback_set=fallback_set,
    fail=fail,
)


def exponent_text(value: Value) -> str:
    """Return a constant exponent as the user wrote it, or as the bulk builder's loop does."""
    if value._b is not None:
        return f"{value._b}"
    exponent = _core.exponent_of(value._handle)
    return str(int(exponent)) if exponent.is_integer() else repr(exponent)


# ---- derivatives as Values -------------------------------------------------------------------


def register_graph(root: Value) -> None:
    """Enter the existing objects of everything that root depends on into the registry."""
    waiting = [root]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if value._handle not in seen:
            seen.add(value._handle)
            canonical(value)
            waiting.extend(sources_of(value))


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
    results = _core.gradients(output, inputs)
    if not create_graph:
        return tuple(result.detach() for result in results)
    register_graph(output)
    sources = Sources(((output, *inputs),))
    for result in results:
        result._a = sources
    return tuple(map(canonical, results))
