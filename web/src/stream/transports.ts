/** Transports, which bring changes. One is opened at a position, delivers until it ends, and never reconnects by itself. */

import { type Batch, type Confirmation, type Message, parseMessage } from "../model/messages.js";

export interface Handlers {
  message(message: Message): void;
  /** A poll's answer. */
  batch(batch: Batch): void;
  /**
   * It is over, once; not after `close`. `code` is the WebSocket's close code, if there was one; `wait` the milliseconds for
   * which this is not to be tried again: a server that has too much to do asks to be left alone, or no stream gets through.
   */
  end(code: number | null, wait?: number): void;
}

export interface Link {
  /** Confirms a deletion; what can't be sent is lost. */
  confirm(confirmation: Confirmation): void;
  close(): void;
}

/** Opens a transport for the API at `api` (an absolute URL) after a position, which is asked for when it is needed. */
export type Opener = (api: string, after: () => string, handlers: Handlers) => Link;

export type Query = Record<string, string | number>;

/** An address below the live blog's in the API. The latter may have a query, which stays. */
export function endpoint(api: string, path: string, query: Query = {}): string {
  const url = new URL(api);
  url.pathname += `/${path}`;
  for (const [name, value] of Object.entries(query)) {
    url.searchParams.set(name, `${value}`);
  }
  return url.href;
}

export function openWebSocket(api: string, after: () => string, handlers: Handlers): Link {
  const socket = new WebSocket(endpoint(api, "ws", { after: after() }).replace("http", "ws"));
  socket.onmessage = (event) => {
    deliver(event.data, handlers);
  };
  socket.onclose = (event) => {
    handlers.end(event.code);
  };
  return {
    confirm(confirmation): void {
      if (socket.readyState === socket.OPEN) {
        socket.send(JSON.stringify({ type: "gone", ...confirmation }));
      }
    },
    close(): void {
      socket.onmessage = socket.onclose = null;
      socket.close(1000);
    },
  };
}

/** A transport whose code is loaded when it is needed. */
export function openLazily(load: () => Promise<Opener>): Opener {
  return (api, after, handlers) => {
    let link: Link | null = null;
    let closed = false;
    load()
      .then((open) => {
        if (!closed) {
          link = open(api, after, handlers);
        }
      })
      .catch(() => {
        if (!closed) {
          handlers.end(null);
        }
      });
    return {
      confirm(confirmation): void {
        link?.confirm(confirmation);
      },
      close(): void {
        closed = true;
        link?.close();
      },
    };
  };
}

/** The answer at an address below the live blog's in the API. Throws a `Refused` for one that isn't ok. */
export async function fetchJson(api: string, path: string, query?: Query, signal?: AbortSignal): Promise<unknown> {
  const url = endpoint(api, path, query);
  const response = await fetch(url, { cache: "no-cache", credentials: "omit", signal: signal ?? null });
  if (!response.ok) {
    throw Object.assign(new Error(`${response.status} from ${url}`), { response });
  }
  return response.json();
}

/** An answer that isn't the one that was asked for. */
export interface Refused extends Error {
  response: Response;
}

export function deliver(data: unknown, handlers: Handlers): void {
  const message = typeof data === "string" ? parseMessage(data) : null;
  if (message !== null) {
    handlers.message(message);
  }
}
