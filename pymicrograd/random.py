"""The RNG of the C core: xorshift64*, a seed means the same numbers everywhere."""

from __future__ import annotations

from typing import Any

from . import _core
from .scalars import as_any_seed, as_seed

__all__ = ["RNG", "default_generator", "manual_seed"]


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

    def __init__(self, seed: int) -> None:
        self._rng = _core.rng_new(as_seed(seed))

    @property
    def state(self) -> int:
        """The 64 bits from which the next number comes; setting them is seeding."""
        return int(self._rng.state)

    @state.setter
    def state(self, seed: int) -> None:
        self._rng = _core.rng_new(as_seed(seed))

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

    def __getstate__(self) -> tuple[int, float, int]:
        return int(self._rng.state), float(self._rng.spare), int(self._rng.has_spare)

    def __setstate__(self, state: tuple[int, float, int]) -> None:
        self._rng = _core.rng_new(as_seed(state[0]))
        self._rng.spare, self._rng.has_spare = state[1:]

    def __repr__(self) -> str:
        return f"RNG({self.state})"


default: RNG | None = None


def default_generator() -> RNG:
    """Return the generator that modules use when they are given none: at first RNG(42)."""
    global default
    if default is None:
        default = RNG(42)
    return default


def manual_seed(seed: int) -> RNG:
    """Start the default generator anew from a seed, and return it.

    Any int from -2**63 to 2**64 - 1 is one, as in PyTorch: a negative one stands for that much
    below 2**64, and 0, which no state can be, for 0x9E3779B97F4A7C15.

    Raises:
        TypeError: seed is not an int.
        ValueError: seed is outside this range.
    """
    global default
    default = RNG(as_any_seed(seed))
    return default
