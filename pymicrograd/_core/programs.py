"""Programs: what a thread does is recorded once, and done again in one call."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from ..errors import RecordingError
from .library import OPS, TensorBase, arena, check, fail, ffi, lib, status_text
from .nodes import address_of
from .scripts import numbers, numbers_at, recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    Action = TypeVar("Action", bound=Callable[..., Any])

OTHER = (lib.MG_MORE, lib.MG_ERR_SHAPE, lib.MG_ERR_STALE)  # other arrays than were recorded


class Notes:
    """What Python remembers beside what the core records.

    Attributes:
        number: that no other recording has.
        updates: the optimizers that made steps, in their order.
        actions: what is to be called again after a run.
        requirements: of each check of elements the exception and its text.
        kept: objects whose memory the program uses.
        acts: whether an action is under way.
        give_up: what is told of a refusal, after which the call goes on unrecorded; None: it is
            raised.
    """

    acts = False
    give_up: Callable[[RecordingError], Any] | None = None

    def __init__(self) -> None:
        self.number = next(numbers)
        self.updates: list[Any] = []
        self.actions: list[Any] = []
        self.requirements: list[tuple[type[Exception], str]] = []
        self.kept: list[Any] = []


notes: Notes | None = None  # of the thread that records


def noted() -> Notes | None:
    """Return the notes of the recording of this thread, or None."""
    return notes if notes is not None and lib.mg_recording(arena) else None


def under_way() -> Any:
    """Return what is recorded by this thread, Notes or a Recording; None: nothing is."""
    return (noted() if notes is not None else None) or recording()


def recording_number() -> int:
    """Return the number of what is recorded by this thread; 0: nothing is."""
    found = under_way()
    return 0 if found is None else found.number


def refuse(error: RecordingError) -> None:
    """Raise a refusal; or give up the recording of this thread, whose call then goes on."""
    found = noted()
    if found is None or found.give_up is None:
        try:
            raise error
        finally:
            del error  # whose traceback has this frame: a ring would hold the operands
    lib.mg_record_pause(arena, 1)  # until it is cancelled: a sweep may be under way in it
    found.give_up(error)


def refuse_change(what: str, instead: str) -> None:
    """Refuse what Python changes, and runs of the program that is recorded here would not."""
    found = under_way()
    if found is not None and not found.acts:
        refuse(
            RecordingError(f"{what} in a compiled function, whose runs would not do it: {instead}")
        )


def note_step(optimizer: Any) -> None:
    """Refuse a step that a program cannot make again, before it is made."""
    found = under_way()
    if found is None:
        return
    name = type(optimizer).__name__
    if optimizer._born == found.number:
        refuse_change(f"{name} is made", "make it once, outside")
    elif found.actions:
        last = found.actions[-1].__qualname__
        refuse(
            RecordingError(
                f"a step of {name} after {last}(): a program calls that when all else is done"
            )
        )


def note_update(optimizer: Any) -> None:
    """Note an optimizer that makes its steps in C."""
    found = noted()
    if found is not None:
        found.updates.append(optimizer)


def done_after_runs(action: Action) -> Action:
    """Decorate a method that Python has to call again after every run."""

    @functools.wraps(action)
    def call(*args: Any, **named: Any) -> Any:
        found = under_way()
        if found is None or found.acts:
            return action(*args, **named)
        found.acts = True
        try:
            result = action(*args, **named)
        finally:
            found.acts = False
        again = functools.partial(action, *args, **named)
        found.actions.append(functools.update_wrapper(again, action))
        return result

    return call  # type: ignore[return-value]


def note_generator(generator: Any) -> None:
    """Note a generator that draws, whose memory a program uses."""
    found = noted()
    if found is None:
        return
    if generator._born == found.number:
        refuse_change("a generator is made", "make it once, outside")
    found.kept.append(generator)


def failure(test: Any, error: type[Exception], text: str, about: Any) -> Exception | None:
    """Return the exception of bools of which one is false, else None.

    Args:
        text: what is wrong, with {} for the first element of about that is; None: there is none.
    """
    if bool(test.all()):
        return None
    if about is None:
        return error(text)
    return error(text.format(about.reshape(-1).tolist()[test.reshape(-1).tolist().index(False)]))


def require(test: Any, error: type[Exception], text: str, about: Any = None) -> None:
    """Raise an exception where one of some bools is false, now and in the runs of a program.

    Args:
        test: a Tensor of bools.
        error: a subclass of IndexError or ValueError.
        text: what is wrong, with {} for the first element of about that is.
        about: a Tensor of as many elements as test, or None.
    """
    found = noted()
    if found is None:
        wrong = failure(test, error, text, about)
    else:
        with unrecorded():
            wrong = failure(test, error, text, about)
    if wrong is not None:
        raise wrong
    if found is None:
        return
    nodes = handles_of([test] if about is None else [test, about])
    status = lib.MG_ERR_INDEX if issubclass(error, IndexError) else lib.MG_ERR_ARG
    beside = 0 if about is None else nodes[1]
    check(lib.mg_record_require(arena, nodes[0], beside, status), "a check")
    found.requirements.append((error, text))


def refuse_recording(what: str) -> None:
    """Refuse what a program cannot do again, if one is recorded here."""
    if noted() is not None:
        refuse(RecordingError(f"{what}: {status_text(lib.MG_ERR_RECORDED)}"))


@contextmanager
def unrecorded() -> Iterator[None]:
    """Do something that is no part of a program."""
    before = lib.mg_record_pause(arena, 1)
    try:
        yield
    finally:
        lib.mg_record_pause(arena, before)


def handles_of(tensors: Sequence[Any]) -> Any:
    """Return the nodes of Tensors as a C array."""
    nodes = ffi.new("mg_node[]", len(tensors))
    TensorBase._handles(tuple(tensors), address_of(nodes))
    return nodes


def retained(node: int) -> Any:
    """Return the Tensor of a node that is somebody's."""
    check(lib.mg_retain(arena, node), "a program's array")
    return TensorBase._adopt(node)


