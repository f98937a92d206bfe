"""The page of `pymicrograd live`: its numbers are Python's, in Node and in Chromium, and it works.

Node runs tests/page.mjs on the page's own engine.js and page.wasm; every number is compared with
what Values compute in portable math, for equality.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import random
import re
import runpy
import shutil
import signal
import struct
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import pytest

import pymicrograd
from pymicrograd import MLP, RNG, SGD, Adam, AdamW, Value, cross_entropy, data, no_grad
from pymicrograd.cli.live import FOLDER, PageServer
from pymicrograd.nn import functional
from pymicrograd.pictures.graphs import trace

ROOT = Path(__file__).resolve().parent.parent
LINES = (ROOT / "vectors" / "runs" / "demo_lines.txt").read_text()
HASH = hashlib.sha256(LINES.encode()).hexdigest()
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
needs_browser = pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed")

OPTIMIZERS = [
    lambda p, lr, decay: AdamW(p, lr=lr, betas=(0.9, 0.95), weight_decay=decay),
    lambda p, lr, decay: Adam(p, lr=lr, betas=(0.9, 0.95), eps=1e-8, weight_decay=decay),
    lambda p, lr, decay: SGD(p, lr=lr, weight_decay=decay),
    lambda p, lr, decay: SGD(p, lr=lr, momentum=0.9, weight_decay=decay),
]
MAKERS = {"quadrants": data.gen_data, "yinyang": data.gen_data_yinyang,
          "moons": data.gen_data_moons}  # fmt: skip


def settings(**changed: Any) -> dict[str, Any]:
    """Return settings of a run: the page's at first, but for what is changed."""
    usual = {"data": "quadrants", "points": 100, "hidden": [16], "activation": "tanh",
             "optimizer": 0, "lr": 0.1, "decay": 1e-4, "seed": "42", "steps": 15}  # fmt: skip
    return {**usual, **changed}


RUNS = [
    settings(),
    settings(data="moons", points=91, hidden=[5, 4], activation="relu", optimizer=1, lr=0.05),
    settings(data="yinyang", points=60, hidden=[7], activation="gelu", optimizer=2, lr=0.5,
             seed=str(2**63 - 25)),
    settings(data="moons", points=33, hidden=[3, 3, 3], activation="silu", optimizer=3, seed="7"),
    settings(points=20, hidden=[], activation="sin", decay=0.0, seed="3"),
    settings(data="yinyang", points=44, hidden=[4], activation="softplus", seed="9"),
    settings(points=30, hidden=[4, 2], activation="sigmoid", seed="11", steps=3),
]  # fmt: skip
STEPS = 3  # of the GPT


def hostile_numbers() -> list[float]:
    """Return numbers that are hard to write, and random bits."""
    few = [0.0, -0.0, 1.0, -1.5, 0.1, 1e15, 1e16, 123456789012345680.0, 9999999999999998.0, 1e-4,
           9.999e-5, 5e-324, 1.7976931348623157e308, 2.0**-1022, math.inf, -math.inf, 0.3,
           1 / 3, 2e22, 1e23]  # fmt: skip
    bits = random.Random(1)
    found = [struct.unpack("<d", bits.randbytes(8))[0] for _ in range(300)]
    return few + [x for x in found if not math.isnan(x)]


TEXTS = ["a" * n for n in (0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128)] + [LINES]


@pytest.fixture(scope="module")
def portable() -> Iterator[None]:
    """Take portable math."""
    before = pymicrograd.get_math()
    pymicrograd.set_math("portable")
    yield
    pymicrograd.set_math(before)


