/**
 * What nodes of ops of whole arrays pass on to their operands.
 *
 * A rule is of the node y, its gradient g, the number of the operand, all operands, and what else
 * the op took. It is made of ops, in the order written, so that it can be recorded.
 *
 * @module
 */

import { arithmeticOf } from "./arithmetic.js";
import { NDArray, countOf, range } from "./array.js";
import {
  add, and, cast, div, eq, exp, expand, fit, matmul, mean, mul, ne, or, permute, reshape,
  rsqrt, slice, sub, sum, sumTo, transpose, where,
} from "./calls.js";
import { EACH, MEAN, normPower } from "./norms.js";
import { freedomOf, rowsOf } from "./reductions.js";
import { Tensor, apply } from "./tensor.js";
import { wide } from "./types.js";

const ones = (shape) => shape.map(() => 1);
const nothings = (shape) => shape.map(() => 0);

// ---- movement, copies, indices

/** Return the first elements along each axis, as many as a shape has. */
const cutTo = (a, shape) => slice(a, nothings(shape), ones(shape), shape);

function catRule({ y, g, which, operands, how: { axis } }) {
  const a = operands[which];
  const start = nothings(a.shape);
  for (const before of operands.slice(0, which)) start[axis] += before.shape[axis];
  return fit(slice(g, start, ones(start), a.shape), y, a);
}

function assignRule({ y, g, which, operands, how }) {
  const { start, step, count } = how;
  if (which === 1) return fit(slice(g, start, step, count), y, operands[1]);
  return apply("assign", [g, g.number(0)], how);
}

/** Pass the gradient of a row on to the last of several that were put there. */
function putAtRule({ y, g, which, operands: [a, index, b] }) {
  if (which === 0) return apply("put_at", [g, index, b.zeros()]);
  const count = countOf(index.shape);
  const numbers = new Tensor(NDArray.of("int64", index.shape, range(count).map(BigInt)));
  const none = new Tensor(NDArray.zeros("int64", a.shape.slice(0, 1)));
  const last = apply("take", [apply("put_at", [none, index, numbers]), index]);
  const wins = reshape(eq(last, numbers), [...index.shape, ...ones(a.shape.slice(1))]);
  return fit(where(wins, apply("take", [g, index]), g.number(0)), y, b);
}

function scatterAddRule({ y, g, which, operands: [, index, b], how }) {
  if (which === 0) return g;
  const gathered = apply("gather", [g, index], how);
  const isPart = b.shape.some((n, d) => n !== index.shape[d]);
  const whole = { shape: b.shape, start: nothings(b.shape), step: ones(b.shape) };
  return fit(isPart ? apply("spread", [gathered], whole) : gathered, y, b);
}

function whereRule({ y, g, which, operands }) {
  const [test] = operands;
  const zero = g.number(0);
  return fit(which === 1 ? where(test, g, zero) : where(test, zero, g), y, operands[which]);
}

const MOVED = {
  reshape: ({ g, operands: [a] }) => reshape(g, a.shape),
  permute: ({ g, how: { axes } }) => permute(g, range(axes.length).map((d) => axes.indexOf(d))),
  expand: ({ y, g, operands: [a] }) => fit(g, y, a),
  slice: ({ g, operands: [a], how: { start, step } }) =>
    apply("spread", [g], { shape: a.shape, start, step }),
  spread: ({ g, operands: [a], how: { start, step } }) => slice(g, start, step, a.shape),
  window: ({ g, operands: [a], how: { size, stride, dilation } }) =>
    apply("fold", [g], { n: a.shape.slice(a.shape.length - size.length), stride, dilation }),
  fold: ({ g, operands: [a], how: { n, stride, dilation } }) => {
    const size = a.shape.slice(a.shape.length - n.length);
    return cutTo(apply("window", [g], { size, stride, dilation }), a.shape);
  },
  contiguous: ({ g }) => g,
  clone: ({ g }) => g,
  cast: ({ y, g, operands: [a] }) => fit(g, y, a),
  pad: ({ g, operands: [a], how: { before } }) => slice(g, before, ones(a.shape), a.shape),
  cat: catRule,
  assign: assignRule,
  take: ({ g, operands: [a, index] }) => apply("add_at", [a.zeros(), index, g]),
  add_at: ({ y, g, which, operands: [, index, b] }) =>
    which === 0 ? g : fit(apply("take", [g, index]), y, b),
  put_at: putAtRule,
  gather: ({ g, operands: [a, index], how }) => apply("scatter_add", [a.zeros(), index, g], how),
  scatter_add: scatterAddRule,
  where: whereRule,
};

