"""How much a distribution differs from another (Kullback and Leibler 1951)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .bernoulli import Bernoulli
from .categorical import Categorical
from .normal import Normal

__all__ = ["kl_divergence"]


def of_normals(p: Any, q: Any) -> Any:
    """Return the divergence of normal distributions."""
    ratio = (p.scale / q.scale) ** 2
    distance = ((p.loc - q.loc) / q.scale) ** 2
    return 0.5 * (ratio + distance - 1 - ratio.log())


def of_classes(p: Any, q: Any) -> Any:
    """Return the divergence of categorical distributions."""
    return (p.probs * (p.logits - q.logits)).sum(-1)


def of_coins(p: Any, q: Any) -> Any:
    """Return the divergence of Bernoulli distributions."""
    return p.probs * (p.logits - q.logits) - p.logits.softplus() + q.logits.softplus()


RULES: dict[type[Any], Callable[[Any, Any], Any]] = {
    Bernoulli: of_coins, Categorical: of_classes, Normal: of_normals,
}  # fmt: skip


def kl_divergence(p: Any, q: Any) -> Any:
    """Return the mean of log(p(x) / q(x)) over draws x of p, of two distributions of one class.

    Raises:
        NotImplementedError: it is known of Normal, Categorical and Bernoulli alone.
    """
    if type(p) is not type(q) or type(p) not in RULES:
        names = f"{type(p).__name__} and {type(q).__name__}"
        raise NotImplementedError(
            f"kl_divergence: of {names} it is not known; the mean of p.log_prob(x) - q.log_prob(x)"
            " over draws x of p comes near it"
        )
    return RULES[type(p)](p, q)
