"""What all optimizers share: hyperparameters, their defaults, copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..scalars import not_negative
from .parameters import parameters_of

__all__ = ["DEFAULTS", "Optimizer"]

# What stands for None, by the kind of the parameters: LLM101n's numbers, and PyTorch's.
DEFAULTS: dict[str, dict[str, Any]] = {
    "Values": {"lr": 0.1, "betas": (0.9, 0.95), "decoupled_decay": 0.0},
    "Tensors": {"lr": 1e-3, "betas": (0.9, 0.999), "decoupled_decay": 1e-2},
}


class State:
    """An attribute of an optimizer that lies with its parameters; not every kind has each."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        if optimizer is None:
            return self
        parameters = optimizer._parameters
        if self.name not in parameters.state:
            raise AttributeError(
                f"{type(optimizer).__name__} of {parameters.kind} has no {self.name!r}, only "
                f"{', '.join(parameters.state)}"
            )
        return getattr(parameters, self.name)

    def __set__(self, optimizer: Any, value: Any) -> None:
        setattr(optimizer._parameters, self.name, value)


class Optimizer:
    """What all optimizers share: the parameters and their gradients.

    Args:
        params: Values or Tensors, such as `model.parameters()`: leaves, all of one kind; Tensors
            contiguous and of float32 or float64.
        lr: the learning rate; None is 0.1 for Values and 1e-3 for Tensors.
        weight_decay: how strongly parameters are drawn to 0.

    Attributes:
        params: the parameters, a tuple. Those beside it are named as the arguments are; they
            may be changed between steps.

    Raises:
        TypeError: something in params is neither, of another kind than the first, or of a type
            that is not trained.
        ValueError: there are no parameters, one stands twice, is no leaf or not contiguous; a
            hyperparameter is out of range.
    """

    def __init__(
        self, params: Iterable[Any], lr: float | None = None, weight_decay: float = 0.0
    ) -> None:
        self._parameters = parameters_of(params)
        self.lr = not_negative("lr", self._default("lr") if lr is None else lr)
        self.weight_decay = not_negative("weight_decay", weight_decay)
        self._begin()

    @property
    def params(self) -> Any:
        """The parameters, a tuple; another one must be of the same kind."""
        return self._parameters.params

    @params.setter
    def params(self, params: Iterable[Any]) -> None:
        self._parameters.params = params

    def _begin(self) -> None:
        """Have the state of a rule that has made no step."""

    def _default(self, name: str) -> Any:
        """Return what a hyperparameter is that was not given."""
        return DEFAULTS[self._parameters.kind][name]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter once; a Tensor without a gradient stays as it is.

        Args:
            closure: called before, to compute gradients.

        Returns:
            What closure returns.

        Raises:
            OutOfMemoryError: the optimizer's own tensors do not fit. Nothing has changed.
            ZeroDivisionError, OverflowError: of Values, as Python does. Nothing has changed.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of Values to 0.0; take those of Tensors away, or set them to 0."""
        self._parameters.zero_grad(set_to_none)

    def __getstate__(self) -> dict[str, Any]:
        parameters = self._parameters
        state = {name: getattr(parameters, name) for name in ("params", *parameters.state)}
        state.update((name, x) for name, x in vars(self).items() if not name.startswith("_"))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._parameters = parameters_of(state["params"])
        self._begin()
        for name, x in state.items():
            if name != "params":
                setattr(self, name, x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.params)} parameters, lr={self.lr!r})"
