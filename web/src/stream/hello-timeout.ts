/**
 * A stream that says something soon, or ends. A proxy that holds it back waits for its end, and would do so again and again; a
 * transport that asks for whole answers gets through.
 */

import type { Opener } from "./transports.js";

/** The server says `hello` at once; a slow network takes a second or two. */
const HELLO_WITHIN_MS = 5_000;
/** The time after which a stream may be tried again: the reader may have gone to another network. */
const AGAIN_MS = 120_000;

/** The same transport, which ends unless its first message comes in time. */
export function withHelloTimeout(open: Opener): Opener {
  return (api, after, handlers) => {
    const link = open(api, after, {
      ...handlers,
      message(message): void {
        window.clearTimeout(timer);
        handlers.message(message);
      },
      end(code, wait): void {
        window.clearTimeout(timer);
        handlers.end(code, wait);
      },
    });
    const timer = window.setTimeout(() => {
      link.close();
      handlers.end(null, AGAIN_MS);
    }, HELLO_WITHIN_MS);
    return {
      confirm(confirmation): void {
        link.confirm(confirmation);
      },
      close(): void {
        window.clearTimeout(timer);
        link.close();
      },
    };
  };
}
