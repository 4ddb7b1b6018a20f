/** The page of one live blog: shows a timeline, and nothing else decides what is on it. */

import { nothing, type Outcome } from "../model/outcome.js";
import type { Item } from "../model/timeline-state.js";
import type { Timeline } from "../model/timeline.js";
import { type Status, SYSTEM_CLOCK } from "../stream/connection.js";
import { isVisible } from "../stream/visibility.js";
import { ConnectionIndicator } from "../dom/connection-indicator.js";
import type { Texts } from "../dom/i18n.js";
import { LiveAnnouncer } from "../dom/live-announcer.js";
import {
  arrange,
  arrangeKeyEvents,
  currentArticle,
  element,
  emptied,
  parseArticle,
  shownArticles,
} from "../dom/reconcile.js";
import { edgeIsInView, holdScroll } from "../dom/scroll-anchor.js";
import { UnseenCounter } from "./unseen-counter.js";

/** The time after which frames are no longer waited for. */
const FRAMES_MAX_MS = 500;

export class ReaderView {
  readonly #timeline: Timeline;
  readonly #texts: Texts;
  readonly #oldestFirst: boolean;
  readonly #announcer: LiveAnnouncer;
  readonly #indicator: ConnectionIndicator | null;
  readonly #unseen: UnseenCounter;
  #updates = 0;
  /** When the connection was lost, or the copy made that is shown. */
  #asOf: string | undefined = document.documentElement.dataset.copied;
  #keyEventsShown: string;

