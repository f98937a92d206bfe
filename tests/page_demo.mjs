// Prints the lines of the demo that the page's engine trains.

import { readFileSync } from "node:fs";
import { load } from "../pymicrograd/web/engine.js";

const wasm = new URL("../pymicrograd/web/page.wasm", import.meta.url);
process.stdout.write((await load(readFileSync(wasm))).demo().text);
