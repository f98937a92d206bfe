"""Functions that Values and Tensors both have: which is meant, says the first argument."""

from __future__ import annotations

from typing import Any

from ... import _core
from . import values
from .former import reduction_of

__all__ = ["cross_entropy", "mse_loss", "softmax"]

TensorBase: Any = _core.TensorBase
ABSENT: Any = object()
of_plain_batch = TensorBase._cross_entropy


def one_of(call: str, name: str, given: Any, other: str, alias: Any) -> Any:
    """Return an argument that has two names."""
    if alias is ABSENT and given is not ABSENT:
        return given
    if alias is ABSENT:
        raise TypeError(f"{call}: the argument {name!r} is missing")
    if given is not ABSENT:
        raise TypeError(f"{call}: {name!r} and {other!r} are the same argument")
    return alias


def of_the_other_kind(call: str, name: str, kind: str) -> TypeError:
    """Return the error of an option that only the other kind has."""
    return TypeError(f"{call}: {name!r} is an option of {kind}")


def softmax(
    input: Any = ABSENT, dim: Any = None, dtype: Any = None, *, logits: Any = ABSENT
) -> Any:
    """Return exp(x - m) over the sum of these, m the largest.

    Args:
        input: a Tensor; or Values, a list, also called `logits`.
        dim: the axis, of a Tensor; without it PyTorch's choice, with a warning.
        dtype: what a Tensor is cast to before.

    Returns:
        A Tensor; or a list of Values.

    Raises:
        ValueError: there are no Values.
    """
    if logits is not ABSENT or input is ABSENT:
        input = one_of("softmax", "input", input, "logits", logits)
    if isinstance(input, TensorBase):
        from . import activations

        return activations.softmax(input, dim, dtype)
    if dim is not None or dtype is not None:
        raise TypeError(
            f"softmax: with dim or dtype input is a Tensor, not {type(input).__name__}; "
            "as_tensor() makes one"
        )
    return values.softmax(input)


def cross_entropy(
    input: Any = ABSENT,
    target: Any = ABSENT,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    shifted: bool = True,
    logits: Any = ABSENT,
    targets: Any = ABSENT,
) -> Any:
    """Return -log(softmax(logits)[target]).

    Args:
        input: logits. A Tensor (N, C), (N, C, d...) or (C); or a list of one Value per class, or
            of rows of them, a batch. Of Values also called `logits`.
        target: classes. Of a Tensor integers (N), (N, d...) or (), or the probabilities of all
            classes, floats in input's shape; of Values an int, or one per row, also called
            `targets`.
        weight: of Tensors: (C), a factor for each class. Of Values `shifted` may stand here.
        shifted: of Values: subtract the largest logit first, so that exp cannot overflow;
            LLM101n's later program does not. Tensors always are.
        reduction: of a batch: "mean", "sum" or "none". Of Values, "mean" is 0.0 + loss + loss +
            ... times 1 / rows, "sum" is without the factor, "none" a list.
        size_average, reduce: PyTorch's former names of reductions.
        ignore_index: of Tensors: a class whose rows count for nothing.
        label_smoothing: of Tensors: what part of the target is spread over all classes, 0 to 1.

    Raises:
        TypeError: a target of Values is not an int; an option is one of the other kind.
        IndexError: a target is no class.
        ValueError: something is empty, lengths or shapes do not fit, or reduction is unknown.
    """
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    if shifted is True and weight is None and logits is targets is ABSENT:
        loss = of_plain_batch(input, target, reduction, ignore_index, label_smoothing)
        if loss is not None:
            return loss
    if logits is not ABSENT or input is ABSENT:
        input = one_of("cross_entropy", "input", input, "logits", logits)
    if targets is not ABSENT or target is ABSENT:
        target = one_of("cross_entropy", "target", target, "targets", targets)
    if isinstance(input, TensorBase):
        from . import losses

        if not shifted or isinstance(weight, bool):
            raise of_the_other_kind("cross_entropy", "shifted", "Values")
        return losses.cross_entropy(
            input,
            target,
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
    if weight is not None:
        if not isinstance(weight, bool):
            raise of_the_other_kind("cross_entropy", "weight", "Tensors")
        shifted = weight
    if label_smoothing != 0.0:
        raise of_the_other_kind("cross_entropy", "label_smoothing", "Tensors")
    if ignore_index != -100:
        raise of_the_other_kind("cross_entropy", "ignore_index", "Tensors")
    return values.cross_entropy(input, target, shifted, reduction)


def mse_loss(
    input: Any = ABSENT,
    target: Any = ABSENT,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
    *,
    prediction: Any = ABSENT,
) -> Any:
    """Return the mean of (input - target)**2.

    Args:
        input: a Tensor; or a list of Values, also called `prediction`.
        target: a Tensor of the same shape; or as many Values or numbers.
        size_average, reduce: PyTorch's former names of reductions.
        reduction: "mean", "sum", or "none" for all squares.
        weight: of each square of a Tensor, or None; the mean is divided by their sum.

    Raises:
        ValueError: shapes or lengths differ, lengths are 0, or reduction is unknown.
    """
    if prediction is not ABSENT or input is ABSENT:
        input = one_of("mse_loss", "input", input, "prediction", prediction)
    if target is ABSENT:
        raise TypeError("mse_loss: the argument 'target' is missing")
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    if isinstance(input, TensorBase):
        from . import losses

        return losses.mse_loss(input, target, reduction=reduction, weight=weight)
    if weight is not None:
        raise of_the_other_kind("mse_loss", "weight", "Tensors")
    return values.mse_loss(input, target, reduction)
