"""Optimizers: a step moves the data of parameters against their gradients, written as loops.

A step computes all new numbers before it sets the first, so that one that raises changes
nothing. Hyperparameters are attributes and may be changed between steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..scalars import as_beta, as_float, not_negative
from .value import Value, divide, power

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]


class Optimizer:
    """What all optimizers share: the parameters and their gradients.

    Args:
        params: Values, such as `model.parameters()`.
        lr: the learning rate.
        weight_decay: how strongly parameters are drawn to 0.

    Raises:
        TypeError: something in params is not a Value.
        ValueError: there are no parameters, one twice or no leaf; a hyperparameter is out of range.
    """

    value_type: type[Any] = Value

    def __init__(self, params: Iterable[Any], lr: float, weight_decay: float) -> None:
        params = tuple(params)
        for p in params:
            if not isinstance(p, self.value_type):
                raise TypeError(f"a parameter is a Value, not {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("a parameter is a leaf, not the result of an operation")
        if not params:
            raise ValueError("an optimizer needs at least one parameter")
        if len({id(p) for p in params}) < len(params):
            raise ValueError("a parameter is given twice")
        self.params: Any = params
        self.lr = not_negative("lr", lr)
        self.weight_decay = not_negative("weight_decay", weight_decay)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Call closure, if there is one; move every parameter once; return what closure did."""
        loss = None if closure is None else closure()
        self._move_once()
        return loss

    def _move_once(self) -> None:
        """Move every parameter once."""
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradient of every parameter to 0.0."""
        for p in self.params:
            p.grad = 0.0

    def move(self, data: list[float]) -> None:
        """Set the data of the parameters."""
        for p, number in zip(self.params, data, strict=True):
            p.data = number

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.params)} parameters, lr={self.lr!r})"


class SGD(Optimizer):
    """Gradient descent with momentum, as PyTorch computes it.

    g = grad + weight_decay * p
    buffer = g at the first step, then momentum * buffer + (1 - dampening) * g
    p -= lr * g without momentum, lr * buffer with, lr * (g + momentum * buffer) with nesterov

    Args:
        params, lr, weight_decay: as for Optimizer.
        momentum: the share of the last buffer that remains.
        dampening: the share of g that does not enter the buffer.
        nesterov: look one step ahead; needs momentum, and no dampening.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
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
        self.buffer: list[float] | None = None

    def _move_once(self) -> None:
        lr, momentum = as_float(self.lr), as_float(self.momentum)
        keep, decay = 1.0 - as_float(self.dampening), as_float(self.weight_decay)
        data, buffer = [], []
        for i, p in enumerate(self.params):
            g = p.grad + decay * p.data if decay else p.grad
            if momentum:
                b = g if self.buffer is None else momentum * self.buffer[i] + keep * g
                buffer.append(b)
                g = g + momentum * b if self.nesterov else b
            data.append(p.data - lr * g)
        self.move(data)
        self.buffer = buffer if momentum else None


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980), in the order of operations of LLM101n.

    g = grad + weight_decay * p
    m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g**2
    p -= lr * ((m / (1 - beta1**t)) / ((v / (1 - beta2**t))**0.5 + eps))

    Args:
        params, lr, weight_decay: as for Optimizer.
        betas: beta1 and beta2.
        eps: keeps the divisor above 0.

    Attributes:
        m, v: the running means, one number per parameter.
        t: the number of steps made.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        beta1, beta2 = betas
        self.betas = as_beta("beta1", beta1), as_beta("beta2", beta2)
        self.eps = not_negative("eps", eps)
        self.m = [0.0] * len(self.params)
        self.v = [0.0] * len(self.params)
        self.t = 0

    decoupled = False

    def _move_once(self) -> None:
        lr, eps, decay = as_float(self.lr), as_float(self.eps), as_float(self.weight_decay)
        beta1, beta2 = map(as_float, self.betas)
        t = self.t + 1
        new_m, new_v, data = [], [], []
        for p, m, v in zip(self.params, self.m, self.v, strict=True):
            g = p.grad + decay * p.data if decay and not self.decoupled else p.grad
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * power(g, 2.0)
            m_hat = m / (1 - power(beta1, float(t)))
            v_hat = v / (1 - power(beta2, float(t)))
            change = divide(m_hat, power(v_hat, 0.5) + eps)
            if self.decoupled:
                change = change + decay * p.data
            new_m.append(m)
            new_v.append(v)
            data.append(p.data - lr * change)
        self.move(data)
        self.m, self.v, self.t = new_m, new_v, t


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).

    As Adam, with g = grad and, in LLM101n's order,
    p -= lr * ((m / (1 - beta1**t)) / ((v / (1 - beta2**t))**0.5 + eps) + weight_decay * p)
    """

    decoupled = True
