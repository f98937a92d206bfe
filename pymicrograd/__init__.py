"""micrograd on a C core: the same digits as pure Python, much sooner; and tensors on its graph.

    from pymicrograd import Tensor, Value

`pymicrograd.reference` is the same engine in pure Python, the definition of every number. Public
names are imported when they are first used, so that neither engine loads the other, or NumPy.
"""

from __future__ import annotations

import builtins
import importlib

__version__ = "0.1.0"

# The public names, by the module that they are imported from. After a change run tools/names.py,
# which writes `__init__.pyi`, all that type checkers read, and `docs/names.md`.
HOMES = {
    "_core": (
        "build_info", "enable_grad", "get_num_threads", "is_grad_enabled", "isa", "memory_usage",
        "no_grad", "set_grad_enabled", "set_isa", "set_math",
        "set_memory_limit", "set_num_threads",
    ),
    "amp": ("GradScaler", "autocast"),
    "arithmetic": ("get_math", "ieee", "set_errors"),
    "autograd": ("grad",),
    "choices": ("at", "largest"),
    "data": ("gen_data", "gen_data_linear", "gen_data_moons", "gen_data_yinyang", "split"),
    "func": ("vmap",),
    "nn": (
        "MLP", "Layer", "Module", "Neuron", "cross_entropy", "functional", "margin_loss",
        "mse_loss",
    ),
    "nn.functional": (
        "adaptive_avg_pool1d", "avg_pool1d", "bilinear", "celu", "celu_", "channel_shuffle",
        "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
        "cosine_similarity", "group_norm", "layer_norm", "max_pool1d",
        "max_pool2d", "max_pool3d", "pairwise_distance", "pixel_shuffle", "pixel_unshuffle",
        "rms_norm", "rrelu", "rrelu_", "selu", "selu_", "threshold", "threshold_",
    ),
    "nn.functional.native": (
        "alpha_dropout", "batch_norm", "dropout", "dropout_", "embedding", "feature_alpha_dropout",
        "instance_norm",
    ),
    "optim": ("SGD", "Adam", "AdamW"),
    "pictures.graphs": ("draw_dot", "to_dot", "to_mermaid", "trace", "vis_color"),
    "pictures.modules": ("summary",),
    "programs": ("Program", "compile"),
    "random": (
        "RNG", "Generator", "get_rng_state", "initial_seed", "manual_seed", "seed",
        "set_rng_state",
    ),
    "saving.objects": ("load", "save"),
    "tensors.aliases": ("bool", "double", "float", "half", "int", "long", "short"),
    "tensors.arrangement": (
        "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes",
        "broadcast_tensors", "cartesian_prod", "column_stack", "combinations", "concat",
        "concatenate", "constant_pad_nd", "dstack", "hstack", "imag", "meshgrid", "real",
        "row_stack", "tril_indices", "triu_indices", "unravel_index", "vander", "vstack",
    ),
    "tensors.constructors": (
        "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor",
        "HalfTensor", "IntTensor", "LongTensor", "ShortTensor",
    ),
    "tensors.constants": ("e", "inf", "nan", "newaxis", "pi"),
    "tensors.contraction": ("chain_matmul", "einsum", "tensordot"),
    "tensors.conversion": ("as_tensor",),
    "tensors.creation": (
        "arange", "asarray", "empty", "empty_like", "empty_permuted", "empty_strided", "eye",
        "full", "full_like", "linspace", "logspace", "ones", "ones_like", "rand", "rand_like",
        "randint", "randn", "randn_like", "randperm", "scalar_tensor", "zeros", "zeros_like",
    ),
    "tensors.devices": ("device",),
    "tensors.dtypes": (
        "bfloat16", "bool_", "dtype", "float16", "float32", "float64", "int16", "int32", "int64",
        "int8", "uint8",
    ),
    "tensors.function": ("Function",),
    "tensors.functions": (
        "abs", "abs_", "absolute", "acos", "acos_", "acosh", "acosh_", "add", "addbmm", "addcdiv",
        "addcmul", "addmm", "addmv", "addmv_", "addr", "adjoint", "alias_copy", "all", "allclose",
        "amax", "amin", "aminmax", "angle", "any", "arccos", "arccos_", "arccosh", "arccosh_",
        "arcsin", "arcsin_", "arcsinh", "arcsinh_", "arctan", "arctan2", "arctan_", "arctanh",
        "arctanh_", "argmax", "argmin", "argsort", "argwhere", "as_strided", "as_strided_copy",
        "asin", "asin_", "asinh", "asinh_", "atan", "atan2", "atan_", "atanh", "atanh_", "baddbmm",
        "bernoulli", "bincount", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
        "bitwise_right_shift", "bitwise_xor", "bmm", "broadcast_to", "ceil", "ceil_", "cholesky",
        "cholesky_inverse", "cholesky_solve", "chunk", "clamp", "clamp_", "clamp_max", "clamp_max_",
        "clamp_min", "clamp_min_", "clip", "clip_", "clone", "conj", "conj_physical", "conjugate",
        "copysign", "corrcoef", "cos", "cos_", "cosh", "cosh_", "count_nonzero", "cov", "cross",
        "cummax", "cummin", "cumprod", "cumsum", "deg2rad", "deg2rad_", "det", "detach", "detach_",
        "detach_copy", "diag", "diag_embed", "diagflat", "diagonal", "diagonal_copy",
        "diagonal_scatter", "diff", "digamma", "dist", "div", "divide", "dot", "dsplit", "eq",
        "equal", "erf", "erf_", "erfc", "erfc_", "erfinv", "exp", "exp2", "exp2_", "exp_",
        "expand_copy", "expm1", "expm1_", "fill", "fill_", "fix", "fix_", "flatten", "flip",
        "fliplr", "flipud", "float_power", "floor", "floor_", "floor_divide", "fmax", "fmin",
        "fmod", "frac", "frac_", "frexp", "gather", "gcd", "gcd_", "ge", "ger", "get_device",
        "greater", "greater_equal", "gt", "heaviside", "histc", "histogram", "hsplit", "hypot",
        "i0", "i0_", "igamma", "igammac", "index_add", "index_copy", "index_fill", "index_put",
        "index_put_", "index_reduce", "index_select", "inner", "inverse", "is_complex", "is_conj",
        "is_floating_point", "is_inference", "is_neg", "is_nonzero", "is_same_size", "is_signed",
        "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "isreal", "kron",
        "kthvalue", "lcm", "lcm_", "ldexp", "ldexp_", "le", "lerp", "less", "less_equal", "lgamma",
        "log", "log10", "log10_", "log1p", "log1p_", "log2", "log2_", "log_", "log_softmax",
        "logaddexp", "logaddexp2", "logcumsumexp", "logdet", "logical_and", "logical_not",
        "logical_or", "logical_xor", "logit", "logit_", "logsumexp", "lt", "masked_fill",
        "masked_scatter", "masked_select", "matmul", "matrix_exp", "matrix_power", "max", "maximum",
        "mean", "median", "min", "minimum", "mm", "mode", "moveaxis", "movedim", "msort", "mul",
        "multinomial", "multiply", "mv", "mvlgamma", "nan_to_num", "nan_to_num_", "nanmean",
        "nanmedian", "nanquantile", "nansum", "narrow", "narrow_copy", "ne", "neg", "neg_",
        "negative", "negative_", "nextafter", "nonzero", "nonzero_static", "norm", "not_equal",
        "numel", "outer", "permute", "permute_copy", "pinverse", "positive", "pow", "prod", "put",
        "qr", "quantile", "rad2deg", "rad2deg_", "ravel", "reciprocal", "reciprocal_", "relu",
        "relu_", "remainder", "renorm", "repeat_interleave", "reshape", "resolve_conj",
        "resolve_neg", "roll", "rot90", "round", "round_", "rsqrt", "rsqrt_", "rsub", "scatter",
        "scatter_add", "scatter_reduce", "select", "select_scatter", "sgn", "sigmoid", "sigmoid_",
        "sign", "signbit", "sin", "sin_", "sinc", "sinc_", "sinh", "sinh_", "slice_scatter",
        "slogdet", "softmax", "sort", "split_with_sizes", "split_with_sizes_copy", "sqrt", "sqrt_",
        "square", "square_", "squeeze", "squeeze_copy", "std", "std_mean", "sub", "subtract", "sum",
        "svd", "swapaxes", "swapdims", "t", "t_copy", "take", "take_along_dim", "tan", "tan_",
        "tanh", "tanh_", "tensor_split", "tile", "topk", "transpose", "transpose_copy",
        "triangular_solve", "true_divide", "trunc", "trunc_", "unbind", "unbind_copy", "unflatten",
        "unfold_copy", "unique", "unique_consecutive", "unsafe_chunk", "unsafe_split", "unsqueeze",
        "unsqueeze_copy", "var", "var_mean", "vdot", "view_copy", "vsplit", "where", "xlogy",
        "xlogy_", "zero_",
    ),
    "tensors.interchange": ("from_dlpack", "from_numpy", "frombuffer", "tensor"),
    "tensors.joining": ("cat", "stack"),
    "tensors.kinds": (
        "are_deterministic_algorithms_enabled", "can_cast", "finfo",
        "get_default_device", "get_default_dtype", "get_float32_matmul_precision",
        "get_num_interop_threads", "iinfo", "inference_mode", "is_inference_mode_enabled",
        "is_storage", "is_tensor", "promote_types", "result_type", "set_default_device",
        "set_default_dtype", "set_default_tensor_type", "set_float32_matmul_precision",
        "set_num_interop_threads", "typename", "use_deterministic_algorithms",
    ),
    "tensors.layouts": (
        "channels_last", "channels_last_3d", "contiguous_format", "layout", "memory_format",
        "preserve_format", "strided",
    ),
    "tensors.leaves": ("tril", "triu"),
    "tensors.norms": ("cdist", "pdist"),
    "tensors.numpy_names": (
        "append", "degrees", "iscomplex", "iscomplexobj", "partition", "radians", "real_if_close",
        "rollaxis",
    ),
    "tensors.printing": ("set_printoptions",),
    "tensors.sampling": ("normal", "poisson", "randint_like"),
    "tensors.sizes": ("Size",),
    "tensors.sorting": ("bucketize", "isin", "searchsorted"),
    "tensors.special": ("polygamma",),
    "tensors.statistics": ("cumulative_trapezoid", "gradient", "histogramdd", "trapezoid", "trapz"),
    "tensors.tensor": ("Tensor",),
    "tensors.windows": (
        "bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window",
    ),
    "value": ("Value",),
}  # fmt: skip
# The modules that are imported when their name is first used, in `docs/names.md` and besides.
PUBLIC_MODULES = (
    "accelerator", "amp", "array_api", "autograd", "backends", "cuda", "data", "distributed",
    "distributions", "engine", "errors", "fft", "func", "linalg", "llm101n", "microgpt",
    "micrograd", "nn", "optim", "pictures", "programs", "random", "reference", "saving", "special",
    "testing", "utils", "version",
)  # fmt: skip
MODULES = (
    *PUBLIC_MODULES, "arithmetic", "choices", "cli", "contexts", "copies", "files", "function",
    "handles", "lazy", "losses", "modules", "networks", "programs", "recording", "scalars",
    "tensors", "value",
)  # fmt: skip

