"""Steps of optimizers: all parameters in one call, which also counts the step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..arithmetic import HINT
from .library import ARITHMETIC, arena, check, fail, ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def doubles(count: int) -> Any:
    """Return a C array of zeros for an optimizer's state."""
    return ffi.new("double[]", count)


def counts(numbers: Iterable[int]) -> Any:
    """Return a C array of counts."""
    return ffi.new("int64_t[]", list(numbers))


def truths(numbers: Iterable[bool]) -> Any:
    """Return a C array of bools, each a byte."""
    return ffi.new("unsigned char[]", [bool(x) for x in numbers])


def pointer(array: Any) -> Any:
    """Return a C array, NULL for None."""
    return ffi.NULL if array is None else array


def sgd_step(
    parameters: Any,
    count: int,
    buffer: Any,
    begun: Any,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """Update parameters by SGD; buffer is None without momentum; begun says if it counts."""
    status = lib.counted_sgd(
        arena,
        count,
        parameters,
        pointer(buffer),
        begun,
        lr,
        momentum,
        dampening,
        weight_decay,
        nesterov,
    )
    check(status, "SGD step")


def adam_step(
    parameters: Any,
    count: int,
    first_moment: Any,
    second_moment: Any,
    t: Any,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
    ieee: bool = False,
) -> None:
    """Update parameters, moments and the count t by Adam, or decoupled by AdamW.

    With ieee, infinities and NaNs are no exceptions.
    """
    flags = (lib.MG_DECOUPLED if decoupled else 0) | (lib.MG_IEEE if ieee else 0)
    status = lib.counted_adam(
        arena,
        count,
        parameters,
        first_moment,
        second_moment,
        t,
        lr,
        betas[0],
        betas[1],
        eps,
        weight_decay,
        flags,
    )
    if status < 0:
        hint = HINT if status in ARITHMETIC else ""
        fail(status, "AdamW step" if decoupled else "Adam step", hint)


def array_sgd_step(
    ends: Sequence[int],
    which: Any,
    parameters: Any,
    buffers: Any,
    begun: Any,
    steps: Any,
    rule: tuple[float, float, float, float, bool],
) -> None:
    """Update arrays by SGD.

    Args:
        ends: where each group of them ends, of which all buffers have begun or none.
        which: by C array the number of each in begun and steps; None: they are all, in order.
        parameters, buffers: from array_of; buffers None without momentum.
        begun, steps: of all, changed for those that move.
        rule: lr, momentum, dampening, weight_decay, nesterov.
    """
    status = lib.counted_array_sgd(
        arena,
        len(ends),
        ends,
        pointer(which),
        parameters,
        pointer(buffers),
        begun,
        steps,
        *rule,
    )
    check(status, "SGD step")


def array_adam_step(
    ends: Sequence[int],
    which: Any,
    parameters: Any,
    first_moments: Any,
    second_moments: Any,
    steps: Any,
    rule: tuple[float, float, float, float, float, bool],
) -> None:
    """Update arrays and moments by Adam, or decoupled by AdamW.

    Args:
        ends: where each group of them ends, of which all have made as many steps.
        which: by C array the number of each in steps; None: they are all, in order.
        parameters, first_moments, second_moments: from array_of.
        steps: of all, changed for those that move.
        rule: lr, beta1, beta2, eps, weight_decay, decoupled.
    """
    status = lib.counted_array_adam(
        arena,
        len(ends),
        ends,
        pointer(which),
        parameters,
        first_moments,
        second_moments,
        steps,
        *rule,
    )
    check(status, "AdamW step" if rule[-1] else "Adam step")
