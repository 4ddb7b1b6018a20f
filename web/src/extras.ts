/** What a page needs only once something happens: a click, a correction, a visit after a while, a key event in a hidden tab. */

export { alertReader } from "./alerts.js";
export { click } from "./clicks.js";
export { Notices, tellCorrection } from "./notices.js";
export { tellSince } from "./since.js";
