/** What a widget needs only once something happens: an entry comes, one was missed, a reader wants older ones. */

import { Announcer } from "../announcer.js";
import { SYSTEM_CLOCK } from "../connection.js";
import { fetchPage } from "../pages.js";
import { Sync } from "../sync.js";
import type { Outcome, Timeline } from "../timeline.js";

export function announcer(say: (count: number) => void): Announcer {
  return new Announcer(say, SYSTEM_CLOCK);
}

export interface MoreOptions {
  api: string;
  /** How many entries to a page. */
  limit: number;
  timeline: Timeline;
  show: (outcome: Outcome) => void;
  later: (callback: () => void, ms: number) => unknown;
}

/** Reads what the stream doesn't bring. */
export class More {
  readonly sync: Sync;
  #cursor: string | null;
  readonly #options: MoreOptions;

  /** `cursor`: where older entries begin; null if there are none. */
  constructor(options: MoreOptions, cursor: string | null) {
    const { api, timeline, show, later } = options;
    this.#cursor = cursor;
    this.#options = options;
    this.sync = new Sync({
      ...SYSTEM_CLOCK,
      api,
      timeline,
      outcome: show,
      snapshot: ({ next_cursor }) => {
        this.#cursor = next_cursor;
      },
      reload: () => false,
      setTimeout: later,
    });
  }

  async older(): Promise<void> {
    const { api, limit, timeline } = this.#options;
    const { snapshots } = timeline;
    if (this.#cursor !== null) {
      const page = await fetchPage(api, { cursor: this.#cursor, limit: String(limit) });
      // A snapshot that came meanwhile, or is about to, has another end.
      if (page.epoch === timeline.epoch && timeline.snapshots === snapshots) {
        this.#cursor = page.next_cursor;
        timeline.addPage("older", page.items, page.next_cursor !== null);
      }
    }
  }
}
