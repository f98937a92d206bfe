"""Ops on each element that take other arguments than C reads, and in place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import DTypeError, ShapeError
from .attributes import Attributes
from .conversion import as_tensor
from .dtypes import bool_
from .indexing import check_recorded
from .leaves import draw
from .operators import scaled
from .ops import OPS, T, TensorBase, apply, needs_recording
from .promotion import common

if TYPE_CHECKING:
    from .tensor import Tensor


def rounding(name: str) -> Callable[[Any], Tensor]:
    """Return the method of a rounding to integers, which leaves integers as they are."""
    rounded = getattr(TensorBase, name)

    def method(self: Any) -> Tensor:
        found: Tensor = rounded(self) if self.is_floating_point() else self.clone()
        return found

    method.__doc__ = f"Return the elements rounded as by {name}; of integers a copy."
    method.__qualname__ = f"Tensor.{name}"
    return method


def choose(condition: Any, input: Any, other: Any) -> Tensor:
    """Return input where the condition holds, else other."""
    condition = as_tensor(condition)
    if condition.dtype is not bool_:
        raise DTypeError(f"where: a condition is of bool, not {condition.dtype.name}")
    arrays = isinstance(input, TensorBase) and isinstance(other, TensorBase)
    if not (arrays and input.dtype is other.dtype):
        input, other = common(input, other)
    return apply(OPS["where"], (condition, input, other))


class ElementwiseMethods(Attributes):
    """Elementwise methods, beside those of TensorBase."""

    __slots__ = ()

    def add(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Return self + alpha * other."""
        return TensorBase.add(self, scaled(other, alpha, self))

    def sub(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Return self - alpha * other."""
        return TensorBase.sub(self, scaled(other, alpha, self))

    def add_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Add alpha * other in place."""
        return TensorBase.add_(self, scaled(other, alpha, self))

    def sub_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Subtract alpha * other in place."""
        return TensorBase.sub_(self, scaled(other, alpha, self))

    def gelu(self, approximate: str = "none") -> Tensor:
        """Return x Phi(x), Phi the normal distribution; its "tanh" form on request."""
        if approximate not in ("none", "tanh"):
            raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
        return apply(OPS["gelu" if approximate == "none" else "gelu_tanh"], (self,))

    floor, ceil, trunc = map(rounding, ("floor", "ceil", "trunc"))

    _round = rounding("round")

    def round(self, decimals: int = 0) -> Tensor:
        """Return the nearest integers, of two the even one; or so many decimals."""
        if not decimals or not self.is_floating_point():
            return self._round()
        scale = 10.0**decimals
        return (self * scale).round() / scale

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        """Return the elements, those outside the bounds replaced by them."""
        if min is None and max is None:
            raise ValueError("clamp: at least one of min and max is needed")
        if max is None:
            return self.clamp_min(min)
        if min is None:
            return self.clamp_max(max)
        result = self.clamp_min(min)
        fresh = result.dtype.kind == 2 and not result.requires_grad
        return result.clamp_max_(max) if fresh and type(max) is float else result.clamp_max(max)

    def clamp_(self: T, min: Any = None, max: Any = None) -> T:
        """Clamp in place."""
        if min is None and max is None:
            raise ValueError("clamp_: at least one of min and max is needed")
        if min is not None:
            self.clamp_min_(min)
        if max is not None:
            self.clamp_max_(max)
        return self

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

    def copy_(self: T, other: Any) -> T:
        """Copy another tensor, broadcast and cast, into this one; return it."""
        if not isinstance(other, TensorBase):
            other = as_tensor(other, dtype=self.dtype)
        if needs_recording(self, other):
            check_recorded(self, "copy_")
            self[...] = other.expand(self.shape)
        else:
            self._write(other)
        return self

    def fill_(self: T, value: Any) -> T:
        """Set every element to a number; return the tensor."""
        self.copy_(value)
        return self

    def zero_(self: T) -> T:
        """Set every element to 0; return the tensor."""
        self.copy_(0)
        return self

    def masked_fill_(self: T, mask: Any, value: Any) -> T:
        """Fill in place where the mask holds; return the tensor."""
        self.copy_(self.masked_fill(mask, value))
        return self

    def uniform_(self: T, a: float = 0.0, b: float = 1.0, *, generator: Any = None) -> T:
        """Fill with a + (b - a) * random(), one number after the other; return the tensor."""
        self.copy_(draw(0, self.shape, self.dtype, float(a), float(b), generator))
        return self

    def normal_(self: T, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> T:
        """Fill with normal numbers, one after the other; return the tensor."""
        self.copy_(draw(1, self.shape, self.dtype, float(mean), float(std), generator))
        return self
