"""micrograd on a C core: the same digits as pure Python, much sooner; and tensors on its graph.

    from pymicrograd import Tensor, Value

`pymicrograd.reference` is the same engine in pure Python, the definition of every number. Public
names are imported when they are first used, so that neither engine loads the other, or NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import autograd, functional, nn, optim
    from ._core import (
        build_info,
        get_num_threads,
        isa,
        memory_usage,
        set_isa,
        set_memory_limit,
        set_num_threads,
    )
    from ._tensor import Tensor, cat, maximum, minimum, stack, where
    from .autograd import Function, enable_grad, grad, is_grad_enabled, no_grad, set_grad_enabled
    from .creation import (
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
        tril,
        triu,
        zeros,
        zeros_like,
    )
    from .data import gen_data, gen_data_linear, gen_data_moons, gen_data_yinyang, split
    from .dtypes import bool_, dtype, float16, float32, float64, int32, int64, uint8
    from .interchange import as_tensor, from_dlpack, from_numpy, tensor
    from .nn import MLP, Layer, Module, Neuron, cross_entropy, margin_loss, mse_loss
    from .optim import SGD, Adam, AdamW
    from .random import RNG, manual_seed
    from .value import Value
    from .viz import draw_dot, to_dot, to_mermaid, trace, vis_color

__version__ = "0.1.0"

# The public names, by the module that they are imported from.
HOMES = {
    "_core": (
        "build_info", "get_num_threads", "isa", "memory_usage", "set_isa", "set_memory_limit",
        "set_num_threads",
    ),
    "_tensor": ("Tensor", "cat", "maximum", "minimum", "stack", "where"),
    "autograd": (
        "Function", "enable_grad", "grad", "is_grad_enabled", "no_grad", "set_grad_enabled",
    ),
    "creation": (
        "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones",
        "ones_like", "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "tril",
        "triu", "zeros", "zeros_like",
    ),
    "data": ("gen_data", "gen_data_linear", "gen_data_moons", "gen_data_yinyang", "split"),
    "dtypes": ("bool_", "dtype", "float16", "float32", "float64", "int32", "int64", "uint8"),
    "interchange": ("as_tensor", "from_dlpack", "from_numpy", "tensor"),
    "nn": ("MLP", "Layer", "Module", "Neuron", "cross_entropy", "margin_loss", "mse_loss"),
    "optim": ("SGD", "Adam", "AdamW"),
    "random": ("RNG", "manual_seed"),
    "value": ("Value",),
    "viz": ("draw_dot", "to_dot", "to_mermaid", "trace", "vis_color"),
}  # fmt: skip
MODULES = (
    "autograd", "data", "engine", "errors", "functional", "nn", "optim", "reference", "serialize",
    "tensor_optim",
)  # fmt: skip

__all__ = [
    "MLP", "RNG", "SGD", "Adam", "AdamW", "Function", "Layer", "Module", "Neuron", "Tensor",
    "Value", "arange", "as_tensor", "autograd", "bool_", "build_info", "cat", "cross_entropy",
    "draw_dot", "dtype", "empty", "empty_like", "enable_grad", "eye", "float16", "float32",
    "float64", "from_dlpack", "from_numpy", "full", "full_like", "functional", "gen_data",
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
