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
    margin_loss,
    mse_loss,
    reduced,
)
from ..value import Value, as_operand, wrap, wrap_bulk

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


def handles_of(values: Iterable[Value]) -> list[int]:
    """Return the handles of Values."""
    return [x._handle for x in values]


def sum(values: Iterable[Any]) -> Any:
    values = as_values(values, "sum")
    return wrap(_core.sum_of(handles_of(values)), (values,), None)


def mean(values: Iterable[Any]) -> Any:
    values = as_values(values, "mean")
    return wrap(_core.mean_of(handles_of(values)), (values,), None)


def dot(a: Iterable[Any], b: Iterable[Any]) -> Any:
    a, b = list(a), list(b)
    check_lengths("dot", a, b)
    a, b = as_values(a, "dot"), as_values(b, "dot")
    return wrap(_core.dot_of(handles_of(a), handles_of(b)), (a, b), None)


def softmax(logits: Iterable[Any]) -> list[Value]:
    logits = as_values(logits, "softmax")
    return wrap_bulk(_core.softmax(handles_of(logits)), logits)


def rmsnorm(x: Iterable[Any], eps: float = 1e-5) -> list[Value]:
    x = as_values(x, "rmsnorm")
    return wrap_bulk(_core.rmsnorm(handles_of(x), eps), x)


def cross_entropy(
    logits: Sequence[Any], target: Any, shifted: bool = True, reduction: str = "mean"
) -> Any:
    if reduction not in REDUCTIONS:
        check_reduction(reduction)
    loss = record_cross_entropy(logits, target, shifted, REDUCTIONS[reduction])
    if loss is not NotImplemented:
        return loss
    logits = list(logits)
    if not logits:
        raise ValueError("cross_entropy of nothing")
    if not hasattr(logits[0], "__len__"):
        return batch_cross_entropy([logits], [target], shifted, "none")[0]
    check_targets(logits, target)
    if len(set(map(len, logits))) == 1:
        return batch_cross_entropy(logits, target, shifted, reduction)
    losses = [cross_entropy(row, t, shifted) for row, t in zip(logits, target, strict=True)]
    return reduced(losses, reduction, Value(0.0))


def batch_cross_entropy(
    logits: Sequence[Any], targets: Sequence[Any], shifted: bool, reduction: str
) -> Any:
    """Return the losses of rows of equal length, or their sum or mean."""
    classes = len(logits[0])
    values = as_values((x for row in logits for x in row), "cross_entropy")
    indices = [as_class(t, classes) for t in targets]
    handles = _core.cross_entropy(
        len(logits), classes, handles_of(values), indices, shifted, reduction
    )
    losses = wrap_bulk(handles, values)
    return losses if reduction == "none" else losses[0]


for _function in (sum, mean, dot, softmax, rmsnorm, cross_entropy):
    _function.__doc__ = getattr(reference, _function.__name__).__doc__
