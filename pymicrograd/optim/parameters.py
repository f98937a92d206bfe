"""The parameters of a group, Values or Tensors: which are taken, and which of two classes holds
them. Each class clears gradients, keeps what a rule remembers from step to step, makes its steps.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import _core

__all__ = ["ParameterList", "Parameters", "as_list", "class_of", "kind_of"]


class Parameters:
    """Parameters of one kind.

    Attributes:
        params: a tuple; another one is checked as the first was.
    """

    kind: str
    base: type[Any]
    state: tuple[str, ...] = ()
    _params: tuple[Any, ...]

    def __init__(self, params: tuple[Any, ...]) -> None:
        self.params = params

    @property
    def params(self) -> Any:
        """The parameters, a tuple."""
        return self._params

    @params.setter
    def params(self, params: Iterable[Any]) -> None:
        params = tuple(params)
        for p in params:
            if not isinstance(p, self.base):
                raise TypeError(
                    f"the parameters of an optimizer are all {self.kind}, as the first one here, "
                    f"and this is {name_of(p)}; take an optimizer for each kind"
                )
            self.check(p)
        if len({id(p) for p in params}) < len(params):
            raise ValueError("a parameter is given twice")
        self._params = params
        self.changed()

    def check(self, p: Any) -> None:
        """Refuse what a step cannot be made on."""
        if not p.is_leaf:
            raise ValueError("a parameter is a leaf, not the result of an operation; use detach()")

    def changed(self) -> None:
        """Take notice of other parameters."""

    def check_state(self, state: Any) -> None:
        """Refuse state of more or fewer parameters than there are."""
        if len(state) != len(self._params):
            raise ValueError(f"{len(self._params)} parameters, but state for {len(state)}")

    @property
    def names(self) -> Sequence[str]:
        """What an optimizer has as attributes of what lies here."""
        return self.state

    def state_of(self, i: int) -> dict[str, Any]:
        """Return what a rule remembers of parameter i, by PyTorch's names."""
        return {}

    def take_states(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Remember what `state_of` returned, of each parameter; nothing changes on an error."""


def name_of(x: Any) -> str:
    """Return the name of a thing's class; in full where ours is called the same."""
    kind = type(x)
    is_ours = isinstance(x, (_core.ValueBase, _core.TensorBase))
    if kind.__name__ in ("Value", "Tensor") and not is_ours:
        return f"{kind.__module__}.{kind.__name__}"
    return kind.__name__


def as_list(params: Iterable[Any]) -> list[Any]:
    """Return parameters as a list, in an order that the next run will repeat."""
    if isinstance(params, (_core.ValueBase, _core.TensorBase)):
        raise TypeError(f"parameters are an iterable, such as a list, not one {name_of(params)}")
    if isinstance(params, (set, frozenset)):
        raise TypeError("parameters are in an order, such as a list's, and a set has none")
    return list(params)


class ParameterList(list[Any]):
    """The parameters of a group in `param_groups`; it forgets its arm when it is changed.

    Attributes:
        arm: what holds the same parameters for the optimizer; None: they have changed since.
    """

    __slots__ = ("arm",)

    def __init__(self, arm: Any) -> None:
        super().__init__(arm.params)
        self.arm = arm

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)


def changing(name: str) -> Any:
    """Return a method of lists that changes a ParameterList."""
    original = getattr(list, name)

    @functools.wraps(original)
    def method(self: ParameterList, *args: Any, **named: Any) -> Any:
        self.arm = None
        return original(self, *args, **named)

    return method


for name in (
    "__setitem__", "__delitem__", "__iadd__", "__imul__", "append", "clear", "extend", "insert",
    "pop", "remove", "reverse", "sort",
):  # fmt: skip
    setattr(ParameterList, name, changing(name))


def class_of(groups: Iterable[Mapping[str, Any]]) -> type[Any]:
    """Return the class that holds parameters of the kind of the first one in any group.

    Raises:
        TypeError: it is neither a Value nor a Tensor.
        ValueError: there is none.
    """
    for group in groups:
        for p in group["params"]:
            p = p[1] if isinstance(p, tuple) and len(p) == 2 else p
            if isinstance(p, _core.ValueBase):
                from .values import ValueParameters

                return ValueParameters
            if isinstance(p, _core.TensorBase):
                from .tensors import TensorParameters

                return TensorParameters
            raise TypeError(f"a parameter is a Value or a Tensor, not {name_of(p)}")
    raise ValueError("an optimizer needs at least one parameter")


def kind_of(groups: Iterable[Mapping[str, Any]]) -> str:
    """Return "Values" or "Tensors", by the first parameter in any group."""
    kind: str = class_of(groups).kind
    return kind
