"""Random numbers of xorshift64*: a seed means the same numbers on every machine, for ever.

Integers, and floats by plain IEEE arithmetic; no function of the C library that may differ
between machines, so that `normal` has a logarithm of its own. Not for cryptography.
Source: Vigna 2016, doi:10.1145/2845077.
"""

from __future__ import annotations

import math
from typing import Any

from ..scalars import MASK, as_any_seed, as_seed

__all__ = ["RNG", "default_generator", "manual_seed"]


def portable_log(x: float) -> float:
    """Return log(x) of a normal x > 0 to about an ulp, the same on every machine.

    x = m * 2**e with m in [sqrt 1/2, sqrt 2), f = (m - 1) / (m + 1),
    log m = 2 f (1 + f**2 / 3 + f**4 / 5 + ... + f**22 / 23). The first of the two parts of log 2
    is so short that e times it is exact.
    """
    m, e = math.frexp(x)
    if m < 0.7071067811865476:
        m *= 2.0
        e -= 1
    f = (m - 1.0) / (m + 1.0)
    z = f * f
    p = 1.0 / 23.0
    for denominator in range(21, 2, -2):
        p = p * z + 1.0 / denominator
    series = 2.0 * f + 2.0 * f * (z * p)
    return e * 0.693147180369123816490 + (e * 1.90821492927058770002e-10 + series)


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
        self.state = seed

    @property
    def state(self) -> int:
        """The 64 bits from which the next number comes; setting them is seeding."""
        return self._state

    @state.setter
    def state(self, seed: int) -> None:
        self._state = as_seed(seed)
        self._spare: float | None = None

    def random_u32(self) -> int:
        """Return the next 32 bits."""
        s = self._state
        s ^= s >> 12
        s ^= (s << 25) & MASK
        s ^= s >> 27
        self._state = s
        return ((s * 0x2545F4914F6CDD1D) & MASK) >> 32

    def random(self) -> float:
        """Return a number from [0, 1), a multiple of 2**-24."""
        return (self.random_u32() >> 8) / 16777216.0

    def uniform(self, a: float = 0.0, b: float = 1.0) -> float:
        """Return a + (b - a) * random()."""
        return a + (b - a) * self.random()

    def normal(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """Return a number of the normal distribution with mean mu and deviation sigma.

        Marsaglia's polar method (SIAM Review 6, 1964) makes two numbers at once; the second is
        kept for the next call.
        """
        if self._spare is not None:
            spare, self._spare = self._spare, None
            return mu + sigma * spare
        s = 0.0
        while not 0.0 < s < 1.0:
            u = 2.0 * self.random() - 1.0
            v = 2.0 * self.random() - 1.0
            s = u * u + v * v
        factor = math.sqrt(-2.0 * portable_log(s) / s)
        self._spare = v * factor
        return mu + sigma * (u * factor)

    def shuffle(self, items: list[Any]) -> None:
        """Put a list into random order, in place (Fisher and Yates, from the end)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.random_u32() % (i + 1)
            items[i], items[j] = items[j], items[i]

    def __repr__(self) -> str:
        return f"RNG({self._state})"


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
