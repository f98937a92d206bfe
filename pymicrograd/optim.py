"""Optimizers on the C core: the reference's, with each step in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import _core
from .reference import optim as reference
from .reference.value import as_float
from .value import Value

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]


class Optimizer(reference.Optimizer):
    __doc__ = reference.Optimizer.__doc__
    value_type = Value
    _arrays: tuple[str, ...] = ()  # attributes whose numbers lie in C arrays

    @property
    def params(self) -> Any:
        """The parameters, a tuple."""
        return self._params

    @params.setter
    def params(self, params: Iterable[Any]) -> None:
        self._params = tuple(params)
        self._handles = _core.array_of([p._handle for p in self._params])

    def refusal(self, p: Any) -> str:
        text = super().refusal(p)
        if isinstance(p, _core.TensorBase):
            text += "; pymicrograd.tensor_optim has optimizers for Tensors"
        return text

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


class SGD(Optimizer, reference.SGD):
    __doc__ = reference.SGD.__doc__
    _arrays = ("buffer",)

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


class Adam(Optimizer, reference.Adam):
    __doc__ = reference.Adam.__doc__
    _arrays = ("m", "v")

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
    __doc__ = reference.AdamW.__doc__
    decoupled = True


def doubles(numbers: Sequence[float], count: int) -> Any:
    """Return a C array of an optimizer's state, one number per parameter."""
    if len(numbers) != count:
        raise ValueError(f"{count} parameters have {count} numbers of state, not {len(numbers)}")
    array = _core.doubles(count)
    array[0:count] = [as_float(x) for x in numbers]
    return array
