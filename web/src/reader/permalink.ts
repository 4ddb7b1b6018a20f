/** Opens the page at the entry that was linked; one that isn't on it has a page of its own. `url`: the live blog's page. */
export function openPermalink(url: string): void {
  const id = /^#entry-([\da-f-]{36})$/.exec(location.hash)?.[1];
  if (id !== undefined) {
    if (document.getElementById(`entry-${id}`) === null) {
      location.replace(`${url}/entries/${id}`);
    }
    return;
  }
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  const linked = document.querySelector<HTMLElement>(".focus");
  if (linked !== null && navigation?.type === "navigate") {
    linked.focus({ preventScroll: true });
    // The browser may have brought it into view before, and the reader begun to read: then it stays where it is.
    const { top, bottom } = linked.getBoundingClientRect();
    if (top < parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || bottom > innerHeight) {
      linked.scrollIntoView({ block: "start", behavior: "instant" });
    }
  }
}
