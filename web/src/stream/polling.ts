/** The last resort: asking again and again. */

import type { Batch } from "../model/messages.js";
import { fetchBatch } from "./changes-api.js";
import { postConfirmation } from "./confirm-deletion.js";
import { type Handlers, type Link, type Refused } from "./transports.js";
import { isVisible } from "./visibility.js";

const POLL_VISIBLE_MS = 8_000;
const POLL_HIDDEN_MS = 60_000;
const NOT_ADMITTED = 4503;
const FINAL = [403, 404, 410];
const TOO_MANY = 429;
const WAIT_MAX_MS = 60_000;

export function openPolling(api: string, after: () => string, handlers: Handlers): Link {
  const abort = new AbortController();
  let position = after();
  let timer: number | undefined;
  const poll = async (): Promise<void> => {
    try {
      const batch = await fetchBatch(api, position, { signal: abort.signal });
      if (abort.signal.aborted) {
        return;
      }
      handlers.batch(batch);
      if (batch.reset) {
        // The position is void: after the snapshot, polling is opened anew from there.
        handlers.end(null);
        return;
      }
      position = nextPosition(batch);
      const pause = isVisible() ? POLL_VISIBLE_MS : POLL_HIDDEN_MS;
      const more = batch.more && batch.events.length > 0;
      timer = window.setTimeout(() => void poll(), more ? 0 : pause * (0.75 + Math.random() / 2));
    } catch (error) {
      if (!abort.signal.aborted) {
        const { response = null } = error as Partial<Refused>;
        handlers.end(finalCode(response), waitOf(response));
      }
    }
  };
  void poll();
  return {
    confirm(confirmation): void {
      postConfirmation(api, confirmation);
    },
    close(): void {
      abort.abort();
      window.clearTimeout(timer);
    },
  };
}

/** The reader's position after a batch. */
function nextPosition(batch: Exclude<Batch, { reset: true }>): string {
  const last = batch.events.flatMap((event) => (event.type === "gone" ? [] : [event.seq])).at(-1);
  return `${batch.epoch}-${(batch.more ? last : undefined) ?? batch.seq}`;
}

/** The close code that a WebSocket would have had, where asking again won't change the answer; null where it may. */
export function finalCode(response: Response | null): number | null {
  return FINAL.includes(response?.status ?? 0) ? NOT_ADMITTED : null;
}

/** The milliseconds for which the server asks to be left alone, where there are too many requests; else 0. */
export function waitOf(response: Response | null): number {
  const seconds = response?.status === TOO_MANY ? Number(response.headers.get("Retry-After")) || 1 : 0;
  return Math.min(WAIT_MAX_MS, seconds * 1_000);
}
