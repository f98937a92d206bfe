"""The device of every Tensor, the CPU: what PyTorch's programs say and ask of devices."""

from __future__ import annotations

from typing import Any

__all__ = ["check_device", "device", "is_device"]

NAMES = ("cpu", "cuda", "gpu", "hip", "meta", "mps", "xla", "xpu")


def is_device(x: Any) -> bool:
    """Tell whether x names a device, ours or not: a name, or PyTorch's object."""
    named = isinstance(x, (str, device)) or type(x).__name__ == "device"
    return named and str(x).partition(":")[0] in NAMES


def check_device(x: Any) -> None:
    """Refuse any device but the one there is."""
    if x is not None and str(x) not in ("cpu", "cpu:0"):
        raise ValueError(f"the only device is 'cpu', not {str(x)!r}: there is no GPU here")


class device(str):
    """The device "cpu", the only one; equal to its name.

    Attributes:
        type: "cpu".
        index: None.

    Raises:
        ValueError: another device is named.

    Example:
        >>> device("cpu").type
        'cpu'
    """

    __slots__ = ()

    def __new__(cls, type: Any = "cpu", index: int | None = None) -> device:
        check_device(type if index is None else f"{type}:{index}")
        return str.__new__(cls, "cpu")

    @property
    def type(self) -> str:
        return "cpu"

    @property
    def index(self) -> None:  # type: ignore[override]
        return None

    def __repr__(self) -> str:
        return "device(type='cpu')"


CPU = device()
