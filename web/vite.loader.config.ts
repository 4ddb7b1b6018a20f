import { readFileSync } from "node:fs";

import { defineConfig } from "vite";

interface Manifest {
  "src/widget/controller.ts": { file: string };
}

/**
 * What a partner's page has a `<script>` for: `v1.js`, which names the widget's file, and with `--mode pinned` one file that holds
 * all of it.
 */
export default defineConfig(({ mode }) => {
  const manifest = JSON.parse(readFileSync("../liveserver/rendering/static/.vite/widget.json", "utf8")) as Manifest;
  const name = mode === "pinned" ? "pinned" : "v1";
  return {
    publicDir: false,
    define: { WIDGET: JSON.stringify(`static/${manifest["src/widget/controller.ts"].file}`) },
    build: {
      outDir: "../liveserver/rendering/static/embed",
      emptyOutDir: false,
      lib: {
        entry: { [name]: `src/widget/${name === "v1" ? "loader" : name}.ts` },
        formats: ["iife" as const],
        name: "liveserver",
      },
      minify: true,
      cssTarget: ["chrome123", "firefox120", "safari17.5"],
      target: ["chrome100", "firefox100", "safari16.4"],
      rolldownOptions: { output: { minify: true, entryFileNames: "[name].js", codeSplitting: false } },
    },
  };
});
