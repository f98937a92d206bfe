"""C text: what programs of Values and of Tensors have in common when they are written as C."""

from __future__ import annotations

import math
import os
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from .. import _core

__all__ = [
    "bare",
    "comment",
    "defined_in",
    "finished",
    "literal",
    "numbers",
    "runs_of",
    "statement",
    "statuses",
    "table",
]

COLUMNS = 90
GLUE = "\0"  # a blank at which no line ends
KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long main register restrict return short signed sizeof static struct switch "
    "typedef union unsigned void volatile while MAIN IEEE".split()
)
# What every file begins with: the same conditions as the core's.
CONDITIONS = """\
#if defined(__FAST_MATH__) || (defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0)
#error "the digits are those of IEEE 754: build without -ffast-math, x87 and -Ofast"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
"""
INLINED = """\
#if defined(__GNUC__)
#define MG_INLINE static inline __attribute__((always_inline))
#else
#define MG_INLINE static inline
#endif
"""


def literal(x: float) -> str:
    """Return a double as C has it, in brackets where a sign is."""
    if math.isnan(x):
        return "NAN"
    text = "INFINITY" if math.isinf(x) else repr(abs(x))
    return f"(-{text})" if math.copysign(1.0, x) < 0.0 else text


def comment(text: str) -> str:
    """Return text as a comment of C, in lines that are not too long; blank lines stay."""
    if len(text) <= COLUMNS - 6 and "\n" not in text:
        return f"/* {text.strip()} */"
    paragraphs = [
        "\n".join(textwrap.wrap(part, COLUMNS - 3)) if not part.startswith("    ") else part
        for part in text.strip().split("\n\n")
    ]
    return "/* " + "\n\n".join(paragraphs).replace("\n", "\n * ").replace(" * \n", " *\n") + " */"


def numbers(items: Iterable[Any]) -> str:
    """Return items between commas, in lines that do not end within one."""
    text = ", ".join(str(item).replace(" ", GLUE) for item in items)
    return textwrap.fill(text, COLUMNS - 4, break_long_words=False).replace(GLUE, " ")


def table(declared: str, items: Sequence[Any], indent: int = 4) -> str:
    """Return an array of C, after `declared`."""
    text = f"{declared} = {{{', '.join(map(str, items))}}};"
    if len(text) > COLUMNS - indent:
        text = f"{declared} = {{\n{textwrap.indent(numbers(items), '    ')}}};"
    return textwrap.indent(text, " " * indent)


def runs_of(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return copies (from, to) as runs (from, to, count)."""
    runs: list[tuple[int, int, int]] = []
    for source, to in pairs:
        if runs and runs[-1][0] + runs[-1][2] == source and runs[-1][1] + runs[-1][2] == to:
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
        else:
            runs.append((source, to, 1))
    return runs


def defined_in(text: str) -> set[str]:
    """Return the names that a text of C defines, and those of functions that it calls."""
    return {
        *re.findall(r"\b(\w+)\(", text),
        *re.findall(r"typedef struct (\w+)", text),
        *re.findall(r"#define (\w+)", text),
    }


def finished(path: Any, name: str, text: str) -> str:
    """Return the text of a file, with a name where "@" stands; write it if there is a path."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise ValueError(f"name={name!r} is no name of C")
    if {name, f"{name}_begin", f"{name}_stop"} & (defined_in(text) | KEYWORDS):
        raise ValueError(f"name={name!r} is the name of something else in the text")
    text = text.replace("@", name)
    if path is not None:
        with open(os.fspath(path), "w", encoding="utf-8") as file:
            file.write(text)
    return text


def bare(text: str) -> str:
    """Return an expression without brackets around all of it."""
    while text.startswith("(") and text.endswith(")"):
        depth = 0
        for i, character in enumerate(text):
            depth += (character == "(") - (character == ")")
            if depth == 0 and i < len(text) - 1:
                return text
        text = text[1:-1]
    return text


def statement(text: str, indent: int = 4) -> str:
    """Return a statement, in lines that are not too long."""
    if len(text) <= COLUMNS - indent and "\n" not in text:
        return " " * indent + text
    width = COLUMNS - indent
    whole = re.sub(r"\[[^][]*\]", lambda match: match[0].replace(" ", GLUE), text)
    lines = wrapped(whole, width)
    if any(len(line) > width for line in lines):
        lines = wrapped(text, width)  # indices may end in another line, too
    return textwrap.indent("\n".join(lines), " " * indent).replace(GLUE, " ")


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a statement, which end at blanks."""
    return textwrap.wrap(
        text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def statuses() -> str:
    """Return the statuses that arithmetic has."""
    found = ", ".join(f"{name} = {number}" for name, number in _core.STATUSES.items())
    return f"enum {{ {found} }};"
