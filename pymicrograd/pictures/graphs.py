"""Pictures of the graph behind a Value or a Tensor: Graphviz objects, DOT text, Mermaid text.

Works on Tensors (results.py says what is shown of them), on the Values of either engine, and on
anything else that has `data`, `grad`, `_prev` and `_op`. It imports neither engine, and `graphviz`
only to draw; the texts need nothing installed.
Nodes are named by their place in `trace`, so the same program gives the same text every time.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .clusters import Path as ModulePath
from .clusters import nested
from .results import is_result, results_of

if TYPE_CHECKING:
    import graphviz

__all__ = ["draw_dot", "mimebundle", "to_dot", "to_mermaid", "trace", "vis_color"]

RANKDIRS = ("LR", "TB", "RL", "BT")
NOTEBOOK_NODES = 500
NOTEBOOK_SECONDS = 2.0  # dot needs minutes for some graphs of 500 nodes
# Mermaid refuses longer texts and more arrows, unless its page is configured otherwise.
MERMAID_ARROWS, MERMAID_CHARACTERS = 500, 50_000


def trace(root: Any) -> Any:
    """List what a Value was computed from, in time linear in the size of the graph.

    Args:
        root: the Value to start from; of a matrix, a Tensor, it is the sum of its diagonal, as in
            PyTorch.

    Returns:
        `(nodes, edges)`: the nodes in depth-first postorder, operands in operand order, so that
        `reversed(nodes)` is the order of `backward()`; and the pairs `(operand, node)` in the
        order of their nodes, one pair for `x * x`.

    Raises:
        TypeError: `root` is not a Value.
    """
    if not (hasattr(root, "_prev") and hasattr(root, "_op")):
        if hasattr(root, "trace") and hasattr(root, "shape"):
            return root.trace()
        raise TypeError(f"a graph starts from one Value, not from {type(root).__name__}")
    nodes: list[Any] = []
    edges: list[tuple[Any, Any]] = []
    seen = {id(root)}
    operands = tuple(root._prev)
    path = [(root, operands, iter(operands))]
    while path:
        node, operands, unvisited = path[-1]
        for operand in unvisited:
            if id(operand) not in seen:
                seen.add(id(operand))
                its_operands = tuple(operand._prev)
                path.append((operand, its_operands, iter(its_operands)))
                break
        else:
            path.pop()
            nodes.append(node)
            distinct = {id(operand): operand for operand in operands}
            edges += [(operand, node) for operand in distinct.values()]
    return nodes, edges


def vis_color(nodes: Iterable[Any], color: str) -> None:
    """Set the fill colour in which pictures show some Values.

    Args:
        nodes: the Values, for example `model.parameters()`.
        color: a colour name or `#rrggbb`; kept in the attribute `_vis_color`.
    """
    for node in nodes:
        node._vis_color = color


def draw_dot(
    root: Any,
    format: str = "svg",
    rankdir: str = "LR",
    outfile: str | os.PathLike[str] | None = None,
    params: Any = None,
) -> graphviz.Digraph:
    """Draw the graph of a Value, a Tensor or a program with Graphviz.

    Notebooks show the returned object. No file is written unless `outfile` is given; LLM101n's
    default, `graph`, left a file in the working directory at every call.

    Args:
        root: the Value, or the Tensor, whose graph is drawn; or what `compile` has made, of which
            the picture shows what each instruction, or entry, reads of others.
        format: Graphviz's name of an output format: svg, png, pdf ...
        rankdir: direction of the arrows: LR (to the right), TB (down), RL or BT.
        outfile: file to write; the format's suffix is added where it is missing.
        params: of a Tensor's graph the Module, which gives leaves their names and stands around
            its nodes, or names alone, such as `dict(model.named_parameters())`.

    Returns:
        The `graphviz.Digraph`; its `source` is `to_dot(root, rankdir)`.

    Raises:
        TypeError: `root` is not a Value.
        ValueError: unknown `format` or `rankdir`, or `outfile` has another format's suffix.
        ImportError: the Python package graphviz is not installed.
        RuntimeError: `outfile` is given and Graphviz's program `dot` is not installed.
    """
    body = _dot_statements(root, rankdir, params)
    try:
        import graphviz
    except ImportError as error:
        raise ImportError(
            "draw_dot needs the Python package graphviz: pip install 'pymicrograd[viz]'"
            " (to_dot and to_mermaid need nothing)"
        ) from error
    if format not in graphviz.FORMATS:
        raise ValueError(f"format {format!r} is none of Graphviz's: svg, png, pdf ...")
    dot = graphviz.Digraph(format=format, body=[f"{line}\n" for line in body])
    if outfile is None:
        return dot
    path = Path(outfile)
    suffix = path.suffix[1:].lower()
    if suffix != format:
        if suffix in graphviz.FORMATS:
            raise ValueError(f"outfile {str(path)!r} is not named for format {format!r}")
        path = path.with_name(f"{path.name}.{format}")
    try:
        picture = dot.pipe()
    except graphviz.ExecutableNotFound as error:
        raise RuntimeError(
            "draw_dot needs Graphviz's program dot, which is not on PATH: apt-get install graphviz,"
            " brew install graphviz, or see https://graphviz.org/download"
        ) from error
    path.write_bytes(picture)
    return dot


def to_dot(root: Any, rankdir: str = "LR", params: Any = None) -> str:
    """Return the graph of a Value, a Tensor or a program as DOT text.

    Args:
        root: the Value, the Tensor or the program whose graph is written.
        rankdir: direction of the arrows: LR, TB, RL or BT.
        params: of a Tensor's graph the Module, which gives leaves their names and stands around
            its nodes, or names alone, such as `dict(model.named_parameters())`.

    Returns:
        A complete `digraph`, ending in a newline.

    Raises:
        TypeError: `root` is not a Value.
        ValueError: unknown `rankdir`.
    """
    return "\n".join(["digraph {", *_dot_statements(root, rankdir, params), "}", ""])


def to_mermaid(root: Any, rankdir: str = "LR", params: Any = None) -> str:
    """Return the graph of a Value, a Tensor or a program as Mermaid text.

    GitHub and JupyterLab 4.1 show it.

    Args:
        root: the Value, the Tensor or the program whose graph is written.
        rankdir: direction of the arrows: LR, TB, RL or BT.
        params: of a Tensor's graph the Module, which gives leaves their names and stands around
            its nodes, or names alone, such as `dict(model.named_parameters())`.

    Returns:
        A complete flowchart, ending in a newline; colours that CSS does not know are left out.

    Raises:
        TypeError: `root` is not a Value.
        ValueError: unknown `rankdir`.
    """
    if is_result(root):
        return "\n".join([*_mermaid_results(root, rankdir, params), ""])
    nodes, arrows = _picture(root, rankdir)
    lines = [f"flowchart {rankdir}"]
    for k, node in enumerate(nodes):
        lines.append(f'    n{k}["{"<br/>".join(_fields(node, _escape_mermaid))}"]')
        if node._op:
            lines.append(f'    op{k}(["{_escape_mermaid(node._op)}"])')
        color = str(getattr(node, "_vis_color", None) or "")
        if re.fullmatch(r"#[0-9A-Fa-f]{3,8}|[A-Za-z]+", color):
            lines.append(f"    style n{k} fill:{color},color:#000")
    lines += [f"    {tail} --> {head}" for tail, head in arrows]
    return "\n".join([*lines, ""])


def mimebundle(root: Any) -> dict[str, str]:
    """Return what a notebook shows for a Value.

    Args:
        root: the Value to show.

    Returns:
        Texts by MIME type: `text/plain` always; for graphs of 2 to 500 nodes `image/svg+xml`
        where Graphviz's program `dot` draws them within 2 seconds, and `text/vnd.mermaid` where
        Mermaid's limits allow.
    """
    bundle = {"text/plain": repr(root)}
    if not root._prev or _is_larger(root, NOTEBOOK_NODES):
        return bundle
    mermaid = to_mermaid(root)
    if mermaid.count(" --> ") <= MERMAID_ARROWS and len(mermaid) <= MERMAID_CHARACTERS:
        bundle["text/vnd.mermaid"] = mermaid
    # Without Graphviz, with one that does not work, or too slow, the other texts remain.
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        bundle["image/svg+xml"] = _drawn(to_dot(root), NOTEBOOK_SECONDS)
    return bundle


def _drawn(text: str, seconds: float) -> str:
    """Return what dot draws of DOT text, as SVG, within some seconds.

    Where it takes longer, or is interrupted, the process ends. Should this one be killed before,
    the limit of the processor's time, where there is one, ends the other.
    """
    command = ["dot", "-Tsvg"]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **streams) as process:  # type: ignore[call-overload]
        try:
            _limit_processor_time(process.pid, seconds)
            drawn = process.communicate(text.encode(), timeout=seconds)[0]
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return str(drawn, "utf-8")


def _limit_processor_time(process: int, seconds: float) -> None:
    """Let the system end a process of ours that has computed for so long; only Linux can."""
    with suppress(ImportError, AttributeError, OSError):
        import resource

        limit = math.ceil(seconds)
        resource.prlimit(process, resource.RLIMIT_CPU, (limit, limit))


def _is_larger(root: Any, limit: int) -> bool:
    """Tell whether a graph has more than `limit` nodes, without walking far beyond."""
    seen = {id(root): root}
    pending = [root]
    while pending and len(seen) <= limit:
        for operand in pending.pop()._prev:
            if id(operand) not in seen:
                seen[id(operand)] = operand
                pending.append(operand)
    return len(seen) > limit


def _picture(root: Any, rankdir: str) -> tuple[list[Any], list[tuple[str, str]]]:
    """Return the nodes, and the names each arrow joins: op to node, operand to op."""
    _check_rankdir(rankdir)
    nodes, edges = trace(root)
    number = {id(node): k for k, node in enumerate(nodes)}
    arrows = [(f"op{k}", f"n{k}") for k, node in enumerate(nodes) if node._op]
    for operand, node in edges:
        kind = "op" if node._op else "n"
        arrows.append((f"n{number[id(operand)]}", f"{kind}{number[id(node)]}"))
    return nodes, arrows


def _mermaid_results(root: Any, rankdir: str, params: Any) -> list[str]:
    """Return the lines of the Mermaid text of a Tensor."""
    _check_rankdir(rankdir)
    graph = results_of(root, params)
    lines = []
    for k, node in enumerate(graph.nodes):
        text = "<br/>".join(map(_escape_mermaid, node.lines))
        lines.append(f'n{k}["{text}"]' if node.is_leaf else f'n{k}(["{text}"])')

    def opened(number: int, path: ModulePath) -> str:
        return f'subgraph m{number}["{_escape_mermaid(graph.title(path))}"]'

    lines = nested(lines, graph.paths, opened, "end", "    ")
    lines += [f"    n{tail} --> n{head}" for tail, head in graph.edges]
    return [f"flowchart {rankdir}", *lines]


def _dot_results(root: Any, params: Any) -> list[str]:
    """Return the nodes and arrows of the DOT text of a Tensor."""
    graph = results_of(root, params)
    lines = []
    for k, node in enumerate(graph.nodes):
        text = "\\n".join(map(_escape_dot, node.lines))
        style = "shape=box style=filled fillcolor=lightgreen" if node.is_leaf else "shape=ellipse"
        lines.append(f'n{k} [label="{text}" {style}]')

    def opened(number: int, path: ModulePath) -> str:
        style = "color=gray style=rounded fontsize=10"
        return f'subgraph cluster_{number} {{ label="{_escape_dot(graph.title(path))}" {style}'

    lines = nested(lines, graph.paths, opened, "}", "\t")
    return lines + [f"\tn{tail} -> n{head}" for tail, head in graph.edges]


def _check_rankdir(rankdir: str) -> None:
    """Refuse what is no direction."""
    if rankdir not in RANKDIRS:
        raise ValueError(f"rankdir {rankdir!r} is none of {', '.join(RANKDIRS)}")


def _dot_statements(root: Any, rankdir: str, params: Any = None) -> list[str]:
    """Return the lines between the braces of the DOT text."""
    _check_rankdir(rankdir)
    lines = [f"\tgraph [rankdir={rankdir} nodesep=0.1 ranksep=0.4]"]
    lines.append("\tnode [fontsize=10 width=0.1 height=0.1]")
    if is_result(root):
        return lines + _dot_results(root, params)
    nodes, arrows = _picture(root, rankdir)
    for k, node in enumerate(nodes):
        label = " | ".join(_fields(node, _escape_dot))
        color = _escape_dot(getattr(node, "_vis_color", None) or "white")
        style = f'shape=record style=filled fillcolor="{color}"'
        lines.append(f'\tn{k} [label="{{ {label} }}" {style}]')
        if node._op:
            lines.append(f'\top{k} [label="{_escape_dot(node._op)}"]')
    return lines + [f"\t{tail} -> {head}" for tail, head in arrows]


def _fields(node: Any, escape: Callable[[Any], str]) -> list[str]:
    """Return the lines of a node's label: the user's, if there is one, data and gradient."""
    label = getattr(node, "label", None)
    named = [] if label is None or label == "" else [escape(label)]
    numbers = [("data", node.data), ("grad", node.grad)]
    return named + [f"{name} {x:.4{'f' if abs(x) < 1e16 else 'e'}}" for name, x in numbers]


def _plain(text: Any) -> str:
    """Turn line ends into newlines, and what UTF-8 or XML cannot hold into U+FFFD."""
    lines = "\n".join(str(text).splitlines()).replace("\t", " ")
    return re.sub("[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "\ufffd", lines)


def _escape_dot(text: Any) -> str:
    escaped = re.sub(r'[\\"{}|<>]', r"\\\g<0>", _plain(text).replace("&", "&amp;"))
    return escaped.replace("\n", r"\n")


def _escape_mermaid(text: Any) -> str:
    """Write all but letters, digits and blanks as numbers: Mermaid reads Markdown and HTML.

    A zero-width space parts backslash and n, a new line to Mermaid, and two dollars, a formula.
    """
    parted = re.sub(r"\\(?=n)|\$(?=\$)", "\\g<0>\u200b", _plain(text))
    pieces = (c if c.isalnum() or c in " \n" else f"#{ord(c)};" for c in parted)
    return "".join(pieces).replace("\n", "<br/>")
