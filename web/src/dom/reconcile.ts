/** Makes the page's lists show what the timeline holds: as few nodes as possible are touched, and each only when it differs. */

import type { KeyEvent } from "../model/messages.js";
import type { Item } from "../model/timeline-state.js";
import type { Attributes } from "./i18n.js";
import { parse } from "./trusted-types.js";

/** An element with its text, or with what it holds. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

/** The server's HTML of one entry as an element that isn't in the page yet. */
export function parseArticle(html: string): HTMLElement {
  const article = parse(html).querySelector<HTMLElement>("article[data-id]");
  if (article === null) {
    throw new TypeError("no article");
  }
  return document.importNode(article, true);
}

/** Every entry that is in the page, or in this part of it, by id. */
export function shownArticles(root: ParentNode = document): Map<string, HTMLElement> {
  const articles = root.querySelectorAll<HTMLElement>("article[data-id]");
  return new Map([...articles].map((article) => [article.dataset.id ?? "", article]));
}

/** True while anything in the page shows the entry: all that does has its id. The line that stands in its place doesn't. */
export function isShown(id: string): boolean {
  return document.querySelector(`[data-id="${id}"]:not(.gone)`) !== null;
}

/** The HTML that each article was made from, where we made it. */
const sources = new WeakMap<HTMLElement, string>();

/** The article that shows the item: the one in the page if it shows the same, else a new one in its place, made by `make`. */
export function currentArticle(
  item: Item,
  shown: Map<string, HTMLElement>,
  make: (html: string) => HTMLElement,
): HTMLElement | null {
  const article = shown.get(item.id);
  const { html } = item;
  if (html === null || (article !== undefined && sources.get(article) === html)) {
    return article ?? null;
  }
  const fresh = make(html);
  if (article?.isEqualNode(fresh)) {
    sources.set(article, html);
    return article;
  }
  if (article !== undefined) {
    replaceKeepingFocus(article, fresh);
  }
  sources.set(fresh, html);
  shown.set(item.id, fresh);
  return fresh;
}

/** Empties the article of an item that is gone, once: a line is to stand there. */
export function emptied(item: Item, shown: Map<string, HTMLElement>): HTMLElement | null {
  const article = shown.get(item.id);
  if (!article || article.classList.contains("gone")) {
    return article ?? null;
  }
  const placeholder = article.cloneNode(false) as HTMLElement;
  placeholder.classList.add("gone");
  placeholder.removeAttribute("aria-labelledby");
  placeholder.removeAttribute("data-title");
  article.replaceWith(placeholder);
  shown.set(item.id, placeholder);
  return placeholder;
}

function replaceKeepingFocus(article: HTMLElement, fresh: HTMLElement): void {
  const { activeElement } = article.getRootNode() as Document | ShadowRoot;
  const focused = article.contains(activeElement) ? activeElement : null;
  article.replaceWith(fresh);
  if (focused === article) {
    fresh.tabIndex = -1;
    fresh.focus({ preventScroll: true });
  } else if (focused !== null) {
    const likes = [...fresh.querySelectorAll<HTMLElement>("a, button")];
    const same = likes.find(
      (like) => like.className === focused.className && like.getAttribute("href") === focused.getAttribute("href"),
    );
    (same ?? likes[0])?.focus({ preventScroll: true });
  }
}

/** Makes the container hold exactly these articles in this order; `days`, if given, with a heading of these attributes before each day's first. */
export function arrange(container: Element, articles: readonly HTMLElement[], days: Attributes | null): void {
  const headings = new Map<string, HTMLElement>();
  for (const heading of container.querySelectorAll<HTMLElement>(".day")) {
    headings.set(heading.dataset.day ?? "", heading);
  }
  const wanted: HTMLElement[] = [];
  let day: string | undefined;
  for (const article of articles) {
    if (days !== null && article.dataset.day !== day) {
      day = article.dataset.day ?? "";
      wanted.push(headings.get(day) ?? dayHeading(day, article.dataset.dayLabel ?? "", days));
    }
    wanted.push(article);
  }
  const keep = new Set<Element>(wanted);
  for (const child of [...container.children]) {
    if (!keep.has(child)) {
      child.remove();
    }
  }
  let next = container.firstElementChild;
  for (const element of wanted) {
    if (element === next) {
      next = next.nextElementSibling;
    } else {
      container.insertBefore(element, next);
    }
  }
}

function dayHeading(day: string, label: string, attributes: Attributes): HTMLElement {
  const heading = element("h2", { ...attributes, className: "day" }, label);
  heading.dataset.day = day;
  return heading;
}

/**
 * The lines of the summary of key events: as many of the newest as the section says, the others folded below. `timeOf` makes the
 * element of an event's time.
 */
export function arrangeKeyEvents(
  section: HTMLElement,
  events: readonly KeyEvent[],
  isShown: (id: string) => boolean,
  timeOf: (event: KeyEvent) => HTMLElement,
): void {
  const shown = Number(section.dataset.keyEvents);
  const [newest, earlier] = section.querySelectorAll("ol");
  newest?.replaceChildren(
    ...events.slice(0, shown).map((event) => keyEventLine(event, isShown(event.id), timeOf(event))),
  );
  earlier?.replaceChildren(
    ...events.slice(shown).map((event) => keyEventLine(event, isShown(event.id), timeOf(event))),
  );
  const fold = section.querySelector("details");
  if (fold !== null) {
    fold.hidden = events.length <= shown;
  }
}

function keyEventLine(event: KeyEvent, isShown: boolean, time: HTMLElement): HTMLElement {
  const { id, published_at, title, url } = event;
  const link = element("a", { href: isShown ? `#entry-${id}` : url }, time, " ", element("span", {}, title));
  const line = element("li", {}, link);
  Object.assign(line.dataset, { id, publishedAt: published_at, url });
  return line;
}
