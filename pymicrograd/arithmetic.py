"""What Values compute with: whose functions, and what happens where Python's floats raise.

The functions are the C library's, as `math` has them, so that digits are those of this machine; or
portable ones, whose digits are the same everywhere. One answer for the process and both engines.

Values compute as Python's floats: `0.0**-1`, `math.exp(1000.0)` and `1e200**2` are exceptions.
NumPy's numbers give inf and NaN there; a program on them that diverges goes on, and `ieee` lets it.
One answer for each thread and context, for both engines; it is asked for after a failure alone.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import Any

from .errors import SettingError

__all__ = [
    "HINT",
    "MATHS",
    "choose_math",
    "get_math",
    "ieee",
    "inverse",
    "is_ieee",
    "set_errors",
]

MODES = ("raise", "ieee")
HINT = " (`with pymicrograd.ieee():` gives inf or nan, as NumPy's numbers do)"
mode: ContextVar[str] = ContextVar("mode", default="raise")

MATHS = ("library", "portable")
in_use = "library"


def choose_math(name: str) -> None:
    """Set what `get_math` returns; the engines have to be told, too: see `set_math`.

    Raises:
        ValueError: the name is none of MATHS.
    """
    global in_use
    if name not in MATHS:
        raise ValueError(f"math {name!r} is none of {', '.join(MATHS)}")
    in_use = name


def get_math() -> str:
    """Return whose functions Values take: "library" or "portable"."""
    return in_use


if os.environ.get("MG_MATH"):
    try:
        choose_math(os.environ["MG_MATH"])
    except ValueError as error:
        raise SettingError(f"MG_MATH={os.environ['MG_MATH']} in the environment: {error}") from None


def is_ieee() -> bool:
    """Tell whether inf and NaN are wanted where Python's floats raise."""
    return mode.get() == "ieee"


def inverse(number: float, power: Callable[[Any, Any], Any] = operator.pow) -> float:
    """Return power(number, -1).

    Raises:
        ZeroDivisionError, OverflowError: the number is 0 or denormal, and errors are raised.
    """
    try:
        return float(power(number, -1.0))
    except ArithmeticError as error:
        if is_ieee():
            return math.copysign(math.inf, number)
        raise type(error)(f"{error}{HINT}") from None


def set_errors(errors: str) -> str:
    """Say what happens where Python's floats raise, in this thread or context from now on.

    Args:
        errors: "raise", as Python does; or "ieee", to go on with inf or NaN.

    Returns:
        What it was before.

    Raises:
        ValueError: errors is neither.

    Example:
        >>> set_errors("ieee"), set_errors("raise")
        ('raise', 'ieee')
    """
    if errors not in MODES:
        raise ValueError(f"errors {errors!r} is none of {', '.join(MODES)}")
    before = mode.get()
    mode.set(errors)
    return before


class ieee(ContextDecorator):
    """Compute inf and NaN of Values where Python's floats raise; a context, or a decorator.

    Example:
        >>> from pymicrograd import Value
        >>> with ieee():
        ...     Value(0.0) ** -1, Value(1000.0).exp(), Value(1e200) ** 2
        (Value(data=inf, grad=0.0), Value(data=inf, grad=0.0), Value(data=inf, grad=0.0))
    """

    def __init__(self) -> None:
        self.before: list[str] = []

    def __enter__(self) -> ieee:
        self.before.append(set_errors("ieee"))
        return self

    def __exit__(self, *exception: Any) -> None:
        set_errors(self.before.pop())
