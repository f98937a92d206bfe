"""Special functions: errors, gamma, zeta, Bessel functions of imaginary arguments, entropies.

All are computed in float64 by the package's ops, so that every machine computes the same bits, and
rounded once to the type of the elements: of float32 within 1 unit in the last place, of float64
within some 1e-14 of the value, or of 1 where it is smaller (`lgamma` near 1 and 2, `digamma` near
its zero). Sources: W. J. Cody, Rational Chebyshev approximations for the error function (1969), for
erfc; M. Giles, Approximating the erfinv function (2010), for where Newton starts; Abramowitz and
Stegun 6.1.40, 6.3.18, 9.6.10, 9.7.1, 23.1.30 for series and asymptotic expansions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from .arguments import as_int
from .attributes import Attributes
from .conversion import as_tensor
from .derived import Formula, derived, floats, pair
from .dtypes import float64
from .elementary import xlog1py as xlog1py_of
from .explain import call_as, refuse_out
from .leaves import ramp
from .operators import in_place
from .ops import cast

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc",
    "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit",
    "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax",
    "xlog1py", "xlogy", "zeta",
]  # fmt: skip

ROOT_PI = math.sqrt(math.pi)
PI = math.pi


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """Return a polynomial, the coefficient of the highest power first."""
    found = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        found = found * x + c
    return found


# ---- the error function ----------------------------------------------------------------------

# Cody's, the highest power first: erfcx(x) = P / Q for 0.46875 <= x <= 4, and in 1 / x^2 above.
MIDDLE_P = (
    2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
    2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
    1.23033935479799725e3,
)  # fmt: skip
MIDDLE_Q = (
    1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
    1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
    1.23033935480374942e3,
)  # fmt: skip
FAR_P = (
    1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
    1.60837851487422766e-2, 6.58749161529837803e-4,
)  # fmt: skip
FAR_Q = (
    1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2,
    2.33520497626869185e-3,
)  # fmt: skip


def scaled_tail(x: Any) -> Any:
    """Return exp(x^2) erfc(x) of x >= 0.46875."""
    near = x.clamp(0.46875, 4.0)
    middle = polynomial(near, MIDDLE_P) / polynomial(near, MIDDLE_Q)
    far = x.clamp_min(4.0)
    inverse = (far * far).reciprocal()
    rest = inverse * polynomial(inverse, FAR_P) / polynomial(inverse, FAR_Q)
    return middle.where(x.le(4.0), (1 / ROOT_PI - rest) / far)


def exp_of_minus_square(x: Any) -> Any:
    """Return exp(-x^2) without the rounding of x^2: x is split at 1/16."""
    coarse = (x * 16).trunc() / 16
    return (coarse * coarse).neg().exp() * ((coarse - x) * (coarse + x)).exp()


def erfc_value(x: Any) -> Any:
    """Return 1 - erf(x)."""
    size = x.abs()
    finite = size.clamp_max(30.0)
    tail = exp_of_minus_square(finite) * scaled_tail(finite)
    found = tail.where(x.ge(0), 2 - tail)
    found = (1 - x.erf()).where(size.lt(0.46875), found)
    return x.where(x.isnan(), found)


def erfcx_value(x: Any) -> Any:
    """Return exp(x^2) erfc(x)."""
    size = x.abs()
    tail = scaled_tail(size)
    below = (x * x).exp() * 2 - tail
    near = (x * x).exp() * (1 - x.erf())
    found = near.where(size.lt(0.46875), tail.where(x.ge(0), below))
    return x.where(x.isnan(), found.masked_fill(x.eq(math.inf), 0.0))


GILES_NEAR = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
    -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
GILES_FAR = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
    0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip


def from_tail(x: Any, tail: Any) -> Any:
    """Return y >= 0 with erf(y) = x and erfc(y) = tail, for 0 <= x <= 1."""
    w = (tail * (2 - tail)).log().neg()
    near = polynomial(w.clamp_max(5.0) - 2.5, GILES_NEAR) * x
    far = polynomial(w.clamp(5.0, 16.0).sqrt() - 3, GILES_FAR) * x
    y = near.where(w.lt(5.0), far)
    logarithm = tail.log()
    wide = w.clamp_min(16.0).sqrt()
    for _ in range(4):  # erfc(y) is near exp(-y^2) / (y sqrt(pi))
        wide = (logarithm.neg() - (wide * ROOT_PI).log()).clamp_min(1.0).sqrt()
    y = wide.where(w.ge(16.0), y)
    for _ in range(3):
        scaled = erfcx_value(y)
        by_log = y + (scaled.log() - y * y - logarithm) * scaled * (ROOT_PI / 2)
        by_value = y - (y.erf() - x) * (y * y).exp() * (ROOT_PI / 2)
        y = by_value.where(tail.gt(0.5), by_log)
    return y.masked_fill(tail.eq(0), math.inf)


def erfinv_value(x: Any) -> Any:
    """Return y with erf(y) = x."""
    size = x.abs()
    y = from_tail(size, 1 - size)
    return x.where(x.eq(0), (y * x.sign()).masked_fill(size.gt(1), math.nan))


def ndtri_value(p: Any) -> Any:
    """Return y with ndtr(y) = p."""
    tail = p.minimum(1 - p) * 2
    y = from_tail(1 - tail, tail) * math.sqrt(2)
    found = y.neg().where(p.lt(0.5), y).masked_fill(p.eq(0.5), 0.0)
    return found.masked_fill(p.lt(0).logical_or(p.gt(1)), math.nan)


def log_ndtr_value(x: Any) -> Any:
    """Return log(ndtr(x))."""
    z = x * math.sqrt(0.5)
    low = (erfcx_value(z.neg()) * 0.5).log() - z * z
    high = (erfc_value(z) * -0.5).log1p()
    return high.where(x.gt(-1), low).masked_fill(x.eq(-math.inf), -math.inf)


def bell(x: Any) -> Any:
    """Return exp(-x^2)."""
    return (x * x).neg().exp()


erfc_of = derived("erfc", erfc_value, lambda x, y: bell(x) * (-2 / ROOT_PI))
erfcx_of = derived("erfcx", erfcx_value, lambda x, y: 2 * x * y - 2 / ROOT_PI)
erfinv_of = derived("erfinv", erfinv_value, lambda x, y: (y * y).exp() * (ROOT_PI / 2))
ndtr_of = derived(
    "ndtr",
    lambda x: erfc_value(x * -math.sqrt(0.5)) * 0.5,
    lambda x, y: bell(x * math.sqrt(0.5)) / math.sqrt(2 * PI),
)
ndtri_of = derived("ndtri", ndtri_value, lambda x, y: (y * y * 0.5).exp() * math.sqrt(2 * PI))
log_ndtr_of = derived(
    "log_ndtr",
    log_ndtr_value,
    lambda x, y: erfcx_of(x * -math.sqrt(0.5)).reciprocal() * math.sqrt(2 / PI),
)


# ---- gamma and zeta --------------------------------------------------------------------------

# Of 1/x^(2k - 1), and of 1/x^(2k), the highest k first: Bernoulli numbers over 2k (2k - 1), 2k.
STIRLING = (
    1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12,
)  # fmt: skip
DIGAMMA = (-1 / 12, 691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12)


def sine_of_pi(x: Any) -> Any:
    """Return |sin(pi x)|, 0 of whole numbers."""
    return ((x - x.round()) * PI).sin().abs()


def lgamma_above(x: Any) -> Any:
    """Return log(gamma(x)) of x >= 0.5: Stirling's series at x + n >= 10."""
    product, z = x * 0 + 1, x
    for _ in range(10):
        low = z.lt(10)
        product = (product * z).where(low, product)
        z = (z + 1).where(low, z)
    inverse = z.reciprocal()
    series = polynomial(inverse * inverse, STIRLING) * inverse
    return (z - 0.5) * z.log() - z + 0.5 * math.log(2 * PI) + series - product.log()


