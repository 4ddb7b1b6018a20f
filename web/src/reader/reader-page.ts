/** The reader's page: its view, its session with the server, and what it does for the reader who comes, clicks and leaves. */

import type { Outcome } from "../model/outcome.js";
import { Timeline } from "../model/timeline.js";
import { LiveSession } from "../stream/live-session.js";
import { isVisible } from "../stream/visibility.js";
import { Texts } from "../dom/i18n.js";
import { isShown, parseArticle } from "../dom/reconcile.js";
import { Corrections } from "./corrections.js";
import type { Context, Deferred } from "./deferred.js";
import { dropQuotes } from "./head-quotes.js";
import { belongsTo, type PageData } from "./page-data.js";
import { openPermalink } from "./permalink.js";
import { ReaderView } from "./reader-view.js";
import { reload } from "./reload.js";
import { chosenOrder, type Visit, VisitMemory } from "./visit-memory.js";

/** The least time after which a reader is greeted with news: after less, they have hardly been away. */
const AWAY_MS = 5 * 60_000;
/** The time until a page that still shows something of a deleted entry is looked at again. */
const RECHECK_MS = 200;
/** The time from the page's loading until it prepares for being without a network. */
const OFFLINE_AFTER_MS = 1_000;
const CONTROLS = "a[data-order],[data-share],[data-alerts],[data-embed-src] .embed-link,a[data-newer],a[data-older]";

export class ReaderPage {
  readonly #context: Context & PageData;
  readonly #view: ReaderView;
  readonly #session: LiveSession;
  /** Set once the reader has been told what came since the last visit, corrections too: those that the stream brings wait for that. */
  #corrections: Corrections | undefined;
  /** The last position at which the reader had seen everything. */
  #caughtUp = { position: "", at: "" };
  #deferred: Deferred | undefined;
  #offline: typeof import("./offline-copy.js") | undefined;
  /** Kept once what was deleted or changed has gone from whatever isn't in the document. */
  #cleared: Promise<unknown> = Promise.resolve();

