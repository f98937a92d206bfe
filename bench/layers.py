"""Layers and losses of tensors: forward and backward, in float32, against PyTorch.

A case is a line of Python that both libraries run as it stands, on arrays that are there before; a
turn runs the line, passes a gradient back from its result, and drops the gradients that this left.
Each layer has three sizes, one thread and two. A step is told in the wall's time and in the
processor's, of the line alone and of both: memory that is given back and fetched anew in each step
shows in the first only, other programs of the machine too.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from . import engines
from .engines import C_ENGINE, NUMPY, TORCH
from .report import Report, figure, geometric_mean, pair, ratio
from .runner import Contest, Contestant, Effort, Measured, Times, contest
from .worker import Job

SAMPLE = 256  # elements that are compared, of the result and of each gradient
TOLERANCE = 5e-3  # relative to the largest element; elements near 0 have an error of all terms
TURNS_SECONDS = 1e-3  # of a step, at least
HEAVY = 1 << 20  # elements of the arrays of a case of which fewer steps are timed

Shape = tuple[int, ...]


class Below(NamedTuple):
    """An array of integers from 0 to limit - 1, which has no gradient."""

    shape: Shape
    limit: int


Arrays = dict[str, Shape | Below]


class Layer(NamedTuple):
    """A line and the shapes of its arrays for each of its sizes.

    Attributes:
        line: may use the arrays, `functional`, and `lib`, the library.
        sizes: what `arrays` is called with.
    """

    line: str
    arrays: Callable[..., Arrays]
    sizes: tuple[Shape, ...]


def elementwise(line: str) -> Layer:
    """Return a function of each element."""
    return Layer(line, lambda *shape: {"x": shape}, ((1_000,), (100, 1_000), (2_000, 2_000)))


def rows(line: str, **parameters: int) -> Layer:
    """Return a function of rows; parameters have a row's shape."""
    return Layer(
        line,
        lambda n, c: {"x": (n, c), **dict.fromkeys(parameters, (c,))},
        ((64, 32), (512, 256), (4_096, 1_024)),
    )


def channels(line: str) -> Layer:
    """Return a function of (N, C, ...) with a weight and a bias for each channel."""
    return Layer(
        line,
        lambda *shape: {"x": shape, "w": shape[1:2], "b": shape[1:2]},
        ((32, 128), (32, 16, 14, 14), (32, 64, 28, 28)),
    )


def images(line: str, sizes: tuple[Shape, ...]) -> Layer:
    """Return a pooling of images (N, C, H, W)."""
    return Layer(line, lambda *shape: {"x": shape}, sizes)


def loss(line: str, classes: bool) -> Layer:
    """Return a loss of logits and classes, or of two arrays."""
    sizes = ((80, 3), (512, 1_000), (4_096, 1_000))
    return Layer(
        line, lambda n, c: {"x": (n, c), "t": Below((n,), c) if classes else (n, c)}, sizes
    )


IMAGES = ((8, 1, 12, 12), (32, 16, 28, 28), (32, 64, 56, 56))
ATTENTION = (
    "(lambda q, k, v: functional.softmax(q @ k.transpose(-2, -1) / x.shape[2], dim=-1) @ v)"
    "(*[(x @ w).reshape(x.shape[0], x.shape[1], 8, -1).transpose(1, 2) for w in (a, b, c)])"
)
PARTS = [f"x{i}" for i in range(16)]

