"""Recurrent layers: RNN, LSTM (Hochreiter and Schmidhuber 1997), GRU (arXiv:1406.1078), and cells.

The inputs of all steps are multiplied by their weights in one product; the steps follow one after
the other. Of a packed sequence a step has as many rows as there are sequences that are so long.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..errors import ArgumentError, ShapeError
from ..tensors.creation import empty, zeros
from ..tensors.joining import cat, stack
from . import functional, init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]


# ---- one step of each: x holds the inputs times their weights, plus bias; state is (h,) or (h, c)


def step_of_tanh(x: Any, state: Any, weight: Any, bias: Any) -> tuple[Any, ...]:
    """Return (tanh(x + W h + b),)."""
    return ((x + functional.linear(state[0], weight, bias)).tanh(),)


def step_of_relu(x: Any, state: Any, weight: Any, bias: Any) -> tuple[Any, ...]:
    """Return (relu(x + W h + b),)."""
    return ((x + functional.linear(state[0], weight, bias)).relu(),)


def step_of_lstm(x: Any, state: Any, weight: Any, bias: Any) -> tuple[Any, ...]:
    """Return (o tanh(c'), c'), c' = f c + i g; gates in the order i, f, g, o."""
    i, f, g, o = (x + functional.linear(state[0], weight, bias)).chunk(4, 1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def step_of_gru(x: Any, state: Any, weight: Any, bias: Any) -> tuple[Any, ...]:
    """Return ((1 - z) n + z h,), n = tanh(xn + r (Wn h + bn)); gates in the order r, z, n."""
    xr, xz, xn = x.chunk(3, 1)
    hr, hz, hn = functional.linear(state[0], weight, bias).chunk(3, 1)
    r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    n = (xn + r * hn).tanh()
    return (n + z * (state[0] - n),)


STEPS = {"tanh": step_of_tanh, "relu": step_of_relu, "lstm": step_of_lstm, "gru": step_of_gru}
GATES = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}


def check_kind(name: str, given: Any, kind: type) -> None:
    """Refuse an argument of another type."""
    if not isinstance(given, kind) or (kind is int and isinstance(given, bool)):
        raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(given).__name__}")


def draw_all(module: Module, hidden: int) -> None:
    """Draw all parameters uniformly up to 1 / sqrt(hidden)."""
    bound = 1.0 / math.sqrt(hidden) if hidden > 0 else 0.0
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


# ---- cells


