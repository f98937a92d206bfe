/**
 * exp, log, tanh, sin and others, as csrc/SPEC.md defines them: the same bits on every machine.
 *
 * Nothing of `Math` is used but the square root, which IEEE 754 defines, abs, min and max. A pair
 * [h, t] is the sum h + t that is not carried out; the names of the helpers are SPEC.md's.
 *
 * @module
 */

import { cut, flip, fromHalves, highOf, isNegative, lowOf, powerOfTwo } from "./bits.js";

/** @typedef {[number, number]} Pair */

const LN2_HEAD = 0.6931471803691238;
const LN2_TAIL = 1.9082149292705877e-10;
const LN2 = 0.6931471805599453;
const LN2_26_HEAD = 0.6931471675634384;
const LN2_26_TAIL = 1.2996506893889889e-8;
const LOG2_E = 1.4426950408889634;
const LOG2_E_26_HEAD = 1.4426950216293335;
const LOG2_E_26_TAIL = 1.9259629911266175e-8;
const TWO_THIRDS = 0.6666666666666666;
const TWO_THIRDS_HEAD = 0.6666666567325592;
const TWO_THIRDS_TAIL = 9.934107462565104e-9;
const ERF_1 = 1.1283791670955126;
const ERF_1_26_HEAD = 1.1283791661262512;
const ERF_1_26_TAIL = 9.692613531930338e-10;
const SQRT_2 = 1.4142135623730951;
const SQRT_2_TAIL = -9.667293313452913e-17;
const K_0 = 0.769193049750063;
const K_0_TAIL = -1.4111732346705386e-17;
const K_1 = -0.6653825028900568;
const K_2 = 0.495305615969976;
const PHI_0 = 0.3989422804014327;
const PHI_0_26_HEAD = 0.3989422768354416;
const PHI_0_26_TAIL = 3.5659910885844774e-9;
const GELU_1 = 1.5957691216057308;
const GELU_1_TAIL = -9.96930880911092e-17;
const GELU_3 = 0.07135481627260025;
const GELU_3_TAIL = -6.175149918155315e-19;
const TWO_OVER_PI = 0.6366197723675814;
const HALF_PI_1 = 1.5707963267341256;
const HALF_PI_2 = 6.077100506303966e-11;
const HALF_PI_3 = 2.0222662487111665e-21;
const HALF_PI_4 = 8.4784276603689e-32;
const HALF_PI = 1.5707963267948966;
const HALF_PI_TAIL = 6.123233995736766e-17;
const ROUNDER = 6755399441055744; // 1.5 * 2^52
const NEAR = 1048576; // 2^20: beyond, angles are reduced by integers
const FAR = 1073741824; // 2^30: beyond, asinh and acosh are log(2 x)
const SMALLEST_NORMAL = 2.2250738585072014e-308; // 2^-1022

/** Return the function of v that a list of coefficients, c_0 first, stands for. */
function series(...coefficients) {
  const last = coefficients.length - 1;
  return (v) => {
    let p = coefficients[last];
    for (let k = last - 1; k >= 0; k--) p = p * v + coefficients[k];
    return p;
  };
}

