"""Switches of cuDNN."""

__all__ = ["allow_tf32", "benchmark", "deterministic", "enabled", "is_available"]

allow_tf32 = benchmark = enabled = False
deterministic = True


def is_available() -> bool:
    """Return False: the only device is the CPU."""
    return False
