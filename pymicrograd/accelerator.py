"""What programs ask of accelerators before they go on with the CPU: there is none."""

from __future__ import annotations

__all__ = ["current_accelerator", "device_count", "is_available"]


def is_available() -> bool:
    """Return False: the only device is the CPU."""
    return False


def current_accelerator(check_available: bool = False) -> None:
    """Return None: there is no accelerator."""


def device_count() -> int:
    """Return 0: there is no accelerator."""
    return 0
