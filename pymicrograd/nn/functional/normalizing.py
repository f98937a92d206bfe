"""Normalization over a batch, over groups of channels, over neighbouring channels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..._core import no_grad
from ...errors import ArgumentError, ShapeError
from ...tensors.ops import OPS, apply
from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm", "local_response_norm"]


def by_channel(parameter: Any, x: Any, call: str, what: str) -> Any:
    """Return a parameter of one number for each channel as it is broadcast to (N, C, ...)."""
    if tensor_of(call, parameter, what).shape != x.shape[1:2]:
        raise ShapeError(
            f"{call}: {what} of shape {parameter.shape} does not fit the channels of {x.shape}"
        )
    return parameter.reshape(-1, *(1,) * (x.ndim - 2))


def scaled(x: Any, weight: Any, bias: Any, call: str) -> Any:
    """Return x times a weight for each channel, plus a bias."""
    if weight is not None:
        x = x * by_channel(weight, x, call, "a weight")
    return x if bias is None else x + by_channel(bias, x, call, "a bias")


@no_grad()
def update(running: Any, found: Any, momentum: float) -> None:
    """Move running statistics towards those that were found."""
    running.copy_(running * (1 - momentum) + found.detach().to(running.dtype) * momentum)


def batch_norm(
    input: Tensor,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return (x - mean) / sqrt(variance + eps) * weight + bias for each channel.

    Mean and variance are taken over all axes but the channels' (Ioffe and Szegedy 2015,
    arXiv:1502.03167).

    Args:
        input: (N, C, ...).
        running_mean, running_var: (C); those that are used, or in training moved by momentum
            towards the batch's, whose variance is then divided by count - 1. They may be None.
        weight, bias: (C), or None.
        training: use the batch's mean and variance.
        momentum: how far running statistics move; eps: what keeps the root above 0.

    Raises:
        ShapeError: sizes do not fit, or there is one value a channel in training.
        ValueError: there are no statistics to use.
    """
    call = "batch_norm"
    x = tensor_of(call, input)
    if x.ndim < 2:
        if x.numel():
            raise ShapeError(f"{call}: an input is (N, C, ...), not {x.shape}")
        return x * 1.0  # of no channels
    if eps <= 0:
        raise ArgumentError(f"{call}: eps must be positive, not {eps}")
    axes = (0, *range(2, x.ndim))
    if training:
        count = math.prod(x.shape[axis] for axis in axes)
        if count == 1:
            raise ShapeError(
                f"{call}: expected more than 1 value per channel when training, got input size "
                f"{x.shape}"
            )
        mean = x.mean(axes)
        centred = x - mean.reshape(-1, *(1,) * (x.ndim - 2))
        variance = (centred * centred).mean(axes)
        if running_mean is not None and count:
            update(running_mean, mean, momentum)
        if running_var is not None and count:
            update(running_var, variance * (count / (count - 1)), momentum)
    elif running_mean is None or running_var is None:
        raise ArgumentError(f"{call}: outside training running_mean and running_var are needed")
    else:
        centred, variance = x - by_channel(running_mean, x, call, "running_mean"), running_var
    scale = (variance + eps).rsqrt()
    return scaled(centred * by_channel(scale, x, call, "running_var"), weight, bias, call)  # type: ignore[no-any-return]


def group_norm(
    input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Return x normalized over each of several groups of channels (Wu and He, arXiv:1803.08494).

    Args:
        input: (N, C, ...); num_groups: which divides C.
        weight, bias: (C), or None; eps: what keeps the root above 0.

    Raises:
        ShapeError: sizes do not fit.
    """
    call = "group_norm"
    x = tensor_of(call, input)
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ShapeError(f"{call}: {num_groups} groups do not divide the channels of {x.shape}")
    rows = x.reshape(x.shape[0], num_groups, math.prod(x.shape[1:]) // num_groups)
    found = apply(OPS["layer_norm"], (rows,), (1,), (float(eps),)).reshape(x.shape)
    return scaled(found, weight, bias, call)  # type: ignore[no-any-return]


def instance_norm(
    input: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return x normalized over each channel of each example (arXiv:1607.08022).

    Args:
        input: (N, C, ...); other arguments as for `batch_norm`.
        use_input_stats: normalize by the input's statistics, not by the running ones.

    Raises:
        ShapeError: sizes do not fit, or there is one value a channel.
    """
    call = "instance_norm"
    x = tensor_of(call, input)
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if x.ndim < 3:
        raise ShapeError(f"{call}: an input is (N, C, ...), not {x.shape}")
    rows = x.flatten(2)
    if rows.shape[2] == 1:
        raise ShapeError(
            f"{call}: expected more than 1 spatial element when training, got {x.shape}"
        )
    if running_mean is not None:
        update(running_mean, rows.detach().mean(2).mean(0), momentum)
    if running_var is not None:
        update(running_var, rows.detach().var(2).mean(0), momentum)
    found = apply(OPS["layer_norm"], (rows,), (1,), (float(eps),)).reshape(x.shape)
    return scaled(found, weight, bias, call)  # type: ignore[no-any-return]


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return x / (k + alpha * mean of squares of neighbouring channels)**beta (AlexNet, 2012).

    Args:
        input: (N, C, ...); size: how many channels, of which this one is the middle.

    Raises:
        ShapeError: there are fewer than 3 axes.
    """
    x = tensor_of("local_response_norm", input)
    if x.ndim < 3:
        raise ShapeError(f"local_response_norm: an input is (N, C, ...), not {x.shape}")
    rows = (x * x).flatten(2)
    padded = rows.pad((0, 0, size // 2, (size - 1) // 2))
    total = padded.narrow(1, 0, x.shape[1])
    for i in range(1, size):
        total = total + padded.narrow(1, i, x.shape[1])
    return x / (total / size * alpha + k).reshape(x.shape) ** beta
