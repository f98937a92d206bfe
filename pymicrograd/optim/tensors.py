"""Optimizers for Tensors: a step on all parameters in place, in one call, with written arithmetic.

Names, arguments and defaults are PyTorch's. The formulas stand at the classes and hold to the last
bit: every operation is rounded to the parameter's type, in the order written; numbers that do not
change within a step, such as `1 - beta1**t`, are float64 and rounded once. A parameter without a
gradient is left as it is, and its own count of steps does not go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import _core
from ..errors import DTypeError
from ..scalars import as_beta, as_float, not_negative
from ..tensors.creation import zeros_like
from ..tensors.dtypes import float32, float64

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]

TensorBase = _core.TensorBase
write_handles = TensorBase._handles


def check_parameter(p: Any) -> None:
    """Refuse what a step cannot be made on."""
    if not isinstance(p, TensorBase):
        raise TypeError(f"a parameter is a Tensor, not {type(p).__name__}")
    if not p.is_leaf:
        raise ValueError("a parameter is a leaf, not the result of an operation; use detach()")
    if p.dtype not in (float32, float64):
        raise DTypeError(f"parameters are of float32 or float64, not {p.dtype.name}")
    if not p.is_contiguous():
        raise ValueError(f"a parameter of shape {p.shape} is not contiguous; use contiguous()")


class Optimizer:
    """What all optimizers share: the parameters and their gradients.

    Args:
        params: Tensors, contiguous leaves of float32 or float64.
        lr: the learning rate.
        weight_decay: how strongly parameters are drawn to 0.

    Attributes:
        params: the parameters, a tuple. Those beside it are named as the arguments are; they
            may be changed between steps.

    Raises:
        TypeError: something in params is no Tensor, or of another type.
        ValueError: there are no parameters, one stands twice, is no leaf or not contiguous; a
            hyperparameter is out of range.
    """

    def __init__(self, params: Iterable[Any], lr: float, weight_decay: float) -> None:
        if isinstance(params, TensorBase):
            raise TypeError("parameters are an iterable of Tensors, not one Tensor")
        params = tuple(params)
        for p in params:
            check_parameter(p)
        if not params:
            raise ValueError("an optimizer needs at least one parameter")
        if len({id(p) for p in params}) < len(params):
            raise ValueError("a parameter is given twice")
        self.params: tuple[Any, ...] = params
        self.lr = not_negative("lr", lr)
        self.weight_decay = not_negative("weight_decay", weight_decay)
        self.steps = [0] * len(params)
        self._nodes: dict[str, Nodes] = {}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient once.

        Args:
            closure: called before, to compute gradients.

        Returns:
            What closure returns.

        Raises:
            OutOfMemoryError: the optimizer's own tensors do not fit.
        """
        loss = None if closure is None else closure()
        groups: dict[int, list[int]] = {}
        for i, p in enumerate(self.params):
            if p.grad is not None:
                groups.setdefault(self.steps[i], []).append(i)
        for count, some in groups.items():  # one group, unless gradients come and go
            self._move(some, count + 1)
            for i in some:
                self.steps[i] = count + 1
        return loss

    def _move(self, some: Sequence[int], step: int) -> None:
        """Move the parameters of these numbers, which have made step - 1 steps."""
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def _of(self, some: Sequence[int], tensors: Sequence[Any], name: str) -> Any:
        """Return a C array of the nodes of some of the tensors; name is theirs."""
        if len(some) < len(self.params):
            return Nodes(tuple(tensors[i] for i in some)).array
        nodes = self._nodes.get(name)
        if nodes is None or nodes.tensors is not tensors:
            nodes = self._nodes[name] = Nodes(tensors)
        else:
            write_handles(tensors, nodes.address)
        return nodes.array

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Take the gradients of all parameters away, or set those that there are to 0."""
        for p in self.params:
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                if p.grad.requires_grad:
                    p.grad = p.grad.detach()
                p.grad.zero_()

    def __getstate__(self) -> dict[str, Any]:
        return {name: x for name, x in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._nodes = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.params)} parameters, lr={self.lr!r})"


class Nodes:
    """The nodes of Tensors as a C array; write_handles() notices that a Tensor has another."""

    def __init__(self, tensors: Sequence[Any]) -> None:
        self.tensors = tuple(tensors)
        self.array = _core.array_of([0] * len(tensors))
        self.address = _core.address_of(self.array)
        write_handles(self.tensors, self.address)


def zeros_beside(params: Iterable[Any]) -> tuple[Any, ...]:
    """Return a Tensor of zeros for each parameter."""
    return tuple(zeros_like(p) for p in params)


class SGD(Optimizer):
    """Gradient descent with momentum (Sutskever et al. 2013), as PyTorch computes it.

    g = grad + weight_decay * p; grad where weight_decay is 0
    buffer = 0 * buffer + g in its first step, then momentum * buffer + (1 - dampening) * g
    p = p - lr * g without momentum, lr * buffer with, lr * (g + momentum * buffer) with nesterov

    Args:
        params, lr, weight_decay: as for Optimizer.
        momentum: the share of the last buffer that remains.
        dampening: the share of g that does not enter the buffer.
        nesterov: look one step ahead; needs momentum, and no dampening.

    Attributes:
        buffers: a Tensor for each parameter; None before the first step with momentum.
        begun: for each parameter, whether its buffer has made its first step.
        steps: for each parameter, how many steps it has made.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
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
        self.buffers: tuple[Any, ...] | None = None
        self.begun = [False] * len(self.params)

    def _move(self, some: Sequence[int], step: int) -> None:
        momentum = as_float(self.momentum)
        if not momentum:
            self._move_with(some, None, False, momentum)
            return
        if self.buffers is None:
            self.buffers = zeros_beside(self.params)
        if False not in self.begun:
            self._move_with(some, self.buffers, False, momentum)
            return
        old = [i for i in some if self.begun[i]]
        new = [i for i in some if not self.begun[i]]
        if old:
            self._move_with(old, self.buffers, False, momentum)
        if new:
            self._move_with(new, self.buffers, True, momentum)
        for i in new:
            self.begun[i] = True

    def _move_with(
        self, some: Sequence[int], buffers: Any, new_buffers: bool, momentum: float
    ) -> None:
        """Move the parameters of these numbers; their buffers are all new, or none is."""
        _core.array_sgd_step(
            self._of(some, self.params, "params"),
            None if buffers is None else self._of(some, buffers, "buffers"),
            new_buffers,
            as_float(self.lr),
            momentum,
            as_float(self.dampening),
            as_float(self.weight_decay),
            self.nesterov,
        )


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980), as PyTorch computes it.

    g = grad + weight_decay * p; grad where weight_decay is 0
    m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * (g * g)
    p = 1 * p - lr / (1 - beta1**t) * (m / (sqrt(v) / sqrt(1 - beta2**t) + eps))

    Args:
        params, lr, weight_decay: as for Optimizer.
        betas: beta1 and beta2.
        eps: keeps the divisor above 0.

    Attributes:
        m, v: the running means, a Tensor for each parameter.
        steps: for each parameter, how many steps it has made; t is that number from 1.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        beta1, beta2 = betas
        self.betas = as_beta("beta1", beta1), as_beta("beta2", beta2)
        self.eps = not_negative("eps", eps)
        self.m = zeros_beside(self.params)
        self.v = zeros_beside(self.params)

    def _move(self, some: Sequence[int], step: int) -> None:
        beta1, beta2 = self.betas
        _core.array_adam_step(
            self._of(some, self.params, "params"),
            self._of(some, self.m, "m"),
            self._of(some, self.v, "v"),
            step,
            as_float(self.lr),
            (as_float(beta1), as_float(beta2)),
            as_float(self.eps),
            as_float(self.weight_decay),
            self.decoupled,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).

    As Adam, with g = grad and 1 - lr * weight_decay in place of 1.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)
