"""What compiled functions of Values look for at each run: a place in a list, and the largest."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from . import _core
from .value import Value, as_operand

__all__ = ["Index", "at", "largest"]

MOST = 2**31  # indices are below


class Index:
    """An int among the arguments of a function that is recorded.

    Where it only chooses, by `at` and as a target of `cross_entropy`, it is an input of the
    program. Whatever else is done with it is done with the int, to which the program then belongs.

    Attributes:
        leaf: the Value that is the input.
        limit: it has to be below.
        is_read: whether it has been an int for anybody.
    """

    __slots__ = ("_number", "is_read", "leaf", "limit")

    def __init__(self, number: int, leaf: Value) -> None:
        self._number, self.leaf, self.limit, self.is_read = number, leaf, MOST, False

    def __index__(self) -> int:
        self.is_read = True
        return self._number

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(x, int), as of the argument that it stands for
        return int

    def __hash__(self) -> int:
        return hash(operator.index(self))

    def __repr__(self) -> str:
        return repr(operator.index(self))

    def __format__(self, text: str) -> str:
        return format(operator.index(self), text)

    def __bool__(self) -> bool:
        return operator.index(self) != 0

    def __getattr__(self, name: str) -> Any:
        return getattr(operator.index(self), name)


def delegating(name: str) -> Any:
    """Return a method of ints."""
    method = getattr(int, name)

    def call(self: Index, *others: Any) -> Any:
        return method(
            operator.index(self), *(operator.index(x) if type(x) is Index else x for x in others)
        )

    call.__name__ = name
    return call


ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "and", "or",
              "xor", "lshift", "rshift")  # fmt: skip
OTHERS = ("eq", "ne", "lt", "le", "gt", "ge", "int", "float", "neg", "pos", "abs", "invert",
          "round", "trunc", "floor", "ceil")  # fmt: skip
for _name in (*ARITHMETIC, *(f"r{name}" for name in ARITHMETIC), *OTHERS):
    setattr(Index, f"__{_name}__", delegating(f"__{_name}__"))


def at(values: Sequence[Any], index: Any) -> Any:
    """Return values[index]; in a compiled function of Values an index that each call may change.

    A program of a function that says `values[index]` of an int among its arguments belongs to
    that int. Of one that says `at(values, index)` the int is an input: it serves all.

    Args:
        values: a list of Values or numbers, or a list of lists of them, all as long.
        index: an int.

    Raises:
        IndexError: there is no such place.

    Example:
        >>> from pymicrograd import Value, at, compile
        >>> table = [[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]]
        >>> @compile(values=True)
        ... def product(token):
        ...     first, second = at(table, token)
        ...     return first * second
        >>> [product(token).data for token in (0, 1, 0, 1)]
        [2.0, 12.0, 2.0, 12.0]
    """
    recording = _core.recording()
    if recording is None or type(index) is not Index:
        if recording is not None:
            recording.chooses = True
        return values[index]
    kinds = set(map(type, values))
    if kinds and kinds <= {list, tuple} and len(set(map(len, values))) == 1:
        row = [at(column, index) for column in zip(*values, strict=True)]
        return tuple(row) if kinds == {tuple} else row
    if not is_choice(values, index):
        return values[operator.index(index)]
    among = [as_operand(x) for x in values]
    index.limit = min(index.limit, len(among))
    leaf = Value(0.0)
    recording.choose(leaf._handle, index.leaf._handle, [x._handle for x in among])
    return leaf


def choosing(target: Any) -> bool:
    """Tell whether a target, or one in a list, is an input of the program under way."""
    recording = _core.recording()
    if recording is None:
        return False
    targets = target if isinstance(target, (list, tuple)) else (target,)
    found = any(type(x) is Index for x in targets)
    recording.chooses |= not found
    return found


def is_choice(values: Sequence[Any], index: Index) -> bool:
    """Tell whether an index chooses from Values and numbers."""
    if not 0 <= index._number < len(values):
        return False
    return all(isinstance(x, (Value, float)) or type(x) is int for x in values)


def largest(values: Sequence[Any]) -> Value:
    """Return Python's max() of the data of Values, a leaf: no gradient goes through it.

    It is what a softmax of one's own subtracts, in place of `max(v.data for v in values)`, which
    a compiled function cannot read.

    Args:
        values: Values or numbers.

    Raises:
        ValueError: there are none.

    Example:
        >>> from pymicrograd import Value, largest
        >>> largest([Value(1.0), Value(3.0), 2.0])
        Value(data=3.0, grad=0.0)
    """
    among = [as_operand(x) for x in values]
    if not among:
        raise ValueError("largest of nothing")
    recording = _core.recording()
    if recording is None:
        return Value(max(x.data for x in among))
    leaf = Value(0.0)
    recording.largest(leaf._handle, [x._handle for x in among])
    return leaf
