/** Confirming a deletion where there is no socket to do it on. */

import type { Confirmation } from "../model/messages.js";
import { endpoint } from "./transports.js";

/** `viewer`: the word of the stream's hello; a page that has no stream of its own makes one up. */
export function postConfirmation(
  api: string,
  { id, had }: Confirmation,
  viewer = Math.random().toString(36).slice(2),
): void {
  // Plain text, so that a page of another origin needn't ask first.
  void fetch(endpoint(api, "gone"), {
    method: "POST",
    body: JSON.stringify({ id, had, viewer }),
    credentials: "omit",
    keepalive: true,
  }).catch(() => undefined);
}
