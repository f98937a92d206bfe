"""ASGD: gradient descent that keeps a mean of the parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..scalars import named_float
from .rule import CHECKS, Rule, implementation

__all__ = ["ASGD"]


class ASGD(Rule, update="asgd"):
    """Averaged gradient descent (Polyak and Juditsky 1992), as PyTorch computes it.

    g = grad + weight_decay * p,  p = (1 - lambd * eta) * p - eta * g
    a = p while mu is 1, then a + mu * (p - a);  of eta and mu, lr and 1 at first, are then
    eta = lr / (1 + lambd * lr * t)**alpha,  mu = 1 / max(1, t - t0), both rounded to float32

    Args:
        params: Tensors, as for Optimizer; `state[p]["ax"]` is the mean a.
        lr: the learning rate at first.
        lambd: how fast it falls.
        alpha: the power by which it does.
        t0: the step at which averaging begins.
        weight_decay: how strongly parameters are drawn to 0.
        foreach: changes nothing.
        maximize: go along the gradient.
        capturable, differentiable: refused where True.
    """

    checks: ClassVar = {**CHECKS, "lambd": named_float, "alpha": named_float, "t0": named_float}
    numbers = (*Rule.numbers, "eta", "mu")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "maximize": maximize,
            **implementation(foreach, None, capturable, differentiable),
        }
        super().__init__(params, defaults)
