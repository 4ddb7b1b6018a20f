import { defineConfig } from "vite";

import { plainImports } from "./plain-imports.js";

/** The pages by which people come to the desk. */
export default defineConfig({
  base: "/static/",
  plugins: [plainImports],
  publicDir: false,
  build: {
    outDir: "../liveserver/rendering/static",
    emptyOutDir: false,
    manifest: ".vite/desk.json",
    modulePreload: false,
    target: ["chrome100", "firefox100", "safari16.4"],
    rolldownOptions: { input: { desk: "src/desk/pages.ts" } },
  },
});
