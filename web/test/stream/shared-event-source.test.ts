import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { Message } from "../../src/model/messages.js";
import { openSharedEvents } from "../../src/stream/shared-event-source.js";
import type { Link } from "../../src/stream/transports.js";

const API = "https://live.example.org/api/v1/liveblogs/demo";
const HELLO = '{"type":"hello","epoch":"abc","seq":2,"resumed":true,"heartbeat":25}';

let streams: FakeStream[];
let channels: FakeChannel[];
let queue: { run: () => void; signal: AbortSignal }[];
let held: boolean;

class FakeStream {
  readyState = 0;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  constructor(readonly url: string) {
    streams.push(this);
  }
  close(): void {
    this.closed = true;
  }
}

class FakeChannel {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  constructor() {
    channels.push(this);
  }
  postMessage(data: unknown): void {
    for (const other of channels) {
      if (other !== this) {
        other.onmessage?.({ data: structuredClone(data) });
      }
    }
  }
  close(): void {
    channels = channels.filter((other) => other !== this);
  }
}

/** One lock: the tab that asks first has it, the others wait in a queue. */
function request(
  _name: string,
  { signal }: { signal: AbortSignal },
  callback: () => Promise<void> | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const run = (): void => {
      held = true;
      void Promise.resolve(callback()).then(() => {
        held = false;
        resolve();
        next();
      });
    };
    signal.addEventListener("abort", () => {
      reject(new DOMException("no", "AbortError"));
    });
    queue.push({ run, signal });
    next();
  });
}

function next(): void {
  if (!held) {
    queue = queue.filter(({ signal }) => !signal.aborted);
    queue.shift()?.run();
  }
}

interface Tab {
  link: Link;
  heard: Message[];
  ends: (number | null)[];
  waits: (number | undefined)[];
}

function open(after = "abc-2"): Tab {
  const heard: Message[] = [];
  const ends: (number | null)[] = [];
  const waits: (number | undefined)[] = [];
  const link = openSharedEvents(API, () => after, {
    message: (message) => heard.push(message),
    batch: () => undefined,
    end: (code, wait) => {
      ends.push(code);
      waits.push(wait);
    },
  });
  return { link, heard, ends, waits };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await Promise.resolve();
  }
}

beforeEach(() => {
  streams = [];
  channels = [];
  queue = [];
  held = false;
  vi.stubGlobal("EventSource", FakeStream);
  vi.stubGlobal("BroadcastChannel", FakeChannel);
  vi.stubGlobal("navigator", { locks: { request } });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

it("one tab has the stream, and all hear of it", () => {
  const [first, second] = [open(), open("abc-1")];
  streams[0]?.onmessage?.({ data: HELLO });
  expect(streams.map((stream) => stream.url)).toEqual([`${API}/events?after=abc-2`]);
  expect([first.heard, second.heard].map((heard) => heard.map((message) => message.type))).toEqual([
    ["hello"],
    ["hello"],
  ]);
});

it("a tab that joins late is told how far the stream has got, and so asks for what it lacks", () => {
  open();
  streams[0]?.onmessage?.({ data: HELLO });
  streams[0]?.onmessage?.({ data: '{"type":"delete","seq":3,"id":"x"}' });
  const late = open("abc-1");
  expect(late.heard).toEqual([JSON.parse(HELLO), { type: "heartbeat", seq: 3, viewers: 0 }]);
});

it("another takes over where the first leaves, or fails", async () => {
  const [first, second, third] = [open(), open("abc-5"), open("abc-6")];
  first.link.close();
  await settle();
  expect(streams.map((stream) => [stream.url.split("=")[1], stream.closed])).toEqual([
    ["abc-2", true],
    ["abc-5", false],
  ]);
  streams[1]?.onerror?.();
  await settle();
  expect([second.ends, third.ends]).toEqual([[null], []]);
  expect(streams[2]?.url).toMatch(/abc-6$/);
});

it("asks why a stream was refused, as a browser doesn't tell", async () => {
  const asked: [string, boolean][] = [];
  let answer: () => Promise<Response> = () => Promise.reject(new TypeError("no network"));
  let signal: AbortSignal | null | undefined;
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    signal = init.signal;
    asked.push([url, signal?.aborted === true]);
    return answer();
  });
  const refused = (status: number): (() => Promise<Response>) => {
    return () => Promise.resolve(new Response(null, { status, headers: { "Retry-After": "10" } }));
  };
  const told: [number | null | undefined, number | undefined][] = [];
  for (const next of [answer, refused(429), refused(403), refused(503), refused(200)]) {
    answer = next;
    const tab = open();
    const stream = streams.at(-1);
    expect(stream).toBeDefined();
    Object.assign(stream ?? {}, { readyState: 2 });
    stream?.onerror?.();
    await vi.waitFor(() => {
      expect(tab.ends).toHaveLength(1);
    });
    told.push([tab.ends[0], tab.waits[0]]);
    // What has begun after all is ended.
    expect(signal?.aborted).toBe(true);
  }
  expect(told).toEqual([
    [null, 0],
    [null, 10_000],
    [4503, 0],
    [null, 0],
    [null, 0],
  ]);
  expect(asked).toEqual(told.map(() => [`${API}/events?after=abc-2`, false]));
});

it("a tab that left while it waited takes nothing over", async () => {
  const [first, second] = [open(), open()];
  second.link.close();
  first.link.close();
  await settle();
  expect([streams.length, channels.length]).toEqual([1, 0]);
});

it("is a stream of its own where the browser has no locks", () => {
  vi.stubGlobal("navigator", {});
  open();
  open();
  expect(streams).toHaveLength(2);
});

it("confirms a deletion for every tab: the stream's viewer for the one that reads it, a word of their own for the others", () => {
  const posted: Record<string, unknown>[] = [];
  vi.stubGlobal("fetch", (_url: string, init: RequestInit) => {
    posted.push(JSON.parse(init.body as string) as Record<string, unknown>);
    return Promise.resolve();
  });
  const [first, second] = [open(), open()];
  streams[0]?.onmessage?.({ data: HELLO.replace("}", ',"viewer":"w"}') });
  first.link.confirm({ id: "a", had: true });
  second.link.confirm({ id: "a", had: false });
  expect(posted.map(({ had }) => had)).toEqual([true, false]);
  expect(posted[0]?.viewer).toBe("w");
  expect(posted[1]?.viewer).not.toBe("w");
});
