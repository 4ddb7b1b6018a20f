import type { Plugin } from "vite";

/**
 * Vite wraps every `import()` in code that preloads what the chunk needs, styles too: 700 bytes, gzipped, and none of our chunks
 * needs anything.
 */
export const plainImports: Plugin = {
  name: "plain-imports",
  enforce: "pre",
  load: (id) => (id === "\0vite/preload-helper.js" ? "export const __vitePreload = (load) => load();" : null),
};
