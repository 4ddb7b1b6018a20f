import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { edgeIsInView, holdScroll } from "../../src/dom/scroll-anchor.js";

const HEIGHT = 100;
let scrolled: number[];

beforeEach(() => {
  scrolled = [];
  vi.spyOn(window, "scrollBy").mockImplementation((options) => {
    const by = (options as ScrollToOptions).top ?? 0;
    scrolled.push(by);
    window.scrollY += by;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Articles one below the other, the first at `top` in the window; each is as high as the others. */
function column(top: number, ids: string[]): void {
  document.body.innerHTML = ids.map((id) => `<article id="entry-${id}" data-id="${id}"></article>`).join("");
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockImplementation(function (this: HTMLElement) {
    const place = [...document.querySelectorAll("article")].indexOf(this);
    return new DOMRect(0, top + place * HEIGHT, 300, HEIGHT);
  });
}

function prepend(): void {
  document.body.insertAdjacentHTML("afterbegin", '<article id="entry-new" data-id="new"></article>');
}

it("follows the entry that is being read", () => {
  column(-250, ["a", "b", "c", "d"]);
  holdScroll(new Set(), prepend);
  expect(scrolled).toEqual([HEIGHT]);
});

it("follows the next one when that is deleted, and none that changes its own place", () => {
  column(-250, ["a", "b", "c", "d", "e"]);
  holdScroll(new Set(["d"]), () => {
    document.getElementById("entry-c")?.remove();
  });
  expect(scrolled).toEqual([-HEIGHT]);
});

it("doesn't scroll when nothing has moved", () => {
  column(-250, ["a", "b", "c", "d"]);
  holdScroll(new Set(), () => {
    document.getElementById("entry-d")?.remove();
  });
  expect(scrolled).toEqual([]);
});

it("stays where it is while every entry is below the window: what is read stands above them", () => {
  column(window.innerHeight - 20, ["a", "b"]);
  holdScroll(new Set(), prepend);
  expect(scrolled).toEqual([]);
});

it.each([
  [-1, false],
  [0, true],
  [window.innerHeight / 2, true],
  [window.innerHeight - 20, false],
  [window.innerHeight + 200, false],
])("an element whose top is at %d is in view: %s", (top, inView) => {
  const element = document.createElement("div");
  vi.spyOn(element, "getBoundingClientRect").mockReturnValue(new DOMRect(0, top, 300, 2_000));
  expect(edgeIsInView(element, "top")).toBe(inView);
});

it("an element's bottom edge is in view where it ends in the window", () => {
  const element = document.createElement("div");
  vi.spyOn(element, "getBoundingClientRect").mockReturnValue(new DOMRect(0, -1_900, 300, 2_000));
  expect([edgeIsInView(element, "top"), edgeIsInView(element, "bottom")]).toEqual([false, true]);
});
