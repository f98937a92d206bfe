"""Losses of Tensors; `size_average` and `reduce` are PyTorch's former names of reductions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ... import _core
from ...errors import ArgumentError, DTypeError, ShapeError, TensorIndexError
from ...losses import check_reduction
from ...tensors.arrangement import broadcast_shapes
from ...tensors.conversion import as_tensor
from ...tensors.creation import zeros_like
from ...tensors.dtypes import COMPUTED, int64
from ...tensors.functions import where
from ...tensors.ops import OPS, apply, cast
from ...tensors.warning import warn
from .arguments import tensor_of
from .distances import pairwise_distance
from .former import reduction_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss",
    "cross_entropy", "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div",
    "l1_loss", "margin_ranking_loss", "mse_loss", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "nll_loss", "poisson_nll_loss", "smooth_l1_loss",
    "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip

SQUARED_DIFFERENCE = OPS["squared_difference"]


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
        return of_classes(input.log_softmax(axis), target, weight, ignore_index, reduction,
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
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
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
    reduction = reduction_of(size_average, reduce, reduction)
    name = "nll_loss"
    if not tensor_of(name, input).is_floating_point():
        raise DTypeError(f"{name}: input is of floats, not {input.dtype.name}")
    target = as_tensor(target)
    check_reduction(reduction)
    if target.dtype.kind == 2:
        raise DTypeError(f"{name}: classes are integers, not {target.dtype.name}")
    check_classes(name, input, target, weight, "input")
    return of_classes(input, target, weight, ignore_index, reduction)


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


def of_classes(
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
    inside = classes.ge(0).logical_and(classes.lt(size))
    text = f"a target {{}} is no class, from 0 to {size - 1}"
    _core.require(inside.logical_or(counts.logical_not()), TensorIndexError, text, classes)
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


def reduce_loss(losses: Any, reduction: str) -> Tensor:
    """Return the losses, their sum or their mean."""
    if reduction == "none":
        return losses  # type: ignore[no-any-return]
    return losses.mean() if reduction == "mean" else losses.sum()  # type: ignore[no-any-return]


def operands(call: str, input: Any, target: Any, reduction: str) -> tuple[Any, Any]:
    """Return input and target in one shape; where they differ, PyTorch's warning is given."""
    check_reduction(reduction)
    x, y = tensor_of(call, input), tensor_of(call, target, "target")
    if x.shape == y.shape:
        return x, y
    try:
        shape = broadcast_shapes(x.shape, y.shape)
    except ShapeError:
        raise ShapeError(f"{call}: shapes {x.shape} and {y.shape} differ") from None
    warn(
        f"{call}: input has shape {x.shape} and target {y.shape}: they are broadcast to {shape}, "
        "which is seldom meant; let them be of one shape"
    )
    return x.expand(shape), y.expand(shape)


def same_shape(call: str, input: Any, target: Any, reduction: str) -> tuple[Any, Any]:
    """Return input and target, which must be of one shape."""
    check_reduction(reduction)
    x, y = tensor_of(call, input), tensor_of(call, target, "target")
    if x.shape != y.shape:
        raise ShapeError(f"{call}: input of shape {x.shape} and target of shape {y.shape} differ")
    return x, y


def weighted(losses: Any, weight: Any, call: str) -> Any:
    """Return losses times weights, which are broadcast to them."""
    return losses if weight is None else losses * tensor_of(call, weight, "weight")


