/** The state of a live blog's timeline: where it begins, from a page or a snapshot, and the order of its entries. */

import type { Entry, KeyEvent, Snapshot } from "./messages.js";

/**
 * `first` is the page of the newest entries, where the pinned ones stand apart. The others show a stretch of the list, which grows
 * with new entries only once it reaches up to the newest.
 */
export type PageKind = "first" | "older" | "entry";

/** An end of the list: what lies beyond it is newer, or older. */
export type Side = "newer" | "older";

/** An entry as the timeline keeps it: on the page that the server made there is an article already, and no `html`. */
export type Item = Pick<Entry, "id" | "seq" | "key_event" | "pinned" | "published_at" | "updated_at" | "url"> & {
  html: string | null;
  /** True if it was deleted, and is what the page was opened for: a line stands in its place. */
  gone?: boolean;
};

/** The part of a live blog that a page or a snapshot has. */
export interface TimelineState {
  epoch: string;
  seq: number;
  language: string;
  timezone: string;
  items: Item[];
  keyEvents: KeyEvent[];
  /** The last entry on a side beyond which there are others; null if there are none. */
  ends: Record<Side, SortKey | null>;
}

export interface TimelineStart extends TimelineState {
  page: PageKind;
  /** True where pinned entries aren't listed among the others. */
  apart: boolean;
  /** The entry that the page was opened for. */
  focus: string | null;
}

/** An entry's place in the order of the list. */
export interface SortKey {
  id: string;
  published_at: string;
}

/** Newest first; ids order what was published in the same millisecond. */
export function newestFirst(a: SortKey, b: SortKey): number {
  return descending(a.published_at, b.published_at) || descending(a.id, b.id);
}

function descending(a: string, b: string): number {
  return a === b ? 0 : a < b ? 1 : -1;
}

/** The state that a snapshot has. */
export function stateOf({ epoch, seq, liveblog, entries, pinned, key_events, next_cursor }: Snapshot): TimelineState {
  const { language, timezone } = liveblog;
  const ends = { newer: null, older: next_cursor === null ? null : (entries.at(-1) ?? null) };
  return { epoch, seq, language, timezone, items: [...entries, ...pinned], keyEvents: key_events, ends };
}
