"""Convolution layers; what each computes says the function of `functional` that it calls."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..errors import ArgumentError, ShapeError
from ..tensors.creation import empty
from . import functional
from .functional.convolutions import paddings
from .functional.spatial import LAYOUTS, not_negative, per_axis, positive
from .linear import reset
from .module import Module
from .parameter import Parameter, UninitializedParameter

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    "LazyConv1d", "LazyConv2d", "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]  # fmt: skip

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Convolution(Module):
    """What convolutions and transposed ones have in common: kernels along some axes.

    Attributes:
        axes: how many axes in space there are.
        function: the one of `functional` that it calls.
        kernel_size, stride, padding, dilation, output_padding: a number for each axis; padding
            may be a name.
        weight: kernels; bias: (out_channels), or None. Both are at first uniform up to
            1 / sqrt(size of weight[0]), as PyTorch's.
    """

    axes: ClassVar[int]
    function: ClassVar[str]
    transposed: ClassVar[bool]
    padding: Any
    weight: Any
    bias: Any

    def _set(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        padding_mode: str,
    ) -> None:
        name, s = type(self).__name__, self.axes
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"{name}: {groups} groups do not divide in_channels {in_channels} and "
                f"out_channels {out_channels}"
            )
        if padding_mode not in PADDING_MODES:
            names = ", ".join(map(repr, PADDING_MODES))
            raise ArgumentError(f"{name}: padding_mode {padding_mode!r} is none of {names}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = positive(kernel_size, s, name, "kernel_size")
        self.stride = positive(stride, s, name, "stride")
        self.dilation = positive(dilation, s, name, "dilation")
        around = paddings(name, padding, self.kernel_size, self.stride, self.dilation)
        self._around = tuple(n for sides in reversed(around) for n in sides)
        self.padding = (
            padding if isinstance(padding, str) else per_axis(padding, s, name, "padding")
        )
        self.output_padding = not_negative(output_padding, s, name, "output_padding")
        self.groups, self.padding_mode = groups, padding_mode

    def _weight_shape(self) -> tuple[int, ...]:
        """Return the shape of the weight."""
        sides = self.out_channels, self.in_channels
        first, second = reversed(sides) if self.transposed else sides
        return (first, second // self.groups, *self.kernel_size)

    def _make(self, bias: bool, device: Any, dtype: Any) -> None:
        """Make the parameters."""
        self.weight = Parameter(empty(self._weight_shape(), dtype=dtype, device=device))
        shape = (self.out_channels,)
        self.bias = Parameter(empty(shape, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        reset(self.weight, self.bias, math.prod(self.weight.shape[1:]))

    def extra_repr(self) -> str:
        """Return the sizes, and the options that are not the defaults."""
        zeros, ones = (0,) * self.axes, (1,) * self.axes
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        for name, usual in (("padding", zeros), ("dilation", ones), ("output_padding", zeros)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class Conv(Convolution):
    """A convolution along the axes in space.

    Args:
        in_channels, out_channels: C before and after.
        kernel_size: of the kernels; stride, dilation: as for `functional.conv2d`. One number, or
            one for each axis.
        padding: what is added around: numbers, "valid" for nothing, or "same".
        groups: into how many parts the channels are cut, each with kernels of its own.
        bias: whether there is one.
        padding_mode: what is added: "zeros", or as `functional.pad` says "reflect", "replicate" or
            "circular".
        dtype: of the parameters.

    Attributes:
        weight: (out_channels, in_channels / groups, kernel sizes); bias: (out_channels), or None.
    """

    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        options = kernel_size, stride, padding, dilation, 0, groups, padding_mode
        self._set(in_channels, out_channels, *options)
        self._make(bias, device, dtype)

    def forward(self, input: Any) -> Any:
        """Return the convolution of the input with the kernels."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = functional.pad(input, self._around, self.padding_mode), 0
        function = getattr(functional, self.function)
        return function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv1d(Conv):
    """A convolution of rows (N, C, L) or (C, L); arguments as for its base, Conv."""

    axes, function = 1, "conv1d"


class Conv2d(Conv):
    """A convolution of images (N, C, H, W) or (C, H, W); arguments as for its base, Conv."""

    axes, function = 2, "conv2d"


class Conv3d(Conv):
    """A convolution of volumes (N, C, D, H, W) or (C, D, H, W); arguments as for Conv."""

    axes, function = 3, "conv3d"


