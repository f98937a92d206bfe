"""Switches of libraries that are not used: programs may set them, and nothing changes."""

from __future__ import annotations

from types import SimpleNamespace

__all__ = ["cuda", "cudnn", "mps"]


def no() -> bool:
    """Return False: the only device is the CPU."""
    return False


cuda = SimpleNamespace(is_built=no, matmul=SimpleNamespace(allow_tf32=False))
cudnn = SimpleNamespace(
    is_available=no, allow_tf32=False, benchmark=False, deterministic=True, enabled=False
)
mps = SimpleNamespace(is_available=no, is_built=no)
