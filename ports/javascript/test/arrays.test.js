import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { NDArray, countOf, range } from "../src/arrays/array.js";
import { ROWS } from "../src/arrays/elements.js";
import { TAKES, argumentsOf } from "../src/arrays/takes.js";
import { ARRAYS, Tensor, apply, grad } from "../src/arrays/tensor.js";
import { ArrayError, Generator } from "../src/index.js";
import { arrayFrom, elementFrom, entryOf } from "./arrays.js";
import { linesOf, namesIn } from "./answers.js";

const table = JSON.parse(readFileSync(new URL("../../../vectors/ops.json", import.meta.url)));

/** Return the operand of an entry: a Tensor, or a number of Python. */
function operandFrom(entry) {
  if (!entry.number) return new Tensor(arrayFrom(entry), entry.gradient ?? false);
  if (entry.number === "float") return elementFrom(entry.elements, "float64");
  return entry.number === "int" ? BigInt(entry.elements) : entry.elements === "1";
}

function operandsFrom(entries) {
  const found = [];
  for (const entry of entries) found.push("same" in entry ? found[entry.same] : operandFrom(entry));
  return found;
}

const entriesOf = (tensors) => tensors.map((x) => x && entryOf(x));

/** Return what stands in a line besides what it asks for. */
function answerOf(name, line) {
  const operands = operandsFrom(line.operands);
  const tensors = operands.filter((x) => x instanceof Tensor);
  const numbers = line.number ? [elementFrom(line.number, "float64")] : [];
  const y = apply(name, operands, argumentsOf(name, operands, line.integers, numbers));
  const found = { result: entryOf(y) };
  if (!y.requiresGrad) return found;
  const seed = new Tensor(arrayFrom(line.seed), true);
  const sources = [...new Set(tensors.filter((x) => x.requiresGrad))];
  const gradients = grad([y], sources, [seed], true);
  Object.assign(found, { seed: line.seed, gradients: entriesOf(gradients) });
  if (!line.weights) return found;
  const roots = gradients.filter((g) => g?.requiresGrad);
  found.weights = gradients.map((g, i) => (g?.requiresGrad ? line.weights[i] : null));
  const weights = line.weights.filter(Boolean).map((entry) => new Tensor(arrayFrom(entry)));
  return { ...found, second: entriesOf(grad(roots, [...sources, seed], weights)) };
}

for (const name of namesIn("arrays/")) {
  test(`${name} of arrays, and its gradients`, () => {
    for (const text of linesOf(`arrays/${name}.jsonl`)) {
      const { operands, integers, number, ...expected } = JSON.parse(text);
      const found = answerOf(name, { operands, integers, number, ...expected });
      assert.deepEqual(found, expected, text.slice(0, 300));
    }
  });
}

const LISTS = {
  "one an axis of operand 0": "perAxis",
  "one an axis of the result": "shape",
  s: "windows",
  one: "integers",
};
// What a program cannot tell, and the numbers of graphs.
/** Return a row of ops.json in the form of TAKES. */
function takesOf({ operands, optional, many, integers, numbers }) {
  const found = { operands, optional, many, numbers };
  for (const { name, count } of integers) {
    if (name !== "s") found[LISTS[count]] = [...(found[LISTS[count]] ?? []), name];
  }
  return Object.fromEntries(Object.entries(found).filter(([, list]) => list.length > 0));
}

test("the tables are those of csrc/ops.def", () => {
  const rows = table.filter((op) => op.kind !== "array" && op.name !== "leaf");
  const own = rows.map(({ name, types, operands, differentiable }) => {
    return { name, types, operands: operands.length, differentiable };
  });
  const found = Object.entries(ROWS).map(([name, { types, operands, gradients }]) => {
    return { name, types, operands, differentiable: gradients.length > 0 };
  });
  assert.deepEqual(found, own);
  const others = table.filter((op) => op.kind === "array" && op.name !== "leaf");
  assert.deepEqual(TAKES, Object.fromEntries(others.map((op) => [op.name, takesOf(op)])));
  assert.deepEqual(new Set(Object.keys(ARRAYS)), new Set(Object.keys(TAKES)));
});

// ---- memory

const random = new Generator(7);
const below = (n) => random.u32() % n;

/** Return a random view of the numbers from 0 on, and its elements. */
function randomView() {
  let x = NDArray.build("float64", [2, 3, 4], (i) => i);
  for (let i = below(4); i > 0; i--) {
    if (below(2)) x = x.permute(below(2) ? [2, 0, 1] : [1, 0, 2]);
    const step = below(2) ? 1 : -1;
    const start = x.shape.map((n) => (step < 0 ? n - 1 : 0));
    x = ARRAYS.slice([x], { start, step: [step, step, step], count: x.shape.map((n) => n) });
    if (below(3) > 0) continue;
    const part = { start: [0, 0, 0], step: [1, 1, 1], count: [1, 2, 2] };
    x = ARRAYS.slice([x], part).expand([3, 2, 2]);
  }
  return x;
}

