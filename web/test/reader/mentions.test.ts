import { beforeEach, expect, it } from "vitest";

import type { Entry, Message } from "../../src/model/messages.js";
import type { Timeline } from "../../src/model/timeline.js";
import { Mentions } from "../../src/reader/mentions.js";
import { entry, idOf, snapshot, timeline } from "../samples.js";

let line: Timeline;
let mentions: Mentions;
let drawn: (string | null)[];

/** Follows one entry, `read` as it was read; what is drawn of it is kept. */
function follow(id: string, read?: Entry): void {
  mentions.follow([read ?? { id }], (left) => {
    drawn.push(left.get(id)?.dataset.title ?? null);
    return true;
  });
}

function receive(message: Message): void {
  mentions.tell(line.receive(message));
}

beforeEach(() => {
  line = timeline();
  mentions = new Mentions(line);
  drawn = [];
  document.body.innerHTML = "";
});

it("are drawn at once, when the entry changes, and when it goes; nothing else draws them", () => {
  follow(idOf(2));
  receive({ type: "entry", seq: 3, entry: entry(1, 3) });
  receive({ type: "entry", seq: 4, entry: entry(2, 4, { heading: "Edited" }) });
  receive({ type: "delete", seq: 5, id: idOf(1) });
  receive({ type: "delete", seq: 6, id: idOf(2) });
  expect(drawn).toEqual(["Entry 2", "Edited", null]);
});

it("are none of what is gone already, whoever has read it before", () => {
  receive({ type: "gone", id: idOf(2) });
  receive({ type: "gone", id: idOf(9) });
  follow(idOf(2));
  follow(idOf(9), entry(9, 1));
  expect(drawn).toEqual([null, null]);
  expect(mentions.now(idOf(2))).toBeNull();
});

it("are of an entry again that was published again, also where the page doesn't list it", () => {
  // For an entry that the page lists, the timeline knows by itself that it isn't gone any more.
  line = timeline({ items: [] }, { tag: "foot", key_events: false, verification: null });
  mentions = new Mentions(line);
  receive({ type: "delete", seq: 3, id: idOf(2) });
  follow(idOf(2), entry(2, 2));
  receive({ type: "entry", seq: 4, entry: entry(2, 4, { heading: "Back" }) });
  expect(line.item(idOf(2))).toBeUndefined();
  expect(drawn).toEqual([null, "Back"]);
});

it("have the later state: the stream's, or the one that was read elsewhere", () => {
  follow(idOf(2), entry(2, 1, { heading: "Earlier" }));
  follow(idOf(2), entry(2, 9, { heading: "Later" }));
  expect(drawn).toEqual(["Entry 2", "Later"]);
});

it("are of entries that the page doesn't list, too", () => {
  follow(idOf(7), entry(7, 1));
  receive({ type: "entry", seq: 3, entry: entry(7, 3, { heading: "Edited" }) });
  receive({ type: "delete", seq: 4, id: idOf(7) });
  expect(drawn).toEqual(["Entry 7", "Edited", null]);
});

it("have the server's own article where the page came with it", () => {
  line = timeline({ items: [{ ...entry(2, 2), html: null }] });
  mentions = new Mentions(line);
  document.body.innerHTML = entry(2, 2).html;
  follow(idOf(2));
  receive({ type: "delete", seq: 3, id: idOf(2) });
  expect(drawn).toEqual(["Entry 2", null]);
});

it("go where the page starts afresh without the entry, and say what it says now where it has it", () => {
  follow(idOf(2));
  follow(idOf(1));
  follow(idOf(7), entry(7, 1));
  mentions.tell(line.replace(snapshot({ entries: [entry(2, 9, { heading: "Restored" })] })));
  expect(drawn).toEqual(["Entry 2", "Entry 1", "Entry 7", "Restored", null, null]);
});

it("end when their drawing says so", () => {
  mentions.follow([{ id: idOf(2) }], (left) => {
    drawn.push(left.get(idOf(2))?.dataset.title ?? null);
    return left.size > 0;
  });
  receive({ type: "entry", seq: 3, entry: entry(2, 3, { heading: "Edited" }) });
  receive({ type: "delete", seq: 4, id: idOf(2) });
  mentions.tell(line.replace(snapshot({ entries: [entry(2, 9)] })));
  expect(drawn).toEqual(["Entry 2", "Edited", null]);
});

it("of many entries are drawn once for whatever changes together, with those that are left", () => {
  const many: number[] = [];
  const all = Array.from({ length: 1_000 }, (_, number) => entry(number, 1));
  mentions.follow(all, (left) => {
    many.push(left.size);
    return true;
  });
  mentions.tell(line.replace(snapshot({ entries: all.slice(0, 100) })));
  receive({ type: "entry", seq: 10, entry: entry(2, 10) });
  receive({ type: "entry", seq: 11, entry: entry(2_000, 11) });
  expect(many).toEqual([1_000, 100, 100]);
});
