"""The functions of numbers: the C library's, as `math` has them, or portable ones.

Both raise what Python's floats raise, where they raise it. The digits of `math` are those of
the machine; those of vmath.py are the same everywhere. csrc/numbers/float.c is the same in C.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import NamedTuple

from .. import arithmetic
from . import vmath

__all__ = ["Functions", "functions"]


class Functions(NamedTuple):
    """One function a field, from floats to a float."""

    exp: Callable[[float], float]
    expm1: Callable[[float], float]
    log: Callable[[float], float]
    log1p: Callable[[float], float]
    sin: Callable[[float], float]
    cos: Callable[[float], float]
    tanh: Callable[[float], float]
    erf: Callable[[float], float]
    power: Callable[[float, float], float]


def bounded(function: Callable[[float], float]) -> Callable[[float], float]:
    """Let a function raise OverflowError where a finite number has an infinite result."""

    def call(x: float) -> float:
        y = function(x)
        if math.isinf(y) and not math.isinf(x):
            raise OverflowError("math range error")
        return y

    return call


def above(bound: float, function: Callable[[float], float]) -> Callable[[float], float]:
    """Let a function raise ValueError at a bound and below."""

    def call(x: float) -> float:
        if x <= bound:
            raise ValueError("math domain error")
        return function(x)

    return call


def of_angles(function: Callable[[float], float]) -> Callable[[float], float]:
    """Let a function raise ValueError of infinity."""

    def call(x: float) -> float:
        if math.isinf(x):
            raise ValueError("math domain error")
        return function(x)

    return call


def power(x: float, y: float) -> float:
    """Return x ** y with the errors of Python's floats."""
    if x == 0.0 and y < 0.0 and not math.isinf(y):
        raise ZeroDivisionError("0.0 cannot be raised to a negative power")
    result = vmath.power(x, y)
    if math.isinf(result) and math.isfinite(x) and math.isfinite(y):
        raise OverflowError(34, "Numerical result out of range")
    return result


LIBRARY = Functions(
    math.exp,
    math.expm1,
    math.log,
    math.log1p,
    math.sin,
    math.cos,
    math.tanh,
    math.erf,
    operator.pow,
)
PORTABLE = Functions(
    bounded(vmath.exp),
    bounded(vmath.expm1),
    above(0.0, vmath.log),
    above(-1.0, vmath.log1p),
    of_angles(vmath.sin),
    of_angles(vmath.cos),
    vmath.tanh,
    vmath.erf,
    power,
)


def functions() -> Functions:
    """Return the functions in use."""
    return PORTABLE if arithmetic.get_math() == "portable" else LIBRARY
