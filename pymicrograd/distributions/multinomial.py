"""The multinomial distribution: how often each of several classes is drawn."""

from __future__ import annotations

from typing import Any

from ..tensors.conversion import as_tensor
from ..tensors.creation import zeros
from .categorical import Categorical
from .distribution import Distribution

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """Counts of the classes in total_count draws of a Categorical.

    Args:
        total_count: how many draws; probs, logits: as for Categorical.
    """

    def __init__(
        self,
        total_count: int = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self.total_count = total_count
        self._one = Categorical(probs, logits, validate_args)
        self.probs, self.logits = self._one.probs, self._one.logits
        super().__init__(self._one.batch_shape, self.probs.shape[-1:], validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        drawn = self._one.sample((self.total_count, *sample_shape)).movedim(0, -1)
        counts = zeros(self._shape(sample_shape), dtype=self.probs.dtype)
        return counts.scatter_add(-1, drawn, (drawn >= 0).to(counts.dtype))

    sample.__doc__ = Distribution.sample.__doc__

    def log_prob(self, value: Any) -> Any:
        value = as_tensor(value)
        self._check(
            (value >= 0) & (value.sum(-1, keepdim=True) == self.total_count),
            "a value", f"has counts of 0 or more, whose sum is {self.total_count}",
        )  # fmt: skip
        value = value.to(self.logits.dtype)
        ways = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return ways + (self.logits * value).sum(-1)

    log_prob.__doc__ = Distribution.log_prob.__doc__

    @property
    def mean(self) -> Any:
        """The mean of each count."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        """The variance of each count."""
        return self.total_count * self.probs * (1 - self.probs)
