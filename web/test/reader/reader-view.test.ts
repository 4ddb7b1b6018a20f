import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Entry, Message } from "../../src/model/messages.js";
import { Timeline } from "../../src/model/timeline.js";
import { Texts } from "../../src/dom/i18n.js";
import { loadMore } from "../../src/reader/load-more.js";
import { readPage } from "../../src/reader/page-data.js";
import { ReaderView } from "../../src/reader/reader-view.js";
import { entry, idOf, LIVEBLOG, TEXTS } from "../samples.js";

let timeline: Timeline;
let view: ReaderView;

/** A page as the server makes it, in short. */
function load(kind: string, shown: Entry[], older = ""): void {
  Object.assign(document.documentElement.dataset, {
    api: "/api/v1/liveblogs/demo",
    position: "abc-2",
    page: kind,
    language: "en",
    timezone: "Europe/London",
    url: "/live/demo",
    ...(kind === "entry" ? { focus: idOf(2) } : {}),
  });
  document.title = "Demo";
  const list = `<div data-list="entries">${shown.map((value) => value.html).join("")}</div>`;
  document.body.innerHTML = `
    <span data-status="live"></span><time data-updated></time><span data-viewers hidden></span>
    <span data-connection hidden></span><h1 data-liveblog-title>Demo</h1><p data-liveblog-summary hidden></p>
    <div data-announcer></div>
    ${kind === "first" ? '<section data-key-events="4" hidden><ol></ol><details hidden><ol></ol></details></section>' : ""}
    ${kind === "first" ? '<section hidden><div data-list="pinned"></div></section>' : ""}
    <a data-news href="#entries" hidden></a><p data-empty ${shown.length ? "hidden" : ""}></p>
    ${kind === "entry" ? `<p><a data-newer="c9" data-place="${shown[0]?.published_at ?? ""} ${shown[0]?.id ?? ""}" href="/live/demo?order=oldest">Newer</a></p>` : ""}
    ${list}
    <p ${older ? "" : "hidden"}><a data-older="${older}" data-place="${shown.at(-1)?.published_at ?? ""} ${shown.at(-1)?.id ?? ""}" href="/live/demo?cursor=${older}">Older</a><span role="status"></span></p>
    <script type="application/json" id="reader-texts">${JSON.stringify(TEXTS)}</script>`;
  begin();
}

function begin(): void {
  const page = readPage();
  if (page === null) {
    throw new Error("not a live blog's page");
  }
  timeline = new Timeline(page.start);
  view = new ReaderView(timeline, new Texts(page.textData));
}

function receive(message: Message): void {
  view.show(timeline.receive(message));
}

function put(seq: number, value: Entry): void {
  receive({ type: "entry", seq, entry: value });
}

function ids(list: string): number[] {
  const articles = document.querySelectorAll<HTMLElement>(`[data-list="${list}"] article`);
  return [...articles].map((article) => Number(article.dataset.id?.slice(-2)));
}

function get(selector: string): HTMLElement {
  const element = document.querySelector<HTMLElement>(selector);
  if (element === null) {
    throw new Error(`no ${selector}`);
  }
  return element;
}

