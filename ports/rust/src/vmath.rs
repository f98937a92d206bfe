//! exp, log, tanh, sin and others, as csrc/SPEC.md defines them: the same bits on every machine.
//!
//! Nothing of the standard library is used but the square root, which IEEE 754 defines, bits, abs,
//! min and max. A `Pair` (h, t) is the sum h + t that is not carried out; the names of the helpers
//! are SPEC.md's.

pub(crate) type Pair = (f64, f64);

const LN2_HEAD: f64 = 0.6931471803691238;
const LN2_TAIL: f64 = 1.9082149292705877e-10;
const LN2: f64 = 0.6931471805599453;
const LN2_26_HEAD: f64 = 0.6931471675634384;
const LN2_26_TAIL: f64 = 1.2996506893889889e-8;
const LOG2_E: f64 = 1.4426950408889634;
const LOG2_E_26_HEAD: f64 = 1.4426950216293335;
const LOG2_E_26_TAIL: f64 = 1.9259629911266175e-8;
const TWO_THIRDS: f64 = 0.6666666666666666;
const TWO_THIRDS_HEAD: f64 = 0.6666666567325592;
const TWO_THIRDS_TAIL: f64 = 9.934107462565104e-9;
const ERF_1: f64 = 1.1283791670955126;
const ERF_1_26_HEAD: f64 = 1.1283791661262512;
const ERF_1_26_TAIL: f64 = 9.692613531930338e-10;
const SQRT_2: f64 = 1.4142135623730951;
const SQRT_2_TAIL: f64 = -9.667293313452913e-17;
const K_0: f64 = 0.769193049750063;
const K_0_TAIL: f64 = -1.4111732346705386e-17;
const K_1: f64 = -0.6653825028900568;
const K_2: f64 = 0.495305615969976;
const PHI_0: f64 = 0.3989422804014327;
const PHI_0_26_HEAD: f64 = 0.3989422768354416;
const PHI_0_26_TAIL: f64 = 3.5659910885844774e-9;
const GELU_1: f64 = 1.5957691216057308;
const GELU_1_TAIL: f64 = -9.96930880911092e-17;
const GELU_3: f64 = 0.07135481627260025;
const GELU_3_TAIL: f64 = -6.175149918155315e-19;
const TWO_OVER_PI: f64 = 0.6366197723675814;
const HALF_PI_1: f64 = 1.5707963267341256;
const HALF_PI_2: f64 = 6.077100506303966e-11;
const HALF_PI_3: f64 = 2.0222662487111665e-21;
const HALF_PI_4: f64 = 8.4784276603689e-32;
const HALF_PI: f64 = 1.5707963267948966;
const HALF_PI_TAIL: f64 = 6.123233995736766e-17;
const ROUNDER: f64 = 6755399441055744.0;
const NEAR: f64 = 1048576.0;
const FAR: f64 = 1073741824.0;
const SMALLEST_NORMAL: f64 = 2.2250738585072014e-308;

#[rustfmt::skip]
const EXP: [f64; 10] = [
    0.16666666666666685, 0.041666666666666685, 0.008333333333315936, 0.0013888888888873305,
    0.00019841269898735205, 2.480158734911909e-5, 2.755723277575239e-6, 2.7557251920723784e-7,
    2.511269479755773e-8, 2.0921730456963873e-9,
];

#[rustfmt::skip]
const LOG: [f64; 8] = [
    0.6666666666666666, 0.4000000000000489, 0.2857142856942329, 0.2222222260513692,
    0.18181778493170692, 0.15386983319262623, 0.1325226148066171, 0.13233844032059033,
];

#[rustfmt::skip]
const SIN: [f64; 6] = [
    -0.1666666666666663, 0.00833333333332196, -0.00019841269829504662, 2.755731359989538e-6,
    -2.5050745130519024e-8, 1.589610345668541e-10,
];

#[rustfmt::skip]
const COS: [f64; 6] = [
    0.041666666666666595, -0.0013888888888873446, 2.4801587289103273e-5, -2.7557314252280614e-7,
    2.087571065372297e-9, -1.1359034621562258e-11,
];

#[rustfmt::skip]
const ATAN: [f64; 12] = [
    -0.33333333333333326, 0.1999999999999725, -0.1428571428534646, 0.11111111086026483,
    -0.09090908077970258, 0.07692281439241962, -0.06666209393012931, 0.05876868325866567,
    -0.05217503660000628, 0.04500182523177715, -0.0334019034325203, 0.015126551834543669,
];

