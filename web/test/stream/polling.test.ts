import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { Batch } from "../../src/model/messages.js";
import { openPolling } from "../../src/stream/polling.js";
import type { Handlers } from "../../src/stream/transports.js";

const API = "https://live.example.org/api/v1/liveblogs/demo";

let batches: Batch[];
let ends: (number | null)[];

const handlers: Handlers = {
  message: () => undefined,
  batch: (batch) => batches.push(batch),
  end: (code) => ends.push(code),
};

const empty = { epoch: "abc", seq: 4, events: [], more: false };
let asked: string[];
let answers: unknown[];

beforeEach(() => {
  vi.useFakeTimers();
  batches = [];
  ends = [];
  asked = [];
  answers = [];
  vi.stubGlobal("fetch", (url: string, options: RequestInit) => {
    asked.push(url.replace(API, ""));
    expect(options.cache).toBe("no-cache");
    const answer = answers.shift();
    return Promise.resolve({ ok: answer !== undefined, status: 503, json: () => Promise.resolve(answer) });
  });
});

it("goes on from each answer, at once while there is more, and ends at the first failure", async () => {
  const event = { type: "delete", seq: 3, id: "x" };
  answers = [{ ...empty, events: [event], more: true }, empty];
  openPolling(API, () => "abc-2", handlers);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toEqual(["/changes?after=abc-2", "/changes?after=abc-3"]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked.at(-1)).toBe("/changes?after=abc-4");
  expect(batches).toHaveLength(2);
  expect(ends).toEqual([null]);
});

it("takes a gone notice for no place in the history", async () => {
  const event = { type: "delete", seq: 3, id: "x" };
  answers = [{ ...empty, events: [event, { type: "gone", id: "y" }], more: true }, empty];
  openPolling(API, () => "abc-2", handlers);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toEqual(["/changes?after=abc-2", "/changes?after=abc-3"]);
  expect(batches).toHaveLength(2);
});

it("ends with the time for which the server asks to be left alone", async () => {
  const headers = [
    { "Retry-After": "7" },
    {},
    { "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT" },
    { "Retry-After": "86400" },
  ];
  const waits: (number | undefined)[] = [];
  for (const sent of headers) {
    vi.stubGlobal("fetch", () =>
      Promise.resolve(new Response(null, { status: 429, headers: sent as Record<string, string> })),
    );
    openPolling(API, () => "abc-2", {
      ...handlers,
      end: (code, wait) => {
        expect(code).toBeNull();
        waits.push(wait);
      },
    });
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(waits).toEqual([7_000, 1_000, 1_000, 60_000]);
});

it("ends for good where asking again won't help", async () => {
  vi.stubGlobal("fetch", () => Promise.resolve({ ok: false, status: 403 }));
  openPolling(API, () => "abc-2", handlers);
  await vi.advanceTimersByTimeAsync(1);
  expect(ends).toEqual([4503]);
});

it("ends at a reset: the position that it was opened with is void", async () => {
  answers = [{ reset: true, epoch: "new", seq: 5 }, empty];
  openPolling(API, () => "abc-2", handlers);
  await vi.advanceTimersByTimeAsync(100_000);
  expect(asked).toHaveLength(1);
  expect(batches).toHaveLength(1);
  expect(ends).toEqual([null]);
});

it("asks no more once closed", async () => {
  answers = [empty, empty];
  const link = openPolling(API, () => "abc-2", handlers);
  await vi.advanceTimersByTimeAsync(1);
  link.close();
  await vi.advanceTimersByTimeAsync(100_000);
  expect(asked).toHaveLength(1);
  expect(ends).toEqual([]);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it.each([
  ["visible", 8_000],
  ["hidden", 60_000],
] as const)("asks again after a while in a tab that is %s, give or take a quarter: %i", async (state, pause) => {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(state);
  vi.spyOn(Math, "random").mockReturnValue(1);
  answers = [empty, empty];
  const link = openPolling(API, () => "abc-2", handlers);
  await vi.advanceTimersByTimeAsync(pause * 1.25 - 1);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toHaveLength(2);
  link.close();
});
