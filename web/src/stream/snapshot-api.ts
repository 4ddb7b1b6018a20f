/** The API's `snapshot`. A page needs it only where it has to start afresh; a widget begins with it. */

import {
  isEntry,
  isLiveblog,
  isString,
  isStringOrNull,
  type KeyEvent,
  listOf,
  POSITION,
  shape,
  type Snapshot,
} from "../model/messages.js";

const isKeyEvent = shape<KeyEvent>({ id: isString, title: isString, published_at: isString, url: isString });

const isSnapshot = shape<Snapshot>({
  ...POSITION,
  liveblog: isLiveblog,
  pinned: listOf(isEntry),
  key_events: listOf(isKeyEvent),
  entries: listOf(isEntry),
  next_cursor: isStringOrNull,
});

/** The answer of `snapshot`; throws a TypeError for anything else. */
export function parseSnapshot(value: unknown): Snapshot {
  if (isSnapshot(value)) {
    return value;
  }
  throw new TypeError("no snapshot");
}
