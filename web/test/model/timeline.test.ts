import { describe, expect, it } from "vitest";

import type { Entry } from "../../src/model/messages.js";
import type { DeletedEntry, Outcome } from "../../src/model/outcome.js";
import type { Item, TimelineStart } from "../../src/model/timeline-state.js";
import { endAt, entry, idOf, LIVEBLOG, snapshot, timeline } from "../samples.js";

function numbers(items: Item[]): number[] {
  return items.map((item) => Number(item.id.slice(-12)));
}

function put(seq: number, value: Entry): { type: "entry"; seq: number; entry: Entry } {
  return { type: "entry", seq, entry: value };
}

describe("what is new", () => {
  it("is an entry that was not known, not an edit", () => {
    const line = timeline();
    expect(line.receive(put(3, entry(3, 3))).added).toEqual([idOf(3)]);
    expect(line.receive(put(4, entry(1, 4, { heading: "Edited" }))).added).toEqual([]);
  });

  it("is not what belongs to an older page", () => {
    const line = timeline({ ends: { newer: null, older: endAt(5) }, items: [entry(6, 2), entry(5, 1)] });
    expect(line.receive(put(3, entry(2, 3))).added).toEqual([]);
    expect(line.receive(put(4, entry(3, 4, { pinned: true }))).added).toEqual([idOf(3)]);
  });

  it("is ahead of pages that don't show it, unless it is an edit", () => {
    const line = timeline({ page: "entry", apart: false, ends: { newer: endAt(2), older: endAt(1) } });
    const edit = entry(4, 4, { updated_at: "2026-11-22T10:00:00.000Z" });
    const ahead = [put(3, entry(3, 3)), put(4, edit), put(5, entry(5, 5))].flatMap(
      (message) => line.receive(message).ahead,
    );
    expect(ahead).toEqual([idOf(3), idOf(5)]);
    expect(numbers(line.entries())).toEqual([2, 1]);
  });
});

describe("older pages", () => {
  const start = { ends: { newer: null, older: endAt(5) }, items: [entry(6, 2), entry(5, 1)] };

  it("lower the horizon, so that a backdated entry finds its place", () => {
    const line = timeline(start);
    line.addPage("older", [entry(4, 1), entry(2, 1)], true);
    line.receive(put(3, entry(3, 3)));
    line.receive(put(4, entry(1, 4)));
    expect(numbers(line.entries())).toEqual([6, 5, 4, 3, 2]);
    expect(line.has("older")).toBe(true);
  });

  it("don't bring back what was deleted while they were read", () => {
    const line = timeline(start);
    line.receive({ type: "delete", seq: 3, id: idOf(4) });
    line.addPage("older", [entry(4, 1), entry(3, 1)], false);
    expect(numbers(line.entries())).toEqual([6, 5, 3]);
    expect(line.has("older")).toBe(false);
  });

  it("don't bring back what left a limited page while they were read", () => {
    const line = timeline({ ...start, apart: false }, { tag: "foot", key_events: false, verification: null });
    line.receive(put(3, entry(4, 3)));
    line.addPage("older", [entry(4, 1, { tags: ["foot"] }), entry(3, 1, { tags: ["foot"] })], false);
    expect(numbers(line.entries())).toEqual([6, 5, 3]);
  });

  it("are void, as the timeline tells, where it has started afresh since they were asked for", () => {
    const line = timeline(start);
    const { snapshots } = line;
    line.replace(snapshot({ seq: 3 }));
    expect(line.snapshots).not.toBe(snapshots);
  });

  it("don't replace a later state by an earlier one, whichever comes first", () => {
    const line = timeline(start);
    line.receive(put(3, entry(4, 3, { heading: "Later" })));
    line.addPage("older", [entry(4, 1)], false);
    expect(line.item(idOf(4))?.seq).toBe(3);
    line.addPage("older", [entry(3, 9)], false);
    line.receive(put(4, entry(3, 4)));
    expect(line.item(idOf(3))?.seq).toBe(9);
  });
});

