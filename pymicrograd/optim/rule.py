"""Rules of Tensors written in operations of Tensors: how a step goes over all parameters.

All new numbers are computed before the first is written, so that a step that raises changes
nothing. What is of float16 or bfloat16 is computed in float32, and its state kept so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from .. import _core
from ..scalars import as_beta, as_float, named_float, not_negative
from .optimizer import Optimizer, kept, tensor_or

__all__ = [
    "CHECKS",
    "TensorRule",
    "as_betas",
    "as_choice",
    "as_share",
    "implementation",
    "power",
    "zeros_of",
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


@functools.lru_cache(64)  # the same for all parameters of a step
def power(x: float, y: float) -> float:
    """Return x ** y, on every machine the same."""
    from ..tensors.conversion import new
    from ..tensors.dtypes import float64

    result: float = (new(x, float64) ** new(float(y), float64)).item()  # Values have libm's
    return result


def zeros_of(x: Any) -> Any:
    """Return zeros of the shape and type of a Tensor."""
    from ..tensors.creation import zeros_like

    return zeros_like(x)


class TensorRule(Optimizer):
    """A rule of Tensors: what it remembers at first, and how it moves one parameter."""

    for_values = False
    is_decoupled = False  # whether weight_decay is left to the formula

    def _check_kind(self, arm: Any, group: Mapping[str, Any]) -> None:
        if arm.kind == "Values" and not self.for_values:
            raise TypeError(
                f"{type(self).__name__} is for Tensors; for Values there are SGD, Adam and AdamW"
            )

    def begin(self, x: Any, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state of a parameter before its first step.

        Args:
            x: its elements.
            group: the options.
        """
        raise NotImplementedError

    def move(self, x: Any, g: Any, t: int, state: dict[str, Any], group: Mapping[str, Any]) -> Any:
        """Return a parameter's new elements, and write new state over the old.

        Args:
            x, g: its elements and its gradient, to which weight decay was added.
            t: the number of this step, from 1.
            state: what the rule remembers; its Tensors are replaced, not changed.
            group: the options.
        """
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = self._evaluate(closure)
        moves: list[tuple[Any, Any, Any]] = []
        with _core.no_grad():
            for group in self.param_groups:
                moves += self._moves(group["params"], group)
            self._commit(moves)
        return loss

    step.__doc__ = Optimizer.step.__doc__

    @staticmethod
    def _evaluate(closure: Callable[[], Any] | None) -> Any:
        if closure is None:
            return None
        with _core.enable_grad():
            return closure()

    def _moves(self, params: Any, group: Mapping[str, Any]) -> list[tuple[Any, Any, Any]]:
        """Return parameters that have a gradient with their new elements and their new state."""
        states = ((p, self.state.get(p)) for p in params if p.grad is not None)
        return [(p, *self._moved(p, state, group)) for p, state in states]

    def _moved(self, p: Any, state: Any, group: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the new elements and the new state of a parameter; it may have none yet."""
        from .tensors import scalar, working

        x, g = working(p), working(p.grad)
        if group["maximize"]:
            g = -g
        if "weight_decay" in self.defaults and not self.is_decoupled:
            decay = as_float(group["weight_decay"])
            g = g + decay * x if decay else g
        state = dict(state or self.begin(x, group))
        t = int(state["step"]) + 1 if "step" in state else 0
        if t:
            state["step"] = scalar(t)
        return self.move(x, g, t, state, group), state

    def _commit(self, moves: list[tuple[Any, Any, Any]]) -> None:
        """Write new elements and new state."""
        for p, x, state in moves:
            p.copy_(x)
            self.state[p] = state
