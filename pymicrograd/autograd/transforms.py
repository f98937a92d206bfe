"""Derivatives of functions: products with Jacobians and Hessians, and these themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from .._core import enable_grad
from ..errors import GradientError, ShapeError
from ..tensors.arguments import as_tuple
from ..tensors.joining import stack
from ..tensors.ops import DETACH, TensorBase, apply, needs_recording, zeros_of
from ..tensors.sweeps import check_root, grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vjp"]


def requiring(inputs: Iterable[Any]) -> tuple[Any, ...]:
    """Return inputs that require a gradient: themselves, or leaves that share their memory."""
    return tuple(x if x.requires_grad else leaf_of(x) for x in inputs)


def leaf_of(x: Any) -> Any:
    """Return a leaf that shares x's memory and requires a gradient."""
    leaf = apply(DETACH, (x,))
    leaf.requires_grad = True
    return leaf


def call(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the outputs of a function, as a tuple of Tensors."""
    with enable_grad():
        outputs = as_tuple(function(*inputs))
    for x in outputs:
        if not isinstance(x, TensorBase):
            raise TypeError(f"the function returned {type(x).__name__}, not a Tensor")
    return outputs


def like(results: tuple[Any, ...], given: Any) -> Any:
    """Return one result for one Tensor given, a tuple for several."""
    return results if isinstance(given, (list, tuple)) else results[0]


def one_number(outputs: tuple[Any, ...]) -> Any:
    """Return the only output, of one element; one that no input changes has zeros for gradients."""
    (output,) = outputs
    if output.requires_grad or output.numel() != 1:
        check_root(output, None, 0)
    return output


def gradients(
    outputs: tuple[Any, ...], inputs: tuple[Any, ...], seeds: tuple[Any, ...], create_graph: bool
) -> tuple[Any, ...]:
    """Return gradients of outputs by inputs, zeros where there are none."""
    pairs = [(y, s) for y, s in zip(outputs, seeds, strict=True) if y.requires_grad]
    if not pairs:
        return tuple(map(zeros_of, inputs))
    roots, given = zip(*pairs, strict=True)
    return grad(roots, inputs, given, create_graph=create_graph, materialize_grads=True)


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Compute a function, and the products of vectors with its Jacobian.

    Args:
        function: takes as many Tensors as there are primals; returns a Tensor or a tuple.
        primals: where to compute it.

    Returns:
        The outputs, and a function of as many vectors, of their shapes, that returns a tuple with
        the gradient by each primal, recorded if a primal or a vector requires a gradient.

    Example:
        >>> from pymicrograd import tensor
        >>> y, pull = vjp(lambda x: x * x, tensor([1.0, 2.0]))
        >>> pull(tensor([1.0, 1.0]))
        (tensor([2., 4.]),)
    """
    inputs = requiring(primals)
    with enable_grad():
        result = function(*inputs)
    outputs = as_tuple(result)

    def pull(*vectors: Any) -> tuple[Any, ...]:
        given = as_tuple(vectors[0]) if len(vectors) == 1 else vectors
        if len(given) != len(outputs):
            raise GradientError(f"there are {len(outputs)} outputs and {len(given)} vectors")
        return gradients(outputs, inputs, given, needs_recording(*primals, *given))

    detached = tuple(apply(DETACH, (y,)) for y in outputs)
    return like(detached, result), pull


def jvp(function: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """Compute a function, and the product of its Jacobian with tangents.

    It differentiates the product with a vector from the left, which is linear in the vector.

    Args:
        function: takes as many Tensors as there are primals; returns a Tensor or a tuple.
        primals: where to compute it, a tuple; tangents: a direction of the same shapes.

    Returns:
        The outputs, and their derivatives in that direction, recorded if a primal or a tangent
        requires a gradient.

    Example:
        >>> from pymicrograd import tensor
        >>> jvp(lambda x: x * x, (tensor([1.0, 2.0]),), (tensor([1.0, 10.0]),))
        (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    inputs, directions = requiring(as_tuple(primals)), as_tuple(tangents)
    check_directions(inputs, directions)
    with enable_grad():
        result = function(*inputs)
    outputs = as_tuple(result)
    vectors = tuple(leaf_of(zeros_of(y)) for y in outputs)
    products = gradients(outputs, inputs, vectors, True)
    recorded = needs_recording(*as_tuple(primals), *directions)
    derivatives = gradients(products, vectors, directions, recorded)
    detached = tuple(apply(DETACH, (y,)) for y in outputs)
    return like(detached, result), like(derivatives, result)


def check_directions(inputs: tuple[Any, ...], directions: tuple[Any, ...]) -> None:
    """Refuse directions unlike the inputs."""
    if [x.shape for x in inputs] != [v.shape for v in directions]:
        raise ShapeError(
            f"inputs of shapes {[x.shape for x in inputs]} and directions of shapes "
            f"{[v.shape for v in directions]} differ"
        )


def jacobian(function: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """Compute all derivatives of a function's outputs by its inputs.

    Args:
        function: takes the inputs; returns a Tensor or a tuple.
        inputs: a Tensor or a tuple of them.
        create_graph: record the derivatives.

    Returns:
        For an output of shape S and an input of shape T a Tensor of shape S + T; in a tuple by
        inputs if these are a tuple, in a tuple by outputs if those are.

    Example:
        >>> from pymicrograd import tensor
        >>> jacobian(lambda x: x * x, tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    by = requiring(as_tuple(inputs)) if create_graph else tuple(map(leaf_of, as_tuple(inputs)))
    with enable_grad():
        result = function(*by)
    found = tuple(
        like(jacobian_of(output, by, create_graph), inputs) for output in as_tuple(result)
    )
    return like(found, result)


def jacobian_of(output: Any, by: tuple[Any, ...], create_graph: bool) -> tuple[Any, ...]:
    """Return the derivatives of one output by each input."""
    count = math.prod(output.shape)
    rows = []
    for i in range(count):
        seed = zeros_of(output)
        seed.reshape(count)[i] = 1
        rows.append(gradients((output,), by, (seed,), create_graph))
    if not rows:
        return tuple(TensorBase._new(x.dtype.number, output.shape + x.shape, None) for x in by)
    columns = zip(*rows, strict=True)
    return tuple(
        stack(column).reshape(output.shape + x.shape) for column, x in zip(columns, by, strict=True)
    )


def hessian(function: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """Compute all second derivatives of a function of one element.

    Args:
        function: takes the inputs; returns a Tensor of one element.
        inputs: a Tensor or a tuple of them.
        create_graph: record the derivatives.

    Returns:
        A Tensor of shape T + T for an input of shape T, or a tuple of tuples.
    """

    def slopes(*by: Any) -> Any:
        output = one_number(call(function, by))
        return gradients((output,), by, (None,), True)

    given = as_tuple(inputs)
    found = jacobian(slopes, given, create_graph)
    return found if isinstance(inputs, (list, tuple)) else found[0][0]


def hvp(function: Callable[..., Any], inputs: Any, v: Any) -> tuple[Any, Any]:
    """Compute a function of one element, and the product of its Hessian with a vector.

    Args:
        function: takes the inputs; returns a Tensor of one element.
        inputs: a Tensor or a tuple of them; v: a vector of the same shapes.

    Returns:
        The output and the product, of v's shapes.
    """
    by, directions = requiring(as_tuple(inputs)), as_tuple(v)
    check_directions(by, directions)
    output = one_number(call(function, by))
    slopes = gradients((output,), by, (None,), True)
    recorded = needs_recording(*as_tuple(inputs), *directions)
    products = gradients(slopes, by, directions, recorded)
    return apply(DETACH, (output,)), like(products, inputs)
