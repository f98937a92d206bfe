"""save and load: what is saved comes back, and no damaged or hostile file gives anything."""

from __future__ import annotations

import collections
import hashlib
import io
import json
import math
import os
import pickle
import random
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import fuzz_loader
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pymicrograd as mg
from pymicrograd import data, nn
from pymicrograd.saving import containers, npz
from pymicrograd.tensors.bits import as_bits, from_bits
from pymicrograd.tensors.dtypes import DTYPES
from pymicrograd.tensors.interchange import to_bytes

FORMATS = ("npz", "safetensors")


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return where a file of either format can be."""
    if request.param == "safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"saved.{request.param}"


def told(x: Any) -> Any:
    """Return all that there is to say of what was saved."""
    if isinstance(x, mg.Tensor):
        return "tensor", x.dtype.name, x.shape, x.requires_grad, to_bytes(x.detach())
    if isinstance(x, dict):
        return dict, [(told(key), told(part)) for key, part in x.items()]
    if isinstance(x, (list, tuple)):
        return type(x), [told(part) for part in x]
    return type(x), struct.pack("<d", x) if isinstance(x, float) else x


def back(x: Any, path: Path) -> Any:
    """Return what is saved and loaded."""
    mg.save(x, path)
    return mg.load(path)


# ---- round trips -------------------------------------------------------------------------------

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.builds(lambda n, kind: mg.arange(n).to(kind), st.integers(0, 3),
                st.sampled_from(DTYPES))
)  # fmt: skip
KEYS = st.text() | st.integers() | st.booleans() | st.none() | st.tuples(st.integers(), st.text())
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=60, deadline=None)
@given(x=TREES)
def test_plain_data_and_tensors_come_back(
    x: Any, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if suffix == "safetensors":
        pytest.importorskip("safetensors")
    assert told(back(x, tmp_path_factory.getbasetemp() / f"tree.{suffix}")) == told(x)


def test_numbers_that_are_hard_to_write(path: Path) -> None:
    hard = [
        math.inf,
        -math.inf,
        -0.0,
        5e-324,
        0.1,
        2**64,
        -(2**70),
        "\ud800\0",
        "0" * 64,
        {True: 1, 0: 2},
    ]
    assert told(back(hard, path)) == told(hard)
    assert math.isnan(back(math.nan, path))
    bits = mg.tensor(np.array([0x7FC00001, 0x80000000, 1], dtype=np.uint32).view(np.float32))
    assert told(back(bits, path)) == told(bits)


def test_other_containers_and_numpys_numbers_become_plain(path: Path) -> None:
    Pair = collections.namedtuple("Pair", "a b")
    saved = {
        "default": collections.defaultdict(int, a=1),
        "pair": Pair(1, 2),
        "size": mg.ones(2, 3).shape,
        "numbers": [np.float32(0.5), np.int64(3), np.bool_(True), np.float64(0.1)],
        "array": np.arange(3),
    }
    assert told(back(saved, path)) == told(
        {
            "default": {"a": 1},
            "pair": (1, 2),
            "size": (2, 3),
            "numbers": [0.5, 3, True, 0.1],
            "array": mg.arange(3),
        }
    )


def test_counters_and_ordered_dicts_stay_what_they_are(path: Path) -> None:
    found = back([collections.Counter("abba"), collections.OrderedDict(a=1)], path)
    assert found == [{"a": 2, "b": 2}, {"a": 1}] and found[0]["z"] == 0
    assert [type(x) for x in found] == [collections.Counter, collections.OrderedDict]


def test_a_tensor_at_two_places_is_one_and_gradients_are_wanted_again(path: Path) -> None:
    x = mg.randn(3, requires_grad=True)
    found = back({"a": x, "b": [x], "c": x.T}, path)
    assert found["a"] is found["b"][0] and found["a"].requires_grad and found["a"].is_leaf
    assert not found["c"].requires_grad
    assert found["c"].tolist() == x.tolist()


def test_a_strided_tensor_and_a_scalar(path: Path) -> None:
    x = mg.arange(12.0).reshape(3, 4).T[::2]
    assert told(back([x, mg.tensor(2.5)], path)) == told([x.clone(), mg.tensor(2.5)])


def test_a_module_is_saved_as_its_state(path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    other.load_state_dict(back(model, path))
    assert told(other.state_dict()) == told(model.state_dict())
    values = mg.MLP(2, [3, 1])
    second = mg.MLP(2, [3, 1])
    second.load_state_dict(back(values.state_dict(), path))
    assert [p.data for p in second.parameters()] == [p.data for p in values.parameters()]


def test_files_that_are_open(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    mg.save([1, mg.ones(2)], buffer)
    buffer.seek(0)
    assert told(mg.load(buffer, "cpu", weights_only=True)) == told([1, mg.ones(2)])
    (tmp_path / "any.pth").write_bytes(buffer.getvalue())
    with open(tmp_path / "any.pth", "rb") as file:
        assert told(mg.load(file, map_location=mg.device("cpu"))) == told([1, mg.ones(2)])
    assert told(mg.load(str(tmp_path / "any.pth"))) == told([1, mg.ones(2)])
    with pytest.raises(Exception, match="cuda"):
        mg.load(buffer, "cuda")


def test_numpy_reads_what_we_write_and_we_what_it_writes(tmp_path: Path) -> None:
    state = nn.Linear(2, 3).state_dict()
    mg.save(state, tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz") as archive:
        arrays = {name: archive[name] for name in archive.files if name in state}
    assert {k: a.tolist() for k, a in arrays.items()} == {k: t.tolist() for k, t in state.items()}
    np.savez(tmp_path / "theirs.npz", **arrays, small=np.arange(3, dtype=np.int8))
    found = mg.load(tmp_path / "theirs.npz")
    assert told({k: found[k] for k in state}) == told(dict(state))
    assert found["small"].tolist() == [0, 1, 2]


def test_the_same_data_makes_the_same_bytes(path: Path) -> None:
    x = {"a": mg.arange(5.0), "b": [1, (2, "x")]}
    mg.save(x, path)
    first = path.read_bytes()
    mg.save(x, path)
    assert path.read_bytes() == first


# ---- PyTorch's files ---------------------------------------------------------------------------


def test_safetensors_of_pytorch_and_back(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from safetensors.torch import load_file, save_file

    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    path = tmp_path / "model.safetensors"
    save_file(theirs.state_dict(), path)
    ours.load_state_dict(mg.load(path))
    for name, tensor in theirs.state_dict().items():
        assert ours.state_dict()[name].tolist() == tensor.tolist()
    with mg.no_grad():
        ours[0].weight += 1.0
    mg.save(ours.state_dict(), path)
    theirs.load_state_dict(load_file(path))
    assert theirs[0].weight.tolist() == ours[0].weight.tolist()
    half = {"x": torch.tensor([1.5, -2.0], dtype=torch.bfloat16)}
    save_file(half, path)
    loaded = mg.load(path)
    assert loaded["x"].dtype is mg.bfloat16 and loaded["x"].tolist() == [1.5, -2.0]
    small = {**loaded, "i8": mg.tensor([-3], dtype="int8"), "i16": mg.tensor([300], dtype="int16")}
    mg.save(small, path)
    found = load_file(path)
    assert [str(found[name].dtype)[6:] for name in small] == ["bfloat16", "int8", "int16"]
    assert [found[name].tolist() for name in small] == [[1.5, -2.0], [-3], [300]]


def test_bfloat16_is_float32_to_numpy(tmp_path: Path) -> None:
    x = from_bits(np.array([0x7FC1, 0xFF80, 1, 0x3F80], np.uint16))
    path = tmp_path / "x.npz"
    mg.save({"x": x}, path)
    assert np.load(path)["x"].dtype == np.float32 and np.load(path)["x"][3] == 1.0
    assert as_bits(mg.load(path)["x"]).tolist() == as_bits(x).tolist()
    structure, arrays = containers.flatten({"x": x})
    with pytest.raises(ValueError, match="bfloat16 as float64: float32 expected"):
        containers.unflatten(structure, {name: np.ones(1) for name in arrays})


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_of_pytorch_is_refused_and_can_be_converted(zipped: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = {"w": torch.ones(2, 2)}
    torch.save(state, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        ValueError, match=r"m\.pt: a file of torch\.save.*numpy\.savez\('model"
    ) as e:
        mg.load(tmp_path / "m.pt")
    if not zipped:  # the command is the same
        return
    command = str(e.value).partition("where PyTorch is: ")[2]
    program = f"import numpy, torch; {command}"
    torch.save(state, tmp_path / "model.pt")
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert mg.load(tmp_path / "model.npz")["w"].tolist() == [[1, 1], [1, 1]]


def test_safetensors_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    (tmp_path / "m.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    for call in (
        lambda: mg.save({}, tmp_path / "n.safetensors"),
        lambda: mg.load(tmp_path / "m.safetensors"),
    ):
        with pytest.raises(ImportError, match=r"pip install 'pymicrograd\[interop\]'"):
            call()
    assert os.listdir(tmp_path) == ["m.safetensors"]


# ---- what is refused ---------------------------------------------------------------------------


def itself() -> Any:
    x: list[Any] = []
    x.append(x)
    return x


@pytest.mark.parametrize(
    ("thing", "error", "text"),
    [
        ({"a": [1, object()]}, TypeError, r"x\['a'\]\[1\], of class object: files hold"),
        ([nn.Linear(1, 1)], TypeError, r"x\[0\], of class Linear: .* save its state_dict\(\)"),
        (mg.Value(1.0), TypeError, "cannot save this, of class Value"),
        (1j, TypeError, "complex"),
        (b"bytes", TypeError, "bytes"),
        ({1, 2}, TypeError, "set"),
        ({mg.Value(1.0): 1}, TypeError, "Value"),
        (itself(), ValueError, "more than 100 deep, or in themselves"),
    ],
    ids=["object", "module", "Value", "complex", "bytes", "set", "key", "cycle"],
)
def test_what_is_no_plain_data(thing: Any, error: Any, text: str, path: Path) -> None:
    mg.save([1], path)
    with pytest.raises(error, match=text):
        mg.save(thing, path)
    assert mg.load(path) == [1] and len(os.listdir(path.parent)) == 1


def test_every_cut_and_every_flipped_bit_is_refused(path: Path) -> None:
    mg.save({"w": mg.tensor([0.1, -2.0]), "step": 3}, path)
    good = path.read_bytes()
    damaged = [good[:length] for length in range(len(good))] + [good + b"\0"]
    for position in range(len(good) * 8):
        flipped = bytearray(good)
        flipped[position // 8] ^= 1 << position % 8
        damaged.append(bytes(flipped))
    for content in damaged:
        file = io.BytesIO(content)
        file.name = path.name
        with pytest.raises(ValueError, match=r"^saved\."):
            mg.load(file)


def structured(tree: Any) -> bytes:
    """Return a file with a structure of one's own and the array w."""
    text = tree if isinstance(tree, str) else json.dumps({"format": "pymicrograd 1", "tree": tree})
    return npz.archive_of({"w": np.ones(2)}, text)


