"""Write what follows from the package's tables: `python tools/names.py`; `--check` only compares.

- `pymicrograd/__init__.pyi` and `docs/names.md`, from the table of public names;
- in `pymicrograd/_types.pyi` the methods of ops, from the names and operands of the library's ops.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import pymicrograd
from pymicrograd import _core
from pymicrograd.tensors.operators import OPERANDS

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "    # ---- methods of ops, written by tools/names.py\n"
END = "    # ---- end of the methods of ops\n"


def first_line(thing: Any) -> str:
    """Return the sentence that a docstring begins with."""
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")


def stub() -> str:
    """Return the text of `__init__.pyi`."""
    lines = ['"""The public names; written by tools/names.py."""', ""]
    modules = [name for name in pymicrograd.MODULES if name != "cli"]
    lines += ["from . import ("]
    lines += [f"    {name} as {name}," for name in sorted(modules)] + [")"]
    for home, names in sorted(pymicrograd.HOMES.items()):
        lines += [f"from .{home} import ("]
        lines += [f"    {name} as {name}," for name in sorted(names, key=case)] + [")"]
    lines += ["", "HOMES: dict[str, tuple[str, ...]]", "MODULES: tuple[str, ...]"]
    lines += ["__version__: str", "__all__ = ["]
    lines += [f'    "{name}",' for name in pymicrograd.__all__] + ["]", ""]
    lines += ["def __dir__() -> list[str]: ..."]
    return "\n".join(lines) + "\n"


def case(name: str) -> tuple[int, str]:
    """Return what names are sorted by: constants, classes, functions, as ruff does it."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def package_stub(package: Any) -> str:
    """Return the text of the stub of a package whose names are imported when they are used."""
    homes, names = package.HOMES, package.__all__
    lines = [f'"""The names of `{package.__name__}`; written by tools/names.py."""', ""]
    found = sorted(set(names).difference(*homes.values()))
    if found:
        lines += ["from . import ("] + [f"    {name} as {name}," for name in found] + [")"]
    for home, of_home in sorted(homes.items()):
        lines += [f"from .{home} import ("]
        lines += [f"    {name} as {name}," for name in sorted(of_home, key=case)] + [")"]
    lines += ["", "HOMES: dict[str, tuple[str, ...]]", "__all__ = ["]
    lines += [f'    "{name}",' for name in names] + ["]", ""]
    lines += ["def __dir__() -> list[str]: ..."]
    return "\n".join(lines) + "\n"


def kind_of(thing: Any) -> str:
    """Return a word for what a public name is."""
    if inspect.ismodule(thing):
        return "module"
    if inspect.isclass(thing):
        return "context" if hasattr(thing, "__enter__") else "class"
    return "function" if callable(thing) else "constant"


def page() -> str:
    """Return the text of `docs/names.md`."""
    lines = [
        "# Public names",
        "",
        "What `pymicrograd` has, `pymicrograd.nn`, `pymicrograd.nn.functional`, `F` here, and its",
        "`optim`, `data`, `distributed`, `linalg`, `special`, `fft`, `distributions`, `pictures`;",
        "`help()` says more. Written by `tools/names.py`.",
        "",
    ]
    nn = pymicrograd.nn
    packages = {"pymicrograd": pymicrograd, "nn": nn, "F": nn.functional}
    for name in (
        "optim", "data", "distributed", "linalg", "special", "fft", "distributions", "pictures",
    ):  # fmt: skip
        packages[name] = getattr(pymicrograd, name)
    for title, module in packages.items():
        lines += [f"| `{title}.` | kind | |", "| --- | --- | --- |"]
        names = list(module.__all__)
        if module is pymicrograd:
            hidden = {*pymicrograd.PUBLIC_MODULES}.union(*pymicrograd.HOMES.values())
            names += hidden.difference(names)
        for name in sorted(names, key=str.lower):
            thing = getattr(module, name)
            constant = isinstance(thing, (float, type(None)))
            text = repr(thing) if constant else first_line(thing).replace("|", "\\|")
            lines.append(f"| `{name}` | {kind_of(thing)} | {text} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def method(name: str) -> str:
    """Return the stub of an op's method."""
    op = name.removesuffix("_")
    if hasattr(pymicrograd.Tensor, f"_{op}") or op not in _core.OPS:
        arguments = "*args: Any, **options: Any"
    else:
        operand = OPERANDS.get(op, "other") + ": Any"
        if op == "div":
            operand += ", *, rounding_mode: str | None = None"
        arguments = {1: "", 2: operand}[_core.ARITIES[_core.OPS[op]]]
    return f"    def {name}({', '.join(filter(None, ('self', arguments)))}) -> Tensor: ...\n"


def types() -> str:
    """Return the text of `_types.pyi`, with the methods of ops in their place."""
    text = (ROOT / "pymicrograd/_types.pyi").read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    base = (before + after)[text.index("class TensorBase") :]
    known = set(re.findall(r"def (\w+)\(", base))
    names = sorted(n for n in vars(_core.TensorBase) if not n.startswith("_") and n not in known)
    attributes = set(re.findall(r"^    (\w+): ", base, re.MULTILINE))
    made = "".join(method(name) for name in names if name not in attributes)
    return before + BEGIN + made + END + after


FILES = {
    "pymicrograd/__init__.pyi": stub,
    "pymicrograd/nn/__init__.pyi": lambda: package_stub(pymicrograd.nn),
    "pymicrograd/nn/functional/__init__.pyi": lambda: package_stub(pymicrograd.nn.functional),
    "pymicrograd/optim/__init__.pyi": lambda: package_stub(pymicrograd.optim),
    "pymicrograd/data/__init__.pyi": lambda: package_stub(pymicrograd.data),
    "pymicrograd/array_api/__init__.pyi": lambda: package_stub(pymicrograd.array_api),
    "pymicrograd/linalg/__init__.pyi": lambda: package_stub(pymicrograd.linalg),
    "pymicrograd/special/__init__.pyi": lambda: package_stub(pymicrograd.special),
    "pymicrograd/distributions/__init__.pyi": lambda: package_stub(pymicrograd.distributions),
    "pymicrograd/distributed/__init__.pyi": lambda: package_stub(pymicrograd.distributed),
    "pymicrograd/fft/__init__.pyi": lambda: package_stub(pymicrograd.fft),
    "pymicrograd/pictures/__init__.pyi": lambda: package_stub(pymicrograd.pictures),
    "docs/names.md": page,
    "pymicrograd/_types.pyi": types,
}


def outdated() -> list[str]:
    """Return the files that are not what they are made of."""
    found = []
    for name, make in FILES.items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != make():
            found.append(name)
    return found


def main() -> None:
    """Write the files, or with --check end with the names of those that would change."""
    if "--check" in sys.argv[1:]:
        sys.exit("\n".join(f"{name} is not up to date" for name in outdated()) or 0)
    for name, make in FILES.items():
        (ROOT / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
