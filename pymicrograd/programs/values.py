"""Programs of Values: a step of training on a graph, again and again in C."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from .. import _core
from ..arithmetic import is_ieee
from ..errors import RecordingError
from ..files import Path
from ..modules import Module
from ..scalars import is_array
from ..value import Value
from .fitting import as_count
from .refusals import explained
from .source_of_values import c_of_values
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
    its identity. Whatever the function
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
        self._variants: dict[Any, Variant] = {}

    def __call__(self, *args: Any, **named: Any) -> Any:
        if _core.recording() is not None:
            return self.function(*args, **named)
        inputs: list[float] = []
        key = key_of((args, named), inputs), _core.is_grad_enabled()
        variant = self._variants.get(key)
        if variant is not None and variant.refresh():
            return variant.run(inputs)
        try:
            variant = Variant(self.function, args, named, inputs)
        except RecordingError as error:
            raise explained(error) from error
        self._variants[key] = variant
        return variant.first

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
        self._variant("save", args, named).save(path, names)

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
        return self._variant("to_c", args, named).to_c(path, name)

    def _variant(self, caller: str, args: tuple[Any, ...], named: dict[str, Any]) -> Variant:
        """Return what a call with such arguments runs; without any, the only one there is."""
        inputs: list[float] = []
        variants = list(self._variants.values())
        if args or named or len(variants) != 1:
            key = key_of((args, named), inputs), _core.is_grad_enabled()
            variants = [self._variants[key]] if key in self._variants else []
        if not variants or not variants[0].refresh():
            raise ValueError(
                f"{caller}: there is no program of such a call: call the function first"
            )
        return variants[0]


class Variant:
    """The program of a signature.

    Attributes:
        first: what the function returned when it was recorded.
    """

    def __init__(self, function: Any, args: Any, named: Any, inputs: list[float]) -> None:
        leaves = [Value(x) for x in inputs]
        each = iter(leaves)
        self._inputs = inputs
        with_leaves = filled((args, named), lambda x: type(x) is float, each)
        recording = _core.Recording([leaf._handle for leaf in leaves])
        try:
            recording.inputs = frozenset(map(id, leaves))
            self.first = function(*with_leaves[0], **with_leaves[1])
            outputs: list[Any] = []
            self._template = taken(self.first, outputs)
            self._script = recording.close([x._handle for x in outputs])
        finally:
            recording.cancel()
        self._kept, self._outputs, self._steps = (args, named), len(outputs), recording.steps
        self._script.put(inputs)

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

    def run(self, inputs: list[float]) -> Any:
        """Return what the function returns on other inputs."""
        self.first, self._inputs = None, inputs
        numbers = self._script.call(inputs, self._outputs, is_ieee())
        return filled(self._template, lambda x: x is OUTPUT, map(Value, numbers))

    def save(self, path: Path, names: Module | Mapping[str, Any] | None) -> None:
        """Write the program to a file."""
        store(self._script, path, names)

    def to_c(self, path: Path | None, name: str) -> str:
        """Return it as C."""
        return c_of_values(self._script, path, name, self._inputs)


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


def key_of(x: Any, inputs: list[float]) -> Any:
    """Return what tells signatures apart; floats go to a list."""
    kind = type(x)
    if kind is float:
        inputs.append(x)
        return float
    if kind in (tuple, list):
        return kind, *(key_of(item, inputs) for item in x)
    if kind is dict:
        return dict, *((name, key_of(item, inputs)) for name, item in x.items())
    if kind in (int, bool, str, bytes, type(None)):
        return kind, x
    if isinstance(x, _core.TensorBase) or is_array(x):
        raise TypeError(f"a compiled function of Values takes floats, not {kind.__name__}")
    return kind, id(x)
