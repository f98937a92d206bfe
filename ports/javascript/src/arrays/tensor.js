/**
 * Tensor: an array that remembers what it was computed from, and its gradient.
 *
 * What a node passes on to an operand is made of ops of Tensors, so that it is recorded where
 * gradients of gradients are asked for. Nodes are visited in reversed depth-first postorder, and
 * what arrives at one is added up in the order in which it arrives.
 *
 * @module
 */

import { arithmeticOf } from "./arithmetic.js";
import { NDArray, broadcast, sameShape, shown, unchanged } from "./array.js";
import { add, cast, fit } from "./calls.js";
import { ROWS } from "./elements.js";
import { RULES } from "./gradients.js";
import { MOVEMENT } from "./movement.js";
import { NORMS } from "./norms.js";
import { PRODUCTS } from "./products.js";
import { REDUCTIONS } from "./reductions.js";
import { TYPE, elementOf, isFloat, need, promote, wide } from "./types.js";

/** The ops of whole arrays: functions of arrays, and of what else they take by name. */
export const ARRAYS = { ...MOVEMENT, ...REDUCTIONS, ...PRODUCTS, ...NORMS };

/** A node, or a leaf, of a graph of arrays. */
export class Tensor {
  /** What backward has added up here. @type {Tensor | null} */
  grad = null;
  /** What it was computed from. @type {Tensor[]} */
  operands = [];
  /** What it passes on of its gradient to operand number so and so. */
  rule = null;
  /** By which op of whole arrays it was recorded, or "". */
  op = "";

  /**
   * @param {NDArray} array
   * @param {boolean} requiresGrad whether gradients flow here
   */
  constructor(array, requiresGrad = false) {
    need(!requiresGrad || isFloat(array.dtype), `only floats have gradients, not ${array.dtype}`);
    this.array = array;
    this.requiresGrad = requiresGrad;
  }

  get dtype() {
    return this.array.dtype;
  }

  get shape() {
    return this.array.shape;
  }

  /** The elements in row-major order: a typed array, only to read. */
  get elements() {
    return this.array.elements;
  }

  /** Whether this is no recorded result. */
  get isLeaf() {
    return this.rule === null;
  }

  /** Return the only element. */
  item() {
    return this.array.item();
  }

  /** Return a constant of this type, without axes. */
  number(value) {
    return new Tensor(NDArray.of(this.dtype, [], [value]));
  }

  /** Return zeros of this shape and type. */
  zeros() {
    return new Tensor(NDArray.zeros(this.dtype, this.shape));
  }
}

// ---- recording

let isRecording = true;

/** Call a function, in which gradients are recorded or not. */
export function recording(isOn, run) {
  const before = isRecording;
  isRecording = isOn;
  try {
    return run();
  } finally {
    isRecording = before;
  }
}

/** Return the type that a row is computed in for some operands, and that of its result. */
function typesOf(name, operands) {
  const { types } = ROWS[name];
  const common = promote(operands);
  const { kind } = TYPE[common];
  if (types === "TRUTHS") return ["bool", "bool"];
  if (types === "COMPARES") {
    const hasNumber = operands.some((x) => typeof x !== "object");
    return [hasNumber && kind === "integer" ? "int64" : wide(common), "bool"];
  }
  const refused = { INTEGRAL: "float bool", INTEGRAL_AND_BOOLS: "float", NUMBERS_ONLY: "bool" };
  const isRefused = refused[types]?.split(" ").includes(kind);
  need(!isRefused, `${name} has no meaning for ${common}`, "type");
  if (types === "FLOATS" && kind !== "float") return ["float32", "float32"];
  if (types === "NUMBERS" && kind === "bool") return ["int64", "int64"];
  return [wide(common), common];
}

/** The type of what a row of the table makes of some operands. */
export const resultType = (name, operands) => typesOf(name, operands)[1];

/** Return the array of an operand: of a number one of a type without axes. */
const arrayOf = (x, dtype) =>
  typeof x === "object" ? x : NDArray.of(dtype, [], [elementOf(x, dtype)]);

