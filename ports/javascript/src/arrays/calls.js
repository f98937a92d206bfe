/**
 * Ops of Tensors as functions, for gradients and steps of optimizers, which are made of them.
 * A number among operands of elements stands for a float of Python: it takes their type.
 *
 * @module
 */

import { countOf, range, sameShape } from "./array.js";
import { apply } from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor */

// ---- elements

const ofElements = (name) => (...operands) => apply(name, operands);

export const add = ofElements("add");
export const sub = ofElements("sub");
export const mul = ofElements("mul");
export const div = ofElements("div");
export const neg = ofElements("neg");
export const pow = ofElements("pow");
export const powNumber = (a, k) => apply("pow_number", [a], { k });
export const square = (a) => mul(a, a);
export const sqrt = ofElements("sqrt");
export const rsqrt = ofElements("rsqrt");
export const exp = ofElements("exp");
export const log = ofElements("log");
export const sin = ofElements("sin");
export const cos = ofElements("cos");
export const sinh = ofElements("sinh");
export const cosh = ofElements("cosh");
export const tanh = ofElements("tanh");
export const sigmoid = ofElements("sigmoid");
export const geluSlope = ofElements("gelu_slope");
export const abs = ofElements("abs");
export const sign = ofElements("sign");
export const maximum = ofElements("maximum");
export const clampMin = ofElements("clamp_min");
export const clampMax = ofElements("clamp_max");
export const floorDivide = ofElements("floor_divide");
export const step = ofElements("step");
export const share = ofElements("share");
export const atLeast = ofElements("at_least");
export const below = ofElements("below");
export const mask = ofElements("mask");
export const eq = ofElements("eq");
export const ne = ofElements("ne");
export const lt = ofElements("lt");
export const gt = ofElements("gt");
export const ge = ofElements("ge");
export const and = ofElements("bitwise_and");
export const or = ofElements("bitwise_or");

// ---- arrays

export const reshape = (a, shape) =>
  sameShape(a.shape, shape) ? a : apply("reshape", [a], { shape });
export const permute = (a, axes) => apply("permute", [a], { axes });
export const expand = (a, shape) =>
  sameShape(a.shape, shape) ? a : apply("expand", [a], { shape });
export const cast = (a, dtype) => (a.dtype === dtype ? a : apply("cast", [a], { dtype }));
export const slice = (a, start, step, count) => apply("slice", [a], { start, step, count });
export const sum = (a, axes, keep) => apply("sum", [a], { axes, keep });
export const mean = (a, axes, keep) => apply("mean", [a], { axes, keep });
export const where = (test, a, b) => apply("where", [test, a, b]);
export const matmul = (a, b) => apply("matmul", [a, b]);

/** Swap the last two axes. */
export function transpose(a) {
  const axes = range(a.shape.length);
  return permute(a, [...axes.slice(0, -2), axes.at(-1), axes.at(-2)]);
}

/** Sum over the axes along which a shape was broadcast. */
export function sumTo(a, shape) {
  if (sameShape(a.shape, shape)) return a;
  const added = a.shape.length - shape.length;
  const wasRepeated = (d) => d < added || (shape[d - added] === 1 && a.shape[d] !== 1);
  const axes = range(a.shape.length).filter(wasRepeated);
  return reshape(sum(a, axes, added === 0), shape);
}

/** Give a gradient, of y's shape or one element, the shape and the type of an operand. */
export function fit(gradient, y, operand) {
  const { shape } = operand;
  const isFew = countOf(gradient.shape) === 1 && countOf(shape) !== 1;
  const isShort = gradient.shape.length < shape.length;
  const whole = isShort || isFew ? expand(gradient, y.shape) : gradient;
  return cast(sumTo(whole, shape), operand.dtype);
}
