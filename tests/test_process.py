"""Processes: fork with live graphs, Ctrl-C, and every way for an interpreter to end."""

from __future__ import annotations

import copy
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from isolated import run_function, run_python
from test_threads import backward_in_slices

import pymicrograd as mg
from pymicrograd import MLP, RNG, Value, _core, cross_entropy, grad, memory_usage, no_grad
from pymicrograd.errors import BusyError
from pymicrograd.nn import functional

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def chain(x: Value, length: int) -> Value:
    """Return x + x + ... of so many additions."""
    last = x
    for _ in range(length):
        last = last + x
    return last


# ---- fork ------------------------------------------------------------------------------------


def in_child(function: Callable[[], None]) -> None:
    """Fork, run a function in the child, and expect it to end well."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def fork_with_graphs() -> None:
    x = Value(0.5)
    root = (x * 3.0).tanh()
    root.backward()
    model = MLP(2, [4, 2], rng=RNG(1))
    before = x.grad, memory_usage()["nodes"]

    def child() -> None:
        assert (x.grad, memory_usage()["nodes"]) == before
        root.backward()
        assert x.grad == 2 * before[0]
        cross_entropy(model([0.5, x]), 1).backward()
        mg.SGD(model.parameters()).step()
        assert root._prev[0]._prev[0] is x
        in_child(lambda: (x * x).backward())

    for _ in range(10):
        in_child(child)
    assert (x.grad, memory_usage()["nodes"]) == before
    (root * 2.0).backward()


@forks
def test_fork_with_live_graphs() -> None:
    run_function(fork_with_graphs)


def fork_under_way() -> None:
    """Fork again and again while another thread is in the middle of one backward or another."""
    sys.setswitchinterval(1e-5)
    x, y = Value(1.0), Value(0.5)
    root = chain(x, 400_000)
    other = y * 2.0
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            root.backward()

    thread = threading.Thread(target=work)
    thread.start()

    def child() -> None:
        other.backward()
        assert y.grad == 2.0
        assert x.grad % 400_001.0 == 0.0  # that of whole backwards
        root.backward()
        x.data = 2.0
        assert (x * y).data == 1.0
        assert grad(other, [y])[0].data == 2.0

    for _ in range(15):
        in_child(child)
    stop.set()
    thread.join()
    assert x.grad % 400_001.0 == 0.0
    assert y.grad == 0.0


@forks
def test_fork_with_a_backward_under_way() -> None:
    run_function(fork_under_way)


@forks
@pytest.mark.parametrize("when", ["before the import", "after the import"])
def test_fork_hooks_of_others(when: str) -> None:
    """A collector that runs between our hook and the fork does not wait for ever."""
    source = """
import gc, os
def collect():
    gc.collect()
def make():
    from pymicrograd import Value
    cycle = [Value(1.0) * 2.0]
    cycle.append(cycle)
def register():
    os.register_at_fork(before=collect, after_in_child=collect, after_in_parent=collect)
WHEN
gc.disable()
from pymicrograd import Value
AFTER
make()
pid = os.fork()
make()
gc.collect()
(Value(2.0) * 3.0).backward()
if pid == 0:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    first = "before" in when
    source = source.replace("WHEN", "register()" if first else "")
    source = source.replace("AFTER", "" if first else "register()")
    assert run_python(source) == "0\n"


def fork_while_walking() -> None:
    """A lock that a thread of the parent holds is free in the child."""
    x = Value(2.0)
    root = functional.sum([x, x * x])
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with _core.nodes.backward_turn:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def child() -> None:
        assert root._prev[1]._prev == (x, x)
        root.backward()
        assert grad(root, [x])[0].data == x.grad == 5.0

    in_child(child)
    done.set()
    thread.join()


@forks
def test_fork_while_a_thread_holds_our_locks() -> None:
    run_function(fork_while_walking)


