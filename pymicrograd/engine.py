"""micrograd's import path: `from pymicrograd.engine import Value`."""

from .value import Value

__all__ = ["Value"]
