"""Schedulers: how the learning rates of an optimizer's groups change from step to step.

A scheduler sets the rates of its first step when it is made, and those of the next with each
step(). They are those of PyTorch, by the same recursions, in Python's floats.
"""

from __future__ import annotations

import math
import types
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .. import _core
from ..scalars import as_float
from .optimizer import Optimizer

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


def check_optimizer(optimizer: Any) -> None:
    """Refuse what has no groups with rates."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"a scheduler is of an optimizer, not {type(optimizer).__name__}")


def set_option(group: dict[str, Any], name: str, value: Any) -> None:
    """Set an option of a group; a Tensor stays the same, with another number."""
    if isinstance(group[name], _core.TensorBase):
        with _core.no_grad():
            group[name].fill_(value)
    else:
        group[name] = value


def number_of(x: Any) -> Any:
    """Return an option as it is now: the number of a Tensor, which will change."""
    return x.item() if isinstance(x, _core.TensorBase) else x


def per_group(name: str, x: Any, optimizer: Any) -> list[Any]:
    """Return one thing for each group: x for all, or the items of a list."""
    count = len(optimizer.param_groups)
    if not isinstance(x, (list, tuple)):
        return [x] * count
    if len(x) != count:
        raise ValueError(f"{name} has {len(x)} items for {count} groups of parameters")
    return list(x)


class LRScheduler:
    """What schedulers share: the count of steps, the rates at first, saving.

    Args:
        optimizer: whose learning rates are set.
        last_epoch: the number of the step that was the last before a pause; -1: none was.

    Attributes:
        base_lrs: the rates of all groups at first.
        last_epoch: how many steps were made.
    """

    def __init__(self, optimizer: Any, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        _core.refuse_change("a scheduler is made", "make it once, outside")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", number_of(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"with last_epoch {last_epoch}, group {i} of the optimizer needs its rate at "
                    "first as 'initial_lr'"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._first_step()

    _is_initial = False  # whether the first step is being made, which a resumed run has, too

    def _first_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            del self._is_initial

    def _undo(self) -> None:
        """Forget the first step."""
        self.last_epoch -= 1

    def _restart(self) -> None:
        """Set the rates of step 0."""
        self.last_epoch = 0
        self._set(self._closed_form() if hasattr(self, "_closed_form") else self.get_lr())

    def get_last_lr(self) -> list[Any]:
        """Return the rates that were set last."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """Return the rates of step `last_epoch`, from those that there are now."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr")

    def rates(self) -> list[Any]:
        """Return the rates that there are now."""
        return [number_of(group["lr"]) for group in self.optimizer.param_groups]

    @_core.done_after_runs
    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next step, or of step `epoch`."""
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            values = self.get_lr()
        else:
            self.last_epoch = epoch
            values = self._closed_form() if hasattr(self, "_closed_form") else self.get_lr()
        self._set(values)

    def _set(self, values: Iterable[Any]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=False):
            set_option(group, "lr", value)
        self._last_lr = self.rates()

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer in a dict."""
        return {name: x for name, x in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take what `state_dict` returned."""
        vars(self).update(state_dict)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(last_epoch={self.last_epoch}, lr={self.rates()})"


_LRScheduler = LRScheduler  # PyTorch's old name


class OfFunctions(LRScheduler):
    """A scheduler of functions of the step, one for each group."""

    lr_lambdas: list[Any]

    def __init__(self, optimizer: Any, lr_lambda: Any, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.lr_lambdas = per_group("lr_lambda", lr_lambda, optimizer)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"lr_lambda is a function, not {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and functions; of other callables what they hold."""
        state = super().state_dict()
        state["lr_lambdas"] = [
            None if isinstance(f, types.FunctionType) else dict(vars(f)) for f in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        state = dict(state_dict)
        held = state.pop("lr_lambdas")
        vars(self).update(state)
        for function, found in zip(self.lr_lambdas, held, strict=True):
            if found is not None:
                vars(function).update(found)

    load_state_dict.__doc__ = LRScheduler.load_state_dict.__doc__


class LambdaLR(OfFunctions):
    """The rate at first times a function of the step.

    Args:
        optimizer, last_epoch: as for LRScheduler.
        lr_lambda: a function of the number of steps; or a list of them, one for each group.
    """

    def get_lr(self) -> list[Any]:
        return [
            base * function(self.last_epoch)
            for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]

    get_lr.__doc__ = LRScheduler.get_lr.__doc__


class MultiplicativeLR(OfFunctions):
    """The last rate times a function of the step.

    Args:
        optimizer, last_epoch: as for LRScheduler.
        lr_lambda: a function of the number of steps; or a list of them, one for each group.
    """

    def get_lr(self) -> list[Any]:
        if self._is_initial:
            return self.rates()
        return [
            rate * function(self.last_epoch)
            for rate, function in zip(self.rates(), self.lr_lambdas, strict=True)
        ]

    get_lr.__doc__ = LRScheduler.get_lr.__doc__


class Factors(LRScheduler):
    """A scheduler that multiplies all rates by the same factor in a step."""

    def factor(self) -> float:
        """Return by what the last rates are multiplied in step `last_epoch`; 1.0: nothing."""
        raise NotImplementedError

    def whole(self) -> float:
        """Return the product of the factors of all steps so far."""
        raise NotImplementedError

    def get_lr(self) -> list[Any]:
        factor = self.factor()
        return [rate * factor for rate in self.rates()] if factor != 1.0 else self.rates()

    get_lr.__doc__ = LRScheduler.get_lr.__doc__

    def _closed_form(self) -> list[Any]:
        whole = self.whole()
        return [base * whole for base in self.base_lrs]


class StepLR(Factors):
    """The rate falls by a factor every so many steps.

    Args:
        optimizer, last_epoch: as for LRScheduler.
        step_size: how many steps.
        gamma: the factor.
    """

    def __init__(
        self, optimizer: Any, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        is_due = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return self.gamma if is_due else 1.0

    def whole(self) -> float:
        return float(self.gamma ** (self.last_epoch // self.step_size))


class MultiStepLR(Factors):
    """The rate falls by a factor at given steps.

    Args:
        optimizer, last_epoch: as for LRScheduler.
        milestones: the numbers of these steps; one that stands twice counts twice.
        gamma: the factor.
    """

    def __init__(
        self, optimizer: Any, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        return float(self.gamma ** self.milestones[self.last_epoch])

    def whole(self) -> float:
        passed = (n for step, n in self.milestones.items() if step <= self.last_epoch)
        return float(self.gamma ** sum(passed))


class ExponentialLR(Factors):
    """The rate falls by a factor in every step.

    Args:
        optimizer, last_epoch: as for LRScheduler.
        gamma: the factor.
    """

    def __init__(self, optimizer: Any, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        return 1.0 if self._is_initial else self.gamma

    def whole(self) -> float:
        return float(self.gamma**self.last_epoch)


class ConstantLR(Factors):
    """The rate times a factor for some steps, then whole.

    Args:
        optimizer, last_epoch: as for LRScheduler.
        factor: from 0 to 1.
        total_iters: for how many steps.
    """

    def __init__(
        self,
        optimizer: Any,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 <= factor <= 1.0:
            raise ValueError(f"factor is from 0 to 1, not {factor!r}")
        self.start_factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        if self.last_epoch == 0:
            return self.start_factor
        return 1.0 / self.start_factor if self.last_epoch == self.total_iters else 1.0

    def whole(self) -> float:
        return self.start_factor if self.last_epoch < self.total_iters else 1.0


class LinearLR(Factors):
    """The rate times a factor that goes in a line from one number to another.

    Args:
        optimizer, last_epoch: as for LRScheduler.
        start_factor: the factor at first, above 0, at most 1.
        end_factor: the one that stays, from 0 to 1.
        total_iters: after how many steps it is reached.
    """

    def __init__(
        self,
        optimizer: Any,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 < start_factor <= 1.0:
            raise ValueError(f"start_factor is above 0 and at most 1, not {start_factor!r}")
        if not 0.0 <= end_factor <= 1.0:
            raise ValueError(f"end_factor is from 0 to 1, not {end_factor!r}")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1.0
        rise = self.end_factor - self.start_factor
        return 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)

    def whole(self) -> float:
        rise, made = self.end_factor - self.start_factor, min(self.total_iters, self.last_epoch)
        return self.start_factor + rise * made / self.total_iters


class PolynomialLR(Factors):
    """The rate falls to 0 as a power of the part of steps that is left.

    Args:
        optimizer, last_epoch: as for LRScheduler.
        total_iters: after how many steps it is 0.
        power: the power.
    """

    def __init__(
        self, optimizer: Any, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1.0
        left = 1.0 - self.last_epoch / self.total_iters
        return float((left / (1.0 - (self.last_epoch - 1) / self.total_iters)) ** self.power)

    def whole(self) -> float:
        made = min(self.total_iters, self.last_epoch)
        return float((1.0 - made / self.total_iters) ** self.power)


class CosineAnnealingLR(LRScheduler):
    """The rate falls as half a wave of the cosine (Loshchilov and Hutter 2017, arXiv:1608.03983).

    Args:
        optimizer, last_epoch: as for LRScheduler.
        T_max: in how many steps it falls; in the next as many it rises.
        eta_min: the least rate.
    """

    def __init__(
        self, optimizer: Any, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        n, most, least = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self.rates()
        if self._step_count == 1 and n > 0:
            return self._closed_form()
        if (n - 1 - most) % (2 * most) == 0:  # the rate is the least, whatever factor it had
            rise = (1.0 - math.cos(math.pi / most)) / 2.0
            return [
                rate + (base - least) * rise
                for base, rate in zip(self.base_lrs, self.rates(), strict=True)
            ]
        ratio = (1.0 + math.cos(math.pi * n / most)) / (1.0 + math.cos(math.pi * (n - 1) / most))
        return [ratio * (rate - least) + least for rate in self.rates()]

    get_lr.__doc__ = LRScheduler.get_lr.__doc__

    def _closed_form(self) -> list[Any]:
        height = (1.0 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2.0
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """The rate falls as half a wave of the cosine, and starts again (arXiv:1608.03983).

    Args:
        optimizer, last_epoch: as for LRScheduler.
        T_0: in how many steps it falls at first.
        T_mult: by how much longer each next fall is.
        eta_min: the least rate.
    """

    def __init__(
        self,
        optimizer: Any,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"T_0 is an int above 0, not {T_0!r}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"T_mult is an int from 1, not {T_mult!r}")
        if not isinstance(eta_min, (int, float)):
            raise ValueError(f"eta_min is a number, not {eta_min!r}")
        self.T_0, self.T_i, self.T_mult = T_0, T_0, T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        height = (1.0 + math.cos(math.pi * self.T_cur / self.T_i)) / 2.0
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    get_lr.__doc__ = LRScheduler.get_lr.__doc__

    @_core.done_after_runs
    def step(self, epoch: float | None = None) -> None:
        """Set the rates of the next step, or of `epoch`, which may be between two steps."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            if epoch < 0:
                raise ValueError(f"epoch is at least 0, not {epoch!r}")
            self._find(epoch)
        self._step_count += 1
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())

    def _find(self, epoch: float) -> None:
        """Find the fall that a step is in."""
        self.T_cur, self.T_i = epoch, self.T_0
        while self.T_cur >= self.T_i:
            if self.T_mult == 1:
                self.T_cur %= self.T_i
                return
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult


class CyclicLR(LRScheduler):
    """The rate rises and falls between two bounds (Smith 2017, arXiv:1506.01186).

    Args:
        optimizer, last_epoch: as for LRScheduler; one with momentum, or with betas.
        base_lr, max_lr: the bounds, or lists of them, one for each group.
        step_size_up: in how many steps it rises.
        step_size_down: in how many it falls; None: in as many.
        mode: "triangular", "triangular2" (each wave half as high), "exp_range" (gamma**step).
        gamma: the base of "exp_range".
        scale_fn: in place of mode, a function of what scale_mode says that gives the height.
        scale_mode: "cycle" or "iterations".
        cycle_momentum: let momentum, or beta1, fall while the rate rises.
        base_momentum, max_momentum: its bounds.
    """

    def __init__(
        self,
        optimizer: Any,
        base_lr: Any,
        max_lr: Any,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(f"mode is 'triangular', 'triangular2' or 'exp_range', not {mode!r}")
        bases = per_group("base_lr", base_lr, optimizer)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, bases, strict=True):
                set_option(group, "lr", rate)
        self.max_lrs = per_group("max_lr", max_lr, optimizer)
        up, down = float(step_size_up), float(step_size_down or step_size_up)
        self.total_size, self.step_ratio = up + down, up / (up + down)
        self.mode, self.gamma, self.scale_fn = mode, gamma, scale_fn
        self.scale_mode = "iterations" if scale_fn is None and mode == "exp_range" else scale_mode
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            check_momentum(optimizer)
            self.base_momentums = per_group("base_momentum", base_momentum, optimizer)
            self.max_momentums = per_group("max_momentum", max_momentum, optimizer)
            if last_epoch == -1:
                for group, m in zip(optimizer.param_groups, self.max_momentums, strict=True):
                    set_momentum(group, m)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def _scale(self, x: float) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(x)
        if self.mode == "exp_range":
            return float(self.gamma**x)
        return 1.0 if self.mode == "triangular" else 1.0 / 2.0 ** (x - 1.0)

    def get_lr(self) -> list[Any]:
        """Return the rates of step `last_epoch`; momentum is set besides."""
        cycle = math.floor(1.0 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        rise = self.step_ratio
        height = x / rise if x <= rise else (x - 1.0) / (rise - 1.0)
        scale = self._scale(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (least, most) in zip(self.optimizer.param_groups, bounds, strict=True):
                set_momentum(group, most - (most - least) * height * scale)
        return [
            base + (most - base) * height * scale
            for base, most in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer, and scale_fn if it is a function."""
        state = super().state_dict()
        function = state.pop("scale_fn")
        if function is not None and not isinstance(function, types.FunctionType):
            state["scale_fn"] = dict(vars(function))
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        state = dict(state_dict)
        held = state.pop("scale_fn", None)
        super().load_state_dict(state)
        if held is not None and self.scale_fn is not None:
            vars(self.scale_fn).update(held)

    load_state_dict.__doc__ = LRScheduler.load_state_dict.__doc__


def check_momentum(optimizer: Any) -> None:
    """Refuse to vary the momentum of an optimizer that has none."""
    if not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(
            f"{type(optimizer).__name__} has no momentum or betas that could be varied; use "
            "cycle_momentum=False"
        )


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Set the momentum of a group, or its beta1."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


class OneCycleLR(LRScheduler):
    """The rate rises once, and falls far below where it began (Smith 2018, arXiv:1708.07120).

    Args:
        optimizer, last_epoch: as for LRScheduler; one with momentum, or with betas.
        max_lr: the highest rate, or a list of them, one for each group.
        total_steps: how many steps there are; None: epochs * steps_per_epoch.
        epochs, steps_per_epoch: numbers of which the product is.
        pct_start: in which part of the steps the rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: let momentum, or beta1, fall while the rate rises.
        base_momentum, max_momentum: its bounds, or lists of them.
        div_factor: the rate begins at max_lr / div_factor.
        final_div_factor: it ends at the beginning's / final_div_factor.
        three_phase: let it fall first to where it began.
    """

    def __init__(
        self,
        optimizer: Any,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.total_steps = count_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0.0 <= pct_start <= 1.0:
            raise ValueError(f"pct_start is a float from 0 to 1, not {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}")
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        rising, last = float(pct_start * self.total_steps) - 1, self.total_steps - 1
        # where each phase ends, and between which options of a group it goes
        self.phases: list[tuple[float, str, str]] = [(rising, "initial", "max")]
        if three_phase:
            falling = float(2 * pct_start * self.total_steps) - 2
            self.phases += [(falling, "max", "initial"), (last, "initial", "min")]
        else:
            self.phases += [(last, "max", "min")]
        highest = per_group("max_lr", max_lr, optimizer)
        if last_epoch == -1:
            for group, most in zip(optimizer.param_groups, highest, strict=True):
                group["initial_lr"] = most / div_factor
                group["max_lr"] = most
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            check_momentum(optimizer)
            if last_epoch == -1:
                bounds = zip(
                    per_group("base_momentum", base_momentum, optimizer),
                    per_group("max_momentum", max_momentum, optimizer),
                    strict=True,
                )
                for group, (least, most) in zip(optimizer.param_groups, bounds, strict=True):
                    set_momentum(group, most)
                    group["max_momentum"], group["base_momentum"] = most, least
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the rates of step `last_epoch`; momentum is set besides.

        Raises:
            ValueError: there are no so many steps.
        """
        n = self.last_epoch
        if n > self.total_steps:
            raise ValueError(f"step {n} of {self.total_steps} steps in all")
        begin = 0.0
        for phase in self.phases:
            end, source, target = phase
            if n <= end or target == "min":
                break
            begin = end
        part = (n - begin) / (end - begin)
        momenta = {"initial": "max_momentum", "max": "base_momentum", "min": "max_momentum"}
        values = []
        for group in self.optimizer.param_groups:
            values.append(self._between(group[f"{source}_lr"], group[f"{target}_lr"], part))
            if self.cycle_momentum:
                first, last = group[momenta[source]], group[momenta[target]]
                set_momentum(group, self._between(first, last, part))
        return values

    def _between(self, first: float, last: float, part: float) -> float:
        """Return what lies a part of the way from one number to another."""
        if self.anneal_strategy == "linear":
            return (last - first) * part + first
        return last + (first - last) / 2.0 * (1.0 + math.cos(math.pi * part))


def count_steps(total: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """Return how many steps there are in all."""
    if total is not None:
        if total <= 0 or not isinstance(total, int):
            raise ValueError(f"total_steps is an int above 0, not {total!r}")
        return total
    if epochs is None or steps_per_epoch is None:
        raise ValueError("give total_steps, or both epochs and steps_per_epoch")
    for name, x in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
        if x <= 0 or not isinstance(x, int):
            raise ValueError(f"{name} is an int above 0, not {x!r}")
    return epochs * steps_per_epoch


class SequentialLR(LRScheduler):
    """One scheduler after the other.

    Args:
        optimizer: that of all of them.
        schedulers: the schedulers, made on it in this order.
        milestones: at which steps the next one takes over, one fewer than schedulers.
        last_epoch: as for LRScheduler.
    """

    def __init__(
        self,
        optimizer: Any,
        schedulers: Sequence[Any],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        check_schedulers("SequentialLR", schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"{len(schedulers)} schedulers need {len(schedulers) - 1} milestones, not "
                f"{len(milestones)}"
            )
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            set_option(group, "lr", group["initial_lr"])
        for scheduler in schedulers:
            scheduler._undo()
        first = schedulers[self._number(0)]
        first._first_step()
        self._last_lr = first.get_last_lr()

    def _undo(self) -> None:
        for scheduler in self._schedulers:
            scheduler._undo()

    def _number(self, step: int) -> int:
        """Return which scheduler a step is of."""
        return sum(1 for milestone in self._milestones if milestone <= step)

    @_core.done_after_runs
    def step(self, epoch: Any = None) -> None:
        """Set the rates of the next step."""
        self.last_epoch += 1
        number = self._number(self.last_epoch)
        scheduler = self._schedulers[number]
        if number > 0 and self._milestones[number - 1] == self.last_epoch:
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer, with the states of the schedulers."""
        return state_of_all(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        load_all(self, state_dict)

    load_state_dict.__doc__ = LRScheduler.load_state_dict.__doc__


class ChainedScheduler(LRScheduler):
    """Several schedulers that all step at once, each on what the one before has set.

    Args:
        schedulers: the schedulers, of one optimizer.
        optimizer: this one; None: that of the first scheduler.
    """

    def __init__(self, schedulers: Sequence[Any], optimizer: Any = None) -> None:
        if len(schedulers) < 1:
            raise ValueError("ChainedScheduler needs at least one scheduler")
        optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        check_schedulers("ChainedScheduler", schedulers, optimizer)
        self._schedulers, self.optimizer = list(schedulers), optimizer
        self._last_lr = self.rates()

    def _undo(self) -> None:
        for scheduler in self._schedulers:
            scheduler._undo()

    @_core.done_after_runs
    def step(self, epoch: Any = None) -> None:
        """Let every scheduler make a step."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self.rates()

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer, with the states of the schedulers."""
        return state_of_all(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        load_all(self, state_dict)

    load_state_dict.__doc__ = LRScheduler.load_state_dict.__doc__

    def __repr__(self) -> str:
        return f"ChainedScheduler({self._schedulers})"


def check_schedulers(name: str, schedulers: Sequence[Any], optimizer: Any) -> None:
    """Refuse schedulers that are not all of one optimizer, or that need a metric."""
    if len(schedulers) < 1:
        raise ValueError(f"{name} needs at least one scheduler")
    for i, scheduler in enumerate(schedulers):
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(f"{name} takes no ReduceLROnPlateau, whose steps need a metric")
        if not hasattr(scheduler, "optimizer") or scheduler.optimizer is not optimizer:
            raise ValueError(f"scheduler {i} of {name} is not of its optimizer")


def state_of_all(scheduler: Any) -> dict[str, Any]:
    """Return the state of a scheduler of schedulers."""
    state = LRScheduler.state_dict(scheduler)
    state["_schedulers"] = [one.state_dict() for one in scheduler._schedulers]
    return state


def load_all(scheduler: Any, state_dict: Mapping[str, Any]) -> None:
    """Take the state of a scheduler of schedulers."""
    state = dict(state_dict)
    for one, found in zip(scheduler._schedulers, state.pop("_schedulers"), strict=True):
        one.load_state_dict(found)
    vars(scheduler).update(state)


class ReduceLROnPlateau(LRScheduler):
    """The rate falls by a factor when a metric has not become better for some steps.

    Args:
        optimizer: whose learning rates are set.
        mode: "min": lower is better; "max": higher is.
        factor: by what the rate is multiplied, below 1.
        patience: for how many steps nothing better is waited for.
        threshold: by how much a better one is better.
        threshold_mode: "rel": in parts of the best one; "abs": in numbers.
        cooldown: for how many steps after a fall nothing is counted.
        min_lr: the least rate, or a list of them, one for each group.
        eps: a fall by less is none.
    """

    def __init__(
        self,
        optimizer: Any,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0.0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer(optimizer)
        if factor >= 1.0:
            raise ValueError(f"factor is below 1, not {factor!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode is 'min' or 'max', not {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode is 'rel' or 'abs', not {threshold_mode!r}")
        self.optimizer = optimizer
        self.min_lrs = per_group("min_lr", min_lr, optimizer)
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.last_epoch = 0
        self._last_lr = self.rates()
        self._reset()

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = 0

    @_core.done_after_runs
    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Count a step with a metric, a number."""
        current = float(number_of(metrics)) if hasattr(metrics, "item") else as_float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(current, self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self.rates()

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        while len(self.min_lrs) < len(groups) and self.default_min_lr is not None:
            self.min_lrs.append(self.default_min_lr)
        for group, least in zip(groups, self.min_lrs, strict=True):
            old = float(number_of(group["lr"]))
            new = max(old * self.factor, least)
            if old - new > self.eps:
                set_option(group, "lr", new)

    @property
    def in_cooldown(self) -> bool:
        """Whether nothing is counted after a fall."""
        return self.cooldown_counter > 0

    def is_better(self, a: float, best: float) -> bool:
        """Tell whether a metric is better than the best one so far."""
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "abs":
            return sign * a > sign * (best + sign * self.threshold)
        return sign * a > sign * (best * (1.0 + sign * self.threshold))

    def get_lr(self) -> list[Any]:
        """Return the rates that there are now."""
        return self.rates()
