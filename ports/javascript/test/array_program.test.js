import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Tensor } from "../src/arrays/tensor.js";
import { ArrayError, Program, TensorProgram, load } from "../src/index.js";
import { checksum } from "../src/program.js";
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

test("load makes the program that a file has", () => {
  assert.ok(load(bytesOf("mlp")) instanceof TensorProgram);
  const numbers = readFileSync(new URL("../../../vectors/programs/adamw.mgp", import.meta.url));
  assert.ok(load(numbers) instanceof Program);
  assert.throws(() => new Program(bytesOf("mlp")), /it is of arrays/);
  assert.throws(() => new TensorProgram(numbers), /it is of numbers/);
});

test("inputs may be their elements, and others are refused before anything is written", () => {
  const [first] = linesOf("array_programs/mlp.jsonl").map((line) => JSON.parse(line));
  const [x, labels] = first.inputs.map(arrayFrom);
  const program = load(bytesOf("mlp"));
  const before = entriesOf(program.arrays);
  for (const inputs of [[x.elements], [x.elements, [1, 2]], [new Tensor(labels), [1]], [1, 2]]) {
    assert.throws(() => program.call(...inputs), ArrayError);
    assert.deepEqual(entriesOf(program.arrays), before);
  }
  const [loss] = program.call(x.elements, [...labels.elements].map(Number));
  assert.deepEqual(entryOf(loss), first.outputs[0]);
  assert.equal(loss.item(), program.outputs[0].elements[0]);
});

test("training goes on by itself, and the same file gives the same steps", () => {
  const [one, other] = [load(bytesOf("dropout")), load(bytesOf("dropout"))];
  const losses = [1, 2, 3].map(() => one.step()[0].item());
  assert.equal(new Set(losses).size, 3);
  assert.deepEqual([1, 2, 3].map(() => other.step()[0].item()), losses);
});

test("a run begins with the gradients of the file", () => {
  const program = load(bytesOf("in_place"));
  program.arrays[program.names.indexOf("w")].grad = null;
  assert.throws(() => program.step(), (error) => error.kind === "gradient");
});

// ---- damage

const WRONG = /^RangeError: no intact program file: /;

/** Return a file with the checksum that it should have. */
function sealed(bytes) {
  bytes.writeUInt32LE(checksum(bytes.subarray(16)), 8);
  return bytes;
}

/** Return a file in which a text stands in the place of another one of its length. */
function replaced(bytes, before, after) {
  const made = Buffer.from(bytes);
  made.write(after, made.indexOf(before));
  return sealed(made);
}

test("what is wrong in a file is told", () => {
  const whole = bytesOf("mlp");
  const flags = Buffer.from(whole);
  flags[12] = 1;
  for (const [bytes, text] of [
    [whole.subarray(0, 40), /it is another one/],
    [whole.subarray(0, -1), /it has another size/],
    [Buffer.concat([whole.subarray(0, 70), Buffer.of(1), whole.subarray(71)]), /another checksum/],
    [sealed(flags), /flags that arrays do not have/],
    [replaced(whole, "cross_entropy", "cross_entropx"), /there is no op "cross_entropx"/],
    [replaced(whole, "adam\0", "adan\0"), /no rule is named "adan"/],
    [replaced(whole, "adam\0", "ada\xff\0"), /no rule is named|no UTF-8/],
  ]) {
    assert.throws(() => load(bytes), (error) => {
      assert.match(String(error), WRONG);
      return assert.match(String(error), text) ?? true;
    });
  }
});

test("behind names are zeros", () => {
  const numbers = readFileSync(new URL("../../../vectors/programs/adamw.mgp", import.meta.url));
  for (const [whole, name] of [[bytesOf("mlp"), "linear"], [bytesOf("mlp"), "adam"], [numbers, "mul"]]) {
    const longer = replaced(whole, `${name}\0\0`, `${name}\0x`);
    assert.throws(() => load(longer), /a name does not end in zeros/, name);
  }
});

test("a file that ends too early is refused, wherever", () => {
  const whole = bytesOf("half");
  for (let size = 0; size < whole.length; size += 1) {
    assert.throws(() => load(whole.subarray(0, size)), RangeError);
    if (size < 64) continue;
    const cut = Buffer.from(whole.subarray(0, size));
    cut.writeBigUInt64LE(BigInt(size), 16);
    assert.throws(() => load(sealed(cut)), WRONG, `cut at ${size}`);
  }
});

test("a bool is 0 or 1", () => {
  const bools = Buffer.from(bytesOf("attention"));
  const at = bools.indexOf(Buffer.from([9, 0, 0, 0, 2, 0, 0, 0])); // of an array dtype and rank
  bools[at + 16 + 2 * 8] = 2; // its first element, behind flags, 0 and two sizes
  assert.throws(() => load(sealed(bools)), /a bool is 0 or 1/);
});

for (const [name, step] of Object.entries({ half: 1, in_place: 3, grads: 3 })) {
  test(`what a checksum does not show is refused, too, or runs: ${name}`, () => {
    const whole = bytesOf(name);
    for (let at = 24; at < whole.length; at += step) {
      const bytes = Buffer.from(whole);
      bytes[at] ^= at % 3 ? 1 : 0x80;
      let program = null;
      try {
        program = load(sealed(bytes));
      } catch (error) {
        assert.match(String(error), WRONG, `byte ${at}`);
        continue;
      }
      try {
        program.step(); // other numbers, or another value in the place of one
      } catch (error) {
        assert.ok(error instanceof ArrayError, `byte ${at}: ${error.stack}`);
      }
    }
  });
}
