"""micrograd on a C core: the same digits as pure Python, much sooner.

    from pymicrograd import Value

`pymicrograd.reference` is the same engine in pure Python, the definition of every number. Public
names are imported when they are first used, so that neither engine loads the other, or NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import nn, optim
    from ._core import build_info, memory_usage, set_memory_limit
    from .data import gen_data, gen_data_linear, gen_data_moons, gen_data_yinyang, split
    from .nn import MLP, Layer, Module, Neuron, cross_entropy, margin_loss, mse_loss
    from .optim import SGD, Adam, AdamW
    from .random import RNG, manual_seed
    from .value import Value, grad, no_grad
    from .viz import draw_dot, to_dot, to_mermaid, trace, vis_color

__version__ = "0.1.0"

# The public names, by the module that they are imported from.
HOMES = {
    "_core": ("build_info", "memory_usage", "set_memory_limit"),
    "data": ("gen_data", "gen_data_linear", "gen_data_moons", "gen_data_yinyang", "split"),
    "nn": ("MLP", "Layer", "Module", "Neuron", "cross_entropy", "margin_loss", "mse_loss"),
    "optim": ("SGD", "Adam", "AdamW"),
    "random": ("RNG", "manual_seed"),
    "value": ("Value", "grad", "no_grad"),
    "viz": ("draw_dot", "to_dot", "to_mermaid", "trace", "vis_color"),
}
MODULES = ("data", "engine", "errors", "nn", "optim", "reference", "serialize")

__all__ = [
    "MLP", "RNG", "SGD", "Adam", "AdamW", "Layer", "Module", "Neuron", "Value",
    "build_info", "cross_entropy", "draw_dot", "gen_data", "gen_data_linear", "gen_data_moons",
    "gen_data_yinyang", "grad", "manual_seed", "margin_loss", "memory_usage", "mse_loss", "nn",
    "no_grad", "optim", "set_memory_limit", "split", "to_dot", "to_mermaid", "trace", "vis_color",
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
