"""How a Tensor prints: as PyTorch's do, four decimals, long axes cut in their middle."""

from __future__ import annotations

import math
from typing import Any

from .. import _core
from .conversion import flat
from .dtypes import bool_, float32, int64
from .ops import apply

__all__ = ["format_tensor"]

CAT = _core.OPS["cat"]
DECIMALS = 4
THRESHOLD = 1000  # elements above which axes are cut
EDGE = 3  # items that are left at either end of a cut axis
WIDTH = 80
DEFAULTS = (float32, int64, bool_)  # types that need not be told


def format_tensor(x: Any, gradient: str) -> str:
    """Return the text of a Tensor; gradient names its function, where it has one."""
    shape = x.shape
    x = x.detach()
    cut = math.prod(shape) > THRESHOLD
    items = edges(x, cut)
    style = Style(list(flat(items)), x.dtype.kind)
    text = rows(items, shape, style, cut, 7) if math.prod(shape) else "[]"
    notes = []
    if 0 in shape and shape != (0,):
        notes.append(f"size={shape}")
    if x.dtype not in DEFAULTS or (0 in shape and x.dtype is not float32):
        notes.append(f"dtype={x.dtype!r}")
    if gradient:
        notes.append(gradient)
    return ", ".join([f"tensor({text}", *notes]) + ")"


def edges(x: Any, cut: bool) -> Any:
    """Return the items to be shown, as nested lists."""
    if not cut:
        return x.tolist()
    for axis, size in enumerate(x.shape):
        if size > 2 * EDGE:
            ends = x.narrow(axis, 0, EDGE), x.narrow(axis, size - EDGE, EDGE)
            x = apply(CAT, ends, (axis,))
    return x.tolist()


class Style:
    """How all numbers of one Tensor are written: whole, with decimals, or with an exponent."""

    def __init__(self, numbers: list[Any], kind: int) -> None:
        self.kind = kind
        finite = [abs(x) for x in numbers if kind == 2 and math.isfinite(x) and x != 0.0]
        self.whole = kind == 2 and all(x.is_integer() for x in finite)
        top, bottom = max(finite, default=0.0), min(finite, default=0.0)
        far = bool(finite) and top / bottom > 1000.0
        if self.whole:
            self.scientific = top >= 1e8
        else:
            self.scientific = far or top > 1e8 or bottom < 1e-4
        self.width = max((len(self.word(x)) for x in numbers), default=0)

    def word(self, x: Any) -> str:
        """Return a number, not yet aligned."""
        if self.kind < 2 or not math.isfinite(x):
            return str(x)
        if self.scientific:
            return f"{x:.{DECIMALS}e}"
        return f"{x:.0f}." if self.whole else f"{x:.{DECIMALS}f}"

    def __call__(self, x: Any) -> str:
        return self.word(x).rjust(self.width)


def rows(items: Any, shape: tuple[int, ...], style: Style, cut: bool, indent: int) -> str:
    """Return nested lists in brackets, rows below each other."""
    if not shape:
        return style.word(items)
    shortened = cut and shape[0] > 2 * EDGE
    if len(shape) == 1:
        words = [style(x) for x in items]
        if shortened:
            words.insert(EDGE, "...")
        return wrap(words, style.width, indent + 1)
    parts = [rows(item, shape[1:], style, cut, indent + 1) for item in items]
    if shortened:
        parts.insert(EDGE, "...")
    between = "," + "\n" * (len(shape) - 1) + " " * (indent + 1)
    return "[" + between.join(parts) + "]"


def wrap(words: list[str], width: int, indent: int) -> str:
    """Return words in brackets, on as many lines as they need."""
    per_line = max(1, (WIDTH - indent) // (width + 2))
    lines = [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
    return "[" + (",\n" + " " * indent).join(lines) + "]"
