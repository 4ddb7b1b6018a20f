/** Quotes of entries in the page's head, for machines: they are as they were when the page was made. */

/** Elements that quote entries: on any page; and on one that was opened for an entry. */
const QUOTING = "script";
const QUOTING_ENTRY = "script, meta[name=description], meta[property], [rel=canonical]";

/** Removes them. `focus`: the entry that the page was opened for. */
export function dropQuotes(focus: string | null): void {
  for (const element of document.head.querySelectorAll(focus === null ? QUOTING : QUOTING_ENTRY)) {
    element.remove();
  }
}
