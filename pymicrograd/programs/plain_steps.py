"""The entries of a program of Tensors in C: ops, gradients, random numbers, optimizers."""

from __future__ import annotations

import struct
import textwrap
from collections.abc import Sequence
from typing import Any

from .. import _core
from .loops import (
    FORMATS,
    SHORT,
    Unwritten,
    View,
    cast,
    computed_in,
    element,
    moved,
    nest,
    number,
    shape_text,
    steps_of,
)
from .plain_ops import BLOCKS, REDUCTIONS, Ops
from .source import bare, comment, statement

COPIES = ("clone", "contiguous", "reshape", "cast")
# What computes nothing of elements: it needs no copies of those that are only stored.
MOVES = (*COPIES, "assign", "cat", "gather", "pad", "put_at", "spread", "take", "where")
# Works of elements that are cast one by one.
BY_ELEMENTS = ("add", "gradient", "over", "slice_add", "zeros")


class Writer(Ops):
    """A program of Tensors that is being written."""

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
        about = f"{number_of}: {name}" + (f" {shapes}" if e.kind != "update" else "")
        self.say(textwrap.indent(comment(about), "    "))
        if e.kind == "update":
            self.update(e, arrays)
            return
        if e.kind == "act":
            act = getattr(self, f"act_{e.name}", None)
            if act is None:
                raise Unwritten(f"{name} in a gradient")
            found = arrays if e.name in BY_ELEMENTS else self.widened(arrays)
            act(e, *found)
            for k, (computed, view) in enumerate(zip(found, arrays, strict=True)):
                if view is not None and e.writes >> k & 1:
                    self.stored(computed, view)
            return
        *operands, to = arrays if not e.takes_memory else [*arrays, arrays[0]]
        if e.name in MOVES or e.computed >= 0:
            self.call(e, operands, to)
            return
        found = self.widened([*operands, to], None if e.takes_memory else to)
        self.call(e, found[:-1], found[-1])
        self.stored(found[-1], to)

    def call(self, e: Any, operands: Sequence[View], y: View) -> None:
        """Write a call of an op."""
        call = getattr(self, f"call_{e.name}", None)
        if call is not None:
            call(e, *operands, y)
        elif e.name in COPIES:
            source = operands[0]
            to = y.reshaped(source.shape) if y.shape != source.shape else y
            self.copy(source, to)
        elif e.name in REDUCTIONS:
            self.reduce(e, operands[0], y)
        elif _core.element_formula(e.name, 0):
            self.elements(e.name, operands, y, e)
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

    # ---- work of gradient rules

    def act_zeros(self, e: Any, y: View, *_: Any) -> None:
        self.fill(y, "0")

    def act_add(self, e: Any, a: View, b: View, *_: Any) -> None:
        self.elements("add", [a, b], a)

    def act_slice_add(self, e: Any, a: View, b: View | None, *_: Any) -> None:
        if b is None:
            kind = computed_in(a.type)

            def plus_zero(out: str) -> str:
                text = f"({cast(out, a.type, kind)} + 0)"  # -0 becomes 0
                return f"{out} = {bare(cast(text, kind, a.type))};"

            self.say(nest([a], plus_zero))
        else:
            self.elements("add", [a, b], a)

    def act_over(self, e: Any, a: View, b: View | None, *_: Any) -> None:
        op = list(_core.OPS)[e.integers[0]]
        if b is not None and b.name == a.name and (b.offset, b.strides) != (a.offset, a.strides):
            shown, b = b, self.room(b.type, b.shape)  # other elements of the same memory
            self.copy(shown, b)
        if op == "cast" and b is not None:
            self.copy(b, a)
        else:
            self.elements(op, [a] if b is None else [a, b], a, e)

    def act_indices(self, e: Any, index: View, out: View, *_: Any) -> None:
        size, behind = e.integers[:2]
        index = self.contiguous(index, "int64_t")
        self.say(
            f"    for (int64_t i = 0; i < {index.count}; i++) {{\n"
            f"        int64_t at = {element(index, 'i')};\n        if (at < 0) at += {size};\n"
            f"        if (at < 0 || at >= {size}) return MG_ERR_INDEX;\n"
            f"        {element(out, 'i')} += at * {behind};\n    }}"
        )

    def act_require(self, e: Any, test: View, *_: Any) -> None:
        status = "MG_ERR_INDEX" if e.integers[0] == _core.INDEX else "MG_ERR_ARG"
        self.say(nest([test], lambda x: f"if (!{x}) return {status};"))

    def act_random(self, e: Any, y: View, *_: Any) -> None:
        generator, kind = e.integers[0], e.integers[1]
        name = f"generator_{len(self.generators)}"
        name = self.generators.setdefault(generator, name)
        a, b = (number(x, "double") for x in e.numbers)
        if kind == _core.PERMUTATION:
            self.permutation(name, y)
            return
        if kind == _core.INTEGERS:
            self.random_integers(name, y, *e.integers[2:4])
            return
        draw = "uniform" if kind == _core.UNIFORM else "normal"
        cast = "(float)" if y.type == "float" else ""
        self.say(nest([y], lambda out: f"{out} = {cast}rng_{draw}(&{name}, {a}, {b});"))

    def random_integers(self, generator: str, y: View, low: int, high: int) -> None:
        """Write the drawing of integers from low to high - 1."""
        draw, span = f"mg_rng_u32(&{generator})", high - low
        wide = f"\nbits = bits << 32 | {draw};" if span > 2**32 else ""
        self.say(nest([y], lambda out: (
            f"uint64_t bits = {draw};{wide}\n"
            f"{out} = (int64_t)(UINT64_C({low % 2**64}) + bits % UINT64_C({span}));")))  # fmt: skip

    def permutation(self, generator: str, y: View) -> None:
        """Write the drawing of 0 .. n - 1 in random order."""
        self.say(
            f"    for (int64_t i = 0; i < {y.count}; i++) {element(y, 'i')} = i;\n"
            f"    for (int64_t i = {y.count - 1}; i > 0; i--) {{\n"
            f"        const uint64_t drawn = mg_rng_u32(&{generator});\n"
            f"        const int64_t j = (int64_t)(drawn % (uint64_t)(i + 1));\n"
            f"        const int64_t swapped = {element(y, 'i')};\n"
            f"        {element(y, 'i')} = {element(y, 'j')};\n"
            f"        {element(y, 'j')} = swapped;\n    }}"
        )

    def act_gradient(self, e: Any, a: Any, b: Any, y: Any, g: Any, out: View, *_: Any) -> None:
        op, which = list(_core.OPS)[e.integers[0]], e.integers[1] + 1
        given = [(name, v) for name, v in zip("abyg", (a, b, y, g), strict=True) if v is not None]
        views = [out, *(v.broadcast(out.shape) for _, v in given)]
        kind = computed_in(out.type)

        def body(to: str, *found: str) -> str:
            operands = {
                name: cast(text, v.type, kind) for (name, v), text in zip(given, found, strict=True)
            }
            text, _ = self.formula(op, which, kind, operands, e.numbers[0])
            return f"{to} = {bare(cast(text, kind, out.type))};"

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
        mean, ignored, classes = e.integers[:3]
        ignored, used = number(ignored, "int64_t"), f"used_{len(self.steps)}"
        weight, head, count = "1.0", "", ""
        if mean:
            weight, head = f"1.0 / (double){used}", f"    int64_t {used} = 0;\n"
            count = f"        {used} += target != {ignored};\n"
        self.say(
            f"{head}    for (int64_t i = 0; i < {t.count}; i++) {{\n"
            f"        const int64_t target = {element(t, 'i')};\n"
            f"        {element(counts, 'i')} = target != {ignored};\n{count}"
            f"        if (target != {ignored} && (target < 0 || target >= {classes}))\n"
            f"            return MG_ERR_INDEX;\n    }}\n"
            f"    for (int64_t i = 0; i < {t.count}; i++)\n"
            + statement(
                f"{element(weights, 'i')} = {element(counts, 'i')} ? "
                f"({weights.type})({weight}) : 0;", 8)
        )  # fmt: skip
        if expected is None:
            return
        kind, smoothing = expected.type, number(e.numbers[0], "double")
        row = element(expected, f"{classes} * i")
        self.say(
            f"    for (int64_t i = 0; i < {t.count}; i++) {{\n"
            f"        const int64_t target = {element(t, 'i')};\n"
            f"        for (int64_t j = 0; j < {classes}; j++)\n"
            f"            {moved(row, 'j')} = ({kind}){smoothing} / ({kind}){classes};\n"
            f"        if ({element(counts, 'i')})\n"
            f"            {moved(row, 'target')} += ({kind})1 - ({kind}){smoothing};\n    }}"
        )

    def act_cross_entropy(self, e: Any, a: View, weights: View, targets: View, out: View,
                          *_: Any) -> None:  # fmt: skip
        n, kind = a.shape[1], a.type
        if not a.count:
            return
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
                        f"{number(e.numbers[0], 'double')});", 8)
            + f"\n        {a.type} *to = {scales.start};\n"
            f"        to[i] = x.by, to[{rows} + i] = x.mean, to[{2 * rows} + i] = x.scale;\n    }}"
        )  # fmt: skip

    def act_norm(self, e: Any, a: View, g: View, weight: Any, out: View, *_: Any) -> None:
        n, centered = e.integers[:2]
        given = "NULL" if weight is None else weight.start
        call = (f"norm_row_back_{SHORT[a.type]}({n}, {{}}, {{}}, {given}, {centered}, "
                f"{number(e.numbers[0], 'double')}, {{}});")  # fmt: skip
        self.each_row(a.count // n, call, (a, g, out), n)

    def act_norm_powers_check(self, e: Any, scales: View, *_: Any) -> None:
        rows, expected = e.integers[:2]
        self.say(
            f"    for (int64_t i = 0, ones = 0; i < {rows}; i++) {{\n"
            f"        ones += {element(scales, 'i')} == 1;\n"
            f"        if (i == {rows - 1} && (ones == {rows}) != {int(expected != 0)})\n"
            f"            return MG_ERR_RECORDED;\n    }}"
        )

    def act_norm_powers(self, e: Any, scales: View, by: View, *_: Any) -> None:
        self.say(statement(f"memcpy({by.start}, {scales.start}, {by.count} * sizeof({by.type}));"))

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
                x, gradient = self.widened([p, g])
                self.update_one(e.name, group, i, p.name, x, self.contiguous(gradient))
                self.stored(x, p)

    def update_one(self, rule: str, group: Any, i: int, of: str, p: View, g: View) -> None:
        """Write the step of a parameter that is named so."""
        key = group.address, i
        is_new = key not in self.stepped
        s = self.stepped.setdefault(key, of)
        if is_new and self.steppers.setdefault(of, key) != key:
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
        if rule == "lamb":
            if p.count > BLOCKS:
                raise Unwritten(f"LAMB of {p.count} elements")
            change = self.room(p.type, p.shape)
            arrays.append(change.name)
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
        if rule == "lamb":
            of_p = f"{p.count}, {p.start}, {change.name}, rule_of_{s}.lr"
            self.say(statement(f"lamb_move_{SHORT[p.type]}({of_p});"))

    # ---- the whole

    def write_all(self) -> None:
        """Write all entries."""
        self.rules: dict[str, dict[str, list[str]]] = {}
        self.check()
        for i, e in enumerate(self.entries):
            begun = len(self.steps)
            self.write(i, e)
            if len(self.steps) > begun:
                self.steps[begun:] = ["\n".join(self.steps[begun:])]

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
