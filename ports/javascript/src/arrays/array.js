/**
 * NDArray: elements of one type at some places of a memory, which other arrays may show, too.
 *
 * A memory counts how often it was written to, so that a gradient is refused whose op would read
 * other elements than it did.
 *
 * @module
 */

import { ArrayError, TYPE, caster, need } from "./types.js";

const MOST_AXES = 16;
const MOST_ELEMENTS = 2 ** 26; // more take too long here

/** @typedef {number[]} Shape */

// ---- shapes

/** Return the number of elements. */
export function countOf(shape) {
  return shape.reduce((count, n) => count * n, 1);
}

/** Return the distances of neighbours along each axis, of elements one behind the other. */
function rowMajor(shape) {
  const strides = new Array(shape.length);
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = step;
    step *= shape[d];
  }
  return strides;
}

/** Return a shape as text. */
export const shown = (shape) => `(${shape.join(", ")})`;

export const sameShape = (a, b) => a.length === b.length && a.every((n, d) => n === b[d]);

/** Return the numbers from 0 to n - 1. */
export const range = (n) => Array.from({ length: n }, (_, i) => i);

/** Return the places of all elements, in row-major order. */
function placesOf(shape, strides, offset) {
  const count = countOf(shape);
  need(count <= MOST_ELEMENTS, `shape ${shown(shape)} is too large`);
  const places = new Float64Array(count).fill(offset);
  let size = count; // elements of a step along the axis before
  for (let d = 0; count > 0 && d < shape.length; d++) {
    size /= shape[d];
    for (let i = 0; i < count; i++) places[i] += (Math.floor(i / size) % shape[d]) * strides[d];
  }
  return places;
}

/** Return the strides along which places lie, null if there are none. */
function stridesAlong(places, shape) {
  const steps = rowMajor(shape);
  const isEmpty = places.length === 0;
  const strides = shape.map((n, d) => (n > 1 && !isEmpty ? places[steps[d]] - places[0] : 0));
  const found = placesOf(shape, strides, places[0] ?? 0);
  return found.every((place, i) => place === places[i]) ? strides : null;
}

/** Return the shape that arrays of some shapes are repeated to. @param {Shape[]} shapes */
export function broadcast(...shapes) {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const result = new Array(rank).fill(1);
  for (const shape of shapes) {
    for (let d = 1; d <= shape.length; d++) {
      const n = shape.at(-d);
      const fits = n === 1 || result.at(-d) === 1 || result.at(-d) === n;
      need(fits, `shapes ${shapes.map(shown).join(" and ")} cannot be broadcast`);
      if (n !== 1) result[rank - d] = n;
    }
  }
  return result;
}

// ---- memory

/** Elements that arrays show. */
class Memory {
  #elements;
  /** How often it was written to. */
  version = 0;
  /** While a gradient is computed, the version that it may read; else null. */
  expected = null;
  /** Whether nothing may be written there: a function got it as a gradient. */
  isLent = false;

  constructor(elements) {
    this.#elements = elements;
  }

  /** What is there, to read. */
  get elements() {
    if (this.expected !== null && this.expected !== this.version) {
      throw new ArrayError("an array that a gradient needs was written to in place", "gradient");
    }
    return this.#elements;
  }

  /** Put elements at places. */
  write(places, elements) {
    need(!this.isLent, "a function writes to the gradient that it got", "gradient");
    for (let i = 0; i < elements.length; i++) this.#elements[places[i]] = elements[i];
    this.version += 1;
  }
}

/** Call a function that may read of memories only what they held at some versions. */
export function unchanged(seen, run) {
  for (const [memory, version] of seen) memory.expected = version;
  try {
    return run();
  } finally {
    for (const [memory] of seen) memory.expected = null;
  }
}

// ---- arrays

/** An array of elements of a type. */
export class NDArray {
  /**
   * @param {string} dtype a name in TYPE
   * @param {Shape} shape
   * @param {Memory} memory
   * @param {number[]} [strides] for each axis the distance of neighbours
   * @param {number} [offset] the place of the first element
   */
  constructor(dtype, shape, memory, strides = rowMajor(shape), offset = 0) {
    need(shape.length <= MOST_AXES, `shape ${shown(shape)} has more than ${MOST_AXES} axes`);
    this.dtype = dtype;
    this.shape = shape;
    this.memory = memory;
    this.strides = strides;
    this.offset = offset;
  }