/**
 * Compute a row of the table of the elements of arrays, which are broadcast.
 *
 * @param {(NDArray | number | bigint | boolean)[]} operands
 */
export function computeElements(name, operands, k) {
  const { value } = ROWS[name];
  const [computed, result] = typesOf(name, operands);
  const given = operands.map((x) => arrayOf(x, computed));
  const arrays = given.map((x) => (x.dtype === computed ? x : x.cast(computed)));
  const shape = broadcast(...arrays.map((x) => x.shape));
  const [a, b] = arrays.map((x) => x.expand(shape).elements);
  const divides = ["floor_divide", "remainder"].includes(name) && !isFloat(result);
  need(!divides || !arrays[1].elements.some((x) => x == 0), `${name}: an integer by 0`, "division");
  const T = arithmeticOf(computed);
  return NDArray.build(result, shape, b ? (i) => value(T, a[i], b[i]) : (i) => value(T, a[i], k));
}

/** Return the rule of a row: its formula, of Tensors of the type that it is computed in. */
function ruleOfElements(name, operands, k) {
  const { gradients } = ROWS[name];
  if (gradients.length === 0) return null;
  return ({ y, g, which }) => {
    const dtype = wide(y.dtype);
    const [a, b] = operands;
    const known = {
      k,
      g: cast(g, dtype),
      get a() {
        return cast(a, dtype);
      },
      get b() {
        return cast(b, dtype);
      },
      get y() {
        return cast(y, dtype);
      },
    };
    const gradient = gradients[which](known);
    if (gradient === known.g) return fit(g, y, operands[which]);
    const passed = typeof gradient === "number" ? y.number(gradient) : cast(gradient, y.dtype);
    return fit(passed, y, operands[which]);
  };
}

/** Make the node of a result, whose rule reads what is there now; a leaf where none flows. */
function record(result, operands, rule) {
  const made = new Tensor(result);
  const flows = rule && isRecording && isFloat(result.dtype);
  if (!flows || !operands.some((x) => x.requiresGrad)) return made;
  made.requiresGrad = true;
  made.operands = operands;
  const seen = [made, ...operands].map(({ array }) => [array.memory, array.memory.version]);
  made.rule = (g, which) => unchanged(seen, () => rule({ y: made, g, which }));
  return made;
}

/**
 * Compute an op by its name, and record it where gradients flow.
 *
 * @param {string} name a row of ROWS, or of ARRAYS
 * @param {(Tensor | number | bigint | boolean)[]} operands numbers, of ops of elements and where,
 *   are those of Python: BigInts are its ints
 * @param {object} how what else it takes, by name
 */
export function apply(name, operands, how = {}) {
  if (name === "where") {
    return applyArrays(name, [operands[0], ...ofOneType(operands.slice(1))], how);
  }
  if (!Object.hasOwn(ROWS, name)) return applyArrays(name, operands, how);
  const given = operands.map((x) => (x instanceof Tensor ? x.array : x));
  const [computed, dtype] = typesOf(name, given);
  const isInverse = name === "pow" && typeof given[1] === "bigint" && given[1] < 0n;
  need(!isInverse || isFloat(dtype), "pow: an integer has no inverse; make it a float first");
  const result = computeElements(name, given, how.k);
  const tensors = operands.map((x) => (x instanceof Tensor ? x : new Tensor(arrayOf(x, computed))));
  return record(result, tensors, ruleOfElements(name, tensors, how.k));
}

/** Return operands with arrays of their common type in the place of numbers. */
function ofOneType(operands) {
  const dtype = promote(operands.map((x) => (x instanceof Tensor ? x.array : x)));
  return operands.map((x) => (x instanceof Tensor ? x : new Tensor(arrayOf(x, dtype))));
}

function applyArrays(name, operands, how) {
  const isOutput = name !== "output" || operands[0].op === "function";
  need(isOutput, "an output is of a function that is recorded");
  return recordArrays(ARRAYS[name](operands.map((x) => x.array), how), name, operands, how);
}

