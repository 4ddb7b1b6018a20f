/** The transports for when WebSockets don't get through. */

export { openPolling } from "./polling.js";
export { openSharedEvents } from "./shared-events.js";
