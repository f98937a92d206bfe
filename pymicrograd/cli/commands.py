"""The command line: `pymicrograd demo` and `info`; learning.py and live.py have the others.

A mistake in the arguments is one line on stderr and exit status 2, found before any work starts.
Ctrl-C is one line and status 130. A reader that closes the pipe early is no error: nothing is
said, and files that were asked for are still written.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import io
import math
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import DistributedError, SettingError

if TYPE_CHECKING:
    from .demo import Training

__all__ = ["main"]

MAX_SEED = 2**64 - 1
MIN_POINTS = 6  # the fewest of which 80/10/10 leaves a point in every part
PLOT_EXTENSIONS = (".png", ".svg", ".pdf", ".jpg")
GRAPH_TEXTS = (".dot", ".mmd", ".md")
GRAPH_PICTURES = (".svg", ".png", ".pdf")
EXTRAS = {"safetensors": "interop", "tqdm": "progress"}  # that packages come with, but for viz
PROGRESS_DELAY = 1.0  # seconds; shorter runs show no bar


class CommandError(Exception):
    """What is wrong, in one line, and the exit status that says so."""

    def __init__(self, program: str, message: str, status: int = 2) -> None:
        super().__init__(f"{program}: error: {' '.join(map(str.strip, message.splitlines()))}")
        self.status = status


class OneLineParser(argparse.ArgumentParser):
    """A parser of whole options, whose errors are exceptions of one line without the usage."""

    def __init__(self, **named: Any) -> None:
        super().__init__(allow_abbrev=False, **named)

    def error(self, message: str) -> NoReturn:
        raise CommandError(self.prog, message)


class Output:
    """Lines on stdout that nobody may be reading any more.

    Attributes:
        closed: the reader has gone; what is written from then on is dropped.
    """

    def __init__(self) -> None:
        self.closed = False

    def line(self, text: str = "") -> None:
        """Print a line; a terminal gets it at once, a pipe or a file with the buffer."""
        with self._reader_may_leave():
            try:
                print(text)
            except UnicodeEncodeError:  # a file's name that stdout's encoding cannot say
                print(text.encode("ascii", "backslashreplace").decode())

    def flush(self) -> None:
        """Hand over what is buffered."""
        if sys.stdout is not None:
            with self._reader_may_leave():
                sys.stdout.flush()

    @contextmanager
    def _reader_may_leave(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.closed = True
            discard_stdout()


def discard_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's own flush at exit cannot fail either."""
    with suppress(io.UnsupportedOperation, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name.

    Args:
        argv: the arguments without the program's name; by default those of the process.

    Returns:
        The exit status: 0, 1 where the work failed or digits differ, 2 for bad arguments, 130
        after Ctrl-C.
    """
    output = Output()
    program = "pymicrograd"
    try:
        try:
            arguments = parser().parse_args(argv)
            program = f"pymicrograd {arguments.command}"
            status: int = arguments.run(arguments, output)
        except SystemExit as request:  # argparse has printed a help text or the version
            status = int(request.code or 0)
        output.flush()
        return status
    except BrokenPipeError:
        discard_stdout()
        return 0
    except CommandError as error:
        return fail(str(error), error.status)
    except SettingError as error:
        return fail(str(CommandError(program, str(error))), 2)
    except KeyboardInterrupt:
        return fail(f"{program}: interrupted", 130)
    except (
        ImportError, OSError, MemoryError, subprocess.SubprocessError, DistributedError,
    ) as error:  # fmt: skip
        return fail(str(CommandError(program, describe(error))), 1)


def fail(message: str, status: int) -> int:
    """Print what was computed so far, then one line on stderr, and return the exit status."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        discard_stdout()
    if sys.stderr is not None:
        print(message, file=sys.stderr)
    return status


def describe(error: BaseException) -> str:
    """Say what an exception means in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "out of memory"
    return str(error) or type(error).__name__


# ---- arguments ---------------------------------------------------------------------------------


def parser() -> OneLineParser:
    """Build the parser of all commands."""
    top = OneLineParser(
        prog="pymicrograd",
        description="micrograd's Value on a C core that prints the same digits.",
    )
    top.add_argument("--version", action="version", version=f"pymicrograd {version()}")
    commands = top.add_subparsers(dest="command", metavar="command", required=True)
    add_demo(commands)
    from .learning import add_commands  # which use what stands here
    from .live import add_live

    add_commands(commands)
    add_live(commands)
    info = commands.add_parser(
        "info",
        help="version, compiler, flags, math library, machine",
        description="Tell what this installation is. Exit status 1: the C core does not load.",
    )
    info.set_defaults(run=run_info)
    return top


def add_demo(commands: Any) -> None:
    """Add the arguments of `pymicrograd demo`."""
    demo = commands.add_parser(
        "demo",
        help="train LLM101n's classifier and compare the digits with pure Python",
        description="Train a classifier of points in the plane with AdamW, print the loss of"
        " every step, then train it again in pure Python and compare digits and time."
        " Exit status 1: the digits differ.",
    )
    add = demo.add_argument
    for name, values, text in (
        ("--data", ("quadrants", "yinyang", "moons"), "data set"),
        ("--engine", ("c", "reference"), "C core or pure Python"),
    ):
        add(name, choices=values, default=values[0], help=f"{text} [%(default)s]")
    from ..arithmetic import MATHS, get_math

    text = "exp, tanh and pow of the C library, or the same on every machine [%(default)s]"
    add("--math", choices=MATHS, default=get_math(), help=text)
    for name, kind, default, text in (
        ("--points", whole(MIN_POINTS), "100", "points: 80 %% train, 10 %% val, 10 %% test"),
        ("--layers", layer_sizes, "16", "sizes of the hidden layers, such as 16,16"),
        ("--steps", whole(1), "100", "optimizer steps"),
        ("--lr", positive_real, "0.1", "learning rate"),
        ("--weight-decay", real, "0.0001", "weight decay of AdamW"),
        ("--seed", whole(1, MAX_SEED), "42", "seed of points and weights, 1 to 2^64-1"),
    ):
        add(name, type=kind, default=default, metavar="N", help=f"{text} [%(default)s]")
    add("--no-compare", action="store_true", help="do not repeat the training in pure Python")
    add("--plot", metavar="FILE", help="draw decision regions and losses: .png .svg .pdf .jpg")
    add("--graph", metavar="FILE", help="draw one loss's graph: .svg .png .pdf .dot .mmd .md")
    add("--save", metavar="FILE", help="write the trained weights, .npz")
    add("--load", metavar="FILE", help="start from the weights in an .npz file")
    demo.set_defaults(run=run_demo)


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Make a converter of whole numbers from low to high."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if number < low:
            raise argparse.ArgumentTypeError(f"{text} is less than {low}")
        if high is not None and number > high:
            raise argparse.ArgumentTypeError(f"{text} is more than {high}")
        return number

    return convert


def layer_sizes(text: str) -> tuple[int, ...]:
    """Convert "16" or "16,16" to the hidden layers' sizes."""
    return tuple(whole(1)(size) for size in text.split(","))


def real(text: str) -> float:
    """Convert a finite number that is not negative."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(number) or number < 0.0:
        raise argparse.ArgumentTypeError(f"{text} is not a finite number from 0 up")
    return number


def positive_real(text: str) -> float:
    """Convert a finite number above 0."""
    number = real(text)
    if number == 0.0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


# ---- pymicrograd demo --------------------------------------------------------------------------


def run_demo(arguments: argparse.Namespace, output: Output) -> int:
    """Train, print, write the files asked for, and compare with the reference."""
    check_files(arguments)
    state = loaded(arguments.load)
    training = prepared(arguments.engine, arguments, state)
    files = arguments.plot or arguments.graph or arguments.save
    lines = []
    for line in shown(training, "training", printed=True):
        lines.append(line)
        output.line(line)
        if output.closed and not files:
            return 0
    report(training, "the C engine" if arguments.engine == "c" else "the reference", output)
    write_files(arguments, training, output)
    output.flush()
    if output.closed or arguments.engine == "reference" or arguments.no_compare:
        return 0
    return compare(training, prepared("reference", arguments, state), lines, output)


def loaded(path: str | None) -> dict[str, Any] | None:
    """Return the weights in a file, or raise CommandError."""
    from ..saving import load

    try:
        return load(path) if path is not None else None
    except (OSError, ValueError) as error:
        raise mistake(f"--load {describe(error)}") from error


def prepared(engine: str, arguments: argparse.Namespace, state: dict[str, Any] | None) -> Training:
    """Return a training ready to run, or raise CommandError for what cannot work."""
    from ..saving import load_state_dict
    from .demo import Settings, Training

    settings = Settings(
        data=arguments.data,
        points=arguments.points,
        layers=arguments.layers,
        steps=arguments.steps,
        lr=arguments.lr,
        weight_decay=arguments.weight_decay,
        seed=arguments.seed,
        math=arguments.math,
    )
    try:
        training = Training(engine, settings)
    except ImportError as error:
        hint = "; --engine reference needs no C core" if engine == "c" else ""
        raise mistake(f"--engine {engine} does not load: {error}{hint}") from error
    try:
        if state is not None:
            load_state_dict(training.model, state)
    except ValueError as error:
        raise mistake(f"--load {arguments.load}: {error}") from error
    return training


def shown(training: Training, label: str, printed: bool) -> Iterator[str]:
    """Yield a training's lines; after a second it shows a bar, if stderr is a terminal.

    Args:
        training: yet to run.
        label: what stands before the bar.
        printed: the caller prints each line when it gets it.

    Raises:
        CommandError: the numbers left what a float can hold.
    """
    tqdm = progress_bar()
    shares_terminal = printed and sys.stdout is not None and sys.stdout.isatty()
    bar = None
    started = time.monotonic()
    try:
        for line in training.run():
            done = len(training.train_losses)
            if tqdm and bar is None and time.monotonic() - started > PROGRESS_DELAY:
                total = training.settings.steps
                bar = tqdm(total=total, initial=done, desc=label, unit="step", leave=False)
            if bar is not None:
                bar.update(done - bar.n)
            printing = tqdm.external_write_mode if bar is not None and shares_terminal else None
            with printing() if printing else nullcontext():
                yield line
    except (ArithmeticError, ValueError) as error:
        step = len(training.train_losses)
        message = f"the training diverged at step {step}: {error}"
        raise CommandError("pymicrograd demo", message, 1) from error
    finally:
        if bar is not None:
            bar.close()


def progress_bar() -> Any:
    """Return tqdm's class where it is installed and somebody watches stderr, otherwise None."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        return importlib.import_module("tqdm").tqdm
    except ImportError:
        return None


def write_files(arguments: argparse.Namespace, training: Training, output: Output) -> None:
    """Write the weights, the plot and the graph, as far as they were asked for."""
    from . import demo

    if arguments.save:
        from ..saving import save

        save(training.model, arguments.save)
        output.line(f"weights: {arguments.save}")
    if arguments.plot:
        from ..pictures.training import plot_training, save_figure

        figure = plot_training(
            training.logits,
            training.splits,
            training.train_losses,
            training.val_losses,
            title_of(training),
        )
        save_figure(figure, arguments.plot)
        output.line(f"plot: {arguments.plot}")
    if arguments.graph:
        nodes = demo.write_graph(training.example_loss(), arguments.graph)
        output.line(f"graph of one example's loss, {nodes} nodes: {arguments.graph}")


def title_of(training: Training) -> str:
    """Describe a training in one line."""
    wanted = training.settings
    points = f"{wanted.data}, {wanted.points} points"
    return f"{points}, MLP(2, {training.sizes}), {wanted.steps} steps, seed {wanted.seed}"


def report(training: Training, engine: str, output: Output) -> None:
    """Print a training's accuracy and time."""
    tested = len(training.splits["test"])
    right = training.correct("test")
    output.line(f"test accuracy: {right} of {tested} ({100.0 * right / tested:.1f} %)")
    each = training.seconds / training.settings.steps
    output.line(f"time: {duration(training.seconds)}, {duration(each)} a step, with {engine}")


def compare(training: Training, reference: Training, lines: list[str], output: Output) -> int:
    """Repeat a training with the reference; print the factor and the first difference, if any."""
    from .demo import first_difference

    its_lines = list(shown(reference, "reference", printed=False))
    factor = reference.seconds / training.seconds
    output.line(f"reference: {duration(reference.seconds)}, {factor:.1f} times as long")
    difference = first_difference(lines, its_lines)
    if difference:
        number, mine, its = difference
        output.line(f"digits differ in line {number}: {mine!r}, the reference has {its!r}")
        return 1
    weights_differ = first_difference(
        [number.hex() for number in training.weights()],
        [number.hex() for number in reference.weights()],
    )
    if weights_differ:
        number, mine, its = weights_differ
        output.line(f"digits differ in weight {number}: {mine}, the reference has {its}")
        return 1
    count = len(training.weights())
    output.line(f"same digits: all {len(lines)} lines, and the bits of all {count} weights")
    return 0


def duration(seconds: float) -> str:
    """Write a duration with three significant digits and a unit."""
    if seconds >= 100.0:
        return f"{seconds:.0f} s"
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1.0:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


# ---- checks before work starts -----------------------------------------------------------------


def mistake(message: str, command: str = "demo") -> CommandError:
    """Return the error for arguments of a command that cannot work."""
    return CommandError(f"pymicrograd {command}", message)


def check_files(arguments: argparse.Namespace) -> None:
    """Raise CommandError for a file that could not be written, or a package that is missing."""
    graph_extensions = (*GRAPH_TEXTS, *GRAPH_PICTURES)
    taken: dict[str, str] = {}
    for option, path, extensions in (
        ("--plot", arguments.plot, PLOT_EXTENSIONS),
        ("--graph", arguments.graph, graph_extensions),
        ("--save", arguments.save, (".npz",)),
    ):
        if path is None:
            continue
        check_target(option, path, extensions)
        other = taken.setdefault(os.path.realpath(path), option)
        if other != option:
            raise mistake(f"{other} and {option} name the same file: {path}")
    if arguments.plot:
        check_import("--plot", "matplotlib.figure", "matplotlib")
    if arguments.graph and extension_of(arguments.graph) in GRAPH_PICTURES:
        check_import("--graph", "graphviz", "graphviz")
        if shutil.which("dot") is None:
            raise mistake("--graph needs Graphviz's program dot (or ask for .dot, .mmd or .md)")


def check_target(option: str, path: str, extensions: Sequence[str], command: str = "demo") -> None:
    """Raise CommandError unless a file of that name could be written now."""
    if extension_of(path) not in extensions:
        raise mistake(f"{option} {path}: the extension must be {' '.join(extensions)}", command)
    target = os.path.realpath(path)
    try:
        if os.path.lexists(target) and not stat.S_ISREG(os.lstat(target).st_mode):
            raise mistake(f"{option} {path}: exists and is not a regular file", command)
        with tempfile.TemporaryFile(dir=os.path.dirname(target)):
            pass
    except OSError as error:
        raise mistake(f"{option} {path}: {error.strerror}", command) from error
    except ValueError as error:  # a NUL in the name
        raise mistake(f"{option} {path!r}: {error}", command) from error


def extension_of(path: str) -> str:
    """Return the extension of a path in small letters, with its dot."""
    return os.path.splitext(path)[1].lower()


def check_import(option: str, module: str, package: str, command: str = "demo") -> None:
    """Raise CommandError unless an optional package can be imported."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        hint = f"pip install 'pymicrograd[{EXTRAS.get(package, 'viz')}]'"
        raise mistake(f"{option} needs the package {package}: {hint} ({error})", command) from error


# ---- pymicrograd info --------------------------------------------------------------------------


def run_info(_: argparse.Namespace, output: Output) -> int:
    """Print what this installation is; 1 if its C core does not load."""
    from ..arithmetic import get_math

    facts: list[tuple[str, str]] = [("pymicrograd", version())]
    status = 0
    try:
        from .. import _core

        build = [line.partition(":") for line in _core.build_info().splitlines() if line.strip()]
        facts += [("C core", "loads")]
        facts += [(f"  {key.strip()}", value.strip()) for key, _, value in build]
    except ImportError as error:
        facts += [("C core", f"does not load: {error}")]
        status = 1
    facts += [
        ("math library", " ".join(platform.libc_ver()).strip() or "the system's"),
        ("math of Values", get_math()),
        ("python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("  built with", platform.python_compiler()),
        ("cffi", installed("cffi")),
        ("numpy", installed("numpy")),
        ("system", platform.platform()),
        ("cpu", f"{processor()}, {os.cpu_count()} cores seen"),
    ]
    width = max(len(name) for name, _ in facts)
    for name, fact in facts:
        output.line(f"{name:<{width}}  {fact}")
    return status


def version() -> str:
    """Return the package's version."""
    from .. import __version__

    return __version__


def installed(package: str) -> str:
    """Return the version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """Return the processor's name where the system tells it, otherwise its architecture."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
