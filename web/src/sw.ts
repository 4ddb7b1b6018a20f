/**
 * The service worker: without a network, or a server at its end, the copy of a page that was made when it was last read, with its
 * age. With both it only stands by: pages and data come from the server, and a copy goes as soon as the server is heard from again.
 *
 * Nothing here is rejected: what can't be had is an answer that says so, and no complaint in the console.
 */

import { copiesOf, PAGES } from "./copies.js";

/** What there is of a service worker's scope, which TypeScript can't know beside a page's. */
interface Worker {
  addEventListener(type: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void;
  addEventListener(type: "notificationclick", listener: (event: Clicked) => void): void;
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void>; openWindow(url: string): Promise<unknown> };
}
type Extendable = Event & { waitUntil(promise: Promise<unknown>): void };
type Fetching = Extendable & { request: Request; respondWith(response: Promise<Response>): void };
type Clicked = Extendable & { notification: Notification };

/** What a proxy answers in place of a server that it can't reach, and a server that can't reach its database. */
const UNREACHABLE = [502, 503, 504];

const worker = self as unknown as Worker;

worker.addEventListener("install", (event) => {
  event.waitUntil(worker.skipWaiting());
});
worker.addEventListener("activate", (event) => {
  event.waitUntil(worker.clients.claim());
});
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.mode === "navigate" && request.method === "GET") {
    event.respondWith(page(event));
  } else if (new URL(request.url).pathname.includes("/static/assets/")) {
    event.respondWith(asset(request));
  }
});
worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(worker.clients.openWindow(event.notification.data as string).catch(() => undefined));
});

async function page(event: Fetching): Promise<Response> {
  const { request } = event;
  const response = await fetched(request);
  if (response.type === "error" || UNREACHABLE.includes(response.status)) {
    return (await copyOf(request)) ?? response;
  }
  if (response.status < 500) {
    event.waitUntil(forget(request.url).catch(() => undefined));
  }
  return response;
}

/** The server's answer, or one that is an error where there is none. */
function fetched(request: Request): Promise<Response> {
  return fetch(request).catch(() => Response.error());
}

/** The copy of the page that is asked for, which says of itself how old it is; undefined without one. */
async function copyOf(request: Request): Promise<Response | undefined> {
  try {
    const copy = await (await caches.open(PAGES)).match(request);
    return copy && (await aged(copy));
  } catch {
    // The browser, or its owner, has taken away what was kept.
    return undefined;
  }
}

/** Drops the copies of the live blog at the URL: the page makes a new one once it is there. */
async function forget(url: string): Promise<void> {
  const liveblog = /^.*?\/live\/[^/?#]+/.exec(url)?.[0];
  if (liveblog !== undefined) {
    const cache = await caches.open(PAGES);
    await Promise.all(copiesOf(await cache.keys(), liveblog).map((copy) => cache.delete(copy)));
  }
}

async function aged(copy: Response): Promise<Response> {
  const html = await copy.text();
  const headers = new Headers(copy.headers);
  headers.delete("Content-Encoding");
  headers.delete("Content-Length");
  const copied = new Date(headers.get("Date") ?? Date.now()).toISOString();
  return new Response(html.replace("<html", `<html data-copied="${copied}"`), { headers });
}

/** Their names change with their contents: what was copied is as good as the server's. */
async function asset(request: Request): Promise<Response> {
  return (await caches.match(request).catch(() => undefined)) ?? fetched(request);
}
