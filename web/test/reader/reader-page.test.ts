import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Message } from "../../src/model/messages.js";
import { readPage } from "../../src/reader/page-data.js";
import { ReaderPage } from "../../src/reader/reader-page.js";
import { chosenOrder, VisitMemory } from "../../src/reader/visit-memory.js";
import { entry, idOf, TEXTS } from "../samples.js";

const API = "https://live.example.org/api/v1/liveblogs/demo";
const NOW = "2026-11-22T12:00:00.000Z";

let socket: {
  onmessage?: ((event: { data: string }) => void) | null;
  onclose?: ((event: { code: number }) => void) | null;
};
let sent: unknown[];

/** Every listener of the page, to be taken off after the test. */
let listeners: [EventTarget, string, EventListenerOrEventListenerObject | null][];

function get(selector: string): HTMLElement {
  const element = document.querySelector<HTMLElement>(selector);
  if (element === null) {
    throw new Error(`no ${selector}`);
  }
  return element;
}

function receive(message: Message): void {
  socket.onmessage?.({ data: JSON.stringify(message) });
}

function begin(focus?: string): void {
  Object.assign(document.documentElement.dataset, {
    api: API,
    position: "abc-2",
    page: focus === undefined ? "first" : "entry",
    language: "en",
    timezone: "Europe/London",
    url: "/live/demo",
  });
  delete document.documentElement.dataset.focus;
  if (focus !== undefined) {
    document.documentElement.dataset.focus = focus;
  }
  document.head.innerHTML =
    '<script type="application/ld+json">{}</script><meta name="description" content="a"><link rel="canonical" href="/a">';
  document.body.innerHTML = `<h1 data-liveblog-title>Demo</h1><span data-viewers hidden></span><div data-notices></div>
    <a data-order="oldest" href="#oldest">Oldest first</a><button data-alerts></button><button id="other"></button>
    <div data-list="entries">${entry(2, 2).html}${entry(1, 1).html}</div>
    <p data-empty hidden></p>
    <p><a data-older="c1" data-place="${entry(1, 1).published_at} ${idOf(1)}" href="#older">Older</a><span role="status"></span></p>
    <script type="application/json" id="reader-texts">${JSON.stringify(TEXTS)}</script>`;
  const page = readPage();
  if (page === null) {
    throw new Error("not a live blog's page");
  }
  new ReaderPage(page).start();
  receive({ type: "hello", epoch: "abc", seq: 2, resumed: true, heartbeat: 10 });
}

/** Clicks, and returns whether the browser is left to do what a click does. */
function click(selector: string, keys: MouseEventInit = {}): boolean {
  return get(selector).dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ...keys }));
}

function turn(state: "visible" | "hidden"): void {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(state);
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date(NOW) });
  vi.spyOn(Math, "random").mockReturnValue(0);
  localStorage.clear();
  socket = {};
  sent = [];
  vi.stubGlobal("WebSocket", function () {
    return Object.assign(socket, {
      close: () => undefined,
      readyState: 1,
      OPEN: 1,
      send: (text: string) => sent.push(JSON.parse(text)),
    });
  });
  listeners = [];
  for (const target of [window, document]) {
    const add = target.addEventListener.bind(target) as EventTarget["addEventListener"];
    vi.spyOn(target as EventTarget, "addEventListener").mockImplementation((type, listener, options) => {
      listeners.push([target, type, listener]);
      add(type, listener, options);
    });
  }
});

afterEach(() => {
  for (const [target, type, listener] of listeners) {
    target.removeEventListener(type, listener);
  }
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("a click", () => {
  it("on a control is the page's, unless it is meant for a new tab; on anything else it isn't", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("no network")));
    begin();
    expect([click("[data-older]", { ctrlKey: true }), click("#other")]).toEqual([true, true]);
    expect(click("[data-older]")).toBe(false);
    await vi.dynamicImportSettled();
    await vi.advanceTimersByTimeAsync(1);
    expect(get("[role=status]").textContent).toBe("Échec");
  });

  it("on an order is remembered, and left to the browser", () => {
    begin();
    expect([click("[data-order]"), chosenOrder()]).toEqual([true, "oldest"]);
  });
});

