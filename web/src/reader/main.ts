/** The reader's page comes alive: wires the page, the timeline, the connection and the view together. */

import "./reader.css";

import type { Confirmation } from "../model/messages.js";
import type { Outcome } from "../model/outcome.js";
import type { Side } from "../model/timeline-state.js";
import { Timeline } from "../model/timeline.js";
import { Connection } from "../stream/connection.js";
import type { Page } from "../stream/entries-api.js";
import { Texts } from "../dom/i18n.js";
import { isShown, parseArticle } from "../dom/reconcile.js";
import { Corrections } from "./corrections.js";
import type { Deferred } from "./deferred.js";
import { belongsTo, type PageData, readPage } from "./page-data.js";
import { ReaderView } from "./reader-view.js";
import { chosenOrder, VisitMemory } from "./visit-memory.js";

const RELOAD_SPREAD_MS = 3_000;
const RELOAD_INTERVAL_MS = 30_000;
/** Who was away for less has hardly left. */
const AWAY_MS = 5 * 60_000;
/** After how long a page that still shows something of what is gone looks again. */
const RECHECK_MS = 200;
/** In the head, what quotes entries for machines: on any page; and on one that was opened for an entry. */
const QUOTING = "script";
const QUOTING_ENTRY = "script, meta[name=description], meta[property], [rel=canonical]";
const CONTROLS = "a[data-order],[data-share],[data-alerts],[data-embed-src] .embed-link,a[data-newer],a[data-older]";

function enhance({ start, only, api, url, oldestFirst, texts: textData }: PageData): void {
  const texts = new Texts(textData);
  const timeline = new Timeline(
    start,
    (entry) => parseArticle(entry.html).dataset.title ?? "",
    (entry) => belongsTo(only, entry),
  );
  const view = new ReaderView(timeline, texts, oldestFirst);
  const memory = new VisitMemory(api);
  /** Of what was corrected since the last visit, a reader is told with all that came since: what comes by the stream waits for that. */
  let corrections: Corrections | undefined;
  /** Where the reader had seen everything. */
  let caughtUp = { position: "", at: "" };
  let offline: typeof import("./offline-copy.js") | null = null;
  let extras: Deferred | undefined;

  async function more(): Promise<Deferred> {
    const module = await import("./deferred.js");
    return (extras ??= new module.Deferred({ api, url, only, texts, memory, timeline, add, show, reload }));
  }

  function show(outcome: Outcome): void {
    const { added, changed, edited, effects, replaced } = outcome;
    // In a card it may be shown where the list hasn't got it.
    const gone = outcome.gone.map((lost) => ({ ...lost, had: lost.had || isShown(lost.id) }));
    view.show(outcome);
    extras?.tell(outcome);
    let left: Promise<unknown> | undefined;
    if (replaced || edited || gone.length > 0) {
      for (const element of document.head.querySelectorAll(start.focus === null ? QUOTING : QUOTING_ENTRY)) {
        element.remove();
      }
      left = Promise.all([extras?.settled(), offline?.dropCopies(url)]);
    }
    if (changed) {
      corrections?.look();
      catchUp();
    }
    if (memory.alerts && added.length > 0 && document.visibilityState === "hidden") {
      void more().then((made) => made.alert(added));
    }
    for (const { within, ...lost } of gone) {
      if (within !== undefined) {
        confirm(lost, Math.random() * within, left);
      }
    }
    if (effects.length > 0) {
      // Where the code for it isn't to be had, a server of another version is there by now.
      void more().then(({ repair }) => {
        repair.request(effects);
      }, reload);
    }
  }

  /** `left`: when it has gone from what isn't in the document. */
  function confirm(gone: Confirmation, ms: number, left?: Promise<unknown>): void {
    window.setTimeout(() => {
      void left?.then(() => {
        if (isShown(gone.id)) {
          confirm(gone, RECHECK_MS, left);
        } else {
          connection.confirm(gone);
        }
      });
    }, ms);
  }

  function add(side: Side, page: Page): void {
    timeline.addPage(side, page.items, page.next_cursor !== null);
    view.showMore();
    corrections?.look();
    catchUp();
  }

  function catchUp(): void {
    if (caughtUp.position !== timeline.position && view.caughtUp && document.visibilityState === "visible") {
      caughtUp = { position: timeline.position, at: view.updatedAt };
    }
  }

  function leave(): void {
    memory.save(caughtUp.position === "" ? undefined : { ...caughtUp, left: Date.now() });
    offline?.keepCopy(url, timeline.position);
  }

  async function greet(): Promise<void> {
    const { visit } = memory;
    if (visit !== null && Date.now() - visit.left > AWAY_MS && start.focus === null) {
      await (await more()).since(visit);
    }
  }

  const connection = new Connection({
    api,
    position: () => timeline.position,
    message: (message) => {
      show(timeline.receive(message));
    },
    batch: (batch) => {
      show(timeline.applyBatch(batch));
    },
    status: (status) => {
      view.showStatus(status);
    },
  });

  window.addEventListener("pagehide", () => {
    if (document.visibilityState === "visible") {
      leave();
    }
    connection.suspend();
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      connection.start();
    }
  });
  window.addEventListener("online", () => {
    connection.online();
  });
  window.addEventListener("offline", () => {
    connection.offline();
  });
  document.addEventListener("visibilitychange", () => {
    const visible = document.visibilityState === "visible";
    if (visible) {
      catchUp();
    } else {
      leave();
    }
    connection.setVisible(visible);
  });
  document.addEventListener("scroll", catchUp, { passive: true });
  document.addEventListener("click", (event) => {
    const control = (event.target as Element).closest<HTMLElement>(CONTROLS);
    if (control === null || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
      return;
    }
    if (control.dataset.order !== undefined) {
      chosenOrder(control.dataset.order);
      return;
    }
    event.preventDefault();
    void more()
      .then((made) => made.click(control))
      .catch(() => {
        // Without the network there is only what the browser may have.
        if (control instanceof HTMLAnchorElement) {
          location.assign(control.href);
        }
      });
  });

  document.querySelector("[data-alerts]")?.setAttribute("aria-pressed", String(memory.alerts));
  if (sameClock(timeline.timezone)) {
    document.querySelector("[data-zone]")?.classList.add("same");
  }
  land(url);
  window.addEventListener("hashchange", () => {
    land(url);
  });
  connection.setVisible(document.visibilityState === "visible");
  connection.start();
  catchUp();
  void greet()
    .catch(() => undefined)
    .finally(() => {
      corrections = new Corrections(memory, (id, number) => {
        void more().then((made) => {
          made.correction(id, number);
        });
      });
      corrections.look();
    });
  window.addEventListener("load", () => {
    window.setTimeout(() => {
      import("./offline-copy.js").then(
        (module) => {
          offline = module;
          void offline.keepOffline(url, () => timeline.position);
        },
        () => undefined,
      );
    }, 1_000);
  });
}

