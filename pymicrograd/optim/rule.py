"""Optimizers whose steps are made in C, by the objects that hold their groups of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from .. import _core
from ..scalars import as_beta, named_float, not_negative
from .optimizer import Optimizer, kept, refuse_state, tensor_or
from .states import States

__all__ = [
    "CHECKS",
    "Rule",
    "as_betas",
    "as_choice",
    "as_share",
    "implementation",
]


def as_betas(name: str, betas: Any) -> tuple[float, float]:
    """Return the shares of the past that two running means keep."""
    beta1, beta2 = betas
    return as_beta("beta1", beta1), as_beta("beta2", beta2)


def as_share(name: str, number: Any) -> float:
    """Return a share as a float in [0, 1]."""
    value = named_float(name, number)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is at least 0 and at most 1, not {number!r}")
    return value


def as_choice(name: str, x: Any) -> bool:
    """Return a truth."""
    return bool(x)


# How the options that many rules have are read.
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "lr": tensor_or(not_negative),
    "betas": as_betas,
    "eps": not_negative,
    "weight_decay": not_negative,
    "momentum": not_negative,
    "maximize": as_choice,
    "foreach": kept,
}


def implementation(
    foreach: bool | None = None,
    fused: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
) -> dict[str, Any]:
    """Return options of PyTorch's that choose how a step is computed, or refuse them.

    foreach and fused change no result, and are taken.

    Raises:
        RuntimeError: both are True.
        ValueError: capturable, which is of CUDA's graphs; differentiable: a step is not recorded.
    """
    if fused and differentiable:
        raise RuntimeError("fused=True and differentiable=True exclude each other")
    if fused and foreach:
        raise RuntimeError("fused=True and foreach=True exclude each other")
    if capturable:
        raise ValueError("capturable=True is for CUDA's graphs, and the only device is 'cpu'")
    if differentiable:
        raise ValueError(
            "differentiable=True: a step is not recorded; write it with operations of Tensors"
        )
    return {"foreach": foreach, "capturable": False, "differentiable": False}


# Numbers of C's rules that stand together in an option.
PLACES = {
    "beta1": ("betas", 0),
    "beta2": ("betas", 1),
    "shrink": ("etas", 0),
    "grow": ("etas", 1),
    "least": ("step_sizes", 0),
    "most": ("step_sizes", 1),
}


class Rule(Optimizer):
    """An optimizer whose steps are made in C, and whose state lies with its parameters.

    A subclass names its row of csrc/updates.def; its options have the names of the row's numbers.
    """

    _update: ClassVar[Any]
    _plan: ClassVar[Any]  # of the row, as TensorBase._update() takes it

    def __init_subclass__(cls, update: str = "", **named: Any) -> None:
        super().__init_subclass__(**named)
        if update:
            row = cls._update = _core.update_named(update)
            names = tuple(PLACES.get(name, (name, -1)) for name in row.numbers)
            cls._plan = row.number, names, len(row.arrays), len(row.scalars)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with _core.enable_grad():
                loss = closure()
        self._arm_type.move(self)
        return loss

    step.__doc__ = Optimizer.step.__doc__

    def _begin_state(self, arm: Any) -> None:
        arm.begin(self._update, self.numbers)

    def _check_kind(self, arm: Any, group: Mapping[str, Any]) -> None:
        if arm.kind != "Values":
            return
        if self._update.name not in arm.rules:
            self._refuse_values(arm)
        for name in ("amsgrad", "maximize"):
            if group.get(name):
                raise ValueError(f"{name} is for Tensors; of Values the rule is LLM101n's")

    # ---- state

    @property
    def state(self) -> Any:
        """By parameter, a dict of what the rule remembers; empty before its first step."""
        return States(self)

    @state.setter
    def state(self, states: Mapping[Any, Any]) -> None:
        if self.param_groups:  # it is not being made
            refuse_state("state")
        self._take_state(self._current() if self.param_groups else [], states)

    def _take_state(self, arms: list[Any], state: Mapping[Any, Any]) -> None:
        found = {id(p): x for p, x in state.items()}
        before = [[arm.state_of(i) for i in range(len(arm.params))] for arm in arms]
        try:
            for arm in arms:
                arm.take_states([found.get(id(p), {}) for p in arm.params])
        except BaseException:
            for arm, states in zip(arms, before, strict=True):
                arm.take_states(states)
            raise

    def _states(self) -> Iterable[tuple[Any, Any]]:
        for arm in self._current():
            yield from ((p, arm.state_of(i)) for i, p in enumerate(arm.params))

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state["arms"] = [{name: getattr(arm, name) for name in arm.state} for arm in self._arms]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        arms = state.pop("arms")
        super().__setstate__(state)
        for arm, found in zip(self._arms, arms, strict=True):
            for name, x in found.items():
                setattr(arm, name, x)