describe("a snapshot", () => {
  it("replaces everything and tells what is new", () => {
    const line = timeline();
    line.receive({ type: "heartbeat", seq: 9, viewers: 1 });
    const outcome = line.replace(snapshot({ entries: [entry(9, 9), entry(2, 2)], next_cursor: "c" }));
    expect(line.position).toBe("abc-9");
    expect(numbers(line.entries())).toEqual([9, 2]);
    expect(outcome).toMatchObject({ effects: [], changed: true, added: [idOf(9)] });
    expect(line.has("older")).toBe(true);
    expect(line.liveblog).toEqual(LIVEBLOG);
  });

  it("of another history brings nothing new: all of it is", () => {
    const line = timeline();
    line.receive({ type: "reset", epoch: "xyz", seq: 9 });
    expect(line.replace(snapshot({ epoch: "xyz" })).added).toEqual([]);
    expect(line.receive(put(10, entry(10, 10))).added).toEqual([idOf(10)]);
  });

  it("that is behind what the stream has shown asks for the rest", () => {
    const line = timeline();
    line.receive({ type: "reset", epoch: "xyz", seq: 9 });
    line.receive(put(10, entry(10, 10)));
    expect(line.replace(snapshot({ epoch: "xyz" })).effects).toEqual(["resync"]);
  });

  it("of another history than the stream's is not mixed with it", () => {
    const line = timeline();
    line.receive({ type: "reset", epoch: "xyz", seq: 4 });
    expect(line.replace(snapshot({ epoch: "old" })).effects).toEqual(["snapshot"]);
    line.receive(put(10, entry(10, 10)));
    expect(numbers(line.entries())).toEqual([9, 8]);
    expect(line.replace(snapshot({ epoch: "xyz", seq: 10 })).effects).toEqual([]);
  });
});

describe("what comes late, or from elsewhere", () => {
  it("is no snapshot out of a cache: what was deleted since would be back", () => {
    const line = timeline({ seq: 8 });
    line.receive({ type: "delete", seq: 9, id: idOf(1) });
    const old = snapshot({ seq: 8, entries: [entry(2, 2), entry(1, 1)] });
    expect(line.replace(old)).toMatchObject({ effects: ["snapshot"], changed: false });
    expect(numbers(line.entries())).toEqual([2]);
    expect(line.replace(snapshot({ seq: 9, entries: [entry(2, 2)] })).effects).toEqual([]);
  });

  it("is not the replay of a viewer that has what we haven't", () => {
    const line = timeline();
    expect(line.receive(put(4, entry(4, 4))).effects).toEqual(["resync"]);
    line.receive({ type: "hello", epoch: "abc", seq: 6, resumed: true, heartbeat: 25 });
    line.receive(put(6, entry(6, 6)));
    expect(line.position).toBe("abc-2");
    const events = [put(3, entry(3, 3)), put(4, entry(4, 4)), put(6, entry(6, 6))];
    expect(line.applyBatch({ reset: false, epoch: "abc", seq: 6, events, more: false }).effects).toEqual([]);
    expect(numbers(line.entries())).toEqual([6, 4, 3, 2, 1]);
  });

  it("is not an answer of a history that is over, whether we have the new one or are waiting for it", () => {
    const late = { reset: false as const, epoch: "abc", seq: 40, events: [put(40, entry(40, 40))], more: false };
    const line = timeline();
    line.receive({ type: "reset", epoch: "xyz", seq: 9 });
    expect(line.applyBatch(late)).toMatchObject({ effects: [], changed: false });
    expect(line.replace(snapshot({ epoch: "xyz" })).effects).toEqual([]);
    expect(line.applyBatch(late)).toMatchObject({ effects: [], changed: false });
    expect(line.receive({ type: "heartbeat", seq: 9, viewers: 1 }).effects).toEqual([]);
  });

  it("is not how far another history had got", () => {
    const line = timeline();
    line.receive({ type: "heartbeat", seq: 40, viewers: 1 });
    line.applyBatch({ reset: true, epoch: "xyz", seq: 9 });
    line.receive(put(41, entry(41, 41)));
    line.replace(snapshot({ epoch: "xyz" }));
    line.receive({ type: "hello", epoch: "xyz", seq: 9, resumed: true, heartbeat: 25 });
    expect(line.applyBatch({ reset: false, epoch: "xyz", seq: 9, events: [], more: false }).effects).toEqual([]);
  });
});

