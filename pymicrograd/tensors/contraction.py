"""Sums of products over named axes, and matrix products with something added."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, DTypeError, ShapeError
from .arguments import as_tuple, axis_of
from .attributes import Attributes
from .conversion import as_tensor
from .derived import same_pair
from .explain import call_as, refuse_out
from .operators import in_place
from .ops import cast
from .promotion import of_one_type

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["chain_matmul", "einsum", "tensordot"]


# ---- einsum ----------------------------------------------------------------------------------


class Equation:
    """The axes of operands by their letters: "ij,jk->ik".

    Attributes:
        inputs: of each operand a list of labels, a letter or, for what `...` stands for, a number
            that counts from the end.
        output: the labels of the result.
    """

    def __init__(self, text: str, ranks: list[int]) -> None:
        left, arrow, right = text.replace(" ", "").partition("->")
        terms = left.split(",")
        if len(terms) != len(ranks):
            raise ShapeError(
                f"einsum: {text!r} names {len(terms)} operands, {len(ranks)} are given"
            )
        self.text = text
        self.inputs = [self.labels(term, rank) for term, rank in zip(terms, ranks, strict=True)]
        wide = sorted({label for term in self.inputs for label in term if isinstance(label, int)})
        if arrow:
            count = len(right.replace("...", "")) + (len(wide) if "..." in right else 0)
            self.output = self.labels(right, count, wide)
        else:
            letters = [label for term in self.inputs for label in term if isinstance(label, str)]
            once = sorted(label for label in set(letters) if letters.count(label) == 1)
            self.output = [*wide, *once]
        known = {label for term in self.inputs for label in term}
        for label in self.output:
            if label not in known or self.output.count(label) > 1:
                raise ArgumentError(
                    f"einsum: {label!r} of the result of {text!r} stands twice there, or in no "
                    "operand"
                )

    def labels(self, term: str, rank: int, wide: Any = None) -> list[Any]:
        """Return the labels of an operand's axes."""
        before, dots, after = term.partition("...")
        letters = before + after
        if not all(letter.isascii() and letter.isalpha() for letter in letters):
            raise ArgumentError(f"einsum: {self.text!r} has other signs than letters, ',' and '->'")
        rest = rank - len(letters)
        if rest < 0 or (rest and not dots):
            raise ShapeError(
                f"einsum: {term!r} of {self.text!r} names {len(letters)} axes, the operand has "
                f"{rank}"
            )
        middle = list(range(-rest, 0)) if wide is None else wide if dots else []
        return [*before, *middle, *after]


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Return sums of products over axes that have letters: "ij,jk->ik" is a matrix product.

    Letters that are not in the result are summed over; a letter twice in an operand is its
    diagonal; `...` stands for any axes, which are broadcast. Without "->" the result has the
    letters that occur once, in their order. Operands are contracted from left to right.

    Args:
        equation: this text; or operands and lists of ints in turn, ending with the result's.

    Raises:
        ShapeError: an operand has not as many axes as are named, or sizes of a letter differ.
        ValueError: the equation cannot be read.
    """
    if not isinstance(equation, str):
        equation, operands = of_lists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not operands:
        raise ArgumentError("einsum: there are no operands")
    tensors = [as_tensor(x) for x in operands]
    read = Equation(equation, [x.ndim for x in tensors])
    sizes = sizes_of(read, tensors)
    terms = [
        on_diagonals(x, labels) for x, labels in zip(tensors, read.inputs, strict=True)
    ]  # fmt: skip
    result, labels = terms[0]
    for i, (other, theirs) in enumerate(terms[1:], 2):
        later = {label for _, rest in terms[i:] for label in rest}
        result, labels = contract(result, labels, other, theirs, {*read.output, *later}, sizes)
    return arranged(result, labels, read.output)


def of_lists(items: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """Return the equation and operands of einsum(x, [0, 1], y, [1, 2], [0, 2])."""

    def letters(labels: Any) -> str:
        return "".join(
            "..." if k is Ellipsis else chr(ord("A") + k if k < 26 else ord("a") + k - 26)
            for k in labels
        )  # fmt: skip

    operands = items[0 : len(items) // 2 * 2 : 2]
    left = ",".join(letters(labels) for labels in items[1 : len(items) // 2 * 2 : 2])
    right = f"->{letters(items[-1])}" if len(items) % 2 else ""
    return left + right, tuple(operands)


def sizes_of(read: Equation, tensors: list[Any]) -> dict[Any, int]:
    """Return the size of each label's axis; axes of size 1 are broadcast."""
    sizes: dict[Any, int] = {}
    for x, labels in zip(tensors, read.inputs, strict=True):
        for label, size in zip(labels, x.shape, strict=True):
            known = sizes.setdefault(label, size)
            if size != known and 1 not in (size, known):
                raise ShapeError(
                    f"einsum: {label!r} of {read.text!r} has sizes {known} and {size}, of shapes "
                    f"{', '.join(str(x.shape) for x in tensors)}"
                )
            sizes[label] = size if known == 1 else known
    return sizes


