"""Programs of Values: a step of training on a graph, again and again in C."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .. import _core
from ..arithmetic import is_ieee
from ..choices import MOST, Index
from ..errors import ArgumentError, RecordingError
from ..files import Path
from ..modules import Module
from ..scalars import is_array
from ..value import Value
from .fitting import as_count, bar, shuffled
from .refusals import explained, no_program, several_programs
from .stored import store
from .templates import filled

__all__ = ["Program", "Recorded"]

OWN_STEP = "{} has a step of its own, in Python, which no program makes"


class Program:
    """A training step on the graph of a loss, run any number of times without Python.

    One step computes the loss from its leaves, sets the gradients of the optimizer's parameters to
    0.0, adds the gradients of the loss, and moves the parameters: the same additions in the same
    order as

        loss = ...                                  # the same expressions, on the same leaves
        optimizer.zero_grad(); loss.backward(); optimizer.step()

    and so the same bits. Leaves that the program's user still has, and parameters, are read when
    `run` begins and written when it ends; numbers in expressions are constants, but the largest
    logit of `softmax` and `cross_entropy` is looked for in each step. The graph itself is not
    needed any more. Other Values keep their data and gradients; the loss gets both.

    Args:
        loss: a Value.
        optimizer: SGD, Adam or AdamW of Values; None: nothing moves, and gradients add up.

    Raises:
        TypeError: loss is no Value, or the optimizer is another one, or not of Values.
        ValueError: the optimizer has hooks, which are in Python.
        GradientError: a node of the graph is of the user's own (`_backward`, local gradients).

    Example:
        >>> from pymicrograd import Value, compile, optim
        >>> w = Value(1.0)
        >>> program = compile((w * 3.0 - 6.0) ** 2, optim.SGD([w], lr=0.05))
        >>> [round(loss, 3) for loss in program.run(3)]
        [9.0, 0.09, 0.001]
        >>> round(w.data, 3)
        1.999
    """

    def __init__(self, loss: Any, optimizer: Any = None) -> None:
        if not isinstance(loss, _core.ValueBase):
            raise TypeError(f"a program is of a Value, the loss, not {type(loss).__name__}")
        self._optimizer = optimizer
        arms = [] if optimizer is None else arms_of(optimizer)
        parameters = [arm._handles for arm in arms]
        self._script = _core.Script.of_graph(loss._handle, parameters)

    @property
    def losses(self) -> list[float]:
        """The data of the loss in each step of the last `run`, also of one that raised."""
        return self._script.losses()

    def run(self, steps: int = 1) -> list[float]:
        """Make some steps.

        Args:
            steps: how many. Options of the optimizer, such as lr, are read at the beginning.

        Returns:
            The data of the loss in each step.

        Raises:
            ZeroDivisionError, ValueError, OverflowError: what the ops raise, the one that a loop
                of single steps would raise first; with Values, gradients and the optimizer as they
                would then be. In `pymicrograd.ieee()` there are infinities and NaNs instead.
            ValueError: the optimizer has other parameters now, or steps is below 0.
            TypeError: steps is no int.
            BusyError: a backward that is under way in this thread uses the same Values.
        """
        steps = as_count("steps", steps)
        self._prepare()
        self._script.begin()
        while left := steps - self._script.done():  # slices: Ctrl-C falls in between
            self._script.run(left, is_ieee())
        return self.losses

    def _prepare(self) -> None:
        """Tell the program what the optimizer's options and memory are now."""
        if self._optimizer is None:
            return
        arms = arms_of(self._optimizer)
        updates = self._script.updates
        if [id(arm._handles) for arm in arms] != list(map(id, updates.parameters)):
            raise ValueError("the optimizer has other parameters now: compile again")
        for i, (arm, group) in enumerate(zip(arms, self._optimizer.param_groups, strict=True)):
            self._optimizer._check_kind(arm, group)
            updates.set(i, **arm.step_of(group))

    def explain(self, times: bool = False) -> str:
        """Say what the program consists of.

        Args:
            times: measure how long each instruction takes, the least of some rounds; no step is
                made, and the numbers of Values stay as they are.
        """
        if times:
            self._prepare()
        return self._script.describe(times)

    def save(self, path: Path, names: Module | Mapping[str, Any] | None = None) -> None:
        """Write the program to a file, with what Values and the optimizer hold now.

        `programs.load` reads it, and so do csrc/run_program.c and the ports: csrc/SPEC.md
        describes the format.

        Args:
            path: where; a file that is there is replaced as a whole.
            names: a module, whose parameters' names are kept, or Values by name.
        """
        self._prepare()
        store(self._script, path, names)

    def to_c(self, path: Path | None = None, name: str = "train_step") -> str:
        """Return a step as C that stands alone, with what all numbers are now.

        The file has two functions, `train_step_begin`, which sets a `struct train_step` to these
        numbers, and `train_step`, which returns what failed; its head says how it is compiled. The
        bits are those of `run`.

        Args:
            path: a file to write, or None.
            name: of the function and the struct.

        Raises:
            ValueError: the name is none, or that of something else.

        Example:
            >>> from pymicrograd import Value, compile, optim
            >>> w = Value(1.0)
            >>> text = compile((w * 3.0 - 6.0) ** 2, optim.SGD([w], lr=0.05)).to_c()
            >>> [line for line in text.splitlines() if line.startswith("int train_step(")]
            ['int train_step(struct train_step *p)']
        """
        from .source_of_values import c_of_values  # which takes numpy

        self._prepare()
        return c_of_values(self._script, path, name)


