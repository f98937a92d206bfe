"""The RNG of the C core: xorshift64*, a seed means the same numbers everywhere.

`Generator` is its name in PyTorch, with PyTorch's methods; both are one engine's.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import _core
from .scalars import MASK, as_any_seed, as_seed

__all__ = [
    "RNG", "Generator", "default_generator", "drawing_from", "fork_rng", "get_rng_state",
    "initial_seed", "manual_seed", "seed", "set_rng_state",
]  # fmt: skip

# The bytes of a state: 64 bits of the stream, the number that normal() has kept, the seed that it
# all began with, whether a number is kept.
STATE = struct.Struct("<QdQB")


class RNG:
    """A xorshift64* generator.

    Args:
        seed: an int from 1 to 2**64 - 1.

    Raises:
        TypeError: seed is not an int.
        ValueError: seed is 0, negative, or 2**64 or more.

    Example:
        >>> RNG(42).random()
        0.3390852212905884
    """

    _rng: Any
    _born: int  # the recording that it was made in, or 0

    def __init__(self, seed: int) -> None:
        self._begin(as_seed(seed))

    def _begin(self, seed: int, told: int | None = None) -> None:
        """Start from a seed; told is what the user called it.

        The state stays where it is: programs and their arrays' numbers know that place.
        """
        if "_rng" in vars(self):
            if self._born != _core.recording_number():
                _core.refuse_change("a generator is seeded", "seed it before the call")
            _core.rng_seed(self._rng, seed)
        else:
            self._rng, self._born = _core.rng_new(seed), _core.recording_number()
        self._seed = seed if told is None else told

    @property
    def state(self) -> int:
        """The 64 bits from which the next number comes; setting them is seeding."""
        return int(self._rng.state)

    @state.setter
    def state(self, seed: int) -> None:
        self._begin(as_seed(seed))

    def random_u32(self) -> int:
        """Return the next 32 bits."""
        return _core.rng_u32(self._rng)  # type: ignore[no-any-return]

    def random(self) -> float:
        """Return a number from [0, 1), a multiple of 2**-24."""
        return _core.rng_random(self._rng)  # type: ignore[no-any-return]

    def uniform(self, a: float = 0.0, b: float = 1.0) -> float:
        """Return a + (b - a) * random()."""
        return _core.rng_uniform(self._rng, a, b)  # type: ignore[no-any-return]

    def normal(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """Return a number of the normal distribution with mean mu and deviation sigma."""
        return _core.rng_normal(self._rng, mu, sigma)  # type: ignore[no-any-return]

    def shuffle(self, items: list[Any]) -> None:
        """Put a list into random order, in place (Fisher and Yates, from the end)."""
        items[:] = [items[i] for i in _core.rng_permutation(self._rng, len(items))]

    # ---- PyTorch's methods

    @property
    def device(self) -> Any:
        """Where numbers are made: the device "cpu"."""
        from .tensors.devices import device

        return device("cpu")

    def manual_seed(self, seed: int) -> Any:
        """Start anew from a seed, as `pymicrograd.manual_seed` takes them; return this generator.

        Raises:
            TypeError: seed is not an int.
            ValueError: seed is outside its range.
        """
        self._begin(as_any_seed(seed), int(seed) & MASK)
        return self

    def seed(self) -> int:
        """Start anew from a number that the system draws; return it."""
        drawn = int.from_bytes(os.urandom(8), "little") or 1
        self._begin(drawn)
        return drawn

    def initial_seed(self) -> int:
        """Return the seed that the numbers began with."""
        return self._seed

    def get_state(self) -> Any:
        """Return the whole state as a Tensor of uint8, for `set_state`."""
        from .tensors.interchange import tensor

        rng = self._rng
        content = STATE.pack(rng.state, rng.spare, self._seed, rng.has_spare)
        return tensor(list(content), dtype="uint8")

    def set_state(self, new_state: Any) -> None:
        """Go on from a state that `get_state` returned.

        Raises:
            TypeError: it is no Tensor of uint8.
            ValueError: it is no state. Nothing has changed.
        """
        if str(getattr(new_state, "dtype", "")).rpartition(".")[2] != "uint8":
            raise TypeError(f"a state is a Tensor of uint8, not {type(new_state).__name__}")
        content = new_state.tolist()
        if new_state.ndim != 1 or len(content) != STATE.size:
            shape = tuple(new_state.shape)
            raise ValueError(f"a generator's state has shape ({STATE.size},), not {shape}")
        state, spare, seed, has_spare = STATE.unpack(bytes(content))
        if has_spare > 1 or not -1e3 < spare < 1e3:
            raise ValueError("these bytes are no state of a generator")
        self.__setstate__((state, spare, has_spare, seed))

    def clone_state(self) -> Any:
        """Return another generator in the same state."""
        other = type(self).__new__(type(self))
        other.__setstate__(self.__getstate__())
        return other

    def __getstate__(self) -> tuple[int, float, int, int]:
        rng = self._rng
        return int(rng.state), float(rng.spare), int(rng.has_spare), self._seed

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        number, spare, has_spare, *told = state
        self._begin(as_seed(number), *told)
        self._rng.spare, self._rng.has_spare = spare, has_spare

    def __repr__(self) -> str:
        return f"RNG({self.state})"


class Generator(RNG):
    """A RNG that begins as PyTorch's do.

    Args:
        device: "cpu".

    Example:
        >>> Generator().manual_seed(42).random()
        0.3390852212905884
    """

    def __init__(self, device: Any = "cpu") -> None:
        if str(device) != "cpu":
            raise ValueError(f"a Generator is on the device 'cpu', not {device!r}")
        super().__init__(67280421310721)  # what PyTorch's generators begin with

    def __repr__(self) -> str:
        return f"<pymicrograd.Generator, seed {self._seed}, state {self.state}>"


default: RNG | None = None
own: RNG | None = None  # what is the default but in `drawing_from`


def default_generator() -> RNG:
    """Return the generator that modules use when they are given none: at first RNG(42)."""
    global default, own
    if default is None:
        default = own = RNG(42)
        default._born = 0  # the package's, whichever function is the first to draw from it
    return default


def manual_seed(seed: int) -> RNG:
    """Start the default generator anew from a seed, and return it.

    Any int from -2**63 to 2**64 - 1 is one, as in PyTorch: a negative one stands for that much
    below 2**64, and 0, which no state can be, for 0x9E3779B97F4A7C15.

    Raises:
        TypeError: seed is not an int.
        ValueError: seed is outside this range.
    """
    global default, own
    state = as_any_seed(seed)
    if own is None:
        own = RNG(state)
    own._begin(state, int(seed) & MASK)
    default = own
    return own


def seed() -> int:
    """Start the default generator anew from a number that the system draws; return it."""
    return default_generator().seed()


def initial_seed() -> int:
    """Return the seed that the default generator's numbers began with."""
    return default_generator().initial_seed()


def get_rng_state() -> Any:
    """Return the default generator's state, for `set_rng_state`."""
    return default_generator().get_state()


def set_rng_state(new_state: Any) -> None:
    """Let the default generator go on from a state that `get_rng_state` returned.

    Raises:
        TypeError, ValueError: it is no such state.
    """
    default_generator().set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, *args: Any, **named: Any) -> Iterator[None]:
    """Let the default generator be afterwards as it was before; arguments of devices do nothing."""
    before = default_generator()
    state = before.get_state()
    try:
        yield
    finally:
        if enabled:
            global default
            default = before
            before.set_state(state)


@contextmanager
def drawing_from(generator: RNG) -> Iterator[None]:
    """Let another generator be the default one for a while."""
    global default
    before = default_generator()
    default = generator
    try:
        yield
    finally:
        if default is generator:  # and nobody has called manual_seed meanwhile
            default = before
