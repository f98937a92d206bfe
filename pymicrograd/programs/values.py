"""Programs of Values: a step of training on a graph, again and again in C."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..arithmetic import is_ieee

__all__ = ["Program"]

OWN_STEP = "{} has a step of its own, in Python, which no program makes"


class Program:
    """A training step on the graph of a loss, run any number of times without Python.

    One step computes the loss from its leaves, sets the gradients of the optimizer's parameters to
    0.0, adds the gradients of the loss, and moves the parameters: the same additions in the same
    order as

        loss = ...                                  # the same expressions, on the same leaves
        optimizer.zero_grad(); loss.backward(); optimizer.step()

    and so the same bits. Leaves that the program's user still has, and parameters, are read when
    `run` begins and written when it ends; numbers in expressions are constants, but the largest
    logit of `softmax` and `cross_entropy` is looked for in each step. The graph itself is not
    needed any more. Other Values keep their data and gradients; the loss gets both.

    Args:
        loss: a Value.
        optimizer: SGD, Adam or AdamW of Values; None: nothing moves, and gradients add up.

    Raises:
        TypeError: loss is no Value, or the optimizer is another one, or not of Values.
        ValueError: the optimizer has hooks, which are in Python.
        GradientError: a node of the graph is of the user's own (`_backward`, local gradients).

    Example:
        >>> from pymicrograd import Value, compile, optim
        >>> w = Value(1.0)
        >>> program = compile((w * 3.0 - 6.0) ** 2, optim.SGD([w], lr=0.05))
        >>> [round(loss, 3) for loss in program.run(3)]
        [9.0, 0.09, 0.001]
        >>> round(w.data, 3)
        1.999
    """

    def __init__(self, loss: Any, optimizer: Any = None) -> None:
        if not isinstance(loss, _core.ValueBase):
            raise TypeError(f"a program is of a Value, the loss, not {type(loss).__name__}")
        self._optimizer = optimizer
        arms = [] if optimizer is None else arms_of(optimizer)
        self._parameters = [arm._handles for arm in arms]
        self._script = _core.Script(loss._handle, self._parameters)

    @property
    def losses(self) -> list[float]:
        """The data of the loss in each step of the last `run`, also of one that raised."""
        return self._script.losses()

    def run(self, steps: int = 1) -> list[float]:
        """Make some steps.

        Args:
            steps: how many. Options of the optimizer, such as lr, are read at the beginning.

        Returns:
            The data of the loss in each step.

        Raises:
            ZeroDivisionError, ValueError, OverflowError: what the ops raise, the one that a loop
                of single steps would raise first; with Values, gradients and the optimizer as they
                would then be. In `pymicrograd.ieee()` there are infinities and NaNs instead.
            ValueError: the optimizer has other parameters now, or steps is below 0.
            BusyError: a backward that is under way in this thread uses the same Values.
        """
        if steps < 0:
            raise ValueError(f"a number of steps is at least 0, not {steps}")
        self._prepare()
        self._script.begin()
        while left := steps - self._script.done():  # slices: Ctrl-C falls in between
            self._script.run(left, is_ieee())
        return self.losses

    def _prepare(self) -> None:
        """Tell the program what the optimizer's options and memory are now."""
        if self._optimizer is None:
            return
        arms = arms_of(self._optimizer)
        if [id(arm._handles) for arm in arms] != list(map(id, self._parameters)):
            raise ValueError("the optimizer has other parameters now: compile again")
        for i, (arm, group) in enumerate(zip(arms, self._optimizer.param_groups, strict=True)):
            self._optimizer._check_kind(arm, group)
            self._script.set_update(i, **arm.step_of(group))

    def explain(self) -> str:
        """Say what the program consists of."""
        return self._script.describe()


def arms_of(optimizer: Any) -> list[Any]:
    """Return the parameters of an optimizer's groups, if a program can make its steps."""
    from ..optim.optimizer import Optimizer
    from ..optim.rule import Rule

    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"an optimizer is one of pymicrograd.optim, not {optimizer!r}")
    arms: list[Any] = optimizer._current()
    if any(arm.kind != "Values" for arm in arms):
        raise TypeError("the loss is a Value, and the optimizer is of Tensors")
    if type(optimizer).step is not Rule.step or type(optimizer).zero_grad is not Rule.zero_grad:
        raise TypeError(OWN_STEP.format(type(optimizer).__name__))
    if optimizer._hooks["step_pre"] or optimizer._hooks["step_post"]:
        raise ValueError("the optimizer has hooks, which are in Python: no program calls them")
    return arms
