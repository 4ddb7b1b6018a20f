/** The messages of the stream, as the server's wire.py writes them, and the answers of its snapshot, changes and entries. */

export interface Entry {
  id: string;
  seq: number;
  heading: string | null;
  html: string;
  key_event: boolean;
  pinned: boolean;
  tags: string[];
  verification: string | null;
  corrections: { note: string }[];
  /** RFC 3339 in UTC with milliseconds, always of the same length: they compare as strings. */
  published_at: string;
  updated_at: string;
  url: string;
}

export interface KeyEvent {
  id: string;
  title: string;
  published_at: string;
  url: string;
}

export interface Liveblog {
  title: string;
  summary: string;
  language: string;
  timezone: string;
  status: string;
}

export interface Hello {
  type: "hello";
  epoch: string;
  seq: number;
  resumed: boolean;
  /** Seconds. */
  heartbeat: number;
  /** By what the server knows a stream that can't be answered on. */
  viewer?: string;
}

export type Change =
  | { type: "entry"; seq: number; entry: Entry }
  | (Deletion & { type: "delete"; seq: number })
  | { type: "liveblog"; seq: number; liveblog: Liveblog };

export interface Deletion {
  id: string;
  /** It is to be confirmed at some moment within so many milliseconds. */
  confirm?: { within: number };
}

/** Of a stream that is late: a deletion that doesn't wait for its turn, and moves nobody. */
export type Withdrawal = Deletion & { type: "gone" };

/** What a page answers where a delete asks for it: the entry isn't shown; whether it was. */
export interface Confirmation {
  id: string;
  had: boolean;
}

export type Message =
  | Hello
  | Change
  | Withdrawal
  | { type: "heartbeat"; seq: number; viewers: number }
  | { type: "reset"; epoch: string; seq: number }
  | { type: "reconnect"; after_ms: number };

export type Batch =
  | { reset: true; epoch: string; seq: number }
  | { reset?: false; epoch: string; seq: number; events: (Change | Withdrawal)[]; more: boolean };

export interface Snapshot {
  epoch: string;
  seq: number;
  liveblog: Liveblog;
  pinned: Entry[];
  key_events: KeyEvent[];
  entries: Entry[];
  next_cursor: string | null;
}

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function hasStrings(value: unknown, ...names: string[]): value is Fields {
  return isFields(value) && names.every((name) => typeof value[name] === "string");
}

export function hasPosition(value: unknown): value is Fields & { epoch: string; seq: number } {
  return hasStrings(value, "epoch") && isSeq(value.seq);
}

function isEntry(value: unknown): value is Entry {
  return (
    hasStrings(value, "id", "html", "published_at", "updated_at", "url") &&
    isSeq(value.seq) &&
    (value.heading === null || typeof value.heading === "string") &&
    typeof value.key_event === "boolean" &&
    typeof value.pinned === "boolean" &&
    Array.isArray(value.tags) &&
    Array.isArray(value.corrections)
  );
}

function isKeyEvent(value: unknown): value is KeyEvent {
  return hasStrings(value, "id", "title", "published_at", "url");
}

function isLiveblog(value: unknown): value is Liveblog {
  return hasStrings(value, "title", "summary", "language", "timezone", "status");
}

function isChange(value: unknown): value is Change {
  if (!isFields(value) || !isSeq(value.seq)) {
    return false;
  }
  switch (value.type) {
    case "entry":
      return isEntry(value.entry);
    case "delete":
      return hasStrings(value, "id");
    case "liveblog":
      return isLiveblog(value.liveblog);
    default:
      return false;
  }
}

function isWithdrawal(value: unknown): value is Withdrawal {
  return hasStrings(value, "id") && value.type === "gone";
}

export function isEvent(value: unknown): value is Change | Withdrawal {
  return isWithdrawal(value) || isChange(value);
}

function isMessage(value: unknown): value is Message {
  if (!isFields(value)) {
    return false;
  }
  switch (value.type) {
    case "hello":
      return (
        hasPosition(value) &&
        typeof value.resumed === "boolean" &&
        typeof value.heartbeat === "number" &&
        value.heartbeat > 0
      );
    case "heartbeat":
      return isSeq(value.seq) && isSeq(value.viewers);
    case "reset":
      return hasPosition(value);
    case "reconnect":
      return typeof value.after_ms === "number" && value.after_ms >= 0;
    default:
      return isEvent(value);
  }
}

/** The message, or null for what is none, or of a type that a later server may have added. */
export function parseMessage(text: string): Message | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isMessage(value) ? value : null;
}

/** The answer of `snapshot`; throws a TypeError for anything else. */
export function parseSnapshot(value: unknown): Snapshot {
  if (
    hasPosition(value) &&
    isLiveblog(value.liveblog) &&
    areEntries(value.pinned) &&
    Array.isArray(value.key_events) &&
    value.key_events.every(isKeyEvent) &&
    areEntries(value.entries) &&
    isCursor(value.next_cursor)
  ) {
    return value as unknown as Snapshot;
  }
  throw new TypeError("no snapshot");
}

export function areEntries(value: unknown): value is Entry[] {
  return Array.isArray(value) && value.every(isEntry);
}

export function isCursor(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}
