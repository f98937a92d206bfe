"""Products and norms of Tensors: what layers with weights compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import ShapeError
from ...tensors.arguments import as_ints
from ...tensors.creation import ones
from ...tensors.dtypes import float64
from ...tensors.ops import OPS, apply
from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["bilinear", "layer_norm", "linear", "rms_norm"]


def linear(input: Tensor, weight: Any, bias: Any = None) -> Tensor:
    """Return x @ weight.T + bias.

    Args:
        input: (..., in); weight: (out, in); bias: (out) or None.

    Returns:
        (..., out).

    Raises:
        ShapeError: the sizes do not fit.
        DTypeError: both are of bool, or the bias has a higher type than the product.
        TypeError: one is no Tensor.
    """
    operands = (input, weight) if bias is None else (input, weight, bias)
    try:
        return apply(OPS["linear"], operands)
    except TypeError:
        for x, what in zip(operands, ("input", "weight", "bias"), strict=False):
            tensor_of("linear", x, what)
        raise


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Return (x - mean) / sqrt(variance + eps) * weight + bias over the last axes.

    Args:
        input: (..., *normalized_shape); weight, bias: of normalized_shape, or None.
        normalized_shape: an int or several; mean and variance, divided by the number of elements,
            are taken over so many last axes.
        eps: what keeps the root above 0.

    Returns:
        The shape of input.

    Raises:
        DTypeError: the elements are no floats.
        ShapeError: input does not end in normalized_shape, or weight or bias has another shape.
    """
    shape = check_normalized("layer_norm", input, normalized_shape, (weight, bias))
    operands: tuple[Any, ...] = (input,)
    if weight is not None or bias is not None:
        weight = ones(shape, dtype=input.dtype) if weight is None else weight
        bias = ones(shape, dtype=input.dtype).zero_() if bias is None else bias
        operands = (input, weight, bias)
    return apply(OPS["layer_norm"], operands, (len(shape),), (float(eps),))


def rms_norm(input: Tensor, normalized_shape: Any, weight: Any = None, eps: Any = None) -> Tensor:
    """Return x / sqrt(mean of squares + eps) * weight over the last axes.

    Args:
        input: (..., *normalized_shape); weight: of normalized_shape, or None.
        eps: by default the distance of 1 to the next number: of float64 2**-52, else 2**-23.

    Returns:
        The shape of input.

    Raises:
        DTypeError: the elements are no floats.
        ShapeError: input does not end in normalized_shape, or the weight has another shape.
    """
    shape = check_normalized("rms_norm", input, normalized_shape, (weight,))
    if eps is None:
        eps = 2.0**-52 if input.dtype is float64 else 2.0**-23
    operands = (input,) if weight is None else (input, weight)
    return apply(OPS["rms_norm"], operands, (len(shape),), (float(eps),))


def check_normalized(name: str, x: Any, shape: Any, others: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the shape to be normalized, if x ends in it and it is that of the others."""
    tensor_of(name, x)
    axes = tuple(as_ints((shape,), f"{name}: normalized_shape"))
    if not axes or x.shape[-len(axes) :] != axes:
        raise ShapeError(f"{name}: shape {x.shape} does not end in {axes}")
    for other in others:
        if other is not None and tensor_of(name, other, "a weight or bias").shape != axes:
            raise ShapeError(f"{name}: a weight or bias has shape {other.shape}, not {axes}")
    return axes


def bilinear(input1: Tensor, input2: Tensor, weight: Any, bias: Any = None) -> Tensor:
    """Return x1 @ weight[k] @ x2 + bias[k] for each output k.

    Args:
        input1: (..., in1); input2: (..., in2); weight: (out, in1, in2); bias: (out) or None.

    Returns:
        (..., out).

    Raises:
        ShapeError: the sizes do not fit.
    """
    a, b = tensor_of("bilinear", input1, "input1"), tensor_of("bilinear", input2, "input2")
    w = tensor_of("bilinear", weight, "weight")
    fits = w.ndim == 3 and a.ndim and b.ndim and a.shape[:-1] == b.shape[:-1]
    if not fits or (a.shape[-1], b.shape[-1]) != w.shape[1:]:
        raise ShapeError(
            f"bilinear: inputs of shape {a.shape} and {b.shape} and a weight of {w.shape} do not "
            "fit"
        )
    rows = a.reshape(-1, w.shape[1]), b.reshape(-1, w.shape[2])
    products = (rows[0] @ w).permute(1, 0, 2)  # (rows, out, in2)
    found = (products @ rows[1].unsqueeze(2)).squeeze(2).reshape(*a.shape[:-1], w.shape[0])
    return found if bias is None else found + tensor_of("bilinear", bias, "bias")
