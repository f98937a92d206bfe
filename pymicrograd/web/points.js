// The tab of points: its controls, and what is shown of the classifier.

import { ACTIVATIONS, Classifier, DATA, MOST, OPTIMIZERS, PARTS } from "./engine.js";
import { Graph } from "./graph.js";
import { byId, Chart, Player } from "./picture.js";
import { Surface } from "./surface.js";
import { Table } from "./table.js";

const EVERY = 100; // milliseconds between two looks at numbers, while steps are made
const RATES = [0.1, 0.1, 0.5, 0.1]; // learning rates that suit the optimizers

export class Points {
  constructor(engine) {
    this.engine = engine;
    this.classifier = new Classifier(engine);
    this.surface = new Surface(byId("surface"), this.classifier, (edited) => this.touched(edited));
    this.graph = new Graph(byId("graph"), engine);
    this.table = new Table(this.classifier);
    this.chart = new Chart(byId("points-chart"), ["train", "val"], true);
    this.looked = 0;
    this.choices();
    this.player = new Player("points", {
      step: () => this.step(),
      reset: () => this.reset(),
      show: (whole) => this.show(whole),
    });
    this.reset();
  }

  // ---- controls

  choices() {
    const fill = (id, names, named = (i) => names[i]) =>
      byId(id).replaceChildren(...names.map((name, i) => new Option(name, named(i))));
    byId("controls").onsubmit = (event) => event.preventDefault();
    fill("data", DATA);
    fill("activation", ACTIVATIONS);
    fill("optimizer", OPTIMIZERS, (i) => i);
    byId("optimizer").addEventListener("change", () => {
      byId("lr").value = RATES[byId("optimizer").value];
    });
    for (const id of ["data", "count", "seed"])
      byId(id).addEventListener("change", () => this.player.again());
    for (const id of ["layers", "activation", "optimizer"])
      byId(id).addEventListener("change", () => {
        this.player.play(false);
        this.reset(this.edited);
      });
    for (const id of ["lr", "decay"])
      byId(id).addEventListener("change", () => this.rates());
    byId("lines").onchange = () => {
      this.surface.lines = byId("lines").checked;
      this.show(true);
    };
    byId("remove").onclick = () => this.surface.remove(this.surface.selected);
    byId("graph-in").onclick = () => this.graph.zoom(1.4);
    byId("graph-out").onclick = () => this.graph.zoom(1 / 1.4);
    byId("graph-fit").onclick = () => (this.graph.fit(), this.graph.draw());
    byId("graph-open").addEventListener("toggle", () => this.show(true));
    byId("table-open").addEventListener("toggle", () => this.show(true));
  }

  // Return a number of a field, brought into its range.
  number(id) {
    const field = byId(id);
    const [low, high] = [+field.min, field.max ? +field.max : Infinity];
    const wanted = field.value === "" ? NaN : +field.value;
    const fits = Number.isFinite(wanted) && wanted >= low && wanted <= high;
    if (!fits) field.value = wanted > high ? high : wanted < low ? low : field.defaultValue;
    return +field.value;
  }

