"""Compiled functions: the first call of a signature runs eagerly and is recorded, later ones run
the program.
"""

from __future__ import annotations

import functools
import gc
import itertools
import math
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import RLock
from typing import Any

from .. import _core
from ..errors import GradientError, RecordingError
from ..files import Path
from ..modules import Module
from ..tensors.ops import TensorBase
from .fitting import Fitting, Pace
from .refusals import explained, no_program, several_programs
from .signatures import Surroundings, Unrecorded, key_of, tensors_in
from .source_of_tensors import c_of_tensors
from .stored import store_arrays
from .templates import filled

__all__ = ["Compiled"]

PROGRAMS, VARIANTS = 64, 8  # signatures of a function, programs of a signature
LONG = 0.05  # seconds
REPLACED = (
    "{}() reads {}, and lets it be another Tensor, which runs of a program would not: write into "
    "it by copy_() under no_grad()"
)


class Blank:
    """What stands for a Tensor in a template."""


def is_place(x: Any) -> bool:
    """Tell whether x is a Tensor, or stands for one."""
    return isinstance(x, TensorBase) or x is Blank


class Variant:
    """A program of a signature, and where its arrays come from.

    Attributes:
        program: the core's.
        used: for each array that it uses: the number of an argument, a Tensor, or a node.
        count: of Tensors in the first result.
        template: the first result, with Blank for each Tensor.
        given: of each Tensor, where it comes from if it is no new one, else None.
        gives_number: whether the result is a Tensor of one element.
        is_long: whether a run takes so long that signals are to be heard in between.
        pace: how many runs are made in a call of the core.
        changes: attributes of modules that the function leaves other than they were, and how.
    """

    def __init__(
        self,
        program: Any,
        tensors: Sequence[Any],
        result: Any,
        changes: Sequence[tuple[Module, str, Any]],
    ) -> None:
        self.program, self.changes = program, changes
        self.used = objects_of(program.found(), tensors)
        outputs = list(tensors_in(result))
        known = [x for x in self.used if isinstance(x, TensorBase)]
        self.given = [self.place(x, tensors, known) for x in outputs]
        self.template = filled(result, is_place, itertools.repeat(Blank))
        self.is_single = self.template is Blank and self.given == [None]
        self.count = len(outputs)
        self.is_long, self.pace = False, Pace()
        self.gives_number = isinstance(result, TensorBase) and math.prod(result.shape) == 1

    @staticmethod
    def place(x: Any, tensors: Sequence[Any], known: Sequence[Any]) -> Any:
        """Return where a result that is no new Tensor comes from."""
        for i, other in enumerate(tensors):
            if other is x:
                return Argument(i)
        return next((other for other in known if other is x), None)

    def nodes(self, tensors: Sequence[Any]) -> tuple[Any, ...]:
        """Return what the program uses in a call with these arguments."""
        return tuple([tensors[x] if type(x) is Argument else x for x in self.used])

    def refresh(self) -> bool:
        """Tell the program what optimizers have now; False: other parameters."""
        program = self.program
        for which, optimizer in enumerate(program.notes.updates):
            groups: tuple[Any, ...] = ()
            for group in optimizer.param_groups:
                arm = getattr(group["params"], "arm", None) or optimizer._arm_of(group)
                groups += (arm.held, group)
            give = TensorBase._program_update
            if give(program.address, which, optimizer._plan, *groups) != 0:
                groups = ()
                for group in optimizer.param_groups:
                    groups += optimizer._arm_of(group).fit(optimizer._plan, group)
                if give(program.address, which, optimizer._plan, *groups) != 0:
                    return False
        return True

    def results(self, tensors: Sequence[Any], made: Sequence[Any]) -> Any:
        """Return what the function returns, of new Tensors."""
        if self.is_single:
            return made[0]
        found = [
            new if x is None else tensors[x] if isinstance(x, Argument) else x
            for x, new in zip(self.given, made, strict=True)
        ]
        return filled(self.template, is_place, iter(found))

    def times(self, runs: int) -> list[float]:
        """Make some runs; return the seconds that each entry took."""
        if not self.refresh():
            raise ValueError("an optimizer has other parameters now: call the function again")
        taken: list[float] = self.program.times(runs)
        self.act()
        return taken

    def act(self) -> None:
        """Do again what Python did beside."""
        for action in self.program.notes.actions:
            action()
        for module, name, x in self.changes:
            setattr(module, name, x)

    @property
    def acts(self) -> bool:
        """Whether Python does something after each run."""
        return bool(self.program.notes.actions or self.changes)


class Argument(int):
    """The number of an argument."""


