/**
 * Value: a number that remembers what it was computed from, and its gradient.
 *
 * Every op is a row of OPS: its value, and the contributions to its operands' gradients. Both are
 * of numbers; the brackets say in which order operations are rounded.
 *
 * @module
 */

import { cos, divide, erf, exp, expm1, log, log1p, power, sigmoid, sin, tanh } from "./floats.js";

const SQRT_2 = 1.4142135623730951;
const SQRT_2_OVER_PI = 0.7978845608028654;
const TWO_OVER_SQRT_PI = 1.1283791670955126;
const ONE_OVER_SQRT_2PI = 0.3989422804014327;

/** Return how much of a maximum's gradient goes to x. */
const share = (x, other) => (x < other ? 0 : x === other ? 0.5 : 1);

/** Return how much of a minimum's gradient goes to x. */
const shareOfLess = (x, other) => share(other, x);

/** Return the hyperbolic tangent in the tanh form of gelu. */
const geluInner = (a) => tanh(SQRT_2_OVER_PI * (a + 0.044715 * (a * a * a)));

function geluSlope(a) {
  const density = exp(-0.5 * (a * a)) * ONE_OVER_SQRT_2PI;
  return 0.5 * (1 + erf(a / SQRT_2)) + a * density;
}

function geluTanhSlope(a) {
  const t = geluInner(a);
  const inner = SQRT_2_OVER_PI * (1 + 0.134145 * (a * a));
  return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * inner;
}

function powGradients(a, b, y, g) {
  const da = b * power(a, b - 1) * g;
  const db = a === 0 && b > 0 ? 0 : y * (a < 0 ? NaN : log(a)) * g;
  return [da, db];
}

/**
 * @typedef {object} Op
 * @property {(...numbers: number[]) => number} value y of a, or of a and b (pow_number: k)
 * @property {(...numbers: number[]) => number[]} gradients of a, b as far as there are, y and g
 */

/** @type {Record<string, Op>} */
export const OPS = {
  add: { value: (a, b) => a + b, gradients: (a, b, y, g) => [g, g] },
  mul: { value: (a, b) => a * b, gradients: (a, b, y, g) => [b * g, a * g] },
  pow_number: { value: power, gradients: (a, k, y, g) => [k * power(a, k - 1) * g] },
  pow: { value: power, gradients: powGradients },
  relu: { value: (a) => (a < 0 ? 0 : a), gradients: (a, y, g) => [(y > 0 ? 1 : 0) * g] },
  tanh: { value: tanh, gradients: (a, y, g) => [(1 - power(y, 2)) * g] },
  exp: { value: exp, gradients: (a, y, g) => [y * g] },
  log: { value: log, gradients: (a, y, g) => [divide(1, a) * g] },
  sin: { value: sin, gradients: (a, y, g) => [cos(a) * g] },
  cos: { value: cos, gradients: (a, y, g) => [-sin(a) * g] },
  expm1: { value: expm1, gradients: (a, y, g) => [exp(a) * g] },
  log1p: { value: log1p, gradients: (a, y, g) => [divide(1, 1 + a) * g] },
  sigmoid: { value: sigmoid, gradients: (a, y, g) => [y * (1 - y) * g] },
  softplus: {
    value: (a) => log1p(exp(-Math.abs(a))) + (a > 0 ? a : 0),
    gradients: (a, y, g) => [sigmoid(a) * g],
  },
  gelu: {
    value: (a) => 0.5 * a * (1 + erf(a / SQRT_2)),
    gradients: (a, y, g) => [geluSlope(a) * g],
  },
  gelu_tanh: {
    value: (a) => 0.5 * a * (1 + geluInner(a)),
    gradients: (a, y, g) => [geluTanhSlope(a) * g],
  },
  silu: {
    value: (a) => a * sigmoid(a),
    gradients: (a, y, g) => [sigmoid(a) * (1 + a * (1 - sigmoid(a))) * g],
  },
  erf: { value: erf, gradients: (a, y, g) => [TWO_OVER_SQRT_PI * exp(-(a * a)) * g] },
  abs: { value: Math.abs, gradients: (a, y, g) => [(a > 0 ? 1 : a < 0 ? -1 : 0) * g] },
  maximum: {
    value: (a, b) => (a > b ? a : b > a ? b : a === b ? a : a + b),
    gradients: (a, b, y, g) => [share(a, b) * g, share(b, a) * g],
  },
  minimum: {
    value: (a, b) => (a < b ? a : b < a ? b : a === b ? a : a + b),
    gradients: (a, b, y, g) => [shareOfLess(a, b) * g, shareOfLess(b, a) * g],
  },
  sub: { value: (a, b) => a - b, gradients: (a, b, y, g) => [g, -g] },
  div: {
    value: divide,
    gradients: (a, b, y, g) => [divide(g, b), -divide(g * y, b)],
  },
  neg: { value: (a) => -a, gradients: (a, y, g) => [-g] },
};

