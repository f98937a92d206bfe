"""Switches of libraries that are not used: programs may set them, and nothing changes."""

from . import cuda, cudnn, mps

__all__ = ["cuda", "cudnn", "mps"]
