/**
 * exp, log, tanh, sin and others of float32: those of doubles rounded once, some of them rounded
 * to odd first, where the formula ends in a sum.
 *
 * @module
 */

import { flip } from "../bits.js";
import * as vmath from "../vmath.js";
import { odd } from "./types.js";

/** Return the function of a pair, where x has one, else that of doubles. */
function ofPair(parts, has, beyond) {
  return (x) => Math.fround(has(x) ? odd(parts(x)) : beyond(x));
}

/** Return the function abs(f(x)) = 2^n Q, of x up to an end, from which on it is x. */
function sized(parts, end) {
  return (x) => {
    if (Number.isNaN(x) || x > end) return x;
    const [Q, n] = parts(x);
    return Math.fround(flip(vmath.scale(odd(Q), n), x));
  };
}

/** Return a function whose results of some inputs lie too near the middle of two floats. */
function except(f, hard) {
  return (x) => hard.get(x) ?? Math.fround(f(x));
}

const HARD_SIN = 9830.3984375; // 0x1.33333p+13
const HARD_COS = [1.100467763087514e19, 1.7269983397793917e20]; // 0x1.3170fp+63, 0x1.2b9622p+67

const isPositive = (x) => x > 0 && x < Infinity;

function sigmoid(x) {
  if (Number.isNaN(x)) return x;
  const [Q, n] = vmath.sigmoidParts(x);
  return Math.fround(vmath.scale(odd(Q), n));
}

/** Rounded to float32 once, the functions by the names of ops. */
const ROUNDED = Object.fromEntries(
  ["exp", "exp2", "expm1", "log2", "tan", "tanh", "asin", "acos", "atan", "sinh", "cosh", "atanh",
    "erf", "softplus"].map((name) => [name, (x) => Math.fround(vmath[name](x))]),
);

/** @type {Record<string, (x: number) => number>} */
export const FLOAT32_FUNCTIONS = {
  ...ROUNDED,
  sigmoid,
  log: ofPair(vmath.logParts, isPositive, vmath.log),
  log1p: ofPair(vmath.log1pParts, (x) => x > -1 && x < Infinity && x !== 0, vmath.log1p),
  asinh: (x) =>
    Number.isFinite(x) ? Math.fround(flip(odd(vmath.asinhParts(Math.abs(x))), x)) : x,
  acosh: ofPair(vmath.acoshParts, (x) => x >= 1 && x < Infinity, vmath.acosh),
  silu: sized(vmath.siluParts, 800),
  gelu: sized(vmath.geluParts, 40),
  gelu_tanh: sized(vmath.geluTanhParts, 800),
  gelu_slope: (x) => Math.fround(vmath.geluSlope(x)),
  sin: except(vmath.sin, new Map([
    [HARD_SIN, -0.34761324524879456],
    [-HARD_SIN, 0.34761324524879456],
  ])),
  cos: except(vmath.cos, new Map(HARD_COS.flatMap((x, i) => {
    const y = [0.996410071849823, 0.9690579771995544][i];
    return [[x, y], [-x, y]];
  }))),
};
