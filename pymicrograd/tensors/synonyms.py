"""Second names: PyTorch's synonyms of methods, and those that copy where others view."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._core import no_grad
from ..errors import ShapeError
from .arguments import as_int, as_ints
from .attributes import Attributes
from .conversion import as_tensor
from .dtypes import uint8
from .explain import call_as
from .leaves import blank
from .ops import TensorBase, cast

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["COPIES", "SYNONYMS", "SynonymMethods"]

SYNONYMS = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctanh": "atanh", "divide": "div", "fix": "trunc", "greater": "gt",
    "greater_equal": "ge", "less": "lt", "less_equal": "le", "multiply": "mul", "negative": "neg",
    "not_equal": "ne", "subtract": "sub",
}  # fmt: skip

# The views that PyTorch has as copies, too: narrow_copy() and so on.
COPIES = (
    "detach", "diagonal", "narrow", "permute", "squeeze", "t", "transpose", "unbind", "unfold",
    "unsqueeze", "view",
)  # fmt: skip


def synonym(name: str, method: str) -> Callable[..., Any]:
    """Return the method that calls another one under a second name."""

    def named(self: Any, *args: Any, **options: Any) -> Any:
        return call_as(name, getattr(self, method), *args, **options)

    named.__name__, named.__qualname__ = name, f"Tensor.{name}"
    named.__doc__ = f"Return `{method}`, which tells of the arguments."
    return named


def copied(method: str) -> Callable[..., Any]:
    """Return the method that copies what a view shows."""
    name = f"{method}_copy"

    def named(self: Any, *args: Any, **options: Any) -> Any:
        found = call_as(name, getattr(self, method), *args, **options)
        return tuple(x.clone() for x in found) if isinstance(found, tuple) else found.clone()

    named.__name__, named.__qualname__ = name, f"Tensor.{name}"
    named.__doc__ = f"Return a copy of what `{method}` shows."
    return named


class SynonymMethods(Attributes):
    """Methods under second names, and small ones that PyTorch's programs call."""

    __slots__ = ()

    def byte(self: Any, memory_format: Any = None) -> Tensor:
        """Return the elements as uint8, floats cut towards 0; no gradient flows through."""
        return cast(self, uint8)

    def ndimension(self: Any) -> int:
        """Return the number of axes, as the attribute ndim."""
        return self.ndim

    def is_same_size(self: Any, other: Any) -> bool:
        """Return whether another tensor has the same shape."""
        return bool(self.shape == other.shape)

    def fill(self: Any, value: Any) -> Tensor:
        """Return a tensor of this shape and type with one value for every element."""
        return call_as("fill", (self * 0 if self.requires_grad else self).clone().fill_, value)

    def alias_copy(self: Any) -> Tensor:
        """Return a copy."""
        return self.clone()

    def apply_(self: Any, callable: Callable[[Any], Any]) -> Tensor:
        """Overwrite each element with what a function makes of it as a number; return the tensor.

        It is slow, and no gradient flows through it.
        """
        found = [callable(x) for x in self.detach().reshape(-1).tolist()]
        with no_grad():
            self.copy_(as_tensor(found, dtype=self.dtype).reshape(self.shape))
        return self

    def map_(self: Any, tensor: Any, callable: Callable[[Any, Any], Any]) -> Tensor:
        """Overwrite each element with callable(element, other), other being tensor's at its place.

        It is slow, and no gradient flows through it.
        """
        others = iter(tensor.detach().expand(self.shape).reshape(-1).tolist())
        return call_as("map_", self.apply_, lambda x: callable(x, next(others)))

    def split_with_sizes(self: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
        """Return views of consecutive pieces of these sizes along an axis, as `split`.

        Raises:
            ShapeError: the sizes do not add up to the axis.
        """
        sizes = as_ints((split_sizes,), "split_with_sizes")
        return call_as("split_with_sizes", self.split, sizes, dim)

    def split_with_sizes_copy(self: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
        """Return copies of consecutive pieces of these sizes along an axis."""
        found = call_as("split_with_sizes_copy", self.split_with_sizes, split_sizes, dim)
        return tuple(x.clone() for x in found)

    def unsafe_chunk(self: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
        """Return `chunk`: its pieces are safe to change, too."""
        return call_as("unsafe_chunk", self.chunk, chunks, dim)

    def unsafe_split(self: Any, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
        """Return `split`: its pieces are safe to change, too."""
        return call_as("unsafe_split", self.split, split_size, dim)

    def nonzero_static(self: Any, *, size: int, fill_value: int = -1) -> Tensor:
        """Return `nonzero` with so many rows: cut off, or filled up with rows of one value."""
        found, size = self.nonzero(), as_int(size, "nonzero_static: size")
        if size < 0:
            raise ShapeError(f"nonzero_static: size is 0 or more, not {size}")
        rest = max(size - found.shape[0], 0)
        from .joining import cat

        filler = blank((rest, found.shape[1]), found.dtype, "nonzero_static") + fill_value
        return cat([found[:size], filler], 0)

    def new_tensor(
        self: Any, data: Any, *, dtype: Any = None, requires_grad: bool = False,
        device: Any = None, pin_memory: bool = False,
    ) -> Tensor:  # fmt: skip
        """Return a new leaf of data, of this tensor's type unless told otherwise."""
        from .interchange import tensor

        kind = self.dtype if dtype is None else dtype
        return tensor(data, dtype=kind, requires_grad=requires_grad, device=device)

    def new_zeros(self: Any, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Return zeros of this tensor's type unless told otherwise."""
        return self._made("zeros", size, dtype, options)

    def new_ones(self: Any, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Return ones of this tensor's type unless told otherwise."""
        return self._made("ones", size, dtype, options)

    def new_empty(self: Any, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Return zeros of this tensor's type unless told otherwise; PyTorch's may be anything."""
        return self._made("empty", size, dtype, options)

    def new_empty_strided(
        self: Any, size: Any, stride: Any, dtype: Any = None, **options: Any
    ) -> Tensor:
        """Return zeros of this type with these strides; as `empty_strided`."""
        from .creation import empty_strided

        kind = self.dtype if dtype is None else dtype
        return call_as("new_empty_strided", empty_strided, size, stride, dtype=kind, **options)

    def new_full(
        self: Any, size: Any, fill_value: Any, dtype: Any = None, **options: Any
    ) -> Tensor:
        """Return a tensor with every element the same, of this type unless told otherwise."""
        from .creation import full

        kind = self.dtype if dtype is None else dtype
        return call_as("new_full", full, size, fill_value, dtype=kind, **options)

    def _made(self: Any, name: str, size: Any, dtype: Any, options: dict[str, Any]) -> Any:
        from . import creation

        kind = self.dtype if dtype is None else dtype
        return call_as(f"new_{name}", getattr(creation, name), *size, dtype=kind, **options)


for name, method in SYNONYMS.items():
    setattr(SynonymMethods, name, synonym(name, method))
    if hasattr(TensorBase, f"{method}_") or method in ("sub", "trunc"):
        setattr(SynonymMethods, f"{name}_", synonym(f"{name}_", f"{method}_"))
for method in COPIES:
    setattr(SynonymMethods, f"{method}_copy", copied(method))
