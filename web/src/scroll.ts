/** Keeps the line that is being read where it is while the page changes around it. */

/** Browsers scroll by whole pixels; what was rounded off is made up for the next time, so that it never adds up. */
let owed = 0;

/** What is in the window by less than this is not read yet, and is not seen to arrive. */
const SLIVER_PX = 64;

/**
 * Runs `mutate`, then scrolls by as much as the first entry in view that is still there has moved; not at all while what is read
 * stands above every entry. `moving` are ids whose own place changes: following them would take the reader along. Returns what
 * `mutate` returned.
 */
export function holdScroll<T>(moving: ReadonlySet<string>, mutate: () => T): T {
  const root = document.documentElement;
  const places = [...document.querySelectorAll<HTMLElement>("article[data-id]")]
    .map((article) => ({ id: article.id, moving: moving.has(article.dataset.id ?? ""), rect: article.getBoundingClientRect() }))
    .filter(({ rect, moving: moves }) => rect.bottom > 0 && rect.top < windowBottom() && !moves);
  // The browser's own anchoring would correct the same shift a second time.
  root.style.overflowAnchor = "none";
  try {
    const result = mutate();
    for (const place of places) {
      const article = document.getElementById(place.id);
      if (article !== null) {
        const shift = article.getBoundingClientRect().top - place.rect.top + owed;
        const whole = Math.round(shift);
        const before = window.scrollY;
        // Even scrolling by nothing would stop a scroll that is under way.
        if (whole !== 0) {
          window.scrollBy({ top: whole, behavior: "instant" });
        }
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

/** True if the element's top edge is inside the window: what is inserted there is seen to arrive. */
export function topIsInView(element: Element): boolean {
  const { top } = element.getBoundingClientRect();
  return top >= 0 && top < windowBottom();
}

function windowBottom(): number {
  return window.innerHeight - SLIVER_PX;
}