#[rustfmt::skip]
const ASIN: [f64; 13] = [
    0.1666666666666676, 0.07499999999971095, 0.044642857174224136, 0.03038194272950777,
    0.022372214318213676, 0.017351624732641444, 0.013980662389073067, 0.011400238094136402,
    0.01077270078341017, 0.0037352343200085705, 0.021636856974466507, -0.020898809490814328,
    0.03256583927490458,
];

#[rustfmt::skip]
const SINH: [f64; 8] = [
    0.16666666666666666, 0.008333333333333519, 0.0001984126984113355, 2.7557319273633615e-6,
    2.5052098436572166e-8, 1.6060161067945112e-10, 7.581135625977607e-13, 4.420998513320708e-15,
];

#[rustfmt::skip]
const ASINH: [f64; 14] = [
    -0.16666666666666666, 0.07499999999999755, -0.044642857142608836, 0.030381944430981512,
    -0.02237215864180499, 0.01735275445668138, -0.01396468949391333, 0.01155008663678764,
    -0.00974770263716955, 0.008307421458282845, -0.006949934439348639, 0.005296121767084712,
    -0.0031335015694584807, 0.001017673740867085,
];

#[rustfmt::skip]
const ERF: [f64; 11] = [
    -0.37612638903183754, 0.11283791670955202, -0.026866170645146844, 0.00522397762558737,
    -0.0008548327029006006, 0.00012055332889800746, -1.4925631492385068e-5, 1.6461237641664102e-6,
    -1.6344068290560517e-7, 1.44920098795558e-8, -9.747140708754054e-10,
];

#[rustfmt::skip]
const TAIL: [f64; 20] = [
    -0.3135331566712871, 0.16502036617041074, -0.0691186387068996, 0.02079506679916661,
    -0.002993376761340314, -0.0007978693880419833, 0.0005448989860470108, -5.9375817218943666e-5,
    -4.976240591889907e-5, 1.668168843146123e-5, 3.9795679196049604e-6, -2.7708773890793272e-6,
    -3.338494355090718e-7, 4.3661976150756224e-7, 3.8743867507577155e-8, -7.056906159988971e-8,
    -6.780469592264461e-9, 1.1113993333982987e-8, 9.715352547163562e-10, -1.2627949160663984e-9,
];

#[rustfmt::skip]
const PHI: [f64; 10] = [
    -0.06649038006690543, 0.009973557010034995, -0.0011873282154675135, 0.00011543468751287783,
    -9.444655779180687e-6, 6.659679566447255e-7, -4.12240642669442e-8, 2.2703777676180685e-9,
    -1.1062670490122953e-10, 4.071079300014915e-12,
];

#[rustfmt::skip]
const POWER: [f64; 7] = [
    0.40000000000002384, 0.2857142857004743, 0.22222222528126206, 0.18181783720347466,
    0.15386784606660048, 0.1325622931617123, 0.13201435786623958,
];

/// The bits of 2 / pi, behind 64 zeros.
#[rustfmt::skip]
const TWO_OVER_PI_BITS: [u64; 20] = [
    0x0000000000000000, 0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041,
    0xFE5163ABDEBBC561, 0xB7246E3A424DD2E0, 0x06492EEA09D1921C, 0xFE1DEB1CB129A73E,
    0xE88235F52EBB4484, 0xE99C7026B45F7E41, 0x3991D639835339F4, 0x9C845F8BBDF9283B,
    0x1FF897FFDE05980F, 0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7, 0x4F463F669E5FEA2D,
    0x7527BAC7EBE5F17B, 0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB,
];

/// The series of coefficients, c_0 first, at v.
fn series(coefficients: &[f64], v: f64) -> f64 {
    coefficients.iter().rev().copied().reduce(|p, c| p * v + c).unwrap_or(0.0)
}

// ---- bits and pairs

/// x cut to 26 bits: the product of two such numbers is exact.
fn cut(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0xFFFF_FFFF_F800_0000)
}

/// x with its sign inverted if y's is set.
fn flip(x: f64, y: f64) -> f64 {
    if y.is_sign_negative() {
        -x
    } else {
        x
    }
}

