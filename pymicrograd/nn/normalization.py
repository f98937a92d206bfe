"""Normalization layers; what each computes says the function of `functional` that it calls."""

from __future__ import annotations

import numbers
from typing import Any

from ..errors import ArgumentError, ShapeError
from ..tensors.creation import empty, ones, zeros
from ..tensors.dtypes import int64
from . import functional, init
from .module import Module
from .parameter import Parameter, UninitializedParameter

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LayerNorm", "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d",
    "LazyInstanceNorm1d", "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LocalResponseNorm",
    "RMSNorm",
]  # fmt: skip


class ByChannel(Module):
    """A layer with a weight and a bias for each channel, and running statistics.

    Args:
        num_features: the number of channels, C.
        eps: what keeps the root above 0.
        momentum: how far running statistics move in a step; None for the mean over all steps.
        affine: whether there are weight and bias; bias: whether there is a bias then.
        track_running_stats: whether there are running statistics, for evaluation.
        dtype: of parameters and statistics.

    Attributes:
        weight, bias: (C), or None; at first 1 and 0.
        running_mean, running_var: (C), buffers, or None; at first 0 and 1.
        num_batches_tracked: how many steps were made.
    """

    axes: tuple[int, ...] = ()  # how many axes an input may have

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._has_bias = affine and bias
        self._make((num_features,), device, dtype)

    def _make(self, shape: tuple[int, ...], device: Any, dtype: Any) -> None:
        """Make parameters and statistics."""
        options = {"dtype": dtype, "device": device}
        weight = Parameter(ones(shape, **options)) if self.affine else None
        self.register_parameter("weight", weight)
        bias = Parameter(zeros(shape, **options)) if self._has_bias else None
        self.register_parameter("bias", bias)
        tracks = self.track_running_stats
        self.register_buffer("running_mean", zeros(shape, **options) if tracks else None)
        self.register_buffer("running_var", ones(shape, **options) if tracks else None)
        batches = zeros((), dtype=int64, device=device) if tracks else None
        self.register_buffer("num_batches_tracked", batches)

    def reset_running_stats(self) -> None:
        """Forget the steps."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1.0)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set weight and bias to 1 and 0, and forget the steps."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check(self, input: Any) -> None:
        if input.ndim not in self.axes:
            wanted = " or ".join(f"{n}D" for n in self.axes)
            raise ShapeError(f"expected {wanted} input (got {input.ndim}D input)")

    def _share(self) -> Any:
        """Return how far running statistics move in this step, which is counted."""
        share = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                share = 1.0 / self.num_batches_tracked.double()
        return share

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self._has_bias}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm(ByChannel):
    """Normalization over all examples of a batch."""

    def forward(self, input: Any) -> Any:
        """Return the input normalized for each channel."""
        self._check(input)
        share = self._share()
        own = self.running_mean is None and self.running_var is None
        mean, variance = self.running_mean, self.running_var
        if self.training and not self.track_running_stats:
            mean = variance = None
        trains = self.training or own
        return functional.batch_norm(
            input, mean, variance, self.weight, self.bias, trains, share, self.eps
        )


class BatchNorm1d(BatchNorm):
    """Batch normalization of (N, C) or (N, C, L) (arXiv:1502.03167).

    Args, Attributes: as for ByChannel, its base.
    """

    axes = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalization of images (N, C, H, W); arguments as for BatchNorm1d."""

    axes = (4,)


class BatchNorm3d(BatchNorm):
    """Batch normalization of volumes (N, C, D, H, W); arguments as for BatchNorm1d."""

    axes = (5,)


class Lazy(ByChannel):
    """A layer whose number of channels is that of its first input."""

    becomes: type[ByChannel]

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        for name in ("weight", "bias"):
            if getattr(self, name) is not None:
                item = UninitializedParameter(device=device, dtype=dtype)
                self.register_parameter(name, item)

    def forward(self, input: Any) -> Any:
        """Make parameters and statistics, become the layer, and do what it does."""
        self._check(input)
        self.num_features = input.shape[self._channel_axis(input)]
        for name in ("weight", "bias"):
            if getattr(self, name) is not None:
                getattr(self, name).materialize((self.num_features,))
        if self.track_running_stats:
            kind = self.running_mean.dtype
            self.running_mean._become(empty(self.num_features, dtype=kind))
            self.running_var._become(empty(self.num_features, dtype=kind))
        self.__class__ = self.becomes  # type: ignore[assignment]
        self.reset_parameters()
        return self.forward(input)

    def _channel_axis(self, input: Any) -> int:
        return 1


class LazyBatchNorm(Lazy, BatchNorm):
    """A batch normalization whose number of channels is that of its first input."""


class LazyBatchNorm1d(LazyBatchNorm):
    """A `BatchNorm1d` whose num_features is that of its first input."""

    axes, becomes = (2, 3), BatchNorm1d


