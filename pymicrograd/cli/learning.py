"""`pymicrograd train`, `predict` and `show`: networks of Tensors on data sets and files."""

from __future__ import annotations

import argparse
import importlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .commands import (
    MAX_SEED,
    PLOT_EXTENSIONS,
    PROGRESS_DELAY,
    CommandError,
    Output,
    check_import,
    check_target,
    describe,
    duration,
    layer_sizes,
    positive_real,
    progress_bar,
    real,
    whole,
)

if TYPE_CHECKING:
    from .fitting import Fit, Settings

__all__ = ["add_commands"]

DATA = ("digits", "moons", "circles", "blobs", "spirals", "quadrants", "yinyang")
TEXTS = ("names",)
FILES = (".csv", ".npz", ".txt")
MODELS = ("mlp", "cnn", "gpt")
SAVE_EXTENSIONS = (".npz", ".safetensors")
SHARDS = 8  # under mpiexec
SAVE_EVERY = 1.0  # seconds; a checkpoint is written after an epoch, but not more often


def add_commands(commands: Any) -> None:
    """Add the arguments of the three commands."""
    add_train(commands)
    predict = commands.add_parser(
        "predict",
        help="what a trained network makes of the rows of a file",
        description="Print a line for each row of FILE: its class and how probable that is, or"
        " the number that is predicted; of a network for texts lines that it makes, which begin"
        " as those of FILE if there is one.",
    )
    add = predict.add_argument
    add("model", metavar="MODEL", help="what `train --save` has written")
    text = "inputs: .csv, or .npz with an array x; of a text .txt with beginnings of lines"
    add("file", metavar="FILE", nargs="?", help=text)
    for name, kind, default, text in (
        ("--count", whole(1), "10", "lines to make, where there is no FILE"),
        ("--length", whole(1), "200", "the most characters of a line"),
        ("--temperature", positive_real, "1", "below 1 the likely is made likelier"),
        ("--seed", whole(1, MAX_SEED), "42", "seed of the draws, 1 to 2^64-1"),
    ):
        add(name, type=kind, default=default, metavar="N", help=f"of texts: {text} [%(default)s]")
    predict.set_defaults(run=run_predict)
    show = commands.add_parser(
        "show",
        help="what a file of weights holds",
        description="List the arrays and other data in a .npz or .safetensors file.",
    )
    show.add_argument("file", metavar="FILE", help="a .npz or .safetensors file")
    show.set_defaults(run=run_show)


def add_train(commands: Any) -> None:
    """Add the arguments of `pymicrograd train`."""
    train = commands.add_parser(
        "train",
        help="train a network on a data set or a file",
        description="Train a network of Tensors on 80 % of a data set, print the losses of every"
        " epoch and the accuracy of the 10 % that were kept for the test.",
    )
    add = train.add_argument
    text = f"{' '.join(DATA)}, a .csv file whose last column is the target, a .npz file with x"
    text += f" and y, a folder with MNIST's files; texts: {' '.join(TEXTS)}, a .txt file"
    text += " [%(default)s]"
    add("--data", default="moons", metavar="DATA", help=text)
    add("--model", choices=MODELS, help="network [gpt for texts, otherwise mlp]")
    add("--optimizer", choices=("adam", "sgd"), default="adam", help="[%(default)s]")
    for name, kind, default, text in (
        ("--points", whole(10), "500", "points of a data set that is made"),
        ("--epochs", whole(1), "50", "how often all examples are seen"),
        ("--batch", whole(1), "32", "examples in a batch"),
        ("--weight-decay", real, "0", "weight decay"),
        ("--dropout", share, "0", "share of hidden numbers that is dropped"),
        ("--seed", whole(1, MAX_SEED), "42", "seed of data, weights and order, 1 to 2^64-1"),
    ):
        add(name, type=kind, default=default, metavar="N", help=f"{text} [%(default)s]")
    add("--layers", type=layer_sizes, metavar="N", help="sizes of the hidden layers: 16,16")
    for name, default, text in (
        ("--block", "32", "characters that it sees"),
        ("--width", "32", "numbers for a character"),
        ("--heads", "4", "heads of attention"),
        ("--depth", "2", "layers"),
    ):
        add(name, type=whole(1), default=default, metavar="N", help=f"gpt: {text} [%(default)s]")
    text = "cut every batch into N shards, which the ranks of mpiexec share [mpiexec: 8]"
    add("--shards", type=whole(1), metavar="N", help=text)
    add("--lr", type=positive_real, metavar="N", help="learning rate [adam: 0.005, sgd: 0.1]")
    add("--save", metavar="FILE", help="write a checkpoint, .npz or .safetensors, while training")
    add("--resume", metavar="FILE", help="go on from a checkpoint, with its settings and data")
    add("--plot", metavar="FILE", help="draw losses and regions: .png .svg .pdf .jpg")
    add("--log", metavar="FOLDER", help="write losses for TensorBoard; wants tensorboardX")
    add("--progress", action="store_true", help="show a bar from the start, on any stderr")
    train.set_defaults(run=run_train)


