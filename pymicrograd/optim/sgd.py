"""SGD: gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..scalars import as_float, not_negative
from .optimizer import Optimizer, State

__all__ = ["SGD"]


class SGD(Optimizer):
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

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | None = None,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.momentum = not_negative("momentum", momentum)
        self.dampening = as_float(dampening)
        self.nesterov = bool(nesterov)
        if self.nesterov and (self.momentum == 0.0 or self.dampening != 0.0):
            raise ValueError("nesterov needs a momentum above 0 and dampening 0")

    def _begin(self) -> None:
        self._parameters.begin_sgd()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else closure()
        self._parameters.sgd_step(
            as_float(self.lr),
            as_float(self.momentum),
            as_float(self.dampening),
            as_float(self.weight_decay),
            self.nesterov,
        )
        return loss

    step.__doc__ = Optimizer.step.__doc__
