"""PyTorch's own samples of its operators, where it is installed: values, gradients, names.

`torch.testing` ships with what PyTorch tests itself: arguments of every operator. Each is called
here under the same name, as a function, a method and in place, and under PyTorch's names of
arguments. `python tests/test_opinfo.py` counts them.
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
from pymicrograd.tensors.teenygrad import TeenygradMethods

torch = pytest.importorskip("torch", reason="the oracle: pip install torch")
pytest.importorskip("expecttest", reason="which torch.testing imports: pip install expecttest")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    operators = pytest.importorskip("torch.testing._internal.common_methods_invocations").op_db

DTYPES = ("float64", "float32", "int64")
SAMPLES = 40
TOLERANCE = {"float64": 1e-9, "float32": 2e-4, "float16": 2e-2, "bfloat16": 2e-2}
# Of which only shape and type can agree.
RANDOM = {
    "bernoulli", "cauchy", "empty", "empty_like", "empty_permuted", "empty_strided", "exponential",
    "geometric", "log_normal", "multinomial", "new_empty", "new_empty_strided", "normal",
    "nn.functional.alpha_dropout", "nn.functional.dropout", "nn.functional.dropout2d",
    "nn.functional.dropout3d", "nn.functional.feature_alpha_dropout", "nn.functional.rrelu",
    "nn.functional.fractional_max_pool2d", "nn.functional.fractional_max_pool3d",
    "nn.functional.multi_head_attention_forward", "rand_like", "randint", "randint_like", "randn",
    "randn_like", "uniform",
}  # fmt: skip
# What differs, and why.
KNOWN = {
    "nn.functional.hardsigmoid": "PyTorch divides its gradient of float64 by 6 in float32",
    "nn.functional.silu": "of -inf it is -0, its limit",
    "nn.functional.gelu": "of -inf it is -0, its limit",
    "as_strided": "it is refused: tensors do not say what lies in memory beside them",
    "resize_": "it is refused: a tensor keeps its number of elements",
    "cov": "PyTorch computes with weights of float32 in float32 beside float64",
    "svd": "the signs of singular vectors are LAPACK's, another library's differ",
    "linalg.svd": "the signs of singular vectors are LAPACK's, another library's differ",
    "linalg.eigh": "the signs of eigenvectors are LAPACK's, another library's differ",
    "matrix_exp": "PyTorch rounds float32 on the way, ours is computed in float64",
    "logcumsumexp": "PyTorch's gradient in float32 is the less exact one, by 5 times",
    "histogramdd": "samples with edges out of order, which PyTorch reads in its own way",
    "linalg.norm": "at 0 the second gradient is finite, PyTorch's is NaN",
}
# Whose gradients PyTorch tests in the variant "grad", where no index stands twice: of one that
# does, only the value that stays has the gradient here, and in PyTorch both.
GRADIENTS_ELSEWHERE = {f"nn.functional.max_unpool{n}d" for n in (1, 2, 3)}
# Whose argument of this place is a triangle: PyTorch tests its gradient there alone, which is not 0
# in the triangle that is not read, as it is here.
TRIANGLES = {"cholesky_inverse": 0, "cholesky_solve": 1}
# Of equal elements any index is right: by the place of their argument dim.
ANY_INDEX = {"kthvalue": 1, "topk": 1, "mode": 0}
# Of int64, and why.
KNOWN_INTEGERS = {
    **dict.fromkeys(
        ("addbmm", "addmv", "baddbmm"), "fractions for beta, which PyTorch cuts to 0 unsaid"
    ),
    "nn.functional.local_response_norm": "PyTorch computes it in integers on the way",
}
KINDS = {getattr(torch, name): name for name in
         ("float16", "float32", "float64", "int64", "int32", "uint8", "bool")}  # fmt: skip


# OpInfos whose operator is made of others, or gets its arguments in another order.
MADE = {
    "nn.functional.embedding": lambda weight, rows, **named: mg.functional.embedding(
        rows, weight, **named
    ),
    "nn.functional.embedding_bag": lambda weight, rows, **named: mg.functional.embedding_bag(
        rows, weight, **named
    ),
    "einsum": lambda tensors, equation: mg.einsum(equation, *tensors),
    "linalg.lstsq grad_oriented": lambda a, b, driver: mg.linalg.lstsq(a, b, driver=driver)[:2],
    "linalg.pinv singular": lambda a, b: mg.linalg.pinv(a @ b.mT),
    "normal in_place": lambda x, mean, std: x.clone().normal_(mean, std),
    "special.polygamma special_polygamma_n_0": lambda x, n: mg.special.polygamma(n, x),
    "where": lambda x, test, other: mg.where(test, x, other),
    **{
        f"polygamma polygamma_n_{n}": lambda x, n: mg.polygamma(n, x) for n in range(5)
    },
}  # fmt: skip


def routes_of(op: Any) -> dict[str, Callable[..., Any]]:
    """Return what there is here of an operator: a function, a method, a method in place."""
    home, _, name = op.name.rpartition(".")
    places = {"nn.functional": mg.functional, "linalg": mg.linalg, "special": mg.special}
    place = {"": mg, "fft": mg.fft, **places}.get(home)
    whole = f"{op.name} {op.variant_test_name}".strip()
    if whole in MADE:
        return {"function": MADE[whole]}
    found = {"function": getattr(place, name, None) if place is not None else None}
    if not home:
        if name not in vars(TeenygradMethods):  # whose uniform() is another
            found["method"] = getattr(mg.Tensor, name, None)
        if op.inplace_variant is not None:
            found["in place"] = getattr(mg.Tensor, name + "_", None)
    if op.name == "zero_":
        found = {"in place": mg.Tensor.zero_}
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
    if isinstance(x, torch.nn.PairwiseDistance):
        return mg.nn.PairwiseDistance(x.norm, x.eps)
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
    assert str(theirs.dtype) == f"torch.{ours.dtype.name}"
    if values:
        near = TOLERANCE.get(ours.dtype.name, 0.0)
        if theirs.dtype is torch.bfloat16:
            theirs, ours = theirs.float(), ours.float()
        a, b = theirs.detach().numpy(force=True), ours.detach().numpy()
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
    values = op.name not in RANDOM and not sample.kwargs.get("dropout_p")
    theirs = op.op if route != "in place" else op.inplace_variant
    first = sample.input.clone() if route == "in place" else sample.input
    mine = args[0].clone() if route == "in place" else args[0]
    try:
        expected = list(tensors_in(theirs(first, *sample.args, **sample.kwargs)))
    except Exception:  # of some samples PyTorch has no in-place form
        return False
    if route == "in place" and expected[0].shape != sample.input.shape:
        return False  # addbmm_ of PyTorch makes a larger tensor
    found = list(tensors_in(call(mine, *args[1:], **named)))
    assert len(expected) == len(found)
    for y, z in zip(expected, found, strict=True):
        compare(y, z, values and not (op.name in ANY_INDEX and z is found[1]))
    if op.name in ANY_INDEX:
        check_places(op, sample, args[0], *found)
    leaves = [(x, y) for x, y in made.values() if x.requires_grad]
    outputs = [(y, z) for y, z in zip(expected, found, strict=True) if y.requires_grad]
    is_elsewhere = op.name in GRADIENTS_ELSEWHERE and op.variant_test_name != "grad"
    if leaves and outputs and values and not is_elsewhere:
        ys, zs = zip(*outputs, strict=True)
        xs, ours = zip(*leaves, strict=True)
        try:
            wanted = gradients(list(ys), list(xs), torch.autograd.grad)
        except NotImplementedError:  # as of acosh_, which has none
            return True
        found = gradients(list(zs), list(ours), mg.autograd.grad)
        for place, (y, z) in enumerate(zip(wanted, found, strict=True)):
            if TRIANGLES.get(op.name) == place:
                y, z = (x.triu() if sample.kwargs.get("upper") else x.tril() for x in (y, z))
            compare(y, z)
    return True


def check_places(op: Any, sample: Any, x: Any, values: Any, places: Any) -> None:
    """Compare elements with those at the places that are told beside them."""
    given = dict(enumerate(sample.args)).get(ANY_INDEX[op.name], -1)
    dim = sample.kwargs.get("dim", given)
    if places.ndim < x.ndim:
        values, places = values.unsqueeze(dim), places.unsqueeze(dim)
    taken = x.gather(dim, places) if x.ndim else x
    assert taken.tolist() == values.tolist()


HERE = [op for op in operators if routes_of(op)]


def outcomes(op: Any) -> Iterator[tuple[str, Any]]:
    """Yield of each call that can be made its type, and what is raised, None where it agrees."""
    for dtype in DTYPES:
        kind = getattr(torch, dtype)
        if not op.supports_dtype(kind, "cpu"):
            continue
        asks = op.supports_autograd and kind.is_floating_point
        for route, call in routes_of(op).items():
            samples = op.sample_inputs("cpu", kind, requires_grad=asks)
            for sample in itertools.islice(samples, SAMPLES):
                try:
                    if check(op, sample, call, route):
                        yield dtype, None
                except Exception as error:
                    yield dtype, error


def counted(op: Any) -> tuple[collections.Counter[str], Any]:
    """Return how many calls agree, differ for a reason of KNOWN, differ; and one that differs."""
    counts: collections.Counter[str] = collections.Counter()
    wrong = None
    for dtype, error in outcomes(op):
        known = op.name in KNOWN or (dtype == "int64" and op.name in KNOWN_INTEGERS)
        counts["agree" if error is None else "known" if known else "differ"] += 1
        wrong = error if error is not None and not known else wrong
    return counts, wrong


@pytest.mark.all
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", HERE, ids=lambda op: f"{op.name} {op.variant_test_name}".strip())
def test_samples_of_pytorch(op: Any) -> None:
    counts, wrong = counted(op)
    if wrong is not None:
        raise wrong
    without = op.name in ("imag", "where") or op.variant_test_name in ("without_cudnn", "complex")
    assert counts["agree"] or counts["known"] or without


@pytest.mark.all
@pytest.mark.filterwarnings("ignore")
def test_arguments_have_the_names_of_pytorch() -> None:
    schemas = collections.defaultdict(list)
    for schema in torch._C._jit_get_all_schemas():
        if schema.name.startswith("aten::"):
            schemas[schema.name[6:]].append([x.name for x in schema.arguments][1:])
    refused, tried = [], 0
    for op in HERE:
        if op.name in KNOWN:
            continue
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


@pytest.mark.filterwarnings("ignore")
def test_what_pytorch_has_as_function_and_method_is_here_as_both() -> None:
    both = [
        name
        for name in dir(torch)
        if name[0] != "_" and callable(getattr(torch, name)) and hasattr(torch.Tensor, name)
    ]
    halves = [name for name in both if hasattr(mg, name) != hasattr(mg.Tensor, name)]
    assert halves == ["imag"]  # which is refused, there are no complex numbers
    assert sum(hasattr(mg, name) for name in both) > 300


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    total: collections.Counter[str] = collections.Counter()
    for op in HERE:
        counts, wrong = counted(op)
        total += counts
        if counts["known"] or wrong is not None:
            print(op.name, op.variant_test_name, dict(counts), str(wrong or "").split("\n")[0])
    print(f"{len(HERE)} of {len(operators)} operators are here: {dict(total)}")
