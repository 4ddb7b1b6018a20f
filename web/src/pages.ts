/** Pages of a live blog's entries, as the API gives them. */

import { areEntries, type Entry, isCursor, isFields } from "./messages.js";
import { endpoint, fetchJson } from "./transports.js";

export interface Page {
  items: Entry[];
  next_cursor: string | null;
  /** The history that the entries are of. */
  epoch: string;
}

export async function fetchPage(api: string, query: Record<string, string>): Promise<Page> {
  return parsePage(await fetchJson(endpoint(api, "entries", query)));
}

/** The answer of `entries`; throws a TypeError for anything else. */
export function parsePage(value: unknown): Page {
  if (isFields(value) && typeof value.epoch === "string" && areEntries(value.items) && isCursor(value.next_cursor)) {
    return value as unknown as Page;
  }
  throw new TypeError("not a page of entries");
}
