"""Tensors from numbers, lists, arrays, other libraries: shared, converted, or refused by name."""

from __future__ import annotations

import array
import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pymicrograd as mg
from pymicrograd._core.library import lib
from pymicrograd.errors import DTypeError, GradientError, ReadOnlyError, ShapeError
from pymicrograd.tensors.bits import as_bits
from pymicrograd.tensors.dtypes import DTYPES

A = np.arange(6.0).reshape(2, 3)


def test_elements_are_as_large_as_the_core_says() -> None:
    assert [kind.number for kind in DTYPES] == list(range(lib.MG_DTYPE_COUNT))
    assert [kind.itemsize for kind in DTYPES] == [lib.mg_dtype_size(kind.number) for kind in DTYPES]


# ---- numbers and lists -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype", "expected"),
    [
        (1, "int64", 1),
        (True, "bool", True),
        (2.5, "float32", 2.5),
        (0.1, "float32", float(np.float32(0.1))),
        ([], "float32", []),
        ([[], []], "float32", [[], []]),
        ([1, 2.5, True], "float32", [1.0, 2.5, 1.0]),
        ([1, True], "int64", [1, 1]),
        (((1, 2), [3, 4]), "int64", [[1, 2], [3, 4]]),
        (range(3), "int64", [0, 1, 2]),
        ([np.float64(1.5), 2], "float64", [1.5, 2.0]),
        ([np.float32(1.5)], "float32", [1.5]),
        (np.int32(7), "int32", 7),
        ([A[0], [1, 2, 3]], "float64", [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]),
        (array.array("d", [1.0, 2.0]), "float64", [1.0, 2.0]),
        (memoryview(A), "float64", A.tolist()),
        (bytearray(b"ab"), "uint8", [97, 98]),
        ([1e400, -1e400], "float32", [float("inf"), float("-inf")]),
        (2**53 + 1, "int64", 2**53 + 1),
    ],
)
def test_numbers_and_lists(data: Any, dtype: str, expected: Any) -> None:
    x = mg.tensor(data)
    assert x.dtype.name == dtype
    assert x.tolist() == expected
    if dtype not in ("int64", "int32") or hasattr(data, "__len__"):  # ints are sizes
        assert mg.Tensor(data).tolist() == expected


@pytest.mark.parametrize(
    ("data", "dtype", "expected"),
    [
        ([1.7, -1.7], "int64", [1, -1]),
        ([0, 2, float("nan")], "bool", [False, True, True]),
        ([255, True], "uint8", [255, 1]),
        ([-128, 127.9], "int8", [-128, 127]),
        ([-32768, 32767], "int16", [-32768, 32767]),
        ([3.4e38, 257, 2.0**-133], "bfloat16", [float("inf"), 256.0, 2.0**-133]),
        ([1, 2], float, [1.0, 2.0]),
        ([2**70], "float64", [2.0**70]),
        ([65504.0, 2049], "float16", [65504.0, 2048.0]),
        (A, np.float32, A.tolist()),
        ([1.5], np.dtype(">f8"), [1.5]),
    ],
)
def test_with_a_dtype(data: Any, dtype: Any, expected: Any) -> None:
    assert mg.tensor(data, dtype=dtype).tolist() == expected


