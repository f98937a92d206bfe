"""Values as the parameters of a group: their state is C arrays of doubles."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from .. import _core
from ..arithmetic import is_ieee
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
    rules = ("adam", "sgd")
    _buffer: Any
    _begun: Any  # whether the buffer has made its first step
    _m: Any
    _v: Any
    _t: Any

    def check(self, p: Any) -> None:
        for name in ("data", "grad"):
            if getattr(type(p), name) is not getattr(_core.ValueBase, name):
                raise TypeError(
                    f"an optimizer sets {name} in C, and {type(p).__name__} has a {name} of its own"
                )
        super().check(p)

    def changed(self) -> None:
        self._handles = _core.array_of([p._handle for p in self._params])

    def begin(self, update: Any, shown: Sequence[str]) -> None:
        """Remember nothing yet."""
        if update.name == "sgd":
            self.begin_sgd()
        elif update.name == "adam":
            self.begin_adam()

    @staticmethod
    def move(optimizer: Any) -> None:
        """Make a step of an optimizer, of one group after the other."""
        _core.note_step(optimizer)
        for group in optimizer.param_groups:
            arm = getattr(group["params"], "arm", None) or optimizer._arm_of(group)
            if group["maximize"] or group.get("amsgrad"):
                optimizer._check_kind(arm, group)
            if optimizer._update.name == "sgd":
                arm.sgd_step(group)
            else:
                arm.adam_step(group)

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

    # ---- state by names

    def state_of(self, i: int) -> dict[str, Any]:
        if "buffer" in self.state:
            return {"momentum_buffer": self._buffer[i]} if self._begun[0] else {}
        if "m" not in self.state or not self.t:
            return {}
        return {"step": self.t, "exp_avg": self._m[i], "exp_avg_sq": self._v[i]}

    def take_states(self, states: Sequence[Mapping[str, Any]]) -> None:
        self.check_state(states)
        if "buffer" in self.state:
            buffers = [state.get("momentum_buffer") for state in states]
            begun = any(x is not None for x in buffers)
            self.buffer = [0.0 if x is None else x for x in buffers] if begun else None
        elif "m" in self.state:
            steps = {int(state.get("step", 0)) for state in states} or {0}
            if len(steps) > 1:
                raise ValueError(f"Values of a group make the same number of steps, not {steps}")
            m = self.doubles([state.get("exp_avg", 0.0) for state in states])
            v = self.doubles([state.get("exp_avg_sq", 0.0) for state in states])
            self.t, self._m, self._v = steps.pop(), m, v

    # ---- SGD

    @property
    def buffer(self) -> list[float] | None:
        """The momentum buffer; None before the first step."""
        return list(self._buffer) if self._begun[0] else None

    @buffer.setter
    def buffer(self, numbers: Sequence[float] | None) -> None:
        buffer = None if numbers is None else self.doubles(numbers)
        self._buffer, self._begun = buffer, _core.truths([numbers is not None])

    def begin_sgd(self) -> None:
        """Remember nothing yet."""
        self.state = ("buffer",)
        self._buffer, self._begun = None, _core.truths([False])

    def velocity(self, momentum: float) -> Any:
        """Return the buffer that a step with this momentum uses, or None."""
        count = len(self._params)
        if momentum and self._buffer is None:
            self._buffer = _core.doubles(count)
        elif momentum and len(self._buffer) != count:
            self.check_state(self._buffer)
        return self._buffer if momentum else None

    def sgd_step(self, group: Mapping[str, Any]) -> None:
        """Move every parameter once."""
        momentum = as_float(group["momentum"])
        self.tell(group)
        _core.sgd_step(
            self._handles,
            len(self._params),
            self.velocity(momentum),
            self._begun,
            as_float(group["lr"]),
            momentum,
            as_float(group["dampening"]),
            as_float(group["weight_decay"]),
            bool(group["nesterov"]),
        )

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

    @property
    def t(self) -> int:
        """The number of steps made."""
        return int(self._t[0])

    @t.setter
    def t(self, number: int) -> None:
        self._t = _core.counts([number])

    def check_means(self) -> None:
        """Refuse means of more or fewer parameters than there are."""
        if not len(self._m) == len(self._v) == len(self._params):
            self.check_state(self._m)
            self.check_state(self._v)

    def adam_step(self, group: Mapping[str, Any]) -> None:
        """Move every parameter once."""
        self.check_means()
        beta1, beta2 = group["betas"]
        self.tell(group)
        _core.adam_step(
            self._handles,
            len(self._params),
            self._m,
            self._v,
            self._t,
            as_float(group["lr"]),
            (as_float(beta1), as_float(beta2)),
            as_float(group["eps"]),
            as_float(group["weight_decay"]),
            bool(group["decoupled_weight_decay"]),
            is_ieee(),
        )

    # ---- programs

    def tell(self, group: Mapping[str, Any]) -> None:
        """Tell a recording under way of the step that comes."""
        recording = _core.recording()
        if recording is not None:
            recording.update(self._handles, functools.partial(self.step_of, group))

    def step_of(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a step is made of, by the names of the core's mg_number_update."""
        fields = {"lr": as_float(group["lr"]), "weight_decay": as_float(group["weight_decay"])}
        if "buffer" in self.state:
            momentum, dampening = as_float(group["momentum"]), as_float(group["dampening"])
            fields |= {"beta1": momentum, "beta2": dampening, "nesterov": bool(group["nesterov"])}
            return {**fields, "first": self.velocity(momentum), "begun": self._begun}
        self.check_means()
        beta1, beta2 = (as_float(beta) for beta in group["betas"])
        fields |= {"is_adam": True, "decoupled": bool(group["decoupled_weight_decay"])}
        fields |= {"beta1": beta1, "beta2": beta2, "epsilon": as_float(group["eps"])}
        return {**fields, "first": self._m, "second": self._v, "steps": self._t}
