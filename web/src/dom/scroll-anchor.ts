/** Keeps the line that is being read where it is while the page changes around it. */

/** The part of a pixel that the last scroll left out, browsers knowing whole ones only: the next adds it, so that it never adds up. */
let remainder = 0;

/** An entry that is in the window by less than this is not read yet, and is not seen to arrive. */
const SLIVER_PX = 64;

/**
 * Runs `mutate`, then scrolls by as much as what is being read has moved: what is next to the window's middle, and is still there;
 * not at all while what is read stands above every entry. `moving` are ids whose own place changes: following them would take the
 * reader along. Returns what `mutate` returned.
 */
export function holdScroll<T>(moving: ReadonlySet<string>, mutate: () => T): T {
  const root = document.documentElement;
  const articles = [...document.querySelectorAll<HTMLElement>("article[data-id]")].filter(
    (article) => isInView(article) && !moving.has(article.dataset.id ?? ""),
  );
  // An entry that is edited while it is read keeps its paragraphs but one or two. What the eye holds on to is in the middle.
  const blocks = articles.flatMap((article) => blocksOf(article).filter(isInView));
  blocks.sort((a, b) => fromMiddle(a) - fromMiddle(b));
  const anchors = [...blocks, ...articles].map(follow);
  // The browser's own anchoring would correct the same shift a second time.
  root.style.overflowAnchor = "none";
  try {
    const result = mutate();
    for (const shiftOf of anchors) {
      const shift = shiftOf();
      if (shift !== null) {
        move(shift + remainder);
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

function move(shift: number): void {
  const whole = Math.round(shift);
  const before = window.scrollY;
  // Even scrolling by nothing would stop a scroll that is under way.
  if (whole !== 0) {
    window.scrollBy({ top: whole, behavior: "instant" });
  }
  remainder = rest(shift - (window.scrollY - before));
}

/**
 * Of an article, or of a paragraph, a heading … in one: tells when asked by how much it has moved; null if it is no longer there.
 * After an edit, the paragraph is the one that says the same.
 */
function follow(element: Element): () => number | null {
  const { top } = element.getBoundingClientRect();
  const id = element.closest("article")?.id ?? "";
  const alike = (other: Element): boolean => other.textContent === element.textContent;
  const turn = alikeIn(id).indexOf(element);
  function alikeIn(article: string): Element[] {
    const now = document.getElementById(article);
    return element.id === article ? (now === null ? [] : [now]) : blocksOf(now).filter(alike);
  }
  return () => {
    const now = element.isConnected ? element : alikeIn(id)[turn];
    return now === undefined ? null : now.getBoundingClientRect().top - top;
  };
}

function blocksOf(article: Element | null): Element[] {
  return [...(article?.querySelectorAll(".entry-heading, .entry-body > *") ?? [])];
}

function fromMiddle(element: Element): number {
  const { top, bottom } = element.getBoundingClientRect();
  const middle = window.innerHeight / 2;
  return Math.max(top - middle, middle - bottom, 0);
}

function isInView(element: Element): boolean {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > 0 && top < windowBottom();
}

/** The part that rounding left out; a pixel or more is no rounding: the page ended. */
function rest(shift: number): number {
  return Math.abs(shift) < 1 ? shift : 0;
}

/** True if the element's top edge, or its bottom one, is inside the window: what is inserted there is seen to arrive. */
export function edgeIsInView(element: Element, edge: "top" | "bottom"): boolean {
  const place = element.getBoundingClientRect()[edge];
  return place >= 0 && place < windowBottom();
}

function windowBottom(): number {
  return window.innerHeight - SLIVER_PX;
}
