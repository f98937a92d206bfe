"""Dropout: elements, or whole channels, that are 0 at random while training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...errors import ArgumentError, ShapeError
from ...tensors.functions import where
from ...tensors.leaves import UNIFORM, draw
from .arguments import in_place_if, tensor_of
from .piecewise import SELU_ALPHA, SELU_SCALE

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
]  # fmt: skip


def check_share(call: str, p: float) -> None:
    """Refuse what is no probability."""
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(f"{call}: dropout probability has to be between 0 and 1, but got {p}")


def kept(shape: tuple[int, ...], x: Any, p: float, generator: Any) -> Any:
    """Return bools, each true with probability 1 - p."""
    return draw(UNIFORM, shape, x.dtype, 0.0, 1.0, generator) >= p


def drop(
    call: str, input: Any, shape: tuple[int, ...], p: float, inplace: bool, generator: Any
) -> Tensor:
    """Return input, where kept, divided by 1 - p; shape is that of the mask."""
    mask = kept(shape, input, p, generator)
    scale = 0.0 if p == 1.0 else 1.0 / (1.0 - p)
    return in_place_if(inplace, input, where(mask, input * scale, 0.0))


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: Any = None,
) -> Tensor:
    """Return x / (1 - p), or 0 with probability p (Hinton et al. 2012, arXiv:1207.0580).

    Args:
        input: a Tensor; p: the probability.
        training: otherwise input is returned; inplace: write the result over input.
        generator: by default the package's.

    Raises:
        ValueError: p is not from 0 to 1.
    """
    x = tensor_of("dropout", input)
    check_share("dropout", p)
    if not training or p == 0.0:
        return x
    return drop("dropout", x, x.shape, p, inplace, generator)


def channels(
    call: str, input: Any, axes: int, p: float, training: bool, inplace: bool, generator: Any
) -> Tensor:
    """Drop whole channels of (N, C, ...), or of (C, ...), with so many axes behind C."""
    x = tensor_of(call, input)
    check_share(call, p)
    if x.ndim not in (axes + 1, axes + 2):
        raise ShapeError(f"{call}: an input has {axes + 1} or {axes + 2} axes, not shape {x.shape}")
    if not training or p == 0.0:
        return x
    shape = (*x.shape[: x.ndim - axes], *(1,) * axes)
    return drop(call, x, shape, p, inplace, generator)


def dropout1d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: Any = None,
) -> Tensor:
    """Drop whole channels of (N, C, L) or (C, L); arguments as for `dropout`."""
    return channels("dropout1d", input, 1, p, training, inplace, generator)


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: Any = None,
) -> Tensor:
    """Drop whole channels of (N, C, H, W) or (C, H, W); arguments as for `dropout`."""
    return channels("dropout2d", input, 2, p, training, inplace, generator)


def dropout3d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: Any = None,
) -> Tensor:
    """Drop whole channels of (N, C, D, H, W) or (C, D, H, W); arguments as for `dropout`."""
    return channels("dropout3d", input, 3, p, training, inplace, generator)


def drop_to_alpha(x: Any, shape: tuple[int, ...], p: float, inplace: bool, generator: Any) -> Any:
    """Return a * (x where kept, else selu's lowest) + b, which has x's mean and variance."""
    if p == 1.0:
        return in_place_if(inplace, x, x * 0)
    lowest = -SELU_ALPHA * SELU_SCALE
    a = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * lowest * lowest))
    mask = kept(shape, x, p, generator)
    return in_place_if(inplace, x, where(mask, x, lowest) * a - a * p * lowest)


def alpha_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    generator: Any = None,
) -> Tensor:
    """Drop elements to selu's lowest value, mean and variance kept (arXiv:1706.02515).

    Arguments as for `dropout`, but that training is False by default, as in PyTorch.
    """
    x = tensor_of("alpha_dropout", input)
    check_share("alpha_dropout", p)
    if not training or p == 0.0:
        return x
    found: Tensor = drop_to_alpha(x, x.shape, p, inplace, generator)
    return found


def feature_alpha_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    generator: Any = None,
) -> Tensor:
    """Drop whole channels of (N, C, ...) as `alpha_dropout` does elements."""
    x = tensor_of("feature_alpha_dropout", input)
    check_share("feature_alpha_dropout", p)
    if not training or p == 0.0:
        return x
    if x.ndim < 2:
        raise ShapeError(f"feature_alpha_dropout: an input is (N, C, ...), not {x.shape}")
    shape = (*x.shape[:2], *(1,) * (x.ndim - 2))
    found: Tensor = drop_to_alpha(x, shape, p, inplace, generator)
    return found
