import { beforeEach, describe, expect, it, vi } from "vitest";

import type { Batch, Confirmation, Message } from "../../src/model/messages.js";
import { type Clock, Connection } from "../../src/stream/connection.js";
import { withHelloTimeout } from "../../src/stream/hello-timeout.js";
import type { Handlers, Opener } from "../../src/stream/transports.js";
import { TestClock } from "../samples.js";

const HELLO: Message = { type: "hello", epoch: "abc", seq: 2, resumed: true, heartbeat: 10 };

const HEARTBEAT: Message = { type: "heartbeat", seq: 2, viewers: 1 };

const BATCH: Batch = { epoch: "abc", seq: 2, events: [], more: false };

interface Attempt {
  transport: string;
  after: string;
  handlers: Handlers;
  closed: boolean;
  told: Confirmation[];
}

let clock: TestClock;
let attempts: Attempt[];
let statuses: string[];
let messages: Message[];
let position: string;
let connection: Connection;

function opener(transport: string): Opener {
  return (_api, after, handlers) => {
    const attempt = { transport, after: after(), handlers, closed: false, told: [] as Confirmation[] };
    attempts.push(attempt);
    return {
      confirm(gone): void {
        attempt.told.push(gone);
      },
      close(): void {
        attempt.closed = true;
      },
    };
  };
}

function last(): Attempt {
  const attempt = attempts.at(-1);
  if (attempt === undefined) {
    throw new Error("no attempt");
  }
  return attempt;
}

function tried(): string[] {
  return attempts.map((attempt) => attempt.transport);
}

beforeEach(() => {
  clock = new TestClock();
  attempts = [];
  statuses = [];
  messages = [];
  position = "abc-2";
  connection = new Connection({
    api: "https://live.example.org/api",
    position: () => position,
    message: (message) => messages.push(message),
    batch: () => undefined,
    status: (status) => statuses.push(status),
    clock,
    openers: [opener("ws"), opener("sse"), opener("poll")],
  });
  connection.start();
});

describe("connecting", () => {
  it("is live from hello on, and passes messages on", () => {
    expect(statuses).toEqual(["connecting"]);
    last().handlers.message(HELLO);
    last().handlers.message({ type: "heartbeat", seq: 2, viewers: 1 });
    expect(statuses).toEqual(["connecting", "live"]);
    expect(messages.map((message) => message.type)).toEqual(["hello", "heartbeat"]);
  });

  it("starts where the reader stands at that moment", () => {
    last().handlers.message(HELLO);
    position = "abc-7";
    last().handlers.end(1006);
    clock.advance(1_000);
    expect(attempts.map((attempt) => attempt.after)).toEqual(["abc-2", "abc-7"]);
  });

  it("gives up an attempt that says nothing", () => {
    clock.advance(15_000);
    expect(attempts[0]?.closed).toBe(true);
    clock.advance(1_000);
    expect(attempts).toHaveLength(2);
  });

  it("hears nothing more of an attempt that it gave up", () => {
    const first = last();
    first.handlers.message(HELLO);
    first.handlers.end(1006);
    clock.advance(1_000);
    first.handlers.message({ type: "heartbeat", seq: 9, viewers: 1 });
    first.handlers.end(4504);
    expect(messages).toHaveLength(1);
    expect(statuses.at(-1)).toBe("connecting");
  });
});

describe("back-off", () => {
  it("doubles from 1 to 15 seconds, with full jitter", () => {
    const waits: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      last().handlers.message(HELLO);
      const count = attempts.length;
      const ended = clock.time;
      last().handlers.end(1006);
      while (attempts.length === count) {
        clock.advance(500);
      }
      waits.push(clock.time - ended);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000]);
    clock.randomValue = 0;
    last().handlers.end(1006);
    clock.advance(0);
    expect(attempts).toHaveLength(10);
  });

  it("starts again after a connection that lived for five seconds from its hello", () => {
    for (const stable of [4_999, 5_000]) {
      last().handlers.message(HELLO);
      clock.advance(stable);
      last().handlers.end(1006);
      clock.advance(1_000);
    }
    expect(attempts).toHaveLength(3);
    last().handlers.message(HELLO);
    clock.advance(4_999);
    last().handlers.end(1006);
    clock.advance(1_999);
    expect(attempts).toHaveLength(3);
    clock.advance(1);
    expect(attempts).toHaveLength(4);
  });

  it("doesn't count the time before the hello", () => {
    for (let i = 0; i < 2; i += 1) {
      clock.advance(6_000);
      last().handlers.message(HELLO);
      last().handlers.end(1006);
      clock.advance(2_000);
    }
    last().handlers.end(1006);
    clock.advance(3_999);
    expect(attempts).toHaveLength(3);
    clock.advance(1);
    expect(attempts).toHaveLength(4);
  });

  it("stays as long as a server that goes away says, whatever else happens", () => {
    last().handlers.message(HELLO);
    last().handlers.message({ type: "reconnect", after_ms: 8_200 });
    connection.setVisible(true);
    connection.online();
    clock.advance(8_199);
    last().handlers.message(HEARTBEAT);
    expect(messages).toContain(HEARTBEAT);
    expect(attempts).toHaveLength(1);
    expect(attempts[0]?.closed).toBe(false);
    expect(statuses.at(-1)).toBe("live");
    clock.advance(1);
    expect(attempts[0]?.closed).toBe(true);
    expect(attempts).toHaveLength(2);
  });

  it("doesn't come back sooner to a server that goes away, even if it ends the connection", () => {
    last().handlers.message(HELLO);
    last().handlers.message({ type: "reconnect", after_ms: 8_200 });
    clock.advance(200);
    last().handlers.end(1012);
    connection.online();
    clock.advance(7_999);
    expect(attempts).toHaveLength(1);
    clock.advance(1);
    expect(attempts).toHaveLength(2);
    // What happens afterwards has nothing to do with that date.
    last().handlers.message(HELLO);
    connection.restart();
    expect(attempts).toHaveLength(3);
  });

  it("comes back at once when the connection ends at the server's date", () => {
    last().handlers.message(HELLO);
    last().handlers.message({ type: "reconnect", after_ms: 500 });
    clock.time += 500;
    last().handlers.end(1012);
    clock.advance(0);
    expect(attempts).toHaveLength(2);
  });
});

