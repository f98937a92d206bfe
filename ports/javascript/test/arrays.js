/** Reads and writes the arrays of ../../vectors: an object with dtype, shape and elements. */

import { fromHex, toHex } from "../src/bits.js";
import { NDArray } from "../src/arrays/array.js";
import { float16Of } from "../src/arrays/parts.js";
import { isFloat } from "../src/arrays/types.js";

const narrow = new DataView(new ArrayBuffer(4));

/** Return the float32 of up to 8 hex digits, to which zeros are added. */
export function float32Of(text) {
  narrow.setUint32(0, parseInt(text.padEnd(8, "0"), 16));
  return narrow.getFloat32(0);
}

const FROM_HEX = {
  float64: fromHex,
  float32: float32Of,
  bfloat16: float32Of,
  float16: (text) => float16Of(parseInt(text, 16)),
};

/** Return an element from its text. */
export function elementFrom(text, dtype) {
  if (isFloat(dtype)) return FROM_HEX[dtype](text);
  return dtype === "int64" ? BigInt(text) : Number(text);
}

/** Return the array of an entry. */
export function arrayFrom({ dtype, shape, elements }) {
  const texts = elements.split(" ").filter(Boolean);
  return NDArray.of(dtype, shape, texts.map((text) => elementFrom(text, dtype)));
}

export function hexOfFloat32(x) {
  narrow.setFloat32(0, x);
  return Number.isNaN(x) ? "7fc00000" : narrow.getUint32(0).toString(16).padStart(8, "0");
}

/** Return the hex digits of a float that is a float16. */
function hexOfFloat16(x) {
  if (Number.isNaN(x)) return "7e00";
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const a = Math.abs(x);
  let exponent = 0;
  while (exponent < 31 && a >= 2 ** (exponent - 14)) exponent++;
  const bits = a === Infinity ? 31 << 10
    : exponent ? (exponent << 10) + a * 2 ** (25 - exponent) - 1024 : a * 2 ** 24;
  return (sign | bits).toString(16).padStart(4, "0");
}

const TO_HEX = {
  float64: toHex,
  float32: hexOfFloat32,
  bfloat16: (x) => hexOfFloat32(x).slice(0, 4),
  float16: hexOfFloat16,
};

/** Return the entry of an array, as it stands in the files. */
export function entryOf({ dtype, shape, elements }) {
  const text = TO_HEX[dtype] ?? String;
  return { dtype, shape, elements: Array.from(elements, text).join(" ") };
}
