"""Gradients: of Tensors and Values, of functions, checked, and recorded or not."""

from __future__ import annotations

from typing import Any

from .._core import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from ..tensors import sweeps
from ..tensors.arguments import as_tuple
from ..tensors.function import Function
from ..tensors.joining import stack
from ..tensors.kinds import inference_mode
from ..tensors.ops import TensorBase
from ..tensors.sweeps import backward
from ..value import grad as grad_of_values
from . import functional
from .anomaly import detect_anomaly, set_detect_anomaly
from .checks import gradcheck, gradgradcheck
from .transforms import hessian, hvp, jacobian, jvp, vjp

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hvp",
    "inference_mode",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "vjp",
]


def Variable(data: Any, requires_grad: bool = False) -> Any:
    """Return a Tensor that shares data's memory: PyTorch's old name of what Tensors are now."""
    return data.detach().requires_grad_(requires_grad)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Compute the gradients of outputs by inputs; no `grad` attribute is read or written.

    Args:
        outputs: one Tensor or several, or one Value.
        inputs: what to differentiate by, leaves or not.
        grad_outputs: the gradients of the outputs themselves; None for a Tensor of one element
            means 1. For a Value the third argument is create_graph.
        retain_graph: nothing; a graph lives as long as the Tensors that were computed in it.
        create_graph: record the gradients, so that they can be differentiated in turn.
        only_inputs: nothing: `grad` attributes are never written.
        is_grads_batched: grad_outputs hold a batch along their first axis, and so do the gradients.
        allow_unused: return None for an input that no output depends on.
        materialize_grads: return zeros for it.

    Returns:
        A gradient for each input, the same bits that `backward` gives.

    Raises:
        GradientError: an output or an input does not require a gradient, or an input is not used.

    Example:
        >>> from pymicrograd import tensor
        >>> x = tensor(2.0, requires_grad=True)
        >>> (dx,) = grad(x**3, x, create_graph=True)
        >>> (ddx,) = grad(dx, x)
        >>> dx.item(), ddx.item()
        (12.0, 12.0)
    """
    if not any(isinstance(x, TensorBase) for x in as_tuple(outputs)):
        return grad_of_values(outputs, inputs, create_graph or grad_outputs is True)
    options = retain_graph, create_graph, allow_unused, materialize_grads
    if not is_grads_batched:
        return sweeps.grad(outputs, inputs, grad_outputs, *options)
    batch = zip(*as_tuple(grad_outputs), strict=True)
    rows = [sweeps.grad(outputs, inputs, given, *options) for given in batch]
    columns = zip(*rows, strict=True)
    return tuple(None if column[0] is None else stack(column) for column in columns)
