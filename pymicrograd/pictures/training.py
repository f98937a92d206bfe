"""Figures of a training run: decision regions, the loss curve, or both. Needs matplotlib.

It is drawn without pyplot, so no window system is asked and no global state is left. The same
run gives the same file.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_losses", "plot_regions", "plot_training", "save_figure"]

Logits = Callable[[Sequence[Sequence[float]]], Sequence[Sequence[float]]]
Splits = Mapping[str, Sequence[tuple[Sequence[float], int]]]

# Paul Tol's bright scheme, which colour-blind readers can tell apart.
CLASS_COLORS = ("#4477AA", "#CC6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377")
MARKERS = {"train": ("o", 26), "val": ("s", 40), "test": ("^", 52)}
GRID = 120
INK = "#333333"
DATE_FIELD = {".svg": "Date", ".pdf": "CreationDate"}


def _new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"figures need matplotlib: pip install 'pymicrograd[viz]' ({error})"
        ) from error
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def plot_training(
    logits: Logits,
    splits: Splits,
    train_losses: Sequence[float],
    val_losses: Mapping[int, float],
    title: str = "",
    unit: str = "step",
) -> Figure:
    """Draw decision regions with the points on top, and the loss of every step.

    Args:
        logits: maps points of shape (n, 2) to outputs of shape (n, classes).
        splits: points and their classes by name: "train", "val", "test".
        train_losses: one loss a step.
        val_losses: loss by step.
        title: a line above both.
        unit: what a loss is of.
    """
    figure = _new_figure(10.5, 5.2)
    regions, curve = figure.subplots(1, 2, width_ratios=(1, 1.1))
    _draw_regions(regions, logits, splits)
    _draw_points(regions, splits)
    _draw_losses(curve, train_losses, val_losses, unit)
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    return figure


def plot_regions(model: Any, x: Any, y: Any, title: str = "", threshold: float = 0.0) -> Figure:
    """Draw where a network sees which class, and points of known classes on top.

    Args:
        model: maps points to scores, one for each class, or one that is above threshold for
            class 1: Tensors (n, 2) to (n, classes), (n, 1) or (n,), or lists to lists of Values.
        x: points, a Tensor (n, 2), or pairs of numbers for a network of Values.
        y: their classes.
        title: a line above.
        threshold: of a single score, such as 0.5 behind a sigmoid.
    """
    from .._core import no_grad
    from ..tensors.conversion import as_tensor

    takes_tensors = hasattr(x, "dtype")
    kind = as_tensor(x).dtype if takes_tensors else None

    def logits(points: Any) -> Any:
        with no_grad():
            found = model(as_tensor(points, dtype=kind) if takes_tensors else points)
        rows = found.tolist() if takes_tensors else found
        return [_scores(row, threshold) for row in rows]

    figure = _new_figure(5.6, 5.6)
    axes = figure.subplots()
    points, classes = (part.tolist() if hasattr(part, "tolist") else part for part in (x, y))
    splits = {"points": list(zip(points, map(int, classes), strict=True))}
    _draw_regions(axes, logits, splits)
    _draw_points(axes, splits)
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    return figure


def _scores(row: Any, threshold: float) -> list[float]:
    """Return the scores of all classes, as numbers."""
    found = row if isinstance(row, list) else [row]
    scores: list[Any] = [getattr(score, "data", score) for score in found]
    return scores if len(scores) > 1 else [threshold, *scores]


def plot_losses(
    train_losses: Sequence[float],
    val_losses: Mapping[int, float] | None = None,
    title: str = "",
    unit: str = "epoch",
) -> Figure:
    """Draw losses alone; arguments are as for `plot_training`."""
    figure = _new_figure(6.0, 4.5)
    axes = figure.subplots()
    _draw_losses(axes, train_losses, val_losses or {}, unit)
    axes.set_ylabel("loss")
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    return figure


def save_figure(figure: Figure, path: str) -> None:
    """Write a figure in the format that the file's extension names, whole or not at all."""
    import matplotlib

    from ..files import replacing

    extension = os.path.splitext(path)[1].lower()
    metadata = {DATE_FIELD[extension]: None} if extension in DATE_FIELD else None
    with replacing(path) as file, matplotlib.rc_context({"svg.hashsalt": "pymicrograd"}):
        figure.savefig(file, format=extension[1:], dpi=150, metadata=metadata)


