import { defineConfig } from "vite";

/** The service worker: one file that imports nothing, under a name that stays the same. */
export default defineConfig({
  publicDir: false,
  build: {
    outDir: "../liveserver/rendering/static",
    emptyOutDir: false,
    target: ["chrome100", "firefox100", "safari16.4"],
    rolldownOptions: {
      input: { sw: "src/worker/service-worker.ts" },
      output: { format: "iife", entryFileNames: "[name].js" },
    },
  },
});
