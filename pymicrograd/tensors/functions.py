"""Methods of Tensors as functions: `exp(x)` is `x.exp()`.

A function is made of the method of its name when it is first asked for; which of them are public
says the table in `pymicrograd/__init__.py`. Those that differ from a method stand below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .conversion import as_tensor
from .elementwise import choose
from .explain import refuse_out
from .ops import TensorBase

__all__ = ["where"]


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Return input where the condition holds, else other; or, of the condition alone, `nonzero`.

    Example:
        >>> from pymicrograd import tensor
        >>> where(tensor([True, False]), tensor([1.0, 2.0]), 0.0)
        tensor([1., 0.])
    """
    if (input is None) != (other is None):
        raise TypeError("where: input and other go together: where(condition, input, other)")
    if input is None:
        return as_tensor(condition).nonzero(as_tuple=True)
    return choose(condition, input, other)


def of_method(name: str, method: Any) -> Callable[..., Any]:
    """Return a method as a function, whose first argument is a Tensor, or what makes one."""

    def function(input: Any, *args: Any, **named: Any) -> Any:
        if not isinstance(input, TensorBase):
            input = as_tensor(input)
        return getattr(input, name)(*args, **named)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = method.__doc__
    return refuse_out(function)


def __getattr__(name: str) -> Any:
    from .tensor import Tensor  # which is made of what this file imports

    method = None if name.startswith("_") else getattr(Tensor, name, None)
    if not callable(method):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()[name] = of_method(name, method)
    return made
