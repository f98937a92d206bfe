"""Tensors as the parameters of a group, and what a rule remembers of them.

A parameter without a gradient is left as it is, and its own count of steps does not go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import _core
from ..errors import DTypeError
from ..scalars import as_float
from ..tensors.conversion import as_tensor, new
from ..tensors.creation import zeros_like
from ..tensors.dtypes import float32, float64
from .parameters import Parameters

__all__ = ["TensorParameters", "state_like", "working"]

step_at_once = _core.TensorBase._update


def scalar(number: float) -> Any:
    """Return a number of a parameter's state, such as its count of steps, as a Tensor."""
    return new(number, float64)


def with_address(array: Any) -> tuple[Any, Any]:
    """Return a C array and where it lies, which holds as long as the array lives."""
    return array, _core.address_of(array)


def working_type(p: Any) -> Any:
    """Return the type that a parameter is computed in, and its state kept: float32 or wider."""
    return float64 if p.dtype is float64 else float32


def working(x: Any, p: Any) -> Any:
    """Return the elements of what belongs to a parameter in the type that steps compute in."""
    kind = working_type(p)
    x = x.detach() if x.requires_grad else x
    return x if x.dtype is kind else x.to(kind)


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


# What of a rule's state has a name of its own.
ATTRIBUTES = {"m": "exp_avg", "v": "exp_avg_sq", "buffers": "momentum_buffer", "begun": "begun"}


