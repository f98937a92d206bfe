"""exp, log, tanh, sin ... of csrc/base/vmath.h in pure Python: the same bits, function by function.

Every function is a fixed sequence of IEEE operations; SPEC.md in csrc says what each one promises.
`f(x)` is for float64; `f_f32(x)` takes and returns a float32 number as a float. A pair is two
floats, head and tail, whose unevaluated sum is meant. `math` serves only for bits, signs and the
square root.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

__all__ = [
    "FLOAT32",
    "FLOAT64",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "gelu",
    "gelu_slope",
    "gelu_tanh",
    "log",
    "log1p",
    "log2",
    "power",
    "power_f32",
    "sigmoid",
    "silu",
    "sin",
    "sinh",
    "softplus",
    "tan",
    "tanh",
    "to_float32",
]

Pair = tuple[float, float]

ROUNDER = 6755399441055744.0
LN2_HEAD = 0.6931471803691238
LN2_TAIL = 1.9082149292705877e-10
LN2 = 0.6931471805599453
LN2_26_HEAD = 0.6931471675634384
LN2_26_TAIL = 1.2996506893889889e-08
LOG2_E = 1.4426950408889634
LOG2_E_26_HEAD = 1.4426950216293335
LOG2_E_26_TAIL = 1.9259629911266175e-08
TWO_THIRDS = 0.6666666666666666
TWO_THIRDS_HEAD = 0.6666666567325592
TWO_THIRDS_TAIL = 9.934107462565104e-09
ERF_1 = 1.1283791670955126
ERF_1_26_HEAD = 1.1283791661262512
ERF_1_26_TAIL = 9.692613531930338e-10
SQRT_2 = 1.4142135623730951
SQRT_2_TAIL = -9.667293313452913e-17
K_0 = 0.769193049750063
K_0_TAIL = -1.4111732346705386e-17
K_1 = -0.6653825028900568
K_2 = 0.495305615969976
PHI_0 = 0.3989422804014327
PHI_0_26_HEAD = 0.3989422768354416
PHI_0_26_TAIL = 3.5659910885844774e-09
GELU_1 = 1.5957691216057308
GELU_1_TAIL = -9.96930880911092e-17
GELU_3 = 0.07135481627260025
GELU_3_TAIL = -6.175149918155315e-19
TWO_OVER_PI = 0.6366197723675814
HALF_PI_1 = 1.5707963267341256
HALF_PI_2 = 6.077100506303966e-11
HALF_PI_3 = 2.0222662487111665e-21
HALF_PI_4 = 8.4784276603689e-32
TRIG_NEAR = 1048576.0
HALF_PI = 1.5707963267948966
HALF_PI_TAIL = 6.123233995736766e-17
SMALLEST_NORMAL = 2.2250738585072014e-308
TWO_OVER_PI_BITS = int(
    "0000000000000000A2F9836E4E441529FC2757D1F534DDC0DB6295993C439041"
    "FE5163ABDEBBC561B7246E3A424DD2E006492EEA09D1921CFE1DEB1CB129A73E"
    "E88235F52EBB4484E99C7026B45F7E413991D639835339F49C845F8BBDF9283B"
    "1FF897FFDE05980FEF2F118B5A0A6D1F6D367ECF27CB09B74F463F669E5FEA2D"
    "7527BAC7EBE5F17B3D0739F78A5292EA6BFB5FB11F8D5D0856033046FC7B6BAB",
    16,
)


# ---- bits and pairs


def bits_of(x: float) -> int:
    """Return the 64 bits of a float."""
    bits: int = struct.unpack("<Q", struct.pack("<d", x))[0]
    return bits


def of_bits(bits: int) -> float:
    """Return the float of 64 bits."""
    x: float = struct.unpack("<d", struct.pack("<Q", bits & (2**64 - 1)))[0]
    return x


def to_float32(x: float) -> float:
    """Return the nearest float32, ties to even; infinity beyond them."""
    try:
        y: float = struct.unpack("<f", struct.pack("<f", x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)
    return y


def cut(x: float) -> float:
    """Return x cut to 26 bits: the product of two such numbers is exact."""
    return of_bits(bits_of(x) & 0xFFFFFFFFF8000000)


def flip_sign(x: float, y: float) -> float:
    """Return x with its sign changed if y is negative."""
    return -x if math.copysign(1.0, y) < 0.0 else x


def divide(a: float, b: float) -> float:
    """Return a / b as IEEE arithmetic has it, of b that is not negative."""
    if b == 0.0:
        return math.nan if a == 0.0 or a != a else math.copysign(math.inf, a)
    return a / b


def square_root(x: float) -> float:
    """Return the square root; NaN below 0."""
    return math.nan if x < 0.0 else math.sqrt(x)


def clamp_to(x: float, bound: float) -> float:
    """Return x, but no less than -bound and no more than bound."""
    return bound if x > bound else -bound if x < -bound else x


def pair_sum(a: float, b: float) -> Pair:
    """Return a + b exactly, for |a| >= |b| or a = 0."""
    head = a + b
    return head, (a - head) + b


def pair_sum_any(a: float, b: float) -> Pair:
    """Return a + b exactly (Knuth)."""
    head = a + b
    of_b = head - a
    return head, (a - (head - of_b)) + (b - of_b)


def pair_to_odd(x: Pair) -> float:
    """Return head + tail rounded to a float whose last bit is odd, unless it is exact."""
    head, tail = pair_sum(*x)
    outward = flip_sign(tail, head)
    bits = bits_of(head)
    if bits & 1 == 0:
        bits += 1 if outward > 0.0 else -1 if outward < 0.0 else 0
    return of_bits(bits)


def pair_product(a: float, b: float) -> Pair:
    """Return a * b, all but exactly."""
    ah, bh = cut(a), cut(b)
    al, bl = a - ah, b - bh
    head = a * b
    return head, ((ah * bh - head) + (ah * bl + al * bh)) + al * bl


def pair_quotient(a: Pair, b: Pair) -> Pair:
    """Return a / b to about 2**-76: a head of 26 bits, and what is left of a."""
    inverse = divide(1.0, b[0])
    bh = cut(b[0])
    bl = b[0] - bh
    head = cut(a[0] * inverse)
    rest = ((a[0] - head * bh) - head * bl) + (a[1] - head * b[1])
    return head, rest * inverse


def power_of_two(n: float) -> float:
    """Return 2**n of an integer n from -1022 to 1023."""
    return math.ldexp(1.0, int(n))


def scale_by(y: float, n: float) -> float:
    """Return y 2**n rounded once, also where it is subnormal; for |n| <= 2044."""
    half = (n * 0.5 + ROUNDER) - ROUNDER
    return y * power_of_two(half) * power_of_two(n - half)


# ---- exp


def exp_series(r: float) -> float:
    """Return (e^r - 1 - r - r^2 / 2) / r^3 for |r| <= log(2) / 2."""
    p = 2.0921730456963873e-09
    p = p * r + 2.511269479755773e-08
    p = p * r + 2.7557251920723784e-07
    p = p * r + 2.755723277575239e-06
    p = p * r + 2.480158734911909e-05
    p = p * r + 0.00019841269898735205
    p = p * r + 0.0013888888888873305
    p = p * r + 0.008333333333315936
    p = p * r + 0.041666666666666685
    p = p * r + 0.16666666666666685
    return p


def exp_parts_of(n: float, a: float, b: float) -> tuple[float, float, float]:
    """Return n, r, rest of 2**n e**(a + b) = 2**n (1 + r + rest), |a| < 0.347, b far smaller."""
    r, tail = pair_sum(a, b)
    z = r * r
    cubic = r * z * exp_series(r)
    of_tail = tail + r * tail
    return n, r, 0.5 * z + (cubic + of_tail)


def exp_reduce(head: float, tail: float = 0.0) -> tuple[float, float, float]:
    """Return n, r, rest of e**(head + tail), for |head| <= 800."""
    n = (head * LOG2_E + ROUNDER) - ROUNDER
    return exp_parts_of(n, head - n * LN2_HEAD, tail - n * LN2_TAIL)


def exp_mantissa(r: float, rest: float) -> Pair:
    """Return 1 + r + rest as a pair."""
    head, tail = pair_sum(1.0, r)
    return pair_sum(head, tail + rest)


def exp_less_one(n: float, r: float, rest: float) -> Pair:
    """Return e**x - 1 of n <= 0."""
    power = power_of_two(n)
    p, q = pair_sum(r, rest), pair_sum(-1.0, power)
    head, tail = pair_sum(q[0], power * p[0])
    return head, tail + (q[1] + power * p[1])


def exp(x: float) -> float:
    """Return e**x."""
    if x != x:
        return x
    n, r, rest = exp_reduce(clamp_to(x, 800.0))
    return scale_by(exp_mantissa(r, rest)[0], n)


def exp2(x: float) -> float:
    """Return 2**x."""
    if x != x:
        return x
    x = clamp_to(x, 1100.0)
    n = (x + ROUNDER) - ROUNDER
    whole = x - n
    high = cut(whole)
    tail = high * LN2_26_TAIL + (whole - high) * LN2
    n, r, rest = exp_parts_of(n, high * LN2_26_HEAD, tail)
    return scale_by(exp_mantissa(r, rest)[0], n)


def expm1(x: float) -> float:
    """Return e**x - 1 = 2**n ((1 - 2**-n) + r + rest)."""
    if x != x or x == 0.0:
        return x
    bounded = 800.0 if x > 800.0 else -60.0 if x < -60.0 else x
    n, r, rest = exp_reduce(bounded)
    power = 0.0 if bounded > 100.0 else power_of_two(-n)
    p, q = pair_sum(r, rest), pair_sum(1.0, -power)
    head, tail = pair_sum(q[0], p[0])
    return scale_by(head + (tail + (q[1] + p[1])), n)


# ---- sinh, cosh


def sinh_series(z: float) -> float:
    """Return (sinh x - x) / x^3, z = x^2 <= 1."""
    p = 4.420998513320708e-15
    p = p * z + 7.581135625977607e-13
    p = p * z + 1.6060161067945112e-10
    p = p * z + 2.5052098436572166e-08
    p = p * z + 2.7557319273633615e-06
    p = p * z + 0.0001984126984113355
    p = p * z + 0.008333333333333519
    p = p * z + 0.16666666666666666
    return p


def half_exp(positive: float, sign: float) -> float:
    """Return (e**x + sign e**-x) / 2 of x >= 0."""
    n, r, rest = exp_reduce(clamp_to(positive, 800.0))
    head, tail = exp_mantissa(r, rest)
    inverse = 0.0 if positive > 30.0 else power_of_two(-2.0 * n) / head
    return scale_by(head + (tail + sign * inverse), n - 1.0)


def sinh(x: float) -> float:
    """Return the hyperbolic sine."""
    if x != x:
        return x
    positive, z = math.fabs(x), x * x
    if positive < 1.0:
        return flip_sign(positive + positive * z * sinh_series(z), x)
    return flip_sign(half_exp(positive, -1.0), x)


def cosh(x: float) -> float:
    """Return the hyperbolic cosine."""
    return x if x != x else half_exp(math.fabs(x), 1.0)


# ---- tanh, sigmoid


def tanh(x: float) -> float:
    """Return tanh x = -t / (2 + t), t = e**(-2 |x|) - 1, with the sign of x."""
    if x != x:
        return x
    t = exp_less_one(*exp_reduce(-2.0 * clamp_to(math.fabs(x), 22.0)))
    head, tail = pair_sum(2.0, t[0])
    y = pair_quotient((-t[0], -t[1]), (head, tail + t[1]))
    return flip_sign(y[0] + y[1], x)


def sigmoid_parts(x: float) -> tuple[Pair, float]:
    """Return a pair and n whose product with 2**n is the sigmoid of x."""
    negative = clamp_to(-math.fabs(x), 800.0)
    n, r, rest = exp_reduce(negative)
    m = exp_mantissa(r, rest)
    power = 0.0 if negative < -100.0 else power_of_two(n)
    head, tail = pair_sum(1.0, power * m[0])
    above = m if x < 0.0 else (1.0, 0.0)
    return pair_quotient(above, (head, tail + power * m[1])), n if x < 0.0 else 0.0


def sigmoid(x: float) -> float:
    """Return 1 / (1 + e**-x)."""
    if x != x:
        return x
    y, n = sigmoid_parts(x)
    return scale_by(y[0] + y[1], n)


# ---- log


def log_series(z: float) -> float:
    """Return (log((1 + s) / (1 - s)) - 2 s) / s^3, z = s^2 <= 0.02945."""
    p = 0.13233844032059033
    p = p * z + 0.1325226148066171
    p = p * z + 0.15386983319262623
    p = p * z + 0.18181778493170692
    p = p * z + 0.2222222260513692
    p = p * z + 0.2857142856942329
    p = p * z + 0.4000000000000489
    p = p * z + 0.6666666666666666
    return p


def log_reduce(x: float) -> Pair:
    """Return e and f of a finite x = 2**e (1 + f) > 0, 1 + f in [sqrt(1/2), sqrt(2))."""
    root = 0x3FE6A09E00000000
    tiny = x < SMALLEST_NORMAL
    bits = bits_of(x * 2.0**54 if tiny else x) + (0x3FF0000000000000 - root)
    exponent = (bits >> 52) - 1023 - (54 if tiny else 0)
    return float(exponent), of_bits((bits & 0x000FFFFFFFFFFFFF) + root) - 1.0


def log_sum(exponent: float, f: float, tail: float) -> Pair:
    """Return log(2**exponent (1 + f + tail)), |tail| far below |f|, or f = 0."""
    s = f / (2.0 + f)
    z = s * s
    half = 0.5 * f * f
    less = half - s * (half + z * log_series(z))
    head, low = pair_sum(exponent * LN2_HEAD, f)
    return head, low + ((exponent * LN2_TAIL + tail) - less)


def log_limit(x: float) -> float | None:
    """Return the logarithm where no number has one, or None."""
    if x != x or x == math.inf:
        return x
    return None if x > 0.0 else -math.inf if x == 0.0 else math.nan


def log(x: float) -> float:
    """Return the natural logarithm; -infinity at 0, NaN below."""
    limit = log_limit(x)
    if limit is not None:
        return limit
    head, tail = log_sum(*log_reduce(x), 0.0)
    return head + tail


# ---- log1p, asinh, acosh, atanh, softplus


def log_of_pair(u: Pair, less_one: Pair) -> Pair:
    """Return log(u) of a pair u; near 1 from less_one = u - 1."""
    exponent, f = log_reduce(u[0])
    if exponent == 0.0:
        return log_sum(0.0, less_one[0], less_one[1] / u[0])
    return log_sum(exponent, f, u[1] / u[0])


def log1p(x: float) -> float:
    """Return log(1 + x)."""
    if x != x or x == 0.0 or x == math.inf:
        return x
    if x <= -1.0:
        return -math.inf if x == -1.0 else math.nan
    head, tail = log_of_pair(pair_sum_any(1.0, x), (x, 0.0))
    return head + tail


def pair_sqrt(x: Pair) -> Pair:
    """Return the square root of a pair >= 0."""
    root = square_root(x[0])
    high = cut(root)
    return pair_sum(high, ((x[0] - high * high) + x[1]) / (root + high + SMALLEST_NORMAL))


def square_and_one(x: float, sign: float) -> Pair:
    """Return x**2 + sign."""
    z = pair_product(x, x)
    head, tail = pair_sum_any(z[0], sign)
    return head, tail + z[1]


def asinh_series(z: float) -> float:
    """Return (asinh x - x) / x^3, z = x^2 <= 1/4."""
    p = 0.001017673740867085
    p = p * z - 0.0031335015694584807
    p = p * z + 0.005296121767084712
    p = p * z - 0.006949934439348639
    p = p * z + 0.008307421458282845
    p = p * z - 0.00974770263716955
    p = p * z + 0.01155008663678764
    p = p * z - 0.01396468949391333
    p = p * z + 0.01735275445668138
    p = p * z - 0.02237215864180499
    p = p * z + 0.030381944430981512
    p = p * z - 0.044642857142608836
    p = p * z + 0.07499999999999755
    p = p * z - 0.16666666666666666
    return p


def asinh_sum(positive: float) -> Pair:
    """Return log(x + sqrt(x**2 + 1)) of a finite x >= 0."""
    z = positive * positive
    if positive < 0.5:
        return positive, positive * z * asinh_series(z)
    if positive > 2.0**30:
        exponent, f = log_reduce(positive)
        return log_sum(exponent + 1.0, f, 0.0)
    root = pair_sqrt(square_and_one(positive, 1.0))
    u = pair_sum(root[0], positive)
    exponent, f = log_reduce(u[0])
    return log_sum(exponent, f, (u[1] + root[1]) / u[0])


def asinh(x: float) -> float:
    """Return the inverse hyperbolic sine."""
    if not math.fabs(x) < math.inf:
        return x
    head, tail = asinh_sum(math.fabs(x))
    return flip_sign(head + tail, x)


def acosh_sum(x: float) -> Pair:
    """Return log(x + sqrt(x**2 - 1)) of a finite x >= 1."""
    if x > 2.0**30:
        exponent, f = log_reduce(x)
        return log_sum(exponent + 1.0, f, 0.0)
    root = pair_sqrt(square_and_one(x, -1.0))
    u, less_one = pair_sum(x, root[0]), pair_sum(root[0], x - 1.0)
    return log_of_pair((u[0], u[1] + root[1]), (less_one[0], less_one[1] + root[1]))


def acosh(x: float) -> float:
    """Return the inverse hyperbolic cosine; NaN below 1."""
    if not 1.0 <= x < math.inf:
        return math.nan if x < 1.0 else x
    head, tail = acosh_sum(x)
    return head + tail


def atanh(x: float) -> float:
    """Return (e log 2) / 2 + atanh s, s = (a - b) / (a + b), a = 1 + x, b = 2**e (1 - x)."""
    positive = math.fabs(x)
    if x != x or positive >= 1.0:
        return flip_sign(math.inf, x) if positive == 1.0 else math.nan
    a, b = pair_sum(1.0, positive), pair_sum(1.0, -positive)
    exponent = log_reduce(a[0] / b[0])[0]
    above, below = (2.0 * positive, 0.0), (2.0, 0.0)
    if exponent != 0.0:
        power = power_of_two(exponent)
        above = a[0] - power * b[0], a[1] - power * b[1]
        below = pair_sum_any(a[0], power * b[0])
        below = below[0], below[1] + (a[1] + power * b[1])
    s = pair_sum(*pair_quotient(above, below))
    z = s[0] * s[0]
    head, tail = pair_sum(0.5 * exponent * LN2_HEAD, s[0])
    more = 0.5 * exponent * LN2_TAIL + s[1]
    return flip_sign(head + (tail + (more + 0.5 * s[0] * z * log_series(z))), x)


def softplus(x: float) -> float:
    """Return log(1 + e**x)."""
    if x != x or x > 60.0:
        return x
    n, r, rest = exp_reduce(clamp_to(-math.fabs(x), 800.0))
    m = exp_mantissa(r, rest)
    if x < -60.0:
        return scale_by(m[0], n)
    power = power_of_two(n)
    small = power * m[0], power * m[1]
    head, tail = pair_sum(1.0, small[0])
    y = pair_sum(*log_of_pair((head, tail + small[1]), small))
    head, tail = pair_sum_any(x if x > 0.0 else 0.0, y[0])
    return head + (tail + y[1])


# ---- erf, gelu


def tail_series(u: float) -> float:
    """Return (K(u) - K_0 - K_1 u - K_2 u^2) / u^3, see gauss_tail(), -0.755 <= u <= 0.781."""
    p = -1.2627949160663984e-09
    p = p * u + 9.715352547163562e-10
    p = p * u + 1.1113993333982987e-08
    p = p * u - 6.780469592264461e-09
    p = p * u - 7.056906159988971e-08
    p = p * u + 3.8743867507577155e-08
    p = p * u + 4.3661976150756224e-07
    p = p * u - 3.338494355090718e-07
    p = p * u - 2.7708773890793272e-06
    p = p * u + 3.9795679196049604e-06
    p = p * u + 1.668168843146123e-05
    p = p * u - 4.976240591889907e-05
    p = p * u - 5.9375817218943666e-05
    p = p * u + 0.0005448989860470108
    p = p * u - 0.0007978693880419833
    p = p * u - 0.002993376761340314
    p = p * u + 0.02079506679916661
    p = p * u - 0.0691186387068996
    p = p * u + 0.16502036617041074
    p = p * u - 0.3135331566712871
    return p


def phi_series(z: float) -> float:
    """Return (Phi x - 1/2 - x / sqrt(2 pi)) / x^3, z = x^2 <= 1."""
    p = 4.071079300014915e-12
    p = p * z - 1.1062670490122953e-10
    p = p * z + 2.2703777676180685e-09
    p = p * z - 4.12240642669442e-08
    p = p * z + 6.659679566447255e-07
    p = p * z - 9.444655779180687e-06
    p = p * z + 0.00011543468751287783
    p = p * z - 0.0011873282154675135
    p = p * z + 0.009973557010034995
    p = p * z - 0.06649038006690543
    return p


def erf_series(z: float) -> float:
    """Return (erf x - 2 x / sqrt(pi)) / x^3, z = x^2 <= 9/16."""
    p = -9.747140708754054e-10
    p = p * z + 1.44920098795558e-08
    p = p * z - 1.6344068290560517e-07
    p = p * z + 1.6461237641664102e-06
    p = p * z - 1.4925631492385068e-05
    p = p * z + 0.00012055332889800746
    p = p * z - 0.0008548327029006006
    p = p * z + 0.00522397762558737
    p = p * z - 0.026866170645146844
    p = p * z + 0.11283791670955202
    p = p * z - 0.37612638903183754
    return p


def gauss_tail(z: Pair, half: Pair) -> tuple[Pair, float]:
    """Return a pair and n of the normal distribution's tail Phi(-z), half = z**2 / 2."""
    head, tail = pair_sum_any(z[0], 5.0)
    v = pair_quotient((1.0, 0.0), (head, tail + z[1]))
    head, tail = pair_sum_any(1.0, -10.0 * v[0])
    u = pair_sum(head, tail - 10.0 * v[1])
    bend = pair_sum(K_2, u[0] * tail_series(u[0]))
    rise = pair_product(u[0], bend[0])
    head, tail = pair_sum(K_1, rise[0])
    slope = head, tail + (rise[1] + (u[0] * bend[1] + u[1] * bend[0]))
    rise = pair_product(u[0], slope[0])
    head, tail = pair_sum(K_0, rise[0])
    k = head, tail + ((rise[1] + (u[0] * slope[1] + u[1] * slope[0])) + K_0_TAIL)
    n, r, rest = exp_reduce(-half[0], -half[1])
    power = exp_mantissa(r, rest)
    head, tail = pair_product(power[0], k[0])
    y = pair_sum(head, tail + (power[0] * k[1] + power[1] * k[0]))
    v = pair_sum(*v)
    head, tail = pair_product(y[0], v[0])
    return (head, tail + (y[0] * v[1] + y[1] * v[0])), n


