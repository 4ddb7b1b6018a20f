/**
 * Keeps what was read for when there is no network: one copy for each live blog, of the page last looked at, which the service
 * worker makes, drops, and shows with its age. A deleted or corrected entry must not come back from it: a copy is dropped as soon
 * as that is heard of, and by the service worker at the next contact with the server, before anything else.
 *
 * Nothing here fails: a browser that keeps nothing shows nothing without a network.
 */

import type { WorkerMessage } from "../worker/protocol.js";
import { register } from "./register-worker.js";

let registration: ServiceWorkerRegistration | undefined;
/** True once copies were to go while there was nobody yet to be told. */
let dropMissed = false;

/** The longest that a service worker takes to say that it has dropped copies, if it lives. */
const ANSWER_MS = 3_000;

/** Registers the service worker and makes the first copy, of what the page has by then, with the code for clicks in it. */
export async function keepOffline(url: string, position: () => string): Promise<void> {
  // WebKit lets a click write to the clipboard only if it needn't wait for code first.
  await import("./deferred.js").catch(() => undefined);
  if ("serviceWorker" in navigator) {
    // A page that the service worker hasn't fetched, as after a forced reload, may be newer than the copy by a deletion.
    dropMissed ||= !navigator.serviceWorker.controller;
    try {
      await register(new URL("sw.js", url));
      registration = await navigator.serviceWorker.ready;
      // Those of pages that ended without a message: nobody else takes them back.
      send({ alerts: url });
      if (dropMissed) {
        send({ drop: url });
      }
      keepCopy(url, position());
    } catch {
      // Forbidden by the browser or its owner.
    }
  }
}

/** Replaces what there is of this live blog by a copy of the page as the server has it now, unless nothing has changed. */
export function keepCopy(url: string, position: string): void {
  const assets = performance
    .getEntriesByType("resource")
    .flatMap(({ name }) => (name.includes("/static/assets/") ? [name] : []));
  send({ keep: location.href.replace(/#.*/, ""), of: url, position, assets: [...new Set(assets)] });
}

/** Return once they are gone, or when there is no answer. */
export function dropCopies(url: string): Promise<void> {
  dropMissed ||= !registration;
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const done = (): void => {
      window.clearTimeout(timer);
      port1.close();
      resolve();
    };
    const timer = window.setTimeout(done, registration ? ANSWER_MS : 0);
    port1.onmessage = done;
    send({ drop: url }, port2);
  });
}

function send(message: WorkerMessage, ...ports: MessagePort[]): void {
  registration?.active?.postMessage(message, ports);
}
