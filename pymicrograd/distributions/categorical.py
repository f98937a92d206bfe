"""The categorical distribution: one of several classes."""

from __future__ import annotations

import math
from typing import Any

from ..tensors.arrangement import broadcast_shapes
from ..tensors.conversion import as_tensor
from ..tensors.creation import arange
from ..tensors.kinds import finfo
from .bernoulli import one_of
from .distribution import Distribution, batched

__all__ = ["Categorical"]


class Categorical(Distribution):
    """A class from 0 on, with a probability for each.

    Args:
        probs: (..., classes), from 0 on, which are divided by their sums; or logits: their
            logarithms, but for a constant.

    Attributes:
        probs, logits: (..., classes), of sum 1, and their logarithms.
    """

    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        one_of(type(self).__name__, probs, logits)
        given = as_tensor(logits if probs is None else probs)
        if not given.ndim:
            raise ValueError(f"{type(self).__name__}: there is an axis of classes at least")
        super().__init__(given.shape[:-1], (), validate_args)
        if logits is None:
            total = given.sum(-1, keepdim=True)
            self._check((given >= 0) & (total > 0), "probs", "are at least 0, and not all 0")
            self.probs = given / total
            least = finfo(self.probs.dtype).eps
            self.logits = self.probs.clamp(least, 1 - least).log()
        else:
            self._check(given == given, "logits", "are no NaN")
            self.logits = given - given.logsumexp(-1, keepdim=True)
            self.probs = self.logits.exp()

    def sample(self, sample_shape: Any = ()) -> Any:
        rows = self.probs.detach().reshape(-1, self.probs.shape[-1])
        count = math.prod(sample_shape)
        drawn = rows.multinomial(count, replacement=True) if count else rows[:, :0].long()
        return drawn.T.reshape((*sample_shape, *self.batch_shape))

    sample.__doc__ = Distribution.sample.__doc__

    @property
    def rule(self) -> str:  # type: ignore[override]
        """What holds for values."""
        return f"is a whole number from 0 to {self.probs.shape[-1] - 1}"

    def _supports(self, value: Any) -> Any:
        return (value >= 0) & (value < self.probs.shape[-1]) & (value == value.long())

    def log_prob(self, value: Any) -> Any:
        value = self._value(value).long()
        shape = broadcast_shapes(value.shape, self.batch_shape)
        logits = self.logits.expand((*shape, self.logits.shape[-1]))
        return logits.gather(-1, value.expand(shape).unsqueeze(-1)).squeeze(-1)

    log_prob.__doc__ = Distribution.log_prob.__doc__

    def enumerate_support(self, expand: bool = True) -> Any:
        return batched(arange(self.probs.shape[-1]), self.batch_shape, expand)

    enumerate_support.__doc__ = Distribution.enumerate_support.__doc__

    def entropy(self) -> Any:
        least = finfo(self.logits.dtype).min
        return -(self.logits.clamp_min(least) * self.probs).sum(-1)

    entropy.__doc__ = Distribution.entropy.__doc__

    @property
    def mode(self) -> Any:
        """The likeliest class."""
        return self.probs.argmax(-1)
