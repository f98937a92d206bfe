"""x * y + z rounded once, IEEE's fusedMultiplyAdd, in float64 and in float32."""

from __future__ import annotations

import math
from collections.abc import Callable

from .vmath import pair_sum_any, pair_to_odd, to_float32

__all__ = ["fma_f32", "fma_f64"]


def by_integers(x: float, y: float, z: float) -> float:
    """Return x * y + z of finite numbers, x and y not 0: a quotient of integers is rounded once."""
    (a, b), (c, d), (e, f) = (number.as_integer_ratio() for number in (x, y, z))
    return (a * c * f + e * b * d) / (b * d * f)


# Python has one since 3.13.
of_finite: Callable[[float, float, float], float] = getattr(math, "fma", by_integers)


def fma_f64(x: float, y: float, z: float) -> float:
    """Return x * y + z."""
    if x == 0.0 or y == 0.0 or not (math.isfinite(x) and math.isfinite(y)):
        return x * y + z
    if not math.isfinite(z):
        return z
    try:
        return of_finite(x, y, z)
    except OverflowError:
        return math.copysign(math.inf, x) * math.copysign(1.0, y)


def fma_f32(x: float, y: float, z: float) -> float:
    """Return x * y + z of float32: the product is exact, the sum rounded to odd, then again."""
    head, tail = pair_sum_any(x * y, z)
    if tail == 0.0 or tail != tail:  # exact, infinite or NaN
        return to_float32(head)
    return to_float32(pair_to_odd((head, tail)))
