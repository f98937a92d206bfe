"""What the losses of both engines share: which arguments they take, and their elementwise parts."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

from .scalars import as_float

__all__ = ["REDUCTIONS", "as_class", "check_lengths", "check_reduction", "check_targets"]

REDUCTIONS = ("mean", "sum", "none")


def is_value(x: Any) -> bool:
    """Tell whether x is a Value, of this engine or another."""
    return hasattr(x, "_prev")


def check_lengths(what: str, left: Sequence[Any], right: Sequence[Any]) -> None:
    """Raise unless two lists have the same length, which is not 0."""
    if len(left) != len(right):
        raise ValueError(f"{what}: lengths {len(left)} and {len(right)} differ")
    if len(left) == 0:
        raise ValueError(f"{what} of nothing")


def check_reduction(reduction: str) -> None:
    """Raise unless a reduction is known."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction {reduction!r} is none of {', '.join(REDUCTIONS)}")


def check_targets(logits: Sequence[Any], targets: Any) -> None:
    """Raise unless there is a target for each row of a batch."""
    if not hasattr(targets, "__len__"):
        raise TypeError(f"a batch has a list of targets, not {type(targets).__name__}")
    check_lengths("cross_entropy", logits, targets)


def reduced(losses: list[Any], reduction: str, total: Any) -> Any:
    """Return the losses, their sum or their mean, added to a total that begins at 0.0."""
    if reduction == "none":
        return losses
    for loss in losses:
        total = total + loss
    return total * (1.0 / len(losses)) if reduction == "mean" else total


def as_class(target: Any, classes: int) -> int:
    """Return a target as an int from 0 to classes - 1."""
    if not hasattr(type(target), "__index__"):
        raise TypeError(f"a target is an int, one of {classes} classes, not {target!r}")
    index: int = operator.index(target)
    if not 0 <= index < classes:
        raise IndexError(f"target {index} is none of {classes} classes, 0 to {classes - 1}")
    return index


def hinges(scores: Sequence[Any], targets: Sequence[Any]) -> list[Any]:
    """Return relu(1 - target * score) for each pair."""
    check_lengths("margin_loss", scores, targets)
    signs = [-t if is_value(t) else -as_float(t) for t in targets]
    return [(1.0 + sign * score).relu() for sign, score in zip(signs, scores, strict=True)]


def squared_errors(prediction: Sequence[Any], target: Sequence[Any]) -> list[Any]:
    """Return (prediction - target)**2 for each pair."""
    check_lengths("mse_loss", prediction, target)
    return [(p - t) ** 2 for p, t in zip(prediction, target, strict=True)]


# ---- the loops that a bulk builder stands for, on lists of Values ----------------------------


def total_of(values: Iterable[Any]) -> Any:
    """Return 0 + values[0] + values[1] + ...: Python's sum(), before it was compensated."""
    total: Any = 0
    for value in values:
        total = total + value
    return total


def shifted_exponentials(logits: list[Any]) -> list[Any]:
    """Return exp(v - m), m the largest number, a constant: no overflow."""
    m = max(v.data for v in logits)
    return [(v - m).exp() for v in logits]


def softmax_in_a_loop(logits: list[Any]) -> list[Any]:
    """Return exp(v - m) / (sum of these)."""
    exponentials = shifted_exponentials(logits)
    total = total_of(exponentials)
    return [e / total for e in exponentials]


def rmsnorm_in_a_loop(x: list[Any], eps: float) -> list[Any]:
    """Return x[i] * (mean of squares + eps)**-0.5."""
    mean_square = total_of(xi * xi for xi in x) / len(x)
    scale = (mean_square + eps) ** -0.5
    return [xi * scale for xi in x]


def cross_entropy_in_a_loop(logits: list[Any], target: int, shifted: bool) -> Any:
    """Return -log(softmax(logits)[target]) of one example."""
    exponentials = shifted_exponentials(logits) if shifted else [v.exp() for v in logits]
    total = total_of(exponentials)
    probabilities = [e / total for e in exponentials]
    return -(probabilities[target].log())
