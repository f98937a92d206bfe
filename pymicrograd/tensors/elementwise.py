"""Ops on each element that take other arguments than C reads, and in place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, DTypeError, ShapeError
from .arguments import as_float, as_int
from .attributes import Attributes
from .conversion import as_tensor
from .dtypes import HALVES, bool_, float32
from .explain import alias, call_as
from .indexing import as_mask, check_recorded
from .leaves import draw
from .operators import as_written, call_named, scaled
from .ops import OPS, T, TensorBase, apply, cast, needs_recording
from .promotion import common

if TYPE_CHECKING:
    from .tensor import Tensor


def rounding(name: str) -> Callable[[Any], Tensor]:
    """Return the method of a rounding to integers, which leaves integers as they are."""
    rounded = getattr(TensorBase, name)

    def method(self: Any) -> Tensor:
        found: Tensor = rounded(self) if self.is_floating_point() else self.clone()
        return found

    method.__doc__ = (
        f"Return math.{name} of each element, in the same dtype; of integers a copy.\n\n"
        "The gradient is 0 everywhere."
    )
    method.__qualname__ = f"Tensor.{name}"
    return method


def rounding_in_place(name: str) -> Callable[[Any], Any]:
    """Return the method of a rounding over the elements, which leaves integers as they are."""
    rounded = getattr(TensorBase, name + "_")

    def method(self: Any) -> Any:
        return rounded(self) if self.is_floating_point() else self

    method.__doc__ = (
        f"Write `{name}` over the elements; return the tensor. Integers stay.\n\n"
        "Raises:\n    GradientError: this is a leaf that requires a gradient; use no_grad().\n"
        "    ReadOnlyError: the memory is read-only."
    )
    method.__qualname__ = f"Tensor.{name}_"
    return method


def choose(condition: Any, input: Any, other: Any) -> Tensor:
    """Return input where the condition holds, else other; of the two one type is made."""
    condition = as_mask(call_as("where", as_tensor, condition), "where")
    arrays = isinstance(input, TensorBase) and isinstance(other, TensorBase)
    if not (arrays and input.dtype is other.dtype):
        input, other = call_as("where", common, input, other)
    return apply(OPS["where"], (condition, input, other))


def number_like(x: Any, beside: Any, what: str) -> Any:
    """Return a number, or a tensor without axes, as a tensor of another's type."""
    value = call_as(what, as_tensor, x, dtype=beside.dtype)
    if value.ndim:
        raise ShapeError(f"{what}: a value has no axes, not shape {value.shape}")
    return value


def fits(bound: Any, x: Any) -> bool:
    """Tell whether a bound is a number that no method refuses beside x."""
    if not x.is_floating_point():
        return False
    return type(bound) is float or (type(bound) is int and -(2**63) <= bound < 2**63)


def check_floats(x: Any, what: str) -> None:
    """Refuse draws from a continuous distribution into integers, which would cut them."""
    if not x.is_floating_point():
        raise DTypeError(f"{what}: is for floats, not {x.dtype.name}; randint() draws integers")


