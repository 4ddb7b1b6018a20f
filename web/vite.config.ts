import { defineConfig } from "vite";

export default defineConfig({
  base: "/static/",
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
