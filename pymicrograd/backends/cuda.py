"""Switches of products on GPUs."""

from types import SimpleNamespace

__all__ = ["is_built", "matmul"]

matmul = SimpleNamespace(allow_tf32=False)


def is_built() -> bool:
    """Return False: the only device is the CPU."""
    return False