const EXP = series(
  0.16666666666666685, 0.041666666666666685, 0.008333333333315936, 0.0013888888888873305,
  0.00019841269898735205, 2.480158734911909e-5, 2.755723277575239e-6, 2.7557251920723784e-7,
  2.511269479755773e-8, 2.0921730456963873e-9,
);
const LOG = series(
  0.6666666666666666, 0.4000000000000489, 0.2857142856942329, 0.2222222260513692,
  0.18181778493170692, 0.15386983319262623, 0.1325226148066171, 0.13233844032059033,
);
const SIN = series(
  -0.1666666666666663, 0.00833333333332196, -0.00019841269829504662, 2.755731359989538e-6,
  -2.5050745130519024e-8, 1.589610345668541e-10,
);
const COS = series(
  0.041666666666666595, -0.0013888888888873446, 2.4801587289103273e-5, -2.7557314252280614e-7,
  2.087571065372297e-9, -1.1359034621562258e-11,
);
const ATAN = series(
  -0.33333333333333326, 0.1999999999999725, -0.1428571428534646, 0.11111111086026483,
  -0.09090908077970258, 0.07692281439241962, -0.06666209393012931, 0.05876868325866567,
  -0.05217503660000628, 0.04500182523177715, -0.0334019034325203, 0.015126551834543669,
);
const ASIN = series(
  0.1666666666666676, 0.07499999999971095, 0.044642857174224136, 0.03038194272950777,
  0.022372214318213676, 0.017351624732641444, 0.013980662389073067, 0.011400238094136402,
  0.01077270078341017, 0.0037352343200085705, 0.021636856974466507, -0.020898809490814328,
  0.03256583927490458,
);
const SINH = series(
  0.16666666666666666, 0.008333333333333519, 0.0001984126984113355, 2.7557319273633615e-6,
  2.5052098436572166e-8, 1.6060161067945112e-10, 7.581135625977607e-13, 4.420998513320708e-15,
);
const ASINH = series(
  -0.16666666666666666, 0.07499999999999755, -0.044642857142608836, 0.030381944430981512,
  -0.02237215864180499, 0.01735275445668138, -0.01396468949391333, 0.01155008663678764,
  -0.00974770263716955, 0.008307421458282845, -0.006949934439348639, 0.005296121767084712,
  -0.0031335015694584807, 0.001017673740867085,
);
const ERF = series(
  -0.37612638903183754, 0.11283791670955202, -0.026866170645146844, 0.00522397762558737,
  -0.0008548327029006006, 0.00012055332889800746, -1.4925631492385068e-5, 1.6461237641664102e-6,
  -1.6344068290560517e-7, 1.44920098795558e-8, -9.747140708754054e-10,
);
const TAIL = series(
  -0.3135331566712871, 0.16502036617041074, -0.0691186387068996, 0.02079506679916661,
  -0.002993376761340314, -0.0007978693880419833, 0.0005448989860470108, -5.9375817218943666e-5,
  -4.976240591889907e-5, 1.668168843146123e-5, 3.9795679196049604e-6, -2.7708773890793272e-6,
  -3.338494355090718e-7, 4.3661976150756224e-7, 3.8743867507577155e-8, -7.056906159988971e-8,
  -6.780469592264461e-9, 1.1113993333982987e-8, 9.715352547163562e-10, -1.2627949160663984e-9,
);
const PHI = series(
  -0.06649038006690543, 0.009973557010034995, -0.0011873282154675135, 0.00011543468751287783,
  -9.444655779180687e-6, 6.659679566447255e-7, -4.12240642669442e-8, 2.2703777676180685e-9,
  -1.1062670490122953e-10, 4.071079300014915e-12,
);
const POWER = series(
  0.40000000000002384, 0.2857142857004743, 0.22222222528126206, 0.18181783720347466,
  0.15386784606660048, 0.1325622931617123, 0.13201435786623958,
);

// ---- pairs

/** @returns {Pair} a + b exactly, of abs(a) >= abs(b) or a = 0 */
export function sum(a, b) {
  const h = a + b;
  return [h, a - h + b];
}

/** @returns {Pair} a + b exactly */
export function any(a, b) {
  const h = a + b;
  const ofB = h - a;
  return [h, a - (h - ofB) + (b - ofB)];
}

/** @returns {Pair} a * b */
export function product(a, b) {
  const h = a * b;
  const A = cut(a);
  const a1 = a - A;
  const B = cut(b);
  const b1 = b - B;
  return [h, A * B - h + (A * b1 + a1 * B) + a1 * b1];
}

