"""Tensors put together, cut up and turned: stacks, grids, blocks, windows along an axis."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from .._core import unrecorded
from ..errors import ArgumentError, DTypeError, ShapeError
from .arguments import (
    as_int,
    as_ints,
    as_shape,
    as_tuple,
    axes_of,
    axis_of,
    given_as,
    operand_as,
    own_axis,
)
from .attributes import Attributes
from .conversion import as_tensor
from .creation import check_hints
from .derived import spread_over
from .dtypes import as_dtype, bool_, int64
from .explain import call_as, refuse_out
from .indexing import common_shape
from .joining import as_parts, cat, stack
from .leaves import blank, constant, ramp
from .ops import cast
from .padding import pad
from .promotion import of_one_type
from .sorting import array_of, of_array

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes",
    "broadcast_tensors", "cartesian_prod", "column_stack", "combinations", "concat", "concatenate",
    "constant_pad_nd", "dstack", "hstack", "imag", "meshgrid", "real", "row_stack", "tril_indices",
    "triu_indices", "unravel_index", "vander", "vstack",
]  # fmt: skip


# ---- broadcasting ----------------------------------------------------------------------------


def several(tensors: tuple[Any, ...]) -> list[Any]:
    """Return tensors given one by one, or as one sequence."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    return [as_tensor(x) for x in tensors]


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Return views of tensors, each expanded to their common shape.

    Raises:
        ShapeError: there is none.
    """
    found = several(tensors)
    return call_as("broadcast_tensors", spread_over, *found) if found else ()


def broadcast_shapes(*shapes: Any) -> Any:
    """Return the shape that tensors of these shapes are broadcast to; a shape may be an int.

    Raises:
        ShapeError: there is none.
    """
    from .sizes import Size

    read = [tuple(as_ints((shape,), "broadcast_shapes")) for shape in shapes]
    if any(size < 0 for shape in read for size in shape):
        raise ShapeError(f"broadcast_shapes: sizes are not negative, as in {read}")
    return Size(call_as("broadcast_shapes", common_shape, read) if read else ())


def at_least(count: int, tensors: tuple[Any, ...]) -> Any:
    """Return tensors with one, two or three axes at least; one alone as it is."""
    many = len(tensors) != 1 or isinstance(tensors[0], (list, tuple))
    found = tuple(with_axes(x, count) for x in several(tensors))
    return found if many else found[0]


def with_axes(x: Any, count: int) -> Any:
    """Return x as (n,), (1, n) or (1, n, 1) where it has fewer axes."""
    if x.ndim >= count:
        return x
    if count == 3 and x.ndim == 2:
        return x.unsqueeze(-1)
    length = x.numel()
    return x.reshape(((length,), (1, length), (1, length, 1))[count - 1])


def atleast_1d(*tensors: Any) -> Any:
    """Return a tensor, or each of several, with one axis at least: () becomes (1,)."""
    return at_least(1, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Return a tensor, or each of several, with two axes at least: (n,) becomes (1, n)."""
    return at_least(2, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Return a tensor, or each of several, with three axes at least: (m, n) becomes (m, n, 1)."""
    return at_least(3, tensors)


# ---- joined ----------------------------------------------------------------------------------


@refuse_out
def concat(tensors: Any, dim: Any = 0, *, axis: Any = None) -> Tensor:
    """Return tensors one after the other along an axis, as `cat`."""
    return call_as("concat", cat, tensors, dim, axis=axis)


@refuse_out
def concatenate(tensors: Any, dim: Any = 0, *, axis: Any = None) -> Tensor:
    """Return tensors one after the other along an axis, as `cat`."""
    return call_as("concatenate", cat, tensors, dim, axis=axis)


@refuse_out
def hstack(tensors: Any) -> Tensor:
    """Return tensors next to each other: along axis 1, vectors along axis 0.

    Raises:
        ShapeError: the shapes do not fit.
    """
    parts = [with_axes(x, 1) for x in as_parts(tensors, "hstack")]
    return call_as("hstack", cat, parts, 0 if parts and parts[0].ndim == 1 else 1)


@refuse_out
def vstack(tensors: Any) -> Tensor:
    """Return tensors one below the other, along axis 0; vectors are rows.

    Raises:
        ShapeError: the shapes do not fit.
    """
    return call_as("vstack", cat, [with_axes(x, 2) for x in as_parts(tensors, "vstack")], 0)


@refuse_out
def row_stack(tensors: Any) -> Tensor:
    """Return tensors one below the other, as `vstack`."""
    return call_as("row_stack", vstack, tensors)


@refuse_out
def dstack(tensors: Any) -> Tensor:
    """Return tensors behind each other, along axis 2; (m, n) are (m, n, 1).

    Raises:
        ShapeError: the shapes do not fit.
    """
    return call_as("dstack", cat, [with_axes(x, 3) for x in as_parts(tensors, "dstack")], 2)


@refuse_out
def column_stack(tensors: Any) -> Tensor:
    """Return tensors next to each other along axis 1; vectors are columns.

    Raises:
        ShapeError: the shapes do not fit.
    """
    parts = as_parts(tensors, "column_stack")
    parts = [x.reshape(-1, 1) if x.ndim < 2 else x for x in parts]
    return call_as("column_stack", cat, parts, 1)


def block_diag(*tensors: Any) -> Tensor:
    """Return a matrix of zeros with matrices along its diagonal; vectors are rows.

    Raises:
        ShapeError: one has more than two axes.
    """
    parts = list(of_one_type([with_axes(as_tensor(x), 2) for x in tensors]))
    for x in parts:
        if x.ndim > 2:
            raise ShapeError(f"block_diag: shape {x.shape} is no matrix's")
    if not parts:
        return blank((1, 0), as_dtype("float32"), "block_diag")
    width, before, rows = sum(x.shape[1] for x in parts), 0, []
    for x in parts:
        after = width - before - x.shape[1]
        rows.append(pad(x, (before, after), "constant", 0))
        before += x.shape[1]
    return cat(rows, 0)


@refuse_out
def constant_pad_nd(input: Any, pad: Any, value: Any = 0) -> Tensor:
    """Return the tensor with a number around it, as `pad` in its mode "constant"."""
    return call_as("constant_pad_nd", as_tensor(input).pad, pad, "constant", value)


def vander(x: Any, N: Any = None, increasing: bool = False) -> Tensor:
    """Return the powers of a vector (n,) as columns: (n, N), by default N = n, the highest first.

    Raises:
        ShapeError: it is no vector.
        ValueError: N is negative.
    """
    x = as_tensor(x)
    if x.ndim != 1:
        raise ShapeError(f"vander: a vector is needed, not shape {x.shape}")
    count = x.shape[0] if N is None else as_int(N, "vander: N")
    if count < 0:
        raise ArgumentError(f"vander: N is 0 or more, not {count}")
    columns = [cast(x * 0 + 1, x.dtype), *[x] * (count - 1)][:count]
    if not columns:
        return x.reshape(-1, 1)[:, :0]
    found = stack(columns, 1).cumprod(1)
    return found if increasing else found.flip(1)


def real(input: Any) -> Tensor:
    """Return the tensor itself: there are no complex numbers."""
    return as_tensor(input)


def imag(input: Any) -> Tensor:
    """Refuse, as PyTorch does of real numbers.

    Raises:
        DTypeError: always.
    """
    raise DTypeError(f"imag: {as_tensor(input).dtype.name} has no imaginary part")


# ---- grids -----------------------------------------------------------------------------------


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """Return for vectors (m,), (n,) ... their elements over the whole grid (m, n, ...): views.

    Args:
        indexing: "ij" for this; "xy" swaps the first two axes, as for pictures.

    Raises:
        ShapeError: one has more than one axis.
        ValueError: indexing is another.
    """
    found = several(tensors)
    if indexing not in ("ij", "xy"):
        raise ArgumentError(f"meshgrid: indexing is 'ij' or 'xy', not {indexing!r}")
    if not found:
        raise ArgumentError("meshgrid: there are no tensors")
    for x in found:
        if x.ndim > 1:
            raise ShapeError(f"meshgrid: vectors are needed, not shape {x.shape}")
    rank = len(found)
    rows = [x.reshape([-1 if i == k else 1 for k in range(rank)]) for i, x in enumerate(found)]
    made = spread_over(*rows)
    swap = indexing == "xy" and rank > 1
    return tuple(x.transpose(0, 1) for x in made) if swap else made


def cartesian_prod(*tensors: Any) -> Tensor:
    """Return all ways to take one element of each vector: (m * n * ..., vectors).

    Raises:
        ShapeError: one is no vector.
    """
    found = several(tensors)
    for x in found:
        if x.ndim != 1:
            raise ShapeError(f"cartesian_prod: vectors are needed, not shape {x.shape}")
    if len(found) == 1:
        return found[0]
    return stack([x.reshape(-1) for x in meshgrid(*found)], 1)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return all ways to choose r elements of a vector, in its order: (ways, r).

    Args:
        with_replacement: whether an element may come again.

    Raises:
        ShapeError: it is no vector.
        ValueError: r is below 0.
    """
    x = as_tensor(input)
    r = as_int(r, "combinations: r")
    if x.ndim != 1:
        raise ShapeError(f"combinations: a vector is needed, not shape {x.shape}")
    if r < 0:
        raise ArgumentError(f"combinations: r is 0 or more, not {r}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    ways = list(choose(range(len(x)), r))
    if not r or not ways:
        return x[:0].reshape((0,) if not r else (0, r))
    return x[as_tensor(ways)]


def triangle(name: str, row: Any, col: Any, below: Any, offset: Any, kind: Any) -> Tensor:
    """Return the rows and columns of a triangle's elements: (2, count)."""
    row, col = as_int(row, f"{name}: row"), as_int(col, f"{name}: col")
    if row < 0 or col < 0:
        raise ArgumentError(f"{name}: sizes are not negative, not {row} and {col}")
    with unrecorded():  # it depends on no elements of a caller's
        whole = constant((row, col), True, bool_, name)
        found = whole.tril(offset) if below else whole.triu(offset)
        return cast(found.nonzero().t(), as_dtype(kind)).contiguous()


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = int64, device: Any = None, **hints: Any
) -> Tensor:
    """Return the indices (2, count) of a matrix's elements on and below a diagonal, by rows."""
    check_hints(hints)
    return triangle("tril_indices", row, col, True, offset, dtype)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = int64, device: Any = None, **hints: Any
) -> Tensor:
    """Return the indices (2, count) of a matrix's elements on and above a diagonal, by rows."""
    check_hints(hints)
    return triangle("triu_indices", row, col, False, offset, dtype)