describe("close codes", () => {
  it.each([1000, 1001, 1006, 1012, 4000, 4001, 4499])("%i comes back", (code) => {
    last().handlers.message(HELLO);
    last().handlers.end(code);
    clock.advance(1_000);
    expect(attempts).toHaveLength(2);
  });

  it.each([4500, 4504, 4999])("%i doesn't", (code) => {
    last().handlers.end(code);
    expect(statuses.at(-1)).toBe("closed");
    connection.start();
    connection.online();
    connection.setVisible(true);
    clock.advance(600_000);
    expect(attempts).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });
});

describe("a server that has too much to do", () => {
  function next(): void {
    const count = attempts.length;
    while (attempts.length === count) {
      clock.advance(100);
    }
  }

  it("is polled at once where it has a stream too many", () => {
    last().handlers.end(null, 5_000);
    expect(tried()).toEqual(["ws", "poll"]);
    last().handlers.batch(BATCH);
    expect(statuses.at(-1)).toBe("live");
  });

  it("is asked for a stream again when it says, and later each time", () => {
    clock.randomValue = 0;
    const begun: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      last().handlers.end(1006);
      next();
      last().handlers.end(null, 30_000);
      expect(last().transport).toBe("poll");
      last().handlers.batch(BATCH);
      const polling = clock.time;
      next();
      expect(last().transport).toBe("ws");
      begun.push(Math.round((clock.time - polling) / 1_000));
      // From then on one failure of the WebSocket is enough.
    }
    expect(begun).toEqual([30, 60, 120, 120, 120]);
    last().handlers.message(HELLO);
    last().handlers.end(1006);
    next();
    last().handlers.end(null, 30_000);
    last().handlers.batch(BATCH);
    const polling = clock.time;
    next();
    expect(Math.round((clock.time - polling) / 1_000)).toBe(30);
  });

  it("is left alone for as long as it asks where even polls are too many, and longer each time", () => {
    last().handlers.end(null, 5_000);
    last().handlers.end(null, 5_000);
    clock.advance(5_000);
    connection.setVisible(true);
    connection.restart();
    expect(attempts).toHaveLength(2);
    clock.advance(1_000);
    expect(attempts).toHaveLength(3);
    last().handlers.end(null, 5_000);
    clock.advance(6_999);
    expect(attempts).toHaveLength(3);
    clock.advance(1);
    expect(tried()).toEqual(["ws", "poll", "poll", "poll"]);
  });
});

