import { defineConfig } from "vite";

import { plainImports } from "./plain-imports.js";

/**
 * The widget, which other sites' pages load. As a library, as in Vite's other builds dynamic imports look through the page for
 * styles that they might need.
 */
export default defineConfig({
  plugins: [plainImports],
  publicDir: false,
  build: {
    outDir: "../liveserver/rendering/static",
    emptyOutDir: false,
    manifest: ".vite/widget.json",
    lib: { entry: { widget: "src/widget/controller.ts" }, formats: ["es"] },
    minify: true,
    // Older ones have a form of their own in the styles, which mustn't be made for them of the newer one.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    target: ["chrome100", "firefox100", "safari16.4"],
    rolldownOptions: {
      preserveEntrySignatures: "allow-extension",
      output: {
        minify: true,
        comments: false,
        entryFileNames: "assets/[name]-[hash].js",
        chunkFileNames: "assets/[name]-[hash].js",
      },
    },
  },
});
