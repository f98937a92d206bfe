"""Activations that are written over their input: `relu_(x)` is `relu(x, inplace=True)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .activations import relu
from .piecewise import celu, elu, hardtanh, leaky_relu, rrelu, selu, threshold

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_",
]  # fmt: skip


def overwriting(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """Return a function that writes its result over its input."""

    def written(input: Tensor, *args: Any, **named: Any) -> Tensor:
        found: Tensor = function(input, *args, **named, inplace=True)
        return found

    written.__name__ = written.__qualname__ = f"{function.__name__}_"
    written.__doc__ = f"Write `{function.__name__}`, which tells of the arguments, over the input."
    return written


celu_ = overwriting(celu)
elu_ = overwriting(elu)
hardtanh_ = overwriting(hardtanh)
leaky_relu_ = overwriting(leaky_relu)
relu_ = overwriting(relu)
rrelu_ = overwriting(rrelu)
selu_ = overwriting(selu)
threshold_ = overwriting(threshold)
