import assert from "node:assert/strict";
import test from "node:test";
import { Generator } from "../src/index.js";
import { expect, hexOf, linesOf, namesIn } from "./answers.js";

const KINDS = {
  u32: (generator) => generator.u32().toString(16).padStart(8, "0"),
  random: (generator) => hexOf(generator.random()),
  normal: (generator) => hexOf(generator.normal()),
};

for (const name of namesIn("generator/")) {
  const seed = BigInt(`0x${name}`);
  const lines = linesOf(`generator/${name}.txt`);
  const shuffled = lines.pop().split(" ").slice(1);
  const rows = lines.map((line) => line.split(" "));

  Object.entries(KINDS).forEach(([kind, draw], column) => {
    test(`${kind} of seed ${seed}, up to number 1,000,000`, () => {
      const generator = new Generator(seed);
      const far = rows.length - 1;
      for (let i = 0; i < far; i++) expect(`${kind} ${i}`, seed, rows[i][column], draw(generator));
      const method = { u32: "u32", random: "random", normal: "normal" }[kind];
      for (let i = far + 1; i < 1e6; i++) generator[method]();
      expect(`${kind} 1,000,000`, seed, rows[far][column], draw(generator));
    });
  });

  test(`a shuffle with seed ${seed}`, () => {
    const items = Array.from({ length: 100 }, (_, i) => i);
    new Generator(seed).shuffle(items);
    assert.deepEqual(items, shuffled.map(Number));
  });
}

test("a seed is an integer from 1 to 2^64 - 1", () => {
  for (const seed of [0, -1, 1n << 64n]) assert.throws(() => new Generator(seed), RangeError);
});
