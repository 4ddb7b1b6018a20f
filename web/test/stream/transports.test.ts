import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Batch, Message } from "../../src/model/messages.js";
import { withHelloTimeout } from "../../src/stream/hello-timeout.js";
import { openPolling } from "../../src/stream/polling.js";
import { openEventSource } from "../../src/stream/shared-event-source.js";
import { fetchJson, type Handlers, openLazily, openWebSocket } from "../../src/stream/transports.js";

const API = "https://live.example.org/api/v1/liveblogs/demo";
const HEARTBEAT = '{"type":"heartbeat","seq":2,"viewers":1}';

let heard: Message[];
let batches: Batch[];
let ends: (number | null)[];
let handlers: Handlers;

class FakeStream {
  static latest: FakeStream;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  readyState = 1;
  readonly OPEN = 1;
  readonly url: string;

  constructor(url: string | URL) {
    this.url = String(url);
    FakeStream.latest = this;
  }

  sent: string[] = [];

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.closed = true;
  }
}

beforeEach(() => {
  heard = [];
  batches = [];
  ends = [];
  handlers = {
    message: (message) => heard.push(message),
    batch: (batch) => batches.push(batch),
    end: (code) => ends.push(code),
  };
  vi.stubGlobal("WebSocket", FakeStream);
  vi.stubGlobal("EventSource", FakeStream);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("WebSocket", () => {
  it("speaks wss to an https server, after the position", () => {
    openWebSocket(API, () => "abc-2", handlers);
    expect(FakeStream.latest.url).toBe("wss://live.example.org/api/v1/liveblogs/demo/ws?after=abc-2");
    openWebSocket(API.replace("https", "http"), () => "abc-2", handlers);
    expect(FakeStream.latest.url).toMatch(/^ws:/);
  });

  it("passes messages and the close code on, and drops what is no message", () => {
    openWebSocket(API, () => "abc-2", handlers);
    FakeStream.latest.onmessage?.({ data: HEARTBEAT });
    FakeStream.latest.onmessage?.({ data: "nonsense" });
    FakeStream.latest.onmessage?.({ data: new ArrayBuffer(3) });
    FakeStream.latest.onclose?.({ code: 4504 });
    expect(heard).toHaveLength(1);
    expect(ends).toEqual([4504]);
  });

  it("is silent once closed", () => {
    openWebSocket(API, () => "abc-2", handlers).close();
    expect(FakeStream.latest).toMatchObject({ closed: true, onmessage: null, onclose: null });
  });
});

describe("SSE", () => {
  it("ends at the first error instead of reconnecting by itself", () => {
    openEventSource(API, () => "abc-2", handlers);
    expect(FakeStream.latest.url).toBe(`${API}/events?after=abc-2`);
    FakeStream.latest.onmessage?.({ data: HEARTBEAT });
    FakeStream.latest.onerror?.();
    expect(heard).toHaveLength(1);
    expect(ends).toEqual([null]);
    expect(FakeStream.latest.closed).toBe(true);
  });

  it.each([
    [403, 4503],
    [404, 4503],
    [503, null],
  ])("asks why it was refused: %i ends with %s", async (status, code) => {
    vi.stubGlobal("fetch", () => Promise.resolve({ ok: false, status }));
    openEventSource(API, () => "abc-2", handlers);
    FakeStream.latest.readyState = 2;
    FakeStream.latest.onerror?.();
    expect(ends).toEqual([]);
    await vi.waitFor(() => {
      expect(ends).toEqual([code]);
    });
  });

  it("is silent once closed, whatever the answer", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve({ ok: false, status: 403 }));
    const link = openEventSource(API, () => "abc-2", handlers);
    FakeStream.latest.readyState = 2;
    FakeStream.latest.onerror?.();
    link.close();
    await new Promise((resolve) => setTimeout(resolve));
    expect(ends).toEqual([]);
  });
});

