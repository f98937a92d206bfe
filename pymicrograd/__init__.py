"""micrograd on a C core: the same digits as pure Python, much sooner; and tensors on its graph.

    from pymicrograd import Tensor, Value

`pymicrograd.reference` is the same engine in pure Python, the definition of every number. Public
names are imported when they are first used, so that neither engine loads the other, or NumPy.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as type checkers read it; importing typing takes longer than all of this
if TYPE_CHECKING:
    from typing import Any

    from . import autograd, func, nn, optim
    from ._core import (
        build_info,
        get_num_threads,
        isa,
        memory_usage,
        set_isa,
        set_memory_limit,
        set_num_threads,
    )
    from .autograd import grad
    from .data import gen_data, gen_data_linear, gen_data_moons, gen_data_yinyang, split
    from .nn import MLP, Layer, Module, Neuron, cross_entropy, functional, margin_loss, mse_loss
    from .optim import SGD, Adam, AdamW
    from .pictures.graphs import draw_dot, to_dot, to_mermaid, trace, vis_color
    from .random import RNG, manual_seed
    from .recording import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
    from .tensors.conversion import as_tensor
    from .tensors.creation import (
        arange,
        empty,
        empty_like,
        eye,
        full,
        full_like,
        linspace,
        ones,
        ones_like,
        rand,
        rand_like,
        randint,
        randn,
        randn_like,
        randperm,
        zeros,
        zeros_like,
    )
    from .tensors.dtypes import bool_, dtype, float16, float32, float64, int32, int64, uint8
    from .tensors.function import Function
    from .tensors.functions import maximum, minimum, where
    from .tensors.interchange import from_dlpack, from_numpy, tensor
    from .tensors.joining import cat, stack
    from .tensors.leaves import tril, triu
    from .tensors.tensor import Tensor
    from .value import Value

__version__ = "0.1.0"

# The public names, by the module that they are imported from.
HOMES = {
    "_core": (
        "build_info", "get_num_threads", "isa", "memory_usage", "set_isa", "set_memory_limit",
        "set_num_threads",
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
    "recording": ("enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"),
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
    "tensors.tensor": ("Tensor",),
    "value": ("Value",),
}  # fmt: skip
MODULES = (
    "autograd", "data", "engine", "errors", "func", "nn", "optim", "pictures",
    "reference", "saving",
)  # fmt: skip

__all__ = [
    "MLP", "RNG", "SGD", "Adam", "AdamW", "Function", "Layer", "Module", "Neuron", "Tensor",
    "Value", "arange", "as_tensor", "autograd", "bool_", "build_info", "cat", "cross_entropy",
    "draw_dot", "dtype", "empty", "empty_like", "enable_grad", "eye", "float16", "float32",
    "float64", "from_dlpack", "from_numpy", "full", "full_like", "func", "functional", "gen_data",
    "gen_data_linear", "gen_data_moons", "gen_data_yinyang", "get_num_threads", "grad", "int32",
    "int64", "is_grad_enabled", "isa", "linspace", "manual_seed", "margin_loss", "maximum",
    "memory_usage", "minimum", "mse_loss", "nn", "no_grad", "ones", "ones_like", "optim", "rand",
    "rand_like", "randint", "randn", "randn_like", "randperm", "set_grad_enabled", "set_isa",
    "set_memory_limit", "set_num_threads", "split", "stack", "tensor", "to_dot", "to_mermaid",
    "trace", "tril", "triu", "uint8", "vis_color", "where", "zeros", "zeros_like",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return importlib.import_module(f".{name}", __name__)
    for home, names in HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f".{home}", __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
