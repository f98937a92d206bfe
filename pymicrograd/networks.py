"""micrograd's networks of neurons, in explicit loops over Values of any engine.

The classes say what a network is: its parameters, their order, how they are drawn, what a call
computes. An engine takes them over by giving `value_type`, `neuron_type`, `layer_type` and
`default_generator`, and may compute faster.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from .modules import Block, Module, has_own_state
from .scalars import is_number

__all__ = ["ACTIVATIONS", "INITS", "MLP", "Layer", "Neuron"]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda value: value,
    "gelu_tanh": lambda value: value.gelu("tanh"),
    "abs": abs,
    **{
        name: operator.methodcaller(name)
        for name in (
            "tanh", "relu", "sigmoid", "softplus", "gelu", "silu", "erf",
            "exp", "expm1", "log", "log1p", "sin", "cos",
        )
    },
}  # fmt: skip
INITS = ("llm101n", "micrograd")


def as_size(n: Any, name: str) -> int:
    """Return a number of inputs or neurons as an int of at least 1."""
    if not hasattr(type(n), "__index__"):
        raise TypeError(f"{name} is an int, not {type(n).__name__}")
    size: int = operator.index(n)
    if size < 1:
        raise ValueError(f"{name} is at least 1, not {size}")
    return size


def as_inputs(x: Any) -> Sequence[Any]:
    """Return the inputs of a call as something with a length."""
    return x if hasattr(x, "__len__") else list(x)


def is_batch(x: Sequence[Any]) -> bool:
    """Tell whether the inputs of a call are rows of inputs."""
    if len(x) == 0 or isinstance(x[0], (str, bytes)) or is_number(x[0]):
        return False
    return hasattr(x[0], "__len__")


class Neuron(Module):
    """Compute activation(b + w[0] * x[0] + w[1] * x[1] + ...).

    Args:
        nin: number of inputs.
        rng: where weights come from: anything with `uniform(a, b)`; by default the package's
            generator.
        activation: a name in ACTIVATIONS; None is "linear".
        init: "llm101n", weights uniform in (-1, 1) times nin**-0.5, or "micrograd", without the
            factor. The bias is 0.0.
        nonlin: False is micrograd's word for linear.

    Raises:
        TypeError: nin is not an int, or rng has no `uniform`.
        ValueError: nin < 1, or a name is unknown.
    """

    def __init__(
        self,
        nin: int,
        rng: Any = None,
        activation: str | None = "tanh",
        init: str = "llm101n",
        nonlin: bool = True,
    ) -> None:
        activation = "linear" if activation is None else activation
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r} is none of {', '.join(ACTIVATIONS)}")
        self._draw(nin, rng, init)
        self.activation = activation if nonlin else "linear"

    def _draw(self, nin: int, rng: Any, init: str) -> None:
        """Make the weights and the bias."""
        nin = as_size(nin, "nin")
        if init not in INITS:
            raise ValueError(f"init {init!r} is none of {', '.join(INITS)}")
        rng = self.default_generator() if rng is None else rng
        if not hasattr(rng, "uniform"):
            raise TypeError(f"rng has a method uniform(a, b); {type(rng).__name__} has not")
        scale = (self.value_type(nin) ** -0.5).data if init == "llm101n" else 1.0
        weights = [self.value_type(rng.uniform(-1, 1) * scale) for _ in range(nin)]
        self.w = self.list_type(weights)
        self.b = self.value_type(0.0)
        for parameter in (*self.w, self.b):
            parameter._vis_color = "lightgreen"

    @staticmethod
    def default_generator() -> Any:
        """Return the generator of weights where none is given."""
        raise NotImplementedError("an engine names its own generator")

    def __call__(self, x: Any) -> Any:
        """Compute the result of one example, or a list of results of a list of examples.

        Args:
            x: nin numbers or Values; or rows of them.

        Raises:
            ValueError: the number of inputs is not nin.
        """
        x = as_inputs(x)
        if is_batch(x):
            return [self(row) for row in x]
        if len(x) != len(self.w):
            raise ValueError(f"{self!r} takes {len(self.w)} inputs, got {len(x)}")
        act: Any = self.b
        for wi, xi in zip(self.w, x, strict=True):
            act = act + wi * xi
        return ACTIVATIONS[self.activation](act)

    forward = __call__

    def _state_block(self) -> tuple[dict[str, Block], tuple[str, ...]]:
        weights = list(self.w)
        if not all(isinstance(p, self.value_type) and p.is_leaf for p in (*weights, self.b)):
            return {}, ()
        return {"weight": Block((len(weights),), weights), "bias": Block((), [self.b])}, ("w", "b")

    def __repr__(self) -> str:
        words = self.activation.split("_")
        kind = {"tanh": "TanH", "relu": "ReLU"}.get(
            self.activation, "".join(word.capitalize() for word in words)
        )
        return f"{kind}Neuron({len(self.w)})"


class Layer(Module):
    """Neurons that all see the same inputs.

    Called with nin numbers or Values it gives a list of nout Values; of one neuron the Value
    itself; of rows of inputs a list of such.

    Args:
        nin: number of inputs.
        nout: number of neurons.
        rng, activation, init, nonlin: as for Neuron.

    Raises:
        TypeError: a size is not an int, or rng has no `uniform`.
        ValueError: a size is below 1, or a name is unknown.
    """

    neuron_type: type[Any] = Neuron
    unwraps = True  # one neuron's result is given itself, not in a list

    def __init__(
        self,
        nin: int,
        nout: int,
        rng: Any = None,
        activation: str | None = "tanh",
        init: str = "llm101n",
        nonlin: bool = True,
    ) -> None:
        self.neurons = self.list_type(
            self.neuron_type(nin, rng, activation, init, nonlin)
            for _ in range(as_size(nout, "nout"))
        )

    def __call__(self, x: Any) -> Any:
        """Compute each neuron's result; of one neuron the Value itself, of rows a list of such."""
        x = as_inputs(x)
        if is_batch(x):
            return [self(row) for row in x]
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 and self.unwraps else out

    forward = __call__

    def _state_block(self) -> tuple[dict[str, Block], tuple[str, ...]]:
        if any(map(has_own_state, self.neurons)):
            return {}, ()
        targets = [neuron._state_targets() for neuron in self.neurons]
        if not targets or not all(set(found) == {"weight", "bias"} for found in targets):
            return {}, ()
        if len({found["weight"].shape for found in targets}) > 1:
            return {}, ()
        weights = [value for found in targets for value in found["weight"].values]
        biases = [value for found in targets for value in found["bias"].values]
        shape = (len(targets), *targets[0]["weight"].shape)
        blocks = {"weight": Block(shape, weights), "bias": Block(shape[:1], biases)}
        return blocks, ("neurons",)

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """A multilayer perceptron: layers, of which the last is linear.

    Args:
        nin: number of inputs.
        nouts: number of neurons of each layer.
        rng, init: as for Neuron.
        activation: that of all layers but the last.

    Example:
        >>> from pymicrograd import MLP, RNG
        >>> model = MLP(2, [2, 1], rng=RNG(42))
        >>> model
        MLP of [Layer of [TanHNeuron(2), TanHNeuron(2)], Layer of [LinearNeuron(2)]]
        >>> f"{model([1.0, 2.0]):.4f}"
        '0.6350'
    """

    layer_type: type[Any] = Layer

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        rng: Any = None,
        activation: str | None = "tanh",
        init: str = "llm101n",
    ) -> None:
        if isinstance(nouts, (str, bytes)) or not hasattr(type(nouts), "__len__"):
            raise TypeError(f"nouts is a list of ints, not {type(nouts).__name__}")
        if len(nouts) == 0:
            raise ValueError("nouts names no layer")
        sizes = [nin, *nouts]
        self.layers = self.list_type(
            self.layer_type(sizes[i], sizes[i + 1], rng, activation, init, i + 2 < len(sizes))
            for i in range(len(nouts))
        )

    def __call__(self, x: Any) -> Any:
        """Compute the last layer's results of one example, or a list of them of rows."""
        x = as_inputs(x)
        if is_batch(x):
            return [self(row) for row in x]
        for layer in self.layers:
            x = layer(x if hasattr(x, "__len__") else [x])
        return x

    forward = __call__

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
