"""Programs of numbers: a step of training that the core runs again and again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from threading import get_ident
from time import perf_counter

from ..arithmetic import HINT
from ..errors import BusyError
from . import nodes
from .library import ARITHMETIC, ARITIES, OPS, ValueBase, arena, check, fail, ffi, lib
from .updates import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OPERATIONS = 4_000_000  # from which on a call listens for signals: some milliseconds
# Of one call that listens: a tenth of a second at most, for which other threads wait.
MANY_OPERATIONS = 8 * OPERATIONS
UNITS = {
    "line": "operations",
    "lanes": "choices",
    "pack": "numbers copied",
    "update": "parameters",
}
NUMBERS = next(i for i in range(len(OPS) + 1) if lib.mg_op_formula(i, 0) == ffi.NULL)
WHERE, SUM, COPY = range(3 * NUMBERS + 1, 3 * NUMBERS + 4)  # codes behind that of the larger
ROUND, ROUNDS = 2e-4, 5  # seconds of a round that is measured; of which the least counts
INFO = ("operations", "instructions", "lines", "lanes", "chains", "packs", "packed", "slots")


class Updates:
    """Structs of updates in C, and what they point to."""

    def __init__(self) -> None:
        self.structs: list[Any] = []
        self.parameters: list[Any] = []
        self._kept: list[dict[str, Any]] = []

    def add(self, parameters: Any) -> Any:
        """Add a struct for an array of handles."""
        update = ffi.new("mg_number_update *")
        update.count, update.parameters = len(parameters), parameters
        self.structs.append(update)
        self.parameters.append(parameters)
        self._kept.append({})
        return update

    def set(self, number: int, **fields: Any) -> None:
        """Set fields of a struct; an array stays alive as long as it is there."""
        self._kept[number] = fields
        for name, value in fields.items():
            setattr(self.structs[number], name, pointer(value))


class Script:
    """A program of numbers.

    Args:
        script: the core's, owned.
        updates: whose steps it makes.
    """

    def __init__(self, script: Any, owner: Any, updates: Updates) -> None:
        self.updates = updates
        self._script, self._owner = script, owner  # which frees it
        self._operations = 1 + self._info().operations
        self.begin()

    @classmethod
    def of_graph(cls, loss: int, parameters: Sequence[Any], flags: int = 0) -> Script:
        """Make a program of the graph below a node.

        Args:
            loss: the node.
            parameters: for each update, an array of handles.
            flags: mg_script_flags.
        """
        updates = Updates()
        structs = ffi.new("mg_number_update *[]", [updates.add(p) for p in parameters])
        made = ffi.new("mg_script **")
        addresses = nodes.address_of(structs), nodes.address_of(made)
        with nodes.backward_turn:
            owner = ValueBase._script_compile(loss, addresses[0], len(structs), flags, addresses[1])
        if isinstance(owner, int):
            fail(owner, "compile")
        return cls(made[0], owner, updates)

    @classmethod
    def of_file(cls, content: bytes, what: str) -> Script:
        """Make a program of a whole file; what names it in an error."""
        made = ffi.new("mg_script **")
        with nodes.backward_turn:
            owner = ValueBase._script_load(content, nodes.address_of(made))
        if isinstance(owner, int):
            fail(owner, what)
        return cls(made[0], owner, Updates())

    def to_file(self, names: dict[int, str] | None) -> bytes:
        """Return a whole file, with the names of nodes by their handles; None: those it has."""
        texts = ffi.NULL
        if names is not None:
            kept = [ffi.new("char[]", names.get(node, "").encode()) for node in self.found()]
            texts = ffi.new("char *[]", kept)
        with nodes.backward_turn:
            size = check(lib.mg_script_save(self._script, texts, 0, ffi.NULL), "save")
            content = ffi.new("uint8_t[]", size)
            if check(lib.mg_script_save(self._script, texts, size, content), "save") != size:
                raise BusyError("save: another thread changed the program meanwhile")
        return bytes(ffi.buffer(content, size))

    def found(self) -> list[int]:
        """Return the nodes that it reads or writes."""
        count = lib.mg_script_found(self._script, 0, ffi.NULL)
        out = ffi.new("mg_node[]", count)
        lib.mg_script_found(self._script, count, out)
        return list(out)

    def leaves(self) -> list[tuple[str, Any]]:
        """Return the names and the objects of a file's nodes."""
        made = []
        for i, node in enumerate(self.found()):
            name = ffi.string(lib.mg_script_name(self._script, i)).decode()
            check(lib.mg_retain(arena, node), "a program's leaf")
            made.append((name, ValueBase._adopt(node)))
        return made

    def given(self) -> list[Any]:
        """Return the structs of a file's updates, which live as long as the program."""
        count = self._info().updates
        return [lib.mg_script_given(self._script, i) for i in range(count)]

    def counts(self) -> tuple[int, int, bool]:
        """Return the numbers of inputs and of outputs, and whether a file's math is portable."""
        info = self._info()
        return info.inputs, info.outputs, bool(info.is_portable)

    def put(self, inputs: Sequence[float]) -> None:
        """Set what inputs are from now on."""
        check(lib.mg_script_put(self._script, inputs), "a program's inputs")

    def call(
        self, inputs: Sequence[float], outputs: int, ieee: bool, count: int = 1
    ) -> list[float]:
        """Run so many times on other inputs; returns the outputs of the last run."""
        self.put(inputs)
        self.begin()
        while left := count - self.done():
            self.run(left, ieee)
        found = ffi.new("double[]", outputs)
        check(lib.mg_script_get(self._script, found), "a program's outputs")
        return list(found)

    def begin(self) -> None:
        """Forget the losses of the run before."""
        self._slices: list[tuple[Any, Any]] = []

    def losses(self) -> list[float]:
        """Return what the loss was in each step since `begin`.

        Each slice says itself how many it has made: an exception between the call that makes them
        and the next line of Python loses none.
        """
        found: list[float] = []
        for done, out in self._slices:
            found += ffi.unpack(out, done[0])
        return found

    def done(self) -> int:
        """Return the number of steps since `begin`."""
        return sum(done[0] for done, _ in self._slices)

    def run(self, steps: int, ieee: bool) -> None:
        """Make one step or more, for some milliseconds; Ctrl-C is heard also within a step."""
        listens = steps * self._operations > OPERATIONS
        budget = MANY_OPERATIONS if listens else OPERATIONS
        count = min(steps, budget // self._operations + 1)
        done, out = ffi.new("int64_t *"), ffi.new("double[]", count)
        self._slices.append((done, out))
        flags = lib.MG_IEEE if ieee else 0
        with nodes.backward_turn:
            if listens:
                script, *places = map(nodes.address_of, (self._script, done, out))
                status = ValueBase._script_run(script, count, budget, flags, *places)
            else:
                status = lib.mg_script_run(self._script, count, budget, flags, done, out)
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

    def describe(self, times: bool = False) -> str:
        """Say of what the program consists: counts, and a line for each instruction.

        Args:
            times: measure how long each takes.
        """
        info = self._info()
        counts = ", ".join(f"{getattr(info, name)} {name}" for name in INFO)
        lines = [f"a step of {counts}; {info.bytes} bytes"]
        parts = [self.part(i) for i in range(info.instructions)]
        if not times:
            return "\n".join([*lines, *(f"  {part}" for part in parts)])
        taken = self.times()
        lines[0] += f"; {1e6 * sum(taken):.3g} us"
        for part, seconds in zip(parts, taken, strict=True):
            lines.append(f"{1e6 * seconds:9.3f} us {seconds / sum(taken):4.0%}  {part}")
        return "\n".join(lines)

    def times(self) -> list[float]:
        """Return the seconds that each instruction takes, the least of some rounds."""
        taken = []
        for which in range(self._info().instructions):
            self._repeat(which, 1)
            count, least = 1, 0.0
            while least < ROUND and count < 1 << 20:
                count *= 2
                least = self._repeat(which, count)
            rounds = (self._repeat(which, count) for _ in range(ROUNDS))
            taken.append(min(least, *rounds) / count)
        return taken

    def _repeat(self, which: int, times: int) -> float:
        begun = perf_counter()
        with nodes.backward_turn:
            status = lib.mg_script_repeat(self._script, which, times)
        passed = perf_counter() - begun
        check(status, "explain")
        return passed

    def part(self, number: int) -> str:
        """Say what an instruction does."""
        part = ffi.new("mg_script_part *")
        check(lib.mg_script_part_of(self._script, number, part), "explain")
        kind = ffi.string(part.kind).decode()
        if kind == "chain":
            return f"chain: {part.count} times {part.width} sums of {part.terms} products"
        if kind == "lanes" and part.op >= 0:
            name = ffi.string(lib.mg_op_name(part.op)).decode()
            return f"lanes: {part.count} times {'gradient of ' if part.which else ''}{name}"
        return f"{kind}: {part.count} {UNITS[kind]}"

    # ---- for those who write it elsewhere

    @property
    def operations(self) -> int:
        """How many operations a step has."""
        return int(self._operations) - 1

    def instructions(self) -> list[Instruction]:
        """Return what the program does."""
        code = ffi.new("mg_script_code *")
        found = []
        for i in range(self._info().instructions):
            check(lib.mg_script_code_of(self._script, i, code), "a program's text")
            found.append(Instruction(code))
        return found

    def layout(self) -> Layout:
        """Return where a step begins and ends."""
        return Layout(self._script)


class Instruction:
    """An instruction, as micrograd.h has it.

    Attributes:
        kind: "line", "lanes", "chain", "pack" or "update".
        words: the numbers behind it.
    """

    code: int
    width: int
    modes: int
    count: int
    terms: int
    to: int
    a: int
    b: int
    y: int
    g: int
    first: int
    sequence: int

    def __init__(self, code: Any) -> None:
        self.kind = ffi.string(code.kind).decode()
        for name in Instruction.__annotations__:
            setattr(self, name, int(getattr(code, name)))
        self.words = ffi.unpack(code.words, code.word_count) if code.word_count else []


class LineInstruction(Instruction):
    """A LINE of other words."""

    def __init__(self, words: list[int]) -> None:
        for name in Instruction.__annotations__:
            setattr(self, name, 0)
        self.kind, self.words = "line", words


class Layout:
    """What a program reads and writes, as mg_script_layout has it.

    Attributes:
        values: of all slots now; outputs: slots.
        nodes: (data, gradient, value, slope, handle) of each.
        writes: (sequence, node, is_gradient, slot) of each; saves: (from, to, count).
    """

    def __init__(self, script: Any) -> None:
        made = ffi.new("mg_script_layout *")
        lib.mg_script_layout_of(script, made)
        self.loss, self.inputs, self.input_count = made.loss, made.inputs, made.input_count
        self.values: list[float] = ffi.unpack(made.values, made.slots)
        self.outputs = ffi.unpack(made.outputs, made.output_count) if made.output_count else []
        self.writes = rows_of(made.writes, made.write_count, 4)
        self.saves = rows_of(made.saves, made.save_count, 3)
        node = ffi.new("mg_script_node *")
        self.nodes = []
        for i in range(made.nodes):
            lib.mg_script_node_of(script, i, node)
            self.nodes.append((node.data, node.gradient, node.value, node.slope, node.handle))


def rows_of(words: Any, count: int, width: int) -> list[tuple[int, ...]]:
    """Return words of C as rows."""
    flat = ffi.unpack(words, count * width) if count else []
    return [tuple(flat[i : i + width]) for i in range(0, len(flat), width)]


def numbers_at(pointer: Any, count: int) -> list[Any]:
    """Return the floats or ints that C points to."""
    return ffi.unpack(pointer, count) if count else []


def formula_of(code: int) -> str:
    """Return the formula of a code of instructions, in C: of a, b, y, g and status."""
    if code < 3 * NUMBERS:
        return str(ffi.string(lib.mg_op_formula(code // 3, code % 3)).decode())
    others = {WHERE: "(y == b ? a : g)", SUM: "(y + (a * b))", COPY: "a"}
    return others.get(code, "(b > a ? b : a)")


def name_of(code: int) -> str:
    """Return a name for what a code of instructions computes."""
    if code < 3 * NUMBERS:
        name = ffi.string(lib.mg_op_name(code // 3)).decode().removesuffix("_number")
        return f"{name}_grad" if code % 3 else str(name)
    return {WHERE: "where", SUM: "sum", COPY: "copy"}.get(code, "larger")


def file_kind(content: bytes, what: str) -> int:
    """Return what a whole file has a program of: 1 numbers, 2 arrays."""
    return check(lib.mg_file_kind(content, len(content)), what)


numbers = itertools.count(1)  # of recordings


class Recording:
    """A recording under way, of a thread.

    Args:
        inputs: handles of leaves whose data come anew with each run.

    Attributes:
        number: that no other recording has.
        actions: what is to be called again after a run; acts: whether one is under way.
        inputs: ids of the leaves' objects.
        chooses: whether an int that is no input has chosen from a list by `at`.
        was_left: whether a signal has ended it.
    """

    was_left = False

    def __init__(self, inputs: Sequence[int]) -> None:
        global under_way
        self.number, self.updates, self.thread = next(numbers), Updates(), get_ident()
        self.actions: list[Any] = []
        self.acts = False
        self.steps: list[Any] = []
        self.inputs: frozenset[int] = frozenset()
        self.chooses = False
        check(lib.mg_script_open(arena, len(inputs), inputs), "compile")
        under_way = self
        nodes.recorded_by = self.thread

    def update(self, parameters: Any, fields: Any) -> None:
        """Take in the step of an optimizer that comes; fields() gives those of its struct."""
        update = self.updates.add(parameters)
        self.updates.set(len(self.steps), **fields())
        self.steps.append(fields)
        check(lib.mg_script_update(arena, update), "step")

    def choose(self, leaf: int, index: int, nodes: Sequence[int]) -> None:
        """Let a new leaf be one of some nodes, by an input."""
        check(lib.mg_script_choose(arena, leaf, index, len(nodes), nodes), "at")

    def largest(self, leaf: int, nodes: Sequence[int]) -> None:
        """Let a new leaf be the largest of some nodes."""
        check(lib.mg_script_largest(arena, leaf, len(nodes), nodes), "largest")

    def close(self, outputs: Sequence[int]) -> Script | None:
        """Make the program; None: there is none for all that `choose` may choose."""
        global under_way
        made, given = ffi.new("mg_script **"), ffi.new("mg_node[]", outputs)
        owner = ValueBase._script_close(
            nodes.address_of(given), len(outputs), nodes.address_of(made)
        )
        under_way = nodes.recorded_by = None  # after an interrupt `cancel` ends it
        self.was_left = owner == lib.MG_MORE
        if owner == lib.MG_ERR_RULE or self.was_left:
            return None
        if isinstance(owner, int):
            fail(owner, "compile")
        return Script(made[0], owner, self.updates)

    def cancel(self) -> None:
        """Give it up, if it is not over."""
        global under_way
        if under_way is self:
            lib.mg_script_cancel(arena)
            under_way = nodes.recorded_by = None


under_way: Recording | None = None


def recording() -> Recording | None:
    """Return the recording of this thread, or None."""
    return under_way if under_way is not None and under_way.thread == get_ident() else None