function tab(visibility: DocumentVisibilityState): void {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(visibility);
  document.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-11-22T12:00:00Z") });
  tab("visible");
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("the first page", () => {
  beforeEach(() => {
    load("first", [entry(2, 2), entry(1, 1)]);
  });

  it("starts from what the server wrote", () => {
    expect(timeline.position).toBe("abc-2");
    expect(timeline.entries().map((item) => item.seq)).toEqual([2, 1]);
    expect(timeline.item(idOf(1))).toMatchObject({ published_at: entry(1, 1).published_at, pinned: false, html: null });
  });

  it("shows a new entry at the top, marked as new, and leaves the others alone", () => {
    const before = document.querySelector("article");
    put(3, entry(3, 3));
    expect(ids("entries")).toEqual([3, 2, 1]);
    expect(get("article").className).toBe("entry-new");
    expect(document.querySelectorAll("article")[1]).toBe(before);
    expect(get("[data-updated]").textContent).toBe("Mis à jour à 9\u00a0h\u00a000");
  });

  it("shows an edit in place and takes away what is deleted", () => {
    put(3, entry(1, 3, { heading: "Edited" }));
    expect(get(`#entry-${idOf(1)} h3`).textContent).toBe("Edited");
    receive({ type: "delete", seq: 4, id: idOf(2) });
    receive({ type: "delete", seq: 5, id: idOf(1) });
    expect(ids("entries")).toEqual([]);
    expect(get("[data-empty]").hidden).toBe(false);
  });

  it("moves an entry into the pinned section, and back", () => {
    put(3, entry(1, 3, { pinned: true }));
    expect([ids("pinned"), ids("entries")]).toEqual([[1], [2]]);
    expect(get("section:has([data-list=pinned])").hidden).toBe(false);
    put(4, entry(1, 4));
    expect([ids("pinned"), ids("entries")]).toEqual([[], [2, 1]]);
    expect(get("section:has([data-list=pinned])").hidden).toBe(true);
  });

  it("lists key events", () => {
    put(3, entry(3, 3, { key_event: true }));
    expect(get("[data-key-events]").hidden).toBe(false);
    expect(get("[data-key-events] a").getAttribute("href")).toBe(`#entry-${idOf(3)}`);
    expect(get("[data-key-events] a").textContent).toBe("9\u00a0h\u00a000 Entry 3");
    put(4, entry(4, 4, { key_event: true, day: "2026-11-23" }));
    expect(get("[data-key-events] time").textContent).toBe("23\u00a0nov. à 9\u00a0h\u00a000");
    receive({ type: "delete", seq: 5, id: idOf(3) });
    receive({ type: "delete", seq: 6, id: idOf(4) });
    expect(get("[data-key-events]").hidden).toBe(true);
  });

  it("keeps no key event that is gone where there are no frames: in a hidden tab, or in one that is hidden meanwhile", () => {
    vi.stubGlobal("requestAnimationFrame", () => 0);
    put(3, entry(3, 3, { key_event: true }));
    put(4, entry(4, 4, { key_event: true }));
    tab("hidden");
    receive({ type: "delete", seq: 5, id: idOf(3) });
    expect(get("[data-key-events]").innerHTML).not.toContain(idOf(3));
    tab("visible");
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, -900, 300, 100));
    vi.spyOn(window, "scrollY", "get").mockReturnValue(900);
    receive({ type: "delete", seq: 6, id: idOf(4) });
    expect(get("[data-key-events]").innerHTML).toContain(idOf(4));
    tab("hidden");
    vi.advanceTimersByTime(500);
    expect(get("[data-key-events]").innerHTML).not.toContain(idOf(4));
    vi.unstubAllGlobals();
  });

  it("tells the day of the last update only when the day is over", () => {
    expect(get("[data-updated]").textContent).toBe("Mis à jour à 9\u00a0h\u00a000");
    vi.setSystemTime(new Date("2026-11-23T00:01:00Z"));
    receive({ type: "heartbeat", seq: 2, viewers: 0 });
    expect(get("[data-updated]").textContent).toBe("Mis à jour le 22\u00a0nov. à 9\u00a0h\u00a000");
  });

  it("shows the live blog's own fields and the number of viewers", () => {
    receive({
      type: "liveblog",
      seq: 3,
      liveblog: { ...LIVEBLOG, title: "<i>Other</i>", summary: "Sum", status: "ended" },
    });
    expect(get("h1").textContent).toBe("<i>Other</i>");
    expect(document.title).toBe("<i>Other</i>");
    expect(get("[data-liveblog-summary]").hidden).toBe(false);
    expect(get("[data-status]").textContent).toBe("Terminé");
    receive({ type: "heartbeat", seq: 3, viewers: 2 });
    expect(get("[data-viewers]").textContent).toBe("2 lecteurs");
  });

  it("counts what comes while the tab is hidden, less what is deleted again, until the reader is back", () => {
    tab("hidden");
    put(3, entry(3, 3));
    put(4, entry(4, 4));
    receive({ type: "delete", seq: 5, id: idOf(3) });
    expect(document.title).toBe("(1) Demo");
    expect(get("[data-news]").textContent).toBe("1 nouvelle");
    tab("visible");
    expect(document.title).toBe("Demo");
    expect(get("[data-news]").hidden).toBe(true);
  });

  it("counts what comes while the list is out of sight, and leads to the first of it", () => {
    let top = window.innerHeight - 10;
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockImplementation(() => new DOMRect(0, top, 300, 500));
    put(3, entry(3, 3));
    put(4, entry(4, 4));
    put(5, entry(5, 5, { pinned: true }));
    put(6, entry(2, 6, { heading: "Edited" }));
    expect([ids("pinned"), ids("entries")]).toEqual([[5], [4, 3, 2, 1]]);
    expect(document.title).toBe("(3) Demo");
    const news = get("[data-news]");
    expect([news.hidden, news.textContent, new URL((news as HTMLAnchorElement).href).hash]).toEqual([
      false,
      "3 nouvelles",
      `#entry-${idOf(4)}`,
    ]);
    document.dispatchEvent(new Event("scroll"));
    expect(news.hidden).toBe(false);
    top = 100;
    document.dispatchEvent(new Event("scroll"));
    expect([news.hidden, document.title]).toEqual([true, "Demo"]);
  });

  it("has no more to tell once the first of them is in view, also where older ones stand above it", () => {
    let above = true;
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockImplementation(function (this: HTMLElement) {
      return new DOMRect(0, above || this.dataset.id !== idOf(0) ? -500 : 100, 300, 400);
    });
    put(3, entry(0, 3));
    expect([ids("entries"), document.title]).toEqual([[2, 1, 0], "(1) Demo"]);
    above = false;
    document.dispatchEvent(new Event("scroll"));
    expect(document.title).toBe("Demo");
  });

  it("announces a burst once", () => {
    for (let number = 3; number < 8; number += 1) {
      put(number, entry(number, number));
    }
    expect(get("[data-announcer]").textContent).toBe("");
    vi.advanceTimersByTime(1_000);
    expect(get("[data-announcer]").textContent).toBe("5 nouvelles");
  });

  it("speaks of a lost connection only after five seconds, of the end at once", () => {
    view.showStatus("connecting");
    vi.advanceTimersByTime(4_999);
    view.showStatus("live");
    vi.advanceTimersByTime(10_000);
    expect(get("[data-connection]").hidden).toBe(true);
    view.showStatus("connecting");
    vi.advanceTimersByTime(5_000);
    expect(get("[data-connection]").textContent).toBe("Reconnexion…");
    expect(get("[data-connection]").hidden).toBe(false);
    view.showStatus("live");
    expect(get("[data-connection]").hidden).toBe(true);
    view.showStatus("closed");
    expect(get("[data-connection]").textContent).toBe("Fermé");
    expect(get("[data-connection]").hidden).toBe(false);
  });

  it("counts the five seconds from the loss, not from the last retry", () => {
    view.showStatus("live");
    for (let retry = 0; retry < 3; retry += 1) {
      view.showStatus("connecting");
      vi.advanceTimersByTime(1_500);
    }
    view.showStatus("offline");
    expect(get("[data-connection]").hidden).toBe(true);
    vi.advanceTimersByTime(500);
    expect(get("[data-connection]").hidden).toBe(false);
    expect(get("[data-connection]").textContent).toBe("Hors connexion, état de 12\u00a0h\u00a000");
    view.showStatus("connecting");
    expect(get("[data-connection]").textContent).toBe("Reconnexion…");
  });

  it("asks again for pictures that weren't to be had while the connection was away", () => {
    const asked: string[] = [];
    for (const [src, complete, naturalWidth] of [
      ["/broken.jpg", true, 0],
      ["/there.jpg", true, 800],
      ["/coming.jpg", false, 0],
    ] as const) {
      const image = document.createElement("img");
      Object.defineProperties(image, {
        complete: { value: complete },
        naturalWidth: { value: naturalWidth },
        src: { get: () => src, set: (value: string) => asked.push(value) },
      });
      document.body.append(image);
    }
    view.showStatus("connecting");
    expect(asked).toEqual([]);
    view.showStatus("live");
    expect(asked).toEqual(["/broken.jpg"]);
  });
});

