"""Small data sets as Tensors, drawn from a generator; scikit-learn's digits where it is installed.

Each returns inputs and targets; points have shape (n, 2) and labels, int64, shape (n,). They are
made in float64 by one generator, number by number, and rounded to dtype.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..random import default_generator
from ..tensors.dtypes import float32, int64
from ..tensors.interchange import tensor
from .toys import (
    as_count,
    as_noise,
    circle_points,
    moon_points,
    quadrant_points,
    yinyang_points,
)

if TYPE_CHECKING:
    from ..tensors.tensor import Tensor

    Pair = tuple[Tensor, Tensor]

__all__ = [
    "blobs", "circles", "digits", "linear_regression", "moons", "quadrants", "spirals", "yinyang",
]  # fmt: skip


def chosen(generator: Any) -> Any:
    """Return the generator to draw from."""
    return default_generator() if generator is None else generator


def pair_of(points: Sequence[Any], dtype: Any) -> Pair:
    """Return points with labels as Tensors."""
    xs = tensor([x for point, _ in points for x in point], dtype=dtype).reshape(len(points), 2)
    return xs, tensor([label for _, label in points], dtype=int64)


def finished(points: list[Any], noise: float, generator: Any, dtype: Any) -> Pair:
    """Put points into random order, add noise to their coordinates, return them as Tensors."""
    generator.shuffle(points)
    noisy = [
        ([x + generator.normal(0.0, noise) for x in point] if noise else point, label)
        for point, label in points
    ]
    return pair_of(noisy, dtype)


def quadrants(n: int = 100, generator: Any = None, dtype: Any = float32) -> Pair:
    """Make LLM101n's three classes of the square from -2 to 2: the left half, two quadrants.

    Args:
        n: number of points; generator: by default the package's; dtype: of the points.
    """
    return pair_of(quadrant_points(chosen(generator), n), dtype)


def yinyang(
    n: int = 1000,
    r_small: float = 0.1,
    r_big: float = 0.5,
    generator: Any = None,
    dtype: Any = float32,
) -> Pair:
    """Make yin, yang and their dots, three classes, in the square from -2 to 2.

    Source: Kriener, Goltz and Petrovici 2022, arXiv:2102.08211.

    Args:
        n: number of points.
        r_small: radius of the two dots, above 0 and below half of r_big.
        r_big: radius of the whole.
        generator: by default the package's; dtype: of the points.
    """
    return pair_of(yinyang_points(chosen(generator), n, r_small, r_big), dtype)


def moons(n: int = 100, noise: float = 0.1, generator: Any = None, dtype: Any = float32) -> Pair:
    """Make two interleaving half circles, in random order.

    Args:
        n: number of points; half of them, rounded down, are of the upper moon, label 0.
        noise: standard deviation of what is added to each coordinate.
        generator: by default the package's; dtype: of the points.

    Example:
        >>> x, y = moons(6, noise=0.0)
        >>> x.shape, sorted(y.tolist())
        ((6, 2), [0, 0, 0, 1, 1, 1])
    """
    return pair_of(moon_points(chosen(generator), n, noise), dtype)


def circles(
    n: int = 100,
    noise: float = 0.05,
    factor: float = 0.5,
    generator: Any = None,
    dtype: Any = float32,
) -> Pair:
    """Make a circle of radius 1, label 0, and one of radius factor in it, label 1.

    Args:
        n: number of points; half of them, rounded down, are of the outer circle.
        noise: standard deviation of what is added to each coordinate.
        factor: from 0 to below 1.
        generator: by default the package's; dtype: of the points.
    """
    n, noise = as_count(n), as_noise(noise)
    if not 0.0 <= factor < 1.0:
        raise ValueError(f"factor is from 0 to below 1, not {factor!r}")
    points = []
    for label, count, radius in ((0, n // 2, 1.0), (1, n - n // 2, factor)):
        angles = [2.0 * math.pi * i / count for i in range(count)]
        points += [([radius * x, radius * y], label) for x, y in circle_points(angles)]
    return finished(points, noise, chosen(generator), dtype)


def spirals(
    n: int = 100,
    classes: int = 2,
    turns: float = 1.0,
    noise: float = 0.02,
    generator: Any = None,
    dtype: Any = float32,
) -> Pair:
    """Make spirals from the centre to radius 1, one a class.

    Args:
        n: number of points, in turn of one class and the next.
        classes: how many spirals.
        turns: how often each goes round.
        noise: standard deviation of what is added to each coordinate.
        generator: by default the package's; dtype: of the points.
    """
    n, noise, classes = as_count(n), as_noise(noise), at_least_one("classes", classes)
    labels = [i % classes for i in range(n)]
    radii = [(i // classes + 1) * classes / (n + classes - 1) for i in range(n)]
    angles = [2.0 * math.pi * (turns * r + c / classes) for r, c in zip(radii, labels, strict=True)]
    places = zip(radii, circle_points(angles), labels, strict=True)
    points = [([r * x, r * y], label) for r, (x, y), label in places]
    return finished(points, noise, chosen(generator), dtype)


def blobs(
    n: int = 100,
    centers: int | Sequence[Sequence[float]] = 3,
    std: float = 1.0,
    generator: Any = None,
    dtype: Any = float32,
) -> Pair:
    """Make normally distributed points around centers, one a class.

    Args:
        n: number of points, as equal shares as can be.
        centers: where they are; or how many, drawn from the square from -10 to 10.
        std: standard deviation of each coordinate.
        generator: by default the package's; dtype: of the points.
    """
    generator, n, std = chosen(generator), as_count(n), as_noise(std)
    if isinstance(centers, int):
        count = at_least_one("centers", centers)
        centers = [[generator.uniform(-10.0, 10.0) for _ in "xy"] for _ in range(count)]
    if not centers or any(len(center) != 2 for center in centers):
        raise ValueError("centers are points of two coordinates, one at least")
    points = [(list(map(float, centers[i % len(centers)])), i % len(centers)) for i in range(n)]
    return finished(points, std, generator, dtype)


def linear_regression(
    n: int = 100,
    weight: Sequence[float] = (4.0,),
    bias: float = 3.0,
    noise: float = 0.01,
    generator: Any = None,
    dtype: Any = float32,
) -> Pair:
    """Make inputs in [0, 1) and y = x @ weight + bias with noise added.

    Args:
        n: number of examples.
        weight: one number a feature; bias: what is added.
        noise: standard deviation of the noise of y.
        generator: by default the package's; dtype: of x and y.

    Returns:
        x of shape (n, features) and y of shape (n, 1).
    """
    generator, n, noise = chosen(generator), as_count(n), as_noise(noise)
    xs, ys = [], []
    for _ in range(n):
        row = [generator.random() for _ in weight]
        y = sum(w * x for w, x in zip(weight, row, strict=True)) + bias
        xs += row
        ys.append(y + generator.normal(0.0, noise))
    x = tensor(xs, dtype=dtype).reshape(n, len(weight))
    return x, tensor(ys, dtype=dtype).reshape(n, 1)


def digits(flat: bool = False, dtype: Any = float32) -> Pair:
    """Return scikit-learn's 1797 handwritten digits of 8 x 8 pixels from 0 to 1.

    Source: E. Alpaydin and C. Kaynak 1998, doi:10.24432/C50P49.

    Args:
        flat: images of shape (1797, 64) instead of (1797, 1, 8, 8).
        dtype: of the images.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ImportError as error:
        raise ImportError(
            "the digits come with scikit-learn, which is not installed: "
            f"pip install 'pymicrograd[examples]' ({error})"
        ) from None
    found = datasets.load_digits()
    images = tensor(found.data / 16.0, dtype=dtype)
    return images if flat else images.reshape(-1, 1, 8, 8), tensor(found.target, dtype=int64)


def at_least_one(name: str, number: Any) -> int:
    """Return a count of at least 1."""
    count = as_count(number)
    if count < 1:
        raise ValueError(f"{name} is at least 1, not {count}")
    return count