/// 2^n, of an integer n; 0 where that is not a normal number.
fn power_of_two(n: f64) -> f64 {
    if n < -1022.0 {
        0.0
    } else {
        f64::from_bits(((n + 1023.0) as u64) << 52)
    }
}

/// a + b exactly, of abs(a) >= abs(b) or a = 0.
pub(crate) fn sum(a: f64, b: f64) -> Pair {
    let h = a + b;
    (h, (a - h) + b)
}

/// a + b exactly.
fn any(a: f64, b: f64) -> Pair {
    let h = a + b;
    let of_b = h - a;
    (h, (a - (h - of_b)) + (b - of_b))
}

fn product(a: f64, b: f64) -> Pair {
    let h = a * b;
    let (ah, bh) = (cut(a), cut(b));
    let (al, bl) = (a - ah, b - bh);
    (h, ((ah * bh - h) + (ah * bl + al * bh)) + al * bl)
}

fn quotient(p: Pair, q: Pair) -> Pair {
    let i = 1.0 / q.0;
    let b = cut(q.0);
    let rest = q.0 - b;
    let h = cut(p.0 * i);
    (h, (((p.0 - h * b) - h * rest) + (p.1 - h * q.1)) * i)
}

fn root(p: Pair) -> Pair {
    let r = p.0.sqrt();
    let h = cut(r);
    sum(h, ((p.0 - h * h) + p.1) / (r + h + SMALLEST_NORMAL))
}

/// A pair whose tail is t more.
fn plus(p: Pair, t: f64) -> Pair {
    (p.0, p.1 + t)
}

/// sum() of a pair.
fn renewed(p: Pair) -> Pair {
    sum(p.0, p.1)
}

fn total(p: Pair) -> f64 {
    p.0 + p.1
}

/// How a formula that ends in a pair comes to one number: by `total`, or to another type.
type End = fn(Pair) -> f64;

/// Functions that end by `total`, of those that are told how.
macro_rules! functions {
    ($($name:ident: $by:ident,)*) => {
        $(pub fn $name(x: f64) -> f64 { $by(x, total) })*
    };
}

functions!(log: log_by, log1p: log1p_by, asinh: asinh_by, acosh: acosh_by, sigmoid: sigmoid_by,
           silu: silu_by, gelu: gelu_by, gelu_tanh: gelu_tanh_by,);

/// x rounded to an integer, ties to even, of abs(x) < 2^51.
fn nearest(x: f64) -> f64 {
    (x + ROUNDER) - ROUNDER
}

/// y * 2^n, rounded once, also where that is subnormal.
fn scale(y: f64, n: f64) -> f64 {
    let m = nearest(n * 0.5);
    y * power_of_two(m) * power_of_two(n - m)
}

/// x, but no less than -c and no more than c.
fn clamp(x: f64, c: f64) -> f64 {
    if x > c {
        c
    } else if x < -c {
        -c
    } else {
        x
    }
}

// ---- exp and its family

/// n, r, rest: 2^n e^(a + b) is 2^n (1 + r + rest).
fn parts(n: f64, a: f64, b: f64) -> (f64, f64, f64) {
    let (r, u) = sum(a, b);
    let z = r * r;
    let c = r * z * series(&EXP, r);
    (n, r, 0.5 * z + (c + (u + r * u)))
}

/// n, r, rest for e^(h + t).
fn reduce(h: f64, t: f64) -> (f64, f64, f64) {
    let n = nearest(h * LOG2_E);
    parts(n, h - n * LN2_HEAD, t - n * LN2_TAIL)
}

/// 1 + r + rest.
fn mantissa(r: f64, rest: f64) -> Pair {
    let (h, t) = sum(1.0, r);
    sum(h, t + rest)
}

/// M and n, e^(h + t) = 2^n M.
fn exponential(h: f64, t: f64) -> (Pair, f64) {
    let (n, r, rest) = reduce(h, t);
    (mantissa(r, rest), n)
}

pub fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let (m, n) = exponential(clamp(x, 800.0), 0.0);
    scale(m.0, n)
}

pub fn exp2(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let x = clamp(x, 1100.0);
    let n = nearest(x);
    let f = x - n;
    let h = cut(f);
    let (_, r, rest) = parts(n, h * LN2_26_HEAD, h * LN2_26_TAIL + (f - h) * LN2);
    scale(mantissa(r, rest).0, n)
}

