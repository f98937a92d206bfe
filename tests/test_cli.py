"""The command line: golden digits, one-line errors, closed pipes, Ctrl-C, files, pictures."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from typing import Any

import pytest

from pymicrograd import saving
from pymicrograd.cli import commands as cli
from pymicrograd.cli import demo

ENGINES = ("c", "reference")
SMALL = ("--points", "10", "--layers", "3", "--steps", "2", "--no-compare")


def run(*arguments: str) -> tuple[int, list[str], str]:
    """Run the command line in this process; return its status, its lines and its stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(arguments)
    return status, out.getvalue().splitlines(), err.getvalue()


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    command = [sys.executable, "-m", "pymicrograd", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture(scope="module", params=["c", pytest.param("reference", marks=pytest.mark.all)])
def whole_run(request: pytest.FixtureRequest) -> tuple[str, int, list[str], str]:
    """Run the demo with its defaults; with the C engine it runs the reference, too, to compare."""
    return request.param, *run("demo", "--engine", request.param)


# ---- the main job ------------------------------------------------------------------------------


def test_the_first_110_lines_are_golden(whole_run: Any, golden: list[str]) -> None:
    _, status, lines, err = whole_run
    assert (status, err) == (0, "")
    assert lines[:110] == golden


def test_accuracy_time_and_comparison_follow(whole_run: Any) -> None:
    engine, _, lines, _ = whole_run
    rest = lines[110:]
    assert rest[0] == "test accuracy: 10 of 10 (100.0 %)"
    assert rest[1].startswith("time: ")
    if engine == "c":
        assert rest[2].startswith("reference: ") and rest[2].endswith(" times as long")
        assert rest[3] == "same digits: all 110 lines, and the bits of all 99 weights"
    assert len(rest) == (4 if engine == "c" else 2)


@pytest.mark.parametrize("name", list(demo.DATASETS))
@pytest.mark.parametrize("layers", ["3", "4,3"])
def test_every_data_set_and_depth_has_the_same_digits(name: str, layers: str) -> None:
    status, lines, err = run(
        "demo", "--data", name, "--layers", layers, "--points", "20", "--steps", "12",
        "--seed", str(2**64 - 1), "--lr", "0.05", "--weight-decay", "0",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert lines[-1].startswith("same digits: all 14 lines, and the bits of all ")


@pytest.mark.parametrize("engine", ENGINES)
def test_options_reach_the_training(engine: str) -> None:
    settings = demo.Settings("moons", 30, (4, 5), 3, 0.02, 0.5, 7)
    training = demo.Training(engine, settings)
    expected = list(training.run())
    status, lines, _ = run(
        "demo", "--engine", engine, "--data", "moons", "--points", "30", "--layers", "4,5",
        "--steps", "3", "--lr", "0.02", "--weight-decay", "0.5", "--seed", "7", "--no-compare",
    )  # fmt: skip
    assert status == 0
    assert lines[:4] == expected
    assert [len(layer.neurons) for layer in training.model.layers] == [4, 5, 2]
    assert [len(split) for split in training.splits.values()] == [24, 3, 3]
    for option in ("seed", "lr", "weight_decay", "layers", "points"):
        changed = {"seed": 8, "lr": 0.1, "weight_decay": 0.0, "layers": (4,), "points": 40}
        other = demo.Training(engine, demo.Settings(**{**vars(settings), option: changed[option]}))
        assert list(other.run()) != expected


def test_a_difference_is_shown_and_is_status_1() -> None:
    settings = demo.Settings(points=10, layers=(3,), steps=3)
    training, reference = (demo.Training("reference", settings) for _ in range(2))
    lines = list(training.run())
    lines[2] = lines[2] + "1"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert cli.compare(training, reference, lines, cli.Output()) == 1
    assert f"digits differ in line 3: {lines[2]!r}, the reference has {lines[2][:-1]!r}" in (
        out.getvalue()
    )


def test_a_difference_in_the_last_weights_is_found() -> None:
    settings = demo.Settings(points=10, layers=(3,), steps=1)
    training, reference = (demo.Training("reference", settings) for _ in range(2))
    lines = list(training.run())
    training.model.parameters()[4].data += 1e-15
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert cli.compare(training, reference, lines, cli.Output()) == 1
    assert "digits differ in weight 5: " in out.getvalue()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_training_that_diverges_is_one_line(engine: str) -> None:
    status, lines, err = run("demo", "--engine", engine, *SMALL, "--steps", "50", "--lr", "1e200")
    assert status == 1
    assert lines[0].startswith("step 0, val loss ")
    assert err.startswith("pymicrograd demo: error: the training diverged at step ")
    assert err.count("\n") == 1


# ---- bad arguments -----------------------------------------------------------------------------

BAD_ARGUMENTS = [
    ("", "pymicrograd: error: the following arguments are required: command"),
    ("fly", "invalid choice: 'fly'"),
    ("info --steps 3", "unrecognized arguments: --steps 3"),
    ("demo extra", "unrecognized arguments: extra"),
    ("demo --nosuch", "unrecognized arguments: --nosuch"),
    ("demo --step 3", "unrecognized arguments: --step 3"),
    ("live --no-brow", "unrecognized arguments: --no-brow"),
    ("info --hel", "unrecognized arguments: --hel"),
    ("demo --data circles", "argument --data: invalid choice: 'circles'"),
    ("demo --engine torch", "argument --engine: invalid choice: 'torch'"),
    ("demo --points 5", "argument --points: 5 is less than 6"),
    ("demo --points 1e3", "argument --points: '1e3' is not a whole number"),
    ("demo --layers 0", "argument --layers: 0 is less than 1"),
    ("demo --layers 16,-1", "argument --layers: -1 is less than 1"),
    ("demo --layers 16,", "argument --layers: '' is not a whole number"),
    ("demo --layers ''", "argument --layers: '' is not a whole number"),
    ("demo --steps 0", "argument --steps: 0 is less than 1"),
    ("demo --steps", "argument --steps: expected one argument"),
    ("demo --lr 0", "argument --lr: 0 is not above 0"),
    ("demo --lr=-0.1", "argument --lr: -0.1 is not a finite number from 0 up"),
    ("demo --lr nan", "argument --lr: nan is not a finite number"),
    ("demo --lr inf", "argument --lr: inf is not a finite number"),
    ("demo --lr 1e999", "argument --lr: 1e999 is not a finite number"),
    ("demo --lr fast", "argument --lr: 'fast' is not a number"),
    ("demo --weight-decay nan", "argument --weight-decay: nan is not a finite number"),
    ("demo --weight-decay=-1", "argument --weight-decay: -1 is not a finite number"),
    ("demo --seed 0", "argument --seed: 0 is less than 1"),
    ("demo --seed=-1", "argument --seed: -1 is less than 1"),
    (f"demo --seed {2**64}", f"argument --seed: {2**64} is more than {2**64 - 1}"),
    ("demo --seed 4.2", "argument --seed: '4.2' is not a whole number"),
    ("demo --seed '4\n2'", "argument --seed: '4\\n2' is not a whole number"),
    ("demo --save weights", "--save weights: the extension must be .npz"),
    ("demo --save w.pkl", "--save w.pkl: the extension must be .npz"),
    ("demo --plot plot.xyz", "--plot plot.xyz: the extension must be .png .svg .pdf .jpg"),
    ("demo --graph graph.gif", "--graph graph.gif: the extension must be .dot"),
    ("demo --save none/w.npz", "--save none/w.npz: No such file or directory"),
    ("demo --graph none/g.dot", "--graph none/g.dot: No such file or directory"),
    ("demo --save text/w.npz", "--save text/w.npz: Not a directory"),
    ("demo --save folder.npz", "--save folder.npz: exists and is not a regular file"),
    ("demo --plot x.svg --graph ./x.svg", "--plot and --graph name the same file: ./x.svg"),
    ("demo --load none.npz", "--load none.npz: No such file or directory"),
    ("demo --load folder.npz", "--load folder.npz: not a regular file"),
    ("demo --load text", "--load text: not an .npz file: it is not a zip archive"),
    (
        "demo --load other.npz",
        "--load other.npz: Error(s) in loading state_dict for MLP: size mismatch for ",
    ),
    (
        "demo --load fewer.npz",
        'MLP: Missing key(s) in state_dict: "layers.1.weight", "layers.1.bias".',
    ),
]


@pytest.mark.parametrize(("line", "message"), BAD_ARGUMENTS, ids=[row[0] for row in BAD_ARGUMENTS])
def test_bad_arguments_are_one_line_and_status_2(
    line: str, message: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "text").write_text("text\n")
    engine: Any = importlib.import_module("pymicrograd.reference")
    saving.save(engine.MLP(2, [5, 3], rng=engine.RNG(1)), "other.npz")
    state = saving.state_dict(engine.MLP(2, [16, 3], rng=engine.RNG(1)))
    saving.save({name: a for name, a in state.items() if "layers.0" in name}, "fewer.npz")
    before = sorted(os.listdir())
    arguments = shlex.split(line)
    if "demo" in arguments:
        arguments += [] if "--engine" in arguments else ["--engine", "reference"]
    status, lines, err = run(*arguments)
    assert (status, lines) == (2, [])
    assert message in err
    assert err.startswith(("pymicrograd: error: ", "pymicrograd demo: error: "))
    assert err.endswith("\n") and err.count("\n") == 1
    assert sorted(os.listdir()) == before


def test_an_engine_that_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(demo.ENGINES, "c", "pymicrograd.nosuch")
    status, lines, err = run("demo")
    assert (status, lines) == (2, [])
    assert err.startswith("pymicrograd demo: error: --engine c does not load: ")
    assert "--engine reference" in err and err.count("\n") == 1


def test_matplotlib_missing_is_said_before_training(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    status, lines, err = run("demo", "--engine", "reference", "--plot", str(tmp_path / "p.png"))
    assert (status, lines, os.listdir(tmp_path)) == (2, [], [])
    assert "pip install 'pymicrograd[viz]'" in err and err.count("\n") == 1


@pytest.mark.parametrize("missing", ["package", "program"])
def test_graphviz_missing_is_said_before_training(
    missing: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None if missing == "package" else sys)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    status, lines, err = run("demo", "--engine", "reference", "--graph", str(tmp_path / "g.svg"))
    assert (status, lines, os.listdir(tmp_path)) == (2, [], [])
    assert ("pymicrograd[viz]" if missing == "package" else "program dot") in err
    assert err.count("\n") == 1


# ---- streams and signals -----------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ["demo --engine reference " + " ".join(SMALL), "info",
                                       "--help", "demo --help", "--version"])  # fmt: skip
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_no_error(arguments: str, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with start(*arguments.split(), stdout=writing, env=environment) as process:
        os.close(writing)
        _, err = process.communicate()
    assert err == ""
    assert process.returncode == 0 or arguments == "info"


def test_files_are_written_though_nobody_reads(tmp_path: pathlib.Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    target = tmp_path / "w.npz"
    arguments = ("demo", "--engine", "reference", *SMALL, "--save", str(target))
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with start(*arguments, stdout=writing, env=environment) as process:
        os.close(writing)
        _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    training = demo.Training("reference", demo.Settings(points=10, layers=(3,), steps=2))
    list(training.run())
    saved = saving.load(target)
    expected = saving.state_dict(training.model)
    assert {n: a.tolist() for n, a in saved.items()} == {n: a.tolist() for n, a in expected.items()}


def test_head_gets_its_lines_and_the_shell_sees_success(golden: list[str]) -> None:
    for count in (1, 110):
        demo_command = shlex.join([sys.executable, "-m", "pymicrograd", "demo", "--no-compare"])
        script = f"set -o pipefail; {demo_command} | head -{count}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == golden[:count]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full to fill")
def test_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        process = start("demo", "--engine", "reference", *SMALL, stdout=full)
    _, err = process.communicate()
    assert process.returncode == 1
    assert err == "pymicrograd demo: error: No space left on device\n"


@pytest.mark.parametrize("engine", ENGINES)
def test_interrupt_is_one_line_and_status_130(engine: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    arguments = ("demo", "--engine", engine, "--steps", "10000000")

    def accept_interrupts() -> None:  # a shell's background jobs inherit that they are ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = start(
        *arguments, stdout=subprocess.PIPE, env=environment, preexec_fn=accept_interrupts
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "step 0, val loss 0.917090\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err == "pymicrograd demo: interrupted\n"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def watched_run(*arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process on two terminals."""
    out, err = Terminal(), Terminal()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(arguments)
    return status, out.getvalue(), err.getvalue()


def test_a_long_run_shows_a_bar_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    monkeypatch.setattr(cli, "PROGRESS_DELAY", -1.0)
    arguments = ("demo", "--engine", "reference", *SMALL, "--steps", "12")
    status, lines, err = run(*arguments)
    assert (status, err) == (0, "")
    status, out, err = watched_run(*arguments)
    assert status == 0
    assert out.splitlines()[:-1] == lines[:-1]  # the last line tells the time
    assert "training: " in err and "/12 [" in err


def test_a_short_run_and_a_run_without_tqdm_show_none(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("demo", "--engine", "reference", *SMALL)
    assert watched_run(*arguments)[2] == ""
    monkeypatch.setattr(cli, "PROGRESS_DELAY", -1.0)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert watched_run(*arguments)[2] == ""


def test_a_name_that_stdout_cannot_say(tmp_path: pathlib.Path) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with contextlib.redirect_stdout(out):
        path = str(tmp_path / "caf\xe9.npz")
        assert cli.main(["demo", "--engine", "reference", *SMALL, "--save", path]) == 0
    out.seek(0)
    assert out.read().splitlines()[-1].endswith("caf\\xe9.npz")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.14159e-6, "3.14 us"), (0.00314, "3.14 ms"), (3.14159, "3.14 s"), (12345.6, "12346 s")],
)
def test_durations_have_units(seconds: float, text: str) -> None:
    assert cli.duration(seconds) == text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layers", ["1", "1,1"])
def test_smallest_networks_and_data(engine: str, layers: str) -> None:
    for name in demo.DATASETS:
        arguments = ("--data", name, "--layers", layers, "--points", "6", "--steps", "1")
        status, lines, err = run("demo", "--engine", engine, *arguments)
        assert (status, err) == (0, "")
        assert lines[0].startswith("step 0, val loss ")


# ---- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_saved_weights_start_the_next_training(engine: str, tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "w.npz")
    small = ("demo", "--engine", engine, "--points", "20", "--layers", "3")
    status, lines, _ = run(*small, "--steps", "11", "--no-compare", "--save", path)
    assert status == 0 and lines[-1] == f"weights: {path}"
    first = saving.load(path)
    settings = demo.Settings(points=20, layers=(3,), steps=4)
    training = demo.Training(engine, settings)
    saving.load_weights(training.model, path)
    expected = list(training.run())
    # Loading and saving in one command: the reference must start from the old weights, too.
    status, lines, err = run(*small, "--steps", "4", "--load", path, "--save", path)
    assert (status, err) == (0, "")
    assert lines[:5] == expected
    assert engine == "reference" or lines[-1].startswith("same digits: all 5 lines")
    assert saving.load(path)["layers.0.weight"].tolist() != first["layers.0.weight"].tolist()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("extension", ["dot", "mmd", "md", "svg"])
def test_graph_of_one_loss(engine: str, extension: str, tmp_path: pathlib.Path) -> None:
    if extension == "svg":
        pytest.importorskip("graphviz")
        if shutil.which("dot") is None:
            pytest.skip("Graphviz's dot is not installed")
    path = tmp_path / f"g.{extension.upper()}"
    status, lines, err = run("demo", "--engine", engine, *SMALL, "--graph", str(path))
    assert (status, err) == (0, "")
    text = path.read_text()
    count = int(lines[-1].removeprefix("graph of one example's loss, ").split()[0])
    starts = {"dot": "digraph {", "mmd": "flowchart", "md": "```mermaid\n", "svg": "<?xml"}
    assert text.startswith(starts[extension])
    assert "tanh" in text and "log" in text
    # MLP(2, [3, 3]): 21 weights and 2 inputs are leaves, coloured; the loss has gradient 1.
    if extension in ("mmd", "md"):
        assert text.count("fill:lightgreen") == 21 and text.count("fill:lightblue") == 2
    assert count > 23 and "grad 1.0000" in text.replace("grad: ", "grad ")


@pytest.mark.parametrize("engine", ENGINES)
def test_both_engines_draw_the_same_graph(engine: str, tmp_path: pathlib.Path) -> None:
    texts = []
    for name in (engine, "reference"):
        path = tmp_path / f"{name}.dot"
        assert run("demo", "--engine", name, *SMALL, "--graph", str(path))[0] == 0
        texts.append(path.read_text())
    assert texts[0] == texts[1]


MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "jpg": b"\xff\xd8"}