def share(text: str) -> float:
    """Convert a number from 0 to below 1."""
    number = real(text)
    if number >= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not below 1")
    return number


# ---- pymicrograd train -------------------------------------------------------------------------


def mistake(message: str, command: str = "train", status: int = 2) -> CommandError:
    """Return the error for arguments that cannot work."""
    return CommandError(f"pymicrograd {command}", message, status)


def run_train(arguments: argparse.Namespace, output: Output) -> int:
    """Train, print, and write the files asked for; of several ranks the first one does it."""
    rank = number_among_ranks()
    check_files(arguments)
    fit = prepared(arguments)
    if rank:
        output = Unread()
        arguments.save = arguments.plot = arguments.log = None
        arguments.progress = False
    seconds, saved = 0.0, time.monotonic()
    with logging(arguments.log) as writer:
        output.line(description(fit.settings, fit))
        started = time.perf_counter()
        for line in shown(fit, arguments):
            seconds += time.perf_counter() - started
            output.line(line)
            if writer is not None:
                writer.add_scalar("loss/train", fit.train_losses[-1], fit.epoch)
                writer.add_scalar("loss/val", fit.val_losses[-1], fit.epoch)
            if arguments.save and time.monotonic() - saved > SAVE_EVERY:
                fit.save(arguments.save)
                saved = time.monotonic()
            started = time.perf_counter()
    report(fit, seconds, output)
    if arguments.save:
        fit.save(arguments.save)
        output.line(f"checkpoint: {arguments.save}")
    if arguments.plot:
        plot(fit, arguments.plot)
        output.line(f"plot: {arguments.plot}")
    return 0


def check_files(arguments: argparse.Namespace) -> None:
    """Raise CommandError for what could not be read or written, before any work."""
    extension = os.path.splitext(arguments.data)[1].lower()
    known = arguments.data in (*DATA, *TEXTS) or os.path.isdir(arguments.data)
    if not known and extension not in FILES:
        names = ", ".join((*DATA, *TEXTS))
        raise mistake(
            f"--data {arguments.data}: none of {names}, a .csv, .npz or .txt file, or a folder "
            "with MNIST's files"
        )
    if arguments.model is None:
        is_text = arguments.data in TEXTS or extension == ".txt"
        arguments.model = "gpt" if is_text else "mlp"
    for option, path, extensions in (
        ("--save", arguments.save, SAVE_EXTENSIONS),
        ("--plot", arguments.plot, PLOT_EXTENSIONS),
    ):
        if path is not None:
            check_target(option, path, extensions, "train")
    if arguments.plot:
        check_import("--plot", "matplotlib.figure", "matplotlib", "train")
    if arguments.progress:
        check_import("--progress", "tqdm", "tqdm", "train")
    if arguments.save and arguments.save.lower().endswith(".safetensors"):
        check_import("--save", "safetensors.numpy", "safetensors", "train")


