"""Functions of Values: operations whose gradients users write by hand, `autograd.Function`.

A Function of Values is a node in the graph, its hub, which has the inputs as operands. What it
passes on in a backward its method asks the Function for; C calls it there, and nowhere else. An
output is a node on the hub; of several outputs each has one between, which notes the gradient.
"""

from __future__ import annotations

from . import _core
from ._core import is_grad_enabled, no_grad
from .contexts import Context, results_of
from .scalars import Scalar, as_float, is_number
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["apply_to_values"]


class ValueContext(Context):
    """The context of a Function of Values."""

    def __init__(self, function: Any, needs: tuple[bool, ...]) -> None:
        super().__init__(function, needs)
        self._saved: tuple[Any, ...] = ()
        self._differentiable: list[bool] = []  # of each output
        self._noted: dict[int, float] = {}  # gradients, by output, until the hub's turn

    def save_for_backward(self, *values: Any) -> None:
        """Keep Values, inputs or outputs or others, for `saved_tensors`; None is welcome."""
        for x in values:
            if x is not None and not isinstance(x, Value):
                raise TypeError(
                    f"save_for_backward is for Values here, not {type(x).__name__}; anything else"
                    " may be an attribute of ctx"
                )
        self._saved = values

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The Values given to `save_for_backward`, with the data that they have now."""
        return self._saved

    saved_values = saved_tensors

    def gradients(self) -> list[Any]:
        """Return a gradient for each output, and forget those that were noted."""
        noted, self._noted = self._noted, {}
        gradients: list[Any] = []
        for number, differentiable in enumerate(self._differentiable):
            if number in noted:
                gradients.append(Value(noted[number]))
            else:
                gradients.append(Value(0.0) if self._materialize and differentiable else None)
        return gradients


class Hub(Value):
    """The node of a Function: passes on what the Function's backward returns."""

    context: ValueContext

    def _backward(self) -> None:
        context = self.context
        if sum(context._differentiable) == 1:
            context._noted = {context._differentiable.index(True): self.grad}
        name = context._function.__name__
        with no_grad():
            results = context._function.backward(context, *context.gradients())
        results = results_of(context, tuple(results) if is_several(results) else (results,))
        wanted = [x for x, needs in zip(results, context.needs_input_grad, strict=False) if needs]
        parts = [None if x is None else gradient_of(x, name) for x in wanted]
        for operand, part in zip(self._prev, parts, strict=True):
            if part is not None:
                operand.grad += part


class Channel(Value):
    """A node between a Function's hub and one of several outputs: notes the gradient.

    The hub's own gradient counts those noted; a backward sets it to 0 when it begins, so that
    what one that failed has noted is known to be old.
    """

    number: int

    def _backward(self) -> None:
        (hub,) = self._prev
        if hub.grad == 0.0:
            hub.context._noted.clear()
        hub.grad += 1.0
        hub.context._noted[self.number] = self.grad


def is_several(results: Any) -> bool:
    """Tell whether results are several, rather than one."""
    return isinstance(results, (list, tuple))


def gradient_of(x: Any, name: str) -> float:
    """Return a gradient that a backward has returned as a float."""
    if isinstance(x, Value):
        return x.data
    if not is_number(x):
        raise TypeError(f"{name}.backward returns Values or numbers, not {type(x).__name__}")
    return as_float(x)


def refuse_others(name: str, args: tuple[Any, ...]) -> None:
    """Raise where an argument is of an engine that cannot be in one graph with Values."""
    if any(isinstance(x, _core.TensorBase) for x in args):
        raise TypeError(
            f"{name}.apply got Values and Tensors: no graph has both; tensor(v.data) makes a Tensor"
            " of a Value's number, t.item() a number of a Tensor"
        )
    if any(isinstance(x, Scalar) and not isinstance(x, Value) for x in args):
        raise TypeError(f"{name}.apply is for Values of the C engine")


def as_output(x: Any) -> Any:
    """Return a float that a forward has returned as a Value, and anything else as it is."""
    return Value(x) if is_number(x) and not hasattr(type(x), "__index__") else x


def apply_to_values(function: Any, args: tuple[Any, ...]) -> Any:
    """Call the forward of a Function of Values, and record it."""
    refuse_others(function.__name__, args)
    context = ValueContext(function, tuple(isinstance(x, Value) for x in args))
    with no_grad():
        result = function._forward(context, args)
    results = tuple(result) if is_several(result) else (result,)
    outputs = record(context, args, results) if is_grad_enabled() else map(as_output, results)
    outputs = tuple(outputs)
    return outputs if is_several(result) else outputs[0]


def record(context: ValueContext, args: tuple[Any, ...], results: tuple[Any, ...]) -> Any:
    """Make the nodes of a Function, and return what it returns."""
    constant = [id(x) in context._constant for x in results]
    values = [as_output(x) for x in results]
    flags = [isinstance(x, Value) and not c for x, c in zip(values, constant, strict=True)]
    context._differentiable = flags
    name = context._function.__name__
    hub = Hub(0.0, tuple(x for x in args if isinstance(x, Value)), name)
    hub.context = context
    outputs = []
    for number, (x, differentiable) in enumerate(zip(values, flags, strict=True)):
        if not differentiable:
            outputs.append(x.detach() if any(x is y for y in args) and isinstance(x, Value) else x)
            continue
        below: Value = hub
        if sum(flags) > 1:
            below = channel = Channel(0.0, (hub,), name)
            channel.number = number
        outputs.append(output := Value(x.data, (below,), (1.0,)))
        output._op = name
    return outputs
