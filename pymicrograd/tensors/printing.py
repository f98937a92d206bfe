"""How a Tensor prints: as PyTorch's do, character by character, long axes cut in their middle."""

from __future__ import annotations

import math
from typing import Any

from .. import _core
from .conversion import flat
from .dtypes import bool_, float32, int64
from .ops import apply

__all__ = ["format_tensor", "set_printoptions"]

CAT = _core.OPS["cat"]
DEFAULTS = (float32, int64, bool_)  # types that need not be told


class Options:
    """What `set_printoptions` sets."""

    def __init__(self, precision: int = 4, threshold: float = 1000, edgeitems: int = 3) -> None:
        self.precision = precision
        self.threshold = threshold  # elements above which axes are cut
        self.edgeitems = edgeitems  # items that are left at either end of a cut axis
        self.linewidth = 80
        self.sci_mode: bool | None = None  # None: where numbers lie far apart


PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=math.inf),
}
options = Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how Tensors print, by PyTorch's names; what is not given stays.

    Args:
        precision: decimals of a float, at first 4.
        threshold: elements above which the middles of axes are left out, at first 1000.
        edgeitems: items that are left at either end of such an axis, at first 3.
        linewidth: characters of a line, at first 80.
        profile: "default", "short" or "full", from which the others start.
        sci_mode: whether floats have an exponent; at first, and after a profile, only where
            they lie far apart.
    """
    if profile is not None:
        if profile not in PROFILES:
            raise ValueError(f"a profile is 'default', 'short' or 'full', not {profile!r}")
        vars(options).update(vars(PROFILES[profile]))
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
        "sci_mode": sci_mode,
    }
    vars(options).update({name: value for name, value in given.items() if value is not None})


def format_tensor(x: Any, gradient: str) -> str:
    """Return the text of a Tensor; gradient names its function, where it has one."""
    shape = x.shape
    x = x.detach()
    cut = math.prod(shape) > options.threshold
    items = edges(x, cut)
    style = Style(list(flat(items)), x.dtype.kind)
    text = rows(items, shape, style, cut, 7) if math.prod(shape) else "[]"
    notes = []
    if 0 in shape and len(shape) != 1:
        notes.append(f"size={shape}")
    if x.dtype not in DEFAULTS or (0 in shape and x.dtype is not float32):
        notes.append(f"dtype={x.dtype!r}")
    if gradient:
        notes.append(gradient)
    return with_notes(f"tensor({text}", notes) + ")"


def with_notes(text: str, notes: list[str]) -> str:
    """Return the text with notes behind it, on lines of their own where one is full."""
    used = len(text) - text.rfind("\n") + 1
    for note in notes:
        if used + len(note) + 2 > options.linewidth:
            text += ",\n" + " " * 7 + note
            used = 7 + len(note)
        else:
            text += ", " + note
            used += len(note) + 2
    return text


def edges(x: Any, cut: bool) -> Any:
    """Return the items to be shown, as nested lists."""
    if not cut:
        return x.tolist()
    edge = options.edgeitems
    for axis, size in enumerate(x.shape):
        if size > 2 * edge:
            ends = x.narrow(axis, 0, edge), x.narrow(axis, size - edge, edge)
            x = apply(CAT, ends, (axis,))
    return x.tolist()


class Style:
    """How all numbers of one Tensor are written: whole, with decimals, or with an exponent.

    Of floats the finite ones that are not 0 decide that, and the width that all are brought to.
    """

    def __init__(self, numbers: list[Any], kind: int) -> None:
        self.kind = kind
        self.whole = self.scientific = False
        self.width = 1
        if kind == 2:
            numbers = [x for x in numbers if math.isfinite(x) and x != 0.0]
            self.choose([abs(x) for x in numbers])
        self.width = max((len(self.word(x)) for x in numbers), default=1)

    def choose(self, sizes: list[float]) -> None:
        """Choose between the forms of floats, by their sizes."""
        self.whole = all(x.is_integer() for x in sizes)
        top, bottom = max(sizes, default=1.0), min(sizes, default=1.0)
        far = top / bottom > 1000.0 or top > 1e8 or (bottom < 1e-4 and not self.whole)
        self.scientific = far if options.sci_mode is None else options.sci_mode

    def word(self, x: Any) -> str:
        """Return a number, not yet aligned."""
        if self.kind < 2:
            return str(x)
        if self.scientific:
            return f"{x:.{options.precision}e}"
        if not self.whole:
            return f"{x:.{options.precision}f}"
        return f"{x:.0f}." if math.isfinite(x) else f"{x:.0f}"

    def __call__(self, x: Any) -> str:
        return self.word(x).rjust(self.width)


def rows(items: Any, shape: tuple[int, ...], style: Style, cut: bool, indent: int) -> str:
    """Return nested lists in brackets, rows below each other."""
    if not shape:
        return style(items)
    edge = options.edgeitems
    shortened = cut and shape[0] > 2 * edge
    if len(shape) == 1:
        words = [style(x) for x in items]
        if shortened:
            words.insert(edge, " ...")
        return wrap(words, style.width, indent)
    parts = [rows(item, shape[1:], style, cut, indent + 1) for item in items]
    if shortened:
        parts.insert(edge, "...")
    between = "," + "\n" * (len(shape) - 1) + " " * (indent + 1)
    return "[" + between.join(parts) + "]"


def wrap(words: list[str], width: int, indent: int) -> str:
    """Return words in brackets, on as many lines as they need."""
    per_line = max(1, (options.linewidth - indent) // (width + 2))
    lines = [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
