"""Where Python's floats raise, a program may ask for IEEE 754's numbers: ieee and set_errors."""

from __future__ import annotations

import contextvars
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from programs import HOSTILE, bits

from pymicrograd import ieee, set_errors

INF, NAN = math.inf, math.nan

# An expression of Values that raises, its value, and the gradients of its leaves.
CASES: dict[str, tuple[float, list[float]]] = {
    "a(0.0) ** -1": (INF, [-INF]),
    "a(-0.0) ** -1": (-INF, [-INF]),
    "a(-0.0) ** -2": (INF, [INF]),
    "1 / a(0.0)": (INF, [-INF]),
    "a(1.0) / b(0.0)": (INF, [INF, -INF]),
    "a(2.0) / 0": (INF, [INF]),
    "a(2.0) / 5e-324": (INF, [INF]),
    "a(-2.0) ** 0.5": (NAN, [NAN]),
    "a(1e200) ** 2": (INF, [2e200]),
    "a(-1e200) ** 3": (-INF, [INF]),
    "a(0.0) ** 0.5": (0.0, [INF]),
    "a(1000.0).exp()": (INF, [INF]),
    "a(1000.0).expm1()": (INF, [INF]),
    "a(0.0).log()": (-INF, [INF]),
    "a(-1.0).log()": (NAN, [-1.0]),
    "a(-1.0).log1p()": (-INF, [INF]),
    "a(float('inf')).sin()": (NAN, [NAN]),
    "a(float('inf')).cos()": (NAN, [NAN]),
    "F.cross_entropy([a(1000.0), b(0.0)], 1, shifted=False)": (INF, [NAN, NAN]),
    "F.rmsnorm([a(0.0)], 0.0)[0]": (NAN, [NAN]),
    "2.0 ** a(2000.0)": (INF, [INF]),
}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = set_errors("raise")
    yield
    set_errors(before)


def run(engine: Any, code: str) -> tuple[float, list[float]]:
    leaves = []

    def leaf(number: float) -> Any:
        leaves.append(engine.Value(number))
        return leaves[-1]

    root = eval(code, {"a": leaf, "b": leaf, "F": engine.F})
    root.backward()
    return root.data, [x.grad for x in leaves]


@pytest.mark.parametrize("code", CASES)
def test_ieee_gives_infinities_and_nan_where_floats_raise(engine: Any, code: str) -> None:
    with pytest.raises((ArithmeticError, ValueError)):
        run(engine, code)
    with ieee():
        value, gradients = run(engine, code)
    assert bits(value, *gradients) == bits(CASES[code][0], *CASES[code][1])
    with pytest.raises((ArithmeticError, ValueError)):
        run(engine, code)


@pytest.mark.parametrize(
    "code",
    ["a({x}) ** {y}", "a({x}) / b({y})", "{x} / a({y})", "a({x}) / {y}", "a({x}).exp()",
     "a({x}).log()", "a({x}).log1p()", "a({x}).expm1()", "a({x}).cos()", "a({x}).sin()"],
)  # fmt: skip
def test_ieee_changes_nothing_where_floats_do_not_raise_and_is_numpys_where_they_do(
    engine: Any, code: str
) -> None:
    names = {"np": np, "inf": INF, "nan": NAN}
    numbers = [float(eval(text, names)) for text in HOSTILE]
    for x in numbers:
        for y in numbers if "{y}" in code else [0.0]:
            text = code.format(x=f"float('{x!r}')", y=f"float('{y!r}')")
            with ieee():
                leaf = engine.Value
                found = eval(text, {"a": leaf, "b": leaf}).data
            try:
                plain = eval(text, {"a": leaf, "b": leaf}).data
            except (ArithmeticError, ValueError):
                assert not math.isfinite(found), text
                if "**" in text:
                    with np.errstate(all="ignore"):
                        assert bits(found) == bits(float(np.float64(x) ** np.float64(y))), text
            else:
                assert bits(found) == bits(plain), text


def test_the_error_names_the_way_out() -> None:
    from pymicrograd import Adam, Value, grad

    x = Value(0.0)
    x.grad = 1e200
    calls: list[Callable[[], Any]] = [
        lambda: x**-1, lambda: 1 / x, lambda: x / 0, lambda: x.log(), lambda: grad(x**0.5, [x]),
        lambda: (x**0.5).backward(), Adam([x]).step,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises((ArithmeticError, ValueError), match=r"with pymicrograd\.ieee\(\):"):
            call()


def test_gradients_as_values_and_steps_go_on(engine: Any) -> None:
    x = engine.Value(0.0)
    with ieee():
        (dx,) = engine.grad(x**0.5, [x], create_graph=True)
        (ddx,) = engine.grad(dx, [x])
        assert (dx.data, ddx.data) == (INF, -INF)
        x.grad = 1e200
        adam = engine.Adam([x])
        adam.step()
    assert (x.data, list(adam.v)) == (0.0, [INF])


def test_a_fit_that_diverges_goes_on_to_nan(engine: Any) -> None:
    w, b, losses = engine.Value(0.0), engine.Value(0.0), []
    points = np.array([1.0, 2.0, 3.0, 4.0])
    with ieee():
        for _ in range(400):
            loss = sum(((w * engine.Value(x) + b) - (3 * x + 1)) ** 2 for x in points)
            w.grad = b.grad = 0
            loss.backward()
            w.data -= 0.5 * w.grad
            b.data -= 0.5 * b.grad
            losses.append(loss.data)
    assert losses[2] == 368121854.0 and INF in losses and math.isnan(losses[-1])


def test_what_is_asked_for_belongs_to_a_thread_and_a_context(engine: Any) -> None:
    def raises() -> bool:
        try:
            return engine.Value(0.0) ** -1 is None
        except ZeroDivisionError:
            return True

    found = []
    with ieee():
        thread = threading.Thread(target=lambda: found.append(raises()))
        thread.start()
        thread.join()
        found.append(contextvars.Context().run(raises))
        found.append(raises())
    assert found == [True, True, False]


def test_the_block_ends_as_it_began_whatever_happens(engine: Any) -> None:
    assert set_errors("ieee") == "raise"
    with pytest.raises(RuntimeError), ieee():
        set_errors("raise")
        raise RuntimeError
    assert set_errors("raise") == "ieee"

    @ieee()
    def inverse(x: Any) -> float:
        return (x**-1).data  # type: ignore[no-any-return]

    assert inverse(engine.Value(0.0)) == INF
    with pytest.raises(ZeroDivisionError):
        engine.Value(0.0) ** -1
    with pytest.raises(ValueError, match="'ignore' is none of raise, ieee"):
        set_errors("ignore")
