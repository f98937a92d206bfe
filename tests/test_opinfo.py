"""PyTorch's own samples of its operators, where it is installed: values, gradients, names.

`torch.testing` ships with what PyTorch tests itself: arguments of every operator. Each is called
here under the same name, as a function, a method and in place, and under PyTorch's names of
arguments.
"""

from __future__ import annotations

import collections
import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pymicrograd as mg

torch = pytest.importorskip("torch", reason="the oracle: pip install torch")
pytest.importorskip("expecttest", reason="which torch.testing imports: pip install expecttest")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    operators = pytest.importorskip("torch.testing._internal.common_methods_invocations").op_db

DTYPES = ("float64", "float32", "int64")
SAMPLES = 40
TOLERANCE = {"float64": 1e-9, "float32": 2e-4, "float16": 2e-2}
# Of which only shape and type can agree.
RANDOM = {"empty", "empty_like", "normal", "rand_like", "randint", "randn", "randn_like", "uniform"}
# What differs, and why.
KNOWN = {
    "nn.functional.hardsigmoid": "PyTorch divides its gradient of float64 by 6 in float32",
    "nn.functional.silu": "of -inf it is -0, its limit",
    "nn.functional.gelu": "of -inf it is -0, its limit",
}
KINDS = {getattr(torch, name): name for name in
         ("float16", "float32", "float64", "int64", "int32", "uint8", "bool")}  # fmt: skip


def routes_of(op: Any) -> dict[str, Callable[..., Any]]:
    """Return what there is here of an operator: a function, a method, a method in place."""
    home, _, name = op.name.rpartition(".")
    place = {"": mg, "nn.functional": mg.functional}.get(home)
    found = {"function": getattr(place, name, None) if place is not None else None}
    if not home:
        found["method"] = getattr(mg.Tensor, name, None)
        if op.inplace_variant is not None:
            found["in place"] = getattr(mg.Tensor, name + "_", None)
    if op.name == "zero_":
        found = {"in place": mg.Tensor.zero_}
    if op.name == "where":
        found = {"function": lambda x, test, other: mg.where(test, x, other)}
    return {route: call for route, call in found.items() if callable(call)}


class NotHereError(Exception):
    """A sample has what there is not here: complex numbers, a type."""


def as_ours(x: Any, made: dict[int, Any]) -> Any:
    """Return an argument of PyTorch's as one of ours; tensors are noted under their id."""
    if isinstance(x, torch.Tensor):
        if x.dtype not in KINDS or x.layout != torch.strided or x.is_conj() or x.is_neg():
            raise NotHereError
        if id(x) not in made:
            copy = mg.tensor(np.array(x.detach().numpy(), order="C"), dtype=KINDS[x.dtype])
            made[id(x)] = x, copy.requires_grad_() if x.requires_grad else copy
        return made[id(x)][1]
    if isinstance(x, (complex, torch.Generator)) or (isinstance(x, torch.dtype) and x not in KINDS):
        raise NotHereError
    if isinstance(x, torch.dtype):
        return mg.tensors.dtypes.as_dtype(KINDS[x])
    if isinstance(x, (list, tuple)):
        return type(x)([as_ours(item, made) for item in x])
    if isinstance(x, dict):
        return {key: as_ours(item, made) for key, item in x.items()}
    return x


def tensors_in(x: Any) -> Iterator[Any]:
    """Yield the tensors of a result."""
    if isinstance(x, (torch.Tensor, mg.Tensor)):
        yield x
    elif isinstance(x, (list, tuple)):
        for item in x:
            yield from tensors_in(item)


def compare(theirs: Any, ours: Any, values: bool = True) -> None:
    """Compare two tensors."""
    assert tuple(theirs.shape) == tuple(ours.shape)
    assert KINDS[theirs.dtype] == ours.dtype.name
    if values:
        near = TOLERANCE.get(ours.dtype.name, 0.0)
        a, b = theirs.detach().numpy(), ours.detach().numpy()
        assert np.allclose(b, a, rtol=near, atol=near, equal_nan=True)


