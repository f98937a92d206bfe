"""Elements of images at places that a grid names, between pixels (arXiv:1506.02025).

A place is in each axis a number from -1 to 1; where these lie say `align_corners`: on the first and
last elements' centers, or on their outer edges.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import ArgumentError, ShapeError
from ...tensors.arguments import as_ints
from ...tensors.creation import linspace, ones
from ...tensors.dtypes import int64
from ...tensors.joining import cat
from ...tensors.ops import cast
from .arguments import tensor_of
from .resizing import KEYS, keys_far, keys_near
from .spatial import widened

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["affine_grid", "grid_sample"]

MODES = ("bilinear", "nearest", "bicubic")
PADDING_MODES = ("zeros", "border", "reflection")


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Return the grid of places that affine maps send those of an image to.

    Args:
        theta: (N, 2, 3) for images or (N, 3, 4) for volumes: of each a matrix and a shift, for
            (x, y, 1) or (x, y, z, 1).
        size: (N, C, H, W) or (N, C, D, H, W) of what is to be sampled.
        align_corners: what -1 and 1 are: the centers of the first and last elements, or, as by
            default, their edges.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3), for `grid_sample`.

    Raises:
        ShapeError: theta and size do not fit.
    """
    maps = tensor_of("affine_grid", theta, "theta")
    count, _, *sizes = shape = as_ints((size,), "affine_grid: size")
    s = len(sizes)
    if s not in (2, 3) or maps.shape != (count, s, s + 1) or min(shape) < 1:
        raise ShapeError(f"affine_grid: theta of shape {maps.shape} does not fit {tuple(shape)}")
    rows = [ones(*sizes, 1, dtype=maps.dtype)]
    for axis, n in enumerate(sizes):
        ends = (1.0 if align_corners else (n - 1) / n) if n > 1 else 0.0
        places = linspace(-ends, ends, n, dtype=maps.dtype)
        behind = (1,) * (s - 1 - axis)
        rows.insert(0, places.reshape(n, *behind, 1).expand(*sizes, 1))
    base = cat(rows, -1).reshape(1, math.prod(sizes), s + 1)
    return (base @ maps.mT).reshape(count, *sizes, s)


class Tap(NamedTuple):
    """One of the elements of an axis that a sample is made of.

    Attributes:
        at: where it is, int64; inside: whether that is in the axis; weight: its weight, or None.
    """

    at: Any
    inside: Any
    weight: Any


def tap(at: Any, size: int, weight: Any = None) -> Tap:
    """Return an element, with an index that there is."""
    outside = (at < 0) | (at > size - 1) | (at != at)  # NaN is nowhere
    return Tap(cast(at.where(~outside, 0.0), int64), ~outside, weight)


def clipped(place: Any, size: int) -> Any:
    """Return a place moved into the axis; there it has no gradient, nor at the first and last."""
    within = (place > 0) & (place < size - 1)
    return place.where(within, place.detach().clamp(0, size - 1))


def reflected(place: Any, size: int, aligned: bool) -> Any:
    """Return a place mirrored in both ends of the axis, as often as it takes."""
    low, reach = (0.0, float(size - 1)) if aligned else (-0.5, float(size))
    if reach == 0.0:
        return place * 0.0
    distance = (place - low).abs()
    turns = (distance.detach() / reach).floor()
    rest = distance - turns * reach
    return rest.where(turns % 2 == 0, reach - rest) + low


def bounded(place: Any, size: int, padding_mode: str, aligned: bool) -> Any:
    """Return a place as the padding mode moves it."""
    if padding_mode == "zeros":
        return place
    if padding_mode == "reflection":
        place = reflected(place, size, aligned)
    return clipped(place, size)


def taps_of(place: Any, size: int, mode: str, padding_mode: str, aligned: bool) -> list[Tap]:
    """Return what the samples at places of an axis are made of."""
    if mode != "bicubic":
        place = bounded(place, size, padding_mode, aligned)
    if mode == "nearest":
        return [tap(place.detach().round(), size)]
    low = place.detach().floor()
    share = place - low
    if mode == "bilinear":
        return [tap(low, size, 1.0 - share), tap(low + 1.0, size, share)]
    weights = [
        keys_far(share + 1.0, KEYS),
        keys_near(share, KEYS),
        keys_near(1.0 - share, KEYS),
        keys_far(2.0 - share, KEYS),
    ]
    return [
        tap(bounded(low + n, size, padding_mode, aligned).round(), size, weight)
        for n, weight in enumerate(weights, -1)
    ]


def check(x: Any, grid: Any, mode: str, padding_mode: str) -> None:
    """Refuse shapes and modes that do not go together."""
    for what, given, known in (
        ("mode", mode, MODES),
        ("padding_mode", padding_mode, PADDING_MODES),
    ):
        if given not in known:
            names = ", ".join(map(repr, known))
            raise ArgumentError(f"grid_sample: {what} {given!r} is none of {names}")
    s = x.ndim - 2
    if s not in (2, 3) or grid.ndim != x.ndim or grid.shape[0] != x.shape[0]:
        raise ShapeError(f"grid_sample: input {x.shape} and grid {grid.shape} do not fit")
    if grid.shape[-1] != s or 0 in x.shape[2:]:
        raise ShapeError(f"grid_sample: places of {grid.shape[-1]} numbers in an input {x.shape}")
    if mode == "bicubic" and s != 2:
        raise ArgumentError("grid_sample: mode 'bicubic' is for images")


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Return the elements of images at the places of a grid.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: (N, h, w, 2), places (x, y), or (N, d, h, w, 3), places (x, y, z).
        mode: what lies between elements: "bilinear", also of volumes, "nearest" or "bicubic".
        padding_mode: what lies outside: "zeros", "border" for the element at the edge, or
            "reflection" for those mirrored in it.
        align_corners: what -1 and 1 are, as in `affine_grid`.

    Returns:
        (N, C, h, w) or (N, C, d, h, w).

    Raises:
        ShapeError: input and grid do not fit; ValueError: a mode is unknown.
    """
    x, places = tensor_of("grid_sample", input), tensor_of("grid_sample", grid, "grid")
    check(x, places, mode, padding_mode)
    count, channels, *sizes = x.shape
    aligned, s = bool(align_corners), len(sizes)
    axes = []
    for axis, size in enumerate(sizes):
        place = widened(places).select(-1, s - 1 - axis).flatten(1).unsqueeze(1)
        scaled = (place + 1.0) * ((size - 1) / 2) if aligned else ((place + 1.0) * size - 1.0) / 2
        axes.append(taps_of(scaled, size, mode, padding_mode, aligned))
    elements = widened(x).reshape(count, channels, math.prod(sizes))
    found: Any = None
    for taps in itertools.product(*axes):
        part = weighted(elements, taps, sizes)
        found = part if found is None else found + part
    return cast(found.reshape(count, channels, *places.shape[1:-1]), x.dtype)


def weighted(elements: Any, taps: tuple[Tap, ...], sizes: list[int]) -> Any:
    """Return elements (N, C, ...) where taps meet, times all their weights."""
    index, inside, weight = 0, taps[0].inside, taps[0].weight
    for each, size in zip(taps, sizes, strict=True):
        index = index * size + each.at
    for each in taps[1:]:
        inside = inside & each.inside
        weight = weight if weight is None else weight * each.weight
    shape = (*elements.shape[:2], inside.shape[-1])
    seen = elements.gather(2, index.expand(shape)).where(inside, 0.0)  # type: ignore[attr-defined]
    return seen if weight is None else seen * weight
