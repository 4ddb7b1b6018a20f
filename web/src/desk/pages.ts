/**
 * The pages by which people come to the desk. All of them work without this script, which uses passkeys, shows passwords,
 * tells times by the reader's clock, and takes the token out of the address of `/desk/join#TOKEN`.
 */

import "./pages.css";
import { showsPassword } from "./password-field.js";
import { startPasskeys } from "./passkeys.js";
import { takeToken } from "./link-token.js";
import { tellLocally } from "./local-times.js";

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-show-password]")) {
  showsPassword(button);
}
startPasskeys();
tellLocally(document, document.documentElement.lang);
const form = document.querySelector<HTMLFormElement>("form[data-link]");
if (form !== null) {
  // A second link may be pasted into the address of an open page, which isn't loaded again then.
  addEventListener("hashchange", () => {
    takeToken(form);
  });
  takeToken(form);
}
