import { afterEach, beforeEach, expect, it, vi } from "vitest";

interface Event {
  data: unknown;
  request: { url: string; mode: string; method: string };
  notification: { data: string; close: () => void };
  respondWith: (response: Promise<Response>) => void;
  waitUntil: (done: Promise<unknown>) => void;
}

const PAGE = "https://example.org/live/a";

interface FakeCache {
  match: (request: { url: string }) => Promise<Response | undefined>;
  keys: () => Promise<{ url: string }[]>;
  delete: (request: { url: string } | string) => Promise<boolean>;
  put: (url: string, response: Response) => Promise<void>;
  addAll: (urls: string[]) => Promise<void>;
}

let cache: FakeCache;
let handlers: Record<string, (event: Event) => void>;
let copies: Map<string, Response>;
let online: Response | null;
let opened: string[];
/** Of each notification the page that it leads to, and the lock of the one that raised it. */
let notified: Map<string, string>;
let held: string[];

beforeEach(async () => {
  handlers = {};
  copies = new Map();
  online = null;
  opened = [];
  notified = new Map();
  held = [];
  cache = {
    match: (request) => Promise.resolve(copies.get(request.url)?.clone()),
    keys: () => Promise.resolve([...copies.keys()].map((url) => ({ url }))),
    delete: (request) => Promise.resolve(copies.delete(typeof request === "string" ? request : request.url)),
    put: (url, response) => Promise.resolve(void copies.set(url, response)),
    addAll: (urls) => {
      for (const url of urls) {
        copies.set(url, new Response("asset"));
      }
      return Promise.resolve();
    },
  };
  vi.stubGlobal("self", {
    addEventListener: (type: string, handler: (event: Event) => void) => {
      handlers[type] = handler;
    },
    registration: {
      getNotifications: () =>
        Promise.resolve(
          [...notified].map(([url, holder]) => ({ data: { url, holder }, close: () => notified.delete(url) })),
        ),
    },
    skipWaiting: () => Promise.resolve(),
    clients: { claim: () => Promise.resolve(), openWindow: (url: string) => Promise.resolve(opened.push(url)) },
  });
  vi.stubGlobal("caches", { open: () => Promise.resolve(cache), match: cache.match });
  vi.stubGlobal("navigator", { locks: { query: () => Promise.resolve({ held: held.map((name) => ({ name })) }) } });
  vi.stubGlobal("fetch", () =>
    online === null ? Promise.reject(new TypeError("no network")) : Promise.resolve(online),
  );
  vi.resetModules();
  await import("../../src/worker/service-worker.js");
});

afterEach(() => {
  vi.unstubAllGlobals();
});

/** What the page asks for and gets; null if the service worker keeps out of it. */
async function ask(url: string, { mode = "navigate", method = "GET" } = {}): Promise<Response | null> {
  let answer: Promise<Response> | null = null;
  const done: Promise<unknown>[] = [];
  handlers.fetch?.({
    data: null,
    request: { url, mode, method },
    notification: { data: "", close: () => undefined },
    respondWith: (response) => {
      answer = response;
    },
    waitUntil: (promise) => done.push(promise),
  });
  const response = await (answer as Promise<Response> | null);
  await Promise.all(done);
  return response;
}

/** What a page says; settled once it is done. */
async function say(data: unknown, ...ports: unknown[]): Promise<void> {
  const done: Promise<unknown>[] = [];
  handlers.message?.({ data, ports, waitUntil: (promise: Promise<unknown>) => done.push(promise) } as unknown as Event);
  await Promise.all(done);
}

function pageAt(position: string): Response {
  return new Response(`<html data-position="${position}">`, { headers: { "Content-Type": "text/html" } });
}

const KEEP = {
  keep: `${PAGE}/entries/1`,
  of: PAGE,
  position: "abc-7",
  assets: ["https://example.org/static/assets/a.js"],
};

function copy(url: string): void {
  const headers = { Date: "Sun, 22 Nov 2026 09:00:00 GMT", "Content-Type": "text/html", "Content-Encoding": "gzip" };
  copies.set(url, new Response('<!DOCTYPE html><html lang="fr"><p>Read</p>', { headers }));
}

it("shows the copy with its age where there is no network, and fails where there is none", async () => {
  copy(PAGE);
  const response = await ask(PAGE);
  expect(await response?.text()).toBe(
    '<!DOCTYPE html><html data-copied="2026-11-22T09:00:00.000Z" lang="fr"><p>Read</p>',
  );
  expect(response?.headers.get("content-encoding")).toBeNull();
  expect((await ask(`${PAGE}/entries/1`))?.type).toBe("error");
});

