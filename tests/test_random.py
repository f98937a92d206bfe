"""The generator: a seed means the same numbers for ever, on both engines."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Iterator
from itertools import islice, product
from typing import Any

import numpy as np
import pytest
from programs import bits, load

import pymicrograd
from pymicrograd.reference.random import portable_log

SEEDS = [1, 42, 2**32, 2**63, 2**64 - 1, 0x9E3779B97F4A7C15]
HOSTILE = [0.0, -0.0, 1e308, -1e308, 5e-324, math.inf, math.nan, 0.1]


def xorshift64star(state: int) -> Iterator[int]:
    """Generate 32-bit numbers as EurekaLabsAI/micrograd's RNG does."""
    while True:
        state ^= state >> 12
        state ^= (state << 25) % 2**64
        state ^= state >> 27
        yield (state * 0x2545F4914F6CDD1D % 2**64) >> 32


def test_the_numbers_of_seed_42(engine: Any) -> None:
    rng = engine.RNG(42)
    first = [1456360119, 3359763283, 3393612768, 4054632243, 3283045847]
    assert [rng.random_u32() for _ in range(5)] == first
    assert rng.state == 6045135835962859838
    rng = engine.RNG(42)
    assert [rng.random(), rng.random()] == [0.3390852212905884, 0.7822558283805847]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_stream_of_a_seed(engine: Any, seed: int) -> None:
    rng = engine.RNG(seed)
    assert rng.state == seed
    assert [rng.random_u32() for _ in range(1000)] == list(islice(xorshift64star(seed), 1000))
    rng.state = seed
    assert [rng.random() for _ in range(100)] == [
        (u >> 8) / 2**24 for u in islice(xorshift64star(seed), 100)
    ]


def test_the_millionth_number(engine: Any) -> None:
    rng = engine.RNG(42)
    for _ in range(999_999):
        rng.random_u32()
    assert rng.random_u32() == next(islice(xorshift64star(42), 999_999, None)) == 3834866279


@pytest.mark.parametrize(
    ("seed", "error"),
    [(0, ValueError), (-1, ValueError), (2**64, ValueError), (2**64 + 42, ValueError),
     (1.0, TypeError), (42.5, TypeError), (True, TypeError), ("42", TypeError), (None, TypeError),
     (np.float64(1), TypeError), (np.int64(0), ValueError), (np.array([1]), TypeError)],
)  # fmt: skip
def test_a_seed_that_it_cannot_take_is_refused(engine: Any, seed: Any, error: Any) -> None:
    rng = engine.RNG(7)
    for attempt in (engine.RNG, lambda s: setattr(rng, "state", s)):
        with pytest.raises(error) as caught:
            attempt(seed)
        assert type(caught.value) is error and len(str(caught.value)) > 10
    assert rng.state == 7


@pytest.mark.parametrize("seed", [np.int64(42), np.uint64(2**64 - 1), np.uint8(1)])
def test_integers_of_numpy_are_seeds(engine: Any, seed: Any) -> None:
    assert engine.RNG(seed).random() == engine.RNG(int(seed)).random()


def test_uniform(engine: Any) -> None:
    rng, other = engine.RNG(3), engine.RNG(3)
    assert rng.uniform() == other.random()
    assert rng.uniform(-2, 5) == -2 + 7 * other.random()
    assert rng.uniform(a=0.1, b=np.float64(0.3)) == 0.1 + (0.3 - 0.1) * other.random()
    assert rng.uniform(b=3.0) == 3.0 * other.random()
    for a in HOSTILE:
        for b in HOSTILE:
            assert bits(rng.uniform(a, b)) == bits(a + (b - a) * other.random())
    for wrong in ("1", None, [1.0]):
        with pytest.raises(TypeError):
            rng.uniform(wrong, 2.0)


def test_normal_is_the_polar_method(engine: Any) -> None:
    rng, other = engine.RNG(5), engine.RNG(5)
    for _ in range(500):
        s = 0.0
        while not 0.0 < s < 1.0:
            u, v = 2.0 * other.random() - 1.0, 2.0 * other.random() - 1.0
            s = u * u + v * v
        factor = math.sqrt(-2.0 * portable_log(s) / s)
        assert bits(rng.normal(), rng.normal(1.0, -0.3)) == bits(
            0.0 + 1.0 * (u * factor), 1.0 + -0.3 * (v * factor)
        )
    assert rng.state == other.state


def test_normal_of_both_engines_with_hostile_arguments() -> None:
    a, b = (load(name).RNG(9) for name in ("c", "reference"))
    for mu in HOSTILE:
        for sigma in HOSTILE:
            assert bits(a.normal(mu, sigma)) == bits(b.normal(mu, sigma))


def test_normal_numbers_look_normal(engine: Any) -> None:
    rng = engine.RNG(2)
    numbers = [rng.normal() for _ in range(20_000)]
    mean = math.fsum(numbers) / len(numbers)
    variance = math.fsum((x - mean) ** 2 for x in numbers) / len(numbers)
    beyond = sum(abs(x) > 1.959964 for x in numbers) / len(numbers)
    # five standard errors of each statistic of 20,000 numbers; the seed is fixed
    assert abs(mean) < 5 / 20_000**0.5
    assert abs(variance - 1.0) < 5 * (2 / 20_000) ** 0.5
    assert abs(beyond - 0.05) < 5 * (0.05 * 0.95 / 20_000) ** 0.5


