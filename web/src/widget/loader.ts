/** `/embed/v1.js`: small enough for any page. It loads the rest when a live blog comes near the window. */

import { define, fitFrames, type Mount } from "./element.js";

/** The widget's file, below the server's address. The build fills it in. */
declare const WIDGET: string;

const script = document.currentScript;

if (script instanceof HTMLScriptElement) {
  const base = new URL("..", script.src).href;
  const from = (path: string): Promise<{ mount: Mount }> =>
    import(/* @vite-ignore */ base + path) as Promise<{ mount: Mount }>;
  let loading: Promise<Mount> | null = null;
  define(() => {
    // Where this file is older than what the server has now, the one that it names is gone.
    loading ??= from(WIDGET)
      .catch(() => from("embed/widget.js"))
      .then(({ mount }) => mount)
      .catch((error: unknown) => {
        loading = null;
        throw error;
      });
    return loading;
  });
  fitFrames(base);
}
