"""Tensors as the parameters of an optimizer: a step on all of them in place, in one call.

A parameter without a gradient is left as it is, and its own count of steps does not go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .. import _core
from ..errors import DTypeError
from ..tensors.creation import zeros_like
from ..tensors.dtypes import float32, float64
from .parameters import Parameters

__all__ = ["TensorParameters"]

write_handles = _core.TensorBase._handles


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


class TensorParameters(Parameters):
    """Tensors, and what SGD or Adam remember of them.

    Attributes:
        steps: for each parameter, how many steps it has made.
        buffers, begun: SGD's, a Tensor for each, or None; whether each has made its first step.
        m, v: Adam's means, a Tensor for each.
    """

    kind = "Tensors"
    base = _core.TensorBase
    state: tuple[str, ...] = ("steps",)
    buffers: Any
    begun: list[bool]
    m: tuple[Any, ...]
    v: tuple[Any, ...]

    def __init__(self, params: tuple[Any, ...]) -> None:
        super().__init__(params)
        self.steps = [0] * len(params)

    def check(self, p: Any) -> None:
        super().check(p)
        if p.dtype not in (float32, float64):
            raise DTypeError(f"parameters are of float32 or float64, not {p.dtype.name}")
        if not p.is_contiguous():
            raise ValueError(f"a parameter of shape {p.shape} is not contiguous; use contiguous()")

    def changed(self) -> None:
        self._nodes: dict[str, Nodes] = {}

    def zero_grad(self, set_to_none: bool) -> None:
        """Take the gradients of all parameters away, or set those that there are to 0."""
        for p in self._params:
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                if p.grad.requires_grad:
                    p.grad = p.grad.detach()
                p.grad.zero_()

    def groups(self) -> list[tuple[int, list[int]]]:
        """Return the numbers of parameters that have a gradient, by how many steps they made."""
        steps = self.steps
        some = [i for i, p in enumerate(self._params) if p.grad is not None]
        if some and steps.count(steps[some[0]]) == len(steps):  # gradients do not come and go
            return [(steps[some[0]], some)]
        counts = sorted({steps[i] for i in some})
        return [(count, [i for i in some if steps[i] == count]) for count in counts]

    def nodes(self, some: Sequence[int], tensors: Sequence[Any], name: str) -> Any:
        """Return a C array of the nodes of some of the tensors; name is theirs."""
        if len(some) < len(self._params):
            self.check_state(tensors)
            return Nodes(tuple(tensors[i] for i in some)).array
        nodes = self._nodes.get(name)
        if nodes is None or nodes.tensors is not tensors:
            self.check_state(tensors)
            nodes = self._nodes[name] = Nodes(tensors)
        else:
            write_handles(tensors, nodes.address)
        return nodes.array

    # ---- SGD

    def begin_sgd(self) -> None:
        """Have no buffers before there is momentum."""
        self.state = ("buffers", "begun", "steps")
        self.buffers = None
        self.begun = [False] * len(self._params)

    def sgd_step(
        self, lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool
    ) -> None:
        """Move every parameter that has a gradient once."""
        for steps, some in self.groups():
            if momentum and (self.buffers is None or False in self.begun):
                self.begin_buffers(some, (lr, momentum, dampening, weight_decay, nesterov))
            else:
                _core.array_sgd_step(
                    self.nodes(some, self._params, "params"),
                    self.nodes(some, self.buffers, "buffers") if momentum else None,
                    False,
                    lr,
                    momentum,
                    dampening,
                    weight_decay,
                    nesterov,
                )
            for i in some:
                self.steps[i] = steps + 1

    def begin_buffers(self, some: Sequence[int], rule: tuple[Any, ...]) -> None:
        """Move parameters some of whose buffers have not made their first step."""
        if self.buffers is None:
            self.buffers = zeros_beside(self._params)
        for begun in (True, False):
            part = [i for i in some if self.begun[i] is begun]
            if part:
                params = self.nodes(part, self._params, "params")
                buffers = self.nodes(part, self.buffers, "buffers")
                _core.array_sgd_step(params, buffers, not begun, *rule)
        for i in some:
            self.begun[i] = True

    # ---- Adam

    def begin_adam(self) -> None:
        """Begin with means of 0."""
        self.state = ("m", "v", "steps")
        self.m = zeros_beside(self._params)
        self.v = zeros_beside(self._params)

    def adam_step(
        self,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled: bool,
    ) -> None:
        """Move every parameter that has a gradient once."""
        for steps, some in self.groups():
            _core.array_adam_step(
                self.nodes(some, self._params, "params"),
                self.nodes(some, self.m, "m"),
                self.nodes(some, self.v, "v"),
                steps + 1,
                lr,
                betas,
                eps,
                weight_decay,
                decoupled,
            )
            for i in some:
                self.steps[i] = steps + 1
