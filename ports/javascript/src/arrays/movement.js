/**
 * The ops that move elements: views of the same memory, copies, and what goes by indices. Only
 * where elements meet are they added up: fold, add_at, scatter_add.
 *
 * An op is a function of arrays and of what else it takes, by name.
 *
 * @module
 */

import { arithmeticOf } from "./arithmetic.js";
import { NDArray, broadcast, countOf, range, sameShape, shown } from "./array.js";
import { TYPE, commonOf, elementOf, need, promote, wide } from "./types.js";

// ---- checks

/** Refuse numbers that are no axes of an array, or the same one twice. */
export function checkAxes(name, a, axes) {
  const isOnce = new Set(axes).size === axes.length;
  const fits = isOnce && axes.every((d) => d >= 0 && d < a.shape.length);
  need(fits, `${name}: ${shown(axes)} are not axes of shape ${shown(a.shape)}`);
}

/** Refuse a slice that leaves an array. */
function checkSlice(name, shape, start, step, count) {
  for (const [d, n] of shape.entries()) {
    const last = start[d] + (count[d] - 1) * step[d];
    need(count[d] >= 0 && step[d] !== 0, `${name}: step ${step[d]}, count ${count[d]}`);
    const isWithin = [start[d], last].every((i) => i >= 0 && i < n);
    const what = `${name}: ${count[d]} from ${start[d]} in steps of ${step[d]} of ${n} elements`;
    need(count[d] === 0 || isWithin, what, "index");
  }
}

/** Refuse what is no index. */
export function checkIndex(name, { dtype }) {
  need(TYPE[dtype].kind === "integer", `${name}: an index is of integers, not of ${dtype}`, "type");
}

/** Return an index from -n to n - 1, a Number or a BigInt, as one from 0. */
function placeOf(i, n) {
  need(i >= -n && i < n, `index ${i} is out of range for ${n} elements`, "index");
  return i < 0 ? Number(i) + n : Number(i);
}

// ---- views

/** Show elements start, start + step .. along each axis, count of them. */
function slice([a], { start, step, count }) {
  checkSlice("slice", a.shape, start, step, count);
  const isEmpty = count.includes(0);
  const first = isEmpty ? 0 : start.reduce((place, s, d) => place + s * a.strides[d], 0);
  return a.view([...count], a.strides.map((stride, d) => stride * step[d]), a.offset + first);
}

/** Show the windows that slide over the last axes: (.., n x s) as (.., steps x s, size x s). */
export function window([a], { size, stride, dilation }) {
  const lead = a.shape.length - size.length;
  need(lead >= 0, `window: shape ${shown(a.shape)} has not ${size.length} axes`);
  const steps = size.map((k, x) => {
    const [t, d] = [stride[x], dilation[x]];
    const isRight = Math.min(k, t, d) >= 1 && Math.max(k, t, d) < 2 ** 31;
    need(isRight, "window: sizes, strides and dilations are from 1 to 2^31 - 1");
    const rest = a.shape[lead + x] - ((k - 1) * d + 1);
    need(rest >= 0, `window: ${k} elements at distance ${d} do not fit shape ${shown(a.shape)}`);
    return Math.floor(rest / t) + 1;
  });
  const [before, along] = [a.strides.slice(0, lead), a.strides.slice(lead)];
  return a.view(
    [...a.shape.slice(0, lead), ...steps, ...size],
    [...before, ...along.map((x, i) => x * stride[i]), ...along.map((x, i) => x * dilation[i])],
  );
}

function permute([a], { axes }) {
  checkAxes("permute", a, axes);
  need(axes.length === a.shape.length, `permute: ${shown(axes)} are not all axes`);
  return a.permute(axes);
}

const contiguous = ([a]) => (a.isContiguous ? a.view([...a.shape], a.strides) : a.copy());

// ---- copies

function cast([a], { dtype }) {
  return a.cast(dtype);
}

/** Return elements within an array of some shape, made by a function, that a slice of it shows. */
function within(made, a, start, step) {
  slice([made], { start, step, count: a.shape }).write(a);
  return made;
}

const ones = (shape) => shape.map(() => 1);

