"""PyTorch's path to `pymicrograd.data`."""

from . import data

__all__ = ["data"]
