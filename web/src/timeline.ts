/**
 * What a reader's page knows of a live blog: messages in, state out. Pure; it asks for what it can't do by effects.
 *
 * The stream's rules: after `hello` seqs ascend up to `hello.seq` and may skip; then each change is exactly the next.
 * What isn't the next is never applied: the gap is filled from `changes` first.
 */

import type { Batch, Change, Entry, Hello, KeyEvent, Liveblog, Message, Snapshot } from "./messages.js";

/** `resync`: ask `changes` after our position. `snapshot`: our position is void, start afresh. */
export type Effect = "resync" | "snapshot";

/** `first` grows with new entries; `older` and `entry` show what they were made with, edited and deleted as it happens. */
export type PageKind = "first" | "older" | "entry";

/** An entry as the timeline keeps it: on the page that the server made there is an article already, and no `html`. */
export type Item = Pick<Entry, "id" | "seq" | "key_event" | "pinned" | "published_at" | "updated_at" | "url"> & {
  html: string | null;
};

export interface Outcome {
  effects: Effect[];
  /** True if what is shown may have changed. */
  changed: boolean;
  /** Ids of the entries that are new to the reader. */
  added: string[];
}

export interface Start {
  epoch: string;
  seq: number;
  page: PageKind;
  language: string;
  timezone: string;
  items: Item[];
  keyEvents: KeyEvent[];
  hasOlder: boolean;
}

interface Placed {
  id: string;
  published_at: string;
}

/** Newest first; ids order what was published in the same millisecond. */
export function newestFirst(a: Placed, b: Placed): number {
  if (a.published_at !== b.published_at) {
    return a.published_at < b.published_at ? 1 : -1;
  }
  return a.id === b.id ? 0 : a.id < b.id ? 1 : -1;
}

const NOTHING: Outcome = { effects: [], changed: false, added: [] };

export class Timeline {
  readonly page: PageKind;
  liveblog: Liveblog | null = null;
  viewers: number | null = null;
  /** Entries that were published meanwhile and have no place on this page. */
  readonly elsewhere = new Set<string>();

  #epoch: string;
  #seq: number;
  #language: string;
  #timezone: string;
  #hasOlder: boolean;
  /** The oldest entry that pages were loaded down to: what is older belongs to the next page. */
  #horizon: Placed | null = null;
  readonly #items = new Map<string, Item>();
  readonly #keyEvents = new Map<string, KeyEvent>();
  /** An older page that was read before a delete must not bring the entry back. */
  readonly #deleted = new Set<string>();
  #pending: Effect | null = null;
  /** Up to this seq the stream may skip. */
  #replayUntil = 0;
  /** The epoch that the stream's seqs count in. */
  #streamEpoch: string;
  /** The highest seq that the stream has shown to exist. */
  #highest: number;
  readonly #titleOf: (entry: Entry) => string;

  constructor(start: Start, titleOf: (entry: Entry) => string) {
    this.page = start.page;
    this.#epoch = this.#streamEpoch = start.epoch;
    this.#seq = this.#highest = start.seq;
    this.#language = start.language;
    this.#timezone = start.timezone;
    this.#hasOlder = start.hasOlder;
    this.#titleOf = titleOf;
    for (const item of start.items) {
      this.#items.set(item.id, item);
    }
    for (const event of start.keyEvents) {
      this.#keyEvents.set(event.id, event);
    }
    // The items of a page that the server made hold pinned entries of any age; those don't tell where the page ends.
    this.#lowerHorizon(start.items.filter((item) => !item.pinned));
  }

  get epoch(): string {
    return this.#epoch;
  }

  get seq(): number {
    return this.#seq;
  }

  get position(): string {
    return `${this.#epoch}-${String(this.#seq)}`;
  }

  get hasOlder(): boolean {
    return this.#hasOlder;
  }

  get language(): string {
    return this.#language;
  }

  get timezone(): string {
    return this.#timezone;
  }

  item(id: string): Item | undefined {
    return this.#items.get(id);
  }

  isDeleted(id: string): boolean {
    return this.#deleted.has(id);
  }

