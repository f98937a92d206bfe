// The C core as WebAssembly. Every number of the page comes through here: this file computes
// none, it passes arguments on and looks at the memory where the results lie.

// What printf would write to; nothing of the page does.
const WASI = { fd_write: () => 8, fd_seek: () => 8, fd_close: () => 8 };

export const PARTS = ["train", "val", "test"];
export const DATA = ["quadrants", "yinyang", "moons"];
export const OPTIMIZERS = ["AdamW", "Adam", "SGD", "SGD, momentum 0.9"];
export const ACTIVATIONS = [
  "tanh", "relu", "sigmoid", "gelu", "silu", "softplus", "sin",
];
const LIMIT = -2; // MG_ERR_LIMIT
export const MOST = { points: 400, hidden: 4, width: 32 };

// Load the engine from the bytes of page.wasm.
export async function load(bytes) {
  const imports = { wasi_snapshot_preview1: WASI };
  const { instance } = await WebAssembly.instantiate(bytes, imports);
  instance.exports._initialize();
  return new Engine(instance.exports);
}

export class Engine {
  constructor(c) {
    this.c = c;
    this.room = c.classifier_new(); // for texts that are asked about
  }

  view(kind, address, count) {
    return new kind(this.c.memory.buffer, address, count);
  }

  text(address, length = -1) {
    const bytes = new Uint8Array(this.c.memory.buffer, address);
    return new TextDecoder().decode(bytes.slice(0, length < 0 ? bytes.indexOf(0) : length));
  }

  write(address, text) {
    const bytes = new TextEncoder().encode(text);
    this.view(Uint8Array, address, bytes.length).set(bytes);
    return bytes.length;
  }

  status(number) {
    return this.text(this.c.status_text(number));
  }

  symbol(op) {
    return this.text(this.c.op_symbol(op));
  }

  op(name) {
    this.write(this.c.classifier_part(this.room, 15), `${name}\0`);
    return this.c.classifier_op(this.room);
  }

  // Return a number as Python's repr() writes it.
  repr(x) {
    const room = this.c.classifier_part(this.room, 15);
    return this.text(room, this.c.text_of(x, room));
  }

  // Run the demo; returns its lines, as one text, and their SHA-256.
  demo() {
    const { c, room } = this;
    const length = c.classifier_demo(room);
    if (length < 0) throw new Error(this.status(length));
    const text = c.classifier_part(room, 15);
    c.text_hash(text, length, text + length);
    return { text: this.text(text, length), hash: this.text(text + length, 64) };
  }
}

// Points, a network and its optimizer: the first tab.
export class Classifier {
  constructor(engine) {
    this.engine = engine;
    this.c = engine.c;
    this.it = engine.c.classifier_new();
  }

  part(kind, which, count) {
    return this.engine.view(kind, this.c.classifier_part(this.it, which), count);
  }

  start({ data, points, hidden, activation, optimizer, lr, decay, seed, keep = false }) {
    const { c, it } = this;
    const room = c.classifier_part(it, 15);
    this.engine.view(Int32Array, room, hidden.length).set(hidden);
    this.sizes = [2, ...hidden];
    const status = c.classifier_start(
      it, BigInt(seed), DATA.indexOf(data), points, hidden.length, room,
      this.engine.op(activation), keep ? 1 : 0,
    );
    if (status < 0) throw new Error(this.engine.status(status));
    this.sizes.push(this.classes);
    c.classifier_optimize(it, optimizer, lr, decay);
  }

  rates(lr, decay) { this.c.classifier_rates(this.it, lr, decay); }
  step() { return this.c.classifier_step(this.it); }
  loss(part) { return this.c.classifier_loss(this.it, part); }
  correct(part) { return this.c.classifier_correct(this.it, part); }
  add(x, y, label) { return this.c.classifier_add(this.it, x, y, label); }
  remove(i) { return this.c.classifier_remove(this.it, i); }
  surface(x0, y0, x1, y1, grid) {
    return this.c.classifier_surface(this.it, x0, y0, x1, y1, grid);
  }