describe("what is shown", () => {
  it("changes with the number of viewers, and not with a heartbeat that says the same", () => {
    const line = timeline();
    expect(line.receive({ type: "heartbeat", seq: 2, viewers: 5 }).changed).toBe(true);
    expect(line.receive({ type: "heartbeat", seq: 2, viewers: 5 }).changed).toBe(false);
    expect(line.viewers).toBe(5);
  });

  it("titles key events", () => {
    const line = timeline();
    line.receive(put(3, entry(3, 3, { key_event: true, heading: null })));
    expect(line.keyEvents().map((event) => event.title)).toEqual(["Untitled"]);
  });

  it("takes the live blog's fields", () => {
    const line = timeline();
    line.receive({ type: "liveblog", seq: 3, liveblog: { ...LIVEBLOG, title: "Other" } });
    expect(line.liveblog?.title).toBe("Other");
  });
});

describe("where a page ends", () => {
  it("counts pinned entries among a snapshot's own: unpinned, they stay shown, as no older page has them", () => {
    const line = timeline({ items: [], seq: 0 });
    const oldest = entry(7, 7, { pinned: true });
    line.replace(
      snapshot({ entries: [entry(9, 9), entry(8, 8), oldest], pinned: [oldest], next_cursor: "after-7", seq: 9 }),
    );
    line.receive({ type: "hello", epoch: "abc", seq: 9, resumed: true, heartbeat: 25 });
    line.receive(put(10, entry(7, 10, { pinned: false })));
    expect(numbers(line.entries())).toEqual([9, 8, 7]);
  });
});

describe("a stretch of the list", () => {
  const start = {
    page: "older" as const,
    apart: false,
    items: [entry(6, 2), entry(5, 1)],
    ends: { newer: endAt(6), older: endAt(5) },
  };

  it("takes in what is published within it, tells what comes beyond its newer end, and grows there to the newest", () => {
    const line = timeline(start);
    const between = {
      ...entry(5, 3),
      id: idOf(55),
      published_at: "2026-11-22T09:00:05.500Z",
      updated_at: "2026-11-22T09:00:05.500Z",
    };
    expect(line.receive(put(3, between)).added).toEqual([idOf(55)]);
    expect(line.receive(put(4, entry(9, 4)))).toMatchObject({ added: [], ahead: [idOf(9)] });
    line.addPage("newer", [entry(7, 1), entry(8, 1)], true);
    expect(numbers(line.entries())).toEqual([8, 7, 6, 55, 5]);
    line.addPage("newer", [entry(9, 4)], false);
    expect(numbers(line.entries())).toEqual([9, 8, 7, 6, 55, 5]);
    expect(line.has("newer")).toBe(false);
    expect(line.receive(put(5, entry(10, 5)))).toMatchObject({ added: [idOf(10)], ahead: [] });
  });

  it("lists pinned entries in their place, unless they stand apart", () => {
    const pinned = entry(5, 3, { pinned: true });
    const line = timeline(start);
    line.receive(put(3, pinned));
    expect(numbers(line.entries())).toEqual([6, 5]);
    const apart = timeline({ ...start, apart: true });
    apart.receive(put(3, pinned));
    expect([numbers(apart.entries()), numbers(apart.pinned())]).toEqual([[6], []]);
  });

  it("keeps to what it is limited to, also when an entry changes", () => {
    const only = { tag: "foot", key_events: false, verification: "denied" };
    const matching = { tags: ["foot"], verification: "denied" };
    const line = timeline({ ...start, ends: { newer: null, older: null }, items: [] }, only);
    expect(line.receive(put(3, entry(1, 3, { tags: ["foot"] }))).added).toEqual([]);
    expect(line.receive(put(4, entry(2, 4, matching))).added).toEqual([idOf(2)]);
    line.receive(put(5, entry(3, 5, { ...matching, tags: ["foot", "var"], key_event: true })));
    expect(numbers(line.entries())).toEqual([3, 2]);
    line.receive(put(6, entry(2, 6, { tags: ["foot"], verification: "confirmed" })));
    expect(numbers(line.entries())).toEqual([3]);
    const keyEvents = timeline(
      { ...start, ends: { newer: null, older: null }, items: [] },
      { tag: null, key_events: true, verification: null },
    );
    keyEvents.receive(put(3, entry(1, 3)));
    keyEvents.receive(put(4, entry(2, 4, { key_event: true })));
    expect(numbers(keyEvents.entries())).toEqual([2]);
  });

  it("keeps the place of the entry that it was opened for when that is deleted", () => {
    const line = timeline({ ...start, page: "entry", focus: idOf(6) });
    const outcome = line.receive({ type: "delete", seq: 3, id: idOf(6) });
    expect(outcome.gone).toEqual([{ id: idOf(6), had: true, within: undefined }]);
    expect(line.entries().map((item) => item.gone)).toEqual([true, undefined]);
    line.receive({ type: "delete", seq: 4, id: idOf(5) });
    expect(numbers(line.entries())).toEqual([6]);
  });
});

