import { beforeEach, describe, expect, it, vi } from "vitest";

import { switchAlerts } from "../../src/reader/key-event-alerts.js";
import { Mentions } from "../../src/reader/mentions.js";
import { Toasts } from "../../src/reader/toasts.js";
import { entry, idOf } from "../samples.js";
import { PAGE, texts, memory, line, deferred, get, press, receive } from "./page.js";

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
    await deferred.alert([idOf(3), idOf(4)]);
    await vi.runAllTimersAsync();
    expect(raised).toEqual(["Demo: Entry 3"]);
    permit("denied");
    await deferred.alert([idOf(3)]);
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
    await deferred.alert([idOf(3), idOf(4), idOf(5)]);
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
    await deferred.alert([idOf(3)]);
    receive({ type: "delete", seq: 4, id: idOf(3) });
    await vi.runAllTimersAsync();
    expect(standing.size).toBe(0);
  });

  it("that are the page's own say what the entry says now, and are closed by it, also once they took another's place", async () => {
    permit("granted");
    for (const number of [3, 4]) {
      receive({ type: "entry", seq: number, entry: entry(number, number, { key_event: true }) });
    }
    await deferred.alert([idOf(3), idOf(4)]);
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
    await deferred.alert([idOf(3), idOf(4)]);
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

  it("are raised no more once they are over, whatever another tab shows of the entry just then", async () => {
    permit("granted");
    const { standing, worker } = screen();
    receive({ type: "entry", seq: 3, entry: entry(3, 3, { key_event: true }) });
    await deferred.alert([idOf(3)]);
    await vi.runAllTimersAsync();
    const others = { close: () => standing.set(idOf(3), "The other tab's") };
    Object.assign(worker, { getNotifications: () => Promise.resolve([others]) });
    receive({ type: "entry", seq: 4, entry: entry(3, 4) });
    receive({ type: "entry", seq: 5, entry: entry(3, 5, { key_event: true }) });
    await vi.runAllTimersAsync();
    expect([...standing.values()]).toEqual(["The other tab's"]);
  });

  it("are waited for until the browser has taken them back, and no longer than it takes", async () => {
    permit("granted");
    const { standing, worker } = screen();
    receive({ type: "entry", seq: 3, entry: entry(3, 3, { key_event: true }) });
    await deferred.alert([idOf(3)]);
    receive({ type: "delete", seq: 4, id: idOf(3) });
    let left: number | undefined;
    void deferred.settled().then(() => (left = standing.size));
    await vi.advanceTimersByTimeAsync(5);
    expect(left).toBeUndefined();
    await vi.advanceTimersByTimeAsync(5);
    expect(left).toBe(0);
    receive({ type: "entry", seq: 5, entry: entry(5, 5, { key_event: true }) });
    await deferred.alert([idOf(5)]);
    await vi.runAllTimersAsync();
    Object.assign(worker, { getNotifications: () => new Promise(() => undefined) });
    receive({ type: "delete", seq: 6, id: idOf(5) });
    let given = false;
    void deferred.settled().then(() => (given = true));
    await vi.advanceTimersByTimeAsync(2_999);
    expect(given).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(given).toBe(true);
  });
});
