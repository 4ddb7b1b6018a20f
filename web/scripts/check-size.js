// Fails the build when what a reader downloads has outgrown its budget.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET_BYTES = { script: 10 * 1024, styles: 6 * 1024 };

const root = new URL("../../liveserver/static/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", root), "utf8"));

function filesOf(name, seen = new Set()) {
  const { file, css = [], imports = [] } = manifest[name];
  seen.add(file);
  css.forEach((style) => seen.add(style));
  imports.forEach((other) => filesOf(other, seen));
  return [...seen];
}

function gzipped(files) {
  return files.reduce((sum, file) => sum + gzipSync(readFileSync(new URL(file, root)), { level: 9 }).length, 0);
}

const files = filesOf("src/reader.ts");
const sizes = {
  script: gzipped(files.filter((file) => file.endsWith(".js"))),
  styles: gzipped(files.filter((file) => file.endsWith(".css"))),
};
for (const [kind, size] of Object.entries(sizes)) {
  console.log(`reader ${kind}: ${size} of ${BUDGET_BYTES[kind]} bytes gzipped`);
  if (size > BUDGET_BYTES[kind]) {
    process.exitCode = 1;
  }
}
