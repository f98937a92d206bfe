"""Excerpts of the core's C sources: functions, structs and macros that stand-alone C needs."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["excerpt", "words_of"]

HERE = Path(__file__).resolve().parent
FOLDERS = HERE / "csrc", HERE.parents[1] / "csrc"  # of an installed package, of the repository
COMMENT = r"(?:/\*(?:[^*]|\*(?!/))*\*/\n)?"
BLOCKS = (
    re.compile(rf"^{COMMENT}(?:MG_INLINE|static)\s[^;{{}}()=#]*?\b(\w+)\([^;{{}}]*?\)\n{{\n.*?^}}\n",
               re.MULTILINE | re.DOTALL),
    re.compile(rf"^{COMMENT}\w+ (float_\w+)\([^;{{}}]*?\)\n{{\n.*?^}}\n", re.MULTILINE | re.DOTALL),
    re.compile(rf"^{COMMENT}typedef struct (\w+) {{\n.*?^}} \1;\n", re.MULTILINE | re.DOTALL),
    re.compile(r"^#define (VM_\w+)\b(?:[^\n]*\\\n)*[^\n]*\n", re.MULTILINE),
)  # fmt: skip


def text_of(name: str) -> str:
    """Return a file of the core, by its name in csrc."""
    for folder in FOLDERS:
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise FileNotFoundError(f"there is no {name} beside the package: install it anew")


def words_of(text: str) -> set[str]:
    """Return the words in a text of C, without those in comments."""
    return set(re.findall(r"[A-Za-z_]\w*", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)))


@functools.cache
def blocks_of(name: str) -> dict[str, tuple[int, str, set[str]]]:
    """Return what a file defines: by its name, where it stands, its text and its words."""
    text, found = text_of(name), {}
    for pattern in BLOCKS:
        for match in pattern.finditer(text):
            found[match[1]] = match.start(), match[0].rstrip(), words_of(match[0])
    return found


def excerpt(wanted: Iterable[str], files: Sequence[str], known: Iterable[str] = ()) -> str:
    """Return definitions of names, and of all that they use, in the order of the files.

    Args:
        wanted: names; those that no file defines are somebody else's.
        files: of csrc, those first on which others depend.
        known: names that are defined already.
    """
    places: dict[str, tuple[tuple[int, int], str, set[str]]] = {}
    for number, name in enumerate(files):
        for word, (start, text, words) in blocks_of(name).items():
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