class Array:
    """An array of state as an attribute, a Tensor for each parameter; None before its first."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, parameters: Any, owner: type) -> Any:
        return parameters.arrays[parameters.update.arrays.index(self.name)]

    def __set__(self, parameters: Any, tensors: Any) -> None:
        arrays = list(parameters.arrays)
        arrays[parameters.update.arrays.index(self.name)] = tensors
        parameters.arrays = arrays


class TensorParameters(Parameters):
    """Tensors, and what a rule remembers of them.

    Attributes:
        update: the rule, as the library has it; None: the optimizer remembers by itself.
        arrays: of each array of the rule, a tuple with a Tensor for each parameter, or None.
        scalars: of each scalar of the rule, a number for each parameter.
        steps: for each parameter, how many steps it has made.
        held: all of these as C takes them.
    """

    kind = "Tensors"
    base = _core.TensorBase
    state: tuple[str, ...] = ("arrays", "scalars", "steps")
    m, v, buffers = (Array(ATTRIBUTES[name]) for name in ("m", "v", "buffers"))
    update: Any = None
    _arrays: Any = ()
    _scalars: Any = None
    _steps: Any = None

    def begin(self, update: Any, shown: Sequence[str]) -> None:
        """Remember nothing yet.

        Args:
            update: the row of the library.
            shown: which numbers a state has, "step" among them.
        """
        count = len(self._params)
        self.update, self.shown = update, shown
        self.steps = [0] * count
        self.scalars = [[0.0] * count for _ in update.scalars]
        self.arrays = [
            None if name in update.conditions else self.beside([None] * count)
            for name in update.arrays
        ]

    def hold(self) -> None:
        """Take notice that something else is remembered."""
        self.held = self._params, self._arrays, self._steps, self._scalars

    changed = hold

    @property
    def names(self) -> Sequence[str]:
        """What an optimizer of this rule has as attributes."""
        if self.update is None:
            return ()
        kept = {*self.update.arrays, *self.update.scalars}
        return (*(name for name, of in ATTRIBUTES.items() if of in kept), "steps")

    @property
    def arrays(self) -> Any:
        """Of each array of the rule, a Tensor for each parameter, or None."""
        return self._arrays

    @arrays.setter
    def arrays(self, arrays: Sequence[Any]) -> None:
        self._arrays = tuple(None if x is None else tuple(x) for x in arrays)
        self.hold()

    @property
    def scalars(self) -> list[list[float]]:
        """Of each scalar of the rule, a number for each parameter."""
        count, numbers = len(self._params), list(self._scalars[0])
        return [numbers[k * count : (k + 1) * count] for k in range(len(self.update.scalars))]

    @scalars.setter
    def scalars(self, numbers: Sequence[Sequence[float]]) -> None:
        together = [as_float(x) for row in numbers for x in row]
        array = _core.doubles(len(together))
        array[0 : len(together)] = together
        self._scalars = with_address(array)
        self.hold()

    @property
    def steps(self) -> list[int]:
        """For each parameter, how many steps it has made."""
        return list(self._steps[0])

    @steps.setter
    def steps(self, numbers: Sequence[int]) -> None:
        self._steps = with_address(_core.counts(numbers))
        self.hold()

    @property
    def begun(self) -> list[bool]:
        """For each parameter, whether its buffer has made its first step."""
        return [x != 0.0 for x in self.scalars[self.update.scalars.index("begun")]]

    @begun.setter
    def begun(self, truths: Sequence[bool]) -> None:
        self.scalars = [[float(bool(x)) for x in truths]]

    def check(self, p: Any) -> None:
        super().check(p)
        if not p.is_floating_point():
            raise DTypeError(f"parameters are of a type of floats, not {p.dtype.name}")

    def zero_grad(self, set_to_none: bool) -> None:
        """Take the gradients of all parameters away, or set those that there are to 0."""
        for p in self._params:
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                if p.grad.requires_grad:
                    p.grad = p.grad.detach()
                p.grad.zero_()

    # ---- steps

    @staticmethod
    def move(optimizer: Any) -> None:
        """Make a step of an optimizer, of all of its groups in one call, or of none."""
        _core.note_step(optimizer)
        groups: tuple[Any, ...] = ()
        for group in optimizer.param_groups:
            arm = getattr(group["params"], "arm", None) or optimizer._arm_of(group)
            groups += (arm.held, group)
        status = step_at_once(optimizer._plan, *groups)
        if status != 0:
            groups = ()
            for group in optimizer.param_groups:
                groups += optimizer._arm_of(group).fit(optimizer._plan, group)
            status = step_at_once(optimizer._plan, *groups)
            _core.check(status, f"{type(optimizer).__name__} step")  # type: ignore[arg-type]
        _core.note_update(optimizer)

    def fit(self, plan: Any, group: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return what C takes of a group, after a look at all of it.

        Options become floats, such as a rate that is a Tensor; arrays that are needed from now on
        are made, and others follow the types of their parameters.
        """
        options: dict[str, Any] = {}
        for key, place in plan[1]:
            x = group[key]
            for y in x if place >= 0 else (x,):
                if isinstance(y, _core.TensorBase):
                    _core.refuse_recording(f"a Tensor as {key}")
            options[key] = tuple(as_float(y) for y in x) if place >= 0 else as_number(x)
        with _core.unrecorded():
            self.make_arrays(options)
        return self.held, options

    def make_arrays(self, options: Mapping[str, Any]) -> None:
        """Make arrays that are needed, and have others follow the types of their parameters."""
        self.check_state(self._steps[0])
        arrays: list[Any] = []
        for name, tensors in zip(self.update.arrays, self._arrays, strict=True):
            condition = self.update.conditions.get(name)
            if tensors is not None:
                self.check_state(tensors)
                tensors = self.beside(tensors)
            elif condition is None or options[condition]:
                tensors = self.beside([None] * len(self._params))
            arrays.append(tensors)
        self.arrays = arrays

    def beside(self, found: Sequence[Any]) -> tuple[Any, ...]:
        """Return Tensors that C takes beside the parameters; zeros for None."""
        return tuple(
            zeros_like(p, dtype=working_type(p)).contiguous()
            if x is None
            else working(x, p).expand(p.shape).contiguous()
            for p, x in zip(self._params, found, strict=True)
        )

    # ---- state by names

    def has_state(self, i: int) -> bool:
        """Tell whether something is remembered of a parameter."""
        if "begun" in self.update.scalars:
            return self.begun[i]
        return bool(self._steps[0][i])

    def state_of(self, i: int) -> dict[str, Any]:
        if self.update is None or not self.has_state(i):
            return {}
        found = {"step": scalar(self._steps[0][i])} if "step" in self.shown else {}
        for name, numbers in zip(self.update.scalars, self.scalars, strict=True):
            if name in self.shown:
                found[name] = scalar(numbers[i])
        for name, tensors in zip(self.update.arrays, self._arrays, strict=True):
            if tensors is not None:
                found[name] = tensors[i]
        return found

    def take_states(self, states: Sequence[Mapping[str, Any]]) -> None:
        if self.update is None:
            return
        self.check_state(states)
        arrays = []
        for name in self.update.arrays:
            found = [state.get(name) for state in states]
            is_kept = name not in self.update.conditions or any(x is not None for x in found)
            arrays.append(self.beside(found) if is_kept else None)
        scalars = [
            [
                as_float(state.get(name, 0.0)) if name in self.shown else float(bool(state))
                for state in states
            ]
            for name in self.update.scalars
        ]
        if "step" in self.shown:
            steps = [int(state.get("step", 0)) for state in states]
        elif "begun" in self.update.scalars:
            steps = self.steps
        else:  # which one it is does not matter
            steps = [max(n, 1) if x else 0 for n, x in zip(self.steps, states, strict=True)]
        self.steps, self.scalars, self.arrays = steps, scalars, arrays


def as_number(x: Any) -> Any:
    """Return an option as C takes it, a float or a bool."""
    return x if isinstance(x, bool) else as_float(x)
