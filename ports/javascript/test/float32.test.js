import assert from "node:assert/strict";
import test from "node:test";
import { arithmeticOf } from "../src/arrays/arithmetic.js";
import { byIntegers, fma32, fma64 } from "../src/arrays/fma.js";
import { fromHalves } from "../src/bits.js";
import { Generator } from "../src/index.js";
import { float32Of, hexOfFloat32 } from "./arrays.js";
import { expect, linesOf, namesIn } from "./answers.js";

const T = arithmeticOf("float32");

for (const name of namesIn("functions/float32/")) {
  test(`${name} of float32 gives the bits of SPEC.md`, () => {
    const f = name === "pow" ? (x, y) => T.pow(x, y) : T.functions[name];
    for (const line of linesOf(`functions/float32/${name}.txt`)) {
      const words = line.split(" ");
      const expected = words.pop();
      expect(name, words, expected, hexOfFloat32(f(...words.map(float32Of))));
    }
  });
}

const random = new Generator(11);

/** Return a double with a full mantissa, and an exponent from 1023 - spread to 1023 + spread. */
function double(spread) {
  const exponent = 1023 - spread + (random.u32() % (2 * spread + 1));
  const high = (random.u32() & 0x800fffff) | (exponent << 20);
  return fromHalves(high >>> 0, random.u32());
}

test("a fused step of float64 is that of integers", () => {
  for (let i = 0; i < 20000; i++) {
    const [x, y] = [double(60), double(60)];
    const near = -(x * y) * (1 + (random.u32() % 3) * 2.220446049250313e-16); // it cancels
    const z = i % 2 ? near : double(130);
    assert.equal(fma64(x, y, z), byIntegers(x, y, z), `${x} * ${y} + ${z}`);
  }
});

const UNIT = 2 ** 149; // float32 are whole multiples of its inverse

/** Return a float32 in units of 2^-298. */
const whole = (x) => BigInt(x * UNIT) << 149n;

const bits = new DataView(new ArrayBuffer(4));

/** Return the float32 so many steps away from one that is not 0. */
function neighbour(x, steps) {
  bits.setFloat32(0, x);
  bits.setUint32(0, bits.getUint32(0) + steps);
  return bits.getFloat32(0);
}

test("a fused step of float32 is the nearest one, of a middle the even one", () => {
  const distance = (a, b) => (a > b ? a - b : b - a);
  for (let i = 0; i < 20000; i++) {
    const [x, y] = [double(20), double(20)].map(Math.fround);
    let z = Math.fround(i % 2 ? -(x * y) : double(45));
    if (i % 4 === 2) z = Math.fround(x * y * 16777216); // the product is half a unit, or about that
    const exact = BigInt(x * UNIT) * BigInt(y * UNIT) + whole(z);
    const found = fma32(x, y, z);
    const own = distance(exact, whole(found));
    for (const other of found === 0 ? [] : [neighbour(found, 1), neighbour(found, -1)]) {
      const away = distance(exact, whole(other));
      const isEven = neighbour(found, 0) === found && bits.getUint32(0) % 2 === 0;
      assert.ok(own < away || (own === away && isEven), `${x} * ${y} + ${z}`);
    }
    if (found === 0) assert.equal(exact, 0n);
  }
  const [middle, tiny] = [5.960464477539063e-8, 8.673617379884035e-19]; // 2^-24, 2^-60
  assert.equal(fma32(1, middle, 1), 1);
  assert.equal(fma32(1 + 2 * middle, middle, 1), 1 + 2 * middle);
  assert.equal(fma32(tiny, tiny, 1 + 2 * middle), 1 + 2 * middle);
});

test("special numbers in a fused step", () => {
  for (const fma of [fma32, fma64]) {
    assert.ok(Object.is(fma(-0, 1, -0), -0));
    assert.ok(Object.is(fma(-1, 1, 1), 0));
    assert.ok(Number.isNaN(fma(Infinity, 0, 1)) && Number.isNaN(fma(Infinity, 1, -Infinity)));
    assert.equal(fma(1, 1, -Infinity), -Infinity);
  }
  assert.equal(fma64(1e308, 10, -Infinity), -Infinity);
  assert.equal(fma64(1e308, 10, -1.7e308), Infinity);
  assert.equal(fma64(1.5e308, 2, -1.5e308), 1.5e308); // the product alone overflows
  assert.equal(fma64(1e-200, 1e-200, 5e-324), 5e-324); // and here it underflows
  assert.equal(fma64(1e-200, -1e-200, 5e-324), 5e-324);
});
