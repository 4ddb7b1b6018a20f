/** The API's `changes` since a position. A widget needs them only once it has missed something. */

import { type Batch, isBoolean, isMessage, listOf, POSITION, shape } from "../model/messages.js";
import { fetchJson } from "./transports.js";

/** `changes` after a position. `no-cache` makes the browser ask conditionally, by the ETag of its last answer. */
export async function fetchBatch(
  api: string,
  after: string,
  { limit, signal }: { limit?: number; signal?: AbortSignal } = {},
): Promise<Batch> {
  const query = limit === undefined ? { after } : { after, limit };
  return parseBatch(await fetchJson(api, "changes", query, signal));
}

const EVENTS = ["entry", "delete", "liveblog", "gone"];

const isReset = shape<Batch>({ ...POSITION, reset: (value) => value === true });

const isBatch = shape<Batch & { reset?: false }>({
  ...POSITION,
  events: listOf((value) => isMessage(value) && EVENTS.includes(value.type)),
  more: isBoolean,
});

/** The answer of `changes`; throws a TypeError for anything else. */
export function parseBatch(value: unknown): Batch {
  if (isReset(value) || isBatch(value)) {
    return value;
  }
  throw new TypeError("no changes");
}