describe("older entries", () => {
  function answer(value: unknown): void {
    vi.stubGlobal("fetch", () =>
      value === null
        ? Promise.reject(new TypeError("no network"))
        : Promise.resolve({ ok: true, json: () => Promise.resolve(value) }),
    );
  }

  beforeEach(() => {
    load("first", [entry(6, 2), entry(5, 1)], "c1");
    get("[data-older]").addEventListener("click", (event) => {
      event.preventDefault();
      void loadMore("older", event.currentTarget as HTMLAnchorElement, {
        api: "https://live.example.org/api",
        filter: null,
        texts: new Texts(TEXTS),
        timeline,
        add: (side, page) => {
          timeline.addPage(side, page.items, page.next_cursor !== null);
          view.showMore();
        },
      });
    });
  });

  async function click(): Promise<void> {
    get("[data-older]").click();
    await vi.advanceTimersByTimeAsync(1);
  }

  it("are added below, with the link leading on", async () => {
    answer({ items: [entry(4, 1), entry(3, 1)], next_cursor: "c 2", epoch: "abc", seq: 9 });
    await click();
    expect(ids("entries")).toEqual([6, 5, 4, 3]);
    expect(get("[data-older]").dataset.older).toBe("c 2");
    expect(get("[data-older]").getAttribute("href")).toMatch(/\/live\/demo\?cursor=c\+2$/);
    expect(get("[data-news]").hidden).toBe(true);
  });

  it("take the focus along when the last page has come and the link goes", async () => {
    answer({ items: [entry(4, 1)], next_cursor: null, epoch: "abc", seq: 9 });
    get("[data-older]").focus();
    await click();
    expect(get("p:has([data-older])").hidden).toBe(true);
    expect(document.activeElement?.closest("article")?.id).toBe(`entry-${idOf(4)}`);
  });

  it("of another history are left out: the page is about to start afresh", async () => {
    answer({ items: [entry(4, 1)], next_cursor: null, epoch: "xyz", seq: 9 });
    await click();
    expect(ids("entries")).toEqual([6, 5]);
    expect(get("[data-older]").dataset.older).toBe("c1");
    expect(get("p:has([data-older]) [role=status]").textContent).toBe("");
  });

  it("may fail, and be asked for again", async () => {
    answer(null);
    await click();
    expect(get("p:has([data-older]) [role=status]").textContent).toBe("Échec");
    answer({ items: [entry(4, 1)], next_cursor: null, epoch: "abc", seq: 9 });
    await click();
    expect(ids("entries")).toEqual([6, 5, 4]);
    expect(get("p:has([data-older]) [role=status]").textContent).toBe("");
  });
});

