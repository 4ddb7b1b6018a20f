/** The only place where a text becomes the address of a script: the service worker's (see `trusted-types.ts`). */

import { policy } from "../dom/trusted-types.js";

const scripts = policy("liveserver-worker", {
  createScriptURL: (url: string) => {
    const { origin, pathname } = new URL(url);
    if (origin === location.origin && pathname.endsWith("/live/sw.js")) {
      return url;
    }
    throw new TypeError(`${url} is no script of this site`);
  },
});

/** Registers the service worker at the URL. */
export async function register(url: URL): Promise<void> {
  await navigator.serviceWorker.register(scripts.createScriptURL(url.href));
}