def erf(x: float) -> float:
    """Return the error function: 1 - 2 Phi(-sqrt(2) |x|), and a series below 0.71875."""
    if x != x:
        return x
    positive, z = math.fabs(x), x * x
    if positive < 0.71875:
        unit = 2.0**100 if positive < 2.0**-900 else 1.0
        large = positive * unit
        high = cut(large)
        tail = high * ERF_1_26_TAIL + (large - high) * ERF_1
        tail = tail + large * z * erf_series(z)
        return flip_sign((high * ERF_1_26_HEAD + tail) * (1.0 / unit), x)
    bounded = clamp_to(positive, 6.0)
    head, tail = pair_product(SQRT_2, bounded)
    m, n = gauss_tail((head, tail + SQRT_2_TAIL * bounded), pair_product(bounded, bounded))
    power = -2.0 * power_of_two(n)
    head, tail = pair_sum(1.0, power * m[0])
    return flip_sign(head + (tail + power * m[1]), x)


def gauss_near(x: float) -> Pair:
    """Return Phi(x), |x| < 3/4."""
    high, z = cut(x), x * x
    head, tail = pair_sum(0.5, high * PHI_0_26_HEAD)
    return head, tail + (high * PHI_0_26_TAIL + (x - high) * PHI_0 + x * z * phi_series(z))


