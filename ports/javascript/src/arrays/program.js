/**
 * Programs of arrays from files, which csrc/SPEC.md describes: one call after the other.
 *
 * All that a file tells is done once while it is read, so that each call is checked as every call
 * is; then the file is read again, so that nothing has changed.
 *
 * @module
 */

import { fromHalves } from "../bits.js";
import { ARRAYS as OF_ARRAYS, NONE, Program, Reader, headerOf, refuse } from "../program.js";
import { NDArray, range, sameShape, shown } from "./array.js";
import { ROWS } from "./elements.js";
import { generatorOf, opOf, tensorOf, updateOf } from "./parts.js";
import { argumentsOf } from "./takes.js";
import {
  Tensor, apply, applyOver, computeElements, recording, resultType, sweep,
} from "./tensor.js";
import { ArrayError, TYPE, isFloat, need } from "./types.js";

const MOST_INTEGERS = 64;
const MOST_NUMBERS = 8;
const MOST_ROOTS = 16;
const MOST_SWEEPS = 16; // within each other
const FIRST_ARRAY = 2 ** 31; // values from here on are arrays of the file

// What words say of how a call is made.
const RECORDS = 1;
const OVER = 2;
const REQUIRES = 4;

// Ops whose result may take over the memory of operand 0.
const WRITERS = ["assign", "add_at", "put_at", "scatter_add"];

/** Return a leaf of the same elements. */
const leafOf = (array) => new Tensor(array.copy());

const isLike = (a, b) => a.dtype === b.dtype && sameShape(a.shape, b.shape);

/** Return the number of Python that a value without axes counts as. */
function numberOf(x) {
  const stands = x.shape.length === 0 && !x.requiresGrad;
  need(stands, "a number has no axes, and requires no gradient");
  const { kind } = TYPE[x.dtype];
  return kind === "float" ? x.item() : kind === "bool" ? x.item() === 1 : BigInt(x.item());
}

// ---- random numbers

/** Return an integer from 0 to span - 1, both BigInts. */
function integerBelow(generator, span) {
  const bits = BigInt(generator.u32());
  return (span > 2n ** 32n ? (bits << 32n) | BigInt(generator.u32()) : bits) % span;
}

/** Return the elements of a permutation. */
function permutation(generator, count) {
  const items = range(count).map(BigInt);
  generator.shuffle(items);
  return items;
}

/** The distributions by their numbers: of which type, and what they draw. */
const DISTRIBUTIONS = [
  { isFloat: true, draw: (rng, n, { a, b }) => range(n).map(() => rng.uniform(a, b)) },
  { isFloat: true, draw: (rng, n, { a, b }) => range(n).map(() => rng.normal(a, b)) },
  {
    isFloat: false,
    draw: (rng, n, { low, high }) => {
      need(low < high, `no integers are from ${low} to ${high} - 1`);
      return range(n).map(() => BigInt.asIntN(64, low + integerBelow(rng, high - low)));
    },
  },
  { isFloat: false, draw: permutation },
];

// ---- a run

/** The words of a program, done once, in order. */
class Run {
  #at = 0;
  #values = []; // what events have made
  #met = new Set(); // whose gradient was read or set
  #stops = []; // functions at which a backward has stopped, the last one last

  /**
   * @param {TensorProgram} program
   * @param {boolean} isTrial whether it is done only to check the file
   */
  constructor(program, isTrial) {
    this.program = program;
    this.isTrial = isTrial;
  }

  /** Do all; return the outputs. */
  outputs() {
    const { words, returned } = this.program.content;
    while (this.#at < words.length) this.#event();
    return returned.map((which) => this.#value(which));
  }

  /** Do what comes next; return its name. */
  #event() {
    const name = this.#op();
    if (Object.hasOwn(EVENTS, name)) this[name]();
    else this.#values.push(this.#call(name));
    return name;
  }

  // what words stand for

  #word() {
    return this.#words(1)[0];
  }

  #words(count) {
    const { words } = this.program.content;
    need(count <= words.length - this.#at, "its words end within a call");
    this.#at += count;
    return words.slice(this.#at - count, this.#at);
  }

  /** Return the next integers, BigInts. */
  #integers(count) {
    const words = this.#words(2 * count);
    return range(count).map((i) =>
      BigInt.asIntN(64, (BigInt(words[2 * i + 1]) << 32n) | BigInt(words[2 * i])),
    );
  }