it.each([502, 503, 504])("takes a server that can't be reached for no network: %d", async (status) => {
  copy(PAGE);
  online = new Response("a proxy's own page", { status });
  expect(await (await ask(PAGE))?.text()).toContain('data-copied="2026-11-22T09:00:00.000Z"');
  const without = await ask(`${PAGE}/entries/1`);
  expect([without?.status, await without?.text()]).toEqual([status, "a proxy's own page"]);
  expect(copies.size).toBe(1);
});

it("shows what the server says itself where its own code has failed", async () => {
  copy(PAGE);
  online = new Response("", { status: 500 });
  expect((await ask(PAGE))?.status).toBe(500);
  expect(copies.size).toBe(1);
});

it("rejects nothing, whatever can't be had", async () => {
  const denied = () => Promise.reject(new DOMException("denied", "SecurityError"));
  vi.stubGlobal("caches", { open: denied, match: denied });
  expect((await ask(PAGE))?.type).toBe("error");
  expect((await ask("https://example.org/static/assets/reader-1.js", { mode: "no-cors" }))?.type).toBe("error");
  online = new Response("new");
  expect(await (await ask(PAGE))?.text()).toBe("new");
});

it.each([200, 404, 410])("drops a live blog's copies at the next contact: %d", async (status) => {
  copy(PAGE);
  copy(`${PAGE}/entries/1`);
  copy(`${PAGE}-2`);
  online = new Response("new", { status });
  expect(await (await ask(`${PAGE}/entries/2?order=oldest`))?.text()).toBe("new");
  expect([...copies.keys()]).toEqual([`${PAGE}-2`]);
});

it("keeps out of everything else, but for what never changes", async () => {
  online = new Response("{}");
  expect(await ask("https://example.org/api/v1/liveblogs/a/changes", { mode: "cors" })).toBeNull();
  expect(await ask(PAGE, { method: "POST" })).toBeNull();
  copies.set("https://example.org/static/assets/reader-1.js", new Response("script"));
  online = null;
  expect(await (await ask("https://example.org/static/assets/reader-1.js", { mode: "no-cors" }))?.text()).toBe(
    "script",
  );
});

it("opens what a notification tells of", () => {
  const closed = vi.fn();
  handlers.notificationclick?.({
    notification: { data: { url: PAGE, holder: "" }, close: closed },
    waitUntil: () => undefined,
  } as unknown as Event);
  expect([opened, closed.mock.calls.length]).toEqual([[PAGE], 1]);
});

it("makes a copy in the place of the others of the live blog, and once for a state of the page", async () => {
  copy(PAGE);
  online = pageAt("abc-7");
  await say(KEEP);
  expect([...copies.keys()]).toEqual([...KEEP.assets, KEEP.keep]);
  copies.clear();
  await say(KEEP);
  expect(copies.size).toBe(0);
  await say({ drop: PAGE });
  online = pageAt("xyz-2");
  await say(KEEP);
  expect(copies.has(KEEP.keep)).toBe(true);
});

it.each([
  ["that fails", new Response("", { status: 503 })],
  ["older than what the reader has, out of a cache on the way", pageAt("abc-6")],
])("makes no copy of a page %s", async (_, answer) => {
  online = answer;
  await say(KEEP);
  expect(copies.size).toBe(0);
});

it("drops copies at once, whatever is being copied, says so, and keeps nothing that was asked for before", async () => {
  let answer: ((response: Response) => void) | undefined;
  vi.stubGlobal("fetch", () => new Promise<Response>((resolve) => (answer = resolve)));
  copy(PAGE);
  const making = say(KEEP);
  await vi.waitUntil(() => answer);
  const answers: unknown[] = [];
  await say({ drop: PAGE }, { postMessage: (word: unknown) => answers.push(word) });
  expect([[...copies.keys()], answers.length]).toEqual([[], 1]);
  answer?.(pageAt("abc-7"));
  await making;
  expect([...copies.keys()]).toEqual([]);
});

it.each(["addAll", "put"] as const)("keeps nothing that is dropped during its %s", async (step) => {
  const real = cache[step] as (...given: unknown[]) => Promise<void>;
  let go: (() => void) | undefined;
  const waiting = new Promise<void>((resolve) => (go = resolve));
  const begun = vi.fn();
  Object.assign(cache, {
    [step]: async (...given: unknown[]) => {
      begun();
      await waiting;
      await real(...given);
    },
  });
  online = pageAt("abc-7");
  const making = say(KEEP);
  await vi.waitUntil(() => begun.mock.calls.length > 0);
  const answers: string[][] = [];
  const dropping = say({ drop: PAGE }, { postMessage: () => answers.push([...copies.keys()]) });
  await new Promise((resolve) => setTimeout(resolve, 0));
  // What the browser is writing isn't gone before it has been written.
  expect(answers.length).toBe(step === "put" ? 0 : 1);
  go?.();
  await Promise.all([making, dropping]);
  expect(answers).toEqual([step === "put" ? KEEP.assets : []]);
  expect([...copies.keys()]).toEqual(KEEP.assets);
  Object.assign(cache, { [step]: real });
  online = pageAt("abc-7");
  await say(KEEP);
  expect(copies.has(KEEP.keep)).toBe(true);
});

