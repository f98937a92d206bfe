"""Which module each node of a Tensor's graph belongs to, and lines of text nested like modules.

A graph knows no modules; the names of its parameters do. What takes a parameter stands with it, and
what takes none stands in the module that both its operands and what is made of it are in: a ReLU
between `block.up` and `block.down` in `block`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["Path", "nested", "paths_of", "titles_of"]

Path = tuple[str, ...]


def common(paths: Sequence[Path]) -> Path:
    """Return what all paths begin with; () of none."""
    found: list[str] = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        found.append(parts[0])
    return tuple(found)


def paths_of(
    operands: Sequence[Sequence[int]], moves: Sequence[bool], parameters: Mapping[int, Path]
) -> list[Path]:
    """Return the path of the module of each node.

    Args:
        operands: of each node, which stand before it.
        moves: whether a node has the elements of its operand, as a slice has.
        parameters: the modules of leaves that are parameters.
    """
    whole = dict(parameters)  # parameters, and their slices, transposes and so on
    takers: dict[int, Path] = {}
    for node, taken in enumerate(operands):
        paths = [whole[k] for k in taken if k in whole]
        if paths and moves[node]:
            whole[node] = paths[0]
        elif paths:
            takers[node] = common(paths)
    before = along(operands, takers, whole, range(len(operands)))
    users: list[list[int]] = [[] for _ in operands]
    for node, taken in enumerate(operands):
        for k in taken:
            users[k].append(node)
    after = along(users, takers, whole, range(len(operands) - 1, -1, -1))
    return [
        whole[node] if node in whole else common([before[node], after[node]])
        for node in range(len(operands))
    ]


def along(
    neighbours: Sequence[Sequence[int]],
    takers: Mapping[int, Path],
    whole: Mapping[int, Path],
    order: range,
) -> list[Path]:
    """Return, of each node, what the nearest takers of parameters on one side have in common."""
    found: list[Path] = [()] * len(neighbours)
    for node in order:
        paths = [found[k] for k in neighbours[node] if k not in whole]
        found[node] = takers[node] if node in takers else common(paths)
    return found


def titles_of(params: Any) -> tuple[dict[str, Any], dict[Path, str]]:
    """Return parameters by their names, and the classes of modules by their paths.

    Args:
        params: a Module, or a mapping from names to parameters, or None.
    """
    if params is None or not hasattr(params, "named_parameters"):
        return dict(params or {}), {}
    classes = {path_of(name): type(part).__name__ for name, part in params.named_modules()}
    return dict(params.named_parameters()), classes


def path_of(name: str) -> Path:
    """Return the path of a module's name."""
    return tuple(name.split(".")) if name else ()


def nested(
    lines: Sequence[str],
    paths: Sequence[Path],
    opened: Callable[[int, Path], str],
    closed: str,
    indent: str,
) -> list[str]:
    """Return lines, those of a module between a line that opens and one that closes it.

    Args:
        lines: of the nodes; paths: of their modules.
        opened: makes the line that opens a module, the n-th one; closed: the other line.
        indent: what stands before a line, once more for each module around it.
    """
    result: list[str] = []
    inside: Path = ()
    numbers: dict[Path, int] = {}
    # Modules in the order of their first node, what is in none before them.
    first: dict[Path, int] = {}
    for place, path in enumerate(paths):
        for depth in range(len(path) + 1):
            first.setdefault(path[:depth], place)
    key = [[first[path[:depth]] for depth in range(1, len(path) + 1)] for path in paths]
    for k in sorted(range(len(lines)), key=lambda k: (key[k], k)):
        shared = common([inside, paths[k]])
        for depth in range(len(inside), len(shared), -1):
            result.append(indent * depth + closed)
        for depth in range(len(shared) + 1, len(paths[k]) + 1):
            path = paths[k][:depth]
            number = numbers.setdefault(path, len(numbers))
            result.append(indent * depth + opened(number, path))
        inside = paths[k]
        result.append(indent * (len(inside) + 1) + lines[k])
    return result + [indent * depth + closed for depth in range(len(inside), 0, -1)]
