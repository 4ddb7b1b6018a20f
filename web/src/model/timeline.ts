/**
 * The state of a live blog on a reader's page: messages in, state out. Pure; it asks by effects for what it can't do.
 *
 * The stream's rules: after `hello` seqs ascend up to `hello.seq` and may skip; then each change is exactly the next.
 * A change that isn't the next is never applied: the gap is filled from `changes` first.
 */

import type { Batch, Change, Deletion, Entry, Hello, KeyEvent, Liveblog, Message, Snapshot } from "./messages.js";
import { type Effect, nothing, type Outcome } from "./outcome.js";
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

/** The page's knowledge of entries beyond their fields. */
export interface PageKnowledge {
  /** The title of a key event; its heading by default. */
  titleOf?(entry: Entry): string;
  /** True if the entry is one of those that the page is limited to. */
  belongs?(entry: Entry): boolean;
  /** True while anything in the page shows the entry: in a card, say, where the list hasn't got it. */
  isShown?(id: string): boolean;
}

export class Timeline {
  readonly page: PageKind;
  liveblog: Liveblog | null = null;
  viewers: number | null = null;
  /** The number of times that the page has started afresh: an answer that was asked for before is void then. */
  snapshots = 0;
  /** The seq that it began with, or the last snapshot had: of what was deleted from there on it knows. */
  since = 0;

  epoch = "";
  seq = 0;
  language = "";
  timezone = "";
  /** The ends of the list: entries beyond them belong to pages that aren't loaded. */
  #ends: Record<Side, SortKey | null> = { newer: null, older: null };
  readonly #start: TimelineStart;
  readonly #items = new Map<string, Item>();
  readonly #keyEvents = new Map<string, KeyEvent>();
  /** The last seq of each entry that isn't here any more: a page that was read before it must not bring the entry back. */
  readonly #over = new Map<string, number>();
  /** Entries that are gone before their deletion has its turn: a page that was read before must not bring them back. */
  readonly #gone = new Set<string>();
  #pending: Effect | null = null;
  /** The seq up to which the stream may skip. */
  #replayUntil = 0;
  /** The epoch that the stream's seqs count in. While it isn't ours, a snapshot is pending. */
  #streamEpoch: string;
  /** The highest seq that the stream has shown to exist. */
  #highest: number;
  /** The outcome of the message that is being taken in. */
  #outcome = nothing();
  readonly #page: PageKnowledge;

  constructor(start: TimelineStart, page: PageKnowledge = {}) {
    this.page = start.page;
    this.#streamEpoch = start.epoch;
    this.#highest = start.seq;
    this.#start = start;
    this.#page = page;
    this.#stand(start);
  }

  get position(): string {
    return `${this.epoch}-${this.seq}`;
  }

