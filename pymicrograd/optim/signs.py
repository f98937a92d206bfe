"""Steps by the signs of gradients alone: Rprop, Lion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..scalars import named_float
from .rule import CHECKS, Rule, implementation

__all__ = ["Lion", "Rprop"]


def as_etas(name: str, etas: Any) -> tuple[float, float]:
    """Return how step sizes shrink, and how they grow."""
    small, large = (named_float(name, x) for x in etas)
    if not 0.0 < small < 1.0 < large:
        raise ValueError(f"{name} are one factor between 0 and 1 and one above, not {etas!r}")
    return small, large


def as_sizes(name: str, sizes: Any) -> tuple[float, float]:
    """Return the least and the largest step size."""
    least, most = (named_float(name, x) for x in sizes)
    return least, most


class Rprop(Rule, update="rprop"):
    """Rprop (Riedmiller and Braun 1993), as PyTorch computes it.

    g = grad, of each element: s = etas[1] * s where g * last > 0, etas[0] * s where it is below 0,
    then within step_sizes; there, where the sign changed, g = 0;  p = p - sign(g) * s,  last = g

    Args:
        params: Tensors, as for Optimizer.
        lr: what the step sizes s are before the first step.
        etas: how they shrink, and how they grow.
        step_sizes: the least and the largest.
        foreach: changes nothing.
        maximize: go along the gradient.
        capturable, differentiable: refused where True.
    """

    checks: ClassVar = {**CHECKS, "etas": as_etas, "step_sizes": as_sizes}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "maximize": maximize,
            **implementation(foreach, None, capturable, differentiable),
        }
        super().__init__(params, defaults)


class Lion(Rule, update="lion"):
    """Lion (Chen et al. 2023, arXiv:2302.06675): the sign of a mean of gradients.

    p = (1 - lr * weight_decay) * p - lr * sign(beta1 * m + (1 - beta1) * grad)
    m = beta2 * m + (1 - beta2) * grad

    Args:
        params: Tensors, as for Optimizer.
        lr: the learning rate, of a tenth of Adam's.
        betas: beta1 and beta2.
        weight_decay: how strongly parameters are drawn to 0.
        maximize: go along the gradient.
    """

    checks: ClassVar = CHECKS
    numbers = ()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)
