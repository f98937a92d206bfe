"""Weights in .npz files: bits survive, damaged or foreign files change nothing and run nothing."""

from __future__ import annotations

import importlib
import io
import itertools
import os
import pickle
import re
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import fuzz_loader
import numpy as np
import pytest

from pymicrograd.saving import npz

# Quiet NaNs with a payload, both zeros, the smallest and the largest numbers, full mantissas.
HOSTILE_BITS = (
    0x7FF8000000000000, 0xFFF80000DEADBEEF, 0x8000000000000000, 0x0000000000000000,
    0x0000000000000001, 0x800FFFFFFFFFFFFF, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000,
    0xFFF0000000000000, 0x3FD5555555555555, 0xBFB999999999999A, 0x3FF0000000000001,
)  # fmt: skip


def hostile_floats(count: int) -> list[float]:
    """Return count floats of hostile bits, round and round."""
    bits = [HOSTILE_BITS[k % len(HOSTILE_BITS)] for k in range(count)]
    return list(struct.unpack(f"<{count}d", struct.pack(f"<{count}Q", *bits)))


def bits(numbers: Any) -> bytes:
    """Return the bytes of float64 numbers."""
    return np.asarray(numbers, dtype="<f8").tobytes()


@pytest.fixture(params=["pymicrograd", "pymicrograd.reference"])
def engine(request: pytest.FixtureRequest) -> Any:
    """Return the C engine, then the reference."""
    return importlib.import_module(request.param)


@pytest.fixture
def model(engine: Any) -> Any:
    """Return a small MLP with seeded weights."""
    return engine.MLP(2, [4, 3], rng=engine.RNG(7))


def weights(model: Any) -> list[float]:
    """Return the parameters' data."""
    return [p.data for p in model.parameters()]


def write_npz(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    """Write a zip archive of raw members."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(array: Any, **options: Any) -> bytes:
    """Return the bytes of an .npy file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), **options)
    return buffer.getvalue()


# ---- round trips -------------------------------------------------------------------------------


def test_every_bit_of_the_weights_survives(engine: Any, model: Any, tmp_path: Path) -> None:
    numbers = hostile_floats(len(model.parameters()))
    for parameter, number in zip(model.parameters(), numbers, strict=True):
        parameter.data = number
    npz.save(model, tmp_path / "w.npz")
    other = engine.MLP(2, [4, 3], rng=engine.RNG(8))
    npz.load_weights(other, tmp_path / "w.npz")
    assert bits(weights(other)) == bits(numbers)


def test_arrays_are_named_by_layer_and_shaped_like_torchs(model: Any, tmp_path: Path) -> None:
    npz.save(model, tmp_path / "w.npz")
    arrays = npz.load(tmp_path / "w.npz")
    assert {name: array.shape for name, array in arrays.items()} == {
        "layers.0.weight": (4, 2),
        "layers.0.bias": (4,),
        "layers.1.weight": (3, 4),
        "layers.1.bias": (3,),
    }
    neuron = model.layers[1].neurons[2]
    assert arrays["layers.1.weight"][2].tolist() == [w.data for w in neuron.w]
    assert arrays["layers.1.bias"][2] == neuron.b.data
    assert all(array.dtype == np.float64 for array in arrays.values())


def test_layers_and_neurons_alone(engine: Any, model: Any) -> None:
    for part in (model.layers[0], model.layers[0].neurons[1]):
        state = {name: array + 1.0 for name, array in npz.state_dict(part).items()}
        before = [p.data for p in part.parameters()]
        npz.load_state_dict(part, state)
        assert [p.data for p in part.parameters()] == [number + 1.0 for number in before]


def test_weights_are_floats_of_python_after_loading(model: Any, tmp_path: Path) -> None:
    npz.save(model, tmp_path / "w.npz")
    npz.load_weights(model, tmp_path / "w.npz")
    assert {type(number) for number in weights(model)} == {float}


def test_both_engines_read_each_other(tmp_path: Path) -> None:
    names = ("pymicrograd", "pymicrograd.reference")
    first, second = (importlib.import_module(name) for name in names)
    for source, target in ((first, second), (second, first)):
        mine = source.MLP(3, [5, 2], rng=source.RNG(1))
        its = target.MLP(3, [5, 2], rng=target.RNG(2))
        npz.save(mine, tmp_path / "w.npz")
        npz.load_weights(its, tmp_path / "w.npz")
        assert weights(mine) == weights(its)


