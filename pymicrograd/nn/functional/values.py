"""Sums, softmax and losses of Values; one call records all nodes of micrograd's loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ... import _core
from ...choices import Index, at, choosing, is_choice
from ...losses import (
    as_class,
    check_lengths,
    check_reduction,
    check_targets,
    cross_entropy_in_a_loop,
    hinges,
    reduced,
    rmsnorm_in_a_loop,
    softmax_in_a_loop,
    squared_errors,
    total_of,
)
from ...scalars import as_float
from ...value import Value, as_operand

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
    """Return values[0] + 0.0 + values[1] + ..., a Value, as Python's sum adds them.

    Args:
        values: Values or numbers, at least one; numbers become leaves.

    Raises:
        ValueError: there are no values.
    """
    values = as_values(values, "sum")
    found = Value._sum(values, False)
    return total_of(values) if found is NotImplemented else found


def mean(values: Iterable[Any]) -> Any:
    """Return sum(values) / n, a Value.

    Args:
        values: Values or numbers, n of them and at least one.

    Raises:
        ValueError: there are no values.
    """
    values = as_values(values, "mean")
    found = Value._sum(values, True)
    return total_of(values) / len(values) if found is NotImplemented else found


def dot(a: Iterable[Any], b: Iterable[Any]) -> Any:
    """Return the sum of a[i] * b[i], a Value.

    Args:
        a, b: Values or numbers, as many in each.

    Raises:
        ValueError: the lengths differ, or are 0.
    """
    a, b = list(a), list(b)
    check_lengths("dot", a, b)
    a, b = as_values(a, "dot"), as_values(b, "dot")
    found = Value._dot(a, b)
    if found is not NotImplemented:
        return found
    return total_of(ai * bi for ai, bi in zip(a, b, strict=True))


def softmax(logits: Iterable[Any]) -> Any:
    """Return exp(v - m) / (sum of these) for each of the logits, m their largest number.

    Raises:
        ValueError: there are no logits.
    """
    logits = as_values(logits, "softmax")
    found = Value._softmax(logits)
    return softmax_in_a_loop(logits) if found is NotImplemented else found


def rmsnorm(x: Iterable[Any], eps: float = 1e-5) -> Any:
    """Return x[i] * (mean of squares + eps)**-0.5, a list of Values as long as x.

    Args:
        x: Values or numbers.
        eps: what keeps the power finite where all are 0.

    Raises:
        ValueError: x is empty.
    """
    x, eps = as_values(x, "rmsnorm"), as_float(eps)
    found = Value._rmsnorm(x, eps)
    return rmsnorm_in_a_loop(x, eps) if found is NotImplemented else found


def cross_entropy(
    logits: Sequence[Any], target: Any, shifted: bool = True, reduction: str = "mean"
) -> Any:
    """Return -log(softmax(logits)[target]).

    Args:
        logits: one Value per class; or rows of them, a batch.
        target: the class, an int; or one per row.
        shifted: subtract the largest logit first, so that exp cannot overflow; LLM101n's later
            program does not.
        reduction: of a batch: "mean" is 0.0 + loss + loss + ... times 1 / rows, "sum" is without
            the factor, "none" a list.

    Raises:
        TypeError: a target is not an int.
        IndexError: a target is no class.
        ValueError: something is empty, lengths differ, or reduction is unknown.
    """
    if reduction not in REDUCTIONS:
        check_reduction(reduction)
    mode = REDUCTIONS[reduction]
    if choosing(target):
        return cross_entropy_by_choice(logits, target, shifted, reduction)
    loss = record_cross_entropy(logits, target, shifted, mode)
    if loss is not NotImplemented:
        return loss
    logits = list(logits)
    if not logits:
        raise ValueError("cross_entropy of nothing")
    if not hasattr(logits[0], "__len__"):
        values = as_values(logits, "cross_entropy")
        target = as_class(target, len(values))
        loss = record_cross_entropy(values, target, shifted, mode)
        if loss is not NotImplemented:
            return loss
        return cross_entropy_in_a_loop(values, target, shifted)
    check_targets(logits, target)
    rows = [as_values(row, "cross_entropy") for row in logits]
    classes = [as_class(t, len(row)) for t, row in zip(target, rows, strict=True)]
    if len(set(map(len, rows))) == 1:
        loss = record_cross_entropy(rows, classes, shifted, mode)
        if loss is not NotImplemented:
            return loss
    losses = [cross_entropy(row, t, shifted) for row, t in zip(rows, classes, strict=True)]
    return reduced(losses, reduction, Value(0.0))


def cross_entropy_by_choice(
    logits: Sequence[Any], target: Any, shifted: bool, reduction: str
) -> Any:
    """Return the same where a target is an input of a program: the same ops, one by one."""
    if type(target) is not Index:
        check_targets(logits, target)
        pairs = zip(logits, target, strict=True)
        losses = [cross_entropy(row, t, shifted, reduction) for row, t in pairs]
        return reduced(losses, reduction, Value(0.0))
    values = as_values(logits, "cross_entropy")
    if not is_choice(values, target):
        return cross_entropy(values, as_class(target, len(values)), shifted)
    if shifted:
        return -at(softmax(values), target).log()
    exponentials = [v.exp() for v in values]
    total = total_of(exponentials)
    return -at([e / total for e in exponentials], target).log()


def margin_loss(scores: Sequence[Any], targets: Sequence[Any]) -> Any:
    """Return the mean of relu(1 - target * score), the hinge loss of micrograd's demo.

    Args:
        scores: Values, one per example.
        targets: -1 or 1 for each, a number or a Value.

    Returns:
        A Value, 0 where every target * score is at least 1.

    Raises:
        ValueError: the lengths differ, or are 0.
    """
    losses = hinges(scores, targets)
    return sum(losses) * (1.0 / len(losses))


def mse_loss(prediction: Sequence[Any], target: Sequence[Any], reduction: str = "mean") -> Any:
    """Return the mean of (prediction - target)**2, their sum or all of them.

    Args:
        prediction: Values; target: as many Values or numbers.
        reduction: "mean" or "sum" for a Value, "none" for a list of all squares.

    Raises:
        ValueError: the lengths differ, or are 0, or reduction is unknown.
    """
    check_reduction(reduction)
    squares = squared_errors(prediction, target)
    if reduction == "none":
        return squares
    return mean(squares) if reduction == "mean" else sum(squares)
