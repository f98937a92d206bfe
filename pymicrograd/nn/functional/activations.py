"""Activations and softmax of Tensors, with PyTorch's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "gelu", "log_softmax", "relu", "sigmoid", "silu", "softmax", "softplus", "tanh",
]  # fmt: skip


def relu(input: Tensor) -> Tensor:
    """Return max(x, 0)."""
    return tensor_of("relu", input).relu()


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return x Phi(x), Phi the normal distribution; its "tanh" form on request."""
    return tensor_of("gelu", input).gelu(approximate)


def silu(input: Tensor) -> Tensor:
    """Return x * sigmoid(x)."""
    return tensor_of("silu", input).silu()


def sigmoid(input: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-x))."""
    return tensor_of("sigmoid", input).sigmoid()


def tanh(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""
    return tensor_of("tanh", input).tanh()


def softplus(input: Tensor, beta: float = 1.0) -> Tensor:
    """Return log(1 + exp(beta * x)) / beta."""
    input = tensor_of("softplus", input)
    return input.softplus() if beta == 1.0 else (input * beta).softplus() / beta


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Return exp(x) over its sum along an axis."""
    return tensor_of("softmax", input).softmax(dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Return the logarithm of `softmax`, without overflow."""
    return tensor_of("log_softmax", input).log_softmax(dim, dtype=dtype)
