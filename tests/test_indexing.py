"""x[key] and x[key] = value against NumPy, integers first as in PyTorch, and their gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pymicrograd as mg
from pymicrograd.autograd import gradcheck, gradgradcheck
from pymicrograd.errors import GradientError, ShapeError, TensorIndexError, ViewError

shapes = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)


@st.composite
def parts(draw: Any, shape: tuple[int, ...]) -> Any:
    """Draw a key for a shape; now and then one that is out of range, or too long."""
    key: list[Any] = []
    axis = dots = 0
    while axis < len(shape) and draw(st.integers(0, 4)):
        size = shape[axis]
        kind = draw(st.sampled_from(["none", "dots", "int", "slice", "array", "list", "mask"]))
        if kind == "none":
            key.append(None)
            continue
        if kind == "dots":
            if not dots:
                key.append(...)
                axis += draw(st.integers(0, len(shape) - axis))
            dots = 1
            continue
        if kind == "int":
            key.append(draw(st.integers(-size - (size == 0), max(size, 1) - 1)))
        elif kind == "slice":
            bound = st.none() | st.integers(-6, 6)
            step = st.sampled_from([None, 1, 2, 3, -1, -2, -3])
            key.append(slice(draw(bound), draw(bound), draw(step)))
        elif kind == "mask":
            count = draw(st.integers(1, min(2, len(shape) - axis)))
            bits = draw(st.integers(0, 2**16 - 1))
            sizes = shape[axis : axis + count]
            flat = [bool(bits >> i % 16 & 1) for i in range(math.prod(sizes))]
            key.append(np.array(flat, bool).reshape(sizes))
            axis += count - 1
        else:
            inner = draw(st.sampled_from([(), (2,), (3,), (2, 3), (1,), (2, 1), (0,)]))
            low = -size if size else 0
            numbers = [draw(st.integers(low, max(size, 1) - 1)) for _ in range(math.prod(inner))]
            array = np.array(numbers, np.int64).reshape(inner)
            key.append(array.tolist() if kind == "list" else array)
        axis += 1
    return tuple(key)


def selected(x: Any, key: Any) -> Any:
    try:
        return x[key]
    except IndexError:
        return None


def integers_first(x: Any, key: Any) -> tuple[Any, Any]:
    """Return a view of an array where a key has integers, and the rest of the key, without `...`.

    What is left is read by NumPy as PyTorch does: to NumPy an integer beside arrays is an array.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = [
        int(p) if np.ndim(p) == 0 and isinstance(p, np.ndarray) and not is_mask(p) else p
        for p in parts
    ]
    axes = [0 if p is None or p is True else np.ndim(p) if is_mask(p) else 1 for p in parts]
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    at = dots[0] if dots else len(parts)
    missing = x.ndim - sum(axes) + len(dots)
    if missing < 0:
        raise IndexError("too many indices")
    parts[at : at + 1] = [slice(None)] * missing
    axes[at : at + 1] = [1] * missing
    first: list[Any] = []
    for part, count in zip(parts, axes, strict=True):
        first += [part] if isinstance(part, int) and count else [slice(None)] * count
    rest = [p for p, count in zip(parts, axes, strict=True) if not (isinstance(p, int) and count)]
    return x[(*first, ...)], tuple(rest)


