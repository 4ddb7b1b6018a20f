/** Tells times by the clock of the person at the screen. Without scripts they are told in UTC. */
export function tellLocally(page: ParentNode, language: string): void {
  const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  for (const time of page.querySelectorAll<HTMLTimeElement>("time[data-local]")) {
    time.textContent = format.format(new Date(time.dateTime));
  }
}