@pytest.mark.parametrize(
    "extension",
    ["png", "svg", *(pytest.param(name, marks=pytest.mark.all) for name in ("pdf", "jpg"))],
)
def test_plot_formats_and_the_same_bytes_twice(extension: str, tmp_path: pathlib.Path) -> None:
    pytest.importorskip("matplotlib")
    paths = [tmp_path / f"{name}.{extension}" for name in "ab"]
    for path, engine in zip(paths, ENGINES, strict=True):
        arguments = ("demo", "--engine", engine, *SMALL, "--plot", str(path))
        status, lines, err = run(*arguments)
        assert (status, lines[-1], err) == (0, f"plot: {path}", "")
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(MAGIC[extension])
    assert first == second


def test_a_plot_shows_regions_points_and_losses() -> None:
    pytest.importorskip("matplotlib")
    from pymicrograd.pictures import training as plot

    training = demo.Training("reference", demo.Settings("moons", points=20, layers=(3,), steps=12))
    list(training.run())
    figure: Any = plot.plot_training(
        training.logits, training.splits, training.train_losses, training.val_losses
    )
    regions, curve = figure.axes
    shown = sum(len(dots.get_offsets()) for dots in regions.collections[-3:])
    assert shown == 20 and len(regions.images) == 1
    train, val = curve.lines
    assert list(train.get_ydata()) == training.train_losses
    assert list(val.get_xdata()) == [0, 10]
    assert curve.get_yscale() == "log"


