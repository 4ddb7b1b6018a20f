import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

import { type Entry, parseMessage } from "../../src/model/messages.js";
import type { Outcome } from "../../src/model/outcome.js";
import { newestFirst, type PageKind } from "../../src/model/timeline-state.js";
import { Timeline } from "../../src/model/timeline.js";
import { parseBatch } from "../../src/stream/changes-api.js";

interface Case {
  name: string;
  start: {
    position: string;
    page: PageKind;
    language: string;
    timezone: string;
    has_older: boolean;
    entries: Entry[];
  };
  messages: Record<string, unknown>[];
  expected: { position: string; entries: string[]; pinned: string[]; key_events: string[]; effects: string[] };
}

const FOLDER = join(import.meta.dirname, "../../../tests/vectors");
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

function titleOf(entry: Entry): string {
  return entry.heading ?? "";
}

/** Where pages that aren't loaded begin: beyond the last entry that the page would list. */
function endOf(entries: Entry[], page: PageKind): Entry | null {
  return (
    entries
      .filter((entry) => page !== "first" || !entry.pinned)
      .sort(newestFirst)
      .at(-1) ?? null
  );
}

function begin({ start }: Case): Timeline {
  const [epoch = "", seq = ""] = start.position.split("-");
  return new Timeline(
    {
      epoch,
      seq: Number(seq),
      page: start.page,
      language: start.language,
      timezone: start.timezone,
      ends: {
        newer: start.page === "first" ? null : (start.entries.toSorted(newestFirst)[0] ?? null),
        older: start.has_older ? endOf(start.entries, start.page) : null,
      },
      apart: start.page === "first",
      focus: null,
      items: start.entries,
      keyEvents: start.entries.filter((entry) => entry.key_event).map((entry) => ({ ...entry, title: titleOf(entry) })),
    },
    { titleOf },
  );
}

function feed(timeline: Timeline, message: Record<string, unknown>): Outcome["effects"] {
  if ("changes" in message) {
    return timeline.applyBatch(parseBatch(message.changes)).effects;
  }
  const parsed = parseMessage(JSON.stringify(message));
  return parsed === null ? [] : timeline.receive(parsed).effects;
}

it("finds the vectors", () => {
  expect(FILES.length).toBeGreaterThan(0);
});

describe.each(FILES)("%s", (file) => {
  const cases = JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as Case[];

  it.each(cases)("$name", (vector) => {
    const timeline = begin(vector);
    const effects = vector.messages.flatMap((message) => feed(timeline, message));
    expect({
      position: timeline.position,
      entries: timeline.entries().map((item) => item.id),
      pinned: timeline.pinned().map((item) => item.id),
      key_events: timeline.keyEvents().map((event) => event.id),
      effects,
    }).toEqual(vector.expected);
  });
});