class Liar:
    """A sequence that does not have what its length says."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> int:
        if i:
            raise IndexError(i)
        return 1


def test_sequences_are_read_by_their_items() -> None:
    assert mg.tensor(Liar()).tolist() == [1]
    assert mg.tensor([Liar(), [2]]).tolist() == [[1], [2]]


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


def endless() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


@pytest.mark.parametrize(
    ("data", "dtype", "error", "text"),
    [
        ([[1, 2], [3]], None, ShapeError, r"^row \[1\] has 1 items where others have 2"),
        ([1, [2]], None, ShapeError, r"^item \[1\] is a list of 1 where others are numbers"),
        ([[1], 2], None, ShapeError, r"\[1\] is a number where others are lists"),
        (nested(17), None, ShapeError, "at most 16 axes"),
        (endless(), None, ShapeError, "at most 16 axes"),
        ("abc", None, DTypeError, "str 'abc'"),
        ([None], None, DTypeError, "NoneType"),
        ({1: 2}, None, DTypeError, "dict"),
        (b"ab", None, DTypeError, "bytes"),
        (1j, None, DTypeError, "complex"),
        (mg.Value(1.0), None, DTypeError, "Value"),
        ([1], "complex64", DTypeError, "complex64"),
        ([-1], "uint8", ValueError, "-1 is outside uint8"),
        ([2**31], "int32", ValueError, "outside int32"),
        ([128], "int8", ValueError, "128 is outside int8, -128 to 127"),
        ([-32769], "int16", ValueError, "outside int16"),
        ([2**63], None, ValueError, "outside int64"),
        ([float("nan")], "int64", ValueError, "int64 has no nan"),
        ([10**400], "float64", OverflowError, "too large"),
    ],
)
def test_what_is_no_tensor(data: Any, dtype: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        mg.tensor(data, dtype=dtype)


# ---- arrays ----------------------------------------------------------------------------------

STRANGE: dict[str, Callable[[], Any]] = {
    "byte order": lambda: A.astype(">f8"),
    "unaligned": lambda: np.frombuffer(b"x" + A.tobytes(), "f8", offset=1).reshape(2, 3),
    "field": lambda: np.zeros(6, [("pad", "u1"), ("x", "f8")])["x"],
    "truths of 2": lambda: np.array([2, 1, 0], "u1").view(bool),
    "uint16": lambda: np.array([65535], "u2"),
    "uint32": lambda: np.array([2**32 - 1], "u4"),
}
PLAIN: dict[str, Callable[[], Any]] = {
    "row-major": lambda: A.copy(),
    "reversed": lambda: A[::-1, ::-1],
    "strided": lambda: A[:, ::2],
    "transposed": lambda: A.T,
    "broadcast": lambda: np.broadcast_to(A, (2, 2, 3)),
    "float16": lambda: A.astype("f2"),
    "0-d": lambda: np.array(3.5),
    "empty": lambda: np.zeros((0, 3)),
    "bools": lambda: A > 2,
    "uint8": lambda: A.astype("u1"),
    "int8": lambda: A.astype("i1"),
    "int16": lambda: A.astype("i2"),
}
REFUSED: dict[str, Callable[[], Any]] = {
    "objects": lambda: A.astype(object),
    "complex numbers": lambda: A + 1j,
    "structures": lambda: np.zeros(2, "i4,f4"),
    "dates": lambda: np.zeros(2, "M8[s]"),
    "text": lambda: np.array(["a"]),
    "uint64": lambda: A.astype("u8"),
    "longdouble|float128|elements": lambda: A.astype("g"),
    "masked": lambda: np.ma.array(A, mask=A > 3),  # type: ignore[no-untyped-call]
}


@pytest.mark.parametrize("name", [*PLAIN, *STRANGE])
def test_arrays_keep_their_values(name: str) -> None:
    given = (PLAIN | STRANGE)[name]()
    expected = np.asarray(given)
    expected = expected.view("u1") != 0 if expected.dtype == bool else expected
    for made in (mg.tensor(given), mg.as_tensor(given), mg.tensor([given])[0]):
        assert made.shape == given.shape
        assert np.array_equal(np.asarray(made), expected)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_arrays_are_shared(name: str) -> None:
    given = PLAIN[name]()
    for made in (mg.from_numpy(given), mg.as_tensor(given)):
        assert np.shares_memory(np.asarray(made), given) or not given.size
        assert np.array_equal(np.asarray(made), given)
        assert made.dtype.name == given.dtype.name


@pytest.mark.parametrize("name", STRANGE)
def test_strange_arrays_are_not_shared(name: str) -> None:
    given = STRANGE[name]()
    with pytest.raises(ValueError, match="from_numpy"):
        mg.from_numpy(given)


@pytest.mark.parametrize("text", REFUSED)
def test_arrays_that_are_no_tensor(text: str) -> None:
    for function in (mg.tensor, mg.as_tensor, mg.from_numpy, lambda x: mg.tensor([x])):
        with pytest.raises(DTypeError, match=text):
            function(REFUSED[text]())


def test_what_is_written_shows_on_both_sides() -> None:
    array = A.copy()
    x = mg.from_numpy(array[:, ::-1])
    x[0, 0] = 9.0
    array[1, 1] = 8.0
    assert array[0, 2] == 9.0
    assert x[1, 1].item() == 8.0
    y = mg.tensor([1.0, 2.0])
    for seen in (y.numpy(), np.asarray(y), np.from_dlpack(y)):
        seen[0] += 1.0
    assert y.tolist() == [4.0, 2.0]


def test_read_only_arrays_make_read_only_tensors() -> None:
    array = A.copy()
    array.flags.writeable = False
    x = mg.from_numpy(array)
    changes: list[Callable[[], Any]] = [
        lambda: x.add_(1),
        lambda: x.zero_(),
        lambda: x.__setitem__(0, 1.0),
        lambda: x.__setitem__([0], 1.0),
        lambda: x.reshape(-1).exp_(),
    ]
    for change in changes:
        with pytest.raises(ReadOnlyError):
            change()
    assert not x.numpy().flags.writeable
    assert np.array_equal(array, A)


def test_memory_lives_as_long_as_somebody_uses_it() -> None:
    class Array(np.ndarray):  # type: ignore[type-arg]
        pass

    array = A.copy().view(Array)
    gone = weakref.ref(array)
    x = mg.from_numpy(array)
    row = x[1]
    del array, x
    gc.collect()
    assert row.tolist() == [3.0, 4.0, 5.0]
    del row
    gc.collect()
    assert gone() is None
    seen = np.asarray(mg.tensor([1.0, 2.0]))
    gc.collect()
    assert seen.tolist() == [1.0, 2.0]


def test_an_importer_keeps_memory_that_the_tensor_has_left() -> None:
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    x = mg.zeros(2)
    seen = np.asarray(x)
    x += w  # recorded: x takes on another node
    gc.collect()
    assert seen.tolist() == [0.0, 0.0]
    assert x.tolist() == [1.0, 2.0]


def test_a_tensor_that_requires_grad_does_not_leave_silently() -> None:
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    for x in (w, w * 2):
        for leave in (np.asarray, np.exp, np.array, lambda x: x.numpy()):
            with pytest.raises(RuntimeError, match="requires grad"):
                leave(x)
        with pytest.raises(BufferError, match="require gradient"):
            np.from_dlpack(x)
        with pytest.raises(GradientError):
            mg.tensor([x, x])
        assert x.numpy(force=True).tolist() == x.tolist()


# ---- together with NumPy's arrays and numbers ------------------------------------------------


def test_operators_with_arrays_make_tensors() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    ones = np.ones(2, np.float32)
    results = [
        ones + x, x + ones, ones * x, ones - x, ones / x, ones**x, ones @ x, x @ ones,
        np.float64(2) * x, x * np.float32(2), np.int64(2) - x, x ** np.float64(2),
        np.array(2.0) * x, [1.0, 1.0] * x, x * [1, 1], (1, 1) * x,
    ]  # fmt: skip
    for result in results:
        assert type(result) is mg.Tensor
        assert result.dtype is mg.float32
        assert result.requires_grad
    comparisons = (ones < x, x < ones, ones == x, np.float64(2) > x, ones != x)
    assert [c.tolist() for c in comparisons] == [
        [False, True], [False, False], [True, False], [True, False], [False, True],
    ]  # fmt: skip
    assert (np.ones(2) + x).dtype is mg.float64
    assert (np.ones((3, 1), np.float32) * x).shape == (3, 2)


def test_other_operands_are_left_to_them() -> None:
    class Other:
        def __radd__(self, x: Any) -> str:
            return "added"

        __rmatmul__ = __radd__

    x = mg.ones(2)
    assert x + Other() == "added"
    assert x @ Other() == "added"
    assert (x == None) is False  # noqa: E711
    for wrong in ("a", None, object(), 1j, mg.Value(1.0)):
        with pytest.raises(TypeError):
            x + wrong
        with pytest.raises(TypeError):
            x.add(wrong)
        with pytest.raises(TypeError):
            x.maximum(wrong)
    with pytest.raises(TypeError):
        x @ 2
    with pytest.raises(OverflowError):
        mg.tensor([1]) + 2**70
    assert (mg.tensor([1.0]) + 2**70).item() == 2.0**70


def test_numpys_functions_see_an_array() -> None:
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert np.sum(x.numpy()) == np.sum(x).item() == 10.0
    assert np.mean(x, axis=0).tolist() == [2.0, 3.0] and np.prod(x, axis=1).tolist() == [2.0, 12.0]
    assert np.any(x > 3).item() and np.all(x > 3, axis=1).tolist() == [False, False]
    with pytest.raises(TypeError, match=r"^sum: out= is not taken"):
        np.sum(x, out=np.zeros(()))
    assert np.array_equal(np.exp(x), np.exp(np.asarray(x)))
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    copied = np.array(x, copy=True)
    copied[0] = 0
    assert x[0, 0].item() == 1.0
    assert x.__array__(np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="a copy is needed"):
        x.__array__(np.float64, copy=False)
    assert np.asarray(x.T).tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_dlpack_both_ways() -> None:
    x = mg.tensor([[1, 2], [3, 4]]).T
    assert x.__dlpack_device__() == (1, 0)
    seen = np.from_dlpack(x)
    assert seen.tolist() == x.tolist()
    back = mg.from_dlpack(seen)
    back[0, 0] = 7
    assert x[0, 0].item() == 7
    assert mg.from_dlpack(mg.ones(2, 3)).shape == (2, 3)
    for backwards in (x.flip(0), x[::-1], mg.arange(3)[::-2]):  # torch would end the process
        with pytest.raises(BufferError, match=r"strides \(-.* run backwards.* contiguous\(\)"):
            backwards.__dlpack__()
        assert np.from_dlpack(backwards.contiguous()).tolist() == backwards.tolist()
        assert np.shares_memory(np.asarray(backwards), np.asarray(backwards[:1]))


def test_dlpack_with_torch() -> None:
    torch = pytest.importorskip("torch")
    x = mg.tensor([1.0, 2.0])
    seen = torch.from_dlpack(x)
    seen[0] = 5.0
    assert x[0].item() == 5.0
    y = mg.from_dlpack(torch.ones(2, 3).T)
    assert y.shape == (3, 2)
    assert torch.equal(torch.as_tensor(x), seen)
    assert mg.tensor(torch.arange(3)).tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="requires grad"):
        mg.tensor(torch.ones(2, requires_grad=True))


def test_bfloat16_goes_to_torch_and_back() -> None:
    torch = pytest.importorskip("torch")
    numbers = [1.5, -0.0, 2.0**-133, 3.0, float("inf"), float("nan")]
    x, y = mg.tensor(numbers, dtype="bfloat16"), torch.tensor(numbers, dtype=torch.bfloat16)
    seen, back = torch.from_dlpack(x[::2]), mg.from_dlpack(y[::2])
    assert seen.dtype is torch.bfloat16 and back.dtype is mg.bfloat16
    assert torch.equal(seen.view(torch.int16), y[::2].view(torch.int16))
    seen[0] = back[1] = 7.0
    assert x[0].item() == 7.0 and y[2].item() == 7.0
    for made in (mg.tensor(y), mg.tensor([y]), mg.as_tensor(y), mg.zeros(1, dtype=mg.bfloat16) + y):
        assert made.dtype is mg.bfloat16 and made.flatten()[3].item() == 3.0
    assert mg.as_tensor(y).data_ptr() == y.data_ptr() != mg.tensor(y).data_ptr()
    assert mg.tensor([x[0], 1]).dtype is mg.bfloat16 and mg.ones(2)[y[:2].bool().numpy()].sum() == 1


def test_numpy_has_no_bfloat16() -> None:
    x = mg.ones(2, dtype="bfloat16")
    for call in (x.numpy, lambda: np.asarray(x), lambda: np.array([x[0], x[1]])):
        with pytest.raises(TypeError, match=r"unsupported ScalarType BFloat16.*float\(\)"):
            call()
    assert x.float().numpy().tolist() == [1.0, 1.0]


# ---- copies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [kind.name for kind in DTYPES])
def test_copies_and_pickles(dtype: str) -> None:
    x = mg.tensor(A).to(dtype).T
    for made in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone(), copy.copy(x)):
        assert made.tolist() == x.tolist()
        assert made.dtype is x.dtype
        assert (made.data_ptr() == x.data_ptr()) == (made is not x and shares(made, x))
    assert shares(copy.copy(x), x)
    assert not shares(copy.deepcopy(x), x)


def shares(*tensors: Any) -> bool:
    a, b = (as_bits(x) if x.dtype is mg.bfloat16 else np.asarray(x) for x in tensors)
    return bool(np.shares_memory(a, b))


class Parameter(mg.Tensor):
    """A subclass with attributes."""


def test_leaves_are_copied_with_what_they_carry() -> None:
    w = Parameter([1.0, 2.0], requires_grad=True)
    w.label = "w"  # type: ignore[attr-defined]
    (w * w).sum().backward()
    for made in (copy.deepcopy(w), pickle.loads(pickle.dumps(w)), copy.copy(w)):
        assert type(made) is Parameter
        assert made.label == "w"  # type: ignore[attr-defined]
        assert made.requires_grad
        assert made.is_leaf
    copied = copy.deepcopy({"a": w, "b": w})
    assert copied["a"] is copied["b"]
    assert copied["a"].grad is not None
    assert copied["a"].grad.tolist() == [2.0, 4.0]
    for refused in (copy.copy, copy.deepcopy):
        with pytest.raises(GradientError):
            refused(w * 2)
    leaf = pickle.loads(pickle.dumps(w * 2))
    assert (leaf.tolist(), leaf.is_leaf, leaf.requires_grad) == ([2.0, 4.0], True, True)
    assert pickle.loads(pickle.dumps(mg.float32)) is mg.float32
    assert pickle.loads(pickle.dumps(mg.bool_)) is mg.bool_
