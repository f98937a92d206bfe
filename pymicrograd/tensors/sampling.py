"""Draws whose probabilities or parameters are given: choices, coins, normal and other numbers.

All come from a generator of `pymicrograd.random`, in row-major order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .._core import noted, require
from ..errors import ArgumentError, DTypeError, ShapeError
from .arguments import as_float, as_int, as_shape
from .attributes import Attributes
from .conversion import as_tensor
from .creation import check_options, drawn, finish, floating, randint
from .derived import spread_over
from .dtypes import float64, int64
from .elementwise import check_floats
from .explain import call_as, refuse_out
from .leaves import INTEGERS, NORMAL, UNIFORM, draw
from .ops import T, TensorBase, cast

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["normal", "poisson", "randint_like"]


def uniform(shape: tuple[int, ...], generator: Any) -> Any:
    """Return numbers from [0, 1) in float64."""
    return draw(UNIFORM, shape, float64, 0.0, 1.0, generator)


def above_zero(shape: tuple[int, ...], generator: Any) -> Any:
    """Return numbers from (0, 1] in float64."""
    return 1 - uniform(shape, generator)


@refuse_out
def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
    requires_grad: bool = False, device: Any = None, **hints: Any,
) -> Tensor:  # fmt: skip
    """Return numbers of normal distributions N(mean, std^2).

    Args:
        mean, std: numbers or tensors; of tensors there is one number for each element.
        size: the shape, where both are numbers.

    Raises:
        ValueError: a deviation is negative.
        ShapeError: mean and std have not as many elements.
    """
    options = requires_grad, device, hints
    tensors: list[Any] = [x for x in (mean, std) if isinstance(x, TensorBase)]
    if size is not None or not tensors:
        shape = as_shape((() if size is None else size,), "normal")
        a, b = as_float(mean, "normal: the mean"), as_float(std, "normal: the deviation")
        if not b >= 0:
            raise ArgumentError(f"normal: the standard deviation is at least 0, not {b}")
        return drawn(NORMAL, shape, floating(dtype, "normal"), options, generator, a, b)
    kind = tensors[0].dtype
    if not all(x.is_floating_point() for x in tensors):
        raise DTypeError(f"normal: is for floats, not {kind.name}")
    spread = as_tensor(std)
    text = "normal: the standard deviations are at least 0"
    require(spread.detach().ge(0), ArgumentError, text)
    parts = [as_tensor(x, dtype=kind).detach() for x in (mean, std)]
    a, b = call_as("normal", spread_over, *parts)
    check_options(options, kind)
    return finish(cast(draw(NORMAL, a.shape, kind, 0.0, 1.0, generator) * b + a, kind), *options)


def randint_like(
    input: Any, low: Any = None, high: Any = None, *, generator: Any = None, dtype: Any = None,
    requires_grad: bool = False, device: Any = None, **hints: Any,
) -> Tensor:  # fmt: skip
    """Return `randint` of input's shape and, unless told otherwise, type."""
    if high is None or low is None:
        low, high = 0, low if high is None else high
    if high is None:
        raise TypeError("randint_like: high is missing: randint_like(input, high)")
    kind = input.dtype if dtype is None else dtype
    return randint(
        int(low), int(high), input.shape, generator=generator, dtype=kind,
        requires_grad=requires_grad, device=device, **hints,
    )  # fmt: skip


def poisson(input: Any, generator: Any = None) -> Tensor:
    """Return for each rate a number of the Poisson distribution, in the type of the rates.

    Raises:
        ValueError: a rate is negative.
    """
    rates = as_tensor(input).detach()
    check_floats(rates, "poisson")
    require(rates.ge(0), ArgumentError, "poisson: rates are 0 or more")
    left = cast(rates, float64)
    count = left * 0
    while bool(left.gt(0).any()):  # waiting times that fit, one after the other
        left = left + above_zero(tuple(rates.shape), generator).log()
        count = count + cast(left.gt(0), float64)
    return cast(count, rates.dtype)


