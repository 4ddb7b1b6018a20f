/** Notifications of key events, for who asked for them, while the page is open in another tab. */

import type { Memory } from "./memory.js";
import type { Notices } from "./notices.js";
import type { Texts } from "./texts.js";
import type { Timeline } from "./timeline.js";

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

/** Of the entries that are new, the key events. */
export async function alertReader(timeline: Timeline, added: readonly string[]): Promise<void> {
  if (Notification.permission !== "granted") {
    return;
  }
  const worker = await navigator.serviceWorker.getRegistration();
  for (const event of timeline.keyEvents().filter(({ id }) => added.includes(id))) {
    const options = { body: event.title, tag: event.id, lang: timeline.language, data: event.url };
    const title = document.querySelector("[data-liveblog-title]")?.textContent ?? "";
    if (worker !== undefined) {
      // Browsers on phones know only this way.
      await worker.showNotification(title, options);
      continue;
    }
    new Notification(title, options).onclick = () => {
      window.focus();
      location.assign(event.url);
    };
  }
}
