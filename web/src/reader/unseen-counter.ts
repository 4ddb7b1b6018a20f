/** Counts the entries that the reader hasn't seen yet: in the page's link to them, and in the title of its tab. */

import type { Outcome } from "../model/outcome.js";
import type { Timeline } from "../model/timeline.js";
import { isVisible } from "../stream/visibility.js";
import type { Texts } from "../dom/i18n.js";
import { shownArticles } from "../dom/reconcile.js";
import { edgeIsInView } from "../dom/scroll-anchor.js";

export class UnseenCounter {
  /** The document's title without the count before it. */
  title = document.title;
  readonly #timeline: Timeline;
  readonly #texts: Texts;
  readonly #isAtEnd: () => boolean;
  /** Entries that came while the reader was looking elsewhere. */
  #unseen = new Set<string>();
  /** Entries that came where the page doesn't reach. */
  #ahead = new Set<string>();
  readonly #newsUrl = document.querySelector<HTMLAnchorElement>("[data-news]")?.href ?? "";

  /** `isAtEnd`: whether the reader is where new entries come. */
  constructor(timeline: Timeline, texts: Texts, isAtEnd: () => boolean) {
    this.#timeline = timeline;
    this.#texts = texts;
    this.#isAtEnd = isAtEnd;
    document.addEventListener("scroll", this, { passive: true });
    document.addEventListener("visibilitychange", this);
    window.addEventListener("resize", this);
  }

  /** True while the reader has had everything that there is. */
  get isZero(): boolean {
    return this.#unseen.size === 0 && !this.#timeline.has("newer");
  }

  /** Count what an outcome added, after the page shows it. `unseen`: not where the reader looks. */
  count({ added, ahead }: Pick<Outcome, "added" | "ahead">, unseen: boolean): void {
    const timeline = this.#timeline;
    const isThere = (id: string): boolean => timeline.item(id) !== undefined;
    const listed = new Set(timeline.entries().map(({ id }) => id));
    this.#unseen = new Set([...this.#unseen, ...(unseen ? added : [])].filter(isThere));
    this.#ahead = new Set([...this.#ahead, ...ahead].filter((id) => isThere(id) && !listed.has(id)));
    this.#show();
    this.handleEvent();
  }

  #show(): void {
    const here = !this.#timeline.has("newer");
    const count = (here ? this.#unseen : this.#ahead).size;
    const link = document.querySelector<HTMLAnchorElement>("[data-news]");
    if (link !== null) {
      const text = count === 0 ? "" : this.#texts.plural(here ? "new_entries" : "see_new_entries", count);
      if (link.textContent !== text) {
        link.textContent = text;
      }
      link.hidden = count === 0;
      link.href = here ? `#${this.#first()?.id ?? "entries"}` : this.#newsUrl;
    }
    document.title = count === 0 ? this.title : `(${count}) ${this.title}`;
  }

  /** The article where reading on begins: in the list, else among the pinned. */
  #first(): HTMLElement | undefined {
    const unseen = [...shownArticles()].flatMap(([id, article]) => (this.#unseen.has(id) ? [article] : []));
    return unseen.find((article) => article.dataset.pinned !== "true") ?? unseen[0];
  }

  /** Back where new entries come, or at the first of them, with the tab in front, the reader sees what is new. */
  handleEvent(): void {
    if (this.#unseen.size === 0 || !isVisible()) {
      return;
    }
    const first = this.#first();
    if (this.#isAtEnd() || (first !== undefined && edgeIsInView(first, "top"))) {
      this.#unseen.clear();
      this.#show();
    }
  }
}
