import { defineConfig } from "vite";

import { plainImports } from "./plain-imports.js";

export default defineConfig({
  base: "/static/",
  plugins: [plainImports],
  publicDir: "public",
  build: {
    outDir: "../liveserver/rendering/static",
    emptyOutDir: true,
    manifest: true,
    modulePreload: false,
    target: ["chrome100", "firefox100", "safari16.4"],
    rolldownOptions: {
      input: { reader: "src/reader/main.ts" },
    },
  },
});
