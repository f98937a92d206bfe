"""micrograd's `engine.py`: Value."""

from ..value import Value

__all__ = ["Value"]
