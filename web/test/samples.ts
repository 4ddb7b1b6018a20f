import type { Entry, Liveblog, Snapshot } from "../src/model/messages.js";
import type { TimelineStart } from "../src/model/timeline-state.js";
import { Timeline } from "../src/model/timeline.js";
import { belongsTo, type Filter } from "../src/reader/page-data.js";

export function idOf(number: number): string {
  return `01930000-0000-7000-8000-${String(number).padStart(12, "0")}`;
}

/** An entry published in the given second of 9 o'clock UTC, with the HTML that the server would make of it (in short). */
export function entry(number: number, seq: number, fields: Partial<Entry> & { day?: string } = {}): Entry {
  const { day = "2026-11-22", ...rest } = fields;
  const id = idOf(number);
  const published_at = `${day}T09:00:${String(number).padStart(2, "0")}.000Z`;
  const sample = {
    id,
    seq,
    heading: `Entry ${String(number)}`,
    key_event: false,
    pinned: false,
    tags: [],
    verification: null,
    corrections: [],
    published_at,
    updated_at: published_at,
    url: `https://live.example.org/live/demo/entries/${id}`,
    ...rest,
  };
  return { html: htmlOf(sample, day), ...sample };
}

function htmlOf(sample: Omit<Entry, "html">, day: string): string {
  const { id, seq, pinned, key_event, published_at, updated_at, heading, url, corrections } = sample;
  return (
    `<article id="entry-${id}" data-id="${id}" data-seq="${String(seq)}" data-pinned="${String(pinned)}" ` +
    `data-key-event="${String(key_event)}" data-published-at="${published_at}" data-updated-at="${updated_at}" ` +
    `data-day="${day}" data-day-label="Day ${day}" data-title="${heading ?? "Untitled"}">` +
    `<a href="${url}">time</a><h3>${heading ?? ""}</h3><p>text <a href="https://example.org/">link</a></p>` +
    `<ul class="corrections">${corrections.map(({ note }) => `<li><b>At</b> ${note}</li>`).join("")}</ul></article>`
  );
}

export const LIVEBLOG: Liveblog = {
  title: "Demo",
  summary: "",
  language: "en",
  timezone: "Europe/London",
  status: "live",
};

export function timeline(start: Partial<TimelineStart> = {}, filter: Filter | null = null): Timeline {
  return new Timeline(
    {
      epoch: "abc",
      seq: 2,
      page: "first",
      language: "en",
      timezone: "Europe/London",
      items: [entry(2, 2), entry(1, 1)],
      keyEvents: [],
      ends: { newer: null, older: null },
      apart: true,
      focus: null,
      ...start,
    },
    { titleOf: (value) => value.heading ?? "Untitled", belongs: (value) => belongsTo(filter, value) },
  );
}

/** The end of a list at the entry of that number. */
export function endAt(number: number): { published_at: string; id: string } {
  const { published_at, id } = entry(number, number);
  return { published_at, id };
}

export function snapshot(fields: Partial<Snapshot> = {}): Snapshot {
  return {
    epoch: "abc",
    seq: 9,
    liveblog: LIVEBLOG,
    pinned: [],
    key_events: [],
    entries: [entry(9, 9), entry(8, 8)],
    next_cursor: null,
    ...fields,
  };
}

export const TEXTS = {
  locale: "fr",
  dates: {
    time: "{h}\u00a0h\u00a0{mm}",
    short_date: "{day}\u00a0{month_short}",
    short_date_time: "{date} à {time}",
    first_day: "1er",
    repeated: "{time} (UTC{offset})",
  },
  status: { live: "En direct", ended: "Terminé" },
  reader: {
    reconnecting: "Reconnexion…",
    offline: "Hors connexion, état du {when}",
    offline_today: "Hors connexion, état de {time}",
    updated: "Mis à jour le {when}",
    updated_today: "Mis à jour à {time}",
    close: "Fermer",
    corrected: "Corrigé",
    since: "Depuis le {when}",
    since_today: "Depuis {time}",
    since_read: "Lire",
    more_than: "plus de {count}",
    copied: "Copié",
    copy_failed: "Pas copié",
    alerts_blocked: "Bloqué",
    since_entries: { one: "{count} nouvelle", other: "{count} nouvelles" },
    since_key_events: { one: "{count} moment", other: "{count} moments" },
    since_corrections: { one: "{count} correction", other: "{count} corrections" },
    closed: "Fermé",
    loading: "Chargement…",
    loading_failed: "Échec",
    deleted: "Supprimée",
    viewers: { one: "{count} lecteur", other: "{count} lecteurs" },
    new_entries: { one: "{count} nouvelle", other: "{count} nouvelles" },
    see_new_entries: { one: "Voir la nouvelle", other: "Voir les {count} nouvelles" },
  },
  attributes: {},
};

/** Time that passes only when told to. */
export class TestClock {
  time = 0;
  readonly #timers = new Map<number, { at: number; callback: () => void }>();
  #next = 1;
  randomValue = 1;

  now = (): number => this.time;
  random = (): number => this.randomValue;

  setTimeout = (callback: () => void, ms: number): number => {
    this.#timers.set(this.#next, { at: this.time + ms, callback });
    return this.#next++;
  };

  clearTimeout = (id: number | undefined): void => {
    this.#timers.delete(id ?? 0);
  };

  get pending(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const [id, timer] = [...this.#timers].sort((a, b) => a[1].at - b[1].at)[0] ?? [];
      if (id === undefined || timer === undefined || timer.at > end) {
        break;
      }
      this.#timers.delete(id);
      this.time = timer.at;
      timer.callback();
    }
    this.time = end;
  }
}
