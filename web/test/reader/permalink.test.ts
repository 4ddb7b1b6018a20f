import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { openPermalink } from "../../src/reader/permalink.js";
import { entry, idOf } from "../samples.js";

const URL = "https://live.example.org/live/demo";

let replaced: string[];

function at(hash: string): void {
  vi.stubGlobal("location", { hash, replace: (url: string) => replaced.push(url) });
}

beforeEach(() => {
  replaced = [];
  document.body.innerHTML = `<div class="focus" tabindex="-1"></div>${entry(2, 2).html}`;
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it.each([
  [`#entry-${idOf(2)}`, []],
  [`#entry-${idOf(1)}`, [`${URL}/entries/${idOf(1)}`]],
  ["#entry-1", []],
  ["#top", []],
  ["", []],
])("%s leads to %j", (hash, expected) => {
  at(hash);
  openPermalink(URL);
  expect(replaced).toEqual(expected);
});

it.each([
  ["navigate", 900, 1],
  ["navigate", 100, 0],
  ["reload", 900, 0],
])("on %s, an entry at %i that the page was opened for is brought into view %i times", (type, top, times) => {
  at("");
  const linked = document.querySelector<HTMLElement>(".focus");
  vi.spyOn(performance, "getEntriesByType").mockReturnValue([{ type } as PerformanceNavigationTiming]);
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, top, 300, 100));
  const scroll = vi.spyOn(HTMLElement.prototype, "scrollIntoView").mockImplementation(() => undefined);
  openPermalink(URL);
  expect(scroll).toHaveBeenCalledTimes(times);
  expect(document.activeElement === linked).toBe(type === "navigate");
});