def test_the_portable_log_is_a_logarithm() -> None:
    rng = load("reference").RNG(11)
    for _ in range(20_000):
        x = rng.random() * 10.0 ** (rng.random_u32() % 600 - 300.0) + 5e-308
        # "about an ulp" is its promise; where log x is near 0 the error is of f, below 4 ulp
        assert abs(portable_log(x) - math.log(x)) <= 4 * math.ulp(math.log(x))
    assert portable_log(1.0) == 0.0


def test_shuffle_is_fisher_and_yates_from_the_end(engine: Any) -> None:
    for count in (0, 1, 2, 3, 100):
        rng, other = engine.RNG(6), engine.RNG(6)
        items, expected = list(map(str, range(count))), list(map(str, range(count)))
        assert rng.shuffle(items) is None
        for i in range(count - 1, 0, -1):
            j = other.random_u32() % (i + 1)
            expected[i], expected[j] = expected[j], expected[i]
        assert items == expected and rng.state == other.state
    with pytest.raises(TypeError):
        engine.RNG(6).shuffle((1, 2, 3))


def test_a_state_that_is_set_forgets_the_spare_number(engine: Any) -> None:
    rng = engine.RNG(8)
    first = rng.normal()
    rng.state = 8
    assert rng.normal() == first
    state = rng.state
    second = rng.normal()
    assert rng.state == state and second != first  # the spare one, for which nothing was drawn


@pytest.mark.parametrize(
    "copying", [copy.copy, copy.deepcopy, lambda rng: pickle.loads(pickle.dumps(rng))]
)
def test_a_copy_goes_on_alike_and_alone(engine: Any, copying: Any) -> None:
    rng = engine.RNG(8)
    rng.normal()
    copied = copying(rng)
    expected = [copied.normal(), copied.random(), copied.normal()]
    assert [rng.normal(), rng.random(), rng.normal()] == expected
    assert repr(rng) == repr(copied) == f"RNG({rng.state})"


def test_the_default_generators_of_the_engines_are_two() -> None:
    c, reference = load("c"), load("reference")
    c.manual_seed(1)
    generator = reference.manual_seed(2)
    state = generator.state
    c.Neuron(2)
    assert generator.state == state
    reference.Neuron(2)
    assert generator.state != state


# ---- PyTorch's methods -------------------------------------------------------------------------


def test_a_state_is_all_that_a_generator_goes_on_from() -> None:
    rng = pymicrograd.Generator().manual_seed(-3)
    rng.normal()
    state = rng.get_state()
    expected = [rng.normal(), rng.random(), rng.normal(), rng.initial_seed()]
    other = pymicrograd.RNG(9)
    other.set_state(state)
    assert [other.normal(), other.random(), other.normal(), other.initial_seed()] == expected
    assert expected[-1] == 2**64 - 3
    rng.set_state(state)
    copied = rng.clone_state()
    assert type(copied) is type(rng) and copied.normal() == rng.normal() == expected[0]


def test_states_that_are_none_change_nothing() -> None:
    engine = pymicrograd
    rng = engine.Generator()
    before = rng.get_state()
    for wrong, error in (
        ([1] * 25, TypeError),
        (engine.zeros(25), TypeError),
        (engine.zeros(24, dtype=engine.uint8), ValueError),
        (engine.zeros(25, dtype=engine.uint8), ValueError),
        (engine.full((25,), 255, dtype=engine.uint8), ValueError),
        (before.reshape(5, 5), ValueError),
    ):
        with pytest.raises(error):
            rng.set_state(wrong)
    assert rng.get_state().tolist() == before.tolist()


def test_seeds_of_the_default_generator() -> None:
    engine = pymicrograd
    for given, told in ((0, 0), (7, 7), (-1, 2**64 - 1)):
        assert engine.manual_seed(given).initial_seed() == engine.initial_seed() == told
    state = engine.get_rng_state()
    first = engine.rand(3).tolist()
    engine.set_rng_state(state)
    assert engine.rand(3).tolist() == first
    assert engine.seed() == engine.initial_seed() != engine.seed()
    engine.manual_seed(42)


def test_a_generator_is_on_the_cpu() -> None:
    engine = pymicrograd
    assert str(engine.Generator("cpu").device) == "cpu"
    assert engine.Generator(device=engine.device("cpu")).initial_seed() == 67280421310721
    with pytest.raises(ValueError, match="on the device 'cpu', not 'cuda'"):
        engine.Generator("cuda")


def test_a_refused_call_draws_nothing() -> None:
    engine, x = pymicrograd, pymicrograd.ones(2)
    makers: list[Callable[..., Any]] = [
        lambda **o: engine.rand(2, **o), lambda **o: engine.randn(2, **o),
        lambda **o: engine.randint(3, (2,), **o), lambda **o: engine.randperm(3, **o),
        lambda **o: engine.rand_like(x, **o), lambda **o: engine.randn_like(x, **o),
        lambda **o: engine.randint_like(x, 3, **o), lambda **o: engine.normal(0.0, 1.0, (2,), **o),
        lambda **o: engine.normal(x, 1.0, **o),
    ]  # fmt: skip
    wrong = ({"device": "cuda"}, {"requires_grad": 3}, {"unknown": 1})
    for maker, options in product(makers, wrong):
        before = engine.get_rng_state().tolist()
        with pytest.raises((TypeError, ValueError)):
            maker(**options)
        assert engine.get_rng_state().tolist() == before
