"""micrograd's `nn.py`: Module, Neuron, Layer, MLP; weights are of Python's own `random`.

Beyond the original, a neuron checks the number of its inputs (there `zip` drops what is too many),
and a network also takes a list of examples.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from ..nn import neurons
from ..nn.module import Module as PackageModule
from ..value import Value

__all__ = ["MLP", "Layer", "Module", "Neuron", "Value"]


class Module(PackageModule):
    """Something with parameters; a subclass says which, at first none."""

    def parameters(self, recurse: bool = True) -> list[Any]:
        """Return the parameters: none."""
        return []


@neurons.plain
class Neuron(neurons.Neuron, Module):
    """Compute relu(b + w[0] * x[0] + w[1] * x[1] + ...), without relu where nonlin is false.

    Args:
        nin: number of inputs.
        nonlin: whether relu is applied; the attribute may be changed at any time.
    """

    nonlin: Any
    _nonlinear, _init = "relu", "micrograd"
    activation = property(lambda self: self._nonlinear if self.nonlin else "linear")

    def __init__(self, nin: int, nonlin: Any = True) -> None:
        self._draw(nin, None, self._init)
        self.nonlin = nonlin

    @staticmethod
    def default_generator() -> Any:
        """Return Python's own generator."""
        return random

    def parameters(self, recurse: bool = True) -> list[Any]:
        """Return the weights and the bias."""
        return [*self.w, self.b]


@neurons.plain
class Layer(neurons.Layer, Module):
    """Neurons that all see the same inputs.

    Args:
        nin: number of inputs.
        nout: number of neurons.
        kwargs: as for Neuron.
    """

    neuron_type: type[Any] = Neuron

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        self.neurons = self.list_type(self.neuron_type(nin, **kwargs) for _ in range(nout))

    def parameters(self, recurse: bool = True) -> list[Any]:
        """Return the parameters of the neurons, one neuron after the other."""
        return [p for neuron in self.neurons for p in neuron.parameters()]


class MLP(neurons.MLP, Module):
    """A multilayer perceptron: layers of ReLU neurons, of which the last is linear.

    Args:
        nin: number of inputs.
        nouts: number of neurons of each layer.

    Example:
        >>> random.seed(1337)
        >>> MLP(2, [16, 16, 1])([1.0, 2.0]).data
        -1.530358061910418
    """

    layer_type: type[Any] = Layer

    def __init__(self, nin: int, nouts: Sequence[int]) -> None:
        sizes = [nin, *nouts]
        self.layers = self.list_type(
            self.layer_type(sizes[i], sizes[i + 1], nonlin=i != len(nouts) - 1)
            for i in range(len(nouts))
        )

    def parameters(self, recurse: bool = True) -> list[Any]:
        """Return the parameters of the layers, one layer after the other."""
        return [p for layer in self.layers for p in layer.parameters()]
