"""karpathy/micrograd: `from pymicrograd.micrograd.nn import MLP` where it was `micrograd.nn`.

The same weights from the same seed of Python's own `random`, the same digits, in C while a network
is plain. What differs from `pymicrograd.nn` is what a program of that package counts on: ReLU,
weights that are not scaled, `nonlin`, `parameters()` that lists what the class says and no more.
"""

from . import engine, nn
from .engine import Value
from .nn import MLP, Layer, Module, Neuron

__all__ = ["MLP", "Layer", "Module", "Neuron", "Value", "engine", "nn"]