// ---- reductions

/** Give the result of a reduction of a the reduced axes back, with size 1. */
const kept = (x, a, axes) => reshape(x, a.shape.map((n, d) => (axes.includes(d) ? 1 : n)));

/** Return how many elements each result is reduced from. */
const reducedCount = (a, axes) => countOf(axes.map((d) => a.shape[d]));

function meanRule({ y, g, operands: [a], how: { axes } }) {
  const shared = div(cast(g, wide(y.dtype)), reducedCount(a, axes));
  return fit(expand(kept(shared, a, axes), a.shape), y, a);
}

/** Pass g times the product of the other factors on, exact also where factors are 0. */
function prodRule({ g, operands: [a], how: { axes } }) {
  if (countOf(a.shape) === 0) return a.zeros();
  const others = range(a.shape.length).filter((d) => !axes.includes(d));
  const order = [...others, ...axes.toSorted((x, y) => x - y)];
  const moved = permute(a, order);
  const n = reducedCount(a, axes);
  const products = productsOfOthers(reshape(moved, [countOf(a.shape) / n, n]));
  const back = range(order.length).map((d) => order.indexOf(d));
  return mul(permute(reshape(products, moved.shape), back), kept(g, a, axes));
}

/** Return for each element of rows the product of the others of its row. */
function productsOfOthers(x) {
  const [rows, n] = x.shape;
  if (n === 1) return expand(x.number(1), x.shape);
  const half = Math.ceil(n / 2);
  const u = cutTo(x, [rows, half]);
  let v = slice(x, [0, half], [1, 1], [rows, n - half]);
  if (n % 2) v = apply("pad", [v], { before: [0, 0], after: [0, 1], value: 1 });
  const w = productsOfOthers(mul(u, v));
  return apply("cat", [mul(w, v), cutTo(mul(w, u), [rows, n - half])], { axis: 1 });
}

/** Let the places that hold the extremum share its gradient; NaN is one. */
function extremumRule({ y, g, operands: [a], how: { axes } }) {
  const dtype = wide(a.dtype);
  const held = kept(y, a, axes);
  const here = or(eq(a, held), and(ne(a, a), ne(held, held)));
  const shared = div(cast(kept(g, a, axes), dtype), sum(cast(here, dtype), axes, true));
  return fit(where(here, shared, shared.number(0)), y, a);
}

/** Return 2 / (n - correction) * g * (a - mean), in the type that g has. */
function varianceGradient(y, g, a, { axes, correction }) {
  const freedom = freedomOf(arithmeticOf(g.dtype), reducedCount(a, axes), correction);
  const scaled = mul(div(g.number(2), g.number(freedom)), kept(g, a, axes));
  const wideA = cast(a, g.dtype);
  return fit(mul(scaled, sub(wideA, mean(wideA, axes, true))), y, a);
}

const varRule = ({ y, g, operands: [a], how }) =>
  varianceGradient(y, cast(g, wide(a.dtype)), a, how);

/** Pass nothing on from a deviation of 0. */
function stdRule({ y, g, operands: [a], how }) {
  const dtype = wide(a.dtype);
  const deviation = cast(y, dtype);
  const ofVariance = div(cast(g, dtype), mul(deviation.number(2), deviation));
  const isFlat = eq(deviation, 0);
  return varianceGradient(y, where(isFlat, deviation.number(0), ofVariance), a, how);
}

