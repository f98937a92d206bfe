"""Values as the parameters of an optimizer: their state is C arrays of doubles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _core
from ..scalars import as_float
from .parameters import Parameters

__all__ = ["ValueParameters"]


class ValueParameters(Parameters):
    """Values, and what SGD or Adam remember of them.

    Attributes:
        buffer: SGD's, a number for each Value, or None.
        m, v, t: Adam's means, a number for each Value, and number of steps.
    """

    kind = "Values"
    base = _core.ValueBase
    state: tuple[str, ...] = ()
    _buffer: Any
    _m: Any
    _v: Any
    t: int

    def check(self, p: Any) -> None:
        for name in ("data", "grad"):
            if getattr(type(p), name) is not getattr(_core.ValueBase, name):
                raise TypeError(
                    f"an optimizer sets {name} in C, and {type(p).__name__} has a {name} of its own"
                )
        super().check(p)

    def changed(self) -> None:
        self._handles = _core.array_of([p._handle for p in self._params])

    def zero_grad(self, set_to_none: bool) -> None:
        """Set the gradient of every parameter to 0.0."""
        _core.zero_gradients(self._handles, len(self._params))

    def doubles(self, numbers: Sequence[float]) -> Any:
        """Return numbers, one for each parameter, as a C array."""
        count = len(self._params)
        if len(numbers) != count:
            raise ValueError(
                f"{count} parameters have {count} numbers of state, not {len(numbers)}"
            )
        array = _core.doubles(count)
        array[0:count] = [as_float(x) for x in numbers]
        return array

    # ---- SGD

    @property
    def buffer(self) -> list[float] | None:
        """The momentum buffer; None before the first step."""
        return None if self._buffer is None else list(self._buffer)

    @buffer.setter
    def buffer(self, numbers: Sequence[float] | None) -> None:
        self._buffer = None if numbers is None else self.doubles(numbers)

    def begin_sgd(self) -> None:
        """Remember nothing yet."""
        self.state = ("buffer",)
        self._buffer = None

    def sgd_step(
        self, lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool
    ) -> None:
        """Move every parameter once."""
        count, buffer = len(self._params), self._buffer
        first = buffer is None
        if momentum and first:
            buffer = _core.doubles(count)
        elif momentum and len(buffer) != count:
            self.check_state(buffer)
        _core.sgd_step(
            self._handles, count, buffer, first, lr, momentum, dampening, weight_decay, nesterov
        )
        self._buffer = buffer if momentum else None

    # ---- Adam

    @property
    def m(self) -> list[float]:
        """The running mean of gradients, a number for each parameter."""
        return list(self._m)

    @m.setter
    def m(self, numbers: Sequence[float]) -> None:
        self._m = self.doubles(numbers)

    @property
    def v(self) -> list[float]:
        """The running mean of squared gradients, a number for each parameter."""
        return list(self._v)

    @v.setter
    def v(self, numbers: Sequence[float]) -> None:
        self._v = self.doubles(numbers)

    def begin_adam(self) -> None:
        """Begin with means of 0.0."""
        self.state = ("m", "v", "t")
        self._m, self._v = (_core.doubles(len(self._params)) for _ in range(2))
        self.t = 0

    def adam_step(
        self,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled: bool,
    ) -> None:
        """Move every parameter once."""
        m, v, count, t = self._m, self._v, len(self._params), self.t + 1
        if not len(m) == len(v) == count:
            self.check_state(m)
            self.check_state(v)
        _core.adam_step(self._handles, count, m, v, t, lr, betas, eps, weight_decay, decoupled)
        self.t = t
