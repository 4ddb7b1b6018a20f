import { defineConfig } from "vite";

import { plainImports } from "./plain-imports.js";

/** Of our pages around the widget: the one for frames, and the one to try it. */
export default defineConfig({
  base: "/static/",
  plugins: [plainImports],
  publicDir: false,
  build: {
    outDir: "../liveserver/rendering/static",
    emptyOutDir: false,
    manifest: ".vite/frame.json",
    modulePreload: false,
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    target: ["chrome100", "firefox100", "safari16.4"],
    rolldownOptions: { input: { frame: "src/widget/frame.ts", preview: "src/widget/preview.ts" } },
  },
});
