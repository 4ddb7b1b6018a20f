/**
 * The timeline under everything that may happen to messages, against a model of what the server has.
 *
 * Whatever is lost, doubled, late or out of order: once what the timeline asks for has been brought, it shows what the
 * server has. On the way it never goes back, applies nothing twice, and shows nothing that it was told to be deleted.
 */

import fc from "fast-check";
import { expect, it } from "vitest";

import type { Batch, Change, Entry, Liveblog, Message, Snapshot } from "../../src/model/messages.js";
import type { Effect, Outcome } from "../../src/model/outcome.js";
import { newestFirst } from "../../src/model/timeline-state.js";
import type { Timeline } from "../../src/model/timeline.js";
import { entry, LIVEBLOG, snapshot, timeline } from "../samples.js";

const RUNS = 400;
const STEPS = 60;
const RESYNCS_MAX = 6;

/** What a live blog is at one moment. */
interface State {
  epoch: string;
  seq: number;
  /** The latest change of each entry, by its id; a deletion is one too. */
  entries: Map<string, Change>;
  liveblog: Liveblog;
  liveblogSeq: number;
}

function copyOf(state: State): State {
  return { ...state, entries: new Map(state.entries) };
}

function living(state: State): Entry[] {
  return [...state.entries.values()]
    .flatMap((change) => (change.type === "entry" ? [change.entry] : []))
    .sort(newestFirst);
}

/** The latest states of what changed since, as a replay or an answer of `changes` brings them. */
function changesAfter(state: State, seq: number): Change[] {
  const liveblog: Change = { type: "liveblog", seq: state.liveblogSeq, liveblog: state.liveblog };
  return [...state.entries.values(), liveblog].filter((change) => change.seq > seq).sort((a, b) => a.seq - b.seq);
}

function snapshotOf(state: State): Snapshot {
  const entries = living(state);
  return snapshot({
    epoch: state.epoch,
    seq: state.seq,
    liveblog: state.liveblog,
    entries: entries.filter((item) => !item.pinned),
    pinned: entries.filter((item) => item.pinned),
    key_events: keyEventsOf(entries),
  });
}

function isChange(message: Message): message is Change {
  return message.type === "entry" || message.type === "delete" || message.type === "liveblog";
}

function keyEventsOf(entries: Entry[]): Snapshot["key_events"] {
  return entries
    .filter((item) => item.key_event)
    .map(({ id, heading, published_at, url }) => ({ id, title: heading ?? "Untitled", published_at, url }));
}

interface Fields {
  pinned: boolean;
  key_event: boolean;
}

/** The server, the way to one reader, and the reader's timeline with what fetches for it. */
class World {
  /** What is on its way on the stream; true for live messages, which alone may be lost or overtake each other. */
  #wire: { message: Message; live: boolean }[] = [];
  /** Live changes that came through on this connection. */
  #passed: Change[] = [];
  /** How far the stream has been written without a loss: what a replay in mid-stream starts from. */
  #written: number;
  #wanted: Effect | null = null;
  #reading: Snapshot | Batch | null = null;
  #polls: Batch[] = [];
  #numbers = 0;
  #epochs = 0;
  /** Kept by a cache on the way, and by an operator who makes backups. */
  #old: State;
  /** The highest seq at which each entry was seen, and what was told as new, in this history. */
  #seen = new Map<string, number>();
  readonly #state: State = { epoch: "e0", seq: 0, entries: new Map(), liveblog: LIVEBLOG, liveblogSeq: 0 };
  readonly #line: Timeline;

