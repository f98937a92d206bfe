"""Optimizers whose steps are made in C, by the objects that hold their groups of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _core
from .rule import TensorRule
from .states import States

__all__ = ["CompiledRule"]


class CompiledRule(TensorRule):
    """A rule of Values and of Tensors whose state lies with its parameters, where C finds it.

    Its formula in Tensors is for what C does not take: Tensors of two bytes or not contiguous, and
    some options.
    """

    for_values = True

    @property
    def state(self) -> Any:
        """By parameter, a dict of what the rule remembers; empty before its first step."""
        return States(self)

    @state.setter
    def state(self, states: Mapping[Any, Any]) -> None:
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

    def _commit(self, moves: list[tuple[Any, Any, Any]]) -> None:
        states = {id(p): state for p, _, state in moves}
        for p, x, _ in moves:
            p.copy_(x)
        for arm in self._current():
            moved = [i for i, p in enumerate(arm.params) if id(p) in states]
            found = [states.get(id(p)) for p in arm.params]
            arm.take_states([arm.state_of(i) if x is None else x for i, x in enumerate(found)])
            arm.count_steps(moved)

    def _move_by_formula(self, arm: Any, group: Mapping[str, Any]) -> None:
        """Make the step of a group by the formula in Tensors."""
        if arm.kind == "Values":
            self._check_kind(arm, group)
        moving = [(i, p) for i, p in enumerate(arm.params) if p.grad is not None]
        with _core.no_grad():
            self._commit([(p, *self._moved(p, arm.state_of(i), group)) for i, p in moving])

    def _check_kind(self, arm: Any, group: Mapping[str, Any]) -> None:
        super()._check_kind(arm, group)
        if arm.kind == "Values":
            for name in ("amsgrad", "maximize"):
                if group.get(name):
                    raise ValueError(f"{name} is for Tensors; of Values the rule is LLM101n's")

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
