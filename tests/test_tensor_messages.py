"""What methods of Tensors say of wrong arguments: the method, the argument, the rule."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pymicrograd import Tensor, functional, grad, ones, tensor, where, zeros

X, V = ones(2, 3), ones(3)
LEAF, USED = ones(2, requires_grad=True), ones(3, requires_grad=True)

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
        "one-hot rows; it takes their numbers: target.argmax(1)",
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
    (lambda: X.masked_select(tensor([True, False])), IndexError, "masked_select: a mask of shape"),
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