/** @returns {Pair} P / Q, with a head of 26 bits */
function quotient([ph, pt], [qh, qt]) {
  const i = 1 / qh;
  const B = cut(qh);
  const b1 = qh - B;
  const h = cut(ph * i);
  return [h, (ph - h * B - h * b1 + (pt - h * qt)) * i];
}

/** @returns {Pair} the square root of a pair */
function root([h, t]) {
  const r = Math.sqrt(h);
  const H = cut(r);
  return sum(H, (h - H * H + t) / (r + H + SMALLEST_NORMAL));
}

/** Return x rounded to an integer, ties to even, of abs(x) < 2^51. */
function nearest(x) {
  return x + ROUNDER - ROUNDER;
}

/** Return y * 2^n, rounded once, also where that is subnormal. */
export function scale(y, n) {
  const m = nearest(n * 0.5);
  return y * powerOfTwo(m) * powerOfTwo(n - m);
}

/** Return x, but no less than -c and no more than c. */
function clamp(x, c) {
  return x > c ? c : x < -c ? -c : x;
}

// ---- exp and its family

/** @returns {[number, number, number]} n, r, rest: 2^n e^(a + b) is 2^n (1 + r + rest) */
function parts(n, a, b) {
  const [r, u] = sum(a, b);
  const z = r * r;
  const c = r * z * EXP(r);
  return [n, r, 0.5 * z + (c + (u + r * u))];
}

/** Return n, r, rest for e^(h + t). */
function reduce(h, t) {
  const n = nearest(h * LOG2_E);
  return parts(n, h - n * LN2_HEAD, t - n * LN2_TAIL);
}

/** @returns {Pair} 1 + r + rest */
function mantissa(r, rest) {
  const [h, t] = sum(1, r);
  return sum(h, t + rest);
}

/** Return M and n, e^(h + t) = 2^n M. */
function exponential(h, t = 0) {
  const [n, r, rest] = reduce(h, t);
  return [mantissa(r, rest), n];
}

export function exp(x) {
  if (Number.isNaN(x)) return x;
  const [M, n] = exponential(clamp(x, 800));
  return scale(M[0], n);
}

export function exp2(x) {
  if (Number.isNaN(x)) return x;
  const bounded = clamp(x, 1100);
  const n = nearest(bounded);
  const f = bounded - n;
  const H = cut(f);
  const [, r, rest] = parts(n, H * LN2_26_HEAD, H * LN2_26_TAIL + (f - H) * LN2);
  return scale(mantissa(r, rest)[0], n);
}

export function expm1(x) {
  if (Number.isNaN(x) || x === 0) return x;
  const b = x > 800 ? 800 : x < -60 ? -60 : x;
  const [n, r, rest] = reduce(b, 0);
  const w = b > 100 ? 0 : powerOfTwo(-n);
  const p = sum(r, rest);
  const q = sum(1, -w);
  const [h, t] = sum(q[0], p[0]);
  return scale(h + (t + (q[1] + p[1])), n);
}

/** Return (e^a + sign e^-a) / 2. */
function halfSum(a, sign) {
  const [M, n] = exponential(clamp(a, 800));
  const v = a > 30 ? 0 : powerOfTwo(-2 * n) / M[0];
  return scale(M[0] + (M[1] + sign * v), n - 1);
}

export function sinh(x) {
  const a = Math.abs(x);
  const z = x * x;
  return flip(a < 1 ? a + a * z * SINH(z) : halfSum(a, -1), x);
}

export function cosh(x) {
  return Number.isNaN(x) ? x : halfSum(Math.abs(x), 1);
}

export function tanh(x) {
  if (Number.isNaN(x)) return x;
  const a = Math.min(Math.abs(x), 22);
  const [n, r, rest] = reduce(-2 * a, 0);
  const w = powerOfTwo(n);
  const p = sum(r, rest);
  const q = sum(-1, w);
  const [h, u] = sum(q[0], w * p[0]);
  const t = u + (q[1] + w * p[1]);
  const [H, T] = sum(2, h);
  const Q = quotient([-h, -t], [H, T + t]);
  return flip(Q[0] + Q[1], x);
}

