"""Gradients of Tensors: when they are recorded, how they are asked for, and how they are checked.

A sweep in C carries gradients from outputs to what they depend on. It stops where Python has
something to do: at a tensor with hooks, and at a `Function` of the user's.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from threading import get_ident
from typing import Any, NoReturn

from . import _core
from .errors import ChangedError, GradientError, ShapeError
from .reference.value import no_grad, silent
from .value import grad as grad_of_values

__all__ = [
    "Function",
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hvp",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "no_grad",
    "set_grad_enabled",
    "vjp",
]

TensorBase = _core.TensorBase
apply = TensorBase._apply
DETACH, CLONE, CAST = _core.OPS["detach"], _core.OPS["clone"], _core.OPS["cast"]
FUNCTION, OUTPUT = _core.OPS["function"], _core.OPS["output"]


# ---- recording or not ------------------------------------------------------------------------


def is_grad_enabled() -> bool:
    """Tell whether this thread records operations: it is not inside `no_grad`."""
    return not silent or get_ident() not in silent


class set_grad_enabled(ContextDecorator):
    """Record operations of this thread or not, from the call on; as a context, until it ends.

    Args:
        mode: whether to record.

    Example:
        >>> with set_grad_enabled(False):
        ...     is_grad_enabled()
        False
    """

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self.before = [self._switch()]
        self.entered = False

    def _switch(self) -> int:
        """Set the mode; return how many no_grads it takes the place of."""
        thread = get_ident()
        depth = silent.pop(thread, 0)
        if not self.mode:
            silent[thread] = depth or 1
        return depth

    def __call__(self, function: Callable[..., Any]) -> Any:
        restore(self.before.pop())
        self.entered = True
        return super().__call__(function)

    def __enter__(self) -> set_grad_enabled:
        if self.entered:  # again, or in a call of a decorated function
            self.before.append(self._switch())
        self.entered = True
        return self

    def __exit__(self, *exception: Any) -> None:
        restore(self.before.pop())


class enable_grad(ContextDecorator):
    """Record operations, even inside `no_grad`; a context, or the decorator of a function.

    Example:
        >>> with no_grad(), enable_grad():
        ...     is_grad_enabled()
        True
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self) -> None:
        self.before: list[int] = []

    def __enter__(self) -> enable_grad:
        self.before.append(silent.pop(get_ident(), 0))
        return self

    def __exit__(self, *exception: Any) -> None:
        restore(self.before.pop())


def restore(depth: int) -> None:
    """Be inside as many no_grads as before."""
    if depth:
        silent[get_ident()] = depth
    else:
        silent.pop(get_ident(), None)


# ---- backward and grad -----------------------------------------------------------------------


def sweep(
    roots: tuple[Any, ...], seeds: tuple[Any, ...], inputs: tuple[Any, ...], flags: int
) -> Any:
    """Run a sweep; return the gradients of the inputs if flags ask for them."""
    with _core.sweep_turn:
        return TensorBase._sweep(roots, seeds, inputs, flags)


def as_tuple(items: Any) -> tuple[Any, ...]:
    """Return one thing, or several, as a tuple."""
    return tuple(items) if isinstance(items, (list, tuple)) else (items,)


def check_root(root: Any, gradient: Any, number: int) -> None:
    """Refuse what no gradient can start from."""
    if not isinstance(root, TensorBase):
        raise TypeError(f"gradients are of Tensors, not of {type(root).__name__}")
    if not root.requires_grad:
        raise GradientError(
            f"element {number} of tensors does not require grad and does not have a grad_fn"
        )
    if gradient is None:
        if math.prod(root.shape) != 1:
            raise GradientError(
                "grad can be implicitly created only for scalar outputs, not for one of shape "
                f"{root.shape}: pass its gradient"
            )
    elif gradient.shape != root.shape:
        raise ShapeError(
            f"output {number} has shape {root.shape}, but its gradient shape {gradient.shape}"
        )


