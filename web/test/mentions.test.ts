import { beforeEach, expect, it } from "vitest";

import { Mentions } from "../src/mentions.js";
import type { Message } from "../src/messages.js";
import type { Timeline } from "../src/timeline.js";
import { entry, idOf, snapshot, timeline } from "./samples.js";

let line: Timeline;
let mentions: Mentions;
let drawn: (string | null)[];

function draw(article: HTMLElement | null): void {
  drawn.push(article?.dataset.title ?? null);
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
  mentions.follow(idOf(2), draw);
  receive({ type: "entry", seq: 3, entry: entry(1, 3) });
  receive({ type: "entry", seq: 4, entry: entry(2, 4, { heading: "Edited" }) });
  receive({ type: "delete", seq: 5, id: idOf(1) });
  receive({ type: "delete", seq: 6, id: idOf(2) });
  expect(drawn).toEqual(["Entry 2", "Edited", null]);
});

it("are none of what is gone already, whoever has read it before", () => {
  receive({ type: "gone", id: idOf(2) });
  receive({ type: "gone", id: idOf(9) });
  mentions.follow(idOf(2), draw);
  mentions.follow(idOf(9), draw, entry(9, 1));
  expect(drawn).toEqual([null, null]);
  expect(mentions.now(idOf(2))).toBeNull();
});

it("have the later state: the stream's, or the one that was read elsewhere", () => {
  mentions.follow(idOf(2), draw, entry(2, 1, { heading: "Earlier" }));
  mentions.follow(idOf(2), draw, entry(2, 9, { heading: "Later" }));
  expect(drawn).toEqual(["Entry 2", "Later"]);
});

it("are of entries that the page doesn't list, too", () => {
  mentions.follow(idOf(7), draw, entry(7, 1));
  receive({ type: "entry", seq: 3, entry: entry(7, 3, { heading: "Edited" }) });
  receive({ type: "delete", seq: 4, id: idOf(7) });
  expect(drawn).toEqual(["Entry 7", "Edited", null]);
});

it("have the server's own article where the page came with it", () => {
  line = timeline({ items: [{ ...entry(2, 2), html: null }] });
  mentions = new Mentions(line);
  document.body.innerHTML = entry(2, 2).html;
  mentions.follow(idOf(2), draw);
  receive({ type: "delete", seq: 3, id: idOf(2) });
  expect(drawn).toEqual(["Entry 2", null]);
});

it("go where the page starts afresh without the entry, and say what it says now where it has it", () => {
  mentions.follow(idOf(2), draw);
  mentions.follow(idOf(1), draw);
  mentions.follow(idOf(7), draw, entry(7, 1));
  mentions.tell(line.replace(snapshot({ entries: [entry(2, 9, { heading: "Restored" })] })));
  expect(drawn).toEqual(["Entry 2", "Entry 1", "Entry 7", "Restored", null, null]);
});

it("end when they are told to, also by another's drawing", () => {
  const ends: (() => void)[] = [];
  const end = mentions.follow(idOf(2), (article) => {
    draw(article);
    ends[0]?.();
  });
  ends.push(mentions.follow(idOf(2), draw));
  receive({ type: "gone", id: idOf(2) });
  end();
  receive({ type: "entry", seq: 3, entry: entry(2, 3) });
  expect(drawn).toEqual(["Entry 2", "Entry 2", null]);
});