describe("a permalink", () => {
  beforeEach(() => {
    load("entry", [entry(2, 2)]);
  });

  it("follows its entry and only counts the others", () => {
    put(3, entry(2, 3, { heading: "Edited" }));
    put(4, entry(4, 4));
    put(5, entry(5, 5));
    expect(ids("entries")).toEqual([2]);
    expect(get("h3").textContent).toBe("Edited");
    expect(get("[data-news]").textContent).toBe("Voir les 2 nouvelles");
    expect(document.title).toBe("(2) Edited – Demo");
  });

  it("is named as the server names its entry, whatever that is by now", () => {
    const { html, ...rest } = entry(2, 3);
    put(3, { ...rest, html: html.replace(/data-title="[^"]*"/, 'data-title="Denied: Kiev – &lt;b>"') });
    expect(document.title).toBe("Denied: Kiev – <b> – Demo");
    receive({ type: "liveblog", seq: 4, liveblog: { ...LIVEBLOG, title: "Other" } });
    expect(document.title).toBe("Denied: Kiev – <b> – Other");
    receive({ type: "delete", seq: 5, id: idOf(2) });
    put(6, entry(4, 6));
    expect(document.title).toBe("(1) Supprimée");
  });

  it("says that the entry was deleted", () => {
    receive({ type: "delete", seq: 3, id: idOf(2) });
    expect(get("article").textContent).toBe("Supprimée");
    expect(get("article").id).toBe(`entry-${idOf(2)}`);
    expect(document.title).toBe("Supprimée");
    expect(document.documentElement.outerHTML).not.toContain("Entry 2");
  });
});

it("is nothing on another page", () => {
  document.body.innerHTML = "";
  delete document.documentElement.dataset.page;
  expect(readPage()).toBeNull();
});

describe("the oldest first", () => {
  beforeEach(() => {
    load("first", [entry(1, 1), entry(2, 2)]);
    view = new ReaderView(timeline, new Texts(TEXTS), true);
  });

  it("new entries come at the end, and are counted while that is out of sight", () => {
    const bottom = 2_000;
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockImplementation(
      () => new DOMRect(0, 1_900, 300, bottom - 1_900),
    );
    put(3, entry(3, 3));
    expect(ids("entries")).toEqual([1, 2, 3]);
    expect([get("[data-news]").textContent, get("[data-news]").getAttribute("href")]).toEqual([
      "1 nouvelle",
      `#entry-${idOf(3)}`,
    ]);
    expect(view.caughtUp).toBe(false);
  });

  it("shows them as they come where they are seen to", () => {
    put(3, entry(3, 3));
    expect(get("[data-news]").hidden).toBe(true);
    expect([view.caughtUp, view.updatedAt]).toEqual([true, entry(3, 3).updated_at]);
  });
});

it("a copy that is shown without a network says of when it is, at once", () => {
  document.documentElement.dataset.copied = "2026-11-22T10:00:00.000Z";
  load("first", [entry(1, 1)]);
  view.showStatus("connecting");
  expect([get("[data-connection]").hidden, get("[data-connection]").textContent]).toEqual([
    false,
    "Hors connexion, état de 10\u00a0h\u00a000",
  ]);
  view.showStatus("live");
  expect(get("[data-connection]").hidden).toBe(true);
  view.showStatus("connecting");
  expect(get("[data-connection]").hidden).toBe(true);
  delete document.documentElement.dataset.copied;
});
