"""Steps scaled by sums or means of squared gradients: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..scalars import not_negative
from .rule import CHECKS, Rule, as_choice, as_share, implementation

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Rule, update="adagrad"):
    """Adagrad (Duchi et al. 2011), as PyTorch computes it.

    g = grad + weight_decay * p,  s = s + g * g
    p = p - lr / (1 + (t - 1) * lr_decay) * (g / (sqrt(s) + eps))

    Args:
        params: Tensors, as for Optimizer.
        lr: the learning rate.
        lr_decay: how fast the rate falls with the steps.
        weight_decay: how strongly parameters are drawn to 0.
        initial_accumulator_value: what s is before the first step.
        eps: keeps the divisor above 0.
        foreach, fused: change nothing.
        maximize: go along the gradient.
        differentiable: refused where True.
    """

    checks: ClassVar = {
        **CHECKS,
        "lr_decay": not_negative,
        "initial_accumulator_value": not_negative,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
            **implementation(foreach, fused, False, differentiable),
            "fused": fused,
        }
        super().__init__(params, defaults)


class Adadelta(Rule, update="adadelta"):
    """Adadelta (Zeiler 2012, arXiv:1212.5701), as PyTorch computes it.

    g = grad + weight_decay * p,  v = rho * v + (1 - rho) * (g * g)
    d = sqrt(u + eps) / sqrt(v + eps) * g,  u = rho * u + (1 - rho) * (d * d),  p = p - lr * d

    Args:
        params: Tensors, as for Optimizer.
        lr: the share of a step that is made.
        rho: what the means keep of the past.
        eps: keeps the divisor above 0.
        weight_decay: how strongly parameters are drawn to 0.
        foreach: changes nothing.
        maximize: go along the gradient.
        capturable, differentiable: refused where True.
    """

    checks: ClassVar = {**CHECKS, "rho": as_share}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            **implementation(foreach, None, capturable, differentiable),
        }
        super().__init__(params, defaults)


class RMSprop(Rule, update="rmsprop"):
    """RMSprop (Tieleman and Hinton 2012), as PyTorch computes it.

    g = grad + weight_decay * p,  v = alpha * v + (1 - alpha) * (g * g)
    r = sqrt(v) + eps; centered: a = alpha * a + (1 - alpha) * g,  r = sqrt(v - a * a) + eps
    p = p - lr * (g / r); with momentum: buffer = momentum * buffer + g / r,  p = p - lr * buffer

    Args:
        params: Tensors, as for Optimizer.
        lr: the learning rate.
        alpha: what the means keep of the past.
        eps: keeps the divisor above 0.
        weight_decay: how strongly parameters are drawn to 0.
        momentum: the share of the last buffer that remains.
        centered: divide by the standard deviation of gradients.
        foreach: changes nothing.
        maximize: go along the gradient.
        capturable, differentiable: refused where True.
    """

    checks: ClassVar = {**CHECKS, "alpha": not_negative, "centered": as_choice}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
            **implementation(foreach, None, capturable, differentiable),
        }
        super().__init__(params, defaults)
