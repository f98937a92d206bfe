"""Normalization over a batch, over groups of channels, over neighbouring channels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..._core import is_grad_enabled, no_grad
from ...errors import ArgumentError, ShapeError
from ...tensors.dtypes import COMPUTED
from ...tensors.function import Function
from ...tensors.ops import OPS, apply, needs_recording
from ...tensors.sweeps import grad
from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm", "local_response_norm"]


LAYER_NORM = OPS["layer_norm"]
GROUP_NORM, GROUP_BACK, GROUP_SUMS = (OPS[f"group_{x}"] for x in ("norm", "back", "sums"))
PLANE_MEANS, PLANE_SCALE, PLANE_BACK = (OPS[f"plane_{x}"] for x in ("means", "scale", "back"))
SHORT_PLANE = 8  # elements of a plane; shorter ones are not worth a call each


def check_channels(parameter: Any, x: Any, call: str, what: str) -> None:
    """Refuse a parameter, if it is not None, that has not one number for each channel."""
    if parameter is not None and tensor_of(call, parameter, what).shape != x.shape[1:2]:
        raise ShapeError(
            f"{call}: {what} of shape {parameter.shape} does not fit the channels of {x.shape}"
        )


def rows_of(x: Any) -> Any:
    """Return (N, C, ...) as rows (N * C, ...), the quickest to work on; (N, C) as it is."""
    if x.ndim == 2:
        return x
    return x.reshape(x.shape[0] * x.shape[1], math.prod(x.shape[2:]))


def spread(parameter: Any, x: Any) -> Any:
    """Return (C) as it is broadcast to the rows of x: (N * C, 1), or (C) as it is."""
    if x.ndim == 2:
        return parameter
    count, channels = x.shape[:2]
    return parameter.expand(count, channels).reshape(count * channels, 1)


def mean_of(rows: Any, x: Any) -> Any:
    """Return the mean of each channel, of rows like those of x: (C)."""
    return (rows if x.ndim == 2 else rows.mean(1).reshape(x.shape[:2])).mean(0)


def is_plain(x: Any, *parameters: Any) -> bool:
    """Tell whether kernels serve: all, but for None, are of one type that is computed in."""
    return x.dtype in COMPUTED and all([p is None or p.dtype is x.dtype for p in parameters])


def scaled(rows: Any, x: Any, scale: Any, bias: Any) -> Any:
    """Return rows times a scale for each channel, plus a bias, in the shape of x.

    They are new ones, and written over where nothing is recorded and no type is promoted.
    """
    for parameter, op in ((scale, "mul"), (bias, "add")):
        if parameter is None:
            continue
        over = not is_grad_enabled() and parameter.dtype is rows.dtype
        rows = getattr(rows, op + "_" if over else op)(spread(parameter, x))
    return rows.reshape(x.shape)


class Standardized(Function):
    """Rows less the mean, divided by the deviation, of each channel; and these two numbers.

    What autograd would make of the ops, in half of the passes over the elements.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, eps: float) -> Any:
        ctx.eps, ctx.plain = eps, is_plain(x, weight, bias)
        if ctx.plain:
            mean = mean_of(rows_of(x), x)
            variance = apply(PLANE_MEANS, (x, mean))
        else:
            centred, mean, variance = centre(rows_of(x), x)
        ctx.save_for_backward(x, weight, mean if ctx.plain else centred, variance)
        ctx.mark_non_differentiable(mean, variance)
        scale = (variance + eps).rsqrt()
        scale = scale if weight is None else scale * weight
        if ctx.plain:
            return moved(x, mean, scale, bias), mean, variance
        return scaled(centred * spread(scale, x), x, None, bias), mean, variance

    @staticmethod
    def backward(ctx: Any, g: Any, *_: Any) -> Any:
        x, weight, kept, variance = ctx.saved_tensors
        recorded, of_y = is_grad_enabled(), rows_of(g)
        plain = ctx.plain and not recorded
        if recorded:
            kept, _, variance = centre(rows_of(x), x)
        share, r = mean_of(of_y, x), (variance + ctx.eps).rsqrt()
        product = apply(PLANE_MEANS, (x, kept, g)) if plain else mean_of(of_y * kept, x)
        count = x.numel() // x.shape[1]
        of_weight = product * r * count if weight is not None else None
        if not ctx.needs_input_grad[0]:
            return None, of_weight, share * count, None
        scale, slope = r if weight is None else r * weight, r * r * product
        if plain:
            of_x = apply(PLANE_BACK, (x, g, kept, share, slope, scale))
            return of_x, of_weight, share * count, None
        of_x, less, scale = of_y - spread(share, x), kept * spread(slope, x), spread(scale, x)
        of_x = (of_x - less) * scale if recorded else of_x.sub_(less).mul_(scale)
        return of_x.reshape(x.shape), of_weight, share * count, None