def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Return the indices, int64, along each axis of elements numbered in row-major order.

    Raises:
        DTypeError: the numbers are no integers.
        TensorIndexError: a number is outside the shape.
    """
    from ..errors import TensorIndexError

    given, sizes = as_tensor(indices), as_ints((shape,), "unravel_index")
    if given.dtype.kind != 1:
        raise DTypeError(f"unravel_index: indices are integers, not {given.dtype.name}")
    x: Any = cast(given, int64)
    count = math.prod(sizes)
    if x.numel() and not bool((x.ge(-count).logical_and(x.lt(count))).all()):
        raise TensorIndexError(f"unravel_index: an index is outside shape {tuple(sizes)}")
    x, found = x.remainder(max(count, 1)), []
    for size in reversed(sizes):
        found.append(x.remainder(max(size, 1)))
        x = x.floor_divide(max(size, 1))
    return tuple(reversed(found))


class ArrangementMethods(Attributes):
    """Methods that turn, cut up and copy."""

    __slots__ = ()

    def fliplr(self: Any) -> Tensor:
        """Return a view with axis 1 reversed.

        Raises:
            ShapeError: there are fewer than two axes.
        """
        if self.ndim < 2:
            raise ShapeError(f"fliplr: shape {self.shape} has no axis 1")
        return self.flip(1)

    def flipud(self: Any) -> Tensor:
        """Return a view with axis 0 reversed.

        Raises:
            ShapeError: there are no axes.
        """
        if not self.ndim:
            raise ShapeError("flipud: shape () has no axis 0")
        return self.flip(0)

    def rot90(self: Any, k: int = 1, dims: Any = (0, 1)) -> Tensor:
        """Return a copy turned k times by 90 degrees, from the first of two axes to the second.

        Raises:
            ShapeError: dims are not two different axes.
            TensorIndexError: an axis is out of range.
        """
        axes = axes_of(as_tuple(dims), self.ndim, "rot90")
        if len(as_tuple(dims)) != 2 or len(axes) != 2:
            raise ShapeError(f"rot90: a plane has two axes, not {dims}")
        turns = as_int(k, "rot90: k") % 4
        if turns == 1:
            return self.flip(axes[1]).transpose(*axes).contiguous()
        if turns == 2:
            return self.flip(axes).contiguous()
        return self.flip(axes[0]).transpose(*axes).contiguous() if turns else self.clone()

    def hsplit(self: Any, *cuts: Any, **named: Any) -> tuple[Any, ...]:
        """Return `tensor_split` along axis 1, of a vector along axis 0, into equal parts.

        Raises:
            ShapeError: there are no axes, or the sections are not equal.
        """
        if not self.ndim:
            raise ShapeError("hsplit: shape () has no axis to split")
        return equal_parts(
            "hsplit", self, cuts_of("hsplit", cuts, named), 0 if self.ndim == 1 else 1
        )

    def vsplit(self: Any, *cuts: Any, **named: Any) -> tuple[Any, ...]:
        """Return `tensor_split` along axis 0 into equal parts.

        Raises:
            ShapeError: there are fewer than two axes, or the sections are not equal.
        """
        if self.ndim < 2:
            raise ShapeError(f"vsplit: two axes are needed, not shape {self.shape}")
        return equal_parts("vsplit", self, cuts_of("vsplit", cuts, named), 0)

    def dsplit(self: Any, *cuts: Any, **named: Any) -> tuple[Any, ...]:
        """Return `tensor_split` along axis 2 into equal parts.

        Raises:
            ShapeError: there are fewer than three axes, or the sections are not equal.
        """
        if self.ndim < 3:
            raise ShapeError(f"dsplit: three axes are needed, not shape {self.shape}")
        return equal_parts("dsplit", self, cuts_of("dsplit", cuts, named), 2)

    def tensor_split(
        self: Any, indices_or_sections: Any = None, dim: int = 0, **named: Any
    ) -> tuple[Any, ...]:
        """Return views of consecutive pieces along an axis: so many, or cut before these indices.

        Of so many pieces the first size % count are one larger than the others. The argument may
        be called sections or indices, too.

        Raises:
            TensorIndexError: the axis is out of range.
            ValueError: the number of pieces is below 1.
        """  # fmt: skip
        axis = own_axis(dim, self.ndim, "tensor_split")
        given = () if indices_or_sections is None else (indices_or_sections,)
        cuts, size = cuts_of("tensor_split", given, named), self.shape[axis]
        if hasattr(cuts, "tolist"):
            cuts = cuts.tolist()
        if hasattr(cuts, "__index__"):
            count = as_int(cuts, "tensor_split: the number of pieces")
            if count < 1:
                raise ArgumentError(f"tensor_split: there is 1 piece at least, not {count}")
            small, more = divmod(size, count)
            lengths = [small + (i < more) for i in range(count)]
            cuts = list(itertools.accumulate(lengths))[:-1]
        bounds = [slice(None, cut).indices(size)[1] for cut in as_ints((cuts,), "tensor_split")]
        pieces = zip([0, *bounds], [*bounds, size], strict=True)
        return tuple(self.narrow(axis, a, max(b - a, 0)) for a, b in pieces)

    def unfold(self: Any, dimension: int, size: int, step: int) -> Tensor:
        """Return windows of so many items along an axis, each step items further on.

        The axis counts the windows, and their items are the last axis.

        Raises:
            TensorIndexError: the axis is out of range.
            ValueError: size is above the axis, or step below 1.
        """
        axis = axis_of(dimension, self.ndim, "unfold")
        x = self if self.ndim else self.reshape(1)
        size, step, length = (
            as_int(size, "unfold: size"),
            as_int(step, "unfold: step"),
            x.shape[axis],
        )
        if not 0 <= size <= length or step < 1:
            raise ArgumentError(
                f"unfold: windows of {size} items, steps of {step}, for an axis of size {length}"
            )
        count = (length - size) // step + 1
        first = ramp(count, 0, step, "unfold").reshape(-1, 1)
        rows = (first + ramp(size, 0, 1, "unfold")).reshape(-1)
        found = x.index_select(axis, rows)
        shape = (*x.shape[:axis], count, size, *x.shape[axis + 1 :])
        made = found.reshape(shape).movedim(axis + 1, -1)
        return made if self.ndim else made.reshape(size)

    def repeat_interleave(
        self: Any,
        repeats: Any = None,
        dim: Any = None,
        *,
        output_size: Any = None,
        axis: Any = None,
    ) -> Tensor:
        """Return each item along an axis repeated: of (a, b) and 2 (a, a, b, b).

        Args:
            repeats: how often, for all or for each item. Without it this tensor says how often
                each of 0, 1, 2 ... comes.
            dim: the axis; None flattens.
            output_size: nothing; a hint of PyTorch's.

        Raises:
            TensorIndexError: the axis is out of range.
            ShapeError: there are not as many repeats as items.
            ValueError: a number is negative.
        """
        dim = dim if axis is None else axis
        if repeats is None:
            return ramp(self.numel(), 0, 1, "repeat_interleave").repeat_interleave(self)
        x = self.reshape(-1) if dim is None or not self.ndim else self
        place = 0 if dim is None else axis_of(dim, self.ndim, "repeat_interleave")
        counts = as_tensor(repeats).reshape(-1)
        size = x.shape[place]
        if counts.numel() not in (1, size) or counts.dtype.kind != 1:
            raise ShapeError(
                f"repeat_interleave: {counts.numel()} repeats of {counts.dtype.name}, {size} items"
            )
        if counts.numel() and int(counts.amin()) < 0:
            raise ArgumentError("repeat_interleave: repeats are 0 or more")
        import numpy

        rows = numpy.repeat(numpy.arange(size), array_of(counts))
        return x.index_select(place, of_array(rows))

    def diagflat(self: Any, offset: int = 0) -> Tensor:
        """Return a matrix of zeros with the elements, flattened, on a diagonal."""
        return self.reshape(-1).diag_embed(offset)

    def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Any:
        """Write one value over the diagonal of a matrix; return the tensor.

        Args:
            wrap: whether it begins again below the square of a tall matrix, a row further down.

        Raises:
            ShapeError: there are fewer than two axes, or more, not all of one size.
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        shape = tuple(self.shape)
        if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
            raise ShapeError(f"fill_diagonal_: shape {shape} has no diagonal")
        step = sum(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        count = math.prod(shape) if wrap and len(shape) == 2 else min(shape) * step
        places = ramp(math.prod(shape), 0, 1, "fill_diagonal_")[:count:step]
        flat = constant((math.prod(shape),), False, bool_, "fill_diagonal_")
        flat[places] = True
        return call_as("fill_diagonal_", self.masked_fill_, flat.reshape(shape), fill_value)

    def adjoint(self: Any) -> Tensor:
        """Return the last two axes swapped, as `mT`: there are no complex numbers."""
        return self.mT

    @property
    def mH(self: Any) -> Tensor:
        """The last two axes swapped, as `mT`: there are no complex numbers."""
        return self.mT

    def sum_to_size(self: Any, *sizes: Any, **named: Any) -> Tensor:
        """Return the tensor summed over the axes that were expanded from a shape.

        Raises:
            ShapeError: the shape cannot be expanded to this one.
        """
        given = given_as("size", sizes, named, "Tensor.sum_to_size")
        shape = tuple(as_ints(given, "sum_to_size"))
        new = self.ndim - len(shape)
        pairs = list(zip(shape, self.shape[max(new, 0) :], strict=False))
        if new < 0 or any(a not in (1, b) for a, b in pairs):
            raise ShapeError(f"sum_to_size: shape {shape} does not expand to {self.shape}")
        axes = [new + i for i, (a, b) in enumerate(pairs) if a != b]
        sums = bool(new or axes or not shape)  # which are of int64 where integers are added
        found = self.sum((*range(new), *axes), keepdim=True) if sums else self
        result: Tensor = found.reshape(shape)
        return result

    def expand_copy(self: Any, size: Any) -> Tensor:
        """Return `expand` as a copy."""
        return call_as("expand_copy", self.expand, size).clone()

    def as_strided(self: Any, size: Any, stride: Any, storage_offset: Any = None) -> Tensor:
        """Refuse: views know their shapes, not their memory.

        Raises:
            NotImplementedError: always; what to write instead.
        """
        raise NotImplementedError(
            "as_strided: a tensor does not say what lies in memory beside it; unfold(), expand(), "
            "diagonal() and x[a:b:c] make such views, as_strided_copy() a copy"
        )

    def as_strided_copy(self: Any, size: Any, stride: Any, storage_offset: Any = None) -> Tensor:
        """Return the elements whose numbers in row-major order are offset + sum of i * stride.

        Raises:
            ShapeError: there are not as many strides as sizes.
            TensorIndexError: a number is not that of an element.
        """
        shape = as_shape((size,), "as_strided_copy")
        strides = as_ints((stride,), "as_strided_copy")
        if len(shape) != len(strides):
            raise ShapeError(f"as_strided_copy: {len(strides)} strides for {len(shape)} axes")
        first = as_int(storage_offset or 0, "as_strided_copy: the offset")
        places = constant((1,) * len(shape), first, int64, "as_strided_copy")
        for axis, (count, step) in enumerate(zip(shape, strides, strict=True)):
            row = ramp(count, 0, step, "as_strided_copy")
            places = places + row.reshape([-1 if k == axis else 1 for k in range(len(shape))])
        return call_as("as_strided_copy", self.reshape(-1).take, places)

    def resize_(self: Any, *sizes: Any, **named: Any) -> Tensor:
        """Refuse: a tensor keeps its number of elements.

        Raises:
            NotImplementedError: always; what to write instead.
        """
        raise NotImplementedError("resize_: make a new tensor with zeros(), or use reshape()")


def cuts_of(name: str, cuts: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Return the number of pieces, or where to cut, under any of PyTorch's names."""
    known = ("indices_or_sections", "sections", "indices", "tensor_indices_or_sections")
    key = next((word for word in named if word in known), "indices_or_sections")
    return operand_as(key, cuts, named, f"Tensor.{name}")


def equal_parts(name: str, x: Any, cuts: Any, axis: int) -> tuple[Any, ...]:
    """Return pieces along an axis; a number of them has to divide it."""
    if hasattr(cuts, "__index__") and (cuts < 1 or x.shape[axis] % cuts):
        raise ShapeError(f"{name}: axis {axis} of shape {x.shape} has not {cuts} equal parts")
    return call_as(name, x.tensor_split, cuts, axis)
