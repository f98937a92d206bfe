"""The only module that touches cffi: handles in, handles or exceptions out.

Everything here speaks of handles (integers) and floats; `value.py` makes objects of them. A call
that fails has changed nothing, and `check` is the one place that raises.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from threading import Lock, RLock
from typing import Any, NoReturn

from . import _micrograd
from ._micrograd import ffi, lib
from .errors import (
    BusyError,
    ChangedError,
    DTypeError,
    GradientError,
    NodeLimitError,
    OutOfMemoryError,
    ReadOnlyError,
    ShapeError,
    StaleNodeError,
    TensorIndexError,
    ViewError,
)

SLICE = 100_000  # nodes a backward visits between two looks at Ctrl-C: a few milliseconds

arena = lib.process_arena()
if arena == ffi.NULL:
    raise OutOfMemoryError("no memory for the first page of the graph")
if lib.value_install() < 0 or lib.tensor_install() < 0:
    raise ImportError("the types of _micrograd could not be made; the reason is printed above")
if not hasattr(_micrograd, "ValueBase"):
    raise ImportError("pymicrograd works in one interpreter of a process, and this is another")
ValueBase = _micrograd.ValueBase
TensorBase = _micrograd.TensorBase

# Every op's number and number of operands by name, and symbol by number, as the library says.
OPS: dict[str, int] = {
    ffi.string(lib.mg_op_name(op)).decode(): op for op in range(lib.mg_op_count())
}
ARITIES: list[int] = [lib.mg_op_arity(op) for op in range(lib.mg_op_count())]
SYMBOLS: list[str] = [ffi.string(lib.mg_op_symbol(op)).decode() for op in range(lib.mg_op_count())]

STALE: int = lib.MG_ERR_STALE
SHAPE: int = lib.MG_ERR_SHAPE
DTYPE: int = lib.MG_ERR_DTYPE
INDEX: int = lib.MG_ERR_INDEX
ARGUMENT: int = lib.MG_ERR_ARG
CHANGED: int = lib.MG_ERR_CHANGED
DOMAIN: int = lib.MG_ERR_DOMAIN
MAX_RANK: int = lib.MG_MAX_RANK
REDUCTIONS: dict[str, int] = {
    "none": lib.MG_REDUCE_NONE,
    "sum": lib.MG_REDUCE_SUM,
    "mean": lib.MG_REDUCE_MEAN,
}

EXCEPTIONS: dict[int, type[Exception]] = {
    lib.MG_ERR_NOMEM: OutOfMemoryError,
    lib.MG_ERR_LIMIT: NodeLimitError,
    lib.MG_ERR_STALE: StaleNodeError,
    lib.MG_ERR_ARG: ValueError,
    lib.MG_ERR_BUSY: BusyError,
    lib.MG_ERR_DOMAIN: ValueError,
    lib.MG_ERR_OVERFLOW: OverflowError,
    lib.MG_ERR_ZERODIV: ZeroDivisionError,
    lib.MG_ERR_SHAPE: ShapeError,
    lib.MG_ERR_DTYPE: DTypeError,
    lib.MG_ERR_INDEX: TensorIndexError,
    lib.MG_ERR_READONLY: ReadOnlyError,
    lib.MG_ERR_VIEW: ViewError,
    lib.MG_ERR_GRADIENT: GradientError,
    lib.MG_ERR_CHANGED: ChangedError,
}


def status_text(status: int) -> str:
    """Say what a status means."""
    return str(ffi.string(lib.mg_status_text(status)).decode())


def fail(status: int, what: str) -> NoReturn:
    """Raise the exception of a negative status; what names the call and its operands."""
    raise EXCEPTIONS[status](f"{what}: {status_text(status)}")


def check(status: int, what: str) -> int:
    """Return a status or handle that is no error; raise for one that is."""
    if status < 0:
        fail(status, what)
    return status


# ---- nodes -----------------------------------------------------------------------------------


def op_of(handle: int) -> int:
    """Return the number of a node's op."""
    return check(lib.mg_node_op(arena, handle), "op")


def exponent_of(handle: int) -> float:
    """Return the constant exponent of a pow_number node."""
    out = ffi.new("double *")
    check(lib.mg_node_exponent(arena, handle, out), "exponent")
    return float(out[0])


def set_data(handles: Sequence[int], numbers: Sequence[float]) -> None:
    """Write the data of nodes: of all of them or, on an error, of none."""
    check(lib.mg_set_data(arena, len(handles), handles, numbers), "data")


def set_gradients(handles: Sequence[int], numbers: Sequence[float]) -> None:
    """Write the gradients of nodes: of all of them or, on an error, of none."""
    check(lib.mg_set_gradients(arena, len(handles), handles, numbers), "grad")


def zero_gradients(handles: Any, count: int) -> None:
    """Set gradients to 0.0; handles is an array or a sequence."""
    check(lib.mg_zero_gradients(arena, count, handles), "zero_grad")


def array_of(handles: Sequence[int]) -> Any:
    """Return a C array of handles, to be passed many times."""
    return ffi.new("mg_node[]", handles)


def address_of(array: Any) -> int:
    """Return where a C array lies."""
    return int(ffi.cast("uintptr_t", array))


# ---- backward --------------------------------------------------------------------------------

backward_turn = Lock()  # one backward at a time; a second one waits for its turn


