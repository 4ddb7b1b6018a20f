import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Timeline } from "../../src/model/timeline.js";
import { Texts } from "../../src/dom/i18n.js";
import { Mentions } from "../../src/reader/mentions.js";
import { readSince, tellSince } from "../../src/reader/since-last-visit.js";
import { Toasts } from "../../src/reader/toasts.js";
import { VisitMemory } from "../../src/reader/visit-memory.js";
import { entry, idOf, snapshot, TEXTS, timeline } from "../samples.js";

const API = "https://live.example.org/api/v1/liveblogs/demo";
const VISIT = { position: "abc-2", at: "2026-11-22T09:00:02.000Z", left: Date.parse("2026-11-20T08:00:00Z") };

let answers: unknown[];
let asked: string[];

function batch(seq: number, entries: unknown[], more = false): unknown {
  return {
    epoch: "abc",
    seq,
    events: entries.map((one, index) => ({ type: "entry", seq: 3 + index, entry: one })),
    more,
  };
}

beforeEach(() => {
  localStorage.clear();
  answers = [];
  asked = [];
  vi.stubGlobal("fetch", (url: string) => {
    asked.push(url.slice(API.length));
    const answer = answers.shift();
    return Promise.resolve({ ok: answer !== undefined, status: 503, json: () => Promise.resolve(answer) });
  });
  document.body.innerHTML = "<div data-notices></div>";
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("what came since", () => {
  it("is what was published after the visit, or made after it and backdated; not what was edited", async () => {
    const backdated = { ...entry(1, 5), id: "01a20396-a908-7bb4-839c-d0aec79b6e8a" };
    answers = [batch(6, [entry(1, 3), entry(4, 4), backdated, entry(3, 6)])];
    const { fresh, complete } = await readSince(API, VISIT, new Map(), timeline());
    expect(fresh.map((one) => one.id)).toEqual([backdated.id, idOf(3), idOf(4)]);
    expect(complete).toBe(true);
    expect(asked).toEqual(["/changes?after=abc-2&limit=200"]);
  });

  it("is read on while there is more, and not without end", async () => {
    answers = Array.from({ length: 5 }, (_, page) => batch(3 + page, [entry(3 + page, 3 + page)], true));
    const { fresh, complete } = await readSince(API, VISIT, new Map(), timeline());
    expect([fresh.length, complete, asked.length]).toEqual([5, false, 5]);
    expect(asked[1]).toBe("/changes?after=abc-3&limit=200");
  });

  it("goes by the time where the position is void", async () => {
    // Its id was made a millisecond after its time was taken.
    const had = { ...entry(2, 2), id: "01a2027b-de51-7bb4-839c-d0aec79b6e8a" };
    answers = [
      { reset: true, epoch: "xyz", seq: 9 },
      { items: [entry(5, 5), entry(4, 4)], next_cursor: "c1", epoch: "xyz", seq: 9 },
      { items: [entry(3, 3), had], next_cursor: "c2", epoch: "xyz", seq: 9 },
    ];
    const { fresh } = await readSince(API, VISIT, new Map(), timeline());
    expect(fresh.map((one) => one.id)).toEqual([idOf(3), idOf(4), idOf(5)]);
    expect(asked.slice(1)).toEqual(["/entries?limit=100", "/entries?limit=100&cursor=c1"]);
  });

  it("is no page out of a cache, older than what the reader has: what was deleted since would be told", async () => {
    vi.useFakeTimers();
    const line = timeline({ seq: 9 });
    answers = [
      { reset: true, epoch: "abc", seq: 9 },
      { items: [entry(5, 5), entry(4, 4)], next_cursor: null, epoch: "abc", seq: 8 },
      { items: [entry(5, 5)], next_cursor: null, epoch: "abc", seq: 9 },
    ];
    const reading = readSince(API, VISIT, new Map(), line);
    await vi.runAllTimersAsync();
    expect((await reading).fresh.map((one) => one.id)).toEqual([idOf(5)]);
  });

  it("has the corrections of what had been seen", async () => {
    const corrected = entry(1, 3, { corrections: [{ note: "8" }] });
    answers = [batch(4, [corrected, entry(2, 4, { corrections: [{ note: "9" }] })])];
    const found = await readSince(API, VISIT, new Map([[idOf(1), 0]]), timeline());
    expect(found.corrected.map((one) => one.id)).toEqual([idOf(1)]);
  });
});

describe("the reader", () => {
  let line: Timeline;
  let mentions: Mentions;

  beforeEach(() => {
    line = timeline();
    mentions = new Mentions(line);
  });

  async function tell(memory: VisitMemory): Promise<HTMLElement | null> {
    vi.useFakeTimers({ now: new Date("2026-11-22T12:00:00Z") });
    const texts = new Texts(TEXTS);
    await tellSince(API, VISIT, { memory, texts, timeline: line, toasts: new Toasts(texts, "en", mentions) });
    return document.querySelector("[data-notice=since]");
  }

  /** Tells of a correction of what was seen, of an entry, and of a key event. */
  function tellOfEach(memory: VisitMemory): Promise<HTMLElement | null> {
    memory.saw(idOf(1), 0);
    answers = [
      batch(6, [
        entry(1, 3, { corrections: [{ note: "8 and not 12" }] }),
        entry(3, 4),
        entry(4, 5, { key_event: true }),
      ]),
    ];
    return tell(memory);
  }

  it("is told counts, key events and corrections, and where to read on from", async () => {
    const memory = new VisitMemory(API);
    const card = await tellOfEach(memory);
    expect(card?.querySelector(".box-title")?.textContent).toBe("Depuis le 20\u00a0nov. à 8\u00a0h\u00a000");
    expect(card?.querySelectorAll("p")[1]?.textContent).toBe("2 nouvelles, 1 moment, 1 correction");
    expect([...(card?.querySelectorAll("li") ?? [])].map((line) => line.textContent)).toEqual([
      "9\u00a0h\u00a000 Entry 1 – 8 and not 12",
      "9\u00a0h\u00a000 Entry 4",
    ]);
    expect(card?.querySelector("a.button")?.getAttribute("href")).toBe(`${entry(3, 3).url}?order=oldest`);
    expect(memory.seen.get(idOf(1))).toBe(1);
  });

  it("is told no longer of what is gone: counts go down, the way to read on leads to the next, and what is empty closes", async () => {
    const card = await tellOfEach(new VisitMemory(API));
    const counts = (): string | undefined => card?.querySelectorAll("p")[1]?.textContent;
    mentions.tell(line.receive({ type: "gone", id: idOf(3) }));
    expect([...(card?.children ?? [])].map(({ localName }) => localName)).toEqual(["p", "button", "p", "p", "ul"]);
    expect(counts()).toBe("1 nouvelle, 1 moment, 1 correction");
    expect(card?.querySelector("a.button")?.getAttribute("href")).toBe(`${entry(4, 4).url}?order=oldest`);
    mentions.tell(line.receive({ type: "entry", seq: 3, entry: entry(4, 3, { key_event: true, heading: "Earlier" }) }));
    mentions.tell(line.receive({ type: "entry", seq: 4, entry: entry(4, 7, { key_event: true, heading: "Edited" }) }));
    expect(card?.textContent).toContain("Edited");
    expect(card?.textContent).not.toContain("Entry 4");
    mentions.tell(line.receive({ type: "gone", id: idOf(4) }));
    expect(counts()).toBe("1 correction");
    expect(card?.querySelector("a.button")).toBeNull();
    mentions.tell(line.receive({ type: "gone", id: idOf(1) }));
    expect(document.querySelector(".card")).toBeNull();
  });

  it("is told of a thousand entries without making a line for each, however often", async () => {
    const all = Array.from({ length: 1_000 }, (_, number) =>
      entry(number + 10, 3 + number, { key_event: true, published_at: "2026-11-22T09:30:00.000Z" }),
    );
    answers = [batch(1_002, all)];
    const make = vi.spyOn(document, "createElement");
    const card = await tell(new VisitMemory(API));
    expect(card?.querySelectorAll("li")).toHaveLength(5);
    mentions.tell(line.replace(snapshot({ seq: 1_002, entries: all.slice(0, 100) })));
    expect(card?.textContent).toContain("100 moments");
    expect(make.mock.calls.filter(([tag]) => tag === "li").length).toBeLessThanOrEqual(10);
  });

  it("isn't told of what was deleted while it was read", async () => {
    answers = [batch(6, [entry(3, 4), entry(4, 5)])];
    const reading = tell(new VisitMemory(API));
    mentions.tell(line.receive({ type: "gone", id: idOf(4) }));
    const card = await reading;
    expect(card?.textContent).toContain("1 nouvelle");
    expect(card?.innerHTML).not.toContain(idOf(4));
  });

  it("is told as of no earlier than the page: what is answered late is read on", async () => {
    const gone = { type: "delete", seq: 5, id: idOf(4) };
    answers = [batch(4, [entry(3, 3), entry(4, 4)]), { epoch: "abc", seq: 5, events: [gone], more: false }];
    for (let seq = 3; seq <= 5; seq += 1) {
      line.receive({ type: "entry", seq, entry: entry(seq, seq) });
    }
    const card = await tell(new VisitMemory(API));
    expect(asked).toHaveLength(2);
    expect(card?.innerHTML).not.toContain(idOf(4));
  });

  it("is told nothing where the page has started afresh meanwhile", async () => {
    answers = [batch(6, [entry(3, 4)]), batch(9, [])];
    const reading = tell(new VisitMemory(API));
    line.replace(snapshot({ epoch: "xyz" }));
    expect(await reading).toBeNull();
  });

  it("is told nothing where there is nothing to tell", async () => {
    answers = [batch(3, [entry(1, 3)])];
    expect(await tell(new VisitMemory(API))).toBeNull();
  });
});