/** Opens the page at the entry that was linked; one that isn't on it has a page of its own. */
function land(url: string): void {
  const id = /^#entry-([\da-f-]{36})$/.exec(location.hash)?.[1];
  if (id !== undefined) {
    if (document.getElementById(`entry-${id}`) === null) {
      location.replace(`${url}/entries/${id}`);
    }
    return;
  }
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  const linked = document.querySelector<HTMLElement>(".focus");
  if (linked !== null && navigation?.type === "navigate") {
    linked.focus({ preventScroll: true });
    // The browser may have brought it into view before, and the reader begun to read: then it stays where it is.
    const { top, bottom } = linked.getBoundingClientRect();
    if (top < parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || bottom > innerHeight) {
      linked.scrollIntoView({ block: "start", behavior: "instant" });
    }
  }
}

/** True if the reader's clock shows the same as the live blog's. */
function sameClock(timeZone: string): boolean {
  const clock = (zone?: string): string =>
    new Date().toLocaleString("en", zone === undefined ? {} : { timeZone: zone });
  return clock() === clock(timeZone);
}

/** Reads the page anew: spread, since every reader of the live blog may do so at once, and never in a tight loop. */
function reload(): void {
  const wait = Math.max(0, RELOAD_INTERVAL_MS - performance.now());
  window.setTimeout(
    () => {
      location.reload();
    },
    wait + Math.random() * RELOAD_SPREAD_MS,
  );
}

const page = readPage();
if (page !== null) {
  if (page.start.page === "first" && chosenOrder() === "oldest" && location.hash === "") {
    location.replace(`${page.url}?order=oldest`);
  } else {
    enhance(page);
  }
}
