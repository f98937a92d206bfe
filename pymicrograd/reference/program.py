"""Programs from files, run in pure Python: one operation after the other, in the file's order.

The format is that of csrc/SPEC.md, "Program files". What an op computes is its row of value.py;
so are the digits. A file that is damaged or wrong is refused as a whole, as the loader in C does.

Example:
    >>> import pymicrograd, tempfile, os
    >>> from pymicrograd.reference.program import NumberProgram
    >>> w = pymicrograd.Value(1.0)
    >>> program = pymicrograd.compile((w * 3.0 - 6.0) ** 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     program.save(os.path.join(folder, "step.mgp"))
    ...     content = open(os.path.join(folder, "step.mgp"), "rb").read()
    >>> NumberProgram(content).run(1)
    [9.0]
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .optim import SGD, Adam
from .value import OPS, Value

__all__ = ["NumberProgram", "header_of"]

HEADER = struct.Struct("<4s3IQ10I")
NUMBERS, ARRAYS = 1, 2
PORTABLE = 1
NONE = 0xFFFFFFFF


def header_of(content: bytes) -> tuple[int, int, Sequence[int]]:
    """Return the kind of a file, its flags and its counts.

    Raises:
        ValueError: it is no program file, or damaged.
    """
    if len(content) < HEADER.size:
        raise ValueError("no program file: it is shorter than a header")
    mark, kind, checksum, flags, size, *counts = HEADER.unpack_from(content)
    if mark != b"MGP1" or kind not in (NUMBERS, ARRAYS) or size != len(content):
        raise ValueError("no program file, or not a whole one")
    if flags & ~PORTABLE:
        raise ValueError(f"a program file with flags that nobody knows: {flags}")
    if zlib.crc32(content[16:]) != checksum:
        raise ValueError("a damaged program file: its checksum is another one")
    return kind, flags, counts


class Reader:
    """Bytes that are read from the front to the end."""

    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at

    def take(self, kind: str, count: int) -> tuple[Any, ...]:
        """Return the next so many items: "d" numbers, "I" and "Q" whole ones.

        Raises:
            ValueError: there are not so many.
        """
        size = count * struct.calcsize(f"<{kind}")
        if size > len(self.content) - self.at:
            raise ValueError("a program file ends before what it tells of")
        self.at += size
        return struct.unpack_from(f"<{count}{kind}", self.content, self.at - size)

    def take_name(self) -> str:
        """Return the next name: 24 bytes, zeros behind it."""
        name, end, rest = b"".join(self.take("c", 24)).partition(b"\0")
        if not end or any(rest):
            raise ValueError("a name in a program file does not end in zeros")
        return name.decode()

    def take_texts(self, size: int) -> list[str]:
        """Return the texts, each with a zero behind it, of the next bytes."""
        *texts, rest = b"".join(self.take("c", size)).split(b"\0")
        if rest:
            raise ValueError("a name without an end in a program file")
        return [text.decode() for text in texts]

    def skip_zeros(self) -> None:
        """Skip what fills up to a whole multiple of 8 bytes."""
        if any(self.take("B", -self.at % 8)):
            raise ValueError("other bytes than zeros between the parts of a program file")


def need(condition: bool, what: str) -> None:
    """Refuse a file unless a condition holds."""
    if not condition:
        raise ValueError(what)


def pick(a: float, b: float) -> float:
    """Return a step of Python's max()."""
    return b if b > a else a


def where(a: float, b: float, y: float, g: float) -> float:
    """Return a where y is b, else g: one of some by an index."""
    return a if y == b else g


def function_of(name: str, which: int) -> Callable[..., float]:
    """Return what an op computes of floats: its value, or what it passes on to an operand."""
    if name == "pick":
        return pick
    if name == "where":
        return where
    op = OPS[name]
    if not which:
        return op.value
    if op.arity == 1 or name == "pow_number":
        return op.gradient
    return lambda a, b, y, g: float(op.gradient(a, b, y, g)[which - 1])


