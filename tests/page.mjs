// What the page's engine answers in Node, as one object of JSON: tests/test_page.py compares it
// with Python. Arguments: page.wasm, and a file with what is asked.

import { readFileSync } from "node:fs";
import { Classifier, load, Speller, TABLES } from "../pymicrograd/web/engine.js";

const [wasm, asked] = process.argv.slice(2);
const wanted = JSON.parse(readFileSync(asked));
const module = new WebAssembly.Module(readFileSync(wasm));
const engine = await load(readFileSync(wasm));
const answer = {
  exports: WebAssembly.Module.exports(module).map(({ name }) => name).sort(),
  imports: WebAssembly.Module.imports(module).map(({ name }) => name).sort(),
  demo: engine.demo(),
  reprs: wanted.numbers.map((bits) => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(bits));
    return engine.repr(view.getFloat64(0));
  }),
  hashes: wanted.texts.map((text) => {
    const { c, room } = engine;
    const at = c.classifier_part(room, 15);
    const length = engine.write(at, text);
    c.text_hash(at, length, at + length);
    return engine.text(at + length, 64);
  }),
  runs: wanted.runs.map(trained),
  speller: spelled(wanted.names, wanted.steps),
};
process.stdout.write(JSON.stringify(answer));

function trained(settings) {
  const classifier = new Classifier(engine);
  classifier.start(settings);
  const points = [...classifier.xy];
  const labels = [...classifier.labels];
  const parts = [...classifier.parts];
  const losses = [];
  for (let i = 0; i < settings.steps; i++) {
    if (classifier.step() < 0) throw new Error(`step ${i}`);
    losses.push(classifier.lastLoss);
  }
  const { names } = classifier.names();
  const found = {
    points, labels, parts, losses, names,
    data: [...classifier.data],
    gradients: [...classifier.gradients],
    m: [...classifier.m],
    v: [...classifier.v],
    moves: [...classifier.moves],
    val: classifier.loss(1),
    correct: [0, 1, 2].map((part) => classifier.correct(part)),
  };
  const grid = 9;
  classifier.surface(-2, 2, 2, -2, grid);
  found.surface = [...classifier.probabilities(grid)];
  found.lines = [...classifier.lines()];
  const { count, op, kind, data, gradient } = classifier.graph(points[0], points[1], labels[0]);
  found.graph = Array.from({ length: count }, (_, i) =>
    [kind[i], op[i] ? engine.symbol(op[i]) : "", data[i], gradient[i]]);
  found.again = [...classifier.gradients];
  return found;
}

function spelled(names, steps) {
  const speller = new Speller(engine, names);
  speller.start(42);
  const losses = Array.from({ length: steps }, () => {
    if (speller.step() < 0) throw new Error("spelling");
    return speller.lastLoss;
  });
  const { length } = speller;
  return {
    losses,
    mean: speller.meanLoss,
    weights: [...speller.weights],
    gradients: [...speller.gradients],
    largest: TABLES.map((_, i) => speller.largest(i)),
    tokens: [...speller.tokens.slice(0, length + 1)],
    probabilities: [...speller.probabilities.slice(0, 27 * length)],
    attention: [...speller.attention],
    samples: Array.from({ length: 4 }, () => speller.sample(1.0)),
  };
}