def test_numpy_reads_what_we_write_and_we_what_it_writes(model: Any, tmp_path: Path) -> None:
    npz.save(model, tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    ours = npz.state_dict(model)
    assert {n: a.tolist() for n, a in arrays.items()} == {n: a.tolist() for n, a in ours.items()}
    np.savez(tmp_path / "theirs.npz", **arrays)
    theirs = npz.load(tmp_path / "theirs.npz")
    assert {n: a.tolist() for n, a in theirs.items()} == {n: a.tolist() for n, a in ours.items()}


def test_the_same_weights_make_the_same_bytes(model: Any, tmp_path: Path) -> None:
    npz.save(model, tmp_path / "a.npz")
    npz.save(npz.state_dict(model), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3)),
        np.array(2.5),
        np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
        np.arange(12.0)[::-2],
        np.array([1.5, -0.0], dtype=">f8"),
        np.array([0.1], dtype=np.float32),
        [1.0, 2.0],
    ],
    ids=["empty", "scalar", "by column", "strided", "big-endian", "float32", "list"],
)
def test_arrays_of_any_layout(array: Any, tmp_path: Path) -> None:
    npz.save({"file": array, "allow_pickle": array}, tmp_path / "w.npz")
    arrays = npz.load(tmp_path / "w.npz")
    assert list(arrays) == ["file", "allow_pickle"]
    for loaded in arrays.values():
        assert loaded.shape == np.shape(array)
        assert bits(loaded) == bits(array)
        assert loaded.flags.writeable and loaded.flags.c_contiguous


def test_arrays_by_column_and_big_endian_are_read(tmp_path: Path) -> None:
    array = np.arange(6.0).reshape(2, 3) / 7.0
    members = {"f.npy": npy(np.asfortranarray(array)), "b.npy": npy(array.astype(">f8"))}
    arrays = npz.load(write_npz(tmp_path / "w.npz", members))
    assert bits(arrays["f"]) == bits(arrays["b"]) == bits(array)


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda s: s.pop("layers.0.bias"), 'Missing .* "layers.0.bias"'),
        (lambda s: s.update(extra=np.zeros(2)), 'Unexpected .* "extra"'),
        (lambda s: s.update({"layers.1.bias": np.zeros(2)}), r"layers.1.bias: .* shape \(2,\)"),
        (lambda s: s.update({"layers.1.bias": np.zeros((3, 1))}), r"model is \(3,\)"),
        (lambda s: s.update({"layers.1.bias": np.zeros(3, dtype=int)}), "dtype int64"),
        (lambda s: s.update({"layers.1.bias": np.zeros(3, dtype=complex)}), "dtype complex128"),
        (lambda s: s.update({"layers.1.bias": np.array([None] * 3)}), "dtype object"),
        (lambda s: s.update({"layers.1.bias": ["1", "2", "3"]}), "dtype <U1"),
    ],
    ids=["missing", "unknown", "short", "2-d", "int", "complex", "object", "text"],
)
def test_a_state_that_does_not_fit_changes_nothing(model: Any, change: Any, rule: str) -> None:
    state = {name: array + 1.0 for name, array in npz.state_dict(model).items()}
    change(state)
    before = weights(model)
    with pytest.raises(ValueError, match=rule):
        npz.load_state_dict(model, state)
    assert weights(model) == before


def test_a_file_of_another_network_is_named(engine: Any, model: Any, tmp_path: Path) -> None:
    npz.save(engine.MLP(2, [5, 3], rng=engine.RNG(1)), tmp_path / "other.npz")
    before = weights(model)
    with pytest.raises(ValueError, match=r"other\.npz: .*\n.*layers\.0\.weight: .* shape \(5, 2\)"):
        npz.load_weights(model, tmp_path / "other.npz")
    assert weights(model) == before


class Trap:
    """An object whose unpickling would be seen."""

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return (setattr_on_sys, ("pymicrograd_trap", "sprung"))