/** Tell whether some strides show places in a shape. */
function haveStrides(places, shape) {
  const steps = shape.map((_, d) => countOf(shape.slice(d + 1)));
  const strides = shape.map((n, d) => (n > 1 ? places[steps[d]] - places[0] : 0));
  return places.every((place, i) => {
    const index = shape.map((n, d) => Math.floor(i / steps[d]) % n);
    return place === places[0] + index.reduce((sum, k, d) => sum + k * strides[d], 0);
  });
}

test("a reshape shows the same memory wherever strides can", () => {
  for (let i = 0; i < 300; i++) {
    const x = randomView();
    const n = x.count;
    const shapes = [[n], [n, 1], [2, n / 2], [n / 2, 2], [2, 1, n / 4, 2], [n / 4, 4]];
    const shape = shapes[below(shapes.length)];
    const y = x.reshape(shape);
    assert.deepEqual(y.elements, x.elements);
    assert.equal(y.memory === x.memory, haveStrides([...x.places], shape));
  }
});

test("what is written to is seen in all views, and refused where two elements are one", () => {
  const x = NDArray.zeros("int8", [2, 3]);
  const column = ARRAYS.slice([x], { start: [0, 1], step: [1, 1], count: [2, 1] });
  column.write(NDArray.of("int64", [2, 1], [300n, -1n]));
  assert.deepEqual([...x.elements], [0, 44, 0, 0, -1, 0]);
  assert.deepEqual([...x.permute([1, 0]).elements], [0, 0, 44, -1, 0, 0]);
  const repeated = x.reshape([2, 3, 1]).expand([2, 3, 2]);
  assert.throws(() => repeated.write(repeated.copy()), /two elements of which are one/);
  assert.throws(() => x.write(column), /shape \(2, 1\) is not \(2, 3\)/);
});

test("a gradient that needs what was there before a write is refused", () => {
  const x = new Tensor(NDArray.of("float32", [3], [1, 2, 3]), true);
  const y = apply("sin", [x]);
  const z = apply("exp", [x]);
  const seed = new Tensor(NDArray.of("float32", [3], [1, 1, 1]));
  z.array.write(seed.array);
  assert.equal(grad([y], [x], [seed])[0].elements[0], Math.fround(0.5403023058681398));
  assert.throws(() => grad([z], [x], [seed]), (error) => error.kind === "gradient");
  assert.equal(z.elements[0], 1); // only while a gradient is computed
});

// ---- integers beyond doubles, errors

test("int64 is exact beyond 2^53", () => {
  const x = new Tensor(NDArray.of("int64", [2], [2n ** 62n + 1n, -(2n ** 63n)]));
  assert.deepEqual([...apply("add", [x, 2n]).elements], [2n ** 62n + 3n, -(2n ** 63n) + 2n]);
  assert.deepEqual([...apply("mul", [x, x]).elements], [-(2n ** 63n) + 1n, 0n]);
  assert.equal(apply("sum", [x], { axes: [0], keep: false }).item(), -(2n ** 62n) + 1n);
  assert.equal(apply("matmul", [x, x]).item(), BigInt.asIntN(64, (2n ** 62n + 1n) ** 2n));
  assert.deepEqual([...apply("lt", [x, x]).elements], [0, 0]);
});

test("what an op refuses is an error that names it", () => {
  const x = new Tensor(NDArray.of("float32", [2, 3], range(6)));
  const i = new Tensor(NDArray.of("int64", [2], [0n, 2n]));
  const y = new Tensor(NDArray.of("bool", [4], [1, 0, 1, 0]));
  for (const [name, operands, how, kind, text] of [
    ["add", [x, i], {}, "value", /shapes \(2, 3\) and \(2\) cannot be broadcast/],
    ["sub", [y, y], {}, "type", /sub has no meaning for bool/],
    ["remainder", [i, 0n], {}, "division", /remainder: an integer by 0/],
    ["pow", [i, -1n], {}, "value", /pow: an integer has no inverse/],
    ["pow", [2n, -1n], {}, "value", /pow: an integer has no inverse/],
    ["take", [x, i], {}, "index", /index 2 is out of range for 2 elements/],
    ["take", [x, x], {}, "type", /take: an index is of integers, not of float32/],
    ["matmul", [x, x], {}, "value", /matmul: shapes \(2, 3\) and \(2, 3\) do not fit/],
    ["mean", [i], { axes: [0], keep: false }, "type", /mean is of floats, not of int64/],
    ["sum", [x], { axes: [2], keep: false }, "value", /sum: \(2\) are not axes of shape/],
    ["expand", [x], { shape: [2, 2] }, "value", /expand: shape \(2, 3\) does not fit \(2, 2\)/],
    ["reshape", [x], { shape: [...Array(15).fill(1), 2, 3] }, "value", /more than 16 axes/],
  ]) {
    assert.throws(() => apply(name, operands, how), (error) => {
      assert.ok(error instanceof ArrayError, String(error));
      assert.equal(error.kind, kind, error.message);
      return assert.match(error.message, text) ?? true;
    });
  }
});
