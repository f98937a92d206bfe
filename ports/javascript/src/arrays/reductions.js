/**
 * Sums, extrema and what else joins elements along axes: in blocks, each in 32 lanes.
 *
 * @module
 */

import { highOf, powerOfTwo } from "../bits.js";
import { arithmeticOf, larger, smaller } from "./arithmetic.js";
import { NDArray, countOf, range, shown } from "./array.js";
import { checkAxes, window } from "./movement.js";
import { TYPE, isFloat, need, sumType } from "./types.js";

const LANES = 32;
const BLOCK = 4096;

// ---- in lanes

/** Join elements: number i in lane i modulo 32, then lanes l and l + 16, l + 8 .. */
function inLanes(elements, start, join) {
  const lanes = new Array(LANES).fill(start);
  for (let i = 0; i < elements.length; i++) lanes[i % LANES] = join(lanes[i % LANES], elements[i]);
  for (let s = LANES / 2; s >= 1; s /= 2) {
    for (let l = 0; l < s; l++) lanes[l] = join(lanes[l], lanes[l + s]);
  }
  return lanes[0];
}

/** Join elements block by block, then the results of several blocks likewise. */
function inBlocks(elements, start, join) {
  let left = elements;
  while (left.length > BLOCK) {
    const blocks = Math.ceil(left.length / BLOCK);
    const whole = left;
    left = range(blocks).map((i) => inLanes(whole.slice(i * BLOCK, (i + 1) * BLOCK), start, join));
  }
  return inLanes(left, start, join);
}

export const sumOf = (T, elements) => inBlocks(elements, T.zero, (x, y) => T.add(x, y));
export const meanOf = (T, elements) => T.div(sumOf(T, elements), T.round(elements.length));

/** Return what no element of a type is below. */
const lowest = (dtype) => (isFloat(dtype) ? -Infinity : (TYPE[dtype].low ?? 0));
const highest = (dtype) => (isFloat(dtype) ? Infinity : (TYPE[dtype].high ?? 1));

export const maxOf = (dtype, elements) => inBlocks(elements, lowest(dtype), larger);
const minOf = (dtype, elements) => inBlocks(elements, highest(dtype), smaller);

// ---- along axes

/** Return the elements along some axes, a list for each index of the others. */
export function rowsOf(a, axes) {
  const others = range(a.shape.length).filter((d) => !axes.includes(d));
  const along = axes.toSorted((x, y) => x - y);
  const n = countOf(along.map((d) => a.shape[d]));
  const { elements } = a.permute([...others, ...along]);
  const count = countOf(others.map((d) => a.shape[d]));
  return range(count).map((i) => elements.subarray(i * n, (i + 1) * n));
}

/** Return the shape that is left without axes, or with size 1 in their place. */
function reducedShape(shape, axes, keep) {
  return shape.flatMap((n, d) => (axes.includes(d) ? (keep ? [1] : []) : [n]));
}

/** Return what a function makes of the elements along axes. */
export function reduced(name, a, { axes, keep }, dtype, make) {
  checkAxes(name, a, axes);
  const rows = rowsOf(a, axes);
  return NDArray.build(dtype, reducedShape(a.shape, axes, keep), (i) => make(rows[i]));
}

/** Return an array of a's shape whose elements along an axis a function makes of a's. */
export function rowwise(a, axes, dtype, make) {
  const rows = rowsOf(a, axes).map(make);
  const made = NDArray.zeros(dtype, a.shape);
  const others = range(a.shape.length).filter((d) => !axes.includes(d));
  const { places } = made.permute([...others, ...axes.toSorted((x, y) => x - y)]);
  const { round } = TYPE[dtype];
  const elements = rows.flatMap((row) => Array.from(row));
  made.memory.write(places, round ? elements.map(round) : elements);
  return made;
}

/** Refuse what is not of floats. */
export function needsFloats(name, { dtype }) {
  need(isFloat(dtype), `${name} is of floats, not of ${dtype}`, "type");
}

function sum([a], how) {
  const dtype = sumType(a.dtype);
  const T = arithmeticOf(dtype);
  return reduced("sum", a.cast(dtype), how, dtype, (row) => sumOf(T, row));
}

function prod([a], how) {
  const dtype = sumType(a.dtype);
  const T = arithmeticOf(dtype);
  const product = (row) => inBlocks(row, T.one, (x, y) => T.mul(x, y));
  return reduced("prod", a.cast(dtype), how, dtype, product);
}

function mean([a], how) {
  needsFloats("mean", a);
  const T = arithmeticOf(a.dtype);
  return reduced("mean", a, how, a.dtype, (row) => meanOf(T, row));
}

/** Refuse to choose among no elements. */
function checkChoice(name, { shape }, axes) {
  const isNothing = countOf(axes.map((d) => shape[d])) === 0;
  const isAsked = countOf(reducedShape(shape, axes, false)) > 0;
  need(!isNothing || !isAsked, `${name}: no elements along ${shown(axes)} of ${shown(shape)}`);
}

