"""Former arguments of PyTorch's losses, which it has given up for `reduction`."""

from __future__ import annotations

from typing import Any

from ...tensors.warning import warn

__all__ = ["reduction_of"]


def reduction_of(size_average: Any, reduce: Any, reduction: str) -> str:
    """Return the reduction that PyTorch's former arguments stand for, with its warning.

    A text in the place of size_average is a reduction, which PyTorch would take for True.
    """
    if size_average is reduce is None:
        return reduction
    if isinstance(size_average, str) and reduce is None:
        return size_average
    averages = size_average is None or size_average
    meant = "none" if not (reduce is None or reduce) else "mean" if averages else "sum"
    warn(f"size_average and reduce are former arguments of losses: write reduction={meant!r}")
    return meant
