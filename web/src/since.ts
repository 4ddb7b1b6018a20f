/** What came since the reader's last visit. Loaded only when somebody comes back. */

import { parseArticle } from "./dom.js";
import type { Memory, Visit } from "./memory.js";
import type { Entry } from "./messages.js";
import { element, Notices } from "./notices.js";
import { fetchPage } from "./pages.js";
import type { Texts } from "./texts.js";
import type { Timeline } from "./timeline.js";
import { fetchBatch } from "./transports.js";

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

/** By the position of the visit; by its time where history was replaced since. */
export async function readSince(api: string, visit: Visit, seen: ReadonlyMap<string, number>): Promise<Since> {
  const changed = (await changesAfter(api, visit.position)) ?? (await publishedAfter(api, visit.at));
  const since = Date.parse(visit.at) || 0;
  const fresh = changed.entries.filter((entry) => Math.max(Date.parse(entry.published_at), createdAt(entry) - MADE_WITHIN_MS) > since);
  fresh.sort((a, b) => (a.published_at < b.published_at || (a.published_at === b.published_at && a.id < b.id) ? -1 : 1));
  const corrected = changed.entries.filter((entry) => entry.corrections.length > (seen.get(entry.id) ?? Infinity));
  return { fresh, corrected, complete: changed.complete };
}

interface Read {
  entries: Entry[];
  complete: boolean;
}

async function changesAfter(api: string, position: string): Promise<Read | null> {
  const entries: Entry[] = [];
  let after = position;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const batch = await fetchBatch(api, after, { limit: 200 });
    if (batch.reset) {
      return null;
    }
    entries.push(...batch.events.flatMap((event) => (event.type === "entry" ? [event.entry] : [])));
    if (!batch.more) {
      return { entries, complete: true };
    }
    after = `${batch.epoch}-${String(batch.seq)}`;
  }
  return { entries, complete: false };
}

async function publishedAfter(api: string, at: string): Promise<Read> {
  const entries: Entry[] = [];
  let next: { cursor?: string } = {};
  for (let page = 0; page < PAGES_MAX * 2; page += 1) {
    const { items, next_cursor } = await fetchPage(api, { limit: "100", ...next });
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
  { memory, texts, timeline }: { memory: Memory; texts: Texts; timeline: Timeline },
): Promise<void> {
  const { language, timezone } = timeline;
  const notices = new Notices(texts, language);
  const { fresh, corrected, complete } = await readSince(api, visit, memory.seen);
  const first = fresh[0];
  if (first === undefined && corrected.length === 0) {
    return;
  }
  const keyEvents = fresh.filter((entry) => entry.key_event);
  const counts = [
    fresh.length > 0 ? many(texts.plural("since_entries", fresh.length), complete, texts) : "",
    keyEvents.length > 0 ? texts.plural("since_key_events", keyEvents.length) : "",
    corrected.length > 0 ? texts.plural("since_corrections", corrected.length) : "",
  ].filter(Boolean);
  const line = (entry: Entry, note: string): HTMLElement => {
    const title = parseArticle(entry.html).dataset.title ?? "";
    const here = document.getElementById(`entry-${entry.id}`) !== null;
    const link = element("a", { href: here ? `#entry-${entry.id}` : entry.url }, notices.quote(title));
    return element("li", {}, texts.time(entry.published_at, timezone), " ", link, note && " – ", notices.quote(note));
  };
  const lines = [
    ...corrected.map((entry) => line(entry, entry.corrections.at(-1)?.note ?? "")),
    ...keyEvents.reverse().map((entry) => line(entry, "")),
  ].slice(0, LISTED_MAX);
  const list = element("ul", {}, ...lines);
  list.setAttribute("role", "list");
  const content: HTMLElement[] = [element("p", {}, counts.join(", "))];
  if (first !== undefined) {
    const from = new URL(first.url);
    from.searchParams.set("order", "oldest");
    content.push(element("p", {}, element("a", { className: "button", href: from.href }, texts.text("since_read"))));
  }
  if (lines.length > 0) {
    content.push(list);
  }
  const left = new Date(visit.left).toISOString();
  notices.show("since", texts.when("since", left, timezone), ...content);
  for (const entry of corrected) {
    memory.saw(entry.id, entry.corrections.length);
  }
}

function many(count: string, complete: boolean, texts: Texts): string {
  return complete ? count : texts.fill("more_than", { count });
}
