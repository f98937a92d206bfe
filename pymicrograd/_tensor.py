"""Tensor on the C core: an N-dimensional array, and PyTorch's names for what is done with it.

An object has a node's handle and little else. Operators, elementwise methods, the attributes, and
what is called all the time with plain arguments (`sum`, `reshape`, x[i] ...) are those of
`TensorBase`, in C; methods here that begin with an underscore and have the name of one of those
are where it turns to with other arguments. What else stands here finds the arguments of ops: axes
counted from the front, full shapes. Where an argument names axes, `dim` and `axis` are both
understood, and `keepdim` and `keepdims`.
"""

from __future__ import annotations

import copy
import math
import numbers
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from . import _core, autograd, indexing, interchange, printing
from .creation import as_ints, draw, tril, triu, zeros_like
from .dtypes import DTYPES, as_dtype, bool_, dtype, float16, float32, float64, int32, int64
from .errors import (
    DTypeError,
    GradientError,
    MicrogradError,
    ScalarError,
    ShapeError,
    TensorIndexError,
)
from .explain import NAMES, fail
from .indexing import check_recorded, must_record
from .interchange import as_tensor, cast, from_dlpack, from_numpy, tensor
from .reference.value import is_number, silent

__all__ = [
    "Tensor", "as_tensor", "cat", "from_dlpack", "from_numpy", "maximum", "minimum", "stack",
    "tensor", "where",
]  # fmt: skip

TensorBase = _core.TensorBase
OPS = _core.OPS
apply = TensorBase._apply

# Inside the class these names are methods.
Int = int
Bool = bool
Float = float


# ---- what TensorBase leaves to Python --------------------------------------------------------

OPERATORS: dict[int, Callable[[Any, Any], Any]] = {
    OPS[name]: getattr(operator, python)
    for name, python in {
        "add": "add", "sub": "sub", "mul": "mul", "div": "truediv", "pow": "pow",
        "floor_divide": "floordiv", "remainder": "mod", "eq": "eq", "ne": "ne", "lt": "lt",
        "le": "le", "gt": "gt", "ge": "ge",
    }.items()
}  # fmt: skip
BITWISE = {OPS["logical_and"]: "&", OPS["logical_or"]: "|", OPS["logical_xor"]: "^"}


def slow_operator(op: int, left: Any, right: Any) -> Any:
    """Apply an operator to a Tensor and what is neither a Tensor nor a plain number."""
    if op == OPS["logical_not"]:
        raise DTypeError(f"~ is for bool, not {left.dtype.name}")
    other = right if isinstance(left, TensorBase) else left
    if not isinstance(other, TensorBase):
        other = as_operand(other, left if other is right else right)
        if other is NotImplemented:
            return NotImplemented
        left, right = (left, other) if isinstance(left, TensorBase) else (other, right)
    if op in BITWISE:
        return apply_to_truths(op, left, right)
    if isinstance(other, TensorBase):
        return apply(op, (left, right))
    if op == OPS["matmul"]:
        return NotImplemented
    if op in OPERATORS:
        return OPERATORS[op](left, right)
    return getattr(TensorBase, NAMES[op])(left, right)


def as_operand(x: Any, beside: Any) -> Any:
    """Return another operand as a plain number or a Tensor."""
    if interchange.is_numpy_scalar(x):
        x = x.item()
    elif interchange.is_array(x):
        return as_tensor(x)
    elif isinstance(x, (list, tuple)):
        return tensor(x)
    if not is_number(x):
        return NotImplemented
    if isinstance(x, bool):
        return x
    if not hasattr(type(x), "__index__"):
        return float(x)
    x = operator.index(x)
    if -(2**63) <= x < 2**63:
        return x
    if beside.dtype.is_floating_point:
        return float(x)
    raise OverflowError(f"{x} is outside int64")


def apply_to_truths(op: int, left: Any, right: Any) -> Any:
    """Apply & | ^, which are for bools; no op knows the bits of an integer."""
    operands = [x if isinstance(x, TensorBase) else tensor(x) for x in (left, right)]
    if any(x.dtype is not bool_ for x in operands):
        kinds = " and ".join(x.dtype.name for x in operands)
        raise DTypeError(f"{BITWISE[op]} is for bool, not {kinds}")
    return apply(op, tuple(operands))


def slow_in_place(op: int, self: Any, other: Any, named: bool) -> Any:
    """Apply an op over self where C does not: to other operands, or where it is recorded.

    A recorded change is a new node, which the object takes on; views that were made before keep
    the old elements. What has a name is no view; `x[i]` in `x[i] += y` is one, and is written back.
    """
    operands = (self,) if other is None else (self, other)
    if other is not None and not isinstance(other, TensorBase):
        other = as_operand(other, self)
        if other is NotImplemented:
            return NotImplemented
        if not must_record(self, other if isinstance(other, TensorBase) else self):
            return getattr(TensorBase, NAMES[op] + "_")(self, other)
        operands = (self, other)
    name = NAMES[op] + "_"
    if (self.is_leaf and self.requires_grad) or named:
        check_recorded(self, name)
    result = getattr(TensorBase, NAMES[op])(*operands)
    take_on(self, result, name)
    return self


def take_on(self: Any, result: Any, name: str) -> None:
    """Let an object become a result that is to be written over it."""
    if result.shape != self.shape:
        raise ShapeError(f"{name}: a result of shape {result.shape} is none for {self.shape}")
    if result.dtype.kind > self.dtype.kind:
        raise DTypeError(f"{name}: a result of {result.dtype.name} is none for {self.dtype.name}")
    self._become(cast(result, self.dtype))


# ---- arguments -------------------------------------------------------------------------------


def axis_of(dim: Any, rank: int, what: str) -> int:
    """Return an axis counted from the front; for a tensor without axes 0."""
    axis = operator.index(dim)
    span = max(rank, 1)
    if not -span <= axis < span:
        raise TensorIndexError(
            f"{what}: axis {axis} is out of range for a tensor of {rank} axes, "
            f"from {-span} to {span - 1}"
        )
    return axis % span


def axes_of(dims: Any, rank: int, what: str) -> tuple[int, ...]:
    """Return axes counted from the front, for one of them or several; None and () for all."""
    if dims is None or (isinstance(dims, (tuple, list)) and not dims):
        return tuple(range(rank))
    if hasattr(dims, "__index__"):
        dims = (dims,)
    axes = [axis_of(dim, rank, what) for dim in dims]
    if len(axes) > 1 and len(set(axes)) < len(axes):
        raise ShapeError(f"{what}: an axis stands twice in {tuple(dims)}")
    return tuple(axes) if rank else ()


