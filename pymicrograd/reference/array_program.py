"""Programs of arrays from files, run in pure Python: one call after the other, in the file's order.

The format is that of csrc/SPEC.md, "Program files". What a call computes is the op of this name in
element_ops.py or array_ops.py, recorded by tensor.py where the file says so; backward is that of
tensor.py, a step of an optimizer that of updates.py, and arrays share memory by shared.py. What an
op takes beside its operands is read off its function: csrc/ops.def says the same.

All that a file tells is done once while it is read, as the loader in C does it, so that each call
is checked as every call is. Then the file is read again: nothing has changed.

Example:
    >>> import pymicrograd as mg, tempfile, os
    >>> from pymicrograd.reference.array_program import ArrayProgram
    >>> twice = mg.compile(lambda x: x * 2.0)
    >>> twice(mg.ones(2)).tolist()
    [2.0, 2.0]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     twice.save(os.path.join(folder, "twice.mgp"))
    ...     content = open(os.path.join(folder, "twice.mgp"), "rb").read()
    >>> ArrayProgram(content).run()
    [Tensor([2.0, 2.0], float32)]
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..recording import set_grad_enabled
from .array import Array, count_of, is_float, wide
from .array_ops import ARRAYS
from .element_ops import ROWS, apply, computed_in
from .program import ARRAYS as OF_ARRAYS
from .program import NONE, Reader, header_of
from .random import RNG
from .shared import Held, unchanged
from .tensor import Give, Tensor, sweep
from .tensor import apply as record
from .tensor import record as recorded
from .updates import AT_FIRST, TAKES, UPDATES, step

__all__ = ["ArrayProgram"]

# By their numbers, with what they are in a file.
DTYPES = {
    "float32": "f", "float64": "d", "float16": "e", "bfloat16": "H", "int64": "q", "int32": "i",
    "int16": "h", "int8": "b", "uint8": "B", "bool": "B",
}  # fmt: skip
MOST_AXES, MOST_INTEGERS, MOST_NUMBERS, MOST_ROOTS, MOST_SWEEPS = 16, 64, 8, 16, 16
MOST_SIZE, MOST_STEPS = 2**59, 2**62
FOUND = 2**31
RECORDS, OVER, REQUIRES = 1, 2, 4
UNIFORM, NORMAL, INTEGERS, PERMUTATION = range(4)
VIEWS = ("reshape", "permute", "expand", "slice", "window")
WRITERS = ("assign", "add_at", "put_at", "scatter_add")
OTHERS = ("detach", "function", "output")

How = dict[str, Any]


@contextmanager
def reading() -> Iterator[None]:
    """Say of whatever goes wrong that the file is."""
    try:
        yield
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"a program file that is wrong: {error}") from error


def need(condition: bool, what: str) -> None:
    """Raise an error unless a condition holds."""
    if not condition:
        raise ValueError(what)


# ---- parts of a file -------------------------------------------------------------------------


def leaf(a: Array) -> Tensor:
    """Return a leaf with a memory of its own."""
    made = Tensor(Array("bool", (0,), []))
    made.array = Held.of(a)
    return made


def elements_of(r: Reader, dtype: str, shape: Sequence[int]) -> Array:
    """Read the elements of an array."""
    found: Sequence[Any] = r.take(DTYPES[dtype], count_of(shape))
    r.skip_zeros()
    if dtype == "bfloat16":
        found = struct.unpack(f"<{len(found)}f", b"".join(struct.pack("<HH", 0, x) for x in found))
    need(dtype != "bool" or {*found} <= {0, 1}, "a bool is 0 or 1")
    return Array(dtype, shape, found)


def array_of(r: Reader, flags_known: int) -> Tensor:
    """Read an array, and its gradient if it has one."""
    number, rank, flags, zero = r.take("I", 4)
    need(number < len(DTYPES) and rank <= MOST_AXES, "an array of no type, or of too many axes")
    need(flags <= flags_known and not zero, "an array with flags that it cannot have")
    dtype, shape = list(DTYPES)[number], r.take("Q", rank)
    need(max(shape, default=0) < MOST_SIZE, "an array that is too large")
    made = leaf(elements_of(r, dtype, shape))
    made.requires_grad = bool(flags & 1)
    if flags & 2:
        made.grad = leaf(elements_of(r, dtype, shape))
    return made


def generator_of(r: Reader) -> RNG:
    """Read a generator."""
    (state,), (spare,), (has_spare,) = r.take("Q", 1), r.take("d", 1), r.take("Q", 1)
    need(has_spare <= 1, "a generator has a second number or none")
    rng = RNG(state)
    rng._spare = spare if has_spare else None
    return rng


class Group:
    """Parameters that a rule updates with the same numbers.

    Args:
        r: where it stands.
        rule: its name.
        count: how many arrays there are.

    Attributes:
        numbers: by their names; parameters, arrays: by their numbers; steps, scalars: as they are.
    """

    def __init__(self, r: Reader, rule: str, count: int) -> None:
        takes, (parameters, has_arrays) = TAKES[rule], r.take("I", 2)
        need(has_arrays <= 1, "a group has arrays or none")
        self.rule = rule
        self.numbers = dict(zip(takes.numbers, r.take("d", len(takes.numbers)), strict=True))
        self.steps = list(r.take("Q", parameters))
        self.scalars = {name: list(r.take("d", parameters)) for name in takes.scalars}
        self.parameters = r.take("I", parameters)
        named = takes.arrays if has_arrays else []
        self.arrays = {name: r.take("I", parameters) for name in named}
        r.skip_zeros()
        need(all(i < count for i in self.parameters), "an update of an array that there is not")
        for of in self.arrays.values():
            need(all(i < count or i == NONE for i in of), "an update with an array that is not")
        need(max(self.steps, default=0) < MOST_STEPS, "an update of too many steps")
        for i, p in enumerate(self.parameters):
            used = [p, *(of[i] for of in self.arrays.values() if of[i] != NONE)]
            need(len(used) == len({*used}), "an array that an update uses twice")

    def remembered(self, i: int, arrays: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the arrays that parameter i needs, by their names.

        Raises:
            ValueError: one is not there, or not like the parameter.
        """
        p, found = arrays[self.parameters[i]], {}
        need(is_float(p.dtype), f"an update of {p.dtype}")
        for name in TAKES[self.rule].needed(self.numbers):
            need(self.arrays.get(name, [NONE] * (i + 1))[i] != NONE, f"{self.rule} needs {name}")
            x = found[name] = arrays[self.arrays[name][i]]
            like = x.shape == p.shape and x.dtype == wide(p.dtype)
            need(like, f"{self.rule}: {name} is not like its parameter")
        return found

    def step(self, i: int, arrays: Sequence[Tensor]) -> None:
        """Make the step of parameter i, if it has a gradient."""
        p, kept = arrays[self.parameters[i]], self.remembered(i, arrays)
        if p.grad is None:
            return
        t = self.steps[i]
        memory: dict[str, Any] = {"step": t}
        for name in {*self.scalars, *kept} - ({*AT_FIRST} if t == 0 else set()):
            memory[name] = kept[name] if name in kept else self.scalars[name][i]
        if not memory.get("begun"):
            memory.pop("begun", None)
        made = step(self.rule, self.numbers, p, p.grad, memory)
        self.steps[i] = memory["step"]
        for name, of in self.scalars.items():
            of[i] = float(memory.get(name, 0.0))
        for name, x in kept.items():
            written(x, memory[name].array)
        written(p, made.array)


