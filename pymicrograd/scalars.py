"""What Values of every engine share: what counts as a number, and what follows from data alone.

No engine is imported here: both engines, optimizers and generators read their arguments by these
functions, so that all of them take, and refuse, the same things with the same words.
"""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Callable, Iterable

from .copies import Copyable
from .recording import is_grad_enabled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Operands", "Scalar", "as_float", "is_number"]


# ---- numbers ---------------------------------------------------------------------------------


def is_number(x: Any) -> bool:
    """Tell whether x is a real number for operators: no array with axes, and nothing recorded."""
    kind = type(x)
    if kind is float or kind is int:
        return True
    rank = getattr(x, "ndim", None)
    if rank or hasattr(kind, "mask"):
        return False
    # A tensor without axes is its number, but where that would end a graph.
    if hasattr(kind, "backward") and (rank is None or getattr(x, "requires_grad", True)):
        return False
    return hasattr(kind, "__float__") or hasattr(kind, "__index__")


def is_lone_element(x: Any) -> bool:
    """Tell whether x is an array of one element, in axes of size 1."""
    shape = getattr(x, "shape", None)
    if not shape or not hasattr(x, "item") or hasattr(type(x), "mask"):
        return False
    return all(size == 1 for size in shape) and not getattr(x, "requires_grad", False)


def as_float(number: Any) -> float:
    """Convert a real number to the float that holds it.

    Args:
        number: a float, an int, a bool, a NumPy scalar, an array of one element, a tensor of one
            element that requires no gradient, or anything else that float() takes.

    Raises:
        TypeError: text, a complex number, a larger array, a Value, or no number at all.
        OverflowError: an int beyond the largest float.
        ValueError: an int that no float holds exactly, such as 2**53 + 1.
    """
    if type(number) is float:
        return number
    if hasattr(number, "item") and (is_number(number) or is_lone_element(number)):
        number = number.item()  # a NumPy scalar tells by this what kind of number it is
    if not is_number(number):
        reason = "; float(x) takes its number" if hasattr(type(number), "backward") else ""
        raise TypeError(f"a real number is needed, not {type(number).__name__}{reason}")
    result = float(number)
    if isinstance(number, int) and result != number:
        raise ValueError(f"no float holds the integer {number} exactly")
    return result


def negative(number: Any) -> float:
    """Return -number as a float; the int 0, unlike 0.0, has no negative."""
    result = as_float(number)
    return 0.0 if result == 0.0 and hasattr(type(number), "__index__") else -result


def is_array(x: Any) -> bool:
    """Tell whether x is a NumPy array, without importing NumPy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, numpy.ndarray)


def elementwise(name: str, left: Any, right: Any) -> Any:
    """Return NumPy's function of that name of an array and a Value; else NotImplemented."""
    for x in (left, right):
        if is_array(x) and hasattr(x, "mask") and x.ndim == 0:
            raise TypeError(f"a real number is needed, not {type(x).__name__}")
    if is_array(left) or is_array(right):
        return getattr(sys.modules["numpy"], name)(left, right)
    return NotImplemented


# ---- arguments -------------------------------------------------------------------------------


CHILDREN, THIRD = ("_children", "children"), ("_op", "op", "local_grads", "_local_grads")


def named(names: dict[str, Any], allowed: tuple[str, ...], given: Any, nothing: Any) -> Any:
    """Take an argument that has several names out of those that were given by name."""
    for name in allowed:
        if name in names:
            if given is not nothing:
                raise TypeError(f"{name} is given twice")
            given = names.pop(name)
    return given


