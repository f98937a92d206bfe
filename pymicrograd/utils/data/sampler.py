"""PyTorch's path to `pymicrograd.data.samplers`."""

from ...data import samplers
from ...data.samplers import *  # noqa: F403

__all__ = samplers.__all__
