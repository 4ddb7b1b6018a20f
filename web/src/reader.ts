/** The reader's page comes alive: wires the page, the timeline, the connection and the view together. */

import "./reader.css";

import { Connection } from "./connection.js";
import { parseArticle } from "./dom.js";
import { loadOlderInPlace, setOlderCursor } from "./older.js";
import { readPage, type PageData } from "./page.js";
import { Sync } from "./sync.js";
import { Texts } from "./texts.js";
import { Timeline, type Outcome } from "./timeline.js";
import { View } from "./view.js";

const RELOAD_SPREAD_MS = 3_000;
const RELOAD_INTERVAL_MS = 30_000;

function enhance({ start, api, texts: textData }: PageData): void {
  const texts = new Texts(textData);
  const timeline = new Timeline(start, (entry) => parseArticle(entry.html).dataset.title ?? "");
  const view = new View(timeline, texts);
  const loadedLanguage = timeline.language;

  const sync = new Sync({
    api,
    timeline,
    snapshot: (snapshot) => {
      setOlderCursor(snapshot.next_cursor);
    },
    outcome: (outcome) => {
      if (timeline.language !== loadedLanguage) {
        reload();
      }
      show(outcome);
    },
    reload: () => {
      // What an older page or a permalink shows is not in a snapshot.
      if (timeline.page !== "first") {
        reload();
      }
      return timeline.page !== "first";
    },
    random: () => Math.random(),
    setTimeout: (callback, ms) => window.setTimeout(callback, ms),
  });

  function show(outcome: Outcome): void {
    view.show(outcome);
    sync.request(outcome.effects);
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

  loadOlderInPlace({
    api,
    texts,
    epoch: () => timeline.epoch,
    add: (page) => {
      timeline.addOlder(page.items, page.next_cursor !== null);
      view.showOlder();
    },
  });

  window.addEventListener("pagehide", () => {
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
    connection.setVisible(document.visibilityState === "visible");
  });
  connection.setVisible(document.visibilityState === "visible");
  connection.start();
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
  enhance(page);
}
