"""Arrays and loops over them in the text of a C program."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Sequence

from .source import statement

C_TYPES = {
    "float32": "float", "float64": "double", "int64": "int64_t", "int32": "int32_t",
    "uint8": "uint8_t", "bool": "bool", "int8": "int8_t", "int16": "int16_t",
    "float16": "float16", "bfloat16": "bfloat16",
}  # fmt: skip
SHORT = {"float": "f32", "double": "f64", "int64_t": "i64", "int32_t": "i32", "uint8_t": "u8",
         "bool": "b8", "int8_t": "i8", "int16_t": "i16", "float16": "f16",
         "bfloat16": "bf16"}  # fmt: skip
FORMATS = {"float": "f", "double": "d", "int64_t": "q", "int32_t": "i", "uint8_t": "B",
           "bool": "?", "int8_t": "b", "int16_t": "h", "float16": "H", "bfloat16": "H"}  # fmt: skip
# The least and the largest element of a type.
ENDS = {"float": ("-INFINITY", "INFINITY"), "double": ("-INFINITY", "INFINITY"),
        "int64_t": ("INT64_MIN", "INT64_MAX"), "int32_t": ("INT32_MIN", "INT32_MAX"),
        "int16_t": ("INT16_MIN", "INT16_MAX"), "int8_t": ("-128", "127"),
        "uint8_t": ("0", "255"), "bool": ("0", "1")}  # fmt: skip
# What is stored as bits and computed in float; the functions of casts.inc.c by these names.
STORED = {"float16": "half", "bfloat16": "brain"}
SIZES = {name: struct.calcsize(code) for name, code in FORMATS.items()}
FLOATS = ("float", "double")
INTEGERS = ("int64_t", "int32_t", "int16_t", "int8_t", "uint8_t")


class Unwritten(NotImplementedError):
    """Something that programs written as C do not do."""


class View:
    """An array in a program's text.

    Attributes:
        name: of the C array; type: of its elements; offset: of the first one.
    """

    def __init__(
        self, name: str, kind: str, shape: Sequence[int], strides: Sequence[int], offset: int
    ) -> None:
        self.name, self.type = name, kind
        self.shape, self.strides, self.offset = tuple(shape), tuple(strides), offset

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size != 1 and stride != expected:
                return False
            expected *= size
        return True

    @property
    def start(self) -> str:
        """Its first element's address."""
        return f"{self.name} + {self.offset}" if self.offset else self.name

    def like(self, shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> View:
        return View(self.name, self.type, shape, strides, self.offset + offset)

    def reshaped(self, shape: Sequence[int]) -> View:
        """See a contiguous array as one of another shape."""
        assert self.is_contiguous
        return self.like(shape, steps_of(shape))

    def broadcast(self, shape: Sequence[int]) -> View:
        """See it as an array of a larger shape."""
        strides = [0] * (len(shape) - len(self.shape))
        strides += [0 if n == 1 else s for n, s in zip(self.shape, self.strides, strict=True)]
        return self.like(shape, strides)


def steps_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of a contiguous array."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def nest(
    views: Sequence[View],
    body: Callable[..., str],
    indent: int = 4,
    names: Sequence[str] = "ijklmnpq",
) -> str:
    """Write a loop nest over all elements of views of one shape; body gets an element of each."""
    axes = [(n, [v.strides[d] for v in views]) for d, n in enumerate(views[0].shape) if n != 1]
    merged: list[tuple[int, list[int]]] = []
    for n, steps in axes:
        if merged and all(a == b * n for a, b in zip(merged[-1][1], steps, strict=True)):
            merged[-1] = (merged[-1][0] * n, steps)
        else:
            merged.append((n, steps))
    lines = []
    names = [*names, *(f"{names[0]}{d}" for d in range(len(names), len(merged)))]
    for name, (n, _) in zip(names, merged, strict=False):
        lines.append(f"{' ' * indent}for (int64_t {name} = 0; {name} < {n}; {name}++)")
        indent += 4
    elements = []
    for k, view in enumerate(views):
        terms = [
            term(steps[k], name)
            for name, (_, steps) in zip(names, merged, strict=False)
            if steps[k]
        ]
        elements.append(f"{view.name}[{added(view.offset, terms)}]")
    text = body(*elements)
    if "\n" in text or text.count(";") > 1:
        lines[-1:] = [lines[-1] + " {"] if lines else [" " * (indent - 4) + "{"]
        lines += [statement(line, indent) for line in text.split("\n")]
        lines.append(" " * (indent - 4) + "}")
    else:
        lines.append(statement(text, indent))
    return "\n".join(lines)


def term(step: int, name: str) -> str:
    return name if step == 1 else f"{step} * {name}"


def added(offset: int, terms: Sequence[str]) -> str:
    """Return a sum of an offset and terms."""
    return " + ".join([*([str(offset)] if offset or not terms else []), *terms]).replace(
        "+ -", "- "
    )


