"""Neural networks: modules, and the functions and losses of `functional`."""

from . import functional
from .functional import cross_entropy, margin_loss, mse_loss
from .neurons import MLP, Layer, Module, Neuron

__all__ = [
    "MLP",
    "Layer",
    "Module",
    "Neuron",
    "cross_entropy",
    "functional",
    "margin_loss",
    "mse_loss",
]
