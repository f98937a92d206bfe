"""Warnings at the line of the program that called, once a place as Python's are."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn"]

PACKAGE = __name__.partition(".")[0]


def warn(text: str) -> None:
    """Warn with a UserWarning at the innermost call that is not the package's own."""
    level = 1
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level + 1)
