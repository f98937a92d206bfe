"""What methods of Tensors say of wrong arguments: the method, the argument, the rule."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pymicrograd import Tensor, cat, from_numpy, functional, grad, ones, stack, tensor, where, zeros
from pymicrograd.errors import DTypeError, ShapeError, ViewError

X, V = ones(2, 3), ones(3)
LEAF, USED = ones(2, requires_grad=True), ones(3, requires_grad=True)
WEIGHT = ones(2, 3, requires_grad=True)
FIRST = zeros(1, 3, dtype="int64")
TRUTHS = tensor([True, False])

CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: tensor([1, 2]).exp_(), TypeError, "exp_: the result cannot be written into int64"),
    (lambda: tensor([True]).neg_(), TypeError, "neg_: the result cannot be written into bool"),
    (lambda: tensor([]).amax(), ValueError, "amax: shape (0,) has no elements along axis 0"),
    (lambda: zeros(2, 0).amin((0, 1)), ValueError, "shape (2, 0) has no elements along axis 1"),
    (lambda: zeros(2, 0).argmin(1), ValueError, "shape (2, 0) has no elements along axis 1"),
    (lambda: tensor([]).max(0), ValueError, "shape (0,) has no elements along axis 0"),
    (lambda: tensor([]).amax(), IndexError, "amax: shape (0,) has no elements along axis 0"),
    (lambda: tensor([4]).div_(2), TypeError, "use floor_divide_(), or cast with float()"),
    (lambda: where(tensor([True]), 1.0), TypeError, "input and other go together"),
    (lambda: tensor(5.0).gather(0, tensor(3)), IndexError, "index 3 is out of range for axis 0"),
    (lambda: ones([1] * 16).expand([2] + [1] * 16), ValueError, "17 axes; at most 16 axes"),
    (lambda: ones([1] * 16).unsqueeze(0), ValueError, "17 axes; at most 16 axes"),
    (
        lambda: ones([1] * 9)[zeros([1] * 9, dtype="int64")],
        ValueError,
        "give 17 axes; at most 16 axes",
    ),
    (
        lambda: grad(USED.sum(), (USED, LEAF)),
        RuntimeError,
        "the outputs do not depend on input 1 (shape (2,)); allow_unused=True",
    ),
    (lambda: grad(LEAF.sum(), (LEAF, X)), RuntimeError, "input 1 (shape (2, 3)) does not require"),
    (
        lambda: functional.cross_entropy(X, tensor([[1, 0, 0], [0, 1, 0]])),
        ValueError,
        "one-hot rows; it takes their numbers, target.argmax(1), or floats",
    ),
    (lambda: X.roll((1, 2), 0), ValueError, "roll: shifts (1, 2) and axes 0 differ in number"),
    (lambda: X.roll((1, 2)), ValueError, "roll: shifts (1, 2) need as many axes"),
    (lambda: X.roll(1.5), TypeError, "roll: ints are needed"),
    (lambda: X.chunk(0), ValueError, "chunk: the number of pieces is at least 1, not 0"),
    (lambda: X.chunk(1.5), TypeError, "chunk: the number of pieces is an int, not 1.5"),  # type: ignore[arg-type]
    (lambda: X.split(0), ValueError, "split: a piece has at least 1 item, not 0"),
    (lambda: X.split([3, -1]), ValueError, "split: sizes are not negative, as in [3, -1]"),
    (lambda: V.dot(ones(4)), ValueError, "dot: shapes (3,) and (4,) do not fit"),
    (lambda: X.mm(X), ValueError, "mm: shapes (2, 3) and (2, 3) do not fit"),
    (lambda: X.mv(ones(2)), ValueError, "mv: shapes (2, 3) and (2,) do not fit"),
    (lambda: X[None].bmm(X[None]), ValueError, "bmm: shapes (1, 2, 3) and (1, 2, 3) do not fit"),
    (lambda: X.sum("a"), TypeError, "sum: an axis is an int, not 'a'"),
    (lambda: X.sum(1.5), TypeError, "sum: an axis is an int, not 1.5"),
    (lambda: X.transpose(0, "a"), TypeError, "transpose: an axis is an int, not 'a'"),  # type: ignore[arg-type]
    (lambda: X.clone().clamp_(), ValueError, "clamp_: at least one of min and max is needed"),
    (lambda: X.index_add(0, tensor([[0]]), X), ValueError, "index_add: indices are a vector"),
    (lambda: X.masked_select(TRUTHS), ShapeError, "masked_select: shapes (2,) and (2, 3) cannot"),
    # In place: not the copy that ends each of them.
    (lambda: WEIGHT.fill_(1), RuntimeError, "fill_: a leaf Tensor that requires grad"),
    (lambda: WEIGHT.zero_(), RuntimeError, "zero_: a leaf Tensor that requires grad"),
    (lambda: WEIGHT.uniform_(), RuntimeError, "uniform_: a leaf Tensor that requires grad"),
    (lambda: WEIGHT.normal_(), RuntimeError, "normal_: a leaf Tensor that requires grad"),
    (lambda: WEIGHT.clip_(0), RuntimeError, "clip_: a leaf Tensor that requires grad"),
    (lambda: WEIGHT.masked_fill_(X > 0, 1), RuntimeError, "masked_fill_: a leaf Tensor"),
    (lambda: WEIGHT.scatter_add_(0, FIRST, X), RuntimeError, "scatter_add_: a leaf Tensor"),
    (lambda: X.clone().copy_("a"), DTypeError, "copy_: str 'a' is no number"),
    (lambda: X.clone().fill_("a"), DTypeError, "fill_: str 'a' is no number"),
    (lambda: X.clone().fill_(V), ShapeError, "fill_: a value has no axes, not shape (3,)"),
    (lambda: X.clone().fill_([1.0, 2.0, 3.0]), ShapeError, "fill_: a value has no axes"),
    (lambda: X.clone().uniform_("a"), TypeError, "uniform_: a parameter is a number, not 'a'"),  # type: ignore[arg-type]
    (lambda: X.clone().masked_fill_(TRUTHS, 1), ShapeError, "masked_fill_: shapes (2,) and (2, 3)"),
    (lambda: V.clone().masked_fill_(X > 0, 1), ShapeError, "masked_fill_: shape (2, 3) cannot be"),
    (lambda: X.clone().scatter_add_(0, FIRST + 5, X), IndexError, "scatter_add_: index 5 is out"),
    (lambda: X.clone().clamp_(0.0, TRUTHS), ShapeError, "clamp_: shapes (2, 3) and (2,) cannot be"),
    (lambda: tensor([1]).clamp_(0, 1.5), DTypeError, "clamp_: cannot write float32 into int64"),
    # Methods that are made of others.
    (lambda: X.clamp(TRUTHS), ShapeError, "clamp: shapes (2, 3) and (2,) cannot be broadcast"),
    (lambda: X.clamp(0.0, TRUTHS), ShapeError, "clamp: shapes (2, 3) and (2,) cannot be"),
    (lambda: X.clip(max="a"), TypeError, "clip: <class 'str'> is neither a tensor nor a number"),
    (lambda: X.masked_fill(TRUTHS, 1), ShapeError, "masked_fill: shapes (2,) and (2, 3) cannot be"),
    (lambda: X.masked_fill(X > 0, "a"), DTypeError, "masked_fill: str 'a' is no number"),
    (lambda: X.where(X > 0, "a"), DTypeError, "where: str 'a' is no number"),
    (lambda: X.view(5), ShapeError, "view: shape (2, 3) has 6 elements, shape (5,) has 5"),
    (lambda: X.view(-1, 4), ShapeError, "view: 6 elements have no shape (-1, 4)"),
    (lambda: ones(()).view(-1, 4), ShapeError, "view: 1 element has no shape (-1, 4)"),
    (lambda: X.view(1.5), TypeError, "view: ints are needed"),
    (lambda: X.view_as(V), ShapeError, "view_as: shape (2, 3) has 6 elements"),
    (lambda: X.view_as(3), TypeError, "view_as: a tensor is needed, not 3"),
    (lambda: X.reshape_as(V), ShapeError, "reshape_as: shape (2, 3) has 6 elements"),
    (lambda: X.reshape_as(3), TypeError, "reshape_as: a tensor is needed, not 3"),
    (lambda: X.expand_as(V[:2]), ShapeError, "expand_as: shape (2, 3) cannot be expanded to (2,)"),
    (lambda: X.expand_as(3), TypeError, "expand_as: a tensor is needed, not 3"),
    (lambda: X.type_as(3), TypeError, "type_as: a tensor is needed, not 3"),
    (lambda: X.broadcast_to(2, 4), ShapeError, "broadcast_to: shape (2, 3) cannot be expanded"),
    (lambda: X.swapaxes(0, 5), IndexError, "swapaxes: axis 5 is out of range"),
    (lambda: X.moveaxis(0, 5), IndexError, "moveaxis: axis 5 is out of range"),
    (lambda: X.tile(-1), ShapeError, "tile: (1, -1) does not say how often"),
    (lambda: X.repeat([1] * 17), ShapeError, "repeat: shape (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1"),
    (lambda: ones([1] * 16).unsqueeze(0), ShapeError, "unsqueeze: shape (1, 1, 1, 1, 1, 1, 1, 1,"),
    (lambda: stack([ones([1] * 16)]), ShapeError, "stack: shape (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,"),
    (lambda: zeros(0).max(0), ShapeError, "max: shape (0,) has no elements along axis 0"),
    (lambda: zeros(0).min(), ShapeError, "min: shape (0,) has no elements along axis 0"),
    (lambda: X.tril(1.5), TypeError, "tril: the diagonal is an int, not 1.5"),  # type: ignore[arg-type]
    (lambda: V.triu(), ShapeError, "triu: two axes are needed at least, not shape (3,)"),
    # Arguments.
    (lambda: X.gather(0, 1.5), DTypeError, "gather: indices are integers, not float32"),
    (lambda: X.index_add(0, 1.5, X), DTypeError, "index_add: indices are integers, not float32"),
    (lambda: X.take_along_dim(FIRST[0], 0), ShapeError, "take_along_dim: indices of shape (3,)"),
    (lambda: X.select(0, 5), IndexError, "select: index 5 is out of range for axis 0 of size 2"),
    (lambda: X.select(0, 1.5), TypeError, "select: an index is an int, not 1.5"),  # type: ignore[arg-type]
    (lambda: X.narrow(0, 1.5, 1), TypeError, "narrow: the start is an int, not 1.5"),  # type: ignore[arg-type]
    (lambda: X.round(1.5), TypeError, "round: the number of decimals is an int, not 1.5"),  # type: ignore[arg-type]
    (lambda: tensor([1]).round("a"), TypeError, "round: the number of decimals is an int"),  # type: ignore[arg-type]
    (lambda: V.sum(1), IndexError, "sum: axis 1 is out of range for a tensor of 1 axis, from -1"),
    (lambda: cat(3), TypeError, "cat: a sequence of tensors is needed, not 3"),  # type: ignore[arg-type]
    (lambda: V[FIRST[0], TRUTHS], IndexError, "too many indices"),
    (lambda: X[FIRST[0], tensor([0, 1])], IndexError, "indices of shapes (3,) and (2,) cannot be"),
    (lambda: setattr(ones(2), "data", V), ShapeError, "data: shape (3,) is not the tensor's, (2,)"),
    (lambda: setattr(ones(2), "data", zeros(2).double()), DTypeError, "data: float64 is not the"),
    (lambda: V.expand(2, 3).fill_(1), ViewError, "fill_: elements of shape (2, 3) and strides (0,"),
    (lambda: V.expand(2, 3).exp_(), ViewError, "exp_: elements of shape (2, 3) and strides (0, 1)"),
]


@pytest.mark.parametrize("case", CASES, ids=[text for _, _, text in CASES])
def test_a_message_names_the_method_and_the_rule(case: Any) -> None:
    call, error, text = case
    with pytest.raises(error, match=re.escape(text)):
        call()


def test_a_refused_call_in_place_changes_nothing() -> None:
    x = tensor([1, 2])
    with pytest.raises(TypeError):
        x.exp_()
    assert isinstance(x, Tensor) and x.tolist() == [1, 2]


@pytest.mark.parametrize("bounds", [(0.5, "a"), (2.0, TRUTHS), (2, 2**2000)], ids=str)
def test_a_second_bound_that_is_refused_leaves_the_elements(bounds: Any) -> None:
    x = ones(2, 3)
    with pytest.raises((TypeError, ShapeError, OverflowError)):
        x.clamp_(*bounds)
    assert x.tolist() == ones(2, 3).tolist()


@pytest.mark.parametrize("bounds", [(0, 1), (0.0, 1.0), (zeros(()), ones(3)), (0, None)], ids=str)
def test_clamp_in_place_is_clamp(bounds: Any) -> None:
    x = tensor([[-1.0, 0.5, 2.0]])
    assert x.clone().clamp_(*bounds).tolist() == x.clamp(*bounds).tolist()


CHANGES: dict[str, Callable[[Tensor], Any]] = {
    "fill_": lambda x: x.fill_(0),
    "zero_": lambda x: x.zero_(),
    "uniform_": lambda x: x.uniform_(),
    "normal_": lambda x: x.normal_(),
    "masked_fill_": lambda x: x.masked_fill_(X > 0, 0),
    "scatter_add_": lambda x: x.scatter_add_(0, FIRST, X),
    "copy_": lambda x: x.copy_(X),
    "clamp_": lambda x: x.clamp_(2),
    "data": lambda x: setattr(x, "data", X * 2),
}


@pytest.mark.parametrize("name", CHANGES)
def test_memory_that_is_read_only_is_refused_by_the_name_of_the_method(name: str) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.ones((2, 3), "float32")
    array.setflags(write=False)
    with pytest.raises(ValueError, match=f"^{name}: the memory is read-only"):
        CHANGES[name](from_numpy(array))
    assert array.tolist() == X.tolist()
