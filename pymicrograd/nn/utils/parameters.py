"""Norms of gradients, and parameters as one vector; of Tensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..._core import no_grad, require
from ...errors import ArgumentError, ShapeError
from ...tensors.conversion import as_tensor
from ...tensors.joining import cat, stack
from ...tensors.norms import vector_norm
from ...tensors.ops import TensorBase

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm",
    "parameters_to_vector", "vector_to_parameters",
]  # fmt: skip


def gradients_of(parameters: Any) -> list[Any]:
    """Return the gradients that there are."""
    parameters = [parameters] if isinstance(parameters, TensorBase) else parameters
    return [p.grad for p in parameters if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: Any = None,
) -> Tensor:
    """Return the norm of the norms of tensors, which is that of all elements.

    Args:
        tensors: one or several; norm_type: of the norm, also math.inf; foreach: nothing.
        error_if_nonfinite: refuse a norm that is infinite or NaN.

    Raises:
        RuntimeError: it is.
    """
    tensors = [tensors] if isinstance(tensors, TensorBase) else list(tensors)
    if not tensors:
        return as_tensor(0.0)
    total: Any = vector_norm(stack([vector_norm(t, norm_type) for t in tensors]), norm_type)
    if error_if_nonfinite:
        text = f"the total norm of order {norm_type} of the gradients is {{}}: nothing was clipped"
        require(total.isfinite(), ArgumentError, text, total)
    return total  # type: ignore[no-any-return]


@no_grad()
def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: Any = None,
) -> Tensor:
    """Scale gradients so that the norm of them all is at most max_norm.

    Args:
        parameters: Tensors, or one; max_norm: the norm.
        norm_type: of the norm, also math.inf; foreach: nothing.
        error_if_nonfinite: refuse a norm that is infinite or NaN.

    Returns:
        The norm before.
    """
    parameters = [parameters] if isinstance(parameters, TensorBase) else list(parameters)
    total = get_total_norm(gradients_of(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Any, max_norm: float, total_norm: Any, foreach: Any = None
) -> None:
    """Scale gradients by max_norm / total_norm where that is below 1, as `clip_grad_norm_`."""
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp_max(1.0)
    for gradient in gradients_of(parameters):
        gradient.mul_(scale.to(gradient.dtype))


@no_grad()
def clip_grad_value_(parameters: Any, clip_value: float, foreach: Any = None) -> None:
    """Clamp the elements of gradients between -clip_value and clip_value."""
    for gradient in gradients_of(parameters):
        gradient.clamp_(-float(clip_value), float(clip_value))


def parameters_to_vector(parameters: Iterable[Any]) -> Tensor:
    """Return the elements of parameters, one after the other, as a vector."""
    return cat([p.reshape(-1) for p in parameters])


@no_grad()
def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Write the elements of a vector over parameters, one after the other.

    Raises:
        ShapeError: the vector has more or fewer elements. Nothing has changed.
    """
    parameters = list(parameters)
    count = sum(p.numel() for p in parameters)
    if vec.ndim != 1 or vec.numel() != count:
        raise ShapeError(f"vector_to_parameters: shape {vec.shape} is not ({count},)")
    begin = 0
    for p in parameters:
        p.copy_(vec[begin : begin + p.numel()].reshape(p.shape))
        begin += p.numel()
