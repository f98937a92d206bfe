"""PyTorch's path to `pymicrograd.data.datasets`."""

from ...data import datasets
from ...data.datasets import *  # noqa: F403

__all__ = datasets.__all__