  constructor(entries: number) {
    for (let number = 0; number < entries; number += 1) {
      this.publish({ pinned: false, key_event: number === 0 });
    }
    this.#wire = [];
    const items = living(this.#state);
    this.#line = timeline({ epoch: "e0", seq: entries, items, keyEvents: keyEventsOf(items) });
    this.#written = entries;
    this.#old = copyOf(this.#state);
  }

  publish(fields: Fields): void {
    this.#numbers += 1;
    this.#put(entry(this.#numbers, this.#state.seq + 1, fields));
  }

  edit(which: number, fields: Fields): void {
    const number = this.#aliveNumber(which);
    if (number !== null) {
      const seq = this.#state.seq + 1;
      this.#put(entry(number, seq, { ...fields, heading: `As of ${String(seq)}` }));
    }
  }

  delete(which: number): void {
    const id = this.#alive(which)?.id;
    if (id !== undefined) {
      this.#commit({ type: "delete", seq: this.#state.seq + 1, id });
    }
  }

  changeLiveblog(language: string | null): void {
    const seq = this.#state.seq + 1;
    const liveblog = { ...this.#state.liveblog, title: `As of ${String(seq)}` };
    this.#commit({ type: "liveblog", seq, liveblog: language === null ? liveblog : { ...liveblog, language } });
  }

  /** A cache takes a snapshot, and somebody a backup. */
  keep(): void {
    this.#old = copyOf(this.#state);
  }

  /** The backup is restored: another history, which may be shorter. Its seqs are told from the former's by `reset` alone. */
  restore(): void {
    this.deliver(this.#wire.length);
    this.#passed = [];
    this.#epochs += 1;
    // Not twice while one request is under way, whose answer would tell of the first.
    this.#polls = this.#polls.filter((batch) => !batch.reset);
    if (this.#reading !== null && "reset" in this.#reading && this.#reading.reset) {
      this.fail();
    }
    Object.assign(this.#state, copyOf(this.#old), { epoch: `e${String(this.#epochs)}` });
    const { epoch, seq } = this.#state;
    this.#wire.push({ message: { type: "reset", epoch, seq }, live: false });
    this.#written = seq;
  }

  /** A viewer that lagged is caught up: a `hello`, and what it wasn't sent, with skips. */
  section(): void {
    this.#replay(this.#written);
  }

  /** The connection is lost, and another one begins where the reader stands. */
  connect(): void {
    this.#wire = [];
    this.#passed = [];
    const { epoch, seq } = this.#state;
    if (this.#line.epoch === epoch && this.#line.seq <= seq) {
      this.#replay(this.#line.seq);
    } else {
      this.#written = seq;
      this.#wire.push({ message: { type: "hello", epoch, seq, resumed: false, heartbeat: 25 }, live: false });
      this.#wire.push({ message: { type: "reset", epoch, seq }, live: false });
    }
  }

  /** Comes before what it counts. */
  heartbeat(): void {
    const message: Message = { type: "heartbeat", seq: this.#state.seq, viewers: 1 };
    this.#wire.splice(this.#liveBegin(), 0, { message, live: true });
  }

  deliver(count: number): void {
    for (const { message, live } of this.#wire.splice(0, count)) {
      this.#receive(message);
      if (live && isChange(message)) {
        this.#passed.push(message);
      }
    }
  }

  /** A replay that was written afterwards would have made up for it. */
  drop(which: number): void {
    const live = this.#wire.slice(this.#liveBegin());
    const lost = live[which % live.length];
    if (lost !== undefined) {
      this.#wire.splice(this.#wire.indexOf(lost), 1);
      if (isChange(lost.message)) {
        this.#written = Math.min(this.#written, lost.message.seq - 1);
      }
    }
  }

  double(which: number): void {
    const sent = this.#wire[which % this.#wire.length];
    if (sent?.live === true) {
      this.#wire.splice(this.#wire.indexOf(sent), 0, sent);
    }
  }

  overtake(which: number): void {
    const index = which % this.#wire.length;
    const [first, second] = [this.#wire[index], this.#wire[index + 1]];
    if (first?.live === true && second?.live === true) {
      this.#wire.splice(index, 2, second, first);
    }
  }

  /** A message comes once more, long after. */
  repeat(which: number): void {
    const message = this.#passed[which % this.#passed.length];
    if (message !== undefined) {
      this.#receive(message);
    }
  }

  /** What the timeline asked for is read: now, or out of a cache. */
  read(limit: number, cached: boolean): void {
    if (this.#reading === null && this.#wanted !== null) {
      this.#reading = this.#wanted === "snapshot" ? snapshotOf(cached ? this.#old : this.#state) : this.#batch(limit);
      this.#wanted = null;
    }
  }

  arrive(): void {
    const reading = this.#reading;
    this.#reading = null;
    if (reading !== null) {
      this.#follow("liveblog" in reading ? this.#line.replace(reading) : this.#applyBatch(reading));
    }
  }

  fail(): void {
    if (this.#reading !== null) {
      this.#want(["reset" in this.#reading ? "resync" : "snapshot"]);
      this.#reading = null;
    }
  }

  /** Somebody asks for `changes` unasked; the answer is there whenever it is. */
  poll(limit: number): void {
    this.#polls.push(this.#batch(limit));
  }

  polled(which: number): void {
    const [batch] = this.#polls.splice(which % Math.max(1, this.#polls.length), 1);
    if (batch !== undefined) {
      this.#follow(this.#applyBatch(batch));
    }
  }

  /** All that is under way arrives, what is asked for is brought: then the reader has what the server has. */
  finish(): void {
    this.deliver(this.#wire.length);
    while (this.#polls.length > 0) {
      this.polled(0);
    }
    this.arrive();
    this.#receive({ type: "heartbeat", seq: this.#state.seq, viewers: 1 });
    for (let resyncs = 0; this.#wanted !== null; resyncs += 1) {
      expect(resyncs, "resyncs").toBeLessThan(RESYNCS_MAX);
      this.read(100, false);
      this.arrive();
    }
    const entries = living(this.#state);
    const line = this.#line;
    expect(line.position).toBe(`${this.#state.epoch}-${String(this.#state.seq)}`);
    expect(line.entries()).toEqual(entries.filter((item) => !item.pinned));
    expect(line.pinned()).toEqual(entries.filter((item) => item.pinned));
    expect(line.keyEvents()).toEqual(keyEventsOf(entries));
    expect(line.liveblog ?? LIVEBLOG).toEqual(this.#state.liveblog);
  }

  #liveBegin(): number {
    return this.#wire.findLastIndex(({ live }) => !live) + 1;
  }

  #put(value: Entry): void {
    this.#commit({ type: "entry", seq: value.seq, entry: value });
  }

  #commit(change: Change): void {
    this.#state.seq = change.seq;
    if (change.type === "liveblog") {
      this.#state.liveblog = change.liveblog;
      this.#state.liveblogSeq = change.seq;
    } else {
      this.#state.entries.set(change.type === "entry" ? change.entry.id : change.id, change);
    }
    this.#wire.push({ message: change, live: true });
    if (this.#written === change.seq - 1) {
      this.#written = change.seq;
    }
  }

  #alive(which: number): Entry | undefined {
    const entries = living(this.#state);
    return entries[which % entries.length];
  }

  #aliveNumber(which: number): number | null {
    const id = this.#alive(which)?.id;
    return id === undefined ? null : Number(id.slice(-12));
  }

  #replay(after: number): void {
    const { epoch, seq } = this.#state;
    const changes = changesAfter(this.#state, after);
    const messages: Message[] = [{ type: "hello", epoch, seq, resumed: true, heartbeat: 25 }, ...changes];
    this.#wire.push(...messages.map((message) => ({ message, live: false })));
    this.#written = seq;
  }

  /** The answer of `changes` after where the reader stands. */
  #batch(limit: number): Batch {
    const { epoch, seq } = this.#state;
    const after = this.#line.seq;
    if (this.#line.epoch !== epoch || after > seq) {
      return { reset: true, epoch, seq };
    }
    const changes = changesAfter(this.#state, after);
    const events = changes.slice(0, limit);
    return { reset: false, epoch, seq, events, more: events.length < changes.length };
  }

  #receive(message: Message): void {
    const before = this.#line.seq;
    const outcome = this.#line.receive(message);
    if (message.type === "hello" || message.type === "reset") {
      this.#streamEpoch = message.epoch;
    }
    if (isChange(message)) {
      if (message.type === "delete" && this.#streamEpoch === this.#state.epoch) {
        this.#told.add(`${this.#streamEpoch} ${message.id}`);
      }
      // What is gone in another history than the page's is gone at once, too.
      const elsewhere = message.type === "delete" && this.#line.epoch !== this.#state.epoch;
      expect(outcome.changed && message.seq <= before && !elsewhere, "applied twice").toBe(false);
    }
    this.#follow(outcome);
  }

  #applyBatch(batch: Batch): Outcome {
    const { epoch, seq } = this.#line;
    const outcome = this.#line.applyBatch(batch);
    const news =
      !batch.reset && batch.epoch === epoch && batch.events.some((event) => event.type === "gone" || event.seq > seq);
    expect(outcome.changed && !news, "applied twice").toBe(false);
    return outcome;
  }

  #follow(outcome: Outcome): void {
    this.#want(outcome.effects);
    this.#check();
  }

  #want(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect === "snapshot" || this.#wanted === null) {
        this.#wanted = effect;
      }
    }
  }

  /** In a history that isn't over, the reader never sees an older state after a newer, nor what was deleted. */
  #check(): void {
    const line = this.#line;
    if (line.epoch !== this.#state.epoch) {
      return;
    }
    if (line.epoch !== this.#seenEpoch) {
      this.#seenEpoch = line.epoch;
      this.#seen = new Map();
    }
    const shown = new Map([...line.entries(), ...line.pinned()].map(({ id, seq }) => [id, seq]));
    for (const [id, seq] of this.#seen) {
      expect(shown.get(id) ?? Infinity, "an older state").toBeGreaterThanOrEqual(seq);
    }
    for (const [id, seq] of shown) {
      this.#seen.set(id, seq);
    }
    for (const [id, change] of this.#state.entries) {
      if (change.type === "delete" && (change.seq <= line.seq || this.#told.has(`${line.epoch} ${id}`))) {
        expect(shown.has(id), "deleted").toBe(false);
        expect(line.keyEvents().some((event) => event.id === id)).toBe(false);
      }
    }
  }

  #seenEpoch = "e0";
  #streamEpoch = "e0";
  /** What the stream has said is deleted, in its turn or before. */
  readonly #told = new Set<string>();
}

