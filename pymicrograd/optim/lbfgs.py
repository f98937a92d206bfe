"""LBFGS: steps by an estimate of the inverse Hessian from the last gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from .. import _core
from ..scalars import as_float, not_negative
from .optimizer import Optimizer, tensor_or

__all__ = ["LBFGS"]

LEAST_CURVATURE = 1e-10  # below, a pair of steps is not remembered
DECREASE, CURVATURE = 1e-4, 0.9  # the constants of Wolfe's conditions
LEAST_BRACKET = 1e-9


class Point(NamedTuple):
    """A point on the line that is searched.

    Attributes:
        t: where it lies; loss, gradient: there; slope: of the loss along the line.
    """

    t: float
    loss: float
    gradient: Any
    slope: float


class LBFGS(Optimizer):
    """L-BFGS (Nocedal and Wright 2006, algorithm 7.5), as PyTorch runs it, on one group of Tensors.

    Args:
        params: Tensors, as for Optimizer.
        lr: the length of a step, or of the first one that the line search tries.
        max_iter: how many steps one step() makes.
        max_eval: how often it calls closure at most; None is 1.25 * max_iter.
        tolerance_grad: with no element of the gradient larger, nothing is done.
        tolerance_change: with a smaller change of parameters or loss, step() ends.
        history_size: how many steps are remembered.
        line_search_fn: None, or "strong_wolfe".
    """

    is_shaped = False
    checks: ClassVar = {"lr": tensor_or(not_negative)}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"line_search_fn is None or 'strong_wolfe', not {line_search_fn!r}")
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS has one group of parameters, and no options of single ones")
        super().add_param_group(param_group)

    add_param_group.__doc__ = Optimizer.add_param_group.__doc__

    def _check_kind(self, arm: Any, group: Mapping[str, Any]) -> None:
        self._refuse_values(arm)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move the parameters up to max_iter times.

        Args:
            closure: clears gradients, computes the loss and its gradients, and returns the loss;
                it is called again and again.

        Returns:
            What closure returned at first.
        """
        if closure is None:
            raise TypeError("a step of LBFGS needs a closure that computes the loss again")
        group = self.param_groups[0]
        with _core.no_grad():
            search = Search(group, self.state[group["params"][0]], closure)
            return search.run()


