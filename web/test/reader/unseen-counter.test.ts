import { beforeEach, describe, expect, it, vi } from "vitest";

import { Texts } from "../../src/dom/i18n.js";
import type { TimelineStart } from "../../src/model/timeline-state.js";
import type { Timeline } from "../../src/model/timeline.js";
import { UnseenCounter } from "../../src/reader/unseen-counter.js";
import { endAt, entry, idOf, TEXTS, timeline } from "../samples.js";

let line: Timeline;
let counter: UnseenCounter;
let atEnd: boolean;

function begin(start: Partial<TimelineStart> = {}): void {
  line = timeline(start);
  counter = new UnseenCounter(line, new Texts(TEXTS), () => atEnd);
}

/** An entry comes, and the page has it in its list. */
function come(number: number, unseen = true, pinned = false): void {
  const value = entry(number, number, { pinned });
  document.body.insertAdjacentHTML("beforeend", value.html);
  counter.count(line.receive({ type: "entry", seq: number, entry: value }), unseen);
}

function link(): [string | null, string | null] {
  const news = document.querySelector<HTMLAnchorElement>("[data-news]");
  return news === null || news.hidden ? [null, null] : [news.textContent, news.getAttribute("href")];
}

beforeEach(() => {
  document.title = "Demo";
  document.body.innerHTML = '<a data-news href="https://live.example.org/live/demo" hidden></a>';
  atEnd = false;
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue({ top: -500, bottom: -400 } as DOMRect);
});

describe("what comes while the reader is elsewhere", () => {
  beforeEach(() => {
    begin();
    come(3, true, true);
    come(4);
    come(5);
  });

  it("is counted, in the title too; the link leads to where reading on begins", () => {
    expect([document.title, ...link()]).toEqual(["(3) Demo", "3 nouvelles", "#entry-" + idOf(4)]);
    expect(counter.isZero).toBe(false);
    counter.title = "Another";
    come(6, false);
    expect(document.title).toBe("(3) Another");
  });

  it("is not counted any more once it is deleted", () => {
    counter.count(line.receive({ type: "delete", seq: 6, id: idOf(4) }), true);
    expect(document.title).toBe("(2) Demo");
  });

  it("is counted once, even if it went and came again", () => {
    const events = [
      { type: "delete" as const, seq: 6, id: idOf(5) },
      { type: "entry" as const, seq: 7, entry: entry(5, 7) },
    ];
    counter.count(line.applyBatch({ epoch: "abc", seq: 7, events, more: false }), true);
    expect(document.title).toBe("(3) Demo");
  });

  it("is seen where new entries come, not in a tab that is hidden", () => {
    atEnd = true;
    const state = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
    document.dispatchEvent(new Event("scroll"));
    expect(counter.isZero).toBe(false);
    state.mockReturnValue("visible");
    document.dispatchEvent(new Event("visibilitychange"));
    expect([counter.isZero, document.title, ...link()]).toEqual([true, "Demo", null, null]);
  });

  it("is seen at the first of it", () => {
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue({ top: 10, bottom: 90 } as DOMRect);
    window.dispatchEvent(new Event("resize"));
    expect(counter.isZero).toBe(true);
  });
});

it("what is seen at once isn't counted", () => {
  begin();
  come(3, false);
  expect([counter.isZero, document.title]).toEqual([true, "Demo"]);
});

it("what is ahead of a page is counted until it is deleted or loaded; the link leads to the newest", () => {
  begin({ page: "older", ends: { newer: endAt(2), older: null } });
  come(3);
  come(4);
  come(5);
  expect([document.title, ...link()]).toEqual([
    "(3) Demo",
    "Voir les 3 nouvelles",
    "https://live.example.org/live/demo",
  ]);
  counter.count(line.receive({ type: "delete", seq: 6, id: idOf(4) }), true);
  expect(document.title).toBe("(2) Demo");
  line.addPage("newer", [entry(3, 3)], true);
  counter.count({ added: [], ahead: [] }, true);
  expect(document.title).toBe("(1) Demo");
  line.addPage("newer", [entry(5, 5)], false);
  counter.count({ added: [], ahead: [] }, true);
  expect([document.title, counter.isZero]).toEqual(["Demo", true]);
});