def logging(folder: str | None) -> Any:
    """Return a context with a writer of TensorBoard's files, or with None.

    Raises:
        CommandError: no library is installed that writes them, or the folder cannot be made.
    """
    if folder is None:
        return nullcontext()
    from ..utils.tensorboard import SummaryWriter

    try:
        return SummaryWriter(folder)
    except (ImportError, OSError) as error:
        raise mistake(f"--log {folder}: {describe(error)}") from error


def prepared(arguments: argparse.Namespace) -> Fit:
    """Return a run that is ready, or raise CommandError for what cannot work."""
    from .fitting import Fit, Settings, checkpoint_of

    saved = None
    names = Settings.__dataclass_fields__
    settings = Settings(**{name: getattr(arguments, name) for name in names})
    try:
        if arguments.resume is not None:
            settings, saved = checkpoint_of(arguments.resume)
        return Fit(among_ranks(settings, arguments.resume), saved)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise mistake(describe(error)) from error
    except ImportError as error:
        raise mistake(str(error)) from error


def number_among_ranks() -> int:
    """Return the number of this process, if mpiexec has started it; 0 if not.

    From then on the other ranks are told when this one ends.
    """
    from ..distributed.group import get_rank, is_started_by_mpiexec

    try:
        return get_rank() if is_started_by_mpiexec() else 0
    except ImportError as error:
        raise mistake(str(error), status=1) from error


def among_ranks(settings: Settings, resumed: str | None) -> Settings:
    """Return settings with shards, if mpiexec has started this process.

    Raises:
        ValueError: several ranks shall go on with a run that is not cut into shards.
    """
    from ..distributed.group import get_world_size, is_started_by_mpiexec

    if settings.shards is not None or not is_started_by_mpiexec():
        return settings
    if resumed is None:
        return replace(settings, shards=SHARDS)
    if get_world_size() > 1:
        raise ValueError(
            f"{resumed}: a run without --shards goes on in one process, not in several"
        )
    return settings


class Unread(Output):
    """The output of a rank that says nothing, for another one does."""

    def line(self, text: str = "") -> None:
        """Drop a line."""


def description(settings: Settings, fit: Fit) -> str:
    """Say in a line what is learnt from what."""
    sizes = ", ".join(f"{len(y)} {part}" for part, (_, y) in fit.parts.items())
    count = sum(p.numel() for p in fit.model.parameters())
    data = os.path.basename(os.path.normpath(settings.data))
    return f"{data}: {sizes}; {settings.model} of {count} parameters, seed {settings.seed}"