LAYERS = {
    "linear": Layer(
        "functional.linear(x, w, b)",
        lambda n, i, o: {"x": (n, i), "w": (o, i), "b": (o,)},
        ((80, 2, 8), (128, 784, 512), (1_024, 1_024, 1_024)),
    ),
    "conv2d": Layer(
        "functional.conv2d(x, w, b, padding=1)",
        lambda n, c, s, o: {"x": (n, c, s, s), "w": (o, c, 3, 3), "b": (o,)},
        ((8, 1, 12, 4), (32, 16, 28, 32), (32, 64, 56, 64)),
    ),
    "max_pool2d": images("functional.max_pool2d(x, 2)", IMAGES),
    "max_pool2d, 3 by 3": images("functional.max_pool2d(x, 3, 2, 1)", IMAGES),
    "avg_pool2d": images("functional.avg_pool2d(x, 2)", IMAGES),
    "layer_norm": rows("functional.layer_norm(x, w.shape, w, b)", w=1, b=1),
    "rms_norm": rows("functional.rms_norm(x, w.shape, w, 1e-5)", w=1),
    "batch_norm": channels("functional.batch_norm(x, None, None, w, b, True)"),
    "group_norm": channels("functional.group_norm(x, 4, w, b)"),
    "softmax": rows("functional.softmax(x, dim=1)"),
    "log_softmax": rows("functional.log_softmax(x, dim=1)"),
    "attention": Layer(
        ATTENTION,
        lambda n, t, c: {"x": (n, t, c), "a": (c, c), "b": (c, c), "c": (c, c)},
        ((2, 16, 32), (8, 64, 64), (8, 256, 256)),
    ),
    "attention of 4 heads": Layer(
        "functional.scaled_dot_product_attention(q, k, v)",
        lambda *shape: dict.fromkeys("qkv", shape),
        ((2, 4, 16, 8), (32, 4, 64, 64), (4, 4, 512, 64)),
    ),
    "embedding": Layer(
        "w[i]",
        lambda n, t, v, c: {"w": (v, c), "i": Below((n, t), v)},
        ((8, 8, 27, 16), (64, 32, 256, 64), (64, 256, 16_384, 256)),
    ),
    "relu": elementwise("functional.relu(x)"),
    "tanh": elementwise("lib.tanh(x)"),
    "sigmoid": elementwise("lib.sigmoid(x)"),
    "gelu": elementwise("functional.gelu(x)"),
    "silu": elementwise("functional.silu(x)"),
    "exp": elementwise("lib.exp(x)"),
    "cross_entropy": loss("functional.cross_entropy(x, t)", True),
    "mse_loss": loss("functional.mse_loss(x, t)", False),
    "gather": Layer(
        "x.gather(1, i)",
        lambda n: {"x": (n, n), "i": Below((n, n), n)},
        ((32,), (512,), (2_000,)),
    ),
    "gather of columns": Layer(
        "x.gather(0, i)",
        lambda n: {"x": (n, n), "i": Below((n, n), n)},
        ((32,), (512,), (2_000,)),
    ),
    "scatter_add": Layer(
        "x.scatter_add(1, i, s)",
        lambda n: {"x": (n, n), "s": (n, n), "i": Below((n, n), n)},
        ((32,), (512,), (2_000,)),
    ),
    "index_add": Layer(
        "x.index_add(0, i, s)",
        lambda n, m, c: {"x": (n, c), "s": (m, c), "i": Below((m,), n)},
        ((32, 64, 1), (512, 4_096, 64), (10_000, 1_000_000, 1)),
    ),
    "index_select": Layer(
        "x.index_select(1, i)",
        lambda n, m: {"x": (n, m), "i": Below((m,), m)},
        ((32, 32), (512, 512), (2_000, 2_000)),
    ),
    "cumsum": rows("x.cumsum(1)"),
    "cumsum of columns": rows("x.cumsum(0)"),
    "sum of rows": Layer("x.sum(1)", lambda n: {"x": (n, n)}, ((32,), (300,), (1_000,))),
    "sum of columns": Layer("x.sum(0)", lambda n: {"x": (n, n)}, ((32,), (300,), (1_000,))),
    "x * column": Layer(
        "x * c",
        lambda n, m: {"x": (n, m), "c": (n, 1)},
        ((32, 16), (1_000, 64), (100_000, 64)),
    ),
    "cat of 16": Layer(
        f"-lib.cat([{', '.join(PARTS)}])",
        lambda n, m: dict.fromkeys(PARTS, (n, m)),
        ((4, 4), (64, 64), (256, 1_024)),
    ),
    "unbind and cat": Layer(
        "-lib.cat(list(x.unbind(0)))",
        lambda n, m, k: {"x": (n, m, k)},
        ((64, 1, 8), (256, 16, 64), (256, 64, 256)),
    ),
    "cat of columns": Layer(
        "-lib.cat([x, y], 1)",
        lambda n, m: {"x": (n, m), "y": (n, m)},
        ((8, 4), (512, 64), (4_096, 512)),
    ),
    "transpose": Layer(
        "x.transpose(1, 2).reshape(x.shape[0], -1)",
        lambda n, m, k: {"x": (n, m, k)},
        ((4, 8, 8), (16, 64, 64), (32, 256, 256)),
    ),
    "product and sum": Layer(
        "((x * y + x).relu() * y).sum()",
        lambda *shape: {"x": shape, "y": shape},
        ((32, 32), (300, 1_000), (2_000, 2_000)),
    ),
}  # fmt: skip


# ---- what a contestant does ----------------------------------------------------------------------


def both_clocks() -> tuple[float, float]:
    """Return the time of the wall and of the processor."""
    return time.perf_counter(), time.process_time()


def numbers_of(numpy: Any, arrays: Arrays) -> dict[str, Any]:
    """Return NumPy's arrays by name."""
    rng = numpy.random.default_rng(42)
    made = {}
    for name, wanted in arrays.items():
        if isinstance(wanted, Below):
            made[name] = rng.integers(0, wanted.limit, wanted.shape)
        else:
            made[name] = rng.standard_normal(wanted).astype("float32")
    return made


