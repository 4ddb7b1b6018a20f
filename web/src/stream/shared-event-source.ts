/**
 * Server-sent events, one stream for all tabs of a live blog: over HTTP/1.1 a browser has six connections to a host, and a
 * stream holds one for ever. WebSockets aren't counted among the six.
 *
 * The tab that holds the lock reads the stream and hands each message to the others, who wait for the lock meanwhile. A tab that
 * joins late, or is handed the lock, stands behind or ahead of what is handed on: the timeline repairs that as it does any gap.
 */

import type { Confirmation, Message } from "../model/messages.js";
import { postConfirmation } from "./confirm-deletion.js";
import { finalCode, waitOf } from "./polling.js";
import { deliver, endpoint, type Handlers, type Link } from "./transports.js";

/** `EventSource.CLOSED`: the server has answered with something else than a stream. */
const CLOSED = 2;

type TabMessage = { message: Message } | { joined: true };

export function openSharedEvents(api: string, after: () => string, handlers: Handlers): Link {
  if (!("locks" in navigator) || !("BroadcastChannel" in window)) {
    return openEventSource(api, after, handlers);
  }
  const name = `liveserver:${api}`;
  const channel = new BroadcastChannel(name);
  const waiting = new AbortController();
  let stream: Link | null = null;
  let release: (() => void) | null = null;
  /** News for a tab that joins: how the stream began, and how far it has got. */
  let hello: Message | null = null;
  let beat: Message | null = null;

  const send = (message: TabMessage): void => {
    channel.postMessage(message);
  };
  const close = (): void => {
    waiting.abort();
    channel.close();
    stream?.close();
    release?.();
  };
  const lead = (): void => {
    stream = openEventSource(api, after, {
      ...handlers,
      message: (message) => {
        if (message.type === "hello") {
          hello = message;
        }
        if ("seq" in message) {
          const viewers: number =
            message.type === "heartbeat" ? message.viewers : beat?.type === "heartbeat" ? beat.viewers : 0;
          beat = { type: "heartbeat", seq: message.seq, viewers };
        }
        send({ message });
        handlers.message(message);
      },
      end: (code, wait) => {
        close();
        handlers.end(code, wait);
      },
    });
  };
  channel.onmessage = ({ data }: MessageEvent<TabMessage>) => {
    if ("message" in data) {
      if (stream === null) {
        handlers.message(data.message);
      }
    } else if (stream !== null && hello !== null && beat !== null) {
      send({ message: hello });
      send({ message: beat });
    }
  };
  navigator.locks
    .request(name, { signal: waiting.signal }, () => {
      if (waiting.signal.aborted) {
        return;
      }
      lead();
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    })
    .catch(() => {
      // In a frame without an origin nothing can be shared.
      if (!waiting.signal.aborted) {
        lead();
      }
    });
  send({ joined: true });
  const confirm = (confirmation: Confirmation): void => {
    if (stream === null) {
      // The server knows the stream, and not who listens to it in other tabs.
      postConfirmation(api, confirmation);
    } else {
      stream.confirm(confirmation);
    }
  };
  return { confirm, close };
}

export function openEventSource(api: string, after: () => string, handlers: Handlers): Link {
  const source = new EventSource(endpoint(api, "events", { after: after() }));
  const close = (): void => {
    source.onmessage = source.onerror = null;
    source.close();
  };
  let viewer: string | undefined;
  source.onmessage = (event: MessageEvent<unknown>) => {
    deliver(event.data, {
      ...handlers,
      message: (message) => {
        if (message.type === "hello") {
          viewer = message.viewer ?? viewer;
        }
        handlers.message(message);
      },
    });
  };
  let closed = false;
  source.onerror = () => {
    // The browser's own reconnecting knows neither our back-off nor a position that `changes` has moved.
    const refused = source.readyState === CLOSED;
    close();
    if (!refused) {
      handlers.end(null);
      return;
    }
    void asked(api, after()).then((response) => {
      if (!closed) {
        handlers.end(finalCode(response), waitOf(response));
      }
    });
  };
  const confirm = (confirmation: Confirmation): void => {
    postConfirmation(api, confirmation, viewer);
  };
  return {
    confirm,
    close: () => {
      closed = true;
      close();
    },
  };
}

/** The answer with which a stream was refused. An EventSource doesn't tell, so we ask once more; null without an answer. */
async function asked(api: string, after: string): Promise<Response | null> {
  const abort = new AbortController();
  try {
    return await fetch(endpoint(api, "events", { after }), {
      cache: "no-store",
      credentials: "omit",
      signal: abort.signal,
    });
  } catch {
    return null;
  } finally {
    // This time it may have begun.
    abort.abort();
  }
}