class ElementwiseMethods(Attributes):
    """Elementwise methods, beside those of TensorBase."""

    __slots__ = ()

    def add(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Return self + alpha * other, element by element.

        The shapes are broadcast and the dtypes promoted: of int64 and a float becomes float32.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        return TensorBase.add(self, scaled(other, alpha, self))

    def sub(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Return self - alpha * other, element by element; shapes and dtypes as for `add`.

        Raises:
            ShapeError: the shapes cannot be broadcast.
            DTypeError: both are of bool.
        """
        return TensorBase.sub(self, scaled(other, alpha, self))

    def add_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Write self + alpha * other over the elements; return the tensor. Its dtype stays.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
            ViewError: elements share memory, as after expand().
            ShapeError: other cannot be broadcast into this shape.
            DTypeError: the sum is of another kind, such as floats into integers.
        """
        return TensorBase.add_(self, scaled(other, alpha, self))

    def sub_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Write self - alpha * other over the elements; return the tensor. As `add_`.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
            ViewError: elements share memory, as after expand().
            ShapeError: other cannot be broadcast into this shape.
            DTypeError: the difference is of another kind, such as floats into integers.
        """
        return TensorBase.sub_(self, scaled(other, alpha, self))

    def gelu(self, approximate: str = "none") -> Tensor:
        """Return x * Phi(x) of each element, Phi(x) = (1 + erf(x / sqrt(2))) / 2.

        Args:
            approximate: "none", or "tanh" for x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

        Raises:
            ValueError: approximate is neither.
        """
        if approximate not in ("none", "tanh"):
            raise ArgumentError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
        return apply(OPS["gelu" if approximate == "none" else "gelu_tanh"], (self,))

    floor, ceil, trunc = map(rounding, ("floor", "ceil", "trunc"))

    floor_, ceil_, trunc_ = map(rounding_in_place, ("floor", "ceil", "trunc"))

    _round, _round_ = rounding("round"), rounding_in_place("round")

    def _named(self, name: str, *args: Any, **named: Any) -> Any:
        return call_named(self, name, args, named)

    def round_(self, decimals: int = 0) -> Tensor:
        """Write `round` over the elements; return the tensor. Integers stay.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
        """
        x: Any = self
        made: Tensor = x.copy_(x.round(decimals)) if decimals else x._round_()
        return made

    def round(self, decimals: int = 0) -> Tensor:
        """Return the nearest whole number to each element, of two equally near the even one.

        The dtype stays and the gradient is 0. Integers are copied.

        Args:
            decimals: how many digits after the point to keep; negative for tens, hundreds.

        Raises:
            TypeError: decimals is no int.
            ValueError: 10**decimals is beyond the dtype.
        """
        if decimals:
            decimals = as_int(decimals, "round: the number of decimals")
        if not decimals or not self.is_floating_point():
            return self._round()
        if self.dtype in HALVES:  # float16's 10**5 is infinite
            return cast(cast(self, float32).round(decimals), self.dtype)
        most = 38 if self.dtype is float32 else 308
        if abs(decimals) > most:
            raise ArgumentError(
                f"round: decimals is from {-most} to {most} for {self.dtype.name}, not {decimals}"
            )
        scale = 10.0**decimals
        return (self * scale).round() / scale

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        """Return min(max(x, lower bound), upper bound) of each element.

        Args:
            min, max: the bounds, numbers or tensors that are broadcast; None for no bound.

        Raises:
            ValueError: neither bound is given.
            ShapeError: a bound cannot be broadcast with this shape.
        """
        if min is None and max is None:
            raise ArgumentError("clamp: at least one of min and max is needed")
        if max is None:
            return call_as("clamp", self.clamp_min, min)
        if min is None:
            return call_as("clamp", self.clamp_max, max)
        result = call_as("clamp", self.clamp_min, min)
        fresh = result.dtype.kind == 2 and not result.requires_grad
        if fresh and type(max) is float:
            return result.clamp_max_(max)
        return call_as("clamp", result.clamp_max, max)

    def clamp_(self: T, min: Any = None, max: Any = None) -> T:
        """Write `clamp` over the elements; return the tensor.

        Raises:
            ValueError: neither bound is given.
            DTypeError: a bound is a float, the elements are integers.
            ShapeError: a bound cannot be broadcast into this shape.
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
            ViewError: elements share memory, as after expand().
        """
        if min is None and max is None:
            raise ArgumentError("clamp_: at least one of min and max is needed")
        if min is not None and max is not None and not (fits(min, self) and fits(max, self)):
            made = call_as("clamp_", self.detach().clamp, min, max)
            as_written(self, made, "clamp_")  # before the first bound is written
        if min is not None:
            call_as("clamp_", self.clamp_min_, min)
        if max is not None:
            call_as("clamp_", self.clamp_max_, max)
        return self

    clip = alias("clip", clamp)

    clip_ = alias("clip_", clamp_)

    def where(self, condition: Any, other: Any) -> Tensor:
        """Return self where a condition of bool holds, else other; all three are broadcast.

        Raises:
            DTypeError: the condition is not of bool.
            ShapeError: the shapes cannot be broadcast.
        """
        return choose(condition, self, other)

    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """Return a copy with a value where a mask holds; shapes of both are broadcast.

        Args:
            mask: of bool.
            value: a number, or a tensor of shape ().

        Raises:
            DTypeError: the mask is not of bool.
            ShapeError: the mask cannot be broadcast, or the value has axes.
        """
        value = number_like(value, self, "masked_fill")
        if as_tensor(mask).dtype is not bool_:
            kind = as_tensor(mask).dtype.name
            raise DTypeError(f"masked_fill: a mask is of bool, not {kind}; bool() makes one")
        return call_as("masked_fill", choose, mask, value, self)

    def isnan(self) -> Tensor:
        """Return a tensor of bool in this shape: True where an element is NaN."""
        return self.ne(self)

    def isinf(self) -> Tensor:
        """Return a tensor of bool in this shape: True where an element is inf or -inf."""
        return self.abs().eq(math.inf)

    def isfinite(self) -> Tensor:
        """Return a tensor of bool in this shape: True where an element is neither inf nor NaN."""
        return self.sub(self).eq(0) if self.is_floating_point() else self.eq(self)

    def copy_(self: T, other: Any, non_blocking: bool = False) -> T:
        """Write another tensor's elements, broadcast and cast, over these; return the tensor.

        The gradient flows to the other tensor.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
            ViewError: elements share memory, as after expand().
            ShapeError: other cannot be broadcast into this shape.
        """
        if not isinstance(other, TensorBase):
            other = call_as("copy_", as_tensor, other, dtype=self.dtype)
        if needs_recording(self, other):
            check_recorded(self, "copy_")
            self[...] = call_as("copy_", other.expand, self.shape)
        else:
            self._write(other)
        return self

    def fill_(self: T, value: Any) -> T:
        """Write one number over every element; return the tensor.

        Args:
            value: a number, or a tensor of shape (), to which its gradient flows. It is cast.

        Raises:
            ShapeError: the value has axes.
            DTypeError: the value is no number; ValueError: the dtype does not hold it.
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
            ViewError: elements share memory, as after expand().
        """
        call_as("fill_", self.copy_, number_like(value, self, "fill_"))
        return self

    def zero_(self: T) -> T:
        """Write 0 over every element; return the tensor.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
            ViewError: elements share memory, as after expand().
        """
        call_as("zero_", self.copy_, 0)
        return self

    def masked_fill_(self: T, mask: Any, value: Any) -> T:
        """Write a value over the elements where a mask of bool holds; return the tensor.

        Raises:
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
            ViewError: elements share memory, as after expand().
            DTypeError: the mask is not of bool.
            ShapeError: the mask cannot be broadcast into this shape, or the value has axes.
        """
        made = call_as("masked_fill_", self.masked_fill, mask, value)
        call_as("masked_fill_", self.copy_, made)
        return self

    def uniform_(
        self: T, a: float = 0.0, b: float = 1.0, *, generator: Any = None, **bounds: float
    ) -> T:
        """Fill with draws from the uniform distribution on [a, b); return the tensor.

        Args:
            a, b: the bounds; "from" and "to" are PyTorch's names for them.
            generator: where the numbers come from, in row-major order; the global one if None.

        Raises:
            TypeError: a parameter is no number, or the generator no RNG.
            DTypeError: the elements are no floats.
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
            ViewError: elements share memory, as after expand().
        """
        a, b = bounds.pop("from", a), bounds.pop("to", b)
        if bounds:
            raise TypeError(f"uniform_() got an unexpected keyword argument {min(bounds)!r}")
        a, b = as_float(a, "uniform_: a parameter"), as_float(b, "uniform_: a parameter")
        check_floats(self, "uniform_")
        if not a <= b:
            raise ArgumentError(
                f"uniform_: the range [from, to) is empty: from {a} is above to {b}"
            )
        call_as("uniform_", self.copy_, draw(0, self.shape, self.dtype, a, b, generator))
        return self

    def normal_(self: T, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> T:
        """Fill with draws from the normal distribution N(mean, std^2); return the tensor.

        Args:
            generator: where the numbers come from, in row-major order; the global one if None.

        Raises:
            TypeError: a parameter is no number, or the generator no RNG.
            DTypeError: the elements are no floats.
            GradientError: this is a leaf that requires a gradient; use no_grad().
            ReadOnlyError: the memory is read-only.
            ViewError: elements share memory, as after expand().
        """
        mean, std = as_float(mean, "normal_: a parameter"), as_float(std, "normal_: a parameter")
        check_floats(self, "normal_")
        if not std >= 0:
            raise ArgumentError(f"normal_: the standard deviation is at least 0, not {std}")
        call_as("normal_", self.copy_, draw(1, self.shape, self.dtype, mean, std, generator))
        return self
