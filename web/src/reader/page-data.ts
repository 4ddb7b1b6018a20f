/** The data that the server wrote into the page: its position, and the entries that are there. */

import type { Entry, KeyEvent } from "../model/messages.js";
import type { Item, PageKind, SortKey, Side, TimelineStart } from "../model/timeline-state.js";
import type { TextData } from "../dom/i18n.js";

/** The filter of a page that shows only some entries: those to which all of it applies. */
export interface Filter {
  tag: string | null;
  key_events: boolean;
  verification: string | null;
}

export interface PageData {
  start: TimelineStart;
  filter: Filter | null;
  /** The absolute URL of the live blog in the API. */
  api: string;
  textData: TextData;
  /** The absolute URL of the live blog's page, on the host that this page came from. */
  url: string;
  /** True where the oldest entry comes first. */
  oldestFirst: boolean;
}

/** Reads the page; null if it isn't a live blog's. */
export function readPage(): PageData | null {
  const { api, position, page, language, timezone, url, order, only, focus } = document.documentElement.dataset;
  const texts = document.getElementById("reader-texts")?.textContent;
  const [, epoch, seq] = /^(\w+)-(\d+)$/.exec(position ?? "") ?? [];
  if (!api || !page || !language || !timezone || !url || !texts || !epoch || !seq) {
    return null;
  }
  return {
    api: new URL(api, location.href).href,
    textData: JSON.parse(texts) as TextData,
    url: new URL(new URL(url, location.href).pathname, location.href).href,
    oldestFirst: order === "oldest",
    filter: only === undefined ? null : (JSON.parse(only) as Filter),
    start: {
      epoch,
      seq: Number(seq),
      page: page as PageKind,
      language,
      timezone,
      items: [...document.querySelectorAll<HTMLElement>("article[data-id]")].map(readItem),
      keyEvents: [...document.querySelectorAll<HTMLElement>("[data-key-events] li")].map(readKeyEvent),
      ends: { newer: readEnd("newer"), older: readEnd("older") },
      apart: page !== "entry" && order === undefined && only === undefined,
      focus: focus ?? null,
    },
  };
}

/** True if the entry passes the filter. */
export function belongsTo(filter: Filter | null, entry: Entry): boolean {
  return (
    filter === null ||
    ((filter.tag === null || entry.tags.includes(filter.tag)) &&
      (!filter.key_events || entry.key_event) &&
      (filter.verification === null || entry.verification === filter.verification))
  );
}

function readEnd(side: Side): SortKey | null {
  const { dataset } = document.querySelector<HTMLElement>(`[data-${side}]`) ?? {};
  const [published_at, id] = dataset?.place?.split(" ") ?? [];
  return dataset?.[side] && published_at && id ? { published_at, id } : null;
}

function readItem(article: HTMLElement): Item {
  const { dataset } = article;
  return {
    id: dataset.id ?? "",
    seq: Number(dataset.seq),
    key_event: dataset.keyEvent === "true",
    pinned: dataset.pinned === "true",
    published_at: dataset.publishedAt ?? "",
    updated_at: dataset.updatedAt ?? "",
    url: article.querySelector("a")?.href ?? "",
    html: null,
  };
}

function readKeyEvent(line: HTMLElement): KeyEvent {
  return {
    id: line.dataset.id ?? "",
    title: line.querySelector("span")?.textContent ?? "",
    published_at: line.dataset.publishedAt ?? "",
    url: line.dataset.url ?? "",
  };
}
