"""The parameters of an optimizer, Values or Tensors: which are taken, and which of two classes
holds them. Each class clears gradients, keeps what a rule remembers from step to step and makes a
step in one call into C.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import _core

__all__ = ["Parameters", "parameters_of"]


class Parameters:
    """Parameters of one kind.

    Attributes:
        params: a tuple; another one is checked as the first was.
    """

    kind: str
    base: type[Any]
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


def name_of(x: Any) -> str:
    """Return the name of a thing's class; in full where ours is called the same."""
    kind = type(x)
    is_ours = isinstance(x, (_core.ValueBase, _core.TensorBase))
    if kind.__name__ in ("Value", "Tensor") and not is_ours:
        return f"{kind.__module__}.{kind.__name__}"
    return kind.__name__


def parameters_of(params: Iterable[Any]) -> Any:
    """Return the parameters of an optimizer as an object of the class for their kind.

    Raises:
        TypeError: one is neither a Value nor a Tensor, or of another kind than the first.
        ValueError: there are none, one stands twice or is not a leaf.
    """
    if isinstance(params, (_core.ValueBase, _core.TensorBase)):
        raise TypeError(f"parameters are an iterable, such as a list, not one {name_of(params)}")
    params = tuple(params)
    if not params:
        raise ValueError("an optimizer needs at least one parameter")
    if isinstance(params[0], _core.ValueBase):
        from .values import ValueParameters

        return ValueParameters(params)
    if isinstance(params[0], _core.TensorBase):
        from .tensors import TensorParameters

        return TensorParameters(params)
    raise TypeError(f"a parameter is a Value or a Tensor, not {name_of(params[0])}")
