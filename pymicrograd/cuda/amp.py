"""PyTorch's former path to `pymicrograd.amp`."""

from ..amp import GradScaler, autocast

__all__ = ["GradScaler", "autocast"]