def gelu_size(x: float) -> tuple[Pair, float]:
    """Return a pair and n of |x| Phi(x), |x| <= 40."""
    bounded, n = clamp_to(math.fabs(x), 40.0), 0.0
    if bounded < 0.75:
        head, tail = gauss_near(x)
    else:
        m, n = gauss_tail((bounded, 0.0), pair_product(0.5 * bounded, bounded))
        head, tail = m
        if x > 0.0:
            power = 0.0 if bounded > 12.0 else -power_of_two(n)
            head, tail = pair_sum(1.0, power * m[0])
            tail = tail + power * m[1]
            n = 0.0
    y = pair_product(bounded, head)
    return (y[0], y[1] + bounded * tail), n


def gelu(x: float) -> float:
    """Return x Phi(x)."""
    if x != x or x > 40.0:
        return x
    y, n = gelu_size(x)
    return flip_sign(scale_by(y[0] + y[1], n), x)


def gelu_slope(x: float) -> float:
    """Return the slope of gelu, Phi(x) + x phi(x), phi the density."""
    if x != x:
        return x
    bounded = clamp_to(math.fabs(x), 40.0)
    half = pair_product(0.5 * bounded, bounded)
    n, r, rest = exp_reduce(-half[0], -half[1])
    power = exp_mantissa(r, rest)[0]
    if bounded < 0.75:
        head, tail = gauss_near(x)
        return head + (tail + x * (PHI_0 * (power_of_two(n) * power)))
    m, n = gauss_tail((bounded, 0.0), half)
    rise = bounded * (PHI_0 * power)
    if x < 0.0:
        return scale_by((m[0] - rise) + m[1], n)
    unit = 0.0 if bounded > 12.0 else power_of_two(n)
    return 1.0 + unit * ((rise - m[0]) - m[1])


