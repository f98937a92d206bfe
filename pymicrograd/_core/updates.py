"""Steps of optimizers: all parameters in one call."""

from __future__ import annotations

from typing import Any

from .library import arena, check, ffi, lib


def doubles(count: int) -> Any:
    """Return a C array of zeros for an optimizer's state."""
    return ffi.new("double[]", count)


def sgd_step(
    parameters: Any,
    count: int,
    buffer: Any,
    first_step: bool,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """Update parameters by SGD; buffer is None without momentum."""
    status = lib.mg_sgd_step(
        arena,
        count,
        parameters,
        ffi.NULL if buffer is None else buffer,
        first_step,
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
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    """Update parameters and moments by Adam, or decoupled by AdamW."""
    status = lib.mg_adam_step(
        arena,
        count,
        parameters,
        first_moment,
        second_moment,
        step,
        lr,
        betas[0],
        betas[1],
        eps,
        weight_decay,
        decoupled,
    )
    check(status, "AdamW step" if decoupled else "Adam step")


def array_sgd_step(
    parameters: Any,
    buffers: Any,
    new_buffers: bool,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """Update arrays by SGD; parameters and buffers are from array_of, buffers None without them."""
    status = lib.mg_array_sgd(
        arena,
        len(parameters),
        parameters,
        ffi.NULL if buffers is None else buffers,
        new_buffers,
        lr,
        momentum,
        dampening,
        weight_decay,
        nesterov,
    )
    check(status, "SGD step")


def array_adam_step(
    parameters: Any,
    first_moments: Any,
    second_moments: Any,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    """Update arrays and moments, all three from array_of, by Adam, or decoupled by AdamW."""
    status = lib.mg_array_adam(
        arena,
        len(parameters),
        parameters,
        first_moments,
        second_moments,
        step,
        lr,
        betas[0],
        betas[1],
        eps,
        weight_decay,
        decoupled,
    )
    check(status, "AdamW step" if decoupled else "Adam step")
