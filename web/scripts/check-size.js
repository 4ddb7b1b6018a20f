// Fails the build when what a reader downloads has outgrown its budget.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET_BYTES = {
  "reader script": 10 * 1024,
  "reader styles": 6 * 1024,
  "widget loader": 2 * 1024,
  "widget in all": 10 * 1024,
};

const root = new URL("../../liveserver/rendering/static/", import.meta.url);

function filesOf(entry, manifest, seen = new Set()) {
  const { file, css = [], imports = [] } = manifest[entry];
  seen.add(file);
  css.forEach((style) => seen.add(style));
  imports.forEach((other) => filesOf(other, manifest, seen));
  return [...seen];
}

function manifestOf(name) {
  return JSON.parse(readFileSync(new URL(`.vite/${name}.json`, root), "utf8"));
}

function gzipped(files) {
  return files.reduce((sum, file) => sum + gzipSync(readFileSync(new URL(file, root)), { level: 9 }).length, 0);
}

const reader = filesOf("src/reader/main.ts", manifestOf("manifest"));
const sizes = {
  "reader script": gzipped(reader.filter((file) => file.endsWith(".js"))),
  "reader styles": gzipped(reader.filter((file) => file.endsWith(".css"))),
  "widget loader": gzipped(["embed/v1.js"]),
  "widget in all": gzipped(["embed/v1.js", ...filesOf("src/widget/controller.ts", manifestOf("widget"))]),
};
for (const [name, size] of Object.entries(sizes)) {
  console.log(`${name}: ${size} of ${BUDGET_BYTES[name]} bytes gzipped`);
  if (size > BUDGET_BYTES[name]) {
    process.exitCode = 1;
  }
}
