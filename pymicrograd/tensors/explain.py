"""What went wrong in an op: its name, the shapes and types of its operands, and the rule.

C returns a status; `fail` is where it becomes an exception.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from .. import _core
from ..errors import ArgumentError, EmptyError, GradientError, MicrogradError, RecordingError
from .arguments import plural
from .ops import TensorBase

__all__ = ["alias", "call_as", "fail", "index_text", "refuse_out"]

NAMES = {number: name for name, number in _core.OPS.items()}
ROWS = {"take": "x[...]", "put_at": "x[...] = value", "add_at": "index_add"}  # by their callers
INDEXED = (*ROWS, "gather", "scatter_add")

EXTREMES = ("amax", "amin", "argmax", "argmin")

Shape = tuple[int, ...]
P = ParamSpec("P")
R = TypeVar("R")


def fail(status: int, what: int | str, operands: Any, integers: Any) -> None:
    """Raise the exception of a status; of a refusal see `_core.refuse`.

    Args:
        status: negative.
        what: the number of an op, or the name of another call.
        operands: Tensors, numbers or Nones; integers: the op's, or None.
    """
    name = NAMES[what] if isinstance(what, int) else what  # with _ at its end: in place
    rule = RULES.get(status)
    with _core.unrecorded():  # which may look at elements
        text = rule(name, operands, integers or ()) if rule else ""
    error = _core.EXCEPTIONS[status]
    if status == _core.SHAPE and name in EXTREMES:
        error = EmptyError
    if error is ValueError:
        error = ArgumentError
    if name == "requires_grad" and status == _core.ARGUMENT:
        error = GradientError
    text = f"{ROWS.get(name, name)}: {text or generic(status, operands)}"
    if not issubclass(error, RecordingError) or isinstance(what, int):
        raise error(text)  # an op has no result
    _core.refuse(error(text))


def tensors(operands: Any) -> list[Any]:
    """Return the Tensors among operands; those without a node cannot be asked for anything."""
    return [x for x in operands if isinstance(x, TensorBase) and x._handle]


def listed(words: list[str]) -> str:
    """Return words as a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def generic(status: int, operands: Any) -> str:
    """Return what the core says about a status, and the shapes."""
    found = tensors(operands)
    if not found or status == _core.STALE:  # at some node, not at the roots
        return _core.status_text(status)
    shapes = listed([str(x.shape) for x in found[:4]])
    plural = "shapes" if len(found) > 1 else "shape"
    return f"{_core.status_text(status)} ({plural} {shapes})"


# ---- names -----------------------------------------------------------------------------------


def call_as(what: str, call: Callable[..., R], *args: Any, **options: Any) -> R:
    """Call a part of a method; what it raises names the method, not the part."""
    try:
        return call(*args, **options)
    except (MicrogradError, TypeError) as error:
        text = str(error)
        head, colon, rest = text.partition(": ")
        if colon and (head.isidentifier() or head.startswith("x[...]")):
            error.args = (f"{what}: {rest}",)
        elif isinstance(error, MicrogradError):
            error.args = (f"{what}: {text}",)
        raise


def alias(name: str, method: Callable[P, R]) -> Callable[P, R]:
    """Return a method under a second name, which its errors then say."""

    @functools.wraps(method)
    def named(*args: P.args, **options: P.kwargs) -> R:
        return call_as(name, method, *args, **options)

    named.__name__, named.__qualname__ = name, f"Tensor.{name}"
    return named


