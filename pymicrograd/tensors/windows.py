"""Windows of signals: factors that fall towards both ends."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from .creation import finish, floating
from .dtypes import float64
from .leaves import constant, ramp
from .ops import cast
from .special import i0_of

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def window(
    what: str,
    window_length: int,
    periodic: bool,
    shape: Callable[[Any], Any],
    dtype: Any,
    requires_grad: bool,
    options: tuple[Any, Any],
) -> Tensor:
    """Return shape(i / m) of i = 0 .. n - 1, computed in float64.

    Args:
        what: the function's name.
        window_length: n.
        periodic: m is n, so that the window of n + 1 would end as it begins; else n - 1.
        shape: of numbers from 0 to 1; dtype: of the result, float32 by default.
    """
    count, kind = operator.index(window_length), floating(dtype, what)
    if count < 0:
        raise ArgumentError(f"{what}: window_length is 0 or more, not {count}")
    if count <= 1:
        return finish(constant((count,), 1, kind, what), requires_grad, *options)
    steps = count if periodic else count - 1
    places = ramp(count, 0.0, 1.0, what) / steps
    return finish(cast(shape(places).detach(), kind), requires_grad, *options)


def cosines(x: Any, *factors: float) -> Any:
    """Return the sum of factors[k] * cos(2 pi k x)."""
    parts = [(x * (2.0 * math.pi * k)).cos() * factor for k, factor in enumerate(factors) if k]
    return sum(parts, parts[0] * 0.0 + factors[0])


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **hints: Any,
) -> Tensor:
    """Return 1/2 - 1/2 cos(2 pi i / m) for i = 0 .. window_length - 1.

    Args:
        window_length: the number n of elements.
        periodic: m is n, as spectra want it; else n - 1, and the window is symmetric.
        dtype: of floats, float32 by default.
    """

    def shape(x: Any) -> Any:
        return cosines(x, 0.5, -0.5)

    return window("hann_window", window_length, periodic, shape, dtype, requires_grad,
                  (device, hints))  # fmt: skip


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **hints: Any,
) -> Tensor:
    """Return alpha - beta cos(2 pi i / m) for i = 0 .. window_length - 1; as `hann_window`."""

    def shape(x: Any) -> Any:
        return cosines(x, alpha, -beta)

    return window("hamming_window", window_length, periodic, shape, dtype, requires_grad,
                  (device, hints))  # fmt: skip


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **hints: Any,
) -> Tensor:
    """Return 0.42 - 0.5 cos(2 pi i / m) + 0.08 cos(4 pi i / m); as `hann_window`."""

    def shape(x: Any) -> Any:
        return cosines(x, 0.42, -0.5, 0.08)

    return window("blackman_window", window_length, periodic, shape, dtype, requires_grad,
                  (device, hints))  # fmt: skip


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **hints: Any,
) -> Tensor:
    """Return 1 - |2 i / m - 1|, a triangle from 0 to 1 and back; as `hann_window`."""

    def shape(x: Any) -> Any:
        return (x * 2.0 - 1.0).abs().neg() + 1.0

    return window("bartlett_window", window_length, periodic, shape, dtype, requires_grad,
                  (device, hints))  # fmt: skip


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **hints: Any,
) -> Tensor:
    """Return i0(beta sqrt(1 - (2 i / m - 1)^2)) / i0(beta); as `hann_window`.

    i0 is the modified Bessel function of order 0: the larger beta, the narrower the window.
    """

    def shape(x: Any) -> Any:
        y = x * 2.0 - 1.0
        inside = ((y * y).neg() + 1.0).clamp(min=0.0).sqrt() * float(beta)
        return i0_of(inside) / i0_of(constant((), 1, float64, "kaiser_window") * float(beta))

    return window("kaiser_window", window_length, periodic, shape, dtype, requires_grad,
                  (device, hints))  # fmt: skip
