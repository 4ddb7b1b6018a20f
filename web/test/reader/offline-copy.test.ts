import { afterEach, beforeEach, expect, it, vi } from "vitest";

const URL = "https://live.example.org/live/demo";

let said: { word: Record<string, unknown>; ports: MessagePort[] }[];
let ready: (worker: unknown) => void;
let offline: typeof import("../../src/reader/offline-copy.js");

beforeEach(async () => {
  vi.resetModules();
  said = [];
  vi.doMock("../../src/reader/register-worker.js", () => ({ register: () => Promise.resolve() }));
  vi.stubGlobal("navigator", {
    serviceWorker: { controller: {}, ready: new Promise((resolve) => (ready = resolve)) },
  });
  offline = await import("../../src/reader/offline-copy.js");
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.doUnmock("../../src/reader/register-worker.js");
  vi.useRealTimers();
});

const WORKER = {
  active: {
    postMessage: (word: Record<string, unknown>, ports: MessagePort[]) => {
      said.push({ word, ports });
    },
  },
};

it("makes the first copy of what the page has once there is a service worker, which is told then of what is to go", async () => {
  let position = "abc-2";
  const keeping = offline.keepOffline(URL, () => position);
  await offline.dropCopies(URL);
  position = "abc-3";
  ready(WORKER);
  await keeping;
  expect(said.map(({ word }) => word)).toMatchObject([{ alerts: URL }, { drop: URL }, { of: URL, position: "abc-3" }]);
});

it.each([
  ["comes from the server past the service worker, as after a forced reload", null, [{ alerts: URL }, { drop: URL }]],
  ["comes through the service worker, which has done so if the server was there", {}, [{ alerts: URL }]],
])("drops older copies first where the page %s", async (_, controller, words) => {
  Object.assign(navigator.serviceWorker, { controller });
  ready(WORKER);
  await offline.keepOffline(URL, () => "abc-2");
  expect(said.map(({ word }) => word)).toMatchObject([...words, { of: URL, position: "abc-2" }]);
});

it("waits until copies are gone, and not for a service worker that says nothing", async () => {
  ready(WORKER);
  await offline.keepOffline(URL, () => "abc-2");
  vi.useFakeTimers();
  for (const answers of [true, false]) {
    said = [];
    let gone = false;
    const dropping = offline.dropCopies(URL).then(() => (gone = true));
    expect(said.map(({ word }) => word)).toEqual([{ drop: URL }]);
    await vi.advanceTimersByTimeAsync(2_999);
    expect(gone).toBe(false);
    if (answers) {
      said[0]?.ports[0]?.postMessage("dropped");
      await dropping;
    } else {
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(gone).toBe(true);
  }
});

it("asks for a copy of this page, without its fragment, and of each of our files that it was made with", async () => {
  ready(WORKER);
  await offline.keepOffline(URL, () => "abc-2");
  said = [];
  const names = ["/static/assets/a.js", "/media/1.jpg", "/static/assets/a.js"].map(
    (path) => new window.URL(path, URL).href,
  );
  vi.spyOn(performance, "getEntriesByType").mockReturnValue(names.map((name) => ({ name }) as PerformanceEntry));
  vi.stubGlobal("location", { href: `${URL}?cursor=c#entry-1` });
  offline.keepCopy(URL, "abc-3");
  expect(said.map(({ word }) => word)).toEqual([
    { keep: `${URL}?cursor=c`, of: URL, position: "abc-3", assets: ["https://live.example.org/static/assets/a.js"] },
  ]);
});

it("does nothing in a browser that forbids it: neither fails nor waits", async () => {
  vi.doMock("../../src/reader/register-worker.js", () => ({ register: () => Promise.reject(new Error("forbidden")) }));
  vi.resetModules();
  offline = await import("../../src/reader/offline-copy.js");
  await offline.keepOffline(URL, () => "abc-2");
  offline.keepCopy(URL, "abc-3");
  vi.useFakeTimers();
  const dropping = offline.dropCopies(URL);
  await vi.advanceTimersByTimeAsync(0);
  await dropping;
  vi.stubGlobal("navigator", {});
  await offline.keepOffline(URL, () => "abc-2");
  expect(said).toEqual([]);
});
