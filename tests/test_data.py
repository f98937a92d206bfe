"""Data sets: LLM101n's points to the last bit, moons, a line, and the split."""

from __future__ import annotations

import gzip
import math
import struct
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymicrograd
from pymicrograd import data

MAKERS = [data.gen_data, data.gen_data_yinyang, data.gen_data_moons, data.gen_data_linear]


def test_gen_data_is_llm101ns(engine: Any) -> None:
    rng, other = engine.RNG(42), engine.RNG(42)
    train, val, test = data.gen_data(rng)
    assert rng.state == 71058172779015269
    assert Counter(label for _, label in train) == {0: 37, 1: 17, 2: 26}
    assert (len(train), len(val), len(test)) == (80, 10, 10)
    for (x, y), label in train + val + test:
        assert (x, y) == (other.uniform(-2, 2), other.uniform(-2, 2))
        assert label == (0 if x < 0 else 1 if y < 0 else 2)
    assert type(train[0]) is tuple and type(train[0][0]) is list


def test_gen_data_yinyang_is_llm101ns(engine: Any) -> None:
    rng = engine.RNG(42)
    splits = data.gen_data_yinyang(rng, n=100)
    assert rng.state == 40890607258806830
    points = [point for split in splits for point in split]
    assert [label for _, label in points] == [i % 3 for i in range(100)]
    assert type(points[0]) is list and type(points[0][0]) is list
    for (x, y), label in points:
        assert x * x + y * y <= 4.0 + 1e-9  # the scaling rounds
        dot = min(math.hypot(x - 1, y), math.hypot(x + 1, y)) < 0.4
        assert dot == (label == 2)
    assert [len(split) for split in data.gen_data_yinyang(rng)] == [800, 100, 100]


def test_yinyang_of_other_sizes(engine: Any) -> None:
    (points, *_) = data.gen_data_yinyang(engine.RNG(1), 30, r_small=1.0, r_big=4.0)
    assert all(math.hypot(x, y) <= 2.0 + 1e-9 for (x, y), _ in points)
    for radii in ((0.0, 0.5), (0.25, 0.5), (0.1, math.inf), (math.nan, 0.5), (-0.1, 0.5)):
        with pytest.raises(ValueError, match="r_small"):
            data.gen_data_yinyang(engine.RNG(1), 10, *radii)


def test_moons(engine: Any) -> None:
    splits = data.gen_data_moons(engine.RNG(3), n=101, noise=0.0)
    points = [point for split in splits for point in split]
    assert Counter(label for _, label in points) == {0: 50, 1: 51}
    for (x, y), label in points:
        cx, cy, side = (0.0, 0.0, 1.0) if label == 0 else (1.0, 0.5, -1.0)
        assert math.hypot(x - cx, y - cy) == pytest.approx(1.0, rel=1e-15)  # of sin and cos
        assert side * (y - cy) >= -1e-15
    labels = [label for _, label in points]
    assert labels != sorted(labels)
    noisy = [p for split in data.gen_data_moons(engine.RNG(3), 101, 0.1) for p in split]
    assert [label for _, label in noisy] == labels
    pairs = zip(noisy, points, strict=True)
    shifts = [a - b for (p, _), (q, _) in pairs for a, b in zip(p, q, strict=True)]
    assert 0.08 < (sum(s * s for s in shifts) / len(shifts)) ** 0.5 < 0.12


def test_moons_are_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    for n in (1, 2, 7, 100):
        points, labels = datasets.make_moons(n, shuffle=False, noise=None)
        ours = [point for split in data.gen_data_moons(Plain(), n, 0.0) for point in split]
        # sorted, for one is shuffled; rounded, for NumPy's sin and cos are others
        mine = sorted((*np.round(point, 12), label) for point, label in ours)
        its = sorted((*p, int(t)) for p, t in zip(np.round(points, 12), labels, strict=True))
        assert mine == its


class Plain:
    """A generator of nothing but constants: the least that a data set asks for."""

    def random(self) -> float:
        return 0.5

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * 0.5

    def normal(self, mu: float, sigma: float) -> float:
        return mu


def test_a_line(engine: Any) -> None:
    rng, other = engine.RNG(4), engine.RNG(4)
    points = data.gen_data_linear(rng)
    assert len(points) == 10
    for x, y in points:
        assert x == other.random()
        assert y == 4.0 * x + 3.0 + other.normal(0.0, 0.01)


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(0, (0, 0, 0)), (1, (0, 0, 1)), (5, (4, 0, 1)), (7, (5, 1, 1)), (15, (12, 1, 2)),
     (33, (26, 3, 4)), (100, (80, 10, 10))],
)  # fmt: skip
def test_split_sizes_are_llm101ns(n: int, sizes: tuple[int, ...]) -> None:
    parts = data.split(range(n))
    assert tuple(map(len, parts)) == sizes
    assert [x for part in parts for x in part] == list(range(n))
    assert all(type(part) is list for part in parts)


