"""How much a distribution differs from another (Kullback and Leibler 1951)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..tensors.functions import where
from ..tensors.kinds import finfo
from .bernoulli import Bernoulli
from .categorical import Categorical
from .exponential import Exponential
from .normal import Normal
from .uniform import Uniform

__all__ = ["kl_divergence"]


def of_normals(p: Any, q: Any) -> Any:
    """Return the divergence of normal distributions."""
    ratio = (p.scale / q.scale) ** 2
    distance = ((p.loc - q.loc) / q.scale) ** 2
    return 0.5 * (ratio + distance - 1 - ratio.log())


def part(p: Any, q: Any, log_p: Any, log_q: Any) -> Any:
    """Return p * log(p / q) of probabilities: 0 where p is 0, otherwise infinite where q is 0."""
    least = finfo(log_p.dtype).min
    found = p * (log_p.clamp_min(least) - log_q.clamp_min(least))
    return where((q == 0) & (p > 0), math.inf, found)


def of_classes(p: Any, q: Any) -> Any:
    """Return the divergence of categorical distributions."""
    return part(p.probs, q.probs, p.logits, q.logits).sum(-1)


def of_coins(p: Any, q: Any) -> Any:
    """Return the divergence of Bernoulli distributions."""
    of_1 = part(p.probs, q.probs, -(-p.logits).softplus(), -(-q.logits).softplus())
    return of_1 + part(1 - p.probs, 1 - q.probs, -p.logits.softplus(), -q.logits.softplus())


def of_exponentials(p: Any, q: Any) -> Any:
    """Return the divergence of exponential distributions."""
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


def of_uniforms(p: Any, q: Any) -> Any:
    """Return the divergence of uniform distributions, infinite unless q covers p."""
    covers = (q.low <= p.low) & (q.high >= p.high)
    return where(covers, ((q.high - q.low) / (p.high - p.low)).log(), math.inf)


RULES: dict[type[Any], Callable[[Any, Any], Any]] = {
    Bernoulli: of_coins, Categorical: of_classes, Exponential: of_exponentials,
    Normal: of_normals, Uniform: of_uniforms,
}  # fmt: skip


def kl_divergence(p: Any, q: Any) -> Any:
    """Return the mean of log(p(x) / q(x)) over draws x of p, of two distributions of one class.

    Raises:
        NotImplementedError: they are of two classes, or of Multinomial or a class of the caller's.
    """
    if type(p) is not type(q) or type(p) not in RULES:
        names = f"{type(p).__name__} and {type(q).__name__}"
        raise NotImplementedError(
            f"kl_divergence: of {names} it is not known; the mean of p.log_prob(x) - q.log_prob(x)"
            " over draws x of p comes near it"
        )
    return RULES[type(p)](p, q)
