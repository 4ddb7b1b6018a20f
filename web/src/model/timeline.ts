/**
 * What a reader's page knows of a live blog: messages in, state out. Pure; it asks for what it can't do by effects.
 *
 * The stream's rules: after `hello` seqs ascend up to `hello.seq` and may skip; then each change is exactly the next.
 * What isn't the next is never applied: the gap is filled from `changes` first.
 */

import type { Batch, Change, Deletion, Entry, Hello, KeyEvent, Liveblog, Message, Snapshot } from "./messages.js";
import { type Effect, merge, NOTHING, type Outcome } from "./outcome.js";
import {
  type Item,
  newestFirst,
  type PageKind,
  type Side,
  type SortKey,
  stateOf,
  type TimelineStart,
  type TimelineState,
} from "./timeline-state.js";

export class Timeline {
  readonly page: PageKind;
  liveblog: Liveblog | null = null;
  viewers: number | null = null;
  /** How often the page has started afresh: what was asked for before is void then. */
  snapshots = 0;
  /** The seq that it began with, or the last snapshot had: of what was deleted from there on it knows. */
  since = 0;
  /** Entries that were published meanwhile and have no place on this page. */
  readonly elsewhere = new Set<string>();

  #epoch = "";
  #seq = 0;
  #language = "";
  #timezone = "";
  /** What is beyond these belongs to pages that aren't loaded. */
  #ends: Record<Side, SortKey | null> = { newer: null, older: null };
  readonly #start: TimelineStart;
  readonly #items = new Map<string, Item>();
  readonly #keyEvents = new Map<string, KeyEvent>();
  /** Up to which seq an entry's states are over, of those that aren't here any more: a page read before must not bring them back. */
  readonly #over = new Map<string, number>();
  /** Gone for good before their deletion has its turn: what was read before, and comes now, must not bring them back. */
  readonly #gone = new Set<string>();
  #pending: Effect | null = null;
  /** Up to this seq the stream may skip. */
  #replayUntil = 0;
  /** The epoch that the stream's seqs count in. While it isn't ours, a snapshot is pending. */
  #streamEpoch: string;
  /** The highest seq that the stream has shown to exist. */
  #highest: number;
  readonly #titleOf: (entry: Entry) => string;
  readonly #belongs: (entry: Entry) => boolean;

