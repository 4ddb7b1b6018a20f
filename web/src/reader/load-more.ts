/** Loads the next page on a side of the list in place. Without it, or when it fails, the link leads to that page. */

import type { Side } from "../model/timeline-state.js";
import type { Timeline } from "../model/timeline.js";
import { fetchPage, type Page } from "../stream/entries-api.js";
import type { Texts } from "../dom/i18n.js";
import type { Filter } from "./page-data.js";

const PAGE_SIZE = 20;

export interface LoadMoreOptions {
  api: string;
  filter: Filter | null;
  texts: Texts;
  timeline: Timeline;
  add: (side: Side, page: Page) => void;
}

/** Loads the next page on a side; one at a time for each link. */
export async function loadMore(
  side: Side,
  link: HTMLAnchorElement,
  { api, filter, texts, timeline, add }: LoadMoreOptions,
): Promise<void> {
  const status = link.parentElement?.querySelector("[role=status]");
  const cursor = link.dataset[side];
  if (!cursor || !status || link.hasAttribute("aria-busy")) {
    return;
  }
  const { snapshots } = timeline;
  link.setAttribute("aria-busy", "true");
  status.textContent = texts.text("loading");
  try {
    const chosen = Object.entries(filter ?? {}).flatMap(([name, value]) => (value ? [[name, String(value)]] : []));
    const page = await fetchPage(api, timeline, {
      cursor,
      limit: PAGE_SIZE,
      order: side === "newer" ? "oldest" : "newest",
      ...(Object.fromEntries(chosen) as Record<string, string>),
    });
    status.textContent = "";
    if (link.dataset[side] !== cursor || page.epoch !== timeline.epoch || timeline.snapshots !== snapshots) {
      // A snapshot came meanwhile, or is about to: this page doesn't follow what is shown now.
      return;
    }
    const focused = document.activeElement === link;
    leadOn(side, link, page.next_cursor);
    add(side, page);
    const nearest = page.items[0];
    if (focused && page.next_cursor === null && nearest) {
      document.querySelector<HTMLElement>(`#entry-${nearest.id} a`)?.focus({ preventScroll: true });
    }
  } catch {
    status.textContent = texts.text("loading_failed");
  } finally {
    link.removeAttribute("aria-busy");
  }
}

/** Makes the link lead to the next page. */
function leadOn(side: Side, link: HTMLAnchorElement, cursor: string | null): void {
  link.dataset[side] = cursor ?? "";
  if (cursor !== null) {
    const url = new URL(link.href);
    url.searchParams.set("cursor", cursor);
    link.href = url.href;
  }
}