pub fn expm1(x: f64) -> f64 {
    if x.is_nan() || x == 0.0 {
        return x;
    }
    let b = if x > 800.0 {
        800.0
    } else if x < -60.0 {
        -60.0
    } else {
        x
    };
    let (n, r, rest) = reduce(b, 0.0);
    let w = if b > 100.0 { 0.0 } else { power_of_two(-n) };
    let p = sum(r, rest);
    let q = sum(1.0, -w);
    let (h, t) = sum(q.0, p.0);
    scale(h + (t + (q.1 + p.1)), n)
}

/// (e^a + sign e^-a) / 2.
fn half_sum(a: f64, sign: f64) -> f64 {
    let (m, n) = exponential(clamp(a, 800.0), 0.0);
    let v = if a > 30.0 { 0.0 } else { power_of_two(-2.0 * n) / m.0 };
    scale(m.0 + (m.1 + sign * v), n - 1.0)
}

pub fn sinh(x: f64) -> f64 {
    let (a, z) = (x.abs(), x * x);
    if x.is_nan() {
        x
    } else if a < 1.0 {
        flip(a + a * z * series(&SINH, z), x)
    } else {
        flip(half_sum(a, -1.0), x)
    }
}

pub fn cosh(x: f64) -> f64 {
    if x.is_nan() {
        x
    } else {
        half_sum(x.abs(), 1.0)
    }
}

pub fn tanh(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let (n, r, rest) = reduce(-2.0 * x.abs().min(22.0), 0.0);
    let w = power_of_two(n);
    let p = sum(r, rest);
    let q = sum(-1.0, w);
    let (h, t) = plus(sum(q.0, w * p.0), q.1 + w * p.1);
    let y = quotient((-h, -t), plus(sum(2.0, h), t));
    flip(total(y), x)
}

pub(crate) fn sigmoid_by(x: f64, end: End) -> f64 {
    if x.is_nan() {
        return x;
    }
    let b = (-x.abs()).max(-800.0);
    let (m, n) = exponential(b, 0.0);
    let w = if b < -100.0 { 0.0 } else { power_of_two(n) };
    let below = plus(sum(1.0, w * m.0), w * m.1);
    if x < 0.0 {
        scale(end(quotient(m, below)), n)
    } else {
        end(quotient((1.0, 0.0), below))
    }
}

/// abs(x) sigmoid(T), T a pair, with the sign of x.
fn weighted(x: f64, at: Pair, end: End) -> f64 {
    if x > 800.0 {
        return x;
    }
    let a = x.abs().min(1000.0);
    let falls = at.0 < 0.0;
    let (h, t) = if at.0.abs() > 800.0 {
        (-800.0, 0.0)
    } else {
        (-at.0.abs(), if falls { at.1 } else { -at.1 })
    };
    let (m, n) = exponential(h, t);
    let w = if h < -100.0 { 0.0 } else { power_of_two(n) };
    let below = plus(sum(1.0, w * m.0), w * m.1);
    let above = if falls { plus(product(a, m.0), a * m.1) } else { (a, 0.0) };
    let y = end(quotient(above, below));
    flip(scale(y, if falls { n } else { 0.0 }), x)
}

pub(crate) fn silu_by(x: f64, end: End) -> f64 {
    if x.is_nan() {
        x
    } else {
        weighted(x, (x, 0.0), end)
    }
}

pub(crate) fn gelu_tanh_by(x: f64, end: End) -> f64 {
    if x.is_nan() {
        return x;
    }
    let b = clamp(x, 30.0);
    let z = product(b, b);
    let cubic = plus(product(z.0, GELU_3), z.1 * GELU_3 + z.0 * GELU_3_TAIL);
    let s = plus(any(GELU_1, cubic.0), cubic.1 + GELU_1_TAIL);
    weighted(x, plus(product(s.0, b), s.1 * b), end)
}

pub fn softplus(x: f64) -> f64 {
    if x.is_nan() || x > 60.0 {
        return x;
    }
    let (m, n) = exponential((-x.abs()).max(-800.0), 0.0);
    if x < -60.0 {
        return scale(m.0, n);
    }
    let w = power_of_two(n);
    let e = (w * m.0, w * m.1);
    let l = renewed(log_pair(plus(sum(1.0, e.0), e.1), e));
    let a = any(x.max(0.0), l.0);
    a.0 + (a.1 + l.1)
}

