"""Data sets small enough for scalars, in pure Python, drawn from any generator.

`random` is an RNG, of either engine, or anything with its methods `random`, `uniform` and
`normal`. The same state gives the same points; functions of NumPy are not used.
"""

from __future__ import annotations

import math
import operator
from typing import Any, TypeVar

from .. import _core
from ..arithmetic import get_math

__all__ = [
    "circle_points", "gen_data", "gen_data_linear", "gen_data_moons", "gen_data_yinyang",
    "moon_points", "quadrant_points", "split", "yinyang_points",
]  # fmt: skip

T = TypeVar("T")
Split = tuple[list[T], list[T], list[T]]


def split(tensor: Any, split_size_or_sections: Any = None, dim: int = 0) -> Any:
    """Cut a Tensor into parts along an axis, as PyTorch does; or a list of points in three.

    Args:
        tensor: a Tensor; or points, which are cut, in their order, into lists of 80 % to train,
            10 % to validate and 10 % to test.
        split_size_or_sections: of a Tensor: the parts' length, or their lengths.
        dim: of a Tensor: the axis.

    Raises:
        TypeError: of a Tensor: no length is given; of points: one is.

    Example:
        >>> [list(part) for part in split(range(10))]
        [[0, 1, 2, 3, 4, 5, 6, 7], [8], [9]]
    """
    if isinstance(tensor, _core.TensorBase):
        if split_size_or_sections is None:
            raise TypeError(
                "split: the length of the parts of a Tensor is missing: split(tensor, "
                "split_size_or_sections); data.random_split() cuts a data set"
            )
        return tensor.split(split_size_or_sections, dim)  # type: ignore[attr-defined]
    if split_size_or_sections is not None:
        raise TypeError(
            f"split: a Tensor is cut into parts of a length, not {type(tensor).__name__}"
        )
    n = len(tensor)
    first, second = int(0.8 * n), int(0.9 * n)
    return list(tensor[:first]), list(tensor[first:second]), list(tensor[second:])


def gen_data(random: Any, n: int = 100) -> Split[tuple[list[float], int]]:
    """Make LLM101n's three classes of the square from -2 to 2: the left half, two quadrants.

    Args:
        random: the generator.
        n: number of points.

    Returns:
        Three lists of `([x, y], label)`: train, val, test.
    """
    found: Any = split(quadrant_points(random, n))
    return found  # type: ignore[no-any-return]


def quadrant_points(random: Any, n: int) -> list[tuple[list[float], int]]:
    """Make what `gen_data` splits."""
    points = []
    for _ in range(as_count(n)):
        x = random.uniform(-2.0, 2.0)
        y = random.uniform(-2.0, 2.0)
        label = 0 if x < 0 else 1 if y < 0 else 2
        points.append(([x, y], label))
    return points


def gen_data_yinyang(
    random: Any, n: int = 1000, r_small: float = 0.1, r_big: float = 0.5
) -> Split[list[Any]]:
    """Make LLM101n's yin, yang and their dots, in turn, scaled to the square from -2 to 2.

    Source: Kriener, Goltz and Petrovici 2022, arXiv:2102.08211.

    Args:
        random: the generator.
        n: number of points.
        r_small: radius of the two dots, above 0 and below half of r_big.
        r_big: radius of the whole.

    Returns:
        Three lists of `[[x, y], label]`: train, val, test.
    """
    found: Any = split(yinyang_points(random, n, r_small, r_big))
    return found  # type: ignore[no-any-return]


def yinyang_points(random: Any, n: int, r_small: float, r_big: float) -> list[list[Any]]:
    """Make what `gen_data_yinyang` splits."""
    if not 0.0 < r_small < 0.5 * r_big < math.inf:
        raise ValueError(f"0 < r_small < r_big / 2 needed, not {r_small!r} and {r_big!r}")
    points = []
    for i in range(as_count(n)):
        label = -1
        while label != i % 3:
            x = random.uniform(0, 2 * r_big)
            y = random.uniform(0, 2 * r_big)
            label = yinyang_class(x, y, r_small, r_big)
        points.append([[(x / r_big - 1) * 2, (y / r_big - 1) * 2], label])
    return points