const WHICH = fc.nat({ max: 30 });
const FIELDS = fc.record({ pinned: fc.boolean(), key_event: fc.boolean() });
const LIMIT = fc.constantFrom(1, 2, 100);

type Step = (world: World) => void;

function step<T>(name: string, arbitrary: fc.Arbitrary<T>, act: (world: World, value: T) => void): fc.Arbitrary<Step> {
  return arbitrary.map((value) =>
    Object.assign(
      (world: World) => {
        act(world, value);
      },
      { [fc.toStringMethod]: () => `${name}(${fc.stringify(value)})` },
    ),
  );
}

const NOTHING = fc.constant(null);
const STEP = fc.oneof(
  {
    weight: 6,
    arbitrary: step("publish", FIELDS, (world, fields) => {
      world.publish(fields);
    }),
  },
  {
    weight: 4,
    arbitrary: step("edit", fc.tuple(WHICH, FIELDS), (world, [which, fields]) => {
      world.edit(which, fields);
    }),
  },
  {
    weight: 3,
    arbitrary: step("delete", WHICH, (world, which) => {
      world.delete(which);
    }),
  },
  {
    weight: 1,
    arbitrary: step("liveblog", fc.constantFrom(null, null, "fr", "en"), (world, language) => {
      world.changeLiveblog(language);
    }),
  },
  {
    weight: 1,
    arbitrary: step("keep", NOTHING, (world) => {
      world.keep();
    }),
  },
  {
    weight: 1,
    arbitrary: step("restore", NOTHING, (world) => {
      world.restore();
    }),
  },
  {
    weight: 2,
    arbitrary: step("section", NOTHING, (world) => {
      world.section();
    }),
  },
  {
    weight: 2,
    arbitrary: step("connect", NOTHING, (world) => {
      world.connect();
    }),
  },
  {
    weight: 2,
    arbitrary: step("heartbeat", NOTHING, (world) => {
      world.heartbeat();
    }),
  },
  {
    weight: 8,
    arbitrary: step("deliver", fc.integer({ min: 1, max: 4 }), (world, count) => {
      world.deliver(count);
    }),
  },
  {
    weight: 3,
    arbitrary: step("drop", WHICH, (world, which) => {
      world.drop(which);
    }),
  },
  {
    weight: 2,
    arbitrary: step("double", WHICH, (world, which) => {
      world.double(which);
    }),
  },
  {
    weight: 3,
    arbitrary: step("overtake", WHICH, (world, which) => {
      world.overtake(which);
    }),
  },
  {
    weight: 2,
    arbitrary: step("repeat", WHICH, (world, which) => {
      world.repeat(which);
    }),
  },
  {
    weight: 4,
    arbitrary: step("read", fc.tuple(LIMIT, fc.boolean()), (world, [limit, cached]) => {
      world.read(limit, cached);
    }),
  },
  {
    weight: 4,
    arbitrary: step("arrive", NOTHING, (world) => {
      world.arrive();
    }),
  },
  {
    weight: 1,
    arbitrary: step("fail", NOTHING, (world) => {
      world.fail();
    }),
  },
  {
    weight: 2,
    arbitrary: step("poll", LIMIT, (world, limit) => {
      world.poll(limit);
    }),
  },
  {
    weight: 2,
    arbitrary: step("polled", WHICH, (world, which) => {
      world.polled(which);
    }),
  },
);

it("ends where the server is, whatever happens on the way", () => {
  fc.assert(
    fc.property(fc.nat({ max: 3 }), fc.array(STEP, { maxLength: STEPS, size: "max" }), (entries, steps) => {
      const world = new World(entries);
      for (const act of steps) {
        act(world);
      }
      world.finish();
    }),
    { seed: 20261122, numRuns: RUNS },
  );
});