# ---- silu, gelu_tanh


def times_sigmoid(x: float, t: Pair) -> tuple[Pair, float]:
    """Return a pair and n of |x| sigmoid(t)."""
    negative = t[0] < 0.0
    positive = clamp_to(math.fabs(x), 1000.0)
    head, tail = math.fabs(t[0]), t[1] if negative else -t[1]
    head, tail = (-800.0, 0.0) if head > 800.0 else (-head, tail)
    n, r, rest = exp_reduce(head, tail)
    m = exp_mantissa(r, rest)
    power = 0.0 if head < -100.0 else power_of_two(n)
    below = pair_sum(1.0, power * m[0])
    above = positive, 0.0
    if negative:
        above = pair_product(positive, m[0])
        above = above[0], above[1] + positive * m[1]
    y = pair_quotient(above, (below[0], below[1] + power * m[1]))
    return y, n if negative else 0.0


def gelu_tanh_size(x: float) -> tuple[Pair, float]:
    """Return a pair and n of |x| sigmoid(2 sqrt(2 / pi) (x + 0.044715 x**3))."""
    bounded = clamp_to(x, 30.0)
    z = pair_product(bounded, bounded)
    head, tail = pair_product(z[0], GELU_3)
    tail = tail + (z[1] * GELU_3 + z[0] * GELU_3_TAIL)
    slope = pair_sum_any(GELU_1, head)
    slope = slope[0], slope[1] + (tail + GELU_1_TAIL)
    head, tail = pair_product(slope[0], bounded)
    return times_sigmoid(x, (head, tail + slope[1] * bounded))