def arrays_of(case: str) -> tuple[Layer, Arrays]:
    """Return the layer that a case names, and its arrays."""
    name, size = json.loads(case)
    layer = LAYERS[name]
    return layer, layer.arrays(*size)


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant; the case is the name of a layer and one of its sizes."""
    layer, arrays = arrays_of(case)
    numpy, lib = engines.load(NUMPY), engines.load(engine)
    functional = lib.nn.functional if engine == TORCH else lib.functional
    own = {name: lib.tensor(x) for name, x in numbers_of(numpy, arrays).items()}
    leaves = [x.requires_grad_() for name, x in own.items() if not isinstance(arrays[name], Below)]
    line = eval(f"lambda: {layer.line}", {"functional": functional, "lib": lib, **own})
    shape = tuple(line().shape)
    seed = lib.tensor(numpy.random.default_rng(7).standard_normal(shape).astype("float32"))

    def turn() -> Any:
        result = line()
        result.backward(seed)
        return result

    def forget() -> None:
        for leaf in leaves:
            leaf.grad = None

    def step_of(count: int) -> list[float]:
        start = both_clocks()
        for _ in range(count):
            line()
        middle = both_clocks()
        for _ in range(count):
            turn()
            forget()
        end = both_clocks()
        forward = [(b - a) / count for a, b in zip(start, middle, strict=True)]
        return [*((b - a) / count for a, b in zip(middle, end, strict=True)), *forward]

    step_of(1)
    count = max(1, math.ceil(TURNS_SECONDS / sum(step_of(1)[::2])))

    def digits() -> list[float]:
        result = turn()
        found = [x for leaf in (result.detach(), *(x.grad for x in leaves)) for x in sample(leaf)]
        forget()
        return found

    def sample(x: Any) -> list[float]:
        flat = numpy.asarray(x).ravel()
        scale = float(abs(flat).max()) or 1.0
        places = numpy.linspace(0, flat.size - 1, min(flat.size, SAMPLE)).astype(int)
        return [float(x) / scale for x in flat[places]]

    return Job(lambda: step_of(count), digits)


# ---- the tables ----------------------------------------------------------------------------------

PHASES = ("wall", "CPU", "forward, wall", "forward, CPU")
Results = dict[str, dict[Contestant, Measured]]


def measure(opened: Contest, layers: Iterable[str], effort: Effort) -> Results:
    """Measure layers in their sizes, large ones in fewer steps."""
    large = dataclasses.replace(effort, warmup=1, steps=max(4, effort.steps // 3), rounds=4)
    results: Results = {}
    for name in layers:
        for size in LAYERS[name].sizes:
            case = json.dumps([name, size])
            arrays = arrays_of(case)[1].values()
            counts = [math.prod(a.shape if isinstance(a, Below) else a) for a in arrays]
            heavy = sum(counts) > HEAVY
            results[f"{name} {' x '.join(map(str, size))}"] = opened.measure(
                case, None, TOLERANCE, large if heavy else effort, (True,)
            )
    return results


def times_of(measured: dict[Contestant, Measured], contestant: Contestant) -> list[Times]:
    """Return the times of the phases of a contestant."""
    return measured[contestant][True]


def table(report: Report, results: Results, ours: Contestant, other: Contestant) -> None:
    """Print a row for each case: our time, and how many times another's it is in each phase."""
    rows = []
    for name, measured in results.items():
        if other not in measured:
            continue
        own, others = times_of(measured, ours), times_of(measured, other)
        ratios = [ratio(a, b) for a, b in zip(own, others, strict=True)]
        rows.append([name, pair(own[0], 1e-6), *ratios])
    if not rows:
        return
    means = [mean(results, ours, other, phase) for phase in range(len(PHASES))]
    rows.append(["geometric mean", "", *means])
    report.table(["us, minimum / median", "ours, wall", *PHASES], rows)


def mean(results: Results, ours: Contestant, other: Contestant, phase: int) -> str:
    """Return the mean of the ratios of a phase, by minimum and by median."""
    pairs = [
        (times_of(x, ours)[phase], times_of(x, other)[phase])
        for x in results.values()
        if other in x
    ]
    by_minimum = geometric_mean(a.minimum / b.minimum for a, b in pairs)
    by_median = geometric_mean(a.median / b.median for a, b in pairs)
    return f"{figure(by_minimum)} / {figure(by_median)}"


def run(report: Report, effort: Effort) -> None:
    """Print a table for one thread and one for two."""
    report.say(
        "Forward and backward, then forward alone: how many times as long ours takes as torch's,"
        f" in the wall's time and in the processor's, by minimum and by median. {SAMPLE} elements"
        f" of the result and of each gradient agree to {TOLERANCE:g} before; ours with one and"
        " with two threads to the bit."
    )
    missing: list[str] = []
    pairs = [[Contestant(engine, "", n) for engine in (C_ENGINE, TORCH)] for n in (1, 2)]
    with contest("layers", [c for both in pairs for c in both], effort) as opened:
        results = measure(opened, LAYERS, effort)
        missing += opened.missing.values()
    for ours, other in pairs:
        report.say(f"{ours.threads} thread{'s' * (ours.threads > 1)}:")
        table(report, results, ours, other)
    report.missing(missing)
