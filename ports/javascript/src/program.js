/**
 * Programs of numbers from files, which csrc/SPEC.md describes: run one operation after the other.
 *
 * @module
 */

import { Adam, AdamW, SGD } from "./optimizers.js";
import { OPS, Value } from "./value.js";

const HEADER = 64;
const NUMBERS = 1;
export const ARRAYS = 2;
export const NONE = 0xffffffff;
const UTF_8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Return the CRC-32 of bytes, as zip has it. */
export function checksum(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

export function refuse(rule) {
  throw new RangeError(`no intact program file: ${rule}`);
}

/** Return the text of bytes in UTF-8. */
export function textOf(bytes) {
  try {
    return UTF_8.decode(bytes);
  } catch {
    return refuse("it has a text that is no UTF-8");
  }
}

/** Bytes that are read from the front to the end. */
export class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  /** Return where the next bytes are, so many. */
  take(size) {
    if (size > this.view.byteLength - this.at) refuse("a count is larger than the file");
    this.at += size;
    return this.at - size;
  }

  u32() {
    return this.view.getUint32(this.take(4), true);
  }

  u64() {
    const low = this.u32();
    return low + this.u32() * 2 ** 32;
  }

  f64() {
    return this.view.getFloat64(this.take(8), true);
  }

  /** Return so many of what a function reads. */
  list(count, read) {
    if (count > this.view.byteLength - this.at) refuse("a count is larger than the file");
    return Array.from({ length: count }, read);
  }

  bytes(size) {
    return new Uint8Array(this.view.buffer, this.view.byteOffset + this.take(size), size);
  }

  text(size) {
    return textOf(this.bytes(size));
  }

  /** Return a name: 24 bytes, zeros behind it. */
  name() {
    const text = this.text(24);
    const name = text.replace(/\0+$/, "");
    if (name === text || name.includes("\0")) refuse("a name does not end in zeros");
    return name;
  }
}

/** Return kind, flags and counts of a file whose header is right. */
export function headerOf(reader, bytes) {
  if (bytes.length < HEADER || reader.text(4) !== "MGP1") refuse("it is another one");
  const kind = reader.u32();
  const crc = reader.u32();
  const flags = reader.u32(); // whose functions it was made with: this port has the portable ones
  if (kind !== NUMBERS && kind !== ARRAYS) refuse("it is of no kind");
  if (flags > 1) refuse("it has flags that nobody knows");
  if (reader.u64() !== bytes.length) refuse("it has another size");
  if (checksum(bytes.subarray(16)) !== crc) refuse("it has another checksum");
  return { kind, flags, counts: reader.list(10, () => reader.u32()) };
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

// What there is besides the rows of OPS: how many words it takes, and what it computes of numbers.
const OTHERS = {
  pick: { words: 2, compute: (a, b) => (b > a ? b : a) },
  where: { words: 4, compute: (a, b, y, g) => (y === b ? a : g) },
  set_data: { words: 2 },
  set_gradient: { words: 2 },
  update: { words: 1 },
};

/** Return words and function of any op: of its value, or of what it passes on to an operand. */
function rowOf(name, which) {
  if (Object.hasOwn(OTHERS, name) && which === 0) return OTHERS[name];
  if (!Object.hasOwn(OPS, name)) refuse(`there is no op ${name}`);
  const { value, gradients } = OPS[name];
  const operands = gradients.length - 2; // besides y and g
  if (which === 0) return { words: operands, compute: value };
  if (which > (name === "pow_number" ? 1 : operands)) refuse(`${name} has no operand ${which}`);
  return { words: operands + 2, compute: (...all) => gradients(...all)[which - 1] };
}

function opOf(reader) {
  const name = reader.name();
  const row = rowOf(name, reader.u32());
  if (reader.u32() !== row.words) refuse(`${name} takes ${row.words} words`);
  return { name, ...row };
}

/** Return an index below a count. */
function within(index, count) {
  return index < count ? index : refuse("an index is larger than what it names");
}

/** A program of numbers. */
export class Program {
  /** What was returned by the last step. */
  outputs = [];
  #taken = 0; // how many inputs
  #values = 0; // how many there are at the end of a step

  /** @param {Uint8Array} bytes a whole file */
  constructor(bytes) {
    const reader = new Reader(bytes);
    const { kind, counts } = headerOf(reader, bytes);
    if (kind !== NUMBERS) refuse("it is of arrays");
    const [constants, inputs, nodes, updates, ops, words, outputs, loss, size] = counts;
    this.constants = reader.list(constants, () => reader.f64());
    this.inputs = reader.list(inputs, () => reader.f64());
    const state = reader.list(nodes, () => [reader.f64(), reader.f64()]);
    /** What the nodes hold. */
    this.data = state.map(([data]) => data);
    this.gradients = state.map(([, gradient]) => gradient);
    this.optimizers = reader.list(updates, () => optimizerOf(reader));
    const table = reader.list(ops, () => opOf(reader));
    this.operations = this.#operationsOf(reader.list(words, () => reader.u32()), table);
    this.returned = reader.list(outputs, () => within(reader.u32(), this.#values));
    this.loss = loss === NONE ? loss : within(loss, this.#values);
    this.names = reader.text(size).split("\0");
    if (this.names.pop() !== "" || this.names.length !== nodes) refuse("a node has no name");
    if (reader.at !== bytes.length) refuse("it goes on behind its end");
  }

  /** Return the operations that words are: ops with their operands. */
  #operationsOf(words, table) {
    const found = [];
    const nodes = this.data.length;
    let updates = 0;
    this.#taken = this.inputs.length;
    this.#values = this.constants.length + this.#taken + 2 * nodes;
    for (let at = 0; at < words.length; ) {
      const op = table[within(words[at], table.length)];
      const optimizer = op.name === "update" ? this.optimizers[updates++] : null;
      if (optimizer === undefined) refuse("there are more updates than optimizers");
      const count = optimizer ? optimizer.parameters.length : 0;
      const operands = words.slice(at + 1, at + 1 + op.words + 2 * count);
      at += 1 + operands.length;
      if (operands.length < op.words + 2 * count) refuse("its last operation is cut off");
      if (optimizer && operands.shift() !== updates - 1) refuse("updates are not in turn");
      const isSet = !op.compute && !optimizer;
      operands.forEach((index, i) => within(index, isSet && i === 0 ? nodes : this.#values));
      this.#values += op.compute ? 1 : count;
      found.push({ ...op, optimizer, operands });
    }
    return found;
  }

  /** Make a step; returns the loss, if there is one. What was set before an error stays. */
  step() {
    if (this.inputs.length !== this.#taken)
      throw new RangeError(`a program of ${this.#taken} inputs got ${this.inputs.length}`);
    const values = [...this.constants, ...this.inputs, ...this.data, ...this.gradients];
    for (const { name, compute, optimizer, operands } of this.operations) {
      const given = operands.map((i) => values[i]);
      if (compute) values.push(compute(...given));
      else if (optimizer) values.push(...updated(optimizer, given));
      else if (name === "set_data") this.data[operands[0]] = given[1];
      else this.gradients[operands[0]] = given[1];
    }
    this.outputs = this.returned.map((i) => values[i]);
    return this.loss === NONE ? undefined : values[this.loss];
  }
}

/** Make the step of an optimizer from data and gradients; returns the new data. */
function updated(optimizer, given) {
  const { parameters } = optimizer;
  parameters.forEach((p, i) => {
    p.data = given[i];
    p.grad = given[parameters.length + i];
  });
  optimizer.step();
  return parameters.map((p) => p.data);
}
