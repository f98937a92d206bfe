"""Op by op: what it costs to record one and drop it, and to run backward from it as well.

A case is a line of Python on two Values, or on lists of them for the bulk functions, which the C
engine records in one call and the others in loops. It runs in a loop of `timeit`, whose 10 to 20
ns a turn are part of what is printed. torch's scalars are tensors of no dimension in float64.
"""

from __future__ import annotations

import gc
import importlib
import timeit
from collections.abc import Sequence
from typing import Any

from . import engines
from .engines import C_ENGINE, MICROGRAD, REFERENCE, TORCH, Missing
from .report import Report, figure, pair
from .runner import COLLECTOR, Contest, Contestant, Effort, Measured, contest
from .train import plain_cross_entropy, plain_logits, plain_network
from .worker import Job, clock

TURNS, BULK_TURNS = 1000, 50
A, B = 0.7390851332151607, 1.3247179572447460
WIDTH = 27  # of the lists that bulk functions take

# The line for Values, and torch's where it is another.
SCALARS = {
    "a + b": "",
    "a * b": "",
    "a - b": "",
    "a / b": "",
    "-a": "",
    "a + 2.0": "",
    "2.0 * a": "",
    "1.0 - a": "",
    "2.0 / a": "",
    "a**3": "",
    "a.relu()": "",
    "a.tanh()": "",
    "a.exp()": "",
    "a.log()": "",
    "a**b": "",
    "2.0**a": "",
    "a.sqrt()": "",
    "a.sin()": "",
    "a.cos()": "",
    "a.expm1()": "",
    "a.log1p()": "",
    "a.sigmoid()": "",
    "a.softplus()": "functional.softplus(a)",
    "a.silu()": "functional.silu(a)",
    "a.gelu()": "functional.gelu(a)",
    "a.gelu('tanh')": "functional.gelu(a, approximate='tanh')",
    "a.erf()": "",
    "abs(a)": "",
    "a.maximum(b)": "",
    "a.minimum(b)": "",
}
BULK = {
    "sum(xs)": "xs.sum()",
    "mean(xs)": "xs.mean()",
    "dot(xs, ys)": "xs.dot(ys)",
    "softmax(xs)[0]": "xs.softmax(0)[0]",
    "rmsnorm(xs)[0]": "functional.rms_norm(xs, xs.shape, eps=1e-5)[0]",
    "cross_entropy(xs, 3)": "functional.cross_entropy(xs, target)",
    "cross_entropy(model(inputs), 1)": "functional.cross_entropy(model(inputs), label)",
}
MICROGRAD_HAS = [*list(SCALARS)[:14], *BULK]  # what it has no op for is left out
FUNCTIONAL = {
    C_ENGINE: "pymicrograd.nn.functional",
    REFERENCE: "pymicrograd.reference.functional",
}
CONTESTANTS = tuple(map(Contestant, (C_ENGINE, REFERENCE, MICROGRAD, TORCH)))


def numbers(seed: int) -> list[float]:
    """Return numbers for a list, with full mantissas."""
    return [((i * seed) % 31 + 0.3) / 17.0 for i in range(WIDTH)]


# ---- the bulk functions in loops, for PyPI's micrograd -------------------------------------------


def dot(xs: Sequence[Any], ys: Sequence[Any]) -> Any:
    """Return the sum of products."""
    return sum(x * y for x, y in zip(xs, ys, strict=True))


def softmax(xs: Sequence[Any]) -> list[Any]:
    """Return the shares of exp(x)."""
    largest = max(x.data for x in xs)
    exponentials = [(x - largest).exp() for x in xs]
    total = sum(exponentials)
    return [e / total for e in exponentials]


def rmsnorm(xs: Sequence[Any]) -> list[Any]:
    """Return x divided by the root of its mean square."""
    scale = (sum(x * x for x in xs) / len(xs) + 1e-5) ** -0.5
    return [x * scale for x in xs]


# ---- the job -------------------------------------------------------------------------------------


def names_of_values(engine: str, module: Any) -> dict[str, Any]:
    """Return what a line may name, for an engine of Values."""
    value = module.Value
    names = {
        "a": value(A),
        "b": value(B),
        "xs": [value(x) for x in numbers(7)],
        "ys": [value(x) for x in numbers(11)],
        "inputs": [value(A), value(B)],
    }
    network = plain_network(value)
    if engine == MICROGRAD:
        functions: dict[str, Any] = {
            "sum": sum,
            "mean": lambda xs: sum(xs) / len(xs),
            "dot": dot,
            "softmax": softmax,
            "rmsnorm": rmsnorm,
            "cross_entropy": plain_cross_entropy,
            "model": lambda x: plain_logits(network, x),
        }
        return names | functions
    functional = importlib.import_module(FUNCTIONAL[engine])
    model = module.MLP(2, [16, 3])
    weights = [p for layer in network for ws, b in layer for p in (*ws, b)]
    for p, weight in zip(model.parameters(), weights, strict=True):
        p.data = weight.data
    functions = {
        name: getattr(functional, name)
        for name in ("sum", "mean", "dot", "softmax", "rmsnorm", "cross_entropy")
    }
    return names | functions | {"model": model}


