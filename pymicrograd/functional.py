"""Functions of Tensors, with PyTorch's names and arguments: those of `nn.functional`'s files."""

from .nn.functional.activations import (
    gelu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from .nn.functional.layers import layer_norm, linear, rms_norm
from .nn.functional.losses import cross_entropy
from .nn.functional.windows import avg_pool2d, conv2d, conv_transpose2d, max_pool2d, pad

__all__ = [
    "avg_pool2d",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "gelu",
    "layer_norm",
    "linear",
    "log_softmax",
    "max_pool2d",
    "pad",
    "relu",
    "rms_norm",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]
