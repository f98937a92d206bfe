"""The exponential distribution."""

from __future__ import annotations

from typing import Any

from ..tensors.conversion import as_tensor
from ..tensors.creation import rand, zeros_like
from .distribution import Distribution, parameters

__all__ = ["Exponential"]


class Exponential(Distribution):
    """The exponential distribution, of density rate * exp(-rate * x).

    Args:
        rate: above 0.
    """

    has_rsample = True
    rule = "is at least 0"

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = parameters(rate)
        super().__init__(self.rate.shape, (), validate_args)
        self._check(self.rate > 0, "rate", "is above 0")

    def rsample(self, sample_shape: Any = ()) -> Any:
        return -(1 - rand(self._shape(sample_shape), dtype=self.rate.dtype)).log() / self.rate

    rsample.__doc__ = Distribution.rsample.__doc__

    def _supports(self, value: Any) -> Any:
        return value >= 0

    def log_prob(self, value: Any) -> Any:
        return self.rate.log() - self.rate * self._value(value)

    log_prob.__doc__ = Distribution.log_prob.__doc__

    def cdf(self, value: Any) -> Any:
        return -(-self.rate * self._value(value)).expm1()

    cdf.__doc__ = Distribution.cdf.__doc__

    def icdf(self, value: Any) -> Any:
        return -(-as_tensor(value)).log1p() / self.rate

    icdf.__doc__ = Distribution.icdf.__doc__

    def entropy(self) -> Any:
        return 1 - self.rate.log()

    entropy.__doc__ = Distribution.entropy.__doc__

    @property
    def mean(self) -> Any:
        """The mean, 1 / rate."""
        return 1 / self.rate

    @property
    def mode(self) -> Any:
        """The mode, 0."""
        return zeros_like(self.rate)

    @property
    def variance(self) -> Any:
        """The variance, 1 / rate**2."""
        return 1 / (self.rate * self.rate)