// ---- log and its family

/// e, f of x = 2^e (1 + f), 1 + f from about sqrt(1/2) to sqrt(2), of a finite x > 0.
fn split(x: f64) -> (f64, f64) {
    if x < SMALLEST_NORMAL {
        let (e, f) = split(x * 18014398509481984.0);
        return (e - 54.0, f);
    }
    let bits = x.to_bits() as i64;
    let e = (bits - 0x3FE6_A09E_0000_0000) >> 52;
    (e as f64, f64::from_bits((bits - (e << 52)) as u64) - 1.0)
}

/// e log 2 + log(1 + f) + u, of a small u.
fn log_sum(e: f64, f: f64, u: f64) -> Pair {
    let s = f / (2.0 + f);
    let z = s * s;
    let q = 0.5 * f * f;
    let l = q - s * (q + z * series(&LOG, z));
    plus(sum(e * LN2_HEAD, f), (e * LN2_TAIL + u) - l)
}

/// The logarithm of a pair u = 1 + d.
fn log_pair(u: Pair, d: Pair) -> Pair {
    let (e, f) = split(u.0);
    if e == 0.0 {
        log_sum(0.0, d.0, d.1 / u.0)
    } else {
        log_sum(e, f, u.1 / u.0)
    }
}

/// log(1 + f), more precisely.
fn log_mantissa(f: f64) -> Pair {
    let s = quotient((f, 0.0), sum(2.0, f));
    let z = sum(s.0 * s.0, s.1 * (2.0 * s.0 + s.1));
    let zh = cut(z.0);
    let zl = (z.0 - zh) + z.1;
    let a = zh * TWO_THIRDS_HEAD;
    let t = (zh * TWO_THIRDS_TAIL + zl * TWO_THIRDS) + z.0 * z.0 * series(&POWER, z.0);
    let b = a + t;
    let bh = cut(b);
    let bl = (a - bh) + t;
    let (h, u) = sum(2.0 * s.0, s.0 * bh);
    sum(h, u + (2.0 * s.1 + (s.0 * bl + s.1 * b)))
}

/// What a logarithm is of an argument that is not positive and finite.
fn log_beyond(argument: f64) -> Option<f64> {
    if argument.is_nan() || argument < 0.0 {
        Some(f64::NAN)
    } else if argument == 0.0 {
        Some(f64::NEG_INFINITY)
    } else {
        (argument == f64::INFINITY).then_some(argument)
    }
}

pub(crate) fn log_by(x: f64, end: End) -> f64 {
    log_beyond(x).unwrap_or_else(|| {
        let (e, f) = split(x);
        end(log_sum(e, f, 0.0))
    })
}

pub(crate) fn log1p_by(x: f64, end: End) -> f64 {
    if x == 0.0 {
        return x;
    }
    let beyond = log_beyond(if x < -1.0 { x } else { 1.0 + x });
    beyond.unwrap_or_else(|| end(log_pair(any(1.0, x), (x, 0.0))))
}

pub fn log2(x: f64) -> f64 {
    log_beyond(x).unwrap_or_else(|| {
        let (e, f) = split(x);
        let l = log_mantissa(f);
        let high = cut(l.0);
        let low = (l.0 - high) + l.1;
        let (h, t) = sum(e, high * LOG2_E_26_HEAD);
        h + (t + (high * LOG2_E_26_TAIL + low * LOG2_E))
    })
}

/// log(2 a) of a large a.
fn log_of_double(a: f64) -> Pair {
    let (e, f) = split(a);
    log_sum(e + 1.0, f, 0.0)
}

/// The square root of a^2 + one, one being 1 or -1.
fn root_beside(a: f64, one: f64) -> Pair {
    let z = product(a, a);
    root(plus(any(z.0, one), z.1))
}

pub(crate) fn asinh_by(x: f64, end: End) -> f64 {
    let (a, z) = (x.abs(), x * x);
    if !x.is_finite() {
        x
    } else if a < 0.5 {
        flip(end((a, a * z * series(&ASINH, z))), x)
    } else if a > FAR {
        flip(end(log_of_double(a)), x)
    } else {
        let r = root_beside(a, 1.0);
        let u = sum(r.0, a);
        let (e, f) = split(u.0);
        flip(end(log_sum(e, f, (u.1 + r.1) / u.0)), x)
    }
}

