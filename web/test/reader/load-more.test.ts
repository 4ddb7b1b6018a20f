import { describe, expect, it, vi } from "vitest";

import type { Page } from "../../src/stream/entries-api.js";
import { entry, snapshot } from "../samples.js";
import { deferred, get, line, load, PAGE, press } from "./page.js";

describe("older entries", () => {
  const asked = (): Promise<{ added: Page[]; answer: (seq?: number) => Promise<void> }> => {
    document.body.innerHTML +=
      '<p><a data-older="c1" href="https://live.example.org/older">Older</a><span role="status"></span></p>';
    let answer: (page: unknown) => void = () => undefined;
    vi.stubGlobal("fetch", () => new Promise((resolve) => (answer = resolve)));
    const added: Page[] = [];
    load({ api: PAGE, add: (_, page) => added.push(page) });
    const loading = press("[data-older]");
    return Promise.resolve({
      added,
      answer: (seq = 2) => {
        const page = { items: [entry(1, 1)], next_cursor: null, epoch: "abc", seq };
        answer({ ok: true, json: () => Promise.resolve(page) });
        return loading;
      },
    });
  };

  it("come when they are asked for", async () => {
    const { added, answer } = await asked();
    await answer();
    expect(added).toHaveLength(1);
  });

  it("are asked for again where a cache has them as they were before the page: what was deleted since would come back", async () => {
    const { added, answer } = await asked();
    const loading = answer(1);
    await vi.runAllTimersAsync();
    expect(added).toEqual([]);
    await Promise.all([loading, answer(2)]);
    expect(added.map(({ seq }) => seq)).toEqual([2]);
  });

  it("don't come where a cache has nothing else", async () => {
    const { added } = await asked();
    vi.stubGlobal("fetch", () =>
      Promise.resolve({
        ok: true,
        json: () => Promise.resolve({ items: [], next_cursor: null, epoch: "abc", seq: 1 }),
      }),
    );
    const loading = press("[data-older]");
    await vi.runAllTimersAsync();
    await loading;
    expect(added).toEqual([]);
  });

  it("don't come where the page has started afresh meanwhile: what was deleted before that isn't told", async () => {
    const { added, answer } = await asked();
    line.replace(snapshot());
    await answer();
    expect(added).toEqual([]);
  });

  it("come from where the page ends once it has started afresh", async () => {
    const { added, answer } = await asked();
    await answer();
    deferred.startAfresh(snapshot({ next_cursor: null }));
    expect(get("[data-older]").dataset.older).toBe("");
    deferred.startAfresh(snapshot({ next_cursor: "c2" }));
    expect([get("[data-older]").dataset.older, added.length]).toEqual(["c2", 1]);
  });
});
