"""What is known of types: ranges, which type two make, which is the default; and of objects."""

from __future__ import annotations

import contextlib
from typing import Any

from .. import _core
from ..errors import DTypeError
from ..scalars import is_number
from .devices import CPU, check_device, device
from .dtypes import TYPES, as_dtype, bool_, dtype, float32, int64
from .ops import TensorBase
from .promotion import promoted

__all__ = [
    "are_deterministic_algorithms_enabled", "can_cast", "finfo", "get_default_device",
    "get_default_dtype", "get_float32_matmul_precision", "iinfo", "inference_mode",
    "is_inference_mode_enabled", "is_storage", "is_tensor", "promote_types", "result_type",
    "set_default_device", "set_default_dtype", "set_float32_matmul_precision", "typename",
    "use_deterministic_algorithms",
]  # fmt: skip


class finfo:
    """The range and precision of a type of floats, by default float32.

    Attributes:
        bits: of an element. eps: the distance of 1 to the next number. max, min: the largest and
            the smallest number. tiny, smallest_normal: the smallest with all its digits.
        resolution: the same of decimal digits. dtype: the name.

    Raises:
        TypeError: the type is of integers.
    """

    def __init__(self, type: Any = float32) -> None:
        kind = as_dtype(type)
        if not kind.is_floating_point:
            raise DTypeError(f"finfo: is for floats, not {kind.name}; use iinfo()")
        digits, exponent, decimals = {
            "float16": (11, 16, 3),
            "bfloat16": (8, 128, 2),
            "float32": (24, 128, 6),
            "float64": (53, 1024, 15),
        }[kind.name]
        self.bits = 8 * kind.itemsize
        self.eps = 2.0 ** (1 - digits)
        self.max = (2.0 - 2.0 ** (1 - digits)) * 2.0 ** (exponent - 1)
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (2 - exponent)
        self.resolution = float(f"1e-{decimals}")
        self.dtype = kind.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.tiny:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """The range of a type of integers.

    Attributes:
        bits: of an element. max, min: the largest and the smallest number. dtype: the name.

    Raises:
        TypeError: the type is of floats or bools.
    """

    def __init__(self, type: Any) -> None:
        kind = as_dtype(type)
        if kind.kind != 1:
            raise DTypeError(f"iinfo: is for integers, not {kind.name}; use finfo() for floats")
        self.bits = 8 * kind.itemsize
        signed = kind.name != "uint8"
        self.max = 2 ** (self.bits - signed) - 1
        self.min = -(2 ** (self.bits - 1)) if signed else 0
        self.dtype = kind.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def promote_types(type1: Any, type2: Any) -> dtype:
    """Return the type that elements of two types are computed in."""
    return promoted(as_dtype(type1), as_dtype(type2))


def weight(x: Any) -> tuple[dtype, int]:
    """Return an operand's type and how much it counts: a number 0, without axes 1, else 2."""
    if isinstance(x, TensorBase):
        return x.dtype, 2 if x.ndim else 1
    if not is_number(x):
        raise TypeError(f"result_type: tensors or numbers are needed, not {type(x).__name__}")
    kind = bool_ if isinstance(x, bool) else int64 if hasattr(type(x), "__index__") else float32
    return kind, 0


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """Return the type that an op of two operands, tensors or numbers, gives.

    What has axes counts before what has none, and that before numbers, unless their kind is
    higher: of int64 and 1.0 it is float32.
    """
    (a, first), (b, second) = weight(tensor1), weight(tensor2)
    if first == second:
        return promote_types(a, b)
    strong, light = (a, b) if first > second else (b, a)
    return strong if light.kind <= strong.kind else light


def can_cast(from_: Any, to: Any) -> bool:
    """Return whether a result of one type may be written into another: not floats into ints."""
    return as_dtype(from_).kind <= as_dtype(to).kind


def get_default_dtype() -> dtype:
    """Return float32, the type of floats that no type is given for."""
    return float32


def set_default_dtype(d: Any) -> None:
    """Accept float32, the default there is.

    Raises:
        ValueError: another type: it is not changed for a whole program.
    """
    if as_dtype(d) is not float32:
        raise ValueError(
            f"set_default_dtype: the default is float32, not {as_dtype(d).name}: write dtype= "
            "where tensors are made, or model.double()"
        )


def get_default_device() -> device:
    """Return device("cpu"), the only one."""
    return CPU


def set_default_device(device: Any) -> None:
    """Accept "cpu", the only device.

    Raises:
        ValueError: another one is named.
    """
    check_device(device)


def is_tensor(obj: Any) -> bool:
    """Return whether an object is a Tensor."""
    return isinstance(obj, TensorBase)


def is_storage(obj: Any) -> bool:
    """Return False: tensors have no storage objects."""
    return False


def typename(obj: Any) -> str:
    """Return the name of an object's type, of a Tensor PyTorch's: "torch.FloatTensor"."""
    if isinstance(obj, TensorBase):
        return TYPES[obj.dtype]
    kind = type(obj)
    home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return home + kind.__qualname__


def inference_mode(mode: Any = True) -> Any:
    """Compute without recording, as `no_grad`; with False, go on as before."""
    if callable(mode) or mode:
        return _core.no_grad(mode) if callable(mode) else _core.no_grad()
    return contextlib.nullcontext()


def is_inference_mode_enabled() -> bool:
    """Return whether nothing is recorded here, as inside `inference_mode` and `no_grad`."""
    return not _core.is_grad_enabled()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accept any mode: every op is deterministic."""


def are_deterministic_algorithms_enabled() -> bool:
    """Return True: every op is deterministic."""
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """Accept "highest", "high" or "medium": float32 is always computed with all its digits."""
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"precision is 'highest', 'high' or 'medium', not {precision!r}")


def get_float32_matmul_precision() -> str:
    """Return "highest": float32 is always computed with all its digits."""
    return "highest"