def mse_loss(
    input: Tensor,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Tensor:
    """Return the mean of (input - target)**2, of shape (), or of input's for "none".

    Args:
        input, target: of one shape; others are broadcast, with a warning.
        reduction: "mean", "sum", or "none" for all squares.
        weight: of each square, or None; the mean is divided by their sum.

    Raises:
        ShapeError: the shapes cannot be broadcast.
        ValueError: reduction is unknown.
        TypeError: one is no Tensor.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    x, y = operands("mse_loss", input, target, reduction)
    both = x.requires_grad and y.requires_grad  # who may share what is recorded of x - y
    if x.dtype is y.dtype and x.dtype in COMPUTED and not both:
        return of_weights(apply(SQUARED_DIFFERENCE, (x, y)), weight, reduction, "mse_loss")
    difference = x - y
    return of_weights(difference * difference, weight, reduction, "mse_loss")


def of_weights(losses: Any, weight: Any, reduction: str, call: str) -> Tensor:
    """Reduce losses, each times its weight; the mean is divided by the weights' sum."""
    if weight is None:
        return reduce_loss(losses, reduction)
    weights = tensor_of(call, weight, "weight")
    if weights.shape != losses.shape:
        raise ShapeError(f"{call}: weights of shape {weights.shape} are not {losses.shape}")
    total = losses * weights
    return total.sum() / weights.sum() if reduction == "mean" else reduce_loss(total, reduction)


def l1_loss(
    input: Tensor,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Tensor:
    """Return the mean of abs(input - target); arguments and errors as for `mse_loss`."""
    reduction = reduction_of(size_average, reduce, reduction)
    x, y = operands("l1_loss", input, target, reduction)
    return of_weights((x - y).abs(), weight, reduction, "l1_loss")


def smooth_l1_loss(
    input: Tensor,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Return the mean of d**2 / (2 beta) where d < beta, else d - beta / 2; d = abs(x - y).

    Args:
        input, target, reduction: as for `mse_loss`.
        beta: where the square ends; 0 is `l1_loss`.

    Raises:
        ValueError: beta is below 0.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    x, y = operands("smooth_l1_loss", input, target, reduction)
    if beta < 0:
        raise ArgumentError(f"smooth_l1_loss: beta {beta} is below 0")
    d = (x - y).abs()
    if beta == 0:
        return reduce_loss(d, reduction)
    return reduce_loss(where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta), reduction)


def huber_loss(
    input: Tensor, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Tensor:
    """Return the mean of d**2 / 2 where d <= delta, else delta * (d - delta / 2) (Huber 1964).

    Args:
        input, target, reduction, weight: as for `mse_loss`, d = abs(input - target).
        delta: where the square ends.

    Raises:
        ValueError: delta is not above 0.
    """
    x, y = operands("huber_loss", input, target, reduction)
    if delta <= 0:
        raise ArgumentError(f"huber_loss: delta {delta} is not above 0")
    d = (x - y).abs()
    losses = where(d <= delta, d * d * 0.5, (d - 0.5 * delta) * delta)
    return of_weights(losses, weight, reduction, "huber_loss")


def binary_cross_entropy(
    input: Tensor,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of -(t * log(p) + (1 - t) * log(1 - p)), logarithms not below -100.

    Args:
        input: probabilities, from 0 to 1; target: of the same shape, from 0 to 1.
        weight: of each loss, broadcast; reduction: "none", "sum", or "mean" over the elements.

    Raises:
        ShapeError: the shapes differ.
        ValueError: an input is not from 0 to 1.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    p, t = same_shape("binary_cross_entropy", input, target, reduction)
    inside = (p.detach() >= 0).logical_and(p.detach() <= 1)
    text = "binary_cross_entropy: all elements of input should be between 0 and 1"
    _core.require(inside, ArgumentError, text)
    losses = (t - 1) * log_from(1 - p) - t * log_from(p)
    return reduce_loss(weighted(losses, weight, "binary_cross_entropy"), reduction)


def log_from(p: Any) -> Any:
    """Return max(log(p), -100), with gradient 0 at p = 0."""
    above = p > 0
    return where(above, where(above, p, 1.0).log(), -100.0).clamp_min(-100)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """Return the binary cross entropy of sigmoid(input), in a form that does not overflow.

    Args:
        input: logits; target: of the same shape, from 0 to 1.
        weight: of each loss, broadcast; pos_weight: of each positive target, broadcast.
        reduction: "none", "sum", or "mean" over the elements.

    Raises:
        ShapeError: the shapes differ.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    call = "binary_cross_entropy_with_logits"
    x, t = same_shape(call, input, target, reduction)
    if pos_weight is None:
        losses = (1 - t) * x + (-x).softplus()
    else:
        share = (tensor_of(call, pos_weight, "pos_weight") - 1) * t + 1
        losses = (1 - t) * x + share * (-x).softplus()
    return reduce_loss(weighted(losses, weight, call), reduction)


def kl_div(
    input: Tensor,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Return the mean of t * (log(t) - input): how much target's distribution differs.

    Args:
        input: logarithms of probabilities; target: probabilities, or with log_target their logs.
        reduction: "none", "sum", "mean" over the elements, or "batchmean" over the first axis,
            which is the divergence.

    Raises:
        ValueError: reduction is unknown.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if reduction != "batchmean":
        check_reduction(reduction)
    x, t = tensor_of("kl_div", input), tensor_of("kl_div", target, "target")
    if log_target:
        losses = t.exp() * (t - x)
    else:
        own = where(t == 0, 0.0, t * where(t == 0, 1.0, t).log())
        losses = own - t * x
    if reduction == "batchmean":
        return losses.sum() / x.shape[0] if x.ndim else losses.sum()
    if reduction == "mean":
        warn('kl_div: reduction "mean" divides by all elements; "batchmean" is the divergence')
    return reduce_loss(losses, reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Any,
    margin: float = 1.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of x where the target is 1, max(0, margin - x) where it is -1."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    x = tensor_of("hinge_embedding_loss", input)
    t = tensor_of("hinge_embedding_loss", target, "target")
    losses = where(t == 1, 0.0, (margin - x).clamp_min(0)) + where(t == -1, 0.0, x)
    return reduce_loss(losses, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Any,
    margin: float = 0.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of max(0, -target * (input1 - input2) + margin), target 1 or -1.

    Raises:
        ShapeError: the numbers of axes differ.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    call = "margin_ranking_loss"
    a, b = tensor_of(call, input1, "input1"), tensor_of(call, input2, "input2")
    t = tensor_of(call, target, "target")
    if not a.ndim == b.ndim == t.ndim:
        raise ShapeError(f"{call}: shapes {a.shape}, {b.shape} and {t.shape} do not fit")
    return reduce_loss((margin - t * (a - b)).clamp_min(0), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of log(1 + exp(-target * input)), target 1 or -1."""
    reduction = reduction_of(size_average, reduce, reduction)
    x, t = same_shape("soft_margin_loss", input, target, reduction)
    return reduce_loss((-t * x).softplus(), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean, over rows, of the mean binary cross entropy of the classes.

    Args:
        input: logits (N, C) or (C); target: 0 or 1 for each; weight: of each class, or None.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    x, t = same_shape("multilabel_soft_margin_loss", input, target, reduction)
    losses = t * (-x).softplus() + (1 - t) * x.softplus()
    losses = weighted(losses, weight, "multilabel_soft_margin_loss")
    return reduce_loss(losses.sum(-1) / x.shape[-1], reduction)


def rows_of(call: str, input: Any, target: Any) -> tuple[Any, Any, bool]:
    """Return input (N, C) and target, a row of which stands for a batch of one."""
    x, t = tensor_of(call, input), as_tensor(target)
    if x.ndim > 2:
        raise ShapeError(f"{call}: an input is (N, C) or (C), not {x.shape}")
    if not x.ndim:  # one class
        x, t = x.unsqueeze(0), t if call == "multi_margin_loss" else t.reshape(1)
    return (x, t, True) if x.ndim == 2 else (x.unsqueeze(0), t.unsqueeze(0), False)


def check_targets(call: str, target: Any, least: int, count: int) -> None:
    """Refuse targets that are not from least to count - 1."""
    text = f"{call}: a target is none of {count} classes"
    _core.require(target.ge(least).logical_and(target.lt(count)), TensorIndexError, text)


def multi_margin_loss(
    input: Tensor,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of sum(max(0, margin - x[target] + x[i])**p) / C, over i but the target.

    Args:
        input: scores (N, C) or (C); target: classes (N) or ().
        p: 1 or 2; weight: of each class, (C), or None.

    Raises:
        ValueError: p is neither 1 nor 2.
        ShapeError, TensorIndexError: the targets do not fit, or are no classes.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    call = "multi_margin_loss"
    check_reduction(reduction)
    if p not in (1, 2):
        raise ArgumentError(f"{call}: p is 1 or 2, not {p}")
    if tensor_of(call, input).ndim == 1 and as_tensor(target).ndim == 1:
        target = as_tensor(target).reshape(())
    x, t, batch = rows_of(call, input, target)
    if t.shape != x.shape[:1]:
        raise ShapeError(f"{call}: targets of shape {t.shape} do not fit an input of {x.shape}")
    check_targets(call, t, 0, x.shape[1])
    places = t.long().unsqueeze(1)
    hinges = (margin - x.gather(1, places) + x).clamp_min(0)
    if p == 2:
        hinges = hinges * hinges
    if weight is not None:
        hinges = hinges * tensor_of(call, weight, "weight")[t.long()].unsqueeze(1)
    others = as_tensor(list(range(x.shape[1]))) != places
    losses = where(others, hinges, 0.0).sum(1) / x.shape[1]
    return reduce_loss(losses if batch else losses.squeeze(0), reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of sum(max(0, 1 - (x[t] - x[i]))) / C over targets t and others i.

    Args:
        input: scores (N, C) or (C).
        target: classes of each row, up to the first -1; of input's shape.

    Raises:
        ShapeError: the shapes differ.
        TensorIndexError: a target is no class.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    call = "multilabel_margin_loss"
    check_reduction(reduction)
    x, t, batch = rows_of(call, input, target)
    if t.shape != x.shape:
        raise ShapeError(f"{call}: targets of shape {t.shape} are not of input's, {x.shape}")
    check_targets(call, t, -1, x.shape[1])
    counts = (t < 0).long().cumsum(1) == 0
    places = where(counts, t.long(), 0)
    is_target = zeros_like(x).scatter_add(1, places, counts.to(x.dtype)) > 0
    gaps = (1 - x.gather(1, places).unsqueeze(2) + x.unsqueeze(1)).clamp_min(0)
    pairs = counts.unsqueeze(2).logical_and(is_target.logical_not().unsqueeze(1))
    losses = where(pairs, gaps, 0.0).sum((1, 2)) / x.shape[1]
    return reduce_loss(losses if batch else losses.squeeze(0), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Any,
    margin: float = 0.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of 1 - cos where the target is 1, max(0, cos - margin) where it is -1.

    Args:
        input1, input2: (N, D) or (D); target: (N) or ().

    Raises:
        ShapeError: the shapes do not fit.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    call = "cosine_embedding_loss"
    check_reduction(reduction)
    a, b = tensor_of(call, input1, "input1"), tensor_of(call, input2, "input2")
    t = tensor_of(call, target, "target")
    if a.ndim != b.ndim or a.ndim != t.ndim + 1 or t.ndim > 1:
        raise ShapeError(f"{call}: shapes {a.shape}, {b.shape} and {t.shape} do not fit")
    tiny = 1e-12  # PyTorch's
    cosine = (a * b).sum(-1) / ((a * a).sum(-1) + tiny).mul((b * b).sum(-1) + tiny).sqrt()
    losses = where(t == 1, 1 - cosine, 0.0) + where(t == -1, (cosine - margin).clamp_min(0), 0.0)
    return reduce_loss(losses, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of max(0, d(anchor, positive) - d(anchor, negative) + margin).

    Args:
        anchor, positive, negative: (N, D) or (D); d is `pairwise_distance` with p and eps.
        swap: take d(positive, negative) where that is smaller (Balntas et al. 2016).

    Raises:
        ValueError: margin is not above 0.
    """
    reduction = reduction_of(size_average, reduce, reduction)

    def distance(a: Any, b: Any) -> Any:
        return pairwise_distance(a, b, p, eps)

    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=distance,
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return the loss of `triplet_margin_loss` with any distance, by default the Euclidean."""
    call = "triplet_margin_loss"
    check_reduction(reduction)
    if margin <= 0:
        raise ArgumentError(f"{call}: margin {margin} is not above 0")
    a, b = tensor_of(call, anchor, "anchor"), tensor_of(call, positive, "positive")
    c = tensor_of(call, negative, "negative")
    if not a.ndim == b.ndim == c.ndim:
        raise ShapeError(f"{call}: shapes {a.shape}, {b.shape} and {c.shape} do not fit")
    distance = distance_function or pairwise_distance
    near, far = distance(a, b), distance(a, c)
    if swap:
        far = far.minimum(distance(b, c))
    return reduce_loss((near - far + margin).clamp_min(0), reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: Any = None,
    eps: float = 1e-8,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of exp(x) - t * x, or of x - t * log(x + eps) without log_input.

    Args:
        input: the rate's logarithm, or the rate; target: counts, of the same shape.
        full: add Stirling's approximation of log(t!) where t is above 1.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    x = tensor_of("poisson_nll_loss", input)
    t = tensor_of("poisson_nll_loss", target, "target")
    losses = x.exp() - t * x if log_input else x - t * (x + eps).log()
    if full:
        large = where(t > 1, t, 1.0)
        stirling = t * large.log() - t + 0.5 * (large * (2 * math.pi)).log()
        losses = losses + where(t > 1, stirling, 0.0)
    return reduce_loss(losses, reduction)


def fits_one_by_one(a: Any, b: Any) -> bool:
    """Tell whether a, with as many axes as b, is broadcast to b."""
    return all(m in (1, n) for m, n in zip(a.shape, b.shape, strict=True))


def gaussian_nll_loss(
    input: Tensor,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of (log(v) + (input - target)**2 / v) / 2, v = max(var, eps).

    Args:
        input, target: of shapes that broadcast.
        var: of input's shape, of that without its last axis or with 1 there, or a number.
        full: add log(2 pi) / 2; eps: the gradient goes past it, as if it were not there.

    Raises:
        ValueError: a variance is below 0, or its shape does not fit.
    """
    call = "gaussian_nll_loss"
    check_reduction(reduction)
    x, t = tensor_of(call, input), tensor_of(call, target, "target")
    v: Any = var
    if isinstance(var, (int, float)):
        v = as_tensor(float(var), dtype=x.dtype).expand(x.shape)
    tensor_of(call, v, "var")
    inside = v.detach().lt(0).logical_not()
    _core.require(inside, ArgumentError, f"{call}: var has negative entries")
    if v.shape != x.shape:
        if v.shape == x.shape[:-1]:
            v = v.unsqueeze(-1)
        elif v.ndim != x.ndim or not fits_one_by_one(v, x):
            raise ArgumentError(f"{call}: a variance of shape {v.shape} does not fit {x.shape}")
    v = v + (v.detach().clamp_min(eps) - v.detach())
    losses = 0.5 * (v.log() + (x - t) ** 2 / v)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduce_loss(losses, reduction)
