"""linalg: norms of matrices, inverses, solutions, factors, powers; by LAPACK where `lapack` says.

Matrices are the last two axes; other axes are a batch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ArgumentError, DTypeError, ShapeError
from . import lapack
from .arguments import as_int, as_tuple, axes_of, axis_of
from .attributes import Attributes
from .contraction import crossed, product_of
from .conversion import as_tensor
from .derived import same_pair
from .dtypes import as_dtype, bool_, float32, float64, int64
from .explain import call_as, refuse_out
from .indexing import common_shape
from .joining import cat, stack
from .lapack import LinAlgError, identity, matrix, square, zeros_in
from .leaves import constant
from .norms import norm_over, vector_norm
from .ops import TensorBase, cast
from .sorting import array_of, of_array

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eigh",
    "eigvalsh", "householder_product", "inv", "inv_ex", "lstsq", "matmul", "matrix_exp",
    "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer",
    "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals",
    "tensordot", "tensorinv", "tensorsolve", "trace", "vander", "vecdot", "vector_norm",
]  # fmt: skip


class SignLog(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


class Eigen(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


class SingularParts(NamedTuple):
    """What `svd` returns."""

    U: Any
    S: Any
    Vh: Any


class OrthogonalParts(NamedTuple):
    """What `qr` returns."""

    Q: Any
    R: Any


class LeastSquares(NamedTuple):
    """What `lstsq` returns."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


class WithInfo(NamedTuple):
    """What functions return that do not raise; info is 0 where all went well."""

    result: Any
    info: Any


# ---- inverses and solutions ------------------------------------------------------------------


@refuse_out
def inv(A: Any) -> Tensor:
    """Return the inverses of square matrices (..., n, n).

    Raises:
        LinAlgError: a matrix has none.
        ShapeError: they are not square.
    """
    a = square(A, "linalg.inv")
    return lapack.Inverse.apply(a, "linalg.inv")


def well_of(a: Any) -> Any:
    """Return for each matrix 0 where it has an inverse, else 1, as int32."""
    import numpy

    found = numpy.asarray(numpy.linalg.slogdet(array_of(a))[0] == 0)
    return of_array(found.astype("int32"))


@refuse_out
def inv_ex(A: Any, *, check_errors: bool = False) -> WithInfo:
    """Return (inverses, info): info is above 0 where a matrix has none, whose inverse is NaN.

    Raises:
        LinAlgError: with check_errors, a matrix has none.
        ShapeError: they are not square.
    """
    a = square(A, "linalg.inv_ex")
    info = well_of(a)
    if check_errors or not bool(info.any()):
        return WithInfo(lapack.Inverse.apply(a, "linalg.inv_ex"), info)
    bad = info.ne(0).reshape((*info.shape, 1, 1))
    safe = identity(a.shape[-1], a).where(bad, a)
    found = lapack.Inverse.apply(safe, "linalg.inv_ex")
    return WithInfo(found.masked_fill(bad, math.nan), info)


@refuse_out
def solve(A: Any, B: Any, *, left: bool = True) -> Tensor:
    """Return X with A X = B, or with left=False X A = B.

    Args:
        A: square matrices (..., n, n).
        B: matrices (..., n, k), or vectors (n,) or (..., n) for each matrix.

    Raises:
        LinAlgError: a matrix has no inverse.
        ShapeError: the shapes do not fit.
    """
    a, b = square(A, "linalg.solve"), as_tensor(B)
    vector = b.ndim == 1 or (b.ndim == a.ndim - 1 and tuple(b.shape) == tuple(a.shape[:-1]))
    if vector:
        b = b.unsqueeze(-1)
    if not left:
        if vector:
            raise ShapeError("linalg.solve: with left=False B has two axes at least")
        return call_as("linalg.solve", solved, a.mT, b.mT).mT
    found = call_as("linalg.solve", solved, a, b)
    return found.squeeze(-1) if vector else found


def solved(a: Any, b: Any) -> Any:
    """Return X with A X = B, the leading axes broadcast."""
    if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
        raise ShapeError(f"linalg.solve: matrices {a.shape} and right sides {b.shape} do not fit")
    if b.dtype is not a.dtype:
        raise ArgumentError(f"linalg.solve: {a.dtype.name} and {b.dtype.name} are not one type")
    batch = common_shape([a.shape[:-2], b.shape[:-2]])
    a = a.expand((*batch, *a.shape[-2:]))
    b = b.expand((*batch, *b.shape[-2:]))
    return lapack.Solve.apply(a, b, "linalg.solve")