def lgamma_value(x: Any) -> Any:
    """Return log |gamma(x)|."""
    high = lgamma_above(x.clamp_min(0.5))
    low = math.log(PI) - sine_of_pi(x).log() - lgamma_above((1 - x).clamp_min(0.5))
    return high.where(x.ge(0.5), low).masked_fill(x.isinf(), math.inf)


def digamma_above(x: Any) -> Any:
    """Return digamma(x) of x > 0: the asymptotic series at x + n >= 10."""
    total, z = x * 0, x
    for _ in range(10):
        low = z.lt(10)
        total = (total + z.reciprocal()).where(low, total)
        z = (z + 1).where(low, z)
    square = (z * z).reciprocal()
    return z.log() - 0.5 / z + polynomial(square, DIGAMMA) * square - total


def digamma_value(x: Any) -> Any:
    """Return the derivative of log |gamma(x)|."""
    high = digamma_above(x.clamp_min(0.5))
    turn = (x - x.round()) * PI
    low = digamma_above((1 - x).clamp_min(0.5)) - PI / turn.tan()
    found = high.where(x.ge(0.5), low).masked_fill(x.eq(math.inf), math.inf)
    whole = x.lt(0).logical_and(x.eq(x.floor()))
    return x.reciprocal().neg().where(x.eq(0), found.masked_fill(whole, math.nan))