/** @returns {[Pair, number]} Q and n of sigmoid(x) = 2^n Q */
export function sigmoidParts(x) {
  const b = Math.max(-Math.abs(x), -800);
  const [M, n] = exponential(b);
  const w = b < -100 ? 0 : powerOfTwo(n);
  const [h, t] = sum(1, w * M[0]);
  return [quotient(x < 0 ? M : [1, 0], [h, t + w * M[1]]), x < 0 ? n : 0];
}

export function sigmoid(x) {
  if (Number.isNaN(x)) return x;
  const [Q, n] = sigmoidParts(x);
  return scale(Q[0] + Q[1], n);
}

/** @returns {[Pair, number]} Q and n, abs(x) sigmoid(T) = 2^n Q, T a pair, x <= 800 */
function weighted(x, T) {
  const a = Math.min(Math.abs(x), 1000);
  const falls = T[0] < 0;
  const [h, t] = Math.abs(T[0]) > 800 ? [-800, 0] : [-Math.abs(T[0]), falls ? T[1] : -T[1]];
  const [M, n] = exponential(h, t);
  const w = h < -100 ? 0 : powerOfTwo(n);
  const B = sum(1, w * M[0]);
  B[1] += w * M[1];
  const A = falls ? product(a, M[0]) : [a, 0];
  if (falls) A[1] += a * M[1];
  return [quotient(A, B), falls ? n : 0];
}

/** @returns {[Pair, number]} Q and n, abs(silu(x)) = 2^n Q, x <= 800 */
export const siluParts = (x) => weighted(x, [x, 0]);

export function silu(x) {
  if (Number.isNaN(x) || x > 800) return x;
  const [Q, n] = siluParts(x);
  return flip(scale(Q[0] + Q[1], n), x);
}

/** @returns {[Pair, number]} Q and n, abs(geluTanh(x)) = 2^n Q, x <= 800 */
export function geluTanhParts(x) {
  const b = clamp(x, 30);
  const Z = product(b, b);
  const cubic = product(Z[0], GELU_3);
  cubic[1] += Z[1] * GELU_3 + Z[0] * GELU_3_TAIL;
  const s = any(GELU_1, cubic[0]);
  s[1] += cubic[1] + GELU_1_TAIL;
  const [h, t] = product(s[0], b);
  return weighted(x, [h, t + s[1] * b]);
}

export function geluTanh(x) {
  if (Number.isNaN(x) || x > 800) return x;
  const [Q, n] = geluTanhParts(x);
  return flip(scale(Q[0] + Q[1], n), x);
}

export function softplus(x) {
  if (Number.isNaN(x) || x > 60) return x;
  const [M, n] = exponential(Math.max(-Math.abs(x), -800));
  if (x < -60) return scale(M[0], n);
  const w = powerOfTwo(n);
  const E = [w * M[0], w * M[1]];
  const U = sum(1, E[0]);
  U[1] += E[1];
  const L = sum(...logpair(U, E));
  const A = any(Math.max(x, 0), L[0]);
  return A[0] + (A[1] + L[1]);
}

// ---- log and its family

/** Return e, f of x = 2^e (1 + f), 1 + f from about sqrt(1/2) to sqrt(2), of a finite x > 0. */
function split(x) {
  if (x < SMALLEST_NORMAL && x > 0) {
    const [e, f] = split(x * 18014398509481984);
    return [e - 54, f];
  }
  const high = highOf(x);
  const e = (high - 0x3fe6a09e) >> 20;
  return [e, fromHalves(high - (e << 20), lowOf(x)) - 1];
}

/** @returns {Pair} e log 2 + log(1 + f) + u, of a small u */
function logsum(e, f, u) {
  const s = f / (2 + f);
  const z = s * s;
  const q = 0.5 * f * f;
  const l = q - s * (q + z * LOG(z));
  const [h, t] = sum(e * LN2_HEAD, f);
  return [h, t + (e * LN2_TAIL + u - l)];
}