it.each(["addAll", "put"] as const)("leaves the old copy until the new one is whole: a failed %s", async (step) => {
  const real = cache[step];
  copy(PAGE);
  const old = copies.get(PAGE);
  online = pageAt("abc-7");
  Object.assign(cache, { [step]: () => Promise.reject(new TypeError("it can't be had")) });
  await say(KEEP);
  expect(copies.get(PAGE)).toBe(old);
  expect(copies.has(KEEP.keep)).toBe(false);
  Object.assign(cache, { [step]: real });
  await say(KEEP);
  expect([...copies.keys()]).toEqual([...KEEP.assets, KEEP.keep]);
});

it.each(["addAll", "put"] as const)(
  "drops the old copy during a %s that fails afterwards, and says so",
  async (step) => {
    let fail: ((error: Error) => void) | undefined;
    Object.assign(cache, { [step]: () => new Promise((_, reject) => (fail = reject)) });
    copy(PAGE);
    online = pageAt("abc-7");
    const making = say(KEEP);
    await vi.waitUntil(() => fail);
    const answers: boolean[] = [];
    const dropping = say({ drop: PAGE }, { postMessage: () => answers.push(copies.has(PAGE)) });
    await vi.waitUntil(() => !copies.has(PAGE));
    fail?.(new TypeError("it can't be had"));
    await Promise.all([making, dropping]);
    expect(answers).toEqual([false]);
    expect([copies.has(PAGE), copies.has(KEEP.keep)]).toEqual([false, false]);
  },
);

it("writes no copy, not even for a moment, once its live blog's copies were dropped during its addAll", async () => {
  let go: (() => void) | undefined;
  const put = vi.fn(() => Promise.resolve());
  Object.assign(cache, { addAll: () => new Promise<void>((resolve) => (go = resolve)), put });
  online = pageAt("abc-7");
  const making = say(KEEP);
  await vi.waitUntil(() => go);
  await say({ drop: PAGE });
  go?.();
  await making;
  expect(put).not.toHaveBeenCalled();
});

it("has nothing left of a page that went while it replaced the copy of another", async () => {
  const real = cache.keys;
  let go: (() => void) | undefined;
  const waiting = new Promise<void>((resolve) => (go = resolve));
  copy(PAGE);
  online = pageAt("abc-7");
  const making = say(KEEP);
  const written = (): boolean => copies.has(KEEP.keep);
  Object.assign(cache, { keys: () => (written() ? waiting.then(real) : real()) });
  await vi.waitUntil(written);
  const answers: string[][] = [];
  const dropping = say({ drop: PAGE }, { postMessage: () => answers.push([...copies.keys()]) });
  go?.();
  await Promise.all([making, dropping]);
  expect(answers).toEqual([KEEP.assets]);
  online = pageAt("abc-7");
  await say(KEEP);
  expect(written()).toBe(true);
});

it.each([
  ["gone", new Response("", { status: 410 })],
  ["older than what the reader has", pageAt("abc-6")],
])("drops the old copy where the page is %s", async (_, answer) => {
  copy(PAGE);
  online = answer;
  await say(KEEP);
  expect(copies.size).toBe(0);
});

it("keeps the 60 newest assets at most, and those of the page among them", async () => {
  const assets = Array.from({ length: 70 }, (_, number) => `https://example.org/live/static/assets/${number}.js`);
  await cache.addAll(assets);
  copy(`${PAGE}-2`);
  online = pageAt("abc-7");
  await say({ ...KEEP, assets: [assets[0], ...KEEP.assets] });
  expect([...copies.keys()].sort()).toEqual(
    [assets[0], ...assets.slice(12), ...KEEP.assets, `${PAGE}-2`, KEEP.keep].sort(),
  );
});

it("takes back a page's notifications when it ends, and later those of pages that are no more, by whatever name of the server", async () => {
  notified = new Map([
    [`${PAGE}/entries/1`, "ending"],
    ["https://live.example.org/live/a/entries/2", "crashed"],
    [`${PAGE}/entries/3`, "hidden tab"],
    [`${PAGE}-2/entries/1`, "crashed"],
  ]);
  held = ["ending", "hidden tab"];
  await say({ alerts: PAGE, holder: "ending" });
  expect([...notified.keys()]).toEqual([
    "https://live.example.org/live/a/entries/2",
    `${PAGE}/entries/3`,
    `${PAGE}-2/entries/1`,
  ]);
  await say({ alerts: PAGE });
  expect([...notified.keys()]).toEqual([`${PAGE}/entries/3`, `${PAGE}-2/entries/1`]);
});
