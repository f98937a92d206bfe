"""What programs write for mixed precision on GPUs: ops keep their operands' types."""

from __future__ import annotations

from contextlib import ContextDecorator
from typing import Any

__all__ = ["GradScaler", "autocast"]


class autocast(ContextDecorator):
    """A block or a function in which nothing is cast; arguments are PyTorch's and do nothing."""

    def __init__(
        self,
        device_type: str = "cpu",
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        self.device, self.dtype = device_type, dtype

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class GradScaler:
    """The scale of losses, which is 1: gradients of float32 need none. Arguments do nothing."""

    def __init__(self, device: str = "cpu", *sizes: Any, enabled: bool = True, **more: Any) -> None:
        pass

    def scale(self, outputs: Any) -> Any:
        """Return the outputs."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Do nothing: gradients are not scaled."""

    def step(self, optimizer: Any, *args: Any, **named: Any) -> Any:
        """Return `optimizer.step(...)`."""
        return optimizer.step(*args, **named)

    def update(self, new_scale: Any = None) -> None:
        """Do nothing: the scale stays 1."""

    def get_scale(self) -> float:
        """Return 1.0."""
        return 1.0

    def is_enabled(self) -> bool:
        """Return False, as PyTorch does without a GPU."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return {}, as PyTorch does without a GPU."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Do nothing: there is no state."""
