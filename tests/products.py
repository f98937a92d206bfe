"""Matrix products as csrc/SPEC.md defines them, in NumPy's additions and multiplications.

And fused operations from rational numbers, with operands that are hard for those who compute them
otherwise.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["exact_fma", "fma", "hostile_triples", "product", "span_products"]

BLOCK, SPAN = 128, 4096


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a + b exactly, as a float64 and what it lacks."""
    head = a + b
    of_b = head - a
    return head, (a - (head - of_b)) + (b - of_b)


def to_odd(head: Any, tail: Any) -> Any:
    """Return a pair as one float64, whose last bit is 1 unless it is exact."""
    bits = head.view(np.int64)
    step = np.where((tail > 0) == (head > 0), 1, -1) * ((tail != 0) & (bits & 1 == 0))
    return (bits + step).view(np.float64)


def halves(x: Any) -> tuple[Any, Any]:
    """Return x as the sum of two numbers of 26 bits (Veltkamp)."""
    scaled = x * 134217729.0
    high = scaled - (scaled - x)
    return high, x - high


def fma(x: Any, y: Any, z: Any) -> Any:
    """Return x * y + z rounded once, of arrays of ordinary numbers."""
    if z.dtype == np.float32:
        x, y, z = (number.astype(np.float64) for number in (x, y, z))
        return to_odd(*two_sum(x * y, z)).astype(np.float32)
    (xh, xl), (yh, yl) = halves(x), halves(y)
    head = x * y
    tail = ((xh * yh - head) + xh * yl + xl * yh) + xl * yl
    sum_head, sum_tail = two_sum(z, tail)
    head, tail = two_sum(head, sum_head)
    return head + to_odd(*two_sum(sum_tail, tail))


def block_product(a: Any, b: Any) -> Any:
    """Return the product of at most BLOCK columns of a and rows of b: one chain an element."""
    total = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for k in range(a.shape[1]):
        total = fma(a[:, k : k + 1], b[k : k + 1], total)
    return total


def span_product(a: Any, b: Any) -> Any:
    """Return the product of at most SPAN columns of a: the sums of blocks, added in order."""
    total = block_product(a[:, :BLOCK], b[:BLOCK])
    for k in range(BLOCK, a.shape[1], BLOCK):
        total = total + block_product(a[:, k : k + BLOCK], b[k : k + BLOCK])
    return total


def span_products(a: Any, b: Any) -> Any:
    """Return the products of every SPAN columns of a and rows of b, whose sum a @ b is."""
    spans = range(0, max(a.shape[1], 1), SPAN)
    return np.stack([span_product(a[:, k : k + SPAN], b[k : k + SPAN]) for k in spans])


def product(a: Any, b: Any) -> Any:
    """Return a @ b of at most SPAN columns of a."""
    (only,) = span_products(a, b)
    return only


# ---- exact ---------------------------------------------------------------------------------------


def rounded(x: Fraction, digits: int, least: int, most: int) -> float:
    """Return a number with so many binary digits, none below 2**least, ties to even.

    From 2**most on it is infinity.
    """
    length = abs(x.numerator).bit_length() - x.denominator.bit_length()  # of x, or one less
    exponent = max(length - digits, least)
    if abs(x) >= Fraction(2) ** (exponent + digits):
        exponent += 1
    y = round(x / Fraction(2) ** exponent)
    size = math.inf if exponent + y.bit_length() > most else math.ldexp(abs(y), exponent)
    return -size if x < 0 else size


def exact_fma(x: float, y: float, z: float, *, single: bool = False) -> float:
    """Return x * y + z of finite numbers, rounded to float64 or float32 once."""
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    if exact == 0:  # -0 only where both are
        return x * y + z if x == 0.0 or y == 0.0 else 0.0
    return rounded(exact, 24, -149, 128) if single else rounded(exact, 53, -1074, 1024)


EDGES = [0.0, -0.0, 1.0, -1.0, 1.0 + 2.0**-52, 1.0 - 2.0**-53, 2.0**-1074, -(2.0**-1074), 3e-310,
         2.0**-1022, 2.0**-538, -(2.0**-537), 2.0**511, 1.7976931348623157e308, 0.1, -3.7e-162,
         1.0 + 2.0**-23, 1.0 - 2.0**-24, 2.0**-149, 2.0**-126, 3.4e38, 2.0**-75, 1e-20]  # fmt: skip


def hostile_triples(count: int, *, single: bool = False) -> Iterator[tuple[float, float, float]]:
    """Yield numbers x, y, z whose x * y + z is a tie, cancels, underflows or overflows."""
    rng = random.Random(5)
    kind = np.float32 if single else np.float64

    def number() -> float:
        if rng.random() < 0.3:
            return rng.choice(EDGES)
        x = rng.uniform(-2, 2) * 2.0 ** rng.choice(
            [0, 1, 30, -30, *([] if single else [-500, 500])]
        )
        return math.ldexp(round(math.ldexp(x, 12)), -12) if rng.random() < 0.2 else x

    while count:
        with np.errstate(all="ignore"):
            x, y = kind(number()), kind(number())
            tail = kind(2.0 ** -rng.randint(20, 110))
            z = rng.choice([kind(number()), -(x * y), -(x * y) / 2, np.nextafter(-(x * y), kind(0)),
                            x * y * tail])  # fmt: skip
        if all(map(np.isfinite, (x, y, z))):
            yield float(x), float(y), float(z)
            count -= 1