/** Turn the order along an axis round. */
function flipped(x, axis) {
  const start = x.shape.map((n, d) => (d === axis ? n - 1 : 0));
  return slice(x, start, x.shape.map((_, d) => (d === axis ? -1 : 1)), x.shape);
}

const REDUCED = {
  sum: ({ g, operands: [a], how: { axes } }) => expand(kept(g, a, axes), a.shape),
  mean: meanRule,
  prod: prodRule,
  amax: extremumRule,
  amin: extremumRule,
  var: varRule,
  std: stdRule,
  logsumexp: ({ y, g, operands: [a], how: { axes } }) =>
    fit(mul(kept(g, a, axes), exp(sub(a, kept(y, a, axes)))), y, a),
  cumsum: ({ g, how: { axis } }) => flipped(apply("cumsum", [flipped(g, axis)], { axis }), axis),
};

// ---- products

/** Pass g @ b^T and a^T @ g on, of vectors as matrices of one row, or one column. */
function matmulRule({ y, g, which, operands }) {
  const [a, b] = operands;
  const [isRow, isColumn] = operands.map((x) => x.shape.length === 1);
  const left = isRow ? reshape(a, [1, ...a.shape]) : a;
  const right = isColumn ? reshape(b, [...b.shape, 1]) : b;
  const own = [!isRow, !isColumn].filter(Boolean).length;
  const batch = y.shape.slice(0, y.shape.length - own);
  const ofMatrix = reshape(g, [...batch, left.shape.at(-2), right.shape.at(-1)]);
  const operand = operands[which];
  const made = which === 0 ? matmul(ofMatrix, transpose(right)) : matmul(transpose(left), ofMatrix);
  if (operand.shape.length > 1) return fit(made, y, operand);
  const matrix = which === 0 ? left.shape : right.shape;
  return fit(reshape(sumTo(made, matrix), operand.shape), y, operand);
}

/** See (.., n) as a matrix. */
const asRows = (x) => reshape(x, [countOf(x.shape.slice(0, -1)), x.shape.at(-1)]);

function linearRule({ y, g, which, operands: [x, weight, bias] }) {
  const rows = asRows(g);
  if (which === 0) return fit(reshape(matmul(rows, weight), x.shape), y, x);
  if (which === 1) return fit(matmul(transpose(rows), asRows(x)), y, weight);
  return fit(sum(rows, [0], false), y, bias);
}

function convolveRule({ y, g, which, operands: [kernels, a, bias], how }) {
  const { size, stride, dilation } = how;
  const s = size.length;
  if (which === 2) return fit(sum(g, [0, ...range(s).map((d) => 2 + d)], false), y, bias);
  const [groups, m, k] = kernels.shape;
  const [n, , ...steps] = y.shape;
  const order = [0, 1, ...range(s).map((d) => 2 + s + d), ...range(s).map((d) => 2 + d)];
  const ofGroups = reshape(g, [n, groups, m, countOf(steps)]);
  if (which === 0) {
    const windows = permute(apply("window", [a], how), order);
    const columns = reshape(windows, [n, groups, k, countOf(steps)]);
    return fit(matmul(ofGroups, transpose(columns)), y, kernels);
  }
  const passed = matmul(transpose(kernels), ofGroups);
  const windows = permute(reshape(passed, [n, a.shape[1], ...size, ...steps]), order);
  return fit(apply("fold", [windows], { n: a.shape.slice(2), stride, dilation }), y, a);
}

const MULTIPLIED = { matmul: matmulRule, linear: linearRule, convolve: convolveRule };

// ---- rows

function softmaxRule({ y, g, operands: [a], how: { axis } }) {
  return fit(mul(y, sub(g, sum(mul(g, y), [axis], true))), y, a);
}