class SamplingMethods(Attributes):
    """Methods that draw."""

    __slots__ = ()

    def multinomial(
        self: Any, num_samples: int, replacement: bool = False, *, generator: Any = None
    ) -> Tensor:
        """Return indices drawn with the weights in a vector (n,), or in each row of (m, n); int64.

        An index of weight 0 is never drawn. With replacement an index is the first whose running
        sum of weights, in float64, is above u times the whole; without, indices are those of the
        largest weight / e, e drawn from the exponential distribution.

        Args:
            num_samples: how many, of each row.
            replacement: whether an index may come again.

        Raises:
            DTypeError: the weights are no floats.
            ShapeError: there are neither one axis nor two.
            ValueError: a weight is negative or not finite, all of a row are 0, or there are fewer
                weights above 0 than samples.
        """
        count = as_int(num_samples, "multinomial: num_samples")
        check_floats(self, "multinomial")
        if self.ndim not in (1, 2):
            raise ShapeError(f"multinomial: weights have one axis or two, not shape {self.shape}")
        weights = cast(self.detach(), float64)
        check_weights(weights, count, replacement)
        rows = weights if weights.ndim == 2 else weights.unsqueeze(0)
        if replacement:
            found = with_replacement(rows, count, generator)
        else:
            waits = above_zero(tuple(rows.shape), generator).log().neg()
            keys = (rows / waits).masked_fill(rows.eq(0), -1.0)
            found = keys.argmax(-1, True) if count == 1 else keys.topk(count, -1).indices
        return found if weights.ndim == 2 else found.squeeze(0)

    def bernoulli(self: Any, p: Any = None, *, generator: Any = None) -> Tensor:
        """Return 1 with the probability that each element is, else 0; or with probability p.

        Raises:
            ValueError: a probability is outside [0, 1].
            DTypeError: the probabilities are no floats.
        """
        if p is None:
            check_floats(self, "bernoulli")
        chances = self.detach() if p is None else as_tensor(p).detach()
        return cast(coins("bernoulli", chances, tuple(self.shape), generator), self.dtype)

    def bernoulli_(self: T, p: Any = 0.5, *, generator: Any = None) -> T:
        """Write 1 with probability p, else 0, over the elements; return the tensor.

        Raises:
            ValueError: a probability is outside [0, 1].
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        x: Any = self
        chances = as_tensor(p).detach()
        made = cast(coins("bernoulli_", chances, tuple(x.shape), generator), x.dtype)
        return call_as("bernoulli_", x.copy_, made)

    def exponential_(self: T, lambd: float = 1.0, *, generator: Any = None) -> T:
        """Fill with draws from the exponential distribution of a rate; return the tensor.

        Raises:
            ValueError: the rate is not above 0.
            DTypeError: the elements are no floats.
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        rate = as_float(lambd, "exponential_: the rate")
        if not rate > 0:
            raise ArgumentError(f"exponential_: the rate is above 0, not {rate}")
        return filled("exponential_", self, generator, lambda u: u.log() * (-1 / rate))

    def geometric_(self: T, p: float, *, generator: Any = None) -> T:
        """Fill with how many coins of probability p are thrown until one is 1; return the tensor.

        Raises:
            ValueError: p is not between 0 and 1.
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        chance = as_float(p, "geometric_: p")
        if not 0 < chance < 1:
            raise ArgumentError(f"geometric_: p is between 0 and 1, not {chance}")
        scale = 1 / math.log1p(-chance)
        x: Any = self
        made = (above_zero(tuple(x.shape), generator).log() * scale).ceil().clamp_min(1)
        return call_as("geometric_", x.copy_, cast(made, x.dtype))

    def cauchy_(self: T, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> T:
        """Fill with draws from a Cauchy distribution; return the tensor.

        Raises:
            ValueError: sigma is not above 0.
            DTypeError: the elements are no floats.
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        if not sigma > 0:
            raise ArgumentError(f"cauchy_: sigma is above 0, not {sigma}")
        turn = math.pi
        return filled(
            "cauchy_", self, generator, lambda u: ((u - 0.5) * turn).tan() * sigma + median
        )

    def log_normal_(self: T, mean: float = 1.0, std: float = 2.0, *, generator: Any = None) -> T:
        """Fill with exp of draws from N(mean, std^2); return the tensor.

        Raises:
            ValueError: std is not above 0.
            DTypeError: the elements are no floats.
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        x: Any = self
        check_floats(x, "log_normal_")
        if not std > 0:
            raise ArgumentError(f"log_normal_: std is above 0, not {std}")
        made = draw(NORMAL, x.shape, float64, float(mean), float(std), generator).exp()
        return call_as("log_normal_", x.copy_, cast(made, x.dtype))

    def random_(self: T, low: Any = None, high: Any = None, *, generator: Any = None) -> T:
        """Fill with whole numbers from low, by default 0, to high - 1; return the tensor.

        By default they go as far as the type holds all whole numbers; `from` and `to` come by
        their places.

        Raises:
            ValueError: there is no number from low to below high.
            GradientError: this is a leaf that requires a gradient; use no_grad().
        """
        x: Any = self
        if high is None:
            low, high = 0, low
        if high is None:
            most = {
                "float16": 2**11,
                "bfloat16": 2**8,
                "float32": 2**24,
                "float64": 2**53,
                "bool": 1,
            }
            bits = 8 * x.dtype.itemsize - (x.dtype.name != "uint8")
            high = most.get(x.dtype.name, min(2**bits, 2**63) - 1) + 1
        if not low < high:
            raise ArgumentError(f"random_: no number is at least {low} and below {high}")
        made = draw(
            INTEGERS, x.shape, int64, 0.0, 0.0, generator, int(low), min(int(high), 2**63 - 1)
        )
        return call_as("random_", x.copy_, cast(made, x.dtype))


def filled(name: str, x: Any, generator: Any, made_of: Any) -> Any:
    """Write a function of numbers from (0, 1] over the elements."""
    check_floats(x, name)
    made = made_of(above_zero(tuple(x.shape), generator))
    return call_as(name, x.copy_, cast(made, x.dtype))


def coins(name: str, chances: Any, shape: tuple[int, ...], generator: Any) -> Any:
    """Return where numbers from [0, 1) are below probabilities."""
    inside = chances.ge(0).logical_and(chances.le(1))
    require(inside, ArgumentError, f"{name}: probabilities are from 0 to 1")
    wide = call_as(name, chances.expand, shape)
    return uniform(shape, generator).lt(cast(wide, float64))


def check_weights(weights: Any, count: int, replacement: bool) -> None:
    """Refuse weights that nothing, or not so many, can be drawn with."""
    size = weights.shape[-1]
    if count < 1 or (count > size and not replacement):
        raise ArgumentError(
            f"multinomial: num_samples is from 1 to the number of weights, {size}, not {count}; "
            "with replacement it may be more"
        )
    inside = weights.ge(0).logical_and(weights.isfinite())
    require(inside, ArgumentError, "multinomial: weights are 0 or more, and finite")
    least = 1 if replacement else count
    text = f"multinomial: a row has fewer than {least} weights above 0"
    require(weights.gt(0).sum(-1).ge(least), ArgumentError, text)


def with_replacement(rows: Any, count: int, generator: Any) -> Any:
    """Return indices drawn from each row of weights."""
    from .sorting import searchsorted

    sums = rows.cumsum(-1)
    marks = uniform((rows.shape[0], count), generator) * sums[..., -1:]
    if noted() is None:
        found = searchsorted(sums, marks, right=True)
    else:  # the same, without NumPy
        found = sums.unsqueeze(-2).gt(marks.unsqueeze(-1)).logical_not().sum(-1)
    last = (rows.gt(0).long() * as_tensor(range(1, rows.shape[-1] + 1))).amax(-1, keepdim=True) - 1
    return found.minimum(last)  # where rounding led past the end