def silu(x: float) -> float:
    """Return x sigmoid(x)."""
    if x != x or x > 800.0:
        return x
    y, n = times_sigmoid(x, (x, 0.0))
    return flip_sign(scale_by(y[0] + y[1], n), x)


def gelu_tanh(x: float) -> float:
    """Return x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3)))."""
    if x != x or x > 800.0:
        return x
    y, n = gelu_tanh_size(x)
    return flip_sign(scale_by(y[0] + y[1], n), x)


# ---- log2, pow


def power_series(z: float) -> float:
    """Return ((log((1 + s) / (1 - s)) - 2 s) / s^3 - 2/3) / z, z = s^2 <= 0.02945."""
    p = 0.13201435786623958
    p = p * z + 0.1325622931617123
    p = p * z + 0.15386784606660048
    p = p * z + 0.18181783720347466
    p = p * z + 0.22222222528126206
    p = p * z + 0.2857142857004743
    p = p * z + 0.40000000000002384
    return p


def log_pair(f: float) -> Pair:
    """Return log(1 + f) to 2**-65."""
    s = pair_quotient((f, 0.0), pair_sum(2.0, f))
    z = pair_sum(s[0] * s[0], s[1] * (2.0 * s[0] + s[1]))
    zh = cut(z[0])
    zl = (z[0] - zh) + z[1]
    third = zh * TWO_THIRDS_HEAD
    tail = zh * TWO_THIRDS_TAIL + zl * TWO_THIRDS
    tail = tail + z[0] * z[0] * power_series(z[0])
    total = third + tail
    high = cut(total)
    low = (third - high) + tail
    y = pair_sum(2.0 * s[0], s[0] * high)
    return pair_sum(y[0], y[1] + (2.0 * s[1] + (s[0] * low + s[1] * total)))


