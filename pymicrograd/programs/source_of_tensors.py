"""Programs of Tensors as C that stands alone.

Memory of the program becomes static arrays, each entry a loop nest over them, with what SPEC.md
says of sums, rows and products in plain form: excerpts of the core's sources.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

from .. import _core
from ..tensors.dtypes import DTYPES
from ..version import __version__
from .excerpts import excerpt, words_of
from .source import CONDITIONS, bare, comment, finished, statement, table

__all__ = ["c_of_tensors"]

VMATH, FMA, FACTORS = "base/vmath.h", "base/fma.h", "arrays/factors.c"
FLOATS, PLAIN, UPDATES = (
    "kernels/floats.inc.c",
    "programs/plain.inc.c",
    "kernels/update.inc.c",
)
C_TYPES = {
    "float32": "float", "float64": "double", "int64": "int64_t", "int32": "int32_t",
    "uint8": "uint8_t", "bool": "uint8_t", "int8": "int8_t", "int16": "int16_t",
}  # fmt: skip
SHORT = {"float": "f32", "double": "f64", "int64_t": "i64", "int32_t": "i32", "uint8_t": "u8",
         "int8_t": "i8", "int16_t": "i16"}  # fmt: skip
FORMATS = {"float": "f", "double": "d", "int64_t": "q", "int32_t": "i", "uint8_t": "B",
           "int8_t": "b", "int16_t": "h"}  # fmt: skip
SIZES = {name: struct.calcsize(code) for name, code in FORMATS.items()}
RNG = "base/rng.c"
GENERATOR = """\
typedef struct mg_rng {
    uint64_t state;
    double spare;
    int has_spare;
} mg_rng;"""
REDUCTIONS = {"sum": "PLAIN_SUM", "mean": "PLAIN_SUM", "prod": "PLAIN_PROD", "amax": "PLAIN_AMAX",
              "amin": "PLAIN_AMIN"}  # fmt: skip
COPIES = ("clone", "contiguous", "reshape", "cast")
BLOCKS = 4096 * 4096  # elements that a reduction of two levels has
FUSED = """\
/* x y + z, rounded once. */
MG_INLINE {type} fused_{short}({type} x, {type} y, {type} z)
{{
#if defined(__FMA__) || defined(__aarch64__)
    (void)fma_{short}_by_parts;
    return __builtin_fma{letter}(x, y, z);
#else
    return fma_{short}_by_parts(x, y, z);
#endif
}}"""


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
    views: Sequence[View], body: Callable[..., str], indent: int = 4, names: str = "ijklmnpq"
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
    if kind not in ("float", "double"):
        return f"INT64_C({int(x)})" if abs(int(x)) > 2**31 - 1 else str(int(x))
    if math.isnan(x):
        return "NAN"
    if math.isinf(x):
        return "INFINITY" if x > 0 else "-INFINITY"
    return repr(x) if kind == "double" else f"{shortest(x)}f"


def shortest(x: float) -> str:
    """Return the shortest text that a float32 has."""
    for digits in range(6, 10):
        text = f"{x:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", x):
            break
    return text if any(c in text for c in ".en") else text + ".0"


class Writer:
    """A program of Tensors that is being written."""

    def __init__(self, program: Any) -> None:
        self.entries, self.storages = program.entries(), program.storages()
        self.declared: dict[str, tuple[str, int, str]] = {}  # type, elements, initial data
        self.about: dict[str, str] = {}
        self.scratch = 0
        self.steps: list[str] = []
        self.updates: list[str] = []  # declarations
        self.restored: list[str] = []
        self.outputs: list[str] = []
        self.results: list[View] = []
        self.generators: dict[int, str] = {}
        self.stepped: dict[tuple[int, int], str] = {}

    # ---- memory

    def view(self, placed: Any) -> View:
        """Return an array of an entry."""
        kind = C_TYPES.get(DTYPES[placed.dtype].name)
        if kind is None:
            raise Unwritten(f"{DTYPES[placed.dtype].name} elements")
        storage = self.storages[placed.storage]
        offset = placed.offset // SIZES[kind]
        if storage.is_gradient:
            raise Unwritten("gradients from before the step: call zero_grad() first")
        if storage.is_owned:
            name = f"t{placed.storage}_{SHORT[kind]}"
        elif storage.input >= 0:
            name = f"@_input_{storage.input}"
        else:
            name = f"p{placed.storage}"
        if not storage.is_owned and (storage.is_shared or not storage.is_contiguous):
            raise Unwritten("a Tensor from outside that is not contiguous, or has views")
        if name not in self.declared:
            count = storage.size // SIZES[kind]
            data = ""
            if storage.data is not None:
                found = struct.unpack(f"={count}{FORMATS[kind]}", storage.data)
                if any(found) or any(math.copysign(1.0, x) < 0 for x in found):
                    data = ", ".join(number(x, kind) for x in found)
            self.declared[name] = kind, max(1, count), data
            if storage.is_restored:
                self.declared[f"{name}_first"] = kind, max(1, count), data
                self.restored.append(f"    memcpy({name}, {name}_first, sizeof {name});")
            if not storage.is_owned:
                self.about[name] = shape_text(placed.shape)
        return View(name, kind, placed.shape, placed.strides, offset)

    def room(self, kind: str, shape: Sequence[int]) -> View:
        """Return an array for what an entry needs on the way."""
        name = f"room{self.scratch}_{SHORT[kind]}"
        self.scratch += 1
        self.declared[name] = kind, max(1, math.prod(shape)), ""
        return View(name, kind, shape, steps_of(shape), 0)

    def say(self, text: str) -> None:
        self.steps.append(text)

    def contiguous(self, view: View, kind: str | None = None) -> View:
        """Return an array, or a copy in one piece and of a type."""
        if view.is_contiguous and kind in (None, view.type):
            return view.like(view.shape, steps_of(view.shape))
        made = self.room(kind or view.type, view.shape)
        self.copy(view, made)
        return made

    def copy(self, source: View, to: View) -> None:
        """Write a copy, with a cast."""
        self.say(nest([to, source.broadcast(to.shape)],
                      lambda y, a: f"{y} = {self.cast(a, source, to)};"))  # fmt: skip

    def cast(self, text: str, source: View, to: View, is_bool: bool = False) -> str:
        """Return an element in another type."""
        if source.type == to.type and not is_bool:
            return text
        if is_bool:
            return f"{text} != 0"
        if source.type in ("float", "double") and to.type not in ("float", "double"):
            raise Unwritten("casts of floats to integers")
        return f"({to.type}){text}"

    # ---- formulas

    def formula(self, op: str, which: int, kind: str, operands: dict[str, str], k: float) -> str:
        """Return what an elementwise op computes."""
        text = _core.element_formula(op, which)
        if not text or "NONE" in text:
            raise Unwritten(f"{op} of elements")
        if kind not in ("float", "double"):
            return self.integers(op, which, kind, operands)
        text = re.sub(r"\b[abyg]\b", lambda match: operands[match[0]], text)
        text = powers(text, k, kind)
        short, letter = SHORT[kind], "f" if kind == "float" else ""
        text = re.sub(r"\bVM_(\w+)", rf"vm_\1{'_f32' if letter else ''}", text)
        text = re.sub(r"\b(sqrt|fabs)_T\b", rf"\1{letter}", text)
        text = re.sub(r"\b(\w+)_T\b", rf"\1_{short}", text)
        return re.sub(r"\(T\)", f"({kind})", text)

    def integers(self, op: str, which: int, kind: str, operands: dict[str, str]) -> str:
        """Return what an op of integers computes."""
        a, b = operands.get("a", ""), operands.get("b", "")
        signs = {"add": "+", "sub": "-", "mul": "*"}
        if which == 0 and op in signs and kind == "int64_t":
            return f"(int64_t)((uint64_t){a} {signs[op]} (uint64_t){b})"
        comparisons = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
        if which == 0 and op in comparisons:
            return f"{a} {comparisons[op]} {b}"
        logical = {"logical_and": f"{a} & {b}", "logical_or": f"{a} | {b}",
                   "logical_xor": f"{a} ^ {b}", "logical_not": f"{a} ^ 1"}  # fmt: skip
        if which == 0 and op in logical:
            return logical[op]
        raise Unwritten(f"{op} of {kind.removesuffix('_t')}")

    def elements(self, op: str, operands: Sequence[View], y: View, weak: int, k: float) -> None:
        """Write an elementwise op."""
        kind = y.type
        compares = op in ("eq", "ne", "lt", "le", "gt", "ge")
        if compares:
            strong = {v.type for i, v in enumerate(operands) if not weak >> i & 1}
            kinds = strong or {v.type for v in operands}
            if len(kinds) > 1 and not kinds <= {"int64_t", "int32_t", "uint8_t"}:
                raise Unwritten(f"{op} of {' and '.join(sorted(kinds))}")
            kind = kinds.pop() if len(kinds) == 1 else "int64_t"
            weak_float = any(
                v.type in ("float", "double") for i, v in enumerate(operands) if weak >> i & 1
            )
            if weak_float and kind not in ("float", "double"):
                raise Unwritten(f"{op} of integers and a float")
        wide = View("", kind, (), (), 0)
        views = [y, *(v.broadcast(y.shape) for v in operands)]

        def body(out: str, *found: str) -> str:
            names = dict(zip("ab", found, strict=False))
            cast = {
                name: self.cast(text, v, wide)
                for (name, text), v in zip(names.items(), operands, strict=True)
            }
            return f"{out} = {bare(self.formula(op, 0, kind, cast, k))};"

        self.say(nest(views, body))

    # ---- entries

    def write(self, number_of: int, e: Any) -> None:
        """Write an entry."""
        if e.kind == "set":
            return
        arrays: list[Any] = [None if x is None else self.view(x) for x in e.arrays]
        if e.kind == "output":
            self.output(arrays[0])
            return
        shapes = " ".join(shape_text(v.shape) for v in arrays if v is not None)
        name = e.name
        if name == "gradient":
            name = f"gradient of {list(_core.OPS)[e.integers[0]]}"
        self.say(f"    /* {number_of}: {name} {shapes} */" if e.kind != "update" else
                 f"    /* {number_of}: {name} */")  # fmt: skip
        if e.kind == "update":
            self.update(e, arrays)
            return
        if e.kind == "act":
            act = getattr(self, f"act_{e.name}", None)
            if act is None:
                raise Unwritten(f"{name} in a gradient")
            act(e, *arrays)
            return
        *operands, y = arrays if not e.takes_memory else [*arrays, arrays[0]]
        call = getattr(self, f"call_{e.name}", None)
        if call is not None:
            call(e, *operands, y)
        elif e.name in COPIES:
            source = operands[0]
            to = y.reshaped(source.shape) if y.shape != source.shape else y
            if DTYPES[e.arrays[-1].dtype].name == "bool" and source.type != "uint8_t":
                self.say(nest([to, source], lambda out, a: f"{out} = {a} != 0;"))
            else:
                self.copy(source, to)
        elif e.name in REDUCTIONS:
            self.reduce(e, operands[0], y)
        elif _core.element_formula(e.name, 0):
            k = e.numbers[0] if e.numbers else 0.0
            self.elements(e.name, operands, y, e.weak, k)
        else:
            raise Unwritten(e.name)

    def output(self, view: View) -> None:
        """Write a copy of a result, from which it is read."""
        name = f"@_output_{len(self.outputs)}"
        self.declared[name] = view.type, max(1, view.count), ""
        self.about[name] = shape_text(view.shape)
        made = View(name, view.type, view.shape, steps_of(view.shape), 0)
        self.outputs.append(nest([made, view], lambda y, a: f"{y} = {a};"))
        self.results.append(made)

    # ---- reductions, rows

    def reduce(self, e: Any, a: View, y: View) -> None:
        axes = [d for d in range(len(a.shape)) if e.integers[0] >> d & 1]
        if a.type not in ("float", "double") or a.type != y.type:
            raise Unwritten(f"{e.name} of {a.type.removesuffix('_t')}")
        kept = [d for d in range(len(a.shape)) if d not in axes]
        n = math.prod(a.shape[d] for d in axes)
        if n > BLOCKS:
            raise Unwritten(f"a {e.name} of {n} elements")
        s = SHORT[a.type]
        inner = a.like([a.shape[d] for d in axes], [a.strides[d] for d in axes])
        outer = a.like([a.shape[d] for d in kept], [a.strides[d] for d in kept])
        to = y.reshaped(outer.shape)

        def body(out: str, first: str) -> str:
            at = first[len(a.name) + 1 : -1]
            loops = nest(
                [inner.like(inner.shape, inner.strides, -inner.offset)],
                lambda x: f"reduce_{s}(&r, {a.name}[{at} + {x[len(a.name) + 1 : -1]}]);",
                4, "uvwxyz",
            )  # fmt: skip
            result = f"reduced_{s}(&r)"
            if e.name == "mean":
                result += f" / ({a.type}){n}"
            head = f"reduction_{s} r = reduction_of_{s}({REDUCTIONS[e.name]});"
            return f"{head}\n{loops}\n{out} = {result};"

        self.say(nested_body([to, outer], body))

    def gathered(self, a: View, axes: Sequence[int], kind: str) -> tuple[View, int]:
        """Return a copy whose rows are what is reduced, and their length."""
        kept = [d for d in range(len(a.shape)) if d not in axes]
        order = [*kept, *axes]
        turned = a.like([a.shape[d] for d in order], [a.strides[d] for d in order])
        n = math.prod(a.shape[d] for d in axes)
        made = self.contiguous(turned, kind)
        return made.reshaped((made.count // n if n else 0, n)), n

    def call_logsumexp(self, e: Any, a: View, y: View) -> None:
        axes = [d for d in range(len(a.shape)) if e.integers[0] >> d & 1]
        rows, n = self.gathered(a, axes, y.type)
        first = rows.like(rows.shape[:1], rows.strides[:1])
        self.say(nest([y.reshaped(first.shape), first], lambda out, x: (
            f"{out} = log_sum_exp_{SHORT[y.type]}({n}, &{x});")))  # fmt: skip

    def variance(self, e: Any, a: View, y: View, root: int) -> None:
        axes = [d for d in range(len(a.shape)) if e.integers[0] >> d & 1]
        rows, n = self.gathered(a, axes, y.type)
        first = rows.like(rows.shape[:1], rows.strides[:1])
        self.say(
            nest(
                [y.reshaped(first.shape), first],
                lambda out, x: (
                    f"{out} = variance_{SHORT[y.type]}({n}, &{x}, {e.numbers[0]!r}, {root});"
                ),
            )
        )

    def call_var(self, e: Any, a: View, y: View) -> None:
        self.variance(e, a, y, 0)

    def call_std(self, e: Any, a: View, y: View) -> None:
        self.variance(e, a, y, 1)

    def along(self, view: View, axis: int) -> tuple[View, int, int]:
        """Return what is left of an array without an axis, and that axis' size and stride."""
        rest = [d for d in range(len(view.shape)) if d != axis]
        left = view.like([view.shape[d] for d in rest], [view.strides[d] for d in rest])
        return left, view.shape[axis], view.strides[axis]

    def rows(self, a: View, y: View, axis: int, function: str) -> None:
        """Write a call of a function for each row along an axis of arrays laid out alike."""
        a = self.contiguous(a, y.type)
        left, n, step = self.along(a, axis)
        to, _, _ = self.along(y, axis)
        self.say(
            nest(
                [left, to], lambda x, out: f"{function}_{SHORT[y.type]}({n}, &{x}, &{out}, {step});"
            )
        )

    def call_softmax(self, e: Any, a: View, y: View) -> None:
        self.rows(a, y, e.integers[0], "softmax_row")

    def call_log_softmax(self, e: Any, a: View, y: View) -> None:
        self.rows(a, y, e.integers[0], "log_softmax_row")

    def call_cumsum(self, e: Any, a: View, y: View) -> None:
        if y.type not in ("float", "double"):
            raise Unwritten("cumsum of integers")
        a = self.contiguous(a, y.type)
        left, n, step = self.along(a, e.integers[0])
        to, _, _ = self.along(y, e.integers[0])
        self.say(nest([left, to], lambda x, out: (
            f"const {y.type} *x = &{x};\n{y.type} *y = &{out};\n"
            f"for (int64_t t = 0; t < {n}; t++) y[t * {step}] = t ? y[(t - 1) * {step}] + "
            f"x[t * {step}] : x[0];")))  # fmt: skip

    def call_cross_entropy(self, e: Any, logits: View, targets: View, y: View) -> None:
        reduction, ignored = e.integers[:2]
        kind, smoothing = y.type, number(e.numbers[0], "double")
        logits, targets = self.contiguous(logits, kind), self.contiguous(targets, "int64_t")
        rows, n = logits.shape
        losses = self.room(kind, (rows,))
        counted = f"counted_{losses.name.split('_')[0].removeprefix('room')}"
        ignored_text = number(ignored, "int64_t")
        self.say(
            f"    int64_t {counted} = 0;\n    for (int64_t i = 0; i < {rows}; i++) {{\n"
            f"        const int64_t target = {element(targets, 'i')};\n"
            f"        {losses.name}[i] = 0;\n        if (target == {ignored_text}) continue;\n"
            f"        if (target < 0 || target >= {n}) return MG_ERR_INDEX;\n"
            f"        {counted}++;\n"
            + statement(
                f"{losses.name}[i] = loss_of_row_{SHORT[kind]}({n}, {logits.start} + {n} * i, "
                f"target, {smoothing});", 8)
            + f"\n    }}\n    (void){counted};"
        )  # fmt: skip
        if reduction == _core.REDUCTIONS["none"]:
            self.copy(losses, y)
            return
        mean = f" / ({kind}){counted}" if reduction == _core.REDUCTIONS["mean"] else ""
        total = f"reduce_row_{SHORT[kind]}(PLAIN_SUM, {rows}, {losses.name}, 1){mean}"
        self.say(statement(f"{y.name}[{y.offset}] = {total};"))

    def norm(self, e: Any, arrays: Sequence[View], y: View, centered: int) -> None:
        kind = y.type
        a, *others = [self.contiguous(v, kind) for v in arrays]
        n = math.prod(a.shape[len(a.shape) - e.integers[0] :])
        given = [v.start for v in others] + ["NULL"] * (2 - len(others))
        self.say(
            f"    for (int64_t i = 0; i < {a.count // n}; i++)\n"
            + statement(
                f"norm_row_{SHORT[kind]}({n}, {a.start} + {n} * i, {given[0]}, {given[1]}, "
                f"{centered}, {e.numbers[0]!r}, {y.start} + {n} * i);", 8)
        )  # fmt: skip

    def call_layer_norm(self, e: Any, *arrays: View) -> None:
        self.norm(e, arrays[:-1], arrays[-1], 1)

    def call_rms_norm(self, e: Any, *arrays: View) -> None:
        self.norm(e, arrays[:-1], arrays[-1], 0)

    # ---- products

    def call_matmul(self, e: Any, a: View, b: View, y: View) -> None:
        kind = y.type
        if kind not in ("float", "double"):
            raise Unwritten("products of integers")
        a, b = (v if v.type == kind else self.contiguous(v, kind) for v in (a, b))
        shape = list(y.shape)
        if len(a.shape) == 1:
            a = a.like((1, *a.shape), (0, *a.strides))
            shape.insert(len(shape) - (0 if len(b.shape) == 1 else 1), 1)
        if len(b.shape) == 1:
            b = b.like((*b.shape, 1), (*b.strides, 0))
            shape.append(1)
        self.product(a, b, y.reshaped(shape), None)

    def call_linear(self, e: Any, x: View, weight: View, *rest: View) -> None:
        y = rest[-1]
        x, weight = (v if v.type == y.type else self.contiguous(v, y.type) for v in (x, weight))
        flipped = weight.like(weight.shape[::-1], weight.strides[::-1])
        shape = y.shape if len(x.shape) > 1 else (1, *y.shape)
        if len(x.shape) == 1:
            x = x.like((1, *x.shape), (0, *x.strides))
        bias = self.contiguous(rest[0], y.type) if len(rest) > 1 else None
        self.product(x, flipped, y.reshaped(shape), bias)

    def product(self, a: View, b: View, y: View, bias: View | None) -> None:
        """Write a product of matrices, (.., m, k) @ (.., k, n)."""
        *lead, m, n = y.shape
        k = a.shape[-1]
        a = a.broadcast((*lead, m, k))
        b = b.broadcast((*lead, k, n))
        rows = a.like((*lead, m, n), (*a.strides[:-1], 0))
        columns = b.like((*lead, m, n), (*b.strides[:-2], 0, b.strides[-1]))
        views = [y, rows, columns]
        if bias is not None:
            views.append(bias.broadcast(y.shape))

        def body(out: str, x: str, w: str, *added_to: str) -> str:
            text = f"dot_{SHORT[y.type]}({k}, &{x}, {a.strides[-1]}, &{w}, {b.strides[-2]})"
            return f"{out} = {' + '.join([text, *added_to])};"

        self.say(nest(views, body))

    # ---- movement

    def part(
        self, view: View, start: Sequence[int], step: Sequence[int], shape: Sequence[int]
    ) -> View:
        """Return a slice of an array."""
        offset = sum(s * at for s, at in zip(view.strides, start, strict=True))
        return view.like(shape, [s * t for s, t in zip(view.strides, step, strict=True)], offset)

    def fill(self, y: View, text: str) -> None:
        self.say(nest([y], lambda out: f"{out} = {text};"))

    def call_pad(self, e: Any, a: View, y: View) -> None:
        before = e.integers[: len(a.shape)]
        self.fill(y, number(e.numbers[0], y.type))
        self.copy(a, self.part(y, before, [1] * len(a.shape), a.shape))

    def call_spread(self, e: Any, a: View, y: View) -> None:
        r = len(a.shape)
        self.fill(y, "0")
        self.copy(a, self.part(y, e.integers[r : 2 * r], e.integers[2 * r : 3 * r], a.shape))

    def call_cat(self, e: Any, *arrays: View) -> None:
        *parts, y = arrays
        start = [0] * len(y.shape)
        for part in parts:
            if part.count:
                self.copy(part, self.part(y, start, [1] * len(y.shape), part.shape))
            start[e.integers[0]] += part.shape[e.integers[0]]

    def begun(self, e: Any, a: View, y: View) -> None:
        """Write a copy of what an op changes a part of."""
        if not e.takes_memory:
            self.copy(a, y)

    def call_assign(self, e: Any, a: View, b: View, y: View) -> None:
        r = len(y.shape)
        self.begun(e, a, y)
        self.copy(b, self.part(y, e.integers[:r], e.integers[r : 2 * r], e.integers[2 * r :][:r]))

    def call_where(self, e: Any, test: View, a: View, b: View, y: View) -> None:
        views = [y, *(v.broadcast(y.shape) for v in (test, a, b))]
        self.say(nest(views, lambda out, t, x, z: (
            f"{out} = {t} ? {self.cast(x, a, y)} : {self.cast(z, b, y)};")))  # fmt: skip

    def indexed(self, a: View, index: View, rest: Callable[[str], str]) -> None:
        """Write a loop over positions of the first axis of an array."""
        index = self.contiguous(index, "int64_t")
        self.say(
            f"    for (int64_t i = 0; i < {index.count}; i++) {{\n"
            f"        int64_t at = {element(index, 'i')};\n"
            f"        if (at < 0) at += {a.shape[0]};\n"
            f"        if (at < 0 || at >= {a.shape[0]}) return MG_ERR_INDEX;\n"
            f"{rest('at')}\n    }}"
        )

    def call_take(self, e: Any, a: View, index: View, y: View) -> None:
        n = math.prod(a.shape[1:])
        row = a.like(a.shape[1:], a.strides[1:])
        to = y.reshaped((index.count, n)).like((n,), (1,)).reshaped(a.shape[1:])
        self.indexed(
            a,
            index,
            lambda at: nest(
                [to, row],
                lambda out, x: f"{moved(out, f'{n} * i')} = {moved(x, f'{a.strides[0]} * {at}')};",
                8,
                "jklmn",
            ),
        )

    def at(self, e: Any, a: View, index: View, b: View, y: View, sign: str) -> None:
        self.begun(e, a, y)
        n = math.prod(y.shape[1:])
        row = y.like(y.shape[1:], y.strides[1:])
        b = self.contiguous(b.broadcast((*index.shape, *y.shape[1:])), y.type)
        source = b.reshaped((index.count, n)).like((n,), (1,)).reshaped(y.shape[1:])

        def body(out: str, x: str) -> str:
            to, added_to = moved(out, f"{y.strides[0]} * at"), moved(x, f"{n} * i")
            return f"{to} = {f'{to} + ' if sign else ''}{added_to};"

        self.indexed(y, index, lambda _: nest([row, source], body, 8, "jklmn"))

    def call_add_at(self, e: Any, a: View, index: View, b: View, y: View) -> None:
        self.at(e, a, index, b, y, "+")

    def call_put_at(self, e: Any, a: View, index: View, b: View, y: View) -> None:
        self.at(e, a, index, b, y, "")

    def call_gather(self, e: Any, a: View, index: View, y: View) -> None:
        axis = e.integers[0]
        of_a = [0 if d == axis else s for d, s in enumerate(a.strides)]
        views = [y, index, a.like(index.shape, of_a)]
        size, step = a.shape[axis], a.strides[axis]
        self.say(nest(views, lambda out, at, x: (
            f"int64_t at = {at};\nif (at < 0) at += {size};\n"
            f"if (at < 0 || at >= {size}) return MG_ERR_INDEX;\n"
            f"{out} = {moved(x, f'{step} * at')};")))  # fmt: skip

    def call_scatter_add(self, e: Any, a: View, index: View, b: View, y: View) -> None:
        axis = e.integers[0]
        self.begun(e, a, y)
        of_y = [0 if d == axis else s for d, s in enumerate(y.strides)]
        b = b.like(index.shape, b.strides)
        size, step = y.shape[axis], y.strides[axis]
        self.say(nest([y.like(index.shape, of_y), index, b], lambda out, at, x: (
            f"int64_t at = {at};\nif (at < 0) at += {size};\n"
            f"if (at < 0 || at >= {size}) return MG_ERR_INDEX;\n"
            f"{moved(out, f'{step} * at')} = {moved(out, f'{step} * at')} + {x};")))  # fmt: skip

    # ---- images

    def windows(self, how: Sequence[int], view: View) -> tuple[View, int]:
        """Return a (.., steps x s, size x s) view of (.., n x s), and s."""
        s = how[0]
        size, stride, dilation = how[1 : 1 + s], how[1 + s : 1 + 2 * s], how[1 + 2 * s : 1 + 3 * s]
        lead = len(view.shape) - s
        n = view.shape[lead:]
        steps = [
            (n[i] - dilation[i] * (size[i] - 1) - 1) // stride[i] + 1 if n[i] else 0
            for i in range(s)
        ]
        strides = view.strides[lead:]
        shape = (*view.shape[:lead], *steps, *size)
        of_steps = [x * y for x, y in zip(strides, stride, strict=True)]
        of_size = [x * y for x, y in zip(strides, dilation, strict=True)]
        return view.like(shape, (*view.strides[:lead], *of_steps, *of_size)), s

    def call_argmax_window(self, e: Any, a: View, y: View) -> None:
        a = self.contiguous(a)
        view, s = self.windows(e.integers, a)
        lead = len(view.shape) - 2 * s
        outer = view.like(view.shape[: lead + s], view.strides[: lead + s])
        inner = view.like(view.shape[lead + s :], view.strides[lead + s :], -view.offset)
        plane = a.like(view.shape[: lead + s], (*[0] * lead, *view.strides[lead : lead + s]),
                       -a.offset)  # fmt: skip

        def body(out: str, x: str, at: str) -> str:
            first = at[len(a.name) + 1 : -1]
            loops = nest([inner], lambda z: (
                f"const int64_t d = {z[len(a.name) + 1 : -1]};\n"
                f"if ((&{x})[d] > most || ((&{x})[d] != (&{x})[d] && most == most)) "
                f"most = (&{x})[d], place = {first} + d;"), 4, "uvwxyz")  # fmt: skip
            return f"{a.type} most = {x};\nint64_t place = {first};\n{loops}\n{out} = place;"

        self.say(nested_body([y, outer, plane], body))

    def call_fold(self, e: Any, a: View, y: View) -> None:
        s = e.integers[0]
        lead = len(y.shape) - s
        size = a.shape[lead + s :]
        how = [s, *size, *e.integers[1 + s : 1 + 3 * s]]
        view, _ = self.windows(how, y)
        self.fill(y, "0")
        self.fold(view, a, lead, s)

    def fold(self, view: View, a: View, lead: int, s: int) -> None:
        """Add windows to where they come from, offset by offset."""
        order = [*range(lead + s, lead + 2 * s), *range(lead + s)]
        if view.shape != a.shape:
            view = view.like(a.shape, view.strides)
        to, x = (
            v.like([v.shape[d] for d in order], [v.strides[d] for d in order]) for v in (view, a)
        )
        self.say(nest([to, x], lambda out, z: f"{out} = {out} + {z};"))

    def call_convolve(self, e: Any, *arrays: View) -> None:
        kernels, a, *rest, y = arrays
        kernels = self.contiguous(kernels, y.type)
        groups, m, k = kernels.shape
        a = a if a.type == y.type else self.contiguous(a, y.type)
        view, s = self.windows(e.integers, a)
        column = self.room(y.type, (k,))
        images, channels = a.shape[0], a.shape[1] // groups
        steps, size = view.shape[2 : 2 + s], view.shape[2 + s :]
        # (image, group, steps) of windows (channel, places)
        of_channel = view.strides[1]
        outer = view.like(
            (images, groups, *steps),
            (view.strides[0], channels * of_channel, *view.strides[2 : 2 + s]),
        )
        inner = view.like((channels, *size), (of_channel, *view.strides[2 + s :]), -view.offset)
        to = y.reshaped((images, groups, m, *steps))
        first = to.like((images, groups, *steps), (*to.strides[:2], *to.strides[3:]))
        bias = self.contiguous(rest[0], y.type) if rest else None
        groups_of = View("", y.type, (images, groups, *steps), (0, 1, *[0] * s), 0)

        def body(out: str, x: str, group: str) -> str:
            g = group[1:-1]
            of_k = View(column.name, y.type, inner.shape, steps_of(inner.shape), 0)
            loops = nest([of_k, inner], lambda c, z: (
                f"{c} = (&{x})[{z[len(inner.name) + 1 : -1]}];"), 4, "uvwxyz")  # fmt: skip
            dot = (f"dot_{SHORT[y.type]}({k}, {kernels.start} + {k} * ({m} * ({g}) + q), 1, "
                   f"{column.name}, 1)")  # fmt: skip
            plus = f" + {element(bias, f'{m} * ({g}) + q')}" if bias else ""
            return (f"{loops}\nfor (int64_t q = 0; q < {m}; q++)\n"
                    f"    (&{out})[{to.strides[2]} * q] = {dot}{plus};")  # fmt: skip

        self.say(nested_body([first, outer, groups_of], body))

    def act_convolve_kernels_back(self, e: Any, weights: View, a: View, g: View, out: View,
                                  *_: Any) -> None:  # fmt: skip
        view, s = self.windows(e.integers, a)
        images, groups, m = out.shape[0], out.shape[1], out.shape[3]
        g = self.contiguous(g)
        steps, size = view.shape[2 : 2 + s], view.shape[2 + s :]
        positions, channels = math.prod(steps), a.shape[1] // groups
        row = self.room(out.type, (positions,))
        outer = view.like((images, groups, channels, *size),
                          (view.strides[0], channels * view.strides[1], view.strides[1],
                           *view.strides[2 + s :]))  # fmt: skip
        inner = view.like(steps, view.strides[2 : 2 + s], -view.offset)
        to = out.reshaped((images, groups, channels, *size, m))
        to = to.like(to.shape[:-1], to.strides[:-1])
        of_g = g.like((images, groups, channels, *size),
                      (groups * m * positions, m * positions, *[0] * (1 + s)))  # fmt: skip

        def body(o: str, x: str, z: str) -> str:
            of_row = View(row.name, out.type, inner.shape, steps_of(inner.shape), 0)
            loops = nest([of_row, inner], lambda c, w: (
                f"{c} = (&{x})[{w[len(inner.name) + 1 : -1]}];"), 4, "uvwxyz")  # fmt: skip
            return (
                f"{loops}\nfor (int64_t q = 0; q < {m}; q++)\n    (&{o})[q] = "
                f"dot_{SHORT[out.type]}({positions}, {row.name}, 1, &{z} + {positions} * q, 1);"
            )

        self.say(nested_body([to, outer, of_g], body))

    def act_convolve_images_back(self, e: Any, weights: View, turned: View, g: View, out: View,
                                 *_: Any) -> None:  # fmt: skip
        view, s = self.windows(e.integers, out)
        groups, k, m = turned.shape
        g = self.contiguous(g)
        steps, size = view.shape[2 : 2 + s], view.shape[2 + s :]
        positions, images = math.prod(steps), out.shape[0]
        columns = self.room(out.type, (images, groups, k, positions))
        a = turned.like((images, groups, k, positions), (0, k * m, m, 0))
        b = g.like((images, groups, k, positions),
                   (groups * m * positions, m * positions, 0, 1))  # fmt: skip
        self.say(nest([columns, a, b], lambda o, x, z: (
            f"{o} = dot_{SHORT[out.type]}({m}, &{x}, 1, &{z}, {positions});")))  # fmt: skip
        self.fill(out, "0")
        channels = out.shape[1]
        folded = columns.reshaped((images, channels, *size, *steps))
        axes = [0, 1, *range(2 + s, 2 + 2 * s), *range(2, 2 + s)]
        folded = folded.like([folded.shape[d] for d in axes], [folded.strides[d] for d in axes])
        self.fold(view, folded, 2, s)

    def channels(self, a: View, *numbers: View) -> list[View]:
        """Return arrays of numbers of channels as planes of a."""
        return [
            v.like(a.shape, [v.strides[0] if d == 1 else 0 for d in range(len(a.shape))])
            for v in numbers
        ]

    def call_plane_means(self, e: Any, a: View, c: View, *rest: View) -> None:
        y = rest[-1]
        a, g = self.contiguous(a), self.contiguous(rest[0]) if len(rest) > 1 else None
        images, channels = a.shape[:2]
        n, s = math.prod(a.shape[2:]), SHORT[a.type]
        planes = self.room(a.type, (images, channels))
        of_a = a.like((images, channels), (channels * n, n))
        of_g = (g or a).like((images, channels), (channels * n, n))
        of_c = c.like((images, channels), (0, c.strides[0]))
        self.say(nest([planes, of_a, of_g, of_c], lambda out, x, z, m: (
            f"reduction_{s} r = reduction_of_{s}(PLAIN_SUM);\n"
            f"for (int64_t t = 0; t < {n}; t++)\n"
            f"    reduce_{s}(&r, {f'(&{z})[t]' if g else f'((&{x})[t] - {m})'} * "
            f"((&{x})[t] - {m}));\n"
            f"{out} = reduced_{s}(&r) / ({a.type}){n};")))  # fmt: skip
        first = planes.like((channels,), (1,))
        self.say(
            nest(
                [y, first],
                lambda out, x: (
                    f"{out} = reduce_row_{s}(PLAIN_SUM, {images}, &{x}, {channels}) / "
                    f"({a.type}){images};"
                ),
            )
        )

    def call_plane_scale(self, e: Any, a: View, c: View, scale: View, *rest: View) -> None:
        views = [rest[-1], a, *self.channels(a, c, scale, *rest[:-1])]
        self.say(nest(views, lambda y, x, m, s, *b: (
            f"{y} = {' + '.join([f'({x} - {m}) * {s}', *b])};")))  # fmt: skip

    def call_plane_back(self, e: Any, a: View, g: View, c: View, share: View, less: View,
                        scale: View, y: View) -> None:  # fmt: skip
        views = [y, a, g, *self.channels(a, c, share, less, scale)]
        self.say(nest(views, lambda out, x, z, m, p, q, s: (
            f"{out} = (({z} - {p}) - ({x} - {m}) * {q}) * {s};")))  # fmt: skip

    # ---- work of gradient rules

    def act_zeros(self, e: Any, y: View, *_: Any) -> None:
        self.fill(y, "0")

    def act_add(self, e: Any, a: View, b: View, *_: Any) -> None:
        self.elements("add", [a, b], a, 0, 0.0)

    def act_slice_add(self, e: Any, a: View, b: View | None, *_: Any) -> None:
        if b is None:
            self.say(nest([a], lambda out: f"{out} = {out} + 0;"))
        else:
            self.elements("add", [a, b], a, 0, 0.0)

    def act_over(self, e: Any, a: View, b: View | None, *_: Any) -> None:
        op = list(_core.OPS)[e.integers[0]]
        if b is not None and b.name == a.name and (b.offset, b.strides) != (a.offset, a.strides):
            shown, b = b, self.room(b.type, b.shape)  # other elements of the same memory
            self.copy(shown, b)
        if op == "cast" and b is not None:
            if DTYPES[e.arrays[0].dtype].name == "bool" and b.type != "uint8_t":
                raise Unwritten("casts to bool in place")
            self.copy(b, a)
        else:
            self.elements(op, [a] if b is None else [a, b], a, e.integers[1], 0.0)

    def act_indices(self, e: Any, index: View, out: View, *_: Any) -> None:
        size, behind = e.integers[:2]
        index = self.contiguous(index, "int64_t")
        self.say(
            f"    for (int64_t i = 0; i < {index.count}; i++) {{\n"
            f"        int64_t at = {element(index, 'i')};\n        if (at < 0) at += {size};\n"
            f"        if (at < 0 || at >= {size}) return MG_ERR_INDEX;\n"
            f"        {element(out, 'i')} += at * {behind};\n    }}"
        )

    def act_random(self, e: Any, y: View, *_: Any) -> None:
        generator, kind = e.integers[0], e.integers[1]
        name = f"generator_{len(self.generators)}"
        name = self.generators.setdefault(generator, name)
        a, b = (number(x, "double") for x in e.numbers)
        if kind not in (_core.UNIFORM, _core.NORMAL):
            raise Unwritten("random integers and permutations")
        draw = "uniform" if kind == _core.UNIFORM else "normal"
        cast = "(float)" if y.type == "float" else ""
        self.say(nest([y], lambda out: f"{out} = {cast}rng_{draw}(&{name}, {a}, {b});"))

    def act_gradient(self, e: Any, a: Any, b: Any, y: Any, g: Any, out: View, *_: Any) -> None:
        op, which = list(_core.OPS)[e.integers[0]], e.integers[1] + 1
        given = [(name, v) for name, v in zip("abyg", (a, b, y, g), strict=True) if v is not None]
        wide = View("", out.type, (), (), 0)
        views = [out, *(v.broadcast(out.shape) for _, v in given)]

        def body(to: str, *found: str) -> str:
            operands = {
                name: self.cast(text, v, wide) for (name, v), text in zip(given, found, strict=True)
            }
            return f"{to} = {bare(self.formula(op, which, out.type, operands, e.numbers[0]))};"

        self.say(nest(views, body))

    def act_rows_back(self, e: Any, y: View, g: View, out: View, *_: Any) -> None:
        n = y.shape[-1]
        function = "log_softmax_row_back" if e.integers[0] else "softmax_row_back"
        self.each_row(y.count // n, f"{function}_{SHORT[y.type]}({n}, {{}}, {{}}, {{}});",
                      (y, g, out), n)  # fmt: skip

    def each_row(self, rows: int, call: str, views: Sequence[View], n: int) -> None:
        """Write a call for each row of contiguous arrays."""
        given = [f"{v.start} + {n} * i" for v in views]
        self.say(f"    for (int64_t i = 0; i < {rows}; i++)\n" + statement(call.format(*given), 8))

    def act_targets(self, e: Any, t: View, weights: View, counts: View, expected: Any,
                    *_: Any) -> None:  # fmt: skip
        if expected is not None:
            raise Unwritten("gradients of gradients of cross_entropy")
        mean, ignored, classes = e.integers[:3]
        ignored, used = number(ignored, "int64_t"), f"used_{counts.name.split('_')[0]}"
        weight = f"1.0 / (double){used}" if mean else "1.0"
        self.say(
            f"    int64_t {used} = 0;\n    for (int64_t i = 0; i < {t.count}; i++) {{\n"
            f"        const int64_t target = {element(t, 'i')};\n"
            f"        {element(counts, 'i')} = target != {ignored};\n"
            f"        {used} += target != {ignored};\n"
            f"        if (target != {ignored} && (target < 0 || target >= {classes}))\n"
            f"            return MG_ERR_INDEX;\n    }}\n"
            f"    for (int64_t i = 0; i < {t.count}; i++)\n"
            + statement(
                f"{element(weights, 'i')} = {element(counts, 'i')} ? "
                f"({weights.type})({weight}) : 0;", 8)
        )  # fmt: skip

    def act_cross_entropy(self, e: Any, a: View, weights: View, targets: View, out: View,
                          *_: Any) -> None:  # fmt: skip
        n, kind = a.shape[1], a.type
        ignored = number(e.integers[0], "int64_t")
        call = (
            f"loss_row_back_{SHORT[kind]}({n}, {a.start} + {n} * i, target, "
            f"{number(e.numbers[0], 'double')}, {element(weights, 'i')}, {out.start} + {n} * i);"
        )
        self.say(
            f"    for (int64_t i = 0; i < {a.shape[0]}; i++) {{\n"
            f"        const int64_t target = {element(targets, 'i')};\n"
            f"        if (target == {ignored})\n"
            + statement(f"memset({out.start} + {n} * i, 0, {n} * sizeof({kind}));", 12)
            + f"\n        else\n{statement(call, 12)}\n    }}"
        )

    def act_norm_scales(self, e: Any, a: View, scales: View, *_: Any) -> None:
        n, centered = e.integers[:2]
        rows, s = a.count // n, SHORT[a.type]
        self.say(
            f"    for (int64_t i = 0; i < {rows}; i++) {{\n"
            + statement(f"const norm_{s} x = norm_of_{s}({n}, {a.start} + {n} * i, {centered}, "
                        f"{e.numbers[0]!r});", 8)
            + f"\n        {a.type} *to = {scales.start};\n"
            f"        to[i] = x.by, to[{rows} + i] = x.mean, to[{2 * rows} + i] = x.scale;\n    }}"
        )  # fmt: skip

    def act_norm(self, e: Any, a: View, g: View, weight: Any, out: View, *_: Any) -> None:
        n, centered = e.integers[:2]
        given = "NULL" if weight is None else weight.start
        call = (f"norm_row_back_{SHORT[a.type]}({n}, {{}}, {{}}, {given}, {centered}, "
                f"{e.numbers[0]!r}, {{}});")  # fmt: skip
        self.each_row(a.count // n, call, (a, g, out), n)

    def norm_weight(self, a: View, g: View, n: int, of_row: str, to: str, x: str) -> None:
        """Write the sums of g * x over rows."""
        s = SHORT[a.type]
        self.say(
            f"    for (int64_t j = 0; j < {n}; j++) {{\n"
            f"        reduction_{s} r = reduction_of_{s}(PLAIN_SUM);\n"
            f"        for (int64_t i = 0; i < {a.count // n}; i++) {{\n"
            f"{of_row}"
            + statement(f"reduce_{s}(&r, {x});", 12)
            + f"\n        }}\n        ({to})[j] = reduced_{s}(&r);\n    }}"
        )

    def act_norm_weight(self, e: Any, a: View, g: View, scales: View, lanes: View, out: View,
                        *_: Any) -> None:  # fmt: skip
        n = e.integers[0]
        rows = a.count // n
        x = (
            f"{element(g, f'{n} * i + j')} * "
            f"(({element(a, f'{n} * i + j')} * of[i] - of[{rows} + i]) * "
            f"of[{2 * rows} + i])"
        )
        row = f"            const {a.type} *of = {scales.start};\n"
        self.norm_weight(a, g, n, row, out.start, x)

    def act_norm_all(self, e: Any, a: View, g: View, weight: View, lanes: View, out: View,
                     of_weight: View, of_bias: View) -> None:  # fmt: skip
        n = e.integers[0]
        self.act_norm(e, a, g, weight, out)
        scales = self.room(a.type, (3, a.count // n))
        self.act_norm_scales(e, a, scales)
        self.act_norm_weight(e, a, g, scales, lanes, of_weight)
        self.norm_weight(a, g, n, "", of_bias.start, f"{element(g, f'{n} * i + j')}")

    # ---- updates

    def update(self, e: Any, gradients: Sequence[Any]) -> None:
        """Write steps of an optimizer."""
        at = 0
        if e.name == "lamb":
            raise Unwritten("steps of LAMB")
        half = len(gradients) // 2
        gradients, parameters = gradients[:half], gradients[half:]
        for group in e.groups:
            for i in range(len(group.steps)):
                g, p = gradients[at], parameters[at]
                at += 1
                if g is None:
                    continue
                if p is None:
                    raise Unwritten("parameters that are made in the step")
                if p.type != g.type:
                    raise Unwritten("parameters of another type than their gradients")
                self.update_one(e.name, group, i, p, self.contiguous(g))

    def update_one(self, rule: str, group: Any, i: int, p: View, g: View) -> None:
        """Write the step of a parameter."""
        key = group.address, i
        is_new = key not in self.stepped
        s = self.stepped.setdefault(key, p.name if is_new else "")
        if is_new and list(self.stepped.values()).count(s) > 1:
            raise Unwritten("two optimizers of one parameter")
        fields = dict(zip(group.fields["NUMBERS"], group.numbers, strict=True))
        fields |= dict(zip(group.fields.get("SCALARS", ()), group.scalars[i], strict=True))
        shown = ", ".join(f".{name} = {x!r}" for name, x in fields.items() if x)
        derives = "FACTORS" in group.fields or "SCALARS" in group.fields
        if is_new:
            rule_text = f"static {rule}_update rule_of_{s} = {{{shown or 0}}};"
            self.updates.append(statement(rule_text, 0))
        if is_new and derives:
            self.updates.append(f"static double steps_of_{s} = {group.steps[i]}.0;")
        arrays = []
        for k, data in enumerate(group.moments[i]):
            if data is None:
                arrays.append("NULL")
                continue
            name = f"moment{k}_of_{s}"
            found = struct.unpack(f"={p.count}{FORMATS[p.type]}", data)
            text = ", ".join(number(x, p.type) for x in found) if any(found) else ""
            self.declared[name] = p.type, p.count, text
            arrays.append(name)
        if rule not in self.rules:
            self.rules[rule] = group.fields
        if derives:
            self.say(f"    {rule}_factors(&rule_of_{s}, ++steps_of_{s});")
        self.say(
            statement(
                f"{rule}_{SHORT[p.type]}({p.count}, {p.start}, {g.start}, "
                f"(void *const[]){{{', '.join(arrays or ['NULL'])}}}, &rule_of_{s});"
            )
        )

    # ---- the whole

    def text(self) -> str:
        """Write the file."""
        self.rules: dict[str, dict[str, list[str]]] = {}
        self.check()
        for i, e in enumerate(self.entries):
            self.write(i, e)
        return whole(self)

    def check(self) -> None:
        """Refuse programs whose second step is another one than the first."""
        first: dict[int, Any] = {}
        last: dict[int, Any] = {}
        for e in self.entries:
            if e.kind == "set":
                first.setdefault(e.leaf, e)
                last[e.leaf] = e
        for leaf, e in first.items():
            if e.arrays and last[leaf].arrays:
                raise Unwritten("gradients that add up from step to step: call zero_grad() first")


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
    return usual.get(k, f"VM_pow({x}, ({kind}){k!r})")


def whole(w: Writer) -> str:
    """Return the file of a program whose entries are written."""
    steps = "\n".join([*w.restored, *w.steps, *w.outputs])
    updates = "\n".join([*w.updates, *map(generator_text, w.generators.items())])
    excerpts = helpers(w, steps)
    arrays = []
    read = words_of(steps.replace("@", "at_sign"))
    for name, (kind, count, data) in w.declared.items():
        if name.replace("@", "at_sign") not in read:
            continue
        shape = f" /* {w.about[name]} */" if name in w.about else ""
        storage = "" if name.startswith("@") else "static "
        head = f"{storage}{kind} {name}[{count}]"
        if not data:
            arrays.append(f"{head};{shape}")
        else:
            arrays.append(
                (shape.strip() + "\n" if shape else "") + table(head, data.split(", "), 0)
            )
    about = comment("Make a step. Returns 0, or below 0 if an index is out of range.")
    step = f"{about}\nint @(void)\n{{\n{steps}\n    return MG_OK;\n}}"
    parts = [head_of(w), *excerpts, "\n".join(arrays), updates, step, main_of(w)]
    return "\n\n".join(part for part in parts if part) + "\n"  # fmt: skip


def generator_text(item: tuple[int, str]) -> str:
    """Return the state of a generator."""
    state, spare, has_spare = _core.rng_state_at(item[0])
    return f"static mg_rng {item[1]} = {{UINT64_C({state}), {spare!r}, {has_spare}}};"


def helpers(w: Writer, steps: str) -> list[str]:
    """Return what the steps compute with."""
    used = words_of(steps)
    rules = []
    for rule, fields in w.rules.items():
        names = ", ".join(x for group in fields.values() for x in group)
        rules.append(
            statement(f"typedef struct {rule}_update {{ double {names}; }} {rule}_update;", 0)
        )
    general = [RNG, FMA, *([FACTORS] if w.rules else [])]
    if w.generators:
        rules.append(GENERATOR)
    typed, wanted = [], set(used)
    for kind, short, letter in (("float", "f32", "f"), ("double", "f64", "")):
        mine = {word for word in wanted if word.endswith(f"_{short}")}
        text = excerpt(mine, [FLOATS, PLAIN, UPDATES], kind=kind)
        if not text:
            continue
        if f"fused_{short}" in words_of(text):
            text = FUSED.format(type=kind, short=short, letter=letter) + "\n\n" + text
        typed.append(text)
        wanted |= words_of(text)
    if any("PLAIN_SUM" in text for text in [steps, *typed]):
        typed.insert(0, "enum plain_kind { PLAIN_SUM, PLAIN_PROD, PLAIN_AMAX, PLAIN_AMIN };")
    arithmetic = excerpt(wanted - {w for w in wanted if w in w_types(typed)}, [VMATH, *general])
    return [
        "#include <float.h>\n#include <math.h>\n#include <stdbool.h>\n#include <stdint.h>\n"
        "#include <string.h>",
        CONDITIONS.rstrip(),
        "enum { MG_OK = 0, MG_ERR_INDEX = -11 };",
        *rules,
        re.sub(
            r"^(?:MG_NOINLINE )?(\w+ (?:mg_rng|rng)_)", r"static \1", arithmetic, flags=re.MULTILINE
        ),
        *typed,
    ]


def w_types(typed: Sequence[str]) -> set[str]:
    return set(re.findall(r"\b(\w+_f(?:32|64))\([^;{}]*\)\n\{", "\n".join(typed)))


def head_of(w: Writer) -> str:
    """Return the comment that a file begins with."""
    calls = sum(e.kind in ("call", "act", "update") for e in w.entries)
    return comment(
        f"@(): a step of {calls} entries, as pymicrograd {__version__} runs it, with the same "
        "bits:\n\n    cc -O2 -ffp-contract=off @.c -lm\n\nby gcc or clang, with any -O; -mfma, "
        "where the processor has it, makes products sooner. All that is computed with is in here, "
        "in plain loops: this is a text to read, to port and to run where there is no library, and "
        "not as fast as the library. With -DMAIN=main it is a program that makes as many steps as "
        "its first argument says and prints the first element of the first result of each, and "
        "with a second one all arrays from outside.\n\n"
        "Arrays are @_input_.., which the caller fills, p.., from outside, such as parameters, "
        "with what they held when this was written, t.., results on the way, which share memory "
        "as the program's do, and @_output_.., what a step returns."
    )


def main_of(w: Writer) -> str:
    """Return main()."""
    shown = f"(double){w.results[0].name}[0]" if w.results else "0.0"
    kept = [name for name in w.declared if re.fullmatch(r"p\d+", name)]
    prints = "\n".join(
        f"    for (int i = 0; argc > 2 && i < {w.declared[name][1]}; i++)\n"
        f"        printf(\"%.17g\\n\", (double){name}[i]);"
        for name in kept
    )  # fmt: skip
    return f"""\
#ifdef MAIN
#include <stdio.h>
#include <stdlib.h>

int MAIN(int argc, char **argv)
{{
    for (long i = argc > 1 ? atol(argv[1]) : 10; i > 0; i--) {{
        if (@() < 0) {{
            puts("an index is out of range");
            break;
        }}
        printf("%.17g\\n", {shown});
    }}
{prints}
    return 0;
}}
#endif"""


def c_of_tensors(program: Any, path: Any, name: str) -> str:
    """Return a program of Tensors as C, and write it to a file if there is a path."""
    try:
        text = Writer(program).text()
    except Unwritten as error:
        raise NotImplementedError(f"to_c() does not write {error}") from error
    return finished(path, name, text)
