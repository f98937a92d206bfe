/**
 * A scalar autograd engine, micrograd's, and programs of arrays from files, with the digits of
 * csrc/SPEC.md on every machine.
 *
 * @module
 */

export { load, TensorProgram } from "./arrays/program.js";
export { ArrayError } from "./arrays/types.js";
export { MathError, fixed, ieee, repr } from "./floats.js";
export { Generator } from "./generator.js";
export { crossEntropy, marginLoss, mean, mseLoss, softmax, sum } from "./losses.js";
export { Layer, MLP, Neuron } from "./network.js";
export { Adam, AdamW, SGD } from "./optimizers.js";
export { Program } from "./program.js";
export { OPS, Value } from "./value.js";
export * as vmath from "./vmath.js";
