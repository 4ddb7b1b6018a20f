/** The view of a widget: a timeline in a shadow tree. It decides nothing of what is in the live blog. */

import type { Outcome } from "../model/outcome.js";
import type { Item } from "../model/timeline-state.js";
import type { Timeline } from "../model/timeline.js";
import type { Status } from "../stream/connection.js";
import { isVisible } from "../stream/visibility.js";
import { ConnectionIndicator } from "../dom/connection-indicator.js";
import type { Attributes } from "../dom/i18n.js";
import { arrange, currentArticle, shownArticles } from "../dom/reconcile.js";
import { build } from "./safe-html.js";

/** The server's frame and texts for a live blog, in some language. */
export interface WidgetShell {
  /** The widget without entries, in that language. */
  html: string;
  /** The locale of that language. */
  locale: string;
  /** Attributes of the days' headings, which are in the language of the entries: `lang` and `dir` where we have none of our own in it. */
  days: Attributes;
  status: Record<string, string>;
  new_entries: Record<string, string>;
  text: Record<string, string>;
}

/** The settings of a partner. */
export interface PartnerTerms {
  theme?: Record<string, string>;
  attribution?: { text: string; url: string } | null;
  fallback_url?: string;
}

const PARTS = ["entry-time", "entry-heading", "entry-body"];

export class WidgetView {
  readonly element: HTMLElement;
  /** Loads older entries, if there are any. */
  older: () => Promise<void> = () => Promise.resolve();
  #room: number;
  #topIsSeen = true;
  /** Entries that came while the reader was elsewhere. They are shown when the reader is back, or asks for them. */
  readonly #held = new Set<string>();
  readonly #indicator: ConnectionIndicator;
  readonly #observer: IntersectionObserver;
  readonly #timeline: Timeline;
  readonly #shell: WidgetShell;

  /** `limit`: how many entries at first, and how many more at each wish. */
  constructor(timeline: Timeline, shell: WidgetShell, limit: number) {
    this.#timeline = timeline;
    this.#shell = shell;
    this.#room = limit;
    this.element = build(shell.html).firstElementChild as HTMLElement;
    this.element.querySelectorAll("a").forEach(beside);
    this.#indicator = new ConnectionIndicator(this.#at("note"));
    this.#at("news").onclick = () => {
      this.#held.clear();
      this.#update();
      this.#at("top").scrollIntoView();
    };
    this.#at("older").onclick = () => this.#more(this.#room + limit);
    this.#observer = new IntersectionObserver(
      (records) => {
        for (const { isIntersecting, boundingClientRect, rootBounds } of records) {
          // An entry that comes below the window moves nothing that is read; frames of another origin don't know where that is.
          this.#topIsSeen = isIntersecting || boundingClientRect.top >= (rootBounds?.bottom ?? Infinity);
        }
        this.look();
      },
      // A line's height above the window, the reader is still at the top.
      { rootMargin: "64px" },
    );
    this.#observer.observe(this.#at("top"));
    this.#update();
  }

  #at(name: string): HTMLElement {
    const found: Element | null = this.element.querySelector(`.${name}`);
    return found as HTMLElement;
  }

  /** Taken out of the page, perhaps for a moment: nothing is to be told of the connection. */
  rest(): void {
    this.#indicator.rest();
  }

  close(): void {
    this.#observer.disconnect();
  }

  show({ changed, added }: Outcome): void {
    if (!changed) {
      return;
    }
    if (!this.#isRead()) {
      for (const id of added) {
        this.#held.add(id);
      }
    }
    void this.#more(this.#room);
  }

  /** Shows the entries that waited, if the reader is where they come. */
  look(): void {
    if (this.#held.size > 0 && this.#isRead()) {
      this.#held.clear();
      this.#update();
    }
  }

  showStatus(status: Status): void {
    if (status === "live") {
      this.#indicator.hide();
    } else {
      this.#indicator.show(this.text(status), status === "offline");
    }
  }

  /** Tells screen readers of so many new entries. */
  say(count: number): void {
    this.#at("said").textContent = this.#counted(count);
  }

  text(name: string): string {
    return this.#shell.text[name] ?? "";
  }

  add(anchor: HTMLAnchorElement): void {
    this.#at("foot").append(" ", anchor);
  }

  /** Shows so many entries, where there are so many: after deletions, older ones come up. */
  async #more(room: number): Promise<void> {
    this.#room = room;
    this.#update();
    if (this.#timeline.has("older") && this.#timeline.entries().length < room) {
      await this.older().catch(() => undefined);
      this.#update();
    }
  }

  #isRead(): boolean {
    return this.#topIsSeen && isVisible();
  }

  #update(): void {
    const timeline = this.#timeline;
    for (const id of this.#held) {
      if (timeline.item(id) === undefined) {
        this.#held.delete(id);
      }
    }
    const isShown = ({ id }: Item): boolean => !this.#held.has(id);
    const listed = timeline.entries().filter(isShown);
    const shown = shownArticles(this.element);
    const fill = (name: string, items: Item[], days: Attributes | null): boolean => {
      const articles = items.flatMap((item) => currentArticle(item, shown, article) ?? []);
      arrange(this.#at(name), articles, days);
      return articles.length > 0;
    };
    const pinned = fill("pinned", timeline.pinned().filter(isShown), null);
    const entries = fill("list", listed.slice(0, this.#room), this.#shell.days);
    const { status = "", title = "" } = timeline.liveblog ?? {};
    this.element.lang = timeline.language;
    this.#show("pinned", pinned);
    this.#show("older", listed.length > this.#room || timeline.has("older"));
    this.#show("news", this.#held.size > 0, this.#counted(this.#held.size));
    this.#show("empty", !pinned && !entries, this.text(`empty_${status}`));
    this.#show("name", true, title);
    this.#show("status", true, this.#shell.status[status] ?? status).className = `status ${status}`;
  }

  #show(name: string, shown: boolean, text?: string): HTMLElement {
    const element = this.#at(name);
    element.hidden = !shown;
    if (text !== undefined) {
      element.textContent = text;
    }
    return element;
  }

  #counted(count: number): string {
    const { new_entries, locale } = this.#shell;
    const form = new_entries[new Intl.PluralRules(locale).select(count)] ?? new_entries.other ?? "";
    return form.replace("{count}", count.toLocaleString(locale));
  }
}

/** The article of an entry's HTML, for a page that isn't ours: its links open beside it. */
function article(html: string): HTMLElement {
  const found = build(html).querySelector<HTMLElement>("article[data-id]");
  if (found === null) {
    throw new TypeError("no article");
  }
  found.querySelectorAll("a").forEach(beside);
  found.setAttribute("part", "entry");
  for (const part of PARTS) {
    found.querySelector(`.${part}`)?.setAttribute("part", part);
  }
  return found;
}

export function link(url: string, text: string): HTMLAnchorElement {
  const anchor = document.createElement("a");
  anchor.textContent = text;
  if (/^https?:/.test(url)) {
    anchor.href = url;
  }
  beside(anchor);
  return anchor;
}

function beside(anchor: HTMLAnchorElement): void {
  anchor.target = "_blank";
  anchor.rel = "noopener";
}
