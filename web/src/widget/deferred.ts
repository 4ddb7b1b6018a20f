/** What a widget needs only once something happens: an entry comes, one was missed, a reader wants older ones. */

import type { Confirmation } from "../model/messages.js";
import type { Outcome } from "../model/outcome.js";
import type { Timeline } from "../model/timeline.js";
import { SYSTEM_CLOCK } from "../stream/connection.js";
import { fetchPage } from "../stream/entries-api.js";
import { Repair } from "../stream/repair.js";
import { LiveAnnouncer } from "../dom/live-announcer.js";

export interface DeferredOptions {
  api: string;
  /** How many entries to a page. */
  limit: number;
  timeline: Timeline;
  /** The entries of a fragment in the element, as they were there. */
  copies: ReadonlyMap<string, HTMLElement>;
  show: (outcome: Outcome) => void;
  later: (callback: () => void, ms: number) => unknown;
  tell: (gone: Confirmation) => void;
  /** Tells screen readers of so many new entries. */
  say: (count: number) => void;
}

/** Takes what quotes the entries for machines out of the partner's page: a fragment brings it there, and nothing else is ours. */
function unquote(ids: string[]): void {
  for (const script of document.querySelectorAll<HTMLScriptElement>("script[type='application/ld+json']")) {
    if (ids.some((id) => script.text.includes(id))) {
      script.remove();
    }
  }
}

/** Reads what the stream doesn't bring. */
export class Deferred {
  readonly repair: Repair;
  readonly #announcer: LiveAnnouncer;
  #cursor: string | null;
  readonly #options: DeferredOptions;

  /** `cursor`: where older entries begin; null if there are none. */
  constructor(options: DeferredOptions, cursor: string | null) {
    const { api, timeline, show, later, say } = options;
    this.#announcer = new LiveAnnouncer(say, SYSTEM_CLOCK);
    this.#cursor = cursor;
    this.#options = options;
    this.repair = new Repair({
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

  /** After the widget shows what an outcome changed. */
  follow(outcome: Outcome): void {
    unquote([...outcome.entries, ...outcome.gone].map(({ id }) => id));
    if (outcome.added.length > 0) {
      this.#announcer.add(outcome.added.length);
    }
    if (outcome.replaced) {
      void this.compare();
    }
    for (const { within, ...gone } of outcome.gone) {
      if (within !== undefined) {
        window.setTimeout(() => {
          this.#options.tell(gone);
        }, Math.random() * within);
      }
    }
    this.repair.request(outcome.effects);
  }

  /** Takes out what quotes entries that are otherwise by now than in the fragment, or are no more; where that can't be known, too. */
  async compare(): Promise<void> {
    unquote(await this.#outdated().catch(() => [...this.#options.copies.keys()]));
  }

  async #outdated(): Promise<string[]> {
    const { api, copies, timeline } = this.#options;
    const unlisted = [...copies.keys()].some((id) => timeline.item(id) === undefined);
    // It may only have become too old for the list.
    const read =
      unlisted && this.#cursor !== null
        ? await fetchPage(api, timeline, { cursor: this.#cursor, limit: "100" })
        : { items: [] };
    const older = new Map(read.items.map((entry) => [entry.id, entry]));
    return [...copies].flatMap(([id, { dataset }]) =>
      (timeline.item(id) ?? older.get(id))?.updated_at === dataset.updatedAt ? [] : [id],
    );
  }

  async older(): Promise<void> {
    const { api, limit, timeline } = this.#options;
    const { snapshots } = timeline;
    if (this.#cursor !== null) {
      const page = await fetchPage(api, timeline, { cursor: this.#cursor, limit: String(limit) });
      // A snapshot that came meanwhile, or is about to, has another end.
      if (page.epoch === timeline.epoch && timeline.snapshots === snapshots) {
        this.#cursor = page.next_cursor;
        timeline.addPage("older", page.items, page.next_cursor !== null);
      }
    }
  }
}
