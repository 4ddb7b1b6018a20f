import { describe, expect, it, vi } from "vitest";

import { Mentions } from "../../src/reader/mentions.js";
import { Toasts } from "../../src/reader/toasts.js";
import { entry, idOf } from "../samples.js";
import { texts, line, deferred, get, receive } from "./page.js";

describe("toasts", () => {
  it("stay until they are closed, and are added to", () => {
    deferred.correction(idOf(2), 0);
    deferred.correction(idOf(2), 0);
    expect(document.querySelectorAll(".card")).toHaveLength(1);
    expect([...get(".card").querySelectorAll("p")].map((line) => line.textContent)).toEqual([
      "Corrigé",
      "Title – 8 and not 12",
      "Title – 8 and not 12",
    ]);
    expect(get(".card a").getAttribute("href")).toBe("#entry-1");
    expect(get(".card bdi").lang).toBe("en");
    get(".close").click();
    expect(document.querySelector(".card")).toBeNull();
  });

  it("say what an entry says now, keep what is the same, and close with the last that is gone", () => {
    deferred.correction(idOf(2), 0);
    const seen = entry(1, 3, { corrections: [{ note: "7" }] });
    receive({ type: "entry", seq: 3, entry: seen });
    deferred.correction(idOf(1), 0);
    const kept = get(`.card [data-id="${idOf(1)}"]`);
    receive({
      type: "entry",
      seq: 4,
      entry: entry(2, 4, { heading: "Edited", corrections: [{ note: "8" }, { note: "9" }] }),
    });
    expect([...get(".card").querySelectorAll("p")].map((p) => p.textContent)).toEqual([
      "Corrigé",
      "Edited – 8",
      "Entry 1 – 7",
    ]);
    receive({ type: "delete", seq: 5, id: idOf(2) });
    expect([...get(".card").querySelectorAll("p")].map((p) => p.textContent)).toEqual(["Corrigé", "Entry 1 – 7"]);
    expect(get(`.card [data-id="${idOf(1)}"]`)).toBe(kept);
    receive({ type: "delete", seq: 6, id: idOf(1) });
    expect(document.querySelector(".card")).toBeNull();
  });

  it("don't come for what is gone before they do, and once closed don't come back", () => {
    receive({ type: "gone", id: idOf(2) });
    deferred.correction(idOf(2), 0);
    expect(document.querySelector(".card")).toBeNull();
    receive({ type: "entry", seq: 3, entry: entry(1, 3, { corrections: [{ note: "7" }] }) });
    deferred.correction(idOf(1), 0);
    get(".close").click();
    receive({ type: "entry", seq: 4, entry: entry(1, 4, { corrections: [{ note: "8" }] }) });
    expect(document.querySelector(".card")).toBeNull();
  });

  it("that are brief go by themselves", () => {
    new Toasts(texts, "fr", new Mentions(line)).tell("Done");
    expect(get(".card").textContent).toBe("Done");
    vi.advanceTimersByTime(5_000);
    expect(document.querySelector(".card")).toBeNull();
  });
});