@refuse_out
def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> WithInfo:
    """Return (`solve`, info): info is above 0 where a matrix has no inverse, and X is NaN there.

    Raises:
        LinAlgError: with check_errors, a matrix has no inverse.
        ShapeError: the shapes do not fit.
    """
    a = square(A, "linalg.solve_ex")
    info = well_of(a)
    if check_errors or not bool(info.any()):
        return WithInfo(call_as("linalg.solve_ex", solve, a, B, left=left), info)
    bad = info.ne(0).reshape((*info.shape, 1, 1))
    found = solve(identity(a.shape[-1], a).where(bad, a), B, left=left)
    hidden = bad if found.ndim == a.ndim else bad.squeeze(-1)
    return WithInfo(found.masked_fill(hidden, math.nan), info)


@refuse_out
def solve_triangular(
    A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """Return X with A X = B, or X A = B, of the upper or lower triangle of A.

    Args:
        unitriangular: take the diagonal of A as ones.

    Raises:
        LinAlgError: a diagonal has a 0.
        ShapeError: the shapes do not fit.
    """
    a, b = square(A, "linalg.solve_triangular"), matrix(B, "linalg.solve_triangular")
    part = a.triu(int(unitriangular)) if upper else a.tril(-int(unitriangular))
    if unitriangular:
        part = part + identity(a.shape[-1], a)
    return call_as("linalg.solve_triangular", solve, part, b, left=left)


def limits(x: Any, rtol: Any, atol: Any, hermitian: bool = False) -> Any:
    """Return what a singular value has to be above to count, from the list of them."""
    import numpy

    epsilon = 2.0**-23 if x.dtype is float32 else 2.0**-52

    def as_array(t: Any) -> Any:
        return array_of(t)[..., None] if isinstance(t, TensorBase) else t

    absolute = 0.0 if atol is None else as_array(atol)
    if rtol is None:
        relative = numpy.where(numpy.asarray(absolute) > 0, 0.0, max(x.shape[-2:]) * epsilon)
    else:
        relative = as_array(rtol)

    def limit(s: Any) -> Any:
        largest = abs(s).max(-1, keepdims=True) if s.shape[-1] else numpy.zeros((*s.shape[:-1], 1))
        return numpy.maximum(absolute, relative * largest)

    return limit


@refuse_out
def pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """Return the Moore-Penrose inverses (..., n, m) of matrices (..., m, n).

    Args:
        rtol, atol: singular values up to max(atol, rtol * the largest) count as 0; rtol is by
            default max(m, n) times the spacing of the type at 1. rcond is rtol's old name.
        hermitian: whether the matrices are symmetric: only their lower triangles are then read,
            and both get a gradient.

    Raises:
        ShapeError: they are no matrices.
    """
    a = matrix(A, "linalg.pinv")
    if hermitian:
        a = square(a, "linalg.pinv")
    if not a.numel():
        return a.mT.contiguous()
    limit = limits(a, rcond if rtol is None else rtol, atol)
    return lapack.PseudoInverse.apply(a, limit, bool(hermitian))


@refuse_out
def matrix_rank(
    A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """Return how many singular values of matrices are above a limit, as int64; as for `pinv`.

    Raises:
        ShapeError: they are no matrices.
    """
    import numpy

    a = matrix(A, "linalg.matrix_rank").detach()
    if tol is not None:
        atol, rtol = tol, 0.0
    array = array_of(a)
    if not a.numel():
        return of_array(numpy.zeros(array.shape[:-2], "int64"))
    if hermitian:
        values = abs(numpy.linalg.eigvalsh(array))
    else:
        values = numpy.linalg.svd(array, compute_uv=False)
    found = (values > limits(a, rtol, atol)(values)).sum(-1)
    return of_array(numpy.asarray(found, "int64"))


@refuse_out
def lstsq(A: Any, B: Any, rcond: Any = None, *, driver: str | None = None) -> LeastSquares:
    """Return X of least squares |A X - B|, with residuals, ranks and singular values of A.

    Args:
        A: matrices (..., m, n); B: (..., m, k), or (..., m) for vectors.
        rcond: singular values up to rcond times the largest count as 0.
        driver: nothing but what else is returned: ranks but with "gels", singular values with
            "gelsd" and "gelss"; "gelsy" by default.

    Raises:
        ShapeError: the shapes do not fit.
    """
    a, b = matrix(A, "linalg.lstsq"), as_tensor(B)
    driver = "gelsy" if driver is None else driver
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise ArgumentError(f"linalg.lstsq: driver is gels, gelsy, gelsd or gelss, not {driver!r}")
    vector = b.ndim == a.ndim - 1 and tuple(b.shape) == tuple(a.shape[:-1])
    b = b.unsqueeze(-1) if vector else b
    if b.ndim < 2 or b.shape[-2] != a.shape[-2]:
        raise ShapeError(f"linalg.lstsq: matrices {a.shape} and right sides {b.shape} do not fit")
    m, n = a.shape[-2:]
    found = pinv(a, rtol=rcond) @ b
    ranks = matrix_rank(a, rtol=rcond) if driver != "gels" else zeros_in((0,), a).long()
    rest = found.reshape(-1)[:0]
    if m > n and (driver == "gels" or bool((ranks.eq(n)).all())) and driver != "gelsy":
        rest = (a @ found - b).square().sum(-2)
    values = svdvals(a) if driver in ("gelsd", "gelss") else zeros_in((0,), a)
    solution = found.squeeze(-1) if vector else found
    return LeastSquares(solution, rest, ranks, values)


@refuse_out
def tensorinv(A: Any, ind: int = 2) -> Tensor:
    """Return the inverse of a tensor as a map between its first ind axes and the others.

    Raises:
        LinAlgError: there is none.
        ShapeError: the two groups of axes have not as many elements.
    """
    a, ind = as_tensor(A), as_int(ind, "linalg.tensorinv: ind")
    if ind < 1:
        raise ArgumentError(f"linalg.tensorinv: ind is 1 or more, not {ind}")
    rows, columns = a.shape[:ind], a.shape[ind:]
    if math.prod(rows) != math.prod(columns):
        raise ShapeError(f"linalg.tensorinv: axes {rows} and {columns} have not as many elements")
    found = call_as("linalg.tensorinv", inv, a.reshape(math.prod(rows), -1))
    return found.reshape((*columns, *rows))


@refuse_out
def tensorsolve(A: Any, B: Any, dims: Any = None) -> Tensor:
    """Return X with tensordot(A, X, X.ndim) = B.

    Args:
        dims: axes of A that are moved to the end first.

    Raises:
        LinAlgError: there is none, or no single one.
        ShapeError: the shapes do not fit.
    """
    a, b = as_tensor(A), as_tensor(B)
    if dims is not None:
        a = a.movedim(tuple(dims), tuple(range(-len(dims), 0)))
    rest = a.shape[b.ndim :]
    count = math.prod(rest)
    if count != b.numel() or a.numel() != count * count:
        raise ShapeError(f"linalg.tensorsolve: shapes {a.shape} and {b.shape} do not fit")
    found = call_as("linalg.tensorsolve", solve, a.reshape(-1, count), b.reshape(-1))
    return found.reshape(rest)


# ---- determinants ----------------------------------------------------------------------------


@refuse_out
def det(A: Any) -> Tensor:
    """Return the determinants of square matrices (..., n, n).

    Raises:
        ShapeError: they are not square.
    """
    return lapack.Determinant.apply(square(A, "linalg.det"))


@refuse_out
def slogdet(A: Any) -> SignLog:
    """Return the signs of determinants and the logarithms of their sizes.

    Raises:
        ShapeError: the matrices are not square.
    """
    return SignLog(*lapack.LogDeterminant.apply(square(A, "linalg.slogdet")))


# ---- factors ---------------------------------------------------------------------------------


@refuse_out
def cholesky(A: Any, *, upper: bool = False) -> Tensor:
    """Return the lower triangles L with L L^T = A, or the upper ones, of symmetric matrices.

    Raises:
        LinAlgError: a matrix is not positive definite.
        ShapeError: they are not square.
    """
    a = square(A, "linalg.cholesky")
    found = lapack.Cholesky.apply(a.mT if upper else a, "linalg.cholesky")
    return found.mT if upper else found


@refuse_out
def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> WithInfo:
    """Return (`cholesky`, info): info is above 0 where a matrix is not positive definite.

    Raises:
        LinAlgError: with check_errors, a matrix is not positive definite.
        ShapeError: they are not square.
    """
    import numpy

    a = square(A, "linalg.cholesky_ex")
    values = numpy.linalg.eigvalsh(array_of(a)) if a.numel() else numpy.ones((*a.shape[:-2], 1))
    info = of_array(numpy.asarray(~(values > 0).all(-1)).astype("int32"))
    if check_errors or not bool(info.any()):
        return WithInfo(call_as("linalg.cholesky_ex", cholesky, a, upper=upper), info)
    bad = info.ne(0).reshape((*info.shape, 1, 1))
    found = cholesky(identity(a.shape[-1], a).where(bad, a), upper=upper)
    return WithInfo(found.masked_fill(bad, math.nan), info)


@refuse_out
def eigh(A: Any, UPLO: str = "L") -> Eigen:
    """Return the eigenvalues, rising, and eigenvectors, columns, of symmetric matrices.

    Args:
        UPLO: which triangle is read, "L" or "U".

    Raises:
        ShapeError: they are not square.
        ValueError: UPLO is another.
    """
    if UPLO not in ("L", "U", "l", "u"):
        raise ArgumentError(f"linalg.eigh: UPLO is 'L' or 'U', not {UPLO!r}")
    a = square(A, "linalg.eigh")
    return Eigen(*lapack.SymmetricEigen.apply(a, UPLO.upper(), "linalg.eigh"))


@refuse_out
def eigvalsh(A: Any, UPLO: str = "L") -> Tensor:
    """Return the eigenvalues of symmetric matrices, rising; as `eigh`.

    Raises:
        ShapeError: they are not square.
        ValueError: UPLO is neither "L" nor "U".
    """
    return call_as("linalg.eigvalsh", eigh, A, UPLO).eigenvalues


@refuse_out
def svd(A: Any, full_matrices: bool = True, *, driver: Any = None) -> SingularParts:
    """Return U, S, Vh with A = U diag(S) Vh: orthonormal columns and rows, S falling.

    Args:
        full_matrices: whether U and Vh are square; else they are (m, k) and (k, n), k the smaller
            of m and n. Gradients flow through the reduced ones only.
        driver: nothing.

    Raises:
        ShapeError: they are no matrices.
    """
    a = matrix(A, "linalg.svd")
    m, n = a.shape[-2:]
    u, s, vh = lapack.SingularValues.apply(a, "linalg.svd")
    if not full_matrices or m == n:
        return SingularParts(u, s, vh)
    import numpy

    whole_u, _, whole_v = numpy.linalg.svd(array_of(a), full_matrices=True)
    k = s.shape[-1]
    if m > k:
        u = cat([u, lapack.tensor_of(whole_u[..., :, k:], a)], -1)
    if n > k:
        vh = cat([vh, lapack.tensor_of(whole_v[..., k:, :], a)], -2)
    return SingularParts(u, s, vh)


@refuse_out
def svdvals(A: Any, *, driver: Any = None) -> Tensor:
    """Return the singular values of matrices, falling.

    Raises:
        ShapeError: they are no matrices.
    """
    return lapack.SingularValues.apply(matrix(A, "linalg.svdvals"), "linalg.svdvals")[1]


@refuse_out
def qr(A: Any, mode: str = "reduced") -> OrthogonalParts:
    """Return Q with orthonormal columns and an upper triangle R with Q R = A.

    Args:
        mode: "reduced"; "complete" for a square Q, through which no gradient flows; "r" for R
            alone, Q being empty.

    Raises:
        ShapeError: they are no matrices.
        ValueError: mode is another.
    """
    a = matrix(A, "linalg.qr")
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"linalg.qr: mode is 'reduced', 'complete' or 'r', not {mode!r}")
    m, n = a.shape[-2:]
    if mode == "complete" and m > n:
        import numpy

        found = numpy.linalg.qr(array_of(a), mode="complete")
        return OrthogonalParts(*(lapack.tensor_of(part, a) for part in found))
    q, r = lapack.Orthogonal.apply(a, "linalg.qr")
    return OrthogonalParts(zeros_in((0,), a) if mode == "r" else q, r)


@refuse_out
def householder_product(A: Any, tau: Any) -> Tensor:
    """Return the first columns of the product of reflections 1 - tau v v^T, columns v of A.

    v is 1 on the diagonal and 0 above it.

    Raises:
        ShapeError: the shapes do not fit.
    """
    a, t = matrix(A, "linalg.householder_product"), as_tensor(tau)
    m, n = a.shape[-2:]
    if m < n or t.shape[-1] > n:
        raise ShapeError(f"linalg.householder_product: shapes {a.shape}, {t.shape} do not fit")
    unit = identity(m, a)
    if not a.numel():
        return a + t.sum()
    flat = constant(a.shape, True, bool_, "householder_product")
    found = unit[:, :n] + a.masked_fill(flat, 0)
    lower = a.tril(-1) + unit[:, :n]
    for i in range(t.shape[-1] - 1, -1, -1):
        v = lower[..., :, i : i + 1]
        found = found - t[..., i : i + 1].unsqueeze(-1) * (v @ (v.mT @ found))
    return found


# ---- powers and products ---------------------------------------------------------------------


@refuse_out
def matrix_power(A: Any, n: int) -> Tensor:
    """Return square matrices multiplied n times; of n below 0 the inverses.

    Raises:
        LinAlgError: n is below 0, and a matrix has no inverse.
        ShapeError: they are not square.
    """
    x, n = as_tensor(A), as_int(n, "linalg.matrix_power: n")
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"linalg.matrix_power: matrices of shape {x.shape} are not square")
    if n < 0:
        x, n = call_as("linalg.matrix_power", inv, x), -n
    if not n:
        flat = constant(x.shape, True, bool_, "matrix_power")
        return x.masked_fill(flat, 0) + identity(x.shape[-1], x)
    found: Any = None
    while n:
        if n & 1:
            found = x if found is None else found @ x
        n >>= 1
        x = x @ x if n else x
    return found


