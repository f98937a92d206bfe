"""What programs ask of GPUs before they go on without: there is none."""

from __future__ import annotations

from typing import Any

from . import amp

__all__ = [
    "amp", "device_count", "empty_cache", "is_available", "is_bf16_supported", "manual_seed",
    "manual_seed_all", "max_memory_allocated", "memory_allocated", "memory_reserved",
    "reset_peak_memory_stats", "set_device", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Return False: the only device is the CPU."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Return False: there is no GPU."""
    return False


def device_count() -> int:
    """Return 0: there is no GPU."""
    return 0


def set_device(device: Any) -> None:
    """Refuse any device: there is no GPU.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"there is no GPU to be set: {device!r}")


def manual_seed(seed: int) -> None:
    """Do nothing: there are no generators of GPUs; `pymicrograd.manual_seed` is the CPU's."""


def manual_seed_all(seed: int) -> None:
    """Do nothing: there are no generators of GPUs."""


def empty_cache() -> None:
    """Do nothing: there is no memory of GPUs."""


def synchronize(device: Any = None) -> None:
    """Do nothing: what was called is done."""


def memory_allocated(device: Any = None) -> int:
    """Return 0: there is no memory of GPUs; `pymicrograd.memory_usage` tells of the CPU's."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """Return 0: there is no memory of GPUs."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Return 0: there is no memory of GPUs."""
    return 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Do nothing: there is no memory of GPUs."""
