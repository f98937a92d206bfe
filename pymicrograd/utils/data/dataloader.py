"""PyTorch's path to `pymicrograd.data.loader`."""

from ...data import loader
from ...data.loader import *  # noqa: F403

__all__ = loader.__all__
