"""`pymicrograd train`, `predict`, `show`: digits, files, checkpoints, one-line errors."""

from __future__ import annotations

import csv
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import run
from test_data import written_idx

import pymicrograd as mg
from pymicrograd import nn, pictures
from pymicrograd.cli import fitting, learning
from pymicrograd.utils import tensorboard

saving = pytest.mark.skipif(
    not hasattr(mg.SGD, "state_dict"), reason="optimizers have no state_dict here"
)
FAST = ("--points", "40", "--layers", "4", "--epochs", "4", "--batch", "8")


def train(*arguments: str) -> list[str]:
    """Run `pymicrograd train`, which must succeed, and return its lines but for the time."""
    status, lines, err = run("train", *arguments)
    assert (status, err) == (0, "")
    return [line for line in lines if not line.startswith("time: ")]


def written(path: Path, rows: Any) -> str:
    """Write a .csv file."""
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def lines_of_a_plane(n: int, target: Any) -> list[list[Any]]:
    """Return rows of two numbers and a target."""
    rng = mg.RNG(6)
    points = [(rng.uniform(-3, 5), rng.uniform(10, 20)) for _ in range(n)]
    return [[a, b, target(a, b)] for a, b in points]


# ---- training ----------------------------------------------------------------------------------


def test_the_same_run_prints_the_same(tmp_path: Path) -> None:
    first = train("--dropout", "0.2", *FAST)
    assert first == train("--dropout", "0.2", *FAST) != train("--seed", "1", *FAST)
    assert first[0] == "moons: 32 train, 4 val, 4 test; mlp of 22 parameters, seed 42"
    pattern = r"epoch \d, train loss \d\.\d{6}, val loss \d\.\d{6}, val accuracy \d+\.\d %"
    assert all(re.fullmatch(pattern, line) for line in first[1:5])
    assert re.fullmatch(r"test accuracy: \d of 4 \(\d+\.\d %\)", first[5]) and len(first) == 6


