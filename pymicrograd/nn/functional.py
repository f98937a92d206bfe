"""Sums, softmax and losses of Values; one call records what the reference's loop records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .. import _core
from ..reference import functional as reference
from ..reference.functional import (
    as_class,
    check_lengths,
    check_reduction,
    check_targets,
    hinges,
    reduced,
    squared_errors,
)
from ..reference.value import as_float
from ..value import Value, as_operand

__all__ = [
    "cross_entropy",
    "dot",
    "margin_loss",
    "mean",
    "mse_loss",
    "rmsnorm",
    "softmax",
    "sum",
]


REDUCTIONS = _core.REDUCTIONS
record_cross_entropy = _core.ValueBase._cross_entropy


def as_values(values: Iterable[Any], what: str) -> list[Value]:
    """Return a list of Values, numbers made leaves; refuse an empty one."""
    result = [x if x.__class__ is Value else as_operand(x) for x in values]
    if not result:
        raise ValueError(f"{what} of nothing")
    return result


def sum(values: Iterable[Any]) -> Any:
    return Value._sum(as_values(values, "sum"), False)


def mean(values: Iterable[Any]) -> Any:
    return Value._sum(as_values(values, "mean"), True)


def dot(a: Iterable[Any], b: Iterable[Any]) -> Any:
    a, b = list(a), list(b)
    check_lengths("dot", a, b)
    return Value._dot(as_values(a, "dot"), as_values(b, "dot"))


def softmax(logits: Iterable[Any]) -> Any:
    return Value._softmax(as_values(logits, "softmax"))


def rmsnorm(x: Iterable[Any], eps: float = 1e-5) -> Any:
    return Value._rmsnorm(as_values(x, "rmsnorm"), as_float(eps))


def cross_entropy(
    logits: Sequence[Any], target: Any, shifted: bool = True, reduction: str = "mean"
) -> Any:
    if reduction not in REDUCTIONS:
        check_reduction(reduction)
    mode = REDUCTIONS[reduction]
    loss = record_cross_entropy(logits, target, shifted, mode)
    if loss is not NotImplemented:
        return loss
    logits = list(logits)
    if not logits:
        raise ValueError("cross_entropy of nothing")
    if not hasattr(logits[0], "__len__"):
        values = as_values(logits, "cross_entropy")
        return record_cross_entropy(values, as_class(target, len(values)), shifted, mode)
    check_targets(logits, target)
    rows = [as_values(row, "cross_entropy") for row in logits]
    classes = [as_class(t, len(row)) for t, row in zip(target, rows, strict=True)]
    if len(set(map(len, rows))) == 1:
        return record_cross_entropy(rows, classes, shifted, mode)
    losses = [cross_entropy(row, t, shifted) for row, t in zip(rows, classes, strict=True)]
    return reduced(losses, reduction, Value(0.0))


def margin_loss(scores: Sequence[Any], targets: Sequence[Any]) -> Any:
    losses = hinges(scores, targets)
    return sum(losses) * (1.0 / len(losses))


def mse_loss(prediction: Sequence[Any], target: Sequence[Any]) -> Any:
    return mean(squared_errors(prediction, target))


for _function in (sum, mean, dot, softmax, rmsnorm, cross_entropy, margin_loss, mse_loss):
    _function.__doc__ = getattr(reference, _function.__name__).__doc__