describe("falling back", () => {
  function fail(times: number): void {
    for (let i = 0; i < times; i += 1) {
      last().handlers.end(1006);
      clock.advance(30_000 / 2);
      clock.advance(0);
    }
  }

  it("goes from WebSocket to SSE to polling, each after two failures before hello", () => {
    clock.randomValue = 0.1;
    for (let i = 0; i < 5; i += 1) {
      const count = attempts.length;
      last().handlers.end(1006);
      while (attempts.length === count) {
        clock.advance(100);
      }
    }
    expect(tried()).toEqual(["ws", "ws", "sse", "sse", "poll", "ws"]);
  });

  it("stays with a transport that had said hello", () => {
    for (let i = 0; i < 4; i += 1) {
      last().handlers.message(HELLO);
      fail(1);
    }
    expect(new Set(tried())).toEqual(new Set(["ws"]));
  });

  it("bears with a transport that has worked before: the server is restarting, not the network refusing", () => {
    clock.randomValue = 0.1;
    last().handlers.message(HELLO);
    const attempt = (): void => {
      const count = attempts.length;
      last().handlers.end(1006);
      while (attempts.length === count) {
        clock.advance(100);
      }
    };
    for (let i = 0; i < 6; i += 1) {
      attempt();
    }
    expect(new Set(tried())).toEqual(new Set(["ws"]));
    attempt();
    expect(last().transport).toBe("sse");
  });

  it("tries the WebSocket again after some minutes, and goes back at its first failure", () => {
    clock.randomValue = 0;
    last().handlers.end(1006);
    clock.advance(0);
    last().handlers.end(1006);
    clock.advance(0);
    last().handlers.message(HELLO);
    for (let i = 0; i < 12; i += 1) {
      clock.advance(9_900);
      last().handlers.message({ type: "heartbeat", seq: 2, viewers: 1 });
    }
    clock.advance(1_200);
    expect(tried()).toEqual(["ws", "ws", "sse", "ws"]);
    last().handlers.end(1006);
    clock.advance(0);
    expect(tried().at(-1)).toBe("sse");
  });

  it("does so too where a transport can't even be constructed", () => {
    const used: string[] = [];
    const refused: Opener = () => {
      used.push("ws");
      throw new Error("refused");
    };
    const other = new Connection({
      api: "",
      position: () => "abc-2",
      message: () => undefined,
      batch: () => undefined,
      status: () => undefined,
      clock,
      openers: [refused, opener("sse")],
    });
    other.start();
    clock.advance(3_000);
    expect(used).toEqual(["ws", "ws"]);
    expect(last().transport).toBe("sse");
  });

  it("polls five seconds after the opening of an event stream that a proxy holds back", () => {
    vi.useFakeTimers();
    const system: Clock = {
      now: () => Date.now(),
      random: () => 0,
      setTimeout: (callback, ms) => window.setTimeout(callback, ms),
      clearTimeout: (id) => {
        window.clearTimeout(id);
      },
    };
    attempts = [];
    const other = new Connection({
      api: "",
      position: () => "abc-2",
      message: () => undefined,
      batch: () => undefined,
      status: () => undefined,
      clock: system,
      openers: [opener("ws"), withHelloTimeout(opener("sse")), opener("poll")],
    });
    other.start();
    for (let i = 0; i < 2; i += 1) {
      last().handlers.end(1006);
      vi.advanceTimersByTime(0);
    }
    vi.advanceTimersByTime(4_999);
    expect(tried()).toEqual(["ws", "ws", "sse"]);
    vi.advanceTimersByTime(1);
    expect(tried()).toEqual(["ws", "ws", "sse", "poll"]);
    expect(attempts[2]?.closed).toBe(true);
    last().handlers.batch(BATCH);
    vi.advanceTimersByTime(119_999);
    expect(attempts).toHaveLength(4);
    vi.advanceTimersByTime(1);
    expect(last().transport).toBe("ws");
    other.suspend();
    vi.useRealTimers();
  });

  it("is live by polling from the first answer on", () => {
    clock.randomValue = 0;
    for (let i = 0; i < 4; i += 1) {
      last().handlers.end(null);
      clock.advance(0);
    }
    last().handlers.batch({ reset: false, epoch: "abc", seq: 2, events: [], more: false });
    expect(last().transport).toBe("poll");
    expect(statuses.at(-1)).toBe("live");
  });
});

describe("the watchdog", () => {
  it("takes 2.5 silent heartbeats for a dead connection", () => {
    last().handlers.message(HELLO);
    clock.advance(24_000);
    last().handlers.message({ type: "heartbeat", seq: 2, viewers: 1 });
    clock.advance(24_999);
    expect(attempts[0]?.closed).toBe(false);
    clock.advance(1);
    expect(attempts[0]?.closed).toBe(true);
  });

  it("rests while the page is hidden, and checks when it is shown again", () => {
    last().handlers.message(HELLO);
    connection.setVisible(false);
    last().handlers.message({ type: "heartbeat", seq: 2, viewers: 1 });
    clock.advance(600_000);
    expect(attempts).toHaveLength(1);
    connection.setVisible(true);
    expect(attempts).toHaveLength(2);
  });

  it("lets a connection be that was heard of lately", () => {
    last().handlers.message(HELLO);
    connection.setVisible(false);
    clock.advance(5_000);
    connection.setVisible(true);
    expect(attempts).toHaveLength(1);
    clock.advance(25_000);
    expect(attempts[0]?.closed).toBe(true);
  });
});

describe("the page", () => {
  it("holds no connection and no timer while it is away", () => {
    last().handlers.message(HELLO);
    connection.suspend();
    expect(attempts[0]?.closed).toBe(true);
    expect(clock.pending).toBe(0);
    position = "abc-3";
    connection.start();
    expect(last().after).toBe("abc-3");
  });

  it("connects at once when the network is back", () => {
    last().handlers.message(HELLO);
    connection.offline();
    expect(statuses.at(-1)).toBe("offline");
    last().handlers.end(1006);
    connection.online();
    expect(attempts).toHaveLength(2);
  });
});

describe("confirming a deletion", () => {
  it("goes by the link that there is, and not without one", () => {
    const gone = { id: "a", had: true };
    connection.confirm(gone);
    expect(last().told).toEqual([gone]);
    connection.suspend();
    connection.confirm(gone);
    expect(attempts.flatMap((attempt) => attempt.told)).toEqual([gone]);
  });
});
