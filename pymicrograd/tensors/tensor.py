"""Tensor on the C core: an N-dimensional array, and PyTorch's names for what is done with it.

An object has a node's handle and little else. Operators, elementwise methods, the attributes, and
what is called all the time with plain arguments (`sum`, `reshape`, x[i] ...) are those of
`TensorBase`, in C; each of these falls back to the method here with an underscore before its name
(`_sum`, `_reshape`, `_get`) when an argument is not a plain int or tuple. Other methods are those
of the topics, which find the arguments of ops: axes counted from the front, full shapes. Where an
argument names axes, `dim` and `axis` are both understood, and `keepdim` and `keepdims`.
"""

from __future__ import annotations

import copy
import numbers
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .. import _core
from ..errors import (
    ArgumentError,
    DTypeError,
    GradientError,
    MicrogradError,
    ScalarError,
    ShapeError,
    TensorIndexError,
)
from ..handles import RemovableHandle
from . import indexing, interchange, printing
from .arguments import as_shape
from .arrangement import ArrangementMethods
from .attributes import Attributes
from .casts import CastMethods
from .comparisons import ComparisonMethods
from .contraction import ContractionMethods
from .conversion import as_tensor, new
from .devices import check_device
from .diagonals import DiagonalMethods
from .dtypes import DTYPES, as_dtype, bfloat16, dtype, float32
from .elementary import ElementaryMethods
from .elementwise import ElementwiseMethods
from .explain import call_as, fail
from .function import on_sweep_stop
from .graph import GradFn
from .hooks import register_hook
from .leaves import blank
from .linear_algebra import LinearAlgebraMethods
from .movement import MovementMethods
from .norms import NormMethods
from .operators import fallback_in_place, fallback_operator
from .ops import OPS, TensorBase, apply, cast
from .products import ProductMethods
from .reductions import ReductionMethods
from .sampling import SamplingMethods
from .scattering import ScatteringMethods
from .selection import SelectionMethods
from .sizes import Size
from .sorting import SortingMethods
from .special import SpecialMethods
from .statistics import StatisticsMethods
from .sweeps import backward
from .synonyms import SynonymMethods
from .teenygrad import TeenygradMethods

__all__ = ["Tensor"]


def number_of(x: Any) -> Any:
    """Return the only element."""
    try:
        return x.item()
    except MicrogradError:
        raise
    except RuntimeError as error:
        raise ScalarError(str(error)) from None


def of_arguments(data: tuple[Any, ...], kind: dtype | None) -> Tensor:
    """Return the leaf that `Tensor(*data)` takes over."""
    if len(data) != 1 or is_size(data[0]):  # PyTorch's sizes
        return blank(as_shape(data or (0,), "Tensor"), kind or float32, "Tensor")
    made = new(data[0], kind)
    whole = kind is None and made.dtype.kind < 2
    return cast(made, float32) if whole and isinstance(data[0], (list, tuple)) else made


def is_size(x: Any) -> bool:
    """Tell whether one argument is the size of an axis: an int, but no bool and no array."""
    return isinstance(x, numbers.Integral) and not isinstance(x, bool)


TOPICS = (
    Attributes,
    CastMethods,
    ElementwiseMethods,
    ReductionMethods,
    ProductMethods,
    MovementMethods,
    SelectionMethods,
    DiagonalMethods,
    ComparisonMethods,
    ElementaryMethods,
    ContractionMethods,
    ArrangementMethods,
    ScatteringMethods,
    SortingMethods,
    StatisticsMethods,
    NormMethods,
    LinearAlgebraMethods,
    SpecialMethods,
    SamplingMethods,
    SynonymMethods,
    TeenygradMethods,
)

if TYPE_CHECKING:

    class Topics(
        CastMethods,
        ElementwiseMethods,
        ReductionMethods,
        ProductMethods,
        MovementMethods,
        SelectionMethods,
        DiagonalMethods,
        ComparisonMethods,
        ElementaryMethods,
        ContractionMethods,
        ArrangementMethods,
        ScatteringMethods,
        SortingMethods,
        StatisticsMethods,
        NormMethods,
        LinearAlgebraMethods,
        SpecialMethods,
        SamplingMethods,
        SynonymMethods,
        TeenygradMethods,
    ):
        """What type checkers see of the topics."""

else:
    # Tensor gets the methods of the topics below, and has one base: C's methods ask for TensorBase
    # along the bases, and a Tensor is freed along them; each further one would cost every call.
    Topics = TensorBase


