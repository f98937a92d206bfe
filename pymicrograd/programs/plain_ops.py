"""Ops on whole arrays as plain loops in C: what SPEC.md says of each."""

from __future__ import annotations

import functools
import math
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

from .. import _core
from ..tensors.dtypes import DTYPES
from .loops import (
    C_TYPES,
    ENDS,
    FLOATS,
    FORMATS,
    INTEGERS,
    SHORT,
    SIZES,
    STORED,
    Unwritten,
    View,
    cast,
    computed_in,
    element,
    filler,
    moved,
    nest,
    nested_body,
    number,
    powers,
    shape_text,
    steps_of,
)
from .source import bare, statement

REDUCTIONS = {"sum": "PLAIN_SUM", "mean": "PLAIN_SUM", "prod": "PLAIN_PROD", "amax": "PLAIN_AMAX",
              "amin": "PLAIN_AMIN"}  # fmt: skip
# Of integers and bools: what a result y begins with, and what is done with each element x.
WHOLE: dict[str, Callable[[str], tuple[str, str]]] = {
    "sum": lambda _: ("0", "{y} = (int64_t)((uint64_t){y} + (uint64_t){x});"),
    "prod": lambda _: ("1", "{y} = (int64_t)((uint64_t){y} * (uint64_t){x});"),
    "amax": lambda kind: (ENDS[kind][0], "if ({x} > {y}) {y} = {x};"),
    "amin": lambda kind: (ENDS[kind][1], "if ({x} < {y}) {y} = {x};"),
}
# Formulas of bools.
BOOLS = {"(a + b)": "a || b", "(a * b)": "a && b", "larger_T(a, b)": "a || b",
         "smaller_T(a, b)": "a && b", "sign_T(a)": "a", "invert_T(a)": "!a", "a | b": "a || b",
         "a & b": "a && b", "a ^ 1": "!a"}  # fmt: skip
BLOCKS = 4096 * 4096  # elements that a reduction of two levels has


def added_up(kind: str, *terms: str) -> str:
    """Return a sum of a type, which wraps around where it is one of integers."""
    if kind in FLOATS or len(terms) == 1:
        return " + ".join(terms)
    return f"({kind})({' + '.join(f'(uint64_t){x}' for x in terms)})"


def is_better(x: str, kind: str, largest: int) -> str:
    """Return the condition that an element comes before `best`; NaN does before all numbers."""
    text = f"{x} {'>' if largest else '<'} best"
    return f"{text} || ({x} != {x} && best == best)" if kind in FLOATS else text


@functools.cache
def formula_of(op: str, which: int, kind: str, k: float) -> tuple[str, str]:
    """Return the formula of an elementwise op in a type, of a, b, y and g, and its own type."""
    text = _core.element_formula(op, which)
    if not text or "NONE" in text:
        raise Unwritten(f"{op} of elements")
    if kind == "bool":
        text = BOOLS.get(text, text)
    elif kind not in FLOATS:
        text = re.sub(r"\bVM_pow\b", "pow_T", re.sub(r"\bfabs_T\b", "magnitude_T", text))
    made = "bool" if re.fullmatch("a [=!<>]=? b", text) else kind
    if kind in INTEGERS and text.startswith("("):  # + - *, which wrap around
        made = "uint64_t"
    elif re.match(r"[ab!](?: |\w)", text):
        text = f"({text})"
    if kind in FLOATS:
        text = powers(text, k, kind)
        letter, of = ("f", "_f32") if kind == "float" else ("", "")
        text = re.sub(r"\bVM_(\w+)", rf"vm_\1{of}", text)
        text = re.sub(r"\b(sqrt|fabs)_T\b", rf"\1{letter}", text)
        text = re.sub(r"\b(floor_divide|remainder)_T\b", r"plain_\1_T", text)
    text = re.sub(r"\b(\w+)_T\b", rf"\1_{SHORT[kind]}", text)
    return re.sub(r"\(T\)", f"({kind})", text), made


def axes_of(e: Any, a: View) -> list[int]:
    """Return the axes that a reduction is over."""
    return [d for d in range(len(a.shape)) if e.integers[0] >> d & 1]


