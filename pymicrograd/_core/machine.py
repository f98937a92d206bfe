"""The process: instruction set, threads, memory, and what the library was built from."""

from __future__ import annotations

import os
import warnings

from ..arithmetic import MATHS, choose_math, get_math
from ..errors import SettingError
from .library import arena, ffi, lib

# ---- instruction sets, threads, functions ----------------------------------------------------


KERNELS = ("baseline", "avx2", "avx512")


def set_isa(name: str | None) -> None:
    """Choose the kernels that tensors are computed with; no result depends on it.

    Args:
        name: "baseline", "avx2", "avx512", or None for the best that the machine has.

    Raises:
        ValueError: there are no such kernels, or not on this machine.
    """
    chosen = ffi.NULL if name is None else str(name).encode()
    if lib.mg_set_isa(chosen) < 0:
        before = isa()
        here = [known for known in KERNELS if lib.mg_set_isa(known.encode()) >= 0]
        lib.mg_set_isa(before.encode())
        lacks = "this machine lacks" if name in KERNELS else "there is no set of kernels named"
        raise ValueError(f"set_isa: {lacks} {name!r}; here are {', '.join(here)}")


def isa() -> str:
    """Return the name of the kernels in use."""
    return str(ffi.string(lib.mg_isa()).decode())


def set_num_threads(count: int) -> None:
    """Use up to this many threads for large work, 0: one a core; no result depends on it.

    Raises:
        ValueError: count is negative or above 1024.
    """
    if not hasattr(count, "__index__"):
        raise TypeError(f"set_num_threads: a number of threads is an int, not {count!r}")
    if not 0 <= count <= 1024 or lib.mg_set_num_threads(count) < 0:
        raise ValueError(f"{count} is no number of threads, from 1 to 1024 or 0 for all cores")


def get_num_threads() -> int:
    """Return the number of threads in use for large work."""
    return int(lib.mg_num_threads())


def set_math(name: str) -> None:
    """Choose the functions that Values take: exp, tanh, pow and the like.

    Graphs that exist keep their numbers: choose before the first operation. MG_MATH in the
    environment chooses for the whole process.

    Args:
        name: "library", the C library's, so that digits are Python's on this machine, as at the
            beginning; or "portable", those of csrc/SPEC.md, whose digits are the same on every
            machine, in the browser and in other languages' ports.

    Raises:
        ValueError: name is neither.
    """
    choose_math(name)
    lib.mg_set_math(MATHS.index(name))


def read_environment() -> None:
    """Do what MG_ISA, MG_NUM_THREADS and MG_MATH, which arithmetic.py reads, ask for."""
    set_math(get_math())
    name, count = os.environ.get("MG_ISA"), os.environ.get("MG_NUM_THREADS")
    if name:
        try:
            set_isa(name)
        except ValueError as error:
            raise SettingError(f"MG_ISA={name} in the environment: {error}") from None
    if count:
        try:
            set_num_threads(int(count))
        except ValueError:
            raise SettingError(
                f"MG_NUM_THREADS={count} in the environment: a number of threads is from 1 to "
                "1024, or 0 for all cores"
            ) from None


# What mg_selftest() finds: what the arithmetic of a build or of a process does to the bits.
PROBLEMS: dict[int, str] = {
    lib.MG_FUSES: "products and sums are fused wrongly: build with -ffp-contract=off",
    lib.MG_REORDERS: "sums or quotients are rewritten: build without -ffast-math",
    lib.MG_FLUSHES: "Python's own subnormal numbers become 0: some library has set FTZ or DAZ",
    lib.MG_ROUNDS_OTHERWISE: "Python's own numbers are not rounded to the nearest",
}


def arithmetic_problems() -> list[str]:
    """Say why a program may not have the same bits here as elsewhere; nothing where it has.

    Asked once at the start, which warns. Flushing and rounding are a state of the thread that
    asks: Values and Tensors are computed without it, what the program computes itself is not.
    """
    found = lib.mg_selftest()
    return [text for problem, text in PROBLEMS.items() if found & problem]


read_environment()
for problem in arithmetic_problems():
    warnings.warn(f"this program may not have the same bits as elsewhere: {problem}", stacklevel=1)


# ---- memory and build ------------------------------------------------------------------------


def memory_usage() -> dict[str, int]:
    """Report what the process's graph holds.

    Returns:
        nodes: living nodes; capacity: nodes that fit without another allocation;
        bytes, peak_bytes: memory held now and at most, without Python's objects.
    """
    usage = ffi.new("mg_usage *")
    lib.mg_arena_usage(arena, usage)
    names = ("nodes", "capacity", "bytes", "peak_bytes")
    return {name: int(getattr(usage, name)) for name in names}


def set_memory_limit(size: int | None) -> None:
    """Refuse to hold more than size bytes of graph; None takes the limit away.

    What waits to be used again is given back by the call, whatever the size.

    A call that would need more raises OutOfMemoryError and changes nothing. What the core holds
    counts: nodes, elements, gradients, what waits to be used again, which is given back when the
    limit asks for it; but memory that nodes had serves nodes only. Python's own objects do not
    count: Values' and Tensors' shells, lists given to `tensor` or made by `tolist`, NumPy's arrays.
    """
    if size is not None and not hasattr(size, "__index__"):
        raise TypeError(f"set_memory_limit: a limit is an int, in bytes, or None, not {size!r}")
    if size is not None and size < 1:
        raise ValueError(f"a memory limit is at least 1 byte, not {size}")
    lib.mg_arena_limit(arena, size or 0)


def fail_allocation(after: int, persistent: bool = False) -> None:
    """Let `after` allocations pass, then refuse one, or all that follow; after < 0 ends it."""
    lib.mg_arena_fail(arena, after, persistent)


def build_info() -> str:
    """Return version, compiler, flags and source hash of the C library, one a line."""
    return str(ffi.string(lib.mg_build_info()).decode())