pub(crate) fn acosh_by(x: f64, end: End) -> f64 {
    if x.is_nan() || x < 1.0 {
        f64::NAN
    } else if x == f64::INFINITY {
        x
    } else if x > FAR {
        end(log_of_double(x))
    } else {
        let r = root_beside(x, -1.0);
        let u = plus(sum(x, r.0), r.1);
        let d = plus(sum(r.0, x - 1.0), r.1);
        end(log_pair(u, d))
    }
}

pub fn atanh(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() || a > 1.0 {
        return f64::NAN;
    }
    if a == 1.0 {
        return flip(f64::INFINITY, x);
    }
    let (p, q) = (sum(1.0, a), sum(1.0, -a));
    let (e, _) = split(p.0 / q.0);
    let w = power_of_two(e);
    let s = renewed(if e == 0.0 {
        quotient((2.0 * a, 0.0), (2.0, 0.0))
    } else {
        let below = plus(any(p.0, w * q.0), p.1 + w * q.1);
        quotient((p.0 - w * q.0, p.1 - w * q.1), below)
    });
    let z = s.0 * s.0;
    let (h, t) = sum(0.5 * e * LN2_HEAD, s.0);
    let rest = (0.5 * e * LN2_TAIL + s.1) + 0.5 * s.0 * z * series(&LOG, z);
    flip(h + (t + rest), x)
}

/// The logarithm of a >= 0, for pow.
fn log_for_power(a: f64) -> Pair {
    if let Some(limit) = log_beyond(a) {
        return (limit, 0.0);
    }
    let (e, f) = split(a);
    let m = log_mantissa(f);
    let (h, t) = sum(e * LN2_HEAD, m.0);
    sum(h, t + (e * LN2_TAIL + m.1))
}

/// x^y, as C's pow.
pub fn pow(x: f64, y: f64) -> f64 {
    if x == 1.0 || y == 0.0 {
        return 1.0;
    }
    let is_whole = y.is_infinite() || y % 1.0 == 0.0;
    if x.is_nan() || y.is_nan() || (x < 0.0 && x.is_finite() && !is_whole) {
        return f64::NAN;
    }
    let l = log_for_power(x.abs());
    let p = if l.0 == 0.0 { 0.0 } else { l.0 * y };
    let is_near = p.abs() > power_of_two(-100.0) && p.abs() < 800.0;
    let t = if is_near { product(l.0, y).1 + l.1 * y } else { 0.0 };
    let (m, n) = exponential(clamp(p, 800.0), t);
    let result = scale(m.0, n);
    if (y % 2.0).abs() == 1.0 {
        flip(result, x)
    } else {
        result
    }
}

// ---- sin, cos, tan

/// q modulo 4 and A of x = q pi/2 + A, of 0 <= x <= 2^20.
fn near_angle(x: f64) -> (u64, Pair) {
    let q = nearest(x * TWO_OVER_PI);
    let f = sum(x - q * HALF_PI_1, -(q * HALF_PI_2));
    let g = sum(f.0, -(q * HALF_PI_3));
    (q as u64, sum(g.0, g.1 + (f.1 - q * HALF_PI_4)))
}

/// 64 bits of 2 / pi, from one on.
fn bits_from(place: usize) -> u64 {
    let (word, shift) = (place / 64, place % 64);
    let next = TWO_OVER_PI_BITS.get(word + 1).copied().unwrap_or(0);
    let pair = u128::from(TWO_OVER_PI_BITS[word]) << 64 | u128::from(next);
    (pair >> (64 - shift)) as u64
}

