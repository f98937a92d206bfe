/**
 * Programs of numbers from files, which csrc/SPEC.md describes: run one operation after the other.
 *
 * @module
 */

import { Adam, AdamW, SGD } from "./optimizers.js";
import { OPS, Value } from "./value.js";

const HEADER = 64;
const NUMBERS = 1;
const NONE = 0xffffffff;

/** Return the CRC-32 of bytes, as zip has it. */
function checksum(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function refuse(rule) {
  throw new RangeError(`no intact program file: ${rule}`);
}

/** Bytes that are read from the front to the end. */
class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  u32() {
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }

  u64() {
    const low = this.u32();
    return low + this.u32() * 2 ** 32;
  }

  f64() {
    this.at += 8;
    return this.view.getFloat64(this.at - 8, true);
  }

  /** Return so many of what a function reads. */
  list(count, read) {
    if (count > this.view.byteLength - this.at) refuse("a count is larger than the file");
    return Array.from({ length: count }, read);
  }

  text(size) {
    const bytes = new Uint8Array(this.view.buffer, this.view.byteOffset + this.at, size);
    this.at += size;
    return new TextDecoder().decode(bytes);
  }
}

/** Return the counts of a file whose header is right. */
function countsOf(reader, bytes) {
  if (bytes.length < HEADER || reader.text(4) !== "MGP1") refuse("it is another one");
  const kind = reader.u32();
  const crc = reader.u32();
  reader.u32(); // whose functions it was made with: this port has the portable ones
  if (reader.u64() !== bytes.length) refuse("it has another size");
  if (checksum(bytes.subarray(16)) !== crc) refuse("it has another checksum");
  if (kind !== NUMBERS) refuse("it is of arrays");
  return reader.list(10, () => reader.u32());
}

/** Read an update: an optimizer of Values that stand for the parameters. */
function optimizerOf(reader) {
  const isAdam = reader.u32() === 1;
  const flags = reader.u32();
  const count = reader.u64();
  const steps = reader.u64();
  const [lr, weightDecay, beta1, beta2, eps] = reader.list(5, () => reader.f64());
  const parameters = reader.list(count, () => new Value(0));
  const numbers = () => reader.list(count, () => reader.f64());
  if (isAdam) {
    const made = new (flags & 1 ? AdamW : Adam)(parameters, { lr, weightDecay, beta1, beta2, eps });
    made.restore(numbers(), numbers(), steps);
    return made;
  }
  const options = { lr, weightDecay, momentum: beta1, dampening: beta2, nesterov: !!(flags & 2) };
  const made = new SGD(parameters, options);
  if (beta1) {
    const velocity = numbers();
    made.restore(flags & 4 ? velocity : null);
  }
  return made;
}

/** Return what a row of the table of ops computes of numbers; null: it is no computation. */
function functionOf(name, which) {
  if (name === "pick") return (a, b) => (b > a ? b : a);
  if (name === "where") return (a, b, y, g) => (y === b ? a : g);
  if (["set_data", "set_gradient", "update"].includes(name)) return null;
  if (!Object.hasOwn(OPS, name)) refuse(`there is no op ${name}`);
  const { value, gradients } = OPS[name];
  return which ? (...operands) => gradients(...operands)[which - 1] : value;
}

function opOf(reader) {
  const name = reader.text(24).replace(/\0+$/, "");
  const which = reader.u32();
  return { name, compute: functionOf(name, which), words: reader.u32() };
}

/** A program of numbers. */
export class Program {
  /** What was returned by the last step. */
  outputs = [];

  /** @param {Uint8Array} bytes a whole file */
  constructor(bytes) {
    const reader = new Reader(bytes);
    const [constants, inputs, nodes, updates, ops, words, outputs, loss, size] = countsOf(
      reader,
      bytes,
    );
    this.constants = reader.list(constants, () => reader.f64());
    this.inputs = reader.list(inputs, () => reader.f64());
    const state = reader.list(nodes, () => [reader.f64(), reader.f64()]);
    /** What the nodes hold. */
    this.data = state.map(([data]) => data);
    this.gradients = state.map(([, gradient]) => gradient);
    this.optimizers = reader.list(updates, () => optimizerOf(reader));
    this.ops = reader.list(ops, () => opOf(reader));
    this.words = reader.list(words, () => reader.u32());
    this.returned = reader.list(outputs, () => reader.u32());
    this.loss = loss;
    this.names = reader.text(size).split("\0").slice(0, nodes);
  }

  /** Make a step; returns the loss, if there is one. What was set before an error stays. */
  step() {
    const values = [...this.constants, ...this.inputs, ...this.data, ...this.gradients];
    for (let at = 0; at < this.words.length; ) {
      const { name, compute, words } = this.ops[this.words[at]];
      const operands = this.words.slice(at + 1, at + 1 + words);
      at += 1 + words;
      if (compute) values.push(compute(...operands.map((i) => values[i])));
      else if (name === "set_data") this.data[operands[0]] = values[operands[1]];
      else if (name === "set_gradient") this.gradients[operands[0]] = values[operands[1]];
      else at += this.update(this.optimizers[operands[0]], at, values);
    }
    this.outputs = this.returned.map((i) => values[i]);
    return this.loss === NONE ? undefined : values[this.loss];
  }

  /** Make the step of an optimizer; returns how many words it takes. */
  update(optimizer, at, values) {
    const { parameters } = optimizer;
    parameters.forEach((p, i) => {
      p.data = values[this.words[at + i]];
      p.grad = values[this.words[at + parameters.length + i]];
    });
    optimizer.step();
    values.push(...parameters.map((p) => p.data));
    return 2 * parameters.length;
  }
}
