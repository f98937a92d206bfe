"""The array API standard (data-apis.org/array-api, 2024.12) on Tensors of real types.

Programs written for any array library take it from `x.__array_namespace__()`. Functions have the
standard's names, places of arguments and results, which are not always PyTorch's: `sort` returns
elements alone, `std` divides by n. Left out are complex types, the extension `fft`, whose results
are complex, and `x.size`, which is PyTorch's method: `x.numel()` is the number of elements.
Gradients flow as through the package's own functions, which these call. Names are imported when
they are first used.
"""

from ..lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    "creation": (
        "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like",
        "linspace", "meshgrid", "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
    ),
    "elementwise": ("bitwise_invert", "clip", "equal", "sign"),
    "inspection": ("__array_namespace_info__", "astype", "can_cast", "isdtype", "result_type"),
    "manipulation": (
        "broadcast_arrays", "concat", "expand_dims", "flip", "permute_dims", "repeat", "reshape",
        "roll", "squeeze", "stack", "take", "take_along_axis", "tile", "unstack",
    ),
    "order": (
        "argsort", "searchsorted", "sort", "unique_all", "unique_counts", "unique_inverse",
        "unique_values",
    ),
    "products": ("matmul", "matrix_transpose", "tensordot", "vecdot"),
    "reductions": (
        "all", "any", "argmax", "argmin", "count_nonzero", "cumulative_prod", "cumulative_sum",
        "diff", "max", "mean", "min", "nonzero", "prod", "std", "sum", "var",
    ),
    ".tensors.aliases": ("bool",),
    ".tensors.arrangement": ("broadcast_shapes",),
    ".tensors.constants": ("e", "inf", "nan", "newaxis", "pi"),
    ".tensors.dtypes": ("float32", "float64", "int16", "int32", "int64", "int8", "uint8"),
    ".tensors.functions": (
        "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and",
        "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "broadcast_to",
        "ceil", "copysign", "cos", "cosh", "divide", "exp", "expm1", "floor",
        "floor_divide", "greater", "greater_equal", "hypot", "isfinite", "isinf", "isnan", "less",
        "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not",
        "logical_or", "logical_xor", "maximum", "minimum", "moveaxis", "multiply", "negative",
        "nextafter", "not_equal", "positive", "pow", "reciprocal", "remainder", "round", "signbit",
        "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "trunc", "where",
    ),
    ".tensors.kinds": ("finfo", "iinfo"),
}  # fmt: skip

MODULES = ("linalg",)

# What the standard has and this package has not.
COMPLEX = "there are no complex numbers"
INSTEAD = {
    **dict.fromkeys(("complex128", "complex64", "conj", "imag", "real"), COMPLEX),
    "fft": "its results are complex; pymicrograd.fft has what is real",
    **dict.fromkeys(
        ("uint16", "uint32", "uint64"),
        "the types of integers are uint8, int8, int16, int32 and int64",
    ),
}

__all__, __getattr__, __dir__ = names_of(globals(), HOMES, MODULES, INSTEAD)