/// The same of a finite x > 2^20, by integers: m 2^E times 192 bits of 2 / pi.
fn far_angle(x: f64) -> (u64, Pair) {
    let bits = x.to_bits();
    let first = (bits >> 52) as usize + 62 - 1075;
    let m = u128::from(bits & 0x000F_FFFF_FFFF_FFFF | 0x0010_0000_0000_0000);
    let low = m * u128::from(bits_from(first + 128));
    let middle = m * u128::from(bits_from(first + 64)) + (low >> 64);
    let high = (m as u64).wrapping_mul(bits_from(first)).wrapping_add((middle >> 64) as u64);
    // The product of 192 bits: two of q, then the fraction, below whose last word T does not reach.
    let fraction =
        u128::from(high) << 66 | u128::from(middle as u64) << 2 | (low as u64 >> 62) as u128;
    let rest = u128::from(low as u64) << 66;
    let is_up = fraction >> 127 == 1;
    let (g, below) = if is_up {
        let borrow = u128::from(rest != 0);
        (fraction.wrapping_neg().wrapping_sub(borrow), rest.wrapping_neg())
    } else {
        (fraction, rest)
    };
    let zeros = g.leading_zeros();
    let digits = if zeros == 0 { g } else { g << zeros | below >> (128 - zeros) };
    let weight = -f64::from(zeros);
    let h = (digits >> 75) as f64 * power_of_two(weight - 53.0);
    let t = (digits >> 22 & 0x001F_FFFF_FFFF_FFFF) as f64 * power_of_two(weight - 106.0);
    let (ph, pt) = product(h, HALF_PI);
    let a = sum(ph, pt + (h * HALF_PI_TAIL + t * HALF_PI));
    let q = (high >> 62) + u64::from(is_up);
    (q, if is_up { (-a.0, -a.1) } else { a })
}

fn angle(x: f64) -> (u64, Pair) {
    if x <= NEAR {
        near_angle(x)
    } else {
        far_angle(x)
    }
}

/// The sine of a pair of at most pi/4.
fn sine_of((h, t): Pair) -> Pair {
    let z = h * h;
    (h, h * z * series(&SIN, z) + (t - 0.5 * z * t))
}

/// Its cosine.
fn cosine_of((h, t): Pair) -> Pair {
    let z = h * h;
    let high = cut(h);
    let low = h - high;
    let c = sum(1.0, -(0.5 * high * high));
    plus(c, z * z * series(&COS, z) - (0.5 * (low * (h + high)) + h * t))
}

/// The sine of q pi/2 + A.
fn sine_at(q: u64, a: Pair) -> f64 {
    let y = total(if q & 1 == 1 { cosine_of(a) } else { sine_of(a) });
    if q & 2 == 2 {
        -y
    } else {
        y
    }
}

pub fn sin(x: f64) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let (q, a) = angle(x.abs());
    flip(sine_at(q, a), x)
}

pub fn cos(x: f64) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let (q, a) = angle(x.abs());
    sine_at(q + 1, a)
}

pub fn tan(x: f64) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let (q, a) = angle(x.abs());
    let (s, c) = (renewed(sine_of(a)), renewed(cosine_of(a)));
    flip(total(if q & 1 == 1 { quotient((-c.0, -c.1), s) } else { quotient(s, c) }), x)
}

// ---- asin, acos, atan

/// asin(a) below 1/2, else asin(sqrt((1 - a) / 2)).
fn arcsine_of(a: f64) -> Pair {
    let (z, s) = if a < 0.5 {
        (a * a, (a, 0.0))
    } else {
        let z = 0.5 * (1.0 - a);
        (z, root((z, 0.0)))
    };
    plus(s, s.0 * z * series(&ASIN, z))
}

pub fn asin(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() || a > 1.0 {
        return f64::NAN;
    }
    let s = arcsine_of(a);
    if a < 0.5 {
        return flip(total(s), x);
    }
    let (h, t) = sum(HALF_PI, -2.0 * s.0);
    flip(h + (t + (HALF_PI_TAIL - 2.0 * s.1)), x)
}

pub fn acos(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() || a > 1.0 {
        return f64::NAN;
    }
    let (k, c) = match (a < 0.5, x < 0.0) {
        (true, true) => (1.0, 1.0),
        (true, false) => (1.0, -1.0),
        (false, true) => (2.0, -2.0),
        (false, false) => (0.0, 2.0),
    };
    let s = arcsine_of(a);
    let (h, t) = sum(k * HALF_PI, c * s.0);
    h + (t + (k * HALF_PI_TAIL + c * s.1))
}

