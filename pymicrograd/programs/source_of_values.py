"""Programs of Values as C that stands alone.

An instruction becomes a function: LINE its statements on doubles that have names, LANES, CHAIN and
PACK loops with constant counts, whose slots are found by formulas or by tables. What they compute
with are excerpts of the core's own sources.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import _core
from ..arithmetic import get_math
from ..version import __version__
from .excerpts import excerpt, words_of
from .source import (
    CONDITIONS,
    INLINED,
    bare,
    comment,
    defined_in,
    finished,
    literal,
    runs_of,
    statement,
    statuses,
    table,
)

__all__ = ["c_of_values"]

LIBRARY, PORTABLE = "numbers/float.c", "base/vmath.h"
POWERS = "programs/lanes.inc.c"  # that are known without a call
UPDATES = "numbers/numbers.h"
STATEMENTS = 300  # of a function
SMALL_PROGRAM = 300  # operations: it has no loops
CERTAIN = (2.0, -1.0, 0.5, -2.0, 3.0, -0.5, -1.5)  # exponents that pow_is_certain() knows
LINE_WORDS = 7
FEW = 12  # statements that stand for themselves, without a loop
SINGLE_A, SINGLE_B, SINGLE_Y, SINGLE_G, SINGLE_START = 1, 2, 4, 8, 4
# Operations of formulas that stand in numbers/formulas.inc.c as expressions.
SMALL = {
    "relu": "static double relu(double x)\n{\n    return x < 0.0 ? 0.0 : x;\n}",
    "positive": "static double positive(double x)\n{\n    return x > 0.0 ? x : 0.0;\n}",
    "above_zero": "static double above_zero(double x)\n{\n    return x > 0.0 ? 1.0 : 0.0;\n}",
    "sign_of": "static double sign_of(double x)\n{\n"
    "    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0;\n}",
    "share_of": "/* What the larger of two gets of a gradient. */\n"
    "static double share_of(double x, double y)\n{\n"
    "    return x < y ? 0.0 : x == y ? 0.5 : 1.0;\n}",
    "is_flat": "static int is_flat(double x, double y)\n{\n    return x == 0.0 && y > 0.0;\n}",
    "log_or_nan": "static double log_or_nan(double x, int *status)\n{\n"
    "    return x < 0.0 ? (double)NAN : float_log(x, status);\n}",
    "opaque": "/* A constant of which the compiler computes no function: it has other digits. */\n"
    "static double opaque(double x)\n{\n    volatile double y = x;\n    return y;\n}",
}
INCLUDES = "\n".join(
    f"#include <{name}.h>" for name in ("float", "limits", "math", "stdbool", "stdint", "string")
)
POWER = """\
/* x ** k for k = 2, 3, -1, -2, 0.5, -0.5, -1.5: without a call where the result is certain. */
static double power_of(double x, double k, int *status)
{
#if defined(__GNUC__) && defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 28)
    double r;
    if (pow_is_certain(x, k, &r)) return r;
#endif
    return float_pow(x, k, status);
}"""
FAILURES = """\
/* What failed first, in the order of the loop that the program stands for. */
struct failure {
    int now; /* what the operation at hand met */
    int status;
    int at; /* its number in that order */
};

