/**
 * What ops of whole arrays take, as the last column of csrc/ops.def says it: operands, then
 * integers, then numbers.
 *
 * @module
 */

import { range } from "./array.js";
import { ROWS } from "./elements.js";
import { TYPES, need } from "./types.js";

const MOST_AXES = 16;

/**
 * @typedef {object} Takes
 * @property {string[]} [operands]
 * @property {string[]} [optional] behind them: all or none
 * @property {string[]} [many] one operand or more
 * @property {string[]} [integers] one each
 * @property {string[]} [perAxis] lists of integers, one an axis of operand 0
 * @property {string[]} [shape] a list of integers, one an axis of the result
 * @property {string[]} [windows] an integer s, from 1 to 3, then lists of s integers
 * @property {string[]} [numbers]
 */

const A = { operands: ["a"] };
const REDUCTION = { ...A, integers: ["axes", "keep"] };
const POSITION = { ...A, integers: ["axis", "keep"] };
const ALONG = { ...A, integers: ["axis"] };
const WINDOWS = { windows: ["size", "stride", "dilation"] };
const GROUPS = { integers: ["groups"], numbers: ["epsilon"] };

/** @type {Record<string, Takes>} */
export const TAKES = {
  reshape: { ...A, shape: ["shape"] },
  permute: { ...A, shape: ["axes"] },
  expand: { ...A, shape: ["shape"] },
  slice: { ...A, perAxis: ["start", "step", "count"] },
  window: { ...A, ...WINDOWS },
  detach: A,
  contiguous: A,
  clone: A,
  function: { many: ["operands"] },
  output: { operands: ["function", "a"], integers: ["which"] },
  cast: { ...A, integers: ["dtype"] },
  pad: { ...A, perAxis: ["before", "after"], numbers: ["value"] },
  spread: { ...A, perAxis: ["shape", "start", "step"] },
  fold: { ...A, windows: ["n", "stride", "dilation"] },
  cat: { many: ["arrays"], integers: ["axis"] },
  assign: { operands: ["a", "b"], perAxis: ["start", "step", "count"] },
  take: { operands: ["a", "index"] },
  add_at: { operands: ["a", "index", "b"] },
  put_at: { operands: ["a", "index", "b"] },
  gather: { operands: ["a", "index"], integers: ["axis"] },
  scatter_add: { operands: ["a", "index", "b"], integers: ["axis"] },
  nonzero: A,
  where: { operands: ["test", "a", "b"] },
  sum: REDUCTION,
  mean: REDUCTION,
  prod: REDUCTION,
  amax: REDUCTION,
  amin: REDUCTION,
  argmax: POSITION,
  argmin: POSITION,
  argmax_window: { ...A, ...WINDOWS },
  any: REDUCTION,
  all: REDUCTION,
  var: { ...REDUCTION, numbers: ["correction"] },
  std: { ...REDUCTION, numbers: ["correction"] },
  logsumexp: REDUCTION,
  cumsum: ALONG,
  matmul: { operands: ["a", "b"] },
  linear: { operands: ["x", "weight"], optional: ["bias"] },
  convolve: { operands: ["kernels", "a"], optional: ["bias"], ...WINDOWS },
  softmax: ALONG,
  log_softmax: ALONG,
  cross_entropy: {
    operands: ["logits", "targets"],
    integers: ["reduction", "ignored"],
    numbers: ["smoothing"],
  },
  layer_norm: { ...A, optional: ["weight", "bias"], integers: ["axes"], numbers: ["epsilon"] },
  rms_norm: { ...A, optional: ["weight"], integers: ["axes"], numbers: ["epsilon"] },
  group_norm: { operands: ["a", "weight", "bias"], ...GROUPS },
  group_back: { operands: ["a", "g", "weight"], ...GROUPS },
  group_sums: { operands: ["a", "g"], ...GROUPS },
  plane_means: { operands: ["a", "c"], optional: ["g"] },
  plane_scale: { operands: ["a", "c", "scale"], optional: ["bias"] },
  plane_back: { operands: ["a", "g", "c", "share", "less", "scale"] },
};

/** Return the axes whose bits are set in a mask. */
function axesOf(mask) {
  need(mask >= 0 && mask < 1 << MOST_AXES, `axes ${mask} are no mask`);
  return range(MOST_AXES).filter((d) => (mask >> d) & 1);
}

/** Return an integer as what an op takes by a name. */
function meaningOf(name, x, takes) {
  if (name === "keep") return x !== 0;
  if (name === "axes" && takes.integers.includes("keep")) return axesOf(x);
  if (name === "axis" && takes.integers.includes("keep") && x === -1) return null; // all of them
  if (name !== "dtype") return x;
  need(x >= 0 && x < TYPES.length, `there is no type number ${x}`);
  return TYPES[x].name;
}

/** Return the names of the lists of integers that an op takes, and where they stand. */
function listsOf({ perAxis, shape, windows }, integers, rank) {
  if (!windows) return [perAxis ?? shape ?? [], integers, shape ? integers.length : rank];
  const [s = 0, ...rest] = integers;
  need(s >= 1 && s <= 3, "windows lie along 1 to 3 axes");
  return [windows, rest, s];
}

/**
 * Return what an op takes beside its operands, by name.
 *
 * @param {string} name of an op
 * @param {{ shape: number[] }[]} operands
 * @param {number[]} integers as they stand in a file: one list after the other
 * @param {number[]} numbers
 */
export function argumentsOf(name, operands, integers, numbers) {
  const fits = `${name} takes other operands, integers and numbers`;
  if (Object.hasOwn(ROWS, name)) {
    const isOfNumber = name === "pow_number";
    need(operands.length === ROWS[name].operands && integers.length === 0, fits);
    need(numbers.length === (isOfNumber ? 1 : 0), fits);
    return isOfNumber ? { k: numbers[0] } : {};
  }
  const takes = TAKES[name];
  const { operands: required = [], optional = [], many, integers: single = [] } = takes;
  const counts = [required.length, required.length + optional.length];
  need(many ? operands.length > 0 : counts.includes(operands.length), fits);
  need(numbers.length === (takes.numbers ?? []).length, fits);
  const rank = operands[0].shape.length;
  const [names, left, count] = listsOf(takes, integers.slice(single.length), rank);
  need(integers.length >= single.length && left.length === names.length * count, fits);
  const lists = names.map((list, i) => [list, left.slice(i * count, (i + 1) * count)]);
  const ones = single.map((key, i) => [key, meaningOf(key, integers[i], takes)]);
  const reals = (takes.numbers ?? []).map((key, i) => [key, numbers[i]]);
  return Object.fromEntries([...lists, ...ones, ...reals]);
}
