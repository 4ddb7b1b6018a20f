import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Confirmation, Message } from "../../src/model/messages.js";
import type { Outcome } from "../../src/model/outcome.js";
import type { Timeline } from "../../src/model/timeline.js";
import { LiveSession, type SessionOptions } from "../../src/stream/live-session.js";
import type { Repair, RepairParts } from "../../src/stream/repair.js";
import type { Handlers } from "../../src/stream/transports.js";
import { entry, idOf, TestClock, timeline } from "../samples.js";

const HELLO: Message = { type: "hello", epoch: "abc", seq: 2, resumed: true, heartbeat: 10 };

let clock: TestClock;
let line: Timeline;
let outcomes: Outcome[];
let opened: { after: string; handlers: Handlers; closed: boolean }[];
let confirmed: Confirmation[];
let requests: unknown[];
let repairs: number;
let turns: number;
let session: LiveSession;

class FakeRepair {
  constructor(of: LiveSession, parts: RepairParts) {
    expect([of, parts]).toEqual([session, PARTS]);
    repairs += 1;
  }

  request(effects: unknown): void {
    requests.push(effects);
  }
}

const PARTS = { Repair: FakeRepair as unknown as typeof Repair, startAfresh: () => undefined };

function begin(options: Partial<SessionOptions> = {}): void {
  session = new LiveSession({
    api: "https://live.example.org/api",
    timeline: line,
    status: () => undefined,
    show: (outcome) => outcomes.push(outcome),
    turned: () => (turns += 1),
    loadRepair: () => Promise.resolve(PARTS),
    clock,
    openers: [
      (_api, after, handlers) => {
        const attempt = { after: after(), handlers, closed: false };
        opened.push(attempt);
        return {
          confirm: (confirmation) => confirmed.push(confirmation),
          close(): void {
            attempt.closed = true;
          },
        };
      },
    ],
    ...options,
  });
  session.start();
  receive(HELLO);
}

function receive(message: Message): void {
  opened.at(-1)?.handlers.message(message);
}

function put(number: number): void {
  receive({ type: "entry", seq: number, entry: entry(number, number) });
}

/** Lets that many milliseconds pass, and what waits for a promise go on. */
async function pass(ms = 0): Promise<void> {
  clock.advance(ms);
  for (let i = 0; i < 10; i += 1) {
    await Promise.resolve();
  }
}

function seen(state: "visible" | "hidden"): void {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(state);
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}

beforeEach(() => {
  clock = new TestClock();
  line = timeline();
  [outcomes, opened, confirmed, requests, repairs, turns] = [[], [], [], [], 0, 0];
});

afterEach(() => {
  session.suspend();
});

describe("the stream", () => {
  it("goes into the timeline, and is shown", () => {
    begin();
    put(3);
    expect(outcomes.at(-1)?.added).toEqual([idOf(3)]);
    opened[0]?.handlers.batch({
      epoch: "abc",
      seq: 4,
      events: [{ type: "entry", seq: 4, entry: entry(4, 4) }],
      more: false,
    });
    expect(outcomes.at(-1)?.added).toEqual([idOf(4)]);
    expect(line.position).toBe("abc-4");
  });

  it("is opened again where the timeline has got to", () => {
    begin();
    put(3);
    session.suspend();
    session.start();
    expect(opened.map(({ after, closed }) => [after, closed])).toEqual([
      ["abc-2", true],
      ["abc-3", false],
    ]);
  });
});

describe("the window", () => {
  it("puts the session to rest with the page, and wakes it with it", () => {
    begin();
    window.dispatchEvent(new Event("pagehide"));
    expect(opened[0]?.closed).toBe(true);
    window.dispatchEvent(new Event("pageshow"));
    expect(opened).toHaveLength(2);
  });

  it("tells that the network is back, or gone", () => {
    const statuses: string[] = [];
    begin({ status: (status) => statuses.push(status) });
    window.dispatchEvent(new Event("offline"));
    expect(statuses.at(-1)).toBe("offline");
    window.dispatchEvent(new Event("online"));
    expect(opened).toHaveLength(2);
  });

  it("has no deadline while it is hidden", () => {
    begin();
    seen("hidden");
    clock.advance(60_000);
    expect([opened.length, turns]).toEqual([1, 1]);
    seen("visible");
    expect([opened.length, turns]).toEqual([2, 2]);
  });

  it("is not listened to while the session is suspended", () => {
    begin();
    session.suspend();
    window.dispatchEvent(new Event("pageshow"));
    window.dispatchEvent(new Event("online"));
    expect(opened).toHaveLength(1);
  });
});

describe("a gap", () => {
  it("is left to a repair, whose code is loaded once it is needed", async () => {
    begin();
    await pass();
    expect(repairs).toBe(0);
    put(5);
    await pass();
    expect([repairs, requests]).toEqual([1, [["resync"]]]);
    line.applyBatch({ epoch: "abc", seq: 5, events: [], more: false });
    put(9);
    await pass();
    expect([repairs, requests]).toEqual([1, [["resync"], ["resync"]]]);
  });

  it("is not for a page without that code: it is read anew", async () => {
    const reload = vi.fn();
    begin({ loadRepair: () => Promise.reject(new Error("gone")), reload });
    put(5);
    await pass();
    expect([reload.mock.calls.length, requests]).toEqual([1, []]);
  });
});

describe("a deletion", () => {
  const had = (number: number): Confirmation => ({ id: idOf(number), had: true });

  it("is confirmed at some moment within the time that the server gives, if it asks for that", async () => {
    begin();
    clock.randomValue = 0.5;
    receive({ type: "delete", seq: 3, id: idOf(1) });
    receive({ type: "delete", seq: 4, id: idOf(2), confirm: { within: 4_000 } });
    await pass(1_999);
    expect(confirmed).toEqual([]);
    await pass(1);
    expect(confirmed).toEqual([had(2)]);
  });

  it("is shown before it is confirmed, and confirmed once nothing shows the entry", async () => {
    let hide: (() => void) | undefined;
    const asked: string[] = [];
    begin({
      hidden: (id) => {
        asked.push(id);
        return new Promise((resolve) => {
          hide = resolve;
        });
      },
    });
    receive({ type: "delete", seq: 3, id: idOf(1), confirm: { within: 1_000 } });
    expect(outcomes.at(-1)?.gone).toEqual([{ ...had(1), within: 1_000 }]);
    await pass(1_000);
    expect([asked, confirmed]).toEqual([[idOf(1)], []]);
    hide?.();
    await pass();
    expect(confirmed).toEqual([had(1)]);
  });

  it("goes by the connection that there is by then", async () => {
    begin();
    receive({ type: "delete", seq: 3, id: idOf(9), confirm: { within: 1_000 } });
    session.suspend();
    await pass(1_000);
    expect(confirmed).toEqual([]);
    session.start();
    await pass();
    expect(confirmed).toEqual([{ id: idOf(9), had: false }]);
  });
});

describe("what is to be done within a time", () => {
  it("waits while the session is suspended", () => {
    begin();
    const done: string[] = [];
    session.within(100, () => done.push("a"));
    clock.advance(100);
    expect(done).toEqual(["a"]);
    session.within(100, () => done.push("b"));
    session.suspend();
    clock.advance(100);
    expect(done).toEqual(["a"]);
    session.start();
    expect(done).toEqual(["a", "b"]);
    session.suspend();
    session.start();
    expect(done).toEqual(["a", "b"]);
  });
});
