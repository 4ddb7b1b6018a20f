/** Keeps the line that is being read where it is while the page changes around it. */

/** Browsers scroll by whole pixels; what was rounded off is made up for the next time, so that it never adds up. */
let owed = 0;

/**
 * Runs `mutate`, then scrolls by as much as the first entry in view that is still there has moved. `moving` are ids whose own
 * place changes: following them would take the reader along. Returns what `mutate` returned.
 */
export function holdScroll<T>(moving: ReadonlySet<string>, mutate: () => T): T {
  const root = document.documentElement;
  const places = [...document.querySelectorAll<HTMLElement>("article[data-id]")]
    .map((article) => ({ id: article.id, moving: moving.has(article.dataset.id ?? ""), rect: article.getBoundingClientRect() }))
    .filter((place) => place.rect.bottom > 0 && !place.moving);
  // The browser's own anchoring would correct the same shift a second time.
  root.style.overflowAnchor = "none";
  try {
    const result = mutate();
    for (const place of places) {
      const article = document.getElementById(place.id);
      if (article !== null) {
        const shift = article.getBoundingClientRect().top - place.rect.top + owed;
        const before = window.scrollY;
        window.scrollBy({ top: Math.round(shift), behavior: "instant" });
        owed = rest(shift - (window.scrollY - before));
        break;
      }
    }
    return result;
  } finally {
    requestAnimationFrame(() => {
      root.style.overflowAnchor = "";
    });
  }
}

/** What is beyond rounding is no rounding: the page ended. */
function rest(shift: number): number {
  return Math.abs(shift) < 1 ? shift : 0;
}

/** True if the element's top edge is below the top of the window: what is inserted there is seen to arrive. */
export function topIsInView(element: Element): boolean {
  return element.getBoundingClientRect().top >= 0;
}