def shown(fit: Fit, arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of a run; show a bar after a second, if stderr is a terminal.

    Raises:
        CommandError: the numbers left what a float can hold.
    """
    tqdm = importlib.import_module("tqdm").tqdm if arguments.progress else progress_bar()
    bar, started = None, time.monotonic()
    total, first = (epochs * len(fit.loader) for epochs in (arguments.epochs, fit.epoch))

    def each(batches: int) -> None:
        nonlocal bar
        late = arguments.progress or time.monotonic() - started > PROGRESS_DELAY
        if tqdm is not None and bar is None and late:
            options = {"desc": "training", "unit": "batch", "leave": False}
            bar = tqdm(total=total, initial=first, **options)
        if bar is not None:
            bar.update(batches - bar.n)

    try:
        for line in fit.run(arguments.epochs, each):
            if bar is not None:
                bar.clear()
            if fit.train_losses[-1] != fit.train_losses[-1]:
                raise mistake(f"the training diverged in epoch {fit.epoch}", status=1)
            yield line
    finally:
        if bar is not None:
            bar.close()


def report(fit: Fit, seconds: float, output: Output) -> None:
    """Print what the test says, and the time."""
    loss, right = fit.measure("test")
    count = fit.parts["test"][1].numel()
    if right is None:
        output.line(f"test loss: {loss:.6f}, of {count} examples")
    else:
        output.line(f"test accuracy: {round(right * count)} of {count} ({100.0 * right:.1f} %)")
    output.line(f"time: {duration(seconds)}")


def plot(fit: Fit, path: str) -> None:
    """Draw losses and, of classes in the plane, regions."""
    from ..pictures.training import plot_losses, plot_training, save_figure

    val = {i + 1: loss for i, loss in enumerate(fit.val_losses)}
    name = os.path.basename(os.path.normpath(fit.settings.data))
    title = f"{name}, {fit.settings.model}, {fit.epoch} epochs"
    in_the_plane = fit.shape == (2,) and fit.settings.model != "gpt"
    if not in_the_plane or fit.examples.classes is None:
        figure = plot_losses(fit.train_losses, val, title)
    else:
        splits = {
            part: list(zip((x * fit.deviation + fit.mean).tolist(), y.tolist(), strict=True))
            for part, (x, y) in fit.parts.items()
        }
        figure = plot_training(fit.logits, splits, fit.train_losses, val, title, "epoch")
    save_figure(figure, path)


# ---- pymicrograd predict, pymicrograd show -----------------------------------------------------


def run_predict(arguments: argparse.Namespace, output: Output) -> int:
    """Print what a network makes of each row of a file."""
    from .fitting import lines_said, predictions

    file = arguments.file
    if file is not None and not file.lower().endswith(".txt"):
        lines = predictions(arguments.model, file)
    else:
        drawing = arguments.count, arguments.length, arguments.temperature, arguments.seed
        lines = lines_said(arguments.model, file, *drawing)
    try:
        for line in lines:
            output.line(line)
            if output.closed:
                break
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise mistake(describe(error), "predict") from error
    return 0


def run_show(arguments: argparse.Namespace, output: Output) -> int:
    """List what a file holds."""
    from ..saving.objects import load

    try:
        content = load(arguments.file)
    except (OSError, ValueError) as error:
        raise mistake(describe(error), "show") from error
    rows = list(entries(content, ()))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    for name, kind, what in rows:
        output.line(f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {what}".rstrip())
    arrays = list(tensors_in(content))
    elements = sum(x.numel() for x in arrays)
    size = sum(x.numel() * x.dtype.itemsize for x in arrays)
    output.line(f"{len(arrays)} arrays, {elements} numbers, {size} bytes")
    return 0


def tensors_in(x: Any) -> Iterator[Any]:
    """Yield the Tensors in a container."""
    if hasattr(x, "numel"):
        yield x
    elif isinstance(x, Mapping):
        for part in x.values():
            yield from tensors_in(part)
    elif isinstance(x, (list, tuple)):
        for part in x:
            yield from tensors_in(part)


def entries(x: Any, path: tuple[Any, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield the name, kind and value of all that there is in a container."""
    name = ".".join(map(str, path)) or "(all)"
    if hasattr(x, "numel"):
        shape = " x ".join(map(str, x.shape)) or "number"
        yield name, f"{x.dtype.name} {shape}", span(x)
    elif isinstance(x, Mapping) and x:
        for key, part in x.items():
            yield from entries(part, (*path, key))
    elif isinstance(x, (list, tuple)) and list(tensors_in(x)):
        for i, part in enumerate(x):
            yield from entries(part, (*path, i))
    else:
        text = repr(x)
        yield name, type(x).__name__, text if len(text) <= 60 else f"{text[:57]}..."


def span(x: Any) -> str:
    """Return the smallest and the largest element as text."""
    if not x.numel():
        return ""
    if x.dtype.name == "bool":
        return f"{int(x.sum().item())} of {x.numel()} true"
    low, high = x.min().item(), x.max().item()
    return f"{low:.6g}" if x.numel() == 1 else f"{low:.6g} to {high:.6g}"