def backward(handle: int, seed: float) -> None:
    """Add the derivative of a node to the gradients of its leaves, in slices.

    An exception between two slices, such as KeyboardInterrupt, leaves gradients as a failed
    backward does: those of leaves unchanged, the others 0.0.
    """
    with backward_turn:
        try:
            status = lib.mg_backward(arena, handle, seed, SLICE)
            while status == lib.MG_MORE:
                status = lib.mg_backward_resume(arena, SLICE)
        except BaseException:
            lib.mg_backward_cancel(arena)
            raise
    check(status, "backward")


# ---- gradients of arrays ---------------------------------------------------------------------

sweep_turn = RLock()  # one thread's sweeps at a time; a hook may start one inside another

ACCUMULATE: int = lib.MG_ACCUMULATE
CREATE_GRAPH: int = lib.MG_CREATE_GRAPH
GIVE: int = lib.MG_GIVE
HOOK: int = lib.MG_HOOK


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


# ---- bulk builders ---------------------------------------------------------------------------


class Plan:
    """The layers of neurons that one call records: what mg_mlp needs, kept in C.

    Args:
        sizes: number of inputs, then of neurons of each layer.
        activation, last_activation: ops; -1 is linear.
        parameters: handles, layer by layer, neuron by neuron, weights then bias.

    Attributes:
        address: where ValueBase._mlp finds it.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: int,
        last_activation: int,
        parameters: Sequence[int],
    ) -> None:
        self.sizes = ffi.new("int64_t[]", sizes)
        self.parameters = array_of(parameters)
        fields = (len(sizes) - 1, self.sizes, activation, last_activation, self.parameters)
        self.struct = ffi.new("mlp_plan *", fields)
        self.address = int(ffi.cast("uintptr_t", self.struct))


# ---- optimizers ------------------------------------------------------------------------------


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


# ---- random numbers --------------------------------------------------------------------------


def rng_new(seed: int) -> Any:
    """Return a generator's state."""
    state = ffi.new("mg_rng *")
    check(lib.mg_rng_seed(state, seed), "RNG")
    return state


rng_u32 = lib.mg_rng_u32
rng_random = lib.mg_rng_random
rng_uniform = lib.mg_rng_uniform
rng_normal = lib.mg_rng_normal


def rng_permutation(state: Any, count: int) -> list[int]:
    """Return 0 .. count - 1 in random order."""
    out = ffi.new("int64_t[]", count)
    check(lib.mg_rng_permutation(state, count, out), "permutation")
    return list(out)


def address_of_rng(generator: Any) -> int:
    """Return where the state of an RNG lies.

    Raises:
        TypeError: generator is no RNG of the C core.
    """
    state = getattr(generator, "_rng", None)
    if state is None:
        raise TypeError(f"a generator is a pymicrograd.RNG, not {type(generator).__name__}")
    return int(ffi.cast("uintptr_t", state))


# ---- instruction sets and threads ------------------------------------------------------------


def set_isa(name: str | None) -> None:
    """Choose the kernels that tensors are computed with; no result depends on it.

    Args:
        name: "baseline", "avx2", "avx512", or None for the best that the machine has.

    Raises:
        ValueError: there are no such kernels, or not on this machine.
    """
    chosen = ffi.NULL if name is None else str(name).encode()
    if lib.mg_set_isa(chosen) < 0:
        raise ValueError(
            f"there are no kernels {name!r} on this machine: there are baseline, avx2 and avx512, "
            "as far as its processor knows them"
        )


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


def read_environment() -> None:
    """Do what MG_ISA and MG_NUM_THREADS ask for."""
    name, count = os.environ.get("MG_ISA"), os.environ.get("MG_NUM_THREADS")
    if name:
        try:
            set_isa(name)
        except ValueError as error:
            raise ValueError(f"MG_ISA={name} in the environment: {error}") from None
    if count:
        try:
            set_num_threads(int(count))
        except ValueError:
            raise ValueError(
                f"MG_NUM_THREADS={count} in the environment: a number of threads is from 1 to "
                "1024, or 0 for all cores"
            ) from None


# What mg_selftest() finds: what the arithmetic of a build or of a process does to the bits.
PROBLEMS: dict[int, str] = {
    lib.MG_FUSES: "products and sums are fused: build without -ffp-contract=fast",
    lib.MG_REORDERS: "sums or quotients are rewritten: build without -ffast-math",
    lib.MG_FLUSHES: "subnormal numbers become 0: some library has set FTZ or DAZ",
    lib.MG_ROUNDS_OTHERWISE: "the rounding mode is not to the nearest",
}


def arithmetic_problems() -> list[str]:
    """Say why tensors may not have the same bits here as elsewhere; nothing where they have.

    Asked once at the start, which warns. Some problems are a state of the thread that asks.
    """
    found = lib.mg_selftest()
    return [text for problem, text in PROBLEMS.items() if found & problem]


read_environment()
for problem in arithmetic_problems():
    warnings.warn(f"tensors will not have the same bits as elsewhere: {problem}", stacklevel=1)


# ---- the process -----------------------------------------------------------------------------


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

    A call that would need more raises OutOfMemoryError and changes nothing.
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


def _after_fork_in_child() -> None:
    global backward_turn, sweep_turn
    # Their holders are threads of the parent; the core looks after itself.
    backward_turn, sweep_turn = Lock(), RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
