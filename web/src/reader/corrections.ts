/** Tells a reader, once, of corrections to entries that they have had before their eyes: on this page, or on an earlier visit. */

import { isVisible } from "../stream/visibility.js";
import type { VisitMemory } from "./visit-memory.js";

export class Corrections {
  readonly #memory: VisitMemory;
  readonly #tell: (id: string, number: number) => void;
  readonly #observer = new IntersectionObserver((sightings) => {
    for (const { target, isIntersecting } of sightings) {
      if (isIntersecting && isVisible()) {
        this.#memory.saw((target as HTMLElement).dataset.id ?? "", correctionsOf(target).length);
      }
    }
  });

  constructor(memory: VisitMemory, tell: (id: string, number: number) => void) {
    this.#memory = memory;
    this.#tell = tell;
  }

  /** Look at the articles again, after any change of them. */
  look(): void {
    const articles = document.querySelectorAll<HTMLElement>("article[data-id]");
    for (const article of articles) {
      const id = article.dataset.id ?? "";
      const before = this.#memory.seen.get(id);
      const { length } = correctionsOf(article);
      if (length > (before ?? Infinity)) {
        this.#memory.saw(id, length);
        this.#tell(id, length - 1);
      }
      this.#observer.observe(article);
    }
  }
}

function correctionsOf(article: Element): NodeListOf<Element> {
  return article.querySelectorAll(".corrections li");
}
