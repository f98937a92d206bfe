"""Rules of a few operations of Tensors: Adafactor, Muon.

Their bits are those of the operations, computed in float32 or the parameter's wider type. A step
computes everything before it changes anything, so that one that is refused changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from .. import _core
from ..scalars import as_float, named_float, not_negative
from .optimizer import Optimizer, kept
from .rule import CHECKS

__all__ = ["Adafactor", "Muon"]


class Composed(Optimizer):
    """An optimizer whose steps are operations of Tensors."""

    is_shaped = False

    def _check_kind(self, arm: Any, group: Mapping[str, Any]) -> None:
        self._refuse_values(arm)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        from .tensors import working

        loss = None
        if closure is not None:
            with _core.enable_grad():
                loss = closure()
        moves: list[tuple[Any, Any, dict[str, Any]]] = []
        with _core.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None and p.numel():
                        x, g = working(p, p), working(p.grad, p)
                        found, state = self._moved(group, x, g, self.state.get(p, {}), p)
                        moves.append((p, found, state))
            places = tuple(p.detach() for p, *_ in moves)
            values = tuple(x.to(p.dtype) for p, x, _ in moves)
            _core.TensorBase._load(places, values, (), ())
        for p, _, state in moves:
            self.state[p] = state
        return loss

    step.__doc__ = Optimizer.step.__doc__

    def _moved(
        self, group: Mapping[str, Any], x: Any, g: Any, state: Mapping[str, Any], p: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Return where a parameter moves, and its new state.

        Args:
            group: the options; x, g: the parameter and its gradient, in the type of computations.
            state: what is remembered of it, {} before the first step; p: itself.
        """
        raise NotImplementedError


def root_mean_square(x: Any) -> float:
    """Return the root of the mean of squares of elements, as a float."""
    return math.sqrt((x * x).mean().item())


def as_matrix(name: str, p: Any) -> None:
    """Refuse a parameter that is no matrix."""
    if p.ndim != 2:
        raise ValueError(
            f"{name} is for matrices, not for a parameter of shape {tuple(p.shape)}: give others "
            "to another optimizer, such as AdamW"
        )


def as_decay(name: str, number: Any) -> float:
    """Return a number that is 0 or below."""
    value = named_float(name, number)
    if not value <= 0.0:
        raise ValueError(f"{name} is at most 0, not {number!r}")
    return value


def as_clip(name: str, number: Any) -> float:
    """Return a number that is 1 or above."""
    value = named_float(name, number)
    if not value >= 1.0:
        raise ValueError(f"{name} is at least 1, not {number!r}")
    return value


def as_two_eps(name: str, pair: Any) -> tuple[float | None, float]:
    """Return the least root of a mean square, None for the type's, and the least size."""
    first, second = pair
    return None if first is None else not_negative(name, first), not_negative(name, second)


class Adafactor(Composed):
    """Adafactor (Shazeer and Stern 2018, arXiv:1804.04235), as PyTorch computes it.

    Of a matrix, or the last two axes, b = t**beta2_decay, g = grad:
    r = r + b * (mean(g * g over columns) - r),  c = c + b * (mean(g * g over rows) - c)
    v = r @ c / max(mean(r), eps1);  of a vector v = v + b * (g * g - v)
    u = g / sqrt(max(v, eps1**2)),  a = max(eps2, rms(p)) * min(lr, 1 / sqrt(t))
    p = (1 - lr * weight_decay) * p - a / max(1, rms(u) / d) * u

    Args:
        params: Tensors, as for Optimizer.
        lr: the most that a relative step is, and the factor of the decay.
        beta2_decay: how fast means of squares forget less, 0 or below.
        eps: (eps1, eps2); None for eps1 is the type's epsilon.
        d: how large the root mean square of a step may be.
        weight_decay: how strongly parameters are drawn to 0.
        foreach: changes nothing.
        maximize: go along the gradient.
    """

    checks: ClassVar = {**CHECKS, "beta2_decay": as_decay, "eps": as_two_eps, "d": as_clip}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _moved(
        self, group: Mapping[str, Any], x: Any, g: Any, state: Mapping[str, Any], p: Any
    ) -> tuple[Any, dict[str, Any]]:
        from ..tensors.kinds import finfo
        from .tensors import scalar

        lr, (eps1, eps2) = as_float(group["lr"]), group["eps"]
        least = finfo(p.dtype).eps if eps1 is None else eps1
        t = (state["step"].item() if state else 0.0) + 1.0
        g = -g if group["maximize"] else g
        v, means = mean_square(g, state, t ** group["beta2_decay"], least)
        u = g / v.clamp_min(least * least).sqrt()
        size = max(eps2, root_mean_square(x)) * min(lr, 1.0 / math.sqrt(t))
        size /= max(1.0, root_mean_square(u) / group["d"])
        if group["weight_decay"]:
            x = x * (1.0 - lr * group["weight_decay"])
        return x - u * size, {"step": scalar(t), **means}


