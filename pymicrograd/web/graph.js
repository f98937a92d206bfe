// The graph of one example's loss, from its inputs on the left to the loss on the right, with the
// numbers that the last step left. It is laid out once for each network.

import { colour, drawing, short } from "./picture.js";

const [WIDE, HIGH] = [92, 46]; // of a node
const [COLUMN, ROW] = [128, 54]; // distances
const LEGIBLE = 0.9; // the least scale at which numbers are read with ease
const KINDS = ["constant", "parameter", "input", "operation"];

export class Graph {
  constructor(canvas, engine) {
    Object.assign(this, { canvas, engine, places: null, key: "" });
    this.view = null;
    this.symbols = new Map();
    this.listen();
  }

  // Show a graph; `key` is the same for those of one shape.
  show(graph, key, names) {
    this.graph = graph;
    this.names = names;
    if (!graph.error && key !== this.key) {
      this.key = key;
      this.places = layout(graph);
      this.fit(true);
    }
    this.draw();
  }

  // ---- drawing

  // Show all of it; or, with `near`, its end with the loss, as large as can be read.
  fit(near = false) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!this.places || !width) return;
    const { at, right, bottom } = this.places;
    const whole = Math.min(width / (right + 40), height / (bottom + 40), 1.2);
    const scale = near ? Math.max(whole, LEGIBLE) : whole;
    this.view = { scale, x: (width - right * scale) / 2, y: (height - bottom * scale) / 2 };
    if (scale === whole) return;
    this.view.x = Math.min(20, width - (right + 20) * scale);
    this.view.y = height / 2 - (at[0][1] + HIGH / 2) * scale;
  }

  draw() {
    const { to, width, height } = drawing(this.canvas);
    to.font = "12px system-ui, sans-serif";
    to.fillStyle = colour("faint");
    if (!this.graph || this.graph.error) {
      to.fillText(this.graph?.error ?? "", 12, 24);
      return;
    }
    if (!this.view || this.width !== width) this.fit(true);
    this.width = width;
    const { scale, x, y } = this.view;
    to.translate(x, y);
    to.scale(scale, scale);
    this.edges(to);
    const box = [-x / scale, -y / scale, (width - x) / scale, (height - y) / scale];
    for (let i = 0; i < this.graph.count; i++) this.node(to, i, scale, box);
  }

  edges(to) {
    const { operands, count } = this.graph;
    to.strokeStyle = colour("edge");
    to.lineWidth = Math.max(1.2, 0.5 / this.view.scale);
    to.beginPath();
    for (let i = 0; i < count; i++) {
      for (const operand of [operands[2 * i], operands[2 * i + 1]]) {
        if (operand < 0) continue;
        const [x0, y0] = this.places.at[operand];
        const [x1, y1] = this.places.at[i];
        to.moveTo(x0 + WIDE, y0 + HIGH / 2);
        to.bezierCurveTo(
          x0 + WIDE + 24, y0 + HIGH / 2, x1 - 24, y1 + HIGH / 2, x1, y1 + HIGH / 2,
        );
      }
    }
    to.stroke();
  }

  node(to, i, scale, [left, top, right, bottom]) {
    const [x, y] = this.places.at[i];
    if (x > right || y > bottom || x + WIDE < left || y + HIGH < top) return;
    const { kind, data, gradient } = this.graph;
    to.fillStyle = colour(KINDS[kind[i]]);
    to.strokeStyle = colour(i === 0 ? "mark" : "edge");
    to.lineWidth = i === 0 ? 3 : Math.max(1, 0.5 / scale);
    to.beginPath();
    to.roundRect(x, y, WIDE, HIGH, 7);
    to.fill();
    to.stroke();
    if (scale < 0.3) return;
    to.fillStyle = colour("text");
    to.font = "600 12px system-ui, sans-serif";
    to.fillText(this.name(i), x + 7, y + 14, WIDE - 12);
    if (scale < 0.45) return;
    to.font = "11px ui-monospace, monospace";
    to.fillText(`data ${short(data[i])}`, x + 7, y + 27, WIDE - 12);
    to.fillStyle = colour("faint");
    to.fillText(`grad ${short(gradient[i])}`, x + 7, y + 40, WIDE - 12);
  }

  // Name a node: a parameter, an input, an op's symbol.
  name(i) {
    const { op, kind, exponent } = this.graph;
    if (i === 0) return "loss";
    if (kind[i] === 2) return i === 1 ? "x" : "y"; // they stand behind the loss
    if (kind[i] === 1) return this.names[i - 3];
    if (kind[i] === 0) return "constant";
    if (!this.symbols.has(op[i])) this.symbols.set(op[i], this.engine.symbol(op[i]));
    const symbol = this.symbols.get(op[i]);
    return symbol === "**" ? `** ${exponent[i]}` : symbol === "*" ? "×" : symbol;
  }

  // ---- what a user does

  zoom(by, cx = this.canvas.clientWidth / 2, cy = this.canvas.clientHeight / 2) {
    if (!this.view) return;
    const scale = Math.min(Math.max(this.view.scale * by, 0.05), 3);
    const ratio = scale / this.view.scale;
    this.view = {
      scale, x: cx - (cx - this.view.x) * ratio, y: cy - (cy - this.view.y) * ratio,
    };
    this.draw();
  }

  pan(dx, dy) {
    if (!this.view) return;
    this.view.x += dx;
    this.view.y += dy;
    this.draw();
  }

  listen() {
    const { canvas } = this;
    const fingers = new Map();
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // the page scrolls
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const now = [event.clientX, event.clientY];
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) this.pinch(before, now, other);
      else this.pan(now[0] - before[0], now[1] - before[1]);
      fingers.set(event.pointerId, now);
    });
    for (const name of ["pointerup", "pointercancel"])
      canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
    canvas.addEventListener("keydown", (event) => {
      const keys = {
        ArrowLeft: () => this.pan(40, 0), ArrowRight: () => this.pan(-40, 0),
        ArrowUp: () => this.pan(0, 40), ArrowDown: () => this.pan(0, -40),
        "+": () => this.zoom(1.25), "-": () => this.zoom(0.8),
        0: () => (this.fit(), this.draw()),
      };
      if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      keys[event.key]();
    });
  }

  pinch(before, now, other) {
    const far = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]);
    const box = this.canvas.getBoundingClientRect();
    if (far(before) > 0)
      this.zoom(far(now) / far(before), other[0] - box.left, other[1] - box.top);
  }
}

