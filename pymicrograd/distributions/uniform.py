"""The uniform distribution."""

from __future__ import annotations

import math
from typing import Any

from ..tensors.creation import rand
from ..tensors.functions import where
from .distribution import Distribution, parameters

__all__ = ["Uniform"]


class Uniform(Distribution):
    """The uniform distribution from low to high.

    Args:
        low, high: the ends, low below high.
    """

    has_rsample = True
    rule = "is from low to high"

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = parameters(low, high)
        super().__init__(self.low.shape, (), validate_args)
        self._check(self.low < self.high, "low", "is below high")

    def rsample(self, sample_shape: Any = ()) -> Any:
        drawn = rand(self._shape(sample_shape), dtype=self.low.dtype)
        return self.low + drawn * (self.high - self.low)

    rsample.__doc__ = Distribution.rsample.__doc__

    def _supports(self, value: Any) -> Any:
        return (value >= self.low) & (value <= self.high)

    def log_prob(self, value: Any) -> Any:
        value = self._value(value)
        is_inside = (value >= self.low) & (value < self.high)
        return where(is_inside, -(self.high - self.low).log(), -math.inf)

    log_prob.__doc__ = Distribution.log_prob.__doc__

    def cdf(self, value: Any) -> Any:
        return ((self._value(value) - self.low) / (self.high - self.low)).clamp(0, 1)

    cdf.__doc__ = Distribution.cdf.__doc__

    def icdf(self, value: Any) -> Any:
        return self.low + value * (self.high - self.low)

    icdf.__doc__ = Distribution.icdf.__doc__

    def entropy(self) -> Any:
        return (self.high - self.low).log()

    entropy.__doc__ = Distribution.entropy.__doc__

    @property
    def mean(self) -> Any:
        """The mean, the middle."""
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Any:
        """The variance, (high - low)**2 / 12."""
        return (self.high - self.low) ** 2 / 12