def log2(x: float) -> float:
    """Return the logarithm to base 2."""
    limit = log_limit(x)
    if limit is not None:
        return limit
    exponent, f = log_reduce(x)
    y = log_pair(f)
    high = cut(y[0])
    low = (y[0] - high) + y[1]
    head, tail = pair_sum(exponent, high * LOG2_E_26_HEAD)
    return head + (tail + (high * LOG2_E_26_TAIL + low * LOG2_E))


def is_integer(x: float) -> bool:
    """Return whether x is an integer."""
    positive = math.fabs(x)
    return positive >= 2.0**52 or (positive + 2.0**52) - 2.0**52 == positive


def positive_power(x: float, y: float) -> float:
    """Return x**y of x >= 0 and a y that is no NaN."""
    tail, limit = 0.0, log_limit(x)
    if limit is not None:
        product = limit * y
    else:
        exponent, f = log_reduce(x)
        m = log_pair(f)
        h = pair_sum(exponent * LN2_HEAD, m[0])
        h = pair_sum(h[0], h[1] + (exponent * LN2_TAIL + m[1]))
        product = 0.0 if h[0] == 0.0 else h[0] * y
        if 2.0**-100 < math.fabs(product) < 800.0:
            tail = pair_product(h[0], y)[1] + h[1] * y
    n, r, rest = exp_reduce(clamp_to(product, 800.0), tail)
    return scale_by(exp_mantissa(r, rest)[0], n)


def power(x: float, y: float) -> float:
    """Return x**y with the special cases of C99 F.9.4.4."""
    if x == 1.0 or y == 0.0:
        return 1.0
    if x != x or y != y:
        return math.nan
    whole = is_integer(y)
    if x < 0.0 and not whole and x != -math.inf:
        return math.nan
    result = positive_power(math.fabs(x), y)
    return flip_sign(result, x) if whole and not is_integer(0.5 * y) else result


# ---- sin, cos, tan


def sin_series(z: float) -> float:
    """Return (sin a - a) / a^3, z = a^2 <= (pi / 4)^2."""
    p = 1.589610345668541e-10
    p = p * z - 2.5050745130519024e-08
    p = p * z + 2.755731359989538e-06
    p = p * z - 0.00019841269829504662
    p = p * z + 0.00833333333332196
    p = p * z - 0.1666666666666663
    return p


def cos_series(z: float) -> float:
    """Return (cos a - 1 + z / 2) / z^2, z = a^2 <= (pi / 4)^2."""
    p = -1.1359034621562258e-11
    p = p * z + 2.087571065372297e-09
    p = p * z - 2.7557314252280614e-07
    p = p * z + 2.4801587289103273e-05
    p = p * z - 0.0013888888888873446
    p = p * z + 0.041666666666666595
    return p


