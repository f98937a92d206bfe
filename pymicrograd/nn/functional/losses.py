"""Losses of Tensors."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from ... import _core
from ...errors import ArgumentError, DTypeError, ShapeError, TensorIndexError
from ...losses import check_reduction
from ...tensors.conversion import as_tensor
from ...tensors.dtypes import int64
from ...tensors.ops import OPS, apply, cast
from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["cross_entropy", "mse_loss", "nll_loss"]


def cross_entropy(
    input: Tensor,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return -log(softmax(logits)[target]), a Tensor of shape (), or of target's for "none".

    Args:
        input: logits (N, C), (N, C, d...) or (C).
        target: classes, of any type of integers: (N), (N, d...) or (); or the probabilities of all
            classes, floats in input's shape, of which the loss is -sum(target * log(softmax)).
        weight: (C), a factor for each class; "mean" divides by the sum of those of the targets,
            but with probabilities by the number of rows.
        ignore_index: a class whose rows count for nothing.
        reduction: "none", "sum", or "mean" over the rows that count.
        label_smoothing: what part of the target is spread over all classes, 0 to 1.

    Raises:
        TensorIndexError: a class is not from 0 to C - 1.
        ShapeError: the shapes do not fit.
        DTypeError: logits are no floats, or classes neither integers nor floats.
        ValueError: reduction is unknown, or label_smoothing outside 0 to 1, or ignore_index is
            given with probabilities.
    """
    name = "cross_entropy"
    if not tensor_of(name, input).is_floating_point():
        raise DTypeError(
            f"{name}: input, the logits, is of floats, not {input.dtype.name}; cast it with float()"
        )
    target = as_tensor(target)
    check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"{name}: label_smoothing {label_smoothing} is not from 0 to 1")
    axis = check_classes(name, input, target, weight, "logits")
    if target.dtype.kind == 2:
        if ignore_index >= 0:
            raise ArgumentError(f"{name}: ignore_index is for classes, not for probabilities")
        smoothed = target * (1.0 - label_smoothing) + label_smoothing / input.shape[axis]
        return of_probabilities(input.log_softmax(axis), smoothed, weight, reduction, axis)
    if weight is not None:
        return weighted(input.log_softmax(axis), target, weight, ignore_index, reduction,
                        label_smoothing)  # fmt: skip
    rows, classes = math.prod(target.shape), input.shape[axis]
    logits = input if input.ndim == 2 else input.movedim(axis, -1).reshape(rows, classes)
    integers = _core.REDUCTIONS[reduction], operator.index(ignore_index)
    operands = logits, cast(target, int64).reshape(rows)
    loss = apply(OPS["cross_entropy"], operands, integers, (float(label_smoothing),))
    return loss.reshape(target.shape) if reduction == "none" else loss


def nll_loss(
    input: Tensor,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return -input[target], of logarithms of probabilities, as `log_softmax` gives them.

    Args:
        input: (N, C), (N, C, d...) or (C).
        target: classes, of any type of integers: (N), (N, d...) or ().
        weight: (C), a factor for each class; "mean" divides by the sum of those of the targets.
        ignore_index: a class whose rows count for nothing.
        reduction: "none", "sum", or "mean" over the rows that count.

    Raises:
        TensorIndexError: a class is not from 0 to C - 1.
        ShapeError: the shapes do not fit.
        DTypeError: input is not of floats, or classes are no integers.
        ValueError: reduction is unknown.
    """
    name = "nll_loss"
    if not tensor_of(name, input).is_floating_point():
        raise DTypeError(f"{name}: input is of floats, not {input.dtype.name}")
    target = as_tensor(target)
    check_reduction(reduction)
    if target.dtype.kind == 2:
        raise DTypeError(f"{name}: classes are integers, not {target.dtype.name}")
    check_classes(name, input, target, weight, "input")
    return weighted(input, target, weight, ignore_index, reduction)


def check_classes(name: str, input: Any, target: Any, weight: Any, what: str) -> int:
    """Return the axis of classes; refuse targets and weights that do not go with it."""
    axis = 1 if input.ndim > 1 else 0
    if target.dtype.kind == 0:
        raise DTypeError(f"{name}: classes are integers, not {target.dtype.name}")
    if target.dtype.kind == 1 and target.shape == input.shape and input.ndim > 1:
        raise ShapeError(
            f"{name}: classes of shape {target.shape}, as the {what}, look like one-hot rows; it "
            f"takes their numbers, target.argmax({axis}), or floats for probabilities"
        )
    classes = input.shape[:axis] + input.shape[axis + 1 :]
    fits = target.shape == (input.shape if target.dtype.kind == 2 else classes)
    if target.dtype.kind == 2 and target.shape == classes:
        raise DTypeError(
            f"{name}: classes are integers, not {target.dtype.name}; probabilities have the shape "
            f"of the {what}, {input.shape}"
        )
    if not input.ndim or not fits:
        kind = "probabilities" if target.dtype.kind == 2 else "classes"
        raise ShapeError(
            f"{name}: {what} of shape {input.shape} and {kind} of shape {target.shape} do not fit"
        )
    if weight is not None and tensor_of(name, weight, "weight").shape != (input.shape[axis],):
        raise ShapeError(
            f"{name}: a weight of shape {weight.shape} is not ({input.shape[axis]},), one number "
            "a class"
        )
    return axis


def of_probabilities(
    logarithms: Any, target: Any, weight: Any, reduction: str, axis: int
) -> Tensor:
    """Return -sum(target * weight * logarithms) along the axis of classes, reduced."""
    losses = logarithms * target
    if weight is not None:
        losses = losses * per_class(weight, logarithms, axis)
    rows = -losses.sum(axis)
    if reduction == "none":
        return rows  # type: ignore[no-any-return]
    total: Tensor = rows.sum()
    return total / rows.numel() if reduction == "mean" else total


def per_class(weight: Any, beside: Any, axis: int) -> Any:
    """Return a weight with axes of size 1 for all others of a tensor."""
    return weight.reshape(-1, *[1] * (beside.ndim - axis - 1))


def weighted(
    logarithms: Any,
    target: Any,
    weight: Any,
    ignored: int,
    reduction: str,
    smoothing: float = 0.0,
) -> Tensor:
    """Return the losses of classes with a factor for each, reduced."""
    axis = 1 if logarithms.ndim > 1 else 0
    classes = cast(target, int64)
    counts = classes != operator.index(ignored)
    size = logarithms.shape[axis]
    outside = ((classes < 0) | (classes >= size)) & counts
    if outside.any():
        wrong = classes[outside].tolist()[0]
        raise TensorIndexError(f"a target {wrong} is no class, from 0 to {size - 1}")
    classes = classes.where(counts, 0)
    if weight is None:
        factors = cast(counts, logarithms.dtype)
    else:
        taken = weight[classes.reshape(-1)].reshape(classes.shape)
        factors = taken.where(counts, 0.0)
    losses = -logarithms.gather(axis, classes.unsqueeze(axis)).squeeze(axis) * factors
    losses = losses.where(counts, 0.0)  # of an ignored row also where it holds infinities
    if smoothing:
        spread = logarithms * per_class(weight, logarithms, axis)
        rest = -spread.sum(axis).where(counts, 0.0)
        losses = losses * (1.0 - smoothing) + rest * (smoothing / size)
    if reduction == "none":
        return losses  # type: ignore[no-any-return]
    total: Tensor = losses.sum()
    return total / factors.sum() if reduction == "mean" else total


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
