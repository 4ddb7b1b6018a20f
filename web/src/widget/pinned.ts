/** The whole widget in one file that never changes, for pages that name its digest in `integrity`. */

import { mount } from "./controller.js";
import { define, fitFrames } from "./element.js";

const script = document.currentScript;

define(() => Promise.resolve(mount));
if (script instanceof HTMLScriptElement) {
  fitFrames(new URL("..", script.src).href);
}
