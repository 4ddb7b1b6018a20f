/** What a widget needs only once something happens: an entry comes, a reader wants older ones. */

import { Announcer } from "../announcer.js";
import { SYSTEM_CLOCK } from "../connection.js";

export { fetchPage } from "../pages.js";
export { Sync } from "../sync.js";

export function announcer(say: (count: number) => void): Announcer {
  return new Announcer(say, SYSTEM_CLOCK);
}