class NumberProgram:
    """A program of numbers.

    Args:
        content: a whole file.

    Attributes:
        data, gradients: what its nodes hold; names: theirs.
        inputs: the numbers that it takes, at first those of the file.
        outputs: what they were after the last step.
        optimizers: SGD and Adam, of Values that stand for the parameters.
    """

    def __init__(self, content: bytes) -> None:
        kind, _, counts = header_of(content)
        if kind != NUMBERS:
            raise ValueError("a program of arrays, not of numbers")
        constants, inputs, nodes, updates, ops, words, outputs, self.loss, text, zero = counts
        need(zero == 0 and updates <= len(content) and ops <= len(content), "counts that are wrong")
        r = Reader(content, HEADER.size)
        self.constants = list(r.take("d", constants))
        self.inputs = list(r.take("d", inputs))
        state = r.take("d", 2 * nodes)
        self.data, self.gradients = list(state[::2]), list(state[1::2])
        self.optimizers = [optimizer_of(r) for _ in range(updates)]
        self.ops = [op_of(r) for _ in range(ops)]
        self.words = r.take("I", words)
        self.output_values = r.take("I", outputs)
        self.outputs: list[float] = []
        self.names = r.take_texts(text)
        need(len(self.names) == nodes and r.at == len(content), "names of other nodes")
        self.check(len(self.constants) + len(self.inputs) + 2 * nodes)

    def check(self, count: int) -> None:
        """Go through the list; `count` values are there when it begins.

        Raises:
            ValueError: a number in it is none of an op, a value, a node or an update.
        """
        at, made, nodes, words = 0, 0, len(self.data), self.words
        while at < len(words):
            need(words[at] < len(self.ops), "an op that is not in the table")
            name, _, operands = self.ops[words[at]]
            used = words[at + 1 : at + 1 + operands]
            need(len(used) == operands, f"the list ends within {name}")
            at += 1 + operands
            if name == "update":
                need(made < len(self.optimizers) and used[0] == made, "updates are made in order")
                parameters = len(self.optimizers[made].params)
                used = words[at : at + 2 * parameters]
                need(len(used) == 2 * parameters, "the list ends within an update")
                at, made = at + 2 * parameters, made + 1
            elif name in ("set_data", "set_gradient"):
                need(used[0] < nodes, "a node that there is not")
                used = used[1:]
            need(max(used, default=-1) < count, f"{name} of a value that there is not yet")
            if name == "pow_number":
                need(used[1] < len(self.constants), "an exponent that is no constant")
            count += parameters if name == "update" else name not in ("set_data", "set_gradient")
        need(made == len(self.optimizers), "each update is made once")
        results = [*self.output_values, *([] if self.loss == NONE else [self.loss])]
        need(max(results, default=-1) < count, "an output that is no value")

    def run(self, steps: int = 1) -> list[float]:
        """Make steps; returns the loss of each, if there is one."""
        losses = []
        for _ in range(steps):
            values = self.step()
            self.outputs = [values[i] for i in self.output_values]
            if self.loss != NONE:
                losses.append(values[self.loss])
        return losses

    def step(self) -> list[float]:
        """Make one step; returns all values."""
        values = [*self.constants, *self.inputs, *self.data, *self.gradients]
        words = iter(self.words)
        for op in words:
            name, function, count = self.ops[op]
            if name == "update":
                self.update(values, next(words), words)
                continue
            operands = [next(words) for _ in range(count)]
            if name == "set_data":
                self.data[operands[0]] = values[operands[1]]
            elif name == "set_gradient":
                self.gradients[operands[0]] = values[operands[1]]
            else:
                values.append(function(*[values[i] for i in operands]))
        return values

    def update(self, values: list[float], which: int, words: Iterator[int]) -> None:
        """Make the step of an optimizer: the next values are what the parameters' data become."""
        optimizer = self.optimizers[which]
        for p in optimizer.params:
            p.data = values[next(words)]
        for p in optimizer.params:
            p.grad = values[next(words)]
        if optimizer.params:
            optimizer.step()
        elif isinstance(optimizer, Adam):
            optimizer.t += 1
        values += [p.data for p in optimizer.params]


OTHERS = {"pick": 2, "where": 4, "set_data": 2, "set_gradient": 2, "update": 1}  # words


def op_of(r: Reader) -> tuple[str, Any, int]:
    """Read a row of the table of ops: its name, what it computes, and of how many words."""
    text = r.take_name()
    which, count = r.take("I", 2)
    known = OTHERS.get(text)
    if text in OPS:
        two = text == "pow_number" or OPS[text].arity == 2
        most = 1 if text == "pow_number" else OPS[text].arity
        known = (1 + two if which == 0 else 3 + two) if which <= most else None
    need(known == count and (which == 0 or text in OPS), f"no op is {text!r} so, of {count} words")
    is_done = text in ("set_data", "set_gradient", "update")
    return text, None if is_done else function_of(text, which), count


def optimizer_of(r: Reader) -> Any:
    """Read an update."""
    is_adam, flags = r.take("I", 2)
    count, steps = r.take("Q", 2)
    lr, weight_decay, *rest = r.take("d", 5)
    need(is_adam <= 1 and flags < (4 if is_adam else 8), "an update of no rule")
    need(count <= len(r.content) and steps < 2**62, "an update of too many parameters or steps")
    params = [Value(0.0) for _ in range(count)]
    made: Any = (Adam if is_adam else SGD)(params or [Value(0.0)])
    made.params, made.lr, made.weight_decay = params, lr, weight_decay
    if is_adam:
        made.decoupled, made.t = bool(flags & 1), steps
        made.betas, made.eps = tuple(rest[:2]), rest[2]
        made.m, made.v = list(r.take("d", count)), list(r.take("d", count))
        return made
    made.momentum, made.dampening, made.nesterov = *rest[:2], bool(flags & 2)
    if made.momentum:
        buffer = list(r.take("d", count))
        made.buffer = buffer if flags & 4 else None
    return made
