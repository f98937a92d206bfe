"""What all distributions share."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from .._core import no_grad, require
from ..errors import ArgumentError, ShapeError
from ..tensors.arrangement import broadcast_tensors
from ..tensors.conversion import as_tensor
from ..tensors.dtypes import float32
from ..tensors.ops import TensorBase

__all__ = ["Distribution", "batched", "parameters"]


def parameters(*given: Any) -> tuple[Any, ...]:
    """Return parameters, numbers or Tensors, as Tensors of floats in one shape."""
    tensors = [x for x in given if isinstance(x, TensorBase)]
    kind = next((x.dtype for x in tensors if is_of_floats(x)), float32)
    numbers = [x if isinstance(x, TensorBase) else float(x) for x in given]
    made = [x if is_of_floats(x) else as_tensor(x, dtype=kind) for x in numbers]
    return tuple(broadcast_tensors(*made))


def is_of_floats(x: Any) -> bool:
    """Tell whether x is a Tensor of floats."""
    return isinstance(x, TensorBase) and x.dtype.is_floating_point


class Distribution:
    """A distribution, or one for each element of its parameters.

    Attributes:
        batch_shape: of the parameters; event_shape: of one draw of one of them.
        mean, variance, stddev: of the distributions.
        has_rsample: whether gradients flow through draws of `rsample`.
        has_enumerate_support: whether there is `enumerate_support`.
        validate_args: refuse parameters and values that a rule excludes.

    A subclass defines what it can of `rsample` or `sample`, `log_prob`, `entropy`, `mean` and the
    others; those that it does not define raise NotImplementedError.
    """

    has_rsample = has_enumerate_support = False
    rule = "is no NaN"  # of values, as a sentence goes on

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
            require(holds, ArgumentError, f"{type(self).__name__}: {name} {rule}")

    def _supports(self, value: Any) -> Any:
        """Return which elements of a value can be drawn, as `rule` says."""
        return value == value

    def _value(self, value: Any) -> Any:
        """Return a value as a Tensor; refuse what cannot be drawn, unless validate_args is False.

        A float gets the parameters' type.
        """
        kind = next((x.dtype for x in vars(self).values() if isinstance(x, TensorBase)), None)
        value = as_tensor(value, kind if isinstance(value, float) else None)
        found = tuple(value.shape[value.ndim - len(self.event_shape) :])
        if self.validate_args and found != self.event_shape:
            raise ShapeError(
                f"{type(self).__name__}: the last axes of a value of shape {tuple(value.shape)} "
                f"are {self.event_shape}"
            )
        self._check(self._supports(value), "a value", self.rule)
        return value

    def _lacks(self, what: str) -> NotImplementedError:
        """Return the error of a distribution without something."""
        return NotImplementedError(f"{type(self).__name__} has no {what}")

    def expand(self, batch_shape: Any) -> Any:
        """Return the distribution with parameters expanded to a larger batch_shape."""
        made, shape = copy.copy(self), tuple(batch_shape)
        for name, x in vars(self).items():
            if isinstance(x, TensorBase):
                rest = x.shape[len(self.batch_shape) :]
                setattr(made, name, x.expand((*shape, *rest)))
            elif isinstance(x, Distribution):
                setattr(made, name, x.expand(shape))
        made.batch_shape = shape
        return made

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return draws (*sample_shape, *batch_shape, *event_shape), without gradients."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return draws through which gradients flow to the parameters.

        Raises:
            NotImplementedError: there are none of this distribution.
        """
        raise self._lacks("gradients of draws")

    def log_prob(self, value: Any) -> Any:
        """Return the logarithm of the probability, or the density, of values.

        Raises:
            ValueError: a value cannot be drawn, as with validate_args alone is found.
        """
        raise self._lacks("log_prob")

    def cdf(self, value: Any) -> Any:
        """Return the probability of at most a value; errors as for `log_prob`."""
        raise self._lacks("cdf")

    def icdf(self, value: Any) -> Any:
        """Return the number that a draw is at most with a probability, from 0 to 1."""
        raise self._lacks("icdf")

    def enumerate_support(self, expand: bool = True) -> Any:
        """Return all values, (n, *batch_shape), or with expand=False axes of 1 in its place."""
        raise self._lacks("finite number of values")

    def entropy(self) -> Any:
        """Return the entropy."""
        raise self._lacks("entropy")

    def perplexity(self) -> Any:
        """Return exp(entropy)."""
        return self.entropy().exp()

    @property
    def mean(self) -> Any:
        """The mean."""
        raise self._lacks("mean")

    @property
    def mode(self) -> Any:
        """The likeliest value."""
        raise self._lacks("mode")

    @property
    def variance(self) -> Any:
        """The variance."""
        raise self._lacks("variance")

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


def batched(values: Any, batch_shape: tuple[int, ...], expand: bool) -> Any:
    """Return what `enumerate_support` does, of a row of values."""
    row = values.reshape(-1, *[1] * len(batch_shape))
    return row.expand((-1, *batch_shape)) if expand else row
