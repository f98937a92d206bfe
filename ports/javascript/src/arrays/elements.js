/**
 * The ops of elements: a row is the value of operands, and what is passed on to each of them.
 *
 * A value is a formula of the arithmetic T, whose operations are rounded to a type. A gradient is
 * one of Tensors, so that it can be recorded, and differentiated again: of the operands a, b (or
 * the number k), the result y and its gradient g. It reads only those that it names: the others
 * may have been written to. A number as a gradient is a constant.
 *
 * @module
 */

import { flip } from "../bits.js";
import { larger, smaller } from "./arithmetic.js";
import {
  add, and, atLeast, below, clampMax, clampMin, cos, cosh, div, eq, exp, floorDivide, ge,
  geluSlope, log, mask, mul, neg, pow, powNumber, share, sigmoid, sign, sin, sinh, sqrt, square,
  step, sub, tanh, where,
} from "./calls.js";

const SQRT_2_OVER_PI = 0.7978845608028654;
const TWO_OVER_SQRT_PI = 1.1283791670955126;
const ONE_OVER_SQRT_2PI = 0.3989422804014327;
const LOG_2 = 0.6931471805599453;

// ---- values

const maximum = (T, a, b) => larger(a, b);
const minimum = (T, a, b) => smaller(a, b);

/** Return the function of a name in the arithmetic's table. */
const named = (name) => (T, a) => T.functions[name](a);

function power(T, a, k) {
  if (k === 2) return T.mul(a, a);
  if (k === 1) return a;
  if (k === 0) return 1;
  if (k === -1) return T.div(1, a);
  if (k === 0.5) return T.sqrt(a);
  if (k === -0.5) return T.div(1, T.sqrt(a));
  if (k === 3) return T.mul(T.mul(a, a), a);
  return T.pow(a, T.round(k));
}

/** Return x rounded to an integer, ties to even. */
function toEven(x) {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest === 0.5) return down % 2 === 0 ? down : down + 1;
  return rest < 0.5 ? down : down + 1;
}

/** Return a rounding to integers that keeps the sign, also of 0. */
const whole = (rounding) => (T, a) => {
  const y = Number.isFinite(a) ? rounding(a) : a;
  return y === 0 ? flip(0, a) : y;
};

// ---- gradients: what stands twice in a formula is two nodes, to each of which gradients flow

const NOTHING = () => 0;
const PASSED = ({ g }) => g;

/** Return a within bounds beyond which a slope does not change. */
const near = (a) => clampMax(clampMin(a, -1000), 1000);

const geluInner = (a) =>
  tanh(mul(SQRT_2_OVER_PI, add(near(a), mul(0.044715, mul(mul(near(a), near(a)), near(a))))));

const geluTanhGradient = ({ a, g }) => {
  const falling = sub(1, mul(geluInner(a), geluInner(a)));
  const slope = mul(SQRT_2_OVER_PI, add(1, mul(0.134145, mul(near(a), near(a)))));
  const inner = mul(mul(mul(0.5, near(a)), falling), slope);
  return mul(add(mul(0.5, add(1, geluInner(a))), inner), g);
};

const geluSlopeGradient = ({ a, g }) => {
  const density = mul(exp(mul(-0.5, mul(near(a), near(a)))), ONE_OVER_SQRT_2PI);
  return mul(mul(sub(2, mul(near(a), near(a))), density), g);
};

const siluGradient = ({ a, g }) =>
  mul(mul(sigmoid(near(a)), add(1, mul(near(a), sub(1, sigmoid(near(a)))))), g);

/** Twice what (a - b) (a - b) passes on to one of its factors. */
const ofDifference = ({ a, b, g }) => add(mul(sub(a, b), g), mul(sub(a, b), g));

/** The gradient of a ** b by a: 0 where b is 0, whatever a. */
const powerGradient = ({ a, b, g }) =>
  where(eq(b, 0), g.number(0), mul(mul(b, pow(a, sub(b, 1))), g));

/** The gradient of a ** b by b: 0 where a is 0 and b >= 0. */
const exponentGradient = ({ a, b, y, g }) =>
  where(and(eq(a, 0), ge(b, 0)), g.number(0), mul(mul(y, log(a)), g));

// ---- the table

/**
 * @typedef {object} Row
 * @property {string} types what it is of, as csrc/ops.def and csrc/SPEC.md name it
 * @property {number} operands
 * @property {(T: object, ...elements: any[]) => any} value
 * @property {((known: object) => any)[]} gradients one an operand; none of those whose results are
 *   no floats
 */

