import { expect, it } from "vitest";

import { LiveAnnouncer } from "../../src/dom/live-announcer.js";
import { TestClock } from "../samples.js";

it("says a burst once, and not again within 20 seconds", () => {
  const clock = new TestClock();
  const said: number[] = [];
  const announcer = new LiveAnnouncer((count) => said.push(count), clock);
  for (let i = 0; i < 5; i += 1) {
    announcer.add(1);
  }
  clock.advance(1_000);
  expect(said).toEqual([5]);
  announcer.add(1);
  clock.advance(10_000);
  announcer.add(2);
  clock.advance(9_999);
  expect(said).toEqual([5]);
  clock.advance(1);
  expect(said).toEqual([5, 3]);
});

it("says nothing of nothing", () => {
  const clock = new TestClock();
  const announcer = new LiveAnnouncer(() => undefined, clock);
  announcer.add(0);
  expect(clock.pending).toBe(0);
});