def as_arguments(
    data: Any, _children: Any = (), _op: Any = "", label: Any = "", **names: Any
) -> tuple[float, tuple[Any, ...], tuple[float, ...] | None, dict[str, Any]]:
    """Read the arguments of a Value, in micrograd's form or in microgpt's.

    Returns:
        The data; the operands; the local gradients, None if there are none; attributes to set.
    """
    children = named(names, CHILDREN, _children, ())
    third = named(names, THIRD, _op, "")
    label = named(names, ("label", "_label"), label, "")
    if names:
        raise TypeError(f"a Value has no argument {next(iter(names))!r}")
    if not isinstance(children, Iterable) or isinstance(children, (str, bytes)):
        raise TypeError(f"operands are a tuple of Values, not {type(children).__name__}")
    attributes = {"label": label} if label != "" else {}
    if isinstance(third, str) or third is None:
        if third:
            attributes["_op"] = third
        return as_float(data), tuple(children), None, attributes
    if not isinstance(third, Iterable):
        raise TypeError(f"_op is text, or numbers for the operands, not {type(third).__name__}")
    return as_float(data), tuple(children), tuple(map(as_float, third)), attributes


def named_float(name: str, number: Any) -> float:
    """Return a hyperparameter as a float; errors name it."""
    try:
        return as_float(number)
    except TypeError:
        raise TypeError(f"{name} is a real number, not {number!r}") from None


def not_negative(name: str, number: Any) -> float:
    """Return a hyperparameter as a float of at least 0."""
    value = named_float(name, number)
    if not value >= 0.0:
        raise ValueError(f"{name} is at least 0, not {number!r}")
    return value


def as_beta(name: str, number: Any) -> float:
    """Return the share of the past that a running mean keeps, as a float in [0, 1)."""
    value = named_float(name, number)
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} is at least 0 and below 1, not {number!r}")
    return value


MASK = 2**64 - 1


def as_seed(seed: Any) -> int:
    """Return a state that the generator can take, or raise with the reason."""
    if isinstance(seed, bool) or not hasattr(type(seed), "__index__"):
        raise TypeError(f"a seed is an int, not {type(seed).__name__}")
    state: int = operator.index(seed)
    if state == 0:
        raise ValueError("seed 0 would give zeros for ever: take 1 to 2**64 - 1")
    if not 0 < state <= MASK:
        raise ValueError("a seed is from 1 to 2**64 - 1, the numbers that 64 bits hold")
    return state


def as_any_seed(seed: Any) -> int:
    """Return the state that any int of 64 bits stands for, signed or not; for 0 a fixed one."""
    if isinstance(seed, bool) or not hasattr(type(seed), "__index__"):
        raise TypeError(f"a seed is an int, not {type(seed).__name__}")
    number = operator.index(seed)
    if not -(2**63) <= number <= MASK:
        raise ValueError(f"a seed is from -2**63 to 2**64 - 1, not {number}")
    return number & MASK or 0x9E3779B97F4A7C15


# ---- Scalar ----------------------------------------------------------------------------------

NO_FORMULA = (
    "create_graph: a node on the way has a _backward, or local gradients, of its own; how they "
    "depend on its operands is not known"
)


def end_graph() -> None:
    """Warn, once a place, where a Value that may be recorded becomes a plain number."""
    if is_grad_enabled():
        warnings.warn(
            "the graph ends here: float(v), int(v), round(v) and the functions of math give numbers"
            " without a gradient; v.exp(), v.tanh() ... are recorded, and v.data is the number",
            stacklevel=3,
        )


def compare(relation: Callable[[Any, Any], Any], a: Scalar, b: Any) -> Any:
    """Compare the data of a with the data of b, a number, or each element of an array."""
    if isinstance(b, Scalar):
        return relation(a.data, b.data)
    if is_number(b):
        return bool(relation(a.data, b))
    return relation(a.data, b) if is_array(b) else NotImplemented


