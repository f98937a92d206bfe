"""Factors and solutions of matrices by NumPy's LAPACK, with gradients.

LAPACK rounds in the order of the library that NumPy was built with: these results are outside of
the promise that every machine computes the same bits. Gradients are formulas of the package's ops
and of these functions, so that they can be differentiated in turn. What takes float16 and bfloat16
computes in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DTypeError, MicrogradError, ShapeError
from .conversion import as_tensor
from .dtypes import HALVES
from .function import Function
from .leaves import blank, constant
from .sorting import array_of, of_array

__all__ = ["LinAlgError", "matrix", "square"]


class LinAlgError(MicrogradError, RuntimeError):
    """A matrix that has no such factors, or no inverse."""


def matrix(x: Any, what: str) -> Any:
    """Return a tensor of matrices (..., m, n) of float32 or float64."""
    x = as_tensor(x)
    if x.ndim < 2:
        raise ShapeError(f"{what}: a matrix has two axes at least, not shape {x.shape}")
    if not x.is_floating_point() or x.dtype in HALVES:
        raise DTypeError(f"{what}: is for float32 and float64, not {x.dtype.name}: cast it first")
    return x


def square(x: Any, what: str) -> Any:
    """Return a tensor of square matrices (..., n, n) of float32 or float64."""
    x = matrix(x, what)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{what}: matrices of shape {x.shape} are not square")
    return x


def called(what: str, call: Callable[..., Any], *arrays: Any, **options: Any) -> Any:
    """Call a function of numpy.linalg; what it refuses is a LinAlgError here."""
    import numpy

    try:
        return call(*arrays, **options)
    except numpy.linalg.LinAlgError as error:
        raise LinAlgError(f"{what}: {str(error).lower()}") from None


def tensor_of(array: Any, like: Any) -> Any:
    """Return an ndarray as a tensor of another's type."""
    import numpy

    return of_array(numpy.asarray(array, like.dtype.name))


def identity(count: int, like: Any) -> Any:
    """Return a unit matrix of another tensor's type."""
    return constant((count,), 1, like.dtype, "identity").diag_embed()


def lower_half(x: Any) -> Any:
    """Return the lower triangle with half of the diagonal."""
    return x.tril() - (x.diagonal(0, -2, -1) * 0.5).diag_embed()


# ---- with gradients --------------------------------------------------------------------------


class Inverse(Function):
    """X with X A = 1."""

    @staticmethod
    def forward(ctx: Any, a: Any, what: str) -> Any:
        import numpy

        x = tensor_of(called(what, numpy.linalg.inv, array_of(a)), a)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return (x.mT @ g @ x.mT).neg(), None


class Solve(Function):
    """X with A X = B, of matrices with the same leading axes."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any, what: str) -> Any:
        import numpy

        x = tensor_of(called(what, numpy.linalg.solve, array_of(a), array_of(b)), a)
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        a, x = ctx.saved_tensors
        to_b = Solve.apply(a.mT, g, "linalg.solve")
        return (to_b @ x.mT).neg(), to_b, None


class Determinant(Function):
    """The determinant of a square matrix."""

    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        import numpy

        y = tensor_of(numpy.linalg.det(array_of(a)), a)
        ctx.save_for_backward(a, y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        a, y = ctx.saved_tensors
        g = g.reshape((*g.shape, 1, 1))
        if bool((y.abs() > 0).all()):
            try:
                return g * y.reshape(g.shape) * Inverse.apply(a, "linalg.det").mT
            except LinAlgError:
                pass
        return g * cofactors(a)


def cofactors(a: Any) -> Any:
    """Return the derivative of the determinant of a matrix without an inverse."""
    import numpy

    u, s, v = numpy.linalg.svd(array_of(a))
    count = s.shape[-1]
    others = [numpy.prod(numpy.delete(s, i, -1), axis=-1) for i in range(count)]
    scale = numpy.stack(others, -1) if count else s
    turn = numpy.linalg.det(u) * numpy.linalg.det(v)
    return tensor_of((u * scale[..., None, :]) @ v * turn[..., None, None], a)


class LogDeterminant(Function):
    """The sign and the logarithm of the size of a determinant."""

    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        import numpy

        sign, log = numpy.linalg.slogdet(array_of(a))
        sign, log = tensor_of(sign, a), tensor_of(log, a)
        ctx.save_for_backward(a)
        return sign, log

    @staticmethod
    def backward(ctx: Any, _: Any, g: Any) -> Any:
        (a,) = ctx.saved_tensors
        return g.reshape((*g.shape, 1, 1)) * Inverse.apply(a, "linalg.slogdet").mT


class Cholesky(Function):
    """The lower triangle L with L L^T = A, of a symmetric matrix; A's lower triangle is read."""

    @staticmethod
    def forward(ctx: Any, a: Any, what: str) -> Any:
        import numpy

        factor = tensor_of(called(what, numpy.linalg.cholesky, array_of(a)), a)
        ctx.save_for_backward(factor)
        return factor

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (factor,) = ctx.saved_tensors
        middle = lower_half(factor.mT @ g)
        whole = (middle + middle.mT) * 0.5
        left = Solve.apply(factor.mT, whole, "linalg.cholesky")
        return Solve.apply(factor.mT, left.mT, "linalg.cholesky").mT, None


