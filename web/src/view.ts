/** The page of one live blog: shows a timeline, and nothing else decides what is on it. */

import { Announcer } from "./announcer.js";
import type { Status } from "./connection.js";
import { arrange, arrangeKeyEvents, currentArticle, shownArticles } from "./dom.js";
import { holdScroll, topIsInView } from "./scroll.js";
import type { Texts } from "./texts.js";
import type { Item, Outcome, Timeline } from "./timeline.js";

const INDICATOR_AFTER_MS = 3_000;

export class View {
  readonly #timeline: Timeline;
  readonly #texts: Texts;
  readonly #announcer: Announcer;
  readonly #title = document.title;
  /** Entries that came while the reader was looking elsewhere. */
  readonly #unseen = new Set<string>();
  #indicatorTimer: number | undefined;
  #keyEventsShown: string;

  constructor(timeline: Timeline, texts: Texts) {
    this.#timeline = timeline;
    this.#texts = texts;
    this.#keyEventsShown = this.#keyEventsState();
    this.#announcer = new Announcer(
      (count) => {
        setText("[data-announcer]", texts.plural("new_entries", count));
      },
      { now: () => performance.now(), setTimeout: (callback, ms) => window.setTimeout(callback, ms) },
    );
    this.#watchTop();
    this.#showUpdated();
  }

  /** Shows what an outcome changed. */
  show(outcome: Outcome): void {
    if (outcome.changed) {
      const list = this.#list();
      const reading = list !== null && !topIsInView(list);
      this.#update(outcome.added, reading || document.visibilityState === "hidden");
    }
    this.#showUpdated();
  }

  /** Shows the next page of older entries, which nobody needs to be told of. */
  showOlder(): void {
    this.#update([], true);
  }

  showStatus(status: Status): void {
    const indicator = document.querySelector<HTMLElement>("[data-connection]");
    if (indicator === null) {
      return;
    }
    indicator.dataset.state = status;
    if (status === "live") {
      window.clearTimeout(this.#indicatorTimer);
      this.#indicatorTimer = undefined;
      indicator.hidden = true;
      return;
    }
    indicator.textContent = this.#texts.text(status === "connecting" ? "reconnecting" : status);
    if (status === "closed") {
      indicator.hidden = false;
    }
    // One date for the whole outage, however often a retry fails in it.
    this.#indicatorTimer ??= window.setTimeout(() => {
      indicator.hidden = false;
    }, INDICATOR_AFTER_MS);
  }

  #update(added: readonly string[], hold: boolean): void {
    const shown = shownArticles();
    const render = (): void => {
      if (this.#timeline.page === "entry") {
        this.#patch(shown);
      } else {
        this.#arrange(shown, added);
      }
      this.#showKeyEvents(shown);
      this.#showLiveblog();
    };
    if (hold) {
      holdScroll(this.#moving(shown), render);
    } else {
      render();
    }
    this.#count(added, hold);
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
        const article = currentArticle(item, shown);
        article?.classList.toggle("entry-new", added.includes(item.id) || article.classList.contains("entry-new"));
        return article === null ? [] : [article];
      });
    const entries = articlesOf(this.#timeline.entries());
    const list = this.#list();
    const pinnedList = document.querySelector('[data-list="pinned"]');
    if (pinnedList !== null) {
      const pinned = articlesOf(this.#timeline.pinned());
      arrange(pinnedList, pinned, null);
      setHidden(pinnedList.closest("section"), pinned.length === 0);
      setHidden(document.querySelector("[data-empty]"), entries.length + pinned.length > 0);
    }
    if (list !== null) {
      arrange(list, entries, this.#texts.attributes);
    }
    setHidden(document.querySelector("[data-older]")?.closest("p"), !this.#timeline.hasOlder);
  }

  /** A page that only follows its own entries: nothing is moved, what is deleted leaves a word in place of the entry linked. */
  #patch(shown: Map<string, HTMLElement>): void {
    for (const [id, article] of shown) {
      const item = this.#timeline.item(id);
      if (item !== undefined) {
        currentArticle(item, shown);
      } else if (this.#timeline.isDeleted(id)) {
        if (article.closest(".focus") !== null) {
          const notice = Object.assign(document.createElement("p"), this.#texts.attributes);
          notice.className = "empty";
          notice.textContent = this.#texts.text("deleted");
          article.replaceWith(notice);
          document.title = this.#texts.text("deleted");
        } else {
          article.remove();
        }
      }
    }
    for (const heading of document.querySelectorAll(".day")) {
      if (!heading.nextElementSibling?.matches("article")) {
        heading.remove();
      }
    }
    for (const neighbours of document.querySelectorAll(".neighbours")) {
      if (neighbours.querySelector("article") === null) {
        neighbours.remove();
      }
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
        const time = Object.assign(document.createElement("time"), this.#texts.attributes);
        time.dateTime = published_at;
        time.textContent =
          days.size > 1 ? this.#texts.dateTime(published_at, timezone) : this.#texts.time(published_at, timezone);
        return time;
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
      setHidden(document.querySelector("[data-viewers]"), viewers === 0);
    }
  }

  /** The server, which doesn't know when its page is read, writes the day; it is left out on the day itself. */
  #showUpdated(): void {
    const updated = document.querySelector<HTMLTimeElement>("time[data-updated]");
    if (updated === null) {
      return;
    }
    if (this.#timeline.page !== "entry") {
      const dates = [...this.#timeline.entries(), ...this.#timeline.pinned()].map((item) => item.updated_at);
      updated.dateTime = dates.reduce((a, b) => (a > b ? a : b), "");
    }
    if (updated.dateTime !== "") {
      setText("[data-updated]", this.#texts.updated(updated.dateTime, new Date().toISOString(), this.#timeline.timezone));
    }
    updated.hidden = updated.dateTime === "";
  }

  #count(added: readonly string[], unseen: boolean): void {
    for (const id of this.#unseen) {
      if (this.#timeline.item(id) === undefined) {
        this.#unseen.delete(id);
      }
    }
    if (unseen) {
      for (const id of added) {
        this.#unseen.add(id);
      }
    }
    this.#announcer.add(added.length);
    this.#showCount();
    this.#see();
  }

  #showCount(): void {
    const first = this.#timeline.page === "first";
    const count = first ? this.#unseen.size : this.#timeline.elsewhere.size;
    const link = document.querySelector<HTMLAnchorElement>("[data-news]");
    if (link !== null) {
      const text = count === 0 ? "" : this.#texts.plural(first ? "new_entries" : "see_new_entries", count);
      if (link.textContent !== text) {
        link.textContent = text;
      }
      link.hidden = count === 0;
      if (first && count > 0) {
        link.hash = this.#firstUnseen()?.id ?? "entries";
      }
    }
    const title = this.#baseTitle();
    document.title = count === 0 ? title : `(${String(count)}) ${title}`;
  }

  /** Where reading on begins: in the list, else among the pinned. */
  #firstUnseen(): HTMLElement | undefined {
    const unseen = [...shownArticles()].flatMap(([id, article]) => (this.#unseen.has(id) ? [article] : []));
    return unseen.find((article) => article.dataset.pinned !== "true") ?? unseen[0];
  }

  #baseTitle(): string {
    if (this.#timeline.page === "first") {
      return this.#timeline.liveblog?.title ?? this.#title;
    }
    return document.title.replace(/^\(\d+\) /, "");
  }

  #watchTop(): void {
    const check = (): void => {
      this.#see();
    };
    document.addEventListener("scroll", check, { passive: true });
    document.addEventListener("visibilitychange", check);
    window.addEventListener("resize", check);
  }

  /** Back at the top, or at the first of them, with the tab in front, the reader sees what is new. */
  #see(): void {
    if (this.#unseen.size === 0 || document.visibilityState === "hidden") {
      return;
    }
    const places = [this.#list(), this.#firstUnseen()];
    if (places.some((place) => place && topIsInView(place))) {
      this.#unseen.clear();
      this.#showCount();
    }
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