  constructor(page: PageData) {
    const { api, filter, start } = page;
    const texts = new Texts(page.textData);
    const timeline = new Timeline(start, {
      titleOf: ({ html }) => parseArticle(html).dataset.title ?? "",
      belongs: (entry) => belongsTo(filter, entry),
      isShown,
    });
    const view = new ReaderView(timeline, texts, page.oldestFirst);
    this.#view = view;
    this.#context = {
      ...page,
      texts,
      timeline,
      memory: new VisitMemory(api),
      add: (side, { items, next_cursor }) => {
        timeline.addPage(side, items, next_cursor !== null);
        view.showMore();
        this.#look();
      },
    };
    this.#session = new LiveSession({
      api,
      timeline,
      status: (status) => {
        if (status !== "live") {
          // As many as there were. The next heartbeat tells how many there are.
          timeline.viewers = null;
        }
        view.showStatus(status);
      },
      show: (outcome) => {
        this.#show(outcome);
      },
      hidden: (id) => this.#hidden(id),
      loadRepair: () => this.#loadDeferred(),
      // Where the code for repairs isn't to be had, a server of another version is there by now.
      reload,
    });
  }

  start(): void {
    const { url } = this.#context;
    document.querySelector("[data-alerts]")?.setAttribute("aria-pressed", String(this.#context.memory.alerts));
    if (isReadersClock(this.#context.timeline.timezone)) {
      document.querySelector("[data-zone]")?.classList.add("same");
    }
    this.#listen();
    openPermalink(url);
    window.addEventListener("hashchange", () => {
      openPermalink(url);
    });
    this.#session.start();
    this.#catchUp();
    void this.#greet();
    window.addEventListener("load", () => {
      window.setTimeout(() => void this.#prepareOffline(), OFFLINE_AFTER_MS);
    });
  }

  #listen(): void {
    window.addEventListener("pagehide", () => {
      if (isVisible()) {
        this.#leave();
      }
    });
    document.addEventListener("visibilitychange", () => {
      if (isVisible()) {
        this.#catchUp();
      } else {
        this.#leave();
      }
    });
    const catchUp = (): void => {
      this.#catchUp();
    };
    document.addEventListener("scroll", catchUp, { passive: true });
    document.addEventListener("click", (event) => {
      this.#click(event);
    });
  }

  async #loadDeferred(): Promise<Deferred> {
    const module = await import("./deferred.js");
    return (this.#deferred ??= new module.Deferred(this.#context));
  }

  #show(outcome: Outcome): void {
    const { added, changed, edited, gone, replaced } = outcome;
    const { start, url } = this.#context;
    this.#view.show(outcome);
    this.#deferred?.tell(outcome);
    if (replaced || edited || gone.length > 0) {
      dropQuotes(start.focus);
      this.#cleared = Promise.all([this.#cleared, this.#deferred?.settled(), this.#offline?.dropCopies(url)]);
    }
    if (changed) {
      this.#look();
    }
    if (this.#context.memory.alerts && added.length > 0 && !isVisible()) {
      void this.#loadDeferred().then((deferred) => deferred.alert(added));
    }
  }

  /** Return once nothing says a word of the entry, here or in a copy. */
  async #hidden(id: string): Promise<void> {
    await this.#cleared;
    while (isShown(id)) {
      await new Promise((resolve) => window.setTimeout(resolve, RECHECK_MS));
    }
  }

  #look(): void {
    this.#corrections?.look();
    this.#catchUp();
    if (this.#view.isBare) {
      this.#loadDeferred().then(
        (deferred) => deferred.refill(),
        // The link to what is left is there.
        () => undefined,
      );
    }
  }

  #catchUp(): void {
    const { position } = this.#context.timeline;
    if (this.#caughtUp.position !== position && this.#view.caughtUp && isVisible()) {
      this.#caughtUp = { position, at: this.#view.updatedAt };
    }
  }

  #leave(): void {
    const visit: Visit = { ...this.#caughtUp, left: Date.now() };
    this.#context.memory.save(visit.position === "" ? undefined : visit);
    this.#offline?.keepCopy(this.#context.url, this.#context.timeline.position);
  }

  /** Tells the reader what came since the last visit, and from then on of corrections. */
  async #greet(): Promise<void> {
    const { visit } = this.#context.memory;
    try {
      if (visit !== null && Date.now() - visit.left > AWAY_MS && this.#context.start.focus === null) {
        await (await this.#loadDeferred()).since(visit);
      }
    } catch {
      // Next time, then.
    }
    this.#corrections = new Corrections(this.#context.memory, (id, number) => {
      void this.#loadDeferred().then((deferred) => {
        deferred.correction(id, number);
      });
    });
    this.#corrections.look();
  }

  #click(event: MouseEvent): void {
    const control = (event.target as Element).closest<HTMLElement>(CONTROLS);
    if (control === null || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
      return;
    }
    if (control.dataset.order !== undefined) {
      chosenOrder(control.dataset.order);
      return;
    }
    event.preventDefault();
    this.#loadDeferred()
      .then((deferred) => deferred.click(control))
      .catch(() => {
        // Without the network there is only what the browser may have.
        if (control instanceof HTMLAnchorElement) {
          location.assign(control.href);
        }
      });
  }

  async #prepareOffline(): Promise<void> {
    try {
      this.#offline = await import("./offline-copy.js");
      await this.#offline.keepOffline(this.#context.url, () => this.#context.timeline.position);
    } catch {
      // It works with a network only.
    }
  }
}

/** True if the reader's clock shows the same as one in the live blog's time zone. */
function isReadersClock(timeZone: string): boolean {
  const clock = (zone?: string): string =>
    new Date().toLocaleString("en", zone === undefined ? {} : { timeZone: zone });
  return clock() === clock(timeZone);
}
