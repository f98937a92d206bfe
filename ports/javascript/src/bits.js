/**
 * The bits of doubles, in two halves of 32: what `+ - * /` cannot reach.
 *
 * @module
 */

const number = new Float64Array(1);
const halves = new Uint32Array(number.buffer);
number[0] = -0;
const HIGH = halves[1] === 0x80000000 ? 1 : 0; // which half comes last in memory
const LOW = 1 - HIGH;

/** Return the upper 32 bits of x: sign, exponent, 20 bits of the fraction. */
export function highOf(x) {
  number[0] = x;
  return halves[HIGH];
}

/** Return the lower 32 bits of x. */
export function lowOf(x) {
  number[0] = x;
  return halves[LOW];
}

/** Return the double of two halves. */
export function fromHalves(high, low) {
  halves[HIGH] = high;
  halves[LOW] = low;
  return number[0];
}

/** Return x cut to 26 bits: the product of two such numbers is exact. */
export function cut(x) {
  number[0] = x;
  halves[LOW] &= 0xf8000000;
  return number[0];
}

/** Tell whether the sign bit of x is set, of -0 too. */
export function isNegative(x) {
  return x < 0 || Object.is(x, -0);
}

/** Return x with its sign inverted if y's is set. */
export function flip(x, y) {
  return isNegative(y) ? -x : x;
}

/** Return 2^n, of an integer n; 0 where that is not a normal number. */
export function powerOfTwo(n) {
  return n < -1022 ? 0 : fromHalves((n + 1023) << 20, 0);
}

/** Return the double of 16 hex digits. */
export function fromHex(text) {
  return fromHalves(parseInt(text.slice(0, 8), 16), parseInt(text.slice(8), 16));
}

/** Return the 16 hex digits of a double; of any NaN the same. */
export function toHex(x) {
  if (Number.isNaN(x)) return "7ff8000000000000";
  return [highOf(x), lowOf(x)].map((half) => half.toString(16).padStart(8, "0")).join("");
}
