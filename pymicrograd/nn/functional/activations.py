"""Activations of Tensors and single Values, softmax of Tensors, with PyTorch's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._core import ValueBase
from .arguments import operand_of, tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "gelu", "log_softmax", "relu", "sigmoid", "silu", "softmax", "softplus", "tanh",
]  # fmt: skip


def relu(input: Any) -> Any:
    """Return max(x, 0)."""
    return operand_of("relu", input).relu()


def gelu(input: Any, approximate: str = "none") -> Any:
    """Return x Phi(x), Phi the normal distribution; its "tanh" form on request."""
    return operand_of("gelu", input).gelu(approximate)


def silu(input: Any) -> Any:
    """Return x * sigmoid(x)."""
    return operand_of("silu", input).silu()


def sigmoid(input: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    return operand_of("sigmoid", input).sigmoid()


def tanh(input: Any) -> Any:
    """Return the hyperbolic tangent."""
    return operand_of("tanh", input).tanh()


def softplus(input: Any, beta: float = 1.0, threshold: float | None = None) -> Any:
    """Return log(1 + exp(beta * x)) / beta; with a threshold x itself where beta * x is above it.

    It does not overflow, so that it needs none.
    """
    x = operand_of("softplus", input)
    found = x.softplus() if beta == 1.0 else (x * beta).softplus() / beta
    if threshold is None:
        return found
    if not isinstance(x, ValueBase):
        return x.where(x.detach() * beta > threshold, found)
    return x if x.data * beta > threshold else found


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Return exp(x) over its sum along an axis."""
    return tensor_of("softmax", input).softmax(dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Return the logarithm of `softmax`, without overflow."""
    return tensor_of("log_softmax", input).log_softmax(dim, dtype=dtype)