def refuse_out(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that understands out=, and refuses it: results are new tensors."""

    @functools.wraps(function)
    def checked(*args: P.args, **named: P.kwargs) -> R:
        if named and "out" in named and named.pop("out") is not None:
            name = function.__name__
            raise TypeError(f"{name}: out= is not taken: write out.copy_({name}(...))")
        return function(*args, **named)

    return checked


# ---- shapes ----------------------------------------------------------------------------------


def explain_shapes(name: str, operands: Any, integers: Any) -> str:
    """Say why shapes do not fit."""
    shapes = [x.shape for x in tensors(operands)]
    if name in SHAPE_RULES:
        return SHAPE_RULES[name](shapes, integers)
    text = broadcast_text(shapes)
    if not text and name.endswith("_"):
        return copy_text(shapes, integers)
    if text:
        return text
    words = listed(list(map(str, shapes)))
    return f"shapes {words} do not fit" if len(shapes) > 1 else f"shape {words} does not fit"


def broadcast_text(shapes: list[Shape]) -> str:
    """Say which axis of two shapes cannot be broadcast; nothing if all can."""
    for i, a in enumerate(shapes):
        for b in shapes[i + 1 :]:
            for axis in range(-1, -min(len(a), len(b)) - 1, -1):
                if a[axis] != b[axis] and 1 not in (a[axis], b[axis]):
                    return (
                        f"shapes {a} and {b} cannot be broadcast: "
                        f"{a[axis]} != {b[axis]} at axis {axis}"
                    )
    return ""


def matmul_text(shapes: list[Shape], integers: Any) -> str:
    a, b = shapes
    if not a or not b:
        return f"shapes {a} and {b}: both operands need at least one axis"
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        return f"shapes {a} and {b} do not fit: {a[-1]} != {inner}"
    return broadcast_text([a[:-2], b[:-2]]) or f"shapes {a} and {b} do not fit"


def linear_text(shapes: list[Shape], integers: Any) -> str:
    x, weight, *bias = shapes
    if len(weight) != 2:
        return f"the weight has shape {weight}, not (out, in)"
    if not x or x[-1] != weight[1]:
        return f"an input of shape {x} and a weight {weight} do not fit: {x[-1:]} != {weight[1:]}"
    return f"a bias of shape {bias[0] if bias else ()} does not fit a weight of shape {weight}"


def axes_text(count: int) -> str:
    return f"{count} axes; at most {_core.MAX_RANK} axes are possible"


def take_text(shapes: list[Shape], integers: Any) -> str:
    x, index = shapes
    count = len(index) + len(x) - 1
    if x and count > _core.MAX_RANK:
        return f"indices of shape {index} for shape {x} give {axes_text(count)}"
    return f"shapes {x} and {index} do not fit"


def reshape_text(shapes: list[Shape], integers: Any) -> str:
    (a,), to = shapes, tuple(integers)
    if len(to) > _core.MAX_RANK:
        return f"shape {to} has {axes_text(len(to))}"
    return f"shape {a} has {plural(math.prod(a), 'element')}, shape {to} has {math.prod(to)}"


def expand_text(shapes: list[Shape], integers: Any) -> str:
    if len(integers) > _core.MAX_RANK:
        return f"shape {tuple(integers)} has {axes_text(len(integers))}"
    return f"shape {shapes[0]} cannot be expanded to {tuple(integers)}"


def cat_text(shapes: list[Shape], integers: Any) -> str:
    first = shapes[0]
    for other in shapes[1:]:
        if len(other) != len(first):
            return f"shapes {first} and {other} differ in their number of axes"
        for axis, (a, b) in enumerate(zip(first, other, strict=True)):
            if a != b and axis != integers[0]:
                return f"shapes {first} and {other} differ: {a} != {b} at axis {axis}"
    return f"shapes {listed(list(map(str, shapes)))} do not fit"


def copy_text(shapes: list[Shape], integers: Any) -> str:
    if len(shapes) < 2:
        return "the shape does not fit"
    return f"shape {shapes[1]} cannot be broadcast into {shapes[0]}"


def gradient_text(shapes: list[Shape], integers: Any) -> str:
    if len(shapes) < 2:
        return "the shape of a gradient differs from its tensor's"
    return f"a gradient of shape {shapes[1]} does not fit a tensor of shape {shapes[0]}"


def gather_text(shapes: list[Shape], integers: Any) -> str:
    x, index = shapes[:2]
    if len(x) != len(index):
        return f"an index of shape {index} has not as many axes as the input, {len(x)}"
    for axis, (size, count) in enumerate(zip(x, index, strict=True)):
        if axis != integers[0] and count > size:
            return (
                f"an index of shape {index} is larger than the input {x} at axis {axis}: only at "
                f"axis {integers[0]} may it be"
            )
    source = f", or than its source {shapes[2]}" if len(shapes) > 2 else ""
    return f"an index of shape {index} is larger than the input {x}{source}"


def extreme_text(shapes: list[Shape], integers: Any) -> str:
    """Say along which of the axes, a mask of bits, there is nothing to compare."""
    empty = [i for i, size in enumerate(shapes[0]) if not size and integers[0] >> i & 1]
    return f"shape {shapes[0]} has no elements along axis {empty[0] if empty else 0} to compare"


def extreme_at_text(shapes: list[Shape], integers: Any) -> str:
    return f"shape {shapes[0]} has no elements along axis {integers[0]} to compare"


SHAPE_RULES: dict[str, Callable[[list[Shape], Any], str]] = {
    "matmul": matmul_text,
    "linear": linear_text,
    "reshape": reshape_text,
    "expand": expand_text,
    "take": take_text,
    "cat": cat_text,
    "amax": extreme_text,
    "amin": extreme_text,
    "argmax": extreme_at_text,
    "argmin": extreme_at_text,
    "copy_": copy_text,
    "gather": gather_text,
    "scatter_add": gather_text,
    "grad": gradient_text,
}


# ---- types, indices, gradients ---------------------------------------------------------------


def explain_types(name: str, operands: Any, integers: Any) -> str:
    """Say for which types an op has no meaning."""
    kinds = [x.dtype.name if isinstance(x, TensorBase) else type(x).__name__ for x in operands]
    if name == "requires_grad":
        return f"only tensors of floats can require gradients, not {kinds[0]}"
    if name == "grad":
        return f"a gradient of {kinds[1]} does not fit a tensor of {kinds[0]}"
    if name.endswith("_"):
        operand = f", with {listed(kinds[1:])}," if kinds[1:] else ""
        hint = "; use floor_divide_(), or cast with float()" if name == "div_" else ""
        return f"the result{operand} cannot be written into {kinds[0]}{hint}"
    if name.startswith("bitwise"):
        also = "" if "shift" in name else " and bool"
        return f"is for integers{also}, not {listed(kinds)}"
    if name in FLOAT_RULES and kinds:
        return FLOAT_RULES[name].format(kinds[0])
    return f"has no meaning for {listed(kinds)}" if kinds else ""


FLOAT_RULES = {
    "mean": "is for floats, not {}: cast with float(), or use mean(dtype=...)",
    "var": "is for floats, not {}: cast with float()",
    "std": "is for floats, not {}: cast with float()",
}


REPAIRED = "an index was out of range, which another thread has written over since"


def explain_index(name: str, operands: Any, integers: Any) -> str:
    """Say which index is out of range."""
    found = tensors(operands)
    if len(found) < 2 or (name not in INDEXED and name != "cross_entropy"):
        return ""
    x, index = found[:2]
    if name == "cross_entropy":
        return class_text(index.tolist(), x.shape[1], integers[1])
    axis = integers[0] if integers else 0
    size = x.shape[axis] if x.ndim else 1
    low, high = index.amin().item(), index.amax().item()
    wrong = low if low < -size else high
    if -size <= wrong < size:
        return REPAIRED
    if name in ROWS:  # its callers bring the axis to the front
        return f"index {wrong} is out of range for an axis of size {size}"
    return index_text(wrong, axis, size)


def index_text(index: int, axis: int, size: int) -> str:
    return f"index {index} is out of range for axis {axis} of size {size}"


def class_text(targets: list[int], classes: int, ignored: int) -> str:
    """Say which target is no class."""
    for row, target in enumerate(targets):
        if target != ignored and not 0 <= target < classes:
            return f"target {target} of row {row} is outside the classes 0 to {classes - 1}"
    return REPAIRED


def explain_argument(name: str, operands: Any, integers: Any) -> str:
    """Say what about an argument is wrong, where only one thing can be."""
    if name == "requires_grad":
        return "you can only change requires_grad of leaves; use detach()"
    return ""


def explain_domain(name: str, operands: Any, integers: Any) -> str:
    """Say why there is no such number."""
    if name in ("pow", "pow_"):
        kind = tensors(operands)[0].dtype.name
        return f"{kind} to the power of a negative number is no integer; cast with float()"
    return ""


def explain_view(name: str, operands: Any, integers: Any) -> str:
    """Say of a tensor whose own elements share memory that others are not the reason."""
    for x in tensors(operands)[:1]:
        _, strides, *_ = x._info()
        if any(size > 1 and not step for size, step in zip(x.shape, strides, strict=True)):
            return (
                f"elements of shape {x.shape} and strides {strides} share memory, as after "
                "expand(); change a clone()"
            )
    return ""


def explain_changed(name: str, operands: Any, integers: Any) -> str:
    """Say whose gradient needs a value that was changed; the operand is its node."""
    rule = _core.status_text(_core.CHANGED)
    for x in tensors(operands):
        return f"{rule} (by {NAMES[x._info()[4]]}, shape {x.shape})"
    return rule


RULES: dict[int, Callable[[str, Any, Any], str]] = {
    _core.SHAPE: explain_shapes,
    _core.DTYPE: explain_types,
    _core.INDEX: explain_index,
    _core.ARGUMENT: explain_argument,
    _core.DOMAIN: explain_domain,
    _core.CHANGED: explain_changed,
    _core.VIEW: explain_view,
}
