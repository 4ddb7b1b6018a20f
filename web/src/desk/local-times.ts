/**
 * Tells times by the clock of the person at the screen, and in the form that is usual where they are. Without scripts, times
 * are told in UTC.
 */
export function tellLocally(page: ParentNode, language: string): void {
  const own = navigator.language.startsWith(language) ? navigator.language : language;
  const format = new Intl.DateTimeFormat(own, { dateStyle: "medium", timeStyle: "short" });
  for (const time of page.querySelectorAll<HTMLTimeElement>("time[data-local]")) {
    time.textContent = format.format(new Date(time.dateTime));
  }
}
