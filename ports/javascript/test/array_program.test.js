import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Tensor } from "../src/arrays/tensor.js";
import { ArrayError, load } from "../src/index.js";
import { arrayFrom, entryOf } from "./arrays.js";
import { linesOf, namesIn } from "./answers.js";

const folder = new URL("../../../vectors/array_programs/", import.meta.url);
const bytesOf = (name) => readFileSync(new URL(`${name}.mgp`, folder));
const entriesOf = (tensors) => tensors.map((x) => x && entryOf(x));

/** Return what a call of a program gives, as it stands in the file. */
function answerOf(program, inputs) {
  const found = { inputs };
  try {
    const given = inputs.map((entry) => new Tensor(arrayFrom(entry)));
    found.outputs = entriesOf(program.call(...given));
  } catch (error) {
    if (!(error instanceof ArrayError)) throw error;
    found.error = error.kind;
  }
  found.arrays = entriesOf(program.arrays);
  found.gradients = entriesOf(program.arrays.map((x) => x.grad));
  return found;
}

for (const name of new Set(namesIn("array_programs/"))) {
  test(`the program of arrays ${name}`, () => {
    const program = load(bytesOf(name));
    for (const [i, text] of linesOf(`array_programs/${name}.jsonl`).entries()) {
      const expected = JSON.parse(text);
      assert.deepEqual(answerOf(program, expected.inputs), expected, `call ${i}`);
    }
  });
}
