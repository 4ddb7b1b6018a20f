/** What a reader is told at the foot of the window, above what they read and without moving it. */

import type { Texts } from "./texts.js";

const BRIEF_MS = 5_000;

/** An element with its text, or with what it holds. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export class Notices {
  readonly #texts: Texts;
  readonly #language: string;

  /** `language`: that of the editors' words. */
  constructor(texts: Texts, language: string) {
    this.#texts = texts;
    this.#language = language;
  }

  /** Something in the editors' words, within ours. */
  quote(text: string): HTMLElement {
    return element("bdi", { lang: this.#language }, text);
  }

  /** A notice that stays until it is closed. A second one of that name is added to the first. */
  show(name: string, title: string, ...content: Node[]): void {
    const place = document.querySelector("[data-notices]");
    let card = place?.querySelector(`[data-notice="${name}"]`);
    if (!card) {
      const close = element("button", { type: "button", className: "close" }, "×");
      close.setAttribute("aria-label", this.#texts.text("close"));
      const made = element("section", { className: "card" }, element("p", { className: "box-title" }, title), close);
      made.dataset.notice = name;
      made.setAttribute("aria-label", title);
      const remove = (): void => {
        made.remove();
      };
      close.addEventListener("click", remove);
      place?.append(made);
      card = made;
    }
    card.append(...content);
  }

  /** A short word, which goes by itself. */
  tell(text: string): void {
    const card = element("p", { className: "card brief" }, text);
    card.setAttribute("role", "status");
    document.querySelector("[data-notices]")?.append(card);
    window.setTimeout(() => {
      card.remove();
    }, BRIEF_MS);
  }
}

/** Of an entry that the reader had read before. */
export function tellCorrection(article: HTMLElement, correction: Element, texts: Texts, notices: Notices): void {
  const link = element("a", { href: `#${article.id}` }, notices.quote(article.dataset.title ?? ""));
  const note = notices.quote(correction.lastChild?.textContent?.trim() ?? "");
  notices.show("corrected", texts.text("corrected"), element("p", {}, link, " – ", note));
}
