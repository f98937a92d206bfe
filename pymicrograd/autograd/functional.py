"""Derivatives of functions as PyTorch's `autograd.functional` has them; its options do nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError
from ..tensors.arguments import as_tuple
from . import transforms

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return all derivatives of func's outputs by its inputs, as `autograd.jacobian`."""
    return transforms.jacobian(func, inputs, create_graph)


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return all second derivatives of func, of one element, as `autograd.hessian`."""
    return transforms.hessian(func, inputs, create_graph)


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Return func's outputs, and the product of v, of their shapes, with its Jacobian.

    Without v, which a single number does not need, it is 1.

    Raises:
        ValueError: create_graph is asked for.
    """
    check("vjp", create_graph)
    outputs, products = transforms.vjp(func, *as_tuple(inputs))
    found = products(*as_tuple(outputs * 0 + 1 if v is None else v))
    return ended(outputs), ended(like(found, inputs))


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Return func's outputs, and the product of its Jacobian with v, of the inputs' shapes.

    Without v, which a single number does not need, it is 1.

    Raises:
        ValueError: create_graph is asked for.
    """
    check("jvp", create_graph)
    given = as_tuple(inputs)
    along = tuple(x * 0 + 1 for x in given) if v is None else as_tuple(v)
    outputs, found = transforms.jvp(func, given, along)
    return ended(outputs), ended(found)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Return func's output, of one element, and the product of its Hessian with v.

    Raises:
        ValueError: create_graph is asked for.
    """
    check("hvp", create_graph)
    along = like(tuple(x * 0 + 1 for x in as_tuple(inputs)), inputs) if v is None else v
    output, found = transforms.hvp(func, inputs, along)
    return ended(output), ended(found)


vhp = hvp  # a Hessian is symmetric


def like(results: tuple[Any, ...], given: Any) -> Any:
    """Return one result for one Tensor given, a tuple for several."""
    return results if isinstance(given, (list, tuple)) else results[0]


def check(name: str, create_graph: bool) -> None:
    """Refuse to record products."""
    if create_graph:
        raise ArgumentError(f"{name}: its results are not recorded; autograd.grad's can be")


def ended(found: Any) -> Any:
    """Return results without what was recorded of them."""
    return tuple(x.detach() for x in found) if isinstance(found, tuple) else found.detach()
