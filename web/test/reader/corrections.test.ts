import { beforeEach, expect, it, vi } from "vitest";

import { Corrections } from "../../src/reader/corrections.js";
import { VisitMemory } from "../../src/reader/visit-memory.js";
import { entry, idOf } from "../samples.js";

let sighted: (articles: Element[]) => void;
let told: string[];
let memory: VisitMemory;
let corrections: Corrections;

class FakeObserver {
  constructor(callback: (sightings: { target: Element; isIntersecting: boolean }[]) => void) {
    sighted = (articles) => {
      callback(articles.map((target) => ({ target, isIntersecting: true })));
    };
  }

  observe(): void {
    return;
  }
}

function show(...notes: string[][]): Element[] {
  document.body.innerHTML = notes
    .map((each, number) => entry(number, number, { corrections: each.map((note) => ({ note })) }).html)
    .join("");
  return [...document.querySelectorAll("article")];
}

beforeEach(() => {
  vi.stubGlobal("IntersectionObserver", FakeObserver);
  localStorage.clear();
  told = [];
  memory = new VisitMemory("https://live.example.org/api/v1/liveblogs/demo");
  corrections = new Corrections(memory, (id, number) => {
    told.push(`${id.slice(-2)}: ${String(number)}`);
  });
});

it("are told to a reader who had the entry before their eyes, once", () => {
  const [first] = show([], []);
  corrections.look();
  sighted(first ? [first] : []);
  show(["8"], ["9"]);
  corrections.look();
  corrections.look();
  expect(told).toEqual(["00: 0"]);
  show(["8", "7"], ["9"]);
  corrections.look();
  expect(told).toEqual(["00: 0", "00: 1"]);
  expect(memory.seen.get(idOf(0))).toBe(2);
});

it("aren't told of what was there when it was first read", () => {
  const articles = show(["8"]);
  corrections.look();
  sighted(articles);
  corrections.look();
  expect(told).toEqual([]);
});

it("aren't seen in a hidden tab", () => {
  const articles = show([]);
  vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  sighted(articles);
  expect(memory.seen.size).toBe(0);
});
