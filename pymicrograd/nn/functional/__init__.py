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

    from .activations import (
        gelu,
        log_softmax,
        logsigmoid,
        mish,
        relu,
        sigmoid,
        silu,
        softmin,
        softplus,
        softsign,
        tanh,
        tanhshrink,
    )
    from .classes import one_hot
    from .layers import layer_norm, linear, rms_norm
    from .losses import nll_loss
    from .piecewise import (
        celu,
        elu,
        hardshrink,
        hardsigmoid,
        hardswish,
        hardtanh,
        leaky_relu,
        relu6,
        selu,
        softshrink,
        threshold,
    )
    from .windows import avg_pool2d, conv2d, conv_transpose2d, max_pool1d, max_pool2d, pad

# Names by the file that they are imported from when they are first used.
HOMES = {
    "activations": (
        "gelu",
        "log_softmax",
        "logsigmoid",
        "mish",
        "relu",
        "sigmoid",
        "silu",
        "softmin",
        "softplus",
        "softsign",
        "tanh",
        "tanhshrink",
    ),
    "classes": ("one_hot",),
    "layers": ("layer_norm", "linear", "rms_norm"),
    "losses": ("nll_loss",),
    "piecewise": (
        "celu",
        "elu",
        "hardshrink",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "relu6",
        "selu",
        "softshrink",
        "threshold",
    ),
    "windows": ("avg_pool2d", "conv2d", "conv_transpose2d", "max_pool1d", "max_pool2d", "pad"),
}

__all__ = [
    "avg_pool2d",
    "celu",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dot",
    "elu",
    "gelu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "margin_loss",
    "max_pool1d",
    "max_pool2d",
    "mean",
    "mish",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "relu",
    "relu6",
    "rms_norm",
    "rmsnorm",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "sum",
    "tanh",
    "tanhshrink",
    "threshold",
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
