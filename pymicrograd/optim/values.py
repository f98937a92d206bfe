"""Optimizers of Values; a step is one call into C."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .. import _core
from ..scalars import as_beta, as_float, not_negative
from ..value import Value

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]


class Optimizer:
    """What all optimizers share: the parameters and their gradients.

    Args:
        params: Values, such as `model.parameters()`.
        lr: the learning rate.
        weight_decay: how strongly parameters are drawn to 0.

    Raises:
        TypeError: something in params is not a Value.
        ValueError: there are no parameters, or one twice; a hyperparameter is out of range.
    """

    _arrays: tuple[str, ...] = ()  # attributes whose numbers lie in C arrays

    def __init__(self, params: Iterable[Any], lr: float, weight_decay: float) -> None:
        params = tuple(params)
        for p in params:
            if not isinstance(p, Value):
                raise TypeError(self.refusal(p))
        if not params:
            raise ValueError("an optimizer needs at least one parameter")
        if len({id(p) for p in params}) < len(params):
            raise ValueError("a parameter is given twice")
        self.params: Any = params
        self.lr = not_negative("lr", lr)
        self.weight_decay = not_negative("weight_decay", weight_decay)

    @property
    def params(self) -> Any:
        """The parameters, a tuple."""
        return self._params

    @params.setter
    def params(self, params: Iterable[Any]) -> None:
        self._params = tuple(params)
        self._handles = _core.array_of([p._handle for p in self._params])

    def refusal(self, p: Any) -> str:
        """Say why something is no parameter."""
        text = f"a parameter is a Value, not {type(p).__name__}"
        if isinstance(p, _core.TensorBase):
            text += "; pymicrograd.tensor_optim has optimizers for Tensors"
        return text

    def step(self) -> None:
        """Move every parameter once."""
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def _state(self, array: Any) -> Any:
        """Return a C array of the optimizer's state, if it fits the parameters."""
        if len(array) != len(self._params):
            raise ValueError(f"{len(self._params)} parameters, but state for {len(array)}")
        return array

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0.0."""
        _core.zero_gradients(self._handles, len(self.params))

    def __getstate__(self) -> dict[str, Any]:
        state = {"params": self.params}
        state.update((name, x) for name, x in vars(self).items() if not name.startswith("_"))
        state.update((name, getattr(self, name)) for name in self._arrays)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, x in state.items():
            setattr(self, name, x)

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

    _arrays = ("buffer",)

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

    @property
    def buffer(self) -> list[float] | None:
        """The momentum buffer, a number per parameter; None before the first step."""
        return None if self._buffer is None else list(self._buffer)

    @buffer.setter
    def buffer(self, numbers: Sequence[float] | None) -> None:
        self._buffer = None if numbers is None else doubles(numbers, len(self.params))

    def step(self) -> None:
        """Move every parameter once."""
        momentum = as_float(self.momentum)
        first = self._buffer is None
        buffer = self._buffer
        if momentum and first:
            buffer = _core.doubles(len(self.params))
        elif momentum:
            buffer = self._state(buffer)
        _core.sgd_step(
            self._handles,
            len(self.params),
            buffer,
            first,
            as_float(self.lr),
            momentum,
            as_float(self.dampening),
            as_float(self.weight_decay),
            self.nesterov,
        )
        self._buffer = buffer if momentum else None


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

    _arrays = ("m", "v")
    decoupled = False

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

    @property
    def m(self) -> list[float]:
        """The running mean of gradients, a number per parameter."""
        return list(self._m)

    @m.setter
    def m(self, numbers: Sequence[float]) -> None:
        self._m = doubles(numbers, len(self.params))

    @property
    def v(self) -> list[float]:
        """The running mean of squared gradients, a number per parameter."""
        return list(self._v)

    @v.setter
    def v(self, numbers: Sequence[float]) -> None:
        self._v = doubles(numbers, len(self.params))

    def step(self) -> None:
        """Move every parameter once."""
        beta1, beta2 = self.betas
        _core.adam_step(
            self._handles,
            len(self.params),
            self._state(self._m),
            self._state(self._v),
            self.t + 1,
            as_float(self.lr),
            (as_float(beta1), as_float(beta2)),
            as_float(self.eps),
            as_float(self.weight_decay),
            self.decoupled,
        )
        self.t += 1


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).

    As Adam, with g = grad and, in LLM101n's order,
    p -= lr * ((m / (1 - beta1**t)) / ((v / (1 - beta2**t))**0.5 + eps) + weight_decay * p)
    """

    decoupled = True


def doubles(numbers: Sequence[float], count: int) -> Any:
    """Return a C array of an optimizer's state, one number per parameter."""
    if len(numbers) != count:
        raise ValueError(f"{count} parameters have {count} numbers of state, not {len(numbers)}")
    array = _core.doubles(count)
    array[0:count] = [as_float(x) for x in numbers]
    return array