def names_of_tensors(torch: Any) -> dict[str, Any]:
    """Return what a line may name, for torch."""

    def leaf(data: Any) -> Any:
        return torch.tensor(data, dtype=torch.float64, requires_grad=True)

    network = plain_network(float)
    functional = torch.nn.functional
    (w1, b1), (w2, b2) = (
        (leaf([ws for ws, _ in layer]), leaf([b for _, b in layer])) for layer in network
    )
    return {
        "functional": functional,
        "a": leaf(A),
        "b": leaf(B),
        "xs": leaf(numbers(7)),
        "ys": leaf(numbers(11)),
        "inputs": leaf([A, B]),
        "target": torch.tensor(3),
        "label": torch.tensor(1),
        "model": lambda x: functional.linear(torch.tanh(functional.linear(x, w1, b1)), w2, b2),
    }


def make(engine: str, form: str, case: str) -> Job:
    """Return the job of a contestant: its phases are recording, and recording with backward."""
    module = engines.load(engine)
    if engine == MICROGRAD and case not in MICROGRAD_HAS:
        raise Missing("")  # for no reason that a reader does not know
    line = case
    if engine == TORCH:
        names = names_of_tensors(module)
        line = (SCALARS | BULK)[case] or case
    else:
        names = names_of_values(engine, module)
    turns = BULK_TURNS if case in BULK else TURNS
    setup = {collect: "import gc; gc.enable()" if collect else "" for collect in COLLECTOR}
    timers = {
        collect: [
            timeit.Timer(line, setup[collect], clock, names),
            timeit.Timer(f"({line}).backward()", setup[collect], clock, names),
        ]
        for collect in COLLECTOR
    }

    def step() -> list[float]:
        return [timer.timeit(turns) / turns for timer in timers[gc.isenabled()]]

    return Job(step, lambda: digits_of(names, line))


def digits_of(names: dict[str, Any], line: str) -> list[float]:
    """Return the value of a line and the gradients of what it may have used."""
    kept: list[Any] = []
    timeit.Timer(f"kept.append({line})", globals={**names, "kept": kept}).timeit(1)
    (result,) = kept
    result.backward()
    leaves: list[Any] = [names["a"], names["b"]]
    for name in ("xs", "ys", "inputs"):
        leaves += [names[name]] if hasattr(names[name], "backward") else names[name]
    gradients: list[float] = []
    for leaf in leaves:
        gradients += gradients_of(leaf)
    return [float(result.data), *gradients]


def gradients_of(leaf: Any) -> list[float]:
    """Return the gradients that a Value or a tensor holds; where none has come, they are 0.0."""
    if not hasattr(leaf, "reshape"):
        return [float(leaf.grad)]
    gradients = leaf.detach() * 0.0 if leaf.grad is None else leaf.grad
    return [float(g) for g in gradients.reshape(-1)]


# ---- the tables ----------------------------------------------------------------------------------


def run(report: Report, effort: Effort) -> None:
    """Print tables of the ops, and of the bulk functions."""
    report.say(
        "Values and gradients are equal to the bit between C engine and reference, and agree to"
        f" {engines.TOLERANCE:g} with the others, where they take part. Behind a time stands how"
        " many times the C engine's it is, by the median."
    )
    with contest("ops", CONTESTANTS, effort) as opened:
        scalars = measure_all(opened, SCALARS)
        bulk = measure_all(opened, BULK)
    missing = {c: reason for c, reason in opened.missing.items() if reason}
    lists = f"a bulk function, on lists of {WIDTH}, and MLP(2, [16, 3]) on one point"
    for phase, what in enumerate(("record and drop", "record, run backward from and drop")):
        for collect, collector in COLLECTOR.items():
            report.say(f"To {what} an op; ns, minimum / median; {collector}:")
            table(report, scalars, missing, phase, collect, 1e-9)
            report.say(f"To {what} {lists}; us, minimum / median; {collector}:")
            table(report, bulk, missing, phase, collect, 1e-6)
    report.missing(missing.values())


def measure_all(opened: Contest, cases: dict[str, str]) -> dict[str, dict[Contestant, Measured]]:
    """Return what was measured, by case."""
    return {case: opened.measure(case) for case in cases}


def table(
    report: Report,
    measured: dict[str, dict[Contestant, Measured]],
    missing: dict[Contestant, str],
    phase: int,
    collect: bool,
    unit: float,
) -> None:
    """Print a row for each case and a column for each contestant."""
    columns = [c for c in CONTESTANTS if c not in missing]
    rows = []
    for case, results in measured.items():
        row = [f"`{case}`"]
        ours = results[columns[0]][collect][phase]
        for contestant in columns:
            if contestant not in results:
                row.append("-")
                continue
            times = results[contestant][collect][phase]
            factor = figure(times.median / ours.median)
            row.append(pair(times, unit) + ("" if times is ours else f" ({factor}x)"))
        rows.append(row)
    report.table(["", *(c.name for c in columns)], rows)
