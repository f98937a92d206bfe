import test from "node:test";
import { fromHex } from "../src/bits.js";
import { vmath } from "../src/index.js";
import { expect, hexOf, linesOf, namesIn } from "./answers.js";

const NAMES = { gelu_tanh: "geluTanh", gelu_slope: "geluSlope" };

for (const name of namesIn("functions/float64/")) {
  test(`${name} gives the bits of SPEC.md`, () => {
    const f = vmath[NAMES[name] ?? name];
    for (const line of linesOf(`functions/float64/${name}.txt`)) {
      const words = line.split(" ");
      const expected = words.pop();
      expect(name, words, expected, hexOf(f(...words.map(fromHex))));
    }
  });
}
