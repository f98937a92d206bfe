/**
 * Python's arithmetic of floats: what raises an error there raises one here, with the functions of
 * vmath.js in the place of the C library's ("portable math").
 *
 * @module
 */

import { isNegative } from "./bits.js";
import * as vmath from "./vmath.js";

export { erf, tanh } from "./vmath.js";

/** What Python's floats raise. `kind` is "division", "overflow" or "domain". */
export class MathError extends Error {
  constructor(kind, message) {
    super(message);
    this.name = "MathError";
    this.kind = kind;
  }
}

let goesOn = false;

/**
 * Call a function, in which infinities and NaN are results where errors would be raised.
 *
 * @template T
 * @param {() => T} run
 * @returns {T}
 */
export function ieee(run) {
  const before = goesOn;
  goesOn = true;
  try {
    return run();
  } finally {
    goesOn = before;
  }
}

/** Raise an error, unless computing goes on. */
function note(kind, message) {
  if (!goesOn) throw new MathError(kind, message);
}

export function divide(x, y) {
  if (y === 0) note("division", `${x} / 0`);
  return x / y;
}

/** Return x to the power of y. */
export function power(x, y) {
  if (x === 0 && y < 0 && Number.isFinite(y)) note("division", `0 to the power of ${y}`);
  const isReal = Number.isFinite(x) && Number.isFinite(y);
  const isWhole = y % 1 === 0;
  if (x < 0 && isReal && !isWhole) note("domain", `${x} to the power of ${y} is a complex number`);
  const result = vmath.pow(x, y);
  if (x !== 0 && isReal && Math.abs(result) === Infinity) {
    note("overflow", `${x} to the power of ${y} is too large`);
  }
  return result;
}

/** Let a function raise an error where a finite number has an infinite result. */
function bounded(name, f) {
  return (x) => {
    const y = f(x);
    if (y === Infinity && x !== Infinity) note("overflow", `${name}(${x}) is too large`);
    return y;
  };
}

/** Let a function raise an error where a number is refused. */
function within(name, f, isRefused) {
  return (x) => {
    if (isRefused(x)) note("domain", `there is no ${name}(${x})`);
    return f(x);
  };
}

const isInfinite = (x) => Math.abs(x) === Infinity;

export const exp = bounded("exp", vmath.exp);
export const expm1 = bounded("expm1", vmath.expm1);
export const log = within("log", vmath.log, (x) => x <= 0);
export const log1p = within("log1p", vmath.log1p, (x) => x <= -1);
export const sin = within("sin", vmath.sin, isInfinite);
export const cos = within("cos", vmath.cos, isInfinite);

export function sigmoid(x) {
  if (x >= 0) return 1 / (1 + exp(-x));
  const e = exp(x);
  return e / (1 + e);
}

/** Return the shortest text that reads back as x, as Python writes it: 0.5, 1e-05, 100.0. */
export function repr(x) {
  if (Number.isNaN(x)) return "nan";
  if (isInfinite(x)) return x < 0 ? "-inf" : "inf";
  const sign = isNegative(x) ? "-" : "";
  const [mantissa, power10] = Math.abs(x).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const exponent = Number(power10);
  if (exponent < -4 || exponent >= 16) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** Return x with six decimals, as Python's `f"{x:.6f}"`: a tie goes to the even digit. */
export function fixed(x) {
  const longer = x.toFixed(7);
  const isTie = longer.endsWith("5") && x.toFixed(30) === longer.padEnd(longer.length + 23, "0");
  return isTie && "02468".includes(longer.at(-2)) ? longer.slice(0, -1) : x.toFixed(6);
}
