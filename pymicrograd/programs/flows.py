"""What the parts of a program read and write, one after the other: for pictures of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .. import _core
from ..tensors.dtypes import DTYPES
from .compiled import Compiled
from .values import Recorded

__all__ = ["flow_of"]

SINGLES = (("a", 1), ("b", 2), ("y", 4), ("g", 8))
# Lines of text, places that are read, places that are written, whether it comes from outside.
Part = tuple[tuple[str, ...], Iterable[Any], Iterable[Any], bool]


def flow_of(program: Any) -> Iterator[Part]:
    """Return the parts of a program, or of the only one of a compiled function, in their order."""
    if isinstance(program, Compiled):
        return entries(program.program("a picture"))
    if isinstance(program, Recorded):
        program = program.variant("a picture")
    return instructions(program._script)


def instructions(script: Any) -> Iterator[Part]:
    """Return the instructions of a program of Values; places are slots."""
    layout = script.layout()
    of_leaves = [node[0] for node in layout.nodes if node[0]]
    of_gradients = [node[1] for node in layout.nodes if node[1]]
    if of_leaves:
        count = len(of_leaves)
        yield ("a leaf" if count == 1 else f"{count} leaves",), (), of_leaves, True
    if of_gradients:
        yield (f"{len(of_gradients)} gradients",), (), of_gradients, True
    if layout.input_count:
        slots = range(layout.inputs, layout.inputs + layout.input_count)
        yield (f"{layout.input_count} inputs",), (), slots, True
    for i, c in enumerate(script.instructions()):
        kind, _, text = script.part(i).partition(": ")
        reads, writes = slots_of(c)
        yield (kind, text), reads, writes, False
    saved = [start + k for start, _, count in layout.saves for k in range(count)]
    yield ("data and gradients",), [*saved, layout.loss, *layout.outputs], (), True


def slots_of(c: Any) -> tuple[Iterable[int], Iterable[int]]:
    """Return the slots that an instruction reads, and those that it writes."""
    if c.kind == "line":
        rows = [c.words[i : i + 7] for i in range(0, len(c.words), 7)]
        return [slot for row in rows for slot in row[2:6]], [row[1] for row in rows]
    if c.kind == "pack":
        return c.words, range(c.to, c.to + c.count)
    if c.kind == "update":
        reads = [*range(c.a, c.a + c.count), *range(c.g, c.g + c.count)]
        return reads, range(c.to, c.to + c.count)
    if c.kind == "lanes":
        found: list[int] = []
        for name, single in SINGLES:
            slot = getattr(c, name)
            if slot:
                found += [slot] if c.modes & single else range(slot, slot + c.count)
        return found, range(c.to, c.to + c.count)
    reach = range(c.width)
    return [slot + k for slot in c.words for k in reach], range(c.to, c.to + c.count * c.width)


def entries(program: Any) -> Iterator[Part]:
    """Return the entries of a program of Tensors; places are storages."""
    storages = program.storages()
    seen: set[int] = set()
    outputs = 0
    for e in program.entries():
        if e.kind == "set":
            continue
        arrays = [x for x in e.arrays if x is not None]
        for x in arrays:
            storage = storages[x.storage]
            if storage.is_owned or x.storage in seen:
                continue
            seen.add(x.storage)
            name = f"argument {storage.input}" if storage.input >= 0 else "from outside"
            yield (name, shape_of(x)), (), (x.storage,), True
        if e.kind == "output":
            yield (f"result {outputs}", shape_of(arrays[0])), (arrays[0].storage,), (), True
            outputs += 1
            continue
        written = [x for k, x in enumerate(e.arrays) if x is not None and writes(e, k)]
        read = [x.storage for k, x in enumerate(e.arrays) if x is not None and reads(e, k)]
        name = e.name
        if name == "gradient":
            name = f"gradient of {list(_core.OPS)[e.integers[0]]}"
        shapes = (f"{len(written)} parameters",) if e.kind == "update" else map(shape_of, written)
        yield (name, *shapes), read, [x.storage for x in written], False


def writes(e: Any, k: int) -> bool:
    """Tell whether an entry writes to array k."""
    if e.kind == "update":
        return k >= len(e.arrays) // 2
    if e.kind == "act":
        return bool(e.writes >> k & 1)
    return k == (0 if e.takes_memory else len(e.arrays) - 1)


def reads(e: Any, k: int) -> bool:
    """Tell whether an entry reads array k; of what work writes to it may be a part."""
    return e.kind == "update" or e.takes_memory or not writes(e, k)


def shape_of(x: Any) -> str:
    """Return the shape of an array, and its type where that is not float32."""
    kind = DTYPES[x.dtype].name
    return f"{x.shape}{'' if kind == 'float32' else f' {kind}'}"
