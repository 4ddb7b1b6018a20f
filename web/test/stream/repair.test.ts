import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Outcome } from "../../src/model/outcome.js";
import type { Timeline } from "../../src/model/timeline.js";
import { Repair } from "../../src/stream/repair.js";
import { entry, snapshot, TestClock, timeline } from "../samples.js";

let clock: TestClock;
let answers: unknown[];
let asked: string[];
let outcomes: Outcome[];
/** The seqs at which the timeline started afresh: its own by then, and the snapshot's. */
let begun: [number, number][];
const reload = vi.fn();

function repair(line: Timeline): Repair {
  const session = {
    options: { api: "https://live.example.org/api", timeline: line, reload },
    apply: (outcome: Outcome): void => {
      outcomes.push(outcome);
    },
    within: (ms: number, callback: () => void) => clock.setTimeout(callback, ms),
  };
  return new Repair(session, { startAfresh: ({ seq }) => begun.push([line.seq, seq]) });
}

/** Lets what waits for an answer have it. */
async function settle(ms = 0): Promise<void> {
  clock.advance(ms);
  for (let i = 0; i < 20; i += 1) {
    await Promise.resolve();
  }
}

beforeEach(() => {
  clock = new TestClock();
  answers = [];
  asked = [];
  outcomes = [];
  begun = [];
  vi.stubGlobal("fetch", (url: string) => {
    asked.push(url.replace("https://live.example.org/api/", ""));
    const answer = answers.shift();
    return answer === undefined
      ? Promise.reject(new TypeError("no network"))
      : Promise.resolve({ ok: true, json: () => Promise.resolve(answer) });
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function batch(seq: number, numbers: number[], more = false): unknown {
  const events = numbers.map((number) => ({ type: "entry", seq: number, entry: entry(number, number) }));
  return { epoch: "abc", seq, events, more };
}

describe("a resync", () => {
  it("asks after the reader's position, and again while there is more", async () => {
    const line = timeline();
    answers = [batch(6, [3, 4], true), batch(6, [6])];
    repair(line).request(line.receive({ type: "heartbeat", seq: 6, viewers: 1 }).effects);
    await settle();
    await settle();
    expect(asked).toEqual(["changes?after=abc-2", "changes?after=abc-4"]);
    expect(line.position).toBe("abc-6");
    expect(outcomes.flatMap((outcome) => outcome.added)).toHaveLength(3);
  });

  it("is tried again ever more slowly while it fails or brings nothing", async () => {
    const line = timeline();
    answers = [undefined, batch(2, []), batch(6, [6])];
    repair(line).request(line.receive({ type: "heartbeat", seq: 6, viewers: 1 }).effects);
    await settle();
    expect(asked).toHaveLength(1);
    clock.advance(999);
    expect(asked).toHaveLength(1);
    await settle(1);
    expect(asked).toHaveLength(2);
    clock.advance(1_999);
    expect(asked).toHaveLength(2);
    await settle(1);
    expect(line.position).toBe("abc-6");
  });

  it("runs once at a time", async () => {
    const line = timeline();
    answers = [batch(6, [6])];
    const runner = repair(line);
    runner.request(["resync"]);
    await settle();
    expect(asked).toHaveLength(1);
    runner.request([]);
    await settle();
    expect(asked).toHaveLength(1);
  });
});

describe("a snapshot", () => {
  it("takes the place of a resync, and replaces all", async () => {
    const line = timeline();
    answers = [snapshot()];
    const runner = repair(line);
    runner.request(["resync"]);
    runner.request(["snapshot"]);
    await settle();
    expect(asked).toEqual(["snapshot?limit=20"]);
    expect([line.position, begun]).toEqual(["abc-9", [[2, 9]]]);
  });

  it("of what another page than the first shows there is none: that page is read anew", async () => {
    const line = timeline({ page: "entry" });
    repair(line).request(["snapshot"]);
    await settle();
    expect([asked, reload.mock.calls.length]).toEqual([[], 1]);
  });
});
