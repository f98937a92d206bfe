"""Types of elements, and what a program may ask about this package."""

from __future__ import annotations

import functools
from typing import Any

from ..errors import ArgumentError
from ..tensors import dtypes, kinds
from ..tensors.devices import device as cpu
from ..tensors.dtypes import as_dtype

__all__ = ["__array_namespace_info__", "astype", "can_cast", "isdtype", "result_type"]

KINDS = {
    "bool": (dtypes.bool_,),
    "signed integer": (dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64),
    "unsigned integer": (dtypes.uint8,),
    "real floating": (dtypes.float32, dtypes.float64),
    "complex floating": (),
}
KINDS["integral"] = KINDS["signed integer"] + KINDS["unsigned integer"]
KINDS["numeric"] = KINDS["integral"] + KINDS["real floating"]


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """Return x as another type: a copy, or with copy=False x itself where it has that type."""
    found = x.to(dtype=dtype, device=device)
    return found.clone() if found is x and copy else found


def can_cast(from_: Any, to: Any, /) -> bool:
    """Return whether a type, or an array's, goes into another by the rules of mixed operands."""
    kind = as_dtype(getattr(from_, "dtype", from_))
    return kinds.promote_types(kind, to) is as_dtype(to)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Return whether a type is of a kind, as "integral"; is a type; or is one of several.

    Raises:
        ValueError: there is no such kind.
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ArgumentError(f"isdtype: a kind is one of {', '.join(KINDS)}, not {kind!r}")
        return as_dtype(dtype) in KINDS[kind]
    return as_dtype(dtype) is as_dtype(kind)


def result_type(*arrays_and_dtypes: Any) -> Any:
    """Return the type that an op of arrays, types and numbers gives.

    Raises:
        ValueError: there are neither arrays nor types.
    """
    given = [getattr(x, "dtype", x) for x in arrays_and_dtypes]
    types = [x for x in given if isinstance(x, dtypes.dtype)]
    if not types:
        raise ArgumentError("result_type: an array or a type is needed")
    common = functools.reduce(kinds.promote_types, types)
    numbers = [type(x) for x in given if not isinstance(x, dtypes.dtype)]
    return dtypes.float32 if float in numbers and not common.is_floating_point else common


class Information:
    """What `__array_namespace_info__` returns."""

    def capabilities(self) -> dict[str, Any]:
        """Return what is there of what a library may leave out."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 16}

    def default_device(self) -> Any:
        """Return the CPU."""
        return cpu("cpu")

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """Return the types of what is made without one."""
        return {
            "real floating": dtypes.float32, "integral": dtypes.int64, "indexing": dtypes.int64,
        }  # fmt: skip

    def devices(self) -> list[Any]:
        """Return the only device."""
        return [cpu("cpu")]

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """Return the types there are, by name, of a kind or of several."""
        found = (*KINDS["bool"], *KINDS["numeric"])
        return {x.name: x for x in found if kind is None or isdtype(x, kind)}


def __array_namespace_info__() -> Information:
    """Return what a program may ask: capabilities, types, devices."""
    return Information()