class Cell(Module):
    """One step of a recurrent layer.

    Args:
        input_size, hidden_size: sizes of inputs and of the state.
        bias: whether there are biases; dtype: of the parameters.

    Attributes:
        weight_ih: (gates * hidden_size, input_size); weight_hh: (gates * hidden_size,
            hidden_size); bias_ih, bias_hh: (gates * hidden_size), or None. All are at first
            uniform up to 1 / sqrt(hidden_size).
    """

    kind: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows, options = GATES[self.kind] * hidden_size, {"dtype": dtype, "device": device}
        self.weight_ih = Parameter(empty(rows, input_size, **options))
        self.weight_hh = Parameter(empty(rows, hidden_size, **options))
        self.bias_ih = Parameter(empty(rows, **options)) if bias else None
        self.bias_hh = Parameter(empty(rows, **options)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        draw_all(self, self.hidden_size)

    def _step(self, input: Any, state: Any, count: int) -> tuple[Any, ...]:
        """Return the state after one step, of a batch or of one example."""
        name, is_batch = type(self).__name__, input.ndim == 2
        if input.ndim not in (1, 2):
            raise ShapeError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        x = input if is_batch else input.unsqueeze(0)
        if x.shape[1] != self.input_size:
            raise ShapeError(
                f"{name}: input has inconsistent input_size: got {x.shape[1]} expected "
                f"{self.input_size}"
            )
        if state is None:
            state = (zeros(x.shape[0], self.hidden_size, dtype=x.dtype),) * count
        elif not is_batch:
            state = tuple(s.unsqueeze(0) if s.ndim == 1 else s for s in state)
        for part in state:
            if part.shape != (x.shape[0], self.hidden_size):
                raise ShapeError(
                    f"{name}: hidden has shape {part.shape}, not {(x.shape[0], self.hidden_size)}"
                )
        gates = functional.linear(x, self.weight_ih, self.bias_ih)
        found = STEPS[self._step_kind()](gates, state, self.weight_hh, self.bias_hh)
        return found if is_batch else tuple(s.squeeze(0) for s in found)

    def _step_kind(self) -> str:
        return self.kind

    def extra_repr(self) -> str:
        """Return the sizes, and what differs from the defaults."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(Cell):
    """tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it.

    Args:
        input_size, hidden_size, bias, dtype: as for Cell, its base.
        nonlinearity: "tanh" or "relu".
    """

    kind = "tanh"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def _step_kind(self) -> str:
        if self.nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self.nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the next state (N, hidden) of input (N, in) and a state, by default 0."""
        return self._step(input, None if hx is None else (hx,), 1)[0]

    def extra_repr(self) -> str:
        """Return the sizes, and what differs from the defaults."""
        other = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + other


class LSTMCell(Cell):
    """One step of an LSTM; arguments as for Cell, its base."""

    kind = "lstm"

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Return the next (h, c), (N, hidden) each, of input (N, in) and (h, c), by default 0."""
        h, c = self._step(input, hx, 2)
        return h, c


class GRUCell(Cell):
    """One step of a GRU; arguments as for Cell, its base."""

    kind = "gru"

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the next state (N, hidden) of input (N, in) and a state, by default 0."""
        return self._step(input, None if hx is None else (hx,), 1)[0]


# ---- layers


class Recurrent(Module):
    """Recurrent layers, one on the other, each in one or two directions.

    Args:
        input_size, hidden_size: sizes of inputs and of the state.
        num_layers: how many layers, each but the first on the one before.
        bias: whether there are biases.
        batch_first: inputs and outputs are (N, L, ...), not (L, N, ...).
        dropout: of what goes from layer to layer, while training.
        bidirectional: each layer also runs backwards, and gives both results side by side.
        proj_size: of an LSTM: to which h is projected; 0 for not at all.
        dtype: of the parameters.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, ...: as those
            of the cell, for each layer and direction.
    """

    kind: ClassVar[str]
    mode: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        for name, size in sizes.items():
            check_kind(name, size, int)
            if size <= 0:
                raise ArgumentError(f"{name} must be greater than zero")
        check_kind("bias", bias, bool)
        check_kind("batch_first", batch_first, bool)
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ArgumentError("dropout should be a number in range [0, 1]")
        if proj_size and (self.kind != "lstm" or not 0 <= proj_size < hidden_size):
            raise ArgumentError("proj_size is for an LSTM, and smaller than hidden_size")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        options = {"dtype": dtype, "device": device}
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                self._make(layer, suffix, options)
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        """Return what the names of a layer's parameters end in, by direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def _make(self, layer: int, suffix: str, options: Any) -> None:
        rows = GATES[self.kind] * self.hidden_size
        seen = self.proj_size or self.hidden_size
        inputs = seen * (1 + self.bidirectional) if layer else self.input_size
        shapes: dict[str, Any] = {"weight_ih": (rows, inputs), "weight_hh": (rows, seen)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        for name, shape in shapes.items():
            setattr(self, name + suffix, Parameter(empty(shape, **options)))

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        draw_all(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Do nothing; PyTorch puts them side by side for its GPUs."""

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters of each layer and direction."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        return [
            [getattr(self, name + suffix) for name in names if hasattr(self, name + suffix)]
            for layer in range(self.num_layers)
            for suffix in self._suffixes(layer)
        ]

    def _states(self) -> tuple[int, ...]:
        """Return the sizes of the states: of h, and of an LSTM's c."""
        h = self.proj_size or self.hidden_size
        return (h, self.hidden_size) if self.kind == "lstm" else (h,)

    def _initial(self, given: Any, rows: int, kind: Any) -> list[Any]:
        """Return the states before the first step, (layers * directions, N, size) each."""
        count = self.num_layers * (1 + self.bidirectional)
        if given is None:
            return [zeros(count, rows, size, dtype=kind) for size in self._states()]
        for part, size in zip(given, self._states(), strict=True):
            if part.shape != (count, rows, size):
                raise ShapeError(
                    f"Expected hidden size {(count, rows, size)}, got {tuple(part.shape)}"
                )
        return list(given)

    def _run(self, input: Any, given: Any) -> tuple[Any, Any]:
        """Return the outputs of the last layer, and all states after the last step."""
        name = type(self).__name__
        kind = (input.data if isinstance(input, PackedSequence) else input).dtype
        if kind is not self.weight_ih_l0.dtype:
            raise ArgumentError(
                f"{name}: RNN input dtype ({kind}) does not match weight dtype "
                f"({self.weight_ih_l0.dtype}). Convert input: input.to(...), or convert the module"
            )
        if isinstance(input, PackedSequence):
            sizes = input.batch_sizes.tolist()
            state = self._initial(
                moved(given, input.sorted_indices), sizes[0] if sizes else 0, input.data.dtype
            )
            rows, last = self._layers(input.data, sizes, state)
            found = PackedSequence(
                rows, input.batch_sizes, input.sorted_indices, input.unsorted_indices
            )
            return found, moved(last, input.unsorted_indices)
        if input.ndim not in (2, 3):
            raise ShapeError(f"{name}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.shape[-1]}"
            )
        is_batch = input.ndim == 3
        axis = 0 if self.batch_first and is_batch else 1
        x = input if is_batch else input.unsqueeze(1)
        if given is not None and not is_batch:
            given = tuple(part.unsqueeze(1) for part in given)
        x = x.transpose(0, 1) if axis == 0 else x
        length, count = x.shape[:2]
        if not length:
            raise ShapeError(f"{name}: a sequence has a step or more; shape {input.shape}")
        state = self._initial(given, count, x.dtype)
        rows, last = self._layers(x.reshape(length * count, x.shape[2]), [count] * length, state)
        found = rows.reshape(length, count, rows.shape[1])
        found = found.transpose(0, 1) if axis == 0 else found
        if not is_batch:
            found, last = found.squeeze(1), tuple(part.squeeze(1) for part in last)
        return found, last

    def _layers(self, rows: Any, sizes: list[int], state: list[Any]) -> tuple[Any, Any]:
        """Run all layers on the rows of all steps, step by step; sizes tells how many each has."""
        last: list[list[Any]] = [[] for _ in state]
        number = 0
        for layer in range(self.num_layers):
            found = []
            for suffix in self._suffixes(layer):
                own = tuple(part[number] for part in state)
                outputs, after = self._direction(rows, sizes, own, suffix)
                found.append(outputs)
                for parts, part in zip(last, after, strict=True):
                    parts.append(part)
                number += 1
            rows = found[0] if len(found) == 1 else cat(found, 1)
            if self.dropout and layer + 1 < self.num_layers:
                rows = functional.dropout(rows, self.dropout, self.training)
        return rows, tuple(stack(parts) for parts in last)

    def _direction(self, rows: Any, sizes: list[int], state: Any, suffix: str) -> tuple[Any, Any]:
        """Run one layer in one direction; return the rows of all steps, and the states."""
        weight, bias = getattr(self, "weight_ih" + suffix), getattr(self, "bias_ih" + suffix, None)
        gates = functional.linear(rows, weight, bias).split(sizes)
        backwards = suffix.endswith("reverse")
        order = range(len(sizes) - 1, -1, -1) if backwards else range(len(sizes))
        outputs: list[Any] = [None] * len(sizes)
        initial, ended = state, []
        if backwards and sizes:
            state = tuple(part[: sizes[-1]] for part in initial)
        for t in order:
            have = state[0].shape[0]
            if sizes[t] < have:  # the longer sequences go on
                ended.append(tuple(part[sizes[t] :] for part in state))
                state = tuple(part[: sizes[t]] for part in state)
            elif sizes[t] > have:
                state = tuple(
                    cat([part, first[have : sizes[t]]])
                    for part, first in zip(state, initial, strict=True)
                )
            state = self._step(gates[t], state, suffix)
            outputs[t] = state[0]
        for rest in reversed(ended):
            state = tuple(cat([a, b]) for a, b in zip(state, rest, strict=True))
        return cat(outputs), state

    def _step(self, x: Any, state: Any, suffix: str) -> tuple[Any, ...]:
        weight, bias = getattr(self, "weight_hh" + suffix), getattr(self, "bias_hh" + suffix, None)
        h, *rest = STEPS[self._step_kind()](x, state, weight, bias)
        if self.proj_size:
            h = functional.linear(h, getattr(self, "weight_hr" + suffix))
        return (h, *rest)

    def _step_kind(self) -> str:
        return self.kind

    def extra_repr(self) -> str:
        """Return the sizes, and what differs from the defaults."""
        parts = [str(self.input_size), str(self.hidden_size)]
        for name, default in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False),
            ("dropout", 0), ("bidirectional", False),
        ):  # fmt: skip
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