class Operands(tuple):  # type: ignore[type-arg]
    """The operands of a Value, in their order; and a set of them, as in micrograd."""

    __slots__ = ()
    __hash__ = tuple.__hash__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (set, frozenset)):
            return set(self) == other
        return tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __and__(self, other: Any) -> Any:
        return set(self) & set(other)

    def __or__(self, other: Any) -> Any:
        return set(self) | set(other)

    def __sub__(self, other: Any) -> Any:
        return set(self) - set(other)

    def __xor__(self, other: Any) -> Any:
        return set(self) ^ set(other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __rsub__(self, other: Any) -> Any:
        return set(other) - set(self)

    def union(self, *others: Any) -> Any:
        """Return the set of what is in this or one of the others."""
        return set(self).union(*others)

    def intersection(self, *others: Any) -> Any:
        """Return the set of what is in all of them."""
        return set(self).intersection(*others)

    def difference(self, *others: Any) -> Any:
        """Return the set of what is in none of the others."""
        return set(self).difference(*others)

    def issubset(self, other: Any) -> bool:
        """Tell whether all are in the other one."""
        return set(self).issubset(other)

    def issuperset(self, other: Any) -> bool:
        """Tell whether the other one's are all here."""
        return set(self).issuperset(other)

    def isdisjoint(self, other: Any) -> bool:
        """Tell whether the two have nothing in common."""
        return set(self).isdisjoint(other)


def as_operands(self: Any, operands: Any, is_computed: bool, is_used: bool) -> tuple[Any, ...]:
    """Return what is to become a Value's `_prev` as a tuple, or say why it cannot.

    Args:
        self: the Value.
        operands: Values; of a set, the order is by the numbers of nodes, as a run repeats it.
        is_computed: it has the rule of an op, which is of its own operands.
        is_used: there is a Value that has it as an operand.
    """
    if is_computed:
        raise ValueError(
            f"_prev of the result of {self._op!r} is what its rule is of: set _backward first, or"
            " make a Value(data, operands)"
        )
    if is_used:
        raise ValueError(
            "_prev of a Value that another one has as an operand cannot be set: set it before the"
            " Value is used"
        )
    found = tuple(operands)
    if any(x is self for x in found):
        raise ValueError("a Value is no operand of itself")
    return found


class Scalar(Copyable):
    """What the Values of all engines share: whatever follows from their data and operators."""

    __slots__ = ()
    __array_priority__ = 1000  # NumPy's scalars and arrays leave their operators to ours
    label: Any = ""
    data: Any
    grad: Any
    _prev: Any
    _op: Any

    @property
    def _children(self) -> Any:
        return self._prev

    @_children.setter
    def _children(self, operands: Any) -> None:
        self._prev = operands

    @property
    def _label(self) -> Any:
        return self.label

    @_label.setter
    def _label(self, name: Any) -> None:
        self.label = name

    def __eq__(self, other: Any) -> Any:
        return elementwise("equal", self, other) if is_array(other) else NotImplemented

    def __ne__(self, other: Any) -> Any:
        return elementwise("not_equal", self, other) if is_array(other) else NotImplemented

    __hash__ = object.__hash__

    def __pos__(self) -> Any:
        return self

    def sqrt(self: Any) -> Any:
        """Return x ** 0.5."""
        return self**0.5

    def gelu(self: Any, approximate: str = "none") -> Any:
        """Return 0.5 * x * (1 + erf(x / sqrt 2)), or with "tanh" its approximation by tanh."""
        if approximate not in ("none", "tanh"):
            raise ValueError(f"approximate is 'none' or 'tanh', not {approximate!r}")
        return self._gelu_tanh() if approximate == "tanh" else self._gelu()

    def __lt__(self, other: Any) -> Any:
        return compare(operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return compare(operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return compare(operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return compare(operator.ge, self, other)

    def __float__(self) -> float:
        end_graph()
        return float(self.data)

    def __int__(self) -> int:
        end_graph()
        return int(self.data)

    def __round__(self, digits: int | None = None) -> Any:
        end_graph()
        return round(self.data, digits)

    def __format__(self, specification: str) -> str:
        return format(self.data, specification) if specification else repr(self)

    def __repr__(self) -> str:
        return f"Value(data={self.data!r}, grad={self.grad!r})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from .pictures.graphs import mimebundle

        return mimebundle(self)

    @property
    def is_leaf(self) -> bool:
        """Whether this is no result of an operation."""
        return not self._prev
