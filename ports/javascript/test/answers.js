/** Reads ../../vectors; a difference tells of what, the input and both results. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { toHex } from "../src/bits.js";

const folder = new URL("../../../vectors/", import.meta.url);

/** Return the lines of a file. */
export function linesOf(path) {
  return readFileSync(new URL(path, folder), "utf8").trimEnd().split("\n");
}

/** Return the names, without extensions, of the files of a folder. */
export function namesIn(path) {
  return readdirSync(new URL(path, folder)).map((name) => name.split(".")[0]);
}

/** Compare an answer, as it stands in a file, with one of the port. */
export function expect(what, input, expected, found) {
  if (expected !== found) assert.fail(`${what} of ${input}: expected ${expected}, got ${found}`);
}

/** Return numbers as they stand in the files. */
export function hexOf(...numbers) {
  return numbers.map(toHex).join(" ");
}