def fork_beside_a_rule() -> None:
    """A rule that a thread of the parent calls is not waited for in the child."""
    x = Value(2.0)
    y = x * 3.0
    root = y * 1.0
    called, done = threading.Event(), threading.Event()

    def rule() -> None:
        called.set()
        done.wait()
        x.grad += 3.0 * y.grad

    y._backward = rule
    thread = threading.Thread(target=root.backward)
    thread.start()
    called.wait()

    def child() -> None:
        done.set()
        root.backward()
        assert x.grad == 3.0

    in_child(child)
    done.set()
    thread.join()
    assert x.grad == 3.0


@forks
def test_fork_while_a_thread_calls_a_rule() -> None:
    run_function(fork_beside_a_rule)


BUSY_FORKS = """
import os, threading, pymicrograd as mg
mg.set_num_threads(2)
a, flat, index = mg.randn(250, 250), mg.ones(200_000), mg.zeros(200_000, dtype="int64")
x = mg.ones(300, 300, requires_grad=True)
product, stop = (a @ a)[3, 5].item(), threading.Event()
def multiply():
    while not stop.is_set(): a @ a, flat[index]
def differentiate():
    while not stop.is_set(): (x * x).exp().sum().backward()
threads = [threading.Thread(target=work) for work in (multiply, differentiate)]
for thread in threads: thread.start()
for number in range(COUNT):
    pid = os.fork()
    if pid == 0:
        right = number % 10 or (a @ a)[3, 5].item() == product
        if right and number % 10 == 5: (x * 2).sum().backward()
        os._exit(not right)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
stop.set()
for thread in threads: thread.join()
print("forked")
"""


@forks
@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.all)])
def test_forks_beside_busy_threads(count: int) -> None:
    """A fork waits for the op under way, and no op for the fork."""
    assert run_python(BUSY_FORKS.replace("COUNT", str(count)), timeout=600.0) == "forked\n"


MULTIPROCESSING = """
import multiprocessing, pymicrograd
x = pymicrograd.Value(3.0)
y = x * x
def work(number):
    y.backward()
    (x * number).backward()
    return x.grad, y
def run(number):
    return work(number)[0]
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        print(pool.map(run, [1.0, 2.0, 3.0], chunksize=1), x.grad)
"""


@forks
def test_multiprocessing_by_fork() -> None:
    assert run_python(MULTIPROCESSING) == "[7.0, 8.0, 9.0] 0.0\n"


# ---- Ctrl-C ----------------------------------------------------------------------------------


