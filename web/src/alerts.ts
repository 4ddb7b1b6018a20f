/** Notifications of key events, for who asked for them, while the page is open in another tab; not longer. */

import type { Memory } from "./memory.js";
import type { Mentions } from "./mentions.js";
import type { Notices } from "./notices.js";
import type { Texts } from "./texts.js";
import type { Item, Timeline } from "./timeline.js";

/** Switches them on or off; the browser asks the reader on the first click. */
export async function switchAlerts(button: HTMLElement, memory: Memory, texts: Texts, notices: Notices): Promise<void> {
  if (memory.alerts) {
    memory.alerts = false;
  } else if ("Notification" in window && (await Notification.requestPermission()) === "granted") {
    memory.alerts = true;
  } else {
    notices.tell(texts.text("alerts_blocked"));
  }
  memory.save();
  button.setAttribute("aria-pressed", String(memory.alerts));
}

/** Of the entries that are new, the key events. `url`: the live blog's page. */
export async function alertReader(
  added: readonly string[],
  { timeline, mentions, url }: { timeline: Timeline; mentions: Mentions; url: string },
): Promise<void> {
  if (Notification.permission !== "granted") {
    return;
  }
  const worker = await navigator.serviceWorker.getRegistration();
  for (const id of added) {
    const item = timeline.item(id);
    if (item?.key_event) {
      raise(item, timeline.language, mentions, worker);
    }
  }
  // With the page goes whoever could take them back.
  window.addEventListener("pagehide", () => worker?.active?.postMessage({ alerts: url }), { once: true });
}

/** One notification, which says what its entry says, and goes with it. */
function raise({ id, url }: Item, lang: string, mentions: Mentions, worker: ServiceWorkerRegistration | undefined): void {
  let own: Notification | undefined;
  let raised = false;
  /** One after the other: the browser takes its time. */
  let turn = Promise.resolve();
  const show = async (article: HTMLElement | null): Promise<void> => {
    const there = own ? [own] : ((await worker?.getNotifications({ tag: id })) ?? []);
    if (raised && there.length === 0) {
      // The reader has put it away.
      return;
    }
    raised = true;
    if (article?.dataset.keyEvent !== "true") {
      there.forEach((notification) => {
        notification.close();
      });
      own = undefined;
      return;
    }
    const title = document.querySelector("[data-liveblog-title]")?.textContent ?? "";
    // One of the same tag takes the place of the other, without another sound.
    const options = { body: article.dataset.title ?? "", tag: id, lang, data: url };
    if (worker) {
      // Browsers on phones know only this way.
      await worker.showNotification(title, options);
      return;
    }
    own = new Notification(title, options);
    own.onclose = () => {
      own = undefined;
    };
    own.onclick = () => {
      window.focus();
      location.assign(url);
    };
  };
  mentions.follow(id, (article) => {
    turn = turn.then(() => show(article)).catch(() => undefined);
  });
  window.addEventListener("pagehide", () => own?.close());
}
