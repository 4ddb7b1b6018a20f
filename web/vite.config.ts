import { defineConfig, type Plugin } from "vite";

/**
 * Vite wraps every `import()` in code that preloads what the chunk needs, styles too: 700 bytes, gzipped, and none of our chunks
 * needs anything.
 */
const plainImports: Plugin = {
  name: "plain-imports",
  enforce: "pre",
  load: (id) => (id === "\0vite/preload-helper.js" ? "export const __vitePreload = (load) => load();" : null),
};

export default defineConfig({
  base: "/static/",
  plugins: [plainImports],
  publicDir: "public",
  build: {
    outDir: "../liveserver/static",
    emptyOutDir: true,
    manifest: true,
    modulePreload: false,
    target: ["chrome100", "firefox100", "safari16.4"],
    rolldownOptions: {
      input: { reader: "src/reader.ts" },
    },
  },
});
