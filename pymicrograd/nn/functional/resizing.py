"""Inputs at another resolution: along each axis, elements are sums of a few weighted ones.

Where an element lies in the axis before is computed in float64; PyTorch does it in the input's
type, and can so find another neighbour in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import ArgumentError, DTypeError, ShapeError
from ...tensors.arguments import as_ints
from ...tensors.dtypes import float32, int64, uint8
from ...tensors.interchange import tensor
from ...tensors.ops import cast
from .adaptive import adaptive_avg
from .arguments import tensor_of
from .spatial import widened

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]


KEYS = -0.75  # the parameter of the kernel in PyTorch, but for antialias


class Axis(NamedTuple):
    """How an axis is resized.

    Attributes:
        before, after: how many elements there are.
        step: the distance of two elements after, measured in those before.
        aligned: whether the first and the last lie on the first and last, else edges on edges.
    """

    before: int
    after: int
    step: float
    aligned: bool

    def place(self, i: int) -> float:
        """Return where element i lies."""
        return i * self.step if self.aligned else (i + 0.5) * self.step - 0.5


Taps = list[tuple[int, float]]  # indices before and their weights


def nearest(axis: Axis, i: int) -> Taps:
    return [(min(int(i * axis.step), axis.before - 1), 1.0)]


def nearest_exact(axis: Axis, i: int) -> Taps:
    return [(min(int((i + 0.5) * axis.step), axis.before - 1), 1.0)]


def linear(axis: Axis, i: int) -> Taps:
    place = max(axis.place(i), 0.0)
    low = min(int(place), axis.before - 1)
    share = min(place - low, 1.0)
    return [(low, 1.0 - share), (min(low + 1, axis.before - 1), share)]


def keys_near(x: Any, a: float) -> Any:
    """Return a cubic convolution kernel (Keys 1981, doi:10.1109/TASSP.1981.1163711), x 0 to 1."""
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0


def keys_far(x: Any, a: float) -> Any:
    """Return the same kernel for x from 1 to 2."""
    return ((x - 5.0) * x + 8.0) * x * a - 4.0 * a


def keys(distance: float, a: float) -> float:
    """Return the same kernel, which is 0 beyond 2 to both sides."""
    x = abs(distance)
    found: float = keys_near(x, a) if x <= 1.0 else keys_far(x, a) if x < 2.0 else 0.0
    return found


def cubic(axis: Axis, i: int) -> Taps:
    place = axis.place(i)
    low, last = math.floor(place), axis.before - 1
    return [(min(max(n, 0), last), keys(place - n, KEYS)) for n in range(low - 1, low + 3)]


def tent(distance: float) -> float:
    """Return the kernel of linear interpolation."""
    return max(1.0 - abs(distance), 0.0)


def smooth(axis: Axis, i: int, kernel: Callable[[float], float], reach: int) -> Taps:
    """Return all elements under a kernel that is stretched where there are fewer elements after."""
    stretch = max(axis.step, 1.0)
    center = (i + 0.5) * axis.step
    first = max(int(center - reach * stretch + 0.5), 0)
    end = min(int(center + reach * stretch + 0.5), axis.before)
    weights = [kernel((n + 0.5 - center) / stretch) for n in range(first, end)]
    total = sum(weights) or 1.0
    return [(first + j, weight / total) for j, weight in enumerate(weights)]


def smooth_linear(axis: Axis, i: int) -> Taps:
    return smooth(axis, i, tent, 1)


def smooth_cubic(axis: Axis, i: int) -> Taps:
    return smooth(axis, i, lambda x: keys(x, -0.5), 2)


# for each mode the number of axes, or 0 for any, and what elements are made of
MODES: dict[str, tuple[int, Callable[[Axis, int], Taps] | None]] = {
    "nearest": (0, nearest),
    "nearest-exact": (0, nearest_exact),
    "area": (0, None),
    "linear": (1, linear),
    "bilinear": (2, linear),
    "trilinear": (3, linear),
    "bicubic": (2, cubic),
}
SMOOTH = {"bilinear": smooth_linear, "bicubic": smooth_cubic}


def resize(x: Any, dim: int, axis: Axis, taps_of: Callable[[Axis, int], Taps]) -> Any:
    """Return a tensor resized along one axis."""
    rows = [taps_of(axis, i) for i in range(axis.after)]
    longest = max(map(len, rows), default=1)
    rows = [row + [(row[-1][0], 0.0)] * (longest - len(row)) for row in rows]
    behind = (1,) * (x.ndim - 1 - dim)
    found: Any = None
    for taps in zip(*rows, strict=True):
        indices, weights = zip(*taps, strict=True)
        seen = x.index_select(dim, tensor(indices, dtype=int64))
        if longest > 1:
            factors = tensor(weights, dtype=x.dtype).reshape(-1, *behind)
            seen = seen * factors
            if 0.0 in weights:  # what has no weight may be infinite
                seen = seen.where(factors != 0.0, 0.0)
        found = seen if found is None else found + seen
    return found


def resized(x: Any, axes: list[Axis], taps_of: Callable[[Axis, int], Taps]) -> Any:
    """Return a tensor (N, C, d...) resized along all axes, the last one first."""
    for dim in range(x.ndim - 1, 1, -1):
        x = resize(x, dim, axes[dim - 2], taps_of)
    return x


def target(x: Any, size: Any, scale_factor: Any) -> tuple[list[int], list[float]]:
    """Return the sizes after, and by what factors they were asked for, if they were."""
    before = x.shape[2:]
    if (size is None) == (scale_factor is None):
        raise ArgumentError("interpolate: one of size and scale_factor is needed")
    if size is not None:
        sizes = as_ints((size,), "interpolate: size")
        sizes = sizes * len(before) if not isinstance(size, (tuple, list)) else sizes
        if len(sizes) != len(before):
            raise ArgumentError(f"interpolate: size {size} for spatial sizes {before}")
        return sizes, []
    listed = isinstance(scale_factor, (tuple, list))
    factors = [float(f) for f in (scale_factor if listed else (scale_factor,) * len(before))]
    if len(factors) != len(before):
        raise ArgumentError(f"interpolate: scale_factor {scale_factor} for spatial sizes {before}")
    return [int(n * f) for n, f in zip(before, factors, strict=True)], factors


def exact_ratios(x: Any, mode: str, antialias: bool) -> tuple[int, ...]:
    """Return at which ratios of sizes PyTorch goes by these, whatever the factors say."""
    if mode == "nearest" and x.ndim == 4:
        return 1, 2
    return (1,) if antialias or mode in ("linear", "bilinear", "trilinear") else ()


def steps(
    x: Any, sizes: list[int], factors: list[float], aligned: bool, exact: tuple[int, ...]
) -> list[Axis]:
    """Return how each axis is resized."""
    made = []
    for i, (size, count) in enumerate(zip(x.shape[2:], sizes, strict=True)):
        if size < 1 or count < 1:
            raise ShapeError(f"interpolate: sizes {x.shape[2:]} cannot become {tuple(sizes)}")
        if aligned:
            step = (size - 1) / (count - 1) if count > 1 else 0.0
        elif factors and factors[i] > 0.0 and count not in [size * ratio for ratio in exact]:
            step = 1.0 / factors[i]
        else:
            step = size / count
        made.append(Axis(size, count, step, aligned))
    return made


def check_mode(x: Any, mode: str, align_corners: Any, antialias: bool) -> None:
    """Refuse a mode that there is not, or not for so many axes, or not with these options."""
    if mode not in MODES:
        names = ", ".join(map(repr, MODES))
        raise NotImplementedError(f"interpolate: mode {mode!r} is none of {names}")
    axes, _ = MODES[mode]
    if axes == 0 and align_corners is not None:
        raise ArgumentError(f"interpolate: align_corners is no option of mode {mode!r}")
    if antialias and mode not in SMOOTH:
        raise ArgumentError("interpolate: antialias is for modes 'bilinear' and 'bicubic'")
    if x.ndim - 2 not in ((1, 2, 3) if axes == 0 else (axes,)):
        raise NotImplementedError(
            f"interpolate: mode {mode!r} is for {axes or '1 to 3'} axes behind (N, C), not for "
            f"shape {x.shape}"
        )


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Return an input with more or fewer elements along its axes in space.

    Args:
        input: (N, C, d...), with 1 to 3 axes d.
        size: their sizes, or one for all; or scale_factor: by what they are multiplied, cut to
            ints.
        mode: "nearest" (of the elements that are not behind), "nearest-exact" (by the centers),
            "area" (the mean of what is covered), "linear", "bilinear", "trilinear", by the number
            of axes, or "bicubic".
        align_corners: let the centers of the first and last elements stay where they are, not
            their edges.
        recompute_scale_factor: compute the factors from the sizes, which are ints.
        antialias: of "bilinear" and "bicubic": weigh all elements that are covered.

    Raises:
        ValueError: options do not go together.
        NotImplementedError: the mode is unknown, or not for so many axes.
        ShapeError: a size is 0.
        DTypeError: elements between integers are asked for; of uint8 they are rounded.
    """
    x = tensor_of("interpolate", input)
    if x.ndim not in (3, 4, 5):
        raise NotImplementedError(f"interpolate: an input is (N, C, d...), not {x.shape}")
    check_mode(x, mode, align_corners, antialias)
    if recompute_scale_factor and size is not None:
        raise ArgumentError("interpolate: recompute_scale_factor goes with scale_factor")
    sizes, factors = target(x, size, scale_factor)
    if recompute_scale_factor or mode == "area":
        factors = []
    _, taps_of = MODES[mode]
    if taps_of is None:
        return adaptive_avg("interpolate", x.ndim - 2, x, sizes)
    if antialias:
        taps_of = SMOOTH[mode]
    axes = steps(x, sizes, factors, bool(align_corners), exact_ratios(x, mode, antialias))
    if taps_of in (nearest, nearest_exact):
        return resized(x, axes, taps_of)  # type: ignore[no-any-return]
    if x.dtype is uint8:
        found = resized(cast(x, float32), axes, taps_of)
        return cast(found.round().clamp(0.0, 255.0), uint8)
    if not x.dtype.is_floating_point:
        raise DTypeError(f"interpolate: mode {mode!r} is of floats and uint8, not {x.dtype.name}")
    return cast(resized(widened(x), axes, taps_of), x.dtype)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Return what `interpolate`, its newer name, returns."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Return what `interpolate` returns for mode "nearest"."""
    return interpolate(input, size, scale_factor)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Return what `interpolate` returns for mode "bilinear" with align_corners."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)
