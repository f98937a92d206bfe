"""bfloat16 for those who have it and for those who have not.

NumPy has none: it is shown the bits of the elements, as integers of uint16. Through DLPack, whose
capsules it makes and reads, go integers, too: the code of the type that stands in a capsule is
changed on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .conversion import from_array, shared
from .dtypes import bfloat16
from .ops import TensorBase

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["as_bits", "export", "from_bits", "imported"]

UNSIGNED, BRAIN = 1, 4  # DLDataTypeCode


class Shown:
    """A Tensor's memory as NumPy takes it, with the bits of bfloat16 as integers."""

    def __init__(self, x: Any) -> None:
        from .interchange import layout

        self.tensor = x  # kept alive by the arrays made of this
        self.__array_interface__ = layout(x)


def as_bits(x: Any) -> Any:
    """Return an ndarray of uint16 that shares the memory of a Tensor of bfloat16."""
    import numpy

    return numpy.asarray(Shown(x.detach()))


def from_bits(array: Any) -> Tensor:
    """Return a Tensor of bfloat16 that shares the memory of an ndarray of uint16."""
    return shared(array, bfloat16)


def export(x: Any, **options: Any) -> Any:
    """Return a DLPack capsule of a Tensor of bfloat16."""
    capsule = as_bits(x).__dlpack__(**options)
    TensorBase._dlpack_code(capsule, BRAIN)
    return capsule


class Integers:
    """What makes the capsules of another object, with bfloat16 as uint16."""

    def __init__(self, x: Any) -> None:
        self.x = x
        self.is_brain = False

    def __dlpack__(self, **options: Any) -> Any:
        capsule = self.x.__dlpack__(**options)
        if TensorBase._dlpack_code(capsule, -1) == BRAIN:
            TensorBase._dlpack_code(capsule, UNSIGNED)
            self.is_brain = True
        return capsule

    def __dlpack_device__(self) -> Any:
        return self.x.__dlpack_device__()


def imported(x: Any) -> Tensor:
    """Return a Tensor that shares the memory of an object with `__dlpack__`."""
    import numpy

    given = Integers(x)
    array = numpy.from_dlpack(given)
    return from_bits(array) if given.is_brain else from_array(array, share=True)


def next_brain(x: Any, y: Any) -> Tensor:
    """Return the next bfloat16 after each element of x towards that of y, which has x's shape."""
    import numpy

    own, aim = (as_bits(item).astype("int32") for item in (x, y))
    a, b = (numpy.where(bits >> 15, -(bits & 0x7FFF), bits) for bits in (own, aim))  # in order
    moved = a + numpy.sign(b - a)
    found = numpy.where(a == b, aim, numpy.where(moved < 0, 0x8000 - moved, moved))
    missing = numpy.maximum(abs(a), abs(b)) > 0x7F80
    return from_bits(numpy.where(missing, 0x7FC0, found).astype("uint16"))