class ArrayProgram:
    """A program of arrays.

    Attributes:
        address: as the methods of TensorBase take it.
        owner: frees it.
        notes: what Python has noted of it.
    """

    def __init__(self, pointer: Any, owner: Any, found: Notes) -> None:
        self.pointer, self.owner, self.notes = pointer, owner, found
        self.address = address_of(pointer)

    @classmethod
    def of_file(cls, content: bytes, what: str) -> ArrayProgram:
        """Make a program of a whole file; what names it in an error."""
        made = ffi.new("mg_program **")
        owner: Any = TensorBase._program_load(content, address_of(made))
        if isinstance(owner, int):
            fail(owner, what)
        return cls(made[0], owner, Notes())

    def to_file(self, names: dict[int, str]) -> bytes:
        """Return a whole file, with the names of arrays by their nodes."""
        why = lib.mg_program_unsaved(self.pointer)
        if why != ffi.NULL:
            raise RecordingError(f"save: {ffi.string(why).decode()}: no file can tell it")
        count = check(lib.mg_program_arrays(self.pointer, 0, ffi.NULL), "save")
        nodes = ffi.new("mg_node[]", count)
        lib.mg_program_arrays(self.pointer, count, nodes)
        kept = [ffi.new("char[]", names.get(node, "").encode()) for node in nodes]
        texts = ffi.new("char *[]", kept)
        size = check(lib.mg_program_save(self.pointer, texts, 0, ffi.NULL), "save")
        content = ffi.new("uint64_t[]", size // 8 + 1)
        check(lib.mg_program_save(self.pointer, texts, size, content), "save")
        return bytes(ffi.buffer(content, size))

    def leaves(self) -> list[tuple[str, Any]]:
        """Return the names and the objects of a file's arrays."""
        count = lib.mg_program_names(self.pointer, 0, ffi.NULL, ffi.NULL)
        nodes, names = ffi.new("mg_node[]", count), ffi.new("char *[]", count)
        lib.mg_program_names(self.pointer, count, nodes, names)
        return [
            (ffi.string(name).decode(), retained(node))
            for node, name in zip(nodes, names, strict=True)
        ]

    def inputs(self) -> list[Any]:
        """Return the Tensors that are its inputs; None for one that it does not use."""
        nodes = [lib.mg_program_input(self.pointer, i) for i in range(self.fact("INPUTS"))]
        return [retained(node) if node else None for node in nodes]

    def put(self, which: int, data: int) -> None:
        """Copy contiguous elements at an address to an input."""
        address = ffi.cast("void *", data)
        check(lib.mg_program_put(self.pointer, which, address), "a program's input")

    def outputs(self) -> list[Any]:
        """Return the outputs of the last run."""
        count = self.fact("OUTPUTS")
        made = [lib.mg_program_output(self.pointer, i) for i in range(count)]
        return [TensorBase._adopt(check(node, "a program's output")) for node in made]

    def found(self) -> list[int]:
        """Return the nodes that it uses and does not make."""
        count = lib.mg_program_found(self.pointer, 0, ffi.NULL)
        nodes = ffi.new("mg_node[]", count)
        lib.mg_program_found(self.pointer, count, nodes)
        return list(nodes)

    def names(self) -> list[str]:
        """Return the names of its entries."""
        return [
            ffi.string(lib.mg_program_name(self.pointer, i)).decode().removesuffix("_run")
            for i in range(self.fact("ENTRIES"))
        ]

    def remarks(self) -> list[str]:
        """Return what runs do with each entry other than what was recorded, or nothing."""
        notes = (lib.mg_program_note(self.pointer, i) for i in range(self.fact("ENTRIES")))
        return ["" if note == ffi.NULL else ffi.string(note).decode() for note in notes]

    def entries(self) -> list[Entry]:
        """Return what it does, one after the other."""
        return [Entry(self.pointer, i) for i in range(self.fact("ENTRIES"))]

    def updates(self) -> list[RuleSteps]:
        """Return the steps of optimizers that it makes; of one optimizer they are one."""
        found: dict[int, RuleSteps] = {}
        count = 0
        for i in range(self.fact("ENTRIES")):
            made = ffi.new("mg_entry *")
            check(lib.mg_program_entry(self.pointer, i, made), "a program's updates")
            if ffi.string(made.kind) != b"update":
                continue
            known = int(ffi.cast("uintptr_t", made.groups[0].steps)) if made.group_count else ~count
            found.setdefault(known, RuleSteps(self.pointer, made)).steps.append(count)
            count += 1
        return list(found.values())

    def storages(self) -> list[Storage]:
        """Return its memory."""
        found: list[Storage] = []
        made = ffi.new("mg_storage *")
        while lib.mg_program_storage(self.pointer, len(found), made) == lib.MG_OK:
            found.append(Storage(made))
        return found

    def times(self, runs: int) -> list[float]:
        """Make some runs; return the seconds that each entry took, the least of the runs."""
        count = self.fact("ENTRIES")
        least = [float("inf")] * count
        for _ in range(runs):
            check(lib.mg_program_step(self.pointer, -1), "a program's run")
            for i in range(count):
                begun = perf_counter()
                status = lib.mg_program_step(self.pointer, i)
                least[i] = min(least[i], perf_counter() - begun)
                check(status, "a program's run")
            check(lib.mg_program_step(self.pointer, count), "a program's run")
        return least

    def fact(self, name: str) -> int:
        """Return a number of mg_program_fact()."""
        return int(lib.mg_program_fact(self.pointer, getattr(lib, f"MG_{name}")))

    def fail(self, status: int) -> None:
        """Raise the exception of a run."""
        entry = lib.mg_program_fact(self.pointer, lib.MG_FAULT)
        name = lib.mg_program_name(self.pointer, entry)
        if name != ffi.NULL and ffi.string(name) == b"require_run":
            self.fail_check(entry)
        what = "program" if name == ffi.NULL else f"{ffi.string(name).decode()}, in a program"
        fail(status, what)

    def fail_check(self, entry: int) -> None:
        """Raise the exception of a check that failed; of a program from a file it is not known."""
        which = self.names()[:entry].count("require")
        if which >= len(self.notes.requirements):
            return
        nodes = [lib.mg_program_operand(self.pointer, entry, k) for k in (0, 1)]
        test, about = (TensorBase._adopt(node) if node > 0 else None for node in nodes)
        wrong = failure(test, *self.notes.requirements[which], about)
        if wrong is not None:
            raise wrong

    def fit(
        self,
        sources: Sequence[Any],
        rows: int,
        first: int,
        steps: int,
        order: Any,
        tells: bool,
        is_long: bool,
    ) -> tuple[int, int, list[float]]:
        """Make steps with batches of rows of Tensors; return status, steps done and losses.

        Args:
            sources: contiguous Tensors, one for each input.
            rows: of a batch; first: where the first batch begins.
            steps: how many.
            order: a contiguous Tensor of int64, the rows in their order; None: as they are.
            tells: whether the output is a loss.
            is_long: whether signals are heard in between.
        """
        plan = ffi.new("mg_fit *")
        nodes = handles_of(sources)
        losses = ffi.new("double[]", steps) if tells else ffi.NULL
        plan.sources, plan.rows, plan.steps, plan.losses = nodes, rows, steps, losses
        plan.first = first
        if order is not None:
            plan.order = ffi.cast("int64_t *", order.data_ptr()) + first
        address = address_of(plan)
        status, done = TensorBase._program_fit(self.address, address, is_long)
        return status, done, list(losses[0:done]) if tells else []


class Entry:
    """An entry of a program, as mg_entry of micrograd.h.

    Attributes:
        arrays: a `Placed` or None for each.
        groups: of an update, a `Group` for each.
    """

    def __init__(self, program: Any, number: int) -> None:
        made = ffi.new("mg_entry *")
        check(lib.mg_program_entry(program, number, made), "a program's text")
        self.kind = ffi.string(made.kind).decode()
        self.name = ffi.string(made.name).decode().removesuffix("_run")
        self.integers = numbers_at(made.integers, made.integer_count)
        self.numbers = numbers_at(made.numbers, made.number_count)
        self.writes, self.common, self.computed = made.writes, made.common, made.computed
        self.takes_memory, self.leaf = bool(made.takes_memory), made.leaf
        self.arrays = []
        for k in range(made.array_count * (2 if self.kind == "update" else 1)):
            placed = ffi.new("mg_placed *")
            check(lib.mg_program_placed(program, number, k, placed), "a program's text")
            self.arrays.append(Placed(placed) if placed.storage >= 0 else None)
        self.groups = [Group(made.groups[i], self.name) for i in range(made.group_count)]


class RuleSteps:
    """What a program steps by, with numbers that may be set.

    Attributes:
        name: the rule's, of csrc/updates.def; names: of its numbers.
        groups: how many.
        steps: which updates of the program these are.
    """

    def __init__(self, program: Any, made: Any) -> None:
        self.program, self.made = program, made
        self.name = ffi.string(made.name).decode()
        takes = ffi.string(lib.mg_update_takes(update_number(self.name))).decode()
        self.names = [x.strip() for x in takes.split("NUMBERS(")[1].split(")")[0].split(",")]
        self.groups, self.steps = made.group_count, list[int]()

    def number(self, group: int, name: str) -> float:
        """Return a number of a group."""
        return float(self.made.groups[group].numbers[self.names.index(name)])

    def set(self, group: int, name: str, value: float) -> None:
        """Set it, from the next run on."""
        groups = ffi.new("mg_update_group[]", self.groups)
        for g in range(self.groups):
            groups[g] = self.made.groups[g]
        numbers = ffi.new("double[]", list(groups[group].numbers[0 : len(self.names)]))
        numbers[self.names.index(name)] = value
        groups[group].numbers = numbers
        for which in self.steps:
            status = lib.mg_program_update(self.program, which, self.groups, groups)
            check(status, "a program's update")


class Placed:
    """An array of an entry: where its elements lie."""

    def __init__(self, made: Any) -> None:
        self.storage, self.offset, self.dtype = made.storage, made.offset, made.dtype
        self.shape = tuple(made.shape[0 : made.rank])
        self.strides = tuple(made.strides[0 : made.rank])


class Storage:
    """Memory of a program; data: bytes that it begins with, or None."""

    def __init__(self, made: Any) -> None:
        self.is_owned = made.role == lib.MG_STORAGE_OWNED
        self.is_gradient = made.role == lib.MG_STORAGE_GRADIENT
        self.size, self.input, self.output = made.size, made.input, made.output
        self.is_shared, self.is_contiguous = bool(made.is_shared), bool(made.is_contiguous)
        self.is_restored = bool(made.is_restored)
        self.data = None if made.data == ffi.NULL else bytes(ffi.buffer(made.data, made.size))


class Group:
    """Parameters of an update, and what it remembers of them.

    Attributes:
        fields: names of the numbers of its rule, of which `numbers` are the first.
        moments: of each parameter, bytes for each array, or None.
        address: of its memory.
    """

    def __init__(self, made: Any, name: str) -> None:
        takes = ffi.string(lib.mg_update_takes(update_number(name))).decode()
        self.fields = {
            kind: [x.strip() for x in text.split(",")]
            for kind, text in re.findall(r"(NUMBERS|SCALARS|FACTORS)\(([^)]*)\)", takes)
        }
        count, arrays = made.count, len(re.findall(r"ARRAYS|WHERE", takes))
        plain = re.search(r"ARRAYS\(([^)]*)\)", takes)
        arrays += len(plain[1].split(",")) - 1 if plain else 0
        self.numbers = numbers_at(made.numbers, len(self.fields["NUMBERS"]))
        scalars = len(self.fields.get("SCALARS", ()))
        self.scalars = [[made.scalars[k * count + i] for k in range(scalars)] for i in range(count)]
        self.steps = numbers_at(made.steps, count)
        self.address = int(ffi.cast("uintptr_t", made.steps))
        self.moments = [
            [bytes_of(made.arrays[k * count + i]) for k in range(arrays)] for i in range(count)
        ]


def update_number(name: str) -> int:
    """Return the number of a rule."""
    names = [ffi.string(lib.mg_update_name(i)).decode() for i in range(lib.mg_update_count())]
    return names.index(name)


def bytes_of(node: int) -> bytes | None:
    """Return the elements of a contiguous array of floats, or None without one."""
    if not node:
        return None
    info = ffi.new("mg_array_info *")
    check(lib.mg_array_describe(arena, node, info), "a program's text")
    size = 4 if info.dtype == lib.MG_FLOAT32 else 8
    return bytes(ffi.buffer(info.data, info.count * size))


def element_formula(op: str, which: int) -> str:
    """Return the formula of an elementwise op of arrays, in C; "": it has none."""
    text = lib.mg_element_formula(OPS[op], which) if op in OPS else ffi.NULL
    return "" if text == ffi.NULL else str(ffi.string(text).decode())


class ArrayRecording:
    """A context in which this thread's calls are recorded, from `begin` to `close`."""

    notes: Any = None
    is_refused = False

    def __enter__(self) -> ArrayRecording:
        return self

    def begin(self, give_up: Callable[[RecordingError], Any] | None = None) -> bool:
        """Record from now on; False: another thread does.

        Args:
            give_up: see Notes.
        """
        global notes
        status = lib.mg_record_open(arena)
        if status == lib.MG_ERR_BUSY:
            return False
        check(status, "a program")
        self.notes = notes = Notes()
        notes.give_up = give_up
        return True

    def close(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> ArrayProgram | None:
        """Return the program of what was recorded.

        None: something was done that it could not do again (then `is_refused`), or there is no
        memory for it.
        """
        global notes
        made = ffi.new("mg_program **")
        given, shown = handles_of(inputs), handles_of(outputs)
        owner: Any = TensorBase._record_close(
            address_of(given), len(inputs), address_of(shown), len(outputs), address_of(made)
        )
        found, self.notes, notes = self.notes, None, None
        self.is_refused = owner == lib.MG_ERR_RECORDED
        return None if isinstance(owner, int) else ArrayProgram(made[0], owner, found)

    def __exit__(self, *error: Any) -> None:
        global notes
        if self.notes is not None:
            self.notes = notes = None
            lib.mg_record_cancel(arena)


def may_record() -> bool:
    """Tell whether nothing is recorded in the process."""
    return notes is None
