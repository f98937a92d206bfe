"""Activations of Tensors that have a formula of their own on either side of a bound.

What is not chosen is computed within its bound, so that no infinity meets a gradient of 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import ArgumentError, ShapeError
from ...tensors.functions import where
from ...tensors.leaves import UNIFORM, draw
from .arguments import in_place_if, tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "celu", "elu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "prelu",
    "relu6", "rrelu", "selu", "softshrink", "threshold",
]  # fmt: skip

# Klambauer et al. 2017, arXiv:1706.02515: what keeps mean 0 and variance 1.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return x where x > 0, else negative_slope * x.

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("leaky_relu", input)
    return in_place_if(inplace, x, x.where(x > 0, x * negative_slope))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x where x > 0, else alpha * (exp(x) - 1).

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("elu", input)
    return in_place_if(inplace, x, x.where(x > 0, x.clamp_max(0.0).expm1() * alpha))


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x where x > 0, else alpha * (exp(x / alpha) - 1).

    Raises:
        TypeError: input is no Tensor.
        ValueError: alpha is 0.
    """
    x = tensor_of("celu", input)
    if alpha == 0:
        raise ArgumentError("celu: alpha is not 0")
    below = (x / alpha).clamp_max(0.0) if alpha > 0 else (x / alpha).clamp_min(0.0)
    return in_place_if(inplace, x, x.where(x > 0, below.expm1() * alpha))


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return scale * elu(x, alpha), with scale 1.0507 and alpha 1.6733.

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("selu", input)
    return in_place_if(inplace, x, elu(x, SELU_ALPHA) * SELU_SCALE)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Return x, or the bound that it is beyond; the gradient is 0 at the bounds and beyond.

    Raises:
        TypeError: input is no Tensor.
        ValueError: min_val is above max_val.
    """
    x = tensor_of("hardtanh", input)
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val {min_val} is above max_val {max_val}")
    if not x.is_floating_point():
        return in_place_if(inplace, x, x.clamp(int(min_val), int(max_val)))
    inside = (x > min_val).logical_and(x < max_val)
    return in_place_if(inplace, x, x.where(inside, x.detach().clamp(min_val, max_val)))


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Return min(max(x, 0), 6); the gradient is 0 at the bounds and beyond.

    Raises:
        TypeError: input is no Tensor.
    """
    return hardtanh(tensor_of("relu6", input), 0.0, 6.0, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return relu6(x + 3) / 6.

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("hardsigmoid", input)
    return in_place_if(inplace, x, relu6(x + 3.0) / 6.0)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return 0 where x < -3, x where x > 3, and between them x * (x + 3) / 6.

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("hardswish", input)
    inner = x.clamp(-3.0, 3.0)
    made = x.where(x > 3.0, (inner * (inner + 3.0) / 6.0))
    return in_place_if(inplace, x, made)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return x where it is above the threshold, else the value.

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("threshold", input)
    return in_place_if(inplace, x, x.masked_fill(x <= threshold, value))


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return x where abs(x) > lambd, else 0.

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("hardshrink", input)
    return x.masked_fill((x >= -lambd).logical_and(x <= lambd), 0.0)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return x - lambd where x > lambd, x + lambd where x < -lambd, else 0.

    Raises:
        TypeError: input is no Tensor.
        ValueError: lambd is below 0.
    """
    x = tensor_of("softshrink", input)
    if lambd < 0:
        raise ArgumentError(f"softshrink: lambd is 0 or more, not {lambd}")
    inside = (x >= -lambd).logical_and(x <= lambd)
    return (x - x.detach().sign() * lambd).masked_fill(inside, 0.0)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return x where x > 0, else weight * x.

    Args:
        input: a Tensor; weight: one slope, or one for each item of the second axis.

    Raises:
        ShapeError: there are as many slopes as there is no axis for.
    """
    x, slopes = tensor_of("prelu", input), tensor_of("prelu", weight, "weight")
    if slopes.ndim > 1 or (slopes.numel() != 1 and (x.ndim < 2 or slopes.numel() != x.shape[1])):
        raise ShapeError(
            f"prelu: a weight has one element, or one for each item of the second axis, not shape "
            f"{slopes.shape} beside {x.shape}"
        )
    if slopes.numel() != 1:
        slopes = slopes.reshape(-1, *(1,) * (x.ndim - 2))
    elif slopes.ndim:
        slopes = slopes.reshape(())
    found: Tensor = where(x > 0, x, x * slopes)
    return found


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
    generator: Any = None,
) -> Tensor:
    """Return x where x >= 0, else x times a random slope; (lower + upper) / 2 outside training.

    Args:
        input: a Tensor; lower, upper: between them lie the slopes.
        training: draw a slope for each element; inplace: write the result over input.
        generator: by default the package's.

    Raises:
        ValueError: lower is above upper.
    """
    x = tensor_of("rrelu", input)
    if lower > upper:
        raise ArgumentError(f"rrelu: lower {lower} is above upper {upper}")
    slope: Any = (lower + upper) / 2
    if training:
        slope = draw(UNIFORM, x.shape, x.dtype, lower, upper, generator)
    return in_place_if(inplace, x, where(x >= 0, x, x * slope))
