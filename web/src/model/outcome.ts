/** The outcome of a message: what changed, and what is to be done about it. */

import type { Confirmation, Entry } from "./messages.js";

/** `resync`: ask `changes` after our position. `snapshot`: our position is void, start afresh. */
export type Effect = "resync" | "snapshot";

export interface Outcome {
  effects: Effect[];
  /** True if what is shown may have changed. */
  changed: boolean;
  /** Ids of the entries that are new to the reader. */
  added: string[];
  /** Ids of those that are new, too, and have no place on this page: they are newer than all that it has of the list. */
  ahead: string[];
  /** Entries as they are from now on, new or changed. */
  entries: Entry[];
  /** True if entries changed that were there already, or belong where the page doesn't reach: not if they are only new. */
  edited: boolean;
  /** Entries that were deleted. */
  gone: DeletedEntry[];
  /** True if the page starts afresh: what was changed or deleted meanwhile isn't told one by one. */
  replaced: boolean;
}

/** An entry that was deleted. `within`: that is to be confirmed, at some moment within so many milliseconds. */
export type DeletedEntry = Confirmation & { within: number | undefined };

/** The outcome of nothing, to be added to. */
export function nothing(): Outcome {
  return { effects: [], changed: false, added: [], ahead: [], entries: [], edited: false, gone: [], replaced: false };
}
