"""Module: what has parameters, of any engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .scalars import Scalar, as_float

__all__ = ["Module"]


class Module:
    """Something with parameters: the leaf Values among its attributes, lists and modules."""

    value_type: type[Any] = Scalar
    list_type: type[Any] = list

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Yield each parameter once with its path, such as 'layers.0.neurons.3.w.1'."""
        seen: set[int] = set()
        pending: list[tuple[str, Any]] = [("", self)]
        while pending:
            name, item = pending.pop()
            if id(item) in seen:
                continue
            parts: Any = ()
            if isinstance(item, self.value_type):
                if item.is_leaf:
                    seen.add(id(item))
                    yield name, item
            elif isinstance(item, Module):
                parts = vars(item).items()
            elif isinstance(item, Mapping):
                parts = item.items()
            elif isinstance(item, (list, tuple)):
                parts = enumerate(item)
            if parts:
                seen.add(id(item))
                prefix = f"{name}." if name else ""
                pending += reversed([(f"{prefix}{key}", part) for key, part in parts])

    def parameters(self) -> list[Any]:
        """Return the parameters in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0.0."""
        for parameter in self.parameters():
            parameter.grad = 0.0

    def state_dict(self) -> dict[str, float]:
        """Return the number of every parameter by name."""
        return {name: parameter.data for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every parameter from its number by name.

        Raises:
            ValueError: names are missing or unexpected. Nothing is set.
            TypeError: something is not a real number. Nothing is set.
        """
        parameters = dict(self.named_parameters())
        missing = [name for name in parameters if name not in state]
        unexpected = [name for name in state if name not in parameters]
        if missing or unexpected:
            raise ValueError(f"missing: {missing}, unexpected: {unexpected}")
        numbers = {name: as_float(state[name]) for name in parameters}
        for name, parameter in parameters.items():
            parameter.data = numbers[name]
