/** Pages of a live blog's entries, as the API gives them. */

import { type Entry, isEntry, isStringOrNull, listOf, POSITION, shape } from "../model/messages.js";
import type { Timeline } from "../model/timeline.js";
import { fetchJson, type Query } from "./transports.js";

/** A cache on the way may give an old page for some seconds. */
const TRIES = 6;
const RETRY_MS = 1_500;

export interface Page {
  items: Entry[];
  next_cursor: string | null;
  /** The history that the entries are of. */
  epoch: string;
  /** As of when they are. */
  seq: number;
}

/**
 * A page that is no older than `since`, by default what the timeline began with: it knows of what was deleted from there on, and
 * not of what was before. Throws an Error where there is none.
 */
export async function fetchPage(api: string, timeline: Timeline, query: Query, since = timeline.since): Promise<Page> {
  for (let tries = 1; ; tries += 1) {
    const page = parsePage(await fetchJson(api, "entries", query));
    if (page.seq >= since || page.epoch !== timeline.epoch) {
      return page;
    }
    if (tries === TRIES) {
      throw new Error("an old page");
    }
    await new Promise((resolve) => window.setTimeout(resolve, RETRY_MS));
  }
}

const isPage = shape<Page>({ ...POSITION, items: listOf(isEntry), next_cursor: isStringOrNull });

/** The answer of `entries`; throws a TypeError for anything else. */
export function parsePage(value: unknown): Page {
  if (isPage(value)) {
    return value;
  }
  throw new TypeError("not a page of entries");
}