def on_diagonals(x: Any, labels: list[Any]) -> tuple[Any, list[Any]]:
    """Return an operand whose labels are different ones: of repeated ones its diagonal."""
    labels = list(labels)
    for label in [label for label in labels if labels.count(label) > 1]:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ShapeError(
                    f"einsum: {label!r} names axes of sizes {x.shape[first]} and {x.shape[second]}"
                )
            x = x.diagonal(0, first, second)
            labels = [*labels[:first], *labels[first + 1 : second], *labels[second + 1 :], label]
    return x, labels


def contract(
    x: Any, a: list[Any], y: Any, b: list[Any], wanted: set[Any], sizes: dict[Any, int]
) -> tuple[Any, list[Any]]:
    """Return the product of two operands, summed over the labels that nothing wants any more.

    Shared labels that stay become a batch, those that go the inner axis of a matrix product.
    """
    x, a = summed(x, a, lambda label: label not in wanted and label not in b)
    y, b = summed(y, b, lambda label: label not in wanted and label not in a)
    x, y = of_one_type([x, y])
    batch = [label for label in a if label in b and label in wanted]
    inner = [label for label in a if label in b and label not in wanted]
    left = [label for label in a if label not in b]
    right = [label for label in b if label not in a]
    for label in (*batch, *inner):  # those of size 1 are broadcast
        x, y = (widened(z, of.index(label), sizes[label]) for z, of in ((x, a), (y, b)))
    shared = tuple(sizes[label] for label in batch)
    rows = x.permute([a.index(k) for k in (*batch, *left, *inner)])
    columns = y.permute([b.index(k) for k in (*batch, *inner, *right)])
    count = math.prod(sizes[label] for label in inner)
    m, n = (
        math.prod(z.shape[of.index(k)] for k in ks) for z, of, ks in ((x, a, left), (y, b, right))
    )
    shape = tuple(x.shape[a.index(k)] for k in left) + tuple(y.shape[b.index(k)] for k in right)
    rows, columns = rows.reshape(*shared, m, count), columns.reshape(*shared, count, n)
    made = rows * columns if count == 1 and inner == [] else rows @ columns
    return made.reshape(*shared, *shape), [*batch, *left, *right]


def summed(x: Any, labels: list[Any], goes: Any) -> tuple[Any, list[Any]]:
    """Return an operand summed over some of its labels."""
    axes = tuple(i for i, label in enumerate(labels) if goes(label))
    if not axes:
        return x, labels
    return cast(x.sum(axes), x.dtype), [label for label in labels if not goes(label)]


def widened(x: Any, axis: int, size: int) -> Any:
    """Return x with an axis of size 1 expanded."""
    if x.shape[axis] == size:
        return x
    return x.expand(*x.shape[:axis], size, *x.shape[axis + 1 :])


def arranged(x: Any, labels: list[Any], output: list[Any]) -> Any:
    """Return the result with its axes in their order, summed over others."""
    x, labels = summed(x, labels, lambda label: label not in output)
    order = [labels.index(label) for label in output]
    return x.permute(order) if order != list(range(len(order))) else x


# ---- other products --------------------------------------------------------------------------


