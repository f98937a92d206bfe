"""What an optimizer remembers of its parameters, as users and files see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from .. import _core
from ..scalars import as_float, is_array

__all__ = ["States", "as_number", "converted"]


class States(MutableMapping[Any, Any]):
    """The state of all parameters of an optimizer whose steps are made in C, by parameter.

    A parameter that has made no step has an empty one.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    def __getitem__(self, p: Any) -> StateOf:
        for arm in self._optimizer._current():
            for i, other in enumerate(arm.params):
                if other is p:
                    return StateOf(arm, i)
        raise KeyError(p)

    def __setitem__(self, p: Any, state: Mapping[str, Any]) -> None:
        self[p].replace(dict(state))

    def __delitem__(self, p: Any) -> None:
        self[p].replace({})

    def __iter__(self) -> Iterator[Any]:
        for arm in self._optimizer._current():
            for i, p in enumerate(arm.params):
                if arm.state_of(i):
                    yield p

    def __contains__(self, p: Any) -> bool:
        return any(p is other for other in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        """Forget everything."""
        for p in list(self):
            del self[p]

    def __repr__(self) -> str:
        return repr(dict(self))


class StateOf(MutableMapping[str, Any]):
    """The state of one parameter: Tensors or numbers by PyTorch's names."""

    def __init__(self, arm: Any, number: int) -> None:
        self._arm, self._number = arm, number

    def _now(self) -> dict[str, Any]:
        found: dict[str, Any] = self._arm.state_of(self._number)
        return found

    def replace(self, state: dict[str, Any]) -> None:
        """Have other state."""
        _core.refuse_change("state of an optimizer is set", "set it before the call")
        states = [self._arm.state_of(i) for i in range(len(self._arm.params))]
        states[self._number] = state
        self._arm.take_states(states)

    def __getitem__(self, name: str) -> Any:
        return self._now()[name]

    def __setitem__(self, name: str, x: Any) -> None:
        self.replace({**self._now(), name: x})

    def __delitem__(self, name: str) -> None:
        state = self._now()
        del state[name]
        self.replace(state)

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __repr__(self) -> str:
        return repr(self._now())


def converted(name: str, x: Any, p: Any, is_shaped: bool) -> Any:
    """Return a copy of a piece of saved state, for a parameter.

    Args:
        name: the name of the piece, for errors.
        x: a Tensor, ours or PyTorch's, an array, a number; or a list or dict of such things.
        p: the parameter, a Value or a Tensor.
        is_shaped: whether an array has the parameter's shape, or is a single number.
    """
    if isinstance(x, (list, tuple)):
        return type(x)(converted(name, item, p, is_shaped) for item in x)
    if isinstance(x, dict):
        return {key: converted(key, item, p, is_shaped) for key, item in x.items()}
    if not (is_array(x) or hasattr(type(x), "detach")):
        return x
    if isinstance(p, _core.ValueBase):
        return as_float(x)
    from .tensors import state_like

    return state_like(name, x, p, is_shaped)


def as_number(x: Any, p: Any) -> Any:
    """Return a number of saved state, such as a count of steps, for parameter p."""
    number = float(x.item() if hasattr(x, "item") else x)
    if isinstance(p, _core.ValueBase):
        return number
    from .tensors import scalar

    return scalar(number)