@refuse_out
def matrix_exp(A: Any) -> Tensor:
    """Return exp of square matrices: 1 + A + A^2 / 2 + ..., by a Taylor sum of A / 2^s, squared.

    It is computed in float64.

    Raises:
        ShapeError: they are not square.
    """
    a = square(A, "linalg.matrix_exp")
    if not a.numel():
        return a.clone()
    kind, a = a.dtype, cast(a, float64)
    size = float(a.detach().abs().sum(-2).amax())
    squarings = max(0, math.ceil(math.log2(size)) + 1) if 0 < size < math.inf else 0
    x = a * 2.0**-squarings
    unit = identity(a.shape[-1], a).expand(a.shape)
    found = unit
    for k in range(18, 0, -1):  # of norm 1/2 the rest is below 2**-72
        found = unit + (x @ found) * (1 / k)
    for _ in range(squarings):
        found = found @ found
    return cast(found, kind)


@refuse_out
def multi_dot(tensors: Any) -> Tensor:
    """Return the product of matrices, in the order of the fewest multiplications.

    The first and the last may be vectors.

    Raises:
        ShapeError: the shapes do not fit.
    """
    return call_as("linalg.multi_dot", product_of, tensors)


@refuse_out
def cross(input: Any, other: Any, *, dim: int = -1) -> Tensor:
    """Return the cross product of vectors of three along an axis.

    Raises:
        ShapeError: the axis has not size 3, or the shapes cannot be broadcast.
    """
    left, right = as_tensor(input), as_tensor(other)
    if left.ndim != right.ndim:
        raise ShapeError(f"linalg.cross: shapes {left.shape}, {right.shape} differ in their axes")
    x, y = same_pair("linalg.cross", left, right)
    return crossed(x, y, axis_of(dim, x.ndim, "linalg.cross"), "linalg.cross")


