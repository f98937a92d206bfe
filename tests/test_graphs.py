"""Pictures of graphs: the walk, the texts and what Graphviz makes of them, for both engines."""

from __future__ import annotations

import html
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pymicrograd.pictures import graphs

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's dot is missing")

HOSTILE_LABELS = [
    'a "quoted" label',
    "{braces} | <port> bar",
    "back\\slash \\n \\N \\nabla ends in \\",
    "two\nlines",
    "na\u00efve \u03a9 \u5b57 \U0001f389",
    "&lt; & &amp; #35; #quot;",
    "`code` **bold** _it_ 1. $$x$$",
    "style:#a; %%{init: {}}%% --> end",
    "<script>alert(1)</script>",
]


@pytest.fixture(params=["pymicrograd.reference", "pymicrograd"])
def engine(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


def small_graph(engine: Any) -> Any:
    """Return y of c = a * b, y = (c + c) ** 2."""
    a, b = engine.Value(2.0), engine.Value(-0.25)
    a.label = "a"
    c = a * b
    return (c + c) ** 2


def chain(engine: Any, count: int) -> Any:
    value = engine.Value(0.0)
    for _ in range(count):
        value = value + value
    return value


# The walk


def test_trace_lists_operands_before_their_users_and_each_edge_once(engine: Any) -> None:
    a, b = engine.Value(2.0), engine.Value(3.0)
    c = b * a
    d = a + c
    e = d * d
    nodes, edges = graphs.trace(e)
    assert nodes == [a, b, c, d, e]
    assert edges == [(b, c), (a, c), (a, d), (c, d), (d, e)]


def test_trace_of_a_leaf_is_the_leaf(engine: Any) -> None:
    leaf = engine.Value(1.0)
    assert graphs.trace(leaf) == ([leaf], [])


def test_trace_goes_as_deep_as_the_graph(engine: Any) -> None:
    root = chain(engine, 10**5)
    nodes, edges = graphs.trace(root)
    assert (len(nodes), len(edges)) == (10**5 + 1, 10**5)
    assert nodes[-1] is root


def test_trace_of_llm101n_demo_finds_what_the_original_prints(engine: Any) -> None:
    model = engine.MLP(2, [8, 3], rng=engine.RNG(42))
    logits = model([engine.Value(0.0), engine.Value(0.0)])
    loss = engine.Value(0.0)
    loss = loss + engine.cross_entropy(logits, 0, shifted=False)
    loss = loss * (1.0 / 1)
    nodes, edges = graphs.trace(loss)
    assert f"found a total of  {len(nodes)} nodes and {len(edges)} edges" == (
        "found a total of  157 nodes and 187 edges"
    )


@pytest.mark.parametrize("not_a_value", [None, 2.0, [], "x"])
def test_what_is_no_value_is_refused_by_its_type(not_a_value: Any) -> None:
    for function in (graphs.trace, graphs.draw_dot, graphs.to_dot, graphs.to_mermaid):
        with pytest.raises(TypeError, match=f"not from {type(not_a_value).__name__}"):
            function(not_a_value)


# The texts


def test_dot_text(engine: Any) -> None:
    root = small_graph(engine)
    root.backward()
    graphs.vis_color([graphs.trace(root)[0][0]], "lightgreen")
    box = "shape=record style=filled fillcolor"
    assert graphs.to_dot(root) == (
        "digraph {\n"
        "\tgraph [rankdir=LR nodesep=0.1 ranksep=0.4]\n"
        "\tnode [fontsize=10 width=0.1 height=0.1]\n"
        f'\tn0 [label="{{ a | data 2.0000 | grad 1.0000 }}" {box}="lightgreen"]\n'
        f'\tn1 [label="{{ data -0.2500 | grad -8.0000 }}" {box}="white"]\n'
        f'\tn2 [label="{{ data -0.5000 | grad -4.0000 }}" {box}="white"]\n'
        '\top2 [label="*"]\n'
        f'\tn3 [label="{{ data -1.0000 | grad -2.0000 }}" {box}="white"]\n'
        '\top3 [label="+"]\n'
        f'\tn4 [label="{{ data 1.0000 | grad 1.0000 }}" {box}="white"]\n'
        '\top4 [label="**2"]\n'
        "\top2 -> n2\n"
        "\top3 -> n3\n"
        "\top4 -> n4\n"
        "\tn0 -> op2\n"
        "\tn1 -> op2\n"
        "\tn2 -> op3\n"
        "\tn3 -> op4\n"
        "}\n"
    )


def test_mermaid_text(engine: Any) -> None:
    root = small_graph(engine)
    graphs.vis_color([root], "#ffcccc")
    assert graphs.to_mermaid(root, rankdir="TB") == (
        "flowchart TB\n"
        '    n0["a<br/>data 2.0000<br/>grad 0.0000"]\n'
        '    n1["data -0.2500<br/>grad 0.0000"]\n'
        '    n2["data -0.5000<br/>grad 0.0000"]\n'
        '    op2(["#42;"])\n'
        '    n3["data -1.0000<br/>grad 0.0000"]\n'
        '    op3(["#43;"])\n'
        '    n4["data 1.0000<br/>grad 0.0000"]\n'
        '    op4(["#42;#42;2"])\n'
        "    style n4 fill:#ffcccc,color:#000\n"
        "    op2 --> n2\n"
        "    op3 --> n3\n"
        "    op4 --> n4\n"
        "    n0 --> op2\n"
        "    n1 --> op2\n"
        "    n2 --> op3\n"
        "    n3 --> op4\n"
    )


def test_huge_and_infinite_numbers_stay_short(engine: Any) -> None:
    root = engine.Value(-1e300)
    root.grad = float("inf")
    assert "data -1.0000e+300 | grad inf" in graphs.to_dot(root)


@pytest.mark.parametrize("color", ["/set312/1", "red;x", 'a"b', "0.5 1 1", "red\n"])
def test_mermaid_leaves_out_colours_that_css_does_not_know(color: str, engine: Any) -> None:
    leaf = engine.Value(1.0)
    graphs.vis_color([leaf], color)
    assert "style" not in graphs.to_mermaid(leaf)


@pytest.mark.parametrize("label", HOSTILE_LABELS)
def test_mermaid_labels_hold_no_syntax_and_decode_to_the_label(label: str, engine: Any) -> None:
    leaf = engine.Value(1.0)
    leaf.label = label
    line = graphs.to_mermaid(leaf).splitlines()[1]
    match = re.fullmatch(r'    n0\["(.*)<br/>data 1\.0000<br/>grad 0\.0000"\]', line)
    assert match
    words = match[1].replace("<br/>", "\n")
    assert all(c.isalnum() or c in "#; \n" for c in words)
    decoded = re.sub(r"#(\d+);", lambda entity: chr(int(entity[1])), words)
    assert decoded.replace("\u200b", "") == label


@needs_dot
@pytest.mark.parametrize("label", HOSTILE_LABELS)
def test_graphviz_shows_the_label_as_it_is(label: str, engine: Any) -> None:
    leaf = engine.Value(1.0)
    leaf.label = label
    command = ["dot", "-Tsvg"]
    done = subprocess.run(
        command, input=graphs.to_dot(leaf).encode(), capture_output=True, check=True
    )
    assert done.stderr == b""
    shown = re.findall(r"<text[^>]*>(.*?)</text>", done.stdout.decode())
    lines = [html.unescape(text).replace("\xa0", " ") for text in shown]
    assert lines == [*label.split("\n"), "data 1.0000", "grad 0.0000"]


def test_what_no_file_can_hold_is_replaced(engine: Any) -> None:
    leaf = engine.Value(1.0)
    leaf.label = "a\x00b\ud800c\r\nd"
    assert "{ a\ufffdb\ufffdc\\nd | data" in graphs.to_dot(leaf)
    assert '"a#65533;b#65533;c<br/>d<br/>data' in graphs.to_mermaid(leaf)


def test_a_label_need_not_be_a_string(engine: Any) -> None:
    leaf = engine.Value(1.0)
    leaf.label = 0
    assert "{ 0 | data 1.0000" in graphs.to_dot(leaf)
    leaf.label = None
    assert "{ data 1.0000" in graphs.to_dot(leaf)


@pytest.mark.parametrize("rankdir", ["lr", "", "LR]; x [", None])
def test_an_unknown_rankdir_is_refused(rankdir: Any, engine: Any) -> None:
    for function in (graphs.draw_dot, graphs.to_dot, graphs.to_mermaid):
        with pytest.raises(ValueError, match="is none of LR, TB, RL, BT"):
            function(engine.Value(1.0), rankdir=rankdir)


# Graphviz


def test_draw_dot_returns_a_digraph_of_the_dot_text_and_writes_nothing(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphviz = pytest.importorskip("graphviz")
    monkeypatch.chdir(tmp_path)
    root = small_graph(engine)
    drawn = graphs.draw_dot(root, format="png", rankdir="TB")
    assert isinstance(drawn, graphviz.Digraph)
    assert drawn.format == "png"
    assert drawn.source == graphs.to_dot(root, rankdir="TB")
    assert list(tmp_path.iterdir()) == []


@needs_dot
@pytest.mark.parametrize(
    ("outfile", "format", "written"),
    [
        ("graph", "svg", "graph.svg"),
        ("graph.svg", "svg", "graph.svg"),
        ("my.graph", "svg", "my.graph.svg"),
        ("GRAPH.PNG", "png", "GRAPH.PNG"),
    ],
)
def test_draw_dot_writes_one_file(
    outfile: str, format: str, written: str, engine: Any, tmp_path: Path
) -> None:
    pytest.importorskip("graphviz")
    graphs.draw_dot(small_graph(engine), format=format, outfile=tmp_path / outfile)
    assert [path.name for path in tmp_path.iterdir()] == [written]
    start = {"svg": b"<?xml", "png": b"\x89PNG"}[format]
    assert (tmp_path / written).read_bytes().startswith(start)


@needs_dot
def test_the_picture_is_the_same_every_time(engine: Any, tmp_path: Path) -> None:
    pytest.importorskip("graphviz")
    for name in ("first", "second"):
        graphs.draw_dot(small_graph(engine), outfile=str(tmp_path / name))
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_draw_dot_refuses_unknown_formats_and_misnamed_files(engine: Any, tmp_path: Path) -> None:
    pytest.importorskip("graphviz")
    root = small_graph(engine)
    for format in ("", "docx", "svg; rm"):
        with pytest.raises(ValueError, match="none of Graphviz's"):
            graphs.draw_dot(root, format=format)
    with pytest.raises(ValueError, match=r"'.*graph\.png' is not named for format 'svg'"):
        graphs.draw_dot(root, outfile=tmp_path / "graph.png")
    assert list(tmp_path.iterdir()) == []


def test_without_the_graphviz_package_the_error_names_the_extra(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    root = small_graph(engine)
    with pytest.raises(ImportError, match=r"pip install 'pymicrograd\[viz\]'"):
        graphs.draw_dot(root)


def test_without_dot_the_error_says_how_to_install_it(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("graphviz")
    monkeypatch.setenv("PATH", str(tmp_path))
    root = small_graph(engine)
    with pytest.raises(RuntimeError, match="apt-get install graphviz"):
        graphs.draw_dot(root, outfile=tmp_path / "graph")
    assert list(tmp_path.iterdir()) == []
    assert set(graphs.mimebundle(root)) == {"text/plain", "text/vnd.mermaid"}


# Notebooks


@needs_dot
def test_notebooks_get_text_mermaid_and_svg(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)  # the program dot is all that it needs
    root = small_graph(engine)
    bundle = graphs.mimebundle(root)
    assert set(bundle) == {"text/plain", "text/vnd.mermaid", "image/svg+xml"}
    assert bundle["text/plain"] == repr(root)
    assert bundle["text/vnd.mermaid"] == graphs.to_mermaid(root)
    assert "</svg>" in bundle["image/svg+xml"]
    assert root._repr_mimebundle_() == bundle


def test_notebooks_show_leaves_and_large_graphs_as_text(engine: Any) -> None:
    leaf, large = engine.Value(1.0), chain(engine, graphs.NOTEBOOK_NODES)
    assert graphs.mimebundle(leaf) == {"text/plain": repr(leaf)}
    assert graphs.mimebundle(large) == {"text/plain": repr(large)}


@pytest.mark.parametrize("end", [None, KeyboardInterrupt])
def test_a_dot_that_takes_too_long_ends_and_the_texts_remain(
    engine: Any, end: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dot, started = tmp_path / "dot", tmp_path / "started"
    dot.write_text(f"#!/bin/sh\necho $$ > {started}\nexec {shutil.which('sleep')} 1000\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    communicate = subprocess.Popen.communicate

    def wait_for_start(self: Any, *args: Any, **kwargs: Any) -> Any:
        while not (started.exists() and started.read_text().endswith("\n")):
            assert self.poll() is None
        if end:
            raise end
        return communicate(self, *args, **{**kwargs, "timeout": 0.01})

    monkeypatch.setattr(subprocess.Popen, "communicate", wait_for_start)
    if end:
        with pytest.raises(end):
            graphs.mimebundle(small_graph(engine))
    else:
        bundle = graphs.mimebundle(small_graph(engine))
        assert set(bundle) == {"text/plain", "text/vnd.mermaid"}
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_notebooks_get_mermaid_only_within_its_limits(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no dot
    assert set(graphs.mimebundle(chain(engine, 250))) == {"text/plain", "text/vnd.mermaid"}
    assert set(graphs.mimebundle(chain(engine, 251))) == {"text/plain"}
    wordy = chain(engine, 1)
    wordy.label = "x" * graphs.MERMAID_CHARACTERS
    assert set(graphs.mimebundle(wordy)) == {"text/plain"}


def test_importing_viz_loads_neither_an_engine_nor_graphviz() -> None:
    code = (
        "import sys, pymicrograd.pictures.graphs\n"
        "print({'graphviz', 'numpy', 'pymicrograd._core', 'pymicrograd.reference'}"
        " & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
