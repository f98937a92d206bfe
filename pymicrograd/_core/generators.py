"""The state of random number generators."""

from __future__ import annotations

from .library import check, ffi, lib, memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def rng_new(seed: int) -> Any:
    """Return a generator's state."""
    state = ffi.new("mg_rng *")
    rng_seed(state, seed)
    return state


def rng_seed(state: Any, seed: int) -> None:
    """Let a generator's state begin anew."""
    check(lib.mg_rng_seed(state, seed), "RNG")


rng_u32 = lib.mg_rng_u32
rng_random = lib.mg_rng_random
rng_uniform = lib.mg_rng_uniform
rng_normal = lib.mg_rng_normal


UNIFORM, NORMAL = int(lib.MG_UNIFORM), int(lib.MG_NORMAL)
INTEGERS, PERMUTATION = int(lib.MG_INTEGERS), int(lib.MG_PERMUTATION)


def rng_state_at(address: int) -> tuple[int, float, int]:
    """Return the state of a generator that lies at an address: state, spare, has_spare."""
    state = ffi.cast("mg_rng *", address)
    return state.state, state.spare, state.has_spare


def rng_permutation(state: Any, count: int) -> list[int]:
    """Return 0 .. count - 1 in random order."""
    out = ffi.new("int64_t[]", count)
    check(lib.mg_rng_permutation(state, count, out), "permutation")
    return list(out)


def address_of_rng(generator: Any) -> Any:
    """Return where the state of an RNG lies.

    Raises:
        TypeError: generator is no RNG of the C core.
    """
    state = getattr(generator, "_rng", None)
    if not isinstance(state, ffi.CData) or ffi.typeof(state) is not ffi.typeof("mg_rng *"):
        raise TypeError(f"a generator is a pymicrograd.RNG, not {type(generator).__name__}")
    return memory(int(ffi.cast("uintptr_t", state)))