/** @returns {Pair} the logarithm of a pair U = 1 + D */
function logpair(U, D) {
  const [e, f] = split(U[0]);
  return e === 0 ? logsum(0, D[0], D[1] / U[0]) : logsum(e, f, U[1] / U[0]);
}

/** @returns {Pair} log(1 + f), more precisely */
function logmantissa(f) {
  const s = quotient([f, 0], sum(2, f));
  const z = sum(s[0] * s[0], s[1] * (2 * s[0] + s[1]));
  const Z = cut(z[0]);
  const z1 = z[0] - Z + z[1];
  const a = Z * TWO_THIRDS_HEAD;
  const t = Z * TWO_THIRDS_TAIL + z1 * TWO_THIRDS + z[0] * z[0] * POWER(z[0]);
  const b = a + t;
  const B = cut(b);
  const b1 = a - B + t;
  const [h, u] = sum(2 * s[0], s[0] * B);
  return sum(h, u + (2 * s[1] + (s[0] * b1 + s[1] * b)));
}

/** Return h + t. */
const total = ([h, t]) => h + t;

/** Return what a logarithm is of x where its argument is not positive and finite, else null. */
function logBeyond(x, argument) {
  if (argument < 0 || Number.isNaN(x)) return NaN;
  return argument === 0 ? -Infinity : argument === Infinity ? Infinity : null;
}

/** @returns {Pair} log(x) of a finite x > 0 */
export function logParts(x) {
  const [e, f] = split(x);
  return logsum(e, f, 0);
}

export function log(x) {
  return logBeyond(x, x) ?? total(logParts(x));
}

/** @returns {Pair} log(1 + x) of a finite x > -1 */
export const log1pParts = (x) => logpair(any(1, x), [x, 0]);

export function log1p(x) {
  return x === 0 ? x : (logBeyond(x, x < -1 ? -1 : x + 1) ?? total(log1pParts(x)));
}

export function log2(x) {
  const beyond = logBeyond(x, x);
  if (beyond !== null) return beyond;
  const [e, f] = split(x);
  const L = logmantissa(f);
  const H = cut(L[0]);
  const l = L[0] - H + L[1];
  const [h, t] = sum(e, H * LOG2_E_26_HEAD);
  return h + (t + (H * LOG2_E_26_TAIL + l * LOG2_E));
}

/** @returns {Pair} log(2 a) of a large a */
function logOfDouble(a) {
  const [e, f] = split(a);
  return logsum(e + 1, f, 0);
}

/** @returns {Pair} the square root of a^2 + one, one being 1 or -1 */
function rootBeside(a, one) {
  const Z = product(a, a);
  const A = any(Z[0], one);
  return root([A[0], A[1] + Z[1]]);
}

/** @returns {Pair} asinh(a) of a finite a >= 0 */
export function asinhParts(a) {
  const z = a * a;
  if (a < 0.5) return [a, a * z * ASINH(z)];
  if (a > FAR) return logOfDouble(a);
  const R = rootBeside(a, 1);
  const U = sum(R[0], a);
  const [e, f] = split(U[0]);
  return logsum(e, f, (U[1] + R[1]) / U[0]);
}

export function asinh(x) {
  return Number.isFinite(x) ? flip(total(asinhParts(Math.abs(x))), x) : x;
}

/** @returns {Pair} acosh(x) of a finite x >= 1 */
export function acoshParts(x) {
  if (x > FAR) return logOfDouble(x);
  const R = rootBeside(x, -1);
  const U = sum(x, R[0]);
  const D = sum(R[0], x - 1);
  return logpair([U[0], U[1] + R[1]], [D[0], D[1] + R[1]]);
}

export function acosh(x) {
  if (!(x >= 1)) return NaN;
  return x === Infinity ? x : total(acoshParts(x));
}

