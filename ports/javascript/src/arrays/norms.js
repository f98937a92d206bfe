/**
 * Ops on rows: softmax and what is made of it, norms; and those on channels of (n, channels, d..).
 *
 * @module
 */

import { arithmeticOf } from "./arithmetic.js";
import { NDArray, countOf, range, sameShape, shown } from "./array.js";
import { checkAxes, checkIndex } from "./movement.js";
import {
  maxOf, meanOf, needsFloats, rangeScale, reduced, rowsOf, rowwise, squaresOf, sumOf,
} from "./reductions.js";
import { floatOf, need } from "./types.js";

// ---- softmax

/** Return the largest element m of a row, exp(a - m), and the sum of these. */
function exponentials(T, row) {
  const m = maxOf(T.dtype, row);
  const e = row.map((x) => T.functions.exp(T.sub(x, m)));
  return { m, e, total: sumOf(T, e) };
}

function logsumexp([a], how) {
  const dtype = floatOf(a.dtype);
  const T = arithmeticOf(dtype);
  return reduced("logsumexp", a.cast(dtype), how, dtype, (row) => {
    const { m, total } = exponentials(T, row);
    return Math.abs(m) === Infinity ? m : T.add(m, T.functions.log(total));
  });
}

function softmax([a], { axis }) {
  checkAxes("softmax", a, [axis]);
  const dtype = floatOf(a.dtype);
  const T = arithmeticOf(dtype);
  return rowwise(a.cast(dtype), [axis], dtype, (row) => {
    const { e, total } = exponentials(T, row);
    return e.map((x) => T.div(x, total));
  });
}

/** Return (a - m) - log(sum of exp(a - m)). */
function logProbabilities(T, row) {
  const { m, total } = exponentials(T, row);
  const less = T.functions.log(total);
  return row.map((x) => T.sub(T.sub(x, m), less));
}

function logSoftmax([a], { axis }) {
  checkAxes("log_softmax", a, [axis]);
  const dtype = floatOf(a.dtype);
  const T = arithmeticOf(dtype);
  return rowwise(a.cast(dtype), [axis], dtype, (row) => logProbabilities(T, row));
}

/** How the losses of rows are put together. */
export const EACH = 0;
export const MEAN = 2;

/** Return -log(softmax(logits)[target]) of each row, or their sum, or mean. */
function crossEntropy([logits, targets], { reduction, ignored, smoothing }) {
  const isRight = [0, 1, 2].includes(reduction) && smoothing >= 0 && smoothing <= 1;
  need(isRight, `cross_entropy: reduction ${reduction}, smoothing ${smoothing}`);
  needsFloats("cross_entropy", logits);
  checkIndex("cross_entropy", targets);
  const fits = logits.shape.length === 2 && sameShape(targets.shape, logits.shape.slice(0, 1));
  const shapes = `targets ${shown(targets.shape)} do not fit logits ${shown(logits.shape)}`;
  need(fits, `cross_entropy: ${shapes}`);
  const T = arithmeticOf(logits.dtype);
  const classes = logits.shape[1];
  const s = T.round(smoothing);
  const rows = rowsOf(logits, [1]);
  const wanted = Array.from(targets.elements, Number);
  const losses = wanted.map((target, i) => {
    if (target === ignored) return 0;
    const isClass = target >= 0 && target < classes;
    need(isClass, `target ${target} is none of ${classes} classes`, "index");
    const y = logProbabilities(T, rows[i]);
    if (s === 0) return -y[target];
    const even = T.div(-sumOf(T, y), classes);
    return T.add(T.mul(T.sub(1, s), -y[target]), T.mul(s, even));
  });
  if (reduction === EACH) return NDArray.of(logits.dtype, targets.shape, losses);
  const total = sumOf(T, losses);
  const counted = wanted.filter((target) => target !== ignored).length;
  const loss = reduction === MEAN ? T.div(total, T.round(counted)) : total;
  return NDArray.of(logits.dtype, [], [loss]);
}

// ---- norms of rows

/** Return the last axes, so many; refuse weights that have not their shape. */
function lastAxes(name, a, axes, ...weights) {
  const lead = a.shape.length - axes;
  need(lead >= 0 && axes >= 1, `${name}: shape ${shown(a.shape)} has not ${axes} axes`);
  for (const x of weights.filter(Boolean)) {
    const fits = sameShape(x.shape, a.shape.slice(lead));
    need(fits, `${name}: weight ${shown(x.shape)} does not fit shape ${shown(a.shape)}`);
  }
  return range(axes).map((d) => lead + d);
}

