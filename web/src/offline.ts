/**
 * Keeps what was read for when there is no network: one copy for each live blog, of the page last looked at, which the service
 * worker shows with its age. What is deleted must not come back from it: a copy is dropped as soon as a deletion is heard of, and
 * by the service worker at the next contact with the server, before anything else.
 *
 * Nothing here fails: a browser that keeps nothing shows nothing without a network.
 */

import { copiesOf, PAGES } from "./copies.js";
import { register } from "./registering.js";

/** The position that the page had when it was copied. */
let copied = "";

/** Registers the service worker and makes the first copy. */
export async function keepOffline(url: string, position: string): Promise<void> {
  if ("serviceWorker" in navigator) {
    try {
      await register(new URL("sw.js", url));
      await keepCopy(url, position);
    } catch {
      // Forbidden by the browser or its owner.
    }
  }
}

/** Replaces what there is of this live blog by a copy of the page as the server has it now, unless nothing has changed. */
export async function keepCopy(url: string, position: string): Promise<void> {
  if (position === copied || !("caches" in window)) {
    return;
  }
  const page = location.href.replace(/#.*/, "");
  const assets = performance.getEntriesByType("resource").flatMap(({ name }) => (name.includes("/static/assets/") ? [name] : []));
  try {
    // The browser's own copy of the page may be some seconds old, and hold what was deleted since.
    const response = await fetch(page, { cache: "no-cache" });
    if (response.status >= 500) {
      // What there is stays for as long as the server can't be reached.
      return;
    }
    await dropCopies(url);
    const cache = await caches.open(PAGES);
    await cache.addAll([...new Set(assets)]);
    if (response.ok) {
      await cache.put(page, response);
      copied = position;
    }
  } catch {
    copied = "";
  }
}

export async function dropCopies(url: string): Promise<void> {
  copied = "";
  if ("caches" in window) {
    const cache = await caches.open(PAGES);
    await Promise.all(copiesOf(await cache.keys(), url).map((request) => cache.delete(request)));
  }
}