/* Return y, operation number `at`, and note if it failed. */
MG_INLINE double checked(double y, int at, struct failure *f)
{
#ifndef IEEE
    if (f->now < 0 && at < f->at) {
        f->at = at;
        f->status = f->now;
    }
#endif
    f->now = MG_OK;
    return y;
}"""
ADAM = """\
/* A step of Adam on n numbers; nothing changes if it fails. */
static int adam_step(adam *set, int n, const double *data, const double *gradients,
                     double *m, double *v, double *moved, double *to)
{
    int status = MG_OK;
    double unbias[2];
    adam next = *set;
    next.step++;
    adam_unbias(&next, unbias, &status);
    for (int i = 0; i < n; i++) {
        const number_move one = adam_move(&next, unbias, data[i], gradients[i], m[i], v[i],
                                          POWER, float_div, &status);
        moved[i] = one.data;
        moved[n + i] = one.first;
        moved[2 * n + i] = one.second;
    }
#ifndef IEEE
    if (status < 0) return status;
#endif
    memcpy(to, moved, (size_t)n * sizeof(double));
    memcpy(m, moved + n, (size_t)n * sizeof(double));
    memcpy(v, moved + 2 * n, (size_t)n * sizeof(double));
    *set = next;
    return MG_OK;
}"""
SGD = """\
/* A step of SGD on n numbers; velocity: NULL without momentum. */
static void sgd_step(sgd *set, int n, const double *data, const double *gradients,
                     double *velocity, double *to)
{
    for (int i = 0; i < n; i++) {
        const number_move one =
            sgd_move(set, data[i], gradients[i], velocity ? velocity[i] : 0.0);
        to[i] = one.data;
        if (velocity) velocity[i] = one.first;
    }
    set->first_step = !velocity;
}"""


def affine(numbers: Any) -> tuple[int, int] | None:
    """Return (base, step) of numbers that lie base + step * i, or None."""
    step = int(numbers[1] - numbers[0]) if len(numbers) > 1 else 0
    same = np.array_equal(numbers, numbers[0] + step * np.arange(len(numbers)))
    return (int(numbers[0]), step) if same else None


def sum_of(*terms: str) -> str:
    """Return a sum without what is 0."""
    return " + ".join(x for x in terms if x != "0").replace("+ -", "- ") or "0"


def times(step: int, name: str) -> str:
    if step == 0:
        return "0"
    return name if step == 1 else f"-{name}" if step == -1 else f"{step} * {name}"


class Function:
    """A function of C that is being written.

    Attributes:
        tables: declarations at its head; body: lines.
    """

    def __init__(self, name: str, about: str) -> None:
        self.name, self.about = name, about
        self.tables: list[str] = []
        self.body: list[str] = []

    def indices(self, name: str, found: Any, i: str) -> str:
        """Return an expression for found[i], which may need a table `name`."""
        line = affine(found)
        if line is not None:
            return sum_of(str(line[0]), times(line[1], i))
        self.tables.append(table(f"static const int {name}[{len(found)}]", found))
        return f"{name}[{i}]"

    def indices_of_two(self, name: str, found: Any, i: str, j: str) -> str:
        """Return an expression for found[i][j]: a sum of two where that does."""
        rows, columns = found[:, 0], found[0] - found[0, 0]
        if np.array_equal(found, rows[:, None] + columns):
            first = self.indices(f"{name}_of_{i}", rows, i)
            return sum_of(first, self.indices(f"{name}_of_{j}", columns, j))
        shape = f"[{found.shape[0]}][{found.shape[1]}]"
        rows = ["{" + ", ".join(map(str, row)) + "}" for row in found.tolist()]
        self.tables.append(table(f"static const int {name}{shape}", rows))
        return f"{name}[{i}][{j}]"

    def text(self) -> str:
        body = "\n".join([*self.tables, *self.body])
        fails = ", struct failure *failed" if "failed" in body else ""
        return f"{comment(self.about)}\nstatic void {self.name}(double *x{fails})\n{{\n{body}\n}}"

    def call(self) -> str:
        fails = ", &failed" if any("failed" in line for line in self.body) else ""
        return f"    {self.name}(x{fails});"


class Writer:
    """A program of Values that is being written.

    Args:
        script: the core's.
        inputs: what they were last.
    """

    name = "@"  # what stands for the program's name

    def __init__(self, script: Any, inputs: Sequence[float]) -> None:
        self.script, self.inputs = script, list(inputs)
        self.code, self.layout = script.instructions(), script.layout()
        self.structs = script.updates.structs
        self.library = get_math() == "library"
        self.functions: list[Function] = []
        self.find_constants()
        if script.operations <= SMALL_PROGRAM:
            self.unroll()
        self.chunks = [
            (i, c, first)
            for i, c in enumerate(self.code)
            for first in range(0, c.count if c.kind == "line" else 1, STATEMENTS)
        ]
        self.find_stored()
        self.used_constants: set[int] = set()

    # ---- what lies where

    def find_constants(self) -> None:
        """Find the slots that hold constants."""
        layout = self.layout
        made = np.zeros(len(layout.values) + 1, bool)
        made[layout.inputs : layout.inputs + layout.input_count] = True
        for data, gradient, *_ in layout.nodes:
            made[[data, gradient]] = True
        for c in self.code:
            if c.kind == "line":
                made[self.lines(c)[:, 1]] = True
            else:
                made[c.to : c.to + c.count * (c.width if c.kind == "chain" else 1)] = True
        self.is_made = made

    def lines(self, c: Any) -> Any:
        return np.array(c.words).reshape(-1, LINE_WORDS)

    def find_stored(self) -> None:
        """Find the slots of lines that others than their function read."""
        layout = self.layout
        home = np.full(len(layout.values) + 16, -1)
        stored = np.zeros(len(home), bool)
        for number, (_, c, first) in enumerate(self.chunks):
            if c.kind == "line":
                lines = self.lines(c)[first : first + STATEMENTS]
                home[lines[:, 1]] = number
                operands = lines[:, 2:6].ravel()
                stored[operands[home[operands] != number]] = True
            else:
                for slot, count in self.ranges(c):
                    stored[slot : slot + count] = True
        stored[[w[3] for w in layout.writes] + layout.outputs + [layout.loss]] = True
        for start, _, count in layout.saves:
            stored[start : start + count] = True
        self.is_stored = stored

    def unroll(self) -> None:
        """Make of all instructions but updates lines, of what somebody reads."""
        found: list[Any] = []
        for c in self.code:
            if c.kind == "update":
                found.append(c)
            elif found and found[-1].kind == "line":
                found[-1].words += lines_of(c)
            else:
                found.append(_core.LineInstruction(lines_of(c)))
        layout = self.layout
        live = {w[3] for w in layout.writes} | {*layout.outputs, layout.loss}
        live |= {start + i for start, _, count in layout.saves for i in range(count)}
        for c in reversed(found):
            if c.kind == "update":
                live |= {*range(c.a, c.a + c.count), *range(c.g, c.g + c.count)}
            else:
                c.words = live_lines(self.lines(c).tolist(), live)
                c.count = len(c.words) // LINE_WORDS
        self.code = found

    def ranges(self, c: Any) -> Iterable[tuple[int, int]]:
        """Return what an instruction reads, as (slot, count)."""
        if c.kind == "pack":
            return [(slot, 1) for slot in c.words]
        if c.kind == "update":
            return [(c.a, c.count), (c.g, c.count)]
        if c.kind == "lanes":
            operands = [(c.a, SINGLE_A), (c.b, SINGLE_B), (c.y, SINGLE_Y), (c.g, SINGLE_G)]
            given = [(slot, single) for slot, single in operands if slot]
            return [(slot, 1 if c.modes & single else c.count) for slot, single in given]
        singles = [SINGLE_START, *[SINGLE_A, SINGLE_B] * c.terms]
        widths = [1 if c.modes & single else c.width for single in singles]
        return zip(c.words, widths * c.count, strict=True)

    def operand(self, slot: int) -> str:
        """Return what is in a slot, for a single operand."""
        if self.is_made[slot]:
            return f"x[{slot}]"
        return literal(self.layout.values[slot])

    # ---- formulas

    def formula(self, code: int, operands: dict[str, str], at: str) -> str:
        """Return a formula with its operands put in."""
        text = _core.formula_of(code)
        if code == _core.SUM and "1.0" in (operands["a"], operands["b"]):
            text = text.replace("(a * b)", "b" if operands["a"] == "1.0" else "a")
        if code == _core.SUM and operands["y"] == "(-0.0)":
            text = text.replace("y + ", "")
        text = re.sub(r"\b[abyg]\b", lambda match: operands[match[0]], text)
        text = self.with_powers(text)
        if "status" in text:
            text = re.sub(r"\bstatus\b", "&failed->now", text)
            return f"checked({bare(text)}, {at}, failed)"
        return bare(text)

    def with_powers(self, text: str) -> str:
        """Return a formula in which powers with known exponents are what they are."""
        begin = text.find("float_pow(")
        if begin < 0:
            return text
        parts = split_call(text[begin + len("float_pow(") :])
        end = begin + len("float_pow(") + sum(map(len, parts)) + len(parts)
        base, exponent = parts[0].strip(), parts[1].strip()
        number = known_number(exponent)
        made = f"float_pow({base}, {exponent}, status)"
        if number is not None:
            quick = self.library and number in CERTAIN
            made = f"{'power_of' if quick else 'float_pow'}({base}, {literal(number)}, status)"
            if number == 1.0:
                made = base
        return text[:begin] + made + self.with_powers(text[end:])

    # ---- instructions

    def line(self, number: int, c: Any, first: int, name: str) -> Function:
        """Write operations one by one."""
        lines = self.lines(c)[first : first + STATEMENTS].tolist()
        made = Function(name, f"{len(lines)} operations")
        names: dict[int, str] = {}
        constants: set[int] = set()  # slots of what is computed of constants
        for slot in sorted({slot for line in lines for slot in line[2:6]} & self.leaves.keys()):
            names[slot] = text = self.leaves[slot]
            made.body.append(f"const double {text} = x[{slot}];")
        for k, (code, to, a, b, y, g, sequence) in enumerate(lines):
            slots = [slot for slot in (a, b, y, g) if slot]
            fixed = all(not self.is_made[slot] or slot in constants for slot in slots)
            if fixed:
                constants.add(to)
            operands = {}
            for letter, slot in zip("abyg", (a, b, y, g), strict=True):
                text = names.get(slot) or self.operand(slot)
                guard = fixed and self.library and not self.is_made[slot]
                operands[letter] = f"opaque({text})" if guard else text
            text = self.formula(code, operands, str(sequence))
            goes_on = k + 1 < len(lines) and lines[k + 1][1] == to
            if code == _core.COPY or goes_on:
                names[to] = text if re.fullmatch(r"\w+", text) else f"({text})"
                if goes_on or not self.is_stored[to]:
                    continue
                made.body.append(f"x[{to}] = {text};")
                continue
            names[to] = f"{_core.name_of(code)}_{to}"
            stored = f"x[{to}] = " if self.is_stored[to] else ""
            made.body.append(f"const double {names[to]} = {stored}{text};")
        used = words_of("\n".join(x.split(" = ", 1)[1] for x in made.body))
        made.body = [statement(unread(x, used)) for x in made.body]
        return made

    @functools.cached_property
    def leaves(self) -> dict[int, str]:
        """Return names of slots that a step begins with."""
        layout = self.layout
        named = {layout.inputs + i: f"input_{i}" for i in range(layout.input_count)}
        for i, (data, gradient, *_) in enumerate(layout.nodes):
            if data:
                named[data] = f"leaf_{i}"
            if gradient:
                named[gradient] = f"leaf_{i}_gradient"
        return named

    def lanes(self, c: Any, name: str) -> Function:
        """Write the same operation on many slots."""
        about = _core.name_of(c.code).replace("_grad", ": what it passes on")
        made = Function(name, f"{c.count} times {about}")
        operands = {}
        for letter, single in (("a", SINGLE_A), ("b", SINGLE_B), ("y", SINGLE_Y), ("g", SINGLE_G)):
            slot = getattr(c, letter)
            if c.modes & single or not slot:
                operands[letter] = self.operand(slot)
            else:
                operands[letter] = f"x[{sum_of(str(slot), 'i')}]"
                self.note_constants([(slot, c.count)])
        at = made.indices("at", np.array(c.words), "i") if c.words else "0"
        text = self.formula(c.code, operands, at)
        made.body.append(f"    for (int i = 0; i < {c.count}; i++)")
        made.body.append(statement(f"x[{sum_of(str(c.to), 'i')}] = {text};", 8))
        return made

    def chain(self, c: Any, name: str) -> Function:
        """Write sums of products."""
        words = np.array(c.words).reshape(c.count, 1 + 2 * c.terms)
        width = c.width
        made = Function(name, f"{c.count * width} sums of {c.terms} products")
        lane = "l" if width > 1 else "0"

        def operand(letter: str, found: Any, single: int) -> str:
            if (c.modes & single or width == 1) and (found == found[0, 0]).all():
                return self.operand(int(found[0, 0]))
            self.note_constants((int(s), 1 if c.modes & single else width) for s in found.flat)
            place = made.indices_of_two(letter, found, "block", "k")
            return f"x[{place if c.modes & single else sum_of(place, lane)}]"

        start = operand("start", words[:, :1], SINGLE_START)
        a = operand("a", words[:, 1::2], SINGLE_A)
        b = operand("b", words[:, 2::2], SINGLE_B)
        terms = [term for term in (a, b) if term != "1.0"] or ["1.0"]
        to = sum_of(str(c.to), times(width, "block"), lane)
        each = f"for (int l = 0; l < {width}; l++)"
        if c.terms == 1:
            made.body.append(f"    for (int block = 0; block < {c.count}; block++)")
            if width > 1:
                made.body.append(f"        {each}")
            total = " * ".join(terms) if start == "(-0.0)" else f"{start} + {' * '.join(terms)}"
            made.body.append(statement(f"x[{to}] = {total};", 8 if width == 1 else 12))
            return made
        if width == 1:
            made.body += [
                f"    for (int block = 0; block < {c.count}; block++) {{",
                f"        double sum = {start};",
                f"        for (int k = 0; k < {c.terms}; k++)",
                statement(f"sum = sum + {' * '.join(terms)};", 12),
                f"        x[{to}] = sum;",
                "    }",
            ]
            return made
        made.body += [
            f"    for (int block = 0; block < {c.count}; block++) {{",
            f"        double sum[{width}];",
            f"        {each} sum[l] = {start};",
            f"        for (int k = 0; k < {c.terms}; k++)",
            f"            {each}",
            statement(f"sum[l] = sum[l] + {' * '.join(terms)};", 16),
            f"        {each} x[{to}] = sum[l];",
            "    }",
        ]
        return made

    def pack(self, c: Any, name: str) -> Function:
        """Write copies."""
        made = Function(name, f"{c.count} copies")
        self.note_constants((slot, 1) for slot in c.words)
        source = made.indices("from", np.array(c.words), "i")
        made.body.append(f"    for (int i = 0; i < {c.count}; i++) x[{c.to} + i] = x[{source}];")
        return made

    def update(self, c: Any) -> list[str]:
        """Write a call of an optimizer's step."""
        for slot in (c.a, c.g):
            self.note_constants([(slot, c.count)])
        n, struct = c.first, self.structs[c.first]
        if not struct.is_adam:
            velocity = f"p->velocity_{n}" if struct.beta1 != 0.0 else "NULL"
            return [
                statement(f"sgd_step(&p->sgd_{n}, {c.count}, x + {c.a}, x + {c.g}, {velocity}, "
                          f"x + {c.to});")
            ]  # fmt: skip
        return [
            statement(
                f"failed.status = adam_step(&p->adam_{n}, {c.count}, x + {c.a}, x + {c.g}, "
                f"p->m_{n}, p->v_{n}, p->moved, x + {c.to});"
            ),
            "    if (failed.status < 0) {",
            f"        failed.at = {c.sequence};",
            f"        return {self.name}_stop(p, &failed);",
            "    }",
        ]

    def ends(self) -> str:
        """Write what ends a step that has failed."""
        return f"    if (failed.status < 0) return {self.name}_stop(p, &failed);"

    def note_constants(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Note constants that have to lie in slots."""
        for slot, count in ranges:
            for one in range(slot, slot + count):
                if not self.is_made[one]:
                    self.used_constants.add(one)

    # ---- the whole

    def step(self) -> str:
        """Write the functions of all instructions, and the one that calls them."""
        body = self.carries()
        for number, (i, c, first) in enumerate(self.chunks):
            if c.kind == "update":
                body += ["", self.ends()]
                body += self.update(c)
                continue
            name = f"{c.kind}_{i}" + (
                f"_{first}" if c.count > STATEMENTS and c.kind == "line" else ""
            )
            if c.kind == "line":
                function = self.line(number, c, first, name)
            else:
                function = getattr(self, c.kind)(c, name)
            self.functions.append(function)
            body.append(function.call())
        used = any("failed" in line for line in body if line != self.ends())
        head = [
            f"int {self.name}(struct {self.name} *p)",
            "{",
            "    double *x = p->x;",
            *(["    struct failure failed = {MG_OK, MG_OK, INT_MAX};"] if used else []),
        ]
        if not used:
            body = [line for line in body if line != self.ends()]
        elif body[-1] != "    }":
            body.append(self.ends())
        end = ["", *self.saves()]
        self.may_fail = used
        about = (
            "Make a step. Returns 0, or below 0 what failed: what the loop would have written "
            "until then is written."
        )
        return "\n".join([comment(about), *head, *body, *end, "    return MG_OK;", "}"])

    def carries(self) -> list[str]:
        """Write what brings data and gradients to their slots."""
        nodes = self.layout.nodes
        lines = []
        for name, which in (("data", 0), ("gradient", 1)):
            pairs = [(i, node[which]) for i, node in enumerate(nodes) if node[which]]
            lines += [copied(f"p->{name}", source, "x", to, n) for source, to, n in runs_of(pairs)]
        if self.layout.input_count:
            lines.append(copied("p->inputs", 0, "x", self.layout.inputs, self.layout.input_count))
        return lines

    def saves(self) -> list[str]:
        """Write what brings results to where they are held."""
        count, layout = len(self.layout.nodes), self.layout
        pairs: dict[str, list[tuple[int, int]]] = {"data": [], "gradient": [], "outputs": []}
        for start, to, n in layout.saves:
            for i in range(n):
                name = "data" if to + i < count else "gradient"
                pairs[name].append((start + i, (to + i) % count))
        pairs["outputs"] = [(slot, k) for k, slot in enumerate(layout.outputs)]
        lines = []
        for name, found in pairs.items():
            self.note_constants((slot, 1) for slot, _ in found)
            runs = runs_of(sorted(found, key=lambda pair: pair[1]))
            if len(runs) <= FEW:
                lines += [copied("x", start, f"p->{name}", to, n) for start, to, n in runs]
                continue
            rows = [f"{{{to}, {start}}}" for start, to in found]
            lines.append(
                table(f"static const struct {{ int to, from; }} of_{name}[{len(rows)}]", rows)
            )
            lines.append(f"    for (int i = 0; i < {len(rows)}; i++)")
            lines.append(f"        p->{name}[of_{name}[i].to] = x[of_{name}[i].from];")
        if layout.loss:
            self.note_constants([(layout.loss, 1)])
            lines.append(f"    p->loss = x[{layout.loss}];")
        return lines

    def stop(self) -> str:
        """Write what a failure leaves."""
        count = len(self.layout.nodes)
        rows = []
        for at, node, is_gradient, slot in self.layout.writes:
            self.note_constants([(slot, 1)])
            rows.append(f"{{{at}, {node + count * is_gradient}, {slot}}}")
        writes = f"static const struct {{ int at, to, from; }} writes[{len(rows)}]"
        lines = [
            comment("Let that take effect which the loop would have written before a failure."),
            f"static int {self.name}_stop(struct {self.name} *p, const struct failure *failed)",
            "{",
            "    /* after which operation, to which number of data and gradients, from where */",
            table(writes, rows),
            f"    for (int i = 0; i < {len(rows)}; i++) {{",
            "        if (writes[i].at > failed->at) continue;",
            f"        const int to = writes[i].to % {max(1, count)};",
            f"        double *held = writes[i].to < {count} ? p->data : p->gradient;",
            "        held[to] = p->x[writes[i].from];",
            "    }",
            "    return failed->status;",
            "}",
        ]
        if not rows:
            lines[3:11] = ["    (void)p;"]
        return "\n".join(lines)

    def struct(self) -> str:
        """Write what a program holds."""
        layout, name = self.layout, self.name
        parameters = [s.count for s in self.structs]
        lines = [f"struct {name} {{"]
        if layout.loss:
            lines.append("    double loss; /* of the last step */")
        if layout.input_count:
            lines.append(f"    double inputs[{layout.input_count}]; /* of the next step */")
        if layout.outputs:
            lines.append(f"    double outputs[{len(layout.outputs)}]; /* of the last step */")
        n = max(1, len(layout.nodes))
        what = (
            f"the first {sum(parameters)} are parameters"
            if parameters and not layout.outputs
            else ""
        )
        lines.append(
            f"    double data[{n}], gradient[{n}]; {f'/* {what} */' if what else ''}".rstrip()
        )
        for i, s in enumerate(self.structs):
            if s.is_adam:
                lines += [
                    f"    adam adam_{i}; /* its step: how many were made */",
                    f"    double m_{i}[{s.count}], v_{i}[{s.count}];",
                ]
            else:
                lines.append(f"    sgd sgd_{i};")
                if s.beta1 != 0.0:
                    lines.append(f"    double velocity_{i}[{s.count}];")
        if any(s.is_adam for s in self.structs):
            most = max(s.count for s in self.structs if s.is_adam)
            lines.append(f"    double moved[{3 * most}]; /* results of a step of Adam */")
        lines.append(f"    double x[{len(layout.values)}]; /* slots */")
        return "\n".join([*lines, "};"])

    def begin(self) -> str:
        """Write what sets all to what it was when this was written."""
        layout, body = self.layout, []
        memory = []
        for which, name in ((2, "data"), (3, "gradient")):
            found = [node[which] for node in layout.nodes]
            if any(x != 0.0 or literal(x) != "0.0" for x in found):
                memory.append((name, found))
        for i, s in enumerate(self.structs):
            if s.is_adam:
                fields = {
                    "step": s.steps[0],
                    "decoupled": int(bool(s.decoupled)),
                    **dict.fromkeys(("lr", "beta1", "beta2", "epsilon", "weight_decay")),
                }
                body += self.options(f"p->adam_{i}", s, fields)
                memory += [(f"m_{i}", _core.numbers_at(s.first, s.count))]
                memory += [(f"v_{i}", _core.numbers_at(s.second, s.count))]
            else:
                fields = {
                    "lr": None,
                    "momentum": literal(s.beta1),
                    "dampening": literal(s.beta2),
                    "weight_decay": None,
                    "nesterov": int(bool(s.nesterov)),
                    "first_step": int(not s.begun[0]),
                }
                body += self.options(f"p->sgd_{i}", s, fields)
                if s.beta1 != 0.0:
                    memory += [(f"velocity_{i}", _core.numbers_at(s.first, s.count))]
        if layout.input_count:
            memory.append(("inputs", self.inputs))
        tables, copies = [], []
        for name, found in memory:
            if any(literal(x) != "0.0" for x in found):
                shown = [literal(x).strip("()") for x in found]
                tables.append(table(f"static const double {name}[{len(found)}]", shown))
                copies.append(f"    memcpy(p->{name}, {name}, sizeof {name});")
        rows = [
            f"{{{i}, {literal(layout.values[i]).strip('()')}}}"
            for i in sorted(self.used_constants)
            if i
        ]
        if rows:
            struct = f"static const struct {{ int at; double number; }} constants[{len(rows)}]"
            tables.append(table(struct, rows))
            copies.append(f"    for (int i = 0; i < {len(rows)}; i++)")
            copies.append("        p->x[constants[i].at] = constants[i].number;")
        about = "Set all numbers to what they were when this file was written."
        head = [comment(about), f"void {self.name}_begin(struct {self.name} *p)", "{"]
        return "\n".join([*head, *tables, "    memset(p, 0, sizeof *p);", *body, *copies, "}"])

    def options(self, to: str, struct: Any, fields: dict[str, Any]) -> list[str]:
        """Write what options of an update are; None: as the struct has it."""
        return [
            f"    {to}.{name} = {literal(getattr(struct, name)) if x is None else x};"
            for name, x in fields.items()
        ]

    def text(self) -> str:
        """Write the file."""
        step = self.step()
        functions = "\n\n".join(function.text() for function in self.functions)
        parts = [step, functions]
        if self.may_fail:
            parts.insert(0, self.stop())
        kinds = {bool(s.is_adam) for s in self.structs}
        updates = "\n\n".join(
            text for is_adam, text in ((True, ADAM), (False, SGD)) if is_adam in kinds
        )
        updates = updates.replace("POWER", "power_of" if self.library else "float_pow")
        begin = self.begin()
        used = words_of("\n".join([functions, step, updates]))
        moves = "adam", "number_move", "adam_move", "adam_unbias", "sgd", "sgd_move"
        own = [text for word, text in SMALL.items() if word in used]
        if "power_of" in used:
            used |= {"float_pow", "pow_is_certain"}
        used |= words_of("\n".join(own))
        files = [LIBRARY, UPDATES] if self.library else [PORTABLE, LIBRARY, UPDATES]
        wanted = used & ({*moves} | {w for w in used if w.startswith(("float_", "vm_"))})
        wanted |= {"float_pow"} if "power_of" in used else set()
        certain = excerpt(["pow_is_certain"], [POWERS]) if "power_of" in used else ""
        arithmetic = excerpt(wanted - {*moves}, files)
        rules = excerpt(wanted, files, defined_in(arithmetic))
        if "adam_move" in wanted or "sgd_move" in wanted:
            rules = "typedef struct" + rules.split("typedef struct", 1)[1]
        arithmetic = re.sub(r"^double float_", "static double float_", arithmetic, flags=re.M)
        function = f"{'' if self.library else 'vm_'}##f(__VA_ARGS__)"
        math = f"#define MATH(f, ...) {'f(__VA_ARGS__)' if self.library else function}"
        pieces = [
            self.head(),
            INCLUDES,
            CONDITIONS + INLINED.rstrip(),
            statuses(),
            f"{math}" if "MATH(" in arithmetic else "",
            arithmetic,
            certain,
            POWER if "power_of" in used else "",
            *own,
            FAILURES if self.may_fail else "",
            rules,
            updates,
            self.struct(),
            functions,
            self.stop() if self.may_fail else "",
            step,
            begin,
            self.main(),
        ]
        return "\n\n".join(piece for piece in pieces if piece) + "\n"

    def head(self) -> str:
        layout, name = self.layout, self.name
        operations = self.script.operations
        what = (
            f"{name}(): a step of {operations} operations in {len(self.code)} instructions, as "
            f"pymicrograd {__version__} runs it, with the same bits:\n\n"
            f"    cc -O2 -ffp-contract=off -fno-builtin-pow {name}.c -lm\n\n"
            "by gcc or clang, with any -O. "
        )
        if self.library:
            what += (
                "exp, tanh, pow and the like are the C library's: the bits are those of Python on "
                "a machine with the same one. "
            )
        else:
            what += "exp, tanh, pow and the like are in here: the bits are the same everywhere. "
        what += (
            f"With -DMAIN=main it is a program that makes as many steps as its first argument "
            f"says and prints {'the loss of each' if layout.loss else 'the first result of each'}, "
            "and with a second one all data and gradients. "
            "What Python's floats raise is a status, after which numbers are as after the same "
            "loop in Python; with -DIEEE there are infinities and NaNs instead.\n\n"
            "x[] are slots: results of operations, each written once a step. The names of "
            "doubles are those of what computes them, with their slots; grad is what an "
            "operation passes on to an operand."
        )
        return comment(what)

    def main(self) -> str:
        name = self.name
        shown = "p.loss" if self.layout.loss else "p.outputs[0]" if self.layout.outputs else "0.0"
        n = len(self.layout.nodes)
        return f"""\
#ifdef MAIN
#include <stdio.h>
#include <stdlib.h>

int MAIN(int argc, char **argv)
{{
    static struct {name} p;
    {name}_begin(&p);
    for (long i = argc > 1 ? atol(argv[1]) : 10; i > 0; i--) {{
        const int status = {name}(&p);
        if (status < 0) {{
            puts(status == MG_ERR_ZERODIV  ? "division by zero"
                 : status == MG_ERR_DOMAIN ? "no real result"
                                           : "a number is too large");
            break;
        }}
        printf("%.17g\\n", {shown});
    }}
    for (int i = 0; argc > 2 && i < {n}; i++)
        printf("%.17g %.17g\\n", p.data[i], p.gradient[i]);
    return 0;
}}
#endif"""


def lines_of(c: Any) -> list[int]:
    """Return the operations of an instruction as words of lines."""
    found: list[int] = []
    if c.kind == "line":
        return list(c.words)
    if c.kind == "pack":
        for i, slot in enumerate(c.words):
            found += [_core.COPY, c.to + i, slot, 0, 0, 0, 0]
    elif c.kind == "lanes":
        for i in range(c.count):
            singles = (c.a, SINGLE_A), (c.b, SINGLE_B), (c.y, SINGLE_Y), (c.g, SINGLE_G)
            operands = [slot if c.modes & single else slot + i for slot, single in singles]
            found += [c.code, c.to + i, *operands, c.words[i] if c.words else 0]
    else:
        of_start, of_a, of_b = (0 if c.modes & x else 1 for x in (SINGLE_START, SINGLE_A, SINGLE_B))
        for i in range(c.count * c.width):
            lane, to = i % c.width, c.to + i
            start, *terms = c.words[i // c.width * (1 + 2 * c.terms) :][: 1 + 2 * c.terms]
            last = start + lane * of_start
            for a, b in zip(terms[::2], terms[1::2], strict=True):
                found += [_core.SUM, to, a + lane * of_a, b + lane * of_b, last, 0, 0]
                last = to
    return found


def live_lines(lines: list[list[int]], live: set[int]) -> list[int]:
    """Return the words of lines that may fail, or whose slots are in `live`; which becomes what
    they need.
    """
    kept = []
    for line in reversed(lines):
        code, to, *operands, _ = line
        if to in live or "status" in _core.formula_of(code):
            live.discard(to)
            live.update(operands)
            kept.append(line)
    return [word for line in reversed(kept) for word in line]


def split_call(text: str) -> list[str]:
    """Return the arguments of a call whose opening bracket comes before a text."""
    depth, parts = 0, [""]
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return parts
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def known_number(text: str) -> float | None:
    """Return the number that an exponent is: a literal, or one less 1.0."""
    less = text.endswith(" - 1.0")
    try:
        number = float(text.removesuffix(" - 1.0").strip("()"))
    except ValueError:
        return None
    return number - 1.0 if less else number


def unread(text: str, used: set[str]) -> str:
    """Return a statement whose double nobody reads as one that only stores it."""
    match = re.match(r"const double (\w+) = (x\[\d+\] = )?", text)
    if match is None or match[1] in used:
        return text
    return (match[2] or "(void)") + text[match.end() :]


def copied(source: str, start: int, to: str, at: int, count: int) -> str:
    """Return a copy of consecutive doubles."""
    if count == 1:
        return f"    {to}[{at}] = {source}[{start}];"
    to, source = sum_of(to, str(at)), sum_of(source, str(start))
    return f"    memcpy({to}, {source}, {count} * sizeof(double));"


def c_of_values(script: Any, path: Any, name: str, inputs: Sequence[float] = ()) -> str:
    """Return a program of Values as C, and write it to a file if there is a path."""
    return finished(path, name, Writer(script, inputs).text())
