"""PyTorch's names: keywords, functions of methods, aliases of types, devices, seeds, in place."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import pymicrograd as mg
from pymicrograd.errors import ArgumentError, DTypeError, GradientError

X = [[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]]


def same(a: Any, b: Any) -> bool:
    """Tell whether two results have the same dtype, shape and elements."""
    return a.dtype is b.dtype and a.shape == b.shape and bool((a == b).all())


@pytest.mark.parametrize(
    ("name", "args", "named"),
    [("add", (2.0,), {"other": 2.0}), ("mul", (2.0,), {"other": 2.0}),
     ("pow", (2,), {"exponent": 2}),
     ("clamp_min", (0.0,), {"min": 0.0}), ("clamp_max", (0.0,), {"max": 0.0}),
     ("eq", (1.0,), {"other": 1.0}), ("maximum", (0.0,), {"other": 0.0}),
     ("reshape", (3, 2), {"shape": (3, 2)}), ("view", (3, 2), {"size": (3, 2)}),
     ("permute", (1, 0), {"dims": (1, 0)}), ("transpose", (0, 1), {"dim0": 0, "dim1": 1}),
     ("expand", (4, 2, 3), {"size": (4, 2, 3)}), ("repeat", (2, 1), {"repeats": (2, 1)}),
     ("tile", (2,), {"dims": (2,)}), ("flip", (1,), {"dims": (1,)}),
     ("broadcast_to", ((4, 2, 3),), {"size": (4, 2, 3)})],
)  # fmt: skip
def test_arguments_have_their_names(name: str, args: Any, named: Any) -> None:
    x = mg.tensor(X)
    assert same(getattr(x, name)(**named), getattr(x, name)(*args))
    if hasattr(mg, name):
        assert same(getattr(mg, name)(x, **named), getattr(x, name)(*args))
        assert same(getattr(mg, name)(input=x, **named), getattr(x, name)(*args))
    for wrong in ({"othre": 1}, {**named, "more": 1}):
        with pytest.raises(TypeError, match=r"\bunexpected keyword argument") as caught:
            getattr(x, name)(**wrong)
        said = "expand" if name == "broadcast_to" else name  # one method under two names
        assert "TensorBase" not in str(caught.value) and said in str(caught.value)


def test_products_have_their_names() -> None:
    a = mg.tensor(X)
    assert same(mg.mm(a, mat2=a.T), a @ a.T) and same(a.mv(vec=a[0]), a @ a[0])
    assert same(a[0].dot(tensor=a[1]), a[0] @ a[1]) and same(
        a[0].outer(vec2=a[1]), mg.outer(a[0], a[1])
    )
    assert same(a[None].bmm(mat2=a.T[None]), (a @ a.T)[None])


def test_every_op_without_arguments_refuses_them_by_its_name() -> None:
    for call in (lambda: mg.ones(2).exp(1), lambda: mg.ones(2).sqrt(out=None)):
        with pytest.raises(TypeError, match=r"^Tensor\.") as caught:
            call()
        assert "TensorBase" not in str(caught.value)


@pytest.mark.parametrize("rounding", ["trunc", "floor"])
@pytest.mark.parametrize("kind", ["int64", "float32", "float64"])
def test_quotients_are_rounded(rounding: str, kind: str) -> None:
    a, b = mg.tensor([7, -7, 7, -7, 6], dtype=kind), mg.tensor([2, 2, -2, -2, 3], dtype=kind)
    wanted = [3, -3, -3, 3, 2] if rounding == "trunc" else [3, -4, -4, 3, 2]
    assert same(a.div(b, rounding_mode=rounding), mg.tensor(wanted, dtype=kind))
    assert same(mg.div(a, other=b, rounding_mode=rounding), mg.tensor(wanted, dtype=kind))
    assert same(a.clone().div_(b, rounding_mode=rounding), mg.tensor(wanted, dtype=kind))
    with pytest.raises(ValueError, match="rounding_mode"):
        a.div(b, rounding_mode="up")


def test_every_method_that_is_a_function_is_that_method() -> None:
    x = mg.tensor(X, requires_grad=True)
    for name in mg.HOMES["tensors.functions"]:
        assert callable(getattr(mg, name)), name
        assert (
            name in ("numel", "where")
            or getattr(mg, name).__doc__ == getattr(mg.Tensor, name).__doc__
        )
    assert same(mg.softmax(x, dim=1), x.softmax(1)) and same(mg.sum(x, dim=(0, 1)), x.sum())
    assert mg.exp(x).requires_grad and mg.numel(x) == 6 and mg.is_floating_point(x)
    assert same(mg.sqrt([4.0, 9.0]), mg.tensor([2.0, 3.0]))
    with pytest.raises(TypeError, match=r"out\.copy_\(exp"):
        mg.exp(x, out=mg.zeros(2, 3))


def test_functions_obey_a_subclass() -> None:
    class Loud(mg.Tensor):
        def exp(self) -> Any:
            return "exp"

    assert mg.exp(Loud([1.0])) == "exp"


def test_names_that_are_pythons_stay_pythons() -> None:
    space: dict[str, Any] = {}
    exec("from pymicrograd import *", space)
    assert not {"sum", "max", "abs", "float", "int", "bool"} & set(space)
    assert mg.sum is not sum and {"sum", "float"} <= set(dir(mg))


def test_aliases_of_types() -> None:
    assert (mg.float, mg.double, mg.half) == (mg.float32, mg.float64, mg.float16)
    assert (mg.int, mg.long, mg.bool) == (mg.int32, mg.int64, mg.bool_)
    assert mg.short is mg.int16
    assert mg.zeros(2, dtype=float).dtype is mg.float64
    assert mg.ones(2).to(float).dtype is mg.float64 and mg.ones(2).to(mg.float).dtype is mg.float32
    assert mg.zeros(2, dtype=int).dtype is mg.int64 and mg.zeros(2, dtype=bool).dtype is mg.bool_


def test_devices_are_taken_everywhere_and_only_the_cpu_is() -> None:
    x = mg.ones(2)
    calls = [mg.zeros, mg.ones, mg.empty, mg.rand, mg.randn, mg.eye, mg.arange, mg.randperm]
    for device in ("cpu", None, mg.device("cpu"), x.device):
        for call in calls:
            assert call(2, device=device).device == "cpu"
        for like in (mg.zeros_like, mg.ones_like, mg.rand_like, mg.randn_like, mg.empty_like):
            assert like(x, device=device).shape == (2,)
        assert mg.full_like(x, 3, device=device).tolist() == [3.0, 3.0]
        assert mg.tensor(1.0, device=device) == 1 and x.to(device) is x
    for refused in (
        lambda: mg.eye(2, device="cuda"),
        lambda: mg.device("mps"),
        lambda: x.to("cuda:0"),
        lambda: mg.zeros_like(x, device="meta"),
        x.cuda,
    ):
        with pytest.raises(ValueError, match="the only device is 'cpu'"):
            refused()
    assert x.device.type == "cpu" and x.device.index is None and not x.is_cuda
    assert repr(x.device) == "device(type='cpu')" and f"{x.device}" == "cpu"
    assert mg.device("cuda:0" if x.is_cuda else "cpu") == x.device


def test_a_shape_counts_its_elements() -> None:
    shape = mg.ones(2, 3).shape
    assert type(shape) is mg.Size and shape == (2, 3) and shape.numel() == 6
    assert mg.ones(6).reshape(shape).shape == shape and mg.zeros(shape).shape == shape
    assert pickle.loads(pickle.dumps(shape)) == copy.deepcopy(shape) == (2, 3)
    assert mg.tensor(1.0).shape.numel() == 1 and repr(shape) == "(2, 3)"


def test_any_int_is_a_seed_of_all_numbers() -> None:
    drawn = {}
    for seed in (0, 1, -1, -(2**63), 2**64 - 1, np.int64(-5)):
        mg.manual_seed(seed)
        drawn[seed] = tuple(mg.rand(4).tolist())
    assert len(set(drawn.values())) == len(drawn) - 1  # -1 is 2**64 - 1
    assert drawn[-1] == drawn[2**64 - 1]
    for seed, error in ((2**64, ValueError), (-(2**63) - 1, ValueError), (0.5, TypeError)):
        for manual_seed in (mg.manual_seed, mg.reference.manual_seed):
            with pytest.raises(error, match="a seed is"):
                manual_seed(seed)
    for seed in (0, -7):
        assert mg.manual_seed(seed).random() == mg.reference.manual_seed(seed).random()
    mg.manual_seed(42)


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum"])
@pytest.mark.parametrize("given", ["uint8", "int8", "int16", "int32", "int64", "bool", "float32"])
@pytest.mark.parametrize(
    "wanted", ["uint8", "int8", "int16", "int32", "int64", "bool", "float16", "float64"]
)
def test_reductions_have_the_type_that_is_asked_for(name: str, given: str, wanted: str) -> None:
    x = np.array([3, 0, 120, 100, 120] if name != "prod" else [3, 5, 120, 100]).astype(given)
    found = getattr(mg.tensor(x), name)(dim=0, dtype=wanted)
    assert found.dtype.name == wanted
    with np.errstate(over="ignore"):
        expected = getattr(np, name)(x.astype(wanted), 0, dtype=wanted)
    assert np.array_equal(found.numpy(), expected)


def test_the_larger_of_a_tensor_and_one_number() -> None:
    x = mg.tensor([6, 0])
    assert x.max(mg.tensor(3)).tolist() == [6, 3] and x.min(other=mg.tensor(3)).tolist() == [3, 0]
    assert mg.max(x, mg.tensor(0)).tolist() == [6, 0] and x.max(0).indices == 0


@pytest.mark.parametrize(
    ("name", "args"),
    [("squeeze", ()), ("squeeze", (0,)), ("unsqueeze", (1,)), ("transpose", (0, 2)), ("tril", ()),
     ("triu", (1,)), ("cumsum", (1,)), ("swapaxes", (1, 2)), ("round", (1,)),
     ("index_add", (1, mg.tensor([0, 0]), mg.ones(1, 2, 3)))],
)  # fmt: skip
def test_in_place(name: str, args: Any) -> None:
    leaf = mg.tensor([X], requires_grad=True)
    x = leaf * 1.5
    wanted = getattr(x, name)(*args)
    changed = getattr(x, name + "_")(*args)
    assert changed is x and same(x, wanted)
    (found,) = mg.grad((x * x).sum(), [leaf])
    (expected,) = mg.grad((wanted * wanted).sum(), [leaf])
    assert same(found, expected)
    said = {"swapaxes": "transpose"}.get(name, "copy" if name in COPIED else name)
    with pytest.raises(GradientError, match=f"{said}_: a leaf"):
        getattr(leaf, name + "_")(*args)
    with mg.no_grad():
        assert getattr(leaf, name + "_")(*args).requires_grad


COPIED = ("round",)


def test_a_matrix_is_transposed_in_place() -> None:
    x = mg.tensor(X)
    y = x.detach()
    assert x.t_().shape == (3, 2) and x.data_ptr() == y.data_ptr() and same(x, y.T)


@pytest.mark.parametrize("name", ["floor_", "ceil_", "round_", "trunc_"])
@pytest.mark.parametrize("kind", ["int64", "int32", "int16", "int8", "uint8"])
def test_integers_are_whole(name: str, kind: str) -> None:
    x = mg.tensor([1, 2], dtype=kind)
    assert getattr(x, name)() is x and x.tolist() == [1, 2]


def test_distributions_that_are_none_are_refused() -> None:
    x = mg.ones(3)
    for call in (
        lambda: x.normal_(0, -1),
        lambda: x.normal_(0, np.nan),
        lambda: x.uniform_(2, 1),
        lambda: x.uniform_(**{"from": 2, "to": 1}),
        lambda: mg.randint(3, 3, (2,)),
    ):
        with pytest.raises(ArgumentError, match=r"normal_|uniform_|randint"):
            call()
    assert x.tolist() == [1, 1, 1]
    assert 5 <= x.uniform_(**{"from": 5, "to": 6}).min().item() < 6
    with pytest.raises(TypeError, match="'until'"):
        x.uniform_(until=3)


def test_unknown_names_tell_what_is_near() -> None:
    for name, text in (("mps", "only device"), ("sofmax", "there is softmax"), ("uint16", "int32")):
        with pytest.raises(AttributeError, match=text):
            getattr(mg, name)


def test_the_class_makes_floats_of_numbers_and_takes_sizes() -> None:
    assert mg.Tensor([1, 2, 3]).dtype is mg.float32 and mg.Tensor([[1], [2]]).dtype is mg.float32
    assert mg.Tensor([1, 2], dtype=mg.int64).dtype is mg.int64 and mg.tensor([1]).dtype is mg.int64
    assert mg.Tensor(np.arange(3)).dtype is mg.int64 and mg.Tensor([True]).tolist() == [1.0]
    assert mg.Tensor(2, 3).shape == (2, 3) and mg.Tensor(2, 3, 4).dtype is mg.float32
    assert mg.Tensor([1.0], "float64", True).requires_grad
    assert mg.Tensor(5).shape == (5,) and mg.Tensor(5.0).shape == ()
    with pytest.raises(ValueError, match="negative"):
        mg.Tensor(2, -1)
    with pytest.raises(TypeError, match=r"a number is tensor\(5, ...\)"):
        mg.Tensor(5, requires_grad=True)


def test_slices_and_sums_of_sizes_are_sizes() -> None:
    shape = mg.ones(2, 3, 4).shape
    for part in (shape[1:], shape + (1,), (1,) + shape, shape[:-1] + (5,)):  # noqa: RUF005
        assert type(part) is mg.Size
    assert shape[1:].numel() == 12 and shape[-1] == 4 and type(shape[0]) is int
    assert pickle.loads(pickle.dumps(shape)) == shape == (2, 3, 4)
    with pytest.raises(TypeError):
        shape + [1]  # noqa: RUF005


def test_what_is_cut_or_taken_for_true_is_refused() -> None:
    whole, x = mg.zeros(3, dtype=mg.int64), mg.zeros(2)
    for fill in (whole.uniform_, whole.normal_):
        with pytest.raises(DTypeError, match="_: is for floats, not int64"):
            fill()
    with pytest.raises(DTypeError, match="scatter_add: float32 cannot be added to int64"):
        whole.scatter_add(0, [0], [0.5])
    with pytest.raises(DTypeError, match="index_add_: float32 cannot be added to int64"):
        whole.index_add_(0, [0], [0.5])
    with pytest.raises(DTypeError, match="index_add: float32 cannot be added to int64"):
        whole.index_add(0, [0], [1], alpha=0.5)
    assert whole.tolist() == [0, 0, 0]
    for ask in (x.requires_grad_, lambda on: mg.zeros(2, requires_grad=on)):
        with pytest.raises(TypeError, match="requires_grad is True or False, not 'a'"):
            ask("a")
    with pytest.raises(ArgumentError, match="decimals is from -38 to 38 for float32, not 400"):
        x.round(decimals=400)
    assert mg.tensor(1.23456, dtype=mg.float16).round(decimals=5).item() == 1.234375
    with pytest.raises(DTypeError, match="the weight is of float64, the input of float32"):
        mg.functional.conv2d(mg.ones(1, 1, 2, 2), mg.ones(1, 1, 1, 1, dtype=mg.float64))


def test_ints_are_drawn_below_the_only_bound() -> None:
    mg.manual_seed(3)
    expected = mg.randint(10, (4,)).tolist()
    for call in (
        lambda: mg.randint(10, size=(4,)),
        lambda: mg.randint(0, 10, size=(4,)),
        lambda: mg.randint(high=10, size=(4,)),
        lambda: mg.randint(low=0, high=10, size=(4,)),
    ):
        mg.manual_seed(3)
        assert call().tolist() == expected
    with pytest.raises(TypeError, match="randint: size is missing"):
        mg.randint(size=(4,))


def test_truths_of_uint8_are_uint8() -> None:
    x = mg.tensor([[1, 0], [2, 3]], dtype=mg.uint8)
    assert (x.all(1).dtype, x.all(1).tolist(), x.any().item()) == (mg.uint8, [0, 1], 1)


def test_rates_that_are_no_numbers_are_named() -> None:
    for params in ([mg.ones(2).requires_grad_()], [mg.Value(1.0)]):
        with pytest.raises(TypeError, match=r"lr is a real number, not '0\.1'"):
            mg.Adam(params, lr="0.1")  # type: ignore[arg-type]


def test_softplus_has_a_threshold() -> None:
    x = mg.tensor([-4.0, 0.01, 3.0])
    found = mg.nn.functional.softplus(x, 3, 0.2)
    assert found[2] == 3 and same(found[:2], mg.nn.functional.softplus(x, 3)[:2])
    assert mg.nn.functional.softplus(mg.Value(3.0), 3, 0.2).data == 3.0


def test_split_of_a_tensor_is_the_method() -> None:
    assert [p.shape for p in mg.split(mg.ones(5), [2, 3])] == [(2,), (3,)]
    assert [len(p) for p in mg.split(list(range(10)))] == [8, 1, 1]


def test_sizes_and_ends_by_name() -> None:
    for make in (mg.zeros, mg.ones, mg.empty, mg.rand, mg.randn):
        assert make(size=(2, 3)).shape == make(2, 3).shape == make((2, 3)).shape == (2, 3)
        assert make(size=4).shape == (4,)
        with pytest.raises(TypeError, match="size is given twice"):
            make(2, size=(3,))
    assert mg.arange(end=3).tolist() == [0, 1, 2]
    assert mg.arange(end=3, step=2).tolist() == [0, 2]
    with pytest.raises(TypeError, match="the end is missing"):
        mg.arange()
