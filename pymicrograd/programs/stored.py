"""Programs in files: saved by one process, run by another, or by C, JavaScript, Rust."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .. import _core
from ..arithmetic import get_math, is_ieee
from ..errors import RecordingError
from ..files import Path, content_of, replacing
from ..modules import Module
from ..scalars import as_float
from .fitting import as_count

__all__ = ["StoredProgram", "StoredTensorProgram", "load", "store", "store_arrays"]


def named(names: Any, kind: type, what: str) -> list[tuple[str, Any]]:
    """Return names and what they name: a module's parameters and buffers of a kind, or a mapping.

    Raises:
        TypeError: names is neither, or names something else.
        ValueError: a name is none.
    """
    if names is None:
        return []
    if isinstance(names, Module):
        items = [*names.named_parameters(), *names.named_buffers()]
        return [(name, x) for name, x in items if isinstance(x, kind)]
    if not isinstance(names, Mapping):
        raise TypeError(f"names is a module or a mapping of names to {what}s, not {names!r}")
    for name, x in names.items():
        if not isinstance(name, str) or "\0" in name:
            raise ValueError(f"{name!r} cannot name a {what}")
        if not isinstance(x, kind):
            raise TypeError(f"names: {name!r} is {x!r}, no {what}")
    return list(names.items())


def store_arrays(program: Any, path: Path, names: Module | Mapping[str, Any] | None) -> None:
    """Write a program of Tensors to a file."""
    if program.notes.actions:
        name = program.notes.actions[0].__qualname__
        raise RecordingError(
            f"save: {name}() is in Python, which no file calls: save a step without it, and set lr "
            "of the optimizers of what is loaded"
        )
    items = named(names, _core.TensorBase, "Tensor")
    nodes = _core.handles_of([x for _, x in items])
    content = program.to_file(dict(zip(nodes, [name for name, _ in items], strict=True)))
    with replacing(path) as file:
        file.write(content)


def store(script: Any, path: Path, names: Module | Mapping[str, Any] | None) -> None:
    """Write a program of Values to a file."""
    items = named(names, _core.ValueBase, "Value")
    content = script.to_file({value._handle: name for name, value in items})
    with replacing(path) as file:
        file.write(content)


def load(path: Path) -> StoredProgram | StoredTensorProgram:
    """Return the program in a file, with the numbers that it was saved with.

    A file is checked as a whole before anything is made of it, and holds no code: ops by their
    names, and numbers. The program gives the same bits as the one that was saved. What one of
    Tensors does is done once while it is loaded, to be recorded; no number changes by it.

    Args:
        path: a file that `save` of a program has written.

    Raises:
        ValueError: the file is damaged, or no program. The message names it.
        OSError: the file cannot be read.
    """
    content, name = content_of(path), os.fspath(path)
    kind = _core.file_kind(content, name)
    return StoredProgram(content, name) if kind == 1 else StoredTensorProgram(content, name)


class StoredProgram:
    """A program of Values from a file.

    Args:
        content: the file's bytes.
        name: what errors call it.

    Attributes:
        parameters: the Values that the program reads and writes, by the names that they were saved
            with, else by their numbers: "0", "1" ... They may be read and set between runs.
        inputs: how many numbers a call takes.
        math: whose functions it was saved with, "library" or "portable": its digits are the same
            where `pymicrograd.get_math()` is the same.

    Example:
        >>> import os, tempfile
        >>> from pymicrograd import Value, compile, optim, programs
        >>> w = Value(1.0)
        >>> program = compile((w * 3.0 - 6.0) ** 2, optim.SGD([w], lr=0.05))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "step.mgp")
        ...     program.save(path, names={"w": w})
        ...     stored = programs.load(path)
        >>> [round(loss, 3) for loss in stored.run(3)], round(stored.parameters["w"].data, 3)
        ([9.0, 0.09, 0.001], 1.999)
        >>> w.data
        1.0
    """

    def __init__(self, content: bytes, name: str = "a program") -> None:
        self._script = _core.Script.of_file(content, name)
        try:
            leaves = self._script.leaves()
        except UnicodeDecodeError:
            raise ValueError(f"{name}: a name that is no UTF-8") from None
        self.parameters: dict[str, Any] = {}
        for i, (text, value) in enumerate(leaves):
            key = text or str(i)
            self.parameters[f"{key}.{i}" if key in self.parameters else key] = value
        self._names = {value._handle: text for text, value in leaves}
        self.inputs, self._outputs, is_portable = self._script.counts()
        self.math = "portable" if is_portable else "library"

    @property
    def losses(self) -> list[float]:
        """The data of the loss in each step of the last `run`, also of one that raised."""
        return self._script.losses()

    def run(self, steps: int = 1) -> list[float]:
        """Make some steps, as `Program.run`; inputs are those of the last call."""
        steps = as_count("steps", steps)
        self._script.begin()
        while left := steps - self._script.done():
            self._script.run(left, is_ieee())
        return self.losses

    def __call__(self, *inputs: float) -> list[float]:
        """Make one step on other inputs.

        Args:
            inputs: floats, in the order in which the compiled function took them.

        Returns:
            What the function returned, as a flat list of floats.

        Raises:
            TypeError: there are more inputs or fewer than the program has.
        """
        if len(inputs) != self.inputs:
            raise TypeError(f"a program of {self.inputs} inputs, not {len(inputs)}")
        return self._script.call([as_float(x) for x in inputs], self._outputs, is_ieee())

    @property
    def optimizers(self) -> list[Any]:
        """The updates, each with `lr`, `weight_decay`, `beta1`, `beta2` and `epsilon` to set."""
        return [Update(self._script, of) for of in self._script.given()]

    def save(self, path: Path) -> None:
        """Write the program to a file, with the numbers that it has now."""
        content = self._script.to_file(None)
        with replacing(path) as file:
            file.write(content)

    def explain(self) -> str:
        """Say what the program consists of."""
        return self._script.describe()

    def __repr__(self) -> str:
        names = ", ".join(list(self.parameters)[:3])
        more = " ..." if len(self.parameters) > 3 else ""
        differs = "" if self.math == get_math() else f", saved with {self.math} functions"
        return f"StoredProgram({self.inputs} inputs, {names}{more}{differs})"


class StoredTensorProgram:
    """A program of Tensors from a file.

    Args:
        content: the file's bytes.
        name: what errors call it.

    Attributes:
        parameters: the Tensors that the program reads and writes, by the names that they were
            saved with, else by their numbers: parameters, buffers, what optimizers remember, and
            the inputs of the last call.

    Example:
        >>> import os, tempfile
        >>> import pymicrograd as mg
        >>> from pymicrograd import programs
        >>> w = mg.zeros(2, requires_grad=True)
        >>> optimizer = mg.optim.SGD([w], lr=0.5)
        >>> @mg.compile
        ... def step(x):
        ...     loss = ((w * x).sum() - 1.0) ** 2
        ...     optimizer.zero_grad()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> step(mg.ones(2)).item()
        1.0
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     step.save(os.path.join(folder, "step.mgp"), names={"w": w})
        ...     stored = programs.load(os.path.join(folder, "step.mgp"))
        >>> [x.item() for x in stored(mg.ones(2))], stored.parameters["w"].tolist()
        ([1.0], [0.0, 0.0])
    """

    def __init__(self, content: bytes, name: str = "a program") -> None:
        self._program = _core.ArrayProgram.of_file(content, name)
        try:
            leaves = self._program.leaves()
        except UnicodeDecodeError:
            raise ValueError(f"{name}: a name that is no UTF-8") from None
        self.parameters: dict[str, Any] = {}
        for i, (text, tensor) in enumerate(leaves):
            key = text or str(i)
            self.parameters[f"{key}.{i}" if key in self.parameters else key] = tensor
        self._names = leaves
        self._inputs = self._program.inputs()

    def __call__(self, *inputs: Any) -> list[Any]:
        """Run once on other inputs, which are copied.

        Args:
            inputs: Tensors of the shapes and types that the function was recorded with.

        Returns:
            The Tensors that the function returned, as a flat list.

        Raises:
            TypeError, ValueError: other inputs than the program has; what its ops raise.
        """
        if len(inputs) != len(self._inputs):
            raise TypeError(f"a program of {len(self._inputs)} inputs, not {len(inputs)}")
        for i, (x, place) in enumerate(zip(inputs, self._inputs, strict=True)):
            if not isinstance(x, _core.TensorBase):
                raise TypeError(f"input {i} is a Tensor, not {type(x).__name__}")
            if place is None:
                continue
            if x.shape != place.shape or x.dtype != place.dtype:
                raise ValueError(
                    f"input {i} is {place.dtype} of shape {tuple(place.shape)}, not {x.dtype} of "
                    f"shape {tuple(x.shape)}"
                )
        for i, x in enumerate(inputs):
            if self._inputs[i] is not None:
                held: Any = x.detach().contiguous()
                self._program.put(i, held.data_ptr())
        return self.run(1)

    def run(self, steps: int = 1) -> list[Any]:
        """Run so many times on the inputs of the last call; return the last results."""
        steps = as_count("steps", steps)
        status, _ = _core.TensorBase._program_run(self._program.address, steps, True)
        if status == 1:
            raise RuntimeError(
                "a Tensor has a gradient, or has none, other than when the program was saved"
            )
        if status:
            self._program.fail(status)
        return self._program.outputs()

    def save(self, path: Path) -> None:
        """Write the program to a file, with the numbers that it has now."""
        tensors = [tensor for _, tensor in self._names]
        nodes = _core.handles_of(tensors)
        names = {node: text for node, (text, _) in zip(nodes, self._names, strict=True)}
        content = self._program.to_file(names)
        with replacing(path) as file:
            file.write(content)

    @property
    def optimizers(self) -> list[RuleNumbers]:
        """The optimizers, each with `lr` and the other numbers of its rule to set."""
        return [RuleNumbers(of, range(of.groups)) for of in self._program.updates()]

    def __repr__(self) -> str:
        names = ", ".join(list(self.parameters)[:3])
        return f"StoredTensorProgram({len(self._inputs)} inputs, {names} ...)"


class RuleNumbers:
    """The numbers of an optimizer of a program of Tensors, by the names of csrc/updates.def: lr,
    weight_decay and others.

    A number that is set here is that of all groups; `groups` has those of each.
    """

    __slots__ = ("_groups", "_of")
    _groups: range
    _of: Any

    def __init__(self, of: Any, groups: range) -> None:
        object.__setattr__(self, "_of", of)
        object.__setattr__(self, "_groups", groups)

    @property
    def groups(self) -> list[RuleNumbers]:
        """The numbers of each group."""
        return [RuleNumbers(self._of, range(g, g + 1)) for g in self._groups]

    def _check(self, name: str) -> None:
        if name.startswith("_"):  # of copies, which are not made yet
            raise AttributeError(name)
        if name not in self._of.names:
            raise AttributeError(f"{self._of.name} has {', '.join(self._of.names)}, no {name}")

    def __getattr__(self, name: str) -> float:
        self._check(name)
        found = {self._of.number(group, name) for group in self._groups}
        if len(found) != 1:
            raise AttributeError(f"{name} is not one of all groups: {len(self._groups)} groups")
        return float(found.pop())

    def __setattr__(self, name: str, value: float) -> None:
        self._check(name)
        for group in self._groups:
            self._of.set(group, name, as_float(value))

    def __repr__(self) -> str:
        parts = [
            ", ".join(f"{name}={self._of.number(group, name)}" for name in self._of.names)
            for group in self._groups
        ]
        return f"{self._of.name}({'; '.join(parts)})"


OPTIONS = ("lr", "weight_decay", "beta1", "beta2", "epsilon")


class Update:
    """The options of an update of a program: lr, weight_decay, beta1, beta2, epsilon.

    Of SGD beta1 is the momentum and beta2 the dampening.
    """

    __slots__ = ("_of", "_script")

    def __init__(self, script: Any, of: Any) -> None:
        object.__setattr__(self, "_script", script)  # whose memory it is
        object.__setattr__(self, "_of", of)

    def __getattr__(self, name: str) -> float:
        if name not in OPTIONS:
            raise AttributeError(f"an update has {', '.join(OPTIONS)}, no {name}")
        return float(getattr(self._of, name))

    def __setattr__(self, name: str, value: float) -> None:
        if name not in OPTIONS:
            raise AttributeError(f"an update has {', '.join(OPTIONS)}, no {name}")
        setattr(self._of, name, as_float(value))

    def __repr__(self) -> str:
        of: Any = object.__getattribute__(self, "_of")
        kind = "Adam" if of.is_adam else "SGD"
        return f"{kind}({', '.join(f'{name}={getattr(self, name)}' for name in OPTIONS)})"
