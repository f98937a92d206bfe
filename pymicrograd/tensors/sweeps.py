"""Gradients of Tensors: backward and grad.

A sweep in C carries gradients from outputs to what they depend on. It stops where Python has
something to do: at a tensor with hooks (hooks.py), and at a `Function` (function.py).
"""

from __future__ import annotations

import math
from typing import Any

from .. import _core
from ..errors import GradientError, ShapeError
from .arguments import as_tuple
from .conversion import as_tensor
from .ops import CAST, TensorBase, apply, zeros_of

__all__ = ["backward", "grad"]


def check_root(root: Any, gradient: Any, number: int) -> None:
    """Refuse what no gradient can start from."""
    if not isinstance(root, TensorBase):
        raise TypeError(f"gradients are of Tensors, not of {type(root).__name__}")
    if not root.requires_grad:
        raise GradientError(
            f"element {number} of tensors does not require grad and does not have a grad_fn"
        )
    if gradient is None:
        if math.prod(root.shape) != 1:
            raise GradientError(
                "grad can be implicitly created only for scalar outputs, not for one of shape "
                f"{root.shape}: pass its gradient"
            )
    elif gradient.shape != root.shape:
        raise ShapeError(
            f"output {number} has shape {root.shape}, but its gradient shape {gradient.shape}"
        )


def seeds_of(roots: tuple[Any, ...], gradients: Any) -> tuple[Any, ...]:
    """Return a gradient, or None for ones, for each root."""
    given = (None,) * len(roots) if gradients is None else as_tuple(gradients)
    if len(given) != len(roots):
        raise GradientError(f"there are {len(roots)} outputs and {len(given)} gradients of them")
    seeds = []
    for number, (root, gradient) in enumerate(zip(roots, given, strict=True)):
        if gradient is not None and not isinstance(gradient, TensorBase):
            gradient = as_tensor(gradient)
        check_root(root, gradient, number)
        if gradient is not None and gradient.dtype is not root.dtype:
            gradient = apply(CAST, (gradient,), (root.dtype.number,))
        seeds.append(gradient)
    return tuple(seeds)


def inputs_of(inputs: Any) -> tuple[Any, ...]:
    """Return the Tensors to differentiate by."""
    found = as_tuple(inputs)
    for number, x in enumerate(found):
        if not isinstance(x, TensorBase):
            raise TypeError(f"gradients are by Tensors, not by {type(x).__name__}")
        if not x.requires_grad:
            raise GradientError(f"input {number} (shape {x.shape}) does not require grad")
    if not found:
        raise GradientError("there is no input to differentiate by")
    return found


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of tensors to the `grad` of every leaf that they depend on.

    Args:
        tensors: one Tensor or several, which require a gradient.
        grad_tensors: their own gradients; None for a Tensor of one element means 1.
        retain_graph: nothing; a graph lives as long as the Tensors that were computed in it.
        create_graph: record the gradients, so that they can be differentiated in turn.
        inputs: the Tensors that get gradients, in place of all leaves.

    Raises:
        GradientError: a Tensor does not require a gradient, or has several elements and no
            gradient is given.
        ChangedError: a value that a gradient needs was changed in place. Then, and on Ctrl-C,
            no gradient has changed.
    """
    roots = as_tuple(tensors)
    seeds = seeds_of(roots, grad_tensors)
    by = () if inputs is None else inputs_of(inputs)
    flags = _core.ACCUMULATE | (_core.CREATE_GRAPH if create_graph else 0)
    _core.sweep(roots, seeds, by, flags)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Compute the gradients of Tensors by Tensors, as `pymicrograd.grad` describes it."""
    roots, by = as_tuple(outputs), inputs_of(inputs)
    seeds = seeds_of(roots, grad_outputs)
    found = _core.sweep(roots, seeds, by, _core.GIVE | (_core.CREATE_GRAPH if create_graph else 0))
    if materialize_grads:
        return tuple(zeros_of(x) if g is None else g for x, g in zip(by, found, strict=True))
    unused = [i for i, g in enumerate(found) if g is None]
    if unused and not allow_unused:
        shapes = ", ".join(f"{i} (shape {by[i].shape})" for i in unused)
        raise GradientError(
            f"the outputs do not depend on input{'s' * (len(unused) > 1)} {shapes}; "
            "allow_unused=True returns None there"
        )
    return tuple(found)