def interrupts() -> None:
    """Let a thread send SIGINT while a backward is in C, until ten came in the middle of one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    x = Value(1.0)
    root = chain(x, 1_000_000)
    whole = 1_000_001.0
    slices = backward_in_slices(root, lambda done: None, _core.nodes.SLICE)
    assert slices >= 10 and x.grad == whole
    in_the_middle = 0
    while in_the_middle < 10:
        x.grad = 0.0
        under_way, moment = threading.Event(), 1 + in_the_middle % (slices - 1)

        def interrupt(under_way: threading.Event = under_way) -> None:
            under_way.wait()
            os.kill(os.getpid(), signal.SIGINT)

        def tell(done: int, under_way: threading.Event = under_way, moment: int = moment) -> None:
            if done == moment:
                under_way.set()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            backward_in_slices(root, tell, _core.nodes.SLICE)
            while True:  # the thread was late, but SIGINT will come
                pass
        thread.join()
        assert x.grad in (0.0, whole)
        in_the_middle += x.grad == 0.0
        x.grad = 0.0
        root.backward()
        assert x.grad == whole


def test_interrupts_during_backward() -> None:
    """Nothing is left of a backward that is interrupted, and SIGINT does not wait for its end."""
    run_function(interrupts)


WAITING: dict[str, Callable[[mg.Tensor], object]] = {
    "number": lambda x: x + 1.0, "operator": lambda x: x * x, "op": lambda x: x.sum(),
    "in place": lambda x: x.add_(0.0), "element": lambda x: x[0, 0].item(), "new": mg.zeros_like,
    "backward": lambda x: (x * x).mean().backward(), "value": lambda x: Value(1.0) * 2.0,
    "large": lambda x: mg.zeros(300, 300).exp(), "data": lambda x: Value(1.0).data,
    "gradient": lambda x: x.grad, "list": lambda x: x.tolist(),
}  # fmt: skip


def is_heard_while_waiting(call: Callable[[mg.Tensor], object], x: mg.Tensor) -> bool:
    """Interrupt a call that waits for another thread's op, until it ends before the op does.

    Signals are looked for every 20 ms, so an op that ends sooner is followed by a longer one.
    """
    size, stop, heard, done, when = 1200, False, False, 0, -1

    def work() -> None:
        nonlocal done
        while not stop:
            a = mg.ones(size, size)
            a @ a
            done += 1

    def interrupt() -> None:
        nonlocal when
        when = done
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=work)
    thread.start()
    for attempt in range(30):
        timer = threading.Timer(0.01 * (1 + attempt % 5), interrupt)
        try:
            timer.start()
            while True:
                call(x)
        except KeyboardInterrupt:
            heard = done == when
        timer.join()
        if heard:
            break
        size = min(size + 200, 4000)
    stop = True
    thread.join()
    return heard


def interrupts_of_waiting() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    mg.set_num_threads(1)
    x, y = mg.ones(30, 30, requires_grad=True), mg.ones(30, 30)
    for name, call in WAITING.items():
        assert is_heard_while_waiting(call, y if name == "in place" else x), name


def test_interrupts_while_another_thread_works() -> None:
    """Ctrl-C does not wait for the end of an op of another thread's."""
    run_function(interrupts_of_waiting)


