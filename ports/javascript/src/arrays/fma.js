/**
 * x y + z rounded once, IEEE 754's fusedMultiplyAdd, in float32 and in float64.
 *
 * @module
 */

import { highOf, lowOf, powerOfTwo } from "../bits.js";
import { any } from "../vmath.js";
import { odd } from "./types.js";

/** Return x y + z of float32: the product is exact, the sum rounded to odd, then again. */
export function fma32(x, y, z) {
  const S = any(x * y, z);
  return Math.fround(S[1] === 0 || Number.isNaN(S[1]) ? S[0] : odd(S));
}

/** Return m, a BigInt, and e of a finite x = m 2^e. */
function wholeOf(x) {
  const exponent = (highOf(x) >>> 20) & 0x7ff;
  const fraction = (BigInt(highOf(x) & 0xfffff) << 32n) | BigInt(lowOf(x));
  const m = exponent > 0 ? fraction | (1n << 52n) : fraction;
  return [x < 0 ? -m : m, Math.max(exponent, 1) - 1075];
}

/** Return m 2^e rounded to nearest, ties to even, also where that is subnormal. */
function rounded(m, e) {
  const a = m < 0n ? -m : m;
  const cut = Math.max(a.toString(2).length - 53, -1074 - e);
  let n = a;
  if (cut > 0) {
    const half = 1n << BigInt(cut - 1);
    const rest = BigInt.asUintN(cut, a);
    n = a >> BigInt(cut);
    if (rest > half || (rest === half && n & 1n)) n += 1n;
  }
  const exponent = e + Math.max(cut, 0); // at least -1074; Number(n) times a part of it is normal
  const part = Math.trunc(exponent / 2);
  return (m < 0n ? -1 : 1) * Number(n) * powerOfTwo(part) * powerOfTwo(exponent - part);
}

/** Return x y + z of finite numbers by integers; 0 where that is exactly 0. */
export function byIntegers(x, y, z) {
  const [[a, i], [b, j], [c, k]] = [x, y, z].map(wholeOf);
  const e = Math.min(i + j, k);
  const m = (a * b << BigInt(i + j - e)) + (c << BigInt(k - e));
  return m === 0n ? 0 : rounded(m, e);
}

/** Return x as the sum of two numbers of 26 bits, of abs(x) < 2^996 (Veltkamp). */
function halves(x) {
  const c = 134217729 * x; // 2^27 + 1
  const head = c - (c - x);
  return [head, x - head];
}

/** Return x y exactly, as a pair, where nothing underflows (Dekker): product() rounds its tail. */
function exactProduct(x, y) {
  const h = x * y;
  const [[a, b], [c, d]] = [halves(x), halves(y)];
  return [h, a * c - h + a * d + b * c + b * d];
}

const LEAST = powerOfTwo(-900);
const MOST = powerOfTwo(900);

/** Return x y + z of float64, by Boldo and Melquiond; by integers what is too small or large. */
export function fma64(x, y, z) {
  const p = Math.abs(x * y);
  if (x === 0 || y === 0 || !Number.isFinite(x) || !Number.isFinite(y)) return x * y + z;
  if (!Number.isFinite(z)) return z;
  const most = Math.max(Math.abs(x), Math.abs(y), p, Math.abs(z));
  if (p < LEAST || most > MOST) return byIntegers(x, y, z);
  const [uh, ut] = exactProduct(x, y);
  const [th, tt] = any(z, ut);
  const [vh, vt] = any(uh, th);
  return vh + odd(any(tt, vt));
}