def setattr_on_sys(name: str, text: str) -> None:
    """Leave a trace."""
    setattr(sys, name, text)


def header(text: str) -> bytes:
    """Return the start of an .npy file with a header of our own."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


SHAPE = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }\n"
HOSTILE_FILES = {
    "empty file": (b"", "not a zip archive"),
    "text": (b"weights\n", "not a zip archive"),
    "an .npy file": (npy([1.0]), "not a zip archive"),
    "pickle": (pickle.dumps(Trap()), "a pickle"),
    "cut zip": (b"PK\x03\x04" + bytes(40), "zip archive"),
}
HOSTILE_MEMBERS = {
    "no suffix": ({"weight": npy([1.0])}, "not an .npy file"),
    "torch": ({"archive/data.pkl": pickle.dumps(Trap())}, "not an .npy file"),
    "pickled array": (
        {"w.npy": npy(np.array([Trap()], dtype=object), allow_pickle=True)},
        "holds pickled objects",
    ),
    "ints": ({"w.npy": npy([1, 2])}, "dtype int64"),
    "structure": ({"w.npy": npy(np.zeros(2, dtype=[("a", "f8")]))}, "float64 expected"),
    "version 2": ({"w.npy": npy([1.0], version=(2, 0))}, "npy 1.0 header"),
    "no header": ({"w.npy": b"12345678"}, "npy 1.0 header"),
    "too short": ({"w.npy": npy([1.0, 2.0])[:-8]}, "8 bytes for the shape"),
    "too long": ({"w.npy": npy([1.0, 2.0]) + b"12345678"}, "24 bytes for the shape"),
    "huge": ({"w.npy": header(SHAPE % f"({2**62},)")}, "0 bytes for the shape"),
    "wraps to zero": ({"w.npy": header(SHAPE % f"({2**32}, {2**32})")}, "0 bytes for"),
    "truths": ({"w.npy": header(SHAPE % "(True, 1)") + bytes(8)}, "shape of no sizes"),
    "a truth": ({"w.npy": header(SHAPE % "(1, True)") + bytes(8)}, "shape of no sizes"),
    "beside 0": ({"w.npy": header(SHAPE % f"({2**70}, 0)")}, "shape of no sizes"),
    "too large beside 0": ({"w.npy": header(SHAPE % f"({2**62}, {2**62}, 0)")}, "has the shape"),
    "axes": ({"w.npy": header(SHAPE % str((1,) * 100)) + bytes(8)}, "has the shape"),
    "negative": ({"w.npy": header(SHAPE % "(-1, -1)") + bytes(8)}, "for the shape|header"),
    "nested header": ({"w.npy": header("(" * 9000)}, "npy 1.0 header"),
    "code in header": ({"w.npy": header("__import__('sys').exit(3)\n")}, "npy 1.0 header"),
}


@pytest.mark.filterwarnings("ignore:Reading `.npy`")
@pytest.mark.parametrize("name", [*HOSTILE_FILES, *HOSTILE_MEMBERS])
def test_hostile_files_are_refused_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.npz"
    if name in HOSTILE_FILES:
        content, rule = HOSTILE_FILES[name]
        path.write_bytes(content)
    else:
        members, rule = HOSTILE_MEMBERS[name]
        write_npz(path, members)
    with pytest.raises(ValueError, match=rf"hostile\.npz: .*({rule})"):
        npz.load(path)
    assert not hasattr(sys, "pymicrograd_trap")


def test_compressed_and_doubled_members_are_refused(tmp_path: Path) -> None:
    bomb = write_npz(
        tmp_path / "bomb.npz", {"w.npy": npy(np.zeros(10**6))}, compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(ValueError, match="compressed"):
        npz.load(bomb)
    with zipfile.ZipFile(tmp_path / "twice.npz", "w") as archive:
        archive.writestr("w.npy", npy([1.0]))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("w.npy", npy([2.0]))
    with pytest.raises(ValueError, match="two members of one name"):
        npz.load(tmp_path / "twice.npz")


def test_every_cut_and_every_flipped_bit_is_refused(tmp_path: Path) -> None:
    state = {"weight": np.array([[0.1, -0.2], [1e300, 5e-324]]), "bias": np.array([1.5, -0.0])}
    npz.save(state, tmp_path / "good.npz")
    good = (tmp_path / "good.npz").read_bytes()
    path = tmp_path / "bad.npz"
    cuts = [good[:length] for length in range(len(good))]
    flips = []
    for position in range(len(good) * 8):
        flipped = bytearray(good)
        flipped[position // 8] ^= 1 << position % 8
        flips.append(bytes(flipped))
    for content in cuts:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.npz"):
            npz.load(path)
    for content in flips:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.npz"):
            npz.load(path)


KEPT = sorted(fuzz_loader.CORPUS.iterdir())


@pytest.mark.parametrize("kept", KEPT, ids=[path.stem for path in KEPT])
def test_kept_files_of_the_fuzzer(kept: Path, tmp_path: Path) -> None:
    """Each is read, or refused by a rule of ours, not by a text of zipfile alone."""
    rule = fuzz_loader.outcome(kept.read_bytes(), tmp_path / "kept.npz")
    assert (rule == "loaded") == (kept.stem == "loaded")
    assert re.match(r"loaded|member|the zip archive|not an|two members|compressed", rule), rule


def test_random_damage_to_files(tmp_path: Path) -> None:
    for content in itertools.islice(fuzz_loader.inputs(seed=7), 500):
        fuzz_loader.outcome(content, tmp_path / "damaged.npz")


def test_missing_files_and_directories(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        npz.load(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="not a regular file"):
        npz.load(tmp_path)
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(ValueError, match="not a regular file"):
        npz.load(tmp_path / "pipe.npz")


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a\0b", 3])
def test_names_that_cannot_be_members(name: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot name an array"):
        npz.save({name: np.zeros(2)}, tmp_path / "w.npz")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("thing", [3, object(), [1.0]])
def test_other_things_have_no_weights(thing: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a Module, or arrays by name, expected, not"):
        npz.save(thing, tmp_path / "w.npz")


# ---- writing -----------------------------------------------------------------------------------


def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.npz"
    npz.save({"a": np.ones(2)}, path)
    old = path.read_bytes()

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
            patch.setattr(os, function, refuse)
            npz.save({"a": np.zeros(2)}, path)
        assert path.read_bytes() == old
        assert os.listdir(tmp_path) == ["w.npz"]


def test_an_interrupted_save_removes_its_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), npz.replacing(tmp_path / "w.npz") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_the_next_save_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """It removes no file of another path, nor of a save that is under way."""
    source = f"""
