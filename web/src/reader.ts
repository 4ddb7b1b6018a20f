/** The reader's page comes alive: wires the page, the timeline, the connection and the view together. */

import "./reader.css";

import { Connection, SYSTEM_CLOCK } from "./connection.js";
import { Corrections } from "./corrections.js";
import { parseArticle } from "./dom.js";
import { chosenOrder, Memory } from "./memory.js";
import { belongsTo, type PageData, readPage } from "./page.js";
import type { Page } from "./pages.js";
import { Sync } from "./sync.js";
import { Texts } from "./texts.js";
import { type Outcome, type Side, Timeline } from "./timeline.js";
import { View } from "./view.js";

const RELOAD_SPREAD_MS = 3_000;
const RELOAD_INTERVAL_MS = 30_000;
/** Who was away for less has hardly left. */
const AWAY_MS = 5 * 60_000;
const JSON_LD = "script[type='application/ld+json']";
const CONTROLS = "[data-order], [data-share], [data-alerts], [data-embed-src] .embed-link, a[data-newer], a[data-older]";

function enhance({ start, only, api, url, oldestFirst, texts: textData }: PageData): void {
  const texts = new Texts(textData);
  const timeline = new Timeline(
    start,
    (entry) => parseArticle(entry.html).dataset.title ?? "",
    (entry) => belongsTo(only, entry),
  );
  const view = new View(timeline, texts, oldestFirst);
  const memory = new Memory(api);
  /** Of what was corrected since the last visit, a reader is told with all that came since: what comes by the stream waits for that. */
  let corrections: Corrections | undefined;
  const loadedLanguage = timeline.language;
  /** Where the reader had seen everything. */
  let caughtUp = { position: "", at: "" };
  let offline: typeof import("./offline.js") | null = null;

  const sync = new Sync({
    api,
    timeline,
    snapshot: (snapshot) => {
      const older = document.querySelector<HTMLAnchorElement>("a[data-older]");
      if (older !== null && snapshot.next_cursor !== null) {
        older.dataset.older = snapshot.next_cursor;
      }
    },
    outcome: (outcome) => {
      if (timeline.language !== loadedLanguage) {
        reload();
      }
      show(outcome);
    },
    reload: () => {
      // What another page shows is not in a snapshot.
      if (timeline.page !== "first") {
        reload();
      }
      return timeline.page !== "first";
    },
    ...SYSTEM_CLOCK,
  });

  function show(outcome: Outcome): void {
    view.show(outcome);
    if (outcome.changed) {
      corrections?.look();
      catchUp();
    }
    if (outcome.deleted) {
      // What the page says for machines quotes entries.
      const quoting = start.focus === null ? JSON_LD : `${JSON_LD}, meta[name=description], meta[property]`;
      for (const element of document.head.querySelectorAll(quoting)) {
        element.remove();
      }
      void offline?.dropCopies(url);
    }
    if (memory.alerts && outcome.added.length > 0 && document.visibilityState === "hidden") {
      void import("./extras.js").then(({ alertReader }) => alertReader(timeline, outcome.added));
    }
    for (const { within, ...gone } of outcome.asked) {
      window.setTimeout(() => {
        connection.tell(gone);
      }, Math.random() * within);
    }
    sync.request(outcome.effects);
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
    void offline?.keepCopy(url, timeline.position);
  }

  async function greet(): Promise<void> {
    const { visit } = memory;
    if (visit !== null && Date.now() - visit.left > AWAY_MS && start.focus === null) {
      const { tellSince } = await import("./extras.js");
      await tellSince(api, visit, { memory, texts, timeline });
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
    void import("./extras.js")
      .then(({ click }) => click(control, { api, only, texts, memory, timeline, add }))
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
      corrections = new Corrections(memory, (article, correction) => {
        void import("./extras.js").then(({ Notices, tellCorrection }) => {
          tellCorrection(article, correction, texts, new Notices(texts, timeline.language));
        });
      });
      corrections.look();
    });
  window.addEventListener("load", () => {
    window.setTimeout(() => {
      import("./offline.js").then(
        (module) => {
          offline = module;
          void offline.keepOffline(url, timeline.position);
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
  const clock = (zone?: string): string => new Date().toLocaleString("en", zone === undefined ? {} : { timeZone: zone });
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
