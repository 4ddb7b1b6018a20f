/**
 * The service worker: without a network, or a server at its end, the copy of a page that was made when it was last read, with its
 * age. With both it only stands by: pages and data come from the server, and a copy goes as soon as a page comes from there again.
 *
 * Nothing here is rejected: what can't be had is an answer that says so, and no complaint in the console.
 */

import { copiesOf, type AlertData, type WorkerMessage } from "./protocol.js";

/** The part of a service worker's scope that we use, which TypeScript can't know beside a page's. */
interface Worker {
  addEventListener(type: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void;
  addEventListener(type: "message", listener: (event: Messaged) => void): void;
  addEventListener(type: "notificationclick", listener: (event: Clicked) => void): void;
  registration: { getNotifications(): Promise<Notification[]> };
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void>; openWindow(url: string): Promise<unknown> };
}
type Extendable = Event & { waitUntil(promise: Promise<unknown>): void };
type Fetching = Extendable & { request: Request; respondWith(response: Promise<Response>): void };
type Messaged = Extendable & { data: WorkerMessage; ports: readonly MessagePort[] };
type Clicked = Extendable & { notification: Notification };

/** The answers of a proxy in place of a server that it can't reach, and of a server that can't reach its database. */
const UNREACHABLE = [502, 503, 504];

const PAGES = "liveserver-pages";

/** The assets that are kept, those of some releases: their names change with their contents, and old ones are never asked for. */
const ASSETS_MAX = 60;

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
  } else if (isAsset(request.url)) {
    event.respondWith(asset(request));
  }
});
worker.addEventListener("message", (event) => {
  const message = event.data;
  if ("keep" in message) {
    event.waitUntil(inTurn(message.of, () => keep(message)));
  } else if ("drop" in message) {
    event.waitUntil(forget(message.drop).then(() => event.ports[0]?.postMessage("dropped")));
  } else {
    event.waitUntil(takeBack(message.alerts, message.holder).catch(() => undefined));
  }
});
worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(worker.clients.openWindow((event.notification.data as AlertData).url).catch(() => undefined));
});

function isAsset(url: string): boolean {
  return new URL(url).pathname.includes("/static/assets/");
}

async function page(event: Fetching): Promise<Response> {
  const { request } = event;
  const response = await fetched(request);
  if (isUnreachable(response)) {
    return (await copyOf(request)) ?? response;
  }
  const liveblog = /^.*?\/live\/[^/?#]+/.exec(request.url)?.[0];
  if (response.status < 500 && liveblog !== undefined) {
    event.waitUntil(forget(liveblog));
  }
  return response;
}

/** The server's answer, or one that is an error where there is none. */
function fetched(request: Request): Promise<Response> {
  return fetch(request).catch(() => Response.error());
}

function isUnreachable(response: Response): boolean {
  return response.type === "error" || UNREACHABLE.includes(response.status);
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

/** The copies that are being made, or wait for that, for each live blog. */
const turns = new Map<string, Promise<void>>();
/** The copies that there are: of which page, as of when. */
const kept = new Map<string, string>();
/** The number of times that copies were dropped: one that is being made must not outlast a message that it is to go. */
const drops = new Map<string, number>();
/** The copies that the browser is writing: dropped only once they are written, and taken away again. */
const writes = new Map<string, Promise<void>>();

function inTurn(url: string, task: () => Promise<void>): Promise<void> {
  const turn = (turns.get(url) ?? Promise.resolve()).then(task).catch(() => undefined);
  turns.set(url, turn);
  return turn;
}

/** Drops the copies of the live blog at the URL, whatever is being copied: the page makes a new one once it is there. */
function forget(url: string): Promise<void> {
  return drop(url).catch(() => undefined);
}

async function drop(url: string): Promise<void> {
  drops.set(url, (drops.get(url) ?? 0) + 1);
  kept.delete(url);
  const cache = await caches.open(PAGES);
  await Promise.all([writes.get(url), ...copiesOf(await cache.keys(), url).map((copy) => cache.delete(copy))]);
}

/**
 * Puts a copy of the page in the place of those of the live blog. The old one stays until all of the new one is there: an asset
 * that can't be had, or a full disk, mustn't leave the reader without any.
 */
async function keep({ keep: page, of, position, assets }: Extract<WorkerMessage, { keep: string }>): Promise<void> {
  const state = `${page} ${position}`;
  if (kept.get(of) === state) {
    return;
  }
  const before = drops.get(of);
  const isDropped = (): boolean => drops.get(of) !== before;
  // The browser's own copy of the page may be some seconds old, and hold what was deleted since.
  const response = await fetched(new Request(page, { cache: "no-cache" }));
  // Where the server can't be reached, the old copy stays. A page that was asked for before its copy was to go may hold what went.
  if (isUnreachable(response) || isDropped()) {
    return;
  }
  if (!response.ok || !reaches(await response.clone().text(), position)) {
    await drop(of);
    return;
  }
  const cache = await caches.open(PAGES);
  await cache.addAll(assets);
  await dropOldAssets(cache, assets);
  if (isDropped()) {
    return;
  }
  const write = async (): Promise<void> => {
    await cache.put(page, response);
    if (isDropped()) {
      await cache.delete(page);
      return;
    }
    kept.set(of, state);
    const others = copiesOf(await cache.keys(), of).filter(({ url }) => url !== page);
    await Promise.all(others.map((other) => cache.delete(other)));
  };
  const written = write().catch(() => undefined);
  writes.set(of, written);
  await written;
  writes.delete(of);
}

/** Removes the assets of former releases, oldest first, until there are `ASSETS_MAX`. `current`: those that stay in any case. */
async function dropOldAssets(cache: Cache, current: readonly string[]): Promise<void> {
  const others = (await cache.keys()).filter(({ url }) => isAsset(url) && !current.includes(url));
  const excess = others.slice(0, Math.max(0, others.length + current.length - ASSETS_MAX));
  await Promise.all(excess.map((request) => cache.delete(request)));
}

/** False where a cache on the way gave an older page than the one that the reader has. */
function reaches(html: string, position: string): boolean {
  const [epoch, seq] = position.split("-");
  const [, its = "", reached = ""] = /data-position="(\w+)-(\d+)"/.exec(html) ?? [];
  return its !== epoch || Number(reached) >= Number(seq);
}

/** Takes back the notifications of the live blog at the URL that one page raised, else those of pages that are no more. */
async function takeBack(url: string, holder?: string): Promise<void> {
  const { held = [] } = holder === undefined ? await navigator.locks.query() : {};
  const living = new Set(held.map(({ name }) => name));
  for (const notification of await worker.registration.getNotifications()) {
    const alert = notification.data as AlertData;
    // By the path: the server may have more than one name.
    const isOfLiveblog = new URL(alert.url, url).pathname.startsWith(`${new URL(url).pathname}/`);
    if (isOfLiveblog && (holder === undefined ? !living.has(alert.holder) : alert.holder === holder)) {
      notification.close();
    }
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
