/** News since the reader's last visit. Loaded only when somebody comes back. */

import type { Entry } from "../model/messages.js";
import type { Timeline } from "../model/timeline.js";
import { fetchBatch } from "../stream/changes-api.js";
import { fetchPage } from "../stream/entries-api.js";
import type { Texts } from "../dom/i18n.js";
import { element } from "../dom/reconcile.js";
import type { Articles } from "./mentions.js";
import { correctionOf, type Toasts } from "./toasts.js";
import type { VisitMemory, Visit } from "./visit-memory.js";

const PAGES_MAX = 5;
const LISTED_MAX = 5;
/** An id is made a little later than the entry's time is taken. */
const MADE_WITHIN_MS = 1_000;

export interface Since {
  /** Entries that the reader hasn't had, the oldest first. */
  fresh: Entry[];
  /** Entries corrected since they had them. */
  corrected: Entry[];
  /** False if there is more than was read. */
  complete: boolean;
}

/** Reads the news: by the position of the visit, or by its time where history was replaced since. */
export async function readSince(
  api: string,
  visit: Visit,
  seen: ReadonlyMap<string, number>,
  timeline: Timeline,
): Promise<Since> {
  const changed =
    (await changesAfter(api, visit.position, timeline)) ?? (await publishedAfter(api, visit.at, timeline));
  const since = Date.parse(visit.at) || 0;
  const fresh = changed.entries.filter(
    (entry) => Math.max(Date.parse(entry.published_at), createdAt(entry) - MADE_WITHIN_MS) > since,
  );
  fresh.sort((a, b) =>
    a.published_at < b.published_at || (a.published_at === b.published_at && a.id < b.id) ? -1 : 1,
  );
  const corrected = changed.entries.filter((entry) => entry.corrections.length > (seen.get(entry.id) ?? Infinity));
  return { fresh, corrected, complete: changed.complete };
}

interface Read {
  entries: Entry[];
  complete: boolean;
}

/** No answer may be behind where the page has got to. */
async function changesAfter(api: string, position: string, timeline: Timeline): Promise<Read | null> {
  const entries = new Map<string, Entry>();
  let after = position;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const batch = await fetchBatch(api, after, { limit: 200 });
    if (batch.reset) {
      return null;
    }
    for (const event of batch.events) {
      if (event.type === "entry") {
        entries.set(event.entry.id, event.entry);
      } else if (event.type !== "liveblog") {
        entries.delete(event.id);
      }
    }
    if (!batch.more && batch.seq >= timeline.seq) {
      return { entries: [...entries.values()], complete: true };
    }
    after = `${batch.epoch}-${batch.seq}`;
  }
  return { entries: [...entries.values()], complete: false };
}

async function publishedAfter(api: string, at: string, timeline: Timeline): Promise<Read> {
  const entries: Entry[] = [];
  let next: { cursor?: string } = {};
  // Nobody has been told yet of what was deleted before: only from now on.
  const { seq } = timeline;
  for (let page = 0; page < PAGES_MAX * 2; page += 1) {
    const { items, next_cursor } = await fetchPage(api, timeline, { limit: 100, ...next }, seq);
    entries.push(...items);
    if (next_cursor === null || (items.at(-1)?.published_at ?? "") <= at) {
      return { entries, complete: true };
    }
    next = { cursor: next_cursor };
  }
  return { entries, complete: false };
}

/** A backdated entry is new too; an id tells when it was made (UUIDv7: RFC 9562, 5.7). */
function createdAt(entry: Entry): number {
  return parseInt(entry.id.replace("-", "").slice(0, 12), 16);
}

/** Tells the reader, and remembers that they were told. */
export async function tellSince(
  api: string,
  visit: Visit,
  { memory, texts, timeline, toasts }: { memory: VisitMemory; texts: Texts; timeline: Timeline; toasts: Toasts },
): Promise<void> {
  const { timezone, snapshots } = timeline;
  const { fresh, corrected, complete } = await readSince(api, visit, memory.seen, timeline);
  if (timeline.snapshots !== snapshots) {
    // The answers may be of a history that is over.
    return;
  }
  for (const entry of corrected) {
    memory.saw(entry.id, entry.corrections.length);
  }
  const line = (article: HTMLElement, { id, url }: Entry, note: string): HTMLElement => {
    const here = document.getElementById(`entry-${id}`) !== null;
    const { title = "", publishedAt = "" } = article.dataset;
    const link = element("a", { href: here ? `#entry-${id}` : url }, toasts.quote(title));
    const item = element("li", {}, texts.time(publishedAt, timezone), " ", link, note && " – ", toasts.quote(note));
    item.dataset.id = id;
    return item;
  };
  const compose = (left: Articles): HTMLElement[] => {
    const those = (entries: Entry[]): [HTMLElement, Entry][] =>
      entries.flatMap((entry) => {
        const article = left.get(entry.id);
        return article ? [[article, entry]] : [];
      });
    const came = those(fresh);
    const keyEvents = came.filter(([article]) => article.dataset.keyEvent === "true");
    const corrections = those(corrected);
    const first = came[0]?.[1];
    const counts = [
      first ? many(texts.plural("since_entries", came.length), complete, texts) : "",
      keyEvents.length > 0 ? texts.plural("since_key_events", keyEvents.length) : "",
      corrections.length > 0 ? texts.plural("since_corrections", corrections.length) : "",
    ].filter(Boolean);
    const content: HTMLElement[] = [element("p", {}, counts.join(", "))];
    if (first) {
      const from = new URL(first.url);
      from.searchParams.set("order", "oldest");
      const read = element("a", { className: "button", href: from.href }, texts.text("since_read"));
      read.dataset.id = first.id;
      content.push(element("p", {}, read));
    }
    const lines = [
      ...corrections.slice(0, LISTED_MAX).map(([article, entry]) => line(article, entry, correctionOf(article, -1))),
      ...keyEvents
        .slice(-LISTED_MAX)
        .reverse()
        .map(([article, entry]) => line(article, entry, "")),
    ].slice(0, LISTED_MAX);
    if (lines.length > 0) {
      const list = element("ul", {}, ...lines);
      list.setAttribute("role", "list");
      content.push(list);
    }
    return content;
  };
  const title = texts.when("since", new Date(visit.left).toISOString(), timezone);
  toasts.show("since", title, [...new Set([...fresh, ...corrected])], compose);
}

function many(count: string, complete: boolean, texts: Texts): string {
  return complete ? count : texts.fill("more_than", { count });
}
