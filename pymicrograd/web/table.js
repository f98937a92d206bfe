// The optimizer's table: of each parameter of a layer its value, by how much the last step moved
// it, that step's gradient, and what the optimizer remembers.

import { byId, short } from "./picture.js";

const MOST = 300; // rows
const REMEMBERED = [["m", "v"], ["m", "v"], [], ["velocity"]];

export class Table {
  constructor(classifier) {
    this.classifier = classifier;
    this.layer = byId("table-layer");
    this.layer.onchange = () => this.rows();
    this.body = byId("table-body");
    this.cells = [];
  }

  // Make the choice of layers and the rows of another network or optimizer.
  build(optimizer) {
    this.columns = ["value", "moved by", "gradient", ...REMEMBERED[optimizer]];
    this.names = this.classifier.names();
    const { sizes } = this.classifier;
    this.layer.replaceChildren(
      ...sizes.slice(1).map((size, i) => new Option(`layer ${i + 1}: ${sizes[i]} → ${size}`, i)),
    );
    byId("table-head").replaceChildren(
      ...["parameter", ...this.columns].map((name) => {
        const cell = document.createElement("th");
        cell.scope = "col";
        cell.textContent = name;
        return cell;
      }),
    );
    this.rows();
  }

  rows() {
    const { names, firsts } = this.names;
    this.first = firsts[+this.layer.value];
    const all = firsts[+this.layer.value + 1] - this.first;
    const count = Math.min(all, MOST);
    this.cells = [];
    this.body.replaceChildren();
    for (let i = 0; i < count; i++) {
      const row = this.body.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = names[this.first + i];
      row.append(head);
      this.cells.push(this.columns.map(() => row.insertCell()));
    }
    byId("table-more").textContent = all > count ? `and ${all - count} more` : "";
    this.show(true);
  }

  // Write the numbers; `whole` also as Python prints them, which the pointer shows.
  show(whole) {
    const { classifier } = this;
    const { data, moves, gradients, m, v } = classifier;
    const columns = [data, moves, gradients, m, v];
    this.cells.forEach((cells, i) => {
      cells.forEach((cell, j) => {
        const x = columns[j][this.first + i];
        cell.textContent = short(x, 5);
        cell.title = whole ? classifier.engine.repr(x) : "";
      });
    });
  }
}