export function atanh(x) {
  const a = Math.abs(x);
  if (!(a < 1)) return a === 1 ? flip(Infinity, x) : NaN;
  const A = sum(1, a);
  const B = sum(1, -a);
  const [e] = split(A[0] / B[0]);
  const w = powerOfTwo(e);
  let P = [2 * a, 0];
  let Q = [2, 0];
  if (e !== 0) {
    P = [A[0] - w * B[0], A[1] - w * B[1]];
    Q = any(A[0], w * B[0]);
    Q[1] += A[1] + w * B[1];
  }
  const s = sum(...quotient(P, Q));
  const z = s[0] * s[0];
  const [h, t] = sum(0.5 * e * LN2_HEAD, s[0]);
  return flip(h + (t + (0.5 * e * LN2_TAIL + s[1] + 0.5 * s[0] * z * LOG(z))), x);
}

/** Return the logarithm of a >= 0, for pow. */
function logForPower(a) {
  if (a === 0) return [-Infinity, 0];
  if (a === Infinity) return [Infinity, 0];
  const [e, f] = split(a);
  const F = logmantissa(f);
  const [h, t] = sum(e * LN2_HEAD, F[0]);
  return sum(h, t + (e * LN2_TAIL + F[1]));
}

/** Return x^y, as C's pow. */
export function pow(x, y) {
  if (x === 1 || y === 0) return 1;
  if (Number.isNaN(x) || Number.isNaN(y)) return NaN;
  const isWhole = !Number.isFinite(y) || y % 1 === 0;
  if (x < 0 && Number.isFinite(x) && !isWhole) return NaN;
  const L = logForPower(Math.abs(x));
  const p = L[0] === 0 ? 0 : L[0] * y;
  const near = Math.abs(p) > powerOfTwo(-100) && Math.abs(p) < 800;
  const [M, n] = exponential(clamp(p, 800), near ? product(L[0], y)[1] + L[1] * y : 0);
  const result = scale(M[0], n);
  return isNegative(x) && Math.abs(y % 2) === 1 ? -result : result;
}

// ---- sin, cos, tan

// 2 / pi: 1216 bits behind the point.
const TWO_OVER_PI_BITS = BigInt(
  "0xA2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561" +
    "B7246E3A424DD2E006492EEA09D1921CFE1DEB1CB129A73EE88235F52EBB4484" +
    "E99C7026B45F7E413991D639835339F49C845F8BBDF9283B1FF897FFDE05980F" +
    "EF2F118B5A0A6D1F6D367ECF27CB09B74F463F669E5FEA2D7527BAC7EBE5F17B" +
    "3D0739F78A5292EA6BFB5FB11F8D5D0856033046FC7B6BAB",
);
const BITS = 1216;

/** Return q and the pair A of x = q pi/2 + A, of 0 <= x <= 2^20. */
function nearAngle(x) {
  const q = nearest(x * TWO_OVER_PI);
  const F = sum(x - q * HALF_PI_1, -(q * HALF_PI_2));
  const G = sum(F[0], -(q * HALF_PI_3));
  return [q & 3, sum(G[0], G[1] + (F[1] - q * HALF_PI_4))];
}

/** Return q modulo 4 and A of a finite x > 2^20. */
function farAngle(x) {
  const E = (highOf(x) >>> 20) - 1075;
  const m = (BigInt((highOf(x) & 0xfffff) | 0x100000) << 32n) | BigInt(lowOf(x));
  const W = BigInt.asUintN(192, TWO_OVER_PI_BITS >> BigInt(BITS - 190 - E));
  const V = BigInt.asUintN(192, m * W);
  const q = (V + (1n << 189n)) >> 190n;
  const rest = V - (q << 190n);
  const g = rest < 0n ? -rest : rest;
  const below = g.toString(2).length - 53; // bits below the first 53
  const H = Number(g >> BigInt(below)) * powerOfTwo(below - 190);
  const T = Number(BigInt.asUintN(53, g >> BigInt(below - 53))) * powerOfTwo(below - 243);
  const [h, t] = product(H, HALF_PI);
  const [ah, at] = sum(h, t + (H * HALF_PI_TAIL + T * HALF_PI));
  return [Number(q & 3n), rest < 0n ? [-ah, -at] : [ah, at]];
}