  /** The entries of the list, newest first. On the first page the pinned ones stand apart. */
  entries(): Item[] {
    return [...this.#items.values()].filter((item) => this.#isListed(item)).sort(newestFirst);
  }

  pinned(): Item[] {
    return this.page === "first" ? [...this.#items.values()].filter((item) => item.pinned).sort(newestFirst) : [];
  }

  keyEvents(): KeyEvent[] {
    return [...this.#keyEvents.values()].sort(newestFirst);
  }

  receive(message: Message): Outcome {
    switch (message.type) {
      case "hello":
        return this.#hello(message);
      case "reset":
        this.#streamEpoch = message.epoch;
        this.#highest = message.seq;
        return message.epoch === this.#epoch && message.seq === this.#seq ? NOTHING : this.#ask("snapshot");
      case "heartbeat": {
        const changed = this.viewers !== message.viewers;
        this.viewers = message.viewers;
        this.#highest = Math.max(this.#highest, message.seq);
        return { ...this.#check(), changed };
      }
      case "reconnect":
        return NOTHING;
      default:
        return this.#live(message);
    }
  }

  /** The answer of `changes`: all of it follows our position, with skips. */
  applyBatch(batch: Batch): Outcome {
    if (batch.reset || batch.epoch !== this.#epoch) {
      this.#streamEpoch = batch.epoch;
      this.#highest = batch.seq;
      return this.#ask("snapshot");
    }
    if (this.#pending === "resync") {
      this.#pending = null;
    }
    let outcome = NOTHING;
    for (const change of batch.events) {
      if (change.seq > this.#seq) {
        outcome = merge(outcome, this.#apply(change));
      }
    }
    if (!batch.more) {
      this.#seq = Math.max(this.#seq, batch.seq);
    }
    this.#highest = Math.max(this.#highest, batch.seq, this.#seq);
    return merge(outcome, this.#check());
  }

  /** Start afresh: nothing of the former state is kept. */
  replace(snapshot: Snapshot): Outcome {
    const known = new Set(this.#items.keys());
    const sameHistory = snapshot.epoch === this.#epoch;
    this.#pending = null;
    this.#epoch = snapshot.epoch;
    this.#seq = snapshot.seq;
    this.#replayUntil = 0;
    this.#language = snapshot.liveblog.language;
    this.#timezone = snapshot.liveblog.timezone;
    this.liveblog = snapshot.liveblog;
    this.#items.clear();
    this.#keyEvents.clear();
    this.#deleted.clear();
    this.#hasOlder = snapshot.next_cursor !== null;
    this.#horizon = null;
    const items = [...snapshot.entries, ...snapshot.pinned];
    for (const entry of items) {
      this.#items.set(entry.id, entry);
    }
    for (const event of snapshot.key_events) {
      this.#keyEvents.set(event.id, event);
    }
    this.#lowerHorizon(snapshot.entries);
    const added = sameHistory ? [...this.#items.keys()].filter((id) => !known.has(id)) : [];
    const outcome: Outcome = { effects: [], changed: true, added };
    if (snapshot.epoch !== this.#streamEpoch) {
      return merge(outcome, this.#ask("snapshot"));
    }
    return merge(outcome, this.#check());
  }

  /** The next page of older entries. */
  addOlder(entries: Entry[], hasOlder: boolean): Outcome {
    for (const entry of entries) {
      const known = this.#items.get(entry.id);
      if (!this.#deleted.has(entry.id) && (known === undefined || known.seq < entry.seq)) {
        this.#items.set(entry.id, entry);
      }
    }
    this.#hasOlder = hasOlder;
    this.#lowerHorizon(entries);
    return { ...NOTHING, changed: true };
  }

  #hello(hello: Hello): Outcome {
    this.#streamEpoch = hello.epoch;
    if (hello.epoch !== this.#epoch || (!hello.resumed && hello.seq !== this.#seq)) {
      this.#highest = hello.seq;
      return this.#ask("snapshot");
    }
    this.#highest = Math.max(this.#highest, hello.seq);
    this.#replayUntil = hello.seq;
    return NOTHING;
  }

  #live(change: Change): Outcome {
    if (this.#streamEpoch !== this.#epoch || this.#pending === "snapshot") {
      this.#highest = Math.max(this.#highest, change.seq);
      return NOTHING;
    }
    if (change.seq <= this.#seq) {
      return NOTHING;
    }
    this.#highest = Math.max(this.#highest, change.seq);
    if (change.seq <= this.#replayUntil || change.seq === this.#seq + 1) {
      return this.#apply(change);
    }
    return this.#ask("resync");
  }

  #apply(change: Change): Outcome {
    this.#seq = change.seq;
    switch (change.type) {
      case "entry":
        return this.#put(change.entry);
      case "delete":
        this.#items.delete(change.id);
        this.#keyEvents.delete(change.id);
        this.elsewhere.delete(change.id);
        this.#deleted.add(change.id);
        return { ...NOTHING, changed: true };
      case "liveblog": {
        this.liveblog = change.liveblog;
        const { language, timezone } = change.liveblog;
        // Dates and texts inside every entry's HTML are those of the former zone or language.
        const stale = language !== this.#language || timezone !== this.#timezone;
        return merge({ ...NOTHING, changed: true }, stale ? this.#ask("snapshot") : NOTHING);
      }
    }
  }

  #put(entry: Entry): Outcome {
    const { id, url, published_at } = entry;
    const known = this.#items.get(id);
    if (entry.key_event) {
      this.#keyEvents.set(id, { id, title: this.#titleOf(entry), published_at, url });
    } else {
      this.#keyEvents.delete(id);
    }
    this.#deleted.delete(id);
    if (known !== undefined) {
      // An older page may have brought a later state than the stream has reached.
      if (entry.seq >= known.seq) {
        this.#items.set(id, entry);
      }
      return { ...NOTHING, changed: true };
    }
    if (this.page !== "first") {
      // An edit of an entry on another page looks the same, but was published earlier than it was changed.
      if (entry.updated_at <= published_at) {
        this.elsewhere.add(id);
      }
      return { ...NOTHING, changed: true };
    }
    this.#items.set(id, entry);
    const added = entry.pinned || this.#isListed(entry) ? [id] : [];
    return { effects: [], changed: true, added };
  }

  #isListed(item: Item | Entry): boolean {
    if (this.page !== "first") {
      return true;
    }
    const belongsToOlderPage = this.#hasOlder && this.#horizon !== null && newestFirst(item, this.#horizon) > 0;
    return !item.pinned && !belongsToOlderPage;
  }

  #lowerHorizon(items: readonly Placed[]): void {
    for (const { id, published_at } of items) {
      const place = { id, published_at };
      if (this.#horizon === null || newestFirst(place, this.#horizon) > 0) {
        this.#horizon = place;
      }
    }
  }

  #check(): Outcome {
    const behind = this.#streamEpoch === this.#epoch && this.#highest > this.#seq;
    return behind ? this.#ask("resync") : NOTHING;
  }

  #ask(effect: Effect): Outcome {
    if (this.#pending === effect || this.#pending === "snapshot") {
      return NOTHING;
    }
    this.#pending = effect;
    return { ...NOTHING, effects: [effect] };
  }
}

function merge(a: Outcome, b: Outcome): Outcome {
  return { effects: [...a.effects, ...b.effects], changed: a.changed || b.changed, added: [...a.added, ...b.added] };
}
