"""micrograd on a C core: the same digits as pure Python, much sooner; and tensors on its graph.

    from pymicrograd import Tensor, Value

`pymicrograd.reference` is the same engine in pure Python, the definition of every number. Public
names are imported when they are first used, so that neither engine loads the other, or NumPy.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

# The public names, by the module that they are imported from. After a change run tools/names.py,
# which writes `__init__.pyi`, all that type checkers read, and `docs/names.md`.
HOMES = {
    "_core": (
        "build_info", "enable_grad", "get_num_threads", "is_grad_enabled", "isa", "memory_usage",
        "no_grad", "set_grad_enabled", "set_isa", "set_memory_limit", "set_num_threads",
    ),
    "autograd": ("grad",),
    "data": ("gen_data", "gen_data_linear", "gen_data_moons", "gen_data_yinyang", "split"),
    "nn": (
        "MLP", "Layer", "Module", "Neuron", "cross_entropy", "functional", "margin_loss",
        "mse_loss",
    ),
    "optim": ("SGD", "Adam", "AdamW"),
    "pictures.graphs": ("draw_dot", "to_dot", "to_mermaid", "trace", "vis_color"),
    "random": ("RNG", "manual_seed"),
    "tensors.conversion": ("as_tensor",),
    "tensors.creation": (
        "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones",
        "ones_like", "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "zeros",
        "zeros_like",
    ),
    "tensors.dtypes": (
        "bool_", "dtype", "float16", "float32", "float64", "int32", "int64", "uint8",
    ),
    "tensors.function": ("Function",),
    "tensors.functions": ("maximum", "minimum", "where"),
    "tensors.interchange": ("from_dlpack", "from_numpy", "tensor"),
    "tensors.joining": ("cat", "stack"),
    "tensors.leaves": ("tril", "triu"),
    "tensors.printing": ("set_printoptions",),
    "tensors.tensor": ("Tensor",),
    "value": ("Value",),
}  # fmt: skip
# The modules that are imported when their name is first used, in `docs/names.md` and besides.
PUBLIC_MODULES = (
    "autograd", "data", "engine", "errors", "func", "nn", "optim", "pictures", "random",
    "reference", "saving",
)  # fmt: skip
MODULES = (
    *PUBLIC_MODULES, "cli", "files", "losses", "modules", "networks", "recording", "scalars",
    "tensors", "value",
)  # fmt: skip

__all__ = sorted(  # what `import *` gives: of modules those that hide no other
    ["autograd", "func", "nn", "optim", *[name for names in HOMES.values() for name in names]]
)


def __getattr__(name):
    if name in MODULES:
        return importlib.import_module(f".{name}", __name__)
    for home, names in HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f".{home}", __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__, *PUBLIC_MODULES})
