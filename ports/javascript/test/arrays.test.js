import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { ROWS } from "../src/arrays/elements.js";
import { TAKES, argumentsOf } from "../src/arrays/takes.js";
import { ARRAYS, Tensor, apply, grad } from "../src/arrays/tensor.js";
import { arithmeticOf } from "../src/arrays/arithmetic.js";
import { arrayFrom, elementFrom, entryOf } from "./arrays.js";
import { expect, linesOf, namesIn } from "./answers.js";

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
