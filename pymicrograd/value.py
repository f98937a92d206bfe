"""Value on the C core: micrograd's scalar, a thin object around a node's handle.

An object keeps the objects of its operands, so that `_prev` gives the very objects that the user
made. A node that has no object yet (a number, or what a bulk builder recorded) gets one when
somebody walks to it. Measured on CPython 3.11: 80 bytes an object and 40 a node.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable

from . import _core
from ._core import no_grad
from .arithmetic import HINT, get_math, inverse, is_ieee
from .errors import GradientError, RecordingError
from .scalars import (
    NO_FORMULA,
    Operands,
    Scalar,
    as_arguments,
    as_float,
    as_operands,
    elementwise,
    is_number,
    negative,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Value", "grad", "no_grad"]

LEAF, POW_NUMBER = _core.OPS["leaf"], _core.OPS["pow_number"]
GIVEN = "given"  # what a node of the user's is called in pickles
NUMBERS = {**_core.OPS, GIVEN: _core.GIVEN}
NAMES = {op: name for name, op in NUMBERS.items()}


# ---- what ValueBase leaves to Python ---------------------------------------------------------


def fallback_operator(name: str, left: Any, right: Any) -> Any:
    """Apply an operator to a Value and something that is neither a Value nor a plain number."""
    if name in ("equal", "not_equal"):
        return elementwise(name, left, right)
    a, b = (left, right) if isinstance(left, Value) else (right, left)
    if name in ("maximum", "minimum"):
        return getattr(a, name)(as_float(b))
    if not is_number(b):
        return elementwise(UFUNCS[name], left, right)
    number = as_float(b)
    if name == "truediv" and a is left:
        return a * inverse(number, portable_power if get_math() == "portable" else operator.pow)
    if name == "sub" and a is left:
        return a + negative(b)
    result = getattr(operator, name)(*((a, number) if a is left else (number, a)))
    if name == "pow" and a is left:
        result._set_exponent(b)  # as the user wrote it
    return result


def portable_power(number: float, exponent: float) -> float:
    """Return number ** exponent, the same digits everywhere."""
    with no_grad():
        return (Value(number) ** exponent).data


UFUNCS = {
    "add": "add",
    "mul": "multiply",
    "sub": "subtract",
    "truediv": "divide",
    "pow": "power",
}


def fallback_init(self: Value, *args: Any, **names: Any) -> None:
    """Initialize a Value from anything but one float."""
    if (recording := _core.recording()) is not None and len(args) == 1 and not names:
        if id(args[0]) in recording.inputs:  # a number to the user, and a Value already
            _core.ValueBase._copy(self, args[0])
            return
    data, operands, factors, attributes = as_arguments(*args, **names)
    _core.ValueBase._given(self, data, operands, factors)
    for name, text in attributes.items():
        setattr(self, name, text)


fallback_init.__name__, fallback_init.__qualname__ = "__init__", "Value.__init__"


def fallback_set(self: Value, name: str, number: Any) -> None:
    """Set data or grad to anything but a float."""
    setattr(self, name, as_float(number))


NOT_RECORDED = (
    "a compiled function cannot read what depends on its arguments or on parameters, nor use "
    "gradients of its own: return the Value and read it outside; choose by maximum(), relu() or "
    "at(); in place of max() of data there are softmax() and largest()"
)
# Names in errors: of bulk builders, of one step, and of what it passes on.
BULK = ("MLP", "cross_entropy", "softmax", "rmsnorm", "_backward", "_local_grads")


def fail(status: int, name: str, *operands: Any) -> Any:
    """Raise the exception of an op; operands are Values or numbers.

    Returns:
        Where IEEE 754's numbers are wanted and Python's floats raise: the op's result, or True
        of what is called without operands.
    """
    if status in _core.ARITHMETIC and is_ieee():
        if name in BULK:
            return True
        if name in _core.OPS or name == "div":
            return ieee_result(name, *operands)
    if status == _core.RULE:
        raise GradientError(NO_FORMULA)
    if status == _core.RECORDED:
        raise RecordingError(f"{name}: {NOT_RECORDED}")
    if status == _core.STALE:  # of a Value without a node, such as Value.__new__(Value)
        _core.fail(status, name)
    if _core.recording() is not None:
        _core.fail(status, name)
    numbers = (x.data if isinstance(x, Value) else float(x) for x in operands)
    hint = HINT if status in _core.ARITHMETIC else ""
    _core.fail(status, f"{name}({', '.join(map(repr, numbers))})", hint)


def ieee_result(name: str, a: Any, b: Any = None) -> Value:
    """Record an op that failed, in the nodes that it makes elsewhere."""
    if name == "div":
        return a * ieee_result("pow", b, -1)  # type: ignore[no-any-return]
    op = "pow_number" if name == "pow" and not isinstance(b, Value) else name
    return _core.ValueBase._ieee(_core.OPS[op], as_operand(a), b)  # type: ignore[no-any-return]


def as_operand(x: Any) -> Value:
    """Return a Value as it is, and a number as a new leaf."""
    return x if isinstance(x, Value) else Value(x)


class Value(_core.ValueBase, Scalar):
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

    __slots__ = ()

    @property
    def _prev(self) -> Operands:
        return Operands(self._operands())

    @_prev.setter
    def _prev(self, operands: Any) -> None:
        if isinstance(operands, (set, frozenset)):
            operands = sorted(operands, key=operator.attrgetter("_handle"))
        rule, op = self._stored("_backward"), _core.op_of(self._handle)
        is_computed = rule is None and op not in (LEAF, _core.GIVEN)
        is_used = _core.references(self._handle) > 1
        operands = as_operands(self, operands, is_computed, is_used)
        factors = self._factors() if op == _core.GIVEN else ()
        has_factors = factors and (rule is None or len(factors) == len(operands))
        gradient = self.grad
        _core.ValueBase._given(self, self.data, operands, factors if has_factors else None)
        self.grad = gradient
        if rule is not None:
            self._backward = rule

    @property
    def _local_grads(self) -> tuple[float, ...]:
        return self._factors()

    @property
    def is_leaf(self) -> bool:
        """Whether this is no result of an operation."""
        return _core.op_of(self._handle) == LEAF

    @property
    def _op(self) -> Any:
        name = self._stored("_op")
        if name is not None:
            return name
        op = _core.op_of(self._handle)
        if op == POW_NUMBER:
            return f"**{exponent_text(self)}"
        return "" if op == _core.GIVEN else _core.SYMBOLS[op]

    @_op.setter
    def _op(self, name: Any) -> None:
        self._store("_op", name)

    # ---- derivatives

    def backward(self, grad: Any = None) -> None:
        """Add the derivative of this Value to the gradient of every leaf it depends on.

        Gradients of interior nodes are cleared first; data is read as it is now. A formula that
        raises, or Ctrl-C, leaves the gradients of leaves as they were, those of interior nodes
        0.0. While another thread's backward is under way, this one waits, unless that one calls a
        rule (`_backward`) and they share no Values. A rule that waits for this one gets it, after a
        second, if they share leaves; only results may not be shared.

        Args:
            grad: the gradient of this Value itself, by default 1.0.

        Raises:
            BusyError: a backward of this thread is under way and calls no rule, or one of another
                thread has called a rule for ten seconds, and results of ops are common to both.
            ZeroDivisionError, ValueError, OverflowError: as Python does, such as for the
                gradient of x**0.5 at 0.
        """
        seed = 1.0 if grad is None else as_float(grad)
        try:
            _core.backward(self._handle, seed)
        except (ArithmeticError, ValueError):
            if not is_ieee():
                raise
            _core.backward(self._handle, seed, True)

    def zero_grad(self) -> None:
        """Set the gradient of this Value to 0.0."""
        self.grad = 0.0

    def detach(self) -> Value:
        """Return a new leaf with the same data."""
        recording = _core.recording()
        if recording is None:
            return Value(self.data)
        copy = Value(0.0)
        recording.largest(copy._handle, [self._handle])
        return copy

    # ---- copies

    def _form(self) -> tuple[str, float, float, tuple[Value, ...], Any]:
        op, data, gradient, operands, extra = self._record()
        return NAMES[op], data, gradient, operands, extra

    def _fill(self, op: str, data: Any, gradient: Any, operands: Any, extra: Any) -> None:
        if op not in NUMBERS:
            raise ValueError(f"there is no op {op!r}")
        _core.ValueBase._restore(self, NUMBERS[op], data, gradient, operands, extra)


_core.install(
    Value,
    fallback_operator=fallback_operator,
    fallback_init=fallback_init,
    fallback_set=fallback_set,
    fail=fail,
)


def exponent_text(value: Value) -> str:
    """Return a constant exponent as the user wrote it, or as the bulk builder's loop does."""
    written = value._exponent()
    if written is not None:
        return f"{written}"
    exponent = _core.exponent_of(value._handle)
    return str(int(exponent)) if exponent.is_integer() else repr(exponent)


# ---- derivatives as Values -------------------------------------------------------------------


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
    handles = [x._handle for x in inputs]
    for ieee in (False, True):
        try:
            if create_graph:
                return tuple(_core.gradients(output, inputs, ieee))
            return tuple(map(Value, _core.derivatives(output._handle, handles, ieee)))
        except (ArithmeticError, ValueError):
            if ieee or not is_ieee():
                raise
    raise AssertionError("the second time returns or raises")
