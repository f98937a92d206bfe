"""Function: operations of the user's, whose gradients are written by hand."""

from __future__ import annotations

from typing import Any

from .. import _core
from .._core import is_grad_enabled, no_grad
from ..contexts import Context, results_of
from ..errors import ChangedError
from ..scalars import Scalar
from .arguments import as_tuple
from .hooks import as_gradient, run_hooks
from .ops import DETACH, OPS, TensorBase, apply

__all__ = ["Function"]


class TensorContext(Context):
    """The context of a Function of Tensors."""

    def __init__(self, function: type[Function], needs: tuple[bool, ...]) -> None:
        super().__init__(function, needs)
        self._inputs: list[tuple[int, tuple[int, ...], Any]] = []  # argument, shape, dtype
        self._outputs: list[tuple[int, int]] = []  # number, handle: not a reference
        self._empty: list[Any] = []  # of each output, shape and dtype, or None
        self._saved: list[Any] = []
        self._hub: Any = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors, inputs or outputs or others, for `saved_tensors`; None is welcome."""
        for x in tensors:
            if x is not None and not isinstance(x, TensorBase):
                raise TypeError(f"save_for_backward is for Tensors, not {type(x).__name__}")
        self._saved = [None if x is None else Saved(x) for x in tensors]

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to `save_for_backward`.

        Raises:
            ChangedError: one of them was changed in place since.
        """
        return tuple(None if saved is None else saved.get(self) for saved in self._saved)


class Saved:
    """A tensor kept for a backward. An output is kept without its graph, which leads here."""

    __slots__ = ("output", "tensor", "version")

    def __init__(self, x: Any) -> None:
        self.tensor = x
        self.version = x._version
        self.output = -1

    def get(self, context: TensorContext) -> Any:
        """Return the tensor, an output as a new node of the function."""
        if self.tensor._version != self.version:
            raise ChangedError(
                f"{context._function.__name__}: a saved tensor of shape {self.tensor.shape} was "
                "changed in place since"
            )
        if self.output < 0 or context._hub is None:
            return self.tensor
        return output_of(context, context._hub, self.output, self.tensor)


class Function:
    """An operation whose gradient is written by hand.

    Subclasses define two static methods. `forward(ctx, *args)` returns a Tensor or a tuple of
    them; it is not recorded. `backward(ctx, *grads)` gets a gradient for each output and returns
    one, or None, for each argument of forward. In place of ctx in forward there may be
    `setup_context(ctx, inputs, output)`.

    Both may be of Values instead: forward gets and returns Values (floats that it returns become
    some), backward gets Values and returns Values, numbers, or None. A call has no Tensors beside
    Values, and `grad(..., create_graph=True)` refuses a Function of Values.

    Example:
        >>> from pymicrograd import tensor
        >>> class Cube(Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x * x
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         (x,) = ctx.saved_tensors
        ...         return 3 * x * x * g
        >>> x = tensor(2.0, requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad.item()
        12.0
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs."""
        raise NotImplementedError("a Function defines forward()")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Leave in ctx what backward needs, where forward does not take a ctx."""
        raise NotImplementedError("a Function whose forward takes a ctx has no setup_context()")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Compute the gradients of forward's arguments from those of its outputs."""
        raise NotImplementedError("a Function defines backward()")

    @classmethod
    def _forward(cls, context: Context, args: tuple[Any, ...]) -> Any:
        """Call forward, in the form that it has."""
        if cls.setup_context is Function.setup_context:
            return cls.forward(context, *args)
        result = cls.forward(*args)
        cls.setup_context(context, args, result)
        return result

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call forward, and record it if an argument requires a gradient."""
        if any(isinstance(x, Scalar) for x in args):
            from ..function import apply_to_values

            return apply_to_values(cls, args)
        needs = tuple(isinstance(x, TensorBase) and x.requires_grad for x in args)
        recorded = any(needs) and is_grad_enabled()
        context = TensorContext(cls, needs)
        with no_grad():
            result = cls._forward(context, args)
        if not recorded:
            return result
        outputs = record_function(context, args, as_tuple(result))
        return outputs if isinstance(result, (list, tuple)) else outputs[0]


def record_function(context: TensorContext, args: tuple[Any, ...], results: tuple[Any, ...]) -> Any:
    """Make the nodes of a Function: a hub that has its inputs, and its outputs."""
    operands = []
    for argument, (x, needed) in enumerate(zip(args, context.needs_input_grad, strict=True)):
        if needed:
            operands.append(x)
            context._inputs.append((argument, x.shape, x.dtype))
    hub = apply(OPS["function"], tuple(operands))
    hub._attach(context)
    outputs: list[Any] = []
    for number, result in enumerate(results):
        if not isinstance(result, TensorBase) or id(result) in context._constant:
            differentiable = False
        else:
            differentiable = result.dtype.is_floating_point
        context._empty.append((result.shape, result.dtype) if differentiable else None)
        if not differentiable:
            outputs.append(result)
            continue
        data = apply(DETACH, (result,))
        is_argument = any(result is x for x in args)
        for saved in context._saved:
            if saved is not None and saved.tensor is result and not is_argument:
                saved.tensor, saved.output = data, number
        outputs.append(output_of(context, hub, number, data))
    return tuple(outputs)


def output_of(context: TensorContext, hub: Any, number: int, data: Any) -> Any:
    """Make the node of an output, which shares the memory of its data."""
    output = apply(OPS["output"], (hub, data), (number,))
    context._outputs.append((number, output._handle))
    return output


def call_function(at: Any, hub: Any, records: bool) -> None:
    """Call the backward of the Function that a sweep stopped at."""
    context = hub._attached()
    gradients = [output_gradient(at, context, i) for i in range(len(context._empty))]
    known = len(context._outputs)
    context._hub = hub
    try:
        results = context._function.backward(context, *gradients)
    finally:
        context._hub = None
        if not records:  # outputs made again for saved_tensors, which are recorded nowhere
            del context._outputs[known:]
    results = results_of(context, as_tuple(results))
    name = context._function.__name__
    for which, (argument, shape, kind) in enumerate(context._inputs):
        if results[argument] is not None:
            gradient = as_gradient(results[argument], shape, kind, f"{name}.backward")
            TensorBase._sweep_contribute(at, which, gradient)


def output_gradient(at: Any, context: TensorContext, number: int) -> Any:
    """Return the gradient of an output of a Function, zeros or None where it has none."""
    total = None
    for which, handle in context._outputs:
        gradient = TensorBase._sweep_gradient(at, handle) if which == number else None
        if gradient is not None:
            total = gradient if total is None else total + gradient
    if total is None and context._materialize and context._empty[number] is not None:
        shape, kind = context._empty[number]
        return TensorBase._new(kind.number, shape, None)
    return total


def on_sweep_stop(status: int, at: Any, node: Any, flags: int) -> None:
    """Run the hooks, or the Function's backward, that a sweep stopped for; C calls this.

    They are recorded if the sweep's flags ask for gradients that can be differentiated; C has
    changed the mode.
    """
    if status == _core.HOOK:
        run_hooks(at, node)
    else:
        call_function(at, node, bool(flags & _core.CREATE_GRAPH))