// Place nodes in columns by how far they are from leaves, those of a neuron beside each other.
function layout({ count, operands, kind }) {
  const order = postorder(operands);
  const depth = new Int32Array(count);
  for (const i of order)
    for (const a of below(operands, i)) depth[i] = Math.max(depth[i], depth[a] + 1);
  const nearest = new Int32Array(count).fill(1 << 20);
  for (const i of order)
    for (const a of below(operands, i)) nearest[a] = Math.min(nearest[a], depth[i]);
  const columns = [];
  const height = new Float64Array(count);
  let row = 0;
  for (const i of order) {
    const its = below(operands, i);
    if (its.length === 0) height[i] = row++;
    else height[i] = its.reduce((sum, a) => sum + height[a], 0) / its.length;
    const column = its.length || kind[i] === 2 ? depth[i] : nearest[i] - 1;
    (columns[column] ??= []).push(i);
  }
  const at = [];
  let bottom = 0;
  columns.forEach((nodes, column) => {
    nodes.sort((a, b) => height[a] - height[b]);
    nodes.forEach((i, j) => (at[i] = [column * COLUMN, j * ROW]));
    bottom = Math.max(bottom, nodes.length * ROW);
  });
  for (const nodes of columns)
    for (const i of nodes ?? []) at[i][1] += (bottom - nodes.length * ROW) / 2;
  for (let i = 0; i < count; i++) at[i] ??= [0, -10 * ROW]; // what the loss does not depend on
  return { at, right: columns.length * COLUMN, bottom };
}

function below(operands, i) {
  return [operands[2 * i], operands[2 * i + 1]].filter((a) => a >= 0);
}

function postorder(operands) {
  const [order, seen, stack] = [[], new Set([0]), [[0, 0]]];
  while (stack.length) {
    const top = stack.at(-1);
    const next = below(operands, top[0])[top[1]++];
    if (next === undefined) order.push(stack.pop()[0]);
    else if (!seen.has(next)) {
      seen.add(next);
      stack.push([next, 0]);
    }
  }
  return order;
}
