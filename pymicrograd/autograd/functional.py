"""Derivatives of functions as PyTorch's `autograd.functional` has them.

With strict=True an output, or for second derivatives a gradient, that does not depend on each
input is refused, and is not 0. `vectorize` and strategies are ways to compute the same, of which
there is one here: they change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError
from ..tensors.arguments import as_tuple
from ..tensors.creation import ones_like
from ..tensors.sweeps import grad
from . import transforms
from .transforms import like

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Function = Callable[..., Any]
STRATEGIES = ("reverse-mode", "forward-mode")


def jacobian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = STRATEGIES[0],
) -> Any:
    """Return all derivatives of func's outputs by its inputs, as `autograd.jacobian`.

    Raises:
        ValueError: the strategy is unknown; strict: an output does not depend on an input.
    """
    check_strategy("jacobian", strategy)
    return transforms.jacobian(strictly("jacobian", func, 1, strict), inputs, create_graph)


def hessian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = STRATEGIES[0],
) -> Any:
    """Return all second derivatives of func, of one element, as `autograd.hessian`.

    Raises:
        ValueError: as for `jacobian`.
    """
    check_strategy("hessian", outer_jacobian_strategy)
    return transforms.hessian(strictly("hessian", func, 2, strict), inputs, create_graph)


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return func's outputs, and the product of v, of their shapes, with its Jacobian.

    Without v, which a single number does not need, it is 1.

    Raises:
        ValueError: v is missing; create_graph is asked for; strict: as for `jacobian`.
    """
    check_recording("vjp", create_graph)
    function = strictly("vjp", func, 1, strict)
    outputs, products = transforms.vjp(function, *as_tuple(inputs))
    found = products(*vectors("vjp", v, outputs, "func returns"))
    return ended(outputs), ended(like(found, inputs))


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return func's outputs, and the product of its Jacobian with v, of the inputs' shapes.

    Without v, which a single number does not need, it is 1.

    Raises:
        ValueError: as for `vjp`.
    """
    check_recording("jvp", create_graph)
    along = vectors("jvp", v, inputs, "the input is")
    outputs, found = transforms.jvp(strictly("jvp", func, 1, strict), inputs, along)
    return ended(outputs), ended(found)


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return func's output, of one element, and the product of its Hessian with v.

    Raises:
        ValueError: as for `vjp`.
    """
    check_recording("hvp", create_graph)
    along = vectors("hvp", v, inputs, "the input is")
    output, found = transforms.hvp(strictly("hvp", func, 2, strict), inputs, along)
    return ended(output), ended(found)


vhp = hvp  # a Hessian is symmetric


def strictly(name: str, func: Function, order: int, strict: bool) -> Function:
    """Return func; if strict, one that looks whether derivatives of so many orders exist."""
    if not strict:
        return func

    def checked(*inputs: Any) -> Any:
        outputs = func(*inputs)
        of, what = as_tuple(outputs), "an output"
        for _ in range(order):
            of = tuple(slope for y in of for slope in slopes(name, what, y, inputs))
            what = "a gradient"
        return outputs

    return checked


def slopes(name: str, what: str, output: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the gradients of an output by all inputs, or refuse that it depends on fewer."""
    found: tuple[Any, ...] = (None,) * len(inputs)
    if output.requires_grad:
        seed = ones_like(output)
        found = grad(output, inputs, seed, create_graph=True, allow_unused=True)
    for place, slope in enumerate(found):
        if slope is None:
            raise ArgumentError(f"{name}: {what} does not depend on input {place} (strict=True)")
    return found


def vectors(name: str, v: Any, like_what: Any, whose: str) -> tuple[Any, ...]:
    """Return the vectors of a product, one of 1 where a single number needs none."""
    if v is not None:
        return as_tuple(v)
    needed = as_tuple(like_what)
    if len(needed) != 1 or needed[0].numel() != 1:
        shapes = ", ".join(str(tuple(x.shape)) for x in needed)
        raise ArgumentError(f"{name}: v may be missing where {whose} one number, not {shapes}")
    return (ones_like(needed[0]),)


def check_strategy(name: str, strategy: str) -> None:
    """Refuse a strategy that is none."""
    if strategy not in STRATEGIES:
        raise ArgumentError(f"{name}: the strategy {strategy!r} is none of {STRATEGIES}")


def check_recording(name: str, create_graph: bool) -> None:
    """Refuse to record products."""
    if create_graph:
        raise ArgumentError(f"{name}: its results are not recorded; autograd.grad's can be")


def ended(found: Any) -> Any:
    """Return results without what was recorded of them."""
    return tuple(x.detach() for x in found) if isinstance(found, tuple) else found.detach()
