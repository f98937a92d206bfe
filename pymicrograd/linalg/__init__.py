"""Linear algebra: norms, inverses, solutions and factors of matrices, with gradients.

Factors are LAPACK's, by NumPy, and outside of the promise that every machine computes the same
bits. `eig`, whose results are complex, is left out. Names are imported when they are first used.
"""

from ..lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    ".tensors.linear_algebra": (
        "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eigh",
        "eigvalsh", "householder_product", "inv", "inv_ex", "lstsq", "matmul", "matrix_exp",
        "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "multi_dot", "norm",
        "outer", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd",
        "svdvals", "tensordot", "tensorinv", "tensorsolve", "trace", "vander", "vecdot",
        "vector_norm",
    ),
}  # fmt: skip

# What PyTorch has here and this package has not.
INSTEAD = {
    "eig": "its results are complex, which tensors are not; eigh() is for symmetric matrices",
    "eigvals": "its results are complex, which tensors are not; eigvalsh() is for symmetric ones",
    "lu": "NumPy has no LU factors; solve() and det() use them",
    "lu_factor": "NumPy has no LU factors; solve() uses them",
    "lu_solve": "NumPy has no LU factors; solve() uses them",
}

__all__, __getattr__, __dir__ = names_of(globals(), HOMES, instead=INSTEAD)