function logSoftmaxRule({ y, g, operands: [a], how: { axis } }) {
  return fit(sub(g, mul(exp(y), sum(g, [axis], true))), y, a);
}

/** Pass (softmax(logits) - what it should be) * (weight of the row * g) on; 0 in ignored rows. */
function crossEntropyRule({ y, g, operands: [logits, targets], how }) {
  const { reduction, ignored, smoothing } = how;
  const dtype = wide(logits.dtype);
  const T = arithmeticOf(dtype);
  const [n, classes] = logits.shape;
  const wanted = Array.from(targets.elements, Number);
  const counted = wanted.filter((t) => t !== ignored).length;
  const s = T.round(smoothing);
  const even = T.div(s, classes);
  const constant = (type, shape, element) => new Tensor(NDArray.build(type, shape, element));
  const expected = constant(dtype, [n, classes], (i) => {
    const t = wanted[Math.floor(i / classes)];
    return t !== ignored && t === i % classes ? T.add(even, T.sub(1, s)) : even;
  });
  const weights = constant(dtype, [n, 1], (i) =>
    wanted[i] === ignored ? 0 : reduction === MEAN ? 1 / counted : 1,
  );
  const counts = constant("bool", [n, 1], (i) => wanted[i] !== ignored);
  const only = (x) => (counted < n ? where(counts, x, x.number(0)) : x);
  const ofRows = cast(g, dtype);
  const passed = mul(weights, reduction === EACH ? reshape(ofRows, [n, 1]) : ofRows);
  const x = only(cast(logits, dtype));
  const less = sub(apply("softmax", [x], { axis: 1 }), expected);
  return fit(only(mul(less, passed)), y, logits);
}

/** Return the rule of a norm, with the mean subtracted or not. */
const normRule = (isCentered) => ({ y, g, which, operands, how: { axes, epsilon } }) => {
  const [a, weight, bias] = operands;
  const dtype = wide(a.dtype);
  const T = arithmeticOf(dtype);
  const lead = a.shape.length - axes;
  const last = range(axes).map((d) => lead + d);
  const wideG = cast(g, dtype);
  let x = cast(a, dtype);
  let added = x.number(T.round(epsilon));
  const powers = rowsOf(x.array, last).map((row) => normPower(T, row, epsilon, isCentered));
  let by = null; // what rows whose squares leave the range are multiplied by
  if (powers.some((power) => power !== 1)) {
    by = new Tensor(NDArray.of(dtype, [...a.shape.slice(0, lead), ...ones(last)], powers));
    x = mul(x, by);
    added = mul(mul(added, by), by);
  }
  if (isCentered) x = sub(x, mean(x, last, true));
  const scale = rsqrt(add(mean(mul(x, x), last, true), added));
  const normal = mul(x, scale);
  if (which === 2) return fit(sumTo(wideG, bias.shape), y, bias);
  if (which === 1) return fit(sumTo(mul(wideG, normal), weight.shape), y, weight);
  const h = weight ? mul(wideG, cast(weight, dtype)) : wideG;
  const shared = mean(mul(h, normal), last, true);
  const less = isCentered ? sub(h, mean(h, last, true)) : h;
  const slope = by ? mul(scale, by) : scale;
  return fit(mul(slope, sub(less, mul(normal, shared))), y, a);
};

/** Stand for the rule of a function, whose gradients its caller computes. */
function callersRule() {
  throw new Error("a sweep asks the caller");
}

/** @type {Record<string, (known: object) => Tensor>} */
export const RULES = {
  function: callersRule,
  output: callersRule,
  ...MOVED,
  ...REDUCED,
  ...MULTIPLIED,
  softmax: softmaxRule,
  log_softmax: logSoftmaxRule,
  cross_entropy: crossEntropyRule,
  layer_norm: normRule(true),
  rms_norm: normRule(false),
};
