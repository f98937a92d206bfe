"""The graph of a program: which of its instructions read what others write.

Of Values the nodes are instructions, of Tensors entries; leaves are what comes from outside.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

__all__ = ["flow", "is_program"]


def is_program(root: Any) -> bool:
    """Tell whether something is a program; without that package there is none."""
    programs = sys.modules.get("pymicrograd.programs")
    if programs is None:
        return False
    return isinstance(root, (programs.Program, programs.Compiled, programs.Recorded))


def flow(root: Any) -> tuple[list[tuple[tuple[str, ...], bool]], list[tuple[int, int]]]:
    """Return nodes, (lines, whether it is a leaf), and pairs (operand, node).

    Raises:
        ValueError: a compiled function has no program yet, or several.
    """
    from ..programs import flow_of

    nodes: list[tuple[tuple[str, ...], bool]] = []
    edges: list[tuple[int, int]] = []
    last: dict[Any, int] = {}  # of a place, the node that wrote it last
    for lines, reads, writes, is_leaf in flow_of(root):
        operands = dict.fromkeys(place for read in reads for place in known(read, last))
        edges += [(tail, len(nodes)) for tail in operands]
        for place in writes:
            last[place] = len(nodes)
        nodes.append((lines, is_leaf))
    return nodes, edges


def known(place: Any, last: dict[Any, int]) -> Iterable[int]:
    """Return the node that wrote a place, if one did."""
    found = last.get(place)
    return () if found is None else (found,)