/** Put a value before and after the elements along each axis. */
function pad([a], { before, after, value }) {
  const fits = [...before, ...after].every((n) => n >= 0);
  need(fits, `pad: ${shown(before)} before and ${shown(after)} after are below 0`);
  const shape = a.shape.map((n, d) => before[d] + n + after[d]);
  const filled = elementOf(value, a.dtype);
  const made = NDArray.zeros(a.dtype, shape);
  made.memory.elements.fill(filled);
  return within(made, a, before, ones(shape));
}

/** Return zeros of a shape, of which a is a slice. */
function spread([a], { shape, start, step }) {
  need(shape.every((n) => n >= 0), `spread: ${shown(shape)} is no shape`);
  checkSlice("spread", shape, start, step, a.shape);
  return within(NDArray.zeros(a.dtype, shape), a, start, step);
}

/** Add up windows where they overlap: (.., steps x s, size x s) to (.., n x s). */
function fold([a], { n, stride, dilation }) {
  const s = n.length;
  const lead = a.shape.length - 2 * s;
  const isRight = lead >= 0 && n.every((x) => x >= 0);
  need(isRight, `fold: shape ${shown(a.shape)} does not fit ${shown(n)}`);
  const before = a.shape.slice(0, lead);
  const steps = a.shape.slice(lead, lead + s);
  const sizes = a.shape.slice(lead + s);
  const type = wide(a.dtype);
  const made = NDArray.zeros(type, [...before, ...n]);
  for (let k = 0; k < countOf(sizes); k++) {
    const at = indexOf(k, sizes);
    const first = at.map((x, i) => x * dilation[i]);
    checkSlice("fold", n, first, stride, steps);
    const target = slice([made], {
      start: [...before.map(() => 0), ...first],
      step: [...ones(before), ...stride],
      count: [...before, ...steps],
    });
    const source = slice([a], {
      start: [...before.map(() => 0), ...steps.map(() => 0), ...at],
      step: ones(a.shape),
      count: [...before, ...steps, ...ones(at)],
    });
    addTo(made.memory, target.places, source.elements, type);
  }
  return made.cast(a.dtype);
}

/** Return the index of an element from its position. */
function indexOf(position, shape) {
  const index = new Array(shape.length);
  let rest = position;
  for (let d = shape.length - 1; d >= 0; d--) {
    index[d] = rest % shape[d];
    rest = Math.floor(rest / shape[d]);
  }
  return index;
}

/** Add elements to those at places, one after the other. */
function addTo({ elements }, places, added, dtype) {
  const T = arithmeticOf(dtype);
  const { round = (x) => x } = TYPE[dtype];
  for (let i = 0; i < added.length; i++) {
    elements[places[i]] = round(T.add(elements[places[i]], added[i]));
  }
}

/** Join arrays one behind the other along an axis. */
function cat(arrays, { axis }) {
  const [first] = arrays;
  checkAxes("cat", first, [axis]);
  const shape = [...first.shape];
  shape[axis] = 0;
  for (const a of arrays) {
    const fits = sameShape(a.shape.toSpliced(axis, 1), first.shape.toSpliced(axis, 1));
    need(fits, `cat: shapes ${shown(first.shape)} and ${shown(a.shape)} do not fit`);
    shape[axis] += a.shape[axis];
  }
  const made = NDArray.zeros(commonOf(arrays.map((a) => a.dtype)), shape);
  const start = shape.map(() => 0);
  for (const a of arrays) {
    within(made, a, start, ones(shape));
    start[axis] += a.shape[axis];
  }
  return made;
}

/** Return a with its slice replaced by b, which is broadcast. */
function assign([a, b], { start, step, count }) {
  checkSlice("assign", a.shape, start, step, count);
  return within(a.copy(), b.expand(count), start, step);
}

// ---- indices

/** Return the places of a[index] in an array whose elements lie one behind the other. */
function rowPlaces(name, a, index) {
  checkIndex(name, index);
  need(a.shape.length > 0, `${name}: an array without axes has no rows`);
  const size = countOf(a.shape.slice(1));
  const rows = Array.from(index.elements, (i) => placeOf(i, a.shape[0]));
  return rows.flatMap((row) => range(size).map((i) => row * size + i));
}

/** Return the elements of an array at places of its row-major order. */
function elementsAt(a, shape, places) {
  const { elements } = a;
  return NDArray.build(a.dtype, shape, (i) => elements[places[i]]);
}

