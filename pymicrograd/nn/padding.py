"""Padding layers: more items around rows, images and volumes, as `functional.pad` makes them."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import ShapeError
from . import functional
from .functional.spatial import LAYOUTS, per_axis
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class Padding(Module):
    """More items before and after the last axes.

    Args:
        padding: how many: one number for all sides, or two for each axis, the last axis first.

    Attributes:
        axes: of how many axes; mode: what `functional.pad` calls it.
    """

    axes: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Any) -> None:
        self.padding = per_axis(padding, 2 * self.axes, type(self).__name__, "padding")

    def forward(self, input: Any) -> Any:
        """Return the input with more items."""
        if input.ndim not in (self.axes + 1, self.axes + 2):
            name = type(self).__name__
            raise ShapeError(f"{name}: an input is {LAYOUTS[self.axes]}, not {input.shape}")
        return functional.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """Return the padding."""
        return f"{self.padding}"


class CircularPad1d(Padding):
    """The items of the other end around rows; arguments as for its base, Padding."""

    axes, mode = 1, "circular"


class CircularPad2d(Padding):
    """The items of the other end around images; arguments as for its base, Padding."""

    axes, mode = 2, "circular"


class CircularPad3d(Padding):
    """The items of the other end around volumes; arguments as for its base, Padding."""

    axes, mode = 3, "circular"


class ReflectionPad1d(Padding):
    """Items mirrored in the edge around rows; arguments as for its base, Padding."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(Padding):
    """Items mirrored in the edge around images; arguments as for its base, Padding."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(Padding):
    """Items mirrored in the edge around volumes; arguments as for its base, Padding."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(Padding):
    """The items at the edge around rows; arguments as for its base, Padding."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(Padding):
    """The items at the edge around images; arguments as for its base, Padding."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(Padding):
    """The items at the edge around volumes; arguments as for its base, Padding."""

    axes, mode = 3, "replicate"


class ConstantPad(Padding):
    """A number around the last axes.

    Args:
        padding: as for Padding; value: the number.
    """

    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        """Return the input with the number around it."""
        return functional.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """Return padding and number."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(ConstantPad):
    """A number around rows; arguments as for its base, ConstantPad."""

    axes = 1


class ConstantPad2d(ConstantPad):
    """A number around images; arguments as for its base, ConstantPad."""

    axes = 2


class ConstantPad3d(ConstantPad):
    """A number around volumes; arguments as for its base, ConstantPad."""

    axes = 3


class ZeroPad(ConstantPad):
    """Zeros around the last axes; padding as for Padding."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Return the padding."""
        return f"{self.padding}"


class ZeroPad1d(ZeroPad, ConstantPad1d):
    """Zeros around rows; padding as for Padding."""


class ZeroPad2d(ZeroPad, ConstantPad2d):
    """Zeros around images; padding as for Padding."""


class ZeroPad3d(ZeroPad, ConstantPad3d):
    """Zeros around volumes; padding as for Padding."""
