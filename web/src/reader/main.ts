/** Brings the reader's page to life. */

import "./reader.css";

import { readPage } from "./page-data.js";
import { ReaderPage } from "./reader-page.js";
import { chosenOrder } from "./visit-memory.js";

const page = readPage();
if (page !== null) {
  if (page.start.page === "first" && chosenOrder() === "oldest" && location.hash === "") {
    location.replace(`${page.url}?order=oldest`);
  } else {
    new ReaderPage(page).start();
  }
}