HOSTILE = {
    "no JSON": ("{", "no JSON"),
    "deep": ("[" * 100_000, "no JSON"),
    "deep tree": ([[["x"] * 1] * 1], "names 0 of 1 arrays"),
    "another format": ('{"format": "pymicrograd 2", "tree": 1}', "not of the format"),
    "no tree": ('{"format": "pymicrograd 1"}', "not of the format"),
    "no array": ({"tensor": "v"}, "an array 'v', which is missing"),
    "not all": (1, "names 0 of 1 arrays"),
    "class": ({"class": ["os.system"]}, r"has an object of \['class'\]"),
    "two kinds": ({"tuple": [], "dict": []}, "has an object of"),
    "no list": ({"tuple": 1}, "has an object of"),
    "no pairs": ({"dict": [[1]]}, "not of pairs"),
    "key": ({"dict": [[[1], 2]]}, "a key of class list"),
    "equal keys": ({"dict": [[1, 2], [1, 3]]}, "two equal keys"),
    "tensor of ints": ({"tensor": 3}, "has an object of"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_structures(name: str, tmp_path: Path) -> None:
    tree, rule = HOSTILE[name]
    path = tmp_path / "hostile.npz"
    path.write_bytes(structured(tree))
    with pytest.raises(ValueError, match=rf"hostile\.npz: .*{rule}"):
        mg.load(path)


def test_a_structure_that_is_nested_too_deep(tmp_path: Path) -> None:
    tree: Any = {"tensor": "w"}
    for _ in range(150):
        tree = {"tuple": [tree]}
    (tmp_path / "deep.npz").write_bytes(structured(tree))
    with pytest.raises(ValueError, match=r"deep\.npz: its structure is nested too deep"):
        mg.load(tmp_path / "deep.npz")
    deep: Any = 1
    for _ in range(containers.MAX_DEPTH):
        deep = ({0: deep},) if _ % 2 else [deep]
    with pytest.raises(ValueError, match="more than 100 deep"):
        mg.save(deep, tmp_path / "deep.npz")


def test_random_damage_under_a_right_checksum(tmp_path: Path) -> None:
    """Whoever writes a checksum can write anything: it is refused, or read, and nothing else."""
    draw = random.Random(5)
    text, arrays = containers.flatten({"a": [1, (2, None, "t")], 3: mg.ones(2), "w": mg.ones(2)})
    whole = npz.archive_of(arrays, text)
    refused = 0
    for i in range(1000):
        if i % 2:
            damaged = fuzz_loader.changed(text.encode(), draw).decode(errors="replace")
            content = npz.archive_of(arrays, damaged)
        else:
            content = fuzz_loader.changed(whole, draw)[:-64]
            content += hashlib.sha256(content).hexdigest().encode()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mg.load(io.BytesIO(content))
        except ValueError as error:
            assert str(error).startswith("this file: ")
            refused += 1
    assert 800 < refused < 1000


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "not a zip archive"),
        (pickle.dumps([1]), "a file of torch.save, whose pickle could run code"),
        (b"\xff" * 8 + b"{}", "not a zip archive"),
        (b"PK\3\4" + bytes(40), "zip archive"),
        (b"\x93NUMPY\1\0", "not a zip archive"),
    ],
    ids=["empty", "pickle", "long header", "cut zip", "npy"],
)
def test_other_files(content: bytes, rule: str, tmp_path: Path) -> None:
    (tmp_path / "other.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"other\.npz: .*{rule}"):
        mg.load(tmp_path / "other.npz")


SAFETENSORS_HOSTILE = {
    "no JSON": b"{]",
    "offsets": b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,80]}}',
    "overlap": b'{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},'
    b'"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}',
    "huge": b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}',
    "type": b'{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}',
    "no checksum": b'{"__metadata__":{"pymicrograd.structure":"1"},'
    b'"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}',
}


@pytest.mark.parametrize("name", SAFETENSORS_HOSTILE)
def test_hostile_safetensors(name: str, tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    header = SAFETENSORS_HOSTILE[name]
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(ValueError, match=r"hostile\.safetensors: (not an intact|a is of|damaged)"):
        mg.load(path)


# ---- going on ----------------------------------------------------------------------------------


def test_a_checkpoint_has_the_position_of_a_loader(path: Path) -> None:
    loader = data.DataLoader(range(10), 3, shuffle=True)
    batches = iter(loader)
    next(batches)
    state = back({"loader": loader.state_dict(), "rng": mg.get_rng_state()}, path)
    expected = [batch.tolist() for batch in batches]
    other = data.DataLoader(range(10), 3, shuffle=True)
    other.load_state_dict(state["loader"])
    assert [batch.tolist() for batch in other] == expected
    mg.set_rng_state(state["rng"])