class SymmetricEigen(Function):
    """The eigenvalues, in rising order, and eigenvectors of a symmetric matrix."""

    @staticmethod
    def forward(ctx: Any, a: Any, half: str, what: str) -> Any:
        import numpy

        values, vectors = called(what, numpy.linalg.eigh, array_of(a), UPLO=half)
        values, vectors = tensor_of(values, a), tensor_of(vectors, a)
        ctx.save_for_backward(values, vectors)
        return values, vectors

    @staticmethod
    def backward(ctx: Any, to_values: Any, to_vectors: Any) -> Any:
        values, vectors = ctx.saved_tensors
        inner = vectors.mT @ to_vectors
        apart = values.unsqueeze(-2) - values.unsqueeze(-1)
        inner = over_gaps((inner - inner.mT) * 0.5, apart) + to_values.diag_embed()
        return vectors @ inner @ vectors.mT, None, None


def over_gaps(x: Any, apart: Any) -> Any:
    """Return x / differences, 0 on the diagonal and where x is 0, however small they are."""
    nothing = identity(apart.shape[-1], apart).ne(0).logical_or(x.detach().eq(0))
    return x.masked_fill(nothing, 0.0) / apart.masked_fill(nothing, 1.0)


class SingularValues(Function):
    """U, S, V^T with U diag(S) V^T = A and S falling; U and V^T without the rows of zeros."""

    @staticmethod
    def forward(ctx: Any, a: Any, what: str) -> Any:
        import numpy

        found = called(what, numpy.linalg.svd, array_of(a), full_matrices=False)
        u, s, vh = (tensor_of(part, a) for part in found)
        ctx.save_for_backward(u, s, vh)
        return u, s, vh

    @staticmethod
    def backward(ctx: Any, to_u: Any, to_s: Any, to_vh: Any) -> Any:
        u, s, vh = ctx.saved_tensors
        v, to_v = vh.mT, to_vh.mT
        m, n, k = u.shape[-2], v.shape[-2], s.shape[-1]
        gaps = (s * s).unsqueeze(-2) - (s * s).unsqueeze(-1)
        turn_u, turn_v = u.mT @ to_u, v.mT @ to_v
        row, column = s.unsqueeze(-2), s.unsqueeze(-1)
        inner = over_gaps(turn_u - turn_u.mT, gaps) * row
        inner = inner + column * over_gaps(turn_v - turn_v.mT, gaps)
        found = u @ (inner + to_s.diag_embed()) @ vh
        if m > k:
            found = found + ((to_u - u @ turn_u) / row) @ vh
        if n > k:
            found = found + (u / row) @ (to_v - v @ turn_v).mT
        return found, None


class Orthogonal(Function):
    """Q with orthonormal columns and an upper triangle R with Q R = A, both reduced."""

    @staticmethod
    def forward(ctx: Any, a: Any, what: str) -> Any:
        import numpy

        q, r = (tensor_of(part, a) for part in called(what, numpy.linalg.qr, array_of(a)))
        ctx.save_for_backward(q, r)
        return q, r

    @staticmethod
    def backward(ctx: Any, to_q: Any, to_r: Any) -> Any:
        q, r = ctx.saved_tensors
        m, n = q.shape[-2], r.shape[-1]
        if m >= n:
            return tall_gradient(q, r, to_q, to_r), None
        left, right = r[..., :, :m], r[..., :, m:]
        rest = to_r[..., :, m:]
        to_left = tall_gradient(q, left, to_q + (q @ right) @ rest.mT, to_r[..., :, :m])
        from .joining import cat

        return cat([to_left, q @ rest], -1), None


def tall_gradient(q: Any, r: Any, to_q: Any, to_r: Any) -> Any:
    """Return the gradient of a matrix with no more columns than rows from those of its QR."""
    inner = r @ to_r.mT - to_q.mT @ q
    lower = inner.tril(-1)
    whole = lower + lower.mT + inner.diagonal(0, -2, -1).diag_embed()
    return Solve.apply(r, (to_q + q @ whole).mT, "linalg.qr").mT


class PseudoInverse(Function):
    """The Moore-Penrose inverse, singular values below a limit taken as 0; of constant rank."""

    @staticmethod
    def forward(ctx: Any, a: Any, limits: Any, symmetric: bool) -> Any:
        import numpy

        x = array_of(a.tril() + a.tril(-1).mT if symmetric else a)
        u, s, vh = called("linalg.pinv", numpy.linalg.svd, x, full_matrices=False)
        kept = s > limits(s)
        inverse = numpy.where(kept, 1 / numpy.where(kept, s, 1), 0)
        v, uh = (numpy.swapaxes(part, -1, -2) for part in (vh, u))
        p = tensor_of(v @ (inverse[..., None] * uh), a)
        ctx.save_for_backward(a, p)
        return p

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        a, p = ctx.saved_tensors
        m, n = a.shape[-2:]
        found = (p.mT @ g @ p.mT).neg()
        found = found + (identity(m, a) - a @ p) @ g.mT @ (p @ p.mT)
        return found + (p.mT @ p) @ g.mT @ (identity(n, a) - p @ a), None, None


def zeros_in(shape: tuple[int, ...], like: Any) -> Any:
    """Return zeros of another tensor's type."""
    return blank(shape, like.dtype, "linalg")
