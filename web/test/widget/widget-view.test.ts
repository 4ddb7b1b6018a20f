import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { WidgetView } from "../../src/widget/widget-view.js";
import { timeline } from "../samples.js";

/** The widget without entries as the server makes it, in short. */
const SHELL = {
  html:
    '<div class="lv"><header><p><span class="status live"></span><span class="note" role="status" hidden></span></p>' +
    '<h2><a class="name" href="https://live.example.org/live/demo">Demo</a></h2></header>' +
    '<button class="news" type="button" hidden></button><div class="top"></div><div class="pinned" hidden></div>' +
    '<p class="empty" hidden></p><div class="list"></div><button class="older" type="button" hidden></button>' +
    '<footer class="foot"></footer><div class="said" role="status"></div></div>',
  locale: "fr",
  days: {},
  status: { live: "En direct" },
  new_entries: { one: "{count} nouvelle", other: "{count} nouvelles" },
  text: { connecting: "Reconnexion…", offline: "Hors connexion" },
};

let view: WidgetView;

function note(): string | null {
  const element = view.element.querySelector<HTMLElement>(".note");
  return element?.hidden === false ? element.textContent : null;
}

beforeEach(() => {
  vi.useFakeTimers();
  view = new WidgetView(timeline(), SHELL, 20);
});

afterEach(() => {
  view.close();
  vi.useRealTimers();
});

describe("the note of the connection", () => {
  it("comes five seconds after the loss, however often a retry fails meanwhile", () => {
    view.showStatus("live");
    for (let retry = 0; retry < 4; retry += 1) {
      view.showStatus("connecting");
      vi.advanceTimersByTime(1_249);
      expect(note()).toBeNull();
    }
    vi.advanceTimersByTime(4);
    expect(note()).toBe("Reconnexion…");
    view.showStatus("live");
    expect(note()).toBeNull();
    vi.advanceTimersByTime(10_000);
    expect(note()).toBeNull();
  });

  it("comes at once where the browser knows that it is offline, and goes on with what is known later", () => {
    view.showStatus("connecting");
    view.showStatus("offline");
    expect(note()).toBe("Hors connexion");
    view.showStatus("connecting");
    expect(note()).toBe("Reconnexion…");
  });

  it("is written once for as long as it says the same: it is read aloud each time", () => {
    view.showStatus("connecting");
    vi.advanceTimersByTime(5_000);
    const written = view.element.querySelector(".note")?.firstChild;
    view.showStatus("connecting");
    expect(view.element.querySelector(".note")?.firstChild).toBe(written);
  });

  it("waits for nothing while the widget is out of the page, and counts anew when it is back", () => {
    view.showStatus("connecting");
    view.rest();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(10_000);
    expect(note()).toBeNull();
    view.showStatus("connecting");
    vi.advanceTimersByTime(5_000);
    expect(note()).toBe("Reconnexion…");
  });
});