let visits = 0;

/** A number in a graph. */
export class Value {
  /** @type {Op | null} */
  #op = null;
  /** @type {Value | null} */
  #first = null;
  /** @type {Value | null} */
  #second = null;
  #exponent = null; // of pow_number
  #visit = 0; // the last walk through the graph that has met this node

  /** @param {number} data */
  constructor(data) {
    if (typeof data !== "number") throw new TypeError(`a Value is of a number, not ${typeof data}`);
    this.data = data;
    this.grad = 0;
  }

  /** Whether this is no op's result. */
  get isLeaf() {
    return this.#op === null;
  }

  /** The operands, in their order. */
  get operands() {
    return [this.#first, this.#second].filter((x) => x !== null);
  }

  /**
   * Record an op of Values, or of numbers, which become leaves.
   *
   * @param {string} name a row of OPS
   * @param {Value | number} first
   * @param {Value | number} [second] of pow_number a number, which is no operand
   */
  static record(name, first, second) {
    const op = OPS[name];
    const a = Value.#from(first);
    const exponent = name === "pow_number" ? second : null;
    const b = second === undefined || exponent !== null ? null : Value.#from(second);
    const node = new Value(op.value(a.data, b === null ? exponent : b.data));
    node.#op = op;
    node.#first = a;
    node.#second = b;
    node.#exponent = exponent;
    return node;
  }

  /** Return a Value as it is, and a number as a new leaf. */
  static #from(x) {
    return x instanceof Value ? x : new Value(x);
  }

  // In the nodes that micrograd makes.

  add(other) {
    return Value.record("add", this, other);
  }

  mul(other) {
    return Value.record("mul", this, other);
  }

  neg() {
    return this.mul(-1);
  }

  sub(other) {
    return this.add(other instanceof Value ? other.neg() : -other);
  }

  div(other) {
    return this.mul(other instanceof Value ? other.pow(-1) : power(other, -1));
  }

  pow(exponent) {
    return Value.record(exponent instanceof Value ? "pow" : "pow_number", this, exponent);
  }

  maximum(other) {
    return Value.record("maximum", this, other);
  }

  minimum(other) {
    return Value.record("minimum", this, other);
  }

  /**
   * Add the derivatives of this Value to the gradients of the leaves it depends on.
   *
   * An error of a formula leaves the leaves' gradients as they were.
   *
   * @param {number} seed the gradient of this Value
   */
  backward(seed = 1) {
    const { interior, leaves } = this.#postorder();
    const before = leaves.map((leaf) => leaf.grad);
    for (const node of interior) node.grad = 0;
    this.grad = seed;
    try {
      for (let i = interior.length - 1; i >= 0; i--) interior[i].#flow();
    } catch (error) {
      for (const node of interior) node.grad = 0;
      leaves.forEach((leaf, i) => (leaf.grad = before[i]));
      throw error;
    }
  }

  /** Add what this node passes on to the gradients of its operands. */
  #flow() {
    const a = this.#first;
    const b = this.#second;
    const number = b === null ? this.#exponent : b.data;
    const { gradients } = this.#op;
    const parts =
      number === null
        ? gradients(a.data, this.data, this.grad)
        : gradients(a.data, number, this.data, this.grad);
    a.grad += parts[0];
    if (b !== null) b.grad += parts[1];
  }

  /** List what this Value depends on, operands before their users; the depth is not limited. */
  #postorder() {
    const visit = ++visits;
    const interior = [];
    const leaves = [];
    const path = [this];
    while (path.length > 0) {
      const node = path.pop();
      if (node === null) {
        interior.push(path.pop()); // whose operands have been listed
      } else if (node.#visit !== visit) {
        node.#visit = visit;
        if (node.#op === null) {
          leaves.push(node);
        } else {
          path.push(node, null);
          if (node.#second !== null) path.push(node.#second);
          path.push(node.#first);
        }
      }
    }
    return { interior, leaves };
  }
}

/** The ops of one operand; each is a method of Value, too: gelu_tanh is geluTanh. */
export const UNARY = [
  "relu", "tanh", "exp", "log", "sin", "cos", "expm1", "log1p", "sigmoid", "softplus", "gelu",
  "gelu_tanh", "silu", "erf", "abs",
];

for (const name of UNARY) {
  const method = name.replace(/_(.)/, (_, letter) => letter.toUpperCase());
  Object.defineProperty(Value.prototype, method, {
    value() {
      return Value.record(name, this);
    },
  });
}
