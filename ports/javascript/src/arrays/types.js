/**
 * The types of elements: what holds them, how a number becomes one, what several have in common.
 *
 * An element of int64 is a BigInt, any other a Number; a bool is 0 or 1. float16 and bfloat16 lie
 * in a Float32Array, of which they are some: only casts and results round to them.
 *
 * @module
 */

import { flip, fromHalves, highOf, lowOf, powerOfTwo } from "../bits.js";
import { sum } from "../vmath.js";

/** What is wrong with a call, or with a program file. `kind` is "index" where an index is. */
export class ArrayError extends Error {
  constructor(message, kind = "value") {
    super(message);
    this.name = "ArrayError";
    this.kind = kind;
  }
}

/** Raise an error unless a condition holds. */
export function need(condition, message, kind) {
  if (!condition) throw new ArrayError(message, kind);
}

// ---- rounding

/** Return h + t rounded to odd: rounded to a narrower type, it is the sum rounded to that. */
export function odd(P) {
  const [h, t] = sum(...P);
  if (t === 0 || Number.isNaN(t) || lowOf(h) & 1) return h;
  if (h > 0 === t > 0) return fromHalves(highOf(h), lowOf(h) + 1);
  return lowOf(h) > 0
    ? fromHalves(highOf(h), lowOf(h) - 1)
    : fromHalves(highOf(h) - 1, 0xffffffff);
}

const ROUNDER = 6755399441055744; // 1.5 * 2^52

/** Return the rounding to floats of some bits of fraction and a least exponent. */
function narrowing(bits, least, end) {
  return (x) => {
    const a = Math.abs(x);
    if (!(a < end)) return Number.isNaN(x) ? NaN : flip(Infinity, x);
    const exponent = Math.max(((highOf(a) >>> 20) & 0x7ff) - 1023, least) - bits;
    const whole = a * powerOfTwo(-exponent) + ROUNDER - ROUNDER;
    const y = whole * powerOfTwo(exponent);
    return flip(y < end ? y : Infinity, x);
  };
}

const toFloat16 = narrowing(10, -14, 2 ** 16);
const toBfloat16 = narrowing(7, -126, powerOfTwo(128));

/** Return a BigInt cut to 53 bits, the last of them 1 if something was cut off. */
function oddOfBig(n) {
  const size = (n < 0n ? -n : n).toString(2).length;
  if (size <= 53) return Number(n);
  const shift = BigInt(size - 53);
  const cut = n >> shift; // towards -infinity
  return Number(cut << shift === n ? cut : cut | 1n) * powerOfTwo(size - 53);
}

// ---- the types

/**
 * @typedef {object} Type
 * @property {string} name
 * @property {"float" | "integer" | "bool"} kind
 * @property {new (size: number | ArrayBuffer) => any} Elements what holds them
 * @property {number} size bytes of an element in a file
 * @property {(x: any) => number} [round] makes a result an element, where storing does not:
 *   rounds to nearest, ties to even; of a truth 0 or 1
 * @property {any} [low] of integers: the least
 * @property {any} [high] and the greatest
 */

/** The types, in the order of their numbers. @type {Type[]} */
export const TYPES = [
  { name: "float32", kind: "float", Elements: Float32Array, size: 4, round: Math.fround },
  { name: "float64", kind: "float", Elements: Float64Array, size: 8, round: (x) => x },
  { name: "float16", kind: "float", Elements: Float32Array, size: 2, round: toFloat16 },
  { name: "bfloat16", kind: "float", Elements: Float32Array, size: 2, round: toBfloat16 },
  integers("int64", BigInt64Array, 8, -(2n ** 63n), 2n ** 63n - 1n),
  integers("int32", Int32Array, 4, -(2 ** 31), 2 ** 31 - 1),
  integers("int16", Int16Array, 2, -(2 ** 15), 2 ** 15 - 1),
  integers("int8", Int8Array, 1, -(2 ** 7), 2 ** 7 - 1),
  integers("uint8", Uint8Array, 1, 0, 2 ** 8 - 1),
  { name: "bool", kind: "bool", Elements: Uint8Array, size: 1, round: (x) => (x ? 1 : 0) },
];

