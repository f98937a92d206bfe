"""What all distributions share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._core import no_grad
from ..errors import ArgumentError
from ..tensors.arrangement import broadcast_tensors
from ..tensors.conversion import as_tensor
from ..tensors.ops import TensorBase

__all__ = ["Distribution", "check", "parameters"]


def parameters(*given: Any) -> tuple[Any, ...]:
    """Return parameters as Tensors of floats in one shape."""
    kinds = [x.dtype for x in given if isinstance(x, TensorBase)]
    kind = kinds[0] if kinds else None
    made = [x if isinstance(x, TensorBase) else as_tensor(float(x), dtype=kind) for x in given]
    return tuple(broadcast_tensors(*made))


def check(holds: Any, what: str) -> None:
    """Raise unless all elements of a Tensor of bools hold."""
    if not bool(holds.all()):
        raise ArgumentError(what)


class Distribution:
    """A distribution, or one for each element of its parameters.

    Attributes:
        batch_shape: of the parameters; event_shape: of one draw of one of them.
        mean, variance, stddev: of the distributions.
        has_rsample: whether gradients flow through draws of `rsample`.
    """

    has_rsample = False

    def __init__(
        self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None
    ) -> None:
        self.batch_shape, self.event_shape = tuple(batch_shape), tuple(event_shape)
        self.validate_args = validate_args is not False

    def _shape(self, sample_shape: Iterable[int]) -> tuple[int, ...]:
        """Return the shape of so many draws."""
        return (*sample_shape, *self.batch_shape, *self.event_shape)

    def _check(self, holds: Any, name: str, rule: str) -> None:
        """Refuse parameters or values that break a rule, unless validate_args is False."""
        if self.validate_args:
            check(holds, f"{type(self).__name__}: {name} {rule}")

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return draws (*sample_shape, *batch_shape, *event_shape), without gradients."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return draws through which gradients flow to the parameters.

        Raises:
            NotImplementedError: there are none of this distribution.
        """
        raise NotImplementedError(f"{type(self).__name__} has no gradients of draws")

    def log_prob(self, value: Any) -> Any:
        """Return the logarithm of the probability, or the density, of values."""
        raise NotImplementedError

    def entropy(self) -> Any:
        """Return the entropy."""
        raise NotImplementedError

    @property
    def mean(self) -> Any:
        """The mean."""
        raise NotImplementedError

    @property
    def variance(self) -> Any:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Any:
        """The root of the variance."""
        return self.variance.sqrt()

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}: {x if x.numel() == 1 else tuple(x.shape)}"
            for name, x in vars(self).items()
            if hasattr(x, "numel")
        )
        return f"{type(self).__name__}({shown})"
