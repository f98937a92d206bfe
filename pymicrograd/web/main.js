// The page: loads the engine, has the two tabs and the button that verifies digits.

import { load } from "./engine.js";
import { Names } from "./names.js";
import { byId } from "./picture.js";
import { Points } from "./points.js";

const TABS = ["points", "names"];
// What `pymicrograd demo --math portable --no-compare | head -110 | sha256sum` prints.
const HASH = "cf56cfd66035b3799dc2e40291ebff07d2d9d296be418fc619d697118b44b440";

const page = { tabs: {}, engine: null };

function choose(name) {
  for (const tab of TABS) {
    byId(tab).hidden = tab !== name;
    byId(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
    byId(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
    if (tab !== name) page.tabs[tab]?.player.play(false);
  }
  if (name === "names") page.tabs.names ??= new Names(page.engine, page.names);
  page.tabs[name].show(true);
  history.replaceState(null, "", `#${name}`);
}

// Train the demo's network anew and compare the hash of its lines with Python's.
function verify() {
  const began = performance.now();
  const { text, hash } = page.engine.demo();
  const took = performance.now() - began;
  const same = hash === HASH;
  byId("hash").textContent = hash;
  byId("hash").dataset.same = same;
  byId("verdict").textContent = same
    ? `The same: ${text.split("\n").length - 1} lines, in ${took.toFixed(0)} ms.`
    : "Not the same as Python's: please report this browser.";
  byId("demo-lines").textContent = text;
  byId("verified").hidden = false;
}

function keys(event) {
  if (event.target.closest("input, select, textarea, button, summary, a")) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { player } = page.tabs[TABS.find((tab) => !byId(tab).hidden)];
  const actions = {
    " ": () => player.play(!player.playing), s: () => player.once(), r: () => player.again(),
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}

async function begin() {
  const [wasm, names] = await Promise.all(["page.wasm", "names.txt"].map((name) => fetch(name)));
  page.engine = await load(await wasm.arrayBuffer());
  page.names = await names.text();
  page.tabs.points = new Points(page.engine);
  for (const [i, tab] of TABS.entries()) {
    byId(`tab-${tab}`).onclick = () => choose(tab);
    byId(`tab-${tab}`).onkeydown = (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = TABS[1 - i];
      choose(other);
      byId(`tab-${other}`).focus();
    };
  }
  byId("verify").onclick = verify;
  document.addEventListener("keydown", keys);
  window.addEventListener("resize", () =>
    page.tabs[TABS.find((tab) => !byId(tab).hidden)].show(true));
  byId("expected").textContent = HASH;
  const wanted = location.hash.slice(1);
  choose(TABS.includes(wanted) ? wanted : "points");
  document.body.dataset.ready = "true";
}

begin().catch((error) => {
  byId("failure").textContent = `The page cannot start: ${error.message}`;
  byId("failure").hidden = false;
  throw error;
});

window.page = page; // for a look from the console
