"""What programs write to find NaN in gradients: names that are understood, and change nothing."""

from __future__ import annotations

from contextlib import ContextDecorator

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly(ContextDecorator):
    """A setting, or a block; arguments are PyTorch's and do nothing."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


class detect_anomaly(set_detect_anomaly):
    """A block; its argument does nothing."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)
