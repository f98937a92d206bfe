"""Tensors of what others made, and others' arrays of Tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from ..errors import DTypeError, GradientError
from .conversion import array_of, checked, copy_of, from_array, new, why_not_shared
from .devices import check_device
from .dtypes import DTYPES, as_dtype, bfloat16
from .ops import OPS, TensorBase, apply

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["from_dlpack", "from_numpy", "frombuffer", "tensor"]


def tensor(
    data: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    *,
    pin_memory: bool = False,
) -> Tensor:
    """Copy numbers, nested sequences of them, or an array into a new Tensor.

    Args:
        data: Python's floats become float32, ints int64, bools bool; NumPy's keep their type.
        dtype: the type of the elements, whatever data has.
        requires_grad: whether to compute gradients for it.
        device: "cpu" or None. pin_memory: nothing, no GPU copies it.

    Raises:
        ShapeError: rows differ in length, or there are more than 16 axes.
        DTypeError: data is, or holds, what is no number.
        ValueError: a number that dtype does not hold, such as -1 for uint8.

    Example:
        >>> tensor([[1.0, 2.0], [3.0, 4.0]])
        tensor([[1., 2.],
                [3., 4.]])
    """
    check_device(device)
    kind = None if dtype is None else as_dtype(dtype)
    made: Tensor = new(data, kind)
    if requires_grad:
        made.requires_grad = requires_grad  # which refuses what is no bool
    return made


def from_numpy(ndarray: Any) -> Tensor:
    """Make a Tensor that shares the memory of an ndarray; writing to one changes the other.

    A read-only array makes a read-only Tensor.

    Raises:
        TypeError: it is no ndarray, or a masked one.
        DTypeError: tensors have no such type.
        ValueError: the memory cannot be shared: another byte order, unaligned elements.
    """
    import numpy

    if not isinstance(ndarray, numpy.ndarray):
        raise TypeError(f"from_numpy() is for an ndarray, not {type(ndarray).__name__}")
    array = checked(array_of(ndarray))
    reason = why_not_shared(array)
    if reason:
        raise ValueError(f"from_numpy() cannot share this array: {reason}; tensor() copies it")
    return from_array(array, share=True)


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """Make a Tensor that shares the memory of bytes, a bytearray, or anything with a buffer.

    Args:
        dtype: of the elements; count: how many, -1 for all.
        offset: the bytes before the first.

    Raises:
        ValueError: there are not as many elements.
    """
    import numpy

    kind = as_dtype(dtype)
    made = from_numpy(numpy.frombuffer(buffer, kind.typestr, count, offset))
    if requires_grad:
        made.requires_grad = requires_grad
    return made


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """Make a Tensor of anything with `__dlpack__`, which shares its memory.

    Args:
        device: "cpu" or None. copy: True for memory of its own.
    """
    from .bits import imported

    check_device(device)
    made = imported(ext_tensor)
    return made.clone() if copy else made


# ---- to others -------------------------------------------------------------------------------


def interface(x: Any) -> dict[str, Any]:
    """Return NumPy's `__array_interface__` of a Tensor."""
    if x.requires_grad:
        raise GradientError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if x.dtype is bfloat16:
        raise DTypeError(
            "Got unsupported ScalarType BFloat16, which NumPy has not. Use tensor.float().numpy() "
            "instead."
        )
    return layout(x)


def layout(x: Any) -> dict[str, Any]:
    """Return the place, shape and strides of the elements, and what NumPy reads them as."""
    _core.refuse_recording("numpy()")
    x._export()
    shape, strides, address, number, *_, read_only, _, _ = x._info()
    kind = DTYPES[number]
    return {
        "version": 3,
        "typestr": kind.typestr,
        "shape": shape,
        "strides": tuple(stride * kind.itemsize for stride in strides),
        "data": (address, bool(read_only)),
    }


def to_numpy(x: Any) -> Any:
    """Return an ndarray that shares a Tensor's memory."""
    import numpy

    if x.requires_grad or x.dtype is bfloat16:
        interface(x)
    return numpy.asarray(apply(OPS["detach"], (x,)))


def to_bytes(x: Any) -> bytes:
    """Return the elements in row-major order, little-endian."""
    import numpy

    from .bits import as_bits

    copied = copy_of(x, None)
    array = as_bits(copied) if x.dtype is bfloat16 else numpy.asarray(copied)
    return bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())


def from_bytes(cls: Any, name: str, shape: tuple[int, ...], data: bytes, grad: bool) -> Tensor:
    """Make a leaf of a subclass of Tensor from what `to_bytes` gave; for pickle."""
    import numpy

    from .bits import from_bits

    if not (isinstance(cls, type) and issubclass(cls, TensorBase)):
        raise TypeError(f"{cls!r} is no kind of Tensor")
    kind = as_dtype(name)
    read = numpy.dtype(kind.typestr if kind is bfloat16 else kind.name)
    array = numpy.frombuffer(data, read.newbyteorder("<")).astype(read).reshape(shape)
    made: Any = cls.__new__(cls)
    made._become(from_bits(array) if kind is bfloat16 else from_array(array, share=True))
    if grad:
        made.requires_grad = True
    return made  # type: ignore[no-any-return]
