/**
 * Products of matrices: sums of fused steps in blocks, and what is made of them.
 *
 * @module
 */

import { arithmeticOf } from "./arithmetic.js";
import { NDArray, broadcast, countOf, range, sameShape, shown } from "./array.js";
import { fma32, fma64 } from "./fma.js";
import { window } from "./movement.js";
import { sumOf } from "./reductions.js";
import { commonOf, isFloat, need, wide } from "./types.js";

const STEPS = 128; // products that are added up from 0
const BLOCK = 4096; // steps whose sum is an element of another sum

// ---- of two vectors

/** Return the sum of products of integers, BigInts, which wraps. */
function dotOfIntegers(x, y) {
  let total = 0n;
  for (let i = 0; i < x.length; i++) total += x[i] * y[i];
  return BigInt.asIntN(64, total);
}

/** Return the function that makes the sum of products of floats of a type. */
function dotOfFloats(dtype) {
  const T = arithmeticOf(dtype);
  const fma = dtype === "float64" ? fma64 : fma32;
  const ofSteps = (x, y, from, to) => {
    let s = 0;
    for (let i = from; i < to; i++) s = fma(x[i], y[i], s);
    return s;
  };
  const ofBlock = (x, y, from, to) => {
    let total = ofSteps(x, y, from, Math.min(from + STEPS, to));
    for (let i = from + STEPS; i < to; i += STEPS) {
      total = T.add(total, ofSteps(x, y, i, Math.min(i + STEPS, to)));
    }
    return total;
  };
  return (x, y) => {
    const blocks = Math.ceil(x.length / BLOCK);
    const end = (i) => Math.min((i + 1) * BLOCK, x.length);
    if (blocks <= 1) return ofBlock(x, y, 0, x.length);
    return sumOf(T, range(blocks).map((i) => ofBlock(x, y, i * BLOCK, end(i))));
  };
}

/** Return the type that products are computed in: int64 for all integers. */
const computedIn = (dtype) => (isFloat(dtype) ? wide(dtype) : "int64");

/** Return the common type of arrays, and of a bias, which may not be of a higher one. */
function productType(name, arrays, bias) {
  const dtype = commonOf(arrays.map((a) => a.dtype));
  need(dtype !== "bool", `${name} has no meaning for bools`, "type");
  const fits = !bias || commonOf([dtype, bias.dtype]) === dtype;
  need(fits, `${name}: a bias of ${bias?.dtype} is not added to ${dtype}`, "type");
  return dtype;
}

// ---- of matrices

/** Return all products of rows (.., m, k) with rows (.., n, k), in a type: (.., m, n). */
function productOfRows(a, b, dtype) {
  const [m, k] = a.shape.slice(-2);
  const n = b.shape.at(-2);
  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const dot = isFloat(dtype) ? dotOfFloats(dtype) : dotOfIntegers;
  const [x, y] = [a.cast(dtype).expand([...batch, m, k]), b.cast(dtype).expand([...batch, n, k])];
  const [xs, ys] = [x.elements, y.elements];
  return NDArray.build(dtype, [...batch, m, n], (at) => {
    const row = Math.floor(at / n); // of x, counted over the whole batch
    const column = Math.floor(row / m) * n + (at % n);
    return dot(xs.subarray(row * k, (row + 1) * k), ys.subarray(column * k, (column + 1) * k));
  });
}

/** Swap the last two axes. */
function transposed(a) {
  const axes = range(a.shape.length);
  return a.permute([...axes.slice(0, -2), axes.at(-1), axes.at(-2)]);
}

/** Return (.., m, k) @ (.., k, n); a vector is one row, or one column, whose axis goes. */
function matmul([a, b]) {
  const shapes = `shapes ${shown(a.shape)} and ${shown(b.shape)}`;
  need(a.shape.length > 0 && b.shape.length > 0, `matmul: ${shapes}: a number is no matrix`);
  const left = a.shape.length > 1 ? a : a.reshape([1, ...a.shape]);
  const right = b.shape.length > 1 ? b : b.reshape([...b.shape, 1]);
  need(left.shape.at(-1) === right.shape.at(-2), `matmul: ${shapes} do not fit`);
  const dtype = productType("matmul", [a, b]);
  const product = productOfRows(left, transposed(right), computedIn(dtype));
  const { shape } = product;
  const own = [...(left === a ? [shape.at(-2)] : []), ...(right === b ? [shape.at(-1)] : [])];
  return product.cast(dtype).reshape([...shape.slice(0, -2), ...own]);
}

/** Return an array with a bias added along an axis, where there is one, as one of a type. */
function withBias(product, bias, axis, dtype) {
  if (!bias) return product.cast(dtype);
  const T = arithmeticOf(product.dtype);
  const added = bias.cast(product.dtype).elements;
  const { elements, shape } = product;
  const size = countOf(shape.slice(axis + 1));
  const sums = NDArray.build(product.dtype, shape, (i) =>
    T.add(elements[i], added[Math.floor(i / size) % shape[axis]]),
  );
  return sums.cast(dtype);
}

/** Return x (.., in) @ weight (out, in).T + bias (out). */
function linear([x, weight, bias]) {
  const isMatrix = x.shape.length > 0 && weight.shape.length === 2;
  const fits = isMatrix && x.shape.at(-1) === weight.shape[1];
  need(fits, `linear: shapes ${shown(x.shape)} and ${shown(weight.shape)} do not fit`);
  const isOf = !bias || sameShape(bias.shape, weight.shape.slice(0, 1));
  need(isOf, `linear: bias ${shown(bias?.shape ?? [])} does not fit weight ${shown(weight.shape)}`);
  const dtype = productType("linear", [x, weight], bias);
  const rows = x.reshape([countOf(x.shape.slice(0, -1)), x.shape.at(-1)]);
  const product = productOfRows(rows, weight, computedIn(dtype));
  const shape = [...x.shape.slice(0, -1), weight.shape[0]];
  return withBias(product, bias, 1, dtype).reshape(shape);
}

/** Return windows of images as columns: (n, groups, k, windows), k by channel and place. */
export function columnsOf(windows, groups, k, s) {
  const axes = range(s);
  const order = [0, 1, ...axes.map((d) => 2 + s + d), ...axes.map((d) => 2 + d)];
  const count = countOf(windows.shape.slice(2, 2 + s));
  return windows.permute(order).reshape([windows.shape[0], groups, k, count]);
}

/** Return the products of kernels (groups, m, k) with the windows of images a, plus a bias. */
function convolve([kernels, a, bias], { size, stride, dilation }) {
  const shapes = `convolve: shapes ${shown(kernels.shape)} and ${shown(a.shape)} do not fit`;
  need(kernels.shape.length === 3 && a.shape.length === 2 + size.length, shapes);
  const [groups, m, k] = kernels.shape;
  const channels = a.shape[1];
  const isDivided = groups >= 1 && channels % groups === 0;
  need(isDivided && (channels / groups) * countOf(size) === k, shapes);
  const isOf = !bias || sameShape(bias.shape, [groups * m]);
  need(isOf, `convolve: bias ${shown(bias?.shape ?? [])} does not fit ${groups * m} channels`);
  const dtype = productType("convolve", [kernels, a], bias);
  const windows = window([a], { size, stride, dilation });
  const columns = columnsOf(windows, groups, k, size.length);
  const product = productOfRows(kernels, transposed(columns), computedIn(dtype));
  const shape = [a.shape[0], groups * m, ...windows.shape.slice(2, 2 + size.length)];
  return withBias(product.reshape(shape), bias, 1, dtype);
}

export const PRODUCTS = { matmul, linear, convolve };
