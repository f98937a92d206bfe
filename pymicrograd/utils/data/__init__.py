"""`pymicrograd.data` under PyTorch's name."""

from ... import data
from ...data import *  # noqa: F403

__all__ = data.__all__