def gradients(outputs: list[Any], leaves: list[Any], grad: Callable[..., Any]) -> list[Any]:
    """Return the gradients of the sum of outputs, zeros of unused leaves."""
    found = grad(sum(y.sum() for y in outputs), leaves, allow_unused=True)
    return [x.detach() * 0 if g is None else g for x, g in zip(leaves, found, strict=True)]


def check(op: Any, sample: Any, call: Callable[..., Any], route: str) -> bool:
    """Compare one call; tell whether it could be made."""
    made: dict[int, Any] = {}
    try:
        args = as_ours((sample.input, *sample.args), made)
        named = as_ours(sample.kwargs, made)
    except NotHereError:
        return False
    theirs = op.op if route != "in place" else op.inplace_variant
    first = sample.input.clone() if route == "in place" else sample.input
    mine = args[0].clone() if route == "in place" else args[0]
    try:
        expected = list(tensors_in(theirs(first, *sample.args, **sample.kwargs)))
    except Exception:  # of some samples PyTorch has no in-place form
        return False
    found = list(tensors_in(call(mine, *args[1:], **named)))
    assert len(expected) == len(found)
    for y, z in zip(expected, found, strict=True):
        compare(y, z, op.name not in RANDOM)
    leaves = [(x, y) for x, y in made.values() if x.requires_grad]
    outputs = [(y, z) for y, z in zip(expected, found, strict=True) if y.requires_grad]
    if leaves and outputs and op.name not in RANDOM:
        ys, zs = zip(*outputs, strict=True)
        xs, ours = zip(*leaves, strict=True)
        try:
            wanted = gradients(list(ys), list(xs), torch.autograd.grad)
        except NotImplementedError:  # as of acosh_, which has none
            return True
        for y, z in zip(wanted, gradients(list(zs), list(ours), mg.autograd.grad), strict=True):
            compare(y, z)
    return True


HERE = [op for op in operators if routes_of(op)]


@pytest.mark.all
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", HERE, ids=lambda op: f"{op.name} {op.variant_test_name}".strip())
def test_samples_of_pytorch(op: Any) -> None:
    if op.name in KNOWN:
        pytest.skip(KNOWN[op.name])
    tried = 0
    for dtype in DTYPES:
        kind = getattr(torch, dtype)
        if not op.supports_dtype(kind, "cpu"):
            continue
        asks = op.supports_autograd and kind.is_floating_point
        for route, call in routes_of(op).items():
            samples = op.sample_inputs("cpu", kind, requires_grad=asks)
            for sample in itertools.islice(samples, SAMPLES):
                tried += check(op, sample, call, route)
    assert tried or op.name == "where"


@pytest.mark.all
@pytest.mark.filterwarnings("ignore")
def test_arguments_have_the_names_of_pytorch() -> None:
    schemas = collections.defaultdict(list)
    for schema in torch._C._jit_get_all_schemas():
        if schema.name.startswith("aten::"):
            schemas[schema.name[6:]].append([x.name for x in schema.arguments][1:])
    refused, tried = [], 0
    for op in HERE:
        kind = torch.float32 if op.supports_dtype(torch.float32, "cpu") else torch.int64
        home, _, name = op.name.rpartition(".")
        theirs = getattr(torch.nn.functional if home else torch, name, None)
        calls = routes_of(op)
        for sample in itertools.islice(op.sample_inputs("cpu", kind), SAMPLES):
            for names in schemas[name] if sample.args and theirs else ():
                named = dict(zip(names, sample.args, strict=False))
                try:
                    theirs(sample.input, **named, **sample.kwargs)
                    made: dict[int, Any] = {}
                    x, ours = as_ours(sample.input, made), as_ours({**named, **sample.kwargs}, made)
                except Exception:  # which PyTorch refuses, or there is not here
                    continue
                for route, call in calls.items():
                    if route == "in place" or "out" in named or len(named) < len(sample.args):
                        continue
                    tried += 1
                    try:
                        call(x, **ours)
                    except TypeError as error:
                        refused.append((op.name, route, sorted(named), str(error)))
    assert not refused
    assert tried > 500
