"""Adam and AdamW: steps by running means of gradients and of their squares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..scalars import as_beta, as_float, not_negative
from .optimizer import Optimizer, State

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
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

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float = 1e-8,
        weight_decay: float | None = None,
    ) -> None:
        super().__init__(params, lr)
        if weight_decay is None:
            weight_decay = self._default("decoupled_decay") if self.decoupled else 0.0
        self.weight_decay = not_negative("weight_decay", weight_decay)
        beta1, beta2 = self._default("betas") if betas is None else betas
        self.betas = as_beta("beta1", beta1), as_beta("beta2", beta2)
        self.eps = not_negative("eps", eps)

    def _begin(self) -> None:
        self._parameters.begin_adam()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else closure()
        beta1, beta2 = self.betas
        self._parameters.adam_step(
            as_float(self.lr),
            (as_float(beta1), as_float(beta2)),
            as_float(self.eps),
            as_float(self.weight_decay),
            self.decoupled,
        )
        return loss

    step.__doc__ = Optimizer.step.__doc__


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
