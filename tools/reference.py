"""Write the reference of the API from docstrings: `python tools/reference.py [FOLDER]`.

pdoc (`pip install 'pymicrograd[docs]'`) makes a page of each module that a user imports from, by
default in `build/reference`; begin with `index.html`. It is told here what it cannot see: which
modules those are, the names that are imported when they are first used, methods of C and their
arguments, which the stubs have. Docstrings are shown as they are, for formulas are no Markdown.
"""

from __future__ import annotations

import ast
import html
import importlib
import inspect
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymicrograd

ROOT = Path(__file__).resolve().parents[1]
# Besides the package's public modules, those in them that are imported by their own names.
INNER = (
    "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "optim.lr_scheduler",
    "optim.swa_utils", "utils.data", "micrograd.engine", "micrograd.nn", "llm101n.first",
)  # fmt: skip


def modules() -> list[str]:
    """Return the names of the modules that have a page."""
    names = sorted((*pymicrograd.PUBLIC_MODULES, *INNER))
    return ["pymicrograd", *(f"pymicrograd.{name}" for name in names)]


def load_names() -> None:
    """Import all names, let `__all__` of the package have those that hide Python's own."""
    names = {*pymicrograd.PUBLIC_MODULES}.union(*pymicrograd.HOMES.values())
    pymicrograd.__all__ = sorted(names, key=str.lower)
    for name in modules():
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            vars(module)[public] = getattr(module, public)


def stubs() -> Iterator[tuple[str, Any]]:
    """Yield names and stubs, functions with a signature, of the methods of C's types."""
    tree = ast.parse((ROOT / "pymicrograd/_types.pyi").read_text(encoding="utf-8"))
    future = "from __future__ import annotations\n"
    for kind in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for method in (node for node in kind.body if isinstance(node, ast.FunctionDef)):
            namespace: dict[str, Any] = {}
            exec(future + ast.unparse(method), namespace)
            yield f"{kind.name}.{method.name}", namespace[method.name]


def attribute(thing: Any) -> property:
    """Return an attribute of C's as one of Python's, with its docstring."""

    def get(self: Any) -> Any:
        return thing.__get__(self)

    get.__doc__ = inspect.getdoc(thing)
    return property(get)


def show_methods_of_bases() -> None:
    """Give Value and Tensor what they have from their bases, with the arguments of the stubs."""
    found = dict(stubs())
    for kind, stub in ((pymicrograd.Value, "ValueBase"), (pymicrograd.Tensor, "TensorBase")):
        for name in dir(kind):
            if name.startswith("_") or name in vars(kind):
                continue
            thing = inspect.getattr_static(kind, name)
            if inspect.isdatadescriptor(thing):
                thing = attribute(thing)
            elif f"{stub}.{name}" in found:
                method = found[f"{stub}.{name}"]
                method.__doc__ = inspect.getdoc(thing)
                method.__module__ = kind.__module__  # where its annotations are looked up
                thing = method
            setattr(kind, name, thing)


def show_arguments() -> None:
    """Give functions that are methods of Tensors the arguments of these."""
    for name in pymicrograd.HOMES["tensors.functions"]:
        method = getattr(pymicrograd.Tensor, name, None)
        if not inspect.isfunction(method):
            continue
        own, *others = inspect.signature(method, follow_wrapped=False).parameters.values()
        signature = inspect.Signature([own.replace(name="input"), *others])
        inspect.unwrap(getattr(pymicrograd, name)).__signature__ = signature


def shown(docstring: str) -> str:
    """Return a docstring as HTML: its lines as they are, with names in backticks as code."""
    text = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(docstring))
    text = re.sub(r"^(\w+):(?=\s|$)", r"<strong>\1:</strong>", text, flags=re.MULTILINE)
    return f'<div style="white-space: pre-wrap; font-size: 0.93em">{text}</div>'


def main() -> None:
    """Write the pages."""
    import pdoc

    load_names()
    show_methods_of_bases()
    show_arguments()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "reference"
    pdoc.doc_pyi.include_typeinfo_from_stub_files = lambda module: None
    pdoc.render.configure(show_source=False, footer_text=f"pymicrograd {pymicrograd.__version__}")
    pdoc.render.env.filters["to_markdown"] = lambda text: text
    pdoc.render.env.filters["to_html"] = shown
    warnings.filterwarnings("ignore", "Error parsing type annotation")  # which is shown as it is
    warnings.filterwarnings("ignore", "The module specification")  # a page by another way as well
    pdoc.pdoc(*modules(), output_directory=folder)
    print(folder / "index.html")


if __name__ == "__main__":
    main()
