"""Comparisons for tests, under PyTorch's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .tensors.conversion import as_tensor

__all__ = ["assert_close"]

# Relative and absolute tolerance, by the type.
TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
}  # fmt: skip


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Any = None,
) -> None:
    """Raise unless Tensors, numbers, or all in two containers, are near each other.

    Args:
        actual, expected: of one shape and type.
        rtol, atol: abs(actual - expected) is at most atol + rtol * abs(expected); by default as
            the type has digits: for float32 1.3e-6 and 1e-5, for float64 1e-7.
        equal_nan: NaN is near NaN. check_dtype: the types are the same.
        msg: the error's text, or a function of it; the other options change nothing.

    Raises:
        AssertionError: they are not.
        ValueError: one of rtol and atol is given without the other.
    """
    options = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan, "check_dtype": check_dtype}
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: rtol and atol are given together")
    text = difference(actual, expected, options)
    if text:
        raise AssertionError(msg(text) if callable(msg) else msg or text)


def difference(actual: Any, expected: Any, options: Any) -> str:
    """Return how two things differ, or nothing."""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            return f"the keys {list(actual)} and {list(expected)} differ"
        pairs = [(f"[{key!r}]", x, expected[key]) for key, x in actual.items()]
    elif isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        if len(actual) != len(expected):
            return f"the lengths {len(actual)} and {len(expected)} differ"
        items = enumerate(zip(actual, expected, strict=True))
        pairs = [(f"[{i}]", x, y) for i, (x, y) in items]
    else:
        return difference_of_tensors(as_tensor(actual), as_tensor(expected), **options)
    found = ((where, difference(x, y, options)) for where, x, y in pairs)
    return next((f"at {where}: {text}" for where, text in found if text), "")


def difference_of_tensors(
    x: Any, y: Any, rtol: Any, atol: Any, equal_nan: bool, check_dtype: bool
) -> str:
    """Return how two Tensors differ, or nothing."""
    if x.shape != y.shape:
        return f"the shapes {tuple(x.shape)} and {tuple(y.shape)} differ"
    if check_dtype and x.dtype is not y.dtype:
        return f"the types {x.dtype.name} and {y.dtype.name} differ"
    near, least = max(TOLERANCES.get(z.dtype.name, (0.0, 0.0)) for z in (x, y))
    near, least = (near, least) if rtol is None else (rtol, atol)
    x, y = x.detach().double(), y.detach().double()
    is_near = x.isclose(y, near, least, equal_nan)
    if bool(is_near.all()):
        return ""
    count, largest = int((~is_near).sum()), float((x - y).abs().nan_to_num(float("inf")).amax())
    return (
        f"{count} of {x.numel()} elements differ, by {largest:g} at most, where {least:g} + "
        f"{near:g} * abs(expected) is allowed"
    )