def is_mask(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype == bool


def layouts(array: np.ndarray[Any, Any], which: int) -> tuple[Any, Any]:
    """Return an array and a Tensor of equal elements, of some strides."""
    if which == 0:
        return array.copy(), mg.tensor(array)
    if which == 1:
        turned = mg.tensor(array.T.copy())
        return array.copy(), turned.T
    wide = np.repeat(array, 2, -1) if array.ndim else array
    return array.copy(), mg.tensor(wide)[..., ::2] if array.ndim else mg.tensor(array)


@given(st.data(), shapes, st.integers(0, 2))
def test_reading_and_writing(data: Any, shape: tuple[int, ...], layout: int) -> None:
    key = data.draw(parts(shape))
    numbers = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    array, x = layouts(numbers, layout)
    try:
        view, rest = integers_first(array, key)
    except IndexError:
        assert selected(x, key) is None
        return
    expected, found = selected(view, rest), selected(x, key)
    assert (expected is None) == (found is None)
    if expected is None:
        return
    assert found.shape == expected.shape
    assert np.array_equal(found.numpy(), expected)
    value = data.draw(st.sampled_from(["all", "one", "row"]))
    shape = {"all": expected.shape, "one": (), "row": expected.shape[-1:]}[value]
    to = -1 - np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    view[rest] = to
    x[key] = to
    assert np.array_equal(x.numpy(), array)


@given(st.data(), st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
def test_gradients_of_reading(data: Any, shape: tuple[int, ...]) -> None:
    key = data.draw(parts(shape))
    numbers = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    if selected(numbers, key) is None:
        return
    x = mg.tensor(numbers, requires_grad=True)
    y = x[key]
    weights = np.arange(1, 1 + math.prod(y.shape), dtype=np.float64).reshape(y.shape)
    y.backward(mg.tensor(weights))
    expected = np.zeros(shape)
    np.add.at(*integers_first(expected, key), weights)
    assert x.grad is not None
    assert np.array_equal(x.grad.numpy(), expected)


KEYS: list[Any] = [
    1, -1, slice(None), slice(0, 2), slice(None, None, -1), (slice(None), 1), (1, 2), ...,
    (..., 0), None, [0, 2], ([0, 2, 0], [1, 1, 3]), (slice(None), [3, 1]),
    (0, slice(None, None, 2)), ([[0], [2]], [1, 3]), (slice(1, None), [0, 0, 2]),
    (None, [1, 0], None, slice(1, 3)), [], np.arange(12).reshape(3, 4) % 5 == 0,
    (np.array([True, False, True]), 2), True,
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_gradients_of_writing(key: Any) -> None:
    numbers = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
    view, rest = integers_first(numbers, key)
    shape = view[rest].shape
    values = np.linspace(2.0, 3.0, math.prod(shape)).reshape(shape)
    x = mg.tensor(numbers, requires_grad=True)
    v = mg.tensor(values, requires_grad=True)

    def written(x: Any, v: Any) -> Any:
        y = x * 1.0
        y[key] = v
        return y * y * x

    expected = replaced(numbers, key, values) ** 2 * numbers
    assert np.array_equal(written(x, v).detach().numpy(), expected)
    assert gradcheck(written, (x, v))
    assert gradgradcheck(written, (x, v))


def test_of_two_values_for_one_place_the_last_counts() -> None:
    v = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = mg.zeros(2)
    y[[0, 1, 0]] = v
    assert y.tolist() == [3.0, 2.0]
    y.backward(mg.tensor([10.0, 20.0]))
    assert v.grad is not None
    assert v.grad.tolist() == [0.0, 20.0, 10.0]


def replaced(array: Any, key: Any, value: Any) -> Any:
    array = array.copy()
    array[key] = value
    return array


def test_a_view_shares_memory_and_an_array_copies() -> None:
    x = mg.zeros(3, 4)
    x[1][2] = 5.0
    x[:, ::2][2, 0] = 6.0
    x.T[3, 0] = 7.0
    x[[0]][0, 0] = 8.0
    assert x.tolist() == [[0, 0, 0, 7], [0, 0, 5, 0], [6, 0, 0, 0]]


def test_other_kinds_of_indices() -> None:
    x = mg.arange(12).reshape(3, 4)
    assert x[np.int64(1), mg.tensor(2)].item() == 6
    mask = mg.tensor([True, False, False, True])
    assert x[mg.tensor([0, 2])][:, mask].tolist() == [[0, 3], [8, 11]]
    with pytest.warns(UserWarning, match="uint8 is read as a mask") as caught:
        assert x[mg.tensor([0, 1, 0], dtype="uint8")].tolist() == [[4, 5, 6, 7]]
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="where: uint8"):
        assert mg.where(mg.tensor([1, 0], dtype="uint8"), 3, 4).tolist() == [3, 4]
    assert x[range(2)].shape == (2, 4)
    assert [row.tolist() for row in x] == x.tolist()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (3, "index 3 is out of range for axis 0 of size 3"),
        ((0, -5), "index -5 is out of range for axis 1 of size 4"),
        ((0, 0, 0), "too many indices: 3 for a tensor of 2 axes"),
        ((..., ...), "one '...'"),
        ([0, 3], "index 3 is out of range for an axis of size 3"),
        ((slice(None), [4, 0]), "index 4"),
        (([0, 1], [0, 9]), "index 9 is out of range for axis 1 of size 4"),
        (([0, 1], [0, 1, 2]), "cannot be broadcast together"),
        ([True, False], "a mask of shape"),
        (1.5, "float"),
        ("a", "str"),
        (mg.tensor([1.0]), "integers or bools, not float32"),
    ],
)
def test_bad_keys(key: Any, text: str) -> None:
    x = mg.arange(12).reshape(3, 4)
    with pytest.raises(TensorIndexError, match=text):
        x[key]
    with pytest.raises(TensorIndexError, match=text):
        x[key] = 0
    assert x.tolist() == mg.arange(12).reshape(3, 4).tolist()


