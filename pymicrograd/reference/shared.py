"""Arrays that share memory: what views show, what is written in place, and who notices.

An Array owns its numbers. A Held shows those at some places of a Memory, which others may show,
too: a view of one is made by moving its places as the op moves numbers. A Memory counts how often
it was written to, so that a gradient is refused whose op would read other numbers than it did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .array import Array, convert, position
from .array_ops import ARRAYS

__all__ = ["Held", "Memory", "unchanged"]

Index = tuple[int, ...]


class Memory:
    """Numbers, and how often they were written to.

    Attributes:
        numbers: what is there.
        version: grows by one with every write.
        expected: while a gradient is computed, the version that it may read; else None.
        is_lent: whether nothing may be written there.
    """

    __slots__ = ("_numbers", "expected", "is_lent", "version")

    def __init__(self, numbers: list[Any]) -> None:
        self._numbers = numbers
        self.version = 0
        self.expected: int | None = None
        self.is_lent = False

    @property
    def numbers(self) -> list[Any]:
        """What is there, to read.

        Raises:
            RuntimeError: a gradient needs what was there before a write.
        """
        if self.expected not in (None, self.version):
            raise RuntimeError("an array that a gradient needs was written to in place")
        return self._numbers


class Held(Array):
    """An array of the numbers at some places of a memory.

    Args:
        dtype, shape: as of an Array.
        memory: the numbers, of this type.
        places: for each element its place there.
    """

    __slots__ = ("memory", "places")

    def __init__(self, dtype: str, shape: Sequence[int], memory: Memory, places: list[int]) -> None:
        self.dtype = dtype
        self.shape = tuple(shape)
        self.memory = memory
        self.places = places

    @classmethod
    def of(cls, a: Array) -> Held:
        """Return an array with a memory of its own."""
        return cls(a.dtype, a.shape, Memory(list(a.values)), list(range(len(a.values))))

    @property
    def values(self) -> list[Any]:  # type: ignore[override]
        """The numbers in row-major order."""
        numbers = self.memory.numbers
        return [numbers[place] for place in self.places]

    def write(self, numbers: Sequence[Any]) -> None:
        """Put other numbers there, converted to the type; whoever shows them sees these.

        Raises:
            RuntimeError: the memory is lent.
        """
        if self.memory.is_lent:
            raise RuntimeError("a function writes to the gradient that it got")
        for place, number in zip(self.places, numbers, strict=True):
            self.memory._numbers[place] = convert(number, self.dtype)
        self.memory.version += 1

    def view(self, name: str, how: dict[str, Any]) -> Held:
        """Return the view that an op of movement makes; of a reshape perhaps a copy."""
        index = Array("int64", self.shape, self.places)
        moved = ARRAYS[name](index, **how)
        if name == "reshape" and not self.is_row_major and not is_even(moved):
            return Held.of(Array(self.dtype, moved.shape, self.values))
        return Held(self.dtype, moved.shape, self.memory, [int(place) for place in moved.values])

    @property
    def is_row_major(self) -> bool:
        """Whether elements lie one behind the other."""
        first = self.places[0] if self.places else 0
        return self.places == list(range(first, first + len(self.places)))

    @property
    def overlaps(self) -> bool:
        """Whether two elements are one number."""
        return len(set(self.places)) < len(self.places)

    def __getitem__(self, index: Index) -> Any:
        return self.memory.numbers[self.places[position(index, self.shape)]]

    def row(self, index: Index) -> list[Any]:
        n, numbers = self.shape[-1], self.memory.numbers
        first = position(index, self.shape[:-1]) * n
        return [numbers[place] for place in self.places[first : first + n]]


def is_even(places: Array) -> bool:
    """Tell whether along each axis places are at the same distance everywhere."""
    if not places.values:
        return True
    expected = [places.values[0]]
    for d, n in enumerate(places.shape):
        next_one = tuple(1 if i == d else 0 for i in range(len(places.shape)))
        step = places[next_one] - places.values[0] if n > 1 else 0
        expected = [x + i * step for x in expected for i in range(n)]
    return expected == places.values


@contextmanager
def unchanged(memories: Sequence[tuple[Memory, int]]) -> Iterator[None]:
    """Let nothing be read of memories that have another version than stated."""
    for memory, version in memories:
        memory.expected = version
    try:
        yield
    finally:
        for memory, _ in memories:
            memory.expected = None