def test_images_of_a_folder_are_learnt(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(60, dtype="u1") % 3
    images = (rng.integers(0, 20, (60, 4, 4)) + 80 * labels[:, None, None]).astype("u1")
    written_idx(tmp_path / "train-images-idx3-ubyte.gz", images, True)
    written_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    lines = train("--data", f"{tmp_path}/", "--layers", "8", "--epochs", "60", "--lr", "0.02")
    assert lines[0].startswith(f"{tmp_path.name}: 48 train, 6 val, 6 test; mlp of ")
    assert lines[-1] == "test accuracy: 6 of 6 (100.0 %)"


def test_moons_are_learnt() -> None:
    assert train("--data", "moons")[-1] == "test accuracy: 50 of 50 (100.0 %)"


@pytest.mark.parametrize("name", [name for name in learning.DATA if name != "digits"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_every_data_set_that_is_made(name: str, optimizer: str) -> None:
    lines = train("--data", name, "--optimizer", optimizer, "--weight-decay", "0.01", *FAST)
    assert lines[0].startswith(f"{name}: 32 train")


@pytest.mark.parametrize(
    ("model", "needed"), [((), 96.0), (("--model", "cnn", "--dropout", "0.3"), 97.0)]
)
def test_digits_are_learnt(model: tuple[str, ...], needed: float) -> None:
    pytest.importorskip("sklearn.datasets")
    if model and not hasattr(nn, "Conv2d"):
        pytest.skip("there are no convolutions here")
    line = train("--data", "digits", "--epochs", "30", *model)[-1]
    assert float(line.split("(")[1].split()[0]) > needed, line


def test_a_file_of_numbers_and_words(tmp_path: Path) -> None:
    rows = lines_of_a_plane(200, lambda a, b: "above" if b > 15 else "below")
    path = written(tmp_path / "words.csv", [["a", "b", "where"], *rows])
    lines = train("--data", path, "--layers", "8", "--lr", "0.05")
    assert lines[0].startswith("words.csv: 160 train, 20 val, 20 test; mlp of 42 parameters")
    assert float(lines[-1].split("(")[1].split()[0]) >= 95.0


def test_a_file_of_numbers_to_predict(tmp_path: Path) -> None:
    path = written(tmp_path / "sums.csv", lines_of_a_plane(100, lambda a, b: 0.1 * a + 0.2 * b))
    lines = train("--data", path, "--layers", "16", "--lr", "0.02", "--epochs", "100")
    loss = re.fullmatch(r"test loss: (\d\.\d{6}), of 10 examples", lines[-1])
    assert loss and float(loss[1]) < 0.05 and "accuracy" not in lines[1]


def test_arrays_of_numpys(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(60, 3, 2))
    np.savez(tmp_path / "data.npz", images=x, labels=(x.sum((1, 2)) > 0) * 5 + 2)
    lines = train("--data", str(tmp_path / "data.npz"), "--epochs", "2")
    assert lines[0].startswith("data.npz: 48 train, 6 val, 6 test; mlp of 418 parameters")


# ---- checkpoints -------------------------------------------------------------------------------


@saving
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_run_that_goes_on_prints_what_one_in_one_piece_does(
    optimizer: str, suffix: str, tmp_path: Path
) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    options = ("--dropout", "0.3", "--optimizer", optimizer, *FAST)
    part, whole = str(tmp_path / f"part{suffix}"), str(tmp_path / f"whole{suffix}")
    lines = train("--save", whole, *options)
    train("--save", part, *options[:-4], "--epochs", "2", "--batch", "8")
    rest = train("--resume", part, "--save", part, "--epochs", "4")
    assert rest[1:-1] == lines[3:-1]
    assert Path(part).read_bytes() == Path(whole).read_bytes()


@saving
def test_predictions(tmp_path: Path) -> None:
    rows = lines_of_a_plane(200, lambda a, b: "above" if b > 15 else "below")
    path = written(tmp_path / "words.csv", rows)
    model = str(tmp_path / "m.npz")
    train("--data", path, "--layers", "8", "--lr", "0.05", "--save", model)
    for given in (path, written(tmp_path / "bare.csv", [row[:2] for row in rows])):
        status, lines, err = run("predict", model, given)
        assert (status, err, len(lines)) == (0, "", 200)
        assert all(re.fullmatch(r"(above|below) \d+\.\d %", line) for line in lines)
        right = sum(line.split()[0] == row[2] for line, row in zip(lines, rows, strict=True))
        assert right >= 190
    np.savez(tmp_path / "x.npz", x=np.array([row[:2] for row in rows[:3]]))
    assert run("predict", model, str(tmp_path / "x.npz"))[1] == lines[:3]
    written(tmp_path / "other.csv", [[1, 2, 3, 4]])
    status, lines, err = run("predict", model, str(tmp_path / "other.csv"))
    assert (status, lines) == (2, []) and "but the network takes (2,)" in err


@saving
def test_predictions_of_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "sums.csv", lines_of_a_plane(50, lambda a, b: a + 0.5))
    train("--data", path, "--epochs", "2", "--save", str(tmp_path / "m.npz"))
    status, lines, _ = run("predict", str(tmp_path / "m.npz"), path)
    assert status == 0 and len(list(map(float, lines))) == 50


@saving
def test_other_data_than_were_learnt_from(tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", lines_of_a_plane(20, lambda a, b: int(a > 1)))
    train("--data", path, "--epochs", "1", "--save", str(tmp_path / "m.npz"))
    written(tmp_path / "d.csv", lines_of_a_plane(21, lambda a, b: int(a > 1)))
    status, _, err = run("train", "--resume", str(tmp_path / "m.npz"), "--epochs", "2")
    assert status == 2 and "holds other examples than were learnt from" in err


def test_show(tmp_path: Path) -> None:
    state = {"w": mg.tensor([[1.0, -2.5]]), "step": 3, "deep": [{"b": mg.tensor([True, False])}],
             "empty": mg.zeros(0), "text": "x" * 100, "one": mg.tensor(0.5)}  # fmt: skip
    mg.save(state, tmp_path / "s.npz")
    status, lines, err = run("show", str(tmp_path / "s.npz"))
    assert (status, err) == (0, "")
    assert [line.split() for line in lines] == [
        ["w", "float32", "1", "x", "2", "-2.5", "to", "1"],
        ["step", "int", "3"],
        ["deep.0.b", "bool", "2", "1", "of", "2", "true"],
        ["empty", "float32", "0"],
        ["text", "str", "'" + "x" * 56 + "..."],
        ["one", "float32", "number", "0.5"],
        ["4", "arrays,", "5", "numbers,", "14", "bytes"],
    ]


# ---- texts -------------------------------------------------------------------------------------

SMALL = ("--block", "8", "--width", "8", "--heads", "2", "--depth", "1", "--dropout", "0.1")


def a_text(path: Path) -> str:
    """Write lines of one word or the other."""
    path.write_text("ab\ncdé\n" * 40, encoding="utf-8")
    return str(path)


def test_a_text_is_learnt_said_and_gone_on_with(tmp_path: Path) -> None:
    whole, part = str(tmp_path / "whole.npz"), str(tmp_path / "part.npz")
    options = ("--data", a_text(tmp_path / "t.txt"), "--lr", "0.02", "--batch", "4", *SMALL)
    lines = train(*options, "--epochs", "30", "--save", whole)
    assert lines[0].startswith("t.txt: 28 train, 3 val, 4 test; gpt of ")
    assert float(lines[-2].split("(")[1].split()[0]) > 70.0
    train(*options, "--epochs", "10", "--save", part)
    rest = train("--resume", part, "--save", part, "--epochs", "30")
    assert rest[1:-1] == lines[11:-1]
    assert Path(part).read_bytes() == Path(whole).read_bytes()
    status, lines, err = run("predict", whole, "--count", "20", "--temperature", "0.3")
    assert (status, err) == (0, "") and set(lines) <= {"ab", "cdé"} and len(lines) == 20
    (tmp_path / "b.txt").write_text("a\nc\n")
    assert run("predict", whole, str(tmp_path / "b.txt"), "--temperature", "0.1")[1] == [
        "ab",
        "cdé",
    ]
    assert run("predict", whole, "--length", "1", "--count", "1")[1][0] in ("a", "c")
    (tmp_path / "b.txt").write_text("xy\n")
    status, lines, err = run("predict", whole, str(tmp_path / "b.txt"))
    assert (status, lines) == (2, []) and "has not learnt the character 'x'" in err


def test_names_have_the_order_of_the_seed() -> None:
    first = train("--data", "names", "--epochs", "1", *SMALL)
    assert first == train("--data", "names", "--model", "gpt", "--epochs", "1", *SMALL)
    assert first[0].startswith("names: 371 train, 46 val, 47 test; gpt of ")
    assert first != train("--data", "names", "--epochs", "1", "--seed", "1", *SMALL)


def test_networks_for_texts_and_for_others_are_told_apart(tmp_path: Path) -> None:
    model = str(tmp_path / "m.npz")
    train("--data", a_text(tmp_path / "t.txt"), "--epochs", "1", "--save", model, *SMALL)
    np.savez(tmp_path / "x.npz", x=np.ones((3, 8)))
    status, _, err = run("predict", model, str(tmp_path / "x.npz"))
    assert status == 2 and "whose FILE is a .txt of beginnings" in err
    train("--epochs", "1", "--save", model)
    status, _, err = run("predict", model)
    assert status == 2 and "this network needs FILE, a .csv or .npz" in err


def test_texts_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("abc")
    (tmp_path / "bytes.txt").write_bytes(b"\xff" * 100)
    for name, text in (("short", "5 characters, but blocks of 32 need 321"), ("bytes", "decode")):
        status, lines, err = run("train", "--data", str(tmp_path / f"{name}.txt"))
        assert (status, lines, err.count("\n")) == (2, [], 1) and text in err


# ---- what is refused ---------------------------------------------------------------------------

ROWS = [[1.0, 2.0, 0]] * 10


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "there are no rows of numbers and a target"),
        ([["a", "b", "c"]], "there are no rows of numbers"),
        ([*ROWS, [1.0, 2.0]], "row 11 has 2 cells, the first has 3"),
        ([*ROWS, [1.0, "x", 0]], "row 11 has 'x' where a number is needed"),
        ([*ROWS, [1.0, "nan", 0]], "row 11 has 'nan'"),
        (ROWS[:9], "there are 9 examples: 10 are needed at least"),
    ],
)
def test_files_without_examples(rows: Any, text: str, tmp_path: Path) -> None:
    path = written(tmp_path / "bad.csv", rows)
    status, lines, err = run("train", "--data", path)
    assert (status, lines, err.count("\n")) == (2, [], 1) and text in err
    if "examples" not in text:
        assert f"{path}: " in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--data", "stars"), "--data stars: none of digits, moons"),
        (("--data", "none.csv"), "none.csv: No such file"),
        (("--model", "tree"), "invalid choice"),
        (("--model", "cnn"), "--model cnn needs images of shape (channels, height, width)"),
        (("--model", "gpt"), "--model gpt needs a text, names or a .txt file, and a text needs it"),
        (("--data", "names", "--model", "mlp"), "and a text needs it"),
        (("--data", "names", "--heads", "3"), "--heads 3 does not divide --width 32"),
        (("--data", "none.txt"), "none.txt: No such file"),
        (("--dropout", "1"), "1 is not below 1"),
        (("--lr", "0"), "not above 0"),
        (("--points", "9"), "9 is less than 10"),
        (("--save", "w.pt"), "the extension must be .npz .safetensors"),
        (("--plot", "w.txt"), "the extension must be .png"),
        (("--resume", "none.npz"), "none.npz: No such file"),
    ],
    ids=str,
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, lines, err = run("train", *arguments)
    assert (status, lines, err.count("\n")) == (2, [], 1)
    assert err.startswith("pymicrograd train: error: ") and text in err


