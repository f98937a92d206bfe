import assert from "node:assert/strict";
import test from "node:test";
import { fromHex } from "../src/bits.js";
import { OPS, Value, ieee } from "../src/index.js";
import { expect, hexOf, linesOf, namesIn } from "./answers.js";

/** Return y and the gradients that a backward leaves, as text; of an error where it came. */
function answer(name, operands, g) {
  const leaves = (name === "pow_number" ? operands.slice(0, 1) : operands).map((x) => new Value(x));
  const arguments_ = name === "pow_number" ? [leaves[0], operands[1]] : leaves;
  let where = "value";
  try {
    const y = Value.record(name, ...arguments_);
    where = "gradient";
    y.backward(g);
    return hexOf(y.data, ...leaves.map((x) => x.grad));
  } catch (error) {
    if (error.name !== "MathError") throw error;
    return `${where} ${error.kind}`;
  }
}

test("every op has its answers", () => {
  assert.deepEqual(namesIn("scalars/").sort(), Object.keys(OPS).sort());
});

for (const [name, op] of Object.entries(OPS)) {
  test(`${name}: value, gradients and errors`, () => {
    const count = op.value.length;
    for (const line of linesOf(`scalars/${name}.txt`)) {
      const words = line.split(" ");
      const given = words.splice(0, count + 1);
      const [g, ...reversed] = given.map(fromHex).reverse();
      const operands = reversed.reverse();
      const numbers = words.filter((word) => word.length === 16).join(" ");
      const error = words.filter((word) => word.length !== 16).join(" ");
      expect(`${name} in ieee`, given, numbers, ieee(() => answer(name, operands, g)));
      expect(name, given, error || numbers, answer(name, operands, g));
    }
  });
}

/** Yield the lines of each graph. */
function* graphs() {
  let lines = [];
  for (const line of [...linesOf("graphs.txt"), "graph"]) {
    if (line !== "graph") lines.push(line);
    else if (lines.length > 0) {
      yield lines;
      lines = [];
    }
  }
}

test("graphs: the order of a backward", () => {
  for (const lines of graphs()) {
    const nodes = [];
    for (const line of lines) {
      const [name, ...words] = line.split(" ");
      if (name === "second") continue; // gradients are not recorded here
      if (name === "grads") {
        nodes.at(-1).backward();
        expect("gradients", lines.join("\n"), line, `grads ${hexOf(...nodes.map((x) => x.grad))}`);
      } else if (name === "leaf") {
        nodes.push(new Value(fromHex(words[0])));
      } else {
        const operands = words
          .slice(0, -1)
          .map((word) => (word.length === 16 ? fromHex(word) : nodes[Number(word)]));
        nodes.push(Value.record(name, ...operands));
        expect(line, lines.join("\n"), words.at(-1), hexOf(nodes.at(-1).data));
      }
    }
  }
});

test("a backward that raises leaves gradients as they were", () => {
  const x = new Value(0);
  x.grad = 3;
  const y = x.pow(0.5);
  assert.throws(() => y.add(x).backward(), { kind: "division" });
  assert.equal(x.grad, 3);
});

test("a chain may be long", () => {
  const x = new Value(1);
  let y = x;
  for (let i = 0; i < 1e5; i++) y = y.add(x);
  y.backward();
  assert.equal(x.grad, 1e5 + 1);
});