describe("a stream that is to say something soon", () => {
  const open = withHelloTimeout(openEventSource);

  beforeEach(() => {
    vi.useFakeTimers();
  });

  it("ends where it doesn't, and isn't tried again for a while", () => {
    const end = vi.fn();
    open(API, () => "abc-2", { ...handlers, end });
    vi.advanceTimersByTime(4_999);
    expect(end).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(end.mock.calls).toEqual([[null, 120_000]]);
    expect(FakeStream.latest).toMatchObject({ closed: true, onmessage: null });
  });

  it("may be silent afterwards, ends by itself, or is closed", () => {
    open(API, () => "abc-2", handlers);
    FakeStream.latest.onmessage?.({ data: HEARTBEAT });
    vi.advanceTimersByTime(60_000);
    expect([heard.length, ends]).toEqual([1, []]);
    open(API, () => "abc-2", handlers);
    FakeStream.latest.onerror?.();
    open(API, () => "abc-2", handlers).close();
    vi.advanceTimersByTime(60_000);
    expect(ends).toEqual([null]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a transport whose code is loaded when it is needed", () => {
  it("opens once it is there, closes before or after, and ends if it can't be loaded", async () => {
    const load = openLazily(() => Promise.resolve(openEventSource));
    const link = load(API, () => "abc-2", handlers);
    await Promise.resolve();
    await Promise.resolve();
    expect(FakeStream.latest.url).toBe(`${API}/events?after=abc-2`);
    link.close();
    expect(FakeStream.latest.closed).toBe(true);
    const before = FakeStream.latest;
    load(API, () => "abc-3", handlers).close();
    openLazily(() => Promise.reject(new TypeError("no network")))(API, () => "abc-2", handlers);
    await vi.waitFor(() => {
      expect(ends).toEqual([null]);
    });
    expect(FakeStream.latest).toBe(before);
  });
});

it("an answer that is none names what was refused", async () => {
  vi.stubGlobal("fetch", () => Promise.resolve({ ok: false, status: 503 }));
  await expect(fetchJson(API, "snapshot")).rejects.toThrow("503 from");
});

describe("confirming a deletion", () => {
  const gone = { id: "a", had: true };
  let posted: { url: string; body: Record<string, unknown>; init: RequestInit }[];

  beforeEach(() => {
    posted = [];
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
      if (init.method === "POST") {
        posted.push({ url, body: JSON.parse(init.body as string) as Record<string, unknown>, init });
      }
      return Promise.reject(new TypeError("offline"));
    });
  });

  it("is a message on the WebSocket", () => {
    openWebSocket(API, () => "abc-2", handlers).confirm(gone);
    expect(FakeStream.latest.sent).toEqual(['{"type":"gone","id":"a","had":true}']);
  });

  it("is a post by the viewer that the stream's hello names, and needs no preflight", () => {
    const link = openEventSource(API, () => "abc-2", handlers);
    FakeStream.latest.onmessage?.({
      data: '{"type":"hello","epoch":"abc","seq":2,"resumed":true,"heartbeat":25,"viewer":"w"}',
    });
    FakeStream.latest.onmessage?.({ data: '{"type":"hello","epoch":"abc","seq":2,"resumed":true,"heartbeat":25}' });
    link.confirm(gone);
    expect(heard).toHaveLength(2);
    expect(posted.map(({ url, body }) => ({ url, body }))).toEqual([
      { url: `${API}/gone`, body: { id: "a", had: true, viewer: "w" } },
    ]);
    expect(posted[0]?.init.headers).toBeUndefined();
  });

  it("is a post by a word of one's own where one polls", () => {
    const link = openPolling(API, () => "abc-2", handlers);
    link.confirm(gone);
    link.confirm({ id: "b", had: false });
    expect(posted.map(({ body }) => [body.id, body.had])).toEqual([
      ["a", true],
      ["b", false],
    ]);
    expect(posted[0]?.body.viewer).toMatch(/^[a-z0-9]{5,}$/);
    expect(posted[0]?.body.viewer).not.toBe(posted[1]?.body.viewer);
    link.close();
  });

  it("goes by the transport that was loaded, and is lost before", async () => {
    const told: unknown[] = [];
    const link = openLazily(() =>
      Promise.resolve(() => ({ confirm: (word) => told.push(word), close: () => undefined })),
    )(API, () => "abc-2", handlers);
    link.confirm(gone);
    await Promise.resolve();
    await Promise.resolve();
    link.confirm(gone);
    expect(told).toEqual([gone]);
  });
});