const take = ([a, index]) =>
  elementsAt(a, [...index.shape, ...a.shape.slice(1)], rowPlaces("take", a, index));

/** Return the places of a[index], which b fits. */
function placesFor(name, a, index, b) {
  const places = rowPlaces(name, a, index);
  const shape = [...index.shape, ...a.shape.slice(1)];
  need(sameShape(b.shape, shape), `${name}: shape ${shown(b.shape)} is not ${shown(shape)}`);
  return places;
}

/** Return a with elements of b added at places. */
function added(a, places, b) {
  const type = wide(a.dtype);
  const made = a.cast(type);
  addTo(made.memory, places, b.cast(a.dtype).elements, type);
  return made.cast(a.dtype);
}

/** Return a[index] += b: an index that stands there twice is added to twice. */
const addAt = ([a, index, b]) => added(a, placesFor("add_at", a, index, b), b);

/** Return a[index] = b: of an index that stands there twice the last counts. */
function putAt([a, index, b]) {
  const places = placesFor("put_at", a, index, b);
  const made = a.copy();
  made.memory.write(places, b.cast(a.dtype).elements);
  return made;
}

/** Return the places of a that the elements of index tell, along an axis. */
function placesAlong(name, a, index, axis) {
  checkIndex(name, index);
  checkAxes(name, a, [axis]);
  const isLike = index.shape.length === a.shape.length;
  const fits = isLike && index.shape.every((n, d) => d === axis || n <= a.shape[d]);
  need(fits, `${name}: indices ${shown(index.shape)} do not fit shape ${shown(a.shape)}`);
  const strides = a.shape.map((_, d) => countOf(a.shape.slice(d + 1)));
  return Array.from(index.elements, (i, position) => {
    const at = indexOf(position, index.shape);
    at[axis] = placeOf(i, a.shape[axis]);
    return at.reduce((place, x, d) => place + x * strides[d], 0);
  });
}

const gather = ([a, index], { axis }) =>
  elementsAt(a, index.shape, placesAlong("gather", a, index, axis));

/** Return a with the elements of b, as far as index goes, added where it tells. */
function scatterAdd([a, index, b], { axis }) {
  const places = placesAlong("scatter_add", a, index, axis);
  const isLike = b.shape.length === index.shape.length;
  const fits = isLike && b.shape.every((n, d) => n >= index.shape[d]);
  need(fits, `scatter_add: shape ${shown(b.shape)} does not fit indices ${shown(index.shape)}`);
  const start = index.shape.map(() => 0);
  const part = slice([b], { start, step: ones(start), count: index.shape });
  return added(a, places, part);
}

/** Return the index of each element that is not 0. */
function nonzero([a]) {
  const found = Array.from(a.elements, (x, i) => (x != 0 ? indexOf(i, a.shape) : null)); // or 0n
  const rows = found.filter((index) => index !== null);
  return NDArray.of("int64", [rows.length, a.shape.length], rows.flat().map(BigInt));
}

/** Return elements of a where a test holds, of b elsewhere. */
function where([test, a, b]) {
  need(test.dtype === "bool", `where: the test is of bools, not of ${test.dtype}`, "type");
  const dtype = promote([a, b]);
  const shape = broadcast(test.shape, a.shape, b.shape);
  const { elements } = test.expand(shape);
  const [x, y] = [a, b].map((operand) => operand.cast(dtype).expand(shape).elements);
  return NDArray.build(dtype, shape, (i) => (elements[i] ? x[i] : y[i]));
}

/** @type {Record<string, (arrays: NDArray[], how: object) => NDArray>} */
export const MOVEMENT = {
  reshape: ([a], { shape }) => a.reshape(shape),
  permute,
  expand: ([a], { shape }) => a.expand(shape),
  slice,
  window,
  detach: ([a]) => a.view([...a.shape], a.strides),
  // what stands for a function whose gradients its caller computes, and what it has made
  function: () => NDArray.zeros("float32", [0]),
  output: ([, a]) => a.view([...a.shape], a.strides),
  contiguous,
  clone: ([a]) => a.copy(),
  cast,
  pad,
  spread,
  fold,
  cat,
  assign,
  take,
  add_at: addAt,
  put_at: putAt,
  gather,
  scatter_add: scatterAdd,
  nonzero,
  where,
};
