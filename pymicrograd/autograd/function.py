"""PyTorch's path to `Function`."""

from ..tensors.function import Function

__all__ = ["Function"]
