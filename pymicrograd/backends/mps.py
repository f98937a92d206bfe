"""What programs ask of Apple's GPUs."""

__all__ = ["is_available", "is_built"]


def is_available() -> bool:
    """Return False: the only device is the CPU."""
    return False


def is_built() -> bool:
    """Return False: the only device is the CPU."""
    return False
