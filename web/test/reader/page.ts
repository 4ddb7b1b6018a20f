/** A page with one entry as the server wrote it, and what is loaded for it once something happens. */

import { afterEach, beforeEach, vi } from "vitest";

import type { Message } from "../../src/model/messages.js";
import type { Timeline } from "../../src/model/timeline.js";
import { Texts } from "../../src/dom/i18n.js";
import { type Context, Deferred } from "../../src/reader/deferred.js";
import { VisitMemory } from "../../src/reader/visit-memory.js";
import { entry, idOf, TEXTS, timeline } from "../samples.js";

export const PAGE = "https://live.example.org/live/demo";
export const texts = new Texts(TEXTS);
export const memory = new VisitMemory("https://live.example.org/api/v1/liveblogs/demo");

export let line: Timeline;
export let deferred: Deferred;

export function get(selector: string): HTMLElement {
  const element = document.querySelector<HTMLElement>(selector);
  if (element === null) {
    throw new Error(`no ${selector}`);
  }
  return element;
}

export function press(selector: string): Promise<void> {
  return deferred.click(get(selector));
}

export function receive(message: Message): void {
  deferred.tell(line.receive(message));
}

export function load(context: Partial<Context> = {}): void {
  deferred = new Deferred({
    api: "",
    url: PAGE,
    filter: null,
    texts,
    memory,
    timeline: line,
    add: () => undefined,
    ...context,
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  memory.alerts = false;
  // As the server wrote it: the page has it, and not the timeline.
  line = timeline({ items: [{ ...entry(2, 2), html: null }] });
  load();
  document.body.innerHTML = `<div data-notices></div><h1 data-liveblog-title>Demo</h1>
    <article id="entry-1" data-id="${idOf(2)}" data-title="Title"><a class="entry-time" href="https://live.example.org/1">9:00</a>
    <button data-share></button><ul class="corrections"><li><b>At 9:</b> 8 and not 12</li></ul>
    <figure class="embed" data-embed="video" data-embed-src="https://video.invalid/1" data-embed-title="A film"
    data-embed-load="Show" data-embed-note="They will know."><a class="embed-link" href="https://video.invalid/">A film</a></figure>
    </article><button data-alerts aria-pressed="false"></button>`;
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});
