"""More functions of each element: logarithms, angles, signs, remainders, sums of products.

Those with rounding are computed in float64 and rounded once: of float32 the nearest number but for
ties that float64 cannot tell, of float64 within 2 units in the last place, unless told otherwise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ArgumentError, DTypeError
from .attributes import Attributes
from .conversion import as_tensor, new
from .derived import check_integers, derived, floats, pair, same_pair
from .dtypes import bfloat16, bool_, float64
from .explain import alias, call_as
from .leaves import constant
from .operators import in_place, scaled
from .ops import TensorBase, cast

if TYPE_CHECKING:
    from .tensor import Tensor

LN2, LN10, PI = math.log(2.0), math.log(10.0), math.pi


class Parts(NamedTuple):
    """What `frexp` returns."""

    mantissa: Any
    exponent: Any


def ones_of(x: Any) -> Any:
    """Return ones like x."""
    return constant(x.shape, 1, x.dtype, "ones")


def negative(x: Any) -> Any:
    """Return where the sign bit of numbers is set: below 0, and -0."""
    below = x.lt(0)
    return below.logical_or(x.eq(0).logical_and(x.reciprocal().lt(0)))


# ---- logarithms ------------------------------------------------------------------------------


def log10_value(x: Any) -> Any:
    """Return the logarithm to base 10, exact of the powers of ten."""
    y = x.log() / LN10
    nearest = y.round()
    powers = new([float(f"1e{k}") for k in range(-323, 309)], float64)
    place = nearest.nan_to_num(0.0).clamp(-323, 308).long() + 323
    return nearest.where(powers[place].eq(x), y)


log10 = derived("log10", log10_value, lambda x, y: (x * LN10).reciprocal())


def log_sum(x: Any, y: Any) -> Any:
    """Return log(exp(x) + exp(y))."""
    high, apart = x.maximum(y), (x - y).abs()
    return high.where(apart.isnan(), high + apart.neg().exp().log1p())


def share_of(x: Any, y: Any, scale: float) -> Any:
    """Return exp(x) / (exp(x) + exp(y)); of equal infinities a half."""
    apart = (x - y) * scale
    return apart.masked_fill(x.detach().isinf().logical_and(x.eq(y)), 0.0).sigmoid()


logaddexp = derived(
    "logaddexp", log_sum, lambda x, y, z: share_of(x, y, 1.0), lambda x, y, z: share_of(y, x, 1.0)
)
logaddexp2 = derived(
    "logaddexp2",
    lambda x, y: log_sum(x * LN2, y * LN2) / LN2,
    lambda x, y, z: share_of(x, y, LN2),
    lambda x, y, z: share_of(y, x, LN2),
)


def product_log(x: Any, y: Any, log: str) -> Any:
    """Return x * log(y), 0 where x is 0 and y no NaN."""
    zero = x.eq(0).logical_and(y.isnan().logical_not())
    return new(0.0, x.dtype).where(zero, x * getattr(y, log)())


def product_log_slope(x: Any, y: Any, log: str) -> Any:
    """Return the derivative of x * log(y) by x, as PyTorch defines it: 0 at x = 0 and y <= 0."""
    low = 0.0 if log == "log" else -1.0
    flat = x.eq(0).logical_and(y.le(low))
    return new(0.0, x.dtype).where(flat, getattr(y, log)())


xlogy = derived(
    "xlogy",
    lambda x, y: product_log(x, y, "log"),
    lambda x, y, z: product_log_slope(x, y, "log"),
    lambda x, y, z: x / y,
)
xlog1py = derived(
    "xlog1py",
    lambda x, y: product_log(x, y, "log1p"),
    lambda x, y, z: product_log_slope(x, y, "log1p"),
    lambda x, y, z: x / (y + 1),
)
logit_of = derived(
    "logit", lambda x: x.log() - x.neg().log1p(), lambda x, y: (x * (1 - x)).reciprocal()
)


# ---- angles ----------------------------------------------------------------------------------


def angle_value(y: Any, x: Any) -> Any:
    """Return the angle of the point (x, y), from -pi to pi."""
    infinite = x.isinf().logical_and(y.isinf())
    nothing = x.eq(0).logical_and(y.eq(0))
    ratio = (y / x).masked_fill(nothing, 0.0)
    ratio = (x.sign() * y.sign()).where(infinite, ratio)
    base = ratio.abs().atan()  # of the first quadrant
    angle = (PI - base).where(negative(x), base)
    return angle.neg().where(negative(y), angle)


def over_square(a: Any, x: Any, y: Any) -> Any:
    """Return a / (x^2 + y^2), 0 at the origin."""
    square = x * x + y * y
    return a * square.reciprocal().masked_fill(square.eq(0), 0.0)


atan2 = derived(
    "atan2",
    angle_value,
    lambda y, x, z: over_square(x, x, y),
    lambda y, x, z: over_square(y.neg(), x, y),
)


def hypotenuse(x: Any, y: Any) -> Any:
    """Return sqrt(x^2 + y^2), without overflow on the way."""
    a, b = x.abs(), y.abs()
    high, low = a.maximum(b), a.minimum(b)
    ratio = low / high.masked_fill(high.eq(0), 1.0)
    length = high * (ratio * ratio + 1).sqrt()
    infinite = a.eq(math.inf).logical_or(b.eq(math.inf))
    return length.masked_fill(infinite, math.inf)


hypot = derived("hypot", hypotenuse, lambda x, y, z: x / z, lambda x, y, z: y / z)


def sinc_value(x: Any) -> Any:
    """Return sin(pi x) / (pi x), 1 at 0."""
    angle = x * PI
    return (angle.sin() / angle).masked_fill(x.eq(0), 1.0)


def sinc_slope(x: Any, y: Any) -> Any:
    """Return the derivative of sinc: (cos(pi x) - sinc(x)) / x, 0 at 0."""
    angle = x * PI
    found = (angle * angle.cos() - angle.sin()) / (angle * x)
    return found.masked_fill(x.eq(0), 0.0)


sinc = derived("sinc", sinc_value, sinc_slope)


# ---- remainders and neighbours ---------------------------------------------------------------


def cut_remainder(x: Any, y: Any) -> Any:
    """Return the remainder of x / y with the sign of x: exact, of integers too."""
    found = x.abs().remainder(y.abs())
    return found.neg().where(negative(x) if x.is_floating_point() else x.lt(0), found)


fmod = derived(
    "fmod",
    cut_remainder,
    lambda x, y, z: ones_of(x),
    lambda x, y, z: (x / y).trunc().neg(),
    exact=True,
)


def neighbour(x: Any, y: Any) -> Any:
    """Return the next number of the type after x towards y."""
    import numpy

    from .bits import next_brain
    from .sorting import array_of, of_array

    if x.dtype is bfloat16:
        return next_brain(x, y)
    return of_array(numpy.nextafter(array_of(x), array_of(y)))


nextafter = derived(
    "nextafter", neighbour, lambda x, y, z: ones_of(x), lambda x, y, z: x * 0, exact=True
)


class Mixture:
    """What `lerp` computes: start + weight (end - start), from the end where weight is >= 0.5."""

    @staticmethod
    def of(start: Any, end: Any, weight: Any) -> Any:
        apart = end - start
        if not isinstance(weight, TensorBase):
            return start + apart * weight if abs(weight) < 0.5 else end - apart * (1 - weight)
        near = weight.detach().abs().lt(0.5)
        return (start + weight * apart).where(near, end - apart * (1 - weight))


class ElementaryMethods(Attributes):
    """More elementwise methods."""

    __slots__ = ()

    def log10(self: Any) -> Tensor:
        """Return the logarithm to base 10 of each element, exact of the powers of ten."""
        found: Tensor = log10(floats(self))
        return found

    def logaddexp(self: Any, other: Any) -> Tensor:
        """Return log(exp(x) + exp(y)), without overflow.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        found: Tensor = logaddexp(*pair("logaddexp", self, other))
        return found

    def logaddexp2(self: Any, other: Any) -> Tensor:
        """Return log2(2**x + 2**y), without overflow.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        found: Tensor = logaddexp2(*pair("logaddexp2", self, other))
        return found

    def xlogy(self: Any, other: Any) -> Tensor:
        """Return x * log(y), 0 where x is 0, unless y is NaN.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        found: Tensor = xlogy(*pair("xlogy", self, other))
        return found

    def logit(self: Any, eps: Any = None) -> Tensor:
        """Return log(x / (1 - x)), the inverse of `sigmoid`.

        Args:
            eps: where given, x is first brought into [eps, 1 - eps].
        """
        x = floats(self)
        return logit_of(x if eps is None else clamp_flat(x, eps))

    def atan2(self: Any, other: Any) -> Tensor:
        """Return the angle of the points (other, self), from -pi to pi; signed zeros count.

        The gradient at the origin is 0.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        found: Tensor = atan2(*pair("atan2", self, other))
        return found

    arctan2 = alias("arctan2", atan2)

    def hypot(self: Any, other: Any) -> Tensor:
        """Return sqrt(x^2 + y^2), without overflow.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        found: Tensor = hypot(*pair("hypot", self, other))
        return found

    def sinc(self: Any) -> Tensor:
        """Return sin(pi x) / (pi x), 1 at 0."""
        found: Tensor = sinc(floats(self))
        return found

    def deg2rad(self: Any) -> Tensor:
        """Return degrees as radians: x * pi / 180."""
        found: Tensor = floats(self) * (PI / 180)
        return found

    def rad2deg(self: Any) -> Tensor:
        """Return radians as degrees: x * 180 / pi."""
        found: Tensor = floats(self) * (180 / PI)
        return found

    def fmod(self: Any, other: Any) -> Tensor:
        """Return x - y * trunc(x / y), which has the sign of x; exact.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        x, y = same_pair("fmod", self, other)
        if x.dtype is bool_:
            raise DTypeError("fmod: has no meaning for bool")
        return fmod(x, y) if x.is_floating_point() else cut_remainder(x, y)

    def frac(self: Any) -> Tensor:
        """Return x - trunc(x), the part behind the point, with the sign of x."""
        if not self.is_floating_point():
            raise DTypeError(f"frac: is for floats, not {self.dtype.name}")
        found: Tensor = self - self.trunc()
        return found

    def copysign(self: Any, other: Any) -> Tensor:
        """Return |x| with the sign of y, whose -0 counts as negative.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        x, y = pair("copysign", self, other)
        size = x.abs()
        return size.neg().where(negative(y.detach()), size)

    def sgn(self: Any) -> Tensor:
        """Return `sign`: there are no complex numbers."""
        return self.sign()

    def signbit(self: Any) -> Tensor:
        """Return whether each number is below 0, or -0; of NaN False."""
        x = self.detach()
        return negative(x) if x.is_floating_point() else x.lt(0)

    def heaviside(self: Any, values: Any) -> Tensor:
        """Return 0 below 0, 1 above 0, and the value given at 0; there is no gradient.

        Raises:
            ShapeError: the shapes cannot be broadcast.
            DTypeError: the two are not of one type.
        """
        values = as_tensor(values)
        if values.dtype is not self.dtype:
            names = f"{self.dtype.name} and {values.dtype.name}"
            raise DTypeError(f"heaviside: {names} are not one type")
        x, at_zero = same_pair("heaviside", self.detach(), values.detach())
        return at_zero.where(x.eq(0), cast(x.gt(0), x.dtype))

    def nan_to_num(self: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Tensor:
        """Return 0 in place of NaN, the largest and smallest number in place of infinities.

        Args:
            nan, posinf, neginf: other numbers for them.
        """  # fmt: skip
        if not self.is_floating_point():
            return self.clone()
        from .kinds import finfo

        high = finfo(self.dtype).max
        x = self.masked_fill(self.detach().isnan(), 0.0 if nan is None else nan)
        wide = self.detach()
        x = x.masked_fill(wide.eq(math.inf), high if posinf is None else posinf)
        return x.masked_fill(wide.eq(-math.inf), -high if neginf is None else neginf)

    def fmax(self: Any, other: Any) -> Tensor:
        """Return the larger of two elements, and the other one where one is NaN.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        return chosen("fmax", self, other, "ge")

    def fmin(self: Any, other: Any) -> Tensor:
        """Return the smaller of two elements, and the other one where one is NaN.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        return chosen("fmin", self, other, "le")

    def float_power(self: Any, exponent: Any) -> Tensor:
        """Return x**exponent, computed and returned in float64.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        power = cast(exponent, float64) if isinstance(exponent, TensorBase) else exponent
        return call_as("float_power", cast(self, float64).pow, power)

    def ldexp(self: Any, other: Any) -> Tensor:
        """Return x * 2**other.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        power = floats(as_tensor(other)).exp2()
        return call_as("ldexp", self.mul, power)

    def frexp(self: Any) -> Parts:
        """Return (mantissa, exponent) with x = mantissa * 2**exponent, 0.5 <= |mantissa| < 1.

        The exponent is of int32; of 0, infinities and NaN it is 0 and the mantissa x.
        """
        import numpy

        from .sorting import array_of, of_array

        if not self.is_floating_point():
            raise DTypeError(f"frexp: is for floats, not {self.dtype.name}")
        mantissa, exponent = numpy.frexp(array_of(self))
        power = of_array(numpy.asarray(exponent, "int32"))
        if not self.requires_grad:
            return Parts(cast(of_array(numpy.asarray(mantissa)), self.dtype), power)
        scale = of_array(numpy.ldexp(numpy.ones_like(array_of(self)), -exponent))
        return Parts(cast(self * scale, self.dtype), power)

    def lerp(self: Any, end: Any, weight: Any) -> Tensor:
        """Return start + weight * (end - start).

        Args:
            weight: a number, or a tensor that is broadcast.

        Raises:
            ShapeError: the shapes cannot be broadcast.
            DTypeError: the tensors are not of one type.
        """
        for x in (end, weight):
            if isinstance(x, TensorBase) and x.dtype is not self.dtype:
                names = f"{self.dtype.name} and {x.dtype.name}"
                raise DTypeError(f"lerp: {names} are not one type")
        return call_as("lerp", Mixture.of, self, as_tensor(end), weight)

    def addcmul(self: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
        """Return self + value * tensor1 * tensor2.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        found = call_as("addcmul", as_tensor(tensor1).mul, tensor2)
        return call_as("addcmul", self.add, scaled(found, value, self))

    def addcdiv(self: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
        """Return self + value * tensor1 / tensor2.

        Raises:
            ShapeError: the shapes cannot be broadcast.
            DTypeError: both tensors are of integers.
        """
        first, second = as_tensor(tensor1), as_tensor(tensor2)
        if not first.is_floating_point() and not second.is_floating_point():
            raise DTypeError("addcdiv: integers are not divided; cast with float()")
        found = call_as("addcdiv", first.div, second)
        return call_as("addcdiv", self.add, scaled(found, value, self))

    def rsub(self: Any, other: Any, *, alpha: Any = 1) -> Tensor:
        """Return other - alpha * self.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        mine = self if alpha == 1 else self * alpha
        return call_as("rsub", lambda: other - mine)

    def positive(self: Any) -> Tensor:
        """Return the tensor itself."""
        if self.dtype is bool_:
            raise DTypeError("positive: has no meaning for bool")
        return self

    def isposinf(self: Any) -> Tensor:
        """Return a tensor of bool in this shape: True where an element is inf."""
        return self.detach().eq(math.inf)

    def isneginf(self: Any) -> Tensor:
        """Return a tensor of bool in this shape: True where an element is -inf."""
        return self.detach().eq(-math.inf)

    def isreal(self: Any) -> Tensor:
        """Return a tensor of bool in this shape, all True: there are no complex numbers."""
        return ones_of(self.detach()).bool()

    def is_complex(self: Any) -> bool:
        """Return False: there are no complex numbers."""
        return False

    def is_signed(self: Any) -> bool:
        """Return whether the type has negative numbers."""
        return self.dtype.name not in ("bool", "uint8")

    def is_nonzero(self: Any) -> bool:
        """Return whether the only element is not 0.

        Raises:
            ScalarError: there is not exactly one element.
        """
        return bool(self)

    def conj(self: Any) -> Tensor:
        """Return the tensor itself: real numbers are their own conjugates."""
        return self

    conj_physical = conjugate = resolve_conj = resolve_neg = conj

    @property
    def real(self: Any) -> Tensor:
        """The tensor itself: there are no complex numbers."""
        return self

    def angle(self: Any) -> Tensor:
        """Return pi of numbers below 0, else 0, and NaN of NaN."""
        x = floats(self)
        flat = x.detach()
        turned = cast(flat.lt(0), x.dtype) * PI
        return flat.where(flat.isnan(), turned + x * 0 if x.requires_grad else turned)

    def gcd(self: Any, other: Any) -> Tensor:
        """Return the greatest common divisor of integers; 0 of two zeros.

        Raises:
            ShapeError: the shapes cannot be broadcast.
            DTypeError: the elements are no integers.
        """
        x, y = same_pair("gcd", self, other)
        check_integers("gcd", x, y)
        x, y = x.abs(), y.abs()
        while y.any():
            x, y = y.where(y.ne(0), x), x.remainder(y.where(y.ne(0), x * 0 + 1)).where(y.ne(0), y)
        return x

    def lcm(self: Any, other: Any) -> Tensor:
        """Return the least common multiple of integers; 0 where one is 0.

        Raises:
            ShapeError: the shapes cannot be broadcast.
            DTypeError: the elements are no integers.
        """
        x, y = same_pair("lcm", self, other)
        check_integers("lcm", x, y)
        divisor = call_as("lcm", x.gcd, y)
        return ((x.floor_divide(divisor.clamp_min(1))) * y).abs()

    def nextafter(self: Any, other: Any) -> Tensor:
        """Return the next number of the type after x towards y; its gradient is that of x.

        Raises:
            ShapeError: the shapes cannot be broadcast.
            DTypeError: the elements are no floats.
        """
        x, y = same_pair("nextafter", self, other)
        if not x.is_floating_point():
            raise DTypeError(f"nextafter: is for floats, not {x.dtype.name}")
        return nextafter(x, y)

    def true_divide(self: Any, other: Any) -> Tensor:
        """Return self / other.

        Raises:
            ShapeError: the shapes cannot be broadcast.
        """
        return call_as("true_divide", self.div, other)

    atan2_, copysign_, float_power_, fmod_ = map(
        in_place, ("atan2", "copysign", "float_power", "fmod")
    )
    frac_, gcd_, heaviside_, hypot_, lcm_ = map(
        in_place, ("frac", "gcd", "heaviside", "hypot", "lcm")
    )
    ldexp_, lerp_, log10_, logit_ = map(in_place, ("ldexp", "lerp", "log10", "logit"))
    addcdiv_, addcmul_, deg2rad_, rad2deg_ = map(
        in_place, ("addcdiv", "addcmul", "deg2rad", "rad2deg")
    )
    nan_to_num_, nextafter_, sgn_, sinc_ = map(in_place, ("nan_to_num", "nextafter", "sgn", "sinc"))
    true_divide_, xlogy_, arctan2_ = map(in_place, ("true_divide", "xlogy", "arctan2"))


def clamp_flat(x: Any, eps: float) -> Any:
    """Return x brought into [eps, 1 - eps]."""
    if eps < 0:
        raise ArgumentError(f"logit: eps is 0 or more, not {eps}")
    return x.clamp(eps, 1 - eps)


def chosen(name: str, a: Any, b: Any, compare: str) -> Any:
    """Return the one of two elements that a comparison holds for, no NaN where one is."""
    x, y = same_pair(name, a, b)
    first = getattr(x.detach(), compare)(y.detach()).logical_or(y.detach().isnan())
    return x.where(first, y)