def answers_of(wasm: Path, folder: Path) -> Any:
    """Ask Node about a build of the engine."""
    asked = folder / "asked.json"
    bits = [str(int.from_bytes(struct.pack(">d", x), "big")) for x in hostile_numbers()]
    names = "\n".join(data.names())
    asked.write_text(
        json.dumps({"numbers": bits, "texts": TEXTS, "runs": RUNS, "names": names, "steps": STEPS})
    )
    command = [str(NODE), str(ROOT / "tests" / "page.mjs"), str(wasm), str(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return answers_of(FOLDER / "page.wasm", tmp_path_factory.mktemp("page"))


# ---- numbers in Node -----------------------------------------------------------------------------


@needs_node
def test_the_demo_in_node(answers: Any) -> None:
    assert answers["demo"] == {"text": LINES, "hash": HASH}
    assert answers["imports"] == ["fd_close", "fd_seek", "fd_write"]


@needs_node
def test_the_known_answers() -> None:
    """Those of Values and of the generator in vectors/, by the engine that is in the page."""
    command = [str(NODE), str(ROOT / "tests" / "page_vectors.mjs")]
    command += [str(FOLDER / "page.wasm"), str(ROOT / "vectors")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = re.fullmatch(r"(\d+) ops, (\d+) answers\n", done.stdout)
    assert found
    assert int(found[1]) == len(list((ROOT / "vectors" / "scalars").iterdir()))
    assert int(found[2]) > 20_000


@needs_node
def test_texts_of_numbers_and_hashes(answers: Any) -> None:
    assert answers["reprs"] == [repr(x) for x in hostile_numbers()]
    assert answers["hashes"] == [hashlib.sha256(text.encode()).hexdigest() for text in TEXTS]


def loss_of(model: Any, points: list[Any]) -> Any:
    inputs = [[Value(x) for x in point] for point, _ in points]
    return cross_entropy(model(inputs), [label for _, label in points])


@needs_node
@pytest.mark.parametrize("which", range(len(RUNS)))
def test_a_run_is_python_s(answers: Any, portable: None, which: int) -> None:
    run, found = RUNS[which], answers["runs"][which]
    rng = RNG(int(run["seed"]))
    splits = MAKERS[run["data"]](rng, run["points"])
    every = [point for split in splits for point in split]
    assert found["points"] == [x for point, _ in every for x in point]
    assert found["labels"] == [label for _, label in every]
    assert found["parts"] == [part for part, split in enumerate(splits) for _ in split]
    classes = 2 if run["data"] == "moons" else 3
    model = MLP(2, [*run["hidden"], classes], rng=rng, activation=run["activation"])
    parameters = model.parameters()
    optimizer = OPTIMIZERS[run["optimizer"]](parameters, run["lr"], run["decay"])
    gradients = []
    before: list[float] = []
    for step in range(run["steps"]):
        before = [p.data for p in parameters]
        loss = loss_of(model, splits[0])
        loss.backward()
        gradients = [p.grad for p in parameters]
        optimizer.step()
        optimizer.zero_grad()
        assert found["losses"][step] == loss.data
    assert found["data"] == [p.data for p in parameters]
    assert found["moves"] == [p.data - x for p, x in zip(parameters, before, strict=True)]
    assert found["gradients"] == found["again"] == gradients
    if run["optimizer"] < 2:
        assert found["m"] == list(optimizer.m)
        assert found["v"] == list(optimizer.v)
    elif run["optimizer"] == 3:
        assert found["m"] == optimizer.buffer
    assert found["val"] == loss_of(model, splits[1]).data
    check_surface(found, model, run)
    check_graph(found, model, every[0])


def check_surface(found: Any, model: Any, run: Any) -> None:
    """Compare probabilities at 9 x 9 places; a neuron's line is where its sum is 0."""
    places = [(-2 + 0.5 * (i % 9), 2 - 0.5 * (i // 9)) for i in range(81)]
    with no_grad():
        rows = [functional.softmax(model(list(place))) for place in places]
        assert found["surface"] == [p.data for row in rows for p in row]
        lines = [found["lines"][i : i + 5] for i in range(0, len(found["lines"]), 5)]
        assert bool(lines) == bool(run["hidden"])
        for neuron, *ends in lines:
            if neuron >= run["hidden"][0]:
                continue
            its = model.layers[0].neurons[int(neuron)]
            for x, y in (ends[:2], ends[2:]):
                assert abs(its.w[0].data * x + its.w[1].data * y + its.b.data) < 1e-12


def in_order(nodes: list[Any]) -> list[Any]:
    """Sort nodes; JSON has no sign of 0."""
    return sorted([kind, op, data + 0.0, gradient + 0.0] for kind, op, data, gradient in nodes)


def check_graph(found: Any, model: Any, example: Any) -> None:
    """The graph has the nodes of Python's, with their numbers, the loss first."""
    (x, y), label = example
    inputs = [Value(x), Value(y)]
    loss = cross_entropy(model(inputs), label)
    model.zero_grad()
    loss.backward()
    parameters = {id(p) for p in model.parameters()}

    def kind(node: Any) -> int:
        if id(node) in parameters or id(node) in {id(x) for x in inputs}:
            return 1 if id(node) in parameters else 2
        return 3 if node._prev else 0

    nodes = [
        [kind(node), re.sub(r"\*\*.+", "**", node._op), node.data, node.grad]
        for node in trace(loss)[0]
    ]
    assert found["graph"][0][2:] == [loss.data, 1.0]
    assert in_order(found["graph"]) == in_order(nodes)


@needs_node
def test_the_speller_is_the_example(
    answers: Any, portable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = answers["speller"]
    monkeypatch.setattr(sys, "argv", ["microgpt.py", str(STEPS)])
    with contextlib.redirect_stdout(None):
        its = runpy.run_path(str(ROOT / "examples" / "microgpt.py"))
    assert found["losses"][-1] == its["loss"].data
    assert found["mean"] == pytest.approx(sum(found["losses"]) / STEPS, rel=1e-12)
    assert found["weights"] == [w.data for table in its["tables"] for row in table for w in row]
    assert found["tokens"] == its["spelled"]
    shares = [p.data for row in its["shares"] for p in row]
    assert found["probabilities"] == shares
    largest = iter(found["largest"])
    gradients = iter(found["gradients"])
    for table in its["tables"]:
        assert max(abs(next(gradients)) for row in table for _ in row) == next(largest)
    length = len(its["spelled"]) - 1
    for head in range(4):
        for at in range(length):
            row = found["attention"][(head * 16 + at) * 16 :][: at + 1]
            assert sum(row) == pytest.approx(1.0)
    assert found["samples"] == [sample(its, rng) for rng in [RNG(42)] for _ in range(4)]


def sample(its: dict[str, Any], rng: Any) -> str:
    """Make up a name by the example's functions."""
    keys: list[Any] = []
    values: list[Any] = []
    name, token = "", its["END"]
    while len(name) < its["BLOCK"]:
        shares = its["shares_of_next"](token, keys, values)
        drawn, total, token = rng.random(), 0.0, its["END"]
        for i, share in enumerate(shares):
            total += share.data
            if drawn < total:
                token = i
                break
        if token == its["END"]:
            break
        name += chr(ord("a") + token)
    return name


# ---- the folder, the command ---------------------------------------------------------------------


def test_the_folder() -> None:
    """It is small, has the package's names, asks nothing of another host, and knows the hash."""
    files = sorted(path for path in FOLDER.iterdir())
    assert sum(path.stat().st_size for path in files) < 400_000
    assert (FOLDER / "names.txt").read_text().split() == data.names()
    texts = {path.name: path.read_text() for path in files if path.suffix != ".wasm"}
    assert [name for name, text in texts.items() if re.search(r"https?:|//\w+\.\w", text)] == []
    assert f'"{HASH}"' in texts["main.js"]
    for name, text in texts.items():
        for other in re.findall(r'from "\./(.+)"', text):
            assert other in texts, (name, other)


def test_every_element_that_is_asked_for_is_there() -> None:
    html = (FOLDER / "index.html").read_text()
    ids = re.findall(r'\bid="([\w-]+)"', html)
    assert len(ids) == len(set(ids))
    asked = {
        name
        for path in FOLDER.glob("*.js")
        for name in re.findall(r'byId\("([\w-]+)"\)', path.read_text())
    }
    assert len(asked) > 30
    assert asked - set(ids) == set()
    referred = re.findall(r'aria-(?:controls|labelledby|describedby)="([\w-]+)"', html)
    assert set(referred) - set(ids) == set()


@pytest.mark.all
def test_the_command_that_the_page_names_prints_the_lines() -> None:
    command = [sys.executable, "-m", "pymicrograd", "demo", "--math", "portable", "--no-compare"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "".join(done.stdout.splitlines(keepends=True)[:110]) == LINES
    assert "demo --math portable --no-compare | head -110 |" in (FOLDER / "index.html").read_text()


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Serve the page while something is done."""
    with PageServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def test_files_are_served_as_what_they_are() -> None:
    types = {"": "text/html", "main.js": "text/javascript", "page.css": "text/css",
             "page.wasm": "application/wasm"}  # fmt: skip
    with served() as url:
        for name, kind in types.items():
            with urllib.request.urlopen(url + name) as answer:
                assert answer.headers.get_content_type() == kind
                assert answer.read() == (FOLDER / (name or "index.html")).read_bytes()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(url + "../version.py")


def live(*arguments: str) -> subprocess.Popen[str]:
    def accept_interrupts() -> None:  # a shell's background jobs inherit that they are ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, "-m", "pymicrograd", "live", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "BROWSER": "true"}, preexec_fn=accept_interrupts,
    )  # fmt: skip


def test_live_serves_the_page_until_it_is_interrupted() -> None:
    with live("--no-browser") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"(http://127\.0\.0\.1:(\d+)/) \(Ctrl-C ends it\)", line)
        assert found
        with urllib.request.urlopen(found[1]) as answer:
            assert b"<title>pymicrograd live</title>" in answer.read()
        with live("--port", found[2]) as other:
            _, err = other.communicate(timeout=60)
        assert other.returncode == 1
        assert err == f"pymicrograd live: error: --port {found[2]}: Address already in use\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


# ---- in the browser ------------------------------------------------------------------------------


@pytest.mark.all
@needs_browser
def test_the_page_in_chromium() -> None:
    """Digits, mouse, keys, both tabs, both themes, a narrow screen; nothing is complained of."""
    with served() as url, browser.Browser() as page:
        page.size(1200, 900)
        page.open(url)
        assert page.run("document.getElementById('verify').click()") is None
        assert page.run("document.getElementById('hash').textContent") == HASH
        assert "The same: 110 lines" in page.run("document.getElementById('verdict').textContent")
        use_points(page)
        use_controls(page)
        use_names(page)
        page.size(390, 800, dark=True)
        for tab in ("points", "names"):
            page.run(f"document.getElementById('tab-{tab}').click()")
            assert page.run("document.documentElement.scrollWidth") <= 390
        use_fingers(page)
        assert page.complaints == []


POINTS = "window.page.tabs.points"
# Where the first point is in the window, and a place where there is none.
PLACES = """(() => {{ const {{ surface }} = {0}, box = surface.canvas.getBoundingClientRect();
    const [x, y] = surface.classifier.xy, {{ left, top }} = box;
    return [left + surface.px(x), top + surface.py(y), left + 40, top + 40]; }})()"""


def text_of(page: browser.Browser, name: str) -> str:
    found: str = page.run(f"document.getElementById('{name}').textContent")
    return found


def use_points(page: browser.Browser) -> None:
    """Step, play, drag a point, add one, relabel it, move it by keys, remove it."""
    page.run("document.getElementById('points-step').click()")
    assert text_of(page, "points-loss") == LINES.splitlines()[1].split()[-1]
    page.run("document.getElementById('points-play').click()")
    wait = f"new Promise((done) => {{ const look = () => {POINTS}.classifier.steps > 10"
    page.run(f"{wait} ? done() : requestAnimationFrame(look); look(); }})")
    page.run("document.getElementById('points-play').click()")
    assert text_of(page, "points-play") == "Play"
    page.run("document.getElementById('points-reset').click()")
    assert text_of(page, "points-steps") == "0"
    page.run("document.getElementById('surface').scrollIntoView({block: 'center'})")
    x, y, left, top = page.run(PLACES.format(POINTS))
    page.mouse("Moved", x, y)
    page.mouse("Pressed", x, y)
    page.mouse("Moved", x + 30, y)
    page.mouse("Moved", left, top)
    page.mouse("Released", left, top)
    moved = page.run(f"[...{POINTS}.classifier.xy.slice(0, 2)]")
    assert moved[0] < -1.9 < 1.9 < moved[1]
    page.mouse("Pressed", left + 4, top + 60)
    page.mouse("Released", left + 4, top + 60)
    assert page.run(f"{POINTS}.classifier.count") == 101
    page.run("document.getElementById('surface').focus()")
    for key in ("3", "ArrowRight", "ArrowDown"):
        page.key(key)
    before = page.run(f"[...{POINTS}.classifier.xy.slice(200)]")
    assert page.run(f"{POINTS}.classifier.labels[100]") == 2
    page.key("ArrowLeft")
    after = page.run(f"[...{POINTS}.classifier.xy.slice(200)]")
    assert after == [pytest.approx(before[0] - 0.1), before[1]]
    page.key("Delete")
    assert page.run(f"{POINTS}.classifier.count") == 100
    for key in ("ArrowRight", "ArrowUp", "Enter"):
        page.key(key)
    assert page.run(f"{POINTS}.classifier.count") == 101
    page.mouse("Pressed", left, top, "right")
    page.mouse("Released", left, top, "right")
    assert page.run(f"{POINTS}.classifier.count") == 100


def use_fingers(page: browser.Browser) -> None:
    """Drag a point, and add one by a tap."""
    page.run("document.getElementById('tab-points').click()")
    page.run("document.getElementById('points-reset').click()")
    page.run("document.getElementById('surface').scrollIntoView({block: 'center'})")
    x, y, left, top = page.run(PLACES.format(POINTS))
    page.touch((x, y), (x + 5, y - 20), (left, top))
    moved = page.run(f"[...{POINTS}.classifier.xy.slice(0, 2)]")
    assert moved[0] < -1.5 < 1.5 < moved[1]
    count = page.run(f"{POINTS}.classifier.count")
    page.touch((left - 34, top - 34))
    assert page.run(f"{POINTS}.classifier.count") == count + 1
    page.run("document.getElementById('remove').click()")
    assert page.run(f"{POINTS}.classifier.count") == count


def use_controls(page: browser.Browser) -> None:
    """Train with every choice of every field; what is out of range is brought back."""
    change = """(([id, value]) => {{ const field = document.getElementById(id); field.value = value;
        field.dispatchEvent(new Event("change")); {0}.step(); {0}.show(true);
        return field.value; }})"""
    choices = {
        "data": ["moons", "yinyang", "quadrants"],
        "activation": ["relu", "sigmoid", "gelu", "silu", "softplus", "sin", "tanh"],
        "optimizer": ["1", "2", "3", "0"],
        "layers": ["8,8", "", "32 32 32 32", "16"],
        "lr": ["0.01"],
        "count": ["300", "6", "100"],
    }
    for name, values in choices.items():
        for value in values:
            assert page.run(f"{change.format(POINTS)}({json.dumps([name, value])})") == value
            assert page.run(f"{POINTS}.classifier.steps") > 0
    for name, value, then in (("layers", "99", "16"), ("seed", "x", "42"), ("lr", "-1", "0")):
        assert page.run(f"{change.format(POINTS)}({json.dumps([name, value])})") == then
    asked = {"lr": "0.1", "data": "moons", "layers": "8 8", "count": "5.04e1", "seed": "7"}
    for name, value in asked.items():
        page.run(f"{change.format(POINTS)}({json.dumps([name, value])})")
    command = text_of(page, "command").split()
    expected = "demo --math portable --data moons --points 50 --layers 8,8 --seed 7"
    assert command[1:] == expected.split()
    done = subprocess.run(
        [sys.executable, "-m", "pymicrograd", *command[1:], "--steps", "1", "--no-compare"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"step 0, train loss {text_of(page, 'points-loss')}\n" in done.stdout
    page.run(f"{POINTS}.surface.move(0, 1, 1)")
    assert text_of(page, "command") == ""
    page.run(f"{change.format(POINTS)}({json.dumps(['layers', '16'])})")
    assert page.run(f"[...{POINTS}.classifier.xy.slice(0, 2)]") == [1, 1]
    page.run(f"{change.format(POINTS)}({json.dumps(['data', 'quadrants'])})")
    assert text_of(page, "command") != ""
    page.run("document.getElementById('graph-in').click()")
    page.run("document.getElementById('graph-fit').click()")
    assert re.search(r"point \d+ at .*295 nodes", text_of(page, "graph-of"))


def use_names(page: browser.Browser) -> None:
    page.run("document.getElementById('tab-names').click()")
    page.run("document.getElementById('names-step').click()")
    assert text_of(page, "names-steps") == "1"
    assert float(text_of(page, "names-loss")) > 3.0
    assert page.run("document.getElementById('samples').children.length") == 12


# ---- the build -----------------------------------------------------------------------------------


@pytest.mark.all
@needs_node
def test_the_build_that_is_kept_is_that_of_these_sources(answers: Any, tmp_path: Path) -> None:
    """Where clang can build it: no warnings, and the same answers to all questions."""
    built = tmp_path / "page.wasm"
    done = subprocess.run(
        [ROOT / "web" / "build.sh", built], capture_output=True, text=True, check=False
    )
    if done.returncode and re.search(r"cannot open|unable|not found|No available", done.stderr):
        pytest.skip(f"no clang builds for wasm32-wasi: {done.stderr.splitlines()[0]}")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert answers_of(built, tmp_path) == answers


@pytest.mark.all
def test_the_sources_use_memory_well(tmp_path: Path) -> None:
    """On this machine, at every limit; no warnings, and the demo's lines."""
    from test_csrc import CC, SANITIZERS  # finding out what there is takes a compiler

    core, program = ROOT / "csrc", tmp_path / "check"
    sources = subprocess.check_output([ROOT / "web" / "build.sh", "--list"], text=True).split()
    required = re.findall(r"^-\S+", (core / "flags.txt").read_text(), re.MULTILINE)
    flags = [*required, "-O0", "-g", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]
    flags += [
        "-DMG_SCALARS_ONLY",
        "-DMG_NO_THREADS",
        "-DMG_BASELINE_ONLY",
        '-DMG_VERSION=""',
        '-DMG_FLAGS=""',
        "-I.",
    ]
    end = [*sources, "../tests/page_check.c", "-o", str(program), "-lm"]
    command = [*CC.split(), *flags, *SANITIZERS.split(), *end]
    done = subprocess.run(command, cwd=core, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    names = (FOLDER / "names.txt").read_text()
    ran = subprocess.run([program], input=names, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == LINES


@pytest.mark.all
def test_one_hash_of_the_demo_everywhere(tmp_path: Path) -> None:
    """Compilers, processors, engines, ports, Node and Chromium: those that there are."""
    done = subprocess.run(
        ["bash", ROOT / "tests" / "demo.sh", tmp_path], capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHON": sys.executable},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" 0 with other digits; {HASH[:16]} in vectors/" in done.stdout
    if missing := re.findall("not installed: (.+)", done.stdout):
        pytest.skip(f"the others agree; not installed: {', '.join(missing)}")
