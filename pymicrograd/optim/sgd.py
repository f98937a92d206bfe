"""SGD: gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..scalars import named_float
from .optimizer import DEFAULTS, Option, State, groups_of
from .parameters import kind_of
from .rule import CHECKS, Rule, as_choice, implementation

__all__ = ["SGD"]


class SGD(Rule, update="sgd"):
    """Gradient descent with momentum (Sutskever et al. 2013), as PyTorch computes it.

    g = grad + weight_decay * p; grad where weight_decay is 0
    buffer = g in its first step, then momentum * buffer + (1 - dampening) * g
    p = p - lr * g without momentum, lr * buffer with, lr * (g + momentum * buffer) with nesterov

    Every operation is rounded to the parameter's type, in the order written. A Tensor's first
    buffer is 0 * buffer + g, and (1 - dampening) is rounded once from float64.

    Args:
        params: as for Optimizer.
        lr: the learning rate; None is 0.1 for Values and 1e-3 for Tensors.
        momentum: the share of the last buffer that remains.
        dampening: the share of g that does not enter the buffer.
        weight_decay: how strongly parameters are drawn to 0.
        nesterov: look one step ahead; needs momentum, and no dampening.

    Attributes:
        buffer: of Values: a number for each; None before the first step with momentum.
        buffers: of Tensors: a Tensor for each; None before the first step with momentum.
        begun: of Tensors: for each, whether its buffer has made its first step.
        steps: of Tensors: for each, how many steps it has made.
    """

    buffer = State("The momentum buffer of Values, a number for each; None before its first step.")
    buffers = State("The momentum buffers of Tensors; None before the first step with momentum.")
    begun = State("For each Tensor, whether its buffer has made its first step.")
    steps = State("For each Tensor, how many steps it has made.")

    numbers = ()
    checks: ClassVar = {**CHECKS, "dampening": named_float, "nesterov": as_choice}
    momentum = Option("The share of the last buffer that remains.")
    dampening = Option("The share of g that does not enter the buffer.")
    weight_decay = Option("How strongly parameters are drawn to 0.")
    nesterov = Option("Whether to look one step ahead.")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | None = None,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        groups = groups_of(params)
        options = implementation(foreach, fused, False, differentiable)
        del options["capturable"]
        defaults = {
            "lr": DEFAULTS[kind_of(groups)]["lr"] if lr is None else lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            **options,
            "fused": fused,
        }
        super().__init__(groups, defaults)

    def _check_kind(self, arm: Any, group: Mapping[str, Any]) -> None:
        super()._check_kind(arm, group)
        if group["nesterov"] and (group["momentum"] == 0.0 or group["dampening"] != 0.0):
            raise ValueError("nesterov needs a momentum above 0 and dampening 0")