  has(side: Side): boolean {
    return this.#ends[side] !== null;
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
    return this.#outcomeOf(() => {
      switch (message.type) {
        case "hello":
          this.#hello(message);
          break;
        case "reset":
          this.#reset(message);
          if (message.epoch !== this.epoch || message.seq !== this.seq) {
            this.#ask("snapshot");
          }
          break;
        case "heartbeat":
          this.#outcome.changed = this.viewers !== message.viewers;
          this.viewers = message.viewers;
          this.#highest = Math.max(this.#highest, message.seq);
          this.#check();
          break;
        case "gone":
          this.#removeAtOnce(message);
          break;
        case "reconnect":
          break;
        default:
          this.#live(message);
      }
    });
  }

  /** The answer of `changes`: all of it follows our position, with skips. */
  applyBatch(batch: Batch): Outcome {
    return this.#outcomeOf(() => {
      if (batch.reset) {
        this.#reset(batch);
        this.#ask("snapshot");
        return;
      }
      if (this.#pending === "resync") {
        this.#pending = null;
      }
      // Unless it is of a history that is over: asked for before we knew.
      if (batch.epoch === this.epoch && this.#streamEpoch === this.epoch) {
        for (const change of batch.events) {
          if (change.type === "gone") {
            this.#removeAtOnce(change);
          } else if (change.seq > this.seq) {
            this.#apply(change);
          }
        }
        if (!batch.more) {
          this.seq = Math.max(this.seq, batch.seq);
        }
        this.#highest = Math.max(this.#highest, batch.seq, this.seq);
      }
      this.#check();
    });
  }

  /** Start afresh: nothing of the former state is kept. */
  replace(snapshot: Snapshot): Outcome {
    return this.#outcomeOf(() => {
      const known = new Set(this.#items.keys());
      const sameHistory = snapshot.epoch === this.epoch;
      this.#pending = null;
      // Out of a cache, and older than what we have: what was deleted since would be back.
      if (sameHistory && snapshot.seq < Math.min(this.seq, this.#highest)) {
        this.#ask("snapshot");
        return;
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
      this.#outcome = { ...nothing(), changed: true, added, replaced: true };
      if (snapshot.epoch === this.#streamEpoch) {
        this.#check();
      } else {
        this.#ask("snapshot");
      }
    });
  }

  /** The next page on a side, in the order of its distance; `more`: there are others beyond. */
  addPage(side: Side, entries: Entry[], more: boolean): void {
    for (const entry of entries) {
      const known = this.#items.get(entry.id);
      if (entry.seq > (this.#over.get(entry.id) ?? known?.seq ?? -1)) {
        this.#items.set(entry.id, entry);
      }
    }
    this.#ends[side] = more ? (entries.at(-1) ?? this.#ends[side]) : null;
  }

  /** The outcome of `take`, which takes a message or an answer in. */
  #outcomeOf(take: () => void): Outcome {
    this.#outcome = nothing();
    take();
    return this.#outcome;
  }

  #stand({ epoch, seq, language, timezone, items, keyEvents, ends }: TimelineState): void {
    this.epoch = epoch;
    this.seq = this.since = seq;
    this.language = language;
    this.timezone = timezone;
    this.#ends = { ...ends };
    for (const item of items) {
      this.#items.set(item.id, item);
    }
    for (const event of keyEvents) {
      this.#keyEvents.set(event.id, event);
    }
  }

  /** Follows the stream's epoch. An entry that is gone may be there in another history. */
  #follow(epoch: string): void {
    if (this.#streamEpoch !== epoch) {
      this.#streamEpoch = epoch;
      this.#gone.clear();
    }
  }

  #reset({ epoch, seq }: { epoch: string; seq: number }): void {
    this.#follow(epoch);
    this.#highest = seq;
  }

  #hello({ epoch, resumed, seq }: Hello): void {
    this.#reset({ epoch, seq });
    if (epoch !== this.epoch || (!resumed && seq !== this.seq)) {
      this.#ask("snapshot");
      return;
    }
    // Not what was the highest: that may have been counted in another history.
    this.#highest = Math.max(this.seq, seq);
    // Over a gap, the replay may begin beyond it: from where the stream has got to, not from where we stand.
    this.#replayUntil = this.#pending === null ? seq : 0;
  }

  #live(change: Change): void {
    this.#highest = Math.max(this.#highest, change.seq);
    if (change.seq <= this.seq && this.#streamEpoch === this.epoch) {
      return;
    }
    if (this.#pending !== "snapshot" && (change.seq <= this.#replayUntil || change.seq === this.seq + 1)) {
      this.#apply(change);
      return;
    }
    if (change.type === "delete") {
      // Its turn may be long in coming, and what is gone doesn't wait for it.
      this.#removeAtOnce(change);
    }
    this.#ask("resync");
  }

  #apply(change: Change): void {
    this.seq = change.seq;
    if (change.type === "entry") {
      this.#put(change.entry);
    } else if (change.type === "delete") {
      // From here on, the entry may be published again. (Its deletion was told already, if it had been gone before.)
      if (!this.#gone.delete(change.id)) {
        this.#remove(change);
      }
    } else {
      this.liveblog = change.liveblog;
      this.#outcome.changed = true;
      const { language, timezone } = change.liveblog;
      // Dates and texts inside every entry's HTML are those of the former zone or language.
      if (language !== this.language || timezone !== this.timezone) {
        this.#ask("snapshot");
      }
    }
  }

  /** Removes an entry at once, whatever is pending: the server doesn't tell it again. */
  #removeAtOnce(deletion: Deletion): void {
    if (!this.#gone.has(deletion.id)) {
      this.#gone.add(deletion.id);
      this.#remove(deletion);
    }
  }

  #remove({ id, confirm }: Deletion): void {
    const item = this.#items.get(id);
    const had = this.#keyEvents.delete(id) || item !== undefined || this.#page.isShown?.(id) === true;
    this.#items.delete(id);
    if (item !== undefined && id === this.#start.focus) {
      this.#items.set(id, { ...item, html: null, gone: true });
    }
    this.#over.set(id, Infinity);
    this.#outcome.changed = true;
    this.#outcome.gone.push({ id, had, within: confirm?.within });
  }

  #put(entry: Entry): void {
    const { id, url, published_at } = entry;
    const known = this.#items.get(id);
    const outcome = this.#outcome;
    if (this.#gone.has(id)) {
      return;
    }
    outcome.changed = true;
    outcome.entries.push(entry);
    outcome.edited ||= known !== undefined || this.#keyEvents.has(id) || this.#isBeyond("older", entry);
    if (entry.key_event) {
      this.#keyEvents.set(id, { id, title: this.#page.titleOf?.(entry) ?? entry.heading ?? "", published_at, url });
    } else {
      this.#keyEvents.delete(id);
    }
    this.#over.delete(id);
    if (this.#page.belongs?.(entry) === false) {
      this.#items.delete(id);
      this.#over.set(id, entry.seq);
      return;
    }
    if (known !== undefined) {
      // An older page may have brought a later state than the stream has reached.
      if (entry.seq >= known.seq) {
        this.#items.set(id, entry);
      }
      return;
    }
    this.#items.set(id, entry);
    // An edit of an entry on a page that isn't loaded looks the same, but was published earlier than it was changed.
    if (this.page === "first" || entry.updated_at <= published_at) {
      if (this.#isListed(entry) || (this.page === "first" && entry.pinned)) {
        outcome.added.push(id);
      }
      if (this.#isBeyond("newer", entry)) {
        outcome.ahead.push(id);
      }
    }
  }

  #isListed(item: Item | Entry): boolean {
    return !(item.pinned && this.#start.apart) && !this.#isBeyond("newer", item) && !this.#isBeyond("older", item);
  }

  #isBeyond(side: Side, item: SortKey): boolean {
    const end = this.#ends[side];
    return end !== null && (side === "newer" ? newestFirst(item, end) < 0 : newestFirst(item, end) > 0);
  }

  #check(): void {
    if (this.#highest > this.seq) {
      this.#ask("resync");
    }
  }

  #ask(effect: Effect): void {
    if (this.#pending !== effect && this.#pending !== "snapshot") {
      this.#pending = effect;
      this.#outcome.effects.push(effect);
    }
  }
}
