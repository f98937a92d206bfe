"""Programs: what was recorded once and runs again, in C, without Python, with the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _core
from .values import Program, Recorded

__all__ = ["Program", "compile"]


def compile(model: Callable[..., Any] | Any = None, optimizer: Any = None, **options: Any) -> Any:
    """Make a program of a loss, a Value; return a function or module as it is.

    Args:
        model: a loss, of which and of an optimizer a `Program` is made that trains; or a function
            or module, also as a decorator: ops of Tensors are ready-made.
        optimizer: of a loss: SGD, Adam or AdamW of Values; None: gradients are added up.
        **options: of a function of Values `values=True`, to record it: `Recorded`. The others are
            PyTorch's, and change nothing.

    Raises:
        TypeError, ValueError, GradientError: as `Program`.
    """
    if isinstance(model, _core.ValueBase):
        return Program(model, optimizer)
    if options.get("values"):
        return Recorded if model is None else Recorded(model)
    return (lambda function: function) if model is None else model