# 1 / (2k)! times Bernoulli numbers of 2k = 2, 4 ..., inverted.
EULER = (
    12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9, 7.47242496e10,
    -2.950130727918164224e12, 1.1646782814350067249e14, -4.5979787224074726105e15,
    1.8152105401943546773e17, -7.1661652561756670113e18,
)  # fmt: skip


def zeta_value(s: Any, q: Any) -> Any:
    """Return sum of 1 / (q + k)^s over k = 0, 1 ...: Euler-Maclaurin from q + n >= 10 on."""
    power = s.neg()
    total, z = q * 0, q
    lowest = float(q.masked_fill(q.isfinite().logical_not(), 10.0).amin()) if q.numel() else 10.0
    for _ in range(min(max(0, math.ceil(10 - lowest)), 10000)):
        low = z.lt(10)
        total = (total + z.pow(power)).where(low, total)
        z = (z + 1).where(low, z)
    last = z.pow(power)
    total = total + last * z / (s - 1) + last * 0.5
    factor, scale = s, last / z
    for k, divisor in enumerate(EULER):
        total = total + factor * scale / divisor
        factor = factor * (s + (2 * k + 1)) * (s + (2 * k + 2))
        scale = scale / (z * z)
    below = q.le(0)
    total = total.masked_fill(below.logical_and(s.ne(s.floor())), math.nan)
    total = total.masked_fill(below.logical_and(q.eq(q.floor())), math.inf)
    return total.masked_fill(s.eq(1), math.inf).masked_fill(s.lt(1), math.nan)


zeta_of: Formula = derived(
    "zeta", zeta_value, lambda s, q, y: s * math.nan, lambda s, q, y: s.neg() * zeta_of(s + 1, q)
)


def polygamma_of(order: int, x: Any) -> Any:
    """Return the derivative of an order of digamma, as a recorded op."""
    if not order:
        return digamma_of(x)
    sign = 1.0 if order % 2 else -1.0
    scale = sign * math.exp(math.lgamma(order + 1)) if order > 20 else sign * math.factorial(order)

    def value(z: Any) -> Any:
        return zeta_value(z * 0 + (order + 1), z) * scale

    return derived("polygamma", value, lambda z, y: polygamma_of(order + 1, z))(x)


lgamma_of: Formula = derived("lgamma", lgamma_value, lambda x, y: digamma_of(x))
digamma_of: Formula = derived("digamma", digamma_value, lambda x, y: polygamma_of(1, x))


def lower_series(a: Any, x: Any) -> Any:
    """Return x^a exp(-x) / gamma(a + 1) * (1 + x / (a + 1) + ...), for x < a + 1."""
    term = a * 0 + 1
    total = term
    for k in range(1, 20000):
        term = term * x / (a + k)
        total = total + term
        if bool((term.abs() <= total.abs() * 1e-17).all()):
            break
    return total * (x.log() * a - x - lgamma_value(a + 1)).exp()


