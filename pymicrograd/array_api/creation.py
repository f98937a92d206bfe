"""New arrays."""

from __future__ import annotations

from typing import Any

from ..tensors import arrangement, creation, interchange, leaves
from ..tensors.arguments import as_int
from ..tensors.devices import check_device

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like",
    "linspace", "meshgrid", "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    """Return obj as an array, which shares memory where possible.

    Args:
        copy: True for a copy in any case; False refuses one.

    Raises:
        ValueError: copy is False, and a copy is needed.
    """
    return creation.asarray(obj, dtype=dtype, device=device, copy=copy)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """Return an array of anything with `__dlpack__`; it shares the memory, unless copy is True."""
    check_device(device)
    found = interchange.from_dlpack(x)
    return found.clone() if copy else found


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Any:
    """Return start, start + step ... below stop, or 0, 1 ... below start, where it stands alone."""
    begin, end = (0, start) if stop is None else (start, stop)
    if (end - begin) * step <= 0:  # the standard's, where PyTorch refuses
        none = 0 * (begin + end + step)  # a float, if one is
        return creation.arange(none, none, dtype=dtype, device=device)
    return creation.arange(begin, end, step, dtype=dtype, device=device)


def linspace(
    start: float,
    stop: float,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Any:
    """Return num numbers at equal distances from start to stop, which is the last or left out."""
    count = as_int(num, "linspace: num")
    found = creation.linspace(start, stop, count + (not endpoint), dtype=dtype, device=device)
    return found[:count]


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None
) -> Any:
    """Return ones on the k-th diagonal of zeros (n_rows, n_cols)."""
    rows, columns = n_rows, n_rows if n_cols is None else n_cols
    found = creation.zeros((rows, columns), dtype=dtype, device=device)
    if -rows < k < columns:
        found.diagonal(k).fill_(1)
    return found


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Return zeros, as which no elements are left undefined."""
    return creation.zeros(shape, dtype=dtype, device=device)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Return an array with every element the same."""
    return creation.full(shape, fill_value, dtype=dtype, device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Return ones."""
    return creation.ones(shape, dtype=dtype, device=device)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Return zeros."""
    return creation.zeros(shape, dtype=dtype, device=device)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Return zeros in the shape, and unless told otherwise the type, of x."""
    return creation.zeros_like(x, dtype=dtype, device=device)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Return one value in the shape, and unless told otherwise the type, of x."""
    return creation.full_like(x, fill_value, dtype=dtype, device=device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Return ones in the shape, and unless told otherwise the type, of x."""
    return creation.ones_like(x, dtype=dtype, device=device)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Return zeros in the shape, and unless told otherwise the type, of x."""
    return creation.zeros_like(x, dtype=dtype, device=device)


def meshgrid(*arrays: Any, indexing: str = "xy") -> tuple[Any, ...]:
    """Return for vectors their elements over the whole grid: views."""
    return arrangement.meshgrid(*arrays, indexing=indexing) if arrays else ()


def tril(x: Any, /, *, k: int = 0) -> Any:
    """Return x with zeros above the k-th diagonal of its last two axes."""
    return leaves.tril(x, k)


def triu(x: Any, /, *, k: int = 0) -> Any:
    """Return x with zeros below the k-th diagonal of its last two axes."""
    return leaves.triu(x, k)