it("an unpinned entry that was the oldest of the start page stays on it", () => {
  const line = timeline({
    items: [entry(9, 9), entry(8, 8), entry(7, 7, { pinned: true })],
    ends: { newer: null, older: endAt(7) },
    seq: 9,
  });
  line.receive(put(10, entry(7, 10)));
  expect(numbers(line.entries())).toEqual([9, 8, 7]);
});

describe("a deletion that is to be confirmed", () => {
  const confirm = { within: 5000 };
  const askedBy = ({ gone }: Outcome): DeletedEntry[] => gone.filter(({ within }) => within !== undefined);

  it("is, once it was applied, with whether the entry was there, or among the key events", () => {
    const line = timeline({ items: [entry(6, 2), entry(5, 1)], keyEvents: [{ ...entry(4, 1), title: "4" }] });
    const asked = [6, 6, 4, 9].map((number, index) =>
      askedBy(line.receive({ type: "delete", seq: 3 + index, id: idOf(number), confirm })),
    );
    expect(asked).toEqual(
      [6, 6, 4, 9].map((number, index) => [{ id: idOf(number), had: [true, false, true, false][index], within: 5000 }]),
    );
    expect(askedBy(line.receive({ type: "delete", seq: 7, id: idOf(5) }))).toEqual([]);
  });

  it("is at once, whatever is missing before it, and what comes then doesn't bring the entry back", () => {
    const line = timeline({ items: [entry(6, 2)] });
    const message = { type: "delete", seq: 9, id: idOf(6), confirm } as const;
    const outcome = line.receive(message);
    expect(outcome).toMatchObject({
      changed: true,
      effects: ["resync"],
      gone: [{ id: idOf(6), had: true, within: 5000 }],
    });
    expect(line.receive(message)).toMatchObject({ changed: false, gone: [] });
    const batch = {
      reset: false as const,
      epoch: line.epoch,
      seq: 9,
      events: [put(7, entry(7, 7)), put(8, entry(6, 8)), message],
      more: false,
    };
    expect(askedBy(line.applyBatch(batch))).toEqual([]);
    expect([numbers(line.entries()), line.seq]).toEqual([[7], 9]);
  });

  it("is at once, while the page waits to start afresh, on whatever page", () => {
    for (const page of ["first", "older", "entry"] as const) {
      const line = timeline({ page, items: [entry(6, 2), entry(5, 1)], keyEvents: [{ ...entry(6, 2), title: "6" }] });
      line.receive({ type: "reset", epoch: "xyz", seq: 1 });
      const outcome = line.receive({ type: "delete", seq: 2, id: idOf(6), confirm });
      expect(outcome).toMatchObject({ changed: true, effects: [], gone: [{ id: idOf(6), had: true, within: 5000 }] });
      expect([numbers(line.entries()), line.keyEvents()]).toEqual([[5], []]);
      line.replace(snapshot({ epoch: "xyz", seq: 1, entries: [entry(6, 1), entry(5, 1)] }));
      expect(numbers(line.entries())).toEqual([5]);
    }
  });

  it("says nothing of what has the same id in another history", () => {
    const line = timeline({ items: [entry(6, 2)] });
    line.receive({ type: "gone", id: idOf(6) });
    line.receive({ type: "reset", epoch: "xyz", seq: 3 });
    line.replace(snapshot({ epoch: "xyz", seq: 3, entries: [entry(6, 3)] }));
    expect(numbers(line.entries())).toEqual([6]);
  });

  it("is, where the stream is late, when it is told that the entry is gone, and once", () => {
    const line = timeline({ items: [entry(6, 2), entry(5, 1)] });
    const message = { type: "gone", id: idOf(6), confirm } as const;
    expect(line.receive(message)).toMatchObject({ changed: true, gone: [{ id: idOf(6), had: true, within: 5000 }] });
    expect(line.receive(message)).toMatchObject({ changed: false, gone: [] });
    const batch = { reset: false as const, epoch: line.epoch, seq: line.seq, events: [message], more: false };
    expect(askedBy(line.applyBatch(batch))).toEqual([]);
    expect(numbers(line.entries())).toEqual([5]);
  });

  it("doesn't come back with a snapshot or a page that was read before", () => {
    const line = timeline({ items: [entry(5, 1)] });
    line.receive({ type: "gone", id: idOf(6) });
    line.addPage("older", [entry(6, 1)], false);
    expect(numbers(line.entries())).toEqual([5]);
  });

  it("comes back once it is published again, after its deletion had its turn", () => {
    const line = timeline({ items: [entry(6, 2), entry(5, 1)] });
    const message = { type: "gone", id: idOf(6), confirm } as const;
    line.receive(message);
    line.receive({ type: "delete", seq: 3, id: idOf(6) });
    line.addPage("older", [entry(6, 2)], false);
    expect(numbers(line.entries())).toEqual([5]);
    line.receive({ type: "entry", seq: 4, entry: entry(6, 4) });
    expect(numbers(line.entries())).toEqual([6, 5]);
    expect(askedBy(line.receive(message))).toHaveLength(1);
    expect(numbers(line.entries())).toEqual([5]);
  });

  it("is of the entry that the page was opened for, too", () => {
    const line = timeline({ page: "entry", focus: idOf(6), items: [entry(6, 2)] });
    expect(line.receive({ type: "delete", seq: 3, id: idOf(6), confirm }).gone[0]?.had).toBe(true);
  });
});