/** Return a row of one operand. */
const unary = (types, value, gradient) => ({
  types,
  operands: 1,
  value,
  gradients: gradient ? [gradient] : [],
});

/** Return a row of two operands. */
const binary = (types, value, ...gradients) => ({ types, operands: 2, value, gradients });

/** Return the row of a function of floats. */
const ofFloats = (name, gradient) => unary("FLOATS", named(name), gradient);

/** @type {Record<string, Row>} */
export const ROWS = {
  add: binary("NUMBERS_AND_BOOLS", (T, a, b) => T.add(a, b), PASSED, PASSED),
  mul: binary(
    "NUMBERS_AND_BOOLS",
    (T, a, b) => T.mul(a, b),
    ({ b, g }) => mul(b, g),
    ({ a, g }) => mul(a, g),
  ),
  pow_number: unary("FLOATS", power, (known) =>
    known.k === 0 ? 0 : mul(mul(known.k, powNumber(known.a, known.k - 1)), known.g),
  ),
  pow: binary("NUMBERS", (T, a, b) => T.pow(a, b), powerGradient, exponentGradient),
  relu: unary("NUMBERS", (T, a) => (a < 0 ? T.zero : a), ({ y, g }) => mask(step(y), g)),
  tanh: ofFloats("tanh", ({ y, g }) => mul(sub(1, powNumber(y, 2)), g)),
  exp: ofFloats("exp", ({ y, g }) => mul(y, g)),
  log: ofFloats("log", ({ a, g }) => mul(div(1, a), g)),
  sin: ofFloats("sin", ({ a, g }) => mul(cos(a), g)),
  cos: ofFloats("cos", ({ a, g }) => mul(neg(sin(a)), g)),
  expm1: ofFloats("expm1", ({ a, g }) => mul(exp(a), g)),
  log1p: ofFloats("log1p", ({ a, g }) => mul(div(1, add(1, a)), g)),
  sigmoid: ofFloats("sigmoid", ({ y, g }) => mul(mul(y, sub(1, y)), g)),
  softplus: ofFloats("softplus", ({ a, g }) => mul(sigmoid(a), g)),
  gelu: ofFloats("gelu", ({ a, g }) => mul(geluSlope(a), g)),
  gelu_tanh: ofFloats("gelu_tanh", geluTanhGradient),
  silu: ofFloats("silu", siluGradient),
  erf: ofFloats("erf", ({ a, g }) => mul(mul(TWO_OVER_SQRT_PI, exp(neg(square(a)))), g)),
  abs: unary("NUMBERS", (T, a) => T.abs(a), ({ a, g }) => mask(sign(a), g)),
  maximum: binary(
    "NUMBERS_AND_BOOLS",
    maximum,
    ({ a, b, g }) => mask(share(a, b), g),
    ({ a, b, g }) => mask(share(b, a), g),
  ),
  minimum: binary(
    "NUMBERS_AND_BOOLS",
    minimum,
    ({ a, b, g }) => mask(share(b, a), g),
    ({ a, b, g }) => mask(share(a, b), g),
  ),
  sub: binary("NUMBERS_ONLY", (T, a, b) => T.sub(a, b), PASSED, ({ g }) => neg(g)),
  div: binary(
    "FLOATS",
    (T, a, b) => T.div(a, b),
    ({ b, g }) => div(g, b),
    ({ b, y, g }) => neg(div(mul(g, y), b)),
  ),
  neg: unary("NUMBERS_ONLY", (T, a) => T.neg(a), ({ g }) => neg(g)),
  sign: unary(
    "NUMBERS_AND_BOOLS",
    (T, a) => (a > 0 ? T.one : a < 0 ? T.neg(T.one) : T.zero),
    NOTHING,
  ),
  square: unary("NUMBERS", (T, a) => T.mul(a, a), ({ a, g }) => mul(mul(2, a), g)),
  squared_difference: binary(
    "FLOATS",
    (T, a, b) => T.mul(T.sub(a, b), T.sub(a, b)),
    ofDifference,
    (known) => neg(ofDifference(known)),
  ),
  sqrt: unary("FLOATS", (T, a) => T.sqrt(a), ({ y, g }) => div(g, mul(2, y))),
  rsqrt: unary(
    "FLOATS",
    (T, a) => T.div(1, T.sqrt(a)),
    ({ y, g }) => mul(mul(-0.5, mul(square(y), y)), g),
  ),
  reciprocal: unary("FLOATS", (T, a) => T.div(1, a), ({ y, g }) => mul(neg(square(y)), g)),
  exp2: ofFloats("exp2", ({ y, g }) => mul(mul(y, LOG_2), g)),
  log2: ofFloats("log2", ({ a, g }) => div(g, mul(a, LOG_2))),
  tan: ofFloats("tan", ({ y, g }) => mul(add(1, square(y)), g)),
  asin: ofFloats("asin", ({ a, g }) => div(g, sqrt(sub(1, square(a))))),
  acos: ofFloats("acos", ({ a, g }) => neg(div(g, sqrt(sub(1, square(a)))))),
  atan: ofFloats("atan", ({ a, g }) => div(g, add(1, square(a)))),
  sinh: ofFloats("sinh", ({ a, g }) => mul(cosh(a), g)),
  cosh: ofFloats("cosh", ({ a, g }) => mul(sinh(a), g)),
  asinh: ofFloats("asinh", ({ a, g }) => div(g, sqrt(add(square(a), 1)))),
  acosh: ofFloats("acosh", ({ a, g }) => div(g, sqrt(sub(square(a), 1)))),
  atanh: ofFloats("atanh", ({ a, g }) => div(g, sub(1, square(a)))),
  floor: unary("FLOATS", whole(Math.floor), NOTHING),
  ceil: unary("FLOATS", whole(Math.ceil), NOTHING),
  round: unary("FLOATS", whole(toEven), NOTHING),
  trunc: unary("FLOATS", whole(Math.trunc), NOTHING),
  clamp_min: binary(
    "NUMBERS_AND_BOOLS",
    maximum,
    ({ a, b, g }) => mask(atLeast(a, b), g),
    ({ a, b, g }) => mask(below(a, b), g),
  ),
  clamp_max: binary(
    "NUMBERS_AND_BOOLS",
    minimum,
    ({ a, b, g }) => mask(atLeast(b, a), g),
    ({ a, b, g }) => mask(below(b, a), g),
  ),
  floor_divide: binary("NUMBERS", (T, a, b) => T.floorDivide(a, b), NOTHING, NOTHING),
  remainder: binary(
    "NUMBERS",
    (T, a, b) => T.remainder(a, b),
    PASSED,
    ({ a, b, g }) => mul(neg(floorDivide(a, b)), g),
  ),
  gelu_slope: ofFloats("gelu_slope", geluSlopeGradient),
  step: unary("FLOATS", (T, a) => (a <= 0 ? 0 : 1), NOTHING),
  share: binary("FLOATS", (T, a, b) => (a < b ? 0 : a === b ? 0.5 : 1), NOTHING, NOTHING),
  at_least: binary("FLOATS", (T, a, b) => (a >= b ? 1 : 0), NOTHING, NOTHING),
  below: binary("FLOATS", (T, a, b) => (a < b ? 1 : 0), NOTHING, NOTHING),
  mask: binary(
    "FLOATS",
    (T, a, b) => (a === 0 ? 0 : T.mul(a, b)),
    NOTHING,
    ({ a, g }) => mask(a, g),
  ),
  eq: binary("COMPARES", (T, a, b) => a === b),
  ne: binary("COMPARES", (T, a, b) => a !== b),
  lt: binary("COMPARES", (T, a, b) => a < b),
  le: binary("COMPARES", (T, a, b) => a <= b),
  gt: binary("COMPARES", (T, a, b) => a > b),
  ge: binary("COMPARES", (T, a, b) => a >= b),
  logical_and: binary("TRUTHS", (T, a, b) => a & b),
  logical_or: binary("TRUTHS", (T, a, b) => a | b),
  logical_xor: binary("TRUTHS", (T, a, b) => a ^ b),
  logical_not: unary("TRUTHS", (T, a) => a ^ 1),
  bitwise_and: binary("INTEGRAL_AND_BOOLS", (T, a, b) => a & b),
  bitwise_or: binary("INTEGRAL_AND_BOOLS", (T, a, b) => a | b),
  bitwise_xor: binary("INTEGRAL_AND_BOOLS", (T, a, b) => a ^ b),
  bitwise_not: unary("INTEGRAL_AND_BOOLS", (T, a) => (T.dtype === "bool" ? a ^ 1 : ~a)),
  bitwise_left_shift: binary("INTEGRAL", (T, a, b) => T.shiftLeft(a, b)),
  bitwise_right_shift: binary("INTEGRAL", (T, a, b) => T.shiftRight(a, b)),
};