def interrupts_of_a_list() -> None:
    """What was made of a list that is given up is freed, in pieces."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    flat = mg.ones(2_000_000)
    for x in (flat, flat.reshape(500_000, 4)):
        before, interrupted = sys.getallocatedblocks(), False
        while not interrupted:
            timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
            try:
                timer.start()
                while True:
                    x.tolist()
            except KeyboardInterrupt:
                interrupted = True
            timer.join()
        for _ in range(1000):
            if sys.getallocatedblocks() < before + 50_000:
                break
        assert sys.getallocatedblocks() < before + 50_000


def test_interrupts_of_a_list() -> None:
    run_function(interrupts_of_a_list)


class Interruption(BaseException):
    """What a signal handler raises."""


def interrupted_at(function: Callable[[], object], moment: int) -> bool:
    """Run a function and raise at a moment at which CPython would run a signal handler.

    These are the entry of a function and the return from a call, in the package's own code.

    Returns:
        Whether there was such a moment.
    """
    package = os.path.dirname(mg.__file__)
    count = 0

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        code = frame.f_code
        ours = code.co_filename.startswith(package)
        ours = ours and code.co_name != "forget"  # Python drops what a callback of a weakref raises
        if ours and event in ("call", "return", "c_return"):
            count += 1
            if count == moment:
                raise Interruption

    profiler = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    except Interruption:
        return True
    finally:
        sys.setprofile(profiler)
    return False


# ---- signals ---------------------------------------------------------------------------------


def handler_during(call: Callable[[], object], handler: Callable[[], object]) -> int:
    """Run a call, and a signal's handler in the middle of it; returns how often it ran.

    The handler is set off by the kernel, again and again until it has run within the call.
    """
    inside = ran = 0

    def on_alarm(*_: object) -> None:
        nonlocal ran
        if inside:
            ran += 1
            handler()

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    try:
        while not ran:
            inside = 1
            call()
            inside = 0
    finally:
        inside = 0
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    return ran


alarms = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")


@alarms
def test_a_handler_that_runs_a_backward() -> None:
    """That of a Value is refused while one is under way; those of Tensors are not."""
    x, other = Value(1.0), Value(2.0)
    root, product = chain(x, 300_000), other * 3.0
    refused = done = 0

    def of_values() -> None:
        nonlocal refused, done
        try:
            product.backward()
            done += 1
        except BusyError:
            refused += 1

    handler_during(root.backward, of_values)
    assert refused + done > 0 and other.grad == 3.0 * done
    x.grad = 0.0
    root.backward()
    assert x.grad == 300_001.0
    w, v = mg.ones(400, 400, requires_grad=True), mg.ones(2, requires_grad=True)
    rounds = 0

    def of_tensors() -> None:
        nonlocal rounds
        (v * 2.0).sum().backward()
        (w * 0.0).sum().backward()
        rounds += 1

    calls = 0

    def train() -> None:
        nonlocal calls
        y = w
        for _ in range(4):
            y = y * w
        calls += 1
        y.sum().backward()

    handler_during(train, of_tensors)
    assert v.grad is not None and v.grad.tolist() == [2.0 * rounds] * 2
    assert w.grad is not None and w.grad[7, 3].item() == 5.0 * calls


LONG = 1 << 18
NUMBERS = [0.5] * LONG
LONG_CALLS: dict[str, Callable[[Any], object]] = {
    "tolist": lambda s: s.wide.tolist(),
    "list": lambda s: mg.tensor(NUMBERS),
    "rows": lambda s: mg.tensor([NUMBERS[:512]] * (LONG // 512)),
    "normal": lambda s: mg.randn(LONG, generator=s.rng),
    "integers": lambda s: mg.randint(0, 9, (LONG,), generator=s.rng),
    "MLP": lambda s: s.model(s.rows),
    "exp": lambda s: s.large.exp(),
    "matmul": lambda s: s.square @ s.square,
    "zeros": lambda s: mg.zeros(8 * len(s.large)),
    "arange": lambda s: mg.arange(8 * len(s.large)),
    "take": lambda s: s.large[s.places],
    "sweep": lambda s: mg.autograd.grad((s.large.exp() * s.large).sum(), s.large),
}


class Long:
    """What the long calls work on."""

    def __init__(self) -> None:
        self.wide = mg.arange(LONG)
        self.rng = RNG(5)
        self.model = MLP(100, [100, 2], rng=RNG(1))
        self.rows = [[0.5] * 100] * 100
        self.large = mg.ones(6_000_000, requires_grad=True)
        self.places = mg.zeros(6_000_000, dtype="int64")
        self.square = mg.ones(1100, 1100)


@alarms
@pytest.mark.parametrize("name", LONG_CALLS)
def test_long_calls_are_interrupted_and_leave_nothing(name: str) -> None:
    subject = Long()
    nodes = memory_usage()["nodes"]

    def call() -> None:
        subject.rng = RNG(5)
        LONG_CALLS[name](subject)

    call()
    whole = subject.rng.random()
    call()

    def interrupt() -> None:
        raise Interruption

    with pytest.raises(Interruption):
        while True:
            handler_during(call, interrupt)
    assert memory_usage()["nodes"] == nodes
    assert subject.rng.random() in (RNG(5).random(), whole)  # none or all is drawn


FIRST_FAILURES = [
    "mg.zeros(10**13)", "mg.rand(10**15)", "mg.set_memory_limit(1 << 20), mg.arange(10**6)",
    "mg.set_memory_limit(1 << 20), mg.tensor([0.5] * 10**6)", "mg.Value(1.0) and mg.zeros(2**62)",
]  # fmt: skip


@pytest.mark.parametrize("call", FIRST_FAILURES)
def test_the_first_call_of_a_process_may_fail(call: str) -> None:
    source = f"import pymicrograd as mg\ntry: {call}\nexcept MemoryError: print('refused')"
    assert run_python(source) == "refused\n"


class Subject:
    """What the interrupted calls work on."""

    def __init__(self) -> None:
        self.x, self.y = Value(0.5), Value(1.5)
        self.model = MLP(2, [3, 2], rng=RNG(3))
        self.optimizer = mg.AdamW(self.model.parameters())


CALLS: dict[str, Callable[[Subject], object]] = {
    "sin": lambda s: s.x.sin(),
    "maximum": lambda s: s.x.maximum(s.y),
    "power": lambda s: 2**s.x,
    "bool": lambda s: s.x + True,
    "new": lambda s: Value(True),
    "backward": lambda s: (s.x * s.y).backward(),
    "grad": lambda s: grad(s.x * s.y, [s.x]),
    "create_graph": lambda s: grad((s.x * s.y).tanh(), [s.x, s.y], create_graph=True),
    "walk": lambda s: functional.sum([s.x, 2.0])._prev[0]._prev,
    "MLP": lambda s: s.model([[s.x, 2.0], [s.y, True]]),
    "cross_entropy": lambda s: cross_entropy([[s.x, s.y], [s.y, 1.0]], [1, True]),
    "softmax": lambda s: functional.softmax([s.x, s.y]),
    "rmsnorm": lambda s: functional.rmsnorm([s.x, s.y]),
    "sum": lambda s: functional.sum([s.x, s.y, 1]),
    "step": lambda s: s.optimizer.step(),
    "no_grad": lambda s: no_grad()(lambda: s.x * s.y)(),
    "detach": lambda s: (s.x * s.y).detach(),
    "mse_loss": lambda s: mg.mse_loss([s.x], [1]),
    "new MLP": lambda s: MLP(2, [2, 1], rng=RNG(3)),
}


def expect_usable(subject: Subject) -> None:
    """Expect that no lock is held, no backward under way, and gradients are whole."""
    assert not _core.nodes.backward_turn._is_owned()  # type: ignore[attr-defined]
    assert (subject.x.grad, subject.y.grad) in ((0.0, 0.0), (1.5, 0.5))
    subject.x.grad = subject.y.grad = 0.0
    (subject.x * subject.x).backward()
    assert subject.x.grad == 1.0
    subject.x.grad = 0.0
    assert len((subject.x * subject.y)._prev) == 2


@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_at_any_moment(name: str) -> None:
    """Wherever a handler of a signal raises in the package's own code, nothing is left undone."""
    subject, moment = Subject(), 1
    CALLS[name](subject)
    subject.x.grad = subject.y.grad = 0.0
    while interrupted_at(lambda: CALLS[name](subject), moment):
        expect_usable(subject)
        moment += 1


