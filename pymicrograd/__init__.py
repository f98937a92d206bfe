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
        "no_grad", "set_grad_enabled", "set_isa", "set_memory_limit", "set_num_threads",
    ),
    "arithmetic": ("ieee", "set_errors"),
    "autograd": ("grad",),
    "data": ("gen_data", "gen_data_linear", "gen_data_moons", "gen_data_yinyang", "split"),
    "nn": (
        "MLP", "Layer", "Module", "Neuron", "cross_entropy", "functional", "margin_loss",
        "mse_loss",
    ),
    "optim": ("SGD", "Adam", "AdamW"),
    "pictures.graphs": ("draw_dot", "to_dot", "to_mermaid", "trace", "vis_color"),
    "pictures.modules": ("summary",),
    "random": (
        "RNG", "Generator", "get_rng_state", "initial_seed", "manual_seed", "seed",
        "set_rng_state",
    ),
    "saving.objects": ("load", "save"),
    "tensors.aliases": ("bool", "double", "float", "half", "int", "long"),
    "tensors.conversion": ("as_tensor",),
    "tensors.creation": (
        "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones",
        "ones_like", "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "zeros",
        "zeros_like",
    ),
    "tensors.devices": ("device",),
    "tensors.dtypes": (
        "bool_", "dtype", "float16", "float32", "float64", "int32", "int64", "uint8",
    ),
    "tensors.function": ("Function",),
    "tensors.functions": (
        "abs", "acos", "acosh", "add", "all", "allclose", "amax", "amin", "any", "argmax", "argmin",
        "asin", "asinh", "atan", "atanh", "bitwise_and", "bitwise_left_shift", "bitwise_not",
        "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bmm", "broadcast_to", "ceil", "chunk",
        "clamp", "clamp_max", "clamp_min", "clip", "clone", "cos", "cosh", "count_nonzero",
        "cumsum", "detach", "diag", "diag_embed", "diagonal", "div", "dot", "eq", "equal", "erf",
        "exp", "exp2", "expm1", "flatten", "flip", "floor", "floor_divide", "gather", "ge", "gt",
        "index_add", "index_select", "is_floating_point", "isclose", "isfinite", "isinf", "isnan",
        "le", "log", "log1p", "log2", "log_softmax", "logical_and", "logical_not", "logical_or",
        "logical_xor", "logsumexp", "lt", "masked_fill", "masked_select", "matmul", "max",
        "maximum", "mean", "min", "minimum", "mm", "moveaxis", "movedim", "mul", "mv", "narrow",
        "ne", "neg", "nonzero", "numel", "outer", "permute", "pow", "prod", "ravel", "reciprocal",
        "relu", "remainder", "reshape", "roll", "round", "rsqrt", "scatter_add", "select",
        "sigmoid", "sign", "sin", "sinh", "softmax", "sqrt", "square", "squeeze", "std", "sub",
        "sum", "swapaxes", "swapdims", "t", "take_along_dim", "tan", "tanh", "tile", "transpose",
        "trunc", "unbind", "unflatten", "unsqueeze", "var", "where",
    ),
    "tensors.interchange": ("from_dlpack", "from_numpy", "tensor"),
    "tensors.joining": ("cat", "stack"),
    "tensors.leaves": ("tril", "triu"),
    "tensors.printing": ("set_printoptions",),
    "tensors.sizes": ("Size",),
    "tensors.tensor": ("Tensor",),
    "value": ("Value",),
}  # fmt: skip
# The modules that are imported when their name is first used, in `docs/names.md` and besides.
PUBLIC_MODULES = (
    "autograd", "data", "engine", "errors", "func", "llm101n", "microgpt", "micrograd", "nn",
    "optim", "pictures", "random", "reference", "saving", "utils",
)  # fmt: skip
MODULES = (
    *PUBLIC_MODULES, "arithmetic", "cli", "contexts", "copies", "files", "function", "lazy",
    "losses", "modules", "networks", "recording", "scalars", "tensors", "value",
)  # fmt: skip

# What `import *` gives: of modules those that hide no other, of names those that hide none of
# Python's, such as sum() and float().
__all__ = sorted(
    {"autograd", "func", "nn", "optim"}.union(*HOMES.values()).difference(dir(builtins))
)
# What PyTorch has and this package has under another name, or not at all.
INSTEAD = {
    "bfloat16": "the narrow type of floats is float16",
    "cdouble": "there are no complex numbers",
    "cfloat": "there are no complex numbers",
    "complex128": "there are no complex numbers",
    "complex64": "there are no complex numbers",
    "cuda": "the only device is 'cpu'; leave .cuda() and .to('cuda') out",
    "int16": "the types of integers are uint8, int32 and int64",
    "int8": "the types of integers are uint8, int32 and int64",
    "mps": "the only device is 'cpu'",
    "short": "the types of integers are uint8, int32 and int64",
    "var_mean": "write x.var(), x.mean()",
    "std_mean": "write x.std(), x.mean()",
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
    if name.startswith("_"):  # what Python and its tools ask for
        return ""
    import difflib

    names = {*PUBLIC_MODULES, *__all__}.union(*HOMES.values())
    near = difflib.get_close_matches(name, names, 3, 0.7)
    return f"; there is {', '.join(near)}" if near else ""


def __dir__():
    return sorted({*globals(), *PUBLIC_MODULES}.union(__all__, *HOMES.values()))