/** Return the mean of squares, + epsilon, of a row that was multiplied by a power of two. */
function meanSquare(T, row, epsilon, by, isCentered) {
  const total = isCentered ? squaresOf(T, row) : sumOf(T, row.map((x) => T.mul(x, x)));
  const added = T.mul(T.mul(T.round(epsilon), by), by);
  return T.add(T.div(total, T.round(row.length)), added);
}

/** Return 1, or the power of two that a norm multiplies a row by lest its squares overflow. */
export function normPower(T, row, epsilon, isCentered) {
  const least = T.sqrt(T.round(epsilon));
  return rangeScale(T, row, meanSquare(T, row, epsilon, 1, isCentered), least);
}

/** Return a row less its mean where it is centered, by 1 / sqrt(its mean square + epsilon). */
function normal(T, row, epsilon, isCentered) {
  const by = normPower(T, row, epsilon, isCentered);
  const scaled = row.map((x) => T.mul(x, by));
  const r = T.div(1, T.sqrt(meanSquare(T, scaled, epsilon, by, isCentered)));
  const m = isCentered ? meanOf(T, scaled) : 0;
  return { by, r, x: scaled.map((x) => T.mul(isCentered ? T.sub(x, m) : x, r)) };
}

function layerNorm([a, weight, bias], { axes, epsilon }) {
  needsFloats("layer_norm", a);
  const along = lastAxes("layer_norm", a, axes, weight, bias);
  const T = arithmeticOf(a.dtype);
  const [w, c] = [weight, bias].map((x) => x?.cast(T.dtype).elements);
  return rowwise(a, along, a.dtype, (row) => {
    const { x } = normal(T, row, epsilon, true);
    return w ? x.map((xi, i) => T.add(T.mul(xi, w[i]), c[i])) : x;
  });
}

function rmsNorm([a, weight], { axes, epsilon }) {
  needsFloats("rms_norm", a);
  const along = lastAxes("rms_norm", a, axes, weight);
  const T = arithmeticOf(a.dtype);
  const w = weight?.cast(T.dtype).elements;
  return rowwise(a, along, a.dtype, (row) => {
    const { x } = normal(T, row, epsilon, false);
    return w ? x.map((xi, i) => T.mul(xi, w[i])) : x;
  });
}

// ---- channels of (n, channels, d..)

/** Refuse what has no channels, or another number of them, or another type. */
function checkChannels(name, a, ...numbers) {
  const given = numbers.filter(Boolean);
  const isOf = ["float32", "float64"].includes(a.dtype) && given.every((x) => x.dtype === a.dtype);
  need(isOf, `${name} is of float32 or float64, all of one type`, "type");
  const channels = a.shape.slice(1, 2);
  const fits = channels.length === 1 && given.every((x) => sameShape(x.shape, channels));
  need(fits, `${name}: numbers do not fit the channels of shape ${shown(a.shape)}`);
}

/** Refuse a gradient that is not like a. */
function checkLike(name, a, g) {
  need(g.dtype === a.dtype, `${name}: g is of ${g.dtype}, a of ${a.dtype}`, "type");
  const fits = sameShape(g.shape, a.shape);
  need(fits, `${name}: g has shape ${shown(g.shape)}, a ${shown(a.shape)}`);
}

/** Return an array like a, of what a function makes of its elements and others, or channels'. */
function channelwise(a, others, make) {
  const size = countOf(a.shape.slice(2));
  const { elements } = a;
  const read = others.map((x) => {
    const found = x.elements;
    if (sameShape(x.shape, a.shape)) return (i) => found[i];
    return (i) => found[Math.floor(i / size) % found.length];
  });
  const element = (i) => make(elements[i], ...read.map((at) => at(i)));
  return NDArray.build(a.dtype, a.shape, element);
}

/** Return groups of channels as rows: (n, groups, row). */
function groupsOf(name, a, groups, ...numbers) {
  checkChannels(name, a, ...numbers);
  const isDivided = groups >= 1 && a.shape[1] % groups === 0;
  need(isDivided, `${name}: ${groups} groups do not divide the channels of ${shown(a.shape)}`);
  return [a.shape[0], groups, (a.shape[1] / groups) * countOf(a.shape.slice(2))];
}