const angle = (x) => (x <= NEAR ? nearAngle(x) : farAngle(x));

/** @returns {Pair} the sine of a pair of at most pi/4 */
function sineOf([h, t]) {
  const z = h * h;
  return [h, h * z * SIN(z) + (t - 0.5 * z * t)];
}

/** @returns {Pair} its cosine */
function cosineOf([h, t]) {
  const z = h * h;
  const H = cut(h);
  const l = h - H;
  const C = sum(1, -(0.5 * H * H));
  C[1] += z * z * COS(z) - (0.5 * (l * (h + H)) + h * t);
  return C;
}

/** Return the sine of q pi/2 + A. */
function sineAt(q, A) {
  const y = total(q & 1 ? cosineOf(A) : sineOf(A));
  return q & 2 ? -y : y;
}

export function sin(x) {
  return Number.isFinite(x) ? flip(sineAt(...angle(Math.abs(x))), x) : NaN;
}

export function cos(x) {
  if (!Number.isFinite(x)) return NaN;
  const [q, A] = angle(Math.abs(x));
  return sineAt(q + 1, A);
}

export function tan(x) {
  if (!Number.isFinite(x)) return NaN;
  const [q, A] = angle(Math.abs(x));
  const S = sum(...sineOf(A));
  const C = sum(...cosineOf(A));
  return flip(total(q & 1 ? quotient([-C[0], -C[1]], S) : quotient(S, C)), x);
}

// ---- asin, acos, atan

/** @returns {Pair} asin(a) below 1/2, else asin(sqrt((1 - a) / 2)) */
function arcsineOf(a) {
  const z = a < 0.5 ? a * a : 0.5 * (1 - a);
  const s = a < 0.5 ? [a, 0] : root([z, 0]);
  s[1] += s[0] * z * ASIN(z);
  return s;
}

export function asin(x) {
  const a = Math.abs(x);
  if (!(a <= 1)) return NaN;
  const s = arcsineOf(a);
  if (a < 0.5) return flip(total(s), x);
  const [h, t] = sum(HALF_PI, -2 * s[0]);
  return flip(h + (t + (HALF_PI_TAIL - 2 * s[1])), x);
}

export function acos(x) {
  const a = Math.abs(x);
  if (!(a <= 1)) return NaN;
  const s = arcsineOf(a);
  const [k, c] = a < 0.5 ? [1, x < 0 ? 1 : -1] : x < 0 ? [2, -2] : [0, 2];
  const [h, t] = sum(k * HALF_PI, c * s[0]);
  return h + (t + (k * HALF_PI_TAIL + c * s[1]));
}

export function atan(x) {
  if (Number.isNaN(x)) return x;
  const a = Math.min(Math.abs(x), powerOfTwo(60));
  let [k, P, Q] = [0, [a, 0], [1, 0]];
  if (a > 2.414213562373095) [k, P, Q] = [2, [-1, 0], [a, 0]];
  else if (a > 0.41421356237309503) [k, P, Q] = [1, sum(-1, a), sum(1, a)];
  const T = sum(...quotient(P, Q));
  const z = T[0] * T[0];
  const [h, t] = sum(k * 0.5 * HALF_PI, T[0]);
  return flip(h + (t + (k * 0.5 * HALF_PI_TAIL + T[1] + T[0] * z * ATAN(z))), x);
}

// ---- erf, gelu

