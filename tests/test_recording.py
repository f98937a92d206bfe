"""Whether operations are recorded: by thread, by context, in both engines, whatever interrupts."""

from __future__ import annotations

import asyncio
import contextvars
import random
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from isolated import run_python

import pymicrograd as mg
from pymicrograd import is_grad_enabled, recording, reference

# The contexts of the C core, and those of Python, which are the reference's.
KINDS = {"C": mg, "Python": recording}


@pytest.fixture(params=KINDS)
def kind(request: Any) -> Any:
    return KINDS[request.param]


def in_thread(function: Callable[[], Any]) -> Any:
    """Return what a function does in a new thread."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def records() -> bool:
    """Tell whether all engines record; they agree."""
    found = {
        is_grad_enabled(),
        bool((mg.Value(1.0) * 2)._prev),
        bool((reference.Value(1.0) * 2)._prev),
        (mg.ones(1, requires_grad=True) * 2).requires_grad,
    }
    (one,) = found
    return one


def test_a_thread_takes_its_mode_with_it(kind: Any) -> None:
    """The next thread, which may have its number, records."""
    for _ in range(50):
        in_thread(lambda: kind.set_grad_enabled(False))
        assert in_thread(records)


def test_a_suspended_generator_of_a_thread_is_its_own(kind: Any) -> None:
    def generator() -> Iterator[None]:
        with kind.no_grad():
            yield

    kept = []

    def suspend() -> None:
        kept.append(generator())
        next(kept[-1])

    in_thread(suspend)
    assert records() and in_thread(records)
    kept.clear()
    assert records()


def test_contexts_mix(kind: Any) -> None:
    other = recording if kind is mg else mg
    with kind.no_grad():
        assert not records()
        with other.no_grad(), kind.no_grad():
            assert not records()
        with other.enable_grad():
            assert records()
            with kind.set_grad_enabled(False):
                assert not records()
            assert records()
        assert not records()
    assert records()


def test_a_mode_from_before_the_core_is_loaded() -> None:
    source = """
import pymicrograd.reference
from pymicrograd.recording import no_grad
with no_grad():
    from pymicrograd import Value
    print((Value(1.0) * 2)._prev)
print(len((Value(1.0) * 2)._prev))
"""
    assert run_python(source) == "()\n2\n"


def test_one_context_is_entered_again(kind: Any) -> None:
    for make in (kind.no_grad, lambda: kind.set_grad_enabled(False)):
        context = make()
        with context:
            with context:
                assert not records()
            assert not records()
        assert records()
    with kind.no_grad():
        context = kind.enable_grad()
        with context:
            with context, kind.no_grad():
                assert not records()
            assert records()
        assert not records()


def test_no_grads_may_end_in_any_order(kind: Any) -> None:
    def generator() -> Iterator[None]:
        with kind.no_grad():
            yield

    first, second = generator(), generator()
    next(first), next(second)
    first.close()
    assert not records()
    second.close()
    assert records()


def test_tasks_have_modes_of_their_own(kind: Any) -> None:
    async def silent(inside: asyncio.Event, leave: asyncio.Event) -> bool:
        with kind.no_grad():
            inside.set()
            await leave.wait()
            return records()

    async def loud(inside: asyncio.Event, leave: asyncio.Event) -> bool:
        await inside.wait()
        leave.set()
        return records()

    async def both() -> list[bool]:
        events = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(silent(*events), loud(*events))

    assert asyncio.run(both()) == [False, True]


def test_a_copied_context_keeps_its_mode(kind: Any) -> None:
    with kind.no_grad():
        inside = contextvars.copy_context()
    assert records()
    assert not inside.run(records)
    inside.run(lambda: kind.set_grad_enabled(True))
    assert inside.run(records)
    assert not contextvars.copy_context().run(lambda: (kind.set_grad_enabled(False), records())[1])
    assert records()


@pytest.mark.parametrize("make", [lambda k: k.no_grad, lambda k: k.no_grad(),
                                  lambda k: k.set_grad_enabled(False)])  # fmt: skip
def test_decorated_functions(kind: Any, make: Any) -> None:
    seen = []

    @make(kind)
    def plain(depth: int) -> bool:
        return plain(depth - 1) if depth else records()

    @make(kind)
    def generator() -> Any:
        try:
            seen.append((records(), (yield records())))
            yield 5
        except ValueError:
            seen.append(records())
        yield 6
        return 7

    @make(kind)
    async def coroutine() -> bool:
        await asyncio.sleep(0)
        return records()

    assert records() and not plain(3) and records()
    assert plain.__name__ == "plain"
    made = generator()
    assert next(made) is False and records()
    assert made.send("sent") == 5 and records()
    assert made.throw(ValueError()) == 6 and records()
    with pytest.raises(StopIteration) as stop:
        next(made)
    assert stop.value.value == 7 and records()
    assert seen == [(False, "sent"), False]
    assert not asyncio.run(coroutine())
    closed = generator()
    next(closed)
    closed.close()
    assert records()


def test_a_decorated_function_in_many_threads(kind: Any) -> None:
    barrier = threading.Barrier(2)

    @kind.enable_grad()
    def loud(wait: bool) -> bool:
        if wait:
            barrier.wait()
        return is_grad_enabled()

    def inside() -> tuple[bool, bool]:
        with kind.no_grad():
            return loud(True), is_grad_enabled()

    first: list[Any] = []
    thread = threading.Thread(target=lambda: first.append(inside()))
    thread.start()
    assert (loud(True), is_grad_enabled()) == (True, True)
    thread.join()
    assert first == [(True, False)]


def test_leaving_what_was_not_entered() -> None:
    with pytest.raises(RuntimeError, match="not entered"):
        mg.enable_grad().__exit__(None, None, None)
    mg.no_grad().__exit__(None, None, None)
    assert records()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no setitimer")
def test_no_interrupt_leaves_no_grad_behind() -> None:
    """Python looks for signals between instructions, and none lies inside these methods."""

    def alarm(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, alarm)
    numbers = random.Random(1)
    x = mg.Value(1.0)
    f = mg.no_grad(lambda: x * 2.0)
    try:
        for _ in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, numbers.uniform(2e-4, 1e-3))
                while True:
                    with mg.no_grad():
                        x + x
                        with mg.enable_grad():
                            x + x
                    f()
            except KeyboardInterrupt:
                pass
            assert is_grad_enabled()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