# What `import *` gives: of modules those that hide no other, of names those that hide none of
# Python's, such as sum() and float(), and do not load what reads archives.
__all__ = sorted(
    {"autograd", "func", "nn", "optim"}.union(*HOMES.values()).difference(
        dir(builtins), HOMES["saving.objects"]
    )
)
# What PyTorch has and this package has under another name, or not at all.
COMPLEX = "there are no complex numbers"
INSTEAD = {
    **dict.fromkeys(
        (
            "cdouble",
            "cfloat",
            "chalf",
            "complex",
            "complex32",
            "complex64",
            "complex128",
            "istft",
            "polar",
            "stft",
            "view_as_complex",
            "view_as_real",
        ),
        COMPLEX,
    ),
    **{
        name: f"functional.{name}, with reduction as text"
        for name in (
            "binary_cross_entropy_with_logits",
            "cosine_embedding_loss",
            "hinge_embedding_loss",
            "kl_div",
            "margin_ranking_loss",
            "poisson_nll_loss",
            "triplet_margin_loss",
        )
    },
    "sparse_coo_tensor": "there are no sparse tensors",
    "default_generator": "random.default_generator() returns it",
    "hub": "nothing is fetched from a network",
    "jit": "programs run as they are",
    "multiprocessing": "DataLoader has num_workers, other programs Python's multiprocessing",
    "profiler": "pictures.summary() tells of a model, Python's profilers of a program",
    "quantization": "types are those of floats and integers",
    "range": "arange(), whose end is left out",
    "sparse": "there are no sparse tensors",
    "xpu": "the only device is 'cpu'",
    "mps": "the only device is 'cpu'",
    "onnx": "pymicrograd.saving writes .npz and .safetensors",
    **dict.fromkeys(
        ("uint16", "uint32", "uint64"),
        "the types of integers are uint8, int8, int16, int32 and int64",
    ),
}


def __getattr__(name):
    if name in MODULES:
        return importlib.import_module(f".{name}", __name__)
    for home, names in HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f".{home}", __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{advice(name)}")


def advice(name):
    """Return what there is in place of a name that there is not, as the end of a sentence."""
    if name in INSTEAD:
        return f": {INSTEAD[name]}"
    from .lazy import near

    return near(name, [*PUBLIC_MODULES, *__all__, *HOMES["saving.objects"]])


def __dir__():
    return sorted({*globals(), *PUBLIC_MODULES}.union(__all__, *HOMES.values()))
