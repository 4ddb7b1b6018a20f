/** Hands an entry's address on: by the device's own means, which keep the title for as long as they are open, else by the clipboard. */

import type { Texts } from "../dom/i18n.js";
import type { Mentions } from "./mentions.js";
import type { Toasts } from "./toasts.js";

export async function share(id: string, texts: Texts, toasts: Toasts, mentions: Mentions): Promise<void> {
  const article = mentions.now(id);
  if (article === null) {
    return;
  }
  const url = article.querySelector<HTMLAnchorElement>(".entry-time")?.href ?? location.href;
  try {
    if ("share" in navigator) {
      await navigator.share({ title: article.dataset.title ?? "", url });
      return;
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") {
      return;
    }
  }
  try {
    await navigator.clipboard.writeText(url);
    toasts.tell(texts.text("copied"));
  } catch {
    toasts.tell(texts.text("copy_failed"));
  }
}