def moved(state: Any, order: Any) -> Any:
    """Return states with their rows in another order."""
    if state is None or order is None:
        return state
    return tuple(part.index_select(1, order) for part in state)


class RNN(Recurrent):
    """Layers of tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it (Elman 1990).

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype: as
            for Recurrent, its base.
        nonlinearity: "tanh" or "relu", also by its place before bias.
    """

    kind = "tanh"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0,
            device, dtype,
        )  # fmt: skip

    def _step_kind(self) -> str:
        return self.nonlinearity

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Return outputs (L, N, directions * hidden), and the last state.

        Args:
            input: (L, N, in), with batch_first (N, L, in), (L, in), or a PackedSequence.
            hx: (layers * directions, N, hidden), by default 0.
        """
        found, last = self._run(input, None if hx is None else (hx,))
        return found, last[0]


class GRU(Recurrent):
    """Layers of gated recurrent units; arguments as for Recurrent, its base."""

    kind = "gru"

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Return outputs and the last state, as RNN does."""
        found, last = self._run(input, None if hx is None else (hx,))
        return found, last[0]


class LSTM(Recurrent):
    """Layers of long short-term memory; arguments as for Recurrent, its base."""

    kind = "lstm"

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Return outputs as RNN does, and (h, c) after the last step; hx: (h, c) before it."""
        return self._run(input, hx)