def test_files_of_another_kind(tmp_path: Path) -> None:
    mg.save({"w": mg.ones(2)}, tmp_path / "w.npz")
    (tmp_path / "damaged.npz").write_bytes((tmp_path / "w.npz").read_bytes()[:-1])
    mg.save({"format": fitting.FORMAT, "settings": {"size": 3}}, tmp_path / "other.npz")
    for name, text in (
        ("w.npz", "no checkpoint of `pymicrograd train`"),
        ("damaged.npz", "damaged.npz: "),
        ("other.npz", "a checkpoint with other settings"),
    ):
        path = str(tmp_path / name)
        for command in (("train", "--resume", path), ("predict", path, path)):
            status, lines, err = run(*command)
            assert (status, lines, err.count("\n")) == (2, [], 1) and text in err
    for name in ("damaged.npz", "none.npz"):
        status, lines, err = run("show", str(tmp_path / name))
        assert (status, lines) == (2, []) and err.startswith("pymicrograd show: error: ")
    np.savez(tmp_path / "x.npz", z=np.ones((12, 2)), y=np.ones(11))
    np.savez(tmp_path / "y.npz", x=np.ones((12, 2)), y=np.ones(11))
    np.savez(tmp_path / "z.npz", x=np.ones(12), y=np.ones(12))
    for name, text in (("x", "no inputs"), ("y", "(12,) is needed"), ("z", "two axes")):
        status, _, err = run("train", "--data", str(tmp_path / f"{name}.npz"))
        assert status == 2 and text in err