class Tensor(Topics):
    """An N-dimensional array that operations are recorded on.

    Args:
        data: a float, nested sequences of numbers, an array, or a Tensor, which is copied; or
            ints, the sizes of a tensor of zeros, as in PyTorch: Tensor(5) has shape (5,).
        dtype: the type of the elements; by default float32 for sequences of Python's numbers,
            as in PyTorch, and what arrays have. `tensor` keeps ints as int64, bools as bool.
        requires_grad: whether to compute gradients for it.

    Attributes:
        shape, ndim, dtype: of the elements.
        requires_grad: whether what is computed from it is recorded; may be set on leaves.
        grad: the gradient that `backward` has added up, or None. It stays the same object.
        is_leaf: whether it is no recorded result.

    Raises:
        ShapeError: rows differ in length, or there are more than 16 axes.
        DTypeError: data holds what is no number, or of a type that tensors do not have.

    Example:
        >>> w = Tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> w.grad
        tensor([[ 2., -4.],
                [ 6.,  8.]])
    """

    __slots__ = ("__dict__", "__weakref__")
    __array_priority__ = 1000.0  # an ndarray leaves operators with a Tensor to the Tensor

    def __init__(
        self, *data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
    ) -> None:
        check_device(device)
        if len(data) in (2, 3) and not hasattr(data[1], "__index__"):  # by their places
            data, dtype, requires_grad = data[:1], data[1], (*data, requires_grad)[2]
        if len(data) == 1 and is_size(data[0]) and (dtype is not None or requires_grad):
            raise TypeError(
                f"Tensor({data[0]}) has one axis of this size, and no options; a number is "
                f"tensor({data[0]}, ...)"
            )
        self._become(of_arguments(data, None if dtype is None else as_dtype(dtype)))
        if requires_grad:
            self.requires_grad = requires_grad  # which refuses what is no bool

    # ---- attributes

    @property
    def data(self) -> Tensor:
        """A leaf with the same memory, shape and dtype; nothing done with it is recorded.

        It may be set to a tensor of the same shape and dtype, whose elements are copied.

        Raises:
            ShapeError: on setting, the shapes differ.
            DTypeError: on setting, the dtypes differ.
            ReadOnlyError: on setting, the memory is read-only.
            ViewError: on setting, elements share memory, as after expand().
        """
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        value = call_as("data", as_tensor, value)
        if value.shape != self.shape:
            raise ShapeError(f"data: shape {value.shape} is not the tensor's, {self.shape}")
        if value.dtype is not self.dtype:
            name = value.dtype.name
            raise DTypeError(f"data: {name} is not the tensor's dtype, {self.dtype.name}")
        if value.data_ptr() != self.data_ptr() or value.stride() != self.stride():
            call_as("data", self._write, value)

    @property
    def grad_fn(self) -> GradFn | None:
        """The operation that this is the result of, a node of the graph; None for a leaf."""
        return None if self.is_leaf else GradFn(self._alias())

    def _alias(self) -> Tensor:
        """Return another object of the same node."""
        _core.retain(self._handle)
        return TensorBase._adopt(self._handle)

    # ---- gradients

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradients of this Tensor to the `grad` of every leaf that it depends on.

        Args:
            gradient: its own gradient; None, for a Tensor of one element, means 1.
            retain_graph: nothing; a graph lives as long as the Tensors computed in it.
            create_graph: record the gradients, so that they can be differentiated in turn.
            inputs: the Tensors that get gradients, in place of all leaves.

        Raises:
            GradientError: it does not require a gradient, or has several elements and no
                gradient is given.
            ChangedError: a value that a gradient needs was changed in place. Then, and on
                Ctrl-C, no gradient has changed.
        """
        if gradient is None and inputs is None and not create_graph and self._backward_plainly():
            return
        backward((self,), (gradient,), retain_graph, create_graph, inputs)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set requires_grad of a leaf; return the tensor.

        Raises:
            TypeError: requires_grad is no bool.
            DTypeError: the elements are no floats.
            GradientError: this is a result, not a leaf; use detach().
        """
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Let `backward` fill grad of this result too; of a leaf it does anyway.

        Raises:
            GradientError: it does not require a gradient.
        """
        if not self.requires_grad:
            raise GradientError("can't retain_grad on Tensor that has requires_grad=False")
        if not self.is_leaf:
            _core.retain_gradient(self._handle)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this result; False for a leaf."""
        return bool(self._info()[9]) and not self.is_leaf

    def register_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Let a function see the gradient in every backward; what it returns takes its place.

        Returns:
            A handle whose `remove()` ends it.
        """
        return register_hook(self, hook)

    def detach(self) -> Tensor:
        """Return a leaf that shares the memory and does not require a gradient."""
        return apply(OPS["detach"], (self,))

    def detach_(self) -> Tensor:
        """Make this tensor a leaf that does not require a gradient; return it."""
        self._become(self.detach())
        return self

    # ---- numbers

    def __bool__(self) -> bool:
        count = self.numel()
        if count != 1:
            values = "no values" if count == 0 else "more than one value"
            raise ScalarError(f"Boolean value of Tensor with {values} is ambiguous")
        return bool(self.item())

    def __float__(self) -> float:
        return float(number_of(self))

    def __int__(self) -> int:
        return int(number_of(self))

    def __complex__(self) -> complex:
        return complex(number_of(self))

    def __index__(self) -> int:
        if self.dtype.kind == 2 or self.numel() != 1:
            raise TypeError(
                "only integer tensors of a single element can be converted to an index, not "
                f"shape {self.shape} of {self.dtype.name}"
            )
        return int(self.item())

    def __round__(self, decimals: int | None = 0) -> Tensor:
        return self.round(0 if decimals is None else decimals)

    def __format__(self, specification: str) -> str:
        if self.ndim == 0:
            return format(self.item(), specification)
        return object.__format__(self, specification)

    def __repr__(self) -> str:
        if not self._handle:
            return "<Tensor without data>"
        gradient = ""
        if not self.is_leaf:
            gradient = f"grad_fn={self.grad_fn}"
        elif self.requires_grad:
            gradient = "requires_grad=True"
        return printing.format_tensor(self, gradient)

    # ---- items

    def _get(self, key: Any) -> Tensor:
        return indexing.get(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        indexing.put(self, key, value)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind())

    def __contains__(self, item: Any) -> bool:
        found = self == item
        return bool(found.any()) if isinstance(found, TensorBase) else bool(found)

    def __reversed__(self) -> Tensor:
        return self.flip(0) if self.ndim else self

    # ---- other libraries and copies

    def numpy(self, *, force: bool = False) -> Any:
        """Return an ndarray that shares the memory.

        Args:
            force: do so even of a tensor that requires a gradient.

        Raises:
            GradientError: it requires a gradient, which NumPy would drop.
            DTypeError: the elements are of bfloat16, which NumPy has not.
        """
        return interchange.to_numpy(self.detach() if force else self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy

        array = interchange.to_numpy(self)
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a copy is needed to make {self.dtype.name} {dtype}")
            return array.astype(dtype)
        return numpy.array(array) if copy else array

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return interchange.interface(self)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """Return `pymicrograd.array_api`, the functions of the array API standard.

        Raises:
            ValueError: another version of the standard is asked for.
        """
        from .. import array_api

        versions = ("2021.12", "2022.12", "2023.12", "2024.12")
        if api_version not in (None, *versions):
            raise ArgumentError(f"the array API's version is 2024.12, not {api_version}")
        return array_api

    def to_device(self, device: Any, /, *, stream: Any = None) -> Tensor:
        """Return this tensor: the CPU is the only device."""
        check_device(device)
        return self

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        if any(stride < 0 for stride in self.stride()):
            raise BufferError(
                f"__dlpack__: strides {self.stride()} run backwards, which not every library "
                "understands; use contiguous()"
            )
        if self.dtype is bfloat16:
            from .bits import export

            return export(self, **options)
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __copy__(self) -> Tensor:
        made = self._new_like(self.detach())
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]  # type: ignore[no-any-return]
        made = memo[id(self)] = self._new_like(self.detach().clone())
        gradient = self.grad
        if gradient is not None:
            made.grad = copy.deepcopy(gradient, memo)
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def _new_like(self, data: Any) -> Tensor:
        """Return an object of the same class with other data; of leaves."""
        if not self.is_leaf:
            raise GradientError(
                "only Tensors created explicitly by the user (graph leaves) can be copied; "
                "use clone()"
            )
        made = type(self).__new__(type(self))
        made._become(data)
        if self.requires_grad:
            made.requires_grad = True
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        # A result becomes a leaf, as of PyTorch's: its elements are kept, not its graph.
        fields = type(self), self.dtype.name, self.shape, interchange.to_bytes(self)
        return interchange.from_bytes, (*fields, self.requires_grad), self.__dict__ or None

    def clone(self, *, memory_format: Any = None) -> Tensor:
        """Return a copy of the same shape and dtype; the gradient flows through it."""
        return apply(OPS["clone"], (self,))

    def contiguous(self, memory_format: Any = None) -> Tensor:
        """Return a tensor whose elements lie in row-major order: this one, or a copy."""
        return self if self.is_contiguous() else apply(OPS["contiguous"], (self,))


for topic in TOPICS:
    for name, method in vars(topic).items():
        if name.startswith("__"):
            continue
        if isinstance(method, FunctionType) and method.__qualname__ == f"{topic.__name__}.{name}":
            public = name.removeprefix("_")  # what Python's errors say, of _sum() sum()
            method.__qualname__ = f"Tensor.{public if hasattr(TensorBase, public) else name}"
        setattr(Tensor, name, method)

_core.install(
    Tensor,
    dtypes=DTYPES,
    fallback_operator=fallback_operator,
    fallback_in_place=fallback_in_place,
    on_sweep_stop=on_sweep_stop,
    fail=fail,
    size=Size,
    index_error=TensorIndexError,
)
