"""The graph behind a Tensor, as nodes with text: what `to_dot` and `to_mermaid` write of Tensors.

It has what takes part in `backward()`: each result with the name of its `grad_fn`, each leaf that
requires a gradient, with its name where one is given; of all the shape, and the type where it is
not float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Result", "is_result", "results_of"]


class Result(NamedTuple):
    """A node: the lines of its text, and whether it is a leaf."""

    lines: tuple[str, ...]
    is_leaf: bool


def is_result(root: Any) -> bool:
    """Tell whether something is a Tensor."""
    return hasattr(root, "grad_fn") and hasattr(root, "shape")


def results_of(
    root: Any, params: Mapping[str, Any] | None
) -> tuple[list[Result], list[tuple[int, int]]]:
    """List what a Tensor's gradient goes to, operands first, and who is an operand of whom.

    Args:
        root: the Tensor.
        params: names of leaves, such as `dict(model.named_parameters())`.

    Raises:
        TypeError: the Tensor requires no gradient: there is no graph behind it.
    """
    if not root.requires_grad:
        raise TypeError("there is no graph behind a Tensor that requires no gradient")
    names = {x._handle: name for name, x in (params or {}).items()}
    places: dict[Any, int] = {}
    nodes: list[Result] = []
    edges: list[tuple[int, int]] = []
    path = [(root, root.grad_fn, iter(operands_of(root.grad_fn)))]
    while path:
        node, function, unvisited = path[-1]
        following = next(unvisited, None)
        if following is not None:
            if following.variable._handle not in places:
                path.append((following.variable, following, iter(operands_of(following))))
            continue
        path.pop()
        if node._handle in places:
            continue
        places[node._handle] = len(nodes)
        nodes.append(result(node, function, names))
        found = dict.fromkeys(places[x.variable._handle] for x in operands_of(function))
        edges += [(place, places[node._handle]) for place in found]
    return nodes, edges


def operands_of(function: Any) -> list[Any]:
    """Return the operands of an operation, or none of a leaf."""
    if function is None:
        return []
    return [operand for operand, _ in function.next_functions]


def result(node: Any, function: Any, names: Mapping[Any, str]) -> Result:
    """Return the text of a node."""
    is_leaf = function is None or function.name() == "AccumulateGrad"
    title = names.get(node._handle, "") if is_leaf else function.name()
    kind = "" if node.dtype.name == "float32" else f" {node.dtype.name}"
    lines = (title, f"{tuple(node.shape)}{kind}")
    return Result(tuple(line for line in lines if line), is_leaf)
