"""The categorical distribution: one of several classes."""

from __future__ import annotations

import math
from typing import Any

from ..tensors.conversion import as_tensor
from ..tensors.kinds import finfo
from .bernoulli import one_of
from .distribution import Distribution

__all__ = ["Categorical"]


class Categorical(Distribution):
    """A class from 0 on, with a probability for each.

    Args:
        probs: (..., classes), from 0 on, which are divided by their sums; or logits: their
            logarithms, but for a constant.

    Attributes:
        probs, logits: (..., classes), of sum 1, and their logarithms.
    """

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
            self.logits = given - given.logsumexp(-1, keepdim=True)
            self.probs = self.logits.exp()

    def sample(self, sample_shape: Any = ()) -> Any:
        rows = self.probs.detach().reshape(-1, self.probs.shape[-1])
        count = math.prod(sample_shape)
        drawn = rows.multinomial(count, replacement=True) if count else rows[:, :0].long()
        return drawn.T.reshape((*sample_shape, *self.batch_shape))

    sample.__doc__ = Distribution.sample.__doc__

    def log_prob(self, value: Any) -> Any:
        value = as_tensor(value).long()
        classes = self.probs.shape[-1]
        self._check((value >= 0) & (value < classes), "a value", f"is from 0 to {classes - 1}")
        places = value.unsqueeze(-1)
        places = places + (self.logits[..., :1] * 0).long()  # in the shape of both
        return self.logits.expand((*places.shape[:-1], classes)).gather(-1, places).squeeze(-1)

    log_prob.__doc__ = Distribution.log_prob.__doc__

    def entropy(self) -> Any:
        least = finfo(self.logits.dtype).min
        return -(self.logits.clamp_min(least) * self.probs).sum(-1)

    entropy.__doc__ = Distribution.entropy.__doc__

    @property
    def mode(self) -> Any:
        """The likeliest class."""
        return self.probs.argmax(-1)