@refuse_out
def tensordot(a: Any, b: Any, dims: Any = 2) -> Tensor:
    """Return sums of products over axes of a and b: the last and first ones, or those named.

    Args:
        dims: how many axes, or two lists of axes, of a and of b.

    Raises:
        ShapeError: the sizes of the axes differ.
        TensorIndexError: an axis is out of range.
    """
    a, b = as_tensor(a), as_tensor(b)
    if hasattr(dims, "tolist"):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: shapes {a.shape} and {b.shape} have not {dims} such axes")
        mine, theirs = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        mine, theirs = (
            [axis_of(axis, x.ndim, "tensordot") for axis in as_tuple(axes)]
            for x, axes in zip((a, b), dims, strict=True)
        )
    if len(mine) != len(theirs):
        raise ShapeError(f"tensordot: {dims} name different numbers of axes")
    for i, k in zip(mine, theirs, strict=True):
        if a.shape[i] != b.shape[k] and 1 not in (a.shape[i], b.shape[k]):
            raise ShapeError(f"tensordot: axes {i} of {a.shape} and {k} of {b.shape} differ")
    left = list(range(a.ndim))
    right = [left[mine[theirs.index(k)]] if k in theirs else a.ndim + k for k in range(b.ndim)]
    if a.dtype is not b.dtype:
        raise DTypeError(f"tensordot: {a.dtype.name} and {b.dtype.name} are not one type")
    free = [k for i, k in enumerate(left) if i not in mine]
    free += [k for i, k in enumerate(right) if i not in theirs]
    sizes: dict[Any, int] = {}
    for label, size in (*zip(left, a.shape, strict=True), *zip(right, b.shape, strict=True)):
        sizes[label] = max(sizes.get(label, 1), size) if size else 0
    made, labels = contract(a, left, b, right, set(free), sizes)
    return arranged(made, labels, free)


@refuse_out
def chain_matmul(*matrices: Any) -> Tensor:
    """Return the product of matrices, in the order of the fewest multiplications.

    Raises:
        ShapeError: one is no matrix, or the inner sizes differ.
    """
    return call_as("chain_matmul", product_of, matrices)


def product_of(tensors: Iterable[Any]) -> Tensor:
    """Return the product of matrices; the first and the last may be vectors."""
    parts = [as_tensor(x) for x in tensors]
    if len(parts) < 2:
        raise ShapeError(f"multi_dot: there are two tensors at least, not {len(parts)}")
    row, column = parts[0].ndim == 1, parts[-1].ndim == 1
    parts[0] = parts[0].reshape(1, -1) if row else parts[0]
    parts[-1] = parts[-1].reshape(-1, 1) if column else parts[-1]
    if any(x.ndim != 2 for x in parts):
        shapes = ", ".join(str(x.shape) for x in parts)
        raise ShapeError(f"multi_dot: only the first and the last may be vectors, of {shapes}")
    found = in_order(parts, cheapest([*(x.shape[0] for x in parts), parts[-1].shape[1]]))
    shape = (() if row else found.shape[:1]) + (() if column else found.shape[1:])
    return found.reshape(shape)


