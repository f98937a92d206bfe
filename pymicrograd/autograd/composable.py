"""Functions made of functions, as `torch.func` has them: grad, jacrev, vmap and their kin.

Arguments and results may be Tensors, or lists, tuples and dicts of them. What is batched is a loop:
the same results, and not sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .._core import enable_grad
from ..errors import ArgumentError
from ..tensors.arguments import as_tuple
from ..tensors.joining import stack
from ..tensors.ops import TensorBase, needs_recording
from . import transforms
from .transforms import gradients, leaf_of

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "vmap"]

Function = Callable[..., Any]


def tensors_in(x: Any) -> Iterator[Any]:
    """Yield the Tensors in a container."""
    if isinstance(x, TensorBase):
        yield x
    elif isinstance(x, (list, tuple, Mapping)):
        for item in x.values() if isinstance(x, Mapping) else x:
            yield from tensors_in(item)


def mapped(function: Function, x: Any) -> Any:
    """Return a container like x with what a function makes of its Tensors."""
    if isinstance(x, TensorBase):
        return function(x)
    if isinstance(x, Mapping):
        return {key: mapped(function, item) for key, item in x.items()}
    return type(x)(mapped(function, item) for item in x) if isinstance(x, (list, tuple)) else x


def own_node(x: Any) -> Any:
    """Return x as a node of its own, to differentiate by that alone."""
    return x.clone() if x.requires_grad else leaf_of(x)


def grad_and_value(func: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """Return the function of func's gradient and its value.

    Args:
        func: returns a Tensor of one element; with has_aux a pair of it and of anything.
        argnums: the number of the argument to differentiate by, or a tuple of several.

    Returns:
        A function of the same arguments. The gradient is like the argument, and recorded if an
        argument requires a gradient; with has_aux the second result is (value, anything).
    """

    def computed(*args: Any, **named: Any) -> Any:
        chosen: tuple[int, ...] = as_tuple(argnums)
        with enable_grad():
            by = {i % len(args): mapped(own_node, args[i]) for i in chosen}
            result = func(*[by.get(i, x) for i, x in enumerate(args)], **named)
        output, rest = result if has_aux else (result, None)
        if not isinstance(output, TensorBase):
            raise TypeError(f"grad: the function returned {type(output).__name__}, not a Tensor")
        transforms.one_number((output,))
        recorded = needs_recording(*tensors_in(args))
        found = iter(gradients((output,), tuple(tensors_in(by)), (None,), recorded))
        slopes = tuple(mapped(lambda _: next(found), by[i % len(args)]) for i in chosen)
        if not recorded:
            output, rest = mapped(lambda x: x.detach(), [output, rest])
        slope = slopes if isinstance(argnums, tuple) else slopes[0]
        return slope, ((output, rest) if has_aux else output)

    return computed


def grad(func: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """Return the function of func's gradient; arguments as for `grad_and_value`.

    Example:
        >>> from pymicrograd import tensor
        >>> grad(grad(lambda x: x**3))(tensor(2.0))
        tensor(12.)
    """

    def computed(*args: Any, **named: Any) -> Any:
        slope, value = grad_and_value(func, argnums, has_aux)(*args, **named)
        return (slope, value[1]) if has_aux else slope

    return computed


def jacrev(func: Function, argnums: Any = 0) -> Function:
    """Return the function of all derivatives of func's results by an argument, or several.

    Args:
        func: takes and returns Tensors; argnums: as for `grad_and_value`.
    """

    def computed(*args: Any, **named: Any) -> Any:
        places = [i % len(args) for i in as_tuple(argnums)]

        def of_these(*given: Any) -> Any:
            those = dict(zip(places, given, strict=True))
            return func(*[those.get(i, x) for i, x in enumerate(args)], **named)

        inputs = tuple(args[i] for i in places)
        recorded = needs_recording(*tensors_in(args))
        inputs = inputs if isinstance(argnums, tuple) else inputs[0]
        return transforms.jacobian(of_these, inputs, recorded)

    return computed


jacfwd = jacrev


def hessian(func: Function, argnums: Any = 0) -> Any:
    """Return the function of all second derivatives of func, which returns one number.

    Args:
        func: takes Tensors; argnums: as for `grad_and_value`. Tensors in its place are the inputs
            themselves: then the result is their Hessian, as of `autograd.hessian`.
    """
    if any(True for _ in tensors_in(argnums)):
        return transforms.hessian(func, argnums)
    return jacrev(jacrev(func, argnums), argnums)


# ---- batches -----------------------------------------------------------------------------------


def taken(x: Any, dims: Any, place: int) -> Any:
    """Return one item of a batch: of what has no axis of it, all."""
    if dims is None:
        return x
    if isinstance(x, TensorBase):
        return x.select(dims, place)  # type: ignore[attr-defined]
    if isinstance(x, Mapping):
        of = dims if isinstance(dims, Mapping) else dict.fromkeys(x, dims)
        return {key: taken(item, of[key], place) for key, item in x.items()}
    if isinstance(x, (list, tuple)):
        each = dims if isinstance(dims, (list, tuple)) else [dims] * len(x)
        return type(x)(taken(item, dim, place) for item, dim in zip(x, each, strict=True))
    return x


def sizes(x: Any, dims: Any) -> Iterator[int]:
    """Yield how many items the batches in a container have."""
    if dims is None:
        return
    if isinstance(x, TensorBase):
        yield x.shape[dims]
    elif isinstance(x, Mapping):
        for key, item in x.items():
            yield from sizes(item, dims[key] if isinstance(dims, Mapping) else dims)
    elif isinstance(x, (list, tuple)):
        each = dims if isinstance(dims, (list, tuple)) else [dims] * len(x)
        for item, dim in zip(x, each, strict=True):
            yield from sizes(item, dim)


def together(rows: list[Any], dims: Any) -> Any:
    """Return the results for each item as results with an axis of the batch."""
    first = rows[0]
    if isinstance(first, TensorBase):
        return stack(rows, dims)
    if isinstance(first, Mapping):
        return {key: together([row[key] for row in rows], dims) for key in first}
    if isinstance(first, (list, tuple)):
        each = dims if isinstance(dims, tuple) else (dims,) * len(first)
        columns = zip(zip(*rows, strict=True), each, strict=True)
        return type(first)(together(list(column), dim) for column, dim in columns)
    raise TypeError(f"vmap: the function returned {type(first).__name__}, not a Tensor")


def vmap(
    func: Function,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Function:
    """Return the function that does for each item of a batch what func does for one.

    Args:
        func: takes and returns Tensors, or containers of them.
        in_dims: the axis of the batch in all arguments, or a tuple with one for each; None for
            what all items share.
        out_dims: where the axis stands in results.
        randomness, chunk_size: change nothing; each item draws its own numbers.

    Example:
        >>> from pymicrograd import tensor
        >>> vmap(lambda a, b: a @ b)(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([[1.0, 1.0]] * 2))
        tensor([3., 7.])
    """

    def batched(*args: Any, **named: Any) -> Any:
        dims = in_dims if isinstance(in_dims, (tuple, list)) else (in_dims,) * len(args)
        if len(dims) != len(args):
            raise ArgumentError(f"vmap: there are {len(dims)} in_dims for {len(args)} arguments")
        found = {n for x, dim in zip(args, dims, strict=True) for n in sizes(x, dim)}
        if len(found) != 1 or 0 in found:
            raise ArgumentError(f"vmap: a batch has one size above 0, not {sorted(found)}")
        rows = [
            func(*[taken(x, dim, i) for x, dim in zip(args, dims, strict=True)], **named)
            for i in range(found.pop())
        ]
        return together(rows, out_dims)

    return batched