def upper_fraction(a: Any, x: Any) -> Any:
    """Return x^a exp(-x) / gamma(a) times a continued fraction, for x >= a + 1."""
    b = x + 1 - a
    c = b * 0 + 1e300
    d = b.reciprocal()
    h = d
    for k in range(1, 20000):
        numerator = (a - k) * k
        b = b + 2
        d = (numerator * d + b).reciprocal()
        c = b + numerator / c
        step = c * d
        h = h * step
        if bool(((step - 1).abs() <= 1e-16).all()):
            break
    return h * (x.log() * a - x - lgamma_value(a)).exp()


def gamma_parts(a: Any, x: Any) -> tuple[Any, Any]:
    """Return the regularized incomplete gamma functions, lower and upper."""
    wrong = a.lt(0).logical_or(x.lt(0)).logical_or(a.isnan()).logical_or(x.isnan())
    wrong = wrong.logical_or(a.eq(0).logical_and(x.eq(0)))
    wrong = wrong.logical_or(a.isinf().logical_and(x.isinf()))
    usual = wrong.logical_or(a.isinf()).logical_or(x.isinf()).logical_or(a.eq(0)).logical_not()
    usual = usual.logical_and(x.gt(0))
    p, z = a.masked_fill(usual.logical_not(), 1.0), x.masked_fill(usual.logical_not(), 1.0)
    small = z.lt(p + 1)
    lower = lower_series(p, z.where(small, p * 0.5))
    upper = upper_fraction(p, z.where(small.logical_not(), p + 2))
    low, high = lower.where(small, 1 - upper), (1 - lower).where(small, upper)
    none = x.eq(0).logical_or(a.isinf())
    low, high = low.masked_fill(none, 0.0), high.masked_fill(none, 1.0)
    whole = x.isinf().logical_or(a.eq(0))
    low, high = low.masked_fill(whole, 1.0), high.masked_fill(whole, 0.0)
    return low.masked_fill(wrong, math.nan), high.masked_fill(wrong, math.nan)


def gamma_density(a: Any, x: Any) -> Any:
    """Return the derivative of the lower incomplete gamma function by x."""
    return ((a - 1) * x.log() - x - lgamma_of(a)).exp()


igamma_of = derived(
    "igamma",
    lambda a, x: gamma_parts(a, x)[0],
    lambda a, x, y: x * math.nan,
    lambda a, x, y: gamma_density(a, x),
)
igammac_of = derived(
    "igammac",
    lambda a, x: gamma_parts(a, x)[1],
    lambda a, x, y: x * math.nan,
    lambda a, x, y: gamma_density(a, x).neg(),
)


# ---- Bessel functions ------------------------------------------------------------------------


def bessel_scaled(x: Any, order: int) -> Any:
    """Return exp(-|x|) I(|x|) of order 0 or 1: the power series to 25, then the asymptotic one."""
    size = x.abs()
    near, far = size.clamp_max(25.0), size.clamp_min(25.0)
    quarter = near * near * 0.25
    term = near * 0 + 1 if not order else near * 0.5
    series = term
    for k in range(1, 75):
        term = term * quarter / (k * (k + order))
        series = series + term
    tail = far * 0 + 1
    expansion = tail
    for k in range(1, 26):
        tail = tail * ((2 * k - 1) ** 2 - 4 * order) / (far * (8 * k))
        expansion = expansion + tail
    return (series * near.neg().exp()).where(size.le(25.0), expansion / (far * (2 * PI)).sqrt())


def over(y: Any, x: Any) -> Any:
    """Return y / x of functions that are x / 2 near 0."""
    zero = x.eq(0)
    return (y / x.masked_fill(zero, 1.0)).masked_fill(zero, 0.5)


i0_of: Formula = derived(
    "i0", lambda x: bessel_scaled(x, 0) * x.abs().exp(), lambda x, y: i1_of(x)
)  # fmt: skip
i0e_of: Formula = derived(
    "i0e", lambda x: bessel_scaled(x, 0), lambda x, y: i1e_of(x) - x.sign() * y
)  # fmt: skip
i1_of: Formula = derived(
    "i1",
    lambda x: bessel_scaled(x, 1) * x.abs().exp() * x.sign(),
    lambda x, y: i0_of(x) - over(y, x),
)
i1e_of: Formula = derived(
    "i1e",
    lambda x: bessel_scaled(x, 1) * x.sign(),
    lambda x, y: i0e_of(x) - y * x.sign() - over(y, x),
)