function integers(name, Elements, size, low, high) {
  return { name, kind: "integer", Elements, size, low, high };
}

/** The types by their names. @type {Record<string, Type>} */
export const TYPE = Object.fromEntries(TYPES.map((type) => [type.name, type]));

export const isFloat = (dtype) => TYPE[dtype].kind === "float";

/** Tell whether a type is float16 or bfloat16. */
const isHalf = (dtype) => dtype === "float16" || dtype === "bfloat16";

/** Return the type that an op of a type is computed in: float32 for those that are stored only. */
export const wide = (dtype) => (isHalf(dtype) ? "float32" : dtype);

/** Return the type of functions of a type: float32 of integers and bools. */
export const floatOf = (dtype) => (isFloat(dtype) ? dtype : "float32");

/** Return the type of sums: int64 of integers and bools. */
export const sumType = (dtype) => (isFloat(dtype) ? dtype : "int64");

// ---- casts

/** Return the function that cuts a float to an integer: beyond the ends they, of NaN 0. */
function cutting({ name, low, high }) {
  const whole = name === "int64" ? BigInt : Number;
  return (x) => {
    if (Number.isNaN(x)) return whole(0);
    if (x < low) return low; // a BigInt is compared with a Number by value
    return x > high ? high : whole(Math.trunc(x) + 0); // -0 becomes 0
  };
}

/** Return the function that makes an element of one type one of another. */
export function caster(from, to) {
  const [a, b] = [TYPE[from], TYPE[to]];
  if (from === to) return (x) => x;
  if (b.kind === "bool") return (x) => (x != 0 ? 1 : 0); // also of BigInt
  if (b.kind === "float") {
    if (from !== "int64") return b.round;
    return to === "float64" ? Number : (x) => b.round(oddOfBig(x));
  }
  if (a.kind === "float") return cutting(b);
  if (to === "int64") return BigInt;
  if (from === "int64") return (x) => Number(BigInt.asIntN(32, x)); // storing cuts the rest
  return (x) => x;
}

/** Return the type of a number of Python: a BigInt stands for an int, a Number for a float. */
export const typeOfNumber = (x) =>
  typeof x === "boolean" ? "bool" : typeof x === "bigint" ? "int64" : "float32";

/** Return a number of Python as an element of a type. */
export function elementOf(x, dtype) {
  if (typeof x === "number" && isFloat(dtype)) return TYPE[dtype].round(x);
  if (typeof x === "number") return caster("float64", dtype)(x);
  return caster(typeOfNumber(x), dtype)(typeof x === "boolean" ? Number(x) : x);
}

// ---- what types have in common

// From the greatest to the least; two of a pair together are the next greater one.
const ORDER = [
  "float64", "float32", "bfloat16", "float16", "int64", "int32", "int16", "int8", "uint8", "bool",
];
const PAIRS = { "float16 bfloat16": "float32", "uint8 int8": "int16" };

/** Return the common type of types; bool of none. */
export function commonOf(dtypes) {
  let common = "bool";
  for (const dtype of dtypes) {
    const pair = PAIRS[`${dtype} ${common}`] ?? PAIRS[`${common} ${dtype}`];
    const isGreater = ORDER.indexOf(dtype) < ORDER.indexOf(common);
    common = pair ?? (isGreater ? dtype : common);
  }
  return common;
}

const RANKS = { bool: 0, integer: 1, float: 2 };

/**
 * Return the common type of operands: of arrays with axes, then of those without, then of numbers;
 * a later group counts only if it is of a greater kind than those before.
 *
 * @param {(import("./array.js").NDArray | number | bigint | boolean)[]} operands
 */
export function promote(operands) {
  const groups = [[], [], []];
  for (const x of operands) {
    if (typeof x === "object") groups[x.shape.length > 0 ? 0 : 1].push(x.dtype);
    else groups[2].push(typeOfNumber(x));
  }
  let common = "bool";
  for (const group of groups.map(commonOf)) {
    if (RANKS[TYPE[group].kind] > RANKS[TYPE[common].kind]) common = group;
  }
  return common;
}
