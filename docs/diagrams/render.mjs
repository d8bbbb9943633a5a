// Draws a graph in the DOT language, from standard input, as SVG.
import { readFileSync } from "node:fs";
import { instance } from "@viz-js/viz";

const viz = await instance();
process.stdout.write(viz.renderString(readFileSync(0, "utf-8"), { format: "svg" }) + "\n");
