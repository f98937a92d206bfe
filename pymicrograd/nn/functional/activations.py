"""Activations of Tensors and single Values, softmax of Tensors, with PyTorch's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._core import ValueBase
from ...errors import ShapeError
from ...tensors.leaves import UNIFORM, draw, ramp
from ...tensors.warning import warn
from .arguments import in_place_if, operand_of, tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "gelu", "glu", "gumbel_softmax", "log_softmax", "logsigmoid", "mish", "quick_gelu", "relu",
    "sigmoid", "silu", "softmax", "softmin", "softplus", "softsign", "tanh", "tanhshrink",
]  # fmt: skip


def relu(input: Any, inplace: bool = False) -> Any:
    """Return max(x, 0) of each element. The gradient is 1 where x > 0, else 0.

    Args:
        input: a Tensor of any shape; or a Value.
        inplace: write the result over a Tensor.

    Raises:
        TypeError: input is neither a Tensor nor a Value.
    """
    return in_place_if(inplace, input, operand_of("relu", input).relu())


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


def quick_gelu(input: Tensor) -> Tensor:
    """Return x * sigmoid(1.702 x), an approximation of gelu.

    Raises:
        TypeError: input is no Tensor.
    """
    x = tensor_of("quick_gelu", input)
    return x * (x * 1.702).sigmoid()


def silu(input: Any, inplace: bool = False) -> Any:
    """Return x * sigmoid(x) = x / (1 + exp(-x)) of each element; -0 for -inf, the limit.

    Args:
        input: a Tensor of any shape; or a Value.
        inplace: write the result over a Tensor.

    Raises:
        TypeError: input is neither a Tensor nor a Value.
    """
    return in_place_if(inplace, input, operand_of("silu", input).silu())


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


def axis_for(call: str, input: Tensor, dim: int | None) -> int:
    """Return an axis; where none is given the one that PyTorch takes, with its warning."""
    if dim is not None:
        return dim
    chosen = 0 if input.ndim in (0, 1, 3) else 1
    warn(f"{call}: dim is missing, the axis of what adds up to 1: it is taken to be {chosen}")
    return chosen


def softmin(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Return softmax of -x along an axis; arguments as for `softmax`."""
    x = -tensor_of("softmin", input)
    return x.softmax(axis_for("softmin", x, dim), dtype=dtype)


def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Return exp(x - m) / sum(exp(x - m)) along an axis, m the largest x; the shape stays.

    Args:
        input: a Tensor; integers and bools are computed as float32.
        dim: the axis, without which 0 is taken for 0, 1 or 3 axes, else 1, and a warning given.
        dtype: what input is cast to before.

    Raises:
        TensorIndexError: the axis is out of range.
    """
    x = tensor_of("softmax", input)
    return x.softmax(axis_for("softmax", x, dim), dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Return x - m - log(sum(exp(x - m))) along an axis, m the largest x; the shape stays.

    It is the logarithm of `softmax`, and finite where that is 0.

    Args:
        input, dim, dtype: as for `softmax`.

    Raises:
        TypeError: input is no Tensor.
        TensorIndexError: the axis is out of range.
    """
    x = tensor_of("log_softmax", input)
    return x.log_softmax(axis_for("log_softmax", x, dim), dtype=dtype)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Return a * sigmoid(b), a and b the halves along an axis (Dauphin et al., arXiv:1612.08083).

    Raises:
        ShapeError: the axis has an odd size.
    """
    x = tensor_of("glu", input)
    if not x.ndim or x.shape[dim] % 2:
        raise ShapeError(f"glu: axis {dim} of shape {x.shape} has no two halves")
    a, b = x.chunk(2, dim)
    return a * b.sigmoid()


def gumbel_softmax(
    logits: Tensor,
    tau: float = 1.0,
    hard: bool = False,
    eps: float = 1e-10,
    dim: int = -1,
    generator: Any = None,
) -> Tensor:
    """Draw softmax((logits + Gumbel noise) / tau) (Jang et al. 2017, arXiv:1611.01144).

    Args:
        logits: unnormalized logarithms of probabilities; tau: the temperature.
        hard: return rows with a single 1, whose gradient is that of the soft ones.
        eps: nothing, as in PyTorch; dim: the axis; generator: by default the package's.
    """
    x = tensor_of("gumbel_softmax", logits, "logits")
    smallest = 2.0**-25  # half of the step of uniform numbers, so that no logarithm is infinite
    noise = -(-draw(UNIFORM, x.shape, x.dtype, smallest, 1.0, generator).log()).log()
    soft = ((x + noise) / tau).softmax(dim)
    if not hard:
        return soft
    found = soft.detach()
    after = -dim - 1 if dim < 0 else x.ndim - dim - 1
    places = ramp(x.shape[dim], 0, 1, "gumbel_softmax").reshape(-1, *(1,) * after)
    return (places == found.argmax(dim, keepdim=True)).to(x.dtype) - found + soft
