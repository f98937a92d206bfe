"""Functions of Values and Tensors, with PyTorch's names and arguments where it has them.

A function that has both kinds looks at its first argument: a Tensor, or a list of Values. The files
of Tensors alone are imported when one of their names is first used.
"""

from __future__ import annotations

import importlib

from .either import cross_entropy, mse_loss, softmax
from .values import dot, margin_loss, mean, rmsnorm, sum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .activations import gelu, log_softmax, relu, sigmoid, silu, softplus, tanh
    from .layers import layer_norm, linear, rms_norm
    from .losses import nll_loss
    from .windows import avg_pool2d, conv2d, conv_transpose2d, max_pool1d, max_pool2d, pad

# Names by the file that they are imported from when they are first used.
HOMES = {
    "activations": ("gelu", "log_softmax", "relu", "sigmoid", "silu", "softplus", "tanh"),
    "layers": ("layer_norm", "linear", "rms_norm"),
    "losses": ("nll_loss",),
    "windows": ("avg_pool2d", "conv2d", "conv_transpose2d", "max_pool1d", "max_pool2d", "pad"),
}

__all__ = [
    "avg_pool2d",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dot",
    "gelu",
    "layer_norm",
    "linear",
    "log_softmax",
    "margin_loss",
    "max_pool1d",
    "max_pool2d",
    "mean",
    "mse_loss",
    "nll_loss",
    "pad",
    "relu",
    "rms_norm",
    "rmsnorm",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "sum",
    "tanh",
]

if not TYPE_CHECKING:  # a wrong name is an error of type checkers, too

    def __getattr__(name: str) -> Any:
        for home, names in HOMES.items():
            if name in names:
                found = getattr(importlib.import_module(f".{home}", __name__), name)
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
