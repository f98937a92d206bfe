"""Programs: what was recorded once and runs again, in C, without Python, with the same bits."""

from __future__ import annotations

import functools
from typing import Any

from .. import _core
from ..errors import ArgumentError
from ..modules import Module
from .compiled import Compiled
from .flows import flow_of
from .stored import StoredProgram, StoredTensorProgram, load
from .values import Program, Recorded

__all__ = [
    "Compiled", "Program", "Recorded", "StoredProgram", "StoredTensorProgram", "compile", "flow_of",
    "load",
]  # fmt: skip


def compile(
    model: Any = None,
    optimizer: Any = None,
    *,
    values: bool = False,
    fullgraph: bool | None = None,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: Any = None,
    disable: bool = False,
) -> Any:
    """Return a function that runs as a program: its first call is recorded, later ones replay it.

    A program computes the same bits as the function, without Python: forward, backward, the
    optimizer's step, changes in place, random numbers. It belongs to the shapes and types of the
    Tensors, and to the other arguments as they are; a call with others records another one.
    Parameters and other Tensors from outside are read at each run. Python between the
    operations, such as print(), runs when a call is recorded, and not again.

    Args:
        model: the function; without it a decorator is returned. A module is returned as it is. Of
            a loss, a Value, and its optimizer a `Program` is made, which trains.
        optimizer: of a loss: SGD, Adam or AdamW of Values; None: gradients are added up.
        values: the function is one of Values, not of Tensors: see `Recorded`.
        fullgraph: False lets a call of Tensors that cannot be recorded go on eagerly, with a
            warning, in place of raising; later calls like it run eagerly.
        dynamic, backend, mode, options: change nothing.
        disable: return the function as it is.

    Raises:
        RecordingError: in a call, where something depends on elements in a way that a program
            cannot follow: item(), bool(), tolist(), masks as indices.
        TypeError, ValueError, GradientError: of a loss, as `Program`.
        ValueError: fullgraph is False, and values True.

    Example:
        >>> import pymicrograd as mg
        >>> w = mg.ones(3, requires_grad=True)
        >>> optimizer = mg.optim.SGD([w], lr=0.5)
        >>> @mg.compile
        ... def step(x):
        ...     loss = (w * x).sum()
        ...     optimizer.zero_grad()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> [step(mg.ones(3)).item() for _ in range(3)]
        [3.0, 1.5, 0.0]
    """
    if values and fullgraph is False:
        raise ArgumentError(
            "compile(): fullgraph=False is of functions of Tensors: with values=True a call that "
            "cannot be recorded raises"
        )
    if model is None:
        return functools.partial(compile, values=values, fullgraph=fullgraph, disable=disable)
    if isinstance(model, _core.ValueBase):
        return Program(model, optimizer)
    if optimizer is not None:
        raise TypeError(f"compile() takes an optimizer with a loss, not {type(model).__name__}")
    import inspect  # which `import *` does not wait for

    eager = isinstance(model, (type, Module, Compiled, Recorded)) or disable
    if eager or inspect.iscoroutinefunction(model) or inspect.isgeneratorfunction(model):
        return model
    if not callable(model):
        raise TypeError(f"compile() takes a function or a module, not {type(model).__name__}")
    return Recorded(model) if values else Compiled(model, fullgraph)
