"""The multinomial distribution: how often each of several classes is drawn."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ..tensors.arguments import as_int
from ..tensors.creation import arange, zeros
from ..tensors.functions import where
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
        self.total_count = as_int(total_count, "Multinomial: total_count")
        if self.total_count < 0:
            raise ArgumentError(f"Multinomial: total_count is at least 0, not {total_count}")
        self._one = Categorical(probs, logits, validate_args)
        self.probs, self.logits = self._one.probs, self._one.logits
        super().__init__(self._one.batch_shape, self.probs.shape[-1:], validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        drawn = self._one.sample((self.total_count, *sample_shape)).movedim(0, -1)
        counts = zeros(self._shape(sample_shape), dtype=self.probs.dtype)
        return counts.scatter_add(-1, drawn, (drawn >= 0).to(counts.dtype))

    sample.__doc__ = Distribution.sample.__doc__

    @property
    def rule(self) -> str:  # type: ignore[override]
        """What holds for values."""
        return f"has whole counts of 0 or more, whose sum is {self.total_count}"

    def _supports(self, value: Any) -> Any:
        is_count = (value >= 0) & (value == value.long())
        return is_count & (value.sum(-1, keepdim=True) == self.total_count)

    def log_prob(self, value: Any) -> Any:
        value = self._value(value).to(self.logits.dtype)
        ways = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return ways + where(value == 0, 0.0, self.logits * value).sum(-1)

    log_prob.__doc__ = Distribution.log_prob.__doc__

    def entropy(self) -> Any:
        """Return the entropy: total_count times that of one draw, less log(draws in any order)."""
        n, p = self.total_count, self.probs.unsqueeze(-1)
        k = arange(n + 1, dtype=p.dtype)  # what each count may be; it is binomial
        orders = (k + 1).lgamma()
        chances = k.xlogy(p) + (n - k).xlogy(1 - p) - orders - orders.flip(0)
        return n * self._one.entropy() - orders[-1] + (chances.softmax(-1) * orders).sum((-1, -2))

    @property
    def mean(self) -> Any:
        """The mean of each count."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        """The variance of each count."""
        return self.total_count * self.probs * (1 - self.probs)
