/** The part of a widget that it needs only once something happens: an entry comes, one was missed, a reader wants older ones. */

import type { Snapshot } from "../model/messages.js";
import type { Outcome } from "../model/outcome.js";
import type { Timeline } from "../model/timeline.js";
import { SYSTEM_CLOCK } from "../stream/connection.js";
import { fetchPage } from "../stream/entries-api.js";
import { Repair, type RepairParts } from "../stream/repair.js";
import { LiveAnnouncer } from "../dom/live-announcer.js";
import type { WidgetView } from "./widget-view.js";

export interface DeferredOptions {
  api: string;
  /** The number of entries to a page. */
  limit: number;
  timeline: Timeline;
  /** The entries of a fragment in the element, as they were there. */
  copies: ReadonlyMap<string, HTMLElement>;
  view: WidgetView;
  /** The cursor of older entries; null if there are none. */
  cursor: string | null;
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
export class Deferred implements RepairParts {
  readonly Repair = Repair;
  #cursor: string | null;
  readonly #announcer: LiveAnnouncer;
  readonly #options: DeferredOptions;

  constructor(options: DeferredOptions) {
    this.#announcer = new LiveAnnouncer((count) => {
      options.view.say(count);
    }, SYSTEM_CLOCK);
    this.#cursor = options.cursor;
    this.#options = options;
  }

  /** Take the cursor of a snapshot, with which the timeline is about to start afresh. */
  startAfresh({ next_cursor }: Snapshot): void {
    this.#cursor = next_cursor;
  }

  /** Do what follows from an outcome, after the widget shows it. */
  follow(outcome: Outcome): void {
    unquote([...outcome.entries, ...outcome.gone].map(({ id }) => id));
    if (outcome.added.length > 0) {
      this.#announcer.add(outcome.added.length);
    }
    if (outcome.replaced) {
      void this.compare();
    }
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
        ? await fetchPage(api, timeline, { cursor: this.#cursor, limit: 100 })
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
      const page = await fetchPage(api, timeline, { cursor: this.#cursor, limit });
      // A snapshot that came meanwhile, or is about to, has another end.
      if (page.epoch === timeline.epoch && timeline.snapshots === snapshots) {
        this.#cursor = page.next_cursor;
        timeline.addPage("older", page.items, page.next_cursor !== null);
      }
    }
  }
}