def moved(x: Any, mean: Any, scale: Any, bias: Any) -> Any:
    """Return (x - mean) * scale + bias of each channel; not recorded."""
    numbers = (mean, scale) if bias is None else (mean, scale, bias)
    return apply(PLANE_SCALE, (x, *numbers))


def standardized(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """Return what `Standardized` does; of (N, C), mostly small, from ops as they record it."""
    if x.ndim > 2:
        return Standardized.apply(x, weight, bias, eps)  # type: ignore[no-any-return]
    centred, mean, variance = centre(x, x)
    scale = (variance + eps).rsqrt()
    return scaled(centred, x, scale if weight is None else scale * weight, bias), mean, variance


def centre(rows: Any, x: Any) -> tuple[Any, Any, Any]:
    """Return rows less the mean of their channel, the means, and the variances."""
    mean = mean_of(rows, x)
    centred = rows - spread(mean, x)
    return centred, mean, mean_of(centred.square(), x)


@no_grad()
def update(running: Any, found: Any, momentum: Any) -> None:
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
    for parameter, what in ((weight, "a weight"), (bias, "a bias")):
        check_channels(parameter, x, call, what)
    if training:
        count = x.shape[0] * math.prod(x.shape[2:])
        if count == 1:
            raise ShapeError(
                f"{call}: expected more than 1 value per channel when training, got input size "
                f"{x.shape}"
            )
        found, mean, variance = standardized(x, weight, bias, float(eps))
        if running_mean is not None and count:
            update(running_mean, mean, momentum)
        if running_var is not None and count:
            update(running_var, variance * (count / (count - 1)), momentum)
        return found  # type: ignore[no-any-return]
    if running_mean is None or running_var is None:
        raise ArgumentError(f"{call}: outside training running_mean and running_var are needed")
    check_channels(running_mean, x, call, "running_mean")
    check_channels(running_var, x, call, "running_var")
    scale = (running_var + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    numbers = (running_mean, scale) if bias is None else (running_mean, scale, bias)
    if is_plain(x, *numbers) and not needs_recording(x, *numbers):
        return moved(x, running_mean, scale, bias)  # type: ignore[no-any-return]
    return scaled(rows_of(x) - spread(running_mean, x), x, scale, bias)  # type: ignore[no-any-return]


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
    for parameter, what in ((weight, "a weight"), (bias, "a bias")):
        check_channels(parameter, x, call, what)
    return of_groups(x, num_groups, weight, bias, float(eps))


def of_groups(x: Any, groups: int, weight: Any, bias: Any, eps: float) -> Tensor:
    """Return x normalized over each group of channels, times a weight, plus a bias."""
    has_both = weight is not None and bias is not None
    if has_both and is_plain(x, weight, bias) and math.prod(x.shape[2:]) >= SHORT_PLANE:
        return Grouped.apply(x, weight, bias, groups, eps)  # type: ignore[no-any-return]
    return composed_groups(x, groups, weight, bias, eps)


def composed_groups(x: Any, groups: int, weight: Any, bias: Any, eps: float) -> Tensor:
    """Return the same, made of ops."""
    rows = x.reshape(x.shape[0], groups, math.prod(x.shape[1:]) // groups)
    found = apply(LAYER_NORM, (rows,), (1,), (eps,)).reshape(x.shape)
    return scaled(rows_of(found), x, weight, bias)  # type: ignore[no-any-return]


class Grouped(Function):
    """`composed_groups` in one pass over the elements, and its gradients in two."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, groups: int, eps: float) -> Any:
        ctx.save_for_backward(x, weight, bias)
        ctx.groups, ctx.eps = groups, eps
        return apply(GROUP_NORM, (x, weight, bias), (groups,), (eps,))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, weight, bias = ctx.saved_tensors
        needs = ctx.needs_input_grad[:3]
        if is_grad_enabled():
            y = composed_groups(x, ctx.groups, weight, bias, ctx.eps)
            inputs = [p for p, need in zip((x, weight, bias), needs, strict=True) if need]
            found = iter(grad(y, inputs, g, create_graph=True))
            return (*(next(found) if need else None for need in needs), None, None)
        how = (ctx.groups,), (ctx.eps,)
        of_x = apply(GROUP_BACK, (x, g, weight), *how) if needs[0] else None
        sums = apply(GROUP_SUMS, (x, g), *how).sum(1).unbind(0) if any(needs[1:]) else (None,) * 2
        return of_x, *sums, None, None


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
    for parameter, what in ((weight, "a weight"), (bias, "a bias")):
        check_channels(parameter, x, call, what)
    return of_groups(x, x.shape[1], weight, bias, float(eps))


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
