"""Adam and AdamW: steps by running means of gradients and of their squares."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from ..scalars import as_float
from .compiled import CompiledRule
from .optimizer import DEFAULTS, Optimizer, Option, State, groups_of
from .parameters import kind_of
from .rule import CHECKS, as_choice, implementation, power, zeros_of

__all__ = ["Adam", "AdamW"]


class Adam(CompiledRule):
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
    is_decoupled = True  # by move(), as weight decay of either sort
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

    def _begin_state(self, arm: Any) -> None:
        arm.begin_adam()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else self._evaluate(closure)
        for group in self.param_groups:
            arm = getattr(group["params"], "arm", None) or self._arm_of(group)
            beta1, beta2 = group["betas"]
            rule = group["lr"], beta1, beta2, group["eps"], group["weight_decay"]
            is_other = group["amsgrad"] or group["maximize"]
            if is_other or not arm.adam_step(rule, bool(group["decoupled_weight_decay"])):
                self._move_by_formula(arm, group)
        return loss

    step.__doc__ = Optimizer.step.__doc__

    def begin(self, x: Any, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": 0, "exp_avg": zeros_of(x), "exp_avg_sq": zeros_of(x)}

    def move(self, x: Any, g: Any, t: int, state: dict[str, Any], group: Mapping[str, Any]) -> Any:
        lr, decay = as_float(group["lr"]), as_float(group["weight_decay"])
        beta1, beta2 = map(as_float, group["betas"])
        is_decoupled = group["decoupled_weight_decay"]
        if decay and not is_decoupled:
            g = g + decay * x
        m = state["exp_avg"] = beta1 * state["exp_avg"] + (1.0 - beta1) * g
        v = state["exp_avg_sq"] = beta2 * state["exp_avg_sq"] + (1.0 - beta2) * (g * g)
        if group["amsgrad"]:
            last = state.get("max_exp_avg_sq")
            v = state["max_exp_avg_sq"] = v if last is None else last.maximum(v)
        divisor = v.sqrt() / math.sqrt(1.0 - power(beta2, t)) + as_float(group["eps"])
        x = (1.0 - lr * decay) * x if is_decoupled else x
        return x - (lr / (1.0 - power(beta1, t))) * (m / divisor)


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
