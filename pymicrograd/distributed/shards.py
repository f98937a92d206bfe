"""Shards of a batch: which examples, in which order they are added, who computes which.

csrc/SPEC.md, Batches in shards, is the rule; nothing here knows of processes. A node of the tree of
additions is (first, stride): the shards first, first + stride, first + 2 stride .. The root is
(0, 1); (l, h) is (l, 2 h) + (l + h, 2 h), and without the second where shard l + h is not there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ..errors import ArgumentError

__all__ = ["as_shards", "joined", "leaves", "owners", "pieces", "rows_of", "sizes"]

T = TypeVar("T")
Node = tuple[int, int]
ROOT: Node = (0, 1)


def as_shards(shards: Any) -> int:
    """Return a number of shards, which is an int above 0."""
    if isinstance(shards, bool) or not isinstance(shards, int) or shards <= 0:
        raise ArgumentError(f"shards is an int above 0, not {shards!r}")
    return shards


def leaves(shards: int, node: Node = ROOT) -> list[int]:
    """Return the shards of a node from left to right.

    Example:
        >>> leaves(8)
        [0, 4, 2, 6, 1, 5, 3, 7]
    """
    first, stride = node
    if first + stride >= shards:
        return [first] if first < shards else []
    return leaves(shards, (first, 2 * stride)) + leaves(shards, (first + stride, 2 * stride))


def joined(
    shards: int,
    node: Node,
    leaf: Callable[[int], T],
    add: Callable[[T, T], T],
    known: Mapping[Node, T] | None = None,
) -> T:
    """Return the sum of a node's shards, of which there is one at least.

    Args:
        shards: how many there are; node: of the tree.
        leaf: returns what a shard contributes, or a node of which only the first shard is there.
        add: returns the sum of two, the left one first.
        known: the sums of nodes that are not to be computed.
    """
    if known and node in known:
        return known[node]
    first, stride = node
    if first + stride >= shards:
        return leaf(first)
    left = joined(shards, (first, 2 * stride), leaf, add, known)
    return add(left, joined(shards, (first + stride, 2 * stride), leaf, add, known))


def sizes(count: int, shards: int) -> list[int]:
    """Return the numbers of examples in the shards of a batch; there are no empty shards."""
    return [(count - shard - 1) // shards + 1 for shard in range(min(count, shards))]


def owners(shards: int, ranks: int) -> list[list[int]]:
    """Return the shards of each rank, in rising order.

    The leaves of the tree are cut into as many runs as there are ranks, as even as can be; the
    run with shard 0 is rank 0's, and so on by the least shard of each. Where ranks are a power
    of two that divides the shards, rank r has the shards r, r + ranks, r + 2 ranks ..

    Raises:
        ArgumentError: there are more ranks than shards.

    Example:
        >>> owners(8, 3)
        [[0, 4], [1, 2, 6], [3, 5, 7]]
    """
    if ranks > shards:
        raise ArgumentError(
            f"{ranks} ranks for {shards} shards: a rank computes one shard at least"
        )
    order = leaves(shards)
    cuts = [shards * rank // ranks for rank in range(ranks + 1)]
    return sorted(sorted(order[a:b]) for a, b in itertools.pairwise(cuts))


def pieces(shards: int, own: Sequence[int], node: Node = ROOT) -> list[Node]:
    """Return the largest nodes of whose shards a rank has all, from left to right."""
    first, stride = node
    found = leaves(shards, node)
    if not found or set(own).isdisjoint(found):
        return []
    if set(found) <= set(own):
        return [node]
    left, right = (first, 2 * stride), (first + stride, 2 * stride)
    return pieces(shards, own, left) + pieces(shards, own, right)


def rows_of(x: Any, shard: int, own: Sequence[int], shards: int, is_part: bool) -> Any:
    """Return the examples of a shard.

    Args:
        x: those of the whole batch, or, for is_part, those of a rank's own shards, in order.
        own: the rank's shards, in rising order.
    """
    return x[list(own).index(shard) :: len(own)] if is_part else x[shard::shards]