def updates_of(r: Reader, count: int) -> list[Group]:
    """Read an update: its groups."""
    rule, (groups,) = r.take_name(), r.take("Q", 1)
    need(rule in UPDATES, f"no rule is named {rule!r}")
    need(groups <= len(r.content), "more groups than there is room for")
    return [Group(r, rule, count) for _ in range(groups)]


def name_of(r: Reader) -> str:
    """Read a row of the table of ops."""
    name = r.take_name()
    need(not any(r.take("B", 8)), "other bytes than zeros behind the name of an op")
    known = name in EVENTS or name in ROWS or name in ARRAYS or name in OTHERS
    need(known, f"no op is named {name!r}")
    return name


class Words:
    """What is done, word by word."""

    def __init__(self, words: Sequence[int]) -> None:
        self.words, self.at = words, 0

    def take(self, count: int) -> Sequence[int]:
        """Return the next so many words."""
        need(count <= len(self.words) - self.at, "the words end within a call")
        self.at += count
        return self.words[self.at - count : self.at]

    def next(self) -> int:
        """Return the next word."""
        return self.take(1)[0]

    def pairs(self, kind: str, count: int) -> Sequence[Any]:
        """Return integers "q" or numbers "d", each of two words."""
        words = self.take(2 * count)
        return struct.unpack(f"<{count}{kind}", struct.pack(f"<{2 * count}I", *words))


