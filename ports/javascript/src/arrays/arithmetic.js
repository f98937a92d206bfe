/**
 * What formulas of elements are made of, for each type that they are computed in: every operation
 * is rounded, or wraps. Elements of float16 and bfloat16 are computed in float32, those of the
 * small integers and bools in int32, of which the last bits are stored.
 *
 * @module
 */

import { flip } from "../bits.js";
import * as vmath from "../vmath.js";
import { FLOAT32_FUNCTIONS } from "./functions.js";
import { isFloat } from "./types.js";

/** Return y if it is NaN or larger, else x; of floats or integers. */
export const larger = (x, y) => (y !== y || x < y ? y : x);
export const smaller = (x, y) => (y !== y || y < x ? y : x);

/** Floats of a type. */
class Floats {
  zero = 0;
  one = 1;
  /**
   * @param {string} dtype
   * @param {(x: number) => number} round
   * @param {Record<string, (x: number) => number>} functions exp, log .. of this type
   */
  constructor(dtype, round, functions) {
    this.dtype = dtype;
    this.round = round;
    this.functions = functions;
  }

  add(x, y) {
    return this.round(x + y);
  }

  sub(x, y) {
    return this.round(x - y);
  }

  mul(x, y) {
    return this.round(x * y);
  }

  div(x, y) {
    return this.round(x / y);
  }

  neg(x) {
    return -x;
  }

  abs(x) {
    return Math.abs(x);
  }

  sqrt(x) {
    return this.round(Math.sqrt(x));
  }

  pow(x, y) {
    return this.round(vmath.pow(x, y));
  }

  /** The rest of x / y with the sign of y, or of the 0 that it is. */
  remainder(x, y) {
    const rest = x % y; // exact, with the sign of x
    if (rest === 0) return flip(0, y);
    return rest < 0 === y < 0 ? rest : this.add(rest, y);
  }

  /** x / y rounded down, which fits to the remainder. */
  floorDivide(x, y) {
    if (y === 0) return this.div(x, y);
    const rest = x % y;
    let q = this.div(this.sub(x, rest), y);
    if (rest !== 0 && rest < 0 !== y < 0) q = this.sub(q, 1);
    if (q === 0) return flip(0, this.div(x, y));
    const w = Math.floor(q);
    return this.sub(q, w) > 0.5 ? this.add(w, 1) : w;
  }
}

/** Integers that wrap; // and % are Python's. */
class Integers {
  /** @param {(x: any) => any} wrap cuts to the last bits, in two's complement */
  constructor(dtype, wrap, mul) {
    this.dtype = dtype;
    this.wrap = wrap;
    this.mul = mul;
    this.zero = wrap(dtype === "int64" ? 0n : 0);
    this.one = wrap(dtype === "int64" ? 1n : 1);
  }

  add(x, y) {
    return this.wrap(x + y);
  }

  sub(x, y) {
    return this.wrap(x - y);
  }

  neg(x) {
    return this.wrap(-x);
  }

  abs(x) {
    return x < this.zero ? this.neg(x) : x;
  }

  /** x to the power of k by squaring; of a negative k 0, but for 1 and -1. */
  pow(x, k) {
    const [power, base] = [BigInt(k), BigInt(x)];
    if (power < 0n && base !== 1n && base !== -1n) return this.zero;
    let result = this.one;
    let square = x;
    for (let left = power < 0n ? -power : power; left > 0n; left >>= 1n) {
      if (left & 1n) result = this.mul(result, square);
      square = this.mul(square, square);
    }
    return result;
  }

  remainder(x, y) {
    const rest = x % y;
    return this.wrap(rest !== this.zero && rest < this.zero !== y < this.zero ? rest + y : rest);
  }

  floorDivide(x, y) {
    return this.wrap((x - this.remainder(x, y)) / y);
  }

  /** x shifted by b bits to the left, by all there are where b is not one of them. */
  shiftLeft(x, b) {
    const isWithin = b >= 0 && b < (this.dtype === "int64" ? 64 : 32);
    return isWithin ? this.wrap(x << b) : this.zero;
  }

  shiftRight(x, b) {
    const isWithin = b >= 0 && b < (this.dtype === "int64" ? 64 : 32);
    return isWithin ? x >> b : x < this.zero ? this.neg(this.one) : this.zero;
  }
}

const FLOAT32 = new Floats("float32", Math.fround, FLOAT32_FUNCTIONS);
const FLOAT64 = new Floats("float64", (x) => x, {
  ...vmath,
  gelu_tanh: vmath.geluTanh,
  gelu_slope: vmath.geluSlope,
});
const int64 = (x) => BigInt.asIntN(64, x);
const INT64 = new Integers("int64", int64, (x, y) => int64(x * y));
const INT32 = new Integers("int32", (x) => x | 0, Math.imul);
const BOOL = new Integers("bool", (x) => x | 0, Math.imul);

/** Return the arithmetic of a type. */
export function arithmeticOf(dtype) {
  if (dtype === "float64") return FLOAT64;
  if (isFloat(dtype)) return FLOAT32;
  return dtype === "int64" ? INT64 : dtype === "bool" ? BOOL : INT32;
}