def seeds_of(roots: tuple[Any, ...], gradients: Any) -> tuple[Any, ...]:
    """Return a gradient, or None for ones, for each root."""
    given = (None,) * len(roots) if gradients is None else as_tuple(gradients)
    if len(given) != len(roots):
        raise GradientError(f"there are {len(roots)} outputs and {len(given)} gradients of them")
    seeds = []
    for number, (root, gradient) in enumerate(zip(roots, given, strict=True)):
        if gradient is not None and not isinstance(gradient, TensorBase):
            from .interchange import as_tensor

            gradient = as_tensor(gradient)
        check_root(root, gradient, number)
        if gradient is not None and gradient.dtype is not root.dtype:
            gradient = apply(CAST, (gradient,), (root.dtype.number,))
        seeds.append(gradient)
    return tuple(seeds)


def inputs_of(inputs: Any) -> tuple[Any, ...]:
    """Return the Tensors to differentiate by."""
    found = as_tuple(inputs)
    for x in found:
        if not isinstance(x, TensorBase):
            raise TypeError(f"gradients are by Tensors, not by {type(x).__name__}")
        if not x.requires_grad:
            raise GradientError("one of the inputs does not require grad")
    if not found:
        raise GradientError("there is no input to differentiate by")
    return found


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of tensors to the `grad` of every leaf that they depend on.

    Args:
        tensors: one Tensor or several, which require a gradient.
        grad_tensors: their own gradients; None for a Tensor of one element means 1.
        retain_graph: nothing; a graph lives as long as the Tensors that were computed in it.
        create_graph: record the gradients, so that they can be differentiated in turn.
        inputs: the Tensors that get gradients, in place of all leaves.

    Raises:
        GradientError: a Tensor does not require a gradient, or has several elements and no
            gradient is given.
        ChangedError: a value that a gradient needs was changed in place. Then, and on Ctrl-C,
            no gradient has changed.
    """
    roots = as_tuple(tensors)
    seeds = seeds_of(roots, grad_tensors)
    by = () if inputs is None else inputs_of(inputs)
    flags = _core.ACCUMULATE | (_core.CREATE_GRAPH if create_graph else 0)
    sweep(roots, seeds, by, flags)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Compute the gradients of outputs by inputs; no `grad` attribute is read or written.

    Args:
        outputs: one Tensor or several, or one Value.
        inputs: what to differentiate by, leaves or not.
        grad_outputs: the gradients of the outputs themselves; None for a Tensor of one element
            means 1. For a Value the third argument is create_graph.
        retain_graph: nothing; a graph lives as long as the Tensors that were computed in it.
        create_graph: record the gradients, so that they can be differentiated in turn.
        allow_unused: return None for an input that no output depends on.
        materialize_grads: return zeros for it.

    Returns:
        A gradient for each input, the same bits that `backward` gives.

    Raises:
        GradientError: an output or an input does not require a gradient, or an input is not used.

    Example:
        >>> from pymicrograd import tensor
        >>> x = tensor(2.0, requires_grad=True)
        >>> (dx,) = grad(x**3, x, create_graph=True)
        >>> (ddx,) = grad(dx, x)
        >>> dx.item(), ddx.item()
        (12.0, 12.0)
    """
    if not is_tensors(outputs):
        return grad_of_values(outputs, inputs, create_graph or grad_outputs is True)
    roots, by = as_tuple(outputs), inputs_of(inputs)
    seeds = seeds_of(roots, grad_outputs)
    found = sweep(roots, seeds, by, _core.GIVE | (_core.CREATE_GRAPH if create_graph else 0))
    if materialize_grads:
        return tuple(zeros_of(x) if g is None else g for x, g in zip(by, found, strict=True))
    if not allow_unused and None in [g if g is None else 0 for g in found]:
        raise GradientError(
            "one of the inputs is not used in the graph of the outputs; "
            "allow_unused=True returns None for it"
        )
    return tuple(found)


