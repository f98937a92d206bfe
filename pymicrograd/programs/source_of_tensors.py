"""Programs of Tensors as C that stands alone.

Memory of the program becomes static arrays, each entry a loop nest over them, with what SPEC.md
says of sums, rows and products in plain form: excerpts of the core's sources.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .. import _core
from ..version import __version__
from .excerpts import excerpt, words_of
from .loops import FLOATS, INTEGERS, SHORT, STORED, Unwritten
from .plain_steps import Writer
from .source import CONDITIONS, INLINED, comment, finished, statement, table

__all__ = ["c_of_tensors"]

VMATH, FMA, FACTORS = "base/vmath.h", "base/fma.h", "arrays/factors.c"
OF_FLOATS = ["kernels/floats.inc.c", "programs/plain.inc.c", "kernels/update.inc.c"]
OF_INTEGERS = ["kernels/integers.inc.c", "programs/plain_integers.inc.c"]
RNG, CASTS = "base/rng.c", "kernels/casts.inc.c"
ENTRIES = 100  # of a function
# What a step may fail with: its number, and what main() says.
ERRORS = {
    "MG_ERR_ARG": (_core.ARGUMENT, "an element is not as it has to be"),
    "MG_ERR_ZERODIV": (_core.STATUSES["MG_ERR_ZERODIV"], "an integer is divided by zero"),
    "MG_ERR_INDEX": (_core.INDEX, "an index is out of range"),
    "MG_ERR_RECORDED": (_core.RECORDED, "rows are scaled anew"),
}
GENERATOR = """\
typedef struct mg_rng {
    uint64_t state;
    double spare;
    int has_spare;
} mg_rng;"""
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


def whole(w: Writer) -> str:
    """Return the file of a program whose entries are written."""
    parts, body = parts_of([*w.steps, *w.outputs])
    steps = "\n".join([*w.restored, *parts, body])
    updates = "\n".join([*w.updates, *map(generator_text, w.generators.items())])
    excerpts = helpers(w, steps, "#define MG_INLINE static inline" if parts else INLINED)
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
    about = comment(
        "Make a step. Returns 0, or MG_ERR_INDEX, MG_ERR_ZERODIV or MG_ERR_ARG where a check of "
        "elements fails"
        + (", or MG_ERR_RECORDED if a norm scales rows against overflow and did not, or the other "
           "way" if "MG_ERR_RECORDED" in steps else "") + "."
    )  # fmt: skip
    body = "\n".join([*w.restored, body])
    step = f"{about}\nint @(void)\n{{\n{body}\n    return MG_OK;\n}}"
    pieces = [head_of(w), *excerpts, "\n".join(arrays), updates, *parts, step, main_of(w)]
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


def parts_of(steps: Sequence[str]) -> tuple[list[str], str]:
    """Return functions of so many entries each, where there are more, and the body that is left:
    the time that compilers take for one grows with its square.
    """
    if len(steps) <= ENTRIES:
        return [], "\n".join(steps)
    functions, calls = [], []
    for k in range(0, len(steps), ENTRIES):
        name, text = f"part_{k // ENTRIES}", "\n".join(steps[k : k + ENTRIES])
        if "return MG_" in text:
            functions.append(f"static int {name}(void)\n{{\n{text}\n    return MG_OK;\n}}")
            calls.append(f"    status = {name}();\n    if (status < 0) return status;")
        else:
            functions.append(f"static void {name}(void)\n{{\n{text}\n}}")
            calls.append(f"    {name}();")
    fails = any("status" in call for call in calls)
    return functions, "\n".join([*(["    int status;"] if fails else []), *calls])


def generator_text(item: tuple[int, str]) -> str:
    """Return the state of a generator."""
    state, spare, has_spare = _core.rng_state_at(item[0])
    return f"static mg_rng {item[1]} = {{UINT64_C({state}), {spare!r}, {has_spare}}};"


def helpers(w: Writer, steps: str, inlined: str) -> list[str]:
    """Return what the steps compute with; inlined: the definition of MG_INLINE."""
    used = words_of(steps)
    rules = []
    for rule, fields in w.rules.items():
        names = ", ".join(x for group in fields.values() for x in group)
        rules.append(
            statement(f"typedef struct {rule}_update {{ double {names}; }} {rule}_update;", 0)
        )
    general = [RNG, FMA, CASTS, *([FACTORS] if w.rules else [])]
    stored = {kind for kind, _, _ in w.declared.values()} & {*STORED}
    rules += [f"typedef uint16_t {kind}; /* its bits */" for kind in sorted(stored)]
    used |= {f"f32_of_{STORED[kind]}" for kind in stored}
    if w.generators:
        rules.append(GENERATOR)
    typed, wanted = [], set(used)
    for kind in (*FLOATS, *INTEGERS):
        short, letter = SHORT[kind], "f" if kind == "float" else ""
        mine = {word for word in wanted if word.endswith(f"_{short}")}
        text = excerpt(mine, OF_FLOATS if kind in FLOATS else OF_INTEGERS, kind=kind)
        if not text:
            continue
        if f"fused_{short}" in words_of(text):
            text = FUSED.format(type=kind, short=short, letter=letter) + "\n\n" + text
        typed.append(text)
        wanted |= words_of(text)
    if any("PLAIN_SUM" in text for text in [steps, *typed]):
        typed.insert(0, "enum plain_kind { PLAIN_SUM, PLAIN_PROD, PLAIN_AMAX, PLAIN_AMIN };")
    arithmetic = excerpt(wanted - functions_in(typed), [VMATH, *general])
    return [
        "#include <float.h>\n#include <math.h>\n#include <stdbool.h>\n#include <stdint.h>\n"
        "#include <string.h>",
        CONDITIONS + inlined.rstrip(),
        f"enum {{ MG_OK = 0, {', '.join(f'{name} = {x}' for name, (x, _) in ERRORS.items())} }};",
        *rules,
        re.sub(
            r"^(?:MG_NOINLINE )?(\w+ (?:mg_rng|rng)_)", r"static \1", arithmetic, flags=re.MULTILINE
        ),
        *typed,
    ]


def functions_in(typed: Sequence[str]) -> set[str]:
    """Return the names of functions of a type that texts define."""
    return set(re.findall(r"\b(\w+_[fiu]\d+)\([^;{}]*\)\n\{", "\n".join(typed)))


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
        "as the program's do, and @_output_.., what a step returns. float16 and bfloat16 are bits, "
        "which are computed with as float."
    )


def main_of(w: Writer) -> str:
    """Return main()."""

    def shown_as(name: str, at: str) -> str:
        kind = w.declared[name][0]
        return f"f32_of_{STORED[kind]}({name}[{at}])" if kind in STORED else f"{name}[{at}]"

    shown = f"(double){shown_as(w.results[0].name, '0')}" if w.results else "0.0"
    kept = [name for name in w.declared if re.fullmatch(r"p\d+", name)]
    prints = "\n".join(
        f"    for (int i = 0; argc > 2 && i < {w.declared[name][1]}; i++)\n"
        f"        printf(\"%.17g\\n\", (double){shown_as(name, 'i')});"
        for name in kept
    )  # fmt: skip
    *first, (_, last) = [(name, text) for name, (_, text) in ERRORS.items()]
    said = "".join(f'status == {name} ? "{text}"\n                 : ' for name, text in first)
    said += f'"{last}"'
    return f"""\
#ifdef MAIN
#include <stdio.h>
#include <stdlib.h>

int MAIN(int argc, char **argv)
{{
    for (long i = argc > 1 ? atol(argv[1]) : 10; i > 0; i--) {{
        const int status = @();
        if (status < 0) {{
            puts({said});
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
        writer = Writer(program)
        writer.write_all()
        text = whole(writer)
    except Unwritten as error:
        raise NotImplementedError(f"to_c() does not write {error}") from error
    return finished(path, name, text)
