/** The actions of the page's own controls. Loaded a second after the page, or when the first of them is used. */

import { switchAlerts } from "./key-event-alerts.js";
import { loadMore, type LoadMoreOptions } from "./load-more.js";
import type { Mentions } from "./mentions.js";
import { share } from "./share.js";
import { offerEmbed } from "./third-party-embeds.js";
import type { Toasts } from "./toasts.js";
import type { VisitMemory } from "./visit-memory.js";

export interface Context extends LoadMoreOptions {
  memory: VisitMemory;
  mentions: Mentions;
  toasts: Toasts;
}

export async function click(control: HTMLElement, context: Context): Promise<void> {
  const { texts, mentions, toasts } = context;
  const article = control.closest<HTMLElement>("article");
  const embed = control.closest<HTMLElement>("[data-embed-src]");
  if ("share" in control.dataset && article !== null) {
    await share(article.dataset.id ?? "", texts, toasts, mentions);
  } else if ("alerts" in control.dataset) {
    await switchAlerts(control, context.memory, texts, toasts);
  } else if (embed !== null) {
    offerEmbed(embed, texts.attributes);
  } else if (control instanceof HTMLAnchorElement) {
    await loadMore("newer" in control.dataset ? "newer" : "older", control, context);
  }
}
