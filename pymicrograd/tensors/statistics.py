"""Sums with gaps, counts, histograms, differences, running products, covariances.

Sums are those of the package's ops, so that their bits are the same on every machine.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ArgumentError, DTypeError, ShapeError
from .arguments import as_float, as_int, as_tuple, axis_of, one_of, own_axis
from .attributes import Attributes
from .conversion import as_tensor
from .derived import floats
from .dtypes import as_dtype, float32, float64, int64
from .explain import call_as, refuse_out
from .joining import cat
from .leaves import constant
from .operators import in_place
from .ops import TensorBase, cast

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["cumulative_trapezoid", "gradient", "histogramdd", "trapezoid", "trapz"]


class Histogram(NamedTuple):
    """What `histogram` returns."""

    hist: Any
    bin_edges: Any


def moments(name: str, x: Any, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
    """Return a spread, and the mean over the same axes."""
    axes = [named.get(key) for key in ("dim", "axis") if named.get(key) is not None]
    dim = args[0] if args else axes[0] if axes else None
    places = [named[key] for key in ("keepdim", "keepdims") if key in named]
    keep = args[2] if len(args) > 2 else any(places)
    spread = call_as(f"{name}_mean", getattr(x, name), *args, **named)
    return spread, x.mean(None if isinstance(dim, bool) else dim, keepdim=keep)


class StatisticsMethods(Attributes):
    """Methods that count, sum with gaps, and accumulate."""

    __slots__ = ()

    def var_mean(self: Any, *args: Any, **named: Any) -> tuple[Any, Any]:
        """Return (`var`, mean) over the same axes; the arguments are those of `var`."""
        return moments("var", self, args, named)

    def std_mean(self: Any, *args: Any, **named: Any) -> tuple[Any, Any]:
        """Return (`std`, mean) over the same axes; the arguments are those of `std`."""
        return moments("std", self, args, named)

    def nansum(
        self: Any,
        dim: Any = None,
        keepdim: Any = False,
        *,
        dtype: Any = None,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Tensor:
        """Return the sum over axes of the elements that are not NaN.

        Raises:
            TensorIndexError: an axis is out of range.
        """  # fmt: skip
        x = self if dtype is None else cast(self, as_dtype(dtype))
        if x.is_floating_point():
            x = x.masked_fill(x.detach().isnan(), 0.0)
        return call_as("nansum", x.sum, one_of(dim, axis), keepdim or keepdims, dtype=dtype)

    def nanmean(
        self: Any,
        dim: Any = None,
        keepdim: Any = False,
        *,
        dtype: Any = None,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Tensor:
        """Return the mean over axes of the elements that are not NaN; NaN where there are none.

        Raises:
            DTypeError: the elements are no floats.
            TensorIndexError: an axis is out of range.
        """  # fmt: skip
        x, dim, keep = self, one_of(dim, axis), keepdim or keepdims
        if dtype is not None:
            x = cast(self, as_dtype(dtype))
        if not x.is_floating_point():
            raise DTypeError(f"nanmean: is for floats, not {x.dtype.name}: cast with float()")
        known = x.detach().isnan().logical_not()
        count = call_as("nanmean", known.sum, dim, keep)
        return x.nansum(dim, keep) / cast(count, x.dtype)

    # ---- running

    def cumprod(self: Any, dim: Any = None, *, dtype: Any = None, axis: Any = None) -> Tensor:
        """Return y[i] = x[0] * ... * x[i] along an axis; the shape stays.

        Runs of 1, 2, 4 ... elements are multiplied with each other. Integers and bools are
        multiplied as int64; dtype casts before.

        Raises:
            TensorIndexError: the axis is out of range.
        """
        x = self if dtype is None else cast(self, as_dtype(dtype))
        x = x if x.is_floating_point() or dtype is not None else cast(x, int64)
        place = axis_of(one_of(dim, axis), self.ndim, "cumprod")
        if not x.ndim or x.shape[place] < 2:
            return x.clone()
        return cast(running(x, place, lambda a, b: a * b), x.dtype)

    def logcumsumexp(self: Any, dim: Any = None, *, axis: Any = None) -> Tensor:
        """Return y[i] = log(exp(x[0]) + ... + exp(x[i])) along an axis, without overflow.

        Raises:
            DTypeError: the elements are no floats.
            TensorIndexError: the axis is out of range.
        """
        if not self.is_floating_point():
            raise DTypeError(f"logcumsumexp: is for floats, not {self.dtype.name}")
        place = axis_of(one_of(dim, axis), self.ndim, "logcumsumexp")
        if not self.ndim or self.shape[place] < 2:
            return self.clone()
        return running(self, place, lambda a, b: a.logaddexp(b))

    def diff(
        self: Any,
        n: int = 1,
        dim: int = -1,
        prepend: Any = None,
        append: Any = None,
        *,
        axis: Any = None,
    ) -> Tensor:
        """Return x[i + 1] - x[i] along an axis, n times; of bools whether they differ.

        Args:
            prepend, append: tensors put before and after the elements along the axis.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: there are no axes, or what is put before or after does not fit.
        """  # fmt: skip
        if not self.ndim:
            raise ShapeError("diff: a tensor of shape () has no neighbours")
        place = own_axis(dim if axis is None else axis, self.ndim, "diff")
        n = as_int(n, "diff: n")
        if n < 0:
            raise ArgumentError(f"diff: n is 0 or more, not {n}")
        if not n:
            return self.clone()
        parts = [part for part in (prepend, self, append) if part is not None]
        x = call_as("diff", cat, parts, place) if len(parts) > 1 else self
        for _ in range(min(n, max(x.shape[place], 0))):
            rest = max(x.shape[place] - 1, 0)
            late = x.narrow(place, min(1, x.shape[place]), rest)
            early = x.narrow(place, 0, rest)
            x = late.ne(early) if x.dtype.kind == 0 else late - early
        return x

    # ---- counts

    def bincount(self: Any, weights: Any = None, minlength: int = 0) -> Tensor:
        """Return how often each of 0, 1, 2 ... occurs in a vector, or the sums of their weights.

        Raises:
            ShapeError: there is another number of axes than one, or of weights than elements.
            DTypeError: the elements are no integers.
            ValueError: an element, or minlength, is negative.
        """
        if self.ndim != 1 or self.dtype.kind != 1:
            raise ShapeError(
                f"bincount: a vector of integers is needed, not {self.dtype.name} of {self.shape}"
            )
        minlength = as_int(minlength, "bincount: minlength")
        if minlength < 0 or (self.numel() and bool(self.amin() < 0)):
            raise ArgumentError("bincount: elements and minlength are 0 or more")
        places = cast(self.detach(), int64)
        size = max(minlength, int(places.amax()) + 1 if places.numel() else 0)
        if weights is None:
            return constant((size,), 0, int64, "bincount").index_add(0, places, places * 0 + 1)
        values = as_tensor(weights).detach()
        if tuple(values.shape) != tuple(self.shape):
            raise ShapeError(f"bincount: weights of shape {values.shape} for shape {self.shape}")
        kind = values.dtype if values.dtype is float32 else float64
        kind = kind if places.numel() else int64
        return constant((size,), 0, kind, "bincount").index_add(0, places, cast(values, kind))

    def histc(self: Any, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:
        """Return how many elements lie in each of equal intervals, in the type of the elements.

        Args:
            min, max: the ends; where both are equal those of the elements. What lies outside, and
                NaN, is not counted.

        Raises:
            ValueError: bins is below 1, an end is not finite, or max below min.
        """
        if as_int(bins, "histc: bins") < 1:
            raise ArgumentError(f"histc: there is 1 bin at least, not {bins}")
        x = self.detach().reshape(-1)
        low, high = ends_of("histc", x, float(min), float(max))
        place = ((cast(x, float64) - low) * (bins / (high - low))).floor()
        inside = x.ge(low).logical_and(x.le(high))
        place = place.masked_select(inside).clamp(0, bins - 1).long()
        return cast(place.bincount(None, bins), self.dtype)

    def histogram(
        self: Any, bins: Any = 100, *, range: Any = None, weight: Any = None, density: bool = False
    ) -> Histogram:
        """Return how many elements lie in each interval, and the edges of these.

        Args:
            bins: how many intervals, or their edges, a vector in order. The last one has both ends.
            range: the ends (low, high); by default the smallest and largest element.
            weight: what each element counts, by default 1.
            density: divide by the whole and by the lengths, so that the integral is 1.

        Raises:
            DTypeError: the elements are no floats.
            ValueError: there is no interval, or the range is not in order.
        """
        if not self.is_floating_point():
            raise DTypeError(f"histogram: is for floats, not {self.dtype.name}")
        x = self.detach().reshape(-1)
        edges = edges_of("histogram", x, bins, range)
        values = None if weight is None else as_tensor(weight).detach().reshape(-1)
        counts = counted([x], [edges], values)
        if density:
            counts = counts / counts.sum() / edges.diff()
        return Histogram(counts, edges)

    # ---- covariances

    def cov(
        self: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None
    ) -> Tensor:
        """Return the covariances of variables, the rows of (variables, observations).

        Args:
            correction: what is subtracted from the number of observations.
            fweights: how often each observation comes, integers.
            aweights: how much each observation counts.

        Raises:
            ShapeError: there are more than two axes, or not as many weights as observations.
        """
        if self.ndim > 2:
            raise ShapeError(f"cov: two axes at most are needed, not shape {self.shape}")
        x = floats(self)
        x = x.reshape(1, -1) if x.ndim < 2 else x
        weights, total, taken = weights_of(x, fweights, aweights)
        if weights is None:
            apart = x - x.mean(1, keepdim=True)
            left = apart
        else:
            apart = x - (x * weights).sum(1, keepdim=True) / total
            left = apart * weights
        found = (left @ apart.mT) / cast(as_tensor(taken(correction)), x.dtype).clamp_min(0)
        return found.reshape(()) if x.shape[0] == 1 else found

    def corrcoef(self: Any) -> Tensor:
        """Return the correlations of variables, the rows of (variables, observations).

        Raises:
            ShapeError: there are more than two axes.
        """
        if self.ndim > 2:
            raise ShapeError(f"corrcoef: two axes at most are needed, not shape {self.shape}")
        found = self.cov()
        if not found.ndim:
            return found / found
        spread = found.diagonal().sqrt()
        scaled = found / spread.reshape(-1, 1) / spread.reshape(1, -1)
        return scaled.clamp(-1, 1)

    cumprod_ = in_place("cumprod")


def running(x: Any, axis: int, combine: Any) -> Any:
    """Return what all elements up to each one combine to: of runs twice as long in every turn."""
    count, length = x.shape[axis], 1
    while length < count:
        late, early = x.narrow(axis, length, count - length), x.narrow(axis, 0, count - length)
        x = cat([x.narrow(axis, 0, length), combine(late, early)], axis)
        length *= 2
    return x


def weights_of(x: Any, fweights: Any, aweights: Any) -> tuple[Any, Any, Any]:
    """Return the weights of observations, their sum, and what divides for a correction."""
    count = x.shape[1]
    for given in (fweights, aweights):
        if given is not None and tuple(given.shape) != (count,):
            raise ShapeError(f"cov: weights of shape {tuple(given.shape)} for {count} observations")
    if fweights is None and aweights is None:
        return None, count, lambda correction: float(count - correction)
    if fweights is not None and fweights.dtype.kind != 1:
        raise DTypeError(f"cov: fweights are integers, not {fweights.dtype.name}")
    parts = [cast(w, x.dtype) for w in (fweights, aweights) if w is not None]
    weights = parts[0] if len(parts) == 1 else parts[0] * parts[1]
    total = weights.sum()
    if aweights is None:
        return weights, total, lambda correction: total - correction
    share = (weights * cast(aweights, x.dtype)).sum() / total
    return weights, total, lambda correction: total - share * correction


def ends_of(name: str, x: Any, low: float, high: float) -> tuple[float, float]:
    """Return the ends of a range, those of the elements where both are equal."""
    if low == high and x.numel():
        low, high = float(x.amin()), float(x.amax())
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise ArgumentError(f"{name}: the range is finite and in order, not {low} to {high}")
    return low, high


def edges_of(name: str, x: Any, bins: Any, range: Any) -> Any:
    """Return the edges of intervals in the type of the elements."""
    from .creation import linspace

    if isinstance(bins, TensorBase):
        return bins.detach()
    count = as_int(bins, f"{name}: bins")
    if count < 1:
        raise ArgumentError(f"{name}: there is 1 bin at least, not {count}")
    if range is None:
        low, high = (float(x.amin()), float(x.amax())) if x.numel() else (0.0, 1.0)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ArgumentError(f"{name}: elements are finite, not from {low} to {high}")
    else:
        low, high = (as_float(end, f"{name}: range") for end in range)
        if low > high:
            raise ArgumentError(f"{name}: the range is in order, not {low} to {high}")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return linspace(low, high, count + 1, dtype=x.dtype)


def counted(columns: list[Any], edges: list[Any], weight: Any) -> Any:
    """Return the sums of weights of points in the cells of a grid."""
    from .sorting import searchsorted

    shape = tuple(len(edge) - 1 for edge in edges)
    kind = columns[0].dtype
    place, inside = None, None
    for x, edge, size in zip(columns, edges, shape, strict=True):
        at = searchsorted(edge, x, right=True) - 1
        at = at.where(x.ne(edge[-1]), as_tensor(size - 1))
        known = at.ge(0).logical_and(at.lt(size))
        place = at if place is None else place * size + at
        inside = known if inside is None else inside.logical_and(known)
    found = constant((math.prod(shape),), 0, kind, "histogram")
    chosen = place.masked_select(inside)  # type: ignore[union-attr]
    if weight is None:
        values = constant(chosen.shape, 1, kind, "histogram")
    else:
        values = cast(weight, kind).masked_select(inside)
    return found.index_add(0, chosen, values).reshape(shape)


@refuse_out
def histogramdd(
    input: Any, bins: Any, range: Any = None, weight: Any = None, density: bool = False
) -> tuple[Any, Any]:
    """Return how many points (n, axes) lie in each cell of a grid, and the edges along each axis.

    Args:
        bins: how many intervals, one for all axes or one each; or the edges of each axis.
        range: the ends, low and high of each axis one after the other.
        weight: what each point counts.
        density: divide by the whole and by the volumes of cells.

    Raises:
        ShapeError: the points are no rows.
    """
    x = as_tensor(input).detach()
    if x.ndim < 2:
        raise ShapeError(f"histogramdd: points are rows, not of shape {x.shape}")
    x = x.reshape(-1, x.shape[-1])
    columns = list(x.unbind(1))
    each = list(bins) if isinstance(bins, (list, tuple)) else [bins] * len(columns)
    edges = []
    for i, (column, count) in enumerate(zip(columns, each, strict=True)):
        ends = None if range is None else range[2 * i : 2 * i + 2]
        edges.append(edges_of("histogramdd", column, count, ends))
    values = None if weight is None else as_tensor(weight).detach().reshape(-1)
    counts = counted([column.contiguous() for column in columns], edges, values)
    if density:
        counts = counts / counts.sum()
        for i, edge in enumerate(edges):
            counts = counts / edge.diff().reshape(
                [-1 if k == i else 1 for k in counts_axes(counts)]
            )
    return counts, tuple(edges)


def counts_axes(x: Any) -> list[int]:
    """Return the axes of a tensor."""
    return [*(k for k, _ in enumerate(x.shape))]


# ---- differences and integrals ---------------------------------------------------------------


def gradient(
    input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Any, ...]:
    """Return estimates of the derivative along axes from neighbours, one tensor for each axis.

    Args:
        spacing: the distance of neighbours, one for all or one for each axis; or coordinates,
            a vector for each axis.
        edge_order: 1 or 2, the order of the estimate at the ends.

    Raises:
        TensorIndexError: an axis is out of range.
        ShapeError: an axis has not more elements than edge_order.
    """
    x = as_tensor(input)
    axes = (
        list(range(x.ndim))
        if dim is None
        else [axis_of(k, x.ndim, "gradient") for k in as_tuple(dim)]
    )
    if edge_order not in (1, 2):
        raise ArgumentError(f"gradient: edge_order is 1 or 2, not {edge_order}")
    spacing = 1 if spacing is None else spacing
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(axes)
    if len(steps) != len(axes):
        raise ArgumentError(f"gradient: {len(steps)} spacings for {len(axes)} axes")
    return tuple(
        slope_along(floats(x), axis, step, edge_order)
        for axis, step in zip(axes, steps, strict=True)
    )


def slope_along(x: Any, axis: int, step: Any, order: int) -> Any:
    """Return the slope along an axis: of second order inside, of the order given at the ends."""
    size = x.shape[axis]
    if size <= order:
        raise ShapeError(f"gradient: axis {axis} of size {size} has not more than {order} elements")
    x = x.movedim(axis, -1)
    if isinstance(step, TensorBase) and step.ndim:
        gaps = cast(step, x.dtype).diff()
    else:
        gaps = constant((size - 1,), float(step), x.dtype, "gradient")
    before, after = gaps[:-1], gaps[1:]
    low, mid, high = x[..., :-2], x[..., 1:-1], x[..., 2:]
    inside = (
        low * (after.neg() / (before * (before + after)))
        + mid * ((after - before) / (before * after))
        + high * (before / (after * (before + after)))
    )
    first, last = end_slope(x, gaps, order), end_slope(x.flip(-1), gaps.flip(0), order).neg()
    return cat([first.unsqueeze(-1), inside, last.unsqueeze(-1)], -1).movedim(-1, axis)


def end_slope(x: Any, gaps: Any, order: int) -> Any:
    """Return the slope at the first element."""
    if order == 1:
        return (x[..., 1] - x[..., 0]) / gaps[0]
    a, b = gaps[0], gaps[1]
    return (
        x[..., 0] * ((a + a + b).neg() / (a * (a + b)))
        + x[..., 1] * ((a + b) / (a * b))
        + x[..., 2] * (a.neg() / (b * (a + b)))
    )


def areas(name: str, y: Any, x: Any, dx: Any, dim: Any) -> tuple[Any, int]:
    """Return the areas below neighbours along an axis."""
    y = as_tensor(y)
    axis = axis_of(dim, y.ndim, name)
    if x is not None and dx is not None:
        raise TypeError(f"{name}: x and dx are not given both")
    count = y.shape[axis]
    rest = max(count - 1, 0)
    pairs = y.narrow(axis, min(1, count), rest) + y.narrow(axis, 0, rest)
    if x is None:
        return floats(pairs) * ((1.0 if dx is None else dx) / 2), axis
    x = as_tensor(x)
    if x.ndim == 1:
        gaps = x.diff().reshape([-1 if k == axis else 1 for k in range(y.ndim)])
    else:
        gaps = x.diff(1, axis - y.ndim)
    return floats(pairs) * floats(gaps) / 2, axis


def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """Return the integral along an axis by the trapezoidal rule.

    Args:
        x: the coordinates; by default neighbours lie dx apart, by default 1.

    Raises:
        TensorIndexError: the axis is out of range.
    """
    found, axis = areas("trapezoid", y, x, dx, dim)
    return found.sum(axis if x is None or found.ndim == as_tensor(y).ndim else dim)


def trapz(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """Return `trapezoid`."""
    return call_as("trapz", trapezoid, y, x, dx=dx, dim=dim)


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """Return the integrals from the first element to each further one, as `trapezoid`.

    Raises:
        TensorIndexError: the axis is out of range.
    """
    found, axis = areas("cumulative_trapezoid", y, x, dx, dim)
    return found.cumsum(axis)
