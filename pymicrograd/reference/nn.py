"""Neuron, Layer and MLP of pure Python: the loops of networks.py over this engine's Values."""

from __future__ import annotations

from typing import Any

from .. import modules, networks
from ..networks import ACTIVATIONS, INITS
from .random import default_generator
from .value import Value

__all__ = ["ACTIVATIONS", "INITS", "MLP", "Layer", "Module", "Neuron"]


class Module(modules.Module):
    __doc__ = modules.Module.__doc__
    value_type = Value

    @staticmethod
    def default_generator() -> Any:
        """Return the generator of weights where none is given."""
        return default_generator()


class Neuron(Module, networks.Neuron):
    __doc__ = networks.Neuron.__doc__


class Layer(Module, networks.Layer):
    __doc__ = networks.Layer.__doc__
    neuron_type = Neuron


class MLP(Module, networks.MLP):
    __doc__ = networks.MLP.__doc__
    layer_type = Layer
