"""PyTorch's paths to `pymicrograd.data` and to a writer of TensorBoard's files."""

from . import data, tensorboard

__all__ = ["data", "tensorboard"]