def test_bad_values() -> None:
    x = mg.zeros(3, 4)
    with pytest.raises(ShapeError, match=r"shape \(3,\) cannot be broadcast to .* \(3, 4\)"):
        x[:] = [1.0, 2.0, 3.0]
    with pytest.raises(ShapeError):
        x[[0, 1]] = mg.ones(3, 4)
    assert x.sum().item() == 0.0


def test_leaves_are_not_written_to_outside_no_grad() -> None:
    x = mg.zeros(3, requires_grad=True)
    with pytest.raises(GradientError, match="a leaf Tensor that requires grad"):
        x[0] = 1.0
    with pytest.raises(RuntimeError):
        x[[0]] = 1.0
    with mg.no_grad():
        x[0] = 1.0
        x[[1]] = 2.0
    assert x.tolist() == [1.0, 2.0, 0.0]
    assert x.is_leaf
    assert x.requires_grad


def test_recorded_writes_and_views() -> None:
    w = mg.ones(3, requires_grad=True)
    y = w * 2
    view = y[0:2]
    y[1] = 5.0
    y[[0]] = w.sum()
    y[2] += y[0] * 10  # reads parts of the memory that it writes to
    assert y.tolist() == [3.0, 5.0, 32.0]
    assert view.tolist() == [2.0, 2.0]  # made before, it keeps the old elements
    (y.sum() + 100 * view.sum()).backward()
    assert w.grad is not None
    assert w.grad.tolist() == [211.0, 211.0, 13.0]


def test_a_recorded_write_to_a_view_is_refused() -> None:
    """It would not reach the tensor that the memory belongs to, but for x[key]."""
    w = mg.ones(3, requires_grad=True)
    y, buffer = w * 2, mg.zeros(2, 3)
    with pytest.raises(ViewError):
        y.reshape(3, 1)[[1]] = 5.0
    other = buffer.T
    with pytest.raises(ViewError, match="before other views"):
        buffer[0][1] = w[0]
    with pytest.raises(ViewError):
        buffer[0] += w
    assert not buffer.requires_grad
    assert buffer.sum().item() == 0.0
    del other
    y[0:2][1] = 5.0
    buffer[0][1] = w[0]
    z = (w * 2).reshape(1, 3)  # its base is nobody's
    z[0, 1] = 5.0
    assert y.tolist() == [2.0, 5.0, 2.0]
    (z.sum() + buffer.sum()).backward()
    assert w.grad is not None
    assert w.grad.tolist() == [3.0, 0.0, 2.0]


@pytest.mark.parametrize("key", [None, 1, -2, slice(1, None), (slice(None, None, -1), None), ...])
@pytest.mark.parametrize("index", [int, np.int64], ids=["int", "int64"])
def test_a_recorded_change_of_a_part_goes_on_to_the_whole(key: Any, index: Any) -> None:
    """However many references there are to the part: CPython 3.14 counts none for locals."""
    key = index(key) if isinstance(key, int) else key
    results = []
    for change in ("x[key] *= w", "part *= w", "more.append(part); part *= w", "part.mul_(w)"):
        leaf, w, more = mg.ones(3, requires_grad=True), mg.tensor(5.0, requires_grad=True), []
        x = leaf * 2
        names = {"x": x, "w": w, "key": key, "more": more, "part": x[key]}
        if change.startswith("x"):
            del names["part"]
        exec(change, names)
        part = names.get("part", x[key])
        assert part.tolist() == x[key].tolist()
        (x.sum() + 10 * part.sum()).backward()
        results.append((x.tolist(), leaf.grad.tolist(), w.grad.item()))
    assert len(set(map(str, results))) == 1


