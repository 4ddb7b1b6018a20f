/** What a reader is told at the foot of the window, above what they read and without moving it. */

import type { Entry } from "./messages.js";
import type { Mentions } from "./mentions.js";
import type { Texts } from "./texts.js";

const BRIEF_MS = 5_000;

/** Entries that are left, by id. */
export type Articles = ReadonlyMap<string, HTMLElement>;

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
  readonly #mentions: Mentions;

  /** `language`: that of the editors' words. */
  constructor(texts: Texts, language: string, mentions: Mentions) {
    this.#texts = texts;
    this.#language = language;
    this.#mentions = mentions;
  }

  /** Something in the editors' words, within ours. */
  quote(text: string): HTMLElement {
    return element("bdi", { lang: this.#language }, text);
  }

  /**
   * Tells of entries in a notice that stays until it is closed; a second one of that name is added to the first. `compose` makes
   * what is told of those that are left, and is asked again whenever one changes. Where nothing is left to tell, it closes.
   */
  show(name: string, title: string, told: readonly (Pick<Entry, "id"> | Entry)[], compose: (left: Articles) => HTMLElement[]): void {
    const left = new Map<string, HTMLElement>();
    let card: HTMLElement | undefined;
    let shown: HTMLElement[] = [];
    const draw = (): void => {
      const fresh = left.size === 0 ? [] : compose(left);
      if (card?.isConnected ?? fresh.length > 0) {
        card ??= this.#card(name, title);
        // What is the same stays: it may have the focus.
        const kept = fresh.map((one) => shown.find((other) => other.isEqualNode(one)) ?? one);
        let next = shown.at(-1)?.nextSibling ?? null;
        for (const old of shown) {
          if (!kept.includes(old)) {
            old.remove();
          }
        }
        for (const one of [...kept].reverse()) {
          if (one.parentNode !== card || one.nextSibling !== next) {
            card.insertBefore(one, next);
          }
          next = one;
        }
        shown = kept;
        if (card.querySelector("[data-id]") === null) {
          card.remove();
        }
      }
      if (card?.isConnected !== true) {
        for (const end of ends.splice(0)) {
          end();
        }
      }
    };
    let begun = false;
    const ends = told.map((entry) =>
      this.#mentions.follow(
        entry.id,
        (article) => {
          if (article === null) {
            left.delete(entry.id);
          } else {
            left.set(entry.id, article);
          }
          if (begun) {
            draw();
          }
        },
        "html" in entry ? entry : undefined,
      ),
    );
    begun = true;
    draw();
  }

  #card(name: string, title: string): HTMLElement {
    const place = document.querySelector("[data-notices]");
    const there = place?.querySelector<HTMLElement>(`[data-notice="${name}"]`);
    if (there) {
      return there;
    }
    const close = element("button", { type: "button", className: "close" }, "×");
    close.setAttribute("aria-label", this.#texts.text("close"));
    const card = element("section", { className: "card" }, element("p", { className: "box-title" }, title), close);
    card.dataset.notice = name;
    card.setAttribute("aria-label", title);
    close.addEventListener("click", () => {
      card.remove();
    });
    place?.append(card);
    return card;
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

/** Of an entry that the reader had read before: its correction of that number, from 0. */
export function tellCorrection(id: string, number: number, texts: Texts, notices: Notices): void {
  notices.show("corrected", texts.text("corrected"), [{ id }], (left) =>
    [...left.values()].map((article) => {
      const link = element("a", { href: `#${article.id}` }, notices.quote(article.dataset.title ?? ""));
      const line = element("p", {}, link, " – ", notices.quote(correctionOf(article, number)));
      line.dataset.id = id;
      return line;
    }),
  );
}

/** The note of an entry's correction of that number; -1 is the last. */
export function correctionOf(article: HTMLElement, number: number): string {
  return [...article.querySelectorAll(".corrections li")].at(number)?.lastChild?.textContent?.trim() ?? "";
}
