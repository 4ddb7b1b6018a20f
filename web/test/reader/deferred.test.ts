import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Message } from "../../src/model/messages.js";
import type { Timeline } from "../../src/model/timeline.js";
import type { Page } from "../../src/stream/entries-api.js";
import { Texts } from "../../src/dom/i18n.js";
import { Deferred } from "../../src/reader/deferred.js";
import { switchAlerts } from "../../src/reader/key-event-alerts.js";
import { Mentions } from "../../src/reader/mentions.js";
import { Toasts } from "../../src/reader/toasts.js";
import { VisitMemory } from "../../src/reader/visit-memory.js";
import { entry, idOf, snapshot, TEXTS, timeline } from "../samples.js";

const texts = new Texts(TEXTS);
const memory = new VisitMemory("https://live.example.org/api/v1/liveblogs/demo");

function get(selector: string): HTMLElement {
  const element = document.querySelector<HTMLElement>(selector);
  if (element === null) {
    throw new Error(`no ${selector}`);
  }
  return element;
}

const PAGE = "https://live.example.org/live/demo";

let line: Timeline;
let extras: Deferred;

function press(selector: string): Promise<void> {
  return extras.click(get(selector));
}

function receive(message: Message): void {
  extras.tell(line.receive(message));
}

beforeEach(() => {
  vi.useFakeTimers();
  memory.alerts = false;
  // As the server wrote it: the page has it, and not the timeline.
  line = timeline({ items: [{ ...entry(2, 2), html: null }] });
  extras = new Deferred({
    api: "",
    url: PAGE,
    filter: null,
    texts,
    memory,
    timeline: line,
    add: () => undefined,
  });
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

describe("toasts", () => {
  it("stay until they are closed, and are added to", () => {
    extras.correction(idOf(2), 0);
    extras.correction(idOf(2), 0);
    expect(document.querySelectorAll(".card")).toHaveLength(1);
    expect([...get(".card").querySelectorAll("p")].map((line) => line.textContent)).toEqual([
      "Corrigé",
      "Title – 8 and not 12",
      "Title – 8 and not 12",
    ]);
    expect(get(".card a").getAttribute("href")).toBe("#entry-1");
    expect(get(".card bdi").lang).toBe("en");
    get(".close").click();
    expect(document.querySelector(".card")).toBeNull();
  });

  it("say what an entry says now, keep what is the same, and close with the last that is gone", () => {
    extras.correction(idOf(2), 0);
    const seen = entry(1, 3, { corrections: [{ note: "7" }] });
    receive({ type: "entry", seq: 3, entry: seen });
    extras.correction(idOf(1), 0);
    const kept = get(`.card [data-id="${idOf(1)}"]`);
    receive({
      type: "entry",
      seq: 4,
      entry: entry(2, 4, { heading: "Edited", corrections: [{ note: "8" }, { note: "9" }] }),
    });
    expect([...get(".card").querySelectorAll("p")].map((p) => p.textContent)).toEqual([
      "Corrigé",
      "Edited – 8",
      "Entry 1 – 7",
    ]);
    receive({ type: "delete", seq: 5, id: idOf(2) });
    expect([...get(".card").querySelectorAll("p")].map((p) => p.textContent)).toEqual(["Corrigé", "Entry 1 – 7"]);
    expect(get(`.card [data-id="${idOf(1)}"]`)).toBe(kept);
    receive({ type: "delete", seq: 6, id: idOf(1) });
    expect(document.querySelector(".card")).toBeNull();
  });

  it("don't come for what is gone before they do, and once closed don't come back", () => {
    receive({ type: "gone", id: idOf(2) });
    extras.correction(idOf(2), 0);
    expect(document.querySelector(".card")).toBeNull();
    receive({ type: "entry", seq: 3, entry: entry(1, 3, { corrections: [{ note: "7" }] }) });
    extras.correction(idOf(1), 0);
    get(".close").click();
    receive({ type: "entry", seq: 4, entry: entry(1, 4, { corrections: [{ note: "8" }] }) });
    expect(document.querySelector(".card")).toBeNull();
  });

  it("that are brief go by themselves", () => {
    new Toasts(texts, "fr", new Mentions(line)).tell("Done");
    expect(get(".card").textContent).toBe("Done");
    vi.advanceTimersByTime(5_000);
    expect(document.querySelector(".card")).toBeNull();
  });
});

describe("sharing", () => {
  it("goes by the device's own means, and is left alone when the reader thinks better of it", async () => {
    const shared: ShareData[] = [];
    vi.stubGlobal("navigator", {
      share: (data: ShareData) => {
        shared.push(data);
        return Promise.reject(new DOMException("no", "AbortError"));
      },
    });
    await press("[data-share]");
    expect(shared).toEqual([{ title: "Title", url: "https://live.example.org/1" }]);
    expect(document.querySelector(".card")).toBeNull();
  });

  it("isn't of what is gone meanwhile", async () => {
    const handOn = vi.fn();
    vi.stubGlobal("navigator", { share: handOn });
    receive({ type: "gone", id: idOf(2) });
    await press("[data-share]");
    expect(handOn).not.toHaveBeenCalled();
  });

  it("goes by the clipboard otherwise, and says whether it worked", async () => {
    const writeText = vi.fn(() => Promise.resolve());
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    await press("[data-share]");
    expect(writeText).toHaveBeenCalledWith("https://live.example.org/1");
    expect(get(".card").textContent).toBe("Copié");
    writeText.mockImplementation(() => Promise.reject(new DOMException("no", "NotAllowedError")));
    await press("[data-share]");
    expect(document.querySelectorAll(".card")[1]?.textContent).toBe("Pas copié");
  });
});

describe("older entries", () => {
  const asked = (): Promise<{ added: Page[]; answer: (seq?: number) => Promise<void> }> => {
    document.body.innerHTML +=
      '<p><a data-older="c1" href="https://live.example.org/older">Older</a><span role="status"></span></p>';
    let answer: (page: unknown) => void = () => undefined;
    vi.stubGlobal("fetch", () => new Promise((resolve) => (answer = resolve)));
    const added: Page[] = [];
    extras = new Deferred({
      api: PAGE,
      url: PAGE,
      filter: null,
      texts,
      memory,
      timeline: line,
      add: (_, page) => added.push(page),
    });
    const loading = press("[data-older]");
    return Promise.resolve({
      added,
      answer: (seq = 2) => {
        const page = { items: [entry(1, 1)], next_cursor: null, epoch: "abc", seq };
        answer({ ok: true, json: () => Promise.resolve(page) });
        return loading;
      },
    });
  };

  it("come when they are asked for", async () => {
    const { added, answer } = await asked();
    await answer();
    expect(added).toHaveLength(1);
  });

  it("are asked for again where a cache has them as they were before the page: what was deleted since would come back", async () => {
    const { added, answer } = await asked();
    const loading = answer(1);
    await vi.runAllTimersAsync();
    expect(added).toEqual([]);
    await Promise.all([loading, answer(2)]);
    expect(added.map(({ seq }) => seq)).toEqual([2]);
  });

  it("don't come where a cache has nothing else", async () => {
    const { added } = await asked();
    vi.stubGlobal("fetch", () =>
      Promise.resolve({
        ok: true,
        json: () => Promise.resolve({ items: [], next_cursor: null, epoch: "abc", seq: 1 }),
      }),
    );
    const loading = press("[data-older]");
    await vi.runAllTimersAsync();
    await loading;
    expect(added).toEqual([]);
  });

  it("don't come where the page has started afresh meanwhile: what was deleted before that isn't told", async () => {
    const { added, answer } = await asked();
    line.replace(snapshot());
    await answer();
    expect(added).toEqual([]);
  });
});

describe("embeds", () => {
  it("say what is agreed to, then open in the link's place", async () => {
    await press(".embed-link");
    await press(".embed-link");
    expect(document.querySelectorAll(".embed-offer")).toHaveLength(1);
    expect(get(".embed-offer").textContent).toBe("Show They will know.");
    expect(document.querySelector("iframe")).toBeNull();
    get(".embed-offer button").click();
    const frame = get("iframe") as HTMLIFrameElement;
    expect([frame.title, frame.getAttribute("src"), frame.style.aspectRatio]).toEqual([
      "A film",
      "https://video.invalid/1",
      "16 / 9",
    ]);
    expect(document.querySelector(".embed-offer, .embed-link")).toBeNull();
  });

  it.each([
    ["in view", 100, []],
    ["above the window", -500, [150]],
  ])("opened while %s, move only what nobody reads", async (_, top, expected) => {
    document.body.insertAdjacentHTML("beforeend", '<article id="entry-2" data-id="2"></article>');
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockImplementation(function (this: HTMLElement) {
      const height = document.querySelector("iframe") === null ? 50 : 200;
      return this.id === "entry-2" ? new DOMRect(0, top + 600 + height, 300, 50) : new DOMRect(0, top, 300, height);
    });
    const scrolled: unknown[] = [];
    vi.spyOn(window, "scrollBy").mockImplementation((options) => {
      scrolled.push((options as ScrollToOptions).top);
    });
    await press(".embed-link");
    get(".embed-offer button").click();
    expect(document.querySelector("iframe")).not.toBeNull();
    expect(scrolled).toEqual(expected);
  });

  it("have their own shape, and open nothing that isn't https", async () => {
    get(".embed").dataset.embedHeight = "300";
    await press(".embed-link");
    get(".embed-offer button").click();
    expect((get("iframe") as HTMLIFrameElement).style.height).toBe("300px");
    document.querySelector("iframe")?.remove();
    get(".embed").dataset.embedSrc = "javascript:alert(1)";
    get(".embed").append(Object.assign(document.createElement("a"), { className: "embed-link" }));
    await press(".embed-link");
    get(".embed-offer button").click();
    expect(document.querySelector("iframe")).toBeNull();
  });
});

describe("alerts", () => {
  function permit(permission: string): void {
    vi.stubGlobal(
      "Notification",
      Object.assign(
        vi.fn(function (this: Own, title: string, options: NotificationOptions) {
          const tag = options.tag ?? "";
          this.close = () => {
            if (own.get(tag) === this) {
              own.delete(tag);
            }
            queueMicrotask(() => this.onclose?.());
          };
          // As browsers do with one of the same tag.
          own.get(tag)?.close();
          own.set(tag, this);
          this.text = `${title}: ${options.body ?? ""}`;
          raised.push(this.text);
        }),
        { permission, requestPermission: () => Promise.resolve(permission) },
      ),
    );
    vi.stubGlobal("navigator", { locks, serviceWorker: { getRegistration: () => Promise.resolve(undefined) } });
  }
  interface Own {
    text: string;
    close: () => void;
    onclose?: () => void;
  }
  let raised: string[];
  /** The page's own, by tag. */
  let own: Map<string, Own>;
  let held: Set<string>;
  const locks = {
    request: async (name: string, hold: () => Promise<void>) => {
      held.add(name);
      await hold();
      held.delete(name);
    },
  };

  beforeEach(() => {
    raised = [];
    own = new Map();
    held = new Set();
  });

  function ownTexts(): string[] {
    return [...own.values()].map(({ text }) => text);
  }

  it("are switched on by a click that the browser agrees to, and off by another", async () => {
    permit("granted");
    await press("[data-alerts]");
    expect([memory.alerts, get("[data-alerts]").getAttribute("aria-pressed")]).toEqual([true, "true"]);
    await press("[data-alerts]");
    expect([memory.alerts, get("[data-alerts]").getAttribute("aria-pressed")]).toEqual([false, "false"]);
  });

  it("stay off where the browser forbids them, and the reader is told", async () => {
    permit("denied");
    await switchAlerts(get("[data-alerts]"), memory, texts, new Toasts(texts, "fr", new Mentions(line)));
    expect(memory.alerts).toBe(false);
    expect(get(".card").textContent).toBe("Bloqué");
  });

  it("tell of key events that are new", async () => {
    permit("granted");
    receive({ type: "entry", seq: 3, entry: entry(3, 3, { key_event: true }) });
    receive({ type: "entry", seq: 4, entry: entry(4, 4) });
    await extras.alert([idOf(3), idOf(4)]);
    await vi.runAllTimersAsync();
    expect(raised).toEqual(["Demo: Entry 3"]);
    permit("denied");
    await extras.alert([idOf(3)]);
    expect(raised).toHaveLength(1);
  });

  /** What stands on the reader's screen, by tag; and what was said to the service worker. */
  function screen(): { standing: Map<string, string>; said: unknown[]; worker: { getNotifications: unknown } } {
    const standing = new Map<string, string>();
    const said: unknown[] = [];
    const worker = {
      active: { postMessage: (word: unknown) => said.push(word) },
      getNotifications: ({ tag }: { tag: string }) =>
        Promise.resolve(standing.has(tag) ? [{ close: () => standing.delete(tag) }] : []),
      // It takes its time.
      showNotification: (_: string, { tag, body }: { tag: string; body: string }) =>
        new Promise<void>((resolve) => {
          setTimeout(() => {
            standing.set(tag, body);
            resolve();
          }, 10);
        }),
    };
    vi.stubGlobal("navigator", { locks, serviceWorker: { getRegistration: () => Promise.resolve(worker) } });
    return { standing, said, worker };
  }

  it("say what the entry says now, go with it, and with the page", async () => {
    permit("granted");
    const { standing, said } = screen();
    for (const number of [3, 4, 5]) {
      receive({ type: "entry", seq: number, entry: entry(number, number, { key_event: true }) });
    }
    await extras.alert([idOf(3), idOf(4), idOf(5)]);
    await vi.runAllTimersAsync();
    expect([...standing.values()]).toEqual(["Entry 3", "Entry 4", "Entry 5"]);
    receive({ type: "entry", seq: 6, entry: entry(3, 6, { key_event: true, heading: "Edited" }) });
    receive({ type: "entry", seq: 7, entry: entry(4, 7) });
    await vi.runAllTimersAsync();
    expect([...standing.values()]).toEqual(["Edited", "Entry 5"]);
    standing.delete(idOf(5));
    receive({ type: "entry", seq: 8, entry: entry(5, 8, { key_event: true, heading: "Edited too" }) });
    receive({ type: "delete", seq: 9, id: idOf(3) });
    await vi.runAllTimersAsync();
    expect([...standing]).toEqual([]);
    expect(said).toEqual([]);
    const [holder] = held;
    window.dispatchEvent(new Event("pagehide"));
    expect(said).toEqual([{ alerts: PAGE, holder }]);
    await vi.runAllTimersAsync();
    expect(held.size).toBe(0);
  });

  it("that are raised while the entry goes don't stay", async () => {
    permit("granted");
    const { standing } = screen();
    receive({ type: "entry", seq: 3, entry: entry(3, 3, { key_event: true }) });
    await extras.alert([idOf(3)]);
    receive({ type: "delete", seq: 4, id: idOf(3) });
    await vi.runAllTimersAsync();
    expect(standing.size).toBe(0);
  });

  it("that are the page's own say what the entry says now, and are closed by it, also once they took another's place", async () => {
    permit("granted");
    for (const number of [3, 4]) {
      receive({ type: "entry", seq: number, entry: entry(number, number, { key_event: true }) });
    }
    await extras.alert([idOf(3), idOf(4)]);
    await vi.runAllTimersAsync();
    expect(ownTexts()).toEqual(["Demo: Entry 3", "Demo: Entry 4"]);
    for (const [seq, heading] of [
      [5, "Edited"],
      [6, "Edited again"],
    ] as const) {
      receive({ type: "entry", seq, entry: entry(3, seq, { key_event: true, heading }) });
      await vi.runAllTimersAsync();
    }
    expect(ownTexts()).toEqual(["Demo: Entry 4", "Demo: Edited again"]);
    receive({ type: "delete", seq: 7, id: idOf(3) });
    await vi.runAllTimersAsync();
    expect(ownTexts()).toEqual(["Demo: Entry 4"]);
    window.dispatchEvent(new Event("pagehide"));
    expect(own.size).toBe(0);
  });

  it("aren't followed any more once they are gone", async () => {
    permit("granted");
    const { standing, worker } = screen();
    receive({ type: "entry", seq: 3, entry: entry(3, 3, { key_event: true }) });
    receive({ type: "entry", seq: 4, entry: entry(4, 4, { key_event: true }) });
    await extras.alert([idOf(3), idOf(4)]);
    await vi.runAllTimersAsync();
    // Put away by the reader; and no key event any more.
    standing.delete(idOf(3));
    const listen = vi.spyOn(window, "addEventListener");
    receive({ type: "entry", seq: 5, entry: entry(3, 5, { key_event: true }) });
    receive({ type: "entry", seq: 6, entry: entry(4, 6) });
    await vi.runAllTimersAsync();
    const ask = vi.fn(() => Promise.resolve([]));
    Object.assign(worker, { getNotifications: ask });
    receive({ type: "entry", seq: 7, entry: entry(3, 7, { key_event: true }) });
    receive({ type: "delete", seq: 8, id: idOf(4) });
    await vi.runAllTimersAsync();
    expect([ask.mock.calls.length, standing.size, listen.mock.calls.length]).toEqual([0, 0, 0]);
  });

  it("are waited for until the browser has taken them back, and no longer than it takes", async () => {
    permit("granted");
    const { standing, worker } = screen();
    receive({ type: "entry", seq: 3, entry: entry(3, 3, { key_event: true }) });
    await extras.alert([idOf(3)]);
    receive({ type: "delete", seq: 4, id: idOf(3) });
    let left: number | undefined;
    void extras.settled().then(() => (left = standing.size));
    await vi.advanceTimersByTimeAsync(5);
    expect(left).toBeUndefined();
    await vi.advanceTimersByTimeAsync(5);
    expect(left).toBe(0);
    receive({ type: "entry", seq: 5, entry: entry(5, 5, { key_event: true }) });
    await extras.alert([idOf(5)]);
    await vi.runAllTimersAsync();
    Object.assign(worker, { getNotifications: () => new Promise(() => undefined) });
    receive({ type: "delete", seq: 6, id: idOf(5) });
    let given = false;
    void extras.settled().then(() => (given = true));
    await vi.advanceTimersByTimeAsync(2_999);
    expect(given).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(given).toBe(true);
  });
});
