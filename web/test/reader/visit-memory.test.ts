import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { chosenOrder, VisitMemory } from "../../src/reader/visit-memory.js";

const API = "https://live.example.org/api/v1/liveblogs/demo";

beforeEach(() => {
  localStorage.clear();
});

afterEach(() => {
  vi.unstubAllGlobals();
});

it("remembers a visit, what was seen and what was chosen, for each live blog", () => {
  const memory = new VisitMemory(API);
  expect([memory.visit, memory.seen.size, memory.alerts]).toEqual([null, 0, false]);
  memory.saw("a", 0);
  memory.alerts = true;
  memory.save({ position: "abc-2", at: "2026-11-22T09:00:00.000Z", left: 5 });
  const next = new VisitMemory(API);
  expect([next.visit?.position, next.seen.get("a"), next.alerts]).toEqual(["abc-2", 0, true]);
  expect(new VisitMemory(`${API}-2`).visit).toBeNull();
});

it("keeps the visit before when there is no other to tell of", () => {
  new VisitMemory(API).save({ position: "abc-2", at: "", left: 5 });
  new VisitMemory(API).save();
  expect(new VisitMemory(API).visit?.position).toBe("abc-2");
});

it("keeps the visit that the page before saved late", () => {
  const [before, after] = [new VisitMemory(API), new VisitMemory(API)];
  before.save({ position: "abc-3", at: "", left: 6 });
  after.save();
  expect(new VisitMemory(API).visit?.position).toBe("abc-3");
});

it("keeps what was seen last, and not without end", () => {
  const memory = new VisitMemory(API);
  for (let number = 0; number < 500; number += 1) {
    memory.saw(String(number), 0);
  }
  memory.saw("50", 1);
  memory.saw("450", 1);
  memory.save();
  const { seen } = new VisitMemory(API);
  expect([seen.size, seen.has("50"), seen.has("60"), seen.get("450")]).toEqual([400, true, false, 1]);
});

it("does without a storage, and with nonsense in it", () => {
  localStorage.setItem("liveserver:/api/v1/liveblogs/demo", "{nonsense");
  expect(new VisitMemory(API).visit).toBeNull();
  const refuse = (): never => {
    throw new DOMException("no", "SecurityError");
  };
  vi.stubGlobal("localStorage", { getItem: refuse, setItem: refuse });
  expect(() => {
    new VisitMemory(API).save();
  }).not.toThrow();
  expect(chosenOrder("oldest")).toBeNull();
});

it("the order holds for all live blogs", () => {
  expect(chosenOrder()).toBeNull();
  expect([chosenOrder("oldest"), chosenOrder()]).toEqual(["oldest", "oldest"]);
});
