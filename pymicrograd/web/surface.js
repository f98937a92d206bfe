// The picture of the plane: what the network thinks everywhere, the lines of hidden neurons, and
// the points, which a mouse, a finger or the keyboard moves, adds and removes.

import { colour, drawing, rgb } from "./picture.js";

const GRIDS = [50, 100]; // points in a row: while steps are made, else
const REACH = 2.4; // the plane from -REACH to REACH
const NEAR = 14; // pixels

export class Surface {
  constructor(canvas, classifier, changed) {
    Object.assign(this, { canvas, classifier, changed });
    this.image = document.createElement("canvas");
    this.selected = -1;
    this.cursor = null; // where the keyboard would add a point
    this.label = 0; // of new points
    this.lines = true;
    this.listen();
  }

  // ---- drawing

  draw(whole) {
    const { to, width } = drawing(this.canvas);
    this.size = width;
    this.grid = GRIDS[whole ? 1 : 0];
    const status = this.classifier.surface(-REACH, REACH, REACH, -REACH, this.grid);
    if (status === 0) this.colours(to);
    if (status === 0 && this.lines) this.neurons(to);
    this.points(to);
    if (this.cursor && document.activeElement === this.canvas) this.cross(to);
  }

  colours(to) {
    const { grid } = this;
    const { classes } = this.classifier;
    const found = this.classifier.probabilities(grid);
    const image = new ImageData(grid, grid);
    const mixed = Array.from({ length: classes }, (_, k) => rgb(`area${k}`));
    for (let i = 0; i < grid * grid; i++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let k = 0; k < classes; k++) sum += found[i * classes + k] * mixed[k][channel];
        image.data[4 * i + channel] = sum;
      }
      image.data[4 * i + 3] = 255;
    }
    this.image.width = this.image.height = grid;
    this.image.getContext("2d").putImageData(image, 0, 0);
    to.imageSmoothingEnabled = true;
    // The grid's first and last points lie on the edges: half a cell stands out on each side.
    const cell = this.size / (grid - 1);
    to.drawImage(this.image, -cell / 2, -cell / 2, this.size + cell, this.size + cell);
  }

  neurons(to) {
    const lines = this.classifier.lines();
    to.strokeStyle = colour("neuron");
    to.lineWidth = 1;
    to.beginPath();
    for (let i = 0; i < lines.length; i += 5) {
      to.moveTo(this.px(lines[i + 1]), this.py(lines[i + 2]));
      to.lineTo(this.px(lines[i + 3]), this.py(lines[i + 4]));
    }
    to.stroke();
  }

  points(to) {
    const { xy, labels, parts, count } = this.classifier;
    for (let i = 0; i < count; i++) {
      const [x, y] = [this.px(xy[2 * i]), this.py(xy[2 * i + 1])];
      to.fillStyle = colour(`class${labels[i]}`);
      to.strokeStyle = colour("rim");
      to.lineWidth = 1.5;
      to.beginPath();
      if (parts[i] === 0) to.arc(x, y, 5, 0, 7);
      else if (parts[i] === 1) to.rect(x - 4.5, y - 4.5, 9, 9);
      else {
        to.moveTo(x, y - 6);
        to.lineTo(x + 6, y + 4.5);
        to.lineTo(x - 6, y + 4.5);
        to.closePath();
      }
      to.fill();
      to.stroke();
      if (i !== this.selected) continue;
      to.strokeStyle = colour("mark");
      to.lineWidth = 3;
      to.beginPath();
      to.arc(x, y, 10, 0, 7);
      to.stroke();
    }
  }

  cross(to) {
    const [x, y] = [this.px(this.cursor[0]), this.py(this.cursor[1])];
    to.strokeStyle = colour("mark");
    to.lineWidth = 2;
    to.beginPath();
    to.moveTo(x - 9, y);
    to.lineTo(x + 9, y);
    to.moveTo(x, y - 9);
    to.lineTo(x, y + 9);
    to.stroke();
  }

  // ---- places

  px(x) { return ((x + REACH) / (2 * REACH)) * this.size; }
  py(y) { return ((REACH - y) / (2 * REACH)) * this.size; }

  // Return where in the plane an event is.
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const [u, v] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return [inside((2 * u - 1) * REACH), inside((1 - 2 * v) * REACH)];
  }

  // Return the point that is nearest to an event, if one is near.
  hit(event) {
    const box = this.canvas.getBoundingClientRect();
    const { xy, count } = this.classifier;
    let [best, least] = [-1, event.pointerType === "mouse" ? NEAR : 1.6 * NEAR];
    for (let i = 0; i < count; i++) {
      const dx = this.px(xy[2 * i]) - (event.clientX - box.left);
      const dy = this.py(xy[2 * i + 1]) - (event.clientY - box.top);
      const far = Math.hypot(dx, dy);
      if (far < least) [best, least] = [i, far];
    }
    return best;
  }

  // ---- what a user does

  listen() {
    const { canvas } = this;
    let held = -1; // the point that is dragged
    let began = null; // where a press began that may add a point
    canvas.addEventListener("touchstart", (event) => {
      if (this.hit({ ...position(event), pointerType: "touch" }) >= 0) event.preventDefault();
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      held = this.hit(event);
      began = held < 0 ? [event.clientX, event.clientY] : null;
      this.cursor = null;
      if (held < 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.select(held);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held >= 0) this.move(held, ...this.place(event));
      canvas.style.cursor = held >= 0 ? "grabbing" : this.hit(event) >= 0 ? "grab" : "crosshair";
    });
    canvas.addEventListener("pointerup", (event) => {
      if (began && Math.hypot(event.clientX - began[0], event.clientY - began[1]) < 6)
        this.add(...this.place(event));
      [held, began] = [-1, null];
    });
    canvas.addEventListener("pointercancel", () => ([held, began] = [-1, null]));
    canvas.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      const at = this.hit(event);
      if (at >= 0) this.remove(at);
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.changed(false));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = event.shiftKey ? 0.01 : 0.1;
    const moves = {
      ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, by], ArrowDown: [0, -by],
    };
    const actions = {
      n: () => this.next(1),
      p: () => this.next(-1),
      Enter: () => this.cursor && this.add(...this.cursor),
      Delete: () => this.remove(this.selected),
      Backspace: () => this.remove(this.selected),
      Escape: () => this.select(-1),
    };
    if (moves[event.key]) this.go(...moves[event.key]);
    else if (actions[event.key]) actions[event.key]();
    else if ("123".includes(event.key)) this.relabel(+event.key - 1);
    else return;
    event.preventDefault();
  }

  // Move the selected point or, where there is none, the cross.
  go(dx, dy) {
    const { xy } = this.classifier;
    const i = this.selected;
    if (i >= 0) {
      this.move(i, inside(xy[2 * i] + dx), inside(xy[2 * i + 1] + dy));
    } else {
      const [x, y] = this.cursor ?? [0, 0];
      this.cursor = [inside(x + dx), inside(y + dy)];
      this.changed(false);
    }
  }

  next(by) {
    const { count } = this.classifier;
    if (count) this.select((Math.max(this.selected, by > 0 ? -1 : 0) + by + count) % count);
  }

  select(i, edited = false) {
    this.selected = i;
    this.cursor = null;
    this.changed(edited);
  }

  move(i, x, y) {
    this.classifier.xy.set([x, y], 2 * i);
    this.changed(true);
  }

  relabel(label) {
    if (label < this.classifier.classes) this.label = label;
    if (this.selected >= 0) this.classifier.labels[this.selected] = this.label;
    this.changed(this.selected >= 0);
  }

  add(x, y) {
    const i = this.classifier.add(x, y, this.label);
    if (i >= 0) this.select(i, true);
  }

  remove(i) {
    if (i < 0) return;
    this.classifier.remove(i);
    this.select(-1, true);
  }
}

function inside(x) {
  return Math.min(Math.max(x, -REACH), REACH);
}

function position(event) {
  const { clientX, clientY } = event.touches[0];
  return { clientX, clientY };
}
