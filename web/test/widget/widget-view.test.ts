import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Panel } from "../../src/widget/widget-view.js";
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

let panel: Panel;

function note(): string | null {
  const element = panel.element.querySelector<HTMLElement>(".note");
  return element?.hidden === false ? element.textContent : null;
}

beforeEach(() => {
  vi.useFakeTimers();
  panel = new Panel(timeline(), SHELL, 20);
});

afterEach(() => {
  panel.close();
  vi.useRealTimers();
});

describe("the note of the connection", () => {
  it("comes five seconds after the loss, however often a retry fails meanwhile", () => {
    panel.showStatus("live");
    for (let retry = 0; retry < 4; retry += 1) {
      panel.showStatus("connecting");
      vi.advanceTimersByTime(1_249);
      expect(note()).toBeNull();
    }
    vi.advanceTimersByTime(4);
    expect(note()).toBe("Reconnexion…");
    panel.showStatus("live");
    expect(note()).toBeNull();
    vi.advanceTimersByTime(10_000);
    expect(note()).toBeNull();
  });

  it("comes at once where the browser knows that it is offline, and goes on with what is known later", () => {
    panel.showStatus("connecting");
    panel.showStatus("offline");
    expect(note()).toBe("Hors connexion");
    panel.showStatus("connecting");
    expect(note()).toBe("Reconnexion…");
  });

  it("is written once for as long as it says the same: it is read aloud each time", () => {
    panel.showStatus("connecting");
    vi.advanceTimersByTime(5_000);
    const written = panel.element.querySelector(".note")?.firstChild;
    panel.showStatus("connecting");
    expect(panel.element.querySelector(".note")?.firstChild).toBe(written);
  });

  it("waits for nothing while the widget is out of the page, and counts anew when it is back", () => {
    panel.showStatus("connecting");
    panel.rest();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(10_000);
    expect(note()).toBeNull();
    panel.showStatus("connecting");
    vi.advanceTimersByTime(5_000);
    expect(note()).toBe("Reconnexion…");
  });
});
