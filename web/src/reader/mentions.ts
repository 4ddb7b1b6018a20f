/**
 * Mentions of entries outside of their articles, in cards and notifications: wherever more than the page's own summary and title,
 * which the view makes of the timeline, says an entry's words a second time.
 *
 * A mention has the entry's words from here: it is drawn with them at once, again whenever they change, and without them when
 * they are gone. So it can't keep words that the newsroom has taken back.
 */

import type { Entry } from "../model/messages.js";
import type { Outcome } from "../model/outcome.js";
import type { Timeline } from "../model/timeline.js";
import { parseArticle, shownArticles } from "../dom/reconcile.js";

/** Articles of entries as they are now, by id, to be read and not changed. An entry that is gone has none. */
export type Articles = ReadonlyMap<string, HTMLElement>;

/** Draws what mentions the entries; returns false once it is not to be drawn again. */
export type Draw = (left: Articles) => boolean;

interface Mention {
  /** The latest known state of each entry; undefined for one that only the page has. */
  states: Map<string, Entry | undefined>;
  left: Map<string, HTMLElement>;
  draw: Draw;
}

export class Mentions {
  readonly #timeline: Timeline;
  readonly #mentions = new Set<Mention>();
  /** Ids of entries that were deleted: what was read before may have these still. */
  readonly #gone = new Set<string>();

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** Draws what mentions these entries, until `draw` says that it is over. Of those that may not be on this page, as they were read. */
  follow(told: readonly (Pick<Entry, "id"> | Entry)[], draw: Draw): void {
    const states = new Map(told.map((entry) => [entry.id, "html" in entry ? entry : undefined]));
    const mention = { states, left: new Map<string, HTMLElement>(), draw };
    this.#mentions.add(mention);
    this.#draw(mention, [...states.keys()], shownArticles());
  }

  /** The entry's article at this moment, for what doesn't last. */
  now(id: string): HTMLElement | null {
    return this.#now(id, undefined, shownArticles());
  }

  /** Draws each mention of an entry that an outcome changed, once, after the page shows that. */
  tell({ entries, gone, replaced }: Outcome): void {
    const latest = new Map(entries.map((entry) => [entry.id, entry]));
    const lost = new Set(gone.map(({ id }) => id));
    lost.forEach((id) => this.#gone.add(id));
    // One that is gone may be published again.
    latest.forEach((_, id) => this.#gone.delete(id));
    const shown = shownArticles();
    for (const mention of [...this.#mentions]) {
      const ids = [...mention.states.keys()].filter((id) => replaced || latest.has(id) || lost.has(id));
      for (const id of ids) {
        // An entry that a page lacks after starting afresh may have been deleted meanwhile.
        mention.states.set(id, latest.get(id) ?? (replaced ? undefined : mention.states.get(id)));
      }
      if (ids.length > 0) {
        this.#draw(mention, ids, shown);
      }
    }
  }

  /** `ids`: of those that changed. `shown`: the articles in the page. */
  #draw(mention: Mention, ids: readonly string[], shown: Articles): void {
    for (const id of ids) {
      const article = this.#now(id, mention.states.get(id), shown);
      if (article === null) {
        mention.left.delete(id);
      } else {
        mention.left.set(id, article);
      }
    }
    if (!mention.draw(mention.left)) {
      this.#mentions.delete(mention);
    }
  }

  #now(id: string, entry: Entry | undefined, shown: Articles): HTMLElement | null {
    const item = this.#timeline.item(id);
    if (item?.gone || (item === undefined && this.#gone.has(id))) {
      return null;
    }
    const html = entry && entry.seq >= (item?.seq ?? 0) ? entry.html : item?.html;
    return html ? parseArticle(html) : (shown.get(id) ?? null);
  }
}
