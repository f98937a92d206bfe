/**
 * The parts of a file with a program of arrays: what it knows. csrc/SPEC.md has the format.
 *
 * @module
 */

import { Generator } from "../generator.js";
import { NONE } from "../program.js";
import { NDArray, countOf, sameShape } from "./array.js";
import { ROWS } from "./elements.js";
import { ARRAYS, Tensor } from "./tensor.js";
import { TYPES, isFloat, need, wide } from "./types.js";
import { UPDATES, neededBy, stepOf } from "./updates.js";

const MOST_AXES = 16;
const MOST_SIZE = 2 ** 59;
const MOST_STEPS = 2 ** 62;

/** @typedef {import("../program.js").Reader} Reader */

// ---- arrays

const narrow = new DataView(new ArrayBuffer(4));

/** Return the float of the bits of a bfloat16. */
function bfloat16Of(bits) {
  narrow.setUint32(0, bits * 65536);
  return narrow.getFloat32(0);
}

/** Return the float of the bits of a float16. */
export function float16Of(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const unit = 5.960464477539063e-8; // 2^-24
  let size = exponent > 0 ? (1024 + fraction) * (1 << (exponent - 1)) * unit : fraction * unit;
  if (exponent === 31) size = fraction > 0 ? NaN : Infinity;
  return bits & 0x8000 ? -size : size;
}

function truthOf(view, at) {
  const byte = view.getUint8(at);
  need(byte <= 1, "a bool is 0 or 1");
  return byte;
}

// How an element is read from a place in memory.
const READ = {
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
  float16: (view, at) => float16Of(view.getUint16(at, true)),
  bfloat16: (view, at) => bfloat16Of(view.getUint16(at, true)),
  int64: (view, at) => view.getBigInt64(at, true),
  int32: (view, at) => view.getInt32(at, true),
  int16: (view, at) => view.getInt16(at, true),
  int8: (view, at) => view.getInt8(at),
  uint8: (view, at) => view.getUint8(at),
  bool: truthOf,
};

/** Skip the zeros up to the next whole multiple of 8 bytes. */
function skipZeros(reader) {
  while (reader.at % 8 > 0) {
    need(reader.view.getUint8(reader.take(1)) === 0, "other bytes than zeros between its parts");
  }
}

/** Read elements. @param {Reader} reader */
function elementsOf(reader, { name, size }, shape) {
  const first = reader.take(countOf(shape) * size);
  const read = READ[name];
  const found = NDArray.build(name, shape, (i) => read(reader.view, first + i * size));
  skipZeros(reader);
  return found;
}

/**
 * Read an array, and its gradient if it has one.
 *
 * @param {Reader} reader
 * @param {number} flagsKnown those that it may have
 */
export function tensorOf(reader, flagsKnown) {
  const [number, rank, flags, zero] = reader.list(4, () => reader.u32());
  const isKnown = number < TYPES.length && rank <= MOST_AXES;
  need(isKnown, "an array is of no type, or has too many axes");
  need(flags <= flagsKnown && zero === 0, "an array has flags that it cannot have");
  const shape = reader.list(rank, () => reader.u64());
  need(shape.every((n) => n < MOST_SIZE), "an array is too large");
  const made = new Tensor(elementsOf(reader, TYPES[number], shape), (flags & 1) > 0);
  if (flags & 2) made.grad = new Tensor(elementsOf(reader, TYPES[number], shape));
  return made;
}

// ---- generators

/** Read a generator. @param {Reader} reader */
export function generatorOf(reader) {
  const state = reader.view.getBigUint64(reader.take(8), true);
  const spare = reader.f64();
  const hasSpare = reader.u64();
  need(state > 0n && hasSpare <= 1, "a generator has no state, or several second numbers");
  return Generator.restored(state, hasSpare ? spare : null);
}

// ---- updates

/** Parameters that a rule updates with the same numbers. */
class Group {
  /**
   * @param {Reader} reader
   * @param {string} rule
   * @param {Tensor[]} arrays those of the file
   */
  constructor(reader, rule, arrays) {
    const update = UPDATES[rule];
    const [count, hasArrays] = [reader.u32(), reader.u32()];
    need(hasArrays <= 1, "a group has arrays or none");
    const listed = (names, read) => names.map((name) => [name, reader.list(count, read)]);
    const array = () => this.#arrayOf(reader.u32(), arrays);
    const maybe = () => {
      const which = reader.u32();
      return which === NONE ? null : this.#arrayOf(which, arrays);
    };
    this.rule = rule;
    /** The numbers of the rule, by name. */
    this.numbers = Object.fromEntries(update.numbers.map((name) => [name, reader.f64()]));
    this.steps = reader.list(count, () => reader.u64());
    this.scalars = Object.fromEntries(listed(update.scalars ?? [], () => reader.f64()));
    /** @type {Tensor[]} */
    this.parameters = reader.list(count, array);
    const names = hasArrays ? [...update.arrays, ...Object.keys(update.sometimes ?? {})] : [];
    this.arrays = Object.fromEntries(listed(names, maybe));
    skipZeros(reader);
    need(this.steps.every((t) => t < MOST_STEPS), "an update of too many steps");
    for (const [i, p] of this.parameters.entries()) {
      const used = [p, ...names.map((name) => this.arrays[name][i]).filter(Boolean)];
      need(new Set(used).size === used.length, "an array that an update uses twice");
    }
  }

  #arrayOf(which, arrays) {
    need(which < arrays.length, "an update of an array that there is not");
    return arrays[which];
  }

  /** Return the arrays that the step of parameter i needs, by name. */
  remembered(i) {
    const p = this.parameters[i];
    need(isFloat(p.dtype), `an update of ${p.dtype}`);
    const names = neededBy(UPDATES[this.rule], this.numbers);
    return Object.fromEntries(names.map((name) => {
      const x = this.arrays[name]?.[i];
      need(x, `${this.rule} needs ${name}`);
      const isLike = sameShape(x.shape, p.shape) && x.dtype === wide(p.dtype);
      need(isLike, `${this.rule}: ${name} is not like its parameter`);
      return [name, x];
    }));
  }

  /** Make the step of parameter i, if it has a gradient. */
  step(i) {
    const p = this.parameters[i];
    const kept = this.remembered(i);
    if (p.grad === null) return;
    const numbers = Object.entries(this.scalars).map(([name, list]) => [name, list[i]]);
    const remembered = { ...Object.fromEntries(numbers), ...kept };
    const t = this.steps[i] + 1;
    const { stepped, memory } = stepOf(UPDATES[this.rule], this.numbers, p, t, remembered);
    this.steps[i] = t;
    for (const [name, list] of Object.entries(this.scalars)) list[i] = memory[name] ?? 0;
    for (const [name, x] of Object.entries(kept)) x.array.write(memory[name].array);
    p.array.write(stepped.array);
  }
}

/** Read an update: its groups. @param {Reader} reader */
export function updateOf(reader, arrays) {
  const rule = reader.name();
  need(Object.hasOwn(UPDATES, rule), `no rule is named ${JSON.stringify(rule)}`);
  return reader.list(reader.u64(), () => new Group(reader, rule, arrays));
}

// ---- ops

/** Read an op, one of the table's or an event. @param {Reader} reader */
export function opOf(reader, events) {
  const name = reader.name();
  need(reader.u64() === 0, "other bytes than zeros behind the name of an op");
  const isKnown = [ROWS, ARRAYS, events].some((table) => Object.hasOwn(table, name));
  need(isKnown, `there is no op ${JSON.stringify(name)}`);
  return name;
}