describe("a page whose entries are all deleted, while there are older ones", () => {
  const empty = (): void => {
    begin();
    receive({ type: "delete", seq: 3, id: idOf(2) });
    receive({ type: "delete", seq: 4, id: idOf(1) });
  };

  it("loads those, over pages of which nothing is left by now", async () => {
    const pages = [
      { items: [entry(1, 1)], next_cursor: "c2", epoch: "abc", seq: 2 },
      { items: [entry(0, 0)], next_cursor: "c3", epoch: "abc", seq: 4 },
    ];
    const asked: string[] = [];
    vi.stubGlobal("fetch", (url: string) => {
      asked.push(new URL(url).searchParams.get("cursor") ?? "");
      return Promise.resolve({ ok: true, json: () => Promise.resolve(pages.shift()) });
    });
    empty();
    expect(get("[data-empty]").hidden).toBe(true);
    await vi.waitFor(() => {
      expect(get("article").dataset.id).toBe(idOf(0));
    });
    await vi.advanceTimersByTimeAsync(1);
    expect([asked, get("[data-older]").dataset.older]).toEqual([["c1", "c2"], "c3"]);
  });

  it("doesn't say that the live blog hasn't begun where they can't be had, and leads to them", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("no network")));
    empty();
    await vi.waitFor(() => {
      expect(get("[role=status]").textContent).toBe("Échec");
    });
    expect([get("[data-empty]").hidden, get("p:has([data-older])").hidden]).toEqual([true, false]);
  });
});

it("how many read along isn't told while that isn't known, until the next heartbeat", async () => {
  const told = (): string | null => (get("[data-viewers]").hidden ? null : get("[data-viewers]").textContent);
  const heartbeat: Message = { type: "heartbeat", seq: 2, viewers: 4 };
  begin();
  receive(heartbeat);
  expect(told()).toBe("4 lecteurs");
  socket.onclose?.({ code: 1006 });
  expect(told()).toBeNull();
  await vi.advanceTimersByTimeAsync(1);
  receive({ type: "hello", epoch: "abc", seq: 2, resumed: true, heartbeat: 10 });
  expect(told()).toBeNull();
  receive(heartbeat);
  expect(told()).toBe("4 lecteurs");
});

describe("the next visit", () => {
  const stored = (): VisitMemory => new VisitMemory(API);

  it("begins where the reader had seen everything, when they left", () => {
    begin();
    receive({ type: "entry", seq: 3, entry: entry(3, 3) });
    turn("hidden");
    receive({ type: "entry", seq: 4, entry: entry(1, 4, { heading: "Edited" }) });
    turn("hidden");
    const { updated_at } = entry(3, 3);
    expect(stored().visit).toEqual({ position: "abc-3", at: updated_at, left: Date.parse(NOW) });
  });

  it("begins before what came above the window", () => {
    begin();
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, -500, 300, 100));
    receive({ type: "entry", seq: 3, entry: entry(3, 3) });
    turn("hidden");
    expect(stored().visit?.position).toBe("abc-2");
  });

  it("is told what came meanwhile, after some minutes", async () => {
    const asked: string[] = [];
    vi.stubGlobal("fetch", (url: string) => {
      asked.push(url);
      return Promise.reject(new TypeError("no network"));
    });
    stored().save({ position: "abc-1", at: "", left: Date.parse(NOW) - 299_000 });
    begin();
    await vi.dynamicImportSettled();
    expect(asked).toEqual([]);
    stored().save({ position: "abc-1", at: "", left: Date.parse(NOW) - 301_000 });
    begin();
    await vi.dynamicImportSettled();
    await vi.waitFor(() => {
      expect(asked[0]).toContain("/changes?after=abc-1");
    });
  });
});

describe("an entry that is deleted", () => {
  it("is confirmed once nothing in the page shows it", async () => {
    begin();
    const card = document.createElement("p");
    card.dataset.id = idOf(9);
    document.body.append(card);
    receive({ type: "delete", seq: 3, id: idOf(9), confirm: { within: 1_000 } });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(sent).toEqual([]);
    card.remove();
    await vi.advanceTimersByTimeAsync(199);
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(sent).toEqual([{ type: "gone", id: idOf(9), had: true }]);
  });

  it("isn't quoted in the head any more", () => {
    const quotes = (): string[] => [...document.head.querySelectorAll(":not(title)")].map(({ localName }) => localName);
    begin();
    receive({ type: "entry", seq: 3, entry: entry(3, 3) });
    expect(quotes()).toEqual(["script", "meta", "link"]);
    receive({ type: "delete", seq: 4, id: idOf(1) });
    expect(quotes()).toEqual(["meta", "link"]);
    begin(idOf(2));
    receive({ type: "delete", seq: 3, id: idOf(2) });
    expect(quotes()).toEqual([]);
  });
});