  #numbers(count) {
    const words = this.#words(2 * count);
    return range(count).map((i) => fromHalves(words[2 * i + 1], words[2 * i]));
  }

  #op() {
    return this.#among(this.program.content.ops, this.#word(), "an op");
  }

  /** @returns {Tensor} */
  #value(which) {
    if (which < FIRST_ARRAY) return this.#among(this.#values, which, "a value");
    return this.#among(this.program.arrays, which - FIRST_ARRAY, "an array");
  }

  #among(list, which, what) {
    need(which < list.length, `${what} that there is not`);
    return list[which];
  }

  #maybe(which) {
    return which === NONE ? null : this.#value(which);
  }

  /** Return operands, those that a bit mask tells as numbers. */
  #operands(tensors, weak) {
    need(weak < 2 ** tensors.length, "more numbers than operands");
    return tensors.map((x, i) => (Math.floor(weak / 2 ** i) % 2 ? numberOf(x) : x));
  }

  // events

  /** Make a call of an op. */
  #call(name) {
    const [count, integerCount, numberCount, weak, how] = this.#words(5);
    const isSmall = integerCount <= MOST_INTEGERS && numberCount <= MOST_NUMBERS && how <= 7;
    need(isSmall && count >= 1, `${name} takes not so much`);
    const tensors = this.#words(count).map((which) => this.#value(which));
    const integers = this.#integers(integerCount).map(Number);
    const takes = argumentsOf(name, tensors, integers, this.#numbers(numberCount));
    const mayHaveNumbers = Object.hasOwn(ROWS, name) || (name === "where" && weak % 2 === 0);
    need(weak === 0 || mayHaveNumbers, `${name} takes no numbers of Python`);
    need(!(how & OVER) || (WRITERS.includes(name) && weak === 0), `${name} takes over no memory`);
    const operands = this.#operands(tensors, weak);
    const make = how & OVER ? applyOver : apply;
    const made = recording((how & RECORDS) > 0, () => make(name, operands, takes));
    const flows = (how & REQUIRES) > 0;
    need(made.requiresGrad === flows, `${name}: a gradient flows, or does not, other than told`);
    return made;
  }

  constant() {
    const constant = this.#among(this.program.content.constants, this.#word(), "a constant");
    this.#values.push(leafOf(constant));
  }

  /** Write op(a, b), or a cast of b, over a. */
  in_place() {
    const [name, weak] = [this.#op(), this.#word()];
    const [a, b] = [this.#value(this.#word()), this.#maybe(this.#word())];
    a.array.write(name === "cast" && b ? b.array.expand(a.shape) : this.#written(name, weak, a, b));
  }

  /** Return a row of the table of elements of a and b, if its type can be written over a. */
  #written(name, weak, a, b) {
    need(Object.hasOwn(ROWS, name) && name !== "pow_number", `${name} is not done in place`);
    const tensors = b ? [a, b] : [a];
    need(ROWS[name].operands === tensors.length, `${name} takes ${ROWS[name].operands} operands`);
    const operands = this.#operands(tensors, weak).map((x) => (x instanceof Tensor ? x.array : x));
    const result = resultType(name, operands);
    const fits = isFloat(result) ? isFloat(a.dtype) : result === "bool" || a.dtype !== "bool";
    need(fits, `${name} in place: ${result} is not written over ${a.dtype}`);
    return computeElements(name, operands);
  }

  /** Note whether a run begins with the gradient that an array has. */
  #look(x) {
    if (!this.#met.has(x)) this.program.begins(x, x.grad !== null);
    this.#met.add(x);
  }

  gradient() {
    const x = this.#value(this.#word());
    this.#look(x);
    need(x.grad, "a gradient that there is not", "gradient");
    this.#values.push(x.grad);
  }

  set_gradient() {
    const [x, g] = [this.#value(this.#word()), this.#maybe(this.#word())];
    need(!g || isLike(g, x), "a gradient of another shape or type");
    x.grad = g;
    this.#met.add(x);
  }

  /** Say whether a gradient of a leaf is wanted from now on. */
  requires_grad() {
    const [x, on] = [this.#value(this.#word()), this.#word()];
    need(x.isLeaf && on < 2, "a gradient is wanted of a leaf, or not");
    need(!on || isFloat(x.dtype), `only floats have gradients, not ${x.dtype}`);
    x.requiresGrad = on === 1;
  }

  /** Return what a backward begins from, and the gradients there. */
  #roots(count) {
    need(count >= 1 && count <= MOST_ROOTS, `a backward from ${count} values`);
    const roots = this.#words(count).map((which) => this.#value(which));
    return [roots, this.#words(count).map((which) => this.#maybe(which))];
  }

  /** Take gradients from roots; at a function do what the words say, up to a resume. */
  #sweep(roots, seeds, inputs) {
    need(this.#stops.length < MOST_SWEEPS, "too many backwards within each other");
    const atFunction = (node, totals, give) => {
      this.#stops.push({ node, totals, give });
      while (this.#event() !== "resume");
      this.#stops.pop();
    };
    return recording(false, () => sweep(roots, seeds, inputs, atFunction));
  }

  /** Let gradients by some values be values. */
  grad() {
    const [count, inputCount] = this.#words(2);
    need(inputCount >= 1, "a grad by nothing");
    const [roots, seeds] = this.#roots(count);
    const inputs = this.#words(inputCount).map((which) => this.#value(which));
    const { totals } = this.#sweep(roots, seeds, inputs);
    const reached = inputs.filter((x) => totals.has(x));
    const made = new Map(reached.map((x) => [x, leafOf(totals.get(x).array)]));
    this.#values.push(...reached.map((x) => made.get(x)));
  }

  /** Return where a backward has stopped last. */
  #stop() {
    need(this.#stops.length > 0, "no backward has stopped at a function");
    return this.#stops.at(-1);
  }

  /** Let the gradient that has arrived at an output of a function be a value. */
  arrived() {
    const [x, { node, totals }] = [this.#value(this.#word()), this.#stop()];
    const isOutput = x.op === "output" && x.operands[0] === node && totals.has(x);
    need(isOutput, "an output of another function, or without a gradient");
    const made = leafOf(totals.get(x).array);
    made.array.memory.isLent = true;
    this.#values.push(made);
  }

  /** Give an operand of a function a gradient. */
  contribute() {
    const [which, part] = [this.#word(), this.#value(this.#word())];
    this.#stop().give(which, part);
  }

  /** Let a backward go on. */
  resume() {
    this.#stop();
  }

  /** Add gradients to those of leaves: in their memory, where they have any. */
  backward() {
    const { totals, listed } = this.#sweep(...this.#roots(this.#word()), null);
    const leaves = listed.filter((x) => x.isLeaf && totals.has(x));
    const found = leaves.map((x) => totals.get(x).array.copy());
    leaves.forEach((x, i) => {
      this.#look(x);
      if (x.grad === null) {
        x.grad = new Tensor(found[i]);
        return;
      }
      const added = computeElements("add", [x.grad.array, found[i]]);
      if (x.grad.requiresGrad || x.grad.array.overlaps) x.grad = new Tensor(added);
      else x.grad.array.write(added);
    });
  }

  /** Make a step of all parameters that have a gradient. */
  update() {
    const groups = this.#among(this.program.updates, this.#word(), "an update");
    for (const group of groups) {
      for (const [i, p] of group.parameters.entries()) {
        group.remembered(i);
        this.#look(p);
      }
    }
    for (const group of groups) group.parameters.forEach((_, i) => group.step(i));
  }

  /** Draw elements anew. */
  random() {
    const [x, which, kind] = [this.#value(this.#word()), this.#word(), this.#word()];
    const [a, b] = this.#numbers(2);
    const [low, high] = this.#integers(2);
    const generator = this.#among(this.program.generators, which, "a generator");
    const distribution = this.#among(DISTRIBUTIONS, kind, "a distribution");
    const types = distribution.isFloat ? ["float32", "float64"] : ["int64"];
    need(types.includes(x.dtype) && x.isLeaf, `random numbers of ${x.dtype}`);
    need(x.array.isContiguous, "random numbers of a view");
    const drawn = distribution.draw(generator, x.array.count, { a, b, low, high });
    x.array.write(NDArray.of(x.dtype, x.shape, drawn));
  }

  /** Raise an error where a bool is false. */
  require() {
    const [x, isIndex] = [this.#value(this.#word()), this.#word()];
    need(x.dtype === "bool" && isIndex < 2, "a check of no bools");
    const holds = this.isTrial || x.elements.every((truth) => truth === 1);
    need(holds, "a check of elements fails", isIndex ? "index" : "value");
  }
}

/** What there is besides ops: methods of a run. */
const EVENTS = Object.fromEntries(
  [
    "constant", "in_place", "gradient", "set_gradient", "backward", "update", "random", "require",
    "requires_grad", "grad", "arrived", "contribute", "resume",
  ].map((name) => [name, Run.prototype[name]]),
);

// ---- the program

/** Say of whatever is wrong that the file is. */
function reading(run) {
  try {
    run();
  } catch (error) {
    if (error instanceof ArrayError) refuse(error.message);
    throw error;
  }
}

/** A program of arrays. */
export class TensorProgram {
  /** What was returned by the last step. @type {Tensor[]} */
  outputs = [];
  /** Parameters, data and what updates remember, with their gradients. @type {Tensor[]} */
  arrays = [];
  /** Those of them that are its inputs; null: nothing uses it. @type {(Tensor | null)[]} */
  inputs = [];
  /** What the arrays are called. @type {string[]} */
  names = [];
  /** Of each update the groups, with numbers, steps and scalars. */
  updates = [];
  /** @type {import("../generator.js").Generator[]} */
  generators = [];
  #begins = new Map(); // for arrays, by number: whether a run begins with a gradient

  /** @param {Uint8Array} bytes a whole file */
  constructor(bytes) {
    reading(() => {
      this.#read(bytes);
      const before = this.arrays.map((x) => x.requiresGrad);
      new Run(this, true).outputs();
      const isSame = this.arrays.every((x, i) => x.requiresGrad === before[i]);
      need(isSame, "an array requires a gradient at the end, or none, other than before");
      this.#read(bytes);
    });
  }

  #read(bytes) {
    const reader = new Reader(bytes);
    const { kind, flags, counts } = headerOf(reader, bytes);
    const [arrays, constants, generators, updates, ops, words, inputs, ...rest] = counts;
    const [outputs, size, zero] = rest;
    need(kind === OF_ARRAYS, "it is of numbers");
    need(flags === 0 && zero === 0, "it has flags that arrays do not have");
    this.arrays = reader.list(arrays, () => tensorOf(reader, 3));
    const made = reader.list(constants, () => tensorOf(reader, 0).array);
    this.generators = reader.list(generators, () => generatorOf(reader));
    this.updates = reader.list(updates, () => updateOf(reader, this.arrays));
    const table = reader.list(ops, () => opOf(reader, EVENTS));
    const list = reader.list(words, () => reader.u32());
    this.inputs = reader.list(inputs, () => this.#inputOf(reader.u32()));
    const returned = reader.list(outputs, () => reader.u32());
    this.names = reader.text(size).split("\0");
    const isNamed = this.names.pop() === "" && this.names.length === arrays;
    need(isNamed && reader.at === bytes.length, "names of other arrays");
    /** What is done, and with which constants. */
    this.content = { constants: made, ops: table, words: list, returned };
  }

  #inputOf(which) {
    need(which === NONE || which < this.arrays.length, "an input that there is not");
    return which === NONE ? null : this.arrays[which];
  }

  /** Note whether a run begins with the gradient of an array, if it is one of the file. */
  begins(x, hasGradient) {
    const which = this.arrays.indexOf(x);
    if (which >= 0) this.#begins.set(which, hasGradient);
  }

  /** Run once; returns the outputs. What was written before an error stays. */
  step() {
    for (const [which, hasGradient] of this.#begins) {
      const isSame = (this.arrays[which].grad !== null) === hasGradient;
      need(isSame, `array ${which} has a gradient, or none, other than in the file`, "gradient");
    }
    this.outputs = new Run(this, false).outputs();
    return this.outputs;
  }

  /**
   * Run once on other inputs; returns the outputs.
   *
   * @param {...(Tensor | ArrayLike<number | bigint> | number)} inputs as many as there are: Tensors
   *   like them, or their elements in row-major order
   */
  call(...inputs) {
    const count = this.inputs.length;
    need(inputs.length === count, `a program of ${count} inputs got ${inputs.length}`);
    const found = inputs.map((x, i) => this.inputs[i] && arrayLike(x, this.inputs[i], i));
    found.forEach((array, i) => array && this.inputs[i].array.write(array));
    return this.step();
  }
}

/** Return what is given for an input as an array like that. */
function arrayLike(x, { dtype, shape }, i) {
  if (x instanceof Tensor) {
    const what = `input ${i} is of ${dtype}, ${shown(shape)}, not of ${x.dtype}, ${shown(x.shape)}`;
    need(isLike(x, { dtype, shape }), what);
    return x.array;
  }
  const elements = typeof x === "object" ? Array.from(x) : [x];
  return NDArray.of(dtype, shape, dtype === "int64" ? elements.map(BigInt) : elements);
}

/**
 * Make the program of a file, of numbers or of arrays.
 *
 * @param {Uint8Array} bytes a whole file
 * @returns {Program | TensorProgram}
 */
export function load(bytes) {
  const { kind } = headerOf(new Reader(bytes), bytes);
  return kind === OF_ARRAYS ? new TensorProgram(bytes) : new Program(bytes);
}
