"""Sums, softmax and losses: the loops that a micrograd program writes, node by node.

They use nothing of Values but operators and methods; numbers among Values become leaves. Each
sum begins with `+ 0.0`, as Python's `sum()` does, and runs from left to right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..losses import (
    as_class,
    check_lengths,
    check_reduction,
    check_targets,
    cross_entropy_in_a_loop,
    hinges,
    is_value,
    reduced,
    rmsnorm_in_a_loop,
    softmax_in_a_loop,
    squared_errors,
)
from .value import Value, as_operand

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


def as_values(values: Iterable[Any], what: str) -> list[Any]:
    """Return a list of Values, numbers made leaves; refuse an empty one."""
    result = [x if is_value(x) else as_operand(x) for x in values]
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
    first, *rest = as_values(values, "sum")
    total = first + 0.0
    for value in rest:
        total = total + value
    return total


def mean(values: Iterable[Any]) -> Any:
    """Return sum(values) / n, a Value.

    Args:
        values: Values or numbers, n of them and at least one.

    Raises:
        ValueError: there are no values.
    """
    values = list(values)
    return sum(values) / len(values)


def dot(a: Iterable[Any], b: Iterable[Any]) -> Any:
    """Return the sum of a[i] * b[i], a Value.

    Args:
        a, b: Values or numbers, as many in each.

    Raises:
        ValueError: the lengths differ, or are 0.
    """
    a, b = list(a), list(b)
    check_lengths("dot", a, b)
    return sum(ai * bi for ai, bi in zip(as_values(a, "dot"), as_values(b, "dot"), strict=True))


def softmax(logits: Iterable[Any]) -> list[Any]:
    """Return exp(v - m) / (sum of these) for each of the logits, m their largest number.

    Raises:
        ValueError: there are no logits.
    """
    return softmax_in_a_loop(as_values(logits, "softmax"))


def rmsnorm(x: Iterable[Any], eps: float = 1e-5) -> list[Any]:
    """Return x[i] * (mean of squares + eps)**-0.5, a list of Values as long as x.

    Args:
        x: Values or numbers.
        eps: what keeps the power finite where all are 0.

    Raises:
        ValueError: x is empty.
    """
    return rmsnorm_in_a_loop(as_values(x, "rmsnorm"), eps)


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
    check_reduction(reduction)
    logits = list(logits)
    if not logits:
        raise ValueError("cross_entropy of nothing")
    if not hasattr(logits[0], "__len__"):
        return example_cross_entropy(logits, target, shifted)
    check_targets(logits, target)
    losses = [example_cross_entropy(row, t, shifted) for row, t in zip(logits, target, strict=True)]
    return reduced(losses, reduction, Value(0.0))


def example_cross_entropy(logits: Iterable[Any], target: Any, shifted: bool) -> Any:
    """Return -log(softmax(logits)[target]) of one example."""
    logits = as_values(logits, "cross_entropy")
    return cross_entropy_in_a_loop(logits, as_class(target, len(logits)), shifted)


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


def mse_loss(prediction: Sequence[Any], target: Sequence[Any]) -> Any:
    """Return the mean of (prediction - target)**2.

    Raises:
        ValueError: the lengths differ, or are 0.
    """
    return mean(squared_errors(prediction, target))