import os, signal
from pymicrograd.files import replacing
saves = [replacing(os.path.join({str(tmp_path)!r}, name)) for name in ("w.npz", "other.npz")]
for save in saves:
    save.__enter__().write(b"half")
print(flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", source]).returncode < 0
    assert len(os.listdir(tmp_path)) == 2
    with npz.replacing(tmp_path / "w.npz") as under_way:
        npz.save({"a": np.ones(2)}, tmp_path / "w.npz")
        assert len(os.listdir(tmp_path)) == 3  # w.npz, this one, and that of other.npz
        under_way.write(b"later")
    assert (tmp_path / "w.npz").read_bytes() == b"later"
    npz.save({"a": np.ones(2)}, tmp_path / "other.npz")
    assert sorted(os.listdir(tmp_path)) == ["other.npz", "w.npz"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_replaced_file_keeps_its_permissions(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    npz.save({"a": np.ones(2)}, path)
    path.chmod(mode)
    npz.save({"a": np.zeros(2)}, path)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_mode_follows_the_umask_and_links_stay(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.npz"
    link.symlink_to(tmp_path / "real" / "w.npz")
    old = os.umask(0o027)
    try:
        npz.save({"a": np.ones(2)}, link)
    finally:
        os.umask(old)
    target = tmp_path / "real" / "w.npz"
    assert link.is_symlink() and not target.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert npz.load(link)["a"].tolist() == [1.0, 1.0]


def test_directories_and_devices_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path in (tmp_path, tmp_path / "pipe", loop):
        with pytest.raises(ValueError, match="not a regular file"):
            npz.save({"a": np.ones(2)}, path)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_numpy_is_imported_only_when_needed() -> None:
    import subprocess

    code = "import sys, pymicrograd.saving; print('numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
