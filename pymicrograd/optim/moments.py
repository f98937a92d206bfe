"""Relatives of Adam, all with running means of gradients: NAdam, RAdam, Adamax, LAMB."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..scalars import not_negative
from .rule import CHECKS, Rule, as_choice, implementation

__all__ = ["LAMB", "Adamax", "NAdam", "RAdam"]

DECOUPLED = {**CHECKS, "decoupled_weight_decay": as_choice}


class NAdam(Rule, update="nadam"):
    """NAdam (Dozat 2016), as PyTorch computes it.

    g = grad + weight_decay * p, or decoupled: p = (1 - lr * weight_decay) * p
    m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * (g * g)
    mu(t) = beta1 * (1 - 0.5 * 0.96**(t * momentum_decay)),  c = mu(1) * ... * mu(t)
    r = sqrt(v / (1 - beta2**t)) + eps
    p = p - lr * (1 - mu(t)) / (1 - c) * (g / r) - lr * mu(t + 1) / (1 - c * mu(t + 1)) * (m / r)

    Args:
        params: Tensors, as for Optimizer.
        lr: the learning rate.
        betas: beta1 and beta2.
        eps: keeps the divisor above 0.
        weight_decay: how strongly parameters are drawn to 0.
        momentum_decay: how slowly mu grows to beta1.
        decoupled_weight_decay: draw parameters to 0 beside the gradient, as AdamW.
        foreach: changes nothing.
        maximize: go along the gradient.
        capturable, differentiable: refused where True.
    """

    checks: ClassVar = {**DECOUPLED, "momentum_decay": not_negative}
    numbers = (*Rule.numbers, "mu_product")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            **implementation(foreach, None, capturable, differentiable),
        }
        super().__init__(params, defaults)


class RAdam(Rule, update="radam"):
    """RAdam (Liu et al. 2020, arXiv:1908.03265), as PyTorch computes it.

    g, p, m, v as for NAdam;  h = 2 / (1 - beta2) - 1,  n = h - 2 * t * beta2**t / (1 - beta2**t)
    p = p - lr * q * (m / (1 - beta1**t)), where q is 1 while n <= 5, and then
    sqrt((n - 4) * (n - 2) * h / ((h - 4) * (h - 2) * n)) * sqrt(1 - beta2**t) / (sqrt(v) + eps)

    Args:
        params: Tensors, as for Optimizer.
        lr: the learning rate.
        betas: beta1 and beta2.
        eps: keeps the divisor above 0.
        weight_decay: how strongly parameters are drawn to 0.
        decoupled_weight_decay: draw parameters to 0 beside the gradient, as AdamW.
        foreach: changes nothing.
        maximize: go along the gradient.
        capturable, differentiable: refused where True.
    """

    checks: ClassVar = DECOUPLED

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            **implementation(foreach, None, capturable, differentiable),
        }
        super().__init__(params, defaults)


class Adamax(Rule, update="adamax"):
    """Adamax (Kingma and Ba 2015, arXiv:1412.6980), as PyTorch computes it.

    g = grad + weight_decay * p,  m = beta1 * m + (1 - beta1) * g,  u = max(beta2 * u, |g| + eps)
    p = p - lr / (1 - beta1**t) * (m / u)

    Args:
        params: Tensors, as for Optimizer.
        lr: the learning rate.
        betas: beta1 and beta2.
        eps: keeps the divisor above 0.
        weight_decay: how strongly parameters are drawn to 0.
        foreach: changes nothing.
        maximize: go along the gradient.
        capturable, differentiable: refused where True.
    """

    checks: ClassVar = CHECKS

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            **implementation(foreach, None, capturable, differentiable),
        }
        super().__init__(params, defaults)


class LAMB(Rule, update="lamb"):
    """LAMB (You et al. 2020, arXiv:1904.00962): a step as long as its parameter is large.

    m, v as for Adam, of g = grad
    r = (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps) + weight_decay * p
    p = p - lr * (|p| / |r|) * r, with 1 in place of the quotient where a norm is 0

    Args:
        params: Tensors, as for Optimizer.
        lr: the learning rate.
        betas: beta1 and beta2.
        eps: keeps the divisor above 0.
        weight_decay: how strongly parameters are drawn to 0.
        maximize: go along the gradient.
    """

    checks: ClassVar = CHECKS

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)