@pytest.mark.parametrize("make", MAKERS)
def test_any_generator_and_both_engines_alike(make: Any) -> None:
    reference = __import__("pymicrograd.reference", fromlist=["RNG"])
    assert make(pymicrograd.RNG(5), 20) == make(reference.RNG(5), 20)
    assert make(pymicrograd.RNG(5), np.int64(20)) == make(pymicrograd.RNG(5), 20)
    first, second = pymicrograd.RNG(5), pymicrograd.RNG(5)
    make(first, 20)
    assert first.state != second.state
    assert sum(len(part) for part in make(pymicrograd.RNG(5), 0)) == 0
    if make is not data.gen_data_yinyang:  # which waits for points that fit
        make(Plain(), 20)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("n", "error"), [(-1, ValueError), (2.0, TypeError), (True, TypeError),
                                          ("9", TypeError), (None, TypeError)])  # fmt: skip
def test_a_wrong_number_of_points_is_refused(make: Any, n: Any, error: type[Exception]) -> None:
    rng = pymicrograd.RNG(1)
    with pytest.raises(error, match="n is"):
        make(rng, n)
    assert rng.state == 1


@pytest.mark.parametrize("make", [data.gen_data_moons, data.gen_data_linear])
@pytest.mark.parametrize("noise", [-0.1, math.nan, math.inf, "0.1", None])
def test_a_wrong_noise_is_refused(make: Any, noise: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="noise"):
        make(pymicrograd.RNG(1), 10, noise=noise)


def test_the_names_at_the_top() -> None:
    for name in data.HOMES["toys"]:
        assert getattr(pymicrograd, name) is getattr(data, name)


# ---- as Tensors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "pair"),
    [
        (data.gen_data, data.quadrants),
        (data.gen_data_yinyang, data.yinyang),
        (data.gen_data_moons, data.moons),
    ],
)
def test_the_same_points_as_tensors(make: Any, pair: Any) -> None:
    x, y = pair(30, generator=pymicrograd.RNG(5), dtype=pymicrograd.float64)
    points = [point for part in make(pymicrograd.RNG(5), 30) for point in part]
    assert x.tolist() == [list(point) for point, _ in points]
    assert y.tolist() == [label for _, label in points]
    assert pair(30)[0].dtype is pymicrograd.float32 and y.dtype is pymicrograd.int64
    assert pair(0)[0].shape == (0, 2)


def test_circles_spirals_blobs() -> None:
    x, y = data.circles(21, noise=0.0, factor=0.25, dtype=float)
    assert Counter(y.tolist()) == {0: 10, 1: 11}
    for point, label in zip(x.tolist(), y.tolist(), strict=True):
        assert math.hypot(*point) == pytest.approx((1.0, 0.25)[label], rel=1e-12)
    x, y = data.spirals(30, classes=3, noise=0.0, dtype=float)
    assert Counter(y.tolist()) == {0: 10, 1: 10, 2: 10}
    for (a, b), label in zip(x.tolist(), y.tolist(), strict=True):
        turn = math.hypot(a, b) + label / 3 - math.atan2(b, a) / math.tau
        assert turn == pytest.approx(round(turn), abs=1e-12)
    centers = [[0.0, 0.0], [5.0, 5.0]]
    x, y = data.blobs(40, centers, std=0.0)
    assert all(point == centers[c] for point, c in zip(x.tolist(), y.tolist(), strict=True))
    assert sorted(set(data.blobs(40, 4)[1].tolist())) == [0, 1, 2, 3]
    for wrong in (
        lambda: data.circles(5, factor=1.0),
        lambda: data.spirals(5, classes=0),
        lambda: data.blobs(5, 0),
        lambda: data.blobs(5, [[1.0]]),
        lambda: data.moons(-1),
        lambda: data.spirals(5, noise=-1.0),
    ):
        with pytest.raises(ValueError):
            wrong()