class Search:
    """One step() of LBFGS."""

    def __init__(self, group: dict[str, Any], state: Any, closure: Callable[[], Any]) -> None:
        self.group, self.params, self.closure = group, group["params"], closure
        self.lr = as_float(group["lr"])
        self.state = state
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        self.calls = 0

    def evaluate(self) -> tuple[Any, Any]:
        """Return the loss and the gradient of all parameters as one vector."""
        from ..tensors.joining import cat

        with _core.enable_grad():
            loss = self.closure()
        self.calls += 1
        self.state["func_evals"] += 1
        return loss, cat([self.gradient_of(p).reshape(-1) for p in self.params])

    @staticmethod
    def gradient_of(p: Any) -> Any:
        from ..tensors.creation import zeros_like
        from .tensors import working

        return zeros_like(working(p, p)) if p.grad is None else working(p.grad, p)

    def move(self, t: float, direction: Any) -> None:
        """Move all parameters by t times a direction."""
        from .tensors import working

        first = 0
        for p in self.params:
            part = direction[first : first + p.numel()].reshape(p.shape)
            p.copy_(working(p, p) + t * part)
            first += p.numel()

    def run(self) -> Any:
        """Do the steps; return the first loss."""
        state, group = self.state, self.group
        first_loss, gradient = self.evaluate()
        loss = float(first_loss)
        if is_small(gradient, group["tolerance_grad"]):
            return first_loss
        for made in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            t = self.lr
            if state["n_iter"] == 1:
                self.begin(gradient)
                t *= min(1.0, 1.0 / gradient.abs().sum().item())
            else:
                self.remember(gradient)
                state["d"] = self.direction(gradient)
            direction = state["d"]
            state["prev_flat_grad"], state["prev_loss"] = gradient, loss
            slope = gradient.dot(direction).item()
            if slope > -group["tolerance_change"]:
                state["t"] = t
                break
            before = loss
            is_last = made == group["max_iter"]
            t, loss, gradient = self.advance(Point(0.0, loss, gradient, slope), t, is_last)
            state["t"] = t
            change = (direction * t).abs().max().item()
            if (
                is_last
                or self.calls >= group["max_eval"]
                or is_small(gradient, group["tolerance_grad"])
                or change <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        return first_loss

    def advance(self, start: Point, t: float, is_last: bool) -> tuple[float, float, Any]:
        """Go along the direction; return how far, and the loss and gradient there."""
        direction = self.state["d"]
        if self.group["line_search_fn"] is None:
            self.move(t, direction)
            if is_last:  # nobody will look at the loss
                return t, start.loss, start.gradient
            loss, gradient = self.evaluate()
            return t, float(loss), gradient
        kept = [p.clone() for p in self.params]

        def at(t: float) -> Point:
            self.move(t, direction)
            loss, gradient = self.evaluate()
            for p, x in zip(self.params, kept, strict=True):
                p.copy_(x)
            return Point(t, float(loss), gradient, gradient.dot(direction).item())

        most = self.group["max_eval"] - self.calls
        found = strong_wolfe(at, start, t, direction.abs().max().item(), most)
        self.move(found.t, direction)
        return found.t, found.loss, found.gradient

    # ---- the estimate of the inverse Hessian

    def begin(self, gradient: Any) -> None:
        """Remember nothing, and go down the gradient."""
        self.state.update(d=-gradient, old_dirs=[], old_stps=[], ro=[], H_diag=1.0)

    def remember(self, gradient: Any) -> None:
        """Remember the last step and how the gradient changed in it."""
        state = self.state
        change, step = gradient - state["prev_flat_grad"], state["d"] * as_float(state["t"])
        curvature = change.dot(step).item()
        if curvature <= LEAST_CURVATURE:
            return
        if len(state["old_dirs"]) == self.group["history_size"]:
            for name in ("old_dirs", "old_stps", "ro"):
                del state[name][0]
        state["old_dirs"].append(change)
        state["old_stps"].append(step)
        state["ro"].append(1.0 / curvature)
        state["H_diag"] = curvature / change.dot(change).item()

    def direction(self, gradient: Any) -> Any:
        """Return minus the inverse Hessian, as the steps remembered show it, times the gradient."""
        state = self.state
        scales = map(as_float, state["ro"])
        pairs = list(zip(state["old_dirs"], state["old_stps"], scales, strict=True))
        shares, q = [], -gradient
        for change, step, scale in reversed(pairs):
            shares.append(step.dot(q).item() * scale)
            q = q - shares[-1] * change
        q = as_float(state["H_diag"]) * q
        for (change, step, scale), share in zip(pairs, reversed(shares), strict=True):
            q = q + (share - change.dot(q).item() * scale) * step
        return q


def is_small(x: Any, tolerance: float) -> bool:
    """Tell whether no element of a Tensor is larger than a tolerance."""
    result: bool = x.abs().max().item() <= tolerance
    return result


# ---- the line search


def strong_wolfe(
    at: Callable[[float], Point], start: Point, t: float, width: float, most: int
) -> Point:
    """Return a point that fulfils Wolfe's strong conditions (Nocedal and Wright, algorithm 3.5).

    Args:
        at: evaluates a point of the line.
        start: its beginning.
        t: the first point tried.
        width: the largest element of the direction.
        most: how many points are tried at most after the first; then the best of them is returned.
    """
    last, point, tried = start, at(t), 0
    low, high = start, point
    while tried < most:
        is_higher = point.loss > allowed(start, point.t) or (tried > 1 and point.loss >= last.loss)
        if not is_higher and is_flat(start, point):
            return point
        if is_higher or point.slope >= 0.0:
            low, high = last, point
            break
        bounds = point.t + 0.01 * (point.t - last.t), point.t * 10.0
        last, point = point, at(lowest(last, point, bounds))
        tried += 1
    else:
        low, high = start, point
    if high.loss < low.loss:
        low, high = high, low
    return zoom(at, start, (low, high), width, most - tried)


def zoom(
    at: Callable[[float], Point],
    start: Point,
    bracket: tuple[Point, Point],
    width: float,
    most: int,
) -> Point:
    """Return the best point found by making a bracket of a lower and a higher one narrower."""
    low, high = bracket
    is_stuck = False
    for _ in range(most):
        if abs(high.t - low.t) * width < LEAST_BRACKET:
            break
        least, largest = min(low.t, high.t), max(low.t, high.t)
        t = lowest(low, high, (least, largest))
        t, is_stuck = inside(t, least, largest, is_stuck)
        point = at(t)
        if point.loss > allowed(start, t) or point.loss >= low.loss:
            low, high = (low, point) if low.loss <= point.loss else (point, low)
            continue
        if is_flat(start, point):
            return point
        if point.slope * (high.t - low.t) >= 0.0:
            high = low
        low = point
    return low


def allowed(start: Point, t: float) -> float:
    """Return the loss that a point has at most by the first condition."""
    return start.loss + DECREASE * t * start.slope


def is_flat(start: Point, point: Point) -> bool:
    """Tell whether the slope is as small as the second condition asks."""
    return abs(point.slope) <= -CURVATURE * start.slope


def inside(t: float, least: float, largest: float, is_stuck: bool) -> tuple[float, bool]:
    """Return a point away from the ends of a bracket, where the last one was near them, too."""
    margin = 0.1 * (largest - least)
    if min(largest - t, t - least) >= margin:
        return t, False
    if not is_stuck and least < t < largest:
        return t, True
    return (largest - margin if abs(t - largest) < abs(t - least) else least + margin), False


def lowest(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Return where the cubic through two points with their slopes is lowest within bounds."""
    if a.t > b.t:
        a, b = b, a
    bend = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.t - b.t)
    square = bend * bend - a.slope * b.slope
    root = math.sqrt(square) if square >= 0.0 else math.nan
    divisor = b.slope - a.slope + 2.0 * root
    if not divisor:
        root = math.nan
    if root != root:  # there is none
        return (bounds[0] + bounds[1]) / 2.0
    t = b.t - (b.t - a.t) * ((b.slope + root - bend) / divisor)
    return min(max(t, bounds[0]), bounds[1])
