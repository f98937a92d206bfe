"""Sums, softmax and losses of Values; the functions of Tensors are in the files beside."""

from .values import cross_entropy, dot, margin_loss, mean, mse_loss, rmsnorm, softmax, sum

__all__ = [
    "cross_entropy",
    "dot",
    "margin_loss",
    "mean",
    "mse_loss",
    "rmsnorm",
    "softmax",
    "sum",
]