def _draw_regions(axes: Axes, logits: Logits, splits: Splits) -> None:
    """Fill the plane with muted class colours, mixed by probability, and draw the borders."""
    import numpy as np
    from matplotlib.colors import to_rgb

    points = np.array([point for split in splits.values() for point, _ in split], dtype=float)
    low, high = points.min(axis=0), points.max(axis=0)
    half = 0.58 * float((high - low).max()) or 1.0  # a square, a little wider than the points
    low, high = (low + high) / 2.0 - half, (low + high) / 2.0 + half
    xs, ys = np.linspace(low[0], high[0], GRID), np.linspace(low[1], high[1], GRID)
    # One row at a time, so that a large network never holds the graph of the whole plane.
    scores = np.array([logits([(float(x), float(y)) for x in xs]) for y in ys])
    with np.errstate(invalid="ignore"):  # a training that diverged gives a grey plane
        exps = np.exp(scores - scores.max(axis=2, keepdims=True))
        shares = exps / exps.sum(axis=2, keepdims=True)
    colors = np.array([to_rgb(CLASS_COLORS[k % 6]) for k in range(shares.shape[2])])
    muted = 1.0 - 0.32 * (1.0 - shares @ colors)
    extent = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    axes.imshow(
        np.clip(np.nan_to_num(muted, nan=0.9), 0.0, 1.0),
        origin="lower", extent=extent, interpolation="bilinear", aspect="equal",
    )  # fmt: skip
    for k in range(scores.shape[2]):
        lead = scores[:, :, k] - np.delete(scores, k, axis=2).max(axis=2)
        if np.isfinite(lead).all() and lead.min() < 0.0 < lead.max():
            axes.contour(xs, ys, lead, levels=[0.0], colors=INK, linewidths=0.7, alpha=0.6)
    axes.set(xlim=extent[:2], ylim=extent[2:], xlabel="x", ylabel="y")
    axes.set_title("decision regions", fontsize=11, color=INK)


def _draw_points(axes: Axes, splits: Splits) -> None:
    """Draw every point: its class as colour, its split as shape."""
    from matplotlib.lines import Line2D

    shapes: list[Any] = []
    for name, points in splits.items():
        marker, area = MARKERS.get(name, ("o", 26))
        edge = "black" if name in ("val", "test") else "white"
        axes.scatter(
            [point[0] for point, _ in points],
            [point[1] for point, _ in points],
            c=[CLASS_COLORS[label % 6] for _, label in points],
            marker=marker, s=area, edgecolors=edge, linewidths=0.8, zorder=3,
        )  # fmt: skip
        shape = Line2D([], [], linestyle="", color="#888888", label=f"{name} ({len(points)})")
        shape.set(marker=marker, markersize=math.sqrt(area), markeredgecolor=edge)
        shapes.append(shape)
    colors = [
        Line2D([], [], linestyle="", marker="o", color=CLASS_COLORS[k % 6], label=f"class {k}")
        for k in sorted({label for points in splits.values() for _, label in points})
    ]
    # A legend fills its columns first: shapes in the upper row, colours in the lower.
    pairs = itertools.zip_longest(shapes, colors)
    axes.legend(
        handles=[handle for pair in pairs for handle in pair if handle],
        loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3,
        frameon=False, fontsize=9, handletextpad=0.3, columnspacing=1.2,
    )  # fmt: skip


def _draw_losses(
    axes: Axes, train_losses: Sequence[float], val_losses: Mapping[int, float], unit: str
) -> None:
    """Draw training and validation loss over the steps, on a logarithmic axis where they allow."""
    first = 0 if unit == "step" else 1  # a step's loss is that before it, an epoch's is of it
    steps = range(first, first + len(train_losses))
    axes.plot(steps, train_losses, color=INK, linewidth=1.8, label="train")
    if val_losses:
        axes.plot(
            list(val_losses), list(val_losses.values()), color="#EE7733", linewidth=1.2,
            marker="s", markersize=4.5, markeredgecolor="white", label="val",
        )  # fmt: skip
    if any(0.0 < loss < math.inf for loss in (*train_losses, *val_losses.values())):
        axes.set_yscale("log", nonpositive="mask")
    axes.set(xlabel=unit, ylabel="mean cross-entropy" if unit == "step" else "loss")
    axes.set_title("loss", fontsize=11, color=INK)
    axes.grid(True, which="major", color="#DDDDDD", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