def test_a_plot_of_a_diverged_training_is_drawn_without_a_word() -> None:
    pytest.importorskip("matplotlib")
    from pymicrograd.pictures import training as plot

    nan = float("nan")
    splits = {"train": [([0.0, 0.0], 0)], "val": [([0.0, 0.0], 1)], "test": []}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot.plot_training(
            lambda points: [[nan, float("inf")]] * len(points), splits, [nan, 0.0], {0: nan}
        )
        figure.canvas.draw()


# ---- info and version --------------------------------------------------------------------------


def test_info_tells_what_this_is() -> None:
    status, lines, err = run("info")
    assert (status, err) == (0, "")
    text = "\n".join(lines)
    for fact in ("pymicrograd", "C core", "compiler", "flags", "math library", "python", "cpu"):
        assert f"{fact} " in text
    assert "loads" in text and sys.version.split()[0] in text


def test_info_without_a_core_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymicrograd._core", None)
    monkeypatch.delattr(importlib.import_module("pymicrograd"), "_core", raising=False)
    status, lines, _ = run("info")
    assert status == 1
    assert any(line.startswith("C core") and "does not load" in line for line in lines)


def test_version_and_help() -> None:
    from pymicrograd import __version__

    assert run("--version") == (0, [f"pymicrograd {__version__}"], "")
    for arguments in (["--help"], ["demo", "--help"], ["info", "--help"]):
        status, lines, err = run(*arguments)
        assert (status, err) == (0, "")
        assert lines[0].startswith("usage: pymicrograd")


def test_the_command_line_starts_without_numpy_and_the_core() -> None:
    code = "import sys, pymicrograd.cli; print({'numpy', '_cffi_backend'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    "variable", ["MG_MATH=fast", "MG_ISA=sse9", "MG_NUM_THREADS=many"], ids=lambda text: text[3:7]
)
def test_a_variable_without_meaning_is_one_line(variable: str) -> None:
    name, _, value = variable.partition("=")
    process = start("info", env={**os.environ, name: value}, stdout=subprocess.PIPE)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.count("\n") == 1 and err.startswith("pymicrograd") and variable in err
