"""Adam and AdamW: steps by running means of gradients and of their squares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from .optimizer import DEFAULTS, Option, State, groups_of
from .parameters import kind_of
from .rule import CHECKS, Rule, as_choice, implementation

__all__ = ["Adam", "AdamW"]


class Adam(Rule, update="adam"):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980), of Values as LLM101n, of Tensors as PyTorch.

    g = grad + weight_decay * p; grad where weight_decay is 0
    m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g**2
    of Values:   p = p - lr * ((m / (1 - beta1**t)) / ((v / (1 - beta2**t))**0.5 + eps))
    of Tensors:  p = 1 * p - lr / (1 - beta1**t) * (m / (sqrt(v) / sqrt(1 - beta2**t) + eps))

    Every operation is rounded to the parameter's type, in the order written; of Tensors g**2 is
    g * g, and numbers that do not change within a step, such as 1 - beta1**t, are float64 and
    rounded once.

    Args:
        params: as for Optimizer.
        lr: the learning rate; None is 0.1 for Values and 1e-3 for Tensors.
        betas: beta1 and beta2; None is (0.9, 0.95) for Values and (0.9, 0.999) for Tensors.
        eps: keeps the divisor above 0.
        weight_decay: how strongly parameters are drawn to 0; None is 0.

    Attributes:
        m, v: the running means, a number for each Value, a Tensor for each Tensor.
        t: of Values: the number of steps made.
        steps: of Tensors: for each, how many steps it has made; t is that number from 1.
    """

    decoupled = False
    m = State("The running means of gradients.")
    v = State("The running means of squared gradients.")
    t = State("Of Values, the number of steps made.")
    steps = State("For each Tensor, how many steps it has made.")
    checks: ClassVar = {**CHECKS, "amsgrad": as_choice, "decoupled_weight_decay": as_choice}
    betas = Option("What the running means keep of the past.")
    eps = Option("What keeps the divisor above 0.")
    weight_decay = Option("How strongly parameters are drawn to 0.")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float = 1e-8,
        weight_decay: float | None = None,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool | None = None,
    ) -> None:
        groups = groups_of(params)
        options = implementation(foreach, fused, capturable, differentiable)
        usual = DEFAULTS[kind_of(groups)]
        if decoupled_weight_decay is None:
            decoupled_weight_decay = self.decoupled
        if weight_decay is None:
            weight_decay = usual["decoupled_decay"] if self.decoupled else 0.0
        defaults = {
            "lr": usual["lr"] if lr is None else lr,
            "betas": usual["betas"] if betas is None else betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            **options,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(groups, defaults)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).

    As Adam, with g = grad and, where d is weight_decay,
    of Values:   p = p - lr * ((m / (1 - beta1**t)) / ((v / (1 - beta2**t))**0.5 + eps) + d * p)
    of Tensors:  1 - lr * d in place of 1

    Args:
        params, lr, betas, eps: as for Adam.
        weight_decay: None is 0 for Values and 1e-2 for Tensors.
    """

    decoupled = True
