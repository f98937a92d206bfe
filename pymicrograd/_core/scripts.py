"""Programs of numbers: a step of training that the core runs again and again."""

from __future__ import annotations

from collections.abc import Sequence

from ..arithmetic import HINT
from . import nodes
from .library import ARITHMETIC, ARITIES, OPS, arena, check, fail, ffi, lib
from .updates import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OPERATIONS = 4_000_000  # between two looks at Ctrl-C: a few milliseconds
INFO = ("operations", "instructions", "lines", "lanes", "chains", "packs", "packed", "slots")


class Script:
    """A program of the graph below a node.

    Args:
        loss: the node.
        parameters: for each update, an array of handles.
        flags: mg_script_flags.
    """

    def __init__(self, loss: int, parameters: Sequence[Any], flags: int = 0) -> None:
        self._updates: list[Any] = [ffi.new("mg_number_update *") for _ in parameters]
        self._parameters = list(parameters)
        self._kept: list[dict[str, Any]] = [{} for _ in parameters]
        for update, handles in zip(self._updates, parameters, strict=True):
            update.count, update.parameters = len(handles), handles
        made, updates = ffi.new("mg_script **"), ffi.new("mg_number_update *[]", self._updates)
        with nodes.backward_turn:
            status = lib.mg_script_compile(arena, loss, len(updates), updates, flags, made)
        check(status, "compile")
        self._script = ffi.gc(made[0], lib.mg_script_free)
        self._operations = 1 + self._info().operations
        self.begin()

    def set_update(self, number: int, **fields: Any) -> None:
        """Set fields of an update's struct; an array stays alive as long as it is there."""
        update = self._updates[number]
        self._kept[number] = fields
        for name, value in fields.items():
            setattr(update, name, pointer(value))

    def begin(self) -> None:
        """Forget the losses of the run before."""
        self._slices: list[tuple[Any, Any]] = []

    def losses(self) -> list[float]:
        """Return what the loss was in each step since `begin`.

        Each slice says itself how many it has made: an exception between the call that makes them
        and the next line of Python loses none.
        """
        return [x for done, out in self._slices for x in out[0 : done[0]]]

    def done(self) -> int:
        """Return the number of steps since `begin`."""
        return sum(done[0] for done, _ in self._slices)

    def run(self, steps: int, ieee: bool) -> None:
        """Make one step or more, for some milliseconds."""
        count = min(steps, OPERATIONS // self._operations + 1)
        done, out = ffi.new("int64_t *"), ffi.new("double[]", count)
        self._slices.append((done, out))
        flags = lib.MG_IEEE if ieee else 0
        with nodes.backward_turn:
            status = lib.mg_script_run(self._script, count, OPERATIONS, flags, done, out)
        if status in ARITHMETIC:
            fail(status, f"step {self.done() + 1}, {self._failed()}", HINT)
        check(status, "a program's run")

    def _failed(self) -> str:
        """Name what the last run stopped at."""
        found = ffi.new("mg_script_failure *")
        lib.mg_script_failed(self._script, found)
        if found.op < 0:
            return f"update {found.number}"
        takes_number = found.op == OPS["pow_number"]
        operands = (found.a, found.b)[: 2 if takes_number else ARITIES[found.op]]
        name = "pow" if takes_number else ffi.string(lib.mg_op_name(found.op)).decode()
        text = f"{name}({', '.join(map(repr, operands))})"
        return f"the gradient of {text}" if found.which else text

    def _info(self) -> Any:
        info = ffi.new("mg_script_info *")
        lib.mg_script_describe(self._script, info)
        return info

    def describe(self) -> str:
        """Say of what the program consists."""
        info = self._info()
        counts = ", ".join(f"{getattr(info, name)} {name}" for name in INFO)
        return f"a step of {counts}; {info.bytes} bytes"
