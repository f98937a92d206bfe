"""Tensors as the parameters of a group: a step of SGD or Adam on all of them in place, in one call.

A parameter without a gradient is left as it is, and its own count of steps does not go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import _core
from ..errors import DTypeError
from ..tensors.conversion import as_tensor, new
from ..tensors.creation import zeros_like
from ..tensors.dtypes import float32, float64
from .parameters import Parameters, Rule, as_floats

__all__ = ["TensorParameters", "state_like", "working"]

write_handles = _core.TensorBase._handles
sgd_at_once, adam_at_once = _core.TensorBase._sgd, _core.TensorBase._adam


class Nodes:
    """The nodes of Tensors as a C array; write_handles() notices that a Tensor has another."""

    def __init__(self, tensors: Sequence[Any]) -> None:
        self.tensors = tuple(tensors)
        self.array = _core.array_of([0] * len(tensors))
        self.address = _core.address_of(self.array)
        write_handles(self.tensors, self.address)


def scalar(number: float) -> Any:
    """Return a number of a parameter's state, such as its count of steps, as a Tensor."""
    return new(number, float64)


def with_address(array: Any) -> tuple[Any, Any]:
    """Return a C array and where it lies, which holds as long as the array lives."""
    return array, _core.address_of(array)


def working_type(p: Any) -> Any:
    """Return the type that a parameter is computed in, and its state kept: float32 or wider."""
    return float64 if p.dtype is float64 else float32


def zeros_beside(params: Iterable[Any]) -> tuple[Any, ...]:
    """Return a Tensor of zeros for each parameter."""
    return tuple(zeros_like(p, dtype=working_type(p)).contiguous() for p in params)


def working(x: Any) -> Any:
    """Return the elements of a parameter or of a gradient in the type that steps compute in."""
    kind = working_type(x)
    return x.detach() if x.dtype is kind else x.detach().to(kind)


def state_like(name: str, x: Any, p: Any, is_shaped: bool) -> Any:
    """Return a copy of a saved Tensor or array of state, for parameter p; see `converted`."""
    made = as_tensor(x).detach()
    if made.is_floating_point():
        made = made.to(working_type(p))
    if is_shaped and made.shape != p.shape and made.numel() != 1:
        raise ValueError(
            f"the state {name!r} of shape {tuple(made.shape)} is not of the parameter's shape, "
            f"{tuple(p.shape)}"
        )
    return made.clone()


