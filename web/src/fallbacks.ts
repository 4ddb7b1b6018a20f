/** The transports for when WebSockets don't get through. */

import { promptly } from "./promptly.js";
import { openSharedEvents } from "./shared-events.js";

export { openPolling } from "./polling.js";
export const openEvents = promptly(openSharedEvents);
