"""What a module is made of, as a table of text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import _core
from ..networks import Layer

if TYPE_CHECKING:
    from ..nn import Module

__all__ = ["Summary", "summary"]

HEAD = ("module", "class", "output", "parameters")


class Summary(str):
    """Text that shows itself in lines, not in quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def summary(model: Module, input_size: Any = None, input_data: Any = None) -> Summary:
    """Return a table of a module and those in it: class, shape of the output, parameters.

    Shapes are those of one call in eval mode, without a gradient; the module is as before. Nothing
    in a Layer of neurons has a line of its own.

    Args:
        model: the module.
        input_size: shape of an input, with its batch, which is zeros; or a list of shapes.
        input_data: the input itself, or a tuple of inputs. With neither, there are no shapes.

    Returns:
        Text.

    Example:
        >>> from pymicrograd import nn
        >>> summary(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), (5, 2))
        module      class       output  parameters
        (this one)  Sequential  (5, 3)
        0           Linear      (5, 3)  9
        1           ReLU        (5, 3)
        9 parameters, 9 of them trained; 36 bytes
    """
    inputs = inputs_of(input_size, input_data)
    lines = list(parts_of(model))
    shapes = {} if inputs is None else shapes_of(model, inputs)
    rows = [HEAD] + [row(name, part, shapes) for name, part in lines]
    columns = [i for i in range(4) if i != 2 or shapes]
    widths = [max(len(cells[i]) for cells in rows) for i in columns]
    text = [
        "  ".join(f"{cells[i]:<{w}}" for i, w in zip(columns, widths, strict=True)).rstrip()
        for cells in rows
    ]
    return Summary("\n".join([*text, totals(model)]))


def inputs_of(input_size: Any, input_data: Any) -> tuple[Any, ...] | None:
    """Return the arguments of a call; None: there shall be none."""
    if input_data is not None:
        return input_data if isinstance(input_data, tuple) else (input_data,)
    if input_size is None:
        return None
    from ..tensors.creation import zeros

    is_one = all(isinstance(size, int) for size in input_size)
    return tuple(zeros(tuple(size)) for size in ([input_size] if is_one else input_size))


def parts_of(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield modules with their paths, but for those in a Layer of neurons."""
    layers: list[str] = []
    for name, part in model.named_modules():
        if any(name.startswith(f"{layer}.") for layer in layers):
            continue
        if isinstance(part, Layer):
            layers.append(name)
        yield name, part


def shapes_of(model: Any, inputs: tuple[Any, ...]) -> dict[int, str]:
    """Return the shapes of outputs by the modules' identities, from one call."""
    shapes: dict[int, str] = {}

    def note(module: Any, _: Any, output: Any) -> None:
        shapes[id(module)] = shape_of(output)

    modes = [(part, part.training) for part in model.modules()]
    handles = [part.register_forward_hook(note) for part in model.modules()]
    try:
        model.eval()
        with _core.no_grad():
            shapes[id(model)] = shape_of(model(*inputs))
    finally:
        for handle in handles:
            handle.remove()
        for part, mode in modes:
            part.training = mode
    return shapes


def shape_of(output: Any) -> str:
    """Return the shape of an output, or the shapes of several, as text."""
    if isinstance(output, _core.TensorBase):
        return str(tuple(output.shape))
    if isinstance(output, (list, tuple)) and output:
        if isinstance(output[0], _core.ValueBase):
            return f"{len(output)} Values"
        return ", ".join(shape_of(part) for part in output[:3]) + ", ..." * (len(output) > 3)
    return type(output).__name__


def row(name: str, part: Any, shapes: dict[int, str]) -> tuple[str, str, str, str]:
    """Return the cells of a line; a module counts what is not in one that has a line, too."""
    is_leaf = isinstance(part, Layer)
    count = sum(map(size_of, part.parameters(is_leaf)))
    cells = name or "(this one)", type(part).__name__, shapes.get(id(part), "")
    return (*cells, f"{count}" if count else "")


def size_of(parameter: Any) -> int:
    """Return how many numbers a parameter is: a Value is one."""
    return math.prod(getattr(parameter, "shape", ()))


def totals(model: Any) -> str:
    """Return how many parameters and buffers there are, and how many bytes that is."""
    parameters, buffers = list(model.parameters()), list(model.buffers())
    count = sum(map(size_of, parameters))
    trained = sum(size_of(p) for p in parameters if getattr(p, "requires_grad", True))
    size = sum(size_of(x) * getattr(getattr(x, "dtype", None), "itemsize", 8)
               for x in (*parameters, *buffers))  # fmt: skip
    kept = f", and {sum(map(size_of, buffers))} numbers in buffers" if buffers else ""
    return f"{count} parameters, {trained} of them trained{kept}; {size} bytes"