# ---- what an op takes ------------------------------------------------------------------------


def integer_as(annotation: str, x: int) -> Any:
    """Return an integer as what a function takes by this annotation."""
    if annotation == "Axes | None":
        need(x >= 0, "axes are a mask")
        return tuple(d for d in range(x.bit_length()) if x >> d & 1)
    if annotation == "str":
        return list(DTYPES)[x] if 0 <= x < len(DTYPES) else ""
    if annotation == "bool":
        return x != 0
    return None if annotation == "int | None" and x == -1 else x


def lists_of(names: Sequence[str], integers: Sequence[int], rank: int) -> How:
    """Return lists of integers by their names: of windows, of an op's axes, or a shape."""
    count = rank
    if "dilation" in names:
        count, *integers = integers or (0,)
        need(1 <= count <= 3, "windows lie along 1 to 3 axes")
    elif len(names) == 1:
        count = len(integers)
    need(len(integers) == count * len(names), f"{', '.join(names)} are {count} integers each")
    return {name: tuple(integers[i * count : (i + 1) * count]) for i, name in enumerate(names)}


def arguments(
    name: str, operands: Sequence[Tensor], integers: Sequence[int], numbers: Sequence[float]
) -> How:
    """Return what an op takes beside its operands, by names.

    Raises:
        ValueError: it takes another number of operands, of integers, or of numbers.
    """
    fits = f"{name} takes other operands, integers and numbers"
    if name in ("function", "output"):
        counts = (len(operands), len(integers), len(numbers))
        need(counts == (2, 1, 0) if name == "output" else counts[1:] == (0, 0), fits)
        return {}
    if name in ROWS or name == "detach":
        of_number = name == "pow_number"
        arity = len(inspect.signature(ROWS[name].value).parameters) if name in ROWS else 1
        counts = (len(operands), len(integers), len(numbers))
        need(counts == (arity - of_number, 0, int(of_number)), fits)
        return {"k": numbers[0]} if of_number else {}
    takes = inspect.signature(ARRAYS[name]).parameters.values()
    arrays = [p for p in takes if "Array" in p.annotation or p.annotation == "Any"]
    reals = [p.name for p in takes if p.annotation == "float"]
    lists = [p.name for p in takes if p.annotation == "Sequence[int]"]
    singles = [p for p in takes if p not in arrays and p.name not in (*reals, *lists)]
    is_many = any(p.kind is p.VAR_POSITIONAL for p in arrays)
    required = len([p for p in arrays if p.default is p.empty])
    need(len(operands) in (required, len(arrays)) or (is_many and len(operands) > 0), fits)
    need(len(numbers) == len(reals) and (bool(lists) or len(integers) == len(singles)), fits)
    how: How = dict(zip(reals, numbers, strict=True))
    if lists:
        return how | lists_of(lists, integers, len(operands[0].shape))
    values = zip(singles, integers, strict=True)
    return how | {p.name: integer_as(p.annotation, x) for p, x in values}


# ---- memory ----------------------------------------------------------------------------------


def held(x: Tensor) -> Held:
    """Return the array of a value of a program."""
    assert isinstance(x.array, Held)
    return x.array


def written(x: Tensor, a: Array) -> None:
    """Write the numbers of an array over those of a value."""
    need(not held(x).overlaps, "an array whose elements share places cannot be written to")
    held(x).write(a.values)


