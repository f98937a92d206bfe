"""Excerpts of the core's C sources: functions, structs and macros that stand-alone C needs."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from .loops import INTEGERS, SHORT

__all__ = ["excerpt", "words_of"]

HERE = Path(__file__).resolve().parent
FOLDERS = HERE / "csrc", HERE.parents[1] / "csrc"  # of an installed package, of the repository
COMMENT = r"(?:/\*(?:[^*]|\*(?!/))*\*/\n)?"
BODY = r"\([^;{}]*?\)\n{\n.*?^}\n"
WHOLE = re.MULTILINE | re.DOTALL
BLOCKS = (
    re.compile(rf"^{COMMENT}(?:MG_INLINE|static)\s[^;{{}}()=#]*?\b(\w+){BODY}", WHOLE),
    re.compile(rf"^{COMMENT}(?:MG_NOINLINE )?\w+ ((?:float|mg_rng|rng)_\w+){BODY}", WHOLE),
    re.compile(rf"^{COMMENT}typedef struct (\w+) {{\n.*?^}} \1;\n", WHOLE),
    re.compile(r"^#define ((?:VM|FMA)_\w+)\b(?:[^\n]*\\\n)*[^\n]*\n", re.MULTILINE),
)


def text_of(name: str) -> str:
    """Return a file of the core, by its name in csrc."""
    for folder in FOLDERS:
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise FileNotFoundError(f"there is no {name} beside the package: install it anew")


def words_of(text: str) -> set[str]:
    """Return the words in a text of C, without those in comments."""
    return set(re.findall(r"[A-Za-z_]\w*", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)))


def typed(text: str, kind: str) -> str:
    """Return the text of a file that is included for each type, for one of them."""
    if not kind:
        return text
    letter, short = "f" if kind == "float" else "", SHORT[kind]
    text = re.sub(r"\bOF\((\w+)\)", rf"\1_{short}", text)
    if kind in INTEGERS:
        for word, is_it in (("IS_NEGATIVE", r"((\1) < 0)"), ("IS_MINUS_ONE", r"\1 == -1")):
            is_it = "false" if kind.startswith("u") else is_it
            text = re.sub(rf"\b{word}\(([^()]*)\)", is_it, text)
        text = re.sub(r"\(\((\w+)\) < 0\)", r"(\1 < 0)", text)
        text = re.sub(r"\bWIDE\b", f"u{kind.removeprefix('u')}", text)
    text = re.sub(r"\bC\((\w+)\)", rf"\1{letter}", text)
    text = re.sub(r"\bVM\((\w+)\)", rf"vm_\1{'_f32' if letter else ''}", text)
    text = re.sub(r"\bLARGER\(", f"larger_{short}(", text)
    text = re.sub(r"\bSQRT\(", f"sqrt{letter}(", text)
    text = re.sub(r"\bEACH (for|//)?", r"\1", text)
    text = re.sub(r"\bT\b", kind, text)
    for word, of_float, of_double in (
        ("EPSILON", "FLT_EPSILON", "DBL_EPSILON"),
        ("MOST_EXPONENT", "(FLT_MAX_EXP - 2)", "(DBL_MAX_EXP - 2)"),
        ("LEAST_SQUARES", "0x1p-80f", "0x1p-960"),
    ):
        text = re.sub(rf"\b{word}\b", of_float if letter else of_double, text)
    return text


@functools.cache
def blocks_of(name: str, kind: str) -> dict[str, tuple[int, str, set[str]]]:
    """Return what a file defines: by its name, where it stands, its text and its words."""
    text, found = typed(text_of(name), kind) if name.endswith(".inc.c") else text_of(name), {}
    for pattern in BLOCKS:
        for match in pattern.finditer(text):
            found[match[1]] = match.start(), match[0].rstrip(), words_of(match[0])
    return found


def excerpt(
    wanted: Iterable[str], files: Sequence[str], known: Iterable[str] = (), kind: str = ""
) -> str:
    """Return definitions of names, and of all that they use, in the order of the files.

    Args:
        wanted: names; those that no file defines are somebody else's.
        files: of csrc, those first on which others depend.
        known: names that are defined already.
        kind: "float", "int64_t" .., of files that are included for each type.
    """
    places: dict[str, tuple[tuple[int, int], str, set[str]]] = {}
    for number, name in enumerate(files):
        for word, (start, text, words) in blocks_of(name, kind).items():
            places.setdefault(word, ((number, start), text, words))
    known, found, left = set(known), {}, list(wanted)
    while left:
        word = left.pop()
        if word in known or word in found or word not in places:
            continue
        place, text, words = places[word]
        found[word] = place, text
        left += words
        left += [f"vm_{name}" for name in re.findall(r"\bMATH\((\w+),", text)]
    return "\n\n".join(text for _, text in sorted(found.values()))
