"""LLM101n's micrograd: the module of that chapter, with its names, defaults and prints.

Its line `random = RNG(42)` makes the generator that weights are drawn from. Here, too, it is the
name `random` of this module: the RNG that a program has made last, or set here; at first RNG(42).
`pymicrograd.llm101n.first` is the chapter's first version.

Beyond the original: `RNG` refuses seeds that give zeros or other numbers than 64 bits do, `AdamW`
honours `eps` and keeps m and v in lists of its own, networks also take a list of examples.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

from .. import optim
from .. import random as generators
from ..data import gen_data_yinyang
from ..micrograd import nn
from ..micrograd.nn import Module
from ..nn import functional, neurons
from ..pictures import graphs
from ..pictures.graphs import trace, vis_color
from ..value import Value

__all__ = [
    "MLP", "RNG", "AdamW", "Layer", "Module", "Neuron", "Value", "cross_entropy", "draw_dot",
    "gen_data_yinyang", "random", "trace", "vis_color",
]  # fmt: skip


class RNG(generators.RNG):
    """A xorshift64* generator, of which a new neuron's weights come until there is a later one.

    Args:
        seed: an int from 1 to 2**64 - 1.

    Raises:
        TypeError: seed is not an int.
        ValueError: seed is 0, negative, or 2**64 or more.
    """

    def __init__(self, seed: int) -> None:
        global random
        super().__init__(seed)
        random = self


random: Any = None
RNG(42)


@neurons.plain
class Neuron(nn.Neuron):
    """Compute tanh(b + w[0] * x[0] + w[1] * x[1] + ...), without tanh where nonlin is false.

    Args:
        nin: number of inputs; weights are uniform in (-1, 1) times nin**-0.5.
        nonlin: whether tanh is applied; the attribute may be changed at any time.
    """

    _nonlinear, _init = "tanh", "llm101n"

    @staticmethod
    def default_generator() -> Any:
        """Return this module's `random`."""
        return random


@neurons.plain
class Layer(nn.Layer):
    """Neurons that all see the same inputs; a call gives a list, even of one neuron.

    Args:
        nin: number of inputs.
        nout: number of neurons.
        kwargs: as for Neuron.
    """

    neuron_type: type[Any] = Neuron
    unwraps = False


class MLP(nn.MLP):
    """A multilayer perceptron: layers of tanh neurons, of which the last is linear.

    Args:
        nin: number of inputs.
        nouts: number of neurons of each layer.

    Example:
        >>> rng = RNG(42)
        >>> model = MLP(2, [8, 3])
        >>> len(model.parameters()), [f"{x:.4f}" for x in model([1.0, 2.0])]
        (51, ['0.1662', '-0.1897', '0.2532'])
    """

    layer_type: type[Any] = Layer


def cross_entropy(logits: Sequence[Any], target: int) -> Value:
    """Return -log(exp(logits[target]) / (sum of all exp)), without subtracting the largest.

    Args:
        logits: one Value per class.
        target: the class.

    Raises:
        OverflowError: a logit is above 709.
    """
    return functional.cross_entropy(logits, target, shifted=False)  # type: ignore[no-any-return]


class AdamW(optim.AdamW):
    """AdamW with LLM101n's arguments; `optim.AdamW` says what a step is.

    Args:
        parameters: the Values.
        lr: the learning rate.
        betas: what the means of gradients and of squares keep.
        eps: keeps the divisor above 0.
        weight_decay: how strongly parameters are drawn to 0.
    """

    def __init__(
        self,
        parameters: Sequence[Any],
        lr: float = 1e-1,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    @property
    def parameters(self) -> Any:
        """The parameters, under the name that they have here."""
        return self.params


def draw_dot(
    root: Any,
    format: str = "svg",
    rankdir: str = "LR",
    outfile: str | os.PathLike[str] = "graph",
) -> Any:
    """Draw the graph of a Value into a file, and print how large it is and where.

    Args:
        root: the Value whose graph is drawn.
        format: Graphviz's name of an output format.
        rankdir: direction of the arrows: LR, TB, RL or BT.
        outfile: the file, to whose name the format's suffix is added.

    Returns:
        The `graphviz.Digraph`; None where Graphviz is not installed, which is printed.
    """
    nodes, edges = trace(root)
    print("found a total of ", len(nodes), "nodes and", len(edges), "edges")
    try:
        dot = graphs.draw_dot(root, format, rankdir, outfile)
    except (ImportError, RuntimeError):
        print("graphviz not installed? skipped visualization")
        return None
    print(f"saving graph to {os.fspath(outfile)}.{format}")
    return dot


def __getattr__(name: str) -> Any:
    if name == "first":
        return importlib.import_module(".first", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
