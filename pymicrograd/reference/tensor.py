"""Tensor in pure Python: an Array that remembers what it was computed from.

Values come from element_ops.py and array_ops.py, gradients from the formulas of element_ops.py
and from gradients.py, which are evaluated on Tensors: recorded, they can be differentiated again.
`backward` and `grad` visit nodes in reversed depth-first postorder, roots and operands in order,
as Value does, and add up what arrives at a node in the order in which it arrives.
"""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..recording import is_grad_enabled, no_grad, set_grad_enabled
from . import element_ops
from .array import Array, Number, array, is_float, promote
from .array_ops import ARRAYS
from .element_ops import ROWS
from .gradients import RULES, cast_to, element_rule

__all__ = ["Tensor", "apply", "grad", "no_grad"]


class Tensor:
    """An N-dimensional array in the graph of what it was computed from.

    The ops of element_ops.py and array_ops.py are methods, by their names and with their arguments.

    Args:
        data: a number, nested lists of numbers, an Array, or a Tensor.
        dtype: a name; by default float32 if there is a float, int64 if there is an int, else bool.
        requires_grad: whether backward is to find the gradient of this leaf.

    Attributes:
        array: the numbers.
        grad: the gradient that backward has added up here, or None.
        requires_grad: whether gradients flow here.

    Raises:
        TypeError: a gradient is asked of integers or bools; or as `array` does.

    Example:
        >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        >>> y = (x @ x).sum()
        >>> y.backward()
        >>> y, x.grad
        (Tensor(54.0, float32), Tensor([[7.0, 11.0], [9.0, 13.0]], float32))
    """

    __slots__ = ("__weakref__", "_op", "_prev", "_requires_grad", "_rule", "array", "grad")
    array: Array
    grad: Tensor | None
    _op: str
    _prev: tuple[Tensor, ...]
    _requires_grad: bool
    _rule: Callable[..., Any] | None

    def __init__(self, data: Any, dtype: str | None = None, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            data = data.array
        if isinstance(data, Array):
            self.array = data.cast(dtype or data.dtype)
        else:
            self.array = array(data, dtype)
        self.grad = None
        self._op = ""
        self._prev = ()
        self._requires_grad = False
        self._rule = None
        if requires_grad:
            self.requires_grad = True

    # ---- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        return self.array.shape

    @property
    def dtype(self) -> str:
        """The type of the numbers."""
        return self.array.dtype

    @property
    def is_leaf(self) -> bool:
        """Whether this is no recorded result of an op."""
        return not self._prev

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow here; leaves of floats may be told to."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        if not self.is_leaf:
            raise RuntimeError(f"the result of {self._op!r} requires a gradient by its operands")
        if on and not is_float(self.dtype):
            raise TypeError(f"only floats have gradients, not {self.dtype}")
        self._requires_grad = on

    def tolist(self) -> Any:
        """Return the numbers in nested lists."""
        return self.array.tolist()

    def item(self) -> Number:
        """Return the only number."""
        if len(self.array.values) != 1:
            raise ValueError(f"shape {self.shape} is not one number")
        return self.array.values[0]

    def leaf(self, values: Array) -> Tensor:
        """Return a leaf that holds an Array."""
        return Tensor(values)

    def apply(self, name: str, *operands: Any, **how: Any) -> Tensor:
        """Apply an op by its name."""
        return apply(name, self, *operands, **how)

    def detach(self) -> Tensor:
        """Return a leaf with the same numbers."""
        return Tensor(self.array)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a Tensor without axes has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self.item())

    def __repr__(self) -> str:
        return f"Tensor({self.tolist()}, {self.dtype})"

    # ---- operators

    def __add__(self, other: Any) -> Tensor:
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return apply("sub", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return apply("sub", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return apply("mul", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return apply("mul", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return apply("div", self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return apply("div", other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return apply("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return apply("floor_divide", other, self)

    def __mod__(self, other: Any) -> Tensor:
        return apply("remainder", self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return apply("remainder", other, self)

    def __pow__(self, other: Any) -> Tensor:
        if isinstance(other, Tensor) or not (is_float(self.dtype) or isinstance(other, float)):
            return apply("pow", self, other)
        return apply("pow_number", self, k=other)

    def __rpow__(self, other: Any) -> Tensor:
        return apply("pow", other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return apply("matmul", self, other)

    def __neg__(self) -> Tensor:
        return apply("neg", self)

    def __abs__(self) -> Tensor:
        return apply("abs", self)

    def __invert__(self) -> Tensor:
        return apply("bitwise_not", self)

    def __and__(self, other: Any) -> Tensor:
        return apply("bitwise_and", self, other)

    def __or__(self, other: Any) -> Tensor:
        return apply("bitwise_or", self, other)

    def __xor__(self, other: Any) -> Tensor:
        return apply("bitwise_xor", self, other)

    def __rand__(self, other: Any) -> Tensor:
        return apply("bitwise_and", other, self)

    def __ror__(self, other: Any) -> Tensor:
        return apply("bitwise_or", other, self)

    def __rxor__(self, other: Any) -> Tensor:
        return apply("bitwise_xor", other, self)

    def __lshift__(self, other: Any) -> Tensor:
        return apply("bitwise_left_shift", self, other)

    def __rlshift__(self, other: Any) -> Tensor:
        return apply("bitwise_left_shift", other, self)

    def __rshift__(self, other: Any) -> Tensor:
        return apply("bitwise_right_shift", self, other)

    def __rrshift__(self, other: Any) -> Tensor:
        return apply("bitwise_right_shift", other, self)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return apply("eq", self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return apply("ne", self, other)

    def __lt__(self, other: Any) -> Tensor:
        return apply("lt", self, other)

    def __le__(self, other: Any) -> Tensor:
        return apply("le", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return apply("gt", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return apply("ge", self, other)

    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Tensor:
        """Return what ints, slices, None and `...` select: a slice, in another shape."""
        keys = list(key) if isinstance(key, tuple) else [key]
        named = len([k for k in keys if k is not None and k is not Ellipsis])
        if named > len(self.shape):
            raise IndexError(f"{named} indices of shape {self.shape}")
        at = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
        keys[at : at + 1] = [builtins.slice(None)] * (len(self.shape) - named)
        slices: list[range] = []
        shape: list[int] = []
        for k in keys:
            if k is None:
                shape.append(1)
                continue
            places = range(self.shape[len(slices)])[k]
            slices.append(places if isinstance(places, range) else range(places, places + 1))
            if isinstance(places, range):
                shape.append(len(places))
        start, step = tuple(x.start for x in slices), tuple(x.step for x in slices)
        part = apply("slice", self, start, step, tuple(map(len, slices)))
        return apply("reshape", part, tuple(shape))

    # ---- derivatives

    def backward(
        self,
        gradient: Tensor | None = None,
        inputs: Sequence[Tensor] | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add the derivatives of this Tensor to the gradients of leaves it depends on.

        Args:
            gradient: of this Tensor itself, in its shape; by default 1 of a single number.
            inputs: what gets a gradient instead of all leaves.
            create_graph: record the gradients, to differentiate them in turn.

        Raises:
            RuntimeError: nothing here requires a gradient; or none is given of many numbers.
            ValueError: the gradient has another shape.
        """
        with set_grad_enabled(create_graph):
            totals, visited = sweep([self], [gradient], inputs)
            targets = [x for x in visited if x.is_leaf] if inputs is None else inputs
            for x in dict.fromkeys(targets):
                if x in totals:
                    x.grad = totals[x] if x.grad is None else x.grad + totals[x]


# ---- recording -------------------------------------------------------------------------------


def apply(name: str, *operands: Any, **how: Any) -> Tensor:
    """Compute an op by its name, and record it if an operand requires a gradient.

    Args:
        name: of a row of element_ops.py or an op of array_ops.py.
        operands: Tensors, and Python numbers of elementwise ops.
        how: the other arguments.
    """
    if name in ROWS:
        return apply_elements(name, operands, **how)
    if not operands or not isinstance(operands[0], Tensor):
        raise TypeError(f"{name} is an op on Tensors")
    call = inspect.signature(ARRAYS[name]).bind(*operands, **how)
    call.apply_defaults()
    if "axes" in call.arguments and call.arguments["axes"] is None:
        call.arguments["axes"] = tuple(range(len(call.arguments["a"].shape)))
    known = dict(call.arguments)
    tensors = tuple(x for x in call.args if isinstance(x, Tensor))
    for key, x in known.items():
        call.arguments[key] = arrays_of(x)
    result = ARRAYS[name](*call.args, **call.kwargs)
    return record(name, result, tensors, partial(RULES[name], **known) if name in RULES else None)


def arrays_of(x: Any) -> Any:
    """Return the Array of a Tensor, also of each in a tuple; anything else as it is."""
    if isinstance(x, tuple):
        return tuple(map(arrays_of, x))
    return x.array if isinstance(x, Tensor) else x


def apply_elements(name: str, operands: tuple[Any, ...], k: float | None = None) -> Tensor:
    """Compute a row of the table of elements."""
    row = ROWS[name]
    known = [arrays_of(x) for x in operands]
    for x in known:
        if not isinstance(x, (Array, bool, int, float)):
            raise TypeError(f"{name}: a Tensor or a number is needed, not {type(x).__name__}")
    computed, dtype = element_ops.computed_in(row, tuple(known))
    if name == "pow" and not is_float(dtype) and isinstance(known[1], int) and known[1] < 0:
        raise ValueError("pow: an integer has no inverse; make it a float first")
    result = element_ops.apply(name, *known, k=k)
    tensors = tuple(
        x if isinstance(x, Tensor) else Tensor(Array(computed, (), [x])) for x in operands
    )
    rule = partial(element_rule, name=name, operands=tensors, k=k) if row.gradients else None
    return record(name, result, tensors, rule)


def record(
    name: str, result: Array, operands: tuple[Tensor, ...], rule: Callable[..., Any] | None
) -> Tensor:
    """Make the node of a result, or a leaf where no gradient flows."""
    node = Tensor(result)
    flows = rule is not None and is_float(result.dtype) and is_grad_enabled()
    if flows and any(x.requires_grad for x in operands):
        node._op = name
        node._prev = operands
        node._requires_grad = True
        node._rule = rule
    return node


def method(name: str) -> Callable[..., Tensor]:
    """Return the method that applies an op."""

    def apply_op(self: Tensor, *operands: Any, **how: Any) -> Tensor:
        return apply(name, self, *operands, **how)

    apply_op.__name__ = name
    apply_op.__doc__ = ARRAYS[name].__doc__ if name in ARRAYS else f"Apply {name} to each element."
    return apply_op


for op in (*ROWS, *ARRAYS):
    setattr(Tensor, op, method(op))


def pow_number(self: Tensor, k: float) -> Tensor:
    """Return x ** k of a number k."""
    return apply("pow_number", self, k=k)


def where(self: Tensor, a: Any, b: Any) -> Tensor:
    """Return elements of a where this Tensor of bools holds, of b elsewhere."""
    dtype = promote([arrays_of(x) for x in (a, b)])
    a, b = (x if isinstance(x, Tensor) else Tensor(Array(dtype, (), [x])) for x in (a, b))
    return apply("where", self, a, b)


Tensor.pow_number = pow_number  # type: ignore[attr-defined]
Tensor.where = where  # type: ignore[attr-defined]


# ---- derivatives -----------------------------------------------------------------------------

Give = Callable[[int, Tensor], None]  # which operand gets a gradient


def postorder(roots: Sequence[Tensor]) -> list[Tensor]:
    """List what roots depend on and gradients flow to, depth first, operands before users."""
    listed: list[Tensor] = []
    seen: set[Tensor] = set()
    for root in roots:
        path: list[Any] = [root]
        while path:
            node = path.pop()
            if node is None:  # all operands of the node below have been listed
                listed.append(path.pop())
            elif node not in seen and node.requires_grad:
                seen.add(node)
                path += (node, None)
                path += node._prev[::-1]
    return listed


def seed_of(root: Tensor, gradient: Tensor | None) -> Tensor:
    """Return the gradient that a root begins with."""
    if not root.requires_grad:
        raise RuntimeError("nothing here requires a gradient")
    if gradient is None:
        if len(root.array.values) != 1:
            raise RuntimeError(f"a gradient is needed for shape {root.shape}, not one number")
        return Tensor(Array(root.dtype, root.shape, [1]))
    if gradient.shape != root.shape:
        raise ValueError(f"a gradient of shape {gradient.shape} is not of shape {root.shape}")
    return cast_to(gradient, root.dtype)  # type: ignore[no-any-return]


def sweep(
    roots: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    inputs: Sequence[Tensor] | None,
    function: Callable[[Tensor, dict[Tensor, Tensor], Give], None] | None = None,
) -> tuple[dict[Tensor, Tensor], list[Tensor]]:
    """Take gradients from roots to what they depend on, or only to what leads to inputs.

    Args:
        function: what a walk does at a node of the op "function", given the gradients so far and
            what takes the number of an operand and a gradient of it.

    Returns:
        The gradient of each node that was reached, and the nodes in the order of the walk.
    """
    for x in inputs or ():
        if not x.requires_grad:
            raise RuntimeError("an input does not require a gradient")
    listed = postorder(roots)
    needed = set(listed if inputs is None else inputs)
    for node in listed:
        if any(x in needed for x in node._prev):
            needed.add(node)
    totals: dict[Tensor, Tensor] = {}

    def arrive(node: Tensor, part: Tensor) -> None:
        totals[node] = totals[node] + part if node in totals else part

    def give(node: Tensor, which: int, part: Tensor) -> None:
        if which >= len(node._prev):
            raise ValueError(f"a function has no operand {which}")
        operand = node._prev[which]
        if not operand.requires_grad or operand not in needed:
            return
        if (part.shape, part.dtype) != (operand.shape, operand.dtype):
            raise ValueError(f"operand {which} of a function gets a gradient unlike it")
        arrive(operand, part)

    for root, gradient in zip(roots, gradients, strict=True):
        arrive(root, seed_of(root, gradient))
    for node in reversed(listed):
        if node not in totals or node not in needed:
            continue
        if node._op == "function" and function is not None:
            function(node, totals, partial(give, node))
            continue
        if node._op == "output":  # the function hears of it
            totals[node._prev[0]] = totals[node]
            continue
        for which, operand in enumerate(node._prev):
            if operand.requires_grad and operand in needed:
                rule: Any = node._rule
                part = rule(node, totals[node], which)
                if part is not None:
                    arrive(operand, part)
    return totals, listed


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Compute the derivatives of Tensors; no gradient attribute is read or written.

    Args:
        outputs: the Tensors to differentiate, whose derivatives are added.
        inputs: what to differentiate by: Tensors, leaves or not.
        grad_outputs: the gradients of outputs, by default 1 of single numbers.
        create_graph: record the derivatives, to differentiate them in turn, even in no_grad.
        allow_unused: give None for an input that no output depends on.

    Raises:
        RuntimeError: as `backward`; or an input is not used.

    Example:
        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> (dx,) = grad((x * x * x).sum(), x, create_graph=True)
        >>> dx, grad(dx.sum(), x)
        (Tensor([3.0, 12.0], float32), (Tensor([6.0, 12.0], float32),))
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        grad_outputs = [None] * len(outputs)
    elif isinstance(grad_outputs, Tensor):
        grad_outputs = [grad_outputs]
    with set_grad_enabled(create_graph):
        totals, _ = sweep(outputs, list(grad_outputs), inputs)
    results = tuple(totals.get(x) for x in inputs)
    if not allow_unused and None in [x if x is None else 0 for x in results]:
        raise RuntimeError("an input is not used by the outputs; allow_unused gives None for it")
    return results