@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_leaks_nothing(name: str) -> None:
    """What a call had recorded when a handler raised is freed."""
    subject, moment = Subject(), 1
    CALLS[name](subject)
    gc.collect()
    start = memory_usage()["nodes"]
    leaks = {}
    while interrupted_at(lambda: CALLS[name](subject), moment):
        left = memory_usage()["nodes"] - start
        if left:
            leaks[moment] = left
            start += left
        moment += 1
    assert leaks == {}


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: mg.SGD(p, lr=0.1),
    "momentum": lambda p: mg.SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: mg.Adam(p, lr=0.1),
    "AdamW": lambda p: mg.AdamW(p, lr=0.1, weight_decay=0.1),
    "NAdam": lambda p: mg.optim.NAdam(p, lr=0.1),
    "RMSprop": lambda p: mg.optim.RMSprop(p, lr=0.1, centered=True, momentum=0.9),
}


def parameters_of(kind: str) -> list[Any]:
    """Return two Values, or Tensors, with gradients."""
    if kind == "Values":
        parameters: list[Any] = [Value(0.5), Value(1.5)]
        for i, p in enumerate(parameters):
            p.grad = 0.3 + i
        return parameters
    parameters = [mg.full((3,), 0.5 + i, requires_grad=True) for i in range(2)]
    for i, p in enumerate(parameters):
        p.grad = mg.full((3,), 0.3 + i)
    return parameters


