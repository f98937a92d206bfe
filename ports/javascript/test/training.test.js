import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { demo } from "../demo.js";
import { fromHex } from "../src/bits.js";
import * as engine from "../src/index.js";
import { hexOf, linesOf, namesIn } from "./answers.js";

const NAMES = { weight_decay: "weightDecay" };
const LOSSES = {
  cross_entropy: (outputs, labels) => engine.crossEntropy(outputs, labels),
  margin_loss: (outputs, labels) => engine.marginLoss(outputs.map(([y]) => y), signs(labels)),
  mse_loss: (outputs, labels) => engine.mseLoss(outputs.map(([y]) => y), signs(labels)),
};

const signs = (labels) => labels.map((label) => (label ? 1 : -1));

/** Return what the head of a file says. */
function runOf(lines) {
  const run = { points: [], labels: [] };
  for (const line of lines) {
    const [key, ...words] = line.split(" ");
    if (key === "point") {
      run.points.push(words.slice(0, 2).map(fromHex));
      run.labels.push(Number(words[2]));
    } else if (key === "numbers") {
      run.options = {};
      for (let i = 0; i < words.length; i += 2) {
        run.options[NAMES[words[i]] ?? words[i]] = fromHex(words[i + 1]);
      }
    } else if (!(key in run)) {
      run[key] = words;
    }
  }
  return run;
}

function hashOf(numbers) {
  const bytes = new DataView(new ArrayBuffer(8 * numbers.length));
  numbers.forEach((x, i) => bytes.setFloat64(8 * i, x, true));
  return createHash("sha256").update(bytes).digest("hex");
}

/** Train as a run says; return the lines of its answers. */
function train(run) {
  const generator = new engine.Generator(BigInt(`0x${run.state[0]}`));
  const model = new engine.MLP(run.sizes.map(Number), generator, run.activation[0]);
  const parameters = model.parameters();
  const optimizer = new engine[run.optimizer[0]](parameters, run.options);
  const initial = parameters.map((p) => p.data);
  const losses = [];
  for (let step = 0; step < Number(run.steps[0]); step++) {
    const outputs = run.points.map((point) => model.call(point));
    const loss = LOSSES[run.loss[0]](outputs, run.labels);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(loss.data);
  }
  const final = parameters.map((p) => p.data);
  const shown = losses
    .map((loss, i) => ({ i, line: `loss ${i} ${hexOf(loss)}` }))
    .filter(({ i }) => i % 10 === 0 || i === losses.length - 1);
  return [
    `initial ${hexOf(...initial)}`,
    ...shown.map(({ line }) => line),
    `final ${hexOf(...final)}`,
    ...Object.entries({ initial, losses, final }).map(([k, x]) => `sha256 ${k} ${hashOf(x)}`),
  ];
}

for (const name of namesIn("runs/").filter((name) => name !== "demo_lines")) {
  test(`the training run ${name}`, () => {
    const lines = linesOf(`runs/${name}.txt`);
    const at = lines.findIndex((line) => line.startsWith("initial "));
    assert.deepEqual(train(runOf(lines)), lines.slice(at));
  });
}

test("the demo prints the lines of csrc/demo portable", () => {
  assert.deepEqual([...demo()], linesOf("runs/demo_lines.txt"));
});

test("numbers are written as Python writes them", () => {
  const texts = {
    "0.0": 0, "-0.0": -0, "1.0": 1, "0.1": 0.1, "0.0001": 1e-4, "1e-05": 1e-5, "1.5e-07": 1.5e-7,
    "1e+16": 1e16, "1234567890123456.0": 1234567890123456, "1.2345e+22": 1.2345e22,
    "5e-324": 5e-324, "-123.456": -123.456, nan: NaN, "-inf": -Infinity,
  };
  for (const [text, x] of Object.entries(texts)) assert.equal(engine.repr(x), text);
  const fixed = { "0.007812": 0.0078125, "0.023438": 0.0234375, "2.500000": 2.5, "0.100000": 0.1 };
  for (const [text, x] of Object.entries(fixed)) assert.equal(engine.fixed(x), text);
});