/** Return the op that chooses an element. */
const extremum = (name, choose) => ([a], how) => {
  checkAxes(name, a, how.axes);
  checkChoice(name, a, how.axes);
  return reduced(name, a, how, a.dtype, (row) => choose(a.dtype, row));
};

/** Return where the first of the best elements is; NaN is best. */
function firstOf(isBetter) {
  return (elements) => {
    let best = 0;
    for (let i = 1; i < elements.length; i++) {
      const [x, held] = [elements[i], elements[best]];
      if (isBetter(x, held) || (x !== x && held === held)) best = i;
    }
    return best;
  };
}

const firstLargest = firstOf((x, y) => x > y);
const firstSmallest = firstOf((x, y) => x < y);

/** Return the op that tells where an element is. */
const position = (name, find) => ([a], { axis, keep }) => {
  const axes = axis === null ? range(a.shape.length) : [axis];
  checkAxes(name, a, axes);
  checkChoice(name, a, axes);
  return reduced(name, a, { axes, keep }, "int64", (row) => BigInt(find(row)));
};

/** Return where in each window the first largest element is, among those of the last axes. */
function argmaxWindow([a], { size, stride, dilation }) {
  const windows = window([a], { size, stride, dilation });
  const s = size.length;
  const lead = a.shape.length - s;
  const along = range(s).map((x) => lead + s + x);
  const numbers = NDArray.build("float64", a.shape.slice(lead), (i) => i);
  const seen = window([numbers], { size, stride, dilation });
  const [rows, places] = [rowsOf(windows, along), rowsOf(seen, range(s).map((x) => s + x))];
  const element = (i) => BigInt(places[i % places.length][firstLargest(rows[i])]);
  return NDArray.build("int64", windows.shape.slice(0, lead + s), element);
}

/** Return the op that asks for truths: bool, but of uint8 that. */
const truth = (name, ask) => ([a], how) =>
  reduced(name, a, how, a.dtype === "uint8" ? "uint8" : "bool", (row) => (ask(row) ? 1 : 0));

const isTrue = (x) => x != 0; // also of BigInt, and NaN

function cumsum([a], { axis }) {
  checkAxes("cumsum", a, [axis]);
  const dtype = sumType(a.dtype);
  const T = arithmeticOf(dtype);
  return rowwise(a.cast(dtype), [axis], dtype, (row) => {
    const sums = row.slice();
    for (let i = 1; i < sums.length; i++) sums[i] = T.add(sums[i - 1], sums[i]);
    return sums;
  });
}

// ---- squares, which keep within the range

/** Return the sum of the squares of the distances from the mean. */
export function squaresOf(T, row) {
  const m = meanOf(T, row);
  return sumOf(T, row.map((x) => T.mul(T.sub(x, m), T.sub(x, m))));
}

const LIMITS = {
  float32: { least: powerOfTwo(-80), exponent: 126 },
  float64: { least: powerOfTwo(-960), exponent: 1022 },
};

/**
 * Return 1, or the 2^-k by which a row is multiplied lest its squares leave the range.
 *
 * @param {number} total the sum of the squares as they are
 * @param {number} [least] stands for the largest element where that is smaller
 */
export function rangeScale(T, row, total, least = 0) {
  const limits = LIMITS[T.dtype];
  if (total >= limits.least && total < Infinity) return 1;
  const most = row.reduce((found, x) => larger(found, Math.abs(x)), least);
  if (!(most > 0 && most < Infinity)) return 1;
  const k = most < powerOfTwo(-1022) ? -1023 : (highOf(most) >>> 20) - 1023;
  return powerOfTwo(-Math.max(-limits.exponent, Math.min(limits.exponent, k)));
}

/** Return n less the correction, at least 0. */
export function freedomOf(T, n, correction) {
  const freedom = T.sub(T.round(n), T.round(correction));
  return freedom > 0 ? freedom : 0;
}

/** Return the op that makes the variance, or its root. */
const deviation = (name, isRoot) => ([a], { axes, keep, correction }) => {
  needsFloats(name, a);
  const T = arithmeticOf(a.dtype);
  return reduced(name, a, { axes, keep }, a.dtype, (row) => {
    const by = rangeScale(T, row, squaresOf(T, row));
    const scaled = by === 1 ? row : row.map((x) => T.mul(x, by));
    const y = T.div(squaresOf(T, scaled), freedomOf(T, row.length, correction));
    return isRoot ? T.div(T.sqrt(y), by) : T.div(T.div(y, by), by);
  });
};

export const REDUCTIONS = {
  sum,
  mean,
  prod,
  amax: extremum("amax", maxOf),
  amin: extremum("amin", minOf),
  argmax: position("argmax", firstLargest),
  argmin: position("argmin", firstSmallest),
  argmax_window: argmaxWindow,
  any: truth("any", (row) => row.some(isTrue)),
  all: truth("all", (row) => row.every(isTrue)),
  var: deviation("var", false),
  std: deviation("std", true),
  cumsum,
};

