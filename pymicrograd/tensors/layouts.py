"""What PyTorch's programs say of memory: names that are understood, and change nothing."""

from __future__ import annotations

__all__ = [
    "channels_last", "channels_last_3d", "contiguous_format", "layout", "memory_format",
    "preserve_format", "strided",
]  # fmt: skip


class Named:
    """A thing with PyTorch's name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


class layout(Named):
    """How elements lie in memory: by strides."""


class memory_format(Named):
    """An order of axes in memory; results here are in row-major order, whatever is asked for."""


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
