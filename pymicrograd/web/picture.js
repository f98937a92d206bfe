// What the pictures share: canvases that are sharp on every screen, colours of both themes, lines
// of losses, and the loop that makes steps.

export function byId(id) {
  return document.getElementById(id);
}

// Fit a canvas to its place, and return what draws on it, in CSS pixels.
export function drawing(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const sharp = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * sharp), Math.round(height * sharp)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const to = canvas.getContext("2d");
  to.setTransform(sharp, 0, 0, sharp, 0, 0);
  to.clearRect(0, 0, width, height);
  return { to, width, height };
}

let colours = null;
const dark = window.matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => {
  colours = null;
  window.dispatchEvent(new Event("resize"));
});

// Return a colour of page.css by its name.
export function colour(name) {
  colours ??= getComputedStyle(document.documentElement);
  return colours.getPropertyValue(`--${name}`).trim();
}

// Return a colour of page.css as three numbers.
export function rgb(name) {
  const hex = colour(name);
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

const MINUS = "\u2212";

// Shorten a number for tables and pictures; the digits that count are repr()'s.
export function short(x, digits = 4) {
  if (x === 0) return "0";
  if (!Number.isFinite(x)) return String(x);
  const size = Math.abs(x);
  const text = size >= 1e5 || size < 1e-4 ? size.toExponential(2) : size.toFixed(digits);
  return (x < 0 ? MINUS : "") + text.replace("e-", `e${MINUS}`);
}

// Losses as lines over steps, with a logarithmic scale if it is asked for.
export class Chart {
  constructor(canvas, names, logarithmic) {
    Object.assign(this, { canvas, names, logarithmic });
    this.clear();
  }

  clear() {
    this.lines = this.names.map(() => []);
  }

  // Remember a loss of each line, NaN for none; of many every other one is forgotten.
  push(step, losses) {
    losses.forEach((loss, i) => {
      if (!Number.isFinite(loss)) return;
      this.lines[i].push([step, loss]);
      if (this.lines[i].length > 2000)
        this.lines[i] = this.lines[i].filter((_, j) => j % 2 || j < 2);
    });
  }

  draw() {
    const { to, width, height } = drawing(this.canvas);
    const all = this.lines.flat();
    to.font = "11px system-ui, sans-serif";
    to.fillStyle = colour("faint");
    if (all.length === 0) {
      to.fillText("no step yet", 12, 22);
      return;
    }
    const scale = this.logarithmic ? (y) => Math.log10(Math.max(y, 1e-12)) : (y) => y;
    const ys = all.map(([, y]) => scale(y));
    const low = Math.floor(Math.min(...ys));
    const high = Math.max(Math.ceil(Math.max(...ys)), low + 1);
    const end = Math.max(10, ...all.map(([x]) => x));
    const at = ([x, y]) => [
      44 + (x / end) * (width - 56),
      height - 22 - ((scale(y) - low) / (high - low)) * (height - 34),
    ];
    to.strokeStyle = colour("line");
    to.lineWidth = 1;
    to.textAlign = "right";
    for (let y = low; y <= high; y += high - low > 5 ? 2 : high - low > 1 ? 1 : 0.5) {
      const label = this.logarithmic ? 10 ** y : y;
      const [, py] = at([0, label]);
      to.beginPath();
      to.moveTo(44, py);
      to.lineTo(width - 12, py);
      to.stroke();
      const text = label < 0.001 ? label.toExponential(0) : String(+label.toPrecision(2));
      to.fillText(text, 38, py + 4);
    }
    to.fillText(`step ${end}`, width - 12, height - 6);
    to.textAlign = "left";
    to.fillText("0", 44, height - 6);
    this.lines.forEach((line, i) => {
      to.strokeStyle = colour(`chart${i}`);
      to.lineWidth = this.names[i] === "loss" ? 1 : 2;
      to.beginPath();
      for (const point of line) to.lineTo(...at(point));
      to.stroke();
    });
  }
}

// Steps a second; the last is as many as fit into a frame.
const SPEEDS = [1, 5, 20, 60, 1e9];
const FRAME = 6; // milliseconds that steps may take of one

// Play, pause, step, reset: the buttons of a tab and the loop behind them. One loop runs.
export class Player {
  constructor(prefix, { step, reset, show }) {
    Object.assign(this, { step, reset, show, playing: false, due: 0, last: 0 });
    this.button = byId(`${prefix}-play`);
    this.speed = byId(`${prefix}-speed`);
    this.button.onclick = () => this.play(!this.playing);
    byId(`${prefix}-step`).onclick = () => this.once();
    byId(`${prefix}-reset`).onclick = () => this.again();
    this.speed.oninput = () => this.tell();
    this.told = byId(`${prefix}-rate`);
    this.frames = 0;
    this.tell();
  }

  tell() {
    const speed = SPEEDS[this.speed.value];
    const steps = `${speed} step${speed > 1 ? "s" : ""} a second`;
    const text = speed > 1e6 ? "as fast as it goes" : steps;
    this.speed.setAttribute("aria-valuetext", text);
    this.told.textContent = text;
  }

  play(on) {
    this.playing = on;
    this.button.textContent = on ? "Pause" : "Play";
    this.button.setAttribute("aria-pressed", String(on));
    this.last = performance.now();
    this.due = 0;
    if (on) requestAnimationFrame((now) => this.frame(now));
    else this.show(true);
  }

  once() {
    if (this.playing) this.play(false);
    this.step();
    this.show(true);
  }

  again() {
    this.play(false);
    this.reset();
    this.show(true);
  }

  frame(now) {
    if (!this.playing) return;
    this.frames++;
    const speed = SPEEDS[this.speed.value];
    this.due = Math.min(this.due + ((now - this.last) / 1000) * speed, 1e6);
    this.last = now;
    const began = performance.now();
    while (this.due >= 1 && this.playing) {
      if (!this.step()) this.play(false);
      this.due--;
      if (performance.now() - began > FRAME) this.due = 0;
    }
    if (!this.playing) return;
    this.show(false);
    requestAnimationFrame((next) => this.frame(next));
  }
}