def entropy(x: Any) -> Any:
    """Return -x log(x), 0 at 0, -inf below."""
    found = (x * x.log()).neg().masked_fill(x.eq(0), 0.0)
    return found.masked_fill(x.lt(0), -math.inf)


entr_of = derived("entr", entropy, lambda x, y: (x.log() + 1).neg())


class SpecialMethods(Attributes):
    """Special functions that are methods, too."""

    __slots__ = ()

    def erfc(self: Any) -> Tensor:
        """Return 1 - erf(x) of each element, with its own digits where it is small."""
        return erfc_of(floats(self))

    def erfinv(self: Any) -> Tensor:
        """Return y with erf(y) = x; NaN outside of [-1, 1]."""
        return erfinv_of(floats(self))

    def lgamma(self: Any) -> Tensor:
        """Return log |gamma(x)| of each element."""
        return lgamma_of(floats(self))

    def digamma(self: Any) -> Tensor:
        """Return the derivative of `lgamma`; NaN of negative whole numbers."""
        return digamma_of(floats(self))

    def polygamma(self: Any, n: int) -> Tensor:
        """Return the derivative of order n of `digamma`.

        Raises:
            ValueError: n is below 0.
        """
        order = as_int(n, "polygamma: n")
        if order < 0:
            raise ArgumentError(f"polygamma: n is 0 or more, not {order}")
        return polygamma_of(order, floats(self))

    def mvlgamma(self: Any, p: int) -> Tensor:
        """Return the logarithm of the gamma function of p dimensions.

        Raises:
            ValueError: p is below 1.
        """
        count = as_int(p, "mvlgamma: p")
        if count < 1:
            raise ArgumentError(f"mvlgamma: p is 1 or more, not {count}")
        x = floats(self)
        halves = cast(ramp(count, 0.0, -0.5, "mvlgamma"), x.dtype)
        found = (x.unsqueeze(-1) + halves).lgamma().sum(-1)
        return found + count * (count - 1) / 4 * math.log(PI)

    def igamma(self: Any, other: Any) -> Tensor:
        """Return the regularized lower incomplete gamma function of a and x; no gradient for a.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        return igamma_of(*pair("igamma", self, other))

    def igammac(self: Any, other: Any) -> Tensor:
        """Return the regularized upper incomplete gamma function of a and x; no gradient for a.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        return igammac_of(*pair("igammac", self, other))

    def i0(self: Any) -> Tensor:
        """Return the modified Bessel function of the first kind of order 0."""
        return i0_of(floats(self))

    erfc_, erfinv_, lgamma_, digamma_, i0_ = map(
        in_place, ("erfc", "erfinv", "lgamma", "digamma", "i0")
    )
    polygamma_, mvlgamma_, igamma_, igammac_ = map(
        in_place, ("polygamma", "mvlgamma", "igamma", "igammac")
    )


# ---- functions of pymicrograd.special --------------------------------------------------------