class Ops:
    """Memory of a program that is written, and the values of its ops."""

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
        self.stepped: dict[tuple[int, int], str] = {}  # parameters of updates: their names
        self.steppers: dict[str, tuple[int, int]] = {}

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
                      lambda y, a: f"{y} = {bare(cast(a, source.type, to.type))};"))  # fmt: skip

    def widened(self, views: Sequence[Any], unread: Any = None) -> list[Any]:
        """Return arrays, in the place of what is only stored in its type copies as float.

        Args:
            views: of an entry, some of them None.
            unread: one whose elements nothing reads before they are written.
        """
        made: dict[Any, View] = {}
        found: list[Any] = []
        for view in views:
            if view is None or view.type not in STORED:
                found.append(view)
                continue
            key = view.name, view.offset, view.shape, view.strides
            if key not in made:
                made[key] = self.room("float", view.shape)
                if view is not unread:
                    self.copy(view, made[key])
            found.append(made[key])
        return found

    def stored(self, computed: View, view: View) -> None:
        """Write what was computed where it belongs."""
        if computed is not view:
            self.copy(computed, view)

    # ---- formulas

    def formula(
        self, op: str, which: int, kind: str, operands: dict[str, str], k: float
    ) -> tuple[str, str]:
        """Return what an elementwise op computes in a type, and the type that this has."""
        text, made = formula_of(op, which, kind, k)
        if made == "uint64_t":
            operands = {name: f"(uint64_t){x}" for name, x in operands.items()}
        return re.sub(r"\b[abyg]\b", lambda match: operands[match[0]], text), made

    def elements(self, op: str, operands: Sequence[View], y: View, e: Any = None) -> None:
        """Write an elementwise op, in types that its entry has, or in y's."""
        common = computed = computed_in(y.type)
        if e is not None:
            common, computed = (C_TYPES[DTYPES[x].name] for x in (e.common, e.computed))
        is_whole = common in INTEGERS and computed in INTEGERS
        kind = common if is_whole else computed  # which operands lose their upper bits to
        if computed in INTEGERS and _core.OPS[op] in _core.CHECKS_ZERO:
            divisor = operands[1]
            self.say(nest([divisor], lambda x: (
                f"if ({cast(x, divisor.type, kind)} == 0) return MG_ERR_ZERODIV;")))  # fmt: skip
        k = e.numbers[0] if e is not None and e.numbers else 0.0

        def body(out: str, *found: str) -> str:
            texts = (cast(x, v.type, kind) for x, v in zip(found, operands, strict=True))
            text, made = self.formula(op, 0, computed, dict(zip("ab", texts, strict=False)), k)
            return f"{out} = {bare(cast(text, made, y.type))};"

        self.say(nest([y, *(v.broadcast(y.shape) for v in operands)], body))

    # ---- reductions, rows

    def reduced(
        self, axes: Sequence[int], a: View, y: View, step: Callable[[str, str], str],
        around: Callable[[str, str], str],
    ) -> None:  # fmt: skip
        """Write loops over what a reduction of axes makes elements of.

        Args:
            step: returns a statement of the result and an element.
            around: returns statements of the result and the loops over elements.
        """
        kept = [d for d in range(len(a.shape)) if d not in axes]
        inner = a.like([a.shape[d] for d in axes], [a.strides[d] for d in axes], -a.offset)
        outer = a.like([a.shape[d] for d in kept], [a.strides[d] for d in kept])

        def body(out: str, first: str) -> str:
            at = first[len(a.name) + 1 : -1]
            loops = nest(
                [inner], lambda x: step(out, f"{a.name}[{at} + {x[len(a.name) + 1 : -1]}]"),
                4, "uvwxyz",
            )  # fmt: skip
            return around(out, loops)

        self.say(nested_body([y.reshaped(outer.shape), outer], body))

    def folded(self, e: Any, a: View, y: View, start: str, step: str) -> None:
        """Write a reduction of which the order does not matter, of a result y and elements x."""
        self.reduced(
            axes_of(e, a), a, y, lambda out, x: step.format(y=out, x=x),
            lambda out, loops: f"{out} = {start};\n{loops}",
        )  # fmt: skip

    def call_any(self, e: Any, a: View, y: View) -> None:
        self.folded(e, a, y, "0", "if ({x} != 0) {y} = 1;")

    def call_all(self, e: Any, a: View, y: View) -> None:
        self.folded(e, a, y, "1", "if ({x} == 0) {y} = 0;")

    def reduce(self, e: Any, a: View, y: View) -> None:
        if a.type not in FLOATS:
            self.folded(e, a, y, *WHOLE[e.name](a.type))
            return
        axes = axes_of(e, a)
        n = math.prod(a.shape[d] for d in axes)
        if n > BLOCKS:
            raise Unwritten(f"a {e.name} of {n} elements")
        s = SHORT[a.type]

        def around(out: str, loops: str) -> str:
            result = f"reduced_{s}(&r)"
            if e.name == "mean":
                result += f" / ({a.type}){n}"
            head = f"reduction_{s} r = reduction_of_{s}({REDUCTIONS[e.name]});"
            return f"{head}\n{loops}\n{out} = {result};"

        self.reduced(axes, a, y, lambda out, x: f"reduce_{s}(&r, {x});", around)

    def place(self, e: Any, a: View, y: View, largest: int) -> None:
        """Write where in an array, or along an axis, the first largest or smallest element is."""
        axis = e.integers[0]
        axes = [axis] if axis >= 0 else range(len(a.shape))
        start = ENDS[a.type][not largest]

        def step(_: str, x: str) -> str:
            return f"if ({is_better(x, a.type, largest)}) best = {x}, place = at;\nat++;"

        def around(out: str, loops: str) -> str:
            head = f"{a.type} best = {start};\nint64_t place = 0, at = 0;"
            return f"{head}\n{loops}\n{out} = place;"

        self.reduced(axes, a, y, step, around)

    def call_argmax(self, e: Any, a: View, y: View) -> None:
        self.place(e, a, y, 1)

    def call_argmin(self, e: Any, a: View, y: View) -> None:
        self.place(e, a, y, 0)

    def gathered(self, a: View, axes: Sequence[int], kind: str) -> tuple[View, int]:
        """Return a copy whose rows are what is reduced, and their length."""
        kept = [d for d in range(len(a.shape)) if d not in axes]
        order = [*kept, *axes]
        turned = a.like([a.shape[d] for d in order], [a.strides[d] for d in order])
        n = math.prod(a.shape[d] for d in axes)
        made = self.contiguous(turned, kind)
        return made.reshaped((math.prod(a.shape[d] for d in kept), n)), n

    def call_logsumexp(self, e: Any, a: View, y: View) -> None:
        rows, n = self.gathered(a, axes_of(e, a), y.type)
        first = rows.like(rows.shape[:1], rows.strides[:1])
        self.say(nest([y.reshaped(first.shape), first], lambda out, x: (
            f"{out} = log_sum_exp_{SHORT[y.type]}({n}, &{x});")))  # fmt: skip

    def variance(self, e: Any, a: View, y: View, root: int) -> None:
        rows, n = self.gathered(a, axes_of(e, a), y.type)
        first = rows.like(rows.shape[:1], rows.strides[:1])
        how = f"{number(e.numbers[0], 'double')}, {root}"
        self.say(nest([y.reshaped(first.shape), first], lambda out, x: (
            f"{out} = variance_{SHORT[y.type]}({n}, &{x}, {how});")))  # fmt: skip

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
        a = self.contiguous(a, y.type)
        left, n, step = self.along(a, e.integers[0])
        to, _, _ = self.along(y, e.integers[0])
        total = added_up(y.type, f"y[(t - 1) * {step}]", f"x[t * {step}]")
        self.say(nest([left, to], lambda x, out: (
            f"const {y.type} *x = &{x};\n{y.type} *y = &{out};\n"
            f"for (int64_t t = 0; t < {n}; t++) y[t * {step}] = t ? {total} : x[0];")))  # fmt: skip

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
                f"{centered}, {number(e.numbers[0], 'double')}, {y.start} + {n} * i);", 8)
        )  # fmt: skip

    def call_layer_norm(self, e: Any, *arrays: View) -> None:
        self.norm(e, arrays[:-1], arrays[-1], 1)

    def call_rms_norm(self, e: Any, *arrays: View) -> None:
        self.norm(e, arrays[:-1], arrays[-1], 0)

    # ---- products

    def call_matmul(self, e: Any, a: View, b: View, y: View) -> None:
        kind = y.type
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
            return f"{out} = {added_up(y.type, text, *added_to)};"

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
        self.fill(y, filler(e.numbers[0], y.type))
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
            f"{out} = {t} ? {cast(x, a.type, y.type)} : {cast(z, b.type, y.type)};")))  # fmt: skip

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
                f"if ({is_better(f'(&{x})[d]', a.type, 1)}) "
                f"best = (&{x})[d], place = {first} + d;"), 4, "uvwxyz")  # fmt: skip
            return f"{a.type} best = {x};\nint64_t place = {first};\n{loops}\n{out} = place;"

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
            total = added_up(y.type, dot, *([element(bias, f"{m} * ({g}) + q")] if bias else ()))
            return (f"{loops}\nfor (int64_t q = 0; q < {m}; q++)\n"
                    f"    (&{out})[{to.strides[2]} * q] = {total};")  # fmt: skip

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

    def norm_rows(self, a: View, groups: int, call: str, *views: View) -> None:
        """Write a call for each group of channels; {} are the rows of contiguous arrays."""
        rows = a.shape[0] * groups
        n = a.count // rows
        given = [f"{v.start} + {n} * i" for v in (a, *views)]
        text = f"{call.split('(')[0]}_{SHORT[a.type]}({n}, {call.split('(', 1)[1].format(*given)}"
        self.say(f"    for (int64_t i = 0; i < {rows}; i++)\n{statement(text, 8)}")

    def normal(self, e: Any, a: View, y: View) -> None:
        """Write layer_norm of groups of channels."""
        call = f"norm_row({{}}, NULL, NULL, 1, {number(e.numbers[0], 'double')}, {{}});"
        self.norm_rows(a, e.integers[0], call, y)

    def call_group_norm(self, e: Any, a: View, weight: View, bias: View, y: View) -> None:
        self.normal(e, self.contiguous(a), y)
        views = [y, *self.channels(y, weight, bias)]
        self.say(nest(views, lambda out, w, b: f"{out} = {out} * {w} + {b};"))

    def call_group_back(self, e: Any, a: View, g: View, weight: View, y: View) -> None:
        h = self.room(a.type, a.shape)
        views = [h, g, *self.channels(a, weight)]
        self.say(nest(views, lambda out, x, w: f"{out} = {x} * {w};"))
        call = f"norm_row_back({{}}, {{}}, NULL, 1, {number(e.numbers[0], 'double')}, {{}});"
        self.norm_rows(self.contiguous(a), e.integers[0], call, h, y)

    def call_group_sums(self, e: Any, a: View, g: View, y: View) -> None:
        a, g, s = self.contiguous(a), self.contiguous(g), SHORT[a.type]
        normal = self.room(a.type, a.shape)
        self.normal(e, a, normal)
        planes = a.shape[0] * a.shape[1]
        n = a.count // planes
        first, of_x, of_g = (v.like((planes,), (step,)) for v, step in
                             ((y, 1), (normal, n), (g, n)))  # fmt: skip
        self.say(nest([first, of_x, of_g], lambda out, x, z: (
            f"reduction_{s} r = reduction_of_{s}(PLAIN_SUM);\n"
            f"for (int64_t t = 0; t < {n}; t++)\n"
            f"    reduce_{s}(&r, (&{z})[t] * (&{x})[t]);\n"
            f"{out} = reduced_{s}(&r);\n"
            f"{moved(out, str(planes))} = reduce_row_{s}(PLAIN_SUM, {n}, &{z}, 1);")))  # fmt: skip

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