  constructor(timeline: Timeline, texts: Texts, oldestFirst = false) {
    this.#timeline = timeline;
    this.#texts = texts;
    this.#oldestFirst = oldestFirst;
    this.#keyEventsShown = this.#keyEventsState();
    this.#announcer = new LiveAnnouncer((count) => {
      setText("[data-announcer]", texts.plural("new_entries", count));
    }, SYSTEM_CLOCK);
    const connection = document.querySelector<HTMLElement>("[data-connection]");
    this.#indicator = connection && new ConnectionIndicator(connection);
    this.#unseen = new UnseenCounter(timeline, texts, () => this.#endIsInView());
    this.#showUpdated();
  }

  /** True while the reader has had everything that there is. */
  get caughtUp(): boolean {
    return this.#unseen.isZero;
  }

  /** True where all that was loaded is gone, and there is more. */
  get isBare(): boolean {
    return this.#hasMore && this.#timeline.entries().length === 0;
  }

  get #hasMore(): boolean {
    return this.#timeline.has("newer") || this.#timeline.has("older");
  }

  /** The server's time of the last change that the page shows; empty if there is none. */
  get updatedAt(): string {
    const dates = [...this.#timeline.entries(), ...this.#timeline.pinned()].map((item) => item.updated_at);
    return dates.reduce((a, b) => (a > b ? a : b), "");
  }

  /** Shows what an outcome changed. */
  show(outcome: Outcome): void {
    if (outcome.changed) {
      const away = !this.#endIsInView() || !isVisible();
      // At the very top the reader stays there, as with the browser's own anchoring; behind another tab, at what was read.
      this.#update(outcome, away, window.scrollY < 1 && isVisible());
    }
    this.#showUpdated();
  }

  /** Shows a page that was loaded, which nobody needs to be told of. */
  showMore(): void {
    this.#update(nothing(), true, false);
  }

  showStatus(status: Status): void {
    this.#showLiveblog();
    if (this.#indicator === null) {
      return;
    }
    this.#indicator.element.dataset.state = status;
    if (status === "live") {
      this.#asOf = undefined;
      this.#indicator.hide();
      for (const image of document.querySelectorAll("img")) {
        // Those that were asked for in vain meanwhile are asked for again.
        if (image.complete && image.naturalWidth === 0) {
          const { src } = image;
          image.src = src;
        }
      }
      return;
    }
    const isCopy = document.documentElement.dataset.copied === this.#asOf && this.#asOf !== undefined;
    this.#asOf ??= new Date().toISOString();
    const text =
      status === "offline" || isCopy
        ? this.#texts.when("offline", this.#asOf, this.#timeline.timezone)
        : this.#texts.text(status === "connecting" ? "reconnecting" : status);
    this.#indicator.show(text, status === "closed" || isCopy);
  }

  #update(outcome: Outcome, away: boolean, stays: boolean): void {
    const { added } = outcome;
    const shown = shownArticles();
    const update = (this.#updates += 1);
    const hold = !stays && (away || this.#oldestFirst);
    // Nothing is seen to move in a tab that is hidden, and it has no frames.
    const atOnce = !hold || !isVisible();
    const render = (): void => {
      this.#showLiveblog();
      this.#arrange(shown, added);
      if (atOnce) {
        this.#showKeyEvents(shown);
      }
    };
    // With the oldest first, what is new never pushes anything away: only edits above do.
    if (hold) {
      holdScroll(this.#moving(shown), render);
    } else {
      render();
    }
    if (!atOnce) {
      const summarise = (): void => {
        if (update === this.#updates) {
          holdScroll(new Set(), () => {
            this.#showKeyEvents(shown);
          });
        }
      };
      // In a frame without other updates: browsers take both together for a shift of the layout, though nothing is seen to move.
      requestAnimationFrame(() => {
        requestAnimationFrame(summarise);
      });
      // It may be hidden before.
      window.setTimeout(summarise, FRAMES_MAX_MS);
    }
    this.#announcer.add(added.length);
    this.#unseen.count(outcome, away);
  }

  /** Entries that go to or from the pinned section. */
  #moving(shown: Map<string, HTMLElement>): Set<string> {
    const pinned = new Set(this.#timeline.pinned().map((item) => item.id));
    return new Set(
      [...shown].filter(([id, article]) => pinned.has(id) !== (article.dataset.pinned === "true")).map(([id]) => id),
    );
  }

  #arrange(shown: Map<string, HTMLElement>, added: readonly string[]): void {
    const articlesOf = (items: Item[]): HTMLElement[] =>
      items.flatMap((item) => {
        const article = item.gone ? emptied(item, shown) : currentArticle(item, shown, parseArticle);
        article?.classList.toggle("entry-new", added.includes(item.id) || article.classList.contains("entry-new"));
        const deleted = this.#texts.text("deleted");
        if (item.gone && article?.textContent === "") {
          article.append(element("p", this.#texts.attributes, deleted));
        }
        if (item.id === document.documentElement.dataset.focus) {
          const blog = document.querySelector("[data-liveblog-title]")?.textContent ?? "";
          this.#unseen.title = item.gone ? deleted : `${article?.dataset.title ?? ""} – ${blog}`;
        }
        return article === null ? [] : [article];
      });
    const items = this.#timeline.entries();
    const entries = articlesOf(this.#oldestFirst ? items.reverse() : items);
    const list = this.#list();
    const pinnedList = document.querySelector('[data-list="pinned"]');
    const pinned = articlesOf(this.#timeline.pinned());
    if (pinnedList !== null) {
      arrange(pinnedList, pinned, null);
      setHidden(pinnedList.closest("section"), pinned.length === 0);
    }
    setHidden(document.querySelector("[data-empty]"), entries.length + pinned.length > 0 || this.#hasMore);
    if (list !== null) {
      arrange(list, entries, this.#texts.attributes);
    }
    for (const side of ["newer", "older"] as const) {
      setHidden(document.querySelector(`[data-${side}]`)?.closest("p"), !this.#timeline.has(side));
    }
  }

  #showKeyEvents(shown: Map<string, HTMLElement>): void {
    const state = this.#keyEventsState();
    const section = document.querySelector<HTMLElement>("[data-key-events]");
    if (section === null || state === this.#keyEventsShown) {
      return;
    }
    this.#keyEventsShown = state;
    const events = this.#timeline.keyEvents();
    const { timezone } = this.#timeline;
    const days = new Set(events.map((event) => this.#texts.day(event.published_at, timezone)));
    arrangeKeyEvents(
      section,
      events,
      (id) => shown.get(id)?.isConnected ?? false,
      ({ published_at }) => {
        const text =
          days.size > 1 ? this.#texts.dateTime(published_at, timezone) : this.#texts.time(published_at, timezone);
        return element("time", { ...this.#texts.attributes, dateTime: published_at }, text);
      },
    );
    setHidden(section, events.length === 0);
  }

  /** The list is rebuilt only when it differs, lest the reader's focus in it be lost. */
  #keyEventsState(): string {
    const events = this.#timeline.keyEvents();
    const listed = new Set([...this.#timeline.entries(), ...this.#timeline.pinned()].map((item) => item.id));
    return JSON.stringify([this.#timeline.timezone, events.map((event) => [event, listed.has(event.id)])]);
  }

  #showLiveblog(): void {
    const { liveblog, viewers } = this.#timeline;
    if (liveblog !== null) {
      if (this.#timeline.page === "first") {
        this.#unseen.title = liveblog.title;
      }
      setText("[data-liveblog-title]", liveblog.title);
      setText("[data-liveblog-summary]", liveblog.summary);
      setHidden(document.querySelector("[data-liveblog-summary]"), liveblog.summary === "");
      const status = document.querySelector<HTMLElement>("[data-status]");
      if (status !== null && status.dataset.status !== liveblog.status) {
        status.className = `status status-${liveblog.status}`;
        status.dataset.status = liveblog.status;
        status.textContent = this.#texts.status(liveblog.status);
      }
    }
    if (viewers !== null) {
      setText("[data-viewers]", this.#texts.plural("viewers", viewers));
    }
    setHidden(document.querySelector("[data-viewers]"), !viewers);
  }

  /** The server, which doesn't know when its page is read, writes the day; it is left out on the day itself. */
  #showUpdated(): void {
    const updated = document.querySelector<HTMLTimeElement>("time[data-updated]");
    if (updated === null) {
      return;
    }
    // A page that shows some entries doesn't know of the others.
    const at = this.#timeline.has("newer") || document.documentElement.dataset.only ? "" : this.updatedAt;
    if (at !== "") {
      updated.dateTime = at;
      setText("[data-updated]", this.#texts.when("updated", at, this.#timeline.timezone));
    }
    updated.hidden = at === "";
  }

  /** The end of the list at which new entries come. */
  #endIsInView(): boolean {
    const list = this.#list();
    return list === null || edgeIsInView(list, this.#oldestFirst ? "bottom" : "top");
  }

  #list(): HTMLElement | null {
    return document.querySelector('[data-list="entries"]');
  }
}

function setText(selector: string, text: string): void {
  const element = document.querySelector(selector);
  if (element !== null && element.textContent !== text) {
    element.textContent = text;
  }
}

function setHidden(element: Element | null | undefined, hidden: boolean): void {
  if (element instanceof HTMLElement) {
    element.hidden = hidden;
  }
}
