"""Layers that change the resolution, or put windows, channels and pixels in other places."""

from __future__ import annotations

from typing import Any, ClassVar

from . import functional
from .applied import Applied
from .module import Module

__all__ = [
    "ChannelShuffle", "Fold", "PixelShuffle", "PixelUnshuffle", "Unfold", "Upsample",
    "UpsamplingBilinear2d", "UpsamplingNearest2d",
]  # fmt: skip


class Upsample(Module):
    """An input with more or fewer elements along its axes in space.

    Args:
        size, scale_factor, mode, align_corners, recompute_scale_factor: as for
            `functional.interpolate`.
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        self.size, self.mode, self.align_corners = size, mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor: Any = tuple(map(float, scale_factor))
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None

    def forward(self, input: Any) -> Any:
        """Return the input at the other resolution."""
        return functional.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        """Return the size or factor, and the mode."""
        if self.scale_factor is None:
            return f"size={self.size!r}, mode={self.mode!r}"
        return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images at another resolution, of the nearest elements: `Upsample` of mode "nearest"."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Images at another resolution: `Upsample` of mode "bilinear" with align_corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class PixelShuffle(Applied):
    """Pixels in place of channels; arguments as for `functional.pixel_shuffle`."""

    function = "pixel_shuffle"
    options: ClassVar[dict[str, Any]] = {"upscale_factor": Applied.REQUIRED}


class PixelUnshuffle(Applied):
    """Channels in place of pixels; arguments as for `functional.pixel_unshuffle`."""

    function = "pixel_unshuffle"
    options: ClassVar[dict[str, Any]] = {"downscale_factor": Applied.REQUIRED}


class ChannelShuffle(Applied):
    """Channels from each group in turn; arguments as for `functional.channel_shuffle`."""

    function = "channel_shuffle"
    options: ClassVar[dict[str, Any]] = {"groups": Applied.REQUIRED}


class Unfold(Applied):
    """The windows of images as columns; arguments as for `functional.unfold`."""

    function = "unfold"
    options: ClassVar[dict[str, Any]] = {
        "kernel_size": Applied.REQUIRED,
        "dilation": 1,
        "padding": 0,
        "stride": 1,
    }


class Fold(Applied):
    """Columns added up where windows lie in images; arguments as for `functional.fold`."""

    function = "fold"
    options: ClassVar[dict[str, Any]] = {"output_size": Applied.REQUIRED, **Unfold.options}
