// Checks the engine in page.wasm against vectors/: ops and graphs of Values, and the generator.
// Arguments: page.wasm, the folder. Prints how many were compared; a difference is an error.

import { readFileSync, readdirSync } from "node:fs";
import { load } from "../pymicrograd/web/engine.js";

const [wasm, folder] = process.argv.slice(2);
const { c, room, ...engine } = await load(readFileSync(wasm));
const [NUMBERS, HANDLES] = [c.classifier_part(room, 15), c.classifier_part(room, 15) + 2048];
const ERRORS = { "-6": "domain", "-7": "overflow", "-8": "division" };
const ops = new Map(Array.from({ length: c.mg_scalar_op_count() }, (_, op) => [nameOf(op), op]));
let compared = 0;

function nameOf(op) {
  const bytes = new Uint8Array(c.memory.buffer, c.mg_op_name(op));
  return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
}

function fromHex(text) {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(`0x${text}`));
  return view.getFloat64(0);
}

function hex(x) {
  if (Number.isNaN(x)) return "7ff8000000000000";
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  return view.getBigUint64(0).toString(16).padStart(16, "0");
}

function expect(what, wanted, found) {
  compared += wanted.split(" ").length;
  if (wanted !== found) throw new Error(`${what}: ${wanted} expected, not ${found}`);
}

function linesOf(name) {
  return readFileSync(`${folder}/${name}`, "utf8").trimEnd().split("\n");
}

// ---- Values -------------------------------------------------------------------------------------

function read(arena, call, nodes) {
  new BigInt64Array(c.memory.buffer, HANDLES, nodes.length).set(nodes);
  call(arena, BigInt(nodes.length), HANDLES, NUMBERS);
  return [...new Float64Array(c.memory.buffer, NUMBERS, nodes.length)];
}

function record(arena, name, a, b) {
  const op = ops.get(name);
  if (name === "pow_number") return c.mg_record_number(arena, op, a, b);
  return c.mg_record(arena, op, a, b ?? 0n);
}

// Return y and the gradients of leaves, in hex; or where there is an error, and which.
function answer(arena, name, operands, g) {
  const leaves = (name === "pow_number" ? operands.slice(0, 1) : operands)
    .map((x) => c.mg_leaf(arena, x));
  const y = record(arena, name, leaves[0], name === "pow_number" ? operands[1] : leaves[1]);
  if (y < 0n) return `value ${ERRORS[y]}`;
  const status = c.mg_backward(arena, y, g, 0n);
  if (status < 0) return `gradient ${ERRORS[status]}`;
  const gradients = read(arena, c.mg_gradients, leaves);
  return [...read(arena, c.mg_data, [y]), ...gradients].map(hex).join(" ");
}

function checkOp(arena, file) {
  const name = file.replace(".txt", "");
  const count = name === "pow_number" ? 2 : c.mg_op_arity(ops.get(name));
  for (const line of linesOf(`scalars/${file}`)) {
    const words = line.split(" ");
    const given = words.splice(0, count + 1).map(fromHex);
    const g = given.pop();
    const numbers = words.filter((word) => word.length === 16).join(" ");
    const error = words.filter((word) => word.length !== 16).join(" ");
    for (const [ieee, wanted] of [[1, numbers], [0, error || numbers]]) {
      c.mg_set_ieee(arena, ieee);
      expect(`${name}: ${line}`, wanted, answer(arena, name, given, g));
    }
  }
}

// Return the gradients by leaves of the sum of the gradients of a node by them.
function second(arena, node, leaves) {
  new BigInt64Array(c.memory.buffer, HANDLES, leaves.length).set(leaves);
  const to = HANDLES + 8 * leaves.length;
  c.mg_grad(arena, node, BigInt(leaves.length), HANDLES, to);
  const gradients = [...new BigInt64Array(c.memory.buffer, to, leaves.length)];
  const sum = gradients.reduce((total, gradient) => record(arena, "add", total, gradient));
  read(arena, c.mg_zero_gradients, leaves);
  c.mg_backward(arena, sum, 1.0, 0n);
  return read(arena, c.mg_gradients, leaves);
}

function checkGraphs(arena) {
  let nodes = [];
  let leaves = [];
  for (const line of linesOf("graphs.txt")) {
    const [name, ...words] = line.split(" ");
    if (name === "graph") [nodes, leaves] = [[], []];
    else if (name === "leaf") {
      nodes.push(c.mg_leaf(arena, fromHex(words[0])));
      leaves.push(nodes.at(-1));
    } else if (name === "grads") {
      c.mg_backward(arena, nodes.at(-1), 1.0, 0n);
      expect("grads", words.join(" "), read(arena, c.mg_gradients, nodes).map(hex).join(" "));
    } else if (name === "second") {
      const found = second(arena, nodes.at(-1), leaves);
      expect("second", words.join(" "), found.map(hex).join(" "));
    } else {
      const [a, b] = words.slice(0, -1)
        .map((word) => (word.length === 16 ? fromHex(word) : nodes[word]));
      nodes.push(record(arena, name, a, b));
      expect(line, words.at(-1), hex(read(arena, c.mg_data, nodes.slice(-1))[0]));
    }
  }
}

// ---- the generator ------------------------------------------------------------------------------

function checkGenerator(file) {
  const seed = BigInt(`0x${file.replace(".txt", "")}`);
  const lines = linesOf(`generator/${file}`);
  const [whole, random, normal] = [0, 64, 128].map((place) => NUMBERS + place);
  for (const rng of [whole, random, normal]) c.mg_rng_seed(rng, seed);
  const next = () => [
    (c.mg_rng_u32(whole) >>> 0).toString(16).padStart(8, "0"),
    hex(c.mg_rng_random(random)), hex(c.mg_rng_normal(normal, 0, 1)),
  ].join(" ");
  for (const line of lines.slice(0, 1000)) expect(`seed ${seed}`, line, next());
  for (let i = 1000; i < 999999; i++)
    c.mg_rng_u32(whole), c.mg_rng_random(random), c.mg_rng_normal(normal, 0, 1);
  const last = next();
  if (!lines[1000].endsWith(last)) throw new Error(`number 1,000,000: ${lines[1000]}, not ${last}`);
  c.mg_rng_seed(whole, seed);
  c.mg_rng_permutation(whole, 100n, HANDLES);
  const order = [...new BigInt64Array(c.memory.buffer, HANDLES, 100)].join(" ");
  expect(`shuffle ${seed}`, lines.at(-1), `shuffle ${order}`);
}

c.mg_set_math(1);
const arena = c.mg_arena_new(0, 0);
const files = readdirSync(`${folder}/scalars`);
files.forEach((file) => checkOp(arena, file));
c.mg_set_ieee(arena, 0);
checkGraphs(arena);
readdirSync(`${folder}/generator`).forEach(checkGenerator);
console.log(`${files.length} ops, ${compared} answers`);
