"""Gradients of arrays: sweeps, and what they stop at."""

from __future__ import annotations

import os
from threading import RLock
from typing import Any

from .library import STALE, TensorBase, arena, check, ffi, lib

sweep_turn = RLock()  # one thread's sweeps at a time; a hook may start one inside another


ACCUMULATE: int = lib.MG_ACCUMULATE
CREATE_GRAPH: int = lib.MG_CREATE_GRAPH
GIVE: int = lib.MG_GIVE
HOOK: int = lib.MG_HOOK


def sweep(
    roots: tuple[Any, ...], seeds: tuple[Any, ...], inputs: tuple[Any, ...], flags: int
) -> Any:
    """Run a sweep; return the gradients of the inputs if flags ask for them."""
    with sweep_turn:
        return TensorBase._sweep(roots, seeds, inputs, flags)


def _renew_lock() -> None:
    """In a forked child: the lock's holder does not exist there."""
    global sweep_turn
    sweep_turn = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def retain_gradient(handle: int) -> None:
    """Let backward keep the gradient of a recorded array."""
    check(lib.mg_retain_gradient(arena, handle), "retain_grad")


def watch_gradient(handle: int) -> None:
    """Let sweeps stop at an array."""
    check(lib.mg_watch_gradient(arena, handle, 1), "register_hook")


def retain(handle: int) -> None:
    """Add a reference to a node."""
    check(lib.mg_retain(arena, handle), "tensor")


def references(handle: int) -> int:
    """Return how many handles and nodes refer to an array."""
    return check(lib.mg_references(arena, handle), "tensor")


def memory_handles(handle: int) -> int:
    """Return how many handles there are of arrays in the memory of one, its own among them."""
    return check(lib.mg_memory_handles(arena, handle), "tensor")


def operand_of(handle: int, which: int) -> int:
    """Return an operand of an array, as a new reference."""
    return check(lib.mg_array_operand(arena, handle, which), "operand")


def sweep_at(address: int) -> Any:
    """Return the sweep that TensorBase._sweep passes on as its address."""
    return ffi.cast("mg_sweep *", address)


def sweep_node(sweep: Any) -> int:
    """Return the node a sweep stopped at, as a new reference."""
    return check(lib.mg_sweep_node(sweep), "backward")


def sweep_gradient(sweep: Any, handle: int) -> int:
    """Return the gradient of a node so far, as a new reference; 0: none, or no such node."""
    found: int = lib.mg_sweep_gradient(sweep, handle)
    return 0 if found == STALE else check(found, "backward")


def sweep_replace(sweep: Any, handle: int) -> None:
    """Replace the gradient of the node a sweep stopped at."""
    check(lib.mg_sweep_replace(sweep, handle), "a hook's gradient")


def sweep_contribute(sweep: Any, which: int, handle: int) -> None:
    """Add to the gradient of an operand of the function a sweep stopped at."""
    check(lib.mg_sweep_contribute(sweep, which, handle), "a Function's gradient")
