"""The first version of LLM101n's micrograd: another data set, another loss.

A layer of one neuron gives the Value itself, cross_entropy subtracts the largest logit. Weights
come from `pymicrograd.llm101n.random`, as in the later version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import llm101n
from ..data import gen_data
from ..llm101n import RNG, AdamW, Module, Neuron, draw_dot, trace, vis_color
from ..nn import functional, neurons
from ..value import Value

__all__ = [
    "MLP", "RNG", "AdamW", "Layer", "Module", "Neuron", "Value", "cross_entropy", "draw_dot",
    "gen_data", "trace", "vis_color",
]  # fmt: skip


@neurons.plain
class Layer(llm101n.Layer):
    """Neurons that all see the same inputs; one neuron's result is given itself.

    Args:
        nin: number of inputs.
        nout: number of neurons.
        kwargs: as for Neuron.
    """

    unwraps = True


class MLP(llm101n.MLP):
    """A multilayer perceptron: layers of tanh neurons, of which the last is linear.

    Args:
        nin: number of inputs.
        nouts: number of neurons of each layer.
    """

    layer_type: type[Any] = Layer


def cross_entropy(logits: Sequence[Any], target: int) -> Value:
    """Return -log(softmax(logits)[target]), the largest logit subtracted before.

    Args:
        logits: one Value per class.
        target: the class.
    """
    return functional.cross_entropy(logits, target)  # type: ignore[no-any-return]


def __getattr__(name: str) -> Any:
    if name == "random":  # as it is now
        return llm101n.random
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