pub fn atan(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let a = x.abs().min(power_of_two(60.0));
    let (k, p, q) = if a > 2.414213562373095 {
        (2.0, (-1.0, 0.0), (a, 0.0))
    } else if a > 0.41421356237309503 {
        (1.0, sum(-1.0, a), sum(1.0, a))
    } else {
        (0.0, (a, 0.0), (1.0, 0.0))
    };
    let y = renewed(quotient(p, q));
    let z = y.0 * y.0;
    let (h, t) = sum(k * 0.5 * HALF_PI, y.0);
    flip(h + (t + ((k * 0.5 * HALF_PI_TAIL + y.1) + y.0 * z * series(&ATAN, z))), x)
}

// ---- erf, gelu

/// a b of pairs, but for the product of the tails.
fn cross(a: Pair, b: Pair) -> f64 {
    a.0 * b.1 + a.1 * b.0
}

/// m and n, Phi(-z) = 2^n m, of pairs z and w = z^2 / 2.
fn tail(z: Pair, w: Pair) -> (Pair, f64) {
    let v = quotient((1.0, 0.0), plus(any(z.0, 5.0), z.1));
    let (h, t) = any(1.0, -10.0 * v.0);
    let u = sum(h, t - 10.0 * v.1);
    let b = sum(K_2, u.0 * series(&TAIL, u.0));
    let r = product(u.0, b.0);
    let g = plus(sum(K_1, r.0), r.1 + cross(u, b));
    let r = product(u.0, g.0);
    let k = plus(sum(K_0, r.0), (r.1 + cross(u, g)) + K_0_TAIL);
    let (m, n) = exponential(-w.0, -w.1);
    let (h, t) = product(m.0, k.0);
    let y = sum(h, t + cross(m, k));
    let v = renewed(v);
    (plus(product(y.0, v.0), cross(y, v)), n)
}

/// erf(x) of abs(x) < 0.71875.
fn small_erf(x: f64) -> f64 {
    let a = x.abs();
    let c = if a < power_of_two(-900.0) { power_of_two(100.0) } else { 1.0 };
    let l = a * c;
    let h = cut(l);
    let z = x * x;
    let t = (h * ERF_1_26_TAIL + (l - h) * ERF_1) + l * z * series(&ERF, z);
    (h * ERF_1_26_HEAD + t) * (1.0 / c)
}

pub fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x.abs() < 0.71875 {
        return flip(small_erf(x), x);
    }
    let a = x.abs().min(6.0);
    let (m, n) = tail(plus(product(SQRT_2, a), SQRT_2_TAIL * a), product(a, a));
    let w = -2.0 * power_of_two(n);
    let (h, t) = sum(1.0, w * m.0);
    flip(h + (t + w * m.1), x)
}

/// Phi(x) of abs(x) < 0.75.
fn phi(x: f64) -> Pair {
    let high = cut(x);
    let z = x * x;
    let rest = high * PHI_0_26_TAIL + (x - high) * PHI_0 + x * z * series(&PHI, z);
    plus(sum(0.5, high * PHI_0_26_HEAD), rest)
}

/// m and n, Phi(x) = 2^n m, of abs(x) from 0.75 to 40.
fn phi_far(x: f64) -> (Pair, f64) {
    let a = x.abs();
    let (m, n) = tail((a, 0.0), product(0.5 * a, a));
    if x < 0.0 {
        return (m, n);
    }
    let w = if a > 12.0 { 0.0 } else { -power_of_two(n) };
    (plus(sum(1.0, w * m.0), w * m.1), 0.0)
}

pub(crate) fn gelu_by(x: f64, end: End) -> f64 {
    if x.is_nan() || x > 40.0 {
        return x;
    }
    let b = clamp(x, 40.0);
    let a = b.abs();
    let (p, n) = if a < 0.75 { (phi(x), 0.0) } else { phi_far(b) };
    flip(scale(end(plus(product(a, p.0), a * p.1)), n), x)
}

/// The derivative of gelu.
pub fn gelu_slope(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let a = x.abs().min(40.0);
    let w = product(0.5 * a, a);
    let ((e, _), n) = exponential(-w.0, -w.1);
    if a < 0.75 {
        let (h, t) = phi(x);
        return h + (t + x * (PHI_0 * (power_of_two(n) * e)));
    }
    let (m, _) = tail((a, 0.0), w);
    let d = a * (PHI_0 * e);
    if x < 0.0 {
        return scale((m.0 - d) + m.1, n);
    }
    let w = if a > 12.0 { 0.0 } else { power_of_two(n) };
    1.0 + w * ((d - m.0) - m.1)
}