def is_tensors(outputs: Any) -> bool:
    """Tell whether outputs are Tensors, not Values."""
    return any(isinstance(x, TensorBase) for x in as_tuple(outputs))


def zeros_of(x: Any) -> Any:
    """Return zeros like x."""
    return TensorBase._new(x.dtype.number, x.shape, 0)


# ---- hooks -----------------------------------------------------------------------------------


class Hooks:
    """The hooks of a tensor, kept with its node, in the order of their registration."""

    __slots__ = ("__weakref__", "functions", "next")

    def __init__(self) -> None:
        self.functions: dict[int, Callable[[Any], Any]] = {}
        self.next = 0

    def add(self, function: Callable[[Any], Any]) -> RemovableHandle:
        self.functions[self.next] = function
        self.next += 1
        return RemovableHandle(self, self.next - 1)


class RemovableHandle:
    """What `register_hook` returns: it removes the hook, by `remove()` or at the end of a with."""

    def __init__(self, hooks: Hooks, number: int) -> None:
        self.hooks = weakref.ref(hooks)
        self.number = number

    def remove(self) -> None:
        """Let the hook not be called any more."""
        hooks = self.hooks()
        if hooks is not None:
            hooks.functions.pop(self.number, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()


def register_hook(x: Any, function: Callable[[Any], Any]) -> RemovableHandle:
    """Let a function see, and replace, the gradient of a tensor in every backward."""
    if not x.requires_grad:
        raise GradientError("cannot register a hook on a tensor that doesn't require gradient")
    if not callable(function):
        raise TypeError(f"a hook is a function, not {type(function).__name__}")
    hooks = x._attached()
    if hooks is None:
        hooks = Hooks()
        _core.watch_gradient(x._handle)
        x._attach(hooks)
    handle: RemovableHandle = hooks.add(function)
    return handle


def run_hooks(at: Any, node: Any, records: bool) -> None:
    """Call the hooks of the tensor that a sweep stopped at."""
    hooks = node._attached()
    found = _core.sweep_gradient(at, node._handle)
    if hooks is None or not found:
        return
    gradient = first = TensorBase._adopt(found)
    for function in list(hooks.functions.values()):
        result = function(gradient)
        if result is not None:
            gradient = as_gradient(result, gradient.shape, gradient.dtype, "a hook")
    if gradient is not first:
        _core.sweep_replace(at, gradient._handle)


def as_gradient(x: Any, shape: tuple[int, ...], kind: Any, whose: str) -> Any:
    """Return what Python gave for a gradient, in its type, or refuse it."""
    if not isinstance(x, TensorBase):
        raise TypeError(f"{whose} returned {type(x).__name__} for the gradient of a Tensor")
    if x.shape != shape:
        raise ShapeError(f"{whose} returned a gradient of shape {x.shape} for shape {shape}")
    return x if x.dtype is kind else apply(CAST, (x,), (kind.number,))


def stop(status: int, address: int, flags: int) -> None:
    """Do what a sweep stopped for: recorded, if its gradients are."""
    at, thread = _core.sweep_at(address), get_ident()
    node = TensorBase._adopt(_core.sweep_node(at))
    records = bool(flags & _core.CREATE_GRAPH)
    depth = silent.get(thread, 0)
    try:
        restore(0 if records else 1)
        (run_hooks if status == _core.HOOK else call_function)(at, node, records)
    finally:
        restore(depth)


# ---- functions of the user's -----------------------------------------------------------------


class Context:
    """What a Function's forward leaves for its backward; any attribute may be set.

    Attributes:
        needs_input_grad: for each argument of forward, whether a gradient is wanted.
    """

    def __init__(self, function: type[Function], needs: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs
        self._function = function
        self._arguments = len(needs)
        self._inputs: list[tuple[int, tuple[int, ...], Any]] = []  # argument, shape, dtype
        self._outputs: list[tuple[int, int]] = []  # number, handle: not a reference
        self._empty: list[Any] = []  # of each output, shape and dtype, or None
        self._saved: list[Any] = []
        self._constant: set[int] = set()
        self._materialize = True
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

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say that no gradients flow through these outputs."""
        self._constant.update(id(x) for x in outputs)

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether backward gets zeros, or None, for an output without a gradient."""
        self._materialize = bool(value)


class Saved:
    """A tensor kept for a backward. An output is kept without its graph, which leads here."""

    __slots__ = ("output", "tensor", "version")

    def __init__(self, x: Any) -> None:
        self.tensor = x
        self.version = x._version
        self.output = -1

    def get(self, context: Context) -> Any:
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
    def apply(cls, *args: Any) -> Any:
        """Call forward, and record it if an argument requires a gradient."""
        needs = tuple(isinstance(x, TensorBase) and x.requires_grad for x in args)
        recorded = any(needs) and is_grad_enabled()
        context = Context(cls, needs)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(context, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(context, args, result)
        if not recorded:
            return result
        outputs = record_function(context, args, as_tuple(result))
        return outputs if isinstance(result, (list, tuple)) else outputs[0]


def record_function(context: Context, args: tuple[Any, ...], results: tuple[Any, ...]) -> Any:
    """Make the nodes of a Function: a hub that has its inputs, and its outputs."""
    operands = []
    for argument, (x, needed) in enumerate(zip(args, context.needs_input_grad, strict=True)):
        if needed:
            operands.append(x)
            context._inputs.append((argument, x.shape, x.dtype))
    hub = apply(FUNCTION, tuple(operands))
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


def output_of(context: Context, hub: Any, number: int, data: Any) -> Any:
    """Make the node of an output, which shares the memory of its data."""
    output = apply(OUTPUT, (hub, data), (number,))
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
    results = as_tuple(results)
    extra = results[context._arguments :]
    if len(results) < context._arguments or any(x is not None for x in extra):
        refuse_count(context, len(results))
    name = context._function.__name__
    for which, (argument, shape, kind) in enumerate(context._inputs):
        if results[argument] is not None:
            gradient = as_gradient(results[argument], shape, kind, f"{name}.backward")
            _core.sweep_contribute(at, which, gradient._handle)


def refuse_count(context: Context, count: int) -> NoReturn:
    raise GradientError(
        f"{context._function.__name__}.backward returned {count} gradients for "
        f"{context._arguments} arguments of forward"
    )


def output_gradient(at: Any, context: Context, number: int) -> Any:
    """Return the gradient of an output of a Function, zeros or None where it has none."""
    total = None
    for which, handle in context._outputs:
        found = _core.sweep_gradient(at, handle) if which == number else 0
        if found:
            gradient = TensorBase._adopt(found)
            total = gradient if total is None else total + gradient
    if total is None and context._materialize and context._empty[number] is not None:
        shape, kind = context._empty[number]
        return TensorBase._new(kind.number, shape, 0)
    return total


# ---- derivatives of functions ----------------------------------------------------------------


def requiring(inputs: Iterable[Any]) -> tuple[Any, ...]:
    """Return inputs that require a gradient: themselves, or leaves that share their memory."""
    return tuple(x if x.requires_grad else leaf_of(x) for x in inputs)


def wanted(*tensors: Any) -> bool:
    """Tell whether results are to be recorded: a gradient by one of the tensors may be asked."""
    return is_grad_enabled() and any(x.requires_grad for x in tensors)


def leaf_of(x: Any) -> Any:
    """Return a leaf that shares x's memory and requires a gradient."""
    leaf = apply(DETACH, (x,))
    leaf.requires_grad = True
    return leaf


def call(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the outputs of a function, as a tuple of Tensors."""
    with enable_grad():
        outputs = as_tuple(function(*inputs))
    for x in outputs:
        if not isinstance(x, TensorBase):
            raise TypeError(f"the function returned {type(x).__name__}, not a Tensor")
    return outputs


def like(results: tuple[Any, ...], given: Any) -> Any:
    """Return one result for one Tensor given, a tuple for several."""
    return results if isinstance(given, (list, tuple)) else results[0]


def gradients(
    outputs: tuple[Any, ...], inputs: tuple[Any, ...], seeds: tuple[Any, ...], create_graph: bool
) -> tuple[Any, ...]:
    """Return gradients of outputs by inputs, zeros where there are none."""
    pairs = [(y, s) for y, s in zip(outputs, seeds, strict=True) if y.requires_grad]
    if not pairs:
        return tuple(map(zeros_of, inputs))
    roots, given = zip(*pairs, strict=True)
    return grad(roots, inputs, given, create_graph=create_graph, materialize_grads=True)


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Compute a function, and the products of vectors with its Jacobian.

    Args:
        function: takes as many Tensors as there are primals; returns a Tensor or a tuple.
        primals: where to compute it.

    Returns:
        The outputs, and a function of as many vectors, of their shapes, that returns a tuple with
        the gradient by each primal, recorded if a primal or a vector requires a gradient.

    Example:
        >>> from pymicrograd import tensor
        >>> y, pull = vjp(lambda x: x * x, tensor([1.0, 2.0]))
        >>> pull(tensor([1.0, 1.0]))
        (tensor([2., 4.]),)
    """
    inputs = requiring(primals)
    with enable_grad():
        result = function(*inputs)
    outputs = as_tuple(result)

    def pull(*vectors: Any) -> tuple[Any, ...]:
        given = as_tuple(vectors[0]) if len(vectors) == 1 else vectors
        if len(given) != len(outputs):
            raise GradientError(f"there are {len(outputs)} outputs and {len(given)} vectors")
        return gradients(outputs, inputs, given, wanted(*primals, *given))

    detached = tuple(apply(DETACH, (y,)) for y in outputs)
    return like(detached, result), pull


def jvp(function: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """Compute a function, and the product of its Jacobian with tangents.

    It differentiates the product with a vector from the left, which is linear in the vector.

    Args:
        function: takes as many Tensors as there are primals; returns a Tensor or a tuple.
        primals: where to compute it, a tuple; tangents: a direction of the same shapes.

    Returns:
        The outputs, and their derivatives in that direction, recorded if a primal or a tangent
        requires a gradient.

    Example:
        >>> from pymicrograd import tensor
        >>> jvp(lambda x: x * x, (tensor([1.0, 2.0]),), (tensor([1.0, 10.0]),))
        (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    inputs, directions = requiring(as_tuple(primals)), as_tuple(tangents)
    check_directions(inputs, directions)
    with enable_grad():
        result = function(*inputs)
    outputs = as_tuple(result)
    vectors = tuple(leaf_of(zeros_of(y)) for y in outputs)
    products = gradients(outputs, inputs, vectors, True)
    recorded = wanted(*as_tuple(primals), *directions)
    derivatives = gradients(products, vectors, directions, recorded)
    detached = tuple(apply(DETACH, (y,)) for y in outputs)
    return like(detached, result), like(derivatives, result)


def check_directions(inputs: tuple[Any, ...], directions: tuple[Any, ...]) -> None:
    """Refuse directions unlike the inputs."""
    if [x.shape for x in inputs] != [v.shape for v in directions]:
        raise ShapeError(
            f"inputs of shapes {[x.shape for x in inputs]} and directions of shapes "
            f"{[v.shape for v in directions]} differ"
        )


def jacobian(function: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """Compute all derivatives of a function's outputs by its inputs.

    Args:
        function: takes the inputs; returns a Tensor or a tuple.
        inputs: a Tensor or a tuple of them.
        create_graph: record the derivatives.

    Returns:
        For an output of shape S and an input of shape T a Tensor of shape S + T; in a tuple by
        inputs if these are a tuple, in a tuple by outputs if those are.

    Example:
        >>> from pymicrograd import tensor
        >>> jacobian(lambda x: x * x, tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    by = requiring(as_tuple(inputs)) if create_graph else tuple(map(leaf_of, as_tuple(inputs)))
    with enable_grad():
        result = function(*by)
    found = tuple(
        like(jacobian_of(output, by, create_graph), inputs) for output in as_tuple(result)
    )
    return like(found, result)


def jacobian_of(output: Any, by: tuple[Any, ...], create_graph: bool) -> tuple[Any, ...]:
    """Return the derivatives of one output by each input."""
    from ._tensor import stack

    count = math.prod(output.shape)
    rows = []
    for i in range(count):
        seed = zeros_of(output)
        seed.reshape(count)[i] = 1
        rows.append(gradients((output,), by, (seed,), create_graph))
    if not rows:
        return tuple(TensorBase._new(x.dtype.number, output.shape + x.shape, 0) for x in by)
    columns = zip(*rows, strict=True)
    return tuple(
        stack(column).reshape(output.shape + x.shape) for column, x in zip(columns, by, strict=True)
    )


def hessian(function: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """Compute all second derivatives of a function of one element.

    Args:
        function: takes the inputs; returns a Tensor of one element.
        inputs: a Tensor or a tuple of them.
        create_graph: record the derivatives.

    Returns:
        A Tensor of shape T + T for an input of shape T, or a tuple of tuples.
    """

    def slopes(*by: Any) -> Any:
        (output,) = call(function, by)
        check_root(output, None, 0)
        return gradients((output,), by, (None,), True)

    given = as_tuple(inputs)
    found = jacobian(slopes, given, create_graph)
    return found if isinstance(inputs, (list, tuple)) else found[0][0]


def hvp(function: Callable[..., Any], inputs: Any, v: Any) -> tuple[Any, Any]:
    """Compute a function of one element, and the product of its Hessian with a vector.

    Args:
        function: takes the inputs; returns a Tensor of one element.
        inputs: a Tensor or a tuple of them; v: a vector of the same shapes.

    Returns:
        The output and the product, of v's shapes.
    """
    by, directions = requiring(as_tuple(inputs)), as_tuple(v)
    check_directions(by, directions)
    (output,) = call(function, by)
    check_root(output, None, 0)
    slopes = gradients((output,), by, (None,), True)
    recorded = wanted(*as_tuple(inputs), *directions)
    products = gradients(slopes, by, directions, recorded)
    return apply(DETACH, (output,)), like(products, inputs)


# ---- checks ----------------------------------------------------------------------------------


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compare the gradients of a function with differences of its values.

    Args:
        func: takes the inputs; returns a Tensor or a tuple of them.
        inputs: Tensors that require a gradient, of float64, and anything else.
        eps: the distance of the two values that are subtracted, halved.
        atol, rtol: a gradient may be off by atol + rtol * abs(difference quotient).
        raise_exception: raise instead of returning False.
        nondet_tol: how far two backward passes may differ.

    Raises:
        GradientError: a gradient is wrong.

    Example:
        >>> from pymicrograd import tensor
        >>> gradcheck(lambda x: x.sin(), tensor([0.5], dtype="float64", requires_grad=True))
        True
    """
    given = as_tuple(inputs)
    by = [i for i, x in enumerate(given) if isinstance(x, TensorBase) and x.requires_grad]
    if not by:
        raise ValueError("gradcheck: no input requires a gradient")
    with enable_grad():
        outputs = [y for y in as_tuple(func(*given)) if isinstance(y, TensorBase)]
    for number, output in enumerate(outputs):
        if not output.dtype.is_floating_point:
            continue
        found = analytical(output, [given[i] for i in by])
        again = analytical(output, [given[i] for i in by])
        for i, gradient, other in zip(by, found, again, strict=True):
            expected = numerical(func, given, i, number, eps)
            same = close(other, gradient, nondet_tol, 0.0)
            if same and close(gradient, expected, atol, rtol):
                continue
            if raise_exception:
                fail_check(number, i, expected, gradient)
            return False
    return True


Matrix = list[list[float]]


def fail_check(number: int, i: int, expected: Matrix, found: Matrix) -> NoReturn:
    """Raise the exception of a wrong gradient."""
    raise GradientError(
        f"gradcheck: output {number} by input {i}, a row for each element of the output\n"
        f"differences of values: {expected}\ngradients: {found}"
    )


def analytical(output: Any, by: list[Any]) -> list[Matrix]:
    """Return the derivatives of an output by each input: a row for each element of the output."""
    count = math.prod(output.shape)
    matrices: list[Matrix] = [[] for _ in by]
    for i in range(count):
        seed = zeros_of(output)
        seed.reshape(count)[i] = 1
        for matrix, g in zip(
            matrices, gradients((output,), tuple(by), (seed,), False), strict=True
        ):
            matrix.append(g.reshape(math.prod(g.shape)).tolist())
    return matrices


def numerical(
    func: Callable[..., Any], given: tuple[Any, ...], which: int, number: int, eps: float
) -> Matrix:
    """Return differences of an output by the elements of one input, over 2 eps."""
    x = apply(CLONE, (apply(DETACH, (given[which],)),))
    x = x.contiguous()
    flat = x.reshape(math.prod(x.shape))
    arguments = (*given[:which], x, *given[which + 1 :])

    def value() -> list[float]:
        with enable_grad():  # a function may ask for gradients of its own
            result = as_tuple(func(*arguments))
        output = [y for y in result if isinstance(y, TensorBase)][number].detach()
        return list(output.reshape(math.prod(output.shape)).tolist())

    columns = []
    for i, middle in enumerate(flat.tolist()):
        flat[i] = middle + eps
        above = value()
        flat[i] = middle - eps
        below = value()
        flat[i] = middle
        columns.append([(a - b) / (2.0 * eps) for a, b in zip(above, below, strict=True)])
    if not columns:
        return [[] for _ in value()]
    return [list(row) for row in zip(*columns, strict=True)]


def close(found: Matrix, expected: Matrix, atol: float, rtol: float) -> bool:
    """Tell whether two matrices agree; NaN agrees with nothing but NaN."""
    return all(
        a == b or abs(a - b) <= atol + rtol * abs(b) or (a != a and b != b)
        for row, other in zip(found, expected, strict=True)
        for a, b in zip(row, other, strict=True)
    )


def normal_seeds(outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return normal numbers, always the same, as gradients of outputs, to differentiate by."""
    from .creation import randn
    from .random import RNG

    generator = RNG(1)
    return tuple(
        randn(*y.shape, generator=generator, dtype=y.dtype, requires_grad=True) for y in outputs
    )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compare the gradients of a function's gradients with differences of those.

    Args:
        func, inputs, eps, atol, rtol, raise_exception, nondet_tol: as for `gradcheck`.
        grad_outputs: the gradients of the outputs, by default normal numbers.
    """
    given = as_tuple(inputs)
    with enable_grad():
        outputs = as_tuple(func(*given))
    seeds = normal_seeds(outputs) if grad_outputs is None else as_tuple(grad_outputs)
    count = len(given)
    by = [i for i, x in enumerate(given) if isinstance(x, TensorBase) and x.requires_grad]

    def slopes(*arguments: Any) -> tuple[Any, ...]:
        inside = tuple(
            x if i not in by or x.requires_grad else leaf_of(x)
            for i, x in enumerate(arguments[:count])
        )
        results = as_tuple(func(*inside))
        return gradients(results, tuple(inside[i] for i in by), arguments[count:], True)

    options = {"eps": eps, "atol": atol, "rtol": rtol, "nondet_tol": nondet_tol}
    return gradcheck(slopes, given + seeds, raise_exception=raise_exception, **options)
