/**
 * Mentions of entries outside of their articles: in cards, in notifications, wherever an entry's words stand a second time.
 *
 * What mentions an entry has its words from here, and from nowhere else: it is drawn with them at once, again whenever they
 * change, and without them when they are gone. So nothing can keep words that the newsroom has taken back.
 */

import { parseArticle, shownArticles } from "./dom.js";
import type { Entry } from "./messages.js";
import type { Outcome, Timeline } from "./timeline.js";

/** What may be said of an entry: its article as it is now, which isn't to be changed; null once it is gone. */
export type Draw = (article: HTMLElement | null) => void;

interface Mention {
  id: string;
  draw: Draw;
  /** The latest state that was heard of; undefined for one that only the page has. */
  entry: Entry | undefined;
}

export class Mentions {
  readonly #timeline: Timeline;
  readonly #mentions = new Set<Mention>();
  /** What was read before may have them still. */
  readonly #gone = new Set<string>();

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** Draws a mention until it is ended by what this returns. `entry`: as it was read, if it may not be on this page. */
  follow(id: string, draw: Draw, entry?: Entry): () => void {
    const mention = { id, draw, entry };
    this.#mentions.add(mention);
    draw(this.#now(mention));
    return () => this.#mentions.delete(mention);
  }

  /** The entry's article at this moment, for what doesn't last. */
  now(id: string): HTMLElement | null {
    return this.#now({ id });
  }

  /** After the page shows what an outcome changed. */
  tell({ entries, gone, replaced }: Outcome): void {
    const latest = new Map(entries.map((entry) => [entry.id, entry]));
    for (const { id } of gone) {
      this.#gone.add(id);
    }
    // A drawing may end others.
    for (const mention of [...this.#mentions]) {
      const entry = latest.get(mention.id);
      if (replaced || entry || gone.some(({ id }) => id === mention.id)) {
        // What a page that starts afresh doesn't have may have been deleted meanwhile.
        mention.entry = entry ?? (replaced ? undefined : mention.entry);
        if (this.#mentions.has(mention)) {
          mention.draw(this.#now(mention));
        }
      }
    }
  }

  #now({ id, entry }: { id: string; entry?: Entry | undefined }): HTMLElement | null {
    const item = this.#timeline.item(id);
    if (item?.gone || (item === undefined && this.#gone.has(id))) {
      return null;
    }
    const html = entry && entry.seq >= (item?.seq ?? 0) ? entry.html : item?.html;
    return html ? parseArticle(html) : (shownArticles().get(id) ?? null);
  }
}