def all_of(optimizer: Any) -> list[Any]:
    """Return parameters, state and counts as numbers; zeros are as good as nothing."""

    def plain(x: Any) -> Any:
        if isinstance(x, (dict, list, tuple)):
            items = [plain(item) for item in (x.values() if isinstance(x, dict) else x)]
            return None if all(item is None for item in items) else items
        if isinstance(x, mg.Tensor):
            return x.tolist() if x.any() else None
        return getattr(x, "data", x)

    return [plain(optimizer.params), plain(optimizer.__getstate__()["arms"])]


@pytest.mark.parametrize("kind", ["Values", "Tensors", "begun", "groups"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_interrupted_step_is_whole_or_none(name: str, kind: str) -> None:
    """What it moved, what it remembers and its count belong together, of all Tensors."""
    if kind == "Values" and name in ("NAdam", "RMSprop"):
        kind = "Tensors"

    def begun() -> Any:
        parameters = parameters_of(kind)
        groups = [{"params": [p]} for p in parameters] if kind == "groups" else parameters
        optimizer = OPTIMIZERS[name](groups)
        if kind == "begun":  # one of them has
            gradient, parameters[1].grad = parameters[1].grad, None
            optimizer.step()
            parameters[1].grad = gradient
        return optimizer

    optimizer, moment = begun(), 1
    before = all_of(optimizer)
    optimizer.step()
    after = all_of(optimizer)
    optimizer = begun()
    while interrupted_at(optimizer.step, moment):
        assert all_of(optimizer) in (before, after), moment
        optimizer, moment = begun(), moment + 1
    assert moment > 4


class Mixed(mg.Module):
    """A module of Values and Tensors."""

    def __init__(self, start: float) -> None:
        self.mlp = MLP(2, [2, 1], rng=RNG(int(start)))
        self.weight = mg.full((2, 3), start, requires_grad=True)
        self.running = mg.full((3,), start)


@pytest.mark.parametrize("engine", ["pymicrograd", "pymicrograd.reference"])
def test_an_interrupted_load_is_whole_or_none(engine: str) -> None:
    def model(number: int) -> Any:
        if engine == "pymicrograd":
            return Mixed(float(number))
        return mg.reference.MLP(2, [2], rng=mg.reference.RNG(number))

    def numbers(state: Any) -> Any:
        return {k: x.tolist() if hasattr(x, "tolist") else x for k, x in state.items()}

    target = model(1)
    states = [copy.deepcopy(model(i).state_dict()) for i in (1, 2)]
    moment = 1
    while interrupted_at(lambda: target.load_state_dict(states[1]), moment):
        assert numbers(target.state_dict()) in [numbers(state) for state in states], moment
        target.load_state_dict(states[0])
        moment += 1
    assert numbers(target.state_dict()) == numbers(states[1])


# ---- the end of the interpreter --------------------------------------------------------------

ENDS = {
    "live graphs": "y = (x * 2.0).tanh(); y.backward()",
    "long chain": "for i in range(200_000): x = x + 1.0",
    "cycles": "x.me = x; y = x * 2.0; y.friends = [y, x]; x.y = y",
    "walked": "y = nn.functional.sum([x, 1.0]); y._prev[0]._prev; y.me = y",
    "atexit": "import atexit; atexit.register(lambda: ((x * x).backward(), print(x.grad)))",
    "module": "import sys; sys.modules['kept'] = x; sys.x = x; __builtins__.y = x * 3.0",
    "del": """
class Keeper:
    def __init__(self): self.value = x * 2.0
    def __del__(self): self.value + 1.0; self.value.backward(); repr(self.value)
keeper = Keeper(); keeper.me = keeper""",
    "training": "m = MLP(2, [3, 2]); o = AdamW(m.parameters()); l = m([x, 1.0]); m.l = l; m.m = m",
    "weak": "import weakref; w = weakref.finalize(x, print, 'gone'); y = x * x",
    "subclass": """
class Named(Value):
    def __del__(self): print('gone')
named = Named(2.0); y = named * named; del named""",
    "sys.exit": "import sys; y = x * x; sys.exit(0)",
    "no cleaning": "import os; y = x * x; os._exit(0)",
    "thread": """
import threading
def work():
    for i in range(2000): (x * i).backward()
threading.Thread(target=work).start()""",
    "daemon recording": """
import threading
def work():
    global x
    while True: x = x * 1.0 if i % 1000 else Value(1.0)
i = 1
threading.Thread(target=work, daemon=True).start()
for i in range(20_000): y = Value(1.0) * 2.0""",
    "daemon in backward": """
import threading
y = x
for i in range(300_000): y = y + x
started = threading.Event()
def work():
    while True:
        started.set()
        y.backward()
threading.Thread(target=work, daemon=True).start()
started.wait()""",
    "no_grad": "n = no_grad(); n.__enter__(); y = x * 2.0",
    "generator": "def g():\n    with no_grad():\n        yield x * 2.0\nh = g(); next(h)",
    "exception": "try: (x * 0.0).log()\nexcept ValueError as error: kept = error",
    "reference": "import pymicrograd.reference as r; y = r.Value(2.0) * 3.0; y.backward()",
    "numpy": "import numpy; a = numpy.array([x, x * 2.0], dtype=object); b = a * a",
}


@pytest.mark.parametrize("options", [(), ("-X", "dev")], ids=["plain", "dev"])
@pytest.mark.parametrize("name", ENDS)
def test_interpreter_ends_well(name: str, options: tuple[str, ...]) -> None:
    """The exit status is 0, and nothing is said on stderr."""
    if name == "numpy":
        pytest.importorskip("numpy")
    source = f"from pymicrograd import *\nx = Value(0.5)\n{ENDS[name]}\nprint('end')\n"
    if name in ("sys.exit", "no cleaning"):
        source = source.replace("\nprint('end')", "")
    output = run_python(source, *options)
    expected = {"sys.exit": "", "no cleaning": "", "atexit": "end\n1.0\n"}.get(name, "end\n")
    if name in ("weak", "subclass"):
        expected = "end\ngone\n"
    assert output == expected


def test_modules_may_go_first() -> None:
    """Values die after the package's modules have been emptied."""
    source = """
import sys, gc
from pymicrograd import Value, nn
x = Value(1.0); y = nn.functional.sum([x, 2.0]); y._prev; z = x * y; z.me = z
for name in [name for name in sys.modules if name.startswith("pymicrograd")]:
    vars(sys.modules[name]).clear()
    del sys.modules[name]
del x, y, z, Value, nn
gc.collect()
print("end")
"""
    assert run_python(source) == "end\n"


def test_import_twice_and_reload() -> None:
    """A second copy of the package works, and with the Values of the first: one core has both."""
    source = """
import importlib, sys
import pymicrograd
old = pymicrograd.Value(2.0)
for name in [name for name in sys.modules if name.startswith("pymicrograd.")]:
    if name != "pymicrograd._micrograd":
        del sys.modules[name]
del sys.modules["pymicrograd"]
import pymicrograd
new = pymicrograd.Value(3.0)
y = new * new
y.backward()
print(new.grad, old.data, (new + old).data)
"""
    assert run_python(source) == "6.0 2.0 5.0\n"


def test_subinterpreter_is_refused() -> None:
    """The engine is one interpreter's; another one is told so, and the first goes on."""
    pytest.importorskip("_xxsubinterpreters", reason="CPython 3.8 to 3.12 only")
    source = """
import _xxsubinterpreters as interpreters
from pymicrograd import Value
x = Value(2.0)
other = interpreters.create()
try:
    interpreters.run_string(other, "import pymicrograd; pymicrograd.Value")
except Exception as error:
    print("ImportError" in str(error), "interpreter" in str(error))
interpreters.destroy(other)
y = x * x
y.backward()
print(x.grad)
"""
    assert run_python(source) == "True True\n4.0\n"