  /** `belongs`: whether an entry is one of those that the page is limited to. */
  constructor(
    start: TimelineStart,
    titleOf: (entry: Entry) => string,
    belongs: (entry: Entry) => boolean = () => true,
  ) {
    this.page = start.page;
    this.#streamEpoch = start.epoch;
    this.#highest = start.seq;
    this.#start = start;
    this.#titleOf = titleOf;
    this.#belongs = belongs;
    this.#stand(start);
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

  has(side: Side): boolean {
    return this.#ends[side] !== null;
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

  /** The entries of the list, newest first. */
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
        this.#follow(message.epoch);
        this.#highest = message.seq;
        return message.epoch === this.#epoch && message.seq === this.#seq ? NOTHING : this.#ask("snapshot");
      case "heartbeat": {
        const changed = this.viewers !== message.viewers;
        this.viewers = message.viewers;
        this.#highest = Math.max(this.#highest, message.seq);
        return { ...this.#check(), changed };
      }
      case "gone":
        return this.#withdraw(message);
      case "reconnect":
        return NOTHING;
      default:
        return this.#live(message);
    }
  }

  /** The answer of `changes`: all of it follows our position, with skips. */
  applyBatch(batch: Batch): Outcome {
    if (batch.reset) {
      this.#follow(batch.epoch);
      this.#highest = batch.seq;
      return this.#ask("snapshot");
    }
    if (this.#pending === "resync") {
      this.#pending = null;
    }
    // Of a history that is over: asked for before we knew.
    if (batch.epoch !== this.#epoch || this.#streamEpoch !== this.#epoch) {
      return this.#check();
    }
    let outcome = NOTHING;
    for (const change of batch.events) {
      if (change.type === "gone") {
        outcome = merge(outcome, this.#withdraw(change));
      } else if (change.seq > this.#seq) {
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
    // Out of a cache, and older than what we have: what was deleted since would be back.
    if (sameHistory && snapshot.seq < Math.min(this.#seq, this.#highest)) {
      return this.#ask("snapshot");
    }
    this.#replayUntil = 0;
    this.liveblog = snapshot.liveblog;
    this.#items.clear();
    this.#keyEvents.clear();
    this.#over.clear();
    this.#stand(stateOf(snapshot));
    for (const id of this.#gone) {
      this.#remove({ id });
    }
    const added = sameHistory ? [...this.#items.keys()].filter((id) => !known.has(id)) : [];
    this.snapshots += 1;
    const outcome: Outcome = { ...NOTHING, changed: true, added, replaced: true };
    if (snapshot.epoch !== this.#streamEpoch) {
      return merge(outcome, this.#ask("snapshot"));
    }
    return merge(outcome, this.#check());
  }

  /** The next page on a side, in the order of its distance; `more`: there are others beyond. */
  addPage(side: Side, entries: Entry[], more: boolean): Outcome {
    for (const entry of entries) {
      const known = this.#items.get(entry.id);
      if (entry.seq > (this.#over.get(entry.id) ?? known?.seq ?? -1)) {
        this.#items.set(entry.id, entry);
      }
    }
    this.#ends[side] = more ? (entries.at(-1) ?? this.#ends[side]) : null;
    for (const id of this.elsewhere) {
      const item = this.#items.get(id);
      if (item === undefined || this.#isListed(item)) {
        this.elsewhere.delete(id);
      }
    }
    return { ...NOTHING, changed: true };
  }

  #stand({ epoch, seq, language, timezone, items, keyEvents, ends }: TimelineState): void {
    this.#epoch = epoch;
    this.#seq = this.since = seq;
    this.#language = language;
    this.#timezone = timezone;
    this.#ends = { ...ends };
    for (const item of items) {
      this.#items.set(item.id, item);
    }
    for (const event of keyEvents) {
      this.#keyEvents.set(event.id, event);
    }
  }

  /** The stream's epoch. What is gone may be there in another history. */
  #follow(epoch: string): void {
    if (this.#streamEpoch !== epoch) {
      this.#streamEpoch = epoch;
      this.#gone.clear();
    }
  }

  #hello(hello: Hello): Outcome {
    this.#follow(hello.epoch);
    if (hello.epoch !== this.#epoch || (!hello.resumed && hello.seq !== this.#seq)) {
      this.#highest = hello.seq;
      return this.#ask("snapshot");
    }
    // Not what was the highest: that may have been counted in another history.
    this.#highest = Math.max(this.#seq, hello.seq);
    // Over a gap, the replay may begin beyond it: from where the stream has got to, not from where we stand.
    this.#replayUntil = this.#pending === null ? hello.seq : 0;
    return NOTHING;
  }

  #live(change: Change): Outcome {
    this.#highest = Math.max(this.#highest, change.seq);
    if (change.seq <= this.#seq && this.#streamEpoch === this.#epoch) {
      return NOTHING;
    }
    if (this.#pending !== "snapshot" && (change.seq <= this.#replayUntil || change.seq === this.#seq + 1)) {
      return this.#apply(change);
    }
    // Its turn may be long in coming, and what is gone doesn't wait for it.
    return merge(change.type === "delete" ? this.#withdraw(change) : NOTHING, this.#ask("resync"));
  }

  #apply(change: Change): Outcome {
    this.#seq = change.seq;
    switch (change.type) {
      case "entry":
        return this.#put(change.entry);
      case "delete":
        return this.#gone.has(change.id) ? NOTHING : this.#remove(change);
      case "liveblog": {
        this.liveblog = change.liveblog;
        const { language, timezone } = change.liveblog;
        // Dates and texts inside every entry's HTML are those of the former zone or language.
        const stale = language !== this.#language || timezone !== this.#timezone;
        return merge({ ...NOTHING, changed: true }, stale ? this.#ask("snapshot") : NOTHING);
      }
    }
  }

  /** At once, whatever is pending: it isn't told again. */
  #withdraw(deletion: Deletion): Outcome {
    if (this.#gone.has(deletion.id)) {
      return NOTHING;
    }
    this.#gone.add(deletion.id);
    return this.#remove(deletion);
  }

  #remove({ id, confirm }: Deletion): Outcome {
    const item = this.#items.get(id);
    const had = this.#keyEvents.delete(id) || item !== undefined;
    this.#items.delete(id);
    if (item !== undefined && id === this.#start.focus) {
      this.#items.set(id, { ...item, html: null, gone: true });
    }
    this.elsewhere.delete(id);
    this.#over.set(id, Infinity);
    return { ...NOTHING, changed: true, gone: [{ id, had, within: confirm?.within }] };
  }

  #put(entry: Entry): Outcome {
    const { id, url, published_at } = entry;
    const known = this.#items.get(id);
    const edited = known !== undefined || this.#keyEvents.has(id) || this.#isBeyond("older", entry);
    const outcome: Outcome = { ...NOTHING, changed: true, entries: [entry], edited };
    if (this.#gone.has(id)) {
      return NOTHING;
    }
    if (entry.key_event) {
      this.#keyEvents.set(id, { id, title: this.#titleOf(entry), published_at, url });
    } else {
      this.#keyEvents.delete(id);
    }
    this.#over.delete(id);
    if (!this.#belongs(entry)) {
      this.#items.delete(id);
      this.elsewhere.delete(id);
      this.#over.set(id, entry.seq);
      return outcome;
    }
    if (known !== undefined) {
      // An older page may have brought a later state than the stream has reached.
      if (entry.seq >= known.seq) {
        this.#items.set(id, entry);
      }
      return outcome;
    }
    this.#items.set(id, entry);
    // An edit of an entry on a page that isn't loaded looks the same, but was published earlier than it was changed.
    const isNew = this.page === "first" || entry.updated_at <= published_at;
    const shown = this.#isListed(entry) || (this.page === "first" && entry.pinned);
    if (isNew && this.#isBeyond("newer", entry)) {
      this.elsewhere.add(id);
    }
    return { ...outcome, added: isNew && shown ? [id] : [] };
  }

  #isListed(item: Item | Entry): boolean {
    return !(item.pinned && this.#start.apart) && !this.#isBeyond("newer", item) && !this.#isBeyond("older", item);
  }

  #isBeyond(side: Side, item: SortKey): boolean {
    const end = this.#ends[side];
    return end !== null && (side === "newer" ? newestFirst(item, end) < 0 : newestFirst(item, end) > 0);
  }

  #check(): Outcome {
    return this.#highest > this.#seq ? this.#ask("resync") : NOTHING;
  }

  #ask(effect: Effect): Outcome {
    if (this.#pending === effect || this.#pending === "snapshot") {
      return NOTHING;
    }
    this.#pending = effect;
    return { ...NOTHING, effects: [effect] };
  }
}
