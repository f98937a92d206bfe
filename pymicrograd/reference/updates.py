"""Steps of optimizers of Tensors, in operations of Tensors: a function for each row of updates.def.

Each takes the numbers of the row, a parameter's elements x and its gradient g in the type that they
are computed in, the number of the step and what the rule remembers of the parameter, which it
replaces; and returns the new elements. Numbers without an element in them are floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..recording import no_grad
from .array import wide
from .tensor import Tensor
from .vmath import power, to_float32

__all__ = ["AT_FIRST", "TAKES", "UPDATES", "Takes", "step"]

Numbers = Mapping[str, Any]
Memory = dict[str, Any]
Update = Callable[[Numbers, Any, Any, int, Memory], Any]  # Tensors are Any: their ops are no names


def decayed(u: Numbers, x: Any, g: Any) -> tuple[Any, Any]:
    """Return elements and gradient with weight decay in one of them."""
    decay = u["weight_decay"]
    if u.get("decoupled_weight_decay"):
        return (1.0 - u["lr"] * decay) * x, g
    return x, g + decay * x if decay else g


def remembered(memory: Memory, name: str, x: Any) -> Any:
    """Return an array that belongs to x, 0 at first."""
    return memory.get(name, Tensor(0.0, x.dtype))


def mean(memory: Memory, name: str, x: Any, beta: float) -> Any:
    """Return a running mean after another x."""
    memory[name] = beta * remembered(memory, name, x) + (1.0 - beta) * x
    return memory[name]


def means(u: Numbers, memory: Memory, g: Any) -> tuple[Any, Any]:
    """Return the running means of gradients and of their squares after another one."""
    return (
        mean(memory, "exp_avg", g, u["beta1"]),
        mean(memory, "exp_avg_sq", g * g, u["beta2"]),
    )


def sgd(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Gradient descent, with momentum."""
    x, d = decayed(u, x, g)
    momentum = u["momentum"]
    if momentum:
        keep, fresh = (momentum, 1.0 - u["dampening"]) if "begun" in memory else (0.0, 1.0)
        b = memory["momentum_buffer"] = keep * remembered(memory, "momentum_buffer", x) + fresh * d
        memory["begun"] = 1.0
        d = d + momentum * b if u["nesterov"] else b
    return x - u["lr"] * d