def angle_near(x: float) -> tuple[int, Pair]:
    """Return quadrant and a of 0 <= x = quadrant pi / 2 + a <= 2**20."""
    n = (x * TWO_OVER_PI + ROUNDER) - ROUNDER
    first = pair_sum(x - n * HALF_PI_1, -(n * HALF_PI_2))
    second = pair_sum(first[0], -(n * HALF_PI_3))
    tail = second[1] + (first[1] - n * HALF_PI_4)
    return int(n), pair_sum(second[0], tail)


def angle_far(x: float) -> tuple[int, Pair]:
    """Return quadrant and a of x > 2**20: m times 192 bits of 2 / pi, in units of 2**-190."""
    bits = bits_of(x)
    m = (bits & 0x000FFFFFFFFFFFFF) | 0x0010000000000000
    window = TWO_OVER_PI_BITS >> (1280 - 192 - ((bits >> 52) - 1013))
    product = m * (window & (2**192 - 1)) & (2**192 - 1)
    quadrant = (product >> 190) + (product >> 189 & 1)
    fraction = product << 2 & (2**192 - 1)
    above = fraction >> 191
    if above:
        fraction = 2**192 - fraction
    zeros = 192 - fraction.bit_length()
    fraction <<= zeros
    head = math.ldexp(float(fraction >> 139), -53 - zeros)
    tail = math.ldexp(float(fraction >> 86 & (2**53 - 1)), -106 - zeros)
    a = pair_product(head, HALF_PI)
    a = pair_sum(a[0], a[1] + (head * HALF_PI_TAIL + tail * HALF_PI))
    return quadrant, ((-a[0], -a[1]) if above else a)


def angle(x: float) -> tuple[int, Pair]:
    """Return quadrant and a of a finite x >= 0."""
    return angle_far(x) if x > TRIG_NEAR else angle_near(x)


def sin_sum(a: Pair) -> Pair:
    """Return the sine of |a| <= pi / 4."""
    z = a[0] * a[0]
    return a[0], a[0] * z * sin_series(z) + (a[1] - 0.5 * z * a[1])


def cos_sum(a: Pair) -> Pair:
    """Return the cosine of |a| <= pi / 4."""
    z, high = a[0] * a[0], cut(a[0])
    low = a[0] - high
    head, tail = pair_sum(1.0, -(0.5 * high * high))
    less = 0.5 * (low * (a[0] + high)) + a[0] * a[1]
    return head, tail + (z * z * cos_series(z) - less)


def angle_sin(x: float, turn: int) -> float:
    """Return the sine of |x| + turn pi / 2."""
    quadrant, a = angle(math.fabs(x))
    quadrant += turn
    head, tail = cos_sum(a) if quadrant & 1 else sin_sum(a)
    return -(head + tail) if quadrant & 2 else head + tail


def sin(x: float) -> float:
    """Return the sine; NaN for infinity."""
    return flip_sign(angle_sin(x, 0), x) if math.fabs(x) < math.inf else math.nan


def cos(x: float) -> float:
    """Return the cosine; NaN for infinity."""
    return angle_sin(x, 1) if math.fabs(x) < math.inf else math.nan


def tan(x: float) -> float:
    """Return the tangent: sin / cos, or -cos / sin in the odd quadrants."""
    if not math.fabs(x) < math.inf:
        return math.nan
    quadrant, a = angle(math.fabs(x))
    sine, cosine = pair_sum(*sin_sum(a)), pair_sum(*cos_sum(a))
    if quadrant & 1:
        sine, cosine = (-cosine[0], -cosine[1]), sine
    head, tail = pair_quotient(sine, cosine)
    return flip_sign(head + tail, x)


# ---- asin, acos, atan


def asin_series(z: float) -> float:
    """Return (asin t - t) / t^3, z = t^2 <= 1/4."""
    p = 0.03256583927490458
    p = p * z - 0.020898809490814328
    p = p * z + 0.021636856974466507
    p = p * z + 0.0037352343200085705
    p = p * z + 0.01077270078341017
    p = p * z + 0.011400238094136402
    p = p * z + 0.013980662389073067
    p = p * z + 0.017351624732641444
    p = p * z + 0.022372214318213676
    p = p * z + 0.03038194272950777
    p = p * z + 0.044642857174224136
    p = p * z + 0.07499999999971095
    p = p * z + 0.1666666666666676
    return p


def atan_series(z: float) -> float:
    """Return (atan t - t) / t^3, z = t^2 <= (sqrt(2) - 1)^2."""
    p = 0.015126551834543669
    p = p * z - 0.0334019034325203
    p = p * z + 0.04500182523177715
    p = p * z - 0.05217503660000628
    p = p * z + 0.05876868325866567
    p = p * z - 0.06666209393012931
    p = p * z + 0.07692281439241962
    p = p * z - 0.09090908077970258
    p = p * z + 0.11111111086026483
    p = p * z - 0.1428571428534646
    p = p * z + 0.1999999999999725
    p = p * z - 0.33333333333333326
    return p


def asin_sum(positive: float) -> Pair:
    """Return asin s as a pair: s = |x| below 1/2, from there on sqrt((1 - |x|) / 2)."""
    if positive < 0.5:
        z, s = positive * positive, (positive, 0.0)
    else:
        z = 0.5 * (1.0 - positive)
        s = pair_sqrt((z, 0.0))
    return s[0], s[1] + s[0] * z * asin_series(z)


