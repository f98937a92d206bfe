import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fromHex } from "../src/bits.js";
import { MathError, Program } from "../src/index.js";
import { checksum } from "../src/program.js";
import { hexOf, linesOf, namesIn } from "./answers.js";

const folder = new URL("../../../vectors/programs/", import.meta.url);
const bytesOf = (name) => readFileSync(new URL(`${name}.mgp`, folder));

/** Make steps; return the lines of their answers. */
function answersOf(program, steps) {
  const losses = [];
  let error = "";
  for (let i = 0; i < steps && !error; i++) {
    try {
      const loss = program.step();
      if (loss !== undefined) losses.push(loss);
    } catch (raised) {
      if (!(raised instanceof MathError)) throw raised;
      error = raised.kind;
    }
  }
  const lines = [`losses ${hexOf(...losses)}`.trimEnd()];
  if (!error) lines.push(`outputs ${hexOf(...program.outputs)}`.trimEnd());
  lines.push(`data ${hexOf(...program.data)}`, `gradients ${hexOf(...program.gradients)}`);
  return error ? [...lines, `error ${error}`] : lines;
}

for (const name of new Set(namesIn("programs/"))) {
  test(`the program ${name}`, () => {
    const program = new Program(bytesOf(name));
    const lines = linesOf(`programs/${name}.txt`);
    const found = [];
    for (const line of lines) {
      const [key, ...words] = line.split(" ");
      if (key === "inputs") program.inputs = words.map(fromHex);
      if (key === "inputs" || key === "run") found.push(line);
      if (key === "run") found.push(...answersOf(program, Number(words[0])));
    }
    assert.deepEqual(found, lines);
  });
}

test("a damaged file is refused", () => {
  for (const at of [0, 5, 9, 17, 25, 70, 600]) {
    const bytes = bytesOf("adamw");
    bytes[at] ^= 4;
    assert.throws(() => new Program(bytes), RangeError);
  }
  assert.throws(() => new Program(bytesOf("adamw").subarray(0, 40)), RangeError);
});

test("what a checksum does not show is refused, too, wherever it stands", () => {
  const whole = bytesOf("with_inputs");
  for (let at = 24; at < whole.length; at++) {
    const bytes = Buffer.from(whole);
    bytes[at] ^= 0x80;
    bytes.writeUInt32LE(checksum(bytes.subarray(16)), 8);
    let program = null;
    try {
      program = new Program(bytes);
    } catch (error) {
      assert.match(String(error), /^RangeError: no intact program file: /);
      continue;
    }
    try {
      program.step(); // other numbers, or another value in the place of one
    } catch (error) {
      assert.ok(error instanceof MathError, String(error));
    }
    assert.ok(program.outputs.every((x) => x !== undefined));
  }
});

test("a program has as many inputs as it takes", () => {
  const program = new Program(bytesOf("with_inputs"));
  program.inputs.push(1);
  assert.throws(() => program.step(), /a program of \d+ inputs got \d+/);
});