  /** Make an array of so many elements 0. */
  static zeros(dtype, shape) {
    const count = countOf(shape);
    need(count <= MOST_ELEMENTS, `shape ${shown(shape)} is too large`);
    return new NDArray(dtype, [...shape], new Memory(new TYPE[dtype].Elements(count)));
  }

  /**
   * Make an array of numbers, which are rounded to the type: BigInts of int64, also truths of bool.
   *
   * @param {Iterable<any> & { length: number }} numbers in row-major order
   */
  static of(dtype, shape, numbers) {
    const { Elements, round } = TYPE[dtype];
    const count = countOf(shape);
    need(numbers.length === count, `${numbers.length} elements do not fill shape ${shown(shape)}`);
    const elements = round ? Elements.from(numbers, round) : Elements.from(numbers);
    return new NDArray(dtype, [...shape], new Memory(elements));
  }

  /** Make the array whose element number i is element(i). */
  static build(dtype, shape, element) {
    const made = NDArray.zeros(dtype, shape);
    const { elements } = made.memory;
    const { round } = TYPE[dtype];
    for (let i = 0; i < elements.length; i++) {
      const x = element(i);
      elements[i] = round ? round(x) : x;
    }
    return made;
  }

  /** The number of elements. */
  get count() {
    return countOf(this.shape);
  }

  /** Whether elements lie one behind the other. */
  get isContiguous() {
    if (this.count === 0) return true;
    const expected = rowMajor(this.shape);
    return this.shape.every((n, d) => n === 1 || this.strides[d] === expected[d]);
  }

  /** The places of the elements, in row-major order. */
  get places() {
    return placesOf(this.shape, this.strides, this.offset);
  }

  /** Whether two elements are one. */
  get overlaps() {
    if (this.isContiguous) return false;
    const { places } = this;
    return new Set(places).size < places.length;
  }

  /** The elements in row-major order, only to read: they may be the memory itself. */
  get elements() {
    const { elements } = this.memory;
    if (this.isContiguous) return elements.subarray(this.offset, this.offset + this.count);
    return new elements.constructor(Array.from(this.places, (place) => elements[place]));
  }

  /** Return the only element. */
  item() {
    need(this.count === 1, `shape ${shown(this.shape)} is not one element`);
    return this.elements[0];
  }

  /** Return another array with the same memory. */
  view(shape, strides, offset = this.offset) {
    return new NDArray(this.dtype, shape, this.memory, strides, offset);
  }

  /** Return an array of the same elements in a memory of its own. */
  copy() {
    return new NDArray(this.dtype, this.shape, new Memory(this.elements.slice()));
  }

  /** Return the elements as those of another type, in a memory of its own. */
  cast(dtype) {
    if (dtype === this.dtype) return this.copy();
    const [{ elements }, as] = [this, caster(this.dtype, dtype)];
    return NDArray.build(dtype, this.shape, (i) => as(elements[i]));
  }

  /** Repeat this along new axes before the others, and along axes of size 1. */
  expand(shape) {
    const added = shape.length - this.shape.length;
    const fits = added >= 0 && this.shape.every((n, d) => n === 1 || n === shape[added + d]);
    need(fits, `expand: shape ${shown(this.shape)} does not fit ${shown(shape)}`);
    const strides = shape.map((n, d) =>
      d < added || this.shape[d - added] !== n ? 0 : this.strides[d - added],
    );
    return this.view([...shape], strides);
  }

  /** Show the elements in another shape, which is a copy where no strides can. */
  reshape(shape) {
    const fits = countOf(shape) === this.count && shape.every((n) => n >= 0);
    need(fits, `reshape: shape ${shown(this.shape)} does not fit ${shown(shape)}`);
    if (this.isContiguous) return this.view([...shape], rowMajor(shape));
    const strides = stridesAlong(this.places, shape);
    return strides ? this.view([...shape], strides) : this.copy().reshape(shape);
  }

  /** Show axis axes[d] as axis d. */
  permute(axes) {
    return this.view(
      axes.map((d) => this.shape[d]),
      axes.map((d) => this.strides[d]),
    );
  }

  /** Write elements of another array of this shape, converted to the type, over those here. */
  write(other) {
    need(!this.overlaps, "an array two elements of which are one cannot be written to");
    const fits = sameShape(this.shape, other.shape);
    need(fits, `shape ${shown(other.shape)} is not ${shown(this.shape)}`);
    this.memory.write(this.places, other.cast(this.dtype).elements);
  }
}