def of_one(name: str, call: Any, text: str) -> Any:
    """Return a function of one tensor, of floats or what becomes some."""

    def function(input: Any) -> Any:
        return call(floats(as_tensor(input)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return refuse_out(function)


erfc = of_one("erfc", erfc_of, "Return 1 - erf(x).")
erfcx = of_one("erfcx", erfcx_of, "Return exp(x^2) erfc(x), without overflow.")
erfinv = of_one("erfinv", erfinv_of, "Return y with erf(y) = x.")
ndtr = of_one("ndtr", ndtr_of, "Return the probability that a normal number is below x.")
ndtri = of_one("ndtri", ndtri_of, "Return what a normal number is below with probability x.")
log_ndtr = of_one("log_ndtr", log_ndtr_of, "Return the logarithm of `ndtr`.")
gammaln = of_one("gammaln", lgamma_of, "Return log |gamma(x)|.")
digamma = of_one("digamma", digamma_of, "Return the derivative of `gammaln`.")
psi = of_one("psi", digamma_of, "Return the derivative of `gammaln`.")
i0 = of_one("i0", i0_of, "Return the modified Bessel function of the first kind of order 0.")
i0e = of_one("i0e", i0e_of, "Return exp(-|x|) i0(x).")
i1 = of_one("i1", i1_of, "Return the modified Bessel function of the first kind of order 1.")
i1e = of_one("i1e", i1e_of, "Return exp(-|x|) i1(x).")
entr = of_one("entr", entr_of, "Return -x log(x): 0 at 0, -inf below.")
erf = of_one("erf", lambda x: x.erf(), "Return the error function.")
exp2 = of_one("exp2", lambda x: x.exp2(), "Return 2**x.")
expit = of_one("expit", lambda x: x.sigmoid(), "Return 1 / (1 + exp(-x)).")
expm1 = of_one("expm1", lambda x: x.expm1(), "Return exp(x) - 1.")
log1p = of_one("log1p", lambda x: x.log1p(), "Return log(1 + x).")
sinc = of_one("sinc", lambda x: x.sinc(), "Return sin(pi x) / (pi x), 1 at 0.")


@refuse_out
def zeta(input: Any, other: Any) -> Tensor:
    """Return Hurwitz' zeta function: the sum of 1 / (other + k)^input over k = 0, 1 ...

    There is no gradient for input.

    Raises:
        ShapeError: the shapes cannot be broadcast.
    """
    return zeta_of(*pair("zeta", input, other))


@refuse_out
def xlog1py(input: Any, other: Any) -> Tensor:
    """Return x * log(1 + y), 0 where x is 0, unless y is NaN.

    Raises:
        ShapeError: the shapes cannot be broadcast.
    """
    return xlog1py_of(*pair("xlog1py", input, other))


@refuse_out
def xlogy(input: Any, other: Any) -> Tensor:
    """Return x * log(y), 0 where x is 0, unless y is NaN."""
    if isinstance(input, (int, float)):
        input = as_tensor(input, dtype=getattr(other, "dtype", float64))
    return call_as("xlogy", as_tensor(input).xlogy, other)


@refuse_out
def logit(input: Any, eps: Any = None) -> Tensor:
    """Return log(x / (1 - x)); with eps of x brought into [eps, 1 - eps]."""
    return as_tensor(input).logit(eps)


@refuse_out
def polygamma(n: int, input: Any) -> Tensor:
    """Return the derivative of order n of `digamma`.

    Raises:
        ValueError: n is below 0.
    """
    return as_tensor(input).polygamma(n)


@refuse_out
def multigammaln(input: Any, p: int) -> Tensor:
    """Return the logarithm of the gamma function of p dimensions."""
    return call_as("multigammaln", as_tensor(input).mvlgamma, p)


@refuse_out
def gammainc(input: Any, other: Any) -> Tensor:
    """Return the regularized lower incomplete gamma function."""
    return call_as("gammainc", as_tensor(input).igamma, other)


@refuse_out
def gammaincc(input: Any, other: Any) -> Tensor:
    """Return the regularized upper incomplete gamma function."""
    return call_as("gammaincc", as_tensor(input).igammac, other)


@refuse_out
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Tensor:
    """Return log(sum(exp(x))) over axes."""
    return as_tensor(input).logsumexp(dim, keepdim)


def softmax(input: Any, dim: int, dtype: Any = None) -> Tensor:
    """Return exp(x) / sum(exp(x)) along an axis."""
    return as_tensor(input).softmax(dim, dtype=dtype)


def log_softmax(input: Any, dim: int, dtype: Any = None) -> Tensor:
    """Return the logarithm of `softmax`."""
    return as_tensor(input).log_softmax(dim, dtype=dtype)


@refuse_out
def round(input: Any, *, decimals: int = 0) -> Tensor:
    """Return the nearest whole numbers, of two equally near the even one."""
    return as_tensor(input).round(decimals)
