/** Three ways to hear of changes. Each is opened at a position, delivers until it ends, and never reconnects by itself. */

import { type Batch, type Message, parseBatch, parseMessage } from "./messages.js";

export interface Handlers {
  message(message: Message): void;
  /** A poll's answer. */
  batch(batch: Batch): void;
  /** It is over, once; not after `close`. `code` is the WebSocket's close code, if there was one. */
  end(code: number | null): void;
}

export interface Link {
  close(): void;
}

/** Opens a transport for the API at `api` (an absolute URL) after a position. */
export type Opener = (api: string, after: string, handlers: Handlers) => Link;

const POLL_VISIBLE_MS = 8_000;
const POLL_HIDDEN_MS = 60_000;

export function openWebSocket(api: string, after: string, handlers: Handlers): Link {
  const url = new URL(`${api}/ws?after=${encodeURIComponent(after)}`);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(url);
  socket.onmessage = (event) => {
    deliver(event.data, handlers);
  };
  socket.onclose = (event) => {
    handlers.end(event.code);
  };
  return {
    close(): void {
      socket.onmessage = socket.onclose = null;
      socket.close(1000);
    },
  };
}

export function openEventSource(api: string, after: string, handlers: Handlers): Link {
  const source = new EventSource(`${api}/events?after=${encodeURIComponent(after)}`);
  const close = (): void => {
    source.onmessage = source.onerror = null;
    source.close();
  };
  source.onmessage = (event: MessageEvent<unknown>) => {
    deliver(event.data, handlers);
  };
  source.onerror = () => {
    // The browser's own reconnecting knows neither our back-off nor a position that `changes` has moved.
    close();
    handlers.end(null);
  };
  return { close };
}

export function openPolling(api: string, after: string, handlers: Handlers): Link {
  const abort = new AbortController();
  let position = after;
  let timer: number | undefined;
  const poll = async (): Promise<void> => {
    try {
      const batch = await fetchBatch(api, position, abort.signal);
      if (abort.signal.aborted) {
        return;
      }
      handlers.batch(batch);
      if (batch.reset) {
        // The position is void: whoever takes the snapshot opens anew from there.
        handlers.end(null);
        return;
      }
      position = nextPosition(batch);
      const pause = document.visibilityState === "hidden" ? POLL_HIDDEN_MS : POLL_VISIBLE_MS;
      const more = batch.more && batch.events.length > 0;
      timer = window.setTimeout(() => void poll(), more ? 0 : pause * (0.75 + Math.random() / 2));
    } catch {
      if (!abort.signal.aborted) {
        handlers.end(null);
      }
    }
  };
  void poll();
  return {
    close(): void {
      abort.abort();
      window.clearTimeout(timer);
    },
  };
}

/** `changes` after a position. `no-cache` makes the browser ask conditionally, by the ETag of its last answer. */
export async function fetchBatch(api: string, after: string, signal?: AbortSignal): Promise<Batch> {
  return parseBatch(await fetchJson(`${api}/changes?after=${encodeURIComponent(after)}`, signal));
}

/** Where a reader stands after a batch. */
function nextPosition(batch: Exclude<Batch, { reset: true }>): string {
  const last = batch.events.at(-1);
  return `${batch.epoch}-${String(batch.more && last ? last.seq : batch.seq)}`;
}

export async function fetchJson(url: string, signal?: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { cache: "no-cache", credentials: "omit", signal: signal ?? null });
  if (!response.ok) {
    throw new Error(`${String(response.status)} from ${url}`);
  }
  return response.json();
}

function deliver(data: unknown, handlers: Handlers): void {
  const message = typeof data === "string" ? parseMessage(data) : null;
  if (message !== null) {
    handlers.message(message);
  }
}