def adam(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Adam and AdamW."""
    x, d = decayed(u, x, g)
    m, v = means(u, memory, d)
    if u["amsgrad"]:
        v = remembered(memory, "max_exp_avg_sq", x).maximum(v)
        memory["max_exp_avg_sq"] = v
    divisor = v.sqrt() / math.sqrt(1.0 - power(u["beta2"], t)) + u["eps"]
    return x - (u["lr"] / (1.0 - power(u["beta1"], t))) * (m / divisor)


def nadam(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Adam with Nesterov's momentum."""
    x, d = decayed(u, x, g)
    m, v = means(u, memory, d)
    mu, then = (u["beta1"] * (1.0 - 0.5 * power(0.96, n * u["momentum_decay"])) for n in (t, t + 1))
    c = memory["mu_product"] = memory.get("mu_product", 1.0) * mu
    r = (v / (1.0 - power(u["beta2"], t))).sqrt() + u["eps"]
    x = x - (u["lr"] * (1.0 - mu) / (1.0 - c)) * (d / r)
    return x - (u["lr"] * then / (1.0 - c * then)) * (m / r)


def radam(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Adam, rectified."""
    x, d = decayed(u, x, g)
    m, v = means(u, memory, d)
    kept, h = power(u["beta2"], t), 2.0 / (1.0 - u["beta2"]) - 1.0
    n = h - 2.0 * t * kept / (1.0 - kept)
    change = u["lr"] * (m / (1.0 - power(u["beta1"], t)))
    if n > 5.0:
        share = math.sqrt((n - 4.0) * (n - 2.0) * h / ((h - 4.0) * (h - 2.0) * n))
        change = change * (share * math.sqrt(1.0 - kept) / (v.sqrt() + u["eps"]))
    return x - change


def adamax(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Adam by the largest gradient."""
    x, d = decayed(u, x, g)
    m = mean(memory, "exp_avg", d, u["beta1"])
    largest = (u["beta2"] * remembered(memory, "exp_inf", x)).maximum(abs(d) + u["eps"])
    memory["exp_inf"] = largest
    return x - (u["lr"] / (1.0 - power(u["beta1"], t))) * (m / largest)


def adagrad(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Steps by the sum of all squares."""
    x, d = decayed(u, x, g)
    squares = memory["sum"] = memory.get("sum", u["initial_accumulator_value"]) + d * d
    rate = u["lr"] / (1.0 + (t - 1) * u["lr_decay"])
    return x - rate * (d / (squares.sqrt() + u["eps"]))


def adadelta(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Steps as large as the last ones."""
    x, d = decayed(u, x, g)
    v = mean(memory, "square_avg", d * d, u["rho"])
    before = remembered(memory, "acc_delta", x)
    change = (before + u["eps"]).sqrt() / (v + u["eps"]).sqrt() * d
    mean(memory, "acc_delta", change * change, u["rho"])
    return x - u["lr"] * change


def rmsprop(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Steps by the mean of squares."""
    x, d = decayed(u, x, g)
    square = mean(memory, "square_avg", d * d, u["alpha"])
    if u["centered"]:
        a = mean(memory, "grad_avg", d, u["alpha"])
        square = square - a * a
    change = d / (square.sqrt() + u["eps"])
    if u["momentum"]:
        change = u["momentum"] * remembered(memory, "momentum_buffer", x) + change
        memory["momentum_buffer"] = change
    return x - u["lr"] * change


def rprop(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Steps by the signs of two gradients."""
    agreement = g * remembered(memory, "prev", x)
    ones = Tensor(1.0, x.dtype)
    factor = (agreement > 0.0).where(
        u["grow"] * ones, (agreement < 0.0).where(u["shrink"] * ones, ones)
    )
    size = factor * memory.get("step_size", u["lr"])
    size = size.clamp_min(u["least"]).clamp_max(u["most"])
    g = (agreement < 0.0).where(0.0 * ones, g)
    memory["prev"], memory["step_size"] = g, size
    return x - g.sign() * size


def asgd(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Gradient descent with a mean of the elements."""
    x, d = decayed(u, x, g)
    eta, mu = memory.get("eta", to_float32(u["lr"])), memory.get("mu", 1.0)
    x = (1.0 - u["lambd"] * eta) * x - eta * d
    memory["ax"] = x if mu == 1.0 else memory["ax"] + mu * (x - memory["ax"])
    memory["eta"] = to_float32(u["lr"] / power(1.0 + u["lambd"] * u["lr"] * t, u["alpha"]))
    memory["mu"] = to_float32(1.0 / max(1.0, t - u["t0"]))
    return x


def lamb(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Adam with steps as long as the parameter."""
    m, v = means(u, memory, g)
    r = (v / (1.0 - power(u["beta2"], t))).sqrt() + u["eps"]
    r = m / (1.0 - power(u["beta1"], t)) / r
    if u["weight_decay"]:
        r = r + u["weight_decay"] * x
    length, width = ((y * y).sum().sqrt().item() for y in (x, r))
    trust = length / width if length > 0.0 and width > 0.0 else 1.0
    return x - (u["lr"] * trust) * r


def lion(u: Numbers, x: Any, g: Any, t: int, memory: Memory) -> Any:
    """Steps by the sign of a mean."""
    m = remembered(memory, "exp_avg", x)
    turn = u["beta1"] * m + (1.0 - u["beta1"]) * g
    memory["exp_avg"] = u["beta2"] * m + (1.0 - u["beta2"]) * g
    return (1.0 - u["lr"] * u["weight_decay"]) * x - u["lr"] * turn.sign()


UPDATES: dict[str, Update] = {
    update.__name__: update
    for update in (
        sgd, adam, nadam, radam, adamax, adagrad, adadelta, rmsprop, rprop, asgd, lamb, lion,
    )
}  # fmt: skip


class Takes:
    """What a row of updates.def takes, as lists of names.

    Attributes:
        numbers: hyperparameters.
        scalars: numbers that are remembered of each parameter.
        arrays: arrays that are; behind them `sometimes`, needed where a number is not 0.
    """

    def __init__(self, numbers: str, scalars: str, arrays: str, **sometimes: str) -> None:
        self.numbers, self.scalars = numbers.split(), scalars.split()
        self.arrays = [*arrays.split(), *sometimes]
        self.sometimes = sometimes

    def needed(self, numbers: Numbers) -> list[str]:
        """Return the names of the arrays that a step with these numbers needs."""
        return [x for x in self.arrays if x not in self.sometimes or numbers[self.sometimes[x]]]


ADAM = "lr beta1 beta2 eps weight_decay"
TAKES = {
    "sgd": Takes("lr momentum dampening weight_decay nesterov maximize", "begun", "",
                 momentum_buffer="momentum"),
    "adam": Takes(f"{ADAM} amsgrad maximize decoupled_weight_decay", "", "exp_avg exp_avg_sq",
                  max_exp_avg_sq="amsgrad"),
    "nadam": Takes(f"{ADAM} momentum_decay maximize decoupled_weight_decay", "mu_product",
                   "exp_avg exp_avg_sq"),
    "radam": Takes(f"{ADAM} maximize decoupled_weight_decay", "", "exp_avg exp_avg_sq"),
    "adamax": Takes(f"{ADAM} maximize", "", "exp_avg exp_inf"),
    "adagrad": Takes("lr lr_decay eps weight_decay initial_accumulator_value maximize", "", "sum"),
    "adadelta": Takes("lr rho eps weight_decay maximize", "", "square_avg acc_delta"),
    "rmsprop": Takes("lr alpha eps weight_decay momentum centered maximize", "", "square_avg",
                     grad_avg="centered", momentum_buffer="momentum"),
    "rprop": Takes("lr shrink grow least most maximize", "", "prev step_size"),
    "asgd": Takes("lr lambd alpha t0 weight_decay maximize", "eta mu", "ax"),
    "lamb": Takes(f"{ADAM} maximize", "", "exp_avg exp_avg_sq"),
    "lion": Takes("lr beta1 beta2 weight_decay maximize", "", "exp_avg"),
}  # fmt: skip
# What a first step takes as it is at first, whatever is remembered.
AT_FIRST = {"mu_product", "sum", "step_size", "eta", "mu"}


def step(name: str, numbers: Numbers, parameter: Tensor, gradient: Tensor, memory: Memory) -> Any:
    """Return a parameter after a step of a rule.

    Args:
        name: of a row of updates.def.
        numbers: by the names there; truths are bools.
        parameter, gradient: as they are.
        memory: what the rule remembers, with the number of its steps: {} before the first.
    """
    t = memory["step"] = memory.get("step", 0) + 1
    computed = wide(parameter.dtype)
    with no_grad():
        x, g = (y.apply("cast", computed) for y in (parameter, gradient))
        g = -g if numbers["maximize"] else g
        return UPDATES[name](numbers, x, g, t, memory).apply("cast", parameter.dtype)
