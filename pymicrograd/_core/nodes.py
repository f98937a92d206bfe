"""Single nodes and scalar graphs: what a Value asks the core for, and backward."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from threading import RLock, get_ident

from ..arithmetic import HINT
from .library import ARITHMETIC, ValueBase, arena, check, fail, ffi, lib, memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def op_of(handle: int) -> int:
    """Return the number of a node's op."""
    return check(lib.mg_node_op(arena, handle), "op")


def exponent_of(handle: int) -> float:
    """Return the constant exponent of a pow_number node."""
    out = ffi.new("double *")
    check(lib.mg_node_exponent(arena, handle, out), "exponent")
    return float(out[0])


def zero_gradients(handles: Any, count: int) -> None:
    """Set gradients to 0.0; handles is an array or a sequence."""
    check(lib.mg_zero_gradients(arena, count, handles), "zero_grad")


def array_of(handles: Sequence[int]) -> Any:
    """Return a C array of handles, to be passed many times."""
    return ffi.new("mg_node[]", handles)


def address_of(array: Any) -> Any:
    """Return where a C array lies, as the types of C take it."""
    return memory(int(ffi.cast("uintptr_t", array)))


# ---- backward --------------------------------------------------------------------------------


SLICE = 100_000  # nodes a backward visits between two looks at Ctrl-C: a few milliseconds
# One backward at a time: one of another thread waits for its turn; one of the same thread has it
# already, and is BusyError unless a user's rule begins it. While a rule is called the turn is given
# up, for the rule may wait for another thread's backward: _binding/turns.c.
backward_turn = RLock()
backward_under_way = False  # in the thread whose turn it is
recorded_by: int | None = None  # the thread of a recording of Values


def finish(status: int) -> int:
    """Go on with a backward that has begun, in slices, and call the rules of users'."""
    global backward_under_way
    while status in (lib.MG_MORE, lib.MG_CALL):
        if status == lib.MG_CALL:
            backward_under_way = False  # a rule may run a backward of its own
            ValueBase._call(backward_turn)
            backward_under_way = True
        status = lib.mg_backward_resume(arena, SLICE)
    return status


def run(call: str, handle: int, begin: Callable[[], int]) -> None:
    """Run a backward from a node in its turn; an exception between two slices undoes it."""
    global backward_under_way
    with backward_turn:
        if backward_under_way:
            fail(lib.MG_ERR_BUSY, call)
        check(ValueBase._await(backward_turn, handle), call)
        try:
            backward_under_way = True
            status = begin()
        except BaseException:
            lib.mg_backward_cancel(arena)
            raise
        finally:
            backward_under_way = False
    if status < 0:
        fail(status, call, HINT if status in ARITHMETIC else "")


def backward(handle: int, seed: float, ieee: bool = False) -> None:
    """Add the derivative of a node to the gradients of its leaves, in slices.

    An exception between two slices, such as KeyboardInterrupt, leaves gradients as a failed
    backward does: those of leaves unchanged, the others 0.0. With ieee, infinities and NaNs are
    no exceptions.
    """

    def begin() -> int:
        if ieee:
            return finish(ValueBase._ieee_backward(handle, seed, SLICE, False))
        if recorded_by == get_ident():
            return finish(ValueBase._script_backward(handle, seed, SLICE))
        return finish(lib.mg_backward(arena, handle, seed, SLICE))

    run("backward", handle, begin)


def derivatives(handle: int, inputs: Sequence[int], ieee: bool = False) -> list[float]:
    """Return the derivatives of a node by others; no gradient is changed."""
    out = ffi.new("double[]", len(inputs))

    def derive() -> int:
        if ieee:
            status = finish(ValueBase._ieee_backward(handle, 1.0, SLICE, True))
        else:
            status = finish(lib.mg_derive(arena, handle, SLICE))
        if status != lib.MG_OK:
            return status
        return check(lib.mg_derivatives(arena, len(inputs), inputs, out), "grad")

    run("grad", handle, derive)
    return list(out)


def gradients(output: Any, inputs: tuple[Any, ...], ieee: bool = False) -> list[Any]:
    """Return the derivatives of a Value by others, as Values that are recorded."""
    with backward_turn:
        return ValueBase._grad(output, inputs, ieee)


def _renew_lock() -> None:
    """In a forked child: another holder of the lock does not exist there."""
    global backward_under_way
    if not backward_turn._is_owned():  # type: ignore[attr-defined]
        backward_turn._at_fork_reinit()  # type: ignore[attr-defined]
    backward_under_way = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


# ---- bulk builders ---------------------------------------------------------------------------


class Plan:
    """The layers of neurons that one call records: what mg_mlp needs, kept in C.

    Args:
        sizes: number of inputs, then of neurons of each layer.
        activation, last_activation: ops; -1 is linear.
        parameters: handles, layer by layer, neuron by neuron, weights then bias.
        lists: what one neuron gives is a list, too.

    Attributes:
        address: where ValueBase._mlp finds it.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: int,
        last_activation: int,
        parameters: Sequence[int],
        lists: bool,
    ) -> None:
        self.sizes = ffi.new("int64_t[]", sizes)
        self.parameters = array_of(parameters)
        fields = (len(sizes) - 1, self.sizes, activation, last_activation, self.parameters, lists)
        self.struct = ffi.new("mlp_plan *", fields)
        self.address = address_of(self.struct)