def test_a_constant_records_what_is_written_to_its_parts() -> None:
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    changes = (
        "c[0] += w[0]",
        "c[0] = c[0] + w[0]",
        "row = c[:1]; row += w[0]",
        "c[:][0:2][0] = w[0]",
        "part = c[:][:][:]; part[0] = w[0]; part[0] = part[0]",
    )
    for change in changes:
        c = mg.zeros(2)
        exec(change, {"c": c, "w": w})
        assert c.tolist() == [1.0, 0.0]
        (gradient,) = mg.grad((c * mg.tensor([3.0, 5.0])).sum(), w)
        assert gradient.tolist() == [3.0, 0.0]
    sums = mg.zeros(3)
    for i in range(1, 3):
        sums[i] = sums[i - 1] + w[i - 1]
    assert mg.grad(sums.sum(), w)[0].tolist() == [2.0, 1.0]


def test_a_part_of_what_has_changed_since_keeps_the_old_elements() -> None:
    w = mg.ones(3, requires_grad=True)
    y = w * 2
    part = y[:2]
    y += 1
    with pytest.raises(ViewError):
        part *= 5
    assert (y.tolist(), part.tolist()) == ([3.0, 3.0, 3.0], [2.0, 2.0])


def test_parts_of_parts_do_not_keep_what_they_are_of() -> None:
    before = mg.memory_usage()["nodes"]
    x = mg.arange(100)
    while len(x) > 1:
        x = x[1:]
        assert mg.memory_usage()["nodes"] - before <= 10


@pytest.mark.parametrize("count", [17, 64, 65, 100])
def test_keys_of_many_parts(count: int) -> None:
    with pytest.raises((ValueError, TensorIndexError)):
        mg.zeros(2)[(None,) * count]
    assert mg.zeros(2)[(None,) * 7].shape == (1,) * 7 + (2,)


def test_overlapping_parts() -> None:
    x = mg.arange(6)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    x[::-1] = x
    assert x.tolist() == [4, 3, 2, 1, 0, 0]
    x[[0, 1]] = x[4:]
    assert x.tolist() == [0, 0, 2, 1, 0, 0]


DTYPES = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")


@pytest.mark.parametrize("dtype", DTYPES)
@given(st.data(), st.integers(0, 2), st.sampled_from(["plain", "expanded", "turned"]))
def test_positions_of_any_layout_along_any_axis(
    dtype: str, data: Any, axis: int, layout: str
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    shape = (3, 2, 4)
    x, y = (rng.integers(0, 2, shape).astype(dtype) for _ in range(2))
    at = rng.integers(-shape[axis], shape[axis], shape)
    index = mg.tensor(at)
    if layout == "expanded":
        one = tuple(n if i == axis else 1 for i, n in enumerate(shape))
        at = np.broadcast_to(at.ravel()[: shape[axis]].reshape(one), shape)
        index = mg.tensor(at.copy())[tuple(slice(0, n) for n in one)].expand(shape)
    elif layout == "turned":
        index = mg.tensor(np.ascontiguousarray(at.transpose(2, 0, 1))).permute(1, 2, 0)
    places = list(np.indices(shape))
    places[axis] = at
    assert mg.tensor(x).gather(axis, index).tolist() == x[tuple(places)].tolist()
    expected = x.copy()
    np.add.at(expected, tuple(places), y)
    assert mg.tensor(x).scatter_add(axis, index, mg.tensor(y)).tolist() == expected.tolist()
    row = at.ravel()[: shape[axis]] % shape[axis]
    expected = x.copy()
    np.add.at(expected, (slice(None),) * axis + (row,), y)
    assert mg.tensor(x).index_add(axis, mg.tensor(row), mg.tensor(y)).tolist() == expected.tolist()
    found = mg.tensor(x).index_select(axis, mg.tensor(row))
    assert found.tolist() == np.take(x, row, axis).tolist()