def number(x: float, kind: str) -> str:
    """Return a number of a type as C has it."""
    if kind not in FLOATS:
        return integer(x, kind)
    x = x if kind == "double" else single(x)
    if math.isnan(x):
        return "NAN"
    if math.isinf(x):
        return "INFINITY" if x > 0 else "-INFINITY"
    return repr(x) if kind == "double" else f"{shortest(x)}f"


def integer(x: float, kind: str) -> str:
    """Return a number of a type of integers or of bool, cut as casts do it; or bits."""
    if kind == "bool":
        return str(int(x != 0))
    is_signed = kind != "uint8_t" and kind not in STORED
    bits = 8 * SIZES[kind] - is_signed
    least, most = -(2**bits) if is_signed else 0, 2**bits - 1
    cut = 0 if x != x else int(min(max(x, least), most))
    if cut == -(2**63):
        return "INT64_MIN"
    return f"INT64_C({cut})" if abs(cut) > 2**31 - 1 else str(cut)


def single(x: float) -> float:
    """Return the nearest float32."""
    try:
        return float(struct.unpack("f", struct.pack("f", x))[0])
    except OverflowError:
        return math.copysign(math.inf, x)


def filler(x: float, kind: str) -> str:
    """Return a number of any type."""
    stored = STORED.get(kind)
    return f"{stored}_of_f64({number(x, 'double')})" if stored else number(x, kind)


def computed_in(kind: str) -> str:
    """Return the type that elements of a type are computed in."""
    return "float" if kind in STORED else kind


def cast(text: str, kind: str, to: str) -> str:
    """Return an element of a type in another one."""
    if kind == to:
        return text
    if kind in STORED:
        return cast(f"f32_of_{STORED[kind]}({text})", "float", to)
    if to == "bool":
        return f"({text} != 0)"
    if to in STORED:
        of = "f32" if kind == "float" else "f64"
        if kind not in FLOATS:
            of, text = ("i64", text) if to == "bfloat16" else ("f64", f"(double){text}")
        return f"{STORED[to]}_of_{of}({text})"
    if kind in FLOATS and to not in FLOATS:
        text = f"cut_{SHORT[kind]}({text}, {', '.join(ENDS[to])})"
        return text if to == "int64_t" else f"({to}){text}"
    return f"({to}){text}"


def shortest(x: float) -> str:
    """Return the shortest text that a float32 has."""
    for digits in range(6, 10):
        text = f"{x:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", x):
            break
    return text if any(c in text for c in ".en") else text + ".0"


def element(view: View, at: str) -> str:
    """Return an element of a contiguous array."""
    return f"{view.name}[{added(view.offset, [at])}]"


def moved(at: str, by: str) -> str:
    """Return an element that lies further behind."""
    return f"{at[:-1]} + {by}]"


def nested_body(views: Sequence[View], body: Callable[..., str]) -> str:
    """Write a loop nest whose body has lines, some of them indented."""
    marked: list[str] = []

    def noted(*elements: str) -> str:
        marked.append(body(*elements))
        return "BODY;"

    text = nest(views, noted)
    head, _, tail = text.rpartition("BODY;")
    indent = len(head) - len(head.rstrip(" "))
    lines = []
    for line in marked[0].split("\n"):
        inner = len(line) - len(line.lstrip(" "))
        lines.append(statement(line.lstrip(" "), indent + inner))
    head = head.rstrip(" ").rstrip("\n")
    return (
        f"{head} {{\n" + "\n".join(lines) + f"\n{' ' * max(4, indent - 4)}}}" + tail
        if head
        else (
            "    {\n"
            + "\n".join("    " + line for line in "\n".join(lines).split("\n"))
            + "\n    }"
        )
    )


def shape_text(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"


def powers(text: str, k: float, kind: str) -> str:
    """Return a formula with POWK(x, k) written out."""
    while (begin := text.find("POWK(")) >= 0:
        depth, end = 0, begin + 4
        for end in range(begin + 4, len(text)):
            depth += (text[end] == "(") - (text[end] == ")")
            if depth == 0:
                break
        base, _, exponent = text[begin + 5 : end].rpartition(", ")
        value = (
            k - 1.0
            if exponent == "number - 1.0"
            else k
            if exponent == "number"
            else float(exponent)
        )
        text = text[:begin] + power(base, value, kind) + text[end + 1 :]
    text = text.replace("number == 0.0 ?", f"{int(k == 0.0)} ?")
    return re.sub(r"\bnumber\b", number(k, "double"), text)


def power(x: str, k: float, kind: str) -> str:
    """Return x^k as kernels compute it."""
    usual = {
        2.0: f"({x} * {x})", 1.0: x, 0.0: "(T)1", -1.0: f"(1 / {x})", 0.5: f"sqrt_T({x})",
        -0.5: f"(1 / sqrt_T({x}))", 3.0: f"({x} * {x} * {x})",
    }  # fmt: skip
    return usual.get(k, f"VM_pow({x}, ({kind}){number(k, 'double')})")
