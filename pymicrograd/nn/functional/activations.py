"""Activations of Tensors and single Values, softmax of Tensors, with PyTorch's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._core import ValueBase
from .arguments import operand_of, tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "gelu", "log_softmax", "logsigmoid", "mish", "relu", "sigmoid", "silu", "softmax", "softmin",
    "softplus", "softsign", "tanh", "tanhshrink",
]  # fmt: skip


def relu(input: Any) -> Any:
    """Return max(x, 0) of each element. The gradient is 1 where x > 0, else 0.

    Args:
        input: a Tensor of any shape, which stays; or a Value.

    Raises:
        TypeError: input is neither a Tensor nor a Value.
    """
    return operand_of("relu", input).relu()


def gelu(input: Any, approximate: str = "none") -> Any:
    """Return x * Phi(x) of each element, Phi(x) = (1 + erf(x / sqrt(2))) / 2.

    Args:
        input: a Tensor of any shape, which stays; or a Value.
        approximate: "none", or "tanh" for x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    Raises:
        TypeError: input is neither a Tensor nor a Value.
        ValueError: approximate is another word.
    """
    return operand_of("gelu", input).gelu(approximate)


def silu(input: Any) -> Any:
    """Return x * sigmoid(x) = x / (1 + exp(-x)) of each element; -0 for -inf, the limit.

    Args:
        input: a Tensor of any shape, which stays; or a Value.

    Raises:
        TypeError: input is neither a Tensor nor a Value.
    """
    return operand_of("silu", input).silu()


def sigmoid(input: Any) -> Any:
    """Return 1 / (1 + exp(-x)) of each element. The gradient is s * (1 - s), s the result.

    Args:
        input: a Tensor of any shape, which stays; or a Value.

    Raises:
        TypeError: input is neither a Tensor nor a Value.
    """
    return operand_of("sigmoid", input).sigmoid()


def tanh(input: Any) -> Any:
    """Return (exp(2 x) - 1) / (exp(2 x) + 1) of each element, the hyperbolic tangent.

    The gradient is 1 - t^2, t the result.

    Args:
        input: a Tensor of any shape, which stays; or a Value.

    Raises:
        TypeError: input is neither a Tensor nor a Value.
    """
    return operand_of("tanh", input).tanh()


def softplus(input: Any, beta: float = 1.0, threshold: float | None = None) -> Any:
    """Return log(1 + exp(beta * x)) / beta of each element. The gradient is sigmoid(beta * x).

    Args:
        input: a Tensor of any shape, which stays; or a Value.
        beta: how steeply it turns; the larger, the nearer to relu.
        threshold: where beta * x is above it, x itself; None for nowhere, as nothing overflows.

    Raises:
        TypeError: input is neither a Tensor nor a Value.
    """
    x = operand_of("softplus", input)
    found = x.softplus() if beta == 1.0 else (x * beta).softplus() / beta
    if threshold is None:
        return found
    if not isinstance(x, ValueBase):
        return x.where(x.detach() * beta > threshold, found)
    return x if x.data * beta > threshold else found


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return x * tanh(softplus(x)) of each element (Misra 2019, arXiv:1908.08681).

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("mish", input)
    made = x * x.softplus().tanh()
    return x.copy_(made) if inplace else made


def softsign(input: Tensor) -> Tensor:
    """Return x / (1 + abs(x)) of each element.

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("softsign", input)
    return x / (x.abs() + 1)


def logsigmoid(input: Tensor) -> Tensor:
    """Return log(sigmoid(x)) of each element, which does not overflow.

    Raises:
        TypeError: input is no Tensor.
    """
    return -(-tensor_of("logsigmoid", input)).softplus()


def tanhshrink(input: Tensor) -> Tensor:
    """Return x - tanh(x) of each element.

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("tanhshrink", input)
    return x - x.tanh()


def softmin(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Return softmax of -x along an axis.

    Raises:
        TypeError: input is no Tensor.
        TensorIndexError: the axis is out of range.
    """
    return (-tensor_of("softmin", input)).softmax(dim, dtype=dtype)


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Return exp(x - m) / sum(exp(x - m)) along an axis, m the largest x; the shape stays.

    Args:
        input: a Tensor; integers and bools are computed as float32.
        dim: the axis; dtype: what input is cast to before.

    Raises:
        TensorIndexError: the axis is out of range.
    """
    return tensor_of("softmax", input).softmax(dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Return x - m - log(sum(exp(x - m))) along an axis, m the largest x; the shape stays.

    It is the logarithm of `softmax`, and finite where that is 0.

    Args:
        input: a Tensor; integers and bools are computed as float32.
        dim: the axis; dtype: what input is cast to before.

    Raises:
        TypeError: input is no Tensor, or no axis is given.
        TensorIndexError: the axis is out of range.
    """
    return tensor_of("log_softmax", input).log_softmax(dim, dtype=dtype)
