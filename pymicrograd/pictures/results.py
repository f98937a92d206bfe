"""The graph behind a Tensor, as nodes with text: what `to_dot` and `to_mermaid` write of Tensors.

It has what takes part in `backward()`: each result with the name of its `grad_fn`, each leaf that
requires a gradient, with its name where one is given; of all the shape, and the type where it is
not float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .clusters import Path, paths_of, titles_of
from .programs import flow, is_program

__all__ = ["Result", "Results", "is_result", "results_of"]

# Ops whose results are elements of their operand: what a layer does with its weights first.
MOVES = (
    "CastBackward0",
    "ExpandBackward0",
    "PermuteBackward0",
    "ReshapeBackward0",
    "SliceBackward0",
)


class Result(NamedTuple):
    """A node: the lines of its text, and whether it is a leaf."""

    lines: tuple[str, ...]
    is_leaf: bool


class Results(NamedTuple):
    """A graph: nodes, pairs (operand, node), modules of nodes, and the classes of these."""

    nodes: list[Result]
    edges: list[tuple[int, int]]
    paths: list[Path]
    classes: Mapping[Path, str]

    def title(self, path: Path) -> str:
        """Return what stands above a module: its name, and its class where that is known."""
        kind = self.classes.get(path)
        return ".".join(path) + (f": {kind}" if kind else "")


def is_result(root: Any) -> bool:
    """Tell whether something is a Tensor, or a program."""
    return is_program(root) or (hasattr(root, "grad_fn") and hasattr(root, "shape"))


def results_of(root: Any, params: Any) -> Results:
    """List what a Tensor's gradient goes to, operands first, and who is an operand of whom.

    Args:
        root: the Tensor, or a program, whose parts are listed in their order.
        params: a Module, or names of leaves, such as `dict(model.named_parameters())`.

    Raises:
        TypeError: the Tensor requires no gradient: there is no graph behind it.
    """
    if is_program(root):
        parts, edges = flow(root)
        return Results([Result(*part) for part in parts], edges, [()] * len(parts), {})
    if not root.requires_grad:
        raise TypeError("there is no graph behind a Tensor that requires no gradient")
    named, classes = titles_of(params)
    names = {x._handle: name for name, x in named.items()}
    places: dict[Any, int] = {}
    nodes: list[Result] = []
    edges = []
    operands: list[list[int]] = []
    parameters: dict[int, Path] = {}
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
        if node._handle in names:
            parameters[len(nodes)] = tuple(names[node._handle].split(".")[:-1])
        places[node._handle] = len(nodes)
        nodes.append(result(node, function, names))
        found = dict.fromkeys(places[x.variable._handle] for x in operands_of(function))
        operands.append(list(found))
        edges += [(place, places[node._handle]) for place in found]
    moves = [not node.is_leaf and node.lines[0] in MOVES for node in nodes]
    return Results(nodes, edges, paths_of(operands, moves, parameters), classes)


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
