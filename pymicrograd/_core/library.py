"""The extension module: its types, its ops, and its statuses, for which `check` raises."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader, ModuleSpec

from .. import _micrograd
from .._micrograd import ffi, lib
from ..errors import (
    BusyError,
    ChangedError,
    DTypeError,
    GradientError,
    NodeLimitError,
    OutOfMemoryError,
    ReadOnlyError,
    RecordingError,
    ShapeError,
    StaleNodeError,
    TensorIndexError,
    ViewError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = [
    "ARGUMENT", "ARITHMETIC", "ARITIES", "CHANGED", "CHECKS_ZERO", "DOMAIN", "DTYPE",
    "EXCEPTIONS", "GIVEN", "INDEX", "INTERNAL", "MAX_RANK", "OPS", "RECORDED", "REDUCTIONS",
    "RULE", "SHAPE", "STALE", "SYMBOLS", "VIEW", "VIEWS", "EnableGrad", "NoGrad",
    "SetGradEnabled", "Silence", "SizeBase", "TensorBase",
    "ValueBase", "arena", "check", "fail", "ffi", "install", "keep_mode", "lib", "memory",
    "status_text",
]  # fmt: skip

arena = lib.process_arena()
if arena == ffi.NULL:
    raise OutOfMemoryError("no memory for the first page of the graph")


def load_types() -> None:
    """Import the library's second module, `_types`; what its import raises is passed on."""
    name = "pymicrograd._types"
    loader = ExtensionFileLoader(name, _micrograd.__file__)
    module = loader.create_module(ModuleSpec(name, loader, origin=_micrograd.__file__))
    loader.exec_module(module)
    sys.modules[name] = module


load_types()
from .. import _types  # noqa: E402

ValueBase = _types.ValueBase
TensorBase = _types.TensorBase
SizeBase = _types.SizeBase
install: Callable[..., None] = _types.install
memory = _types.memory
keep_mode = _types.keep_mode
Silence = _types.Silence
NoGrad = _types.NoGrad
EnableGrad = _types.EnableGrad
SetGradEnabled = _types.SetGradEnabled

# Every op's number by name; by number its operands' number and its symbol, as the library says.
OPS: dict[str, int] = {
    ffi.string(lib.mg_op_name(op)).decode(): op for op in range(lib.mg_op_count())
}
ARITIES: list[int] = [lib.mg_op_arity(op) for op in range(lib.mg_op_count())]
SYMBOLS: list[str] = [ffi.string(lib.mg_op_symbol(op)).decode() for op in range(lib.mg_op_count())]


def ops_with(trait: int) -> frozenset[int]:
    """Return the numbers of the ops that have a trait of the library's table."""
    return frozenset(op for op in OPS.values() if lib.mg_op_traits(op) & trait)


VIEWS = ops_with(lib.MG_VIEW)  # the results share memory
INTERNAL = ops_with(lib.MG_INTERNAL)  # no public name
CHECKS_ZERO = ops_with(lib.MG_CHECKS_ZERO)  # of integers, operand 1 may not be 0

STALE: int = lib.MG_ERR_STALE
SHAPE: int = lib.MG_ERR_SHAPE
DTYPE: int = lib.MG_ERR_DTYPE
INDEX: int = lib.MG_ERR_INDEX
RULE: int = lib.MG_ERR_RULE
RECORDED: int = lib.MG_ERR_RECORDED
GIVEN: int = lib.MG_GIVEN  # what a node of the user's has as op
ARGUMENT: int = lib.MG_ERR_ARG
CHANGED: int = lib.MG_ERR_CHANGED
VIEW: int = lib.MG_ERR_VIEW
DOMAIN: int = lib.MG_ERR_DOMAIN
MAX_RANK: int = lib.MG_MAX_RANK
REDUCTIONS: dict[str, int] = {
    "none": lib.MG_REDUCE_NONE,
    "sum": lib.MG_REDUCE_SUM,
    "mean": lib.MG_REDUCE_MEAN,
}

EXCEPTIONS: dict[int, type[Exception]] = {
    lib.MG_ERR_NOMEM: OutOfMemoryError,
    lib.MG_ERR_LIMIT: NodeLimitError,
    lib.MG_ERR_STALE: StaleNodeError,
    lib.MG_ERR_ARG: ValueError,
    lib.MG_ERR_BUSY: BusyError,
    lib.MG_ERR_DOMAIN: ValueError,
    lib.MG_ERR_OVERFLOW: OverflowError,
    lib.MG_ERR_ZERODIV: ZeroDivisionError,
    lib.MG_ERR_SHAPE: ShapeError,
    lib.MG_ERR_DTYPE: DTypeError,
    lib.MG_ERR_INDEX: TensorIndexError,
    lib.MG_ERR_READONLY: ReadOnlyError,
    lib.MG_ERR_VIEW: ViewError,
    lib.MG_ERR_GRADIENT: GradientError,
    lib.MG_ERR_CHANGED: ChangedError,
    lib.MG_ERR_RULE: GradientError,
    lib.MG_ERR_RECORDED: RecordingError,
    lib.MG_ERR_FILE: ValueError,
}


# What Python's floats raise.
ARITHMETIC = (lib.MG_ERR_DOMAIN, lib.MG_ERR_OVERFLOW, lib.MG_ERR_ZERODIV)
STATUSES: dict[str, int] = {  # of numbers, by their names in C
    name: getattr(lib, name)
    for name in ("MG_OK", "MG_ERR_DOMAIN", "MG_ERR_OVERFLOW", "MG_ERR_ZERODIV")
}


def status_text(status: int) -> str:
    """Say what a status means."""
    return str(ffi.string(lib.mg_status_text(status)).decode())


def fail(status: int, what: str, hint: str = "") -> NoReturn:
    """Raise the exception of a negative status; what names the call and its operands."""
    raise EXCEPTIONS[status](f"{what}: {status_text(status)}{hint}")


def check(status: int, what: str) -> int:
    """Return a status or handle that is no error; raise for one that is."""
    if status < 0:
        fail(status, what)
    return status