def asin(x: float) -> float:
    """Return the arc sine; NaN beyond 1."""
    positive = math.fabs(x)
    if not positive <= 1.0:
        return math.nan
    s = asin_sum(positive)
    if positive < 0.5:
        return flip_sign(s[0] + s[1], x)
    head, tail = pair_sum(HALF_PI, -2.0 * s[0])
    return flip_sign(head + (tail + (HALF_PI_TAIL - 2.0 * s[1])), x)


def acos(x: float) -> float:
    """Return the arc cosine: pi / 2 - asin x; 2 asin s from 1/2 on; pi - 2 asin s below -1/2."""
    if not math.fabs(x) <= 1.0:
        return math.nan
    s = asin_sum(math.fabs(x))
    if math.fabs(x) < 0.5:
        turns, factor = 1.0, 1.0 if x < 0.0 else -1.0
    else:
        turns, factor = (2.0, -2.0) if x < 0.0 else (0.0, 2.0)
    head, tail = pair_sum(turns * HALF_PI, factor * s[0])
    return head + (tail + (turns * HALF_PI_TAIL + factor * s[1]))


def atan(x: float) -> float:
    """Return the arc tangent: of a = |x|, pi/4 + atan((a - 1) / (a + 1)), pi/2 + atan(-1 / a)."""
    if x != x:
        return x
    a = clamp_to(math.fabs(x), 2.0**60)
    eighths, above, below = 0.0, (a, 0.0), (1.0, 0.0)
    if a > 2.414213562373095:
        eighths, above, below = 2.0, (-1.0, 0.0), (a, 0.0)
    elif a > 0.41421356237309503:
        eighths, above, below = 1.0, pair_sum(-1.0, a), pair_sum(1.0, a)
    t = pair_sum(*pair_quotient(above, below))
    z = t[0] * t[0]
    head, tail = pair_sum(eighths * 0.5 * HALF_PI, t[0])
    more = eighths * 0.5 * HALF_PI_TAIL + t[1]
    return flip_sign(head + (tail + (more + t[0] * z * atan_series(z))), x)


# ---- float32


def rounded(function: Callable[[float], float]) -> Callable[[float], float]:
    """Return the float32 function that is the float64 one, rounded."""
    return lambda x: to_float32(function(x))


def sigmoid_f32(x: float) -> float:
    """Return the sigmoid of a float32, rounded to odd first."""
    if x != x:
        return x
    y, n = sigmoid_parts(x)
    return to_float32(scale_by(pair_to_odd(y), n))


def log_f32(x: float) -> float:
    """Return the logarithm of a float32, rounded to odd first."""
    limit = log_limit(x)
    return to_float32(pair_to_odd(log_sum(*log_reduce(x), 0.0)) if limit is None else limit)


def log1p_f32(x: float) -> float:
    """Return log(1 + x) of a float32, rounded to odd first."""
    if not -1.0 < x < math.inf or x == 0.0:
        return log1p(x)
    return to_float32(pair_to_odd(log_of_pair(pair_sum_any(1.0, x), (x, 0.0))))


def asinh_f32(x: float) -> float:
    """Return the inverse hyperbolic sine of a float32, rounded to odd first."""
    if not math.fabs(x) < math.inf:
        return x
    return to_float32(flip_sign(pair_to_odd(asinh_sum(math.fabs(x))), x))


def acosh_f32(x: float) -> float:
    """Return the inverse hyperbolic cosine of a float32, rounded to odd first."""
    return to_float32(pair_to_odd(acosh_sum(x))) if 1.0 <= x < math.inf else acosh(x)


def sin_f32(x: float) -> float:
    """Return the sine of a float32; one |x| is too near the middle of two for a float64 to tell."""
    if math.fabs(x) == 9830.3984375:
        return flip_sign(-0.34761324524879456, x)
    return to_float32(sin(x))


def cos_f32(x: float) -> float:
    """Return the cosine of a float32; two |x| are too near the middle for a float64 to tell."""
    hard = {1.100467763087514e19: 0.996410071849823, 1.7269983397793917e20: 0.9690579771995544}
    y = hard.get(math.fabs(x))
    return to_float32(cos(x)) if y is None else y


def sized(
    size: Callable[[float], tuple[Pair, float]], identity_above: float
) -> Callable[[float], float]:
    """Return the float32 function of a size, rounded to odd first, with the sign of x."""

    def function(x: float) -> float:
        if x != x or x > identity_above:
            return x
        y, n = size(x)
        return to_float32(flip_sign(scale_by(pair_to_odd(y), n), x))

    return function


def power_f32(x: float, y: float) -> float:
    """Return x**y of float32 numbers."""
    return to_float32(power(x, y))


FLOAT64: dict[str, Callable[[float], float]] = {
    f.__name__: f
    for f in (
        exp, log, tanh, sigmoid, sin, cos, exp2, expm1, log2, log1p, tan, asin, acos, atan, sinh,
        cosh, asinh, acosh, atanh, erf, softplus, silu, gelu, gelu_tanh,
    )
}  # fmt: skip
FLOAT32: dict[str, Callable[[float], float]] = {
    **{name: rounded(function) for name, function in FLOAT64.items()},
    "sigmoid": sigmoid_f32,
    "log": log_f32,
    "log1p": log1p_f32,
    "asinh": asinh_f32,
    "acosh": acosh_f32,
    "sin": sin_f32,
    "cos": cos_f32,
    "silu": sized(lambda x: times_sigmoid(x, (x, 0.0)), 800.0),
    "gelu": sized(gelu_size, 40.0),
    "gelu_tanh": sized(gelu_tanh_size, 800.0),
}
