"""PyTorch's paths to `pymicrograd.data` and to a writer of TensorBoard's files."""

from . import checkpoint, data, tensorboard

__all__ = ["checkpoint", "data", "tensorboard"]
