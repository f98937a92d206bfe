"""Worker processes of a DataLoader.

Each has a pipe of its own to the process that started it: what it shall read comes in, batches go
out, and the end of the pipe is its end. So a worker stops when the loader does, and when that
process is killed; and a worker that is killed ends its pipe, which the loader notices. Batch i is
read by worker i modulo their number.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import random
import signal
import sys
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import _core
from ..random import RNG, drawing_from, manual_seed
from .reading import Reader, seed_of_batch

__all__ = ["Pool", "WorkerInfo", "get_worker_info"]

PATIENCE = 5.0  # seconds until a worker that does not stop is stopped

# This process's ends of pipes; a fork must not hold those of others open.
_ends: weakref.WeakSet[Any] = weakref.WeakSet()


class WorkerInfo(NamedTuple):
    """What a worker process is.

    Attributes:
        id: its number, from 0.
        num_workers: how many there are.
        seed: what Python's and NumPy's generators began with in it.
        dataset: its copy of the data set.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Return what this worker process of a DataLoader is; None elsewhere."""
    return _info


# ---- in the worker -----------------------------------------------------------------------------


def work(
    pipe: Any, inherited: list[Any], reader: Reader, init: Any, number: int, count: int
) -> None:
    """Read what the pipe asks for until it ends."""
    global _info
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it
    for other in inherited:
        other.close()
    _core.set_num_threads(1)
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(pipe, tasks), daemon=True).start()
    epoch, seed, failure = 0, 1, None
    while (task := tasks.get()) is not None:
        batch, indices = task
        if batch < 0:
            epoch, seed = indices
            first = _info is None
            _info = WorkerInfo(number, count, (seed + number) & 2**64 - 1, reader.dataset)
            begun = caught(begin, reader, init if first else None, seed, number)
            failure = None if begun[0] == "data" else begun
            continue
        found = failure or caught(read, reader, seed, batch, indices)
        if not send(pipe, (epoch, batch, *found)):
            return


def listen(pipe: Any, tasks: queue.SimpleQueue[Any]) -> None:
    """Put what comes from a pipe into a queue, so that the other side never waits to send."""
    parent = os.getppid()
    try:
        while True:
            while not pipe.poll(PATIENCE):
                if os.getppid() != parent:
                    raise EOFError
            tasks.put(pipe.recv())
    except (EOFError, OSError):
        while not tasks.empty():
            tasks.get()
        tasks.put(None)


def begin(reader: Reader, init: Any, seed: int, number: int) -> None:
    """Start an epoch: seed all generators, call worker_init_fn in the first one."""
    own = (seed + number) & 2**64 - 1
    random.seed(own)
    manual_seed(seed_of_batch(own, -1))
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed([own & 0xFFFFFFFF, own >> 32])
    if init is not None:
        init(number)
    with drawing_from(RNG(seed_of_batch(seed, -1))):
        reader.begin()


def read(reader: Reader, seed: int, batch: int, indices: Any) -> Any:
    """Read a batch as any process would."""
    with drawing_from(RNG(seed_of_batch(seed, batch))):
        return reader.read(indices)


def caught(function: Any, *args: Any) -> Any:
    """Return ("data", result), ("end",), or ("error", class, text) of a call."""
    try:
        return "data", function(*args)
    except StopIteration:
        return ("end",)
    except BaseException as error:
        return "error", type(error), traceback.format_exc()


def send(pipe: Any, answer: tuple[Any, ...]) -> bool:
    """Send an answer, or why it cannot be sent; False: nobody is there."""
    try:
        pipe.send(answer)
    except (BrokenPipeError, ConnectionError):
        return False
    except Exception:
        text = traceback.format_exc()
        return send(pipe, (*answer[:2], "error", RuntimeError, text))
    return True


# ---- in the process that started it ------------------------------------------------------------


class Pool:
    """The workers of a loader, while it, or an epoch of it, lives."""

    def __init__(self, loader: Any) -> None:
        context: Any = loader.multiprocessing_context
        if context is None or isinstance(context, str):
            context = multiprocessing.get_context(context)
        self.timeout, self.count = loader.timeout, loader.num_workers
        self.ahead = self.count * loader.prefetch_factor
        self.pipes: list[Any] = []
        self.processes: list[Any] = []
        self.epoch = 0
        self._close = weakref.finalize(self, close, self.pipes, self.processes, os.getpid())
        try:
            for number in range(self.count):
                self._start(context, loader, number)
        except BaseException:
            self._close()
            raise

    def _start(self, context: Any, loader: Any, number: int) -> None:
        """Start a worker."""
        mine, its = context.Pipe()
        self.pipes.append(mine)
        _ends.add(mine)
        inherited = list(_ends) if context.get_start_method() == "fork" else []
        arguments = its, inherited, loader._reader(), loader.worker_init_fn, number, self.count
        process = context.Process(target=work, args=arguments, daemon=True)
        with its:
            process.start()
        self.processes.append(process)

    @property
    def is_open(self) -> bool:
        """Whether the workers have not been stopped."""
        return bool(self._close.alive)

    def end(self) -> None:
        """Stop the workers."""
        self._close()

    def begin(self, seed: int) -> None:
        """Start an epoch; answers that belong to the one before are dropped."""
        self.epoch += 1
        self.asked: deque[int] = deque()
        self.ended: set[int] = set()
        for which in range(self.count):
            self._send(which, (-1, (self.epoch, seed)))

    def next(self, order: Iterator[tuple[int, Any]]) -> Any:
        """Return the next batch, having asked for more."""
        while True:
            self._ask(order)
            if not self.asked:
                raise StopIteration
            batch = self.asked.popleft()
            kind, *found = self._receive(batch)
            if kind == "data":
                return found[0]
            if kind == "error":
                raise passed_on(found[0], found[1], batch % self.count)
            self.ended.add(batch % self.count)

    def _ask(self, order: Iterator[tuple[int, Any]]) -> None:
        """Let workers read ahead."""
        while len(self.asked) < self.ahead and len(self.ended) < self.count:
            batch, indices = next(order, (-1, None))
            if batch < 0:
                return
            if batch % self.count not in self.ended:
                self._send(batch % self.count, (batch, indices))
                self.asked.append(batch)

    def _send(self, which: int, task: Any) -> None:
        try:
            self.pipes[which].send(task)
        except (BrokenPipeError, ConnectionError):
            raise self._death(which) from None
        except BaseException:
            self.end()  # half a message may be under way
            raise

    def _receive(self, batch: int) -> Any:
        """Wait for a batch."""
        which = batch % self.count
        pipe = self.pipes[which]
        try:
            while True:
                if self.timeout and not pipe.poll(self.timeout):
                    raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds")
                epoch, number, *found = pipe.recv()
                if (epoch, number) == (self.epoch, batch):
                    return found
        except (EOFError, ConnectionError):
            raise self._death(which) from None
        except BaseException:
            for process in self.processes:
                process.terminate()  # which may take any time over its batch
            self.end()
            raise

    def _death(self, which: int) -> RuntimeError:
        """Stop all workers because one is gone, and return the error that says so."""
        process = self.processes[which]
        process.join(PATIENCE)
        number, code = process.pid, process.exitcode
        self.end()
        killed = code is not None and code < 0
        how = f"was killed by signal {-code}" if killed else f"ended with status {code}"
        return RuntimeError(
            f"DataLoader worker {which} (pid {number}) {how} before its batch was read; "
            "num_workers=0 reads in this process, where an error can be seen"
        )


class LongKey(str):
    """The text of a KeyError, whose lines stay lines."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def passed_on(kind: Any, text: str, which: int) -> Exception:
    """Return an error of a worker, of its class where that is made of one text."""
    text = f"Caught {kind.__name__} in DataLoader worker process {which}.\nOriginal {text}"
    if not issubclass(kind, Exception):
        return RuntimeError(text)
    try:
        error: Exception = kind(LongKey(text) if issubclass(kind, KeyError) else text)
    except Exception:
        return RuntimeError(text)
    return error


def close(pipes: list[Any], processes: list[Any], owner: int) -> None:
    """End the pipes, wait for the workers, and stop those that do not end."""
    if os.getpid() != owner:
        return  # a fork, whose they are not
    for pipe in pipes:
        pipe.close()
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        for stop in (process.terminate, process.kill):
            if process.is_alive():
                stop()
                process.join(1.0)
    del pipes[:], processes[:]
