import { afterEach, expect, it, vi } from "vitest";

import { reload } from "../../src/reader/reload.js";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it.each([
  [10_000, 20_000 + 1_500],
  [90_000, 1_500],
])("of a page that is %i ms old comes after %i: spread, and not in a tight loop", (age, wait) => {
  vi.useFakeTimers();
  vi.spyOn(performance, "now").mockReturnValue(age);
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  const reloaded = vi.fn();
  vi.stubGlobal("location", { reload: reloaded });
  reload();
  vi.advanceTimersByTime(wait - 1);
  expect(reloaded).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(reloaded).toHaveBeenCalledOnce();
});
