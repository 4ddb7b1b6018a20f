/**
 * Third parties' embeds, which are cards until the reader asks for them: only then is anything requested from there. The server
 * makes the cards; docs/media.md has their attributes.
 */

import type { Attributes } from "../dom/i18n.js";
import { element } from "../dom/reconcile.js";
import { holdScroll } from "../dom/scroll-anchor.js";

const FEATURES = "autoplay; fullscreen; picture-in-picture; encrypted-media";
const SANDBOX =
  "allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox allow-presentation allow-forms";

/** Asks the reader, and puts the provider's frame in the place of the card's link. */
export function offerEmbed(card: HTMLElement, attributes: Attributes): void {
  const { embedLoad, embedNote } = card.dataset;
  if (card.querySelector(".embed-offer") !== null) {
    return;
  }
  const button = element("button", { type: "button", className: "button" }, embedLoad ?? "▶");
  button.addEventListener("click", () => {
    openEmbed(card);
  });
  const offer = element("p", { className: "embed-offer", ...attributes }, button, " ", embedNote ?? "");
  card.append(offer);
  button.focus({ preventScroll: true });
}

export function openEmbed(card: HTMLElement): void {
  const { embedSrc, embedTitle, embedRatio, embedHeight } = card.dataset;
  if (!embedSrc?.startsWith("https://")) {
    return;
  }
  const frame = element("iframe", {
    title: embedTitle ?? "",
    allow: FEATURES,
    referrerPolicy: "strict-origin-when-cross-origin",
  });
  frame.setAttribute("sandbox", SANDBOX);
  if (embedHeight === undefined) {
    frame.style.aspectRatio = embedRatio ?? "16 / 9";
  } else {
    frame.style.height = `${embedHeight}px`;
  }
  frame.src = embedSrc;
  const open = (): void => {
    card.querySelector(".embed-offer")?.remove();
    card.querySelector("a")?.replaceWith(frame);
  };
  // A reader who sees the card keeps it where it is. One who opened it by the keyboard and reads elsewhere keeps that line.
  const { top, bottom } = card.getBoundingClientRect();
  if (bottom > 0 && top < window.innerHeight) {
    open();
  } else {
    holdScroll(new Set(), open);
  }
  frame.focus({ preventScroll: true });
}
