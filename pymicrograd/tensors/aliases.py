"""PyTorch's other names of types; a file of their own, since three of them hide Python's."""

from __future__ import annotations

from .dtypes import bool_, float16, float32, float64, int16, int32, int64

__all__ = ["bool", "double", "float", "half", "int", "long", "short"]

bool = bool_
float = float32
int = int32
short = int16
double = float64
half = float16
long = int64
