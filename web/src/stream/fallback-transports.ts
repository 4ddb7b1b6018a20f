/** The transports for when WebSockets don't get through. */

import { withHelloTimeout } from "./hello-timeout.js";
import { openSharedEvents } from "./shared-event-source.js";

export { openPolling } from "./polling.js";
export const openEvents = withHelloTimeout(openSharedEvents);
