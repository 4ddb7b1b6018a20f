/** Notifications of key events, for readers who asked for them, while the page is open in another tab; not longer. */

import type { Item } from "../model/timeline-state.js";
import type { Timeline } from "../model/timeline.js";
import type { Texts } from "../dom/i18n.js";
import type { Mentions } from "./mentions.js";
import type { Toasts } from "./toasts.js";
import type { VisitMemory } from "./visit-memory.js";

/** The longest that a browser takes to show a notification, or to take it back. */
const SETTLED_MS = 3_000;

/** Switches them on or off; the browser asks the reader on the first click. */
export async function switchAlerts(
  button: HTMLElement,
  memory: VisitMemory,
  texts: Texts,
  toasts: Toasts,
): Promise<void> {
  if (memory.alerts) {
    memory.alerts = false;
  } else if ("Notification" in window && (await Notification.requestPermission()) === "granted") {
    memory.alerts = true;
  } else {
    toasts.tell(texts.text("alerts_blocked"));
  }
  memory.save();
  button.setAttribute("aria-pressed", String(memory.alerts));
}

/** The page's notifications: each says what its entry says now, and goes with it, or with the page. */
export class KeyEventAlerts {
  readonly #context: { timeline: Timeline; mentions: Mentions; url: string };
  /** The last request to the browser for each notification: one follows the other, as the browser takes its time. */
  readonly #turns = new Map<string, Promise<void>>();
  /** The lock that marks this tab's notifications for the service worker: it is held for as long as the page is there to close them. */
  readonly #holder = `liveserver-alerts-${Math.random()}`;
  #worker: ServiceWorkerRegistration | undefined;
  #release: (() => void) | undefined;

  /** `url`: the live blog's page. */
  constructor(context: { timeline: Timeline; mentions: Mentions; url: string }) {
    this.#context = context;
    window.addEventListener("pagehide", () => {
      if (this.#release !== undefined) {
        // Nobody else could take them back once the page is gone.
        this.#worker?.active?.postMessage({ alerts: context.url, holder: this.#holder });
        this.#release();
        this.#release = undefined;
      }
    });
  }

  /** Raises one for each key event among the entries. */
  async raise(added: readonly string[]): Promise<void> {
    if (Notification.permission !== "granted") {
      return;
    }
    this.#worker = await navigator.serviceWorker.getRegistration();
    this.#hold();
    for (const id of added) {
      const item = this.#context.timeline.item(id);
      if (item?.key_event && !this.#turns.has(id)) {
        this.#follow(item);
      }
    }
  }

  /** Return once the browser shows what it was asked for, or when it has taken too long. */
  async settled(): Promise<void> {
    const late = new Promise((resolve) => window.setTimeout(resolve, SETTLED_MS));
    await Promise.race([late, Promise.all(this.#turns.values())]);
  }

  #hold(): void {
    if (this.#release === undefined) {
      const held = new Promise<void>((resolve) => {
        this.#release = resolve;
      });
      navigator.locks.request(this.#holder, () => held).catch(() => undefined);
    }
  }

  #follow({ id, url }: Item): void {
    const worker = this.#worker;
    const { mentions, timeline } = this.#context;
    let own: Notification | undefined;
    let raised = false;
    let over = false;
    const takeBack = (): void => own?.close();
    window.addEventListener("pagehide", takeBack);
    const show = async (article: HTMLElement | undefined): Promise<void> => {
      if (over) {
        // Asked for before, and followed no more: what another tab may have put there meanwhile is that tab's to take back.
        return;
      }
      const shown = own ? [own] : ((await worker?.getNotifications({ tag: id })) ?? []);
      const isPutAway = raised && shown.length === 0;
      if (isPutAway || article?.dataset.keyEvent !== "true") {
        for (const notification of shown) {
          notification.close();
        }
        // Once the browser has answered this, it has closed them.
        await worker?.getNotifications({ tag: id });
        over = true;
        window.removeEventListener("pagehide", takeBack);
        this.#turns.delete(id);
        return;
      }
      raised = true;
      const title = document.querySelector("[data-liveblog-title]")?.textContent ?? "";
      // One of the same tag takes the place of the other, without another sound.
      const options = {
        body: article.dataset.title ?? "",
        tag: id,
        lang: timeline.language,
        data: { url, holder: this.#holder },
      };
      if (worker) {
        // Browsers on phones know only this way.
        await worker.showNotification(title, options);
        return;
      }
      const notification = new Notification(title, options);
      own = notification;
      notification.onclose = () => {
        // The one whose place it took is closed, too.
        if (own === notification) {
          own = undefined;
        }
      };
      notification.onclick = () => {
        window.focus();
        location.assign(url);
      };
    };
    let turn = Promise.resolve();
    mentions.follow([{ id }], (left) => {
      if (!over) {
        const article = left.get(id);
        turn = turn.then(() => show(article)).catch(() => undefined);
        this.#turns.set(id, turn);
      }
      return !over;
    });
  }
}