class ConvTranspose(Convolution):
    """A transposed convolution along the axes in space: a convolution's gradient by its input.

    Args:
        in_channels, out_channels: C before and after.
        kernel_size, stride, dilation, groups, bias, dtype: as for `Conv`.
        padding: what is cut off around; output_padding: how many zeros are added at the end.
        padding_mode: "zeros".

    Attributes:
        weight: (in_channels, out_channels / groups, kernel sizes); bias: (out_channels), or None.
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            name = type(self).__name__
            raise ArgumentError(f"{name}: padding_mode is 'zeros', not {padding_mode!r}")
        options = kernel_size, stride, padding, dilation, output_padding, groups, padding_mode
        self._set(in_channels, out_channels, *options)
        self._make(bias, device, dtype)

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """Return the transposed convolution of the input with the kernels.

        Args:
            input: (N, C, d...) or (C, d...).
            output_size: the sizes of the result, which output_padding then follows from.
        """
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        function = getattr(functional, self.function)
        options = self.stride, self.padding, extra, self.groups, self.dilation
        return function(input, self.weight, self.bias, *options)

    def _extra(self, input: Any, output_size: Any) -> tuple[int, ...]:
        """Return the output_padding that makes a result of these sizes."""
        s, name = self.axes, type(self).__name__
        sizes = tuple(output_size)
        sizes = sizes[input.ndim - s :] if len(sizes) == input.ndim else sizes
        if len(sizes) != s:
            raise ArgumentError(
                f"{name}: output_size has {s} or {input.ndim} sizes, not {tuple(output_size)}"
            )
        extra = []
        options = self.stride, self.padding, self.dilation, self.kernel_size
        for wanted, n, step, p, d, k in zip(sizes, input.shape[-s:], *options, strict=True):
            least = (n - 1) * step - 2 * p + d * (k - 1) + 1
            if not least <= wanted < least + step:
                raise ArgumentError(
                    f"{name}: output_size {wanted} is not from {least} to {least + step - 1}"
                )
            extra.append(wanted - least)
        return tuple(extra)


class ConvTranspose1d(ConvTranspose):
    """A transposed convolution of rows (N, C, L); arguments as for its base, ConvTranspose."""

    axes, function = 1, "conv_transpose1d"


class ConvTranspose2d(ConvTranspose):
    """A transposed convolution of images (N, C, H, W); arguments as for ConvTranspose."""

    axes, function = 2, "conv_transpose2d"


class ConvTranspose3d(ConvTranspose):
    """A transposed convolution of volumes (N, C, D, H, W); arguments as for ConvTranspose."""

    axes, function = 3, "conv_transpose3d"


# ---- layers that learn in_channels from their first input ------------------------------------


class Lazy(Convolution):
    """A layer whose in_channels is that of its first input; then its class is another."""

    becomes: ClassVar[type[Convolution]]

    def _make(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.bias = UninitializedParameter(device=device, dtype=dtype) if bias else None

    def reset_parameters(self) -> None:
        """Do nothing: there are no parameters yet."""

    def forward(self, input: Any, *args: Any) -> Any:
        """Make the parameters, become the other layer, and do what it does."""
        name = type(self).__name__
        if input.ndim not in (self.axes + 1, self.axes + 2):
            raise ShapeError(f"{name}: an input is {LAYOUTS[self.axes]}, not {input.shape}")
        channels = input.shape[-1 - self.axes]
        if channels % self.groups:
            raise ArgumentError(
                f"{name}: {self.groups} groups do not divide in_channels {channels}"
            )
        self.in_channels = channels
        self.weight.materialize(self._weight_shape())
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.__class__ = self.becomes  # type: ignore[assignment]
        self.reset_parameters()
        return self.forward(input, *args)


class LazyConv(Lazy, Conv):
    """A `Conv` whose in_channels is that of its first input; the others as for Conv."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        options = stride, padding, dilation, groups, bias, padding_mode, device, dtype
        super().__init__(0, out_channels, kernel_size, *options)


class LazyConv1d(LazyConv, Conv1d):
    """A `Conv1d` whose in_channels is that of its first input."""

    becomes = Conv1d


class LazyConv2d(LazyConv, Conv2d):
    """A `Conv2d` whose in_channels is that of its first input."""

    becomes = Conv2d


class LazyConv3d(LazyConv, Conv3d):
    """A `Conv3d` whose in_channels is that of its first input."""

    becomes = Conv3d


class LazyConvTranspose(Lazy, ConvTranspose):
    """A `ConvTranspose` whose in_channels is that of its first input; the others as there."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        options = stride, padding, output_padding, groups, bias, dilation, padding_mode
        super().__init__(0, out_channels, kernel_size, *options, device, dtype)


class LazyConvTranspose1d(LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` whose in_channels is that of its first input."""

    becomes = ConvTranspose1d


class LazyConvTranspose2d(LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` whose in_channels is that of its first input."""

    becomes = ConvTranspose2d


class LazyConvTranspose3d(LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` whose in_channels is that of its first input."""

    becomes = ConvTranspose3d
