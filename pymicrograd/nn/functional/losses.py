"""Losses of Tensors."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from ... import _core
from ...errors import ArgumentError, DTypeError, ShapeError
from ...losses import check_reduction
from ...tensors.conversion import as_tensor
from ...tensors.dtypes import int64
from ...tensors.ops import OPS, apply, cast
from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["cross_entropy", "mse_loss"]


def cross_entropy(
    input: Tensor,
    target: Any,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return -log(softmax(logits)[target]), a Tensor of shape (), or of target's for "none".

    Args:
        input: logits (N, C), (N, C, d...) or (C).
        target: classes, of any type of integers: (N), (N, d...) or ().
        ignore_index: a class whose rows count for nothing.
        reduction: "none", "sum", or "mean" over the rows that count.
        label_smoothing: what part of the target is spread over all classes, 0 to 1.

    Raises:
        TensorIndexError: a class is not from 0 to C - 1.
        ShapeError: the shapes do not fit.
        DTypeError: logits are no floats, or classes no integers.
        ValueError: reduction is unknown, or label_smoothing outside 0 to 1.
    """
    if not tensor_of("cross_entropy", input).is_floating_point():
        raise DTypeError(
            f"cross_entropy: input, the logits, is of floats, not {input.dtype.name}; cast it "
            "with float()"
        )
    target = as_tensor(target)
    if target.dtype.kind != 1:
        raise DTypeError(f"cross_entropy: classes are integers, not {target.dtype.name}")
    check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"cross_entropy: label_smoothing {label_smoothing} is not from 0 to 1")
    axis = 1 if input.ndim > 1 else 0
    if target.shape == input.shape and input.ndim > 1:
        raise ShapeError(
            f"cross_entropy: classes of shape {target.shape}, as the logits, look like one-hot "
            f"rows; it takes their numbers: target.argmax({axis})"
        )
    if not input.ndim or target.shape != input.shape[:axis] + input.shape[axis + 1 :]:
        raise ShapeError(
            f"cross_entropy: logits of shape {input.shape} and classes of shape {target.shape} "
            "do not fit"
        )
    rows, classes = math.prod(target.shape), input.shape[axis]
    logits = input if input.ndim == 2 else input.movedim(axis, -1).reshape(rows, classes)
    integers = _core.REDUCTIONS[reduction], operator.index(ignore_index)
    operands = logits, cast(target, int64).reshape(rows)
    loss = apply(OPS["cross_entropy"], operands, integers, (float(label_smoothing),))
    return loss.reshape(target.shape) if reduction == "none" else loss


def mse_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Return the mean of (input - target)**2, of shape (), or of input's for "none".

    Args:
        input, target: of one shape.
        reduction: "mean", "sum", or "none" for all squares.

    Raises:
        ShapeError: the shapes differ; they are not broadcast.
        ValueError: reduction is unknown.
        TypeError: one is no Tensor.
    """
    check_reduction(reduction)
    if tensor_of("mse_loss", input).shape != tensor_of("mse_loss", target, "target").shape:
        raise ShapeError(f"mse_loss: shapes {input.shape} and {target.shape} differ")
    difference = input - target
    squares = difference * difference
    loss: Tensor = squares
    if reduction != "none":
        loss = squares.mean() if reduction == "mean" else squares.sum()
    return loss