@pytest.mark.parametrize("make", [data.moons, data.circles, data.spirals])
def test_rings_take_portable_functions_in_portable_math(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the C library's functions are not to be called, theirs are the digits of no machine."""
    usual = make(31, noise=0.0, generator=pymicrograd.RNG(5), dtype=float)[0]

    def refuse(x: float) -> float:
        raise AssertionError("the C library's")

    pymicrograd.set_math("portable")
    try:
        monkeypatch.setattr(math, "cos", refuse)
        monkeypatch.setattr(math, "sin", refuse)
        portable = make(31, noise=0.0, generator=pymicrograd.RNG(5), dtype=float)[0]
        assert make(0)[0].shape == (0, 2)
    finally:
        pymicrograd.set_math("library")
    assert (usual - portable).abs().max().item() < 1e-15


def test_linear_regression() -> None:
    x, y = data.linear_regression(20, [2.0, -3.5], 1.0, noise=0.0, dtype=float)
    assert x.shape == (20, 2) and y.shape == (20, 1)
    expected = [2.0 * a - 3.5 * b + 1.0 for a, b in x.tolist()]
    assert y.flatten().tolist() == pytest.approx(expected, rel=1e-14)


def test_digits_or_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        images, labels = data.digits()
    except ImportError as error:
        assert "scikit-learn, which is not installed: pip install" in str(error)
    else:
        assert images.shape == (1797, 1, 8, 8) and labels.shape == (1797,)
        assert images.max().item() == 1.0 and sorted(set(labels.tolist())) == list(range(10))
        assert data.digits(flat=True)[0].shape == (1797, 64)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'pymicrograd\[examples\]'"):
        data.digits()


def written_idx(path: Path, array: np.ndarray, compressed: bool = False) -> None:
    """Write a file of the idx format, with the high bytes first."""
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    head = struct.pack(f">4B{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    content = head + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(content) if compressed else content)


def test_files_of_images(tmp_path: Path) -> None:
    for kind in ("u1", "i1", "i2", "i4", "f4", "f8"):
        array = np.arange(24).reshape(2, 3, 4).astype(kind)
        written_idx(tmp_path / "x", array, kind == "f4")
        found = data.read_idx(tmp_path / "x")
        assert found.tolist() == array.tolist() and found.dtype.name == array.dtype.name
    images, labels = np.arange(5 * 6, dtype="u1").reshape(5, 2, 3), np.array([3, 1, 4, 1, 5], "u1")
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train", "t10k"):
        written_idx(raw / f"{name}-images-idx3-ubyte.gz", images, True)
        written_idx(raw / f"{name}-labels-idx1-ubyte", labels)
    x, y = data.mnist(tmp_path)
    assert (
        x.shape == (5, 1, 2, 3) and y.dtype is pymicrograd.int64 and y.tolist() == [3, 1, 4, 1, 5]
    )
    assert x.flatten().tolist() == (pymicrograd.arange(30) / 255).tolist()
    assert data.mnist(tmp_path, train=False, flat=True)[0].shape == (5, 6)
    written_idx(raw / "train-labels-idx1-ubyte", labels[:4])
    with pytest.raises(ValueError, match=r"\(5, 2, 3\) and classes of shape \(4,\)"):
        data.mnist(tmp_path)
    whole = (raw / "t10k-labels-idx1-ubyte").read_bytes()
    packed = (raw / "t10k-images-idx3-ubyte.gz").read_bytes()
    for content, text in (
        (whole[:-1], "13 bytes are needed, and there are 12"), (whole + b"0", "13 bytes"),
        (b"PK" + whole[2:], "no file of the idx format"), (b"", "no file"),
        (whole[:6], "bytes are needed"), (packed[:-9], "the archive is damaged"),
    ):  # fmt: skip
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(ValueError, match=text):
            data.read_idx(tmp_path / "bad")
    with pytest.raises(FileNotFoundError, match="no t10k-images-idx3-ubyte or"):
        data.mnist(tmp_path / "MNIST" / "none", train=False)


def test_split_of_a_tensor_is_pytorchs() -> None:
    x = pymicrograd.arange(10).reshape(5, 2)
    for call in (
        lambda: pymicrograd.split(x, 2),
        lambda: pymicrograd.split(tensor=x, split_size_or_sections=2, dim=0),
        lambda: pymicrograd.split(x, [2, 2, 1]),
    ):
        assert [part.tolist() for part in call()] == [
            [[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9]]
        ]  # fmt: skip
    assert [part.shape for part in pymicrograd.split(x, 1, 1)] == [(5, 1), (5, 1)]
    with pytest.raises(TypeError, match=r"missing: split\(tensor, split_size_or_sections\)"):
        pymicrograd.split(x)
    with pytest.raises(TypeError, match="a Tensor is cut into parts of a length, not list"):
        pymicrograd.split([1, 2, 3], 2)
