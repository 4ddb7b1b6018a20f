/** The messages of the stream, as the server's protocol/messages.py writes them, and what its snapshot and changes are made of. */

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
  /** The id of this stream at the server, for one that can't be answered on. */
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

/** A deletion on a delayed stream, which doesn't wait for its turn and moves no position. */
export type GoneNotice = Deletion & { type: "gone" };

/** The answer to a deletion that asks for one: the entry isn't shown; `had`: it was. */
export interface Confirmation {
  id: string;
  had: boolean;
}

export type Message =
  | Hello
  | Change
  | GoneNotice
  | { type: "heartbeat"; seq: number; viewers: number }
  | { type: "reset"; epoch: string; seq: number }
  | { type: "reconnect"; after_ms: number };

export type Batch =
  | { reset: true; epoch: string; seq: number }
  | { reset?: false; epoch: string; seq: number; events: (Change | GoneNotice)[]; more: boolean };

export interface Snapshot {
  epoch: string;
  seq: number;
  liveblog: Liveblog;
  pinned: Entry[];
  key_events: KeyEvent[];
  entries: Entry[];
  next_cursor: string | null;
}

type Check = (value: unknown) => boolean;

/** True for an object that has these fields, each with a value of its kind. */
export function shape<T>(fields: Partial<Record<keyof T, Check>>): (value: unknown) => value is T {
  const checks = Object.entries<Check>(fields as Record<string, Check>);
  return (value): value is T =>
    typeof value === "object" &&
    value !== null &&
    checks.every(([name, check]) => check((value as Record<string, unknown>)[name]));
}

export function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check);
}

export const isBoolean: Check = (value) => typeof value === "boolean";
export const isString: Check = (value) => typeof value === "string";
export const isStringOrNull: Check = (value) => value === null || isString(value);
const isNumber = (value: unknown): value is number => typeof value === "number";
const isSeq: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
export const POSITION = { epoch: isString, seq: isSeq };

export const isEntry = shape<Entry>({
  id: isString,
  seq: isSeq,
  heading: isStringOrNull,
  html: isString,
  key_event: isBoolean,
  pinned: isBoolean,
  tags: Array.isArray,
  corrections: Array.isArray,
  published_at: isString,
  updated_at: isString,
  url: isString,
});

export const isLiveblog = shape<Liveblog>({
  title: isString,
  summary: isString,
  language: isString,
  timezone: isString,
  status: isString,
});

const MESSAGES = new Map<unknown, Check>([
  ["hello", shape<Hello>({ ...POSITION, resumed: isBoolean, heartbeat: (value) => isNumber(value) && value > 0 })],
  ["entry", shape<Change & { entry: Entry }>({ seq: isSeq, entry: isEntry })],
  ["delete", shape<Deletion & { seq: number }>({ seq: isSeq, id: isString })],
  ["gone", shape<Deletion>({ id: isString })],
  ["liveblog", shape<Change & { liveblog: Liveblog }>({ seq: isSeq, liveblog: isLiveblog })],
  ["heartbeat", shape<{ seq: number; viewers: number }>({ seq: isSeq, viewers: isSeq })],
  ["reset", shape<{ epoch: string; seq: number }>(POSITION)],
  ["reconnect", shape<{ after_ms: number }>({ after_ms: (value) => isNumber(value) && value >= 0 })],
]);

/** False also for a type that a later server may have added. */
export function isMessage(value: unknown): value is Message {
  return MESSAGES.get((value as Partial<Message> | null)?.type)?.(value) === true;
}

/** The message, or null for what is none. */
export function parseMessage(text: string): Message | null {
  try {
    const value: unknown = JSON.parse(text);
    return isMessage(value) ? value : null;
  } catch {
    return null;
  }
}