class TensorParameters(Parameters):
    """Tensors, and what SGD or Adam remember of them.

    Attributes:
        steps: for each parameter, how many steps it has made.
        buffers, begun: SGD's, a Tensor for each, or None; whether each has made its first step.
        m, v: Adam's means, a Tensor for each.
        largest: with amsgrad, the largest v that there was, a Tensor for each, or None.
    """

    kind = "Tensors"
    base = _core.TensorBase
    state: tuple[str, ...] = ("steps",)
    buffers: Any
    m: tuple[Any, ...]
    v: tuple[Any, ...]
    largest: list[Any]

    def __init__(self, params: tuple[Any, ...]) -> None:
        super().__init__(params)
        self.steps = [0] * len(params)

    @property
    def steps(self) -> list[int]:
        """For each parameter, how many steps it has made."""
        return list(self._steps[0])

    @steps.setter
    def steps(self, numbers: Sequence[int]) -> None:
        self._steps = with_address(_core.counts(numbers))

    @property
    def begun(self) -> list[bool]:
        """For each parameter, whether its buffer has made its first step."""
        return [bool(truth) for truth in self._begun[0]]

    @begun.setter
    def begun(self, truths: Sequence[bool]) -> None:
        self._begun = with_address(_core.truths(truths))

    def check(self, p: Any) -> None:
        super().check(p)
        if not p.is_floating_point():
            raise DTypeError(f"parameters are of a type of floats, not {p.dtype.name}")

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

    def moving(self, state: Any) -> tuple[list[int], list[int]]:
        """Return the parameters that have a gradient, in groups of which state is the same.

        Returns:
            Their numbers, and where each group ends.
        """
        self.check_state(state)
        some = [i for i, p in enumerate(self._params) if p.grad is not None]
        kinds = sorted({state[i] for i in some})
        if len(kinds) < 2:
            return some, [len(some)]
        some.sort(key=lambda i: kinds.index(state[i]))
        order = [kinds.index(state[i]) for i in some]
        return some, [order.index(k) for k in range(1, len(kinds))] + [len(some)]

    def numbers(self, some: Sequence[int]) -> Any:
        """Return the numbers of some parameters as a C array; None for all in their order."""
        in_order = len(some) == len(self._params) and list(some) == list(range(len(some)))
        return None if in_order else _core.counts(some)

    def nodes(self, which: Any, tensors: Sequence[Any], name: str) -> Any:
        """Return a C array of the nodes of some of the tensors, or of all; name is theirs."""
        self.check_state(tensors)
        if which is not None:
            return Nodes(tuple(tensors[i] for i in which)).array
        nodes = self._nodes.get(name)
        if nodes is None or nodes.tensors is not tensors:
            nodes = self._nodes[name] = Nodes(tensors)
        else:
            write_handles(tensors, nodes.address)
        return nodes.array

    def are_plain(self) -> bool:
        """Tell whether C takes all parameters."""
        return all(p.is_contiguous() and p.dtype in (float32, float64) for p in self._params)

    # ---- state by names

    def state_of(self, i: int) -> dict[str, Any]:
        if "buffers" in self.state:
            return {"momentum_buffer": self.buffers[i]} if self._begun[0][i] else {}
        if "m" not in self.state or not self._steps[0][i]:
            return {}
        found = {"step": scalar(self._steps[0][i]), "exp_avg": self.m[i], "exp_avg_sq": self.v[i]}
        return found if self.largest[i] is None else {**found, "max_exp_avg_sq": self.largest[i]}

    def take_states(self, states: Sequence[Mapping[str, Any]]) -> None:
        if "buffers" in self.state:
            found = [state.get("momentum_buffer") for state in states]
            begun = [x is not None for x in found]
            self.buffers = self.beside(found) if any(begun) else None
            self.begun = begun
        elif "m" in self.state:
            steps = [int(state.get("step", 0)) for state in states]
            m = self.beside([state.get("exp_avg") for state in states])
            v = self.beside([state.get("exp_avg_sq") for state in states])
            self.largest = [state.get("max_exp_avg_sq") for state in states]
            self.steps, self.m, self.v = steps, m, v

    def beside(self, found: Sequence[Any]) -> tuple[Any, ...]:
        """Return Tensors that C takes beside the parameters; zeros for None."""
        return tuple(
            zeros_beside([p])[0] if x is None else x.contiguous()
            for p, x in zip(self._params, found, strict=True)
        )

    def count_steps(self, moved: Sequence[int]) -> None:
        """Count a step of SGD, whose state has no count, for some parameters."""
        if "buffers" in self.state:
            for i in moved:
                self._steps[0][i] += 1

    # ---- SGD

    def begin_sgd(self) -> None:
        """Have no buffers before there is momentum."""
        self.state = ("buffers", "begun", "steps")
        self.buffers = None
        self.begun = [False] * len(self._params)

    def sgd_step(self, rule: Rule, nesterov: bool) -> bool:
        """Move every parameter that has a gradient once; False: C does not take them all."""
        momentum = rule[1]
        if momentum and self.buffers is None:
            self.buffers = zeros_beside(self._params)
        buffers: Any = self.buffers if momentum else None
        if sgd_at_once(self._params, buffers, None, self._steps, rule, self._begun, nesterov):
            return True
        rule = as_floats(rule)
        if not self.are_plain():
            return False
        self.check_state(self._steps[0])
        some, ends = self.moving(self.begun if momentum else [True] * len(self._params))
        which = self.numbers(some)
        _core.array_sgd_step(
            ends,
            which,
            self.nodes(which, self._params, "params"),
            self.nodes(which, buffers, "buffers") if momentum else None,
            self._begun[0],
            self._steps[0],
            (*rule, nesterov),
        )
        return True

    # ---- Adam

    def begin_adam(self) -> None:
        """Begin with means of 0."""
        self.state = ("m", "v", "steps", "largest")
        self.largest = [None] * len(self._params)
        self.m = zeros_beside(self._params)
        self.v = zeros_beside(self._params)

    def adam_step(self, rule: Rule, decoupled: bool) -> bool:
        """Move every parameter that has a gradient once; False: C does not take them all."""
        if adam_at_once(self._params, self.m, self.v, self._steps, rule, decoupled):
            return True
        rule = as_floats(rule)
        if not self.are_plain():
            return False
        some, ends = self.moving(self.steps)
        which = self.numbers(some)
        _core.array_adam_step(
            ends,
            which,
            self.nodes(which, self._params, "params"),
            self.nodes(which, self.m, "m"),
            self.nodes(which, self.v, "v"),
            self._steps[0],
            (*rule, decoupled),
        )
        return True