/** Return m and n, Phi(-z) = 2^n m, of pairs z and w = z^2 / 2. */
function tail(z, w) {
  let [h, t] = any(z[0], 5);
  let v = quotient([1, 0], [h, t + z[1]]);
  [h, t] = any(1, -10 * v[0]);
  const u = sum(h, t - 10 * v[1]);
  const b = sum(K_2, u[0] * TAIL(u[0]));
  let R = product(u[0], b[0]);
  [h, t] = sum(K_1, R[0]);
  const g = [h, t + (R[1] + (u[0] * b[1] + u[1] * b[0]))];
  R = product(u[0], g[0]);
  [h, t] = sum(K_0, R[0]);
  const k = [h, t + (R[1] + (u[0] * g[1] + u[1] * g[0]) + K_0_TAIL)];
  const [M, n] = exponential(-w[0], -w[1]);
  [h, t] = product(M[0], k[0]);
  const y = sum(h, t + (M[0] * k[1] + M[1] * k[0]));
  v = sum(...v);
  [h, t] = product(y[0], v[0]);
  return [[h, t + (y[0] * v[1] + y[1] * v[0])], n];
}

/** Return erf(x) of abs(x) < 0.71875. */
function smallErf(x) {
  const a = Math.abs(x);
  const c = a < powerOfTwo(-900) ? powerOfTwo(100) : 1;
  const L = a * c;
  const H = cut(L);
  const z = x * x;
  const t = H * ERF_1_26_TAIL + (L - H) * ERF_1 + L * z * ERF(z);
  return (H * ERF_1_26_HEAD + t) * (1 / c);
}

export function erf(x) {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) < 0.71875) return flip(smallErf(x), x);
  const a = Math.min(Math.abs(x), 6);
  const z = product(SQRT_2, a);
  z[1] += SQRT_2_TAIL * a;
  const [m, n] = tail(z, product(a, a));
  const w = -2 * powerOfTwo(n);
  const [h, t] = sum(1, w * m[0]);
  return flip(h + (t + w * m[1]), x);
}

/** @returns {Pair} Phi(x) of abs(x) < 0.75 */
function phi(x) {
  const H = cut(x);
  const z = x * x;
  const [h, t] = sum(0.5, H * PHI_0_26_HEAD);
  return [h, t + (H * PHI_0_26_TAIL + (x - H) * PHI_0 + x * z * PHI(z))];
}

/** Return m and n, Phi(x) = 2^n m, of abs(x) from 0.75 to 40. */
function phiFar(x) {
  const a = Math.abs(x);
  const [m, n] = tail([a, 0], product(0.5 * a, a));
  if (x < 0) return [m, n];
  const w = a > 12 ? 0 : -powerOfTwo(n);
  const [h, t] = sum(1, w * m[0]);
  return [[h, t + w * m[1]], 0];
}

/** @returns {[Pair, number]} Q and n, abs(gelu(x)) = 2^n Q, x <= 40 */
export function geluParts(x) {
  const b = clamp(x, 40);
  const a = Math.abs(b);
  const [[h, t], n] = a < 0.75 ? [phi(x), 0] : phiFar(b);
  const Y = product(a, h);
  Y[1] += a * t;
  return [Y, n];
}

export function gelu(x) {
  if (Number.isNaN(x) || x > 40) return x;
  const [Q, n] = geluParts(x);
  return flip(scale(Q[0] + Q[1], n), x);
}

/** Return the derivative of gelu. */
export function geluSlope(x) {
  if (Number.isNaN(x)) return x;
  const a = Math.min(Math.abs(x), 40);
  const w = product(0.5 * a, a);
  const [[E], n] = exponential(-w[0], -w[1]);
  if (a < 0.75) {
    const [h, t] = phi(x);
    return h + (t + x * (PHI_0 * (powerOfTwo(n) * E)));
  }
  const [m] = tail([a, 0], w);
  const d = a * (PHI_0 * E);
  if (x < 0) return scale(m[0] - d + m[1], n);
  const W = a > 12 ? 0 : powerOfTwo(n);
  return 1 + W * (d - m[0] - m[1]);
}
