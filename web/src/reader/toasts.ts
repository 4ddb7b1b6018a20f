/** Cards at the foot of the window, above the text that is read and without moving it. */

import type { Entry } from "../model/messages.js";
import type { Texts } from "../dom/i18n.js";
import { element } from "../dom/reconcile.js";
import type { Articles, Mentions } from "./mentions.js";

const BRIEF_MS = 5_000;

export class Toasts {
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
  show(
    name: string,
    title: string,
    told: readonly (Pick<Entry, "id"> | Entry)[],
    compose: (left: Articles) => HTMLElement[],
  ): void {
    const part = new Part(() => this.#card(name, title));
    this.#mentions.follow(told, (left) => part.show(left.size === 0 ? [] : compose(left)));
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

/** The part of one notice in a card, which may hold those of others. */
class Part {
  readonly #open: () => HTMLElement;
  #card: HTMLElement | undefined;
  #shown: HTMLElement[] = [];

  /** `open`: makes the card, or finds it, once there is something to tell. */
  constructor(open: () => HTMLElement) {
    this.#open = open;
  }

  /** Shows just these. Returns false once the card is closed, by the reader or because it tells of no entry any more. */
  show(fresh: readonly HTMLElement[]): boolean {
    if (this.#card === undefined ? fresh.length === 0 : !this.#card.isConnected) {
      return false;
    }
    this.#card ??= this.#open();
    this.#arrange(this.#card, fresh);
    if (this.#card.querySelector("[data-id]") === null) {
      this.#card.remove();
    }
    return this.#card.isConnected;
  }

  /** Puts them in place; an element that is the same stays: it may have the focus. */
  #arrange(card: HTMLElement, fresh: readonly HTMLElement[]): void {
    const kept = fresh.map((one) => this.#shown.find((other) => other.isEqualNode(one)) ?? one);
    let next = this.#shown.at(-1)?.nextSibling ?? null;
    for (const old of this.#shown) {
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
    this.#shown = kept;
  }
}

/** Tells the reader of a correction, by its number from 0, to an entry that they had read before. */
export function tellCorrection(id: string, number: number, texts: Texts, toasts: Toasts): void {
  toasts.show("corrected", texts.text("corrected"), [{ id }], (left) =>
    [...left.values()].map((article) => {
      const link = element("a", { href: `#${article.id}` }, toasts.quote(article.dataset.title ?? ""));
      const line = element("p", {}, link, " – ", toasts.quote(correctionOf(article, number)));
      line.dataset.id = id;
      return line;
    }),
  );
}

/** The note of an entry's correction of that number; -1 is the last. */
export function correctionOf(article: HTMLElement, number: number): string {
  return [...article.querySelectorAll(".corrections li")].at(number)?.lastChild?.textContent?.trim() ?? "";
}