def arms_of(optimizer: Any) -> list[Any]:
    """Return the parameters of an optimizer's groups, if a program can make its steps."""
    from ..optim.optimizer import Optimizer
    from ..optim.rule import Rule

    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"an optimizer is one of pymicrograd.optim, not {optimizer!r}")
    arms: list[Any] = optimizer._current()
    if any(arm.kind != "Values" for arm in arms):
        raise TypeError("the loss is a Value, and the optimizer is of Tensors")
    if type(optimizer).step is not Rule.step or type(optimizer).zero_grad is not Rule.zero_grad:
        raise TypeError(OWN_STEP.format(type(optimizer).__name__))
    if optimizer._hooks["step_pre"] or optimizer._hooks["step_post"]:
        raise ValueError("the optimizer has hooks, which are in Python: no program calls them")
    return arms


# ---- functions -------------------------------------------------------------------------------


class Recorded:
    """A function of Values that is recorded at its first call, and then runs as a program.

    A program belongs to a signature: floats among the arguments, also in lists and tuples, are its
    inputs, which the function gets as Values; everything else is told apart by what it is, or by
    its identity. Ints that only choose, by `at` and as targets of `cross_entropy`, are inputs, too,
    once a call has shown that the function chooses. Whatever the function
    does with Values is part of it: forward, backward, `zero_grad`, steps of SGD, Adam and AdamW.
    Values that it uses and did not make, such as parameters, are read at each call and written.
    What else Python does in it, it does once a signature.

    Args:
        function: it returns a Value, or None, or tuples and lists of these. What it returns from
            the second call on are leaves.

    Raises:
        RecordingError: when called, where the function reads what depends on data: `v.data`,
            `float(v)`, `a < b`, or derives with `grad`.

    Example:
        >>> from pymicrograd import Value, compile, optim
        >>> w = Value(0.0)
        >>> optimizer = optim.SGD([w], lr=0.25)
        >>> @compile(values=True)
        ... def step(x, y):
        ...     loss = (w * x - y) ** 2
        ...     optimizer.zero_grad()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> [step(1.0, 2.0).data for _ in range(3)]
        [4.0, 1.0, 0.25]
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._families: dict[Any, Family] = {}

    def __call__(self, *args: Any, **named: Any) -> Any:
        if _core.recording() is not None:
            return self.function(*args, **named)
        numbers: list[Any] = []
        family = self._family(args, named, numbers)
        variant = family.find(numbers)
        if variant is None or not variant.refresh():
            try:
                return family.record(self.function, args, named, numbers)
            except RecordingError as error:
                raise explained(error) from error
        if variant.fits(numbers):
            return variant.run(numbers)
        return self.function(*args, **named)

    def _family(self, args: tuple[Any, ...], named: dict[str, Any], numbers: list[Any]) -> Family:
        """Return the programs of calls like this one, whose numbers are added to a list."""
        key = key_of((args, named), numbers), _core.is_grad_enabled()
        family = self._families.get(key)
        if family is None:
            family = self._families[key] = Family()
        return family

    def _ready(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Variant | None, Any]:
        """Return what a call would run, None where it would be recorded; and its numbers."""
        numbers: list[Any] = []
        variant = self._family(args, named, numbers).find(numbers)
        is_ready = variant is not None and variant.refresh() and variant.fits(numbers)
        return variant if is_ready else None, numbers

    def save(
        self, path: Path, *args: Any, names: Module | Mapping[str, Any] | None = None, **named: Any
    ) -> None:
        """Write the program of a signature to a file: see `Program.save`.

        Args:
            path: where; a file that is there is replaced as a whole.
            args, named: arguments of a call that was made; none, where there is one program.
            names: a module, whose parameters' names are kept, or Values by name.

        Raises:
            ValueError: no call was recorded that was like this one.
        """
        self.variant("save", *args, **named).save(path, names)

    def to_c(
        self, path: Path | None = None, *args: Any, name: str = "train_step", **named: Any
    ) -> str:
        """Return the program of a signature as C that stands alone, as `Program.to_c`.

        Args:
            path: a file to write, or None.
            args, named: arguments of a call that was made; none, where there is one program.
            name: of the function and the struct.

        Raises:
            ValueError: no call was recorded that was like this one.
        """
        return self.variant("to_c", *args, **named).to_c(path, name)

    def explain(self, times: bool = False) -> str:
        """Say which programs there are, and of what each consists, as `Program.explain`."""
        made = [variant for family in self._families.values() for variant in family.all()]
        texts = [variant.explain(times) for variant in made]
        lines = [f"  {line}" for text in texts for line in text.splitlines()]
        return "\n".join([f"{self.function.__qualname__}: {len(made)} program(s)", *lines])

    def variant(self, caller: str, *args: Any, **named: Any) -> Variant:
        """Return the program of a call; without arguments, the only one there is.

        Raises:
            ValueError: there is none, or there are several.
        """
        made = [variant for family in self._families.values() for variant in family.all()]
        if args or named:
            found, _ = self._ready(args, named)
        elif len(made) > 1:
            raise several_programs(caller, self.function, len(made))
        else:
            found = made[0] if made and made[0].refresh() else None
        if found is None:
            raise no_program(caller)
        return found

    def run(self, count: int, *args: Any, **named: Any) -> Any:
        """Call the function so many times with the same arguments; return the last result.

        It is `for _ in range(count): result = step(*args)`, in few calls of C.
        """
        left, result = as_count("count", count), None
        while left:
            result, left = self(*args, **named), left - 1
            if left and _core.recording() is None:
                variant, numbers = self._ready(args, named)
                if variant is not None:
                    return variant.run(numbers, left)
        return result

    def fit(
        self,
        *data: Sequence[Any],
        epochs: int = 1,
        batch_size: int | None = None,
        shuffle: Any = None,
        every: int = 1,
        callback: Callable[[int, float], Any] | None = None,
        progress: bool = False,
    ) -> list[float]:
        """Call the function with batches of rows: lists of what the data have in the same places.

        The bits are those of the loop

            for epoch in range(epochs):
                order = randperm(n, generator=shuffle).tolist()  # range(n) without shuffle
                for first in range(0, n, batch_size):
                    rows = order[first : first + batch_size]
                    loss = step([x[i] for i in rows], [y[i] for i in rows])

        Args:
            data: sequences as long as each other, n.
            epochs: how often all rows are gone through.
            batch_size: rows of a batch, all by default; the last batch of an epoch may be smaller.
            shuffle: a generator, or True for the package's.
            every: after how many steps callback is called.
            callback: gets the number of steps made and the loss of the last one; it may change
                options of optimizers.
            progress: show a bar, where tqdm is installed.

        Returns:
            The loss of every step, of a function that returns a Value; else [].

        Raises:
            ValueError: the data are not equally long.
        """
        epochs, every = as_count("epochs", epochs), as_count("every", every, 1)
        counts = sorted({len(x) for x in data})
        if len(counts) != 1:
            raise ArgumentError(f"fit: the data have {counts} rows" if data else "fit of nothing")
        size = counts[0] if batch_size is None else as_count("batch_size", batch_size, 1)
        steps, losses, made = epochs * (-(-counts[0] // size) if size else 0), [], 0
        with bar(steps, progress) as shown:
            for rows in batches(counts[0], epochs if steps else 0, size, shuffle):
                loss = self(*([x[i] for i in rows] for x in data))
                losses += [loss.data] if isinstance(loss, Value) else []
                made += 1
                if shown is not None:
                    shown.update(1)
                if callback is not None and made % every == 0:
                    callback(made, losses[-1] if losses else float("nan"))
        return losses


def batches(rows: int, epochs: int, size: int, shuffle: Any) -> Iterator[Sequence[int]]:
    """Yield the rows of each batch."""
    for _ in range(epochs):
        order = shuffled(rows, shuffle)
        order = range(rows) if order is None else order.tolist()
        for first in range(0, rows, size):
            yield order[first : first + size]


class Family:
    """The programs of calls that differ in numbers only.

    Ints are told apart by what they are, but for those that only choose, by `at` and as targets of
    `cross_entropy`: of these the programs are for all. That a function chooses is known when it
    has run once.
    """

    def __init__(self) -> None:
        self._variants: dict[tuple[int, ...], Variant] = {}
        self._choosing: frozenset[int] | None = None  # places of ints; None: not known yet

    def find(self, numbers: Sequence[Any]) -> Variant | None:
        """Return the program for the numbers of a call."""
        return self._variants.get(self._rest(numbers))

    def all(self) -> list[Variant]:
        """Return all programs."""
        return list(self._variants.values())

    def _rest(self, numbers: Sequence[Any]) -> tuple[int, ...]:
        """Return the ints that a program belongs to."""
        places = self._choosing or ()
        return tuple(x for i, x in enumerate(numbers) if type(x) is int and i not in places)

    def record(self, function: Any, args: Any, named: Any, numbers: list[Any]) -> Any:
        """Run a function, make a program of what it does, and return what it returns."""
        variant = Variant(function, args, named, numbers, self._choosing)
        first, variant.first = variant.first, None
        if variant.chooses:
            self._choosing = frozenset(i for i, x in enumerate(numbers) if type(x) is int)
        elif not variant.is_made:
            if not variant.was_left:
                self._choosing = frozenset()  # each program for its own ints
        else:
            self._choosing = self._choosing and self._choosing - variant.read
            if variant.read:
                self._variants.clear()
            self._variants[self._rest(numbers)] = variant
        return first


class Variant:
    """The program of a signature.

    Args:
        choosing: places of ints among the numbers that may be inputs; None: it is to be found out
            whether there are such.

    Attributes:
        first: what the function returned when it was recorded.
        chooses: there are: no program has been made.
        is_made: there is a program; was_left: a signal came before there was.
        read: places of ints that are no inputs after all.
    """

    def __init__(
        self,
        function: Any,
        args: Any,
        named: Any,
        numbers: list[Any],
        choosing: frozenset[int] | None,
    ) -> None:
        asks = choosing is None and any(type(x) is int for x in numbers)
        places = choosing or frozenset()
        given = [as_given(x, i in places) for i, x in enumerate(numbers)]
        leaves = [leaf_of(x) for x in given if type(x) is not int]
        with_leaves = filled((args, named), lambda x: type(x) in (float, int), iter(given))
        recording = _core.Recording([leaf._handle for leaf in leaves])
        try:
            recording.inputs = frozenset(map(id, leaves))
            self.first = function(*with_leaves[0], **with_leaves[1])
            outputs: list[Any] = []
            self._template = taken(self.first, outputs)
            self.chooses = recording.chooses and asks
            made = None if self.chooses else recording.close([x._handle for x in outputs])
        finally:
            recording.cancel()
        self.is_made, self.was_left = made is not None, recording.was_left
        self._script: Any = made
        self._kept, self._outputs, self._steps = (args, named), len(outputs), recording.steps
        self._actions = recording.actions
        indices = [(i, x) for i, x in enumerate(given) if type(x) is Index]
        self.read = places - {i for i, x in indices if not x.is_read}
        self._limits = [(i, x.limit) for i, x in indices if not x.is_read]
        self._inputs = frozenset(i for i, _ in indices)
        self._numbers: Sequence[Any] = numbers  # of the last call
        if made is not None:
            made.put(self._given(numbers))

    def fits(self, numbers: Sequence[Any]) -> bool:
        """Tell whether ints that are inputs choose from lists as long as they are."""
        return all(0 <= numbers[i] < limit for i, limit in self._limits)

    def refresh(self) -> bool:
        """Tell the program what optimizers have now; whether they have the same parameters."""
        for i, step in enumerate(self._steps):
            arm, (group,) = step.func.__self__, step.args
            now: Any = getattr(group["params"], "arm", None)
            if now is not arm:
                return False  # the group has other parameters now
            if arm._handles is not self._script.updates.parameters[i]:
                return False
            self._script.updates.set(i, **step())
        return True

    def run(self, numbers: Sequence[Any], count: int = 1) -> Any:
        """Return what the function returns on other numbers, called so many times."""
        self._numbers = numbers
        at_once = 1 if self._actions else count
        for i in range(count // at_once if count else 1):
            if i:
                self.refresh()
            found = self._script.call(self._given(numbers), self._outputs, is_ieee(), at_once)
            for action in self._actions:
                action()
        return filled(self._template, lambda x: x is OUTPUT, map(Value, found))

    def _given(self, numbers: Sequence[Any]) -> list[Any]:
        """Return the inputs among the numbers of a call."""
        return [x for i, x in enumerate(numbers) if type(x) is float or i in self._inputs]

    def explain(self, times: bool) -> str:
        """Say of what the program consists."""
        if times:
            self.refresh()
        text: str = self._script.describe(times)
        return text

    def save(self, path: Path, names: Module | Mapping[str, Any] | None) -> None:
        """Write the program to a file."""
        store(self._script, path, names)

    def to_c(self, path: Path | None, name: str) -> str:
        """Return it as C."""
        from .source_of_values import c_of_values  # which takes numpy

        return c_of_values(self._script, path, name, self._given(self._numbers))


def as_given(number: Any, is_index: bool) -> Any:
    """Return what a function that is recorded gets for a number."""
    if type(number) is float:
        return Value(number)
    if is_index and 0 <= number < MOST:
        return Index(number, Value(float(number)))
    return number


def leaf_of(given: Any) -> Value:
    """Return the leaf that is an input."""
    leaf: Value = given.leaf if type(given) is Index else given
    return leaf


OUTPUT = object()  # what stands for a Value in what a function returned


def taken(x: Any, outputs: list[Any]) -> Any:
    """Return what a function returned with OUTPUT for each Value, which go to a list."""
    if isinstance(x, Value):
        outputs.append(x)
        return OUTPUT
    if type(x) in (tuple, list):
        return type(x)(taken(item, outputs) for item in x)
    if type(x) is dict:
        return {name: taken(item, outputs) for name, item in x.items()}
    if x is not None and not isinstance(x, (bool, int, str)):
        raise TypeError(f"a compiled function returns Values or None, not {type(x).__name__}")
    return x


def key_of(x: Any, numbers: list[Any]) -> Any:
    """Return what tells signatures apart but for their numbers, floats and ints: these go to a
    list."""
    kind = type(x)
    if kind is float or kind is int:
        numbers.append(x)
        return kind
    if kind in (tuple, list):
        return kind, *(key_of(item, numbers) for item in x)
    if kind is dict:
        return dict, *((name, key_of(item, numbers)) for name, item in x.items())
    if kind in (bool, str, bytes, type(None)):
        return kind, x
    if isinstance(x, _core.TensorBase) or is_array(x):
        raise TypeError(f"a compiled function of Values takes floats, not {kind.__name__}")
    return kind, id(x)
