"""Pooling layers; what each computes says the function of `functional` that it calls."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import ArgumentError
from . import functional
from .applied import Applied
from .functional.spatial import per_axis
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d",
    "FractionalMaxPool2d", "FractionalMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]  # fmt: skip

REQUIRED = Applied.REQUIRED


class Pooling(Applied):
    """A pooling whose description names some of its options.

    Attributes:
        shown: which.
    """

    shown: ClassVar[tuple[str, ...]]
    kernel_size: Any
    stride: Any
    padding: Any

    def extra_repr(self) -> str:
        """Return the options that are shown."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)


class WithStride(Pooling):
    """A pooling whose stride is by default the kernel's size."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        if self.stride is None:
            self.stride = self.kernel_size


class MaxPool(WithStride):
    """The largest element of each window.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: as for `functional.max_pool2d`.
        return_indices: return also where each was found, for a MaxUnpool.
    """

    options: ClassVar[dict[str, Any]] = {
        "kernel_size": REQUIRED, "stride": None, "padding": 0, "dilation": 1,
        "return_indices": False, "ceil_mode": False,
    }  # fmt: skip
    shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")


class MaxPool1d(MaxPool):
    """The largest element of each window of rows (N, C, L); arguments as for its base, MaxPool."""

    function = "max_pool1d"


class MaxPool2d(MaxPool):
    """The largest element of each window of images (N, C, H, W); arguments as for MaxPool."""

    function = "max_pool2d"


class MaxPool3d(MaxPool):
    """The largest element of each window of volumes (N, C, D, H, W); arguments as for MaxPool."""

    function = "max_pool3d"


class MaxUnpool(Pooling):
    """Zeros, but for the elements that a MaxPool found, where it found them.

    Args:
        kernel_size, stride, padding: those of the MaxPool.
    """

    axes: ClassVar[int]
    options: ClassVar[dict[str, Any]] = {"kernel_size": REQUIRED, "stride": None, "padding": 0}
    shown = ("kernel_size", "stride", "padding")

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.stride = self.kernel_size if self.stride is None else self.stride
        for name in self.options:
            found = per_axis(getattr(self, name), self.axes, type(self).__name__, name)
            setattr(self, name, found)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """Return the elements of input at indices, zeros elsewhere, of the sizes asked for."""
        function = getattr(functional, self.function)
        return function(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(MaxUnpool):
    """The inverse of MaxPool1d, with zeros for what it left out; arguments as for MaxUnpool."""

    axes, function = 1, "max_unpool1d"


class MaxUnpool2d(MaxUnpool):
    """The inverse of MaxPool2d, with zeros for what it left out; arguments as for MaxUnpool."""

    axes, function = 2, "max_unpool2d"


class MaxUnpool3d(MaxUnpool):
    """The inverse of MaxPool3d, with zeros for what it left out; arguments as for MaxUnpool."""

    axes, function = 3, "max_unpool3d"


class AvgPool(WithStride):
    """The mean of each window.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as for
            `functional.avg_pool2d`; AvgPool1d has not the last.
    """

    options: ClassVar[dict[str, Any]] = {
        "kernel_size": REQUIRED, "stride": None, "padding": 0, "ceil_mode": False,
        "count_include_pad": True, "divisor_override": None,
    }  # fmt: skip
    shown = ("kernel_size", "stride", "padding")


class AvgPool1d(AvgPool):
    """The mean of each window of rows (N, C, L); arguments as for its base, AvgPool."""

    function = "avg_pool1d"
    options: ClassVar[dict[str, Any]] = {
        name: x for name, x in AvgPool.options.items() if name != "divisor_override"
    }

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        for name in self.shown:
            setattr(self, name, per_axis(getattr(self, name), 1, "AvgPool1d", name))


class AvgPool2d(AvgPool):
    """The mean of each window of images (N, C, H, W); arguments as for its base, AvgPool."""

    function = "avg_pool2d"


class AvgPool3d(AvgPool):
    """The mean of each window of volumes (N, C, D, H, W); arguments as for AvgPool."""

    function = "avg_pool3d"


class LPPool(Pooling):
    """(sum of x**p)**(1 / p) of each window.

    Args:
        norm_type: p; kernel_size, stride, ceil_mode: as for `functional.lp_pool2d`.
    """

    options: ClassVar[dict[str, Any]] = {
        "norm_type": REQUIRED,
        "kernel_size": REQUIRED,
        "stride": None,
        "ceil_mode": False,
    }
    shown = ("norm_type", "kernel_size", "stride", "ceil_mode")


class LPPool1d(LPPool):
    """The norm of each window of rows (N, C, L); arguments as for its base, LPPool."""

    function = "lp_pool1d"


class LPPool2d(LPPool):
    """The norm of each window of images (N, C, H, W); arguments as for its base, LPPool."""

    function = "lp_pool2d"


class LPPool3d(LPPool):
    """The norm of each window of volumes (N, C, D, H, W); arguments as for LPPool."""

    function = "lp_pool3d"


# ---- to a size -------------------------------------------------------------------------------


class AdaptiveAvgPool(Pooling):
    """The means of as many windows as are asked for.

    Args:
        output_size: how many along each axis, or one number for all; None for as many as before.
    """

    options: ClassVar[dict[str, Any]] = {"output_size": REQUIRED}
    shown = ("output_size",)


class AdaptiveAvgPool1d(AdaptiveAvgPool):
    """The means of so many windows of rows (N, C, L); arguments as for AdaptiveAvgPool."""

    function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(AdaptiveAvgPool):
    """The means of so many windows of images (N, C, H, W); arguments as for AdaptiveAvgPool."""

    function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(AdaptiveAvgPool):
    """The means of so many windows of volumes; arguments as for AdaptiveAvgPool."""

    function = "adaptive_avg_pool3d"


class AdaptiveMaxPool(AdaptiveAvgPool):
    """The largest elements of as many windows as are asked for.

    Args:
        output_size: as for AdaptiveAvgPool; return_indices: return also where they were found.
    """

    options: ClassVar[dict[str, Any]] = {"output_size": REQUIRED, "return_indices": False}


class AdaptiveMaxPool1d(AdaptiveMaxPool):
    """The largest of so many windows of rows (N, C, L); arguments as for AdaptiveMaxPool."""

    function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(AdaptiveMaxPool):
    """The largest of so many windows of images (N, C, H, W); arguments as for AdaptiveMaxPool."""

    function = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(AdaptiveMaxPool):
    """The largest of so many windows of volumes; arguments as for AdaptiveMaxPool."""

    function = "adaptive_max_pool3d"


class FractionalMaxPool(Module):
    """The largest elements of windows at random places (arXiv:1412.6071).

    Args:
        kernel_size: of a window.
        output_size: how many windows along each axis; or output_ratio: this as a part, from 0 to
            1, of the sizes before.
        return_indices: return also where they were found.
        _random_samples: what the places follow from, in place of chance.
    """

    axes: ClassVar[int]
    function: ClassVar[str]
    _random_samples: Any

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        name, s = type(self).__name__, self.axes
        if (output_size is None) == (output_ratio is None):
            raise ArgumentError(f"{name}: one of output_size and output_ratio is needed")
        self.kernel_size = per_axis(kernel_size, s, name, "kernel_size")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = self.output_ratio = None
        if output_size is not None:
            self.output_size = per_axis(output_size, s, name, "output_size")
            return
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * s
        self.output_ratio = tuple(ratios)
        if len(ratios) != s or not all(0 < ratio < 1 for ratio in ratios):
            raise ArgumentError(f"{name}: output_ratio {output_ratio} is not between 0 and 1")

    def forward(self, input: Any) -> Any:
        """Return the largest elements of windows."""
        options = self.kernel_size, self.output_size, self.output_ratio, self.return_indices
        return getattr(functional, self.function)(input, *options, self._random_samples)


class FractionalMaxPool2d(FractionalMaxPool):
    """The largest of windows of images (N, C, H, W); arguments as for FractionalMaxPool."""

    axes, function = 2, "fractional_max_pool2d"


class FractionalMaxPool3d(FractionalMaxPool):
    """The largest of windows of volumes; arguments as for FractionalMaxPool."""

    axes, function = 3, "fractional_max_pool3d"
