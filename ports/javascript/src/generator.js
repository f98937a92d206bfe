/**
 * Random numbers of xorshift64* (Vigna 2016): a seed means the same numbers everywhere, for ever.
 *
 * @module
 */

import { fromHalves, highOf, lowOf } from "./bits.js";

// The multiplier 0x2545F4914F6CDD1D, in two halves, and the lower one in two again.
const FACTOR_HIGH = 0x2545f491;
const FACTOR_LOW = 0x4f6cdd1d;
const FACTOR_1 = FACTOR_LOW >>> 16;
const FACTOR_0 = FACTOR_LOW & 0xffff;

/** Return the upper 32 bits of x times the lower half of the multiplier. */
function upperProduct(x) {
  const x1 = x >>> 16;
  const x0 = x & 0xffff;
  const middle = x1 * FACTOR_0 + ((x0 * FACTOR_0) >>> 16); // below 2^32
  const other = x0 * FACTOR_1 + (middle & 0xffff); // below 2^32
  return x1 * FACTOR_1 + (middle >>> 16) + (other >>> 16);
}

/** Return log s of a normal s, by arithmetic alone. */
function logarithm(s) {
  let e = (highOf(s) >>> 20) - 1022;
  let m = fromHalves((highOf(s) & 0xfffff) | 0x3fe00000, lowOf(s)); // from 1/2 to 1
  if (m < 0.7071067811865476) {
    m *= 2;
    e -= 1;
  }
  const q = (m - 1) / (m + 1);
  const z = q * q;
  let p = 1 / 23;
  for (let d = 21; d >= 3; d -= 2) p = p * z + 1 / d;
  const series = 2 * q + 2 * q * (z * p);
  return e * 0.6931471803691238 + (e * 1.9082149292705877e-10 + series);
}

/** A generator of random numbers. */
export class Generator {
  #high;
  #low;
  #spare = null;

  /** @param {number | bigint} seed an integer from 1 to 2^64 - 1 */
  constructor(seed) {
    const state = BigInt(seed);
    if (state < 1n || state >= 1n << 64n) {
      throw new RangeError(`a seed is an integer from 1 to 2^64 - 1, not ${seed}`);
    }
    this.#high = Number(state >> 32n);
    this.#low = Number(state & 0xffffffffn);
  }

  /** Return a generator whose next numbers come from a state, the first perhaps kept of a pair. */
  static restored(state, spare) {
    const made = new Generator(state);
    made.#spare = spare;
    return made;
  }

  /** Return the next 32 bits, as an integer of at least 0. */
  u32() {
    let high = this.#high;
    let low = this.#low;
    low ^= (low >>> 12) | (high << 20);
    high ^= high >>> 12;
    high ^= (high << 25) | (low >>> 7);
    low ^= low << 25;
    low ^= (low >>> 27) | (high << 5);
    high ^= high >>> 27;
    this.#high = high >>> 0;
    this.#low = low >>> 0;
    const crossed = Math.imul(this.#low, FACTOR_HIGH) + Math.imul(this.#high, FACTOR_LOW);
    return (upperProduct(this.#low) + crossed) >>> 0;
  }

  /** Return a number from [0, 1), a multiple of 2^-24. */
  random() {
    return (this.u32() >>> 8) / 16777216;
  }

  /** Return a number from a to b. */
  uniform(a = 0, b = 1) {
    return a + (b - a) * this.random();
  }

  /** Return a number of the normal distribution; Marsaglia's polar method makes two at once. */
  normal(mean = 0, deviation = 1) {
    if (this.#spare !== null) {
      const spare = this.#spare;
      this.#spare = null;
      return mean + deviation * spare;
    }
    let u, v, s;
    do {
      u = 2 * this.random() - 1;
      v = 2 * this.random() - 1;
      s = u * u + v * v;
    } while (!(s > 0 && s < 1));
    const f = Math.sqrt((-2 * logarithm(s)) / s);
    this.#spare = v * f;
    return mean + deviation * (u * f);
  }

  /** Put an array into random order, in place. */
  shuffle(items) {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.u32() % (i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }
}
