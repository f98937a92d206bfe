#!/usr/bin/env node
/**
 * LLM101n's classifier of three quadrants: the lines of `csrc/demo portable`, but for its last.
 *
 * @module
 */

import { pathToFileURL } from "node:url";
import { AdamW, Generator, MLP, crossEntropy, fixed, repr } from "./src/index.js";

/** Draw n points of the square from -2 to 2, with their classes. */
function drawPoints(generator, n) {
  return Array.from({ length: n }, () => {
    const x = generator.uniform(-2, 2);
    const y = generator.uniform(-2, 2);
    return { point: [x, y], label: x < 0 ? 0 : y < 0 ? 1 : 2 };
  });
}

/** Train, and yield the lines. */
export function* demo() {
  const generator = new Generator(42);
  const points = drawPoints(generator, 100);
  const model = new MLP([2, 16, 3], generator);
  const optimizer = new AdamW(model.parameters(), { lr: 0.1, weightDecay: 1e-4 });
  const lossOf = (part) =>
    crossEntropy(part.map(({ point }) => model.call(point)), part.map(({ label }) => label));
  for (let step = 0; step < 100; step++) {
    if (step % 10 === 0) yield `step ${step}, val loss ${fixed(lossOf(points.slice(80, 90)).data)}`;
    const loss = lossOf(points.slice(0, 80));
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    yield `step ${step}, train loss ${repr(loss.data)}`;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const line of demo()) console.log(line);
}
