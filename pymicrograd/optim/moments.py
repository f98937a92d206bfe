"""Relatives of Adam, all with running means of gradients: NAdam, RAdam, Adamax, LAMB."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..scalars import as_float, not_negative
from .rule import CHECKS, TensorRule, as_choice, implementation, power, zeros_of
from .tensors import scalar

__all__ = ["LAMB", "Adamax", "NAdam", "RAdam"]

DECOUPLED = {**CHECKS, "decoupled_weight_decay": as_choice}


class Moments(TensorRule):
    """What the rules here share: the two running means, and weight decay of both sorts."""

    is_decoupled = True  # by move(), as weight decay of either sort

    def begin(self, x: Any, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "exp_avg": zeros_of(x), "exp_avg_sq": zeros_of(x)}

    def decay(self, x: Any, g: Any, group: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return parameter and gradient with weight decay in one of them."""
        decay = as_float(group["weight_decay"])
        if decay and group.get("decoupled_weight_decay"):
            return (1.0 - as_float(group["lr"]) * decay) * x, g
        return x, g + decay * x if decay else g

    def means(self, g: Any, state: dict[str, Any], betas: tuple[float, float]) -> tuple[Any, Any]:
        """Return the means of gradients and of their squares with a new gradient."""
        m, v = state["exp_avg"], state["exp_avg_sq"]
        state["exp_avg"] = betas[0] * m + (1.0 - betas[0]) * g
        state["exp_avg_sq"] = betas[1] * v + (1.0 - betas[1]) * (g * g)
        return state["exp_avg"], state["exp_avg_sq"]


class NAdam(Moments):
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
    numbers = (*TensorRule.numbers, "mu_product")

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

    def begin(self, x: Any, group: Mapping[str, Any]) -> dict[str, Any]:
        return {**super().begin(x, group), "mu_product": 1.0}

    def move(self, x: Any, g: Any, t: int, state: dict[str, Any], group: Mapping[str, Any]) -> Any:
        lr, decay = as_float(group["lr"]), as_float(group["momentum_decay"])
        beta1, beta2 = group["betas"]
        x, g = self.decay(x, g, group)
        m, v = self.means(g, state, (beta1, beta2))
        mu, mu_next = (beta1 * (1.0 - 0.5 * power(0.96, n * decay)) for n in (t, t + 1))
        product = as_float(state["mu_product"]) * mu
        state["mu_product"] = scalar(product)
        r = (v / (1.0 - power(beta2, t))).sqrt() + as_float(group["eps"])
        x = x - (lr * (1.0 - mu) / (1.0 - product)) * (g / r)
        return x - (lr * mu_next / (1.0 - product * mu_next)) * (m / r)


class RAdam(Moments):
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

    def move(self, x: Any, g: Any, t: int, state: dict[str, Any], group: Mapping[str, Any]) -> Any:
        beta1, beta2 = group["betas"]
        x, g = self.decay(x, g, group)
        m, v = self.means(g, state, (beta1, beta2))
        kept = power(beta2, t)
        m = m / (1.0 - power(beta1, t))
        most = 2.0 / (1.0 - beta2) - 1.0
        length = most - 2.0 * t * kept / (1.0 - kept)
        change = as_float(group["lr"]) * m
        if length > 5.0:
            share = (length - 4.0) * (length - 2.0) * most
            share = math.sqrt(share / ((most - 4.0) * (most - 2.0) * length))
            rate = share * math.sqrt(1.0 - kept)
            change = change * (rate / (v.sqrt() + as_float(group["eps"])))
        return x - change


class Adamax(Moments):
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

    def begin(self, x: Any, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "exp_avg": zeros_of(x), "exp_inf": zeros_of(x)}

    def move(self, x: Any, g: Any, t: int, state: dict[str, Any], group: Mapping[str, Any]) -> Any:
        beta1, beta2 = group["betas"]
        x, g = self.decay(x, g, group)
        m = state["exp_avg"] = beta1 * state["exp_avg"] + (1.0 - beta1) * g
        u = (beta2 * state["exp_inf"]).maximum(g.abs() + as_float(group["eps"]))
        state["exp_inf"] = u
        return x - (as_float(group["lr"]) / (1.0 - power(beta1, t))) * (m / u)


class LAMB(Moments):
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

    def move(self, x: Any, g: Any, t: int, state: dict[str, Any], group: Mapping[str, Any]) -> Any:
        beta1, beta2 = group["betas"]
        m, v = self.means(g, state, (beta1, beta2))
        r = (v / (1.0 - power(beta2, t))).sqrt() + as_float(group["eps"])
        r = m / (1.0 - power(beta1, t)) / r
        decay = as_float(group["weight_decay"])
        r = r + decay * x if decay else r
        long, wide = ((y * y).sum().sqrt().item() for y in (x, r))
        trust = long / wide if long > 0.0 and wide > 0.0 else 1.0
        return x - (as_float(group["lr"]) * trust) * r
