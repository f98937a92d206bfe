"""Special and elementary functions: digits against Python's math and known values, gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pymicrograd as mg
from pymicrograd import special

FLOATS = st.floats(width=64)
INF, NAN = math.inf, math.nan


def values(call: Callable[..., Any], *rows: Any) -> list[float]:
    """Return what a function gives for float64 rows."""
    return call(*(mg.tensor(np.asarray(row, "float64")) for row in rows)).tolist()  # type: ignore


def assert_near(found: list[float], wanted: list[float], units: float) -> None:
    """Assert that numbers are so many units in the last place apart at most."""
    a, b = np.asarray(found), np.asarray(wanted)
    finite = np.isfinite(b)
    np.testing.assert_array_equal(a[~finite], b[~finite])
    for x, y in zip(a[finite], b[finite], strict=True):
        assert abs(x - y) <= units * math.ulp(y)


@given(FLOATS, FLOATS)
def test_functions_of_two_numbers_are_those_of_math(x: float, y: float) -> None:
    assert_near(values(mg.atan2, [x], [y]), [math.atan2(x, y)], 2)
    assert_near(values(mg.hypot, [x], [y]), [math.hypot(x, y)], 3)
    assert repr(values(mg.copysign, [x], [y])) == repr([math.copysign(x, y)]) or math.isnan(y)
    assert repr(values(mg.nextafter, [x], [y])) == repr([math.nextafter(x, y)])
    if y and not math.isinf(x):
        assert repr(values(mg.fmod, [x], [y])) == repr([math.fmod(x, y)])


def test_logarithms_to_base_ten_are_exact_of_powers() -> None:
    powers = [float(f"1e{k}") for k in range(-320, 309)]
    assert values(mg.log10, powers) == list(map(float, range(-320, 309)))
    x = np.geomspace(1e-300, 1e300, 999)
    assert_near(values(mg.log10, x), [math.log10(v) for v in x], 2)
    x = mg.tensor([1000.0, 7.0], requires_grad=True)
    x.log10().sum().backward()
    assert x.grad.tolist() == pytest.approx([1 / (1000 * math.log(10)), 1 / (7 * math.log(10))])


def test_errors_and_gamma_against_math() -> None:
    x = np.concatenate([np.linspace(-6, 27, 3001), [INF, -INF, NAN, 0.0, -0.0]])
    assert_near(values(special.erfc, x), [math.erfc(v) for v in x], 8)
    x = np.linspace(-8, 170, 2999) + 1e-3
    found, wanted = np.array(values(mg.lgamma, x)), np.array([math.lgamma(v) for v in x])
    assert (abs(found - wanted) <= 1e-14 * np.maximum(1, abs(wanted))).all()
    assert values(mg.lgamma, [INF, -INF, 0.0, -3.0, NAN])[:4] == [INF] * 4
    q = np.concatenate([np.linspace(-1, 1, 999)[1:-1], 1 - np.geomspace(1e-16, 0.1, 99)])
    assert np.allclose(values(lambda y: y.erfinv().erf(), q), q, rtol=1e-15, atol=0)
    p = np.geomspace(1e-300, 0.5, 999)
    assert np.allclose(values(lambda y: special.ndtr(special.ndtri(y)), p), p, rtol=1e-12, atol=0)
    assert values(special.ndtri, [0.0, 0.5, 1.0]) == [-INF, 0.0, INF]
    assert values(mg.erfinv, [-1.0, 1.0, 1.5])[:2] == [-INF, INF]


KNOWN = [  # from tables: Abramowitz and Stegun, and closed forms
    (special.digamma, 1.0, -0.5772156649015329),
    (special.digamma, 0.5, -1.9635100260214235),
    (special.digamma, -1.5, 0.7031566406452432),
    (lambda x: special.polygamma(1, x), 1.0, math.pi**2 / 6),
    (lambda x: special.polygamma(1, x), -0.5, math.pi**2 / 2 + 4),
    (lambda x: special.polygamma(3, x), 1.0, math.pi**4 / 15),
    (lambda x: special.zeta(x, mg.ones_like(x)), 3.0, 1.2020569031595942),
    (lambda x: special.zeta(x, mg.ones_like(x)), 30.0, 1.0000000009313274),
    (special.i0, 1.0, 1.2660658777520084),
    (special.i0, -30.0, 781672297823.9775),
    (special.i1, 1.0, 0.5651591039924851),
    (special.i1e, -1.0, -0.5651591039924851 / math.e),
    (special.erfcx, 1.0, 0.427583576155807),
    (special.erfcx, 1e10, 5.641895835477563e-11),
    (special.log_ndtr, -1e5, -5000000012.431865),
    (special.entr, 0.5, 0.5 * math.log(2)),
    (lambda x: mg.igamma(x, x + 1), 2.0, 1 - 4 * math.exp(-3)),
    (lambda x: mg.igammac(x, x + 1), 2.0, 4 * math.exp(-3)),
    (lambda x: mg.mvlgamma(x, 2), 2.0, 0.5 * math.log(math.pi) + math.log(math.sqrt(math.pi) / 2)),
    (mg.sinc, 0.5, 2 / math.pi),
]  # fmt: skip


@pytest.mark.parametrize("case", KNOWN, ids=range(len(KNOWN)))
def test_known_values(case: Any) -> None:
    call, x, wanted = case
    assert values(call, [x])[0] == pytest.approx(wanted, rel=4e-15)
    single = call(mg.tensor([x])).item()
    assert single == pytest.approx(wanted, rel=1.2e-7)


SMOOTH: dict[str, Callable[..., Any]] = {
    **{name: getattr(special, name) for name in (
        "digamma", "entr", "erfc", "erfcx", "erfinv", "gammaln", "i0", "i0e", "i1", "i1e",
        "log_ndtr", "logit", "ndtr", "ndtri", "sinc")},
    "polygamma": lambda x: special.polygamma(2, x),
    "igamma": lambda x: mg.igamma(mg.full((2,), 1.3, dtype="float64"), x),
    "zeta": lambda x: special.zeta(mg.full((2,), 2.5, dtype="float64"), x),
    "atan2": lambda x: mg.atan2(x, 1 - x), "hypot": lambda x: mg.hypot(x, x * 2 + 1),
    "logaddexp": lambda x: mg.logaddexp(x, 1 - x), "logaddexp2": lambda x: mg.logaddexp2(x, x * 3),
    "xlogy": lambda x: mg.xlogy(x, x + 1), "xlog1py": lambda x: special.xlog1py(x, x),
    "log10": mg.log10, "fmod": lambda x: mg.fmod(x * 5, x + 0.3),
    "lerp": lambda x: x.lerp(x * x, x),
    "logcumsumexp": lambda x: mg.logcumsumexp(x, 0), "cumprod": lambda x: mg.cumprod(x, 0),
    "frac": lambda x: (x * 7).frac(), "float_power": lambda x: x.float_power(2.5),
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_first_and_second_derivatives(name: str) -> None:
    call, at = SMOOTH[name], np.array([0.37, 0.62])
    x = mg.tensor(at, requires_grad=True)
    (first,) = mg.grad([call(x).sum()], [x], create_graph=True)
    step = 1e-5

    def slope(shift: float) -> Any:
        z = mg.tensor(at + shift, requires_grad=True)
        return mg.grad([call(z).sum()], [z])[0].numpy()

    def total(k: int, shift: float) -> float:
        z = at.copy()
        z[k] += shift
        return call(mg.tensor(z)).sum().item()  # type: ignore[no-any-return]

    expected = [(total(k, step) - total(k, -step)) / (2 * step) for k in range(2)]
    assert np.allclose(first.detach().numpy(), expected, rtol=1e-6, atol=1e-8)
    if first.requires_grad:
        (second,) = mg.grad([first.sum()], [x], allow_unused=True)
        found = np.zeros(2) if second is None else second.numpy()
        assert np.allclose(found, (slope(step) - slope(-step)) / (2 * step), rtol=1e-5, atol=1e-6)


def test_a_change_in_place_keeps_the_operand_of_its_gradient() -> None:
    for name, args in (("log10_", ()), ("hypot_", (2.0,)), ("fmod_", (0.3,)), ("lgamma_", ())):
        x = mg.tensor([0.7, 2.5], dtype="float64", requires_grad=True)
        y = x.clone()
        assert getattr(y, name)(*args) is y
        same = getattr(x, name[:-1])(*args)
        assert y.equal(same)
        assert mg.grad([y.sum()], [x])[0].equal(mg.grad([same.sum()], [x])[0])
        with pytest.raises(RuntimeError, match="leaf"):
            getattr(x, name)(*args)
        assert x.tolist() == [0.7, 2.5]


def test_signs_zeros_and_what_is_not_finite() -> None:
    x = mg.tensor([-0.0, 0.0, -2.0, INF, -INF, NAN])
    assert x.signbit().tolist() == [True, False, True, False, True, False]
    assert mg.nan_to_num(x).tolist()[3:] == [mg.finfo().max, mg.finfo().min, 0.0]
    assert mg.nan_to_num(x, 1.0, 2.0, 3.0).tolist()[3:] == [2.0, 3.0, 1.0]
    assert x.isposinf().tolist()[3:] == [True, False, False]
    assert mg.heaviside(mg.tensor([-1.0, 0.0, 2.0]), mg.tensor(0.5)).tolist() == [0.0, 0.5, 1.0]
    assert mg.fmax(mg.tensor([NAN, 1.0]), mg.tensor([2.0, NAN])).tolist() == [2.0, 1.0]
    assert mg.fmin(mg.tensor([3.0, 1.0]), mg.tensor([2.0, NAN])).tolist() == [2.0, 1.0]
    assert mg.logaddexp(mg.tensor([-INF, INF]), mg.tensor([-INF, 0.0])).tolist() == [-INF, INF]
    assert mg.xlogy(mg.tensor([0.0]), mg.tensor([0.0])).item() == 0.0
    mantissa, exponent = mg.frexp(mg.tensor([0.0, 8.0, -0.3]))
    assert mantissa.ldexp(exponent).equal(mg.tensor([0.0, 8.0, -0.3]))
    assert mg.gcd(mg.tensor([12, 0, -8]), 18).tolist() == [6, 18, 2]
    assert mg.lcm(mg.tensor([4, 0]), 6).tolist() == [12, 0]
    assert mg.addcdiv(mg.ones(2), mg.ones(2), mg.full((2,), 4.0), value=2).tolist() == [1.5, 1.5]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mg.ones(2).lerp(mg.ones(2).double(), 0.5), "float32 and float64 are not one type"),
        (lambda: mg.addcdiv(mg.ones(1), mg.tensor(1), mg.tensor(2)), "integers are not divided"),
        (lambda: mg.gcd(mg.ones(1), 2), "gcd: is for integers, not float32"),
        (lambda: mg.polygamma(-1, mg.ones(1)), "polygamma: n is 0 or more, not -1"),
        (lambda: mg.atan2(mg.ones(2), mg.ones(3)), "atan2: shapes (2,) and (3,)"),
        (lambda: mg.ones(1).long().log10_(), "log10_: cannot write float32 into int64"),
        (lambda: mg.imag(mg.ones(1)), "imag: float32 has no imaginary part"),
        (lambda: mg.erfc(mg.ones(1), out=mg.ones(1)), "erfc: out= is not taken"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, text: str) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
        call()
    assert text in str(caught.value)


WINDOWS = {
    "bartlett": lambda x: 1.0 - abs(2.0 * x - 1.0),
    "blackman": lambda x: 0.42 - 0.5 * math.cos(math.tau * x) + 0.08 * math.cos(2.0 * math.tau * x),
    "hamming": lambda x: 0.54 - 0.46 * math.cos(math.tau * x),
    "hann": lambda x: 0.5 - 0.5 * math.cos(math.tau * x),
    "kaiser": lambda x: float(np.i0(12.0 * math.sqrt(4.0 * x * (1.0 - x))) / np.i0(12.0)),
}


@pytest.mark.parametrize("name", WINDOWS)
@given(count=st.integers(0, 40), periodic=st.booleans())
def test_windows(name: str, count: int, periodic: bool) -> None:
    make = getattr(mg, f"{name}_window")
    steps = count - (not periodic)
    wanted = [WINDOWS[name](i / steps) for i in range(count)] if count > 1 else [1.0] * count
    found = make(count, periodic, dtype=mg.float64)
    assert found.tolist() == pytest.approx(wanted, rel=1e-13, abs=1e-15)
    assert make(count, periodic).equal(found.float()) and not found.requires_grad
    with pytest.raises(ValueError, match=f"{name}_window: window_length is 0 or more, not -1"):
        make(-1)