  get count() { return this.c.classifier_fact(this.it, 0); }
  get classes() { return this.c.classifier_fact(this.it, 1); }
  get parameters() { return this.c.classifier_fact(this.it, 2); }
  get steps() { return this.c.classifier_fact(this.it, 3); }
  get lastLoss() { return this.c.classifier_last_loss(this.it); }
  get xy() { return this.part(Float64Array, 0, 2 * this.count); }
  get labels() { return this.part(Int32Array, 1, this.count); }
  get parts() { return this.part(Int32Array, 2, this.count); }
  get data() { return this.part(Float64Array, 3, this.parameters); }
  get gradients() { return this.part(Float64Array, 4, this.parameters); }
  get m() { return this.part(Float64Array, 5, this.parameters); }
  get v() { return this.part(Float64Array, 6, this.parameters); }
  get moves() { return this.part(Float64Array, 16, this.parameters); }
  probabilities(grid) { return this.part(Float64Array, 7, grid * grid * this.classes); }

  lines() {
    const count = this.c.classifier_find_lines(this.it);
    return this.part(Float64Array, 8, 5 * count);
  }

  // Return the graph of the loss of one example, the loss first, or what is wrong.
  graph(x, y, label) {
    const status = this.c.classifier_graph(this.it, x, y, label);
    if (status === LIMIT) return { error: "a graph of more than 8,192 nodes is not drawn" };
    if (status < 0) return { error: this.engine.status(status) };
    const count = this.c.classifier_fact(this.it, 4);
    // Copies, since memory that grows leaves views behind.
    return {
      count,
      op: this.part(Int32Array, 9, count).slice(),
      kind: this.part(Int32Array, 10, count).slice(),
      operands: this.part(Int32Array, 11, 2 * count).slice(),
      data: this.part(Float64Array, 12, count).slice(),
      gradient: this.part(Float64Array, 13, count).slice(),
      exponent: this.part(Float64Array, 14, count).slice(),
    };
  }

  // Return the name of each parameter, and the first of each layer.
  names() {
    const names = [];
    const firsts = [];
    for (let layer = 1; layer < this.sizes.length; layer++) {
      firsts.push(names.length);
      for (let neuron = 0; neuron < this.sizes[layer]; neuron++) {
        for (let i = 0; i < this.sizes[layer - 1]; i++)
          names.push(`${layer}.${neuron}.w${i}`);
        names.push(`${layer}.${neuron}.b`);
      }
    }
    return { names, firsts: [...firsts, names.length] };
  }
}

export const TABLES = [
  ["token", 27, 16], ["place", 16, 16], ["head", 27, 16], ["wq", 16, 16], ["wk", 16, 16],
  ["wv", 16, 16], ["wo", 16, 16], ["up", 64, 16], ["down", 16, 64],
];

// A GPT that spells names: the second tab.
export class Speller {
  constructor(engine, names) {
    this.engine = engine;
    this.c = engine.c;
    this.it = engine.c.gpt_new();
    this.text = names;
  }

  start(seed) {
    const length = this.engine.write(this.c.gpt_part(this.it, 0), this.text);
    const status = this.c.gpt_start(this.it, BigInt(seed), length);
    if (status < 0) throw new Error(this.engine.status(status));
  }

  part(kind, which, count) {
    return this.engine.view(kind, this.c.gpt_part(this.it, which), count);
  }

  step() { return this.c.gpt_step(this.it); }
  sample(temperature) {
    return this.engine.text(this.c.gpt_sample(this.it, temperature));
  }
  largest(table) { return this.c.gpt_largest(this.it, table); }

  get steps() { return this.c.gpt_fact(this.it, 0); }
  get length() { return this.c.gpt_fact(this.it, 1); }
  get lastLoss() { return this.c.gpt_last_loss(this.it); }
  get meanLoss() { return this.c.gpt_mean_loss(this.it); }
  get weights() { return this.part(Float64Array, 1, 4192); }
  get gradients() { return this.part(Float64Array, 2, 4192); }
  get attention() { return this.part(Float64Array, 3, 4 * 16 * 16); }
  get probabilities() { return this.part(Float64Array, 4, 16 * 27); }
  get tokens() { return this.part(Int32Array, 5, 17); }
}