def cheapest(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Return where to split each run of matrices, of sizes[i] rows, with the fewest products."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    split = {}
    for length in range(1, count):
        for i in range(count - length):
            k = i + length
            best = min(
                (cost[i, j] + cost[j + 1, k] + sizes[i] * sizes[j + 1] * sizes[k + 1], j)
                for j in range(i, k)
            )
            cost[i, k], split[i, k] = best
    return split


def in_order(parts: list[Any], split: dict[tuple[int, int], int]) -> Any:
    """Return the product of matrices, split as found."""

    def between(i: int, k: int) -> Any:
        if i == k:
            return parts[i]
        j = split[i, k]
        return call_as("multi_dot", between(i, j).matmul, between(j + 1, k))

    return between(0, len(parts) - 1)  # fmt: skip


def scaled_sum(name: str, x: Any, beta: Any, product: Any, alpha: Any) -> Any:
    """Return beta * x + alpha * product; nothing of x where beta is 0."""
    for number in (beta, alpha):
        if isinstance(number, float) and not x.is_floating_point():
            raise DTypeError(f"{name}: beta and alpha are ints beside {x.dtype.name}")
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product
    return call_as(name, (x if beta == 1 else x * beta).add, product)


class ContractionMethods(Attributes):
    """Sums of products."""

    __slots__ = ()

    def inner(self: Any, other: Any) -> Tensor:
        """Return sums of products over the last axes: (..., n) and (... b, n) give (..., ... b).

        With a number, a tensor without axes, it is the product.

        Raises:
            ShapeError: the last axes differ.
        """
        other = as_tensor(other)
        if not self.ndim or not other.ndim:
            return self * other
        if self.shape[-1] != other.shape[-1]:
            raise ShapeError(f"inner: last axes of {self.shape} and {other.shape} differ")
        return call_as("inner", tensordot, self, other, ([-1], [-1]))

    def vdot(self: Any, other: Any) -> Tensor:
        """Return `dot`: there are no complex numbers to conjugate.

        Raises:
            ShapeError: one is no vector, or their sizes differ.
        """
        return call_as("vdot", self.dot, other)

    def ger(self: Any, vec2: Any) -> Tensor:
        """Return `outer`.

        Raises:
            ShapeError: one is no vector.
        """
        return call_as("ger", self.outer, vec2)

    def kron(self: Any, other: Any) -> Tensor:
        """Return the Kronecker product: blocks x[i, k] * other, for any number of axes."""
        other = as_tensor(other)
        rank = max(self.ndim, other.ndim)
        a = (1,) * (rank - self.ndim) + tuple(self.shape)
        b = (1,) * (rank - other.ndim) + tuple(other.shape)
        left = self.reshape([size for pair in zip(a, (1,) * rank, strict=True) for size in pair])
        right = other.reshape([size for pair in zip((1,) * rank, b, strict=True) for size in pair])
        return (left * right).reshape([i * k for i, k in zip(a, b, strict=True)])

    def cross(self: Any, other: Any, dim: Any = None) -> Tensor:
        """Return the cross product of vectors of three along an axis, by default the first such.

        Raises:
            ShapeError: no axis, or this one, has size 3; or the shapes cannot be broadcast.
        """
        x, y = same_pair("cross", self, other)
        axes = [i for i, size in enumerate(x.shape) if size == 3] if dim is None else [dim]
        if not axes:
            raise ShapeError(f"cross: no axis of shape {x.shape} has size 3")
        return crossed(x, y, axis_of(axes[0], x.ndim, "cross"), "cross")

    def addmm(self: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """Return beta * self + alpha * (mat1 @ mat2): (m, k) and (k, n) give (m, n).

        Raises:
            ShapeError: they are no matrices, or the shapes do not fit.
        """
        found = call_as("addmm", as_tensor(mat1).mm, mat2)
        return added("addmm", self, beta, found, alpha)

    def addmv(self: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """Return beta * self + alpha * (mat @ vec): (m, k) and (k,) give (m,).

        Raises:
            ShapeError: they are no matrix and vector, or the shapes do not fit.
        """
        found = call_as("addmv", as_tensor(mat).mv, vec)
        return added("addmv", self, beta, found, alpha)

    def addr(self: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """Return beta * self + alpha * outer(vec1, vec2): (m,) and (n,) give (m, n).

        Raises:
            ShapeError: they are no vectors, or the shapes do not fit.
        """
        found = call_as("addr", as_tensor(vec1).outer, vec2)
        return added("addr", self, beta, found, alpha)

    def baddbmm(self: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """Return beta * self + alpha * bmm(batch1, batch2): (b, m, k), (b, k, n) give (b, m, n).

        Raises:
            ShapeError: they have not three axes, or the shapes do not fit.
        """
        found = call_as("baddbmm", as_tensor(batch1).bmm, batch2)
        return added("baddbmm", self, beta, found, alpha)

    def addbmm(self: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """Return beta * self + alpha * bmm(batch1, batch2).sum(0): (m, n).

        Raises:
            ShapeError: they have not three axes, or the shapes do not fit.
        """
        found = call_as("addbmm", as_tensor(batch1).bmm, batch2)
        return added("addbmm", self, beta, cast(found.sum(0), found.dtype), alpha)

    addbmm_, addmm_, addmv_, addr_, baddbmm_ = map(
        in_place, ("addbmm", "addmm", "addmv", "addr", "baddbmm")
    )


def added(name: str, x: Any, beta: Any, product: Any, alpha: Any) -> Any:
    """Return beta * x + alpha * product, of the shape of the product."""
    if x.dtype is not product.dtype:
        names = f"{x.dtype.name} and {product.dtype.name}"
        raise DTypeError(f"{name}: {names} are not one type")
    call_as(name, x.detach().expand, product.shape)
    return scaled_sum(name, x, beta, product, alpha)


def crossed(x: Any, y: Any, axis: int, what: str) -> Any:
    """Return the cross product along an axis."""
    if x.shape[axis] != 3:
        raise ShapeError(f"{what}: axis {axis} of shape {x.shape} has not size 3")
    return x.roll(-1, axis) * y.roll(-2, axis) - x.roll(-2, axis) * y.roll(-1, axis)