function recordArrays(result, name, operands, how) {
  const rule = Object.hasOwn(RULES, name) ? RULES[name] : null;
  const made = record(result, operands, rule && ((known) => rule({ ...known, operands, how })));
  if (!made.isLeaf) made.op = name;
  return made;
}

/** Write the result of an op of arrays over operand 0; return that, or the node that it is now. */
export function applyOver(name, operands, how) {
  const [a] = operands;
  a.array.write(ARRAYS[name](operands.map((x) => x.array), how));
  const made = recordArrays(a.array.view(a.shape, a.array.strides), name, operands, how);
  return made.requiresGrad ? made : a;
}

// ---- derivatives

/** List what roots depend on and gradients flow to, operands before what is made of them. */
function postorder(roots) {
  const listed = [];
  const seen = new Set();
  for (const root of roots) {
    const path = [{ node: root, isDone: false }];
    while (path.length > 0) {
      const { node, isDone } = path.pop();
      if (isDone) listed.push(node);
      if (isDone || seen.has(node) || !node.requiresGrad) continue;
      seen.add(node);
      path.push({ node, isDone: true });
      for (const operand of node.operands.toReversed()) path.push({ node: operand, isDone: false });
    }
  }
  return listed;
}

/** Return the gradient that a root begins with. */
function seedOf(root, gradient) {
  need(root.requiresGrad, "nothing here requires a gradient", "gradient");
  if (gradient) {
    const fits = sameShape(gradient.shape, root.shape);
    need(fits, `a gradient of shape ${shown(gradient.shape)} is not of ${shown(root.shape)}`);
    return cast(gradient, root.dtype);
  }
  const { count } = root.array;
  need(count === 1, `a gradient is needed for shape ${shown(root.shape)}`, "gradient");
  return new Tensor(NDArray.of(root.dtype, root.shape, [1]));
}

/**
 * Take gradients from roots to what they depend on, or only to what leads to inputs.
 *
 * @param {Tensor[]} roots
 * @param {(Tensor | null)[]} gradients of these; null: 1
 * @param {Tensor[] | null} inputs
 * @param {(node: Tensor, totals: Map<Tensor, Tensor>, give: (which: number, part: Tensor) => void)
 *   => void} [atFunction] what is done at a function: it gives gradients of operands
 * @returns {{ totals: Map<Tensor, Tensor>, listed: Tensor[] }} the gradient of each node that was
 *   reached; all nodes, operands before what is made of them
 */
export function sweep(roots, gradients, inputs = null, atFunction = null) {
  const listed = postorder(roots);
  const needed = new Set(inputs ?? listed);
  for (const node of listed) if (node.operands.some((x) => needed.has(x))) needed.add(node);
  const totals = new Map();
  const arrive = (node, part) =>
    totals.set(node, totals.has(node) ? add(totals.get(node), part) : part);
  roots.forEach((root, i) => arrive(root, seedOf(root, gradients[i])));
  for (const node of listed.toReversed()) {
    if (!totals.has(node) || !needed.has(node)) continue;
    if (node.op === "output") {
      totals.set(node.operands[0], totals.get(node)); // the function hears of it
      continue;
    }
    if (node.op === "function") {
      atFunction(node, totals, (which, part) => {
        const operand = node.operands[which];
        need(operand, `a function has no operand ${which}`);
        if (!operand.requiresGrad || !needed.has(operand)) return;
        const isLike = part.dtype === operand.dtype && sameShape(part.shape, operand.shape);
        need(isLike, `operand ${which} of a function gets a gradient unlike it`);
        arrive(operand, part);
      });
      continue;
    }
    for (const [which, operand] of node.operands.entries()) {
      if (operand.requiresGrad && needed.has(operand)) {
        arrive(operand, node.rule(totals.get(node), which));
      }
    }
  }
  return { totals, listed };
}

/** Return the gradients of roots by inputs, null where none depends on one. */
export function grad(roots, inputs, gradients, createGraph = false) {
  const { totals } = recording(createGraph, () => sweep(roots, gradients, inputs));
  return inputs.map((x) => totals.get(x) ?? null);
}