class LazyBatchNorm2d(LazyBatchNorm):
    """A `BatchNorm2d` whose num_features is that of its first input."""

    axes, becomes = (4,), BatchNorm2d


class LazyBatchNorm3d(LazyBatchNorm):
    """A `BatchNorm3d` whose num_features is that of its first input."""

    axes, becomes = (5,), BatchNorm3d


class InstanceNorm(ByChannel):
    """Normalization of each channel of each example; arguments as for BatchNorm1d."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        options = {"device": device, "dtype": dtype, "bias": bias}
        super().__init__(num_features, eps, momentum, affine, track_running_stats, **options)

    def forward(self, input: Any) -> Any:
        """Return the input normalized for each channel of each example."""
        self._check(input)
        channels = input.shape[-self.axes[0]]
        if channels != self.num_features and self.affine:
            raise ShapeError(
                f"expected input's size at dim=1 to match num_features ({self.num_features}), but "
                f"got: {channels}."
            )
        batch = input if input.ndim == self.axes[1] else input.unsqueeze(0)
        found = functional.instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return found if batch is input else found.squeeze(0)


class InstanceNorm1d(InstanceNorm):
    """Instance normalization of (N, C, L) or (C, L) (arXiv:1607.08022)."""

    axes = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """Instance normalization of images (N, C, H, W) or (C, H, W)."""

    axes = (3, 4)


class InstanceNorm3d(InstanceNorm):
    """Instance normalization of volumes (N, C, D, H, W) or (C, D, H, W)."""

    axes = (4, 5)


class LazyInstanceNorm(Lazy, InstanceNorm):
    """An instance normalization whose number of channels is that of its first input."""

    def _channel_axis(self, input: Any) -> int:
        return -self.axes[0]  # with a batch or without


class LazyInstanceNorm1d(LazyInstanceNorm):
    """An `InstanceNorm1d` whose num_features is that of its first input."""

    axes, becomes = (2, 3), InstanceNorm1d


class LazyInstanceNorm2d(LazyInstanceNorm):
    """An `InstanceNorm2d` whose num_features is that of its first input."""

    axes, becomes = (3, 4), InstanceNorm2d


class LazyInstanceNorm3d(LazyInstanceNorm):
    """An `InstanceNorm3d` whose num_features is that of its first input."""

    axes, becomes = (4, 5), InstanceNorm3d


class LayerNorm(Module):
    """Normalization over the last axes of each example (Ba et al. 2016, arXiv:1607.06450).

    Args:
        normalized_shape: the size of the last axis, or the sizes of several.
        eps: what keeps the root above 0.
        elementwise_affine: whether there are weight and bias; bias: whether there is a bias.
        dtype: of the parameters.

    Attributes:
        weight, bias: of normalized_shape, or None; at first 1 and 0.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = self.bias = None
        if elementwise_affine:
            shape = self.normalized_shape
            self.weight = Parameter(ones(shape, dtype=dtype, device=device))
            if bias:
                self.bias = Parameter(zeros(shape, dtype=dtype, device=device))

    def reset_parameters(self) -> None:
        """Set weight and bias to 1 and 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """Return the input normalized over its last axes."""
        return functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


def as_shape(sizes: Any) -> tuple[int, ...]:
    """Return one size, or several, as a tuple."""
    return (int(sizes),) if isinstance(sizes, numbers.Integral) else tuple(sizes)


class RMSNorm(Module):
    """Division by the root of the mean square of the last axes (arXiv:1910.07467).

    Args:
        normalized_shape: the size of the last axis, or the sizes of several.
        eps: what keeps the root above 0; by default the distance of 1 to the next number.
        elementwise_affine: whether there is a weight; dtype: its.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = None
        if elementwise_affine:
            self.weight = Parameter(ones(self.normalized_shape, dtype=dtype, device=device))

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        """Return the input normalized over its last axes."""
        return functional.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    """Normalization over each of several groups of channels (arXiv:1803.08494).

    Args:
        num_groups: which divides num_channels.
        num_channels: the number of channels, C.
        eps: what keeps the root above 0.
        affine: whether there are weight and bias, (C); dtype: theirs.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        if num_channels % num_groups:
            raise ArgumentError("num_channels must be divisible by num_groups")
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self.weight = self.bias = None
        if affine:
            self.weight = Parameter(ones(num_channels, dtype=dtype, device=device))
            if bias:
                self.bias = Parameter(zeros(num_channels, dtype=dtype, device=device))

    def reset_parameters(self) -> None:
        """Set weight and bias to 1 and 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """Return the input normalized over each group."""
        return functional.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Division by a power of neighbouring channels' mean square.

    Args:
        size: how many channels; alpha, beta, k: of `functional.local_response_norm`.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        """Return the input normalized over neighbouring channels."""
        return functional.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