def yinyang_class(x: float, y: float, r_small: float, r_big: float) -> int:
    """Return 0 in yin, 1 in yang, 2 in a dot, -1 outside of the circle."""
    if ((x - r_big) ** 2 + (y - r_big) ** 2) ** 0.5 > r_big:
        return -1
    to_right_dot = ((x - 1.5 * r_big) ** 2 + (y - r_big) ** 2) ** 0.5
    to_left_dot = ((x - 0.5 * r_big) ** 2 + (y - r_big) ** 2) ** 0.5
    if to_right_dot < r_small or to_left_dot < r_small:
        return 2
    is_yin = (
        to_right_dot <= r_small
        or r_small < to_left_dot <= 0.5 * r_big
        or (y > r_big and to_right_dot > 0.5 * r_big)
    )
    return 0 if is_yin else 1


def gen_data_moons(random: Any, n: int = 100, noise: float = 0.1) -> Split[tuple[list[float], int]]:
    """Make two interleaving half circles, the geometry of scikit-learn's make_moons, shuffled.

    Args:
        random: the generator.
        n: number of points; half of them, rounded down, are of the upper moon, label 0.
        noise: standard deviation of what is added to each coordinate.

    Returns:
        Three lists of `([x, y], label)`: train, val, test.
    """
    found: Any = split(moon_points(random, n, noise))
    return found  # type: ignore[no-any-return]


def moon_points(random: Any, n: int, noise: float) -> list[tuple[list[float], int]]:
    """Make what `gen_data_moons` splits."""
    n, noise = as_count(n), as_noise(noise)
    upper = n // 2
    points = [([x, y], 0) for x, y in half_circle(upper)]
    points += [([1.0 - x, 0.5 - y], 1) for x, y in half_circle(n - upper)]
    for i in range(n - 1, 0, -1):
        j = int(random.random() * (i + 1))
        points[i], points[j] = points[j], points[i]
    for point, _ in points:
        point[0] += random.normal(0.0, noise)
        point[1] += random.normal(0.0, noise)
    return points


def half_circle(n: int) -> list[tuple[float, float]]:
    """Return n points of the upper half circle of radius 1, at equal distances."""
    return circle_points([math.pi * i / max(n - 1, 1) for i in range(n)])


def circle_points(angles: list[float]) -> list[tuple[float, float]]:
    """Return the points of the circle of radius 1 at angles.

    Their cosines and sines are the C library's or, in portable math, those of Tensors.
    """
    if get_math() == "library":
        return [(math.cos(t), math.sin(t)) for t in angles]
    from ..tensors.dtypes import float64
    from ..tensors.interchange import tensor

    found = tensor(angles, dtype=float64)
    return list(zip(found.cos().tolist(), found.sin().tolist(), strict=True))


def gen_data_linear(random: Any, n: int = 10, noise: float = 0.01) -> list[tuple[float, float]]:
    """Make points of the line y = 4 x + 3, x in [0, 1), with noise added to y.

    Args:
        random: the generator.
        n: number of points.
        noise: standard deviation of what is added.

    Returns:
        A list of `(x, y)`.
    """
    n, noise = as_count(n), as_noise(noise)
    points = []
    for _ in range(n):
        x = random.random()
        points.append((x, 4.0 * x + 3.0 + random.normal(0.0, noise)))
    return points


def as_count(n: Any) -> int:
    """Return a number of points as an int of at least 0."""
    if isinstance(n, bool) or not hasattr(type(n), "__index__"):
        raise TypeError(f"n is an int, not {type(n).__name__}")
    count: int = operator.index(n)
    if count < 0:
        raise ValueError(f"n is at least 0, not {count}")
    return count


def as_noise(noise: Any) -> float:
    """Return a standard deviation as a float of at least 0."""
    if isinstance(noise, (str, bytes)) or not hasattr(type(noise), "__float__"):
        raise TypeError(f"noise is a number, not {type(noise).__name__}")
    if not 0.0 <= float(noise) < math.inf:
        raise ValueError(f"noise is at least 0 and finite, not {noise!r}")
    return float(noise)