def mean_square(
    g: Any, state: Mapping[str, Any], share: float, least: float
) -> tuple[Any, dict[str, Any]]:
    """Return the running mean of squares of a gradient, and what it is made of.

    Args:
        g: the gradient; state: what was remembered, or {}; share: of the new square in means.
        least: the least mean that is divided by.
    """

    def moved(name: str, new: Any) -> Any:
        old = state[name] if state else new * 0.0
        return old + (new - old) * share

    square = g * g
    if g.ndim < 2:
        variance = moved("variance", square)
        return variance, {"variance": variance}
    rows = moved("row_var", square.mean(-1, keepdim=True))
    columns = moved("col_var", square.mean(-2, keepdim=True))
    whole = rows.mean(-2, keepdim=True).clamp_min(least)
    return (rows @ columns) / whole, {"row_var": rows, "col_var": columns}


def orthogonalized(x: Any, coefficients: Any, steps: int, eps: float) -> Any:
    """Return a matrix with the singular vectors of x and singular values near 1.

    Newton and Schulz's iteration of odd polynomials of degree 5, p(s) = a s + b s^3 + c s^5.

    Args:
        x: (m, n); coefficients: (a, b, c); steps: how often; eps: the least norm divided by.
    """
    a, b, c = coefficients
    is_tall = x.shape[0] > x.shape[1]
    x = x.permute((1, 0)) if is_tall else x
    x = x / max(math.sqrt((x * x).sum().item()), eps)
    for _ in range(steps):
        square = x @ x.permute((1, 0))
        x = x * a + (square * b + square @ square * c) @ x
    return x.permute((1, 0)) if is_tall else x


RATES: dict[str | None, Callable[[int, int], float]] = {
    None: lambda m, n: math.sqrt(max(1.0, m / n)),
    "original": lambda m, n: math.sqrt(max(1.0, m / n)),
    "match_rms_adamw": lambda m, n: 0.2 * math.sqrt(max(m, n)),
}


def as_rate(name: str, x: Any) -> Any:
    """Return the name of a rule of RATES."""
    if x not in RATES:
        raise ValueError(f"{name} is None, 'original' or 'match_rms_adamw', not {x!r}")
    return x


def as_coefficients(name: str, numbers: Any) -> tuple[float, ...]:
    """Return three floats."""
    found = tuple(named_float(name, x) for x in numbers)
    if len(found) != 3:
        raise ValueError(f"{name} are three, not {len(found)}")
    return found


def as_count(name: str, x: Any) -> int:
    """Return an int from 0 to 99."""
    if not (isinstance(x, int) and 0 <= x < 100):
        raise ValueError(f"{name} is an int from 0 to 99, not {x!r}")
    return x


class Muon(Composed):
    """Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for matrices, as in PyTorch.

    m = m + (1 - momentum) * (grad - m),  nesterov: u = grad + momentum * (m - grad), else u = m
    p = (1 - lr * weight_decay) * p - lr * rate(p) * orthogonalized(u)

    Args:
        params: matrices, as for Optimizer; others go to another optimizer.
        lr: the learning rate.
        weight_decay: how strongly parameters are drawn to 0.
        momentum: what the mean of gradients keeps of the past.
        nesterov: look ahead.
        ns_coefficients, ns_steps, eps: of the iteration that makes a step orthogonal.
        adjust_lr_fn: what rate of an (m, n) matrix is: None and "original": sqrt(max(1, m / n));
            "match_rms_adamw": 0.2 * sqrt(max(m, n)).
    """

    checks: ClassVar = {
        **CHECKS,
        "nesterov": kept,
        "ns_coefficients": as_coefficients,
        "ns_steps": as_count,
        "adjust_lr_fn": as_rate,
    }
    numbers = ()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def _check_kind(self, arm: Any, group: Mapping[str, Any]) -> None:
        super()._check_kind(arm, group)
        for p in arm.params:
            as_matrix("Muon", p)

    def _moved(
        self, group: Mapping[str, Any], x: Any, g: Any, state: Mapping[str, Any], p: Any
    ) -> tuple[Any, dict[str, Any]]:
        lr, momentum = as_float(group["lr"]), group["momentum"]
        old = state["momentum_buffer"] if state else g * 0.0
        mean = old + (g - old) * (1.0 - momentum)
        step = g + (mean - g) * momentum if group["nesterov"] else mean
        step = orthogonalized(step, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rate = lr * RATES[group["adjust_lr_fn"]](*p.shape)
        return x * (1.0 - lr * group["weight_decay"]) - step * rate, {"momentum_buffer": mean}
