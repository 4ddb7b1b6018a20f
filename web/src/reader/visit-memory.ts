/** The browser's memory of a live blog from one visit to the next. It stays in the browser. */

/** The end of a visit. */
export interface Visit {
  /** The position up to which the reader had seen everything. */
  position: string;
  /** The server's time of the last change that they had seen; empty if there was none. */
  at: string;
  /** When, by the browser's clock. */
  left: number;
}

interface Stored {
  visit?: Visit;
  seen?: [string, number][];
  alerts?: boolean;
}

const SEEN_MAX = 400;

export class VisitMemory {
  /** The visit before this one. */
  readonly visit: Visit | null;
  /** Entries that the reader had before their eyes, the latest last, with the number of their corrections then. */
  readonly seen: Map<string, number>;
  /** True if the reader wants to be alerted to key events. */
  alerts: boolean;
  readonly #key: string;

  constructor(api: string) {
    this.#key = `liveserver:${new URL(api).pathname}`;
    const { visit, seen, alerts } = parse(stored(this.#key));
    this.visit = visit ?? null;
    this.seen = new Map(seen);
    this.alerts = alerts ?? false;
  }

  saw(id: string, corrections: number): void {
    this.seen.delete(id);
    this.seen.set(id, corrections);
  }

  /** `visit`, if given, replaces the one remembered: what is there now, as the page before this one may have saved its own late. */
  save(visit = parse(stored(this.#key)).visit): void {
    stored(this.#key, JSON.stringify({ visit, seen: [...this.seen].slice(-SEEN_MAX), alerts: this.alerts }));
  }
}

/** The order that the reader last chose, on whichever live blog; `order` is chosen now. */
export function chosenOrder(order?: string): string | null {
  return stored("liveserver:order", order);
}

/** The value that the browser keeps by a name; `value`, if given, replaces it. Browsers may refuse: then nothing is remembered. */
function stored(key: string, value?: string): string | null {
  try {
    if (value !== undefined) {
      localStorage.setItem(key, value);
    }
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function parse(text: string | null): Stored {
  try {
    return JSON.parse(text ?? "{}") as Stored;
  } catch {
    return {};
  }
}
