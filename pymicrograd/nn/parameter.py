"""Parameters and buffers: Tensors whose role in a module their class tells."""

from __future__ import annotations

from typing import Any

from ..tensors.conversion import as_tensor
from ..tensors.creation import empty, zeros
from ..tensors.tensor import Tensor

__all__ = ["Buffer", "Parameter", "UninitializedParameter"]


class Parameter(Tensor):
    """A leaf Tensor that is a parameter of the module whose attribute it is.

    Any leaf that requires a gradient is one; a Parameter is one also while it requires none.

    Args:
        data: a Tensor, whose memory is shared, or what makes one; by default one without elements.
        requires_grad: whether to compute gradients for it.
    """

    __slots__ = ()
    is_parameter = True

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        data = empty(0) if data is None else as_tensor(data)
        self._become(data.detach())
        if requires_grad:
            self.requires_grad = True

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A leaf Tensor that is a buffer of the module whose attribute it is.

    Args:
        data: a Tensor, whose memory is shared, or what makes one.
        persistent: whether it belongs to the module's `state_dict`.
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        data = empty(0) if data is None else as_tensor(data)
        self._become(data.detach())
        self.persistent = persistent


class UninitializedParameter(Parameter):
    """A Parameter of a lazy layer before the first input, which tells its shape."""

    __slots__ = ()

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(empty(0, dtype=dtype, device=device), requires_grad)

    def materialize(self, shape: Any, dtype: Any = None) -> None:
        """Become a Parameter of a shape, with elements of 0."""
        requires_grad, dtype = self.requires_grad, dtype or self.dtype
        self.__class__ = Parameter  # type: ignore[assignment]
        self._become(zeros(shape, dtype=dtype))
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return "<UninitializedParameter>"
