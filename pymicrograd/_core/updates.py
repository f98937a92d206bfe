"""Steps of optimizers of Values, in one call, which also counts the step; and the rules that the
library has for Tensors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import NamedTuple

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


class Update(NamedTuple):
    """A row of updates.def: a rule of optimizers of Tensors.

    Attributes:
        name: sgd, adam ...
        number: its own, in the library.
        numbers: hyperparameters; truths are among them.
        scalars, arrays: what is remembered of a parameter, a number or a Tensor.
        conditions: of an array that is not always needed, the number that tells: it is not 0.
    """

    name: str
    number: int
    numbers: tuple[str, ...]
    scalars: tuple[str, ...]
    arrays: tuple[str, ...]
    conditions: dict[str, str]


def names_behind(takes: str, word: str) -> tuple[str, ...]:
    """Return the names in the brackets behind a word; () where it does not stand."""
    _, found, rest = takes.partition(f"{word}(")
    names = rest.split(")")[0].split(",") if found else ()
    return tuple(sys.intern(name.strip()) for name in names)  # as the keys of options are


def update_named(name: str) -> Update:
    """Return a row of updates.def by its name."""
    names = [ffi.string(lib.mg_update_name(i)).decode() for i in range(lib.mg_update_count())]
    number = names.index(name)
    takes = ffi.string(lib.mg_update_takes(number)).decode()
    where = [names_behind("WHERE(" + rest, "WHERE") for rest in takes.split("WHERE(")[1:]]
    return Update(
        name,
        number,
        names_behind(takes, "NUMBERS"),
        names_behind(takes, "SCALARS"),
        names_behind(takes, "ARRAYS") + tuple(array for _, _, array in where),
        {array: condition for _, condition, array in where},
    )