  // Return the sizes of hidden layers in the text of the field: "16" or "8, 8".
  hidden() {
    const field = byId("layers");
    const sizes = field.value.split(/[\s,;]+/).filter((size) => size !== "").map(Number);
    const fits = sizes.length <= MOST.hidden &&
      sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= MOST.width);
    if (!fits) {
      field.value = field.defaultValue;
      this.say(`up to ${MOST.hidden} hidden layers of 1 to ${MOST.width} neurons, such as 8,8`);
      return [16];
    }
    return sizes;
  }

  rates() {
    this.classifier.rates(this.number("lr"), this.number("decay"));
    if (this.classifier.steps) this.edited = true;
    this.command();
  }

  // Begin anew from the seed; with `keep` the points stay where a user has put them.
  reset(keep = false) {
    this.say("");
    this.edited = keep;
    const optimizer = +byId("optimizer").value;
    const seed = byId("seed");
    const fits = /^[0-9]{1,19}$/.test(seed.value) && BigInt(seed.value) > 0n;
    if (!fits) seed.value = seed.defaultValue;
    this.points = Math.round(this.number("count"));
    this.classifier.start({
      data: byId("data").value,
      points: this.points,
      hidden: this.hidden(),
      activation: byId("activation").value,
      optimizer,
      lr: this.number("lr"),
      decay: this.number("decay"),
      seed: seed.value,
      keep,
    });
    this.surface.selected = -1;
    this.surface.label = 0;
    this.classButtons();
    this.table.build(optimizer);
    this.chart.clear();
    this.command();
    this.show(true);
  }

  // Say which command prints the same losses, if there is one.
  command() {
    const value = (id) => byId(id).value.trim();
    const { sizes } = this.classifier;
    const usual = value("activation") === "tanh" && value("optimizer") === "0" && sizes.length > 2;
    const words = ["pymicrograd demo --math portable"];
    const say = (option, id, text = value(id)) =>
      text !== byId(id).defaultValue && words.push(`--${option} ${text}`);
    if (value("data") !== "quadrants") words.push(`--data ${value("data")}`);
    say("points", "count", String(this.points));
    say("layers", "layers", sizes.slice(1, -1).join(","));
    say("lr", "lr");
    say("weight-decay", "decay");
    say("seed", "seed");
    const same = usual && !this.edited && +value("lr") > 0;
    byId("command").textContent = same ? words.join(" ") : "";
    byId("command-line").hidden = !same;
  }

  classButtons() {
    const buttons = Array.from({ length: this.classifier.classes }, (_, label) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = `class class${label}`;
      button.textContent = label + 1;
      button.setAttribute("aria-label", `class ${label + 1}`);
      button.onclick = () => this.surface.relabel(label);
      return button;
    });
    byId("classes").replaceChildren(...buttons);
  }

  // ---- steps

  step() {
    const { classifier } = this;
    if (classifier.steps % 10 === 0) this.chart.push(classifier.steps, [NaN, classifier.loss(1)]);
    const status = classifier.step();
    if (status < 0) {
      this.say(`step ${classifier.steps}: ${this.engine.status(status)}; the training diverged`);
      return false;
    }
    if (status === 0) {
      this.say("there is no point to train on");
      return false;
    }
    this.chart.push(classifier.steps - 1, [classifier.lastLoss, NaN]);
    return true;
  }

  // ---- showing

  touched(edited) {
    if (!this.player) return;
    if (edited && !this.edited) {
      this.edited = true;
      this.command();
    }
    if (!this.player.playing) this.show(true);
    this.pointText();
  }

  // Show all that there is; while steps are made, numbers only now and then.
  show(whole) {
    if (byId("points").hidden) return;
    this.surface.draw(whole);
    const now = performance.now();
    if (!whole && now - this.looked < EVERY) return;
    this.looked = now;
    this.chart.draw();
    this.numbers(whole);
    this.pointText();
    if (byId("table-open").open) this.table.show(whole);
    if (byId("graph-open").open) this.showGraph();
  }

  numbers(whole) {
    const { classifier, engine } = this;
    byId("points-steps").textContent = classifier.steps;
    const loss = classifier.lastLoss;
    byId("points-loss").textContent = Number.isNaN(loss) ? "–" : engine.repr(loss);
    PARTS.forEach((name, part) => {
      const all = classifier.parts.filter((its) => its === part).length;
      const right = whole || part === 0 ? classifier.correct(part) : null;
      if (right !== null) byId(`right-${name}`).textContent = `${right} of ${all}`;
    });
    const val = classifier.loss(1);
    byId("val-loss").textContent = Number.isNaN(val) ? "–" : engine.repr(val);
  }

  pointText() {
    const { classifier, surface } = this;
    const i = surface.selected;
    byId("remove").disabled = i < 0;
    for (const [label, button] of [...byId("classes").children].entries()) {
      const its = i >= 0 ? classifier.labels[i] : surface.label;
      button.setAttribute("aria-pressed", String(label === its));
    }
    const coordinates = i < 0 ? surface.cursor : classifier.xy.slice(2 * i, 2 * i + 2);
    const where = coordinates && [...coordinates].map((x) => x.toFixed(2)).join(", ");
    byId("point").textContent = i >= 0
      ? `point ${i} at (${where}), ${PARTS[classifier.parts[i]]}`
      : where ? `a new point at (${where}): Enter` : `${classifier.count} points, none selected`;
  }

  showGraph() {
    const { classifier } = this;
    if (!classifier.count) return;
    const i = Math.max(this.surface.selected, 0);
    const [x, y] = classifier.xy.slice(2 * i, 2 * i + 2);
    const graph = classifier.graph(x, y, classifier.labels[i]);
    const { sizes, labels } = classifier;
    const key = [sizes, byId("activation").value, graph.count, labels[i]].join(" ");
    byId("graph-of").textContent =
      `the loss of point ${i} at (${x.toFixed(2)}, ${y.toFixed(2)}), ${graph.count ?? 0} nodes`;
    this.graph.show(graph, key, this.table.names.names);
  }

  say(text) {
    byId("points-message").textContent = text;
  }
}