/** Return layer_norm of groups of channels. */
function normalGroups(a, shape, epsilon) {
  const how = { axes: 1, epsilon };
  return layerNorm([a.reshape(shape)], how).reshape(a.shape);
}

function groupNorm([a, weight, bias], { groups, epsilon }) {
  const shape = groupsOf("group_norm", a, groups, weight, bias);
  const T = arithmeticOf(a.dtype);
  const made = normalGroups(a, shape, epsilon);
  return channelwise(made, [weight, bias], (x, w, b) => T.add(T.mul(x, w), b));
}

/** Return what a row of layer_norm passes on of h. */
function normPassed(T, row, h, epsilon) {
  const { by, r, x } = normal(T, row, epsilon, true);
  const meanOfH = meanOf(T, h);
  const meanOfProducts = meanOf(T, h.map((hi, i) => T.mul(hi, x[i])));
  const slope = T.mul(r, by);
  return x.map((xi, i) => T.mul(slope, T.sub(T.sub(h[i], meanOfH), T.mul(xi, meanOfProducts))));
}

function groupBack([a, g, weight], { groups, epsilon }) {
  const shape = groupsOf("group_back", a, groups, weight);
  checkLike("group_back", a, g);
  const T = arithmeticOf(a.dtype);
  const h = channelwise(g, [weight], (x, w) => T.mul(x, w)).reshape(shape);
  const rowsOfH = rowsOf(h, [2]);
  const rows = rowsOf(a.reshape(shape), [2]);
  const passed = rows.flatMap((row, i) => Array.from(normPassed(T, row, rowsOfH[i], epsilon)));
  return NDArray.of(a.dtype, a.shape, passed);
}

function groupSums([a, g], { groups, epsilon }) {
  const rows = groupsOf("group_sums", a, groups);
  checkLike("group_sums", a, g);
  const T = arithmeticOf(a.dtype);
  const products = channelwise(g, [normalGroups(a, rows, epsilon)], (x, y) => T.mul(x, y));
  const planes = [...a.shape.slice(0, 2), countOf(a.shape.slice(2))];
  const sums = [products, g].flatMap((x) => rowsOf(x.reshape(planes), [2]));
  const shape = [2, ...a.shape.slice(0, 2)];
  return NDArray.of(a.dtype, shape, sums.map((row) => sumOf(T, row)));
}

function planeMeans([a, c, g]) {
  checkChannels("plane_means", a, c);
  if (g) checkLike("plane_means", a, g);
  const T = arithmeticOf(a.dtype);
  const made = channelwise(a, g ? [c, g] : [c], (x, ci, gi) => {
    const less = T.sub(x, ci);
    return T.mul(g ? gi : less, less);
  });
  const planes = made.reshape([...a.shape.slice(0, 2), countOf(a.shape.slice(2))]);
  const means = rowsOf(planes, [2]).map((row) => meanOf(T, row));
  const byChannel = rowsOf(NDArray.of(a.dtype, a.shape.slice(0, 2), means), [0]);
  return NDArray.of(a.dtype, a.shape.slice(1, 2), byChannel.map((row) => meanOf(T, row)));
}

function planeScale([a, c, scale, bias]) {
  checkChannels("plane_scale", a, c, scale, bias);
  const T = arithmeticOf(a.dtype);
  return channelwise(a, bias ? [c, scale, bias] : [c, scale], (x, ci, s, b) => {
    const y = T.mul(T.sub(x, ci), s);
    return bias ? T.add(y, b) : y;
  });
}

function planeBack([a, g, c, share, less, scale]) {
  checkChannels("plane_back", a, c, share, less, scale);
  checkLike("plane_back", a, g);
  const T = arithmeticOf(a.dtype);
  return channelwise(a, [g, c, share, less, scale], (x, gi, ci, sh, le, sc) =>
    T.mul(T.sub(T.sub(gi, sh), T.mul(T.sub(x, ci), le)), sc),
  );
}

export const NORMS = {
  logsumexp,
  softmax,
  log_softmax: logSoftmax,
  cross_entropy: crossEntropy,
  layer_norm: layerNorm,
  rms_norm: rmsNorm,
  group_norm: groupNorm,
  group_back: groupBack,
  group_sums: groupSums,
  plane_means: planeMeans,
  plane_scale: planeScale,
  plane_back: planeBack,
};
