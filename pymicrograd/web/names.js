// The tab of names: a GPT that learns to spell them, what it makes up, where it looks, what its
// weights get.

import { Speller, TABLES } from "./engine.js";
import { byId, Chart, colour, drawing, Player, rgb, short } from "./picture.js";

const EVERY = 250; // milliseconds between two looks
const SAMPLES = 12;
const [HEADS, PLACES, TOKENS] = [4, 16, 27];
const ROWS = 12; // letters that pictures have room for; of longer names they are smaller
const END = "·"; // the token before and after a name

function letter(token) {
  return token < 26 ? String.fromCharCode(97 + token) : END;
}

export class Names {
  constructor(engine, names) {
    this.engine = engine;
    this.speller = new Speller(engine, names);
    this.chart = new Chart(byId("names-chart"), ["loss", "mean of 50"], false);
    this.looked = 0;
    byId("temperature").oninput = () => {
      byId("temperature-told").textContent = (+byId("temperature").value).toFixed(1);
      this.samples();
    };
    byId("more-samples").onclick = () => this.samples();
    for (const name of ["gradients", "weights"])
      byId(`shown-${name}`).onchange = () => this.show(true);
    this.tables = TABLES.map(([name, rows, columns]) => this.tableOf(name, rows, columns));
    byId("tables").replaceChildren(...this.tables.map(({ figure }) => figure));
    this.player = new Player("names", {
      step: () => this.step(),
      reset: () => this.reset(),
      show: (whole) => this.show(whole),
    });
    this.reset();
  }

  // Make the picture of a table: its 16 columns, or rows, from top to bottom.
  tableOf(name, rows, columns) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    const caption = document.createElement("figcaption");
    [canvas.width, canvas.height] = [Math.max(rows, columns), 16];
    canvas.className = "pixels";
    canvas.style.aspectRatio = `${canvas.width} / 16`;
    canvas.setAttribute("role", "img");
    figure.append(caption, canvas);
    figure.style.flex = `${canvas.width} 1 ${6 * canvas.width}px`;
    return { name, rows, columns, figure, canvas, caption };
  }

  reset() {
    this.speller.start(42);
    this.chart.clear();
    byId("names-message").textContent = "";
    this.show(true);
  }

  step() {
    const { speller } = this;
    const status = speller.step();
    if (status < 0) {
      byId("names-message").textContent = this.engine.status(status);
      return false;
    }
    this.chart.push(speller.steps, [speller.lastLoss, speller.meanLoss]);
    return true;
  }

  show(whole) {
    if (byId("names").hidden) return;
    const now = performance.now();
    if (!whole && now - this.looked < EVERY) return;
    this.looked = now;
    const { speller, engine } = this;
    byId("names-steps").textContent = speller.steps;
    const loss = speller.lastLoss;
    byId("names-loss").textContent = Number.isNaN(loss) ? "–" : engine.repr(loss);
    this.chart.draw();
    this.samples();
    this.spelled();
    this.showTables();
  }

  samples() {
    const temperature = +byId("temperature").value;
    const items = Array.from({ length: SAMPLES }, () => {
      const item = document.createElement("li");
      item.textContent = this.speller.sample(temperature) || END;
      return item;
    });
    byId("samples").replaceChildren(...items);
  }

  // Show the last name: what was thought to come next, and where each head looked.
  spelled() {
    const { speller } = this;
    const tokens = [...speller.tokens.slice(0, speller.length)].map(letter);
    const next = [...speller.tokens.slice(1, speller.length + 1)].map(letter);
    byId("spelled").textContent = speller.length ? next.slice(0, -1).join("") : "no name yet";
    this.guesses(tokens, next);
    for (let head = 0; head < HEADS; head++) this.head(head, tokens);
  }

  guesses(tokens, next) {
    const { to, width, height } = drawing(byId("guesses"));
    const { probabilities } = this.speller;
    const [wide, high] = [(width - 28) / TOKENS, (height - 20) / Math.max(ROWS, tokens.length)];
    to.font = `${Math.min(12, wide + 1)}px ui-monospace, monospace`;
    to.textAlign = "center";
    to.fillStyle = colour("text");
    for (let k = 0; k < TOKENS; k++) to.fillText(letter(k), 28 + (k + 0.5) * wide, 12);
    tokens.forEach((token, at) => {
      to.fillStyle = colour("text");
      to.fillText(token, 14, 20 + (at + 0.75) * high);
      for (let k = 0; k < TOKENS; k++) {
        to.fillStyle = shade(probabilities[at * TOKENS + k]);
        to.fillRect(28 + k * wide, 20 + at * high, wide - 1, high - 1);
        if (letter(k) !== next[at]) continue;
        to.strokeStyle = colour("mark");
        to.lineWidth = 1.5;
        to.strokeRect(28 + k * wide, 20 + at * high, wide - 1, high - 1);
      }
    });
  }

  head(head, tokens) {
    const { to, width, height } = drawing(byId(`head${head}`));
    const { attention } = this.speller;
    const cell = (Math.min(width, height) - 18) / Math.max(ROWS, tokens.length);
    to.font = `${Math.min(11, cell + 1)}px ui-monospace, monospace`;
    to.textAlign = "center";
    tokens.forEach((token, at) => {
      to.fillStyle = colour("text");
      to.fillText(token, 9, 18 + (at + 0.8) * cell);
      to.fillText(token, 18 + (at + 0.5) * cell, 12);
      for (let other = 0; other <= at; other++) {
        to.fillStyle = shade(attention[(head * PLACES + at) * PLACES + other]);
        to.fillRect(18 + other * cell, 18 + at * cell, cell - 1, cell - 1);
      }
    });
  }

  showTables() {
    const gradients = byId("shown-gradients").checked;
    const all = gradients ? this.speller.gradients : this.speller.weights;
    const [plus, minus, zero] = [rgb("plus"), rgb("minus"), rgb("zero")];
    let first = 0;
    this.tables.forEach(({ name, rows, columns, canvas, caption }, which) => {
      const count = rows * columns;
      const largest = gradients ? this.speller.largest(which) : 1;
      const image = new ImageData(canvas.width, canvas.height);
      for (let i = 0; i < count; i++) {
        const size = largest ? Math.min(Math.sqrt(Math.abs(all[first + i]) / largest), 1) : 0;
        const end = all[first + i] < 0 ? minus : plus;
        const at = columns > 16 ? i : (i % columns) * rows + Math.floor(i / columns);
        for (let channel = 0; channel < 3; channel++)
          image.data[4 * at + channel] = zero[channel] + (end[channel] - zero[channel]) * size;
        image.data[4 * at + 3] = 255;
      }
      canvas.getContext("2d").putImageData(image, 0, 0);
      caption.textContent = `${name} ${rows} × ${columns}`;
      if (gradients) caption.textContent += `, up to ${short(largest, 4)}`;
      canvas.setAttribute("aria-label", caption.textContent);
      first += count;
    });
  }
}

// Return the colour of a probability.
function shade(p) {
  const [zero, end] = [rgb("zero"), rgb("plus")];
  const mixed = zero.map((z, i) => Math.round(z + (end[i] - z) * Math.sqrt(Math.min(p, 1))));
  return `rgb(${mixed})`;
}