def objects_of(nodes: Sequence[int], tensors: Sequence[Any]) -> list[Any]:
    """Return for each node the argument or the Tensor that has it; the node where none does."""
    wanted = {node: i for i, node in enumerate(nodes)}
    found: list[Any] = list(nodes)
    for i, node in enumerate(_core.handles_of(tensors)):
        if node in wanted:
            found[wanted.pop(node)] = Argument(i)
    if not wanted:
        return found
    others = [x for x in gc.get_objects() if isinstance(x, TensorBase)]
    objects: dict[int, list[Any]] = {}
    for x, node in zip(others, _core.handles_of(others), strict=True):
        if node in wanted:
            objects.setdefault(node, []).append(x)
    for node, several in objects.items():  # others than the user's are short-lived
        found[wanted[node]] = max(several, key=sys.getrefcount)
    return found


class Compiled(Fitting):
    """A function that runs as a program from its second call on.

    Attributes:
        function: the function itself; a call of it is not recorded.
    """

    def __init__(self, function: Callable[..., Any], fullgraph: bool | None = None) -> None:
        functools.update_wrapper(self, function)
        self.function, self.fullgraph = function, fullgraph
        self.variants: dict[Any, list[Variant] | str] = {}  # text: why it runs eagerly
        self.surroundings: Surroundings | None = None
        self.kept: list[Any] = []
        self.lock = RLock()
        self.last: Variant | None = None  # of the last call
        self.last_held: Any = ()

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        bound = Compiled(self.function.__get__(instance, owner), self.fullgraph)
        kept = getattr(instance, "__dict__", None)
        if kept is not None:
            kept[self.function.__name__] = bound
        return bound

    def __repr__(self) -> str:
        return f"compiled({self.function!r})"

    # ---- calls

    def __call__(self, *args: Any, **named: Any) -> Any:
        if not _core.may_record():  # inside of another recording, or beside one
            return self.function(*args, **named)
        with self.lock:
            return self.once(args, named)

    def like_last(self, args: tuple[Any, ...], named: dict[str, Any]) -> Variant | None:
        """Return the program of the last call, with these arguments, if this is one like it."""
        variant = self.last
        if variant is None or named or len(args) != self.last_count:
            return None
        again: Any = TensorBase._program_again
        return variant if again(*self.last_held, args) and variant.refresh() else None

    def once(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call, with the lock."""
        variant = self.like_last(args, named)
        if variant is not None:
            made = TensorBase._program_go(variant.program.address, variant.count, variant.is_long)
            if type(made) is not int:
                variant.act()
                if variant.is_single:
                    return made
                return variant.results(args, made if variant.count != 1 else (made,))
            if made not in _core.OTHER or variant.program.fact("FAULT") >= 0:
                variant.program.fail(made)
        return self.call(args, named)

    def remember(self, variant: Variant, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Note a call that the next one may be like: of Tensors that the program uses.

        Not one after which modes are others: the next call is then another program's.
        """
        numbers = {x for x in variant.used if type(x) is Argument}
        self.last = None
        if named or numbers != set(range(len(args))) or self.surroundings is None:
            return
        if variant.changes or any(id(x) in self.surroundings.tensors for x in args):
            return
        used = tuple([-1 - x if type(x) is Argument else x for x in variant.used])
        held = self.surroundings.held()
        self.last_held = variant.program.address, used, *held, _core.is_grad_enabled()
        self.last, self.last_count = variant, len(args)

    def signature(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, list[Any]]:
        """Return what tells programs apart, and the Tensors among the arguments."""
        if self.surroundings is None:
            self.surroundings = Surroundings(self.function)
            found = dict(self.surroundings.tensors)
            for x in (*args, *named.values()):
                self.surroundings.look_for_modules(x, 2)
            self.surroundings.tensors = found
        tensors: list[Any] = []
        kept: list[Any] = []
        around = self.surroundings
        key = [around.number(), *[key_of(x, tensors, kept) for x in args]]
        if named:
            key.append(key_of(named, tensors, kept))
        if kept:
            self.kept += [x for x in kept if not any(x is other for other in self.kept)]
        key += [id(x) for x in tensors if id(x) in around.tensors]  # which it finds, too
        return tuple(key), tensors

    def call(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run a program, or record one."""
        try:
            key, tensors = self.signature(args, named)
        except Unrecorded:
            return self.function(*args, **named)
        variants = self.variants.get(key, [])
        if isinstance(variants, str):
            return self.function(*args, **named)
        for variant in variants:
            if not variant.refresh():
                continue
            made = TensorBase._program_call(
                variant.program.address, variant.nodes(tensors), len(variant.given), variant.is_long
            )
            if type(made) is tuple:
                variant.act()
                self.remember(variant, args, named)
                return variant.results(tensors, made)
            if made not in _core.OTHER or variant.program.fact("FAULT") >= 0:
                variant.program.fail(made)
        return self.record(key, variants, args, named, tensors)

    def ready(self, tensors: Sequence[Any], key: Any) -> Variant | None:
        """Return a program of a signature that has these Tensors now."""
        return next(self.all_ready(tensors, key), None)

    def all_ready(self, tensors: Sequence[Any], key: Any) -> Iterator[Variant]:
        """Yield the programs of a signature that have these Tensors now."""
        variants = self.variants.get(key, ())
        for variant in () if isinstance(variants, str) else variants:
            if not variant.refresh():
                continue
            nodes = variant.nodes(tensors)
            if TensorBase._program_bind(variant.program.address, nodes) == 0:
                yield variant

    def chosen(self, caller: str, args: Any, named: Any) -> Iterator[Variant]:
        """Yield the programs of a call; without arguments, of the only signature, the last first.

        Raises:
            ValueError: there is none, or there are several signatures.
        """
        made = [some for some in self.variants.values() if not isinstance(some, str)]
        found: Iterator[Variant] = iter(())
        if args or named:
            with suppress(Unrecorded):
                key, tensors = self.signature(args, named)
                found = self.all_ready(tensors, key)
        elif len(made) > 1:
            raise several_programs(caller, self.function, len(made))
        else:
            found = (x for some in made for x in reversed(some) if x.refresh())
        first = next(found, None)
        if first is None:
            raise no_program(caller)
        yield first
        yield from found

    def record(
        self,
        key: Any,
        variants: list[Variant],
        args: tuple[Any, ...],
        named: dict[str, Any],
        tensors: list[Any],
    ) -> Any:
        """Call the function, and make a program of what it does, beside those of its signature."""
        if len(variants) >= VARIANTS or (not variants and len(self.variants) >= PROGRAMS):
            others = "Tensors from outside" if variants else "shapes or numbers"
            warnings.warn(
                f"{self.function.__qualname__}: there are {len(variants) or PROGRAMS} programs of "
                f"it already, of other {others}; this call and those like it run eagerly",
                stacklevel=5,
            )
            return self.function(*args, **named)
        begin = time.perf_counter()
        around = self.surroundings
        assert around is not None
        before = [(module, dict(vars(module))) for module in around.watched]
        refusals: list[str] = []
        give_up = None
        if self.fullgraph is False:
            give_up = lambda error: refusals.append(str(explained(error)))  # noqa: E731
        try:
            with _core.ArrayRecording() as recording:
                if not recording.begin(give_up):  # another thread has begun meanwhile
                    return self.function(*args, **named)
                result = self.function(*args, **named)
                if refusals:
                    return result
                outputs = list(tensors_in(result))
                program = recording.close(tensors, outputs)
        except RecordingError as error:
            raise explained(error) from error
        finally:
            if refusals:
                around.changes(before)  # what counts calls is no part of a signature
                self.variants[key] = refusals[0]
                warnings.warn(f"runs eagerly: {refusals[0]}", stacklevel=5)
        changes = around.changes(before)
        if has_values(result):
            self.variants[key] = "it is of Values: compile(values=True) makes programs of these"
            return result
        if program is None:
            if recording.is_refused:
                self.variants[key] = "it does what a program cannot do again"
            return result
        if any(x.requires_grad and not x.is_leaf for x in outputs):
            if not program.fact("SWEEPS"):  # backward comes later, from outside
                self.variants[key] = "its results are differentiated outside"
                return result
            leaves = (x if x.is_leaf else x.detach() for x in outputs)
            result = filled(result, is_place, leaves)
        if name := around.replaced(before, program.found()):
            self.variants[key] = REPLACED.format(self.function.__qualname__, name)
            if self.fullgraph is False:
                warnings.warn(f"runs eagerly: {self.variants[key]}", stacklevel=5)
                return result
            raise RecordingError(self.variants.pop(key))
        variant = Variant(program, tensors, result, changes)
        variant.is_long = time.perf_counter() - begin > LONG
        self.variants[key] = [*variants, variant]
        return result

    # ---- to keep

    def save(
        self,
        path: Path,
        *args: Any,
        names: Module | Mapping[str, Any] | None = None,
        **named: Any,
    ) -> None:
        """Write the program of a call to a file, with what its Tensors hold now.

        `programs.load` reads it. A file has ops, backward, `grad`, what Functions do in them, steps
        of optimizers, random numbers; a program that calls Python again, with hooks or schedulers,
        cannot be saved.

        Args:
            path: where; a file that is there is replaced as a whole.
            args, named: arguments of a call that was made; none, where there is one signature.
            names: a module, whose parameters' and buffers' names are kept, or Tensors by name.

        Raises:
            ValueError: no call was recorded that was like this one.
            RecordingError: it does what a file cannot tell.
        """
        with self.lock:
            for variant in self.chosen("save", args, named):
                with suppress(GradientError):  # they are there, or not, other than in this program
                    store_arrays(variant.program, path, names)
                    return
        raise no_program("save")

    # ---- to see

    def explain(self, runs: int = 0) -> str:
        """Say which programs there are, and what each does.

        In brackets is what runs do other than what was recorded, with the same bits: entries that
        nobody reads, that are made once for all runs of `run` or `fit`, that share work.

        Args:
            runs: make so many runs of each, with the arrays that it had last and all that a run
                changes, and say how long its entries took: the least of these runs, with about a
                third of a microsecond for each that is the measurement's.
        """
        lines = [f"{self.function.__qualname__}: {len(self.variants)} signature(s)"]
        for key, variants in self.variants.items():
            shapes = shapes_in(key[1:])
            if isinstance(variants, str):
                lines.append(f"  {shapes}: runs eagerly: {variants}")
                continue
            for variant in variants:
                notes = variant.program.remarks()
                names = [
                    f"{name} ({note})" if note else name
                    for name, note in zip(variant.program.names(), notes, strict=True)
                ]
                lines.append(
                    f"  {shapes}: {len(names)} entries, {variant.program.fact('BYTES')} bytes, "
                    f"{len(variant.used)} arrays from outside"
                )
                if runs > 0:
                    lines += timed(names, variant.times(runs))
                else:
                    lines += [f"    {name} x {n}" for name, n in counted(names)]
        return "\n".join(lines)

    def program(self, caller: str, *args: Any, **named: Any) -> Any:
        """Return the core's program of a call; errors are those of `chosen`."""
        return next(self.chosen(caller, args, named)).program

    def to_c(
        self, path: Path | None = None, *args: Any, name: str = "train_step", **named: Any
    ) -> str:
        """Return the program of a call as C that stands alone, with what its arrays hold now.

        The file has static arrays and a function `train_step`, which makes a step and returns
        0, or below 0 where a check fails; its head says how it is compiled. Arguments are arrays
        `train_step_input_0` and so on, results `train_step_output_0`. The bits are
        those of the program, the speed is not: loops are plain.

        Args:
            path: a file to write, or None.
            args, named: arguments of a call that was made; none, where there is one signature: of
                several programs of it the last is written.
            name: of the function, and what the names of those arrays begin with.

        Raises:
            ValueError: no call was recorded that was like this one; the name is none.
            NotImplementedError: the text would not be the program, with gradients that add up over
                steps and the like, which docs/programs.md lists; the message names it.

        Example:
            >>> import pymicrograd as mg
            >>> @mg.compile
            ... def double(x):
            ...     return x * 2
            >>> _ = double(mg.ones(3))
            >>> [line for line in double.to_c().splitlines() if line.startswith("int train")]
            ['int train_step(void)']
        """
        return c_of_tensors(self.program("to_c", *args, **named), path, name)


def counted(names: Iterable[str]) -> list[tuple[str, int]]:
    """Return names in the order of their first place, each with its number."""
    count: dict[str, int] = {}
    for name in names:
        count[name] = count.get(name, 0) + 1
    return list(count.items())


def timed(names: Iterable[str], seconds: Sequence[float]) -> list[str]:
    """Return lines of names, those together that are equal, with their times."""
    total: dict[str, float] = {}
    names, whole = list(names), sum(seconds)
    for name, taken in zip(names, seconds, strict=True):
        total[name] = total.get(name, 0.0) + taken
    return [
        f"    {1e6 * total[name]:9.2f} us {total[name] / whole:4.0%}  {name} x {n}"
        for name, n in counted(names)
    ]


def shapes_in(key: Any) -> str:
    """Return the shapes of Tensors in a signature."""
    if isinstance(key, bytes):
        numbers = struct.unpack(f"={len(key) // 8}q", key)
        return str(tuple(numbers[2 : 2 + numbers[1]]))
    if isinstance(key, tuple):
        return " ".join(text for text in map(shapes_in, key) if text)
    return ""


def has_values(x: Any) -> bool:
    """Tell whether there are Values in a result."""
    if isinstance(x, (tuple, list)):
        return any(has_values(item) for item in x)
    if isinstance(x, dict):
        return any(has_values(item) for item in x.values())
    return isinstance(x, _core.ValueBase)
