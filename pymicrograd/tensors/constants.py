"""Numbers with PyTorch's names."""

from __future__ import annotations

import math

__all__ = ["e", "inf", "nan", "newaxis", "pi"]

pi = math.pi
e = math.e
inf = math.inf
nan = math.nan
newaxis = None
