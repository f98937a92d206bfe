"""The normal distribution."""

from __future__ import annotations

import math
from typing import Any

from ..tensors.conversion import as_tensor
from ..tensors.creation import randn
from .distribution import Distribution, parameters

__all__ = ["Normal"]


class Normal(Distribution):
    """The normal distribution.

    Args:
        loc: the mean; scale: the standard deviation, above 0.
    """

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)
        self._check(self.loc == self.loc, "loc", "is no NaN")
        self._check(self.scale > 0, "scale", "is above 0")

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.loc + randn(self._shape(sample_shape), dtype=self.loc.dtype) * self.scale

    rsample.__doc__ = Distribution.rsample.__doc__

    def log_prob(self, value: Any) -> Any:
        distance = (self._value(value) - self.loc) / self.scale
        return -0.5 * distance * distance - self.scale.log() - 0.5 * math.log(2 * math.pi)

    log_prob.__doc__ = Distribution.log_prob.__doc__

    def cdf(self, value: Any) -> Any:
        distance = (self._value(value) - self.loc) / (self.scale * math.sqrt(2))
        return 0.5 * (1 + distance.erf())

    cdf.__doc__ = Distribution.cdf.__doc__

    def icdf(self, value: Any) -> Any:
        return self.loc + self.scale * (2 * as_tensor(value) - 1).erfinv() * math.sqrt(2)

    icdf.__doc__ = Distribution.icdf.__doc__

    def entropy(self) -> Any:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()

    entropy.__doc__ = Distribution.entropy.__doc__

    @property
    def mean(self) -> Any:
        """The mean, loc."""
        return self.loc

    mode = mean

    @property
    def variance(self) -> Any:
        """The variance, scale**2."""
        return self.scale * self.scale