def one_of(dim: Any, axis: Any) -> Any:
    """Return the argument that is given, under either of its names."""
    if axis is None:
        return dim
    if dim is not None:
        raise TypeError("dim and axis are two names of one argument")
    return axis


def reduce(
    name: str, x: TensorBase, dims: Any, keep: Any, numbers: tuple[float, ...] = ()
) -> Tensor:
    """Apply a reduction over axes."""
    mask = sum([1 << axis for axis in axes_of(dims, x.ndim, name)])
    return apply(OPS[name], (x,), (mask, int(bool(keep))), numbers)


def reduction(name: str) -> Callable[..., Tensor]:
    """Return the method of a reduction."""

    def method(
        self: Any, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Tensor:
        return reduce(name, self, one_of(dim, axis), keepdim or keepdims)

    method.__qualname__ = f"Tensor.{name}"  # what Python's errors say
    return method


def cast_reduction(name: str) -> Callable[..., Tensor]:
    """Return the method of a reduction of what may be cast before."""
    reduced = reduction(name)

    def method(self: Any, *args: Any, dtype: Any = None, **named: Any) -> Tensor:
        return reduced(self if dtype is None else cast(self, as_dtype(dtype)), *args, **named)

    return method


def rounding(name: str) -> Callable[[Any], Tensor]:
    """Return the method of a rounding to integers, which leaves integers as they are."""
    rounded = getattr(TensorBase, name)

    def method(self: Any) -> Tensor:
        found: Tensor = rounded(self) if self.is_floating_point() else self.clone()
        return found

    method.__doc__ = f"Return the elements rounded as by {name}; of integers a copy."
    method.__qualname__ = f"Tensor.{name}"
    return method


def check_pad_value(value: Any) -> None:
    """Refuse an int that does not reach C exactly: as float64, from which int64 is clamped."""
    if not isinstance(value, numbers.Integral):
        return
    whole = operator.index(value)
    if float(whole) != whole != 2**63 - 1:
        raise OverflowError(f"pad: {whole} has more digits than float64 holds")


def spread_sizes(sizes: Sequence[int], known: int, what: str) -> tuple[int, ...]:
    """Return a shape with its one -1 replaced, for a number of elements."""
    rest = math.prod(size for size in sizes if size != -1)
    if any(size < -1 for size in sizes):
        raise ShapeError(f"{what}: {tuple(sizes)} is no shape: sizes are not negative, but for -1")
    if sizes.count(-1) > 1:
        raise ShapeError(f"{what}: {tuple(sizes)} is no shape: it has one -1 at most")
    if -1 not in sizes:
        return tuple(sizes)
    if rest == 0 or known % rest:
        raise ShapeError(f"{what}: {known} elements have no shape {tuple(sizes)}")
    return tuple(known // rest if size == -1 else size for size in sizes)


def as_sizes(sizes: tuple[Any, ...], what: str = "sizes") -> list[int]:
    """Return sizes, or axes, given as one sequence or as several ints."""
    return as_ints(sizes, what)


def own_axis(dim: Any, rank: int, what: str) -> int:
    """Return an axis counted from the front, which the tensor is to have."""
    if not rank:
        raise TensorIndexError(f"{what}: a tensor of shape () has no axes")
    return axis_of(dim, rank, what)


class ValuesIndices(NamedTuple):
    """What `max(dim)` and `min(dim)` return."""

    values: Any
    indices: Any


class GradFn:
    """The operation that a Tensor is the result of.

    Attributes:
        next_functions: for each operand that requires a gradient, its own GradFn and 0.
        variable: the leaf that an AccumulateGrad stands for.
    """

    def __init__(self, node: Any) -> None:
        self._node = node

    def name(self) -> str:
        """Return the name, in PyTorch's manner."""
        info = self._node._info()
        if not info[5]:
            return "AccumulateGrad"
        name = NAMES[info[4]]
        if name == "output":
            hub = TensorBase._adopt(_core.operand_of(self._node._handle, 0))
            return f"{hub._attached()._function.__name__}Backward"
        name = "pow" if name == "pow_number" else name
        return "".join(part.capitalize() for part in name.split("_")) + "Backward0"

    @property
    def variable(self) -> Any:
        return self._node

    @property
    def next_functions(self) -> tuple[tuple[GradFn, int], ...]:
        node = self._node
        if node._info()[4] == OPS["output"]:
            node = TensorBase._adopt(_core.operand_of(node._handle, 0))
        count = node._info()[5]
        operands = [TensorBase._adopt(_core.operand_of(node._handle, i)) for i in range(count)]
        return tuple((GradFn(x), 0) for x in operands if x.requires_grad)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Tensor(TensorBase):
    """An N-dimensional array that operations are recorded on.

    Args:
        data: a number, nested sequences of numbers, an array, or a Tensor; it is copied.
        dtype: the type of the elements; by default float32 for Python's floats, int64 for ints,
            bool for bools, and what NumPy's arrays have.
        requires_grad: whether to compute gradients for it.

    Attributes:
        shape, ndim, dtype: of the elements.
        requires_grad: whether what is computed from it is recorded; may be set on leaves.
        grad: the gradient that `backward` has added up, or None. It stays the same object.
        is_leaf: whether it is no recorded result.

    Raises:
        ShapeError: rows differ in length, or there are more than 8 axes.
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

    def __init__(self, data: Any, dtype: Any = None, requires_grad: Bool = False) -> None:
        self._become(tensor(data, dtype, requires_grad))

    # ---- attributes

    def size(self, dim: Int | None = None) -> Any:
        """Return the shape, or the size of one axis."""
        shape = self.shape
        return shape if dim is None else shape[own_axis(dim, len(shape), "size")]

    def numel(self) -> Int:
        """Return the number of elements."""
        return math.prod(self.shape)

    nelement = numel

    def dim(self) -> Int:
        """Return the number of axes."""
        return self.ndim

    def stride(self, dim: Int | None = None) -> Any:
        """Return how many elements lie between neighbours along each axis, or along one."""
        strides = self._info()[1]
        return strides if dim is None else strides[own_axis(dim, len(strides), "stride")]

    def element_size(self) -> Int:
        """Return the bytes of an element."""
        return self.dtype.itemsize

    @property
    def itemsize(self) -> Int:
        """Bytes of an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> Int:
        """Bytes of all elements."""
        return self.numel() * self.dtype.itemsize

    def data_ptr(self) -> Int:
        """Return the address of the first element."""
        return int(self._info()[2])

    def is_contiguous(self) -> Bool:
        """Tell whether the elements lie in row-major order without gaps."""
        return bool(self._info()[6])

    def is_floating_point(self) -> Bool:
        """Tell whether the elements are floats."""
        return self.dtype.is_floating_point

    @property
    def device(self) -> str:
        """Where the elements are: "cpu"."""
        return "cpu"

    @property
    def data(self) -> Tensor:
        """The same elements, which no operation is recorded on."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        value = as_tensor(value)
        if value.shape != self.shape or value.dtype is not self.dtype:
            raise ShapeError(
                f"data of shape {value.shape} and {value.dtype.name} are none for a tensor of "
                f"shape {self.shape} and {self.dtype.name}"
            )
        if value.data_ptr() != self.data_ptr() or value.stride() != self.stride():
            self._write(value)

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two axes exchanged."""
        if self.ndim < 2:
            raise ShapeError(f"mT: shape {self.shape} has no two axes")
        return self.transpose(-2, -1)

    @property
    def H(self) -> Tensor:
        """The matrix transposed; there are no complex numbers to conjugate."""
        if self.ndim not in (0, 2):
            raise ShapeError(f"H: shape {self.shape} is no matrix's")
        return self.T

    @property
    def grad_fn(self) -> GradFn | None:
        """The operation that this is the result of; None for a leaf."""
        return None if self.is_leaf else GradFn(self._alias())

    def _alias(self) -> Tensor:
        """Return another object of the same node."""
        _core.retain(self._handle)
        return TensorBase._adopt(self._handle)

    # ---- gradients

    def backward(
        self,
        gradient: Any = None,
        retain_graph: Bool | None = None,
        create_graph: Bool = False,
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
        autograd.backward((self,), (gradient,), retain_graph, create_graph, inputs)

    def requires_grad_(self, requires_grad: Bool = True) -> Tensor:
        """Let this leaf require a gradient, or no longer; return it."""
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Let backward leave a gradient here, though this is no leaf."""
        if not self.requires_grad:
            raise GradientError("can't retain_grad on Tensor that has requires_grad=False")
        if not self.is_leaf:
            _core.retain_gradient(self._handle)

    @property
    def retains_grad(self) -> Bool:
        """Whether `retain_grad` was called on this result."""
        return bool(self._info()[9]) and not self.is_leaf

    def register_hook(self, hook: Callable[[Tensor], Any]) -> autograd.RemovableHandle:
        """Let a function see the gradient in every backward; what it returns takes its place.

        Returns:
            A handle whose `remove()` ends it.
        """
        return autograd.register_hook(self, hook)

    def detach(self) -> Tensor:
        """Return a leaf that shares the memory and requires no gradient."""
        return apply(OPS["detach"], (self,))

    def detach_(self) -> Tensor:
        """Make this a leaf that requires no gradient; return it."""
        self._become(self.detach())
        return self

    # ---- numbers

    def __bool__(self) -> Bool:
        count = self.numel()
        if count != 1:
            values = "no values" if count == 0 else "more than one value"
            raise ScalarError(f"Boolean value of Tensor with {values} is ambiguous")
        return bool(self.item())

    def __float__(self) -> Float:
        return float(number_of(self))

    def __int__(self) -> Int:
        return int(number_of(self))

    def __index__(self) -> Int:
        if self.dtype.kind == 2 or self.numel() != 1:
            raise TypeError(
                "only integer tensors of a single element can be converted to an index, not "
                f"shape {self.shape} of {self.dtype.name}"
            )
        return int(self.item())

    def __round__(self, decimals: Int = 0) -> Tensor:
        return self.round(decimals)

    def __format__(self, specification: str) -> str:
        if self.ndim == 0 and specification:
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

    def __contains__(self, item: Any) -> Bool:
        found = self == item
        return bool(found.any()) if isinstance(found, TensorBase) else bool(found)

    def __reversed__(self) -> Tensor:
        return self.flip(0) if self.ndim else self

    # ---- other libraries and copies

    def numpy(self, *, force: Bool = False) -> Any:
        """Return an ndarray that shares the memory.

        Args:
            force: do so even of a tensor that requires a gradient.

        Raises:
            GradientError: it requires a gradient, which NumPy would drop.
        """
        return interchange.to_numpy(self.detach() if force else self)

    def __array__(self, dtype: Any = None, copy: Bool | None = None) -> Any:
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

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        if any(stride < 0 for stride in self.stride()):
            raise BufferError(
                f"__dlpack__: strides {self.stride()} run backwards, which not every library "
                "understands; use contiguous()"
            )
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[Int, Int]:
        return (1, 0)

    def __copy__(self) -> Tensor:
        made = self._new_like(self.detach())
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: dict[Int, Any]) -> Tensor:
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
        if not self.is_leaf:
            raise GradientError("only leaves can be pickled; use detach()")
        fields = type(self), self.dtype.name, self.shape, interchange.to_bytes(self)
        return interchange.from_bytes, (*fields, self.requires_grad), self.__dict__ or None

    def clone(self) -> Tensor:
        """Return a copy; the gradient flows through it."""
        return apply(OPS["clone"], (self,))

    def contiguous(self) -> Tensor:
        """Return the tensor with its elements in row-major order, itself if they are."""
        return self if self.is_contiguous() else apply(OPS["contiguous"], (self,))

    def to(self, *to: Any, dtype: Any = None, device: Any = None, copy: Bool = False) -> Tensor:
        """Return the tensor with another dtype: a dtype, another Tensor's, or a device's.

        Example:
            >>> Tensor([1.7, -1.7]).to("int64")
            tensor([ 1, -1])
        """
        for item in to:
            if isinstance(item, TensorBase):
                dtype = item.dtype
            elif is_device(item):
                device = item
            elif item is not None:
                dtype = as_dtype(item)
        interchange.check_device(device)
        result = cast(self, self.dtype if dtype is None else as_dtype(dtype))
        return self.clone() if copy and result is self else result

    def type(self, dtype: Any = None) -> Any:
        """Return the tensor with another dtype, or without one the name of its own."""
        return self.dtype.name if dtype is None else cast(self, as_dtype(dtype))

    astype = type

    def type_as(self, other: Any) -> Tensor:
        """Return the tensor with another's dtype."""
        return cast(self, other.dtype)

    def float(self) -> Tensor:
        """Return the tensor as float32."""
        return cast(self, float32)

    def double(self) -> Tensor:
        """Return the tensor as float64."""
        return cast(self, float64)

    def half(self) -> Tensor:
        """Return the tensor as float16."""
        return cast(self, float16)

    def int(self) -> Tensor:
        """Return the tensor as int32."""
        return cast(self, int32)

    def long(self) -> Tensor:
        """Return the tensor as int64."""
        return cast(self, int64)

    def bool(self) -> Tensor:
        """Return the tensor as bool: what is not 0."""
        return cast(self, bool_)

    def cpu(self) -> Tensor:
        """Return this tensor."""
        return self

    # ---- elements

    def add(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Return self + alpha * other."""
        return super().add(scaled(other, alpha, self))

    def sub(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Return self - alpha * other."""
        return super().sub(scaled(other, alpha, self))

    def add_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Add alpha * other in place."""
        return super().add_(scaled(other, alpha, self))

    def sub_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Subtract alpha * other in place."""
        return super().sub_(scaled(other, alpha, self))

    def gelu(self, approximate: str = "none") -> Tensor:
        """Return x Phi(x), Phi the normal distribution; its "tanh" form on request."""
        if approximate not in ("none", "tanh"):
            raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
        return apply(OPS["gelu" if approximate == "none" else "gelu_tanh"], (self,))

    floor, ceil, trunc = map(rounding, ("floor", "ceil", "trunc"))
    _round = rounding("round")

    def round(self, decimals: Int = 0) -> Tensor:
        """Return the nearest integers, of two the even one; or so many decimals."""
        if not decimals or not self.is_floating_point():
            return self._round()
        scale = 10.0**decimals
        return (self * scale).round() / scale

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        """Return the elements, those outside the bounds replaced by them."""
        if min is None and max is None:
            raise ValueError("clamp: at least one of min and max is needed")
        result = self if min is None else self.clamp_min(min)
        fresh = min is not None and result.dtype.kind == 2 and not result.requires_grad
        if fresh and type(max) is float:
            return result.clamp_max_(max)
        return result if max is None else result.clamp_max(max)

    def clamp_(self, min: Any = None, max: Any = None) -> Tensor:
        """Clamp in place."""
        if min is not None:
            self.clamp_min_(min)
        return self if max is None else self.clamp_max_(max)

    clip = clamp
    clip_ = clamp_

    def where(self, condition: Any, other: Any) -> Tensor:
        """Return self where the condition holds, else other."""
        return choose(condition, self, other)

    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """Return self with a value, a number or a tensor without axes, where the mask holds."""
        value = as_tensor(value, dtype=self.dtype)
        if value.ndim:
            raise ShapeError(f"masked_fill: a value has no axes, not shape {value.shape}")
        if as_tensor(mask).dtype is not bool_:
            raise DTypeError(f"masked_fill: a mask is of bool, not {as_tensor(mask).dtype.name}")
        return choose(mask, value, self)

    def isnan(self) -> Tensor:
        """Return where the elements are NaN."""
        return self.ne(self)

    def isinf(self) -> Tensor:
        """Return where the elements are infinite."""
        return self.abs().eq(math.inf)

    def isfinite(self) -> Tensor:
        """Return where the elements are neither infinite nor NaN."""
        return self.sub(self).eq(0) if self.is_floating_point() else self.eq(self)

    # ---- written over

    def copy_(self, other: Any) -> Tensor:
        """Copy another tensor, broadcast and cast, into this one; return it."""
        if not isinstance(other, TensorBase):
            other = as_tensor(other, dtype=self.dtype)
        if must_record(self, other):
            check_recorded(self, "copy_")
            self[...] = other.expand(self.shape)
        else:
            self._write(other)
        return self

    def fill_(self, value: Any) -> Tensor:
        """Set every element to a number; return the tensor."""
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Set every element to 0; return the tensor."""
        return self.copy_(0)

    def masked_fill_(self, mask: Any, value: Any) -> Tensor:
        """Fill in place where the mask holds; return the tensor."""
        return self.copy_(self.masked_fill(mask, value))

    def uniform_(self, a: Float = 0.0, b: Float = 1.0, *, generator: Any = None) -> Tensor:
        """Fill with a + (b - a) * random(), one number after the other; return the tensor."""
        return self.copy_(draw(0, self.shape, self.dtype, float(a), float(b), generator))

    def normal_(self, mean: Float = 0.0, std: Float = 1.0, *, generator: Any = None) -> Tensor:
        """Fill with normal numbers, one after the other; return the tensor."""
        return self.copy_(draw(1, self.shape, self.dtype, float(mean), float(std), generator))

    # ---- reductions: with arguments that C does not read

    _sum, _mean, _prod = cast_reduction("sum"), cast_reduction("mean"), cast_reduction("prod")
    _amax, _amin = reduction("amax"), reduction("amin")

    def max(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Any:
        """Return the largest element; or over an axis values and indices; or `maximum`.

        Over an axis the first of equals has the index, and the gradient.
        """
        return self._extreme("max", one_of(dim, axis), keepdim or keepdims)

    def min(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Any:
        """Return the smallest element; or over an axis values and indices; or `minimum`."""
        return self._extreme("min", one_of(dim, axis), keepdim or keepdims)

    def _extreme(self, name: str, dim: Any, keep: Any) -> Any:
        if dim is None:
            return reduce("a" + name, self, None, keep)
        if isinstance(dim, TensorBase) and (dim.ndim or dim.dtype.kind == 2):
            return getattr(self, name + "imum")(dim)
        axis = axis_of(dim, self.ndim, name)
        if not self.ndim:
            return ValuesIndices(self.clone(), zeros_like(self, dtype=int64))
        indices = apply(OPS["arg" + name], (self,), (axis, 1))
        values = apply(OPS["gather"], (self, indices), (axis,))
        if not keep:
            shape = indices.shape
            rest = (*shape[:axis], *shape[axis + 1 :])
            values, indices = values.reshape(rest), indices.reshape(rest)
        return ValuesIndices(values, indices)

    def argmax(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Tensor:
        """Return where the largest is along an axis, or in all elements; the first of equals."""
        return self._argument("argmax", one_of(dim, axis), keepdim or keepdims)

    def argmin(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Tensor:
        """Return where the smallest is along an axis, or in all elements; the first of equals."""
        return self._argument("argmin", one_of(dim, axis), keepdim or keepdims)

    def _argument(self, name: str, dim: Any, keep: Any) -> Tensor:
        if dim is None or not self.ndim:
            found = apply(OPS[name], (self.reshape(-1),), (0, 0))
            return found.reshape((1,) * self.ndim) if keep else found
        return apply(OPS[name], (self,), (axis_of(dim, self.ndim, name), int(bool(keep))))

    def _any(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Tensor:
        return reduce("any", self, one_of(dim, axis), keepdim or keepdims)

    def _all(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Tensor:
        return reduce("all", self, one_of(dim, axis), keepdim or keepdims)

    def var(
        self,
        dim: Any = None,
        unbiased: Any = None,
        keepdim: Any = False,
        *,
        correction: Float = 1,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Tensor:
        """Return the sum of squared distances from the mean, over their count - correction.

        Args:
            dim: the axes, at first all.
            unbiased: True for correction 1, False for 0.
        """
        return self._spread("var", one_of(dim, axis), unbiased, keepdim or keepdims, correction)

    def std(
        self,
        dim: Any = None,
        unbiased: Any = None,
        keepdim: Any = False,
        *,
        correction: Float = 1,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Tensor:
        """Return the square root of `var`."""
        return self._spread("std", one_of(dim, axis), unbiased, keepdim or keepdims, correction)

    def _spread(self, name: str, dim: Any, unbiased: Any, keep: Any, correction: Float) -> Tensor:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if unbiased is not None:
            correction = 1 if unbiased else 0
        return reduce(name, self, dim, keep, (float(correction),))

    def _logsumexp(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False
    ) -> Tensor:
        return reduce("logsumexp", self, one_of(dim, axis), keepdim or keepdims)

    def cumsum(self, dim: Any = None, *, dtype: Any = None, axis: Any = None) -> Tensor:
        """Return the sums of the elements up to each one along an axis."""
        x = self if dtype is None else cast(self, as_dtype(dtype))
        return x._along("cumsum", one_of(dim, axis))

    def softmax(self, dim: Any = None, *, dtype: Any = None, axis: Any = None) -> Tensor:
        """Return exp(x) over its sum along an axis."""
        x = self if dtype is None else cast(self, as_dtype(dtype))
        return x._along("softmax", one_of(dim, axis))

    def log_softmax(self, dim: Any = None, *, dtype: Any = None, axis: Any = None) -> Tensor:
        """Return the logarithm of `softmax`, without overflow."""
        x = self if dtype is None else cast(self, as_dtype(dtype))
        return x._along("log_softmax", one_of(dim, axis))

    def _along(self, name: str, dim: Any) -> Tensor:
        """Apply an op that keeps the shape, along one axis."""
        if dim is None:
            raise TypeError(f"{name}() needs an axis: dim")
        axis = axis_of(dim, self.ndim, name)
        if not self.ndim:
            return apply(OPS[name], (self.reshape(1),), (0,)).reshape(())
        return apply(OPS[name], (self,), (axis,))

    # ---- products

    def matmul(self, other: Any) -> Tensor:
        """Return self @ other."""
        product: Tensor = self @ other
        return product

    def mm(self, other: Any) -> Tensor:
        """Return the product of two matrices."""
        return self.matmul(of_ranks("mm", self, other, (2, 2), "two matrices"))

    def bmm(self, other: Any) -> Tensor:
        """Return the products of two batches of matrices, one by one."""
        other = of_ranks("bmm", self, other, (3, 3), "two batches of matrices")
        if self.shape[0] != other.shape[0]:
            raise ShapeError(f"bmm: shapes {self.shape} and {other.shape} differ in their batches")
        return self.matmul(other)

    def mv(self, other: Any) -> Tensor:
        """Return the product of a matrix and a vector."""
        return self.matmul(of_ranks("mv", self, other, (2, 1), "a matrix and a vector"))

    def dot(self, other: Any) -> Tensor:
        """Return the sum of the products of two vectors' elements, which are of one type."""
        other = of_ranks("dot", self, other, (1, 1), "two vectors")
        if self.dtype is not other.dtype:
            raise DTypeError(f"dot: {self.dtype.name} and {other.dtype.name} are not one type")
        return self.matmul(other)

    def outer(self, other: Any) -> Tensor:
        """Return the matrix of the products of two vectors' elements."""
        other = of_ranks("outer", self, other, (1, 1), "two vectors")
        return self.reshape(-1, 1).mul(other)

    # ---- shapes

    def _reshape(self, *shape: Any) -> Tensor:
        sizes = as_sizes(shape, "reshape")
        if -1 in sizes:
            sizes = list(spread_sizes(sizes, self.numel(), "reshape"))
        elif any(size < 0 for size in sizes):
            spread_sizes(sizes, self.numel(), "reshape")
        return apply(OPS["reshape"], (self,), tuple(sizes))

    def view(self, *shape: Any) -> Tensor:
        """Return the elements in another shape, sharing memory.

        Raises:
            ShapeError: strides do not allow it; `reshape` copies then.
        """
        if len(shape) == 1 and isinstance(shape[0], (str, dtype, type)):
            raise TypeError(f"view: it takes sizes, not {shape[0]!r}; a dtype is for to()")
        made = self.reshape(*shape)
        if made.data_ptr() != self.data_ptr() and made.numel():
            raise ShapeError(
                f"view: a tensor of shape {self.shape} and strides {self.stride()} has no view "
                f"of shape {made.shape}; use reshape()"
            )
        return made

    def view_as(self, other: Any) -> Tensor:
        """Return a view in another tensor's shape."""
        return self.view(other.shape)

    def reshape_as(self, other: Any) -> Tensor:
        """Return the elements in another tensor's shape."""
        return self.reshape(other.shape)

    def flatten(self, start_dim: Int = 0, end_dim: Int = -1) -> Tensor:
        """Return the tensor with axes start_dim to end_dim seen as one."""
        if not self.ndim:
            return self.reshape(1)
        first = axis_of(start_dim, self.ndim, "flatten")
        last = axis_of(end_dim, self.ndim, "flatten")
        if first > last:
            raise ShapeError(f"flatten: axis {start_dim} comes after {end_dim}")
        shape = self.shape
        one = math.prod(shape[first : last + 1])
        return self.reshape(*shape[:first], one, *shape[last + 1 :])

    def ravel(self) -> Tensor:
        """Return the elements along one axis."""
        return self.reshape(-1) if self.numel() else self.reshape(0)

    def unflatten(self, dim: Int, sizes: Sequence[Int]) -> Tensor:
        """Return the tensor with one axis cut into several; one of the sizes may be -1."""
        axis = own_axis(dim, self.ndim, "unflatten")
        shape = self.shape
        cut = spread_sizes(as_sizes((sizes,), "unflatten"), shape[axis], "unflatten")
        if math.prod(cut) != shape[axis]:
            raise ShapeError(f"unflatten: axis {axis} of size {shape[axis]} has no shape {cut}")
        return self.reshape(*shape[:axis], *cut, *shape[axis + 1 :])

    def squeeze(self, dim: Any = None, *, axis: Any = None) -> Tensor:
        """Return a view without axes of size 1: without all, or those named."""
        dim, shape = one_of(dim, axis), self.shape
        if dim is None:
            return self.reshape([size for size in shape if size != 1])
        none = isinstance(dim, (tuple, list)) and not dim
        axes = () if none else axes_of(dim, len(shape), "squeeze")
        return self.reshape([s for i, s in enumerate(shape) if s != 1 or i not in axes])

    def unsqueeze(self, dim: Int) -> Tensor:
        """Return a view with a new axis of size 1 at a place."""
        shape = self.shape
        axis = axis_of(dim, len(shape) + 1, "unsqueeze")
        return self.reshape((*shape[:axis], 1, *shape[axis:]))

    def _permute(self, *dims: Any) -> Tensor:
        order = tuple(axis_of(dim, self.ndim, "permute") for dim in as_sizes(dims, "permute"))
        if sorted(order) != list(range(self.ndim)):
            raise ShapeError(f"permute: {dims} does not name each of {self.ndim} axes once")
        return apply(OPS["permute"], (self,), order)

    def _transpose(self, dim0: Int, dim1: Int) -> Tensor:
        order = list(range(self.ndim))
        first = axis_of(dim0, self.ndim, "transpose")
        second = axis_of(dim1, self.ndim, "transpose")
        if order:
            order[first], order[second] = order[second], order[first]
        return apply(OPS["permute"], (self,), tuple(order))

    swapaxes = TensorBase.transpose

    def t(self) -> Tensor:
        """Return a matrix transposed, a vector or number as it is."""
        if self.ndim > 2:
            raise ShapeError(f"t: shape {self.shape} has more than two axes")
        return self.T

    def movedim(self, source: Any, destination: Any) -> Tensor:
        """Return a view with axes moved to other places; the rest keep their order."""
        rank = self.ndim
        start = axes_of(source, rank, "movedim")
        end = axes_of(destination, rank, "movedim")
        if len(start) != len(end):
            raise ShapeError(f"movedim: {source} and {destination} differ in number")
        rest = iter(axis for axis in range(rank) if axis not in start)
        goals = dict(zip(end, start, strict=True))
        order = tuple(goals[i] if i in goals else next(rest) for i in range(rank))
        return apply(OPS["permute"], (self,), order)

    moveaxis = movedim

    def expand(self, *sizes: Any) -> Tensor:
        """Return a view with axes of size 1, or new ones in front, repeated; -1 keeps a size."""
        wanted, shape = as_sizes(sizes, "expand"), self.shape
        new = len(wanted) - len(shape)
        if new < 0 or any([size < 0 for size in wanted[:new]]):
            raise ShapeError(f"expand: shape {shape} cannot be expanded to {tuple(wanted)}")
        for i, size in enumerate(shape, new):
            if wanted[i] == -1:
                wanted[i] = size
        return apply(OPS["expand"], (self,), tuple(wanted))

    broadcast_to = expand

    def expand_as(self, other: Any) -> Tensor:
        """Return a view with another tensor's shape."""
        return self.expand(other.shape)

    def repeat(self, *sizes: Any) -> Tensor:
        """Return so many copies next to each other along each axis, new axes in front."""
        counts, shape = as_sizes(sizes), self.shape
        new = len(counts) - len(shape)
        if new < 0 or any(count < 0 for count in counts):
            raise ShapeError(f"repeat: {tuple(counts)} does not say how often for shape {shape}")
        x = self.reshape((1,) * new + shape)
        for axis, count in enumerate(counts):
            if count != 1:
                before, after = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
                size = x.shape[axis]
                copies = x.reshape(before, 1, size * after).expand(before, count, size * after)
                x = copies.reshape(*x.shape[:axis], count * size, *x.shape[axis + 1 :])
        return x.clone() if x.data_ptr() == self.data_ptr() else x

    def tile(self, *dims: Any) -> Tensor:
        """Return `repeat`, with ones in front for axes that are not told."""
        counts = as_sizes(dims)
        return self.repeat(*[1] * (self.ndim - len(counts)), *counts)

    def flip(self, *dims: Any) -> Tensor:
        """Return a view with the order along axes reversed."""
        given = as_sizes(dims, "flip")
        axes = axes_of(given, self.ndim, "flip") if given else ()
        shape = self.shape
        start, step = [0] * len(shape), [1] * len(shape)
        for axis in axes:
            if shape[axis] > 0:
                start[axis], step[axis] = shape[axis] - 1, -1
        return apply(OPS["slice"], (self,), (*start, *step, *shape))

    def roll(self, shifts: Any, dims: Any = None) -> Tensor:
        """Return the elements moved along axes, those pushed out entering at the other end."""
        if dims is None:
            return self.ravel().roll(shifts, 0).reshape(self.shape)
        x = self
        if len(each(shifts)) != len(each(dims)):
            raise ShapeError(f"roll: shifts {shifts} are not as many as the axes, {dims}")
        for shift, dim in zip(each(shifts), each(dims), strict=True):
            axis = own_axis(dim, self.ndim, "roll")
            size = self.shape[axis]
            cut = -shift % size if size else 0
            if cut:
                x = cat((x.narrow(axis, cut, size - cut), x.narrow(axis, 0, cut)), axis)
        return x.clone() if x is self else x

    def narrow(self, dim: Int, start: Int, length: Int) -> Tensor:
        """Return a view of length items along an axis, from start on."""
        axis = own_axis(dim, self.ndim, "narrow")
        shape = self.shape
        size = shape[axis]
        first = start + size if start < 0 else start
        if not 0 <= first <= size or not 0 <= length <= size - first:
            raise TensorIndexError(
                f"narrow: {length} items from {start} are not within axis {axis} of size {size}"
            )
        starts = [0] * len(shape)
        starts[axis] = first if length else 0
        counts = (*shape[:axis], length, *shape[axis + 1 :])
        return apply(OPS["slice"], (self,), (*starts, *[1] * len(shape), *counts))

    def select(self, dim: Int, index: Int) -> Tensor:
        """Return a view of one item along an axis, which goes."""
        axis = own_axis(dim, self.ndim, "select")
        return self[(slice(None),) * axis + (operator.index(index),)]

    def split(self, split_size: Any, dim: Int = 0) -> tuple[Tensor, ...]:
        """Return views of pieces along an axis: of one size, or of each size in a list."""
        axis = own_axis(dim, self.ndim, "split")
        size = self.shape[axis]
        if not hasattr(split_size, "__index__"):
            sizes = as_sizes((split_size,), "split")
            if builtin_sum(sizes) != size:
                raise ShapeError(f"split: {sizes} do not add up to axis {axis} of size {size}")
        elif split_size <= 0:
            raise ShapeError(f"split: pieces of {split_size} items")
        else:
            sizes = [min(split_size, size - i) for i in range(0, size, split_size)] or [0]
        pieces, start = [], 0
        for length in sizes:
            pieces.append(self.narrow(axis, start, length))
            start += length
        return tuple(pieces)

    def chunk(self, chunks: Int, dim: Int = 0) -> tuple[Tensor, ...]:
        """Return views of at most so many equal pieces along an axis, the last one smaller."""
        axis = own_axis(dim, self.ndim, "chunk")
        if chunks < 1:
            raise ShapeError(f"chunk: {chunks} is no number of pieces")
        return self.split(max(1, -(-self.shape[axis] // chunks)), axis)

    def unbind(self, dim: Int = 0) -> tuple[Tensor, ...]:
        """Return views of all items along an axis."""
        axis = own_axis(dim, self.ndim, "unbind")
        return tuple(self.select(axis, i) for i in range(self.shape[axis]))

    def pad(self, pad: Sequence[Int], mode: str = "constant", value: Float = 0.0) -> Tensor:
        """Return the tensor with a number around it.

        Args:
            pad: how many items before and after the last axis, then the one before it, and so
                on; fewer than 0 cut off.
            mode: "constant".
            value: the number; for integers one that float64 holds.
        """
        if mode != "constant":
            raise ValueError(f"pad: the only mode is 'constant', not {mode!r}")
        if type(value) is not float and self.dtype.kind == 1:
            check_pad_value(value)
        pad = as_sizes((pad,), "pad")
        if len(pad) % 2 or len(pad) > 2 * self.ndim:
            raise ShapeError(
                f"pad: {tuple(pad)} does not go with shape {self.shape}: two numbers an axis"
            )
        before, after = [0] * self.ndim, [0] * self.ndim
        for i in range(len(pad) // 2):
            before[-1 - i], after[-1 - i] = pad[2 * i], pad[2 * i + 1]
        x = self
        for axis, (low, high) in enumerate(zip(before, after, strict=True)):
            if low < 0 or high < 0:
                length = x.shape[axis] + min(low, 0) + min(high, 0)
                if length < 0:
                    raise ShapeError(
                        f"pad: {tuple(pad)} cuts off more than axis {axis} has, {x.shape[axis]}"
                    )
                x = x.narrow(axis, max(-low, 0), length)
        sizes = [max(n, 0) for n in (*before, *after)]
        return apply(OPS["pad"], (x,), tuple(sizes), (float(value),))

    def tril(self, diagonal: Int = 0) -> Tensor:
        """Return zeros above a diagonal."""
        return tril(self, diagonal)

    def triu(self, diagonal: Int = 0) -> Tensor:
        """Return zeros below a diagonal."""
        return triu(self, diagonal)

    # ---- selection

    def gather(self, dim: Int, index: Any) -> Tensor:
        """Return, for each element of index, the item that it names along an axis."""
        axis = axis_of(dim, self.ndim, "gather")
        return apply(OPS["gather"], (self, as_indices(index)), (axis,))

    def take_along_dim(self, indices: Any, dim: Int | None = None) -> Tensor:
        """Return `gather`, with the other axes broadcast; without dim, of all elements."""
        indices = as_indices(indices)
        if dim is None:
            return self.ravel().gather(0, indices.ravel())
        axis = axis_of(dim, self.ndim, "take_along_dim")
        shape = list(indexing.common_shape([one_at(self.shape, axis), one_at(indices.shape, axis)]))
        own, other = list(shape), list(shape)
        own[axis], other[axis] = self.shape[axis], indices.shape[axis]
        return self.expand(own).gather(axis, indices.expand(other))

    def scatter_add(self, dim: Int, index: Any, src: Any) -> Tensor:
        """Return self with each element of src added where index says along an axis."""
        axis = axis_of(dim, self.ndim, "scatter_add")
        src = as_tensor(src, dtype=self.dtype)
        return apply(OPS["scatter_add"], (self, as_indices(index), src), (axis,))

    def scatter_add_(self, dim: Int, index: Any, src: Any) -> Tensor:
        """Add in place where index says along an axis; return the tensor."""
        return self.copy_(self.scatter_add(dim, index, src))

    def index_select(self, dim: Int, index: Any) -> Tensor:
        """Return the items along an axis that a vector of indices names."""
        axis = axis_of(dim, self.ndim, "index_select")
        index = as_indices(index)
        if index.ndim > 1:
            raise ShapeError(f"index_select: indices are a vector, not of shape {index.shape}")
        try:
            return self[(slice(None),) * axis + (index.reshape(-1),)]
        except TensorIndexError as error:
            reason = str(error).replace("x[...]", "index_select").replace("an axis", f"axis {axis}")
            raise TensorIndexError(reason) from None

    def index_add(self, dim: Int, index: Any, source: Any) -> Tensor:
        """Return self with the items of source added where a vector says along an axis."""
        axis = axis_of(dim, self.ndim, "index_add")
        x = self.movedim(axis, 0)
        source = as_tensor(source, dtype=self.dtype).movedim(axis, 0)
        return apply(OPS["add_at"], (x, as_indices(index), source)).movedim(0, axis)

    def masked_select(self, mask: Any) -> Tensor:
        """Return the elements where a mask holds, along one axis."""
        mask = as_tensor(mask)
        if mask.dtype is not bool_:
            raise DTypeError(f"masked_select: a mask is of bool, not {mask.dtype.name}")
        shape = indexing.common_shape([self.shape, mask.shape])
        return self.expand(shape)[mask.expand(shape)]

    def nonzero(self, as_tuple: Bool = False) -> Any:
        """Return the indices of elements that are not 0: (count, ndim), or a tuple by axis."""
        found = apply(OPS["nonzero"], (self,))
        return tuple(found.unbind(1)) if as_tuple else found


# ---- functions -------------------------------------------------------------------------------

builtin_sum = sum


def scaled(x: Any, alpha: Any, beside: Any) -> Any:
    """Return alpha * x for another operand."""
    if alpha == 1:
        return x
    other = x if isinstance(x, TensorBase) else as_operand(x, beside)
    return x if other is NotImplemented else other * alpha  # x, for the op to refuse


def of_ranks(what: str, x: Any, other: Any, ranks: tuple[int, int], kinds: str) -> Any:
    """Return another operand as a Tensor, if the two have so many axes."""
    other = as_tensor(other)
    if (x.ndim, other.ndim) != ranks:
        raise ShapeError(f"{what}: shapes {x.shape} and {other.shape} are not {kinds}")
    return other


DEVICES = ("cpu", "cuda", "gpu", "hip", "meta", "mps", "xla", "xpu")


def is_device(x: Any) -> bool:
    """Tell whether x names a device, ours or not: a name, or PyTorch's object."""
    named = isinstance(x, str) or type(x).__name__ == "device"
    return named and str(x).partition(":")[0] in DEVICES


def each(x: Any) -> tuple[Any, ...]:
    """Return one thing, or several, as a tuple."""
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def number_of(x: Any) -> Any:
    """Return the only element."""
    try:
        return x.item()
    except MicrogradError:
        raise
    except RuntimeError as error:
        raise ScalarError(str(error)) from None


def one_at(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Return a shape with size 1 at an axis."""
    return (*shape[:axis], 1, *shape[axis + 1 :])


def as_indices(index: Any) -> Any:
    """Return indices as a Tensor of int64."""
    index = as_tensor(index)
    if index.dtype.kind != 1 and index.numel():
        raise DTypeError(f"indices are integers, not {index.dtype.name}")
    return cast(index, int64)


def cat(tensors: Iterable[Any], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Return tensors one after the other along an axis."""
    parts = [as_tensor(x) for x in tensors]
    if not parts:
        raise ShapeError("cat: there are no tensors")
    where = axis_of(dim if axis is None else axis, parts[0].ndim, "cat")
    if not parts[0].ndim:
        raise ShapeError("cat: tensors without axes; stack() gives them one")
    return apply(OPS["cat"], of_one_type(parts), (where,))


def of_one_type(parts: list[Tensor]) -> tuple[Tensor, ...]:
    """Return tensors cast to the highest of their types."""
    kinds = {x.dtype for x in parts}
    if len(kinds) > 1:
        highest = max(kinds, key=promotion)
        parts = [cast(x, highest) for x in parts]
    return tuple(parts)


def promotion(kind: dtype) -> tuple[int, ...]:
    """Return the place of a type in the order of PROMOTION."""
    return kind.kind, kind.itemsize


def stack(tensors: Iterable[Any], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Return tensors of one shape next to each other along a new axis."""
    parts = [as_tensor(x) for x in tensors]
    if not parts:
        raise ShapeError("stack: there are no tensors")
    shapes = {x.shape for x in parts}
    if len(shapes) > 1:
        given = ", ".join(sorted(map(str, shapes)))
        raise ShapeError(f"stack: tensors are of one shape, not {given}")
    (shape,) = shapes
    where = axis_of(dim if axis is None else axis, len(shape) + 1, "stack")
    wanted = (*shape[:where], 1, *shape[where:])
    rows = [x.reshape(wanted) for x in of_one_type(parts)]
    return apply(OPS["cat"], tuple(rows), (where,))


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Return input where the condition holds, else other; or, of the condition alone, `nonzero`.

    Example:
        >>> where(Tensor([True, False]), Tensor([1.0, 2.0]), 0.0)
        tensor([1., 0.])
    """
    if input is None and other is None:
        return as_tensor(condition).nonzero(as_tuple=True)
    return choose(condition, input, other)


def choose(condition: Any, input: Any, other: Any) -> Tensor:
    """Return input where the condition holds, else other."""
    condition = as_tensor(condition)
    if condition.dtype is not bool_:
        raise DTypeError(f"where: a condition is of bool, not {condition.dtype.name}")
    arrays = isinstance(input, TensorBase) and isinstance(other, TensorBase)
    if not (arrays and input.dtype is other.dtype):
        input, other = common(input, other)
    return apply(OPS["where"], (condition, input, other))


def common(a: Any, b: Any) -> tuple[Any, Any]:
    """Return two operands as Tensors of one type; numbers count by their kind."""
    left, right = as_tensor(a), as_tensor(b)
    numbers = [is_number(x) and not isinstance(x, TensorBase) for x in (a, b)]
    if numbers[0] != numbers[1]:
        number, beside = (left, right) if numbers[0] else (right, left)
        kind = beside.dtype if number.dtype.kind <= beside.dtype.kind else number.dtype
        left, right = as_tensor(a, dtype=kind), as_tensor(b, dtype=kind)
    elif bool(left.ndim) != bool(right.ndim):
        strong, light = (left, right) if left.ndim else (right, left)
        kind = strong.dtype if light.dtype.kind <= strong.dtype.kind else light.dtype
    else:
        kind = max(left.dtype, right.dtype, key=promotion)
    return cast(left, kind), cast(right, kind)


def maximum(a: Any, b: Any) -> Tensor:
    """Return the larger of two elements; equal ones share the gradient."""
    return as_tensor(a).maximum(b)


def minimum(a: Any, b: Any) -> Tensor:
    """Return the smaller of two elements; equal ones share the gradient."""
    return as_tensor(a).minimum(b)


for name in (
    "sum", "mean", "prod", "amax", "amin", "any", "all", "logsumexp", "reshape", "permute",
    "transpose",
):  # fmt: skip
    getattr(Tensor, "_" + name).__qualname__ = f"Tensor.{name}"  # what Python's errors say

TensorBase._set_up(Tensor, DTYPES, slow_operator, slow_in_place, autograd.stop, fail, silent)
