"""Gradients of arrays: sweeps, and what they stop at."""

from __future__ import annotations

from .library import TensorBase, arena, check, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ACCUMULATE: int = lib.MG_ACCUMULATE
CREATE_GRAPH: int = lib.MG_CREATE_GRAPH
GIVE: int = lib.MG_GIVE
HOOK: int = lib.MG_HOOK


def sweep(
    roots: tuple[Any, ...], seeds: tuple[Any, ...], inputs: tuple[Any, ...], flags: int
) -> Any:
    """Run a sweep; return the gradients of the inputs if flags ask for them."""
    return TensorBase._sweep(roots, seeds, inputs, flags)


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
