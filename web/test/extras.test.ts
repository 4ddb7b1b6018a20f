import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { switchAlerts } from "../src/alerts.js";
import { alertReader, click, Notices, tellCorrection } from "../src/extras.js";
import { Memory } from "../src/memory.js";
import { Texts } from "../src/texts.js";
import { entry, idOf, TEXTS, timeline } from "./samples.js";

const texts = new Texts(TEXTS);
const memory = new Memory("https://live.example.org/api/v1/liveblogs/demo");

function get(selector: string): HTMLElement {
  const element = document.querySelector<HTMLElement>(selector);
  if (element === null) {
    throw new Error(`no ${selector}`);
  }
  return element;
}

function press(selector: string): Promise<void> {
  return click(get(selector), { api: "", only: null, texts, memory, timeline: timeline(), add: () => undefined });
}

beforeEach(() => {
  vi.useFakeTimers();
  memory.alerts = false;
  document.body.innerHTML = `<div data-notices></div><h1 data-liveblog-title>Demo</h1>
    <article id="entry-1" data-title="Title"><a class="entry-time" href="https://live.example.org/1">9:00</a>
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

describe("notices", () => {
  it("stay until they are closed, and are added to", () => {
    const notices = new Notices(texts, "fr");
    tellCorrection(get("article"), get(".corrections li"), texts, notices);
    tellCorrection(get("article"), get(".corrections li"), texts, notices);
    expect(document.querySelectorAll(".card")).toHaveLength(1);
    expect([...get(".card").querySelectorAll("p")].map((line) => line.textContent)).toEqual([
      "Corrigé",
      "Title – 8 and not 12",
      "Title – 8 and not 12",
    ]);
    expect(get(".card a").getAttribute("href")).toBe("#entry-1");
    expect(get(".card bdi").lang).toBe("fr");
    get(".close").click();
    expect(document.querySelector(".card")).toBeNull();
  });

  it("that are brief go by themselves", () => {
    new Notices(texts, "fr").tell("Done");
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

describe("embeds", () => {
  it("say what is agreed to, then open in the link's place", async () => {
    await press(".embed-link");
    await press(".embed-link");
    expect(document.querySelectorAll(".embed-offer")).toHaveLength(1);
    expect(get(".embed-offer").textContent).toBe("Show They will know.");
    expect(document.querySelector("iframe")).toBeNull();
    get(".embed-offer button").click();
    const frame = get("iframe") as HTMLIFrameElement;
    expect([frame.title, frame.getAttribute("src"), frame.style.aspectRatio]).toEqual(["A film", "https://video.invalid/1", "16 / 9"]);
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
        vi.fn(function (this: object, title: string, options: NotificationOptions) {
          raised.push(`${title}: ${options.body ?? ""}`);
        }),
        { permission, requestPermission: () => Promise.resolve(permission) },
      ),
    );
    vi.stubGlobal("navigator", { serviceWorker: { getRegistration: () => Promise.resolve(undefined) } });
  }
  let raised: string[];

  beforeEach(() => {
    raised = [];
  });

  it("are switched on by a click that the browser agrees to, and off by another", async () => {
    permit("granted");
    await press("[data-alerts]");
    expect([memory.alerts, get("[data-alerts]").getAttribute("aria-pressed")]).toEqual([true, "true"]);
    await press("[data-alerts]");
    expect([memory.alerts, get("[data-alerts]").getAttribute("aria-pressed")]).toEqual([false, "false"]);
  });

  it("stay off where the browser forbids them, and the reader is told", async () => {
    permit("denied");
    await switchAlerts(get("[data-alerts]"), memory, texts, new Notices(texts, "fr"));
    expect(memory.alerts).toBe(false);
    expect(get(".card").textContent).toBe("Bloqué");
  });

  it("tell of key events that are new", async () => {
    permit("granted");
    const line = timeline();
    line.receive({ type: "entry", seq: 3, entry: entry(3, 3, { key_event: true }) });
    line.receive({ type: "entry", seq: 4, entry: entry(4, 4) });
    await alertReader(line, [idOf(3), idOf(4)]);
    expect(raised).toEqual(["Demo: Entry 3"]);
    permit("denied");
    await alertReader(line, [idOf(3)]);
    expect(raised).toHaveLength(1);
  });
});
