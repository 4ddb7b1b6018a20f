/** Loads the next page of older entries in place. Without it, or when it fails, the link leads to that page. */

import { type Page, parsePage } from "./messages.js";
import type { Texts } from "./texts.js";
import { fetchJson } from "./transports.js";

const PAGE_SIZE = 20;

export interface OlderOptions {
  api: string;
  texts: Texts;
  /** The history that the page shows. */
  epoch: () => string;
  add: (page: Page) => void;
}

export function loadOlderInPlace({ api, texts, epoch, add }: OlderOptions): void {
  const link = document.querySelector<HTMLAnchorElement>("a[data-older]");
  const status = document.querySelector("[data-older-status]");
  if (link === null || status === null) {
    return;
  }
  let loading = false;
  const load = async (cursor: string): Promise<void> => {
    loading = true;
    link.setAttribute("aria-busy", "true");
    status.textContent = texts.text("loading");
    try {
      const page = parsePage(
        await fetchJson(`${api}/entries?cursor=${encodeURIComponent(cursor)}&limit=${String(PAGE_SIZE)}`),
      );
      if (link.dataset.older !== cursor || page.epoch !== epoch()) {
        // A snapshot came meanwhile, or is about to: this page doesn't follow what is shown now.
        status.textContent = "";
        return;
      }
      const focused = document.activeElement === link;
      setOlderCursor(page.next_cursor);
      add(page);
      status.textContent = "";
      const firstNew = page.items[0];
      if (focused && page.next_cursor === null && firstNew) {
        document.querySelector<HTMLElement>(`#entry-${firstNew.id} a`)?.focus({ preventScroll: true });
      }
    } catch {
      status.textContent = texts.text("loading_failed");
    } finally {
      loading = false;
      link.removeAttribute("aria-busy");
    }
  };
  link.addEventListener("click", (event) => {
    const cursor = link.dataset.older;
    if (!cursor || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
      return;
    }
    event.preventDefault();
    if (!loading) {
      void load(cursor);
    }
  });
}

/** Where the link leads from now on. */
export function setOlderCursor(cursor: string | null): void {
  const link = document.querySelector<HTMLAnchorElement>("a[data-older]");
  if (link !== null) {
    link.dataset.older = cursor ?? "";
    const url = new URL(link.href);
    url.search = cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`;
    link.href = url.href;
  }
}
