"""The Bernoulli distribution: 1 or 0."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from ..tensors.conversion import as_tensor
from ..tensors.functions import where
from .distribution import Distribution, batched, parameters

__all__ = ["Bernoulli"]


class Bernoulli(Distribution):
    """1 with a probability, otherwise 0.

    Args:
        probs: the probability; or logits: log(probs / (1 - probs)).
    """

    has_enumerate_support = True
    rule = "is 0 or 1"

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        one_of(type(self).__name__, probs, logits)
        if logits is None:
            (self.probs,) = parameters(probs)
        else:
            (self.logits,) = parameters(logits)
        super().__init__((self.probs if logits is None else self.logits).shape, (), validate_args)
        if logits is not None:
            self._check(self.logits == self.logits, "logits", "is no NaN")
        else:
            self._check((self.probs >= 0) & (self.probs <= 1), "probs", "is from 0 to 1")

    @cached_property
    def probs(self) -> Any:
        """The probability of 1."""
        return self.logits.sigmoid()

    @cached_property
    def logits(self) -> Any:
        """log(probs / (1 - probs))."""
        return log_odds(self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        return self.probs.detach().expand(self._shape(sample_shape)).bernoulli()

    sample.__doc__ = Distribution.sample.__doc__

    def _supports(self, value: Any) -> Any:
        return (value == 0) | (value == 1)

    def log_prob(self, value: Any) -> Any:
        value = self._value(value)
        return value * self.logits - self.logits.softplus()

    log_prob.__doc__ = Distribution.log_prob.__doc__

    def enumerate_support(self, expand: bool = True) -> Any:
        values = as_tensor([0.0, 1.0], dtype=self.probs.dtype)
        return batched(values, self.batch_shape, expand)

    enumerate_support.__doc__ = Distribution.enumerate_support.__doc__

    def entropy(self) -> Any:
        return self.logits.softplus() - self.probs * self.logits

    entropy.__doc__ = Distribution.entropy.__doc__

    @property
    def mean(self) -> Any:
        """The mean, probs."""
        return self.probs

    @property
    def mode(self) -> Any:
        """The likelier value; NaN where both are as likely."""
        likelier = (self.probs > 0.5).to(self.probs.dtype)
        return where(self.probs == 0.5, math.nan, likelier)

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.probs * (1 - self.probs)


def one_of(name: str, probs: Any, logits: Any) -> None:
    """Refuse two parameters that say the same, and none."""
    if (probs is None) == (logits is None):
        raise ValueError(f"{name}: either probs or logits, and not both")


def log_odds(probs: Any) -> Any:
    """Return log(p / (1 - p)) of probabilities, which are kept off 0 and 1."""
    from ..tensors.kinds import finfo

    least = finfo(probs.dtype).eps
    p = probs.clamp(least, 1 - least)
    return p.log() - (-p).log1p()