describe("an outcome", () => {
  it("has the entries that are new or changed, wherever they are shown, and those that are gone", () => {
    const line = timeline({ ends: { newer: null, older: endAt(2) } });
    const edited = entry(1, 3, { heading: "Edited" });
    expect(line.receive(put(3, edited))).toMatchObject({ entries: [edited], gone: [], added: [], replaced: false });
    expect(line.receive({ type: "delete", seq: 4, id: idOf(9) }).gone).toEqual([
      { id: idOf(9), had: false, within: undefined },
    ]);
  });

  it("says what was there already by what the page had, whatever clocks say", () => {
    // Two servers' clocks: the one that corrected is behind the one that published.
    const corrected = entry(2, 3, { updated_at: "2026-11-22T08:59:00.000Z" });
    const edited = (value: Entry, start: Partial<TimelineStart> = {}): boolean =>
      timeline(start).receive(put(3, value)).edited;
    expect(edited(corrected)).toBe(true);
    expect(edited(entry(3, 3, { updated_at: "2026-11-22T10:00:00.000Z" }))).toBe(false);
    expect(edited(entry(3, 3), { page: "older", ends: { newer: endAt(2), older: null } })).toBe(false);
    // On pages that aren't loaded, and among the key events.
    const beyond = { ends: { newer: null, older: endAt(2) }, items: [entry(2, 2)] };
    expect(edited(entry(1, 3), beyond)).toBe(true);
    expect(edited(entry(7, 3), { keyEvents: [{ ...entry(7, 1), title: "7" }] })).toBe(true);
  });

  it("says that the page starts afresh", () => {
    expect(timeline().replace(snapshot())).toMatchObject({ replaced: true, entries: [], gone: [] });
  });
});
