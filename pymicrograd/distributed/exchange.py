"""Sums over ranks, in the order of the shards' tree: MPI carries bits and adds nothing.

A rank brings the sum of each of its pieces of the tree, a row of elements. In the end all ranks
have the root. Each adds a part of the elements, and what it has added goes to all: two elements
are sent for one of the row, however many ranks there are. Where every rank has one piece of 2^k,
parts are halved k times between pairs, in 2 k messages; otherwise all send to all.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from ..tensors.bits import as_bits
from ..tensors.creation import empty
from ..tensors.dtypes import bfloat16
from ..tensors.joining import cat
from .shards import ROOT, Node, joined, pieces

__all__ = ["Scratch", "array_of", "summed"]


def array_of(x: Any) -> Any:
    """Return an ndarray that shares the memory of a contiguous Tensor, for MPI to carry."""
    return as_bits(x) if x.dtype is bfloat16 else x.detach().numpy()


class Scratch:
    """Memory for what is received, kept from step to step: anew it costs as much as to fill it."""

    def __init__(self) -> None:
        self.kept: dict[Any, tuple[Any, Any]] = {}

    def take(self, count: int, kind: Any) -> tuple[Any, Any]:
        """Return a Tensor of some elements and its ndarray, until the next one is taken."""
        kept = self.kept.get(kind)
        if kept is None or kept[0].shape[0] < count:
            made = empty(count, dtype=kind)
            kept = self.kept[kind] = made, array_of(made)
        return kept[0][:count], kept[1][:count]


def summed(
    comm: Any,
    shards: int,
    owned: Sequence[Sequence[int]],
    rows: Sequence[Any],
    scratch: Scratch,
) -> Any:
    """Return the sum over all shards, the same bits on every rank.

    Args:
        comm: an mpi4py communicator.
        shards: how many there are this time, at most as many as are owned.
        owned: the shards of each rank.
        rows: the sums of this rank's pieces of the tree, those that have a shard: Tensors (n,),
            which are overwritten. A rank without any brings a Tensor to be filled.
        scratch: memory.

    Returns:
        A Tensor (n,).
    """
    ranks = len(owned)
    total = sum(map(len, owned))
    if ranks & (ranks - 1) == 0 and total % ranks == 0:
        return halved(comm, shards, ranks, rows[0], scratch)
    found = [[node for node in pieces(total, own) if node[0] < shards] for own in owned]
    return scattered(comm, shards, found, rows, scratch)


def halved(comm: Any, shards: int, ranks: int, row: Any, scratch: Scratch) -> Any:
    """Sum rows by recursive halving, and gather by recursive doubling; see `summed`.

    With stride h rank l, below h modulo 2 h, has a part of node (l, 2 h), and rank l + h the same
    part of (l + h, 2 h): one keeps the first half of it, the other one the second.
    """
    rank: int = comm.Get_rank()
    begin, end = 0, row.shape[0]
    received, into = scratch.take(end - end // 2, row.dtype)
    array = array_of(row)
    parts, stride = [], ranks // 2
    while stride:
        is_right = bool(rank & stride)
        middle = (begin + end) // 2
        halves = (begin, middle), (middle, end)
        (a, b), (c, d) = halves[is_right], halves[not is_right]
        parts.append((rank ^ stride, c, d, a, b))
        swap(comm, rank ^ stride, array[c:d], into[: b - a])
        add_part(row[a:b], received[: b - a], is_right, rank % stride + stride < shards)
        begin, end, stride = a, b, stride // 2
    for partner, c, d, a, b in reversed(parts):
        swap(comm, partner, array[a:b], array[c:d])
    return row


def swap(comm: Any, partner: int, sent: Any, received: Any) -> None:
    """Send an array to a rank and receive as many elements as there is room for."""
    comm.Sendrecv(sent, partner, 0, received, partner, 0)


def add_part(own: Any, other: Any, is_right: bool, is_there: bool) -> None:
    """Add two nodes, of which the right one may be without shards; a + b is b + a to the bit."""
    if is_there:
        own.add_(other)
    elif is_right:
        own.copy_(other)


def scattered(
    comm: Any,
    shards: int,
    found: Sequence[Sequence[Node]],
    rows: Sequence[Any],
    scratch: Scratch,
) -> Any:
    """Sum rows of any numbers of ranks and pieces; see `summed`.

    Args:
        found: the pieces of each rank that have a shard.
    """
    count, ranks, rank = rows[0].shape[0], len(found), comm.Get_rank()
    kind = rows[0].dtype
    cuts = [count * i // ranks for i in range(ranks + 1)]
    spans = list(itertools.pairwise(cuts))
    lengths = [b - a for a, b in spans]
    own = rows[: len(found[rank])]
    sent = cat([row[a:b] for a, b in spans for row in own]) if own else empty(0, dtype=kind)
    received, into = scratch.take(lengths[rank] * sum(map(len, found)), kind)
    comm.Alltoallv(
        [array_of(sent), [length * len(own) for length in lengths]],
        [into, [lengths[rank] * len(nodes) for nodes in found]],
    )
    nodes = [node for of_rank in found for node in of_rank]
    sums = dict(zip(nodes, received.reshape(len(nodes), -1), strict=True))
    first = {node[0]: part for node, part in sums.items()}
    part = joined(shards, ROOT, first.__getitem__, lambda a, b: a.add_(b), sums)
    whole = empty(count, dtype=kind)
    comm.Allgatherv(array_of(part), [array_of(whole), lengths])
    return whole