@refuse_out
def vecdot(x: Any, y: Any, *, dim: int = -1) -> Tensor:
    """Return sums of products along an axis, the shapes broadcast.

    Raises:
        ShapeError: the shapes cannot be broadcast.
    """
    a, b = same_pair("linalg.vecdot", x, y)
    return cast((a * b).sum(axis_of(dim, a.ndim, "linalg.vecdot")), a.dtype)


@refuse_out
def matmul(input: Any, other: Any) -> Tensor:
    """Return input @ other."""
    return call_as("linalg.matmul", as_tensor(input).matmul, other)


@refuse_out
def outer(input: Any, vec2: Any) -> Tensor:
    """Return the matrix of a[i] b[j]."""
    return call_as("linalg.outer", as_tensor(input).outer, vec2)


@refuse_out
def tensordot(a: Any, b: Any, dims: Any = 2) -> Tensor:
    """Return sums of products over axes; as the module-level `tensordot`."""
    from .contraction import tensordot as contract

    return call_as("linalg.tensordot", contract, a, b, dims)


def matrix_transpose(A: Any) -> Tensor:
    """Return the last two axes swapped, a view."""
    return as_tensor(A).mT


def trace(A: Any) -> Tensor:
    """Return the sums of diagonals of matrices (..., m, n)."""
    return diagonal(A).sum(-1)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return diagonals of matrices, by default of the last two axes; as `diagonal`."""
    return as_tensor(A).diagonal(offset, dim1, dim2)


@refuse_out
def vander(x: Any, *, N: Any = None) -> Tensor:
    """Return the powers x^0 .. x^(N - 1) of vectors along a new last axis.

    Raises:
        ValueError: N is not above 1.
    """
    x = as_tensor(x)
    x = x if x.ndim else x.reshape(1)
    count = x.shape[-1] if N is None else as_int(N, "linalg.vander: N")
    if N is not None and count <= 1:
        raise ArgumentError(f"linalg.vander: N is above 1, not {count}")
    x = x if x.is_floating_point() else cast(x, int64)
    if not count:
        return x.unsqueeze(-1)[..., :0]
    ones = x.detach() * 0 + 1
    wide = stack([ones, *[x] * (count - 1)], -1)
    return wide.cumprod(-1)


# ---- norms of matrices -----------------------------------------------------------------------


def nuclear_norm(x: Any, dim: Any, keep: Any) -> Any:
    """Return the sum of the singular values of matrices."""
    axes = (-2, -1) if dim is None else dim
    return matrix_norm(x, "nuc", axes, keep)


@refuse_out
def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: Any = False, *, dtype: Any = None
) -> Tensor:
    """Return norms of matrices, which two axes hold.

    Args:
        ord: "fro" for the root of the sum of squares; "nuc" for the sum of singular values; 2 and
            -2 for the largest and smallest of these; 1, -1 of sums of sizes along rows, inf, -inf
            along columns.

    Raises:
        ShapeError: dim are not two axes.
        ValueError: ord is another.
    """
    x = as_tensor(A)
    x = x if dtype is None else cast(x, as_dtype(dtype))
    if not x.is_floating_point():
        raise DTypeError(f"linalg.matrix_norm: is for floats, not {x.dtype.name}")
    axes = axes_of(as_tuple(dim), x.ndim, "linalg.matrix_norm")
    if len(axes) != 2:
        raise ShapeError(f"linalg.matrix_norm: a matrix has two axes, not {dim}")
    if ord == "fro":
        return norm_over(x, 2.0, axes, keepdim)
    if ord not in ("nuc", 2, -2, 1, -1, math.inf, -math.inf):
        raise ArgumentError(f"linalg.matrix_norm: there is no order {ord!r}")
    x = x.movedim(axes, (-2, -1))
    if ord == "nuc" or abs(ord) == 2:
        values = call_as("linalg.matrix_norm", svdvals, x)
        if not values.shape[-1] and ord != "nuc":
            raise ShapeError(f"linalg.matrix_norm: matrices of shape {x.shape} have no elements")
        found = values.sum(-1) if ord == "nuc" else ends(values, ord > 0)
    else:
        found = ends(x.abs().sum(-2 if abs(ord) == 1 else -1), ord > 0)
    if keepdim:
        for axis in sorted(axes):
            found = found.unsqueeze(axis)
    return found


def ends(x: Any, largest: bool) -> Any:
    """Return the largest or smallest along the last axis."""
    return call_as("linalg.matrix_norm", x.amax if largest else x.amin, -1)


@refuse_out
def norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: Any = False, *, dtype: Any = None
) -> Tensor:
    """Return norms of vectors, or, of two axes and an order, of matrices.

    Raises:
        ShapeError: a norm of matrices has not two axes.
        ValueError: there is no such order.
    """
    x = as_tensor(A)
    if ord is None:
        return call_as("linalg.norm", vector_norm, x, 2, dim, keepdim, dtype=dtype)
    count = x.ndim if dim is None else len(as_tuple(dim))
    if count == 1 or (count != 2 and not isinstance(ord, str)):
        if dim is None and count != 1:
            raise ShapeError(f"linalg.norm: order {ord} is of vectors and matrices, not {x.shape}")
        return call_as("linalg.norm", vector_norm, x, ord, dim, keepdim, dtype=dtype)
    axes = (-2, -1) if dim is None else dim
    if dim is None and x.ndim != 2:
        raise ShapeError(f"linalg.norm: order {ord!r} is of matrices, not shape {x.shape}")
    return call_as("linalg.norm", matrix_norm, x, ord, axes, keepdim, dtype=dtype)


@refuse_out
def cond(A: Any, p: Any = None) -> Tensor:
    """Return the condition numbers of matrices: |A| |A^-1|, p the order of the norm, by default 2.

    Raises:
        ShapeError: they are no matrices, or for other orders than 2 not square.
    """
    a = matrix(A, "linalg.cond")
    if p is None or p in (2, -2):
        values = svdvals(a)
        if not values.shape[-1]:
            return zeros_in(tuple(a.shape[:-2]), a)
        first, last = values[..., 0], values[..., -1]
        return first / last if p is None or p == 2 else last / first
    a = square(a, "linalg.cond")
    if not a.shape[-1]:
        return zeros_in(tuple(a.shape[:-2]), a)
    other, info = inv_ex(a)
    found = matrix_norm(a, p) * matrix_norm(other, p)
    return found.masked_fill(info.ne(0), math.inf)


class LinearAlgebraMethods(Attributes):
    """Methods of matrices."""

    __slots__ = ()

    def inverse(self: Any) -> Tensor:
        """Return `linalg.inv`."""
        return inv(self)

    def det(self: Any) -> Tensor:
        """Return `linalg.det`."""
        return det(self)

    def logdet(self: Any) -> Tensor:
        """Return the logarithms of determinants; NaN of negative ones.

        Raises:
            ShapeError: the matrices are not square.
        """
        sign, log = slogdet(self)
        return log.masked_fill(sign.lt(0), math.nan)

    def slogdet(self: Any) -> SignLog:
        """Return `linalg.slogdet`."""
        return slogdet(self)

    def cholesky(self: Any, upper: bool = False) -> Tensor:
        """Return `linalg.cholesky`."""
        return cholesky(self, upper=upper)

    def cholesky_solve(self: Any, input2: Any, upper: bool = False) -> Tensor:
        """Return X with A X = self, A given by its triangle input2 of `cholesky`.

        Raises:
            ShapeError: the shapes do not fit.
        """
        factor = matrix(input2, "cholesky_solve")
        lower = factor.triu().mT if upper else factor.tril()
        half = call_as("cholesky_solve", solve, lower, self)
        return call_as("cholesky_solve", solve, lower.mT, half)

    def cholesky_inverse(self: Any, upper: bool = False) -> Tensor:
        """Return the inverse of the matrix with this triangle of `cholesky`.

        Raises:
            ShapeError: it is not square.
        """
        factor = square(self, "cholesky_inverse")
        lower = factor.triu().mT if upper else factor.tril()
        half = call_as("cholesky_inverse", inv, lower)
        return half.mT @ half

    def qr(self: Any, some: bool = True) -> OrthogonalParts:
        """Return `linalg.qr`, with some=False the complete one."""
        return qr(self, "reduced" if some else "complete")

    def svd(self: Any, some: bool = True, compute_uv: bool = True) -> SingularParts:
        """Return (U, S, V) of `linalg.svd`; V, not its transpose.

        Args:
            some: whether U and V are reduced.
            compute_uv: False for zeros in place of U and V.
        """
        u, s, vh = svd(self, not some)
        if not compute_uv:
            m, n = self.shape[-2:]
            batch = tuple(self.shape[:-2])
            return SingularParts(zeros_in((*batch, m, m), s), s, zeros_in((*batch, n, n), s))
        return SingularParts(u, s, vh.mT)

    def pinverse(self: Any, rcond: Any = 1e-15) -> Tensor:
        """Return `linalg.pinv`."""
        return pinv(self, rtol=rcond)

    def matrix_power(self: Any, n: int) -> Tensor:
        """Return `linalg.matrix_power`."""
        return matrix_power(self, n)

    def matrix_exp(self: Any) -> Tensor:
        """Return `linalg.matrix_exp`."""
        return matrix_exp(self)

    def triangular_solve(
        self: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False
    ) -> tuple[Any, Any]:
        """Return (X, A) with A X = self, of a triangle of A.

        Raises:
            ShapeError: the shapes do not fit.
        """
        a = as_tensor(A)
        if transpose:
            found = solve_triangular(a.mT, self, upper=not upper, unitriangular=unitriangular)
        else:
            found = solve_triangular(a, self, upper=upper, unitriangular=unitriangular)
        return found, a.clone()
