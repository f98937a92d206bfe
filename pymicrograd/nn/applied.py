"""Modules that apply one function of `functional`, whose options are their attributes."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from . import functional
from .module import Module

__all__ = ["Applied", "Elementwise"]


class Applied(Module):
    """A module whose call is that of a function with the options given before.

    A subclass names the function and its options with their defaults, in PyTorch's order.
    """

    function: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}  # an option without a default has REQUIRED
    __signature__: ClassVar[inspect.Signature]
    REQUIRED: ClassVar[Any] = inspect.Parameter.empty

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        cls.__signature__ = inspect.Signature(
            [inspect.Parameter(name, kind, default=x) for name, x in cls.options.items()]
        )

    def __init__(self, *args: Any, **named: Any) -> None:
        try:
            bound = self.__signature__.bind(*args, **named)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            self._set_option(name, value)

    def _set_option(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def _chosen(self) -> dict[str, Any]:
        """Return the options as they are now."""
        return {name: getattr(self, name) for name in self.options}

    def forward(self, *inputs: Any) -> Any:
        """Return what the function gives for inputs and the options."""
        return getattr(functional, self.function)(*inputs, **self._chosen())

    def extra_repr(self) -> str:
        """Return the options; of `inplace`, whether it is so."""
        shown = {k: v for k, v in self._chosen().items() if k != "inplace" or v}
        return ", ".join(f"{name}={value!r}" for name, value in shown.items())


class Elementwise(Applied):
    """A function of each element: of a Tensor, a Value, or each Value of a list."""

    def forward(self, input: Any) -> Any:
        """Return what the function gives for input."""
        if isinstance(input, (list, tuple)):
            return [self.forward(x) for x in input]
        return super().forward(input)