def guarded(made: Tensor, operands: Sequence[Tensor]) -> None:
    """Let the gradient of a value refuse to read what was written to since."""
    rule: Any = made._rule
    found = [(held(x).memory, held(x).memory.version) for x in (*operands, made)]

    def passed(y: Any, g: Any, which: int) -> Any:
        with unchanged(found):
            return rule(y, g, which)

    if rule is not None:
        made._rule = passed


# ---- the program -----------------------------------------------------------------------------


class ArrayProgram:
    """A program of arrays.

    Args:
        content: a whole file.

    Attributes:
        arrays: Tensors, parameters and data among them, with their gradients; names: theirs.
        inputs: those of them that are its inputs; None for one that nothing uses.
        outputs: the Tensors that the last run has made.
        updates: of each the groups, with numbers, steps and scalars.
        generators: of random numbers.

    Raises:
        ValueError: the file is damaged, or wrong.
    """

    def __init__(self, content: bytes) -> None:
        self.begins: dict[int, bool] = {}  # arrays whose gradients a run begins with
        self.checks = False
        with reading():
            self.read(content)
            before = [x.requires_grad for x in self.arrays]
            self.step()
            changed = before != [x.requires_grad for x in self.arrays]
            need(not changed, "requires_grad of an array is another one at the end")
            self.read(content)
        self.checks = True

    def read(self, content: bytes) -> None:
        """Read a file."""
        kind, flags, counts = header_of(content)
        need(kind == OF_ARRAYS, "a program of numbers, not of arrays")
        arrays, constants, generators, updates, ops, words, inputs, outputs, text, zero = counts
        need(flags == 0 and zero == 0, "flags that arrays do not have")
        need(max(counts) <= len(content), "more items than there is room for")
        r = Reader(content, 64)
        self.arrays = [array_of(r, 3) for _ in range(arrays)]
        self.index = {x: i for i, x in enumerate(self.arrays)}
        self.constants = [array_of(r, 0).array for _ in range(constants)]
        self.generators = [generator_of(r) for _ in range(generators)]
        self.updates = [updates_of(r, arrays) for _ in range(updates)]
        self.ops = [name_of(r) for _ in range(ops)]
        self.words = r.take("I", words)
        used = r.take("I", inputs)
        need(all(i < arrays or i == NONE for i in used), "an input that there is not")
        self.inputs = [None if i == NONE else self.arrays[i] for i in used]
        self.output_values = r.take("I", outputs)
        self.outputs: list[Tensor] = []
        self.names = r.take_texts(text)
        need(len(self.names) == arrays and r.at == len(content), "names of other arrays")

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Run once on other inputs; return the outputs.

        Args:
            inputs: Tensors of the shapes and types of `inputs`, which are copied there.

        Raises:
            ValueError: others than there are.
        """
        for x, place in zip(inputs, self.inputs, strict=True):
            like = place is None or (x.shape, x.dtype) == (place.shape, place.dtype)
            need(like, "an input has another shape or type than in the file")
        for x, place in zip(inputs, self.inputs, strict=True):
            if place is not None:
                held(place).write(x.array.values)
        return self.run()

    def run(self, steps: int = 1) -> list[Tensor]:
        """Run so many times; return the outputs of the last.

        Raises:
            RuntimeError: an array has a gradient, or has none, other than in the file.
        """
        for _ in range(steps):
            for i, begins in self.begins.items():
                if (self.arrays[i].grad is not None) != begins:
                    raise RuntimeError(f"array {i} has a gradient, or none, other than when saved")
            self.step()
        return self.outputs

    def step(self) -> None:
        """Do all once."""
        self.values: list[Tensor] = []
        self.met: set[Tensor] = set()
        self.stops: list[tuple[Tensor, dict[Tensor, Tensor], Give]] = []
        words = Words(self.words)
        while words.at < len(words.words):
            self.event(words)
        self.outputs = [self.value(i) for i in self.output_values]

    def event(self, words: Words) -> str:
        """Do what comes next; return its name."""
        name = self.op(words.next())
        if name in EVENTS:
            EVENTS[name](self, words)
        else:
            self.values.append(self.call(name, words))
        return name

    def op(self, which: int) -> str:
        """Return an op of the table."""
        need(which < len(self.ops), "an op that is not in the table")
        return self.ops[which]

    def value(self, which: int) -> Tensor:
        """Return the Tensor that a value is."""
        known = self.values if which < FOUND else self.arrays
        at = which if which < FOUND else which - FOUND
        need(at < len(known), "a value that there is not yet, or an array that there is not")
        return known[at]

    def maybe(self, which: int) -> Tensor | None:
        """Return the same, or None of none."""
        return None if which == NONE else self.value(which)

    # ---- calls

    def call(self, name: str, words: Words) -> Tensor:
        """Make a call of an op."""
        operand_count, integer_count, number_count, weak, how = words.take(5)
        small = integer_count <= MOST_INTEGERS and number_count <= MOST_NUMBERS
        need(small and operand_count >= 1 and how <= 7, f"{name} takes not so much")
        few = operand_count <= 31 and weak >> operand_count == 0
        need(few or not weak, f"{name}: more numbers than operands")
        operands = [self.value(i) for i in words.take(operand_count)]
        integers = words.pairs("q", integer_count)
        takes = arguments(name, operands, integers, words.pairs("d", number_count))
        with set_grad_enabled(bool(how & RECORDS)):
            if how & OVER:
                made = self.over(name, operands, takes)
            else:
                made = made_by(name, operands, weak, takes)
        need(made.requires_grad == bool(how & REQUIRES), f"{name}: a gradient flows, or does not")
        return made

    def over(self, name: str, operands: list[Tensor], takes: How) -> Tensor:
        """Make a call whose result takes over the memory of operand 0."""
        need(name in WRITERS, f"{name} takes over no memory")
        a, made = operands[0], record(name, *operands, **takes)
        written(a, made.array)
        if not made.requires_grad:
            return a
        made.array = Held(a.dtype, a.shape, held(a).memory, held(a).places)
        guarded(made, operands)
        return made

    # ---- other events

    def constant(self, words: Words) -> None:
        """A constant, which may be written to: in the next run it is what it was."""
        which = words.next()
        need(which < len(self.constants), "a constant that there is not")
        self.values.append(leaf(self.constants[which]))

    def in_place(self, words: Words) -> None:
        """op(a, b), or a cast of b, is written over a."""
        name, weak = self.op(words.next()), words.next()
        a, b = self.value(words.next()), self.maybe(words.next())
        if name == "cast" and b is not None:
            made = b.array.expand(a.shape)
        else:
            need(name in ROWS and name != "pow_number", f"{name} is not done in place")
            arity = len(inspect.signature(ROWS[name].value).parameters)
            need(arity == 1 + (b is not None), f"{name} takes {arity} operands")
            made = elements_written(name, a, b, weak)
        need(made.shape == a.shape, f"{name} in place: shape {made.shape} is not {a.shape}")
        written(a, made)

    def look(self, x: Tensor) -> None:
        """Note whether a run begins with the gradient that an array has."""
        if x not in self.met and x in self.index:
            self.begins[self.index[x]] = x.grad is not None
        self.met.add(x)

    def gradient(self, words: Words) -> None:
        """The gradient that a value has is a value, too."""
        x = self.value(words.next())
        self.look(x)
        need(x.grad is not None, "a gradient that there is not")
        self.values.append(x.grad)  # type: ignore[arg-type]

    def set_gradient(self, words: Words) -> None:
        """A value has another gradient from now on, or none."""
        x, gradient = self.value(words.next()), self.maybe(words.next())
        like = gradient is None or (gradient.shape, gradient.dtype) == (x.shape, x.dtype)
        need(like, "a gradient of another shape or type")
        x.grad = gradient
        self.met.add(x)

    def requires_grad(self, words: Words) -> None:
        """A gradient of a leaf is wanted from now on, or is not."""
        x, on = self.value(words.next()), words.next()
        need(on < 2, "a gradient is wanted or not")
        x.requires_grad = bool(on)

    def roots(self, words: Words, count: int) -> tuple[list[Tensor], list[Tensor | None]]:
        """Return what a backward begins from, and the gradients there."""
        need(1 <= count <= MOST_ROOTS, f"a backward from {count} values")
        roots = [self.value(i) for i in words.take(count)]
        return roots, [self.maybe(i) for i in words.take(count)]

    def sweep(
        self,
        words: Words,
        roots: list[Tensor],
        seeds: list[Tensor | None],
        inputs: list[Tensor] | None,
    ) -> tuple[dict[Tensor, Tensor], list[Tensor]]:
        """Take gradients from roots to all, or to inputs; at functions do what the words say."""
        need(len(self.stops) < MOST_SWEEPS, "too many backwards within each other")

        def stopped(function: Tensor, totals: dict[Tensor, Tensor], give: Give) -> None:
            self.stops.append((function, totals, give))
            while self.event(words) != "resume":
                pass
            self.stops.pop()

        with set_grad_enabled(False):
            return sweep(roots, seeds, inputs, stopped)

    def grad(self, words: Words) -> None:
        """The gradients of some values by others are values."""
        count, input_count = words.next(), words.next()
        need(input_count > 0, "a grad by nothing")
        roots, seeds = self.roots(words, count)
        inputs = [self.value(i) for i in words.take(input_count)]
        totals, _ = self.sweep(words, roots, seeds, inputs)
        made = {x: leaf(totals[x].array) for x in inputs if x in totals}
        self.values += [made[x] for x in inputs if x in made]

    def stop(self) -> tuple[Tensor, dict[Tensor, Tensor], Give]:
        """Return the function that a backward has stopped at, and what is known there."""
        need(bool(self.stops), "no backward has stopped at a function")
        return self.stops[-1]

    def arrived(self, words: Words) -> None:
        """The gradient that has arrived at an output of the function is a value."""
        x, (function, totals, _) = self.value(words.next()), self.stop()
        is_output = x._op == "output" and x._prev[0] is function
        need(is_output and x in totals, "an output of another function, or without a gradient")
        self.values.append(leaf(totals[x].array))
        held(self.values[-1]).memory.is_lent = True

    def contribute(self, words: Words) -> None:
        """An operand of the function gets a gradient."""
        which, gradient = words.next(), self.value(words.next())
        self.stop()[2](which, gradient)

    def resume(self, words: Words) -> None:
        """The backward goes on."""
        self.stop()

    def backward(self, words: Words) -> None:
        """Add gradients to those of leaves: in their memory, where they have any."""
        roots, seeds = self.roots(words, words.next())
        totals, visited = self.sweep(words, roots, seeds, None)
        found = {x: totals[x].array.copy() for x in visited if x.is_leaf and x in totals}
        for x, total in found.items():
            self.look(x)
            if x.grad is None:
                x.grad = leaf(total)
                continue
            added = apply("add", x.grad.array, total)
            if x.grad.requires_grad or held(x.grad).overlaps:
                x.grad = leaf(added)
            else:
                held(x.grad).write(added.values)

    def update(self, words: Words) -> None:
        """Make a step of all parameters that have a gradient."""
        which = words.next()
        need(which < len(self.updates), "an update that there is not")
        groups = self.updates[which]
        parameters = [(group, i) for group in groups for i in range(len(group.parameters))]
        for group, i in parameters:
            group.remembered(i, self.arrays)
            self.look(self.arrays[group.parameters[i]])
        for group, i in parameters:
            group.step(i, self.arrays)

    def random(self, words: Words) -> None:
        """Draw the elements of a value anew."""
        x, which, distribution = self.value(words.next()), words.next(), words.next()
        (a, b), (low, high) = words.pairs("d", 2), words.pairs("q", 2)
        need(which < len(self.generators) and distribution < 4, "random numbers of no kind")
        fits = ("int64",) if distribution in (INTEGERS, PERMUTATION) else ("float32", "float64")
        need(x.dtype in fits and x.is_leaf, f"random numbers of {x.dtype}")
        need(held(x).is_row_major, "random numbers of a view")
        count = len(x.array.values)
        numbers = drawn(self.generators[which], distribution, a, b, low, high, count)
        held(x).write(numbers)

    def require(self, words: Words) -> None:
        """Raise where one of some bools is false; not while a file is read."""
        x, is_index = self.value(words.next()), words.next()
        need(x.dtype == "bool" and is_index < 2, "a check of no bools")
        if self.checks and not all(held(x).values):
            raise (IndexError if is_index else ValueError)("a check of elements fails")


EVENTS: dict[str, Callable[[ArrayProgram, Words], None]] = {
    event.__name__: event
    for event in (
        ArrayProgram.constant, ArrayProgram.in_place, ArrayProgram.gradient,
        ArrayProgram.set_gradient, ArrayProgram.backward, ArrayProgram.update, ArrayProgram.random,
        ArrayProgram.require, ArrayProgram.grad, ArrayProgram.arrived, ArrayProgram.contribute,
        ArrayProgram.requires_grad, ArrayProgram.resume,
    )
}  # fmt: skip


def number_or(x: Tensor, is_number: bool) -> Any:
    """Return a Tensor, or the number that it stands for."""
    need(not is_number or not (x.shape or x.requires_grad), "a number has no axes, nor a gradient")
    return x.item() if is_number else x


def made_by(name: str, operands: Sequence[Tensor], weak: int, takes: How) -> Tensor:
    """Return what an op makes, recorded where gradients are, with the memory that it has."""
    need(not weak or name in ROWS or name == "where", f"{name} takes no numbers of Python")
    if name in ("function", "output"):
        return of_function(name, operands)
    a = held(operands[0])
    if name == "detach" or (name == "contiguous" and a.is_row_major):
        shown = Held(a.dtype, a.shape, a.memory, a.places)
    elif name in VIEWS:
        shown = a.view(name, takes)
    else:
        shown = None
    if name == "detach":
        made = operands[0].detach()
    else:
        given = [number_or(x, bool(weak >> i & 1)) for i, x in enumerate(operands)]
        need(not weak & 1 or name != "where", "where chooses by an array")
        made = given[0].where(*given[1:]) if name == "where" else record(name, *given, **takes)
    made.array = shown or Held.of(made.array)
    guarded(made, [x for x in made._prev if isinstance(x.array, Held)])
    return made


def of_function(name: str, operands: Sequence[Tensor]) -> Tensor:
    """Return a function, or an output of one, which shows the memory of operand 1."""
    if name == "function":
        shown = Held.of(Array("float32", (0,), []))
    else:
        need(operands[0]._op == "function", "an output of no function")
        a = held(operands[1])
        shown = Held(a.dtype, a.shape, a.memory, a.places)
    made = recorded(name, shown, tuple(operands), no_rule)
    made.array = shown
    return made


def no_rule(*known: Any) -> None:
    """Stand for the gradient of a function, which the words tell."""


def elements_written(name: str, a: Tensor, b: Tensor | None, weak: int) -> Array:
    """Return a row of the table of elements of a and b, as what can be written over a."""
    need(weak < 4, "more numbers than operands")
    given = [number_or(x, bool(weak >> i & 1)) for i, x in enumerate((a, b)) if x is not None]
    operands = tuple(x.array if isinstance(x, Tensor) else x for x in given)
    _, result = computed_in(ROWS[name], operands)
    kinds = is_float(result), result == "bool"
    fits = is_float(a.dtype) if kinds[0] else kinds[1] or a.dtype != "bool"
    need(fits, f"{name} in place: {result} is not written over {a.dtype}")
    return apply(name, *operands)


def drawn(
    rng: RNG, distribution: int, a: float, b: float, low: int, high: int, count: int
) -> list[Any]:
    """Return random numbers of a distribution."""
    if distribution == UNIFORM:
        return [rng.uniform(a, b) for _ in range(count)]
    if distribution == NORMAL:
        return [rng.normal(a, b) for _ in range(count)]
    if distribution == PERMUTATION:
        items = list(range(count))
        rng.shuffle(items)
        return items
    need(low < high, f"no integers are from {low} to {high} - 1")
    return [low + integer_below(rng, high - low) for _ in range(count)]


def integer_below(rng: RNG, span: int) -> int:
    """Return an integer from 0 to span - 1."""
    bits = rng.random_u32()
    return (bits << 32 | rng.random_u32() if span > 2**32 else bits) % span