def test_a_run_that_diverges_is_one_line() -> None:
    status, _, err = run("train", "--optimizer", "sgd", "--lr", "1e30", *FAST)
    assert status == 1 and "the training diverged in epoch" in err and err.count("\n") == 1


def test_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = str(tmp_path / "p.svg")
    assert train("--plot", path, *FAST)[-1] == f"plot: {path}"
    regions = Path(path).read_bytes()
    data = written(tmp_path / "sums.csv", lines_of_a_plane(20, lambda a, b: a + 0.5))
    train("--data", data, "--plot", path, "--epochs", "2")
    assert regions.startswith(b"<?xml") and Path(path).read_bytes() != regions


def test_a_text_has_losses_alone(tmp_path: Path) -> None:
    """Also where a block of two characters looks like a point in the plane."""
    pytest.importorskip("matplotlib")
    path = str(tmp_path / "p.svg")
    options = ("--data", a_text(tmp_path / "t.txt"), "--epochs", "1", "--plot", path, *SMALL)
    assert train(*options, "--block", "2")[-1] == f"plot: {path}"


def test_a_log_for_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a library where there is one: here by a stand-in for it, then by none."""
    written: list[Any] = []

    class SummaryWriter:
        def __init__(self, folder: str) -> None:
            written.append(folder)

        def add_scalar(self, *arguments: Any) -> None:
            written.append(arguments)

        def close(self) -> None:
            written.append("closed")

    library = types.SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(sys.modules, "tensorboardX", library)
    train("--log", str(tmp_path), *FAST)
    assert written[0] == str(tmp_path) and written[-1] == "closed" and len(written) == 10
    assert [row[::2] for row in written[1:3]] == [("loss/train", 1), ("loss/val", 1)]
    writer = tensorboard.SummaryWriter("runs")
    writer.add_scalar("loss", mg.tensor(0.5, requires_grad=True) * 2, mg.Value(3.0))
    assert written[-1] == ("loss", 1.0, 3.0) and isinstance(written[-1][1], np.ndarray)
    for name in tensorboard.HOMES:
        monkeypatch.setitem(sys.modules, name, None)
    status, lines, err = run("train", "--log", str(tmp_path), *FAST)
    assert (status, lines) == (2, []) and "SummaryWriter needs tensorboardX, or PyTorch" in err


def test_figures_say_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"figures need matplotlib: .*pymicrograd\[viz\]"):
        pictures.plot_losses([1.0])


def test_figures_of_networks_of_both_kinds() -> None:
    pytest.importorskip("matplotlib")
    x, y = mg.data.moons(30, generator=mg.RNG(1))
    for outputs in (1, 2, 3):
        figure = pictures.plot_regions(nn.Linear(2, outputs), x, y, "moons")
        regions = figure.axes[0].images[0].get_array()
        assert regions.shape == (120, 120, 3)
    flat = pictures.plot_regions(lambda p: nn.functional.sigmoid(p[:, 0]), x, y, threshold=0.5)
    left, right = flat.axes[0].images[0].get_array()[60, [0, -1]]
    assert left[2] > left[0] and right[0] > right[2]  # blue for class 0, red for class 1
    points = mg.gen_data(mg.RNG(1), n=20)[0]
    xs, ys = zip(*points, strict=True)
    pictures.plot_regions(mg.MLP(2, [3]), list(xs), list(ys))
    curve = pictures.plot_losses([3.0, 2.0, 1.0], unit="step").axes[0]
    assert (curve.get_xlabel(), curve.get_ylabel(), len(curve.lines)) == ("step", "loss", 1)


def test_a_bar_from_the_start(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    status, _, err = run("train", "--progress", *FAST)
    assert status == 0 and "training" in err and "/16" in err
